/* What the pods of JobManagers and TaskManagers have in common. */
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects_internal.h"
#include "flink/values.h"

struct node *pod_take_main(const struct cluster *c, struct node *pod_spec, struct node *args)
{
	struct node *containers = cluster_list(c, pod_spec, "containers"), *container = NULL;
	for (size_t i = 0; i < node_count(containers) && container == NULL; i++) {
		if (str_eq(node_text(node_get(node_at(containers, i), "name")), FLINK_MAIN_CONTAINER)) {
			container = node_at(containers, i);
			node_remove_at(containers, i);
		}
	}
	if (container == NULL) {
		container = node_map(c->doc);
		node_set_text(c->doc, container, "name", FLINK_MAIN_CONTAINER);
	}
	struct node *command = node_list(c->doc);
	pod_add_argument(c, command, flink_config_get_or(c->config, "kubernetes.entry.path", "/docker-entrypoint.sh"));
	node_set_text(c->doc, container, "image", flink_config_get(c->config, c->version->image_key));
	node_set_text(c->doc, container, "imagePullPolicy", cluster_pull_policy(c));
	node_set(c->doc, container, "command", command);
	node_set(c->doc, container, "args", args);
	return container;
}

void pod_add_argument(const struct cluster *c, struct node *args, const char *text)
{
	node_append(c->doc, args, node_string(c->doc, text));
}

void pod_add_port(const struct cluster *c, struct node *container, const char *name, int64_t port)
{
	if (flink_config_bool(c->config, "kubernetes.hostnetwork.enabled", false))
		return;
	struct node *entry = node_map(c->doc);
	node_set_text(c->doc, entry, "name", name);
	node_set_int(c->doc, entry, "containerPort", port);
	node_set_text(c->doc, entry, "protocol", "TCP");
	node_append(c->doc, cluster_list(c, container, "ports"), entry);
}

void pod_add_env(const struct cluster *c, struct node *container, const char *name, const char *value)
{
	struct node *entry = node_map(c->doc);
	node_set_text(c->doc, entry, "name", name);
	node_set_text(c->doc, entry, "value", value);
	node_append(c->doc, cluster_list(c, container, "env"), entry);
}

static void put_address(const struct cluster *c, struct node *container)
{
	struct node *address = node_map(c->doc);
	node_set_text(c->doc, address, "name", "_POD_IP_ADDRESS");
	struct node *reference = node_ensure_map(c->doc, node_ensure_map(c->doc, address, "valueFrom"), "fieldRef");
	node_set_text(c->doc, reference, "apiVersion", "v1");
	node_set_text(c->doc, reference, "fieldPath", "status.podIP");
	node_append(c->doc, cluster_list(c, container, "env"), address);
}

void pod_put_env(const struct cluster *c, const struct component *component, struct node *container)
{
	size_t prefix_len = strlen(component->env_prefix);
	for (size_t i = 0; i < node_count(c->config); i++) {
		const char *key = node_key_at(c->config, i);
		if (str_starts(key, component->env_prefix))
			pod_add_env(c, container, key + prefix_len, node_text(node_value_at(c->config, i)));
	}
	if (component == &COMPONENT_JOBMANAGER)
		put_address(c, container);
	const char *log_dir = flink_config_get(c->config, "kubernetes.flink.log.dir");
	if (log_dir != NULL)
		pod_add_env(c, container, "FLINK_LOG_DIR", log_dir);
	struct node *secrets = flink_list_split(c->doc, flink_config_get(c->config, "kubernetes.env.secretKeyRef"), ';');
	for (size_t i = 0; i < node_count(secrets); i++) {
		struct node *given = flink_map_parse(c->doc, node_text(node_at(secrets, i)));
		struct node *entry = node_map(c->doc);
		node_set_text(c->doc, entry, "name", node_text(node_get(given, "env")));
		struct node *key = node_ensure_map(c->doc, node_ensure_map(c->doc, entry, "valueFrom"), "secretKeyRef");
		node_set_text(c->doc, key, "name", node_text(node_get(given, "secret")));
		node_set_text(c->doc, key, "key", node_text(node_get(given, "key")));
		if (node_get(entry, "name") != NULL)
			node_append(c->doc, cluster_list(c, container, "env"), entry);
	}
}

static double component_double(const struct cluster *c, const struct component *component, const char *name)
{
	AUTOFREE char *key = mem_printf("kubernetes.%s.%s", component->name, name);
	return flink_config_double(c->config, key, 1.0);
}

bool pod_put_resources(const struct cluster *c, const struct component *component, struct node *container, struct error *err)
{
	int64_t mib = flink_process_bytes(c->config, component->name) >> 20;
	if (mib <= 0)
		return error_set(err, ERROR_INVALID,
				 "spec.%s.resource.memory: expected a size, or one of %s.memory.process.size and %s.memory.flink.size in "
				 "spec.flinkConfiguration",
				 component->spec_key, component->name, component->name);
	double cpu = component_double(c, component, "cpu.amount");
	double cpu_factor = component_double(c, component, "cpu.limit-factor");
	double memory_factor = component_double(c, component, "memory.limit-factor");
	if (cpu <= 0 || cpu_factor < 1 || memory_factor < 1)
		return error_set(err, ERROR_INVALID, "spec.%s: CPU must be positive and a limit not below its request",
				 component->spec_key);
	const struct {
		const char *part;
		double cpu;
		int64_t mib;
	} rows[] = { { "requests", cpu, mib }, { "limits", cpu * cpu_factor, (int64_t)((double)mib * memory_factor) } };
	struct node *resources = node_ensure_map(c->doc, container, "resources");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct node *amounts = node_ensure_map(c->doc, resources, rows[i].part);
		AUTOBUF cpu_text = BUF_INIT, memory_text = BUF_INIT;
		flink_put_cpu(&cpu_text, rows[i].cpu);
		flink_put_mib(&memory_text, rows[i].mib);
		node_set_text(c->doc, amounts, "cpu", buf_text(&cpu_text));
		node_set_text(c->doc, amounts, "memory", buf_text(&memory_text));
	}
	return true;
}

