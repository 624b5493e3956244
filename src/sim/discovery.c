/* Discovery, version, health, OpenAPI stubs (enough for kubectl), and Table answers. */
#include <stdio.h>

#include "sim/internal.h"

static bool same_group(const struct kind *a, const struct kind *b)
{
	return strcmp(a->group, b->group) == 0 && strcmp(a->version, b->version) == 0;
}

static bool first_of_group(const struct sim *sim, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!sim->kinds[j]->gone && same_group(sim->kinds[j], sim->kinds[i]))
			return false;
	return !sim->kinds[i]->gone;
}

static struct node *verbs(struct doc *doc, const char *text)
{
	struct node *list = node_list(doc);
	AUTOFREE char *copy = mem_strdup(text);
	char *save = NULL;
	for (char *p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save))
		node_append(doc, list, node_string(doc, p));
	return list;
}

static struct node *resource(struct doc *doc, const struct kind *k, const char *sub, const char *kind, const char *what)
{
	struct node *r = node_map(doc);
	node_set(doc, r, "name", node_printf(doc, "%s%s%s", k->resource, *sub ? "/" : "", sub));
	node_set_text(doc, r, "singularName", *sub ? "" : k->singular);
	node_set(doc, r, "namespaced", node_bool(doc, k->namespaced));
	node_set_text(doc, r, "kind", kind);
	node_set(doc, r, "verbs", verbs(doc, what));
	if (*sub == '\0' && k->short_name != NULL)
		node_set(doc, r, "shortNames", verbs(doc, k->short_name));
	if (*sub == '\0' && strcmp(k->group, "flink.apache.org") != 0 && !k->custom &&
	    (*k->group == '\0' || strcmp(k->group, "apps") == 0) &&
	    (strcmp(k->resource, "pods") == 0 || strcmp(k->resource, "services") == 0 || strcmp(k->group, "apps") == 0))
		node_set(doc, r, "categories", verbs(doc, "all"));
	return r;
}

static void group_resources(struct call *call, const char *group, const char *version)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc), *list = node_list(doc);
	for (size_t i = 0; i < call->sim->kind_count; i++) {
		const struct kind *k = call->sim->kinds[i];
		if (k->gone || strcmp(k->group, group) != 0 || strcmp(k->version, version) != 0)
			continue;
		node_append(doc, list, resource(doc, k, "", k->name, "create delete deletecollection get list patch update watch"));
		if (k->status)
			node_append(doc, list, resource(doc, k, "status", k->name, "get patch update"));
		if (k->scale)
			node_append(doc, list, resource(doc, k, "scale", "Scale", "get patch update"));
		if (strcmp(k->resource, "pods") == 0) {
			node_append(doc, list, resource(doc, k, "log", "Pod", "get"));
			node_append(doc, list, resource(doc, k, "eviction", "Eviction", "create"));
		}
	}
	if (node_count(list) == 0) {
		call_problem(call, 404, "NotFound", "the server could not find the requested resource");
		return;
	}
	node_set_text(doc, root, "kind", "APIResourceList");
	node_set_text(doc, root, "apiVersion", "v1");
	node_set(doc, root, "groupVersion", node_printf(doc, "%s%s%s", group, *group ? "/" : "", version));
	node_set(doc, root, "resources", list);
	call_answer(call, 200, root);
}

static void groups(struct call *call)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc), *list = node_list(doc);
	for (size_t i = 0; i < call->sim->kind_count; i++) {
		const struct kind *k = call->sim->kinds[i];
		if (*k->group == '\0' || !first_of_group(call->sim, i))
			continue;
		struct node *g = node_map(doc), *v = node_map(doc), *versions = node_list(doc);
		node_set(doc, v, "groupVersion", node_printf(doc, "%s/%s", k->group, k->version));
		node_set_text(doc, v, "version", k->version);
		node_append(doc, versions, v);
		node_set_text(doc, g, "name", k->group);
		node_set(doc, g, "versions", versions);
		node_set(doc, g, "preferredVersion", node_copy(doc, v));
		node_append(doc, list, g);
	}
	node_set_text(doc, root, "kind", "APIGroupList");
	node_set_text(doc, root, "apiVersion", "v1");
	node_set(doc, root, "groups", list);
	call_answer(call, 200, root);
}

