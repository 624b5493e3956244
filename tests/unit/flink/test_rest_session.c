/* Calls that session jobs and rescaling need, against answers as Flink 1.13 to 2.3 gives them. */
#include "flink_test.h"

#include <stdlib.h>
#include <unistd.h>

#include "flink/rest.h"

#define JOB "0123456789abcdef0123456789abcdef"

struct script {
	int status;
	const char *body;
	char asked[256], type[96];
	struct buf sent;
	int64_t timeout_ms;
};

static bool answer(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	(void)err;
	struct script *s = context;
	(void)snprintf(s->asked, sizeof(s->asked), "%s %s", request->method, request->path);
	(void)snprintf(s->type, sizeof(s->type), "%s", request->content_type != NULL ? request->content_type : "");
	buf_clear(&s->sent);
	buf_append(&s->sent, request->body != NULL ? request->body : "", request->body_len);
	s->timeout_ms = request->timeout_ms;
	response->status = s->status != 0 ? s->status : 200;
	buf_puts(&response->body, s->body != NULL ? s->body : "");
	return true;
}

static void script_free(struct script *s)
{
	buf_free(&s->sent);
}
#define AUTOSCRIPT __attribute__((cleanup(script_free))) struct script

static void upload(void **state)
{
	(void)state;
	char file[] = "/tmp/weir-jar-XXXXXX";
	CLEANUP(close_fd) int fd = mkstemp(file);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "PK\0\1\r\n--", 8), 8);
	AUTOSCRIPT s = { .body = "{\"filename\":\"/tmp/flink-web-1/flink-web-upload/4f1c_a_b.jar\",\"status\":\"success\"}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	char jar[FLINK_JAR_ID_MAX];
	bool ok = flink_jar_upload(&http, file, "lib/a b\".jar", jar, &err);
	(void)unlink(file);
	assert_true(ok);
	assert_string_equal(jar, "4f1c_a_b.jar");
	assert_string_equal(s.asked, "POST /v1/jars/upload");
	assert_int_equal(s.timeout_ms, FLINK_JAR_UPLOAD_MS);
	/* the body is framed by the boundary that the header names, and the jar's bytes are in it untouched */
	static const char prefix[] = "multipart/form-data; boundary=";
	assert_memory_equal(s.type, prefix, sizeof(prefix) - 1);
	AUTOBUF expected = BUF_INIT;
	buf_printf(&expected,
		   "--%s\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"a_b_.jar\"\r\n"
		   "Content-Type: application/x-java-archive\r\n\r\n",
		   s.type + sizeof(prefix) - 1);
	buf_append(&expected, "PK\0\1\r\n--", 8);
	buf_printf(&expected, "\r\n--%s--\r\n", s.type + sizeof(prefix) - 1);
	assert_int_equal(s.sent.len, expected.len);
	assert_memory_equal(s.sent.data, expected.data, expected.len);
	/* gone since */
	assert_false(flink_jar_upload(&http, file, "x", jar, &err));
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_false(flink_jar_upload(&http, "/", "x", jar, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
}

static void run(void **state)
{
	(void)state;
	AUTODOC *doc = parse("args: ['--in', 'a b']\nconf: {pipeline.name: x}");
	struct flink_jar_run request = { .version = flink_version_find("v1_20"),
					 .job_id = JOB,
					 .entry_class = "a.Main",
					 .args = node_get(doc_root(doc), "args"),
					 .configuration = node_get(doc_root(doc), "conf"),
					 .parallelism = 3,
					 .savepoint_path = "s3://s/1",
					 .allow_non_restored_state = true,
					 .claim_mode = "NO_CLAIM",
					 .timeout_ms = 7 };
	AUTOSCRIPT s = { .body = "{\"jobid\":\"" JOB "\"}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	char job[FLINK_ID_MAX];
	assert_true(flink_jar_run(&http, "a b.jar", &request, job, &err));
	assert_string_equal(s.asked, "POST /v1/jars/a%20b.jar/run");
	assert_int_equal(s.timeout_ms, 7);
	assert_string_equal(job, JOB);
	assert_string_equal(buf_text(&s.sent),
			    "{\"entryClass\":\"a.Main\",\"programArgsList\":[\"--in\",\"a b\"],\"parallelism\":3,\"jobId\":\"" JOB "\","
			    "\"allowNonRestoredState\":true,\"savepointPath\":\"s3://s/1\",\"claimMode\":\"NO_CLAIM\","
			    "\"flinkConfiguration\":{\"pipeline.name\":\"x\"}}");
	/* older versions refuse what they do not know */
	request.version = flink_version_find("v1_16");
	assert_true(flink_jar_run(&http, "j", &request, job, &err));
	assert_non_null(strstr(buf_text(&s.sent), "\"restoreMode\":\"NO_CLAIM\""));
	assert_null(strstr(buf_text(&s.sent), "flinkConfiguration"));
	request.version = flink_version_find("v1_13");
	assert_true(flink_jar_run(&http, "j", &request, job, &err));
	assert_null(strstr(buf_text(&s.sent), "NO_CLAIM"));
	const struct flink_jar_run bare = { .version = flink_version_find("v2_3"), .claim_mode = "NO_CLAIM" };
	assert_true(flink_jar_run(&http, "j", &bare, job, &err));
	assert_string_equal(buf_text(&s.sent), "{\"allowNonRestoredState\":false}");
	s.body = "{}";
	assert_false(flink_jar_run(&http, "j", &bare, job, &err));
	assert_int_equal(err.kind, ERROR_UNKNOWN_OUTCOME);
}

#define REFUSED "{\"errors\":[\"Internal server error.\",\"<Exception on server side:\\norg.apache.flink.util.FlinkException: "

static void refused_runs(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *body;
		enum error_kind kind;
	} rows[] = {
		{ 400,
		  REFUSED "Could not execute application.\\n\\tat x\\nCaused by: org.apache.flink.runtime.client."
			  "DuplicateJobSubmissionException: Job has already been submitted.\\n\\tat y\"]}",
		  ERROR_CONFLICT },
		{ 400,
		  REFUSED "Could not execute application.\\nCaused by: org.apache.flink.runtime.client."
			  "DuplicateApplicationSubmissionException: Application has already been submitted.\"]}",
		  ERROR_CONFLICT },
		{ 500,
		  REFUSED "RestHandlerException: Jar file /tmp/flink-web-1/flink-web-upload/j.jar does not exist\\n\\tat x\\n\\n"
			  "End of exception on server side>\"]}",
		  ERROR_NOT_FOUND },
		{ 500,
		  REFUSED "ProgramInvocationException: The program's entry point class 'A' was not found in the jar file.\\n\\n"
			  "End of exception on server side>\"]}",
		  ERROR_INVALID },
		{ 400, REFUSED "Could not execute application.\\nCaused by: a.B: table does not exist\"]}", ERROR_INVALID },
		{ 500, REFUSED "x\"]}", ERROR_UNKNOWN_OUTCOME },
		{ 503, "{\"errors\":[\"Service temporarily unavailable due to an ongoing leader election. Please refresh.\"]}",
		  ERROR_TRANSIENT },
	};
	const struct flink_jar_run request = { .version = flink_version_find("v1_20") };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTOSCRIPT s = { .status = rows[i].status, .body = rows[i].body };
		const struct http http = { .context = &s, .send = answer };
		struct error err = ERROR_INIT;
		char job[FLINK_ID_MAX];
		assert_false(flink_jar_run(&http, "j", &request, job, &err));
		assert_int_equal(err.kind, rows[i].kind);
	}
}

/* Of a chain that is too long for a message the last cause is what a person needs. */
static void last_cause(void **state)
{
	(void)state;
	AUTOBUF body = BUF_INIT;
	buf_puts(&body, "{\"errors\":[\"a.First: begins\\n\\tat f");
	for (int i = 0; i < 40; i++)
		buf_puts(&body, "\\nCaused by: java.util.concurrent.CompletionException: wrapped again\\n\\tat g");
	buf_puts(&body,
		 "\\nCaused by: java.lang.IllegalStateException: no topic orders\\n\\tat h\\n\\nEnd of exception on server side>\"]}");
	AUTOSCRIPT s = { .status = 400, .body = buf_text(&body) };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	assert_false(flink_jar_delete(&http, "j", &err));
	assert_non_null(strstr(err.message, "a.First: begins"));
	assert_non_null(strstr(err.message, "IllegalStateException: no topic orders"));
}

static void delete (void **state)
{
	(void)state;
	AUTOSCRIPT s = { .body = "{}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	assert_true(flink_jar_delete(&http, "a.jar", &err));
	assert_string_equal(s.asked, "DELETE /v1/jars/a.jar");
	s.status = 400;
	s.body = "{\"errors\":[\"File a.jar does not exist in /tmp/flink-web-upload.\"]}";
	assert_false(flink_jar_delete(&http, "a.jar", &err));
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

static void vertices_and_configuration(void **state)
{
	(void)state;
	AUTOSCRIPT s = { .body = "{\"jid\":\"" JOB "\",\"state\":\"RUNNING\",\"vertices\":[{\"id\":\"cbc3\",\"slotSharingGroupId\":\"a\","
				 "\"name\":\"Source\",\"maxParallelism\":128,\"parallelism\":2,\"status\":\"RUNNING\",\"tasks\":{}},"
				 "{\"id\":\"d1\",\"name\":\"Sink\",\"parallelism\":1,\"status\":\"CREATED\"}]}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	AUTOVERTICES found = { 0 };
	assert_true(flink_job_vertices(&http, JOB, &found, &err));
	assert_string_equal(s.asked, "GET /v1/jobs/" JOB);
	assert_int_equal(found.count, 2);
	assert_string_equal(found.items[0].id, "cbc3");
	assert_int_equal(found.items[0].parallelism, 2);
	assert_int_equal(found.items[0].max_parallelism, 128);
	assert_int_equal(found.items[1].max_parallelism, -1);
	s.body = "{\"jid\":\"" JOB "\",\"name\":\"orders\",\"execution-config\":{\"execution-mode\":\"PIPELINED\","
		 "\"restart-strategy\":\"fixed delay\",\"job-parallelism\":4,\"object-reuse-mode\":false,\"user-config\":{}}}";
	struct flink_job_config config;
	assert_true(flink_job_config(&http, JOB, &config, &err));
	assert_string_equal(s.asked, "GET /v1/jobs/" JOB "/config");
	assert_int_equal(config.parallelism, 4);
	assert_string_equal(config.restart_strategy, "fixed delay");
	s.body = "{\"jid\":\"" JOB "\",\"name\":\"orders\"}";
	assert_true(flink_job_config(&http, JOB, &config, &err));
	assert_int_equal(config.parallelism, -1);
	s.body = "{\"vertices\":[{\"name\":\"x\"}]}";
	AUTOVERTICES none = { 0 };
	assert_false(flink_job_vertices(&http, JOB, &none, &err));
	assert_null(none.items);
}

static void requirements(void **state)
{
	(void)state;
	AUTOSCRIPT s = { .body = "{\"cbc3\":{\"parallelism\":{\"lowerBound\":1,\"upperBound\":4}},"
				 "\"d1\":{\"parallelism\":{\"lowerBound\":2,\"upperBound\":2}}}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	AUTOREQUIREMENTS found = { 0 };
	assert_true(flink_requirements_get(&http, JOB, &found, &err));
	assert_int_equal(found.count, 2);
	assert_int_equal(found.items[0].upper, 4);
	/* what was read can be written back */
	const char *was = s.body;
	s.body = "{}";
	assert_true(flink_requirements_put(&http, JOB, &found, &err));
	assert_string_equal(s.asked, "PUT /v1/jobs/" JOB "/resource-requirements");
	assert_string_equal(buf_text(&s.sent), was);
	static const char *const bad[] = { "[]", "{\"a\":{}}", "{\"a\":{\"parallelism\":{\"lowerBound\":3,\"upperBound\":2}}}" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		s.body = bad[i];
		AUTOREQUIREMENTS none = { 0 };
		assert_false(flink_requirements_get(&http, JOB, &none, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
	}
}

/* What a version does not know is not sent: its reader refuses unknown fields. */
static void savepoints_by_version(void **state)
{
	(void)state;
	AUTOSCRIPT s = { .body = "{\"request-id\":\"t\"}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	struct flink_savepoint_request request = {
		.directory = "d", .format = "NATIVE", .trigger_id = "ff", .version = flink_version_find("v1_14")
	};
	char id[FLINK_ID_MAX];
	assert_true(flink_stop_with_savepoint(&http, JOB, &request, false, id, &err));
	assert_string_equal(buf_text(&s.sent), "{\"targetDirectory\":\"d\",\"drain\":false}");
	assert_true(flink_savepoint_trigger(&http, JOB, &request, id, &err));
	assert_string_equal(buf_text(&s.sent), "{\"target-directory\":\"d\",\"cancel-job\":false}");
	request.version = flink_version_find("v1_15");
	assert_true(flink_stop_with_savepoint(&http, JOB, &request, false, id, &err));
	assert_string_equal(buf_text(&s.sent),
			    "{\"targetDirectory\":\"d\",\"drain\":false,\"formatType\":\"NATIVE\",\"triggerId\":\"ff\"}");
}

/* "No such job" and "no checkpoints configured" are both 404. */
static void checkpointing_off(void **state)
{
	(void)state;
	AUTOSCRIPT s = { .status = 404,
			 .body = "{\"errors\":[\"org.apache.flink.runtime.rest.handler.RestHandlerException: "
				 "Checkpointing has not been enabled.\\n\\tat x\"]}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	struct flink_checkpoints found;
	assert_true(flink_checkpoints(&http, JOB, &found, &err));
	assert_int_equal(found.total, 0);
	assert_false(found.latest_completed.present);
	s.body = "{\"errors\":[\"org.apache.flink.runtime.rest.NotFoundException: Job " JOB " not found\"]}";
	assert_false(flink_checkpoints(&http, JOB, &found, &err));
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upload),
		cmocka_unit_test(run),
		cmocka_unit_test(refused_runs),
		cmocka_unit_test(last_cause),
		cmocka_unit_test(delete),
		cmocka_unit_test(vertices_and_configuration),
		cmocka_unit_test(requirements),
		cmocka_unit_test(savepoints_by_version),
		cmocka_unit_test(checkpointing_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
