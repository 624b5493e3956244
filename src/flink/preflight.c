/* The preflight pods: does the image start, is the jar readable, does this Flink accept the configuration? */
#include "flink/preflight.h"

#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "flink/config.h"
#include "flink/objects_internal.h"

#define CONF_DIR    "/weir-preflight/conf"
#define CONF_VOLUME "weir-preflight-conf"

/*
 * The jar's path comes in as $WEIR_JAR (empty: nothing to check), why it is not checked as $WEIR_JAR_UNCHECKED. BashJavaUtils is the
 * program with which Flink's own start script reads the configuration; it prints its result behind a marker.
 */
static const char script[] =
	"end() { printf '%s\\n' \"$2\" | head -c 2000 >/dev/termination-log; printf '%s\\n' \"$2\"; exit \"$1\"; }\n"
	"if [ -n \"$WEIR_JAR\" ] && ! test -r \"$WEIR_JAR\"; then end 10 \"jar $WEIR_JAR is not a readable file in the image\"; fi\n"
	"home=${FLINK_HOME:-/opt/flink}\n"
	"[ -d \"$home/lib\" ] || end 12 \"no Flink in $home: set FLINK_HOME in the image\"\n"
	"dist=$(ls \"$home\"/lib/flink-dist*.jar 2>/dev/null | head -n 1)\n"
	"[ -n \"$dist\" ] || end 12 \"no flink-dist jar in $home/lib\"\n"
	"[ -r \"$home/bin/bash-java-utils.jar\" ] || end 12 \"no bash-java-utils.jar in $home/bin\"\n"
	"java=java\n"
	"if [ -n \"$JAVA_HOME\" ] && [ -x \"$JAVA_HOME/bin/java\" ]; then java=$JAVA_HOME/bin/java; fi\n"
	"command -v \"$java\" >/dev/null 2>&1 || end 12 'no java in the image'\n"
	"check() {\n"
	"  out=$(\"$java\" -Xmx128m -cp \"$home/bin/bash-java-utils.jar:$dist\" org.apache.flink.runtime.util.bash.BashJavaUtils "
	"\"$1\" --configDir " CONF_DIR " 2>&1)\n"
	"  code=$?\n"
	"  if [ \"$code\" -eq 0 ]; then\n"
	"    case $out in *BASH_JAVA_UTILS_EXEC_RESULT:*) return ;; *) end 12 'the configuration check printed no result' ;; esac\n"
	"  fi\n"
	"  case $out in\n"
	"  *'Could not find or load main class'*|*NoClassDefFoundError*|*UnsupportedClassVersionError*|*OutOfMemoryError*|"
	"*'Could not create the Java Virtual Machine'*)\n"
	"    end 12 \"the configuration could not be checked: $(printf '%s\\n' \"$out\" | head -n 3)\" ;;\n"
	"  esac\n"
	"  [ \"$code\" -lt 126 ] || end 12 \"the configuration check ended with code $code\"\n"
	"  why=$(printf '%s\\n' \"$out\" | grep -E '^(Exception|Caused by|Error)' | head -n 5)\n"
	"  [ -n \"$why\" ] || why=$(printf '%s\\n' \"$out\" | tail -n 5)\n"
	"  end 11 \"Flink refuses the configuration: $why\"\n"
	"}\n"
	"check GET_JM_RESOURCE_PARAMS\n"
	"check GET_TM_RESOURCE_PARAMS\n"
	"[ -z \"$WEIR_JAR_UNCHECKED\" ] || end 12 \"$WEIR_JAR_UNCHECKED\"\n"
	"end 0 passed\n";

static void add_env(const struct cluster *c, struct node *container, const char *name, const char *value)
{
	struct node *entry = node_map(c->doc);
	node_set_text(c->doc, entry, "name", name);
	node_set_text(c->doc, entry, "value", value);
	node_append(c->doc, cluster_list(c, container, "env"), entry);
}

/* Volumes that a second pod may mount without disturbing the first: a claim could move a disk from under a running job. */
static bool is_harmless(const struct node *volume)
{
	static const char *const kinds[] = { "configMap", "secret", "projected", "downwardAPI", "emptyDir", "hostPath", "nfs" };
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (node_get(volume, kinds[i]) != NULL)
			return true;
	return false;
}

