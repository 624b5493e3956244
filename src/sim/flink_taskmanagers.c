/* The TaskManagers of a cluster: how many it needs, pods made and removed by a native JobManager. */
#include "sim/flink_model.h"

static int64_t positive(const char *text, int64_t otherwise)
{
	int64_t n = text ? strtoll(text, NULL, 10) : 0;
	return n > 0 ? n : otherwise;
}

static int64_t taskmanagers_needed(const struct process *p)
{
	int64_t slots = positive(conf(p, "taskmanager.numberOfTaskSlots", NULL), 1),
		parallelism = positive(conf(p, "parallelism.default", NULL), 1);
	return (parallelism + slots - 1) / slots;
}

/* Of all jobs of a session together; a job alone otherwise. */
int64_t cluster_need(const struct sim *sim, const struct process *p)
{
	int64_t need = 0;
	if (p->session == NULL)
		return taskmanagers_needed(p);
	for (const struct process *o = sim->processes; o != NULL; o = o->next)
		if (o->session == p->session && !job_terminal(o->job))
			need += taskmanagers_needed(o);
	return need;
}

static bool is_taskmanager_of(const struct object *pod, const struct process *p)
{
	const struct node *labels = node_find(object_root(pod), "metadata/labels");
	return strcmp(pod->ns, p->ns) == 0 && str_eq(node_find_text(labels, "app"), p->cluster) &&
	       str_eq(node_find_text(labels, "component"), "taskmanager") && node_get(labels, "weir.dev/preflight") == NULL;
}

size_t taskmanagers_of(struct sim *sim, const struct process *p, size_t *running)
{
	struct kind *pods = kind_of(sim, "pods");
	size_t n = 0;
	*running = 0;
	for (size_t i = 0; i < pods->count; i++) {
		const struct node *root = object_root(pods->items[i]);
		if (!is_taskmanager_of(pods->items[i], p) || node_find(root, "metadata/deletionTimestamp") != NULL ||
		    str_eq(node_find_text(root, "status/phase"), "Failed"))
			continue;
		n++;
		*running += pod_running(root);
	}
	return n;
}

void taskmanager_create(struct sim *sim, struct process *p, size_t n)
{
	struct object *jm = store_get(sim, "pods", p->ns, p->pod), *d = store_by_uid(sim, p->launch);
	AUTOFREE char *name = mem_printf("%s-taskmanager-%lld-%zu", p->cluster, (long long)p->attempt, n);
	if (jm == NULL || d == NULL || node_find(object_root(d), "metadata/deletionTimestamp") != NULL ||
	    store_get(sim, "pods", p->ns, name) != NULL)
		return;
	const struct node *main = NULL, *containers = node_find(object_root(jm), "spec/containers");
	for (size_t i = 0; i < node_count(containers); i++)
		if (main == NULL || str_eq(node_find_text(node_at(containers, i), "name"), "flink-main-container"))
			main = node_at(containers, i);
	struct doc *doc = doc_new();
	struct node *root = node_map(doc), *meta = node_map(doc), *spec = node_map(doc), *c = node_map(doc), *list = node_list(doc);
	doc_set_root(doc, root);
	node_set_text(doc, meta, "name", name);
	node_set_text(doc, meta, "namespace", p->ns);
	struct node *labels = node_ensure_map(doc, meta, "labels"), *refs = node_list(doc), *ref = node_map(doc);
	node_set_text(doc, labels, "app", p->cluster);
	node_set_text(doc, labels, "component", "taskmanager");
	node_set_text(doc, labels, "type", "flink-native-kubernetes");
	node_set_text(doc, ref, "apiVersion", "apps/v1");
	node_set_text(doc, ref, "kind", "Deployment");
	node_set_text(doc, ref, "name", d->name);
	node_set_text(doc, ref, "uid", d->uid);
	node_set(doc, ref, "controller", node_bool(doc, true));
	node_set(doc, ref, "blockOwnerDeletion", node_bool(doc, true));
	node_append(doc, refs, ref);
	node_set(doc, meta, "ownerReferences", refs);
	node_set_text(doc, c, "name", "flink-main-container");
	node_set_text(doc, c, "image", node_find_text(main, "image"));
	node_append(doc, list, c);
	node_set(doc, spec, "containers", list);
	node_set_text(doc, spec, "restartPolicy", "Never");
	node_set_text(doc, spec, "serviceAccountName", node_find_text(object_root(jm), "spec/serviceAccountName"));
	node_set(doc, root, "metadata", meta);
	node_set(doc, root, "spec", spec);
	store_insert(sim, kind_of(sim, "pods"), doc);
}

void taskmanagers_drop(struct sim *sim, struct process *p, bool failed_only)
{
	struct kind *pods = kind_of(sim, "pods");
	for (size_t i = pods->count; i-- > 0;) {
		struct object *o = i < pods->count ? pods->items[i] : NULL;
		if (o == NULL || !is_taskmanager_of(o, p) || node_find(object_root(o), "metadata/deletionTimestamp") != NULL)
			continue;
		if (!failed_only || str_eq(node_find_text(object_root(o), "status/phase"), "Failed"))
			store_delete(sim, o, PROPAGATE_BACKGROUND, failed_only ? 0 : -1);
	}
}

void job_log(struct sim *sim, struct process *p, const char *line)
{
	struct kind *pods = kind_of(sim, "pods");
	for (size_t i = 0; i < pods->count; i++)
		if (is_taskmanager_of(pods->items[i], p) && pod_running(object_root(pods->items[i]))) {
			pod_log(sim, pods->items[i]->uid, "%s\n", line);
			return;
		}
}
