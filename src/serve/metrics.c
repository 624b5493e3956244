#include "serve/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"

enum type { COUNTER, GAUGE, HISTOGRAM };

static const struct metric_row {
	const char *name, *labels, *help;
	enum type type;
} table[METRIC_COUNT] = {
#define METRIC(id, type_, name_, labels_, help_) [METRIC_##id] = { .name = (name_), .labels = (labels_), .help = (help_), .type = (type_) },
#include "serve/metrics.def"
#undef METRIC
};

static const char *const type_names[] = { [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram" };

static const double bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300 };

/* The key is the labels as they are printed: `sync="orders",result="ok"`. It also is the order of output. */
struct series {
	char *key;
	double value;	   /* of a histogram: the sum */
	uint64_t *buckets; /* of a histogram: one for each bound, then the rest */
	UT_hash_handle hh;
};

struct metrics {
	pthread_mutex_t lock;
	struct series *series[METRIC_COUNT];
};

struct metrics *metrics_new(void)
{
	struct metrics *metrics = mem_alloc(sizeof *metrics);
	(void)pthread_mutex_init(&metrics->lock, NULL);
	return metrics;
}

static void remove_series(struct metrics *metrics, enum metric id, struct series *s)
{
	HASH_DEL(metrics->series[id], s);
	free(s->buckets);
	free(s->key);
	free(s);
}

void metrics_free(struct metrics *metrics)
{
	if (metrics == NULL)
		return;
	for (unsigned id = 0; id < METRIC_COUNT; id++) {
		struct series *s, *next;
		HASH_ITER (hh, metrics->series[id], s, next)
			remove_series(metrics, (enum metric)id, s);
	}
	(void)pthread_mutex_destroy(&metrics->lock);
	free(metrics);
}

static void put_escaped(struct buf *out, const char *text, bool quotes)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buf_puts(out, "\\n");
		else if (*text == '\\' || (quotes && *text == '"'))
			buf_printf(out, "\\%c", *text);
		else
			buf_putc(out, *text);
	}
}

/* Prints labels with the values in args. With `partial`, stops behind the last value that was given. */
static void put_labels(struct buf *out, enum metric id, va_list args, bool partial)
{
	const char *value = "";
	for (const char *name = table[id].labels; *name != '\0';) {
		size_t len = strcspn(name, " ");
		if (value != NULL)
			value = va_arg(args, const char *);
		if (value == NULL && partial)
			return;
		if (out->len > 0)
			buf_putc(out, ',');
		buf_append(out, name, len);
		buf_puts(out, "=\"");
		put_escaped(out, value == NULL ? "" : value, true);
		buf_putc(out, '"');
		name += len;
		name += strspn(name, " ");
	}
}

/* The series of a key, made if there is room; NULL if not. Under the lock. */
static struct series *find_series(struct metrics *metrics, enum metric id, const char *key)
{
	struct series *s = NULL;
	HASH_FIND_STR(metrics->series[id], key, s);
	if (s != NULL)
		return s;
	if (HASH_COUNT(metrics->series[id]) >= METRICS_SERIES_MAX)
		return NULL;
	s = mem_alloc(sizeof *s);
	s->key = mem_strdup(key);
	if (table[id].type == HISTOGRAM)
		s->buckets = mem_array(ARRAY_SIZE(bounds) + 1, sizeof s->buckets[0]);
	HASH_ADD_KEYPTR(hh, metrics->series[id], s->key, strlen(s->key), s);
	return s;
}

enum change { CHANGE_ADD, CHANGE_SET, CHANGE_OBSERVE };

