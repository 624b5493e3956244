/* labels and commonLabels: metadata, and on request pod templates and selectors. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"

#define AFFINITY(kind, pods)                                                                                                             \
	{ { "apps", NULL, kind },                                                                                                        \
	  "spec/template/spec/affinity/" pods                                                                                            \
	  "/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",                                  \
	  false },                                                                                                                       \
	{                                                                                                                                \
		{ "apps", NULL, kind },                                                                                                  \
			"spec/template/spec/affinity/" pods "/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels", \
			false                                                                                                            \
	}

static const struct field_spec metadata[] = { { { NULL, NULL, NULL }, "metadata/labels", true } };

static const struct field_spec templates[] = {
	{ { NULL, "v1", "ReplicationController" }, "spec/template/metadata/labels", true },
	{ { NULL, NULL, "Deployment" }, "spec/template/metadata/labels", true },
	{ { NULL, NULL, "ReplicaSet" }, "spec/template/metadata/labels", true },
	{ { NULL, NULL, "DaemonSet" }, "spec/template/metadata/labels", true },
	{ { "apps", NULL, "StatefulSet" }, "spec/template/metadata/labels", true },
	{ { "apps", NULL, "StatefulSet" }, "spec/volumeClaimTemplates[]/metadata/labels", true },
	{ { "batch", NULL, "Job" }, "spec/template/metadata/labels", true },
	{ { "batch", NULL, "CronJob" }, "spec/jobTemplate/metadata/labels", true },
	{ { "batch", NULL, "CronJob" }, "spec/jobTemplate/spec/template/metadata/labels", true },
};

static const struct field_spec selectors[] = {
	{ { NULL, "v1", "Service" }, "spec/selector", true },
	{ { NULL, "v1", "ReplicationController" }, "spec/selector", true },
	{ { NULL, NULL, "Deployment" }, "spec/selector/matchLabels", true },
	{ { NULL, NULL, "ReplicaSet" }, "spec/selector/matchLabels", true },
	{ { NULL, NULL, "DaemonSet" }, "spec/selector/matchLabels", true },
	{ { "apps", NULL, "StatefulSet" }, "spec/selector/matchLabels", true },
	AFFINITY("Deployment", "podAffinity"),
	AFFINITY("Deployment", "podAntiAffinity"),
	AFFINITY("StatefulSet", "podAffinity"),
	AFFINITY("StatefulSet", "podAntiAffinity"),
	{ { "apps", NULL, "Deployment" }, "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels", false },
	{ { "apps", NULL, "StatefulSet" }, "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels", false },
	{ { "batch", NULL, "Job" }, "spec/selector/matchLabels", false },
	{ { "batch", NULL, "CronJob" }, "spec/jobTemplate/spec/selector/matchLabels", false },
	{ { "policy", NULL, "PodDisruptionBudget" }, "spec/selector/matchLabels", false },
	{ { "networking.k8s.io", NULL, "NetworkPolicy" }, "spec/podSelector/matchLabels", false },
	{ { "networking.k8s.io", NULL, "NetworkPolicy" }, "spec/ingress/from/podSelector/matchLabels", false },
	{ { "networking.k8s.io", NULL, "NetworkPolicy" }, "spec/egress/to/podSelector/matchLabels", false },
};

static bool apply(struct resource_set *set, const struct field_spec *specs, size_t count, const struct node *pairs, struct error *err)
{
	for (size_t i = 0; node_count(pairs) > 0 && i < set->count; i++)
		if (!field_walk_all(set->items[i], specs, count, place_put_pairs, (void *)(uintptr_t)pairs, err))
			return false;
	return true;
}

static bool apply_list(struct resource_set *set, const struct field_specs *specs, const struct node *pairs, struct error *err)
{
	return apply(set, specs->items, specs->count, pairs, err);
}

static bool apply_own_fields(struct resource_set *set, const struct node *fields, const struct node *pairs, struct error *err)
{
	for (size_t i = 0; i < node_count(fields); i++) {
		const struct node *f = node_at(fields, i);
		struct field_spec spec = { { node_text(node_get(f, "group")), node_text(node_get(f, "version")),
					     node_text(node_get(f, "kind")) },
					   node_text_or(node_get(f, "path"), ""),
					   node_truth(node_get(f, "create"), false) };
		if (!apply(set, &spec, 1, pairs, err))
			return false;
	}
	return true;
}

static bool apply_everywhere(const struct kustomization *k, struct resource_set *set, const struct node *pairs, struct error *err)
{
	return apply(set, metadata, ARRAY_SIZE(metadata), pairs, err) && apply(set, templates, ARRAY_SIZE(templates), pairs, err) &&
	       apply(set, selectors, ARRAY_SIZE(selectors), pairs, err) && apply_list(set, &k->config->common_labels, pairs, err);
}

bool transform_labels(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	const struct node *entries = node_get(k->root, "labels");
	for (size_t i = 0; i < node_count(entries); i++) {
		const struct node *entry = node_at(entries, i);
		const struct node *pairs = node_get(entry, "pairs");
		bool ok;
		if (node_truth(node_get(entry, "includeSelectors"), false))
			ok = apply_everywhere(k, set, pairs, err);
		else
			ok = apply(set, metadata, ARRAY_SIZE(metadata), pairs, err) && apply_list(set, &k->config->labels, pairs, err);
		if (ok && node_truth(node_get(entry, "includeTemplates"), false))
			ok = apply(set, templates, ARRAY_SIZE(templates), pairs, err) &&
			     apply_list(set, &k->config->template_labels, pairs, err);
		if (!ok || !apply_own_fields(set, node_get(entry, "fields"), pairs, err))
			return false;
	}
	return apply_everywhere(k, set, node_get(k->root, "commonLabels"), err);
}
