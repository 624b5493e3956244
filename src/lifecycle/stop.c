/* How a live launch ends: its state is in the ledger before anything is deleted. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"

static void remove_begin(struct turn *t, const char *reason, bool keep_ha)
{
	turn_op(t, OP_REMOVE, reason);
	t->ledger->op.keep_ha = keep_ha;
}

static void restore_from(struct turn *t, const char *path)
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

static void savepoint_begin(struct turn *t, const char *reason)
{
	turn_op(t, OP_STOP, reason);
	stop_attempt(t);
	decision_reason(t->out, "stop with savepoint into %s", t->ledger->op.dir);
	decision_event(t->out, false, "Suspended", "Stopping the job with a savepoint (%s).", reason);
}

static bool mode_changes_version(const struct turn *t, const struct ledger_launch *live)
{
	if (t->target != TARGET_SPEC || live->spec == NULL)
		return false;
	AUTODOC *doc = doc_parse_json(live->spec, strlen(live->spec), "launched spec", NULL, NULL);
	return doc != NULL && !str_eq(node_find_text(doc_root(doc), "flinkVersion"), node_find_text(t->spec, "flinkVersion"));
}

static void wait_for(struct turn *t, const char *why)
{
	LEDGER_SET(t->ledger->stuck, why);
	decision_reason(t->out, "%s", why);
	t->out->next_ms = t->in->policy->poll_ms * 4;
}

/* The rows of the peer's table "is an upgrade possible now, and how", top to bottom. */
void stop_begin(struct turn *t, const char *reason)
{
	const struct observation *s = t->in->seen;
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	bool delete = strcmp(reason, "delete") == 0;
	bool running = s->rest == SEEN_PRESENT && s->job == JOB_RUNNING;
	bool can_savepoint = t->in->config->savepoint_dir[0] != '\0';

	if (cluster_unseen(t)) {
		wait_for(t, "the Kubernetes API did not show the cluster; nothing is touched");
		return;
	}
	if (delete &&l->delete_asked_at == 0)
		l->delete_asked_at = t->in->now_ms;
	const char *told = told_checkpoint(t);
	if (t->mode == MODE_STATELESS && t->mode_given) {
		decision_reason(t->out, "upgradeMode is stateless: the state is not carried over (newest known: %s)",
				l->newest.path[0] == '\0' ? "none" : l->newest.path);
		l->next = (struct ledger_restore){ .kind = RESTORE_EMPTY };
		remove_begin(t, reason, false);
		return;
	}
	bool checkpoints_known = s->checkpoints == SEEN_PRESENT || (s->checkpoints == SEEN_ABSENT && !t->in->config->checkpointing);
	if (s->rest == SEEN_PRESENT && checkpoints_known && job_state_terminal(s->job)) {
		if (told != NULL) {
			decision_reason(t->out, "the job is %s; its newest state is %s", job_state_name(s->job), told);
			restore_from(t, told);
		} else {
			l->next = live->restore; /* it completed nothing: what it started from is still the newest */
		}
		remove_begin(t, reason, l->next.kind == RESTORE_HA);
		return;
	}
	if (running && !t->in->config->checkpointing && !l->had_checkpoint && !can_savepoint) {
		decision_reason(t->out, "the job has no state: no checkpointing, no savepoint directory");
		l->next = (struct ledger_restore){ .kind = RESTORE_EMPTY };
		remove_begin(t, reason, false);
		return;
	}
	bool last_state = t->mode == MODE_LAST_STATE && !delete &&!mode_changes_version(t, live);
	if (running && can_savepoint && (!last_state || !s->ha_checkpoint)) {
		savepoint_begin(t, reason);
		return;
	}
	if (s->ha == SEEN_PRESENT && s->ha_checkpoint && !delete) {
		/* no blind moment: what the HA metadata points to is in the ledger before the JobManager goes */
		if (s->rest == SEEN_PRESENT && s->job == JOB_RUNNING && s->checkpoints != SEEN_PRESENT) {
			wait_for(t, "waiting for the JobManager to tell its newest checkpoint");
			return;
		}
		l->next = (struct ledger_restore){ .kind = RESTORE_HA };
		LEDGER_SET(l->next.path, told); /* only what was told in this turn: an older one would be a rewind */
		l->had_checkpoint = 1;
		decision_reason(t->out, "last-state: the job goes on from its HA metadata (checkpoint %s)",
				told == NULL ? "not known to us" : told);
		decision_event(t->out, false, "Suspended", "Suspending existing deployment, the HA metadata is kept (%s).", reason);
		remove_begin(t, reason, true);
		return;
	}
	if (!running && proven_no_checkpoint(t)) {
		decision_reason(t->out, "launch %lld completed no checkpoint: the state it was to start from is still the newest",
				(long long)live->number);
		l->next = live->restore;
		remove_begin(t, reason, live->restore.kind == RESTORE_HA);
		return;
	}
	/* A deletion never hangs for ever: the newest known state is recorded, the retained checkpoint stays where it is. */
	bool overdue = t->in->now_ms - l->delete_asked_at >= t->in->policy->delete_deadline_ms;
	if (delete &&(overdue || (!can_savepoint && s->checkpoints == SEEN_PRESENT))) {
		decision_reason(t->out, "no savepoint can be had; the newest known state is %s",
				l->newest.path[0] == '\0' ? "none" : l->newest.path);
		l->next = l->newest;
		remove_begin(t, reason, false);
		return;
	}
	wait_for(t, running ? "the job cannot be stopped with its state: no savepoint directory and no HA metadata with a checkpoint"
			    : "waiting for the job to run, or for HA metadata with a checkpoint, before it can be stopped with its state");
}

