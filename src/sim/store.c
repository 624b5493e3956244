/* The store: objects, their history, deletion, finalizers, garbage collection. */
#include <stdio.h>

#include "sim/internal.h"

struct node *object_root(const struct object *o)
{
	return doc_root(o->current->doc);
}

static size_t index_of(const struct kind *kind, const char *ns, const char *name, bool *found)
{
	size_t low = 0, high = kind->count;
	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(kind->items[mid]->ns, ns);
		if (c == 0)
			c = strcmp(kind->items[mid]->name, name);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct object *store_find(struct kind *kind, const char *ns, const char *name)
{
	bool found;
	size_t i = index_of(kind, kind->namespaced && ns != NULL ? ns : "", name, &found);
	return found ? kind->items[i] : NULL;
}

struct object *store_get(struct sim *sim, const char *resource_path, const char *ns, const char *name)
{
	struct kind *kind = kind_of(sim, resource_path);
	return kind == NULL || name == NULL ? NULL : store_find(kind, ns, name);
}

struct object *store_by_uid(struct sim *sim, const char *uid)
{
	for (size_t k = 0; uid != NULL && k < sim->kind_count; k++)
		for (size_t i = 0; i < sim->kinds[k]->count; i++)
			if (strcmp(sim->kinds[k]->items[i]->uid, uid) == 0)
				return sim->kinds[k]->items[i];
	return NULL;
}

struct doc *doc_clone(const struct node *root)
{
	struct doc *doc = doc_new();
	doc_set_root(doc, node_copy(doc, root));
	return doc;
}

struct doc *store_edit(const struct object *o)
{
	return doc_clone(object_root(o));
}

void version_free(struct version *v)
{
	if (v != NULL && --v->refs == 0) {
		doc_free(v->doc);
		free(v);
	}
}

static void event_drop(struct event *e)
{
	version_free(e->now);
	version_free(e->before);
}

/* Takes over one reference of each version. */
static void event_push(struct sim *sim, char type, struct kind *kind, struct version *now, struct version *before)
{
	size_t keep = sim->options.watch_window;
	if (sim->event_count >= keep + keep / 4 + 16) { /* compacted in batches */
		size_t drop = sim->event_count - keep;
		sim->compacted = sim->events[drop - 1].rv;
		for (size_t i = 0; i < drop; i++)
			event_drop(&sim->events[i]);
		memmove(sim->events, sim->events + drop, (sim->event_count - drop) * sizeof *sim->events);
		sim->event_count -= drop;
	}
	if (sim->event_count == sim->event_cap) {
		sim->event_cap = sim->event_cap ? sim->event_cap * 2 : 64;
		sim->events = mem_grow(sim->events, sim->event_cap, sizeof *sim->events);
	}
	sim->events[sim->event_count++] = (struct event){ sim->rv, type, kind, now, before };
	pthread_cond_broadcast(&sim->changed);
}

static void stamp(struct sim *sim, struct doc *doc)
{
	char rv[24];
	(void)snprintf(rv, sizeof rv, "%llu", (unsigned long long)++sim->rv);
	node_set_text(doc, node_ensure_map(doc, doc_root(doc), "metadata"), "resourceVersion", rv);
}

static struct version *version_new(struct doc *doc)
{
	struct version *v = mem_alloc(sizeof *v);
	*v = (struct version){ 1, doc };
	return v;
}

static void bind(struct object *o, struct version *v)
{
	o->current = v;
	const struct node *meta = node_get(doc_root(v->doc), "metadata");
	o->ns = o->kind->namespaced ? node_text_or(node_get(meta, "namespace"), "") : "";
	o->name = node_text_or(node_get(meta, "name"), "");
	o->uid = node_text_or(node_get(meta, "uid"), "");
}

static void on_written(struct sim *sim, struct object *o)
{
	const struct node *root = object_root(o), *refs = node_find(root, "metadata/ownerReferences");
	if (node_count(refs) > 0 || node_find(root, "metadata/deletionTimestamp") != NULL)
		store_gc_soon(sim);
	if (strcmp(o->kind->resource, "customresourcedefinitions") == 0)
		kinds_crd_changed(sim, root, false);
	workloads_changed(sim, o);
}

/* What the API server itself adds to a new object of some kinds. */
static void complete(struct sim *sim, struct kind *kind, struct doc *doc, struct node *root, const char *now)
{
	if (strcmp(kind->resource, "namespaces") == 0) {
		node_set_text(doc, node_ensure_map(doc, root, "status"), "phase", "Active");
		struct node *labels = node_ensure_map(doc, node_get(root, "metadata"), "labels");
		node_set_text(doc, labels, "kubernetes.io/metadata.name", node_find_text(root, "metadata/name"));
		struct node *finalizers = node_list(doc);
		node_append(doc, finalizers, node_string(doc, "kubernetes"));
		node_set(doc, node_ensure_map(doc, root, "spec"), "finalizers", finalizers);
	} else if (strcmp(kind->resource, "customresourcedefinitions") == 0) {
		struct node *list = node_list(doc), *status = node_ensure_map(doc, root, "status");
		static const char *const types[][2] = { { "NamesAccepted", "NoConflicts" }, { "Established", "InitialNamesAccepted" } };
		for (size_t i = 0; i < 2; i++) {
			struct node *c = node_map(doc);
			node_set_text(doc, c, "type", types[i][0]);
			node_set_text(doc, c, "status", "True");
			node_set_text(doc, c, "reason", types[i][1]);
			node_set_text(doc, c, "lastTransitionTime", now);
			node_append(doc, list, c);
		}
		node_set(doc, status, "conditions", list);
		node_set(doc, status, "acceptedNames", node_copy(doc, node_find(root, "spec/names")));
	} else if (strcmp(kind->resource, "services") == 0) {
		struct node *spec = node_ensure_map(doc, root, "spec");
		if (node_get(spec, "clusterIP") == NULL && !str_eq(node_find_text(spec, "type"), "ExternalName"))
			node_set(doc, spec, "clusterIP", node_printf(doc, "10.96.%u.%u", sim->next_ip / 250 % 250, sim->next_ip % 250 + 1));
		sim->next_ip++;
	}
}

struct object *store_insert(struct sim *sim, struct kind *kind, struct doc *doc)
{
	char now[32], hex[33];
	sim_time_text(sim->now, now);
	sim_random_text(sim, hex, 32, "0123456789abcdef");
	struct node *root = doc_root(doc), *meta = node_ensure_map(doc, root, "metadata");
	AUTOBUF gv = BUF_INIT;
	kind_api_version(kind, &gv);
	node_set_text(doc, root, "apiVersion", gv.data);
	node_set_text(doc, root, "kind", kind->name);
	node_set(doc, meta, "uid", node_printf(doc, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15, hex + 18));
	node_set_text(doc, meta, "creationTimestamp", now);
	if (kind->generation)
		node_set_int(doc, meta, "generation", 1);
	complete(sim, kind, doc, root, now);
	defaults_fill(doc, kind, root);
	stamp(sim, doc);
	struct object *o = mem_alloc(sizeof *o);
	o->kind = kind;
	bind(o, version_new(doc));
	bool found;
	size_t i = index_of(kind, o->ns, o->name, &found);
	if (kind->count == kind->cap) {
		kind->cap = kind->cap ? kind->cap * 2 : 8;
		kind->items = mem_grow(kind->items, kind->cap, sizeof *kind->items);
	}
	memmove(kind->items + i + 1, kind->items + i, (kind->count - i) * sizeof *kind->items);
	kind->items[i] = o;
	kind->count++;
	o->current->refs++;
	event_push(sim, 'A', kind, o->current, NULL);
	on_written(sim, o);
	if (strcmp(kind->resource, "namespaces") == 0) {
		struct doc *sa = doc_new();
		doc_set_root(sa, node_map(sa));
		struct node *m = node_ensure_map(sa, doc_root(sa), "metadata");
		node_set_text(sa, m, "name", "default");
		node_set_text(sa, m, "namespace", o->name);
		store_insert(sim, kind_of(sim, "serviceaccounts"), sa);
	}
	return o;
}

/* Equal but for resourceVersion and managedFields' times. */
static bool same(struct doc *doc, const struct node *old)
{
	struct node *meta = node_get(doc_root(doc), "metadata");
	node_set(doc, meta, "resourceVersion", node_copy(doc, node_find(old, "metadata/resourceVersion")));
	if (node_equal(doc_root(doc), old))
		return true;
	struct node *fields = node_get(meta, "managedFields"), *before = node_find(old, "metadata/managedFields");
	if (node_count(fields) == 0 || node_count(fields) != node_count(before))
		return false;
	AUTODOC *copy = doc_clone(doc_root(doc));
	struct node *list = node_find(doc_root(copy), "metadata/managedFields");
	for (size_t i = 0; i < node_count(list); i++)
		node_set(copy, node_at(list, i), "time", node_copy(copy, node_get(node_at(before, i), "time")));
	return node_equal(doc_root(copy), old);
}

static bool content_changed(const struct kind *kind, const struct node *a, const struct node *b)
{
	for (int pass = 0; pass < 2; pass++) {
		const struct node *from = pass ? b : a, *to = pass ? a : b;
		for (size_t i = 0; i < node_count(from); i++) {
			const char *key = node_key_at(from, i);
			if (strcmp(key, "metadata") == 0 || (kind->status && strcmp(key, "status") == 0))
				continue;
			if (!node_equal(node_value_at(from, i), node_get(to, key)))
				return true;
		}
	}
	return false;
}

struct object *store_update(struct sim *sim, struct object *o, struct doc *doc)
{
	struct node *old = object_root(o), *root = doc_root(doc), *meta = node_get(root, "metadata");
	defaults_fill(doc, o->kind, root);
	static const char *const fixed[] = { "uid", "creationTimestamp", "generation", "name", "namespace" };
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		struct node *v = node_get(node_get(old, "metadata"), fixed[i]);
		if (v != NULL)
			node_set(doc, meta, fixed[i], node_copy(doc, v));
	}
	bool marked = node_get(meta, "deletionTimestamp") != NULL && node_find(old, "metadata/deletionTimestamp") == NULL;
	if (o->kind->generation && (marked || content_changed(o->kind, old, root)))
		node_set_int(doc, meta, "generation", node_integer(node_get(meta, "generation"), 0) + 1);
	bool leaving = node_get(meta, "deletionTimestamp") != NULL && node_count(node_get(meta, "finalizers")) == 0 &&
		       (strcmp(o->kind->resource, "pods") != 0 || node_integer(node_get(meta, "deletionGracePeriodSeconds"), 0) == 0) &&
		       strcmp(o->kind->resource, "namespaces") != 0;
	if (!leaving && same(doc, old)) {
		doc_free(doc);
		return o;
	}
	stamp(sim, doc);
	struct version *before = o->current;
	bind(o, version_new(doc));
	if (leaving) {
		version_free(before);
		store_remove(sim, o);
		return NULL;
	}
	o->current->refs++;
	event_push(sim, 'M', o->kind, o->current, before);
	on_written(sim, o);
	return o;
}

