/* What launches leave in HA storage: when it is cleaned up, and what is never touched. */
#include "base/buf.h"
#include "snapshot_world.h"

#define DELETED "},\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"labels\":{" /* after the annotations */

struct place {
	struct world w;
	const char *failure; /* every attempt ends with it; NULL: they succeed */
	char done[400];	     /* the names that were cleaned up */
	int64_t attempts;
	bool crash; /* the effect is cut off */
	bool released, hopeless;
};

static int setup(void **state)
{
	struct place *p = mem_alloc(sizeof *p);
	world_init(&p->w);
	p->w.config.ha = true;
	snprintf(p->w.config.ha_dir, sizeof p->w.config.ha_dir, "file:///ha");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	world_free(&p->w);
	free(p);
	return 0;
}

static enum effect turn(struct place *p)
{
	enum effect effect = world_turn(&p->w);
	p->released |= effect == EFFECT_REMOVE_FINALIZER;
	if (effect != EFFECT_CLEAN || p->crash)
		return effect;
	const struct ledger_litter *x = ledger_cleaning(&p->w.ledger);
	assert_non_null(x);
	p->attempts++;
	if (p->failure == NULL)
		snprintf(p->done + strlen(p->done), sizeof p->done - strlen(p->done), "%s ", x->name);
	ledger_cleaned(&p->w.ledger, p->failure, p->hopeless);
	return effect;
}

static const struct ledger_launch *last(const struct place *p)
{
	return &p->w.ledger.launches[p->w.ledger.launch_count - 1];
}

static void until_stable(struct place *p, int64_t launches)
{
	for (int i = 0; i < 60; i++) {
		turn(p);
		if (p->w.ledger.launch_count == launches && last(p)->stable_at != 0 && p->w.ledger.op.kind == OP_NONE)
			return;
	}
	fail_msg("launch %d is never stable: %s", (int)launches, p->w.ledger.stuck);
}

static void upgrade(struct place *p, const char *args)
{
	snprintf(p->w.args, sizeof p->w.args, "%s", args);
	turn(p);
}

static void idle(struct place *p, int count)
{
	for (int i = 0; i < count; i++)
		turn(p);
}

static void results_go_once_the_successor_is_stable(void **state)
{
	struct place *p = *state;
	char first[160];
	until_stable(p, 1);
	idle(p, 5);
	assert_int_equal(p->w.ledger.litter_count, 2);
	snprintf(first, sizeof first, "job-result-store/j/%s-1", p->w.ledger.launches[0].job_id);
	assert_string_equal(p->w.ledger.litter[0].name, first);
	assert_string_equal(p->w.ledger.litter[0].root, "file:///ha");
	assert_string_equal(p->w.ledger.litter[1].name, "j");
	upgrade(p, "--v2");
	while (p->w.ledger.launch_count < 2 || last(p)->running_at == 0)
		turn(p);
	assert_int_equal(p->attempts, 0); /* it runs, but may still have to go back */
	until_stable(p, 2);
	idle(p, 5);
	assert_int_equal(p->attempts, 1);
	assert_true(str_starts(p->done, first));
	assert_int_equal(strlen(p->done), strlen(first) + 1); /* the other's and the cluster's directory stay */
	assert_int_equal(p->w.ledger.litter_count, 2);
	int64_t quiet = p->w.effects[EFFECT_NONE];
	idle(p, 50);
	assert_int_equal(p->w.effects[EFFECT_NONE], quiet + 50);
}

static void failures_are_retried_rarely_and_given_up(void **state)
{
	struct place *p = *state;
	p->failure = "Permission denied";
	until_stable(p, 1);
	upgrade(p, "--v2");
	until_stable(p, 2);
	idle(p, 590);
	assert_int_equal(p->attempts, 1);
	idle(p, 20);
	assert_int_equal(p->attempts, 2);
	int events = 0;
	for (int i = 0; i < 20000; i++) {
		turn(p);
		events += strstr(p->w.events, "CleanupFailed") != NULL;
	}
	assert_int_equal(p->attempts, 5);
	assert_int_equal(events, 1);
	assert_int_equal(p->w.ledger.litter_count, 3); /* it stays listed, with the reason */
	assert_string_equal(p->w.ledger.litter[0].why, "Permission denied");
}

static void an_attempt_that_was_cut_short_is_repeated(void **state)
{
	struct place *p = *state;
	p->crash = true;
	until_stable(p, 1);
	upgrade(p, "--v2");
	until_stable(p, 2);
	idle(p, 5);
	assert_int_equal(p->w.effects[EFFECT_CLEAN], 1);
	assert_int_equal(p->w.ledger.cleaning, 0);
	p->crash = false;
	idle(p, 610);
	assert_int_equal(p->attempts, 1);
	assert_true(str_starts(p->done, "job-result-store/j/"));
}

