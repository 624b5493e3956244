#include "lifecycle/ledger.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"

/* One table for each struct says how it reads and writes. */
enum field_type { F_TEXT, F_INT, F_HEAP, F_STRUCT };

struct field {
	const char *name;
	enum field_type type;
	size_t offset, size;
	const struct field *of; /* F_STRUCT */
};

#define TEXT(s, f)                                                                  \
	{                                                                           \
#f, F_TEXT, offsetof(struct s, f), sizeof(((struct s *)0)->f), NULL \
	}
#define INT(s, f)                                         \
	{                                                 \
#f, F_INT, offsetof(struct s, f), 0, NULL \
	}
#define HEAP(s, f)                                         \
	{                                                  \
#f, F_HEAP, offsetof(struct s, f), 0, NULL \
	}
#define SUB(s, f, table)                                      \
	{                                                     \
#f, F_STRUCT, offsetof(struct s, f), 0, table \
	}
#define END                             \
	{                               \
		NULL, F_INT, 0, 0, NULL \
	}

static const struct field restore_fields[] = { INT(ledger_restore, kind), TEXT(ledger_restore, path), END };
static const struct field launch_fields[] = {
	INT(ledger_launch, number),
	TEXT(ledger_launch, job_id),
	TEXT(ledger_launch, digest),
	TEXT(ledger_launch, commit),
	INT(ledger_launch, generation),
	INT(ledger_launch, made_by),
	SUB(ledger_launch, restore, restore_fields),
	INT(ledger_launch, submitted_at),
	INT(ledger_launch, running_at),
	INT(ledger_launch, stable_at),
	INT(ledger_launch, ended_at),
	INT(ledger_launch, checkpoints),
	INT(ledger_launch, silent_since),
	INT(ledger_launch, failed_before),
	INT(ledger_launch, restarts_before),
	TEXT(ledger_launch, outcome),
	TEXT(ledger_launch, refused),
	HEAP(ledger_launch, spec),
	END,
};
static const struct field op_fields[] = {
	INT(ledger_op, kind),	    INT(ledger_op, launch),
	TEXT(ledger_op, reason),    INT(ledger_op, attempt),
	TEXT(ledger_op, trigger),   TEXT(ledger_op, dir),
	INT(ledger_op, cancel),	    INT(ledger_op, keep_ha),
	INT(ledger_op, started_at), INT(ledger_op, settled_at),
	TEXT(ledger_op, digest),    INT(ledger_op, sent_at),
	TEXT(ledger_op, leader),    END,
};
static const struct field health_fields[] = {
	INT(ledger_health, restarts_at),
	INT(ledger_health, restarts),
	INT(ledger_health, checkpoint_at),
	INT(ledger_health, checkpoints),
	END,
};
static const struct field quarantine_fields[] = {
	TEXT(ledger_quarantine, digest), TEXT(ledger_quarantine, commit), TEXT(ledger_quarantine, reason), INT(ledger_quarantine, at), END,
};
static const struct field snapshot_fields[] = {
	INT(ledger_snapshot, kind),	INT(ledger_snapshot, launch),	  TEXT(ledger_snapshot, type),
	TEXT(ledger_snapshot, nonce),	TEXT(ledger_snapshot, choice),	  TEXT(ledger_snapshot, trigger),
	TEXT(ledger_snapshot, dir),	TEXT(ledger_snapshot, format),	  INT(ledger_snapshot, attempt),
	INT(ledger_snapshot, asked_at), INT(ledger_snapshot, started_at), INT(ledger_snapshot, retry_at),
	TEXT(ledger_snapshot, refused), TEXT(ledger_snapshot, leader),	  END,
};
static const struct field record_fields[] = {
	INT(ledger_record, kind),   INT(ledger_record, at),
	INT(ledger_record, launch), TEXT(ledger_record, path),
	TEXT(ledger_record, type),  TEXT(ledger_record, format),
	TEXT(ledger_record, nonce), INT(ledger_record, listed),
	INT(ledger_record, kept),   END,
};
static const struct field disposal_fields[] = {
	INT(ledger_disposal, of),
	TEXT(ledger_disposal, trigger),
	INT(ledger_disposal, attempt),
	INT(ledger_disposal, started_at),
	INT(ledger_disposal, retry_at),
	INT(ledger_disposal, done),
	END,
};
static const struct field litter_fields[] = {
	INT(ledger_litter, kind),  INT(ledger_litter, launch), INT(ledger_litter, attempts), INT(ledger_litter, tried_at),
	TEXT(ledger_litter, root), TEXT(ledger_litter, name),  TEXT(ledger_litter, why),     END,
};
static const struct field probe_fields[] = {
	INT(ledger_probe, question), INT(ledger_probe, answer), INT(ledger_probe, asked_at), INT(ledger_probe, answered_at),
	TEXT(ledger_probe, path),    TEXT(ledger_probe, pod),	TEXT(ledger_probe, why),     END,
};
static const struct field ledger_fields[] = {
	TEXT(ledger, uid),
	INT(ledger, next_launch),
	INT(ledger, had_checkpoint),
	SUB(ledger, next, restore_fields),
	SUB(ledger, newest, restore_fields),
	INT(ledger, newest_at),
	SUB(ledger, health, health_fields),
	INT(ledger, missing_at),
	INT(ledger, delete_asked_at),
	SUB(ledger, op, op_fields),
	TEXT(ledger, spent_choice),
	TEXT(ledger, spent_retry),
	TEXT(ledger, spent_restart),
	TEXT(ledger, spent_adopt),
	TEXT(ledger, spent_rollback),
	TEXT(ledger, doubt),
	TEXT(ledger, rewind),
	TEXT(ledger, foreign),
	TEXT(ledger, spent_redeploy),
	TEXT(ledger, spent_empty),
	TEXT(ledger, preflight_digest),
	TEXT(ledger, preflight_result),
	TEXT(ledger, preflight_message),
	INT(ledger, preflight_at),
	TEXT(ledger, stuck),
	SUB(ledger, snapshot, snapshot_fields),
	SUB(ledger, disposal, disposal_fields),
	INT(ledger, nonces_known),
	TEXT(ledger, savepoint_nonce),
	TEXT(ledger, checkpoint_nonce),
	TEXT(ledger, spent_savepoint),
	INT(ledger, savepoint_due_from),
	INT(ledger, checkpoint_due_from),
	INT(ledger, savepoint_periodic_at),
	INT(ledger, checkpoint_periodic_at),
	TEXT(ledger, snapshot_failure),
	TEXT(ledger, snapshot_problem),
	INT(ledger, cleaning),
	INT(ledger, clean_until),
	SUB(ledger, probe, probe_fields),
	END,
};

