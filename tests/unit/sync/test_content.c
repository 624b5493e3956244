/* The effective content of a Flink resource: what it refers to counts, goes with it, is withheld with it, and comes back with it. */
#include "support.h"

#include "sync/kept.h"

#define MAPS(value) MAP("settings", value)
#define JOB	    FLINK("job", MOUNTS("settings"))

static void a_change_of_a_referred_map_changes_the_content_once(void **state)
{
	(void)state;
	char before[65];
	char after[65];
	pass("s", "c1", MAPS("1") JOB);
	expect("FlinkDeployment/default/job", CHANGE_CREATE, NULL);
	assert_true(str_starts(annotation(FLINKS, "job", "weir.dev/references"), "ConfigMap/settings="));
	live_digest("job", before);
	pass("s", "c2", MAPS("2") JOB);
	expect("ConfigMap/default/settings", CHANGE_UPDATE, NULL);
	expect("FlinkDeployment/default/job", CHANGE_UPDATE, "ConfigMap/settings changed");
	assert_string_equal(annotation(FLINKS, "job", "weir.dev/commit"), "c2");
	live_digest("job", after);
	assert_string_not_equal(before, after);
	pass("s", "c3", MAPS("2") JOB); /* copies what is in force */
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c3", MAPS("2") JOB);
	assert_int_equal(world.out.change_count, 0);
	assert_int_equal(sim_writes(world.sim), writes);
	/* what nothing refers to is no content of the job's */
	pass("s", "c4", MAPS("2") MAP("else", "1") JOB);
	assert_null(change_of("FlinkDeployment/default/job"));
	live_digest("job", before);
	assert_string_equal(before, after);
}

static void a_map_outside_of_git_counts_too(void **state)
{
	(void)state;
	pass("s", "c1", JOB);
	assert_string_equal(annotation(FLINKS, "job", "weir.dev/references"), "ConfigMap/settings=absent");
	by_hand("POST", CMS, JSON,
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"settings\"},\"data\":{\"a\":\"b\"}}");
	pass("s", "c1", JOB);
	expect("FlinkDeployment/default/job", CHANGE_UPDATE, "ConfigMap/settings changed");
	by_hand("PATCH", CMS "/settings", MERGE, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
	pass("s", "c1", JOB);
	assert_null(change_of("FlinkDeployment/default/job"));
	/* a reference that goes away leaves no trace */
	pass("s", "c2", FLINK("job", ""));
	assert_string_equal(annotation(FLINKS, "job", "weir.dev/references"), "");
}

static void a_plan_sees_the_new_content(void **state)
{
	(void)state;
	pass("s", "c1", MAPS("1") JOB);
	char now[65];
	char then[65];
	live_digest("job", now);
	world.plan = true;
	pass("s", "c2", MAPS("2") JOB);
	expect("FlinkDeployment/default/job", CHANGE_UPDATE, "ConfigMap/settings changed");
	const struct node *result = doc_root(change_of("FlinkDeployment/default/job")->result);
	spec_digest(node_get(result, "spec"), decide_annotation(result, "weir.dev/references"), then);
	assert_string_not_equal(now, then);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "1");
}

static void withheld_content_withholds_what_belongs_to_it(void **state)
{
	(void)state;
	pass("s", "c1", MAPS("1") JOB);
	launched("job", "c1", true);
	pass("s", "c1", MAPS("1") JOB);
	pass("s", "c2", MAPS("2") JOB);
	launched("job", "c2", false);
	/* the failed version is taken back, with what it read */
	pass("s", "c2", MAPS("2") JOB);
	expect_state(SYNC_WITHHELD);
	expect("FlinkDeployment/default/job", CHANGE_WITHHELD, "quarantined");
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "1");
	struct stored_ledger stored;
	struct error err = ERROR_INIT;
	char digest[65];
	assert_true(ledger_store_read(world.kube, "default", "job", &stored, &err));
	live_digest("job", digest);
	assert_string_equal(digest, ledger_stable(&stored.ledger)->digest);
	ledger_free(&stored.ledger);
	assert_string_equal(annotation(FLINKS, "job", "weir.dev/commit"), "c1");
	assert_non_null(strstr(annotation(FLINKS, "job", "weir.dev/withheld"), "c2: content "));
	assert_true(has_event("default", "Withheld", "quarantined"));
	/* and stays out, under another commit, too; a hand on the map is put right */
	pass("s", "c3", MAPS("2") JOB);
	expect("ConfigMap/default/settings", CHANGE_WITHHELD, "goes with FlinkDeployment/job");
	by_hand("PATCH", CMS "/settings", MERGE, "{\"data\":{\"key\":\"by hand\"}}");
	pass("s", "c3", MAPS("2") JOB);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "1");
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c3", MAPS("2") JOB);
	assert_int_equal(sim_writes(world.sim), writes);
	/* other content is taken */
	pass("s", "c4", MAPS("3") JOB);
	expect("ConfigMap/default/settings", CHANGE_UPDATE, NULL);
	expect("FlinkDeployment/default/job", CHANGE_UPDATE, NULL);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "3");
	assert_string_equal(annotation(FLINKS, "job", "weir.dev/withheld"), "");
}

