/* Preflight, as far as it touches the cluster: asking the API server, the pods, and taking them away again. */
#include <string.h>

#include "base/mem.h"
#include "sync/internal.h"
#include "sync/kinds.h"

void preflight_free(struct preflight *f)
{
	for (size_t i = 0; i < PREFLIGHT_PODS; i++) {
		doc_free(f->seen[i]);
		buf_free(&f->reasons[i]);
	}
	buf_free(&f->server);
	doc_free(f->doc);
	*f = (struct preflight){ 0 };
}

static const struct kube_resource *kind_named(const char *kind)
{
	static const struct kube_resource *const kinds[] = { &KIND_POD, &KIND_DEPLOYMENT, &KIND_SERVICE, &KIND_CONFIGMAP, &KIND_INGRESS };
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(kind, kinds[i]->kind))
			return kinds[i];
	return NULL;
}

static bool says(const struct error *why, const char *text)
{
	return strstr(why->message, text) != NULL;
}

/* What one refusal means. That names are taken, by what runs now, comes last of all checks: everything else was in order. */
static enum server_says judge(const struct pass *p, const struct item *item, const struct error *why)
{
	if (why->kind == ERROR_CONFLICT || (item->live != NULL && says(why, "already allocated"))) /* a port of the Service that is there */
		return SERVER_TAKES;
	if (p->in->plan && (why->kind == ERROR_NOT_FOUND || says(why, "not found"))) /* it may come with this very commit */
		return SERVER_TAKES;
	if (says(why, "does not support dry run") || says(why, "cannot create resource"))
		return SERVER_UNSURE;
	if (says(why, "exceeded quota")) /* the running version makes room before the new one comes */
		return item->live != NULL ? SERVER_TAKES : SERVER_UNSURE;
	if (why->kind == ERROR_INVALID)
		return SERVER_REFUSES;
	/* what passes by itself: a namespace's account and the sums of its quotas come a moment after they are asked for */
	if (says(why, "being terminated") || says(why, "error looking up service account") || says(why, "status unknown for quota"))
		return SERVER_SILENT;
	return why->kind == ERROR_FORBIDDEN && (says(why, "forbidden") || says(why, "denied")) ? SERVER_REFUSES : SERVER_SILENT;
}

/* "Pod orders-preflight-jobmanager: violates PodSecurity ..." */
static void put_why(struct buf *out, const char *kind, const char *name, const struct error *why)
{
	static const char mark[] = "is forbidden: ";
	const char *at = strstr(why->message, mark);
	buf_clear(out);
	buf_printf(out, "the API server refuses %s %s: %s", kind, name, at == NULL ? why->message : at + strlen(mark));
}

/* The first refusal counts most. */
static void ask_server(struct pass *p, const struct item *item, const struct node *objects, struct preflight *f, struct gate_input *gate)
{
	gate->server = SERVER_TAKES;
	for (size_t i = 0; i < node_count(objects); i++) {
		const struct node *object = node_at(objects, i);
		const char *kind = node_find_text(object, "kind");
		struct error why = ERROR_INIT;
		if (kube_try_create(p->in->kube, kind_named(kind), item->ns, object, &why))
			continue;
		enum server_says one = judge(p, item, &why);
		if (one == SERVER_TAKES || (one == SERVER_UNSURE && gate->server == SERVER_UNSURE))
			continue;
		gate->server = one;
		put_why(&f->server, kind, node_find_text(object, "metadata/name"), &why);
		if (one != SERVER_UNSURE)
			break;
	}
	gate->server_reason = buf_text(&f->server);
}

static enum preflight_seen read_pod(enum preflight_pod which, const struct node *pod, struct buf *reason)
{
	static const enum preflight_seen meanings[] = {
		[FLINK_PREFLIGHT_RUNNING] = PREFLIGHT_RUNNING,	     [FLINK_PREFLIGHT_PASSED] = PREFLIGHT_PASSED,
		[FLINK_PREFLIGHT_FAILED] = PREFLIGHT_FAILED,	     [FLINK_PREFLIGHT_UNCHECKED] = PREFLIGHT_UNCHECKED,
		[FLINK_PREFLIGHT_NO_PROGRAM] = PREFLIGHT_NO_PROGRAM,
	};
	static const enum flink_preflight_pod pods[] = { [PREFLIGHT_JOBMANAGER] = FLINK_PREFLIGHT_JOBMANAGER,
							 [PREFLIGHT_TASKMANAGER] = FLINK_PREFLIGHT_TASKMANAGER,
							 [PREFLIGHT_JAVA] = FLINK_PREFLIGHT_JAVA };
	return meanings[flink_preflight_read(pods[which], pod, reason)];
}

