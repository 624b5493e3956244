/* The verbs of the API server on one resource: which one it is, get, list, logs. write.c has the others. */
#include <stdio.h>

#include "sim/internal.h"

void call_resource_name(const struct kind *kind, struct buf *out)
{
	buf_puts(out, kind->resource);
	if (*kind->group != '\0')
		buf_printf(out, ".%s", kind->group);
}

void call_object(struct call *call, int status, const struct node *root)
{
	if (call->table && status < 300) {
		AUTODOC *doc = doc_new();
		struct node *copy = node_copy(doc, root);
		call_answer(call, status, table_of(doc, call->kind, &copy, 1, call->sim->now, true));
		return;
	}
	call_answer(call, status, root);
}

struct object *call_find(struct call *call)
{
	struct object *o = store_find(call->kind, call->ns, call->name);
	if (o == NULL) {
		AUTOBUF r = BUF_INIT;
		call_resource_name(call->kind, &r);
		call_problem(call, 404, "NotFound", "%s \"%s\" not found", r.data, call->name);
	}
	return o;
}

/* ---- get, list ---- */

static const char *space_of(const struct node *object)
{
	return node_text_or(node_find(object, "metadata/namespace"), "");
}

static const char *name_of(const struct node *object)
{
	return node_text_or(node_find(object, "metadata/name"), "");
}

static bool listed(const struct call *call, const struct node *object, const char *labels, const char *fields)
{
	return (call->ns == NULL || strcmp(space_of(object), call->ns) == 0) &&
	       labels_match(labels, node_find(object, "metadata/labels")) && fields_match(fields, object);
}

void call_list(struct call *call)
{
	const char *labels = call_query(call, "labelSelector"), *fields = call_query(call, "fieldSelector");
	const char *limit_text = call_query(call, "limit"), *from = call_query(call, "continue");
	size_t limit = limit_text ? (size_t)strtoul(limit_text, NULL, 10) : 0, start = 0;
	uint64_t rv = call->sim->rv;
	char ns[256] = "", name[256] = "";
	if (!selector_valid(labels)) {
		call_problem(call, 400, "BadRequest", "unable to parse requirement: %s", labels);
		return;
	}
	if (from != NULL && *from != '\0') { /* "rv:ns/name" of the last one given */
		unsigned long long at = 0;
		if (sscanf(from, "%llu:%255[^/]/%255s", &at, ns, name) < 1 ||
		    (name[0] == '\0' && sscanf(from, "%llu:/%255s", &at, name) < 2)) {
			call_problem(call, 400, "BadRequest", "continue key is not valid");
			return;
		}
		if (at < call->sim->compacted) {
			call_problem(call, 410, "Expired",
				     "The provided continue parameter is too old to display a consistent list result.");
			return;
		}
		rv = at;
	}
	size_t count;
	AUTOFREE const struct node **all = history_list(call->sim, call->kind, rv, &count);
	for (bool later = from == NULL || *from == '\0'; !later && start < count; start += !later) {
		int c = strcmp(space_of(all[start]), ns);
		later = c > 0 || (c == 0 && strcmp(name_of(all[start]), name) > 0);
	}
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc), *meta = node_map(doc), *items = node_list(doc);
	AUTOBUF gv = BUF_INIT;
	kind_api_version(call->kind, &gv);
	size_t i = start;
	for (; i < count && (limit == 0 || node_count(items) < limit); i++)
		if (listed(call, all[i], labels, fields))
			node_append(doc, items, node_copy(doc, all[i]));
	bool more = false;
	for (size_t j = i; !more && j < count; j++)
		more = listed(call, all[j], labels, fields);
	node_set(doc, meta, "resourceVersion", node_printf(doc, "%llu", (unsigned long long)rv));
	if (more && i > 0)
		node_set(doc, meta, "continue",
			 node_printf(doc, "%llu:%s/%s", (unsigned long long)rv, space_of(all[i - 1]), name_of(all[i - 1])));
	if (call->table) {
		AUTOFREE struct node **rows = mem_array(node_count(items) + 1, sizeof *rows);
		for (size_t j = 0; j < node_count(items); j++)
			rows[j] = node_at(items, j);
		struct node *table = table_of(doc, call->kind, rows, node_count(items), call->sim->now, true);
		node_set(doc, table, "metadata", meta);
		call_answer(call, 200, table);
		return;
	}
	node_set(doc, root, "kind", node_printf(doc, "%sList", call->kind->name));
	node_set_text(doc, root, "apiVersion", gv.data);
	node_set(doc, root, "metadata", meta);
	node_set(doc, root, "items", items);
	call_answer(call, 200, root);
}

