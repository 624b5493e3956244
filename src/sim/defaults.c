/* The defaults that the API server fills in, as far as they meet the eye; and pruning by a CRD's schema. */
#include "sim/internal.h"

static void text(struct doc *doc, struct node *map, const char *key, const char *value)
{
	if (node_is(map, NODE_MAP) && node_get(map, key) == NULL)
		node_set_text(doc, map, key, value);
}

static void number(struct doc *doc, struct node *map, const char *key, int64_t value)
{
	if (node_is(map, NODE_MAP) && node_get(map, key) == NULL)
		node_set_int(doc, map, key, value);
}

static void probe(struct doc *doc, struct node *p)
{
	if (!node_is(p, NODE_MAP))
		return;
	number(doc, p, "failureThreshold", 3);
	number(doc, p, "periodSeconds", 10);
	number(doc, p, "successThreshold", 1);
	number(doc, p, "timeoutSeconds", 1);
	struct node *get = node_get(p, "httpGet");
	if (node_is(get, NODE_MAP)) {
		text(doc, get, "path", "/");
		text(doc, get, "scheme", "HTTP");
	}
}

static void container(struct doc *doc, struct node *c)
{
	if (!node_is(c, NODE_MAP))
		return;
	const char *image = node_text_or(node_get(c, "image"), ""), *slash = strrchr(image, '/'),
		   *tag = strrchr(slash ? slash : image, ':');
	text(doc, c, "imagePullPolicy",
	     strchr(image, '@') == NULL && (tag == NULL || strcmp(tag, ":latest") == 0) ? "Always" : "IfNotPresent");
	text(doc, c, "terminationMessagePath", "/dev/termination-log");
	text(doc, c, "terminationMessagePolicy", "File");
	node_ensure_map(doc, c, "resources");
	struct node *ports = node_get(c, "ports"), *env = node_get(c, "env");
	for (size_t i = 0; i < node_count(ports); i++)
		text(doc, node_at(ports, i), "protocol", "TCP");
	for (size_t i = 0; i < node_count(env); i++) {
		struct node *ref = node_find(node_at(env, i), "valueFrom/fieldRef");
		if (ref != NULL)
			text(doc, ref, "apiVersion", "v1");
	}
	probe(doc, node_get(c, "startupProbe"));
	probe(doc, node_get(c, "livenessProbe"));
	probe(doc, node_get(c, "readinessProbe"));
}

static void pod_spec(struct doc *doc, struct node *spec)
{
	static const char *const lists[] = { "containers", "initContainers" };
	text(doc, spec, "dnsPolicy", "ClusterFirst");
	text(doc, spec, "restartPolicy", "Always");
	text(doc, spec, "schedulerName", "default-scheduler");
	node_ensure_map(doc, spec, "securityContext");
	number(doc, spec, "terminationGracePeriodSeconds", 30);
	if (node_get(spec, "serviceAccountName") != NULL)
		text(doc, spec, "serviceAccount", node_text(node_get(spec, "serviceAccountName")));
	else
		text(doc, spec, "serviceAccountName", node_text(node_get(spec, "serviceAccount")));
	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		struct node *list = node_get(spec, lists[k]);
		for (size_t i = 0; i < node_count(list); i++)
			container(doc, node_at(list, i));
	}
	struct node *volumes = node_get(spec, "volumes");
	for (size_t i = 0; i < node_count(volumes); i++) {
		struct node *v = node_at(volumes, i);
		if (node_is(node_get(v, "configMap"), NODE_MAP))
			number(doc, node_get(v, "configMap"), "defaultMode", 420);
		if (node_is(node_get(v, "secret"), NODE_MAP))
			number(doc, node_get(v, "secret"), "defaultMode", 420);
	}
}

static void deployment(struct doc *doc, struct node *spec)
{
	number(doc, spec, "replicas", 1);
	number(doc, spec, "progressDeadlineSeconds", 600);
	number(doc, spec, "revisionHistoryLimit", 10);
	struct node *strategy = node_ensure_map(doc, spec, "strategy");
	text(doc, strategy, "type", "RollingUpdate");
	if (str_eq(node_find_text(strategy, "type"), "RollingUpdate")) {
		struct node *rolling = node_ensure_map(doc, strategy, "rollingUpdate");
		text(doc, rolling, "maxSurge", "25%");
		text(doc, rolling, "maxUnavailable", "25%");
	}
	struct node *template = node_ensure_map(doc, spec, "template");
	pod_spec(doc, node_ensure_map(doc, template, "spec"));
}

static void service(struct doc *doc, struct node *spec)
{
	text(doc, spec, "type", "ClusterIP");
	text(doc, spec, "sessionAffinity", "None");
	text(doc, spec, "internalTrafficPolicy", "Cluster");
	struct node *ports = node_get(spec, "ports");
	for (size_t i = 0; i < node_count(ports); i++) {
		struct node *p = node_at(ports, i);
		text(doc, p, "protocol", "TCP");
		if (node_is(p, NODE_MAP) && node_get(p, "targetPort") == NULL && node_get(p, "port") != NULL)
			node_set(doc, p, "targetPort", node_copy(doc, node_get(p, "port")));
	}
	const char *ip = node_find_text(spec, "clusterIP");
	if (ip != NULL && node_get(spec, "clusterIPs") == NULL) {
		struct node *list = node_list(doc);
		node_append(doc, list, node_string(doc, ip));
		node_set(doc, spec, "clusterIPs", list);
	}
}

void defaults_fill(struct doc *doc, const struct kind *kind, struct node *root)
{
	struct node *spec = node_get(root, "spec");
	if (strcmp(kind->resource, "secrets") == 0)
		text(doc, root, "type", "Opaque");
	if (!node_is(spec, NODE_MAP))
		return;
	if (strcmp(kind->resource, "deployments") == 0 && strcmp(kind->group, "apps") == 0)
		deployment(doc, spec);
	else if (strcmp(kind->resource, "pods") == 0)
		pod_spec(doc, spec);
	else if (strcmp(kind->resource, "services") == 0)
		service(doc, spec);
}

void schema_prune(const struct node *schema, struct node *value, bool top)
{
	const struct node *properties = node_get(schema, "properties"), *any = node_get(schema, "additionalProperties");
	if (schema == NULL)
		return;
	if (node_is(value, NODE_LIST)) {
		for (size_t i = 0; i < node_count(value); i++)
			schema_prune(node_get(schema, "items"), node_at(value, i), false);
		return;
	}
	bool keep = node_truth(node_get(schema, "x-kubernetes-preserve-unknown-fields"), false);
	for (size_t i = node_is(value, NODE_MAP) ? node_count(value) : 0; i-- > 0;) {
		const char *key = node_key_at(value, i);
		const struct node *child = node_get(properties, key);
		if (top && (strcmp(key, "metadata") == 0 || strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0))
			continue;
		if (child != NULL)
			schema_prune(child, node_value_at(value, i), false);
		else if (node_is(any, NODE_MAP))
			schema_prune(any, node_value_at(value, i), false);
		else if (!keep && !node_truth(any, false) && str_eq(node_find_text(schema, "type"), "object"))
			node_remove_at(value, i);
	}
}
