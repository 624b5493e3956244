#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sim/state_store.h"
#include "sync/kinds.h"

enum {
	START_MS = 1000,
	RESTART_MS = 300,
	TICK_MS = 1000,
	WATCHFUL_MS = 50,
	TURNS = 8,
	TAIL_MS = 9000,
	SETTLE_MS = 1200000,
	QUIET_MS = 65000,
	QUIET_TRIES = 3,
	MONO_MS = 1000000 /* the monotonic clock does not begin at 0 */
};

static const char setting[] =
	"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: flink, namespace: default}\n---\n"
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bystander, namespace: default, labels: {app: orders}}\n"
	"data: {a: b}\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: bystander, namespace: default}\nspec: {ports: [{port: 80}]}\n";

int64_t world_now(const struct world *w)
{
	return sim_now_ms(w->sim) - w->start;
}

void world_trace(struct world *w, const char *format, ...)
{
	if (!w->verbose)
		return;
	va_list args;
	va_start(args, format);
	(void)printf("%8lld ", (long long)world_now(w));
	(void)vprintf(format, args);
	(void)printf("\n");
	(void)fflush(stdout);
	va_end(args);
}

void world_fail(struct world *w, const char *format, ...)
{
	if (w->failed)
		return;
	va_list args;
	va_start(args, format);
	(void)vsnprintf(w->why, sizeof w->why, format, args);
	va_end(args);
	for (char *c = w->why; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	w->failed = true;
	world_trace(w, "FAILED: %s", w->why);
}

/* ---- members ---- */

static int64_t wall_clock(void *context)
{
	const struct world *w = context;
	return sim_now_ms(w->sim) + w->jump;
}

static int64_t mono_clock(void *context)
{
	const struct world *w = context;
	return world_now(w) + MONO_MS;
}

static struct policy quick_policy(void)
{
	struct policy p = policy_default();
	p.stable_checkpoints = 1;
	p.stable_after_ms = 2000;
	p.start_deadline_ms = 30000;
	p.savepoint_timeout_ms = 15000;
	p.delete_deadline_ms = 40000;
	return p;
}

static void member_open(struct world *w, int i)
{
	struct member *m = &w->members[i];
	int64_t now = world_now(w);
	memset(m, 0, sizeof *m);
	tap_open(&m->tap, w, i);
	m->rng = w->rng + (uint64_t)++w->incarnations;
	m->open = true;
	m->seen_commit = -1;
	m->lead_due = m->watch_due = m->poll_due = now;
	m->agent.config = &w->config;
	m->agent.http = &m->tap.http;
	m->agent.kube = kube_new(&m->tap.http);
	m->agent.clock = (struct clock){ .now_ms = wall_clock, .mono_ms = mono_clock, .context = w };
	m->agent.policy = quick_policy();
	m->agent.access = FLINK_ACCESS_PROXY;
	m->agent.random = random_seeded(&m->rng);
	m->agent.sources = source_port_of(m);
	m->agent.stores = w->stores;
	(void)snprintf(m->agent.identity, sizeof m->agent.identity, "agent-%d", w->incarnations);
	agent_open(&m->agent);
	world_trace(w, "agent %d starts as %s", i, m->agent.identity);
}

static void member_close(struct member *m, int64_t open_at)
{
	if (m->open) {
		m->tap.dead = true;
		agent_close(&m->agent);
		kube_free(m->agent.kube);
	}
	m->open = false;
	m->open_at = open_at;
}

/* Everything of one agent that is due now. */
static void member_steps(struct world *w, struct member *m)
{
	tap_current = &m->tap;
	if (m->lead_due <= world_now(w)) {
		int64_t wait = agent_lead_step(&m->agent);
		m->lead_due = world_now(w) + wait;
		check_step(w);
	}
	if (m->watch_due <= world_now(w) && !m->tap.dead) {
		int64_t wait = 0;
		for (size_t i = 0; i < kube_cache_tables(m->agent.cache) && !m->tap.dead; i++) {
			int64_t one = agent_watch_step(&m->agent, i, 0);
			wait = one > wait ? one : wait;
		}
		m->watch_due = world_now(w) + wait;
	}
	if (m->poll_due <= world_now(w) && !m->tap.dead)
		m->poll_due = world_now(w) + agent_poll_step(&m->agent, 0);
	int64_t wait = 0;
	for (int i = 0; i < TURNS && !m->tap.dead && !w->failed && agent_work_step(&m->agent, &wait); i++)
		check_step(w);
	w->now.row = -1;
	tap_current = NULL;
	if (m->tap.dead) {
		w->crash_at = w->crash_at > w->calls ? w->crash_at : 0;
		member_close(m, world_now(w) + RESTART_MS);
	}
}

void world_steps(struct world *w, int frozen)
{
	for (int i = 0; i < MEMBERS && !w->failed; i++) {
		struct member *m = &w->members[i];
		if (i == frozen)
			continue;
		if (!m->open && m->open_at <= world_now(w))
			member_open(w, i);
		if (m->open)
			member_steps(w, m);
	}
}

/* ---- time ---- */

static void due_steps(struct world *w)
{
	const struct course *s = w->schedule;
	for (int i = 0; i < s->count && !w->failed && !w->healed; i++) {
		const struct step *step = &s->steps[i];
		if (w->done[i] || step->f.call != 0 || step->kind == STEP_EFFECT || step->f.at > world_now(w))
			continue;
		w->done[i] = true;
		AUTOBUF text = BUF_INIT;
		step_print(step, &text);
		world_trace(w, "-- %s", buf_text(&text));
		action_run(w, step);
		check_step(w);
	}
}

static int64_t sooner(int64_t a, int64_t b, int64_t now)
{
	return b > now && b < a ? b : a;
}

static int64_t next_time(struct world *w, int64_t end, int frozen)
{
	int64_t now = world_now(w);
	int64_t next = sooner(end, now + (w->saved_job >= 0 ? WATCHFUL_MS : TICK_MS), now);
	for (int i = 0; i < w->schedule->count; i++)
		if (!w->done[i] && w->schedule->steps[i].f.call == 0)
			next = sooner(next, w->schedule->steps[i].f.at, now);
	for (int i = 0; i < MEMBERS; i++) {
		struct member *m = &w->members[i];
		if (i == frozen)
			continue;
		if (!m->open) {
			next = sooner(next, m->open_at, now);
			continue;
		}
		next = sooner(next, m->lead_due, now);
		next = sooner(next, m->watch_due, now);
		next = sooner(next, m->poll_due, now);
		int64_t due;
		AUTOFREE char *key = queue_take(m->agent.queue, -1, &due, NULL); /* nothing is ever due at -1: only looks */
		if (due != INT64_MAX)
			next = sooner(next, due - MONO_MS > now ? due - MONO_MS : now + 1, now);
	}
	return next;
}

bool world_pass(struct world *w, int64_t ms, int frozen)
{
	int64_t end = world_now(w) + ms;
	while (!w->failed) {
		due_steps(w);
		world_steps(w, frozen);
		if (w->calls > CALLS_MAX)
			world_fail(w, "more than %d port calls: something goes round in circles", CALLS_MAX);
		if (w->failed || world_now(w) >= end)
			break;
		int64_t next = next_time(w, end, frozen);
		sim_advance(w->sim, next - world_now(w));
		actions_expire(w);
		check_step(w);
	}
	return !w->failed;
}

/* ---- a run ---- */

static bool set_up(struct world *w)
{
	static struct clock clock;
	clock = (struct clock){ .now_ms = wall_clock, .mono_ms = mono_clock, .context = w };
	log_configure(&(struct log_config){ .level = w->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_COUNT, .fd = 1, .clock = &clock });
	w->sim = sim_new(w->schedule->seed);
	w->rng = w->schedule->seed;
	struct sim_options *o = sim_options(w->sim);
	o->start_ms = 200;
	o->boot_ms = 300;
	o->deploy_ms = 200;
	o->stop_ms = 100;
	o->savepoint_ms = 300;
	o->backoff_ms = 1000;
	o->watch_window = 200;
	w->start = sim_now_ms(w->sim);
	w->saved_job = -1;
	w->now.row = -1;
	for (int i = 0; i < JOBS; i++)
		w->consent_at[i] = w->last_start_at[i] = -1;
	for (int i = 0; i < MEMBERS; i++)
		w->members[i].open_at = i == 0 ? 0 : INT64_MAX;
	agent_config_init(&w->config);
	struct source_config *source = agent_config_add_source(&w->config);
	source->name = mem_strdup("repo");
	source->interval_ms = START_MS;
	struct sync_config *sync = agent_config_add_sync(&w->config);
	sync->name = mem_strdup("main");
	sync->source = mem_strdup("repo");
	sync->prune = true;
	w->config.ns = mem_strdup("default");
	w->config.cache_dir = w->scratch == NULL ? NULL : mem_strdup(w->scratch);
	struct error err;
	struct state_store store = sim_state_store(w->sim);
	if (!state_stores_open(NULL, 0, &w->stores, &err) ||
	    !(w->schedule->uncovered || state_stores_add(w->stores, "file:///", &store, &err)) || !sim_load_yaml(w->sim, setting, &err))
		world_fail(w, "set-up: %s", err.message);
	kill_probe = tap_probe;
	return !w->failed;
}

static void settle(struct world *w)
{
	char why[400] = "";
	int64_t end = world_now(w) + SETTLE_MS + (w->jump < 0 ? -w->jump : w->jump);
	for (int64_t wait = 1000; world_now(w) < end && !w->failed; wait = wait < 16000 ? wait * 2 : wait)
		if (check_settled(w, why) || !world_pass(w, wait, -1))
			break;
	if (!w->failed && !check_settled(w, why))
		world_fail(w, "invariant 5: not settled after %d s without faults: %s", SETTLE_MS / 1000, why);
}

/* Does a job restart again and again, or is a person asked while it runs on? Then there is something to tell. */
static bool eventful(struct world *w)
{
	for (int i = 0; i < JOBS; i++) {
		struct sim_job job;
		if (check_waits(w, i) || (sim_job(w->sim, "default", job_names[i], &job) && job.restarts > 0))
			return true;
	}
	return w->periodic;
}

/* Invariant 9: there is a time without any write, once the last news (a bounded job's end, stability) are told. */
static void stay_quiet(struct world *w)
{
	uint64_t before = 0;
	for (int i = 0; i < QUIET_TRIES && !w->failed; i++) {
		before = w->writes;
		if (!world_pass(w, QUIET_MS, -1) || w->writes == before)
			break;
	}
	char why[400];
	if (!w->failed && w->writes != before && !eventful(w))
		world_fail(w, "invariant 9: %llu writes with nothing to do", (unsigned long long)(w->writes - before));
	if (!w->failed && !eventful(w) && !check_settled(w, why))
		world_fail(w, "invariant 5: it did not stay settled: %s", why);
}

bool world_run(struct world *w)
{
	if (!set_up(w))
		return false;
	for (int i = 0; i < w->schedule->count; i++)
		if (w->schedule->steps[i].f.call == 0 && w->schedule->steps[i].f.at > w->end)
			w->end = w->schedule->steps[i].f.at;
	if (world_pass(w, w->end + TAIL_MS, -1)) {
		w->healed = true;
		action_heal(w);
		world_trace(w, "-- from here on nothing goes wrong");
		settle(w);
		if (!w->failed && !w->brief)
			stay_quiet(w);
	}
	if (w->coverage != NULL) {
		w->coverage->schedules++;
		w->coverage->calls += w->calls;
		w->coverage->starts += sim_start_count(w->sim);
		w->coverage->virtual_ms += (uint64_t)world_now(w);
	}
	return !w->failed;
}

void world_free(struct world *w)
{
	for (int i = 0; i < MEMBERS; i++)
		member_close(&w->members[i], INT64_MAX);
	agent_config_free(&w->config);
	commits_free(w);
	buf_free(&w->intents);
	state_stores_close(w->stores);
	sim_free(w->sim);
	w->sim = NULL;
	kill_probe = NULL;
}
