/* The gate: what is seen of preflight, under each mode, and what is remembered of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lifecycle/gate.h"

static struct ledger ledger;

static struct gate_input input(enum preflight_seen jobmanager, enum preflight_seen taskmanager)
{
	return (struct gate_input){ .ledger = &ledger,
				    .digest = "new",
				    .live_digest = "old",
				    .now_ms = 1000,
				    .looked = true,
				    .pods = { jobmanager, taskmanager, PREFLIGHT_ABSENT },
				    .reasons = { "why one", "why two", "why three" } };
}

/* As the sync keeps it. */
static void keep(const struct gate_output *out, int64_t now_ms)
{
	LEDGER_SET(ledger.preflight_digest, out->key);
	LEDGER_SET(ledger.preflight_result, out->result);
	LEDGER_SET(ledger.preflight_message, out->reason);
	ledger.preflight_at = now_ms;
}

static void running_since(const char *key, int64_t at, const char *reason)
{
	LEDGER_SET(ledger.preflight_digest, key);
	LEDGER_SET(ledger.preflight_result, "running");
	LEDGER_SET(ledger.preflight_message, reason);
	ledger.preflight_at = at;
}

static int set_up(void **state)
{
	(void)state;
	ledger_init(&ledger);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ledger_free(&ledger);
	return 0;
}

static void looks_first(void **state)
{
	(void)state;
	struct gate_output out;
	struct gate_input in = input(PREFLIGHT_ABSENT, PREFLIGHT_ABSENT);
	in.looked = false;
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_LOOK);
	in.preflight = "off";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_APPLY);
	in.preflight = NULL;
	in.live_digest = "new";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_APPLY);
	assert_false(out.leftovers);
}

enum { JM = 1 << PREFLIGHT_JOBMANAGER, TM = 1 << PREFLIGHT_TASKMANAGER, JAVA = 1 << PREFLIGHT_JAVA };

static void pods_are_started(void **state)
{
	(void)state;
	struct gate_output out;
	struct gate_input in = input(PREFLIGHT_ABSENT, PREFLIGHT_ABSENT);
	in.server = SERVER_UNSURE;
	in.server_reason = "exceeded quota: q";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_PREFLIGHT);
	assert_int_equal(out.create, JM | TM);
	assert_true(out.record);
	assert_string_equal(out.result, "running");
	assert_string_equal(out.key, "new");
	keep(&out, 1000);
	/* what the server could not say is not forgotten */
	in = input(PREFLIGHT_PASSED, PREFLIGHT_PASSED);
	gate_decide(&in, &out);
	assert_string_equal(out.result, "unknown");
	assert_string_equal(out.reason, "exceeded quota: q");
	/* one of the two is missing: it is created, and the clock runs on */
	running_since("new", 900, "");
	in = input(PREFLIGHT_PASSED, PREFLIGHT_ABSENT);
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_PREFLIGHT);
	assert_int_equal(out.create, TM);
	assert_false(out.record);
	/* both are gone after a long time: anew, with a new clock */
	running_since("new", 900 - 2 * PREFLIGHT_DEADLINE_MS, "");
	in = input(PREFLIGHT_ABSENT, PREFLIGHT_ABSENT);
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_PREFLIGHT);
	assert_true(out.record);
	/* not seen is not absent */
	in = input(PREFLIGHT_UNKNOWN, PREFLIGHT_ABSENT);
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WAIT);
	assert_int_equal(out.create, 0);
}

