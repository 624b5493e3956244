#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/wtime.h"

static void formats(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 951868799999, "2000-02-29T23:59:59.999Z" },
		{ 4107542400000, "2100-03-01T00:00:00.000Z" },
		{ 1767225599001, "2025-12-31T23:59:59.001Z" },
		{ 253402300799999, "9999-12-31T23:59:59.999Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
		{ -62167219200000, "0000-01-01T00:00:00.000Z" },
		{ INT64_MIN, "0000-01-01T00:00:00.000Z" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[TIME_TEXT_MAX];
		time_format_ms(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
	char text[TIME_TEXT_MAX];
	time_format_micro(1700000000123456, text);
	assert_string_equal(text, "2023-11-14T22:13:20.123456Z");
	time_format_s(1700000000999, text);
	assert_string_equal(text, "2023-11-14T22:13:20Z");
	time_format_s(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59Z");
}

static void parses_what_it_formats(void **state)
{
	(void)state;
	for (int64_t day = -719528; day < 2932896; day += 17) {
		int64_t ms = day * 86400000 + (day * 7919 % 86400000 + 86400000) % 86400000;
		int64_t back;
		char text[TIME_TEXT_MAX];
		time_format_ms(ms, text);
		assert_true(time_parse_ms(text, &back));
		assert_true(back == ms);
	}
}

static void parses_other_spellings(void **state)
{
	(void)state;
	static const char *const same[] = { "2023-11-14T22:13:20.123456Z", "2023-11-14T23:13:20.123456+01:00",
					    "2023-11-14T16:43:20.123456789-05:30", "2023-11-14t22:13:20.123456z",
					    "2023-11-14 22:13:20.123456+0000" };
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		int64_t micros;
		assert_true(time_parse_micro(same[i], &micros));
		assert_true(micros == 1700000000123456);
	}
	int64_t ms;
	assert_true(time_parse_ms("1969-12-31T23:59:59.9995Z", &ms));
	assert_true(ms == -1);
}

static void refuses_the_rest(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "2023",
					   "2023-11-14",
					   "2023-11-14T22:13:20",
					   "2023-13-14T22:13:20Z",
					   "2023-02-29T00:00:00Z",
					   "2023-11-14T24:00:00Z",
					   "2023-11-14T22:60:00Z",
					   "2023-11-14T22:13:20.Z",
					   "2023-11-14T22:13:20Zx",
					   "2023-11-14T22:13:20+1:00",
					   "2023-11-14T22:13:20+24:00",
					   "-023-11-14T22:13:20Z",
					   "2023-00-14T22:13:20Z" };
	int64_t ms = 42;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(time_parse_ms(bad[i], &ms));
	assert_false(time_parse_ms(NULL, &ms));
	assert_true(ms == 42);
}

static void real_clock_goes_on(void **state)
{
	(void)state;
	struct clock clock = clock_real();
	int64_t before = clock_mono_ms(&clock);
	assert_true(clock_now_ms(&clock) > 1700000000000);
	assert_true(clock_mono_ms(&clock) >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),	    cmocka_unit_test(parses_what_it_formats), cmocka_unit_test(parses_other_spellings),
		cmocka_unit_test(refuses_the_rest), cmocka_unit_test(real_clock_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
