#include "store/probe.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "flink/objects.h"

#define DIR	  "/weir-probe"
#define VOLUME	  "weir-probe"
#define CONTAINER "probe"
/* What clean.h says of entries, as regular expressions. */
#define RESULT_FILES "[0-9a-f]{32}(_DIRTY)?[.]json"
#define HA_FILES     "(completedCheckpoint|submittedJobGraph|submittedExecutionPlan|submittedApplication)[0-9a-f]+"
#define HA_FOLDER    "blob"

/*
 * The answer is the termination message: a line "exists", "absent" or "unknown WHY", a line for each name, and a line "." at the end, so
 * that a cut answer is noticed. $WEIR_PATH is the path to look at, $WEIR_ROOT the mount that it lies on (files only), $WEIR_QUESTION is
 * look or list.
 */
static const char script[] =
	"end() { if [ \"${#1}\" -gt 3800 ]; then set -- 'unknown too many names for one message'; fi\n"
	"  printf '%s\\n.\\n' \"$1\" >/dev/termination-log; printf '%s\\n' \"$1\"; exit 0; }\n"
	"one_line() { printf '%s' \"$1\" | tr '\\n\\r' '  ' | cut -c 1-400; }\n"
	"missing() {\n"
	"  why=$(LC_ALL=C ls -d -- \"$1\" 2>&1) && { echo \"unknown $1 is empty or no regular file\"; return; }\n"
	"  case $why in\n"
	"  *'No such file or directory'*)\n"
	"    if [ -n \"$(ls -A -- \"$WEIR_ROOT\" 2>/dev/null)\" ]; then echo absent; "
	"else echo \"unknown the volume at $WEIR_ROOT is empty or not readable\"; fi ;;\n"
	"  *) echo \"unknown $(one_line \"$why\")\" ;;\n"
	"  esac\n"
	"}\n"
	"look() { if [ -f \"$1/_metadata\" ] && [ -s \"$1/_metadata\" ]; then echo exists; else missing \"$1/_metadata\"; fi; }\n"
	"list() {\n"
	"  [ -d \"$1\" ] || { missing \"$1\"; return; }\n"
	"  why=$(LC_ALL=C ls -- \"$1\" 2>&1 >/dev/null) || { echo \"unknown $(one_line \"$why\")\"; return; }\n"
	"  names=exists count=0\n"
	"  for entry in \"$1\"/*; do\n"
	"    [ -d \"$entry\" ] || continue\n"
	"    count=$((count + 1))\n"
	"    [ \"$count\" -le 200 ] || { echo 'unknown more than 200 entries'; return; }\n"
	"    found=$(look \"$entry\")\n"
	"    case $found in\n"
	"    exists) names=\"$names\n${entry##*/}\" ;;\n"
	"    unknown*) echo \"$found\"; return ;;\n"
	"    esac\n"
	"  done\n"
	"  printf '%s\\n' \"$names\"\n"
	"}\n"
	"clean() {\n"
	"  [ -d \"$1\" ] && [ ! -L \"$1\" ] || { missing \"$1\"; return; }\n"
	"  [ \"$(cd -P -- \"$1\" && pwd)\" = \"$1\" ] || { echo \"unknown $1 is behind a symbolic link\"; return; }\n"
	"  why=$(for entry in \"$1\"/*; do\n"
	"    name=${entry##*/}\n"
	"    if [ -L \"$entry\" ]; then continue; fi\n"
	"    if [ -d \"$entry\" ]; then if [ \"$name\" = \"$3\" ]; then rm -rf -- \"$entry\"; fi\n"
	"    elif printf '%s\\n' \"$name\" | grep -Eq \"^($2)\\$\"; then rm -f -- \"$entry\"; fi\n"
	"  done 2>&1)\n"
	"  if [ -n \"$why\" ]; then echo \"unknown $(one_line \"$why\")\"; return; fi\n"
	"  rmdir -- \"$1\" 2>/dev/null\n"
	"  echo exists\n"
	"}\n"
	"clean_results() { clean \"$1\" '" RESULT_FILES "' ''; }\n"
	"clean_ha() { clean \"$1\" '" HA_FILES "' '" HA_FOLDER "'; }\n"
	"if [ -n \"$WEIR_ROOT\" ]; then end \"$($WEIR_QUESTION \"$WEIR_PATH\")\"; fi\n"
	"home=${FLINK_HOME:-/opt/flink}\n"
	"java=java\n"
	"if [ -n \"$JAVA_HOME\" ] && [ -x \"$JAVA_HOME/bin/java\" ]; then java=$JAVA_HOME/bin/java; fi\n"
	"export FLINK_PLUGINS_DIR=\"${FLINK_PLUGINS_DIR:-$home/plugins}\"\n"
	"path=\"$home/lib/*:$HADOOP_CLASSPATH:$HADOOP_CONF_DIR:$YARN_CONF_DIR\"\n"
	"out=$(\"$java\" -Xmx192m -cp \"$path\" org.codehaus.janino.SimpleCompiler " DIR "/WeirProbe.java WeirProbe " DIR
	" \"$WEIR_QUESTION\" \"$WEIR_PATH\" 2>&1)\n"
	"case $out in\n"
	"*'find or load main class org.codehaus.janino'*)\n"
	"  out=$(\"$java\" -Xmx192m -cp \"$path\" " DIR "/WeirProbe.java " DIR " \"$WEIR_QUESTION\" \"$WEIR_PATH\" 2>&1) ;;\n"
	"esac\n"
	"found=$(printf '%s\\n' \"$out\" | sed -n 's/^WEIR_PROBE //p')\n"
	"[ -n \"$found\" ] || found=\"unknown the image has nothing to look with: $(one_line \"$out\")\"\n"
	"end \"$found\"\n";

