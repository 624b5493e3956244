#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/probe.h"

static const char spec_text[] = "flinkVersion: v1_20\n"
				"image: flink:1.20\n"
				"serviceAccount: flink\n"
				"jobManager: {resource: {memory: 2048m, cpu: 1}}\n"
				"taskManager: {resource: {memory: 2048m, cpu: 1}}\n"
				"flinkConfiguration: {kubernetes.container.image.pull-secrets: regcred, fs.azure.account.key: k}\n"
				"job: {jarURI: 'local:///opt/flink/usrlib/a.jar', parallelism: 2}\n"
				"podTemplate:\n"
				"  metadata:\n"
				"    labels: {azure.workload.identity/use: 'true', app: mine}\n"
				"    annotations: {iam.amazonaws.com/role: r}\n"
				"  spec:\n"
				"    nodeSelector: {disk: ssd}\n"
				"    securityContext: {runAsUser: 9999}\n"
				"    initContainers: [{name: fetch, image: busybox}]\n"
				"    containers:\n"
				"    - name: flink-main-container\n"
				"      env: [{name: ENABLE_BUILT_IN_PLUGINS, value: x.jar}]\n"
				"      volumeMounts: [{name: data, mountPath: /data/}, {name: inner, mountPath: /data/tmp}]\n"
				"    - {name: sidecar, image: x}\n"
				"    volumes: [{name: data, persistentVolumeClaim: {claimName: c}}, {name: inner, emptyDir: {}}]\n";

