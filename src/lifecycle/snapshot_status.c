/* Snapshots in the status, as the peer writes them: a projection of the ledger's records and open operation. */
#include <stdio.h>
#include <string.h>

#include "lifecycle/internal.h"
#include "lifecycle/snapshot.h"

static void put_nonce(struct doc *doc, struct node *map, const char *key, const char *nonce)
{
	if (nonce[0] != '\0')
		node_set(doc, map, key, node_number(doc, nonce));
}

/* The resource's definition allows these texts only: with another one the API server would refuse the whole status. */
static const char *one_of(const char *text, const char *a, const char *b, const char *c)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0 ? text : "UNKNOWN";
}

static const char *format_text(int64_t kind, const char *format)
{
	return kind == SNAPSHOT_SAVEPOINT ? one_of(format, "CANONICAL", "NATIVE", "NATIVE") : one_of(format, "FULL", "INCREMENTAL", "FULL");
}

static const char *type_text(const char *type)
{
	return one_of(type, "MANUAL", "PERIODIC", "UPGRADE");
}

static struct node *record_node(struct doc *doc, const struct ledger_record *r)
{
	struct node *n = node_map(doc);
	node_set_int(doc, n, "timeStamp", r->at);
	if (r->kind == SNAPSHOT_SAVEPOINT)
		node_set_text(doc, n, "location", r->path);
	node_set_text(doc, n, "triggerType", type_text(r->type));
	node_set_text(doc, n, "formatType", format_text(r->kind, r->format));
	put_nonce(doc, n, "triggerNonce", r->nonce);
	return n;
}

static void put_open(const struct ledger *l, enum snapshot_kind kind, struct doc *doc, struct node *info)
{
	static const char *const keys[] = { "triggerId", "triggerTimestamp", "triggerType", "formatType" };
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		(void)node_remove(info, keys[i]);
	const struct ledger_snapshot *s = &l->snapshot;
	if (s->kind != (int64_t)kind)
		return;
	node_set_text(doc, info, "triggerId", s->trigger);
	node_set_int(doc, info, "triggerTimestamp", s->started_at);
	node_set_text(doc, info, "triggerType", type_text(s->type));
	node_set_text(doc, info, "formatType", format_text(s->kind, s->format));
}

static const struct ledger_record *last_of(const struct ledger *l, enum snapshot_kind kind)
{
	for (int64_t i = l->record_count; i-- > 0;)
		if (l->records[i].kind == (int64_t)kind)
			return &l->records[i];
	return NULL;
}

static void put_savepoints(const struct ledger *l, struct doc *doc, struct node *info)
{
	put_open(l, SNAPSHOT_SAVEPOINT, doc, info);
	const struct ledger_record *last = last_of(l, SNAPSHOT_SAVEPOINT);
	if (last != NULL) { /* else what another controller wrote there stays */
		struct node *history = node_list(doc);
		for (int64_t i = 0; i < l->record_count; i++)
			if (l->records[i].kind == SNAPSHOT_SAVEPOINT)
				node_append(doc, history, record_node(doc, &l->records[i]));
		node_set(doc, info, "lastSavepoint", record_node(doc, last));
		node_set(doc, info, "savepointHistory", history);
	}
	if (node_get(info, "savepointHistory") == NULL)
		node_set(doc, info, "savepointHistory", node_list(doc));
	if (l->savepoint_periodic_at != 0 || node_get(info, "lastPeriodicSavepointTimestamp") == NULL)
		node_set_int(doc, info, "lastPeriodicSavepointTimestamp", l->savepoint_periodic_at);
}

void snapshot_status(const struct turn *t, struct doc *doc, struct node *job_status)
{
	const struct ledger *l = t->ledger;
	struct node *checkpoints = node_ensure_map(doc, job_status, "checkpointInfo");
	put_open(l, SNAPSHOT_CHECKPOINT, doc, checkpoints);
	const struct ledger_record *last = last_of(l, SNAPSHOT_CHECKPOINT);
	if (last != NULL)
		node_set(doc, checkpoints, "lastCheckpoint", record_node(doc, last));
	if (l->checkpoint_periodic_at != 0 || node_get(checkpoints, "lastPeriodicCheckpointTimestamp") == NULL)
		node_set_int(doc, checkpoints, "lastPeriodicCheckpointTimestamp", l->checkpoint_periodic_at);
	put_savepoints(l, doc, node_ensure_map(doc, job_status, "savepointInfo"));
}

void snapshot_put_nonces(const struct ledger *l, struct doc *doc, struct node *spec)
{
	struct node *job = node_get(spec, "job");
	if (!l->nonces_known || !node_is(job, NODE_MAP))
		return;
	(void)node_remove(job, "savepointTriggerNonce");
	(void)node_remove(job, "checkpointTriggerNonce");
	put_nonce(doc, job, "savepointTriggerNonce", l->savepoint_nonce);
	put_nonce(doc, job, "checkpointTriggerNonce", l->checkpoint_nonce);
}