static void stop_done(struct turn *t, const char *path)
{
	decision_reason(t->out, "the savepoint is %s", path);
	decision_event(t->out, false, "SavepointCompleted", "Stopped with savepoint %s.", path);
	char reason[24];
	LEDGER_SET(reason, t->ledger->op.reason);
	restore_from(t, path);
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
static const char *plain_path(const char *path)
{
	if (!str_starts(path, "file:"))
		return path;
	path += strlen("file:");
	return path + strspn(path, "/");
}

static bool in_dir(const char *path, const char *dir)
{
	path = plain_path(path);
	dir = plain_path(dir);
	size_t n = strlen(dir);
	return strncmp(path, dir, n) == 0 && path[n] == '/';
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
	} else if (s->savepoint_path[0] != '\0' && in_dir(s->savepoint_path, t->ledger->op.dir)) {
		stop_done(t, s->savepoint_path); /* the operation's result was lost, the job's own record was not */
	} else if (s->savepoint == SAVEPOINT_UNKNOWN || s->savepoint == SAVEPOINT_IN_PROGRESS || s->checkpoints == SEEN_UNKNOWN) {
		wait_for(t, "the job ended; waiting for the JobManager to tell its savepoint");
	} else {
		stop_rethink(t, "the job ended by itself");
	}
}

void stop_continue(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger_op *op = &t->ledger->op;
	int64_t age = t->in->now_ms - op->started_at;

	if (s->jm == SEEN_ABSENT && !cluster_unseen(t)) {
		stop_rethink(t, "the JobManager is gone");
		return;
	}
	if (t->deleting && t->ledger->delete_asked_at != 0 &&
	    t->in->now_ms - t->ledger->delete_asked_at >= t->in->policy->delete_deadline_ms && s->savepoint != SAVEPOINT_COMPLETED) {
		(void)told_checkpoint(t);
		decision_reason(t->out, "no savepoint can be had in time; the newest known state is recorded");
		t->ledger->next = t->ledger->newest;
		remove_begin(t, "delete", false);
		return;
	}
	if (s->rest == SEEN_PRESENT && job_state_terminal(s->job)) {
		stop_of_terminal(t);
		return;
	}
	if (s->savepoint == SAVEPOINT_COMPLETED && s->rest == SEEN_PRESENT) {
		/* complete, but the job is not terminal yet: on its way out, or it ran on */
		ledger_note_state(t->ledger, s->savepoint_location, t->in->now_ms);
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
	wait_for(t, s->savepoint == SAVEPOINT_IN_PROGRESS ? "the savepoint is in progress"
							  : "waiting for the JobManager to answer about the savepoint");
}

void remove_continue(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger_op *op = &t->ledger->op;
	if (cluster_unseen(t)) {
		wait_for(t, "the Kubernetes API did not show the cluster; nothing is touched");
		return;
	}
	if (s->jm == SEEN_PRESENT) {
		if (!s->jm_deleting)
			t->out->effect = EFFECT_DELETE_CLUSTER;
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
	if (!op->keep_ha && s->ha == SEEN_PRESENT) {
		t->out->effect = EFFECT_DELETE_HA;
		return;
	}
	struct ledger_launch *live = ledger_live(t->ledger);
	if (live != NULL) {
		live->ended_at = t->in->now_ms;
		if (live->outcome[0] == '\0')
			LEDGER_SET(live->outcome, "stopped");
	}
	*op = (struct ledger_op){ 0 };
	t->out->next_ms = 0;
}
