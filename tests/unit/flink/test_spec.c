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
	unsigned lines[20];
	size_t count, warnings;
};

static void note(void *data, const struct flink_problem *problem)
{
	struct seen *seen = data;
	assert_true(seen->count < 20);
	(void)snprintf(seen->fields[seen->count], sizeof(seen->fields[0]), "%s", problem->field);
	(void)snprintf(seen->messages[seen->count], sizeof(seen->messages[0]), "%s", problem->message);
	seen->lines[seen->count] = problem->line;
	seen->warnings += problem->warning;
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
	size_t errors = flink_spec_validate(doc_root(doc), &context, note, &seen);
	assert_int_equal(errors, seen.count - seen.warnings);
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
		"{spec: {taskManager: {resource: null}, flinkConfiguration: {taskmanager.memory.task.heap.size: 1g, "
		"taskmanager.memory.managed.size: 0}}}",
		"{spec: {flinkVersion: v1_13}}",
		"{spec: {flinkVersion: v2_3}}",
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
		{ "{spec: {flinkVersion: v1_12}}", "spec.flinkVersion", "v1_13, v1_14, v1_15, v1_16, v1_17, v1_18, v1_19, v1_20, v2_0" },
		{ "{spec: {flinkVerison: v1_20}}", "spec.flinkVerison", "no such field" },
		{ "{spec: {image: null}}", "spec.image", "must be set" },
		{ "{spec: {job: {jarUri: x}}}", "spec.job.jarUri", "jarURI, entryClass" },
		{ "{spec: {job: [x]}}", "spec.job", "expected a map, found a list" },
		{ "{spec: {job: {args: [--n, 5]}}}", "spec.job.args.1", "put it in quotes" },
		{ "{spec: {job: {allowNonRestoredState: perhaps}}}", "spec.job.allowNonRestoredState", "true, false" },
		{ "{spec: {job: {savepointTriggerNonce: now}}}", "spec.job.savepointTriggerNonce", "number" },
		{ "{spec: {jobManager: {resource: {cpu: many}}}}", "spec.jobManager.resource.cpu", "0.5 or" },
		{ "{spec: {flinkConfiguration: {kubernetes: {cluster-id: x}}}}", "spec.flinkConfiguration.kubernetes.cluster-id",
		  "must not" },
		{ "{spec: {flinkConfiguration: {kubernetes.operator.deployment.rollback.enabled: 'true'}}}",
		  "spec.flinkConfiguration.kubernetes.operator.deployment.rollback.enabled", "high-availability" },
		{ "{spec: {flinkConfiguration: {kubernetes.operator.cluster.health-check.enabled: 'true', "
		  "kubernetes.operator.jm-deployment-recovery.enabled: 'false'}}}",
		  "spec.flinkConfiguration.kubernetes.operator.cluster.health-check.enabled", "recovery" },
		{ "{spec: {ingress: {className: x}}}", "spec.ingress.template", "must be set" },
		{ "{spec: {ingress: {template: 'a b'}}}", "spec.ingress.template", "a b" },
		{ "{spec: {logConfiguration: {other.xml: x}}}", "spec.logConfiguration.other.xml", "log4j-console.properties" },
		{ "{spec: {flinkConfiguration: {state.checkpoints.dir: ' '}}}", "spec.flinkConfiguration.execution.checkpointing.dir",
		  "last-state" },
		{ "{spec: {flinkConfiguration: {state.savepoints.dir: null}}}",
		  "spec.flinkConfiguration.execution.checkpointing.savepoint-dir", "savepoint" },
		{ "{spec: {job: {upgradeMode: stateless, savepointTriggerNonce: 1}, flinkConfiguration: {state.savepoints.dir: null}}}",
		  "spec.flinkConfiguration.execution.checkpointing.savepoint-dir", "savepointTriggerNonce" },
		{ "{spec: {job: {upgradeMode: sometimes}}}", "spec.job.upgradeMode", "stateless, savepoint, last-state" },
		{ "{spec: {job: {state: paused}}}", "spec.job.state", "running, suspended" },
		{ "{spec: {job: {jarURI: null}}}", "spec.job.jarURI", "entryClass" },
		{ "{spec: {job: {parallelism: 0}}}", "spec.job.parallelism", "at least 1" },
		{ "{spec: {job: {args: one}}}", "spec.job.args", "list" },
		{ "{spec: {taskManager: {replicas: 0}}}", "spec.taskManager.replicas", "at least 1" },
		{ "{spec: {jobManager: {resource: null}}}", "spec.jobManager.resource.memory", "jobmanager.memory.process.size" },
		{ "{spec: {taskManager: {resource: {memory: 2 gigs}}}}", "spec.taskManager.resource.memory", "2 gigs" },
		{ "{spec: {taskManager: {resource: {ephemeralStorage: lots}}}}", "spec.taskManager.resource.ephemeralStorage", "lots" },
		{ "{spec: {jobManager: {resources: {requests: {memory: 2Gi, cpu: 0}}}}}", "spec.jobManager.resources.requests.cpu",
		  "positive" },
		{ "{spec: {jobManager: {resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}}}",
		  "spec.jobManager.resources.requests.memory", "exceed its limit 1Gi" },
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

static struct seen validate_whole(const char *yaml, const struct flink_spec_context *context)
{
	AUTODOC *doc = parse(yaml);
	struct seen seen = { .count = 0 };
	size_t errors = flink_spec_validate(doc_root(doc), context, note, &seen);
	assert_int_equal(errors, seen.count - seen.warnings);
	return seen;
}

/* All problems at once, each at the line of its own field. */
static void lines(void **state)
{
	(void)state;
	struct seen seen = validate_whole("kind: FlinkDeployment\n"			 /* 1 */
					  "metadata:\n  name: orders\n"			 /* 2, 3 */
					  "spec:\n"					 /* 4 */
					  "  flinkVersion: v1_20\n  image: x\n"		 /* 5, 6 */
					  "  serviceAccount: flink\n"			 /* 7 */
					  "  jobManager:\n    resource:\n"		 /* 8, 9 */
					  "      memory: 1g\n      cpu: much\n"		 /* 10, 11 */
					  "  taskManager:\n    resource: {memory: 1g}\n" /* 12, 13 */
					  "  flinkConfiguration:\n"			 /* 14 */
					  "    kubernetes:\n      cluster-id: mine\n"	 /* 15, 16 */
					  "    state.checkpoints.dir: ' '\n"		 /* 17 */
					  "  job:\n"					 /* 18 */
					  "    jarURI: local:///a.jar\n"		 /* 19 */
					  "    parallelism: 2\n"			 /* 20 */
					  "    upgradeMode: last-state\n"		 /* 21 */
					  "    args:\n    - a\n    - 5\n"		 /* 22, 23, 24 */
					  "    state: idle\n",				 /* 25 */
					  NULL);
	static const struct {
		const char *field;
		unsigned line;
	} expected[] = { { "spec.flinkConfiguration.kubernetes.cluster-id", 16 },
			 { "spec.job.state", 25 },
			 { "spec.flinkConfiguration.execution.checkpointing.dir", 17 },
			 { "spec.job.args.1", 24 },
			 { "spec.jobManager.resource.cpu", 11 } };
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		if (i >= seen.count || strcmp(seen.fields[i], expected[i].field) != 0 || seen.lines[i] != expected[i].line)
			fail_msg("%zu: expected %s at %u, found %s at %u", i, expected[i].field, expected[i].line, seen.fields[i],
				 seen.lines[i]);
	}
	assert_int_equal(seen.count, ARRAY_SIZE(expected));
}

