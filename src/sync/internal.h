/* internal: one pass in the making, shared by the files of sync/ only. */
#ifndef WEIR_SYNC_INTERNAL_H
#define WEIR_SYNC_INTERNAL_H

#include "flink/preflight.h"
#include "lifecycle/gate.h"
#include "sync/inventory.h"
#include "sync/references.h"
#include "sync/sync.h"

struct item {
	const struct render_object *from;
	struct node *object; /* in from->doc, its namespace filled in */
	struct kube_resource resource;
	const char *api_version, *kind, *ns, *name; /* ns "" for cluster-wide objects */
	int rank;
	bool known, failed;
	bool held;	    /* not applied: the brake, or another sync that will let go of it */
	bool applied;	    /* a Flink resource that the cluster now holds as git does */
	bool referred;	    /* a ConfigMap or Secret that a Flink resource of the set refers to */
	struct item *owner; /* the only one that does: it is applied together with that */
	/* what pass_look() saw; owned, released after the item's turn, `result` of a referred one at the end of the pass */
	struct doc *live;   /* NULL: there is none */
	struct doc *result; /* what the server would make of it */
	char *taken;	    /* the fields that other managers held, and who they are; NULL: none */
};

/* Another sync's inventory, read once in a pass. */
struct neighbour {
	char *name;
	struct inventory inventory;
	bool same_source, gone; /* gone: no such sync in the configuration any more */
};

struct pass {
	const struct sync_input *in;
	struct sync_output *out;
	struct inventory inventory;
	struct item *items;
	size_t count;
	struct neighbour *neighbours;
	size_t neighbour_count;
	size_t pending, withheld, errors, held;
	struct buf notes; /* for the message */
};

void pass_note(struct pass *p, enum change_action action, const char *kind, const char *ns, const char *name, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
bool pass_may_act(const struct pass *p);
/* Lost ones are lost: the status says the same. */
void pass_event(const struct pass *p, const struct item *item, bool warning, const char *reason, const char *message);
/* An error that says something about one object alone, not about the API as a whole. */
bool pass_own_fault(const struct error *err);
bool is_flink(const char *api_version);

/* ---- apply.c ---- */
#define ANNOTATION_SYNC "weir.dev/sync"
void pass_annotate(struct doc *doc, struct node *object, const char *key, const char *value);
bool pass_apply(struct pass *p, struct item *item, struct error *err);
/* The live object, and what the server would make of ours. */
bool pass_look_live(struct pass *p, struct item *item, struct error *err);
bool pass_dry_run(struct pass *p, struct item *item, struct error *err);
bool pass_look(struct pass *p, struct item *item, struct error *err);
/* Writes it if that differs from what is there. */
bool pass_put(struct pass *p, struct item *item, const char *message, struct error *err);
void pass_forget(struct item *item);
bool pass_send(struct pass *p, const struct item *item, const struct node *object, struct error *err);
/* Do they differ in anything but what the server keeps? */
bool pass_differs(const struct node *live, const struct node *result);

/* It runs on a cluster that is there already: nothing of it can be checked in a pod of its own. */
bool pass_is_session_job(const struct item *item);
/* ---- flink_gate.c: applies a FlinkDeployment, or withholds it. False: the API failed. ---- */
bool pass_apply_flink(struct pass *p, struct item *item, struct error *err);

/* ---- preflight.c ---- */
struct preflight { /* zeroed at first; owned */
	struct doc *doc;
	struct flink_preflight made; /* in doc */
	struct doc *seen[PREFLIGHT_PODS];
	struct buf reasons[PREFLIGHT_PODS];
	struct buf server;
};
void preflight_free(struct preflight *f);
/* Fills what the gate wants to see of the cluster; it borrows from *f. False: the content makes no launch. */
bool preflight_look(struct pass *p, const struct item *item, struct preflight *f, struct gate_input *gate, struct error *err);
/* Creates the pods of the set `which`; a refusal goes to gate->not_created. */
bool preflight_create(struct pass *p, const struct item *item, struct preflight *f, unsigned which, struct gate_input *gate,
		      struct error *err);
/* Takes away every preflight pod of the resource of that name, whatever content it was for. */
bool preflight_remove(struct pass *p, const char *ns, const char *name, struct error *err);

/* ---- content.c: what a Flink resource refers to ---- */
struct content {
	struct references refs;
	struct doc **docs;	     /* of each: read for this; owned, or NULL */
	const struct node **objects; /* of each; NULL: it does not exist, or may not be read */
	struct buf text;	     /* for the annotation; empty: it refers to nothing */
	const struct item *missing;  /* one of the set that could not be applied, or NULL */
};
void content_free(struct content *c);
#define AUTOCONTENT __attribute__((cleanup(content_free))) struct content
/* Says of each ConfigMap and Secret of the set which Flink resource it belongs to. */
void content_assign(struct pass *p);
/* As it would be after this commit; looks at the resource's own ConfigMaps and Secrets. */
bool content_wanted(struct pass *p, struct item *flink, const struct node *spec, struct content *out, struct error *err);
/* As it is in the cluster. */
bool content_live(struct pass *p, const struct item *flink, const struct node *spec, struct content *out, struct error *err);
/* Does the ConfigMap belong to that resource, as far as this sync can tell? */
bool content_owned(const struct pass *p, const struct item *flink, const struct node *live_map);
/*
 * Applies the resource's own ConfigMaps and Secrets: all if the gate is open; else those that are new and that nothing running reads, and
 * the others wait, as `action` says.
 */
bool content_apply_own(struct pass *p, const struct item *flink, bool open, enum change_action action, struct error *err);

/* ---- holders.c: other syncs ---- */
enum holder { HOLDER_NONE, HOLDER_WAIT, HOLDER_REFUSES };
/* Does another sync hold the live object? *name (of that sync) lives as long as the pass. */
bool holder_of(struct pass *p, const struct item *item, enum holder *out, const char **name, struct error *err);
enum claim {
	CLAIM_NONE,
	CLAIM_TAKEN,   /* another sync has it */
	CLAIM_WAIT,    /* another one of this source has not come to the commit, and may have it then */
	CLAIM_UNKNOWN, /* another one of this source cannot be read at the commit */
};
/* Does another sync have what this one's git no longer has? *name (of that sync) lives as long as the pass. */
bool holders_claim(struct pass *p, const struct object_id *id, enum claim *out, const char **name, struct error *err);
void holders_free(struct pass *p);

/* ---- brake.c ---- */
/* Holds new Flink resources that look like removed ones under another name. Before anything is applied. */
bool brake_look_alikes(struct pass *p, struct error *err);
/* The resource of the set that says it was this one (weir.dev/moved-from), or NULL. */
const struct item *brake_renamed(const struct pass *p, const struct object_id *id);
/* Is there, in the set, what a declared rename (prefix, suffix, namespace) would make of this object? */
bool brake_follows_rename(const struct pass *p, const struct object_id *id);
/* A resource of the set that says it moved out of that namespace, or NULL. */
const struct item *brake_moved_out(const struct pass *p, const char *ns);
bool brake_approved(const struct pass *p);

/* ---- prune.c ---- */
bool pass_rendered(const struct pass *p, const struct object_id *id);
bool pass_prune(struct pass *p, struct error *err);

#endif
