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
	bool supported;                 /* older ones are known, so that the refusal can name them */
	bool config_yaml;               /* nested YAML (2.0 and later) instead of "key: value" lines */
	const char *config_file;        /* name of the configuration file in the cluster */
	const char *image_key;          /* option that holds the container image */
	const char *java_opts_key;      /* option that holds the default module options; NULL: none needed */
	const char *savepoint_path_key; /* option written for the state to start from; every version from here on reads it */
	const char *unclaimed_key;      /* option for allowNonRestoredState */
	const char *restore_mode_key;   /* option for CLAIM / NO_CLAIM; NULL where there is none */
	bool legacy_cpu_keys;           /* also kubernetes.jobmanager.cpu and kubernetes.taskmanager.cpu */
	bool trigger_id;                /* savepoint and stop requests take a trigger id of the caller's */
	bool checkpoint_trigger;        /* POST /jobs/ID/checkpoints */
	bool resource_requirements;     /* GET and PUT /jobs/ID/resource-requirements */
};

/* NULL for a name that is not in the table or for NULL. */
const struct flink_version *flink_version_find(const char *name);
size_t flink_version_count(void);
const struct flink_version *flink_version_at(size_t i); /* oldest first */
bool flink_version_at_least(const struct flink_version *v, int major, int minor);

enum { FLINK_KEY_NAMES_MAX = 4 };

/* The names of one option, the current one first, ended by NULL. */
struct flink_key {
	const char *names[FLINK_KEY_NAMES_MAX + 1];
};

/* The entry in which `key` is a name, or NULL for an option that was never renamed. */
const struct flink_key *flink_key_find(const char *key);

#endif
