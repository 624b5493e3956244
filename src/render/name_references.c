/* References by name to objects that were renamed: kustomize's table of where built-in types name others, and whom a name means. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"

/* ---- where pods are specified ---- */

enum {
	POD = 1,
	POD_TEMPLATE = 2,
	DEPLOYMENT = 4,
	REPLICA_SET = 8,
	DAEMON_SET = 16,
	STATEFUL_SET = 32,
	JOB = 64,
	CRON_JOB = 128,
	REPLICATION_CONTROLLER = 256,
	PODS = 255,
	RUNNERS = POD | DEPLOYMENT | DAEMON_SET | STATEFUL_SET | JOB | CRON_JOB | REPLICATION_CONTROLLER,
};

static const struct {
	const char *kind, *version, *path;
} pod_places[] = {
	{ "Pod", "v1", "spec" },
	{ "PodTemplate", NULL, "template/spec" },
	{ "Deployment", NULL, "spec/template/spec" },
	{ "ReplicaSet", NULL, "spec/template/spec" },
	{ "DaemonSet", NULL, "spec/template/spec" },
	{ "StatefulSet", NULL, "spec/template/spec" },
	{ "Job", NULL, "spec/template/spec" },
	{ "CronJob", NULL, "spec/jobTemplate/spec/template/spec" },
	{ "ReplicationController", NULL, "spec/template/spec" },
};

#define CONFIG_MAP                    \
	{                             \
		"", "v1", "ConfigMap" \
	}
#define SECRET                     \
	{                          \
		"", "v1", "Secret" \
	}

static const struct {
	struct gvk target;
	int pods;
	const char *path;
} in_pods[] = {
	{ CONFIG_MAP, PODS, "volumes/configMap/name" },
	{ CONFIG_MAP, PODS, "containers/env/valueFrom/configMapKeyRef/name" },
	{ CONFIG_MAP, PODS, "initContainers/env/valueFrom/configMapKeyRef/name" },
	{ CONFIG_MAP, PODS, "containers/envFrom/configMapRef/name" },
	{ CONFIG_MAP, PODS, "initContainers/envFrom/configMapRef/name" },
	{ CONFIG_MAP, PODS, "volumes/projected/sources/configMap/name" },
	{ SECRET, PODS, "volumes/secret/secretName" },
	{ SECRET, PODS, "containers/env/valueFrom/secretKeyRef/name" },
	{ SECRET, PODS, "initContainers/env/valueFrom/secretKeyRef/name" },
	{ SECRET, PODS, "containers/envFrom/secretRef/name" },
	{ SECRET, PODS, "initContainers/envFrom/secretRef/name" },
	{ SECRET, PODS, "imagePullSecrets/name" },
	{ SECRET, PODS, "volumes/projected/sources/secret/name" },
	{ { "", "v1", "ServiceAccount" }, RUNNERS, "serviceAccountName" },
	{ { "", "v1", "PersistentVolumeClaim" }, RUNNERS, "volumes/persistentVolumeClaim/claimName" },
	{ { "scheduling.k8s.io", "v1", "PriorityClass" }, RUNNERS, "priorityClassName" },
};

#define RBAC	  "rbac.authorization.k8s.io"
#define ADMISSION "admissionregistration.k8s.io"
#define IN(kind_, path_)                            \
	{                                           \
		{ NULL, NULL, kind_ }, path_, false \
	}
#define IN_GROUP(group_, kind_, path_)                \
	{                                             \
		{ group_, NULL, kind_ }, path_, false \
	}
#define SERVICE                     \
	{                           \
		"", "v1", "Service" \
	}

