/*
 * decide: what should happen next to one Flink job. Pure: no clock, no I/O, no log, no globals, no randomness.
 *
 * One call is one turn: the new ledger (to be written first, if it changed), at most one effect, the new status, events, and when to look
 * again. The result of an effect is whatever the next observation shows.
 */
#ifndef WEIR_LIFECYCLE_DECIDE_H
#define WEIR_LIFECYCLE_DECIDE_H

#include "lifecycle/observation.h"

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
	int64_t crash_restarts;       /* JobManager restarts of an unstable launch that count as failure */
	int64_t job_restarts;         /* restarts of the job of an unstable launch that count as failure */
	int64_t savepoint_timeout_ms; /* after this a stop is given up and tried anew */
	int64_t delete_deadline_ms;   /* a deletion whose savepoint cannot be had goes on after this from the newest known state */
	int64_t interval_ms;          /* look again at a quiet job */
	int64_t poll_ms;              /* look again while something moves */
};
struct policy policy_default(void);

/* The parts of the effective configuration that decisions need; agent/ computes them with flink/. */
struct job_config {
	bool checkpointing;   /* execution.checkpointing.interval is set */
	int64_t checkpoint_interval_ms;
	bool ha;
	char savepoint_dir[LEDGER_PATH - 64]; /* "" if not configured */
};

struct decide_input {
	const struct node *resource;      /* the FlinkDeployment as the API server holds it */
	const char *digest;               /* of its effective content (digest.h) */
	const char *commit;               /* that its content came from, or "" */
	const char *invalid;              /* why its spec is not valid, or NULL */
	const struct ledger *ledger;
	const struct observation *seen;
	const struct policy *policy;
	const struct job_config *config;
	const char *leader;               /* identity and term, for intents */
	const char *fresh_id;             /* 32 hex digits that nobody used before: a trigger id */
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
	struct doc *status; /* owned; its root is the whole new status */
	int64_t next_ms;    /* look again after so long */
};

void decide(const struct decide_input *in, struct decision *out);
void decision_free(struct decision *d);
void decision_reason(struct decision *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void decision_event(struct decision *d, bool warning, const char *reason, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A job's id: the first 16 bytes of SHA-256("UID/NUMBER"), 32 hex digits. */
void job_id_of(const char *uid, int64_t launch, char out[33]);
/* The value of an annotation, borrowed; NULL if it is absent. */
const char *decide_annotation(const struct node *resource, const char *name);

#endif