static void warnings(void **state)
{
	(void)state;
	struct seen seen = validate("{spec: {flinkVersion: v3_0, jobManager: {resources: {limits: {memory: 2Gi}}}}}", NULL);
	assert_int_equal(seen.warnings, 2);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.fields[0], "spec.flinkVersion");
	assert_non_null(strstr(seen.messages[0], "v2_3"));
	assert_string_equal(seen.fields[1], "spec.jobManager.resource");
	seen = validate("{spec: {mode: standalone, flinkConfiguration: {execution.savepoint-restore-mode: CLAIM}}}", NULL);
	assert_int_equal(seen.warnings, 1);
	assert_string_equal(seen.fields[0], "spec.flinkConfiguration.execution.state-recovery.claim-mode");
	AUTODOC *doc = parse(good);
	node_set_text(doc, node_get(doc_root(doc), "spec"), "flinkVersion", "v3_0");
	struct error err = ERROR_INIT;
	assert_true(flink_spec_check(doc_root(doc), NULL, &err));
}

static void session_jobs(void **state)
{
	(void)state;
	static const char fine[] =
		"{kind: FlinkSessionJob, metadata: {name: j}, spec: {deploymentName: session, job: {jarURI: 'https://h/a.jar',"
		" parallelism: 1, upgradeMode: savepoint}}}";
	static const struct {
		const char *yaml, *field, *words;
	} rows[] = {
		{ "{deploymentName: Session, job: {jarURI: 'https://h/a.jar', parallelism: 1}}", "spec.deploymentName", "lower-case" },
		{ "{job: {jarURI: 'https://h/a.jar', parallelism: 1}}", "spec.deploymentName", "must be set" },
		{ "{deploymentName: s}", "spec.job", "must be set" },
		{ "{deploymentName: s, job: {parallelism: 1}}", "spec.job.jarURI", "must be set" },
		{ "{deploymentName: s, job: {jarURI: /a.jar, parallelism: 1}}", "spec.job.jarURI", "https://HOST" },
		{ "{deploymentName: s, job: {jarURI: 'http://h/a.jar', parallelism: 1}}", "spec.job.jarURI", "https;s3;local" },
		{ "{deploymentName: s, job: {jarURI: 'https://h/a.jar'}}", "spec.job.parallelism", "at least 1" },
		{ "{deploymentName: s, job: {jarURI: 'https://h/a.jar', parallelism: 1, upgradeMode: never}}", "spec.job.upgradeMode",
		  "stateless" },
		{ "{deploymentName: s, mode: native, job: {jarURI: 'https://h/a.jar', parallelism: 1}}", "spec.mode", "no such field" },
	};
	assert_int_equal(validate_whole(fine, NULL).count, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTOFREE char *yaml = mem_printf("{kind: FlinkSessionJob, metadata: {name: j}, spec: %s}", rows[i].yaml);
		struct seen seen = validate_whole(yaml, NULL);
		if (seen.count != 1 || strcmp(seen.fields[0], rows[i].field) != 0 || strstr(seen.messages[0], rows[i].words) == NULL)
			fail_msg("%s: %zu problems, the first is %s: %s", rows[i].yaml, seen.count, seen.fields[0], seen.messages[0]);
	}
	/* with its cluster at hand the two configurations count together */
	AUTODOC *cluster = parse("{metadata: {name: session}, spec: {flinkVersion: v1_20, flinkConfiguration: {state.checkpoints.dir: c,"
				 " kubernetes.operator.user.artifacts.allowed-schemes: 'http;https'}}}");
	struct flink_spec_context context = { .cluster = doc_root(cluster) };
	struct seen seen = validate_whole(fine, &context);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.fields[0], "spec.flinkConfiguration.execution.checkpointing.savepoint-dir");
	seen = validate_whole("{kind: FlinkSessionJob, spec: {deploymentName: session, flinkConfiguration: {state.savepoints.dir: s},"
			      " job: {jarURI: 'http://h/a.jar', parallelism: 1, upgradeMode: savepoint}}}",
			      &context);
	assert_int_equal(seen.count, 0);
	AUTODOC *application = parse("{metadata: {name: session}, spec: {flinkVersion: v1_20, job: {jarURI: x}}}");
	context.cluster = doc_root(application);
	assert_string_equal(validate_whole(fine, &context).fields[0], "spec.deploymentName");
	AUTODOC *before = parse("{deploymentName: other}");
	context = (struct flink_spec_context){ .deployed = doc_root(before) };
	assert_non_null(strstr(validate_whole(fine, &context).messages[0], "runs on other"));
}

