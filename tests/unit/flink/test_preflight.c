#include "flink_test.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flink/preflight.h"

static const char text[] = "flinkVersion: v1_20\n"
			   "image: flink:1.20\n"
			   "serviceAccount: flink\n"
			   "jobManager: {resource: {memory: 2048m, cpu: 1}}\n"
			   "taskManager: {resource: {memory: 2048m, cpu: 1}}\n"
			   "flinkConfiguration: {kubernetes.container.image.pull-secrets: regcred}\n"
			   "job: {jarURI: 'local:///opt/flink/usrlib/a.jar', parallelism: 2}\n"
			   "podTemplate:\n"
			   "  spec:\n"
			   "    nodeSelector: {disk: ssd}\n"
			   "    tolerations: [{key: k, operator: Exists}]\n"
			   "    securityContext: {runAsUser: 9999}\n"
			   "    initContainers: [{name: fetch, image: busybox}]\n"
			   "    containers:\n"
			   "    - name: flink-main-container\n"
			   "      env: [{name: A, value: b}]\n"
			   "      volumeMounts: [{name: data, mountPath: /data/}, {name: conf, mountPath: /extra}]\n"
			   "    - {name: sidecar, image: x}\n"
			   "    volumes: [{name: data, persistentVolumeClaim: {claimName: c}}, {name: conf, configMap: {name: c}}]\n";

static struct node *build(struct doc *doc, const struct doc *spec, const char *job_id, int64_t generation, struct node **map)
{
	struct flink_launch launch = { .spec = doc_root(spec), .name = "orders", .ns = "shop", .uid = "u-1" };
	launch.generation = generation;
	launch.job_id = job_id;
	struct flink_preflight made;
	struct error err = ERROR_INIT;
	if (!flink_preflight_build(&launch, doc, &made, &err))
		fail_msg("%s", err.message);
	*map = made.configmap;
	return made.pods[FLINK_PREFLIGHT_JOBMANAGER];
}

static struct flink_preflight build_all(struct doc *doc, const char *yaml, struct node **objects)
{
	struct doc *spec = parse(yaml);
	struct flink_launch launch = { .spec = doc_root(spec), .name = "orders", .ns = "shop", .uid = "u-1" };
	struct flink_preflight made;
	struct error err = ERROR_INIT;
	if (!flink_preflight_build(&launch, doc, &made, &err) || (objects != NULL && !flink_preflight_objects(&launch, doc, objects, &err)))
		fail_msg("%s", err.message);
	doc_free(spec);
	return made;
}

static const char *env_of(const struct node *pod, const char *name)
{
	const struct node *env = node_find(pod, "spec/containers/0/env");
	for (size_t i = 0; i < node_count(env); i++)
		if (str_eq(node_text(node_get(node_at(env, i), "name")), name))
			return node_text(node_get(node_at(env, i), "value"));
	return NULL;
}

static void stands_in_for_the_jobmanager(void **state)
{
	(void)state;
	AUTODOC *spec = parse(text), *doc = doc_new();
	struct node *map = NULL, *pod = build(doc, spec, "01", 1, &map);
	const char *name = node_find_text(pod, "metadata/name");
	assert_true(str_starts(name, "orders-preflight-"));
	assert_int_equal(strlen(name), strlen("orders-preflight-") + 8);
	assert_string_equal(node_find_text(map, "metadata/name"), name);
	assert_string_equal(node_text(node_get(node_find(pod, "metadata/labels"), FLINK_PREFLIGHT_LABEL)), "orders");
	assert_int_equal(node_count(node_find(pod, "metadata/labels")), 1); /* nothing that Flink's Services would select */
	assert_string_equal(node_find_text(pod, "metadata/ownerReferences/0/uid"), "u-1");
	const struct node *spec_of = node_get(pod, "spec");
	assert_string_equal(node_find_text(spec_of, "serviceAccountName"), "flink");
	assert_string_equal(node_find_text(spec_of, "imagePullSecrets/0/name"), "regcred");
	assert_string_equal(node_find_text(spec_of, "nodeSelector/disk"), "ssd");
	assert_string_equal(node_find_text(spec_of, "tolerations/0/key"), "k");
	assert_int_equal(node_integer(node_find(spec_of, "securityContext/runAsUser"), 0), 9999);
	assert_string_equal(node_find_text(spec_of, "restartPolicy"), "Never");
	assert_int_equal(node_integer(node_get(spec_of, "activeDeadlineSeconds"), 0), 120);
	assert_null(node_get(spec_of, "initContainers"));
	assert_int_equal(node_count(node_get(spec_of, "containers")), 1);
	assert_string_equal(node_find_text(spec_of, "containers/0/image"), "flink:1.20");
	assert_string_equal(env_of(pod, "A"), "b");
	assert_string_equal(env_of(pod, "WEIR_JAR"), "/opt/flink/usrlib/a.jar");
	/* the claim is not mounted a second time */
	assert_int_equal(node_count(node_get(spec_of, "volumes")), 2);
	assert_string_equal(node_find_text(spec_of, "volumes/0/name"), "conf");
	assert_string_equal(node_find_text(spec_of, "volumes/1/configMap/name"), name);
	assert_non_null(strstr(node_text(node_get(node_get(map, "data"), "flink-conf.yaml")), "taskmanager.memory.process.size: 2 gb\n"));
}

