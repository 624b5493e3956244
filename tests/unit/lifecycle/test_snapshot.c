/* Savepoints and checkpoints of a job that runs on: decide() over a toy world (snapshot_world.h). */
#include "snapshot_world.h"

static const char *last_nonce(const struct world *w) /* of lastReconciledSpec */
{
	static char nonce[24];
	const char *text = status(w, "reconciliationStatus/lastReconciledSpec");
	const char *at = strstr(text, "\"savepointTriggerNonce\":");
	snprintf(nonce, sizeof nonce, "%.*s", at == NULL ? 0 : (int)strcspn(at + 24, ","), at == NULL ? "" : at + 24);
	return nonce;
}

/* ---- what asks ---- */

static void test_nonce(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	snprintf(w.job, sizeof w.job, ",\"savepointTriggerNonce\":1");
	run(&w);
	turns(&w, 5);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 0); /* it came with the first deployment */
	snprintf(w.job, sizeof w.job, ",\"savepointTriggerNonce\":2");
	w.slow = true;
	assert_int_equal(world_turn(&w), EFFECT_TRIGGER_SAVEPOINT);
	assert_string_equal(last_nonce(&w), "1");
	w.slow = false;
	turns(&w, 1);
	assert_string_equal(status(&w, "jobStatus/savepointInfo/triggerType"), "MANUAL");
	assert_true(strlen(status(&w, "jobStatus/savepointInfo/triggerId")) == 32);
	flink_snapshot(&w);
	turns(&w, 1);
	assert_string_equal(status(&w, "jobStatus/savepointInfo/triggerId"), "");
	assert_string_equal(status(&w, "jobStatus/savepointInfo/triggerTimestamp"), "");
	assert_string_equal(status(&w, "jobStatus/savepointInfo/lastSavepoint/location"), w.location);
	assert_string_equal(status(&w, "jobStatus/savepointInfo/lastSavepoint/triggerNonce"), "2");
	assert_string_equal(last_nonce(&w), "2");
	assert_string_equal(w.ledger.newest.path, w.location);
	turns(&w, 5);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 1);
	assert_int_equal(w.effects[EFFECT_STOP_WITH_SAVEPOINT] + w.effects[EFFECT_DELETE_CLUSTER], 0);
	snprintf(w.job, sizeof w.job, " "); /* taken away: nothing */
	turns(&w, 3);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 1);
	world_free(&w);
}

static void test_checkpoint_nonce(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	snprintf(w.job, sizeof w.job, ",\"checkpointTriggerNonce\":7");
	assert_int_equal(world_turn(&w), EFFECT_TRIGGER_CHECKPOINT);
	AUTOFREE char *newest = mem_strdup(w.ledger.newest.path);
	turns(&w, 1);
	assert_string_equal(status(&w, "jobStatus/checkpointInfo/lastCheckpoint/triggerType"), "MANUAL");
	assert_string_equal(status(&w, "jobStatus/checkpointInfo/lastCheckpoint/triggerNonce"), "7");
	assert_string_equal(w.ledger.newest.path, newest); /* it is Flink's own, and Flink will delete it */
	w.config.snapshots.can_checkpoint = false;
	snprintf(w.job, sizeof w.job, ",\"checkpointTriggerNonce\":8");
	turns(&w, 3);
	assert_int_equal(w.effects[EFFECT_TRIGGER_CHECKPOINT], 1);
	assert_non_null(strstr(w.ledger.snapshot_problem, "1.17"));
	world_free(&w);
}

static void test_annotation(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"%0100d\"", 1);
	assert_int_equal(world_turn(&w), EFFECT_TRIGGER_SAVEPOINT);
	turns(&w, 6);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 1);
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"%0100d\"", 2);
	turns(&w, 6);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 2);
	world_free(&w);
}

static void test_period(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.config.snapshots.savepoint.every_ms = 60000;
	run(&w);
	turns(&w, 50);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 0);
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 1);
	assert_string_equal(status(&w, "jobStatus/savepointInfo/lastSavepoint/triggerType"), "PERIODIC");
	assert_string_not_equal(status(&w, "jobStatus/savepointInfo/lastPeriodicSavepointTimestamp"), "0");
	w.now += (int64_t)10 * 60 * 60000; /* an outage: one, not six hundred */
	turns(&w, 30);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 2);
	w.now -= (int64_t)20 * 60 * 60000; /* a clock that goes back does not silence it for a day */
	turns(&w, 70);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 3);
	w.config.snapshots.savepoint.every_ms = 0;
	turns(&w, 200);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 3);
	w.config.snapshots.savepoint.every_ms = 60000; /* asked for anew: counted from now */
	turns(&w, 50);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 3);
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 4);
	world_free(&w);
}