static void change(struct metrics *metrics, enum metric id, enum change how, double value, va_list args)
{
	if (metrics == NULL || !isfinite(value))
		return;
	AUTOBUF key = BUF_INIT;
	put_labels(&key, id, args, false);
	(void)pthread_mutex_lock(&metrics->lock);
	struct series *s = find_series(metrics, id, buf_text(&key));
	if (s == NULL) {
		s = find_series(metrics, METRIC_DROPPED, "");
		s->value += 1;
	} else if (how == CHANGE_SET) {
		s->value = value;
	} else {
		s->value += value;
		if (how == CHANGE_OBSERVE && s->buckets != NULL) {
			size_t i = 0;
			while (i < ARRAY_SIZE(bounds) && value > bounds[i])
				i++;
			s->buckets[i]++;
		}
	}
	(void)pthread_mutex_unlock(&metrics->lock);
}

void metrics_add(struct metrics *metrics, enum metric id, double by, ...)
{
	va_list args;
	va_start(args, by);
	change(metrics, id, CHANGE_ADD, by, args);
	va_end(args);
}

void metrics_set(struct metrics *metrics, enum metric id, double value, ...)
{
	va_list args;
	va_start(args, value);
	change(metrics, id, CHANGE_SET, value, args);
	va_end(args);
}

void metrics_observe(struct metrics *metrics, enum metric id, double seconds, ...)
{
	va_list args;
	va_start(args, seconds);
	change(metrics, id, CHANGE_OBSERVE, seconds, args);
	va_end(args);
}

void metrics_forget(struct metrics *metrics, enum metric id, ...)
{
	if (metrics == NULL)
		return;
	AUTOBUF prefix = BUF_INIT;
	va_list args;
	va_start(args, id);
	put_labels(&prefix, id, args, true);
	va_end(args);
	(void)pthread_mutex_lock(&metrics->lock);
	struct series *s, *next;
	HASH_ITER (hh, metrics->series[id], s, next) {
		/* The prefix ends with a quote, so that "a" never matches "ab". */
		if (str_starts(s->key, buf_text(&prefix)))
			remove_series(metrics, id, s);
	}
	(void)pthread_mutex_unlock(&metrics->lock);
}

static int by_key(const struct series *a, const struct series *b)
{
	return strcmp(a->key, b->key);
}

static void put_number(struct buf *out, double value)
{
	if (fabs(value) < 1e15 && value == floor(value))
		buf_printf(out, "%.0f\n", value);
	else
		buf_printf(out, "%.15g\n", value);
}

static void put_histogram(struct buf *out, const char *name, const struct series *s)
{
	const char *comma = s->key[0] == '\0' ? "" : ",";
	uint64_t count = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		count += s->buckets[i];
		buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, s->key, comma, bounds[i], (unsigned long long)count);
	}
	count += s->buckets[ARRAY_SIZE(bounds)];
	buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, s->key, comma, (unsigned long long)count);
	const char *open = s->key[0] == '\0' ? "" : "{", *end = s->key[0] == '\0' ? "" : "}";
	buf_printf(out, "%s_sum%s%s%s ", name, open, s->key, end);
	put_number(out, s->value);
	buf_printf(out, "%s_count%s%s%s %llu\n", name, open, s->key, end, (unsigned long long)count);
}

void metrics_write(struct metrics *metrics, struct buf *out)
{
	if (metrics == NULL)
		return;
	(void)pthread_mutex_lock(&metrics->lock);
	for (unsigned id = 0; id < METRIC_COUNT; id++) {
		if (metrics->series[id] == NULL)
			continue;
		HASH_SORT(metrics->series[id], by_key);
		const struct metric_row *row = &table[id];
		buf_printf(out, "# HELP %s ", row->name);
		put_escaped(out, row->help, false);
		buf_printf(out, "\n# TYPE %s %s\n", row->name, type_names[row->type]);
		for (struct series *s = metrics->series[id]; s != NULL; s = s->hh.next) {
			if (row->type == HISTOGRAM) {
				put_histogram(out, row->name, s);
				continue;
			}
			bool bare = s->key[0] == '\0';
			buf_printf(out, "%s%s%s%s ", row->name, bare ? "" : "{", s->key, bare ? "" : "}");
			put_number(out, s->value);
		}
	}
	(void)pthread_mutex_unlock(&metrics->lock);
}
