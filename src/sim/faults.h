/*
 * faults: what goes wrong in the simulated cluster, on demand. A request fault is queued and spent by the next `times` requests whose
 * method and path match; the others change the state of nodes, storage or watches until taken back. Every function locks the sim.
 */
#ifndef WEIR_SIM_FAULTS_H
#define WEIR_SIM_FAULTS_H

#include "sim/sim.h"

enum sim_fault_kind {
	SIM_FAULT_STATUS,	/* answer with `status`, nothing done */
	SIM_FAULT_TIMEOUT,	/* no answer, nothing done */
	SIM_FAULT_TIMEOUT_DONE, /* no answer, but carried out */
	SIM_FAULT_DELAY,	/* virtual time passes first, then carried out */
};

struct sim_fault {
	enum sim_fault_kind kind;
	const char *method; /* or NULL for any; copied */
	const char *path;   /* part of the path with query, or NULL for any; copied */
	unsigned times;	    /* 0: once */
	unsigned skip;	    /* let so many matching requests pass first */
	int status;
	int64_t delay_ms;
	int64_t retry_after_ms; /* with STATUS */
};

void sim_fault(struct sim *sim, const struct sim_fault *fault);
void sim_faults_clear(struct sim *sim); /* request faults only */
size_t sim_faults_left(struct sim *sim);

/*
 * Pods on a frozen node (node-1, node-2) neither start nor stop, and new ones go to the other node; their Flink processes go on running,
 * even when the pod objects are removed by force.
 */
void sim_node_freeze(struct sim *sim, const char *node, bool frozen);
/* The container's process of a pod ends (exit code 137) and is restarted with back-off; false if there is none. */
bool sim_pod_kill(struct sim *sim, const char *ns, const char *pod);
/* The leading JobManager of a cluster id; true if there was one. */
bool sim_jobmanager_kill(struct sim *sim, const char *ns, const char *cluster_id);
/* The job itself fails once and goes by its restart strategy. */
bool sim_job_fail(struct sim *sim, const char *ns, const char *cluster_id);
bool sim_storage_lose(struct sim *sim, const char *path); /* one path is gone; was it there? */
/* While down, checkpoints and savepoints fail, and nothing can be restored. */
void sim_storage_down(struct sim *sim, bool down);
/* Watches deliver nothing until false again (then they catch up). */
void sim_watch_stall(struct sim *sim, bool stalled);
/* Forgets the history: every watch and every resume from before gets 410. */
void sim_watch_expire(struct sim *sim);
/* Ends all open watches in an orderly way. */
void sim_watch_break(struct sim *sim);

#endif