static const struct node *volume_named(const struct node *pod_spec, const char *name)
{
	const struct node *volumes = node_get(pod_spec, "volumes");
	for (size_t i = 0; i < node_count(volumes); i++)
		if (str_eq(node_text(node_get(node_at(volumes, i), "name")), name))
			return node_at(volumes, i);
	return NULL;
}

static bool lies_under(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	while (len > 0 && dir[len - 1] == '/')
		len--;
	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Is the path on a volume that this pod lacks, or that only the real pod's init containers fill? */
static bool is_out_of_sight(const struct node *template_spec, const struct node *main, const char *path)
{
	const struct node *mounts = node_get(main, "volumeMounts");
	for (size_t i = 0; i < node_count(mounts); i++) {
		const char *dir = node_text(node_get(node_at(mounts, i), "mountPath"));
		const struct node *volume = volume_named(template_spec, node_text(node_get(node_at(mounts, i), "name")));
		if (dir != NULL && lies_under(path, dir) && (!is_harmless(volume) || node_get(volume, "emptyDir") != NULL))
			return true;
	}
	return false;
}

static const struct node *main_container(const struct node *pod_spec)
{
	const struct node *containers = node_get(pod_spec, "containers");
	for (size_t i = 0; i < node_count(containers); i++)
		if (str_eq(node_text(node_get(node_at(containers, i), "name")), FLINK_MAIN_CONTAINER))
			return node_at(containers, i);
	return NULL;
}

static void put_jar(const struct cluster *c, struct node *container, const struct node *template_spec, const struct node *main)
{
	static const char scheme[] = "local://";
	const char *uri = node_text(node_find(c->launch->spec, "job/jarURI"));
	if (uri == NULL)
		return;
	if (!str_starts(uri, scheme)) {
		add_env(c, container, FLINK_PREFLIGHT_UNCHECKED_ENV, "the jar is not in the image (its address is not local://)");
		return;
	}
	const char *path = uri + sizeof(scheme) - 1;
	if (is_out_of_sight(template_spec, main, path))
		add_env(c, container, FLINK_PREFLIGHT_UNCHECKED_ENV, "the jar lies on a volume that the preflight pod cannot look into");
	else
		add_env(c, container, "WEIR_JAR", path);
}

static void put_volumes(const struct cluster *c, struct node *pod_spec, struct node *container, const struct node *template_spec,
			const struct node *main)
{
	const struct node *volumes = node_get(template_spec, "volumes"), *mounts = node_get(main, "volumeMounts");
	for (size_t i = 0; i < node_count(volumes); i++)
		if (is_harmless(node_at(volumes, i)))
			node_append(c->doc, cluster_list(c, pod_spec, "volumes"), node_copy(c->doc, node_at(volumes, i)));
	for (size_t i = 0; i < node_count(mounts); i++)
		if (is_harmless(volume_named(template_spec, node_text(node_get(node_at(mounts, i), "name")))))
			node_append(c->doc, cluster_list(c, container, "volumeMounts"), node_copy(c->doc, node_at(mounts, i)));
	struct node *place = node_map(c->doc);
	node_set_text(c->doc, place, "name", CONF_VOLUME);
	node_set_text(c->doc, place, "mountPath", CONF_DIR);
	node_append(c->doc, cluster_list(c, container, "volumeMounts"), place);
}

static void put_command(const struct cluster *c, struct node *container, const char *const *words, size_t count)
{
	struct node *command = node_list(c->doc);
	for (size_t i = 0; i < count; i++)
		node_append(c->doc, command, node_string(c->doc, words[i]));
	node_set(c->doc, container, "command", command);
}

/* None is zero or left open, so that quotas that demand them are content, and a namespace's default limits do not meddle. */
struct amounts {
	const char *cpu, *memory, *disk;
};
static const struct amounts little = { "10m", "32Mi", "16Mi" }, little_limit = { "200m", "128Mi", "128Mi" };
static const struct amounts java_request = { "50m", "128Mi", "16Mi" }, java_limit = { "1", "512Mi", "128Mi" };

static void put_amounts(const struct cluster *c, struct node *container, const struct amounts *request, const struct amounts *limit)
{
	struct node *resources = node_ensure_map(c->doc, container, "resources");
	const struct amounts *const both[] = { request, limit };
	static const char *const names[] = { "requests", "limits" };
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		struct node *map = node_ensure_map(c->doc, resources, names[i]);
		node_set_text(c->doc, map, "cpu", both[i]->cpu);
		node_set_text(c->doc, map, "memory", both[i]->memory);
		node_set_text(c->doc, map, "ephemeral-storage", both[i]->disk);
	}
}

