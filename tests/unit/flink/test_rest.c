#include "flink_test.h"

#include "flink/rest.h"

#define JOB "0123456789abcdef0123456789abcdef"

/* One prepared answer; what was asked is kept. */
struct script {
	int status;
	const char *body;
	enum error_kind failure; /* instead of an answer */
	char asked[256], sent[512];
};

static bool answer(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	struct script *s = context;
	(void)snprintf(s->asked, sizeof(s->asked), "%s %s", request->method, request->path);
	(void)snprintf(s->sent, sizeof(s->sent), "%s", request->body != NULL ? request->body : "");
	if (s->failure != ERROR_NONE)
		return error_set(err, s->failure, "connection refused");
	response->status = s->status != 0 ? s->status : 200;
	buf_puts(&response->body, s->body != NULL ? s->body : "");
	return true;
}

static void jobs(void **state)
{
	(void)state;
	struct script s = {
		.body = "{\"jobs\":[{\"jid\":\"" JOB "\",\"name\":\"orders\",\"state\":\"RUNNING\",\"start-time\":1700000000001,"
			"\"end-time\":-1,\"last-modification\":5,\"new-field\":{},\"tasks\":{\"running\":2,\"finished\":1,\"total\":3}},"
			"{\"jid\":\"b\",\"name\":\"half\",\"state\":\"RUNNING\",\"tasks\":{\"running\":2,\"total\":3}},"
			"{\"jid\":\"c\",\"name\":\"gone\",\"state\":\"FAILED\",\"tasks\":{\"failed\":3,\"total\":3}}]}"
	};
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	AUTOJOBS found = { 0 };
	assert_true(flink_jobs(&http, &found, &err));
	assert_string_equal(s.asked, "GET /v1/jobs/overview");
	assert_int_equal(found.count, 3);
	assert_string_equal(found.items[0].id, JOB);
	assert_int_equal(found.items[0].start_ms, INT64_C(1700000000001));
	assert_string_equal(found.items[0].effective_state, "RUNNING");
	assert_string_equal(found.items[1].effective_state, "CREATED");
	assert_string_equal(found.items[1].state, "RUNNING");
	assert_true(flink_state_is_terminal(found.items[2].effective_state));
	assert_false(flink_state_is_terminal("SUSPENDED"));
}

