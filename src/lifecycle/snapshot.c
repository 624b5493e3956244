#include "lifecycle/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "lifecycle/internal.h"

const char *snapshot_kind_name(int64_t kind)
{
	return kind == SNAPSHOT_CHECKPOINT ? "CHECKPOINT" : "SAVEPOINT";
}

void snapshot_resource_name(const char *job, const struct ledger_record *r, char out[SNAPSHOT_NAME_MAX])
{
	const char *type = strcmp(r->type, "PERIODIC") == 0 ? "periodic" : strcmp(r->type, "UPGRADE") == 0 ? "upgrade" : "manual";
	(void)snprintf(out, SNAPSHOT_NAME_MAX, "%.200s-%s-%s-%lld", job, r->kind == SNAPSHOT_CHECKPOINT ? "checkpoint" : "savepoint", type,
		       (long long)r->at);
}

struct ledger_record *snapshot_note(struct turn *t, enum snapshot_kind kind, const char *path, const char *type, const char *format)
{
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	for (int64_t i = 0; i < l->record_count; i++)
		if (*path != '\0' && strcmp(l->records[i].path, path) == 0)
			return &l->records[i]; /* told twice */
	struct ledger_record *r = ledger_add_record(l, t->in->now_ms);
	r->kind = kind;
	r->launch = live == NULL ? 0 : live->number;
	LEDGER_SET(r->path, path);
	LEDGER_SET(r->type, type);
	LEDGER_SET(r->format, format);
	r->listed = t->in->config->snapshots.resources ? RECORD_TO_LIST : RECORD_UNLISTED;
	return r;
}

bool snapshot_of_stop(const struct ledger *l, const char *path)
{
	for (int64_t i = 0; i < l->record_count; i++)
		if (*path != '\0' && strcmp(l->records[i].path, path) == 0)
			return strcmp(l->records[i].type, "UPGRADE") == 0;
	return false;
}

static void soon(struct turn *t, int64_t ms)
{
	if (ms < t->out->next_ms)
		t->out->next_ms = ms < 0 ? 0 : ms;
}

static const char *error_reason(const struct ledger_snapshot *s)
{
	return s->kind == SNAPSHOT_CHECKPOINT ? "CheckpointError" : "SavepointError";
}

static const char *words(const struct ledger_snapshot *s)
{
	return s->kind == SNAPSHOT_CHECKPOINT ? "checkpoint" : "savepoint";
}

/* ---- what is asked for ---- */

static void nonce_text(const struct node *spec, const char *name, char out[24])
{
	ledger_set_text(out, 24, node_text(node_get(node_get(spec, "job"), name)));
}

/* The nonces that the first launch came with asked for nothing. */
static void learn_nonces(struct turn *t)
{
	struct ledger *l = t->ledger;
	const struct ledger_launch *live = ledger_live(l);
	if (strcmp(t->in->ledger->uid, l->uid) != 0)
		l->nonces_known = 0; /* the resource was created anew */
	if (l->nonces_known || live == NULL || live->spec == NULL)
		return;
	AUTODOC *doc = doc_parse_json(live->spec, strlen(live->spec), "launched spec", NULL, NULL);
	if (doc == NULL)
		return;
	nonce_text(doc_root(doc), "savepointTriggerNonce", l->savepoint_nonce);
	nonce_text(doc_root(doc), "checkpointTriggerNonce", l->checkpoint_nonce);
	l->nonces_known = 1;
}

static void problem(struct turn *t, const char *text)
{
	if (strcmp(t->in->ledger->snapshot_problem, text) != 0)
		decision_event(t->out, true, "SnapshotError", "%s", text);
	LEDGER_SET(t->ledger->snapshot_problem, text);
}

/* Can a snapshot of that kind be made at all? */
static bool possible(struct turn *t, enum snapshot_kind kind)
{
	if (kind == SNAPSHOT_SAVEPOINT && t->in->config->savepoint_dir[0] == '\0') {
		problem(t, "a savepoint is asked for, but no savepoint directory is configured (execution.checkpointing.savepoint-dir)");
		return false;
	}
	if (kind == SNAPSHOT_CHECKPOINT && !t->in->config->snapshots.can_checkpoint) {
		problem(t, "a checkpoint is asked for, but this Flink can only be asked from version 1.17 on");
		return false;
	}
	return true;
}

/* Has the next time of a period after *from passed? A period that was not there before begins now. */
static bool period_due(struct turn *t, const struct snapshot_period *period, int64_t *from)
{
	int64_t next, now = t->in->now_ms;
	struct schedule schedule;
	if (period->every_ms <= 0 && period->cron[0] == '\0') {
		*from = 0;
		return false;
	}
	if (*from == 0 || *from > now) /* a clock that was set back must not silence it */
		*from = now;
	if (period->every_ms > 0) {
		next = *from + period->every_ms;
	} else if (!schedule_parse(period->cron, &schedule, NULL) || !schedule_next(&schedule, *from, &next)) {
		return false;
	}
	if (next > now) {
		soon(t, next - now);
		return false;
	}
	return true;
}

