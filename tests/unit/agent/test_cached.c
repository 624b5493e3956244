/* Turns through the cache, on the simulated cluster in virtual time: they cost nothing, are never behind, and do nothing on what is old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "sim/faults.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

enum { STEP_MS = 100, JOB_LIMIT_MS = 120000 };

static struct sim *sim;
static struct http counted;
static struct agent_config config;
static struct agent agent;
static uint64_t seed;
static unsigned reads, writes, flink; /* requests; Lease apart */
static int64_t start_ms, lead_due;

static void count(const struct http_request *request)
{
	if (strstr(request->path, "/leases") != NULL)
		return;
	unsigned *which = strstr(request->path, "/proxy/") != NULL ? &flink : strcmp(request->method, "GET") == 0 ? &reads : &writes;
	++*which;
}

static bool count_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	count(request);
	struct http *inner = context;
	return inner->send(inner->context, request, response, err);
}

/* Not counted: the server ends each watch after some minutes, and it is opened anew. */
static struct http_stream *open_watch(void *context, const struct http_request *request, int *status, struct buf *problem,
				      struct error *err)
{
	struct http *inner = context;
	return inner->open(inner->context, request, status, problem, err);
}

static int64_t wall(void *context)
{
	(void)context;
	return sim_now_ms(sim);
}

static int64_t mono(void *context)
{
	(void)context;
	return sim_now_ms(sim) - start_ms + 1000000;
}

static void load(const char *yaml)
{
	struct error err = ERROR_INIT;
	if (!sim_load_yaml(sim, yaml, &err))
		fail_msg("%s", err.message);
}

static const char job_yaml[] = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\n"
			       "metadata: {name: orders, namespace: default, annotations: {weir.dev/managed: \"true\"}}\n"
			       "spec:\n  image: flink:1.20\n  flinkVersion: v1_20\n  serviceAccount: flink\n  flinkConfiguration:\n"
			       "    execution.checkpointing.interval: 5s\n    state.checkpoints.dir: file:///data/checkpoints\n"
			       "    state.savepoints.dir: file:///data/savepoints\n    high-availability.type: kubernetes\n"
			       "    high-availability.storageDir: file:///data/ha\n"
			       "  jobManager: {resource: {cpu: 0.5, memory: 1024m}}\n  taskManager: {resource: {cpu: 0.5, memory: 1024m}}\n"
			       "  job: {jarURI: \"local:///opt/job.jar\", parallelism: 1, state: running, upgradeMode: savepoint}\n";

static int set_up(void **state)
{
	(void)state;
	sim = sim_new(3);
	start_ms = sim_now_ms(sim);
	seed = 5;
	reads = writes = flink = 0;
	lead_due = 0;
	struct http *inner = sim_http(sim);
	counted = (struct http){ .context = inner, .send = count_send, .open = open_watch, .read = inner->read, .close = inner->close };
	agent_config_init(&config);
	config.ns = mem_strdup("default");
	memset(&agent, 0, sizeof agent);
	agent.config = &config;
	agent.http = &counted;
	agent.kube = kube_new(&counted);
	agent.clock = (struct clock){ .now_ms = wall, .mono_ms = mono };
	agent.policy = policy_default();
	agent.policy.stable_checkpoints = 1;
	agent.policy.stable_after_ms = 1000;
	agent.access = FLINK_ACCESS_PROXY;
	agent.random = random_seeded(&seed);
	(void)snprintf(agent.identity, sizeof agent.identity, "one");
	agent_open(&agent);
	load("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: flink, namespace: default}\n");
	load(job_yaml);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(sim_violations(sim), 0);
	assert_int_equal(sim_empty_starts(sim), 0);
	agent_close(&agent);
	kube_free(agent.kube);
	agent_config_free(&config);
	sim_free(sim);
	return 0;
}

static void step(void)
{
	int64_t ignored;
	if (lead_due <= mono(NULL))
		lead_due = mono(NULL) + agent_lead_step(&agent);
	for (size_t i = 0; i < kube_cache_tables(agent.cache); i++)
		(void)agent_watch_step(&agent, i, 0);
	for (int i = 0; i < 50 && agent_work_step(&agent, &ignored); i++)
		;
	sim_advance(sim, STEP_MS);
}

