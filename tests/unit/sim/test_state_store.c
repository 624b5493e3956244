#include "support.h"

#include "sim/state_store.h"

static enum state_answer answer(const struct state_store *store, const char *path)
{
	struct state_look out;
	state_store_look(store, path, &out);
	return out.answer;
}

static void three_answers(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	const struct state_store store = sim_state_store(sim);
	sim_storage_put(sim, "file:///data/sp/savepoint-1", 1);
	sim_storage_put(sim, "s3a://b/sp/savepoint-2", 2);
	assert_int_equal(answer(&store, "file:/data/sp/savepoint-1"), STATE_EXISTS);
	assert_int_equal(answer(&store, "file:///data/sp/savepoint-1/_metadata"), STATE_EXISTS);
	assert_int_equal(answer(&store, "s3a://b/sp/savepoint-2"), STATE_EXISTS);
	assert_int_equal(answer(&store, "s3://b/sp/savepoint-2"), STATE_EXISTS);
	assert_int_equal(answer(&store, "file:/data/sp/savepoint-2"), STATE_ABSENT);
	sim_storage_down(sim, true);
	assert_int_equal(answer(&store, "file:/data/sp/savepoint-1"), STATE_UNKNOWN);
	assert_int_equal(answer(&store, "file:/data/sp/savepoint-2"), STATE_UNKNOWN);
	sim_storage_down(sim, false);
	assert_true(sim_storage_lose(sim, "file:/data/sp/savepoint-1"));
	assert_int_equal(answer(&store, "file:/data/sp/savepoint-1"), STATE_ABSENT);
	sim_free(sim);
}

static void lists_and_disposes(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	const struct state_store store = sim_state_store(sim);
	struct state_listing out;
	struct error err = ERROR_INIT;
	sim_storage_put(sim, "file:/data/sp/savepoint-b", 1);
	sim_storage_put(sim, "file:/data/sp/savepoint-a", 2);
	sim_storage_put(sim, "file:/data/sp/deep/savepoint-c", 3);
	sim_storage_put(sim, "file:/data/sp2/savepoint-d", 4);
	state_store_list(&store, "file:///data/sp", &out);
	assert_int_equal(out.look.answer, STATE_EXISTS);
	assert_int_equal(out.count, 2);
	assert_string_equal(out.names[0], "savepoint-a");
	assert_string_equal(out.names[1], "savepoint-b");
	state_listing_free(&out);
	state_store_list(&store, "file:///data/sp/none", &out);
	assert_int_equal(out.look.answer, STATE_ABSENT);
	sim_storage_down(sim, true);
	state_store_list(&store, "file:///data/sp", &out);
	assert_int_equal(out.look.answer, STATE_UNKNOWN);
	assert_false(state_store_dispose(&store, "file:///data/sp/savepoint-a", &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	sim_storage_down(sim, false);
	assert_true(state_store_dispose(&store, "file:///data/sp/savepoint-a", &err));
	assert_true(state_store_dispose(&store, "file:///data/sp/savepoint-a", &err));
	assert_false(state_store_dispose(&store, "file:///data/sp", &err));
	assert_int_equal(sim_storage_count(sim, "file:/data"), 3);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(three_answers), cmocka_unit_test(lists_and_disposes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
