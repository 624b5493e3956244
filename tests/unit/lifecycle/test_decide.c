/* Decisions over a toy world: the observation follows the effects, faults are set by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lifecycle/decide.h"
#include "lifecycle/digest.h"

struct world {
	struct ledger ledger;
	struct observation seen;
	struct job_config config;
	struct policy policy;
	char resource[2048];
	char state[32], mode[32], args[64], annotations[200], deletion[64];
	int64_t now;
	int64_t effects[EFFECT_COUNT];
	int64_t savepoints; /* taken */
	bool fail_start, lose_answer;
	char status_state[32];
	char uid[40];
	bool gone;
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof *w);
	ledger_init(&w->ledger);
	w->policy = policy_default();
	w->config = (struct job_config){ .checkpointing = true, .checkpoint_interval_ms = 1000, .ha = true };
	snprintf(w->config.savepoint_dir, sizeof w->config.savepoint_dir, "file:///s");
	snprintf(w->mode, sizeof w->mode, "savepoint");
	snprintf(w->state, sizeof w->state, "running");
	snprintf(w->uid, sizeof w->uid, "u-1");
	w->now = 1000000;
	w->seen.jm = w->seen.pods = w->seen.ha = SEEN_ABSENT;
}

static void world_free(struct world *w)
{
	ledger_free(&w->ledger);
}

/* What the cluster makes of time going by. */
static void world_settle(struct world *w)
{
	struct observation *s = &w->seen;
	w->now += 5000;
	if (s->jm != SEEN_PRESENT)
		return;
	s->jm_available = true;
	s->jm_complete = true;
	s->pods = SEEN_PRESENT;
	s->rest = SEEN_PRESENT;
	s->checkpoints = SEEN_PRESENT;
	if (w->fail_start && strstr(w->ledger.launches[w->ledger.launch_count - 1].spec, "--broken") != NULL) {
		s->job = JOB_FAILED;
		return;
	}
	if (w->ledger.op.kind == OP_STOP && s->savepoint == SAVEPOINT_UNKNOWN)
		s->savepoint = SAVEPOINT_NO_SUCH_TRIGGER;
	if (s->savepoint == SAVEPOINT_IN_PROGRESS) {
		s->savepoint = SAVEPOINT_COMPLETED;
		snprintf(s->savepoint_location, sizeof s->savepoint_location, "%.400s/sp-%d", w->ledger.op.dir, (int)++w->savepoints);
		memcpy(s->savepoint_path, s->savepoint_location, sizeof s->savepoint_path);
		memcpy(s->checkpoint_path, s->savepoint_location, sizeof s->checkpoint_path);
		s->job = JOB_FINISHED;
		if (w->lose_answer)
			s->savepoint = SAVEPOINT_NO_SUCH_TRIGGER;
	} else if (!job_state_terminal(s->job)) {
		s->job = JOB_RUNNING;
		s->checkpoints_completed++;
		snprintf(s->checkpoint_path, sizeof s->checkpoint_path, "file:///c/chk-%d", (int)s->checkpoints_completed);
		if (w->config.ha) {
			s->ha = SEEN_PRESENT;
			s->ha_checkpoint = true;
		}
	}
}

static void world_apply(struct world *w, enum effect effect)
{
	struct observation *s = &w->seen;
	w->effects[effect]++;
	switch (effect) {
	case EFFECT_CREATE_CLUSTER:
		assert_int_equal(s->jm_pods + s->tm_pods, 0);
		s->jm = SEEN_PRESENT;
		s->jm_launch = w->ledger.op.launch;
		s->jm_pods = 1;
		s->tm_pods = 1;
		s->job = JOB_CREATED;
		s->savepoint = SAVEPOINT_UNKNOWN;
		s->savepoint_path[0] = '\0';
		s->checkpoints_completed = 0;
		break;
	case EFFECT_STOP_WITH_SAVEPOINT:
		s->savepoint = SAVEPOINT_IN_PROGRESS;
		break;
	case EFFECT_DELETE_CLUSTER:
		s->jm = SEEN_ABSENT;
		s->jm_pods = s->tm_pods = 0;
		s->rest = SEEN_ABSENT;
		s->job = JOB_NONE;
		break;
	case EFFECT_DELETE_HA:
		s->ha = SEEN_ABSENT;
		s->ha_checkpoint = false;
		break;
	case EFFECT_REMOVE_FINALIZER:
		w->gone = true;
		break;
	default:
		break;
	}
}

