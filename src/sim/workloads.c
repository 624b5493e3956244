/* Deployments, ReplicaSets, pods and nodes: controllers and kubelet in one, driven by timers. */
#include <stdio.h>

#include "sim/internal.h"

static const char ALPHABET[] = "bcdfghjklmnpqrstvwxz2456789";

static void workloads_run(struct sim *sim, const char *key);

static bool is(const struct object *o, const char *resource)
{
	return strcmp(o->kind->resource, resource) == 0;
}

static void run_soon(struct sim *sim)
{
	if (sim->workloads_due)
		return;
	sim->workloads_due = true;
	sim_timer(sim, 10, workloads_run, "");
}

/* ---- pods ---- */

bool pod_running(const struct node *pod)
{
	return node_find(pod, "status/containerStatuses/0/state/running") != NULL;
}

bool node_frozen(const struct sim *sim, const char *node)
{
	for (size_t i = 0; node != NULL && i < sim->frozen_count; i++)
		if (strcmp(sim->frozen[i], node) == 0)
			return true;
	return false;
}

static struct object *pod_by_uid(struct sim *sim, const char *uid)
{
	struct kind *pods = kind_of(sim, "pods");
	for (size_t i = 0; i < pods->count; i++)
		if (strcmp(pods->items[i]->uid, uid) == 0)
			return pods->items[i];
	return NULL;
}

static void condition(struct sim *sim, struct doc *doc, struct node *status, const char *type, bool met, const char *reason, const char *message)
{
	struct node *list = node_get(status, "conditions"), *c = NULL;
	char now[32];
	sim_time_text(sim->now, now);
	if (!node_is(list, NODE_LIST))
		node_set(doc, status, "conditions", list = node_list(doc));
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_find_text(node_at(list, i), "type"), type))
			c = node_at(list, i);
	if (c == NULL) {
		node_append(doc, list, c = node_map(doc));
		node_set_text(doc, c, "type", type);
	}
	bool flips = !str_eq(node_find_text(c, "status"), met ? "True" : "False");
	if (!flips && str_eq(node_find_text(c, "reason"), reason))
		return;
	node_set_text(doc, c, "status", met ? "True" : "False");
	node_set_text(doc, c, "reason", reason);
	node_set_text(doc, c, "message", message);
	if (flips)
		node_set_text(doc, c, "lastTransitionTime", now);
	if (message != NULL)
		node_set_text(doc, c, "lastUpdateTime", now);
}

static void set_ready(struct sim *sim, struct doc *doc, bool ready)
{
	struct node *status = node_ensure_map(doc, doc_root(doc), "status"), *list = node_get(status, "containerStatuses");
	for (size_t i = 0; i < node_count(list); i++) {
		node_set(doc, node_at(list, i), "ready", node_bool(doc, ready));
		node_set(doc, node_at(list, i), "started", node_bool(doc, ready));
	}
	condition(sim, doc, status, "ContainersReady", ready, ready ? NULL : "ContainersNotReady", NULL);
	condition(sim, doc, status, "Ready", ready, ready ? NULL : "ContainersNotReady", NULL);
}

/* All containers of a pod share one state here: kind is "waiting", "running" or "terminated". */
static struct node *set_state(struct doc *doc, const char *kind, struct node *state)
{
	struct node *root = doc_root(doc), *status = node_ensure_map(doc, root, "status"), *list = node_get(status, "containerStatuses");
	const struct node *containers = node_find(root, "spec/containers");
	if (!node_is(list, NODE_LIST)) {
		node_set(doc, status, "containerStatuses", list = node_list(doc));
		for (size_t i = 0; i < node_count(containers); i++) {
			struct node *c = node_map(doc);
			node_set_text(doc, c, "name", node_find_text(node_at(containers, i), "name"));
			node_set_text(doc, c, "image", node_find_text(node_at(containers, i), "image"));
			node_set(doc, c, "ready", node_bool(doc, false));
			node_set_int(doc, c, "restartCount", 0);
			node_append(doc, list, c);
		}
	}
	for (size_t i = 0; i < node_count(list); i++) {
		struct node *s = node_map(doc);
		node_set(doc, s, kind, node_copy(doc, state));
		node_set(doc, node_at(list, i), "state", s);
	}
	return list;
}

