#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

static int dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	struct timeval limit = { 10, 0 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *method, const char *path, const char *type, const char *body)
{
	AUTOFREE char *text =
		mem_printf("%s %s HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", method,
			   path, type, strlen(body), body);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until the text has come, or until the end. */
static bool hear(int fd, struct buf *out, const char *text)
{
	char piece[4096];
	ssize_t n;
	while (text == NULL || strstr(buf_text(out), text) == NULL) {
		if ((n = read(fd, piece, sizeof piece)) <= 0)
			return text == NULL && n == 0;
		buf_append(out, piece, (size_t)n);
	}
	return true;
}

static void requests_and_watches(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	uint16_t port = 0;
	struct error err = ERROR_INIT;
	assert_true(sim_serve(sim, "127.0.0.1", 0, 50.0, &port, &err));
	assert_true(port > 0);
	assert_false(sim_serve(sim, "127.0.0.1", 0, 1.0, &port, &err));
	CLEANUP(close_fd) int watch = dial(port);
	AUTOBUF seen = BUF_INIT;
	say(watch, "GET", CMS "?watch=true&labelSelector=x%20in%20(1,2)", JSON, "");
	assert_true(hear(watch, &seen, "\r\n\r\n"));
	CLEANUP(close_fd) int post = dial(port);
	AUTOBUF made = BUF_INIT;
	say(post, "POST", CMS, JSON,
	    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\"}}}");
	assert_true(hear(post, &made, NULL));
	assert_true(str_starts(buf_text(&made), "HTTP/1.1 201"));
	assert_true(hear(watch, &seen, "\"ADDED\""));
	CLEANUP(close_fd) int pod = dial(port);
	AUTOBUF pod_made = BUF_INIT;
	say(pod, "POST", "/api/v1/namespaces/default/pods", JSON,
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:"
	    "1\"}]}}");
	assert_true(hear(pod, &pod_made, NULL));
	CLEANUP(close_fd) int pods = dial(port); /* virtual time runs by itself: the pod starts */
	AUTOBUF started = BUF_INIT;
	say(pods, "GET", "/api/v1/namespaces/default/pods?watch=true", JSON, "");
	assert_true(hear(pods, &started, "\"phase\":\"Running\""));
	sim_fault(sim, &(struct sim_fault){ .kind = SIM_FAULT_TIMEOUT, .path = "secrets" });
	CLEANUP(close_fd) int lost = dial(port);
	AUTOBUF nothing = BUF_INIT;
	say(lost, "GET", "/api/v1/secrets", JSON, "");
	hear(lost, &nothing, NULL);
	assert_int_equal(nothing.len, 0);
	sim_free(sim); /* with two watches open */
}

static void bad_address(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	uint16_t port;
	struct error err = ERROR_INIT;
	assert_false(sim_serve(sim, "nowhere", 0, 1.0, &port, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(requests_and_watches), cmocka_unit_test(bad_address) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
