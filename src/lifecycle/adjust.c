/* A change that the running job takes without a new cluster: another parallelism, another Ingress. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/change.h"
#include "lifecycle/internal.h"

enum { ADJUST_ATTEMPTS = 3, ADJUST_PATIENCE_MS = 60000 };

static enum change_class change_of(const struct turn *t, struct buf *words)
{
	const struct ledger_launch *live = ledger_live(t->ledger);
	AUTODOC *from = live->spec == NULL ? NULL : doc_parse_json(live->spec, strlen(live->spec), "launched spec", NULL, NULL);
	if (from == NULL)
		return CHANGE_CLASS_RESTART;
	bool standalone = str_eq(node_text(node_get(t->spec, "mode")), "standalone");
	return change_between(doc_root(from), t->spec, standalone, words);
}

static bool possible(const struct turn *t, enum change_class class)
{
	const struct observation *s = t->in->seen;
	if (t->target != TARGET_SPEC || t->subject != SUBJECT_APPLICATION || t->deleting || cluster_unseen(t))
		return false;
	if (class == CHANGE_CLASS_RESCALE)
		return t->in->config->rescalable && s->rest == SEEN_PRESENT && s->job == JOB_RUNNING;
	return class == CHANGE_CLASS_IN_PLACE;
}

static void adjust(struct turn *t)
{
	struct ledger_op *op = &t->ledger->op;
	LEDGER_SET(op->digest, t->target_digest);
	op->settled_at = 0;
	t->out->effect = EFFECT_ADJUST;
}

bool adjust_begin(struct turn *t)
{
	AUTOBUF words = BUF_INIT;
	enum change_class class = change_of(t, &words);
	if (t->target == TARGET_SPEC && words.len > 0)
		decision_reason(t->out, "%s", buf_text(&words));
	if (!possible(t, class))
		return false;
	turn_op(t, OP_ADJUST, class == CHANGE_CLASS_RESCALE ? "rescale" : "in-place");
	decision_event(t->out, false, "SpecChanged", "Changed in place: %s.", buf_text(&words));
	adjust(t);
	return true;
}

/* The version that runs now is another one: an entry of its own, so that a rollback still finds the one before. */
static void adjusted(struct turn *t)
{
	struct ledger *l = t->ledger;
	struct ledger_launch *live = ledger_live(l);
	struct ledger_launch fresh = { .generation = node_integer(node_find(t->in->resource, "metadata/generation"), 0),
				       .made_by = live->made_by != 0 ? live->made_by : live->number,
				       .restore = live->restore,
				       .submitted_at = live->submitted_at,
				       .running_at = t->in->now_ms,
				       .checkpoints = 0,
				       .failed_before = t->in->seen->checkpoints_failed,
				       .restarts_before = t->in->seen->job_restarts < 0 ? 0 : t->in->seen->job_restarts };
	LEDGER_SET(fresh.job_id, live->job_id);
	LEDGER_SET(fresh.digest, l->op.digest);
	LEDGER_SET(fresh.commit, t->in->commit);
	struct buf text = BUF_INIT;
	node_to_json(t->spec, &text, JSON_COMPACT);
	fresh.spec = buf_take(&text);
	live->ended_at = t->in->now_ms;
	LEDGER_SET(live->outcome, "adjusted");
	struct ledger_launch *launch = ledger_add_launch(l);
	fresh.number = launch->number;
	*launch = fresh;
	l->op = (struct ledger_op){ 0 };
}

void adjust_continue(struct turn *t)
{
	struct ledger *l = t->ledger;
	struct ledger_launch *live = ledger_live(l);
	const struct observation *s = t->in->seen;
	bool same = live != NULL && t->target == TARGET_SPEC && !t->deleting && strcmp(l->op.digest, t->target_digest) == 0;
	if (same && l->op.settled_at != 0) {
		adjusted(t); /* whatever the job does now that it is rescaled is the new version's */
		return;
	}
	bool blind = cluster_unseen(t) || s->rest != SEEN_PRESENT || s->job != JOB_RUNNING;
	if (same && blind && t->in->now_ms - l->op.started_at < ADJUST_PATIENCE_MS) {
		wait_for(t, "waiting for the job to run again, to see whether it took the change");
		return;
	}
	if (live == NULL || t->target_digest == NULL || !possible(t, change_of(t, NULL))) {
		bool back = live != NULL && t->target_digest != NULL && strcmp(live->digest, t->target_digest) == 0;
		decision_reason(t->out, "the change cannot be made in place any more");
		l->op = (struct ledger_op){ 0 };
		if (back) /* it may have been half made: the job is brought back to what the ledger says of it by a restart */
			stop_begin(t, "restart");
		return;
	}
	if (same && ++l->op.attempt > ADJUST_ATTEMPTS) {
		decision_reason(t->out, "Flink does not take the change in place: it is made by a restart");
		l->op = (struct ledger_op){ 0 };
		stop_begin(t, "upgrade");
		return;
	}
	adjust(t);
}
