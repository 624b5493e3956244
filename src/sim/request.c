/* One request taken apart, answers, errors in the shape of Kubernetes, request faults, and the ports in process. */
#include <stdio.h>

#include "sim/internal.h"

struct fault {
	struct fault *next;
	struct sim_fault f; /* method and path owned */
};

struct port { /* of sim_service_http */
	struct port *next;
	struct sim *sim;
	char *ns, *service;
	struct http http;
};

struct http_stream {
	struct sim *sim;
	struct watch *watch;
};

/* ---- the call ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void unescape(char *s, bool plus)
{
	char *to = s;
	for (; *s != '\0'; s++) {
		if (*s == '%' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
			*to++ = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
			s += 2;
		} else {
			*to++ = plus && *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

const char *call_query(const struct call *call, const char *key)
{
	for (size_t i = 0; i < call->query_count; i++)
		if (strcmp(call->query[i].key, key) == 0)
			return call->query[i].value;
	return NULL;
}

bool call_is_watch(const struct call *call)
{
	const char *w = call_query(call, "watch");
	return w != NULL && (strcmp(w, "true") == 0 || strcmp(w, "1") == 0 || *w == '\0');
}

static void split(struct call *call)
{
	char *save = NULL;
	for (char *p = strtok_r(call->path, "/", &save); p != NULL && call->count < ARRAY_SIZE(call->segments);
	     p = strtok_r(NULL, "/", &save)) {
		unescape(p, false);
		call->segments[call->count++] = p;
	}
	save = NULL;
	for (char *p = strtok_r(call->raw_query, "&", &save); p != NULL && call->query_count < ARRAY_SIZE(call->query);
	     p = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(p, '=');
		if (eq != NULL)
			*eq++ = '\0';
		unescape(p, true);
		if (eq != NULL)
			unescape(eq, true);
		call->query[call->query_count].key = p;
		call->query[call->query_count++].value = eq != NULL ? eq : p + strlen(p);
	}
}

/* Finds kind, namespace, name and subresource; false after an answer was given. */
static bool resolve(struct call *call)
{
	size_t at = 0;
	const char *group = "", *version;
	if (call->count >= 3 && strcmp(call->segments[0], "api") == 0) {
		version = call->segments[1];
		at = 2;
	} else if (call->count >= 4 && strcmp(call->segments[0], "apis") == 0) {
		group = call->segments[1];
		version = call->segments[2];
		at = 3;
	} else {
		call_problem(call, 404, "NotFound", "the server could not find the requested resource");
		return false;
	}
	if (call->count >= at + 3 && strcmp(call->segments[at], "namespaces") == 0 && strcmp(call->segments[at + 2], "status") != 0 &&
	    strcmp(call->segments[at + 2], "finalize") != 0) {
		call->ns = call->segments[at + 1];
		at += 2;
	}
	call->kind = kind_find(call->sim, group, call->segments[at]);
	if (call->kind == NULL || strcmp(call->kind->version, version) != 0 || (call->ns != NULL && !call->kind->namespaced)) {
		call_problem(call, 404, "NotFound", "the server could not find the requested resource");
		return false;
	}
	call->name = call->count > at + 1 ? call->segments[at + 1] : NULL;
	call->sub = call->count > at + 2 ? call->segments[at + 2] : NULL;
	call->rest = at + 3;
	if (call->name != NULL && call->kind->namespaced && call->ns == NULL) {
		call_problem(call, 404, "NotFound", "the server could not find the requested resource");
		return false;
	}
	return true;
}

bool call_open(struct sim *sim, const struct http_request *request, struct http_response *response, struct call *call)
{
	memset(call, 0, sizeof *call);
	call->sim = sim;
	call->request = request;
	call->response = response;
	const char *q = strchr(request->path, '?');
	call->path = q ? mem_strndup(request->path, (size_t)(q - request->path)) : mem_strdup(request->path);
	call->raw_query = mem_strdup(q ? q + 1 : "");
	split(call);
	call->dry_run = str_eq(call_query(call, "dryRun"), "All");
	call->table = request->accept != NULL && strstr(request->accept, "as=Table") != NULL && strstr(request->accept, "v=v1;") != NULL;
	if (discovery_handle(call))
		return false;
	return resolve(call) && rbac_allows(call);
}

void call_close(struct call *call)
{
	free(call->path);
	free(call->raw_query);
}