/* One turn; `crash` ends it after the ledger was written and before the effect. */
static enum effect world_turn(struct world *w, bool crash)
{
	snprintf(w->resource, sizeof w->resource,
		 "{\"metadata\":{\"name\":\"j\",\"uid\":\"%s\",\"generation\":1,\"finalizers\":[\"flinkdeployments.flink.apache.org/"
		 "finalizer\"]%s"
		 ",\"annotations\":{%s}},\"spec\":{\"flinkVersion\":\"v1_20\",\"job\":{\"state\":\"%s\",\"upgradeMode\":\"%s\",\"args\":["
		 "\"%s\"]}}}",
		 w->uid, w->deletion, w->annotations, w->state, w->mode, w->args);
	struct error err;
	AUTODOC *doc = doc_parse_json(w->resource, strlen(w->resource), "r", NULL, &err);
	assert_non_null(doc);
	char digest[65];
	spec_digest(node_get(doc_root(doc), "spec"), NULL, digest);
	char id[33];
	job_id_of("trigger", w->now, id);
	struct decide_input in = { .resource = doc_root(doc),
				   .digest = digest,
				   .commit = "c0ffee",
				   .ledger = &w->ledger,
				   .seen = &w->seen,
				   .policy = &w->policy,
				   .config = &w->config,
				   .leader = "a/1",
				   .fresh_id = id,
				   .now_ms = w->now };
	struct decision d;
	decide(&in, &d);
	enum effect effect = d.effect;
	assert_non_null(d.status);
	snprintf(w->status_state, sizeof w->status_state, "%s", node_text_or(node_get(doc_root(d.status), "lifecycleState"), ""));
	/* through its text, as in the cluster */
	AUTOBUF text = BUF_INIT;
	ledger_write(&d.ledger, &text);
	ledger_free(&w->ledger);
	assert_true(ledger_read(&w->ledger, buf_text(&text), text.len, &err));
	decision_free(&d);
	if (!crash)
		world_apply(w, effect);
	return effect;
}

static void run_until(struct world *w, const char *state)
{
	for (int i = 0; i < 60; i++) {
		world_turn(w, false);
		if (strcmp(w->status_state, state) == 0 && w->ledger.op.kind == OP_NONE)
			return;
		world_settle(w);
	}
	fail_msg("never %s; last %s, op %d, stuck %s", state, w->status_state, (int)w->ledger.op.kind, w->ledger.stuck);
}

static void first_deployment_gets_stable(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run_until(&w, "STABLE");
	assert_int_equal(w.ledger.launch_count, 1);
	assert_int_equal(w.ledger.launches[0].restore.kind, RESTORE_EMPTY);
	assert_int_equal(w.effects[EFFECT_CREATE_CLUSTER], 1);
	int64_t quiet = w.effects[EFFECT_NONE];
	world_turn(&w, false);
	assert_int_equal(w.effects[EFFECT_NONE], quiet + 1);
	world_free(&w);
}

static void upgrade(struct world *w)
{
	run_until(w, "STABLE");
	snprintf(w->args, sizeof w->args, "--v2");
	world_turn(w, false);
	run_until(w, "STABLE");
}

static void savepoint_upgrade_carries_state(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	upgrade(&w);
	assert_int_equal(w.ledger.launch_count, 2);
	assert_int_equal(w.ledger.launches[1].restore.kind, RESTORE_PATH);
	assert_string_equal(w.ledger.launches[1].restore.path, "file:///s/weir-1-1/sp-1");
	assert_int_equal(w.effects[EFFECT_STOP_WITH_SAVEPOINT], 1);
	assert_string_not_equal(w.ledger.launches[0].job_id, w.ledger.launches[1].job_id);
	world_free(&w);
}

static void lost_savepoint_answer_is_found(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.lose_answer = true;
	upgrade(&w);
	assert_string_equal(w.ledger.launches[1].restore.path, "file:///s/weir-1-1/sp-1");
	world_free(&w);
}