static void delete (struct place *p)
{
	snprintf(p->w.annotations, sizeof p->w.annotations, DELETED);
	for (int i = 0; i < 400 && !p->released; i++)
		turn(p);
	assert_true(p->released);
}

static void a_deletion_leaves_nothing(void **state)
{
	struct place *p = *state;
	until_stable(p, 1);
	upgrade(p, "--v2");
	until_stable(p, 2);
	p->done[0] = '\0';
	delete (p);
	assert_int_equal(p->w.ledger.litter_count, 0);
	assert_non_null(strstr(p->done, "job-result-store/j/"));
	assert_true(str_starts(p->done, "j "));
}

static void a_deletion_does_not_hang_on_it(void **state)
{
	struct place *p = *state;
	until_stable(p, 1);
	p->failure = "the file system did not answer";
	int64_t before = p->w.now;
	delete (p);
	assert_true(p->w.now - before < 180000);
	assert_true(p->attempts >= 4);
	assert_int_equal(p->w.ledger.litter_count, 2);
}

static void what_cannot_be_cleaned_up_is_not_waited_for(void **state)
{
	struct place *p = *state;
	until_stable(p, 1);
	p->failure = "no volume of the job holds it";
	p->hopeless = true;
	int64_t before = p->w.now;
	delete (p);
	assert_int_equal(p->attempts, 2);
	assert_true(p->w.now - before < 30000);
}

static void the_directory_of_ha_metadata_that_still_serve_is_left(void **state)
{
	struct place *p = *state;
	until_stable(p, 1);
	snprintf(p->w.config.ha_dir, sizeof p->w.config.ha_dir, "file:///new"); /* as the next launch has it */
	struct ledger *l = &p->w.ledger;
	/* what a last-state upgrade leaves: a stable successor under the same HA metadata */
	struct ledger_launch *next = ledger_add_launch(l);
	int64_t number = next->number;
	*next = l->launches[0];
	next->spec = mem_strdup(l->launches[0].spec);
	next->number = number;
	next->restore.kind = RESTORE_HA;
	l->launches[0].ended_at = p->w.now;
	idle(p, 5);
	assert_null(strstr(p->done, " j "));
	assert_int_equal(l->litter_count, 3);
	l->launches[1].restore.kind = RESTORE_PATH; /* with metadata that began anew nothing points into the old directory */
	p->done[0] = ' ';
	p->done[1] = '\0';
	idle(p, 5);
	assert_string_equal(p->done, " j ");
}

static void without_a_storage_dir_nothing_is_recorded(void **state)
{
	struct place *p = *state;
	p->w.config.ha_dir[0] = '\0';
	until_stable(p, 1);
	upgrade(p, "--v2");
	until_stable(p, 2);
	idle(p, 5);
	assert_int_equal(p->w.ledger.litter_count, 0);
	assert_int_equal(p->w.effects[EFFECT_CLEAN], 0);
}

static void what_another_operator_made_is_not_recorded(void **state)
{
	struct place *p = *state;
	until_stable(p, 1);
	p->w.ledger.litter_count = 0;
	p->w.ledger.launches[0].restore.kind = RESTORE_UNDECIDED; /* as an adopted launch has it */
	idle(p, 3);
	assert_int_equal(p->w.ledger.litter_count, 0);
}

static void the_list_is_bounded(void **state)
{
	struct place *p = *state;
	p->failure = "no";
	until_stable(p, 1);
	char args[32];
	for (int i = 2; i < 22; i++) {
		snprintf(args, sizeof args, "--v%d", i);
		upgrade(p, args);
		until_stable(p, i > LEDGER_LAUNCHES ? LEDGER_LAUNCHES : i);
	}
	assert_int_equal(p->w.ledger.litter_count, LEDGER_LITTER);
	assert_true(last(p)->number == p->w.ledger.litter[LEDGER_LITTER - 1].launch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(results_go_once_the_successor_is_stable, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_are_retried_rarely_and_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(an_attempt_that_was_cut_short_is_repeated, setup, teardown),
		cmocka_unit_test_setup_teardown(a_deletion_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_deletion_does_not_hang_on_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_cleaned_up_is_not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(the_directory_of_ha_metadata_that_still_serve_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_storage_dir_nothing_is_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(what_another_operator_made_is_not_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(the_list_is_bounded, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