static void write_fields(struct doc *doc, struct node *map, const void *from, const struct field *f)
{
	for (; f->name != NULL; f++) {
		const char *at = (const char *)from + f->offset;
		int64_t value;
		const char *heap;
		switch (f->type) {
		case F_TEXT:
			if (*at != '\0')
				node_set_text(doc, map, f->name, at);
			break;
		case F_INT:
			memcpy(&value, at, sizeof value);
			if (value != 0)
				node_set_int(doc, map, f->name, value);
			break;
		case F_HEAP:
			memcpy(&heap, at, sizeof heap);
			node_set_text(doc, map, f->name, heap);
			break;
		case F_STRUCT: {
			struct node *sub = node_map(doc);
			write_fields(doc, sub, at, f->of);
			if (node_count(sub) > 0)
				node_set(doc, map, f->name, sub);
			break;
		}
		}
	}
}

static bool read_fields(const struct node *map, void *to, const struct field *f, struct error *err)
{
	for (; f->name != NULL; f++) {
		char *at = (char *)to + f->offset;
		const struct node *n = node_get(map, f->name);
		if (n == NULL)
			continue;
		int64_t value;
		char *heap;
		switch (f->type) {
		case F_TEXT:
			if (node_text(n) == NULL || node_len(n) >= f->size)
				return error_set(err, ERROR_INVALID, "ledger: %s: expected a string shorter than %zu bytes", f->name,
						 f->size);
			ledger_set_text(at, f->size, node_text(n));
			break;
		case F_INT:
			if (!node_is(n, NODE_NUMBER))
				return error_set(err, ERROR_INVALID, "ledger: %s: expected a number", f->name);
			value = node_integer(n, 0);
			memcpy(at, &value, sizeof value);
			break;
		case F_HEAP:
			heap = mem_strdup(node_text(n));
			memcpy(at, &heap, sizeof heap);
			break;
		case F_STRUCT:
			if (!read_fields(n, at, f->of, err))
				return false;
			break;
		}
	}
	return true;
}

