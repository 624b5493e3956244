/* The table of kinds: built in, the Flink kinds as long as no CRD was applied, and what CRDs bring. */
#include "sim/internal.h"

enum { NAMESPACED = 1, STATUS = 2, SCALE = 4, GENERATION = 8, CUSTOM = 16 };

static const struct row {
	const char *group, *version, *resource, *name, *singular, *short_name;
	unsigned flags;
} rows[] = {
	{ "", "v1", "configmaps", "ConfigMap", "configmap", "cm", NAMESPACED },
	{ "", "v1", "endpoints", "Endpoints", "endpoints", "ep", NAMESPACED },
	{ "", "v1", "events", "Event", "event", "ev", NAMESPACED },
	{ "", "v1", "namespaces", "Namespace", "namespace", "ns", STATUS },
	{ "", "v1", "nodes", "Node", "node", "no", STATUS },
	{ "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "persistentvolumeclaim", "pvc", NAMESPACED | STATUS },
	{ "", "v1", "pods", "Pod", "pod", "po", NAMESPACED | STATUS },
	{ "", "v1", "resourcequotas", "ResourceQuota", "resourcequota", "quota", NAMESPACED | STATUS },
	{ "", "v1", "secrets", "Secret", "secret", NULL, NAMESPACED },
	{ "", "v1", "serviceaccounts", "ServiceAccount", "serviceaccount", "sa", NAMESPACED },
	{ "", "v1", "services", "Service", "service", "svc", NAMESPACED | STATUS },
	{ "apps", "v1", "deployments", "Deployment", "deployment", "deploy", NAMESPACED | STATUS | SCALE | GENERATION },
	{ "apps", "v1", "replicasets", "ReplicaSet", "replicaset", "rs", NAMESPACED | STATUS | SCALE | GENERATION },
	{ "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "horizontalpodautoscaler", "hpa",
	  NAMESPACED | STATUS },
	{ "batch", "v1", "jobs", "Job", "job", NULL, NAMESPACED | STATUS | GENERATION },
	{ "coordination.k8s.io", "v1", "leases", "Lease", "lease", NULL, NAMESPACED },
	{ "networking.k8s.io", "v1", "ingresses", "Ingress", "ingress", "ing", NAMESPACED | STATUS | GENERATION },
	{ "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "networkpolicy", "netpol", NAMESPACED | GENERATION },
	{ "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "poddisruptionbudget", "pdb", NAMESPACED | STATUS | GENERATION },
	{ "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", "clusterrolebinding", NULL, 0 },
	{ "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", "clusterrole", NULL, 0 },
	{ "rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "rolebinding", NULL, NAMESPACED },
	{ "rbac.authorization.k8s.io", "v1", "roles", "Role", "role", NULL, NAMESPACED },
	{ "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", "priorityclass", "pc", 0 },
	{ "storage.k8s.io", "v1", "storageclasses", "StorageClass", "storageclass", "sc", 0 },
	{ "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration",
	  "validatingwebhookconfiguration", NULL, GENERATION },
	{ "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration",
	  "mutatingwebhookconfiguration", NULL, GENERATION },
	{ "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "customresourcedefinition", "crd",
	  STATUS | GENERATION },
	{ "flink.apache.org", "v1beta1", "flinkdeployments", "FlinkDeployment", "flinkdeployment", "flinkdep",
	  NAMESPACED | STATUS | SCALE | GENERATION | CUSTOM },
	{ "flink.apache.org", "v1beta1", "flinksessionjobs", "FlinkSessionJob", "flinksessionjob", "sessionjob",
	  NAMESPACED | STATUS | GENERATION | CUSTOM },
	{ "flink.apache.org", "v1beta1", "flinkstatesnapshots", "FlinkStateSnapshot", "flinkstatesnapshot", "flinksnp",
	  NAMESPACED | STATUS | GENERATION | CUSTOM },
	{ "flink.apache.org", "v1beta1", "flinkbluegreendeployments", "FlinkBlueGreenDeployment", "flinkbluegreendeployment", "flinkbgdep",
	  NAMESPACED | STATUS | GENERATION | CUSTOM },
};

static struct kind *add(struct sim *sim)
{
	sim->kinds = mem_grow(sim->kinds, sim->kind_count + 1, sizeof *sim->kinds);
	return sim->kinds[sim->kind_count++] = mem_alloc(sizeof(struct kind));
}

static void set(char **to, const char *text)
{
	free(*to);
	*to = mem_strdup(text);
}

void kinds_init(struct sim *sim)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct kind *k = add(sim);
		set(&k->group, r->group);
		set(&k->version, r->version);
		set(&k->resource, r->resource);
		set(&k->name, r->name);
		set(&k->singular, r->singular);
		set(&k->short_name, r->short_name);
		k->namespaced = r->flags & NAMESPACED;
		k->status = r->flags & STATUS;
		k->scale = r->flags & SCALE;
		k->generation = r->flags & GENERATION;
		k->custom = r->flags & CUSTOM;
	}
}

void kinds_free(struct sim *sim)
{
	for (size_t i = 0; i < sim->kind_count; i++) {
		struct kind *k = sim->kinds[i];
		free(k->group);
		free(k->version);
		free(k->resource);
		free(k->name);
		free(k->singular);
		free(k->short_name);
		free(k->items);
		doc_free(k->crd);
		free(k);
	}
	free(sim->kinds);
}

static struct kind *find(struct sim *sim, const char *group, const char *resource)
{
	for (size_t i = 0; i < sim->kind_count; i++)
		if (str_eq(sim->kinds[i]->resource, resource) && str_eq(sim->kinds[i]->group, group))
			return sim->kinds[i];
	return NULL;
}

struct kind *kind_find(struct sim *sim, const char *group, const char *resource)
{
	struct kind *k = find(sim, group, resource);
	return k != NULL && !k->gone ? k : NULL;
}

void kind_api_version(const struct kind *kind, struct buf *out)
{
	if (*kind->group != '\0')
		buf_printf(out, "%s/", kind->group);
	buf_puts(out, kind->version);
}

struct kind *kind_by_name(struct sim *sim, const char *api_version, const char *kind)
{
	for (size_t i = 0; i < sim->kind_count; i++) {
		AUTOBUF b = BUF_INIT;
		kind_api_version(sim->kinds[i], &b);
		if (!sim->kinds[i]->gone && str_eq(sim->kinds[i]->name, kind) && str_eq(b.data, api_version))
			return sim->kinds[i];
	}
	return NULL;
}

struct kind *kind_of(struct sim *sim, const char *resource_path)
{
	const char *slash = strchr(resource_path, '/');
	AUTOFREE char *group = slash ? mem_strndup(resource_path, (size_t)(slash - resource_path)) : mem_strdup("");
	return kind_find(sim, group, slash ? slash + 1 : resource_path);
}

static const struct node *crd_version(const struct node *crd)
{
	const struct node *versions = node_find(crd, "spec/versions"), *first = node_at(versions, 0);
	for (size_t i = 0; i < node_count(versions); i++)
		if (node_truth(node_get(node_at(versions, i), "storage"), false))
			return node_at(versions, i);
	return first;
}

const struct node *kind_schema(const struct kind *kind)
{
	return kind->crd == NULL ? NULL : node_find(crd_version(doc_root(kind->crd)), "schema/openAPIV3Schema");
}

void kinds_crd_changed(struct sim *sim, const struct node *crd, bool removed)
{
	const char *group = node_find_text(crd, "spec/group"), *resource = node_find_text(crd, "spec/names/plural");
	const struct node *version = crd_version(crd);
	if (group == NULL || resource == NULL || version == NULL)
		return;
	struct kind *k = find(sim, group, resource);
	if (k != NULL && !k->custom)
		return;
	if (k == NULL)
		k = add(sim);
	set(&k->group, group);
	set(&k->resource, resource);
	set(&k->version, node_text_or(node_get(version, "name"), "v1"));
	set(&k->name, node_text_or(node_find(crd, "spec/names/kind"), resource));
	set(&k->singular, node_text_or(node_find(crd, "spec/names/singular"), ""));
	set(&k->short_name, node_text(node_at(node_find(crd, "spec/names/shortNames"), 0)));
	k->namespaced = !str_eq(node_find_text(crd, "spec/scope"), "Cluster");
	k->status = node_find(version, "subresources/status") != NULL;
	k->scale = node_find(version, "subresources/scale") != NULL;
	k->generation = k->custom = true;
	k->gone = removed;
	doc_free(k->crd);
	k->crd = doc_clone(crd);
	if (removed)
		while (k->count > 0)
			store_remove(sim, k->items[k->count - 1]);
}