/*
 * As Flink itself does: load configuration and plugins, then ask the path's file system. In the Java that Janino knows. A missing path
 * counts as absent only where a parent folder is there or the root can be listed, since some say "no such file" of a missing bucket.
 */
static const char program[] =
	"import org.apache.flink.configuration.Configuration;\n"
	"import org.apache.flink.configuration.GlobalConfiguration;\n"
	"import org.apache.flink.core.fs.FileStatus;\n"
	"import org.apache.flink.core.fs.FileSystem;\n"
	"import org.apache.flink.core.fs.Path;\n"
	"import org.apache.flink.core.plugin.PluginUtils;\n"
	"\n"
	"public class WeirProbe {\n"
	"\tprivate static String line(String text) {\n"
	"\t\tString one = text.replace('\\n', ' ').replace('\\r', ' ');\n"
	"\t\treturn one.length() > 400 ? one.substring(0, 400) : one;\n"
	"\t}\n"
	"\n"
	"\tprivate static String missing(FileSystem fs, Path path) throws Exception {\n"
	"\t\tPath at = path.getParent();\n"
	"\t\twhile (at != null && at.getParent() != null) {\n"
	"\t\t\tif (fs.exists(at)) return \"absent\";\n"
	"\t\t\tat = at.getParent();\n"
	"\t\t}\n"
	"\t\tif (at == null || fs.listStatus(at) == null) return \"unknown the root of \" + path + \" cannot be listed\";\n"
	"\t\treturn \"absent\";\n"
	"\t}\n"
	"\n"
	"\tprivate static boolean holds(FileSystem fs, Path path) throws Exception {\n"
	"\t\treturn fs.exists(new Path(path, \"_metadata\"));\n"
	"\t}\n"
	"\n"
	"\tprivate static String list(FileSystem fs, Path dir) throws Exception {\n"
	"\t\tFileStatus[] entries = null;\n"
	"\t\ttry {\n"
	"\t\t\tentries = fs.listStatus(dir);\n"
	"\t\t} catch (java.io.FileNotFoundException e) {\n"
	"\t\t\tentries = null;\n"
	"\t\t}\n"
	"\t\tif (entries == null || entries.length == 0 && !fs.exists(dir)) return missing(fs, dir);\n"
	"\t\tif (entries.length > 200) return \"unknown more than 200 entries\";\n"
	"\t\tStringBuffer out = new StringBuffer(\"exists\");\n"
	"\t\tfor (int i = 0; i < entries.length; i++) {\n"
	"\t\t\tPath entry = entries[i].getPath();\n"
	"\t\t\tif (entries[i].isDir() && holds(fs, entry)) out.append(\"\\nWEIR_PROBE \").append(entry.getName());\n"
	"\t\t}\n"
	"\t\treturn out.toString();\n"
	"\t}\n"
	"\n"
	"\tprivate static FileStatus[] entries(FileSystem fs, Path dir) throws Exception {\n"
	"\t\ttry {\n"
	"\t\t\treturn fs.listStatus(dir);\n"
	"\t\t} catch (java.io.FileNotFoundException e) {\n"
	"\t\t\treturn null;\n"
	"\t\t}\n"
	"\t}\n"
	"\n"
	"\tprivate static String clean(FileSystem fs, Path dir, String files, String folder) throws Exception {\n"
	"\t\tFileStatus[] found = entries(fs, dir);\n"
	"\t\tfor (int i = 0; found != null && i < found.length; i++) {\n"
	"\t\t\tString name = found[i].getPath().getName();\n"
	"\t\t\tboolean ours = found[i].isDir() ? name.equals(folder) : name.matches(files);\n"
	"\t\t\tif (ours && !fs.delete(found[i].getPath(), found[i].isDir())) return \"unknown cannot delete \" + name;\n"
	"\t\t}\n"
	"\t\tfound = entries(fs, dir);\n"
	"\t\tif (found != null && found.length == 0) fs.delete(dir, false);\n"
	"\t\treturn \"exists\";\n"
	"\t}\n"
	"\n"
	"\tpublic static void main(String[] args) {\n"
	"\t\tString answer;\n"
	"\t\ttry {\n"
	"\t\t\tConfiguration conf = GlobalConfiguration.loadConfiguration(args[0]);\n"
	"\t\t\tFileSystem.initialize(conf, PluginUtils.createPluginManagerFromRootFolder(conf));\n"
	"\t\t\tPath path = new Path(args[2]);\n"
	"\t\t\tFileSystem fs = path.getFileSystem();\n"
	"\t\t\tif (args[1].equals(\"list\")) answer = list(fs, path);\n"
	"\t\t\telse if (args[1].equals(\"clean_results\")) answer = clean(fs, path, \"" RESULT_FILES "\", \"\");\n"
	"\t\t\telse if (args[1].equals(\"clean_ha\")) answer = clean(fs, path, \"" HA_FILES "\", \"" HA_FOLDER "\");\n"
	"\t\t\telse if (holds(fs, path)) answer = \"exists\";\n"
	"\t\t\telse answer = missing(fs, path);\n"
	"\t\t} catch (Throwable e) {\n"
	"\t\t\tanswer = \"unknown \" + line(e.toString());\n"
	"\t\t}\n"
	"\t\tSystem.out.println(\"\\nWEIR_PROBE \" + answer);\n"
	"\t\tSystem.out.flush();\n"
	"\t\tRuntime.getRuntime().halt(0);\n"
	"\t}\n"
	"}\n";