static void see_pod(struct pass *p, const struct item *item, struct preflight *f, enum preflight_pod which, struct gate_input *gate)
{
	struct error why;
	const char *name = node_find_text(f->made.pods[which], "metadata/name");
	if (kube_get(p->in->kube, &KIND_POD, item->ns, name, &f->seen[which], &why)) {
		gate->pods[which] = read_pod(which, doc_root(f->seen[which]), &f->reasons[which]);
		gate->reasons[which] = buf_text(&f->reasons[which]);
	} else {
		gate->pods[which] = why.kind == ERROR_NOT_FOUND ? PREFLIGHT_ABSENT : PREFLIGHT_UNKNOWN;
	}
}

bool preflight_look(struct pass *p, const struct item *item, struct preflight *f, struct gate_input *gate, struct error *err)
{
	struct flink_launch launch = { .spec = node_get(doc_root(item->result), "spec"),
				       .name = item->name,
				       .ns = item->ns,
				       .uid = node_find_text(doc_root(item->live), "metadata/uid") };
	struct node *objects;
	f->doc = doc_new();
	if (!flink_preflight_build(&launch, f->doc, &f->made, err) || !flink_preflight_objects(&launch, f->doc, &objects, err))
		return false;
	gate->looked = true;
	for (unsigned i = 0; i < PREFLIGHT_JAVA; i++)
		see_pod(p, item, f, i, gate);
	gate->pods[PREFLIGHT_JAVA] = PREFLIGHT_ABSENT;
	if (gate->pods[PREFLIGHT_JOBMANAGER] == PREFLIGHT_NO_PROGRAM)
		see_pod(p, item, f, PREFLIGHT_JAVA, gate);
	if (gate->pods[PREFLIGHT_JOBMANAGER] == PREFLIGHT_ABSENT && gate->pods[PREFLIGHT_TASKMANAGER] == PREFLIGHT_ABSENT)
		ask_server(p, item, objects, f, gate);
	return true;
}

/* False: the API failed. A refusal is an answer, and goes into *f. */
static bool create(struct pass *p, const struct item *item, struct preflight *f, const struct kube_resource *resource,
		   const struct node *object, bool *refused, struct error *err)
{
	struct error why;
	if (kube_create(p->in->kube, resource, item->ns, object, NULL, &why) || why.kind == ERROR_CONFLICT)
		return true;
	*refused = why.kind == ERROR_FORBIDDEN || why.kind == ERROR_INVALID;
	if (!*refused) {
		error_copy(err, &why);
		return false;
	}
	put_why(&f->server, resource->kind, node_find_text(object, "metadata/name"), &why);
	return true;
}

bool preflight_create(struct pass *p, const struct item *item, struct preflight *f, unsigned which, struct gate_input *gate,
		      struct error *err)
{
	bool refused = false;
	if (!pass_may_act(p) || !create(p, item, f, &KIND_CONFIGMAP, f->made.configmap, &refused, err))
		return false;
	for (unsigned i = 0; i < PREFLIGHT_PODS && !refused; i++)
		if ((which & 1u << i) != 0 && !create(p, item, f, &KIND_POD, f->made.pods[i], &refused, err))
			return false;
	gate->not_created = refused ? buf_text(&f->server) : NULL;
	return true;
}

bool preflight_remove(struct pass *p, const char *ns, const char *name, struct error *err)
{
	static const struct kube_resource *const kinds[] = { &KIND_POD, &KIND_CONFIGMAP };
	AUTOFREE char *selector = mem_printf(FLINK_PREFLIGHT_LABEL "=%s", name);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		AUTODOC *list = NULL;
		if (!kube_list(p->in->kube, kinds[k], ns, selector, &list, NULL, err))
			return false;
		const struct node *items = node_get(doc_root(list), "items");
		for (size_t i = 0; i < node_count(items); i++) {
			const struct node *metadata = node_get(node_at(items, i), "metadata");
			struct kube_delete_options now = { .uid = node_find_text(metadata, "uid"), .grace_seconds = 0 };
			struct error why = ERROR_INIT;
			if (!pass_may_act(p) || (!kube_delete(p->in->kube, kinds[k], ns, node_find_text(metadata, "name"), &now, &why) &&
						 why.kind != ERROR_NOT_FOUND && why.kind != ERROR_CONFLICT))
				return why.kind != ERROR_NONE && error_set(err, why.kind, "%s", why.message);
		}
	}
	return true;
}
