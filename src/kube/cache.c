#include "kube/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/kube_private.h"
#include "kube/watch.h"
#include <uthash.h>

enum { SILENT_MS = 120000, STALE_MS = 180000, BROKEN_MS = 10000 };

struct group { /* the objects of one namespace that share a value of the index label, by name */
	UT_hash_handle hh;
	struct entry *first;
	char key[]; /* NAMESPACE/VALUE */
};

struct entry {
	UT_hash_handle hh;
	struct group *group; /* NULL: not indexed */
	struct entry *next;  /* of the group */
	size_t len;
	char *text; /* what is kept, as JSON */
	char key[]; /* NAMESPACE/NAME */
};

struct table {
	const struct kube_cache_kind *kind;
	char *ns; /* NULL: all */
	struct kube_watch *watch;
	pthread_mutex_t lock; /* guards everything below */
	struct entry *entries;
	struct group *groups;
	bool listed;
	int64_t heard_ms;  /* when the server last said something */
	int64_t broken_ms; /* since when the watch fails, -1 while it does not */
};

struct kube_cache {
	const struct clock *clock;
	const struct kube_cache_kind *kinds;
	struct kube *reader;
	struct table *tables;
	size_t count;
};

struct kube_cache *kube_cache_new(struct kube *kube, const struct clock *clock, const struct kube_cache_kind *kinds, size_t kind_count,
				  const char *const *namespaces, size_t namespace_count)
{
	struct kube_cache *cache = mem_alloc(sizeof *cache);
	size_t each = namespace_count == 0 ? 1 : namespace_count;
	cache->clock = clock;
	cache->kinds = kinds;
	cache->reader = kube_new(kube->http);
	cache->reader->identity = kube->identity; /* it asks as the same user */
	cache->reader->identity_count = kube->identity_count;
	cache->reader->cache = cache;
	cache->count = kind_count * each;
	cache->tables = mem_array(cache->count, sizeof *cache->tables);
	for (size_t i = 0; i < cache->count; i++) {
		struct table *t = &cache->tables[i];
		t->kind = &kinds[i / each];
		t->ns = namespace_count == 0 ? NULL : mem_strdup(namespaces[i % each]);
		t->watch = kube_watch_new(kube, t->kind->resource, t->ns, t->kind->selector);
		t->broken_ms = -1;
		pthread_mutex_init(&t->lock, NULL);
	}
	return cache;
}

static void ungroup(struct table *t, struct entry *entry)
{
	struct group *group = entry->group;
	if (group == NULL)
		return;
	struct entry **at = &group->first;
	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	entry->group = NULL;
	if (group->first == NULL) {
		HASH_DEL(t->groups, group);
		free(group);
	}
}

static void drop(struct table *t, struct entry *entry)
{
	ungroup(t, entry);
	HASH_DEL(t->entries, entry);
	free(entry->text);
	free(entry);
}

void kube_cache_free(struct kube_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < cache->count; i++) {
		struct table *t = &cache->tables[i];
		struct entry *entry, *next;
		HASH_ITER (hh, t->entries, entry, next)
			drop(t, entry);
		kube_watch_free(t->watch);
		pthread_mutex_destroy(&t->lock);
		free(t->ns);
	}
	free(cache->tables);
	cache->reader->identity = NULL;
	cache->reader->identity_count = 0;
	kube_free(cache->reader);
	free(cache);
}

size_t kube_cache_tables(const struct kube_cache *cache)
{
	return cache->count;
}

size_t kube_cache_kind(const struct kube_cache *cache, size_t table)
{
	return (size_t)(cache->tables[table].kind - cache->kinds);
}

struct kube *kube_cache_reader(struct kube_cache *cache)
{
	return cache->reader;
}

size_t kube_cache_count(struct kube_cache *cache, size_t table)
{
	struct table *t = &cache->tables[table];
	pthread_mutex_lock(&t->lock);
	size_t count = HASH_COUNT(t->entries);
	pthread_mutex_unlock(&t->lock);
	return count;
}

/* ---- filling a table ---- */

struct step { /* of one table */
	struct kube_cache *cache;
	size_t table;
	kube_cache_fn *on_change;
	void *context;
};

static void group(struct table *t, struct entry *entry, const char *ns, const char *value)
{
	if (value[0] == '\0')
		return;
	AUTOFREE char *key = mem_printf("%s/%s", ns, value);
	struct group *group;
	HASH_FIND_STR(t->groups, key, group);
	if (group == NULL) {
		size_t size = strlen(key) + 1;
		group = mem_alloc(sizeof *group + size);
		memcpy(group->key, key, size);
		HASH_ADD_STR(t->groups, key, group);
	}
	struct entry **at = &group->first;
	while (*at != NULL && strcmp((*at)->key, entry->key) < 0)
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
	entry->group = group;
}

