#include "kube/kube.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/kube_private.h"

const struct doc_limits kube_doc_limits = { .bytes = (size_t)64 << 20, .nodes = 4000000 };

struct kube *kube_new(const struct http *http)
{
	return kube_new_as(http, NULL, NULL);
}

struct kube *kube_new_as(const struct http *http, const char *user, const char *const *groups)
{
	struct kube *kube = mem_alloc(sizeof *kube);
	kube->http = http;
	pthread_mutex_init(&kube->lock, NULL);
	if (user == NULL)
		return kube;
	size_t count = 1;
	for (const char *const *group = groups; group != NULL && *group != NULL; group++)
		count++;
	kube->identity = mem_array(count, sizeof *kube->identity);
	kube->identity[kube->identity_count++] = (struct http_header){ "Impersonate-User", mem_strdup(user) };
	for (const char *const *group = groups; group != NULL && *group != NULL; group++)
		kube->identity[kube->identity_count++] = (struct http_header){ "Impersonate-Group", mem_strdup(*group) };
	return kube;
}

void kube_free(struct kube *kube)
{
	if (kube == NULL)
		return;
	for (size_t i = 0; i < kube->identity_count; i++)
		free((char *)kube->identity[i].value);
	free(kube->identity);
	kube_known_free(kube->known);
	pthread_mutex_destroy(&kube->lock);
	free(kube);
}

void kube_keep_managed_fields(struct kube *kube, bool keep)
{
	kube->keep_managed_fields = keep;
}

/* Of managedFields only stays who wrote the status and when. */
void kube_trim(const struct kube *kube, struct node *object)
{
	struct node *metadata = node_get(object, "metadata");
	struct node *fields = node_get(metadata, "managedFields");
	if (kube->keep_managed_fields || fields == NULL)
		return;
	for (size_t i = node_count(fields); i-- > 0;) {
		struct node *f = node_at(fields, i);
		if (!str_eq(node_text(node_get(f, "subresource")), "status"))
			node_remove_at(fields, i);
		else
			(void)node_remove(f, "fieldsV1");
	}
	if (node_count(fields) == 0)
		node_remove(metadata, "managedFields");
}

/* ---- paths ---- */

void kube_put_version(struct buf *path, const char *api_version)
{
	buf_printf(path, "%s/%s", strchr(api_version, '/') != NULL ? "/apis" : "/api", api_version);
}

void kube_put_collection(struct buf *path, const struct kube_resource *resource, const char *ns)
{
	kube_put_version(path, resource->api_version);
	if (resource->namespaced && ns != NULL) {
		buf_puts(path, "/namespaces/");
		buf_put_url(path, ns);
	}
	buf_printf(path, "/%s", resource->plural);
}

void kube_put_query(struct buf *path, const char *name, const char *value)
{
	buf_printf(path, "%c%s=", strchr(buf_text(path), '?') != NULL ? '&' : '?', name);
	buf_put_url(path, value);
}

/* The path of one object, and what messages call it. */
static bool put_object(struct buf *path, struct buf *what, const char *verb, const struct kube_resource *resource, const char *ns,
		       const char *name, const char *subresource, struct error *err)
{
	bool in_namespace = resource->namespaced && ns != NULL && ns[0] != '\0';
	buf_printf(what, "%s %s %s%s%s", verb, resource->kind, in_namespace ? ns : "", in_namespace ? "/" : "", name != NULL ? name : "");
	if (resource->namespaced && !in_namespace)
		return error_set(err, ERROR_INVALID, "%s: a namespace is needed", buf_text(what));
	if (name == NULL || name[0] == '\0' || str_eq(name, ".") || str_eq(name, ".."))
		return error_set(err, ERROR_INVALID, "%s: a name is needed", buf_text(what));
	kube_put_collection(path, resource, ns);
	buf_putc(path, '/');
	buf_put_url(path, name);
	if (subresource != NULL)
		buf_printf(path, "/%s", subresource);
	return true;
}

/* ---- the exchange ---- */

void kube_identify(const struct kube *kube, struct http_request *request, struct http_header **headers)
{
	if (kube->identity_count == 0)
		return;
	*headers = mem_array(kube->identity_count + request->header_count, sizeof **headers);
	memcpy(*headers, kube->identity, kube->identity_count * sizeof **headers);
	if (request->header_count > 0)
		memcpy(*headers + kube->identity_count, request->headers, request->header_count * sizeof **headers);
	request->headers = *headers;
	request->header_count += kube->identity_count;
}

