/* What a commit may remove without a person: renames that are said, and little; the rest is held. */
#include "support.h"

#define FILLER		      MAP("f1", "x") MAP("f2", "x") MAP("f3", "x") MAP("f4", "x") MAP("f5", "x") MAP("f6", "x") MAP("f7", "x") MAP("f8", "x")
#define MOVED(ns, name, from) FLINK_IN(ns, name, ", weir.dev/moved-from: " from, "")

static void approve(const char *commit)
{
	struct error err = ERROR_INIT;
	assert_true(inventory_approve(world.kube, "kube-system", "s", commit, &err));
}

static void more_than_a_fifth_is_held(void **state)
{
	(void)state;
	pass("s", "c1", FILLER MAP("a", "1") MAP("b", "1"));
	pass("s", "c2", FILLER);
	expect_state(SYNC_PENDING); /* two of ten: they go */
	expect("ConfigMap/default/a", CHANGE_DELETE, NULL);
	pass("s", "c3", MAP("f1", "x") MAP("f2", "x") MAP("f3", "x") MAP("f4", "x") MAP("f5", "x") MAP("f6", "x"));
	expect_state(SYNC_HELD);
	expect("ConfigMap/default/f8", CHANGE_PENDING, "held back");
	assert_true(exists("configmaps", "f8"));
	assert_true(has_event("kube-system", "DeletionHeld", "weir approve s"));
	approve("c3");
	pass("s", "c3", MAP("f1", "x") MAP("f2", "x") MAP("f3", "x") MAP("f4", "x") MAP("f5", "x") MAP("f6", "x"));
	assert_false(exists("configmaps", "f8"));
}

static void one_flink_resource_goes_and_two_are_held(void **state)
{
	(void)state;
	pass("s", "c1", FILLER FLINK("one", "") FLINK("two", "") FLINK("three", ""));
	pass("s", "c2", FILLER FLINK("one", "") FLINK("two", ""));
	expect("FlinkDeployment/default/three", CHANGE_DELETE, NULL);
	pass("s", "c3", FILLER);
	expect_state(SYNC_HELD);
	assert_true(exists(FLINKS, "one") && exists(FLINKS, "two"));
}

static void a_look_alike_is_held_until_it_is_said_what_it_is(void **state)
{
	(void)state;
	pass("s", "c1", FILLER FLINK("old", ""));
	for (int i = 0; i < 2; i++) {
		pass("s", "c2", FILLER FLINK("new", ""));
		expect_state(SYNC_HELD);
		expect("FlinkDeployment/default/new", CHANGE_PENDING, "weir.dev/moved-from: old");
		assert_true(exists(FLINKS, "old"));
		assert_false(exists(FLINKS, "new"));
	}
	pass("s", "c3", FILLER MOVED("default", "new", "old"));
	expect("FlinkDeployment/default/new", CHANGE_CREATE, NULL);
	expect("FlinkDeployment/default/old", CHANGE_DELETE, NULL);
	assert_false(exists(FLINKS, "old"));
	pass("s", "c3", FILLER MOVED("default", "new", "old"));
	expect_state(SYNC_APPLIED);
	/* the annotation may stay; other jobs come and go */
	pass("s", "c4", FILLER MOVED("default", "new", "old") FLINK("more", ""));
	expect_state(SYNC_APPLIED);
}

static void approval_lets_both_pass(void **state)
{
	(void)state;
	pass("s", "c1", FILLER FLINK("old", ""));
	pass("s", "c2", FILLER FLINK("new", ""));
	approve("c2");
	pass("s", "c2", FILLER FLINK("new", ""));
	expect("FlinkDeployment/default/new", CHANGE_CREATE, NULL);
	expect("FlinkDeployment/default/old", CHANGE_DELETE, NULL);
}

static void a_move_to_another_namespace(void **state)
{
	(void)state;
	by_hand("POST", "/api/v1/namespaces", JSON, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"prod\"}}");
	pass("s", "c1", FILLER FLINK("job", "") FLINK("other", ""));
	pass("s", "c2", FILLER FLINK_IN("prod", "job", "", "") FLINK_IN("prod", "other", "", ""));
	expect_state(SYNC_HELD);
	expect("FlinkDeployment/prod/job", CHANGE_PENDING, "weir.dev/moved-from: default/");
	pass("s", "c3", FILLER MOVED("prod", "job", "default/job") MOVED("prod", "other", "default/other"));
	expect("FlinkDeployment/prod/job", CHANGE_CREATE, NULL);
	expect("FlinkDeployment/default/job", CHANGE_DELETE, NULL);
	expect("FlinkDeployment/default/other", CHANGE_DELETE, NULL);
}

