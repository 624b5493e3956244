/* What becomes of old snapshots: disposed of by count and age, but never what anything could still be started from. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"
#include "lifecycle/snapshot.h"

enum { COUNT_MAX = LEDGER_RECORDS - 8 }; /* what the ledger holds, with room for those that are needed */

/* One path, or one within the other. */
static bool overlap(const char *a, const char *b)
{
	a = plain_path(a);
	b = plain_path(b);
	size_t n = strlen(a), m = strlen(b);
	while (n > 0 && a[n - 1] == '/')
		n--;
	while (m > 0 && b[m - 1] == '/')
		m--;
	if (n == 0 || m == 0)
		return false;
	size_t common = n < m ? n : m;
	char next = n < m ? b[n] : n > m ? a[m] : '/';
	return strncmp(a, b, common) == 0 && next == '/';
}

/* Does the text (JSON of a spec) name the path? Slashes may be written as "\/". */
static bool names(const char *text, const char *path)
{
	path = plain_path(path);
	size_t n = strlen(path);
	while (n > 0 && path[n - 1] == '/')
		n--;
	for (const char *at = text; at != NULL && n > 0 && *at != '\0'; at++) {
		size_t i = 0;
		const char *p = at;
		for (; i < n && *p != '\0'; p++) {
			if (*p == '\\' && p[1] == '/')
				continue;
			if (*p != path[i])
				break;
			i++;
		}
		if (i == n)
			return true;
	}
	return false;
}

bool snapshot_needed(const struct ledger *l, const char *path)
{
	if (overlap(path, l->newest.path) || overlap(path, l->next.path) || overlap(path, l->op.dir) || overlap(path, l->snapshot.dir))
		return true;
	for (int64_t i = 0; i < l->launch_count; i++)
		if (overlap(path, l->launches[i].restore.path) || names(l->launches[i].spec, path))
			return true;
	return false;
}

/* The newest savepoint is never disposed of, whatever else is known. */
static bool newest_savepoint(const struct ledger *l, const struct ledger_record *r)
{
	for (int64_t i = l->record_count; i-- > 0;)
		if (l->records[i].kind == SNAPSHOT_SAVEPOINT)
			return &l->records[i] == r;
	return false;
}

/* Needed by what the ledger knows, or by what the resource says. */
static bool needed(const struct turn *t, const struct ledger_record *r)
{
	const char *initial = node_find_text(t->spec, "job/initialSavepointPath");
	const char *choice = decide_annotation(t->in->resource, "weir.dev/restore-from");
	return r->kept || newest_savepoint(t->ledger, r) || snapshot_needed(t->ledger, r->path) ||
	       (initial != NULL && overlap(r->path, initial)) ||
	       (choice != NULL && str_starts(choice, "path:") && overlap(r->path, choice + 5));
}

/* A person's savepoint that is shown as an object is that object's business. */
static bool ours_to_clean(const struct ledger_record *r)
{
	return strcmp(r->type, "MANUAL") != 0 || r->listed == RECORD_UNLISTED;
}

const struct ledger_record *snapshot_record_open(const struct ledger *l)
{
	for (int64_t i = 0; l->disposal.of != 0 && i < l->record_count; i++)
		if (l->records[i].at == l->disposal.of)
			return &l->records[i];
	for (int64_t i = 0; i < l->record_count; i++)
		if (l->records[i].listed == RECORD_TO_LIST)
			return &l->records[i];
	return NULL;
}

/* The oldest savepoint that there are enough newer ones of, or that is too old; NULL: none. */
static struct ledger_record *surplus(const struct turn *t)
{
	const struct snapshot_config *c = &t->in->config->snapshots;
	struct ledger *l = t->ledger;
	int64_t keep = c->max_count < 1 ? 1 : c->max_count > COUNT_MAX ? COUNT_MAX : c->max_count;
	int64_t newer = 0;
	for (int64_t i = 0; i < l->record_count; i++)
		newer += l->records[i].kind == SNAPSHOT_SAVEPOINT;
	for (int64_t i = 0; i < l->record_count; i++) {
		struct ledger_record *r = &l->records[i];
		if (r->kind != SNAPSHOT_SAVEPOINT)
			continue;
		newer--;
		bool old = c->max_age_ms > 0 && t->in->now_ms - r->at > c->max_age_ms;
		if ((newer >= keep || old) && ours_to_clean(r) && !needed(t, r))
			return r;
	}
	return NULL;
}

