/* The brake on what a commit removes: renames are named, look-alikes are held, and much at once waits for a person. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/decide.h"
#include "sync/internal.h"

#define MOVED_FROM "weir.dev/moved-from"

bool brake_approved(const struct pass *p)
{
	const char *approved = p->inventory.approved;
	return approved[0] != '\0' && strncmp(p->in->commit, approved, strlen(approved)) == 0;
}

/* What the resource says it was: `[namespace/]name`, without a namespace in its own. False: it says nothing. */
static bool moved_from(const struct item *item, struct object_id *old, char ns[254])
{
	const char *from = is_flink(item->api_version) ? decide_annotation(item->object, MOVED_FROM) : NULL;
	if (from == NULL)
		return false;
	const char *slash = strchr(from, '/');
	(void)snprintf(ns, 254, "%.*s", slash == NULL ? 253 : (int)(slash - from), slash == NULL ? item->ns : from);
	*old = (struct object_id){ (char *)(uintptr_t)item->api_version, (char *)(uintptr_t)item->kind, ns,
				   (char *)(uintptr_t)(slash == NULL ? from : slash + 1) };
	return true;
}

static bool was(const struct item *item, const struct object_id *id)
{
	struct object_id old;
	char ns[254];
	return moved_from(item, &old, ns) && strcmp(old.kind, id->kind) == 0 && strcmp(old.ns, id->ns) == 0 &&
	       strcmp(old.name, id->name) == 0;
}

const struct item *brake_renamed(const struct pass *p, const struct object_id *id)
{
	for (size_t i = 0; i < p->count; i++)
		if (!p->items[i].held && was(&p->items[i], id))
			return &p->items[i];
	return NULL;
}

const struct item *brake_moved_out(const struct pass *p, const char *ns)
{
	for (size_t i = 0; i < p->count; i++) {
		struct object_id old;
		char from[254];
		if (moved_from(&p->items[i], &old, from) && strcmp(from, ns) == 0 && strcmp(p->items[i].ns, ns) != 0)
			return &p->items[i];
	}
	return NULL;
}

static bool in_set(const struct pass *p, const struct object_id *like, const char *ns, const char *name)
{
	struct object_id id = *like;
	id.ns = (char *)(uintptr_t)ns;
	id.name = (char *)(uintptr_t)name;
	return pass_rendered(p, &id);
}

/* The name with what was before or after the common part of the rename's two names replaced alike; "" if it does not fit. */
static char *renamed_like(const char *name, const char *from, const char *to, bool front)
{
	size_t n = strlen(name);
	size_t f = strlen(from);
	size_t t = strlen(to);
	size_t common = 0;
	if (front) {
		while (common < f && common < t && from[f - common - 1] == to[t - common - 1])
			common++;
		if (strncmp(name, from, f - common) != 0)
			return mem_strdup("");
		return mem_printf("%.*s%s", (int)(t - common), to, name + (f - common));
	}
	while (common < f && common < t && from[common] == to[common])
		common++;
	if (n < f - common || strcmp(name + n - (f - common), from + common) != 0)
		return mem_strdup("");
	return mem_printf("%.*s%s", (int)(n - (f - common)), name, to + common);
}

bool brake_follows_rename(const struct pass *p, const struct object_id *id)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct item *heir = &p->items[i];
		struct object_id old;
		char from[254];
		if (heir->held || !moved_from(heir, &old, from) || pass_rendered(p, &old))
			continue;
		const char *ns = strcmp(id->ns, old.ns) == 0 ? heir->ns : id->ns;
		for (int front = 0; front < 2; front++) {
			AUTOFREE char *name = renamed_like(id->name, old.name, heir->name, front == 1);
			if (in_set(p, id, ns, name))
				return true;
		}
	}
	return false;
}

/* Is it there, and to stay, but for this commit? */
static bool removed_now(struct pass *p, const struct object_id *id, bool *yes, struct error *err)
{
	struct kube_resource resource;
	struct error why;
	AUTODOC *live = NULL;
	*yes = false;
	if (!is_flink(id->api_version) || pass_rendered(p, id))
		return true;
	if (kube_resource_for(p->in->as, id->api_version, id->kind, &resource, &why) &&
	    kube_get(p->in->as, &resource, id->ns, id->name, &live, &why)) {
		*yes = node_find(doc_root(live), "metadata/deletionTimestamp") == NULL;
		return true;
	}
	return why.kind == ERROR_NOT_FOUND || error_set(err, why.kind, "%s", why.message);
}

static bool names_one_removed(const struct pass *p, const struct item *item)
{
	for (size_t i = 0; i < p->inventory.count; i++)
		if (!pass_rendered(p, &p->inventory.objects[i]) && was(item, &p->inventory.objects[i]))
			return true;
	return false;
}

static bool is_new(const struct pass *p, const struct item *item)
{
	struct object_id id = { (char *)(uintptr_t)item->api_version, (char *)(uintptr_t)item->kind, (char *)(uintptr_t)item->ns,
				(char *)(uintptr_t)item->name };
	return is_flink(item->api_version) && item->known && !inventory_holds(&p->inventory, &id);
}

bool brake_look_alikes(struct pass *p, struct error *err)
{
	bool any_new = false;
	for (size_t i = 0; i < p->count; i++)
		any_new |= is_new(p, &p->items[i]);
	if (!any_new || brake_approved(p))
		return true;
	for (size_t i = 0; i < p->inventory.count; i++) {
		const struct object_id *id = &p->inventory.objects[i];
		bool removed;
		if (!removed_now(p, id, &removed, err))
			return false;
		if (!removed || brake_renamed(p, id) != NULL)
			continue;
		for (size_t k = 0; k < p->count; k++) {
			struct item *item = &p->items[k];
			if (!is_new(p, item) || item->held || strcmp(item->kind, id->kind) != 0 || names_one_removed(p, item))
				continue;
			bool same_ns = strcmp(item->ns, id->ns) == 0;
			item->held = true;
			p->held++;
			pass_note(p, CHANGE_PENDING, item->kind, item->ns, item->name,
				  "is held: this commit removes %s/%s/%s and adds this one. If it is the same job, give it the "
				  "annotation " MOVED_FROM ": %s%s%s; if not, `weir approve %s`",
				  id->kind, id->ns, id->name, same_ns ? "" : id->ns, same_ns ? "" : "/", id->name, p->in->name);
		}
	}
	return true;
}
