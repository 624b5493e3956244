/* artifact_internal: what the artifact*.c files share. */
#ifndef WEIR_FLINK_ARTIFACT_INTERNAL_H
#define WEIR_FLINK_ARTIFACT_INTERNAL_H

#include <sys/socket.h>

#include "flink/artifact.h"

/* A jar on its way into the cache. */
struct sink {
	int fd;
	int64_t bytes, max;
	struct sha256 *digest;
	int problem; /* errno of a failed write */
	bool too_large;
};
/* False when the sink wants no more. */
bool sink_add(struct sink *sink, const void *data, size_t len);

/* Is it an address of the public internet? Not: loopback, private and link-local ones, and those that carry such a one in them. */
bool address_is_public(const struct sockaddr *address);
/* Is it in the list, which may hold "*.example.org"? */
bool host_in(const char *const *list, const char *host);
bool scheme_allowed(const struct flink_artifact_options *options, const char *scheme);
/* The address without password and query, for messages; owned by the caller. */
char *uri_shown(const char *uri);

bool artifact_fetch_http(const struct flink_artifact_options *options, const char *uri, struct sink *sink, struct error *err);
bool artifact_fetch_s3(const struct flink_artifact_options *options, const char *uri, struct sink *sink, struct error *err);

#endif
