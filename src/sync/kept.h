/*
 * kept: the ConfigMaps of a version of a job, copied while that version was in force, so that going back to it brings back what it read.
 * One record `weir-kept-JOB-DIGEST` (which says what the version referred to) and a copy `weir-kept-JOB-DIGEST-N` for each ConfigMap that
 * belonged to the job, all owned by the Flink resource. Secrets are never copied.
 */
#ifndef WEIR_SYNC_KEPT_H
#define WEIR_SYNC_KEPT_H

#include "kube/kube.h"

#define ANNOTATION_KEPT "weir.dev/kept" /* on the Flink resource: the start of the digest that was kept last */

enum { KEPT_DIGITS = 12 }; /* of the digest, in names */

struct kept {
	struct kube *kube; /* Weir's own identity */
	const char *ns, *job;
	const char *uid; /* of the Flink resource */
};

/* `maps`: the ConfigMaps as they are now. Leaves alone what is there already. */
bool kept_write(const struct kept *at, const char *digest, const char *references, const struct node *const *maps, size_t count,
		struct error *err);
/*
 * Puts the ConfigMaps of that version back as they were; what is so already is not written. *references (owned; may be NULL) is what the
 * version referred to, or NULL if nothing was kept of it, which is no error. *restored (may be NULL) counts what was written.
 */
bool kept_restore(const struct kept *at, const char *digest, char **references, size_t *restored, struct error *err);
/* Removes the copies of all other versions. */
bool kept_only(const struct kept *at, const char *const *digests, size_t count, struct error *err);

#endif
