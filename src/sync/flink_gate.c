/* A FlinkDeployment: applied only if its content may run; otherwise the resource keeps the spec that should run and says what was withheld. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flink/objects.h"
#include "flink/spec.h"
#include "lifecycle/decide.h"
#include "lifecycle/digest.h"
#include "lifecycle/gate.h"
#include "sync/internal.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

#define COMMIT	 "weir.dev/commit"
#define SYNC	 "weir.dev/sync"
#define WITHHELD "weir.dev/withheld"

static void note_invalid(void *context, const char *field, const char *message)
{
	struct buf *out = context;
	buf_printf(out, "%s%s: %s", out->len == 0 ? "" : "; ", field, message);
}

/* Says on the resource what git holds that was not applied, or takes that back. */
static bool mark_withheld(struct pass *p, const struct item *item, const struct node *live, const char *text, struct error *err)
{
	if (p->in->plan || live == NULL || str_eq(decide_annotation(live, WITHHELD), text))
		return true;
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	struct node *annotations = node_ensure_map(doc, node_ensure_map(doc, patch, "metadata"), "annotations");
	node_set(doc, annotations, WITHHELD, text == NULL ? node_null(doc) : node_string(doc, text));
	return pass_may_act(p) &&
	       kube_patch(p->in->kube, &KIND_FLINKDEPLOYMENT, item->ns, item->name, KUBE_MERGE_PATCH, NULL, patch, NULL, err);
}

static void read_pod(const struct node *pod, struct gate_input *gate)
{
	const struct node *status = node_find(pod, "status/containerStatuses/0/state");
	const struct node *ended = node_get(status, "terminated");
	const char *waiting = node_find_text(status, "waiting/reason");
	gate->pod = PREFLIGHT_RUNNING;
	if (ended != NULL) {
		gate->pod = PREFLIGHT_DONE;
		gate->pod_exit = node_integer(node_get(ended, "exitCode"), PREFLIGHT_EXIT_UNCHECKED);
		gate->pod_message = node_text_or(node_get(ended, "message"), "the preflight container failed");
	} else if (str_eq(node_find_text(pod, "status/phase"), "Failed")) {
		gate->pod = PREFLIGHT_DONE; /* ended from outside: evicted, or past its deadline */
		gate->pod_exit = PREFLIGHT_EXIT_UNCHECKED;
		gate->pod_message = node_text_or(node_find(pod, "status/reason"), "the preflight pod was ended");
	} else if (str_eq(waiting, "ImagePullBackOff") || str_eq(waiting, "ErrImagePull") || str_eq(waiting, "InvalidImageName")) {
		gate->pod = PREFLIGHT_NO_IMAGE;
		gate->pod_message = node_text_or(node_find(status, "waiting/message"), waiting);
	}
}

struct preflight {
	struct doc *doc;
	struct node *configmap, *pod;
};

static bool preflight_see(struct pass *p, const struct item *item, const struct node *result, const struct node *live,
			  struct preflight *made, struct doc **seen, struct gate_input *gate, struct error *err)
{
	struct flink_launch launch = {
		.spec = node_get(result, "spec"), .name = item->name, .ns = item->ns, .uid = node_text(node_find(live, "metadata/uid"))
	};
	made->doc = doc_new();
	if (!flink_preflight_build(&launch, made->doc, &made->configmap, &made->pod, err))
		return false;
	struct error why;
	if (kube_get(p->in->kube, &KIND_POD, item->ns, node_find_text(made->pod, "metadata/name"), seen, &why)) {
		read_pod(doc_root(*seen), gate);
		return true;
	}
	gate->pod = why.kind == ERROR_NOT_FOUND ? PREFLIGHT_ABSENT : PREFLIGHT_UNKNOWN;
	return true;
}

static bool create_or_kept(struct kube *kube, const struct kube_resource *resource, const char *ns, const struct node *object,
			   struct error *err)
{
	struct error why;
	if (kube_create(kube, resource, ns, object, NULL, &why) || why.kind == ERROR_CONFLICT)
		return true;
	error_copy(err, &why);
	return false;
}

static void preflight_remove(struct pass *p, const struct item *item, const struct preflight *made)
{
	struct kube_delete_options now = { .grace_seconds = 0 };
	const char *name = node_find_text(made->pod, "metadata/name");
	(void)kube_delete(p->in->kube, &KIND_POD, item->ns, name, &now,
			  NULL); /* bounded by its own deadline, and owned: a failure here costs nothing */
	(void)kube_delete(p->in->kube, &KIND_CONFIGMAP, item->ns, name, &now, NULL);
}

/* The resource goes back to the spec of the stable launch. */
static bool apply_stable(struct pass *p, const struct item *item, const struct ledger_launch *stable, struct error *err)
{
	AUTODOC *spec = doc_parse_json(stable->spec, strlen(stable->spec), "stable spec", NULL, err);
	if (spec == NULL)
		return false;
	AUTODOC *doc = doc_new();
	struct node *object = node_copy(doc, item->object);
	node_set(doc, object, "spec", node_copy(doc, doc_root(spec)));
	pass_annotate(doc, object, COMMIT, stable->commit);
	return pass_may_act(p) && pass_send(p, item, object, err);
}

static bool withhold(struct pass *p, struct item *item, const struct node *live, const struct ledger *ledger, const char *live_digest,
		     const char *message, struct error *err)
{
	p->withheld++;
	pass_note(p, CHANGE_WITHHELD, item->kind, item->ns, item->name, "%s", message);
	if (p->in->plan || live == NULL)
		return true;
	const struct ledger_launch *stable = ledger_stable(ledger);
	if (live_digest != NULL && ledger_quarantined(ledger, live_digest) != NULL && stable != NULL && !apply_stable(p, item, stable, err))
		return false;
	AUTOFREE char *text = mem_printf("%.12s: %s", p->in->commit, message);
	return mark_withheld(p, item, live, text, err);
}

