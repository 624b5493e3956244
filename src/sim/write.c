/* The writing verbs: create, replace, patch, apply, delete. check.c has what is checked before. */
#include <stdio.h>

#include "sim/internal.h"

static void manager_name(const struct call *call, char *out, size_t size)
{
	const char *m = call_query(call, "fieldManager");
	for (size_t i = 0; m == NULL && i < call->request->header_count; i++)
		if (strcasecmp(call->request->headers[i].name, "User-Agent") == 0)
			m = call->request->headers[i].value;
	(void)snprintf(out, size, "%.*s", m ? (int)strcspn(m, call_query(call, "fieldManager") ? "" : "/") : 7, m ? m : "unknown");
}

static struct doc *read_body(struct call *call)
{
	struct error err = ERROR_INIT;
	const char *type = call->request->content_type ? call->request->content_type : "application/json";
	const char *body = call->request->body ? call->request->body : "";
	if (str_starts(type, "application/vnd.kubernetes.protobuf")) {
		struct doc *read = protobuf_read(body, call->request->body_len);
		if (read == NULL)
			call_problem(call, 415, "UnsupportedMediaType", "the simulation reads this kind in JSON or YAML only");
		return read;
	}
	struct doc *doc = strstr(type, "yaml") ? doc_parse_yaml_one(body, call->request->body_len, "body", &err)
					       : doc_parse_json(body, call->request->body_len, "body", NULL, &err);
	if (doc == NULL || doc_root(doc) == NULL) {
		call_problem(call, 400, "BadRequest", "the body of the request cannot be read: %s", err.message);
		doc_free(doc);
		return NULL;
	}
	if (!node_is(doc_root(doc), NODE_MAP) && !str_starts(type, "application/json-patch")) {
		call_problem(call, 400, "BadRequest", "the body of the request is a %s, an object was expected",
			     node_kind_name(node_kind(doc_root(doc))));
		doc_free(doc);
		return NULL;
	}
	return doc;
}

/* ---- checks ---- */

static bool namespace_ready(struct call *call)
{
	if (!call->kind->namespaced)
		return true;
	struct object *ns = store_get(call->sim, "namespaces", "", call->ns ? call->ns : "");
	if (ns == NULL) {
		call->kind = kind_of(call->sim, "namespaces");
		call->name = call->ns;
		call_problem(call, 404, "NotFound", "namespaces \"%s\" not found", call->ns ? call->ns : "");
		return false;
	}
	if (node_find(object_root(ns), "metadata/deletionTimestamp") != NULL) {
		call_problem(call, 403, "Forbidden", "unable to create new content in namespace %s because it is being terminated",
			     call->ns);
		return false;
	}
	return true;
}

/* Secrets' stringData, pruning, and what a client may not set. */
static void admit(struct call *call, struct doc *doc, bool creating)
{
	struct node *root = doc_root(doc), *strings = node_get(root, "stringData");
	if (strcmp(call->kind->resource, "secrets") == 0 && node_is(strings, NODE_MAP)) {
		struct node *data = node_ensure_map(doc, root, "data");
		for (size_t i = 0; i < node_count(strings); i++) {
			AUTOBUF b = BUF_INIT;
			buf_put_base64(&b, node_text_or(node_value_at(strings, i), ""), node_len(node_value_at(strings, i)));
			node_set_text(doc, data, node_key_at(strings, i), buf_text(&b));
		}
		node_remove(root, "stringData");
	}
	if (kind_schema(call->kind) != NULL)
		schema_prune(kind_schema(call->kind), root, true);
	if (creating && call->kind->status && call->sub == NULL)
		node_remove(root, "status");
}

