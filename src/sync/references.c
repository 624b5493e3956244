#include "sync/references.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "flink/config.h"
#include "flink/values.h"

enum { HASH_DIGITS = 16 };

void references_free(struct references *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].key);
	}
	free(list->items);
	*list = (struct references){ 0 };
}

static void add(struct references *out, bool secret, const char *name, const char *key)
{
	if (name == NULL || *name == '\0')
		return;
	out->items = mem_grow(out->items, out->count + 1, sizeof *out->items);
	out->items[out->count++] = (struct reference){ .secret = secret, .name = mem_strdup(name), .key = mem_strdup(key) };
}

/* A volume source, a projection, or a variable's source: {name | secretName, key | items: [{key}]}. */
static void add_source(struct references *out, bool secret, const struct node *source)
{
	const char *name = node_find_text(source, "name");
	if (name == NULL && secret)
		name = node_find_text(source, "secretName");
	const struct node *items = node_get(source, "items");
	for (size_t i = 0; i < node_count(items); i++)
		add(out, secret, name, node_find_text(node_at(items, i), "key"));
	if (node_count(items) == 0)
		add(out, secret, name, node_find_text(source, "key"));
}

static void collect(struct references *out, const struct node *n, bool loose)
{
	static const struct {
		const char *key;
		bool secret;
	} sources[] = { { "configMap", false }, { "configMapRef", false }, { "configMapKeyRef", false },
			{ "secret", true },	{ "secretRef", true },	   { "secretKeyRef", true } };
	for (size_t i = 0; i < node_count(n); i++) {
		if (node_is(n, NODE_LIST)) {
			collect(out, node_at(n, i), loose);
			continue;
		}
		const struct node *value = node_value_at(n, i);
		for (size_t s = 0; s < ARRAY_SIZE(sources); s++)
			if (strcmp(node_key_at(n, i), sources[s].key) == 0)
				add_source(out, sources[s].secret, value);
		if (loose && strcmp(node_key_at(n, i), "secretName") == 0)
			add(out, true, node_text(value), NULL);
		collect(out, value, loose);
	}
}

static void collect_options(struct references *out, const struct node *spec)
{
	AUTODOC *doc = doc_new();
	struct node *config = node_map(doc);
	if (!flink_config_flatten(doc, node_get(spec, "flinkConfiguration"), config, "", NULL))
		return; /* not valid, and refused for that */
	add(out, false, node_text(node_get(config, "kubernetes.hadoop.conf.config-map.name")), NULL);
	const struct node *mounted = flink_map_parse(doc, node_text(node_get(config, "kubernetes.secrets")));
	for (size_t i = 0; i < node_count(mounted); i++)
		add(out, true, node_key_at(mounted, i), NULL);
	const struct node *variables = flink_list_split(doc, node_text(node_get(config, "kubernetes.env.secretKeyRef")), ';');
	for (size_t i = 0; i < node_count(variables); i++) {
		const struct node *v = flink_map_parse(doc, node_text(node_at(variables, i)));
		add(out, true, node_find_text(v, "secret"), node_find_text(v, "key"));
	}
}

/* What Flink and Weir make for this job, and what changes by itself. */
static bool made_here(const char *job, const char *name)
{
	size_t len = strlen(job);
	static const char *const ours[] = { "weir-ledger-", "weir-inventory-", "weir-kept-", "flink-config-", "pod-template-" };
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (str_starts(name, ours[i]) && (i < 3 || strcmp(name + strlen(ours[i]), job) == 0))
			return true;
	return strncmp(name, job, len) == 0 && name[len] == '-' && str_ends(name, "-config-map");
}

static int by_name(const void *a, const void *b)
{
	const struct reference *x = a;
	const struct reference *y = b;
	int order = x->secret - y->secret;
	if (order == 0)
		order = strcmp(x->name, y->name);
	if (order == 0)
		order = strcmp(x->key == NULL ? "" : x->key, y->key == NULL ? "" : y->key);
	return order;
}

static bool same_object(const struct reference *a, const struct reference *b)
{
	return a->secret == b->secret && strcmp(a->name, b->name) == 0;
}

void references_of(const char *job, const struct node *spec, struct references *out)
{
	static const char *const templates[] = { "podTemplate", "jobManager/podTemplate", "taskManager/podTemplate" };
	*out = (struct references){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
		collect(out, node_find(spec, templates[i]), false);
	collect_options(out, spec);
	if (out->count > 1)
		qsort(out->items, out->count, sizeof *out->items, by_name);
	size_t kept = 0;
	for (size_t i = 0; i < out->count; i++) {
		struct reference *r = &out->items[i];
		const struct reference *last = kept == 0 ? NULL : &out->items[kept - 1];
		/* all of an object sorts before its keys, and covers them */
		bool covered = last != NULL && same_object(last, r) && (last->key == NULL || str_eq(last->key, r->key));
		if (covered || made_here(job, r->name)) {
			free(r->name);
			free(r->key);
		} else {
			out->items[kept++] = *r;
		}
	}
	out->count = kept;
}

bool references_hold(const struct references *list, bool secret, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].secret == secret && strcmp(list->items[i].name, name) == 0)
			return true;
	return false;
}

void references_anywhere(const struct node *object, struct references *out)
{
	*out = (struct references){ 0 };
	collect(out, object, true);
}

static void put_name(struct buf *text, const struct reference *r)
{
	buf_printf(text, "%s%s/%s%s%s=", text->len == 0 ? "" : ",", r->secret ? "Secret" : "ConfigMap", r->name, r->key == NULL ? "" : "/",
		   r->key == NULL ? "" : r->key);
}

void reference_put(struct buf *text, const struct reference *r, const struct node *object)
{
	static const char *const parts[] = { "data", "binaryData" };
	AUTODOC *doc = doc_new();
	struct node *held = node_map(doc);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct node *part = node_get(object, parts[i]);
		if (r->key != NULL && node_get(part, r->key) != NULL)
			node_set(doc, held, parts[i], node_copy(doc, node_get(part, r->key)));
		else if (r->key == NULL && node_count(part) > 0)
			node_set(doc, held, parts[i], node_copy(doc, part));
	}
	put_name(text, r);
	if (object == NULL || (r->key != NULL && node_count(held) == 0)) {
		buf_puts(text, "absent");
		return;
	}
	AUTOBUF json = BUF_INIT;
	char hash[65];
	node_to_json(held, &json, JSON_SORTED);
	sha256_hex(buf_text(&json), json.len, hash);
	buf_printf(text, "%.*s", HASH_DIGITS, hash);
}

void reference_put_unread(struct buf *text, const struct reference *r)
{
	put_name(text, r);
	buf_puts(text, "unread");
}

static bool has_entry(const char *text, const char *entry, size_t len)
{
	for (const char *at = text; at != NULL && *at != '\0';) {
		size_t n = strcspn(at, ",");
		if (n == len && memcmp(at, entry, len) == 0)
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

bool references_say(const char *text, const char *entry)
{
	return has_entry(text, entry, strlen(entry));
}

void references_changed(const char *before, const char *now, struct buf *out)
{
	for (const char *at = now; at != NULL && *at != '\0';) {
		size_t n = strcspn(at, ",");
		if (!has_entry(before, at, n))
			buf_printf(out, "%s%.*s", out->len == 0 ? "" : ", ", (int)strcspn(at, "="), at);
		at += n + (at[n] == ',');
	}
}
