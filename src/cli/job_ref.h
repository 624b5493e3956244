/* job_ref: the Flink resource that a command's JOB argument names, and what commands say to the agent through its annotations. */
#ifndef WEIR_CLI_JOB_REF_H
#define WEIR_CLI_JOB_REF_H

#include "cli/cli.h"
#include "sync/ledger_store.h"

struct job_ref {
	struct cli_options options;
	struct cli_cluster cluster;
	struct job_view view;	     /* of the resource, or of what its ledger says if it is gone */
	struct doc *resource;	     /* owned; NULL: it is not there (any more) */
	struct stored_ledger stored; /* owned */
	char *ns, *name;	     /* owned */
};

/*
 * Parses the arguments of `weir COMMAND JOB`, connects, and finds [NAMESPACE/]NAME among FlinkDeployments, then FlinkSessionJobs. A resource
 * that is gone is found by its ledger where `gone` allows it. False: said why on standard error. job_ref_close in any case.
 */
bool job_ref_open(int argc, char **argv, bool gone, struct job_ref *out);
void job_ref_close(struct job_ref *ref);
/* Sets annotations (pairs, ended by NULL) on the resource; a value NULL takes one away. */
bool job_ref_annotate(struct job_ref *ref, struct error *err, ...);
/* A value that no earlier call gave: what one-shot annotations need. */
void job_ref_fresh(char out[40]);
/* Reads resource and ledger again. */
bool job_ref_again(struct job_ref *ref, struct error *err);

#endif
