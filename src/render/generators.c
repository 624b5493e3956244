/* configMapGenerator and secretGenerator: objects from literals, files and env files, added to or merged into what is there. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"

struct generator {
	const struct kustomization *k;
	const struct node *entry;
	const char *field; /* configMapGenerator or secretGenerator */
	bool secret;
	struct doc *doc; /* of the new object */
	struct node *root;
	struct error *err;
};

static bool bad(struct generator *g, const struct node *at, const char *what, const char *detail)
{
	return kustomization_error(g->k, g->err, ERROR_INVALID, at, g->field, "%s%s", what, detail);
}

static bool is_utf8(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	for (size_t i = 0; i < len;) {
		size_t n = s[i] < 0x80			 ? 1
			   : s[i] >= 0xc2 && s[i] < 0xe0 ? 2
			   : s[i] >= 0xe0 && s[i] < 0xf0 ? 3
			   : s[i] >= 0xf0 && s[i] < 0xf5 ? 4
							 : 0;
		if (n == 0 || i + n > len)
			return false;
		for (size_t k = 1; k < n; k++)
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		if ((s[i] == 0xe0 && s[i + 1] < 0xa0) || (s[i] == 0xed && s[i + 1] > 0x9f) || (s[i] == 0xf0 && s[i + 1] < 0x90) ||
		    (s[i] == 0xf4 && s[i + 1] > 0x8f))
			return false;
		i += n;
	}
	return true;
}

/* Base64, in lines of 70 when it is longer than one. */
static struct node *base64(struct doc *doc, const char *data, size_t len)
{
	enum { LINE = 70 };
	AUTOBUF plain = BUF_INIT;
	buf_put_base64(&plain, data, len);
	if (plain.len <= LINE)
		return node_stringn(doc, buf_text(&plain), plain.len);
	AUTOBUF lines = BUF_INIT;
	for (size_t i = 0; i < plain.len; i += LINE) {
		buf_append(&lines, plain.data + i, plain.len - i < LINE ? plain.len - i : LINE);
		buf_putc(&lines, '\n');
	}
	return node_stringn(doc, buf_text(&lines), lines.len);
}

static bool put(struct generator *g, const struct node *at, const char *key, const char *data, size_t len)
{
	if (node_get(node_get(g->root, "data"), key) != NULL || node_get(node_get(g->root, "binaryData"), key) != NULL)
		return kustomization_error(g->k, g->err, ERROR_INVALID, at, g->field, "%s illegally repeats the key '%s'",
					   node_text_or(node_get(g->entry, "name"), ""), key);
	bool binary = !g->secret && !is_utf8(data, len);
	struct node *map = node_ensure_map(g->doc, g->root, binary ? "binaryData" : "data");
	node_set(g->doc, map, key, g->secret || binary ? base64(g->doc, data, len) : node_stringn(g->doc, data, len));
	return true;
}

static bool put_env_line(struct generator *g, const struct node *at, const char *line, size_t len, bool first)
{
	if (!is_utf8(line, len))
		return bad(g, at, "a line of the env file is not UTF-8", "");
	if (first && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len == 0 || *line == '#')
		return true;
	const char *equals = memchr(line, '=', len);
	size_t key_len = equals == NULL ? len : (size_t)(equals - line);
	if (key_len == 0)
		return bad(g, at, "a line of the env file has no key", "");
	AUTOFREE char *key = mem_strndup(line, key_len);
	return put(g, at, key, equals == NULL ? "" : equals + 1, equals == NULL ? 0 : len - key_len - 1);
}

static bool put_env_file(struct generator *g, const struct node *at)
{
	const struct render_file *f = kustomization_read(g->k, at, node_text_or(at, ""), g->field, g->err);
	if (f == NULL)
		return false;
	for (size_t from = 0; from < f->len;) {
		const char *line = f->data + from;
		const char *end = memchr(line, '\n', f->len - from);
		size_t len = end == NULL ? f->len - from : (size_t)(end - line);
		bool first = from == 0;
		from += len + 1;
		if (len > 0 && line[len - 1] == '\r')
			len--;
		if (!put_env_line(g, at, line, len, first))
			return error_wrap(g->err, "%s", f->path);
	}
	return true;
}

