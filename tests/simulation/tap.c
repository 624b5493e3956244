/* The port of one agent: counts calls, meets faults, crashes. */
#include <string.h>

#include "base/mem.h"
#include "world.h"

struct tap *tap_current;

struct http_stream {
	struct tap *tap;
	const struct http *inner;
	struct http_stream *stream;
};

enum verdict { PASS, LOST, LOST_DONE, REFUSED };

static bool is_write(const struct http_request *r)
{
	return strcmp(r->method, "GET") != 0 && strstr(r->path, "/leases") == NULL && strstr(r->path, "dryRun") == NULL;
}

static int row_of(const char *name)
{
	for (int row = 0; row < effect_rows(); row++)
		if (strcmp(effect_row_name(row), name) == 0)
			return row;
	return -1;
}

static void count(struct world *w, int row, enum point point, enum outcome outcome)
{
	if (w->coverage != NULL && row >= 0 && row < ROWS_MAX)
		w->coverage->cell[row][point][outcome]++;
}

static void die(struct tap *tap)
{
	if (!tap->dead)
		world_trace(tap->world, "agent %d dies", tap->member);
	tap->dead = true;
}

void tap_probe(const char *name, const char *when)
{
	struct tap *tap = tap_current;
	int row = row_of(name);
	if (tap == NULL || row < 0 || tap->dead || tap->world->healed)
		return;
	struct world *w = tap->world;
	if (strcmp(when, "before") == 0) {
		w->now.row = row;
		w->now.calls = 0;
		w->now.outcome = OUTCOME_OK;
		w->now.seen[row]++;
		w->now.step = NULL;
		for (int i = 0; i < w->schedule->count && w->now.step == NULL; i++) {
			const struct step *s = &w->schedule->steps[i];
			if (s->kind == STEP_EFFECT && !w->done[i] && s->f.effect == row && s->f.nth <= w->now.seen[row]) {
				w->done[i] = true;
				w->now.step = s;
			}
		}
		if (w->now.step != NULL && w->now.step->f.point == POINT_BEFORE) {
			w->now.retry = w->now.step;
			w->now.step = NULL;
			w->now.row = -1;
			die(tap);
		}
		return;
	}
	if (w->now.row != row)
		return;
	w->now.row = -1;
	if (w->now.step != NULL && (w->now.step->f.point == POINT_AFTER || w->now.step->f.point == POINT_WITHIN)) {
		count(w, row, POINT_AFTER, w->now.outcome);
		die(tap);
	} else if (w->now.retry != NULL && w->now.retry->f.effect == row) {
		count(w, row, POINT_BEFORE, w->now.outcome);
		w->now.retry = NULL;
	} else {
		count(w, row, POINT_NONE, w->now.outcome);
	}
}

static int64_t fault_of(struct world *w, enum outcome outcome, int64_t m)
{
	static const int refusals[] = { 409, 403, 503, 422, 429 };
	if (outcome == OUTCOME_REFUSED)
		return refusals[(uint64_t)(m + (int64_t)w->schedule->seed) % ARRAY_SIZE(refusals)];
	return outcome == OUTCOME_OK ? 0 : (w->schedule->seed & 1) != 0 ? FAULT_LOST : FAULT_DONE;
}

/* What the schedule wants of this call: a status, FAULT_LOST, FAULT_DONE or 0. *crash: the agent does not live to see the answer. */
static int64_t wanted(struct tap *tap, bool *crash)
{
	struct world *w = tap->world;
	struct member *me = &w->members[tap->member];
	int64_t fault = 0;
	*crash = false;
	if (world_now(w) < me->cut_until)
		fault = me->cut_fault;
	else if (world_now(w) < w->outage_until)
		fault = w->outage_fault;
	if (w->fault_left > 0) {
		w->fault_left--;
		fault = w->fault_kind;
	}
	if (w->now.row < 0 || tap != tap_current)
		return fault;
	w->now.calls++;
	const struct step *s = w->now.step != NULL					      ? w->now.step
			       : w->now.retry != NULL && w->now.retry->f.effect == w->now.row ? w->now.retry
											      : NULL;
	if (s != NULL && (w->now.calls == s->f.m || (s == w->now.retry && w->now.calls == 1))) {
		fault = fault_of(w, (enum outcome)s->f.outcome, s->f.m);
		*crash = s->f.point == POINT_WITHIN;
	}
	return fault;
}

/* Steps that happen at this call. */
static void at_call(struct tap *tap)
{
	struct world *w = tap->world;
	for (int i = 0; i < w->schedule->count; i++) {
		const struct step *s = &w->schedule->steps[i];
		if (w->done[i] || s->f.call == 0 || (uint64_t)s->f.call > w->calls || w->healed)
			continue;
		w->done[i] = true;
		AUTOBUF text = BUF_INIT;
		step_print(s, &text);
		world_trace(w, "-- %s", buf_text(&text));
		if (s->kind == STEP_CRASH) {
			w->crash_at = w->calls;
			w->crash_done = s->f.done != 0;
		} else if (s->kind == STEP_FAULT) {
			w->fault_left = s->f.span;
			w->fault_kind = s->f.fault;
		} else if (s->kind == STEP_DELAY) {
			sim_advance(w->sim, s->f.ms);
		} else if (s->kind == STEP_PAUSE) {
			struct tap *me = tap_current;
			typeof(w->now) now = w->now;
			world_pass(w, s->f.span, tap->member); /* the others go on meanwhile */
			memcpy(now.seen, w->now.seen, sizeof now.seen);
			w->now = now;
			tap_current = me;
		} else {
			action_run(w, s);
		}
	}
}

