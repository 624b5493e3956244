/* What the inventory holds and git no longer does: retained, held by the brake, or deleted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/decide.h"
#include "sync/internal.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

static bool rendered(const struct pass *p, const struct object_id *id)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->items[i].kind, id->kind) == 0 && strcmp(p->items[i].ns, id->ns) == 0 &&
		    strcmp(p->items[i].name, id->name) == 0)
			return true;
	return false;
}

/* Is the job of a ledger still there? Unknown counts as yes. */
static bool exists(const struct pass *p, const struct node *ledger_map)
{
	const char *name = node_text_or(node_find(ledger_map, "metadata/name"), "");
	struct error why;
	AUTODOC *job = NULL;
	if (!str_starts(name, "weir-ledger-"))
		return true;
	return kube_get(p->in->kube, &KIND_FLINKDEPLOYMENT, node_find_text(ledger_map, "metadata/namespace"), name + strlen("weir-ledger-"),
			&job, &why) ||
	       why.kind != ERROR_NOT_FOUND;
}

/* Does a live or stable launch in the namespace refer to it? Judged by the name in quotes: too much is kept rather than too little. */
static bool retained(const struct pass *p, const struct object_id *id, bool *yes, struct error *err)
{
	*yes = false;
	if (strcmp(id->kind, "ConfigMap") != 0 && strcmp(id->kind, "Secret") != 0 && strcmp(id->kind, "ServiceAccount") != 0)
		return true;
	AUTODOC *list = NULL;
	if (!kube_list(p->in->kube, &KIND_CONFIGMAP, id->ns, "weir.dev/ledger=true", &list, NULL, err))
		return false;
	AUTOFREE char *quoted = mem_printf("\"%s\"", id->name);
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items) && !*yes; i++) {
		const struct node *text = node_find(node_at(items, i), "data/ledger.json");
		struct ledger l;
		if (node_text(text) == NULL || !ledger_read(&l, node_text(text), node_len(text), NULL)) {
			*yes = true; /* what cannot be read may refer to it */
			continue;
		}
		const struct ledger_launch *live = ledger_live(&l);
		const struct ledger_launch *stable = ledger_stable(&l);
		*yes = (live != NULL && live->spec != NULL && strstr(live->spec, quoted) != NULL) ||
		       (stable != NULL && exists(p, node_at(items, i)) && strstr(stable->spec, quoted) != NULL);
		ledger_free(&l);
	}
	return true;
}

static bool delete_one(struct pass *p, const struct object_id *id, bool *gone, struct error *err)
{
	struct kube_resource resource;
	struct error why;
	*gone = false;
	if (!kube_resource_for(p->in->as, id->api_version, id->kind, &resource, &why)) {
		*gone = why.kind == ERROR_NOT_FOUND; /* its kind is gone, and it with it */
		return *gone || error_set(err, why.kind, "%s", why.message);
	}
	AUTODOC *live = NULL;
	if (!kube_get(p->in->kube, &resource, id->ns, id->name, &live, &why)) {
		*gone = why.kind == ERROR_NOT_FOUND;
		return *gone || error_set(err, why.kind, "%s", why.message);
	}
	const char *owner = decide_annotation(doc_root(live), ANNOTATION_SYNC);
	if (owner != NULL && strcmp(owner, p->in->name) != 0) {
		*gone = true; /* another sync has taken it over: it only leaves this inventory */
		return true;
	}
	if (node_find(doc_root(live), "metadata/deletionTimestamp") != NULL) {
		p->pending++;
		pass_note(p, CHANGE_PENDING, id->kind, id->ns, id->name, "is being deleted");
		return true;
	}
	if (p->in->plan) {
		pass_note(p, CHANGE_DELETE, id->kind, id->ns, id->name, "%s", "");
		return true;
	}
	struct kube_delete_options options = { .propagation = "Background",
					       .uid = node_find_text(doc_root(live), "metadata/uid"),
					       .grace_seconds = -1 };
	if (!pass_may_act(p) || !kube_delete(p->in->as, &resource, id->ns, id->name, &options, err))
		return false;
	p->pending++;
	pass_note(p, CHANGE_DELETE, id->kind, id->ns, id->name, "%s", "");
	return true;
}

/* A Flink resource that goes while its like comes may be a rename, which has to be said. */
static bool created_flink(const struct pass *p)
{
	for (size_t i = 0; i < p->out->change_count; i++)
		if (p->out->changes[i].action == CHANGE_CREATE && str_starts(p->out->changes[i].id, "Flink"))
			return true;
	return false;
}

bool pass_prune(struct pass *p, struct error *err)
{
	struct inventory *inventory = &p->inventory;
	size_t flink = 0;
	size_t doomed = 0;
	AUTOFREE bool *doom = mem_array(inventory->count, sizeof *doom);
	for (size_t i = 0; i < inventory->count; i++) {
		const struct object_id *id = &inventory->objects[i];
		if (rendered(p, id))
			continue;
		bool keep;
		if (!retained(p, id, &keep, err))
			return false;
		if (keep) {
			pass_note(p, CHANGE_RETAINED, id->kind, id->ns, id->name,
				  "the running or last stable version of a job refers to it");
			continue;
		}
		doom[i] = true;
		doomed++;
		flink += strncmp(id->api_version, "flink.apache.org/", 17) == 0;
	}
	if (doomed == 0)
		return true;
	/* The brake: a Flink resource among few objects, several of them, or a fifth of all. */
	bool brake = flink > 1 || doomed * 5 > inventory->count || (flink > 0 && created_flink(p));
	bool approved = inventory->approved[0] != '\0' && strncmp(p->in->commit, inventory->approved, strlen(inventory->approved)) == 0;
	if (brake && !approved) {
		p->held = doomed;
		for (size_t i = 0; i < inventory->count; i++)
			if (doom[i])
				pass_note(p, CHANGE_PENDING, inventory->objects[i].kind, inventory->objects[i].ns,
					  inventory->objects[i].name, "deletion is held back");
		buf_printf(&p->notes,
			   "%scommit %.12s would delete %zu of %zu objects, %zu Flink resources among them: held until `weir approve %s`",
			   p->notes.len == 0 ? "" : "; ", p->in->commit, doomed, inventory->count, flink, p->in->name);
		return true;
	}
	if (!p->in->prune) {
		buf_printf(&p->notes, "%s%zu objects are no longer in git; pruning is off", p->notes.len == 0 ? "" : "; ", doomed);
		return true;
	}
	/* Flink resources first: their planned deletion still needs the accounts and ConfigMaps. */
	bool flink_left = false;
	for (int round = 0; round < 2; round++) {
		for (size_t i = inventory->count; i-- > 0;) {
			const struct object_id *id = &inventory->objects[i];
			bool is_flink = strncmp(id->api_version, "flink.apache.org/", 17) == 0;
			if (!doom[i] || is_flink != (round == 0))
				continue;
			if (round == 1 && flink_left) {
				p->pending++;
				continue;
			}
			bool gone;
			if (!delete_one(p, id, &gone, err))
				return error_wrap(err, "delete %s %s", id->kind, id->name);
			flink_left |= round == 0 && !gone;
			if (gone && !p->in->plan) {
				inventory_remove(inventory, id);
				memmove(&doom[i], &doom[i + 1], (inventory->count - i) * sizeof *doom);
			}
		}
	}
	return true;
}
