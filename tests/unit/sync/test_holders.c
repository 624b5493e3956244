/* Two syncs and one object. */
#include "support.h"

static const struct sync_peer syncs[] = { { "a", true }, { "b", true } };

/* A pass of one of two syncs of one source. */
static void one_of_two(const char *sync, const char *commit, const char *yaml)
{
	world.peers = &syncs[strcmp(sync, "a") == 0];
	world.peer_count = 1;
	pass(sync, commit, yaml);
}

static void the_second_is_refused(void **state)
{
	(void)state;
	one_of_two("a", "c1", MAP("x", "of a") MAP("y", "of a"));
	one_of_two("b", "c1", MAP("x", "of b") MAP("z", "of b"));
	expect_state(SYNC_FAILED);
	expect("ConfigMap/default/x", CHANGE_ERROR, "held by sync a");
	expect("ConfigMap/default/z", CHANGE_CREATE, NULL);
	assert_string_equal(live("configmaps", "default", "x", "data/key"), "of a");
	/* the first gives it up: it goes over, and is there all the while */
	one_of_two("b", "c2", MAP("x", "of b") MAP("z", "of b"));
	one_of_two("a", "c2", MAP("y", "of a"));
	expect("ConfigMap/default/x", CHANGE_MOVED, "handed over to sync b");
	assert_string_equal(live("configmaps", "default", "x", "data/key"), "of a");
	one_of_two("b", "c2", MAP("x", "of b") MAP("z", "of b"));
	expect_state(SYNC_APPLIED);
	assert_string_equal(live("configmaps", "default", "x", "data/key"), "of b");
	assert_string_equal(annotation("configmaps", "x", "weir.dev/sync"), "b");
	one_of_two("a", "c2", MAP("y", "of a"));
	expect_state(SYNC_APPLIED);
}

static void a_move_waits_for_the_other_sync(void **state)
{
	(void)state;
	one_of_two("a", "c1", MAP("x", "1") MAP("y", "1") FLINK("job", ""));
	one_of_two("b", "c1", MAP("z", "1"));
	/* the losing one comes to the commit first */
	one_of_two("a", "c2", MAP("y", "1"));
	expect_state(SYNC_PENDING);
	expect("FlinkDeployment/default/job", CHANGE_PENDING, "sync b may have taken it over");
	assert_true(exists("configmaps", "x") && exists(FLINKS, "job"));
	one_of_two("b", "c2", MAP("z", "1") MAP("x", "1") FLINK("job", ""));
	expect_state(SYNC_PENDING);
	expect("FlinkDeployment/default/job", CHANGE_PENDING, "still held by sync a");
	one_of_two("a", "c2", MAP("y", "1"));
	expect_state(SYNC_APPLIED);
	expect("FlinkDeployment/default/job", CHANGE_MOVED, NULL);
	one_of_two("b", "c2", MAP("z", "1") MAP("x", "1") FLINK("job", ""));
	expect_state(SYNC_APPLIED);
	assert_string_equal(annotation(FLINKS, "job", "weir.dev/sync"), "b");
}

static void nothing_is_deleted_while_the_other_cannot_be_read(void **state)
{
	(void)state;
	static const char rest[] = MAP("p", "1") MAP("q", "1") MAP("r", "1") MAP("s", "1") MAP("t", "1");
	AUTOFREE char *all = mem_printf("%s%s", MAP("x", "1"), rest);
	one_of_two("a", "c1", all);
	one_of_two("b", "c1", MAP("z", "1"));
	one_of_two("b", "c2", NULL);
	one_of_two("a", "c2", rest);
	expect("ConfigMap/default/x", CHANGE_PENDING, "cannot be read at this commit");
	expect_state(SYNC_HELD);
	assert_true(exists("configmaps", "x"));
	one_of_two("b", "c3", MAP("z", "1"));
	one_of_two("a", "c3", rest);
	expect("ConfigMap/default/x", CHANGE_DELETE, NULL);
	assert_false(exists("configmaps", "x"));
}

static void a_sync_that_is_gone_holds_nothing(void **state)
{
	(void)state;
	one_of_two("a", "c1", MAP("x", "1"));
	world.peers = syncs; /* the configuration knows nobody but the one that was renamed to */
	world.peer_count = 0;
	pass("renamed", "c2", MAP("x", "2"));
	expect_state(SYNC_APPLIED);
	assert_string_equal(annotation("configmaps", "x", "weir.dev/sync"), "renamed");
}

static void other_sources_do_not_wait_for_each_other(void **state)
{
	(void)state;
	static const struct sync_peer others[] = { { "a", false }, { "b", false } };
	static const char rest[] = MAP("p", "1") MAP("q", "1") MAP("r", "1") MAP("s", "1") MAP("t", "1");
	AUTOFREE char *all = mem_printf("%s%s", MAP("x", "1"), rest);
	world.peer_count = 1;
	world.peers = &others[1];
	pass("a", "c1", all);
	world.peers = &others[0];
	pass("b", "k1", MAP("x", "2"));
	expect("ConfigMap/default/x", CHANGE_ERROR, "held by sync a");
	world.peers = &others[1];
	pass("a", "c2", rest);
	expect("ConfigMap/default/x", CHANGE_MOVED, NULL);
	world.peers = &others[0];
	pass("b", "k1", MAP("x", "2"));
	expect_state(SYNC_APPLIED);
	pass("b", "k2", MAP("w", "2"));
	expect_state(SYNC_HELD); /* half of what it has: the brake */
	assert_true(exists("configmaps", "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_second_is_refused),
		TEST(a_move_waits_for_the_other_sync),
		TEST(nothing_is_deleted_while_the_other_cannot_be_read),
		TEST(a_sync_that_is_gone_holds_nothing),
		TEST(other_sources_do_not_wait_for_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
