/* When a launch has failed, on evidence, and the way back. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"

int64_t launch_restarts(const struct ledger_launch *launch, const struct observation *s)
{
	bool same = s->job_restarts >= launch->restarts_before; /* a counter that fell is another JobManager's */
	return same ? s->job_restarts - launch->restarts_before : s->job_restarts;
}

void note_silence(const struct turn *t, struct ledger_launch *live)
{
	const struct observation *s = t->in->seen;
	bool answers = s->pods != SEEN_UNKNOWN && (s->rest == SEEN_PRESENT || (s->jm == SEEN_PRESENT && !s->jm_available));
	if (live->submitted_at == 0 || live->running_at != 0 || !answers || s->waiting_pods > 0)
		live->silent_since = 0;
	else if (live->silent_since == 0)
		live->silent_since = t->in->now_ms;
}

bool launch_failed(const struct turn *t, const struct ledger_launch *launch, char *why, size_t size)
{
	const struct observation *s = t->in->seen;
	const struct policy *p = t->in->policy;
	if (launch->refused[0] != '\0') {
		(void)snprintf(why, size, "%s: %.150s",
			       t->subject == SUBJECT_SESSION_JOB ? "Flink refused the submission" : "the cluster was refused",
			       launch->refused);
		return true;
	}
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
	if (s->rest == SEEN_PRESENT && launch_restarts(launch, s) >= p->job_restarts) {
		(void)snprintf(why, size, "the job restarted %lld times before it was stable", (long long)launch_restarts(launch, s));
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
	if (launch->silent_since != 0 && launch->running_at == 0 && t->in->now_ms - launch->silent_since > patience) {
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
	if (live->refused[0] != '\0' && s->jm == SEEN_ABSENT)
		return true;
	if (s->rest == SEEN_PRESENT && s->checkpoints == SEEN_PRESENT)
		return s->checkpoints_completed == 0;
	if (live->running_at != 0)
		return false;
	bool image_never_started = s->jm_pods > 0 && s->trouble[0] != '\0' && s->jm_restarts == 0;
	bool metadata_would_say = t->subject == SUBJECT_APPLICATION && t->in->config->ha && s->ha != SEEN_UNKNOWN;
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

static bool another_flink(const struct ledger_launch *a, const struct ledger_launch *b)
{
	if (a == NULL || b == NULL || a->spec == NULL || b->spec == NULL)
		return false;
	AUTODOC *x = doc_parse_json(a->spec, strlen(a->spec), "launched spec", NULL, NULL);
	AUTODOC *y = doc_parse_json(b->spec, strlen(b->spec), "stable spec", NULL, NULL);
	return x != NULL && y != NULL && !str_eq(node_find_text(doc_root(x), "flinkVersion"), node_find_text(doc_root(y), "flinkVersion"));
}

/* The state of a rollback: never behind a checkpoint that the failed version completed. */
static void choose_way_back(struct turn *t)
{
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	const char *told = told_checkpoint(t);
	l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
	if (another_flink(live, ledger_stable(l)) && !proven_no_checkpoint(t)) {
		l->had_checkpoint = 1;
		decision_reason(t->out,
				"the Flink of the stable version may not read what it completed (%s); it started from %s: a person decides",
				told == NULL ? "not known to us" : told, live->restore.path[0] == '\0' ? "no path" : live->restore.path);
	} else if (t->in->seen->ha_checkpoint) {
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
	ledger_spend(l->spent_retry, decide_annotation(t->in->resource, "weir.dev/retry")); /* said before this failure */
	LEDGER_SET(live->outcome, "failed");
	decision_event(t->out, true, "Rollback", "Launch %lld (commit %.12s) is rolled back and its content quarantined: %s",
		       (long long)live->number, live->commit, why);
	choose_way_back(t);
	bool keep_ha = l->next.kind == RESTORE_HA || (l->next.kind == RESTORE_UNDECIDED && t->in->seen->ha == SEEN_PRESENT);
	turn_op(t, OP_REMOVE, "rollback");
	l->op.keep_ha = keep_ha;
}

/* ---- by hand: weir.dev/rollback ---- */

/* "COMMIT ID" or "COMMIT+state ID"; COMMIT may be "previous". */
static const struct ledger_launch *asked_launch(const struct ledger *l, const char *text, bool *with_state)
{
	char commit[48];
	size_t n = strcspn(text, "+ ");
	(void)snprintf(commit, sizeof commit, "%.*s", n < sizeof commit ? (int)n : (int)sizeof commit - 1, text);
	*with_state = str_starts(text + n, "+state");
	const struct ledger_launch *last = &l->launches[l->launch_count - 1];
	for (int64_t i = l->launch_count - 2; i >= 0; i--) {
		const struct ledger_launch *launch = &l->launches[i];
		bool named = strcmp(commit, "previous") == 0 || (n >= 7 && str_starts(launch->commit, commit));
		if (named && launch->stable_at != 0 && launch->spec != NULL && strcmp(launch->digest, last->digest) != 0)
			return launch;
	}
	return NULL;
}

/* The state with which a launch ended is what its successor started from. */
static const char *state_after(const struct ledger *l, const struct ledger_launch *launch)
{
	const struct ledger_launch *next = launch + 1;
	return next < l->launches + l->launch_count && next->restore.kind == RESTORE_PATH ? next->restore.path : NULL;
}

void rollback_by_hand(struct turn *t)
{
	struct ledger *l = t->ledger;
	const char *asked = decide_annotation(t->in->resource, "weir.dev/rollback");
	if (asked == NULL || strcmp(asked, l->spent_rollback) == 0 || strlen(asked) >= sizeof l->spent_rollback)
		return;
	LEDGER_SET(l->spent_rollback, asked);
	bool with_state;
	const struct ledger_launch *to = l->launch_count == 0 ? NULL : asked_launch(l, asked, &with_state);
	const char *state = to != NULL && with_state ? state_after(l, to) : NULL;
	if (to == NULL || (with_state && state == NULL)) {
		decision_event(t->out, true, "RollbackRefused", "%.60s: the ledger knows no stable launch%s to go back to", asked,
			       to == NULL ? "" : " with a recorded state");
		return;
	}
	char why[100];
	(void)snprintf(why, sizeof why, "rolled back by hand to commit %.12s", to->commit);
	for (const struct ledger_launch *launch = to + 1; launch < l->launches + l->launch_count; launch++)
		if (strcmp(launch->digest, to->digest) != 0)
			ledger_add_quarantine(l, launch->digest, launch->commit, why, t->in->now_ms);
	if (strcmp(t->in->digest, to->digest) != 0)
		ledger_add_quarantine(l, t->in->digest, t->in->commit, why, t->in->now_ms);
	ledger_drop_quarantine(l, to->digest);
	ledger_spend(l->spent_retry, decide_annotation(t->in->resource, "weir.dev/retry"));
	LEDGER_SET(l->rewind, state);
	decision_event(t->out, true, "Rollback", "By hand: back to launch %lld (commit %.12s)%s%s.", (long long)to->number, to->commit,
		       state == NULL ? "" : " with its state ", state == NULL ? "" : state);
}
