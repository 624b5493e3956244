/* Rules for spec.job, which FlinkDeployments and FlinkSessionJobs share, and for the autoscaler's options. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/spec_internal.h"

static void check_state_dirs(struct check *k)
{
	const char *mode = node_text_or(node_get(k->job, "upgradeMode"), "stateless");
	if (strcmp(mode, "stateless") != 0 && flink_checkpoint_dir(k->config) == NULL)
		spec_error(k, "spec.flinkConfiguration.execution.checkpointing.dir",
			   "a checkpoint directory must be set for the upgrade modes last-state and savepoint");
	if (flink_savepoint_dir(k->config) != NULL)
		return;
	static const char field[] = "spec.flinkConfiguration.execution.checkpointing.savepoint-dir";
	if (strcmp(mode, "savepoint") == 0)
		spec_error(k, field, "a savepoint directory must be set for spec.job.upgradeMode savepoint");
	if (!spec_absent(node_get(k->job, "savepointTriggerNonce")))
		spec_error(k, field, "a savepoint directory must be set for spec.job.savepointTriggerNonce");
	static const char *const options[] = { "kubernetes.operator.periodic.savepoint.interval",
					       "kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age" };
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (node_get(k->config, options[i]) != NULL)
			spec_error(k, field, "a savepoint directory must be set for %s", options[i]);
}

static void check_args(struct check *k)
{
	const struct node *args = node_get(k->job, "args");
	if (!spec_absent(args) && !node_is(args, NODE_LIST))
		spec_error(k, "spec.job.args", "expected a list of texts, found %.60s", spec_shown(args));
	for (size_t i = 0; node_is(args, NODE_LIST) && i < node_count(args); i++) {
		AUTOFREE char *field = mem_printf("spec.job.args.%zu", i);
		if (!node_is(node_at(args, i), NODE_STRING))
			spec_error(k, field, "expected a text, found %.60s: put it in quotes", spec_shown(node_at(args, i)));
	}
}

void spec_check_job(struct check *k)
{
	static const char *const nonces[] = { "savepointRedeployNonce", "savepointTriggerNonce", "checkpointTriggerNonce",
					      "autoscalerResetNonce" };
	const struct node *replicas = node_find(k->spec, "taskManager/replicas"), *parallelism = node_get(k->job, "parallelism");
	if (!SPEC_MAP(k, k->job, "spec.job", "jarURI", "entryClass", "args", "parallelism", "state", "upgradeMode", "allowNonRestoredState",
		      "initialSavepointPath", "savepointRedeployNonce", "savepointTriggerNonce", "checkpointTriggerNonce",
		      "autoscalerResetNonce"))
		return;
	if (spec_blank(node_text(node_get(k->job, "jarURI"))) && spec_blank(node_text(node_get(k->job, "entryClass"))))
		spec_error(k, "spec.job.jarURI", "must be set, unless spec.job.entryClass names a class of the image");
	SPEC_ENUM(k, node_get(k->job, "upgradeMode"), "spec.job.upgradeMode", "stateless", "savepoint", "last-state");
	SPEC_ENUM(k, node_get(k->job, "state"), "spec.job.state", "running", "suspended");
	if (k->config != NULL)
		check_state_dirs(k);
	if (spec_absent(replicas) && node_integer(parallelism, 0) < 1)
		spec_error(k, "spec.job.parallelism", "expected a number of at least 1, found %.40s", spec_shown(parallelism));
	check_args(k);
	SPEC_ENUM(k, node_get(k->job, "allowNonRestoredState"), "spec.job.allowNonRestoredState", "true", "false");
	for (size_t i = 0; i < ARRAY_SIZE(nonces); i++) {
		AUTOFREE char *field = mem_printf("spec.job.%s", nonces[i]);
		spec_check_count(k, node_get(k->job, nonces[i]), field, INT64_MIN + 1);
	}
	const struct node *nonce = node_get(k->job, "savepointRedeployNonce");
	if (k->deployed != NULL && !spec_absent(nonce) && !node_equal(nonce, node_find(k->deployed, "job/savepointRedeployNonce")) &&
	    spec_blank(node_text(node_get(k->job, "initialSavepointPath"))))
		spec_error(k, "spec.job.initialSavepointPath", "must be set for a new spec.job.savepointRedeployNonce");
}

void spec_check_autoscaler(struct check *k)
{
	static const struct {
		const char *option;
		double min, max;
	} ranges[] = { { "scale-down.max-factor", 0, 1e300 },
		       { "scale-up.max-factor", 0, 1e300 },
		       { "utilization.target", 0, 1 },
		       { "target.utilization.boundary", 0, 1e300 },
		       { "utilization.max", 0, 1 },
		       { "utilization.min", 0, 1 },
		       { "gc-pressure.threshold", 0, 1 },
		       { "heap-usage.threshold", 0, 1 },
		       { "scaling.effectiveness.threshold", 0, 1 },
		       { "memory.tuning.overhead", 0, 1 } };
	if (!flink_config_bool(k->config, "job.autoscaler.enabled", false))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		AUTOFREE char *key = mem_printf("job.autoscaler.%s", ranges[i].option);
		AUTOFREE char *field = mem_printf("spec.flinkConfiguration.%s", key);
		const char *text = flink_config_get(k->config, key);
		if (text == NULL)
			continue;
		char *end;
		double value = strtod(text, &end);
		if (end == text || *end != '\0' || !(value >= ranges[i].min && value <= ranges[i].max))
			spec_error(k, field, "expected a number %s, found \"%.60s\"", ranges[i].max > 1 ? "of at least 0" : "from 0 to 1",
				   text);
	}
}