static void test_cron(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	assert_true(time_parse_ms("2026-03-01T05:59:00Z", &w.now));
	snprintf(w.config.snapshots.checkpoint.cron, sizeof w.config.snapshots.checkpoint.cron, "0 0 6 * * ?");
	run(&w);
	turns(&w, 50);
	assert_int_equal(w.effects[EFFECT_TRIGGER_CHECKPOINT], 0);
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_TRIGGER_CHECKPOINT], 1);
	turns(&w, 200);
	assert_int_equal(w.effects[EFFECT_TRIGGER_CHECKPOINT], 1);
	w.now += (int64_t)3 * 86400000;
	turns(&w, 200);
	assert_int_equal(w.effects[EFFECT_TRIGGER_CHECKPOINT], 2);
	world_free(&w);
}

static void test_nowhere_to(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	w.config.savepoint_dir[0] = '\0';
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 1);
	assert_non_null(strstr(w.events, "SnapshotError"));
	turns(&w, 3);
	assert_string_equal(w.events, ""); /* once */
	assert_string_equal(status(&w, "conditions/1/type"), "SnapshotFailed");
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 0);
	snprintf(w.config.savepoint_dir, sizeof w.config.savepoint_dir, "file:///s/");
	assert_int_equal(world_turn(&w), EFFECT_TRIGGER_SAVEPOINT); /* the request still stands */
	assert_memory_equal(w.ledger.snapshot.dir, "file:///s/weir-snapshot-1-", 26);
	turns(&w, 2);
	assert_string_equal(status(&w, "conditions/1/type"), "");
	world_free(&w);
}

/* ---- what can happen to it ---- */

static void test_fails(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	w.fail = true;
	snprintf(w.job, sizeof w.job, ",\"savepointTriggerNonce\":2");
	turns(&w, 60);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], SNAPSHOT_ATTEMPTS);
	assert_string_equal(last_nonce(&w), "2"); /* given up: handled */
	assert_non_null(strstr(w.ledger.snapshot_failure, "no room"));
	assert_int_equal(w.ledger.record_count, 0);
	w.fail = false;
	snprintf(w.job, sizeof w.job, ",\"savepointTriggerNonce\":3");
	turns(&w, 3);
	assert_string_equal(w.ledger.snapshot_failure, "");
	assert_int_equal(w.ledger.record_count, 1);
	world_free(&w);
}

static void test_lost_answers(void **state)
{
	(void)state;
	struct world w;
	char trigger[65], dir[LEDGER_PATH];
	world_init(&w);
	run(&w);
	w.lose = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 1);
	memcpy(trigger, w.ledger.snapshot.trigger, sizeof trigger);
	memcpy(dir, w.ledger.snapshot.dir, sizeof dir);
	assert_int_equal(world_turn(&w), EFFECT_TRIGGER_SAVEPOINT); /* asked again, as the same operation */
	assert_string_equal(w.ledger.snapshot.trigger, trigger);
	assert_string_equal(w.ledger.snapshot.dir, dir);
	/* its result is forgotten, but the job reports a savepoint of somebody else, then one in its directory */
	snprintf(w.seen.savepoint_path, sizeof w.seen.savepoint_path, "file:/s/other/savepoint-1");
	turns(&w, 1);
	assert_int_equal(w.ledger.record_count, 0);
	snprintf(w.seen.savepoint_path, sizeof w.seen.savepoint_path, "file:/%.300s/savepoint-1", dir + strlen("file:///"));
	turns(&w, 1);
	assert_int_equal(w.ledger.record_count, 1);
	assert_string_equal(w.ledger.records[0].path, w.seen.savepoint_path);
	assert_int_equal(w.ledger.snapshot.kind, SNAPSHOT_NONE);
	world_free(&w);
}

/* An older Flink gives the id itself: when that answer was lost, a second savepoint is only made when the first would have shown. */
static void test_old_flink(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.config.snapshots.own_trigger = false;
	run(&w);
	w.lose = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 20);
	assert_string_equal(w.ledger.snapshot.trigger, "");
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 1);
	turns(&w, 30);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 2);
	w.lose = false;
	w.fail = true;
	turns(&w, 200);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], SNAPSHOT_ATTEMPTS);
	world_free(&w);
}

static void test_refused(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	w.slow = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	for (int i = 0; i < 60; i++)
		if (world_turn(&w) == EFFECT_TRIGGER_SAVEPOINT)
			snprintf(w.ledger.snapshot.refused, sizeof w.ledger.snapshot.refused, "bad directory");
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], SNAPSHOT_ATTEMPTS);
	assert_non_null(strstr(w.ledger.snapshot_failure, "bad directory"));
	world_free(&w);
}

static void test_never_ends(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	w.slow = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 500);
	assert_int_equal(w.ledger.snapshot.kind, SNAPSHOT_SAVEPOINT);
	w.seen.rest = SEEN_UNKNOWN; /* nobody answers: no reason to give up */
	turns(&w, 200);
	assert_int_equal(w.ledger.snapshot.kind, SNAPSHOT_SAVEPOINT);
	w.seen.rest = SEEN_PRESENT;
	turns(&w, 1);
	assert_int_equal(w.ledger.snapshot.kind, SNAPSHOT_NONE);
	assert_non_null(strstr(w.events, "SavepointError"));
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 1);
	world_free(&w);
}

