/* Flink's REST API as far as Weir and the Flink tools ask it, answers shaped as of Flink 1.20. Reached through the service proxy. */
#include <stdio.h>

#include "sim/flink_model.h"

struct process *process_of_service(struct sim *sim, const char *ns, const char *service)
{
	AUTOFREE char *name = mem_strndup(service, strcspn(service, ":"));
	if (str_eq(name, "http") || str_eq(name, "https")) { /* SCHEME:NAME:PORT */
		const char *rest = service + strlen(name);
		rest += *rest == ':';
		free(name);
		name = mem_strndup(rest, strcspn(rest, ":"));
	}
	struct object *s = store_get(sim, "services", ns, name);
	struct process *best = NULL;
	for (struct process *p = sim->processes; s != NULL && p != NULL; p = p->next) {
		struct object *pod = store_get(sim, "pods", ns, p->pod);
		if (pod != NULL && p->jobmanager && p->session == NULL && p->rest_up && strcmp(pod->uid, p->uid) == 0 &&
		    strcmp(p->ns, ns) == 0 &&
		    labels_cover(node_find(object_root(s), "spec/selector"), node_find(object_root(pod), "metadata/labels")) &&
		    (best == NULL || (p->leader && !best->leader)))
			best = p;
	}
	return best;
}

void flink_problem(struct call *call, int status, const char *format, ...)
{
	AUTODOC *doc = doc_new();
	AUTOBUF text = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	struct node *n = node_map(doc), *list = node_list(doc);
	node_append(doc, list, node_string(doc, buf_text(&text)));
	node_set(doc, n, "errors", list);
	call_answer(call, status, n);
}

static struct node *job_overview(struct sim *sim, struct doc *doc, const struct process *p)
{
	static const char *const states[] = { "running",   "canceling",	  "canceled", "total",	      "created", "scheduled",
					      "deploying", "reconciling", "finished", "initializing", "failed" };
	const struct job *j = p->job;
	struct node *n = node_map(doc), *tasks = node_map(doc);
	const char *p_text = conf(p, "parallelism.default", NULL);
	int64_t total = p_text ? strtoll(p_text, NULL, 10) : 1;
	node_set_text(doc, n, "jid", j->id);
	node_set_text(doc, n, "name", j->name);
	node_set_int(doc, n, "start-time", j->started_at);
	node_set_int(doc, n, "end-time", job_terminal(j) ? j->ended_at : -1);
	node_set_int(doc, n, "duration", (job_terminal(j) ? j->ended_at : sim->now) - j->started_at);
	node_set_text(doc, n, "state", j->state);
	node_set_int(doc, n, "last-modification", j->changed_at);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		node_set_int(doc, tasks, states[i], strcmp(states[i], "total") == 0 || strcasecmp(states[i], j->state) == 0 ? total : 0);
	node_set(doc, n, "tasks", tasks);
	return n;
}

static void jobs(struct call *call, const struct process *p, bool overview)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *list = node_list(doc);
	for (const struct process *o = call->sim->processes; o != NULL; o = o->next) {
		if ((o != p && o->session != p) || o->job == NULL)
			continue;
		if (overview) {
			node_append(doc, list, job_overview(call->sim, doc, o));
			continue;
		}
		struct node *j = node_map(doc);
		node_set_text(doc, j, "id", o->job->id);
		node_set_text(doc, j, "status", o->job->state);
		node_append(doc, list, j);
	}
	node_set(doc, n, "jobs", list);
	call_answer(call, 200, n);
}

