/* An old state is looked for by a pod before anything relies on it. */
#include "snapshot_world.h"

#define OLD "s3://old/savepoint-1"

static int setup(void **state)
{
	struct world *w = mem_alloc(sizeof *w);
	world_init(w);
	snprintf(w->job, sizeof w->job, ",\"initialSavepointPath\":\"" OLD "\"");
	/* what the agent says where no store covers that path */
	snprintf(w->seen.unproven_path, sizeof w->seen.unproven_path, OLD);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	free(*state);
	return 0;
}

/* The first turns: the pod is asked for, and made. */
static void ask(struct world *w)
{
	assert_int_equal(world_turn(w), EFFECT_PROBE);
	assert_int_equal(w->ledger.launch_count, 0);
	assert_string_equal(w->ledger.probe.path, OLD);
	assert_int_equal(world_turn(w), EFFECT_PROBE); /* the first one was cut short */
	snprintf(w->ledger.probe.pod, sizeof w->ledger.probe.pod, "j-state-1");
	for (int i = 0; i < 5; i++)
		assert_int_equal(world_turn(w), EFFECT_NONE);
	assert_int_equal(w->ledger.launch_count, 0);
}

static void answer(struct world *w, enum seen what)
{
	w->seen.probe_done = true;
	w->seen.probe_answer = what;
	snprintf(w->seen.probe_why, sizeof w->seen.probe_why, "no such bucket");
}

static void launched(struct world *w)
{
	assert_int_equal(w->ledger.launch_count, 1);
	assert_string_equal(w->ledger.launches[0].restore.path, OLD);
	turns(w, 3);
	assert_true(w->effects[EFFECT_END_PROBE] > 0);
}

static void it_starts_once_the_pod_saw_it(void **state)
{
	struct world *w = *state;
	ask(w);
	answer(w, SEEN_PRESENT);
	assert_int_equal(world_turn(w), EFFECT_CREATE_CLUSTER);
	launched(w);
}

static void what_the_pod_cannot_know_goes_on(void **state)
{
	struct world *w = *state;
	ask(w);
	answer(w, SEEN_UNKNOWN);
	assert_int_equal(world_turn(w), EFFECT_CREATE_CLUSTER);
	launched(w);
}

static void a_pod_that_never_answers_does_not_hold_it_up(void **state)
{
	struct world *w = *state;
	ask(w);
	w->now += 201000;
	assert_int_equal(world_turn(w), EFFECT_CREATE_CLUSTER);
	launched(w);
}

static void what_is_gone_waits_for_a_choice(void **state)
{
	struct world *w = *state;
	ask(w);
	answer(w, SEEN_ABSENT);
	assert_int_equal(world_turn(w), EFFECT_END_PROBE);
	w->ledger.probe.pod[0] = '\0';
	w->seen.probe_done = false;
	assert_int_equal(w->ledger.launch_count, 0);
	assert_true(str_starts(w->ledger.stuck, "StateChoiceRequired"));
	for (int i = 0; i < 100; i++)
		assert_int_equal(world_turn(w), EFFECT_NONE);
	w->now += 600000; /* later it may be there again */
	assert_int_equal(world_turn(w), EFFECT_PROBE);
	snprintf(w->job, sizeof w->job, ",\"initialSavepointPath\":\"s3://new/savepoint-2\"");
	assert_int_equal(world_turn(w), EFFECT_CREATE_CLUSTER); /* which a store covers */
}

static void preflight_off_is_for_this_too(void **state)
{
	struct world *w = *state;
	snprintf(w->annotations, sizeof w->annotations, "\"weir.dev/preflight\":\"off\"");
	assert_int_equal(world_turn(w), EFFECT_CREATE_CLUSTER);
	assert_int_equal(w->ledger.launch_count, 1);
}

static void what_flink_told_just_now_is_not_asked_for(void **state)
{
	struct world *w = *state;
	w->job[0] = '\0';
	run(w);
	snprintf(w->args, sizeof w->args, "--v2");
	for (int i = 0; i < 20 && w->ledger.launch_count < 2; i++) {
		snprintf(w->seen.unproven_path, sizeof w->seen.unproven_path, "%s", w->ledger.next.path);
		turns(w, 1);
	}
	assert_int_equal(w->ledger.launch_count, 2);
	assert_int_equal(w->ledger.launches[1].restore.kind, RESTORE_PATH);
	assert_int_equal(w->effects[EFFECT_PROBE], 0);
}

static void a_suspended_job_is_asked_for_when_it_comes_back(void **state)
{
	struct world *w = *state;
	w->job[0] = '\0';
	run(w);
	snprintf(w->state, sizeof w->state, "suspended");
	turns(w, 10);
	assert_null(ledger_live(&w->ledger));
	snprintf(w->seen.unproven_path, sizeof w->seen.unproven_path, "%s", w->ledger.next.path);
	snprintf(w->state, sizeof w->state, "running");
	w->now += 3600000;
	assert_int_equal(world_turn(w), EFFECT_PROBE);
	assert_int_equal(w->ledger.launch_count, 1);
}

static void a_redeployment_asks_before_it_stops_the_job(void **state)
{
	struct world *w = *state;
	w->job[0] = '\0';
	run(w);
	snprintf(w->job, sizeof w->job, ",\"initialSavepointPath\":\"" OLD "\",\"savepointRedeployNonce\":2");
	assert_int_equal(world_turn(w), EFFECT_PROBE);
	assert_int_equal(w->ledger.op.kind, OP_NONE);
	assert_non_null(ledger_live(&w->ledger));
	answer(w, SEEN_ABSENT);
	turns(w, 20);
	assert_int_equal(w->ledger.launch_count, 1);
	assert_non_null(ledger_live(&w->ledger));
	assert_int_equal(w->seen.job, JOB_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_starts_once_the_pod_saw_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_pod_cannot_know_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pod_that_never_answers_does_not_hold_it_up, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_gone_waits_for_a_choice, setup, teardown),
		cmocka_unit_test_setup_teardown(preflight_off_is_for_this_too, setup, teardown),
		cmocka_unit_test_setup_teardown(what_flink_told_just_now_is_not_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_suspended_job_is_asked_for_when_it_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_redeployment_asks_before_it_stops_the_job, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
