/*
 * agent: the long-running process: pollers of sources, one work queue, workers, the executor of decisions, leadership, shutdown. The only
 * place that owns threads. Its turns (sync_turn, job_turn) are straight-line code against ports, so that a simulator can run them too.
 */
#ifndef WEIR_AGENT_AGENT_H
#define WEIR_AGENT_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "agent/config.h"
#include "agent/queue.h"
#include "base/random.h"
#include "base/wtime.h"
#include "kube/kube.h"
#include "kube/lease.h"
#include "lifecycle/decide.h"
#include "serve/metrics.h"

enum flink_access { FLINK_ACCESS_SERVICE, FLINK_ACCESS_PROXY };

struct agent {
	const struct agent_config *config;
	const struct http *http; /* the API server; borrowed */
	struct kube *kube;
	struct clock clock;
	struct policy policy;
	enum flink_access access;
	const char *watch_ns;    /* NULL: all namespaces */
	char identity[80];       /* of this process, in the Lease and in intents */
	struct lease *lease;
	atomic_bool leading;
	_Atomic int64_t lease_until; /* monotonic ms: acting stops when it has passed */
	atomic_bool stopping;
	struct queue *queue;
	struct metrics *metrics;
	atomic_bool polled; /* every source was asked once: ready */
	struct revisions *revisions;
	struct random random;
};

/* May a side effect be started now? */
bool agent_may_act(void *agent);
/* Runs until SIGTERM or SIGINT. False: it could not start. */
bool agent_run(struct agent *agent, struct error *err);

/* ---- turns: the delay until the next one in ms, INT64_MAX for none; errors are logged and backed off by the caller (err->kind) ---- */
int64_t sync_turn(struct agent *agent, const char *sync, struct error *err);
int64_t job_turn(struct agent *agent, const char *ns, const char *name, struct error *err);

/*
 * What job_turn would decide if the resource were as given, without writing anything: `weir plan`. decision_free releases *out.
 */
bool job_plan(struct agent *agent, const struct node *resource, struct decision *out, struct error *err);

/* ---- revisions: the last good tree of each source (source.c) ---- */
struct revisions *revisions_new(const struct agent_config *config);
void revisions_free(struct revisions *revisions);
void revisions_cancel(struct revisions *revisions);
/* One poll. True in *changed: another revision is in force. */
bool revisions_poll(struct revisions *revisions, size_t source, bool *changed, struct error *err);
struct render_result;
/*
 * Renders a sync's path from the last good revision of its source. *commit is "" if there is none yet. False: it could not be rendered
 * (err). *note gets what is wrong with the source itself, "" for nothing.
 */
bool revisions_render(struct revisions *revisions, const struct sync_config *sync, char commit[41], struct render_result *out, char note[300],
		      struct error *err);

/* ---- observe.c, execute.c ---- */
struct job_view {
	const struct node *resource; /* of the FlinkDeployment */
	const char *ns, *name;
	struct job_config config;    /* of the live launch, or of the resource if there is none */
	char rest_port[8];
};
void observe_job(struct agent *agent, struct job_view *view, const struct ledger *ledger, struct observation *out);
/* The configuration that decisions need, from a spec. */
bool observe_config(const struct node *spec, const char *name, const char *ns, struct job_view *view, struct error *err);
bool execute_effect(struct agent *agent, const struct job_view *view, const struct ledger *ledger, enum effect effect,
		    const struct observation *seen, struct error *err);
/* The job's REST API, for one turn: job_rest_close. */
bool job_rest_open(struct agent *agent, const struct job_view *view, struct http **out, struct error *err);
void job_rest_close(struct agent *agent, struct http *http);

/* For tests: ends the process by SIGKILL at a named point once, if WEIR_TEST_KILL="NAME:before" or "NAME:after" asks for it. */
void kill_point(const char *name, const char *when);

#endif