static bool exchange(struct kube *kube, const struct kube_call *call, struct http_response *answer, struct error *err)
{
	struct http_request request = { .method = call->method,
					.path = call->path,
					.content_type = call->content_type,
					.body = call->body,
					.body_len = call->body_len,
					.timeout_ms = call->timeout_ms };
	AUTOFREE struct http_header *headers = NULL;
	kube_identify(kube, &request, &headers);
	if (!http_send(kube->http, &request, answer, err)) {
		if (call->harmless && err != NULL && err->kind == ERROR_UNKNOWN_OUTCOME)
			err->kind = ERROR_TRANSIENT;
		return call->what != NULL ? error_wrap(err, "%s", call->what) : false;
	}
	if (answer->status >= 200 && answer->status < 300)
		return true;
	return kube_status_error(call, answer->status, buf_text(&answer->body), answer->body.len, answer->retry_after_ms, err);
}

bool kube_call(struct kube *kube, const struct kube_call *call, struct doc **out, struct error *err)
{
	if (kube->cache != NULL && strcmp(call->method, "GET") != 0)
		return error_set(err, ERROR_BUG, "%s: on the strength of what may be behind the cluster", call->what);
	AUTORESPONSE answer = { 0 };
	if (!exchange(kube, call, &answer, err))
		return false;
	if (out == NULL)
		return true;
	struct error why = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(buf_text(&answer.body), answer.body.len, "answer", &kube_doc_limits, &why);
	if (doc == NULL || !node_is(doc_root(doc), NODE_MAP)) {
		bool reads = call->harmless || strcmp(call->method, "GET") == 0;
		enum error_kind kind = reads ? ERROR_TRANSIENT : ERROR_UNKNOWN_OUTCOME;
		if (why.kind == ERROR_LIMIT)
			kind = ERROR_LIMIT;
		return error_set(err, kind, "%s: the server's answer is not a JSON object: %s",
				 call->what != NULL ? call->what : call->path, why.message);
	}
	*out = TAKE(doc);
	return true;
}

static bool call_object(struct kube *kube, struct kube_call *call, const struct node *body, struct doc **out, struct error *err)
{
	AUTOBUF text = BUF_INIT;
	if (body != NULL) {
		node_to_json(body, &text, JSON_COMPACT);
		call->body = buf_text(&text);
		call->body_len = text.len;
		if (call->content_type == NULL)
			call->content_type = "application/json";
	}
	if (!kube_call(kube, call, out, err))
		return false;
	if (out != NULL)
		kube_trim(kube, doc_root(*out));
	return true;
}

/* ---- verbs ---- */

bool kube_get(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, struct doc **out,
	      struct error *err)
{
	AUTOBUF path = BUF_INIT, what = BUF_INIT;
	if (!put_object(&path, &what, "get", resource, ns, name, NULL, err))
		return false;
	enum cache_answer known = kube->cache == NULL ? CACHE_ASK : kube_cache_find(kube->cache, resource, ns, name, out);
	if (known != CACHE_ASK)
		return known == CACHE_FOUND || error_set(err, ERROR_NOT_FOUND, "%s: it is not there", buf_text(&what));
	struct kube_call call = { .method = "GET", .path = buf_text(&path), .what = buf_text(&what) };
	return call_object(kube, &call, NULL, out, err);
}

static bool create(struct kube *kube, const struct kube_resource *resource, const char *ns, const struct node *object, bool dry_run,
		   struct doc **out, struct error *err)
{
	AUTOBUF path = BUF_INIT, what = BUF_INIT, ignored = BUF_INIT;
	const char *name = node_find_text(object, "metadata/name");
	if (name == NULL)
		name = node_text_or(node_find(object, "metadata/generateName"), "");
	if (!put_object(&ignored, &what, dry_run ? "dry-run create" : "create", resource, ns, name, NULL, err))
		return false;
	kube_put_collection(&path, resource, ns);
	kube_put_query(&path, "fieldManager", "weir");
	if (dry_run)
		kube_put_query(&path, "dryRun", "All");
	struct kube_call call = { .method = "POST", .path = buf_text(&path), .what = buf_text(&what), .harmless = dry_run };
	return call_object(kube, &call, object, out, err);
}

bool kube_create(struct kube *kube, const struct kube_resource *resource, const char *ns, const struct node *object, struct doc **out,
		 struct error *err)
{
	return create(kube, resource, ns, object, false, out, err);
}

bool kube_try_create(struct kube *kube, const struct kube_resource *resource, const char *ns, const struct node *object, struct error *err)
{
	return create(kube, resource, ns, object, true, NULL, err);
}

