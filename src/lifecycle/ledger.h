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
	LEDGER_LAUNCHES = 12, /* kept; the stable one that a rollback needs is never dropped */
	LEDGER_QUARANTINE = 16,
	LEDGER_PATH = 512,
	LEDGER_RECORDS = 32, /* snapshots that are remembered */
	LEDGER_LITTER = 16,
	LEDGER_CLEANINGS = 5, /* attempts at one of these */
	LEDGER_ROOT = 256,    /* a storageDir; a longer one is left uncleaned */
	LEDGER_TEXT_MAX = 256 * 1024,
	LEDGER_TOKEN = 64,
};

/* How a launch gets its state. */
enum restore_kind {
	RESTORE_UNDECIDED, /* a person has to choose (StateChoiceRequired) or nothing is planned */
	RESTORE_EMPTY,	   /* start without state */
	RESTORE_PATH,	   /* from a savepoint or retained checkpoint */
	RESTORE_HA,	   /* from the HA metadata, under the same job id */
};

struct ledger_restore {
	int64_t kind; /* enum restore_kind */
	char path
		[LEDGER_PATH]; /* RESTORE_PATH: from where. RESTORE_HA: the checkpoint recorded before the stop, should the metadata vanish */
};

struct ledger_launch {
	int64_t number;
	char job_id[33];
	char digest[65]; /* of the effective content, lifecycle/digest.h */
	char commit[48];
	int64_t generation;
	int64_t made_by; /* the launch that made its cluster, where it is an earlier one that was changed in place; 0: itself */
	struct ledger_restore restore;
	int64_t submitted_at, running_at, stable_at, ended_at; /* ms; 0: not yet */
	int64_t checkpoints;				       /* completed by this launch, as far as stability asks */
	int64_t silent_since;	 /* not running although everything answers and every pod has its node: since when; 0: it is not so */
	int64_t failed_before;	 /* checkpoints that failed before the job ran: they say nothing of the version */
	int64_t restarts_before; /* the same of its restarts: those before it was changed in place */
	char outcome[24];	 /* "", "stopped", "failed", "finished" */
	char refused[200];	 /* a session job: why Flink refused the submission */
	char *spec;		 /* the spec that was launched, JSON; owned */
};

/* The open intent. At most one; kind OP_NONE when there is none. */
enum op_kind {
	OP_NONE,
	OP_LAUNCH,
	OP_STOP,
	OP_REMOVE,
	OP_ADJUST, /* the running job is changed without a new cluster */
	OP_DRAIN,  /* a session cluster waits for its jobs to be stopped with their state */
};

struct ledger_op {
	int64_t kind; /* enum op_kind */
	int64_t launch;
	char reason[24]; /* upgrade, suspend, delete, rollback, restart, deploy */
	int64_t attempt;
	char trigger[33];      /* OP_STOP: our own trigger id */
	char dir[LEDGER_PATH]; /* OP_STOP: target directory of this attempt */
	int64_t cancel;	       /* OP_STOP: by cancelling, the newest retained checkpoint is the state */
	int64_t keep_ha;       /* OP_REMOVE: leave the HA metadata */
	int64_t started_at;
	int64_t settled_at; /* OP_STOP: when the savepoint was first seen complete while the job was not terminal.
				OP_ADJUST: when the change was taken */
	char digest[65];    /* OP_ADJUST: of the content that the job is changed to */
	int64_t sent_at;    /* OP_LAUNCH of a session job: when the submission was last begun */
	char leader[80];    /* identity and term of who wrote the intent */
};

struct ledger_quarantine {
	char digest[65];
	char commit[48];
	char reason[200];
	int64_t at;
};

/* ---- snapshots: savepoints and checkpoints of a job that runs on (lifecycle/snapshot.h) ---- */
enum snapshot_kind { SNAPSHOT_NONE, SNAPSHOT_SAVEPOINT, SNAPSHOT_CHECKPOINT };

