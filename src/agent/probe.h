/*
 * probe: the agent's side of the pod that looks into a storage which no configured store reaches (store/probe.h, lifecycle/probe.c): it is
 * made, looked at and deleted within a job's turns. Each job has one at a time.
 */
#ifndef WEIR_AGENT_PROBE_H
#define WEIR_AGENT_PROBE_H

#include "agent/agent.h"

/* What the pod of the ledger's open probe says. */
void probe_look(struct agent *agent, const struct job_view *view, const struct ledger *ledger, struct observation *out);
/*
 * Makes ConfigMap and Pod of the ledger's probe, and puts the pod's name into the ledger, or why there can be none. False: the API did not
 * take it for now.
 */
bool probe_create(struct agent *agent, struct job_view *view, struct ledger *ledger, struct error *err);
bool probe_end(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err);

#endif
