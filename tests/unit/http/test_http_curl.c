#include "../kube/server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/doc.h"
#include "base/wtime.h"
#include "http/http_curl.h"

static struct http *open_plain(void)
{
	const struct http_curl_options options = { .base_url = server.url, .proxy = "" };
	struct http *http = NULL;
	struct error err = ERROR_INIT;
	assert_true(http_curl_open(&options, &http, &err));
	return http;
}

static int ask(struct http *http, const char *method, const char *path, const char *body, struct doc **out)
{
	const struct http_request request = { .method = method, .path = path, .body = body, .body_len = body != NULL ? strlen(body) : 0 };
	AUTORESPONSE answer = { 0 };
	struct error err = ERROR_INIT;
	if (!http_send(http, &request, &answer, &err))
		fail_msg("%s", err.message);
	if (out != NULL)
		*out = doc_parse_json(buf_text(&answer.body), answer.body.len, "answer", NULL, &err);
	return answer.status;
}

static enum error_kind ask_failing(struct http *http, const char *method, const char *path, int64_t timeout_ms)
{
	const struct http_request request = { .method = method, .path = path, .body = "{}", .body_len = 2, .timeout_ms = timeout_ms };
	AUTORESPONSE answer = { 0 };
	struct error err = ERROR_INIT;
	assert_false(http_send(http, &request, &answer, &err));
	assert_true(strlen(err.message) > 0);
	return err.kind;
}

static int64_t hits(struct http *http, const char *path)
{
	AUTOFREE char *query = mem_printf("/hits?of=%s", path);
	AUTODOC *doc = NULL;
	assert_int_equal(ask(http, "GET", query, NULL, &doc), 200);
	return node_integer(node_get(doc_root(doc), "hits"), -1);
}

static void test_exchange(void **state)
{
	(void)state;
	struct http *http = open_plain();
	AUTODOC *get = NULL, *post = NULL, *del = NULL;
	assert_int_equal(ask(http, "GET", "/echo?a=%20b", NULL, &get), 200);
	assert_string_equal(node_find_text(doc_root(get), "path"), "/echo?a=%20b");
	assert_string_equal(node_find_text(doc_root(get), "headers/accept"), "application/json");
	assert_null(node_find(doc_root(get), "headers/content-type"));
	assert_int_equal(ask(http, "POST", "/echo", "hello", &post), 200);
	assert_string_equal(node_find_text(doc_root(post), "body"), "hello");
	assert_null(node_find(doc_root(post), "headers/expect"));
	assert_int_equal(ask(http, "DELETE", "/echo", NULL, &del), 200);
	assert_string_equal(node_find_text(doc_root(del), "method"), "DELETE");
	/* one connection served all */
	assert_string_equal(node_find_text(doc_root(get), "peer"), node_find_text(doc_root(del), "peer"));
	assert_int_equal(ask(http, "GET", "/redirect", NULL, NULL), 302);
	AUTODOC *packed = NULL;
	assert_int_equal(ask(http, "GET", "/gzip", NULL, &packed), 200);
	assert_true(node_truth(node_find(doc_root(packed), "packed"), false));
	http_curl_close(http);
}

static void test_retry_after(void **state)
{
	(void)state;
	struct http *http = open_plain();
	const struct http_request request = { .method = "GET", .path = "/retry" };
	AUTORESPONSE answer = { 0 };
	assert_true(http_send(http, &request, &answer, NULL));
	assert_int_equal(answer.status, 429);
	assert_int_equal(answer.retry_after_ms, 7000);
	assert_string_equal(answer.content_type, "application/json");
	http_curl_close(http);
}

static void test_error_kinds(void **state)
{
	(void)state;
	struct http *http = open_plain();
	assert_int_equal(ask_failing(http, "GET", "/slow", 50), ERROR_TRANSIENT);
	assert_int_equal(ask_failing(http, "POST", "/slow", 50), ERROR_UNKNOWN_OUTCOME);
	assert_int_equal(ask_failing(http, "POST", "/break", 0), ERROR_UNKNOWN_OUTCOME);
	assert_int_equal(ask_failing(http, "GET", "/a b", 0), ERROR_INVALID);
	http_curl_close(http);

	/* a port where nobody listens: bound, but not listening */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	AUTOFREE char *url = mem_printf("http://127.0.0.1:%d/prefix/", ntohs(address.sin_port));
	const struct http_curl_options options = { .base_url = url, .proxy = "" };
	assert_true(http_curl_open(&options, &http, NULL));
	assert_int_equal(ask_failing(http, "POST", "/echo", 0), ERROR_TRANSIENT);
	http_curl_close(http);
	close(fd);
}

/* A kept connection that breaks when used again: a POST is sent once only, a GET again. */
static void test_no_resend(void **state)
{
	(void)state;
	struct http *http = open_plain();
	assert_int_equal(ask(http, "GET", "/echo", NULL, NULL), 200);
	int64_t before = hits(http, "/break");
	assert_int_equal(ask_failing(http, "POST", "/break", 0), ERROR_UNKNOWN_OUTCOME);
	assert_int_equal(hits(http, "/break"), before + 1);
	assert_int_equal(ask(http, "GET", "/break-once", NULL, NULL), 200);
	assert_int_equal(hits(http, "/break-once"), 2);
	http_curl_close(http);
}

