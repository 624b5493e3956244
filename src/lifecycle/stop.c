/* How a live launch ends: its state is in the ledger before anything is deleted. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"

enum { CANCEL_PATIENCE_MS = 60000, AWAY_MS = 180000 };

static bool state_absent(struct turn *t, const struct ledger_restore *state)
{
	return state->kind == RESTORE_PATH && state_unusable(t, state->path, false);
}

void remove_begin(struct turn *t, const char *reason, bool keep_ha)
{
	if (strcmp(reason, "delete") != 0 && state_absent(t, &t->ledger->next)) {
		t->ledger->op = t->in->ledger->op;
		return;
	}
	turn_op(t, OP_REMOVE, reason);
	t->ledger->op.keep_ha = keep_ha;
}

void stop_restore(struct turn *t, const char *path)
{
	t->ledger->next = (struct ledger_restore){ .kind = RESTORE_PATH };
	LEDGER_SET(t->ledger->next.path, path);
	ledger_note_state(t->ledger, path, t->in->now_ms);
}

/* Where an attempt's savepoint goes: a directory of its own, so that a found path says which attempt wrote it. */
static void stop_attempt(struct turn *t)
{
	struct ledger_op *op = &t->ledger->op;
	LEDGER_SET(op->trigger, t->in->fresh_id);
	(void)snprintf(op->dir, sizeof op->dir, "%s%sweir-%lld-%lld", t->in->config->savepoint_dir,
		       t->in->config->savepoint_dir[0] != '\0' &&
				       t->in->config->savepoint_dir[strlen(t->in->config->savepoint_dir) - 1] == '/'
			       ? ""
			       : "/",
		       (long long)op->launch, (long long)op->attempt);
	op->started_at = t->in->now_ms;
	op->settled_at = 0;
	t->out->effect = EFFECT_STOP_WITH_SAVEPOINT;
}

void stop_savepoint(struct turn *t, const char *reason)
{
	turn_op(t, OP_STOP, reason);
	stop_attempt(t);
	decision_reason(t->out, "stop with savepoint into %s", t->ledger->op.dir);
	decision_event(t->out, false, "Suspended", "Stopping the job with a savepoint (%s).", reason);
}

/* Peer's CANCEL: the newest retained checkpoint is what it goes on from. */
void stop_cancel(struct turn *t, const char *reason)
{
	turn_op(t, OP_STOP, reason);
	t->ledger->op.cancel = 1;
	t->out->effect = EFFECT_CANCEL_JOB;
	decision_reason(t->out, "the job is cancelled, its newest checkpoint stays");
	decision_event(t->out, false, "Suspended", "Cancelling the job, its newest checkpoint is kept (%s).", reason);
}

void wait_for(struct turn *t, const char *why)
{
	LEDGER_SET(t->ledger->stuck, why);
	decision_reason(t->out, "%s", why);
	t->out->next_ms = t->in->policy->poll_ms * 4;
}

/* A deletion goes on without a savepoint. What only the HA metadata know stays in them. */
void stop_give_up(struct turn *t, const char *told)
{
	struct ledger *l = t->ledger;
	bool only_there = told == NULL && t->in->seen->ha_checkpoint;
	decision_reason(t->out, "no savepoint can be had; the newest known state is %s",
			only_there		    ? "in the HA metadata, which stay"
			: l->newest.path[0] == '\0' ? "none"
						    : l->newest.path);
	l->next = only_there ? (struct ledger_restore){ .kind = RESTORE_HA } : l->newest;
	remove_begin(t, "delete", only_there);
}

static bool of_attempt(const char *path, const char *dir);

static bool stateless(const struct turn *t)
{
	return t->mode == MODE_STATELESS && t->mode_given && !t->deleting;
}

static void stop_done(struct turn *t, const char *path)
{
	char reason[24];
	LEDGER_SET(reason, t->ledger->op.reason);
	if (t->ledger->op.cancel) {
		decision_reason(t->out, "the job is cancelled; its newest state is %s", path);
		stop_restore(t, path);
		if (stateless(t))
			t->ledger->next = (struct ledger_restore){ .kind = RESTORE_EMPTY };
		remove_begin(t, reason, false);
		return;
	}
	decision_reason(t->out, "the savepoint is %s", path);
	decision_event(t->out, false, "SavepointCompleted", "Stopped with savepoint %s.", path);
	if (of_attempt(path, t->ledger->op.dir))
		(void)snapshot_note(t, SNAPSHOT_SAVEPOINT, path, "UPGRADE", t->in->config->snapshots.savepoint_format);
	stop_restore(t, path);
	remove_begin(t, reason, false);
}

