#include "sync/sync.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/events.h"
#include "sync/internal.h"
#include "sync/kinds.h"

const struct kube_resource KIND_CONFIGMAP = { .api_version = "v1", .kind = "ConfigMap", .plural = "configmaps", .namespaced = true };
const struct kube_resource KIND_POD = { .api_version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true };
const struct kube_resource KIND_SERVICE = { .api_version = "v1", .kind = "Service", .plural = "services", .namespaced = true };
const struct kube_resource KIND_DEPLOYMENT = {
	.api_version = "apps/v1", .kind = "Deployment", .plural = "deployments", .namespaced = true
};
const struct kube_resource KIND_INGRESS = {
	.api_version = "networking.k8s.io/v1", .kind = "Ingress", .plural = "ingresses", .namespaced = true
};
const struct kube_resource KIND_FLINKSTATESNAPSHOT = {
	.api_version = "flink.apache.org/v1beta1", .kind = "FlinkStateSnapshot", .plural = "flinkstatesnapshots", .namespaced = true
};
const struct kube_resource KIND_FLINKSESSIONJOB = {
	.api_version = "flink.apache.org/v1beta1", .kind = "FlinkSessionJob", .plural = "flinksessionjobs", .namespaced = true
};
const struct kube_resource KIND_FLINKDEPLOYMENT = {
	.api_version = "flink.apache.org/v1beta1", .kind = "FlinkDeployment", .plural = "flinkdeployments", .namespaced = true
};

const char *sync_state_name(enum sync_state state)
{
	static const char *const names[] = { "Applied", "Pending", "Withheld", "Failed", "Held" };
	return names[state];
}

const char *change_action_name(enum change_action action)
{
	static const char *const names[] = { "none", "create", "update", "delete", "withheld", "pending", "retained", "moved", "error" };
	return names[action];
}

void pass_note(struct pass *p, enum change_action action, const char *kind, const char *ns, const char *name, const char *format, ...)
{
	AUTOBUF message = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	struct sync_output *out = p->out;
	out->changes = mem_grow(out->changes, out->change_count + 1, sizeof *out->changes);
	struct sync_change *c = &out->changes[out->change_count++];
	*c = (struct sync_change){ .action = action, .id = mem_printf("%s/%s%s%s", kind, ns, *ns == '\0' ? "" : "/", name) };
	if (message.len > 0) {
		c->message = mem_strdup(buf_text(&message));
		if (action == CHANGE_ERROR || action == CHANGE_WITHHELD || action == CHANGE_PENDING)
			buf_printf(&p->notes, "%s%s: %s", p->notes.len == 0 ? "" : "; ", c->id, c->message);
	}
}

bool is_flink(const char *api_version)
{
	return str_starts(api_version, "flink.apache.org/");
}

void pass_event(const struct pass *p, const struct item *item, bool warning, const char *reason, const char *message)
{
	struct kube_event event = { .api_version = item->api_version,
				    .kind = item->kind,
				    .ns = *item->ns == '\0' ? NULL : item->ns,
				    .name = item->name,
				    .uid = node_find_text(doc_root(item->live), "metadata/uid"),
				    .warning = warning,
				    .reason = reason,
				    .message = message };
	if (!p->in->plan)
		(void)kube_event_record(p->in->kube, &event, p->in->now_ms, NULL);
}

bool pass_may_act(const struct pass *p)
{
	return p->in->may_act == NULL || p->in->may_act(p->in->context);
}

void sync_output_free(struct sync_output *out)
{
	for (size_t i = 0; i < out->change_count; i++) {
		free(out->changes[i].id);
		free(out->changes[i].message);
		doc_free(out->changes[i].result);
	}
	free(out->changes);
	*out = (struct sync_output){ 0 };
}

/* Namespaces and definitions before what needs them, accounts and settings before workloads, jobs last. */
static int rank_of(const char *api_version, const char *kind)
{
	static const char *const order[] = {
		"Namespace",   "CustomResourceDefinition", "ServiceAccount", "Role",	  "ClusterRole",
		"RoleBinding", "ClusterRoleBinding",	   "Secret",	     "ConfigMap", "PersistentVolumeClaim",
		"Service"
	};
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (strcmp(order[i], kind) == 0)
			return (int)i;
	return is_flink(api_version) ? 100 : 50;
}

static int by_rank(const void *a, const void *b)
{
	const struct item *x = a;
	const struct item *y = b;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	return x->from < y->from ? -1 : x->from > y->from;
}

