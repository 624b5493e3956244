/*
 * snapshots: the agent's side of savepoints and checkpoints of a job that runs on (lifecycle/snapshot.h): their options, what is seen of
 * them, their effects. Called within a job's turn, and by the turn of a FlinkStateSnapshot (snapshot_turn.c).
 */
#ifndef WEIR_AGENT_SNAPSHOTS_H
#define WEIR_AGENT_SNAPSHOTS_H

#include "agent/agent.h"

/* Fills view->config.snapshots: `spec` is the resource's as it is now, `launched` the one that runs (or the same). */
void snapshot_configure(struct job_view *view, const struct node *spec, const struct node *launched);
/* What the ledger has open, as the job's REST API tells it. */
void snapshot_poll(const struct http *http, const char *job, const struct ledger *ledger, struct observation *out);
/* And as the Kubernetes API does. */
void snapshot_look(struct kube *kube, const struct job_view *view, const struct ledger *ledger, struct observation *out);
bool snapshot_execute(struct agent *agent, struct job_view *view, struct ledger *ledger, enum effect effect, struct error *err);

/* One operation of kind SNAPSHOT_SAVEPOINT or SNAPSHOT_CHECKPOINT. *path is written if it is complete, *failure if it failed. */
enum savepoint_seen snapshot_poll_operation(const struct http *http, const char *job, int64_t kind, const char *trigger, char *path,
					    size_t size, char failure[300]);
void snapshot_poll_disposal(const struct http *http, const char *trigger, enum savepoint_seen *seen, bool *gone, char failure[300]);
/* Does another job of the namespace need that path? `own` is a ledger that does not count (NULL: all count); who gets the ledger's name. */
enum seen snapshot_needed_elsewhere(struct kube *kube, const char *ns, const char *own, const char *path, char who[120]);

#endif
