/*
 * What `kubectl create namespace|configmap|secret|serviceaccount` sends: Kubernetes' binary envelope ("k8s" and a zero byte, then
 * apiVersion, kind and the object) with an object of one of these four kinds. Everything else is sent as JSON or YAML by the tools that
 * the sim is for.
 */
#include "sim/internal.h"

struct span {
	const unsigned char *at, *end;
};

static bool varint(struct span *s, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; s->at < s->end && shift < 64; shift += 7) {
		unsigned char c = *s->at++;
		*value |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return true;
	}
	return false;
}

/* The next field: its number, and its bytes if it has some (at NULL otherwise). */
static bool next_field(struct span *s, unsigned *number, struct span *bytes)
{
	uint64_t key, n;
	*bytes = (struct span){ NULL, NULL };
	if (s->at >= s->end || !varint(s, &key))
		return false;
	*number = (unsigned)(key >> 3);
	if ((key & 7) == 0)
		return varint(s, &n);
	if ((key & 7) != 2 || !varint(s, &n) || n > (uint64_t)(s->end - s->at))
		return false;
	*bytes = (struct span){ s->at, s->at + n };
	s->at += n;
	return true;
}

static struct node *text_of(struct doc *doc, struct span b)
{
	return node_stringn(doc, (const char *)b.at, (size_t)(b.end - b.at));
}

/* One entry of a map: key 1, value 2. */
static void entry(struct doc *doc, struct node *map, struct span b, bool base64)
{
	unsigned number;
	struct span part;
	struct node *key = NULL, *value = node_string(doc, "");
	while (next_field(&b, &number, &part)) {
		if (part.at == NULL)
			continue;
		if (number == 1) {
			key = text_of(doc, part);
		} else if (number == 2 && base64) {
			AUTOBUF out = BUF_INIT;
			buf_put_base64(&out, part.at, (size_t)(part.end - part.at));
			value = node_string(doc, buf_text(&out));
		} else if (number == 2) {
			value = text_of(doc, part);
		}
	}
	if (key != NULL)
		node_set(doc, map, node_text(key), value);
}

static void metadata(struct doc *doc, struct node *meta, struct span b)
{
	unsigned number;
	struct span part;
	while (next_field(&b, &number, &part)) {
		if (part.at == NULL || part.at == part.end)
			continue;
		if (number == 1 || number == 2 || number == 3)
			node_set(doc, meta, number == 1 ? "name" : number == 2 ? "generateName" : "namespace", text_of(doc, part));
		else if (number == 11 || number == 12)
			entry(doc, node_ensure_map(doc, meta, number == 11 ? "labels" : "annotations"), part, false);
	}
}

static void object(struct doc *doc, struct node *root, const char *kind, struct span b)
{
	unsigned number;
	struct span part;
	bool secret = strcmp(kind, "Secret") == 0, config = strcmp(kind, "ConfigMap") == 0;
	while (next_field(&b, &number, &part)) {
		if (part.at == NULL)
			continue;
		if (number == 1)
			metadata(doc, node_ensure_map(doc, root, "metadata"), part);
		else if (number == 2 && (secret || config))
			entry(doc, node_ensure_map(doc, root, "data"), part, secret);
		else if (number == 3 && config)
			entry(doc, node_ensure_map(doc, root, "binaryData"), part, true);
		else if (number == 3 && secret && part.end > part.at)
			node_set(doc, root, "type", text_of(doc, part));
	}
}

struct doc *protobuf_read(const char *data, size_t len)
{
	static const char *const kinds[] = { "Namespace", "ConfigMap", "Secret", "ServiceAccount" };
	if (len < 4 || memcmp(data, "k8s", 4) != 0)
		return NULL;
	struct span all = { (const unsigned char *)data + 4, (const unsigned char *)data + len }, part, raw = { NULL, NULL };
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	unsigned number;
	doc_set_root(doc, root);
	while (next_field(&all, &number, &part)) {
		if (number == 2)
			raw = part;
		for (unsigned inner = 0; number == 1 && part.at != NULL;) {
			struct span text;
			if (!next_field(&part, &inner, &text))
				break;
			if (text.at != NULL && (inner == 1 || inner == 2))
				node_set(doc, root, inner == 1 ? "apiVersion" : "kind", text_of(doc, text));
		}
	}
	const char *kind = node_text_or(node_get(root, "kind"), "");
	for (size_t i = 0; raw.at != NULL && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0) {
			object(doc, root, kind, raw);
			return TAKE(doc);
		}
	return NULL;
}
