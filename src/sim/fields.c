/*
 * Managed fields: which list is keyed by what, sets of fields as FieldsV1 trees, and server-side apply. In a tree a member is an empty map
 * or a map that holds "."; keys are "f:name", "k:{...}" and "v:...".
 */
#include <stdio.h>

#include "sim/internal.h"

enum shape { ATOMIC, GRANULAR, KEYED, SET };

static const struct list_type {
	const char *field, *parent; /* parent NULL: any */
	const char *keys[3];        /* none: a set */
	const char *patch_key;
} lists[] = {
	{ "containers", NULL, { "name" }, "name" },
	{ "initContainers", NULL, { "name" }, "name" },
	{ "ephemeralContainers", NULL, { "name" }, "name" },
	{ "env", NULL, { "name" }, "name" },
	{ "volumes", NULL, { "name" }, "name" },
	{ "volumeMounts", NULL, { "mountPath" }, "mountPath" },
	{ "volumeDevices", NULL, { "devicePath" }, "devicePath" },
	{ "imagePullSecrets", NULL, { "name" }, "name" },
	{ "secrets", "", { "name" }, "name" },
	{ "hostAliases", NULL, { "ip" }, "ip" },
	{ "topologySpreadConstraints", NULL, { "topologyKey", "whenUnsatisfiable" }, "topologyKey" },
	{ "ports", "containers", { "containerPort", "protocol" }, "containerPort" },
	{ "ports", "initContainers", { "containerPort", "protocol" }, "containerPort" },
	{ "ports", "spec", { "port", "protocol" }, "port" },
	{ "conditions", "status", { "type" }, "type" },
	{ "ownerReferences", "metadata", { "uid" }, "uid" },
	{ "finalizers", "metadata", { NULL }, "" },
	{ "webhooks", "", { "name" }, "name" },
};

/* Maps that are replaced as a whole. */
static const char *const atomic_maps[] = { "selector", "nodeSelector", "fieldRef", "secretKeyRef", "configMapKeyRef", "resourceFieldRef",
	"labelSelector", "roleRef", "podSelector", "namespaceSelector", "nodeAffinity", "claimRef" };

const char *strategic_key(const char *field, const char *parent)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (strcmp(lists[i].field, field) == 0 && (lists[i].parent == NULL || strcmp(lists[i].parent, parent) == 0))
			return lists[i].patch_key;
	return NULL;
}

struct ftype ftype_root(const struct kind *kind)
{
	return (struct ftype){ !kind->custom, kind_schema(kind), "", "", 0 };
}

struct ftype ftype_child(const struct ftype *t, const char *key)
{
	struct ftype c = *t;
	c.depth++;
	if (key == NULL) { /* an element goes by its list's name */
		c.schema = node_get(t->schema, "items");
		return c;
	}
	c.parent = t->field;
	c.field = key;
	const struct node *property = node_get(node_get(t->schema, "properties"), key);
	c.schema = property ? property : node_get(t->schema, "additionalProperties");
	return c;
}

static enum shape shape_of(const struct ftype *t, const struct node *value, const char *keys[4])
{
	bool known = t->builtin || (strcmp(t->parent, "metadata") == 0 && t->depth == 2);
	memset(keys, 0, 4 * sizeof *keys);
	if (node_is(value, NODE_MAP)) {
		if (str_eq(node_find_text(t->schema, "x-kubernetes-map-type"), "atomic"))
			return ATOMIC;
		for (size_t i = 0; t->builtin && t->depth > 1 && i < ARRAY_SIZE(atomic_maps); i++)
			if (strcmp(t->field, atomic_maps[i]) == 0)
				return ATOMIC;
		return GRANULAR;
	}
	if (!node_is(value, NODE_LIST))
		return ATOMIC;
	const char *type = node_find_text(t->schema, "x-kubernetes-list-type");
	if (str_eq(type, "set"))
		return SET;
	if (str_eq(type, "map")) {
		const struct node *k = node_get(t->schema, "x-kubernetes-list-map-keys");
		for (size_t i = 0; i < node_count(k) && i < 3; i++)
			keys[i] = node_text(node_at(k, i));
		return KEYED;
	}
	for (size_t i = 0; known && i < ARRAY_SIZE(lists); i++)
		if (strcmp(lists[i].field, t->field) == 0 && (lists[i].parent == NULL || strcmp(lists[i].parent, t->parent) == 0)) {
			if (lists[i].keys[0] == NULL)
				return SET;
			memcpy(keys, lists[i].keys, sizeof lists[i].keys);
			return KEYED;
		}
	return ATOMIC;
}

static const char *item_key(struct doc *doc, const struct node *item, enum shape shape, const char *keys[4])
{
	AUTOBUF b = BUF_INIT;
	buf_puts(&b, shape == SET ? "v:" : "k:");
	if (shape == SET) {
		node_to_json(item, &b, 0);
	} else {
		AUTODOC *tmp = doc_new();
		struct node *m = node_map(tmp);
		for (size_t i = 0; keys[i] != NULL; i++) {
			const struct node *v = node_get(item, keys[i]);
			if (v != NULL)
				node_set(tmp, m, keys[i], node_copy(tmp, v));
			else if (strcmp(keys[i], "protocol") == 0)
				node_set_text(tmp, m, keys[i], "TCP");
		}
		node_to_json(m, &b, JSON_SORTED);
	}
	return doc_strdup(doc, buf_text(&b));
}

