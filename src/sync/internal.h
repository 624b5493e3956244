/* internal: one pass in the making, shared by the files of sync/ only. */
#ifndef WEIR_SYNC_INTERNAL_H
#define WEIR_SYNC_INTERNAL_H

#include "sync/inventory.h"
#include "sync/sync.h"

struct item {
	const struct render_object *from;
	struct node *object; /* in from->doc, its namespace filled in */
	struct kube_resource resource;
	const char *api_version, *kind, *ns, *name; /* ns "" for cluster-wide objects */
	int rank;
	bool known, failed;
};

struct pass {
	const struct sync_input *in;
	struct sync_output *out;
	struct inventory inventory;
	struct item *items;
	size_t count;
	size_t pending, withheld, errors, held;
	struct buf notes; /* for the message */
};

void pass_note(struct pass *p, enum change_action action, const char *kind, const char *ns, const char *name, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
bool pass_may_act(const struct pass *p);
/* flink_gate.c: applies a FlinkDeployment, or withholds it. False: the API failed. */
bool pass_apply_flink(struct pass *p, struct item *item, struct error *err);
/* apply.c */
#define ANNOTATION_SYNC "weir.dev/sync"
void pass_annotate(struct doc *doc, struct node *object, const char *key, const char *value);
bool pass_apply(struct pass *p, struct item *item, struct error *err);
/* The live object, owned; NULL if there is none. */
bool pass_live(struct pass *p, const struct item *item, struct doc **live, struct error *err);
/* What the server would make of the object, owned. */
bool pass_dry_run(struct pass *p, const struct item *item, struct doc **result, struct error *err);
bool pass_send(struct pass *p, const struct item *item, const struct node *object, struct error *err);
/* Do they differ in anything but what the server keeps? */
bool pass_differs(const struct node *live, const struct node *result);
/* prune.c */
bool pass_prune(struct pass *p, struct error *err);

#endif
