#include "lifecycle/schedule.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

struct field {
	const char *name;
	int min, max;
	const char *const *names; /* of the values from min on */
	const char *takes;
};

static const char *const month_names[] = { "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", NULL };
static const char *const weekday_names[] = { "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL };

enum { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR, FIELDS };
static const struct field fields[FIELDS] = {
	[SECOND] = { "seconds", 0, 59, NULL, "0-59" },
	[MINUTE] = { "minutes", 0, 59, NULL, "0-59" },
	[HOUR] = { "hours", 0, 23, NULL, "0-23" },
	[DAY] = { "day of month", 1, 31, NULL, "1-31, ?, L, L-3, LW or 15W" },
	[MONTH] = { "month", 1, 12, month_names, "1-12 or JAN-DEC" },
	[WEEKDAY] = { "day of week", 1, 7, weekday_names, "1-7 or SUN-SAT, ?, L, 6L or 6#3" },
	[YEAR] = { "year", SCHEDULE_YEAR_FIRST, SCHEDULE_YEAR_LAST, NULL, "1970-2099" },
};

static bool bad(const struct field *f, const char *text, struct error *err)
{
	return error_set(err, ERROR_INVALID, "cron: %s: \"%.40s\": expected %s, as values, ranges, steps and lists", f->name, text,
			 f->takes);
}

/* A number or a name at *p, which moves on. -1: there is none. */
static int read_value(const char **p, const struct field *f)
{
	for (int i = 0; f->names != NULL && f->names[i] != NULL; i++)
		if (strncasecmp(*p, f->names[i], 3) == 0) {
			*p += 3;
			return f->min + i;
		}
	int value = -1;
	for (; **p >= '0' && **p <= '9'; ++*p)
		if ((value = (value < 0 ? 0 : value) * 10 + (**p - '0')) > 9999)
			return -1;
	return value;
}

static bool in_range(const struct field *f, int value)
{
	return value >= f->min && value <= f->max;
}

static void add_value(const struct field *f, uint64_t *bits, int value)
{
	int bit = f->max > 63 ? value - f->min : value;
	bits[bit / 64] |= (uint64_t)1 << (bit % 64);
}

/* One element of a list: VALUE, FROM-TO, *, each with /STEP or without. */
static bool read_element(const char *text, const struct field *f, uint64_t *bits, struct error *err)
{
	const char *p = text;
	int from = f->min, to = f->max, step = 1;
	bool one = false;
	if (*p == '*') {
		p++;
	} else if (*p != '/') { /* "/5" counts from the first */
		from = read_value(&p, f);
		one = true;
		to = from;
		if (*p == '-') {
			p++;
			to = read_value(&p, f);
			one = false;
		}
	}
	if (*p == '/') {
		const struct field number = { .min = 0, .max = f->max };
		p++;
		step = read_value(&p, &number);
		if (step < 1 || step > f->max)
			return bad(f, text, err);
		if (one)
			to = f->max;
	}
	if (*p != '\0' || p == text || !in_range(f, from) || !in_range(f, to) || (f == &fields[YEAR] && to < from))
		return bad(f, text, err);
	int span = f->max - f->min + 1;
	int last = to < from ? to + span : to; /* over the end, from the beginning again */
	for (int v = from; v <= last; v += step)
		add_value(f, bits, v > f->max ? v - span : v);
	return true;
}

static bool read_list(char *text, const struct field *f, uint64_t *bits, struct error *err)
{
	char *rest = text;
	for (char *element; (element = strsep(&rest, ",")) != NULL;)
		if (!read_element(element, f, bits, err))
			return false;
	return true;
}

static bool read_days(char *text, struct schedule *s, struct error *err)
{
	const struct field *f = &fields[DAY];
	const char *p = text;
	if (strcasecmp(text, "LW") == 0) {
		s->last_near = true;
		return true;
	}
	if (*p == 'L' || *p == 'l') {
		p++;
		int back = 0;
		if (*p == '-') {
			p++;
			back = read_value(&p, f);
		}
		if (*p != '\0' || back < 0 || back > 30)
			return bad(f, text, err);
		s->last_day = back + 1;
		return true;
	}
	int day = read_value(&p, f);
	if ((*p == 'W' || *p == 'w') && p[1] == '\0') {
		if (!in_range(f, day))
			return bad(f, text, err);
		s->near_day = day;
		return true;
	}
	return read_list(text, f, &s->days, err);
}

static bool read_weekdays(char *text, struct schedule *s, struct error *err)
{
	const struct field *f = &fields[WEEKDAY];
	if (strcasecmp(text, "L") == 0) {
		s->weekdays = (uint64_t)1 << 7;
		return true;
	}
	const char *p = text;
	int day = read_value(&p, f);
	if ((*p == 'L' || *p == 'l') && p[1] == '\0') {
		if (!in_range(f, day))
			return bad(f, text, err);
		s->last_weekday = day;
		return true;
	}
	if (*p == '#') {
		p++;
		int nth = read_value(&p, &(const struct field){ 0 });
		if (!in_range(f, day) || nth < 1 || nth > 5 || *p != '\0')
			return bad(f, text, err);
		s->nth_weekday = day;
		s->nth = nth;
		return true;
	}
	return read_list(text, f, &s->weekdays, err);
}

bool schedule_parse(const char *text, struct schedule *out, struct error *err)
{
	struct schedule s = { 0 };
	char copy[SCHEDULE_TEXT_MAX + 1];
	if (strlen(text) > SCHEDULE_TEXT_MAX)
		return error_set(err, ERROR_INVALID, "cron: longer than %d bytes", SCHEDULE_TEXT_MAX);
	(void)snprintf(copy, sizeof copy, "%s", text);
	char *parts[FIELDS], *rest = copy;
	int count = 0;
	for (char *part; (part = strsep(&rest, " \t\n")) != NULL;) {
		if (*part == '\0')
			continue;
		if (count == FIELDS)
			return error_set(err, ERROR_INVALID, "cron: \"%s\": expected 6 or 7 fields, found more", text);
		parts[count++] = part;
	}
	if (count < FIELDS - 1)
		return error_set(err, ERROR_INVALID, "cron: \"%s\": expected 6 or 7 fields (seconds first), found %d", text, count);
	bool any_day = strcmp(parts[DAY], "?") == 0, any_weekday = strcmp(parts[WEEKDAY], "?") == 0;
	if (any_day == any_weekday)
		return error_set(err, ERROR_INVALID, "cron: \"%s\": exactly one of day of month and day of week has to be ?", text);
	uint64_t *const bits[FIELDS] = {
		[SECOND] = &s.seconds, [MINUTE] = &s.minutes, [HOUR] = &s.hours, [MONTH] = &s.months, [YEAR] = s.years
	};
	for (int i = 0; i < count; i++)
		if (bits[i] != NULL && !read_list(parts[i], &fields[i], bits[i], err))
			return false;
	if (count < FIELDS)
		memset(s.years, 0xff, sizeof s.years);
	if ((!any_day && !read_days(parts[DAY], &s, err)) || (!any_weekday && !read_weekdays(parts[WEEKDAY], &s, err)))
		return false;
	*out = s;
	return true;
}

/* ---- the calendar ---- */

/* Days since 1970 of the first of a month. The count begins with March, so that a leap day is the last of its year. */
static int64_t month_start(int64_t year, int month)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
	return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

static int month_length(int64_t year, int month)
{
	return (int)(month == 12 ? month_start(year + 1, 1) - month_start(year, 12)
				 : month_start(year, month + 1) - month_start(year, month));
}

static int weekday_of(int64_t days) /* 1: Sunday; 1970-01-01 was a Thursday */
{
	return (int)((days + 4) % 7) + 1;
}

/* The weekday (Monday to Friday) nearest to a day of the month, within that month. */
static int near_weekday(int64_t start, int length, int day)
{
	int weekday = weekday_of(start + day - 1);
	if (weekday == 7)
		return day == 1 ? 3 : day - 1;
	if (weekday == 1)
		return day == length ? day - 2 : day + 1;
	return day;
}

static bool has(uint64_t bits, int value)
{
	return (bits >> value & 1) != 0;
}

static bool day_fires(const struct schedule *s, int64_t start, int length, int day)
{
	if (s->days != 0)
		return has(s->days, day);
	if (s->last_day != 0)
		return day == length - s->last_day + 1;
	if (s->last_near)
		return day == near_weekday(start, length, length);
	if (s->near_day != 0)
		return s->near_day <= length && day == near_weekday(start, length, s->near_day);
	int weekday = weekday_of(start + day - 1);
	if (s->last_weekday != 0)
		return weekday == s->last_weekday && day + 7 > length;
	if (s->nth_weekday != 0)
		return weekday == s->nth_weekday && (day - 1) / 7 + 1 == s->nth;
	return has(s->weekdays, weekday);
}

/* The first second of a day at or after `from` that fires; -1: none. */
static int64_t time_of_day(const struct schedule *s, int64_t from)
{
	for (int hour = (int)(from / 3600); hour < 24; hour++) {
		if (!has(s->hours, hour))
			continue;
		for (int minute = hour == from / 3600 ? (int)(from / 60 % 60) : 0; minute < 60; minute++) {
			if (!has(s->minutes, minute))
				continue;
			int64_t base = hour * 3600 + minute * 60;
			for (int second = base < from ? (int)(from - base) : 0; second < 60; second++)
				if (has(s->seconds, second))
					return base + second;
		}
	}
	return -1;
}

bool schedule_next(const struct schedule *s, int64_t after_ms, int64_t *next_ms)
{
	int64_t from = after_ms < 0 ? 0 : after_ms / 1000 + 1;
	int64_t first_day = from / 86400;
	for (int year = SCHEDULE_YEAR_FIRST; year <= SCHEDULE_YEAR_LAST; year++) {
		int index = year - SCHEDULE_YEAR_FIRST;
		if (!has(s->years[index / 64], index % 64) || month_start(year + 1, 1) <= first_day)
			continue;
		for (int month = 1; month <= 12; month++) {
			int64_t start = month_start(year, month);
			int length = month_length(year, month);
			if (!has(s->months, month) || start + length <= first_day)
				continue;
			for (int day = first_day > start ? (int)(first_day - start) + 1 : 1; day <= length; day++) {
				if (!day_fires(s, start, length, day))
					continue;
				int64_t at = time_of_day(s, start + day - 1 == first_day ? from % 86400 : 0);
				if (at < 0)
					continue;
				*next_ms = ((start + day - 1) * 86400 + at) * 1000;
				return true;
			}
		}
	}
	return false;
}
