#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/health.h"

/* What the server sends for these bytes, up to its closing the connection. */
static void exchange(uint16_t port, const char *request, struct buf *out)
{
	CLEANUP(close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 20 };
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	char piece[1024];
	for (ssize_t n; (n = recv(fd, piece, sizeof piece, 0)) != 0;) {
		assert_true(n > 0);
		buf_append(out, piece, (size_t)n);
	}
}

static void assert_answer(uint16_t port, const char *line, const char *status, const char *body)
{
	AUTOBUF request = BUF_INIT, out = BUF_INIT;
	buf_printf(&request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);
	exchange(port, buf_text(&request), &out);
	if (!str_starts(buf_text(&out), status) || !str_ends(buf_text(&out), body))
		fail_msg("%s: expected %s ... %s, got %s", line, status, body, buf_text(&out));
}

static bool is_ready(void *context, struct buf *why)
{
	bool ready = *(bool *)context;
	if (!ready)
		buf_puts(why, "no leader");
	return ready;
}

static void pages(void **state)
{
	(void)state;
	bool ready = false;
	struct health health = { .metrics = metrics_new(), .context = &ready, .ready = is_ready };
	metrics_set(health.metrics, METRIC_LEADER, 1, NULL);
	struct error err = ERROR_INIT;
	struct serve *serve = serve_start("127.0.0.1", 0, health_handle, &health, &err);
	assert_non_null(serve);
	uint16_t port = serve_port(serve);
	assert_true(port > 0);
	assert_answer(port, "GET /healthz", "HTTP/1.1 200 ", "\r\n\r\nok\n");
	assert_answer(port, "GET /readyz", "HTTP/1.1 503 ", "\r\n\r\nnot ok: no leader\n");
	assert_answer(port, "GET /metrics?x=y", "HTTP/1.1 200 ", "\nweir_leader 1\n");
	assert_answer(port, "HEAD /metrics", "HTTP/1.1 200 ", "\r\n\r\n");
	assert_answer(port, "GET /", "HTTP/1.1 404 ", "\r\n\r\nnot found\n");
	assert_answer(port, "GET /metrics/../healthz", "HTTP/1.1 404 ", "\r\n\r\nnot found\n");
	assert_answer(port, "DELETE /metrics", "HTTP/1.1 405 ", "\r\n\r\nmethod not allowed\n");
	AUTOBUF out = BUF_INIT;
	exchange(port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody", &out);
	assert_true(str_starts(buf_text(&out), "HTTP/1.1 405 "));
	serve_stop(serve);
	metrics_free(health.metrics);
}

static void a_request_that_is_too_large_is_refused(void **state)
{
	(void)state;
	struct health health = { .metrics = NULL };
	struct error err = ERROR_INIT;
	struct serve *serve = serve_start("127.0.0.1", 0, health_handle, &health, &err);
	assert_non_null(serve);
	AUTOBUF request = BUF_INIT, out = BUF_INIT;
	buf_puts(&request, "GET /");
	for (int i = 0; i < 20000; i++)
		buf_putc(&request, 'a');
	exchange(serve_port(serve), buf_text(&request), &out);
	assert_true(str_starts(buf_text(&out), "HTTP/1.1 4"));
	serve_stop(serve);
}

static void addresses(void **state)
{
	(void)state;
	struct health health = { .metrics = NULL };
	struct error err = ERROR_INIT;
	assert_null(serve_start("localhost", 0, health_handle, &health, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	struct serve *serve = serve_start("127.0.0.1", 0, health_handle, &health, &err);
	assert_non_null(serve);
	assert_null(serve_start("127.0.0.1", serve_port(serve), health_handle, &health, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_non_null(strstr(err.message, "127.0.0.1"));
	serve_stop(serve);
	serve_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages),
		cmocka_unit_test(a_request_that_is_too_large_is_refused),
		cmocka_unit_test(addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
