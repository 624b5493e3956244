/* A FlinkDeployment or FlinkSessionJob: applied only if its content may run; otherwise the resource keeps the spec that should run and says what was withheld. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flink/spec.h"
#include "lifecycle/decide.h"
#include "lifecycle/digest.h"
#include "sync/internal.h"
#include "sync/kept.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

#define COMMIT	 "weir.dev/commit"
#define WITHHELD "weir.dev/withheld"

static void note_invalid(void *context, const struct flink_problem *problem)
{
	struct buf *out = context;
	if (!problem->warning)
		buf_printf(out, "%s%s: %s", out->len == 0 ? "" : "; ", problem->field, problem->message);
}

/* A note for ourselves on the resource; value NULL takes it away. */
static bool mark(struct pass *p, const struct item *item, const char *annotation, const char *value, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	struct node *annotations = node_ensure_map(doc, node_ensure_map(doc, patch, "metadata"), "annotations");
	node_set(doc, annotations, annotation, value == NULL ? node_null(doc) : node_string(doc, value));
	return pass_may_act(p) && kube_patch(p->in->kube, &item->resource, item->ns, item->name, KUBE_MERGE_PATCH, NULL, patch, NULL, err);
}

/* Says on the resource what git holds that was not applied, and why, or takes that back; the lifecycle makes a condition of it. */
static bool mark_withheld(struct pass *p, const struct item *item, const char *text, struct error *err)
{
	if (p->in->plan || item->live == NULL || str_eq(decide_annotation(doc_root(item->live), WITHHELD), text))
		return true;
	if (!mark(p, item, WITHHELD, text, err))
		return false;
	if (text != NULL)
		pass_event(p, item, true, "Withheld", text);
	return true;
}

static struct kept kept_of(const struct pass *p, const struct item *item)
{
	return (struct kept){
		.kube = p->in->kube, .ns = item->ns, .job = item->name, .uid = node_find_text(doc_root(item->live), "metadata/uid")
	};
}

/* The resource goes back to the spec of the stable launch, and to what that referred to. */
static bool apply_stable(struct pass *p, const struct item *item, const struct ledger_launch *stable, struct error *err)
{
	AUTODOC *spec = doc_parse_json(stable->spec, strlen(stable->spec), "stable spec", NULL, err);
	if (spec == NULL)
		return false;
	struct kept kept = kept_of(p, item);
	AUTOFREE char *references = NULL;
	AUTOCONTENT now = { 0 };
	if (!pass_may_act(p) || !kept_restore(&kept, stable->digest, &references, NULL, err) ||
	    !content_live(p, item, doc_root(spec), &now, err))
		return false;
	AUTODOC *doc = doc_new();
	struct node *object = node_copy(doc, item->object);
	node_set(doc, object, "spec", node_copy(doc, doc_root(spec)));
	pass_annotate(doc, object, COMMIT, stable->commit);
	(void)node_remove(node_find(object, "metadata/annotations"), ANNOTATION_REFERENCES);
	const char *text = references != NULL ? references : buf_text(&now.text);
	if (*text != '\0')
		pass_annotate(doc, object, ANNOTATION_REFERENCES, text);
	return pass_send(p, item, object, err);
}

/*
 * While content is withheld, the version that runs keeps what it read when it started, as far as that is ours to keep: its own
 * ConfigMaps. What else changed is said.
 */
static bool keep_as_it_was(struct pass *p, const struct item *item, const char *live_digest, struct buf *message, struct error *err)
{
	const struct node *live = doc_root(item->live);
	const char *references = decide_annotation(live, ANNOTATION_REFERENCES);
	if (references == NULL)
		return true;
	struct kept kept = kept_of(p, item);
	AUTOCONTENT now = { 0 };
	AUTOBUF changed = BUF_INIT;
	if (!pass_may_act(p) || !kept_restore(&kept, live_digest, NULL, NULL, err) ||
	    !content_live(p, item, node_get(live, "spec"), &now, err))
		return false;
	references_changed(references, buf_text(&now.text), &changed);
	if (changed.len > 0)
		buf_printf(message, "; %s changed in place since the running version started, and is not brought back", buf_text(&changed));
	return true;
}

