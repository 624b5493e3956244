/*
 * queue: the agent's one work queue. Keys are texts; a key is in it once, is given to one worker at a time, and comes due at a time of the
 * monotonic clock. A key that is added while a worker has it comes due again when that worker is done. Thread-safe.
 */
#ifndef WEIR_AGENT_QUEUE_H
#define WEIR_AGENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(void);
void queue_free(struct queue *q);
/* Due at `due_ms`; an earlier due time of the same key wins. */
void queue_add(struct queue *q, const char *key, int64_t due_ms);
/*
 * The key that has been due longest, owned by the caller, or NULL: nothing is due at now_ms; *next_ms then is the next due time, or
 * INT64_MAX. *failures (may be NULL) is how often in a row its turn failed before. Give it back with queue_done.
 */
char *queue_take(struct queue *q, int64_t now_ms, int64_t *next_ms, unsigned *failures);
/* The worker is done with the key and wants it again at `due_ms` (INT64_MAX: not, and its failures are forgotten). */
void queue_done(struct queue *q, const char *key, int64_t due_ms, unsigned failures);
/* Waits until a key is due by the machine's monotonic clock (also one that came due before), queue_wake was called, or wait_ms passed. */
void queue_wait(struct queue *q, int64_t wait_ms);
void queue_wake(struct queue *q); /* for good: nobody waits any more */
int64_t queue_length(struct queue *q);

#endif