/* On a write of the main resource the status stays as it is; on one of the status everything else does. */
static void keep_other_half(struct call *call, struct doc *doc, const struct node *old)
{
	struct node *root = doc_root(doc);
	if (!call->kind->status)
		return;
	if (str_eq(call->sub, "status")) {
		struct node *status = node_get(root, "status"), *fresh = node_copy(doc, old),
			    *rv = node_find(root, "metadata/resourceVersion");
		struct node *managed = node_find(root, "metadata/managedFields");
		if (status != NULL)
			node_set(doc, fresh, "status", status);
		else
			node_remove(fresh, "status");
		if (rv != NULL)
			node_set(doc, node_get(fresh, "metadata"), "resourceVersion", rv);
		if (managed != NULL)
			node_set(doc, node_get(fresh, "metadata"), "managedFields", managed);
		doc_set_root(doc, fresh);
	} else if (call->sub == NULL) {
		struct node *status = node_get(old, "status");
		if (status != NULL)
			node_set(doc, root, "status", node_copy(doc, status));
		else
			node_remove(root, "status");
	}
}

static void create_doc(struct call *call, struct doc *doc, int status)
{
	struct node *meta = node_ensure_map(doc, doc_root(doc), "metadata");
	if (call->kind->namespaced)
		node_set_text(doc, meta, "namespace", call->ns);
	node_remove(meta, "deletionTimestamp");
	if (call->dry_run) {
		char now[32];
		sim_time_text(call->sim->now, now);
		node_set_text(doc, meta, "uid", "00000000-0000-4000-8000-000000000000");
		node_set_text(doc, meta, "creationTimestamp", now);
		if (call->kind->generation)
			node_set_int(doc, meta, "generation", 1);
		defaults_fill(doc, call->kind, doc_root(doc));
		call_object(call, status, doc_root(doc));
		doc_free(doc);
		return;
	}
	struct object *o = store_insert(call->sim, call->kind, doc);
	call_object(call, status, object_root(o));
}

static void evict(struct call *call)
{
	struct object *o = call_find(call);
	if (o == NULL)
		return;
	if (!call->dry_run)
		store_delete(call->sim, o, PROPAGATE_BACKGROUND, -1);
	AUTODOC *doc = doc_new();
	struct node *n = problem_node(doc, 201, "", "");
	node_set_text(doc, n, "status", "Success");
	call_answer(call, 201, n);
}

void write_create(struct call *call)
{
	if (str_eq(call->sub, "eviction")) {
		evict(call);
		return;
	}
	AUTODOC *doc = read_body(call);
	if (doc == NULL)
		return;
	struct node *root = doc_root(doc), *meta = node_is(root, NODE_MAP) ? node_ensure_map(doc, root, "metadata") : NULL;
	const char *generate = node_find_text(meta, "generateName");
	if (meta != NULL && node_get(meta, "name") == NULL && generate != NULL) {
		char suffix[6];
		sim_random_text(call->sim, suffix, 5, "bcdfghjklmnpqrstvwxz2456789");
		node_set(doc, meta, "name", node_printf(doc, "%s%s", generate, suffix));
	}
	if (!namespace_ready(call) || !write_check_content(call, doc) || !write_check_strict(call, root))
		return;
	admit(call, doc, true);
	if (!write_check_whole(call, doc, NULL) || !write_check_admission(call, root))
		return;
	const char *name = node_find_text(meta, "name");
	if (node_get(meta, "resourceVersion") != NULL && *node_text_or(node_get(meta, "resourceVersion"), "") != '\0') {
		call_problem(call, 400, "BadRequest", "resourceVersion should not be set on objects to be created");
		return;
	}
	if (store_find(call->kind, call->ns, name) != NULL) {
		AUTOBUF r = BUF_INIT;
		call_resource_name(call->kind, &r);
		AUTOFREE char *kept = mem_strdup(name);
		call->name = kept;
		call_problem(call, 409, "AlreadyExists", "%s \"%s\" already exists", r.data, kept);
		call->name = NULL;
		return;
	}
	char manager[129];
	manager_name(call, manager, sizeof manager);
	node_remove(meta, "managedFields");
	fields_track(call->sim, call->kind, NULL, doc, manager, NULL);
	create_doc(call, TAKE(doc), 201);
}

