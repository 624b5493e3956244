/* FlinkStateSnapshot: the rows of the peer's tables, and where it hangs for ever, that this does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lifecycle/state_snapshot.h"

/* One resource that is decided upon turn after turn; its status and finalizer follow the decisions. */
struct world {
	char spec[600], metadata[300]; /* JSON: the whole spec; more members of metadata */
	char *status;		       /* JSON, or NULL */
	bool held, gone;
	struct policy policy;
	struct state_snapshot_input in;
	int64_t now, id;
	enum state_snapshot_effect effect;
	char event[40], message[480];
	int64_t next;
	char trigger_type[24], state_label[24];
};

#define OF_JOB "\"jobReference\":{\"kind\":\"FlinkDeployment\",\"name\":\"j\"}"

static void world_init(struct world *w, const char *spec)
{
	memset(w, 0, sizeof *w);
	snprintf(w->spec, sizeof w->spec, "{%s}", spec);
	w->policy = policy_default();
	w->now = 1767225600000;
	w->in = (struct state_snapshot_input){ .target = SEEN_PRESENT,
					       .coming = true,
					       .rest = SEEN_PRESENT,
					       .job = JOB_RUNNING,
					       .savepoint_dir = "file:///s",
					       .can_checkpoint = true,
					       .own_trigger = true,
					       .path = "",
					       .failure = "",
					       .disposal_failure = "",
					       .needed = SEEN_ABSENT,
					       .needed_by = "" };
}

static void world_free(struct world *w)
{
	free(w->status);
}

static void turn(struct world *w)
{
	AUTOFREE char *text = mem_printf("{\"metadata\":{\"name\":\"s\"%s%s},\"spec\":%s,\"status\":%s}", w->metadata,
					 w->held ? ",\"finalizers\":[\"" STATE_SNAPSHOT_FINALIZER "\"]" : "", w->spec,
					 w->status == NULL ? "null" : w->status);
	struct error err = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(text, strlen(text), "s", NULL, &err);
	if (doc == NULL)
		fail_msg("%s: %s", err.message, text);
	char id[33];
	snprintf(id, sizeof id, "%032d", (int)++w->id);
	w->in.resource = doc_root(doc);
	w->in.policy = &w->policy;
	w->in.fresh_id = id;
	w->in.now_ms = w->now;
	struct state_snapshot_output out;
	state_snapshot_decide(&w->in, &out);
	w->effect = out.effect;
	w->next = out.next_ms;
	snprintf(w->event, sizeof w->event, "%s", out.has_event ? out.event.reason : "");
	snprintf(w->message, sizeof w->message, "%s", out.has_event ? out.event.message : "");
	snprintf(w->trigger_type, sizeof w->trigger_type, "%s", node_text_or(node_get(out.labels, "snapshot.trigger-type"), ""));
	snprintf(w->state_label, sizeof w->state_label, "%s", node_text_or(node_get(out.labels, "snapshot.state"), ""));
	if (out.effect == STATE_SNAPSHOT_DISPOSE)
		state_snapshot_answered(&out, "d1");
	if (out.effect == STATE_SNAPSHOT_TRIGGER && !w->in.own_trigger && w->in.operation != SAVEPOINT_UNKNOWN)
		state_snapshot_answered(&out, "theirs");
	AUTOBUF status = BUF_INIT;
	node_to_json(doc_root(out.status), &status, JSON_COMPACT);
	free(w->status);
	w->status = mem_strdup(buf_text(&status));
	if (out.effect == STATE_SNAPSHOT_ADD_FINALIZER)
		w->held = true;
	if (out.effect == STATE_SNAPSHOT_REMOVE_FINALIZER)
		w->gone = true;
	state_snapshot_free(&out);
}

static const char *status(const struct world *w, const char *key)
{
	static char value[600];
	AUTODOC *doc = doc_parse_json(w->status, strlen(w->status), "status", NULL, NULL);
	snprintf(value, sizeof value, "%s", node_text_or(node_get(doc_root(doc), key), ""));
	return value;
}

