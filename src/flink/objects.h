/*
 * objects: the Kubernetes objects of a Flink cluster, as the Java operator makes them, in its four shapes. Pure: a launch in, documents
 * out. The JobManager's Deployment is made first; the others are owned by it and need the uid that the API server gave it.
 */
#ifndef WEIR_FLINK_OBJECTS_H
#define WEIR_FLINK_OBJECTS_H

#include "base/doc.h"
#include "base/error.h"
#include "flink/launch.h"

#define FLINK_LAUNCH_ANNOTATION "weir.dev/launch"
#define FLINK_JOB_ID_ANNOTATION "weir.dev/job-id"
#define FLINK_PREFLIGHT_LABEL   "weir.dev/preflight"

enum { FLINK_NAME_MAX = 45 };

/* Deployment NAME. */
bool flink_objects_jobmanager(const struct flink_launch *launch, struct doc *doc, struct node **deployment, struct error *err);

/*
 * A list, in order of creation: Service NAME (not for native with HA), Service NAME-rest, ConfigMap flink-config-NAME, ConfigMap
 * pod-template-NAME (native with a TaskManager template only), Deployment NAME-taskmanager (standalone only), and Ingress NAME (if asked
 * for; owned by the FlinkDeployment). All but the last are owned by the JobManager's Deployment: deleting that one in the foreground ends
 * the whole launch. jm_uid NULL leaves their owner out (for plans and dry runs).
 */
bool flink_objects_dependents(const struct flink_launch *launch, const char *jm_uid, struct doc *doc, struct node **list,
			      struct error *err);

/* ---- preflight: a pod that checks image, jar and configuration before a running job is touched ---- */

/* Exit codes of its container; a short reason is its termination message. */
enum flink_preflight_exit {
	FLINK_PREFLIGHT_PASSED = 0,
	FLINK_PREFLIGHT_JAR_UNREADABLE = 10,
	FLINK_PREFLIGHT_CONFIG_REFUSED = 11,
	FLINK_PREFLIGHT_NOT_CHECKED = 12,
};

/*
 * ConfigMap and Pod, both called NAME-preflight-<8 hex digits of the content's digest>, owned by the FlinkDeployment if launch->uid is
 * set. What differs between launches of the same content (job id, restore path, JobResultStore path, generation) is not in the digest.
 */
bool flink_preflight_build(const struct flink_launch *launch, struct doc *doc, struct node **configmap, struct node **pod,
			   struct error *err);

#endif
