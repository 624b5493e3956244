/* Checkpoints, savepoints and the operations that end a job. */
#include <string.h>

#include "base/mem.h"
#include "flink/rest_internal.h"

/* All versions answer so with 404, as they do for a job that they do not know. */
#define CHECKPOINTING_IS_OFF "Checkpointing has not been enabled"

static bool read_checkpoint(const struct node *node, const char *time, struct flink_checkpoint *out, struct error *err)
{
	*out = (struct flink_checkpoint){ .present = node_is(node, NODE_MAP) };
	if (!out->present)
		return true;
	out->id = node_integer(node_get(node, "id"), 0);
	out->at_ms = node_integer(node_get(node, time), 0);
	out->state_size = node_integer(node_get(node, "state_size"), 0);
	out->is_savepoint = node_truth(node_get(node, "is_savepoint"), false);
	const char *path = node_text(node_get(node, "external_path"));
	if (path != NULL && path[0] == '<') /* Flink's words for "not addressable" */
		path = NULL;
	return rest_copy_whole(out->path, sizeof(out->path), path, "a checkpoint's external_path", err);
}

bool flink_checkpoints(const struct http *http, const char *job, struct flink_checkpoints *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/checkpoints");
	struct error problem = ERROR_INIT;
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, &problem);
	if (doc == NULL && problem.kind == ERROR_NOT_FOUND && strstr(problem.message, CHECKPOINTING_IS_OFF) != NULL) {
		*out = (struct flink_checkpoints){ 0 };
		return true;
	}
	if (doc == NULL) {
		error_copy(err, &problem);
		return false;
	}
	const struct node *root = doc_root(doc), *counts = node_get(root, "counts"), *latest = node_get(root, "latest");
	struct flink_checkpoints found = { .total = node_integer(node_get(counts, "total"), 0),
					   .completed = node_integer(node_get(counts, "completed"), 0),
					   .failed = node_integer(node_get(counts, "failed"), 0),
					   .in_progress = node_integer(node_get(counts, "in_progress"), 0),
					   .restored_count = node_integer(node_get(counts, "restored"), 0) };
	if (!read_checkpoint(node_get(latest, "completed"), "trigger_timestamp", &found.latest_completed, err) ||
	    !read_checkpoint(node_get(latest, "savepoint"), "trigger_timestamp", &found.latest_savepoint, err) ||
	    !read_checkpoint(node_get(latest, "failed"), "trigger_timestamp", &found.latest_failed, err) ||
	    !read_checkpoint(node_get(latest, "restored"), "restore_timestamp", &found.restored, err))
		return false;
	if (found.latest_savepoint.present)
		found.latest_savepoint.is_savepoint = true;
	const struct node *newest = node_at(node_get(root, "history"), 0);
	if (str_eq(node_text(node_get(newest, "status")), "IN_PROGRESS"))
		found.pending_at_ms = node_integer(node_get(newest, "trigger_timestamp"), 0);
	*out = found;
	return true;
}

/* Starts an operation and reads the id under which it can be asked for. */
static bool start(const struct http *http, const char *path, const struct node *body, char out[FLINK_ID_MAX], struct error *err)
{
	AUTODOC *doc = rest_call(http, "POST", path, body, err);
	if (doc == NULL)
		return false;
	const char *id = node_text(node_get(doc_root(doc), "request-id"));
	if (id == NULL || *id == '\0' || strlen(id) >= FLINK_ID_MAX)
		return error_set(err, ERROR_UNKNOWN_OUTCOME, "Flink: POST %s: accepted, but the answer has no usable request-id", path);
	rest_copy(out, FLINK_ID_MAX, id);
	return true;
}

/* An unknown field is refused: what the version does not take is left out. */
static void put_choices(struct doc *doc, struct node *body, const struct flink_savepoint_request *request)
{
	if (request->version == NULL || request->version->savepoint_format)
		node_set_text(doc, body, "formatType", request->format);
	if (request->version == NULL || request->version->trigger_id)
		node_set_text(doc, body, "triggerId", request->trigger_id);
}

bool flink_savepoint_trigger(const struct http *http, const char *job, const struct flink_savepoint_request *request,
			     char out[FLINK_ID_MAX], struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *body = node_map(doc);
	node_set_text(doc, body, "target-directory", request->directory);
	node_set(doc, body, "cancel-job", node_bool(doc, false));
	put_choices(doc, body, request);
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/savepoints");
	return start(http, buf_text(&path), body, out, err);
}

bool flink_stop_with_savepoint(const struct http *http, const char *job, const struct flink_savepoint_request *request, bool drain,
			       char out[FLINK_ID_MAX], struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *body = node_map(doc);
	node_set_text(doc, body, "targetDirectory", request->directory);
	node_set(doc, body, "drain", node_bool(doc, drain));
	put_choices(doc, body, request);
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/stop");
	return start(http, buf_text(&path), body, out, err);
}