void store_remove(struct sim *sim, struct object *o)
{
	bool found;
	struct kind *kind = o->kind;
	size_t i = index_of(kind, o->ns, o->name, &found);
	memmove(kind->items + i, kind->items + i + 1, (kind->count - i - 1) * sizeof *kind->items);
	kind->count--;
	struct doc *last = store_edit(o);
	stamp(sim, last);
	struct version *before = o->current, *now = version_new(last);
	before->refs++;
	event_push(sim, 'D', kind, now, before);
	workloads_removed(sim, o);
	if (strcmp(kind->resource, "customresourcedefinitions") == 0)
		kinds_crd_changed(sim, object_root(o), true);
	version_free(before);
	free(o);
	store_gc_soon(sim);
}

static void add_finalizer(struct doc *doc, const char *name)
{
	struct node *meta = node_get(doc_root(doc), "metadata"), *list = node_get(meta, "finalizers");
	if (!node_is(list, NODE_LIST))
		node_set(doc, meta, "finalizers", list = node_list(doc));
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_at(list, i)), name))
			return;
	node_append(doc, list, node_string(doc, name));
}

static void orphan_dependents(struct sim *sim, const char *uid)
{
	size_t at;
	for (size_t k = 0; k < sim->kind_count; k++)
		for (size_t i = 0; i < sim->kinds[k]->count; i++) {
			struct object *d = sim->kinds[k]->items[i];
			if (owner_ref(object_root(d), uid, &at) == NULL)
				continue;
			struct doc *doc = store_edit(d);
			node_remove_at(node_find(doc_root(doc), "metadata/ownerReferences"), at);
			store_update(sim, d, doc);
		}
}