static void named_by_content(void **state)
{
	(void)state;
	AUTODOC *spec = parse(text), *doc = doc_new();
	struct node *map = NULL;
	const char *first = node_find_text(build(doc, spec, "01", 1, &map), "metadata/name");
	assert_string_equal(node_find_text(build(doc, spec, "02", 9, &map), "metadata/name"), first);
	node_set_text(spec, doc_root(spec), "image", "flink:1.20.1");
	assert_string_not_equal(node_find_text(build(doc, spec, "01", 1, &map), "metadata/name"), first);
}

/* A session has no jar to look for; image and configuration are checked all the same. */
static void sessions(void **state)
{
	(void)state;
	static const char *const modes[] = { "native", "standalone" };
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		AUTODOC *spec = parse(text), *doc = doc_new();
		(void)node_remove(doc_root(spec), "job");
		node_set_text(spec, doc_root(spec), "mode", modes[i]);
		struct node *map = NULL, *pod = build(doc, spec, NULL, 1, &map);
		assert_null(env_of(pod, "WEIR_JAR"));
		assert_null(env_of(pod, "WEIR_JAR_UNCHECKED"));
		const char *config = node_text(node_get(node_get(map, "data"), "flink-conf.yaml"));
		assert_non_null(
			strstr(config, i == 0 ? "execution.target: kubernetes-session\n" : "kubernetes.internal.cluster-mode: SESSION\n"));
	}
}

static void jars_out_of_sight(void **state)
{
	(void)state;
	static const struct {
		const char *uri;
		bool checked;
	} rows[] = { { "local:///data/a.jar", false },
		     { "s3://bucket/a.jar", false },
		     { "local:///extra/a.jar", true },
		     { "local:///database/a.jar", true } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *spec = parse(text), *doc = doc_new();
		node_set_text(spec, node_get(doc_root(spec), "job"), "jarURI", rows[i].uri);
		struct node *map = NULL, *pod = build(doc, spec, "01", 1, &map);
		assert_int_equal(env_of(pod, "WEIR_JAR") != NULL, rows[i].checked);
		assert_int_equal(env_of(pod, "WEIR_JAR_UNCHECKED") != NULL, !rows[i].checked);
	}
}

