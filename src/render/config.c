/* configurations: files that add to the tables of fields which transformers know. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"

static bool bad(const char *file, const struct node *at, const char *field, const char *expected, struct error *err)
{
	return error_set(err, ERROR_INVALID, "%s:%u: %s: expected %s", file, node_line(at), field, expected);
}

static bool known(const char *key, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(key, *names) == 0)
			return true;
	return false;
}

static bool check_keys(const char *file, const struct node *map, const char *const *names, const char *field, struct error *err)
{
	if (!node_is(map, NODE_MAP))
		return bad(file, map, field, "a map", err);
	for (size_t i = 0; i < node_count(map); i++)
		if (!known(node_key_at(map, i), names))
			return error_set(err, ERROR_INVALID, "%s:%u: %s.%s: unknown field", file, node_line(node_value_at(map, i)), field,
					 node_key_at(map, i));
	return true;
}

static struct gvk type_of(const struct node *n)
{
	const char *group = node_text(node_get(n, "group")), *version = node_text(node_get(n, "version")),
		   *kind = node_text(node_get(n, "kind"));
	return (struct gvk){ group == NULL || *group == '\0' ? NULL : group, version == NULL || *version == '\0' ? NULL : version,
			     kind == NULL || *kind == '\0' ? NULL : kind };
}

static bool read_specs(const char *file, const struct node *list, const char *field, struct field_specs *out, struct error *err)
{
	static const char *const names[] = { "group", "version", "kind", "path", "create", NULL };
	if (!node_is(list, NODE_LIST) && !node_is(list, NODE_NULL))
		return bad(file, list, field, "a list of field specs", err);
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *n = node_at(list, i);
		if (!check_keys(file, n, names, field, err))
			return false;
		const struct node *path = node_get(n, "path"), *create = node_get(n, "create");
		if (!node_is(path, NODE_STRING) || node_len(path) == 0)
			return bad(file, path == NULL ? n : path, field, "a path", err);
		if (create != NULL && !node_is(create, NODE_BOOL))
			return bad(file, create, field, "true or false for create", err);
		struct field_spec spec = { type_of(n), node_text(path), node_truth(create, false) };
		field_specs_add(out, &spec);
	}
	return true;
}

static void add_reference(struct config *c, const struct name_reference *reference)
{
	c->references = mem_grow(c->references, c->reference_count + 1, sizeof *c->references);
	c->references[c->reference_count++] = *reference;
}

static bool read_references(struct config *c, const char *file, const struct node *list, struct error *err)
{
	static const char *const names[] = { "group", "version", "kind", "fieldSpecs", NULL };
	if (!node_is(list, NODE_LIST) && !node_is(list, NODE_NULL))
		return bad(file, list, "nameReference", "a list", err);
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *n = node_at(list, i);
		if (!check_keys(file, n, names, "nameReference", err))
			return false;
		struct field_specs specs = { 0 };
		bool ok = read_specs(file, node_get(n, "fieldSpecs"), "nameReference.fieldSpecs", &specs, err);
		for (size_t s = 0; ok && s < specs.count; s++)
			add_reference(c, &(struct name_reference){ type_of(n), specs.items[s] });
		free(specs.items);
		if (!ok)
			return false;
	}
	return true;
}

bool config_load(const struct kustomization *k, struct node *root, const char *file, struct error *err)
{
	struct config *c = k->config;
	const struct {
		const char *name;
		struct field_specs *specs;
	} parts[] = {
		{ "images", &c->images },
		{ "replicas", &c->replicas },
		{ "commonLabels", &c->common_labels },
		{ "labels", &c->labels },
		{ "templateLabels", &c->template_labels },
		{ "commonAnnotations", &c->annotations },
		{ "namePrefix", &c->name_prefix },
		{ "nameSuffix", &c->name_suffix },
		{ "namespace", &c->namespaces },
	};
	for (size_t i = 0; i < node_count(root); i++) {
		const char *key = node_key_at(root, i);
		const struct node *value = node_value_at(root, i);
		size_t p = 0;
		while (p < ARRAY_SIZE(parts) && strcmp(parts[p].name, key) != 0)
			p++;
		if (strcmp(key, "varReference") == 0)
			return error_set(err, ERROR_UNSUPPORTED, "%s:%u: varReference: vars are not supported", file, node_line(value));
		if (strcmp(key, "nameReference") == 0) {
			if (!read_references(c, file, value, err))
				return false;
		} else if (p == ARRAY_SIZE(parts)) {
			return error_set(err, ERROR_INVALID, "%s:%u: %s: unknown field", file, node_line(value), key);
		} else if (!read_specs(file, value, key, parts[p].specs, err)) {
			return false;
		}
	}
	return true;
}

static bool same_spec(const struct field_spec *a, const struct field_spec *b)
{
	return str_eq(a->gvk.group, b->gvk.group) && str_eq(a->gvk.version, b->gvk.version) && str_eq(a->gvk.kind, b->gvk.kind) &&
	       strcmp(a->path, b->path) == 0;
}

static void merge(struct field_specs *into, const struct field_specs *from)
{
	for (size_t i = 0; i < from->count; i++) {
		bool there = false;
		for (size_t k = 0; k < into->count; k++)
			there |= same_spec(&into->items[k], &from->items[i]);
		if (!there)
			field_specs_add(into, &from->items[i]);
	}
}

void config_merge(struct config *into, const struct config *from)
{
	merge(&into->images, &from->images);
	merge(&into->replicas, &from->replicas);
	merge(&into->common_labels, &from->common_labels);
	merge(&into->labels, &from->labels);
	merge(&into->template_labels, &from->template_labels);
	merge(&into->annotations, &from->annotations);
	merge(&into->name_prefix, &from->name_prefix);
	merge(&into->name_suffix, &from->name_suffix);
	merge(&into->namespaces, &from->namespaces);
	for (size_t i = 0; i < from->reference_count; i++)
		add_reference(into, &from->references[i]);
}

void config_free(struct config *c)
{
	struct field_specs *const lists[] = { &c->images,      &c->replicas,	&c->common_labels, &c->labels,	  &c->template_labels,
					      &c->annotations, &c->name_prefix, &c->name_suffix,   &c->namespaces };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		free(lists[i]->items);
	free(c->references);
	*c = (struct config){ 0 };
}
