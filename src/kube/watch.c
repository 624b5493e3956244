#include "kube/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/kube_private.h"

enum { LINE_MAX_BYTES = 16 << 20, WATCH_SECONDS = 290, FIRST_SLOTS = 64 };

/* What is kept of an object. */
struct seen {
	struct seen *next;   /* in its slot */
	unsigned generation; /* of the last list that had it */
	char *ns, *name, *uid;
};

struct kube_watch {
	struct kube *kube;
	struct kube_resource resource;
	char *api_version, *kind, *plural, *ns, *selector;
	char *resource_version; /* NULL: list first */
	struct http_stream *stream;
	struct buf pending; /* the beginning of a line */
	bool heard;	    /* the present stream has said something */
	uint64_t words;	    /* of all streams and lists */
	unsigned generation;
	struct seen **slots; /* slot_count of them, a power of two */
	size_t slot_count, count;
	kube_watch_fn *on_event; /* of the present step */
	void *context;
};

struct kube_watch *kube_watch_new(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *label_selector)
{
	struct kube_watch *watch = mem_alloc(sizeof *watch);
	watch->kube = kube;
	watch->api_version = mem_strdup(resource->api_version);
	watch->kind = mem_strdup(resource->kind);
	watch->plural = mem_strdup(resource->plural);
	watch->resource = *resource;
	watch->resource.api_version = watch->api_version;
	watch->resource.kind = watch->kind;
	watch->resource.plural = watch->plural;
	watch->ns = mem_strdup(ns);
	watch->selector = mem_strdup(label_selector);
	watch->slot_count = FIRST_SLOTS;
	watch->slots = mem_array(watch->slot_count, sizeof(struct seen *));
	return watch;
}

static void seen_free(struct seen *seen)
{
	free(seen->ns);
	free(seen->name);
	free(seen->uid);
	free(seen);
}

static void close_stream(struct kube_watch *watch)
{
	if (watch->stream != NULL)
		watch->kube->http->close(watch->stream);
	watch->stream = NULL;
	buf_clear(&watch->pending);
}

void kube_watch_free(struct kube_watch *watch)
{
	if (watch == NULL)
		return;
	close_stream(watch);
	for (size_t i = 0; i < watch->slot_count; i++) {
		for (struct seen *seen = watch->slots[i], *next; seen != NULL; seen = next) {
			next = seen->next;
			seen_free(seen);
		}
	}
	free(watch->slots);
	free(watch->api_version);
	free(watch->kind);
	free(watch->plural);
	free(watch->ns);
	free(watch->selector);
	free(watch->resource_version);
	buf_free(&watch->pending);
	free(watch);
}

uint64_t kube_watch_heard(const struct kube_watch *watch)
{
	return watch->words;
}

size_t kube_watch_count(const struct kube_watch *watch)
{
	return watch->count;
}

/* ---- the set of known objects ---- */

