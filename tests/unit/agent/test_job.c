/* Turns of a job on the simulated cluster in virtual time: what a ledger that is gone, a switched resource and a refusing API lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "sim/faults.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"
#include "sync/state_copy.h"

enum { STEP_MS = 100, LIMIT_MS = 120000 };

static struct sim *sim;
static struct agent_config config;
static struct agent agent;
static uint64_t seed;
static int64_t start_ms, lead_due;

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
	lead_due = 0;
	agent_config_init(&config);
	config.ns = mem_strdup("default");
	memset(&agent, 0, sizeof agent);
	agent.config = &config;
	agent.http = sim_http(sim);
	agent.kube = kube_new(agent.http);
	agent.clock = (struct clock){ .now_ms = wall, .mono_ms = mono };
	agent.policy = policy_default();
	agent.policy.stable_checkpoints = 1;
	agent.policy.stable_after_ms = 1000;
	agent.access = FLINK_ACCESS_PROXY;
	agent.random = random_seeded(&seed);
	(void)snprintf(agent.identity, sizeof agent.identity, "one");
	agent_open(&agent);
	load("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: flink, namespace: default}\n");
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

static void until(const char *text)
{
	for (int64_t begin = mono(NULL); !job_has(text);) {
		step();
		if (mono(NULL) - begin > LIMIT_MS)
			fail_msg("no %s within %d ms", text, (int)LIMIT_MS);
	}
}

/* The JobManager Deployment's uid; "" for none. */
static void deployment(char uid[64])
{
	AUTODOC *doc = NULL;
	struct error why;
	ledger_set_text(uid, 64, "");
	if (kube_get(agent.kube, &KIND_DEPLOYMENT, "default", "orders", &doc, &why))
		ledger_set_text(uid, 64, node_find_text(doc_root(doc), "metadata/uid"));
	else
		assert_int_equal(why.kind, ERROR_NOT_FOUND);
}

static void patch_spec(const char *json)
{
	struct error err = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(json, strlen(json), "patch", NULL, &err);
	if (doc == NULL ||
	    !kube_patch(agent.kube, &KIND_FLINKDEPLOYMENT, "default", "orders", KUBE_MERGE_PATCH, NULL, doc_root(doc), NULL, &err))
		fail_msg("%s", err.message);
}

/* The preflight writes before any turn of the job does: a ledger that knows no more than that does not hide what the copy knows. */
static void test_copy_of_a_lost_ledger(void **state)
{
	(void)state;
	char uid[64];
	struct error err = ERROR_INIT;
	struct ledger lost;
	struct stored_ledger preflight = { .resource_version = "" };
	ledger_init(&lost);
	ledger_init(&preflight.ledger);
	ledger_note_state(&lost, "file:///data/savepoints/savepoint-1", 5);
	lost.next_launch = 7;
	LEDGER_SET(preflight.ledger.preflight_result, "passed");
	if (!state_copy_write(agent.kube, "default", "default", "orders", &lost, &err) ||
	    !ledger_store_write(agent.kube, "default", "orders", &preflight.ledger, &preflight, &err))
		fail_msg("%s", err.message);
	load(job_yaml);
	until("StateChoiceRequired");
	for (int i = 0; i < 100; i++)
		step();
	deployment(uid);
	assert_string_equal(uid, "");
	assert_true(ledger_store_read(agent.kube, "default", "orders", &preflight, &err));
	assert_int_equal(preflight.ledger.next_launch, 7);
	ledger_free(&preflight.ledger);
}

static void test_an_application_stays_one(void **state)
{
	(void)state;
	char before[64], after[64];
	load(job_yaml);
	until("\"lifecycleState\":\"STABLE\"");
	deployment(before);
	patch_spec("{\"spec\":{\"job\":null}}");
	until("cannot become");
	for (int i = 0; i < 300; i++)
		step();
	deployment(after);
	assert_string_equal(before, after);
	assert_true(job_has("\"state\":\"RUNNING\""));
}

static void test_a_refused_deployment_is_rolled_back(void **state)
{
	(void)state;
	load(job_yaml);
	until("\"lifecycleState\":\"STABLE\"");
	struct sim_fault fault = { .kind = SIM_FAULT_STATUS, .method = "POST", .path = "/deployments", .status = 422 };
	sim_fault(sim, &fault);
	patch_spec("{\"spec\":{\"image\":\"flink:1.20.1\"}}");
	until("\"lifecycleState\":\"ROLLED_BACK\"");
	assert_true(job_has("the cluster was refused"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_copy_of_a_lost_ledger, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_application_stays_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_refused_deployment_is_rolled_back, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
