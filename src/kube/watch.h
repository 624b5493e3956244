/*
 * watch: follows all objects of one kind as a step function.
 *
 * The first step lists (ADDED for each object, then SYNCED); later ones watch from there with bookmarks, resume when the server ends
 * a watch, and list anew when the version has expired, with DELETED for objects that vanished in between and SYNCED at the end. Kept is
 * only namespace, name and uid of each object. The step never sleeps but in its wait; back-off after an error is the caller's. One thread
 * at a time. Called by `agent`'s watcher threads and by the simulator.
 */
#ifndef WEIR_KUBE_WATCH_H
#define WEIR_KUBE_WATCH_H

#include "kube/kube.h"

struct kube_watch;

enum kube_watch_type { KUBE_WATCH_ADDED, KUBE_WATCH_MODIFIED, KUBE_WATCH_DELETED, KUBE_WATCH_SYNCED };

/*
 * object is borrowed for the call. DELETED found by listing anew carries nothing but apiVersion, kind and metadata's namespace, name and
 * uid; SYNCED carries NULL.
 */
typedef void kube_watch_fn(void *context, enum kube_watch_type type, const struct node *object);

/* kube is borrowed, everything else copied. ns NULL: all namespaces; label_selector NULL: all objects. */
struct kube_watch *kube_watch_new(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *label_selector);
void kube_watch_free(struct kube_watch *watch); /* NULL is fine */
/*
 * One step: waits up to wait_ms for events and hands them over. A list takes as long as the server needs (30 s a page at most). False:
 * nothing is lost, step again after a pause; kinds as in kube.h, a watch that broke is ERROR_TRANSIENT.
 */
bool kube_watch_step(struct kube_watch *watch, int64_t wait_ms, kube_watch_fn *on_event, void *context, struct error *err);
/* How often the server has said something: a list, an event, a bookmark. */
uint64_t kube_watch_heard(const struct kube_watch *watch);
/* The next step lists anew, e.g. because the server was silent for too long. */
void kube_watch_start_over(struct kube_watch *watch);
/* Objects known now. */
size_t kube_watch_count(const struct kube_watch *watch);

#endif
