/*
 * decide: what should happen next to one Flink job. Pure: no clock, no I/O, no log, no globals, no randomness.
 *
 * One call is one turn: the new ledger (to be written first, if it changed), at most one effect, the new status, events, and when to look
 * again. The result of an effect is whatever the next observation shows.
 */
#ifndef WEIR_LIFECYCLE_DECIDE_H
#define WEIR_LIFECYCLE_DECIDE_H

#include "lifecycle/observation.h"
#include "lifecycle/schedule.h"

enum effect {
#define EFFECT(id, name, text) EFFECT_##id,
#include "lifecycle/effects.def"
#undef EFFECT
	EFFECT_COUNT
};
const char *effect_name(enum effect effect);

struct policy {
	int64_t stable_checkpoints;   /* completed checkpoints before a launch is stable, where checkpointing is on */
	int64_t stable_after_ms;      /* running time before a launch is stable */
	int64_t start_deadline_ms;    /* silence after submission that counts as failure */
	int64_t crash_restarts;	      /* JobManager restarts of an unstable launch that count as failure */
	int64_t job_restarts;	      /* restarts of the job of an unstable launch that count as failure */
	int64_t savepoint_timeout_ms; /* after this a stop is given up and tried anew */
	int64_t snapshot_wait_ms;     /* an upgrade waits so long for an open savepoint or checkpoint */
	int64_t delete_deadline_ms;   /* a deletion whose savepoint cannot be had goes on after this from the newest known state */
	int64_t interval_ms;	      /* look again at a quiet job */
	int64_t poll_ms;	      /* look again while something moves */
	bool peer_defaults;	      /* an absent upgradeMode is the peer's `stateless`, as if it were written */
};
struct policy policy_default(void);

/* When periodic snapshots are due: each so long, or by a cron expression; neither: never. */
struct snapshot_period {
	int64_t every_ms;
	char cron[SCHEDULE_TEXT_MAX + 1];
};

/* What the resource as it is now (not the launched spec) asks of snapshots: these options need no restart. */
struct snapshot_config {
	struct snapshot_period savepoint, checkpoint;
	char savepoint_format[16]; /* CANONICAL, NATIVE */
	char checkpoint_type[16];  /* FULL, INCREMENTAL, CONFIGURED */
	char problem[200];	   /* what is not as it should be, with the key; "" for nothing */
	bool cleanup;		   /* old savepoints are disposed of */
	int64_t max_count, max_age_ms;
	int64_t checkpoints_kept; /* records of checkpoints */
	bool resources;		  /* FlinkStateSnapshot objects are made, too */
	bool dispose_on_delete;	  /* of those objects */
	bool ignore_pending;	  /* an upgrade does not wait for an open snapshot */
	bool can_checkpoint;	  /* the Flink that runs can be asked for a checkpoint */
	bool own_trigger;	  /* it takes trigger ids of ours */
};

/* The parts of the effective configuration that decisions need; agent/ computes them with flink/. */
struct job_config {
	bool checkpointing; /* execution.checkpointing.interval is set */
	int64_t checkpoint_interval_ms;
	bool ha;
	bool rescalable;			     /* its parallelism can be changed while it runs */
	bool no_fallback;			     /* savepoint mode waits for the job to run instead of going on from HA metadata */
	bool self_deleting;			     /* Flink before 1.15: a cluster takes itself down as soon as its job has ended */
	bool retained;				     /* checkpoints stay when the job is cancelled */
	bool restart_failed;			     /* a stable job that failed is started again from its newest state */
	bool health_check;			     /* a stable job that is not healthy is restarted */
	int64_t health_restarts, health_restarts_ms; /* more restarts than this within so long are not healthy */
	int64_t health_checkpoint_ms;		     /* no completed checkpoint for so long is not healthy; 0: not looked at */
	bool block_on_unmanaged;		     /* a session cluster with jobs that nobody manages is not taken down */
	char savepoint_dir[LEDGER_PATH - 64];	     /* "" if not configured */
	char ha_dir[LEDGER_ROOT];		     /* the storageDir of a cluster with HA; "" for none */
	struct snapshot_config snapshots;
};

/* What the resource stands for. */
enum subject {
	SUBJECT_APPLICATION, /* a FlinkDeployment with a job: one cluster, one job */
	SUBJECT_SESSION,     /* a FlinkDeployment without a job: a cluster that session jobs are sent to */
	SUBJECT_SESSION_JOB, /* a FlinkSessionJob */
};

/* What a session job needs to know of its cluster, and a session cluster of its jobs. */
struct session_view {
	/* SUBJECT_SESSION_JOB */
	enum seen cluster; /* its FlinkDeployment exists and is a session cluster */
	bool ready;	   /* its live launch is up and meant to stay */
	bool draining;	   /* it is about to go down as planned: jobs stop with their state first */
	char problem[160]; /* why it is not ready, in words */
	/* SUBJECT_SESSION */
	enum seen jobs;	    /* SEEN_PRESENT: all its session jobs and their ledgers were seen */
	int64_t job_count;  /* FlinkSessionJobs that name it */
	int64_t live_count; /* those with a live launch */
};

/* The resource that weir.dev/moved-from names. */
struct move_view {
	const struct ledger *ledger; /* NULL: it could not be seen */
	enum seen resource;
	bool deleting;
};

struct decide_input {
	enum subject subject;
	const struct move_view *move;	    /* NULL: it moved from nowhere, or has launches of its own */
	const char *foreign;		    /* who else wrote the status since Weir did, or NULL */
	const struct session_view *session; /* NULL for SUBJECT_APPLICATION */
	const struct node *resource;	    /* as the API server holds it */
	const char *digest;		    /* of its effective content (digest.h) */
	const char *commit;		    /* that its content came from, or "" */
	const char *invalid;		    /* why its spec is not valid, or NULL */
	const struct ledger *ledger;
	const struct observation *seen;
	const struct policy *policy;
	const struct job_config *config;
	const char *leader;   /* identity and term, for intents */
	const char *fresh_id; /* 32 hex digits that nobody used before: a trigger id */
	int64_t now_ms;
};

enum { DECISION_REASONS = 8, DECISION_EVENTS = 4 };

struct decision_event {
	bool warning;
	char reason[40];
	char message[480];
};

struct decision {
	struct ledger ledger;
	bool ledger_changed;
	enum effect effect;
	char reasons[DECISION_REASONS][200]; /* in words, in order */
	int reason_count;
	struct decision_event events[DECISION_EVENTS];
	int event_count;
	char relies_on[LEDGER_PATH]; /* a state that this decision builds on for the first time; "" for none */
	bool relies_on_old;	     /* and that Flink did not tell in this operation */
	struct doc *status;	     /* owned; its root is the whole new status */
	int64_t next_ms;	     /* look again after so long */
};

const char *subject_finalizer(enum subject subject);
/* Does the resource carry that finalizer? Without it decide() does not look at the observation: it is added first. */
bool subject_held(const struct node *resource, enum subject subject);
void decide(const struct decide_input *in, struct decision *out);
void decision_free(struct decision *d);
void decision_reason(struct decision *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void decision_event(struct decision *d, bool warning, const char *reason, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A job's id: the first 16 bytes of SHA-256("UID/NUMBER"), 32 hex digits. */
void job_id_of(const char *uid, int64_t launch, char out[33]);
/* The value of an annotation, borrowed; NULL if it is absent. */
const char *decide_annotation(const struct node *resource, const char *name);

#endif
