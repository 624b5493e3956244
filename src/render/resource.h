/*
 * resource: an object while it is being built, with what it was called before, and the ordered list of them. Shared by the files of this
 * folder only. A set owns its resources, a resource owns its document.
 */
#ifndef WEIR_RENDER_RESOURCE_H
#define WEIR_RENDER_RESOURCE_H

#include "render/render.h"

/* A type, or a pattern of one: NULL matches anything. */
struct gvk {
	const char *group, *version, *kind;
};

struct old_id {
	char *kind, *name, *ns;
};

struct texts {
	char **items;
	size_t count;
};

enum behavior { BEHAVIOR_CREATE, BEHAVIOR_MERGE, BEHAVIOR_REPLACE };

struct resource {
	struct doc *doc;
	char *file;
	unsigned line;
	struct old_id *old; /* oldest first */
	size_t old_count;
	struct texts prefixes, suffixes; /* as applied, oldest first */
	bool wants_hash;
	enum behavior behavior;	      /* of a generated one */
	char group[128], version[64]; /* of apiVersion, refreshed by resource_refresh() */
};

struct resource_set {
	struct resource **items;
	size_t count, cap;
};

void texts_add(struct texts *t, const char *text);
void texts_free(struct texts *t);

struct resource *resource_new(struct doc *doc, const char *file, unsigned line); /* takes doc */
void resource_free(struct resource *r);
struct node *resource_root(const struct resource *r);
const char *resource_kind(const struct resource *r); /* "" if absent; so are the following */
const char *resource_name(const struct resource *r);
const char *resource_namespace(const struct resource *r);
void resource_refresh(struct resource *r); /* after a change of apiVersion */
bool resource_is(const struct resource *r, const struct gvk *pattern);
void resource_set_name(struct resource *r, const char *name);
void resource_set_namespace(struct resource *r, const char *ns);
/* Remembers the present kind, name and namespace as an older id. */
void resource_remember(struct resource *r);
/* Is a kind (with r's apiVersion) one without namespace, by kustomize's table? */
bool resource_cluster_scoped(const struct resource *r, const char *kind);
/* The namespace that counts: "" and "default" are one, types without namespace have one of their own. */
const char *resource_effective_namespace(const struct resource *r, const char *kind, const char *ns);
bool resource_same_id(const struct resource *a, const struct resource *b);
/* Kind.version.group/name.namespace, for messages. */
void resource_describe(const struct resource *r, struct buf *out);

/* Calls a function for the present id and all older ones until one returns true. */
typedef bool (*id_test)(const struct resource *r, const char *kind, const char *name, const char *ns, const void *context);
bool resource_any_id(const struct resource *r, id_test test, const void *context);

void set_free(struct resource_set *s);
void set_add(struct resource_set *s, struct resource *r); /* appends and takes r; see set_check_unique() */
void set_remove(struct resource_set *s, size_t i);	  /* and frees */
/* Two of one id are an error that names both places, with `what` before the id. */
bool set_check_unique(const struct resource_set *s, const char *what, struct error *err);
/* kustomize's order of kinds; first and last are lists of strings or NULL for the defaults. */
void set_sort_legacy(struct resource_set *s, const struct node *first, const struct node *last);

#endif
