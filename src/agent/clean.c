#include "agent/clean.h"

#include <stdio.h>
#include <string.h>

#include "agent/probe.h"
#include "base/log.h"
#include "base/mem.h"
#include "flink/config.h"
#include "store/store.h"
#include "sync/kinds.h"

/* Does that resource's cluster keep its HA data in that storageDir? What cannot be read may. */
static bool uses(const struct node *resource, const char *root)
{
	AUTODOC *doc = doc_new();
	AUTOFREE char *mine = NULL;
	AUTOFREE char *theirs = NULL;
	struct node *config = NULL;
	struct flink_launch launch = { .spec = node_get(resource, "spec"),
				       .name = node_find_text(resource, "metadata/name"),
				       .ns = node_find_text(resource, "metadata/namespace") };
	if (!flink_config_user(doc, &launch, &config, NULL))
		return true;
	const char *dir = flink_config_get(config, "high-availability.storageDir");
	if (dir == NULL)
		return false;
	return !state_path_normal(root, &mine, NULL) || !state_path_normal(dir, &theirs, NULL) || strcmp(mine, theirs) == 0;
}

struct search {
	const struct job_view *view;
	const char *root;
	char found[130]; /* namespace/name */
};

static bool look_at(void *context, struct doc *page, struct node *other, struct error *err)
{
	struct search *s = context;
	(void)page, (void)err;
	if (other == NULL) {
		s->found[0] = '\0';
		return true;
	}
	const char *ns = node_text_or(node_find(other, "metadata/namespace"), "");
	if (!str_eq(node_find_text(other, "metadata/name"), s->view->name) || strcmp(ns, s->view->ns) == 0)
		return true;
	const char *running = node_text_or(node_find(other, "status/reconciliationStatus/lastReconciledSpec"), "");
	if (uses(other, s->root) || strstr(running, s->root) != NULL)
		(void)snprintf(s->found, sizeof s->found, "%.63s/%.63s", ns, s->view->name);
	return true;
}

/* Clusters of one name in two namespaces share their directory, where they share the storageDir. */
static bool is_shared(struct agent *agent, const struct job_view *view, const struct ledger_litter *x, struct error *why)
{
	struct search search = { .view = view, .root = x->root };
	if (!kube_list_each(agent->kube, &KIND_FLINKDEPLOYMENT, NULL, NULL, look_at, &search, NULL, why))
		return error_wrap(why, "whether a cluster of another namespace shares it"), true;
	return search.found[0] != '\0' && !error_set(why, ERROR_INVALID, "FlinkDeployment %s keeps its own there", search.found);
}

static void note_failure(const struct job_view *view, struct ledger *ledger, const char *path, const struct error *why)
{
	AUTOFREE char *job = mem_printf("%s/%s", view->ns, view->name);
	bool for_good =
		why->kind == ERROR_INVALID || why->kind == ERROR_UNSUPPORTED || why->kind == ERROR_FORBIDDEN || why->kind == ERROR_LIMIT;
	ledger_cleaned(ledger, why->message, for_good);
	log_event(LOG_LEVEL_WARN, "not cleaned up", "job", job, "directory", path, "error", why->message, NULL);
}

static bool by_pod(struct agent *agent, struct job_view *view, struct ledger *ledger, const char *path, struct error *err)
{
	if (str_eq(decide_annotation(view->resource, "weir.dev/preflight"), "off"))
		return error_set(err, ERROR_UNSUPPORTED, "no entry of stateStores covers it, and weir.dev/preflight: off allows no pod");
	ledger->probe = (struct ledger_probe){ .question = PROBE_CLEAN, .asked_at = clock_now_ms(&agent->clock) };
	LEDGER_SET(ledger->probe.path, path);
	if (!probe_create(agent, view, ledger, err)) {
		ledger->probe = (struct ledger_probe){ 0 };
		return false;
	}
	return ledger->probe.answered_at == 0 || error_set(err, ERROR_UNSUPPORTED, "%s", ledger->probe.why);
}

bool clean_execute(struct agent *agent, struct job_view *view, struct ledger *ledger, struct error *err)
{
	const struct ledger_litter *x = ledger_cleaning(ledger);
	struct error why = ERROR_INIT;
	if (x == NULL)
		return error_set(err, ERROR_BUG, "nothing is being cleaned up");
	AUTOFREE char *path = mem_printf("%s/%s", x->root, x->name);
	AUTOFREE char *job = mem_printf("%s/%s", view->ns, view->name);
	bool shared = x->kind == LITTER_HA && is_shared(agent, view, x, &why);
	if (!shared && !state_stores_cover(agent->stores, path)) {
		if (!by_pod(agent, view, ledger, path, &why))
			note_failure(view, ledger, path, &why);
	} else if (!shared && state_store_clean(state_store_for(agent->stores, path), x->root, x->name, &why)) {
		ledger_cleaned(ledger, NULL, false);
		log_event(LOG_LEVEL_INFO, "cleaned up", "job", job, "directory", path, NULL);
	} else {
		note_failure(view, ledger, path, &why);
	}
	return true;
}
