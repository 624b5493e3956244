/* internal: one turn in the making, shared by the files of lifecycle/ only. */
#ifndef WEIR_LIFECYCLE_INTERNAL_H
#define WEIR_LIFECYCLE_INTERNAL_H

#include "lifecycle/decide.h"

enum upgrade_mode { MODE_STATELESS, MODE_SAVEPOINT, MODE_LAST_STATE };

/* What should run. */
enum target_kind { TARGET_NOTHING, TARGET_SPEC, TARGET_STABLE };

struct turn {
	const struct decide_input *in;
	enum subject subject; /* in->subject */
	struct decision *out;
	struct ledger *ledger; /* &out->ledger */
	const struct node *spec;
	bool deleting;
	enum upgrade_mode mode;
	bool mode_given; /* upgradeMode is written in the resource */
	bool theirs;	 /* nothing of it was looked at as Weir's own yet: the status stays another controller's */
	enum target_kind target;
	const char *target_digest; /* NULL for TARGET_NOTHING */
};

/* stop.c: ends the live launch, state first. */
void stop_begin(struct turn *t, const char *reason); /* stop_choose.c */
/* The ways that it chooses from. */
void stop_savepoint(struct turn *t, const char *reason);
void stop_cancel(struct turn *t, const char *reason); /* the newest retained checkpoint is what it goes on from */
void stop_give_up(struct turn *t, const char *told);  /* a deletion goes on without a savepoint */
void stop_restore(struct turn *t, const char *path);  /* the next launch starts from there */
void stop_continue(struct turn *t);		      /* op OP_STOP */
void remove_continue(struct turn *t);		      /* op OP_REMOVE */
void remove_begin(struct turn *t, const char *reason, bool keep_ha);
/* probe.c */
void probe_note(struct turn *t); /* what the pod said goes into the ledger */
void probe_step(struct turn *t); /* ends it, once nothing else is to do */
/*
 * The turn is about to rely on that path, which is old if Flink did not tell it just now. True: it surely is not there, or a pod has to look
 * first; the turn waits.
 */
bool state_unusable(struct turn *t, const char *path, bool old);
/* clean.c */
void clean_note(struct turn *t); /* what the live launch makes in HA storage */
void clean_step(struct turn *t); /* cleans up one directory that nothing uses any more, if nothing else is to do */
/* Everything of a deleted resource is gone but its directories: is one to be waited for? */
bool clean_holds_deletion(struct turn *t);
/* Nothing can be done now; `why` goes into the status, too. */
void wait_for(struct turn *t, const char *why);
/* launch.c */
void launch_begin(struct turn *t);
void launch_continue(struct turn *t); /* op OP_LAUNCH */
/* Where a new savepointRedeployNonce wants the job to start from; NULL if none is asked for. */
const char *redeploy_path(const struct turn *t);
/* watch.c: a launch that should be as it is: progress, stability, failure. */
void watch_launch(struct turn *t);
/* A JobManager that answers and for a while has not listed a job that once ran: it was restarted after the job had ended. */
bool job_forgotten(struct turn *t);
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
bool cluster_unseen(const struct turn *t);						     /* some part of it is unknown */
int64_t launch_restarts(const struct ledger_launch *launch, const struct observation *seen); /* of its job, since it is this version */
/* The clock of silence: it stands while an API does not answer or a pod has no node, which is no evidence against a version. */
void note_silence(const struct turn *t, struct ledger_launch *live);
bool launch_failed(const struct turn *t, const struct ledger_launch *launch, char *why, size_t size);
void rollback_begin(struct turn *t, const char *why);
void rollback_by_hand(struct turn *t); /* weir.dev/rollback: makes an earlier stable launch the target */
/* session.c: session clusters and session jobs. */
void drain_begin(struct turn *t, const char *reason); /* a session cluster goes down once its jobs are stopped with their state */
void drain_continue(struct turn *t);		      /* op OP_DRAIN */
/* Op OP_REMOVE of a session job: the cluster stays, the job has to end. True once it has. */
bool session_job_gone(struct turn *t);
/* Is a session job that its cluster does not list really lost, and not merely being recovered? */
bool session_job_lost(struct turn *t);
/* Is something of an earlier launch still running? */
bool place_taken(const struct turn *t);
/* Op OP_LAUNCH of a session job that its cluster does not list. */
void submit_continue(struct turn *t, struct ledger_launch *launch, bool wanted);
const char *plain_path(const char *path); /* stop.c: to compare paths by */
/* snapshot.c */
void snapshot_step(struct turn *t); /* after everything else was decided: takes the turn only if that did nothing */
/* Is a snapshot open that a stop waits for? Says so then. */
bool snapshot_holds_stop(struct turn *t);
/* A snapshot was made: it becomes a record. */
struct ledger_record *snapshot_note(struct turn *t, enum snapshot_kind kind, const char *path, const char *type, const char *format);
/* Was that savepoint made by a stop, and not of a job that ran on? */
bool snapshot_of_stop(const struct ledger *l, const char *path);
/* snapshot_cleanup.c: one step of disposing of what is old. */
void cleanup_step(struct turn *t);
void cleanup_records(struct turn *t); /* what is only to be forgotten, or only a resource */
/* snapshot_status.c: status.jobStatus' savepointInfo and checkpointInfo; the nonces that were handled into a lastReconciledSpec. */
void snapshot_status(const struct turn *t, struct doc *doc, struct node *job_status);
void snapshot_put_nonces(const struct ledger *l, struct doc *doc, struct node *spec);
/* adjust.c: can the change be made while the job runs? Then it has been begun; the fields are among the reasons. */
bool adjust_begin(struct turn *t);
void adjust_continue(struct turn *t); /* op OP_ADJUST */
/* health.c: does a stable job have to be restarted? Then it has been begun. */
bool health_restart(struct turn *t);
/* takeover.c */
bool takeover_allowed(struct turn *t); /* false: another controller wrote the status, and nobody said that Weir takes over */
/* False: this turn is over, it waits or has adopted. */
bool takeover_move(struct turn *t);
bool takeover_adopt(struct turn *t);
void adopt_cluster(struct turn *t); /* a cluster that another operator made gets the marks of its launch */
/* status.c */
void status_build(struct turn *t);
/* The status as it is, with condition ForeignController. */
void status_foreign(struct turn *t, const char *why);

void turn_op(struct turn *t, enum op_kind kind, const char *reason);

#endif
