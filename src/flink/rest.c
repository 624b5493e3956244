#include "flink/rest_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { REST_ANSWER_MAX = 8 * 1024 * 1024 };

void rest_copy(char *out, size_t size, const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;
	if (len >= size) {
		len = size - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
}

bool rest_copy_whole(char *out, size_t size, const char *text, const char *what, struct error *err)
{
	if (text != NULL && strlen(text) >= size)
		return error_set(err, ERROR_LIMIT, "%s in Flink's answer has %zu bytes, the maximum is %zu", what, strlen(text), size - 1);
	rest_copy(out, size, text);
	return true;
}

void rest_copy_trace(char *out, size_t size, const char *trace)
{
	AUTOBUF kept = BUF_INIT;
	for (const char *line = trace; line != NULL && *line != '\0';) {
		size_t len = strcspn(line, "\r\n");
		size_t indent = strspn(line, " \t");
		/* frames, and the words around what Flink sends on from inside */
		static const char *const left_out[] = { "at ", "... ", "<Exception on server side:", "End of exception on server side>" };
		bool skip = len <= indent;
		for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
			skip = skip || str_starts(line + indent, left_out[i]);
		if (!skip) {
			if (kept.len > 0)
				buf_putc(&kept, '\n');
			buf_append(&kept, line, len);
		}
		line += len;
		line += strspn(line, "\r\n");
	}
	/* of one that is too long its end is kept, too: the cause of all the others */
	const char *last = strrchr(buf_text(&kept), '\n');
	size_t tail = last != NULL ? kept.len - (size_t)(last - kept.data) : 0;
	if (kept.len < size || tail == 0 || tail + sizeof("\n...") > size / 2) {
		rest_copy(out, size, buf_text(&kept));
		return;
	}
	rest_copy(out, size - tail - strlen("\n..."), buf_text(&kept));
	size_t head = strlen(out);
	(void)snprintf(out + head, size - head, "\n...%s", last);
}

void rest_job_path(struct buf *out, const char *job, const char *rest)
{
	buf_puts(out, "/v1/jobs/");
	buf_put_url(out, job);
	buf_puts(out, rest);
}

/* What an answer with an error status means for the caller. */
static enum error_kind kind_of(int status, bool changing)
{
	switch (status) {
	case 401:
	case 403:
		return ERROR_FORBIDDEN;
	case 404:
		return ERROR_NOT_FOUND;
	case 409:
		return ERROR_CONFLICT;
	case 410:
		return ERROR_EXPIRED;
	case 408: /* Flink gave up waiting inside */
		return changing ? ERROR_UNKNOWN_OUTCOME : ERROR_TRANSIENT;
	case 429:
	case 503: /* no leader yet */
		return ERROR_TRANSIENT;
	case 405:
	case 501:
		return ERROR_UNSUPPORTED;
	default:
		break;
	}
	if (status >= 500)
		return changing ? ERROR_UNKNOWN_OUTCOME : ERROR_TRANSIENT;
	return ERROR_INVALID;
}

/* {"errors": ["Not found.", "stack trace"]}: the last one says most. */
static void describe(const struct http_response *response, char *out, size_t size)
{
	struct error ignored = ERROR_INIT;
	const struct doc_limits limits = { .bytes = REST_ANSWER_MAX };
	AUTODOC *doc = doc_parse_json(buf_text(&response->body), response->body.len, "answer", &limits, &ignored);
	const struct node *errors = doc != NULL ? node_get(doc_root(doc), "errors") : NULL;
	const char *text = NULL;
	for (size_t i = node_count(errors); i-- > 0 && text == NULL;) {
		text = node_text(node_at(errors, i));
		if (text != NULL && *text == '\0')
			text = NULL;
	}
	rest_copy_trace(out, size, text != NULL ? text : buf_text(&response->body));
}

struct doc *rest_exchange(const struct http *http, const struct http_request *request, struct error *err)
{
	const char *method = request->method, *path = request->path;
	AUTORESPONSE response = { 0 };
	if (!http_send(http, request, &response, err)) {
		(void)error_wrap(err, "Flink: %s %s", method, path);
		return NULL;
	}
	bool changing = strcmp(method, "GET") != 0;
	if (response.status < 200 || response.status > 299) {
		char why[400];
		describe(&response, why, sizeof(why));
		(void)error_set(err, kind_of(response.status, changing), "Flink: %s %s: %d: %s", method, path, response.status, why);
		if (err != NULL) {
			err->http_status = response.status;
			err->retry_after_ms = response.retry_after_ms;
		}
		return NULL;
	}
	const struct doc_limits limits = { .bytes = REST_ANSWER_MAX };
	bool empty = response.body.len == 0;
	struct doc *doc = doc_parse_json(empty ? "{}" : response.body.data, empty ? 2 : response.body.len, "answer", &limits, err);
	if (doc == NULL) {
		/* it was done, but what became of it cannot be read */
		if (changing && err != NULL)
			err->kind = ERROR_UNKNOWN_OUTCOME;
		(void)error_wrap(err, "Flink: %s %s", method, path);
	}
	return doc;
}

struct doc *rest_call(const struct http *http, const char *method, const char *path, const struct node *body, struct error *err)
{
	AUTOBUF text = BUF_INIT;
	struct http_request request = { .method = method, .path = path };
	if (body != NULL) {
		node_to_json(body, &text, JSON_COMPACT);
		request.content_type = "application/json";
		request.body = text.data;
		request.body_len = text.len;
	}
	return rest_exchange(http, &request, err);
}

bool flink_state_is_terminal(const char *state)
{
	return str_eq(state, "FINISHED") || str_eq(state, "CANCELED") || str_eq(state, "FAILED");
}

bool flink_overview(const struct http *http, struct flink_overview *out, struct error *err)
{
	AUTODOC *doc = rest_call(http, "GET", "/v1/overview", NULL, err);
	if (doc == NULL)
		return false;
	const struct node *root = doc_root(doc);
	*out = (struct flink_overview){ .taskmanagers = node_integer(node_get(root, "taskmanagers"), 0),
					.slots_total = node_integer(node_get(root, "slots-total"), 0),
					.slots_available = node_integer(node_get(root, "slots-available"), 0),
					.jobs_running = node_integer(node_get(root, "jobs-running"), 0),
					.jobs_finished = node_integer(node_get(root, "jobs-finished"), 0),
					.jobs_cancelled = node_integer(node_get(root, "jobs-cancelled"), 0),
					.jobs_failed = node_integer(node_get(root, "jobs-failed"), 0) };
	rest_copy(out->version, sizeof(out->version), node_text(node_get(root, "flink-version")));
	rest_copy(out->commit, sizeof(out->commit), node_text(node_get(root, "flink-commit")));
	return true;
}

bool flink_cluster_config(const struct http *http, struct flink_cluster_config *out, struct error *err)
{
	AUTODOC *doc = rest_call(http, "GET", "/v1/config", NULL, err);
	if (doc == NULL)
		return false;
	rest_copy(out->version, sizeof(out->version), node_text(node_get(doc_root(doc), "flink-version")));
	rest_copy(out->revision, sizeof(out->revision), node_text(node_get(doc_root(doc), "flink-revision")));
	return true;
}

bool flink_taskmanagers(const struct http *http, size_t *count, struct error *err)
{
	AUTODOC *doc = rest_call(http, "GET", "/v1/taskmanagers", NULL, err);
	if (doc == NULL)
		return false;
	const struct node *list = node_get(doc_root(doc), "taskmanagers");
	if (!node_is(list, NODE_LIST))
		return error_set(err, ERROR_INVALID, "Flink: GET /v1/taskmanagers: taskmanagers: expected a list");
	*count = node_count(list);
	return true;
}

void flink_jobs_free(struct flink_jobs *jobs)
{
	free(jobs->items);
	*jobs = (struct flink_jobs){ 0 };
}

static int64_t task_count(const struct node *counts, const char *lower, const char *upper)
{
	int64_t n = node_integer(node_get(counts, lower), -1);
	return n >= 0 ? n : node_integer(node_get(counts, upper), 0);
}

static bool read_job(const struct node *node, struct flink_job *job, struct error *err)
{
	*job = (struct flink_job){ .start_ms = node_integer(node_get(node, "start-time"), 0),
				   .end_ms = node_integer(node_get(node, "end-time"), 0),
				   .modified_ms = node_integer(node_get(node, "last-modification"), 0) };
	const char *id = node_text(node_get(node, "jid")), *state = node_text(node_get(node, "state"));
	if (id == NULL || *id == '\0' || state == NULL)
		return error_set(err, ERROR_INVALID, "Flink: a job in the answer has no jid or no state");
	if (!rest_copy_whole(job->id, sizeof(job->id), id, "a job id", err) ||
	    !rest_copy_whole(job->state, sizeof(job->state), state, "a job's state", err))
		return false;
	rest_copy(job->name, sizeof(job->name), node_text(node_get(node, "name")));
	/* the overview counts tasks in lower case, a job's details in upper case and without a total */
	const struct node *counts = node_get(node, "tasks");
	bool overview = node_is(counts, NODE_MAP);
	if (!overview)
		counts = node_get(node, "status-counts");
	job->tasks_running = task_count(counts, "running", "RUNNING");
	job->tasks_finished = task_count(counts, "finished", "FINISHED");
	job->tasks_failed = task_count(counts, "failed", "FAILED");
	job->tasks_canceled = task_count(counts, "canceled", "CANCELED");
	if (overview) {
		job->tasks_total = node_integer(node_get(counts, "total"), 0);
	} else {
		for (size_t i = 0; i < node_count(counts); i++)
			job->tasks_total += node_integer(node_value_at(counts, i), 0);
	}
	bool all = job->tasks_running + job->tasks_finished == job->tasks_total;
	rest_copy(job->effective_state, sizeof(job->effective_state), strcmp(state, "RUNNING") == 0 && !all ? "CREATED" : state);
	return true;
}

bool flink_jobs(const struct http *http, struct flink_jobs *out, struct error *err)
{
	AUTODOC *doc = rest_call(http, "GET", "/v1/jobs/overview", NULL, err);
	if (doc == NULL)
		return false;
	const struct node *list = node_get(doc_root(doc), "jobs");
	if (!node_is(list, NODE_LIST))
		return error_set(err, ERROR_INVALID, "Flink: GET /v1/jobs/overview: jobs: expected a list");
	AUTOJOBS found = { .items = mem_array(node_count(list) + 1, sizeof(*found.items)) };
	for (size_t i = 0; i < node_count(list); i++)
		if (!read_job(node_at(list, i), &found.items[found.count++], err))
			return false;
	*out = found;
	found = (struct flink_jobs){ 0 };
	return true;
}

/* Task states are counted by vertex there: summed up into one map of the job's. */
static struct node *sum_tasks(struct doc *doc, const struct node *vertices)
{
	struct node *sums = node_map(doc);
	for (size_t i = 0; i < node_count(vertices); i++) {
		const struct node *tasks = node_get(node_at(vertices, i), "tasks");
		for (size_t k = 0; k < node_count(tasks); k++) {
			const char *state = node_key_at(tasks, k);
			if (state != NULL)
				node_set_int(doc, sums, state,
					     node_integer(node_get(sums, state), 0) + node_integer(node_value_at(tasks, k), 0));
		}
	}
	return sums;
}

bool flink_job_details(const struct http *http, const char *job, struct flink_job *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "");
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, err);
	if (doc == NULL)
		return false;
	/* its own status-counts are of vertices, not of tasks */
	struct node *root = doc_root(doc);
	if (node_is(root, NODE_MAP))
		node_set(doc, root, "status-counts", sum_tasks(doc, node_get(root, "vertices")));
	struct flink_job found;
	if (!read_job(root, &found, err))
		return false;
	*out = found;
	return true;
}

