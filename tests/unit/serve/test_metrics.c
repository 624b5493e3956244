#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "serve/metrics.h"

static void assert_output(struct metrics *metrics, const char *expected)
{
	AUTOBUF out = BUF_INIT;
	metrics_write(metrics, &out);
	assert_string_equal(buf_text(&out), expected);
}

static void empty_and_absent(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new();
	assert_output(metrics, "");
	assert_output(NULL, "");
	metrics_add(NULL, METRIC_LEADER, 1, NULL);
	metrics_forget(NULL, METRIC_LEADER, NULL);
	metrics_free(metrics);
	metrics_free(NULL);
}

static void counters_and_gauges(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new();
	metrics_add(metrics, METRIC_SYNC_RUNS, 1, "b", "ok", NULL);
	metrics_add(metrics, METRIC_SYNC_RUNS, 1, "a", "say \"x\"\\\n", NULL);
	metrics_add(metrics, METRIC_SYNC_RUNS, 2, "b", "ok", NULL);
	metrics_set(metrics, METRIC_LEADER, 1, NULL);
	metrics_set(metrics, METRIC_LEADER, 0.25, NULL);
	metrics_set(metrics, METRIC_LEADER, 0.0 / 0.0, NULL);
	assert_output(metrics, "# HELP weir_leader 1 while this process may act.\n# TYPE weir_leader gauge\nweir_leader 0.25\n"
			       "# HELP weir_sync_runs_total Passes of a sync by what came of them.\n# TYPE weir_sync_runs_total counter\n"
			       "weir_sync_runs_total{sync=\"a\",result=\"say \\\"x\\\"\\\\\\n\"} 1\n"
			       "weir_sync_runs_total{sync=\"b\",result=\"ok\"} 3\n");
	metrics_free(metrics);
}

static void missing_label_values_are_empty(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new();
	metrics_add(metrics, METRIC_EFFECTS, 1, "deploy", NULL);
	AUTOBUF out = BUF_INIT;
	metrics_write(metrics, &out);
	assert_non_null(strstr(buf_text(&out), "\nweir_effects_total{effect=\"deploy\",result=\"\"} 1\n"));
	metrics_free(metrics);
}

static void histograms_are_cumulative(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new();
	metrics_observe(metrics, METRIC_SYNC_SECONDS, 0.005, "a", NULL);
	metrics_observe(metrics, METRIC_SYNC_SECONDS, 0.02, "a", NULL);
	metrics_observe(metrics, METRIC_SYNC_SECONDS, 1000, "a", NULL);
	AUTOBUF out = BUF_INIT;
	metrics_write(metrics, &out);
	static const char *const lines[] = { "_bucket{sync=\"a\",le=\"0.005\"} 1\n",
					     "_bucket{sync=\"a\",le=\"0.01\"} 1\n",
					     "_bucket{sync=\"a\",le=\"0.025\"} 2\n",
					     "_bucket{sync=\"a\",le=\"300\"} 2\n",
					     "_bucket{sync=\"a\",le=\"+Inf\"} 3\n",
					     "_sum{sync=\"a\"} 1000.025\n",
					     "_count{sync=\"a\"} 3\n" };
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_non_null(strstr(buf_text(&out), lines[i]));
	buf_clear(&out);
	metrics_observe(metrics, METRIC_TURN_SECONDS, 1, NULL);
	metrics_write(metrics, &out);
	assert_non_null(strstr(buf_text(&out), "\nweir_turn_seconds_bucket{le=\"1\"} 1\n"));
	assert_non_null(strstr(buf_text(&out), "\nweir_turn_seconds_count 1\n"));
	metrics_free(metrics);
}

static void forgets_by_leading_labels(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new();
	metrics_set(metrics, METRIC_JOB_STATE, 1, "ns", "a", "RUNNING", NULL);
	metrics_set(metrics, METRIC_JOB_STATE, 1, "ns", "a", "FAILED", NULL);
	metrics_set(metrics, METRIC_JOB_STATE, 1, "ns", "ab", "RUNNING", NULL);
	metrics_forget(metrics, METRIC_JOB_STATE, "ns", "a", NULL);
	AUTOBUF out = BUF_INIT;
	metrics_write(metrics, &out);
	assert_null(strstr(buf_text(&out), "name=\"a\""));
	assert_non_null(strstr(buf_text(&out), "name=\"ab\""));
	metrics_forget(metrics, METRIC_JOB_STATE, NULL);
	assert_output(metrics, "");
	metrics_free(metrics);
}

static void too_many_series_are_dropped_and_counted(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new();
	for (int i = 0; i < METRICS_SERIES_MAX + 5; i++) {
		AUTOFREE char *name = mem_printf("%d", i);
		metrics_add(metrics, METRIC_ROLLBACKS, 1, "ns", name, NULL);
	}
	AUTOBUF out = BUF_INIT;
	metrics_write(metrics, &out);
	assert_non_null(strstr(buf_text(&out), "\nweir_metrics_dropped_total 5\n"));
	metrics_free(metrics);
}

static void *count(void *metrics)
{
	for (int i = 0; i < 2000; i++) {
		metrics_add(metrics, METRIC_TURNS, 1, "ok", NULL);
		if (i % 500 == 0) {
			AUTOBUF out = BUF_INIT;
			metrics_write(metrics, &out);
		}
	}
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new();
	pthread_t threads[4];
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, metrics), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	AUTOBUF out = BUF_INIT;
	metrics_write(metrics, &out);
	assert_non_null(strstr(buf_text(&out), "\nweir_turns_total{result=\"ok\"} 8000\n"));
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_and_absent),
		cmocka_unit_test(counters_and_gauges),
		cmocka_unit_test(missing_label_values_are_empty),
		cmocka_unit_test(histograms_are_cumulative),
		cmocka_unit_test(forgets_by_leading_labels),
		cmocka_unit_test(too_many_series_are_dropped_and_counted),
		cmocka_unit_test(threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
