/* Submits a session job: its jar goes up, runs under the launch's job id, and is taken down again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "flink/config.h"
#include "flink/rest.h"

enum { SUBMIT_TIMEOUT_MS = 60000 };

/* An archive without entries: what is run then are classes that the image brings. */
static bool empty_jar(char path[64], struct error *err)
{
	static const char end_of_directory[22] = "PK\005\006";
	(void)snprintf(path, 64, "/tmp/weir-empty-XXXXXX");
	int fd = mkstemp(path);
	bool ok = fd >= 0 && write(fd, end_of_directory, sizeof end_of_directory) == (ssize_t)sizeof end_of_directory;
	if (fd >= 0)
		(void)close(fd);
	return ok || error_set(err, ERROR_TRANSIENT, "%s: cannot be written", path);
}

/* What the job's configuration adds to its cluster's, as Flink takes it with the submission. */
static bool job_configuration(struct doc *doc, const struct flink_launch *launch, struct node **out, struct error *err)
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
	return true;
}

static bool run(const struct http *http, const char *jar, const struct job_view *view, const struct ledger_launch *l, const struct node *spec,
		struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *configuration = NULL;
	struct flink_launch launch = { .spec = spec, .name = view->name, .ns = view->ns };
	const struct flink_version *version = flink_launch_version(&launch, err);
	if (version == NULL || !job_configuration(doc, &launch, &configuration, err))
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
	bool ok = run(http, jar, view, l, spec, &why) || strstr(why.message, "DuplicateJobSubmission") != NULL; /* an earlier try arrived */
	(void)flink_jar_delete(http, jar, NULL); /* one that stays costs space until the JobManager restarts, no more */
	return ok || error_set(err, why.kind, "%s", why.message);
}

/* The jar as a file of this machine, borrowed from the URI. */
static const char *local_file(const char *uri, struct error *err)
{
	if (str_starts(uri, "file:"))
		return uri + strlen("file:") + (str_starts(uri, "file:///") ? 2 : 0);
	(void)error_set(err, ERROR_UNSUPPORTED, "%s: expected a local:// or file:// address", uri);
	return NULL;
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
	char empty[64] = "";
	bool image = uri == NULL || *uri == '\0' || str_starts(uri, "local:");
	const char *file = image ? empty : local_file(uri, err);
	if (file == NULL || (image && !empty_jar(empty, err)))
		return error_wrap(err, "spec.job.jarURI");
	struct http *http = NULL;
	bool ok = job_rest_open(agent, view, &http, err) &&
		  upload_and_run(http, file, image ? "image.jar" : uri, view, l, spec, err);
	job_rest_close(agent, http);
	if (empty[0] != '\0')
		(void)unlink(empty);
	return ok;
}
