/*
 * Managed fields: which list is keyed by what, sets of fields as FieldsV1 trees, and server-side apply. In a tree a member is an empty map
 * or a map that holds "."; keys are "f:name", "k:{...}" and "v:...".
 */
#include "sim/fields.h"

enum shape { ATOMIC, GRANULAR, KEYED, SET };

static const struct list_type {
	const char *field, *parent; /* parent NULL: any */
	const char *keys[3];	    /* none: a set */
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
static const char *const atomic_maps[] = { "selector",	      "nodeSelector",	   "fieldRef",	    "secretKeyRef",
					   "configMapKeyRef", "resourceFieldRef",  "labelSelector", "roleRef",
					   "podSelector",     "namespaceSelector", "nodeAffinity",  "claimRef" };

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

bool set_member(const struct node *set)
{
	return set != NULL && (node_count(set) == 0 || node_get(set, ".") != NULL);
}

struct node *set_of(struct doc *doc, const struct ftype *t, const struct node *value, bool containers)
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
		if (shape == KEYED && !set_member(child))
			node_set(doc, child, ".", node_map(doc));
		node_set(doc, set, item_key(doc, node_at(value, i), shape, keys), child);
	}
	return set;
}

/* What was added or changed from old to new; NULL for nothing. */
struct node *set_changed(struct doc *doc, const struct ftype *t, const struct node *old, const struct node *new, bool containers)
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
		if (child != NULL && before == NULL && !set_member(child))
			node_set(doc, child, ".", node_map(doc));
		if (child != NULL)
			node_set(doc, set, key, child);
	}
	return node_count(set) > 0 ? set : NULL;
}

/* a becomes a without b; false when nothing is left of it. */
bool set_subtract(struct node *a, const struct node *b)
{
	if (node_count(a) == 0) /* a leaf: gone if b has it, or anything of it */
		return !set_member(b);
	if (set_member(b))
		node_remove(a, ".");
	for (size_t i = node_count(a); i-- > 0;) {
		const struct node *other = node_get(b, node_key_at(a, i));
		if (strcmp(node_key_at(a, i), ".") != 0 && other != NULL && !set_subtract(node_value_at(a, i), other))
			node_remove_at(a, i);
	}
	return node_count(a) > 0;
}

void set_union(struct doc *doc, struct node *a, const struct node *b)
{
	if (set_member(a) != set_member(b) || (set_member(a) && node_count(b) > 0))
		node_set(doc, a, ".", node_map(doc));
	for (size_t i = 0; i < node_count(b); i++) {
		struct node *mine = node_get(a, node_key_at(b, i));
		if (mine == NULL)
			node_set(doc, a, node_key_at(b, i), node_copy(doc, node_value_at(b, i)));
		else if (strcmp(node_key_at(b, i), ".") != 0)
			set_union(doc, mine, node_value_at(b, i));
	}
	if (node_count(a) == 1 && node_get(a, ".") != NULL)
		node_remove(a, ".");
}

struct node *set_common(struct doc *doc, const struct node *a, const struct node *b)
{
	struct node *set = node_map(doc);
	if (set_member(a) && set_member(b))
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
bool set_restrict(struct doc *doc, const struct ftype *t, struct node *set, const struct node *value)
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
		const struct node *child = shape == GRANULAR ? node_get(value, key + 2)
					   : shape == ATOMIC ? NULL
							     : item_find(doc, value, key, shape, keys, &at);
		if (!set_restrict(doc, &c, node_value_at(set, i), child))
			node_remove_at(set, i);
	}
	return node_count(set) > 0;
}

/* Removes from the value what the set names; containers that become empty go, too. */
void set_prune(struct doc *doc, const struct ftype *t, struct node *value, const struct node *set)
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
		bool gone = node_count(child_set) == 0 || (shape == KEYED && set_member(child_set));
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