bool flink_checkpoint_trigger(const struct http *http, const char *job, const char *type, const char *trigger_id, char out[FLINK_ID_MAX],
			      struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *body = node_map(doc);
	node_set_text(doc, body, "checkpointType", type);
	node_set_text(doc, body, "triggerId", trigger_id);
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/checkpoints");
	return start(http, buf_text(&path), body, out, err);
}

bool flink_savepoint_dispose(const struct http *http, const char *path, char out[FLINK_ID_MAX], struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *body = node_map(doc);
	node_set_text(doc, body, "savepoint-path", path);
	return start(http, "/v1/savepoint-disposal", body, out, err);
}

static const struct node *failure_of(const struct node *operation)
{
	const struct node *cause = node_get(operation, "failure-cause");
	return node_is(cause, NODE_MAP) ? cause : node_get(operation, "failureCause"); /* the checkpoint operation spells it so */
}

/* A stop whose savepoint was completed before the job failed to stop says so in its message only. */
static bool read_kept_savepoint(const char *trace, struct flink_operation *out, struct error *err)
{
	static const char words[] = "A savepoint has been created at: ";
	const char *start = trace != NULL ? strstr(trace, words) : NULL;
	if (start == NULL)
		return true;
	start += sizeof(words) - 1;
	const char *end = strstr(start, ", but ");
	if (end == NULL || memchr(start, '\n', (size_t)(end - start)) != NULL)
		return true;
	AUTOFREE char *path = mem_strndup(start, (size_t)(end - start));
	return rest_copy_whole(out->location, sizeof(out->location), path, "a savepoint's location", err);
}

static bool poll_operation(const struct http *http, const char *path, struct flink_operation *out, struct error *err)
{
	AUTODOC *doc = rest_call(http, "GET", path, NULL, err);
	if (doc == NULL)
		return false;
	const char *state = node_text(node_find(doc_root(doc), "status/id"));
	const struct node *operation = node_get(doc_root(doc), "operation"), *cause = failure_of(operation);
	struct flink_operation found = { .state = FLINK_IN_PROGRESS };
	if (str_eq(state, "COMPLETED")) {
		found.state = node_is(cause, NODE_MAP) ? FLINK_FAILED : FLINK_COMPLETED;
		found.checkpoint_id = node_integer(node_get(operation, "checkpointId"), 0);
		if (!rest_copy_whole(found.location, sizeof(found.location), node_text(node_get(operation, "location")),
				     "a savepoint's location", err))
			return false;
	} else if (!str_eq(state, "IN_PROGRESS")) {
		return error_set(err, ERROR_INVALID, "Flink: GET %s: status.id: expected IN_PROGRESS or COMPLETED, found %.40s", path,
				 state != NULL ? state : "nothing");
	}
	if (found.state == FLINK_FAILED) {
		if (!read_kept_savepoint(node_text(node_get(cause, "stack-trace")), &found, err))
			return false;
		rest_copy_trace(found.cause, sizeof(found.cause), node_text(node_get(cause, "stack-trace")));
		if (found.cause[0] == '\0')
			rest_copy(found.cause, sizeof(found.cause), node_text_or(node_get(cause, "class"), "failed without a cause"));
	}
	*out = found;
	return true;
}

static bool poll_of_job(const struct http *http, const char *job, const char *kind, const char *trigger_id, struct flink_operation *out,
			struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, kind);
	buf_put_url(&path, trigger_id);
	return poll_operation(http, buf_text(&path), out, err);
}

bool flink_savepoint_poll(const struct http *http, const char *job, const char *trigger_id, struct flink_operation *out, struct error *err)
{
	struct flink_operation found;
	if (!poll_of_job(http, job, "/savepoints/", trigger_id, &found, err))
		return false;
	if (found.state == FLINK_COMPLETED && found.location[0] == '\0')
		return error_set(err, ERROR_INVALID, "Flink: savepoint %.40s of job %.40s: completed, but the answer has no location",
				 trigger_id, job);
	*out = found;
	return true;
}

bool flink_checkpoint_poll(const struct http *http, const char *job, const char *trigger_id, struct flink_operation *out, struct error *err)
{
	return poll_of_job(http, job, "/checkpoints/", trigger_id, out, err);
}

bool flink_checkpoint_path(const struct http *http, const char *job, int64_t checkpoint_id, char out[FLINK_PATH_MAX], struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/checkpoints/details/");
	buf_printf(&path, "%lld", (long long)checkpoint_id);
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, err);
	struct flink_checkpoint found;
	if (doc == NULL || !read_checkpoint(doc_root(doc), "trigger_timestamp", &found, err))
		return false;
	rest_copy(out, FLINK_PATH_MAX, found.path);
	return true;
}

bool flink_savepoint_dispose_poll(const struct http *http, const char *trigger_id, struct flink_operation *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	buf_puts(&path, "/v1/savepoint-disposal/");
	buf_put_url(&path, trigger_id);
	return poll_operation(http, buf_text(&path), out, err);
}

bool flink_cancel(const struct http *http, const char *job, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "?mode=cancel");
	AUTODOC *doc = rest_call(http, "PATCH", buf_text(&path), NULL, err);
	return doc != NULL;
}
