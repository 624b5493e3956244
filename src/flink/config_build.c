/* The layers of a Flink configuration: built-in defaults, the platform's, the user's, Weir's own keys. */
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/pod_template.h"
#include "flink/resources.h"
#include "flink/values.h"

#define MODULE_OPENS(p) " --add-opens=java.base/" p "=ALL-UNNAMED"
static const char module_options[] =
	"--add-exports=java.base/sun.net.util=ALL-UNNAMED --add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED "
	"--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED" MODULE_OPENS("java.lang") MODULE_OPENS("java.net")
		MODULE_OPENS("java.io") MODULE_OPENS("java.nio") MODULE_OPENS("sun.nio.ch") MODULE_OPENS("java.lang.reflect")
			MODULE_OPENS("java.text") MODULE_OPENS("java.time") MODULE_OPENS("java.util") MODULE_OPENS("java.util.concurrent")
				MODULE_OPENS("java.util.concurrent.atomic") MODULE_OPENS("java.util.concurrent.locks");

static const char defaults_prefix[] = "kubernetes.operator.default-configuration.";

const struct flink_version *flink_launch_version(const struct flink_launch *launch, struct error *err)
{
	const char *name = node_text(node_get(launch->spec, "flinkVersion"));
	const struct flink_version *version = flink_version_find(name);
	const char *mode = node_text_or(node_get(launch->spec, "mode"), "native");
	if (version == NULL)
		(void)error_set(err, ERROR_INVALID, "spec.flinkVersion: expected %s or later, found %.40s", flink_version_at(0)->name,
				name != NULL ? name : "nothing");
	else if (strcmp(mode, "native") != 0 && strcmp(mode, "standalone") != 0)
		(void)error_set(err, ERROR_INVALID, "spec.mode: expected native or standalone, found %.40s", mode);
	else
		return version;
	return NULL;
}

bool flink_launch_is_session(const struct flink_launch *launch)
{
	return !node_is(node_get(launch->spec, "job"), NODE_MAP);
}

bool flink_launch_is_standalone(const struct flink_launch *launch)
{
	return str_eq(node_text(node_get(launch->spec, "mode")), "standalone");
}

static void take_prefixed(struct doc *doc, struct node *config, const char *prefix)
{
	size_t len = strlen(prefix);
	for (size_t i = 0, n = node_count(config); i < n; i++) {
		const char *key = node_key_at(config, i);
		if (strncmp(key, prefix, len) == 0 && key[len] != '\0')
			node_set_text(doc, config, doc_strdup(doc, key + len), node_text(node_value_at(config, i)));
	}
}

/* The "vX_Y" after the prefix of a default for "this version or later", as a number that grows with the version; 0: it is none. */
static int later_version(const char *key)
{
	static const char infix[] = "flink-version.";
	if (!str_starts(key, defaults_prefix) || !str_starts(key + sizeof(defaults_prefix) - 1, infix))
		return 0;
	const char *name = key + sizeof(defaults_prefix) + sizeof(infix) - 2;
	AUTOFREE char *text = mem_strndup(name, strcspn(name, "+."));
	int major, minor;
	return name[strlen(text)] == '+' && flink_version_parse(text, &major, &minor) ? major * 10000 + minor : 0;
}

/* The platform's defaults for the namespace, then for "this version or later", oldest first, then for exactly this version. */
static void apply_defaults_for(struct doc *doc, struct node *config, const char *ns, const char *version)
{
	AUTOFREE char *of_ns = mem_printf("%snamespace.%s.", defaults_prefix, ns != NULL ? ns : "");
	take_prefixed(doc, config, of_ns);
	int major, minor, applied = 0;
	if (!flink_version_parse(version, &major, &minor))
		return;
	for (;;) {
		int next = 0;
		for (size_t i = 0; i < node_count(config); i++) {
			int of_key = later_version(node_key_at(config, i));
			if (of_key > applied && of_key <= major * 10000 + minor && (next == 0 || of_key < next))
				next = of_key;
		}
		if (next == 0)
			break;
		applied = next;
		AUTOFREE char *later = mem_printf("%sflink-version.v%d_%d+.", defaults_prefix, next / 10000, next % 10000);
		take_prefixed(doc, config, later);
	}
	AUTOFREE char *exact = mem_printf("%sflink-version.%s.", defaults_prefix, version);
	take_prefixed(doc, config, exact);
}

