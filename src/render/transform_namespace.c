/* namespace: into metadata.namespace of everything that has one, and where kustomize writes it besides. */
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"

static bool put(struct place *p, void *context, struct error *err)
{
	if (node_is(p->node, NODE_MAP) || node_is(p->node, NODE_LIST))
		return place_error(p, "a string", err);
	place_set(p, node_string(p->resource->doc, context));
	return true;
}

/* kustomize 5.5 looks at the name only: whoever is called "default" is taken for the default account. */
static void put_subjects(struct resource *r, const char *ns)
{
	struct node *list = node_get(resource_root(r), "subjects");
	for (size_t i = 0; i < node_count(list); i++) {
		struct node *subject = node_at(list, i);
		if (str_eq(node_text(node_get(subject, "name")), "default"))
			node_set_text(r->doc, subject, "namespace", ns);
	}
}

bool transform_namespace(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	static const struct field_spec fixed[] = {
		{ { "", "v1", "Namespace" }, "metadata/name", true },
		{ { "apiregistration.k8s.io", NULL, "APIService" }, "spec/service/namespace", true },
		{ { "apiextensions.k8s.io", NULL, "CustomResourceDefinition" },
		  "spec/conversion/webhook/clientConfig/service/namespace",
		  false },
	};
	AUTOFREE char *ns = mem_strdup(kustomization_text(k, "namespace"));
	if (*ns == '\0')
		return true;
	for (size_t i = 0; i < set->count; i++) {
		struct resource *r = set->items[i];
		const char *kind = resource_kind(r);
		resource_remember(r);
		if (!resource_cluster_scoped(r, kind))
			resource_set_namespace(r, ns);
		if (!field_walk_all(r, fixed, ARRAY_SIZE(fixed), put, ns, err) ||
		    !field_walk_all(r, k->config->namespaces.items, k->config->namespaces.count, put, ns, err))
			return false;
		if (strcmp(r->group, "rbac.authorization.k8s.io") == 0 &&
		    (strcmp(kind, "RoleBinding") == 0 || strcmp(kind, "ClusterRoleBinding") == 0))
			put_subjects(r, ns);
	}
	return set_check_unique(set, "namespace transformation produces ID conflict: ", err);
}
