/*
 * change: what a change of a Flink resource's spec means for the running job, field by field, from one table. Pure. Called by decide() and
 * so printed by `weir plan`, with the field that caused it.
 */
#ifndef WEIR_LIFECYCLE_CHANGE_H
#define WEIR_LIFECYCLE_CHANGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/doc.h"

/* From harmless to grave; a whole change is as grave as its gravest field. */
enum change_class {
	CHANGE_CLASS_IGNORE,	/* the running job is not touched */
	CHANGE_CLASS_IN_PLACE,	/* objects beside the job are changed, the job runs on */
	CHANGE_CLASS_RESCALE,	/* Flink can do it without a new cluster where its scheduler is adaptive */
	CHANGE_CLASS_RESTART,	/* stop with state, start anew */
	CHANGE_CLASS_DANGEROUS, /* a restart that may not be able to read the old state */
};

/*
 * Compares two specs. `words` gets the fields that differ with both values and their class, the gravest first, at most so many that the
 * text stays under 180 bytes; values of sensitive options are masked.
 */
enum change_class change_between(const struct node *from, const struct node *to, bool standalone, struct buf *words);

#endif
