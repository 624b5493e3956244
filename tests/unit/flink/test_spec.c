#include "flink_test.h"

#include "flink/spec.h"

static const char good[] = "metadata: {name: orders, namespace: shop}\n"
			   "spec:\n"
			   "  flinkVersion: v1_20\n"
			   "  image: flink:1.20\n"
			   "  serviceAccount: flink\n"
			   "  flinkConfiguration: {state.checkpoints.dir: 's3://c', state.savepoints.dir: 's3://s'}\n"
			   "  jobManager: {resource: {memory: 2048m, cpu: 1}}\n"
			   "  taskManager: {resource: {memory: 2048m, cpu: 1}}\n"
			   "  job: {jarURI: 'local:///a.jar', parallelism: 2, upgradeMode: savepoint}\n";

struct seen {
	char fields[20][120], messages[20][400];
	size_t count;
};

static void note(void *data, const char *field, const char *message)
{
	struct seen *seen = data;
	assert_true(seen->count < 20);
	(void)snprintf(seen->fields[seen->count], sizeof(seen->fields[0]), "%s", field);
	(void)snprintf(seen->messages[seen->count], sizeof(seen->messages[0]), "%s", message);
	seen->count++;
}

/* `change` is put over the good resource; maps are merged, null removes. */
static void overlay(struct doc *doc, struct node *into, const struct node *change)
{
	for (size_t i = 0; i < node_count(change); i++) {
		const char *key = node_key_at(change, i);
		const struct node *value = node_value_at(change, i);
		if (node_kind(value) == NODE_NULL)
			(void)node_remove(into, key);
		else if (node_is(value, NODE_MAP) && node_is(node_get(into, key), NODE_MAP))
			overlay(doc, node_get(into, key), value);
		else
			node_set(doc, into, key, node_copy(doc, value));
	}
}

static struct seen validate(const char *change, const struct node *deployed)
{
	AUTODOC *doc = parse(good), *changes = parse(change);
	overlay(doc, doc_root(doc), doc_root(changes));
	struct seen seen = { .count = 0 };
	struct flink_spec_context context = { .deployed = deployed };
	size_t problems = flink_spec_validate(doc_root(doc), &context, note, &seen);
	assert_int_equal(problems, seen.count);
	return seen;
}

static void accepted(void **state)
{
	(void)state;
	static const char *const changes[] = {
		"{}",
		"{spec: {job: null}}",
		"{spec: {mode: standalone}}",
		"{spec: {job: {parallelism: null}, taskManager: {replicas: 2}}}",
		"{spec: {jobManager: {resource: null, resources: {limits: {memory: 2Gi, cpu: 500m}}}}}",
		"{spec: {jobManager: {resource: null}, flinkConfiguration: {jobmanager.memory.flink.size: 1g}}}",
		"{spec: {jobManager: {replicas: 2}, flinkConfiguration: {high-availability: kubernetes}}}",
		"{spec: {flinkConfiguration: {job.autoscaler.enabled: 'true', job.autoscaler.utilization.target: '0.7'}}}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct seen seen = validate(changes[i], NULL);
		if (seen.count > 0)
			fail_msg("%s: %s: %s", changes[i], seen.fields[0], seen.messages[0]);
	}
}

