#include "agent/agent.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/watch.h"
#include "serve/health.h"
#include "sync/kinds.h"

enum { WORKERS = 4, BACKOFF_FIRST_MS = 500, BACKOFF_MAX_MS = 30000, LEASE_TERM_S = 15, LEASE_STEP_MS = 3000, SHUTDOWN_MS = 4500 };

bool agent_may_act(void *context)
{
	struct agent *agent = context;
	return atomic_load(&agent->leading) && clock_mono_ms(&agent->clock) < atomic_load(&agent->lease_until);
}

static int64_t now(const struct agent *agent)
{
	return clock_mono_ms(&agent->clock);
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

struct failures { /* how often each key failed in a row; a worker's own guess is good enough for a back-off */
	char key[200];
	unsigned count;
};

static int64_t run_key(struct agent *agent, char *key, struct error *err)
{
	if (str_starts(key, "sync/"))
		return sync_turn(agent, key + 5, err);
	char *ns = key + 4; /* job/NAMESPACE/NAME */
	char *slash = strchr(ns, '/');
	if (!str_starts(key, "job/") || slash == NULL) {
		(void)error_set(err, ERROR_BUG, "no such key");
		return -1;
	}
	*slash = '\0';
	int64_t next = job_turn(agent, ns, slash + 1, err);
	*slash = '/';
	return next;
}

static void *worker(void *context)
{
	struct agent *agent = context;
	static _Thread_local struct failures failed[64];
	while (!atomic_load(&agent->stopping)) {
		int64_t next;
		char *key = queue_take(agent->queue, now(agent), &next);
		if (key == NULL) {
			int64_t wait = next == INT64_MAX ? 60000 : next - now(agent);
			queue_wait(agent->queue, wait < 1 ? 1 : wait > 60000 ? 60000 : wait);
			continue;
		}
		unsigned hash = 0;
		for (const char *p = key; *p != '\0'; p++)
			hash = hash * 31 + (unsigned char)*p;
		struct failures *f = &failed[hash % ARRAY_SIZE(failed)];
		if (strncmp(f->key, key, sizeof f->key - 1) != 0) {
			(void)snprintf(f->key, sizeof f->key, "%s", key);
			f->count = 0;
		}
		struct error err = ERROR_INIT;
		int64_t delay = run_key(agent, key, &err);
		metrics_add(agent->metrics, METRIC_TURNS, 1, delay < 0 ? error_kind_name(err.kind) : "ok", NULL);
		if (delay < 0) {
			f->count++;
			delay = err.kind == ERROR_CONFLICT && f->count < 3 ? 50 : backoff(agent, f->count, &err);
			log_event(f->count > 1 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "turn failed", "key", key, "kind",
				  error_kind_name(err.kind), "error", err.message, NULL);
		} else {
			f->count = 0;
		}
		queue_done(agent->queue, key, delay == INT64_MAX ? INT64_MAX : now(agent) + delay);
		free(key);
	}
	return NULL;
}

/* ---- watcher of FlinkDeployments ---- */

static void wake_syncs(struct agent *agent)
{
	for (size_t i = 0; i < agent->config->sync_count; i++) {
		AUTOFREE char *key = mem_printf("sync/%s", agent->config->syncs[i].name);
		queue_add(agent->queue, key, now(agent));
	}
}

static void on_flink(void *context, enum kube_watch_type event, const struct node *object)
{
	struct agent *agent = context;
	if (event == KUBE_WATCH_SYNCED)
		return;
	AUTOFREE char *key = mem_printf("job/%s/%s", node_text_or(node_find(object, "metadata/namespace"), ""),
					node_text_or(node_find(object, "metadata/name"), ""));
	queue_add(agent->queue, key, now(agent));
	if (event == KUBE_WATCH_DELETED)
		wake_syncs(agent);
}

static void nap(struct agent *agent, int64_t ms)
{
	for (int64_t until = now(agent) + ms; !atomic_load(&agent->stopping) && now(agent) < until;) {
		struct timespec slice = { .tv_nsec = 50 * 1000000 };
		(void)nanosleep(&slice, NULL);
	}
}

static void *watcher(void *context)
{
	struct agent *agent = context;
	struct kube_watch *watch = kube_watch_new(agent->kube, &KIND_FLINKDEPLOYMENT, agent->watch_ns, NULL);
	unsigned failures = 0;
	while (!atomic_load(&agent->stopping)) {
		struct error err = ERROR_INIT;
		if (kube_watch_step(watch, 500, on_flink, agent, &err)) {
			failures = 0;
			continue;
		}
		failures++;
		if (failures == 1 || failures % 10 == 0)
			log_event(LOG_LEVEL_WARN, "watch failed", "kind", KIND_FLINKDEPLOYMENT.kind, "error", err.message, NULL);
		nap(agent, backoff(agent, failures, &err));
	}
	kube_watch_free(watch);
	return NULL;
}

/* ---- pollers of sources ---- */

struct poller {
	struct agent *agent;
	size_t source;
	pthread_t thread;
};

static void *poll_source(void *context)
{
	struct poller *p = context;
	struct agent *agent = p->agent;
	const struct source_config *source = &agent->config->sources[p->source];
	unsigned failures = 0;
	while (!atomic_load(&agent->stopping)) {
		struct error err = ERROR_INIT;
		bool changed = false;
		bool ok = revisions_poll(agent->revisions, p->source, &changed, &err);
		failures = ok ? 0 : failures + 1;
		atomic_store(&agent->polled, true);
		metrics_add(agent->metrics, METRIC_SOURCE_POLLS, 1, source->name, ok ? "ok" : error_kind_name(err.kind), NULL);
		if (!ok && changed)
			log_event(LOG_LEVEL_WARN, "source cannot be read", "source", source->name, "error", err.message, NULL);
		if (changed) {
			for (size_t i = 0; i < agent->config->sync_count; i++) {
				if (strcmp(agent->config->syncs[i].source, source->name) != 0)
					continue;
				AUTOFREE char *key = mem_printf("sync/%s", agent->config->syncs[i].name);
				queue_add(agent->queue, key, now(agent));
			}
		}
		int64_t wait = ok ? source->interval_ms : backoff(agent, failures, &err);
		nap(agent, wait > source->interval_ms || ok ? wait : source->interval_ms);
	}
	return NULL;
}

/* ---- leadership ---- */

static void *lead(void *context)
{
	struct agent *agent = context;
	while (!atomic_load(&agent->stopping)) {
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
			log_event(LOG_LEVEL_INFO, leads ? "this agent leads" : "this agent does not lead", "identity", agent->identity,
				  NULL);
		if (leads && !was)
			wake_syncs(agent);
		nap(agent, held ? LEASE_STEP_MS : 1000);
	}
	return NULL;
}

/* ---- life ---- */

static void shut_down_hard(int signal_number)
{
	(void)signal_number;
	_exit(0); /* the ledger is written before every effect: any point is a safe one */
}

static void wait_for_signal(struct agent *agent)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	int got = 0;
	while (sigwait(&set, &got) != 0)
		;
	log_event(LOG_LEVEL_INFO, "stopping", "signal", got == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
	struct sigaction action = { .sa_handler = shut_down_hard };
	(void)sigaction(SIGALRM, &action, NULL);
	struct timespec limit = { .tv_sec = SHUTDOWN_MS / 1000, .tv_nsec = SHUTDOWN_MS % 1000 * 1000000 };
	struct itimerspec when = { .it_value = limit };
	timer_t timer;
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
		(void)timer_settime(timer, 0, &when, NULL);
	atomic_store(&agent->stopping, true);
	queue_wake(agent->queue);
	revisions_cancel(agent->revisions);
}

static bool is_ready(void *context, struct buf *why)
{
	struct agent *agent = context;
	if (agent->config->source_count == 0 || atomic_load(&agent->polled))
		return true;
	buf_puts(why, "no source was read yet");
	return false;
}

/* "ADDRESS:PORT"; an IPv6 address stands in brackets. */
static struct serve *start_serving(struct agent *agent, struct health *health, struct error *err)
{
	const char *listen = agent->config->listen;
	const char *colon = strrchr(listen, ':');
	char *end = NULL;
	unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
	if (colon == NULL || end == colon + 1 || *end != '\0' || port > 65535) {
		(void)error_set(err, ERROR_INVALID, "listen: %s: expected ADDRESS:PORT", listen);
		return NULL;
	}
	bool brackets = listen[0] == '[' && colon > listen && colon[-1] == ']';
	AUTOFREE char *address =
		brackets ? mem_strndup(listen + 1, (size_t)(colon - listen) - 2) : mem_strndup(listen, (size_t)(colon - listen));
	return serve_start(*address == '\0' ? "0.0.0.0" : address, (uint16_t)port, health_handle, health, err);
}

bool agent_run(struct agent *agent, struct error *err)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return error_set(err, ERROR_BUG, "signals: %s", strerror(errno));
	char host[40] = "weir";
	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(agent->identity, sizeof agent->identity, "%s-%08llx", host,
		       (unsigned long long)(random_next(&agent->random) & 0xffffffff));
	agent->metrics = metrics_new();
	metrics_set(agent->metrics, METRIC_BUILD_INFO, 1, WEIR_VERSION, NULL);
	struct health health = { .metrics = agent->metrics, .context = agent, .ready = is_ready };
	struct serve *serve = NULL;
	if (agent->config->listen != NULL && (serve = start_serving(agent, &health, err)) == NULL) {
		metrics_free(agent->metrics);
		return false;
	}
	agent->queue = queue_new();
	agent->revisions = revisions_new(agent->config);
	agent->lease = lease_new(agent->kube, agent->config->ns, "weir-agent", agent->identity, LEASE_TERM_S);

	pthread_t workers[WORKERS];
	pthread_t watch;
	pthread_t leader;
	AUTOFREE struct poller *pollers = mem_array(agent->config->source_count, sizeof *pollers);
	pthread_create(&leader, NULL, lead, agent);
	pthread_create(&watch, NULL, watcher, agent);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, worker, agent);
	for (size_t i = 0; i < agent->config->source_count; i++) {
		pollers[i] = (struct poller){ .agent = agent, .source = i };
		pthread_create(&pollers[i].thread, NULL, poll_source, &pollers[i]);
	}
	log_event(LOG_LEVEL_INFO, "agent started", "version", WEIR_VERSION, "identity", agent->identity, NULL);
	wait_for_signal(agent);
	for (size_t i = 0; i < agent->config->source_count; i++)
		pthread_join(pollers[i].thread, NULL);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_join(watch, NULL);
	pthread_join(leader, NULL);
	(void)lease_release(agent->lease, clock_now_ms(&agent->clock), NULL);
	lease_free(agent->lease);
	revisions_free(agent->revisions);
	queue_free(agent->queue);
	serve_stop(serve);
	metrics_free(agent->metrics);
	log_event(LOG_LEVEL_INFO, "agent stopped", NULL);
	return true;
}