/* Checkpoints are Flink's to delete: a record of one is only forgotten, with its resource. */
void cleanup_records(struct turn *t)
{
	struct ledger *l = t->ledger;
	int64_t keep = t->in->config->snapshots.checkpoints_kept < 1 ? 1 : t->in->config->snapshots.checkpoints_kept;
	int64_t count = 0;
	for (int64_t i = l->record_count; i-- > 0 && l->disposal.of == 0;) {
		struct ledger_record *r = &l->records[i];
		if (r->kind != SNAPSHOT_CHECKPOINT || ++count <= keep)
			continue;
		if (r->listed == RECORD_LISTED && ours_to_clean(r))
			l->disposal = (struct ledger_disposal){ .of = r->at, .done = 1, .started_at = t->in->now_ms };
		else
			ledger_drop_record(l, r->at);
	}
}

static void end(struct turn *t, bool forget)
{
	struct ledger *l = t->ledger;
	if (forget)
		ledger_drop_record(l, l->disposal.of);
	l->disposal = (struct ledger_disposal){ 0 };
}

/* The data are gone: so is the resource that showed them. */
static void delete_resource(struct turn *t, const struct ledger_record *r)
{
	enum seen resource = t->in->seen->snapshot_resource;
	if (r->listed != RECORD_LISTED || resource == SEEN_ABSENT || t->in->seen->snapshot_kind == SEEN_ABSENT)
		end(t, true);
	else if (resource == SEEN_PRESENT)
		t->out->effect = EFFECT_DELETE_SNAPSHOT;
}

static void ask(struct turn *t)
{
	struct ledger_disposal *d = &t->ledger->disposal;
	d->attempt++;
	d->started_at = t->in->now_ms;
	d->retry_at = 0;
	d->trigger[0] = '\0';
	t->out->effect = EFFECT_DISPOSE_SAVEPOINT;
}

static void disposal_failed(struct turn *t, const struct ledger_record *r, const char *why)
{
	struct ledger_disposal *d = &t->ledger->disposal;
	if (d->attempt >= DISPOSAL_ATTEMPTS) {
		decision_event(t->out, true, "CleanupFailed", "Savepoint %s cannot be disposed of and is left where it is: %s", r->path,
			       why);
		end(t, true);
		return;
	}
	if (d->retry_at == 0)
		d->retry_at = t->in->now_ms + ((int64_t)DISPOSAL_RETRY_MS << (d->attempt - 1));
	else if (t->in->now_ms >= d->retry_at)
		ask(t);
}

static void disposal_continue(struct turn *t, struct ledger_record *r)
{
	struct ledger_disposal *d = &t->ledger->disposal;
	const struct observation *o = t->in->seen;
	if (d->done) {
		delete_resource(t, r);
		return;
	}
	if (d->attempt == 0 || d->retry_at != 0) {
		/* nothing is on its way: it can still be thought better of */
		if (needed(t, r) || !t->in->config->snapshots.cleanup) {
			end(t, false);
		} else if (o->needed == SEEN_PRESENT) {
			decision_event(t->out, false, "SavepointKept", "Savepoint %s is kept: %s needs it.", r->path, o->needed_by);
			r->kept = 1;
			end(t, false);
		} else if (o->needed == SEEN_ABSENT && d->attempt == 0) {
			ask(t);
			decision_reason(t->out, "savepoint %s is surplus and is disposed of", r->path);
		} else if (o->needed == SEEN_ABSENT) {
			disposal_failed(t, r, "it failed before");
		}
		return;
	}
	if (o->disposal == SAVEPOINT_COMPLETED || (o->disposal == SAVEPOINT_FAILED && o->disposal_gone)) {
		decision_event(t->out, false, "SavepointDisposed", "Savepoint %s was disposed of.", r->path);
		d->done = 1;
		delete_resource(t, r);
	} else if (o->disposal == SAVEPOINT_FAILED) {
		disposal_failed(t, r, o->disposal_failure);
	} else if (o->disposal == SAVEPOINT_NO_SUCH_TRIGGER || t->in->now_ms - d->started_at > t->in->policy->savepoint_timeout_ms) {
		disposal_failed(t, r, "Flink does not know of it");
	}
}

void cleanup_step(struct turn *t)
{
	struct ledger *l = t->ledger;
	if (l->disposal.of == 0) {
		const struct ledger_record *r = t->in->config->snapshots.cleanup && l->snapshot.kind == SNAPSHOT_NONE ? surplus(t) : NULL;
		if (r == NULL)
			return;
		/* not in this turn: what other jobs need of it is looked at first */
		l->disposal = (struct ledger_disposal){ .of = r->at, .started_at = t->in->now_ms };
	} else {
		struct ledger_record *r = ledger_record_of(l, l->disposal.of);
		if (r == NULL)
			end(t, false);
		else
			disposal_continue(t, r);
	}
	if (l->disposal.of != 0 && t->out->next_ms > t->in->policy->poll_ms * 2)
		t->out->next_ms = t->in->policy->poll_ms * 2;
}
