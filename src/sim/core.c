/* The sim as a whole: its life, virtual clock, randomness, storage. */
#include <stdio.h>
#include <time.h>

#include "sim/internal.h"

enum { START_SECONDS = 1767225600 }; /* 2026-01-01T00:00:00Z */

void sim_lock(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
}

void sim_unlock(struct sim *sim)
{
	pthread_mutex_unlock(&sim->lock);
}

uint64_t sim_random(struct sim *sim)
{
	uint64_t z = sim->rng += 0x9e3779b97f4a7c15u; /* splitmix64 */
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void sim_random_text(struct sim *sim, char *out, size_t len, const char *alphabet)
{
	size_t n = strlen(alphabet);
	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[sim_random(sim) % n];
	out[len] = '\0';
}

void sim_time_text(int64_t ms, char out[32])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	(void)strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int64_t sim_time_parse(const char *text)
{
	struct tm tm = { 0 };
	if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return 0;
	return (int64_t)timegm(&tm) * 1000;
}

void sim_timer(struct sim *sim, int64_t after_ms, void (*run)(struct sim *sim, const char *key), const char *key)
{
	if (sim->timer_count == sim->timer_cap) {
		sim->timer_cap = sim->timer_cap ? sim->timer_cap * 2 : 32;
		sim->timers = mem_grow(sim->timers, sim->timer_cap, sizeof *sim->timers);
	}
	struct timer t = { .at = sim->now + (after_ms > 0 ? after_ms : 0), .seq = sim->seq++, .run = run, .key = mem_strdup(key) };
	size_t i = sim->timer_count;
	while (i > 0 && sim->timers[i - 1].at <= t.at)
		i--;
	memmove(sim->timers + i + 1, sim->timers + i, (sim->timer_count - i) * sizeof t);
	sim->timers[i] = t;
	sim->timer_count++;
}

void sim_pass(struct sim *sim, int64_t ms)
{
	int64_t until = sim->now + ms;
	while (sim->timer_count > 0 && sim->timers[sim->timer_count - 1].at <= until) {
		struct timer t = sim->timers[--sim->timer_count];
		if (t.at > sim->now)
			sim->now = t.at;
		t.run(sim, t.key);
		free(t.key);
	}
	if (until > sim->now)
		sim->now = until;
}

void sim_advance(struct sim *sim, int64_t ms)
{
	sim_lock(sim);
	sim_pass(sim, ms);
	sim_unlock(sim);
}

bool sim_run_until(struct sim *sim, int64_t limit_ms, bool (*done)(struct sim *sim, void *context), void *context)
{
	for (int64_t passed = 0; passed <= limit_ms; passed += 50) {
		if (done(sim, context))
			return true;
		sim_advance(sim, 50);
	}
	return false;
}

int64_t sim_now_ms(struct sim *sim)
{
	sim_lock(sim);
	int64_t now = sim->now;
	sim_unlock(sim);
	return now;
}

void sim_set_now(struct sim *sim, int64_t now_ms)
{
	sim_lock(sim);
	for (size_t i = 0; i < sim->timer_count; i++)
		sim->timers[i].at += now_ms - sim->now;
	sim->now = now_ms;
	sim_unlock(sim);
}

uint64_t sim_writes(struct sim *sim)
{
	sim_lock(sim);
	uint64_t rv = sim->rv;
	sim_unlock(sim);
	return rv;
}

struct sim_options *sim_options(struct sim *sim)
{
	return &sim->options;
}

unsigned sim_violations(struct sim *sim)
{
	sim_lock(sim);
	unsigned n = sim->violations;
	sim_unlock(sim);
	return n;
}

unsigned sim_empty_starts(struct sim *sim)
{
	sim_lock(sim);
	unsigned n = sim->empty_starts;
	sim_unlock(sim);
	return n;
}

/* ---- storage ---- */

static size_t stored_index(const struct stored *list, size_t count, const char *path)
{
	size_t low = 0, high = count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(list[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

char *stored_key(const char *path)
{
	return str_starts(path, "file:///") ? mem_printf("file:%s", path + strlen("file://")) : mem_strdup(path);
}

struct stored *stored_get(struct stored *list, size_t count, const char *given)
{
	AUTOFREE char *path = stored_key(given);
	size_t i = stored_index(list, count, path);
	return i < count && strcmp(list[i].path, path) == 0 ? &list[i] : NULL;
}

void stored_put(struct stored **list, size_t *count, const char *given, int64_t value)
{
	AUTOFREE char *path = stored_key(given);
	size_t i = stored_index(*list, *count, path);
	if (i < *count && strcmp((*list)[i].path, path) == 0) {
		(*list)[i].value = value;
		return;
	}
	*list = mem_grow(*list, *count + 1, sizeof **list);
	memmove(*list + i + 1, *list + i, (*count - i) * sizeof **list);
	(*list)[i] = (struct stored){ TAKE(path), value };
	(*count)++;
}

bool stored_remove(struct stored *list, size_t *count, const char *path)
{
	struct stored *s = stored_get(list, *count, path);
	if (s == NULL)
		return false;
	free(s->path);
	memmove(s, s + 1, (size_t)(list + *count - (s + 1)) * sizeof *s);
	(*count)--;
	return true;
}

static void stored_free(struct stored *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].path);
	free(list);
}

bool sim_storage_get(struct sim *sim, const char *path, int64_t *value)
{
	sim_lock(sim);
	struct stored *s = stored_get(sim->stored, sim->stored_count, path);
	if (s != NULL)
		*value = s->value;
	sim_unlock(sim);
	return s != NULL;
}

void sim_storage_put(struct sim *sim, const char *path, int64_t value)
{
	sim_lock(sim);
	stored_put(&sim->stored, &sim->stored_count, path, value);
	sim_unlock(sim);
}

size_t sim_storage_count(struct sim *sim, const char *prefix)
{
	size_t n = 0;
	while (sim_storage_at(sim, prefix, n) != NULL)
		n++;
	return n;
}

const char *sim_storage_at(struct sim *sim, const char *prefix, size_t i)
{
	sim_lock(sim);
	AUTOFREE char *key = stored_key(prefix);
	size_t at = stored_index(sim->stored, sim->stored_count, key) + i;
	const char *path = at < sim->stored_count && str_starts(sim->stored[at].path, key) ? sim->stored[at].path : NULL;
	sim_unlock(sim);
	return path;
}

/* ---- life ---- */

static void seed_object(struct sim *sim, const char *resource, const char *json)
{
	struct doc *doc = doc_parse_json(json, strlen(json), "sim", NULL, NULL);
	store_insert(sim, kind_of(sim, resource), doc);
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = mem_alloc(sizeof *sim);
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&sim->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_cond_init(&sim->changed, NULL);
	sim->options = (struct sim_options){ .schedule_ms = 50,
					     .start_ms = 500,
					     .boot_ms = 1500,
					     .deploy_ms = 500,
					     .stop_ms = 200,
					     .savepoint_ms = 500,
					     .result_ttl_ms = 300000,
					     .backoff_ms = 10000,
					     .bookmark_ms = 60000,
					     .watch_window = 1000 };
	sim->now = (int64_t)START_SECONDS * 1000;
	sim->rng = seed;
	sim->next_ip = 2;
	kinds_init(sim);
	seed_object(sim, "namespaces", "{\"metadata\":{\"name\":\"kube-system\"}}");
	seed_object(sim, "namespaces", "{\"metadata\":{\"name\":\"default\"}}");
	for (int i = 1; i <= 2; i++) {
		AUTOFREE char *node =
			mem_printf("{\"metadata\":{\"name\":\"node-%d\"},\"spec\":{},\"status\":{\"conditions\":[{\"type\":\"Ready\","
				   "\"status\":\"True\",\"reason\":\"KubeletReady\"}],\"nodeInfo\":{\"kubeletVersion\":\"v1.34.4\"}}}",
				   i);
		seed_object(sim, "nodes", node);
	}
	return sim;
}

void sim_free(struct sim *sim)
{
	if (sim == NULL)
		return;
	sim_stop(sim);
	flink_free(sim);
	faults_free(sim);
	store_free(sim);
	kinds_free(sim);
	for (size_t i = 0; i < sim->timer_count; i++)
		free(sim->timers[i].key);
	free(sim->timers);
	stored_free(sim->stored, sim->stored_count);
	stored_free(sim->results, sim->result_count);
	stored_free(sim->history, sim->history_count);
	lineage_free(sim);
	for (size_t i = 0; i < sim->frozen_count; i++)
		free(sim->frozen[i]);
	free(sim->frozen);
	for (size_t i = 0; i < sim->log_count; i++) {
		free(sim->logs[i].uid);
		free(sim->logs[i].text);
	}
	free(sim->logs);
	pthread_cond_destroy(&sim->changed);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
}