/* The second pod goes where the TaskManagers go, and asks for next to nothing. */
static void stands_in_for_the_taskmanagers(void **state)
{
	(void)state;
	AUTODOC *doc = doc_new();
	struct flink_preflight made = build_all(
		doc,
		"flinkVersion: v1_20\nimage: flink:1.20\nserviceAccount: flink\njobManager: {resource: {memory: 2048m, cpu: 1}}\n"
		"taskManager:\n  resource: {memory: 2048m, cpu: 1}\n  podTemplate:\n    spec:\n"
		"      nodeSelector: {pool: tasks}\n      tolerations: [{key: tasks, operator: Exists}]\n      affinity: {nodeAffinity: "
		"{}}\n"
		"      containers: [{name: flink-main-container, env: [{name: A, value: b}], volumeMounts: [{name: v, mountPath: /v}]}]\n"
		"      volumes: [{name: v, emptyDir: {}}]\n"
		"flinkConfiguration: {kubernetes.container.image.pull-secrets: regcred, kubernetes.taskmanager.node-selector: "
		"'disk:ssd'}\n",
		NULL);
	const struct node *pod = made.pods[FLINK_PREFLIGHT_TASKMANAGER];
	const char *name = node_find_text(made.pods[FLINK_PREFLIGHT_JOBMANAGER], "metadata/name");
	AUTOFREE char *expected = mem_printf("%s-tm", name);
	assert_string_equal(node_find_text(pod, "metadata/name"), expected);
	assert_string_equal(node_text(node_get(node_find(pod, "metadata/labels"), FLINK_PREFLIGHT_LABEL)), "orders");
	assert_string_equal(node_find_text(pod, "metadata/ownerReferences/0/uid"), "u-1");
	const struct node *spec = node_get(pod, "spec");
	assert_string_equal(node_find_text(spec, "nodeSelector/pool"), "tasks");
	assert_string_equal(node_find_text(spec, "nodeSelector/disk"), "ssd");
	assert_string_equal(node_find_text(spec, "tolerations/0/key"), "tasks");
	assert_non_null(node_find(spec, "affinity/nodeAffinity"));
	assert_string_equal(node_find_text(spec, "imagePullSecrets/0/name"), "regcred");
	assert_string_equal(node_find_text(spec, "containers/0/image"), "flink:1.20");
	assert_null(node_get(spec, "volumes"));
	assert_null(node_find(spec, "containers/0/env"));
	assert_null(node_find(made.pods[FLINK_PREFLIGHT_JOBMANAGER], "spec/nodeSelector"));
}

/* A quota may demand any of these; none is zero. */
static void every_amount_is_set(void **state)
{
	(void)state;
	AUTODOC *doc = doc_new();
	struct flink_preflight made = build_all(doc, text, NULL);
	static const char *const names[] = { "requests/cpu", "requests/memory", "requests/ephemeral-storage",
					     "limits/cpu",   "limits/memory",	"limits/ephemeral-storage" };
	for (size_t i = 0; i < FLINK_PREFLIGHT_PODS; i++) {
		const struct node *containers = node_find(made.pods[i], "spec/containers");
		for (size_t k = 0; k < node_count(containers); k++)
			for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
				const char *amount = node_find_text(node_get(node_at(containers, k), "resources"), names[n]);
				assert_true(amount != NULL && amount[0] != '0');
			}
	}
}

#define SECURE(pod, container)                                                                                       \
	"flinkVersion: v1_20\nimage: flink:1.20\njobManager: {resource: {memory: 2048m, cpu: 1}}\n"                  \
	"taskManager: {resource: {memory: 2048m, cpu: 1}}\njob: {jarURI: 'local:///a.jar'}\npodTemplate:\n  spec:\n" \
	"    securityContext: " pod "\n    containers: [{name: flink-main-container, securityContext: " container "}]\n"

