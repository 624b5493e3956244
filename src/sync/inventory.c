#include "sync/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sync/kinds.h"

#define APPROVED "weir.dev/approved-deletions"

static void id_free(struct object_id *id)
{
	free(id->api_version);
	free(id->kind);
	free(id->ns);
	free(id->name);
}

void inventory_free(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->count; i++)
		id_free(&inventory->objects[i]);
	free(inventory->objects);
	free(inventory->message);
	free(inventory->text);
	*inventory = (struct inventory){ 0 };
}

static bool same(const struct object_id *a, const struct object_id *b)
{
	/* the version within a group does not make another object */
	size_t group = strcspn(a->api_version, "/");
	bool same_group = strchr(a->api_version, '/') == NULL ? strchr(b->api_version, '/') == NULL
							      : strncmp(a->api_version, b->api_version, group + 1) == 0;
	return same_group && strcmp(a->kind, b->kind) == 0 && strcmp(a->ns, b->ns) == 0 && strcmp(a->name, b->name) == 0;
}

bool inventory_holds(const struct inventory *inventory, const struct object_id *id)
{
	for (size_t i = 0; i < inventory->count; i++)
		if (same(&inventory->objects[i], id))
			return true;
	return false;
}

void inventory_add(struct inventory *inventory, const char *api_version, const char *kind, const char *ns, const char *name)
{
	struct object_id id = { (char *)(uintptr_t)api_version, (char *)(uintptr_t)kind, (char *)(uintptr_t)ns, (char *)(uintptr_t)name };
	if (inventory_holds(inventory, &id))
		return;
	inventory->objects = mem_grow(inventory->objects, inventory->count + 1, sizeof *inventory->objects);
	inventory->objects[inventory->count++] =
		(struct object_id){ mem_strdup(api_version), mem_strdup(kind), mem_strdup(ns), mem_strdup(name) };
}

void inventory_remove(struct inventory *inventory, const struct object_id *id)
{
	for (size_t i = 0; i < inventory->count; i++) {
		if (!same(&inventory->objects[i], id))
			continue;
		id_free(&inventory->objects[i]);
		memmove(&inventory->objects[i], &inventory->objects[i + 1], (inventory->count - i - 1) * sizeof *inventory->objects);
		inventory->count--;
		return;
	}
}

static void map_name(char out[300], const char *sync)
{
	(void)snprintf(out, 300, "weir-inventory-%s", sync);
}

bool inventory_read(struct kube *kube, const char *ns, const char *sync, struct inventory *out, struct error *err)
{
	char map[300];
	map_name(map, sync);
	*out = (struct inventory){ 0 };
	AUTODOC *doc = NULL;
	struct error why;
	if (!kube_get(kube, &KIND_CONFIGMAP, ns, map, &doc, &why)) {
		if (why.kind == ERROR_NOT_FOUND)
			return true;
		error_copy(err, &why);
		return error_wrap(err, "inventory %s/%s", ns, map);
	}
	const struct node *root = doc_root(doc);
	const char *text = node_find_text(root, "data/inventory.json");
	AUTODOC *json = text == NULL ? NULL : doc_parse_json(text, strlen(text), map, NULL, err);
	if (json == NULL)
		return text != NULL ? error_wrap(err, "inventory")
				    : error_set(err, ERROR_INVALID, "inventory %s/%s: data: inventory.json is missing", ns, map);
	const struct node *list = node_get(doc_root(json), "objects");
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *o = node_at(list, i);
		inventory_add(out, node_text_or(node_get(o, "apiVersion"), ""), node_text_or(node_get(o, "kind"), ""),
			      node_text_or(node_get(o, "namespace"), ""), node_text_or(node_get(o, "name"), ""));
	}
	(void)snprintf(out->commit, sizeof out->commit, "%s", node_text_or(node_get(doc_root(json), "commit"), ""));
	(void)snprintf(out->state, sizeof out->state, "%s", node_text_or(node_get(doc_root(json), "state"), ""));
	(void)snprintf(out->approved, sizeof out->approved, "%s",
		       node_text_or(node_get(node_find(root, "metadata/annotations"), APPROVED), ""));
	(void)snprintf(out->resource_version, sizeof out->resource_version, "%s",
		       node_text_or(node_find(root, "metadata/resourceVersion"), ""));
	out->message = mem_strdup(node_text_or(node_get(doc_root(json), "message"), ""));
	out->text = mem_strdup(text);
	return true;
}

static void inventory_text(const struct inventory *inventory, struct buf *out)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	node_set_text(doc, root, "commit", inventory->commit);
	node_set_text(doc, root, "state", inventory->state);
	node_set_text(doc, root, "message", inventory->message == NULL ? "" : inventory->message);
	struct node *list = node_list(doc);
	for (size_t i = 0; i < inventory->count; i++) {
		struct node *o = node_map(doc);
		node_set_text(doc, o, "apiVersion", inventory->objects[i].api_version);
		node_set_text(doc, o, "kind", inventory->objects[i].kind);
		node_set_text(doc, o, "namespace", inventory->objects[i].ns);
		node_set_text(doc, o, "name", inventory->objects[i].name);
		node_append(doc, list, o);
	}
	node_set(doc, root, "objects", list);
	node_to_json(root, out, JSON_PRETTY);
}

bool inventory_write(struct kube *kube, const char *ns, const char *sync, struct inventory *inventory, struct error *err)
{
	AUTOBUF text = BUF_INIT;
	inventory_text(inventory, &text);
	if (str_eq(inventory->text, buf_text(&text)))
		return true;
	char map[300];
	map_name(map, sync);
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	node_set_text(doc, root, "apiVersion", "v1");
	node_set_text(doc, root, "kind", "ConfigMap");
	struct node *metadata = node_ensure_map(doc, root, "metadata");
	node_set_text(doc, metadata, "name", map);
	node_set_text(doc, metadata, "namespace", ns);
	node_set_text(doc, node_ensure_map(doc, metadata, "labels"), "weir.dev/inventory", sync);
	if (inventory->approved[0] != '\0')
		node_set_text(doc, node_ensure_map(doc, metadata, "annotations"), APPROVED, inventory->approved);
	node_set_text(doc, node_ensure_map(doc, root, "data"), "inventory.json", buf_text(&text));
	AUTODOC *answer = NULL;
	bool ok;
	if (inventory->resource_version[0] == '\0') {
		ok = kube_create(kube, &KIND_CONFIGMAP, ns, root, &answer, err);
	} else {
		node_set_text(doc, metadata, "resourceVersion", inventory->resource_version);
		ok = kube_replace(kube, &KIND_CONFIGMAP, ns, map, root, &answer, err);
	}
	if (!ok)
		return error_wrap(err, "inventory %s/%s", ns, map);
	(void)snprintf(inventory->resource_version, sizeof inventory->resource_version, "%s",
		       node_text_or(node_find(doc_root(answer), "metadata/resourceVersion"), ""));
	free(inventory->text);
	inventory->text = buf_take(&text);
	return true;
}

bool inventory_approve(struct kube *kube, const char *ns, const char *sync, const char *commit, struct error *err)
{
	char map[300];
	map_name(map, sync);
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	struct node *annotations = node_ensure_map(doc, node_ensure_map(doc, root, "metadata"), "annotations");
	node_set_text(doc, annotations, APPROVED, commit);
	if (!kube_patch(kube, &KIND_CONFIGMAP, ns, map, KUBE_MERGE_PATCH, NULL, root, NULL, err))
		return error_wrap(err, "sync %s", sync);
	return true;
}