static size_t slot_of(const struct kube_watch *watch, const char *ns, const char *name)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	for (const char *p = ns; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	hash = (hash ^ '/') * 1099511628211u;
	for (const char *p = name; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	return (size_t)hash & (watch->slot_count - 1);
}

/* Where the pointer to the entry is, or where it belongs (*result is NULL then). */
static struct seen **find(const struct kube_watch *watch, const char *ns, const char *name)
{
	struct seen **at = &watch->slots[slot_of(watch, ns, name)];
	while (*at != NULL && (strcmp((*at)->name, name) != 0 || strcmp((*at)->ns, ns) != 0))
		at = &(*at)->next;
	return at;
}

static void grow(struct kube_watch *watch)
{
	struct seen **old = watch->slots;
	size_t old_count = watch->slot_count;
	watch->slot_count *= 2;
	watch->slots = mem_array(watch->slot_count, sizeof(struct seen *));
	for (size_t i = 0; i < old_count; i++) {
		for (struct seen *seen = old[i], *next; seen != NULL; seen = next) {
			next = seen->next;
			size_t slot = slot_of(watch, seen->ns, seen->name);
			seen->next = watch->slots[slot];
			watch->slots[slot] = seen;
		}
	}
	free(old);
}

static void forget(struct kube_watch *watch, struct seen **at)
{
	struct seen *seen = *at;
	*at = seen->next;
	seen_free(seen);
	watch->count--;
}

static void tell_vanished(const struct kube_watch *watch, const struct seen *seen)
{
	AUTODOC *doc = doc_new();
	struct node *object = node_map(doc);
	node_set_text(doc, object, "apiVersion", watch->api_version);
	node_set_text(doc, object, "kind", watch->kind);
	struct node *metadata = node_ensure_map(doc, object, "metadata");
	node_set_text(doc, metadata, "namespace", seen->ns[0] != '\0' ? seen->ns : NULL);
	node_set_text(doc, metadata, "name", seen->name);
	node_set_text(doc, metadata, "uid", seen->uid);
	watch->on_event(watch->context, KUBE_WATCH_DELETED, object);
}

/* An object that exists: notes it and says whether it is new. An object of the same name that came after another is both. */
static void present(struct kube_watch *watch, const struct node *object)
{
	const char *ns = node_text_or(node_find(object, "metadata/namespace"), "");
	const char *name = node_text_or(node_find(object, "metadata/name"), "");
	const char *uid = node_text_or(node_find(object, "metadata/uid"), "");
	struct seen **at = find(watch, ns, name);
	if (*at != NULL && strcmp((*at)->uid, uid) != 0) {
		tell_vanished(watch, *at);
		forget(watch, at);
		at = find(watch, ns, name);
	}
	bool known = *at != NULL;
	if (!known) {
		struct seen *seen = mem_alloc(sizeof *seen);
		seen->ns = mem_strdup(ns);
		seen->name = mem_strdup(name);
		seen->uid = mem_strdup(uid);
		*at = seen;
		watch->count++;
	}
	(*at)->generation = watch->generation;
	if (!known && watch->count > watch->slot_count)
		grow(watch);
	watch->on_event(watch->context, known ? KUBE_WATCH_MODIFIED : KUBE_WATCH_ADDED, object);
}

static void absent(struct kube_watch *watch, const struct node *object)
{
	struct seen **at = find(watch, node_text_or(node_find(object, "metadata/namespace"), ""),
				node_text_or(node_find(object, "metadata/name"), ""));
	if (*at != NULL)
		forget(watch, at);
	watch->on_event(watch->context, KUBE_WATCH_DELETED, object);
}

/* ---- listing ---- */

static bool on_listed(void *context, struct doc *page, struct node *item, struct error *err)
{
	(void)page, (void)err;
	struct kube_watch *watch = context;
	if (item == NULL)
		watch->generation++;
	else
		present(watch, item);
	return true;
}

static bool list_step(struct kube_watch *watch, struct error *err)
{
	char *version = NULL;
	if (!kube_list_each(watch->kube, &watch->resource, watch->ns, watch->selector, on_listed, watch, &version, err))
		return false;
	for (size_t i = 0; i < watch->slot_count; i++) {
		for (struct seen **at = &watch->slots[i]; *at != NULL;) {
			if ((*at)->generation == watch->generation) {
				at = &(*at)->next;
				continue;
			}
			tell_vanished(watch, *at);
			forget(watch, at);
		}
	}
	watch->resource_version = version;
	watch->words++;
	watch->on_event(watch->context, KUBE_WATCH_SYNCED, NULL);
	return true;
}

void kube_watch_start_over(struct kube_watch *watch)
{
	close_stream(watch);
	free(TAKE(watch->resource_version));
}

/* ---- watching ---- */

static bool open_stream(struct kube_watch *watch, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	kube_put_collection(&path, &watch->resource, watch->ns);
	kube_put_query(&path, "watch", "1");
	kube_put_query(&path, "allowWatchBookmarks", "true");
	buf_printf(&path, "&timeoutSeconds=%d", (int)WATCH_SECONDS);
	kube_put_query(&path, "resourceVersion", watch->resource_version);
	if (watch->selector != NULL)
		kube_put_query(&path, "labelSelector", watch->selector);
	struct http_request request = { .method = "GET", .path = buf_text(&path) };
	AUTOFREE struct http_header *headers = NULL;
	kube_identify(watch->kube, &request, &headers);
	AUTOBUF problem = BUF_INIT;
	int status = 0;
	const struct http *http = watch->kube->http;
	watch->heard = false;
	struct error why = ERROR_INIT;
	watch->stream = http->open(http->context, &request, &status, &problem, &why);
	if (watch->stream != NULL)
		return true;
	AUTOFREE char *what = mem_printf("watch %s", watch->plural);
	if (status == 0) {
		error_copy(err, &why);
		return error_wrap(err, "%s", what);
	}
	const struct kube_call call = { .method = "GET", .path = request.path, .what = what };
	return kube_status_error(&call, status, buf_text(&problem), problem.len, 0, err);
}

static void keep_version(struct kube_watch *watch, const struct node *object)
{
	const char *version = node_find_text(object, "metadata/resourceVersion");
	if (version == NULL)
		return;
	free(watch->resource_version);
	watch->resource_version = mem_strdup(version);
}

static bool on_line(struct kube_watch *watch, const char *line, size_t len, struct error *err)
{
	struct error why = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(line, len, "watch", &kube_doc_limits, &why);
	struct node *object = doc != NULL ? node_get(doc_root(doc), "object") : NULL;
	const char *type = doc != NULL ? node_find_text(doc_root(doc), "type") : NULL;
	if (type == NULL || !node_is(object, NODE_MAP))
		return error_set(err, ERROR_TRANSIENT, "watch %s: not an event: %s", watch->plural, why.message);
	if (strcmp(type, "ERROR") == 0) {
		kube_event_error(object, err);
		return error_wrap(err, "watch %s", watch->plural);
	}
	watch->heard = true;
	watch->words++;
	kube_trim(watch->kube, object);
	if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
		present(watch, object);
	else if (strcmp(type, "DELETED") == 0)
		absent(watch, object);
	else if (strcmp(type, "BOOKMARK") != 0)
		return error_set(err, ERROR_TRANSIENT, "watch %s: unknown event %.40s", watch->plural, type);
	keep_version(watch, object);
	return true;
}

static bool take_lines(struct kube_watch *watch, struct error *err)
{
	size_t begin = 0;
	const char *data = buf_text(&watch->pending);
	for (const char *end; (end = memchr(data + begin, '\n', watch->pending.len - begin)) != NULL;) {
		size_t len = (size_t)(end - (data + begin));
		if (len > 0 && !on_line(watch, data + begin, len, err))
			return false;
		begin += len + 1;
	}
	if (begin > 0) {
		AUTOBUF rest = BUF_INIT;
		buf_append(&rest, data + begin, watch->pending.len - begin);
		buf_clear(&watch->pending);
		buf_append(&watch->pending, buf_text(&rest), rest.len);
	}
	if (watch->pending.len > LINE_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, "watch %s: an event is larger than %d bytes", watch->plural, (int)LINE_MAX_BYTES);
	return true;
}

static bool watch_once(struct kube_watch *watch, int64_t wait_ms, struct error *err)
{
	if (watch->stream == NULL && !open_stream(watch, err))
		return false;
	struct error why = ERROR_INIT;
	bool going = watch->kube->http->read(watch->stream, &watch->pending, wait_ms, &why);
	if (!take_lines(watch, err))
		return false;
	if (going)
		return true;
	bool heard = watch->heard;
	close_stream(watch);
	if (why.kind != ERROR_NONE) {
		error_copy(err, &why);
		return error_wrap(err, "watch %s", watch->plural);
	}
	/* Resuming at once is right after a watch that served, and a storm against a server that closes every watch. */
	return heard || error_set(err, ERROR_TRANSIENT, "watch %s: the server ended it without an event", watch->plural);
}

bool kube_watch_step(struct kube_watch *watch, int64_t wait_ms, kube_watch_fn *on_event, void *context, struct error *err)
{
	watch->on_event = on_event;
	watch->context = context;
	if (watch->resource_version == NULL)
		return list_step(watch, err);
	struct error why = ERROR_INIT;
	if (watch_once(watch, wait_ms, &why))
		return true;
	close_stream(watch);
	if (why.kind == ERROR_EXPIRED) {
		kube_watch_start_over(watch);
		return true;
	}
	error_copy(err, &why);
	return false;
}