static void stop_again(struct turn *t, const char *why)
{
	struct ledger_op *op = &t->ledger->op;
	decision_reason(t->out, "attempt %lld did not stop the job: %s", (long long)op->attempt, why);
	decision_event(t->out, true, "SavepointError", "Stop with savepoint, attempt %lld: %s", (long long)op->attempt, why);
	if (t->target_digest != NULL && ledger_live(t->ledger) != NULL && !t->deleting && strcmp(op->reason, "upgrade") == 0 &&
	    strcmp(ledger_live(t->ledger)->digest, t->target_digest) == 0) {
		t->ledger->op = (struct ledger_op){ 0 }; /* the change was taken back meanwhile, and the job runs on */
		return;
	}
	op->attempt++;
	stop_attempt(t);
}

/* The stop cannot go on as it was begun: the table decides anew, on what is there now. */
static void stop_rethink(struct turn *t, const char *why)
{
	char reason[24];
	LEDGER_SET(reason, t->ledger->op.reason);
	decision_reason(t->out, "%s: the stop is thought over", why);
	t->ledger->op = (struct ledger_op){ 0 };
	if (t->in->seen->jm == SEEN_ABSENT)
		recover_lost_jobmanager(t);
	else
		stop_begin(t, reason);
}

/* Flink answers file:/x for file:///x: what is compared are the paths behind the scheme. */
const char *plain_path(const char *path)
{
	if (!str_starts(path, "file:"))
		return path;
	path += strlen("file:");
	return path + strspn(path, "/");
}

/* Does the path lie in the directory of this attempt, or of an earlier one of the same launch (whose answer may have come late)? */
static bool of_attempt(const char *path, const char *dir)
{
	path = plain_path(path);
	dir = plain_path(dir);
	const char *dash = strrchr(dir, '-');
	size_t n = dash == NULL ? 0 : (size_t)(dash - dir) + 1;
	return n > 0 && strncmp(path, dir, n) == 0 && strchr(path + n, '/') != NULL;
}

/* A terminal job: the path to go on from is the newest of what it completed. */
static void stop_of_terminal(struct turn *t)
{
	const struct observation *s = t->in->seen;
	bool finished = s->job == JOB_FINISHED;
	if (!finished && s->checkpoints == SEEN_UNKNOWN) {
		wait_for(t, "the job ended while it was stopped; waiting for the JobManager to tell its checkpoints");
	} else if (!finished && s->checkpoints == SEEN_PRESENT && s->checkpoint_path[0] != '\0') {
		stop_done(t, s->checkpoint_path); /* it ran on after the savepoint: that is no longer the newest */
	} else if (s->savepoint == SAVEPOINT_COMPLETED) {
		stop_done(t, s->savepoint_location);
	} else if (s->savepoint_path[0] != '\0' && of_attempt(s->savepoint_path, t->ledger->op.dir)) {
		stop_done(t, s->savepoint_path); /* the operation's result was lost, the job's own record was not */
	} else if (t->ledger->op.cancel) {
		stop_rethink(t, "the job ended");
	} else if (s->savepoint == SAVEPOINT_UNKNOWN || s->savepoint == SAVEPOINT_IN_PROGRESS || s->checkpoints == SEEN_UNKNOWN) {
		wait_for(t, "the job ended; waiting for the JobManager to tell its savepoint");
	} else {
		stop_rethink(t, "the job ended by itself");
	}
}

/* The JobManager was restarted after the job had ended, and knows neither: with HA it would list a job that had not. */
static void stop_forgotten(struct turn *t)
{
	const struct observation *s = t->in->seen;
	if (s->found_path[0] != '\0' && t->in->config->ha) {
		stop_done(t, s->found_path);
		return;
	}
	char reason[24];
	LEDGER_SET(reason, t->ledger->op.reason);
	decision_reason(t->out, "the job ended during the stop, and its savepoint cannot be told: a person decides");
	t->ledger->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
	t->ledger->had_checkpoint = 1;
	if (s->found_path[0] != '\0')
		ledger_note_state(t->ledger, s->found_path, t->in->now_ms);
	else
		LEDGER_SET(t->ledger->doubt, t->ledger->op.dir);
	remove_begin(t, reason, s->ha_checkpoint);
}

