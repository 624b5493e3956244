/* The field stateStores of weir.yaml. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config.h"

static bool read_text(const char *text, struct agent_config *config, struct error *err)
{
	char file[] = "/tmp/weir-config-XXXXXX";
	int fd = mkstemp(file);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	agent_config_init(config);
	bool good = agent_config_read(config, file, err);
	(void)unlink(file);
	return good;
}

static void are_read(void **state)
{
	(void)state;
	struct agent_config config;
	struct error err = ERROR_INIT;
	if (!read_text(
		    "stateStores:\n"
		    "- {prefix: 'file:///flink-data', path: /mnt/flink-data}\n"
		    "- {prefix: 's3a://b/flink', endpoint: 'https://s3.example:9000', region: eu-1, pathStyle: true, accessKeyFile: /a,\n"
		    "   secretKeyFile: /b, sessionTokenFile: /c}\n",
		    &config, &err))
		fail_msg("%s", err.message);
	assert_int_equal(config.state_store_count, 2);
	assert_string_equal(config.state_stores[0].path, "/mnt/flink-data");
	assert_false(config.state_stores[0].path_style);
	const struct state_store_config *s3 = &config.state_stores[1];
	assert_string_equal(s3->prefix, "s3a://b/flink");
	assert_string_equal(s3->endpoint, "https://s3.example:9000");
	assert_string_equal(s3->region, "eu-1");
	assert_true(s3->path_style);
	assert_string_equal(s3->access_key_file, "/a");
	assert_string_equal(s3->secret_key_file, "/b");
	assert_string_equal(s3->session_token_file, "/c");
	assert_null(s3->ca_file);
	agent_config_free(&config);
}

static void bad_ones_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "stateStores: 5\n", ":1: stateStores: expected a list" },
		{ "stateStores:\n- {path: /x}\n", ":2: stateStores[0]: prefix is missing" },
		{ "stateStores:\n- {prefix: 'gs://x'}\n", "stateStores[0]: prefix gs://x: expected file:" },
		{ "stateStores:\n- {prefix: 'file:///x'}\n", "stateStores[0]: path: expected the absolute path" },
		{ "stateStores:\n- {prefix: 's3://x', accessKey: secret}\n", "stateStores[0].accessKey: expected one of prefix, path" },
		{ "stateStores:\n- {prefix: 's3://x', pathStyle: maybe}\n", "stateStores[0].pathStyle: expected true or false" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct agent_config config;
		struct error err = ERROR_INIT;
		assert_false(read_text(rows[i].text, &config, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
		if (strstr(err.message, rows[i].says) == NULL || strstr(err.message, "/tmp/weir-config-") != err.message)
			fail_msg("row %zu: %s", i, err.message);
		agent_config_free(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(are_read), cmocka_unit_test(bad_ones_are_named) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
