/*
 * sha256: digests, for content that is compared, quarantined or named by what it holds. OpenSSL does the work.
 */
#ifndef WEIR_BASE_SHA256_H
#define WEIR_BASE_SHA256_H

#include <stddef.h>

enum { SHA256_BYTES = 32, SHA256_HEX_MAX = 65 };

void sha256_bytes(const void *data, size_t len, unsigned char out[SHA256_BYTES]);
void sha256_hex(const void *data, size_t len, char out[SHA256_HEX_MAX]); /* lower case, terminated */

/* In pieces: begin, add any number of times, end (which releases; out holds hexadecimal digits). */
struct sha256;
struct sha256 *sha256_begin(void);
void sha256_add(struct sha256 *digest, const void *data, size_t len);
/* Adds the text with its length before it, so that neighbouring texts cannot be confused. NULL differs from "". */
void sha256_add_text(struct sha256 *digest, const char *text);
void sha256_end(struct sha256 *digest, char out[SHA256_HEX_MAX]);

#endif
