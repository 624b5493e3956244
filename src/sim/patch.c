/* Merge patches (RFC 7386), JSON patches (RFC 6902) and strategic merge patches. */
#include "sim/internal.h"

void patch_merge(struct doc *doc, struct node *target, const struct node *patch)
{
	for (size_t i = 0; i < node_count(patch); i++) {
		const char *key = node_key_at(patch, i);
		const struct node *value = node_value_at(patch, i);
		if (node_is(value, NODE_NULL)) {
			node_remove(target, key);
		} else if (node_is(value, NODE_MAP)) {
			struct node *child = node_get(target, key);
			if (!node_is(child, NODE_MAP))
				node_set(doc, target, key, child = node_map(doc));
			patch_merge(doc, child, value);
		} else {
			node_set(doc, target, key, node_copy(doc, value));
		}
	}
}

/* ---- JSON patch ---- */

static char *pointer_token(const char **at)
{
	AUTOBUF b = BUF_INIT;
	const char *p = *at + 1;
	for (; *p != '\0' && *p != '/'; p++) {
		if (*p == '~' && (p[1] == '0' || p[1] == '1'))
			buf_putc(&b, *++p == '0' ? '~' : '/');
		else
			buf_putc(&b, *p);
	}
	*at = p;
	return mem_strdup(buf_text(&b));
}

static struct node *step(struct node *n, const char *token)
{
	if (node_is(n, NODE_LIST)) {
		char *end;
		size_t i = strtoul(token, &end, 10);
		return *end == '\0' && *token != '\0' ? node_at(n, i) : NULL;
	}
	return node_get(n, token);
}

/* The parent of what a pointer names; the last token in *last (owned). NULL when the way there does not exist. */
static struct node *parent_of(struct node *root, const char *pointer, char **last)
{
	struct node *n = root;
	if (*pointer != '/')
		return NULL;
	for (;;) {
		char *token = pointer_token(&pointer);
		if (*pointer == '\0') {
			*last = token;
			return n;
		}
		n = step(n, token);
		free(token);
		if (n == NULL)
			return NULL;
	}
}

static struct node *pointed(struct node *root, const char *pointer)
{
	if (*pointer == '\0')
		return root;
	AUTOFREE char *last = NULL;
	struct node *parent = parent_of(root, pointer, &last);
	return parent == NULL ? NULL : step(parent, last);
}

static bool put(struct doc *doc, const char *pointer, struct node *value, bool must_exist, struct error *err)
{
	if (*pointer == '\0') {
		doc_set_root(doc, value);
		return true;
	}
	AUTOFREE char *last = NULL;
	struct node *parent = parent_of(doc_root(doc), pointer, &last);
	if (parent == NULL || (must_exist && step(parent, last) == NULL))
		return error_set(err, ERROR_INVALID, "doc is missing path: %s", pointer);
	if (node_is(parent, NODE_MAP)) {
		node_set(doc, parent, last, value);
	} else if (node_is(parent, NODE_LIST)) {
		size_t i = strcmp(last, "-") == 0 ? node_count(parent) : strtoul(last, NULL, 10);
		if (i > node_count(parent))
			return error_set(err, ERROR_INVALID, "index out of bounds: %s", pointer);
		if (must_exist)
			node_replace_at(parent, i, value);
		else
			node_insert(doc, parent, i, value);
	} else {
		return error_set(err, ERROR_INVALID, "not a container: %s", pointer);
	}
	return true;
}

static bool take_away(struct doc *doc, const char *pointer, struct error *err)
{
	AUTOFREE char *last = NULL;
	struct node *parent = parent_of(doc_root(doc), pointer, &last);
	if (parent == NULL || step(parent, last) == NULL)
		return error_set(err, ERROR_INVALID, "remove operation does not apply: doc is missing path: %s", pointer);
	if (node_is(parent, NODE_LIST))
		node_remove_at(parent, strtoul(last, NULL, 10));
	else
		node_remove(parent, last);
	return true;
}

