/*
 * launch: everything that the configuration and the objects of one start of a Flink cluster are made from. All strings and nodes are
 * borrowed; nothing here is kept. Whoever deploys (the agent), plans or checks fills it from the FlinkDeployment and the ledger.
 */
#ifndef WEIR_FLINK_LAUNCH_H
#define WEIR_FLINK_LAUNCH_H

#include <stdint.h>

#include "base/doc.h"
#include "base/error.h"
#include "flink/versions.h"

/* Stands for "whatever the HA metadata say": not a path, so that a start without them fails instead of starting empty. */
#define FLINK_LAST_STATE "KUBERNETES_OPERATOR_LAST_STATE"
#define FLINK_GENERATION_ANNOTATION "flinkdeployment.flink.apache.org/generation"
#define FLINK_MAIN_CONTAINER "flink-main-container"

struct flink_launch {
	const struct node *spec; /* the FlinkDeployment's */
	const char *name, *ns;
	const char *uid;               /* of the FlinkDeployment; NULL before it exists: no owner references */
	int64_t generation;            /* its metadata.generation; 0: no annotation */
	const struct node *defaults;   /* configuration under the spec's, flat or nested, or NULL */
	const char *job_id;            /* 32 hex digits, or NULL: the option is left out */
	const char *savepoint_path;    /* where the state comes from; FLINK_LAST_STATE; NULL: starts empty */
	const char *job_result_store_id; /* last part of the JobResultStore's path, a new one for each launch; NULL: no path is set */
	int64_t number;                /* launch number for the weir.dev/launch annotation; 0: no annotation */
};

/*
 * The version of a launch this build can make: a native application. ERROR_UNSUPPORTED names the field of one that it cannot (sessions,
 * standalone mode), ERROR_INVALID an unknown version.
 */
const struct flink_version *flink_launch_version(const struct flink_launch *launch, struct error *err);

#endif
