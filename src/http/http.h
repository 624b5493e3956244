/*
 * http: the port through which everything but git speaks HTTP.
 *
 * `struct http` is a small table of functions with a context. The real one (http_curl.h) speaks through libcurl; the simulated cluster
 * offers one in memory, so that the very same Kubernetes and Flink clients run in production and in simulation. One `struct http` reaches
 * one server (base URL, credentials and TLS belong to it) and may be used by several threads at once.
 */
#ifndef WEIR_HTTP_HTTP_H
#define WEIR_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct http_header {
	const char *name, *value;
};

struct http_request {
	const char *method;	  /* "GET", ... */
	const char *path;	  /* absolute path with query, already encoded: "/api/v1/pods?limit=5" */
	const char *content_type; /* of the body, or NULL */
	const char *accept;	  /* or NULL for application/json */
	const char *body;	  /* or NULL; borrowed */
	size_t body_len;
	int64_t timeout_ms;		   /* of the whole exchange; 0: 10,000. For a stream: of its opening */
	const struct http_header *headers; /* further ones, header_count of them */
	size_t header_count;
};

struct http_response {
	int status;
	struct buf body;
	char content_type[96];
	int64_t retry_after_ms; /* from Retry-After, or 0 */
};

void http_response_free(struct http_response *response);
#define AUTORESPONSE __attribute__((cleanup(http_response_free))) struct http_response

struct http_stream; /* an answer that arrives piece by piece (a watch) */

struct http {
	void *context;
	/*
	 * One exchange. True when an answer came, whatever its status. Errors: ERROR_TRANSIENT when the request surely did not reach the
	 * server (name, connect, TLS), ERROR_UNKNOWN_OUTCOME when it may have (time-out or break after sending; for GET and HEAD this is
	 * ERROR_TRANSIENT, too), ERROR_LIMIT when the answer is larger than the port allows.
	 */
	bool (*send)(void *context, const struct http_request *request, struct http_response *response, struct error *err);
	/* Opens a stream; *status is the answer's. With a status other than 200 the body is in *problem and there is no stream. */
	struct http_stream *(*open)(void *context, const struct http_request *request, int *status, struct buf *problem, struct error *err);
	/*
	 * Appends what has arrived to *out, waiting up to wait_ms for something. True with nothing appended: nothing came. False: the
	 * stream ended; ERROR_NONE in err->kind for an orderly end.
	 */
	bool (*read)(struct http_stream *stream, struct buf *out, int64_t wait_ms, struct error *err);
	void (*close)(struct http_stream *stream);
};

bool http_send(const struct http *http, const struct http_request *request, struct http_response *response, struct error *err);

#endif
