/* The work queue: order, one worker for a key, and that many keys cost little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/queue.h"
#include "base/mem.h"

static int64_t mono_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The next due key is `expected`; NULL: none is due, and the next will be at next_due. */
static void takes(struct queue *q, int64_t now, const char *expected, int64_t next_due)
{
	int64_t next = 0;
	AUTOFREE char *key = queue_take(q, now, &next, NULL);
	if (expected != NULL) {
		assert_non_null(key);
		assert_string_equal(key, expected);
	} else {
		assert_null(key);
		assert_int_equal(next, next_due);
	}
}

static void test_order(void **state)
{
	(void)state;
	struct queue *q = queue_new();
	takes(q, 100, NULL, INT64_MAX);
	queue_add(q, "late", 30);
	queue_add(q, "first", 10);
	queue_add(q, "second", 10);
	queue_add(q, "later", 50);
	queue_add(q, "late", 40); /* the earlier time wins */
	takes(q, 9, NULL, 10);
	takes(q, 35, "first", 0);
	takes(q, 35, "second", 0);
	takes(q, 35, "late", 0);
	takes(q, 35, NULL, 50);
	queue_add(q, "later", 20);
	takes(q, 35, "later", 0);
	assert_int_equal(queue_length(q), 4);
	queue_free(q);
}

static void test_one_worker(void **state)
{
	(void)state;
	struct queue *q = queue_new();
	queue_add(q, "a", 10);
	takes(q, 10, "a", 0);
	queue_add(q, "a", 11); /* meanwhile: it comes due again, once it was given back */
	takes(q, 20, NULL, INT64_MAX);
	queue_done(q, "a", 99, 2);
	int64_t next;
	unsigned failures = 0;
	AUTOFREE char *key = queue_take(q, 11, &next, &failures);
	assert_string_equal(key, "a");
	assert_int_equal(failures, 2);
	queue_done(q, "a", INT64_MAX, 0); /* not wanted any more */
	assert_int_equal(queue_length(q), 0);
	takes(q, 1000, NULL, INT64_MAX);
	queue_free(q);
}

enum { MANY = 20000 };

/* With a look at every key for each one taken this would be 200 million looks. */
static void test_many(void **state)
{
	(void)state;
	struct queue *q = queue_new();
	uint64_t seed = 7;
	char key[32];
	for (int i = 0; i < MANY; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		(void)snprintf(key, sizeof key, "job/%d", i);
		queue_add(q, key, (int64_t)(seed >> 48));
		if (i % 3 == 0)
			queue_add(q, key, (int64_t)(seed >> 50)); /* earlier by far */
	}
	int64_t last = 0, now = 0, next = 0;
	for (int taken = 0; taken < MANY; taken++) {
		AUTOFREE char *got = queue_take(q, now, &next, NULL);
		if (got == NULL) {
			assert_true(next > last && next < INT64_MAX);
			last = now = next;
			taken--;
			continue;
		}
		queue_done(q, got, INT64_MAX, 0);
	}
	assert_int_equal(queue_length(q), 0);
	queue_free(q);
}

static void *add_soon(void *context)
{
	queue_add(context, "now", mono_ms());
	return NULL;
}

static void *wake_up(void *context)
{
	queue_wake(context);
	return NULL;
}

static void test_wait(void **state)
{
	(void)state;
	struct queue *q = queue_new();
	pthread_t thread;
	int64_t begin = mono_ms();
	queue_add(q, "in an hour", begin + 3600000);
	queue_add(q, "due", begin);
	queue_wait(q, 60000); /* something came due before the wait began */
	takes(q, begin, "due", 0);
	assert_int_equal(pthread_create(&thread, NULL, add_soon, q), 0);
	queue_wait(q, 60000);
	takes(q, mono_ms(), "now", 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	queue_add(q, "soon", mono_ms() + 30);
	queue_wait(q, 60000);
	takes(q, mono_ms(), "soon", 0);
	assert_int_equal(pthread_create(&thread, NULL, wake_up, q), 0);
	queue_wait(q, 60000);
	queue_wait(q, 60000); /* for good */
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(mono_ms() - begin < 30000);
	queue_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_order), cmocka_unit_test(test_one_worker), cmocka_unit_test(test_many),
					    cmocka_unit_test(test_wait) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
