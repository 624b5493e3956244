#include "base/sha256.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct sha256 {
	EVP_MD_CTX *context;
};

/* OpenSSL fails here only without memory or without SHA-256 at all: nothing could go on. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

static void to_hex(const unsigned char bytes[SHA256_BYTES], char out[SHA256_HEX_MAX])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[SHA256_HEX_MAX - 1] = '\0';
}

void sha256_bytes(const void *data, size_t len, unsigned char out[SHA256_BYTES])
{
	must(EVP_Digest(len == 0 ? "" : data, len, out, NULL, EVP_sha256(), NULL));
}

void sha256_hex(const void *data, size_t len, char out[SHA256_HEX_MAX])
{
	unsigned char bytes[SHA256_BYTES];
	sha256_bytes(data, len, bytes);
	to_hex(bytes, out);
}

struct sha256 *sha256_begin(void)
{
	struct sha256 *digest = mem_alloc(sizeof *digest);
	digest->context = EVP_MD_CTX_new();
	must(digest->context != NULL);
	must(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL));
	return digest;
}

void sha256_add(struct sha256 *digest, const void *data, size_t len)
{
	if (len > 0)
		must(EVP_DigestUpdate(digest->context, data, len));
}

void sha256_add_text(struct sha256 *digest, const char *text)
{
	uint64_t len = text == NULL ? UINT64_MAX : strlen(text);
	unsigned char prefix[8];
	for (size_t i = 0; i < sizeof prefix; i++)
		prefix[i] = (unsigned char)(len >> (8 * i));
	sha256_add(digest, prefix, sizeof prefix);
	if (text != NULL)
		sha256_add(digest, text, (size_t)len);
}

void sha256_end(struct sha256 *digest, char out[SHA256_HEX_MAX])
{
	unsigned char bytes[SHA256_BYTES];
	must(EVP_DigestFinal_ex(digest->context, bytes, NULL));
	EVP_MD_CTX_free(digest->context);
	free(digest);
	to_hex(bytes, out);
}
