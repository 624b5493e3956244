/* The JobManager's Deployment, in all four shapes. */
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects_internal.h"
#include "flink/pod_template.h"

#define STARTUP_FAILURES INT64_C(2147483647)
#define USER_LIB_DIR	 "/opt/flink/usrlib"

/* The JobManager makes itself known under its own address: with HA there may be several. */
static void put_own_address(const struct cluster *c, struct node *args)
{
	if (!flink_ha_enabled(c->config))
		return;
	if (!c->version->host_argument) {
		pod_add_argument(c, args, "-Djobmanager.rpc.address=$(_POD_IP_ADDRESS)");
		return;
	}
	if (!c->session)
		pod_add_argument(c, args, "--host");
	pod_add_argument(c, args, "$(_POD_IP_ADDRESS)");
}

static void put_state(const struct cluster *c, struct node *args)
{
	const char *unclaimed = flink_config_get_or(c->config, c->version->unclaimed_key, "false");
	if (str_eq(unclaimed, "true"))
		pod_add_argument(c, args, "--allowNonRestoredState");
	if (c->launch->savepoint_path == NULL)
		return;
	/* there is no argument for the claim mode, and the one of the configuration has no effect: it is always NO_CLAIM */
	pod_add_argument(c, args, "--fromSavepoint");
	pod_add_argument(c, args, c->launch->savepoint_path);
}

static struct node *standalone_args(const struct cluster *c)
{
	struct node *args = node_list(c->doc);
	const struct node *job = node_get(c->launch->spec, "job"), *given = node_get(job, "args");
	const char *class = node_text(node_get(job, "entryClass"));
	pod_add_argument(c, args, c->session ? "jobmanager" : "standalone-job");
	if (class != NULL) {
		pod_add_argument(c, args, "--job-classname");
		pod_add_argument(c, args, class);
	}
	if (!c->session)
		put_state(c, args);
	put_own_address(c, args);
	for (size_t i = 0; i < node_count(given); i++)
		pod_add_argument(c, args, node_text_or(node_at(given, i), ""));
	return args;
}

static struct node *native_args(const struct cluster *c)
{
	struct node *args = node_list(c->doc);
	pod_add_argument(c, args, "bash");
	pod_add_argument(c, args, "-c");
	node_append(c->doc, args,
		    node_printf(c->doc, "kubernetes-jobmanager.sh %s %s", flink_config_get_or(c->config, "execution.target", ""),
				flink_config_get_or(c->config, "kubernetes.jobmanager.entrypoint.args", "")));
	return args;
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

/*
 * A standalone job's own folder must exist, or its jar on the class path is not looked at. It is made as an empty volume, unless the
 * image or the template fills it.
 */
static bool needs_user_lib(const struct cluster *c, const struct node *container)
{
	const char *jar = node_text(node_find(c->launch->spec, "job/jarURI"));
	if (!c->standalone || c->session || jar == NULL)
		return false;
	const char *path = strstr(jar, USER_LIB_DIR "/");
	if (str_starts(jar, "local:") && path != NULL && (path == jar + strlen("local:") || path == jar + strlen("local://")))
		return false;
	const struct node *mounts = node_get(container, "volumeMounts");
	for (size_t i = 0; i < node_count(mounts); i++)
		if (str_starts(node_text_or(node_get(node_at(mounts, i), "mountPath"), ""), USER_LIB_DIR))
			return false;
	return true;
}

static void put_volumes(const struct cluster *c, struct node *pod_spec, struct node *container)
{
	bool user_lib = needs_user_lib(c, container);
	const char *artifacts = flink_config_get_or(c->user, "kubernetes.operator.user.artifacts.base-dir", "/opt/flink/artifacts");
	artifacts = flink_config_get_or(c->config, "user.artifacts.base-dir", artifacts);
	(void)node_ensure_map(c->doc, pod_mount(c, pod_spec, container, "user-artifacts-volume", artifacts), "emptyDir");
	pod_put_volumes(c, pod_spec, container);
	if (cluster_has_tm_template(c)) {
		struct node *volume = pod_mount(c, pod_spec, container, "pod-template-volume", FLINK_POD_TEMPLATE_DIR);
		pod_add_item(c, pod_configmap_source(c, volume, "pod-template-", c->launch->name), FLINK_POD_TEMPLATE_FILE);
	}
	if (user_lib)
		(void)node_ensure_map(c->doc, pod_mount(c, pod_spec, container, "user-lib-dir", USER_LIB_DIR), "emptyDir");
}

static bool build_pod(const struct cluster *c, struct node *pod_spec, struct error *err)
{
	int64_t rest = flink_config_int(c->config, "rest.port", 8081);
	struct node *container = pod_take_main(c, pod_spec, c->standalone ? standalone_args(c) : native_args(c));
	pod_add_port(c, container, "rest", flink_config_int(c->config, "rest.bind-port", rest));
	pod_add_port(c, container, "jobmanager-rpc", flink_config_int(c->config, "jobmanager.rpc.port", 6123));
	pod_add_port(c, container, "blobserver", flink_config_int(c->config, "blob.server.port", 6124));
	pod_put_env(c, &COMPONENT_JOBMANAGER, container);
	if (!pod_put_resources(c, &COMPONENT_JOBMANAGER, container, err))
		return false;
	put_probe(c, container);
	put_volumes(c, pod_spec, container);
	pod_finish(c, &COMPONENT_JOBMANAGER, pod_spec, container);
	return true;
}

bool flink_objects_jobmanager(const struct flink_launch *launch, struct doc *doc, struct node **deployment, struct error *err)
{
	struct cluster c;
	if (!cluster_init(&c, launch, doc, err))
		return false;
	struct node *template = cluster_template(&c, &COMPONENT_JOBMANAGER);
	if (!build_pod(&c, node_get(template, "spec"), err))
		return false;
	struct node *object = pod_deployment(&c, &COMPONENT_JOBMANAGER, launch->name,
					     flink_config_int(c.config, "kubernetes.jobmanager.replicas", 1), template);
	cluster_set_owner(&c, object, "flink.apache.org/v1beta1", "FlinkDeployment", launch->uid, false);
	*deployment = object;
	return true;
}