static void cluster_overview(struct call *call, const struct process *p)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc);
	size_t running;
	taskmanagers_of(call->sim, p, &running);
	const char *slots_text = conf(p, "taskmanager.numberOfTaskSlots", NULL), *state = p->job ? p->job->state : "";
	int64_t slots = (slots_text ? strtoll(slots_text, NULL, 10) : 1) * (int64_t)running;
	bool up = strcmp(state, "RUNNING") == 0;
	node_set_int(doc, n, "taskmanagers", (int64_t)running);
	node_set_int(doc, n, "slots-total", slots);
	node_set_int(doc, n, "slots-available", up ? 0 : slots);
	node_set_int(doc, n, "jobs-running", p->job && !job_terminal(p->job));
	node_set_int(doc, n, "jobs-finished", strcmp(state, "FINISHED") == 0);
	node_set_int(doc, n, "jobs-cancelled", strcmp(state, "CANCELED") == 0);
	node_set_int(doc, n, "jobs-failed", strcmp(state, "FAILED") == 0);
	node_set_text(doc, n, "flink-version", "1.20.3");
	node_set_text(doc, n, "flink-commit", "abcdef0");
	call_answer(call, 200, n);
}

static void config(struct call *call)
{
	call_text(call, 200, "application/json",
		  "{\"refresh-interval\":3000,\"timezone-name\":\"UTC\",\"timezone-offset\":0,\"flink-version\":"
		  "\"1.20.3\",\"flink-revision\":\"abcdef0 @ "
		  "2025-01-01T00:00:00+0000\",\"features\":{\"web-submit\":true,\"web-cancel\":false,"
		  "\"web-rescale\":false,\"web-history\":false}}");
}

static void taskmanagers(struct call *call, const struct process *p)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *list = node_list(doc);
	size_t running;
	taskmanagers_of(call->sim, p, &running);
	for (size_t i = 0; i < running; i++) {
		struct node *t = node_map(doc);
		node_set(doc, t, "id", node_printf(doc, "%s-taskmanager-%lld-%zu", p->cluster, (long long)p->attempt, i + 1));
		node_set_int(doc, t, "slotsNumber", 1);
		node_append(doc, list, t);
	}
	node_set(doc, n, "taskmanagers", list);
	call_answer(call, 200, n);
}

static struct node *checkpoint_node(struct doc *doc, const struct checkpoint *c, const char *type)
{
	if (c->path == NULL)
		return node_null(doc);
	struct node *n = node_map(doc);
	node_set_text(doc, n, "className", "completed");
	node_set_int(doc, n, "id", c->id);
	node_set_text(doc, n, "status", "COMPLETED");
	node_set(doc, n, "is_savepoint", node_bool(doc, c->savepoint));
	node_set_text(doc, n, "savepointFormat", !c->savepoint ? NULL : c->native ? "NATIVE" : "CANONICAL");
	node_set_int(doc, n, "trigger_timestamp", c->at);
	node_set_int(doc, n, "latest_ack_timestamp", c->at);
	node_set_int(doc, n, "checkpointed_size", 8);
	node_set_int(doc, n, "state_size", 8);
	node_set_int(doc, n, "end_to_end_duration", 10);
	node_set_text(doc, n, "checkpoint_type", type);
	node_set_text(doc, n, "external_path", c->path);
	node_set(doc, n, "discarded", node_bool(doc, false));
	return n;
}