static struct node *waiting(struct doc *doc, const char *reason, const char *message)
{
	struct node *w = node_map(doc);
	node_set_text(doc, w, "reason", reason);
	node_set_text(doc, w, "message", message);
	return w;
}

static bool image_missing(const struct node *pod)
{
	static const char *const lists[] = { "spec/initContainers", "spec/containers" };
	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		for (size_t i = 0; i < node_count(node_find(pod, lists[k])); i++) {
			const char *image = node_text_or(node_find(node_at(node_find(pod, lists[k]), i), "image"), "");
			if (*image == '\0' || strstr(image, "does-not-exist") != NULL)
				return true;
		}
	return false;
}

static bool volumes_missing(struct sim *sim, const struct object *pod)
{
	const struct node *volumes = node_find(object_root(pod), "spec/volumes");
	for (size_t i = 0; i < node_count(volumes); i++) {
		const struct node *cm = node_get(node_at(volumes, i), "configMap"), *secret = node_get(node_at(volumes, i), "secret");
		const char *name = cm ? node_find_text(cm, "name") : node_find_text(secret, "secretName");
		if (name != NULL && !node_truth(node_get(cm ? cm : secret, "optional"), false) &&
		    store_get(sim, cm ? "configmaps" : "secrets", pod->ns, name) == NULL)
			return true;
	}
	return false;
}

void pod_log(struct sim *sim, const char *uid, const char *format, ...)
{
	size_t i = 0;
	while (i < sim->log_count && strcmp(sim->logs[i].uid, uid) != 0)
		i++;
	if (i == sim->log_count) {
		sim->logs = mem_grow(sim->logs, ++sim->log_count, sizeof *sim->logs);
		sim->logs[i].uid = mem_strdup(uid);
		sim->logs[i].text = mem_strdup("");
	}
	AUTOBUF b = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_puts(&b, sim->logs[i].text);
	buf_vprintf(&b, format, args);
	va_end(args);
	free(sim->logs[i].text);
	sim->logs[i].text = buf_take(&b);
}

const char *pod_log_text(struct sim *sim, const char *uid)
{
	for (size_t i = 0; i < sim->log_count; i++)
		if (strcmp(sim->logs[i].uid, uid) == 0)
			return sim->logs[i].text;
	return "";
}

/* What a preflight pod finds: 0, or 10 for a jar that is not there, or 11 for a configuration that is refused. */
static int preflight_result(struct sim *sim, const struct object *pod, const char **message)
{
	AUTOBUF text = BUF_INIT;
	const struct node *root = object_root(pod), *volumes = node_find(root, "spec/volumes");
	node_to_json(node_find(root, "spec/containers"), &text, 0);
	bool jar = strstr(buf_text(&text), "missing") != NULL;
	for (size_t i = 0; i < node_count(volumes); i++) {
		struct object *cm = store_get(sim, "configmaps", pod->ns, node_find_text(node_at(volumes, i), "configMap/name"));
		if (cm != NULL)
			node_to_json(node_get(object_root(cm), "data"), &text, 0);
	}
	if (jar) {
		*message = "the jar cannot be read: no such file";
		return 10;
	}
	if (strstr(buf_text(&text), "refuse-me") != NULL) {
		*message = "Flink does not accept the configuration: refuse-me";
		return 11;
	}
	*message = "";
	return 0;
}

static void preflight_end(struct sim *sim, const char *uid)
{
	struct object *pod = pod_by_uid(sim, uid);
	const char *message;
	if (pod == NULL || !pod_running(object_root(pod)))
		return;
	int code = preflight_result(sim, pod, &message);
	pod_exit(sim, uid, code, message);
}