struct object *store_delete(struct sim *sim, struct object *o, enum propagation how, int64_t grace)
{
	if (how == PROPAGATE_ORPHAN)
		orphan_dependents(sim, o->uid);
	bool pod = strcmp(o->kind->resource, "pods") == 0;
	struct doc *doc = store_edit(o);
	struct node *root = doc_root(doc), *meta = node_get(root, "metadata");
	const char *phase = node_text_or(node_find(root, "status/phase"), "");
	if (pod && grace < 0)
		grace = node_integer(node_find(root, "spec/terminationGracePeriodSeconds"), 30);
	if (pod && (node_find(root, "spec/nodeName") == NULL || strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
		grace = 0;
	if (node_get(meta, "deletionTimestamp") == NULL) {
		char when[32];
		sim_time_text(sim->now + (pod ? grace * 1000 : 0), when);
		node_set_text(doc, meta, "deletionTimestamp", when);
		node_set_int(doc, meta, "deletionGracePeriodSeconds", pod ? grace : 0);
	} else if (pod && grace < node_integer(node_get(meta, "deletionGracePeriodSeconds"), 0)) {
		node_set_int(doc, meta, "deletionGracePeriodSeconds", grace);
	}
	if (how == PROPAGATE_FOREGROUND)
		add_finalizer(doc, "foregroundDeletion");
	if (strcmp(o->kind->resource, "namespaces") == 0)
		node_set_text(doc, node_ensure_map(doc, root, "status"), "phase", "Terminating");
	o = store_update(sim, o, doc);
	store_gc_soon(sim);
	return o;
}

void store_free(struct sim *sim)
{
	for (size_t i = 0; i < sim->event_count; i++)
		event_drop(&sim->events[i]);
	free(sim->events);
	for (size_t k = 0; k < sim->kind_count; k++)
		for (size_t i = 0; i < sim->kinds[k]->count; i++) {
			version_free(sim->kinds[k]->items[i]->current);
			free(sim->kinds[k]->items[i]);
		}
}

void sim_watch_expire(struct sim *sim)
{
	sim_lock(sim);
	for (size_t i = 0; i < sim->event_count; i++)
		event_drop(&sim->events[i]);
	sim->event_count = 0;
	sim->compacted = ++sim->rv;
	pthread_cond_broadcast(&sim->changed);
	sim_unlock(sim);
}

/* ---- for tests ---- */

char *sim_object_json(struct sim *sim, const char *resource, const char *ns, const char *name)
{
	sim_lock(sim);
	struct object *o = store_get(sim, resource, ns, name);
	char *text = NULL;
	if (o != NULL) {
		struct buf b = BUF_INIT;
		node_to_json(object_root(o), &b, 0);
		text = buf_take(&b);
	}
	sim_unlock(sim);
	return text;
}

size_t sim_object_count(struct sim *sim, const char *resource, const char *ns)
{
	sim_lock(sim);
	struct kind *kind = kind_of(sim, resource);
	size_t n = 0;
	for (size_t i = 0; kind != NULL && i < kind->count; i++)
		n += ns == NULL || strcmp(kind->items[i]->ns, ns) == 0;
	sim_unlock(sim);
	return n;
}

bool sim_load_yaml(struct sim *sim, const char *yaml, struct error *err)
{
	struct doc **docs = NULL;
	size_t count = 0;
	if (!doc_parse_yaml(yaml, strlen(yaml), "sim", NULL, &docs, &count, err))
		return false;
	bool ok = true;
	sim_lock(sim);
	for (size_t i = 0; ok && i < count; i++) {
		struct node *root = doc_root(docs[i]), *meta = node_ensure_map(docs[i], root, "metadata");
		struct kind *kind = kind_by_name(sim, node_find_text(root, "apiVersion"), node_find_text(root, "kind"));
		if (kind == NULL || node_get(meta, "name") == NULL) {
			ok = error_set(err, ERROR_INVALID, "sim: object %zu has no name or an unknown kind %s", i + 1,
				       node_text_or(node_get(root, "kind"), "(none)"));
			break;
		}
		if (kind->namespaced && node_get(meta, "namespace") == NULL)
			node_set_text(docs[i], meta, "namespace", "default");
		if (store_find(kind, node_find_text(meta, "namespace"), node_find_text(meta, "name")) != NULL)
			ok = error_set(err, ERROR_CONFLICT, "sim: %s %s exists", kind->name, node_find_text(meta, "name"));
		else
			store_insert(sim, kind, TAKE(docs[i]));
	}
	sim_unlock(sim);
	doc_list_free(docs, count);
	return ok;
}
