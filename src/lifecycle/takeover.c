/*
 * What a resource without launches of its own goes on from: the ledger of the resource that it was renamed from (weir.dev/moved-from), or
 * the status that another operator wrote (weir.dev/managed: "true").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/digest.h"
#include "lifecycle/internal.h"

/* ---- renames and moves ---- */

static void take_history(struct ledger *l, const struct ledger *from)
{
	struct ledger copy;
	ledger_copy(&copy, from);
	for (int64_t i = 0; i < copy.launch_count; i++)
		l->launches[i] = copy.launches[i]; /* their texts are the copy's, and now ours */
	l->launch_count = copy.launch_count;
	l->next_launch = copy.next_launch;
	l->had_checkpoint = copy.had_checkpoint;
	l->newest = copy.newest;
	l->newest_at = copy.newest_at;
	for (int64_t i = 0; i < copy.quarantine_count; i++)
		l->quarantine[i] = copy.quarantine[i];
	l->quarantine_count = copy.quarantine_count;
	/* what was used up under the old name is used up: left in the file it allows nothing under the new one */
	LEDGER_SET(l->spent_choice, copy.spent_choice);
	LEDGER_SET(l->spent_empty, copy.spent_empty);
	LEDGER_SET(l->spent_redeploy, copy.spent_redeploy);
	LEDGER_SET(l->spent_retry, copy.spent_retry);
	LEDGER_SET(l->spent_rollback, copy.spent_rollback);
}