/* The container's setting, or else the pod's. */
static const struct node *setting(const struct node *own, const struct node *of_pod, const char *key)
{
	const struct node *value = node_get(own, key);
	return value != NULL && !node_is(value, NODE_NULL) ? value : node_get(of_pod, key);
}

/*
 * As strict as Pod Security "restricted" demands, where the template says nothing else. Who the image runs as is left to it: only where the
 * template rules root out are root's capabilities dropped, because the stock images start as root and step down.
 */
static void put_security(const struct cluster *c, struct node *container, const struct node *of_pod)
{
	struct node *own = node_ensure_map(c->doc, container, "securityContext");
	bool privileged = node_truth(node_get(own, "privileged"), false);
	const struct node *user = setting(own, of_pod, "runAsUser");
	bool no_root = node_truth(setting(own, of_pod, "runAsNonRoot"), false) || node_integer(user, 0) > 0;
	if (!privileged && node_get(own, "allowPrivilegeEscalation") == NULL && node_find(own, "capabilities/add") == NULL)
		node_set(c->doc, own, "allowPrivilegeEscalation", node_bool(c->doc, false));
	if (!privileged && setting(own, of_pod, "seccompProfile") == NULL)
		node_set_text(c->doc, node_ensure_map(c->doc, own, "seccompProfile"), "type", "RuntimeDefault");
	if (privileged || !no_root)
		return;
	if (setting(own, of_pod, "runAsNonRoot") == NULL)
		node_set(c->doc, own, "runAsNonRoot", node_bool(c->doc, true));
	if (node_get(own, "capabilities") == NULL) {
		struct node *dropped = node_list(c->doc);
		node_append(c->doc, dropped, node_string(c->doc, "ALL"));
		node_set(c->doc, node_ensure_map(c->doc, own, "capabilities"), "drop", dropped);
	}
}

static struct node *build_container(const struct cluster *c, const struct node *main, bool with_env)
{
	struct node *container = node_map(c->doc);
	node_set_text(c->doc, container, "name", "preflight");
	node_set_text(c->doc, container, "image", flink_config_get(c->config, c->version->image_key));
	node_set_text(c->doc, container, "imagePullPolicy", cluster_pull_policy(c));
	static const char *const kept[] = { "securityContext", "env", "envFrom" };
	for (size_t i = 0; i < (with_env ? ARRAY_SIZE(kept) : 1); i++)
		if (node_get(main, kept[i]) != NULL)
			node_set(c->doc, container, kept[i], node_copy(c->doc, node_get(main, kept[i])));
	return container;
}

/* A pod placed as the component's, without containers. */
static struct node *build_placement(const struct cluster *c, const struct component *component, const struct node *template_spec)
{
	struct node *pod_spec = node_map(c->doc);
	static const char *const kept[] = { "imagePullSecrets", "nodeSelector", "tolerations",	     "affinity",	 "securityContext",
					    "schedulerName",	"dnsConfig",	"priorityClassName", "runtimeClassName", "hostAliases" };
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (node_get(template_spec, kept[i]) != NULL)
			node_set(c->doc, pod_spec, kept[i], node_copy(c->doc, node_get(template_spec, kept[i])));
	cluster_put_placement(c, component, pod_spec);
	node_set_text(c->doc, pod_spec, "restartPolicy", "Never");
	node_set_int(c->doc, pod_spec, "activeDeadlineSeconds", FLINK_PREFLIGHT_SECONDS);
	return pod_spec;
}