static bool withhold(struct pass *p, struct item *item, const struct ledger *ledger, const struct gate_input *gate, const char *why,
		     struct error *err)
{
	AUTOBUF message = BUF_INIT;
	buf_printf(&message, "content %.12s: %s", gate->digest, why);
	p->withheld++;
	bool quarantined = gate->live_digest != NULL && ledger_quarantined(ledger, gate->live_digest) != NULL;
	const struct ledger_launch *stable = ledger_stable(ledger);
	bool act = !p->in->plan && item->live != NULL;
	if (act && quarantined && stable != NULL && !apply_stable(p, item, stable, err))
		return false;
	if (act && !quarantined && !keep_as_it_was(p, item, gate->live_digest, &message, err))
		return false;
	pass_note(p, CHANGE_WITHHELD, item->kind, item->ns, item->name, "%s", buf_text(&message));
	if (!content_apply_own(p, item, false, CHANGE_WITHHELD, err))
		return false;
	AUTOFREE char *text = mem_printf("%.12s: %s", p->in->commit, buf_text(&message));
	return mark_withheld(p, item, text, err);
}

/* Before a result is recorded the pods go, so that "running" in the ledger is all that there is to know of pods that may be there. */
static bool record_preflight(struct pass *p, const struct item *item, struct stored_ledger *stored, const struct gate_output *gate,
			     struct error *err)
{
	if (p->in->plan)
		return true;
	if (strcmp(gate->result, "running") != 0 && !preflight_remove(p, item->ns, item->name, err))
		return false;
	struct ledger *l = &stored->ledger;
	LEDGER_SET(l->preflight_digest, gate->key);
	LEDGER_SET(l->preflight_result, gate->result);
	LEDGER_SET(l->preflight_message, gate->reason);
	l->preflight_at = p->in->now_ms;
	char name[LEDGER_NAME_MAX];
	ledger_store_name(item->kind, item->name, name);
	return pass_may_act(p) && ledger_store_write(p->in->kube, item->ns, name, l, stored, err);
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

/*
 * What the resource now refers to is copied while it is still so, once for each version, as the one to which a later version may have to
 * go back.
 */
static bool keep_version(struct pass *p, struct item *item, const struct ledger *ledger, const char *digest, struct error *err)
{
	const struct node *live = doc_root(item->live);
	const char *references = decide_annotation(live, ANNOTATION_REFERENCES);
	char kept_digest[KEPT_DIGITS + 1];
	(void)snprintf(kept_digest, sizeof kept_digest, "%.*s", KEPT_DIGITS, digest);
	if (p->in->plan || references == NULL || str_eq(decide_annotation(live, ANNOTATION_KEPT), kept_digest) ||
	    ledger_quarantined(ledger, digest) != NULL)
		return true;
	AUTOCONTENT now = { 0 };
	if (!content_live(p, item, node_get(live, "spec"), &now, err))
		return false;
	AUTOFREE const struct node **maps = mem_array(now.refs.count, sizeof *maps);
	size_t count = 0;
	for (size_t i = 0; i < now.refs.count; i++) {
		AUTOBUF entry = BUF_INIT;
		const struct node *map = now.objects[i];
		if (now.refs.items[i].secret || map == NULL || !content_owned(p, item, map) ||
		    node_truth(node_get(map, "immutable"), false))
			continue;
		reference_put(&entry, &now.refs.items[i], map);
		if (!references_say(references, buf_text(&entry)))
			return true; /* changed by hand since: another version by now */
		if (count == 0 || !str_eq(node_find_text(maps[count - 1], "metadata/name"), now.refs.items[i].name))
			maps[count++] = map;
	}
	struct kept kept = kept_of(p, item);
	const struct ledger_launch *stable = ledger_stable(ledger);
	const char *const wanted[] = { digest, stable == NULL ? digest : stable->digest };
	return pass_may_act(p) && kept_write(&kept, digest, references, maps, count, err) && kept_only(&kept, wanted, 2, err) &&
	       mark(p, item, ANNOTATION_KEPT, kept_digest, err);
}

bool pass_is_session_job(const struct item *item)
{
	return strcmp(item->kind, KIND_FLINKSESSIONJOB.kind) == 0;
}

/* The gate's verdict; looks at the preflight pods, and records their result, where it is needed. */
static bool decide_gate(struct pass *p, const struct item *item, struct stored_ledger *stored, struct gate_input *gate,
			struct gate_output *verdict, struct preflight *f, struct error *err)
{
	gate_decide(gate, verdict);
	if (verdict->leftovers && !p->in->plan) {
		const struct gate_output nothing = { .result = "" };
		if (!record_preflight(p, item, stored, &nothing, err))
			return false;
		gate_decide(gate, verdict);
	}
	if (verdict->gate == GATE_LOOK) {
		if (!preflight_look(p, item, f, gate, err))
			return false;
		gate_decide(gate, verdict);
	}
	return !verdict->record || verdict->gate == GATE_PREFLIGHT || record_preflight(p, item, stored, verdict, err);
}

/* The pods come after the record that there may be some. */
static bool start_preflight(struct pass *p, const struct item *item, struct stored_ledger *stored, struct gate_input *gate,
			    const struct gate_output *verdict, struct preflight *f, struct error *err)
{
	if (p->in->plan)
		return true;
	if ((verdict->record && !record_preflight(p, item, stored, verdict, err)) ||
	    !preflight_create(p, item, f, verdict->create, gate, err))
		return false;
	if (gate->not_created == NULL)
		return true;
	struct gate_output refused;
	gate_decide(gate, &refused);
	return record_preflight(p, item, stored, &refused, err);
}

static bool apply_open(struct pass *p, struct item *item, struct error *err)
{
	const struct node *live = doc_root(item->live);
	AUTOBUF changed = BUF_INIT;
	AUTOBUF message = BUF_INIT;
	if (!content_apply_own(p, item, true, CHANGE_NONE, err))
		return false;
	size_t before = p->out->change_count;
	if (live == NULL || pass_differs(live, doc_root(item->result)))
		pass_annotate(item->from->doc, item->object, COMMIT, p->in->commit);
	if (live != NULL)
		references_changed(decide_annotation(live, ANNOTATION_REFERENCES),
				   decide_annotation(doc_root(item->result), ANNOTATION_REFERENCES), &changed);
	if (changed.len > 0)
		buf_printf(&message, "%s changed", buf_text(&changed));
	if (!pass_put(p, item, buf_text(&message), err))
		return false;
	item->applied = true;
	if (p->out->change_count > before)
		keep_result(p, doc_root(item->result));
	return mark_withheld(p, item, NULL, err);
}

static bool gate_and_apply(struct pass *p, struct item *item, struct stored_ledger *stored, struct error *err)
{
	const struct node *live = doc_root(item->live);
	const struct node *result = doc_root(item->result);
	char digest[65];
	char live_digest[65];
	spec_digest(node_get(result, "spec"), decide_annotation(result, ANNOTATION_REFERENCES), digest);
	if (live != NULL) {
		spec_digest(node_get(live, "spec"), decide_annotation(live, ANNOTATION_REFERENCES), live_digest);
		if (!keep_version(p, item, &stored->ledger, live_digest, err))
			return false;
	}
	struct gate_input gate = { .ledger = &stored->ledger,
				   .digest = digest,
				   .live_digest = live == NULL ? NULL : live_digest,
				   .retry = decide_annotation(result, "weir.dev/retry"),
				   .preflight = pass_is_session_job(item) ? "off" : decide_annotation(result, "weir.dev/preflight"),
				   .now_ms = p->in->now_ms };
	struct preflight preflight = { 0 };
	struct gate_output verdict;
	bool ok = decide_gate(p, item, stored, &gate, &verdict, &preflight, err);
	if (ok && verdict.gate == GATE_WITHHOLD) {
		ok = withhold(p, item, &stored->ledger, &gate, verdict.message, err);
	} else if (ok && verdict.gate == GATE_APPLY) {
		ok = apply_open(p, item, err);
	} else if (ok) {
		p->pending++;
		pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name, "%s", verdict.message);
		keep_result(p, result);
		ok = content_apply_own(p, item, false, CHANGE_PENDING, err) && /* the pod may need what is new */
		     (verdict.gate != GATE_PREFLIGHT || start_preflight(p, item, stored, &gate, &verdict, &preflight, err));
	}
	preflight_free(&preflight);
	return ok;
}

