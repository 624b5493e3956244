/* objects_internal: what the objects_*.c files share. */
#ifndef WEIR_FLINK_OBJECTS_INTERNAL_H
#define WEIR_FLINK_OBJECTS_INTERNAL_H

#include "flink/objects.h"

struct cluster {
	const struct flink_launch *launch;
	const struct flink_version *version;
	struct doc *doc;
	struct node *user;   /* flink_config_user() */
	struct node *config; /* flink_config_build() */
};

bool cluster_init(struct cluster *c, const struct flink_launch *launch, struct doc *doc, struct error *err);

/* apiVersion, kind, metadata.name and .namespace. */
struct node *cluster_object(const struct cluster *c, const char *api_version, const char *kind, const char *name);
/* {app, component (unless NULL), type}, the fixed labels. */
struct node *cluster_labels(const struct cluster *c, const char *component);
void cluster_set_owner(const struct cluster *c, struct node *object, const char *api_version, const char *kind, const char *uid,
		       bool controller);
/* Adds `from`'s entries that are strings to `into`. */
void cluster_add_all(const struct cluster *c, struct node *into, const struct node *from);
/* The entries of a map-valued option that holds "k:v,k2:v2". */
struct node *cluster_map_option(const struct cluster *c, const char *key);
/* The JobManager's template: {metadata, spec}, never NULL, a copy that may be changed. */
struct node *cluster_jm_template(const struct cluster *c);
/* The list under key, made if missing. */
struct node *cluster_list(const struct cluster *c, struct node *map, const char *key);
/* Service account, pull secrets, node selector, tolerations: for the JobManager's pod and for one that stands in for it. */
void cluster_put_placement(const struct cluster *c, struct node *pod_spec);
const char *cluster_pull_policy(const struct cluster *c);
bool cluster_has_tm_template(const struct cluster *c);

bool cluster_services(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err);
bool cluster_ingress(const struct cluster *c, struct node *list, struct error *err);
bool cluster_configmaps(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err);
/* Names of the logging files that flink-config-NAME holds, a list of strings in the order of the volume's items. */
struct node *cluster_log_files(const struct cluster *c);

#endif
