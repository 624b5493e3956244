/* The ledger as text, its bounds, and what it never drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lifecycle/ledger.h"

static struct ledger_launch *launch(struct ledger *l, const char *digest)
{
	struct ledger_launch *launch = ledger_add_launch(l);
	LEDGER_SET(launch->digest, digest);
	launch->spec = mem_printf("{\"image\":\"%s\"}", digest);
	return launch;
}

static void text_and_back(void **state)
{
	(void)state;
	struct ledger l;
	struct ledger back;
	struct error err;
	ledger_init(&l);
	LEDGER_SET(l.uid, "u");
	launch(&l, "d1")->stable_at = 5;
	ledger_add_quarantine(&l, "d2", "c2", "it \"failed\"", 7);
	ledger_note_state(&l, "s3://b/savepoint-1", 9);
	l.op = (struct ledger_op){ .kind = OP_STOP, .launch = 1, .attempt = 3 };
	AUTOBUF text = BUF_INIT;
	AUTOBUF again = BUF_INIT;
	ledger_write(&l, &text);
	assert_true(ledger_read(&back, buf_text(&text), text.len, &err));
	ledger_write(&back, &again);
	assert_string_equal(buf_text(&text), buf_text(&again));
	assert_int_equal(back.op.attempt, 3);
	assert_int_equal(back.had_checkpoint, 1);
	assert_string_equal(back.quarantine[0].reason, "it \"failed\"");
	ledger_free(&l);
	ledger_free(&back);
}

static void bad_text_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "{",
					   "{\"uid\":[]}",
					   "{\"next_launch\":\"one\"}",
					   "{\"launches\":[{\"job_id\":\"0123456789012345678901234567890123\"}]}",
					   "{\"launches\":[{\"spec\":\"x\"},{\"number\":true}]}" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ledger l;
		struct error err = ERROR_INIT;
		assert_false(ledger_read(&l, bad[i], strlen(bad[i]), &err));
		assert_int_equal(err.kind, ERROR_INVALID);
	}
}

/* However many versions come and fail, the stable one and its spec stay, and the text stays bounded. */
static void stable_launch_is_never_dropped(void **state)
{
	(void)state;
	struct ledger l;
	ledger_init(&l);
	launch(&l, "stable")->stable_at = 1;
	for (int i = 0; i < 40; i++) {
		char digest[16];
		(void)snprintf(digest, sizeof digest, "bad-%d", i);
		launch(&l, digest);
		ledger_add_quarantine(&l, digest, "c", "failed", i);
	}
	assert_int_equal(l.launch_count, LEDGER_LAUNCHES);
	assert_int_equal(l.quarantine_count, LEDGER_QUARANTINE);
	assert_string_equal(ledger_stable(&l)->digest, "stable");
	assert_string_equal(ledger_stable(&l)->spec, "{\"image\":\"stable\"}");
	assert_string_equal(l.launches[l.launch_count - 1].digest, "bad-39");
	assert_int_equal(l.next_launch, 42);
	int specs = 0;
	for (int64_t i = 0; i < l.launch_count; i++)
		specs += l.launches[i].spec != NULL;
	assert_in_range(specs, 2, 3);
	ledger_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(stable_launch_is_never_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