static void pod_start(struct sim *sim, const char *uid)
{
	struct object *pod = pod_by_uid(sim, uid);
	if (pod == NULL || node_find(object_root(pod), "metadata/deletionTimestamp") != NULL || pod_running(object_root(pod)))
		return;
	const char *phase = node_text_or(node_find(object_root(pod), "status/phase"), "");
	if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
		return;
	if (node_frozen(sim, node_find_text(object_root(pod), "spec/nodeName")) || volumes_missing(sim, pod)) {
		sim_timer(sim, 500, pod_start, uid);
		return;
	}
	struct doc *doc = store_edit(pod);
	struct node *root = doc_root(doc), *status = node_ensure_map(doc, root, "status");
	char now[32];
	sim_time_text(sim->now, now);
	if (image_missing(root)) {
		const char *image = node_text_or(node_find(root, "spec/containers/0/image"), "");
		AUTOFREE char *message = mem_printf("Back-off pulling image \"%s\"", image);
		set_state(doc, "waiting", waiting(doc, "ImagePullBackOff", message));
		store_update(sim, pod, doc);
		return;
	}
	struct node *running = node_map(doc);
	node_set_text(doc, running, "startedAt", now);
	set_state(doc, "running", running);
	node_set_text(doc, status, "phase", "Running");
	node_set_text(doc, status, "startTime", now);
	bool flink = flink_is_jobmanager(root), preflight = node_get(node_find(root, "metadata/labels"), "weir.dev/preflight") != NULL;
	set_ready(sim, doc, !(flink && !preflight));
	pod = store_update(sim, pod, doc);
	if (preflight)
		sim_timer(sim, 300, preflight_end, uid);
	else
		flink_pod_started(sim, pod);
}

static void pod_schedule(struct sim *sim, const char *uid)
{
	struct object *pod = pod_by_uid(sim, uid);
	if (pod == NULL || node_find(object_root(pod), "spec/nodeName") != NULL)
		return;
	const char *node = node_frozen(sim, "node-1") ? "node-2" : "node-1";
	if (node_frozen(sim, node)) {
		sim_timer(sim, 500, pod_schedule, uid);
		return;
	}
	struct doc *doc = store_edit(pod);
	struct node *root = doc_root(doc), *status = node_ensure_map(doc, root, "status");
	unsigned ip = sim->next_ip++;
	node_set_text(doc, node_ensure_map(doc, root, "spec"), "nodeName", node);
	node_set_text(doc, status, "phase", "Pending");
	node_set(doc, status, "podIP", node_printf(doc, "10.244.%u.%u", ip / 250 % 250, ip % 250 + 1));
	node_set_text(doc, status, "hostIP", "10.88.0.1");
	condition(sim, doc, status, "PodScheduled", true, NULL, NULL);
	set_state(doc, "waiting", waiting(doc, "ContainerCreating", NULL));
	set_ready(sim, doc, false);
	store_update(sim, pod, doc);
	sim_timer(sim, sim->options.start_ms, pod_start, uid);
}

static void pod_stop(struct sim *sim, const char *uid)
{
	struct object *pod = pod_by_uid(sim, uid);
	if (pod == NULL || node_find(object_root(pod), "metadata/deletionTimestamp") == NULL)
		return;
	if (node_frozen(sim, node_find_text(object_root(pod), "spec/nodeName"))) {
		sim_timer(sim, 500, pod_stop, uid);
		return;
	}
	flink_pod_stopped(sim, uid);
	struct doc *doc = store_edit(pod);
	node_set_int(doc, node_get(doc_root(doc), "metadata"), "deletionGracePeriodSeconds", 0);
	store_update(sim, pod, doc);
}

void pod_set_ready(struct sim *sim, const char *uid)
{
	struct object *pod = pod_by_uid(sim, uid);
	if (pod == NULL)
		return;
	struct doc *doc = store_edit(pod);
	set_ready(sim, doc, true);
	store_update(sim, pod, doc);
}

