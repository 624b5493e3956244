/* Flink's REST API: savepoints, stops with savepoint, checkpoints and disposals, which are asked for, and then polled by their trigger id. */
#include "sim/flink_model.h"

/* The operation of that trigger id, of the job if it runs here, else among those that failed for want of one. */
static struct operation *operation_find(struct process *jobmanager, struct process *p, const char *job, const char *id, bool checkpoint)
{
	for (struct operation *o = p != NULL ? p->job->operations : NULL; o != NULL; o = o->next)
		if (strcmp(o->trigger, id) == 0 && o->checkpoint == checkpoint)
			return o;
	for (struct operation *o = jobmanager->misses; o != NULL; o = o->next)
		if (strcmp(o->trigger, id) == 0 && strcmp(o->job, job) == 0 && o->checkpoint == checkpoint)
			return o;
	return NULL;
}

/* A request for a job that is not running is accepted all the same; only the operation says so. */
static struct operation *trigger_miss(struct sim *sim, struct process *jobmanager, const char *job, const char *id)
{
	struct operation *o = mem_alloc(sizeof *o);
	o->trigger = mem_strdup(id);
	o->job = mem_strdup(job);
	o->done = true;
	o->done_at = sim->now;
	o->failure = mem_printf("org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (%s)", job);
	o->next = jobmanager->misses;
	return jobmanager->misses = o;
}

static void accepted(struct call *call, const char *id)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc);
	node_set_text(doc, n, "request-id", id);
	call_answer(call, 202, n);
}

/* p: the job's process, NULL if there is no such job. */
void operation_post(struct call *call, struct process *jobmanager, struct process *p, const char *job, bool stop)
{
	AUTODOC *body =
		call->request->body_len > 0 ? doc_parse_json(call->request->body, call->request->body_len, "body", NULL, NULL) : NULL;
	const struct node *root = body ? doc_root(body) : NULL;
	const char *id = node_find_text(root, "triggerId"), *dir = node_text(node_get(root, stop ? "targetDirectory" : "target-directory"));
	char fresh[33];
	if (dir == NULL)
		dir = conf(p != NULL ? p : jobmanager, "execution.checkpointing.savepoint-dir", "state.savepoints.dir");
	if (dir == NULL) {
		flink_problem(
			call, 400,
			"org.apache.flink.runtime.rest.handler.RestHandlerException: Config key [execution.checkpointing.savepoint-dir]"
			" is not set. Property [%s] must be provided.",
			stop ? "targetDirectory" : "target-directory");
		return;
	}
	if (id == NULL) {
		sim_random_text(call->sim, fresh, 32, "0123456789abcdef");
		id = fresh;
	}
	bool cancel = node_truth(node_get(root, "cancel-job"), false);
	if (operation_find(jobmanager, p, job, id, false) == NULL) {
		if (p == NULL || job_terminal(p->job))
			trigger_miss(call->sim, jobmanager, job, id);
		else
			job_trigger(call->sim, p, id, dir, stop || cancel)->native = str_eq(node_find_text(root, "formatType"), "NATIVE");
	}
	accepted(call, id);
}

void operation_post_checkpoint(struct call *call, struct process *jobmanager, struct process *p, const char *job)
{
	AUTODOC *body =
		call->request->body_len > 0 ? doc_parse_json(call->request->body, call->request->body_len, "body", NULL, NULL) : NULL;
	const char *id = body ? node_find_text(doc_root(body), "triggerId") : NULL;
	char fresh[33];
	if (id == NULL) {
		sim_random_text(call->sim, fresh, 32, "0123456789abcdef");
		id = fresh;
	}
	if (operation_find(jobmanager, p, job, id, true) == NULL) {
		if (p == NULL || job_terminal(p->job))
			trigger_miss(call->sim, jobmanager, job, id)->checkpoint = true;
		else
			job_trigger_checkpoint(call->sim, p, id);
	}
	accepted(call, id);
}

void operation_post_disposal(struct call *call, struct process *jobmanager)
{
	AUTODOC *body =
		call->request->body_len > 0 ? doc_parse_json(call->request->body, call->request->body_len, "body", NULL, NULL) : NULL;
	const char *path = body ? node_find_text(doc_root(body), "savepoint-path") : NULL;
	if (path == NULL) {
		flink_problem(call, 400, "org.apache.flink.runtime.rest.handler.RestHandlerException: savepoint-path is missing.");
		return;
	}
	char id[33];
	sim_random_text(call->sim, id, 32, "0123456789abcdef");
	struct operation *o = trigger_miss(call->sim, jobmanager, "", id);
	o->disposal = true;
	free(o->failure);
	o->failure = NULL;
	AUTOFREE char *key = stored_key(path);
	if (call->sim->storage_down || !stored_remove(call->sim->stored, &call->sim->stored_count, key))
		o->failure = mem_printf("java.util.concurrent.CompletionException: org.apache.flink.util.FlinkException: Failed to dispose "
					"savepoint %s.\nCaused by: java.io.%s: Cannot find checkpoint or savepoint file/directory '%s' on "
					"file system 'file'.",
					path, call->sim->storage_down ? "IOException" : "FileNotFoundException", path);
	accepted(call, id);
}

void operation_get_disposal(struct call *call, struct process *jobmanager, const char *id)
{
	operation_get(call, jobmanager, NULL, "", id, false);
}

void operation_get(struct call *call, struct process *jobmanager, struct process *p, const char *job, const char *id, bool checkpoint)
{
	const struct operation *o = operation_find(jobmanager, p, job, id, checkpoint);
	if (o == NULL || (o->done && call->sim->now - o->done_at > call->sim->options.result_ttl_ms)) {
		flink_problem(
			call, 404,
			"org.apache.flink.runtime.rest.handler.RestHandlerException: There is no savepoint operation with triggerId=%s "
			"for job %s.",
			id, job);
		return;
	}
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *status = node_map(doc), *operation = o->done ? node_map(doc) : node_null(doc);
	node_set_text(doc, status, "id", o->done ? "COMPLETED" : "IN_PROGRESS");
	if (o->failure != NULL) {
		struct node *cause = node_map(doc);
		node_set(doc, cause, "class", node_stringn(doc, o->failure, strcspn(o->failure, ":")));
		node_set_text(doc, cause, "stack-trace", o->failure);
		node_set(doc, operation, o->checkpoint ? "failureCause" : "failure-cause", cause);
	} else if (o->done && o->checkpoint) {
		node_set_int(doc, operation, "checkpointId", o->checkpoint_id);
	} else if (o->done && o->location != NULL) {
		node_set_text(doc, operation, "location", o->location);
	}
	node_set(doc, n, "status", status);
	node_set(doc, n, "operation", operation);
	call_answer(call, 200, n);
}