static void test_body_limit(void **state)
{
	(void)state;
	const struct http_curl_options options = { .base_url = server.url, .proxy = "", .max_body = 1000 };
	struct http *http = NULL;
	assert_true(http_curl_open(&options, &http, NULL));
	assert_int_equal(ask(http, "GET", "/big?n=1000", NULL, NULL), 200);
	assert_int_equal(ask_failing(http, "GET", "/big?n=1001", 0), ERROR_LIMIT);
	http_curl_close(http);
}

static void test_token_file(void **state)
{
	(void)state;
	AUTOFREE char *file = server_file("token");
	server_write("token", "old\n", 0600);
	const struct http_curl_options options = { .base_url = server.url, .proxy = "", .token_file = file };
	struct http *http = NULL;
	assert_true(http_curl_open(&options, &http, NULL));
	assert_int_equal(ask(http, "GET", "/auth", NULL, NULL), 401);
	server_write("token", "good\n", 0600);
	assert_int_equal(ask(http, "POST", "/auth", "{}", NULL), 200);
	http_curl_close(http);
}

static bool give(void *context, bool rejected, struct http_credentials *out, struct error *err)
{
	(void)err;
	int *calls = context;
	*calls += 1;
	out->bearer = mem_strdup(rejected ? "good" : "stale");
	return true;
}

static void test_credentials(void **state)
{
	(void)state;
	int calls = 0;
	const struct http_curl_options options = {
		.base_url = server.url, .proxy = "", .credentials = give, .credentials_context = &calls
	};
	struct http *http = NULL;
	assert_true(http_curl_open(&options, &http, NULL));
	assert_int_equal(ask(http, "GET", "/auth", NULL, NULL), 200);
	assert_int_equal(calls, 2);
	const struct http_request request = { .method = "GET", .path = "/auth-stream" };
	AUTOBUF text = BUF_INIT;
	int status = 0;
	struct http_stream *stream = http->open(http->context, &request, &status, &text, NULL);
	assert_non_null(stream);
	assert_int_equal(calls, 4);
	http->close(stream);
	http_curl_close(http);
}

static void test_basic_and_headers(void **state)
{
	(void)state;
	const struct http_curl_options options = { .base_url = server.url, .proxy = "", .user = "me", .password = "pw" };
	struct http *http = NULL;
	assert_true(http_curl_open(&options, &http, NULL));
	AUTODOC *doc = NULL;
	assert_int_equal(ask(http, "GET", "/echo", NULL, &doc), 200);
	assert_string_equal(node_find_text(doc_root(doc), "headers/authorization"), "Basic bWU6cHc=");
	const struct http_header bad = { "X-Mine", "a\r\nX-Other: b" };
	const struct http_request request = { .method = "GET", .path = "/echo", .headers = &bad, .header_count = 1 };
	AUTORESPONSE answer = { 0 };
	struct error err = ERROR_INIT;
	assert_false(http_send(http, &request, &answer, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	http_curl_close(http);
}

static void test_tls(void **state)
{
	(void)state;
	AUTOFREE char *ca = server_file("ca.pem");
	AUTOFREE char *cert = server_file("client.pem");
	AUTOFREE char *key = server_file("client.key.pem");
	struct http_curl_options options = { .base_url = server.tls_url,
					     .proxy = "",
					     .ca_file = ca,
					     .client_cert_file = cert,
					     .client_key_file = key,
					     .tls_server_name = "api.test" };
	struct http *http = NULL;
	assert_true(http_curl_open(&options, &http, NULL));
	AUTODOC *doc = NULL;
	assert_int_equal(ask(http, "GET", "/echo", NULL, &doc), 200);
	AUTOFREE char *host = mem_printf("127.0.0.1:%d", server.tls_port);
	assert_string_equal(node_find_text(doc_root(doc), "headers/host"), host);
	http_curl_close(http);

	options.tls_server_name = NULL; /* the certificate is not for 127.0.0.1 */
	assert_true(http_curl_open(&options, &http, NULL));
	assert_int_equal(ask_failing(http, "POST", "/echo", 0), ERROR_TRANSIENT);
	http_curl_close(http);

	options.insecure = true;
	assert_true(http_curl_open(&options, &http, NULL));
	assert_int_equal(ask(http, "GET", "/echo", NULL, NULL), 200);
	http_curl_close(http);

	options.insecure = false;
	options.tls_server_name = "api.test";
	options.ca_file = NULL; /* the system's authorities do not know this one */
	assert_true(http_curl_open(&options, &http, NULL));
	assert_int_equal(ask_failing(http, "GET", "/echo", 0), ERROR_TRANSIENT);
	http_curl_close(http);
}

static void test_streams(void **state)
{
	(void)state;
	struct http *http = open_plain();
	struct http_request request = { .method = "GET", .path = "/stream" };
	AUTOBUF text = BUF_INIT, problem = BUF_INIT;
	int status = 0;
	struct error err = ERROR_INIT;
	struct http_stream *stream = http->open(http->context, &request, &status, &problem, &err);
	assert_non_null(stream);
	while (http->read(stream, &text, 5000, &err))
		;
	assert_int_equal(err.kind, ERROR_NONE);
	assert_string_equal(buf_text(&text), "one\ntwo\n");
	http->close(stream);

	buf_clear(&text);
	request.path = "/stream?break=1";
	stream = http->open(http->context, &request, &status, &problem, &err);
	assert_non_null(stream);
	while (http->read(stream, &text, 5000, &err))
		;
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	http->close(stream);

	buf_clear(&text);
	request.path = "/stream?hold=1";
	stream = http->open(http->context, &request, &status, &problem, &err);
	assert_non_null(stream);
	while (text.len < 8)
		assert_true(http->read(stream, &text, 5000, &err));
	assert_true(http->read(stream, &text, 20, &err)); /* nothing came */
	assert_int_equal(text.len, 8);
	http->close(stream);

	request.path = "/nowhere";
	assert_null(http->open(http->context, &request, &status, &problem, &err));
	assert_int_equal(status, 404);
	assert_string_equal(buf_text(&problem), "404 page not found\n");

	request.path = "/slow";
	request.timeout_ms = 50;
	assert_null(http->open(http->context, &request, &status, &problem, &err));
	assert_int_equal(status, 0);
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	http_curl_close(http);
}

static void *many(void *context)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(context, i % 2 ? "GET" : "POST", "/echo", i % 2 ? NULL : "x", NULL), 200);
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	struct http *http = open_plain();
	pthread_t threads[4];
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, many, http), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	http_curl_close(http);
}

