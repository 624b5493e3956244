#include "sync/text_map.h"

#include <stdio.h>

#include "base/mem.h"
#include "sync/kinds.h"

static void take_version(const struct node *map, char version[TEXT_MAP_VERSION])
{
	(void)snprintf(version, TEXT_MAP_VERSION, "%s", node_text_or(node_find(map, "metadata/resourceVersion"), ""));
}

bool text_map_read(struct kube *kube, const struct text_map *at, struct doc **map, const struct node **text, char version[TEXT_MAP_VERSION],
		   struct error *err)
{
	AUTODOC *doc = NULL;
	struct error why;
	version[0] = '\0';
	if (!kube_get(kube, &KIND_CONFIGMAP, at->ns, at->name, &doc, &why)) {
		*map = NULL;
		*text = NULL;
		if (why.kind == ERROR_NOT_FOUND)
			return true;
		error_copy(err, &why);
		return error_wrap(err, "ConfigMap %s/%s", at->ns, at->name);
	}
	const struct node *found = node_get(node_get(doc_root(doc), "data"), at->key);
	if (!node_is(found, NODE_STRING))
		return error_set(err, ERROR_INVALID, "ConfigMap %s/%s: data: %s is missing", at->ns, at->name, at->key);
	take_version(doc_root(doc), version);
	*text = found;
	*map = TAKE(doc);
	return true;
}

bool text_map_write(struct kube *kube, const struct text_map *at, const char *text, char version[TEXT_MAP_VERSION], struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	node_set_text(doc, root, "apiVersion", "v1");
	node_set_text(doc, root, "kind", "ConfigMap");
	struct node *metadata = node_ensure_map(doc, root, "metadata");
	node_set_text(doc, metadata, "name", at->name);
	node_set_text(doc, metadata, "namespace", at->ns);
	node_set_text(doc, node_ensure_map(doc, metadata, "labels"), at->label, at->label_value);
	if (at->annotation != NULL)
		node_set_text(doc, node_ensure_map(doc, metadata, "annotations"), at->annotation, at->annotation_value);
	node_set_text(doc, node_ensure_map(doc, root, "data"), at->key, text);
	AUTODOC *answer = NULL;
	bool ok;
	if (version[0] == '\0') {
		ok = kube_create(kube, &KIND_CONFIGMAP, at->ns, root, &answer, err);
	} else {
		node_set_text(doc, metadata, "resourceVersion", version);
		ok = kube_replace(kube, &KIND_CONFIGMAP, at->ns, at->name, root, &answer, err);
	}
	if (!ok)
		return error_wrap(err, "ConfigMap %s/%s", at->ns, at->name);
	take_version(doc_root(answer), version);
	return true;
}