static bool record_preflight(struct pass *p, const struct item *item, struct stored_ledger *stored, const char *digest,
			     const struct gate_output *gate, struct error *err)
{
	if (p->in->plan)
		return true;
	struct ledger *l = &stored->ledger;
	LEDGER_SET(l->preflight_digest, digest);
	LEDGER_SET(l->preflight_result, gate->result);
	LEDGER_SET(l->preflight_message, gate->message);
	l->preflight_at = p->in->now_ms;
	return pass_may_act(p) && ledger_store_write(p->in->kube, item->ns, item->name, l, stored, err);
}

/* For a plan: what the last change would make of the resource. */
static void keep_result(struct pass *p, const struct node *result)
{
	if (!p->in->plan || p->out->change_count == 0)
		return;
	struct doc *doc = doc_new();
	doc_set_root(doc, node_copy(doc, result));
	p->out->changes[p->out->change_count - 1].result = doc;
}

static bool gate_and_apply(struct pass *p, struct item *item, struct stored_ledger *stored, const struct node *live,
			   const struct node *result, struct error *err)
{
	char digest[65];
	char live_digest[65];
	spec_digest(node_get(result, "spec"), NULL, digest);
	if (live != NULL)
		spec_digest(node_get(live, "spec"), NULL, live_digest);
	struct gate_input gate = { .ledger = &stored->ledger,
				   .digest = digest,
				   .live_digest = live == NULL ? NULL : live_digest,
				   .retry = decide_annotation(result, "weir.dev/retry"),
				   .preflight = decide_annotation(result, "weir.dev/preflight") };
	const struct ledger *l = &stored->ledger;
	if (strcmp(l->preflight_digest, digest) == 0 && strcmp(l->preflight_result, "running") == 0)
		gate.pod_age_ms = p->in->now_ms - l->preflight_at; /* by our own clock alone */
	struct preflight made = { 0 };
	AUTODOC *seen = NULL;
	struct gate_output verdict;
	bool ok = true;
	gate_decide(&gate, &verdict);
	if (verdict.gate == GATE_WAIT) {
		ok = preflight_see(p, item, result, live, &made, &seen, &gate, err);
		if (ok)
			gate_decide(&gate, &verdict);
	}
	if (ok && verdict.record) {
		ok = record_preflight(p, item, stored, digest, &verdict, err);
		if (ok && !p->in->plan)
			preflight_remove(p, item, &made);
		gate_decide(&gate, &verdict); /* from the record now, as every later pass sees it */
	}
	if (ok && verdict.gate == GATE_WITHHOLD) {
		ok = withhold(p, item, live, &stored->ledger, gate.live_digest, verdict.message, err);
	} else if (ok && (verdict.gate == GATE_WAIT || verdict.gate == GATE_PREFLIGHT)) {
		p->pending++;
		pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name, "%s", verdict.message);
		struct gate_output running = { .result = "running" };
		keep_result(p, result);
		if (verdict.gate == GATE_PREFLIGHT && !p->in->plan)
			ok = record_preflight(p, item, stored, digest, &running, err) && pass_may_act(p) &&
			     create_or_kept(p->in->kube, &KIND_CONFIGMAP, item->ns, made.configmap, err) &&
			     create_or_kept(p->in->kube, &KIND_POD, item->ns, made.pod, err);
	} else if (ok) {
		if (live == NULL || pass_differs(live, result)) {
			pass_annotate(item->from->doc, item->object, COMMIT, p->in->commit);
			ok = p->in->plan || (pass_may_act(p) && pass_send(p, item, item->object, err));
			if (ok)
				pass_note(p, live == NULL ? CHANGE_CREATE : CHANGE_UPDATE, item->kind, item->ns, item->name, "%s", "");
			keep_result(p, result);
		} else {
			p->out->unchanged++;
		}
		ok = ok && mark_withheld(p, item, live, NULL, err);
	}
	doc_free(made.doc);
	return ok;
}

bool pass_apply_flink(struct pass *p, struct item *item, struct error *err)
{
	AUTOBUF invalid = BUF_INIT;
	(void)flink_spec_validate(item->object, NULL, note_invalid, &invalid);
	AUTODOC *live = NULL;
	AUTODOC *result = NULL;
	struct stored_ledger stored;
	pass_annotate(item->from->doc, item->object, ANNOTATION_SYNC, p->in->name);
	if (!pass_live(p, item, &live, err))
		return false;
	if (invalid.len > 0) {
		AUTOFREE char *message = mem_printf("%s:%u: not valid: %s", item->from->file, item->from->line, buf_text(&invalid));
		p->errors++;
		pass_note(p, CHANGE_ERROR, item->kind, item->ns, item->name, "%s", message);
		AUTOFREE char *text = mem_printf("%.12s: %s", p->in->commit, message);
		return mark_withheld(p, item, doc_root(live), text, err);
	}
	/* the commit annotation names the commit that last changed the content: an unchanged one keeps it */
	if (live != NULL)
		pass_annotate(item->from->doc, item->object, COMMIT, decide_annotation(doc_root(live), COMMIT));
	if (!pass_dry_run(p, item, &result, err))
		return false;
	if (live != NULL && node_find(doc_root(live), "metadata/deletionTimestamp") != NULL) {
		p->pending++;
		pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name, "the old one is still being deleted");
		return true;
	}
	if (!ledger_store_read(p->in->kube, item->ns, item->name, &stored, err))
		return false;
	bool ok = gate_and_apply(p, item, &stored, doc_root(live), doc_root(result), err);
	ledger_free(&stored.ledger);
	return ok;
}