/* The open snapshot operation of the live launch, beside the op. At most one; kind SNAPSHOT_NONE when there is none. */
struct ledger_snapshot {
	int64_t kind; /* enum snapshot_kind */
	int64_t launch;
	char type[12];	       /* MANUAL, PERIODIC */
	char nonce[24];	       /* the nonce that asked for it, or "" */
	char choice[65];       /* the digest of the annotation that asked for it, or "" */
	char trigger[65];      /* our own id, or the one that an older Flink gave; "" while that is not known */
	char dir[LEDGER_PATH]; /* a savepoint's target directory, of this attempt alone */
	char format[16];
	int64_t attempt;
	int64_t asked_at;   /* the first attempt began */
	int64_t started_at; /* this one did */
	int64_t retry_at;   /* it failed: when the next one may begin */
	char refused[200];  /* why Flink did not take it */
	char leader[80];
};

/* How far the FlinkStateSnapshot of a record is. */
enum record_listing { RECORD_UNLISTED, RECORD_TO_LIST, RECORD_LISTED };

/* A snapshot that Weir had made. */
struct ledger_record {
	int64_t kind; /* enum snapshot_kind */
	int64_t at;   /* when it was seen complete; no two records have the same */
	int64_t launch;
	char path[LEDGER_PATH]; /* "": a checkpoint whose path Flink no longer told */
	char type[12];		/* MANUAL, PERIODIC, UPGRADE */
	char format[16];
	char nonce[24];
	int64_t listed; /* enum record_listing */
	int64_t kept;	/* another job needs it: never to be disposed of */
};

/* The record that is being disposed of, by its time; 0: none. */
struct ledger_disposal {
	int64_t of;
	char trigger[65];
	int64_t attempt, started_at, retry_at;
	int64_t done; /* its data are gone (or were never Weir's to dispose of): only its FlinkStateSnapshot is left */
};

/* What the health of a stable job is judged by: counters of its JobManager at the beginning of a window. */
struct ledger_health {
	int64_t restarts_at, restarts;	    /* when the window began, and the restarts then */
	int64_t checkpoint_at, checkpoints; /* when their number last rose, and the number */
};

/* ---- what launches leave in HA storage (lifecycle/clean.c) ---- */
enum litter_kind { LITTER_NONE, LITTER_RESULTS, LITTER_HA };

/* A directory that a launch of this ledger made, root/name. */
struct ledger_litter {
	int64_t kind;	/* enum litter_kind */
	int64_t launch; /* the last one that used it */
	int64_t attempts, tried_at;
	char root[LEDGER_ROOT]; /* the high-availability.storageDir */
	char name[140];		/* below it, as store/clean.h says */
	char why[160];		/* the last attempt failed */
};

/* ---- a pod that looks into storage which the agent does not reach (lifecycle/probe.c) ---- */
enum probe_question { PROBE_NONE, PROBE_LOOK, PROBE_CLEAN };

/* The last one. PROBE_CLEAN: of the litter that is being cleaned up. */
struct ledger_probe {
	int64_t question; /* enum probe_question */
	char path[LEDGER_PATH];
	char pod[80]; /* of this name, to be deleted; "" before it was created, and afterwards */
	int64_t asked_at, answered_at;
	int64_t answer; /* enum seen; of PROBE_CLEAN all but SEEN_UNKNOWN: it is done */
	char why[160];
};

