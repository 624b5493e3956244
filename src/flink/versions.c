#include "flink/versions.h"

#include <stdlib.h>
#include <string.h>

#define CONF_TEXT .config_yaml = false, .config_file = "flink-conf.yaml"
#define CONF_YAML .config_yaml = true, .config_file = "config.yaml"
#define IMAGE_OLD .image_key = "kubernetes.container.image", .legacy_cpu_keys = true
#define IMAGE_NEW .image_key = "kubernetes.container.image.ref"
/* Flink 1.20 and 2.x read these two as older names of execution.state-recovery.*; the Java operator writes them for all versions. */
#define RESTORE	  .savepoint_path_key = "execution.savepoint.path", .unclaimed_key = "execution.savepoint.ignore-unclaimed-state"
#define CLAIM_OLD .restore_mode_key = "execution.savepoint-restore-mode", .claim_field = "restoreMode"
#define CLAIM_NEW .restore_mode_key = "execution.state-recovery.claim-mode", .claim_field = "claimMode"
#define OPTS_OLD  .java_opts_key = "env.java.opts.all"
#define OPTS_NEW  .java_opts_key = "env.java.default-opts.all"
#define HOST	  .host_argument = true
#define SINCE_15  .trigger_id = true, .savepoint_format = true
#define SINCE_16  SINCE_15, .ha_short_name = true
#define SINCE_17  SINCE_16, IMAGE_NEW, .jar_configuration = true, .checkpoint_trigger = true
#define SINCE_18  SINCE_17, .resource_requirements = true
#define SINCE_20  SINCE_18, CONF_YAML, RESTORE, CLAIM_NEW, OPTS_NEW

static const struct flink_version versions[] = {
	{ "v1_13", 1, 13, CONF_TEXT, IMAGE_OLD, RESTORE, HOST },
	{ "v1_14", 1, 14, CONF_TEXT, IMAGE_OLD, RESTORE, HOST },
	{ "v1_15", 1, 15, CONF_TEXT, IMAGE_OLD, RESTORE, HOST, SINCE_15, CLAIM_OLD },
	{ "v1_16", 1, 16, CONF_TEXT, IMAGE_OLD, RESTORE, HOST, SINCE_16, CLAIM_OLD },
	{ "v1_17", 1, 17, CONF_TEXT, RESTORE, HOST, SINCE_17, CLAIM_OLD },
	{ "v1_18", 1, 18, CONF_TEXT, RESTORE, HOST, SINCE_18, CLAIM_OLD, OPTS_OLD },
	{ "v1_19", 1, 19, CONF_TEXT, RESTORE, HOST, SINCE_18, CLAIM_OLD, OPTS_NEW },
	{ "v1_20", 1, 20, CONF_TEXT, RESTORE, HOST, SINCE_18, CLAIM_NEW, OPTS_NEW },
	{ "v2_0", 2, 0, SINCE_20 },
	{ "v2_1", 2, 1, SINCE_20 },
	{ "v2_2", 2, 2, SINCE_20 },
	{ "v2_3", 2, 3, SINCE_20 },
};

enum { VERSIONS = sizeof(versions) / sizeof(versions[0]) };

/* A name that stands in two entries belongs to the first: rest.port is itself, and a fallback of rest.bind-port. */
static const struct flink_key keys[] = {
	{ { "execution.checkpointing.savepoint-dir", "state.savepoints.dir", "savepoints.state.backend.fs.dir" }, 1, 20 },
	{ { "execution.checkpointing.dir", "state.checkpoints.dir", "state.backend.fs.checkpointdir" }, 1, 20 },
	{ { "execution.checkpointing.num-retained", "state.checkpoints.num-retained" }, 1, 20 },
	{ { "execution.checkpointing.storage", "state.checkpoint-storage" }, 1, 20 },
	{ { "execution.checkpointing.incremental", "state.backend.incremental" }, 1, 20 },
	{ { "high-availability.type", "high-availability", "recovery.mode" }, 1, 17 },
	{ { "high-availability.storageDir", "high-availability.zookeeper.storageDir", "recovery.zookeeper.storageDir" }, 1, 13 },
	{ { "high-availability.cluster-id", "high-availability.zookeeper.path.namespace", "recovery.zookeeper.path.namespace" }, 1, 13 },
	{ { "high-availability.jobmanager.port", "recovery.jobmanager.port" }, 1, 13 },
	{ { "execution.state-recovery.path", "execution.savepoint.path" }, 1, 20 },
	{ { "execution.state-recovery.ignore-unclaimed-state", "execution.savepoint.ignore-unclaimed-state" }, 1, 20 },
	{ { "execution.state-recovery.claim-mode", "execution.savepoint-restore-mode" }, 1, 20 },
	{ { "kubernetes.container.image.ref", "kubernetes.container.image" }, 1, 17 },
	{ { "kubernetes.jobmanager.cpu.amount", "kubernetes.jobmanager.cpu" }, 1, 17 },
	{ { "kubernetes.taskmanager.cpu.amount", "kubernetes.taskmanager.cpu" }, 1, 17 },
	{ { "state.backend.type", "state.backend" }, 1, 17 },
	{ { "restart-strategy.type", "restart-strategy" }, 1, 17 },
	{ { "rest.port", "web.port" }, 1, 13 },
	{ { "rest.bind-port", "rest.port", "web.port", "jobmanager.web.port" }, 1, 13 },
	{ { "web.checkpoints.history", "jobmanager.web.checkpoints.history" }, 1, 13 },
};

bool flink_version_parse(const char *name, int *major, int *minor)
{
	static const char digits[] = "0123456789";
	size_t first = name != NULL && *name == 'v' ? strspn(name + 1, digits) : 0;
	size_t second = first > 0 && name[1 + first] == '_' ? strspn(name + 2 + first, digits) : 0;
	if (first == 0 || first > 4 || second == 0 || second > 4 || name[2 + first + second] != '\0')
		return false;
	*major = (int)strtol(name + 1, NULL, 10);
	*minor = (int)strtol(name + 2 + first, NULL, 10);
	return true;
}

static bool is_newer(const char *name)
{
	const struct flink_version *newest = &versions[VERSIONS - 1];
	int major, minor;
	return flink_version_parse(name, &major, &minor) && (major > newest->major || (major == newest->major && minor > newest->minor));
}

const struct flink_version *flink_version_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < VERSIONS; i++)
		if (strcmp(versions[i].name, name) == 0)
			return &versions[i];
	return is_newer(name) ? &versions[VERSIONS - 1] : NULL;
}

bool flink_version_is_new(const char *name)
{
	return is_newer(name);
}

size_t flink_version_count(void)
{
	return VERSIONS;
}

const struct flink_version *flink_version_at(size_t i)
{
	return i < VERSIONS ? &versions[i] : NULL;
}

bool flink_version_at_least(const struct flink_version *v, int major, int minor)
{
	return v->major > major || (v->major == major && v->minor >= minor);
}

size_t flink_key_count(void)
{
	return sizeof(keys) / sizeof(keys[0]);
}

const struct flink_key *flink_key_at(size_t i)
{
	return i < flink_key_count() ? &keys[i] : NULL;
}

const struct flink_key *flink_key_find(const char *key)
{
	for (size_t i = 0; i < flink_key_count(); i++)
		for (const char *const *name = keys[i].names; *name != NULL; name++)
			if (strcmp(*name, key) == 0)
				return &keys[i];
	return NULL;
}
