/* clean: carries out EFFECT_CLEAN: one directory that lifecycle/clean.c found to be over is deleted from HA storage. */
#ifndef WEIR_AGENT_CLEAN_H
#define WEIR_AGENT_CLEAN_H

#include "agent/agent.h"

/*
 * By the configured store that covers it, or by a pod, whose end a later turn sees. How it went is noted in the ledger; false only if the
 * API did not answer.
 */
bool clean_execute(struct agent *agent, struct job_view *view, struct ledger *ledger, struct error *err);

#endif
