/*
 * observation: what was just seen of one job's cluster. Filled by agent/observe, read by lifecycle. Every part can be unknown, which is
 * never taken for absent.
 */
#ifndef WEIR_LIFECYCLE_OBSERVATION_H
#define WEIR_LIFECYCLE_OBSERVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/ledger.h"

enum seen { SEEN_UNKNOWN, SEEN_ABSENT, SEEN_PRESENT };

enum job_state {
	JOB_NONE, /* not asked, or not on the list */
	JOB_INITIALIZING,
	JOB_CREATED,
	JOB_RUNNING,
	JOB_FAILING,
	JOB_FAILED,
	JOB_CANCELLING,
	JOB_CANCELED,
	JOB_FINISHED,
	JOB_RESTARTING,
	JOB_SUSPENDED,
	JOB_RECONCILING,
	JOB_STATE_COUNT
};
const char *job_state_name(enum job_state state); /* "RUNNING"; "" for JOB_NONE */
enum job_state job_state_of(const char *name);	  /* JOB_RECONCILING for an unknown name */
/* FAILED, CANCELED, FINISHED: Flink's globally terminal states. */
bool job_state_terminal(enum job_state state);

enum savepoint_seen { SAVEPOINT_UNKNOWN, SAVEPOINT_NO_SUCH_TRIGGER, SAVEPOINT_IN_PROGRESS, SAVEPOINT_COMPLETED, SAVEPOINT_FAILED };

struct observation {
	/* the JobManager Deployment */
	enum seen jm;
	char jm_uid[64];
	int64_t jm_launch; /* its weir.dev/launch annotation, 0 if none */
	bool jm_deleting, jm_available;
	bool jm_complete; /* its services and ConfigMaps exist, too */
	/* pods by Flink's labels */
	enum seen pods;
	int64_t jm_pods, tm_pods;
	int64_t waiting_pods; /* of them that no node has taken yet */
	int64_t jm_restarts;
	char trouble[48]; /* CrashLoopBackOff, ImagePullBackOff ... of a JobManager pod; "" for none */
	char trouble_text[400];
	/* HA metadata */
	enum seen ha;	    /* ConfigMaps of this cluster id */
	bool ha_checkpoint; /* some hold a checkpoint */
	/* Flink's REST API */
	enum seen rest; /* SEEN_PRESENT: it answered */
	char rest_error[200];
	int64_t running_jobs; /* all jobs of the cluster that are not terminal */
	enum job_state job;   /* of the live launch's job id; a session cluster that answers is JOB_RUNNING */
	char job_name[200];
	int64_t job_start;
	int64_t job_restarts;  /* since this JobManager started it; -1: not told */
	char failure[400];     /* root exception of a failed job */
	enum seen checkpoints; /* did it answer about checkpoints? */
	int64_t checkpoints_completed, checkpoints_failed;
	char checkpoint_path[LEDGER_PATH]; /* newest completed, restored or savepoint */
	char savepoint_path[LEDGER_PATH];  /* newest savepoint that the job reports */
	char absent_path[LEDGER_PATH];	   /* a state that this turn wanted to rely on, and that surely is not there any more; "" */
	char unproven_path[LEDGER_PATH];   /* one that no configured store can be asked about, but a probe pod can; "" */
	enum seen probe;		   /* the pod of the ledger's probe: it exists, or is gone */
	bool probe_done;		   /* and has answered: */
	enum seen probe_answer;
	char probe_why[160];
	char found_path[LEDGER_PATH];  /* a savepoint that lies in the target directory of the open stop attempt; "" for none seen */
	enum savepoint_seen savepoint; /* the operation of the open OP_STOP */
	char savepoint_location[LEDGER_PATH];
	char savepoint_failure[300];
	/* Snapshots, as far as the ledger has something open. */
	enum savepoint_seen snapshot;	 /* its open snapshot operation */
	char snapshot_path[LEDGER_PATH]; /* of a completed one; "" for a checkpoint whose path is not told */
	char snapshot_failure[300];
	enum seen snapshot_kind;     /* FlinkStateSnapshot is installed */
	enum seen snapshot_resource; /* that of snapshot_record_open() exists */
	enum seen needed;	     /* the record to be disposed of is needed by another job's ledger */
	char needed_by[120];
	enum savepoint_seen disposal; /* its open disposal */
	bool disposal_gone;	      /* it failed because the data are not there */
	char disposal_failure[300];
};

#endif
