/*
 * inventory: what a sync has applied, and how its last pass went, in the ConfigMap `weir-inventory-SYNC` of Weir's own namespace. Only
 * what stands in it is ever pruned. `weir status` reads it.
 */
#ifndef WEIR_SYNC_INVENTORY_H
#define WEIR_SYNC_INVENTORY_H

#include "kube/kube.h"
#include "sync/text_map.h"

struct object_id {
	char *api_version, *kind, *ns, *name; /* ns "" for cluster-wide objects; owned */
};

struct inventory {
	struct object_id *objects;
	size_t count;
	char commit[48], state[24], approved[48]; /* approved: the commit whose deletions a person let pass (annotation) */
	char seen[48];				  /* the commit of the last pass, whether or not it could be rendered */
	char uid[48];				  /* of the ConfigMap; "" while there is none */
	char *message;				  /* owned, or NULL */
	char resource_version[TEXT_MAP_VERSION];
	char *text; /* as stored, to see whether anything changed */
};

void inventory_free(struct inventory *inventory);
bool inventory_read(struct kube *kube, const char *ns, const char *sync, struct inventory *out, struct error *err);
/* Writes only if something differs from what was read. */
bool inventory_write(struct kube *kube, const char *ns, const char *sync, struct inventory *inventory, struct error *err);
bool inventory_holds(const struct inventory *inventory, const struct object_id *id);
void inventory_add(struct inventory *inventory, const char *api_version, const char *kind, const char *ns, const char *name);
void inventory_remove(struct inventory *inventory, const struct object_id *id);
/* Lets the deletions of a commit pass: `weir approve`. */
bool inventory_approve(struct kube *kube, const char *ns, const char *sync, const char *commit, struct error *err);

#endif