struct node *pod_mount(const struct cluster *c, struct node *pod_spec, struct node *container, const char *name, const char *path)
{
	struct node *volume = node_map(c->doc), *place = node_map(c->doc);
	node_set_text(c->doc, volume, "name", name);
	node_append(c->doc, cluster_list(c, pod_spec, "volumes"), volume);
	node_set_text(c->doc, place, "name", name);
	node_set_text(c->doc, place, "mountPath", path);
	node_append(c->doc, cluster_list(c, container, "volumeMounts"), place);
	return volume;
}

struct node *pod_configmap_source(const struct cluster *c, struct node *volume, const char *prefix, const char *name)
{
	struct node *source = node_ensure_map(c->doc, volume, "configMap");
	node_set(c->doc, source, "name", node_printf(c->doc, "%s%s", prefix, name));
	return source;
}

void pod_add_item(const struct cluster *c, struct node *source, const char *file)
{
	struct node *item = node_map(c->doc);
	node_set_text(c->doc, item, "key", file);
	node_set_text(c->doc, item, "path", file);
	node_append(c->doc, cluster_list(c, source, "items"), item);
}

void pod_put_volumes(const struct cluster *c, struct node *pod_spec, struct node *container)
{
	struct node *secrets = cluster_map_option(c, "kubernetes.secrets");
	for (size_t i = 0; i < node_count(secrets); i++) {
		const char *secret = node_key_at(secrets, i);
		AUTOFREE char *name = mem_printf("%s-volume", secret);
		struct node *volume = pod_mount(c, pod_spec, container, name, node_text(node_value_at(secrets, i)));
		node_set_text(c->doc, node_ensure_map(c->doc, volume, "secret"), "secretName", secret);
	}
	const char *hadoop = flink_config_get(c->config, "kubernetes.hadoop.conf.config-map.name");
	if (hadoop != NULL) {
		(void)pod_configmap_source(c, pod_mount(c, pod_spec, container, "hadoop-config-volume", "/opt/hadoop/conf"), "", hadoop);
		pod_add_env(c, container, "HADOOP_CONF_DIR", "/opt/hadoop/conf");
	}
	struct node *volume = pod_mount(c, pod_spec, container, "flink-config-volume",
					flink_config_get_or(c->config, "kubernetes.flink.conf.dir", "/opt/flink/conf"));
	struct node *source = pod_configmap_source(c, volume, "flink-config-", c->launch->name);
	struct node *logs = cluster_log_files(c);
	for (size_t i = 0; i < node_count(logs); i++)
		pod_add_item(c, source, node_text(node_at(logs, i)));
	pod_add_item(c, source, c->version->config_file);
}

void pod_finish(const struct cluster *c, const struct component *component, struct node *pod_spec, struct node *container)
{
	bool host_network = flink_config_bool(c->config, "kubernetes.hostnetwork.enabled", false);
	node_append(c->doc, cluster_list(c, pod_spec, "containers"), container);
	cluster_put_placement(c, component, pod_spec);
	node_set_text(c->doc, pod_spec, "restartPolicy", "Always");
	if (host_network)
		node_set(c->doc, pod_spec, "hostNetwork", node_bool(c->doc, true));
	if (node_get(pod_spec, "dnsPolicy") == NULL)
		node_set_text(c->doc, pod_spec, "dnsPolicy", host_network ? "ClusterFirstWithHostNet" : "ClusterFirst");
}

static struct node *all_annotations(const struct cluster *c, const struct component *component)
{
	struct node *annotations = cluster_component_map(c, component, "annotations");
	if (c->launch->number > 0)
		node_set(c->doc, annotations, FLINK_LAUNCH_ANNOTATION, node_printf(c->doc, "%lld", (long long)c->launch->number));
	node_set_text(c->doc, annotations, FLINK_JOB_ID_ANNOTATION, flink_config_get(c->config, "$internal.pipeline.job-id"));
	return annotations;
}

static struct node *all_labels(const struct cluster *c, const struct component *component)
{
	struct node *labels = cluster_component_map(c, component, "labels");
	cluster_add_all(c, labels, cluster_labels(c, component->name)); /* the selector's cannot be overridden */
	return labels;
}

struct node *pod_deployment(const struct cluster *c, const struct component *component, const char *name, int64_t replicas,
			    struct node *template)
{
	struct node *pod_metadata = node_get(template, "metadata");
	cluster_add_all(c, node_ensure_map(c->doc, pod_metadata, "labels"), all_labels(c, component));
	cluster_add_all(c, node_ensure_map(c->doc, pod_metadata, "annotations"), all_annotations(c, component));

	struct node *object = cluster_object(c, "apps/v1", "Deployment", name);
	struct node *metadata = node_get(object, "metadata");
	node_set(c->doc, metadata, "labels", all_labels(c, component));
	node_set(c->doc, metadata, "annotations", all_annotations(c, component));
	struct node *spec = node_ensure_map(c->doc, object, "spec");
	node_set_int(c->doc, spec, "replicas", replicas);
	node_set(c->doc, node_ensure_map(c->doc, spec, "selector"), "matchLabels", cluster_labels(c, component->name));
	node_set(c->doc, spec, "template", template);
	return object;
}