static void results_are_combined(void **state)
{
	(void)state;
	static const struct {
		enum preflight_seen jm, tm, java;
		int64_t age;
		enum gate prefer, require;
		const char *result, *reason;
	} rows[] = {
#define PREFLIGHT(x) PREFLIGHT_##x
		{ PREFLIGHT(PASSED), PREFLIGHT(PASSED), PREFLIGHT(ABSENT), 0, GATE_APPLY, GATE_APPLY, "passed", "" },
		{ PREFLIGHT(RUNNING), PREFLIGHT(PASSED), PREFLIGHT(ABSENT), 0, GATE_WAIT, GATE_WAIT, "", "" },
		{ PREFLIGHT(PASSED), PREFLIGHT(RUNNING), PREFLIGHT(ABSENT), 0, GATE_WAIT, GATE_WAIT, "", "" },
		{ PREFLIGHT(UNCHECKED), PREFLIGHT(RUNNING), PREFLIGHT(ABSENT), 0, GATE_WAIT, GATE_WAIT, "", "" },
		{ PREFLIGHT(FAILED), PREFLIGHT(PASSED), PREFLIGHT(ABSENT), 0, GATE_WITHHOLD, GATE_WITHHOLD, "failed",
		  "JobManager: why one" },
		{ PREFLIGHT(PASSED), PREFLIGHT(FAILED), PREFLIGHT(ABSENT), 0, GATE_WITHHOLD, GATE_WITHHOLD, "failed",
		  "TaskManager: why two" },
		{ PREFLIGHT(RUNNING), PREFLIGHT(FAILED), PREFLIGHT(ABSENT), 0, GATE_WITHHOLD, GATE_WITHHOLD, "failed",
		  "TaskManager: why two" },
		{ PREFLIGHT(UNCHECKED), PREFLIGHT(FAILED), PREFLIGHT(ABSENT), 0, GATE_WITHHOLD, GATE_WITHHOLD, "failed",
		  "TaskManager: why two" },
		{ PREFLIGHT(FAILED), PREFLIGHT(FAILED), PREFLIGHT(ABSENT), 0, GATE_WITHHOLD, GATE_WITHHOLD, "failed",
		  "JobManager: why one; TaskManager: why two" },
		{ PREFLIGHT(UNCHECKED), PREFLIGHT(PASSED), PREFLIGHT(ABSENT), 0, GATE_APPLY, GATE_WITHHOLD, "unknown",
		  "JobManager: why one" },
		{ PREFLIGHT(PASSED), PREFLIGHT(UNCHECKED), PREFLIGHT(ABSENT), 0, GATE_APPLY, GATE_WITHHOLD, "unknown",
		  "TaskManager: why two" },
		{ PREFLIGHT(RUNNING), PREFLIGHT(PASSED), PREFLIGHT(ABSENT), PREFLIGHT_DEADLINE_MS, GATE_APPLY, GATE_WITHHOLD, "unknown",
		  "JobManager: the preflight pod did not end in time: why one" },
		{ PREFLIGHT(PASSED), PREFLIGHT(RUNNING), PREFLIGHT(ABSENT), PREFLIGHT_DEADLINE_MS, GATE_APPLY, GATE_WITHHOLD, "unknown",
		  "TaskManager: the preflight pod did not end in time: why two" },
		{ PREFLIGHT(PASSED), PREFLIGHT(ABSENT), PREFLIGHT(ABSENT), PREFLIGHT_DEADLINE_MS, GATE_APPLY, GATE_WITHHOLD, "unknown",
		  "TaskManager" },
		/* without a shell */
		{ PREFLIGHT(NO_PROGRAM), PREFLIGHT(NO_PROGRAM), PREFLIGHT(ABSENT), 0, GATE_PREFLIGHT, GATE_PREFLIGHT, "", "" },
		{ PREFLIGHT(NO_PROGRAM), PREFLIGHT(NO_PROGRAM), PREFLIGHT(RUNNING), 0, GATE_WAIT, GATE_WAIT, "", "" },
		{ PREFLIGHT(NO_PROGRAM), PREFLIGHT(NO_PROGRAM), PREFLIGHT(PASSED), 0, GATE_APPLY, GATE_APPLY, "passed", "" },
		{ PREFLIGHT(NO_PROGRAM), PREFLIGHT(NO_PROGRAM), PREFLIGHT(FAILED), 0, GATE_WITHHOLD, GATE_WITHHOLD, "failed",
		  "JobManager: why three" },
		{ PREFLIGHT(NO_PROGRAM), PREFLIGHT(NO_PROGRAM), PREFLIGHT(NO_PROGRAM), 0, GATE_APPLY, GATE_WITHHOLD, "unknown",
		  "neither a shell nor java" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gate_output out;
		struct gate_input in = input(rows[i].jm, rows[i].tm);
		in.pods[PREFLIGHT_JAVA] = rows[i].java;
		running_since("new", in.now_ms - rows[i].age, "");
		gate_decide(&in, &out);
		if (out.gate != rows[i].prefer || strcmp(out.result, rows[i].result) != 0 || strstr(out.reason, rows[i].reason) == NULL)
			fail_msg("row %zu: gate %d, %s: %s", i, out.gate, out.result, out.reason);
		if (out.gate == GATE_PREFLIGHT)
			assert_int_equal(out.create, JAVA);
		in.preflight = "require";
		gate_decide(&in, &out);
		assert_int_equal(out.gate, rows[i].require);
		if (!out.record)
			continue;
		/* from the ledger it is the same */
		char message[sizeof out.message];
		(void)snprintf(message, sizeof message, "%s", out.message);
		keep(&out, in.now_ms);
		in = input(PREFLIGHT_UNKNOWN, PREFLIGHT_UNKNOWN);
		in.looked = false;
		gate_decide(&in, &out);
		assert_int_equal(out.gate, rows[i].prefer);
		in.preflight = "require";
		gate_decide(&in, &out);
		assert_int_equal(out.gate, rows[i].require);
		assert_string_equal(out.message, message);
	}
}

static void the_server_is_asked_each_time(void **state)
{
	(void)state;
	struct gate_output out;
	struct gate_input in = input(PREFLIGHT_ABSENT, PREFLIGHT_ABSENT);
	in.server = SERVER_REFUSES;
	in.server_reason = "violates PodSecurity";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WITHHOLD);
	assert_string_equal(out.message, "refused by preflight: violates PodSecurity");
	assert_true(out.record);
	keep(&out, in.now_ms);
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WITHHOLD);
	assert_false(out.record); /* nothing new */
	in.looked = false;
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_LOOK);
	in.looked = true;
	in.server = SERVER_SILENT;
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WAIT);
	in.server = SERVER_TAKES;
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_PREFLIGHT);
	in.not_created = "exceeded quota: q";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_APPLY);
	assert_string_equal(out.result, "unknown");
	assert_non_null(strstr(out.reason, "exceeded quota: q"));
	in.preflight = "require";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WITHHOLD);
}

