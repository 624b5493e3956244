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

#endif