static struct doc *parse(const char *text)
{
	struct error err = ERROR_INIT;
	struct doc *doc = doc_parse_yaml_one(text, strlen(text), "spec", &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

static struct node *build(struct doc *doc, const struct doc *spec, enum state_question question, const char *path, struct node **map)
{
	const struct flink_launch launch = {
		.spec = doc_root(spec), .name = "orders", .ns = "shop", .uid = "u-1", .number = 3, .job_id = "01"
	};
	struct node *pod = NULL, *unused = NULL;
	struct error err = ERROR_INIT;
	if (!state_probe_build(&launch, question, path, doc, map != NULL ? map : &unused, &pod, &err))
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

static void the_pod_stands_in_for_the_job(void **state)
{
	(void)state;
	AUTODOC *spec = parse(spec_text), *doc = doc_new();
	struct node *map = NULL, *pod = build(doc, spec, STATE_LOOK, "abfss://c@a.example/sp/savepoint-1/_metadata", &map);
	const char *name = node_find_text(pod, "metadata/name");
	assert_true(str_starts(name, "orders-state-"));
	assert_string_equal(node_find_text(map, "metadata/name"), name);
	assert_string_equal(node_find_text(pod, "metadata/namespace"), "shop");
	assert_string_equal(node_find_text(pod, "metadata/ownerReferences/0/uid"), "u-1");
	assert_string_equal(node_find_text(map, "metadata/ownerReferences/0/uid"), "u-1");
	const struct node *labels = node_find(pod, "metadata/labels"), *annotations = node_find(pod, "metadata/annotations");
	assert_string_equal(node_text(node_get(labels, STATE_PROBE_LABEL)), "orders");
	assert_string_equal(node_text(node_get(labels, "azure.workload.identity/use")), "true");
	assert_null(node_get(labels, "app"));
	assert_null(node_get(labels, "component"));
	assert_string_equal(node_text(node_get(annotations, "iam.amazonaws.com/role")), "r");
	assert_null(node_get(annotations, "weir.dev/launch"));
	assert_string_equal(node_find_text(pod, "spec/serviceAccountName"), "flink");
	assert_string_equal(node_find_text(pod, "spec/imagePullSecrets/0/name"), "regcred");
	assert_string_equal(node_find_text(pod, "spec/nodeSelector/disk"), "ssd");
	assert_string_equal(node_find_text(pod, "spec/restartPolicy"), "Never");
	assert_int_equal(node_integer(node_find(pod, "spec/activeDeadlineSeconds"), 0), STATE_PROBE_RUN_S);
	assert_null(node_find(pod, "spec/initContainers"));
	assert_int_equal(node_count(node_find(pod, "spec/containers")), 1);
	assert_string_equal(node_find_text(pod, "spec/containers/0/image"), "flink:1.20");
	assert_string_equal(node_find_text(pod, "spec/containers/0/command/0"), "/docker-entrypoint.sh");
	assert_string_equal(env_of(pod, "WEIR_PATH"), "abfss://c@a.example/sp/savepoint-1");
	assert_string_equal(env_of(pod, "WEIR_ROOT"), "");
	assert_string_equal(env_of(pod, "WEIR_QUESTION"), "look");
	assert_string_equal(env_of(pod, "ENABLE_BUILT_IN_PLUGINS"), "x.jar");
	const struct node *volumes = node_find(pod, "spec/volumes"), *mounts = node_find(pod, "spec/containers/0/volumeMounts");
	for (size_t i = 0; i < node_count(volumes); i++)
		assert_string_not_equal(node_find_text(node_at(volumes, i), "name"), "flink-config-volume");
	for (size_t i = 0; i < node_count(mounts); i++)
		assert_true(node_truth(node_get(node_at(mounts, i), "readOnly"), false));
	const struct node *data = node_get(map, "data");
	assert_int_equal(node_count(data), 2);
	assert_non_null(strstr(node_text(node_get(data, "flink-conf.yaml")) != NULL ? node_text(node_get(data, "flink-conf.yaml"))
										    : node_text(node_get(data, "config.yaml")),
			       "fs.azure.account.key"));
	assert_non_null(strstr(node_text(node_get(data, "WeirProbe.java")), "public class WeirProbe"));
	/* another question, another pod */
	assert_string_not_equal(node_find_text(build(doc, spec, STATE_LIST, "gs://b/sp", NULL), "metadata/name"), name);
}

static void files_need_a_volume(void **state)
{
	(void)state;
	AUTODOC *spec = parse(spec_text), *doc = doc_new();
	const struct node *pod = build(doc, spec, STATE_LIST, "file:/data/sp", NULL);
	assert_string_equal(env_of(pod, "WEIR_PATH"), "/data/sp");
	assert_string_equal(env_of(pod, "WEIR_ROOT"), "/data/");
	assert_string_equal(env_of(pod, "WEIR_QUESTION"), "list");
	static const struct {
		const char *path;
		enum error_kind kind;
	} rows[] = {
		{ "file:/elsewhere/savepoint-1", ERROR_UNSUPPORTED },
		{ "file:/database/savepoint-1", ERROR_UNSUPPORTED },
		{ "file:///data/tmp/savepoint-1", ERROR_UNSUPPORTED },
		{ "hdfs:///$(HOME)/savepoint-1", ERROR_UNSUPPORTED },
		{ "savepoint-1", ERROR_INVALID },
		{ "file:/data/../etc", ERROR_INVALID },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct flink_launch launch = { .spec = doc_root(spec), .name = "orders", .ns = "shop" };
		struct node *map = NULL, *none = NULL;
		struct error err = ERROR_INIT;
		assert_false(state_probe_build(&launch, STATE_LOOK, rows[i].path, doc, &map, &none, &err));
		assert_int_equal(err.kind, rows[i].kind);
		assert_null(none);
	}
}

/* ---- its script, run for real ---- */

struct place {
	char dir[64];
	char *root, *bin, *log;
	char *script;
};

static char *replaced(const char *text, const char *what, const char *by)
{
	AUTOBUF out = BUF_INIT;
	for (const char *at; (at = strstr(text, what)) != NULL; text = at + strlen(what)) {
		buf_append(&out, text, (size_t)(at - text));
		buf_puts(&out, by);
	}
	buf_puts(&out, text);
	return buf_take(&out);
}

static void make(const char *root, const char *path, const char *content)
{
	AUTOFREE char *full = mem_printf("%s/%s", root, path);
	for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(full, 0755);
		*slash = '/';
	}
	FILE *out = fopen(full, "we");
	assert_non_null(out);
	(void)fputs(content, out);
	(void)fclose(out);
	assert_int_equal(chmod(full, 0755), 0);
}

static int setup(void **state)
{
	struct place *p = mem_alloc(sizeof *p);
	(void)snprintf(p->dir, sizeof p->dir, "/tmp/weir-probe-XXXXXX");
	if (mkdtemp(p->dir) == NULL)
		return -1;
	p->root = mem_printf("%s/data", p->dir);
	p->bin = mem_printf("%s/bin", p->dir);
	p->log = mem_printf("%s/log", p->dir);
	make(p->dir, "data/sp/savepoint-1/_metadata", "m");
	make(p->dir, "data/sp/savepoint-2/x", "x");
	make(p->dir, "data/sp/savepoint-3/_metadata", "m");
	make(p->dir, "data/sp/odd name/_metadata", "m");
	make(p->dir, "data/empty/savepoint-1/_metadata", "");
	make(p->dir, "data/file", "x");
	AUTODOC *spec = parse(spec_text), *doc = doc_new();
	const struct node *pod = build(doc, spec, STATE_LOOK, "gs://b/sp", NULL);
	p->script = replaced(node_find_text(pod, "spec/containers/0/args/2"), "/dev/termination-log", p->log);
	*state = p;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct place *p = *state;
	int ended = nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	char *const texts[] = { p->root, p->bin, p->log, p->script };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	free(p);
	return ended;
}

/* The pod's answer as the API server would give it; the path is below `root`, or a URI if root is "". */
static struct state_listing ask(const struct place *p, enum state_question question, const char *root, const char *path)
{
	const char *cleaning = strstr(path, "job-result-store") != NULL ? "clean_results" : "clean_ha";
	AUTOFREE char *e_question = mem_printf("WEIR_QUESTION=%s", question == STATE_LIST    ? "list"
								   : question == STATE_CLEAN ? cleaning
											     : "look");
	AUTOFREE char *e_path = *root != '\0' ? mem_printf("WEIR_PATH=%s/%s", root, path) : mem_printf("WEIR_PATH=%s", path);
	AUTOFREE char *e_root = mem_printf("WEIR_ROOT=%s", root);
	AUTOFREE char *e_bin = mem_printf("PATH=%s:%s", p->bin, getenv("PATH"));
	char sh[] = "sh", option[] = "-c", home[] = "FLINK_HOME=/nowhere";
	char *argv[] = { sh, option, p->script, NULL }, *env[] = { e_question, e_path, e_root, e_bin, home, NULL };
	pid_t pid;
	int code = -1;
	(void)unlink(p->log);
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawnp(&pid, sh, &actions, NULL, argv, env), 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &code, 0), pid);
	char text[8192] = "";
	FILE *in = fopen(p->log, "re");
	if (in != NULL) {
		text[fread(text, 1, sizeof text - 1, in)] = '\0';
		(void)fclose(in);
	}
	assert_true(strlen(text) <= 4096);
	AUTODOC *doc = doc_new();
	struct node *pod = node_map(doc), *container = node_map(doc), *list = node_list(doc);
	node_set_text(doc, container, "name", "probe");
	struct node *ended = node_ensure_map(doc, node_ensure_map(doc, container, "state"), "terminated");
	node_set_int(doc, ended, "exitCode", WEXITSTATUS(code));
	node_set_text(doc, ended, "message", text);
	node_append(doc, list, container);
	node_set(doc, node_ensure_map(doc, pod, "status"), "containerStatuses", list);
	struct state_listing out;
	assert_int_equal(state_probe_read(pod, question, 0, &out), PROBE_DONE);
	return out;
}