/* ---- the pod ---- */

struct probe {
	struct doc *doc;
	const struct node *template_spec, *main; /* of the JobManager's Deployment */
	const char *path;			 /* normal */
	const char *root;			 /* where the path's volume is mounted, for files */
	const char *question;
	bool writes;
};

static struct node *list_in(struct doc *doc, struct node *map, const char *key)
{
	if (!node_is(node_get(map, key), NODE_LIST))
		node_set(doc, map, key, node_list(doc));
	return node_get(map, key);
}

static const struct node *named_in(const struct node *list, const char *name)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_get(node_at(list, i), "name")), name))
			return node_at(list, i);
	return NULL;
}

/* What the Deployment has only for starting Flink, and whose ConfigMaps may be gone. */
static bool is_launch_volume(const char *name)
{
	return str_eq(name, "flink-config-volume") || str_eq(name, "pod-template-volume");
}

/* The mount with the longest path that the file lies under. */
static const struct node *mount_of(const struct probe *p, const char *file)
{
	const struct node *mounts = node_get(p->main, "volumeMounts"), *best = NULL;
	size_t longest = 0;
	for (size_t i = 0; i < node_count(mounts); i++) {
		const char *dir = node_text_or(node_get(node_at(mounts, i), "mountPath"), "");
		size_t len = strlen(dir);
		while (len > 0 && dir[len - 1] == '/')
			len--;
		if (len > longest && strncmp(file, dir, len) == 0 && (file[len] == '/' || file[len] == '\0')) {
			longest = len;
			best = node_at(mounts, i);
		}
	}
	return best;
}

/* Can a second pod see what the path names? */
static bool find_root(struct probe *p, struct error *err)
{
	if (!str_starts(p->path, "file://"))
		return true;
	const struct node *mount = mount_of(p, p->path + strlen("file://"));
	if (mount == NULL)
		return error_set(err, ERROR_UNSUPPORTED,
				 "%.300s lies on no volume of the pod template: only the container that wrote it has it", p->path);
	const char *name = node_text_or(node_get(mount, "name"), "");
	const struct node *volume = named_in(node_get(p->template_spec, "volumes"), name);
	if (volume == NULL || node_get(volume, "emptyDir") != NULL || node_get(volume, "ephemeral") != NULL)
		return error_set(err, ERROR_UNSUPPORTED, "%.300s lies on the volume %.100s, which goes with its pod", p->path, name);
	p->root = node_text(node_get(mount, "mountPath"));
	return true;
}