void pod_exit(struct sim *sim, const char *uid, int code, const char *message)
{
	struct object *pod = pod_by_uid(sim, uid);
	AUTOFREE char *kept = mem_strdup(uid); /* the caller's may go with the process */
	flink_pod_stopped(sim, uid);
	if (pod == NULL || !pod_running(object_root(pod)))
		return;
	struct doc *doc = store_edit(pod);
	struct node *root = doc_root(doc), *ended = node_map(doc);
	char now[32];
	sim_time_text(sim->now, now);
	node_set_int(doc, ended, "exitCode", code);
	node_set_text(doc, ended, "reason", code == 0 ? "Completed" : "Error");
	node_set_text(doc, ended, "message", message);
	node_set_text(doc, ended, "startedAt", node_find_text(root, "status/containerStatuses/0/state/running/startedAt"));
	node_set_text(doc, ended, "finishedAt", now);
	const char *policy = node_text_or(node_find(root, "spec/restartPolicy"), "Always");
	bool again = strcmp(policy, "Always") == 0 || (strcmp(policy, "OnFailure") == 0 && code != 0);
	struct node *list = set_state(doc, "terminated", ended);
	set_ready(sim, doc, false);
	if (!again) {
		node_set_text(doc, node_get(root, "status"), "phase", code == 0 ? "Succeeded" : "Failed");
		store_update(sim, pod, doc);
		return;
	}
	int64_t restarts = node_integer(node_find(root, "status/containerStatuses/0/restartCount"), 0), delay = 300000;
	if (restarts < 6)
		delay = restarts == 0 ? 1000 : sim->options.backoff_ms << (restarts - 1);
	if (delay > 300000)
		delay = 300000;
	if (restarts > 0) {
		AUTOFREE char *text = mem_printf("back-off %llds restarting failed container", (long long)(delay / 1000));
		set_state(doc, "waiting", waiting(doc, "CrashLoopBackOff", text));
	}
	for (size_t i = 0; i < node_count(list); i++) {
		node_set_int(doc, node_at(list, i), "restartCount", restarts + 1);
		struct node *last = node_map(doc);
		node_set(doc, last, "terminated", node_copy(doc, ended));
		node_set(doc, node_at(list, i), "lastState", last);
	}
	store_update(sim, pod, doc);
	sim_timer(sim, delay, pod_start, kept);
}

bool sim_pod_kill(struct sim *sim, const char *ns, const char *name)
{
	sim_lock(sim);
	struct object *pod = store_get(sim, "pods", ns, name);
	bool running = pod != NULL && pod_running(object_root(pod));
	if (running) {
		AUTOFREE char *uid = mem_strdup(pod->uid);
		pod_exit(sim, uid, 137, "killed");
	}
	sim_unlock(sim);
	return running;
}

void sim_node_freeze(struct sim *sim, const char *node, bool frozen)
{
	sim_lock(sim);
	for (size_t i = sim->frozen_count; i-- > 0;)
		if (strcmp(sim->frozen[i], node) == 0) {
			free(sim->frozen[i]);
			sim->frozen[i] = sim->frozen[--sim->frozen_count];
		}
	if (frozen) {
		sim->frozen = mem_grow(sim->frozen, sim->frozen_count + 1, sizeof *sim->frozen);
		sim->frozen[sim->frozen_count++] = mem_strdup(node);
	}
	struct object *o = store_get(sim, "nodes", "", node);
	if (o != NULL) {
		struct doc *doc = store_edit(o);
		struct node *ready = node_find(doc_root(doc), "status/conditions/0");
		node_set_text(doc, ready, "status", frozen ? "Unknown" : "True");
		node_set_text(doc, ready, "reason", frozen ? "NodeStatusUnknown" : "KubeletReady");
		store_update(sim, o, doc);
	}
	if (!frozen)
		flink_reap(sim);
	sim_unlock(sim);
}

/* ---- controllers ---- */

