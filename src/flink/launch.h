/*
 * launch: everything that the configuration and the objects of one start of a Flink cluster are made from, in each of its four shapes
 * (native or standalone, application or session). All strings and nodes are
 * borrowed; nothing here is kept. Whoever deploys (the agent), plans or checks fills it from the FlinkDeployment and the ledger.
 */
#ifndef WEIR_FLINK_LAUNCH_H
#define WEIR_FLINK_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/doc.h"
#include "base/error.h"
#include "flink/versions.h"

/* Stands for "whatever the HA metadata say": not a path, so that a start without them fails instead of starting empty. */
#define FLINK_LAST_STATE	    "KUBERNETES_OPERATOR_LAST_STATE"
#define FLINK_GENERATION_ANNOTATION "flinkdeployment.flink.apache.org/generation"
#define FLINK_MAIN_CONTAINER	    "flink-main-container"

struct flink_launch {
	const struct node *spec; /* the FlinkDeployment's */
	const char *name, *ns;
	const char *uid;		 /* of the FlinkDeployment; NULL before it exists: no owner references */
	int64_t generation;		 /* its metadata.generation; 0: no annotation */
	const struct node *defaults;	 /* configuration under the spec's, flat or nested, or NULL */
	const char *job_id;		 /* 32 hex digits, or NULL: the option is left out */
	const char *savepoint_path;	 /* where the state comes from; FLINK_LAST_STATE; NULL: starts empty */
	const char *job_result_store_id; /* last part of the JobResultStore's path, a new one for each launch; NULL: no path is set */
	int64_t number;			 /* launch number for the weir.dev/launch annotation; 0: no annotation */
};

/* ERROR_INVALID names the field: an unknown version or mode. */
const struct flink_version *flink_launch_version(const struct flink_launch *launch, struct error *err);
/* No spec.job: a cluster to which jobs are submitted later. */
bool flink_launch_is_session(const struct flink_launch *launch);
/* spec.mode standalone: the TaskManagers are a Deployment, too; native: the JobManager makes their pods itself. */
bool flink_launch_is_standalone(const struct flink_launch *launch);

#endif
