/* Changes the running job without a new cluster. Each part may be repeated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "flink/objects.h"
#include "flink/rest.h"
#include "sync/kinds.h"

/* Every vertex that may run in parallel gets the new upper bound; one of a fixed parallelism (a source of one split) keeps its own. */
static bool rescale(struct agent *agent, const struct job_view *view, const char *job, int64_t parallelism, struct error *err)
{
	struct http *http = NULL;
	if (!job_rest_open(agent, view, &http, err))
		return false;
	AUTOREQUIREMENTS requirements = { 0 };
	bool ok = flink_requirements_get(http, job, &requirements, err);
	int64_t upper = 0;
	for (size_t i = 0; ok && i < requirements.count; i++)
		if (requirements.items[i].upper > upper)
			upper = requirements.items[i].upper;
	for (size_t i = 0; ok && i < requirements.count; i++)
		if (requirements.items[i].upper == upper)
			requirements.items[i].upper = parallelism;
	ok = ok && flink_requirements_put(http, job, &requirements, err);
	job_rest_close(agent, http);
	return ok;
}

static bool change_ingress(struct agent *agent, const struct job_view *view, int64_t number, struct error *err)
{
	struct flink_launch launch = { .spec = node_get(view->resource, "spec"),
				       .name = view->name,
				       .ns = view->ns,
				       .uid = node_find_text(view->resource, "metadata/uid"),
				       .number = number };
	AUTODOC *doc = doc_new();
	struct node *list = NULL;
	struct error why;
	if (!flink_objects_dependents(&launch, NULL, doc, &list, err))
		return false;
	for (size_t i = 0; i < node_count(list); i++) {
		struct kube_apply_options options = { .field_manager = "weir", .force = true };
		if (str_eq(node_find_text(node_at(list, i), "kind"), KIND_INGRESS.kind))
			return kube_apply(agent->kube, &KIND_INGRESS, view->ns, view->name, node_at(list, i), &options, NULL, err);
	}
	AUTODOC *old = NULL;
	if (!kube_get(agent->kube, &KIND_INGRESS, view->ns, view->name, &old, &why))
		return why.kind == ERROR_NOT_FOUND || error_set(err, why.kind, "%s", why.message);
	if (!str_eq(node_find_text(doc_root(old), "metadata/ownerReferences/0/uid"), launch.uid))
		return true; /* somebody else's */
	struct kube_delete_options gone = { .propagation = "Background",
					    .uid = node_find_text(doc_root(old), "metadata/uid"),
					    .grace_seconds = -1 };
	return kube_delete(agent->kube, &KIND_INGRESS, view->ns, view->name, &gone, &why) || why.kind == ERROR_NOT_FOUND ||
	       error_set(err, why.kind, "%s", why.message);
}

bool adjust_job(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err)
{
	const struct ledger_launch *live = ledger_live(ledger);
	const struct node *spec = node_get(view->resource, "spec");
	if (live == NULL)
		return error_set(err, ERROR_BUG, "no live launch to adjust");
	if (strcmp(ledger->op.reason, "rescale") == 0 &&
	    !rescale(agent, view, live->job_id, node_integer(node_find(spec, "job/parallelism"), 1), err))
		return false;
	if (!change_ingress(agent, view, live->number, err))
		return false;
	ledger->op.settled_at = clock_now_ms(&agent->clock);
	return true;
}
