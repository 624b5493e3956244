/* commonAnnotations: metadata and pod templates of built-in workloads. */
#include <stdint.h>

#include "base/mem.h"
#include "render/kustomization.h"

static const struct field_spec specs[] = {
	{ { NULL, NULL, NULL }, "metadata/annotations", true },
	{ { NULL, "v1", "ReplicationController" }, "spec/template/metadata/annotations", true },
	{ { NULL, NULL, "Deployment" }, "spec/template/metadata/annotations", true },
	{ { NULL, NULL, "ReplicaSet" }, "spec/template/metadata/annotations", true },
	{ { NULL, NULL, "DaemonSet" }, "spec/template/metadata/annotations", true },
	{ { NULL, NULL, "StatefulSet" }, "spec/template/metadata/annotations", true },
	{ { "batch", NULL, "Job" }, "spec/template/metadata/annotations", true },
	{ { "batch", NULL, "CronJob" }, "spec/jobTemplate/metadata/annotations", true },
	{ { "batch", NULL, "CronJob" }, "spec/jobTemplate/spec/template/metadata/annotations", true },
};

bool transform_annotations(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	struct node *pairs = node_get(k->root, "commonAnnotations");
	for (size_t i = 0; node_count(pairs) > 0 && i < set->count; i++)
		if (!field_walk_all(set->items[i], specs, ARRAY_SIZE(specs), place_put_pairs, pairs, err) ||
		    !field_walk_all(set->items[i], k->config->annotations.items, k->config->annotations.count, place_put_pairs, pairs, err))
			return false;
	return true;
}
