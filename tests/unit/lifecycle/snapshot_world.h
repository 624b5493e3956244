/* snapshot_world: a job, a ledger and a Flink that makes what it is asked for, or does to it what the test says. For test_snapshot*.c. */
#ifndef WEIR_TEST_SNAPSHOT_WORLD_H
#define WEIR_TEST_SNAPSHOT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/wtime.h"
#include "lifecycle/decide.h"
#include "lifecycle/digest.h"
#include "lifecycle/snapshot.h"

struct world {
	struct ledger ledger;
	struct observation seen;
	struct job_config config;
	struct policy policy;
	char job[512], annotations[300]; /* JSON: more members of spec.job, annotations */
	char args[32], state[16], uid[16];
	int64_t now, id;
	int64_t effects[EFFECT_COUNT];
	char events[400]; /* reasons of the last turn */
	char location[LEDGER_PATH];
	bool lose, fail, slow; /* the next snapshot: is never heard of, fails, does not end */
	struct doc *status;    /* of the last turn */
	bool cluster_full;     /* its FlinkStateSnapshots cannot be made */
	int64_t made;
};

static inline void world_init(struct world *w)
{
	memset(w, 0, sizeof *w);
	ledger_init(&w->ledger);
	w->policy = policy_default();
	w->config = (struct job_config){ .checkpointing = true, .checkpoint_interval_ms = 1000 };
	struct snapshot_config *c = &w->config.snapshots;
	c->can_checkpoint = c->own_trigger = true;
	c->checkpoints_kept = 1;
	snprintf(c->savepoint_format, sizeof c->savepoint_format, "CANONICAL");
	snprintf(c->checkpoint_type, sizeof c->checkpoint_type, "FULL");
	snprintf(w->config.savepoint_dir, sizeof w->config.savepoint_dir, "file:///s");
	snprintf(w->state, sizeof w->state, "running");
	snprintf(w->uid, sizeof w->uid, "u-1");
	w->now = 1000000;
	w->seen.jm = w->seen.pods = w->seen.ha = SEEN_ABSENT;
	w->seen.snapshot_kind = SEEN_PRESENT;
}

static inline void world_free(struct world *w)
{
	doc_free(w->status);
	ledger_free(&w->ledger);
}

/* What Flink makes of the snapshot that it was asked for. */
static inline void flink_snapshot(struct world *w)
{
	struct observation *s = &w->seen;
	const struct ledger_snapshot *open = &w->ledger.snapshot;
	s->snapshot = w->lose	? SAVEPOINT_NO_SUCH_TRIGGER
		      : w->fail ? SAVEPOINT_FAILED
		      : w->slow ? SAVEPOINT_IN_PROGRESS
				: SAVEPOINT_COMPLETED;
	snprintf(s->snapshot_failure, sizeof s->snapshot_failure, "no room");
	if (open->kind == SNAPSHOT_SAVEPOINT)
		snprintf(w->location, sizeof w->location, "file:/%.400s/savepoint-%d", open->dir + strlen("file:///"), (int)++w->made);
	else
		snprintf(w->location, sizeof w->location, "file:/c/chk-%d", (int)++w->made);
	if (s->snapshot == SAVEPOINT_COMPLETED)
		memcpy(s->snapshot_path, w->location, sizeof s->snapshot_path);
}

