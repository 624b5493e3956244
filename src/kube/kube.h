/*
 * kube: about ten verbs on unstructured Kubernetes objects.
 *
 * A `struct kube` borrows a `struct http` (kubeconfig.h makes the real one, the simulator one in memory) and owns the discovery cache. It
 * never retries and never waits: every call is one bounded exchange (a list: one for each page) and the error kind says what the
 * caller may do. Of managedFields only the entries of the status stay, without their fields. Safe for several threads. Called by `sync`, `agent` and `cli`.
 *
 * Errors: 404 NOT_FOUND, 409 CONFLICT (the message says AlreadyExists or Conflict), 410 EXPIRED, 401 and 403 FORBIDDEN, 400, 415 and 422
 * INVALID, 413 LIMIT, 429 and 503 TRANSIENT (with retry_after_ms), other 5xx TRANSIENT for reads and dry runs and UNKNOWN_OUTCOME for
 * writes; exchanges that break as http.h says. The message carries the server's.
 */
#ifndef WEIR_KUBE_KUBE_H
#define WEIR_KUBE_KUBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/doc.h"
#include "base/error.h"
#include "http/http.h"

struct kube;

/* Strings are borrowed: from the program's constants, or from the kube that found it (for as long as that lives). */
struct kube_resource {
	const char *api_version; /* "apps/v1" */
	const char *kind;
	const char *plural; /* as in URLs */
	bool namespaced, has_status;
};

struct kube *kube_new(const struct http *http);
/* Acts as another user; groups is NULL or ends with NULL. Both are copied. */
struct kube *kube_new_as(const struct http *http, const char *user, const char *const *groups);
void kube_free(struct kube *kube); /* NULL is fine */
/* Whether metadata.managedFields stay whole in what calls return; set before threads share it. Off at first. */
void kube_keep_managed_fields(struct kube *kube, bool keep);

/* ---- discovery ---- */
/*
 * Where objects of this kind are served. Asks the server for an API version it does not know yet, and once more for a kind it does not
 * know; then ERROR_NOT_FOUND.
 */
bool kube_resource_for(struct kube *kube, const char *api_version, const char *kind, struct kube_resource *out, struct error *err);
/*
 * Every resource that can be listed, of every group's preferred version. A group whose own server does not answer is left out. each() is
 * called without a lock.
 */
bool kube_discover_all(struct kube *kube, void (*each)(void *context, const struct kube_resource *resource), void *context,
		       struct error *err);

/* ---- reading; *out is owned, and may be NULL where only success matters ---- */
bool kube_get(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, struct doc **out,
	      struct error *err);
/*
 * All pages in one document {"items": [...]}; ns NULL: all namespaces. Items carry apiVersion and kind. When the list expires midway it
 * starts over once. *resource_version (may be NULL) is owned.
 */
bool kube_list(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *label_selector, struct doc **out,
	       char **resource_version, struct error *err);
/* The same page by page. each(context, NULL, ...) announces that the list begins, or begins anew. False from each ends it. */
bool kube_list_each(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *label_selector,
		    bool (*each)(void *context, struct doc *page, struct node *item, struct error *err), void *context,
		    char **resource_version, struct error *err);
/* Any path, e.g. "/readyz"; *body gets the answer's text. */
bool kube_raw_get(struct kube *kube, const char *path, struct buf *body, struct error *err);

/* ---- writing; *out (may be NULL) is the object as the server then holds it, owned ---- */
bool kube_create(struct kube *kube, const struct kube_resource *resource, const char *ns, const struct node *object, struct doc **out,
		 struct error *err);
/* A dry run: would it be created? CONFLICT: all that is wrong is that there is one of that name. */
bool kube_try_create(struct kube *kube, const struct kube_resource *resource, const char *ns, const struct node *object, struct error *err);
/* Compare and swap where the object carries metadata.resourceVersion. */
bool kube_replace(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, const struct node *object,
		  struct doc **out, struct error *err);
bool kube_replace_status(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name,
			 const struct node *object, struct doc **out, struct error *err);

enum kube_patch_type { KUBE_MERGE_PATCH, KUBE_JSON_PATCH, KUBE_STRATEGIC_PATCH };
bool kube_patch(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, enum kube_patch_type type,
		const char *subresource, const struct node *patch, struct doc **out, struct error *err);

struct kube_apply_options {
	const char *field_manager; /* NULL: "weir" */
	bool force;		   /* take fields that other managers own */
	bool dry_run;
	const char *subresource;      /* or NULL */
	const char *field_validation; /* "Strict", "Warn", "Ignore"; NULL: as the server likes */
};
/* Server-side apply. A conflict is ERROR_CONFLICT whose message names each field and its manager. options may be NULL. */
bool kube_apply(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, const struct node *object,
		const struct kube_apply_options *options, struct doc **out, struct error *err);

struct kube_delete_options {
	const char *propagation;	    /* "Background", "Foreground", "Orphan" or NULL */
	const char *uid, *resource_version; /* preconditions, or NULL */
	int64_t grace_seconds;		    /* negative: the object's own */
	bool dry_run;
};
/* options may be NULL: no preconditions, the object's own grace period. */
bool kube_delete(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name,
		 const struct kube_delete_options *options, struct error *err);

/* ---- by way of the API server ---- */
/*
 * An http whose requests go to a service (port: number or name, "https:NAME:PORT" is not offered) through the API server's proxy. It
 * borrows the kube; kube_proxy_free releases it.
 */
bool kube_service_proxy_http(struct kube *kube, const char *ns, const char *service, const char *port, struct http *out);
void kube_proxy_free(struct http *http);

#endif