static bool put_literal(struct generator *g, const struct node *at)
{
	const char *text = node_text_or(at, "");
	const char *equals = strchr(text, '=');
	if (equals == NULL || equals == text)
		return bad(g, at, "expected key=value in literals, found ", text);
	AUTOFREE char *key = mem_strndup(text, (size_t)(equals - text));
	const char *value = equals + 1;
	size_t len = strlen(value);
	if (len >= 2 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
		value++;
		len -= 2;
	}
	return put(g, at, key, value, len);
}

static bool put_file(struct generator *g, const struct node *at)
{
	const char *text = node_text_or(at, "");
	const char *equals = strchr(text, '=');
	const char *path = equals == NULL ? text : equals + 1;
	if (strchr(path, '=') != NULL || *path == '\0' || equals == text)
		return bad(g, at, "expected path or key=path in files, found ", text);
	const struct render_file *f = kustomization_read(g->k, at, path, g->field, g->err);
	if (f == NULL)
		return false;
	const char *slash = strrchr(path, '/');
	AUTOFREE char *key = equals != NULL ? mem_strndup(text, (size_t)(equals - text)) : mem_strdup(slash == NULL ? path : slash + 1);
	return put(g, at, key, f->data == NULL ? "" : f->data, f->len);
}

static bool put_all(struct generator *g, const char *field, bool (*one)(struct generator *, const struct node *))
{
	const struct node *list = node_get(g->entry, field);
	for (size_t i = 0; i < node_count(list); i++)
		if (!one(g, node_at(list, i)))
			return false;
	return true;
}

static void put_metadata(struct generator *g, const struct node *options, const char *field)
{
	const struct node *from = node_get(options, field);
	struct node *meta = node_get(g->root, "metadata");
	for (size_t i = 0; i < node_count(from); i++)
		node_set(g->doc, node_ensure_map(g->doc, meta, field), node_key_at(from, i), node_copy(g->doc, node_value_at(from, i)));
}

static bool either(const struct node *a, const struct node *b, const char *field)
{
	return node_truth(node_get(a, field), false) || node_truth(node_get(b, field), false);
}

static struct resource *make(struct generator *g)
{
	const char *name = node_text_or(node_get(g->entry, "name"), "");
	if (*name == '\0') {
		(void)bad(g, g->entry, "a configmap must have a name", "");
		return NULL;
	}
	g->root = node_map(g->doc);
	doc_set_root(g->doc, g->root);
	node_set_text(g->doc, g->root, "apiVersion", "v1");
	node_set_text(g->doc, g->root, "kind", g->secret ? "Secret" : "ConfigMap");
	struct node *meta = node_ensure_map(g->doc, g->root, "metadata");
	node_set_text(g->doc, meta, "name", name);
	const char *ns = node_text_or(node_get(g->entry, "namespace"), "");
	if (*ns != '\0')
		node_set_text(g->doc, meta, "namespace", ns);
	if (g->secret) {
		const char *type = node_text_or(node_get(g->entry, "type"), "");
		node_set_text(g->doc, g->root, "type", *type == '\0' ? "Opaque" : type);
		(void)node_ensure_map(g->doc, g->root, "data");
	}
	const struct node *env = node_get(g->entry, "env");
	if (!put_all(g, "envs", put_env_file) || (*node_text_or(env, "") != '\0' && !put_env_file(g, env)) ||
	    !put_all(g, "literals", put_literal) || !put_all(g, "files", put_file))
		return NULL;
	const struct node *general = node_get(g->k->root, "generatorOptions"), *own = node_get(g->entry, "options");
	put_metadata(g, general, "labels");
	put_metadata(g, own, "labels");
	put_metadata(g, general, "annotations");
	put_metadata(g, own, "annotations");
	if (either(general, own, "immutable"))
		node_set(g->doc, g->root, "immutable", node_bool(g->doc, true));
	struct resource *r = resource_new(TAKE(g->doc), g->k->file, node_line(g->entry));
	r->wants_hash = !either(general, own, "disableNameSuffixHash");
	return r;
}

