/* Rules for FlinkSessionJobs and FlinkStateSnapshots. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/spec_internal.h"
#include "flink/values.h"

static bool is_allowed(struct doc *doc, const char *allowed, const char *scheme)
{
	struct node *list = flink_list_parse(doc, allowed);
	for (size_t i = 0; i < node_count(list); i++)
		if (strcasecmp(node_text_or(node_at(list, i), ""), scheme) == 0)
			return true;
	return false;
}

static void check_jar(struct check *k, struct doc *doc, const struct node *config, const char *otherwise)
{
	const char *uri = node_text(node_get(k->job, "jarURI"));
	if (spec_blank(uri))
		return;
	size_t len = 0;
	while (isalnum((unsigned char)uri[len]) || (len > 0 && strchr("+-.", uri[len]) != NULL && uri[len] != '\0'))
		len++;
	AUTOFREE char *scheme = mem_strndup(uri, len);
	const char *allowed = flink_config_get_or(config, "kubernetes.operator.user.artifacts.allowed-schemes",
						  otherwise != NULL ? otherwise : FLINK_ARTIFACT_SCHEMES);
	if (len == 0 || uri[len] != ':' || strpbrk(uri, " \t\r\n") != NULL)
		spec_error(k, "spec.job.jarURI", "expected an address such as https://HOST/PATH.jar, found \"%.100s\"", uri);
	else if (!is_allowed(doc, allowed, scheme))
		spec_error(k, "spec.job.jarURI",
			   "expected one of the schemes %s (kubernetes.operator.user.artifacts.allowed-schemes), found %.40s", allowed,
			   scheme);
}

/* The configuration that the job runs with: that of its cluster with its own on top. NULL: the cluster is not known. */
static struct node *effective(struct check *k, struct doc *doc, const struct flink_spec_context *context)
{
	struct node *config = NULL, *own = node_map(doc);
	struct error err = ERROR_INIT;
	if (!flink_config_flatten(doc, node_get(k->spec, "flinkConfiguration"), own, "spec.flinkConfiguration", &err)) {
		spec_error(k, "spec.flinkConfiguration", "%s", err.message);
		return NULL;
	}
	const struct flink_launch launch = { .spec = node_get(context->cluster, "spec"),
					     .ns = node_find_text(context->cluster, "metadata/namespace"),
					     .defaults = context->defaults };
	if (context->cluster == NULL || !flink_config_user(doc, &launch, &config, NULL))
		return NULL;
	for (size_t i = 0; i < node_count(own); i++) {
		flink_config_remove_others(config, node_key_at(own, i));
		node_set_text(doc, config, node_key_at(own, i), node_text(node_value_at(own, i)));
	}
	return config;
}

void spec_session_job(struct check *k, const struct flink_spec_context *context)
{
	static const char name_field[] = "spec.deploymentName";
	const struct node *name = node_get(k->spec, "deploymentName"), *last = node_get(k->deployed, "deploymentName");
	AUTODOC *doc = doc_new();
	(void)SPEC_MAP(k, k->spec, "spec", "deploymentName", "job", "flinkConfiguration", "restartNonce");
	if (spec_absent(name))
		spec_error(k, name_field, "must be set to the FlinkDeployment that the job runs on");
	else
		spec_check_name(k, name_field, spec_shown(name));
	if (!spec_absent(last) && !node_equal(name, last))
		spec_error(k, name_field, "cannot change: the job runs on %.60s; delete it and make a new one", spec_shown(last));
	if (context->cluster != NULL && !spec_absent(node_find(context->cluster, "spec/job")))
		spec_error(k, name_field, "expected a session cluster, but FlinkDeployment %.60s has a spec.job of its own",
			   spec_shown(name));
	k->config = effective(k, doc, context);
	if (spec_absent(k->job)) {
		spec_error(k, "spec.job", "must be set");
		return;
	}
	spec_check_job(k);
	check_jar(k, doc, k->config, context->jar_schemes);
	if (k->config != NULL)
		spec_check_autoscaler(k);
}

void spec_snapshot(struct check *k)
{
	const struct node *savepoint = node_get(k->spec, "savepoint"), *checkpoint = node_get(k->spec, "checkpoint");
	const struct node *target = node_get(k->spec, "jobReference");
	(void)SPEC_MAP(k, k->spec, "spec", "jobReference", "savepoint", "checkpoint", "backoffLimit");
	(void)SPEC_MAP(k, savepoint, "spec.savepoint", "path", "formatType", "disposeOnDelete", "alreadyExists");
	if (spec_absent(savepoint) == spec_absent(checkpoint))
		spec_error(k, spec_absent(savepoint) ? "spec.savepoint" : "spec.checkpoint",
			   "expected exactly one of spec.savepoint and spec.checkpoint, found %s",
			   spec_absent(savepoint) ? "neither" : "both");
	SPEC_ENUM(k, node_get(savepoint, "formatType"), "spec.savepoint.formatType", "CANONICAL", "NATIVE", "UNKNOWN");
	SPEC_ENUM(k, node_get(savepoint, "disposeOnDelete"), "spec.savepoint.disposeOnDelete", "true", "false");
	SPEC_ENUM(k, node_get(savepoint, "alreadyExists"), "spec.savepoint.alreadyExists", "true", "false");
	spec_check_count(k, node_get(k->spec, "backoffLimit"), "spec.backoffLimit", -1);
	bool exists = node_truth(node_get(savepoint, "alreadyExists"), false);
	if (exists && spec_blank(node_text(node_get(savepoint, "path"))))
		spec_warning(k, "spec.savepoint.path", "must be set for alreadyExists, or there is nothing to restore from");
	if (spec_absent(target)) {
		if (!exists)
			spec_error(k, "spec.jobReference", "must be set: the kind and name of the job to take it of");
		return;
	}
	if (!SPEC_MAP(k, target, "spec.jobReference", "kind", "name"))
		return;
	if (spec_absent(node_get(target, "kind")))
		spec_error(k, "spec.jobReference.kind", "expected one of FlinkDeployment, FlinkSessionJob, found nothing");
	SPEC_ENUM(k, node_get(target, "kind"), "spec.jobReference.kind", "FlinkDeployment", "FlinkSessionJob");
	if (spec_blank(node_text(node_get(target, "name"))))
		spec_error(k, "spec.jobReference.name", "must be set");
}
