/*
 * digest: the identity of a job's effective content, and the peer's text of a spec.
 */
#ifndef WEIR_LIFECYCLE_DIGEST_H
#define WEIR_LIFECYCLE_DIGEST_H

#include "base/doc.h"

/*
 * SHA-256 (hex) over everything in a FlinkDeployment spec whose change restarts the job, in a canonical form: fields and configuration
 * keys that the peer's diff ignores, and job.state, do not count. `references` is a text that stands for what the spec refers to
 * (ConfigMaps and Secrets): the resource's annotation weir.dev/references, which the sync writes; NULL or "" for nothing.
 */
void spec_digest(const struct node *spec, const char *references, char out[65]);

/* A copy without what says no more than its absence would: nulls, defaults that are spelt out, the kind of a pod template. */
struct node *spec_plain(struct doc *doc, const struct node *spec);

/*
 * The peer's lastReconciledSpec: members in declaration order, absent ones as null, with job.state and job.upgradeMode as given.
 * Source: captured objects of the Apache operator.
 */
void spec_last_reconciled(const struct node *spec, const char *state, const char *upgrade_mode, bool first_deployment, struct buf *out);

#endif
