#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/s3_xml.h"
#include "store/store.h"

static void paths_have_one_form(void **state)
{
	(void)state;
	static const struct {
		const char *given, *normal;
	} rows[] = {
		{ "file:/a/b", "file:///a/b" },
		{ "file:///a//b/", "file:///a/b" },
		{ "FILE://localhost/a", "file:///a" },
		{ "s3a://bucket/x/", "s3://bucket/x" },
		{ "s3p://bucket", "s3://bucket" },
		{ "S3://bucket//x y%20", "s3://bucket/x y%20" },
		{ "hdfs://name:8020/x", "hdfs://name:8020/x" },
		{ "hdfs:///", "hdfs://" },
		{ "abfss://c@account.dfs.core.windows.net/x/..y", "abfss://c@account.dfs.core.windows.net/x/..y" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTOFREE char *normal = NULL;
		assert_true(state_path_normal(rows[i].given, &normal, NULL));
		assert_string_equal(normal, rows[i].normal);
	}
	static const char *const wrong[] = { "", "/a/b", "a/b", "file:a", "s3://b/../x", "s3://b/x/.", "s3://b/\n", ":/x", "1s:/x" };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		AUTOFREE char *normal = NULL;
		struct error err = ERROR_INIT;
		assert_false(state_path_normal(wrong[i], &normal, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
	}
	AUTOFREE char *longest = mem_alloc(STATE_PATH_MAX + 2);
	memset(longest, 'a', STATE_PATH_MAX + 1);
	memcpy(longest, "s3://", 5);
	AUTOFREE char *normal = NULL;
	struct error err = ERROR_INIT;
	assert_false(state_path_normal(longest, &normal, &err));
	assert_int_equal(err.kind, ERROR_LIMIT);
	assert_false(state_path_normal(NULL, &normal, &err));
}

static void look_named(void *context, const char *path, struct state_look *out)
{
	state_look_set(out, STATE_ABSENT, "%s %s", (const char *)context, path);
}

static const char *answerer(struct state_stores *stores, const char *path)
{
	static struct state_look out;
	state_store_look(state_store_for(stores, path), path, &out);
	return out.answer == STATE_UNKNOWN ? "unknown" : out.why;
}

static void the_longest_prefix_answers(void **state)
{
	(void)state;
	struct state_stores *stores = NULL;
	struct error err = ERROR_INIT;
	assert_true(state_stores_open(NULL, 0, &stores, &err));
	char outer[] = "outer", inner[] = "inner", any[] = "any";
	assert_true(state_stores_add(stores, "s3://b", &(struct state_store){ .context = outer, .look = look_named }, &err));
	assert_true(state_stores_add(stores, "s3a://b/in/", &(struct state_store){ .context = inner, .look = look_named }, &err));
	assert_true(state_stores_add(stores, "hdfs:///", &(struct state_store){ .context = any, .look = look_named }, &err));
	assert_false(state_stores_add(stores, "s3p://b/in", &(struct state_store){ .context = outer, .look = look_named }, &err));
	assert_string_equal(answerer(stores, "s3p://b/x"), "outer s3://b/x");
	assert_string_equal(answerer(stores, "s3://b/in/x"), "inner s3://b/in/x");
	assert_string_equal(answerer(stores, "s3://b/inn/x"), "outer s3://b/inn/x");
	assert_string_equal(answerer(stores, "hdfs://host/x/_metadata"), "any hdfs://host/x");
	assert_string_equal(answerer(stores, "s3://bb/in/x"), "unknown");
	assert_string_equal(answerer(NULL, "s3://b/x"), "unknown");
	assert_true(state_stores_cover(stores, "s3://b/x"));
	assert_false(state_stores_cover(stores, "gs://b/x"));
	assert_false(state_store_dispose(state_store_for(stores, "gs://b/x"), "gs://b/savepoint-1", &err));
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	struct state_listing listing;
	state_store_list(state_store_for(stores, "gs://b"), "gs://b", &listing);
	assert_int_equal(listing.look.answer, STATE_UNKNOWN);
	state_stores_close(stores);
}

static void bad_configuration_names_the_field(void **state)
{
	(void)state;
	char file[] = "file:///d", s3[] = "s3://b", gs[] = "gs://b", no_bucket[] = "s3://", rel[] = "mnt", abs[] = "/mnt", secret[] = "/f",
	     ftp[] = "ftp://x", region[] = "a b", bad[] = "d";
	const struct {
		struct state_store_config config;
		const char *says;
	} rows[] = {
		{ { .path = abs }, "prefix is missing" },
		{ { .prefix = bad }, "prefix: state path d: expected" },
		{ { .prefix = gs }, "expected file:, s3:" },
		{ { .prefix = file }, "path: expected the absolute path" },
		{ { .prefix = file, .path = rel }, "path: expected the absolute path" },
		{ { .prefix = no_bucket }, "expected s3://BUCKET" },
		{ { .prefix = s3, .endpoint = ftp }, "endpoint ftp://x" },
		{ { .prefix = s3, .region = region }, "region a b" },
		{ { .prefix = s3, .access_key_file = secret }, "needed together" },
		{ { .prefix = s3, .session_token_file = secret }, "sessionTokenFile" },
	};
	char good_prefix[] = "file:///good";
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct state_store_config both[] = { { .prefix = good_prefix, .path = abs }, rows[i].config };
		struct state_stores *stores = NULL;
		struct error err = ERROR_INIT;
		assert_false(state_stores_open(both, 2, &stores, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
		if (!str_starts(err.message, "stateStores[1]: ") || strstr(err.message, rows[i].says) == NULL)
			fail_msg("row %zu: %s", i, err.message);
	}
	struct state_store_config twice[] = { { .prefix = file, .path = abs }, { .prefix = file, .path = abs } };
	struct state_stores *stores = NULL;
	struct error err = ERROR_INIT;
	assert_false(state_stores_open(twice, 2, &stores, &err));
	assert_string_equal(err.message, "stateStores[1]: prefix file:///d is there twice");
}

static bool read_xml(const char *text, struct s3_answer *answer, struct error *err)
{
	return s3_answer_read(text, strlen(text), answer, err);
}

static void xml_of_s3(void **state)
{
	(void)state;
	struct s3_answer a = { 0 };
	struct error err = ERROR_INIT;
	assert_true(read_xml(
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		"<Name>b</Name><Prefix>sp/</Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>"
		"<Contents><Key>sp/&lt;a&gt;</Key><Owner><Key>no</Key></Owner></Contents><Contents><Key>sp/b</Key></Contents>"
		"<CommonPrefixes><Prefix>sp/c/</Prefix></CommonPrefixes></ListBucketResult>",
		&a, &err));
	assert_true(a.listing && a.truncated);
	assert_string_equal(a.token, "t&1");
	assert_int_equal(a.keys.count, 2);
	assert_string_equal(a.keys.items[0], "sp/<a>");
	assert_int_equal(a.prefixes.count, 1);
	assert_string_equal(a.prefixes.items[0], "sp/c/");
	assert_null(a.code);
	s3_answer_free(&a);
	assert_true(read_xml("<Error><Code>NoSuchKey</Code><Message>m</Message></Error>", &a, &err));
	assert_string_equal(a.code, "NoSuchKey");
	assert_false(a.listing);
	s3_answer_free(&a);
	static const char *const wrong[] = { "",
					     "<html/>",
					     "<Error/>",
					     "<ListBucketResult>",
					     "{}",
					     "<Error><Code>x</Code></Error><x/>",
					     "<!DOCTYPE Error [<!ENTITY e \"x\">]><Error><Code>&e;</Code></Error>",
					     "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>" };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_false(read_xml(wrong[i], &a, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_have_one_form),
		cmocka_unit_test(the_longest_prefix_answers),
		cmocka_unit_test(bad_configuration_names_the_field),
		cmocka_unit_test(xml_of_s3),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
