/*
 * How a launch is to be stopped: the rows of the peer's table "is an upgrade possible now, and how", top to bottom; the first that fits
 * decides. None of them loses state that git did not give up.
 */
#include <string.h>

#include "base/mem.h"
#include "lifecycle/internal.h"

/* What the rows ask. */
struct way {
	struct turn *t;
	const struct observation *s;
	struct ledger *l;
	const struct ledger_launch *live;
	const char *reason;
	bool deleting, overdue; /* a deletion; one whose deadline has passed */
	bool running, can_savepoint;
	const char *told; /* the newest checkpoint, as told in this turn, or NULL */
	bool cancellable; /* what it leaves when it is cancelled is known and stays */
};

static bool mode_changes_version(const struct turn *t, const struct ledger_launch *live)
{
	if (t->target != TARGET_SPEC || live->spec == NULL)
		return false;
	AUTODOC *doc = doc_parse_json(live->spec, strlen(live->spec), "launched spec", NULL, NULL);
	return doc != NULL && !str_eq(node_find_text(doc_root(doc), "flinkVersion"), node_find_text(t->spec, "flinkVersion"));
}

/* Also a job that restarts over and over, which no savepoint can be had of. */
static bool can_cancel(const struct observation *s)
{
	return s->rest == SEEN_PRESENT && s->job != JOB_NONE && s->job != JOB_RECONCILING && s->job != JOB_CANCELLING &&
	       !job_state_terminal(s->job);
}

static bool stateless(const struct way *w)
{
	return w->t->mode == MODE_STATELESS && w->t->mode_given;
}

static bool decided(struct way *w, const char *why)
{
	wait_for(w->t, why);
	return true;
}

static bool row_not_seen(struct way *w)
{
	if (!cluster_unseen(w->t))
		return false;
	if (!w->overdue || w->t->subject != SUBJECT_SESSION_JOB)
		return decided(w, "the Kubernetes API did not show the cluster; nothing is touched");
	decision_reason(w->t->out, "the session cluster does not answer; the newest known state is recorded");
	w->l->next = w->l->newest;
	remove_begin(w->t, w->reason, false);
	return true;
}

static bool row_session_cluster(struct way *w)
{
	if (w->t->subject != SUBJECT_SESSION)
		return false;
	drain_begin(w->t, w->reason);
	return true;
}

static bool row_snapshot_under_way(struct way *w)
{
	return snapshot_holds_stop(w->t);
}

/* A state that the next launch is told to start from has to be there before this one is stopped. */
static bool row_named_state_is_gone(struct way *w)
{
	const char *back = w->l->rewind[0] != '\0' && w->t->target == TARGET_STABLE ? w->l->rewind : redeploy_path(w->t);
	return back != NULL && !w->deleting && state_unusable(w->t, back, true);
}

static bool row_redeploy(struct way *w)
{
	if (redeploy_path(w->t) == NULL || w->deleting)
		return false;
	decision_reason(w->t->out, "savepointRedeployNonce: the state is not carried over (newest known: %s)",
			w->l->newest.path[0] == '\0' ? "none" : w->l->newest.path);
	remove_begin(w->t, w->reason, false);
	return true;
}

static bool row_no_mode(struct way *w)
{
	bool asks = strcmp(w->reason, "upgrade") == 0 || strcmp(w->reason, "restart") == 0;
	return !w->t->mode_given && w->l->had_checkpoint && asks &&
	       decided(w, "StateChoiceRequired: upgradeMode is absent, and this job has state: set upgradeMode: savepoint, last-state or "
			  "stateless");
}

/* Where no savepoint is taken the job is cancelled first, if its checkpoints stay: it completes no more that nobody knows of. */
static bool row_stateless(struct way *w)
{
	if (!stateless(w))
		return false;
	if (w->cancellable) {
		stop_cancel(w->t, w->reason);
		return true;
	}
	decision_reason(w->t->out, "upgradeMode is stateless: the state is not carried over (newest known: %s)",
			w->l->newest.path[0] == '\0' ? "none" : w->l->newest.path);
	w->l->next = (struct ledger_restore){ .kind = RESTORE_EMPTY };
	remove_begin(w->t, w->reason, false);
	return true;
}