static void wait_stuck(struct turn *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wait_stuck(struct turn *t, const char *format, ...)
{
	char why[200];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(why, sizeof why, format, args);
	va_end(args);
	wait_for(t, why);
}

bool takeover_move(struct turn *t)
{
	const struct move_view *move = t->in->move;
	struct ledger *l = t->ledger;
	const char *from = decide_annotation(t->in->resource, "weir.dev/moved-from");
	if (from == NULL || move == NULL || l->launch_count > 0 || t->deleting)
		return true;
	if (move->ledger == NULL) {
		wait_stuck(t, "the ledger of %.80s, which this resource moved from, could not be seen", from);
		return false;
	}
	if (move->ledger->launch_count == 0) {
		wait_stuck(t, "StateChoiceRequired: weir.dev/moved-from: no ledger knows %.60s; correct it, or set weir.dev/restore-from",
			   from);
		return decide_annotation(t->in->resource, "weir.dev/restore-from") != NULL;
	}
	const struct ledger_launch *last = &move->ledger->launches[move->ledger->launch_count - 1];
	if (last->ended_at == 0 || move->ledger->op.kind != OP_NONE || move->resource != SEEN_ABSENT) {
		wait_stuck(t,
			   move->resource == SEEN_PRESENT && !move->deleting
				   ? "waiting for %.80s, which this resource moved from, to be deleted"
				   : "waiting for %.80s, which this resource moved from, to be stopped with its state",
			   from);
		return false;
	}
	take_history(l, move->ledger);
	l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
	const char *path = move->ledger->next.path[0] != '\0'	   ? move->ledger->next.path
			   : move->ledger->next.kind == RESTORE_HA ? ""
								   : l->newest.path;
	if (*path != '\0') {
		l->next.kind = RESTORE_PATH;
		LEDGER_SET(l->next.path, path);
	} else if (!l->had_checkpoint) {
		l->next.kind = RESTORE_EMPTY;
	}
	decision_reason(t->out, "moved from %s: it goes on from %s", from, *path == '\0' ? "no known state" : path);
	decision_event(t->out, false, "Moved", "Goes on where %s ended, from %s.", from, *path == '\0' ? "no known state" : path);
	return true;
}

/* ---- adoption ---- */

/* What the status of another operator says, as far as it matters here. */
struct peer_view {
	const struct node *status;
	struct doc *doc, *stable_doc;
	struct node *spec, *stable; /* lastReconciledSpec and lastStableSpec in plain form; stable NULL: none that can be read */
	char digest[65], stable_digest[65];
	char mode[16];			 /* the upgradeMode that was used last; "" if it is not told */
	bool same;			 /* lastReconciledSpec has the content of the resource */
	bool first;			 /* nothing was ever deployed before this spec */
	bool suspended, upgrading, back; /* back: it was rolling back, or has */
	bool missing;			 /* it had no JobManager when this status was written */
	bool ended;			 /* nor a job that runs */
};

static const char *references(const struct turn *t)
{
	return decide_annotation(t->in->resource, "weir.dev/references");
}

/* The spec in one of the peer's texts, also in the flat layout before 1.2; *metadata is what it says beside the spec. */
static struct node *read_text(const char *text, struct doc **doc, const struct node **metadata)
{
	*doc = text == NULL ? NULL : doc_parse_json(text, strlen(text), "status.reconciliationStatus", NULL, NULL);
	struct node *root = *doc == NULL ? NULL : doc_root(*doc);
	struct node *spec = node_get(root, "spec");
	if (metadata != NULL)
		*metadata = node_get(root, "resource_metadata");
	if (spec == NULL && node_is(root, NODE_MAP) && (node_get(root, "flinkVersion") != NULL || node_get(root, "job") != NULL)) {
		(void)node_remove(root, "apiVersion");
		spec = root;
	}
	return node_is(spec, NODE_MAP) ? spec_plain(*doc, spec) : NULL;
}

static void peer_close(struct peer_view *p)
{
	doc_free(p->doc);
	doc_free(p->stable_doc);
}

static bool peer_stable(const struct peer_view *p)
{
	return p->stable != NULL && strcmp(p->digest, p->stable_digest) == 0;
}

/* False: lastReconciledSpec cannot be read. */
static bool peer_open(struct peer_view *p, const struct turn *t, const char *text)
{
	char now[65];
	const struct node *metadata;
	*p = (struct peer_view){ .status = node_get(t->in->resource, "status") };
	p->spec = read_text(text, &p->doc, &metadata);
	if (p->spec == NULL)
		return false;
	p->stable = read_text(node_find_text(p->status, "reconciliationStatus/lastStableSpec"), &p->stable_doc, NULL);
	spec_digest(t->spec, references(t), now);
	spec_digest(p->spec, references(t), p->digest);
	if (p->stable != NULL)
		spec_digest(p->stable, references(t), p->stable_digest);
	p->same = strcmp(now, p->digest) == 0;
	p->first = node_truth(node_get(metadata, "firstDeployment"), false);
	LEDGER_SET(p->mode, node_find_text(p->spec, "job/upgradeMode"));
	p->suspended = str_eq(node_find_text(p->spec, "job/state"), "suspended");
	const char *state = node_find_text(p->status, "reconciliationStatus/state");
	p->upgrading = str_eq(state, "UPGRADING");
	p->back = state != NULL && str_starts(state, "ROLL") && !peer_stable(p);
	p->missing = str_eq(node_find_text(p->status, "jobManagerDeploymentStatus"), "MISSING");
	const char *job = node_find_text(p->status, "jobStatus/state");
	p->ended = job != NULL && job_state_terminal(job_state_of(job));
	return true;
}

/* What adoption makes of a resource. */
enum plight {
	PLIGHT_RUNS,	  /* its launch is live */
	PLIGHT_RUNS_BACK, /* and it is the stable version that the peer went back to */
	PLIGHT_STOPPED,	  /* it was stopped with its state */
	PLIGHT_NEVER,	  /* nothing was ever created */
	PLIGHT_UNCLEAR,	  /* in the middle of something: nothing can be done now */
};

static enum plight plight_of_cluster(const struct turn *t, const struct peer_view *p, const char **why)
{
	const struct observation *s = t->in->seen;
	bool rolling = p->back && str_eq(node_find_text(p->status, "reconciliationStatus/state"), "ROLLING_BACK");
	bool there = s->jm == SEEN_PRESENT && !s->jm_deleting;
	*why = "the other operator is in the middle of an upgrade, and its cluster is going down: adopted once that is gone";
	if (p->back && p->stable == NULL) {
		*why = "StateChoiceRequired: the other operator rolls back to a version that its status does not name: let it finish first";
		return PLIGHT_UNCLEAR;
	}
	if (!p->suspended && !rolling && !(p->upgrading && t->subject == SUBJECT_SESSION))
		return p->back ? PLIGHT_RUNS_BACK : PLIGHT_RUNS;
	if (!there && place_taken(t))
		return PLIGHT_UNCLEAR;
	if (!there)
		return p->upgrading && p->first && !s->ha_checkpoint ? PLIGHT_NEVER : PLIGHT_STOPPED;
	if (p->missing && (p->upgrading || rolling)) /* the old one was gone when it said so: this one is what it was about to create */
		return rolling ? PLIGHT_RUNS_BACK : PLIGHT_RUNS;
	if (rolling || t->subject == SUBJECT_SESSION)
		return PLIGHT_RUNS; /* still the one that failed */
	if (p->ended)
		return PLIGHT_STOPPED;
	*why = "the other operator's status says that the job is stopped, but its cluster is there: let that operator finish, or delete "
	       "the "
	       "JobManager Deployment";
	return PLIGHT_UNCLEAR;
}

static enum plight plight(const struct turn *t, const struct peer_view *p, const char **why)
{
	const char *job = node_find_text(p->status, "jobStatus/jobId");
	if (t->subject != SUBJECT_SESSION_JOB)
		return plight_of_cluster(t, p, why);
	if (p->back) {
		*why = "StateChoiceRequired: the other operator was rolling this session job back: let it finish first";
		return PLIGHT_UNCLEAR;
	}
	bool unsent = job == NULL || *job == '\0';
	if (unsent && p->upgrading && p->first)
		return PLIGHT_NEVER;
	/* an id is in the status before the submission: the cluster tells whether the job is there */
	return unsent || (p->suspended && (p->ended || !p->upgrading)) ? PLIGHT_STOPPED : PLIGHT_RUNS;
}

static bool adoption_asked(const struct turn *t)
{
	const char *asked = decide_annotation(t->in->resource, "weir.dev/adopt");
	return asked != NULL && !ledger_spent(t->ledger->spent_adopt, asked);
}

bool takeover_allowed(struct turn *t)
{
	struct ledger *l = t->ledger;
	if (adoption_asked(t))
		return true;
	if (t->in->foreign != NULL && l->uid[0] != '\0')
		LEDGER_SET(l->foreign, t->in->foreign);
	bool unknown = l->uid[0] == '\0' && node_find(t->in->resource, "status/reconciliationStatus/lastReconciledSpec") != NULL &&
		       !str_eq(decide_annotation(t->in->resource, "weir.dev/managed"), "true");
	return l->foreign[0] == '\0' && !unknown;
}

void adopt_cluster(struct turn *t)
{
	if (t->subject != SUBJECT_SESSION_JOB && t->in->seen->jm == SEEN_PRESENT && t->in->seen->jm_launch == 0)
		t->out->effect = EFFECT_ADOPT_CLUSTER;
}

/* Does the status tell of something else than the ledger's last launch? */
static bool tells_news(const struct turn *t, const struct peer_view *p)
{
	const struct ledger_launch *last = &t->ledger->launches[t->ledger->launch_count - 1];
	if (!str_eq(node_find_text(p->status, "jobStatus/jobId"), last->job_id))
		return true;
	if (t->ledger->op.kind != OP_NONE)
		return false; /* Weir was in the middle of something, and the status is of that time */
	if (p->suspended != (last->ended_at != 0))
		return true;
	AUTODOC *doc = last->spec == NULL ? NULL : doc_parse_json(last->spec, strlen(last->spec), "launched spec", NULL, NULL);
	char told[65];
	char known[65];
	spec_digest(p->back ? p->stable : p->spec, NULL, told);
	spec_digest(doc == NULL ? NULL : doc_root(doc), NULL, known);
	return strcmp(told, known) != 0;
}

static const char *real_path(const struct node *status, const char *at)
{
	const char *path = node_find_text(status, at); /* it may be the marker for HA metadata, which is no path */
	return path != NULL && strchr(path, '/') != NULL && strlen(path) < LEDGER_PATH ? path : NULL;
}

/* The state that the peer's next launch would start from; *newest is the newest that the status names at all. */
static const char *peer_state(const struct peer_view *p, const char **newest)
{
	const char *upgrade = real_path(p->status, "jobStatus/upgradeSavepointPath");
	const char *last = real_path(p->status, "jobStatus/savepointInfo/lastSavepoint/location");
	int64_t began = node_integer(node_find(p->status, "reconciliationStatus/reconciliationTimestamp"), 0);
	bool later = !p->suspended && node_integer(node_find(p->status, "jobStatus/savepointInfo/lastSavepoint/timeStamp"), 0) > began;
	*newest = upgrade == NULL || (last != NULL && later) ? last : upgrade;
	return upgrade != NULL ? upgrade : last;
}

/* How the launch that the status tells of got its state, or the next one is to get it. */
static struct ledger_restore peer_restore(const struct turn *t, const struct peer_view *p, bool stopped)
{
	struct ledger_restore r = { .kind = RESTORE_UNDECIDED };
	const char *newest;
	const char *path = peer_state(p, &newest);
	if (t->subject == SUBJECT_SESSION || (strcmp(p->mode, "stateless") == 0 && !p->back)) {
		r.kind = RESTORE_EMPTY; /* which without consent in git is no state to start from */
	} else if (strcmp(p->mode, "last-state") == 0 || p->back) {
		r.kind = stopped && !t->in->seen->ha_checkpoint ? RESTORE_UNDECIDED : RESTORE_HA;
	} else if (path != NULL) {
		r.kind = RESTORE_PATH;
		LEDGER_SET(r.path, path);
	} else if (!stopped && strcmp(p->mode, "savepoint") == 0) {
		r.kind = RESTORE_EMPTY;
	}
	if (stopped && t->subject != SUBJECT_SESSION && t->in->seen->ha_checkpoint)
		r.kind = RESTORE_HA; /* they are gone once a savepoint was taken: newer than any path in the status */
	return r;
}

/* The mode that the peer used is not what git asks for: it must not pass for consent to start empty. */
static char *launched_spec(struct turn *t, struct doc *doc, struct node *spec, bool same)
{
	struct node *job = node_get(spec, "job");
	struct buf text = BUF_INIT;
	(void)node_remove(job, "upgradeMode");
	(void)node_remove(job, "state");
	if (same && job != NULL)
		node_set_text(doc, job, "upgradeMode", node_find_text(t->spec, "job/upgradeMode"));
	node_to_json(spec, &text, JSON_COMPACT);
	return buf_take(&text);
}

static struct ledger_launch *add_launch(struct turn *t, struct doc *doc, struct node *spec, const char *digest, const char *outcome)
{
	bool same = strcmp(digest, t->in->digest) == 0;
	struct ledger_launch *launch = ledger_add_launch(t->ledger);
	LEDGER_SET(launch->digest, digest);
	LEDGER_SET(launch->outcome, outcome);
	launch->spec = launched_spec(t, doc, spec, same);
	launch->submitted_at = t->in->now_ms; /* by this clock: no deadline is counted from another machine's */
	launch->ended_at = *outcome == '\0' ? 0 : t->in->now_ms;
	return launch;
}

/* A savepoint or checkpoint that the peer has under way is waited for as if it were Weir's own. */
static void take_snapshot(struct turn *t, const struct peer_view *p, enum snapshot_kind kind)
{
	bool savepoint = kind == SNAPSHOT_SAVEPOINT;
	const struct node *info = node_find(p->status, savepoint ? "jobStatus/savepointInfo" : "jobStatus/checkpointInfo");
	struct ledger *l = t->ledger;
	const char *trigger = node_find_text(info, "triggerId");
	int64_t periodic =
		node_integer(node_get(info, savepoint ? "lastPeriodicSavepointTimestamp" : "lastPeriodicCheckpointTimestamp"), 0);
	*(savepoint ? &l->savepoint_periodic_at : &l->checkpoint_periodic_at) = periodic;
	*(savepoint ? &l->savepoint_due_from : &l->checkpoint_due_from) = periodic;
	if (trigger == NULL || *trigger == '\0' || strlen(trigger) >= sizeof l->snapshot.trigger || l->snapshot.kind != SNAPSHOT_NONE)
		return;
	struct ledger_snapshot *s = &l->snapshot;
	s->kind = kind;
	s->launch = ledger_live(l)->number;
	s->attempt = 1;
	s->asked_at = s->started_at = t->in->now_ms;
	LEDGER_SET(s->trigger, trigger);
	LEDGER_SET(s->type, str_eq(node_find_text(info, "triggerType"), "PERIODIC") ? "PERIODIC" : "MANUAL");
	LEDGER_SET(s->format, node_text_or(node_get(info, "formatType"), savepoint ? "CANONICAL" : "FULL"));
	LEDGER_SET(s->leader, t->in->leader);
	if (strcmp(s->type, "MANUAL") == 0)
		LEDGER_SET(s->nonce, node_find_text(t->spec, savepoint ? "job/savepointTriggerNonce" : "job/checkpointTriggerNonce"));
	decision_reason(t->out, "the %s %s that the other operator triggered is waited for", savepoint ? "savepoint" : "checkpoint",
			trigger);
}

static void adopt_running(struct turn *t, struct peer_view *p, bool back)
{
	struct ledger *l = t->ledger;
	struct ledger_launch *launch;
	bool stable = back || (peer_stable(p) && !p->upgrading && !p->back);
	if (back)
		launch = add_launch(t, p->stable_doc, p->stable, p->stable_digest, "");
	else
		launch = add_launch(t, p->doc, p->spec, p->digest, "");
	LEDGER_SET(launch->job_id, node_find_text(p->status, "jobStatus/jobId"));
	launch->generation = node_integer(node_get(p->status, "observedGeneration"), 0);
	launch->restore = peer_restore(t, p, false);
	if (stable || node_find(p->status, "jobStatus/startTime") != NULL)
		launch->running_at = t->in->now_ms;
	if (stable) {
		launch->stable_at = t->in->now_ms;
		launch->submitted_at =
			node_integer(node_find(p->status, "reconciliationStatus/reconciliationTimestamp"), launch->submitted_at);
	}
	l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
	if (t->subject != SUBJECT_SESSION) {
		take_snapshot(t, p, SNAPSHOT_SAVEPOINT);
		take_snapshot(t, p, SNAPSHOT_CHECKPOINT);
	}
	decision_reason(t->out, "adopted: launch %lld is job %s as the status tells", (long long)launch->number, launch->job_id);
	adopt_cluster(t);
}

static void adopt_stopped(struct turn *t, struct peer_view *p)
{
	struct ledger_launch *launch = add_launch(t, p->doc, p->spec, p->digest, "stopped");
	LEDGER_SET(launch->job_id, node_find_text(p->status, "jobStatus/jobId"));
	launch->generation = node_integer(node_get(p->status, "observedGeneration"), 0);
	launch->restore = peer_restore(t, p, true);
	t->ledger->next = launch->restore;
	decision_reason(t->out, "adopted: launch %lld was stopped by the other operator; the next one starts from %s",
			(long long)launch->number,
			launch->restore.kind == RESTORE_HA	? "its HA metadata"
			: launch->restore.kind == RESTORE_PATH	? launch->restore.path
			: launch->restore.kind == RESTORE_EMPTY ? "nothing, if git allows it"
								: "what a person chooses");
}

/* The number of a launch whose job this was, if its id is one of Weir's: then the ledger was lost. 0: it is not. */
static int64_t number_of_job(const struct ledger *l, const char *job_id)
{
	enum { KNOWN = 500 };
	char id[33];
	for (int64_t n = 1; job_id != NULL && n <= KNOWN; n++) {
		job_id_of(l->uid, n, id);
		if (strcmp(id, job_id) == 0)
			return n;
	}
	return 0;
}

/*
 * The least number that this launch may have. None is given twice: ids of jobs and directories of results and savepoints come from it. And
 * only a first deployment is launch 1.
 */
static int64_t least_number(const struct turn *t, const struct peer_view *p)
{
	enum { ROOM = 100 }; /* for launches that kept the id of their job */
	int64_t old = number_of_job(t->ledger, node_find_text(p->status, "jobStatus/jobId"));
	if (t->in->seen->jm_launch > 0)
		return t->in->seen->jm_launch;
	return old > 0 ? old + ROOM : p->first ? 1 : 2;
}

/* What was there before: the ledger's live launch, and the version that the peer would go back to. */
static void adopt_past(struct turn *t, struct peer_view *p, enum plight plight)
{
	struct ledger *l = t->ledger;
	struct ledger_launch *live = ledger_live(l);
	if (live != NULL) {
		live->ended_at = t->in->now_ms;
		LEDGER_SET(live->outcome, "replaced");
	}
	l->op = (struct ledger_op){ 0 };
	l->snapshot = (struct ledger_snapshot){ 0 };
	l->had_checkpoint = t->subject != SUBJECT_SESSION;
	int64_t least = least_number(t, p);
	if (l->next_launch < least)
		l->next_launch = least;
	const char *newest;
	(void)peer_state(p, &newest);
	if (newest != NULL)
		ledger_note_state(l, newest, t->in->now_ms);
	if (p->back) {
		ledger_add_quarantine(l, p->digest, p->same ? t->in->commit : "", "the other operator rolled it back", t->in->now_ms);
		ledger_spend(l->spent_retry, decide_annotation(t->in->resource, "weir.dev/retry"));
	}
	if (plight == PLIGHT_RUNS_BACK) {
		(void)add_launch(t, p->doc, p->spec, p->digest, "failed");
	} else if (p->stable != NULL && !peer_stable(p)) {
		struct ledger_launch *stable = add_launch(t, p->stable_doc, p->stable, p->stable_digest, "replaced");
		stable->running_at = stable->stable_at = t->in->now_ms;
	}
}

bool takeover_adopt(struct turn *t)
{
	struct ledger *l = t->ledger;
	const char *text = node_find_text(t->in->resource, "status/reconciliationStatus/lastReconciledSpec");
	bool asked = adoption_asked(t);
	bool managed = l->launch_count == 0 && str_eq(decide_annotation(t->in->resource, "weir.dev/managed"), "true");
	if (!asked && (!managed || text == NULL || t->deleting))
		return true;
	struct peer_view p = { 0 };
	const char *why = "the Kubernetes API did not show the cluster that is to be adopted";
	enum plight found = PLIGHT_UNCLEAR;
	bool unread = text != NULL && !peer_open(&p, t, text);
	bool adopt =
		text != NULL && !t->deleting && (unread || l->launch_count == 0 || (t->subject != SUBJECT_SESSION && tells_news(t, &p)));
	if (unread)
		why = "status.reconciliationStatus.lastReconciledSpec cannot be read: the resource cannot be adopted";
	else if (adopt && !cluster_unseen(t))
		found = plight(t, &p, &why);
	bool over = !adopt || found != PLIGHT_UNCLEAR;
	if (asked && over) {
		ledger_spend(l->spent_adopt, decide_annotation(t->in->resource, "weir.dev/adopt"));
		l->foreign[0] = '\0';
	}
	t->theirs = adopt && found != PLIGHT_NEVER;
	if (adopt && !over)
		wait_for(t, why);
	if (adopt && over && found != PLIGHT_NEVER) {
		adopt_past(t, &p, found);
		if (found == PLIGHT_STOPPED)
			adopt_stopped(t, &p);
		else
			adopt_running(t, &p, found == PLIGHT_RUNS_BACK);
		decision_event(t->out, false, "Adopted", "Weir manages this resource from now on; its job goes on as it is.");
	}
	peer_close(&p);
	return !adopt || found == PLIGHT_NEVER;
}
