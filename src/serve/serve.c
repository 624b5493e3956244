#include "serve/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

enum { REQUEST_MAX = 16 * 1024 };

struct serve {
	struct MHD_Daemon *daemon;
	serve_handler handler;
	void *context;
};

static enum MHD_Result send_answer(struct MHD_Connection *connection, unsigned status, const char *content_type, struct buf *body)
{
	size_t len = body->len;
	struct MHD_Response *response = MHD_create_response_from_buffer(len, buf_take(body), MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **request)
{
	static char begun;
	(void)version;
	(void)upload;
	struct serve *serve = context;
	if (*request == NULL) {
		*request = &begun; /* the headers are there; an answer is due at the next call */
		return MHD_YES;
	}
	if (*upload_len > 0) {
		*upload_len = 0; /* a body is read and dropped */
		return MHD_YES;
	}
	struct serve_answer answer = { .status = MHD_HTTP_OK, .content_type = "text/plain; charset=utf-8", .body = BUF_INIT };
	if (!str_eq(method, MHD_HTTP_METHOD_GET) && !str_eq(method, MHD_HTTP_METHOD_HEAD)) {
		answer.status = MHD_HTTP_METHOD_NOT_ALLOWED;
		buf_puts(&answer.body, "method not allowed\n");
	} else if (!serve->handler(serve->context, path, &answer)) {
		buf_free(&answer.body);
		answer = (struct serve_answer){ .status = MHD_HTTP_NOT_FOUND, .content_type = "text/plain; charset=utf-8" };
		buf_puts(&answer.body, "not found\n");
	}
	return send_answer(connection, answer.status, answer.content_type, &answer.body);
}

/* What libmicrohttpd would print is of no use to anybody. */
static void drop_message(void *context, const char *format, va_list args)
{
	(void)context;
	(void)format;
	(void)args;
}

struct serve *serve_start(const char *address, uint16_t port, serve_handler handler, void *context, struct error *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const struct sockaddr *bind_to;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ERROR_LOG;
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
		bind_to = (const struct sockaddr *)&v4;
	} else if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
		bind_to = (const struct sockaddr *)&v6;
		flags |= MHD_USE_DUAL_STACK;
	} else {
		error_set(err, ERROR_INVALID, "listen address \"%s\": expected an IPv4 or IPv6 address", address);
		return NULL;
	}

	struct serve *serve = mem_alloc(sizeof *serve);
	serve->handler = handler;
	serve->context = context;
	errno = 0;
	serve->daemon = MHD_start_daemon(flags, port, NULL, NULL, on_request, serve, MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL,
					 MHD_OPTION_SOCK_ADDR, bind_to, MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVE_CONNECTIONS_MAX,
					 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVE_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
					 (size_t)REQUEST_MAX, MHD_OPTION_END);
	if (serve->daemon == NULL) {
		char reason[128];
		int number = errno;
		error_set(err, ERROR_TRANSIENT, "listen on %s port %u: %s", address, (unsigned)port,
			  number == 0 ? "not possible" : strerror_r(number, reason, sizeof reason));
		free(serve);
		return NULL;
	}
	return serve;
}

uint16_t serve_port(const struct serve *serve)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_BIND_PORT);
	return info == NULL ? 0 : info->port;
}

void serve_stop(struct serve *serve)
{
	if (serve == NULL)
		return;
	MHD_stop_daemon(serve->daemon);
	free(serve);
}
