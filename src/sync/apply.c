/* One object: live, dry run, compare, apply. */
#include <stdio.h>
#include <stdlib.h>
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

void pass_forget(struct item *item)
{
	doc_free(item->live);
	doc_free(item->result);
	free(item->taken);
	item->live = item->result = NULL;
	item->taken = NULL;
}

bool pass_look_live(struct pass *p, struct item *item, struct error *err)
{
	struct error why;
	pass_forget(item);
	if (kube_get(p->in->as, &item->resource, item->ns, item->name, &item->live, &why) || why.kind == ERROR_NOT_FOUND)
		return true;
	error_copy(err, &why);
	return false;
}

/* "field F is owned by "M" using V; ..." as "F from M, ..."; our own writes by other means are no conflict. */
static char *conflicts(const char *message)
{
	struct buf out = BUF_INIT;
	for (const char *at = strstr(message, "field "); at != NULL; at = strstr(at + 1, "; field ")) {
		const char *field = at + (*at == ';' ? 8 : 6);
		const char *owner = strstr(field, " is owned by \"");
		if (owner == NULL)
			break;
		const char *name = owner + strlen(" is owned by \"");
		int len = (int)strcspn(name, "\"");
		if (len != 4 || strncmp(name, "weir", 4) != 0)
			buf_printf(&out, "%s%.*s from %.*s", out.len == 0 ? "" : ", ", (int)(owner - field), field, len, name);
	}
	if (out.len > 0)
		return buf_take(&out);
	buf_free(&out);
	return NULL;
}

/* At first without force, so that it is known what is taken from whom. */
bool pass_dry_run(struct pass *p, struct item *item, struct error *err)
{
	struct kube_apply_options options = { .field_manager = "weir", .dry_run = true, .field_validation = "Strict" };
	struct error why;
	pass_annotate(item->from->doc, item->object, ANNOTATION_SYNC, p->in->name); /* whose it is, should another sync take it over */
	if (kube_apply(p->in->as, &item->resource, item->ns, item->name, item->object, &options, &item->result, &why))
		return true;
	if (why.kind != ERROR_CONFLICT) {
		error_copy(err, &why);
		return false;
	}
	item->taken = conflicts(why.message);
	options.force = true;
	return kube_apply(p->in->as, &item->resource, item->ns, item->name, item->object, &options, &item->result, err);
}

bool pass_look(struct pass *p, struct item *item, struct error *err)
{
	return pass_look_live(p, item, err) && pass_dry_run(p, item, err);
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

bool pass_put(struct pass *p, struct item *item, const char *message, struct error *err)
{
	const struct node *live = doc_root(item->live);
	if (item->live != NULL && !pass_differs(live, doc_root(item->result))) {
		p->out->unchanged++;
		return true;
	}
	char what[120];
	if (item->live != NULL && strcmp(item->kind, "CustomResourceDefinition") == 0 &&
	    crd_narrows(live, item->object, what, sizeof what)) {
		p->withheld++;
		pass_note(p, CHANGE_WITHHELD, item->kind, item->ns, item->name, "the installed definition is wider (it has %s) and is kept",
			  what);
		return true;
	}
	if (!p->in->plan && (!pass_may_act(p) || !pass_send(p, item, item->object, err)))
		return false;
	AUTOBUF text = BUF_INIT;
	buf_puts(&text, message);
	if (item->taken != NULL) {
		buf_printf(&text, "%stook %s", text.len == 0 ? "" : "; ", item->taken);
		AUTOFREE char *said = mem_printf("Sync %s took %s.", p->in->name, item->taken);
		pass_event(p, item, false, "FieldsTaken", said);
	}
	pass_note(p, item->live == NULL ? CHANGE_CREATE : CHANGE_UPDATE, item->kind, item->ns, item->name, "%s", buf_text(&text));
	return true;
}

bool pass_apply(struct pass *p, struct item *item, struct error *err)
{
	enum holder holder;
	const char *other;
	bool ok = pass_look(p, item, err) && holder_of(p, item, &holder, &other, err);
	if (ok && holder == HOLDER_WAIT) {
		p->pending++;
		item->held = true;
		pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name,
			  "is still held by sync %s, which has not come to this commit", other);
	} else if (ok && holder == HOLDER_REFUSES) {
		ok = error_set(err, ERROR_CONFLICT,
			       "it is held by sync %s (annotation " ANNOTATION_SYNC "): one object cannot be in two syncs", other);
	} else if (ok) {
		ok = pass_put(p, item, "", err);
	}
	if (!ok || !item->referred)
		pass_forget(item);
	return ok;
}
