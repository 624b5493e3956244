#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/http_curl.h"
#include "http/http_tap.h"
#include "serve/health.h"

/* At the end, requests under way get the grace, and giving the Lease back its time, which is short where nobody answered before. */
enum { SHUTDOWN_MS = 4500, GRACE_MS = 300, RELEASE_MS = 2000, RELEASE_UNLIKELY_MS = 500 };
enum { WORKERS = 8, WATCH_WAIT_MS = 500, IDLE_MS = 60000 };

/* ---- threads: each repeats one step ---- */

static void *worker(void *context)
{
	struct agent *agent = context;
	while (!atomic_load(&agent->stopping)) {
		int64_t wait;
		if (!agent_work_step(agent, &wait))
			queue_wait(agent->queue, wait < 1 ? 1 : wait > IDLE_MS ? IDLE_MS : wait);
	}
	atomic_fetch_sub(&agent->busy, 1);
	return NULL;
}

static void nap(struct agent *agent, int64_t ms)
{
	for (int64_t until = clock_mono_ms(&agent->clock) + ms; !atomic_load(&agent->stopping) && clock_mono_ms(&agent->clock) < until;) {
		struct timespec slice = { .tv_nsec = 50 * 1000000 };
		(void)nanosleep(&slice, NULL);
	}
}

struct watcher {
	struct agent *agent;
	size_t table;
	pthread_t thread;
};

static void *watcher(void *context)
{
	struct watcher *w = context;
	while (!atomic_load(&w->agent->stopping))
		nap(w->agent, agent_watch_step(w->agent, w->table, WATCH_WAIT_MS));
	return NULL;
}

struct poller {
	struct agent *agent;
	size_t source;
	pthread_t thread;
};

static void *poller(void *context)
{
	struct poller *p = context;
	while (!atomic_load(&p->agent->stopping))
		nap(p->agent, agent_poll_step(p->agent, p->source));
	atomic_fetch_sub(&p->agent->busy, 1);
	return NULL;
}

static void *leader(void *context)
{
	struct agent *agent = context;
	while (!atomic_load(&agent->stopping))
		nap(agent, agent_lead_step(agent));
	atomic_fetch_sub(&agent->busy, 1);
	return NULL;
}

/* ---- life ---- */

static void shut_down_hard(int signal_number)
{
	(void)signal_number;
	_exit(0); /* the ledger is written before every effect: any point is a safe one */
}

/* Whatever hangs then, the process ends after that time. */
static void end_within(int64_t ms)
{
	struct sigaction action = { .sa_handler = shut_down_hard };
	(void)sigaction(SIGALRM, &action, NULL);
	struct itimerspec when = { .it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 } };
	timer_t timer;
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
		(void)timer_settime(timer, 0, &when, NULL);
}

static void wait_for_signal(struct agent *agent, struct revisions *revisions)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	int got = 0;
	while (sigwait(&set, &got) != 0)
		;
	log_event(LOG_LEVEL_INFO, "stopping", "signal", got == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
	end_within(SHUTDOWN_MS);
	atomic_store(&agent->stopping, true);
	queue_wake(agent->queue);
	revisions_cancel(revisions);
}

/* Requests under way may end by themselves for a while, and are then no longer waited for. True: all did. */
static bool let_end(struct agent *agent)
{
	const int64_t until = clock_mono_ms(&agent->clock) + GRACE_MS;
	while (atomic_load(&agent->busy) > 0 && clock_mono_ms(&agent->clock) < until) {
		struct timespec slice = { .tv_nsec = 10 * 1000000 };
		(void)nanosleep(&slice, NULL);
	}
	bool all = atomic_load(&agent->busy) == 0;
	http_curl_interrupt(true);
	return all;
}

static void count_api(void *context, const char *method, const char *code)
{
	metrics_add(context, METRIC_API_REQUESTS, 1, method, code, NULL);
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
	(void)mallopt(M_ARENA_MAX, 2); /* an arena for each thread would hold megabytes, mostly free */
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
	struct http *tap = http_tap_new(agent->http, count_api, agent->metrics);
	agent->http = tap;
	agent->kube = kube_new(tap);
	struct revisions *revisions = revisions_new(agent->config);
	agent->sources = revisions_port(revisions);
	agent_open(agent);

	pthread_t workers[WORKERS];
	pthread_t lead;
	atomic_store(&agent->busy, (unsigned)(WORKERS + 1 + agent->config->source_count));
	AUTOFREE struct poller *pollers = mem_array(agent->config->source_count, sizeof *pollers);
	pthread_create(&lead, NULL, leader, agent);
	size_t tables = kube_cache_tables(agent->cache);
	AUTOFREE struct watcher *watchers = mem_array(tables, sizeof *watchers);
	for (size_t i = 0; i < tables; i++) {
		watchers[i] = (struct watcher){ .agent = agent, .table = i };
		pthread_create(&watchers[i].thread, NULL, watcher, &watchers[i]);
	}
	for (size_t i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, worker, agent);
	for (size_t i = 0; i < agent->config->source_count; i++) {
		pollers[i] = (struct poller){ .agent = agent, .source = i };
		pthread_create(&pollers[i].thread, NULL, poller, &pollers[i]);
	}
	log_event(LOG_LEVEL_INFO, "agent started", "version", WEIR_VERSION, "identity", agent->identity, NULL);
	wait_for_signal(agent, revisions);
	bool answered = let_end(agent);
	for (size_t i = 0; i < agent->config->source_count; i++)
		pthread_join(pollers[i].thread, NULL);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	for (size_t i = 0; i < tables; i++)
		pthread_join(watchers[i].thread, NULL);
	pthread_join(lead, NULL);
	http_curl_interrupt(false);
	end_within(answered ? RELEASE_MS : RELEASE_UNLIKELY_MS);
	(void)lease_release(agent->lease, clock_now_ms(&agent->clock), NULL);
	agent_close(agent);
	revisions_free(revisions);
	kube_free(agent->kube);
	http_tap_free(tap);
	serve_stop(serve);
	metrics_free(agent->metrics);
	log_event(LOG_LEVEL_INFO, "agent stopped", NULL);
	return true;
}
