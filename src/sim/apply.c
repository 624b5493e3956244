/* Managers of fields: tracking of updates, and server-side apply. */
#include <stdio.h>

#include "sim/fields.h"

static const char *const ignored[] = { "f:name",
				       "f:namespace",
				       "f:uid",
				       "f:resourceVersion",
				       "f:generation",
				       "f:creationTimestamp",
				       "f:managedFields",
				       "f:deletionTimestamp",
				       "f:deletionGracePeriodSeconds",
				       "f:selfLink" };

/* Takes out what nobody owns: apiVersion, kind, the server's metadata; and the other half of a kind with a status. */
static void strip(const struct kind *kind, const char *sub, struct node *set)
{
	struct node *meta = node_get(set, "f:metadata");
	node_remove(set, "f:apiVersion");
	node_remove(set, "f:kind");
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		node_remove(meta, ignored[i]);
	if (meta != NULL && node_count(meta) == 0)
		node_remove(set, "f:metadata");
	if (!kind->status)
		return;
	if (!str_eq(sub, "status")) {
		node_remove(set, "f:status");
		return;
	}
	for (size_t i = node_count(set); i-- > 0;)
		if (strcmp(node_key_at(set, i), "f:status") != 0)
			node_remove_at(set, i);
}

static struct node *managers(struct doc *doc)
{
	struct node *meta = node_ensure_map(doc, doc_root(doc), "metadata"), *list = node_get(meta, "managedFields");
	if (!node_is(list, NODE_LIST))
		node_set(doc, meta, "managedFields", list = node_list(doc));
	return list;
}

static struct node *entry_find(struct node *list, const char *manager, const char *operation, const char *sub)
{
	for (size_t i = 0; i < node_count(list); i++) {
		struct node *e = node_at(list, i);
		if (str_eq(node_find_text(e, "manager"), manager) && str_eq(node_find_text(e, "operation"), operation) &&
		    str_eq(node_find_text(e, "subresource"), sub))
			return e;
	}
	return NULL;
}

static struct node *entry_make(struct sim *sim, struct doc *doc, const struct kind *kind, const char *manager, const char *operation,
			       const char *sub)
{
	struct node *e = node_map(doc);
	char now[32];
	AUTOBUF gv = BUF_INIT;
	kind_api_version(kind, &gv);
	sim_time_text(sim->now, now);
	node_set_text(doc, e, "manager", manager);
	node_set_text(doc, e, "operation", operation);
	node_set_text(doc, e, "apiVersion", gv.data);
	node_set_text(doc, e, "time", now);
	node_set_text(doc, e, "fieldsType", "FieldsV1");
	node_set(doc, e, "fieldsV1", node_map(doc));
	node_set_text(doc, e, "subresource", sub);
	return e;
}

static void drop_empty(struct doc *doc)
{
	struct node *list = managers(doc);
	for (size_t i = node_count(list); i-- > 0;)
		if (node_count(node_get(node_at(list, i), "fieldsV1")) == 0)
			node_remove_at(list, i);
	if (node_count(list) == 0)
		node_remove(node_get(doc_root(doc), "metadata"), "managedFields");
}

static bool set_readable(const struct node *set)
{
	for (size_t i = 0; i < node_count(set); i++) {
		const char *key = node_key_at(set, i);
		bool known = strcmp(key, ".") == 0 || (strchr("fkvi", key[0]) != NULL && key[1] == ':');
		if (!known || !node_is(node_value_at(set, i), NODE_MAP) || !set_readable(node_value_at(set, i)))
			return false;
	}
	return true;
}

void fields_clean(struct doc *doc)
{
	struct node *list = managers(doc);
	for (size_t i = node_count(list); i-- > 0;) {
		const struct node *set = node_get(node_at(list, i), "fieldsV1");
		if (!node_is(set, NODE_MAP) || !set_readable(set))
			node_remove_at(list, i);
	}
	if (node_count(list) == 0)
		node_remove(node_get(doc_root(doc), "metadata"), "managedFields");
}

void fields_track(struct sim *sim, const struct kind *kind, const struct node *old, struct doc *doc, const char *manager, const char *sub)
{
	struct node *root = doc_root(doc), *list = managers(doc);
	struct ftype t = ftype_root(kind);
	AUTODOC *tmp = doc_new(), *bare = doc_clone(root), *bare_old = doc_clone(old);
	node_remove(node_get(doc_root(bare), "metadata"), "managedFields");
	node_remove(node_get(doc_root(bare_old), "metadata"), "managedFields");
	struct node *changed = set_changed(tmp, &t, doc_root(bare_old), doc_root(bare), true);
	if (changed != NULL)
		strip(kind, sub, changed);
	bool any = changed != NULL && node_count(changed) > 0;
	struct node *mine = entry_find(list, manager, "Update", sub);
	for (size_t i = 0; i < node_count(list); i++) {
		struct node *e = node_at(list, i), *set = node_get(e, "fieldsV1");
		if (node_count(set) > 0 && !set_restrict(doc, &t, set, root))
			node_set(doc, e, "fieldsV1", node_map(doc));
		set = node_get(e, "fieldsV1");
		if (any && e != mine && node_count(set) > 0 && !set_subtract(set, changed))
			node_set(doc, e, "fieldsV1", node_map(doc));
	}
	if (any) {
		if (mine == NULL)
			node_append(doc, list, mine = entry_make(sim, doc, kind, manager, "Update", sub));
		struct node *set = node_get(mine, "fieldsV1");
		char now[32];
		sim_time_text(sim->now, now);
		node_set_text(doc, mine, "time", now);
		if (node_count(set) == 0)
			node_set(doc, mine, "fieldsV1", node_copy(doc, changed));
		else
			set_union(doc, set, changed);
	}
	drop_empty(doc);
}

