/*
 * A stable job that does not do well: failed for good, restarting over and over, or without a completed checkpoint for too long. Its version
 * is not to blame any more, so it is restarted from its newest state, where the configuration asks for that
 * (kubernetes.operator.job.restart.failed, kubernetes.operator.cluster.health-check.*).
 */
#include <stdio.h>

#include "lifecycle/internal.h"

/* More restarts than allowed, counted from the beginning of the window; a counter that fell is another JobManager's. */
static bool restarts_too_often(struct turn *t, char *why, size_t size)
{
	const struct observation *s = t->in->seen;
	const struct job_config *c = t->in->config;
	struct ledger_health *h = &t->ledger->health;
	if (s->job_restarts < 0)
		return false;
	if (h->restarts_at == 0 || s->job_restarts < h->restarts || t->in->now_ms - h->restarts_at > c->health_restarts_ms) {
		h->restarts_at = t->in->now_ms;
		h->restarts = s->job_restarts;
		return false;
	}
	if (s->job_restarts - h->restarts <= c->health_restarts)
		return false;
	(void)snprintf(why, size, "the job restarted %lld times in %lld s", (long long)(s->job_restarts - h->restarts),
		       (long long)((t->in->now_ms - h->restarts_at) / 1000));
	return true;
}

/* The number is written only when it has to be known: at the first look, and once a quarter of the window has passed. */
static bool checkpoints_stopped(struct turn *t, char *why, size_t size)
{
	const struct observation *s = t->in->seen;
	const struct job_config *c = t->in->config;
	struct ledger_health *h = &t->ledger->health;
	if (c->health_checkpoint_ms == 0 || s->checkpoints != SEEN_PRESENT)
		return false;
	int64_t age = t->in->now_ms - h->checkpoint_at;
	if (h->checkpoint_at == 0 || s->checkpoints_completed < h->checkpoints ||
	    (s->checkpoints_completed > h->checkpoints && age > c->health_checkpoint_ms / 4)) {
		h->checkpoint_at = t->in->now_ms;
		h->checkpoints = s->checkpoints_completed;
		return false;
	}
	if (s->checkpoints_completed > h->checkpoints || age <= c->health_checkpoint_ms)
		return false;
	(void)snprintf(why, size, "no checkpoint completed in %lld s", (long long)(age / 1000));
	return true;
}

bool health_restart(struct turn *t)
{
	const struct observation *s = t->in->seen;
	const struct job_config *c = t->in->config;
	char why[160] = "";
	if (t->subject == SUBJECT_SESSION || s->rest != SEEN_PRESENT)
		return false;
	if (s->job == JOB_FAILED && c->restart_failed) {
		(void)snprintf(why, sizeof why, "the job failed: %.120s", s->failure);
	} else if (c->health_check && s->job != JOB_NONE && !job_state_terminal(s->job)) {
		if (!restarts_too_often(t, why, sizeof why))
			(void)checkpoints_stopped(t, why, sizeof why);
	}
	if (why[0] == '\0')
		return false;
	decision_reason(t->out, "%s: it is restarted from its newest state", why);
	decision_event(t->out, true, "RestartUnhealthyJob", "%s.", why);
	t->ledger->health = (struct ledger_health){ 0 };
	if (s->ha_checkpoint && !job_state_terminal(s->job)) { /* a savepoint of a job that cannot run would not come */
		const char *told = told_checkpoint(t);
		t->ledger->next = (struct ledger_restore){ .kind = RESTORE_HA };
		LEDGER_SET(t->ledger->next.path, told);
		remove_begin(t, "restart", true);
	} else {
		stop_begin(t, "restart");
	}
	return true;
}
