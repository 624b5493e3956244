#include "fake_s3.h"

#include <sys/stat.h>

#include "base/wtime.h"
#include "store/store.h"

struct place {
	struct fake_s3 *server;
	char dir[64];
	char *access, *secret, *token; /* files */
	struct state_stores *stores;
};

static void write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "we");
	assert_non_null(out);
	(void)fputs(text, out);
	(void)fclose(out);
}

static struct state_stores *open_store(const struct place *p, const char *prefix, bool sign, bool session, bool path_style)
{
	AUTOFREE char *given = mem_strdup(prefix);
	char region[] = "eu-central-1";
	struct state_store_config config = { .prefix = given, .endpoint = p->server->url, .region = region, .path_style = path_style };
	config.access_key_file = sign ? p->access : NULL;
	config.secret_key_file = sign ? p->secret : NULL;
	config.session_token_file = session ? p->token : NULL;
	struct state_stores *stores = NULL;
	struct error err = ERROR_INIT;
	if (!state_stores_open(&config, 1, &stores, &err))
		fail_msg("%s", err.message);
	return stores;
}

static int setup(void **state)
{
	struct place *p = mem_alloc(sizeof *p);
	(void)snprintf(p->dir, sizeof p->dir, "/tmp/weir-s3-XXXXXX");
	if (mkdtemp(p->dir) == NULL)
		return -1;
	p->access = mem_printf("%s/access", p->dir);
	p->secret = mem_printf("%s/secret", p->dir);
	p->token = mem_printf("%s/token", p->dir);
	write_file(p->access, "AKID\n");
	write_file(p->secret, "se/cr+et\r\n");
	write_file(p->token, "tok/en==\n");
	p->server = fake_s3_start();
	p->server->access_key = "AKID";
	p->server->secret_key = "se/cr+et";
	p->server->region = "eu-central-1";
	fake_s3_put(p->server, "flink/sp/savepoint-1/_metadata");
	fake_s3_put(p->server, "flink/sp/savepoint-1/d ata&1<~+%é");
	fake_s3_put(p->server, "flink/sp/savepoint-10/_metadata");
	fake_s3_put(p->server, "flink/sp/savepoint-2/data");
	fake_s3_put(p->server, "flink/sp/chk-7/_metadata");
	fake_s3_put(p->server, "flink/o dd+%/savepoint-1/_metadata");
	p->stores = open_store(p, "s3://bucket/flink", true, false, true);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	state_stores_close(p->stores);
	fake_s3_stop(p->server);
	(void)unlink(p->access);
	(void)unlink(p->secret);
	(void)unlink(p->token);
	(void)rmdir(p->dir);
	free(p->access);
	free(p->secret);
	free(p->token);
	free(p);
	return 0;
}

static enum state_answer look(const struct state_stores *stores, const char *path, const char *why)
{
	struct state_look out;
	state_store_look(state_store_for(stores, path), path, &out);
	if (why == NULL ? out.answer == STATE_UNKNOWN : strstr(out.why, why) == NULL)
		fail_msg("%s: %s: %s", path, state_answer_name(out.answer), out.why);
	return out.answer;
}

static void expect_all_signed(const struct place *p)
{
	if (p->server->refused > 0)
		fail_msg("%u of %u requests refused, the last one: %s", p->server->refused, p->server->requests, p->server->last_why);
	assert_true(p->server->requests > 0);
}

static void three_answers_signed(void **state)
{
	const struct place *p = *state;
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", NULL), STATE_EXISTS);
	assert_int_equal(look(p->stores, "s3a://bucket/flink/sp/savepoint-1/_metadata", NULL), STATE_EXISTS);
	assert_int_equal(look(p->stores, "s3p://bucket/flink/o dd+%/savepoint-1", NULL), STATE_EXISTS);
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-2", "is not there"), STATE_ABSENT);
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-3", "is not there"), STATE_ABSENT);
	assert_int_equal(look(p->stores, "s3://bucket/flink", "not below"), STATE_UNKNOWN);
	assert_int_equal(look(p->stores, "s3://bucket/flink2/savepoint-1", "no entry of stateStores"), STATE_UNKNOWN);
	expect_all_signed(p);
}

static void the_server_can_tell_a_wrong_signature(void **state)
{
	const struct place *p = *state;
	write_file(p->secret, "another");
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", "403"), STATE_UNKNOWN);
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-3", "403"), STATE_UNKNOWN);
	assert_int_equal(p->server->refused, 2);
	write_file(p->secret, "se/cr+et"); /* rotated: read again without a restart */
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", NULL), STATE_EXISTS);
	write_file(p->secret, "");
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", "the file is empty"), STATE_UNKNOWN);
	assert_int_equal(unlink(p->secret), 0);
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", p->secret), STATE_UNKNOWN);
}