static void attempt(struct turn *t)
{
	struct ledger_snapshot *s = &t->ledger->snapshot;
	const char *base = t->in->config->savepoint_dir;
	s->attempt++;
	s->started_at = t->in->now_ms;
	s->retry_at = 0;
	s->refused[0] = '\0';
	LEDGER_SET(s->leader, t->in->leader);
	LEDGER_SET(s->trigger, t->in->config->snapshots.own_trigger ? t->in->fresh_id : "");
	s->dir[0] = '\0';
	if (s->kind == SNAPSHOT_SAVEPOINT) /* never one that a stop could take for its own */
		(void)snprintf(s->dir, sizeof s->dir, "%s%sweir-snapshot-%lld-%.12s", base, str_ends(base, "/") ? "" : "/",
			       (long long)s->launch, t->in->fresh_id);
	t->out->effect = s->kind == SNAPSHOT_SAVEPOINT ? EFFECT_TRIGGER_SAVEPOINT : EFFECT_TRIGGER_CHECKPOINT;
	decision_reason(t->out, "%s (%s)%s%s, attempt %lld", words(s), s->type, s->dir[0] == '\0' ? "" : " into ", s->dir,
			(long long)s->attempt);
	soon(t, t->in->policy->poll_ms);
}

static void begin(struct turn *t, enum snapshot_kind kind, const char *type, const char *nonce, const char *choice)
{
	const struct snapshot_config *c = &t->in->config->snapshots;
	struct ledger_snapshot *s = &t->ledger->snapshot;
	*s = (struct ledger_snapshot){ .kind = kind, .launch = ledger_live(t->ledger)->number, .asked_at = t->in->now_ms };
	LEDGER_SET(s->type, type);
	LEDGER_SET(s->nonce, nonce);
	LEDGER_SET(s->choice, choice);
	LEDGER_SET(s->format, kind == SNAPSHOT_SAVEPOINT ? c->savepoint_format : c->checkpoint_type);
	attempt(t);
}

static void request_nonce(struct turn *t, enum snapshot_kind kind)
{
	char *handled = kind == SNAPSHOT_SAVEPOINT ? t->ledger->savepoint_nonce : t->ledger->checkpoint_nonce;
	char wanted[24];
	nonce_text(t->spec, kind == SNAPSHOT_SAVEPOINT ? "savepointTriggerNonce" : "checkpointTriggerNonce", wanted);
	if (wanted[0] != '\0' && strcmp(wanted, handled) != 0 && possible(t, kind))
		begin(t, kind, "MANUAL", wanted, "");
}

static void request_annotation(struct turn *t)
{
	const char *choice = decide_annotation(t->in->resource, "weir.dev/savepoint");
	char digest[65];
	if (choice == NULL || *choice == '\0')
		return;
	sha256_hex(choice, strlen(choice), digest);
	if (strcmp(digest, t->ledger->spent_savepoint) != 0 && possible(t, SNAPSHOT_SAVEPOINT))
		begin(t, SNAPSHOT_SAVEPOINT, "MANUAL", "", digest);
}

static void request_period(struct turn *t, enum snapshot_kind kind)
{
	const struct snapshot_config *c = &t->in->config->snapshots;
	int64_t *from = kind == SNAPSHOT_SAVEPOINT ? &t->ledger->savepoint_due_from : &t->ledger->checkpoint_due_from;
	if (!period_due(t, kind == SNAPSHOT_SAVEPOINT ? &c->savepoint : &c->checkpoint, from) || !possible(t, kind))
		return;
	*from = t->in->now_ms; /* however long it was due: one, and the next is counted from now */
	begin(t, kind, "PERIODIC", "", "");
}

/* The first of what is asked for begins. */
static void request(struct turn *t)
{
	const struct ledger_snapshot *s = &t->ledger->snapshot;
	request_nonce(t, SNAPSHOT_SAVEPOINT);
	if (s->kind == SNAPSHOT_NONE)
		request_annotation(t);
	if (s->kind == SNAPSHOT_NONE)
		request_nonce(t, SNAPSHOT_CHECKPOINT);
	if (s->kind == SNAPSHOT_NONE)
		request_period(t, SNAPSHOT_SAVEPOINT);
	if (s->kind == SNAPSHOT_NONE)
		request_period(t, SNAPSHOT_CHECKPOINT);
}

/* ---- the open operation ---- */

