#include "render/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"

bool load_check_kind(const struct render_file *file, struct error *err)
{
	if (file->kind == RENDER_SYMLINK)
		return error_set(err, ERROR_UNSUPPORTED, "%s: is a symbolic link; links are not followed, name the file itself",
				 file->path);
	if (file->kind == RENDER_SUBMODULE)
		return error_set(err, ERROR_UNSUPPORTED, "%s: is a git submodule; submodules are not fetched", file->path);
	if (file->kind == RENDER_TOO_LARGE)
		return error_set(err, ERROR_LIMIT, "%s: %s", file->path, file->data);
	return true;
}

static bool bad(const char *file, const struct node *at, const char *field, const char *expected, struct error *err)
{
	return error_set(err, ERROR_INVALID, "%s:%u: %s: expected %s", file, node_line(at), field, expected);
}

void load_clean_annotations(struct doc *doc, struct node *meta)
{
	struct node *map = node_get(meta, "annotations");
	if (!node_is(map, NODE_MAP))
		return;
	for (size_t i = 0; i < node_count(map); i++) {
		struct node *value = node_value_at(map, i);
		if (node_is(value, NODE_NULL))
			node_set_string(doc, value, "");
		else if (node_is(value, NODE_BOOL) || node_is(value, NODE_NUMBER))
			node_set_string(doc, value, node_text(value));
	}
	if (node_count(map) == 0)
		(void)node_remove(meta, "annotations");
}

/* Takes doc. */
static bool add_object(struct doc *doc, const char *file, const struct load_rules *rules, size_t depth, struct resource_set *out,
		       struct error *err)
{
	CLEANUP(doc_freep) struct doc *mine = doc;
	struct node *root = doc_root(mine);
	if (!node_is(root, NODE_MAP))
		return bad(file, root, "object", "a map with apiVersion, kind and metadata", err);
	const char *kind = node_text(node_get(root, "kind"));
	if (kind == NULL || *kind == '\0')
		return bad(file, root, "kind", "the kind of the object; missing kind in object", err);
	struct node *items = node_get(root, "items");
	bool list = str_ends(kind, "List");
	if (list && items != NULL) {
		if (depth > 8)
			return error_set(err, ERROR_LIMIT, "%s:%u: lists within lists deeper than 8", file, node_line(root));
		if (!node_is(items, NODE_LIST) && !node_is(items, NODE_NULL))
			return bad(file, items, "items", "a list of objects", err);
		for (size_t i = 0; i < node_count(items); i++) {
			struct doc *one = doc_new();
			doc_set_file(one, file);
			doc_set_root(one, node_copy(one, node_at(items, i)));
			if (!add_object(one, file, rules, depth + 1, out, err))
				return false;
		}
		return true;
	}
	if (rules->need_api_version && node_text(node_get(root, "apiVersion")) == NULL)
		return bad(file, root, "apiVersion", "the group and version of the object", err);
	struct node *meta = node_get(root, "metadata");
	const char *name = node_text(node_get(meta, "name"));
	if (rules->need_name && !list && (name == NULL || *name == '\0'))
		return bad(file, meta == NULL ? root : meta, "metadata.name", "a name; missing metadata.name in object", err);
	static const char *const texts[] = { "labels", "annotations" };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct node *n = node_get(meta, texts[i]);
		if (n != NULL && !node_is(n, NODE_MAP) && !node_is(n, NODE_NULL))
			return error_set(err, ERROR_INVALID, "%s:%u: metadata.%s: expected a map", file, node_line(n), texts[i]);
	}
	if (!rules->is_patch)
		load_clean_annotations(mine, meta);
	if (out->count >= rules->objects)
		return error_set(err, ERROR_LIMIT, "%s:%u: more than %zu objects", file, node_line(root), rules->objects);
	unsigned line = node_line(root);
	set_add(out, resource_new(TAKE(mine), file, line));
	return true;
}

bool load_text(const char *file, const char *text, size_t len, const struct load_rules *rules, struct resource_set *out, struct error *err)
{
	if (memchr(text == NULL ? "" : text, '\0', len) != NULL)
		return error_set(err, ERROR_INVALID, "%s: is binary, expected YAML or JSON text", file);
	struct doc **docs;
	size_t count;
	struct doc_limits limits = { .bytes = rules->bytes };
	if (!yaml_parse(text, len, file, YAML_RESOURCE, &limits, &docs, &count, err))
		return false;
	bool ok = true;
	for (size_t i = 0; ok && i < count; i++)
		if (!node_is(doc_root(docs[i]), NODE_NULL))
			ok = add_object(TAKE(docs[i]), file, rules, 0, out, err);
	doc_list_free(docs, count);
	return ok;
}

bool load_file(const struct render_file *file, const struct load_rules *rules, struct resource_set *out, struct error *err)
{
	return load_check_kind(file, err) && load_text(file->path, file->data, file->len, rules, out, err);
}
