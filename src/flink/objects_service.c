/* The Services and the Ingress of a cluster. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects_internal.h"

static void add_port(const struct cluster *c, struct node *spec, const char *name, int64_t port, int64_t target)
{
	struct node *entry = node_map(c->doc);
	node_set_text(c->doc, entry, "name", name);
	node_set_int(c->doc, entry, "port", port);
	node_set_int(c->doc, entry, "targetPort", target);
	node_set_text(c->doc, entry, "protocol", "TCP");
	node_append(c->doc, cluster_list(c, spec, "ports"), entry);
}

static struct node *service(const struct cluster *c, const char *name, const char *annotations, const char *jm_uid)
{
	struct node *object = cluster_object(c, "v1", "Service", name);
	struct node *metadata = node_get(object, "metadata");
	node_set(c->doc, metadata, "labels", cluster_labels(c, NULL));
	struct node *extra = cluster_map_option(c, annotations);
	if (node_count(extra) > 0)
		node_set(c->doc, metadata, "annotations", extra);
	cluster_set_owner(c, object, "apps/v1", "Deployment", jm_uid, true);
	node_set(c->doc, node_ensure_map(c->doc, object, "spec"), "selector", cluster_labels(c, "jobmanager"));
	return object;
}

bool cluster_services(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err)
{
	const char *name = c->launch->name;
	if (c->standalone || !flink_ha_enabled(c->config)) {
		struct node *internal = service(c, name, "kubernetes.internal-service.annotations", jm_uid);
		struct node *spec = node_get(internal, "spec");
		int64_t rpc = flink_config_int(c->config, "jobmanager.rpc.port", 6123);
		int64_t blob = flink_config_int(c->config, "blob.server.port", 6124);
		node_set_text(c->doc, spec, "type", "ClusterIP");
		node_set_text(c->doc, spec, "clusterIP", "None");
		add_port(c, spec, "jobmanager-rpc", rpc, rpc);
		add_port(c, spec, "blobserver", blob, blob);
		node_append(c->doc, list, internal);
	}
	AUTOFREE char *rest_name = mem_printf("%s-rest", name);
	struct node *rest = service(c, rest_name, "kubernetes.rest-service.annotations", jm_uid);
	struct node *spec = node_get(rest, "spec");
	const char *type = flink_config_get_or(c->config, "kubernetes.rest-service.exposed.type", "ClusterIP");
	bool headless = strcasecmp(type, "Headless_ClusterIP") == 0;
	static const char *const types[] = { "ClusterIP", "NodePort", "LoadBalancer" };
	const char *found = headless ? "ClusterIP" : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcasecmp(type, types[i]) == 0)
			found = types[i];
	if (found == NULL)
		return error_set(
			err, ERROR_INVALID,
			"spec.flinkConfiguration.kubernetes.rest-service.exposed.type: expected ClusterIP, NodePort, LoadBalancer or "
			"Headless_ClusterIP, found %.60s",
			type);
	node_set_text(c->doc, spec, "type", found);
	if (headless)
		node_set_text(c->doc, spec, "clusterIP", "None");
	int64_t port = flink_config_int(c->config, "rest.port", 8081);
	add_port(c, spec, "rest", port, flink_config_int(c->config, "rest.bind-port", port));
	node_append(c->doc, list, rest);
	return true;
}

static void put_template(struct buf *out, const char *template, const char *name, const char *ns)
{
	while (*template != '\0') {
		if (strncasecmp(template, "{{name}}", 8) == 0) {
			buf_puts(out, name);
			template += 8;
		} else if (strncasecmp(template, "{{namespace}}", 13) == 0) {
			buf_puts(out, ns);
			template += 13;
		} else {
			buf_putc(out, *template ++);
		}
	}
}

bool cluster_ingress(const struct cluster *c, struct node *list, struct error *err)
{
	const struct node *asked = node_get(c->launch->spec, "ingress");
	if (!node_is(asked, NODE_MAP) || !flink_config_bool(c->user, "kubernetes.operator.ingress.manage", true))
		return true;
	const char *template = node_text(node_get(asked, "template"));
	if (template == NULL)
		return error_set(err, ERROR_INVALID, "spec.ingress.template: must be set");
	AUTOBUF url = BUF_INIT;
	put_template(&url, template, c->launch->name, c->launch->ns);
	const char *rest = buf_text(&url);
	if (strncasecmp(rest, "http://", 7) == 0)
		rest += 7;
	else if (strncasecmp(rest, "https://", 8) == 0)
		rest += 8;
	size_t host_len = strcspn(rest, "/?#");
	AUTOFREE char *authority = mem_strndup(rest, host_len);
	authority[strcspn(authority, ":")] = '\0'; /* a rule's host has no port */
	AUTOFREE char *path = mem_strndup(rest + host_len, strcspn(rest + host_len, "?#"));

	struct node *object = cluster_object(c, "networking.k8s.io/v1", "Ingress", c->launch->name);
	struct node *metadata = node_get(object, "metadata");
	struct node *labels = node_ensure_map(c->doc, metadata, "labels");
	cluster_add_all(c, labels, node_get(asked, "labels"));
	node_set_text(c->doc, labels, "component", "ingress");
	if (node_count(node_get(asked, "annotations")) > 0)
		cluster_add_all(c, node_ensure_map(c->doc, metadata, "annotations"), node_get(asked, "annotations"));
	cluster_set_owner(c, object, "flink.apache.org/v1beta1", "FlinkDeployment", c->launch->uid, true);

	struct node *spec = node_ensure_map(c->doc, object, "spec");
	node_set_text(c->doc, spec, "ingressClassName", node_text(node_get(asked, "className")));
	struct node *rule = node_map(c->doc), *way = node_map(c->doc);
	if (*authority != '\0')
		node_set_text(c->doc, rule, "host", authority);
	if (*path != '\0')
		node_set_text(c->doc, way, "path", path);
	node_set_text(c->doc, way, "pathType", "ImplementationSpecific");
	struct node *backend = node_ensure_map(c->doc, node_ensure_map(c->doc, way, "backend"), "service");
	node_set(c->doc, backend, "name", node_printf(c->doc, "%s-rest", c->launch->name));
	node_set_int(c->doc, node_ensure_map(c->doc, backend, "port"), "number", flink_config_int(c->config, "rest.port", 8081));
	node_append(c->doc, cluster_list(c, node_ensure_map(c->doc, rule, "http"), "paths"), way);
	node_append(c->doc, cluster_list(c, spec, "rules"), rule);
	if (node_count(node_get(asked, "tls")) > 0)
		node_set(c->doc, spec, "tls", node_copy(c->doc, node_get(asked, "tls")));
	node_append(c->doc, list, object);
	return true;
}