void call_text(struct call *call, int status, const char *content_type, const char *text)
{
	call->response->status = status;
	(void)snprintf(call->response->content_type, sizeof call->response->content_type, "%s", content_type);
	buf_clear(&call->response->body);
	buf_puts(&call->response->body, text);
}

void call_answer(struct call *call, int status, const struct node *body)
{
	call_text(call, status, "application/json", "");
	node_to_json(body, &call->response->body, 0);
}

struct node *problem_node(struct doc *doc, int status, const char *reason, const char *message)
{
	struct node *n = node_map(doc);
	node_set_text(doc, n, "kind", "Status");
	node_set_text(doc, n, "apiVersion", "v1");
	node_set(doc, n, "metadata", node_map(doc));
	node_set_text(doc, n, "status", "Failure");
	node_set_text(doc, n, "message", message);
	node_set_text(doc, n, "reason", reason);
	node_set_int(doc, n, "code", status);
	return n;
}

void call_problem(struct call *call, int status, const char *reason, const char *format, ...)
{
	AUTODOC *doc = doc_new();
	AUTOBUF message = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	struct node *n = problem_node(doc, status, reason, buf_text(&message));
	if (call->kind != NULL) {
		struct node *details = node_ensure_map(doc, n, "details");
		node_set_text(doc, details, "name", call->name);
		if (*call->kind->group != '\0')
			node_set_text(doc, details, "group", call->kind->group);
		node_set_text(doc, details, "kind", call->kind->resource);
	}
	call_answer(call, status, n);
}

/* ---- faults ---- */

void sim_fault(struct sim *sim, const struct sim_fault *fault)
{
	struct fault *f = mem_alloc(sizeof *f);
	f->f = *fault;
	f->f.method = mem_strdup(fault->method);
	f->f.path = mem_strdup(fault->path);
	if (f->f.times == 0)
		f->f.times = 1;
	sim_lock(sim);
	struct fault **end = &sim->faults;
	while (*end != NULL)
		end = &(*end)->next;
	*end = f;
	sim_unlock(sim);
}

static void fault_drop(struct fault **at)
{
	struct fault *f = *at;
	*at = f->next;
	free((char *)(uintptr_t)f->f.method);
	free((char *)(uintptr_t)f->f.path);
	free(f);
}

void faults_free(struct sim *sim)
{
	while (sim->faults != NULL)
		fault_drop(&sim->faults);
	while (sim->ports != NULL) {
		struct port *p = sim->ports;
		sim->ports = p->next;
		free(p->ns);
		free(p->service);
		free(p);
	}
}

void sim_faults_clear(struct sim *sim)
{
	sim_lock(sim);
	while (sim->faults != NULL)
		fault_drop(&sim->faults);
	sim_unlock(sim);
}

size_t sim_faults_left(struct sim *sim)
{
	size_t n = 0;
	sim_lock(sim);
	for (struct fault *f = sim->faults; f != NULL; f = f->next)
		n++;
	sim_unlock(sim);
	return n;
}

bool faults_check(struct sim *sim, const struct http_request *request, struct http_response *response, bool *lost, bool *skip)
{
	*lost = *skip = false;
	for (struct fault **at = &sim->faults; *at != NULL; at = &(*at)->next) {
		struct sim_fault *f = &(*at)->f;
		if ((f->method != NULL && strcmp(f->method, request->method) != 0) ||
		    (f->path != NULL && strstr(request->path, f->path) == NULL))
			continue;
		if (f->skip > 0) {
			f->skip--;
			continue;
		}
		struct sim_fault now = *f;
		if (--f->times == 0)
			fault_drop(at);
		if (now.kind == SIM_FAULT_STATUS) {
			AUTODOC *doc = doc_new();
			response->status = now.status;
			response->retry_after_ms = now.retry_after_ms;
			(void)snprintf(response->content_type, sizeof response->content_type, "application/json");
			node_to_json(problem_node(doc, now.status,
						  now.status == 429   ? "TooManyRequests"
						  : now.status == 403 ? "Forbidden"
						  : now.status == 409 ? "Conflict"
								      : "InternalError",
						  "the simulation refuses this request"),
				     &response->body, 0);
			return false;
		}
		if (now.kind == SIM_FAULT_DELAY)
			sim_pass(sim, now.delay_ms);
		*lost = now.kind == SIM_FAULT_TIMEOUT || now.kind == SIM_FAULT_TIMEOUT_DONE;
		*skip = now.kind == SIM_FAULT_TIMEOUT;
		return true;
	}
	return true;
}