static void openapi_index(struct call *call)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc), *paths = node_ensure_map(doc, root, "paths");
	for (size_t i = 0; i < call->sim->kind_count; i++) {
		const struct kind *k = call->sim->kinds[i];
		if (!first_of_group(call->sim, i))
			continue;
		AUTOFREE char *key = *k->group ? mem_printf("apis/%s/%s", k->group, k->version) : mem_printf("api/%s", k->version);
		struct node *p = node_map(doc);
		node_set(doc, p, "serverRelativeURL", node_printf(doc, "/openapi/v3/%s", key));
		node_set(doc, paths, key, p);
	}
	call_answer(call, 200, root);
}

static void openapi_path(struct doc *doc, struct node *paths, const struct kind *k, const char *end, const char *method, struct node *op)
{
	AUTOFREE char *url = mem_printf("/%s%s/%s/%s%s%s", *k->group ? "apis/" : "api", k->group, k->version,
					k->namespaced ? "namespaces/{namespace}/" : "", k->resource, end);
	struct node *path = node_map(doc);
	node_set(doc, path, method, op);
	node_set(doc, paths, url, path);
}

static struct node *openapi_operation(struct doc *doc, const struct kind *k, const char *action)
{
	struct node *gvk = node_map(doc), *op = node_map(doc);
	node_set_text(doc, gvk, "group", k->group);
	node_set_text(doc, gvk, "version", k->version);
	node_set_text(doc, gvk, "kind", k->name);
	node_set_text(doc, op, "x-kubernetes-action", action);
	node_set(doc, op, "x-kubernetes-group-version-kind", gvk);
	node_set(doc, op, "responses", node_map(doc));
	return op;
}

/* The schema that a CRD brought, for kubectl explain. */
static void openapi_schema(struct doc *doc, struct node *schemas, const struct kind *k, const struct node *gvk)
{
	if (kind_schema(k) == NULL)
		return;
	struct node *schema = node_copy(doc, kind_schema(k)), *list = node_list(doc);
	node_append(doc, list, node_copy(doc, gvk));
	node_set(doc, schema, "x-kubernetes-group-version-kind", list);
	AUTOFREE char *name = mem_printf("%s.%s.%s", k->group, k->version, k->name);
	node_set(doc, schemas, name, schema);
}

/* Says of each kind that PATCH takes dryRun and fieldValidation: what kubectl looks for before it leaves validation to the server. */
static void openapi_group(struct call *call, const char *group, const char *version)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc), *info = node_map(doc), *paths = node_map(doc), *schemas = node_map(doc);
	node_set_text(doc, root, "openapi", "3.0.0");
	node_set_text(doc, info, "title", "weir sim");
	node_set_text(doc, info, "version", "v1.34.4");
	node_set(doc, root, "info", info);
	for (size_t i = 0; i < call->sim->kind_count; i++) {
		const struct kind *k = call->sim->kinds[i];
		if (k->gone || strcmp(k->group, group) != 0 || strcmp(k->version, version) != 0)
			continue;
		struct node *op = openapi_operation(doc, k, "patch"), *parameters = node_list(doc);
		static const char *const names[] = { "dryRun", "fieldManager", "fieldValidation", "force" };
		for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
			struct node *p = node_map(doc);
			node_set_text(doc, p, "name", names[j]);
			node_set_text(doc, p, "in", "query");
			node_append(doc, parameters, p);
		}
		node_set(doc, op, "parameters", parameters);
		openapi_path(doc, paths, k, "/{name}", "patch", op);
		openapi_path(doc, paths, k, "", "get", openapi_operation(doc, k, "list"));
		openapi_schema(doc, schemas, k, node_get(op, "x-kubernetes-group-version-kind"));
	}
	node_set(doc, root, "paths", paths);
	node_set(doc, node_ensure_map(doc, root, "components"), "schemas", schemas);
	call_answer(call, 200, root);
}

