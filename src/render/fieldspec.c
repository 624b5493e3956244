#include "render/fieldspec.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SEGMENTS_MAX = 32, PATH_MAX_LENGTH = 1024 };

struct walk {
	char text[PATH_MAX_LENGTH];
	const char *keys[SEGMENTS_MAX];
	bool is_list[SEGMENTS_MAX];
	size_t count;
	bool create;
	field_visit visit;
	void *context;
	struct error *err;
};

void field_specs_add(struct field_specs *specs, const struct field_spec *spec)
{
	specs->items = mem_grow(specs->items, specs->count + 1, sizeof *specs->items);
	specs->items[specs->count++] = *spec;
}

void place_set(struct place *p, struct node *value)
{
	if (p->key != NULL)
		node_set(p->resource->doc, p->parent, p->key, value);
	else
		node_replace_at(p->parent, p->index, value);
	p->node = value;
}

bool place_error(const struct place *p, const char *expected, struct error *err)
{
	const struct resource *r = p->resource;
	unsigned line = node_line(p->node) != 0 ? node_line(p->node) : r->line;
	return error_set(err, ERROR_INVALID, "%s:%u: %s/%s: %s: expected %s, found a %s", r->file, line, resource_kind(r), resource_name(r),
			 p->path, expected, node_kind_name(node_kind(p->node)));
}

static bool split(struct walk *w, const char *path, const struct resource *r)
{
	if (strlen(path) >= sizeof w->text)
		return error_set(w->err, ERROR_LIMIT, "%s: a field path longer than %zu", r->file, sizeof w->text);
	char *to = w->text;
	if (*path == '/')
		path++;
	while (*path != '\0') {
		if (w->count == SEGMENTS_MAX)
			return error_set(w->err, ERROR_LIMIT, "%s: a field path of more than %d parts", r->file, SEGMENTS_MAX);
		char *key = to;
		for (; *path != '\0' && *path != '/'; path++) {
			if (path[0] == '\\' && path[1] == '/')
				path++;
			*to++ = *path;
		}
		*to++ = '\0';
		if (*path == '/')
			path++;
		w->is_list[w->count] = str_ends(key, "[]");
		if (w->is_list[w->count])
			key[strlen(key) - 2] = '\0';
		if (*key == '\0')
			return error_set(w->err, ERROR_INVALID, "%s: a field path with an empty part", r->file);
		w->keys[w->count++] = key;
	}
	return true;
}

static bool step(struct walk *w, struct place p, size_t i)
{
	if (node_is(p.node, NODE_LIST) && i < w->count) {
		for (size_t k = 0; k < node_count(p.node); k++) {
			struct place next = { p.resource, p.node, NULL, k, node_at(p.node, k), p.path };
			if (!step(w, next, i))
				return false;
		}
		return true;
	}
	if (i == w->count)
		return w->visit(&p, w->context, w->err);
	if (node_is(p.node, NODE_NULL)) {
		if (!w->create)
			return true;
		place_set(&p, node_map(p.resource->doc));
	}
	if (!node_is(p.node, NODE_MAP))
		return place_error(&p, "a map or a list", w->err);
	struct place next = { p.resource, p.node, w->keys[i], 0, node_get(p.node, w->keys[i]), p.path };
	if (next.node == NULL || (node_is(next.node, NODE_NULL) && i + 1 < w->count)) {
		if (!w->create || w->is_list[i])
			return true;
		place_set(&next, i + 1 < w->count ? node_map(p.resource->doc) : node_null(p.resource->doc));
	} else if (node_is(next.node, NODE_NULL) && !w->create) {
		return true;
	}
	return step(w, next, i + 1);
}

bool field_walk(struct resource *r, const char *path, bool create, field_visit visit, void *context, struct error *err)
{
	struct walk w = { .create = create, .visit = visit, .context = context, .err = err };
	struct place top = { r, NULL, NULL, 0, resource_root(r), path };
	return split(&w, path, r) && step(&w, top, 0);
}

bool field_walk_all(struct resource *r, const struct field_spec *specs, size_t count, field_visit visit, void *context, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (resource_is(r, &specs[i].gvk) && !field_walk(r, specs[i].path, specs[i].create, visit, context, err))
			return false;
	return true;
}

bool place_put_pairs(struct place *p, void *context, struct error *err)
{
	const struct node *pairs = context;
	struct doc *doc = p->resource->doc;
	if (node_is(p->node, NODE_NULL))
		place_set(p, node_map(doc));
	if (!node_is(p->node, NODE_MAP))
		return place_error(p, "a map", err);
	for (size_t i = 0; i < node_count(pairs); i++)
		node_set(doc, p->node, node_key_at(pairs, i), node_copy(doc, node_value_at(pairs, i)));
	return true;
}
