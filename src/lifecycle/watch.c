/* A launch that is as it should be: its progress goes into the ledger, its failure leads to rollback. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"

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
	bool proven = s->job == JOB_RUNNING && s->job_restarts < t->in->policy->job_restarts &&
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
	decision_event(t->out, true, "Missing", "The JobManager Deployment of launch %lld vanished.", (long long)live->number);
	LEDGER_SET(live->outcome, "lost");
	bool untouched = proven_no_checkpoint(t);
	l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
	if (t->in->seen->ha_checkpoint)
		l->next.kind = RESTORE_HA;
	else if (untouched)
		l->next = live->restore;
	else
		l->had_checkpoint = 1;
	bool keep_ha = l->next.kind == RESTORE_HA;
	turn_op(t, OP_REMOVE, "recover");
	l->op.keep_ha = keep_ha;
}

void watch_launch(struct turn *t)
{
	struct ledger_launch *live = ledger_live(t->ledger);
	note_progress(t, live);
	if (live->stable_at == 0) {
		char why[200];
		t->out->next_ms = t->in->policy->poll_ms * 2;
		if (t->target == TARGET_SPEC && launch_failed(t, live, why, sizeof why)) {
			const struct ledger_launch *stable = ledger_stable(t->ledger);
			if (stable != NULL && strcmp(stable->digest, live->digest) != 0) {
				rollback_begin(t, why);
				return;
			}
			LEDGER_SET(t->ledger->stuck, why);
			decision_reason(t->out, "%s; there is no stable version to go back to", why);
		}
	}
}