bool discovery_handle(struct call *call)
{
	char **s = call->segments;
	const char *first = call->count > 0 ? s[0] : "";
	if (call->count == 1 && (strcmp(first, "readyz") == 0 || strcmp(first, "livez") == 0 || strcmp(first, "healthz") == 0)) {
		call_text(call, 200, "text/plain", "ok");
	} else if (call->count == 1 && strcmp(first, "version") == 0) {
		call_text(call, 200, "application/json",
			  "{\"major\":\"1\",\"minor\":\"34\",\"gitVersion\":\"v1.34.4\",\"gitCommit\":\"\","
			  "\"gitTreeState\":\"clean\",\"buildDate\":\"\",\"goVersion\":\"\",\"compiler\":\"\",\"platform\":\"weir/sim\"}");
	} else if (call->count == 1 && strcmp(first, "api") == 0) {
		call_text(call, 200, "application/json",
			  "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[]}");
	} else if (call->count == 1 && strcmp(first, "apis") == 0) {
		groups(call);
	} else if (call->count == 2 && strcmp(first, "api") == 0) {
		group_resources(call, "", s[1]);
	} else if (call->count == 3 && strcmp(first, "apis") == 0) {
		group_resources(call, s[1], s[2]);
	} else if (call->count == 2 && strcmp(first, "openapi") == 0 && strcmp(s[1], "v3") == 0) {
		openapi_index(call);
	} else if (call->count == 4 && strcmp(first, "openapi") == 0 && strcmp(s[2], "api") == 0) {
		openapi_group(call, "", s[3]);
	} else if (call->count == 5 && strcmp(first, "openapi") == 0) {
		openapi_group(call, s[3], s[4]);
	} else if (call->count == 4 && strcmp(s[1], "authorization.k8s.io") == 0 && strcmp(s[3], "selfsubjectaccessreviews") == 0) {
		call_text(call, 201, "application/json",
			  "{\"kind\":\"SelfSubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\","
			  "\"metadata\":{},\"spec\":{},\"status\":{\"allowed\":true}}");
	} else {
		return false;
	}
	return true;
}

/* ---- tables ---- */

static const struct column {
	const char *resource, *title, *type, *path;
} columns[] = {
	{ "pods", "Ready", "string", "@ready" },
	{ "pods", "Status", "string", "@pod" },
	{ "pods", "Restarts", "integer", "status/containerStatuses/0/restartCount" },
	{ "deployments", "Ready", "string", "@replicas" },
	{ "deployments", "Up-to-date", "integer", "status/updatedReplicas" },
	{ "deployments", "Available", "integer", "status/availableReplicas" },
	{ "replicasets", "Desired", "integer", "spec/replicas" },
	{ "replicasets", "Current", "integer", "status/replicas" },
	{ "replicasets", "Ready", "integer", "status/readyReplicas" },
	{ "services", "Type", "string", "spec/type" },
	{ "services", "Cluster-IP", "string", "spec/clusterIP" },
	{ "configmaps", "Data", "integer", "@data" },
	{ "secrets", "Type", "string", "type" },
	{ "secrets", "Data", "integer", "@data" },
	{ "namespaces", "Status", "string", "status/phase" },
	{ "nodes", "Version", "string", "status/nodeInfo/kubeletVersion" },
	{ "leases", "Holder", "string", "spec/holderIdentity" },
	{ "events", "Type", "string", "type" },
	{ "events", "Reason", "string", "reason" },
	{ "events", "Message", "string", "message" },
	{ "flinkdeployments", "Job Status", "string", "status/jobStatus/state" },
	{ "flinkdeployments", "Lifecycle State", "string", "status/lifecycleState" },
	{ "flinksessionjobs", "Job Status", "string", "status/jobStatus/state" },
	{ "flinksessionjobs", "Lifecycle State", "string", "status/lifecycleState" },
	{ "flinkstatesnapshots", "Path", "string", "status/path" },
	{ "flinkstatesnapshots", "Snapshot State", "string", "status/state" },
};