/* Takes the new content and stores it, or only shows it on a dry run. */
static void commit(struct call *call, struct object *o, struct doc *doc, int status)
{
	if (!write_check_whole(call, doc, o)) {
		doc_free(doc);
		return;
	}
	struct node *meta = node_get(doc_root(doc), "metadata");
	const char *rv = node_find_text(meta, "resourceVersion"), *uid = node_find_text(meta, "uid");
	const struct node *old = object_root(o);
	if ((rv != NULL && *rv != '\0' && !str_eq(rv, node_find_text(old, "metadata/resourceVersion"))) ||
	    (uid != NULL && *uid && !str_eq(uid, o->uid))) {
		AUTOBUF r = BUF_INIT;
		call_resource_name(call->kind, &r);
		call_problem(call, 409, "Conflict",
			     "Operation cannot be fulfilled on %s \"%s\": the object has been modified; please apply "
			     "your changes to the latest version and try again",
			     r.data, call->name);
		doc_free(doc);
		return;
	}
	/* deletionTimestamp belongs to the server */
	node_remove(meta, "deletionTimestamp");
	node_remove(meta, "deletionGracePeriodSeconds");
	static const char *const own[] = { "deletionTimestamp", "deletionGracePeriodSeconds", "uid", "creationTimestamp", "generation",
					   "namespace" };
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		const struct node *v = node_get(node_get(old, "metadata"), own[i]);
		if (v != NULL)
			node_set(doc, meta, own[i], node_copy(doc, v));
	}
	if (call->dry_run) {
		node_set_text(doc, meta, "resourceVersion", node_find_text(old, "metadata/resourceVersion"));
		defaults_fill(doc, call->kind, doc_root(doc));
		call_object(call, status, doc_root(doc));
		doc_free(doc);
		return;
	}
	AUTODOC *shown = doc_clone(doc_root(doc));
	o = store_update(call->sim, o, doc);
	if (str_eq(call->sub, "scale"))
		call_scale(call, status, o ? object_root(o) : doc_root(shown));
	else
		call_object(call, status, o ? object_root(o) : doc_root(shown));
}

static bool set_scale(struct call *call, struct doc *doc, const struct node *scale)
{
	const struct node *replicas = node_find(scale, "spec/replicas");
	if (replicas == NULL) {
		call_problem(call, 422, "Invalid", "spec.replicas: Required value");
		return false;
	}
	struct node *spec = node_ensure_map(doc, doc_root(doc), "spec");
	if (call->kind->custom)
		spec = node_ensure_map(doc, spec, "taskManager");
	node_set_int(doc, spec, "replicas", node_integer(replicas, 0));
	return true;
}

void write_replace(struct call *call)
{
	AUTODOC *doc = read_body(call);
	if (doc == NULL)
		return;
	struct object *o = call_find(call);
	char manager[129];
	manager_name(call, manager, sizeof manager);
	if (o == NULL)
		return;
	if (str_eq(call->sub, "scale")) {
		AUTODOC *edited = store_edit(o);
		if (set_scale(call, edited, doc_root(doc)))
			commit(call, o, TAKE(edited), 200);
		return;
	}
	if (str_eq(call->sub, "finalize")) { /* of a namespace */
		AUTODOC *edited = store_edit(o);
		node_set(edited, node_ensure_map(edited, doc_root(edited), "spec"), "finalizers",
			 node_copy(edited, node_find(doc_root(doc), "spec/finalizers")));
		commit(call, o, TAKE(edited), 200);
		return;
	}
	node_ensure_map(doc, doc_root(doc), "metadata");
	if (!write_check_content(call, doc) || !write_check_strict(call, doc_root(doc)))
		return;
	if (node_find(doc_root(doc), "metadata/managedFields") == NULL)
		node_set(doc, node_get(doc_root(doc), "metadata"), "managedFields",
			 node_copy(doc, node_find(object_root(o), "metadata/managedFields")));
	admit(call, doc, false);
	fields_clean(doc);
	keep_other_half(call, doc, object_root(o));
	fields_track(call->sim, call->kind, object_root(o), doc, manager, call->sub);
	commit(call, o, TAKE(doc), 200);
}