void stop_continue(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger_op *op = &t->ledger->op;
	int64_t age = t->in->now_ms - op->started_at;

	if (s->jm == SEEN_ABSENT && !cluster_unseen(t)) {
		/* Flink takes its cluster and HA metadata down by itself only when the job has ended: what the stop wrote is the end of it */
		bool ended = !s->ha_checkpoint && (t->in->config->ha || t->in->config->self_deleting);
		if (!op->cancel && ended && s->found_path[0] != '\0') {
			stop_done(t, s->found_path);
			return;
		}
		if (!op->cancel)
			decision_event(t->out, true, "SavepointUnknown",
				       "The JobManager went away during the stop; a savepoint may be in %s.", op->dir);
		stop_rethink(t, "the JobManager is gone");
		return;
	}
	if (t->deleting && t->ledger->delete_asked_at != 0 &&
	    t->in->now_ms - t->ledger->delete_asked_at >= t->in->policy->delete_deadline_ms && s->savepoint != SAVEPOINT_COMPLETED) {
		stop_give_up(t, told_checkpoint(t));
		return;
	}
	if (s->rest == SEEN_PRESENT && job_state_terminal(s->job)) {
		stop_of_terminal(t);
		return;
	}
	if (op->cancel && stateless(t) && age > CANCEL_PATIENCE_MS) { /* nobody asked for this state: it does not hold up the change */
		char reason[24];
		LEDGER_SET(reason, op->reason);
		t->ledger->next = (struct ledger_restore){ .kind = RESTORE_EMPTY };
		remove_begin(t, reason, false);
		return;
	}
	if (op->cancel) {
		if (s->rest == SEEN_PRESENT && s->job != JOB_NONE && s->job != JOB_CANCELLING)
			t->out->effect = EFFECT_CANCEL_JOB;
		wait_for(t, "the job is being cancelled");
		return;
	}
	if (s->savepoint == SAVEPOINT_COMPLETED && s->rest == SEEN_PRESENT) {
		/* complete, but the job is not terminal yet: on its way out, or it ran on */
		ledger_note_state(t->ledger, s->savepoint_location, t->in->now_ms);
		(void)snapshot_note(t, SNAPSHOT_SAVEPOINT, s->savepoint_location, "UPGRADE", t->in->config->snapshots.savepoint_format);
		if (op->settled_at == 0)
			op->settled_at = t->in->now_ms;
		else if (t->in->now_ms - op->settled_at > 30000 && s->job == JOB_RUNNING)
			stop_again(t, "the savepoint completed, but the job runs on");
		else
			wait_for(t, "the savepoint is complete, the job is stopping");
		return;
	}
	if (s->savepoint == SAVEPOINT_FAILED) {
		if (age >= t->in->policy->poll_ms * 4)
			stop_again(t, s->savepoint_failure);
		else
			wait_for(t, "the savepoint failed, it is tried again soon");
		return;
	}
	if (s->savepoint == SAVEPOINT_NO_SUCH_TRIGGER && s->job == JOB_RUNNING) {
		decision_reason(t->out, "Flink does not know trigger %s: it is asked again", op->trigger);
		t->out->effect = EFFECT_STOP_WITH_SAVEPOINT; /* the same trigger id: harmless if it arrived after all */
		return;
	}
	if (age > t->in->policy->savepoint_timeout_ms && s->job == JOB_RUNNING) {
		stop_again(t, "it did not end in time");
		return;
	}
	if (s->savepoint == SAVEPOINT_NO_SUCH_TRIGGER && s->job != JOB_NONE && age > 60000) {
		stop_rethink(t, "the job does not run");
		return;
	}
	if (s->savepoint == SAVEPOINT_NO_SUCH_TRIGGER && s->job == JOB_NONE && op->settled_at != 0 && age > 60000) {
		stop_done(t,
			  t->ledger->newest.path); /* it stopped with that savepoint; the JobManager was restarted since and knows no job */
		return;
	}
	if (s->savepoint == SAVEPOINT_NO_SUCH_TRIGGER && s->job == JOB_NONE && s->rest == SEEN_PRESENT && age > 60000) {
		stop_forgotten(t);
		return;
	}
	if (s->rest != SEEN_PRESENT && !s->jm_available && s->savepoint != SAVEPOINT_COMPLETED && !cluster_unseen(t) && age > AWAY_MS) {
		stop_rethink(t, "the JobManager does not come back");
		return;
	}
	wait_for(t, s->savepoint == SAVEPOINT_IN_PROGRESS ? "the savepoint is in progress"
							  : "waiting for the JobManager to answer about the savepoint");
}

