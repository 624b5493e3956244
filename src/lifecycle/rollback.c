/* When a launch has failed, on evidence, and the way back. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"

bool launch_failed(const struct turn *t, const struct ledger_launch *launch, char *why, size_t size)
{
	const struct observation *s = t->in->seen;
	const struct policy *p = t->in->policy;
	if (s->rest == SEEN_PRESENT && s->job == JOB_FAILED) {
		(void)snprintf(why, size, "the job failed: %s", s->failure[0] == '\0' ? "no cause given" : s->failure);
		return true;
	}
	if (s->pods == SEEN_PRESENT && s->trouble[0] != '\0' &&
	    (strcmp(s->trouble, "CrashLoopBackOff") != 0 || s->jm_restarts >= p->crash_restarts)) {
		(void)snprintf(why, size, "JobManager pod: %s: %s", s->trouble, s->trouble_text);
		return true;
	}
	if (s->pods == SEEN_PRESENT && s->jm_restarts >= p->crash_restarts && launch->running_at == 0) {
		(void)snprintf(why, size, "the JobManager restarted %lld times before the job ran", (long long)s->jm_restarts);
		return true;
	}
	if (s->rest == SEEN_PRESENT && s->job_restarts >= p->job_restarts) {
		(void)snprintf(why, size, "the job restarted %lld times before it was stable", (long long)s->job_restarts);
		return true;
	}
	if (s->checkpoints == SEEN_PRESENT && launch->running_at != 0 && s->checkpoints_failed - launch->failed_before >= 3 &&
	    s->checkpoints_completed == 0) {
		(void)snprintf(why, size, "%lld checkpoints failed and none completed",
			       (long long)(s->checkpoints_failed - launch->failed_before));
		return true;
	}
	int64_t patience = p->start_deadline_ms;
	if (3 * p->stable_checkpoints * t->in->config->checkpoint_interval_ms > patience)
		patience = 3 * p->stable_checkpoints * t->in->config->checkpoint_interval_ms;
	/* silence counts only while both APIs answer: an outage is no evidence against a version */
	bool answers = s->pods != SEEN_UNKNOWN && (s->rest == SEEN_PRESENT || (s->jm == SEEN_PRESENT && !s->jm_available));
	if (launch->submitted_at != 0 && launch->running_at == 0 && answers && t->in->now_ms - launch->submitted_at > patience) {
		(void)snprintf(why, size, "the job did not run within %lld s", (long long)(patience / 1000));
		return true;
	}
	return false;
}

bool proven_no_checkpoint(const struct turn *t)
{
	const struct observation *s = t->in->seen;
	const struct ledger_launch *live = ledger_live(t->ledger);
	if (live->checkpoints > 0 || s->ha_checkpoint)
		return false;
	if (s->rest == SEEN_PRESENT && s->checkpoints == SEEN_PRESENT)
		return s->checkpoints_completed == 0;
	if (live->running_at != 0)
		return false;
	bool image_never_started = s->jm_pods > 0 && s->trouble[0] != '\0' && s->jm_restarts == 0;
	bool metadata_would_say = t->in->config->ha && s->ha != SEEN_UNKNOWN;
	return !t->in->config->checkpointing || metadata_would_say || image_never_started;
}

const char *told_checkpoint(struct turn *t)
{
	const struct observation *s = t->in->seen;
	if (s->checkpoints != SEEN_PRESENT || s->checkpoint_path[0] == '\0')
		return NULL;
	ledger_note_state(t->ledger, s->checkpoint_path, t->in->now_ms);
	return s->checkpoint_path;
}

bool cluster_unseen(const struct turn *t)
{
	const struct observation *s = t->in->seen;
	return s->jm == SEEN_UNKNOWN || s->pods == SEEN_UNKNOWN || s->ha == SEEN_UNKNOWN;
}

/* The state of a rollback: never behind a checkpoint that the failed version completed. */
static void choose_way_back(struct turn *t)
{
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	const char *told = told_checkpoint(t);
	l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
	if (t->in->seen->ha_checkpoint) {
		l->next.kind = RESTORE_HA;
		LEDGER_SET(l->next.path, told);
		decision_reason(t->out, "it completed checkpoints: the stable version goes on from the newest one");
	} else if (told != NULL) {
		l->next.kind = RESTORE_PATH;
		LEDGER_SET(l->next.path, told);
		decision_reason(t->out, "the stable version goes on from %s", told);
	} else if (!proven_no_checkpoint(t)) {
		l->had_checkpoint = 1;
		decision_reason(t->out, "it may have completed checkpoints that cannot be seen: a person decides");
	} else if (live->restore.kind == RESTORE_EMPTY && l->had_checkpoint) {
		l->next = l->newest; /* the consent to start empty was the failed version's, not the stable one's */
		decision_reason(t->out, "it started empty on purpose: the stable version goes back to its own newest state");
	} else {
		l->next = live->restore;
		decision_reason(t->out, "it completed no checkpoint: the state it started from is used again");
	}
}

void rollback_begin(struct turn *t, const char *why)
{
	struct ledger *l = t->ledger;
	struct ledger_launch *live = ledger_live(l);
	if (cluster_unseen(t)) {
		decision_reason(t->out, "%s; but the Kubernetes API did not show the whole cluster: nothing is touched yet", why);
		return;
	}
	ledger_add_quarantine(l, live->digest, live->commit, why, t->in->now_ms);
	LEDGER_SET(live->outcome, "failed");
	decision_event(t->out, true, "Rollback", "Launch %lld (commit %.12s) is rolled back and its content quarantined: %s",
		       (long long)live->number, live->commit, why);
	choose_way_back(t);
	bool keep_ha = l->next.kind == RESTORE_HA || (l->next.kind == RESTORE_UNDECIDED && t->in->seen->ha == SEEN_PRESENT);
	turn_op(t, OP_REMOVE, "rollback");
	l->op.keep_ha = keep_ha;
}