static bool replace(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, const char *subresource,
		    const struct node *object, struct doc **out, struct error *err)
{
	AUTOBUF path = BUF_INIT, what = BUF_INIT;
	if (!put_object(&path, &what, subresource != NULL ? "replace status of" : "replace", resource, ns, name, subresource, err))
		return false;
	kube_put_query(&path, "fieldManager", "weir");
	struct kube_call call = { .method = "PUT", .path = buf_text(&path), .what = buf_text(&what) };
	return call_object(kube, &call, object, out, err);
}

bool kube_replace(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, const struct node *object,
		  struct doc **out, struct error *err)
{
	return replace(kube, resource, ns, name, NULL, object, out, err);
}

bool kube_replace_status(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name,
			 const struct node *object, struct doc **out, struct error *err)
{
	return replace(kube, resource, ns, name, "status", object, out, err);
}

bool kube_patch(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, enum kube_patch_type type,
		const char *subresource, const struct node *patch, struct doc **out, struct error *err)
{
	static const char *const types[] = {
		[KUBE_MERGE_PATCH] = "application/merge-patch+json",
		[KUBE_JSON_PATCH] = "application/json-patch+json",
		[KUBE_STRATEGIC_PATCH] = "application/strategic-merge-patch+json",
	};
	AUTOBUF path = BUF_INIT, what = BUF_INIT;
	if (!put_object(&path, &what, "patch", resource, ns, name, subresource, err))
		return false;
	kube_put_query(&path, "fieldManager", "weir");
	struct kube_call call = { .method = "PATCH", .path = buf_text(&path), .what = buf_text(&what), .content_type = types[type] };
	return call_object(kube, &call, patch, out, err);
}

bool kube_apply(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name, const struct node *object,
		const struct kube_apply_options *options, struct doc **out, struct error *err)
{
	const struct kube_apply_options none = { 0 };
	const struct kube_apply_options *o = options != NULL ? options : &none;
	AUTOBUF path = BUF_INIT, what = BUF_INIT;
	if (!put_object(&path, &what, o->dry_run ? "dry-run apply" : "apply", resource, ns, name, o->subresource, err))
		return false;
	kube_put_query(&path, "fieldManager", o->field_manager != NULL ? o->field_manager : "weir");
	if (o->force)
		kube_put_query(&path, "force", "true");
	if (o->dry_run)
		kube_put_query(&path, "dryRun", "All");
	if (o->field_validation != NULL)
		kube_put_query(&path, "fieldValidation", o->field_validation);
	struct kube_call call = { .method = "PATCH",
				  .path = buf_text(&path),
				  .what = buf_text(&what),
				  .content_type = "application/apply-patch+yaml",
				  .harmless = o->dry_run };
	return call_object(kube, &call, object, out, err);
}

bool kube_delete(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *name,
		 const struct kube_delete_options *options, struct error *err)
{
	const struct kube_delete_options none = { .grace_seconds = -1 };
	const struct kube_delete_options *o = options != NULL ? options : &none;
	AUTOBUF path = BUF_INIT, what = BUF_INIT;
	if (!put_object(&path, &what, "delete", resource, ns, name, NULL, err))
		return false;
	AUTODOC *doc = doc_new();
	struct node *body = node_map(doc);
	node_set_text(doc, body, "apiVersion", "v1");
	node_set_text(doc, body, "kind", "DeleteOptions");
	node_set_text(doc, body, "propagationPolicy", o->propagation);
	if (o->uid != NULL || o->resource_version != NULL) {
		struct node *preconditions = node_ensure_map(doc, body, "preconditions");
		node_set_text(doc, preconditions, "uid", o->uid);
		node_set_text(doc, preconditions, "resourceVersion", o->resource_version);
	}
	if (o->grace_seconds >= 0)
		node_set_int(doc, body, "gracePeriodSeconds", o->grace_seconds);
	if (o->dry_run) {
		struct node *all = node_list(doc);
		node_append(doc, all, node_string(doc, "All"));
		node_set(doc, body, "dryRun", all);
	}
	struct kube_call call = { .method = "DELETE", .path = buf_text(&path), .what = buf_text(&what), .harmless = o->dry_run };
	return call_object(kube, &call, body, NULL, err);
}

bool kube_raw_get(struct kube *kube, const char *path, struct buf *body, struct error *err)
{
	const struct kube_call call = { .method = "GET", .path = path };
	AUTORESPONSE answer = { 0 };
	if (!exchange(kube, &call, &answer, err))
		return false;
	buf_append(body, buf_text(&answer.body), answer.body.len);
	return true;
}
