/* The controllers of Deployments and ReplicaSets; what changes in the store wakes them and the kubelet (pods.c). */
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

/* False: admission refuses it. */
static bool pod_create(struct sim *sim, const struct object *rs)
{
	AUTOBUF problem = BUF_INIT;
	if (!pod_admitted(sim, rs->ns, node_find(object_root(rs), "spec/template"), &problem))
		return false;
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
	return true;
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
	while (t.alive < want && pod_create(sim, rs))
		t.alive++;
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
	status_condition(sim, doc, status, "Available", available, available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
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
		status_condition(sim, doc, status, "Progressing", false, "ProgressDeadlineExceeded",
				 "ReplicaSet has timed out progressing.");
	else
		status_condition(sim, doc, status, "Progressing", true, done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated", message);
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
