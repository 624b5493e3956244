/*
 * spec: is a FlinkDeployment one that can be run? The rules of the Java operator's validator, in its order, with a field path for each.
 * Pure; called by the admission webhook, by preflight and by the renderer's checks.
 */
#ifndef WEIR_FLINK_SPEC_H
#define WEIR_FLINK_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/doc.h"
#include "base/error.h"

struct flink_spec_context {
	const struct node *defaults; /* configuration under the spec's, or NULL */
	const struct node *deployed; /* the spec that was deployed last, or NULL before the first time */
};

typedef void flink_spec_report(void *data, const char *field, const char *message);

/* Reports every problem (report may be NULL) and returns their number. context may be NULL. */
size_t flink_spec_validate(const struct node *resource, const struct flink_spec_context *context, flink_spec_report *report, void *data);

/* The first problem as ERROR_INVALID "FIELD: MESSAGE". */
bool flink_spec_check(const struct node *resource, const struct flink_spec_context *context, struct error *err);

#endif
