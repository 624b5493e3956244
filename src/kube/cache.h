/*
 * cache: objects of some kinds, kept up to date by watches, for turns that only find out whether there is anything to do.
 *
 * Each kind in each namespace is a table, filled by one watch (kube_cache_step), with a lock of its own. Of an object it keeps a projection
 * as compact JSON, which is read again on use. What the tables hold can be behind the cluster, so that nothing may be written on its strength: the
 * reader, a `struct kube` that answers kube_get and kube_list from the tables, refuses every write (ERROR_BUG). It asks the server for
 * whatever the tables cannot tell: other kinds, other namespaces, other selectors, and a table that is out of touch: not listed yet, its
 * watch broken for 10 s, or without a word from the server for 3 min. A watch that was silent for 2 min lists anew.
 *
 * Steps of different tables may run in different threads, beside any number of readers. Made by `agent`.
 */
#ifndef WEIR_KUBE_CACHE_H
#define WEIR_KUBE_CACHE_H

#include "base/wtime.h"
#include "kube/kube.h"

struct kube_cache;

struct kube_cache_kind {
	const struct kube_resource *resource;
	const char *selector; /* of the objects that are kept; NULL: all */
	const char
		*index; /* a label: the reader lists by "INDEX=VALUE" or "INDEX=VALUE,SELECTOR" in one namespace; NULL: not by the cache */
	const char *names; /* the reader knows that an object of a name that begins so exists, and that it does not; NULL: of none */
	/* What is kept of an object, made in doc. It must have metadata with what the object has of namespace and name. NULL: the whole. */
	struct node *(*project)(struct doc *doc, const struct node *object);
};

enum kube_cache_change { KUBE_CACHE_SET, KUBE_CACHE_GONE };

/* What is kept of an object became another. value: its index label's, "" if it has none. Called without a lock. */
typedef void kube_cache_fn(void *context, size_t table, enum kube_cache_change change, const char *ns, const char *name, const char *value);

/*
 * Tables are numbered kind by kind: the table of kind k in the n-th namespace is k * namespace_count + n. Without namespaces (count 0)
 * there is one for each kind, of all namespaces. kube, clock and kinds are borrowed, namespaces are copied.
 */
struct kube_cache *kube_cache_new(struct kube *kube, const struct clock *clock, const struct kube_cache_kind *kinds, size_t kind_count,
				  const char *const *namespaces, size_t namespace_count);
void kube_cache_free(struct kube_cache *cache); /* NULL is fine */
size_t kube_cache_tables(const struct kube_cache *cache);
/* The kind of a table: a number within what kube_cache_new got. */
size_t kube_cache_kind(const struct kube_cache *cache, size_t table);
/* One step of a table's watch, as kube_watch_step: false, step again after a pause. */
bool kube_cache_step(struct kube_cache *cache, size_t table, int64_t wait_ms, kube_cache_fn *on_change, void *context, struct error *err);
/* Does the reader answer from this table now? */
bool kube_cache_in_touch(struct kube_cache *cache, size_t table);
size_t kube_cache_count(struct kube_cache *cache, size_t table); /* objects */
/* Borrowed; lives as long as the cache. */
struct kube *kube_cache_reader(struct kube_cache *cache);
/* Calls each for every object of a table, in no order, without a lock. */
void kube_cache_each(struct kube_cache *cache, size_t table, void (*each)(void *context, const char *ns, const char *name), void *context);

#endif