static void refused(void **state)
{
	(void)state;
	static const struct {
		const char *change, *field, *words;
	} rows[] = {
		{ "{metadata: {name: Orders}}", "metadata.name", "lower-case" },
		{ "{metadata: {name: orders-}}", "metadata.name", "orders-" },
		{ "{metadata: {name: a123456789-123456789-123456789-123456789-12345}}", "metadata.name", "45" },
		{ "{spec: {flinkVersion: null}}", "spec.flinkVersion", "must be set" },
		{ "{spec: {flinkVersion: v1_14}}", "spec.flinkVersion", "v1_15, v1_16, v1_17, v1_18, v1_19, v1_20, v2_0" },
		{ "{spec: {flinkConfiguration: {kubernetes: {cluster-id: x}}}}", "spec.flinkConfiguration.kubernetes.cluster-id", "must not" },
		{ "{spec: {flinkConfiguration: {kubernetes.operator.deployment.rollback.enabled: 'true'}}}",
		  "spec.flinkConfiguration.kubernetes.operator.deployment.rollback.enabled", "high-availability" },
		{ "{spec: {flinkConfiguration: {kubernetes.operator.cluster.health-check.enabled: 'true', "
		  "kubernetes.operator.jm-deployment-recovery.enabled: 'false'}}}",
		  "spec.flinkConfiguration.kubernetes.operator.cluster.health-check.enabled", "recovery" },
		{ "{spec: {ingress: {className: x}}}", "spec.ingress.template", "must be set" },
		{ "{spec: {ingress: {template: 'a b'}}}", "spec.ingress.template", "a b" },
		{ "{spec: {logConfiguration: {other.xml: x}}}", "spec.logConfiguration", "log4j-console.properties" },
		{ "{spec: {flinkConfiguration: {state.checkpoints.dir: ' '}}}", "spec.flinkConfiguration.execution.checkpointing.dir", "last-state" },
		{ "{spec: {flinkConfiguration: {state.savepoints.dir: null}}}", "spec.flinkConfiguration.execution.checkpointing.savepoint-dir",
		  "savepoint" },
		{ "{spec: {job: {upgradeMode: stateless, savepointTriggerNonce: 1}, flinkConfiguration: {state.savepoints.dir: null}}}",
		  "spec.flinkConfiguration.execution.checkpointing.savepoint-dir", "savepointTriggerNonce" },
		{ "{spec: {job: {upgradeMode: sometimes}}}", "spec.job.upgradeMode", "stateless, savepoint, last-state" },
		{ "{spec: {job: {state: paused}}}", "spec.job.state", "running, suspended" },
		{ "{spec: {job: {jarURI: null}}}", "spec.job.jarURI", "entryClass" },
		{ "{spec: {job: {parallelism: 0}}}", "spec.job.parallelism", "at least 1" },
		{ "{spec: {job: {args: one}}}", "spec.job.args", "list" },
		{ "{spec: {taskManager: {replicas: 0}}}", "spec.taskManager.replicas", "at least 1" },
		{ "{spec: {jobManager: {resource: null}}}", "spec.jobManager.resource.memory", "jobmanager.memory.process.size" },
		{ "{spec: {taskManager: {resource: {memory: 2 gigs}}}}", "spec.taskManager", "2 gigs" },
		{ "{spec: {taskManager: {resource: {ephemeralStorage: lots}}}}", "spec.taskManager.resource.ephemeralStorage", "lots" },
		{ "{spec: {jobManager: {resources: {requests: {memory: 2Gi, cpu: 0}}}}}", "spec.jobManager.resources.requests.cpu", "positive" },
		{ "{spec: {jobManager: {resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}}}", "spec.jobManager", "exceed" },
		{ "{spec: {jobManager: {replicas: 2}}}", "spec.jobManager.replicas", "high-availability" },
		{ "{spec: {mode: hybrid}}", "spec.mode", "native, standalone" },
		{ "{spec: {imagePullPolicy: Maybe}}", "spec.imagePullPolicy", "IfNotPresent, Always, Never" },
		{ "{spec: {serviceAccount: null}}", "spec.serviceAccount", "must be set" },
		{ "{spec: {flinkConfiguration: {job.autoscaler.enabled: 'true', job.autoscaler.utilization.target: '1.7'}}}",
		  "spec.flinkConfiguration.job.autoscaler.utilization.target", "from 0 to 1" },
		{ "{spec: {flinkConfiguration: {a: [{b: c}]}}}", "spec.flinkConfiguration", "a: a list" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seen seen = validate(rows[i].change, NULL);
		bool found = false;
		for (size_t k = 0; k < seen.count; k++)
			found = found || (strcmp(seen.fields[k], rows[i].field) == 0 && strstr(seen.messages[k], rows[i].words) != NULL);
		if (!found)
			fail_msg("%s: %zu problems, the first is %s: %s", rows[i].change, seen.count, seen.fields[0], seen.messages[0]);
	}
}

static void compared_with_the_deployed(void **state)
{
	(void)state;
	AUTODOC *before = parse(good);
	struct node *deployed = node_get(doc_root(before), "spec");
	assert_int_equal(validate("{}", deployed).count, 0);
	assert_string_equal(validate("{spec: {job: null}}", deployed).fields[0], "spec.job");
	assert_string_equal(validate("{spec: {mode: standalone}}", deployed).fields[0], "spec.mode");
	assert_string_equal(validate("{spec: {job: {savepointRedeployNonce: 2}}}", deployed).fields[0], "spec.job.initialSavepointPath");
	assert_int_equal(validate("{spec: {job: {savepointRedeployNonce: 2, initialSavepointPath: 's3://x'}}}", deployed).count, 0);
	node_set_text(before, node_get(deployed, "job"), "state", "suspended");
	node_set_text(before, node_get(deployed, "job"), "upgradeMode", "last-state");
	assert_string_equal(validate("{spec: {flinkVersion: v1_19}}", deployed).fields[0], "spec.flinkVersion");
	assert_int_equal(validate("{spec: {flinkVersion: v1_19, job: {upgradeMode: stateless}}}", deployed).count, 0);
}

static void first_problem_as_an_error(void **state)
{
	(void)state;
	AUTODOC *doc = parse(good);
	struct error err = ERROR_INIT;
	assert_true(flink_spec_check(doc_root(doc), NULL, &err));
	(void)node_remove(node_get(doc_root(doc), "spec"), "serviceAccount");
	node_set_text(doc, node_get(doc_root(doc), "spec"), "flinkVersion", "1.20");
	assert_false(flink_spec_check(doc_root(doc), NULL, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_true(str_starts(err.message, "spec.flinkVersion: expected one of v1_15"));
	AUTODOC *empty = parse("{metadata: {name: a}}");
	assert_false(flink_spec_check(doc_root(empty), NULL, &err));
	assert_true(str_starts(err.message, "spec: "));
	assert_false(flink_spec_check(NULL, NULL, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(accepted), cmocka_unit_test(refused), cmocka_unit_test(compared_with_the_deployed),
					    cmocka_unit_test(first_problem_as_an_error) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