/* Not valid, and so not applied; what belongs to it stays as it is, too. */
static bool refuse_invalid(struct pass *p, struct item *item, const char *invalid, struct error *err)
{
	AUTOFREE char *message = mem_printf("%s:%u: not valid: %s", item->from->file, item->from->line, invalid);
	AUTOCONTENT content = { 0 };
	p->errors++;
	pass_note(p, CHANGE_ERROR, item->kind, item->ns, item->name, "%s", message);
	if (!content_wanted(p, item, NULL, &content, err) || !content_apply_own(p, item, false, CHANGE_WITHHELD, err))
		return false;
	AUTOFREE char *text = mem_printf("%.12s: %s", p->in->commit, message);
	return mark_withheld(p, item, text, err);
}

/* The text that stands for what it refers to goes into what is applied, and into what the server would make of that. */
static void note_references(struct item *item, const struct content *content)
{
	struct node *object = item->object;
	struct node *result = doc_root(item->result);
	(void)node_remove(node_find(object, "metadata/annotations"), ANNOTATION_REFERENCES);
	(void)node_remove(node_find(result, "metadata/annotations"), ANNOTATION_REFERENCES);
	if (content->text.len == 0)
		return;
	pass_annotate(item->from->doc, object, ANNOTATION_REFERENCES, buf_text(&content->text));
	pass_annotate(item->result, result, ANNOTATION_REFERENCES, buf_text(&content->text));
}

