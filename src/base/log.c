#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sensitive.h"

enum { PAIR_MAX = 32 };

static const char *const level_names[LOG_LEVEL_COUNT] = { "debug", "info", "warn", "error" };

static struct log_config current = { .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT, .fd = STDERR_FILENO, .clock = NULL };

void log_configure(const struct log_config *config)
{
	current = *config;
}

bool log_enabled(enum log_level level)
{
	return level >= current.level;
}

const char *log_level_name(enum log_level level)
{
	return level < LOG_LEVEL_COUNT ? level_names[level] : "error";
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (str_eq(name, level_names[i])) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* Bytes of the UTF-8 character at p, 0 if there is none. */
static size_t utf8_length(const unsigned char *p)
{
	size_t n = p[0] < 0x80			 ? 1
		   : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
		   : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
		   : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
						 : 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
	    (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return n;
}

/* A JSON string. Bytes that are not UTF-8 on their own become U+FFFD, so that a line is valid JSON whatever was logged. */
static void put_quoted(struct buf *out, const char *text)
{
	buf_putc(out, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
		size_t n = utf8_length(p);
		if (*p == '"' || *p == '\\')
			buf_printf(out, "\\%c", *p);
		else if (*p == '\n')
			buf_puts(out, "\\n");
		else if (*p == '\t')
			buf_puts(out, "\\t");
		else if (*p < 0x20 || *p == 0x7F)
			buf_printf(out, "\\u%04x", *p);
		else if (n == 0)
			buf_puts(out, "\\ufffd");
		else
			buf_append(out, p, n);
		p += n == 0 ? 1 : n;
	}
	buf_putc(out, '"');
}

static void put_pair(struct buf *out, enum log_format format, const char *key, const char *value)
{
	AUTOBUF shown = BUF_INIT;
	sensitive_put_text(&shown, sensitive_value(key, value));
	if (format == LOG_FORMAT_JSON) {
		buf_putc(out, ',');
		put_quoted(out, key);
		buf_putc(out, ':');
		put_quoted(out, buf_text(&shown));
		return;
	}
	buf_printf(out, " %s=", key);
	bool plain = shown.len > 0;
	for (size_t i = 0; i < shown.len; i++)
		plain = plain && shown.data[i] > ' ' && shown.data[i] < 0x7F && strchr("\"\\=", shown.data[i]) == NULL;
	if (plain)
		buf_puts(out, shown.data);
	else
		put_quoted(out, buf_text(&shown));
}

/* The message of a text line stays readable, but can never begin a second line. */
static void put_message(struct buf *out, const char *message)
{
	AUTOBUF shown = BUF_INIT;
	sensitive_put_text(&shown, message);
	for (size_t i = 0; i < shown.len; i++)
		buf_putc(out, (unsigned char)shown.data[i] < ' ' || shown.data[i] == 0x7F ? ' ' : shown.data[i]);
}

void log_render(struct buf *out, const struct log_config *config, enum log_level level, const char *message, const char *const *pairs)
{
	char when[TIME_TEXT_MAX];
	struct clock real = clock_real();
	time_format_ms(clock_now_ms(config->clock != NULL ? config->clock : &real), when);
	if (config->format == LOG_FORMAT_JSON) {
		AUTOBUF shown = BUF_INIT;
		sensitive_put_text(&shown, message);
		buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", when, log_level_name(level));
		put_quoted(out, buf_text(&shown));
	} else {
		buf_printf(out, "%s %-5s ", when, log_level_name(level));
		put_message(out, message);
	}
	for (size_t i = 0; pairs[i] != NULL; i += 2)
		put_pair(out, config->format, pairs[i], pairs[i + 1]);
	if (config->format == LOG_FORMAT_JSON)
		buf_putc(out, '}');
}

void log_event(enum log_level level, const char *message, ...)
{
	if (!log_enabled(level))
		return;
	const char *pairs[2 * PAIR_MAX + 1];
	size_t n = 0;
	va_list args;
	va_start(args, message);
	for (const char *key; n < 2 * (size_t)PAIR_MAX && (key = va_arg(args, const char *)) != NULL;) {
		const char *value = va_arg(args, const char *);
		if (value == NULL)
			continue;
		pairs[n++] = key;
		pairs[n++] = value;
	}
	va_end(args);
	pairs[n] = NULL;

	AUTOBUF line = BUF_INIT;
	log_render(&line, &current, level, message, pairs);
	buf_putc(&line, '\n');
	for (size_t done = 0; done < line.len;) {
		ssize_t wrote = write(current.fd, line.data + done, line.len - done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return; /* nobody can be told that the log is gone */
		done += (size_t)wrote;
	}
}