static struct node *item_find(struct doc *doc, const struct node *list, const char *key, enum shape shape, const char *keys[4], size_t *at)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (strcmp(item_key(doc, node_at(list, i), shape, keys), key) == 0) {
			*at = i;
			return node_at(list, i);
		}
	return NULL;
}

/* ---- sets ---- */

static bool member(const struct node *set)
{
	return set != NULL && (node_count(set) == 0 || node_get(set, ".") != NULL);
}

static struct node *copied(struct doc *doc, const struct node *set)
{
	return node_copy(doc, set);
}

static struct node *set_of(struct doc *doc, const struct ftype *t, const struct node *value, bool containers)
{
	const char *keys[4];
	struct node *set = node_map(doc);
	enum shape shape = shape_of(t, value, keys);
	if (shape == ATOMIC || node_count(value) == 0)
		return set;
	if (containers && t->depth > 1)
		node_set(doc, set, ".", node_map(doc));
	for (size_t i = 0; i < node_count(value); i++) {
		if (shape == GRANULAR) {
			struct ftype c = ftype_child(t, node_key_at(value, i));
			AUTOFREE char *key = mem_printf("f:%s", node_key_at(value, i));
			node_set(doc, set, key, set_of(doc, &c, node_value_at(value, i), containers));
			continue;
		}
		struct ftype c = ftype_child(t, NULL);
		struct node *child = shape == SET ? node_map(doc) : set_of(doc, &c, node_at(value, i), containers);
		if (shape == KEYED && !member(child))
			node_set(doc, child, ".", node_map(doc));
		node_set(doc, set, item_key(doc, node_at(value, i), shape, keys), child);
	}
	return set;
}

/* What was added or changed from old to new; NULL for nothing. */
static struct node *set_changed(struct doc *doc, const struct ftype *t, const struct node *old, const struct node *new, bool containers)
{
	const char *keys[4];
	if (old == NULL)
		return set_of(doc, t, new, containers);
	enum shape shape = shape_of(t, new, keys);
	if (shape == ATOMIC || node_kind(old) != node_kind(new) || node_count(new) == 0)
		return node_equal(old, new) || (shape != ATOMIC && node_kind(old) == node_kind(new)) ? NULL : node_map(doc);
	struct node *set = node_map(doc);
	for (size_t i = 0; i < node_count(new); i++) {
		const struct node *value = node_value_at(new, i);
		if (shape == GRANULAR) {
			struct ftype c = ftype_child(t, node_key_at(new, i));
			struct node *child = set_changed(doc, &c, node_get(old, node_key_at(new, i)), value, containers);
			AUTOFREE char *key = mem_printf("f:%s", node_key_at(new, i));
			if (child != NULL)
				node_set(doc, set, key, child);
			continue;
		}
		struct ftype c = ftype_child(t, NULL);
		size_t at;
		value = node_at(new, i);
		const char *key = item_key(doc, value, shape, keys);
		const struct node *before = item_find(doc, old, key, shape, keys, &at);
		struct node *child = shape == SET ? (before ? NULL : node_map(doc)) : set_changed(doc, &c, before, value, containers);
		if (child != NULL && before == NULL && !member(child))
			node_set(doc, child, ".", node_map(doc));
		if (child != NULL)
			node_set(doc, set, key, child);
	}
	return node_count(set) > 0 ? set : NULL;
}

/* a becomes a without b; false when nothing is left of it. */
static bool set_subtract(struct node *a, const struct node *b)
{
	if (node_count(a) == 0) /* a leaf: gone if b has it, or anything of it */
		return !member(b);
	if (member(b))
		node_remove(a, ".");
	for (size_t i = node_count(a); i-- > 0;) {
		const struct node *other = node_get(b, node_key_at(a, i));
		if (strcmp(node_key_at(a, i), ".") != 0 && other != NULL && !set_subtract(node_value_at(a, i), other))
			node_remove_at(a, i);
	}
	return node_count(a) > 0;
}

static void set_union(struct doc *doc, struct node *a, const struct node *b)
{
	if (member(a) != member(b) || (member(a) && node_count(b) > 0))
		node_set(doc, a, ".", node_map(doc));
	for (size_t i = 0; i < node_count(b); i++) {
		struct node *mine = node_get(a, node_key_at(b, i));
		if (mine == NULL)
			node_set(doc, a, node_key_at(b, i), copied(doc, node_value_at(b, i)));
		else if (strcmp(node_key_at(b, i), ".") != 0)
			set_union(doc, mine, node_value_at(b, i));
	}
	if (node_count(a) == 1 && node_get(a, ".") != NULL)
		node_remove(a, ".");
}

