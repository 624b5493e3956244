/* The preflight pod: does the image start, is the jar readable, does this Flink accept the configuration? */
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "flink/config.h"
#include "flink/objects_internal.h"

#define CONF_DIR "/weir-preflight/conf"
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
		add_env(c, container, "WEIR_JAR_UNCHECKED", "the jar is not in the image (its address is not local://)");
		return;
	}
	const char *path = uri + sizeof(scheme) - 1;
	if (is_out_of_sight(template_spec, main, path))
		add_env(c, container, "WEIR_JAR_UNCHECKED", "the jar lies on a volume that the preflight pod cannot look into");
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

static struct node *build_container(const struct cluster *c, const struct node *main)
{
	struct node *container = node_map(c->doc);
	node_set_text(c->doc, container, "name", "preflight");
	node_set_text(c->doc, container, "image", flink_config_get(c->config, c->version->image_key));
	node_set_text(c->doc, container, "imagePullPolicy", cluster_pull_policy(c));
	struct node *command = cluster_list(c, container, "command");
	node_append(c->doc, command, node_string(c->doc, "sh"));
	node_append(c->doc, command, node_string(c->doc, "-c"));
	node_append(c->doc, command, node_string(c->doc, script));
	static const char *const kept[] = { "env", "envFrom", "securityContext" };
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (node_get(main, kept[i]) != NULL)
			node_set(c->doc, container, kept[i], node_copy(c->doc, node_get(main, kept[i])));
	struct node *resources = node_ensure_map(c->doc, container, "resources");
	node_set_text(c->doc, node_ensure_map(c->doc, resources, "requests"), "cpu", "50m");
	node_set_text(c->doc, node_get(resources, "requests"), "memory", "128Mi");
	node_set_text(c->doc, node_ensure_map(c->doc, resources, "limits"), "memory", "512Mi");
	return container;
}

static struct node *build_pod_spec(const struct cluster *c)
{
	struct node *template_spec = node_get(cluster_template(c, &COMPONENT_JOBMANAGER), "spec");
	const struct node *main = main_container(template_spec);
	struct node *pod_spec = node_map(c->doc);
	static const char *const kept[] = { "imagePullSecrets", "nodeSelector", "tolerations",       "affinity",         "securityContext",
					    "schedulerName",    "dnsConfig",    "priorityClassName", "runtimeClassName", "hostAliases" };
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (node_get(template_spec, kept[i]) != NULL)
			node_set(c->doc, pod_spec, kept[i], node_copy(c->doc, node_get(template_spec, kept[i])));
	cluster_put_placement(c, &COMPONENT_JOBMANAGER, pod_spec);
	node_set_text(c->doc, pod_spec, "restartPolicy", "Never");
	node_set_int(c->doc, pod_spec, "activeDeadlineSeconds", 120);
	struct node *container = build_container(c, main);
	put_jar(c, container, template_spec, main);
	put_volumes(c, pod_spec, container, template_spec, main);
	node_append(c->doc, cluster_list(c, pod_spec, "containers"), container);
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

bool flink_preflight_build(const struct flink_launch *launch, struct doc *doc, struct node **configmap, struct node **pod,
			   struct error *err)
{
	struct cluster c;
	AUTOBUF config = BUF_INIT, content = BUF_INIT;
	if (!cluster_init(&c, launch, doc, err) || !write_config(&c, &config, err))
		return false;
	struct node *pod_spec = build_pod_spec(&c);
	node_to_json(pod_spec, &content, JSON_SORTED);
	buf_append(&content, config.data, config.len);
	char digest[SHA256_HEX_MAX];
	sha256_hex(content.data, content.len, digest);
	AUTOFREE char *name = mem_printf("%s-preflight-%.8s", launch->name, digest);

	struct node *map = named(&c, "v1", "ConfigMap", name);
	node_set_text(doc, node_ensure_map(doc, map, "data"), c.version->config_file, buf_text(&config));
	struct node *volume = node_map(doc);
	node_set_text(doc, volume, "name", CONF_VOLUME);
	node_set_text(doc, node_ensure_map(doc, volume, "configMap"), "name", name);
	node_append(doc, cluster_list(&c, pod_spec, "volumes"), volume);
	struct node *object = named(&c, "v1", "Pod", name);
	node_set(doc, object, "spec", pod_spec);
	*configmap = map;
	*pod = object;
	return true;
}
