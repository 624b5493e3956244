#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/sha256.h"

static void known_digests(void **state)
{
	(void)state;
	char hex[SHA256_HEX_MAX];
	sha256_hex("", 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex(NULL, 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void pieces_give_the_same(void **state)
{
	(void)state;
	char hex[SHA256_HEX_MAX];
	struct sha256 *digest = sha256_begin();
	sha256_add(digest, "a", 1);
	sha256_add(digest, NULL, 0);
	sha256_add(digest, "bc", 2);
	sha256_end(digest, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void of_two(const char *a, const char *b, char hex[SHA256_HEX_MAX])
{
	struct sha256 *digest = sha256_begin();
	sha256_add_text(digest, a);
	sha256_add_text(digest, b);
	sha256_end(digest, hex);
}

static void texts_are_kept_apart(void **state)
{
	(void)state;
	char one[SHA256_HEX_MAX], other[SHA256_HEX_MAX];
	of_two("ab", "c", one);
	of_two("a", "bc", other);
	assert_string_not_equal(one, other);
	of_two("", "", one);
	of_two(NULL, "", other);
	assert_string_not_equal(one, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_digests),
		cmocka_unit_test(pieces_give_the_same),
		cmocka_unit_test(texts_are_kept_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