static struct node *build_jobmanager(const struct cluster *c)
{
	struct node *template_spec = node_get(cluster_template(c, &COMPONENT_JOBMANAGER), "spec");
	const struct node *main = main_container(template_spec);
	struct node *pod_spec = build_placement(c, &COMPONENT_JOBMANAGER, template_spec);
	struct node *container = build_container(c, main, true);
	put_command(c, container, (const char *const[]){ "sh", "-c", script }, 3);
	put_amounts(c, container, &java_request, &java_limit);
	put_security(c, container, node_get(template_spec, "securityContext"));
	put_jar(c, container, template_spec, main);
	put_volumes(c, pod_spec, container, template_spec, main);
	node_append(c->doc, cluster_list(c, pod_spec, "containers"), container);
	return pod_spec;
}

static struct node *build_taskmanager(const struct cluster *c)
{
	struct node *template_spec = node_get(cluster_template(c, &COMPONENT_TASKMANAGER), "spec");
	struct node *pod_spec = build_placement(c, &COMPONENT_TASKMANAGER, template_spec);
	struct node *container = build_container(c, main_container(template_spec), false);
	put_command(c, container, (const char *const[]){ "sh", "-c", "exit 0" }, 3);
	put_amounts(c, container, &little, &little_limit);
	put_security(c, container, node_get(template_spec, "securityContext"));
	node_append(c->doc, cluster_list(c, pod_spec, "containers"), container);
	return pod_spec;
}

static const char *env_value(const struct node *container, const char *name)
{
	const struct node *env = node_get(container, "env");
	const char *value = NULL;
	for (size_t i = 0; i < node_count(env); i++)
		if (str_eq(node_text(node_get(node_at(env, i), "name")), name))
			value = node_text(node_get(node_at(env, i), "value"));
	return value;
}

static void add_java(const struct cluster *c, struct node *pod_spec, const struct node *like, const char *name, const char *const *words,
		     size_t count)
{
	struct node *container = node_copy(c->doc, like);
	node_set_text(c->doc, container, "name", name);
	node_set_text(c->doc, container, "terminationMessagePolicy", "FallbackToLogsOnError");
	put_command(c, container, words, count);
	node_append(c->doc, cluster_list(c, pod_spec, "containers"), container);
}

/*
 * The same questions without a shell, each in a container of its own. That the jar can be read is seen by naming it as an agent: java
 * opens it, finds that it is none, and ends before it runs anything.
 */
static struct node *build_java(const struct cluster *c, const struct node *jobmanager)
{
	struct node *pod_spec = node_copy(c->doc, jobmanager);
	const struct node *like = node_at(node_get(jobmanager, "containers"), 0);
	const char *home = env_value(like, "FLINK_HOME"), *jar = env_value(like, "WEIR_JAR");
	home = home == NULL ? "/opt/flink" : home;
	AUTOFREE char *path = mem_printf("%s/bin/bash-java-utils.jar:%s/lib/*", home, home);
	node_set(c->doc, pod_spec, "containers", node_list(c->doc));
	static const char *const asked[][2] = { { "jobmanager", "GET_JM_RESOURCE_PARAMS" }, { "taskmanager", "GET_TM_RESOURCE_PARAMS" } };
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
		add_java(c, pod_spec, like, asked[i][0],
			 (const char *const[]){ "java", "-Xmx128m", "-cp", path, "org.apache.flink.runtime.util.bash.BashJavaUtils",
						asked[i][1], "--configDir", CONF_DIR },
			 8);
	if (jar == NULL)
		return pod_spec;
	AUTOFREE char *agent = mem_printf("-javaagent:%s", jar);
	add_java(c, pod_spec, like, FLINK_PREFLIGHT_JAR_CONTAINER, (const char *const[]){ "java", "-Xmx64m", agent, "-version" }, 4);
	return pod_spec;
}

/* The configuration without what is different in each launch of the same content. */
static bool write_config(const struct cluster *c, struct buf *out, struct error *err)
{
	static const char *const per_launch[] = { "$internal.pipeline.job-id", "job-result-store.storage-path",
						  "kubernetes.jobmanager.annotations", "kubernetes.jobmanager.owner.reference" };
	struct node *config = node_copy(c->doc, c->config);
	for (size_t i = 0; i < ARRAY_SIZE(per_launch); i++)
		(void)node_remove(config, per_launch[i]);
	flink_config_remove(config, c->version->savepoint_path_key);
	node_sort_keys(config);
	return flink_config_write(config, c->version, out, err);
}