static void what_a_name_prefix_renames_goes_with_it(void **state)
{
	(void)state;
	pass("s", "c1", MAP("settings", "1") MAP("rules", "1") FLINK("orders", MOUNTS("settings")));
	/* both maps and the job go, and come under new names */
	pass("s", "c2", MAP("prod-settings", "1") MAP("prod-rules", "1") MOVED("default", "prod-orders", "orders"));
	expect("FlinkDeployment/default/prod-orders", CHANGE_CREATE, NULL);
	expect("FlinkDeployment/default/orders", CHANGE_DELETE, NULL);
	pass("s", "c2", MAP("prod-settings", "1") MAP("prod-rules", "1") MOVED("default", "prod-orders", "orders"));
	expect("ConfigMap/default/rules", CHANGE_DELETE, NULL); /* once the job that may read it is gone */
	pass("s", "c2", MAP("prod-settings", "1") MAP("prod-rules", "1") MOVED("default", "prod-orders", "orders"));
	expect_state(SYNC_APPLIED);
	/* without a word about the job, all of it is held */
	pass("s", "c3", MAP("x-settings", "1") MAP("x-rules", "1") FLINK("x-orders", ""));
	expect_state(SYNC_HELD);
	assert_true(exists("configmaps", "prod-rules") && exists(FLINKS, "prod-orders"));
}

static void a_namespace_that_was_moved_out_of_stays(void **state)
{
	(void)state;
	static const char ns[] = "apiVersion: v1\nkind: Namespace\nmetadata: {name: before}\n---\n";
	AUTOFREE char *one = mem_printf("%s%s%s", ns, FILLER, FLINK_IN("before", "job", "", ""));
	pass("s", "c1", one);
	for (int i = 0; i < 3; i++)
		pass("s", "c2", FILLER MOVED("default", "job", "before/job"));
	expect("Namespace/before", CHANGE_RETAINED, "moved out of it");
	expect_state(SYNC_APPLIED);
	pass("s", "c3", FILLER FLINK("job", ""));
	expect("Namespace/before", CHANGE_DELETE, NULL);
}

static void the_old_one_stays_until_the_new_one_is_applied(void **state)
{
	(void)state;
	pass("s", "c1", FILLER FLINK("old", ""));
	pass("s", "c2", FILLER FLINK_IN("default", "new", ", weir.dev/moved-from: old", "  mode: sideways\n"));
	expect("FlinkDeployment/default/new", CHANGE_ERROR, NULL);
	assert_true(exists(FLINKS, "old"));
	/* a gate that is not open yet, likewise */
	pass("s", "c3",
	     FILLER "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: new, annotations: {weir.dev/moved-from: "
		    "old}}\nspec:\n  image: flink:1.20\n  flinkVersion: v1_20\n  serviceAccount: default\n  jobManager: {resource: {cpu: "
		    "1, memory: 1024m}}\n  taskManager: {resource: {cpu: 1, memory: 1024m}}\n  job: {jarURI: 'local:///a.jar', "
		    "parallelism: 1, upgradeMode: stateless}\n");
	expect("FlinkDeployment/default/new", CHANGE_PENDING, "preflight");
	expect("FlinkDeployment/default/old", CHANGE_PENDING, "stays until FlinkDeployment/default/new");
	assert_true(exists(FLINKS, "old"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(more_than_a_fifth_is_held),
		TEST(one_flink_resource_goes_and_two_are_held),
		TEST(a_look_alike_is_held_until_it_is_said_what_it_is),
		TEST(approval_lets_both_pass),
		TEST(a_move_to_another_namespace),
		TEST(what_a_name_prefix_renames_goes_with_it),
		TEST(a_namespace_that_was_moved_out_of_stays),
		TEST(the_old_one_stays_until_the_new_one_is_applied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
