/*
 * Strategic merge as kustomize 5.5 does it. Where that loses what somebody wrote (an element without its key, two of one key, a directive
 * in a list that has none), this is an error instead.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "render/patch.h"
#include "render/schema.h"

struct merge {
	struct doc *doc;
	const char *file;
	struct error *err;
	struct buf path;
	bool failed;
};

enum directive { DIRECTIVE_NONE, DIRECTIVE_MERGE, DIRECTIVE_REPLACE, DIRECTIVE_DELETE };

static struct node *fail(struct merge *m, enum error_kind kind, const struct node *at, const char *what)
{
	if (!m->failed)
		(void)error_set(m->err, kind, "%s:%u: patch: %s: %s", m->file, node_line(at),
				m->path.len > 0 ? buf_text(&m->path) : "object", what);
	m->failed = true;
	return NULL;
}

static size_t enter(struct merge *m, const char *key)
{
	size_t before = m->path.len;
	buf_printf(&m->path, "%s%s", before > 0 ? "." : "", key);
	return before;
}

static void leave(struct merge *m, size_t before)
{
	m->path.len = before;
	if (m->path.data != NULL)
		m->path.data[before] = '\0';
}

static enum directive directive_of(struct merge *m, const struct node *map)
{
	const struct node *n = node_get(map, "$patch");
	if (n == NULL)
		return DIRECTIVE_NONE;
	const char *text = node_text_or(n, "");
	if (strcmp(text, "merge") == 0)
		return DIRECTIVE_MERGE;
	if (strcmp(text, "replace") == 0)
		return DIRECTIVE_REPLACE;
	if (strcmp(text, "delete") == 0)
		return DIRECTIVE_DELETE;
	(void)fail(m, ERROR_INVALID, n, "$patch must be merge, replace or delete");
	return DIRECTIVE_NONE;
}

static struct node *merge(struct merge *m, struct node *dest, const struct node *src, const struct schema_field *field);

/* A list that is taken as it is must not hold directives: they would stay in the object. */
static void refuse_directives(struct merge *m, const struct node *n)
{
	for (size_t i = 0; i < node_count(n) && !m->failed; i++) {
		const char *key = node_key_at(n, i);
		if (key != NULL && *key == '$')
			(void)fail(m, ERROR_UNSUPPORTED, n, "a $ directive in a list that has no merge key (it is replaced as a whole)");
		refuse_directives(m, key == NULL ? node_at(n, i) : node_value_at(n, i));
	}
}

static struct node *added_map(struct merge *m, const struct node *src, const char *type);

/* A value that the object did not have. NULL: nothing is added. */
static struct node *added(struct merge *m, const struct node *src, const struct schema_field *field)
{
	switch (node_kind(src)) {
	case NODE_NULL:
		return NULL;
	case NODE_MAP:
		return added_map(m, src, field == NULL ? NULL : field->type);
	case NODE_LIST:
		return merge(m, node_list(m->doc), src, field);
	default:
		return node_copy(m->doc, src);
	}
}

static struct node *merge_map(struct merge *m, struct node *dest, const struct node *src, const char *type)
{
	for (size_t i = 0; i < node_count(src) && !m->failed; i++) {
		const char *key = node_key_at(src, i);
		const struct node *value = node_value_at(src, i);
		if (strcmp(key, "$patch") == 0)
			continue;
		size_t before = enter(m, key);
		if (str_starts(key, "$setElementOrder/") || str_starts(key, "$deleteFromPrimitiveList/") || strcmp(key, "$retainKeys") == 0)
			return fail(m, ERROR_UNSUPPORTED, value, "this directive is not supported");
		const struct schema_field *field = schema_field(type, key);
		struct node *old = node_get(dest, key);
		struct node *result = NULL;
		if (old == NULL || node_is(old, NODE_NULL))
			result = added(m, value, field);
		else if (!node_is(value, NODE_NULL))
			result = merge(m, old, value, field);
		if (result != NULL)
			node_set(m->doc, dest, key, result);
		else if (!m->failed)
			(void)node_remove(dest, key);
		leave(m, before);
	}
	return dest;
}

static struct node *added_map(struct merge *m, const struct node *src, const char *type)
{
	if (directive_of(m, src) == DIRECTIVE_DELETE)
		return NULL;
	return merge_map(m, node_map(m->doc), src, type);
}

/* ---- lists ---- */

struct keys {
	const char *names[2];
	size_t used; /* of them, by any element */
};

static const char *key_text(const struct node *element, const char *key)
{
	const char *text = node_text(node_get(element, key));
	return text == NULL && strcmp(key, "protocol") == 0 ? "TCP" : text;
}

static bool same_element(const struct keys *k, const struct node *a, const struct node *b)
{
	for (size_t i = 0; i < 2 && k->names[i] != NULL; i++)
		if (!str_eq(key_text(a, k->names[i]), key_text(b, k->names[i])))
			return false;
	return true;
}

static bool lone_directive(const struct node *element)
{
	return node_count(element) == 1 && node_get(element, "$patch") != NULL;
}