static const char *pod_status(const struct node *pod)
{
	const char *waiting = node_find_text(pod, "status/containerStatuses/0/state/waiting/reason");
	if (node_find(pod, "metadata/deletionTimestamp") != NULL)
		return "Terminating";
	if (waiting != NULL)
		return waiting;
	return node_text_or(node_find(pod, "status/phase"), "Pending");
}

static struct node *cell(struct doc *doc, const struct column *c, const struct node *o)
{
	if (strcmp(c->path, "@ready") == 0)
		return node_printf(doc, "%d/%zu", node_truth(node_find(o, "status/containerStatuses/0/ready"), false),
				   node_count(node_find(o, "spec/containers")));
	if (strcmp(c->path, "@pod") == 0)
		return node_string(doc, pod_status(o));
	if (strcmp(c->path, "@replicas") == 0)
		return node_printf(doc, "%lld/%lld", (long long)node_integer(node_find(o, "status/readyReplicas"), 0),
				   (long long)node_integer(node_find(o, "spec/replicas"), 0));
	if (strcmp(c->path, "@data") == 0)
		return node_int(doc, (int64_t)node_count(node_get(o, "data")));
	const struct node *v = node_find(o, c->path);
	if (strcmp(c->type, "integer") == 0)
		return node_int(doc, node_integer(v, 0));
	return node_string(doc, node_text_or(v, ""));
}

static void define(struct doc *doc, struct node *list, const char *name, const char *type, const char *format)
{
	struct node *d = node_map(doc);
	node_set_text(doc, d, "name", name);
	node_set_text(doc, d, "type", type);
	node_set_text(doc, d, "format", format);
	node_set_text(doc, d, "description", "");
	node_set_int(doc, d, "priority", 0);
	node_append(doc, list, d);
}

static struct node *age(struct doc *doc, const struct node *o, int64_t now)
{
	int64_t s = (now - sim_time_parse(node_find_text(o, "metadata/creationTimestamp"))) / 1000;
	long long n = s < 0 ? 0 : (long long)s;
	return n < 120	    ? node_printf(doc, "%llds", n)
	       : n < 7200   ? node_printf(doc, "%lldm", n / 60)
	       : n < 172800 ? node_printf(doc, "%lldh", n / 3600)
			    : node_printf(doc, "%lldd", n / 86400);
}

struct node *table_of(struct doc *doc, const struct kind *kind, struct node *const *items, size_t count, int64_t now, bool header)
{
	struct node *table = node_map(doc), *defs = node_list(doc), *rows = node_list(doc);
	define(doc, defs, "Name", "string", "name");
	for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
		if (strcmp(columns[c].resource, kind->resource) == 0)
			define(doc, defs, columns[c].title, columns[c].type, "");
	define(doc, defs, "Age", "string", "");
	for (size_t i = 0; i < count; i++) {
		struct node *row = node_map(doc), *cells = node_list(doc), *meta = node_map(doc);
		node_append(doc, cells, node_string(doc, node_text_or(node_find(items[i], "metadata/name"), "")));
		for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
			if (strcmp(columns[c].resource, kind->resource) == 0)
				node_append(doc, cells, cell(doc, &columns[c], items[i]));
		node_append(doc, cells, age(doc, items[i], now));
		node_set_text(doc, meta, "kind", "PartialObjectMetadata");
		node_set_text(doc, meta, "apiVersion", "meta.k8s.io/v1");
		node_set(doc, meta, "metadata", node_copy(doc, node_get(items[i], "metadata")));
		node_set(doc, row, "cells", cells);
		node_set(doc, row, "object", meta);
		node_append(doc, rows, row);
	}
	node_set_text(doc, table, "kind", "Table");
	node_set_text(doc, table, "apiVersion", "meta.k8s.io/v1");
	struct node *meta = node_map(doc);
	if (count == 1)
		node_set_text(doc, meta, "resourceVersion", node_find_text(items[0], "metadata/resourceVersion"));
	node_set(doc, table, "metadata", meta);
	node_set(doc, table, "columnDefinitions", header ? defs : node_list(doc));
	node_set(doc, table, "rows", rows);
	return table;
}