/* ---- apply ---- */

static void conflict_add(struct conflicts *c, const struct node *entry, const char *path)
{
	const char *manager = node_text_or(node_get(entry, "manager"), ""), *sub = node_find_text(entry, "subresource");
	AUTOBUF b = BUF_INIT;
	buf_printf(&b, "conflict with \"%s\"", manager);
	if (sub != NULL)
		buf_printf(&b, " with subresource \"%s\"", sub);
	buf_printf(&b, " using %s", node_text_or(node_get(entry, "apiVersion"), ""));
	if (str_eq(node_find_text(entry, "operation"), "Update"))
		buf_printf(&b, " at %s", node_text_or(node_get(entry, "time"), ""));
	struct node *cause = node_map(c->causes);
	node_set_text(c->causes, cause, "reason", "FieldManagerConflict");
	node_set_text(c->causes, cause, "message", b.data);
	node_set_text(c->causes, cause, "field", path);
	node_append(c->causes, doc_root(c->causes), cause);
	if (c->count++ > 0)
		buf_puts(&c->message, "\n");
	buf_printf(&c->message, "%s: %s", b.data, path);
}

/* [name="a",port=80], from "k:{...}". */
static char *key_path(const char *path, const char *key)
{
	AUTODOC *doc = doc_parse_json(key + 2, strlen(key + 2), "key", NULL, NULL);
	AUTOBUF b = BUF_INIT;
	buf_printf(&b, "%s[", path);
	for (size_t i = 0; doc != NULL && i < node_count(doc_root(doc)); i++) {
		buf_printf(&b, "%s%s=", i > 0 ? "," : "", node_key_at(doc_root(doc), i));
		node_to_json(node_value_at(doc_root(doc), i), &b, 0);
	}
	buf_putc(&b, ']');
	return buf_take(&b);
}

static void conflict_paths(struct conflicts *c, const struct node *entry, const struct node *set, const char *path)
{
	if (set_member(set) && *path != '\0')
		conflict_add(c, entry, path);
	for (size_t i = 0; i < node_count(set); i++) {
		const char *key = node_key_at(set, i);
		if (strcmp(key, ".") == 0)
			continue;
		AUTOFREE char *below = key[0] == 'f'   ? mem_printf("%s.%s", path, key + 2)
				       : key[0] == 'k' ? key_path(path, key)
						       : mem_printf("%s[=%s]", path, key + 2);
		conflict_paths(c, entry, node_value_at(set, i), below);
	}
}

struct doc *fields_apply(struct sim *sim, const struct kind *kind, const struct node *live, const struct node *applied, const char *manager,
			 const char *sub, bool force, struct conflicts *conflicts)
{
	struct ftype t = ftype_root(kind);
	AUTODOC *tmp = doc_new(), *config = doc_clone(applied);
	struct node *meta = node_get(doc_root(config), "metadata");
	static const char *const dropped[] = { "managedFields", "creationTimestamp", "generation", "uid", "resourceVersion" };
	AUTOFREE char *want_rv = mem_strdup(node_find_text(meta, "resourceVersion"));
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		node_remove(meta, dropped[i]);
	if (kind->status && !str_eq(sub, "status"))
		node_remove(doc_root(config), "status");
	struct node *want = set_of(tmp, &t, doc_root(config), false);
	strip(kind, sub, want);

	CLEANUP(doc_freep) struct doc *doc = doc_new();
	struct node *merged = apply_merge(doc, &t, live, doc_root(config));
	doc_set_root(doc, merged);
	struct node *list = managers(doc), *changed = live ? set_changed(tmp, &t, live, merged, false) : NULL;
	conflicts->causes = doc_new();
	doc_set_root(conflicts->causes, node_list(conflicts->causes));
	struct node *mine = entry_find(list, manager, "Apply", sub);
	for (size_t i = 0; changed != NULL && i < node_count(list); i++) {
		struct node *e = node_at(list, i), *set = node_get(e, "fieldsV1");
		struct node *both = e == mine ? NULL : set_common(tmp, changed, set);
		if (both == NULL)
			continue;
		if (!force)
			conflict_paths(conflicts, e, both, "");
		else if (!set_subtract(set, both))
			node_set(doc, e, "fieldsV1", node_map(doc));
	}
	if (conflicts->count > 0)
		return NULL;
	if (mine != NULL) { /* what was applied before, is not any more, and is nobody else's, goes */
		struct node *left = node_copy(tmp, node_get(mine, "fieldsV1"));
		bool any = node_count(left) > 0 && set_subtract(left, want);
		for (size_t i = 0; any && i < node_count(list); i++)
			if (node_at(list, i) != mine && node_count(node_get(node_at(list, i), "fieldsV1")) > 0)
				any = set_subtract(left, node_get(node_at(list, i), "fieldsV1"));
		if (any)
			set_prune(doc, &t, merged, left);
	}
	bool same = mine != NULL && node_equal(node_get(mine, "fieldsV1"), want);
	if (mine == NULL)
		node_append(doc, list, mine = entry_make(sim, doc, kind, manager, "Apply", sub));
	node_set(doc, mine, "fieldsV1", node_copy(doc, want));
	if (!same || changed != NULL) {
		char now[32];
		sim_time_text(sim->now, now);
		node_set_text(doc, mine, "time", now);
	}
	drop_empty(doc);
	if (live != NULL && want_rv != NULL)
		node_set_text(doc, node_get(merged, "metadata"), "resourceVersion", want_rv);
	return TAKE(doc);
}
