/*
 * buf: a growing byte string, always terminated by a NUL that `len` does not count. Owned by whoever declared it; buf_free releases.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL until something was appended; use buf_text() for a string that is never NULL */
	size_t len;
	size_t cap;
};

#define BUF_INIT ((struct buf){ 0 })
#define AUTOBUF	 __attribute__((cleanup(buf_free))) struct buf

void buf_free(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_reserve(struct buf *b, size_t extra);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
const char *buf_text(const struct buf *b);
/* The text as a string that the caller owns; the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *b);

/* Appends text with everything but A-Z a-z 0-9 - . _ ~ percent-encoded (RFC 3986). */
void buf_put_url(struct buf *b, const char *text);
/* Appends lower-case hexadecimal digits. */
void buf_put_hex(struct buf *b, const void *data, size_t len);
/* Appends RFC 4648 base64 with padding. */
void buf_put_base64(struct buf *b, const void *data, size_t len);
/* Decodes RFC 4648 base64, white space ignored; false on any other character (the buffer is then unchanged). */
bool buf_put_unbase64(struct buf *b, const char *text, size_t len);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Equal, where NULL equals only NULL. */
bool str_eq(const char *a, const char *b);

#endif
