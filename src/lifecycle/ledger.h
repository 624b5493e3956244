/*
 * ledger: what is known of one job's state over time, and what is being done to it right now.
 *
 * The write-ahead log of the agent: an intent (`op`) is written here before its first side effect, the result before anything builds on
 * it. It lives in a ConfigMap of its own, outlives the resource, and is plain data here: copied by value, compared by its text. Only
 * lifecycle/ changes it; agent/ reads and writes the ConfigMap.
 */
#ifndef WEIR_LIFECYCLE_LEDGER_H
#define WEIR_LIFECYCLE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/error.h"

enum {
	LEDGER_LAUNCHES = 12,   /* kept; the stable one that a rollback needs is never dropped */
	LEDGER_QUARANTINE = 16,
	LEDGER_PATH = 512,
	LEDGER_TEXT_MAX = 256 * 1024,
};

/* How a launch gets its state. */
enum restore_kind {
	RESTORE_UNDECIDED, /* a person has to choose (StateChoiceRequired) or nothing is planned */
	RESTORE_EMPTY,     /* start without state */
	RESTORE_PATH,      /* from a savepoint or retained checkpoint */
	RESTORE_HA,        /* from the HA metadata, under the same job id */
};

struct ledger_restore {
	int64_t kind; /* enum restore_kind */
	char path[LEDGER_PATH]; /* RESTORE_PATH: from where. RESTORE_HA: the checkpoint recorded before the stop, should the metadata vanish */
};

struct ledger_launch {
	int64_t number;
	char job_id[33];
	char digest[65]; /* of the effective content, lifecycle/digest.h */
	char commit[48];
	int64_t generation;
	struct ledger_restore restore;
	int64_t submitted_at, running_at, stable_at, ended_at; /* ms; 0: not yet */
	int64_t checkpoints; /* completed by this launch, as far as stability asks */
	int64_t failed_before; /* checkpoints that failed before the job ran: they say nothing of the version */
	char outcome[24];    /* "", "stopped", "failed", "finished" */
	char *spec;          /* the spec that was launched, JSON; owned */
};

/* The open intent. At most one; kind OP_NONE when there is none. */
enum op_kind { OP_NONE, OP_LAUNCH, OP_STOP, OP_REMOVE };

struct ledger_op {
	int64_t kind; /* enum op_kind */
	int64_t launch;
	char reason[24];  /* upgrade, suspend, delete, rollback, restart, deploy */
	int64_t attempt;
	char trigger[33]; /* OP_STOP: our own trigger id */
	char dir[LEDGER_PATH]; /* OP_STOP: target directory of this attempt */
	int64_t keep_ha;  /* OP_REMOVE: leave the HA metadata */
	int64_t started_at;
	int64_t settled_at; /* OP_STOP: when the savepoint was first seen complete while the job was not terminal */
	char leader[80];  /* identity and term of who wrote the intent */
};

struct ledger_quarantine {
	char digest[65];
	char commit[48];
	char reason[200];
	int64_t at;
};

struct ledger {
	char uid[48]; /* of the resource whose launches these are; another one means it was re-created */
	int64_t next_launch; /* the number that the next launch gets */
	int64_t had_checkpoint; /* some launch completed a checkpoint or was restored: starting empty needs consent */
	struct ledger_restore next; /* state for the next launch, once decided */
	struct ledger_restore newest; /* the newest usable state known (RESTORE_PATH, or UNDECIDED for none) */
	int64_t newest_at;
	int64_t delete_asked_at; /* when the deletion of the resource was first seen */
	struct ledger_op op;
	char spent_choice[160]; /* the weir.dev/restore-from or allow-empty value that was used up */
	char spent_retry[64];
	char preflight_digest[65];
	char preflight_result[16]; /* running (since preflight_at), passed, failed, unknown */
	char preflight_message[256];
	int64_t preflight_at;
	char stuck[200]; /* why the next step cannot be taken, for status; "" when nothing is */
	struct ledger_launch launches[LEDGER_LAUNCHES]; /* oldest first */
	int64_t launch_count;
	struct ledger_quarantine quarantine[LEDGER_QUARANTINE];
	int64_t quarantine_count;
};

void ledger_init(struct ledger *l);
void ledger_free(struct ledger *l);
void ledger_copy(struct ledger *to, const struct ledger *from); /* `to` is overwritten without being freed */
bool ledger_read(struct ledger *l, const char *json, size_t len, struct error *err);
void ledger_write(const struct ledger *l, struct buf *json);

/* The launch that is live (not ended), or NULL. */
struct ledger_launch *ledger_live(struct ledger *l);
/* The newest stable launch whose digest is not quarantined, or NULL. */
const struct ledger_launch *ledger_stable(const struct ledger *l);
struct ledger_launch *ledger_launch_of(struct ledger *l, int64_t number);
/* A new last launch; drops the oldest one that no rollback needs. */
struct ledger_launch *ledger_add_launch(struct ledger *l);
const struct ledger_quarantine *ledger_quarantined(const struct ledger *l, const char *digest);
void ledger_add_quarantine(struct ledger *l, const char *digest, const char *commit, const char *reason, int64_t now_ms);
void ledger_drop_quarantine(struct ledger *l, const char *digest);
void ledger_note_state(struct ledger *l, const char *path, int64_t now_ms); /* the newest usable state */

#define LEDGER_SET(field, text) ledger_set_text(field, sizeof(field), text)
void ledger_set_text(char *field, size_t size, const char *text); /* NULL reads as "" */

#endif
