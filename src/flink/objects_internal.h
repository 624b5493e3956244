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
	bool session, standalone;
};

/* The two kinds of pods. */
struct component {
	const char *name;	/* in labels, options and image scripts: "jobmanager" */
	const char *spec_key;	/* in the FlinkDeployment: "jobManager" */
	const char *env_prefix; /* of options that set environment variables */
};
extern const struct component COMPONENT_JOBMANAGER, COMPONENT_TASKMANAGER;

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
/* The same for the option kubernetes.COMPONENT.NAME. */
struct node *cluster_component_map(const struct cluster *c, const struct component *component, const char *name);
/* The component's template: {metadata, spec}, never NULL, a copy that may be changed. */
struct node *cluster_template(const struct cluster *c, const struct component *component);
/* The list under key, made if missing. */
struct node *cluster_list(const struct cluster *c, struct node *map, const char *key);
/* Service account, pull secrets, node selector, tolerations: for a component's pod and for one that stands in for it. */
void cluster_put_placement(const struct cluster *c, const struct component *component, struct node *pod_spec);
const char *cluster_pull_policy(const struct cluster *c);
/* Does the JobManager make TaskManagers from a template? */
bool cluster_has_tm_template(const struct cluster *c);

/* ---- pods ---- */
/* Takes the main container out of the template, or makes one, with image, command and these arguments. */
struct node *pod_take_main(const struct cluster *c, struct node *pod_spec, struct node *args);
void pod_add_argument(const struct cluster *c, struct node *args, const char *text);
void pod_add_port(const struct cluster *c, struct node *container, const char *name, int64_t port);
void pod_add_env(const struct cluster *c, struct node *container, const char *name, const char *value);
/* The variables that options ask for. */
void pod_put_env(const struct cluster *c, const struct component *component, struct node *container);
bool pod_put_resources(const struct cluster *c, const struct component *component, struct node *container, struct error *err);
/* Adds a volume and its mount; the caller fills the source in the returned volume. */
struct node *pod_mount(const struct cluster *c, struct node *pod_spec, struct node *container, const char *name, const char *path);
/* The ConfigMap PREFIXname as a volume's source; pod_add_item() says which of its files to show. */
struct node *pod_configmap_source(const struct cluster *c, struct node *volume, const char *prefix, const char *name);
void pod_add_item(const struct cluster *c, struct node *source, const char *file);
/* Secrets, Hadoop's configuration and Flink's own. */
void pod_put_volumes(const struct cluster *c, struct node *pod_spec, struct node *container);
/* Puts the container last and adds what all of Flink's pods have. */
void pod_finish(const struct cluster *c, const struct component *component, struct node *pod_spec, struct node *container);
/* The Deployment around a finished template, with the labels and annotations of both. */
struct node *pod_deployment(const struct cluster *c, const struct component *component, const char *name, int64_t replicas,
			    struct node *template);

bool cluster_services(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err);
bool cluster_ingress(const struct cluster *c, struct node *list, struct error *err);
bool cluster_configmaps(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err);
/* A TaskManager's pod as {metadata, spec}, labels and annotations of Weir's own left out; in native mode, as Flink would make it. */
bool cluster_taskmanager_template(const struct cluster *c, struct node **out, struct error *err);
/* Deployment NAME-taskmanager; nothing in native mode. */
bool cluster_taskmanagers(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err);
/* Names of the logging files that flink-config-NAME holds, a list of strings in the order of the volume's items. */
struct node *cluster_log_files(const struct cluster *c);

#endif