static void other_content_leaves_pods_behind(void **state)
{
	(void)state;
	struct gate_output out;
	running_since("older", 1, "");
	struct gate_input in = input(PREFLIGHT_ABSENT, PREFLIGHT_ABSENT);
	gate_decide(&in, &out);
	assert_true(out.leftovers);
	in.live_digest = "new"; /* what was tried was taken back */
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_APPLY);
	assert_true(out.leftovers);
	running_since("new", 1, "");
	in.live_digest = "old";
	gate_decide(&in, &out);
	assert_false(out.leftovers);
	in.preflight = "off"; /* while they run */
	gate_decide(&in, &out);
	assert_true(out.leftovers);
}

/* Quarantined content stays out, whatever preflight says, until it is retried by name; a retry also asks preflight once more. */
static void retries(void **state)
{
	(void)state;
	struct gate_output out;
	struct gate_input in = input(PREFLIGHT_ABSENT, PREFLIGHT_ABSENT);
	ledger_add_quarantine(&ledger, "new", "c0ffee", "it failed", 1);
	in.preflight = "off";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WITHHOLD);
	in.retry = "1";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_APPLY);
	LEDGER_SET(ledger.preflight_digest, "new");
	LEDGER_SET(ledger.preflight_result, "failed");
	in.preflight = NULL;
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_PREFLIGHT);
	assert_string_not_equal(out.key, "new");
	assert_int_equal(strlen(out.key), 64);
	in.pods[PREFLIGHT_JOBMANAGER] = in.pods[PREFLIGHT_TASKMANAGER] = PREFLIGHT_FAILED;
	gate_decide(&in, &out);
	keep(&out, in.now_ms);
	in.looked = false; /* the answer holds for this value */
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WITHHOLD);
	in.retry = "2";
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_LOOK);
	LEDGER_SET(ledger.spent_retry, "2");
	gate_decide(&in, &out);
	assert_int_equal(out.gate, GATE_WITHHOLD);
	assert_non_null(strstr(out.message, "quarantined"));
}

/* A reason too long for the ledger is cut between characters. */
static void long_reasons_are_cut(void **state)
{
	(void)state;
	struct gate_output out;
	AUTOBUF text = BUF_INIT;
	for (int i = 0; i < 200; i++)
		buf_puts(&text, "\xc3\xa4");
	struct gate_input in = input(PREFLIGHT_FAILED, PREFLIGHT_PASSED);
	in.reasons[PREFLIGHT_JOBMANAGER] = buf_text(&text);
	gate_decide(&in, &out);
	size_t len = strlen(out.reason);
	assert_true(len >= sizeof out.reason - 2);
	assert_int_equal((unsigned char)out.reason[len - 1], 0xa4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(looks_first),
		TEST(pods_are_started),
		TEST(results_are_combined),
		TEST(the_server_is_asked_each_time),
		TEST(other_content_leaves_pods_behind),
		TEST(retries),
		TEST(long_reasons_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
