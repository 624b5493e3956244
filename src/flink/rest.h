/*
 * rest: Flink's REST API, for the versions 1.13 to 2.x. Each function is one bounded exchange over the HTTP port; nothing is kept between
 * calls and nothing waits. Unknown fields are ignored, missing optional ones leave their zero. Times are milliseconds since 1970.
 *
 * Errors: ERROR_NOT_FOUND (no such job or operation), ERROR_CONFLICT, ERROR_TRANSIENT (not reachable or not ready: nothing happened),
 * ERROR_UNKNOWN_OUTCOME (a changing call that may have happened), ERROR_FORBIDDEN, ERROR_INVALID (the request or the answer), ERROR_LIMIT.
 */
#ifndef WEIR_FLINK_REST_H
#define WEIR_FLINK_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/doc.h"
#include "base/error.h"
#include "flink/versions.h"
#include "http/http.h"

enum {
	FLINK_ID_MAX = 64, /* job and trigger ids; 32 hex digits as a rule */
	FLINK_NAME_TEXT_MAX = 256,
	FLINK_STATE_MAX = 24,
	FLINK_PATH_MAX = 2048,
	FLINK_CAUSE_MAX = 1024, /* longer ones are cut */
};

struct flink_overview {
	char version[FLINK_ID_MAX], commit[FLINK_ID_MAX];
	int64_t taskmanagers, slots_total, slots_available;
	int64_t jobs_running, jobs_finished, jobs_cancelled, jobs_failed;
};

struct flink_job {
	char id[FLINK_ID_MAX];
	char name[FLINK_NAME_TEXT_MAX];
	char state[FLINK_STATE_MAX];	       /* as Flink says: RUNNING, FAILED, ... */
	char effective_state[FLINK_STATE_MAX]; /* RUNNING only if all tasks run or have finished, otherwise CREATED */
	int64_t start_ms, end_ms, modified_ms;
	int64_t tasks_total, tasks_running, tasks_finished, tasks_failed, tasks_canceled;
};

struct flink_jobs {
	struct flink_job *items; /* owned */
	size_t count;
};
void flink_jobs_free(struct flink_jobs *jobs);
#define AUTOJOBS __attribute__((cleanup(flink_jobs_free))) struct flink_jobs

struct flink_exceptions {
	char root[FLINK_CAUSE_MAX];	/* first lines of the newest failure's stack trace, "" if none */
	char name[FLINK_NAME_TEXT_MAX]; /* its class, "" if the version does not say */
	int64_t at_ms;
	size_t count; /* entries of the history */
};

struct flink_checkpoint {
	bool present;
	int64_t id;
	char path[FLINK_PATH_MAX]; /* "" if it is not addressable from outside */
	int64_t at_ms;		   /* triggered, or for `restored` when it was restored */
	int64_t state_size;
	bool is_savepoint;
};

struct flink_checkpoints {
	int64_t total, completed, failed, in_progress, restored_count;
	struct flink_checkpoint latest_completed, latest_savepoint, latest_failed, restored;
	int64_t pending_at_ms; /* trigger time of the newest one if that is in progress, or 0 */
};

enum flink_operation_state { FLINK_IN_PROGRESS, FLINK_COMPLETED, FLINK_FAILED };

struct flink_operation {
	enum flink_operation_state state;
	/* Of a completed savepoint; also of a failed stop whose savepoint was made all the same (the job then failed while stopping). */
	char location[FLINK_PATH_MAX];
	int64_t checkpoint_id;	     /* of a completed checkpoint */
	char cause[FLINK_CAUSE_MAX]; /* of a failure: its first lines */
};

struct flink_cluster_config {
	char version[FLINK_ID_MAX], revision[FLINK_NAME_TEXT_MAX];
};

/* ---- reading ---- */
bool flink_overview(const struct http *http, struct flink_overview *out, struct error *err);
bool flink_cluster_config(const struct http *http, struct flink_cluster_config *out, struct error *err);
bool flink_jobs(const struct http *http, struct flink_jobs *out, struct error *err);
bool flink_job_details(const struct http *http, const char *job, struct flink_job *out, struct error *err);
bool flink_job_exceptions(const struct http *http, const char *job, struct flink_exceptions *out, struct error *err);
/* Restarts since the start; -1 if this version does not tell. */
bool flink_job_restarts(const struct http *http, const char *job, int64_t *out, struct error *err);
/* All zero if the job's checkpointing is off. */
bool flink_checkpoints(const struct http *http, const char *job, struct flink_checkpoints *out, struct error *err);
bool flink_taskmanagers(const struct http *http, size_t *count, struct error *err);

struct flink_vertex {
	char id[FLINK_ID_MAX];
	char name[FLINK_NAME_TEXT_MAX];
	char state[FLINK_STATE_MAX];
	int64_t parallelism, max_parallelism; /* max -1: not told */
};

struct flink_vertices {
	struct flink_vertex *items; /* owned */
	size_t count;
};
void flink_vertices_free(struct flink_vertices *vertices);
#define AUTOVERTICES __attribute__((cleanup(flink_vertices_free))) struct flink_vertices
bool flink_job_vertices(const struct http *http, const char *job, struct flink_vertices *out, struct error *err);

struct flink_job_config {
	char name[FLINK_NAME_TEXT_MAX];
	int64_t parallelism;			    /* -1: not told */
	char restart_strategy[FLINK_NAME_TEXT_MAX]; /* in Flink's words */
};
bool flink_job_config(const struct http *http, const char *job, struct flink_job_config *out, struct error *err);