static void snapshots(void **state)
{
	(void)state;
	static const struct {
		const char *spec, *field;
	} rows[] = {
		{ "{jobReference: {kind: FlinkDeployment, name: a}, savepoint: {}}", NULL },
		{ "{jobReference: {kind: FlinkSessionJob, name: a}, checkpoint: {}, backoffLimit: -1}", NULL },
		{ "{savepoint: {alreadyExists: true, path: p}}", NULL },
		{ "{savepoint: {alreadyExists: true}}", "spec.savepoint.path" },
		{ "{savepoint: {}}", "spec.jobReference" },
		{ "{jobReference: {kind: FlinkDeployment, name: a}}", "spec.savepoint" },
		{ "{jobReference: {kind: FlinkDeployment, name: a}, savepoint: {}, checkpoint: {}}", "spec.checkpoint" },
		{ "{jobReference: {kind: Deployment, name: a}, checkpoint: {}}", "spec.jobReference.kind" },
		{ "{jobReference: {kind: FlinkDeployment}, checkpoint: {}}", "spec.jobReference.name" },
		{ "{jobReference: {name: a}, checkpoint: {}}", "spec.jobReference.kind" },
		{ "{jobReference: {kind: FlinkDeployment, name: a}, savepoint: {formatType: BINARY}}", "spec.savepoint.formatType" },
		{ "{jobReference: {kind: FlinkDeployment, name: a}, savepoint: {}, backoffLimit: -2}", "spec.backoffLimit" },
		{ "{jobReference: {kind: FlinkDeployment, name: a}, savepoint: {format: NATIVE}}", "spec.savepoint.format" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTOFREE char *yaml = mem_printf("{kind: FlinkStateSnapshot, spec: %s}", rows[i].spec);
		struct seen seen = validate_whole(yaml, NULL);
		if (seen.count != (rows[i].field != NULL) || (seen.count == 1 && strcmp(seen.fields[0], rows[i].field) != 0))
			fail_msg("%s: %zu problems, the first is %s: %s", rows[i].spec, seen.count, seen.fields[0], seen.messages[0]);
	}
	assert_int_equal(validate_whole("{kind: ConfigMap, data: {}}", NULL).count, 0);
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
	assert_true(str_starts(err.message, "spec.flinkVersion: expected one of v1_13"));
	AUTODOC *empty = parse("{metadata: {name: a}}");
	assert_false(flink_spec_check(doc_root(empty), NULL, &err));
	assert_true(str_starts(err.message, "spec: "));
	assert_false(flink_spec_check(NULL, NULL, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(accepted),
					    cmocka_unit_test(refused),
					    cmocka_unit_test(compared_with_the_deployed),
					    cmocka_unit_test(first_problem_as_an_error),
					    cmocka_unit_test(lines),
					    cmocka_unit_test(warnings),
					    cmocka_unit_test(session_jobs),
					    cmocka_unit_test(snapshots) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
