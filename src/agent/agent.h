/*
 * agent: the long-running process: pollers of sources, one work queue, workers, the executor of decisions, leadership, shutdown. The only
 * place that owns threads. What the threads do are steps and turns: straight-line code against ports (http, clock, random, sources), which
 * the simulator of tests/simulation runs on one thread, unchanged.
 */
#ifndef WEIR_AGENT_AGENT_H
#define WEIR_AGENT_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "agent/config.h"
#include "agent/queue.h"
#include "base/random.h"
#include "base/wtime.h"
#include "kube/cache.h"
#include "kube/kube.h"
#include "kube/lease.h"
#include "lifecycle/decide.h"
#include "serve/metrics.h"

enum flink_access { FLINK_ACCESS_SERVICE, FLINK_ACCESS_PROXY };

struct render_result;

/* The port to what is followed: a source's newest revision comes in by poll, a sync's objects go out by render. All borrowed. */
struct source_port {
	void *context;
	/* One look at a source of the configuration. True in *changed: another revision is in force, or its trouble is another one. */
	bool (*poll)(void *context, size_t source, bool *changed, struct error *err);
	/*
	 * Renders a sync's path from the last good revision of its source. *commit is "" if there is none yet. False: it could not be
	 * rendered (err). *note gets what is wrong with the source itself, "" for nothing.
	 */
	bool (*render)(void *context, const struct sync_config *sync, char commit[41], struct render_result *out, char note[300],
		       struct error *err);
};

struct agent {
	const struct agent_config *config;
	const struct http *http; /* the API server; borrowed */
	struct kube *kube;
	struct clock clock;
	struct policy policy;
	enum flink_access access;
	char identity[80]; /* of this process, in the Lease and in intents */
	struct lease *lease;
	atomic_bool leading;
	_Atomic int64_t lease_until; /* monotonic ms: acting stops when it has passed */
	atomic_bool stopping;
	atomic_uint busy; /* threads that may still be doing something; the watcher only listens */
	struct queue *queue;
	struct metrics *metrics;
	atomic_bool polled; /* every source was asked once: ready */
	struct source_port sources;
	const struct state_stores *stores; /* where savepoints and checkpoints can be looked for; NULL: nowhere. Borrowed */
	struct random random;
	struct kube_cache *cache; /* cached.c; NULL: every look asks the server */
	unsigned *watch_failures; /* of each table of the cache, in a row; each its watcher's */
	unsigned *poll_failures;  /* of each source, in a row; each its poller's */
};

/* ---- steps (steps.c): what the threads repeat ---- */
/* Makes what the steps need: identity, queue, lease, watch. The ports, configuration, policy and metrics are set before. */
void agent_open(struct agent *agent);
void agent_close(struct agent *agent);
/* Runs the turn of the key that has been due longest. False: none is due, and the next will be in *wait_ms (INT64_MAX: none known). */
bool agent_work_step(struct agent *agent, int64_t *wait_ms);
/* The others return after how many ms the next step is to be taken. */
int64_t agent_watch_step(struct agent *agent, size_t table, int64_t wait_ms); /* of a table of the cache; waits up to wait_ms for events */
int64_t agent_poll_step(struct agent *agent, size_t source);
int64_t agent_lead_step(struct agent *agent);

/* The syncs of a source, or with NULL all, are to take their turn. */
void agent_wake_syncs(struct agent *agent, const char *source);

/* ---- cached.c: what the agent keeps of the cluster, and whose turn a change wakes ---- */
struct kube_cache *cached_new(struct agent *agent);
bool cached_step(struct agent *agent, size_t table, int64_t wait_ms, struct error *err);
const char *cached_name(const struct agent *agent, size_t table); /* for messages */
void cached_wake_all(struct agent *agent);			  /* every job and session job */

/* May a side effect be started now? */
bool agent_may_act(void *agent);
/* Runs until SIGTERM or SIGINT. False: it could not start. */
bool agent_run(struct agent *agent, struct error *err);

/* ---- turns: the delay until the next one in ms, INT64_MAX for none; errors are logged and backed off by the caller (err->kind) ---- */
int64_t sync_turn(struct agent *agent, const char *sync, struct error *err);
/* The identity that a sync writes with: its service account's, owned (kube_free); NULL: the agent's own. */
struct kube *agent_kube_for(const struct agent *agent, const struct sync_config *sync);
/* Of a FlinkDeployment or a FlinkSessionJob. */
int64_t job_turn(struct agent *agent, const struct kube_resource *kind, const char *ns, const char *name, struct error *err);

/* Of a FlinkStateSnapshot (snapshot_turn.c). */
int64_t snapshot_turn(struct agent *agent, const char *ns, const char *name, struct error *err);
/* Does Weir look after that resource? */
bool job_is_ours(const struct agent *agent, const struct node *resource, const struct ledger *ledger);
void job_fresh_id(struct agent *agent, char out[33]);

