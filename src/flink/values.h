/*
 * values: the textual forms of Flink's configuration values: durations, memory sizes, lists and maps, and the Kubernetes quantities that
 * the resource fields accept besides. Pure functions on strings.
 */
#ifndef WEIR_FLINK_VALUES_H
#define WEIR_FLINK_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/doc.h"

/* "5 min", "1500ms", "30" (milliseconds); any case. Units below a millisecond are rounded down. False: not a duration of Flink's. */
bool flink_duration_ms(const char *text, int64_t *ms);

/* Flink's memory size only ("2048m", "2 gb": all units are binary), in bytes. */
bool flink_memory_size(const char *text, int64_t *bytes);
/* Flink's size, else a Kubernetes quantity ("2Gi", "1.5G"), in bytes. */
bool flink_memory_bytes(const char *text, int64_t *bytes);
/* As it is written to the configuration: Flink's sizes as the largest unit that divides ("2 gb"), quantities as bytes. */
bool flink_memory_text(const char *text, struct buf *out);

/* A Kubernetes quantity such as "500m", "1.5", "2Gi", "1e3", as a number. */
bool flink_quantity(const char *text, double *value);

/* As Java prints a double: "1.0", "0.5". */
void flink_put_double(struct buf *out, double value);
/* CPU as the API server prints it: "1", "500m". */
void flink_put_cpu(struct buf *out, double cores);
/* Memory as the API server prints it: "2Gi", "1536Mi". */
void flink_put_mib(struct buf *out, int64_t mib);

/* Splits at `separator` outside of quotes (single or double, doubled inside); unquoted, blanks are kept. NULL text: empty list. */
struct node *flink_list_split(struct doc *doc, const char *text, char separator);
/* A list value: split at ';', or at ',' where there is no ';'. Empty elements are left out. */
struct node *flink_list_parse(struct doc *doc, const char *text);
/* "k:v,k2:v2" as a map of strings; pairs without ':' are left out. */
struct node *flink_map_parse(struct doc *doc, const char *text);
/* Appends one element of a list, in single quotes where it needs them. */
void flink_put_list_element(struct buf *out, const char *text);

#endif
