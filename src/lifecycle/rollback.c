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
	if (s->checkpoints == SEEN_PRESENT && launch->running_at != 0 && s->checkpoints_failed - launch->failed_before >= 3 &&
	    s->checkpoints_completed == 0) {
		(void)snprintf(why, size, "%lld checkpoints failed and none completed", (long long)(s->checkpoints_failed - launch->failed_before));
		return true;
	}
	int64_t patience = p->start_deadline_ms;
	if (3 * p->stable_checkpoints * t->in->config->checkpoint_interval_ms > patience)
		patience = 3 * p->stable_checkpoints * t->in->config->checkpoint_interval_ms;
	/* silence counts only while both APIs answer: an outage is no evidence against a version */
	if (launch->submitted_at != 0 && launch->running_at == 0 && s->jm != SEEN_UNKNOWN && t->in->now_ms - launch->submitted_at > patience) {
		(void)snprintf(why, size, "the job did not run within %lld s", (long long)(patience / 1000));
		return true;
	}
	return false;
}

void rollback_begin(struct turn *t, const char *why)
{
	struct ledger *l = t->ledger;
	struct ledger_launch *live = ledger_live(l);
	const struct observation *s = t->in->seen;
	ledger_add_quarantine(l, live->digest, live->commit, why, t->in->now_ms);
	LEDGER_SET(live->outcome, "failed");
	decision_event(t->out, true, "Rollback", "Launch %lld (commit %.12s) is rolled back and its content quarantined: %s", (long long)live->number,
		       live->commit, why);
	if (live->checkpoints == 0) {
		l->next = live->restore; /* back to the state it started from */
		decision_reason(t->out, "it completed no checkpoint: the state it started from is used again");
	} else if (s->ha_checkpoint) {
		l->next = (struct ledger_restore){ .kind = RESTORE_HA };
		LEDGER_SET(l->next.path, l->newest.path);
		decision_reason(t->out, "it completed checkpoints: the stable version goes on from the newest one");
	} else {
		l->next = l->newest;
		decision_reason(t->out, "it completed checkpoints: the stable version goes on from %s", l->newest.path);
	}
	bool keep_ha = l->next.kind == RESTORE_HA;
	turn_op(t, OP_REMOVE, "rollback");
	l->op.keep_ha = keep_ha;
}
