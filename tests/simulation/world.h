/*
 * world: one simulated run. The agents (src/agent, unchanged) step on one thread against the simulated cluster (src/sim); each speaks
 * through a tap, the one port by which it can reach anything, where calls are counted, made to fail, delayed or cut short. Time is the
 * sim's. After every step of anything the invariants are checked.
 */
#ifndef SIMULATION_WORLD_H
#define SIMULATION_WORLD_H

#include <stdio.h>

#include "agent/agent.h"
#include "base/buf.h"
#include "lifecycle/decide.h"
#include "schedule.h"
#include "sim/faults.h"
#include "sim/sim.h"

enum { MEMBERS = 2, ROWS_MAX = 32, CALLS_MAX = 60000 };

/* How often each cell was seen; shared by all processes of a run. */
struct coverage {
	_Atomic uint64_t cell[ROWS_MAX][POINT_COUNT][OUTCOME_COUNT];
	_Atomic uint64_t schedules, calls, starts, virtual_ms;
};

struct world;

struct tap {
	struct world *world;
	int member;
	const struct http *inner;
	struct http http;
	bool dead; /* the agent has crashed: nothing gets through any more */
};

struct member {
	struct agent agent;
	struct tap tap;
	bool open;
	int64_t open_at; /* when it starts (again); INT64_MAX: never */
	int64_t lead_due, watch_due, poll_due, stopped_until, cut_until, cut_fault;
	uint64_t rng;
	int seen_commit; /* the newest that it polled; -1: none */
	char problem[40];
	bool led; /* it has held the lease */
};

struct commit {
	char id[41];
	char *text; /* the one file of its tree; owned */
	bool empty, bad;
	struct step_fields job[JOBS];
	bool present[JOBS];
	int64_t session; /* version of the session job; 0: none */
};

struct world {
	const struct course *schedule;
	const char *scratch;	   /* a folder for the agents' caches; or NULL */
	struct coverage *coverage; /* or NULL */
	bool verbose;
	struct sim *sim;
	struct state_stores *stores;
	struct agent_config config;
	struct member members[MEMBERS];
	int incarnations;
	int64_t start, jump, end; /* end: when the last step happens */
	uint64_t calls;		  /* port calls of all agents */
	uint64_t writes;	  /* of them, those that may change something but leases */
	uint64_t crash_at;	  /* crash enumeration: the call before which the agent dies; 0: none */
	bool crash_done;	  /* ... or right after it was carried out */
	char *kinds; /* of each port call until nothing goes wrong any more: l(ease), r(ead), w(rite); or NULL; CALLS_MAX of them */
	bool brief;  /* no look at whether it stays quiet */
	struct commit *commits;
	int commit_count;
	uint64_t rng;

	bool done[STEPS_MAX];
	bool healed;
	int64_t outage_until, outage_fault, source_until, stall_until, storage_until, frozen_until, slow_until, ttl_until;
	int64_t fault_left, fault_kind; /* of the next calls */
	int saved_job;			/* STEP_JM_KILL_SAVED waits for a savepoint of it; -1: none */
	size_t saved_count;

	/* the effect that is being carried out, and what the schedule wants of it */
	struct {
		int row;   /* -1: none */
		int calls; /* of it */
		enum outcome outcome;
		int seen[ROWS_MAX];
		const struct step *step;  /* STEP_EFFECT that applies to it */
		const struct step *retry; /* POINT_BEFORE happened: the next try of its effect meets its outcome */
	} now;

	/* invariants */
	size_t starts_seen;
	struct sim_start last_start[JOBS];
	int64_t consent_at[JOBS];    /* when a version with upgradeMode stateless was last in force; -1: never */
	bool stateless[JOBS];	     /* git has one now */
	bool edited_stateless[JOBS]; /* or a person has set one in the cluster */
	int64_t last_start_at[JOBS];
	bool periodic;		/* a version asks for savepoints at intervals */
	bool unchecked;		/* a person has let something in past preflight */
	bool ha[JOBS];		/* of the newest version */
	bool lost_state;	/* some state is gone, or cannot be known of */
	char chosen[JOBS][512]; /* paths that a person named */
	bool keeps_ha[JOBS];	/* its ledger says now that the cluster goes and its HA metadata stay */
	struct buf intents;	/* every intent that any ledger ever held; see check_ledgers */
	int launches_since_change[JOBS];
	bool failed;
	char why[900];
};

/* Runs a schedule from the beginning to the end. True: every invariant held. world_free afterwards in any case. */
bool world_run(struct world *w);
void world_free(struct world *w);

/* world.c, for the other parts */
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t world_now(const struct world *w);			 /* virtual ms since the beginning */
void world_steps(struct world *w, int frozen_member);		 /* every agent does what is due now, but for one of them (-1: none) */
bool world_pass(struct world *w, int64_t ms, int frozen_member); /* time goes by */

/* tap.c */
void tap_open(struct tap *tap, struct world *w, int member);
void tap_probe(const char *name, const char *when); /* the kill_probe */
extern struct tap *tap_current;			    /* of the agent that is stepping */

/* actions.c */
void action_run(struct world *w, const struct step *step);
void action_heal(struct world *w);
void actions_expire(struct world *w); /* ends what lasts for a while */
struct source_port source_port_of(struct member *member);
void commits_free(struct world *w);

/* check.c */
void check_step(struct world *w);
void check_request(struct world *w, const struct tap *tap, const struct http_request *request);
void check_ledgers(struct world *w); /* one was written */
/* Has every resource reached its desired state, or a state that says what a person must do? Else why not. */
bool check_settled(struct world *w, char why[400]);
bool check_waits(struct world *w, int job); /* for a person */

#endif
