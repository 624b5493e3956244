/* Schedules from seeds. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "lifecycle/decide.h"
#include "schedule.h"

enum { OLD_MS = 700000 }; /* longer than lifecycle takes a state for just left */

struct maker {
	struct course *out;
	uint64_t state;
	struct random random;
	int64_t t;
	struct step_fields job[JOBS]; /* as git has it */
	int64_t num;
};

static int64_t below(struct maker *m, int64_t n)
{
	return (int64_t)random_below(&m->random, (uint64_t)n);
}

static bool chance(struct maker *m, int percent)
{
	return below(m, 100) < percent;
}

static struct step *add(struct maker *m, enum step_kind kind)
{
	static struct step spare;
	if (m->out->count == STEPS_MAX)
		return &spare;
	struct step *s = &m->out->steps[m->out->count++];
	*s = (struct step){ .kind = kind, .f = { .at = m->t } };
	return s;
}

static void begin(struct maker *m, uint64_t seed, struct course *out)
{
	*m = (struct maker){ .out = out, .state = seed * 0x9e3779b97f4a7c15u + 1 };
	m->random = random_seeded(&m->state);
	*out = (struct course){ .seed = seed };
	m->t = 200;
}

static void commit(struct maker *m, int64_t job, enum step_kind kind)
{
	struct step *s = add(m, kind);
	s->f = m->job[job];
	s->f.at = m->t;
	s->f.job = job;
}

/* ---- versions ---- */

static int64_t any_mode(struct maker *m)
{
	static const int64_t modes[] = { MODE_NONE,	 MODE_STATELESS,  MODE_STATELESS,  MODE_SAVEPOINT, MODE_SAVEPOINT,
					 MODE_SAVEPOINT, MODE_LAST_STATE, MODE_LAST_STATE, MODE_LAST_STATE };
	return modes[below(m, ARRAY_SIZE(modes))];
}

static void first_version(struct maker *m, int64_t job)
{
	m->job[job] = (struct step_fields){ .job = job, .num = ++m->num, .mode = any_mode(m) };
	m->job[job].ha = chance(m, 75);
	m->job[job].chk = chance(m, 88);
	m->job[job].dir = chance(m, 85);
	if (chance(m, 10))
		m->job[job].kind = below(m, BEHAVE_COUNT);
	commit(m, job, STEP_COMMIT);
}

static void next_version(struct maker *m, int64_t job)
{
	struct step_fields *v = &m->job[job];
	v->num = ++m->num;
	v->restore = FROM_NOTHING;
	v->kind = chance(m, 50) ? BEHAVE_WELL : below(m, BEHAVE_COUNT);
	if (chance(m, 25))
		v->mode = any_mode(m);
	if (chance(m, 5))
		v->ha = !v->ha;
	if (chance(m, 4))
		v->dir = !v->dir;
	if (chance(m, 3))
		v->chk = !v->chk;
	v->trim = chance(m, 10) ? 1 + chance(m, 30) : v->trim;
	v->pre = chance(m, 12) ? PREFLIGHT_OFF : chance(m, 12) ? PREFLIGHT_REQUIRE : PREFLIGHT_PREFER;
}

static void remove_and_return(struct maker *m, int64_t job)
{
	m->job[job].gone = 1;
	commit(m, job, STEP_COMMIT);
	m->t += 500 + below(m, 3000);
	if (chance(m, 85))
		add(m, STEP_APPROVE);
	if (!chance(m, 60))
		return;
	m->t += 500 + below(m, 12000);
	m->job[job].gone = 0;
	m->job[job].susp = 0;
	m->job[job].restore = below(m, FROM_COUNT);
	m->job[job].num = ++m->num;
	commit(m, job, STEP_COMMIT);
}

