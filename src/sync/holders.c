/* Two syncs and one object: who holds it, and how it goes from one to the other without being deleted. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/decide.h"
#include "sync/internal.h"

static struct neighbour *add(struct pass *p, const char *name)
{
	p->neighbours = mem_grow(p->neighbours, p->neighbour_count + 1, sizeof *p->neighbours);
	struct neighbour *n = &p->neighbours[p->neighbour_count++];
	*n = (struct neighbour){ .name = mem_strdup(name) };
	return n;
}

void holders_free(struct pass *p)
{
	for (size_t i = 0; i < p->neighbour_count; i++) {
		free(p->neighbours[i].name);
		inventory_free(&p->neighbours[i].inventory);
	}
	free(p->neighbours);
}

static bool neighbour_find(struct pass *p, const char *name, struct neighbour **out, struct error *err)
{
	for (size_t i = 0; i < p->neighbour_count; i++) {
		*out = &p->neighbours[i];
		if (strcmp((*out)->name, name) == 0)
			return true;
	}
	struct neighbour *n = *out = add(p, name);
	n->gone = p->in->peers != NULL;
	for (size_t i = 0; i < p->in->peer_count; i++) {
		if (strcmp(p->in->peers[i].name, name) != 0)
			continue;
		n->gone = false;
		n->same_source = p->in->peers[i].same_source;
	}
	return n->gone || inventory_read(p->in->kube, p->in->own_ns, name, &n->inventory, err);
}

static bool comes_to_commit(const struct pass *p, const struct neighbour *n)
{
	return n->same_source && strcmp(n->inventory.seen, p->in->commit) != 0;
}

bool holder_of(struct pass *p, const struct item *item, enum holder *out, const char **name, struct error *err)
{
	const char *other = item->live == NULL ? NULL : decide_annotation(doc_root(item->live), ANNOTATION_SYNC);
	*out = HOLDER_NONE;
	*name = "";
	if (other == NULL || strcmp(other, p->in->name) == 0)
		return true;
	struct neighbour *n;
	struct object_id id = { (char *)(uintptr_t)item->api_version, (char *)(uintptr_t)item->kind, (char *)(uintptr_t)item->ns,
				(char *)(uintptr_t)item->name };
	if (!neighbour_find(p, other, &n, err))
		return false;
	*name = n->name;
	if (n->gone || !inventory_holds(&n->inventory, &id))
		return true;
	bool under_way = comes_to_commit(p, n) || (n->same_source && strcmp(n->inventory.state, "Pending") == 0);
	*out = under_way ? HOLDER_WAIT : HOLDER_REFUSES;
	return true;
}

bool holders_claim(struct pass *p, const struct object_id *id, enum claim *out, const char **name, struct error *err)
{
	*out = CLAIM_NONE;
	*name = "";
	for (size_t i = 0; i < p->in->peer_count; i++) {
		struct neighbour *n;
		if (!neighbour_find(p, p->in->peers[i].name, &n, err))
			return false;
		enum claim claim = inventory_holds(&n->inventory, id)		     ? CLAIM_TAKEN
				   : !n->same_source || p->in->plan		     ? CLAIM_NONE
				   : comes_to_commit(p, n)			     ? CLAIM_WAIT
				   : strcmp(n->inventory.commit, p->in->commit) != 0 ? CLAIM_UNKNOWN
										     : CLAIM_NONE;
		if (claim != CLAIM_NONE && (*out == CLAIM_NONE || claim == CLAIM_TAKEN)) {
			*out = claim;
			*name = n->name;
		}
		if (claim == CLAIM_TAKEN)
			break;
	}
	return true;
}
