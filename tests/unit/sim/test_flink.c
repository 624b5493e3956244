#include "support.h"

#define REST "/api/v1/namespaces/default/services/job-rest:8081/proxy/v1"
#define ID   "0123456789abcdef0123456789abcdef"

/* The objects of a native application cluster, as an operator makes them. */
static void launch(struct sim *sim, const char *config)
{
	AUTOBUF b = BUF_INIT;
	buf_puts(&b, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: job, labels: {app: job, component: jobmanager, type: "
		     "flink-native-kubernetes}}\n"
		     "spec:\n  selector: {matchLabels: {app: job, component: jobmanager}}\n  template:\n"
		     "    metadata: {labels: {app: job, component: jobmanager, type: flink-native-kubernetes}}\n    spec:\n"
		     "      containers: [{name: flink-main-container, image: 'flink:1.20', args: [bash, -c, 'kubernetes-jobmanager.sh "
		     "kubernetes-application ']}]\n"
		     "      volumes: [{name: flink-config-volume, configMap: {name: flink-config-job}}]\n---\n"
		     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flink-config-job}\ndata:\n  flink-conf.yaml: |\n"
		     "    kubernetes.cluster-id: job\n    parallelism.default: 2\n    taskmanager.numberOfTaskSlots: 1\n"
		     "    execution.shutdown-on-application-finish: false\n    execution.checkpointing.externalized-checkpoint-retention: "
		     "RETAIN_ON_CANCELLATION\n"
		     "    state.checkpoints.dir: s3://b/cp\n    state.savepoints.dir: s3://b/sp\n    $internal.pipeline.job-id: " ID "\n");
	AUTOFREE char *lines = mem_strdup(config);
	char *save = NULL;
	for (char *l = strtok_r(lines, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
		buf_printf(&b, "    %s\n", l);
	buf_puts(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: job-rest}\nspec: {selector: {app: job, component: jobmanager}, "
		     "ports: [{name: rest, port: 8081}]}\n");
	struct error err = ERROR_INIT;
	if (!sim_load_yaml(sim, b.data, &err))
		fail_msg("%s", err.message);
}

static void remove_cluster(struct sim *sim)
{
	ANSWER a = ask(sim, "DELETE", "/apis/apps/v1/namespaces/default/deployments/job", JSON, "{\"propagationPolicy\":\"Foreground\"}");
	ANSWER b = ask(sim, "DELETE", "/api/v1/namespaces/default/services/job-rest", NULL, NULL);
	ANSWER c = ask(sim, "DELETE", CMS "/flink-config-job", NULL, NULL);
	sim_advance(sim, 5000);
	assert_int_equal(sim_object_count(sim, "pods", "default"), 0);
	assert_int_equal(sim_object_count(sim, "apps/deployments", "default"), 0);
}

static struct sim_job job_of(struct sim *sim)
{
	struct sim_job j;
	sim_job(sim, "default", "job", &j);
	return j;
}

#define HA                                                                                                                           \
	"high-availability.type: kubernetes\nhigh-availability.storageDir: s3://b/ha\njob-result-store.storage-path: s3://b/jrs/1\n" \
	"execution.checkpointing.interval: 10 s\n"

static void life_of_a_job(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	launch(sim, "execution.checkpointing.interval: 10 s\n");
	ANSWER early = ask(sim, "GET", REST "/jobs/overview", NULL, NULL);
	assert_int_equal(early.status, 503);
	sim_advance(sim, 5000);
	ANSWER overview = ask(sim, "GET", REST "/jobs/overview", NULL, NULL);
	assert_int_equal(overview.status, 200);
	assert_string_equal(at(&overview, "jobs/0/jid"), ID);
	assert_string_equal(at(&overview, "jobs/0/state"), "RUNNING");
	ANSWER deployment = ask(sim, "GET", "/apis/apps/v1/namespaces/default/deployments/job", NULL, NULL);
	assert_string_equal(at(&deployment, "status/availableReplicas"), "1");
	ANSWER pods = ask(sim, "GET", "/api/v1/namespaces/default/pods?labelSelector=component%3Dtaskmanager", NULL, NULL);
	assert_int_equal(node_count(node_find(doc_root(pods.doc), "items")), 2);
	ANSWER log = ask(sim, "GET", "/api/v1/namespaces/default/pods/job-taskmanager-1-1/log", NULL, NULL);
	assert_string_equal(log.text, "COUNT start 0 restored false\n");
	sim_advance(sim, 25000);
	ANSWER cp = ask(sim, "GET", REST "/jobs/" ID "/checkpoints", NULL, NULL);
	assert_string_equal(at(&cp, "counts/completed"), "2");
	assert_string_equal(at(&cp, "latest/completed/external_path"), "s3://b/cp/" ID "/chk-2");
	int64_t value = 0;
	assert_true(sim_storage_get(sim, "s3://b/cp/" ID "/chk-2", &value));
	assert_int_equal(value, 2000); /* 100 a second, two intervals of 10 s */
	assert_false(sim_storage_get(sim, "s3://b/cp/" ID "/chk-1", &value));
	ANSWER unknown = ask(sim, "GET", REST "/jobs/ffffffffffffffffffffffffffffffff", NULL, NULL);
	assert_int_equal(unknown.status, 404);
	ANSWER acc = ask(sim, "GET", REST "/jobs/" ID "/accumulators", NULL, NULL);
	assert_true(strtoll(at(&acc, "user-task-accumulators/0/value"), NULL, 10) > 2000);
	ANSWER cancel = ask(sim, "PATCH", REST "/jobs/" ID "?mode=cancel", NULL, NULL);
	assert_int_equal(cancel.status, 202);
	assert_string_equal(job_of(sim).state, "CANCELED");
	assert_true(sim_storage_get(sim, "s3://b/cp/" ID "/chk-2", &value)); /* retained */
	remove_cluster(sim);
	assert_int_equal(sim_violations(sim), 0);
	sim_free(sim);
}

static void stop_with_savepoint_and_restore(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	launch(sim, "execution.checkpointing.interval: 10 s\n");
	sim_advance(sim, 30000);
	static const char body[] =
		"{\"targetDirectory\":\"s3://b/stop\",\"drain\":false,\"triggerId\":\"aaaabbbbccccddddaaaabbbbccccdddd\"}";
	ANSWER stop = ask(sim, "POST", REST "/jobs/" ID "/stop", JSON, body);
	assert_int_equal(stop.status, 202);
	assert_string_equal(at(&stop, "request-id"), "aaaabbbbccccddddaaaabbbbccccdddd");
	ANSWER again = ask(sim, "POST", REST "/jobs/" ID "/stop", JSON, body); /* the same trigger id: the same operation */
	assert_int_equal(again.status, 202);
	ANSWER busy = ask(sim, "GET", REST "/jobs/" ID "/savepoints/aaaabbbbccccddddaaaabbbbccccdddd", NULL, NULL);
	assert_string_equal(at(&busy, "status/id"), "IN_PROGRESS");
	sim_advance(sim, 2000);
	ANSWER done = ask(sim, "GET", REST "/jobs/" ID "/savepoints/aaaabbbbccccddddaaaabbbbccccdddd", NULL, NULL);
	assert_string_equal(at(&done, "status/id"), "COMPLETED");
	const char *path = at(&done, "operation/location");
	assert_true(str_starts(path, "s3://b/stop/savepoint-012345-"));
	assert_string_equal(job_of(sim).state, "FINISHED");
	assert_int_equal(sim_storage_count(sim, "s3://b/stop/"), 1);
	assert_int_equal(sim_storage_count(sim, "s3://b/cp/"), 0); /* a finished job keeps no checkpoints */
	int64_t saved = 0;
	assert_true(sim_storage_get(sim, path, &saved));
	sim_advance(sim, 400000);
	ANSWER expired = ask(sim, "GET", REST "/jobs/" ID "/savepoints/aaaabbbbccccddddaaaabbbbccccdddd", NULL, NULL);
	assert_int_equal(expired.status, 404);
	remove_cluster(sim);
	AUTOFREE char *config = mem_printf("execution.savepoint.path: %s\n", path);
	launch(sim, config);
	sim_advance(sim, 5000);
	struct sim_job j = job_of(sim);
	assert_string_equal(j.state, "RUNNING");
	assert_int_equal(j.restored, saved);
	AUTOFREE char *want = mem_printf("COUNT start %lld restored true\n", (long long)saved);
	ANSWER log = ask(sim, "GET", "/api/v1/namespaces/default/pods/job-taskmanager-1-1/log", NULL, NULL);
	assert_string_equal(log.text, want);
	ANSWER cp = ask(sim, "GET", REST "/jobs/" ID "/checkpoints", NULL, NULL);
	assert_string_equal(at(&cp, "latest/restored/external_path"), path);
	assert_int_equal(sim_violations(sim), 0);
	assert_int_equal(sim_empty_starts(sim), 0);
	sim_free(sim);
}

/* What a job that runs on is asked for: checkpoints besides its own, savepoints of either format, and to delete one. */
static void snapshots_of_a_running_job(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	launch(sim, "execution.checkpointing.interval: 10 s\n");
	sim_advance(sim, 25000);
	int64_t before = job_of(sim).checkpoints, value;
	ANSWER post = ask(sim, "POST", REST "/jobs/" ID "/checkpoints", JSON, "{\"checkpointType\":\"FULL\",\"triggerId\":\"" ID "\"}");
	assert_int_equal(post.status, 202);
	assert_string_equal(at(&post, "request-id"), ID);
	ANSWER early = ask(sim, "GET", REST "/jobs/" ID "/checkpoints/" ID, NULL, NULL);
	assert_string_equal(at(&early, "status/id"), "IN_PROGRESS");
	sim_advance(sim, 1000);
	ANSWER done = ask(sim, "GET", REST "/jobs/" ID "/checkpoints/" ID, NULL, NULL);
	assert_string_equal(at(&done, "status/id"), "COMPLETED");
	AUTOFREE char *details = mem_printf(REST "/jobs/" ID "/checkpoints/details/%s", at(&done, "operation/checkpointId"));
	assert_int_equal(job_of(sim).checkpoints, before + 1);
	ANSWER detail = ask(sim, "GET", details, NULL, NULL);
	assert_true(sim_storage_get(sim, at(&detail, "external_path"), &value));
	sim_advance(sim, 30000); /* it is subsumed, and still remembered */
	ANSWER later = ask(sim, "GET", details, NULL, NULL);
	assert_int_equal(later.status, 200);
	ANSWER other = ask(sim, "GET", REST "/jobs/" ID "/checkpoints/details/999", NULL, NULL);
	assert_int_equal(other.status, 404);

	ANSWER save = ask(sim, "POST", REST "/jobs/" ID "/savepoints", JSON,
			  "{\"target-directory\":\"s3://b/own\",\"cancel-job\":false,\"formatType\":\"NATIVE\",\"triggerId\":\"" ID "\"}");
	assert_int_equal(save.status, 202);
	sim_advance(sim, 1000);
	ANSWER saved = ask(sim, "GET", REST "/jobs/" ID "/savepoints/" ID, NULL, NULL);
	const char *path = at(&saved, "operation/location");
	assert_true(sim_storage_get(sim, path, &value));
	assert_string_equal(job_of(sim).state, "RUNNING");
	ANSWER statistics = ask(sim, "GET", REST "/jobs/" ID "/checkpoints", NULL, NULL);
	assert_string_equal(at(&statistics, "latest/savepoint/external_path"), path);
	assert_string_equal(at(&statistics, "latest/savepoint/savepointFormat"), "NATIVE");

	AUTOFREE char *body = mem_printf("{\"savepoint-path\":\"%s\"}", path);
	ANSWER dispose = ask(sim, "POST", REST "/savepoint-disposal", JSON, body);
	AUTOFREE char *poll = mem_printf(REST "/savepoint-disposal/%s", at(&dispose, "request-id"));
	ANSWER disposed = ask(sim, "GET", poll, NULL, NULL);
	assert_string_equal(at(&disposed, "status/id"), "COMPLETED");
	assert_string_equal(at(&disposed, "operation/failure-cause/class"), "");
	assert_false(sim_storage_get(sim, path, &value));
	ANSWER twice = ask(sim, "POST", REST "/savepoint-disposal", JSON, body);
	AUTOFREE char *again = mem_printf(REST "/savepoint-disposal/%s", at(&twice, "request-id"));
	ANSWER missing = ask(sim, "GET", again, NULL, NULL);
	assert_non_null(strstr(at(&missing, "operation/failure-cause/stack-trace"), "FileNotFoundException"));
	sim_free(sim);
}

static void high_availability_recovers(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	launch(sim, HA);
	sim_advance(sim, 35000);
	AUTOFREE char *map = sim_object_json(sim, "configmaps", "default", "job-" ID "-config-map");
	assert_non_null(map);
	assert_non_null(strstr(map, "checkpointID-0000000000000000003"));
	assert_true(sim_jobmanager_kill(sim, "default", "job"));
	sim_advance(sim, 10000);
	struct sim_job j = job_of(sim);
	assert_string_equal(j.state, "RUNNING");
	assert_int_equal(j.restored, 3000);
	remove_cluster(sim); /* HA metadata stays */
	assert_int_equal(sim_object_count(sim, "configmaps", "default"), 2);
	launch(sim, HA "execution.savepoint.path: KUBERNETES_OPERATOR_LAST_STATE\n");
	sim_advance(sim, 5000);
	j = job_of(sim);
	assert_string_equal(j.state, "RUNNING");
	assert_true(j.restored >= 3000);
	/* a JobManager that comes back after the end does not run the job again */
	ANSWER cancel = ask(sim, "PATCH", REST "/jobs/" ID, NULL, NULL);
	assert_int_equal(sim_object_count(sim, "configmaps", "default"),
			 2); /* the job's own is gone, the cluster's is left, and the configuration */
	assert_true(sim_jobmanager_kill(sim, "default", "job"));
	sim_advance(sim, 30000);
	assert_string_equal(job_of(sim).state, ""); /* the JobResultStore says it ended: ignored, and not shown */
	assert_int_equal(sim_violations(sim), 0);
	sim_free(sim);
}

static void state_that_is_not_there(void **state)
{
	(void)state;
	static const char *const configs[] = { HA "execution.savepoint.path: KUBERNETES_OPERATOR_LAST_STATE\n",
					       "execution.savepoint.path: s3://b/none\n",
					       "$internal.application.program-args: --broken\n" };
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		struct sim *sim = sim_new(7);
		launch(sim, configs[i]);
		sim_advance(sim, 20000);
		ANSWER pods = ask(sim, "GET", "/api/v1/namespaces/default/pods", NULL, NULL);
		assert_non_null(strstr(pods.text, "CrashLoopBackOff"));
		assert_non_null(strstr(at(&pods, "items/0/status/containerStatuses/0/lastState/terminated/message"), "java."));
		assert_string_equal(job_of(sim).state, "");
		sim_free(sim);
	}
	struct sim *sim = sim_new(7);
	launch(sim, "$internal.application.program-args: --broken\nexecution.submit-failed-job-on-application-error: true\n");
	sim_advance(sim, 5000);
	assert_string_equal(job_of(sim).state, "FAILED");
	ANSWER e = ask(sim, "GET", REST "/jobs/" ID "/exceptions", NULL, NULL);
	assert_string_equal(at(&e, "exceptionHistory/entries/0/exceptionName"), "java.lang.IllegalStateException");
	sim_free(sim);
}

static void failures_restart_or_end(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	launch(sim, "execution.checkpointing.interval: 1 s\n$internal.application.program-args: --fail-after;550\n"
		    "restart-strategy.type: fixed-delay\nrestart-strategy.fixed-delay.attempts: 2\n");
	sim_advance(sim, 9000);
	struct sim_job j = job_of(sim);
	assert_true(j.restarts >= 1);
	sim_advance(sim, 30000);
	assert_string_equal(job_of(sim).state, "FAILED");
	sim_free(sim);
	sim = sim_new(7);
	launch(sim, "execution.checkpointing.interval: 1 s\n");
	sim_advance(sim, 6000);
	assert_true(sim_pod_kill(sim, "default", "job-taskmanager-1-1"));
	sim_advance(sim, 5000);
	j = job_of(sim);
	assert_string_equal(j.state, "RUNNING");
	assert_int_equal(j.restarts, 1);
	assert_true(j.counter > 300); /* went on from a checkpoint */
	sim_storage_down(sim, true);
	ANSWER sp = ask(sim, "POST", REST "/jobs/" ID "/savepoints", JSON, "{\"triggerId\":\"t\"}");
	assert_int_equal(sp.status, 202);
	sim_advance(sim, 3000);
	ANSWER failed = ask(sim, "GET", REST "/jobs/" ID "/savepoints/t", NULL, NULL);
	assert_string_equal(at(&failed, "status/id"), "COMPLETED");
	assert_string_equal(at(&failed, "operation/failure-cause/class"), "java.io.IOException");
	sim_free(sim);
}

static void violations_are_seen(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	launch(sim, "execution.checkpointing.interval: 1 s\n");
	sim_advance(sim, 10000);
	sim_node_freeze(sim, "node-1", true);
	ANSWER d = ask(sim, "DELETE", "/apis/apps/v1/namespaces/default/deployments/job", NULL, NULL);
	ANSWER b = ask(sim, "DELETE", "/api/v1/namespaces/default/services/job-rest", NULL, NULL);
	ANSWER c = ask(sim, "DELETE", CMS "/flink-config-job", NULL, NULL);
	sim_advance(sim, 5000);
	assert_true(sim_object_count(sim, "pods", "default") > 0);
	ANSWER forced = ask(sim, "DELETE", "/api/v1/namespaces/default/pods", JSON, "{\"gracePeriodSeconds\":0}");
	assert_int_equal(sim_object_count(sim, "pods", "default"), 0); /* but the processes on the frozen node go on */
	launch(sim, "");					       /* while the old one still runs, and without its state */
	sim_advance(sim, 10000);
	assert_true(sim_violations(sim) > 0);
	assert_true(sim_empty_starts(sim) > 0);
	sim_node_freeze(sim, "node-1", false);
	sim_free(sim);
}

static void sessions_run_jobs(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	assert_true(sim_load_yaml(
		sim,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: job}\nspec:\n"
		"  selector: {matchLabels: {app: job, component: jobmanager, type: flink-native-kubernetes}}\n  template:\n"
		"    metadata: {labels: {app: job, component: jobmanager, type: flink-native-kubernetes}}\n    spec:\n"
		"      containers: [{name: m, image: 'flink:1.20', args: [bash, -c, 'kubernetes-jobmanager.sh kubernetes-session ']}]\n"
		"      volumes: [{name: v, configMap: {name: flink-config-job}}]\n---\n"
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flink-config-job}\ndata:\n  config.yaml: |\n"
		"    high-availability: {type: kubernetes, storageDir: 's3://b/ha'}\n    state.checkpoints.dir: s3://b/cp\n"
		"    execution: {checkpointing: {interval: 1 s}}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: job-rest}\nspec: {selector: {app: job, component: jobmanager}, "
		"ports: [{name: rest, port: 8081}]}\n",
		NULL));
	sim_advance(sim, 5000);
	ANSWER none = ask(sim, "GET", REST "/jobs/overview", NULL, NULL);
	assert_int_equal(none.status, 200);
	ANSWER up = ask(sim, "POST", REST "/jars/upload", "multipart/form-data; boundary=b",
			"--b\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"my.jar\"\r\n\r\nx\r\n--b--\r\n");
	assert_int_equal(up.status, 200);
	const char *jar = strrchr(at(&up, "filename"), '/');
	assert_true(str_ends(jar, "_my.jar"));
	AUTOFREE char *run = mem_printf(REST "/jars%s/run", jar), *gone = mem_printf(REST "/jars%s", jar);
	ANSWER first = ask(sim, "POST", run, JSON, "{\"jobId\":\"" ID "\",\"flinkConfiguration\":{\"pipeline.name\":\"one\"}}");
	assert_int_equal(first.status, 200);
	assert_string_equal(at(&first, "jobid"), ID);
	ANSWER twice = ask(sim, "POST", run, JSON, "{\"jobId\":\"" ID "\"}");
	assert_int_equal(twice.status, 400);
	ANSWER second = ask(sim, "POST", run, JSON, "{\"jobId\":\"ffffffffffffffffffffffffffffffff\",\"parallelism\":2}");
	ANSWER lost = ask(sim, "POST", run, JSON, "{\"savepointPath\":\"s3://b/none\"}");
	assert_int_equal(lost.status, 400);
	ANSWER deleted = ask(sim, "DELETE", gone, NULL, NULL);
	assert_int_equal(deleted.status, 200);
	sim_advance(sim, 8000);
	ANSWER both = ask(sim, "GET", REST "/jobs/overview", NULL, NULL);
	assert_int_equal(node_count(node_find(doc_root(both.doc), "jobs")), 2);
	assert_string_equal(at(&both, "jobs/0/state"), "RUNNING");
	assert_string_equal(at(&both, "jobs/1/state"), "RUNNING");
	ANSWER cancel = ask(sim, "PATCH", REST "/jobs/ffffffffffffffffffffffffffffffff", NULL, NULL);
	assert_int_equal(cancel.status, 202);
	assert_true(sim_jobmanager_kill(sim, "default", "job"));
	sim_advance(sim, 8000);
	ANSWER after = ask(sim, "GET", REST "/jobs/overview", NULL, NULL); /* HA brings back the one that still ran */
	assert_int_equal(node_count(node_find(doc_root(after.doc), "jobs")), 1);
	assert_string_equal(at(&after, "jobs/0/jid"), ID);
	assert_string_equal(at(&after, "jobs/0/state"), "RUNNING");
	ANSWER cp = ask(sim, "GET", REST "/jobs/" ID "/checkpoints", NULL, NULL);
	assert_true(str_starts(at(&cp, "latest/restored/external_path"), "s3://b/cp/" ID "/chk-"));
	assert_int_equal(sim_violations(sim), 0);
	sim_free(sim);
}