static void remove_done(struct turn *t)
{
	struct ledger_launch *live = ledger_live(t->ledger);
	if (live != NULL) {
		live->ended_at = t->in->now_ms;
		if (live->outcome[0] == '\0')
			LEDGER_SET(live->outcome, "stopped");
	}
	t->ledger->op = (struct ledger_op){ 0 };
	t->ledger->missing_at = 0;
	t->out->next_ms = 0;
}

/*
 * The last look before the cluster is deleted: a crash or an outage may have come between, and the job may have gone on since the decision.
 * What it completed meanwhile is the newest state now, and "it completed nothing" has to be true still.
 */
static void remove_look(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	if (t->in->config->checkpointing && s->job == JOB_RUNNING)
		l->had_checkpoint = 1; /* it may complete one before its pods are gone */
	if (live == NULL) {
		(void)told_checkpoint(t);
		return;
	}
	bool none = l->next.kind == RESTORE_EMPTY || (l->next.kind == live->restore.kind && strcmp(l->next.path, live->restore.path) == 0);
	/* a job that ended leaves no more than the stop has already found, unless nothing was found */
	bool ended = job_state_terminal(s->job);
	const char *told = s->job == JOB_FINISHED || (ended && !none) ? NULL : told_checkpoint(t);
	bool on_purpose = (l->next.kind == RESTORE_EMPTY && t->mode == MODE_STATELESS && t->mode_given) || l->rewind[0] != '\0' ||
			  redeploy_path(t) != NULL;
	if (on_purpose || l->next.kind == RESTORE_UNDECIDED || !t->in->config->checkpointing)
		return;
	if (none && s->ha_checkpoint) {
		l->next = (struct ledger_restore){ .kind = RESTORE_HA };
		LEDGER_SET(l->next.path, told);
		l->op.keep_ha = 1;
		l->had_checkpoint = 1;
		decision_reason(t->out, "the job completed a checkpoint meanwhile: it goes on from its HA metadata");
	} else if (l->next.kind == RESTORE_HA) {
		if (told != NULL)
			LEDGER_SET(l->next.path, told);
	} else if (told != NULL && s->checkpoints_completed > 0) {
		stop_restore(t, told);
	} else if (none && !proven_no_checkpoint(t) && t->in->now_ms - l->op.started_at > t->in->policy->poll_ms * 8) {
		l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
		l->had_checkpoint = 1;
		decision_reason(t->out, "it may have completed checkpoints meanwhile that cannot be seen: a person decides");
	}
}

/* Is the next launch to start from where this one did, because it was thought to have completed nothing? */
static bool back_to_its_start(const struct turn *t)
{
	const struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(t->ledger);
	return live != NULL && l->next.kind == RESTORE_PATH && strcmp(l->next.path, live->restore.path) == 0 && l->rewind[0] == '\0' &&
	       redeploy_path(t) == NULL;
}

void remove_continue(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger_op *op = &t->ledger->op;
	if (t->subject == SUBJECT_SESSION_JOB) {
		if (session_job_gone(t))
			remove_done(t);
		else if (t->out->effect == EFFECT_CANCEL_JOB)
			remove_look(t);
		return;
	}
	if (cluster_unseen(t)) {
		wait_for(t, "the Kubernetes API did not show the cluster; nothing is touched");
		return;
	}
	if (s->jm == SEEN_PRESENT) {
		if (!s->jm_deleting) {
			remove_look(t);
			t->out->effect = EFFECT_DELETE_CLUSTER;
		}
		decision_reason(t->out, "the old cluster is being deleted");
		return;
	}
	if (s->jm_pods + s->tm_pods > 0) {
		char why[120];
		(void)snprintf(why, sizeof why, "waiting for %lld JobManager and %lld TaskManager pods to be gone", (long long)s->jm_pods,
			       (long long)s->tm_pods);
		wait_for(t, why);
		return;
	}
	if (!op->keep_ha && s->ha_checkpoint && back_to_its_start(t)) {
		t->ledger->next = (struct ledger_restore){ .kind = RESTORE_HA };
		t->ledger->had_checkpoint = 1;
		op->keep_ha = 1;
		decision_reason(t->out, "the job completed a checkpoint while its pods were stopping: only its HA metadata know where");
	}
	if (!op->keep_ha && s->ha == SEEN_PRESENT) {
		t->out->effect = EFFECT_DELETE_HA;
		return;
	}
	remove_done(t);
}
