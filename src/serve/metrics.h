/*
 * metrics: counters, gauges and histograms in the text format that Prometheus reads. The vocabulary is metrics.def; a series (a metric with
 * values for its labels) begins to exist with its first value. All functions may be called by several threads at once; the lock is inside.
 * NULL for the registry is allowed everywhere and counts nothing. Bounded: a metric holds at most METRICS_SERIES_MAX series, what comes
 * beyond is counted as dropped.
 */
#ifndef WEIR_SERVE_METRICS_H
#define WEIR_SERVE_METRICS_H

#include "base/buf.h"

#define METRIC(id, type, name, labels, help) METRIC_##id,
enum metric {
#include "serve/metrics.def"
	METRIC_COUNT
};
#undef METRIC

enum { METRICS_SERIES_MAX = 10000 };
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/*
 * The values of the labels follow in the order of the table, then NULL; a value too few reads as "", one too many is ignored:
 * metrics_add(m, METRIC_SYNC_RUNS, 1, "orders", "failed", NULL).
 */
void metrics_add(struct metrics *metrics, enum metric id, double by, ...) __attribute__((sentinel));	      /* counter or gauge */
void metrics_set(struct metrics *metrics, enum metric id, double value, ...) __attribute__((sentinel));	      /* gauge */
void metrics_observe(struct metrics *metrics, enum metric id, double seconds, ...) __attribute__((sentinel)); /* histogram */
/* Forgets every series whose first labels have these values; what is gone must not be reported for ever. */
void metrics_forget(struct metrics *metrics, enum metric id, ...) __attribute__((sentinel));

/* Appends everything, in the order of the table and of the labels' values. */
void metrics_write(struct metrics *metrics, struct buf *out);

#endif
