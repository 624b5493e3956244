/*
 * ledger_store: the ledger of one job in its ConfigMap, `weir-ledger-NAME` in the job's namespace. Written by compare and swap on the
 * resourceVersion: ERROR_CONFLICT means somebody else wrote, and the turn that wanted to is over. The ConfigMap has no owner and none of
 * the labels by which Flink or the Java operator delete: it outlives the resource.
 */
#ifndef WEIR_SYNC_LEDGER_STORE_H
#define WEIR_SYNC_LEDGER_STORE_H

#include "kube/kube.h"
#include "lifecycle/ledger.h"
#include "sync/text_map.h"

#define LEDGER_STORE_PREFIX   "weir-ledger-"
#define LEDGER_STORE_SELECTOR "weir.dev/ledger=true" /* finds all of them */

struct stored_ledger {
	struct ledger ledger;			 /* owned: ledger_free */
	char resource_version[TEXT_MAP_VERSION]; /* "" if the ConfigMap does not exist yet */
};

enum { LEDGER_NAME_MAX = 256 };
/* The name under which the ledger of a resource of that kind is stored: a FlinkSessionJob and a FlinkDeployment may share theirs. */
void ledger_store_name(const char *kind, const char *name, char out[LEDGER_NAME_MAX]);
/* name: as ledger_store_name gave it. */
bool ledger_store_read(struct kube *kube, const char *ns, const char *name, struct stored_ledger *out, struct error *err);
/* On success the resourceVersion in *stored is the new one. */
bool ledger_store_write(struct kube *kube, const char *ns, const char *name, const struct ledger *ledger, struct stored_ledger *stored,
			struct error *err);

#endif
