/*
 * probe: asks for a state path with a pod that has the job's own image, pod template, configuration and service account: for what no entry
 * of stateStores covers, such as hdfs:, gs: or abfs:, or a file on a volume that only the job mounts.
 *
 * A path of a file: URI is looked at with the image's shell, on the volumes of the JobManager's template (mounted read-only). Any other is
 * looked at with Flink's own file systems, by a small Java program that the image's own Flink compiles and runs (Janino, which is in
 * Flink's lib folder, or the JDK where there is one); where neither is there, or Flink has no such file system, the answer is UNKNOWN.
 * STATE_CLEAN deletes, with the same means, what a cluster that is over left in its HA storage (clean.h).
 * Nothing here talks to the cluster: whoever asks creates the two objects, looks at the pod until the step says PROBE_DONE, and deletes
 * both.
 */
#ifndef WEIR_STORE_PROBE_H
#define WEIR_STORE_PROBE_H

#include "base/doc.h"
#include "flink/launch.h"
#include "store/store.h"

#define STATE_PROBE_LABEL "weir.dev/state-probe"

enum {
	STATE_PROBE_RUN_S = 120,     /* the pod's own deadline */
	STATE_PROBE_MAX_MS = 180000, /* from its creation to its end, waiting for a node and the image included */
};

enum state_question { STATE_LOOK, STATE_LIST, STATE_CLEAN };

/*
 * ConfigMap and Pod, both called NAME-state-<8 hex digits of what is asked>, owned by the FlinkDeployment if launch->uid is set.
 * ERROR_UNSUPPORTED says why such a pod could not know (the answer is then UNKNOWN), other kinds what is wrong with path or launch.
 */
bool state_probe_build(const struct flink_launch *launch, enum state_question question, const char *path, struct doc *doc,
		       struct node **configmap, struct node **pod, struct error *err);

enum state_probe_step {
	PROBE_CREATE, /* create ConfigMap and Pod ("exists already" is fine), then look again */
	PROBE_WAIT,   /* look again in a second */
	PROBE_DONE,   /* *out is the answer; delete both objects */
};

/*
 * pod: as the API server gave it, NULL if it is not there (an error other than "not found" is no reason to call this). age_ms: since the
 * caller first created it, by the caller's own clock; -1: it never did. *out is filled with PROBE_DONE only; for STATE_LOOK it has no
 * names, for STATE_CLEAN anything but UNKNOWN says that it is done; state_listing_free in any case.
 */
enum state_probe_step state_probe_read(const struct node *pod, enum state_question question, int64_t age_ms, struct state_listing *out);

#endif