static void expect(const struct place *p, enum state_question question, const char *root, const char *path, enum state_answer answer,
		   const char *says)
{
	struct state_listing out = ask(p, question, root, path);
	if (out.look.answer != answer || strstr(out.look.why, says) == NULL)
		fail_msg("%s: %s: %s", path, state_answer_name(out.look.answer), out.look.why);
	state_listing_free(&out);
}

static void the_script_looks_at_files(void **state)
{
	const struct place *p = *state;
	expect(p, STATE_LOOK, p->root, "sp/savepoint-1", STATE_EXISTS, "");
	expect(p, STATE_LOOK, p->root, "sp/odd name", STATE_EXISTS, "");
	expect(p, STATE_LOOK, p->root, "sp/savepoint-2", STATE_ABSENT, "");
	expect(p, STATE_LOOK, p->root, "sp/savepoint-9", STATE_ABSENT, "");
	expect(p, STATE_LOOK, p->root, "empty/savepoint-1", STATE_UNKNOWN, "is empty");
	expect(p, STATE_LOOK, p->root, "file/savepoint-1", STATE_UNKNOWN, "Not a directory");
	AUTOFREE char *unmounted = mem_printf("%s/other", p->dir);
	expect(p, STATE_LOOK, unmounted, "savepoint-1", STATE_UNKNOWN, "empty or not readable");
	struct state_listing out = ask(p, STATE_LIST, p->root, "sp");
	assert_int_equal(out.look.answer, STATE_EXISTS);
	assert_int_equal(out.count, 3);
	assert_string_equal(out.names[0], "odd name");
	assert_string_equal(out.names[1], "savepoint-1");
	assert_string_equal(out.names[2], "savepoint-3");
	state_listing_free(&out);
	expect(p, STATE_LIST, p->root, "none", STATE_ABSENT, "");
	expect(p, STATE_LIST, p->root, "empty", STATE_UNKNOWN, "is empty");
	expect(p, STATE_LIST, p->root, "file", STATE_UNKNOWN, "no regular file");
	for (int i = 0; i < 60; i++) {
		AUTOFREE char *path = mem_printf("data/many/%0100d/_metadata", i);
		make(p->dir, path, "m");
	}
	expect(p, STATE_LIST, p->root, "many", STATE_UNKNOWN, "too many names");
}

