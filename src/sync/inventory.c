#include "sync/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sync/kinds.h"
#include "sync/text_map.h"

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

static struct text_map place(const char *ns, const char *map, const char *sync)
{
	return (struct text_map){ .ns = ns, .name = map, .key = "inventory.json", .label = "weir.dev/inventory", .label_value = sync };
}

static bool read_objects(struct inventory *out, const struct node *text, const char *map, struct error *err)
{
	AUTODOC *json = doc_parse_json(node_text(text), node_len(text), map, NULL, err);
	if (json == NULL)
		return false;
	const struct node *root = doc_root(json);
	const struct node *list = node_get(root, "objects");
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *o = node_at(list, i);
		inventory_add(out, node_text_or(node_get(o, "apiVersion"), ""), node_text_or(node_get(o, "kind"), ""),
			      node_text_or(node_get(o, "namespace"), ""), node_text_or(node_get(o, "name"), ""));
	}
	(void)snprintf(out->commit, sizeof out->commit, "%s", node_text_or(node_get(root, "commit"), ""));
	(void)snprintf(out->seen, sizeof out->seen, "%s", node_text_or(node_get(root, "seen"), ""));
	(void)snprintf(out->state, sizeof out->state, "%s", node_text_or(node_get(root, "state"), ""));
	out->message = mem_strdup(node_text_or(node_get(root, "message"), ""));
	out->text = mem_strdup(node_text(text));
	return true;
}

bool inventory_read(struct kube *kube, const char *ns, const char *sync, struct inventory *out, struct error *err)
{
	AUTOFREE char *map = mem_printf("weir-inventory-%s", sync);
	struct text_map at = place(ns, map, sync);
	AUTODOC *doc = NULL;
	const struct node *text;
	*out = (struct inventory){ 0 };
	if (!text_map_read(kube, &at, &doc, &text, out->resource_version, err))
		return false;
	if (doc == NULL)
		return true;
	const struct node *annotations = node_find(doc_root(doc), "metadata/annotations");
	(void)snprintf(out->uid, sizeof out->uid, "%s", node_text_or(node_find(doc_root(doc), "metadata/uid"), ""));
	(void)snprintf(out->approved, sizeof out->approved, "%s", node_text_or(node_get(annotations, APPROVED), ""));
	return read_objects(out, text, map, err);
}

static void inventory_text(const struct inventory *inventory, struct buf *out)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	node_set_text(doc, root, "commit", inventory->commit);
	node_set_text(doc, root, "seen", inventory->seen);
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
	AUTOFREE char *map = mem_printf("weir-inventory-%s", sync);
	struct text_map at = place(ns, map, sync);
	if (inventory->approved[0] != '\0') {
		at.annotation = APPROVED;
		at.annotation_value = inventory->approved;
	}
	if (!text_map_write(kube, &at, buf_text(&text), inventory->resource_version, err))
		return false;
	free(inventory->text);
	inventory->text = buf_take(&text);
	return true;
}

bool inventory_approve(struct kube *kube, const char *ns, const char *sync, const char *commit, struct error *err)
{
	AUTOFREE char *map = mem_printf("weir-inventory-%s", sync);
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	struct node *annotations = node_ensure_map(doc, node_ensure_map(doc, root, "metadata"), "annotations");
	node_set_text(doc, annotations, APPROVED, commit);
	if (!kube_patch(kube, &KIND_CONFIGMAP, ns, map, KUBE_MERGE_PATCH, NULL, root, NULL, err))
		return error_wrap(err, "sync %s", sync);
	return true;
}
