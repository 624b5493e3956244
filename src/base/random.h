/*
 * random: randomness as a port. The real one asks the kernel; the seeded one gives the same numbers for the same seed, so that a
 * simulation can be replayed. Neither is for keys: what must stay secret comes from OpenSSL.
 */
#ifndef WEIR_BASE_RANDOM_H
#define WEIR_BASE_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t (*next)(void *context);
	void *context;
};

struct random random_real(void);

/* *state is borrowed, holds the seed at first, and moves on with every number. */
struct random random_seeded(uint64_t *state);

uint64_t random_next(const struct random *random);
/* Evenly from 0 to bound - 1; 0 for a bound of 0. */
uint64_t random_below(const struct random *random, uint64_t bound);
/* value plus or minus up to a fifth: spreads retries that began together. Never below 0. */
int64_t random_jitter_ms(const struct random *random, int64_t value_ms);

#endif