struct ledger {
	char uid[48];		      /* of the resource whose launches these are; another one means it was re-created */
	int64_t next_launch;	      /* the number that the next launch gets */
	int64_t had_checkpoint;	      /* some launch completed a checkpoint or was restored: starting empty needs consent */
	struct ledger_restore next;   /* state for the next launch, once decided */
	struct ledger_restore newest; /* the newest usable state known (RESTORE_PATH, or UNDECIDED for none) */
	int64_t newest_at;
	struct ledger_health health;
	int64_t missing_at;	 /* since when the JobManager that answers does not list the job, 0: it does */
	int64_t delete_asked_at; /* when the deletion of the resource was first seen */
	struct ledger_op op;
	char spent_choice[160]; /* the weir.dev/restore-from or allow-empty value that was used up */
	char spent_retry[LEDGER_TOKEN];
	char spent_restart[LEDGER_TOKEN];
	char spent_adopt[LEDGER_TOKEN];
	char spent_rollback[100];
	char doubt[LEDGER_PATH];	   /* a directory that may hold a newer savepoint than any known path; "" once a launch was begun */
	char rewind[LEDGER_PATH];	   /* the state that a rollback by hand goes back to, until the launch that uses it */
	char foreign[64];		   /* who wrote the status since Weir did: nothing is done until weir.dev/adopt has a new value */
	char spent_redeploy[LEDGER_TOKEN]; /* savepointRedeployNonce */
	char spent_empty[65];		   /* weir.dev/allow-empty */
	char preflight_digest[65];
	char preflight_result[16]; /* running (since preflight_at), passed, failed, unknown, refused (by the API server) */
	char preflight_message[256];
	int64_t preflight_at;
	char stuck[320];				/* why the next step cannot be taken, for status; "" when nothing is */
	struct ledger_launch launches[LEDGER_LAUNCHES]; /* oldest first */
	int64_t launch_count;
	struct ledger_quarantine quarantine[LEDGER_QUARANTINE];
	int64_t quarantine_count;
	struct ledger_snapshot snapshot;
	struct ledger_disposal disposal;
	int64_t nonces_known;				       /* the two below are the resource's since its first launch */
	char savepoint_nonce[24], checkpoint_nonce[24];	       /* handled last */
	char spent_savepoint[65];			       /* digest of the weir.dev/savepoint value that was used up */
	int64_t savepoint_due_from, checkpoint_due_from;       /* what the next periodic one is counted from; 0: none is asked for */
	int64_t savepoint_periodic_at, checkpoint_periodic_at; /* the last periodic one was complete */
	char snapshot_failure[200];			       /* of the last snapshot, "" once one was complete again */
	char snapshot_problem[200];			       /* why snapshots cannot be made as they are asked for; "" for nothing */
	struct ledger_record records[LEDGER_RECORDS];	       /* oldest first */
	int64_t record_count;
	struct ledger_litter litter[LEDGER_LITTER]; /* oldest first */
	int64_t litter_count;
	int64_t cleaning;    /* the number, from 1, of the litter that EFFECT_CLEAN or a pod is about; 0: none */
	int64_t clean_until; /* a deletion waits for it no longer than this; 0: none does */
	struct ledger_probe probe;
};

void ledger_init(struct ledger *l);
void ledger_free(struct ledger *l);
void ledger_copy(struct ledger *to, const struct ledger *from); /* `to` is overwritten without being freed */
bool ledger_read(struct ledger *l, const char *json, size_t len, struct error *err);
void ledger_write(const struct ledger *l, struct buf *json);
/* Would both be written alike? */
bool ledger_equal(const struct ledger *a, const struct ledger *b);

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
/* A new last record, complete at about that time; forgets the oldest when there are too many, but not what is being disposed of. */
struct ledger_record *ledger_add_record(struct ledger *l, int64_t at);
struct ledger_record *ledger_record_of(struct ledger *l, int64_t at);
void ledger_drop_record(struct ledger *l, int64_t at);
void ledger_note_state(struct ledger *l, const char *path, int64_t now_ms); /* the newest usable state */
/* The litter that is being cleaned up, or NULL. */
struct ledger_litter *ledger_cleaning(struct ledger *l);
/* How that ended; why NULL: it is gone. for_good: it need not be tried again. */
void ledger_cleaned(struct ledger *l, const char *why, bool for_good);

/* A one-shot value as the ledger keeps it: itself, or its digest where it is long; "" for NULL. */
void ledger_spend(char field[LEDGER_TOKEN], const char *value);
bool ledger_spent(const char field[LEDGER_TOKEN], const char *value);

#define LEDGER_SET(field, text) ledger_set_text(field, sizeof(field), text)
void ledger_set_text(char *field, size_t size, const char *text); /* NULL reads as "" */

#endif
