#include "flink_test.h"

#include "flink/values.h"
#include "flink/versions.h"

static void durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "5 min", 300000 }, { "1m", 60000 },    { "30", 30 },	     { "1500ms", 1500 }, { "2 H", 7200000 },
		     { "10 s", 10000 },	  { "1d", 86400000 }, { "7 Seconds", 7000 }, { "0", 0 },	 { "2500 micros", 2 } };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int64_t ms = -1;
		assert_true(flink_duration_ms(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	static const char *const bad[] = {
		"", "min", "-5 s", "1.5 h", "PT5M", "5 fortnights", "99999999999999999999 ms", "9223372036854775807 d"
	};
	int64_t ms;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(flink_duration_ms(bad[i], &ms));
	assert_false(flink_duration_ms(NULL, &ms));
}

static void memory(void **state)
{
	(void)state;
	static const struct {
		const char *text, *written;
		int64_t bytes;
	} good[] = { { "2048m", "2 gb", INT64_C(2147483648) },
		     { "2 gb", "2 gb", INT64_C(2147483648) },
		     { "1536m", "1536 mb", INT64_C(1610612736) },
		     { "3072m", "3 gb", INT64_C(3221225472) },
		     { "1025", "1025 bytes", 1025 },
		     { "2Gi", "2147483648", INT64_C(2147483648) },
		     { "1.5G", "1500000000", 1500000000 },
		     { "1T", "1 tb", INT64_C(1099511627776) },
		     { "512Ki", "524288", 524288 },
		     { "1e9", "1000000000", 1000000000 } };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTOBUF text = BUF_INIT;
		int64_t bytes = -1;
		assert_true(flink_memory_bytes(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
		assert_true(flink_memory_text(good[i].text, &text));
		assert_string_equal(buf_text(&text), good[i].written);
	}
	static const char *const bad[] = { "", "much", "2 gigs", "-1m", "1.2.3G", "0x10", "inf", "nan", "99999999999999999999g", "1.5 gb" };
	int64_t bytes;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(flink_memory_bytes(bad[i], &bytes));
	assert_false(flink_memory_size("2Gi", &bytes));
}

static void printed_amounts(void **state)
{
	(void)state;
	static const struct {
		double cpu;
		const char *java, *kubernetes;
	} rows[] = { { 1, "1.0", "1" }, { 0.5, "0.5", "500m" }, { 1.5, "1.5", "1500m" }, { 0.1, "0.1", "100m" }, { 16, "16.0", "16" } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTOBUF java = BUF_INIT, kubernetes = BUF_INIT;
		flink_put_double(&java, rows[i].cpu);
		flink_put_cpu(&kubernetes, rows[i].cpu);
		assert_string_equal(buf_text(&java), rows[i].java);
		assert_string_equal(buf_text(&kubernetes), rows[i].kubernetes);
	}
	AUTOBUF mib = BUF_INIT;
	flink_put_mib(&mib, 2048);
	flink_put_mib(&mib, 1536);
	assert_string_equal(buf_text(&mib), "2Gi1536Mi");
}

static void lists(void **state)
{
	(void)state;
	AUTODOC *doc = doc_new(), *expected = parse("['--input', 'a b', '--x;y', \"it's\", '1']");
	assert_same(flink_list_split(doc, "--input;a b;'--x;y';'it''s';1", ';'), doc_root(expected));
	AUTOBUF back = BUF_INIT;
	flink_put_list_element(&back, "--x;y");
	buf_putc(&back, '|');
	flink_put_list_element(&back, "it's");
	assert_string_equal(buf_text(&back), "'--x;y'|'it''s'");
	AUTODOC *pair = parse("[a, b]");
	assert_same(flink_list_parse(doc, "a,b"), doc_root(pair));
	assert_same(flink_list_parse(doc, "a;;b;"), doc_root(pair));
	AUTODOC *map = parse("{k: v, url: 'http://h:1', e: ''}");
	assert_same(flink_map_parse(doc, "k:v,'url:http://h:1',e:,junk"), doc_root(map));
}

static void versions(void **state)
{
	(void)state;
	const struct flink_version *v = flink_version_find("v1_20");
	assert_string_equal(v->config_file, "flink-conf.yaml");
	assert_true(flink_version_at_least(v, 1, 15));
	assert_false(flink_version_at_least(v, 2, 0));
	assert_string_equal(v->restore_mode_key, "execution.state-recovery.claim-mode");
	assert_string_equal(flink_version_find("v1_19")->restore_mode_key, "execution.savepoint-restore-mode");
	assert_string_equal(flink_version_find("v2_0")->config_file, "config.yaml");
	assert_string_equal(flink_version_find("v1_16")->image_key, "kubernetes.container.image");
	assert_null(flink_version_find("v1_14")->claim_field);
	assert_string_equal(flink_version_find("v1_19")->claim_field, "restoreMode");
	assert_string_equal(flink_version_find("v1_20")->claim_field, "claimMode");
	assert_true(flink_version_find("v1_20")->host_argument);
	assert_false(flink_version_find("v2_0")->host_argument);
	assert_false(flink_version_find("v1_16")->checkpoint_trigger);
	assert_true(flink_version_find("v1_15")->trigger_id);
	assert_ptr_equal(flink_version_find("v3_0"), flink_version_find("v2_3"));
	assert_null(flink_version_find(NULL));
	for (size_t i = 1; i < flink_version_count(); i++) { /* oldest first, nothing is lost on the way up */
		const struct flink_version *a = flink_version_at(i - 1), *b = flink_version_at(i);
		assert_true(flink_version_at_least(b, a->major, a->minor));
		assert_true(a->savepoint_format <= b->savepoint_format && a->config_yaml <= b->config_yaml &&
			    a->trigger_id <= b->trigger_id);
		assert_non_null(b->image_key);
		assert_non_null(b->savepoint_path_key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(durations), cmocka_unit_test(memory), cmocka_unit_test(printed_amounts),
					    cmocka_unit_test(lists), cmocka_unit_test(versions) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