static const struct name_reference elsewhere[] = {
	{ { NULL, NULL, "Deployment" }, IN("HorizontalPodAutoscaler", "spec/scaleTargetRef/name") },
	{ { NULL, NULL, "ReplicationController" }, IN("HorizontalPodAutoscaler", "spec/scaleTargetRef/name") },
	{ { NULL, NULL, "ReplicaSet" }, IN("HorizontalPodAutoscaler", "spec/scaleTargetRef/name") },
	{ { NULL, NULL, "StatefulSet" }, IN("HorizontalPodAutoscaler", "spec/scaleTargetRef/name") },
	{ CONFIG_MAP, IN("Node", "spec/configSource/configMap") },
	{ CONFIG_MAP, IN("Role", "rules/resourceNames") },
	{ CONFIG_MAP, IN("ClusterRole", "rules/resourceNames") },
	{ CONFIG_MAP, IN("Ingress", "metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap") },
	{ SECRET, IN("Ingress", "spec/tls/secretName") },
	{ SECRET, IN("Ingress", "metadata/annotations/ingress.kubernetes.io\\/auth-secret") },
	{ SECRET, IN("Ingress", "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret") },
	{ SECRET, IN("Ingress", "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret") },
	{ SECRET, IN("ServiceAccount", "imagePullSecrets/name") },
	{ SECRET, IN("StorageClass", "parameters/secretName") },
	{ SECRET, IN("StorageClass", "parameters/adminSecretName") },
	{ SECRET, IN("StorageClass", "parameters/userSecretName") },
	{ SECRET, IN("StorageClass", "parameters/secretRef") },
	{ SECRET, IN("Role", "rules/resourceNames") },
	{ SECRET, IN("ClusterRole", "rules/resourceNames") },
	{ SECRET, { { "serving.knative.dev", "v1", "Service" }, "spec/template/spec/containers/env/valueFrom/secretKeyRef/name", false } },
	{ SECRET, IN("PersistentVolume", "spec/azureFile/secretName") },
	{ SERVICE, IN_GROUP("apps", "StatefulSet", "spec/serviceName") },
	{ SERVICE, IN("Ingress", "spec/rules/http/paths/backend/serviceName") },
	{ SERVICE, IN("Ingress", "spec/backend/serviceName") },
	{ SERVICE, IN("Ingress", "spec/rules/http/paths/backend/service/name") },
	{ SERVICE, IN("Ingress", "spec/defaultBackend/service/name") },
	{ SERVICE, IN("APIService", "spec/service/name") },
	{ SERVICE, IN_GROUP(ADMISSION, "ValidatingWebhookConfiguration", "webhooks/clientConfig/service") },
	{ SERVICE, IN_GROUP(ADMISSION, "MutatingWebhookConfiguration", "webhooks/clientConfig/service") },
	{ { RBAC, NULL, "Role" }, IN_GROUP(RBAC, "RoleBinding", "roleRef/name") },
	{ { RBAC, NULL, "ClusterRole" }, IN_GROUP(RBAC, "RoleBinding", "roleRef/name") },
	{ { RBAC, NULL, "ClusterRole" }, IN_GROUP(RBAC, "ClusterRoleBinding", "roleRef/name") },
	{ { "", "v1", "ServiceAccount" }, IN_GROUP(RBAC, "RoleBinding", "subjects") },
	{ { "", "v1", "ServiceAccount" }, IN_GROUP(RBAC, "ClusterRoleBinding", "subjects") },
	{ { "", "v1", "PersistentVolume" }, IN("PersistentVolumeClaim", "spec/volumeName") },
	{ { "", "v1", "PersistentVolume" }, IN_GROUP(RBAC, "ClusterRole", "rules/resourceNames") },
	{ { "storage.k8s.io", "v1", "StorageClass" }, IN("PersistentVolume", "spec/storageClassName") },
	{ { "storage.k8s.io", "v1", "StorageClass" }, IN("PersistentVolumeClaim", "spec/storageClassName") },
	{ { "storage.k8s.io", "v1", "StorageClass" }, IN("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName") },
	{ { ADMISSION, NULL, "ValidatingAdmissionPolicy" }, IN_GROUP(ADMISSION, "ValidatingAdmissionPolicyBinding", "spec/policyName") },
};

/* ---- whom a name means ---- */

/* The older names of all resources, sorted, so that most names are known to mean nobody at once. */
struct name_entry {
	const char *name;
	struct resource *resource;
};

struct fix {
	struct resource_set *set;
	struct name_entry *names;
	size_t name_count;
	struct resource *referrer;
	const struct gvk *target;
	const char *path;
};

