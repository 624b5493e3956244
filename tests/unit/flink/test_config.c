#include "flink_test.h"

#include "flink/config.h"

static const char small[] = "flinkVersion: v1_20\n"
			    "image: flink:1.20\n"
			    "serviceAccount: flink\n"
			    "jobManager: {resource: {memory: 2048m, cpu: 1}}\n"
			    "taskManager: {resource: {memory: 2048m, cpu: 1}}\n"
			    "job: {jarURI: 'local:///a.jar', parallelism: 2}\n";

static struct node *build(struct doc *doc, const struct node *spec, const char *defaults)
{
	AUTODOC *below = defaults != NULL ? parse(defaults) : NULL;
	struct flink_launch launch = { .spec = spec, .name = "orders", .ns = "shop", .uid = "u-1", .generation = 3, .job_id = "0123" };
	launch.defaults = below != NULL ? doc_root(below) : NULL;
	struct node *config = NULL;
	struct error err = ERROR_INIT;
	if (!flink_config_build(doc, &launch, &config, &err))
		fail_msg("%s", err.message);
	return config;
}

/* The recorded configuration, but for what differs on purpose. */
static void as_recorded(const char *name, const char *savepoint, const char *result_id)
{
	AUTOFREE char *resource_name = mem_printf("%s-resource.yaml", name), *config_name = mem_printf("%s-config.yaml", name);
	AUTODOC *resource = fixture(resource_name), *expected = fixture(config_name), *doc = doc_new();
	struct flink_launch launch = { .spec = node_get(doc_root(resource), "spec"),
				       .name = name,
				       .ns = "default",
				       .uid = node_find_text(doc_root(resource), "metadata/uid"),
				       .generation = 1,
				       .job_id = node_text(node_get(doc_root(expected), "$internal.pipeline.job-id")),
				       .savepoint_path = savepoint,
				       .job_result_store_id = result_id };
	struct node *config = NULL;
	struct error err = ERROR_INIT;
	assert_true(flink_config_build(doc, &launch, &config, &err));
	AUTOBUF text = BUF_INIT;
	assert_true(flink_config_write(config, flink_version_find("v1_20"), &text, &err));
	struct node *got = node_map(doc);
	for (char *line = text.data; *line != '\0';) {
		char *colon = strstr(line, ": "), *end = strchr(line, '\n');
		assert_non_null(colon);
		AUTOFREE char *key = mem_strndup(line, (size_t)(colon - line));
		node_set(doc, got, key, node_stringn(doc, colon + 2, (size_t)(end - colon - 2)));
		line = end + 1;
	}
	assert_string_equal(node_text(node_get(got, "execution.state-recovery.claim-mode")), "NO_CLAIM");
	(void)node_remove(got, "execution.state-recovery.claim-mode");
	if (node_get(got, "kubernetes.pod-template-file.taskmanager") != NULL)
		node_set_text(doc, doc_root(expected), "kubernetes.pod-template-file.taskmanager",
			      "/opt/flink/pod-template/taskmanager-pod-template.yaml");
	assert_same(got, doc_root(expected));
}

static void recorded_minimal(void **state)
{
	(void)state;
	as_recorded("native-min", NULL, NULL);
}

static void recorded_full(void **state)
{
	(void)state;
	as_recorded("native-full", "file:///flink-data/savepoints/savepoint-1", "b17334ee-c7e6-4adc-80f3-502ccf4d1b73");
}

static void recorded_standalone(void **state)
{
	(void)state;
	as_recorded("sa-min", NULL, NULL);
}

