#include "flink/versions.h"

#include <string.h>

#define CONF_TEXT .config_yaml = false, .config_file = "flink-conf.yaml"
#define CONF_YAML .config_yaml = true, .config_file = "config.yaml"
#define IMAGE_OLD .image_key = "kubernetes.container.image", .legacy_cpu_keys = true
#define IMAGE_NEW .image_key = "kubernetes.container.image.ref"
/* Flink 1.20 and 2.x read these two as older names of execution.state-recovery.*; the Java operator writes them for all versions. */
#define RESTORE .savepoint_path_key = "execution.savepoint.path", .unclaimed_key = "execution.savepoint.ignore-unclaimed-state"
#define MODE_OLD .restore_mode_key = "execution.savepoint-restore-mode"
#define MODE_NEW .restore_mode_key = "execution.state-recovery.claim-mode"
#define OPTS_OLD .java_opts_key = "env.java.opts.all"
#define OPTS_NEW .java_opts_key = "env.java.default-opts.all"
#define SINCE_15 .supported = true, .trigger_id = true
#define SINCE_17 SINCE_15, IMAGE_NEW, .checkpoint_trigger = true
#define SINCE_18 SINCE_17, .resource_requirements = true
#define SINCE_20 SINCE_18, CONF_YAML, RESTORE, MODE_NEW, OPTS_NEW

static const struct flink_version versions[] = {
	{ "v1_13", 1, 13, CONF_TEXT, IMAGE_OLD, RESTORE },
	{ "v1_14", 1, 14, CONF_TEXT, IMAGE_OLD, RESTORE },
	{ "v1_15", 1, 15, CONF_TEXT, IMAGE_OLD, RESTORE, SINCE_15, MODE_OLD },
	{ "v1_16", 1, 16, CONF_TEXT, IMAGE_OLD, RESTORE, SINCE_15, MODE_OLD },
	{ "v1_17", 1, 17, CONF_TEXT, RESTORE, SINCE_17, MODE_OLD },
	{ "v1_18", 1, 18, CONF_TEXT, RESTORE, SINCE_18, MODE_OLD, OPTS_OLD },
	{ "v1_19", 1, 19, CONF_TEXT, RESTORE, SINCE_18, MODE_OLD, OPTS_NEW },
	{ "v1_20", 1, 20, CONF_TEXT, RESTORE, SINCE_18, MODE_NEW, OPTS_NEW },
	{ "v2_0", 2, 0, SINCE_20 },
	{ "v2_1", 2, 1, SINCE_20 },
	{ "v2_2", 2, 2, SINCE_20 },
	{ "v2_3", 2, 3, SINCE_20 },
	{ "v2_4", 2, 4, SINCE_20 },
};

/* A name that stands in two entries belongs to the first: rest.port is itself, and a fallback of rest.bind-port. */
static const struct flink_key keys[] = {
	{ { "execution.checkpointing.savepoint-dir", "state.savepoints.dir", "savepoints.state.backend.fs.dir" } },
	{ { "execution.checkpointing.dir", "state.checkpoints.dir", "state.backend.fs.checkpointdir" } },
	{ { "execution.checkpointing.num-retained", "state.checkpoints.num-retained" } },
	{ { "high-availability.type", "high-availability", "recovery.mode" } },
	{ { "high-availability.storageDir", "high-availability.zookeeper.storageDir", "recovery.zookeeper.storageDir" } },
	{ { "high-availability.cluster-id", "high-availability.zookeeper.path.namespace", "recovery.zookeeper.path.namespace" } },
	{ { "high-availability.jobmanager.port", "recovery.jobmanager.port" } },
	{ { "execution.state-recovery.path", "execution.savepoint.path" } },
	{ { "execution.state-recovery.ignore-unclaimed-state", "execution.savepoint.ignore-unclaimed-state" } },
	{ { "execution.state-recovery.claim-mode", "execution.savepoint-restore-mode" } },
	{ { "kubernetes.container.image.ref", "kubernetes.container.image" } },
	{ { "kubernetes.jobmanager.cpu.amount", "kubernetes.jobmanager.cpu" } },
	{ { "kubernetes.taskmanager.cpu.amount", "kubernetes.taskmanager.cpu" } },
	{ { "rest.port", "web.port" } },
	{ { "rest.bind-port", "rest.port", "web.port", "jobmanager.web.port" } },
	{ { "web.checkpoints.history", "jobmanager.web.checkpoints.history" } },
};

const struct flink_version *flink_version_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < flink_version_count(); i++)
		if (strcmp(versions[i].name, name) == 0)
			return &versions[i];
	return NULL;
}

size_t flink_version_count(void)
{
	return sizeof(versions) / sizeof(versions[0]);
}

const struct flink_version *flink_version_at(size_t i)
{
	return i < flink_version_count() ? &versions[i] : NULL;
}

bool flink_version_at_least(const struct flink_version *v, int major, int minor)
{
	return v->major > major || (v->major == major && v->minor >= minor);
}

const struct flink_key *flink_key_find(const char *key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		for (const char *const *name = keys[i].names; *name != NULL; name++)
			if (strcmp(*name, key) == 0)
				return &keys[i];
	return NULL;
}
