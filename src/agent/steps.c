/* The steps of the agent: leadership, pollers, watcher, workers. Nothing here owns a thread, sleeps or reads a clock of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "sync/kinds.h"

enum {
	BACKOFF_FIRST_MS = 500,
	BACKOFF_MAX_MS = 30000,
	LEASE_TERM_S = 15,
	LEASE_STEP_MS = 3000,
	LEASE_WAIT_MS = 1000,
	CONFLICT_MS = 50,
	GONE_LOOKS = 5
};

static int64_t now(const struct agent *agent)
{
	return clock_mono_ms(&agent->clock);
}

bool agent_may_act(void *context)
{
	struct agent *agent = context;
	return atomic_load(&agent->leading) && now(agent) < atomic_load(&agent->lease_until);
}

void agent_open(struct agent *agent)
{
	agent->queue = queue_new();
	agent->lease = lease_new(agent->kube, agent->config->ns, "weir-agent", agent->identity, LEASE_TERM_S);
	agent->cache = cached_new(agent);
	agent->watch_failures = mem_array(kube_cache_tables(agent->cache), sizeof *agent->watch_failures);
	agent->poll_failures = mem_array(agent->config->source_count, sizeof *agent->poll_failures);
}

void agent_close(struct agent *agent)
{
	free(TAKE(agent->poll_failures));
	free(TAKE(agent->watch_failures));
	kube_cache_free(TAKE(agent->cache));
	lease_free(TAKE(agent->lease));
	queue_free(TAKE(agent->queue));
}

static int64_t backoff(struct agent *agent, unsigned failures, const struct error *err)
{
	int64_t wait = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < failures && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	if (err->retry_after_ms > wait)
		wait = err->retry_after_ms;
	return random_jitter_ms(&agent->random, wait);
}

/* ---- workers ---- */

static int64_t run_key(struct agent *agent, char *key, struct error *err)
{
	if (str_starts(key, "sync/"))
		return sync_turn(agent, key + 5, err);
	/* job/NAMESPACE/NAME, sessionjob/NAMESPACE/NAME, snapshot/NAMESPACE/NAME */
	const struct kube_resource *kind = str_starts(key, "job/") ? &KIND_FLINKDEPLOYMENT : &KIND_FLINKSESSIONJOB;
	char *ns = strchr(key, '/');
	char *slash = ns == NULL ? NULL : strchr(++ns, '/');
	if (slash == NULL) {
		(void)error_set(err, ERROR_BUG, "no such key: %s", key);
		return -1;
	}
	*slash = '\0';
	int64_t next = str_starts(key, "snapshot/") ? snapshot_turn(agent, ns, slash + 1, err) : job_turn(agent, kind, ns, slash + 1, err);
	*slash = '/';
	return next;
}

bool agent_work_step(struct agent *agent, int64_t *wait_ms)
{
	int64_t next;
	unsigned failures = 0;
	AUTOFREE char *key = queue_take(agent->queue, now(agent), &next, &failures);
	if (key == NULL) {
		*wait_ms = next == INT64_MAX ? INT64_MAX : next - now(agent);
		return false;
	}
	struct error err = ERROR_INIT;
	int64_t delay = run_key(agent, key, &err);
	metrics_add(agent->metrics, METRIC_TURNS, 1, delay < 0 ? error_kind_name(err.kind) : "ok", NULL);
	if (delay < 0) {
		failures++;
		delay = err.kind == ERROR_CONFLICT && failures < 3 ? CONFLICT_MS : backoff(agent, failures, &err);
		log_event(failures > 1 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "turn failed", "key", key, "kind", error_kind_name(err.kind),
			  "error", err.message, NULL);
	} else if (delay == INT64_MAX && strstr(key, "job/") != NULL && failures < GONE_LOOKS) {
		delay = backoff(agent, ++failures,
				&err); /* a definition that is not served for a moment looks like a resource that is gone */
	} else {
		failures = 0;
	}
	queue_done(agent->queue, key, delay == INT64_MAX ? INT64_MAX : now(agent) + delay, failures);
	return true;
}

/* ---- watchers ---- */

void agent_wake_syncs(struct agent *agent, const char *source)
{
	for (size_t i = 0; i < agent->config->sync_count; i++) {
		const struct sync_config *sync = &agent->config->syncs[i];
		AUTOFREE char *key = mem_printf("sync/%s", sync->name);
		if (source == NULL || strcmp(sync->source, source) == 0)
			queue_add(agent->queue, key, now(agent));
	}
}

int64_t agent_watch_step(struct agent *agent, size_t table, int64_t wait_ms)
{
	struct error err = ERROR_INIT;
	unsigned *failures = &agent->watch_failures[table];
	if (cached_step(agent, table, wait_ms, &err)) {
		*failures = 0;
		return 0;
	}
	++*failures;
	if ((*failures == 1 || *failures % 10 == 0) && !atomic_load(&agent->stopping))
		log_event(LOG_LEVEL_WARN, "watch failed", "kind", cached_name(agent, table), "error", err.message, NULL);
	return backoff(agent, *failures, &err);
}

/* ---- pollers of sources ---- */

int64_t agent_poll_step(struct agent *agent, size_t index)
{
	const struct source_config *source = &agent->config->sources[index];
	struct error err = ERROR_INIT;
	bool changed = false;
	bool ok = agent->sources.poll(agent->sources.context, index, &changed, &err);
	agent->poll_failures[index] = ok ? 0 : agent->poll_failures[index] + 1;
	atomic_store(&agent->polled, true);
	metrics_add(agent->metrics, METRIC_SOURCE_POLLS, 1, source->name, ok ? "ok" : error_kind_name(err.kind), NULL);
	if (!ok && changed)
		log_event(LOG_LEVEL_WARN, "source cannot be read", "source", source->name, "error", err.message, NULL);
	if (changed)
		agent_wake_syncs(agent, source->name);
	int64_t wait = ok ? source->interval_ms : backoff(agent, agent->poll_failures[index], &err);
	return wait > source->interval_ms ? wait : source->interval_ms;
}

/* ---- leadership ---- */

int64_t agent_lead_step(struct agent *agent)
{
	struct error err = ERROR_INIT;
	int64_t before = now(agent);
	bool told = lease_step(agent->lease, before, clock_now_ms(&agent->clock), &err);
	bool held = told && lease_may_act(agent->lease, now(agent));
	bool was = agent_may_act(agent);
	if (held) {
		/* two thirds of the term, counted from before the renewal was sent */
		atomic_store(&agent->lease_until, before + LEASE_TERM_S * 1000 * 2 / 3);
		atomic_store(&agent->leading, true);
	} else if (told) {
		atomic_store(&agent->leading, false); /* somebody else holds it */
	}
	bool leads = agent_may_act(agent);
	metrics_set(agent->metrics, METRIC_LEADER, leads ? 1 : 0, NULL);
	metrics_set(agent->metrics, METRIC_QUEUE_DEPTH, (double)queue_length(agent->queue), NULL);
	if (leads != was)
		log_event(LOG_LEVEL_INFO, leads ? "this agent leads" : "this agent does not lead", "identity", agent->identity, NULL);
	if (leads && !was) {
		agent_wake_syncs(agent, NULL);
		cached_wake_all(agent);
	}
	return held ? LEASE_STEP_MS : LEASE_WAIT_MS;
}