bool patch_json(struct doc *doc, const struct node *ops, struct error *err)
{
	if (!node_is(ops, NODE_LIST))
		return error_set(err, ERROR_INVALID, "a JSON patch is a list");
	for (size_t i = 0; i < node_count(ops); i++) {
		const struct node *op = node_at(ops, i), *value = node_get(op, "value");
		const char *name = node_text_or(node_get(op, "op"), ""), *path = node_text_or(node_get(op, "path"), "");
		const char *from = node_text_or(node_get(op, "from"), "");
		struct node *copy = NULL;
		if (strcmp(name, "add") == 0 || strcmp(name, "replace") == 0) {
			if (value == NULL || !put(doc, path, node_copy(doc, value), name[0] == 'r', err))
				return err == NULL || err->kind != ERROR_NONE ? false
									      : error_set(err, ERROR_INVALID, "%s without value", name);
		} else if (strcmp(name, "remove") == 0) {
			if (!take_away(doc, path, err))
				return false;
		} else if (strcmp(name, "test") == 0) {
			struct node *there = pointed(doc_root(doc), path);
			if (!(there == NULL ? value == NULL || node_is(value, NODE_NULL) : node_equal(there, value)))
				return error_set(err, ERROR_INVALID, "testing value %s failed", path);
		} else if (strcmp(name, "move") == 0 || strcmp(name, "copy") == 0) {
			if ((copy = pointed(doc_root(doc), from)) == NULL)
				return error_set(err, ERROR_INVALID, "doc is missing path: %s", from);
			copy = node_copy(doc, copy);
			if ((name[0] == 'm' && !take_away(doc, from, err)) || !put(doc, path, copy, false, err))
				return false;
		} else {
			return error_set(err, ERROR_INVALID, "unknown operation \"%s\"", name);
		}
	}
	return true;
}

/* ---- strategic merge patch ---- */

static size_t find_item(const struct node *list, const char *key, const struct node *item)
{
	if (*key != '\0' && node_get(item, key) == NULL)
		return (size_t)-1;
	for (size_t i = 0; i < node_count(list); i++)
		if (*key == '\0' ? node_equal(node_at(list, i), item) : node_equal(node_get(node_at(list, i), key), node_get(item, key)))
			return i;
	return (size_t)-1;
}

static void merge_list(struct doc *doc, struct node *target, const struct node *patch, const char *key, const char *field)
{
	for (size_t i = 0; i < node_count(patch); i++) {
		const struct node *item = node_at(patch, i);
		const char *directive = node_find_text(item, "$patch");
		if (str_eq(directive, "replace")) {
			while (node_count(target) > 0)
				node_remove_at(target, 0);
			continue;
		}
		size_t at = find_item(target, key, item);
		if (str_eq(directive, "delete")) {
			if (at != (size_t)-1)
				node_remove_at(target, at);
		} else if (at == (size_t)-1) {
			struct node *fresh = node_is(item, NODE_MAP) ? node_map(doc) : node_copy(doc, item);
			if (node_is(item, NODE_MAP))
				sim_patch_strategic(doc, fresh, item, field);
			node_append(doc, target, fresh);
		} else if (node_is(item, NODE_MAP) && node_is(node_at(target, at), NODE_MAP)) {
			sim_patch_strategic(doc, node_at(target, at), item, field);
		}
	}
}

void sim_patch_strategic(struct doc *doc, struct node *target, const struct node *patch, const char *field)
{
	const struct node *retain = node_get(patch, "$retainKeys");
	bool replace_all = str_eq(node_find_text(patch, "$patch"), "replace");
	for (size_t i = node_count(target); (retain != NULL || replace_all) && i-- > 0;) {
		bool keep = false;
		for (size_t j = 0; j < node_count(retain); j++)
			keep = keep || str_eq(node_text(node_at(retain, j)), node_key_at(target, i));
		if (!keep)
			node_remove_at(target, i);
	}
	for (size_t i = 0; i < node_count(patch); i++) {
		const char *key = node_key_at(patch, i);
		const struct node *value = node_value_at(patch, i);
		struct node *there = node_get(target, key);
		if (str_starts(key, "$deleteFromPrimitiveList/")) {
			struct node *list = node_get(target, strchr(key, '/') + 1);
			for (size_t j = 0; j < node_count(value); j++) {
				size_t at = find_item(list, "", node_at(value, j));
				if (at != (size_t)-1)
					node_remove_at(list, at);
			}
		} else if (*key == '$') {
			continue;
		} else if (node_is(value, NODE_NULL)) {
			node_remove(target, key);
		} else if (node_is(value, NODE_MAP)) {
			if (str_eq(node_find_text(value, "$patch"), "delete")) {
				node_remove(target, key);
				continue;
			}
			if (!node_is(there, NODE_MAP))
				node_set(doc, target, key, there = node_map(doc));
			sim_patch_strategic(doc, there, value, key);
		} else if (node_is(value, NODE_LIST) && strategic_key(key, field) != NULL) {
			if (!node_is(there, NODE_LIST))
				node_set(doc, target, key, there = node_list(doc));
			merge_list(doc, there, value, strategic_key(key, field), key);
		} else {
			node_set(doc, target, key, node_copy(doc, value));
		}
	}
}
