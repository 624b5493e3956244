/* replicas: the count of a workload, found by its present or any older name. */
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"

static const struct field_spec specs[] = {
	{ { NULL, NULL, "Deployment" }, "spec/replicas", true },
	{ { NULL, NULL, "ReplicationController" }, "spec/replicas", true },
	{ { NULL, NULL, "ReplicaSet" }, "spec/replicas", true },
	{ { NULL, NULL, "StatefulSet" }, "spec/replicas", true },
};

static bool put(struct place *p, void *context, struct error *err)
{
	if (node_is(p->node, NODE_MAP) || node_is(p->node, NODE_LIST))
		return place_error(p, "a number", err);
	place_set(p, node_number(p->resource->doc, context));
	return true;
}

static bool is_called(const struct resource *r, const char *kind, const char *name, const char *ns, const void *context)
{
	(void)r;
	(void)kind;
	(void)ns;
	return strcmp(name, context) == 0;
}

static bool apply(struct resource_set *set, const struct field_spec *list, size_t count, const char *name, char *text, bool *found,
		  struct error *err)
{
	for (size_t s = 0; s < count; s++) {
		for (size_t i = 0; i < set->count; i++) {
			struct resource *r = set->items[i];
			if (!resource_is(r, &list[s].gvk) || !resource_any_id(r, is_called, name))
				continue;
			*found = true;
			if (!field_walk(r, list[s].path, list[s].create, put, text, err))
				return false;
		}
	}
	return true;
}

bool transform_replicas(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	const struct node *entries = node_get(k->root, "replicas");
	for (size_t i = 0; i < node_count(entries); i++) {
		const struct node *entry = node_at(entries, i);
		const char *name = node_text_or(node_get(entry, "name"), "");
		AUTOFREE char *count = mem_strdup(node_text_or(node_get(entry, "count"), "0"));
		bool found = false;
		if (!apply(set, specs, ARRAY_SIZE(specs), name, count, &found, err) ||
		    !apply(set, k->config->replicas.items, k->config->replicas.count, name, count, &found, err))
			return false;
		if (!found)
			return kustomization_error(k, err, ERROR_INVALID, entry, "replicas",
						   "no Deployment, ReplicationController, ReplicaSet or StatefulSet is called '%s' "
						   "(other kinds need a configurations file)",
						   name);
	}
	return true;
}