static void take_final_state(struct way *w)
{
	const struct observation *s = w->s;
	struct ledger *l = w->l;
	if (s->job == JOB_FINISHED && w->told != NULL && strcmp(w->told, s->savepoint_path) != 0) {
		/* Flink discards the checkpoints of a job that came to its end */
		bool stopped = snapshot_of_stop(l, s->savepoint_path); /* any other is of the middle of its run */
		l->next = (struct ledger_restore){ .kind = stopped ? RESTORE_PATH : RESTORE_UNDECIDED };
		LEDGER_SET(l->next.path, stopped ? s->savepoint_path : "");
		l->had_checkpoint = 1;
	} else if (w->told != NULL) {
		decision_reason(w->t->out, "the job is %s; its newest state is %s", job_state_name(s->job), w->told);
		stop_restore(w->t, w->told);
	} else if (s->checkpoints_completed > 0 || w->live->checkpoints > 0) {
		decision_reason(w->t->out, "the job is %s and completed checkpoints, but where they are is not told: a person decides",
				job_state_name(s->job));
		l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
		l->had_checkpoint = 1;
	} else {
		l->next = w->live->restore; /* it completed nothing: what it started from is still the newest */
	}
}

static bool row_terminal(struct way *w)
{
	const struct observation *s = w->s;
	bool known = s->checkpoints == SEEN_PRESENT || (s->checkpoints == SEEN_ABSENT && !w->t->in->config->checkpointing);
	if (s->rest != SEEN_PRESENT || !known || !job_state_terminal(s->job))
		return false;
	take_final_state(w);
	remove_begin(w->t, w->reason, w->l->next.kind == RESTORE_HA);
	return true;
}

static bool row_no_state_at_all(struct way *w)
{
	if (!w->running || w->t->in->config->checkpointing || w->l->had_checkpoint || w->can_savepoint)
		return false;
	decision_reason(w->t->out, "the job has no state: no checkpointing, no savepoint directory");
	w->l->next = (struct ledger_restore){ .kind = RESTORE_EMPTY };
	remove_begin(w->t, w->reason, false);
	return true;
}

static bool row_cancelling(struct way *w)
{
	return w->s->rest == SEEN_PRESENT && w->s->job == JOB_CANCELLING && !w->deleting &&
	       decided(w, "the job is being cancelled: what it leaves is known once it has ended");
}

static bool row_no_fallback(struct way *w)
{
	bool waits = w->t->in->config->no_fallback && w->t->mode == MODE_SAVEPOINT && w->t->mode_given && !w->running;
	return waits && !w->deleting && strcmp(w->reason, "rollback") != 0 &&
	       decided(w, "waiting for the job to run: kubernetes.operator.job.upgrade.last-state-fallback.enabled is false");
}

/* Another Flink does not read the HA metadata of this one. */
static bool metadata_serve(const struct way *w)
{
	return w->s->ha_checkpoint && !mode_changes_version(w->t, w->live);
}

static bool last_state(const struct way *w)
{
	return w->t->mode == MODE_LAST_STATE && !w->deleting && !mode_changes_version(w->t, w->live);
}

static bool row_cancel(struct way *w)
{
	bool has_own = w->t->in->config->checkpointing; /* else what it told is a savepoint, however long ago */
	bool wanted =
		w->deleting ? !w->can_savepoint : !metadata_serve(w) && ((last_state(w) && has_own) || !w->running || !w->can_savepoint);
	if (!w->cancellable || !wanted)
		return false;
	stop_cancel(w->t, w->reason);
	return true;
}

static bool row_savepoint(struct way *w)
{
	if (!w->running || !w->can_savepoint || (last_state(w) && w->s->ha_checkpoint))
		return false;
	stop_savepoint(w->t, w->reason);
	return true;
}

