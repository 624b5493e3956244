/*
 * fields: sets of fields as FieldsV1 trees, for apply.c. In a tree a member is an empty map or a map that holds "."; keys are "f:name",
 * "k:{...}" and "v:...". New nodes are made in `doc`. Private to src/sim.
 */
#ifndef WEIR_SIM_FIELDS_H
#define WEIR_SIM_FIELDS_H

#include "sim/internal.h"

bool set_member(const struct node *set);
/* All fields of a value; `containers`: maps that hold something are members themselves, as updates record it. */
struct node *set_of(struct doc *doc, const struct ftype *t, const struct node *value, bool containers);
/* What was added or changed from old to new; NULL for nothing. */
struct node *set_changed(struct doc *doc, const struct ftype *t, const struct node *old, const struct node *new, bool containers);
bool set_subtract(struct node *a, const struct node *b); /* a becomes a without b; false when nothing is left of it */
void set_union(struct doc *doc, struct node *a, const struct node *b);
struct node *set_common(struct doc *doc, const struct node *a, const struct node *b); /* NULL for nothing */
/* Keeps of the set only what the value still has; false when nothing is left. */
bool set_restrict(struct doc *doc, const struct ftype *t, struct node *set, const struct node *value);
/* Removes from the value what the set names; containers that become empty go, too. */
void set_prune(struct doc *doc, const struct ftype *t, struct node *value, const struct node *set);

#endif
