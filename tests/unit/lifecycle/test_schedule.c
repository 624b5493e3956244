/* Quartz' cron expressions: what they accept, and when they fire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/wtime.h"
#include "lifecycle/schedule.h"

/* Each: an expression, a time, and the times at which it fires after that, one after the other. */
static const struct {
	const char *cron, *after, *fires[4];
} rows[] = {
	{ "0 0 * * * ?", "2026-01-02T03:04:05Z", { "2026-01-02T04:00:00Z", "2026-01-02T05:00:00Z" } },
	{ "0 0 * * * ?", "2026-01-02T04:00:00Z", { "2026-01-02T05:00:00Z" } },
	{ "0 0 * * * ?", "2026-01-02T03:59:59.999Z", { "2026-01-02T04:00:00Z" } },
	{ "* * * * * ?", "2026-12-31T23:59:59Z", { "2027-01-01T00:00:00Z", "2027-01-01T00:00:01Z" } },
	{ "0 0/15 * * * ?",
	  "2026-01-02T03:04:05Z",
	  { "2026-01-02T03:15:00Z", "2026-01-02T03:30:00Z", "2026-01-02T03:45:00Z", "2026-01-02T04:00:00Z" } },
	{ "0 */20 * * * ?", "2026-01-02T03:44:05Z", { "2026-01-02T04:00:00Z" } },
	{ "0 /20 * * * ?", "2026-01-02T03:44:05Z", { "2026-01-02T04:00:00Z" } },
	{ "30 5-10/2 3,22 * * ?", "2026-01-02T03:08:00Z", { "2026-01-02T03:09:30Z", "2026-01-02T22:05:30Z" } },
	{ "0 30 22-2 * * ?",
	  "2026-01-02T02:30:00Z",
	  { "2026-01-02T22:30:00Z", "2026-01-02T23:30:00Z", "2026-01-03T00:30:00Z", "2026-01-03T01:30:00Z" } },
	{ "0 0 6 ? * MON-FRI", "2026-01-02T06:00:00Z", { "2026-01-05T06:00:00Z" } },
	{ "0 0 6 ? * fri-mon",
	  "2026-01-02T06:00:00Z",
	  { "2026-01-03T06:00:00Z", "2026-01-04T06:00:00Z", "2026-01-05T06:00:00Z", "2026-01-09T06:00:00Z" } },
	{ "0 0 6 ? * 1", "2026-01-02T06:00:00Z", { "2026-01-04T06:00:00Z" } },
	{ "0 0 6 ? * L", "2026-01-02T06:00:00Z", { "2026-01-03T06:00:00Z" } },
	{ "0 0 6 ? * 6L", "2026-01-02T06:00:00Z", { "2026-01-30T06:00:00Z", "2026-02-27T06:00:00Z" } },
	{ "0 0 6 ? * FRI#3", "2026-01-02T06:00:00Z", { "2026-01-16T06:00:00Z", "2026-02-20T06:00:00Z" } },
	{ "0 0 6 ? * 6#5", "2026-02-02T06:00:00Z", { "2026-05-29T06:00:00Z" } },
	{ "0 0 0 L * ?", "2028-02-02T06:00:00Z", { "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z" } },
	{ "0 0 0 L-3 * ?", "2026-02-02T06:00:00Z", { "2026-02-25T00:00:00Z" } },
	{ "0 0 0 LW * ?", "2026-01-02T06:00:00Z", { "2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z" } },
	{ "0 0 0 1W * ?", "2026-01-02T06:00:00Z", { "2026-02-02T00:00:00Z" } },	 /* the 1st is a Sunday */
	{ "0 0 0 1W * ?", "2026-07-15T06:00:00Z", { "2026-08-03T00:00:00Z" } },	 /* a Saturday: not back into July */
	{ "0 0 0 31W 5 ?", "2026-01-15T06:00:00Z", { "2026-05-29T00:00:00Z" } }, /* a Sunday: not on into June */
	{ "0 0 0 31 * ?", "2026-04-01T00:00:00Z", { "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z" } },
	{ "0 0 0 29 FEB ?", "2026-01-01T00:00:00Z", { "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z" } },
	{ "0 0 12 1 JAN,jul ? 2027-2030/2",
	  "2026-01-01T00:00:00Z",
	  { "2027-01-01T12:00:00Z", "2027-07-01T12:00:00Z", "2029-01-01T12:00:00Z" } },
	{ "0 0 0 1 1 ? 2099", "2026-01-01T00:00:00Z", { "2099-01-01T00:00:00Z" } },
};