static bool check_keys(struct merge *m, const struct node *list, struct keys *k, const char *whose)
{
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *element = node_at(list, i);
		if (lone_directive(element))
			continue;
		if (!node_is(element, NODE_MAP) || node_text(node_get(element, k->names[0])) == NULL) {
			AUTOFREE char *what = mem_printf("an element of the %s lacks its merge key '%s'", whose, k->names[0]);
			(void)fail(m, ERROR_INVALID, node_is(element, NODE_NULL) ? list : element, what);
			return false;
		}
		if (k->names[1] != NULL && node_get(element, k->names[1]) != NULL)
			k->used = 2;
		for (size_t j = 0; j < i; j++)
			if (same_element(k, node_at(list, j), element)) {
				AUTOFREE char *what = mem_printf("two elements of the %s have the %s '%s'", whose, k->names[0],
								 node_text(node_get(element, k->names[0])));
				(void)fail(m, ERROR_INVALID, element, what);
				return false;
			}
	}
	return true;
}

static long find_element(const struct keys *k, const struct node *list, const struct node *like)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (same_element(k, node_at(list, i), like))
			return (long)i;
	return -1;
}

static bool nothing_left(const struct node *n)
{
	return n == NULL || (node_is(n, NODE_MAP) && node_count(n) == 0);
}

/* One element of the patch: into `front` if it leads the list, otherwise merged where it stands. */
static void merge_element(struct merge *m, const struct keys *k, struct node *dest, const struct node *element, const char *type,
			  struct node *front)
{
	long at = find_element(k, dest, element);
	enum directive d = directive_of(m, element);
	struct node *result;
	if (at < 0 || d == DIRECTIVE_REPLACE)
		result = added_map(m, element, type);
	else
		result = d == DIRECTIVE_DELETE ? NULL : merge_map(m, node_at(dest, (size_t)at), element, type);
	if (m->failed)
		return;
	bool in_place = at >= 0 && k->used == 2 && !nothing_left(result);
	if (in_place)
		node_replace_at(dest, (size_t)at, result);
	else if (at >= 0)
		node_remove_at(dest, (size_t)at);
	if (!in_place && !nothing_left(result))
		node_append(m->doc, front, result);
}

static struct node *merge_keyed(struct merge *m, struct node *dest, const struct node *src, const struct schema_field *field)
{
	struct keys k = { { field->keys[0], field->keys[1] }, 1 };
	if (!check_keys(m, src, &k, "patch") || !check_keys(m, dest, &k, "object"))
		return NULL;
	for (size_t i = 0; i < node_count(src); i++) {
		enum directive d = lone_directive(node_at(src, i)) ? directive_of(m, node_at(src, i)) : DIRECTIVE_NONE;
		if (d == DIRECTIVE_DELETE)
			return NULL;
		if (d == DIRECTIVE_REPLACE) {
			dest = node_list(m->doc);
			break;
		}
	}
	struct node *front = node_list(m->doc);
	for (size_t i = 0; i < node_count(src) && !m->failed; i++)
		if (!lone_directive(node_at(src, i)))
			merge_element(m, &k, dest, node_at(src, i), field->type, front);
	for (size_t i = 0; i < node_count(dest); i++)
		node_append(m->doc, front, node_at(dest, i));
	return front;
}

static struct node *merge_set(struct merge *m, const struct node *dest, const struct node *src)
{
	struct node *out = node_copy(m->doc, src);
	for (size_t i = 0; i < node_count(dest); i++) {
		bool there = false;
		for (size_t k = 0; k < node_count(src); k++)
			there |= node_equal(node_at(src, k), node_at(dest, i));
		if (!there)
			node_append(m->doc, out, node_at(dest, i));
	}
	return out;
}

/* Both are there and the patch's value is not null. NULL: the field goes. */
static struct node *merge(struct merge *m, struct node *dest, const struct node *src, const struct schema_field *field)
{
	bool map = node_is(src, NODE_MAP), list = node_is(src, NODE_LIST);
	if (map != node_is(dest, NODE_MAP) || list != node_is(dest, NODE_LIST)) {
		AUTOFREE char *what = mem_printf("wrong node kind: expected a %s but got a %s", node_kind_name(node_kind(dest)),
						 node_kind_name(node_kind(src)));
		return fail(m, ERROR_INVALID, src, what);
	}
	if (map) {
		enum directive d = directive_of(m, src);
		if (d == DIRECTIVE_DELETE)
			return NULL;
		if (d == DIRECTIVE_REPLACE)
			dest = node_map(m->doc);
		return merge_map(m, dest, src, field == NULL ? NULL : field->type);
	}
	if (list && field != NULL && field->list == LIST_KEYED)
		return merge_keyed(m, dest, src, field);
	if (list) {
		refuse_directives(m, src);
		return field != NULL && field->list == LIST_SET ? merge_set(m, dest, src) : node_copy(m->doc, src);
	}
	if (yaml_was_quoted(dest) && !node_is(src, NODE_STRING)) { /* what was in quotes stays a string */
		struct node *text = node_copy(m->doc, dest);
		node_set_string(m->doc, text, node_text(src));
		return text;
	}
	return node_copy(m->doc, src);
}

bool patch_strategic(struct resource *r, const struct node *patch, const char *file, bool *gone, struct error *err)
{
	struct merge m = { .doc = r->doc, .file = file, .err = err };
	enum directive d = directive_of(&m, patch);
	*gone = d == DIRECTIVE_DELETE;
	if (d == DIRECTIVE_REPLACE)
		(void)fail(&m, ERROR_UNSUPPORTED, patch,
			   "$patch: replace of a whole object does nothing in kustomize; replace the file instead");
	if (!m.failed && !*gone) {
		const char *type = schema_type(r->group, r->version, resource_kind(r));
		(void)merge_map(&m, resource_root(r), patch, type);
	}
	buf_free(&m.path);
	return !m.failed;
}
