#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include <cmocka.h>

static void a_seed_repeats(void **state)
{
	(void)state;
	uint64_t a = 1234567, b = 1234567;
	struct random one = random_seeded(&a), other = random_seeded(&b);
	assert_true(random_next(&one) == UINT64_C(6457827717110365317)); /* the published first value of SplitMix64 for this seed */
	assert_true(random_next(&one) == UINT64_C(3203168211198807973));
	(void)random_next(&other);
	(void)random_next(&other);
	for (int i = 0; i < 100; i++)
		assert_true(random_next(&one) == random_next(&other));
}

static void below_stays_below_and_is_even(void **state)
{
	(void)state;
	uint64_t seed = 7;
	struct random random = random_seeded(&seed);
	unsigned hits[6] = { 0 };
	for (int i = 0; i < 6000; i++)
		hits[random_below(&random, 6)]++;
	for (int i = 0; i < 6; i++)
		assert_in_range(hits[i], 850, 1150);
	assert_true(random_below(&random, 0) == 0);
	assert_true(random_below(&random, 1) == 0);
	assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
}

static void jitter_stays_within_a_fifth(void **state)
{
	(void)state;
	uint64_t seed = 8;
	struct random random = random_seeded(&seed);
	for (int i = 0; i < 1000; i++) {
		int64_t ms = random_jitter_ms(&random, 1000);
		assert_true(ms >= 800 && ms <= 1200);
	}
	assert_true(random_jitter_ms(&random, 0) == 0);
	assert_true(random_jitter_ms(&random, -5) == 0);
	assert_true(random_jitter_ms(&random, 1) == 1);
}

static void real_numbers_differ(void **state)
{
	(void)state;
	struct random random = random_real();
	assert_true(random_next(&random) != random_next(&random));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_repeats),
		cmocka_unit_test(below_stays_below_and_is_even),
		cmocka_unit_test(jitter_stays_within_a_fifth),
		cmocka_unit_test(real_numbers_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
