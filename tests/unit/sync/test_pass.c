/* One sync's passes: apply, drift, conflicts, order, definitions, pruning, and what must never prune. */
#include "support.h"

#define TWO MAP("a", "one") MAP("b", "two")

static void applies_once_and_writes_nothing_more(void **state)
{
	(void)state;
	pass("s", "c1", TWO);
	expect_state(SYNC_APPLIED);
	expect("ConfigMap/default/a", CHANGE_CREATE, NULL);
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c1", TWO);
	assert_int_equal(world.out.change_count, 0);
	assert_int_equal(world.out.unchanged, 2);
	assert_int_equal(sim_writes(world.sim), writes);
	pass("s", "c2", MAP("a", "other") MAP("b", "two"));
	expect("ConfigMap/default/a", CHANGE_UPDATE, NULL);
	assert_string_equal(live("configmaps", "default", "a", "data/key"), "other");
	assert_string_equal(annotation("configmaps", "a", "weir.dev/sync"), "s");
}

static void a_plan_writes_nothing(void **state)
{
	(void)state;
	pass("s", "c1", TWO);
	uint64_t writes = sim_writes(world.sim);
	world.plan = true;
	pass("s", "c2", MAP("a", "other") FLINK("job", ""));
	expect("ConfigMap/default/a", CHANGE_UPDATE, NULL);
	expect("FlinkDeployment/default/job", CHANGE_CREATE, NULL);
	assert_int_equal(sim_writes(world.sim), writes);
}

static void drift_is_put_right_and_said_once(void **state)
{
	(void)state;
	pass("s", "c1", TWO);
	by_hand("PATCH", CMS "/a?fieldManager=kubectl-edit", MERGE, "{\"data\":{\"key\":\"by hand\",\"more\":\"x\"}}");
	pass("s", "c1", TWO);
	expect("ConfigMap/default/a", CHANGE_UPDATE, "took .data.key from kubectl-edit");
	assert_true(has_event("default", "FieldsTaken", "took .data.key from kubectl-edit"));
	assert_string_equal(live("configmaps", "default", "a", "data/key"), "one");
	assert_string_equal(live("configmaps", "default", "a", "data/more"), "x");
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c1", TWO);
	assert_int_equal(world.out.change_count, 0);
	assert_int_equal(sim_writes(world.sim), writes);
	by_hand("DELETE", CMS "/b", NULL, NULL);
	pass("s", "c1", TWO);
	expect("ConfigMap/default/b", CHANGE_CREATE, NULL);
}

static void the_same_value_of_another_manager_is_no_conflict(void **state)
{
	(void)state;
	by_hand("PATCH", CMS "/a?fieldManager=helm&force=true", "application/apply-patch+yaml",
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\"data\":{\"key\":\"one\"}}");
	pass("s", "c1", TWO);
	expect("ConfigMap/default/a", CHANGE_UPDATE, NULL);
	assert_null(change_of("ConfigMap/default/a")->message);
	pass("s", "c2", MAP("a", "two") MAP("b", "two"));
	expect("ConfigMap/default/a", CHANGE_UPDATE, "took .data.key from helm");
}

static void what_git_no_longer_has_is_pruned(void **state)
{
	(void)state;
	by_hand("POST", CMS, JSON, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"foreign\"}}");
	pass("s", "c1", TWO MAP("c", "x") MAP("d", "x") MAP("e", "x"));
	world.no_prune = true;
	pass("s", "c2", TWO MAP("c", "x") MAP("d", "x"));
	assert_true(exists("configmaps", "e"));
	world.no_prune = false;
	pass("s", "c2", TWO MAP("c", "x") MAP("d", "x"));
	expect("ConfigMap/default/e", CHANGE_DELETE, NULL);
	assert_false(exists("configmaps", "e"));
	assert_true(exists("configmaps", "foreign"));
	pass("s", "c2", TWO MAP("c", "x") MAP("d", "x"));
	expect_state(SYNC_APPLIED);
}

/* The server finds the ConfigMap `bad` not valid. */
static void refuse_bad(void)
{
	sim_fault(world.sim, &(struct sim_fault){
				     .kind = SIM_FAULT_STATUS, .method = "PATCH", .path = "configmaps/bad", .times = 1000, .status = 422 });
}

static void nothing_is_pruned_after_a_failed_or_empty_render(void **state)
{
	(void)state;
	pass("s", "c1", TWO);
	pass("s", "c2", NULL);
	expect_state(SYNC_FAILED);
	assert_non_null(strstr(world.out.message, "objects.yaml:1: broken"));
	assert_true(has_event("kube-system", "SyncFailed", "objects.yaml:1: broken"));
	assert_true(exists("configmaps", "a") && exists("configmaps", "b"));
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c2", NULL);
	assert_int_equal(sim_writes(world.sim), writes);
	pass("s", "c3", "");
	expect_state(SYNC_FAILED);
	assert_non_null(strstr(world.out.message, "nothing is pruned"));
	assert_true(exists("configmaps", "a") && exists("configmaps", "b"));
	/* an object that is refused stops the pruning of the others, too */
	refuse_bad();
	pass("s", "c4", MAP("a", "one") MAP("bad", "x"));
	expect_state(SYNC_FAILED);
	assert_true(exists("configmaps", "b"));
}