static bool fields_equal(const void *a, const void *b, const struct field *f)
{
	for (; f->name != NULL; f++) {
		const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
		const char *heap[2];
		switch (f->type) {
		case F_TEXT:
			if (strcmp(x, y) != 0)
				return false;
			break;
		case F_INT:
			if (memcmp(x, y, sizeof(int64_t)) != 0)
				return false;
			break;
		case F_HEAP:
			memcpy(&heap[0], x, sizeof heap[0]);
			memcpy(&heap[1], y, sizeof heap[1]);
			if (!str_eq(heap[0], heap[1]))
				return false;
			break;
		case F_STRUCT:
			if (!fields_equal(x, y, f->of))
				return false;
			break;
		}
	}
	return true;
}

static bool lists_equal(const void *a, const void *b, int64_t count, int64_t other, size_t size, const struct field *f)
{
	for (int64_t i = 0; i < count && count == other; i++)
		if (!fields_equal((const char *)a + (size_t)i * size, (const char *)b + (size_t)i * size, f))
			return false;
	return count == other;
}

bool ledger_equal(const struct ledger *a, const struct ledger *b)
{
	return fields_equal(a, b, ledger_fields) &&
	       lists_equal(a->launches, b->launches, a->launch_count, b->launch_count, sizeof a->launches[0], launch_fields) &&
	       lists_equal(a->quarantine, b->quarantine, a->quarantine_count, b->quarantine_count, sizeof a->quarantine[0],
			   quarantine_fields) &&
	       lists_equal(a->records, b->records, a->record_count, b->record_count, sizeof a->records[0], record_fields) &&
	       lists_equal(a->litter, b->litter, a->litter_count, b->litter_count, sizeof a->litter[0], litter_fields);
}

void ledger_set_text(char *field, size_t size, const char *text)
{
	(void)snprintf(field, size, "%s", text == NULL ? "" : text);
}

void ledger_spend(char field[LEDGER_TOKEN], const char *value)
{
	char hex[SHA256_HEX_MAX];
	if (value != NULL && strlen(value) >= LEDGER_TOKEN) {
		sha256_hex(value, strlen(value), hex);
		value = hex;
	}
	(void)snprintf(field, LEDGER_TOKEN, "%.*s", LEDGER_TOKEN - 1, value == NULL ? "" : value);
}

bool ledger_spent(const char field[LEDGER_TOKEN], const char *value)
{
	char token[LEDGER_TOKEN];
	ledger_spend(token, value);
	return strcmp(token, field) == 0;
}

void ledger_init(struct ledger *l)
{
	*l = (struct ledger){ .next_launch = 1 };
}

void ledger_free(struct ledger *l)
{
	for (int64_t i = 0; i < l->launch_count; i++)
		free(l->launches[i].spec);
	ledger_init(l);
}

void ledger_copy(struct ledger *to, const struct ledger *from)
{
	*to = *from;
	for (int64_t i = 0; i < to->launch_count; i++)
		to->launches[i].spec = mem_strdup(from->launches[i].spec);
}