/* ---- into what is there ---- */

static bool is_same(const struct resource *r, const char *kind, const char *name, const char *ns, const void *context)
{
	const struct resource *made = context;
	return strcmp(kind, resource_kind(made)) == 0 && strcmp(name, resource_name(made)) == 0 &&
	       strcmp(resource_effective_namespace(r, kind, ns), resource_effective_namespace(made, kind, resource_namespace(made))) == 0;
}

/* old's entries of a map that the new object does not have; values become strings. */
static void keep_map(struct resource *old, struct node *parent, const struct node *from, const char *field, const struct node *unless)
{
	const struct node *values = node_get(from, field);
	for (size_t i = 0; i < node_count(values); i++) {
		const char *key = node_key_at(values, i);
		const struct node *value = node_value_at(values, i);
		if (node_get(node_get(parent, field), key) != NULL || node_get(unless, key) != NULL)
			continue;
		struct node *copy =
			node_is(value, NODE_STRING) ? node_copy(old->doc, value) : node_string(old->doc, node_text_or(value, ""));
		node_set(old->doc, node_ensure_map(old->doc, parent, field), key, copy);
	}
}

/* What comes out is the new object under the old one's name, with the old one's labels, annotations and, when merging, data kept. */
static void merge_into(struct resource *old, const struct resource *made, bool merge)
{
	const struct node *before = resource_root(old), *meta_before = node_get(before, "metadata");
	struct node *root = node_copy(old->doc, resource_root(made)), *meta = node_get(root, "metadata");
	node_set_text(old->doc, meta, "name", resource_name(old));
	(void)node_remove(meta, "namespace");
	node_set_text(old->doc, meta, "namespace", node_text(node_get(meta_before, "namespace")));
	keep_map(old, meta, meta_before, "labels", NULL);
	keep_map(old, meta, meta_before, "annotations", NULL);
	if (merge) {
		const struct node *made_root = resource_root(made);
		keep_map(old, root, before, "data", node_get(made_root, "binaryData"));
		keep_map(old, root, before, "binaryData", node_get(made_root, "data"));
	}
	doc_set_root(old->doc, root);
	old->wants_hash = old->wants_hash && made->wants_hash;
}

static bool absorb(struct generator *g, struct resource_set *set, struct resource *made)
{
	const char *behavior = node_text_or(node_get(g->entry, "behavior"), "");
	bool merge = strcmp(behavior, "merge") == 0, replace = strcmp(behavior, "replace") == 0;
	struct resource *old = NULL;
	for (size_t i = 0; i < set->count && old == NULL; i++)
		if (strcmp(set->items[i]->group, "") == 0 && strcmp(set->items[i]->version, "v1") == 0 &&
		    resource_any_id(set->items[i], is_same, made))
			old = set->items[i];
	AUTOBUF id = BUF_INIT;
	resource_describe(made, &id);
	if (!merge && !replace && old == NULL) {
		set_add(set, made);
		return true;
	}
	bool ok = old != NULL && (merge || replace);
	if (ok)
		merge_into(old, made, merge);
	else if (old != NULL)
		(void)kustomization_error(g->k, g->err, ERROR_INVALID, g->entry, g->field,
					  "%s exists (%s:%u); behavior must be merge or replace", buf_text(&id), old->file, old->line);
	else
		(void)bad(g, g->entry, buf_text(&id), " does not exist; cannot merge or replace");
	resource_free(made);
	return ok;
}

bool generators_run(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	static const char *const fields[] = { "configMapGenerator", "secretGenerator" };
	for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
		const struct node *list = node_get(k->root, fields[f]);
		for (size_t i = 0; i < node_count(list); i++) {
			struct generator g = {
				.k = k, .entry = node_at(list, i), .field = fields[f], .secret = f == 1, .doc = doc_new(), .err = err
			};
			struct resource *made = make(&g);
			doc_free(g.doc);
			if (made == NULL || !absorb(&g, set, made))
				return false;
		}
	}
	return true;
}
