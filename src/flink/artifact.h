/*
 * artifact: the jar of a FlinkSessionJob, from wherever spec.job.jarURI says, into a file that can be uploaded: https:, http:, s3: and
 * file:. The address comes from whoever can write a manifest, so it is not trusted: schemes and hosts have to be allowed, every hop of a
 * redirect is checked like the first one, and no connection is made to an address that is not a public one unless its host is named. A
 * jar in the image (local:) is not fetched.
 *
 * Fetched jars lie in a cache directory under the digest of their content. One call is one bounded fetch on the caller's thread; several
 * threads may share a cache directory.
 */
#ifndef WEIR_FLINK_ARTIFACT_H
#define WEIR_FLINK_ARTIFACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sha256.h"

/* On a FlinkSessionJob: the SHA-256 that its jar must have, 64 hex digits, "sha256:" before them or not. */
#define FLINK_JAR_DIGEST_ANNOTATION "weir.dev/jar-digest"

/* A place of s3: addresses; the one with the longest prefix that fits is used. NULL where absent. */
struct flink_artifact_s3 {
	const char *prefix;   /* "s3://bucket" or "s3://bucket/path" */
	const char *endpoint; /* "https://host[:port]"; NULL: AWS's of the region. It may have any address */
	const char *region;   /* NULL: us-east-1 */
	bool path_style;      /* the bucket in the path instead of in the host name */
	const char *access_key_file, *secret_key_file, *session_token_file; /* read each time; none: unsigned requests */
};

/* Everything is borrowed; NULL or 0 where absent. */
struct flink_artifact_options {
	const char *cache_dir;		  /* made if missing */
	int64_t cache_bytes;		  /* of all jars in it; older ones go first; 0: 1 GiB */
	int64_t max_bytes;		  /* of one jar; 0: 256 MiB */
	int64_t timeout_ms;		  /* of a fetch as a whole, redirects included; 0: 60,000 */
	const char *schemes;		  /* allowed ones, "https;s3"; NULL: FLINK_ARTIFACT_SCHEMES of spec.h */
	const char *const *hosts;	  /* of http(s), ended by NULL: "example.org", "*.example.org"; NULL: all */
	const char *const *private_hosts; /* those that may have an address that is not public; ended by NULL; NULL: none */
	const char *const *headers;	  /* "Name: value" for the first host only; ended by NULL */
	const char *ca_file;		  /* trust these authorities only */
	const char *file_root;		  /* file: paths must lie below; NULL: there are none */
	const struct flink_artifact_s3 *s3;
	size_t s3_count;
	bool (*stop)(void *context); /* asked now and then: end at once? NULL: never */
	void *stop_context;
};

struct flink_artifact {
	char *path; /* owned: the file in the cache; somebody else's fetch may remove it when the cache is full */
	char digest[SHA256_HEX_MAX];
	int64_t bytes;
};
void flink_artifact_free(struct flink_artifact *artifact);
#define AUTOARTIFACT __attribute__((cleanup(flink_artifact_free))) struct flink_artifact

/*
 * digest: what the content must have, or NULL. With one, a jar that is in the cache already is not fetched again. Errors: ERROR_NOT_FOUND,
 * ERROR_FORBIDDEN (also: not allowed here), ERROR_INVALID (address, digest), ERROR_LIMIT, ERROR_UNSUPPORTED (local:), ERROR_TRANSIENT. No
 * message holds a password or a query of the address.
 */
bool flink_artifact_fetch(const struct flink_artifact_options *options, const char *uri, const char *digest, struct flink_artifact *out,
			  struct error *err);

/* A jar with nothing in it, for a job whose class is in the image: Flink runs jobs only from uploaded jars. */
bool flink_artifact_empty(const struct flink_artifact_options *options, struct flink_artifact *out, struct error *err);

#endif