static bool job_has(const char *text)
{
	AUTOFREE char *json = sim_object_json(sim, "flink.apache.org/flinkdeployments", "default", "orders");
	return json != NULL && strstr(json, text) != NULL;
}

/* Milliseconds until the resource has the text. */
static int64_t until(const char *text)
{
	int64_t begin = mono(NULL);
	while (!job_has(text)) {
		step();
		if (mono(NULL) - begin > JOB_LIMIT_MS)
			fail_msg("no %s within %d ms", text, (int)JOB_LIMIT_MS);
	}
	return mono(NULL) - begin;
}

#define STABLE "\"lifecycleState\":\"STABLE\""

static void set_state(const char *wanted)
{
	AUTODOC *doc = doc_new();
	struct node *change = node_map(doc);
	struct node *spec = node_ensure_map(doc, change, "spec");
	node_set_text(doc, node_ensure_map(doc, spec, "job"), "state", wanted);
	assert_true(kube_patch(agent.kube, &KIND_FLINKDEPLOYMENT, "default", "orders", KUBE_MERGE_PATCH, NULL, change, NULL, NULL));
}

static void test_a_quiet_job_costs_nothing(void **state)
{
	(void)state;
	(void)until(STABLE);
	for (int64_t begin = mono(NULL); mono(NULL) - begin < 5000;)
		step(); /* its own last writes come back as events */
	reads = writes = flink = 0;
	for (int64_t begin = mono(NULL); mono(NULL) - begin < 60000;)
		step();
	assert_int_equal(reads, 0);
	assert_int_equal(writes, 0);
	assert_in_range(flink, 3, 6);	/* it was looked at all the same, with one request each time */
	for (int i = 0; i < 620; i++) { /* it has run well for long: less often */
		step();
		sim_advance(sim, 1000);
	}
	reads = writes = flink = 0;
	for (int64_t begin = mono(NULL); mono(NULL) - begin < 240000;)
		step();
	assert_int_equal(reads + writes, 0);
	assert_in_range(flink, 3, 6);
	set_state("suspended");
	(void)until("\"lifecycleState\":\"SUSPENDED\"");
	for (int64_t begin = mono(NULL); mono(NULL) - begin < 5000;)
		step();
	reads = writes = flink = 0;
	for (int64_t begin = mono(NULL); mono(NULL) - begin < 60000;)
		step();
	assert_int_equal(reads + writes + flink, 0);
}

/* What a look sees, through the cache or at the server. */
static void observe(struct kube *from, struct observation *out)
{
	AUTODOC *doc = NULL;
	struct stored_ledger stored;
	struct job_view view;
	struct error err = ERROR_INIT;
	if (!kube_get(from, &KIND_FLINKDEPLOYMENT, "default", "orders", &doc, &err))
		fail_msg("%s", err.message);
	subject_open(&view, from, &KIND_FLINKDEPLOYMENT, doc_root(doc));
	assert_true(ledger_store_read(from, "default", view.ledger_name, &stored, &err));
	assert_true(observe_config(node_get(doc_root(doc), "spec"), "orders", "default", &view, &err));
	observe_job(&agent, &view, &stored.ledger, out);
	ledger_free(&stored.ledger);
	subject_free(&view);
}

static unsigned compared;

static void compare(void)
{
	struct observation live, kept;
	for (size_t i = 0; i < kube_cache_tables(agent.cache); i++)
		assert_true(cached_step(&agent, i, 0, NULL));
	observe(agent.kube, &live);
	observe(kube_cache_reader(agent.cache), &kept);
	compared += live.jm == SEEN_PRESENT && live.ha_checkpoint;
	if (job_has(STABLE) && kept.checkpoints == SEEN_UNKNOWN) { /* not asked for */
		kept.checkpoints = live.checkpoints;
		kept.checkpoints_completed = live.checkpoints_completed;
		kept.checkpoints_failed = live.checkpoints_failed;
		memcpy(kept.checkpoint_path, live.checkpoint_path, sizeof kept.checkpoint_path);
		memcpy(kept.savepoint_path, live.savepoint_path, sizeof kept.savepoint_path);
	}
	assert_memory_equal(&live, &kept, sizeof live);
}