static void checkpoints(struct call *call, const struct process *p)
{
	const struct job *j = p->job;
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *counts = node_map(doc), *latest = node_map(doc), *history = node_list(doc),
		    *restored = node_null(doc);
	node_set_int(doc, counts, "restored", j->restored_count);
	node_set_int(doc, counts, "total", j->completed + j->savepoints + j->failed);
	node_set_int(doc, counts, "in_progress", 0);
	node_set_int(doc, counts, "completed", j->completed + j->savepoints);
	node_set_int(doc, counts, "failed", j->failed);
	if (j->restored.path != NULL) {
		restored = node_map(doc);
		node_set_int(doc, restored, "id", j->restored.id);
		node_set_int(doc, restored, "restore_timestamp", j->restored.at);
		node_set(doc, restored, "is_savepoint", node_bool(doc, j->restored.savepoint));
		node_set_text(doc, restored, "external_path", j->restored.path);
	}
	node_set(doc, latest, "completed", checkpoint_node(doc, j->completed > 0 ? &j->latest : &(struct checkpoint){ 0 }, "CHECKPOINT"));
	node_set(doc, latest, "savepoint", checkpoint_node(doc, &j->savepoint, "SAVEPOINT"));
	node_set(doc, latest, "failed", node_null(doc));
	node_set(doc, latest, "restored", restored);
	bool first = j->savepoint.id > j->latest.id;
	if (j->savepoint.path != NULL && first)
		node_append(doc, history, checkpoint_node(doc, &j->savepoint, "SAVEPOINT"));
	if (j->completed > 0)
		node_append(doc, history, checkpoint_node(doc, &j->latest, "CHECKPOINT"));
	if (j->savepoint.path != NULL && !first)
		node_append(doc, history, checkpoint_node(doc, &j->savepoint, "SAVEPOINT"));
	node_set(doc, n, "counts", counts);
	node_set(doc, n, "summary", node_map(doc));
	node_set(doc, n, "latest", latest);
	node_set(doc, n, "history", history);
	call_answer(call, 200, n);
}

static void exceptions(struct call *call, const struct job *j)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *history = node_map(doc), *entries = node_list(doc);
	if (j->exception != NULL) {
		struct node *e = node_map(doc);
		node_set(doc, e, "exceptionName", node_stringn(doc, j->exception, strcspn(j->exception, ":")));
		node_set(doc, e, "stacktrace", node_printf(doc, "%s\n\tat org.apache.flink", j->exception));
		node_set_int(doc, e, "timestamp", j->exception_at);
		node_set(doc, e, "failureLabels", node_map(doc));
		node_set(doc, e, "taskName", node_null(doc));
		node_set(doc, e, "endpoint", node_null(doc));
		node_set(doc, e, "taskManagerId", node_null(doc));
		node_set(doc, e, "concurrentExceptions", node_list(doc));
		node_append(doc, entries, e);
		node_set_text(doc, n, "root-exception", j->exception);
		node_set_int(doc, n, "timestamp", j->exception_at);
	}
	node_set(doc, n, "all-exceptions", node_list(doc));
	node_set(doc, n, "truncated", node_bool(doc, false));
	node_set(doc, history, "entries", entries);
	node_set(doc, history, "truncated", node_bool(doc, false));
	node_set(doc, n, "exceptionHistory", history);
	call_answer(call, 200, n);
}

static void accumulators(struct call *call, const struct job *j)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *list = node_list(doc), *a = node_map(doc);
	node_set_text(doc, a, "name", "count");
	node_set_text(doc, a, "type", "LongCounter");
	node_set(doc, a, "value", node_printf(doc, "%lld", (long long)job_counter(call->sim, j)));
	node_append(doc, list, a);
	node_set(doc, n, "job-accumulators", node_list(doc));
	node_set(doc, n, "user-task-accumulators", list);
	node_set(doc, n, "serialized-user-task-accumulators", node_map(doc));
	call_answer(call, 200, n);
}

/* The names of the metrics that there are, or with ?get=NAMES their values. */
static void job_metrics(struct call *call, const struct job *j)
{
	static const char *const names[] = { "numRestarts", "fullRestarts" };
	const char *get = call_query(call, "get");
	AUTODOC *doc = doc_new();
	struct node *list = node_list(doc);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (get != NULL && strstr(get, names[i]) == NULL)
			continue;
		struct node *metric = node_map(doc);
		node_set_text(doc, metric, "id", names[i]);
		if (get != NULL)
			node_set(doc, metric, "value", node_printf(doc, "%lld", (long long)j->restarts));
		node_append(doc, list, metric);
	}
	call_answer(call, 200, list);
}