static bool owned_by(const struct object *o, const char *uid)
{
	const struct node *refs = node_find(object_root(o), "metadata/ownerReferences");
	for (size_t i = 0; i < node_count(refs); i++)
		if (str_eq(node_find_text(node_at(refs, i), "uid"), uid))
			return true;
	return false;
}

static bool deleting(const struct object *o)
{
	return node_find(object_root(o), "metadata/deletionTimestamp") != NULL;
}

static void own(struct doc *doc, struct node *meta, const struct object *owner)
{
	struct node *list = node_list(doc), *ref = node_map(doc);
	AUTOBUF gv = BUF_INIT;
	kind_api_version(owner->kind, &gv);
	node_set_text(doc, ref, "apiVersion", gv.data);
	node_set_text(doc, ref, "kind", owner->kind->name);
	node_set_text(doc, ref, "name", owner->name);
	node_set_text(doc, ref, "uid", owner->uid);
	node_set(doc, ref, "controller", node_bool(doc, true));
	node_set(doc, ref, "blockOwnerDeletion", node_bool(doc, true));
	node_append(doc, list, ref);
	node_set(doc, meta, "ownerReferences", list);
}

static void template_hash(const struct node *template, char out[11])
{
	AUTOBUF b = BUF_INIT;
	node_to_json(template, &b, JSON_SORTED);
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ (unsigned char)b.data[i]) * 1099511628211u;
	for (size_t i = 0; i < 10; i++, h /= 27)
		out[i] = ALPHABET[h % 27];
	out[10] = '\0';
}

static void replicaset_create(struct sim *sim, const struct object *d, const char *hash, int64_t replicas)
{
	struct doc *doc = doc_new();
	struct node *root = node_map(doc), *meta = node_map(doc), *spec = node_map(doc);
	const struct node *dspec = node_get(object_root(d), "spec");
	struct node *template = node_copy(doc, node_get(dspec, "template")), *selector = node_copy(doc, node_get(dspec, "selector"));
	struct node *labels = node_ensure_map(doc, node_ensure_map(doc, template, "metadata"), "labels");
	doc_set_root(doc, root);
	node_set_text(doc, labels, "pod-template-hash", hash);
	node_set_text(doc, node_ensure_map(doc, selector, "matchLabels"), "pod-template-hash", hash);
	node_set(doc, meta, "name", node_printf(doc, "%s-%s", d->name, hash));
	node_set_text(doc, meta, "namespace", d->ns);
	node_set(doc, meta, "labels", node_copy(doc, labels));
	own(doc, meta, d);
	node_set_int(doc, spec, "replicas", replicas);
	node_set(doc, spec, "selector", selector);
	node_set(doc, spec, "template", template);
	node_set(doc, root, "metadata", meta);
	node_set(doc, root, "spec", spec);
	store_insert(sim, kind_of(sim, "apps/replicasets"), doc);
}

static void pod_create(struct sim *sim, const struct object *rs)
{
	struct doc *doc = doc_new();
	const struct node *template = node_find(object_root(rs), "spec/template");
	struct node *root = node_copy(doc, template), *meta = node_ensure_map(doc, root, "metadata");
	char suffix[6];
	doc_set_root(doc, root);
	sim_random_text(sim, suffix, 5, ALPHABET);
	node_set(doc, meta, "name", node_printf(doc, "%s-%s", rs->name, suffix));
	node_set_text(doc, meta, "namespace", rs->ns);
	own(doc, meta, rs);
	store_insert(sim, kind_of(sim, "pods"), doc);
}

struct tally {
	int64_t pods, alive, ready; /* pods: with those that are going */
};

static struct tally count_pods(struct sim *sim, const char *owner_uid)
{
	struct tally t = { 0 };
	struct kind *pods = kind_of(sim, "pods");
	for (size_t i = 0; i < pods->count; i++) {
		struct object *p = pods->items[i];
		if (!owned_by(p, owner_uid))
			continue;
		t.pods++;
		t.alive += !deleting(p);
		t.ready += !deleting(p) && node_truth(node_find(object_root(p), "status/containerStatuses/0/ready"), false);
	}
	return t;
}

