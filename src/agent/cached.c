/*
 * What the agent keeps of the cluster, and whose turn a change wakes. The projections hold what observe.c and subject.c read, under
 * the same names, so that a look through the cache and one at the API server run the same code.
 */
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "flink/objects.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

static void copy(struct doc *doc, struct node *to, const struct node *from, const char *key)
{
	const struct node *value = node_get(from, key);
	if (value != NULL)
		node_set(doc, to, key, node_copy(doc, value));
}

static void copy_all(struct doc *doc, struct node *to, const struct node *from, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		copy(doc, to, from, *keys);
}

static struct node *with_metadata(struct doc *doc, const struct node *object)
{
	static const char *const keys[] = { "namespace", "name", "uid", "deletionTimestamp", NULL };
	struct node *kept = node_map(doc);
	copy_all(doc, node_ensure_map(doc, kept, "metadata"), node_get(object, "metadata"), keys);
	return kept;
}

static struct node *part(struct doc *doc, struct node *to, const struct node *from, const char *name, const char *const *keys)
{
	struct node *kept = node_ensure_map(doc, to, name);
	copy_all(doc, kept, node_get(from, name), keys);
	return kept;
}

/* Whole, but for the copy that `kubectl apply` leaves. */
static struct node *flink_resource(struct doc *doc, const struct node *object)
{
	struct node *kept = node_copy(doc, object);
	struct node *annotations = node_find(kept, "metadata/annotations");
	if (annotations != NULL)
		node_remove(annotations, "kubectl.kubernetes.io/last-applied-configuration");
	return kept;
}

static struct node *deployment(struct doc *doc, const struct node *object)
{
	static const char *const annotations[] = { FLINK_LAUNCH_ANNOTATION, "weir.dev/complete", NULL };
	static const char *const status[] = { "availableReplicas", NULL };
	struct node *kept = with_metadata(doc, object);
	part(doc, node_get(kept, "metadata"), node_get(object, "metadata"), "annotations", annotations);
	part(doc, kept, object, "status", status);
	return kept;
}

static void containers(struct doc *doc, struct node *to, const struct node *from, const char *key)
{
	static const char *const plain[] = { "name", "restartCount", NULL };
	static const char *const waiting[] = { "reason", "message", NULL };
	static const char *const terminated[] = { "message", NULL };
	const struct node *list = node_get(from, key);
	struct node *kept = node_list(doc);
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *one = node_at(list, i);
		struct node *c = node_map(doc);
		copy_all(doc, c, one, plain);
		if (node_find(one, "state/waiting") != NULL)
			part(doc, node_ensure_map(doc, c, "state"), node_get(one, "state"), "waiting", waiting);
		if (node_find(one, "lastState/terminated") != NULL)
			part(doc, node_ensure_map(doc, c, "lastState"), node_get(one, "lastState"), "terminated", terminated);
		node_append(doc, kept, c);
	}
	if (node_count(kept) > 0)
		node_set(doc, to, key, kept);
}

static struct node *pod(struct doc *doc, const struct node *object)
{
	static const char *const labels[] = { "component", NULL };
	static const char *const status[] = { "phase", NULL };
	static const char *const spec[] = { "nodeName", NULL };
	struct node *kept = with_metadata(doc, object);
	part(doc, node_get(kept, "metadata"), node_get(object, "metadata"), "labels", labels);
	part(doc, kept, object, "status", status);
	part(doc, kept, object, "spec", spec);
	if (str_eq(node_find_text(object, "metadata/labels/component"), "jobmanager")) {
		containers(doc, node_get(kept, "status"), node_get(object, "status"), "initContainerStatuses");
		containers(doc, node_get(kept, "status"), node_get(object, "status"), "containerStatuses");
	}
	return kept;
}