/* Whoever asked for it has got an answer, good or bad. */
static void handled(struct turn *t)
{
	const struct ledger_snapshot *s = &t->ledger->snapshot;
	if (s->nonce[0] != '\0' && s->kind == SNAPSHOT_SAVEPOINT)
		LEDGER_SET(t->ledger->savepoint_nonce, s->nonce);
	else if (s->nonce[0] != '\0')
		LEDGER_SET(t->ledger->checkpoint_nonce, s->nonce);
	if (s->choice[0] != '\0')
		LEDGER_SET(t->ledger->spent_savepoint, s->choice);
}

static void complete(struct turn *t, const char *path)
{
	struct ledger *l = t->ledger;
	struct ledger_snapshot s = l->snapshot;
	bool periodic = strcmp(s.type, "PERIODIC") == 0;
	struct ledger_record *r = snapshot_note(t, (enum snapshot_kind)s.kind, path, s.type, s.format);
	LEDGER_SET(r->nonce, s.nonce);
	r->launch = s.launch;
	if (periodic && s.kind == SNAPSHOT_SAVEPOINT)
		l->savepoint_periodic_at = r->at;
	else if (periodic)
		l->checkpoint_periodic_at = r->at;
	l->had_checkpoint = 1;
	/* the job runs on: newest only until it is stopped, and then what the stop makes is */
	if (s.kind == SNAPSHOT_SAVEPOINT && l->op.kind == OP_NONE)
		ledger_note_state(l, path, t->in->now_ms);
	handled(t);
	l->snapshot = (struct ledger_snapshot){ 0 };
	l->snapshot_failure[0] = '\0';
	decision_reason(t->out, "the %s is complete: %s", words(&s), path);
	decision_event(t->out, false, s.kind == SNAPSHOT_SAVEPOINT ? "SavepointCompleted" : "CheckpointCompleted", "%s %s (%s).",
		       s.kind == SNAPSHOT_SAVEPOINT ? "Savepoint" : "Checkpoint", path, s.type);
}

static void give_up(struct turn *t, const char *why)
{
	struct ledger_snapshot *s = &t->ledger->snapshot;
	(void)snprintf(t->ledger->snapshot_failure, sizeof t->ledger->snapshot_failure, "%s (%s): %.150s", words(s), s->type, why);
	decision_reason(t->out, "the %s is given up: %s", words(s), why);
	decision_event(t->out, true, error_reason(s), "The %s is given up after attempt %lld: %s", words(s), (long long)s->attempt, why);
	handled(t);
	*s = (struct ledger_snapshot){ 0 };
}

static void failed(struct turn *t, const char *why, bool may_retry)
{
	struct ledger_snapshot *s = &t->ledger->snapshot;
	if (s->attempt >= SNAPSHOT_ATTEMPTS) {
		give_up(t, why);
		return;
	}
	if (s->retry_at == 0) {
		s->retry_at = t->in->now_ms + ((int64_t)SNAPSHOT_RETRY_MS << (s->attempt - 1));
		decision_event(t->out, true, error_reason(s), "Attempt %lld: %s", (long long)s->attempt, why);
	}
	if (may_retry && t->in->now_ms >= s->retry_at)
		attempt(t);
	else
		soon(t, t->in->policy->poll_ms * 4);
}