#define LAUNCH "ha/job-result-store/orders/0123456789abcdef0123456789abcdef-"

static bool there(const struct place *p, const char *path)
{
	AUTOFREE char *full = mem_printf("%s/%s", p->root, path);
	return access(full, F_OK) == 0;
}

static void the_script_cleans_up(void **state)
{
	const struct place *p = *state;
	make(p->root, LAUNCH "1/0123456789abcdef0123456789abcdef.json", "{}");
	make(p->root, LAUNCH "2/0123456789abcdef0123456789abcdef_DIRTY.json", "{}");
	make(p->root, LAUNCH "2/chk-1", "x");
	make(p->root, "ha/orders/submittedJobGraph12ab", "x");
	make(p->root, "ha/orders/blob/job_1/blob_p", "x");
	make(p->root, "ha/kept/completedCheckpoint12ab", "x");
	make(p->root, "ha/kept/savepoint-1/_metadata", "x");
	make(p->root, "ha/kept/completedCheckpoint12ab.bak", "x");
	AUTOFREE char *link = mem_printf("%s/ha/linked", p->root);
	assert_int_equal(symlink("kept", link), 0);
	expect(p, STATE_CLEAN, p->root, LAUNCH "1", STATE_EXISTS, "");
	assert_false(there(p, LAUNCH "1"));
	expect(p, STATE_CLEAN, p->root, LAUNCH "2", STATE_EXISTS, "");
	assert_false(there(p, LAUNCH "2/0123456789abcdef0123456789abcdef_DIRTY.json"));
	assert_true(there(p, LAUNCH "2/chk-1"));
	expect(p, STATE_CLEAN, p->root, LAUNCH "3", STATE_ABSENT, "");
	expect(p, STATE_CLEAN, p->root, "ha/linked", STATE_UNKNOWN, "");
	assert_true(there(p, "ha/kept/completedCheckpoint12ab"));
	expect(p, STATE_CLEAN, p->root, "ha/orders", STATE_EXISTS, "");
	assert_false(there(p, "ha/orders"));
	expect(p, STATE_CLEAN, p->root, "ha/kept", STATE_EXISTS, "");
	assert_false(there(p, "ha/kept/completedCheckpoint12ab"));
	assert_true(there(p, "ha/kept/savepoint-1/_metadata"));
	assert_true(there(p, "ha/kept/completedCheckpoint12ab.bak"));
	AUTOFREE char *unmounted = mem_printf("%s/other", p->dir);
	expect(p, STATE_CLEAN, unmounted, "orders", STATE_UNKNOWN, "empty or not readable");
}

