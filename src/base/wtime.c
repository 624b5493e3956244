#include "base/wtime.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_now_ms(void *context)
{
	(void)context;
	return read_clock(CLOCK_REALTIME);
}

/* BOOTTIME goes on while the machine sleeps, so that a lease does not look young after a suspend. */
static int64_t real_mono_ms(void *context)
{
	(void)context;
	return read_clock(CLOCK_BOOTTIME);
}

struct clock clock_real(void)
{
	return (struct clock){ .now_ms = real_now_ms, .mono_ms = real_mono_ms };
}

int64_t clock_now_ms(const struct clock *clock)
{
	return clock->now_ms(clock->context);
}

int64_t clock_mono_ms(const struct clock *clock)
{
	return clock->mono_ms(clock->context);
}

enum { SECONDS_A_DAY = 86400, DAYS_TO_1970 = 719528 /* from 0000-01-01 */, DAYS_TO_10000 = 3652425 };

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_before_year(int64_t year)
{
	return year == 0 ? 0 : 365 * year + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;
}

static int month_days(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Text of a moment with so many fractional digits, of which the unit has exactly that many. */
static void format(int64_t value, int64_t units_a_second, int digits, char out[TIME_TEXT_MAX])
{
	int64_t seconds = value / units_a_second;
	int64_t fraction = value % units_a_second;
	if (fraction < 0) {
		fraction += units_a_second;
		seconds--;
	}
	int64_t days = seconds / SECONDS_A_DAY;
	int64_t rest = seconds % SECONDS_A_DAY;
	if (rest < 0) {
		rest += SECONDS_A_DAY;
		days--;
	}
	days += DAYS_TO_1970;
	if (days < 0) {
		days = 0;
		rest = fraction = 0;
	} else if (days >= DAYS_TO_10000) {
		days = DAYS_TO_10000 - 1;
		rest = SECONDS_A_DAY - 1;
		fraction = units_a_second - 1;
	}
	int64_t year = days * 400 / 146097;
	while (days_before_year(year + 1) <= days)
		year++;
	while (days_before_year(year) > days)
		year--;
	int64_t day = days - days_before_year(year);
	int month = 1;
	for (; day >= month_days(year, month); month++)
		day -= month_days(year, month);
	int n = snprintf(out, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month, (int)day + 1, (int)(rest / 3600),
			 (int)(rest / 60 % 60), (int)(rest % 60));
	if (digits > 0)
		(void)snprintf(out + n, TIME_TEXT_MAX - (size_t)n, ".%0*lldZ", digits, (long long)fraction);
	else
		(void)snprintf(out + n, TIME_TEXT_MAX - (size_t)n, "Z");
}

void time_format_s(int64_t ms, char out[TIME_TEXT_MAX])
{
	int64_t seconds = ms / 1000 - (ms % 1000 < 0 ? 1 : 0);
	format(seconds, 1, 0, out);
}

void time_format_ms(int64_t ms, char out[TIME_TEXT_MAX])
{
	format(ms, 1000, 3, out);
}

void time_format_micro(int64_t micros, char out[TIME_TEXT_MAX])
{
	format(micros, 1000000, 6, out);
}

/* Reads exactly `digits` digits. */
static bool take_number(const char **p, int digits, int *value)
{
	int n = 0;
	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		n = n * 10 + (**p - '0');
	}
	*value = n;
	return true;
}

static bool take_char(const char **p, const char *one_of)
{
	if (**p == '\0' || strchr(one_of, **p) == NULL)
		return false;
	(*p)++;
	return true;
}

bool time_parse_micro(const char *text, int64_t *micros)
{
	const char *p = text;
	int year, month, day, hour, minute, second;
	if (p == NULL || !take_number(&p, 4, &year) || !take_char(&p, "-") || !take_number(&p, 2, &month) || !take_char(&p, "-") ||
	    !take_number(&p, 2, &day) || !take_char(&p, "Tt ") || !take_number(&p, 2, &hour) || !take_char(&p, ":") ||
	    !take_number(&p, 2, &minute) || !take_char(&p, ":") || !take_number(&p, 2, &second))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour > 23 || minute > 59 || second > 60)
		return false;

	int64_t fraction = 0;
	if (take_char(&p, ".")) {
		int64_t unit = 100000;
		if (*p < '0' || *p > '9')
			return false;
		for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
			fraction += (*p - '0') * unit;
	}

	int64_t offset = 0;
	if (!take_char(&p, "Zz")) {
		int sign = *p == '-' ? -1 : 1;
		int offset_hour, offset_minute;
		if (!take_char(&p, "+-") || !take_number(&p, 2, &offset_hour))
			return false;
		(void)take_char(&p, ":"); /* Flink and Java also write +0000 */
		if (!take_number(&p, 2, &offset_minute) || offset_hour > 23 || offset_minute > 59)
			return false;
		offset = sign * (offset_hour * 3600 + offset_minute * 60);
	}
	if (*p != '\0')
		return false;

	int64_t days = days_before_year(year) - DAYS_TO_1970 + day - 1;
	for (int m = 1; m < month; m++)
		days += month_days(year, m);
	*micros = (days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset) * 1000000 + fraction;
	return true;
}

bool time_parse_ms(const char *text, int64_t *ms)
{
	int64_t micros;
	if (!time_parse_micro(text, &micros))
		return false;
	*ms = micros / 1000 - (micros % 1000 < 0 ? 1 : 0);
	return true;
}
