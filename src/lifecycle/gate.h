/*
 * gate: may this content of a Flink resource be applied? Pure. The sync asks before it applies, so that the resource in the cluster always
 * carries a spec that may run.
 */
#ifndef WEIR_LIFECYCLE_GATE_H
#define WEIR_LIFECYCLE_GATE_H

#include "lifecycle/ledger.h"

enum gate {
	GATE_APPLY,
	GATE_LOOK,	/* look at the preflight pods, and ask the API server if there are none; then ask the gate again */
	GATE_PREFLIGHT, /* create the pods of `create` */
	GATE_WAIT,
	GATE_WITHHOLD
};

/* The pod on the JobManager's place, the one on the TaskManagers', and the first one's stand-in for images without a shell. */
enum preflight_pod { PREFLIGHT_JOBMANAGER, PREFLIGHT_TASKMANAGER, PREFLIGHT_JAVA, PREFLIGHT_PODS };

/* What is seen of a preflight pod. NO_PROGRAM: the image is there, but what should run in it is not. */
enum preflight_seen {
	PREFLIGHT_UNKNOWN,
	PREFLIGHT_ABSENT,
	PREFLIGHT_RUNNING,
	PREFLIGHT_PASSED,
	PREFLIGHT_FAILED,
	PREFLIGHT_UNCHECKED,
	PREFLIGHT_NO_PROGRAM
};

/* What the API server says to a dry run of the launch's objects. */
enum server_says {
	SERVER_TAKES, /* or it was not asked, since there are pods already */
	SERVER_REFUSES,
	SERVER_UNSURE, /* refused for a reason that may not hold when it counts: room in a quota */
	SERVER_SILENT  /* no answer: ask again */
};

struct gate_input {
	const struct ledger *ledger;
	const char *digest;	 /* of the content */
	const char *live_digest; /* of what the cluster's resource holds, or NULL if there is none */
	const char *retry;	 /* weir.dev/retry of the content, or NULL */
	const char *preflight;	 /* weir.dev/preflight: require, prefer (default), off */
	int64_t now_ms;		 /* by the clock that wrote the ledger */
	bool looked;		 /* what follows is known */
	enum preflight_seen pods[PREFLIGHT_PODS];
	const char *reasons[PREFLIGHT_PODS]; /* or NULL */
	enum server_says server;
	const char *server_reason;
	const char *not_created; /* why the API server refused a preflight pod, or NULL */
};

struct gate_output {
	enum gate gate;
	char message[400];
	unsigned create;  /* GATE_PREFLIGHT: bits 1 << enum preflight_pod */
	bool leftovers;	  /* pods of another content may be there: to be removed, before anything else */
	bool record;	  /* write what follows to the ledger's preflight fields; first remove the pods, unless it is "running" */
	char key[65];	  /* what the result belongs to: the content's digest, or that together with a weir.dev/retry not yet used up */
	char result[16];  /* running, passed, failed, unknown, refused (by the API server, which is asked again each time) */
	char reason[256]; /* for a person; while running: why the result cannot be "passed" any more, or "" */
};

enum { PREFLIGHT_DEADLINE_MS = 120000 };

void gate_decide(const struct gate_input *in, struct gate_output *out);

#endif