static void replicaset_run(struct sim *sim, struct object *rs)
{
	if (deleting(rs))
		return;
	struct tally t = count_pods(sim, rs->uid);
	int64_t want = node_integer(node_find(object_root(rs), "spec/replicas"), 1);
	struct kind *pods = kind_of(sim, "pods");
	for (; t.alive < want; t.alive++)
		pod_create(sim, rs);
	for (size_t i = pods->count; t.alive > want && i-- > 0;)
		if (owned_by(pods->items[i], rs->uid) && !deleting(pods->items[i])) {
			store_delete(sim, pods->items[i], PROPAGATE_BACKGROUND, -1);
			t.alive--;
			if (i > pods->count)
				i = pods->count;
		}
	t = count_pods(sim, rs->uid);
	struct doc *doc = store_edit(rs);
	struct node *status = node_ensure_map(doc, doc_root(doc), "status");
	node_set_int(doc, status, "replicas", t.alive);
	node_set_int(doc, status, "readyReplicas", t.ready);
	node_set_int(doc, status, "availableReplicas", t.ready);
	node_set_int(doc, status, "observedGeneration", node_integer(node_find(doc_root(doc), "metadata/generation"), 1));
	store_update(sim, rs, doc);
}

static void replicaset_scale(struct sim *sim, struct object *rs, int64_t replicas)
{
	struct doc *doc = store_edit(rs);
	node_set_int(doc, node_get(doc_root(doc), "spec"), "replicas", replicas);
	store_update(sim, rs, doc);
}

static void count_or_drop(struct doc *doc, struct node *status, const char *key, int64_t value)
{
	if (value > 0)
		node_set_int(doc, status, key, value);
	else
		node_remove(status, key);
}