static struct node *set_common(struct doc *doc, const struct node *a, const struct node *b)
{
	struct node *set = node_map(doc);
	if (member(a) && member(b))
		node_set(doc, set, ".", node_map(doc));
	for (size_t i = 0; i < node_count(a); i++) {
		const struct node *other = node_get(b, node_key_at(a, i));
		struct node *child = other && strcmp(node_key_at(a, i), ".") != 0 ? set_common(doc, node_value_at(a, i), other) : NULL;
		if (child != NULL)
			node_set(doc, set, node_key_at(a, i), child);
	}
	if (node_count(set) == 1 && node_get(set, ".") != NULL)
		node_remove(set, ".");
	else if (node_count(set) == 0)
		return NULL;
	return set;
}

/* Keeps of the set only what the value still has; false when nothing is left. */
static bool set_restrict(struct doc *doc, const struct ftype *t, struct node *set, const struct node *value)
{
	const char *keys[4];
	if (value == NULL)
		return false;
	if (node_count(set) == 0)
		return true;
	enum shape shape = shape_of(t, value, keys);
	for (size_t i = node_count(set); i-- > 0;) {
		const char *key = node_key_at(set, i);
		size_t at;
		if (strcmp(key, ".") == 0)
			continue;
		struct ftype c = ftype_child(t, shape == GRANULAR ? key + 2 : NULL);
		const struct node *child = shape == GRANULAR ? node_get(value, key + 2) : shape == ATOMIC ? NULL : item_find(doc, value, key, shape, keys, &at);
		if (!set_restrict(doc, &c, node_value_at(set, i), child))
			node_remove_at(set, i);
	}
	return node_count(set) > 0;
}

/* Removes from the value what the set names; containers that become empty go, too. */
static void set_prune(struct doc *doc, const struct ftype *t, struct node *value, const struct node *set)
{
	const char *keys[4];
	enum shape shape = shape_of(t, value, keys);
	for (size_t i = 0; i < node_count(set); i++) {
		const char *key = node_key_at(set, i);
		const struct node *child_set = node_value_at(set, i);
		size_t at = 0;
		if (strcmp(key, ".") == 0 || shape == ATOMIC)
			continue;
		struct node *child = shape == GRANULAR ? node_get(value, key + 2) : item_find(doc, value, key, shape, keys, &at);
		if (child == NULL)
			continue;
		struct ftype c = ftype_child(t, shape == GRANULAR ? key + 2 : NULL);
		bool gone = node_count(child_set) == 0 || (shape == KEYED && member(child_set));
		if (!gone) {
			set_prune(doc, &c, child, child_set);
			gone = (node_is(child, NODE_MAP) || node_is(child, NODE_LIST)) && node_count(child) == 0;
		}
		if (gone && shape == GRANULAR)
			node_remove(value, key + 2);
		else if (gone)
			node_remove_at(value, at);
	}
}

struct node *apply_merge(struct doc *doc, const struct ftype *t, const struct node *live, const struct node *applied)
{
	const char *keys[4];
	enum shape shape = shape_of(t, applied, keys);
	if (live == NULL || shape == ATOMIC || node_kind(live) != node_kind(applied))
		return node_copy(doc, applied);
	struct node *out = node_copy(doc, live);
	for (size_t i = 0; i < node_count(applied); i++) {
		if (shape == GRANULAR) {
			const char *key = node_key_at(applied, i);
			struct ftype c = ftype_child(t, key);
			node_set(doc, out, key, apply_merge(doc, &c, node_get(live, key), node_value_at(applied, i)));
			continue;
		}
		struct ftype c = ftype_child(t, NULL);
		size_t at;
		const struct node *item = node_at(applied, i);
		const char *key = item_key(doc, item, shape, keys);
		const struct node *there = item_find(doc, out, key, shape, keys, &at);
		if (there == NULL)
			node_append(doc, out, node_copy(doc, item));
		else if (shape == KEYED)
			node_replace_at(out, at, apply_merge(doc, &c, there, item));
	}
	return out;
}

/* ---- managers ---- */

static const char *const ignored[] = { "f:name", "f:namespace", "f:uid", "f:resourceVersion", "f:generation", "f:creationTimestamp",
	"f:managedFields", "f:deletionTimestamp", "f:deletionGracePeriodSeconds", "f:selfLink" };

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

static void conflict_paths(struct conflicts *c, const struct node *entry, const struct node *set, const char *path)
{
	if (member(set) && *path != '\0')
		conflict_add(c, entry, path);
	for (size_t i = 0; i < node_count(set); i++) {
		const char *key = node_key_at(set, i);
		if (strcmp(key, ".") == 0)
			continue;
		AUTOFREE char *below = key[0] == 'f' ? mem_printf("%s.%s", path, key + 2) : key[0] == 'k' ?
				       mem_printf("%s[%.*s]", path, (int)strlen(key + 3) - 1, key + 3) : mem_printf("%s[=%s]", path, key + 2);
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
