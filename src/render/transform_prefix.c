/* namePrefix and nameSuffix. */
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"

struct affix {
	const char *before, *after;
};

static bool skipped(const struct resource *r)
{
	const char *kind = r->old_count > 0 ? r->old[0].kind : resource_kind(r);
	return strcmp(kind, "CustomResourceDefinition") == 0 || strcmp(kind, "Namespace") == 0 ||
	       (strcmp(kind, "APIService") == 0 && strcmp(r->group, "apiregistration.k8s.io") == 0);
}

static bool put(struct place *p, void *context, struct error *err)
{
	const struct affix *a = context;
	const char *text = node_text(p->node);
	if (text == NULL)
		return node_is(p->node, NODE_NULL) || place_error(p, "a string", err);
	place_set(p, node_printf(p->resource->doc, "%s%s%s", a->before, text, a->after));
	return true;
}

static bool apply(const struct field_specs *more, struct resource_set *set, struct affix *a, bool prefix, struct error *err)
{
	for (size_t i = 0; i < set->count; i++) {
		struct resource *r = set->items[i];
		if (skipped(r))
			continue;
		texts_add(prefix ? &r->prefixes : &r->suffixes, prefix ? a->before : a->after);
		resource_remember(r);
		if (!field_walk(r, "metadata/name", false, put, a, err) || !field_walk_all(r, more->items, more->count, put, a, err))
			return false;
	}
	return true;
}

bool transform_prefix(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	struct affix prefix = { kustomization_text(k, "namePrefix"), "" };
	struct affix suffix = { "", kustomization_text(k, "nameSuffix") };
	if (*prefix.before != '\0' && !apply(&k->config->name_prefix, set, &prefix, true, err))
		return false;
	return *suffix.after == '\0' || apply(&k->config->name_suffix, set, &suffix, false, err);
}
