/* What the API server checks of an object before it is written. Each answers the call and returns false where something is wrong. */
#include "sim/internal.h"

static bool name_ok(const char *name)
{
	if (name == NULL || *name == '\0' || strlen(name) > 253)
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' || *p == '.' || *p == ':'))
			return false;
	return name[0] != '-' && name[0] != '.';
}

bool write_check_content(struct call *call, struct doc *doc)
{
	struct node *root = doc_root(doc), *meta = node_get(root, "metadata");
	const char *kind = node_find_text(root, "kind"), *name = node_find_text(meta, "name"), *ns = node_find_text(meta, "namespace");
	AUTOBUF gv = BUF_INIT;
	kind_api_version(call->kind, &gv);
	if (!node_is(root, NODE_MAP) || (kind != NULL && strcmp(kind, call->kind->name) != 0) ||
	    (node_get(root, "apiVersion") != NULL && !str_eq(node_find_text(root, "apiVersion"), gv.data))) {
		call_problem(call, 400, "BadRequest", "the object provided is unrecognized: expected %s, Kind=%s", gv.data,
			     call->kind->name);
		return false;
	}
	if (call->ns != NULL && ns != NULL && strcmp(ns, call->ns) != 0) {
		call_problem(call, 400, "BadRequest",
			     "the namespace of the provided object does not match the namespace sent on the request");
		return false;
	}
	if (call->name != NULL && name != NULL && strcmp(name, call->name) != 0) {
		call_problem(call, 400, "BadRequest", "the name of the object (%s) does not match the name on the URL (%s)", name,
			     call->name);
		return false;
	}
	if (name == NULL || *name == '\0' || (!name_ok(name) && strncmp(call->kind->group, "rbac", 4) != 0)) {
		call_problem(call, 422, "Invalid",
			     "%s \"%s\" is invalid: metadata.name: Invalid value: \"%s\": a lowercase RFC 1123 subdomain "
			     "must consist of lower case alphanumeric characters, '-' or '.'",
			     call->kind->name, name ? name : "", name ? name : "");
		return false;
	}
	return true;
}

static bool list_has(const struct node *list, const char *text)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_at(list, i)), text))
			return true;
	return false;
}

/* fieldValidation=Strict: unknown fields are an error, where the schema is known. */
bool write_check_strict(struct call *call, const struct node *root)
{
	AUTOBUF field = BUF_INIT;
	if (!str_eq(call_query(call, "fieldValidation"), "Strict") || !schema_unknown(kind_schema(call->kind), root, &field))
		return true;
	call_problem(call, 400, "BadRequest", "strict decoding error: unknown field \"%s\"", field.data);
	return false;
}

/* What the API server checks of a whole object, after merging. */
bool write_check_whole(struct call *call, struct doc *doc, const struct object *old)
{
	struct node *root = doc_root(doc);
	const char *name = node_text_or(node_find(root, "metadata/name"), "");
	AUTOBUF problem = BUF_INIT;
	if (!schema_check(kind_schema(call->kind), root, &problem)) {
		call_problem(call, 422, "Invalid", "%s.%s \"%s\" is invalid: %s", call->kind->name, call->kind->group, name, problem.data);
		return false;
	}
	const struct node *finalizers = node_find(root, "metadata/finalizers");
	bool deleting = old != NULL && node_find(object_root(old), "metadata/deletionTimestamp") != NULL;
	for (size_t i = 0; deleting && i < node_count(finalizers); i++) {
		const char *added = node_text_or(node_at(finalizers, i), "");
		if (list_has(node_find(object_root(old), "metadata/finalizers"), added))
			continue;
		call_problem(call, 422, "Invalid",
			     "%s \"%s\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
			     "deleted, found new finalizers []string{\"%s\"}",
			     call->kind->name, name, added);
		return false;
	}
	if (strcmp(call->kind->resource, "deployments") != 0)
		return true;
	if (!labels_cover(node_find(root, "spec/selector/matchLabels"), node_find(root, "spec/template/metadata/labels"))) {
		call_problem(call, 422, "Invalid",
			     "Deployment.apps \"%s\" is invalid: spec.template.metadata.labels: Invalid value: "
			     "`selector` does not match template `labels`",
			     name);
		return false;
	}
	if (old != NULL && !node_equal(node_find(object_root(old), "spec/selector"), node_find(root, "spec/selector"))) {
		call_problem(call, 422, "Invalid", "Deployment.apps \"%s\" is invalid: spec.selector: Invalid value: field is immutable",
			     name);
		return false;
	}
	return true;
}