static void keys_of_the_failed_version_go_again(void **state)
{
	(void)state;
	static const char more[] =
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {l: m}}\ndata: {key: '2', extra: x}\n---\n";
	AUTOFREE char *two = mem_printf("%s%s", more, JOB);
	pass("s", "c1", MAPS("1") JOB);
	launched("job", "c1", true);
	pass("s", "c1", MAPS("1") JOB);
	pass("s", "c2", two);
	launched("job", "c2", false);
	pass("s", "c2", two);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "1");
	assert_string_equal(live("configmaps", "default", "settings", "data/extra"), "");
	/* once more by the way that the executor takes before it launches */
	struct stored_ledger stored;
	struct error err = ERROR_INIT;
	size_t restored = 0;
	assert_true(ledger_store_read(world.kube, "default", "job", &stored, &err));
	by_hand("DELETE", CMS "/settings", NULL, NULL);
	const struct kept at = { .kube = world.kube, .ns = "default", .job = "job" };
	assert_true(kept_restore(&at, ledger_stable(&stored.ledger)->digest, NULL, &restored, &err));
	ledger_free(&stored.ledger);
	assert_int_equal(restored, 1);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "1");
}

static void copies_of_old_versions_do_not_pile_up(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		AUTOFREE char *objects =
			mem_printf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {key: 'v%d'}\n---\n%s", i, JOB);
		pass("s", "c", objects);
		launched("job", "c", true);
		pass("s", "c", objects);
	}
	AUTODOC *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(kube_list(world.kube, &KIND_CONFIGMAP, "default", "weir.dev/kept=job", &list, NULL, &err));
	assert_int_equal(node_count(node_get(doc_root(list), "items")), 2); /* a record and a copy */
}

static void a_shared_map_is_applied_as_usual(void **state)
{
	(void)state;
	static const char pod[] = "apiVersion: v1\nkind: Pod\nmetadata: {name: reader}\nspec: {containers: [{name: c, image: i}], volumes: "
				  "[{name: v, configMap: {name: settings}}]}\n---\n";
	AUTOFREE char *one = mem_printf("%s%s%s", MAPS("1"), JOB, pod);
	AUTOFREE char *two = mem_printf("%s%s%s", MAPS("2"), JOB, pod);
	pass("s", "c1", one);
	launched("job", "c1", true);
	pass("s", "c1", one);
	pass("s", "c2", two);
	launched("job", "c2", false);
	pass("s", "c2", two);
	expect("FlinkDeployment/default/job", CHANGE_WITHHELD, NULL);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "2");
	pass("s", "c2", two); /* and it is said that it is not as it was */
	expect("FlinkDeployment/default/job", CHANGE_WITHHELD, "ConfigMap/settings changed in place since the running version started");
}

