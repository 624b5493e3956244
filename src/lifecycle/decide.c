#include "lifecycle/decide.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "lifecycle/internal.h"

enum { HASTE_MS = 50, HURRY_MS = 300000, SLOW_MS = 5000 };

static const char *const job_state_names[JOB_STATE_COUNT] = {
	[JOB_NONE] = "",
	[JOB_INITIALIZING] = "INITIALIZING",
	[JOB_CREATED] = "CREATED",
	[JOB_RUNNING] = "RUNNING",
	[JOB_FAILING] = "FAILING",
	[JOB_FAILED] = "FAILED",
	[JOB_CANCELLING] = "CANCELLING",
	[JOB_CANCELED] = "CANCELED",
	[JOB_FINISHED] = "FINISHED",
	[JOB_RESTARTING] = "RESTARTING",
	[JOB_SUSPENDED] = "SUSPENDED",
	[JOB_RECONCILING] = "RECONCILING",
};

const char *job_state_name(enum job_state state)
{
	return state < JOB_STATE_COUNT ? job_state_names[state] : "";
}

enum job_state job_state_of(const char *name)
{
	for (int i = JOB_INITIALIZING; i < JOB_STATE_COUNT; i++)
		if (str_eq(name, job_state_names[i]))
			return (enum job_state)i;
	return JOB_RECONCILING;
}

bool job_state_terminal(enum job_state state)
{
	return state == JOB_FAILED || state == JOB_CANCELED || state == JOB_FINISHED;
}

const char *effect_name(enum effect effect)
{
	static const char *const names[] = {
#define EFFECT(id, name, text) [EFFECT_##id] = name,
#include "lifecycle/effects.def"
#undef EFFECT
	};
	return effect < EFFECT_COUNT ? names[effect] : "?";
}

struct policy policy_default(void)
{
	return (struct policy){ .stable_checkpoints = 2,
				.stable_after_ms = 10000,
				.start_deadline_ms = 300000,
				.crash_restarts = 2,
				.job_restarts = 5,
				.savepoint_timeout_ms = 600000,
				.snapshot_wait_ms = 120000,
				.delete_deadline_ms = 600000,
				.interval_ms = 15000,
				.poll_ms = 500 };
}

void job_id_of(const char *uid, int64_t launch, char out[33])
{
	AUTOBUF b = BUF_INIT;
	buf_printf(&b, "%s/%lld", uid, (long long)launch);
	char hex[65];
	sha256_hex(buf_text(&b), b.len, hex);
	memcpy(out, hex, 32);
	out[32] = '\0';
}

void decision_reason(struct decision *d, const char *format, ...)
{
	if (d->reason_count == DECISION_REASONS)
		return;
	va_list args;
	va_start(args, format);
	(void)vsnprintf(d->reasons[d->reason_count++], sizeof d->reasons[0], format, args);
	va_end(args);
}

void decision_event(struct decision *d, bool warning, const char *reason, const char *format, ...)
{
	if (d->event_count == DECISION_EVENTS)
		return;
	struct decision_event *e = &d->events[d->event_count++];
	e->warning = warning;
	(void)snprintf(e->reason, sizeof e->reason, "%s", reason);
	va_list args;
	va_start(args, format);
	(void)vsnprintf(e->message, sizeof e->message, format, args);
	va_end(args);
}

void decision_free(struct decision *d)
{
	ledger_free(&d->ledger);
	doc_free(d->status);
	d->status = NULL;
}

const char *decide_annotation(const struct node *resource, const char *name)
{
	return node_text(node_get(node_find(resource, "metadata/annotations"), name));
}

void turn_op(struct turn *t, enum op_kind kind, const char *reason)
{
	const struct ledger_launch *live = ledger_live(t->ledger);
	struct ledger_op op = { .kind = kind, .attempt = 1, .started_at = t->in->now_ms, .launch = live == NULL ? 0 : live->number };
	LEDGER_SET(op.reason, reason);
	LEDGER_SET(op.leader, t->in->leader);
	t->ledger->op = op;
}

static void read_spec(struct turn *t)
{
	const char *mode = node_find_text(t->spec, "job/upgradeMode");
	t->mode_given = mode != NULL;
	t->mode = str_eq(mode, "savepoint") ? MODE_SAVEPOINT : str_eq(mode, "last-state") ? MODE_LAST_STATE : MODE_STATELESS;
	/* An absent upgradeMode is the peer's `stateless`, which here is no consent to lose state that exists. */
	if (!t->mode_given && t->in->policy->peer_defaults)
		t->mode_given = true;
	else if (!t->mode_given && t->ledger->had_checkpoint)
		t->mode = MODE_SAVEPOINT;
}

