/*
 * versions: what differs between the Flink versions that a FlinkDeployment can name, in one table, and the option names that Flink renamed
 * over time, in another. Pure constant data; whoever writes or reads a Flink configuration or speaks to its REST API asks here.
 */
#ifndef WEIR_FLINK_VERSIONS_H
#define WEIR_FLINK_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>

struct flink_version {
	const char *name; /* as in spec.flinkVersion: "v1_20" */
	int major, minor;
	bool config_yaml;		/* nested YAML (2.0 and later) instead of "key: value" lines */
	const char *config_file;	/* name of the configuration file in the cluster */
	const char *image_key;		/* option that holds the container image */
	const char *java_opts_key;	/* option that holds the default module options; NULL: none needed */
	const char *savepoint_path_key; /* option written for the state to start from; every version from here on reads it */
	const char *unclaimed_key;	/* option for allowNonRestoredState */
	/* How the state is taken over (CLAIM, NO_CLAIM, ...): the option, and the field of a jar run request; NULL: there is no choice. */
	const char *restore_mode_key, *claim_field;
	bool host_argument;	    /* a standalone JobManager is told its address by an argument of its own; since 2.0 by -D */
	bool ha_short_name;	    /* knows "kubernetes" besides the class of the HA services' factory */
	bool legacy_cpu_keys;	    /* also kubernetes.jobmanager.cpu and kubernetes.taskmanager.cpu */
	bool trigger_id;	    /* savepoint and stop requests take a trigger id of the caller's */
	bool savepoint_format;	    /* they take a format, too; older versions only make canonical savepoints */
	bool jar_configuration;	    /* a jar run request takes the job's configuration */
	bool checkpoint_trigger;    /* POST /jobs/ID/checkpoints */
	bool resource_requirements; /* GET and PUT /jobs/ID/resource-requirements */
};

/* A newer version than all of the table is taken for the newest one. NULL: an older one, no version at all, or NULL. */
const struct flink_version *flink_version_find(const char *name);
/* Is it one of those newer ones, which nobody has tried yet? */
bool flink_version_is_new(const char *name);
/* "v1_20"; false for anything else. */
bool flink_version_parse(const char *name, int *major, int *minor);
size_t flink_version_count(void);
const struct flink_version *flink_version_at(size_t i); /* oldest first */
bool flink_version_at_least(const struct flink_version *v, int major, int minor);

enum { FLINK_KEY_NAMES_MAX = 4 };

/* The names of one option, the current one first, ended by NULL. */
struct flink_key {
	const char *names[FLINK_KEY_NAMES_MAX + 1];
	int major, minor; /* the version that brought the current name; all versions know the others */
};

/* The entry in which `key` is a name, or NULL for an option that was never renamed. */
const struct flink_key *flink_key_find(const char *key);
size_t flink_key_count(void);
const struct flink_key *flink_key_at(size_t i);

#endif