/* Which pod is made for cleaning up, and which directory is none of its business. */
static void a_cleaning_pod_may_write(void **state)
{
	(void)state;
	AUTODOC *spec = parse(spec_text), *doc = doc_new();
	static const char *const rows[][2] = { { "file:/data/" LAUNCH "4", "clean_results" }, { "gs://b/ha/orders", "clean_ha" } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(env_of(build(doc, spec, STATE_CLEAN, rows[i][0], NULL), "WEIR_QUESTION"), rows[i][1]);
	const struct node *mounts =
		node_find(build(doc, spec, STATE_CLEAN, "file:/data/ha/orders", NULL), "spec/containers/0/volumeMounts");
	for (size_t i = 0; i < node_count(mounts); i++)
		if (str_eq(node_find_text(node_at(mounts, i), "name"), "data"))
			assert_null(node_get(node_at(mounts, i), "readOnly"));
	static const char *const refused[] = { "gs://b/ha/job-result-store", "gs://b/ha/Orders", "gs://b" };
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct flink_launch launch = { .spec = doc_root(spec), .name = "orders", .ns = "shop" };
		struct node *map = NULL, *none = NULL;
		struct error err = ERROR_INIT;
		if (state_probe_build(&launch, STATE_CLEAN, refused[i], doc, &map, &none, &err))
			fail_msg("%s is cleaned up", refused[i]);
		assert_int_equal(err.kind, ERROR_INVALID);
	}
}

static void the_script_asks_flink_for_the_rest(void **state)
{
	const struct place *p = *state;
	make(p->dir, "bin/java", "#!/bin/sh\necho noise; echo; echo 'WEIR_PROBE exists'; echo 'WEIR_PROBE savepoint-1'\n");
	expect(p, STATE_LOOK, "", "gs://b/savepoint-1", STATE_EXISTS, "");
	struct state_listing out = ask(p, STATE_LIST, "", "gs://b");
	assert_int_equal(out.count, 1);
	state_listing_free(&out);
	make(p->dir, "bin/java", "#!/bin/sh\necho WEIR_PROBE absent; echo 'log line exists'\n");
	expect(p, STATE_LOOK, "", "gs://b/savepoint-1", STATE_ABSENT, "");
	make(p->dir, "bin/java", "#!/bin/sh\necho 'WEIR_PROBE unknown java.net.UnknownHostException: x'\n");
	expect(p, STATE_LOOK, "", "gs://b/savepoint-1", STATE_UNKNOWN, "UnknownHostException: x");
	make(p->dir, "bin/java", "#!/bin/sh\necho 'Error: Could not find or load main class org.codehaus.janino.SimpleCompiler'\nexit 1\n");
	expect(p, STATE_LOOK, "", "gs://b/savepoint-1", STATE_UNKNOWN, "nothing to look with");
	make(p->dir, "bin/java",
	     "#!/bin/sh\ncase \"$*\" in *janino*) echo 'Could not find or load main class org.codehaus.janino.SimpleCompiler' >&2; exit 1 "
	     ";;\n"
	     "*WeirProbe.java*) echo WEIR_PROBE exists ;; esac\n");
	expect(p, STATE_LOOK, "", "gs://b/savepoint-1", STATE_EXISTS, "");
}

/* ---- steps ---- */

