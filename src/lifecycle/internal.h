/* internal: one turn in the making, shared by the files of lifecycle/ only. */
#ifndef WEIR_LIFECYCLE_INTERNAL_H
#define WEIR_LIFECYCLE_INTERNAL_H

#include "lifecycle/decide.h"

enum upgrade_mode { MODE_STATELESS, MODE_SAVEPOINT, MODE_LAST_STATE };

/* What should run. */
enum target_kind { TARGET_NOTHING, TARGET_SPEC, TARGET_STABLE };

struct turn {
	const struct decide_input *in;
	struct decision *out;
	struct ledger *ledger; /* &out->ledger */
	const struct node *spec;
	bool deleting;
	enum upgrade_mode mode;
	bool mode_given; /* upgradeMode is written in the resource */
	enum target_kind target;
	const char *target_digest; /* NULL for TARGET_NOTHING */
};

/* stop.c: ends the live launch, state first. */
void stop_begin(struct turn *t, const char *reason);
void stop_continue(struct turn *t);   /* op OP_STOP */
void remove_continue(struct turn *t); /* op OP_REMOVE */
/* launch.c */
void launch_begin(struct turn *t);
void launch_continue(struct turn *t); /* op OP_LAUNCH */
/* watch.c: a launch that should be as it is: progress, stability, failure. */
void watch_launch(struct turn *t);
/* rollback.c */
/*
 * Is it shown, and not merely unseen, that the live launch completed no checkpoint? Then, and only then, the state it started from is still
 * the newest.
 */
bool proven_no_checkpoint(const struct turn *t);
/* What the JobManager tells of its newest checkpoint goes into the ledger; NULL if it did not tell in this turn. */
const char *told_checkpoint(struct turn *t);
/* The live launch's JobManager is gone without our doing. */
void recover_lost_jobmanager(struct turn *t);
bool cluster_unseen(const struct turn *t); /* some part of it is unknown */
bool launch_failed(const struct turn *t, const struct ledger_launch *launch, char *why, size_t size);
void rollback_begin(struct turn *t, const char *why);
/* status.c */
void status_build(struct turn *t);

void turn_op(struct turn *t, enum op_kind kind, const char *reason);

#endif
