/* images: new names, tags and digests for container images. Two passes for each entry, as kustomize makes them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"
#include "render/match.h"

static const struct field_spec specs[] = {
	{ { NULL, NULL, NULL }, "spec/containers[]/image", false },
	{ { NULL, NULL, NULL }, "spec/initContainers[]/image", false },
	{ { NULL, NULL, NULL }, "spec/template/spec/containers[]/image", false },
	{ { NULL, NULL, NULL }, "spec/template/spec/initContainers[]/image", false },
};

struct change {
	struct match *match;
	const char *new_name, *new_tag, *digest, *tag_suffix;
};

/* The end of the name, and tag and digest behind it ("" if none). */
static size_t split(const char *image, char **tag, char **digest)
{
	const char *slash = strchr(image, '/');
	const char *from = slash == NULL ? image : slash;
	const char *at = strchr(from, '@');
	size_t before_at = at == NULL ? strlen(image) : (size_t)(at - image);
	const char *colon = strchr(from, ':');
	size_t name = colon == NULL || (size_t)(colon - image) > before_at ? before_at : (size_t)(colon - image);
	*tag = name < before_at ? mem_strndup(image + name + 1, before_at - name - 1) : mem_strdup("");
	*digest = mem_strdup(at == NULL ? "" : at + 1);
	return name;
}

static void changed(const struct change *c, const char *image, struct buf *out)
{
	AUTOFREE char *tag = NULL;
	AUTOFREE char *digest = NULL;
	size_t name = split(image, &tag, &digest);
	const char *new_tag = tag, *new_digest = digest;
	AUTOFREE char *with_suffix = mem_printf("%s%s", tag, c->tag_suffix);
	if (*c->new_tag != '\0' || *c->digest != '\0') {
		new_tag = c->new_tag;
		new_digest = c->digest;
	} else if (*c->tag_suffix != '\0') {
		new_tag = with_suffix;
		new_digest = "";
	}
	if (*c->new_name != '\0')
		buf_puts(out, c->new_name);
	else
		buf_append(out, image, name);
	if (*new_tag != '\0')
		buf_printf(out, ":%s", new_tag);
	if (*new_digest != '\0')
		buf_printf(out, "@%s", new_digest);
}

static bool put(struct place *p, void *context, struct error *err)
{
	const struct change *c = context;
	if (node_is(p->node, NODE_MAP) || node_is(p->node, NODE_LIST))
		return place_error(p, "an image", err);
	const char *image = node_text(p->node);
	if (image == NULL || !match_test(c->match, image))
		return true;
	AUTOBUF b = BUF_INIT;
	changed(c, image, &b);
	place_set(p, node_stringn(p->resource->doc, buf_text(&b), b.len));
	return true;
}

/* Every list called containers or initContainers, wherever it is. */
static bool walk(struct resource *r, struct node *n, const struct change *c, struct error *err)
{
	for (size_t i = 0; i < node_count(n); i++) {
		struct node *child = node_is(n, NODE_MAP) ? node_value_at(n, i) : node_at(n, i);
		const char *key = node_key_at(n, i);
		bool containers = key != NULL && (strcmp(key, "containers") == 0 || strcmp(key, "initContainers") == 0);
		for (size_t k = 0; containers && node_is(child, NODE_LIST) && k < node_count(child); k++) {
			struct place p = { r, node_at(child, k), "image", 0, node_get(node_at(child, k), "image"), "image" };
			if (p.node != NULL && !put(&p, (void *)(uintptr_t)c, err))
				return false;
		}
		if (!walk(r, child, c, err))
			return false;
	}
	return true;
}

static bool apply(const struct kustomization *k, const struct node *entry, struct resource_set *set, struct error *err)
{
	AUTOFREE char *pattern =
		mem_printf("%s(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?", node_text_or(node_get(entry, "name"), ""));
	struct error why = ERROR_INIT;
	AUTOMATCH *match = match_new(pattern, &why);
	if (match == NULL)
		return kustomization_error(k, err, why.kind, entry, "images.name", "%s", why.message);
	struct change c = { match, node_text_or(node_get(entry, "newName"), ""), node_text_or(node_get(entry, "newTag"), ""),
			    node_text_or(node_get(entry, "digest"), ""), node_text_or(node_get(entry, "tagSuffix"), "") };
	for (size_t i = 0; i < set->count; i++) {
		struct resource *r = set->items[i];
		if (strcmp(resource_kind(r), "CustomResourceDefinition") == 0)
			continue;
		if (!walk(r, resource_root(r), &c, err) || !field_walk_all(r, specs, ARRAY_SIZE(specs), put, &c, err) ||
		    !field_walk_all(r, k->config->images.items, k->config->images.count, put, &c, err))
			return false;
	}
	return true;
}

bool transform_images(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	static const char *const fields[] = { "images", "imageTags" };
	for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
		const struct node *entries = node_get(k->root, fields[f]);
		for (size_t i = 0; i < node_count(entries); i++)
			if (!apply(k, node_at(entries, i), set, err))
				return false;
	}
	return true;
}
