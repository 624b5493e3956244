#include "flink/values.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	double factor;
};

/* Digits, blanks, a unit: gives the number and where the unit stands. */
static bool split_number(const char *text, uint64_t *number, char unit[24])
{
	if (text == NULL)
		return false;
	while (isspace((unsigned char)*text))
		text++;
	uint64_t value = 0;
	const char *start = text;
	for (; isdigit((unsigned char)*text); text++) {
		if (value > (uint64_t)INT64_MAX / 10)
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	if (text == start || value > (uint64_t)INT64_MAX)
		return false;
	while (isspace((unsigned char)*text))
		text++;
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if (len >= 24)
		return false;
	memcpy(unit, text, len);
	unit[len] = '\0';
	*number = value;
	return true;
}

static bool scaled(uint64_t number, double factor, int64_t *out)
{
	if ((double)number * factor > 9.2e18)
		return false;
	*out = factor >= 1 ? (int64_t)(number * (uint64_t)factor) : (int64_t)((double)number * factor);
	return true;
}

/* A number and one of these units, as Flink reads both durations and sizes. */
static bool in_units(const char *text, const struct unit *units, size_t count, int64_t *out)
{
	uint64_t number;
	char unit[24];
	if (!split_number(text, &number, unit))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(unit, units[i].name) == 0)
			return scaled(number, units[i].factor, out);
	return false;
}

bool flink_duration_ms(const char *text, int64_t *ms)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "ms", 1 },
		{ "milli", 1 },
		{ "millis", 1 },
		{ "millisecond", 1 },
		{ "milliseconds", 1 },
		{ "s", 1000 },
		{ "sec", 1000 },
		{ "secs", 1000 },
		{ "second", 1000 },
		{ "seconds", 1000 },
		{ "m", 60000 },
		{ "min", 60000 },
		{ "mins", 60000 },
		{ "minute", 60000 },
		{ "minutes", 60000 },
		{ "h", 3600000 },
		{ "hour", 3600000 },
		{ "hours", 3600000 },
		{ "d", 86400000 },
		{ "day", 86400000 },
		{ "days", 86400000 },
		{ "\xc2\xb5s", 1e-3 },
		{ "micro", 1e-3 },
		{ "micros", 1e-3 },
		{ "microsecond", 1e-3 },
		{ "microseconds", 1e-3 },
		{ "ns", 1e-6 },
		{ "nano", 1e-6 },
		{ "nanos", 1e-6 },
		{ "nanosecond", 1e-6 },
		{ "nanoseconds", 1e-6 },
	};
	return in_units(text, units, sizeof(units) / sizeof(units[0]), ms);
}

bool flink_memory_size(const char *text, int64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "b", 1 },
		{ "bytes", 1 },
		{ "k", 1024.0 },
		{ "kb", 1024.0 },
		{ "kibibytes", 1024.0 },
		{ "m", 1048576.0 },
		{ "mb", 1048576.0 },
		{ "mebibytes", 1048576.0 },
		{ "g", 1073741824.0 },
		{ "gb", 1073741824.0 },
		{ "gibibytes", 1073741824.0 },
		{ "t", 1099511627776.0 },
		{ "tb", 1099511627776.0 },
		{ "tebibytes", 1099511627776.0 },
	};
	return in_units(text, units, sizeof(units) / sizeof(units[0]), bytes);
}

/* Optional sign, digits with an optional point: no "inf", no hexadecimal, which strtod would take. */
static bool decimal(const char *text, const char **end)
{
	const char *p = text + (*text == '-' || *text == '+');
	size_t digits = 0;
	for (; isdigit((unsigned char)*p); p++)
		digits++;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++)
			digits++;
	*end = p;
	return digits > 0 && digits <= 32;
}

bool flink_quantity(const char *text, double *value)
{
	static const struct unit units[] = {
		{ "", 1 },	  { "n", 1e-9 },    { "u", 1e-6 },    { "m", 1e-3 },	{ "k", 1e3 },	  { "M", 1e6 },
		{ "G", 1e9 },	  { "T", 1e12 },    { "P", 1e15 },    { "E", 1e18 },	{ "Ki", 0x1p10 }, { "Mi", 0x1p20 },
		{ "Gi", 0x1p30 }, { "Ti", 0x1p40 }, { "Pi", 0x1p50 }, { "Ei", 0x1p60 },
	};
	const char *end;
	if (text == NULL || !decimal(text, &end))
		return false;
	if ((*end == 'e' || *end == 'E') && end[1] != '\0' && end[1] != 'i') {
		const char *p = end + 1 + (end[1] == '-' || end[1] == '+');
		size_t digits = strspn(p, "0123456789");
		if (digits == 0 || digits > 2 || p[digits] != '\0')
			return false;
		*value = strtod(text, NULL);
		return true;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		AUTOBUF number = BUF_INIT;
		buf_append(&number, text, (size_t)(end - text));
		*value = strtod(buf_text(&number), NULL) * units[i].factor;
		return true;
	}
	return false;
}