static void job_config(struct call *call, const struct process *p)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *e = node_map(doc);
	const char *parallelism = conf(p, "parallelism.default", NULL);
	node_set_text(doc, n, "jid", p->job->id);
	node_set_text(doc, n, "name", p->job->name);
	node_set_text(doc, e, "restart-strategy", "Cluster level default restart strategy");
	node_set_int(doc, e, "job-parallelism", parallelism ? strtoll(parallelism, NULL, 10) : 1);
	node_set(doc, e, "object-reuse-mode", node_bool(doc, false));
	node_set(doc, e, "user-config", node_map(doc));
	node_set(doc, n, "execution-config", e);
	call_answer(call, 200, n);
}

static const char only_vertex_id[] = "cbc357ccb763df2852fee8c4fc7d55f2";

/* Every job here is one vertex; a job's details count its tasks there, in upper case. */
static struct node *only_vertex(struct doc *doc, const struct job *j, const struct node *tasks)
{
	struct node *vertex = node_map(doc), *counts = node_map(doc), *list = node_list(doc);
	for (size_t i = 0; i < node_count(tasks); i++) {
		AUTOFREE char *state = mem_strdup(node_key_at(tasks, i));
		for (char *c = state; *c != '\0'; c++)
			*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
		if (strcmp(state, "TOTAL") != 0)
			node_set_int(doc, counts, state, node_integer(node_value_at(tasks, i), 0));
	}
	node_set_text(doc, vertex, "id", only_vertex_id);
	node_set_text(doc, vertex, "name", "Source: numbers -> count");
	node_set_int(doc, vertex, "maxParallelism", 128);
	node_set_int(doc, vertex, "parallelism", node_integer(node_get(tasks, "total"), 1));
	node_set_text(doc, vertex, "status", j->state);
	node_set(doc, vertex, "tasks", counts);
	node_append(doc, list, vertex);
	return list;
}

static void job_details(struct call *call, const struct process *p)
{
	AUTODOC *doc = doc_new();
	struct node *n = job_overview(call->sim, doc, p), *times = node_map(doc),
		    *vertices = only_vertex(doc, p->job, node_get(n, "tasks"));
	(void)node_remove(n, "tasks");
	node_set(doc, n, "now", node_int(doc, call->sim->now));
	node_set_int(doc, times, p->job->state, p->job->changed_at);
	node_set(doc, n, "timestamps", times);
	node_set(doc, n, "vertices", vertices);
	node_set(doc, n, "plan", node_map(doc));
	call_answer(call, 200, n);
}

static void checkpoint_details(struct call *call, const struct job *j, int64_t id)
{
	AUTODOC *doc = doc_new();
	const struct checkpoint *found = j->savepoint.path != NULL && j->savepoint.id == id ? &j->savepoint : NULL;
	struct checkpoint asked = { .id = id };
	for (const struct operation *o = j->operations; o != NULL; o = o->next)
		if (o->checkpoint && o->done && o->failure == NULL && o->checkpoint_id == id) {
			asked.at = o->done_at;
			asked.path = o->location;
			found = &asked; /* the history remembers more than is retained */
		}
	for (size_t i = 0; i < j->kept_count; i++)
		if (j->kept[i].id == id)
			found = &j->kept[i];
	if (found != NULL)
		call_answer(call, 200, checkpoint_node(doc, found, found->savepoint ? "SAVEPOINT" : "CHECKPOINT"));
	else
		flink_problem(call, 404,
			      "org.apache.flink.runtime.rest.handler.RestHandlerException: Could not find checkpointing statistics for "
			      "checkpoint "
			      "%lld.",
			      (long long)id);
}