static void held(struct world *w, const char *spec)
{
	world_init(w, spec);
	turn(w);
	assert_int_equal(w->effect, STATE_SNAPSHOT_ADD_FINALIZER);
}

static void test_savepoint(void **state)
{
	(void)state;
	struct world w;
	held(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_TRIGGER);
	assert_string_equal(status(&w, "state"), "IN_PROGRESS");
	assert_int_equal(strlen(status(&w, "triggerId")), 32);
	assert_string_equal(status(&w, "triggerTimestamp"), "2026-01-01T00:00:00.000Z");
	AUTOFREE char *trigger = mem_strdup(status(&w, "triggerId"));
	w.in.operation = SAVEPOINT_NO_SUCH_TRIGGER; /* killed before Flink was asked */
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_TRIGGER);
	assert_string_equal(status(&w, "triggerId"), trigger);
	w.in.operation = SAVEPOINT_IN_PROGRESS;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
	w.in.operation = SAVEPOINT_COMPLETED;
	w.in.path = "file:/s/savepoint-1";
	w.now += 1500;
	turn(&w);
	assert_string_equal(status(&w, "state"), "COMPLETED");
	assert_string_equal(status(&w, "path"), "file:/s/savepoint-1");
	assert_string_equal(status(&w, "resultTimestamp"), "2026-01-01T00:00:01.500Z");
	assert_string_equal(w.trigger_type, "MANUAL");
	assert_string_equal(w.state_label, "COMPLETED");
	turn(&w);
	assert_int_equal(w.next, INT64_MAX);
	world_free(&w);
}

static void test_checkpoint(void **state)
{
	(void)state;
	struct world w;
	held(&w, OF_JOB ",\"checkpoint\":{}");
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_TRIGGER);
	w.in.operation = SAVEPOINT_COMPLETED; /* and its path is not told any more */
	turn(&w);
	assert_string_equal(status(&w, "state"), "COMPLETED");
	assert_string_equal(w.event, "CheckpointError");
	world_free(&w);

	held(&w, OF_JOB ",\"checkpoint\":{}");
	w.in.can_checkpoint = false;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
	assert_string_equal(status(&w, "state"), "FAILED");
	assert_non_null(strstr(w.message, "1.17"));
	world_free(&w);

	held(&w, OF_JOB ",\"checkpoint\":{}"); /* Weir made it before */
	snprintf(w.metadata, sizeof w.metadata, ",\"annotations\":{\"" STATE_SNAPSHOT_RECORDED "\":\"file:/c/chk-3\"}");
	turn(&w);
	assert_string_equal(status(&w, "state"), "COMPLETED");
	assert_string_equal(status(&w, "path"), "file:/c/chk-3");
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
	world_free(&w);
}

static void test_exists(void **state)
{
	(void)state;
	struct world w;
	held(&w, "\"savepoint\":{\"path\":\"file:/s/old\",\"alreadyExists\":true}");
	w.in.target = SEEN_ABSENT;
	turn(&w);
	assert_string_equal(status(&w, "state"), "COMPLETED");
	assert_string_equal(status(&w, "path"), "file:/s/old");
	assert_string_equal(status(&w, "triggerTimestamp"), status(&w, "resultTimestamp"));
	world_free(&w);
}

