/* What a CRD's schema demands: types, bounds, required fields and enumerations, in the API server's words; and which fields it knows. */
#include "sim/internal.h"

/* Text that a schema's messages show for a value. */
static void put_value(const struct node *value, struct buf *out)
{
	if (node_is(value, NODE_MAP) || node_is(value, NODE_LIST))
		buf_printf(out, "\"%s\"", node_is(value, NODE_MAP) ? "object" : "array");
	else
		node_to_json(value, out, 0);
}

static const char *type_of(const struct node *value)
{
	switch (node_kind(value)) {
	case NODE_BOOL:
		return "boolean";
	case NODE_NUMBER:
		return strpbrk(node_text(value), ".eE") != NULL ? "number" : "integer";
	case NODE_STRING:
		return "string";
	case NODE_LIST:
		return "array";
	case NODE_MAP:
		return "object";
	default:
		return "null";
	}
}

static bool type_fits(const struct node *schema, const struct node *value)
{
	const char *want = node_find_text(schema, "type"), *have = type_of(value);
	if (node_truth(node_get(schema, "x-kubernetes-int-or-string"), false))
		return strcmp(have, "integer") == 0 || strcmp(have, "string") == 0;
	return want == NULL || strcmp(want, have) == 0 || (strcmp(want, "number") == 0 && strcmp(have, "integer") == 0);
}

static bool in_bounds(const struct node *schema, const struct node *value, const char *path, struct buf *problem)
{
	static const struct {
		const char *key, *words;
		double sign;
	} bounds[] = { { "minimum", "greater", 1 }, { "maximum", "less", -1 } };
	for (size_t i = 0; node_is(value, NODE_NUMBER) && i < ARRAY_SIZE(bounds); i++) {
		const struct node *bound = node_get(schema, bounds[i].key);
		if (bound == NULL || (node_double(value, 0) - node_double(bound, 0)) * bounds[i].sign >= 0)
			continue;
		buf_printf(problem, "%s: Invalid value: %s: %s in body should be %s than or equal to %s", path, node_text(value), path,
			   bounds[i].words, node_text(bound));
		return false;
	}
	const struct node *allowed = node_get(schema, "enum");
	for (size_t i = 0; i < node_count(allowed); i++)
		if (node_equal(node_at(allowed, i), value))
			return true;
	if (node_count(allowed) == 0)
		return true;
	buf_printf(problem, "%s: Unsupported value: ", path);
	put_value(value, problem);
	buf_puts(problem, ": supported values: ");
	for (size_t i = 0; i < node_count(allowed); i++) {
		buf_puts(problem, i > 0 ? ", " : "");
		put_value(node_at(allowed, i), problem);
	}
	return false;
}

static char *below(const char *path, const char *key)
{
	return mem_printf("%s%s%s", path, *path != '\0' ? "." : "", key);
}

static bool check(const struct node *schema, const struct node *value, const char *path, struct buf *problem)
{
	if (schema == NULL || value == NULL || node_is(value, NODE_NULL)) /* null counts as absent */
		return true;
	if (!type_fits(schema, value)) {
		buf_printf(problem, "%s: Invalid value: \"%s\": %s in body must be of type %s: \"%s\"", path, type_of(value), path,
			   node_text_or(node_find(schema, "type"), "integer or string"), type_of(value));
		return false;
	}
	if (!in_bounds(schema, value, path, problem))
		return false;
	const struct node *required = node_get(schema, "required");
	for (size_t i = 0; node_is(value, NODE_MAP) && i < node_count(required); i++)
		if (node_get(value, node_text_or(node_at(required, i), "")) == NULL) {
			AUTOFREE char *at = below(path, node_text_or(node_at(required, i), ""));
			buf_printf(problem, "%s: Required value", at);
			return false;
		}
	for (size_t i = 0; node_is(value, NODE_LIST) && i < node_count(value); i++) {
		AUTOFREE char *at = mem_printf("%s[%zu]", path, i);
		if (!check(node_get(schema, "items"), node_at(value, i), at, problem))
			return false;
	}
	const struct node *properties = node_get(schema, "properties"), *any = node_get(schema, "additionalProperties");
	for (size_t i = 0; node_is(value, NODE_MAP) && i < node_count(value); i++) {
		const char *key = node_key_at(value, i);
		if (*path == '\0' && strcmp(key, "metadata") == 0)
			continue;
		const struct node *child = node_get(properties, key);
		AUTOFREE char *at = below(path, key);
		if (!check(child != NULL ? child : node_is(any, NODE_MAP) ? any : NULL, node_value_at(value, i), at, problem))
			return false;
	}
	return true;
}

bool schema_check(const struct node *schema, const struct node *root, struct buf *problem)
{
	return check(schema, root, "", problem);
}

static bool unknown(const struct node *schema, const struct node *value, const char *path, bool top, struct buf *out)
{
	if (schema == NULL || node_truth(node_get(schema, "x-kubernetes-preserve-unknown-fields"), false))
		return false;
	for (size_t i = 0; node_is(value, NODE_LIST) && i < node_count(value); i++) {
		AUTOFREE char *at = mem_printf("%s[%zu]", path, i);
		if (unknown(node_get(schema, "items"), node_at(value, i), at, false, out))
			return true;
	}
	const struct node *properties = node_get(schema, "properties"), *any = node_get(schema, "additionalProperties");
	for (size_t i = 0; node_is(value, NODE_MAP) && i < node_count(value); i++) {
		const char *key = node_key_at(value, i);
		const struct node *child = node_get(properties, key);
		if (top && (strcmp(key, "metadata") == 0 || strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0))
			continue;
		AUTOFREE char *at = below(path, key);
		if (child == NULL && any == NULL && str_eq(node_find_text(schema, "type"), "object")) {
			buf_puts(out, at);
			return true;
		}
		if (unknown(child != NULL ? child : node_is(any, NODE_MAP) ? any : NULL, node_value_at(value, i), at, false, out))
			return true;
	}
	return false;
}

bool schema_unknown(const struct node *schema, const struct node *root, struct buf *field)
{
	return unknown(schema, root, "", true, field);
}