bool flink_memory_bytes(const char *text, int64_t *bytes)
{
	if (flink_memory_size(text, bytes))
		return true;
	/* in any case and with a trailing B, as the Java operator takes it: "2gib", "1.5GB" */
	char quantity[40];
	size_t len = text != NULL ? strlen(text) : 0;
	if (len == 0 || len >= sizeof(quantity))
		return false;
	for (size_t i = 0; i <= len; i++)
		quantity[i] = (char)toupper((unsigned char)text[i]);
	if (quantity[len - 1] == 'B')
		quantity[--len] = '\0';
	if (len > 0 && quantity[len - 1] == 'I')
		quantity[len - 1] = 'i';
	if (len > 0 && quantity[len - 1] == 'K')
		quantity[len - 1] = 'k';
	double value;
	if (!flink_quantity(quantity, &value) || value < 0 || value > 9e18)
		return false;
	*bytes = (int64_t)value;
	return true;
}

bool flink_memory_text(const char *text, struct buf *out)
{
	static const struct {
		const char *name;
		int64_t size;
	} units[] = { { "tb", INT64_C(1) << 40 }, { "gb", 1 << 30 }, { "mb", 1 << 20 }, { "kb", 1 << 10 } };
	int64_t bytes;
	if (!flink_memory_size(text, &bytes)) {
		if (!flink_memory_bytes(text, &bytes))
			return false;
		buf_printf(out, "%lld", (long long)bytes);
		return true;
	}
	for (size_t i = 0; bytes > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (bytes % units[i].size != 0)
			continue;
		buf_printf(out, "%lld %s", (long long)(bytes / units[i].size), units[i].name);
		return true;
	}
	buf_printf(out, "%lld bytes", (long long)bytes);
	return true;
}

void flink_put_double(struct buf *out, double value)
{
	char text[40];
	for (int precision = 1; precision <= 17; precision++) {
		(void)snprintf(text, sizeof(text), "%.*g", precision, value);
		double again = strtod(text, NULL);
		if (again >= value && again <= value)
			break;
	}
	if (strchr(text, 'e') != NULL)
		(void)snprintf(text, sizeof(text), "%.1f", value);
	buf_puts(out, text);
	if (strpbrk(text, ".") == NULL)
		buf_puts(out, ".0");
}

void flink_put_cpu(struct buf *out, double cores)
{
	int64_t milli = (int64_t)(cores * 1000 + 0.999999); /* rounded up, as the API server does */
	if (milli % 1000 == 0)
		buf_printf(out, "%lld", (long long)(milli / 1000));
	else
		buf_printf(out, "%lldm", (long long)milli);
}

void flink_put_mib(struct buf *out, int64_t mib)
{
	const char *unit = "Mi";
	if (mib > 0 && mib % (1024 * 1024) == 0) {
		mib /= 1024 * 1024;
		unit = "Ti";
	} else if (mib > 0 && mib % 1024 == 0) {
		mib /= 1024;
		unit = "Gi";
	}
	buf_printf(out, "%lld%s", (long long)mib, unit);
}

struct node *flink_list_split(struct doc *doc, const char *text, char separator)
{
	struct node *list = node_list(doc);
	if (text == NULL || *text == '\0')
		return list;
	AUTOBUF element = BUF_INIT;
	char quote = '\0';
	bool fresh = true; /* only a quote at the start of an element opens one */
	for (const char *p = text;; p++) {
		if (*p == '\0' || (*p == separator && quote == '\0')) {
			node_append(doc, list, node_string(doc, buf_text(&element)));
			buf_clear(&element);
			fresh = true;
			if (*p == '\0')
				return list;
		} else if (quote != '\0' && *p == quote) {
			if (p[1] == quote)
				buf_putc(&element, *p++);
			else
				quote = '\0';
		} else if (fresh && (*p == '\'' || *p == '"')) {
			quote = *p;
			fresh = false;
		} else {
			buf_putc(&element, *p);
			fresh = fresh && *p == ' ';
		}
	}
}

struct node *flink_list_parse(struct doc *doc, const char *text)
{
	struct node *all = flink_list_split(doc, text, text != NULL && strchr(text, ';') != NULL ? ';' : ',');
	for (size_t i = node_count(all); i-- > 0;)
		if (*node_text_or(node_at(all, i), "") == '\0')
			node_remove_at(all, i);
	return all;
}

struct node *flink_map_parse(struct doc *doc, const char *text)
{
	struct node *map = node_map(doc);
	struct node *pairs = flink_list_split(doc, text, ',');
	for (size_t i = 0; i < node_count(pairs); i++) {
		const char *pair = node_text(node_at(pairs, i));
		const char *colon = strchr(pair, ':');
		if (colon == NULL || colon == pair)
			continue;
		AUTOBUF key = BUF_INIT;
		buf_append(&key, pair, (size_t)(colon - pair));
		struct node *value = flink_list_split(doc, colon + 1, '\0');
		node_set_text(doc, map, buf_text(&key), node_text_or(node_at(value, 0), ""));
	}
	return map;
}

void flink_put_list_element(struct buf *out, const char *text)
{
	if (strpbrk(text, ";'\"") == NULL) {
		buf_puts(out, text);
		return;
	}
	buf_putc(out, '\'');
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\'')
			buf_putc(out, '\'');
		buf_putc(out, *p);
	}
	buf_putc(out, '\'');
}
