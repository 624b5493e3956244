/* The JobManager's Deployment. */
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects_internal.h"
#include "flink/pod_template.h"
#include "flink/values.h"

#define STARTUP_FAILURES INT64_C(2147483647)

static struct node *take_main_container(const struct cluster *c, struct node *pod_spec)
{
	struct node *containers = cluster_list(c, pod_spec, "containers");
	for (size_t i = 0; i < node_count(containers); i++) {
		struct node *container = node_at(containers, i);
		if (str_eq(node_text(node_get(container, "name")), FLINK_MAIN_CONTAINER)) {
			node_remove_at(containers, i);
			return container;
		}
	}
	struct node *container = node_map(c->doc);
	node_set_text(c->doc, container, "name", FLINK_MAIN_CONTAINER);
	return container;
}

static void put_command(const struct cluster *c, struct node *container)
{
	struct node *command = node_list(c->doc), *args = node_list(c->doc);
	node_append(c->doc, command, node_string(c->doc, flink_config_get_or(c->config, "kubernetes.entry.path", "/docker-entrypoint.sh")));
	node_append(c->doc, args, node_string(c->doc, "bash"));
	node_append(c->doc, args, node_string(c->doc, "-c"));
	node_append(c->doc, args,
		    node_printf(c->doc, "kubernetes-jobmanager.sh %s %s", flink_config_get_or(c->config, "execution.target", ""),
				flink_config_get_or(c->config, "kubernetes.jobmanager.entrypoint.args", "")));
	node_set(c->doc, container, "command", command);
	node_set(c->doc, container, "args", args);
}

static void put_ports(const struct cluster *c, struct node *container)
{
	int64_t rest = flink_config_int(c->config, "rest.port", 8081);
	const struct {
		const char *name;
		int64_t port;
	} ports[] = { { "rest", flink_config_int(c->config, "rest.bind-port", rest) },
		      { "jobmanager-rpc", flink_config_int(c->config, "jobmanager.rpc.port", 6123) },
		      { "blobserver", flink_config_int(c->config, "blob.server.port", 6124) } };
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct node *port = node_map(c->doc);
		node_set_text(c->doc, port, "name", ports[i].name);
		node_set_int(c->doc, port, "containerPort", ports[i].port);
		node_set_text(c->doc, port, "protocol", "TCP");
		node_append(c->doc, cluster_list(c, container, "ports"), port);
	}
}

static void add_env(const struct cluster *c, struct node *container, const char *name, const char *value)
{
	struct node *entry = node_map(c->doc);
	node_set_text(c->doc, entry, "name", name);
	node_set_text(c->doc, entry, "value", value);
	node_append(c->doc, cluster_list(c, container, "env"), entry);
}