/* What an upper layer sets under one name replaces what lower layers say under another. */
static void put_over(struct doc *doc, struct node *config, const struct node *layer)
{
	for (size_t i = 0; i < node_count(layer); i++)
		flink_config_remove_others(config, node_key_at(layer, i));
	for (size_t i = 0; i < node_count(layer); i++)
		node_set_text(doc, config, doc_strdup(doc, node_key_at(layer, i)), node_text(node_value_at(layer, i)));
}

bool flink_config_user(struct doc *doc, const struct flink_launch *launch, struct node **config, struct error *err)
{
	const char *name = node_text(node_get(launch->spec, "flinkVersion"));
	const struct flink_version *version = flink_version_find(name);
	struct node *map = node_map(doc), *given = node_map(doc);
	node_set_text(doc, map, "taskmanager.numberOfTaskSlots", "1");
	node_set_text(doc, map, "parallelism.default", "1");
	if (version != NULL && version->java_opts_key != NULL)
		node_set_text(doc, map, version->java_opts_key, module_options);
	if (!flink_config_flatten(doc, launch->defaults, map, "defaults", err))
		return false;
	apply_defaults_for(doc, map, launch->ns, name);
	if (!flink_config_flatten(doc, node_get(launch->spec, "flinkConfiguration"), given, "spec.flinkConfiguration", err))
		return false;
	put_over(doc, map, given);
	*config = map;
	return true;
}

static void set_default(struct doc *doc, struct node *config, const char *key, const char *value)
{
	if (flink_config_get(config, key) == NULL)
		node_set_text(doc, config, key, value);
}

static void set_port(struct doc *doc, struct node *config, const char *key, const char *port)
{
	if (flink_config_int(config, key, 0) <= 0) /* unset, 0 or a range */
		node_set_text(doc, config, key, port);
}

static void set_int(struct doc *doc, struct node *config, const char *key, int64_t value)
{
	AUTOFREE char *text = mem_printf("%lld", (long long)value);
	node_set_text(doc, config, key, text);
}

static void set_double(struct doc *doc, struct node *config, const char *key, double value)
{
	AUTOBUF text = BUF_INIT;
	flink_put_double(&text, value);
	node_set_text(doc, config, key, buf_text(&text));
}

static bool put_resources(struct doc *doc, struct node *config, const struct flink_launch *launch, const struct flink_version *version,
			  bool jobmanager, struct error *err)
{
	const char *part = jobmanager ? "jobmanager" : "taskmanager";
	const char *field = jobmanager ? "spec.jobManager" : "spec.taskManager";
	struct flink_resources found;
	if (!flink_resources_read(node_get(launch->spec, jobmanager ? "jobManager" : "taskManager"), field, &found, err))
		return false;
	if (found.memory != NULL) {
		AUTOFREE char *key = mem_printf("%s.memory.process.size", part);
		AUTOBUF text = BUF_INIT;
		(void)flink_memory_text(found.memory, &text);
		node_set_text(doc, config, key, buf_text(&text));
	}
	const struct {
		const char *suffix;
		double value;
	} numbers[] = { { "cpu.amount", found.cpu },
			{ "cpu", version->legacy_cpu_keys ? found.cpu : 0 },
			{ "cpu.limit-factor", found.cpu_factor },
			{ "memory.limit-factor", found.memory_factor } };
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		AUTOFREE char *key = mem_printf("kubernetes.%s.%s", part, numbers[i].suffix);
		if (numbers[i].value > 0)
			set_double(doc, config, key, numbers[i].value);
	}
	return true;
}

static void put_owner(struct doc *doc, struct node *config, const struct flink_launch *launch)
{
	if (launch->generation > 0) {
		const char *theirs = flink_config_get(config, "kubernetes.jobmanager.annotations");
		AUTOFREE char *all = mem_printf(FLINK_GENERATION_ANNOTATION ":%lld%s%s", (long long)launch->generation,
						theirs != NULL ? "," : "", theirs != NULL ? theirs : "");
		node_set_text(doc, config, "kubernetes.jobmanager.annotations", all);
	}
	if (launch->uid != NULL) {
		AUTOFREE char *owner =
			mem_printf("apiVersion:flink.apache.org/v1beta1,kind:FlinkDeployment,uid:%s,name:%s,controller:false,"
				   "blockOwnerDeletion:true",
				   launch->uid, launch->name);
		node_set_text(doc, config, "kubernetes.jobmanager.owner.reference", owner);
	}
}