static int by_name(const void *a, const void *b)
{
	const struct name_entry *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static bool had_type(const struct resource *r, const struct gvk *type)
{
	if ((type->group != NULL && strcmp(type->group, r->group) != 0) ||
	    (type->version != NULL && strcmp(type->version, r->version) != 0))
		return false;
	for (size_t i = 0; i < r->old_count; i++)
		if (type->kind == NULL || strcmp(type->kind, r->old[i].kind) == 0)
			return true;
	return false;
}

static const char *namespace_now(const struct resource *r)
{
	return resource_effective_namespace(r, resource_kind(r), resource_namespace(r));
}

static const char *namespace_first(const struct resource *r)
{
	return resource_effective_namespace(r, r->old[0].kind, r->old[0].ns);
}

static bool in_reach(const struct resource *referrer, const struct resource *r)
{
	return resource_cluster_scoped(referrer, resource_kind(referrer)) || resource_cluster_scoped(r, resource_kind(r)) ||
	       strcmp(resource_kind(r), "ServiceAccount") == 0 || strcmp(namespace_now(r), namespace_now(referrer)) == 0;
}

static bool fits_role(const struct fix *f, const struct resource *r)
{
	if (!str_ends(f->path, "roleRef/name"))
		return true;
	const struct node *ref = node_get(resource_root(f->referrer), "roleRef");
	struct gvk type = { node_text(node_get(ref, "apiGroup")), NULL, node_text(node_get(ref, "kind")) };
	return had_type(r, &type);
}

static bool same_end(const struct texts *a, const struct texts *b, bool allow_empty)
{
	if (allow_empty && (a->count == 0 || b->count == 0))
		return true;
	const struct texts *shorter = a->count < b->count ? a : b, *longer = shorter == a ? b : a;
	size_t more = longer->count - shorter->count;
	if (shorter->count == 0)
		return more == 0;
	for (size_t i = 0; i < shorter->count; i++)
		if (strcmp(shorter->items[i], longer->items[i + more]) != 0)
			return false;
	return true;
}

static size_t keep_related(const struct fix *f, struct resource **list, size_t count, bool allow_empty)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (same_end(&list[i]->prefixes, &f->referrer->prefixes, allow_empty) &&
		    same_end(&list[i]->suffixes, &f->referrer->suffixes, allow_empty))
			list[kept++] = list[i];
	return kept;
}

/* What the namespace that is written beside the name leaves: those that began there, or if there are none, those that are there now. */
static size_t keep_namespace(const struct fix *f, struct resource **list, size_t count, const char *ns)
{
	bool any_first = false;
	for (size_t i = 0; i < f->set->count; i++)
		any_first |= strcmp(namespace_first(f->set->items[i]), ns) == 0;
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(any_first ? namespace_first(list[i]) : namespace_now(list[i]), ns) == 0)
			list[kept++] = list[i];
	return kept;
}

/* *found stays NULL if the name means nobody in this build. */
static bool find(const struct fix *f, const struct place *p, const char *name, const char *ns, struct resource **found, struct error *err)
{
	struct name_entry key = { name, NULL };
	const struct name_entry *hit = bsearch(&key, f->names, f->name_count, sizeof *f->names, by_name);
	if (hit == NULL)
		return true;
	while (hit > f->names && strcmp(hit[-1].name, name) == 0)
		hit--;
	const struct name_entry *end = f->names + f->name_count;
	AUTOFREE struct resource **list = mem_array((size_t)(end - hit), sizeof *list);
	size_t count = 0;
	for (; hit < end && strcmp(hit->name, name) == 0; hit++) {
		struct resource *r = hit->resource;
		bool listed = false;
		for (size_t i = 0; i < count; i++)
			listed |= list[i] == r;
		if (!listed && had_type(r, f->target) && fits_role(f, r) && in_reach(f->referrer, r))
			list[count++] = r;
	}
	if (ns != NULL)
		count = keep_namespace(f, list, count, ns);
	if (count > 1)
		count = keep_related(f, list, count, true);
	if (count > 1)
		count = keep_related(f, list, count, false);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(resource_name(list[0]), resource_name(list[i])) == 0 &&
		    strcmp(namespace_now(list[0]), namespace_now(list[i])) == 0)
			continue;
		return error_set(err, ERROR_INVALID, "%s:%u: %s/%s: %s: found multiple possible referrals for '%s': %s:%u and %s:%u",
				 f->referrer->file, node_line(p->node) != 0 ? node_line(p->node) : f->referrer->line,
				 resource_kind(f->referrer), resource_name(f->referrer), p->path, name, list[0]->file, list[0]->line,
				 list[i]->file, list[i]->line);
	}
	*found = count > 0 ? list[0] : NULL;
	return true;
}

