/* The kubelet: pods get a node, start, become ready, end and go, driven by timers. */
#include <stdio.h>

#include "sim/internal.h"

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

void status_condition(struct sim *sim, struct doc *doc, struct node *status, const char *type, bool met, const char *reason,
		      const char *message)
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
	status_condition(sim, doc, status, "ContainersReady", ready, ready ? NULL : "ContainersNotReady", NULL);
	status_condition(sim, doc, status, "Ready", ready, ready ? NULL : "ContainersNotReady", NULL);
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
	const char *program = node_text_or(node_find(root, "spec/containers/0/command/0"), "");
	const char *image = node_text_or(node_find(root, "spec/containers/0/image"), "");
	if ((strcmp(program, "sh") == 0 && strstr(image, "no-shell") != NULL) ||
	    (strcmp(program, "java") == 0 && strstr(image, "no-java") != NULL)) {
		*message = "exec: executable file not found in $PATH";
		return 127;
	}
	if (strcmp(program, "java") == 0 && (jar || strstr(buf_text(&text), "refuse-me") != NULL)) {
		*message = jar ? "Error opening zip file or JAR manifest missing : no such file"
			       : "Exception in thread \"main\" IllegalConfigurationException: refuse-me";
		return 1;
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

static const char *env_of(const struct node *pod, const char *name)
{
	const struct node *list = node_find(pod, "spec/containers/0/env");
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_find_text(node_at(list, i), "name"), name))
			return node_text_or(node_find(node_at(list, i), "value"), "");
	return "";
}

/* The pod that looks into storage: as store/probe.c reads it. */
static void probe_end(struct sim *sim, const char *uid)
{
	struct object *pod = pod_by_uid(sim, uid);
	if (pod == NULL || !pod_running(object_root(pod)))
		return;
	const char *path = env_of(object_root(pod), "WEIR_PATH");
	AUTOFREE char *uri = mem_printf("%s%s", *env_of(object_root(pod), "WEIR_ROOT") != '\0' ? "file:" : "", path);
	AUTOFREE char *message = mem_printf("%s\n.\n", storage_answer(sim, env_of(object_root(pod), "WEIR_QUESTION"), uri));
	pod_exit(sim, uid, 0, message);
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
	else if (node_get(node_find(object_root(pod), "metadata/labels"), "weir.dev/state-probe") != NULL)
		sim_timer(sim, 300, probe_end, uid);
	else
		flink_pod_started(sim, pod);
}

void pod_schedule(struct sim *sim, const char *uid)
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
	status_condition(sim, doc, status, "PodScheduled", true, NULL, NULL);
	set_state(doc, "waiting", waiting(doc, "ContainerCreating", NULL));
	set_ready(sim, doc, false);
	store_update(sim, pod, doc);
	sim_timer(sim, sim->options.start_ms, pod_start, uid);
}

void pod_stop(struct sim *sim, const char *uid)
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
