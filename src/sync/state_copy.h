/*
 * state_copy: where each job's newest usable state is, once more, in Weir's own namespace: what is left if a namespace with its ledgers is
 * deleted. One key for each job in one of 16 ConfigMaps `weir-states-0` to `weir-states-f`. Written before the ledger says so (a copy that is
 * ahead of the ledger does no harm), read only where a job has no ledger, or one that no turn of the job has seen.
 */
#ifndef WEIR_SYNC_STATE_COPY_H
#define WEIR_SYNC_STATE_COPY_H

#include "kube/kube.h"
#include "lifecycle/ledger.h"

/* Does the copy have to change from what it is for `before` to what it is for `after`? */
bool state_copy_differs(const struct ledger *before, const struct ledger *after);
bool state_copy_write(struct kube *kube, const char *own_ns, const char *ns, const char *name, const struct ledger *ledger,
		      struct error *err);
/*
 * Puts what the copy knows into a fresh ledger: that there is state, and where, and the next launch's number. Nothing known: the ledger
 * stays as it is.
 */
bool state_copy_read(struct kube *kube, const char *own_ns, const char *ns, const char *name, struct ledger *ledger, struct error *err);

#endif
