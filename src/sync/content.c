/*
 * The effective content of a Flink resource: what its pods read beside its spec. A ConfigMap or Secret of the set that exactly one Flink
 * resource of the set refers to, and nothing else in it, belongs to that resource: it is applied together with it, after the gate.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/decide.h"
#include "sync/internal.h"
#include "sync/kinds.h"

static const struct kube_resource secrets = { .api_version = "v1", .kind = "Secret", .plural = "secrets", .namespaced = true };

void content_free(struct content *c)
{
	for (size_t i = 0; c->docs != NULL && i < c->refs.count; i++)
		doc_free(c->docs[i]);
	free(c->docs);
	free(c->objects);
	references_free(&c->refs);
	buf_free(&c->text);
	*c = (struct content){ 0 };
}

static bool is_flink_deployment(const struct item *item)
{
	return is_flink(item->api_version) && strcmp(item->kind, "FlinkDeployment") == 0;
}

/* A ConfigMap or Secret of the core group. */
static bool holds_data(const struct item *item, bool *secret)
{
	*secret = strcmp(item->kind, "Secret") == 0;
	return strcmp(item->api_version, "v1") == 0 && (*secret || strcmp(item->kind, "ConfigMap") == 0);
}

void content_assign(struct pass *p)
{
	bool secret;
	bool any = false;
	for (size_t i = 0; i < p->count; i++)
		any |= holds_data(&p->items[i], &secret);
	for (size_t f = 0; any && f < p->count; f++) {
		struct item *flink = &p->items[f];
		if (!is_flink_deployment(flink))
			continue;
		AUTOREFERENCES refs = { 0 };
		references_of(flink->name, node_get(flink->object, "spec"), &refs);
		for (size_t i = 0; refs.count > 0 && i < p->count; i++) {
			struct item *item = &p->items[i];
			if (!holds_data(item, &secret) || strcmp(item->ns, flink->ns) != 0 || !references_hold(&refs, secret, item->name))
				continue;
			item->owner = item->referred ? NULL : flink;
			item->referred = true;
		}
	}
	for (size_t o = 0; any && o < p->count; o++) {
		const struct item *other = &p->items[o];
		AUTOREFERENCES refs = { 0 };
		references_anywhere(other->object, &refs);
		for (size_t i = 0; refs.count > 0 && i < p->count; i++) {
			struct item *item = &p->items[i];
			if (item->owner != NULL && item->owner != other && holds_data(item, &secret) && strcmp(other->ns, item->ns) == 0 &&
			    references_hold(&refs, secret, item->name))
				item->owner = NULL; /* shared: applied as everything else */
		}
	}
}

static const struct item *rendered_item(const struct pass *p, const struct item *flink, const struct reference *r)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct item *item = &p->items[i];
		bool secret;
		if (item->referred && holds_data(item, &secret) && secret == r->secret && strcmp(item->name, r->name) == 0 &&
		    strcmp(item->ns, flink->ns) == 0)
			return item;
	}
	return NULL;
}

/* A Secret as the sync's own identity sees it, a ConfigMap as Weir's does. */
static bool read_live(struct pass *p, const struct item *flink, const struct reference *r, struct doc **out, bool *unread,
		      struct error *err)
{
	struct error why;
	*unread = false;
	if (kube_get(r->secret ? p->in->as : p->in->kube, r->secret ? &secrets : &KIND_CONFIGMAP, flink->ns, r->name, out, &why) ||
	    why.kind == ERROR_NOT_FOUND)
		return true;
	*unread = why.kind == ERROR_FORBIDDEN;
	return *unread || error_set(err, why.kind, "%s", why.message);
}

static bool measure(struct pass *p, const struct item *flink, const struct node *spec, bool rendered, struct content *c, struct error *err)
{
	references_of(flink->name, spec, &c->refs);
	c->docs = mem_array(c->refs.count, sizeof *c->docs);
	c->objects = mem_array(c->refs.count, sizeof *c->objects);
	for (size_t i = 0; i < c->refs.count; i++) {
		const struct reference *r = &c->refs.items[i];
		const struct item *item = rendered ? rendered_item(p, flink, r) : NULL;
		bool unread = false;
		if (item != NULL && (item->failed || item->held || item->result == NULL)) {
			c->missing = item;
			continue;
		}
		if (item == NULL && !read_live(p, flink, r, &c->docs[i], &unread, err))
			return false;
		c->objects[i] = doc_root(item == NULL ? c->docs[i] : item->result);
		if (unread)
			reference_put_unread(&c->text, r);
		else
			reference_put(&c->text, r, c->objects[i]);
	}
	return true;
}

bool content_wanted(struct pass *p, struct item *flink, const struct node *spec, struct content *out, struct error *err)
{
	*out = (struct content){ 0 };
	for (size_t i = 0; i < p->count; i++) {
		struct item *own = &p->items[i];
		struct error why = ERROR_INIT;
		enum holder holder = HOLDER_NONE;
		const char *other = "";
		if (own->owner != flink || !own->known)
			continue;
		if (!pass_look(p, own, &why) || !holder_of(p, own, &holder, &other, &why)) {
			if (!pass_own_fault(&why))
				return error_set(err, why.kind, "%s", why.message);
		} else if (holder != HOLDER_NONE) {
			(void)error_set(&why, ERROR_CONFLICT, "it is held by sync %s (annotation " ANNOTATION_SYNC ")", other);
		}
		if (why.kind == ERROR_NONE)
			continue;
		own->failed = true;
		p->errors++;
		pass_note(p, CHANGE_ERROR, own->kind, own->ns, own->name, "%s:%u: %s", own->from->file, own->from->line, why.message);
	}
	return measure(p, flink, spec, true, out, err);
}

bool content_live(struct pass *p, const struct item *flink, const struct node *spec, struct content *out, struct error *err)
{
	*out = (struct content){ 0 };
	return measure(p, flink, spec, false, out, err);
}

bool content_owned(const struct pass *p, const struct item *flink, const struct node *live_map)
{
	if (!str_eq(decide_annotation(live_map, ANNOTATION_SYNC), p->in->name))
		return false;
	const char *name = node_text_or(node_find(live_map, "metadata/name"), "");
	for (size_t i = 0; i < p->count; i++) {
		const struct item *item = &p->items[i];
		if (strcmp(item->kind, "ConfigMap") == 0 && strcmp(item->ns, flink->ns) == 0 && strcmp(item->name, name) == 0)
			return item->owner == flink;
	}
	return true; /* of an earlier commit: kept because the job refers to it */
}

bool content_apply_own(struct pass *p, const struct item *flink, bool open, enum change_action action, struct error *err)
{
	const struct node *live = doc_root(flink->live);
	AUTOREFERENCES running = { 0 };
	references_of(flink->name, node_get(live, "spec"), &running);
	for (size_t i = 0; i < p->count; i++) {
		struct item *own = &p->items[i];
		if (own->owner != flink || own->result == NULL || own->failed)
			continue;
		bool idle = own->live == NULL && !references_hold(&running, strcmp(own->kind, "Secret") == 0, own->name);
		if (open || idle || (own->live != NULL && !pass_differs(doc_root(own->live), doc_root(own->result)))) {
			if (!pass_put(p, own, "", err))
				return error_wrap(err, "%s/%s", own->kind, own->name);
		} else {
			pass_note(p, action, own->kind, own->ns, own->name, "goes with FlinkDeployment/%s", flink->name);
		}
	}
	return true;
}