static void last_state_keeps_job_id_and_takes_no_savepoint(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	snprintf(w.mode, sizeof w.mode, "last-state");
	upgrade(&w);
	assert_int_equal(w.ledger.launches[1].restore.kind, RESTORE_HA);
	assert_string_equal(w.ledger.launches[0].job_id, w.ledger.launches[1].job_id);
	assert_true(str_starts(w.ledger.launches[1].restore.path, "file:///c/chk-"));
	assert_int_equal(w.effects[EFFECT_STOP_WITH_SAVEPOINT], 0);
	assert_int_equal(w.effects[EFFECT_DELETE_HA], 0);
	world_free(&w);
}

static void broken_version_is_rolled_back_and_quarantined(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.fail_start = true;
	run_until(&w, "STABLE");
	snprintf(w.args, sizeof w.args, "--broken");
	world_turn(&w, false);
	run_until(&w, "ROLLED_BACK");
	assert_int_equal(w.ledger.launch_count, 3);
	assert_int_equal(w.ledger.quarantine_count, 1);
	assert_string_equal(w.ledger.launches[2].digest, w.ledger.launches[0].digest);
	assert_string_equal(w.ledger.launches[2].restore.path, w.ledger.launches[1].restore.path);
	for (int i = 0; i < 20; i++) { /* no ping-pong */
		world_settle(&w);
		world_turn(&w, false);
	}
	assert_int_equal(w.ledger.launch_count, 3);
	snprintf(w.args, sizeof w.args, "--fixed");
	world_turn(&w, false);
	run_until(&w, "STABLE");
	assert_int_equal(w.ledger.launch_count, 4);
	world_free(&w);
}

static void suspend_and_resume(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run_until(&w, "STABLE");
	snprintf(w.state, sizeof w.state, "suspended");
	world_turn(&w, false);
	run_until(&w, "SUSPENDED");
	assert_int_equal(w.seen.jm, SEEN_ABSENT);
	snprintf(w.state, sizeof w.state, "running");
	world_turn(&w, false);
	run_until(&w, "STABLE");
	assert_string_equal(w.ledger.launches[1].restore.path, "file:///s/weir-1-1/sp-1");
	world_free(&w);
}

static void deletion_takes_a_savepoint_and_recreation_waits(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run_until(&w, "STABLE");
	snprintf(w.deletion, sizeof w.deletion, ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"");
	for (int i = 0; i < 40 && !w.gone; i++) {
		world_turn(&w, false);
		world_settle(&w);
	}
	assert_true(w.gone);
	assert_int_equal(w.seen.ha, SEEN_ABSENT);
	assert_string_equal(w.ledger.newest.path, "file:///s/weir-1-1/sp-1");
	w.deletion[0] = '\0';
	snprintf(w.uid, sizeof w.uid, "u-2");
	for (int i = 0; i < 5; i++)
		assert_int_equal(world_turn(&w, false), EFFECT_NONE);
	assert_true(str_starts(w.ledger.stuck, "StateChoiceRequired"));
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/restore-from\":\"latest\"");
	world_turn(&w, false);
	run_until(&w, "STABLE");
	assert_string_equal(w.ledger.launches[1].restore.path, "file:///s/weir-1-1/sp-1");
	world_free(&w);
}

static void unknown_is_never_absent(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run_until(&w, "STABLE");
	snprintf(w.args, sizeof w.args, "--v2");
	w.seen.jm = SEEN_UNKNOWN;
	for (int i = 0; i < 5; i++)
		assert_int_equal(world_turn(&w, false), EFFECT_NONE);
	w.seen.jm = SEEN_PRESENT;
	w.seen.rest = SEEN_UNKNOWN;
	w.seen.job = JOB_NONE;
	w.seen.ha_checkpoint = false;
	assert_int_equal(world_turn(&w, false), EFFECT_NONE);
	world_free(&w);
}

/* The turn is cut between ledger and effect at every turn of an upgrade in turn: the job ends stable, from the one savepoint. */
static void crash_between_ledger_and_effect_at_every_turn(void **state)
{
	(void)state;
	for (int crash_at = 0; crash_at < 30; crash_at++) {
		struct world w;
		world_init(&w);
		run_until(&w, "STABLE");
		snprintf(w.args, sizeof w.args, "--v2");
		for (int i = 0; i < 60; i++) {
			world_turn(&w, i == crash_at);
			if (w.ledger.launch_count == 2 && w.ledger.launches[1].stable_at != 0)
				break;
			world_settle(&w);
		}
		assert_int_equal(w.ledger.launch_count, 2);
		assert_int_not_equal(w.ledger.launches[1].stable_at, 0);
		assert_int_equal(w.savepoints, 1);
		assert_int_equal(w.ledger.launches[1].restore.kind, RESTORE_PATH);
		world_free(&w);
	}
}