static inline void world_apply(struct world *w, enum effect effect)
{
	struct observation *s = &w->seen;
	w->effects[effect]++;
	switch (effect) {
	case EFFECT_CREATE_CLUSTER:
		s->jm = s->pods = s->rest = s->checkpoints = SEEN_PRESENT;
		s->jm_launch = w->ledger.op.launch;
		s->jm_available = s->jm_complete = true;
		s->jm_pods = s->tm_pods = 1;
		s->job = JOB_RUNNING;
		s->checkpoints_completed = 5;
		snprintf(s->checkpoint_path, sizeof s->checkpoint_path, "file:/c/%d/chk-5", (int)s->jm_launch);
		s->savepoint_path[0] = '\0';
		break;
	case EFFECT_STOP_WITH_SAVEPOINT:
		s->job = JOB_FINISHED;
		s->savepoint = SAVEPOINT_COMPLETED;
		snprintf(s->savepoint_location, sizeof s->savepoint_location, "file:/%.400s/savepoint-%d",
			 w->ledger.op.dir + strlen("file:///"), (int)++w->made);
		memcpy(s->savepoint_path, s->savepoint_location, sizeof s->savepoint_path);
		memcpy(s->checkpoint_path, s->savepoint_location, sizeof s->checkpoint_path);
		break;
	case EFFECT_DELETE_CLUSTER:
		s->jm = s->pods = s->rest = s->checkpoints = SEEN_ABSENT;
		s->jm_pods = s->tm_pods = 0;
		s->job = JOB_NONE;
		s->savepoint = s->snapshot = SAVEPOINT_UNKNOWN;
		break;
	case EFFECT_TRIGGER_SAVEPOINT:
	case EFFECT_TRIGGER_CHECKPOINT:
		flink_snapshot(w);
		break;
	case EFFECT_CREATE_SNAPSHOT:
		s->snapshot_resource = w->cluster_full ? SEEN_ABSENT : SEEN_PRESENT;
		break;
	case EFFECT_DELETE_SNAPSHOT:
		s->snapshot_resource = SEEN_ABSENT;
		break;
	case EFFECT_DISPOSE_SAVEPOINT:
		s->disposal = SAVEPOINT_COMPLETED;
		break;
	default:
		break;
	}
}

static inline enum effect world_turn(struct world *w)
{
	AUTOFREE char *text = mem_printf("{\"metadata\":{\"name\":\"j\",\"uid\":\"%s\",\"generation\":1,\"finalizers\":[\"flinkdeployments."
					 "flink.apache.org/finalizer\"],"
					 "\"annotations\":{%s}},\"spec\":{\"flinkVersion\":\"v1_20\",\"job\":{\"state\":\"%s\","
					 "\"upgradeMode\":\"savepoint\",\"args\":[\"%s\"]%s}}}",
					 w->uid, w->annotations, w->state, w->args, w->job);
	struct error err = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(text, strlen(text), "r", NULL, &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	char digest[65], id[33];
	spec_digest(node_get(doc_root(doc), "spec"), NULL, digest);
	job_id_of("trigger", ++w->id, id);
	struct session_view session = { 0 };
	struct decide_input in = { .session = &session,
				   .resource = doc_root(doc),
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
	w->events[0] = '\0';
	for (int i = 0; i < d.event_count; i++)
		snprintf(w->events + strlen(w->events), sizeof w->events - strlen(w->events), "%s ", d.events[i].reason);
	doc_free(w->status);
	w->status = TAKE(d.status);
	AUTOBUF out = BUF_INIT, before = BUF_INIT;
	ledger_write(&d.ledger, &out);
	ledger_write(&w->ledger, &before);
	assert_int_equal(d.ledger_changed, strcmp(buf_text(&out), buf_text(&before)) != 0);
	ledger_free(&w->ledger);
	if (!ledger_read(&w->ledger, buf_text(&out), out.len, &err))
		fail_msg("%s", err.message);
	decision_free(&d);
	world_apply(w, effect);
	w->now += 1000;
	return effect;
}

static inline void turns(struct world *w, int count)
{
	for (int i = 0; i < count; i++)
		(void)world_turn(w);
}

static inline void run(struct world *w)
{
	turns(w, 4);
	assert_non_null(ledger_live(&w->ledger));
	assert_int_equal(w->ledger.op.kind, OP_NONE);
}

static inline const char *status(const struct world *w, const char *path)
{
	return node_text_or(node_find(doc_root(w->status), path), "");
}

#endif