static void add_env(const struct probe *p, struct node *container, const char *name, const char *value)
{
	struct node *entry = node_map(p->doc);
	node_set_text(p->doc, entry, "name", name);
	node_set_text(p->doc, entry, "value", value);
	node_append(p->doc, list_in(p->doc, container, "env"), entry);
}

static void put_mounts(const struct probe *p, struct node *container)
{
	struct node *to = list_in(p->doc, container, "volumeMounts");
	const struct node *from = node_get(p->main, "volumeMounts");
	for (size_t i = 0; i < node_count(from); i++) {
		if (is_launch_volume(node_text(node_get(node_at(from, i), "name"))))
			continue;
		struct node *mount = node_copy(p->doc, node_at(from, i));
		if (!p->writes)
			node_set(p->doc, mount, "readOnly", node_bool(p->doc, true));
		node_append(p->doc, to, mount);
	}
	struct node *own = node_map(p->doc);
	node_set_text(p->doc, own, "name", VOLUME);
	node_set_text(p->doc, own, "mountPath", DIR);
	node_set(p->doc, own, "readOnly", node_bool(p->doc, true));
	node_append(p->doc, to, own);
}

static struct node *build_container(const struct probe *p)
{
	struct node *container = node_map(p->doc);
	node_set_text(p->doc, container, "name", CONTAINER);
	/* the image's entry point first, as for the JobManager: it enables the plugins that the environment names */
	static const char *const kept[] = { "image", "imagePullPolicy", "command", "env", "envFrom", "securityContext", "workingDir" };
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (node_get(p->main, kept[i]) != NULL)
			node_set(p->doc, container, kept[i], node_copy(p->doc, node_get(p->main, kept[i])));
	static const char *const args[] = { "sh", "-c", script };
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		node_append(p->doc, list_in(p->doc, container, "args"), node_string(p->doc, args[i]));
	add_env(p, container, "WEIR_QUESTION", p->question);
	add_env(p, container, "WEIR_PATH", p->root != NULL ? p->path + strlen("file://") : p->path);
	add_env(p, container, "WEIR_ROOT", p->root != NULL ? p->root : "");
	put_mounts(p, container);
	struct node *resources = node_ensure_map(p->doc, container, "resources");
	node_set_text(p->doc, node_ensure_map(p->doc, resources, "requests"), "cpu", "50m");
	node_set_text(p->doc, node_get(resources, "requests"), "memory", "256Mi");
	node_set_text(p->doc, node_ensure_map(p->doc, resources, "limits"), "cpu", "1");
	node_set_text(p->doc, node_get(resources, "limits"), "memory", "512Mi");
	return container;
}

static struct node *build_pod_spec(const struct probe *p)
{
	struct node *spec = node_copy(p->doc, p->template_spec);
	static const char *const dropped[] = { "containers", "initContainers", "volumes", "topologySpreadConstraints" };
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		(void)node_remove(spec, dropped[i]);
	node_set_text(p->doc, spec, "restartPolicy", "Never");
	node_set_int(p->doc, spec, "activeDeadlineSeconds", STATE_PROBE_RUN_S);
	node_set_int(p->doc, spec, "terminationGracePeriodSeconds", 1);
	const struct node *volumes = node_get(p->template_spec, "volumes");
	for (size_t i = 0; i < node_count(volumes); i++)
		if (!is_launch_volume(node_text(node_get(node_at(volumes, i), "name"))))
			node_append(p->doc, list_in(p->doc, spec, "volumes"), node_copy(p->doc, node_at(volumes, i)));
	node_append(p->doc, list_in(p->doc, spec, "containers"), build_container(p));
	return spec;
}

/* The user's labels and annotations, as accounts of clouds go by them; not those by which Services and Flink find JobManagers, nor ours. */
static void put_users_metadata(const struct probe *p, const struct node *deployment, struct node *metadata)
{
	static const char *const kinds[] = { "labels", "annotations" };
	const struct node *selector = node_find(deployment, "spec/selector/matchLabels");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct node *from = node_get(node_find(deployment, "spec/template/metadata"), kinds[i]);
		struct node *to = node_ensure_map(p->doc, metadata, kinds[i]);
		for (size_t j = 0; j < node_count(from); j++) {
			const char *key = node_key_at(from, j);
			if (node_get(selector, key) == NULL && !str_starts(key, "weir.dev/"))
				node_set_text(p->doc, to, key, node_text(node_value_at(from, j)));
		}
	}
}