static bool fix_map(const struct fix *f, struct place *p, struct error *err)
{
	const char *name = node_text(node_get(p->node, "name"));
	if (name == NULL)
		return place_error(p, "a map with a name", err);
	struct resource *to = NULL;
	if (!find(f, p, name, node_text(node_get(p->node, "namespace")), &to, err))
		return false;
	if (to == NULL)
		return true;
	struct doc *doc = p->resource->doc;
	node_set_text(doc, p->node, "name", resource_name(to));
	if (*resource_namespace(to) != '\0')
		node_set_text(doc, p->node, "namespace", resource_namespace(to));
	return true;
}

static bool fix_place(struct place *p, void *context, struct error *err)
{
	const struct fix *f = context;
	if (node_is(p->node, NODE_MAP))
		return fix_map(f, p, err);
	for (size_t i = 0; node_is(p->node, NODE_LIST) && i < node_count(p->node); i++) {
		struct place next = { p->resource, p->node, NULL, i, node_at(p->node, i), p->path };
		if (!fix_place(&next, context, err))
			return false;
	}
	const char *name = node_is(p->node, NODE_LIST) ? NULL : node_text(p->node);
	struct resource *to = NULL;
	if (name == NULL)
		return true;
	if (!find(f, p, name, NULL, &to, err))
		return false;
	if (to != NULL && strcmp(name, resource_name(to)) != 0)
		place_set(p, node_string(p->resource->doc, resource_name(to)));
	return true;
}

static bool fix_field(struct fix *f, const struct gvk *target, const char *path, struct error *err)
{
	f->target = target;
	f->path = path;
	return field_walk(f->referrer, path, false, fix_place, f, err);
}

static bool fix_pods(struct fix *f, struct error *err)
{
	for (size_t p = 0; p < ARRAY_SIZE(pod_places); p++) {
		struct gvk type = { NULL, pod_places[p].version, pod_places[p].kind };
		if (!resource_is(f->referrer, &type))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(in_pods); i++) {
			if ((in_pods[i].pods & 1 << p) == 0)
				continue;
			AUTOFREE char *path = mem_printf("%s/%s", pod_places[p].path, in_pods[i].path);
			if (!fix_field(f, &in_pods[i].target, path, err))
				return false;
		}
	}
	return true;
}

static bool fix_table(struct fix *f, const struct name_reference *table, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (resource_is(f->referrer, &table[i].from.gvk) && !fix_field(f, &table[i].target, table[i].from.path, err))
			return false;
	return true;
}

bool name_references_fix(struct resource_set *set, const struct config *config, struct error *err)
{
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (set->items[i]->old_count == 0)
			resource_remember(set->items[i]);
		count += set->items[i]->old_count;
	}
	AUTOFREE struct name_entry *names = mem_array(count + 1, sizeof *names);
	size_t at = 0;
	for (size_t i = 0; i < set->count; i++)
		for (size_t o = 0; o < set->items[i]->old_count; o++)
			names[at++] = (struct name_entry){ set->items[i]->old[o].name, set->items[i] };
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < set->count; i++) {
		struct fix f = { .set = set, .names = names, .name_count = count, .referrer = set->items[i] };
		if (!fix_table(&f, elsewhere, ARRAY_SIZE(elsewhere), err) || !fix_pods(&f, err) ||
		    !fix_table(&f, config->references, config->reference_count, err))
			return false;
	}
	return true;
}
