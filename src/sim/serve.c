/* The sim over HTTP: libmicrohttpd with a thread per connection, and a thread that lets virtual time run with real time. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <time.h>

#include "sim/internal.h"

enum { BODY_MAX = 16 << 20, TICK_MS = 20 };

struct server {
	struct sim *sim;
	struct MHD_Daemon *daemon;
	pthread_t ticker;
	bool stopping; /* under the sim's lock */
	double speed;
};

struct exchange {
	struct buf body;
	bool too_large;
};

struct streaming {
	struct server *server;
	struct watch *watch;
	struct buf pending;
	size_t given;
};

static int64_t monotonic_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for a change or for one tick, with the lock held. */
static void wait_tick(struct sim *sim)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)TICK_MS * 5 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&sim->changed, &sim->lock, &until);
}

static void *tick(void *context)
{
	struct server *server = context;
	struct sim *sim = server->sim;
	int64_t last = monotonic_ms();
	double rest = 0;
	for (;;) {
		struct timespec pause = { 0, (long)TICK_MS * 1000000 };
		nanosleep(&pause, NULL);
		sim_lock(sim);
		bool stop = server->stopping;
		int64_t now = monotonic_ms();
		rest += (double)(now - last) * server->speed;
		last = now;
		if (!stop) {
			sim_pass(sim, (int64_t)rest);
			rest -= (double)(int64_t)rest;
			pthread_cond_broadcast(&sim->changed);
		}
		sim_unlock(sim);
		if (stop)
			return NULL;
	}
}

static ssize_t stream_more(void *context, uint64_t position, char *out, size_t max)
{
	struct streaming *s = context;
	struct sim *sim = s->server->sim;
	bool open = true;
	(void)position;
	sim_lock(sim);
	if (s->given == s->pending.len) {
		buf_clear(&s->pending);
		s->given = 0;
		open = !s->server->stopping && watch_read(s->watch, &s->pending);
		if (open && s->pending.len == 0) {
			wait_tick(sim);
			open = !s->server->stopping && watch_read(s->watch, &s->pending);
		}
	}
	sim_unlock(sim);
	if (!open && s->pending.len == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	size_t n = s->pending.len - s->given < max ? s->pending.len - s->given : max;
	if (n > 0)
		memcpy(out, s->pending.data + s->given, n);
	s->given += n;
	return (ssize_t)n;
}

static void stream_end(void *context)
{
	struct streaming *s = context;
	sim_lock(s->server->sim);
	watch_close(s->watch);
	sim_unlock(s->server->sim);
	buf_free(&s->pending);
	free(s);
}

static enum MHD_Result reply(struct MHD_Connection *connection, struct http_response *r)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(r->body.len, (void *)(uintptr_t)buf_text(&r->body), MHD_RESPMEM_MUST_COPY);
	if (*r->content_type != '\0')
		MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
	if (r->retry_after_ms > 0) {
		char seconds[24];
		(void)snprintf(seconds, sizeof seconds, "%lld", (long long)(r->retry_after_ms + 999) / 1000);
		MHD_add_response_header(m, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	enum MHD_Result ok = MHD_queue_response(connection, (unsigned)r->status, m);
	MHD_destroy_response(m);
	return ok;
}

static enum MHD_Result collect_query(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct buf *b = context;
	(void)kind;
	buf_putc(b, b->len == 0 || strchr(buf_text(b), '?') == NULL ? '?' : '&');
	buf_put_url(b, key);
	if (value != NULL) {
		buf_putc(b, '=');
		buf_put_url(b, value);
	}
	return MHD_YES;
}

/* True when the request was a watch and is being answered by a stream. */
static bool try_stream(struct server *server, struct MHD_Connection *connection, const struct http_request *request,
		       enum MHD_Result *result)
{
	struct http_response r = { 0 };
	struct call call;
	struct watch *w = NULL;
	bool streamed = false, lost, skip;
	if (strcmp(request->method, "GET") != 0 || strstr(request->path, "watch=") == NULL)
		return false;
	sim_lock(server->sim);
	if (!faults_check(server->sim, request, &r, &lost, &skip)) {
		*result = reply(connection, &r);
		streamed = true;
	} else if (lost) {
		*result = MHD_NO;
		streamed = true;
	} else {
		if (call_open(server->sim, request, &r, &call) && call_is_watch(&call))
			w = watch_open(&call);
		call_close(&call);
	}
	sim_unlock(server->sim);
	buf_free(&r.body);
	if (w == NULL)
		return streamed;
	struct streaming *s = mem_alloc(sizeof *s);
	*s = (struct streaming){ .server = server, .watch = w };
	struct MHD_Response *m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32768, stream_more, s, stream_end);
	MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	*result = MHD_queue_response(connection, 200, m);
	MHD_destroy_response(m);
	return true;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
			      const char *data, size_t *size, void **state)
{
	struct server *server = context;
	struct exchange *x = *state;
	(void)version;
	if (x == NULL) {
		*state = mem_alloc(sizeof *x);
		return MHD_YES;
	}
	if (*size > 0) {
		x->too_large = x->too_large || x->body.len + *size > BODY_MAX;
		if (!x->too_large)
			buf_append(&x->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	AUTOBUF path = BUF_INIT;
	buf_puts(&path, url);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, collect_query, &path);
	static const char *const names[] = { MHD_HTTP_HEADER_USER_AGENT, "Impersonate-User" };
	struct http_header headers[ARRAY_SIZE(names)];
	size_t header_count = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, names[i]);
		if (value != NULL)
			headers[header_count++] = (struct http_header){ names[i], value };
	}
	struct http_request request = { .method = method,
					.path = path.data,
					.body = x->body.data,
					.body_len = x->body.len,
					.content_type =
						MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE),
					.accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT),
					.headers = headers,
					.header_count = header_count };
	struct http_response r = { 0 };
	enum MHD_Result result = MHD_NO;
	if (x->too_large) {
		r.status = 413;
		return reply(connection, &r);
	}
	if (try_stream(server, connection, &request, &result))
		return result;
	if (sim_handle(server->sim, &request, &r))
		result = reply(connection, &r);
	buf_free(&r.body);
	return result;
}

