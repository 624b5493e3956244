#include "sync/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/decide.h"
#include "sync/kinds.h"

#define LABEL  "weir.dev/kept"
#define DIGEST "weir.dev/digest"
#define COPIED "weir.dev/kept-of"

static struct node *new_map(const struct kept *at, struct doc *doc, const char *name, const char *digest)
{
	struct node *root = node_map(doc);
	node_set_text(doc, root, "apiVersion", "v1");
	node_set_text(doc, root, "kind", "ConfigMap");
	struct node *metadata = node_ensure_map(doc, root, "metadata");
	node_set_text(doc, metadata, "name", name);
	node_set_text(doc, metadata, "namespace", at->ns);
	node_set_text(doc, node_ensure_map(doc, metadata, "labels"), LABEL, at->job);
	node_set_text(doc, node_ensure_map(doc, metadata, "annotations"), DIGEST, digest);
	struct node *owner = node_map(doc);
	node_set_text(doc, owner, "apiVersion", KIND_FLINKDEPLOYMENT.api_version);
	node_set_text(doc, owner, "kind", KIND_FLINKDEPLOYMENT.kind);
	node_set_text(doc, owner, "name", at->job);
	node_set_text(doc, owner, "uid", at->uid);
	struct node *owners = node_list(doc);
	node_append(doc, owners, owner);
	node_set(doc, metadata, "ownerReferences", owners);
	return root;
}

static bool create_or_kept(const struct kept *at, const struct node *object, struct error *err)
{
	struct error why;
	if (kube_create(at->kube, &KIND_CONFIGMAP, at->ns, object, NULL, &why) || why.kind == ERROR_CONFLICT)
		return true;
	return error_set(err, why.kind, "%s", why.message);
}

static void copy_content(struct doc *doc, struct node *to, const struct node *from)
{
	static const char *const parts[] = { "data", "binaryData" };
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (node_count(node_get(from, parts[i])) > 0)
			node_set(doc, to, parts[i], node_copy(doc, node_get(from, parts[i])));
}

bool kept_write(const struct kept *at, const char *digest, const char *references, const struct node *const *maps, size_t count,
		struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		AUTODOC *doc = doc_new();
		AUTOFREE char *name = mem_printf("weir-kept-%s-%.*s-%zu", at->job, KEPT_DIGITS, digest, i);
		struct node *copy = new_map(at, doc, name, digest);
		node_set_text(doc, node_find(copy, "metadata/annotations"), COPIED, node_find_text(maps[i], "metadata/name"));
		copy_content(doc, copy, maps[i]);
		if (!create_or_kept(at, copy, err))
			return false;
	}
	/* the record comes last: where it is, the copies are complete */
	AUTODOC *doc = doc_new();
	AUTOFREE char *name = mem_printf("weir-kept-%s-%.*s", at->job, KEPT_DIGITS, digest);
	struct node *record = new_map(at, doc, name, digest);
	struct node *data = node_ensure_map(doc, record, "data");
	node_set_text(doc, data, "references", references);
	return create_or_kept(at, record, err);
}

static bool list_kept(const struct kept *at, struct doc **out, struct error *err)
{
	AUTOFREE char *selector = mem_printf("%s=%s", LABEL, at->job);
	return kube_list(at->kube, &KIND_CONFIGMAP, at->ns, selector, out, NULL, err);
}

static bool same_content(const struct node *a, const struct node *b)
{
	static const char *const parts[] = { "data", "binaryData" };
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct node *x = node_get(a, parts[i]);
		const struct node *y = node_get(b, parts[i]);
		if (node_count(x) != node_count(y) || (node_count(x) > 0 && !node_equal(x, y)))
			return false;
	}
	return true;
}

/*
 * Applied as the sync applies, so that what it once applied and the copy does not have goes, and so that a later version can take it over.
 * Labels and annotations stay as they are.
 */
static bool put_back(const struct kept *at, const struct node *copy, size_t *restored, struct error *err)
{
	const char *name = decide_annotation(copy, COPIED);
	AUTODOC *live = NULL;
	AUTODOC *doc = doc_new();
	struct error why;
	if (!kube_get(at->kube, &KIND_CONFIGMAP, at->ns, name, &live, &why) && why.kind != ERROR_NOT_FOUND)
		return error_set(err, why.kind, "%s", why.message);
	if (live != NULL && same_content(doc_root(live), copy))
		return true;
	struct node *object = node_map(doc);
	node_set_text(doc, object, "apiVersion", "v1");
	node_set_text(doc, object, "kind", "ConfigMap");
	struct node *metadata = node_ensure_map(doc, object, "metadata");
	node_set_text(doc, metadata, "name", name);
	node_set_text(doc, metadata, "namespace", at->ns);
	static const char *const parts[] = { "labels", "annotations" };
	for (size_t i = 0; live != NULL && i < ARRAY_SIZE(parts); i++) {
		const struct node *part = node_get(node_get(doc_root(live), "metadata"), parts[i]);
		if (part != NULL)
			node_set(doc, metadata, parts[i], node_copy(doc, part));
	}
	copy_content(doc, object, copy);
	struct kube_apply_options options = { .field_manager = "weir", .force = true };
	if (!kube_apply(at->kube, &KIND_CONFIGMAP, at->ns, name, object, &options, NULL, err))
		return error_wrap(err, "going back to the ConfigMap %s as it was", name);
	if (restored != NULL)
		(*restored)++;
	return true;
}

bool kept_restore(const struct kept *at, const char *digest, char **references, size_t *restored, struct error *err)
{
	AUTODOC *list = NULL;
	if (references != NULL)
		*references = NULL;
	if (!list_kept(at, &list, err))
		return false;
	const struct node *items = node_get(doc_root(list), "items");
	const struct node *record = NULL;
	for (size_t i = 0; i < node_count(items); i++)
		if (str_eq(decide_annotation(node_at(items, i), DIGEST), digest) && decide_annotation(node_at(items, i), COPIED) == NULL)
			record = node_at(items, i);
	if (record == NULL)
		return true;
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *copy = node_at(items, i);
		if (str_eq(decide_annotation(copy, DIGEST), digest) && decide_annotation(copy, COPIED) != NULL &&
		    !put_back(at, copy, restored, err))
			return false;
	}
	if (references != NULL)
		*references = mem_strdup(node_text_or(node_find(record, "data/references"), ""));
	return true;
}

bool kept_only(const struct kept *at, const char *const *digests, size_t count, struct error *err)
{
	AUTODOC *list = NULL;
	if (!list_kept(at, &list, err))
		return false;
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *map = node_at(items, i);
		bool wanted = false;
		for (size_t d = 0; d < count; d++)
			wanted |= str_eq(decide_annotation(map, DIGEST), digests[d]);
		struct kube_delete_options options = { .uid = node_find_text(map, "metadata/uid"), .grace_seconds = -1 };
		struct error why;
		if (!wanted && !kube_delete(at->kube, &KIND_CONFIGMAP, at->ns, node_find_text(map, "metadata/name"), &options, &why) &&
		    why.kind != ERROR_NOT_FOUND)
			return error_set(err, why.kind, "%s", why.message);
	}
	return true;
}
