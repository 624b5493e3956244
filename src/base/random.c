#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t real_next(void *context)
{
	(void)context;
	uint64_t value = 0;
	ssize_t n;
	do
		n = getrandom(&value, sizeof value, 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof value)
		abort(); /* eight bytes never come in part, and every kernel that runs us has the call */
	return value;
}

struct random random_real(void)
{
	return (struct random){ .next = real_next };
}

/* SplitMix64: a counter with a good mixer. */
static uint64_t seeded_next(void *context)
{
	uint64_t *state = context;
	*state += UINT64_C(0x9E3779B97F4A7C15);
	uint64_t z = *state;
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

struct random random_seeded(uint64_t *state)
{
	return (struct random){ .next = seeded_next, .context = state };
}

uint64_t random_next(const struct random *random)
{
	return random->next(random->context);
}

uint64_t random_below(const struct random *random, uint64_t bound)
{
	if (bound == 0)
		return 0;
	uint64_t uneven = (UINT64_MAX % bound + 1) % bound; /* how many numbers at the top would favour the small results */
	uint64_t value;
	do
		value = random_next(random);
	while (value > UINT64_MAX - uneven);
	return value % bound;
}

int64_t random_jitter_ms(const struct random *random, int64_t value_ms)
{
	if (value_ms <= 0)
		return 0;
	int64_t fifth = value_ms / 5;
	return value_ms - fifth + (int64_t)random_below(random, (uint64_t)(2 * fifth + 1));
}