static void put_cluster(struct doc *doc, struct node *config, const struct flink_launch *launch, const struct flink_version *version)
{
	const struct node *spec = launch->spec;
	node_set_text(doc, config, "$internal.flink.version", node_text(node_get(spec, "flinkVersion")));
	node_set_text(doc, config, "kubernetes.cluster-id", launch->name);
	node_set_text(doc, config, "kubernetes.namespace", launch->ns);
	const char *image = node_text(node_get(spec, "image"));
	if (image != NULL)
		flink_config_remove(config, version->image_key); /* under its other name, too */
	node_set_text(doc, config, version->image_key, image);
	node_set_text(doc, config, "kubernetes.container.image.pull-policy", node_text(node_get(spec, "imagePullPolicy")));
	node_set_text(doc, config, "kubernetes.service-account", node_text(node_get(spec, "serviceAccount")));
	set_int(doc, config, "kubernetes.jobmanager.replicas", node_integer(node_find(spec, "jobManager/replicas"), 1));
	set_default(doc, config, "kubernetes.rest-service.exposed.type", "ClusterIP");
	set_default(doc, config, "web.cancel.enable", "false");
	set_port(doc, config, "blob.server.port", "6124");
	set_port(doc, config, "taskmanager.rpc.port", "6122");
	bool standalone = flink_launch_is_standalone(launch), ha = flink_ha_enabled(config);
	if (standalone || !ha) { /* a native JobManager with HA is found through the HA metadata alone */
		AUTOFREE char *address = mem_printf("%s.%s", launch->name, launch->ns);
		node_set_text(doc, config, "jobmanager.rpc.address", address);
	}
	if (standalone && node_get(config, "rest.bind-port") != NULL) /* the Service needs one port, not a range */
		set_port(doc, config, "rest.bind-port", flink_config_get_or(config, "rest.port", "8081"));
	if (!ha)
		return;
	flink_config_remove(config, "high-availability.cluster-id");
	node_set_text(doc, config, "high-availability.cluster-id", launch->name);
	set_int(doc, config, "high-availability.jobmanager.port", flink_config_int(config, "jobmanager.rpc.port", 6123));
}

/* What depends on the shape of the cluster: native or standalone, application or session. */
static void put_shape(struct doc *doc, struct node *config, const struct flink_launch *launch)
{
	bool session = flink_launch_is_session(launch);
	if (flink_launch_is_standalone(launch)) {
		node_set_text(doc, config, "execution.target", "remote");
		node_set_text(doc, config, "kubernetes.internal.cluster-mode", session ? "SESSION" : "APPLICATION");
		return;
	}
	node_set_text(doc, config, "internal.cluster.execution-mode", "NORMAL");
	node_set_text(doc, config, "execution.target", session ? "kubernetes-session" : "kubernetes-application");
	AUTOFREE char *entrypoint =
		mem_printf("org.apache.flink.kubernetes.entrypoint.Kubernetes%sClusterEntrypoint", session ? "Session" : "Application");
	node_set_text(doc, config, "kubernetes.internal.jobmanager.entrypoint.class", entrypoint);
}

static void put_taskmanagers(struct doc *doc, struct node *config, const struct flink_launch *launch)
{
	int64_t count = node_integer(node_find(launch->spec, "taskManager/replicas"), 0);
	int64_t slots = flink_config_int(config, "taskmanager.numberOfTaskSlots", 1);
	slots = slots > 0 ? slots : 1;
	if (count <= 0 && flink_launch_is_standalone(launch) && !flink_launch_is_session(launch))
		count = (flink_config_int(config, "parallelism.default", 1) + slots - 1) / slots;
	if (count > 0)
		set_int(doc, config, "kubernetes.internal.taskmanager.replicas", count);
	/* a native JobManager gives a TaskManager a core for each slot; here there is none to do so */
	if (flink_launch_is_standalone(launch) && flink_config_get(config, "kubernetes.taskmanager.cpu.amount") == NULL)
		set_double(doc, config, "kubernetes.taskmanager.cpu.amount", (double)slots);
}

static void put_jar(struct doc *doc, struct node *config, const struct flink_launch *launch, const char *jar)
{
	static const char local[] = "local:";
	bool standalone = flink_launch_is_standalone(launch);
	AUTOBUF list = BUF_INIT, uri = BUF_INIT;
	if (standalone && str_starts(jar, local)) /* read by Java's class loader, which knows no "local" */
		buf_printf(&uri, "file:%s", jar + sizeof(local) - 1);
	else
		buf_puts(&uri, jar);
	flink_put_list_element(&list, buf_text(&uri));
	node_set_text(doc, config, standalone ? "pipeline.classpaths" : "pipeline.jars", buf_text(&list));
}

