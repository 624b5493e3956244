/* A launch that is as it should be: its progress goes into the ledger, its failure leads to rollback. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"

enum { FORGOTTEN_AFTER_MS = 30000 };

static void note_progress(struct turn *t, struct ledger_launch *live)
{
	const struct observation *s = t->in->seen;
	struct ledger *l = t->ledger;
	if (s->rest != SEEN_PRESENT)
		return;
	if (s->job == JOB_RUNNING && live->running_at == 0) {
		live->running_at = t->in->now_ms;
		live->failed_before = s->checkpoints_failed;
	}
	/* The ledger needs to know that state exists, and how far towards stability; the exact count would be a write for every checkpoint. */
	int64_t enough = t->in->policy->stable_checkpoints;
	int64_t completed = s->checkpoints == SEEN_PRESENT ? s->checkpoints_completed : 0;
	if (completed > enough)
		completed = enough;
	if (completed > live->checkpoints)
		live->checkpoints = completed;
	if (completed > 0)
		l->had_checkpoint = 1;
	if (live->stable_at != 0)
		return;
	bool bounded_done = s->job == JOB_FINISHED;
	if (bounded_done && live->running_at == 0)
		live->running_at = t->in->now_ms; /* it was done before anybody saw it run */
	bool proven = s->job == JOB_RUNNING && launch_restarts(live, s) < t->in->policy->job_restarts &&
		      t->in->now_ms - live->running_at >= t->in->policy->stable_after_ms &&
		      (!t->in->config->checkpointing || live->checkpoints >= enough);
	if (bounded_done || proven) {
		live->stable_at = t->in->now_ms;
		ledger_note_state(l, s->checkpoint_path, t->in->now_ms);
		decision_event(t->out, false, "Stable", "Launch %lld is stable.", (long long)live->number);
	}
}

void recover_lost_jobmanager(struct turn *t)
{
	struct ledger *l = t->ledger;
	struct ledger_launch *live = ledger_live(l);
	decision_event(t->out, true, "Missing",
		       t->subject == SUBJECT_SESSION_JOB ? "The job of launch %lld vanished."
							 : "The JobManager Deployment of launch %lld vanished.",
		       (long long)live->number);
	LEDGER_SET(live->outcome, "lost");
	if (t->in->ledger->op.kind == OP_STOP && t->in->seen->found_path[0] != '\0') {
		/* it was written by this stop, but whether the job went on after it nobody can tell any more: no more than an offer */
		ledger_note_state(l, t->in->seen->found_path, t->in->now_ms);
		decision_reason(t->out, "the stop's savepoint %s was found in its directory", t->in->seen->found_path);
	}
	bool untouched = proven_no_checkpoint(t);
	l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
	if (t->subject == SUBJECT_SESSION)
		l->next.kind = RESTORE_EMPTY; /* with HA metadata its jobs come back by themselves */
	else if (t->in->seen->ha_checkpoint)
		l->next.kind = RESTORE_HA;
	else if (untouched)
		l->next = live->restore;
	else
		l->had_checkpoint = 1;
	bool keep_ha = l->next.kind == RESTORE_HA || t->subject == SUBJECT_SESSION;
	const struct ledger_op *stop = &t->in->ledger->op;
	if (stop->kind == OP_STOP && !stop->cancel && l->next.kind == RESTORE_UNDECIDED && t->in->seen->found_path[0] == '\0')
		LEDGER_SET(l->doubt, stop->dir);
	turn_op(t, OP_REMOVE, "recover");
	l->op.keep_ha = keep_ha;
}

bool job_forgotten(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	if (t->subject != SUBJECT_APPLICATION || s->rest != SEEN_PRESENT || live == NULL || live->running_at == 0)
		return false;
	if (s->job != JOB_NONE)
		l->missing_at = 0;
	else if (l->missing_at == 0)
		l->missing_at = t->in->now_ms;
	return l->missing_at != 0 && t->in->now_ms - l->missing_at >= FORGOTTEN_AFTER_MS;
}

void watch_launch(struct turn *t)
{
	struct ledger_launch *live = ledger_live(t->ledger);
	adopt_cluster(t); /* an adoption that was cut short */
	note_progress(t, live);
	if (job_forgotten(t))
		LEDGER_SET(t->ledger->stuck, "the job ended before its JobManager was restarted, which does not know it any more");
	if (live->stable_at != 0 && health_restart(t))
		return;
	if (live->stable_at == 0) {
		char why[200];
		note_silence(t, live);
		t->out->next_ms = t->in->policy->poll_ms * 2;
		if (t->target != TARGET_NOTHING && launch_failed(t, live, why, sizeof why)) {
			const struct ledger_launch *stable = ledger_stable(t->ledger);
			if (t->target == TARGET_SPEC && stable != NULL && strcmp(stable->digest, live->digest) != 0) {
				rollback_begin(t, why);
				return;
			}
			LEDGER_SET(t->ledger->stuck, why);
			decision_reason(t->out, "%s; there is no stable version to go back to", why);
		}
	}
}
