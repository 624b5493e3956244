/*
 * schedule: what happens in one simulated run, as plain data: edits, faults and crashes, each at a virtual time or at a port call. Made from
 * a seed or read from a text (a fixture, a scenario); one line a step, `name field=value ...`, fields that are 0 left out; `seed N`, `uncovered`. Also the versions
 * of a job that commits and edits set, as manifests.
 */
#ifndef SIMULATION_SCHEDULE_H
#define SIMULATION_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum step_kind {
#define STEP(id, name, text) STEP_##id,
#include "schedule.def"
#undef STEP
	STEP_COUNT
};

/* The formatter never comes to an end with this list. */
/* clang-format off */
#define FIELDS(X) \
	X(at) X(call) X(job) X(mode) X(ha) X(chk) X(dir) X(kind) X(susp) X(num) X(retry) X(restore) X(pre) X(gone) X(fault) X(span) X(ms) \
	X(node) X(done) X(effect) X(nth) X(point) X(outcome) X(m) X(member) X(nonce) X(cknonce) X(ingress) X(trim) X(session)
/* clang-format on */

struct step {
	enum step_kind kind;
	struct step_fields {
#define FIELD(name) int64_t name;
		FIELDS(FIELD)
#undef FIELD
	} f;
};

/* Values of f.mode, f.kind (how a version behaves), f.restore and f.pre. */
enum { MODE_NONE, MODE_STATELESS, MODE_SAVEPOINT, MODE_LAST_STATE, MODE_COUNT };
enum behaviour {
	BEHAVE_WELL,
	BEHAVE_FINISH,	   /* a bounded job */
	BEHAVE_BROKEN,	   /* its main method throws */
	BEHAVE_FAIL_EARLY, /* fails before its first checkpoint, again and again */
	BEHAVE_FAIL_LATE,  /* fails after some, again and again */
	BEHAVE_FAIL_ONCE,  /* no restarts: FAILED for good, after some checkpoints */
	BEHAVE_NO_IMAGE,
	BEHAVE_NO_JAR,
	BEHAVE_REFUSED, /* Flink does not accept its configuration */
	BEHAVE_INVALID, /* not a valid spec */
	BEHAVE_COUNT
};
enum { FROM_NOTHING, FROM_LATEST, FROM_NEWEST_PATH, FROM_COUNT };
enum { PREFLIGHT_PREFER, PREFLIGHT_OFF, PREFLIGHT_REQUIRE };
enum { FAULT_LOST = 1, FAULT_DONE = 2 };
enum point { POINT_NONE, POINT_BEFORE, POINT_WITHIN, POINT_AFTER, POINT_COUNT };
enum outcome { OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN, OUTCOME_COUNT };
extern const char *const point_names[POINT_COUNT], *const outcome_names[OUTCOME_COUNT];

enum { STEPS_MAX = 64, JOBS = 2 };
extern const char *const job_names[JOBS];

struct course {
	uint64_t seed;	/* of everything that is random while it runs */
	bool uncovered; /* the state lies where no configured store reaches: only a pod can look there */
	struct step steps[STEPS_MAX];
	int count;
};

/* f.effect: an effect of src/lifecycle, EFFECT_COUNT for the ledger's write, then the status'. */
int effect_rows(void);
const char *effect_row_name(int row);

void schedule_make(uint64_t seed, struct course *out);
/* A schedule aimed at one cell of the coverage table; try varies everything else. */
void schedule_aim(int effect, enum point point, enum outcome outcome, uint64_t try, struct course *out);
void schedule_print(const struct course *s, struct buf *out);
void step_print(const struct step *step, struct buf *out);
bool schedule_read(const char *file, struct course *out, struct error *err);

/* Where its checkpoints, savepoints and HA metadata lie: in /c, /s and /ha of it. */
const char *schedule_storage(const struct course *s);
/* The manifest of a version, its state in a storage; newest_path is what FROM_NEWEST_PATH names. */
void version_print(const struct step_fields *v, const char *storage, const char *newest_path, struct buf *out);
/* A session cluster and a job on it, of that version. */
void session_print(int64_t version, const char *storage, struct buf *out);
/* Can it never run, so that preflight must keep it out? */
bool version_refused(const struct step_fields *v);

#endif
