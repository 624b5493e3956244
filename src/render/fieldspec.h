/*
 * fieldspec: kustomize's way of naming fields of certain types, and the walk to them. In a path '/' separates keys, "\/" is a slash within
 * one, lists on the way are walked through, "name[]" marks a list, which is never created.
 */
#ifndef WEIR_RENDER_FIELDSPEC_H
#define WEIR_RENDER_FIELDSPEC_H

#include "render/resource.h"

struct field_spec {
	struct gvk gvk; /* NULL: any */
	const char *path;
	bool create;
};

/* A growing list; the strings are borrowed. */
struct field_specs {
	struct field_spec *items;
	size_t count;
};

void field_specs_add(struct field_specs *specs, const struct field_spec *spec);

/* Where a value stands: in a map under key, or in a list at index. */
struct place {
	struct resource *resource;
	struct node *parent;
	const char *key; /* NULL in a list */
	size_t index;
	struct node *node; /* the value; when it was just created: null */
	const char *path;  /* of the field spec, for messages */
};

void place_set(struct place *p, struct node *value);
/* "FILE:LINE: Kind/name: PATH: expected WHAT"; returns false. */
bool place_error(const struct place *p, const char *expected, struct error *err);

typedef bool (*field_visit)(struct place *p, void *context, struct error *err);

bool field_walk(struct resource *r, const char *path, bool create, field_visit visit, void *context, struct error *err);
/* The walk for all specs that fit the type. */
bool field_walk_all(struct resource *r, const struct field_spec *specs, size_t count, field_visit visit, void *context, struct error *err);

/* For fieldspec callbacks: merges the pairs of a map (the context) into the map at the place, which is made if it is null. */
bool place_put_pairs(struct place *p, void *pairs, struct error *err);

#endif