static const char *value_of(const struct entry *entry)
{
	return entry->group == NULL ? "" : strchr(entry->group->key, '/') + 1;
}

/* Does it differ from what was there? */
static bool keep(struct table *t, const char *ns, const char *name, const char *value, const struct buf *text)
{
	AUTOFREE char *key = mem_printf("%s/%s", ns, name);
	struct entry *entry;
	HASH_FIND_STR(t->entries, key, entry);
	if (entry != NULL && strcmp(value_of(entry), value) == 0 && entry->len == text->len &&
	    memcmp(entry->text, buf_text(text), text->len) == 0)
		return false;
	if (entry == NULL) {
		size_t size = strlen(key) + 1;
		entry = mem_alloc(sizeof *entry + size);
		memcpy(entry->key, key, size);
		HASH_ADD_STR(t->entries, key, entry);
	}
	ungroup(t, entry);
	group(t, entry, ns, value);
	free(entry->text);
	entry->text = mem_strndup(buf_text(text), text->len);
	entry->len = text->len;
	return true;
}

static bool forget(struct table *t, const char *ns, const char *name, char **value)
{
	AUTOFREE char *key = mem_printf("%s/%s", ns, name);
	struct entry *entry;
	HASH_FIND_STR(t->entries, key, entry);
	if (entry == NULL)
		return false;
	*value = mem_strdup(value_of(entry));
	drop(t, entry);
	return true;
}

static void on_event(void *context, enum kube_watch_type type, const struct node *object)
{
	const struct step *step = context;
	struct table *t = &step->cache->tables[step->table];
	if (type == KUBE_WATCH_SYNCED) {
		pthread_mutex_lock(&t->lock);
		t->listed = true;
		t->heard_ms = clock_mono_ms(step->cache->clock);
		pthread_mutex_unlock(&t->lock);
		return;
	}
	const char *ns = node_text_or(node_find(object, "metadata/namespace"), "");
	const char *name = node_text_or(node_find(object, "metadata/name"), "");
	if (type == KUBE_WATCH_DELETED) {
		AUTOFREE char *value = NULL;
		pthread_mutex_lock(&t->lock);
		bool gone = forget(t, ns, name, &value);
		pthread_mutex_unlock(&t->lock);
		if (gone)
			step->on_change(step->context, step->table, KUBE_CACHE_GONE, ns, name, value);
		return;
	}
	AUTODOC *doc = doc_new();
	AUTOBUF text = BUF_INIT;
	node_to_json(t->kind->project == NULL ? object : t->kind->project(doc, object), &text, JSON_COMPACT);
	const char *label = t->kind->index == NULL ? NULL : node_text(node_get(node_find(object, "metadata/labels"), t->kind->index));
	const char *value = label == NULL ? "" : label;
	pthread_mutex_lock(&t->lock);
	bool changed = keep(t, ns, name, value, &text);
	pthread_mutex_unlock(&t->lock);
	if (changed)
		step->on_change(step->context, step->table, KUBE_CACHE_SET, ns, name, value);
}

bool kube_cache_step(struct kube_cache *cache, size_t table, int64_t wait_ms, kube_cache_fn *on_change, void *context, struct error *err)
{
	struct table *t = &cache->tables[table];
	struct step step = { cache, table, on_change, context };
	if (t->listed && clock_mono_ms(cache->clock) - t->heard_ms > SILENT_MS)
		kube_watch_start_over(t->watch);
	uint64_t before = kube_watch_heard(t->watch);
	bool ok = kube_watch_step(t->watch, wait_ms, on_event, &step, err);
	int64_t now = clock_mono_ms(cache->clock);
	pthread_mutex_lock(&t->lock);
	if (kube_watch_heard(t->watch) != before)
		t->heard_ms = now;
	if (ok)
		t->broken_ms = -1;
	else if (t->broken_ms < 0)
		t->broken_ms = now;
	pthread_mutex_unlock(&t->lock);
	return ok;
}

/* ---- reading ---- */

static bool in_touch(const struct table *t, int64_t now)
{
	return t->listed && now - t->heard_ms <= STALE_MS && (t->broken_ms < 0 || now - t->broken_ms <= BROKEN_MS);
}

bool kube_cache_in_touch(struct kube_cache *cache, size_t table)
{
	struct table *t = &cache->tables[table];
	pthread_mutex_lock(&t->lock);
	bool yes = in_touch(t, clock_mono_ms(cache->clock));
	pthread_mutex_unlock(&t->lock);
	return yes;
}