static void choose_target(struct turn *t)
{
	struct ledger *l = t->ledger;
	const char *retry = decide_annotation(t->in->resource, "weir.dev/retry");
	if (retry != NULL && !ledger_spent(l->spent_retry, retry) && ledger_quarantined(l, t->in->digest) != NULL) {
		ledger_spend(l->spent_retry, retry);
		ledger_drop_quarantine(l, t->in->digest);
		decision_reason(t->out, "weir.dev/retry: %s lifts the quarantine of this content", retry);
	}
	t->target = TARGET_SPEC;
	t->target_digest = t->in->digest;
	const struct ledger_launch *stable = ledger_stable(l);
	const struct ledger_quarantine *q = ledger_quarantined(l, t->in->digest);
	if (q != NULL || t->in->invalid != NULL) {
		if (t->in->invalid != NULL)
			decision_reason(t->out, "the spec is not valid: %s", t->in->invalid);
		else
			decision_reason(t->out, "content %.12s is quarantined: %s", q->digest, q->reason);
		const struct ledger_launch *live = ledger_live(l);
		if (t->in->invalid != NULL && live != NULL) { /* its last valid version goes on */
			t->target = TARGET_STABLE;
			t->target_digest = live->digest;
		} else {
			t->target = stable == NULL ? TARGET_NOTHING : TARGET_STABLE;
			t->target_digest = stable == NULL ? NULL : stable->digest;
		}
	}
	if (t->deleting || str_eq(node_find_text(t->spec, "job/state"), "suspended"))
		t->target = TARGET_NOTHING;
}

/* A resource of the same name, created anew: what ran before it is history, its state waits for a choice. */
static void note_recreation(struct turn *t)
{
	struct ledger *l = t->ledger;
	const char *uid = node_text_or(node_find(t->in->resource, "metadata/uid"), "");
	if (strcmp(l->uid, uid) == 0)
		return;
	bool reborn = l->uid[0] != '\0';
	struct ledger_launch *live = ledger_live(l);
	if (live != NULL && t->in->seen->jm == SEEN_UNKNOWN)
		return;
	if (live != NULL) {
		(void)told_checkpoint(t);
		if (t->in->config->checkpointing && !proven_no_checkpoint(t))
			l->had_checkpoint = 1; /* nobody saw how it ended */
		live->ended_at = t->in->now_ms;
		LEDGER_SET(live->outcome, "stopped");
	}
	LEDGER_SET(l->uid, uid);
	if (reborn) {
		l->op = (struct ledger_op){ 0 };
		l->next = (struct ledger_restore){ .kind = RESTORE_UNDECIDED };
		l->delete_asked_at = 0;
		if (l->launch_count > 0 && decide_annotation(t->in->resource, "weir.dev/moved-from") != NULL)
			l->had_checkpoint = 1; /* two histories: the one that it moved from is not taken over, and a person decides */
		decision_reason(t->out, "the resource was created anew; its ledger knows of earlier launches");
	}
}

static void finish_deletion(struct turn *t)
{
	if (t->subject == SUBJECT_SESSION_JOB && t->ledger->launch_count > 0 && t->in->seen->jm == SEEN_UNKNOWN)
		t->out->effect = EFFECT_REMOVE_FINALIZER; /* its last launch has ended */
	if (cluster_unseen(t))
		return;
	if (t->subject == SUBJECT_SESSION && t->in->session->job_count > 0) {
		wait_for(t, "FlinkSessionJobs still name this session cluster");
		return;
	}
	const struct ledger_restore *next = &t->ledger->next;
	bool only_there = next->kind == RESTORE_HA && next->path[0] == '\0' && t->in->seen->ha_checkpoint;
	if (place_taken(t)) {
		turn_op(t, OP_REMOVE, "delete");
		t->ledger->op.keep_ha = only_there;
		return;
	}
	if (t->in->seen->ha == SEEN_PRESENT && !only_there) {
		t->out->effect = EFFECT_DELETE_HA;
		return;
	}
	if (only_there)
		decision_event(t->out, true, "StateKept", "The HA metadata stay: they alone know the newest checkpoint.");
	if (t->subject != SUBJECT_SESSION_JOB && clean_holds_deletion(t))
		return;
	t->out->effect = EFFECT_REMOVE_FINALIZER;
	decision_reason(t->out, "everything is gone, the ledger is kept");
}

const char *subject_finalizer(enum subject subject)
{
	return subject == SUBJECT_SESSION_JOB ? "flinksessionjobs.flink.apache.org/finalizer"
					      : "flinkdeployments.flink.apache.org/finalizer";
}

bool subject_held(const struct node *resource, enum subject subject)
{
	const struct node *list = node_find(resource, "metadata/finalizers");
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_at(list, i)), subject_finalizer(subject)))
			return true;
	return false;
}

static bool restart_asked(const struct turn *t)
{
	const char *asked = decide_annotation(t->in->resource, "weir.dev/restart");
	return asked != NULL && !ledger_spent(t->ledger->spent_restart, asked);
}

/* A submission that was refused, with no other version to go back to, is tried again, but not at once. */
static bool refusal_waited(const struct turn *t, const struct ledger_launch *live)
{
	return t->in->now_ms - live->submitted_at > t->in->policy->start_deadline_ms;
}