static struct node *build_object(const struct probe *p, const struct node *deployment, const char *kind, const char *name)
{
	struct node *object = node_map(p->doc);
	node_set_text(p->doc, object, "apiVersion", "v1");
	node_set_text(p->doc, object, "kind", kind);
	struct node *metadata = node_ensure_map(p->doc, object, "metadata");
	node_set_text(p->doc, metadata, "name", name);
	node_set_text(p->doc, metadata, "namespace", node_find_text(deployment, "metadata/namespace"));
	node_set_text(p->doc, node_ensure_map(p->doc, metadata, "labels"), STATE_PROBE_LABEL, node_find_text(deployment, "metadata/name"));
	const struct node *owners = node_find(deployment, "metadata/ownerReferences");
	if (owners != NULL)
		node_set(p->doc, metadata, "ownerReferences", node_copy(p->doc, owners));
	return object;
}

/* The configuration as the JobManager would get it, without the files for logging. */
static struct node *config_data(const struct flink_launch *launch, struct doc *doc, struct error *err)
{
	struct node *list = NULL, *data = node_map(doc);
	AUTOFREE char *name = mem_printf("flink-config-%s", launch->name);
	if (!flink_objects_dependents(launch, NULL, doc, &list, err))
		return NULL;
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *object = node_at(list, i);
		if (!str_eq(node_text(node_get(object, "kind")), "ConfigMap") || !str_eq(node_find_text(object, "metadata/name"), name))
			continue;
		const struct node *files = node_get(object, "data");
		for (size_t j = 0; j < node_count(files); j++)
			if (str_ends(node_key_at(files, j), ".yaml"))
				node_set_text(doc, data, node_key_at(files, j), node_text(node_value_at(files, j)));
	}
	node_set_text(doc, data, "WeirProbe.java", program);
	return data;
}

/* The last parts of a path, without the slash before them; NULL if it has fewer. */
static const char *last_parts(const char *path, int count)
{
	const char *at = path + strlen(path);
	for (int slashes = 0; at > path; at--)
		if (at[-1] == '/' && ++slashes == count)
			return at;
	return NULL;
}

/* How a directory of HA storage is cleaned up; NULL: it is none. */
static const char *clean_question(const char *path)
{
	const char *launch = last_parts(path, 3);
	const char *name = last_parts(path, 1);
	if (launch != NULL && state_remains_of(launch) == REMAINS_RESULTS)
		return "clean_results";
	bool below = name != NULL && strstr(path, "://") + strlen("://") < name; /* and not the authority itself */
	return below && state_remains_of(name) == REMAINS_HA ? "clean_ha" : NULL;
}

bool state_probe_build(const struct flink_launch *launch, enum state_question question, const char *path, struct doc *doc,
		       struct node **configmap, struct node **pod, struct error *err)
{
	AUTOFREE char *normal = NULL;
	struct node *deployment = NULL;
	if (!state_path_normal(path, &normal, err) || !flink_objects_jobmanager(launch, doc, &deployment, err))
		return false;
	if (strstr(normal, "$(") != NULL)
		return error_set(err, ERROR_UNSUPPORTED, "%.300s: a probe pod cannot be asked for a path with $(", normal);
	/* Flink's own spelling again: a file system may know only one of s3, s3a and s3p */
	struct probe p = { .doc = doc, .path = str_starts(normal, "file://") ? normal : path };
	p.question = question == STATE_LIST ? "list" : question == STATE_CLEAN ? clean_question(normal) : "look";
	p.writes = question == STATE_CLEAN;
	if (p.question == NULL)
		return error_set(err, ERROR_INVALID, "%.300s is not what a cluster leaves in its HA storage", normal);
	AUTOFREE char *shorter = mem_strdup(p.path);
	if (question == STATE_LOOK && str_ends(shorter, "/_metadata"))
		shorter[strlen(shorter) - strlen("/_metadata")] = '\0';
	p.path = shorter;
	p.template_spec = node_find(deployment, "spec/template/spec");
	p.main = named_in(node_get(p.template_spec, "containers"), FLINK_MAIN_CONTAINER);
	if (!find_root(&p, err))
		return false;
	struct node *data = config_data(launch, doc, err);
	if (data == NULL)
		return false;
	struct node *spec = build_pod_spec(&p);
	AUTOBUF content = BUF_INIT;
	node_to_json(spec, &content, JSON_SORTED);
	node_to_json(data, &content, JSON_SORTED);
	char digest[SHA256_HEX_MAX];
	sha256_hex(content.data, content.len, digest);
	AUTOFREE char *name = mem_printf("%s-state-%.8s", launch->name, digest);
	struct node *volume = node_map(doc);
	node_set_text(doc, volume, "name", VOLUME);
	node_set_text(doc, node_ensure_map(doc, volume, "configMap"), "name", name);
	node_append(doc, list_in(doc, spec, "volumes"), volume);
	*configmap = build_object(&p, deployment, "ConfigMap", name);
	node_set(doc, *configmap, "data", data);
	*pod = build_object(&p, deployment, "Pod", name);
	put_users_metadata(&p, deployment, node_get(*pod, "metadata"));
	node_set(doc, *pod, "spec", spec);
	return true;
}

