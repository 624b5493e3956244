/* Carries one effect out. Each looks first whether it already happened, or is harmless to repeat. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/clean.h"
#include "agent/probe.h"
#include "agent/snapshots.h"
#include "base/mem.h"
#include "flink/objects.h"
#include "flink/rest.h"
#include "flink/versions.h"
#include "sync/kept.h"
#include "sync/kinds.h"

void (*kill_probe)(const char *name, const char *when);

void kill_point(const char *name, const char *when)
{
	if (kill_probe != NULL)
		kill_probe(name, when);
	const char *wanted = getenv("WEIR_TEST_KILL");
	if (wanted == NULL)
		return;
	char point[80];
	(void)snprintf(point, sizeof point, "%s:%s", name, when);
	if (strcmp(point, wanted) == 0)
		(void)kill(getpid(), SIGKILL);
}

static bool set_finalizer(struct agent *agent, const struct job_view *view, bool wanted, struct error *err)
{
	const char *finalizer = subject_finalizer(view->subject);
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	struct node *metadata = node_ensure_map(doc, patch, "metadata");
	node_set_text(doc, metadata, "resourceVersion", node_find_text(view->resource, "metadata/resourceVersion"));
	struct node *list = node_list(doc);
	const struct node *old = node_find(view->resource, "metadata/finalizers");
	for (size_t i = 0; i < node_count(old); i++)
		if (!str_eq(node_text(node_at(old, i)), finalizer))
			node_append(doc, list, node_copy(doc, node_at(old, i)));
	if (wanted)
		node_append(doc, list, node_string(doc, finalizer));
	node_set(doc, metadata, "finalizers", list);
	return kube_patch(agent->kube, view->kind, view->ns, view->name, KUBE_MERGE_PATCH, NULL, patch, NULL, err);
}

static bool list_ha(struct agent *agent, const struct job_view *view, struct doc **out, struct error *err)
{
	AUTOFREE char *selector = mem_printf("app=%s,configmap-type=high-availability", view->name);
	return kube_list(agent->kube, &KIND_CONFIGMAP, view->ns, selector, out, NULL, err);
}

static bool delete_ha(struct agent *agent, const struct job_view *view, struct error *err)
{
	AUTODOC *list = NULL;
	if (!list_ha(agent, view, &list, err))
		return false;
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *map = node_at(items, i);
		struct kube_delete_options options = { .uid = node_find_text(map, "metadata/uid"), .grace_seconds = -1 };
		struct error why;
		if (!kube_delete(agent->kube, &KIND_CONFIGMAP, view->ns, node_find_text(map, "metadata/name"), &options, &why) &&
		    why.kind != ERROR_NOT_FOUND)
			return error_set(err, why.kind, "%s", why.message);
	}
	return true;
}

/* The stored job graph would win over the new one: only the checkpoints stay in the HA metadata. */
static bool drop_job_graphs(struct agent *agent, const struct job_view *view, struct error *err)
{
	AUTODOC *list = NULL;
	if (!list_ha(agent, view, &list, err))
		return false;
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *map = node_at(items, i);
		const struct node *data = node_get(map, "data");
		AUTODOC *doc = doc_new();
		struct node *patch = node_map(doc);
		struct node *gone = node_map(doc);
		for (size_t k = 0; k < node_count(data); k++) {
			const char *key = node_key_at(data, k);
			if (str_starts(key, "jobGraph-") || str_starts(key, "executionPlan-"))
				node_set(doc, gone, key, node_null(doc));
		}
		if (node_count(gone) == 0)
			continue;
		node_set_text(doc, node_ensure_map(doc, patch, "metadata"), "resourceVersion",
			      node_find_text(map, "metadata/resourceVersion"));
		node_set(doc, patch, "data", gone);
		if (!kube_patch(agent->kube, &KIND_CONFIGMAP, view->ns, node_find_text(map, "metadata/name"), KUBE_MERGE_PATCH, NULL, patch,
				NULL, err))
			return false;
	}
	return true;
}

static const struct kube_resource *kind_of(const char *kind)
{
	static const struct kube_resource *const known[] = { &KIND_CONFIGMAP, &KIND_SERVICE, &KIND_DEPLOYMENT, &KIND_INGRESS };
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(kind, known[i]->kind))
			return known[i];
	return NULL;
}

/* Creates an object; one of that name left over from an earlier cluster is replaced. */
static bool create_dependent(struct agent *agent, const struct job_view *view, const char *jm_uid, struct node *object, struct error *err)
{
	const struct kube_resource *resource = kind_of(node_find_text(object, "kind"));
	const char *name = node_find_text(object, "metadata/name");
	struct error why;
	if (resource == NULL)
		return error_set(err, ERROR_BUG, "no such kind of dependent object");
	if (kube_create(agent->kube, resource, view->ns, object, NULL, &why))
		return true;
	if (why.kind != ERROR_CONFLICT)
		return error_set(err, why.kind, "%s", why.message);
	AUTODOC *old = NULL;
	if (!kube_get(agent->kube, resource, view->ns, name, &old, err))
		return false;
	if (str_eq(node_find_text(doc_root(old), "metadata/ownerReferences/0/uid"), jm_uid))
		return true; /* made by an earlier try of this launch */
	struct kube_delete_options options = { .uid = node_find_text(doc_root(old), "metadata/uid"),
					       .propagation = "Background",
					       .grace_seconds = -1 };
	if (!kube_delete(agent->kube, resource, view->ns, name, &options, &why) && why.kind != ERROR_NOT_FOUND)
		return error_set(err, why.kind, "%s", why.message);
	return kube_create(agent->kube, resource, view->ns, object, NULL, err);
}