static void test_fires(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct schedule s;
		struct error err = ERROR_INIT;
		int64_t at;
		if (!schedule_parse(rows[i].cron, &s, &err))
			fail_msg("%s: %s", rows[i].cron, err.message);
		assert_true(time_parse_ms(rows[i].after, &at));
		for (int k = 0; k < 4 && rows[i].fires[k] != NULL; k++) {
			char text[TIME_TEXT_MAX];
			if (!schedule_next(&s, at, &at))
				fail_msg("%s does not fire after %s", rows[i].cron, rows[i].after);
			time_format_s(at, text);
			if (strcmp(text, rows[i].fires[k]) != 0)
				fail_msg("%s after %s: fires at %s, not at %s", rows[i].cron, rows[i].after, text, rows[i].fires[k]);
		}
	}
}

static void test_never(void **state)
{
	(void)state;
	static const char *const crons[] = { "0 0 0 30 2 ?", "0 0 0 1 1 ? 1999", "0 0 0 30W FEB ?" };
	for (size_t i = 0; i < sizeof crons / sizeof crons[0]; i++) {
		struct schedule s;
		int64_t at;
		assert_true(schedule_parse(crons[i], &s, NULL));
		assert_false(schedule_next(&s, 1767225600000, &at));
	}
}

/* What it does not accept, and a word of the message. */
static void test_refused(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{ "", "6 or 7 fields" },
		{ "* * * * *", "found 5" },
		{ "0 0 0 * * ? 2026 1", "found more" },
		{ "0 0 0 * * *", "has to be ?" },
		{ "0 0 0 ? * ?", "has to be ?" },
		{ "60 0 0 * * ?", "seconds" },
		{ "0 61 0 * * ?", "minutes" },
		{ "0 0 24 * * ?", "hours" },
		{ "0 0 0 0 * ?", "day of month" },
		{ "0 0 0 32 * ?", "day of month" },
		{ "0 0 0 L-31 * ?", "day of month" },
		{ "0 0 0 32W * ?", "day of month" },
		{ "0 0 0 1 13 ?", "month" },
		{ "0 0 0 1 FOO ?", "month" },
		{ "0 0 0 ? * 8", "day of week" },
		{ "0 0 0 ? * 6#6", "day of week" },
		{ "0 0 0 ? * FUN", "day of week" },
		{ "0 0 0 1 1 ? 1969", "year" },
		{ "0 0 0 1 1 ? 2030-2028", "year" },
		{ "0 0/0 0 * * ?", "minutes" },
		{ "0 0/60 0 * * ?", "minutes" },
		{ "0 1,,2 0 * * ?", "minutes" },
		{ "0 1- 0 * * ?", "minutes" },
		{ "0 -1 0 * * ?", "minutes" },
		{ "0 5x 0 * * ?", "minutes" },
		{ "0 99999999999999999999 0 * * ?", "minutes" },
		{ "1 minute", "6 or 7 fields" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct schedule s;
		struct error err = ERROR_INIT;
		if (schedule_parse(bad[i][0], &s, &err))
			fail_msg("\"%s\" was accepted", bad[i][0]);
		assert_int_equal(err.kind, ERROR_INVALID);
		if (strstr(err.message, bad[i][1]) == NULL)
			fail_msg("\"%s\": %s", bad[i][0], err.message);
	}
	char line[400];
	memset(line, '1', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	struct schedule s;
	assert_false(schedule_parse(line, &s, NULL));
}

/* Against the plainest possible reading: every second of some days is asked of the fields. */
static void test_against_counting(void **state)
{
	(void)state;
	struct schedule s;
	int64_t from, at;
	assert_true(schedule_parse("7/25 3/29 1,13 ? * TUE,SAT", &s, NULL));
	assert_true(time_parse_ms("2026-02-25T00:00:00Z", &from));
	at = from;
	int fired = 0;
	for (int64_t t = from + 1000; t <= from + (int64_t)8 * 86400000; t += 1000) {
		int64_t second = t / 1000 % 60, minute = t / 60000 % 60, hour = t / 3600000 % 24, weekday = (t / 86400000 + 4) % 7;
		bool fires = (second == 7 || second == 32 || second == 57) && (minute == 3 || minute == 32) && (hour == 1 || hour == 13) &&
			     (weekday == 2 || weekday == 6);
		if (!fires)
			continue;
		assert_true(schedule_next(&s, at, &at));
		assert_int_equal(at, t);
		fired++;
	}
	assert_int_equal(fired, 2 * 2 * 2 * 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fires), cmocka_unit_test(test_never), cmocka_unit_test(test_refused),
					    cmocka_unit_test(test_against_counting) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
