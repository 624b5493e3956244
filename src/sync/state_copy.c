#include "sync/state_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "sync/kinds.h"

/* "NAMESPACE.NAME": neither a namespace nor a FlinkDeployment's name has a dot, so no two jobs share a key. */
static void place(const char *ns, const char *name, char map[24], char key[512])
{
	char hex[65];
	(void)snprintf(key, 512, "%.250s.%.250s", ns, name);
	sha256_hex(key, strlen(key), hex);
	(void)snprintf(map, 24, "weir-states-%c", hex[0]);
}

bool state_copy_differs(const struct ledger *before, const struct ledger *after)
{
	return (after->had_checkpoint != 0) != (before->had_checkpoint != 0) || strcmp(before->newest.path, after->newest.path) != 0 ||
	       (after->had_checkpoint != 0 && before->next_launch != after->next_launch);
}

bool state_copy_write(struct kube *kube, const char *own_ns, const char *ns, const char *name, const struct ledger *ledger,
		      struct error *err)
{
	char map[24];
	char key[512];
	place(ns, name, map, key);
	AUTODOC *doc = doc_new();
	struct node *value = node_map(doc);
	node_set_text(doc, value, "path", ledger->newest.path);
	node_set_int(doc, value, "at", ledger->newest_at);
	node_set_int(doc, value, "launch", ledger->next_launch);
	if (ledger->launch_count > 0)
		node_set_text(doc, value, "commit", ledger->launches[ledger->launch_count - 1].commit);
	AUTOBUF text = BUF_INIT;
	node_to_json(value, &text, JSON_COMPACT);
	struct node *patch = node_map(doc);
	node_set_text(doc, node_ensure_map(doc, patch, "data"), key, buf_text(&text));
	struct error why;
	if (kube_patch(kube, &KIND_CONFIGMAP, own_ns, map, KUBE_MERGE_PATCH, NULL, patch, NULL, &why))
		return true;
	if (why.kind == ERROR_NOT_FOUND) {
		node_set_text(doc, patch, "apiVersion", "v1");
		node_set_text(doc, patch, "kind", "ConfigMap");
		struct node *metadata = node_ensure_map(doc, patch, "metadata");
		node_set_text(doc, metadata, "name", map);
		node_set_text(doc, metadata, "namespace", own_ns);
		if (kube_create(kube, &KIND_CONFIGMAP, own_ns, patch, NULL, &why))
			return true;
	}
	return error_set(err, why.kind, "ConfigMap %s/%s: %s", own_ns, map, why.message);
}

bool state_copy_read(struct kube *kube, const char *own_ns, const char *ns, const char *name, struct ledger *ledger, struct error *err)
{
	char map[24];
	char key[512];
	place(ns, name, map, key);
	AUTODOC *doc = NULL;
	struct error why;
	if (!kube_get(kube, &KIND_CONFIGMAP, own_ns, map, &doc, &why))
		return why.kind == ERROR_NOT_FOUND || error_set(err, why.kind, "ConfigMap %s/%s: %s", own_ns, map, why.message);
	const char *text = node_text(node_get(node_get(doc_root(doc), "data"), key));
	if (text == NULL)
		return true;
	AUTODOC *value = doc_parse_json(text, strlen(text), key, NULL, err);
	if (value == NULL)
		return error_wrap(err, "ConfigMap %s/%s", own_ns, map);
	ledger->had_checkpoint = 1;
	/* no number twice: Flink's JobResultStore still holds how the job of that id ended, and would not run it again */
	int64_t launch = node_integer(node_get(doc_root(value), "launch"), 0);
	ledger->next_launch = launch > ledger->next_launch ? launch : ledger->next_launch;
	ledger_note_state(ledger, node_find_text(doc_root(value), "path"), node_integer(node_get(doc_root(value), "at"), 0));
	return true;
}
