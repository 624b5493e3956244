#include "sync/ledger_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sync/kinds.h"
#include "sync/text_map.h"

static struct text_map place(const char *ns, const char *map)
{
	return (struct text_map){ .ns = ns, .name = map, .key = "ledger.json", .label = "weir.dev/ledger", .label_value = "true" };
}

void ledger_store_name(const char *kind, const char *name, char out[LEDGER_NAME_MAX])
{
	/* the dot keeps it apart: a FlinkDeployment's name has none */
	(void)snprintf(out, LEDGER_NAME_MAX, "%.240s%s", name, strcmp(kind, KIND_FLINKSESSIONJOB.kind) == 0 ? ".sessionjob" : "");
}

bool ledger_store_read(struct kube *kube, const char *ns, const char *name, struct stored_ledger *out, struct error *err)
{
	AUTOFREE char *map = mem_printf(LEDGER_STORE_PREFIX "%s", name);
	struct text_map at = place(ns, map);
	AUTODOC *doc = NULL;
	const struct node *text;
	if (!text_map_read(kube, &at, &doc, &text, out->resource_version, err))
		return false;
	if (doc == NULL) {
		ledger_init(&out->ledger);
		return true;
	}
	return ledger_read(&out->ledger, node_text(text), node_len(text), err) || error_wrap(err, "%s/%s", ns, map);
}

bool ledger_store_write(struct kube *kube, const char *ns, const char *name, const struct ledger *ledger, struct stored_ledger *stored,
			struct error *err)
{
	AUTOFREE char *map = mem_printf(LEDGER_STORE_PREFIX "%s", name);
	struct text_map at = place(ns, map);
	AUTOBUF text = BUF_INIT;
	ledger_write(ledger, &text);
	if (text.len > LEDGER_TEXT_MAX)
		return error_set(err, ERROR_LIMIT, "ledger %s/%s: %zu bytes, more than %d", ns, map, text.len, LEDGER_TEXT_MAX);
	return text_map_write(kube, &at, buf_text(&text), stored->resource_version, err);
}