static bool mark_complete(struct agent *agent, const struct job_view *view, int64_t launch, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	char number[24];
	(void)snprintf(number, sizeof number, "%lld", (long long)launch);
	node_set_text(doc, node_ensure_map(doc, node_ensure_map(doc, patch, "metadata"), "annotations"), "weir.dev/complete", number);
	return kube_patch(agent->kube, &KIND_DEPLOYMENT, view->ns, view->name, KUBE_MERGE_PATCH, NULL, patch, NULL, err);
}

static bool create_cluster(struct agent *agent, const struct job_view *view, const struct ledger *ledger, struct error *err)
{
	const struct ledger_launch *l = ledger->launch_count == 0 ? NULL : &ledger->launches[ledger->launch_count - 1];
	if (l == NULL || l->number != ledger->op.launch || l->spec == NULL)
		return error_set(err, ERROR_BUG, "the launch of the open intent is not in the ledger");
	AUTODOC *spec = doc_parse_json(l->spec, strlen(l->spec), "launched spec", NULL, err);
	if (spec == NULL)
		return false;
	struct flink_launch launch = { .spec = doc_root(spec),
				       .name = view->name,
				       .ns = view->ns,
				       .uid = node_find_text(view->resource, "metadata/uid"),
				       .generation = l->generation,
				       .job_id = l->job_id,
				       .number = l->number };
	char result_store[60];
	(void)snprintf(result_store, sizeof result_store, "%s-%lld", l->job_id, (long long)l->number);
	launch.job_result_store_id = result_store;
	if (l->restore.kind == RESTORE_PATH)
		launch.savepoint_path = l->restore.path;
	else if (l->restore.kind == RESTORE_HA)
		launch.savepoint_path = FLINK_LAST_STATE;
	if (l->restore.kind == RESTORE_HA && !drop_job_graphs(agent, view, err))
		return false;
	const struct kept kept = { .kube = agent->kube, .ns = view->ns, .job = view->name };
	if (strcmp(ledger->op.reason, "rollback") == 0 && !kept_restore(&kept, l->digest, NULL, NULL, err))
		return false; /* the version reads what it read before */

	AUTODOC *doc = doc_new();
	AUTODOC *made = NULL;
	struct node *deployment = NULL;
	if (!flink_objects_jobmanager(&launch, doc, &deployment, err))
		return false;
	if (!agent_may_act(agent)) /* the calls above may have taken long */
		return error_set(err, ERROR_TRANSIENT, "this agent does not lead any more");
	struct error why;
	if (!kube_create(agent->kube, &KIND_DEPLOYMENT, view->ns, deployment, &made, &why)) {
		if (why.kind != ERROR_CONFLICT)
			return error_set(err, why.kind, "%s", why.message);
		if (!kube_get(agent->kube, &KIND_DEPLOYMENT, view->ns, view->name, &made, err))
			return false;
		if (node_integer(node_get(node_find(doc_root(made), "metadata/annotations"), FLINK_LAUNCH_ANNOTATION), 0) != l->number)
			return error_set(err, ERROR_CONFLICT, "Deployment %s of another launch is still there", view->name);
	}
	kill_point("create-deployment", "after");
	const char *uid = node_find_text(doc_root(made), "metadata/uid");
	struct node *dependents = NULL;
	if (!flink_objects_dependents(&launch, uid, doc, &dependents, err))
		return false;
	for (size_t i = 0; i < node_count(dependents); i++)
		if (!create_dependent(agent, view, uid, node_at(dependents, i), err))
			return false;
	return mark_complete(agent, view, l->number, err);
}

static bool adopt_cluster(struct agent *agent, const struct job_view *view, const struct ledger *ledger, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	struct node *annotations = node_ensure_map(doc, node_ensure_map(doc, patch, "metadata"), "annotations");
	char number[24];
	(void)snprintf(number, sizeof number, "%lld", (long long)ledger->launches[ledger->launch_count - 1].number);
	node_set_text(doc, annotations, FLINK_LAUNCH_ANNOTATION, number);
	node_set_text(doc, annotations, "weir.dev/complete", number);
	return kube_patch(agent->kube, &KIND_DEPLOYMENT, view->ns, view->cluster, KUBE_MERGE_PATCH, NULL, patch, NULL, err);
}

static const struct flink_version *launched_version(const struct ledger_launch *l)
{
	AUTODOC *spec = l->spec == NULL ? NULL : doc_parse_json(l->spec, strlen(l->spec), "launched spec", NULL, NULL);
	return spec == NULL ? NULL : flink_version_find(node_find_text(doc_root(spec), "flinkVersion"));
}

