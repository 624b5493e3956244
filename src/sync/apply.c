/* One object: dry run, compare, apply. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sync/internal.h"

static const char *const server_fields[] = { "managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink" };

void pass_annotate(struct doc *doc, struct node *object, const char *key, const char *value)
{
	node_set_text(doc, node_ensure_map(doc, node_ensure_map(doc, object, "metadata"), "annotations"), key, value);
}

bool pass_differs(const struct node *live, const struct node *result)
{
	AUTODOC *doc = doc_new();
	struct node *a = node_copy(doc, live);
	struct node *b = node_copy(doc, result);
	struct node *const both[] = { a, b };
	for (size_t i = 0; i < 2; i++) {
		(void)node_remove(both[i], "status");
		struct node *metadata = node_get(both[i], "metadata");
		for (size_t f = 0; f < ARRAY_SIZE(server_fields); f++)
			(void)node_remove(metadata, server_fields[f]);
	}
	return !node_equal(a, b);
}

bool pass_live(struct pass *p, const struct item *item, struct doc **live, struct error *err)
{
	struct error why;
	*live = NULL;
	if (kube_get(p->in->kube, &item->resource, item->ns, item->name, live, &why) || why.kind == ERROR_NOT_FOUND)
		return true;
	error_copy(err, &why);
	return false;
}

bool pass_dry_run(struct pass *p, const struct item *item, struct doc **result, struct error *err)
{
	struct kube_apply_options options = { .field_manager = "weir", .force = true, .dry_run = true, .field_validation = "Strict" };
	return kube_apply(p->in->as, &item->resource, item->ns, item->name, item->object, &options, result, err);
}

bool pass_send(struct pass *p, const struct item *item, const struct node *object, struct error *err)
{
	struct kube_apply_options options = { .field_manager = "weir", .force = true };
	return kube_apply(p->in->as, &item->resource, item->ns, item->name, object, &options, NULL, err);
}

/* An installed CRD is never replaced by a narrower one: every version and every schema field that is served stays. */
static bool narrower(const struct node *live, const struct node *wanted, char *what, size_t size)
{
	const struct node *properties = node_get(live, "properties");
	const struct node *kept = node_get(wanted, "properties");
	bool open = node_truth(node_get(wanted, "x-kubernetes-preserve-unknown-fields"), false);
	for (size_t i = 0; i < node_count(properties); i++) {
		const struct node *next = node_get(kept, node_key_at(properties, i));
		if (next == NULL && !open) {
			(void)snprintf(what, size, "%s", node_key_at(properties, i));
			return true;
		}
		if (next != NULL && narrower(node_value_at(properties, i), next, what, size))
			return true;
	}
	const struct node *items = node_get(live, "items");
	return items != NULL && node_get(wanted, "items") != NULL && narrower(items, node_get(wanted, "items"), what, size);
}

static bool crd_narrows(const struct node *live, const struct node *wanted, char *what, size_t size)
{
	const struct node *versions = node_find(live, "spec/versions");
	const struct node *others = node_find(wanted, "spec/versions");
	for (size_t i = 0; i < node_count(versions); i++) {
		const struct node *v = node_at(versions, i);
		const struct node *match = NULL;
		for (size_t j = 0; j < node_count(others); j++)
			if (str_eq(node_find_text(node_at(others, j), "name"), node_find_text(v, "name")))
				match = node_at(others, j);
		if (match == NULL) {
			(void)snprintf(what, size, "version %s", node_find_text(v, "name"));
			return true;
		}
		if (narrower(node_find(v, "schema/openAPIV3Schema"), node_find(match, "schema/openAPIV3Schema"), what, size))
			return true;
	}
	return false;
}

bool pass_apply(struct pass *p, struct item *item, struct error *err)
{
	pass_annotate(item->from->doc, item->object, ANNOTATION_SYNC, p->in->name); /* whose it is, should another sync take it over */
	AUTODOC *live = NULL;
	AUTODOC *result = NULL;
	if (!pass_live(p, item, &live, err) || !pass_dry_run(p, item, &result, err))
		return false;
	if (live != NULL && !pass_differs(doc_root(live), doc_root(result))) {
		p->out->unchanged++;
		return true;
	}
	char what[120];
	if (live != NULL && strcmp(item->kind, "CustomResourceDefinition") == 0 &&
	    crd_narrows(doc_root(live), item->object, what, sizeof what)) {
		p->withheld++;
		pass_note(p, CHANGE_WITHHELD, item->kind, item->ns, item->name, "the installed definition is wider (it has %s) and is kept",
			  what);
		return true;
	}
	if (!p->in->plan && (!pass_may_act(p) || !pass_send(p, item, item->object, err)))
		return false;
	pass_note(p, live == NULL ? CHANGE_CREATE : CHANGE_UPDATE, item->kind, item->ns, item->name, "%s", "");
	return true;
}
