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
		wait_stuck(t, "StateChoiceRequired: weir.dev/moved-from: no ledger knows %.60s; correct it, or set weir.dev/restore-from", from);
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
	const char *path = move->ledger->next.path[0] != '\0' ? move->ledger->next.path
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

static void drop_nulls(struct node *n)
{
	for (size_t i = node_count(n); i-- > 0;) {
		struct node *value = node_is(n, NODE_MAP) ? node_value_at(n, i) : node_at(n, i);
		drop_nulls(value);
		if (node_is(n, NODE_MAP) && node_is(value, NODE_NULL))
			node_remove_at(n, i);
	}
}

/* Its spec in the peer's full form, so that two texts of the same content compare equal whatever defaults they spell out. */
static struct doc *full_form(const struct node *spec)
{
	AUTOBUF text = BUF_INIT;
	spec_last_reconciled(spec, "running", "stateless", false, &text);
	return doc_parse_json(buf_text(&text), text.len, "spec", NULL, NULL);
}

static bool same_content(const struct node *a, const struct node *b)
{
	AUTODOC *x = full_form(a);
	AUTODOC *y = full_form(b);
	return x != NULL && y != NULL && node_equal(doc_root(x), doc_root(y));
}

static char *json_of(const struct node *n)
{
	struct buf text = BUF_INIT;
	node_to_json(n, &text, JSON_COMPACT);
	return buf_take(&text);
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

/* Does the status tell of something else than the ledger? */
static bool tells_news(const struct turn *t, const struct node *status)
{
	const struct ledger *l = t->ledger;
	if (l->launch_count == 0)
		return adoption_asked(t) || str_eq(decide_annotation(t->in->resource, "weir.dev/managed"), "true");
	return adoption_asked(t) && t->subject != SUBJECT_SESSION &&
	       !str_eq(node_find_text(status, "jobStatus/jobId"), l->launches[l->launch_count - 1].job_id);
}

bool takeover_adopt(struct turn *t)
{
	struct ledger *l = t->ledger;
	const struct node *status = node_get(t->in->resource, "status");
	const char *text = node_find_text(status, "reconciliationStatus/lastReconciledSpec");
	bool adopt = text != NULL && !t->deleting && tells_news(t, status);
	if (adoption_asked(t) && (!adopt || !cluster_unseen(t))) {
		ledger_spend(l->spent_adopt, decide_annotation(t->in->resource, "weir.dev/adopt"));
		l->foreign[0] = '\0';
	}
	if (!adopt)
		return true;
	if (cluster_unseen(t)) {
		wait_for(t, "the Kubernetes API did not show the cluster that is to be adopted");
		return false;
	}
	AUTODOC *doc = doc_parse_json(text, strlen(text), "status.reconciliationStatus.lastReconciledSpec", NULL, NULL);
	struct node *spec = doc == NULL ? NULL : node_get(doc_root(doc), "spec");
	if (spec == NULL) {
		wait_for(t, "status.reconciliationStatus.lastReconciledSpec cannot be read: the resource cannot be adopted");
		return false;
	}
	bool suspended = str_eq(node_find_text(spec, "job/state"), "suspended");
	const char *stable = node_find_text(status, "reconciliationStatus/lastStableSpec");
	struct ledger_launch launch = { .submitted_at = node_integer(node_find(status, "reconciliationStatus/reconciliationTimestamp"), 0),
					.generation = node_integer(node_get(status, "observedGeneration"), 0) };
	if (launch.submitted_at == 0)
		launch.submitted_at = t->in->now_ms;
	LEDGER_SET(launch.job_id, node_find_text(status, "jobStatus/jobId"));
	drop_nulls(spec);
	if (same_content(spec, t->spec)) {
		LEDGER_SET(launch.digest, t->in->digest);
		launch.spec = json_of(t->spec);
	} else {
		spec_digest(spec, NULL, launch.digest);
		launch.spec = json_of(spec);
	}
	const char *path = node_find_text(status, "jobStatus/upgradeSavepointPath");
	if (path == NULL || strchr(path, '/') == NULL)
		path = node_find_text(status, "jobStatus/savepointInfo/lastSavepoint/location");
	if (path != NULL && strlen(path) < LEDGER_PATH)
		ledger_note_state(l, path, t->in->now_ms);
	l->had_checkpoint = t->subject != SUBJECT_SESSION;
	struct ledger_launch *live = ledger_live(l);
	if (live != NULL) {
		live->ended_at = t->in->now_ms;
		LEDGER_SET(live->outcome, "replaced");
	}
	l->op = (struct ledger_op){ 0 };
	struct ledger_launch *added = ledger_add_launch(l);
	launch.number = added->number;
	if (suspended) {
		launch.ended_at = t->in->now_ms;
		LEDGER_SET(launch.outcome, "stopped");
		bool last_state = str_eq(node_find_text(spec, "job/upgradeMode"), "last-state");
		l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
		if (t->in->seen->ha_checkpoint)
			l->next.kind = RESTORE_HA; /* it is gone once a savepoint was taken: newer than any path in the status */
		else if (!last_state && l->newest.path[0] != '\0')
			l->next = l->newest;
	} else if (stable != NULL && strcmp(stable, text) == 0) {
		launch.running_at = launch.stable_at = t->in->now_ms;
	}
	*added = launch;
	decision_reason(t->out, "adopted: launch %lld is job %s as the status tells", (long long)launch.number, launch.job_id);
	decision_event(t->out, false, "Adopted", "Weir manages this resource from now on; its job goes on as it is.");
	if (!suspended)
		adopt_cluster(t);
	return false;
}
