#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/http_tap.h"

static bool below_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	assert_string_equal(context, "below");
	if (strcmp(request->path, "/gone") == 0)
		return error_set(err, ERROR_UNKNOWN_OUTCOME, "broke");
	response->status = strcmp(request->path, "/none") == 0 ? 404 : 200;
	return true;
}

static struct http_stream *below_open(void *context, const struct http_request *request, int *status, struct buf *problem,
				      struct error *err)
{
	(void)err;
	buf_puts(problem, request->path);
	*status = strcmp(request->path, "/old") == 0 ? 410 : 200;
	return *status == 200 ? context : NULL;
}

static void told(void *context, const char *method, const char *code)
{
	buf_printf(context, "%s %s\n", method, code);
}

static void test_tells(void **state)
{
	(void)state;
	AUTOBUF heard = BUF_INIT, problem = BUF_INIT;
	char name[] = "below";
	const struct http below = { .context = name, .send = below_send, .open = below_open };
	struct http *tap = http_tap_new(&below, told, &heard);
	assert_ptr_equal(http_tap_below(tap), &below);
	AUTORESPONSE answer = { 0 };
	struct error err = ERROR_INIT;
	assert_true(http_send(tap, &(struct http_request){ .method = "GET", .path = "/" }, &answer, &err));
	assert_true(http_send(tap, &(struct http_request){ .method = "PATCH", .path = "/none" }, &answer, &err));
	assert_int_equal(answer.status, 404);
	assert_false(http_send(tap, &(struct http_request){ .method = "POST", .path = "/gone" }, &answer, &err));
	assert_int_equal(err.kind, ERROR_UNKNOWN_OUTCOME);
	assert_string_equal(err.message, "broke");
	assert_false(http_send(tap, &(struct http_request){ .method = "POST", .path = "/gone" }, &answer, NULL));
	int status = 0;
	assert_ptr_equal(tap->open(tap->context, &(struct http_request){ .method = "GET", .path = "/new" }, &status, &problem, &err), name);
	assert_null(tap->open(tap->context, &(struct http_request){ .method = "GET", .path = "/old" }, &status, &problem, &err));
	assert_int_equal(status, 410);
	assert_string_equal(buf_text(&problem), "/new/old");
	assert_string_equal(buf_text(&heard), "GET 200\nPATCH 404\nPOST unknown-outcome\nPOST unknown-outcome\nGET 200\nGET 410\n");
	http_tap_free(tap);
	http_tap_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_tells) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