static struct node *named(const struct cluster *c, const char *api_version, const char *kind, const char *name)
{
	struct node *object = cluster_object(c, api_version, kind, name);
	struct node *labels = node_ensure_map(c->doc, node_get(object, "metadata"), "labels");
	node_set_text(c->doc, labels, FLINK_PREFLIGHT_LABEL, c->launch->name);
	cluster_set_owner(c, object, "flink.apache.org/v1beta1", "FlinkDeployment", c->launch->uid, false);
	return object;
}

static void put_conf_volume(const struct cluster *c, struct node *pod_spec, const char *configmap)
{
	struct node *volume = node_map(c->doc);
	node_set_text(c->doc, volume, "name", CONF_VOLUME);
	node_set_text(c->doc, node_ensure_map(c->doc, volume, "configMap"), "name", configmap);
	node_append(c->doc, cluster_list(c, pod_spec, "volumes"), volume);
}

bool flink_preflight_build(const struct flink_launch *launch, struct doc *doc, struct flink_preflight *out, struct error *err)
{
	static const char *const suffixes[] = { "", "-tm", "-java" };
	struct cluster c;
	AUTOBUF config = BUF_INIT, content = BUF_INIT;
	if (!cluster_init(&c, launch, doc, err) || !write_config(&c, &config, err))
		return false;
	struct node *jobmanager = build_jobmanager(&c);
	struct node *const specs[FLINK_PREFLIGHT_PODS] = { jobmanager, build_taskmanager(&c), build_java(&c, jobmanager) };
	for (size_t i = 0; i < FLINK_PREFLIGHT_PODS; i++)
		node_to_json(specs[i], &content, JSON_SORTED);
	buf_append(&content, config.data, config.len);
	char digest[SHA256_HEX_MAX];
	sha256_hex(content.data, content.len, digest);
	AUTOFREE char *name = mem_printf("%s-preflight-%.8s", launch->name, digest);

	out->configmap = named(&c, "v1", "ConfigMap", name);
	node_set_text(doc, node_ensure_map(doc, out->configmap, "data"), c.version->config_file, buf_text(&config));
	for (size_t i = 0; i < FLINK_PREFLIGHT_PODS; i++) {
		AUTOFREE char *own = mem_printf("%s%s", name, suffixes[i]);
		if (i != FLINK_PREFLIGHT_TASKMANAGER)
			put_conf_volume(&c, specs[i], name);
		out->pods[i] = named(&c, "v1", "Pod", own);
		node_set(doc, out->pods[i], "spec", specs[i]);
	}
	return true;
}

static void add_pod(const struct cluster *c, struct node *list, const struct node *template, const char *component)
{
	AUTOFREE char *name = mem_printf("%s-preflight-%s", c->launch->name, component);
	struct node *pod = cluster_object(c, "v1", "Pod", name);
	struct node *metadata = node_get(pod, "metadata");
	cluster_add_all(c, node_ensure_map(c->doc, metadata, "labels"), node_find(template, "metadata/labels"));
	cluster_add_all(c, node_ensure_map(c->doc, metadata, "annotations"), node_find(template, "metadata/annotations"));
	node_set(c->doc, pod, "spec", node_copy(c->doc, node_get(template, "spec")));
	node_append(c->doc, list, pod);
}

bool flink_preflight_objects(const struct flink_launch *launch, struct doc *doc, struct node **list, struct error *err)
{
	struct cluster c;
	struct node *jobmanager, *dependents, *taskmanager;
	if (!cluster_init(&c, launch, doc, err) || !cluster_taskmanager_template(&c, &taskmanager, err) ||
	    !flink_objects_jobmanager(launch, doc, &jobmanager, err) || !flink_objects_dependents(launch, NULL, doc, &dependents, err))
		return false;
	*list = node_list(doc);
	add_pod(&c, *list, node_find(jobmanager, "spec/template"), COMPONENT_JOBMANAGER.name);
	add_pod(&c, *list, taskmanager, COMPONENT_TASKMANAGER.name);
	node_append(doc, *list, jobmanager);
	for (size_t i = 0; i < node_count(dependents); i++)
		node_append(doc, *list, node_copy(doc, node_at(dependents, i)));
	return true;
}
