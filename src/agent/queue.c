#include "agent/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include <uthash.h>

struct item {
	char *key;
	int64_t due_ms; /* INT64_MAX: not wanted */
	uint64_t order; /* of those due at the same time, the one that was added first goes first */
	size_t place;	/* in the heap, from 1; 0: not in it */
	unsigned failures;
	bool taken;
	UT_hash_handle hh;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct item *items;
	struct item **heap; /* those that nobody has taken, the next to come due in front; [0] is not used */
	size_t count, room;
	uint64_t added;
	bool awake; /* nobody waits any more */
};

struct queue *queue_new(void)
{
	struct queue *q = mem_alloc(sizeof *q);
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	return q;
}

static void drop(struct queue *q, struct item *item)
{
	HASH_DEL(q->items, item);
	free(item->key);
	free(item);
}

void queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	while (q->items != NULL)
		drop(q, q->items);
	free(q->heap);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* ---- the heap ---- */

static bool before(const struct item *a, const struct item *b)
{
	return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->order < b->order);
}

static void put(struct queue *q, struct item *item, size_t place)
{
	q->heap[place] = item;
	item->place = place;
}

static void rise(struct queue *q, struct item *item, size_t place)
{
	for (; place > 1 && before(item, q->heap[place / 2]); place /= 2)
		put(q, q->heap[place / 2], place);
	put(q, item, place);
}

static void sink(struct queue *q, struct item *item, size_t place)
{
	for (size_t child; (child = 2 * place) <= q->count; place = child) {
		if (child < q->count && before(q->heap[child + 1], q->heap[child]))
			child++;
		if (!before(q->heap[child], item))
			break;
		put(q, q->heap[child], place);
	}
	put(q, item, place);
}

static struct item *pop(struct queue *q)
{
	struct item *first = q->heap[1], *last = q->heap[q->count--];
	first->place = 0;
	if (q->count > 0)
		sink(q, last, 1);
	return first;
}

/* Puts an item in, or moves it to the front if it comes due earlier than before. Whoever waits learns of a new first one. */
static void place(struct queue *q, struct item *item)
{
	if (item->place == 0) {
		if (++q->count >= q->room) {
			q->room = q->room == 0 ? 64 : 2 * q->room;
			q->heap = mem_grow(q->heap, q->room, sizeof *q->heap);
		}
		item->order = q->added++;
		item->place = q->count;
	}
	rise(q, item, item->place);
	if (item->place == 1)
		pthread_cond_broadcast(&q->changed);
}

/* ---- the queue ---- */

void queue_add(struct queue *q, const char *key, int64_t due_ms)
{
	pthread_mutex_lock(&q->lock);
	struct item *item;
	HASH_FIND_STR(q->items, key, item);
	if (item == NULL) {
		item = mem_alloc(sizeof *item);
		item->key = mem_strdup(key);
		item->due_ms = INT64_MAX;
		HASH_ADD_KEYPTR(hh, q->items, item->key, strlen(item->key), item);
	}
	bool earlier = due_ms < item->due_ms;
	if (earlier)
		item->due_ms = due_ms;
	if (!item->taken && (earlier || item->place == 0))
		place(q, item);
	pthread_mutex_unlock(&q->lock);
}

char *queue_take(struct queue *q, int64_t now_ms, int64_t *next_ms, unsigned *failures)
{
	pthread_mutex_lock(&q->lock);
	char *key = NULL;
	*next_ms = q->count == 0 ? INT64_MAX : q->heap[1]->due_ms;
	if (*next_ms <= now_ms) {
		struct item *first = pop(q);
		first->taken = true;
		first->due_ms = INT64_MAX;
		key = mem_strdup(first->key);
		if (failures != NULL)
			*failures = first->failures;
	}
	pthread_mutex_unlock(&q->lock);
	return key;
}

void queue_done(struct queue *q, const char *key, int64_t due_ms, unsigned failures)
{
	pthread_mutex_lock(&q->lock);
	struct item *item;
	HASH_FIND_STR(q->items, key, item);
	if (item != NULL) {
		item->taken = false;
		item->failures = failures;
		if (due_ms < item->due_ms)
			item->due_ms = due_ms;
		if (item->due_ms == INT64_MAX)
			drop(q, item);
		else
			place(q, item);
	}
	pthread_mutex_unlock(&q->lock);
}

static int64_t mono_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void queue_wait(struct queue *q, int64_t wait_ms)
{
	pthread_mutex_lock(&q->lock);
	/* What came due between the caller's look and here is seen under the lock, so that nothing is slept through. */
	for (int64_t now = mono_ms(), end = now + wait_ms; !q->awake && now < end; now = mono_ms()) {
		int64_t until = q->count > 0 && q->heap[1]->due_ms < end ? q->heap[1]->due_ms : end;
		if (until <= now)
			break;
		struct timespec at = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
		(void)pthread_cond_timedwait(&q->changed, &q->lock, &at);
	}
	pthread_mutex_unlock(&q->lock);
}

void queue_wake(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->awake = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

int64_t queue_length(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	int64_t n = (int64_t)HASH_COUNT(q->items);
	pthread_mutex_unlock(&q->lock);
	return n;
}
