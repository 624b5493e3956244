/*
 * store: the state store port: does a savepoint or checkpoint still exist? Yes, no, or unknown, and unknown is never taken for no.
 *
 * `struct state_store` is a small table of functions with a context. There are three real ones: a file system that the agent mounts
 * (file_store.h), an S3-compatible object store (s3_store.h), and, for whatever the agent itself cannot reach, a pod with the job's own
 * image (probe.h, which is no state_store, since its caller owns creating and polling). `struct state_stores` picks one by the longest
 * configured prefix. Every call is bounded (STATE_CALL_MS) and may come from several threads at once.
 *
 * A savepoint or checkpoint exists when its `_metadata` does, which Flink writes last. Paths are as Flink writes them: file:/x and
 * file:///x are one, and so are s3://, s3a:// and s3p://.
 */
#ifndef WEIR_STORE_STORE_H
#define WEIR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/clean.h"

enum state_answer { STATE_UNKNOWN = 0, STATE_EXISTS, STATE_ABSENT };

enum {
	STATE_CALL_MS = 10000,	   /* the longest that one call takes */
	STATE_FILE_CALL_MS = 4000, /* of a file system: nothing can interrupt it, and the agent has to end within five seconds */
	STATE_PATH_MAX = 2048,
	STATE_LIST_MAX = 200,	   /* entries of a directory; with more the answer is unknown */
	STATE_DISPOSE_MAX = 10000, /* files or objects that one call deletes; the next call goes on */
	STATE_WHY_MAX = 512,
};

struct state_look {
	enum state_answer answer;
	char why[STATE_WHY_MAX]; /* of UNKNOWN and ABSENT, for a person; "" for EXISTS */
};

/*
 * EXISTS: the directory was read to its end. ABSENT: it surely is not there (in an object store: nothing is below it). UNKNOWN: no entries,
 * whatever was seen.
 */
struct state_listing {
	struct state_look look;
	char **names; /* owned: the entries that hold a _metadata, sorted; last part of the path only */
	size_t count;
};

struct state_store {
	void *context;
	void (*look)(void *context, const char *path, struct state_look *out);
	void (*list)(void *context, const char *dir, struct state_listing *out);
	bool (*dispose)(void *context, const char *path, struct error *err);
	bool (*clean)(void *context, const char *path, enum state_remains shape, struct error *err); /* NULL: it cannot */
	void (*close)(void *context);								     /* NULL: nothing to release */
};

const char *state_answer_name(enum state_answer answer); /* "exists", "absent", "unknown" */

/* *out is filled in any case. The path may also be that of the _metadata itself. */
void state_store_look(const struct state_store *store, const char *path, struct state_look *out);
/* Free with state_listing_free. */
void state_store_list(const struct state_store *store, const char *dir, struct state_listing *out);
void state_listing_free(struct state_listing *listing);
/*
 * Deletes one savepoint or checkpoint: a directory called savepoint-* or chk-NUMBER strictly below the store's prefix, its _metadata first,
 * so that what a break leaves behind never looks usable. True when nothing of it is left, also if nothing was there. Nothing decides here
 * whether it may go. Errors: ERROR_INVALID for any other path, ERROR_TRANSIENT when it was not finished and ERROR_UNKNOWN_OUTCOME
 * when that is in doubt (for both: ask again), ERROR_FORBIDDEN, ERROR_UNSUPPORTED where the store cannot delete.
 */
bool state_store_dispose(const struct state_store *store, const char *path, struct error *err);
/*
 * Deletes what a cluster that is over left in its HA storage: root is a high-availability.storageDir, name one of the two shapes of clean.h
 * below it. Entries that are not Flink's own are left, and the directory with them; symbolic links are not followed. True when nothing of
 * Flink's is left there, also if nothing was there. Nothing decides here whether it may go. Errors as above.
 */
bool state_store_clean(const struct state_store *store, const char *root, const char *name, struct error *err);

/* ---- which store? ---- */

/* An entry of stateStores in weir.yaml. Plain data; strings are owned (state_store_config_free) and NULL where absent. */
struct state_store_config {
	char *prefix;						      /* "file:///flink-data" or "s3://bucket[/path]" */
	char *path;						      /* file: where the agent has that directory mounted */
	char *endpoint;						      /* s3: "https://host[:port]"; NULL: AWS's of the region */
	char *region;						      /* s3: NULL: us-east-1 */
	bool path_style;					      /* s3: the bucket in the path instead of in the host name */
	char *access_key_file, *secret_key_file, *session_token_file; /* s3: read for every request; none: unsigned requests */
	char *ca_file;						      /* s3: trust these authorities only */
};

void state_store_config_free(struct state_store_config *config);

struct state_stores;
/* *out is owned. Errors are ERROR_INVALID and name the entry as stateStores[N]. Nothing is asked of any store here. */
bool state_stores_open(const struct state_store_config *configs, size_t count, struct state_stores **out, struct error *err);
/* One more store under a prefix; `store` is copied, its close() is called by state_stores_close. False if the prefix is no URI. */
bool state_stores_add(struct state_stores *stores, const char *prefix, const struct state_store *store, struct error *err);
void state_stores_close(struct state_stores *stores); /* no call may be under way; NULL is fine */
/* The store with the longest prefix of the path; where there is none (or stores is NULL), one that knows nothing and says why; not NULL. */
const struct state_store *state_store_for(const struct state_stores *stores, const char *path);
/* Is there a configured one? If not, a probe pod (probe.h) may know. */
bool state_stores_cover(const struct state_stores *stores, const char *path);

/* ---- for the stores ---- */

/*
 * The one form of a path: "SCHEME://AUTHORITY/PATH", without a slash at the end or doubled ones, s3a and s3p as s3. *out is owned.
 * ERROR_INVALID for what has no scheme, or parts "." and "..", or control characters; ERROR_LIMIT beyond STATE_PATH_MAX.
 */
bool state_path_normal(const char *path, char **out, struct error *err);
/* The rest of a normal path below a normal prefix, without slash at its start ("" for the prefix itself), or NULL if it is not there. */
const char *state_path_below(const char *path, const char *prefix);
/* Fills *out and frees what a listing held. */
void state_look_set(struct state_look *out, enum state_answer answer, const char *format, ...) __attribute__((format(printf, 3, 4)));
void state_listing_set(struct state_listing *out, enum state_answer answer, const char *format, ...) __attribute__((format(printf, 3, 4)));
void state_listing_add(struct state_listing *out, const char *name, size_t len);
void state_listing_sort(struct state_listing *out);

#endif