static void standalone_applications(void **state)
{
	(void)state;
	struct sim *sim = sim_new(7);
	sim_storage_put(sim, "s3://b/sp", 4321);
	AUTOBUF b = BUF_INIT;
	for (int i = 0; i < 2; i++) {
		const char *component = i ? "taskmanager" : "jobmanager";
		buf_printf(&b,
			   "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: job%s}\nspec:\n"
			   "  selector: {matchLabels: {app: job, component: %s, type: flink-standalone-kubernetes}}\n  template:\n"
			   "    metadata: {labels: {app: job, component: %s, type: flink-standalone-kubernetes}}\n    spec:\n"
			   "      containers: [{name: m, image: 'flink:1.20', args: [%s]}]\n---\n",
			   i ? "-taskmanager" : "", component, component,
			   i ? "taskmanager" : "standalone-job, --fromSavepoint, 's3://b/sp', --job-classname, X, --fail-after, '5000'");
	}
	buf_puts(&b, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flink-config-job}\ndata: {flink-conf.yaml: "
		     "\"$internal.pipeline.job-id: " ID "\\n\"}\n");
	assert_true(sim_load_yaml(sim, b.data, NULL));
	sim_advance(sim, 5000);
	struct sim_job j = job_of(sim);
	assert_string_equal(j.state, "RUNNING");
	assert_int_equal(j.restored, 4321);
	sim_advance(sim, 10000);
	assert_string_equal(job_of(sim).state, ""); /* it failed without a restart, and the cluster shut down with it */
	assert_int_equal(sim_violations(sim), 0);
	sim_free(sim);
}

static void same_seed_same_story(void **state)
{
	(void)state;
	char *text[2] = { NULL, NULL };
	for (int i = 0; i < 2; i++) {
		struct sim *sim = sim_new(99);
		launch(sim, HA);
		sim_advance(sim, 60000);
		ANSWER a = ask(sim, "GET", "/api/v1/pods", NULL, NULL);
		text[i] = mem_strdup(a.text);
		sim_free(sim);
	}
	assert_string_equal(text[0], text[1]);
	free(text[0]);
	free(text[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_of_a_job),
		cmocka_unit_test(stop_with_savepoint_and_restore),
		cmocka_unit_test(snapshots_of_a_running_job),
		cmocka_unit_test(high_availability_recovers),
		cmocka_unit_test(state_that_is_not_there),
		cmocka_unit_test(failures_restart_or_end),
		cmocka_unit_test(violations_are_seen),
		cmocka_unit_test(sessions_run_jobs),
		cmocka_unit_test(standalone_applications),
		cmocka_unit_test(same_seed_same_story),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