/* ---- its answer ---- */

static void read_message(const char *text, enum state_question question, struct state_listing *out)
{
	AUTOFREE char *copy = mem_strdup(text);
	size_t len = strlen(copy);
	while (len > 0 && copy[len - 1] == '\n')
		copy[--len] = '\0';
	if (len < 2 || strcmp(copy + len - 2, "\n.") != 0) {
		state_listing_set(out, STATE_UNKNOWN, "the probe pod's answer is not whole: %.200s", text);
		return;
	}
	copy[len - 2] = '\0';
	char *rest = NULL;
	const char *first = strtok_r(copy, "\n", &rest);
	if (str_eq(first, "exists")) {
		for (const char *name; question == STATE_LIST && (name = strtok_r(NULL, "\n", &rest)) != NULL;)
			state_listing_add(out, name, strlen(name));
		state_listing_sort(out);
		state_listing_set(out, STATE_EXISTS, "%s", "");
	} else if (str_eq(first, "absent")) {
		state_listing_set(out, STATE_ABSENT, "the probe pod did not find it");
	} else {
		state_listing_set(out, STATE_UNKNOWN, "the probe pod: %.400s",
				  first != NULL && str_starts(first, "unknown ") ? first + strlen("unknown ") : text);
	}
}

enum state_probe_step state_probe_read(const struct node *pod, enum state_question question, int64_t age_ms, struct state_listing *out)
{
	*out = (struct state_listing){ 0 };
	if (pod == NULL && age_ms < 0)
		return PROBE_CREATE;
	const struct node *container = named_in(node_find(pod, "status/containerStatuses"), CONTAINER);
	const struct node *ended = node_find(container, "state/terminated");
	const char *waiting = node_find_text(container, "state/waiting/reason");
	const char *phase = node_text_or(node_find(pod, "status/phase"), "Pending");
	if (pod == NULL) {
		state_listing_set(out, STATE_UNKNOWN, "the probe pod vanished");
	} else if (ended != NULL && node_integer(node_get(ended, "exitCode"), -1) == 0) {
		read_message(node_text_or(node_get(ended, "message"), ""), question, out);
	} else if (ended != NULL) {
		state_listing_set(out, STATE_UNKNOWN, "the probe pod ended with %lld %s: %.300s",
				  (long long)node_integer(node_get(ended, "exitCode"), -1), node_text_or(node_get(ended, "reason"), ""),
				  node_text_or(node_get(ended, "message"), ""));
	} else if (strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0) {
		state_listing_set(out, STATE_UNKNOWN, "the probe pod was ended: %.300s",
				  node_text_or(node_find(pod, "status/reason"), phase));
	} else if (str_eq(waiting, "ErrImagePull") || str_eq(waiting, "ImagePullBackOff") || str_eq(waiting, "InvalidImageName") ||
		   str_eq(waiting, "CreateContainerConfigError")) {
		state_listing_set(out, STATE_UNKNOWN, "the probe pod does not start: %s: %.300s", waiting,
				  node_text_or(node_find(container, "state/waiting/message"), ""));
	} else if (age_ms > STATE_PROBE_MAX_MS) {
		state_listing_set(out, STATE_UNKNOWN, "the probe pod did not end within %d s (it is %.40s)", (int)STATE_PROBE_MAX_MS / 1000,
				  phase);
	} else {
		return PROBE_WAIT;
	}
	return PROBE_DONE;
}
