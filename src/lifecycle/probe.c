/* An old state is looked for before anything relies on it: by a pod, where no configured store reaches it. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/internal.h"

enum {
	PROBE_MAX_MS = 200000, /* a pod that has not answered by then will not */
	ANSWER_MS = 600000,    /* an answer counts for so long */
};

static void answer(struct turn *t, enum seen what, const char *why)
{
	struct ledger_probe *p = &t->ledger->probe;
	p->answer = what;
	p->answered_at = t->in->now_ms;
	LEDGER_SET(p->why, why);
	if (p->question == PROBE_CLEAN)
		ledger_cleaned(t->ledger, what == SEEN_UNKNOWN ? why : NULL, false);
	else
		decision_reason(t->out, "the probe pod says of %.90s: %s", p->path,
				what == SEEN_PRESENT  ? "it exists"
				: what == SEEN_ABSENT ? "it does not exist"
						      : why);
}

static bool is_open(const struct ledger_probe *p)
{
	return p->question != PROBE_NONE && p->answered_at == 0;
}

void probe_note(struct turn *t)
{
	struct ledger_probe *p = &t->ledger->probe;
	const struct observation *s = t->in->seen;
	if (!is_open(p))
		return;
	if (s->probe_done)
		answer(t, s->probe_answer, s->probe_why);
	else if (t->in->now_ms - p->asked_at > PROBE_MAX_MS)
		answer(t, SEEN_UNKNOWN, "the pod did not answer in time");
}

void probe_step(struct turn *t)
{
	const struct ledger_probe *p = &t->ledger->probe;
	if (t->out->effect != EFFECT_NONE || t->ledger->op.kind != OP_NONE)
		return;
	if (p->pod[0] != '\0' && !is_open(p))
		t->out->effect = EFFECT_END_PROBE;
	else if (is_open(p) && t->out->next_ms > t->in->policy->poll_ms * 2)
		t->out->next_ms = t->in->policy->poll_ms * 2;
}

static void absent(struct turn *t, const char *path)
{
	char why[200];
	(void)snprintf(why, sizeof why, "StateChoiceRequired: %.90s does not exist any more; set weir.dev/restore-from: path:<uri>", path);
	wait_for(t, why);
}

static void ask(struct turn *t, const char *path)
{
	struct ledger_probe *p = &t->ledger->probe;
	bool same = p->question == PROBE_LOOK && strcmp(p->path, path) == 0;
	if (!is_open(p) && p->pod[0] == '\0') {
		*p = (struct ledger_probe){ .question = PROBE_LOOK, .asked_at = t->in->now_ms };
		LEDGER_SET(p->path, path);
		same = true;
	}
	if (same && is_open(p) && p->pod[0] == '\0')
		t->out->effect = EFFECT_PROBE;
}

bool state_unusable(struct turn *t, const char *path, bool old)
{
	const struct ledger_probe *p = &t->ledger->probe;
	const struct observation *s = t->in->seen;
	LEDGER_SET(t->out->relies_on, path);
	t->out->relies_on_old = old;
	if (*path != '\0' && strcmp(path, s->absent_path) == 0) {
		absent(t, path);
		return true;
	}
	bool off = str_eq(decide_annotation(t->in->resource, "weir.dev/preflight"), "off");
	if (!old || off || *path == '\0' || strcmp(path, s->unproven_path) != 0)
		return false;
	bool answered = p->question == PROBE_LOOK && strcmp(p->path, path) == 0 && p->answered_at != 0;
	if (answered && t->in->now_ms - p->answered_at <= ANSWER_MS) {
		if (p->answer == SEEN_ABSENT)
			absent(t, path);
		return p->answer == SEEN_ABSENT;
	}
	char why[200];
	(void)snprintf(why, sizeof why, "a pod looks whether %.120s still exists", path);
	wait_for(t, why);
	ask(t, path);
	return true;
}