static bool holds(const struct table *t, const struct kube_resource *resource, const char *ns)
{
	return strcmp(t->kind->resource->kind, resource->kind) == 0 && strcmp(t->kind->resource->api_version, resource->api_version) == 0 &&
	       (t->ns == NULL || str_eq(t->ns, ns));
}

static enum cache_answer find_in(struct kube_cache *cache, struct table *t, const char *key, struct buf *text)
{
	pthread_mutex_lock(&t->lock);
	enum cache_answer answer = CACHE_ASK;
	if (in_touch(t, clock_mono_ms(cache->clock))) {
		struct entry *entry;
		HASH_FIND_STR(t->entries, key, entry);
		answer = entry == NULL ? CACHE_ABSENT : CACHE_FOUND;
		if (entry != NULL)
			buf_append(text, entry->text, entry->len);
	}
	pthread_mutex_unlock(&t->lock);
	return answer;
}

enum cache_answer kube_cache_find(struct kube_cache *cache, const struct kube_resource *resource, const char *ns, const char *name,
				  struct doc **out)
{
	for (size_t i = 0; i < cache->count; i++) {
		struct table *t = &cache->tables[i];
		if (!holds(t, resource, ns) || t->kind->names == NULL || !str_starts(name, t->kind->names))
			continue;
		AUTOFREE char *key = mem_printf("%s/%s", ns == NULL ? "" : ns, name);
		AUTOBUF text = BUF_INIT;
		enum cache_answer answer = find_in(cache, t, key, &text);
		if (answer == CACHE_FOUND && out != NULL &&
		    (*out = doc_parse_json(text.data, text.len, "cache", &kube_doc_limits, NULL)) == NULL)
			answer = CACHE_ASK;
		return answer;
	}
	return CACHE_ASK;
}

/* The value that a selector "INDEX=VALUE" or "INDEX=VALUE,SELECTOR" asks for, owned; NULL: it asks for something else. */
static char *index_value(const struct kube_cache_kind *kind, const char *selector)
{
	size_t len = kind->index == NULL ? 0 : strlen(kind->index);
	if (len == 0 || strncmp(selector, kind->index, len) != 0 || selector[len] != '=' || selector[len + 1] == '=')
		return NULL;
	const char *value = selector + len + 1;
	size_t size = strcspn(value, ",");
	if (value[size] == ',' ? !str_eq(value + size + 1, kind->selector) : kind->selector != NULL)
		return NULL;
	return mem_strndup(value, size);
}

enum cache_answer kube_cache_select(struct kube_cache *cache, const struct kube_resource *resource, const char *ns, const char *selector,
				    struct doc **out)
{
	for (size_t i = 0; selector != NULL && ns != NULL && i < cache->count; i++) {
		struct table *t = &cache->tables[i];
		AUTOFREE char *value = holds(t, resource, ns) ? index_value(t->kind, selector) : NULL;
		if (value == NULL)
			continue;
		AUTOFREE char *key = mem_printf("%s/%s", ns, value);
		AUTOBUF text = BUF_INIT;
		buf_puts(&text, "{\"items\":[");
		pthread_mutex_lock(&t->lock);
		bool able = in_touch(t, clock_mono_ms(cache->clock));
		struct group *found = NULL;
		if (able)
			HASH_FIND_STR(t->groups, key, found);
		for (const struct entry *entry = found == NULL ? NULL : found->first; entry != NULL; entry = entry->next) {
			buf_append(&text, entry->text, entry->len);
			buf_puts(&text, entry->next == NULL ? "" : ",");
		}
		pthread_mutex_unlock(&t->lock);
		buf_puts(&text, "]}");
		struct doc *doc = able ? doc_parse_json(text.data, text.len, "cache", &kube_doc_limits, NULL) : NULL;
		if (doc == NULL)
			return CACHE_ASK;
		*out = doc;
		return CACHE_FOUND;
	}
	return CACHE_ASK;
}

void kube_cache_each(struct kube_cache *cache, size_t table, void (*each)(void *context, const char *ns, const char *name), void *context)
{
	struct table *t = &cache->tables[table];
	pthread_mutex_lock(&t->lock);
	size_t count = HASH_COUNT(t->entries), n = 0;
	char **keys = mem_array(count, sizeof *keys);
	for (const struct entry *entry = t->entries; entry != NULL; entry = entry->hh.next)
		keys[n++] = mem_strdup(entry->key);
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < n; i++) {
		char *slash = strchr(keys[i], '/');
		*slash = '\0';
		each(context, keys[i], slash + 1);
		free(keys[i]);
	}
	free(keys);
}
