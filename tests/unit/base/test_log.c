#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sensitive.h"

static int64_t fixed_now(void *context)
{
	(void)context;
	return 1700000000123;
}

static const struct clock fixed = { .now_ms = fixed_now, .mono_ms = fixed_now };

static void assert_line(enum log_format format, const char *message, const char *const *pairs, const char *expected)
{
	struct log_config config = { .level = LOG_LEVEL_DEBUG, .format = format, .clock = &fixed };
	AUTOBUF line = BUF_INIT;
	log_render(&line, &config, LOG_LEVEL_WARN, message, pairs);
	assert_string_equal(buf_text(&line), expected);
}

static void text_quotes_what_needs_it(void **state)
{
	(void)state;
	const char *pairs[] = { "sync", "orders", "path", "a b", "empty", "", "q", "say \"x\"\n", NULL };
	assert_line(LOG_FORMAT_TEXT, "cannot\napply", pairs,
		    "2023-11-14T22:13:20.123Z warn  cannot apply sync=orders path=\"a b\" empty=\"\" q=\"say \\\"x\\\"\\n\"");
}

static void json_is_valid_whatever_is_logged(void **state)
{
	(void)state;
	const char *pairs[] = { "a", "tab\t\x01", "b", "\xc3\xa4\xff\xed\xa0\x80", NULL };
	assert_line(LOG_FORMAT_JSON, "m\"", pairs,
		    "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"message\":\"m\\\"\",\"a\":\"tab\\t\\u0001\","
		    "\"b\":\"\xc3\xa4\\ufffd\\ufffd\\ufffd\\ufffd\"}");
}

static void sensitive_values_are_masked(void **state)
{
	(void)state;
	const char *pairs[] = { "s3.secret-key", "abc", "url", "https://me:hunter2@host/x", "name", "token", NULL };
	assert_line(LOG_FORMAT_TEXT, "fetch http://u:p@h", pairs,
		    "2023-11-14T22:13:20.123Z warn  fetch http://******@h s3.secret-key=****** url=https://******@host/x name=token");
}

static void event_writes_one_line_and_drops_low_levels(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	struct log_config config = { .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT, .fd = fds[1], .clock = &fixed };
	log_configure(&config);
	const char *missing = NULL;
	log_event(LOG_LEVEL_DEBUG, "dropped", NULL);
	log_event(LOG_LEVEL_INFO, "kept", "absent", missing, "k", "v", NULL);
	assert_int_equal(close(fds[1]), 0);
	char text[256];
	ssize_t n = read(fds[0], text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "2023-11-14T22:13:20.123Z info  kept k=v\n");
	assert_int_equal(close(fds[0]), 0);
}

static void keys(void **state)
{
	(void)state;
	const char *hidden[] = { "PASSWORD",	  "s3.access-key",
				 "s3.access_key", "fs.azure.account.key.acme.blob",
				 "api-key",	  "security.ssl.internal.keystore-password",
				 "GitHub_Token",  "some.credentials.x",
				 "apiKey" };
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		assert_true(sensitive_key(hidden[i]));
	const char *shown[] = { "taskmanager.memory.size", "key", "execution.checkpointing.interval", "keyed-state", "" };
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		assert_false(sensitive_key(shown[i]));
	assert_false(sensitive_key(NULL));
	assert_null(sensitive_value("password", NULL));
	assert_string_equal(sensitive_value("name", "x"), "x");
}

static void urls_keep_everything_but_user_information(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "https://host/p@q", "https://host/p@q" },
		{ "a https://t@h b ssh://git:x@y@h2/z", "a https://******@h b ssh://******@h2/z" },
		{ "git@host:repo", "git@host:repo" },
		{ "://", "://" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTOBUF out = BUF_INIT;
		sensitive_put_text(&out, cases[i][0]);
		assert_string_equal(buf_text(&out), cases[i][1]);
	}
}

static void levels_have_names(void **state)
{
	(void)state;
	enum log_level level;
	assert_true(log_level_parse("warn", &level));
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_false(log_level_parse("loud", &level));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_quotes_what_needs_it),
		cmocka_unit_test(json_is_valid_whatever_is_logged),
		cmocka_unit_test(sensitive_values_are_masked),
		cmocka_unit_test(event_writes_one_line_and_drops_low_levels),
		cmocka_unit_test(keys),
		cmocka_unit_test(urls_keep_everything_but_user_information),
		cmocka_unit_test(levels_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
