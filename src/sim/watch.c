/* Watches: a cursor into the history, filtered and shaped for one reader. */
#include <stdio.h>

#include "sim/internal.h"

struct watch {
	struct sim *sim;
	struct kind *kind;
	char *ns, *labels, *fields, *name;
	uint64_t cursor;
	int64_t ends_at, bookmark_at;
	unsigned breaks;
	bool initial, initial_mark, table, header, bookmarks, ended;
};

static bool wanted(const struct watch *w, const struct node *root)
{
	if (root == NULL)
		return false;
	const struct node *meta = node_get(root, "metadata");
	return (w->ns == NULL || str_eq(w->ns, node_find_text(meta, "namespace"))) && labels_match(w->labels, node_get(meta, "labels")) &&
	       fields_match(w->fields, root) && (w->name == NULL || str_eq(w->name, node_find_text(meta, "name")));
}

static void emit(struct watch *w, struct buf *out, const char *type, const struct node *object)
{
	AUTODOC *doc = doc_new();
	struct node *line = node_map(doc);
	node_set_text(doc, line, "type", type);
	struct node *copy = node_copy(doc, object);
	if (w->table && strcmp(type, "ERROR") != 0 && strcmp(type, "BOOKMARK") != 0) {
		copy = table_of(doc, w->kind, &copy, 1, w->sim->now, w->header);
		w->header = false;
	}
	node_set(doc, line, "object", copy);
	node_to_json(line, out, 0);
	buf_putc(out, '\n');
}

static void bookmark(struct watch *w, struct buf *out, bool initial_end)
{
	AUTODOC *doc = doc_new();
	struct node *o = node_map(doc), *meta = node_map(doc);
	AUTOBUF gv = BUF_INIT;
	kind_api_version(w->kind, &gv);
	node_set_text(doc, o, "kind", w->kind->name);
	node_set_text(doc, o, "apiVersion", gv.data);
	node_set(doc, meta, "resourceVersion", node_printf(doc, "%llu", (unsigned long long)w->cursor));
	if (initial_end)
		node_set_text(doc, node_ensure_map(doc, meta, "annotations"), "k8s.io/initial-events-end", "true");
	node_set(doc, o, "metadata", meta);
	emit(w, out, "BOOKMARK", o);
	w->bookmark_at = w->sim->now + w->sim->options.bookmark_ms;
}

struct watch *watch_open(struct call *call)
{
	struct sim *sim = call->sim;
	const char *rv = call_query(call, "resourceVersion"), *timeout = call_query(call, "timeoutSeconds");
	if (!selector_valid(call_query(call, "labelSelector"))) {
		call_problem(call, 400, "BadRequest", "unable to parse requirement: %s", call_query(call, "labelSelector"));
		return NULL;
	}
	struct watch *w = mem_alloc(sizeof *w);
	w->sim = sim;
	w->kind = call->kind;
	w->ns = mem_strdup(call->ns);
	w->name = mem_strdup(call->name);
	w->labels = mem_strdup(call_query(call, "labelSelector"));
	w->fields = mem_strdup(call_query(call, "fieldSelector"));
	w->initial = rv == NULL || *rv == '\0' || strcmp(rv, "0") == 0;
	w->initial_mark = str_eq(call_query(call, "sendInitialEvents"), "true");
	w->initial = w->initial || w->initial_mark;
	w->cursor = w->initial ? sim->rv : strtoull(rv, NULL, 10);
	w->ends_at = timeout != NULL ? sim->now + strtoll(timeout, NULL, 10) * 1000 : INT64_MAX;
	w->bookmarks = str_eq(call_query(call, "allowWatchBookmarks"), "true");
	w->bookmark_at = sim->now + sim->options.bookmark_ms;
	w->breaks = sim->watch_breaks;
	w->table = w->header = call->table;
	return w;
}

static void begin(struct watch *w, struct buf *out)
{
	w->initial = false;
	w->cursor = w->sim->rv;
	for (size_t i = 0; i < w->kind->count; i++)
		if (wanted(w, object_root(w->kind->items[i])))
			emit(w, out, "ADDED", object_root(w->kind->items[i]));
	if (w->initial_mark)
		bookmark(w, out, true);
}

static void deliver(struct watch *w, struct buf *out, const struct event *e)
{
	bool now = e->type != 'D' && wanted(w, doc_root(e->now->doc)), before = e->before != NULL && wanted(w, doc_root(e->before->doc));
	if (now && !before) {
		emit(w, out, "ADDED", doc_root(e->now->doc));
	} else if (now) {
		emit(w, out, "MODIFIED", doc_root(e->now->doc));
	} else if (before) {
		AUTODOC *last = doc_clone(doc_root(e->type == 'D' ? e->now->doc : e->before->doc));
		node_set(last, node_get(doc_root(last), "metadata"), "resourceVersion",
			 node_printf(last, "%llu", (unsigned long long)e->rv));
		emit(w, out, "DELETED", doc_root(last));
	}
}

bool watch_read(struct watch *w, struct buf *out)
{
	struct sim *sim = w->sim;
	if (w->ended || w->breaks != sim->watch_breaks || (w->kind->gone && w->kind->count == 0))
		return false;
	if (sim->watch_stalled)
		return true;
	if (w->initial)
		begin(w, out);
	if (w->cursor < sim->compacted) {
		AUTODOC *doc = doc_new();
		AUTOFREE char *message = mem_printf("too old resource version: %llu (%llu)", (unsigned long long)w->cursor,
						    (unsigned long long)sim->compacted);
		emit(w, out, "ERROR", problem_node(doc, 410, "Expired", message));
		w->ended = true;
		return true;
	}
	size_t i = sim->event_count;
	while (i > 0 && sim->events[i - 1].rv > w->cursor)
		i--;
	for (; i < sim->event_count; i++)
		if (sim->events[i].kind == w->kind)
			deliver(w, out, &sim->events[i]);
	w->cursor = sim->rv > w->cursor ? sim->rv : w->cursor;
	if (w->bookmarks && sim->now >= w->bookmark_at)
		bookmark(w, out, false);
	if (sim->now >= w->ends_at)
		w->ended = true;
	return true;
}

void watch_close(struct watch *w)
{
	if (w == NULL)
		return;
	free(w->ns);
	free(w->name);
	free(w->labels);
	free(w->fields);
	free(w);
}

void sim_watch_stall(struct sim *sim, bool stalled)
{
	sim_lock(sim);
	sim->watch_stalled = stalled;
	sim_unlock(sim);
}

void sim_watch_break(struct sim *sim)
{
	sim_lock(sim);
	sim->watch_breaks++;
	pthread_cond_broadcast(&sim->changed);
	sim_unlock(sim);
}