static void completed(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *state;
	(void)context, (void)connection, (void)code;
	if (x != NULL)
		buf_free(&x->body);
	free(x);
	*state = NULL;
}

bool sim_serve(struct sim *sim, const char *addr, uint16_t port, double speed, uint16_t *bound, struct error *err)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	if (sim->server != NULL)
		return error_set(err, ERROR_INVALID, "the sim is being served already");
	if (inet_pton(AF_INET, addr, &in.sin_addr) != 1)
		return error_set(err, ERROR_INVALID, "address %s: an IPv4 address was expected", addr);
	struct server *server = mem_alloc(sizeof *server);
	*server = (struct server){ .sim = sim, .speed = speed };
	server->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, port, NULL, NULL,
					  answer, server, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&in, MHD_OPTION_NOTIFY_COMPLETED,
					  completed, NULL, MHD_OPTION_CONNECTION_LIMIT, 256u, MHD_OPTION_END);
	if (server->daemon == NULL) {
		free(server);
		return error_set(err, ERROR_TRANSIENT, "cannot listen on %s port %u", addr, port);
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
	*bound = info ? info->port : port;
	sim->server = server;
	if (pthread_create(&server->ticker, NULL, tick, server) != 0) {
		MHD_stop_daemon(server->daemon);
		sim->server = NULL;
		free(server);
		return error_set(err, ERROR_TRANSIENT, "cannot start a thread");
	}
	return true;
}

void sim_stop(struct sim *sim)
{
	struct server *server = sim->server;
	if (server == NULL)
		return;
	sim_lock(sim);
	server->stopping = true;
	pthread_cond_broadcast(&sim->changed);
	sim_unlock(sim);
	pthread_join(server->ticker, NULL);
	MHD_stop_daemon(server->daemon);
	sim->server = NULL;
	free(server);
}