static void collect(struct pass *p)
{
	const struct render_result *r = p->in->objects;
	p->items = mem_array(r->count, sizeof *p->items);
	p->count = r->count;
	for (size_t i = 0; i < r->count; i++) {
		struct item *item = &p->items[i];
		item->from = &r->objects[i];
		item->object = doc_root(r->objects[i].doc);
		item->api_version = node_text_or(node_get(item->object, "apiVersion"), "");
		item->kind = node_text_or(node_get(item->object, "kind"), "");
		item->name = node_text_or(node_find(item->object, "metadata/name"), "");
		item->ns = node_text_or(node_find(item->object, "metadata/namespace"), "");
		item->rank = rank_of(item->api_version, item->kind);
	}
	qsort(p->items, p->count, sizeof *p->items, by_rank);
}

bool pass_own_fault(const struct error *err)
{
	return err->kind == ERROR_INVALID || err->kind == ERROR_FORBIDDEN || err->kind == ERROR_NOT_FOUND || err->kind == ERROR_CONFLICT ||
	       err->kind == ERROR_LIMIT || err->kind == ERROR_UNSUPPORTED;
}

static bool resolve(struct pass *p, struct item *item, struct error *err)
{
	if (!kube_resource_for(p->in->as, item->api_version, item->kind, &item->resource, err))
		return false;
	if (item->resource.namespaced && *item->ns == '\0') {
		struct doc *doc = item->from->doc;
		node_set_text(doc, node_get(item->object, "metadata"), "namespace", p->in->ns);
		item->ns = node_find_text(item->object, "metadata/namespace");
	} else if (!item->resource.namespaced) {
		item->ns = "";
	}
	item->known = true;
	return true;
}

static bool apply_item(struct pass *p, struct item *item, struct error *err)
{
	if (!item->known) { /* its kind came with this very commit */
		if (!resolve(p, item, err))
			return false;
		inventory_add(&p->inventory, item->api_version, item->kind, item->ns, item->name);
	}
	if (is_flink(item->api_version) && (strcmp(item->kind, KIND_FLINKDEPLOYMENT.kind) == 0 || pass_is_session_job(item)))
		return pass_apply_flink(p, item, err);
	bool ok = pass_apply(p, item, err);
	item->applied = ok && !item->held;
	return ok;
}

/* Does the set define the kind itself? Then it is only a matter of time until the server knows it. */
static bool defined_in_set(const struct pass *p, const struct item *item)
{
	size_t group = strcspn(item->api_version, "/");
	for (size_t i = 0; i < p->count; i++) {
		const struct node *spec = node_get(p->items[i].object, "spec");
		const char *other = node_text_or(node_get(spec, "group"), "");
		if (strcmp(p->items[i].kind, "CustomResourceDefinition") == 0 && !p->items[i].failed && strlen(other) == group &&
		    strncmp(other, item->api_version, group) == 0 && str_eq(node_find_text(spec, "names/kind"), item->kind))
			return true;
	}
	return false;
}

static bool apply_all(struct pass *p, struct error *err)
{
	for (size_t i = 0; i < p->count; i++) {
		struct item *item = &p->items[i];
		struct error why = ERROR_INIT;
		if (item->held || item->owner != NULL || apply_item(p, item, &why))
			continue;
		if (!pass_own_fault(&why)) {
			error_copy(err, &why);
			return error_wrap(err, "%s/%s", item->kind, item->name);
		}
		if (!item->known && why.kind == ERROR_NOT_FOUND && defined_in_set(p, item)) {
			p->pending++;
			pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name, "waits until its definition is served");
			continue;
		}
		item->failed = true;
		p->errors++;
		pass_note(p, CHANGE_ERROR, item->kind, item->ns, item->name, "%s:%u: %s", item->from->file, item->from->line, why.message);
	}
	return true;
}

static void conclude(struct pass *p)
{
	struct sync_output *out = p->out;
	out->pending = p->pending;
	out->state = p->errors > 0     ? SYNC_FAILED
		     : p->held > 0     ? SYNC_HELD
		     : p->withheld > 0 ? SYNC_WITHHELD
		     : p->pending > 0  ? SYNC_PENDING
				       : SYNC_APPLIED;
	if (p->in->source_problem != NULL && p->in->source_problem[0] != '\0' && p->in->objects != NULL) {
		if (out->state == SYNC_APPLIED)
			out->state = SYNC_FAILED;
		buf_printf(&p->notes, "%ssource: %s; the last good revision goes on", p->notes.len == 0 ? "" : "; ", p->in->source_problem);
	}
	if (p->in->objects != NULL && p->in->objects->warnings != NULL)
		buf_printf(&p->notes, "%swarning: %s", p->notes.len == 0 ? "" : "; ", p->in->objects->warnings);
	(void)snprintf(out->message, sizeof out->message, "%s", p->notes.len > 0 ? buf_text(&p->notes) : "");
	if (out->message[0] == '\0')
		(void)snprintf(out->message, sizeof out->message, "%zu objects", p->count);
}