/*
 * What job_turn would decide if the resource were as given, without writing anything: `weir plan`. decision_free releases *out.
 */
bool job_plan(struct agent *agent, const struct node *resource, struct decision *out, struct error *err);

/* ---- revisions: the last good tree of each source (source.c) ---- */
struct revisions;
struct revisions *revisions_new(const struct agent_config *config);
struct source_port revisions_port(struct revisions *revisions); /* polls and renders as below */
void revisions_free(struct revisions *revisions);
void revisions_cancel(struct revisions *revisions);
/* One poll. True in *changed: another revision is in force. */
bool revisions_poll(struct revisions *revisions, size_t source, bool *changed, struct error *err);
bool revisions_render(struct revisions *revisions, const struct sync_config *sync, char commit[41], struct render_result *out,
		      char note[300], struct error *err);

/* ---- observe.c, execute.c ---- */
struct job_view {
	enum subject subject;
	struct kube *reads;		  /* the cache's reader, or the server itself */
	const struct kube_resource *kind; /* of the resource */
	const struct node *resource;
	const char *ns, *name;
	const char *cluster;	      /* the FlinkDeployment on whose cluster it runs: itself, or spec.deploymentName */
	char launched_on[254];	      /* the cluster of a session job that runs; "" if none does */
	char ledger_name[256];	      /* of its ledger, for ledger_store */
	struct doc *cluster_resource; /* a session job's FlinkDeployment; owned, or NULL if it is not there */
	struct doc *effective;	      /* what subject_effective gave last; owned, or NULL */
	struct session_view session;
	struct job_config config; /* of the live launch, or of the resource if there is none */
	char rest_port[8];
	bool may_probe; /* a pod may be made to look for a state: not for a plan */
};
/* What is looked for by labels; `app` is the cluster's name. */
#define OBSERVE_COMPONENTS	   "component in (jobmanager,taskmanager)"
#define OBSERVE_HA		   "configmap-type=high-availability"
#define SUBJECT_SESSION_JOB_LEDGER ".sessionjob" /* follows the resource's name */
/* subject.c: what the resource is. subject_free releases what the view owns. */
void subject_open(struct job_view *view, struct kube *reads, const struct kube_resource *kind, const struct node *resource);
void subject_free(struct job_view *view);
/* What runs is what its launched spec says, and where that says, whatever the resource says by now. NULL: nothing does. */
void subject_launched(struct job_view *view, const struct node *spec);
/* Its session's side, where it has one. Needs the ledger. False: the API did not answer. */
bool subject_session(struct job_view *view, const struct ledger *ledger, struct error *err);
/* Who wrote the status after Weir did, borrowed from the resource; NULL: nobody. */
const char *subject_foreign(const struct job_view *view);
struct stored_ledger;
/* What weir.dev/moved-from names; the ledger in *stored is the caller's to free. */
bool subject_move(struct agent *agent, const struct job_view *view, const struct ledger *own, struct stored_ledger *stored,
		  struct move_view *out, struct error *err);
/* A change of the one wakes the others: a session cluster its jobs, a job its cluster. */
void subject_wake(struct agent *agent, const struct job_view *view);
/*
 * The spec that configuration and objects are made from: `own` (the resource's, or a launched one), for a session job over its cluster's.
 * Borrowed until the next call.
 */
const struct node *subject_effective(struct job_view *view, const struct node *own);
void observe_job(struct agent *agent, struct job_view *view, const struct ledger *ledger, struct observation *out);
/* The configuration that decisions need, from a spec. */
bool observe_config(const struct node *spec, const char *name, const char *ns, struct job_view *view, struct error *err);
/* May put into the ledger what only the effect's answer tells: write it then. */
bool execute_effect(struct agent *agent, struct job_view *view, struct ledger *ledger, enum effect effect, const struct observation *seen,
		    struct error *err);
/* adjust.c: changes parallelism or Ingress of the running job to what the resource says, and notes in the ledger that it was taken. */
bool adjust_job(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err);
/* submit.c: uploads the jar of a session job and runs it under the launch's job id. */
bool submit_job(struct agent *agent, struct job_view *view, const struct ledger *ledger, struct error *err);
/* The job's REST API, for one turn: job_rest_close. */
bool job_rest_open(struct agent *agent, const struct job_view *view, struct http **out, struct error *err);
void job_rest_close(struct agent *agent, struct http *http);

/* For tests: ends the process by SIGKILL at a named point once, if WEIR_TEST_KILL="NAME:before" or "NAME:after" asks for it. */
void kill_point(const char *name, const char *when);
/* For the simulator: told of every such point; NULL for nobody. */
extern void (*kill_probe)(const char *name, const char *when);

#endif