static bool in_dir(const char *path, const char *dir)
{
	path = plain_path(path);
	dir = plain_path(dir);
	size_t n = strlen(dir);
	return n > 0 && strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* The launch that it was asked of has ended, or its job has: what asked for it is not answered yet and asks the next one. */
static bool abandoned(struct turn *t)
{
	struct ledger_snapshot *s = &t->ledger->snapshot;
	const struct observation *o = t->in->seen;
	const struct ledger_launch *live = ledger_live(t->ledger);
	bool ended = live == NULL || live->number != s->launch;
	if (!ended && (o->rest != SEEN_PRESENT || !job_state_terminal(o->job) || o->snapshot == SAVEPOINT_COMPLETED))
		return false;
	decision_event(t->out, true, "SnapshotAbandoned", "The %s is abandoned: its job has ended.", words(s));
	*s = (struct ledger_snapshot){ 0 };
	return true;
}

/* Flink does not know it: it never arrived, or its result is forgotten. */
static void in_doubt(struct turn *t, bool running)
{
	struct ledger_snapshot *s = &t->ledger->snapshot;
	const struct observation *o = t->in->seen;
	if (s->kind == SNAPSHOT_SAVEPOINT && o->savepoint_path[0] != '\0' && in_dir(o->savepoint_path, s->dir)) {
		complete(t, o->savepoint_path); /* nothing else writes there */
	} else if (!running) {
		soon(t, t->in->policy->poll_ms * 4);
	} else if (s->trigger[0] != '\0' && t->in->config->snapshots.own_trigger) {
		decision_reason(t->out, "Flink does not know trigger %s: it is asked again", s->trigger);
		t->out->effect = s->kind == SNAPSHOT_SAVEPOINT ? EFFECT_TRIGGER_SAVEPOINT : EFFECT_TRIGGER_CHECKPOINT; /* harmless twice */
		soon(t, t->in->policy->poll_ms * 2);
	} else if (t->in->now_ms - s->started_at > SNAPSHOT_DOUBT_MS) {
		failed(t, "Flink does not know of it", true);
	} else {
		soon(t, t->in->policy->poll_ms * 4);
	}
}

static void snapshot_continue(struct turn *t)
{
	struct ledger_snapshot *s = &t->ledger->snapshot;
	const struct observation *o = t->in->seen;
	if (abandoned(t))
		return;
	bool running = o->rest == SEEN_PRESENT && o->job == JOB_RUNNING && t->ledger->op.kind == OP_NONE && t->out->effect == EFFECT_NONE;
	soon(t, t->in->policy->poll_ms * 2);
	if (o->rest == SEEN_PRESENT && o->snapshot == SAVEPOINT_COMPLETED)
		complete(t, o->snapshot_path);
	else if (s->refused[0] != '\0')
		failed(t, s->refused, running);
	else if (o->rest == SEEN_PRESENT && o->snapshot == SAVEPOINT_FAILED)
		failed(t, o->snapshot_failure, running);
	else if (o->rest == SEEN_PRESENT && t->in->now_ms - s->started_at > t->in->policy->savepoint_timeout_ms)
		give_up(t, "it did not end in time");
	else if (o->rest == SEEN_PRESENT && o->snapshot == SAVEPOINT_NO_SUCH_TRIGGER)
		in_doubt(t, running);
}

bool snapshot_holds_stop(struct turn *t)
{
	const struct ledger_snapshot *s = &t->ledger->snapshot;
	const struct observation *o = t->in->seen;
	bool may_end = o->rest == SEEN_PRESENT && o->job == JOB_RUNNING && o->snapshot != SAVEPOINT_FAILED &&
		       o->snapshot != SAVEPOINT_COMPLETED && s->retry_at == 0;
	if (s->kind == SNAPSHOT_NONE || t->in->config->snapshots.ignore_pending || !may_end ||
	    t->in->now_ms - s->started_at >= t->in->policy->snapshot_wait_ms)
		return false;
	wait_for(t, s->kind == SNAPSHOT_SAVEPOINT ? "waiting for the open savepoint before the job is stopped"
						  : "waiting for the open checkpoint before the job is stopped");
	return true;
}

/* ---- records as FlinkStateSnapshot objects ---- */

static bool list_record(struct turn *t)
{
	const struct observation *o = t->in->seen;
	const struct ledger_record *open = snapshot_record_open(t->ledger);
	if (open == NULL || open->listed != RECORD_TO_LIST)
		return false;
	struct ledger_record *r = ledger_record_of(t->ledger, open->at);
	if (o->snapshot_kind == SEEN_ABSENT || !t->in->config->snapshots.resources) {
		r->listed = RECORD_UNLISTED;
		return false;
	}
	if (o->snapshot_resource == SEEN_PRESENT) {
		r->listed = RECORD_LISTED;
		return false;
	}
	if (o->snapshot_resource == SEEN_ABSENT)
		t->out->effect = EFFECT_CREATE_SNAPSHOT;
	soon(t, t->in->policy->poll_ms);
	return t->out->effect != EFFECT_NONE;
}

void snapshot_step(struct turn *t)
{
	struct ledger *l = t->ledger;
	const struct observation *o = t->in->seen;
	if (t->subject == SUBJECT_SESSION)
		return;
	l->snapshot_problem[0] = '\0';
	learn_nonces(t);
	if (l->snapshot.kind != SNAPSHOT_NONE)
		snapshot_continue(t);
	if (l->op.kind != OP_NONE || t->deleting || t->out->effect != EFFECT_NONE || list_record(t))
		return;
	const struct ledger_launch *live = ledger_live(l);
	bool running = live != NULL && o->rest == SEEN_PRESENT && o->job == JOB_RUNNING;
	if (t->in->config->snapshots.problem[0] != '\0')
		problem(t, t->in->config->snapshots.problem);
	if (running && l->snapshot.kind == SNAPSHOT_NONE && t->target != TARGET_NOTHING && strcmp(live->digest, t->target_digest) == 0)
		request(t);
	cleanup_records(t);
	if ((running || l->disposal.done) && t->out->effect == EFFECT_NONE)
		cleanup_step(t);
}