static void put_job(struct doc *doc, struct node *config, const struct flink_launch *launch, const struct flink_version *version)
{
	const struct node *job = node_get(launch->spec, "job");
	int64_t replicas = node_integer(node_find(launch->spec, "taskManager/replicas"), 0);
	int64_t parallelism = replicas > 0 ? replicas * flink_config_int(config, "taskmanager.numberOfTaskSlots", 1)
					   : node_integer(node_get(job, "parallelism"), 1);
	set_int(doc, config, "parallelism.default", parallelism);
	const char *jar = node_text(node_get(job, "jarURI"));
	if (jar != NULL)
		put_jar(doc, config, launch, jar);
	set_default(doc, config, "pipeline.name", launch->name);
	node_set_text(doc, config, "$internal.application.main", node_text(node_get(job, "entryClass")));
	struct node *args = node_list(doc);
	for (size_t i = 0; i < node_count(node_get(job, "args")); i++)
		node_append(doc, args, node_string(doc, node_text_or(node_at(node_get(job, "args"), i), "")));
	node_set(doc, config, FLINK_PROGRAM_ARGS, args);
	if (node_get(config, "$internal.pipeline.job-id") == NULL)
		node_set_text(doc, config, "$internal.pipeline.job-id", launch->job_id);
	node_set_text(doc, config, "execution.shutdown-on-application-finish", "false");
	set_default(doc, config, "execution.submit-failed-job-on-application-error", "true");
	set_default(doc, config, "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
	if (str_eq(node_text(node_get(job, "upgradeMode")), "last-state"))
		set_default(doc, config, "execution.checkpointing.interval", "5 min");
	flink_config_remove(config, version->savepoint_path_key); /* under every name: a leftover one would win over ours */
	node_set_text(doc, config, version->savepoint_path_key, launch->savepoint_path);
	const char *unclaimed = node_text(node_get(job, "allowNonRestoredState"));
	if (unclaimed != NULL) {
		flink_config_remove(config, version->unclaimed_key);
		node_set_text(doc, config, version->unclaimed_key, unclaimed);
	}
	if (version->restore_mode_key != NULL)
		set_default(doc, config, version->restore_mode_key, "NO_CLAIM");
	const char *storage = flink_config_get(config, "high-availability.storageDir");
	if (storage == NULL)
		return;
	set_default(doc, config, "job-result-store.delete-on-commit", "false");
	if (launch->job_result_store_id == NULL)
		return;
	size_t len = strlen(storage);
	while (len > 0 && storage[len - 1] == '/')
		len--;
	AUTOFREE char *path = mem_printf("%.*s/job-result-store/%s/%s", (int)len, storage, launch->name, launch->job_result_store_id);
	node_set_text(doc, config, "job-result-store.storage-path", path);
}

static void strip(struct node *config)
{
	static const char *const dropped[] = { "kubernetes.config.file",
					       "$internal.deployment.config-dir",
					       "rest.bind-address",
					       "jobmanager.bind-host",
					       "taskmanager.bind-host",
					       "taskmanager.host",
					       "kubernetes.pod-template-file.jobmanager" };
	for (size_t i = node_count(config); i-- > 0;) {
		const char *key = node_key_at(config, i);
		if (str_starts(key, "kubernetes.operator.") || str_starts(key, "job.autoscaler."))
			node_remove_at(config, i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		(void)node_remove(config, dropped[i]);
}

bool flink_config_build(struct doc *doc, const struct flink_launch *launch, struct node **config, struct error *err)
{
	const struct flink_version *version = flink_launch_version(launch, err);
	struct node *map;
	if (version == NULL || !flink_config_user(doc, launch, &map, err))
		return false;
	if (!put_resources(doc, map, launch, version, true, err) || !put_resources(doc, map, launch, version, false, err))
		return false;
	put_cluster(doc, map, launch, version);
	put_shape(doc, map, launch);
	put_owner(doc, map, launch);
	if (!flink_launch_is_session(launch))
		put_job(doc, map, launch, version);
	put_taskmanagers(doc, map, launch);
	flink_config_settle(doc, map, version);
	struct node *template = pod_template_effective(doc, launch->spec, "taskManager", map);
	(void)node_remove(map, "kubernetes.pod-template-file.taskmanager");
	if (template != NULL && !flink_launch_is_standalone(launch))
		node_set_text(doc, map, "kubernetes.pod-template-file.taskmanager", FLINK_POD_TEMPLATE_DIR "/" FLINK_POD_TEMPLATE_FILE);
	strip(map);
	*config = map;
	return true;
}
