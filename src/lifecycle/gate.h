/*
 * gate: may this content of a Flink resource be applied? Pure. The sync asks before it applies, so that the resource in the cluster always
 * carries a spec that may run.
 */
#ifndef WEIR_LIFECYCLE_GATE_H
#define WEIR_LIFECYCLE_GATE_H

#include "lifecycle/ledger.h"

enum gate { GATE_APPLY, GATE_PREFLIGHT /* create the pod */, GATE_WAIT, GATE_WITHHOLD };

/* What is seen of the preflight pod. */
enum preflight_seen { PREFLIGHT_UNKNOWN, PREFLIGHT_ABSENT, PREFLIGHT_RUNNING, PREFLIGHT_DONE, PREFLIGHT_NO_IMAGE };

struct gate_input {
	const struct ledger *ledger;
	const char *digest;       /* of the content */
	const char *live_digest;  /* of what the cluster's resource holds, or NULL if there is none */
	const char *retry;        /* weir.dev/retry of the content, or NULL */
	const char *preflight;    /* weir.dev/preflight: require, prefer (default), off */
	enum preflight_seen pod;
	int64_t pod_exit;         /* PREFLIGHT_DONE: exit code */
	const char *pod_message;
	int64_t pod_age_ms;
};

struct gate_output {
	enum gate gate;
	char message[400];
	bool record;              /* write result and message to the ledger's preflight fields */
	char result[16];
};

enum { PREFLIGHT_DEADLINE_MS = 120000, PREFLIGHT_EXIT_JAR = 10, PREFLIGHT_EXIT_CONFIG = 11, PREFLIGHT_EXIT_UNCHECKED = 12 };

void gate_decide(const struct gate_input *in, struct gate_output *out);

#endif
