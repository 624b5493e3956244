/*
 * preflight: what is tried before a running job is touched. Pods that stand in for the real ones, and the real objects for a dry run by
 * the API server. Pure: a launch in, documents out; and a pod's status in, a result out. What differs between launches of the same
 * content (job id, restore path, JobResultStore path, generation) is in none of it.
 */
#ifndef WEIR_FLINK_PREFLIGHT_H
#define WEIR_FLINK_PREFLIGHT_H

#include "base/buf.h"
#include "base/doc.h"
#include "base/error.h"
#include "flink/launch.h"

#define FLINK_PREFLIGHT_LABEL	      "weir.dev/preflight" /* its value: the resource's name */
#define FLINK_PREFLIGHT_UNCHECKED_ENV "WEIR_JAR_UNCHECKED" /* in a pod that cannot look at the jar: why */
#define FLINK_PREFLIGHT_JAR_CONTAINER "jar"		   /* of the pod for images without a shell */
enum { FLINK_PREFLIGHT_SECONDS = 120 };			   /* after which a pod is ended */

/*
 * JobManager: placed as the JobManager; the image's shell looks for the jar and asks Flink about the configuration. TaskManager: placed as
 * the TaskManagers, starts and ends, so that the image is on such a node. Java: the first one's questions for an image without a shell, put
 * to its java directly.
 */
enum flink_preflight_pod { FLINK_PREFLIGHT_JOBMANAGER, FLINK_PREFLIGHT_TASKMANAGER, FLINK_PREFLIGHT_JAVA, FLINK_PREFLIGHT_PODS };

struct flink_preflight {
	struct node *configmap; /* mounted by the first and the last */
	struct node *pods[FLINK_PREFLIGHT_PODS];
};

/*
 * All are called NAME-preflight-<8 hex digits of the content's digest> (with -tm, -java), carry the label, and are owned by the
 * FlinkDeployment if launch->uid is set.
 */
bool flink_preflight_build(const struct flink_launch *launch, struct doc *doc, struct flink_preflight *out, struct error *err);

/*
 * For a dry run: every object that a launch makes, and pods as their controllers would make them, since admission (Pod Security, quotas)
 * judges pods. Pods come first.
 */
bool flink_preflight_objects(const struct flink_launch *launch, struct doc *doc, struct node **list, struct error *err);

/* Exit codes of the shell's questions; a short reason is the termination message. */
enum flink_preflight_exit {
	FLINK_PREFLIGHT_EXIT_PASSED = 0,
	FLINK_PREFLIGHT_EXIT_JAR_UNREADABLE = 10,
	FLINK_PREFLIGHT_EXIT_CONFIG_REFUSED = 11,
	FLINK_PREFLIGHT_EXIT_NOT_CHECKED = 12,
};

enum flink_preflight_state {
	FLINK_PREFLIGHT_RUNNING, /* the reason says what it waits for, where that is known */
	FLINK_PREFLIGHT_PASSED,
	FLINK_PREFLIGHT_FAILED,
	FLINK_PREFLIGHT_UNCHECKED,
	FLINK_PREFLIGHT_NO_PROGRAM, /* the image is there, what should be run in it is not */
};
/* reason: one line; empty for a pod that passed. */
enum flink_preflight_state flink_preflight_read(enum flink_preflight_pod which, const struct node *pod, struct buf *reason);

#endif
