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

static void flattening(void **state)
{
	(void)state;
	AUTODOC *from = parse("nested: {inner: 5, list: [x, z], none: [], t: true, nil: null}\nplain.key: v\ndeep: {a: {b: [1, [2, 3]]}}\n");
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
	} rows[] = { { "mode", "standalone", "spec.mode", ERROR_UNSUPPORTED },
		     { "flinkVersion", "v1_14", "spec.flinkVersion", ERROR_UNSUPPORTED },
		     { "flinkVersion", "v9_9", "spec.flinkVersion", ERROR_INVALID },
		     { "job", NULL, "spec.job", ERROR_UNSUPPORTED } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *spec = parse(small), *doc = doc_new();
		if (rows[i].value != NULL)
			node_set_text(spec, doc_root(spec), rows[i].field, rows[i].value);
		else
			(void)node_remove(doc_root(spec), rows[i].field);
		struct flink_launch launch = { .spec = doc_root(spec), .name = "a", .ns = "b" };
		struct node *config = NULL;
		struct error err = ERROR_INIT;
		assert_false(flink_config_build(doc, &launch, &config, &err));
		assert_null(config);
		assert_int_equal(err.kind, rows[i].kind);
		assert_non_null(strstr(err.message, rows[i].named));
	}
}

static void nested_file(void **state)
{
	(void)state;
	AUTODOC *c = parse("{blob.server.port: '6124', a.yes: 'yes', a.date: '2024-01-01', a.quote: \"it's \\\"q\\\"\", a.empty: '',"
			   " a.hash: 'a: b # c', a.star: '*x', a.list: 'a;b', a.map: 'k:v,k2:v2', a.true: 'true', a.null: 'null', a.cpu: '1.0', a.opt: '--x',"
			   " a.lines: \"x\\ny\", $internal.application.program-args: [--input, a b, '1']}");
	AUTOBUF text = BUF_INIT;
	struct error err = ERROR_INIT;
	assert_true(flink_config_write(doc_root(c), flink_version_find("v2_0"), &text, &err));
	assert_string_equal(buf_text(&text), "blob:\n  server:\n    port: '6124'\n"
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
		cmocka_unit_test(recorded_minimal),   cmocka_unit_test(recorded_full),
		cmocka_unit_test(flattening),         cmocka_unit_test(layers),
		cmocka_unit_test(old_names),          cmocka_unit_test(restore_path),
		cmocka_unit_test(refusals),           cmocka_unit_test(parallelism_from_replicas),
		cmocka_unit_test(nested_file),        cmocka_unit_test(resources_with_limits),
		cmocka_unit_test(computed_memory),    cmocka_unit_test(overlaps_and_line_breaks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
