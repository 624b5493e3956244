/*
 * schema: what of the OpenAPI document of Kubernetes 1.21 (which kustomize 5.5 carries) matters for merging: which lists of built-in types
 * are merged by keys. A type that is not in it, such as every custom resource, has none: its lists are replaced.
 */
#ifndef WEIR_RENDER_SCHEMA_H
#define WEIR_RENDER_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

enum schema_list { LIST_ATOMIC, LIST_KEYED, LIST_SET };

struct schema_field {
	const char *owner; /* name of a type of ours */
	const char *name;
	const char *type; /* of the field or of its elements, NULL: nothing to know below */
	enum schema_list list;
	const char *keys[2]; /* of LIST_KEYED */
};

/* The type of an object, NULL if it is not in the schema. */
const char *schema_type(const char *group, const char *version, const char *kind);
/* What is known of a field, NULL if nothing. */
const struct schema_field *schema_field(const char *type, const char *name);

#endif