/* Which checkpoints and job graphs there are; what they are is Flink's, and the leader's renewals are noise. */
static struct node *ha_map(struct doc *doc, const struct node *object)
{
	static const char *const kinds[] = { "checkpointID-", "jobGraph-", "executionPlan-" };
	struct node *kept = with_metadata(doc, object);
	struct node *data = node_ensure_map(doc, kept, "data");
	const struct node *all = node_get(object, "data");
	bool seen[ARRAY_SIZE(kinds)] = { false };
	for (size_t i = 0; i < node_count(all); i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			seen[k] |= str_starts(node_key_at(all, i), kinds[k]);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		if (seen[k])
			node_set_text(doc, data, kinds[k], "");
	return kept;
}

static struct node *ledger_map(struct doc *doc, const struct node *object)
{
	static const char *const version[] = { "resourceVersion", NULL };
	struct node *kept = with_metadata(doc, object);
	copy_all(doc, node_get(kept, "metadata"), node_get(object, "metadata"), version);
	copy(doc, kept, object, "data");
	return kept;
}

enum {
	CACHED_APPLICATIONS,
	CACHED_SESSION_JOBS,
	CACHED_SNAPSHOTS,
	CACHED_DEPLOYMENTS,
	CACHED_PODS,
	CACHED_HA,
	CACHED_LEDGERS,
	CACHED_KINDS
};

static const struct kube_cache_kind kinds[CACHED_KINDS] = {
	[CACHED_APPLICATIONS] = { .resource = &KIND_FLINKDEPLOYMENT, .names = "", .project = flink_resource },
	[CACHED_SESSION_JOBS] = { .resource = &KIND_FLINKSESSIONJOB, .names = "", .project = flink_resource },
	[CACHED_SNAPSHOTS] = { .resource = &KIND_FLINKSTATESNAPSHOT, .names = "", .project = flink_resource },
	[CACHED_DEPLOYMENTS] = { .resource = &KIND_DEPLOYMENT,
				 .selector = OBSERVE_COMPONENTS,
				 .index = "app",
				 .names = "",
				 .project = deployment },
	[CACHED_PODS] = { .resource = &KIND_POD, .selector = OBSERVE_COMPONENTS, .index = "app", .project = pod },
	[CACHED_HA] = { .resource = &KIND_CONFIGMAP, .selector = OBSERVE_HA, .index = "app", .project = ha_map },
	[CACHED_LEDGERS] = { .resource = &KIND_CONFIGMAP,
			     .selector = LEDGER_STORE_SELECTOR,
			     .names = LEDGER_STORE_PREFIX,
			     .project = ledger_map },
};

struct kube_cache *cached_new(struct agent *agent)
{
	return kube_cache_new(agent->kube, &agent->clock, kinds, CACHED_KINDS, (const char *const *)agent->config->watch_namespaces,
			      agent->config->watch_namespace_count);
}

/* ---- whose turn ---- */

static void wake(struct agent *agent, const char *kind, const char *ns, const char *name)
{
	AUTOFREE char *key = mem_printf("%s/%s/%s", kind, ns, name);
	queue_add(agent->queue, key, clock_mono_ms(&agent->clock));
}

static void on_change(void *context, size_t table, enum kube_cache_change change, const char *ns, const char *name, const char *value)
{
	struct agent *agent = context;
	switch (kube_cache_kind(agent->cache, table)) {
	case CACHED_APPLICATIONS:
		wake(agent, "job", ns, name);
		if (change == KUBE_CACHE_GONE)
			agent_wake_syncs(agent, NULL);
		break;
	case CACHED_SESSION_JOBS:
		wake(agent, "sessionjob", ns, name);
		break;
	case CACHED_SNAPSHOTS:
		wake(agent, "snapshot", ns, name);
		break;
	case CACHED_LEDGERS: {
		AUTOFREE char *subject = mem_strdup(name + strlen(LEDGER_STORE_PREFIX));
		bool session_job = str_ends(subject, SUBJECT_SESSION_JOB_LEDGER);
		if (session_job)
			subject[strlen(subject) - strlen(SUBJECT_SESSION_JOB_LEDGER)] = '\0';
		wake(agent, session_job ? "sessionjob" : "job", ns, subject);
		break;
	}
	default:
		if (value[0] != '\0')
			wake(agent, "job", ns, value);
	}
}

bool cached_step(struct agent *agent, size_t table, int64_t wait_ms, struct error *err)
{
	return kube_cache_step(agent->cache, table, wait_ms, on_change, agent, err);
}

const char *cached_name(const struct agent *agent, size_t table)
{
	return kinds[kube_cache_kind(agent->cache, table)].resource->plural;
}

static void wake_application(void *context, const char *ns, const char *name)
{
	wake(context, "job", ns, name);
}

static void wake_session_job(void *context, const char *ns, const char *name)
{
	wake(context, "sessionjob", ns, name);
}

static void wake_snapshot(void *context, const char *ns, const char *name)
{
	wake(context, "snapshot", ns, name);
}

void cached_wake_all(struct agent *agent)
{
	for (size_t i = 0; i < kube_cache_tables(agent->cache); i++) {
		size_t kind = kube_cache_kind(agent->cache, i);
		if (kind == CACHED_APPLICATIONS || kind == CACHED_SESSION_JOBS || kind == CACHED_SNAPSHOTS)
			kube_cache_each(agent->cache, i,
					kind == CACHED_APPLICATIONS   ? wake_application
					: kind == CACHED_SESSION_JOBS ? wake_session_job
								      : wake_snapshot,
					agent);
	}
}