static void response_reset(struct http_response *response)
{
	buf_free(&response->body);
	memset(response, 0, sizeof *response);
}

bool sim_handle(struct sim *sim, const struct http_request *request, struct http_response *response)
{
	bool lost, skip;
	response_reset(response);
	sim_lock(sim);
	if (faults_check(sim, request, response, &lost, &skip) && !skip) {
		struct call call;
		if (call_open(sim, request, response, &call))
			verbs_handle(&call);
		call_close(&call);
	}
	sim_unlock(sim);
	if (lost)
		response_reset(response);
	return !lost;
}

/* ---- ports ---- */

static bool lost_answer(const struct http_request *request, struct error *err)
{
	bool reading = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	return error_set(err, reading ? ERROR_TRANSIENT : ERROR_UNKNOWN_OUTCOME, "%s %s: no answer in time", request->method,
			 request->path);
}

static bool port_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	struct http_response r = { 0 };
	if (!sim_handle(context, request, &r))
		return lost_answer(request, err);
	*response = r;
	return true;
}

static struct http_stream *port_open(void *context, const struct http_request *request, int *status, struct buf *problem, struct error *err)
{
	struct sim *sim = context;
	struct http_response r = { 0 };
	struct http_stream *stream = NULL;
	bool lost, skip;
	sim_lock(sim);
	if (faults_check(sim, request, &r, &lost, &skip) && !lost) {
		struct call call;
		if (call_open(sim, request, &r, &call)) {
			struct watch *w = call_is_watch(&call) ? watch_open(&call) : NULL;
			if (w != NULL) {
				stream = mem_alloc(sizeof *stream);
				*stream = (struct http_stream){ sim, w };
				r.status = 200;
			} else if (r.status == 0) {
				verbs_handle(&call);
			}
		}
		call_close(&call);
	}
	sim_unlock(sim);
	if (lost) {
		lost_answer(request, err);
	} else {
		*status = r.status;
		if (stream == NULL)
			buf_append(problem, buf_text(&r.body), r.body.len);
	}
	buf_free(&r.body);
	return stream;
}

static bool port_read(struct http_stream *stream, struct buf *out, int64_t wait_ms, struct error *err)
{
	(void)wait_ms;
	sim_lock(stream->sim);
	bool more = watch_read(stream->watch, out);
	sim_unlock(stream->sim);
	if (!more)
		error_clear(err);
	return more;
}

static void port_close(struct http_stream *stream)
{
	if (stream == NULL)
		return;
	sim_lock(stream->sim);
	watch_close(stream->watch);
	sim_unlock(stream->sim);
	free(stream);
}

struct http *sim_http(struct sim *sim)
{
	sim->http = (struct http){ sim, port_send, port_open, port_read, port_close };
	return &sim->http;
}

static bool service_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	struct port *port = context;
	struct http_request r = *request;
	AUTOFREE char *path = mem_printf("/api/v1/namespaces/%s/services/%s/proxy%s", port->ns, port->service, request->path);
	r.path = path;
	struct http_response answer = { 0 };
	if (!sim_handle(port->sim, &r, &answer))
		return lost_answer(request, err);
	if (answer.status == 503 || (answer.status == 404 && strstr(buf_text(&answer.body), "\"kind\":\"Status\"") != NULL)) {
		buf_free(&answer.body);
		return error_set(err, ERROR_TRANSIENT, "cannot connect to %s.%s", port->service, port->ns);
	}
	*response = answer;
	return true;
}

static struct http_stream *service_open(void *context, const struct http_request *request, int *status, struct buf *problem,
					struct error *err)
{
	(void)context, (void)status, (void)problem;
	error_set(err, ERROR_UNSUPPORTED, "%s: Flink's REST API has no streams", request->path);
	return NULL;
}

struct http *sim_service_http(struct sim *sim, const char *ns, const char *service)
{
	sim_lock(sim);
	struct port *p = sim->ports;
	while (p != NULL && !(strcmp(p->ns, ns) == 0 && strcmp(p->service, service) == 0))
		p = p->next;
	if (p == NULL) {
		p = mem_alloc(sizeof *p);
		*p = (struct port){
			sim->ports, sim, mem_strdup(ns), mem_strdup(service), { p, service_send, service_open, port_read, port_close }
		};
		p->http.context = p;
		sim->ports = p;
	}
	sim_unlock(sim);
	return &p->http;
}