static int64_t mono_ms(void)
{
	const struct clock clock = clock_real();
	return clock_mono_ms(&clock);
}

struct hanging {
	struct http *http;
	const char *method;
	enum error_kind kind;
};

static void *hang(void *context)
{
	struct hanging *h = context;
	h->kind = ask_failing(h->http, h->method, "/slow", 20000);
	return NULL;
}

/* The end of the process: what is under way ends soon, as does what comes after, until it is taken back. */
static void test_interrupt(void **state)
{
	(void)state;
	struct http *http = open_plain();
	struct hanging hanging[] = { { .http = http, .method = "GET" }, { .http = http, .method = "POST" } };
	pthread_t threads[2];
	const struct http_request request = { .method = "GET", .path = "/stream?hold=1" };
	AUTOBUF text = BUF_INIT, problem = BUF_INIT;
	int status = 0;
	struct error err = ERROR_INIT;
	struct http_stream *stream = http->open(http->context, &request, &status, &problem, &err);
	assert_non_null(stream);
	while (text.len < 8)
		assert_true(http->read(stream, &text, 5000, &err));
	int64_t before = hits(http, "/slow");
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hang, &hanging[i]), 0);
	for (int64_t until = mono_ms() + 10000; hits(http, "/slow") < before + 2;)
		assert_true(mono_ms() < until);
	int64_t began = mono_ms();
	http_curl_interrupt(true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_false(http->read(stream, &text, 20000, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_int_equal(hanging[0].kind, ERROR_TRANSIENT);
	assert_int_equal(hanging[1].kind, ERROR_UNKNOWN_OUTCOME);
	assert_int_equal(ask_failing(http, "POST", "/echo", 0), ERROR_TRANSIENT); /* it was never sent */
	assert_true(mono_ms() - began < 1000);
	http_curl_interrupt(false);
	assert_int_equal(ask(http, "POST", "/echo", "x", NULL), 200);
	http->close(stream);
	http_curl_close(http);
}

static void test_bad_options(void **state)
{
	(void)state;
	const struct http_curl_options bad[] = {
		{ .base_url = NULL },
		{ .base_url = "ftp://x" },
		{ .base_url = "http://x/?a=b" },
		{ .base_url = "https://x", .ca_pem = "nonsense" },
		{ .base_url = "https://x", .ca_file = "/nonexistent/ca.pem" },
		{ .base_url = "https://x", .client_cert_pem = "-----BEGIN CERTIFICATE-----" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct http *http = NULL;
		struct error err = ERROR_INIT;
		assert_false(http_curl_open(&bad[i], &http, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
		assert_null(http);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),    cmocka_unit_test(test_retry_after),	      cmocka_unit_test(test_error_kinds),
		cmocka_unit_test(test_no_resend),   cmocka_unit_test(test_body_limit),	      cmocka_unit_test(test_token_file),
		cmocka_unit_test(test_credentials), cmocka_unit_test(test_basic_and_headers), cmocka_unit_test(test_tls),
		cmocka_unit_test(test_streams),	    cmocka_unit_test(test_threads),	      cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_interrupt),
	};
	return cmocka_run_group_tests(tests, server_start, server_stop);
}