static bool measure_and_apply(struct pass *p, struct item *item, struct error *err)
{
	AUTOCONTENT content = { 0 };
	struct stored_ledger stored;
	if (!content_wanted(p, item, node_get(doc_root(item->result), "spec"), &content, err))
		return false;
	if (content.missing != NULL) {
		p->pending++;
		pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name, "waits for %s/%s, which is not applied",
			  content.missing->kind, content.missing->name);
		return true;
	}
	note_references(item, &content);
	char name[LEDGER_NAME_MAX];
	ledger_store_name(item->kind, item->name, name);
	if (!ledger_store_read(p->in->kube, item->ns, name, &stored, err))
		return false;
	bool ok = gate_and_apply(p, item, &stored, err);
	ledger_free(&stored.ledger);
	return ok;
}

static bool look_and_apply(struct pass *p, struct item *item, struct error *err)
{
	AUTOBUF invalid = BUF_INIT;
	enum holder holder;
	const char *other;
	const struct flink_spec_context context = { .jar_schemes = p->in->jar_schemes };
	(void)flink_spec_validate(item->object, &context, note_invalid, &invalid);
	if (!pass_look_live(p, item, err) || !holder_of(p, item, &holder, &other, err))
		return false;
	if (holder == HOLDER_REFUSES)
		return error_set(err, ERROR_CONFLICT,
				 "it is held by sync %s (annotation " ANNOTATION_SYNC "): one object cannot be in two syncs", other);
	if (invalid.len > 0)
		return refuse_invalid(p, item, buf_text(&invalid), err);
	if (holder == HOLDER_WAIT) {
		p->pending++;
		pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name,
			  "is still held by sync %s, which has not come to this commit", other);
		return true;
	}
	/* the commit annotation names the commit that last changed the content: an unchanged one keeps it */
	if (item->live != NULL)
		pass_annotate(item->from->doc, item->object, COMMIT, decide_annotation(doc_root(item->live), COMMIT));
	if (!pass_dry_run(p, item, err))
		return false;
	if (item->live != NULL && node_find(doc_root(item->live), "metadata/deletionTimestamp") != NULL) {
		p->pending++;
		pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name, "the old one is still being deleted");
		return true;
	}
	return measure_and_apply(p, item, err);
}

bool pass_apply_flink(struct pass *p, struct item *item, struct error *err)
{
	bool ok = look_and_apply(p, item, err);
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].owner == item)
			pass_forget(&p->items[i]);
	pass_forget(item);
	return ok;
}
