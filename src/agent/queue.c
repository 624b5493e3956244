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
	bool taken;
	UT_hash_handle hh;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct item *items;
	uint64_t changes;
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
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

static void announce(struct queue *q)
{
	q->changes++;
	pthread_cond_broadcast(&q->changed);
}

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
	if (due_ms < item->due_ms) {
		item->due_ms = due_ms;
		announce(q);
	}
	pthread_mutex_unlock(&q->lock);
}

char *queue_take(struct queue *q, int64_t now_ms, int64_t *next_ms)
{
	pthread_mutex_lock(&q->lock);
	struct item *first = NULL;
	for (struct item *item = q->items; item != NULL; item = item->hh.next)
		if (!item->taken && (first == NULL || item->due_ms < first->due_ms))
			first = item;
	char *key = NULL;
	*next_ms = first == NULL ? INT64_MAX : first->due_ms;
	if (first != NULL && first->due_ms <= now_ms) {
		first->taken = true;
		first->due_ms = INT64_MAX;
		key = mem_strdup(first->key);
	}
	pthread_mutex_unlock(&q->lock);
	return key;
}

void queue_done(struct queue *q, const char *key, int64_t due_ms)
{
	pthread_mutex_lock(&q->lock);
	struct item *item;
	HASH_FIND_STR(q->items, key, item);
	if (item != NULL) {
		item->taken = false;
		if (due_ms < item->due_ms)
			item->due_ms = due_ms;
		if (item->due_ms == INT64_MAX)
			drop(q, item);
		announce(q);
	}
	pthread_mutex_unlock(&q->lock);
}

void queue_wait(struct queue *q, int64_t wait_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
	until.tv_sec += wait_ms / 1000 + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&q->lock);
	uint64_t before = q->changes;
	while (q->changes == before && pthread_cond_timedwait(&q->changed, &q->lock, &until) == 0)
		;
	pthread_mutex_unlock(&q->lock);
}

void queue_wake(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	announce(q);
	pthread_mutex_unlock(&q->lock);
}

int64_t queue_length(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	int64_t n = (int64_t)HASH_COUNT(q->items);
	pthread_mutex_unlock(&q->lock);
	return n;
}
