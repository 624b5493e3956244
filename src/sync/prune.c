/* What the inventory holds and git no longer does: retained, held by the brake, or deleted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/decide.h"
#include "sync/internal.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

bool pass_rendered(const struct pass *p, const struct object_id *id)
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
	if (!kube_get(p->in->as, &resource, id->ns, id->name, &live, &why)) {
		*gone = why.kind == ERROR_NOT_FOUND;
		if (*gone && !p->in->plan && strcmp(id->kind, KIND_FLINKDEPLOYMENT.kind) == 0 &&
		    !preflight_remove(p, id->ns, id->name, err))
			return false; /* of a first deployment that git took back before it came to be */
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

/* What becomes of each object of the inventory. */
enum fate { FATE_STAYS, FATE_GOES, FATE_RENAMED };

static void note_retained(struct pass *p, const struct object_id *id)
{
	pass_note(p, CHANGE_RETAINED, id->kind, id->ns, id->name, "the running or last stable version of a job refers to it");
}

/* Objects that another sync has by now leave this inventory and nothing else happens to them. *left: there is one that may yet. */
static bool hand_over(struct pass *p, bool *left, struct error *err)
{
	struct inventory *inventory = &p->inventory;
	*left = false;
	for (size_t i = inventory->count; i-- > 0;) {
		const struct object_id *id = &inventory->objects[i];
		const char *other;
		enum claim claim;
		if (pass_rendered(p, id))
			continue;
		if (!holders_claim(p, id, &claim, &other, err))
			return false;
		if (claim == CLAIM_TAKEN) {
			pass_note(p, CHANGE_MOVED, id->kind, id->ns, id->name, "handed over to sync %s", other);
			if (!p->in->plan)
				inventory_remove(inventory, id);
		} else if (claim != CLAIM_NONE && !brake_approved(p)) {
			*left = true;
			p->pending += claim == CLAIM_WAIT;
			p->held += claim == CLAIM_UNKNOWN;
			pass_note(p, CHANGE_PENDING, id->kind, id->ns, id->name,
				  "is no longer in git; sync %s may have taken it over, and %s", other,
				  claim == CLAIM_WAIT ? "has not come to this commit"
						      : "cannot be read at this commit: `weir approve` deletes it");
		}
	}
	return true;
}

static bool judge(struct pass *p, enum fate *fates, size_t *doomed, size_t *flink, struct error *err)
{
	for (size_t i = 0; i < p->inventory.count; i++) {
		const struct object_id *id = &p->inventory.objects[i];
		bool keep;
		if (pass_rendered(p, id))
			continue;
		const struct item *mover = strcmp(id->kind, "Namespace") == 0 ? brake_moved_out(p, id->name) : NULL;
		if (mover != NULL) { /* its old ledger lies there */
			pass_note(p, CHANGE_RETAINED, id->kind, id->ns, id->name, "%s/%s/%s moved out of it (weir.dev/moved-from)",
				  mover->kind, mover->ns, mover->name);
			continue;
		}
		if (!retained(p, id, &keep, err))
			return false;
		if (keep) {
			note_retained(p, id);
			continue;
		}
		const struct item *heir = brake_renamed(p, id);
		if (heir != NULL && !heir->applied) { /* what runs goes on until its new name has passed the gate */
			pass_note(p, CHANGE_PENDING, id->kind, id->ns, id->name, "stays until %s/%s/%s, its new name, is applied",
				  heir->kind, heir->ns, heir->name);
			continue;
		}
		fates[i] = heir != NULL || brake_follows_rename(p, id) ? FATE_RENAMED : FATE_GOES;
		*doomed += fates[i] == FATE_GOES;
		*flink += fates[i] == FATE_GOES && is_flink(id->api_version);
	}
	return true;
}

static void hold_back(struct pass *p, enum fate *fates, size_t doomed, size_t flink)
{
	p->held += doomed;
	for (size_t i = 0; i < p->inventory.count; i++) {
		const struct object_id *id = &p->inventory.objects[i];
		if (fates[i] != FATE_GOES)
			continue;
		fates[i] = FATE_STAYS;
		pass_note(p, CHANGE_PENDING, id->kind, id->ns, id->name, "deletion is held back");
	}
	buf_printf(&p->notes,
		   "%scommit %.12s would delete %zu of %zu objects, %zu Flink resources among them: held until `weir approve %s`",
		   p->notes.len == 0 ? "" : "; ", p->in->commit, doomed, p->inventory.count, flink, p->in->name);
}

/* Flink resources first: their planned deletion still needs the accounts and ConfigMaps. */
static bool carry_out(struct pass *p, enum fate *fates, struct error *err)
{
	struct inventory *inventory = &p->inventory;
	bool flink_left = false;
	for (int round = 0; round < 2; round++) {
		for (size_t i = inventory->count; i-- > 0;) {
			const struct object_id *id = &inventory->objects[i];
			if (fates[i] == FATE_STAYS || is_flink(id->api_version) != (round == 0))
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
				memmove(&fates[i], &fates[i + 1], (inventory->count - i) * sizeof *fates);
			}
		}
	}
	return true;
}

bool pass_prune(struct pass *p, struct error *err)
{
	size_t flink = 0;
	size_t doomed = 0;
	bool left;
	if (!hand_over(p, &left, err))
		return false;
	if (left) /* nothing is deleted before it is known whose it will be */
		return true;
	AUTOFREE enum fate *fates = mem_array(p->inventory.count, sizeof *fates);
	if (!judge(p, fates, &doomed, &flink, err))
		return false;
	bool look_alike = p->held > 0 && flink > 0;
	bool brake = flink > 1 || doomed * 5 > p->inventory.count || look_alike;
	if (doomed > 0 && brake && !brake_approved(p))
		hold_back(p, fates, doomed, flink);
	if (!p->in->prune) {
		if (doomed > 0)
			buf_printf(&p->notes, "%s%zu objects are no longer in git; pruning is off", p->notes.len == 0 ? "" : "; ", doomed);
		return true;
	}
	return carry_out(p, fates, err);
}
