/*
 * sync: the objects of one revision in, cluster changes out. One pass is bounded: it applies what may be applied now and says what is
 * pending or withheld; it never waits. Every change is found by a server-side dry run against the live object.
 */
#ifndef WEIR_SYNC_SYNC_H
#define WEIR_SYNC_SYNC_H

#include "kube/kube.h"
#include "render/render.h"

enum sync_state { SYNC_APPLIED, SYNC_PENDING, SYNC_WITHHELD, SYNC_FAILED, SYNC_HELD };
const char *sync_state_name(enum sync_state state);

enum change_action {
	CHANGE_NONE,
	CHANGE_CREATE,
	CHANGE_UPDATE,
	CHANGE_DELETE,
	CHANGE_WITHHELD,
	CHANGE_PENDING,
	CHANGE_RETAINED, /* git no longer has it, a job still needs it */
	CHANGE_MOVED,	 /* it went over to another sync */
	CHANGE_ERROR
};
const char *change_action_name(enum change_action action);

struct sync_change {
	enum change_action action;
	char *id;	    /* Kind/namespace/name; owned */
	char *message;	    /* owned, or NULL */
	struct doc *result; /* plan of a FlinkDeployment: what the API server would then hold; owned, or NULL */
};

/* Another sync of the same agent. */
struct sync_peer {
	const char *name;
	bool same_source;
};

struct sync_input {
	struct kube *kube; /* Weir's own identity: inventory, ledgers, preflight */
	struct kube *as;   /* who reads, applies and prunes the objects */
	const char *name;
	const char *ns; /* for objects that name none */
	const char *own_ns;
	const char *commit;
	bool prune;
	const char *jar_schemes;	     /* flink_spec_context */
	const struct render_result *objects; /* NULL: `failure` says why there are none */
	const char *failure;
	const char *source_problem;    /* why a newer revision cannot be had, or ""; the pass goes on with the last good one */
	const struct sync_peer *peers; /* all other syncs; NULL: they are not known, and every inventory counts */
	size_t peer_count;
	int64_t now_ms;
	bool plan;			/* look only: nothing is written */
	bool (*may_act)(void *context); /* asked before each write; NULL: always */
	void *context;
};

struct sync_output {
	enum sync_state state;
	char message[1200];
	struct sync_change *changes; /* all but CHANGE_NONE */
	size_t change_count;
	size_t unchanged;
	size_t pending; /* objects that wait for something: look again soon, whatever the state */
};

/* False only for errors that ended the pass as a whole (the API is down); what happened to single objects is in *out. */
bool sync_pass(const struct sync_input *in, struct sync_output *out, struct error *err);
void sync_output_free(struct sync_output *out);

#endif
