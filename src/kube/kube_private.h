/*
 * kube_private: what the files of src/kube share. Not for others.
 */
#ifndef WEIR_KUBE_KUBE_PRIVATE_H
#define WEIR_KUBE_KUBE_PRIVATE_H

#include <pthread.h>

#include "kube/kube.h"

struct kube_known; /* one resource in the discovery cache */

struct kube {
	const struct http *http;
	struct http_header *identity; /* impersonation headers; the values are owned */
	size_t identity_count;
	bool keep_managed_fields;
	pthread_mutex_t lock; /* guards known */
	struct kube_known *known;
	struct kube_cache *cache; /* of a reader (cache.h): what it can tell is not asked for, and nothing is written; else NULL */
};

struct kube_call {
	const char *method, *path;
	const char *content_type, *body;
	size_t body_len;
	int64_t timeout_ms;
	bool harmless;	  /* a dry run: a failure leaves nothing in doubt */
	const char *what; /* for messages, e.g. "apply Deployment a/b"; NULL: method and path */
};

/* One exchange; *out (may be NULL) gets the parsed answer, as it came. */
bool kube_call(struct kube *kube, const struct kube_call *call, struct doc **out, struct error *err);
/* Turns an answer that is no success into an error. */
bool kube_status_error(const struct kube_call *call, int status, const char *body, size_t len, int64_t retry_after_ms, struct error *err);
/* Error for an "ERROR" event of a watch, whose object is a Status. */
bool kube_event_error(const struct node *status, struct error *err);
/* The request with this kube's identity added to *headers, which the caller frees. */
void kube_identify(const struct kube *kube, struct http_request *request, struct http_header **headers);

/* Appends "/apis/G/V" or "/api/v1". */
void kube_put_version(struct buf *path, const char *api_version);
/* Appends the path of a resource's collection; ns NULL: of all namespaces. */
void kube_put_collection(struct buf *path, const struct kube_resource *resource, const char *ns);
/* Appends "?NAME=VALUE" or "&NAME=VALUE". */
void kube_put_query(struct buf *path, const char *name, const char *value);

/* Drops managedFields unless they are wanted. */
void kube_trim(const struct kube *kube, struct node *object);

/* The deadline of one page of a list, which can be large. */
enum { KUBE_LIST_TIMEOUT_MS = 30000 };
extern const struct doc_limits kube_doc_limits;

void kube_known_free(struct kube_known *known);

/* What a reader's cache says. CACHE_ASK: only the server can tell. */
enum cache_answer { CACHE_ASK, CACHE_FOUND, CACHE_ABSENT };
enum cache_answer kube_cache_find(struct kube_cache *cache, const struct kube_resource *resource, const char *ns, const char *name,
				  struct doc **out);
/* CACHE_FOUND also for an empty list. */
enum cache_answer kube_cache_select(struct kube_cache *cache, const struct kube_resource *resource, const char *ns, const char *selector,
				    struct doc **out);

#endif