static void test_the_same_is_seen(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) { /* start, run */
		step();
		compare();
	}
	assert_true(job_has(STABLE));
	assert_true(compared > 10);
	assert_true(sim_jobmanager_kill(sim, "default", "orders"));
	for (int i = 0; i < 100; i++) { /* its container restarts */
		step();
		compare();
	}
	set_state("suspended");
	for (int i = 0; i < 200; i++) {
		step();
		compare();
	}
	assert_true(job_has("\"lifecycleState\":\"SUSPENDED\""));
}

static void test_events_wake(void **state)
{
	(void)state;
	agent.policy.interval_ms = 3600000;
	(void)until(STABLE);
	for (int64_t begin = mono(NULL); mono(NULL) - begin < 5000;)
		step();
	AUTODOC *doc = NULL;
	assert_true(kube_get(agent.kube, &KIND_DEPLOYMENT, "default", "orders", &doc, NULL));
	AUTOFREE char *old = mem_strdup(node_find_text(doc_root(doc), "metadata/uid"));
	const struct kube_delete_options options = { .propagation = "Foreground", .grace_seconds = -1 };
	assert_true(kube_delete(agent.kube, &KIND_DEPLOYMENT, "default", "orders", &options, NULL));
	int64_t begin = mono(NULL);
	for (bool back = false; !back;) {
		step();
		AUTODOC *now = NULL;
		back = kube_get(agent.kube, &KIND_DEPLOYMENT, "default", "orders", &now, NULL) &&
		       strcmp(node_find_text(doc_root(now), "metadata/uid"), old) != 0;
		assert_true(mono(NULL) - begin < 60000); /* by the interval it would take an hour */
	}
	(void)until(STABLE);
}

/* Every look through the cache shows the past, and everything is done right, on live reads. */
static void test_old_news(void **state)
{
	(void)state;
	step();
	sim_watch_stall(sim, true);
	for (int64_t begin = mono(NULL); !job_has(STABLE); step()) {
		queue_add(agent.queue, "job/default/orders", mono(NULL));
		assert_true(mono(NULL) - begin < JOB_LIMIT_MS);
	}
	set_state("suspended"); /* the cache says that it runs and is to run */
	writes = 0;
	for (int i = 0; i < 50; i++) {
		queue_add(agent.queue, "job/default/orders", mono(NULL));
		step();
	}
	sim_watch_stall(sim, false);
	(void)until("\"lifecycleState\":\"SUSPENDED\"");
	sim_watch_stall(sim, true);
	set_state("running");
	for (int64_t begin = mono(NULL); !job_has(STABLE); step()) /* silent for too long: listed anew */
		assert_true(mono(NULL) - begin < JOB_LIMIT_MS + 120000);
}

/* Whoever does not lead asks nothing of anybody, and begins at once when it does. */
static void test_standby(void **state)
{
	(void)state;
	for (size_t i = 0; i < kube_cache_tables(agent.cache); i++)
		assert_true(cached_step(&agent, i, 0, NULL));
	int64_t ignored;
	while (agent_work_step(&agent, &ignored))
		;
	reads = writes = 0;
	for (int i = 0; i < 300; i++) {
		while (agent_work_step(&agent, &ignored))
			;
		sim_advance(sim, STEP_MS);
	}
	assert_int_equal(reads + writes, 0);
	lead_due = 0;
	step();
	assert_true(writes > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	log_configure(&(struct log_config){ .level = getenv("VERBOSE") != NULL ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, .fd = 2 });
	const struct CMUnitTest tests[] = { TEST(test_a_quiet_job_costs_nothing), TEST(test_the_same_is_seen), TEST(test_events_wake),
					    TEST(test_old_news), TEST(test_standby) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
