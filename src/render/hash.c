/* The suffix of generated names: ten characters of the SHA-256 of the content as Go's JSON encoder writes it. */
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "render/kustomization.h"

static void put_text(struct buf *out, const char *s, size_t len)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c == '\n')
			buf_puts(out, "\\n");
		else if (c == '\r')
			buf_puts(out, "\\r");
		else if (c == '\t')
			buf_puts(out, "\\t");
		else if (c == '\b')
			buf_puts(out, "\\b");
		else if (c == '\f')
			buf_puts(out, "\\f");
		else if (c < 0x20 || c == '<' || c == '>' || c == '&')
			buf_printf(out, "\\u%04x", c);
		else if (c == 0xe2 && i + 2 < len && (unsigned char)s[i + 1] == 0x80 && ((unsigned char)s[i + 2] & 0xfe) == 0xa8) {
			buf_printf(out, "\\u202%c", (unsigned char)s[i + 2] == 0xa8 ? '8' : '9');
			i += 2;
		} else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static void put(struct buf *out, const struct node *n)
{
	switch (node_kind(n)) {
	case NODE_STRING:
		put_text(out, node_text(n), node_len(n));
		break;
	case NODE_MAP: /* its keys are sorted */
		buf_putc(out, '{');
		for (size_t i = 0; i < node_count(n); i++) {
			if (i > 0)
				buf_putc(out, ',');
			put_text(out, node_key_at(n, i), strlen(node_key_at(n, i)));
			buf_putc(out, ':');
			put(out, node_value_at(n, i));
		}
		buf_putc(out, '}');
		break;
	default:
		node_to_json(n, out, JSON_COMPACT | JSON_SORTED);
	}
}

static void suffix_of(const struct resource *r, char out[11])
{
	AUTODOC *doc = doc_new();
	struct node *root = resource_root(r), *content = node_map(doc);
	const char *kind = resource_kind(r);
	bool secret = strcmp(kind, "Secret") == 0;
	if (secret || strcmp(kind, "ConfigMap") == 0) {
		const struct node *data = node_get(root, "data");
		node_set(doc, content, "data", data == NULL ? node_string(doc, "") : node_copy(doc, data));
		node_set_text(doc, content, "kind", kind);
		node_set_text(doc, content, "name", "");
		if (secret)
			node_set(doc, content, "type", node_string(doc, node_text_or(node_get(root, "type"), "")));
		const char *more = secret ? "stringData" : "binaryData";
		if (node_get(root, more) != NULL)
			node_set(doc, content, more, node_copy(doc, node_get(root, more)));
	} else {
		content = node_copy(doc, root);
	}
	node_sort_keys(content);
	AUTOBUF text = BUF_INIT;
	put(&text, content);
	char hex[SHA256_HEX_MAX];
	sha256_hex(buf_text(&text), text.len, hex);
	static const char from[] = "013ae", to[] = "ghkmt";
	for (size_t i = 0; i < 10; i++) {
		const char *at = strchr(from, hex[i]);
		out[i] = at == NULL ? hex[i] : to[at - from];
	}
	out[10] = '\0';
}

bool hash_names(struct resource_set *set, struct error *err)
{
	for (size_t i = 0; i < set->count; i++) {
		struct resource *r = set->items[i];
		const struct node *annotations = node_find(resource_root(r), "metadata/annotations");
		if (!r->wants_hash && !str_eq(node_text(node_get(annotations, "internal.config.kubernetes.io/needsHashSuffix")), "enabled"))
			continue;
		char suffix[11];
		suffix_of(r, suffix);
		resource_remember(r);
		AUTOFREE char *name = mem_printf("%s-%s", resource_name(r), suffix);
		resource_set_name(r, name);
	}
	return set_check_unique(set, "a hash suffix makes two of one id: ", err);
}