static void steps(void **state)
{
	(void)state;
	static const struct {
		const char *pod;
		int64_t age;
		enum state_probe_step step;
		enum state_answer answer;
		const char *says;
	} rows[] = {
		{ NULL, -1, PROBE_CREATE, STATE_UNKNOWN, "" },
		{ NULL, 5000, PROBE_DONE, STATE_UNKNOWN, "vanished" },
		{ "{}", 0, PROBE_WAIT, STATE_UNKNOWN, "" },
		{ "{}", -1, PROBE_WAIT, STATE_UNKNOWN, "" },
		{ "status: {phase: Pending}", STATE_PROBE_MAX_MS + 1, PROBE_DONE, STATE_UNKNOWN, "did not end within 180 s" },
		{ "status: {phase: Failed, reason: Evicted}", 0, PROBE_DONE, STATE_UNKNOWN, "Evicted" },
		{ "status: {phase: Running, containerStatuses: [{name: probe, state: {running: {}}}]}", 0, PROBE_WAIT, STATE_UNKNOWN, "" },
		{ "status: {containerStatuses: [{name: probe, state: {waiting: {reason: ContainerCreating}}}]}", 0, PROBE_WAIT,
		  STATE_UNKNOWN, "" },
		{ "status: {containerStatuses: [{name: probe, state: {waiting: {reason: ErrImagePull, message: no}}}]}", 0, PROBE_DONE,
		  STATE_UNKNOWN, "ErrImagePull: no" },
		{ "status: {containerStatuses: [{name: sidecar, state: {terminated: {exitCode: 0, message: \"exists\\n.\\n\"}}}]}", 0,
		  PROBE_WAIT, STATE_UNKNOWN, "" },
		{ "status: {containerStatuses: [{name: probe, state: {terminated: {exitCode: 0, message: \"exists\\n.\\n\"}}}]}", 0,
		  PROBE_DONE, STATE_EXISTS, "" },
		{ "status: {containerStatuses: [{name: probe, state: {terminated: {exitCode: 0, message: \"absent\\n.\"}}}]}", 0,
		  PROBE_DONE, STATE_ABSENT, "did not find it" },
		{ "status: {containerStatuses: [{name: probe, state: {terminated: {exitCode: 0, message: \"absent\"}}}]}", 0, PROBE_DONE,
		  STATE_UNKNOWN, "not whole" },
		{ "status: {containerStatuses: [{name: probe, state: {terminated: {exitCode: 0}}}]}", 0, PROBE_DONE, STATE_UNKNOWN,
		  "not whole" },
		{ "status: {containerStatuses: [{name: probe, state: {terminated: {exitCode: 0, message: \"maybe\\n.\\n\"}}}]}", 0,
		  PROBE_DONE, STATE_UNKNOWN, "maybe" },
		{ "status: {containerStatuses: [{name: probe, state: {terminated: {exitCode: 128, reason: StartError, message: no sh}}}]}",
		  0, PROBE_DONE, STATE_UNKNOWN, "128 StartError: no sh" },
		{ "status: {containerStatuses: [{name: probe, state: {terminated: {exitCode: 137, message: \"absent\\n.\\n\"}}}]}", 0,
		  PROBE_DONE, STATE_UNKNOWN, "137" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *doc = rows[i].pod != NULL ? parse(rows[i].pod) : NULL;
		struct state_listing out;
		enum state_probe_step step = state_probe_read(doc != NULL ? doc_root(doc) : NULL, STATE_LOOK, rows[i].age, &out);
		if (step != rows[i].step || out.look.answer != rows[i].answer || strstr(out.look.why, rows[i].says) == NULL)
			fail_msg("row %zu: %d %s: %s", i, step, state_answer_name(out.look.answer), out.look.why);
		state_listing_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pod_stands_in_for_the_job),
		cmocka_unit_test(files_need_a_volume),
		cmocka_unit_test_setup_teardown(the_script_looks_at_files, setup, teardown),
		cmocka_unit_test_setup_teardown(the_script_cleans_up, setup, teardown),
		cmocka_unit_test(a_cleaning_pod_may_write),
		cmocka_unit_test_setup_teardown(the_script_asks_flink_for_the_rest, setup, teardown),
		cmocka_unit_test(steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