/* No operation is open: does what should run, run? live is NULL if nothing does. */
static void decide_live(struct turn *t, const struct ledger_launch *live)
{
	if (t->deleting) {
		if (live != NULL)
			stop_begin(t, "delete");
		else
			finish_deletion(t);
		return;
	}
	if (t->subject == SUBJECT_SESSION_JOB && live != NULL && t->in->session->draining) {
		decision_reason(t->out, "the session cluster goes down: its jobs stop with their state first");
		stop_begin(t, "cluster");
		return;
	}
	if (t->target == TARGET_NOTHING) {
		if (live != NULL && str_eq(node_find_text(t->spec, "job/state"), "suspended"))
			stop_begin(t, "suspend");
		else if (live != NULL)
			watch_launch(t);
		return;
	}
	if (live == NULL) {
		launch_begin(t);
	} else if (strcmp(live->digest, t->target_digest) != 0) {
		decision_reason(t->out, "the content changed from %.12s to %.12s", live->digest, t->target_digest);
		if (!adjust_begin(t))
			stop_begin(t, t->target == TARGET_STABLE ? "rollback" : "upgrade");
	} else if (restart_asked(t)) {
		decision_reason(t->out, "weir.dev/restart asks for a restart");
		stop_begin(t, "restart");
	} else {
		watch_launch(t);
	}
}

static void decide_action(struct turn *t)
{
	struct ledger *l = t->ledger;
	switch ((enum op_kind)l->op.kind) {
	case OP_STOP:
		stop_continue(t);
		return;
	case OP_REMOVE:
		remove_continue(t);
		return;
	case OP_LAUNCH:
		launch_continue(t);
		return;
	case OP_ADJUST:
		adjust_continue(t);
		return;
	case OP_DRAIN:
		drain_continue(t);
		return;
	case OP_NONE:
		break;
	}
	const struct ledger_launch *live = ledger_live(l);
	if (live != NULL && t->in->seen->jm == SEEN_ABSENT && !cluster_unseen(t)) {
		if (live->refused[0] != '\0' && !refusal_waited(t, live))
			decide_live(t, live);
		else if (t->subject != SUBJECT_SESSION_JOB || live->refused[0] != '\0' || session_job_lost(t))
			recover_lost_jobmanager(t);
		return;
	}
	if (t->subject == SUBJECT_SESSION_JOB)
		l->missing_at = 0;
	decide_live(t, live);
}

static void note_change(struct turn *t)
{
	t->out->ledger_changed = !ledger_equal(t->in->ledger, &t->out->ledger);
}

/* Nothing is done; the status gets no more than a condition, since it is another one's. */
static void foreign_controller(struct turn *t)
{
	char why[200];
	(void)snprintf(why, sizeof why, "ForeignController: %.60s wrote this status; `weir adopt` takes the resource over",
		       t->ledger->foreign[0] == '\0' ? "another controller" : t->ledger->foreign);
	decision_reason(t->out, "%s", why);
	status_foreign(t, why + strlen("ForeignController: "));
}

void decide(const struct decide_input *in, struct decision *out)
{
	*out = (struct decision){ .effect = EFFECT_NONE, .next_ms = in->policy->interval_ms };
	ledger_copy(&out->ledger, in->ledger);
	struct turn t = { .in = in, .subject = in->subject, .out = out, .ledger = &out->ledger, .spec = node_get(in->resource, "spec") };
	t.deleting = node_find(in->resource, "metadata/deletionTimestamp") != NULL;
	out->ledger.stuck[0] = '\0';

	if (!takeover_allowed(&t)) {
		foreign_controller(&t);
		note_change(&t);
		return;
	}
	if (!t.deleting && !subject_held(in->resource, in->subject)) {
		out->effect = EFFECT_ADD_FINALIZER;
		out->next_ms = 0;
		return;
	}
	if (t.deleting && !subject_held(in->resource, in->subject))
		return;
	note_recreation(&t);
	if (t.deleting && out->ledger.delete_asked_at == 0 && ledger_live(&out->ledger) != NULL)
		out->ledger.delete_asked_at = in->now_ms; /* whatever is under way: a deletion does not wait for ever */
	read_spec(&t);
	rollback_by_hand(&t);
	choose_target(&t);
	probe_note(&t);
	clean_note(&t);
	if (takeover_move(&t) && takeover_adopt(&t))
		decide_action(&t);
	snapshot_step(&t);
	clean_step(&t);
	probe_step(&t);
	status_build(&t);

	note_change(&t);
	bool fresh = out->ledger.op.kind != OP_NONE && in->now_ms - out->ledger.op.started_at < HURRY_MS;
	if (out->ledger_changed || out->effect != EFFECT_NONE || fresh)
		out->next_ms = in->policy->poll_ms;
	else if (out->ledger.op.kind != OP_NONE && out->next_ms > SLOW_MS)
		out->next_ms = SLOW_MS; /* an operation that hangs: events wake it, too */
	if (out->ledger.op.kind == OP_STOP && in->config->self_deleting)
		out->next_ms = HASTE_MS; /* the result can be had for a moment only */
}