/* The bounds of the only vertex; the adaptive scheduler alone takes others. The resources follow as for any other parallelism. */
static void requirements(struct call *call, struct process *p, bool get)
{
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *bounds = node_ensure_map(doc, node_ensure_map(doc, n, only_vertex_id), "parallelism");
	if (get) {
		const char *parallelism = conf(p, "parallelism.default", NULL);
		node_set_int(doc, bounds, "lowerBound", 1);
		node_set_int(doc, bounds, "upperBound", parallelism ? strtoll(parallelism, NULL, 10) : 1);
		call_answer(call, 200, n);
		return;
	}
	AUTODOC *body =
		call->request->body_len > 0 ? doc_parse_json(call->request->body, call->request->body_len, "body", NULL, NULL) : NULL;
	const struct node *wanted = body ? node_get(node_get(doc_root(body), only_vertex_id), "parallelism") : NULL;
	int64_t lower = node_integer(node_get(wanted, "lowerBound"), 0), upper = node_integer(node_get(wanted, "upperBound"), 0);
	if (strcasecmp(node_text_or(node_get(doc_root(p->config), "jobmanager.scheduler"), ""), "adaptive") != 0) {
		flink_problem(call, 500,
			      "java.lang.UnsupportedOperationException: The selected scheduler does not support changing the parallelism.");
	} else if (lower < 1 || upper < lower || upper > 128) {
		flink_problem(call, 400, "Error(s) while validating the job resource requirements");
	} else {
		struct node *config = doc_root(p->config);
		node_set(p->config, config, "parallelism.default", node_printf(p->config, "%lld", (long long)upper));
		call_text(call, 200, "application/json", "{}");
	}
}

static void job_request(struct call *call, struct process *jobmanager, char **s, size_t n)
{
	const char *m = call->request->method, *what = n > 2 ? s[2] : "";
	bool get = strcmp(m, "GET") == 0, post = strcmp(m, "POST") == 0;
	struct process *p = process_of_job(call->sim, jobmanager, s[1]);
	if (n == 3 && post && (strcmp(what, "savepoints") == 0 || strcmp(what, "stop") == 0))
		operation_post(call, jobmanager, p, s[1], what[1] == 't');
	else if (n == 4 && get && strcmp(what, "savepoints") == 0)
		operation_get(call, jobmanager, p, s[1], s[3], false);
	else if (n == 3 && post && strcmp(what, "checkpoints") == 0)
		operation_post_checkpoint(call, jobmanager, p, s[1]);
	else if (n == 4 && get && strcmp(what, "checkpoints") == 0)
		operation_get(call, jobmanager, p, s[1], s[3], true);
	else if (p == NULL)
		flink_problem(call, 404, "org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (%s)",
			      s[1]);
	else if (n == 2 && get)
		job_details(call, p);
	else if (n == 2 && strcmp(m, "PATCH") == 0) {
		if (job_terminal(p->job)) {
			flink_problem(call, 409,
				      "org.apache.flink.runtime.rest.handler.RestHandlerException: Job cancellation failed because the job "
				      "has already reached another terminal state (%s).",
				      p->job->state);
			return;
		}
		job_cancel(call->sim, p);
		call_text(call, 202, "application/json", "{}");
	} else if (n == 3 && get && strcmp(what, "exceptions") == 0)
		exceptions(call, p->job);
	else if (n == 3 && get && strcmp(what, "checkpoints") == 0)
		checkpoints(call, p);
	else if (n == 5 && get && strcmp(what, "checkpoints") == 0 && strcmp(s[3], "details") == 0)
		checkpoint_details(call, p->job, strtoll(s[4], NULL, 10));
	else if (n == 3 && strcmp(what, "resource-requirements") == 0 && (get || strcmp(m, "PUT") == 0))
		requirements(call, p, get);
	else if (n == 3 && get && strcmp(what, "accumulators") == 0)
		accumulators(call, p->job);
	else if (n == 3 && get && strcmp(what, "config") == 0)
		job_config(call, p);
	else if (n == 3 && get && strcmp(what, "metrics") == 0)
		job_metrics(call, p->job);
	else
		flink_problem(call, 404, "Not found: %s", call->request->path);
}

/* ---- jars of a session cluster ---- */

