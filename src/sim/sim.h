/*
 * sim: a cluster in a box. A model of the part of the Kubernetes API that Weir and kubectl use, of the workload controllers behind it, and
 * of Flink, in virtual time. Simulation and contract tests use it in process (sim_http), `weir demo` and integration tests over HTTP
 * (sim_serve). Everything goes through sim_handle(); nothing reads a clock but the thread of sim_serve; all randomness comes from the seed,
 * so that the same calls give the same answers. Times are milliseconds since 1970 of the virtual clock, which stands still except in
 * sim_advance(). All functions lock, so that several threads may use one sim. State (savepoints, checkpoints) lives in a simulated storage:
 * a map from path to the value of the job's counter.
 */
#ifndef WEIR_SIM_SIM_H
#define WEIR_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "http/http.h"

struct sim;

/* Delays in virtual milliseconds; set before use, read at every decision. */
struct sim_options {
	int64_t schedule_ms;   /* a pod gets its node (50) */
	int64_t start_ms;      /* its container starts (500) */
	int64_t boot_ms;       /* a JobManager's REST API answers (1500) */
	int64_t deploy_ms;     /* job CREATED to RUNNING once the TaskManagers are there (500) */
	int64_t stop_ms;       /* a container stops after deletion (200) */
	int64_t savepoint_ms;  /* a savepoint takes (500) */
	int64_t result_ttl_ms; /* a savepoint's result is kept (300,000) */
	int64_t backoff_ms;    /* first crash-loop back-off, doubled up to 300,000 (10,000) */
	int64_t bookmark_ms;   /* between bookmarks on a watch that asks for them (60,000) */
	size_t watch_window;   /* events kept for resuming a watch (1000); older resource versions get 410 */
};

struct sim *sim_new(uint64_t seed); /* never NULL; holds namespaces default and kube-system, nodes node-1 and node-2 */
void sim_free(struct sim *sim);	    /* stops serving; NULL is fine */
struct sim_options *sim_options(struct sim *sim);

/* ---- time ---- */
int64_t sim_now_ms(struct sim *sim);
void sim_set_now(struct sim *sim, int64_t now_ms); /* before first use only: where virtual time starts */
void sim_advance(struct sim *sim, int64_t ms);	   /* runs every timer that falls due, in order */
/* Advances step by step until `done` says so; false when limit_ms passed before. `done` may call any function here. */
bool sim_run_until(struct sim *sim, int64_t limit_ms, bool (*done)(struct sim *sim, void *context), void *context);

/* ---- requests ---- */
/* One exchange. False only when a fault of kind time-out took the answer away; the response is then without meaning. */
bool sim_handle(struct sim *sim, const struct http_request *request, struct http_response *response);
/* The port. Valid as long as the sim; `read` of a watch never waits: it gives what is there (virtual time stands still meanwhile). */
struct http *sim_http(struct sim *sim);
/* Flink's REST API as http://SERVICE.NAMESPACE:8081 would reach it; owned by the sim. */
struct http *sim_service_http(struct sim *sim, const char *ns, const char *service);

/* ---- over HTTP ---- */
/* Serves on addr (an IPv4 address) and port (0: any free one; *bound says which); virtual time then runs `speed` times as fast as real. */
bool sim_serve(struct sim *sim, const char *addr, uint16_t port, double speed, uint16_t *bound, struct error *err);
void sim_stop(struct sim *sim);

/* ---- objects without HTTP, for tests ---- */
/* Creates every object of a YAML text (namespace default unless it says otherwise). */
bool sim_load_yaml(struct sim *sim, const char *yaml, struct error *err);
/* The object as JSON, or NULL; free() it. Resource as in "apps/deployments" or "configmaps". */
char *sim_object_json(struct sim *sim, const char *resource, const char *ns, const char *name);
size_t sim_object_count(struct sim *sim, const char *resource, const char *ns); /* ns NULL: all */
uint64_t sim_writes(struct sim *sim); /* resource versions given out so far: equal before and after means nothing was written */

/* ---- storage and jobs ---- */
bool sim_storage_get(struct sim *sim, const char *path, int64_t *value);
void sim_storage_put(struct sim *sim, const char *path, int64_t value);
size_t sim_storage_count(struct sim *sim, const char *prefix);
/* The i-th path under the prefix in byte order, or NULL; borrowed until the sim is used again. */
const char *sim_storage_at(struct sim *sim, const char *prefix, size_t i);

struct sim_job {
	char id[33], state[16]; /* state "" when there is no such job */
	int64_t counter;	/* -1: none */
	int64_t restored;	/* the value it started from; -1: started empty */
	int64_t checkpoints;	/* completed by this run of the JobManager */
	int64_t restarts;	/* of the job within this run of the JobManager */
};
bool sim_job(struct sim *sim, const char *ns, const char *cluster_id, struct sim_job *job); /* of the leading JobManager */
/* Times at which processes of two launches (two JobManager Deployments, by uid) of one cluster id ran at once: must stay 0. */
unsigned sim_violations(struct sim *sim);
/* What a run of a job began with, as it happened; job is NS/CLUSTER, for a session job NS/CLUSTER/NAME. */
struct sim_start {
	char job[192], launch[64]; /* launch: uid of the JobManager Deployment */
	int64_t at;
	bool again;	    /* another start of the same launch */
	char from[512];	    /* "": without state */
	char newest[512];   /* savepoint or checkpoint that was completed last before, by whatever run; "": none */
	char beside[512];   /* a savepoint of a job that ran on, later than that; "": none */
	char previous[512]; /* what the run before began with */
	bool since;	    /* that run completed something */
};
size_t sim_start_count(struct sim *sim);
struct sim_start sim_start_at(struct sim *sim, size_t i);
bool sim_newest(struct sim *sim, const char *job, char path[512]); /* false: nothing was ever completed */
/* Times a job started without state although an earlier one of that cluster id had completed a checkpoint. */
unsigned sim_empty_starts(struct sim *sim);

#endif