bool ledger_read(struct ledger *l, const char *json, size_t len, struct error *err)
{
	struct doc_limits limits = { .bytes = LEDGER_TEXT_MAX };
	AUTODOC *doc = doc_parse_json(json, len, "ledger", &limits, err);
	if (doc == NULL)
		return false;
	const struct node *root = doc_root(doc);
	const struct node *launches = node_get(root, "launches");
	const struct node *quarantine = node_get(root, "quarantine");
	struct ledger fresh;
	ledger_init(&fresh);
	if (!read_fields(root, &fresh, ledger_fields, err))
		return false;
	if (node_count(launches) > LEDGER_LAUNCHES || node_count(quarantine) > LEDGER_QUARANTINE)
		return error_set(err, ERROR_INVALID, "ledger: more than %d launches or %d quarantined digests", LEDGER_LAUNCHES,
				 LEDGER_QUARANTINE);
	for (size_t i = 0; i < node_count(launches); i++, fresh.launch_count++) {
		if (!read_fields(node_at(launches, i), &fresh.launches[i], launch_fields, err)) {
			fresh.launch_count++;
			ledger_free(&fresh);
			return false;
		}
	}
	for (size_t i = 0; i < node_count(quarantine); i++, fresh.quarantine_count++) {
		if (!read_fields(node_at(quarantine, i), &fresh.quarantine[i], quarantine_fields, err)) {
			ledger_free(&fresh);
			return false;
		}
	}
	const struct node *records = node_get(root, "records");
	bool ok = node_count(records) <= LEDGER_RECORDS ||
		  error_set(err, ERROR_INVALID, "ledger: more than %d records of snapshots", LEDGER_RECORDS);
	for (size_t i = 0; ok && i < node_count(records); i++, fresh.record_count++)
		ok = read_fields(node_at(records, i), &fresh.records[i], record_fields, err);
	const struct node *litter = node_get(root, "litter");
	if (ok && node_count(litter) > LEDGER_LITTER)
		ok = error_set(err, ERROR_INVALID, "ledger: more than %d directories to be cleaned up", LEDGER_LITTER);
	for (size_t i = 0; ok && i < node_count(litter); i++, fresh.litter_count++)
		ok = read_fields(node_at(litter, i), &fresh.litter[i], litter_fields, err);
	if (!ok) {
		ledger_free(&fresh);
		return false;
	}
	*l = fresh;
	return true;
}

void ledger_write(const struct ledger *l, struct buf *json)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	write_fields(doc, root, l, ledger_fields);
	struct node *launches = node_list(doc);
	for (int64_t i = 0; i < l->launch_count; i++) {
		struct node *n = node_map(doc);
		write_fields(doc, n, &l->launches[i], launch_fields);
		node_append(doc, launches, n);
	}
	node_set(doc, root, "launches", launches);
	struct node *quarantine = node_list(doc);
	for (int64_t i = 0; i < l->quarantine_count; i++) {
		struct node *n = node_map(doc);
		write_fields(doc, n, &l->quarantine[i], quarantine_fields);
		node_append(doc, quarantine, n);
	}
	node_set(doc, root, "quarantine", quarantine);
	struct node *records = node_list(doc);
	for (int64_t i = 0; i < l->record_count; i++) {
		struct node *n = node_map(doc);
		write_fields(doc, n, &l->records[i], record_fields);
		node_append(doc, records, n);
	}
	if (l->record_count > 0)
		node_set(doc, root, "records", records);
	struct node *litter = node_list(doc);
	for (int64_t i = 0; i < l->litter_count; i++) {
		struct node *n = node_map(doc);
		write_fields(doc, n, &l->litter[i], litter_fields);
		node_append(doc, litter, n);
	}
	if (l->litter_count > 0)
		node_set(doc, root, "litter", litter);
	node_to_json(root, json, JSON_PRETTY);
}

struct ledger_launch *ledger_live(struct ledger *l)
{
	struct ledger_launch *last = l->launch_count == 0 ? NULL : &l->launches[l->launch_count - 1];
	return last != NULL && last->ended_at == 0 ? last : NULL;
}

const struct ledger_launch *ledger_stable(const struct ledger *l)
{
	for (int64_t i = l->launch_count - 1; i >= 0; i--) {
		const struct ledger_launch *launch = &l->launches[i];
		if (launch->stable_at != 0 && launch->spec != NULL && ledger_quarantined(l, launch->digest) == NULL)
			return launch;
	}
	return NULL;
}

struct ledger_launch *ledger_launch_of(struct ledger *l, int64_t number)
{
	for (int64_t i = 0; i < l->launch_count; i++)
		if (l->launches[i].number == number)
			return &l->launches[i];
	return NULL;
}

enum { SPECS_MAX = LEDGER_TEXT_MAX / 2 };

/* Specs are the large part of the text: those of stable launches are kept as far as there is room, newest first. */
static void drop_specs(struct ledger *l)
{
	const struct ledger_launch *stable = ledger_stable(l);
	size_t total = stable == NULL ? 0 : strlen(stable->spec);
	for (int64_t i = l->launch_count - 1; i >= 0; i--) {
		struct ledger_launch *launch = &l->launches[i];
		if (launch == stable || launch->spec == NULL)
			continue;
		size_t size = strlen(launch->spec);
		bool last = i == l->launch_count - 1;
		if (last || (launch->stable_at != 0 && total + size <= SPECS_MAX)) {
			total += size;
			continue;
		}
		free(launch->spec);
		launch->spec = NULL;
	}
}