static void server_side_apply(struct call *call, struct doc *body)
{
	struct node *root = doc_root(body), *meta = node_ensure_map(body, root, "metadata");
	char manager[129];
	bool force = str_eq(call_query(call, "force"), "true");
	if (call_query(call, "fieldManager") == NULL) {
		call_problem(call, 422, "Invalid",
			     "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
		return;
	}
	if (node_count(node_get(meta, "managedFields")) > 0) {
		call_problem(call, 400, "BadRequest", "metadata.managedFields must be nil");
		return;
	}
	manager_name(call, manager, sizeof manager);
	struct object *o = store_find(call->kind, call->ns, call->name);
	if (o == NULL && (!namespace_ready(call) || call->sub != NULL)) {
		if (call->sub != NULL)
			call_find(call);
		return;
	}
	if (node_get(meta, "name") == NULL)
		node_set_text(body, meta, "name", call->name);
	if (call->kind->namespaced && node_get(meta, "namespace") == NULL)
		node_set_text(body, meta, "namespace", call->ns);
	if (o == NULL && node_get(meta, "uid") != NULL) {
		call_problem(call, 409, "Conflict",
			     "Precondition failed: UID in precondition: %s, UID in object meta: ", node_find_text(meta, "uid"));
		return;
	}
	if (!str_eq(call->sub, "status") && !write_check_content(call, body))
		return;
	AUTOBUF field = BUF_INIT;
	if (!write_check_strict(call, root))
		return;
	if (schema_unknown(kind_schema(call->kind), root, &field)) { /* as real servers have it: an error of their own */
		AUTOBUF gv = BUF_INIT;
		kind_api_version(call->kind, &gv);
		call_problem(call, 500, "", "failed to create typed patch object (%s/%s; %s, Kind=%s): .%s: field not declared in schema",
			     call->ns ? call->ns : "", call->name, gv.data, call->kind->name, field.data);
		return;
	}
	admit(call, body, call->sub == NULL);
	struct conflicts conflicts = { 0 };
	struct doc *merged = fields_apply(call->sim, call->kind, o ? object_root(o) : NULL, root, manager, call->sub, force, &conflicts);
	if (merged == NULL) {
		AUTODOC *doc = doc_new();
		AUTOFREE char *message = mem_printf("Apply failed with %zu conflict%s: %s", conflicts.count,
						    conflicts.count == 1 ? "" : "s", buf_text(&conflicts.message));
		struct node *n = problem_node(doc, 409, "Conflict", message);
		node_set(doc, node_ensure_map(doc, n, "details"), "causes", node_copy(doc, doc_root(conflicts.causes)));
		call_answer(call, 409, n);
	} else if (o == NULL) {
		if (write_check_whole(call, merged, NULL))
			create_doc(call, TAKE(merged), 201);
		doc_free(merged);
	} else {
		keep_other_half(call, merged, object_root(o));
		commit(call, o, merged, 200);
	}
	buf_free(&conflicts.message);
	doc_free(conflicts.causes);
}

void write_patch(struct call *call)
{
	const char *type = call->request->content_type ? call->request->content_type : "";
	AUTODOC *body = read_body(call);
	if (body == NULL)
		return;
	if (str_starts(type, "application/apply-patch")) {
		server_side_apply(call, body);
		return;
	}
	struct object *o = call_find(call);
	if (o == NULL)
		return;
	AUTODOC *doc = store_edit(o);
	struct error err = ERROR_INIT;
	if (str_eq(call->sub, "scale")) {
		if (set_scale(call, doc, doc_root(body)))
			commit(call, o, TAKE(doc), 200);
		return;
	}
	if (str_starts(type, "application/json-patch")) {
		if (!patch_json(doc, doc_root(body), &err)) {
			call_problem(call, 422, "Invalid", "the server rejected our request due to an error in our request: %s",
				     err.message);
			return;
		}
	} else if (str_starts(type, "application/strategic-merge-patch") && !call->kind->custom) {
		sim_patch_strategic(doc, doc_root(doc), doc_root(body), "");
	} else if (str_starts(type, "application/merge-patch")) {
		patch_merge(doc, doc_root(doc), doc_root(body));
	} else {
		call_problem(call, 415, "UnsupportedMediaType",
			     "the body of the request was in an unknown format - accepted media types include: "
			     "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
		return;
	}
	char manager[129];
	manager_name(call, manager, sizeof manager);
	if (!node_is(doc_root(doc), NODE_MAP) || !write_check_content(call, doc) || !write_check_strict(call, doc_root(doc)))
		return;
	admit(call, doc, false);
	fields_clean(doc);
	keep_other_half(call, doc, object_root(o));
	fields_track(call->sim, call->kind, object_root(o), doc, manager, call->sub);
	commit(call, o, TAKE(doc), 200);
}

/* ---- deleting ---- */

struct delete_options {
	enum propagation how;
	int64_t grace;
	struct doc *body;
};

static void read_delete_options(struct call *call, struct delete_options *d)
{
	d->body = call->request->body_len > 0 ? doc_parse_json(call->request->body, call->request->body_len, "body", NULL, NULL) : NULL;
	const struct node *root = d->body ? doc_root(d->body) : NULL;
	const char *how = node_find_text(root, "propagationPolicy"), *grace = call_query(call, "gracePeriodSeconds");
	if (how == NULL)
		how = call_query(call, "propagationPolicy");
	d->how = str_eq(how, "Foreground") ? PROPAGATE_FOREGROUND : str_eq(how, "Orphan") ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
	d->grace = node_integer(node_get(root, "gracePeriodSeconds"), grace ? strtoll(grace, NULL, 10) : -1);
	if (str_eq(node_text(node_at(node_get(root, "dryRun"), 0)), "All"))
		call->dry_run = true;
}

void write_delete(struct call *call)
{
	struct object *o = call_find(call);
	if (o == NULL)
		return;
	struct delete_options d;
	read_delete_options(call, &d);
	CLEANUP(doc_freep) struct doc *body = d.body;
	const struct node *conditions = node_get(body ? doc_root(body) : NULL, "preconditions");
	const char *uid = node_find_text(conditions, "uid"), *rv = node_find_text(conditions, "resourceVersion");
	if ((uid != NULL && !str_eq(uid, o->uid)) ||
	    (rv != NULL && !str_eq(rv, node_find_text(object_root(o), "metadata/resourceVersion")))) {
		call_problem(call, 409, "Conflict", "Operation cannot be fulfilled on %s \"%s\": Precondition failed", call->kind->resource,
			     call->name);
		return;
	}
	AUTODOC *shown = store_edit(o);
	if (!call->dry_run)
		o = store_delete(call->sim, o, d.how, d.grace);
	if (o != NULL && !call->dry_run) {
		call_object(call, 200, object_root(o));
		return;
	}
	AUTODOC *doc = doc_new();
	struct node *n = node_map(doc), *details = node_map(doc);
	node_set_text(doc, n, "kind", "Status");
	node_set_text(doc, n, "apiVersion", "v1");
	node_set(doc, n, "metadata", node_map(doc));
	node_set_text(doc, n, "status", "Success");
	node_set_text(doc, details, "name", call->name);
	node_set_text(doc, details, "kind", call->kind->resource);
	node_set_text(doc, details, "uid", node_find_text(doc_root(shown), "metadata/uid"));
	node_set(doc, n, "details", details);
	call_answer(call, 200, n);
}

void write_delete_collection(struct call *call)
{
	struct delete_options d;
	read_delete_options(call, &d);
	doc_free(d.body);
	const char *labels = call_query(call, "labelSelector"), *fields = call_query(call, "fieldSelector");
	if (!selector_valid(labels)) {
		call_problem(call, 400, "BadRequest", "unable to parse requirement: %s", labels);
		return;
	}
	call_list(call);
	for (size_t i = call->kind->count; !call->dry_run && i-- > 0;) {
		struct object *o = call->kind->items[i];
		const struct node *r = object_root(o);
		if ((call->ns == NULL || strcmp(o->ns, call->ns) == 0) && labels_match(labels, node_find(r, "metadata/labels")) &&
		    fields_match(fields, r))
			store_delete(call->sim, o, d.how, d.grace);
	}
}