/* What needs a person, as an event on the inventory, when it is new. */
static void tell(struct pass *p)
{
	const struct inventory *before = &p->inventory;
	enum sync_state state = p->out->state;
	const char *reason = state == SYNC_FAILED     ? "SyncFailed"
			     : state == SYNC_HELD     ? "DeletionHeld"
			     : state == SYNC_WITHHELD ? "Withheld"
						      : NULL;
	if (reason == NULL || (strcmp(before->state, sync_state_name(state)) == 0 && str_eq(before->message, p->out->message)))
		return;
	AUTOFREE char *map = mem_printf("weir-inventory-%s", p->in->name);
	struct kube_event event = { .api_version = KIND_CONFIGMAP.api_version,
				    .kind = KIND_CONFIGMAP.kind,
				    .ns = p->in->own_ns,
				    .name = map,
				    .uid = before->uid[0] == '\0' ? NULL : before->uid,
				    .warning = true,
				    .reason = reason,
				    .message = p->out->message };
	(void)kube_event_record(p->in->kube, &event, p->in->now_ms, NULL); /* lost ones are lost: weir status says the same */
}

static bool save(struct pass *p, struct error *err)
{
	struct inventory *inventory = &p->inventory;
	if (p->in->plan)
		return true;
	if (pass_may_act(p))
		tell(p);
	(void)snprintf(inventory->state, sizeof inventory->state, "%s", sync_state_name(p->out->state));
	free(inventory->message);
	inventory->message = mem_strdup(p->out->message);
	return pass_may_act(p) && inventory_write(p->in->kube, p->in->own_ns, p->in->name, inventory, err);
}

static bool run(struct pass *p, struct error *err)
{
	const struct sync_input *in = p->in;
	(void)snprintf(p->inventory.seen, sizeof p->inventory.seen, "%s", in->commit);
	if (in->objects == NULL) { /* nothing is pruned after a failed render; what runs goes on */
		p->errors++;
		buf_printf(&p->notes, "%s%.12s%s%s", in->commit[0] == '\0' ? "" : "commit ", in->commit, in->commit[0] == '\0' ? "" : ": ",
			   in->failure);
		if (in->source_problem != NULL && in->source_problem[0] != '\0' && strcmp(in->source_problem, in->failure) != 0)
			buf_printf(&p->notes, "; source: %s", in->source_problem);
		conclude(p);
		return save(p, err);
	}
	if (in->objects->count == 0) {
		p->errors++;
		buf_puts(&p->notes, "the path renders to no objects: nothing is applied and nothing is pruned");
		conclude(p);
		return save(p, err);
	}
	collect(p);
	for (size_t i = 0; i < p->count; i++)
		(void)resolve(p, &p->items[i], NULL);
	if (!brake_look_alikes(p, err))
		return false;
	content_assign(p);
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].known && !p->items[i].held)
			inventory_add(&p->inventory, p->items[i].api_version, p->items[i].kind, p->items[i].ns, p->items[i].name);
	if (strcmp(p->inventory.commit, in->commit) != 0) /* nothing of it is applied yet, and the status must not say so */
		(void)snprintf(p->inventory.state, sizeof p->inventory.state, "%s", sync_state_name(SYNC_PENDING));
	(void)snprintf(p->inventory.commit, sizeof p->inventory.commit, "%s", in->commit);
	/* what is about to be applied is in the inventory first, so that a crash leaves nothing unaccounted for */
	if (!in->plan && (!pass_may_act(p) || !inventory_write(in->kube, in->own_ns, in->name, &p->inventory, err)))
		return false;
	if (!apply_all(p, err) || (p->errors == 0 && !pass_prune(p, err)))
		return false;
	conclude(p);
	return save(p, err);
}

bool sync_pass(const struct sync_input *in, struct sync_output *out, struct error *err)
{
	*out = (struct sync_output){ 0 };
	struct pass p = { .in = in, .out = out };
	error_clear(err);
	bool ok = inventory_read(in->kube, in->own_ns, in->name, &p.inventory, err) && run(&p, err);
	if (!ok && err != NULL && err->kind == ERROR_NONE)
		(void)error_set(err, ERROR_TRANSIENT, "this agent may not act now");
	inventory_free(&p.inventory);
	for (size_t i = 0; i < p.count; i++)
		pass_forget(&p.items[i]);
	free(p.items);
	holders_free(&p);
	buf_free(&p.notes);
	return ok;
}
