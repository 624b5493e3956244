/*
 * state_snapshot: what should happen next to one FlinkStateSnapshot. Pure, as decide() is.
 *
 * Its status is its write-ahead log: the trigger id is written there before Flink is asked (the caller writes the status first, then
 * carries out the effect). What became of an effect is seen in the next turn. The peer's states and labels; a deletion that cannot dispose
 * of the data ends all the same, and says that the data are left.
 */
#ifndef WEIR_LIFECYCLE_STATE_SNAPSHOT_H
#define WEIR_LIFECYCLE_STATE_SNAPSHOT_H

#include "lifecycle/decide.h"

#define STATE_SNAPSHOT_FINALIZER "flinkstatesnapshots.flink.apache.org/finalizer"
/* On a checkpoint's: where it is. Flink made it before the resource was there; there is nothing to ask for. */
#define STATE_SNAPSHOT_RECORDED "weir.dev/recorded-path"

enum state_snapshot_effect {
	STATE_SNAPSHOT_NONE,
	STATE_SNAPSHOT_ADD_FINALIZER,
	STATE_SNAPSHOT_TRIGGER, /* under status.triggerId; an older Flink's own id goes into the status afterwards */
	STATE_SNAPSHOT_DISPOSE, /* of status.path */
	STATE_SNAPSHOT_REMOVE_FINALIZER,
};

struct state_snapshot_input {
	const struct node *resource; /* the FlinkStateSnapshot, as the API server holds it */
	enum seen target;	     /* the resource that it names exists and is ours to look after */
	bool coming;		     /* its job does not run yet, but is meant to */
	enum seen rest;		     /* its Flink answered */
	enum job_state job;
	const char *savepoint_dir;	  /* of its configuration; "" if there is none */
	bool can_checkpoint, own_trigger; /* its Flink takes checkpoint requests, takes trigger ids of ours */
	enum savepoint_seen operation;	  /* under status.triggerId */
	const char *path, *failure;	  /* of a completed, of a failed one */
	enum savepoint_seen disposal;	  /* under state_snapshot_disposal() */
	bool disposal_gone;		  /* it failed because the data are not there */
	const char *disposal_failure;
	enum seen needed; /* a ledger of the namespace needs the data; asked when it is being deleted */
	const char *needed_by;
	const struct policy *policy;
	const char *fresh_id;
	int64_t now_ms;
};

struct state_snapshot_output {
	enum state_snapshot_effect effect;
	struct doc *status;  /* owned; its root is the whole new status */
	struct node *labels; /* borrowed from it: what metadata.labels must hold */
	bool has_event;
	struct decision_event event;
	int64_t next_ms; /* INT64_MAX: not before it changes */
};

void state_snapshot_decide(const struct state_snapshot_input *in, struct state_snapshot_output *out);
void state_snapshot_free(struct state_snapshot_output *out);

/* An enum snapshot_kind. */
int64_t state_snapshot_kind(const struct node *resource);
/* The directory that a savepoint goes to: its own, or the job's. */
const char *state_snapshot_dir(const struct state_snapshot_input *in);
/* The trigger id of the disposal that is under way, or "". */
void state_snapshot_disposal(const struct node *resource, char out[65]);
/* Flink did not take the trigger: the attempt has failed. */
void state_snapshot_refused(const struct state_snapshot_input *in, struct state_snapshot_output *out, const char *why);
/* Notes in a new status what Flink answered to a disposal or, an older one, to a trigger. */
void state_snapshot_answered(struct state_snapshot_output *out, const char *trigger);

#endif