/* A stop for an upgrade waits for it, and not for ever; what it makes is not the state of the upgrade. */
static void test_upgrade_waits(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	w.slow = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 2);
	snprintf(w.args, sizeof w.args, "--v2");
	turns(&w, 50);
	assert_int_equal(w.ledger.op.kind, OP_NONE);
	w.slow = false;
	flink_snapshot(&w);
	char ordinary[LEDGER_PATH];
	memcpy(ordinary, w.location, sizeof ordinary);
	turns(&w, 20);
	assert_int_equal(w.ledger.launch_count, 2);
	assert_string_not_equal(w.ledger.launches[1].restore.path, ordinary);
	assert_string_equal(w.ledger.records[0].path, ordinary);
	assert_string_equal(w.ledger.records[1].type, "UPGRADE");
	assert_string_equal(w.ledger.records[1].path, w.ledger.launches[1].restore.path);

	w.slow = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"b\"");
	turns(&w, 2);
	snprintf(w.args, sizeof w.args, "--v3");
	turns(&w, 200);
	assert_int_equal(w.ledger.launch_count, 3);
	/* it was not answered: the new launch is asked */
	assert_int_equal(w.ledger.snapshot.launch, 3);
	world_free(&w);
}

/* The ordinary savepoint completes while the job is being stopped: the stop's own is what counts. */
static void test_completes_during_stop(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.config.snapshots.ignore_pending = true;
	run(&w);
	w.slow = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 2);
	snprintf(w.args, sizeof w.args, "--v2");
	turns(&w, 1);
	assert_int_equal(w.ledger.op.kind, OP_STOP);
	w.slow = false;
	flink_snapshot(&w);
	turns(&w, 12);
	assert_int_equal(w.ledger.launch_count, 2);
	assert_string_equal(w.ledger.launches[1].restore.path, w.ledger.newest.path);
	assert_non_null(strstr(w.ledger.newest.path, "/weir-1-1/"));
	world_free(&w);
}

static void test_job_ends(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run(&w);
	w.slow = true;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 2);
	w.seen.job = JOB_RESTARTING;
	turns(&w, 30);
	assert_int_equal(w.ledger.snapshot.kind, SNAPSHOT_SAVEPOINT);
	w.seen.job = JOB_FINISHED;
	turns(&w, 1);
	assert_int_equal(w.ledger.snapshot.kind, SNAPSHOT_NONE);
	assert_non_null(strstr(w.events, "SnapshotAbandoned"));
	turns(&w, 5);
	assert_int_equal(w.effects[EFFECT_TRIGGER_SAVEPOINT], 1);
	world_free(&w);
}

/* ---- objects ---- */

static void test_resources(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.config.snapshots.resources = true;
	w.seen.snapshot_resource = SEEN_ABSENT;
	run(&w);
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"a\"");
	turns(&w, 5);
	assert_int_equal(w.effects[EFFECT_CREATE_SNAPSHOT], 1);
	assert_int_equal(w.ledger.records[0].listed, RECORD_LISTED);
	char name[SNAPSHOT_NAME_MAX];
	snapshot_resource_name("j", &w.ledger.records[0], name);
	assert_memory_equal(name, "j-savepoint-manual-", 19);
	/* not installed, or not wanted: only the ledger knows of it */
	w.seen.snapshot_kind = SEEN_ABSENT;
	w.seen.snapshot_resource = SEEN_UNKNOWN;
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/savepoint\":\"b\"");
	turns(&w, 5);
	assert_int_equal(w.effects[EFFECT_CREATE_SNAPSHOT], 1);
	assert_int_equal(w.ledger.records[1].listed, RECORD_UNLISTED);
	/* a checkpoint's goes with its record */
	w.seen.snapshot_kind = SEEN_PRESENT;
	w.seen.snapshot_resource = SEEN_ABSENT;
	w.config.snapshots.checkpoint.every_ms = 10000;
	turns(&w, 60);
	assert_true(w.effects[EFFECT_DELETE_SNAPSHOT] >= 3);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 0);
	int64_t checkpoints = 0;
	for (int64_t i = 0; i < w.ledger.record_count; i++)
		checkpoints += w.ledger.records[i].kind == SNAPSHOT_CHECKPOINT;
	assert_true(checkpoints <= 2);
	world_free(&w);
}

/* With nothing to do nothing is written. */
static void test_quiet(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.config.snapshots.cleanup = true;
	w.config.snapshots.max_count = 3;
	w.config.snapshots.savepoint.every_ms = 3600000;
	run(&w);
	turns(&w, 20);
	AUTOBUF before = BUF_INIT, after = BUF_INIT;
	ledger_write(&w.ledger, &before);
	turns(&w, 50);
	ledger_write(&w.ledger, &after);
	assert_string_equal(buf_text(&before), buf_text(&after));
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_checkpoint_nonce),
		cmocka_unit_test(test_annotation),
		cmocka_unit_test(test_period),
		cmocka_unit_test(test_cron),
		cmocka_unit_test(test_nowhere_to),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_lost_answers),
		cmocka_unit_test(test_old_flink),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_never_ends),
		cmocka_unit_test(test_upgrade_waits),
		cmocka_unit_test(test_completes_during_stop),
		cmocka_unit_test(test_job_ends),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_quiet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