void call_scale(struct call *call, int status, const struct node *root)
{
	AUTODOC *doc = doc_new();
	struct node *s = node_map(doc), *meta = node_map(doc), *spec = node_map(doc), *st = node_map(doc);
	static const char *const keys[] = { "name", "namespace", "uid", "resourceVersion", "creationTimestamp" };
	bool flink = call->kind->custom;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		node_set_text(doc, meta, keys[i], node_text(node_get(node_get(root, "metadata"), keys[i])));
	node_set_text(doc, s, "kind", "Scale");
	node_set_text(doc, s, "apiVersion", "autoscaling/v1");
	node_set(doc, s, "metadata", meta);
	node_set_int(doc, spec, "replicas", node_integer(node_find(root, flink ? "spec/taskManager/replicas" : "spec/replicas"), 0));
	node_set_int(doc, st, "replicas", node_integer(node_find(root, flink ? "status/taskManager/replicas" : "status/replicas"), 0));
	node_set(doc, s, "spec", spec);
	node_set(doc, s, "status", st);
	call_answer(call, status, s);
}

static void get(struct call *call)
{
	struct object *o = call_find(call);
	if (o == NULL)
		return;
	if (str_eq(call->sub, "scale"))
		call_scale(call, 200, object_root(o));
	else
		call_object(call, 200, object_root(o));
}

/* ---- which one ---- */

static bool subresource_known(const struct call *call)
{
	if (call->sub == NULL)
		return true;
	if (strcmp(call->sub, "status") == 0)
		return call->kind->status;
	if (strcmp(call->sub, "scale") == 0)
		return call->kind->scale;
	if (strcmp(call->kind->resource, "pods") == 0)
		return strcmp(call->sub, "log") == 0 || strcmp(call->sub, "eviction") == 0;
	if (strcmp(call->kind->resource, "services") == 0)
		return strcmp(call->sub, "proxy") == 0;
	return strcmp(call->kind->resource, "namespaces") == 0 && strcmp(call->sub, "finalize") == 0;
}

static void log_get(struct call *call)
{
	struct object *o = call_find(call);
	if (o == NULL)
		return;
	const char *text = pod_log_text(call->sim, o->uid), *tail = call_query(call, "tailLines");
	size_t lines = tail ? (size_t)strtoul(tail, NULL, 10) : (size_t)-1, at = strlen(text);
	if (*text == '\0' && !pod_running(object_root(o)) &&
	    node_find(object_root(o), "status/containerStatuses/0/lastState/terminated") == NULL &&
	    node_find(object_root(o), "status/containerStatuses/0/state/terminated") == NULL) {
		call_problem(
			call, 400, "BadRequest", "container \"%s\" in pod \"%s\" is waiting to start: %s",
			node_text_or(node_find(object_root(o), "spec/containers/0/name"), ""), call->name,
			node_text_or(node_find(object_root(o), "status/containerStatuses/0/state/waiting/reason"), "ContainerCreating"));
		return;
	}
	while (at > 0 && !(text[at - 1] == '\n' && text[at] != '\0' && --lines == 0))
		at--;
	call_text(call, 200, "text/plain", text + at);
}

void verbs_handle(struct call *call)
{
	const char *m = call->request->method;
	if (!subresource_known(call)) {
		call_problem(call, 404, "NotFound", "the server could not find the requested resource");
	} else if (str_eq(call->sub, "proxy")) {
		const char *at = strstr(call->request->path, "/proxy");
		flink_rest(call, call->ns, call->name, at + strlen("/proxy"));
	} else if (str_eq(call->sub, "log") && strcmp(m, "GET") == 0) {
		log_get(call);
	} else if (strcmp(m, "GET") == 0) {
		if (call->name != NULL)
			get(call);
		else
			call_list(call);
	} else if (strcmp(m, "POST") == 0 && (call->name == NULL || str_eq(call->sub, "eviction"))) {
		if (call->kind->namespaced && call->ns == NULL)
			call_problem(call, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
		else
			write_create(call);
	} else if (strcmp(m, "PUT") == 0 && call->name != NULL) {
		write_replace(call);
	} else if (strcmp(m, "PATCH") == 0 && call->name != NULL) {
		write_patch(call);
	} else if (strcmp(m, "DELETE") == 0 && call->sub == NULL) {
		if (call->name != NULL)
			write_delete(call);
		else
			write_delete_collection(call);
	} else {
		call_problem(call, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
	}
}
