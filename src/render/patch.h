/*
 * patch: the two ways of changing an object by a document: a strategic merge (maps merge, lists of built-in types merge by key, lists of
 * custom resources are replaced) and a list of RFC 6902 operations. Errors name the patch's file and line and the field.
 */
#ifndef WEIR_RENDER_PATCH_H
#define WEIR_RENDER_PATCH_H

#include "render/resource.h"

/* Merges a patch's map into an object; *gone tells that the patch deletes it. `file` is where the patch stands. */
bool patch_strategic(struct resource *r, const struct node *patch, const char *file, bool *gone, struct error *err);
/* Applies a list of operations, all or none. */
bool patch_json6902(struct resource *r, const struct node *operations, const char *file, struct error *err);

#endif
