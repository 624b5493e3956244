/* Garbage collection: dependents of owners that are gone, foreground deletion, namespaces on their way out. */
#include "sim/internal.h"

static void drop_finalizer(struct doc *doc, const char *name)
{
	struct node *meta = node_get(doc_root(doc), "metadata"), *list = node_get(meta, "finalizers");
	for (size_t i = node_count(list); i-- > 0;)
		if (str_eq(node_text(node_at(list, i)), name))
			node_remove_at(list, i);
	if (node_count(list) == 0)
		node_remove(meta, "finalizers");
}

static bool has_finalizer(const struct node *root, const char *name)
{
	const struct node *list = node_find(root, "metadata/finalizers");
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_at(list, i)), name))
			return true;
	return false;
}

const struct node *owner_ref(const struct node *root, const char *uid, size_t *at)
{
	const struct node *refs = node_find(root, "metadata/ownerReferences");
	for (size_t i = 0; i < node_count(refs); i++)
		if (str_eq(node_find_text(node_at(refs, i), "uid"), uid)) {
			*at = i;
			return node_at(refs, i);
		}
	return NULL;
}

struct entry {
	const char *uid;
	struct object *object;
};

static int by_uid(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->uid, ((const struct entry *)b)->uid);
}

static bool gc_owners(struct sim *sim, struct object *o, const struct entry *all, size_t count)
{
	const struct node *root = object_root(o), *refs = node_find(root, "metadata/ownerReferences");
	bool deleting = node_find(root, "metadata/deletionTimestamp") != NULL, solid = false, waiting = false;
	for (size_t i = 0; i < node_count(refs); i++) {
		struct entry key = { node_text_or(node_find(node_at(refs, i), "uid"), ""), NULL };
		const struct entry *e = bsearch(&key, all, count, sizeof *all, by_uid);
		if (e == NULL)
			continue;
		if (has_finalizer(object_root(e->object), "foregroundDeletion"))
			waiting = true;
		else
			solid = true;
	}
	if (node_count(refs) == 0 || solid || deleting)
		return false;
	store_delete(sim, o, waiting ? PROPAGATE_FOREGROUND : PROPAGATE_BACKGROUND, -1);
	return true;
}

static bool gc_foreground(struct sim *sim, struct object *o)
{
	size_t at;
	if (!has_finalizer(object_root(o), "foregroundDeletion"))
		return false;
	for (size_t k = 0; k < sim->kind_count; k++)
		for (size_t i = 0; i < sim->kinds[k]->count; i++) {
			const struct node *ref = owner_ref(object_root(sim->kinds[k]->items[i]), o->uid, &at);
			if (ref != NULL && node_truth(node_get(ref, "blockOwnerDeletion"), false))
				return false;
		}
	struct doc *doc = store_edit(o);
	drop_finalizer(doc, "foregroundDeletion");
	store_update(sim, o, doc);
	return true;
}

static bool gc_namespace(struct sim *sim, struct object *o)
{
	bool any = false;
	if (strcmp(o->kind->resource, "namespaces") != 0 || node_find(object_root(o), "metadata/deletionTimestamp") == NULL)
		return false;
	for (size_t k = 0; k < sim->kind_count; k++)
		for (size_t i = 0; i < sim->kinds[k]->count; i++) {
			struct object *d = sim->kinds[k]->items[i];
			if (strcmp(d->ns, o->name) != 0)
				continue;
			any = true;
			if (node_find(object_root(d), "metadata/deletionTimestamp") == NULL) {
				store_delete(sim, d, PROPAGATE_BACKGROUND, -1);
				return true;
			}
		}
	if (!any && node_count(node_find(object_root(o), "metadata/finalizers")) == 0) {
		store_remove(sim, o);
		return true;
	}
	return false;
}

static bool gc_step(struct sim *sim)
{
	size_t count = 0;
	for (size_t k = 0; k < sim->kind_count; k++)
		count += sim->kinds[k]->count;
	AUTOFREE struct entry *all = mem_array(count + 1, sizeof *all);
	size_t n = 0;
	for (size_t k = 0; k < sim->kind_count; k++)
		for (size_t i = 0; i < sim->kinds[k]->count; i++)
			all[n++] = (struct entry){ sim->kinds[k]->items[i]->uid, sim->kinds[k]->items[i] };
	AUTOFREE struct entry *order = mem_array(n + 1, sizeof *order);
	memcpy(order, all, n * sizeof *all);
	qsort(all, n, sizeof *all, by_uid);
	for (size_t i = 0; i < n; i++)
		if (gc_owners(sim, order[i].object, all, n) || gc_foreground(sim, order[i].object) || gc_namespace(sim, order[i].object))
			return true;
	return false;
}

static void gc_run(struct sim *sim, const char *key)
{
	(void)key;
	sim->gc_due = false;
	while (gc_step(sim))
		;
	sim->gc_due = false;
}

void store_gc_soon(struct sim *sim)
{
	if (sim->gc_due)
		return;
	sim->gc_due = true;
	sim_timer(sim, 20, gc_run, "");
}
