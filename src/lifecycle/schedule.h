/*
 * schedule: the cron expressions of Quartz, as `kubernetes.operator.periodic.*.interval` takes them, and when one fires next. Pure; all
 * times are UTC, in milliseconds since 1970.
 *
 * Six or seven fields: seconds, minutes, hours, day of month, month, day of week, and a year or none. Each takes `*`, numbers, ranges
 * (also over the end: 22-2, FRI-MON), steps (`0/15`, `0-59/5`, `1-20/3`) and lists of these; months and days of the week also by name (JAN,
 * SUN; SUN is 1). Exactly one of the two day fields is `?`. Days of the month also: `L` (the last), `L-3` (three before it), `LW` (the last
 * weekday), `15W` (the weekday nearest to the 15th). Days of the week also: `L` (SAT), `6L` (the month's last FRI), `6#3` (its third FRI).
 */
#ifndef WEIR_LIFECYCLE_SCHEDULE_H
#define WEIR_LIFECYCLE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { SCHEDULE_YEAR_FIRST = 1970, SCHEDULE_YEAR_LAST = 2099, SCHEDULE_TEXT_MAX = 120 };

struct schedule {
	uint64_t seconds, minutes, hours, days, months, weekdays; /* bit n: value n is in; weekdays: bit 1 is Sunday */
	uint64_t years[3];					  /* bit n: SCHEDULE_YEAR_FIRST + n */
	int last_day;	      /* day of month counted from the last: 1 is `L`, 4 is `L-3`; 0: not so given */
	int near_day;	      /* `15W`: 15; 0: not so given */
	bool last_near;	      /* `LW` */
	int last_weekday;     /* `6L`: 6; 0: not so given */
	int nth_weekday, nth; /* `6#3`: 6 and 3; 0: not so given */
};

/* ERROR_INVALID names the field and what it takes. */
bool schedule_parse(const char *text, struct schedule *out, struct error *err);
/* The first time strictly after after_ms; false: never again. */
bool schedule_next(const struct schedule *s, int64_t after_ms, int64_t *next_ms);

#endif