static void jar_upload(struct call *call)
{
	struct sim *sim = call->sim;
	const char *body = call->request->body ? call->request->body : "";
	const char *at = memmem(body, call->request->body_len, "filename=\"", 10);
	size_t left = at ? call->request->body_len - (size_t)(at - body) - 10 : 0;
	const char *end = at ? memchr(at + 10, '"', left) : NULL;
	if (end == NULL) {
		flink_problem(call, 400, "Exactly 1 file must be sent, received 0.");
		return;
	}
	char random[33];
	sim_random_text(sim, random, 32, "0123456789abcdef");
	sim->jars = mem_grow(sim->jars, sim->jar_count + 1, sizeof *sim->jars);
	char *name = mem_strndup(at + 10, (size_t)(end - at) - 10), *id = mem_printf("%s_%s", random, name);
	sim->jars[sim->jar_count].id = id;
	sim->jars[sim->jar_count++].name = name;
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc);
	node_set(doc, n, "filename", node_printf(doc, "/tmp/flink-web/flink-web-upload/%s", id));
	node_set_text(doc, n, "status", "success");
	call_answer(call, 200, n);
}

static void jar_run(struct call *call, struct process *p)
{
	AUTODOC *body =
		call->request->body_len > 0 ? doc_parse_json(call->request->body, call->request->body_len, "body", NULL, NULL) : NULL;
	const struct node *root = body ? doc_root(body) : NULL, *extra = node_get(root, "flinkConfiguration"),
			  *args = node_get(root, "programArgsList");
	AUTODOC *config = doc_clone(doc_root(p->config));
	struct node *flat = doc_root(config);
	char fresh[33];
	for (size_t i = 0; node_is(extra, NODE_MAP) && i < node_count(extra); i++)
		node_set_text(config, flat, node_key_at(extra, i), node_text_or(node_value_at(extra, i), ""));
	const char *id = node_find_text(root, "jobId"), *path = node_find_text(root, "savepointPath");
	if (id == NULL) {
		sim_random_text(call->sim, fresh, 32, "0123456789abcdef");
		id = fresh;
	}
	AUTOBUF list = BUF_INIT;
	for (size_t i = 0; node_is(args, NODE_LIST) && i < node_count(args); i++)
		buf_printf(&list, "%s%s", i ? ";" : "", node_text_or(node_at(args, i), ""));
	node_set_text(config, flat, "$internal.pipeline.job-id", id);
	node_set_text(config, flat, "$internal.application.program-args", buf_text(&list));
	node_remove(flat, "execution.savepoint.path");
	node_set_text(config, flat, "execution.savepoint.path", path);
	if (node_integer(node_get(root, "parallelism"), 0) > 0)
		node_set_text(config, flat, "parallelism.default", node_text(node_get(root, "parallelism")));
	if (strlen(id) != 32) {
		flink_problem(call, 400, "Bad request: jobId %s is not 32 hexadecimal digits", id);
		return;
	}
	if (process_of_job(call->sim, p, id) != NULL) {
		flink_problem(call, 400,
			      "org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has already been submitted.");
		return;
	}
	const char *why = "";
	struct process *job = session_submit(call->sim, p, TAKE(config), &why);
	if (job == NULL) {
		flink_problem(call, 400, "org.apache.flink.client.program.ProgramInvocationException: %s", why);
		return;
	}
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc);
	node_set_text(doc, n, "jobid", job->job->id);
	call_answer(call, 200, n);
}