static void change(struct maker *m)
{
	int64_t job = m->job[1].num != 0 && chance(m, 40) ? 1 : 0;
	struct step_fields *v = &m->job[job];
	m->t += chance(m, 15) ? below(m, 1500) : 3000 + below(m, 12000);
	if (v->gone) {
		first_version(m, job);
		return;
	}
	int64_t what = below(m, 100);
	if (what < 50) {
		next_version(m, job);
		commit(m, job, STEP_COMMIT);
	} else if (what < 54) {
		v->nonce += chance(m, 70);
		v->cknonce += chance(m, 40);
		v->ingress += chance(m, 40);
		v->session += chance(m, 20);
		commit(m, job, STEP_COMMIT);
	} else if (what < 62) {
		v->susp = !v->susp;
		commit(m, job, STEP_COMMIT);
	} else if (what < 74) {
		remove_and_return(m, job);
	} else if (what < 80) {
		v->retry++;
		commit(m, job, STEP_COMMIT);
	} else if (what < 86) {
		struct step_fields git = *v;
		next_version(m, job);
		commit(m, job, STEP_EDIT);
		*v = git;
	} else if (what < 91) {
		add(m, STEP_DELETE)->f.job = job;
		if (chance(m, 70)) {
			m->t += 300 + below(m, 2000);
			v->restore = below(m, FROM_COUNT);
			commit(m, job, STEP_COMMIT);
		}
	} else if (what < 95) {
		add(m, chance(m, 50) ? STEP_EMPTY_TREE : STEP_BAD_TREE);
		m->t += 1000 + below(m, 2000);
		if (chance(m, 50))
			add(m, STEP_APPROVE); /* a person who does not see what is wrong with it */
		m->t += 2000 + below(m, 4000);
		next_version(m, job);
		commit(m, job, STEP_COMMIT);
	} else if (m->job[1].num == 0) {
		first_version(m, 1);
	} else {
		v->restore = FROM_LATEST;
		commit(m, job, STEP_COMMIT);
	}
}

/* ---- faults ---- */

static int64_t any_fault(struct maker *m)
{
	static const int64_t faults[] = { FAULT_LOST, FAULT_DONE, FAULT_DONE, 409, 403, 422, 429, 500, 503, 410 };
	return faults[below(m, ARRAY_SIZE(faults))];
}

static int64_t some_call(struct maker *m)
{
	return 1 + below(m, chance(m, 50) ? 300 : 1500);
}

static void trouble_of_agents(struct maker *m, int64_t end)
{
	struct step *s;
	switch (below(m, 7)) {
	case 0:
	case 1:
		s = add(m, STEP_CRASH);
		s->f.call = some_call(m);
		s->f.done = chance(m, 50);
		break;
	case 2:
		add(m, STEP_SECOND)->f.at = below(m, end);
		s = add(m, STEP_PARTITION);
		s->f.span = 5000 + below(m, 30000);
		s->f.fault = chance(m, 50) ? FAULT_LOST : FAULT_DONE;
		break;
	case 3:
		add(m, STEP_SECOND)->f.at = below(m, end);
		s = add(m, STEP_PAUSE);
		s->f.call = some_call(m);
		s->f.span = 500 + below(m, 9000);
		break;
	case 4:
		s = add(m, STEP_JUMP);
		s->f.ms = below(m, 240000) - 120000;
		break;
	default:
		s = add(m, STEP_EFFECT);
		s->f.effect = below(m, effect_rows());
		s->f.nth = 1 + below(m, 3);
		s->f.point = below(m, POINT_COUNT);
		s->f.outcome = below(m, OUTCOME_COUNT);
		s->f.m = 1 + below(m, chance(m, 50) ? 1 : 8);
		break;
	}
	s->f.at = below(m, end);
}

static void trouble_of_api(struct maker *m, int64_t end)
{
	struct step *s;
	switch (below(m, 6)) {
	case 0:
	case 1:
		s = add(m, STEP_FAULT);
		s->f.call = some_call(m);
		s->f.fault = any_fault(m);
		s->f.span = 1 + below(m, chance(m, 70) ? 1 : 12);
		break;
	case 2:
		s = add(m, STEP_OUTAGE);
		s->f.fault = any_fault(m);
		s->f.span = 500 + below(m, 15000);
		break;
	case 3:
		s = add(m, STEP_DELAY);
		s->f.call = some_call(m);
		s->f.ms = 100 + below(m, 9900);
		break;
	case 4:
		s = add(m, STEP_STALL);
		s->f.span = 1000 + below(m, 15000);
		break;
	default:
		s = add(m, chance(m, 50) ? STEP_EXPIRE : chance(m, 50) ? STEP_BREAK : STEP_SOURCE_DOWN);
		s->f.span = 2000 + below(m, 8000);
		break;
	}
	s->f.at = below(m, end);
}

static void trouble_of_flink(struct maker *m, int64_t end)
{
	static const enum step_kind kinds[] = {
		STEP_JM_KILL, STEP_JM_KILL,	 STEP_JM_KILL_SAVED, STEP_JOB_FAIL,	  STEP_JM_DELETE,
		STEP_FREEZE,  STEP_STORAGE_DOWN, STEP_LOSE,	     STEP_SLOW_SAVEPOINT, STEP_SHORT_RESULTS
	};
	struct step *s = add(m, kinds[below(m, ARRAY_SIZE(kinds))]);
	s->f.at = below(m, end);
	s->f.job = m->job[1].num != 0 && chance(m, 30) ? 1 : 0;
	s->f.span = 2000 + below(m, 15000);
	s->f.node = 1;
	s->f.ms = s->kind == STEP_SHORT_RESULTS ? below(m, 300) : 2000 + below(m, 20000);
}

