#include "flink_test.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flink/objects.h"

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
	struct node *pod = NULL;
	struct error err = ERROR_INIT;
	if (!flink_preflight_build(&launch, doc, map, &pod, &err))
		fail_msg("%s", err.message);
	return pod;
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
		assert_non_null(strstr(config, i == 0 ? "execution.target: kubernetes-session\n" : "kubernetes.internal.cluster-mode: SESSION\n"));
	}
}

static void jars_out_of_sight(void **state)
{
	(void)state;
	static const struct {
		const char *uri;
		bool checked;
	} rows[] = { { "local:///data/a.jar", false }, { "s3://bucket/a.jar", false }, { "local:///extra/a.jar", true },
		     { "local:///database/a.jar", true } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *spec = parse(text), *doc = doc_new();
		node_set_text(spec, node_get(doc_root(spec), "job"), "jarURI", rows[i].uri);
		struct node *map = NULL, *pod = build(doc, spec, "01", 1, &map);
		assert_int_equal(env_of(pod, "WEIR_JAR") != NULL, rows[i].checked);
		assert_int_equal(env_of(pod, "WEIR_JAR_UNCHECKED") != NULL, !rows[i].checked);
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
	static const char *const names[] = { "reason", "a.jar", "jdk/bin/java", "jdk/bin", "jdk",
					     "lib/flink-dist-1.20.jar", "lib", "bin/bash-java-utils.jar", "bin" };
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

	assert_int_equal(run(&s, jar, ""), FLINK_PREFLIGHT_JAR_UNREADABLE);
	assert_reason(&s, "a.jar is not a readable file");
	write_file(&s, "a.jar", "", 0600);
	assert_int_equal(run(&s, jar, ""), FLINK_PREFLIGHT_NOT_CHECKED);
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
		{ "echo BASH_JAVA_UTILS_EXEC_RESULT:-Xmx1g", "", "passed", FLINK_PREFLIGHT_PASSED },
		{ "echo BASH_JAVA_UTILS_EXEC_RESULT:-Xmx1g", "the jar is elsewhere", "elsewhere", FLINK_PREFLIGHT_NOT_CHECKED },
		{ "echo hello", "", "no result", FLINK_PREFLIGHT_NOT_CHECKED },
		{ "echo 'Exception in thread main IllegalConfigurationException: sum exceeds total'; exit 1", "", "sum exceeds total",
		  FLINK_PREFLIGHT_CONFIG_REFUSED },
		{ "case $* in *GET_TM*) echo 'Exception: too small for a TaskManager'; exit 1 ;; esac; echo BASH_JAVA_UTILS_EXEC_RESULT:x", "",
		  "too small for a TaskManager", FLINK_PREFLIGHT_CONFIG_REFUSED },
		{ "echo 'Exception: bad'; exit 1", "the jar is elsewhere", "refuses", FLINK_PREFLIGHT_CONFIG_REFUSED },
		{ "echo 'Error: Could not find or load main class X'; exit 1", "", "could not be checked", FLINK_PREFLIGHT_NOT_CHECKED },
		{ "kill -9 $$", "", "code 137", FLINK_PREFLIGHT_NOT_CHECKED },
		{ "i=0; while [ $i -lt 60 ]; do echo \"Exception $i: a line that is long enough to be cut off at some point, after many of its kind\"; "
		  "i=$((i+1)); done; exit 1",
		  "", "Exception 4", FLINK_PREFLIGHT_CONFIG_REFUSED },
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(stands_in_for_the_jobmanager), cmocka_unit_test(named_by_content),
					    cmocka_unit_test(jars_out_of_sight), cmocka_unit_test(sessions), cmocka_unit_test(script_decides) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