static void note_outcome(struct world *w, const struct tap *tap, enum outcome outcome)
{
	if (w->now.row >= 0 && tap == tap_current)
		w->now.outcome = outcome;
}

static bool no_answer(const struct http_request *r, struct error *err)
{
	return error_set(err, strcmp(r->method, "GET") == 0 ? ERROR_TRANSIENT : ERROR_UNKNOWN_OUTCOME, "%s %s: no answer in time",
			 r->method, r->path);
}

static enum verdict before(struct tap *tap, const struct http_request *r, int64_t *status, bool *crash)
{
	struct world *w = tap->world;
	*crash = false;
	if (tap->dead)
		return LOST;
	w->calls++;
	at_call(tap);
	if (tap->dead)
		return LOST;
	check_request(w, tap, r);
	if (w->kinds != NULL && !w->healed && w->calls < CALLS_MAX)
		w->kinds[w->calls] = strstr(r->path, "/leases") != NULL ? 'l' : is_write(r) ? 'w' : 'r';
	if (is_write(r)) {
		w->writes++;
		if (!w->members[tap->member].led)
			world_fail(w, "invariant 8: %s %s by an agent that never led", r->method, r->path);
	}
	int64_t fault = wanted(tap, crash);
	if (w->crash_at != 0 && w->calls == w->crash_at) {
		*crash = true;
		fault = w->crash_done ? fault : FAULT_LOST;
	}
	if (w->healed)
		fault = 0;
	*status = fault;
	return fault == 0 ? PASS : fault == FAULT_LOST ? LOST : fault == FAULT_DONE ? LOST_DONE : REFUSED;
}

static bool tap_send(void *context, const struct http_request *r, struct http_response *response, struct error *err)
{
	struct tap *tap = context;
	struct world *w = tap->world;
	int64_t status = 0;
	bool crash;
	enum verdict verdict = before(tap, r, &status, &crash);
	bool ok = false;
	if (tap->dead)
		return no_answer(r, err);
	if (verdict == REFUSED)
		sim_fault(w->sim, &(struct sim_fault){ .kind = SIM_FAULT_STATUS, .status = (int)status });
	if (verdict == LOST)
		ok = no_answer(r, err);
	else
		ok = http_send(tap->inner, r, response, err);
	if (verdict == LOST_DONE && ok) {
		http_response_free(response);
		*response = (struct http_response){ 0 };
		ok = no_answer(r, err);
	}
	if (verdict != LOST && is_write(r) && (strstr(r->path, "/weir-ledger-") != NULL || strstr(r->path, "/configmaps?") != NULL))
		check_ledgers(w);
	if (strstr(r->path, "/leases") != NULL && r->body != NULL && (verdict == LOST_DONE || (ok && response->status < 300)) &&
	    strstr(r->body, w->members[tap->member].agent.identity) != NULL)
		w->members[tap->member].led = true;
	note_outcome(w, tap, !ok ? OUTCOME_UNKNOWN : response->status >= 400 ? OUTCOME_REFUSED : OUTCOME_OK);
	world_trace(w, "%d #%llu %s %s -> %d", tap->member, (unsigned long long)w->calls, r->method, r->path, ok ? response->status : -1);
	if (w->verbose && r->body != NULL && (strstr(r->path, "weir-ledger") != NULL || strstr(r->path, "/stop") != NULL))
		world_trace(w, "     %.*s", (int)r->body_len, r->body);
	if (!crash)
		return ok;
	if (w->now.row >= 0 && tap == tap_current) {
		count(w, w->now.row, POINT_WITHIN, w->now.outcome);
		w->now.row = -1;
	}
	die(tap);
	if (ok) {
		http_response_free(response);
		*response = (struct http_response){ 0 };
	}
	return no_answer(r, err);
}

/* ---- watches ---- */

static struct http_stream *tap_stream(void *context, const struct http_request *r, int *status, struct buf *problem, struct error *err)
{
	struct tap *tap = context;
	int64_t fault = 0;
	bool crash;
	enum verdict verdict = before(tap, r, &fault, &crash);
	if (tap->dead || verdict == LOST || verdict == LOST_DONE || crash) {
		if (crash)
			die(tap);
		(void)no_answer(r, err);
		return NULL;
	}
	if (verdict == REFUSED)
		sim_fault(tap->world->sim, &(struct sim_fault){ .kind = SIM_FAULT_STATUS, .status = (int)fault });
	struct http_stream *inner = tap->inner->open(tap->inner->context, r, status, problem, err);
	if (inner == NULL)
		return NULL;
	struct http_stream *stream = mem_alloc(sizeof *stream);
	*stream = (struct http_stream){ .tap = tap, .inner = tap->inner, .stream = inner };
	return stream;
}

static bool tap_read(struct http_stream *s, struct buf *out, int64_t wait_ms, struct error *err)
{
	const struct member *me = &s->tap->world->members[s->tap->member];
	if (s->tap->dead || world_now(s->tap->world) < me->cut_until)
		return true; /* nothing comes */
	return s->inner->read(s->stream, out, wait_ms, err);
}

static void tap_close(struct http_stream *s)
{
	s->inner->close(s->stream);
	free(s);
}

void tap_open(struct tap *tap, struct world *w, int member)
{
	*tap = (struct tap){ .world = w, .member = member, .inner = sim_http(w->sim) };
	tap->http = (struct http){ .context = tap, .send = tap_send, .open = tap_stream, .read = tap_read, .close = tap_close };
}