static void jars(struct call *call, struct process *p, char **s, size_t n)
{
	struct sim *sim = call->sim;
	const char *m = call->request->method;
	size_t i = 0;
	if (n == 2 && strcmp(s[1], "upload") == 0 && strcmp(m, "POST") == 0) {
		jar_upload(call);
		return;
	}
	while (n > 1 && i < sim->jar_count && strcmp(sim->jars[i].id, s[1]) != 0)
		i++;
	if (n < 2 || i == sim->jar_count) {
		flink_problem(call, 400, "File %s does not exist.", n < 2 ? "" : s[1]);
	} else if (n == 3 && strcmp(s[2], "run") == 0 && strcmp(m, "POST") == 0) {
		jar_run(call, p);
	} else if (n == 2 && strcmp(m, "DELETE") == 0) {
		free(sim->jars[i].id);
		free(sim->jars[i].name);
		sim->jars[i] = sim->jars[--sim->jar_count];
		call_text(call, 200, "application/json", "{}");
	} else {
		flink_problem(call, 404, "Not found: %s", call->request->path);
	}
}

/* NAME:PORT where the service exists and has no port of that number or name. */
static bool lacks_port(struct sim *sim, const char *ns, const char *service)
{
	AUTOFREE char *name = mem_strndup(service, strcspn(service, ":"));
	const char *port = strchr(service, ':');
	const struct object *s = store_get(sim, "services", ns, name);
	if (s == NULL || port == NULL)
		return false;
	const struct node *ports = node_find(object_root(s), "spec/ports");
	for (size_t i = 0; i < node_count(ports); i++)
		if (str_eq(node_text(node_get(node_at(ports, i), "port")), port + 1) ||
		    str_eq(node_text(node_get(node_at(ports, i), "name")), port + 1))
			return false;
	return true;
}

void flink_rest(struct call *call, const char *ns, const char *service, const char *path)
{
	if (lacks_port(call->sim, ns, service)) {
		call_problem(call, 503, "ServiceUnavailable", "no service port \"%s\" found for service \"%.*s\"", strchr(service, ':') + 1,
			     (int)strcspn(service, ":"), service);
		return;
	}
	struct process *p = process_of_service(call->sim, ns, service);
	if (p == NULL) {
		AUTOFREE char *bare = mem_strndup(service, strcspn(service, ":"));
		if (store_get(call->sim, "services", ns, bare) == NULL && !str_starts(service, "http"))
			call_problem(call, 404, "NotFound", "services \"%s\" not found", bare);
		else
			call_problem(call, 503, "ServiceUnavailable", "no endpoints available for service \"%s\"", service);
		return;
	}
	AUTOFREE char *copy = mem_strndup(path, strcspn(path, "?"));
	char *s[8], *save = NULL;
	size_t n = 0;
	for (char *t = strtok_r(copy, "/", &save); t != NULL && n < ARRAY_SIZE(s); t = strtok_r(NULL, "/", &save))
		if (n > 0 || strcmp(t, "v1") != 0)
			s[n++] = t;
	const char *first = n > 0 ? s[0] : "";
	bool get = strcmp(call->request->method, "GET") == 0;
	if (!p->leader)
		flink_problem(call, 503, "Service temporarily unavailable due to an ongoing leader election. Please refresh.");
	else if (n == 1 && get && strcmp(first, "overview") == 0)
		cluster_overview(call, p);
	else if (n == 1 && get && strcmp(first, "config") == 0)
		config(call);
	else if (n == 1 && get && strcmp(first, "taskmanagers") == 0)
		taskmanagers(call, p);
	else if (get && strcmp(first, "jobs") == 0 && (n == 1 || (n == 2 && strcmp(s[1], "overview") == 0)))
		jobs(call, p, n == 2);
	else if (strcmp(first, "jobs") == 0 && n >= 2)
		job_request(call, p, s, n);
	else if (strcmp(first, "jars") == 0 && !p->application)
		jars(call, p, s, n);
	else if (strcmp(first, "savepoint-disposal") == 0 && n == 1 && !get)
		operation_post_disposal(call, p);
	else if (strcmp(first, "savepoint-disposal") == 0 && n == 2 && get)
		operation_get_disposal(call, p, s[1]);
	else
		flink_problem(call, 404, "Not found: %s", path);
}
