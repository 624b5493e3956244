/*
 * pod_template: the pod templates of a FlinkDeployment: merging the common one with a component's, and the text of the TaskManagers' one
 * that the JobManager reads.
 */
#ifndef WEIR_FLINK_POD_TEMPLATE_H
#define WEIR_FLINK_POD_TEMPLATE_H

#include "base/buf.h"
#include "base/doc.h"

/* Where the JobManager finds the TaskManagers' template. */
#define FLINK_POD_TEMPLATE_DIR	"/opt/flink/pod-template"
#define FLINK_POD_TEMPLATE_FILE "taskmanager-pod-template.yaml"

/*
 * `specific` over `base`, in doc: maps by key, scalars and nulls replaced; lists by position, or by their elements' "name" if by_name
 * and all elements on both sides have one. Either may be NULL.
 */
struct node *pod_template_merge(struct doc *doc, const struct node *base, const struct node *specific, bool by_name);

/*
 * The effective template of "jobManager" or "taskManager", with the resources other than CPU and memory put into the main container (made
 * if missing); NULL if nothing is given. `user` is the configuration of flink_config_user().
 */
struct node *pod_template_effective(struct doc *doc, const struct node *spec, const char *component, const struct node *user);

/* As the JobManager reads it: "---", keys sorted, strings in double quotes, empty lists and label maps left out. */
void pod_template_write(const struct node *pod, struct buf *out);

#endif