static void test_job_not_there(void **state)
{
	(void)state;
	static const struct {
		enum seen target, rest;
		enum job_state job;
		bool coming;
		const char *becomes;
	} rows[] = {
		{ SEEN_ABSENT, SEEN_UNKNOWN, JOB_NONE, false, "ABANDONED" },
		{ SEEN_PRESENT, SEEN_PRESENT, JOB_FAILED, true, "ABANDONED" },
		{ SEEN_PRESENT, SEEN_UNKNOWN, JOB_NONE, false, "ABANDONED" }, /* suspended */
		{ SEEN_PRESENT, SEEN_UNKNOWN, JOB_NONE, true, "TRIGGER_PENDING" },
		{ SEEN_PRESENT, SEEN_PRESENT, JOB_RESTARTING, true, "TRIGGER_PENDING" },
		{ SEEN_PRESENT, SEEN_PRESENT, JOB_CREATED, true, "TRIGGER_PENDING" },
		{ SEEN_UNKNOWN, SEEN_UNKNOWN, JOB_NONE, false, "TRIGGER_PENDING" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct world w;
		held(&w, OF_JOB ",\"savepoint\":{}");
		w.in.target = rows[i].target;
		w.in.rest = rows[i].rest;
		w.in.job = rows[i].job;
		w.in.coming = rows[i].coming;
		turn(&w);
		assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
		assert_string_equal(status(&w, "state"), rows[i].becomes);
		bool abandoned = strcmp(rows[i].becomes, "ABANDONED") == 0;
		assert_string_equal(w.event, abandoned ? "SnapshotAbandoned" : "");
		assert_true(abandoned ? w.next == INT64_MAX : w.next <= 5000); /* it looks again by itself */
		world_free(&w);
	}
	/* the same once it is in progress, but what came out of it counts */
	struct world w;
	held(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	w.in.job = JOB_FINISHED;
	w.in.operation = SAVEPOINT_COMPLETED;
	w.in.path = "file:/s/1";
	turn(&w);
	assert_string_equal(status(&w, "state"), "COMPLETED");
	world_free(&w);
	held(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	w.in.job = JOB_FINISHED;
	w.in.operation = SAVEPOINT_NO_SUCH_TRIGGER;
	turn(&w);
	assert_string_equal(status(&w, "state"), "ABANDONED");
	world_free(&w);
	/* a fault of the network is no reason */
	held(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	w.in.rest = SEEN_UNKNOWN;
	w.in.operation = SAVEPOINT_UNKNOWN;
	for (int i = 0; i < 100; i++, w.now += 60000)
		turn(&w);
	assert_string_equal(status(&w, "state"), "IN_PROGRESS");
	world_free(&w);
}

static void test_retries(void **state)
{
	(void)state;
	struct world w;
	held(&w, OF_JOB ",\"savepoint\":{}"); /* the default: without end */
	int64_t waits[12];
	for (int i = 0; i < 12; i++) {
		turn(&w);
		assert_int_equal(w.effect, STATE_SNAPSHOT_TRIGGER);
		w.in.operation = SAVEPOINT_FAILED;
		w.in.failure = "no room";
		turn(&w);
		assert_string_equal(status(&w, "state"), "FAILED");
		assert_string_equal(w.event, "SavepointError");
		assert_non_null(strstr(status(&w, "error"), "no room"));
		assert_string_equal(status(&w, "triggerId"), "");
		waits[i] = w.next;
		w.now += w.next - 1;
		turn(&w);
		assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
		w.now += 1;
	}
	assert_string_equal(status(&w, "failures"), "12");
	assert_int_equal(waits[0], 10000);
	assert_int_equal(waits[1], 20000);
	assert_int_equal(waits[2], 40000);
	assert_int_equal(waits[11], 3600000);
	world_free(&w);

	held(&w, OF_JOB ",\"savepoint\":{},\"backoffLimit\":1");
	for (int i = 0; i < 6; i++, w.now += 3600000)
		turn(&w), w.in.operation = w.effect == STATE_SNAPSHOT_TRIGGER ? SAVEPOINT_FAILED : SAVEPOINT_UNKNOWN;
	assert_string_equal(status(&w, "failures"), "2");
	assert_string_equal(status(&w, "state"), "FAILED");
	assert_int_equal(w.next, INT64_MAX);
	world_free(&w);

	held(&w, OF_JOB ",\"savepoint\":{},\"backoffLimit\":0");
	w.in.savepoint_dir = "";
	turn(&w);
	assert_string_equal(status(&w, "state"), "FAILED");
	assert_non_null(strstr(w.message, "directory"));
	assert_int_equal(w.next, INT64_MAX);
	world_free(&w);

	held(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	w.in.operation = SAVEPOINT_IN_PROGRESS;
	w.now += w.policy.savepoint_timeout_ms + 1;
	turn(&w);
	assert_string_equal(status(&w, "state"), "FAILED");
	world_free(&w);
}

/* An older Flink gives the trigger id. */
static void test_old_flink(void **state)
{
	(void)state;
	struct world w;
	held(&w, OF_JOB ",\"savepoint\":{}");
	w.in.own_trigger = false;
	w.in.operation = SAVEPOINT_IN_PROGRESS;
	turn(&w);
	assert_string_equal(status(&w, "triggerId"), "theirs");
	world_free(&w);
	held(&w, OF_JOB ",\"savepoint\":{}");
	w.in.own_trigger = false;
	turn(&w); /* and the answer is lost */
	assert_string_equal(status(&w, "triggerId"), "");
	w.in.operation = SAVEPOINT_NO_SUCH_TRIGGER;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
	w.now += 60000;
	turn(&w);
	assert_string_equal(status(&w, "state"), "FAILED");
	world_free(&w);
}

static void test_invalid(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{ OF_JOB, "exactly one" },
		{ OF_JOB ",\"savepoint\":{},\"checkpoint\":{}", "exactly one" },
		{ "\"savepoint\":{}", "jobReference.kind" },
		{ "\"jobReference\":{\"kind\":\"FlinkDeployment\"},\"savepoint\":{}", "jobReference.name" },
		{ OF_JOB ",\"savepoint\":{\"alreadyExists\":true}", "savepoint.path" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct world w;
		held(&w, rows[i][0]);
		turn(&w);
		assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
		assert_string_equal(w.event, "ValidationError");
		assert_non_null(strstr(w.message, rows[i][1]));
		turn(&w);
		assert_string_equal(w.event, ""); /* said once */
		assert_int_equal(w.next, INT64_MAX);
		world_free(&w);
	}
}

/* ---- deletion ---- */

static void completed(struct world *w, const char *spec)
{
	held(w, spec);
	turn(w);
	w->in.operation = SAVEPOINT_COMPLETED;
	w->in.path = "file:/s/1";
	turn(w);
	assert_string_equal(status(w, "state"), "COMPLETED");
	snprintf(w->metadata, sizeof w->metadata, ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"");
	w->in.disposal = SAVEPOINT_UNKNOWN;
}

static void test_disposal(void **state)
{
	(void)state;
	struct world w;
	completed(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_DISPOSE);
	w.in.disposal = SAVEPOINT_IN_PROGRESS;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
	w.in.disposal = SAVEPOINT_COMPLETED;
	turn(&w);
	assert_true(w.gone);
	assert_string_equal(w.event, "");
	world_free(&w);

	/* it fails, and is tried again, and was done after all */
	completed(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	w.in.disposal = SAVEPOINT_FAILED;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
	w.in.disposal = SAVEPOINT_UNKNOWN;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE); /* not at once */
	w.now += 20000;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_DISPOSE);
	w.in.disposal = SAVEPOINT_FAILED;
	w.in.disposal_gone = true;
	turn(&w);
	assert_true(w.gone);
	world_free(&w);
}

static void test_nothing_to_dispose_of(void **state)
{
	(void)state;
	static const char *const specs[] = { OF_JOB ",\"savepoint\":{\"disposeOnDelete\":false}", OF_JOB ",\"checkpoint\":{}",
					     OF_JOB ",\"savepoint\":{\"path\":\"file:/s/1\",\"alreadyExists\":true}" };
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		struct world w;
		completed(&w, specs[i]);
		turn(&w);
		assert_true(w.gone);
		world_free(&w);
	}
	/* what existed before goes only where that is written */
	struct world w;
	completed(&w, OF_JOB ",\"savepoint\":{\"path\":\"file:/s/1\",\"alreadyExists\":true,\"disposeOnDelete\":true}");
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_DISPOSE);
	world_free(&w);
	/* never made */
	held(&w, OF_JOB ",\"savepoint\":{}");
	snprintf(w.metadata, sizeof w.metadata, ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"");
	turn(&w);
	assert_true(w.gone);
	world_free(&w);
}

static void test_needed(void **state)
{
	(void)state;
	struct world w;
	completed(&w, OF_JOB ",\"savepoint\":{}");
	w.in.needed = SEEN_UNKNOWN;
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_NONE);
	w.in.needed = SEEN_PRESENT;
	w.in.needed_by = "weir-ledger-j";
	turn(&w);
	assert_true(w.gone);
	assert_string_equal(w.event, "SavepointKept");
	assert_non_null(strstr(w.message, "weir-ledger-j"));
	world_free(&w);
}

/* Whatever is seen of the job, and however it changes: it ends, and where the data are left, it is said. */
static void test_never_hangs(void **state)
{
	(void)state;
	static const enum job_state jobs[] = { JOB_NONE, JOB_RUNNING, JOB_FAILED };
	for (int row = 0; row < 2 * 3 * 3 * 3 * 5; row++) {
		struct world w;
		completed(&w, OF_JOB ",\"savepoint\":{}");
		w.in.target = row % 2 == 0 ? SEEN_PRESENT : SEEN_ABSENT;
		w.in.rest = row / 2 % 3;
		w.in.job = jobs[row / 6 % 3];
		w.in.coming = row / 18 % 3 == 0;
		enum savepoint_seen disposal = row / 54 % 5;
		bool asked = false, said = false;
		for (int i = 0; i < 400 && !w.gone; i++, w.now += 1000) {
			turn(&w);
			asked |= w.effect == STATE_SNAPSHOT_DISPOSE;
			said |= strcmp(w.event, "CleanupFailed") == 0;
			w.in.disposal = asked ? disposal : SAVEPOINT_UNKNOWN;
		}
		assert_true(w.gone);
		assert_true(said || (asked && disposal == SAVEPOINT_COMPLETED));
		world_free(&w);
	}
	/* while it is being made */
	struct world w;
	held(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	snprintf(w.metadata, sizeof w.metadata, ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"");
	w.in.rest = SEEN_UNKNOWN;
	for (int i = 0; i < 1000 && !w.gone; i++, w.now += 1000) {
		turn(&w);
		assert_int_not_equal(w.effect, STATE_SNAPSHOT_TRIGGER);
	}
	assert_true(w.gone);
	world_free(&w);
	held(&w, OF_JOB ",\"savepoint\":{}");
	turn(&w);
	snprintf(w.metadata, sizeof w.metadata, ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"");
	w.in.operation = SAVEPOINT_IN_PROGRESS;
	turn(&w);
	assert_false(w.gone);
	w.in.operation = SAVEPOINT_COMPLETED; /* what it made goes with it */
	w.in.path = "file:/s/1";
	turn(&w);
	turn(&w);
	assert_int_equal(w.effect, STATE_SNAPSHOT_DISPOSE);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_savepoint),     cmocka_unit_test(test_checkpoint),  cmocka_unit_test(test_exists),
		cmocka_unit_test(test_job_not_there), cmocka_unit_test(test_retries),	  cmocka_unit_test(test_old_flink),
		cmocka_unit_test(test_invalid),	      cmocka_unit_test(test_disposal),	  cmocka_unit_test(test_nothing_to_dispose_of),
		cmocka_unit_test(test_needed),	      cmocka_unit_test(test_never_hangs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
