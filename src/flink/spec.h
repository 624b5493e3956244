/*
 * spec: is a FlinkDeployment, FlinkSessionJob or FlinkStateSnapshot one that can be run? The rules of the Java operator's validator, and
 * that there is no field nobody reads. Every problem is reported, each with the path and the line of its field. Pure; called by the sync,
 * by preflight and by `weir validate`.
 */
#ifndef WEIR_FLINK_SPEC_H
#define WEIR_FLINK_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/doc.h"
#include "base/error.h"

/* Where the jar of a FlinkSessionJob may come from, unless kubernetes.operator.user.artifacts.allowed-schemes says otherwise. */
#define FLINK_ARTIFACT_SCHEMES "https;s3;local"

struct flink_spec_context {
	const struct node *defaults; /* configuration under the spec's, or NULL */
	const struct node *deployed; /* the spec that was deployed last, or NULL before the first time */
	const char *jar_schemes; /* where jars of session jobs may come from, unless the configuration says; NULL: FLINK_ARTIFACT_SCHEMES */
	const struct node *cluster; /* of a FlinkSessionJob: the FlinkDeployment that it runs on, or NULL: not known here */
};

struct flink_problem {
	const char *field;   /* "spec.jobManager.resource.cpu" */
	const char *message; /* what was expected, and what was found */
	unsigned line;	     /* of the field, or of the closest one around it that is there; 0: not known */
	bool warning;	     /* it can be run all the same */
};

/* What it is given lives until it returns. */
typedef void flink_spec_report(void *data, const struct flink_problem *problem);

/* Reports every problem (report may be NULL) and returns the number of errors. An object of another kind has none. context may be NULL. */
size_t flink_spec_validate(const struct node *resource, const struct flink_spec_context *context, flink_spec_report *report, void *data);

/* The first error as ERROR_INVALID "FIELD: MESSAGE". */
bool flink_spec_check(const struct node *resource, const struct flink_spec_context *context, struct error *err);

/* The value under a dotted path, NULL if it is not there; an option of Flink's is found under any of its names, nested or not. */
const struct node *flink_spec_find(const struct node *resource, const char *field);
/* Its line, or that of the closest value around it; 0: not known. */
unsigned flink_spec_line(const struct node *resource, const char *field);

#endif