static void flattening(void **state)
{
	(void)state;
	AUTODOC *from =
		parse("nested: {inner: 5, list: [x, z], none: [], t: true, nil: null}\nplain.key: v\ndeep: {a: {b: [1, [2, 3]]}}\n");
	AUTODOC *expected =
		parse("{nested.inner: '5', nested.list: 'x;z', nested.t: 'true', nested.nil: 'null', plain.key: v, deep.a.b: '1;2;3'}");
	AUTODOC *doc = doc_new();
	struct node *into = node_map(doc);
	struct error err = ERROR_INIT;
	assert_true(flink_config_flatten(doc, doc_root(from), into, "spec.flinkConfiguration", &err));
	assert_same(into, doc_root(expected));
	AUTODOC *bad = parse("a: {b: [{c: 1}]}");
	assert_false(flink_config_flatten(doc, doc_root(bad), into, "spec.flinkConfiguration", &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_non_null(strstr(err.message, "spec.flinkConfiguration.a.b"));
	AUTODOC *text = parse("just text");
	assert_false(flink_config_flatten(doc, doc_root(text), into, "spec.flinkConfiguration", &err));
}

static void layers(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	struct node *user = node_ensure_map(spec, doc_root(spec), "flinkConfiguration");
	node_set_text(spec, user, "mine", "user");
	node_set_text(spec, user, "rest.bind-address", "0.0.0.0");
	node_set_text(spec, user, "kubernetes.operator.savepoint.format.type", "NATIVE");
	node_set_text(spec, user, "job.autoscaler.enabled", "true");
	node_set_text(spec, user, "blob.server.port", "50100-50200");
	node_set_text(spec, user, "kubernetes.jobmanager.annotations", "a:b");
	struct node *c = build(doc, doc_root(spec),
			       "mine: default\nonly: default\n"
			       "kubernetes.operator.default-configuration.namespace.shop.only: ns\n"
			       "kubernetes.operator.default-configuration.flink-version.v1_18+.later: old\n"
			       "kubernetes.operator.default-configuration.flink-version.v1_20+.later: new\n"
			       "kubernetes.operator.default-configuration.flink-version.v2_0+.later: wrong\n"
			       "kubernetes.operator.default-configuration.flink-version.v1_20.exact: 'yes'\n");
	assert_string_equal(flink_config_get(c, "mine"), "user");
	assert_string_equal(flink_config_get(c, "only"), "ns");
	assert_string_equal(flink_config_get(c, "later"), "new");
	assert_string_equal(flink_config_get(c, "exact"), "yes");
	assert_null(node_get(c, "rest.bind-address"));
	assert_string_equal(flink_config_get(c, "blob.server.port"), "6124");
	assert_string_equal(flink_config_get(c, "kubernetes.jobmanager.annotations"), "flinkdeployment.flink.apache.org/generation:3,a:b");
	for (size_t i = 0; i < node_count(c); i++) {
		assert_false(str_starts(node_key_at(c, i), "kubernetes.operator."));
		assert_false(str_starts(node_key_at(c, i), "job.autoscaler."));
	}
}

static void old_names(void **state)
{
	(void)state;
	AUTODOC *c = parse("{state.savepoints.dir: 's3://s', state.checkpoints.dir: ' ', high-availability: KUBERNETES,"
			   " execution.checkpointing.interval: 10 s, web.port: '9'}");
	assert_string_equal(flink_savepoint_dir(doc_root(c)), "s3://s");
	assert_null(flink_checkpoint_dir(doc_root(c)));
	assert_true(flink_ha_enabled(doc_root(c)));
	assert_true(flink_ha_kubernetes(doc_root(c)));
	assert_int_equal(flink_checkpoint_interval_ms(doc_root(c)), 10000);
	assert_int_equal(flink_config_int(doc_root(c), "rest.port", 8081), 9);
	AUTODOC *both = parse("{state.savepoints.dir: old, execution.checkpointing.savepoint-dir: new, high-availability.type: none}");
	assert_string_equal(flink_config_get(doc_root(both), "state.savepoints.dir"), "new");
	assert_false(flink_ha_enabled(doc_root(both)));
	assert_int_equal(flink_checkpoint_interval_ms(doc_root(both)), 0);
}

/* A restore path of the user's, under any name, must neither survive an empty start nor win over ours. */
static void restore_path(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	struct node *user = node_ensure_map(spec, doc_root(spec), "flinkConfiguration");
	node_set_text(spec, user, "execution.state-recovery.path", "s3://theirs");
	node_set_text(spec, user, "execution.savepoint-restore-mode", "CLAIM");
	struct node *c = build(doc, doc_root(spec), NULL);
	assert_null(flink_config_get(c, "execution.savepoint.path"));
	assert_string_equal(flink_config_get(c, "execution.state-recovery.claim-mode"), "CLAIM");
	struct flink_launch launch = { .spec = doc_root(spec), .name = "orders", .ns = "shop", .savepoint_path = FLINK_LAST_STATE };
	struct error err = ERROR_INIT;
	assert_true(flink_config_build(doc, &launch, &c, &err));
	assert_string_equal(flink_config_get(c, "execution.state-recovery.path"), FLINK_LAST_STATE);
	assert_null(node_get(c, "execution.state-recovery.path"));
	assert_null(node_get(c, "$internal.pipeline.job-id"));
}

static void parallelism_from_replicas(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	node_set_int(spec, node_get(doc_root(spec), "taskManager"), "replicas", 3);
	node_set_text(spec, node_ensure_map(spec, doc_root(spec), "flinkConfiguration"), "taskmanager.numberOfTaskSlots", "4");
	struct node *c = build(doc, doc_root(spec), NULL);
	assert_string_equal(flink_config_get(c, "parallelism.default"), "12");
	assert_string_equal(flink_config_get(c, "kubernetes.internal.taskmanager.replicas"), "3");
}

static void resources_with_limits(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	AUTODOC *jm = parse("{resource: {memory: 1m}, resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 1, memory: 1536Mi}}}");
	node_set(spec, doc_root(spec), "jobManager", node_copy(spec, doc_root(jm)));
	struct node *c = build(doc, doc_root(spec), NULL);
	assert_string_equal(flink_config_get(c, "jobmanager.memory.process.size"), "1073741824");
	assert_string_equal(flink_config_get(c, "kubernetes.jobmanager.cpu.amount"), "0.5");
	assert_string_equal(flink_config_get(c, "kubernetes.jobmanager.cpu.limit-factor"), "2.0");
	assert_string_equal(flink_config_get(c, "kubernetes.jobmanager.memory.limit-factor"), "1.5");
}

static void computed_memory(void **state)
{
	(void)state;
	AUTODOC *c = parse("{jobmanager.memory.heap.size: 1g, taskmanager.memory.flink.size: 4g}");
	/* 1024 + 128 off-heap + 256 metaspace, a ninth of it (below the minimum) as overhead */
	assert_int_equal(flink_process_bytes(doc_root(c), "jobmanager"), (int64_t)(1024 + 128 + 256 + 192) << 20);
	/* 4096 + 256, plus a ninth */
	assert_int_equal(flink_process_bytes(doc_root(c), "taskmanager") >> 20, (4096 + 256) + (4096 + 256) / 9);
	AUTODOC *none = parse("{a: b}");
	assert_int_equal(flink_process_bytes(doc_root(none), "jobmanager"), 0);
}

static void refusals(void **state)
{
	(void)state;
	static const struct {
		const char *field, *value, *named;
		enum error_kind kind;
	} rows[] = { { "mode", "hybrid", "spec.mode", ERROR_INVALID },
		     { "flinkVersion", "v1_12", "spec.flinkVersion", ERROR_INVALID },
		     { "flinkVersion", "1.20", "spec.flinkVersion", ERROR_INVALID } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *spec = parse(small), *doc = doc_new();
		node_set_text(spec, doc_root(spec), rows[i].field, rows[i].value);
		struct flink_launch launch = { .spec = doc_root(spec), .name = "a", .ns = "b" };
		struct node *config = NULL;
		struct error err = ERROR_INIT;
		assert_false(flink_config_build(doc, &launch, &config, &err));
		assert_null(config);
		assert_int_equal(err.kind, rows[i].kind);
		assert_non_null(strstr(err.message, rows[i].named));
	}
}

/* A session cluster has everything but the job's options. */
static void sessions(void **state)
{
	(void)state;
	static const char *const modes[] = { "native", "standalone" };
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		AUTODOC *spec = parse(small), *doc = doc_new();
		(void)node_remove(doc_root(spec), "job");
		node_set_text(spec, doc_root(spec), "mode", modes[i]);
		struct node *config = build(doc, doc_root(spec), NULL);
		static const char *const of_jobs[] = { "$internal.pipeline.job-id",
						       "pipeline.jars",
						       "pipeline.classpaths",
						       "pipeline.name",
						       "$internal.application.program-args",
						       "execution.savepoint.path",
						       "execution.shutdown-on-application-finish",
						       "execution.state-recovery.claim-mode" };
		for (size_t k = 0; k < ARRAY_SIZE(of_jobs); k++)
			assert_null(node_get(config, of_jobs[k]));
		assert_string_equal(node_text(node_get(config, "parallelism.default")), "1");
		assert_string_equal(node_text(node_get(config, "kubernetes.cluster-id")), "orders");
		assert_string_equal(node_text(node_get(config, "execution.target")), i == 0 ? "kubernetes-session" : "remote");
		assert_string_equal(node_text_or(node_get(config, "kubernetes.internal.cluster-mode"), "-"), i == 0 ? "-" : "SESSION");
		const char *entrypoint = node_text(node_get(config, "kubernetes.internal.jobmanager.entrypoint.class"));
		assert_string_equal(entrypoint != NULL ? entrypoint : "-",
				    i == 0 ? "org.apache.flink.kubernetes.entrypoint.KubernetesSessionClusterEntrypoint" : "-");
		assert_null(node_get(config, "kubernetes.internal.taskmanager.replicas"));
	}
}

/* Options by the names that the version reads, whichever the user chose. */
static void names_by_version(void **state)
{
	(void)state;
	static const struct {
		const char *version, *given, *key, *value;
	} rows[] = {
		{ "v1_19", "{execution.checkpointing.savepoint-dir: a}", "state.savepoints.dir", "a" },
		{ "v1_20", "{state.savepoints.dir: a}", "state.savepoints.dir", "a" },
		{ "v1_20", "{state.savepoints.dir: a}", "execution.checkpointing.savepoint-dir", NULL },
		{ "v1_16", "{high-availability.type: kubernetes}", "high-availability", "kubernetes" },
		{ "v1_15", "{high-availability.type: kubernetes}", "high-availability",
		  "org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory" },
		{ "v1_13", "{high-availability: KUBERNETES}", "high-availability",
		  "org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory" },
		{ "v1_17", "{high-availability: kubernetes}", "high-availability", "kubernetes" },
		{ "v2_0", "{high-availability: kubernetes, high-availability.storageDir: s}", "high-availability.type", "kubernetes" },
		{ "v2_0", "{high-availability: kubernetes, high-availability.storageDir: s}", "high-availability", NULL },
		{ "v2_1", "{restart-strategy: fixed-delay, restart-strategy.fixed-delay.attempts: 3}", "restart-strategy.type",
		  "fixed-delay" },
		{ "v1_16", "{state.backend.type: rocksdb}", "state.backend", "rocksdb" },
		{ "v1_17", "{}", "kubernetes.container.image.ref", "flink:1.20" },
		{ "v1_14", "{}", "kubernetes.container.image", "flink:1.20" },
		{ "v1_17", "{}", "env.java.opts.all", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *spec = parse(small), *doc = doc_new(), *given = parse(rows[i].given);
		node_set_text(spec, doc_root(spec), "flinkVersion", rows[i].version);
		node_set(spec, doc_root(spec), "flinkConfiguration", node_copy(spec, doc_root(given)));
		struct node *config = build(doc, doc_root(spec), NULL);
		const char *value = node_text(node_get(config, rows[i].key));
		if (!str_eq(value, rows[i].value))
			fail_msg("%s with %s: %s is %s", rows[i].version, rows[i].given, rows[i].key, value != NULL ? value : "absent");
		AUTOBUF text = BUF_INIT;
		struct error err = ERROR_INIT;
		if (!flink_config_write(config, flink_version_find(rows[i].version), &text, &err))
			fail_msg("%s with %s: %s", rows[i].version, rows[i].given, err.message);
	}
}

/* The platform's default under one name must not win over the user's value under another. */
static void layers_under_two_names(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new(), *given = parse("{state.checkpoints.dir: mine, rest.bind-port: '8081-8090'}");
	node_set(spec, doc_root(spec), "flinkConfiguration", node_copy(spec, doc_root(given)));
	struct node *config = build(doc, doc_root(spec), "{execution.checkpointing.dir: theirs, rest.port: '9000'}");
	assert_string_equal(flink_checkpoint_dir(config), "mine");
	assert_null(node_get(config, "execution.checkpointing.dir"));
	assert_string_equal(node_text(node_get(config, "rest.port")), "9000"); /* another option, which the first falls back to */
}

/* A version that came out after this table is run as the newest of it. */
static void newer_versions(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	node_set_text(spec, doc_root(spec), "flinkVersion", "v3_0");
	struct node *config =
		build(doc, doc_root(spec),
		      "{kubernetes.operator.default-configuration.flink-version: {v2_9+: {a: nine, b: nine}, v1_18+: {a: old, c: old},"
		      " v3_1+: {a: later}, v3_0: {b: exact}}}");
	assert_string_equal(node_text(node_get(config, "$internal.flink.version")), "v3_0");
	assert_string_equal(node_text(node_get(config, "a")), "nine");
	assert_string_equal(node_text(node_get(config, "b")), "exact");
	assert_string_equal(node_text(node_get(config, "c")), "old");
	assert_true(flink_version_find("v3_0")->config_yaml);
	assert_true(flink_version_is_new("v3_0"));
	assert_true(flink_version_is_new("v2_4"));
	assert_false(flink_version_is_new("v2_3"));
	assert_false(flink_version_is_new("v2"));
	assert_null(flink_version_find("v2_"));
	assert_null(flink_version_find("v1_12"));
	assert_null(flink_version_find("v99999_1"));
	assert_null(flink_version_find("v3_0.1"));
}

static void standalone_numbers(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	struct node *root = doc_root(spec);
	node_set_text(spec, root, "mode", "standalone");
	node_set_text(spec, node_ensure_map(spec, root, "flinkConfiguration"), "taskmanager.numberOfTaskSlots", "3");
	node_set_int(spec, node_get(root, "job"), "parallelism", 7);
	(void)node_remove(node_find(root, "taskManager/resource"), "cpu");
	struct node *config = build(doc, root, NULL);
	assert_string_equal(node_text(node_get(config, "kubernetes.internal.taskmanager.replicas")), "3");
	assert_string_equal(node_text(node_get(config, "kubernetes.taskmanager.cpu.amount")), "3.0");
	node_set_int(spec, node_get(root, "taskManager"), "replicas", 5);
	config = build(doc, root, NULL);
	assert_string_equal(node_text(node_get(config, "kubernetes.internal.taskmanager.replicas")), "5");
	assert_string_equal(node_text(node_get(config, "parallelism.default")), "15");
}

static void nested_file(void **state)
{
	(void)state;
	AUTODOC *c = parse("{blob.server.port: '6124', a.yes: 'yes', a.date: '2024-01-01', a.quote: \"it's \\\"q\\\"\", a.empty: '',"
			   " a.hash: 'a: b # c', a.star: '*x', a.list: 'a;b', a.map: 'k:v,k2:v2', a.true: 'true', a.null: 'null', a.cpu: "
			   "'1.0', a.opt: '--x',"
			   " a.lines: \"x\\ny\", $internal.application.program-args: [--input, a b, '1']}");
	AUTOBUF text = BUF_INIT;
	struct error err = ERROR_INIT;
	assert_true(flink_config_write(doc_root(c), flink_version_find("v2_0"), &text, &err));
	assert_string_equal(buf_text(&text),
			    "blob:\n  server:\n    port: '6124'\n"
			    "a:\n  yes: yes\n  date: 2024-01-01\n  quote: it's \"q\"\n  empty: ''\n  hash: 'a: b # c'\n"
			    "  star: '*x'\n  list: a;b\n  map: k:v,k2:v2\n  'true': 'true'\n  'null': 'null'\n  cpu: '1.0'\n"
			    "  opt: --x\n  lines: \"x\\x0ay\"\n"
			    "$internal:\n  application:\n    program-args:\n    - --input\n    - a b\n    - '1'\n");
	AUTODOC *again = parse(buf_text(&text)); /* and it is YAML */
	assert_string_equal(node_find_text(doc_root(again), "a/lines"), "x\ny");
	assert_string_equal(node_find_text(doc_root(again), "a/hash"), "a: b # c");

	AUTODOC *none = parse("{$internal.application.program-args: []}");
	buf_clear(&text);
	assert_true(flink_config_write(doc_root(none), flink_version_find("v2_0"), &text, &err));
	assert_string_equal(buf_text(&text), "$internal:\n  application:\n    program-args: []\n");
}

static void overlaps_and_line_breaks(void **state)
{
	(void)state;
	static const char *const overlapping[] = { "{a.b: x, a.b.c: y}", "{a.b.c: y, a.b: x}" };
	for (size_t i = 0; i < ARRAY_SIZE(overlapping); i++) {
		AUTODOC *c = parse(overlapping[i]);
		AUTOBUF text = BUF_INIT;
		struct error err = ERROR_INIT;
		assert_false(flink_config_write(doc_root(c), flink_version_find("v2_0"), &text, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
		assert_int_equal(text.len, 0);
		assert_true(flink_config_write(doc_root(c), flink_version_find("v1_20"), &text, &err));
	}
	AUTODOC *lines = parse("{a: \"x\\nkubernetes.namespace: other\"}");
	AUTOBUF text = BUF_INIT;
	struct error err = ERROR_INIT;
	assert_false(flink_config_write(doc_root(lines), flink_version_find("v1_20"), &text, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_minimal),
		cmocka_unit_test(recorded_full),
		cmocka_unit_test(recorded_standalone),
		cmocka_unit_test(sessions),
		cmocka_unit_test(names_by_version),
		cmocka_unit_test(layers_under_two_names),
		cmocka_unit_test(newer_versions),
		cmocka_unit_test(standalone_numbers),
		cmocka_unit_test(flattening),
		cmocka_unit_test(layers),
		cmocka_unit_test(old_names),
		cmocka_unit_test(restore_path),
		cmocka_unit_test(refusals),
		cmocka_unit_test(parallelism_from_replicas),
		cmocka_unit_test(nested_file),
		cmocka_unit_test(resources_with_limits),
		cmocka_unit_test(computed_memory),
		cmocka_unit_test(overlaps_and_line_breaks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