/* ---- rescaling in place, where version->resource_requirements and the job has the adaptive scheduler ---- */
struct flink_requirement {
	char vertex[FLINK_ID_MAX];
	int64_t lower, upper; /* bounds of its parallelism */
};

struct flink_requirements {
	struct flink_requirement *items; /* owned */
	size_t count;
};
void flink_requirements_free(struct flink_requirements *requirements);
#define AUTOREQUIREMENTS __attribute__((cleanup(flink_requirements_free))) struct flink_requirements
bool flink_requirements_get(const struct http *http, const char *job, struct flink_requirements *out, struct error *err);
/* Replaces all of them. The same request may be repeated. */
bool flink_requirements_put(const struct http *http, const char *job, const struct flink_requirements *requirements, struct error *err);

/* ---- jars of session clusters ---- */
enum {
	FLINK_JAR_ID_MAX = 512,
	FLINK_JAR_BYTES_MAX = 512 * 1024 * 1024, /* of one upload, which is held in memory */
	FLINK_JAR_UPLOAD_MS = 120000,
};

/*
 * Sends the file under a name made from `name` (its last part; what is no letter, digit, '.', '_' or '-' becomes '_'; ends in ".jar").
 * ERROR_NOT_FOUND, ERROR_INVALID: the file is not there, or is none; ERROR_LIMIT: larger than FLINK_JAR_BYTES_MAX. Repeating it after
 * ERROR_UNKNOWN_OUTCOME is harmless, but leaves a second jar until the JobManager restarts.
 */
bool flink_jar_upload(const struct http *http, const char *file, const char *name, char jar[FLINK_JAR_ID_MAX], struct error *err);

struct flink_jar_run {
	const struct flink_version *version; /* never NULL */
	const char *job_id;		     /* 32 hex digits of our own; NULL: the server makes one */
	const char *entry_class;	     /* NULL: as the jar's manifest says */
	const struct node *args;	     /* list of strings, or NULL */
	int64_t parallelism;		     /* 0: the cluster's default */
	const char *savepoint_path;	     /* NULL: starts empty */
	bool allow_non_restored_state;
	const char *claim_mode;		  /* "NO_CLAIM", "CLAIM", "LEGACY"; only sent with a path, where the version takes it */
	const struct node *configuration; /* flat map of strings, or NULL; only sent where the version takes it */
	int64_t timeout_ms;		  /* the job's main() runs inside this call; 0: 10 s */
};
/*
 * ERROR_UNKNOWN_OUTCOME: the job of that id may exist. ERROR_CONFLICT: it does, or did. ERROR_NOT_FOUND: no such jar (a JobManager keeps
 * them for its life only). ERROR_INVALID: Flink refused it; the message ends with what main() threw (which it may have done
 * after it submitted the job).
 */
bool flink_jar_run(const struct http *http, const char *jar, const struct flink_jar_run *run, char job[FLINK_ID_MAX], struct error *err);
/* ERROR_NOT_FOUND: it is gone already. */
bool flink_jar_delete(const struct http *http, const char *jar, struct error *err);

/* ---- operations: start, then poll. trigger_id NULL: the server makes one; `out` gets the one in force ---- */
struct flink_savepoint_request {
	const char *directory;		     /* NULL: the job's default */
	const char *format;		     /* "CANONICAL" or "NATIVE"; NULL: the version's default */
	const char *trigger_id;		     /* 32 hex digits of our own, or NULL */
	const struct flink_version *version; /* what it does not take (format, trigger id) is left out; NULL: it takes everything */
};
bool flink_savepoint_trigger(const struct http *http, const char *job, const struct flink_savepoint_request *request,
			     char out[FLINK_ID_MAX], struct error *err);
bool flink_stop_with_savepoint(const struct http *http, const char *job, const struct flink_savepoint_request *request, bool drain,
			       char out[FLINK_ID_MAX], struct error *err);
/* Of either of the two. */
bool flink_savepoint_poll(const struct http *http, const char *job, const char *trigger_id, struct flink_operation *out, struct error *err);
/* Where version->checkpoint_trigger. type: "FULL", "INCREMENTAL", "CONFIGURED" or NULL. */
bool flink_checkpoint_trigger(const struct http *http, const char *job, const char *type, const char *trigger_id, char out[FLINK_ID_MAX],
			      struct error *err);
bool flink_checkpoint_poll(const struct http *http, const char *job, const char *trigger_id, struct flink_operation *out,
			   struct error *err);
/* Where a completed checkpoint is; "" if it is not addressable from outside. ERROR_NOT_FOUND: Flink has forgotten it. */
bool flink_checkpoint_path(const struct http *http, const char *job, int64_t checkpoint_id, char out[FLINK_PATH_MAX], struct error *err);
bool flink_savepoint_dispose(const struct http *http, const char *path, char out[FLINK_ID_MAX], struct error *err);
bool flink_savepoint_dispose_poll(const struct http *http, const char *trigger_id, struct flink_operation *out, struct error *err);
/* Accepted only: the job is canceled when its state says so. */
bool flink_cancel(const struct http *http, const char *job, struct error *err);

/* Has the job come to its end in this state (FINISHED, CANCELED, FAILED)? SUSPENDED is not an end: another JobManager may take over. */
bool flink_state_is_terminal(const char *state);

#endif