static void one_bad_object_does_not_stop_the_others(void **state)
{
	(void)state;
	refuse_bad();
	pass("s", "c1", MAP("bad", "x") MAP("a", "one") FLINK("job", MOUNTS("bad")) FLINK("other", ""));
	expect_state(SYNC_FAILED);
	expect("ConfigMap/default/bad", CHANGE_ERROR, "objects.yaml:1");
	expect("ConfigMap/default/a", CHANGE_CREATE, NULL);
	expect("FlinkDeployment/default/other", CHANGE_CREATE, NULL);
	/* but what depends on it waits */
	expect("FlinkDeployment/default/job", CHANGE_PENDING, "waits for ConfigMap/bad");
	assert_false(exists(FLINKS, "job"));
}

#define CRD(schema)                                                                                                                   \
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: boxes.example.org}\nspec:\n"           \
	"  group: example.org\n  scope: Namespaced\n  names: {kind: Box, plural: boxes, singular: box, listKind: BoxList}\n"          \
	"  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n" \
	"        properties:\n          spec: {type: object, properties: {" schema "}}\n---\n"

static size_t place_of(const char *id)
{
	const struct sync_change *c = change_of(id);
	assert_non_null(c);
	return (size_t)(c - world.out.changes);
}

static void namespaces_and_definitions_come_first(void **state)
{
	(void)state;
	static const char set[] =
		"apiVersion: example.org/v1\nkind: Box\nmetadata: {name: box, namespace: fresh}\nspec: {size: 1}\n---\n" MAP(
			"settings", "1") CRD("size: {type: integer}") "apiVersion: v1\nkind: Namespace\nmetadata: {name: fresh}\n";
	/* the server does not know the kind yet */
	sim_fault(world.sim, &(struct sim_fault){ .kind = SIM_FAULT_STATUS, .path = "/apis/example.org/v1", .times = 1000, .status = 404 });
	pass("s", "c1", set);
	expect_state(SYNC_PENDING);
	expect("Box/fresh/box", CHANGE_PENDING, "definition");
	assert_true(place_of("Namespace/fresh") < place_of("CustomResourceDefinition/boxes.example.org"));
	assert_true(place_of("CustomResourceDefinition/boxes.example.org") < place_of("ConfigMap/default/settings"));
	assert_true(place_of("ConfigMap/default/settings") < place_of("Box/fresh/box"));
	sim_faults_clear(world.sim);
	pass("s", "c1", set);
	expect_state(SYNC_APPLIED);
	assert_string_equal(live("example.org/boxes", "fresh", "box", "spec/size"), "1");
	/* pruned like everything else, as it is in the inventory */
	pass("s", "c2", MAP("settings", "1") CRD("size: {type: integer}") "apiVersion: v1\nkind: Namespace\nmetadata: {name: fresh}\n");
	expect_state(SYNC_HELD);
	expect("Box/fresh/box", CHANGE_PENDING, "held back");
}

static void a_wider_definition_is_kept(void **state)
{
	(void)state;
	pass("s", "c1", CRD("size: {type: integer}, color: {type: string}"));
	pass("s", "c2", CRD("size: {type: integer}"));
	expect_state(SYNC_WITHHELD);
	expect("CustomResourceDefinition/boxes.example.org", CHANGE_WITHHELD, "wider (it has color)");
	assert_true(has_event("kube-system", "Withheld", "wider (it has color)"));
	assert_string_equal(live("apiextensions.k8s.io/customresourcedefinitions", "", "boxes.example.org",
				 "spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/color/type"),
			    "string");
	pass("s", "c3", CRD("size: {type: integer}, color: {type: string}, weight: {type: integer}"));
	expect("CustomResourceDefinition/boxes.example.org", CHANGE_UPDATE, NULL);
}

static void what_a_job_refers_to_is_retained(void **state)
{
	(void)state;
	static const char others[] = MAP("b", "x") MAP("c", "x") MAP("d", "x") MAP("e", "x") MAP("f", "x") MAP("g", "x");
	AUTOFREE char *one = mem_printf("%s%s", others, MAP("old", "1") FLINK("job", MOUNTS("old")));
	AUTOFREE char *two = mem_printf("%s%s", others, MAP("new", "1") FLINK("job", MOUNTS("new")));
	pass("s", "c1", one);
	launched("job", "c1", true);
	pass("s", "c2", two);
	expect("ConfigMap/default/old", CHANGE_RETAINED, "last stable version");
	assert_true(exists("configmaps", "old"));
	launched("job", "c2", false);
	pass("s", "c2", two);
	expect("ConfigMap/default/old", CHANGE_RETAINED, NULL);
	/* the successor is stable: it may go */
	pass("s", "c3", two);
	struct stored_ledger stored;
	struct error err = ERROR_INIT;
	assert_true(ledger_store_read(world.kube, "default", "job", &stored, &err));
	stored.ledger.quarantine_count = 0;
	stored.ledger.launches[0].ended_at = 4;
	stored.ledger.launches[1].stable_at = 5;
	assert_true(ledger_store_write(world.kube, "default", "job", &stored.ledger, &stored, &err));
	ledger_free(&stored.ledger);
	pass("s", "c4", two);
	expect("ConfigMap/default/old", CHANGE_DELETE, NULL);
	assert_false(exists("configmaps", "old"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(applies_once_and_writes_nothing_more),
		TEST(a_plan_writes_nothing),
		TEST(drift_is_put_right_and_said_once),
		TEST(the_same_value_of_another_manager_is_no_conflict),
		TEST(what_git_no_longer_has_is_pruned),
		TEST(nothing_is_pruned_after_a_failed_or_empty_render),
		TEST(one_bad_object_does_not_stop_the_others),
		TEST(namespaces_and_definitions_come_first),
		TEST(a_wider_definition_is_kept),
		TEST(what_a_job_refers_to_is_retained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