/* The trigger id is ours where Flink takes one; else the answer's goes into the ledger as soon as it is known. */
static bool stop_with_savepoint(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err)
{
	const struct ledger_launch *l = &ledger->launches[ledger->launch_count - 1];
	struct http *http = NULL;
	if (!job_rest_open(agent, view, &http, err))
		return false;
	const char *format = view->config.snapshots.savepoint_format;
	struct flink_savepoint_request request = { .directory = ledger->op.dir,
						   .format = *format == '\0' ? NULL : format,
						   .trigger_id = ledger->op.trigger,
						   .version = launched_version(l) };
	char trigger[FLINK_ID_MAX];
	bool ok = flink_stop_with_savepoint(http, l->job_id, &request, false, trigger, err);
	job_rest_close(agent, http);
	if (ok)
		LEDGER_SET(ledger->op.trigger, trigger);
	return ok;
}

static bool cancel_job(struct agent *agent, const struct job_view *view, const struct ledger *ledger, struct error *err)
{
	struct http *http = NULL;
	if (!job_rest_open(agent, view, &http, err))
		return false;
	struct error why;
	bool ok = flink_cancel(http, ledger->launches[ledger->launch_count - 1].job_id, &why);
	job_rest_close(agent, http);
	/* gone, or in another terminal state: the next look tells */
	return ok || why.kind == ERROR_NOT_FOUND || why.kind == ERROR_CONFLICT || error_set(err, why.kind, "%s", why.message);
}

static bool delete_cluster(struct agent *agent, const struct job_view *view, const struct observation *seen, struct error *err)
{
	/* in the foreground: the Deployment stays until its ReplicaSet, which could still make pods, is gone */
	struct kube_delete_options options = { .propagation = "Foreground", .uid = seen->jm_uid, .grace_seconds = -1 };
	struct error why;
	if (!kube_delete(agent->kube, &KIND_DEPLOYMENT, view->ns, view->name, &options, &why) && why.kind != ERROR_NOT_FOUND)
		return error_set(err, why.kind, "%s", why.message);
	/* TaskManagers of a standalone cluster that another operator made are not owned by its JobManager */
	AUTOFREE char *taskmanagers = mem_printf("%s-taskmanager", view->name);
	struct kube_delete_options foreground = { .propagation = "Foreground", .grace_seconds = -1 };
	if (str_eq(node_find_text(view->resource, "spec/mode"), "standalone") &&
	    !kube_delete(agent->kube, &KIND_DEPLOYMENT, view->ns, taskmanagers, &foreground, &why) && why.kind != ERROR_NOT_FOUND)
		return error_set(err, why.kind, "%s", why.message);
	return true;
}

bool execute_effect(struct agent *agent, struct job_view *view, struct ledger *ledger, enum effect effect, const struct observation *seen,
		    struct error *err)
{
	bool ok = true;
	kill_point(effect_name(effect), "before");
	switch (effect) {
	case EFFECT_ADD_FINALIZER:
		ok = set_finalizer(agent, view, true, err);
		break;
	case EFFECT_REMOVE_FINALIZER:
		ok = set_finalizer(agent, view, false, err);
		break;
	case EFFECT_CREATE_CLUSTER:
		ok = create_cluster(agent, view, ledger, err);
		break;
	case EFFECT_STOP_WITH_SAVEPOINT:
		ok = stop_with_savepoint(agent, view, ledger, err);
		break;
	case EFFECT_DELETE_CLUSTER:
		ok = delete_cluster(agent, view, seen, err);
		break;
	case EFFECT_DELETE_HA:
		ok = delete_ha(agent, view, err);
		break;
	case EFFECT_ADJUST:
		ok = adjust_job(agent, view, ledger, err);
		break;
	case EFFECT_ADOPT_CLUSTER:
		ok = adopt_cluster(agent, view, ledger, err);
		break;
	case EFFECT_SUBMIT_JOB:
		ok = submit_job(agent, view, ledger, err);
		break;
	case EFFECT_CANCEL_JOB:
		ok = cancel_job(agent, view, ledger, err);
		break;
	case EFFECT_TRIGGER_SAVEPOINT:
	case EFFECT_TRIGGER_CHECKPOINT:
	case EFFECT_DISPOSE_SAVEPOINT:
	case EFFECT_CREATE_SNAPSHOT:
	case EFFECT_DELETE_SNAPSHOT:
		ok = snapshot_execute(agent, view, ledger, effect, err);
		break;
	case EFFECT_CLEAN:
		ok = clean_execute(agent, view, ledger, err);
		break;
	case EFFECT_PROBE:
		ok = probe_create(agent, view, ledger, err);
		break;
	case EFFECT_END_PROBE:
		ok = probe_end(agent, view, ledger, err);
		break;
	case EFFECT_NONE:
	case EFFECT_COUNT:
		break;
	}
	kill_point(effect_name(effect), "after");
	return ok ? true : error_wrap(err, "%s", effect_name(effect));
}
