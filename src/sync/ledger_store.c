#include "sync/ledger_store.h"

#include <stdio.h>
#include <string.h>

#include "sync/kinds.h"

static void map_name(char out[300], const char *name)
{
	(void)snprintf(out, 300, "weir-ledger-%s", name);
}

bool ledger_store_read(struct kube *kube, const char *ns, const char *name, struct stored_ledger *out, struct error *err)
{
	char map[300];
	map_name(map, name);
	AUTODOC *doc = NULL;
	struct error why;
	if (!kube_get(kube, &KIND_CONFIGMAP, ns, map, &doc, &why)) {
		if (why.kind != ERROR_NOT_FOUND) {
			error_copy(err, &why);
			return error_wrap(err, "ledger %s/%s", ns, map);
		}
		ledger_init(&out->ledger);
		out->resource_version[0] = '\0';
		return true;
	}
	const struct node *text = node_find(doc_root(doc), "data/ledger.json");
	if (node_text(text) == NULL)
		return error_set(err, ERROR_INVALID, "ledger %s/%s: data: ledger.json is missing", ns, map);
	if (!ledger_read(&out->ledger, node_text(text), node_len(text), err))
		return error_wrap(err, "%s/%s", ns, map);
	LEDGER_SET(out->resource_version, node_find_text(doc_root(doc), "metadata/resourceVersion"));
	return true;
}

bool ledger_store_write(struct kube *kube, const char *ns, const char *name, const struct ledger *ledger, struct stored_ledger *stored,
			struct error *err)
{
	char map[300];
	map_name(map, name);
	AUTODOC *doc = doc_new();
	struct node *root = node_map(doc);
	node_set_text(doc, root, "apiVersion", "v1");
	node_set_text(doc, root, "kind", "ConfigMap");
	struct node *metadata = node_ensure_map(doc, root, "metadata");
	node_set_text(doc, metadata, "name", map);
	node_set_text(doc, metadata, "namespace", ns);
	node_set_text(doc, node_ensure_map(doc, metadata, "labels"), "weir.dev/ledger", "true");
	AUTOBUF text = BUF_INIT;
	ledger_write(ledger, &text);
	if (text.len > LEDGER_TEXT_MAX)
		return error_set(err, ERROR_LIMIT, "ledger %s/%s: %zu bytes, more than %d", ns, map, text.len, LEDGER_TEXT_MAX);
	node_set_text(doc, node_ensure_map(doc, root, "data"), "ledger.json", buf_text(&text));
	AUTODOC *answer = NULL;
	bool ok;
	if (stored->resource_version[0] == '\0') {
		ok = kube_create(kube, &KIND_CONFIGMAP, ns, root, &answer, err);
	} else {
		node_set_text(doc, metadata, "resourceVersion", stored->resource_version);
		ok = kube_replace(kube, &KIND_CONFIGMAP, ns, map, root, &answer, err);
	}
	if (!ok)
		return error_wrap(err, "ledger %s/%s", ns, map);
	LEDGER_SET(stored->resource_version, node_find_text(doc_root(answer), "metadata/resourceVersion"));
	return true;
}
