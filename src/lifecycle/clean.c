/*
 * What launches leave in HA storage: each its JobResultStore, and all of a cluster one directory of job graphs, pointers to checkpoints and
 * blobs. Recorded while the launch lives, cleaned up when nothing can need it any more: one directory at a time, while nothing else is to
 * do.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/internal.h"

enum {
	RETRY_MS = 600000, /* doubled with each */
	DELETE_RETRY_MS = 10000,
	DELETE_MAX_MS = 120000, /* a deletion waits for all of it no longer */
};

static void forget_oldest(struct turn *t)
{
	struct ledger *l = t->ledger;
	decision_event(t->out, true, "CleanupFailed", "%s/%s is left where it is: too many directories wait to be cleaned up.",
		       l->litter[0].root, l->litter[0].name);
	memmove(&l->litter[0], &l->litter[1], (LEDGER_LITTER - 1) * sizeof l->litter[0]);
	l->litter_count--;
}

static void note(struct turn *t, enum litter_kind kind, int64_t launch, const char *name)
{
	struct ledger *l = t->ledger;
	for (int64_t i = 0; i < l->litter_count; i++) {
		struct ledger_litter *x = &l->litter[i];
		if (strcmp(x->root, t->in->config->ha_dir) != 0 || strcmp(x->name, name) != 0)
			continue;
		if (x->launch != launch) { /* in use again */
			x->launch = launch;
			x->attempts = x->tried_at = 0;
			x->why[0] = '\0';
		}
		return;
	}
	if (l->litter_count == LEDGER_LITTER)
		forget_oldest(t);
	struct ledger_litter *x = &l->litter[l->litter_count++];
	*x = (struct ledger_litter){ .kind = kind, .launch = launch };
	LEDGER_SET(x->root, t->in->config->ha_dir);
	LEDGER_SET(x->name, name);
}

void clean_note(struct turn *t)
{
	const struct ledger_launch *live = ledger_live(t->ledger);
	const struct ledger *before = t->in->ledger;
	const char *name = node_text_or(node_find(t->in->resource, "metadata/name"), "");
	/* the configuration is that of the launch which was live when the turn began */
	bool known = live != NULL && before->launch_count > 0 && before->launches[before->launch_count - 1].number == live->number;
	bool adopted = known && live->restore.kind == RESTORE_UNDECIDED; /* what it has is another operator's */
	if (!known || adopted || t->subject == SUBJECT_SESSION_JOB || t->in->config->ha_dir[0] == '\0' || *name == '\0' ||
	    strlen(name) > 63)
		return;
	if (t->subject == SUBJECT_APPLICATION) {
		char results[sizeof t->ledger->litter[0].name];
		(void)snprintf(results, sizeof results, "job-result-store/%.63s/%.32s-%lld", name, live->job_id,
			       (long long)(live->made_by != 0 ? live->made_by : live->number));
		note(t, LITTER_RESULTS, live->number, results);
	}
	note(t, LITTER_HA, live->number, name);
}

/* Nothing of the resource is left that could need it. */
static bool all_gone(const struct turn *t)
{
	const struct observation *s = t->in->seen;
	return t->deleting && ledger_live(t->ledger) == NULL && s->jm == SEEN_ABSENT && s->pods != SEEN_UNKNOWN &&
	       s->jm_pods + s->tm_pods == 0 && s->ha == SEEN_ABSENT;
}

static bool is_over(const struct turn *t, const struct ledger_litter *x)
{
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	bool stable = false, fresh = false;
	if (all_gone(t))
		return true;
	for (int64_t i = 0; i < l->launch_count; i++) {
		const struct ledger_launch *launch = &l->launches[i];
		stable |= launch->number > x->launch && launch->stable_at != 0;
		fresh |= launch->number > x->launch && launch->restore.kind != RESTORE_HA;
	}
	if (x->kind == LITTER_RESULTS)
		return stable;
	/* another storageDir, and metadata that began anew there: with the old metadata pointers into the old one go on */
	return live != NULL && live->stable_at != 0 && live->number > x->launch && fresh;
}

static bool is_due(const struct turn *t, const struct ledger_litter *x)
{
	int64_t wait = t->deleting ? DELETE_RETRY_MS : (int64_t)RETRY_MS << (x->attempts > 0 ? x->attempts - 1 : 0);
	return x->attempts < LEDGER_CLEANINGS && (x->attempts == 0 || t->in->now_ms - x->tried_at >= wait || x->tried_at > t->in->now_ms) &&
	       is_over(t, x);
}

/* The last attempt has failed: that is said once. */
static void give_up(struct turn *t)
{
	for (int64_t i = 0; i < t->ledger->litter_count; i++) {
		struct ledger_litter *x = &t->ledger->litter[i];
		if (x->attempts != LEDGER_CLEANINGS || t->ledger->cleaning == i + 1)
			continue;
		x->attempts++;
		decision_event(t->out, true, "CleanupFailed", "%s/%s is left where it is: %s", x->root, x->name,
			       x->why[0] == '\0' ? "the attempts did not end" : x->why);
	}
}

/* A pod is at work, or still to be deleted. */
static bool pod_at_work(const struct ledger *l)
{
	return l->probe.pod[0] != '\0' || (l->probe.question != PROBE_NONE && l->probe.answered_at == 0);
}

static bool begin(struct turn *t)
{
	struct ledger *l = t->ledger;
	for (int64_t i = 0; i < l->litter_count; i++) {
		struct ledger_litter *x = &l->litter[i];
		if (!is_due(t, x))
			continue;
		x->attempts++;
		x->tried_at = t->in->now_ms;
		l->cleaning = i + 1;
		t->out->effect = EFFECT_CLEAN;
		decision_reason(t->out, "%s/%s is used by nothing any more and is cleaned up", x->root, x->name);
		return true;
	}
	return false;
}

void clean_step(struct turn *t)
{
	struct ledger *l = t->ledger;
	if (!t->deleting)
		l->clean_until = 0;
	if (!pod_at_work(l) && t->out->effect != EFFECT_CLEAN)
		l->cleaning = 0; /* an attempt that was cut short */
	give_up(t);
	bool busy = l->op.kind != OP_NONE || l->snapshot.kind != SNAPSHOT_NONE || l->disposal.of != 0 || pod_at_work(l);
	if (!t->deleting && !busy && t->out->effect == EFFECT_NONE)
		(void)begin(t);
}

bool clean_holds_deletion(struct turn *t)
{
	struct ledger *l = t->ledger;
	bool waits = pod_at_work(l);
	if (l->litter_count == 0 && !waits)
		return false;
	if (l->clean_until == 0)
		l->clean_until = t->in->now_ms + DELETE_MAX_MS;
	if (t->in->now_ms >= l->clean_until || l->clean_until - t->in->now_ms > DELETE_MAX_MS || !all_gone(t))
		return false;
	for (int64_t i = 0; i < l->litter_count; i++)
		waits |= l->litter[i].attempts < LEDGER_CLEANINGS;
	if (!waits)
		return false;
	wait_for(t, "what the cluster left in its HA storage is cleaned up");
	if (!pod_at_work(l))
		(void)begin(t);
	return true;
}
