/*
 * wtime: the clock as a port, and timestamps as text.
 *
 * Time is passed in; only `agent` and `cli` make the real clock. `now` is the wall clock (milliseconds since 1970, UTC), which may jump
 * and is only for people and for timestamps; `mono` never goes back and is what deadlines, back-off and the lease are measured by.
 */
#ifndef WEIR_BASE_WTIME_H
#define WEIR_BASE_WTIME_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
	int64_t (*now_ms)(void *context);
	int64_t (*mono_ms)(void *context);
	void *context;
};

struct clock clock_real(void);
int64_t clock_now_ms(const struct clock *clock);
int64_t clock_mono_ms(const struct clock *clock);

enum { TIME_TEXT_MAX = 32 };

/*
 * RFC 3339 in UTC. Kubernetes' Time has seconds, its MicroTime (leases) six digits; Flink's REST and our own logs have milliseconds. Years
 * outside 0000 to 9999 are clamped.
 */
void time_format_s(int64_t ms, char out[TIME_TEXT_MAX]);	 /* 2026-01-02T03:04:05Z */
void time_format_ms(int64_t ms, char out[TIME_TEXT_MAX]);	 /* 2026-01-02T03:04:05.678Z */
void time_format_micro(int64_t micros, char out[TIME_TEXT_MAX]); /* 2026-01-02T03:04:05.678901Z */

/* Reads RFC 3339 with any number of fractional digits and any offset; digits beyond the unit are cut. False: not a timestamp. */
bool time_parse_ms(const char *text, int64_t *ms);
bool time_parse_micro(const char *text, int64_t *micros);

#endif