/* No blind moment: what the HA metadata points to is in the ledger before the JobManager goes. */
static bool row_last_state(struct way *w)
{
	struct ledger *l = w->l;
	if (w->s->ha != SEEN_PRESENT || !metadata_serve(w) || w->deleting)
		return false;
	if (w->running && w->s->checkpoints != SEEN_PRESENT)
		return decided(w, "waiting for the JobManager to tell its newest checkpoint");
	l->next = (struct ledger_restore){ .kind = RESTORE_HA };
	LEDGER_SET(l->next.path, w->told); /* only what was told in this turn: an older one would be a rewind */
	l->had_checkpoint = 1;
	decision_reason(w->t->out, "last-state: the job goes on from its HA metadata (checkpoint %s)",
			w->told == NULL ? "not known to us" : w->told);
	decision_event(w->t->out, false, "Suspended", "Suspending existing deployment, the HA metadata is kept (%s).", w->reason);
	remove_begin(w->t, w->reason, true);
	return true;
}

static bool row_nothing_completed(struct way *w)
{
	if (w->running || !proven_no_checkpoint(w->t))
		return false;
	decision_reason(w->t->out, "launch %lld completed no checkpoint: the state it was to start from is still the newest",
			(long long)w->live->number);
	w->l->next = w->live->restore;
	remove_begin(w->t, w->reason, w->live->restore.kind == RESTORE_HA);
	return true;
}

static bool row_forgotten(struct way *w)
{
	if (!job_forgotten(w->t))
		return false;
	decision_reason(w->t->out, "the job ended, and its JobManager does not know how: %s",
			w->l->had_checkpoint ? "a person decides from which state the next one starts" : "it never had state");
	w->l->next = w->l->had_checkpoint ? (struct ledger_restore){ .kind = RESTORE_UNDECIDED } : w->live->restore;
	remove_begin(w->t, w->reason, w->s->ha_checkpoint);
	return true;
}

/* A deletion never hangs for ever: the newest known state is recorded, the retained checkpoint stays where it is. */
static bool row_overdue(struct way *w)
{
	if (!w->deleting || (!w->overdue && (w->can_savepoint || w->s->checkpoints != SEEN_PRESENT)))
		return false;
	stop_give_up(w->t, w->told);
	return true;
}

static bool row_wait(struct way *w)
{
	return decided(
		w, w->running
			   ? "the job cannot be stopped with its state: no savepoint directory and no HA metadata with a checkpoint"
			   : "waiting for the job to run, or for HA metadata with a checkpoint, before it can be stopped with its state");
}

/* The first rows look at what is seen of the cluster, before anything is noted of its checkpoints. */
static bool (*const first_rows[])(struct way *w) = { row_not_seen, row_session_cluster, row_snapshot_under_way, row_named_state_is_gone };
static bool (*const rows[])(struct way *w) = {
	row_redeploy, row_no_mode,   row_stateless,  row_terminal,	    row_no_state_at_all, row_cancelling, row_no_fallback,
	row_cancel,   row_savepoint, row_last_state, row_nothing_completed, row_forgotten,	 row_overdue,	 row_wait,
};

static void choose(struct turn *t, const char *reason)
{
	const struct observation *s = t->in->seen;
	struct way w = { .t = t, .s = s, .l = t->ledger, .live = ledger_live(t->ledger), .reason = reason };
	w.deleting = strcmp(reason, "delete") == 0;
	w.overdue = w.deleting && t->in->now_ms - t->ledger->delete_asked_at >= t->in->policy->delete_deadline_ms;
	w.running = s->rest == SEEN_PRESENT && s->job == JOB_RUNNING;
	w.can_savepoint = t->in->config->savepoint_dir[0] != '\0';
	for (size_t i = 0; i < ARRAY_SIZE(first_rows); i++)
		if (first_rows[i](&w))
			return;
	w.told = told_checkpoint(t);
	w.cancellable = can_cancel(s) && t->in->config->retained && w.told != NULL && s->checkpoints_completed > 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows) && !rows[i](&w); i++)
		;
}

void stop_begin(struct turn *t, const char *reason)
{
	choose(t, reason);
	if (t->ledger->op.kind == OP_NONE) { /* it waits: what the JobManager tells meanwhile is not worth a write each time */
		t->ledger->newest = t->in->ledger->newest;
		t->ledger->newest_at = t->in->ledger->newest_at;
	}
}
