/*
 * resources: CPU, memory and the rest as spec.jobManager and spec.taskManager give them, in the old form (`resource`) or the new one
 * (`resources`, which wins if it has any request or limit).
 */
#ifndef WEIR_FLINK_RESOURCES_H
#define WEIR_FLINK_RESOURCES_H

#include <stdbool.h>

#include "base/doc.h"
#include "base/error.h"

struct flink_resources {
	double cpu;			  /* cores; 0: not given */
	const char *memory;		  /* text as given, borrowed; NULL: not given */
	double cpu_factor, memory_factor; /* limit divided by request; 0: not both given */
};

/* `field` names the component in messages: "spec.jobManager". */
bool flink_resources_read(const struct node *component, const char *field, struct flink_resources *out, struct error *err);

/* Everything but CPU and memory as {requests: {...}, limits: {...}} in doc, NULL if there is none. */
struct node *flink_resources_extra(struct doc *doc, const struct node *component);

/* Is the new form in use? */
bool flink_resources_new_form(const struct node *component);

#endif
