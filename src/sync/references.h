/*
 * references: which ConfigMaps and Secrets the pods of a Flink resource read, by name, and the text that stands for what they hold. Pure.
 * The text is part of a job's identity (lifecycle/digest.h): the sync writes it to the annotation weir.dev/references, the agent's turns
 * read it from there. Pull secrets, TLS secrets of an ingress, and what Flink and Weir make themselves do not count.
 */
#ifndef WEIR_SYNC_REFERENCES_H
#define WEIR_SYNC_REFERENCES_H

#include "base/buf.h"
#include "base/doc.h"

#define ANNOTATION_REFERENCES "weir.dev/references"

struct reference {
	bool secret; /* else a ConfigMap */
	char *name;  /* owned */
	char *key;   /* owned; NULL: all that it holds */
};

struct references {
	struct reference *items;
	size_t count;
};

void references_free(struct references *list);
#define AUTOREFERENCES __attribute__((cleanup(references_free))) struct references

/* Those of a FlinkDeployment's spec, sorted, each once. `job` is its name. */
void references_of(const char *job, const struct node *spec, struct references *out);
/* All that is named anywhere in an object the way pods and their like name ConfigMaps and Secrets; in no order. */
void references_anywhere(const struct node *object, struct references *out);
bool references_hold(const struct references *list, bool secret, const char *name);

/* "ConfigMap/NAME=HASH" or "Secret/NAME/KEY=absent", after a comma unless it is the first. object NULL: it does not exist. */
void reference_put(struct buf *text, const struct reference *r, const struct node *object);
/* The same for one that may not be read. */
void reference_put_unread(struct buf *text, const struct reference *r);
/* What stands in `now` and not in `before`, without the hashes: "ConfigMap/a, Secret/b". Either may be NULL. */
void references_changed(const char *before, const char *now, struct buf *out);
/* Is this very entry, as reference_put() writes it, in the text? */
bool references_say(const char *text, const char *entry);

#endif