static void preflight_comes_before_a_map_changes_in_place(void **state)
{
	(void)state;
	static const char checked[] =
		"apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: job}\nspec:\n  image: flink:1.20\n"
		"  flinkVersion: v1_20\n  serviceAccount: default\n  jobManager: {resource: {cpu: 1, memory: 1024m}}\n"
		"  taskManager: {resource: {cpu: 1, memory: 1024m}}\n"
		"  job: {jarURI: 'local:///a.jar', parallelism: 1, upgradeMode: stateless}\n"
		"  podTemplate: {spec: {containers: [{name: flink-main-container}], volumes: "
		"[{name: v, configMap: {name: settings}}, {name: w, configMap: {name: new, optional: true}}]}}\n---\n";
	AUTOFREE char *one = mem_printf("%s%s", MAPS("1"), checked);
	pass("s", "c1", one);
	expect("FlinkDeployment/default/job", CHANGE_PENDING, "preflight pod");
	assert_true(exists("configmaps", "settings")); /* new: the pod needs it, and nothing else reads it */
	for (int i = 0; i < 100 && !exists(FLINKS, "job"); i++) {
		sim_advance(world.sim, 200);
		pass("s", "c1", one);
	}
	assert_true(exists(FLINKS, "job"));
	launched("job", "c1", true);
	AUTOFREE char *two = mem_printf("%s%s%s", MAPS("2"), MAP("new", "x"), checked);
	pass("s", "c2", two);
	expect("FlinkDeployment/default/job", CHANGE_PENDING, NULL);
	expect("ConfigMap/default/settings", CHANGE_PENDING, "goes with FlinkDeployment/job");
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "1");
	assert_false(exists("configmaps", "new")); /* the running pods refer to it */
	for (int i = 0; i < 100 && world.out.state == SYNC_PENDING; i++) {
		sim_advance(world.sim, 200);
		pass("s", "c2", two);
	}
	expect_state(SYNC_APPLIED);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "2");
	assert_true(exists("configmaps", "new"));
}

static void an_invalid_job_holds_its_map(void **state)
{
	(void)state;
	pass("s", "c1", MAPS("1") JOB);
	pass("s", "c2", MAPS("2") FLINK("job", MOUNTS("settings") "  mode: sideways\n"));
	expect("FlinkDeployment/default/job", CHANGE_ERROR, "not valid");
	expect("ConfigMap/default/settings", CHANGE_WITHHELD, NULL);
	assert_string_equal(live("configmaps", "default", "settings", "data/key"), "1");
	assert_true(has_event("default", "Withheld", "not valid"));
}

#define SECRET(value) "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {password: " value "}\n---\n"
#define READER	      FLINK("job", "  podTemplate: {spec: {containers: [{name: flink-main-container, envFrom: [{secretRef: {name: db}}]}]}}\n")

static void secrets_count_by_their_hash_alone(void **state)
{
	(void)state;
	pass("s", "c1", SECRET("aHVudGVyMg==") READER);
	launched("job", "c1", true);
	pass("s", "c1", SECRET("aHVudGVyMg==") READER);
	assert_true(str_starts(annotation(FLINKS, "job", "weir.dev/references"), "Secret/db="));
	pass("s", "c2", SECRET("aHVudGVyMw==") READER);
	expect("FlinkDeployment/default/job", CHANGE_UPDATE, "Secret/db changed");
	launched("job", "c2", false);
	pass("s", "c2", SECRET("aHVudGVyMw==") READER);
	pass("s", "c2", SECRET("aHVudGVyMw==") READER);
	/* a Secret is never copied: that it is not as it was is said */
	expect("FlinkDeployment/default/job", CHANGE_WITHHELD, "Secret/db changed in place since the running version started");
	AUTODOC *maps = NULL;
	struct error err = ERROR_INIT;
	AUTOBUF text = BUF_INIT;
	assert_true(kube_list(world.kube, &KIND_CONFIGMAP, NULL, NULL, &maps, NULL, &err));
	node_to_json(doc_root(maps), &text, JSON_COMPACT);
	AUTOFREE char *job = sim_object_json(world.sim, FLINKS, "default", "job");
	buf_puts(&text, job);
	assert_null(strstr(buf_text(&text), "aHVudGVy"));
}

static void a_secret_that_may_not_be_read_is_no_obstacle(void **state)
{
	(void)state;
	sim_fault(world.sim,
		  &(struct sim_fault){ .kind = SIM_FAULT_STATUS, .method = "GET", .path = "secrets/db", .times = 1000, .status = 403 });
	pass("s", "c1", READER);
	expect("FlinkDeployment/default/job", CHANGE_CREATE, NULL);
	assert_string_equal(annotation(FLINKS, "job", "weir.dev/references"), "Secret/db=unread");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_change_of_a_referred_map_changes_the_content_once),
		TEST(a_map_outside_of_git_counts_too),
		TEST(a_plan_sees_the_new_content),
		TEST(withheld_content_withholds_what_belongs_to_it),
		TEST(keys_of_the_failed_version_go_again),
		TEST(copies_of_old_versions_do_not_pile_up),
		TEST(a_shared_map_is_applied_as_usual),
		TEST(preflight_comes_before_a_map_changes_in_place),
		TEST(an_invalid_job_holds_its_map),
		TEST(secrets_count_by_their_hash_alone),
		TEST(a_secret_that_may_not_be_read_is_no_obstacle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
