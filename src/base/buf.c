#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_free(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void buf_reserve(struct buf *b, size_t extra)
{
	size_t need = b->len + extra + 1;
	if (need <= b->cap)
		return;
	size_t cap = b->cap == 0 ? 64 : b->cap;
	while (cap < need)
		cap *= 2;
	b->data = mem_grow(b->data, cap, 1);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	buf_reserve(b, len);
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0)
		return;
	buf_reserve(b, (size_t)n);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
	b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	buf_vprintf(b, format, args);
	va_end(args);
}

const char *buf_text(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

char *buf_take(struct buf *b)
{
	buf_reserve(b, 0);
	char *text = b->data;
	*b = BUF_INIT;
	return text;
}

void buf_put_url(struct buf *b, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (isalnum(*p) || strchr("-._~", *p) != NULL)
			buf_putc(b, (char)*p);
		else
			buf_printf(b, "%%%02X", *p);
	}
}

void buf_put_hex(struct buf *b, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;
	buf_reserve(b, 2 * len);
	for (size_t i = 0; i < len; i++) {
		buf_putc(b, digits[p[i] >> 4]);
		buf_putc(b, digits[p[i] & 15]);
	}
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_put_base64(struct buf *b, const void *data, size_t len)
{
	const unsigned char *p = data;
	buf_reserve(b, (len + 2) / 3 * 4);
	for (size_t i = 0; i < len; i += 3) {
		unsigned v = (unsigned)p[i] << 16;
		if (i + 1 < len)
			v |= (unsigned)p[i + 1] << 8;
		if (i + 2 < len)
			v |= p[i + 2];
		buf_putc(b, base64_digits[v >> 18 & 63]);
		buf_putc(b, base64_digits[v >> 12 & 63]);
		buf_putc(b, i + 1 < len ? base64_digits[v >> 6 & 63] : '=');
		buf_putc(b, i + 2 < len ? base64_digits[v & 63] : '=');
	}
}

bool buf_put_unbase64(struct buf *b, const char *text, size_t len)
{
	size_t start = b->len;
	unsigned v = 0;
	int bits = 0;
	size_t padding = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (isspace(c))
			continue;
		if (c == '=') {
			padding++;
			continue;
		}
		const char *digit = c == '\0' ? NULL : strchr(base64_digits, c);
		if (digit == NULL || padding > 0) {
			b->len = start;
			if (b->data != NULL)
				b->data[start] = '\0';
			return false;
		}
		v = v << 6 | (unsigned)(digit - base64_digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_putc(b, (char)(v >> bits & 255));
		}
	}
	return padding <= 2;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s);
	size_t m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_eq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}