struct ledger_launch *ledger_add_launch(struct ledger *l)
{
	drop_specs(l);
	if (l->launch_count == LEDGER_LAUNCHES) {
		int64_t drop = &l->launches[0] == ledger_stable(l) ? 1 : 0;
		free(l->launches[drop].spec);
		memmove(&l->launches[drop], &l->launches[drop + 1], (size_t)(LEDGER_LAUNCHES - 1 - drop) * sizeof l->launches[0]);
		l->launch_count--;
	}
	struct ledger_launch *launch = &l->launches[l->launch_count++];
	*launch = (struct ledger_launch){ .number = l->next_launch++ };
	return launch;
}

const struct ledger_quarantine *ledger_quarantined(const struct ledger *l, const char *digest)
{
	for (int64_t i = 0; i < l->quarantine_count; i++)
		if (strcmp(l->quarantine[i].digest, digest) == 0)
			return &l->quarantine[i];
	return NULL;
}

void ledger_drop_quarantine(struct ledger *l, const char *digest)
{
	for (int64_t i = 0; i < l->quarantine_count; i++) {
		if (strcmp(l->quarantine[i].digest, digest) != 0)
			continue;
		memmove(&l->quarantine[i], &l->quarantine[i + 1], (size_t)(l->quarantine_count - i - 1) * sizeof l->quarantine[0]);
		l->quarantine_count--;
		return;
	}
}

void ledger_add_quarantine(struct ledger *l, const char *digest, const char *commit, const char *reason, int64_t now_ms)
{
	ledger_drop_quarantine(l, digest);
	if (l->quarantine_count == LEDGER_QUARANTINE)
		ledger_drop_quarantine(l, l->quarantine[0].digest);
	struct ledger_quarantine *q = &l->quarantine[l->quarantine_count++];
	*q = (struct ledger_quarantine){ .at = now_ms };
	LEDGER_SET(q->digest, digest);
	LEDGER_SET(q->commit, commit);
	LEDGER_SET(q->reason, reason);
}

void ledger_note_state(struct ledger *l, const char *path, int64_t now_ms)
{
	if (path == NULL || *path == '\0' || strcmp(l->newest.path, path) == 0)
		return;
	l->newest.kind = RESTORE_PATH;
	LEDGER_SET(l->newest.path, path);
	l->newest_at = now_ms;
	l->had_checkpoint = 1;
}

struct ledger_litter *ledger_cleaning(struct ledger *l)
{
	return l->cleaning > 0 && l->cleaning <= l->litter_count ? &l->litter[l->cleaning - 1] : NULL;
}

void ledger_cleaned(struct ledger *l, const char *why, bool for_good)
{
	struct ledger_litter *x = ledger_cleaning(l);
	l->cleaning = 0;
	if (x == NULL)
		return;
	if (why != NULL) {
		(void)snprintf(x->why, sizeof x->why, "%.*s", (int)sizeof x->why - 1, why);
		if (for_good && x->attempts < LEDGER_CLEANINGS)
			x->attempts = LEDGER_CLEANINGS;
		return;
	}
	memmove(x, x + 1, (size_t)(&l->litter[l->litter_count] - (x + 1)) * sizeof *x);
	l->litter_count--;
}

struct ledger_record *ledger_record_of(struct ledger *l, int64_t at)
{
	for (int64_t i = 0; i < l->record_count; i++)
		if (l->records[i].at == at)
			return &l->records[i];
	return NULL;
}

void ledger_drop_record(struct ledger *l, int64_t at)
{
	struct ledger_record *r = ledger_record_of(l, at);
	if (r == NULL)
		return;
	memmove(r, r + 1, (size_t)(&l->records[l->record_count] - (r + 1)) * sizeof *r);
	l->record_count--;
}

struct ledger_record *ledger_add_record(struct ledger *l, int64_t at)
{
	if (l->record_count == LEDGER_RECORDS)
		ledger_drop_record(l, l->records[l->records[0].at == l->disposal.of ? 1 : 0].at);
	if (l->record_count > 0 && at <= l->records[l->record_count - 1].at)
		at = l->records[l->record_count - 1].at + 1;
	struct ledger_record *r = &l->records[l->record_count++];
	*r = (struct ledger_record){ .at = at };
	return r;
}