static void details_of_a_job(void **state)
{
	(void)state;
	struct script s = { .body = "{\"jid\":\"" JOB "\",\"name\":\"orders\",\"state\":\"RUNNING\",\"start-time\":3,"
				    "\"status-counts\":{\"RUNNING\":1},\"vertices\":[{\"tasks\":{\"RUNNING\":2,\"FINISHED\":0}},"
				    "{\"tasks\":{\"RUNNING\":1,\"INITIALIZING\":1}}]}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	struct flink_job job;
	assert_true(flink_job_details(&http, JOB, &job, &err));
	assert_string_equal(s.asked, "GET /v1/jobs/" JOB);
	assert_int_equal(job.tasks_running, 3);
	assert_int_equal(job.tasks_total, 4);
	assert_string_equal(job.effective_state, "CREATED");
}

static void exceptions(void **state)
{
	(void)state;
	struct script s = {
		.body = "{\"exceptionHistory\":{\"entries\":[{\"exceptionName\":\"a.Old\",\"stacktrace\":\"a.Old\",\"timestamp\":5},"
			"{\"exceptionName\":\"a.New\",\"stacktrace\":\"a.New: boom\\n\\tat a.b(C.java:1)\\nCaused by: c.D: deep\\n\\t... 3 "
			"more\","
			"\"timestamp\":9}],\"truncated\":false}}"
	};
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	struct flink_exceptions found;
	assert_true(flink_job_exceptions(&http, JOB, &found, &err));
	assert_string_equal(found.name, "a.New");
	assert_string_equal(found.root, "a.New: boom\nCaused by: c.D: deep");
	assert_int_equal(found.at_ms, 9);
	s.body = "{\"root-exception\":\"x.Y: z\\n\\tat q\",\"timestamp\":4,\"all-exceptions\":[]}";
	assert_true(flink_job_exceptions(&http, JOB, &found, &err));
	assert_string_equal(found.root, "x.Y: z");
	s.body = "{\"root-exception\":null,\"exceptionHistory\":{\"entries\":[]}}";
	assert_true(flink_job_exceptions(&http, JOB, &found, &err));
	assert_string_equal(found.root, "");
	assert_int_equal(found.count, 0);
	int64_t restarts = 0;
	s.body = "[{\"id\":\"fullRestarts\",\"value\":\"9\"},{\"id\":\"numRestarts\",\"value\":\"4\"}]";
	assert_true(flink_job_restarts(&http, JOB, &restarts, &err));
	assert_int_equal(restarts, 4);
	s.body = "[]";
	assert_true(flink_job_restarts(&http, JOB, &restarts, &err));
	assert_int_equal(restarts, -1);
}

static void checkpoints(void **state)
{
	(void)state;
	struct script s = {
		.body = "{\"counts\":{\"restored\":1,\"total\":9,\"in_progress\":1,\"completed\":6,\"failed\":2},\"latest\":{"
			"\"completed\":{\"id\":7,\"trigger_timestamp\":70,\"state_size\":1234,\"external_path\":\"s3://c/chk-7\"},"
			"\"savepoint\":{\"id\":5,\"trigger_timestamp\":50,\"is_savepoint\":true,\"external_path\":\"s3://s/sp-5\"},"
			"\"failed\":null,\"restored\":{\"id\":3,\"restore_timestamp\":30,\"is_savepoint\":true,"
			"\"external_path\":\"<checkpoint-not-externally-addressable>\"}},"
			"\"history\":[{\"id\":8,\"status\":\"IN_PROGRESS\",\"trigger_timestamp\":80}]}"
	};
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	struct flink_checkpoints found;
	assert_true(flink_checkpoints(&http, JOB, &found, &err));
	assert_int_equal(found.completed, 6);
	assert_int_equal(found.failed, 2);
	assert_int_equal(found.latest_completed.id, 7);
	assert_int_equal(found.latest_completed.state_size, 1234);
	assert_string_equal(found.latest_completed.path, "s3://c/chk-7");
	assert_true(found.latest_savepoint.is_savepoint);
	assert_false(found.latest_failed.present);
	assert_int_equal(found.restored.at_ms, 30);
	assert_string_equal(found.restored.path, "");
	assert_int_equal(found.pending_at_ms, 80);
	s.body = "{}"; /* checkpointing is off in some versions */
	assert_true(flink_checkpoints(&http, JOB, &found, &err));
	assert_false(found.latest_completed.present);
}

static void starting_operations(void **state)
{
	(void)state;
	struct script s = { .status = 202, .body = "{\"request-id\":\"t-1\"}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	char id[FLINK_ID_MAX];
	const struct flink_savepoint_request request = { .directory = "s3://d", .format = "NATIVE", .trigger_id = "ff" };
	assert_true(flink_savepoint_trigger(&http, JOB, &request, id, &err));
	assert_string_equal(id, "t-1");
	assert_string_equal(s.asked, "POST /v1/jobs/" JOB "/savepoints");
	assert_string_equal(s.sent,
			    "{\"target-directory\":\"s3://d\",\"cancel-job\":false,\"formatType\":\"NATIVE\",\"triggerId\":\"ff\"}");
	assert_true(flink_stop_with_savepoint(&http, JOB, &request, true, id, &err));
	assert_string_equal(s.asked, "POST /v1/jobs/" JOB "/stop");
	assert_string_equal(s.sent, "{\"targetDirectory\":\"s3://d\",\"drain\":true,\"formatType\":\"NATIVE\",\"triggerId\":\"ff\"}");
	const struct flink_savepoint_request bare = { 0 };
	assert_true(flink_stop_with_savepoint(&http, JOB, &bare, false, id, &err));
	assert_string_equal(s.sent, "{\"drain\":false}");
	assert_true(flink_savepoint_dispose(&http, "s3://d/\"x\"", id, &err));
	assert_string_equal(s.sent, "{\"savepoint-path\":\"s3://d/\\\"x\\\"\"}");
	assert_true(flink_checkpoint_trigger(&http, JOB, "FULL", NULL, id, &err));
	assert_string_equal(s.sent, "{\"checkpointType\":\"FULL\"}");
	s.body = "{}";
	assert_true(flink_cancel(&http, "a/b", &err));
	assert_string_equal(s.asked, "PATCH /v1/jobs/a%2Fb?mode=cancel");
	/* accepted, but nobody knows under which id */
	assert_false(flink_stop_with_savepoint(&http, JOB, &request, true, id, &err));
	assert_int_equal(err.kind, ERROR_UNKNOWN_OUTCOME);
}

static void polling(void **state)
{
	(void)state;
	struct script s = { .body = "{\"status\":{\"id\":\"IN_PROGRESS\"},\"operation\":null}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	struct flink_operation op;
	assert_true(flink_savepoint_poll(&http, JOB, "t", &op, &err));
	assert_string_equal(s.asked, "GET /v1/jobs/" JOB "/savepoints/t");
	assert_int_equal(op.state, FLINK_IN_PROGRESS);
	s.body = "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"location\":\"s3://s/1\"}}";
	assert_true(flink_savepoint_poll(&http, JOB, "t", &op, &err));
	assert_int_equal(op.state, FLINK_COMPLETED);
	assert_string_equal(op.location, "s3://s/1");
	s.body = "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"failure-cause\":{\"class\":\"a.B\",\"stack-trace\":\"a.B: no\\n\\tat "
		 "x\"}}}";
	assert_true(flink_savepoint_poll(&http, JOB, "t", &op, &err));
	assert_int_equal(op.state, FLINK_FAILED);
	assert_string_equal(op.cause, "a.B: no");
	assert_string_equal(op.location, "");
	s.body = "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"failure-cause\":{\"class\":\"a.B\",\"stack-trace\":"
		 "\"a.B: A savepoint has been created at: s3://s/2, but the corresponding job failed during stopping.\"}}}";
	assert_true(flink_savepoint_poll(&http, JOB, "t", &op, &err));
	assert_int_equal(op.state, FLINK_FAILED);
	assert_string_equal(op.location, "s3://s/2");
	s.body = "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{}}";
	assert_false(flink_savepoint_poll(&http, JOB, "t", &op, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_true(flink_savepoint_dispose_poll(&http, "t", &op, &err));
	assert_int_equal(op.state, FLINK_COMPLETED);
	s.body = "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"checkpointId\":12,\"failureCause\":null}}";
	assert_true(flink_checkpoint_poll(&http, JOB, "t", &op, &err));
	assert_int_equal(op.checkpoint_id, 12);
	char path[FLINK_PATH_MAX];
	s.body = "{\"className\":\"completed\",\"id\":12,\"status\":\"COMPLETED\",\"external_path\":\"s3://c/chk-12\"}";
	assert_true(flink_checkpoint_path(&http, JOB, 12, path, &err));
	assert_string_equal(s.asked, "GET /v1/jobs/" JOB "/checkpoints/details/12");
	assert_string_equal(path, "s3://c/chk-12");
	s.body = "{\"id\":12,\"external_path\":\"<checkpoint-not-externally-addressable>\"}";
	assert_true(flink_checkpoint_path(&http, JOB, 12, path, &err));
	assert_string_equal(path, "");
	s.body = "{\"status\":{\"id\":\"SOMETHING\"}}";
	assert_false(flink_savepoint_poll(&http, JOB, "t", &op, &err));
}

static void cluster(void **state)
{
	(void)state;
	struct script s = { .body = "{\"taskmanagers\":2,\"slots-total\":4,\"slots-available\":1,"
				    "\"jobs-running\":1,\"flink-version\":\"1.20.3\"}" };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	struct flink_overview overview;
	assert_true(flink_overview(&http, &overview, &err));
	assert_int_equal(overview.slots_total, 4);
	assert_string_equal(overview.version, "1.20.3");
	s.body = "{\"refresh-interval\":3000,\"flink-version\":\"2.0.0\",\"flink-revision\":\"abc @ x\"}";
	struct flink_cluster_config config;
	assert_true(flink_cluster_config(&http, &config, &err));
	assert_string_equal(config.revision, "abc @ x");
	s.body = "{\"taskmanagers\":[{\"id\":\"a\"},{\"id\":\"b\"}]}";
	size_t count = 0;
	assert_true(flink_taskmanagers(&http, &count, &err));
	assert_int_equal(count, 2);
}

static void kinds_of_errors(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum error_kind reading, changing;
	} rows[] = { { 404, ERROR_NOT_FOUND, ERROR_NOT_FOUND },	      { 409, ERROR_CONFLICT, ERROR_CONFLICT },
		     { 503, ERROR_TRANSIENT, ERROR_TRANSIENT },	      { 500, ERROR_TRANSIENT, ERROR_UNKNOWN_OUTCOME },
		     { 504, ERROR_TRANSIENT, ERROR_UNKNOWN_OUTCOME }, { 403, ERROR_FORBIDDEN, ERROR_FORBIDDEN },
		     { 400, ERROR_INVALID, ERROR_INVALID },	      { 405, ERROR_UNSUPPORTED, ERROR_UNSUPPORTED } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct script s = { .status = rows[i].status, .body = "{\"errors\":[\"Not found.\",\"a.B: why\\n\\tat x\"]}" };
		const struct http http = { .context = &s, .send = answer };
		struct error err = ERROR_INIT;
		struct flink_operation op;
		assert_false(flink_savepoint_poll(&http, JOB, "t", &op, &err));
		assert_int_equal(err.kind, rows[i].reading);
		assert_int_equal(err.http_status, rows[i].status);
		assert_non_null(strstr(err.message, "a.B: why"));
		assert_null(strstr(err.message, "at x"));
		assert_false(flink_cancel(&http, JOB, &err));
		assert_int_equal(err.kind, rows[i].changing);
	}
	struct script s = { .failure = ERROR_UNKNOWN_OUTCOME };
	const struct http http = { .context = &s, .send = answer };
	struct error err = ERROR_INIT;
	assert_false(flink_cancel(&http, JOB, &err));
	assert_int_equal(err.kind, ERROR_UNKNOWN_OUTCOME);
	assert_non_null(strstr(err.message, "PATCH /v1/jobs/" JOB));
}

static void nonsense(void **state)
{
	(void)state;
	static const char *const bodies[] = { "<html>",
					      "[]",
					      "null",
					      "{\"jobs\":{}}",
					      "{\"jobs\":[1]}",
					      "{\"jobs\":[{\"jid\":\"a\"}]}",
					      "{\"jobs\":[{\"jid\":\"" JOB JOB JOB "\",\"state\":\"RUNNING\"}]}" };
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct script s = { .body = bodies[i] };
		const struct http http = { .context = &s, .send = answer };
		struct error err = ERROR_INIT;
		struct flink_jobs found = { 0 };
		assert_false(flink_jobs(&http, &found, &err));
		assert_null(found.items);
		assert_true(err.kind == ERROR_INVALID || err.kind == ERROR_LIMIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs),
		cmocka_unit_test(details_of_a_job),
		cmocka_unit_test(exceptions),
		cmocka_unit_test(checkpoints),
		cmocka_unit_test(polling),
		cmocka_unit_test(cluster),
		cmocka_unit_test(kinds_of_errors),
		cmocka_unit_test(starting_operations),
		cmocka_unit_test(nonsense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
