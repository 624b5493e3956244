/*
 * health: the pages /metrics, /healthz and /readyz, as a handler for serve. Alive means that a restart would not help; ready means that the
 * process does its work. Both come from the caller as functions that must not wait; they are called by the server's thread.
 */
#ifndef WEIR_SERVE_HEALTH_H
#define WEIR_SERVE_HEALTH_H

#include <stdbool.h>

#include "serve/metrics.h"
#include "serve/serve.h"

struct health {
	struct metrics *metrics; /* borrowed */
	void *context;
	/* May append to `why`, which is shown. NULL: always. */
	bool (*alive)(void *context, struct buf *why);
	bool (*ready)(void *context, struct buf *why);
};

/* A serve_handler; the context is a struct health. */
bool health_handle(void *health, const char *path, struct serve_answer *answer);

#endif