bool flink_job_exceptions(const struct http *http, const char *job, struct flink_exceptions *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/exceptions?maxExceptions=20");
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, err);
	if (doc == NULL)
		return false;
	const struct node *root = doc_root(doc), *entries = node_find(root, "exceptionHistory/entries"), *newest = NULL;
	for (size_t i = 0; i < node_count(entries); i++)
		if (newest == NULL ||
		    node_integer(node_get(node_at(entries, i), "timestamp"), 0) > node_integer(node_get(newest, "timestamp"), 0))
			newest = node_at(entries, i);
	*out = (struct flink_exceptions){ .count = node_count(entries) };
	if (newest != NULL) {
		rest_copy(out->name, sizeof(out->name), node_text(node_get(newest, "exceptionName")));
		rest_copy_trace(out->root, sizeof(out->root), node_text(node_get(newest, "stacktrace")));
		out->at_ms = node_integer(node_get(newest, "timestamp"), 0);
	} else if (node_text(node_get(root, "root-exception")) != NULL) { /* before 2.0 */
		rest_copy_trace(out->root, sizeof(out->root), node_text(node_get(root, "root-exception")));
		out->at_ms = node_integer(node_get(root, "timestamp"), 0);
		out->count = 1;
	}
	return true;
}

bool flink_job_restarts(const struct http *http, const char *job, int64_t *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/metrics?get=numRestarts,fullRestarts");
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, err);
	if (doc == NULL)
		return false;
	int64_t restarts = -1;
	for (size_t i = 0; i < node_count(doc_root(doc)); i++) {
		const struct node *metric = node_at(doc_root(doc), i);
		int64_t value = node_integer(node_get(metric, "value"), -1);
		if (str_eq(node_text(node_get(metric, "id")), "numRestarts") || restarts < 0)
			restarts = value;
	}
	*out = restarts;
	return true;
}
