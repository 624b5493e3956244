/* What a plain YAML scalar means: null, boolean, number, date or string. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/doc_private.h"
#include "base/mem.h"
#include "base/yaml.h"

static bool one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* An integer in Go's notation: sign, then 0x, 0b, 0o or a leading 0 for octal. Writes its decimal text. */
static bool read_integer(const char *s, char *out, size_t size)
{
	bool negative = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	int base = 10;
	if (s[0] == '0' && s[1] != '\0') {
		char mark = (char)(s[1] | 32);
		base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
		s += mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1;
	}
	if (strspn(s, "0123456789abcdefABCDEF") != strlen(s) || *s == '\0')
		return false;
	char *end;
	errno = 0;
	unsigned long long v = strtoull(s, &end, base);
	if (errno != 0 || *end != '\0' || (negative && v > (unsigned long long)INT64_MAX + 1))
		return false;
	(void)snprintf(out, size, "%s%llu", negative && v != 0 ? "-" : "", v);
	return true;
}

/* [-+] (.d+ | d+ [. d*]) [e [-+] d+], written as a JSON number. */
static bool read_float(const char *s, struct buf *out)
{
	static const char digits[] = "0123456789";
	if (*s == '-')
		buf_putc(out, '-');
	if (*s == '-' || *s == '+')
		s++;
	size_t whole = strspn(s, digits);
	const char *fraction = s[whole] == '.' ? s + whole + 1 : "";
	size_t part = strspn(fraction, digits);
	if (whole == 0 && part == 0)
		return false;
	const char *rest = s[whole] == '.' ? fraction + part : s + whole;
	while (whole > 1 && *s == '0') {
		s++;
		whole--;
	}
	buf_append(out, whole == 0 ? "0" : s, whole == 0 ? 1 : whole);
	if (part > 0) {
		buf_putc(out, '.');
		buf_append(out, fraction, part);
	}
	if (*rest != '\0') {
		if ((*rest | 32) != 'e')
			return false;
		const char *exponent = rest + 1 + (rest[1] == '-' || rest[1] == '+');
		if (*exponent == '\0' || strspn(exponent, digits) != strlen(exponent))
			return false;
		buf_puts(out, rest);
	}
	double v = strtod(buf_text(out), NULL);
	return v <= 1.7976931348623157e308 && v >= -1.7976931348623157e308;
}

static bool leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* y-m-d or y-m-d h:m:s (or with T and a zone): as RFC 3339 text. */
static bool read_date(const char *s, struct buf *out)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day, hour = 0, minute = 0, second = 0, used = 0, fraction = 0;
	if (strspn(s, "0123456789") != 4 || s[4] != '-' || sscanf(s, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3)
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days[month - 1] || (month == 2 && day == 29 && !leap(year)))
		return false;
	const char *p = s + used;
	char zone[16] = "Z";
	const char *part = "";
	if (*p != '\0') {
		char between = *p;
		if ((between != 'T' && between != 't' && between != ' ') ||
		    sscanf(p + 1, "%2d:%2d:%2d%n", &hour, &minute, &second, &used) != 3)
			return false;
		if (strpbrk(p + 1, "+-") == p + 1 || hour > 23 || minute > 59 || second > 59)
			return false;
		p += 1 + used;
		if (*p == '.') {
			part = p;
			fraction = (int)strspn(p + 1, "0123456789");
			if (fraction == 0 || fraction > 9)
				return false;
			p += 1 + fraction;
			while (fraction > 0 && part[fraction] == '0')
				fraction--;
		}
		int zh, zm;
		if (between == ' ') {
			if (*p != '\0')
				return false;
		} else if (strcmp(p, "Z") != 0) {
			if ((*p != '+' && *p != '-') || strlen(p) != 6 || sscanf(p + 1, "%2d:%2d", &zh, &zm) != 2)
				return false;
			if (zh != 0 || zm != 0)
				(void)snprintf(zone, sizeof zone, "%s", p);
		}
	}
	buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, hour, minute, second);
	if (fraction > 0)
		buf_append(out, part, (size_t)fraction + 1);
	buf_puts(out, zone);
	return true;
}

bool yaml_is_date(const char *text)
{
	AUTOBUF b = BUF_INIT;
	return read_date(text, &b);
}

static struct node *word(struct doc *doc, const char *text, enum yaml_dialect dialect)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };
	static const char *const old_yes[] = { "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL };
	static const char *const old_no[] = { "n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL };
	if (one_of(text, nulls))
		return node_null(doc);
	if (one_of(text, yes) || (dialect == YAML_1_1 && one_of(text, old_yes)))
		return node_bool(doc, true);
	if (one_of(text, no) || (dialect == YAML_1_1 && one_of(text, old_no)))
		return node_bool(doc, false);
	return NULL;
}

static struct node *number_or_date(struct doc *doc, const char *text, enum yaml_dialect dialect)
{
	AUTOBUF b = BUF_INIT;
	if (text[0] != '.' && read_date(text, &b))
		return dialect == YAML_RESOURCE ? node_stringn(doc, buf_text(&b), b.len) : NULL;
	buf_clear(&b);
	for (const char *p = text; *p != '\0'; p++)
		if (*p != '_' || text[0] == '.')
			buf_putc(&b, *p);
	char integer[32];
	if (text[0] != '.' && read_integer(buf_text(&b), integer, sizeof integer))
		return node_number(doc, integer);
	AUTOBUF f = BUF_INIT;
	return read_float(buf_text(&b), &f) ? node_number(doc, buf_text(&f)) : NULL;
}

struct node *yaml_resolve(struct doc *doc, const char *text, size_t len, enum yaml_dialect dialect, unsigned line, struct error *err)
{
	struct node *n = NULL;
	if (len < 200 && strlen(text) == len) {
		n = word(doc, text, dialect);
		const char *behind = text + (*text == '-' || *text == '+');
		static const char *const not_numbers[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };
		if (n == NULL && one_of(behind, not_numbers)) {
			(void)error_set(err, ERROR_INVALID, "line %u: '%s' cannot be carried by JSON; quote it to make it a string", line,
					text);
			return NULL;
		}
		if (n == NULL && strchr("+-.0123456789", *text) != NULL)
			n = number_or_date(doc, text, dialect);
	}
	if (n == NULL)
		n = node_stringn(doc, text, len);
	node_set_line(n, line);
	return n;
}
