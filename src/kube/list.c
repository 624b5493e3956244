#include <stdlib.h>

#include "base/mem.h"
#include "kube/kube_private.h"

enum { PAGES_MAX = 10000 };

struct pages {
	struct kube *kube;
	const struct kube_resource *resource;
	const char *ns, *selector;
	bool (*each)(void *context, struct doc *page, struct node *item, struct error *err);
	void *context;
};

static bool read_page(const struct pages *pages, const char *token, struct doc **page, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	kube_put_collection(&path, pages->resource, pages->ns);
	kube_put_query(&path, "limit", "500");
	if (pages->selector != NULL)
		kube_put_query(&path, "labelSelector", pages->selector);
	if (token != NULL)
		kube_put_query(&path, "continue", token);
	AUTOFREE char *what =
		mem_printf("list %s%s%s", pages->resource->plural, pages->ns != NULL ? " in " : "", pages->ns != NULL ? pages->ns : "");
	const struct kube_call call = { .method = "GET", .path = buf_text(&path), .what = what, .timeout_ms = KUBE_LIST_TIMEOUT_MS };
	return kube_call(pages->kube, &call, page, err);
}

/* Items of built-in kinds come without apiVersion and kind: the list has said it. */
static bool hand_over(const struct pages *pages, struct doc *page, struct error *err)
{
	const struct node *items = node_get(doc_root(page), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		struct node *item = node_at(items, i);
		if (!node_is(item, NODE_MAP))
			return error_set(err, ERROR_TRANSIENT, "list %s: item %zu is no object", pages->resource->plural, i);
		if (node_get(item, "kind") == NULL) {
			node_set_text(page, item, "apiVersion", pages->resource->api_version);
			node_set_text(page, item, "kind", pages->resource->kind);
		}
		kube_trim(pages->kube, item);
		if (!pages->each(pages->context, page, item, err))
			return false;
	}
	return true;
}

static bool read_all(const struct pages *pages, char **resource_version, bool *midway, struct error *err)
{
	AUTOFREE char *token = NULL;
	*midway = false;
	if (!pages->each(pages->context, NULL, NULL, err))
		return false;
	for (size_t count = 0; count < PAGES_MAX; count++) {
		AUTODOC *page = NULL;
		*midway = token != NULL;
		if (!read_page(pages, token, &page, err))
			return false;
		*midway = false;
		const struct node *root = doc_root(page);
		const struct node *items = node_get(root, "items");
		if (node_kind(items) != NODE_NULL && !node_is(items, NODE_LIST))
			return error_set(err, ERROR_TRANSIENT, "list %s: the answer has no list of items", pages->resource->plural);
		if (node_find(root, "metadata/resourceVersion") == NULL)
			return error_set(err, ERROR_TRANSIENT, "list %s: the answer is no list", pages->resource->plural);
		if (!hand_over(pages, page, err))
			return false;
		const char *next = node_text_or(node_find(root, "metadata/continue"), "");
		free(TAKE(token));
		if (next[0] == '\0') {
			if (resource_version != NULL)
				*resource_version = mem_strdup(node_find_text(root, "metadata/resourceVersion"));
			return true;
		}
		token = mem_strdup(next);
	}
	return error_set(err, ERROR_LIMIT, "list %s: more than %d pages", pages->resource->plural, (int)PAGES_MAX);
}

bool kube_list_each(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *label_selector,
		    bool (*each)(void *context, struct doc *page, struct node *item, struct error *err), void *context,
		    char **resource_version, struct error *err)
{
	const struct pages pages = { kube, resource, ns, label_selector, each, context };
	struct error why = ERROR_INIT;
	bool midway = false;
	if (read_all(&pages, resource_version, &midway, &why))
		return true;
	if (why.kind == ERROR_EXPIRED && midway && read_all(&pages, resource_version, &midway, &why))
		return true;
	error_copy(err, &why);
	return false;
}

struct merging {
	struct doc *doc;
};

static bool merge_item(void *context, struct doc *page, struct node *item, struct error *err)
{
	(void)page, (void)err;
	struct merging *merging = context;
	if (item == NULL) { /* begins, or begins anew */
		doc_free(merging->doc);
		merging->doc = doc_new();
		struct node *root = node_map(merging->doc);
		node_set(merging->doc, root, "items", node_list(merging->doc));
		doc_set_root(merging->doc, root);
		return true;
	}
	node_append(merging->doc, node_get(doc_root(merging->doc), "items"), node_copy(merging->doc, item));
	return true;
}

bool kube_list(struct kube *kube, const struct kube_resource *resource, const char *ns, const char *label_selector, struct doc **out,
	       char **resource_version, struct error *err)
{
	struct merging merging = { 0 };
	AUTODOC *unwanted = NULL;
	if (out == NULL)
		out = &unwanted;
	if (kube->cache != NULL && resource_version == NULL &&
	    kube_cache_select(kube->cache, resource, ns, label_selector, out) == CACHE_FOUND)
		return true;
	if (!kube_list_each(kube, resource, ns, label_selector, merge_item, &merging, resource_version, err)) {
		doc_free(merging.doc);
		return false;
	}
	*out = merging.doc;
	return true;
}