static void session_tokens_are_signed(void **state)
{
	const struct place *p = *state;
	struct state_stores *stores = open_store(p, "s3://bucket", true, true, true);
	p->server->token = "tok/en==";
	assert_int_equal(look(stores, "s3://bucket/flink/sp/savepoint-1", NULL), STATE_EXISTS);
	expect_all_signed(p);
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", "403"), STATE_UNKNOWN);
	state_stores_close(stores);
}

static void unsigned_where_no_keys_are_given(void **state)
{
	const struct place *p = *state;
	struct state_stores *stores = open_store(p, "s3://bucket", false, false, true);
	assert_int_equal(look(stores, "s3://bucket/flink/sp/savepoint-1", "403"), STATE_UNKNOWN);
	p->server->access_key = NULL;
	assert_int_equal(look(stores, "s3://bucket/flink/sp/savepoint-1", NULL), STATE_EXISTS);
	state_stores_close(stores);
}

static void errors_are_unknown(void **state)
{
	const struct place *p = *state;
	static const struct {
		int status;
		const char *code, *method, *says;
	} rows[] = {
		{ 403, "AccessDenied", NULL, "403" },
		{ 500, "InternalError", NULL, "500" },
		{ 503, "SlowDown", NULL, "503" },
		{ 301, "PermanentRedirect", NULL, "301" },
		{ 403, "AccessDenied", "GET", "AccessDenied" },
		{ 404, "NoSuchBucket", "GET", "NoSuchBucket: told so" },
		{ 404, "Other", "GET", "Other" },
		{ 500, "NoSuchKey", "GET", "500" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		p->server->status = rows[i].status;
		p->server->status_code = rows[i].code;
		p->server->only_method = rows[i].method;
		assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-3", rows[i].says), STATE_UNKNOWN);
		struct state_listing out;
		state_store_list(state_store_for(p->stores, "s3://bucket/flink"), "s3://bucket/flink/sp", &out);
		assert_int_equal(out.look.answer, STATE_UNKNOWN);
		assert_int_equal(out.count, 0);
	}
	p->server->status = 404;
	p->server->status_code = "x\"/><"; /* no XML */
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-3", "404"), STATE_UNKNOWN);
	p->server->status = 0;
	p->server->only_method = NULL;
	p->server->no_bucket = true;
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", "NoSuchBucket"), STATE_UNKNOWN);
}

static void a_server_that_is_gone_or_slow_is_unknown_in_time(void **state)
{
	const struct place *p = *state;
	const struct clock clock = clock_real();
	int64_t began = clock_mono_ms(&clock);
	pthread_mutex_lock(&p->server->lock);
	p->server->silent = true;
	pthread_mutex_unlock(&p->server->lock);
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-1", "HEAD"), STATE_UNKNOWN);
	int64_t took = clock_mono_ms(&clock) - began;
	assert_in_range(took, 4000, STATE_CALL_MS);
	struct place gone = *p;
	struct fake_s3 nobody = { 0 };
	(void)snprintf(nobody.url, sizeof nobody.url, "http://127.0.0.1:1");
	gone.server = &nobody;
	struct state_stores *stores = open_store(&gone, "s3://bucket", true, false, true);
	assert_int_equal(look(stores, "s3://bucket/flink/sp/savepoint-1", "HEAD"), STATE_UNKNOWN);
	state_stores_close(stores);
}

static void lists_page_by_page(void **state)
{
	const struct place *p = *state;
	struct state_listing out;
	static const size_t pages[] = { 1000, 1, 2 };
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		p->server->page = pages[i];
		unsigned before = p->server->requests;
		state_store_list(state_store_for(p->stores, "s3://bucket/flink"), "s3a://bucket/flink/sp/", &out);
		expect_all_signed(p);
		assert_int_equal(out.look.answer, STATE_EXISTS);
		assert_int_equal(out.count, 3);
		assert_string_equal(out.names[0], "chk-7");
		assert_string_equal(out.names[1], "savepoint-1");
		assert_string_equal(out.names[2], "savepoint-10");
		assert_int_equal(p->server->requests - before, (pages[i] == 1 ? 4 : pages[i] == 2 ? 2 : 1) + 3 + 2);
		state_listing_free(&out);
	}
	state_store_list(state_store_for(p->stores, "s3://bucket/flink"), "s3://bucket/flink/none", &out);
	assert_int_equal(out.look.answer, STATE_ABSENT);
	p->server->page = 1000;
	for (int i = 0; i <= STATE_LIST_MAX; i++) {
		AUTOFREE char *key = mem_printf("flink/many/%d/_metadata", i);
		fake_s3_put(p->server, key);
	}
	state_store_list(state_store_for(p->stores, "s3://bucket/flink"), "s3://bucket/flink/many", &out);
	assert_int_equal(out.look.answer, STATE_UNKNOWN);
	assert_non_null(strstr(out.look.why, "more than 200"));
}

