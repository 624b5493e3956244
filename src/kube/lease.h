/*
 * lease: leader election on a coordination.k8s.io/v1 Lease, as a step function.
 *
 * Owns this process's claim. The lease is taken and renewed by compare and swap. Clocks of two machines are never compared: another
 * holder is given its full term, in our own monotonic time, from when we last saw its lease change. We trust our own hold for two thirds
 * of the term after the last renewal began, so that we stop acting before anybody else can start. identity must be unique to the process
 * (a pod's name and something random), not only to the machine. One thread steps; lease_may_act, too, is for that thread or under
 * the caller's lock. Called by `agent`.
 */
#ifndef WEIR_KUBE_LEASE_H
#define WEIR_KUBE_LEASE_H

#include "kube/kube.h"

struct lease;

/* kube is borrowed. term_seconds 0: 15. */
struct lease *lease_new(struct kube *kube, const char *ns, const char *name, const char *identity, int term_seconds);
void lease_free(struct lease *lease); /* gives nothing back: lease_release does */

/*
 * Looks, and takes or renews where possible; call it about every third of the term. True: the lease was read, and we hold it or somebody
 * else does (or was faster). False: it could not be told; an earlier hold stays valid as long as lease_may_act says. now_wall_ms only
 * goes into the timestamps.
 */
bool lease_step(struct lease *lease, int64_t now_mono_ms, int64_t now_wall_ms, struct error *err);
bool lease_may_act(const struct lease *lease, int64_t now_mono_ms);
/* Who held it when last seen ("" for nobody); borrowed until the next step. */
const char *lease_holder(const struct lease *lease);
/* The number of the term we hold (the lease's transitions), or -1. */
int64_t lease_term(const struct lease *lease);
/* Stops acting at once and hands over early. True also when we held nothing. */
bool lease_release(struct lease *lease, int64_t now_wall_ms, struct error *err);

#endif
