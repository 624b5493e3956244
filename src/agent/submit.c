/* Submits a session job: its jar goes up, runs under the launch's job id, and is taken down again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "flink/artifact.h"
#include "flink/config.h"
#include "flink/rest.h"
#include "store/store.h"

enum { SUBMIT_TIMEOUT_MS = 60000 };

/* The stateStores that are object stores serve jars, too. */
static size_t object_stores(const struct agent_config *config, struct flink_artifact_s3 *out)
{
	size_t n = 0;
	for (size_t i = 0; i < config->state_store_count; i++) {
		const struct state_store_config *store = &config->state_stores[i];
		if (str_starts(store->prefix, "s3"))
			out[n++] = (struct flink_artifact_s3){ .prefix = store->prefix,
							       .endpoint = store->endpoint,
							       .region = store->region,
							       .path_style = store->path_style,
							       .access_key_file = store->access_key_file,
							       .secret_key_file = store->secret_key_file,
							       .session_token_file = store->session_token_file };
	}
	return n;
}

/* The jar as a file: one from the outside, or an empty one for classes that the image brings. */
static bool fetch(const struct agent *agent, const struct job_view *view, const char *uri, struct flink_artifact *out, struct error *err)
{
	const struct agent_config *config = agent->config;
	AUTOFREE struct flink_artifact_s3 *stores = mem_array(config->state_store_count + 1, sizeof *stores);
	AUTOFREE char *cache = mem_printf("%s/jars", config->cache_dir == NULL ? "/tmp/weir" : config->cache_dir);
	struct flink_artifact_options options = { .cache_dir = cache,
						  .max_bytes = config->jars.max_bytes,
						  .schemes = config->jars.schemes,
						  .hosts = (const char *const *)config->jars.hosts,
						  .private_hosts = (const char *const *)config->jars.private_hosts,
						  .ca_file = config->jars.ca_file,
						  .file_root = config->jars.file_root,
						  .s3 = stores,
						  .s3_count = object_stores(config, stores) };
	if (uri == NULL || *uri == '\0' || str_starts(uri, "local:"))
		return flink_artifact_empty(&options, out, err);
	return flink_artifact_fetch(&options, uri, decide_annotation(view->resource, FLINK_JAR_DIGEST_ANNOTATION), out, err);
}

/* What the job's configuration adds to its cluster's, as Flink takes it with the submission. */
static bool job_configuration(struct doc *doc, const struct flink_launch *launch, const struct flink_version *version, struct node **out,
			      struct error *err)
{
	struct node *all = NULL;
	if (!flink_config_user(doc, launch, &all, err))
		return false;
	static const char *const defaults[][2] = {
		{ "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION" },
		{ "pipeline.name", NULL }, /* the resource's name */
	};
	*out = node_map(doc);
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		if (flink_config_get(all, defaults[i][0]) == NULL)
			node_set_text(doc, *out, defaults[i][0], defaults[i][1] == NULL ? launch->name : defaults[i][1]);
	for (size_t i = 0; i < node_count(all); i++) {
		const char *key = node_key_at(all, i);
		if (!str_starts(key, "kubernetes.operator.") && !str_starts(key, "job.autoscaler."))
			node_set(doc, *out, key, node_copy(doc, node_value_at(all, i)));
	}
	/* a jar in the image: its classes are found by a class path of the job's own, since what is uploaded is empty */
	const char *uri = node_find_text(launch->spec, "job/jarURI");
	if (uri != NULL && str_starts(uri, "local:") && flink_config_get(*out, "pipeline.classpaths") == NULL) {
		uri += strlen("local:");
		AUTOFREE char *path = mem_printf("file:///%s", uri + strspn(uri, "/"));
		node_set_text(doc, *out, "pipeline.classpaths", path);
	}
	flink_config_settle(doc, *out, version);
	return true;
}

static bool run(const struct http *http, const char *jar, const struct job_view *view, const struct ledger_launch *l,
		const struct node *spec, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *configuration = NULL;
	struct flink_launch launch = { .spec = spec, .name = view->name, .ns = view->ns };
	const struct flink_version *version = flink_launch_version(&launch, err);
	if (version == NULL || !job_configuration(doc, &launch, version, &configuration, err))
		return false;
	const struct node *job = node_get(spec, "job");
	struct flink_jar_run request = { .version = version,
					 .job_id = l->job_id,
					 .entry_class = node_text(node_get(job, "entryClass")),
					 .args = node_get(job, "args"),
					 .parallelism = node_integer(node_get(job, "parallelism"), 0),
					 .savepoint_path = l->restore.kind == RESTORE_PATH ? l->restore.path : NULL,
					 .allow_non_restored_state = node_truth(node_get(job, "allowNonRestoredState"), false),
					 .claim_mode = flink_config_get_or(configuration, "execution.savepoint-restore-mode", "NO_CLAIM"),
					 .configuration = configuration,
					 .timeout_ms = SUBMIT_TIMEOUT_MS };
	char id[FLINK_ID_MAX];
	return flink_jar_run(http, jar, &request, id, err);
}

static bool upload_and_run(const struct http *http, const char *file, const char *name, const struct job_view *view,
			   const struct ledger_launch *l, const struct node *spec, struct error *err)
{
	char jar[FLINK_JAR_ID_MAX];
	if (!flink_jar_upload(http, file, name, jar, err))
		return false;
	struct error why = ERROR_INIT;
	bool ok = run(http, jar, view, l, spec, &why) || why.kind == ERROR_CONFLICT; /* an earlier try arrived */
	(void)flink_jar_delete(http, jar, NULL); /* one that stays costs space until the JobManager restarts, no more */
	return ok || error_set(err, why.kind, "%s", why.message);
}

bool submit_job(struct agent *agent, struct job_view *view, const struct ledger *ledger, struct error *err)
{
	const struct ledger_launch *l = ledger->launch_count == 0 ? NULL : &ledger->launches[ledger->launch_count - 1];
	if (l == NULL || l->number != ledger->op.launch || l->spec == NULL)
		return error_set(err, ERROR_BUG, "the launch of the open intent is not in the ledger");
	AUTODOC *own = doc_parse_json(l->spec, strlen(l->spec), "launched spec", NULL, err);
	if (own == NULL)
		return false;
	const struct node *spec = subject_effective(view, doc_root(own));
	const char *uri = node_find_text(spec, "job/jarURI");
	AUTOARTIFACT jar = { 0 };
	if (!fetch(agent, view, uri, &jar, err))
		return error_wrap(err, "spec.job.jarURI");
	struct http *http = NULL;
	bool ok =
		job_rest_open(agent, view, &http, err) && upload_and_run(http, jar.path, uri == NULL ? "job.jar" : uri, view, l, spec, err);
	job_rest_close(agent, http);
	return ok;
}