void schedule_make(uint64_t seed, struct course *out)
{
	struct maker m;
	begin(&m, seed, out);
	first_version(&m, 0);
	if (chance(&m, 12))
		first_version(&m, 1);
	for (int64_t n = 1 + below(&m, 4); n > 0; n--)
		change(&m);
	int64_t end = m.t + 8000;
	for (int64_t n = below(&m, 5); n > 0; n--) {
		int64_t which = below(&m, 10);
		if (which < 4)
			trouble_of_agents(&m, end);
		else if (which < 7)
			trouble_of_api(&m, end);
		else
			trouble_of_flink(&m, end);
	}
	out->uncovered = chance(&m, 15);
}

/* Removed, and created anew much later, again and again: each time a pod looks whether the old state still exists. */
static void come_back(struct maker *m)
{
	m->out->uncovered = true;
	for (int i = 0; i < 3; i++) {
		m->job[0].gone = 1;
		commit(m, 0, STEP_COMMIT);
		m->t += 3000;
		add(m, STEP_APPROVE);
		m->t += 28000 + below(m, 3000); /* another agent comes after a crash */
		add(m, STEP_JUMP)->f.ms = OLD_MS;
		m->job[0].gone = 0;
		m->job[0].restore = chance(m, 50) ? FROM_LATEST : FROM_NEWEST_PATH;
		commit(m, 0, STEP_COMMIT);
		m->t += 8000 + below(m, 3000);
	}
	m->job[0].restore = FROM_NOTHING;
}

void schedule_aim(int effect, enum point point, enum outcome outcome, uint64_t try, struct course *out)
{
	struct maker m;
	begin(&m, try, out);
	m.job[0] = (struct step_fields){
		.num = ++m.num, .mode = MODE_SAVEPOINT, .ha = effect != EFFECT_CANCEL_JOB, .chk = 1, .dir = 1, .trim = 1
	};
	if (effect == EFFECT_DISPOSE_SAVEPOINT || effect == EFFECT_DELETE_SNAPSHOT)
		m.job[0].trim = 2;
	commit(&m, 0, STEP_COMMIT);
	m.t += 8000 + below(&m, 3000);
	bool snapshots = effect == EFFECT_CREATE_SNAPSHOT || effect == EFFECT_DELETE_SNAPSHOT || effect == EFFECT_DISPOSE_SAVEPOINT ||
			 effect == EFFECT_TRIGGER_SAVEPOINT;
	for (int i = 0; snapshots && i < 3; i++) {
		m.job[0].nonce++;
		commit(&m, 0, STEP_COMMIT);
		m.t += 2500 + below(&m, 500);
	}
	for (int i = 0; (effect == EFFECT_TRIGGER_CHECKPOINT || effect == EFFECT_ADJUST) && i < 3; i++) {
		m.job[0].cknonce += effect == EFFECT_TRIGGER_CHECKPOINT;
		m.job[0].ingress += effect == EFFECT_ADJUST;
		commit(&m, 0, STEP_COMMIT);
		m.t += 2500 + below(&m, 500);
	}
	for (int i = 0; effect == EFFECT_SUBMIT_JOB && i < 3; i++) {
		m.job[0].session = i + 1;
		commit(&m, 0, STEP_COMMIT);
		m.t += 9000 + below(&m, 500);
	}
	out->uncovered = effect == EFFECT_CLEAN; /* by a pod: more calls that can fail */
	if (effect == EFFECT_PROBE || effect == EFFECT_END_PROBE)
		come_back(&m);
	m.job[0].num = ++m.num;
	m.job[0].mode = effect == EFFECT_CANCEL_JOB ? MODE_LAST_STATE : MODE_SAVEPOINT + below(&m, 2);
	commit(&m, 0, STEP_COMMIT);
	m.t += 8000 + below(&m, 3000);
	m.job[0].num = ++m.num;
	m.job[0].mode = MODE_STATELESS;
	commit(&m, 0, STEP_COMMIT);
	m.t += 8000 + below(&m, 3000);
	m.job[0].gone = 1;
	commit(&m, 0, STEP_COMMIT);
	m.t += 4000;
	add(&m, STEP_APPROVE);
	m.t += 25000; /* another agent comes after a crash, and tries again */
	add(&m, STEP_BREAK);
	struct step *s = add(&m, STEP_EFFECT);
	s->f = (struct step_fields){ .effect = effect,
				     .nth = effect == EFFECT_REMOVE_FINALIZER ? 1 : 1 + below(&m, 2),
				     .point = point,
				     .outcome = outcome,
				     .m = 1 + below(&m, 3) };
}