static void listings_that_make_no_sense_are_unknown(void **state)
{
	const struct place *p = *state;
	static const char *const bodies[] = {
		"",
		"<html></html>",
		"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><CommonPrefixes><Prefix>other/x/</Prefix></CommonPrefixes></ListBucketResult>",
		"<ListBucketResult><CommonPrefixes><Prefix>flink/sp/</Prefix></CommonPrefixes></ListBucketResult>",
		"<!DOCTYPE x><ListBucketResult/>",
		"<Error><Code>x</Code></Error>",
	};
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct state_listing out;
		p->server->body = bodies[i];
		state_store_list(state_store_for(p->stores, "s3://bucket/flink"), "s3://bucket/flink/sp", &out);
		assert_int_equal(out.look.answer, STATE_UNKNOWN);
		assert_true(out.look.why[0] != '\0');
	}
	/* and nothing outside is ever deleted because of one */
	size_t before = fake_s3_count(p->server);
	struct error err = ERROR_INIT;
	p->server->body = "<ListBucketResult><Contents><Key>flink/sp/savepoint-10/_metadata</Key></Contents></ListBucketResult>";
	assert_false(state_store_dispose(state_store_for(p->stores, "s3://bucket/flink"), "s3://bucket/flink/sp/savepoint-2", &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_int_equal(fake_s3_count(p->server), before);
}

static void disposes_of_one_state_only(void **state)
{
	const struct place *p = *state;
	const struct state_store *store = state_store_for(p->stores, "s3://bucket/flink");
	struct error err = ERROR_INIT;
	for (int i = 0; i < 25; i++) {
		AUTOFREE char *key = mem_printf("flink/sp/savepoint-1/%d", i);
		fake_s3_put(p->server, key);
	}
	size_t before = fake_s3_count(p->server);
	static const char *const refused[] = { "s3://bucket/flink/sp", "s3://bucket/flink", "s3://bucket/savepoint-1",
					       "s3://other/flink/chk-1" };
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		assert_false(state_store_dispose(store, refused[i], &err));
		assert_int_equal(err.kind, ERROR_INVALID);
	}
	assert_int_equal(p->server->requests, 0);
	p->server->page = 10;
	assert_true(state_store_dispose(store, "s3://bucket/flink/sp/savepoint-1", &err));
	expect_all_signed(p);
	assert_int_equal(fake_s3_count(p->server), before - 27);
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/savepoint-10", NULL), STATE_EXISTS);
	assert_true(state_store_dispose(store, "s3://bucket/flink/sp/savepoint-1", &err)); /* again */
	p->server->status = 403;
	p->server->status_code = "AccessDenied";
	p->server->only_method = "DELETE";
	assert_false(state_store_dispose(store, "s3://bucket/flink/sp/savepoint-10", &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	p->server->status = 503;
	assert_false(state_store_dispose(store, "s3://bucket/flink/sp/savepoint-10", &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	/* what breaks after the first deletion no longer looks usable */
	p->server->only_method = "GET";
	assert_false(state_store_dispose(store, "s3://bucket/flink/sp/chk-7", &err));
	p->server->status = 0;
	assert_int_equal(look(p->stores, "s3://bucket/flink/sp/chk-7", NULL), STATE_ABSENT);
}

static void cleans_up_what_a_cluster_left(void **state)
{
	const struct place *p = *state;
	const struct state_store *store = state_store_for(p->stores, "s3://bucket/flink");
	struct error err = ERROR_INIT;
	for (int i = 0; i < 12; i++) {
		AUTOFREE char *graph = mem_printf("flink/ha/orders/submittedJobGraph%d", i);
		AUTOFREE char *blob = mem_printf("flink/ha/orders/blob/job_1/%d", i);
		fake_s3_put(p->server, graph);
		fake_s3_put(p->server, blob);
	}
	size_t before = fake_s3_count(p->server) - 24;
	fake_s3_put(p->server, "flink/ha/orders/chk-1/_metadata");
	fake_s3_put(p->server, "flink/ha/orders2/submittedJobGraph1");
	assert_false(state_store_clean(store, "s3://bucket", "flink", &err)); /* not strictly below the prefix */
	assert_false(state_store_clean(store, "s3://bucket/flink", "ha/orders", &err));
	assert_int_equal(p->server->requests, 0);
	p->server->page = 5;
	assert_true(state_store_clean(store, "s3a://bucket/flink/ha", "orders", &err));
	expect_all_signed(p);
	assert_int_equal(fake_s3_count(p->server), before + 2);
	p->server->status = 403;
	p->server->only_method = "DELETE";
	assert_false(state_store_clean(store, "s3://bucket/flink/ha", "orders2", &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(three_answers_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(the_server_can_tell_a_wrong_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(session_tokens_are_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(unsigned_where_no_keys_are_given, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_are_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(a_server_that_is_gone_or_slow_is_unknown_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_page_by_page, setup, teardown),
		cmocka_unit_test_setup_teardown(listings_that_make_no_sense_are_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(disposes_of_one_state_only, setup, teardown),
		cmocka_unit_test_setup_teardown(cleans_up_what_a_cluster_left, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