static void put_env(const struct cluster *c, struct node *container)
{
	static const char prefix[] = "containerized.master.env.";
	for (size_t i = 0; i < node_count(c->config); i++) {
		const char *key = node_key_at(c->config, i);
		if (str_starts(key, prefix))
			add_env(c, container, key + sizeof(prefix) - 1, node_text(node_value_at(c->config, i)));
	}
	struct node *address = node_map(c->doc);
	node_set_text(c->doc, address, "name", "_POD_IP_ADDRESS");
	struct node *reference = node_ensure_map(c->doc, node_ensure_map(c->doc, address, "valueFrom"), "fieldRef");
	node_set_text(c->doc, reference, "apiVersion", "v1");
	node_set_text(c->doc, reference, "fieldPath", "status.podIP");
	node_append(c->doc, cluster_list(c, container, "env"), address);
	const char *log_dir = flink_config_get(c->config, "kubernetes.flink.log.dir");
	if (log_dir != NULL)
		add_env(c, container, "FLINK_LOG_DIR", log_dir);
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

static bool put_resources(const struct cluster *c, struct node *container, struct error *err)
{
	int64_t mib = flink_process_bytes(c->config, "jobmanager") >> 20;
	if (mib <= 0)
		return error_set(err, ERROR_INVALID,
				 "spec.jobManager.resource.memory: expected a size, or one of jobmanager.memory.process.size, "
				 "jobmanager.memory.flink.size and jobmanager.memory.heap.size in spec.flinkConfiguration");
	double cpu = flink_config_double(c->config, "kubernetes.jobmanager.cpu.amount", 1.0);
	double cpu_factor = flink_config_double(c->config, "kubernetes.jobmanager.cpu.limit-factor", 1.0);
	double memory_factor = flink_config_double(c->config, "kubernetes.jobmanager.memory.limit-factor", 1.0);
	if (cpu <= 0 || cpu_factor < 1 || memory_factor < 1)
		return error_set(err, ERROR_INVALID, "spec.jobManager: CPU must be positive and a limit not below its request");
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

static void put_probe(const struct cluster *c, struct node *container)
{
	if (!flink_config_bool(c->user, "kubernetes.operator.jm-deployment.startup.probe.enabled", true) ||
	    node_is(node_get(container, "startupProbe"), NODE_MAP))
		return;
	struct node *probe = node_map(c->doc);
	struct node *get = node_ensure_map(c->doc, probe, "httpGet");
	node_set_text(c->doc, get, "path", "/config");
	if (flink_config_bool(c->config, "kubernetes.hostnetwork.enabled", false)) /* there are no named ports then */
		node_set_int(c->doc, get, "port", flink_config_int(c->config, "rest.port", 8081));
	else
		node_set_text(c->doc, get, "port", "rest");
	node_set_int(c->doc, probe, "periodSeconds", 1);
	node_set_int(c->doc, probe, "failureThreshold", STARTUP_FAILURES);
	node_set(c->doc, container, "startupProbe", probe);
}

/* Adds a volume and its mount; the caller fills the source in the returned volume. */
static struct node *mount(const struct cluster *c, struct node *pod_spec, struct node *container, const char *name, const char *path)
{
	struct node *volume = node_map(c->doc), *place = node_map(c->doc);
	node_set_text(c->doc, volume, "name", name);
	node_append(c->doc, cluster_list(c, pod_spec, "volumes"), volume);
	node_set_text(c->doc, place, "name", name);
	node_set_text(c->doc, place, "mountPath", path);
	node_append(c->doc, cluster_list(c, container, "volumeMounts"), place);
	return volume;
}

static struct node *configmap_source(const struct cluster *c, struct node *volume, const char *prefix, const char *name)
{
	struct node *source = node_ensure_map(c->doc, volume, "configMap");
	node_set(c->doc, source, "name", node_printf(c->doc, "%s%s", prefix, name));
	return source;
}

static void add_item(const struct cluster *c, struct node *source, const char *file)
{
	struct node *item = node_map(c->doc);
	node_set_text(c->doc, item, "key", file);
	node_set_text(c->doc, item, "path", file);
	node_append(c->doc, cluster_list(c, source, "items"), item);
}

static void put_volumes(const struct cluster *c, struct node *pod_spec, struct node *container)
{
	const char *artifacts = flink_config_get_or(c->user, "kubernetes.operator.user.artifacts.base-dir", "/opt/flink/artifacts");
	(void)node_ensure_map(c->doc,
			      mount(c, pod_spec, container, "user-artifacts-volume",
				    flink_config_get_or(c->config, "user.artifacts.base-dir", artifacts)),
			      "emptyDir");
	struct node *secrets = cluster_map_option(c, "kubernetes.secrets");
	for (size_t i = 0; i < node_count(secrets); i++) {
		const char *secret = node_key_at(secrets, i);
		AUTOFREE char *name = mem_printf("%s-volume", secret);
		struct node *volume = mount(c, pod_spec, container, name, node_text(node_value_at(secrets, i)));
		node_set_text(c->doc, node_ensure_map(c->doc, volume, "secret"), "secretName", secret);
	}
	const char *hadoop = flink_config_get(c->config, "kubernetes.hadoop.conf.config-map.name");
	if (hadoop != NULL && flink_config_bool(c->config, "kubernetes.decorator.hadoop-conf-mount.enabled", true)) {
		(void)configmap_source(c, mount(c, pod_spec, container, "hadoop-config-volume", "/opt/hadoop/conf"), "", hadoop);
		add_env(c, container, "HADOOP_CONF_DIR", "/opt/hadoop/conf");
	}
	struct node *volume = mount(c, pod_spec, container, "flink-config-volume",
				    flink_config_get_or(c->config, "kubernetes.flink.conf.dir", "/opt/flink/conf"));
	struct node *source = configmap_source(c, volume, "flink-config-", c->launch->name);
	struct node *logs = cluster_log_files(c);
	for (size_t i = 0; i < node_count(logs); i++)
		add_item(c, source, node_text(node_at(logs, i)));
	add_item(c, source, c->version->config_file);
	if (cluster_has_tm_template(c)) {
		volume = mount(c, pod_spec, container, "pod-template-volume", FLINK_POD_TEMPLATE_DIR);
		add_item(c, configmap_source(c, volume, "pod-template-", c->launch->name), FLINK_POD_TEMPLATE_FILE);
	}
}

static bool build_pod(const struct cluster *c, struct node *pod_spec, struct error *err)
{
	bool host_network = flink_config_bool(c->config, "kubernetes.hostnetwork.enabled", false);
	struct node *container = take_main_container(c, pod_spec);
	node_set_text(c->doc, container, "image", flink_config_get(c->config, c->version->image_key));
	node_set_text(c->doc, container, "imagePullPolicy", cluster_pull_policy(c));
	put_command(c, container);
	if (!host_network)
		put_ports(c, container);
	put_env(c, container);
	if (!put_resources(c, container, err))
		return false;
	put_probe(c, container);
	put_volumes(c, pod_spec, container);
	node_append(c->doc, cluster_list(c, pod_spec, "containers"), container);
	cluster_put_placement(c, pod_spec);
	node_set_text(c->doc, pod_spec, "restartPolicy", "Always");
	if (host_network)
		node_set(c->doc, pod_spec, "hostNetwork", node_bool(c->doc, true));
	if (node_get(pod_spec, "dnsPolicy") == NULL)
		node_set_text(c->doc, pod_spec, "dnsPolicy", host_network ? "ClusterFirstWithHostNet" : "ClusterFirst");
	return true;
}

static struct node *all_annotations(const struct cluster *c)
{
	struct node *annotations = cluster_map_option(c, "kubernetes.jobmanager.annotations");
	if (c->launch->number > 0)
		node_set(c->doc, annotations, FLINK_LAUNCH_ANNOTATION, node_printf(c->doc, "%lld", (long long)c->launch->number));
	node_set_text(c->doc, annotations, FLINK_JOB_ID_ANNOTATION, flink_config_get(c->config, "$internal.pipeline.job-id"));
	return annotations;
}

static struct node *all_labels(const struct cluster *c)
{
	struct node *labels = cluster_map_option(c, "kubernetes.jobmanager.labels");
	cluster_add_all(c, labels, cluster_labels(c, "jobmanager")); /* the selector's cannot be overridden */
	return labels;
}

bool flink_objects_jobmanager(const struct flink_launch *launch, struct doc *doc, struct node **deployment, struct error *err)
{
	struct cluster c;
	if (!cluster_init(&c, launch, doc, err))
		return false;
	struct node *template = cluster_jm_template(&c);
	if (!build_pod(&c, node_get(template, "spec"), err))
		return false;
	struct node *pod_metadata = node_get(template, "metadata");
	cluster_add_all(&c, node_ensure_map(doc, pod_metadata, "labels"), all_labels(&c));
	cluster_add_all(&c, node_ensure_map(doc, pod_metadata, "annotations"), all_annotations(&c));

	struct node *object = cluster_object(&c, "apps/v1", "Deployment", launch->name);
	struct node *metadata = node_get(object, "metadata");
	node_set(doc, metadata, "labels", all_labels(&c));
	node_set(doc, metadata, "annotations", all_annotations(&c));
	cluster_set_owner(&c, object, "flink.apache.org/v1beta1", "FlinkDeployment", launch->uid, false);
	struct node *spec = node_ensure_map(doc, object, "spec");
	node_set_int(doc, spec, "replicas", flink_config_int(c.config, "kubernetes.jobmanager.replicas", 1));
	node_set(doc, node_ensure_map(doc, spec, "selector"), "matchLabels", cluster_labels(&c, "jobmanager"));
	node_set(doc, spec, "template", template);
	*deployment = object;
	return true;
}
