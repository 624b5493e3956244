/*
 * serve: a small HTTP server for what Weir says about itself. It answers GET and HEAD, everything else with 405; who may ask is a matter of
 * the address it listens on. One thread of its own calls the handler for one request at a time, so a handler must not wait. Bounded:
 * SERVE_CONNECTIONS_MAX connections, SERVE_IDLE_S seconds without progress, 16 KiB of request.
 */
#ifndef WEIR_SERVE_SERVE_H
#define WEIR_SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { SERVE_CONNECTIONS_MAX = 64, SERVE_IDLE_S = 10 };

struct serve_answer {
	unsigned status;	  /* 200 unless the handler says otherwise */
	const char *content_type; /* a constant; plain text unless the handler says otherwise */
	struct buf body;
};

/* False: there is nothing at this path (404). The path is decoded and without query. */
typedef bool (*serve_handler)(void *context, const char *path, struct serve_answer *answer);

struct serve;

/* Listens on an IPv4 or IPv6 address and a port (0: any that is free). NULL with *err set if that cannot be. */
struct serve *serve_start(const char *address, uint16_t port, serve_handler handler, void *context, struct error *err);
uint16_t serve_port(const struct serve *serve);
/* Ends the thread and its connections. NULL is fine. */
void serve_stop(struct serve *serve);

#endif