/* What runs there and is unknown to the ledger is not touched, adopted or not. */
static void unknown_cluster_is_not_touched(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.seen.jm = SEEN_PRESENT;
	w.seen.pods = SEEN_PRESENT;
	w.seen.jm_pods = 1;
	w.seen.ha = SEEN_PRESENT;
	w.seen.ha_checkpoint = true;
	for (int i = 0; i < 5; i++)
		assert_int_equal(world_turn(&w, false), EFFECT_NONE);
	assert_true(str_starts(w.ledger.stuck, "AdoptionRequired"));
	world_free(&w);
}

/* The new version completed a checkpoint before it failed: the rollback goes on from there, not from the savepoint before it. */
static void rollback_does_not_rewind(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run_until(&w, "STABLE");
	snprintf(w.args, sizeof w.args, "--v2");
	for (int i = 0; i < 30 && (w.ledger.launch_count < 2 || w.ledger.launches[1].running_at == 0); i++) {
		world_turn(&w, false);
		world_settle(&w);
	}
	w.seen.job = JOB_FAILED;
	w.seen.ha = SEEN_ABSENT; /* Flink cleaned up behind a job that failed for good */
	w.seen.ha_checkpoint = false;
	snprintf(w.seen.checkpoint_path, sizeof w.seen.checkpoint_path, "file:///c/chk-9");
	world_turn(&w, false);
	assert_int_equal(w.ledger.quarantine_count, 1);
	run_until(&w, "ROLLED_BACK");
	assert_string_equal(w.ledger.launches[2].restore.path, "file:///c/chk-9");
	world_free(&w);
}

/* REST cannot be reached: that is no evidence against the version, however long it lasts. */
static void silence_of_rest_is_no_evidence(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run_until(&w, "STABLE");
	snprintf(w.args, sizeof w.args, "--v2");
	for (int i = 0; i < 30 && w.ledger.launch_count < 2; i++) {
		world_turn(&w, false);
		world_settle(&w);
	}
	for (int i = 0; i < 20; i++) {
		w.now += 60000;
		w.seen.jm_available = true;
		w.seen.jm_complete = true;
		w.seen.pods = SEEN_PRESENT;
		w.seen.rest = SEEN_UNKNOWN;
		w.seen.checkpoints = SEEN_UNKNOWN;
		w.seen.job = JOB_NONE;
		world_turn(&w, false);
	}
	assert_int_equal(w.ledger.quarantine_count, 0);
	assert_int_equal(w.ledger.launch_count, 2);
	world_free(&w);
}

/* The JobManager Deployment vanishes in the middle of a stop: the HA metadata carries the state over. */
static void jobmanager_lost_during_stop(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	run_until(&w, "STABLE");
	snprintf(w.args, sizeof w.args, "--v2");
	assert_int_equal(world_turn(&w, false), EFFECT_STOP_WITH_SAVEPOINT);
	world_apply(&w, EFFECT_DELETE_CLUSTER);
	w.seen.savepoint = SAVEPOINT_UNKNOWN;
	run_until(&w, "STABLE");
	assert_int_equal(w.ledger.launch_count, 2);
	assert_int_equal(w.ledger.launches[1].restore.kind, RESTORE_HA);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_deployment_gets_stable),
		cmocka_unit_test(savepoint_upgrade_carries_state),
		cmocka_unit_test(lost_savepoint_answer_is_found),
		cmocka_unit_test(last_state_keeps_job_id_and_takes_no_savepoint),
		cmocka_unit_test(broken_version_is_rolled_back_and_quarantined),
		cmocka_unit_test(suspend_and_resume),
		cmocka_unit_test(deletion_takes_a_savepoint_and_recreation_waits),
		cmocka_unit_test(unknown_is_never_absent),
		cmocka_unit_test(crash_between_ledger_and_effect_at_every_turn),
		cmocka_unit_test(unknown_cluster_is_not_touched),
		cmocka_unit_test(rollback_does_not_rewind),
		cmocka_unit_test(silence_of_rest_is_no_evidence),
		cmocka_unit_test(jobmanager_lost_during_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