/* What the template leaves open is filled in as Pod Security "restricted" demands, but for the user that the image brings. */
static void security(void **state)
{
	(void)state;
	static const struct {
		const char *spec, *escalation, *drop, *seccomp, *no_root;
		int user; /* -1: left to the image or the pod */
	} rows[] = {
		{ SECURE("{}", "{}"), "false", NULL, "RuntimeDefault", NULL, -1 },
		{ SECURE("{runAsNonRoot: true}", "{}"), "false", "ALL", "RuntimeDefault", NULL, -1 },
		{ SECURE("{runAsUser: 9999}", "{}"), "false", "ALL", "RuntimeDefault", "true", -1 },
		{ SECURE("{}", "{runAsUser: 9999}"), "false", "ALL", "RuntimeDefault", "true", 9999 },
		{ SECURE("{runAsUser: 9999}", "{runAsUser: 0}"), "false", NULL, "RuntimeDefault", NULL, 0 },
		{ SECURE("{runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}", "{capabilities: {drop: [NET_RAW]}}"), "false",
		  "NET_RAW", NULL, NULL, -1 },
		{ SECURE("{}", "{privileged: true}"), NULL, NULL, NULL, NULL, -1 },
		{ SECURE("{}", "{capabilities: {add: [SYS_ADMIN]}}"), NULL, NULL, "RuntimeDefault", NULL, -1 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *doc = doc_new();
		struct flink_preflight made = build_all(doc, rows[i].spec, NULL);
		for (size_t k = 0; k < FLINK_PREFLIGHT_PODS; k++) {
			const struct node *own = node_find(made.pods[k], "spec/containers/0/securityContext");
			const struct node *escalation = node_get(own, "allowPrivilegeEscalation"), *no_root = node_get(own, "runAsNonRoot");
			assert_int_equal(escalation != NULL, rows[i].escalation != NULL);
			assert_false(node_truth(escalation, false));
			assert_int_equal(node_truth(no_root, false), rows[i].no_root != NULL);
			assert_true(str_eq(node_find_text(own, "capabilities/drop/0"), rows[i].drop) ||
				    (rows[i].drop == NULL && node_find(own, "capabilities/drop/0") == NULL));
			assert_true(str_eq(node_find_text(own, "seccompProfile/type"), rows[i].seccomp) ||
				    (rows[i].seccomp == NULL && node_get(own, "seccompProfile") == NULL));
			assert_int_equal(node_integer(node_get(own, "runAsUser"), -1), rows[i].user);
		}
	}
}

static void asks_java_without_a_shell(void **state)
{
	(void)state;
	AUTODOC *doc = doc_new();
	struct flink_preflight made = build_all(doc, text, NULL);
	const struct node *spec = node_get(made.pods[FLINK_PREFLIGHT_JAVA], "spec");
	assert_int_equal(node_count(node_get(spec, "containers")), 3);
	static const char *const asked[] = { "GET_JM_RESOURCE_PARAMS", "GET_TM_RESOURCE_PARAMS" };
	for (unsigned i = 0; i < 2; i++) {
		const struct node *c = node_at(node_get(spec, "containers"), i);
		assert_string_equal(node_find_text(c, "command/0"), "java");
		assert_string_equal(node_find_text(c, "command/3"), "/opt/flink/bin/bash-java-utils.jar:/opt/flink/lib/*");
		assert_string_equal(node_find_text(c, "command/5"), asked[i]);
		assert_string_equal(node_find_text(c, "terminationMessagePolicy"), "FallbackToLogsOnError");
	}
	assert_string_equal(node_find_text(spec, "containers/2/command/2"), "-javaagent:/opt/flink/usrlib/a.jar");
	assert_string_equal(node_find_text(spec, "volumes/1/configMap/name"), node_find_text(made.configmap, "metadata/name"));
}

/* What the API server is asked about: pods as their controllers would make them, and every object of a launch. */
static void objects_for_a_dry_run(void **state)
{
	(void)state;
	static const struct {
		const char *mode, *kinds;
	} rows[] = { { "native", "Pod Pod Deployment Service Service ConfigMap ConfigMap Ingress " },
		     { "standalone", "Pod Pod Deployment Service Service ConfigMap Deployment Ingress " } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *doc = doc_new();
		struct node *objects = NULL;
		AUTOFREE char *yaml = mem_printf("%smode: %s\ningress: {template: 'x.example.org'}\n", text, rows[i].mode);
		(void)build_all(doc, yaml, &objects);
		AUTOBUF kinds = BUF_INIT;
		for (size_t k = 0; k < node_count(objects); k++)
			buf_printf(&kinds, "%s ", node_find_text(node_at(objects, k), "kind"));
		assert_string_equal(buf_text(&kinds), rows[i].kinds);
		const struct node *pod = node_at(objects, 0);
		assert_string_equal(node_find_text(pod, "metadata/labels/component"), "jobmanager");
		assert_null(node_get(node_find(pod, "metadata/labels"), FLINK_PREFLIGHT_LABEL));
		assert_int_equal(node_count(node_find(pod, "spec/containers")), 2);
		assert_int_equal(node_count(node_find(pod, "spec/initContainers")), 1);
		assert_string_equal(node_find_text(node_at(objects, 1), "spec/containers/1/resources/limits/memory"), "2Gi");
	}
}

/* ---- what a pod's status says ---- */

#define ENDED(name, code, reason, message) \
	"{name: " name ", state: {terminated: {exitCode: " code ", reason: " reason ", message: \"" message "\"}}}"
#define PASSED(name)  "{name: " name ", state: {terminated: {exitCode: 0, reason: Completed}}}"
#define POD(statuses) "spec: {containers: [{name: preflight}]}\nstatus: {phase: Pending, containerStatuses: [" statuses "]}\n"
#define JAVA(statuses) \
	"spec: {containers: [{name: jobmanager}, {name: jar}]}\nstatus: {phase: Pending, containerStatuses: [" statuses "]}\n"
#define WAITS(reason, message) POD("{name: preflight, state: {waiting: {reason: " reason ", message: \"" message "\"}}}")

static void reads_a_status(void **state)
{
	(void)state;
	static const struct {
		enum flink_preflight_pod pod;
		const char *yaml;
		enum flink_preflight_state state;
		const char *reason;
	} rows[] = {
		{ 0, "spec: {containers: [{name: preflight}]}\n", FLINK_PREFLIGHT_RUNNING, "" },
		{ 0, "status: {conditions: [{type: PodScheduled, status: 'False', message: 0/3 nodes are available}]}\n",
		  FLINK_PREFLIGHT_RUNNING, "0/3 nodes" },
		{ 0, "status: {phase: Failed, reason: Evicted}\n", FLINK_PREFLIGHT_UNCHECKED, "Evicted" },
		{ 0,
		  "spec: {containers: [{name: preflight}]}\nstatus: {phase: Failed, reason: DeadlineExceeded, containerStatuses: "
		  "[{name: preflight, state: {waiting: {reason: ContainerCreating}}}]}\n",
		  FLINK_PREFLIGHT_UNCHECKED, "DeadlineExceeded" },
		{ 0, WAITS("ContainerCreating", ""), FLINK_PREFLIGHT_RUNNING, "" },
		{ 0, WAITS("ImagePullBackOff", "Back-off pulling image x"), FLINK_PREFLIGHT_FAILED, "Back-off pulling image x" },
		{ 0, WAITS("InvalidImageName", ""), FLINK_PREFLIGHT_FAILED, "InvalidImageName" },
		{ 0, WAITS("CreateContainerConfigError", "secret db not found"), FLINK_PREFLIGHT_RUNNING, "secret db not found" },
		{ 0, WAITS("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"), FLINK_PREFLIGHT_FAILED,
		  "will run as root" },
		{ 0, WAITS("RunContainerError", "exec: sh: executable file not found in $PATH"), FLINK_PREFLIGHT_NO_PROGRAM, "" },
		{ 0, POD("{name: preflight, state: {running: {}}}"), FLINK_PREFLIGHT_RUNNING, "" },
		{ 0, POD(PASSED("preflight")), FLINK_PREFLIGHT_PASSED, "" },
		{ 0, POD(ENDED("preflight", "10", "Error", "jar /a.jar is not a readable file")), FLINK_PREFLIGHT_FAILED, "jar /a.jar" },
		{ 0, POD(ENDED("preflight", "11", "Error", "Flink refuses: one\\n\\ntwo\\n")), FLINK_PREFLIGHT_FAILED, "one | two" },
		{ 0, POD(ENDED("preflight", "12", "Error", "no java in the image")), FLINK_PREFLIGHT_UNCHECKED, "no java" },
		{ 0, POD(ENDED("preflight", "137", "OOMKilled", "")), FLINK_PREFLIGHT_UNCHECKED, "code 137" },
		{ 0, POD(ENDED("preflight", "127", "Error", "")), FLINK_PREFLIGHT_NO_PROGRAM, "" },
		{ 0, POD(ENDED("preflight", "128", "StartError", "exec: sh: no such file or directory")), FLINK_PREFLIGHT_NO_PROGRAM, "" },
		{ 0, POD(ENDED("preflight", "128", "StartError", "cgroup trouble")), FLINK_PREFLIGHT_UNCHECKED, "cgroup trouble" },
		{ 1, POD(ENDED("preflight", "255", "Error", "exec /bin/sh: exec format error")), FLINK_PREFLIGHT_FAILED,
		  "kind of processor" },
		{ 0,
		  "spec: {containers: [{name: added}, {name: preflight}]}\nstatus: {phase: Running, containerStatuses: ["
		  "{name: added, state: {running: {}}}, " PASSED("preflight") "]}\n",
		  FLINK_PREFLIGHT_PASSED, "" },
		{ 2, JAVA(PASSED("jobmanager") "," PASSED("jar")), FLINK_PREFLIGHT_PASSED, "" },
		{ 2, JAVA(PASSED("jobmanager")), FLINK_PREFLIGHT_RUNNING, "" },
		{ 2, JAVA(PASSED("jobmanager") "," ENDED("jar", "1", "Error", "Failed to find Premain-Class manifest attribute in /a.jar")),
		  FLINK_PREFLIGHT_PASSED, "" },
		{ 2,
		  JAVA(PASSED("jobmanager") "," ENDED("jar", "1", "Error", "x\\nError opening zip file or JAR manifest missing : /a.jar")),
		  FLINK_PREFLIGHT_FAILED, "missing : /a.jar" },
		{ 2,
		  JAVA(ENDED("jobmanager", "1", "Error",
			     "\\tat a.b\\nCaused by: IllegalConfigurationException: sum exceeds\\n\\tat c") "," PASSED("jar")),
		  FLINK_PREFLIGHT_FAILED, "refuses the configuration: Caused by: IllegalConfigurationException: sum exceeds" },
		{ 2, JAVA(ENDED("jobmanager", "1", "Error", "Error: Could not find or load main class X\\nCaused by: y") "," PASSED("jar")),
		  FLINK_PREFLIGHT_UNCHECKED, "could not be checked" },
		{ 2, JAVA(ENDED("jobmanager", "128", "StartError", "exec: java: executable file not found in $PATH") "," PASSED("jar")),
		  FLINK_PREFLIGHT_NO_PROGRAM, "" },
		{ 2,
		  "spec: {containers: [{name: jobmanager, env: [{name: WEIR_JAR_UNCHECKED, value: it is elsewhere}]}]}\n"
		  "status: {containerStatuses: [" PASSED("jobmanager") "]}\n",
		  FLINK_PREFLIGHT_UNCHECKED, "it is elsewhere" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *pod = parse(rows[i].yaml);
		AUTOBUF reason = BUF_INIT;
		enum flink_preflight_state seen = flink_preflight_read(rows[i].pod, doc_root(pod), &reason);
		if (seen != rows[i].state || strstr(buf_text(&reason), rows[i].reason) == NULL)
			fail_msg("row %zu: state %d, not %d, \"%s\"", i, seen, rows[i].state, buf_text(&reason));
	}
}

/* ---- the script, run by a shell beside a Flink that is a few empty files and a `java` of our own ---- */

struct stage {
	char dir[64];
	char *script;
};

static void write_file(const struct stage *s, const char *name, const char *content, mode_t mode)
{
	AUTOFREE char *path = mem_printf("%s/%s", s->dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs(content, file);
	(void)fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void make_dir(const struct stage *s, const char *name)
{
	AUTOFREE char *path = mem_printf("%s/%s", s->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int run(const struct stage *s, const char *jar, const char *unchecked)
{
	AUTOFREE char *home = mem_printf("FLINK_HOME=%s", s->dir), *java = mem_printf("JAVA_HOME=%s/jdk", s->dir);
	AUTOFREE char *jar_env = mem_printf("WEIR_JAR=%s", jar), *unchecked_env = mem_printf("WEIR_JAR_UNCHECKED=%s", unchecked);
	char path_env[] = "PATH=/usr/bin:/bin", sh[] = "sh", c[] = "-c";
	char *args[] = { sh, c, s->script, NULL }, *env[] = { home, java, jar_env, unchecked_env, path_env, NULL };
	posix_spawn_file_actions_t actions;
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	(void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	pid_t pid;
	assert_int_equal(posix_spawn(&pid, "/bin/sh", &actions, NULL, args, env), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_reason(const struct stage *s, const char *part)
{
	AUTOFREE char *path = mem_printf("%s/reason", s->dir);
	char reason[4096] = "";
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t n = fread(reason, 1, sizeof(reason) - 1, file);
	(void)fclose(file);
	assert_true(n <= 2000);
	if (strstr(reason, part) == NULL)
		fail_msg("expected \"%s\" in \"%s\"", part, reason);
}

static void clean_up(const struct stage *s)
{
	static const char *const names[] = {
		"reason", "a.jar", "jdk/bin/java", "jdk/bin", "jdk", "lib/flink-dist-1.20.jar", "lib", "bin/bash-java-utils.jar", "bin"
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTOFREE char *path = mem_printf("%s/%s", s->dir, names[i]);
		(void)remove(path);
	}
	(void)remove(s->dir);
}

static void script_decides(void **state)
{
	(void)state;
	AUTODOC *spec = parse(text), *doc = doc_new();
	struct node *map = NULL, *pod = build(doc, spec, "01", 1, &map);
	const char *script = node_find_text(pod, "spec/containers/0/command/2"), *log = strstr(script, "/dev/termination-log");
	assert_non_null(log);
	struct stage s = { .dir = "/tmp/weir-preflight-XXXXXX" };
	assert_non_null(mkdtemp(s.dir));
	AUTOFREE char *adapted = mem_printf("%.*s%s/reason%s", (int)(log - script), script, s.dir, log + strlen("/dev/termination-log"));
	s.script = adapted;
	AUTOFREE char *jar = mem_printf("%s/a.jar", s.dir);

	assert_int_equal(run(&s, jar, ""), FLINK_PREFLIGHT_EXIT_JAR_UNREADABLE);
	assert_reason(&s, "a.jar is not a readable file");
	write_file(&s, "a.jar", "", 0600);
	assert_int_equal(run(&s, jar, ""), FLINK_PREFLIGHT_EXIT_NOT_CHECKED);
	assert_reason(&s, "no Flink in");
	make_dir(&s, "lib");
	write_file(&s, "lib/flink-dist-1.20.jar", "", 0600);
	make_dir(&s, "bin");
	write_file(&s, "bin/bash-java-utils.jar", "", 0600);
	make_dir(&s, "jdk");
	make_dir(&s, "jdk/bin");
	static const struct {
		const char *java, *unchecked, *reason;
		int code;
	} rows[] = {
		{ "echo BASH_JAVA_UTILS_EXEC_RESULT:-Xmx1g", "", "passed", FLINK_PREFLIGHT_EXIT_PASSED },
		{ "echo BASH_JAVA_UTILS_EXEC_RESULT:-Xmx1g", "the jar is elsewhere", "elsewhere", FLINK_PREFLIGHT_EXIT_NOT_CHECKED },
		{ "echo hello", "", "no result", FLINK_PREFLIGHT_EXIT_NOT_CHECKED },
		{ "echo 'Exception in thread main IllegalConfigurationException: sum exceeds total'; exit 1", "", "sum exceeds total",
		  FLINK_PREFLIGHT_EXIT_CONFIG_REFUSED },
		{ "case $* in *GET_TM*) echo 'Exception: too small for a TaskManager'; exit 1 ;; esac; echo BASH_JAVA_UTILS_EXEC_RESULT:x",
		  "", "too small for a TaskManager", FLINK_PREFLIGHT_EXIT_CONFIG_REFUSED },
		{ "echo 'Exception: bad'; exit 1", "the jar is elsewhere", "refuses", FLINK_PREFLIGHT_EXIT_CONFIG_REFUSED },
		{ "echo 'Error: Could not find or load main class X'; exit 1", "", "could not be checked",
		  FLINK_PREFLIGHT_EXIT_NOT_CHECKED },
		{ "kill -9 $$", "", "code 137", FLINK_PREFLIGHT_EXIT_NOT_CHECKED },
		{ "i=0; while [ $i -lt 60 ]; do echo \"Exception $i: a line that is long enough to be cut off at some point, after many of "
		  "its kind\"; "
		  "i=$((i+1)); done; exit 1",
		  "", "Exception 4", FLINK_PREFLIGHT_EXIT_CONFIG_REFUSED },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTOFREE char *java = mem_printf("#!/bin/sh\n%s\n", rows[i].java);
		write_file(&s, "jdk/bin/java", java, 0700);
		assert_int_equal(run(&s, rows[i].unchecked[0] != '\0' ? "" : jar, rows[i].unchecked), rows[i].code);
		assert_reason(&s, rows[i].reason);
	}
	clean_up(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stands_in_for_the_jobmanager),
					    cmocka_unit_test(named_by_content),
					    cmocka_unit_test(jars_out_of_sight),
					    cmocka_unit_test(sessions),
					    cmocka_unit_test(script_decides),
					    cmocka_unit_test(stands_in_for_the_taskmanagers),
					    cmocka_unit_test(every_amount_is_set),
					    cmocka_unit_test(security),
					    cmocka_unit_test(asks_java_without_a_shell),
					    cmocka_unit_test(objects_for_a_dry_run),
					    cmocka_unit_test(reads_a_status) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
