/*
 * flink_model: what flink.c (processes and jobs) shares with flink_rest.c (their REST API). Private to src/sim; the sim's lock is held.
 */
#ifndef WEIR_SIM_FLINK_MODEL_H
#define WEIR_SIM_FLINK_MODEL_H

#include "sim/internal.h"

struct checkpoint {
	int64_t id, value, at;
	char *path;
	bool savepoint, native;
};

struct operation { /* a savepoint, a stop with savepoint, a checkpoint, or the disposal of a savepoint, by trigger id */
	struct operation *next;
	char *trigger, *dir, *location, *failure;
	char *job; /* id, of one among a process's misses; else NULL */
	bool stop, done, disposal, checkpoint, native;
	int64_t checkpoint_id;		    /* of a checkpoint that is done */
	int64_t due_at, done_at, finish_at; /* finish_at: the stopping job's end, once its savepoint is written */
};

struct job {
	char id[33];
	char *name;
	const char *state;
	int64_t started_at, ended_at, changed_at, deploy_at, next_checkpoint_at;
	int64_t base, running_since; /* counter = base + time since running_since / 10; running_since -1: it stands */
	int64_t interval, fail_after, finish_after, next_id, restarts, retry_at;
	int64_t completed, failed, restored_count, savepoints;
	struct checkpoint restored, latest, savepoint; /* path NULL: none */
	struct checkpoint *kept;		       /* own retained checkpoints, oldest first */
	size_t kept_count;
	char *exception;
	int64_t exception_at;
	struct operation *operations;
	bool fail_next;
};

struct process {
	struct process *next;
	char *uid, *ns, *pod, *cluster, *launch;
	bool jobmanager, native, rest_up, ready, leader, application, ha;
	int64_t up_at;		 /* its REST API answers from then on */
	struct process *session; /* of a session job: its cluster's JobManager; it shares its pod */
	struct doc *config;	 /* flat: key to text */
	struct job *job;
	struct operation *misses;	    /* asked of jobs that do not run here: accepted, and failed */
	int64_t attempt, idle_at, timer_at; /* timer_at: when the next look is due, -1 if none is */
};

const char *conf(const struct process *p, const char *key, const char *alternative); /* NULL if neither is set */
struct doc *read_config(const struct node *data);				     /* flat; of a ConfigMap's data */
int64_t duration_ms(const char *text, int64_t otherwise);
int64_t job_counter(const struct sim *sim, const struct job *job);
bool job_terminal(const struct job *job);
void job_free(struct job *j);
void job_state(struct sim *sim, struct job *j, const char *state);
void job_failed(struct sim *sim, struct process *p, const char *why); /* while running: the restart strategy decides */
/* Makes the process's job, with the state it starts from; false: it cannot start, and why. */
bool job_prepare(struct sim *sim, struct process *p, const char **why);
void job_log(struct sim *sim, struct process *p, const char *line); /* into the first TaskManager's log */
void checkpoint_take(struct sim *sim, struct process *p);
void operation_run(struct sim *sim, struct process *p, struct operation *o); /* one that is due */
void graph_forget(struct sim *sim, const struct process *p);
struct object *ha_map(struct sim *sim, const struct process *p, const char *name, bool make);
void job_finish(struct sim *sim, struct process *p); /* a bounded job came to its end */
void job_cancel(struct sim *sim, struct process *p);
/* Takes a savepoint later, stopping the job then if `stop`. */
void operation_free(struct operation *o);
struct operation *job_trigger(struct sim *sim, struct process *p, const char *trigger, const char *dir, bool stop);
/* Takes a checkpoint later, besides those of the job's own interval. */
struct operation *job_trigger_checkpoint(struct sim *sim, struct process *p, const char *trigger);
/* Starts a job in a session cluster; config is taken: the cluster's with the job's own on top. NULL and why: it cannot start. */
struct process *session_submit(struct sim *sim, struct process *cluster, struct doc *config, const char **why);
/* The job of that id, in the process itself or in its session. */
struct process *process_of_job(struct sim *sim, struct process *p, const char *id);
size_t taskmanagers_of(struct sim *sim, const struct process *p, size_t *running);
int64_t cluster_need(const struct sim *sim, const struct process *p); /* TaskManagers, of all jobs of a session together */
void taskmanager_create(struct sim *sim, struct process *p, size_t n);
void taskmanagers_drop(struct sim *sim, struct process *p, bool failed_only);
void process_poke(struct sim *sim, struct process *p);
/* flink_rest.c */
void flink_problem(struct call *call, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* flink_operations.c: p is the job's process, NULL if there is no such job. */
void operation_post(struct call *call, struct process *jobmanager, struct process *p, const char *job, bool stop);
void operation_get(struct call *call, struct process *jobmanager, struct process *p, const char *job, const char *id, bool checkpoint);
void operation_post_checkpoint(struct call *call, struct process *jobmanager, struct process *p, const char *job);
void operation_post_disposal(struct call *call, struct process *jobmanager);
void operation_get_disposal(struct call *call, struct process *jobmanager, const char *id);
struct process *process_of_service(struct sim *sim, const char *ns, const char *service);
#endif
