/* Session clusters and session jobs: what differs from an application, where one cluster is one job. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"

enum { LOST_AFTER_MS = 60000, BROKEN_MS = 120000, SUBMISSION_MS = 120000, SUBMISSIONS = 3 };

/* ---- the cluster ---- */

static bool still_named(struct turn *t)
{
	char why[120];
	if (!t->deleting || t->in->session->job_count == 0)
		return false;
	(void)snprintf(why, sizeof why, "%lld FlinkSessionJobs still name this session cluster", (long long)t->in->session->job_count);
	decision_event(t->out, true, "CleanupFailed", "%s.", why);
	wait_for(t, why);
	return true;
}

void drain_begin(struct turn *t, const char *reason)
{
	if (still_named(t)) /* its jobs run on until they are deleted themselves */
		return;
	turn_op(t, OP_DRAIN, reason);
	decision_event(t->out, false, "Suspended", "Stopping the session jobs with their state (%s).", reason);
	drain_continue(t);
}

void drain_continue(struct turn *t)
{
	const struct session_view *view = t->in->session;
	struct ledger_launch *live = ledger_live(t->ledger);
	char reason[24];
	LEDGER_SET(reason, t->ledger->op.reason);
	bool restart = strcmp(reason, "restart") == 0; /* of the same content */
	if (live == NULL || (!t->deleting && !restart && t->target_digest != NULL && strcmp(live->digest, t->target_digest) == 0)) {
		decision_reason(t->out, "the change was taken back: the session cluster stays as it is");
		t->ledger->op = (struct ledger_op){ 0 };
		return;
	}
	if (view->jobs != SEEN_PRESENT) {
		wait_for(t, "the Kubernetes API did not show the session jobs; nothing is touched");
		return;
	}
	char why[160];
	if (still_named(t))
		return;
	const struct observation *s = t->in->seen;
	bool broken = !cluster_unseen(t) && s->jm == SEEN_PRESENT && !s->jm_available && s->rest != SEEN_PRESENT &&
		      t->in->now_ms - t->ledger->op.started_at > BROKEN_MS;
	if (view->live_count > 0 && broken && !t->deleting && t->in->config->ha) {
		decision_reason(t->out,
				"the JobManager is down and cannot stop its jobs: they come back on the new cluster by their HA metadata");
		remove_begin(t, reason, true);
		return;
	}
	if (view->live_count > 0) {
		(void)snprintf(why, sizeof why, "waiting for %lld session jobs to be stopped with their state",
			       (long long)view->live_count);
		wait_for(t, why);
		return;
	}
	if (t->in->seen->rest != SEEN_PRESENT && t->in->seen->jm_available) {
		wait_for(t, "waiting for the JobManager to tell which jobs run");
		return;
	}
	if (t->in->seen->running_jobs > 0 && t->in->config->block_on_unmanaged) {
		(void)snprintf(why, sizeof why, "%lld jobs run here that belong to no FlinkSessionJob; stop them first",
			       (long long)t->in->seen->running_jobs);
		wait_for(t, why);
		return;
	}
	decision_reason(t->out, "no job runs on the session cluster any more");
	remove_begin(t, reason, false);
}

/* ---- the job ---- */

static bool job_listed(const struct turn *t)
{
	return t->in->seen->jm == SEEN_PRESENT;
}

bool session_job_gone(struct turn *t)
{
	const struct observation *s = t->in->seen;
	if (s->jm == SEEN_UNKNOWN) {
		bool overdue = t->deleting && t->ledger->delete_asked_at != 0 &&
			       t->in->now_ms - t->ledger->delete_asked_at >= t->in->policy->delete_deadline_ms;
		if (overdue)
			return true; /* a deletion never hangs for ever: a cluster that does not answer has the job's last known state recorded */
		wait_for(t, "waiting for the session cluster to tell whether the job has ended");
		return false;
	}
	if (!job_listed(t) || job_state_terminal(s->job))
		return true;
	if (s->job != JOB_CANCELLING)
		t->out->effect = EFFECT_CANCEL_JOB;
	decision_reason(t->out, "the job is being cancelled");
	return false;
}

bool session_job_lost(struct turn *t)
{
	const struct session_view *view = t->in->session;
	struct ledger *l = t->ledger;
	if (view->cluster == SEEN_ABSENT)
		return true;
	if (!view->ready && !view->draining && !t->deleting) { /* with HA it brings its jobs back by itself once it is up */
		l->missing_at = 0;
		wait_for(t, view->problem[0] == '\0' ? "the session cluster is not ready" : view->problem);
		return false;
	}
	if (l->missing_at == 0)
		l->missing_at = t->in->now_ms;
	if (t->in->now_ms - l->missing_at >= LOST_AFTER_MS)
		return true;
	wait_for(t, "the session cluster does not list the job: it may still be recovering it");
	return false;
}

bool place_taken(const struct turn *t)
{
	const struct observation *s = t->in->seen;
	if (t->subject == SUBJECT_SESSION_JOB)
		return job_listed(t) && !job_state_terminal(s->job);
	return s->jm == SEEN_PRESENT || s->jm_pods + s->tm_pods > 0;
}

/* Op OP_LAUNCH of a session job that its cluster does not list yet. */
void submit_continue(struct turn *t, struct ledger_launch *launch, bool wanted)
{
	struct ledger *l = t->ledger;
	const struct session_view *view = t->in->session;
	if (launch->refused[0] != '\0') {
		launch->submitted_at = t->in->now_ms;
		l->op = (struct ledger_op){ 0 };
		return;
	}
	bool in_doubt = l->op.sent_at != 0 && t->in->now_ms - l->op.sent_at < SUBMISSION_MS;
	bool tried = l->op.attempt > SUBMISSIONS; /* time that the cluster was away for says nothing of the job */
	if (wanted && view->ready && tried && t->in->now_ms - l->op.started_at > t->in->policy->start_deadline_ms) {
		if (in_doubt) /* the last submission may still arrive: no other launch before that is over */
			wait_for(t, "waiting for the session cluster to tell whether the job was accepted");
		else
			LEDGER_SET(launch->refused, "the session cluster did not accept it in time");
		return;
	}
	if (!wanted && !in_doubt && t->in->seen->jm == SEEN_ABSENT) {
		decision_reason(t->out, "launch %lld is withdrawn: the session cluster does not know its job", (long long)launch->number);
		l->next = launch->restore;
		launch->ended_at = t->in->now_ms;
		LEDGER_SET(launch->outcome, "withdrawn");
		l->op = (struct ledger_op){ 0 };
		return;
	}
	if (!wanted || !view->ready || view->draining) {
		wait_for(t,
			 view->problem[0] != '\0' ? view->problem : "waiting for the session cluster to tell whether the job was accepted");
		return;
	}
	l->op.sent_at = t->in->now_ms;
	l->op.attempt++;
	t->out->effect = EFFECT_SUBMIT_JOB; /* under the same job id: Flink refuses a second one */
}
