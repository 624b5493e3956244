/*
 * rest: Flink's REST API, for the versions 1.15 to 2.x. Each function is one bounded exchange over the HTTP port; nothing is kept between
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

#include "base/error.h"
#include "http/http.h"

enum {
	FLINK_ID_MAX = 64,      /* job and trigger ids; 32 hex digits as a rule */
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
	char state[FLINK_STATE_MAX];           /* as Flink says: RUNNING, FAILED, ... */
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
	char root[FLINK_CAUSE_MAX]; /* first lines of the newest failure's stack trace, "" if none */
	char name[FLINK_NAME_TEXT_MAX]; /* its class, "" if the version does not say */
	int64_t at_ms;
	size_t count; /* entries of the history */
};

struct flink_checkpoint {
	bool present;
	int64_t id;
	char path[FLINK_PATH_MAX]; /* "" if it is not addressable from outside */
	int64_t at_ms;             /* triggered, or for `restored` when it was restored */
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
	int64_t checkpoint_id;         /* of a completed checkpoint */
	char cause[FLINK_CAUSE_MAX];   /* of a failure: its first lines */
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
bool flink_checkpoints(const struct http *http, const char *job, struct flink_checkpoints *out, struct error *err);
bool flink_taskmanagers(const struct http *http, size_t *count, struct error *err);

/* ---- operations: start, then poll. trigger_id NULL: the server makes one; `out` gets the one in force ---- */
struct flink_savepoint_request {
	const char *directory;  /* NULL: the job's default */
	const char *format;     /* "CANONICAL" or "NATIVE"; NULL: the version's default */
	const char *trigger_id; /* 32 hex digits of our own, where the version takes one; NULL otherwise */
};
bool flink_savepoint_trigger(const struct http *http, const char *job, const struct flink_savepoint_request *request,
			     char out[FLINK_ID_MAX], struct error *err);
bool flink_stop_with_savepoint(const struct http *http, const char *job, const struct flink_savepoint_request *request, bool drain,
			       char out[FLINK_ID_MAX], struct error *err);
/* Of either of the two. */
bool flink_savepoint_poll(const struct http *http, const char *job, const char *trigger_id, struct flink_operation *out, struct error *err);
/* type: "FULL", "INCREMENTAL", "CONFIGURED" or NULL. */
bool flink_checkpoint_trigger(const struct http *http, const char *job, const char *type, const char *trigger_id, char out[FLINK_ID_MAX],
			      struct error *err);
bool flink_checkpoint_poll(const struct http *http, const char *job, const char *trigger_id, struct flink_operation *out,
			   struct error *err);
bool flink_savepoint_dispose(const struct http *http, const char *path, char out[FLINK_ID_MAX], struct error *err);
bool flink_savepoint_dispose_poll(const struct http *http, const char *trigger_id, struct flink_operation *out, struct error *err);
/* Accepted only: the job is canceled when its state says so. */
bool flink_cancel(const struct http *http, const char *job, struct error *err);

/* Has the job come to its end in this state (FINISHED, CANCELED, FAILED)? SUSPENDED is not an end: another JobManager may take over. */
bool flink_state_is_terminal(const char *state);

#endif