static void deployment_status(struct sim *sim, struct object *d, struct tally updated, struct tally all, const char *rs_name, int64_t want)
{
	struct doc *doc = store_edit(d);
	struct node *root = doc_root(doc), *status = node_ensure_map(doc, root, "status");
	bool available = all.ready >= want - want / 4;
	bool fresh = !node_equal(node_get(status, "observedGeneration"), node_find(root, "metadata/generation"));
	node_set_int(doc, status, "observedGeneration", node_integer(node_find(root, "metadata/generation"), 1));
	count_or_drop(doc, status, "replicas", all.alive);
	count_or_drop(doc, status, "updatedReplicas", updated.alive);
	count_or_drop(doc, status, "readyReplicas", all.ready);
	count_or_drop(doc, status, "availableReplicas", all.ready);
	count_or_drop(doc, status, "unavailableReplicas", want > all.ready ? want - all.ready : 0);
	condition(sim, doc, status, "Available", available, available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
		  available ? "Deployment has minimum availability." : "Deployment does not have minimum availability.");
	bool done = updated.ready >= want && all.alive == updated.alive;
	int64_t since = 0, limit = node_integer(node_find(root, "spec/progressDeadlineSeconds"), 600) * 1000;
	const struct node *conditions = node_get(status, "conditions");
	AUTOFREE char *was = NULL;
	for (size_t i = 0; i < node_count(conditions); i++)
		if (str_eq(node_find_text(node_at(conditions, i), "type"), "Progressing")) {
			was = mem_strdup(node_find_text(node_at(conditions, i), "reason"));
			since = sim_time_parse(node_find_text(node_at(conditions, i), "lastUpdateTime"));
		}
	AUTOFREE char *message = mem_printf("ReplicaSet \"%s\" %s.", rs_name, done ? "has successfully progressed" : "is progressing");
	if (!done && since > 0 && (sim->now - since >= limit || (!fresh && str_eq(was, "ProgressDeadlineExceeded"))))
		condition(sim, doc, status, "Progressing", false, "ProgressDeadlineExceeded", "ReplicaSet has timed out progressing.");
	else
		condition(sim, doc, status, "Progressing", true, done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated", message);
	if (!done && (since == 0 || fresh || str_eq(was, "NewReplicaSetAvailable"))) /* look again when it should have ended */
		sim_timer(sim, limit + 1000, workloads_run, "");
	node_set_text(doc, node_ensure_map(doc, node_get(root, "metadata"), "annotations"), "deployment.kubernetes.io/revision",
		      node_text_or(node_get(node_find(root, "metadata/annotations"), "deployment.kubernetes.io/revision"), "1"));
	store_update(sim, d, doc);
}

static void deployment_run(struct sim *sim, struct object *d)
{
	struct kind *sets = kind_of(sim, "apps/replicasets");
	if (deleting(d))
		return;
	char hash[11];
	template_hash(node_find(object_root(d), "spec/template"), hash);
	int64_t want = node_integer(node_find(object_root(d), "spec/replicas"), 1);
	bool recreate = str_eq(node_find_text(object_root(d), "spec/strategy/type"), "Recreate");
	AUTOFREE char *name = mem_printf("%s-%s", d->name, hash);
	struct tally all = { 0 }, old = { 0 }, updated = { 0 };
	for (size_t i = 0; i < sets->count; i++) {
		struct object *rs = sets->items[i];
		if (!owned_by(rs, d->uid))
			continue;
		struct tally t = count_pods(sim, rs->uid);
		if (strcmp(rs->name, name) == 0)
			updated = t;
		else
			old = (struct tally){ old.pods + t.pods, old.alive + t.alive, old.ready + t.ready };
	}
	all = (struct tally){ old.pods + updated.pods, old.alive + updated.alive, old.ready + updated.ready };
	struct object *current = store_find(sets, d->ns, name);
	if (current == NULL)
		replicaset_create(sim, d, hash, recreate && old.pods > 0 ? 0 : want);
	else if (!recreate || old.pods == 0)
		replicaset_scale(sim, current, want);
	for (size_t i = 0; i < sets->count; i++) {
		struct object *rs = sets->items[i];
		if (owned_by(rs, d->uid) && strcmp(rs->name, name) != 0 && (recreate || updated.ready >= want))
			replicaset_scale(sim, rs, 0);
	}
	deployment_status(sim, d, updated, all, name, want);
}

static void workloads_run(struct sim *sim, const char *key)
{
	(void)key;
	sim->workloads_due = true; /* what the run itself writes needs no further run at once: it looks again below */
	for (int round = 0; round < 8; round++) {
		uint64_t before = sim->rv;
		struct kind *deployments = kind_of(sim, "apps/deployments"), *sets = kind_of(sim, "apps/replicasets");
		for (size_t i = 0; i < deployments->count; i++)
			deployment_run(sim, deployments->items[i]);
		for (size_t i = 0; i < sets->count; i++)
			replicaset_run(sim, sets->items[i]);
		flink_pods_changed(sim);
		if (sim->rv == before)
			break;
	}
	sim->workloads_due = false;
}

void workloads_changed(struct sim *sim, struct object *o)
{
	if (is(o, "pods")) {
		if (node_find(object_root(o), "status/phase") == NULL && node_find(object_root(o), "spec/nodeName") == NULL)
			sim_timer(sim, sim->options.schedule_ms, pod_schedule, o->uid);
		else if (deleting(o) && node_integer(node_find(object_root(o), "metadata/deletionGracePeriodSeconds"), 0) > 0)
			sim_timer(sim, sim->options.stop_ms, pod_stop, o->uid);
	} else if (!is(o, "deployments") && !is(o, "replicasets")) {
		return;
	}
	run_soon(sim);
}

void workloads_removed(struct sim *sim, struct object *o)
{
	if (is(o, "pods") && !node_frozen(sim, node_find_text(object_root(o), "spec/nodeName"))) /* else the process goes on, unseen */
		flink_pod_stopped(sim, o->uid);
	if (is(o, "pods") || is(o, "replicasets") || is(o, "deployments"))
		run_soon(sim);
}
