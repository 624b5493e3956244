/*
 * snapshot: savepoints and checkpoints of a job that runs on, on top of what decide() does to the job itself.
 *
 * One operation at a time, written to the ledger before Flink is asked, polled by observation, bounded in attempts and time. Asked for by
 * a nonce of the spec, by the annotation weir.dev/savepoint (each new value once), or by a period. What was made is a record of the
 * ledger; old savepoints among them are disposed of by count and age, but never what anything could still be started from. This header is
 * what the agent needs; what the other files of lifecycle/ call is in internal.h.
 */
#ifndef WEIR_LIFECYCLE_SNAPSHOT_H
#define WEIR_LIFECYCLE_SNAPSHOT_H

#include "lifecycle/ledger.h"

enum {
	SNAPSHOT_ATTEMPTS = 3,
	SNAPSHOT_RETRY_MS = 5000,  /* before the second attempt; doubled before the third */
	SNAPSHOT_DOUBT_MS = 30000, /* an older Flink's answer was lost: so long the operation may still be running unseen */
	DISPOSAL_ATTEMPTS = 5,
	DISPOSAL_RETRY_MS = 5000, /* before the second attempt, doubled before each further one */
};

enum { SNAPSHOT_NAME_MAX = 254 };

/*
 * Could anything in this ledger be started from that path: the state known as newest, the one chosen for the next launch, what a launch
 * that is remembered was restored from or is configured with, the target of an open operation?
 */
bool snapshot_needed(const struct ledger *l, const char *path);
/* The record whose FlinkStateSnapshot is to be looked at, or NULL: the one being disposed of, else the first that is to be listed. */
const struct ledger_record *snapshot_record_open(const struct ledger *l);
/* The name of a record's FlinkStateSnapshot: "JOB-savepoint-periodic-1712345678901". */
void snapshot_resource_name(const char *job, const struct ledger_record *r, char out[SNAPSHOT_NAME_MAX]);
/* "SAVEPOINT", "CHECKPOINT" */
const char *snapshot_kind_name(int64_t kind);

#endif
