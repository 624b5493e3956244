/*
 * The life of a native application cluster made of our own objects: start, checkpoints, savepoint, losing the Deployment and going on from
 * the HA metadata, stop with savepoint, going on from that, and starts from state that is not there. The cases build on each other.
 */
#include <stdio.h>

#include "contract/target.h"
#include "flink/objects.h"
#include "flink/rest.h"

#define NAME	   "count"
#define JOB_ONE	   "c0a10000000000000000000000000001"
#define JOB_TWO	   "c0a10000000000000000000000000002"
#define NO_JOB	   "c0a1000000000000000000000000000f"
#define TRIGGER	   "7199e200000000000000000000000001"
#define STOP	   "7199e200000000000000000000000002"
#define LATE_STOP  "7199e200000000000000000000000003"
#define NO_TRIGGER "7199e20000000000000000000000000f"

enum { START_MS = 180000, WAIT_MS = 90000 };

static struct {
	unsigned reached; /* cases passed so far */
	struct http rest;
	const char *job;
	int64_t counter; /* not above what the state to go on from holds; -1: the job does not tell */
	char savepoint[FLINK_PATH_MAX];
} f;

/* Skips a case whose predecessors failed. */
static void after(unsigned cases)
{
	if (f.reached < cases)
		skip();
}

/* ---- launching ---- */

static struct doc *spec(void)
{
	return yaml("flinkVersion: %s\nimage: %s\nserviceAccount: flink\n"
		    "flinkConfiguration:\n"
		    "  taskmanager.numberOfTaskSlots: '1'\n  resourcemanager.taskmanager-timeout: 5 s\n"
		    "  high-availability.type: kubernetes\n  high-availability.storageDir: file:///state/%s/ha\n"
		    "  state.checkpoints.dir: file:///state/%s/checkpoints\n  state.savepoints.dir: file:///state/%s/savepoints\n"
		    "  execution.checkpointing.interval: 2 s\n  heartbeat.interval: 1 s\n  web.refresh-interval: 500 ms\n"
		    "  execution.checkpointing.externalized-checkpoint-retention: RETAIN_ON_CANCELLATION\n"
		    "podTemplate:\n  spec:\n    containers:\n    - {name: flink-main-container, volumeMounts: [{name: state, mountPath: "
		    "/state}]}\n"
		    "    volumes: [{name: state, hostPath: {path: %s, type: DirectoryOrCreate}}]\n"
		    "jobManager: {resource: {memory: 800m, cpu: 0.1}}\ntaskManager: {resource: {memory: 1024m, cpu: 0.1}}\n"
		    "job: {jarURI: 'local:///opt/flink/usrlib/count.jar', entryClass: CountJob, parallelism: 1, upgradeMode: savepoint}\n",
		    target.flink_version, target.image, target.ns, target.ns, target.ns, target.state_dir);
}

static void create_any(const struct node *object)
{
	struct kube_resource resource;
	assert_ok(kube_resource_for(target.kube, node_find_text(object, "apiVersion"), node_find_text(object, "kind"), &resource, &err));
	assert_ok(kube_create(target.kube, &resource, target.ns, object, NULL, &err));
}

static void launch(const char *name, const char *job, const char *from, int64_t number)
{
	AUTODOC *resource = spec(), *doc = doc_new(), *made = NULL;
	AUTOFREE char *store = mem_printf("launch-%lld", (long long)number);
	const struct flink_launch l = { .spec = doc_root(resource),
					.name = name,
					.ns = target.ns,
					.job_id = job,
					.savepoint_path = from,
					.job_result_store_id = store,
					.number = number };
	struct node *deployment = NULL, *list = NULL;
	assert_ok(flink_objects_jobmanager(&l, doc, &deployment, &err));
	assert_ok(kube_create(target.kube, &deployments, target.ns, deployment, &made, &err));
	assert_ok(flink_objects_dependents(&l, uid_of(made), doc, &list, &err));
	for (size_t i = 0; i < node_count(list); i++)
		create_any(node_at(list, i));
	f.job = job;
}

/* ---- looking ---- */

static bool job_in_state(void *context)
{
	struct flink_job job;
	return flink_job_details(&f.rest, f.job, &job, NULL) && str_eq(job.state, context);
}

static bool job_runs(void *context)
{
	(void)context;
	AUTOJOBS jobs = { 0 };
	if (!flink_jobs(&f.rest, &jobs, NULL))
		return false;
	for (size_t i = 0; i < jobs.count; i++)
		if (str_eq(jobs.items[i].id, f.job))
			return str_eq(jobs.items[i].effective_state, "RUNNING");
	return false;
}

static int64_t completed(void)
{
	struct flink_checkpoints c;
	assert_ok(flink_checkpoints(&f.rest, f.job, &c, &err));
	return c.completed;
}

static bool completed_at_least(void *context)
{
	return completed() >= *(int64_t *)context;
}

/* The accumulator "count", restored part included; -1 where the job has none. */
static int64_t counter(void)
{
	AUTOFREE char *path =
		mem_printf("/api/v1/namespaces/%s/services/" NAME "-rest:rest/proxy/v1/jobs/%s/accumulators", target.ns, f.job);
	AUTOBUF body = BUF_INIT;
	assert_ok(kube_raw_get(target.kube, path, &body, &err));
	AUTODOC *doc = doc_parse_json(buf_text(&body), body.len, "accumulators", NULL, &err);
	const struct node *list = doc != NULL ? node_find(doc_root(doc), "user-task-accumulators") : NULL;
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_find_text(node_at(list, i), "name"), "count"))
			return node_integer(node_find(node_at(list, i), "value"), -1);
	return -1;
}

/* It takes ten seconds to come so far from nothing. */
static bool counter_is_large(void *context)
{
	(void)context;
	int64_t now = counter();
	return now < 0 || now > 1000;
}

static bool counter_is_known(void *context)
{
	int64_t *now = context;
	return (*now = counter()) > 0;
}

static size_t count_of(const struct kube_resource *resource, const char *selector)
{
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, resource, target.ns, selector, &list, NULL, &err));
	return node_count(node_find(doc_root(list), "items"));
}

/* Keys that point to completed checkpoints, in the HA ConfigMaps. */
static size_t ha_checkpoints(void)
{
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, &configmaps, target.ns, "app=" NAME ",configmap-type=high-availability", &list, NULL, &err));
	const struct node *items = node_find(doc_root(list), "items");
	size_t found = 0;
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *data = node_get(node_at(items, i), "data");
		for (size_t k = 0; k < node_count(data); k++)
			found += str_starts(node_key_at(data, k), "checkpointID-");
	}
	return found;
}

static bool has_ha_checkpoints(void *context)
{
	(void)context;
	return ha_checkpoints() > 0;
}

static bool no_ha_checkpoints(void *context)
{
	(void)context;
	return ha_checkpoints() == 0;
}

static bool no_taskmanagers(void *context)
{
	(void)context;
	return count_of(&pods, "app=" NAME ",component=taskmanager") == 0;
}

static bool cluster_is_gone(void *context)
{
	(void)context;
	return !exists(&deployments, NAME) && !exists(&services, NAME "-rest") && !exists(&configmaps, "flink-config-" NAME) &&
	       !exists(&configmaps, "pod-template-" NAME) && count_of(&pods, "app=" NAME) == 0 && count_of(&replicasets, "app=" NAME) == 0;
}

static void remove_cluster(void)
{
	must_delete(&deployments, NAME, "Background");
	until(cluster_is_gone, NULL, WAIT_MS, "services, configuration and pods went with the Deployment");
}

/* Waits for a checkpoint that began after now, and notes what it holds at least. */
static void note_counter(void)
{
	until(counter_is_large, NULL, WAIT_MS, "the counter is above 1000");
	f.counter = counter();
	int64_t two_more = completed() + 2;
	until(completed_at_least, &two_more, WAIT_MS, "two more checkpoints were completed");
}

static void expect_restored(bool from_savepoint, const char *path)
{
	struct flink_checkpoints c;
	assert_ok(flink_checkpoints(&f.rest, f.job, &c, &err));
	assert_true(c.restored.present);
	assert_int_equal(c.restored.is_savepoint, from_savepoint);
	if (path != NULL)
		assert_string_equal(c.restored.path, path);
	if (f.counter < 0)
		return;
	int64_t now = -1; /* it went on from there */
	until(counter_is_known, &now, 30000, "the job tells its counter");
	assert_true(now >= f.counter);
}

/* ---- the cases ---- */

static void starts(void **state)
{
	(void)state;
	assert_true(kube_service_proxy_http(target.kube, target.ns, NAME "-rest", "rest", &f.rest));
	launch(NAME, JOB_ONE, NULL, 1);
	until(job_runs, NULL, START_MS, "the job runs");
	struct flink_job job;
	assert_ok(flink_job_details(&f.rest, JOB_ONE, &job, &err));
	assert_string_equal(job.state, "RUNNING");
	assert_true(job.tasks_total > 0 && job.start_ms > 0);
	struct flink_overview overview;
	assert_ok(flink_overview(&f.rest, &overview, &err));
	assert_int_equal(overview.jobs_running, 1);
	struct flink_cluster_config config;
	assert_ok(flink_cluster_config(&f.rest, &config, &err));
	assert_string_not_equal(config.version, "");
	size_t taskmanagers = 0;
	assert_ok(flink_taskmanagers(&f.rest, &taskmanagers, &err));
	assert_int_equal(taskmanagers, 1);
	AUTODOC *deployment = must_get(&deployments, NAME), *list = NULL;
	assert_ok(kube_list(target.kube, &pods, target.ns, "app=" NAME ",component=taskmanager,type=flink-native-kubernetes", &list, NULL,
			    &err));
	assert_int_equal(node_count(node_find(doc_root(list), "items")), 1);
	assert_string_equal(text_at(list, "items/0/metadata/ownerReferences/0/uid"), uid_of(deployment));
	assert_int_equal(count_of(&pods, "app=" NAME ",component=jobmanager"), 1);
	assert_error(ERROR_NOT_FOUND, flink_job_details(&f.rest, NO_JOB, &job, &err));
	f.reached = 1;
}

static void checkpoints_and_ha(void **state)
{
	(void)state;
	after(1);
	int64_t two = 2;
	until(completed_at_least, &two, WAIT_MS, "two checkpoints were completed");
	struct flink_checkpoints c;
	assert_ok(flink_checkpoints(&f.rest, f.job, &c, &err));
	assert_false(c.restored.present);
	assert_true(c.latest_completed.present && c.latest_completed.id >= 2 && !c.latest_completed.is_savepoint);
	AUTOFREE char *dir = mem_printf("file:/state/%s/checkpoints/" JOB_ONE "/chk-", target.ns);
	assert_true(str_starts(c.latest_completed.path, dir));
	until(has_ha_checkpoints, NULL, WAIT_MS, "an HA ConfigMap points to a checkpoint");
	AUTODOC *map = must_get(&configmaps, NAME "-" JOB_ONE "-config-map");
	assert_string_equal(text_at(map, "metadata/labels/configmap-type"), "high-availability");
	assert_null(node_find(doc_root(map), "metadata/ownerReferences"));
	assert_true(exists(&configmaps, NAME "-cluster-config-map"));
	int64_t restarts = 0;
	assert_ok(flink_job_restarts(&f.rest, f.job, &restarts, &err));
	assert_int_equal(restarts, 0);
	struct flink_exceptions exceptions;
	assert_ok(flink_job_exceptions(&f.rest, f.job, &exceptions, &err));
	assert_string_equal(exceptions.root, "");
	f.reached = 2;
}

struct poll {
	const char *job, *trigger;
	struct flink_operation operation;
};

static bool poll_ended(void *context)
{
	struct poll *p = context;
	assert_ok(flink_savepoint_poll(&f.rest, p->job, p->trigger, &p->operation, &err));
	return p->operation.state != FLINK_IN_PROGRESS;
}

static bool shown_as_savepoint(void *context)
{
	struct flink_checkpoints c;
	assert_ok(flink_checkpoints(&f.rest, f.job, &c, &err));
	return c.latest_savepoint.present && str_eq(c.latest_savepoint.path, context);
}

static void savepoint(void **state)
{
	(void)state;
	after(2);
	AUTOFREE char *dir = mem_printf("file:///state/%s/savepoints", target.ns);
	const struct flink_savepoint_request request = { .directory = dir, .trigger_id = TRIGGER };
	char id[FLINK_ID_MAX] = "";
	assert_ok(flink_savepoint_trigger(&f.rest, f.job, &request, id, &err));
	assert_string_equal(id, TRIGGER);
	assert_ok(flink_savepoint_trigger(&f.rest, f.job, &request, id, &err)); /* harmless */
	assert_string_equal(id, TRIGGER);
	struct poll p = { .job = f.job, .trigger = TRIGGER };
	until(poll_ended, &p, WAIT_MS, "the savepoint is done");
	assert_int_equal(p.operation.state, FLINK_COMPLETED);
	AUTOFREE char *prefix = mem_printf("file:/state/%s/savepoints/savepoint-c0a100-", target.ns);
	assert_true(str_starts(p.operation.location, prefix));
	until(shown_as_savepoint, p.operation.location, WAIT_MS, "the job's checkpoints show the savepoint");
	struct flink_operation none;
	assert_error(ERROR_NOT_FOUND, flink_savepoint_poll(&f.rest, f.job, NO_TRIGGER, &none, &err));
	/* for a job that is not there it is accepted, and the operation then fails */
	assert_ok(flink_savepoint_trigger(&f.rest, NO_JOB, &request, id, &err));
	p = (struct poll){ .job = NO_JOB, .trigger = TRIGGER };
	until(poll_ended, &p, WAIT_MS, "the savepoint of no job ended");
	assert_int_equal(p.operation.state, FLINK_FAILED);
	assert_contains(p.operation.cause, NO_JOB);
	assert_true(job_runs(NULL));
	/* into a place that cannot be: the job goes on */
	const struct flink_savepoint_request bad = { .directory = "file:///proc/nowhere" };
	assert_ok(flink_savepoint_trigger(&f.rest, f.job, &bad, id, &err));
	p = (struct poll){ .job = f.job, .trigger = id };
	until(poll_ended, &p, WAIT_MS, "the savepoint ended");
	assert_int_equal(p.operation.state, FLINK_FAILED);
	assert_string_not_equal(p.operation.cause, "");
	assert_true(job_runs(NULL));
	f.reached = 3;
}

static bool checkpoint_ended(void *context)
{
	struct poll *p = context;
	assert_ok(flink_checkpoint_poll(&f.rest, p->job, p->trigger, &p->operation, &err));
	return p->operation.state != FLINK_IN_PROGRESS;
}

static bool disposal_ended(void *context)
{
	struct poll *p = context;
	assert_ok(flink_savepoint_dispose_poll(&f.rest, p->trigger, &p->operation, &err));
	return p->operation.state != FLINK_IN_PROGRESS;
}

/* A checkpoint besides those of the job's own interval; a savepoint of the native format, which is then disposed of, twice. */
static void asks_a_running_job(void **state)
{
	(void)state;
	after(3);
	char id[FLINK_ID_MAX] = "", path[FLINK_PATH_MAX] = "";
	assert_ok(flink_checkpoint_trigger(&f.rest, f.job, "FULL", TRIGGER, id, &err));
	assert_string_equal(id, TRIGGER); /* a savepoint had the same: they are not mixed up */
	assert_ok(flink_checkpoint_trigger(&f.rest, f.job, "FULL", TRIGGER, id, &err)); /* harmless */
	struct poll p = { .job = f.job, .trigger = TRIGGER };
	until(checkpoint_ended, &p, WAIT_MS, "the checkpoint is done");
	assert_int_equal(p.operation.state, FLINK_COMPLETED);
	assert_ok(flink_checkpoint_path(&f.rest, f.job, p.operation.checkpoint_id, path, &err));
	AUTOFREE char *chk = mem_printf("/chk-%lld", (long long)p.operation.checkpoint_id);
	assert_true(str_ends(path, chk));
	struct flink_operation none;
	assert_error(ERROR_NOT_FOUND, flink_checkpoint_poll(&f.rest, f.job, NO_TRIGGER, &none, &err));
	assert_error(ERROR_NOT_FOUND, flink_checkpoint_path(&f.rest, f.job, 999999, path, &err));

	AUTOFREE char *dir = mem_printf("file:///state/%s/native", target.ns);
	const struct flink_savepoint_request request = { .directory = dir, .format = "NATIVE" };
	assert_ok(flink_savepoint_trigger(&f.rest, f.job, &request, id, &err));
	p = (struct poll){ .job = f.job, .trigger = id };
	until(poll_ended, &p, WAIT_MS, "the savepoint is done");
	assert_int_equal(p.operation.state, FLINK_COMPLETED);
	char disposal[FLINK_ID_MAX] = "";
	(void)snprintf(path, sizeof path, "%s", p.operation.location);
	assert_ok(flink_savepoint_dispose(&f.rest, path, disposal, &err));
	p = (struct poll){ .trigger = disposal };
	until(disposal_ended, &p, WAIT_MS, "the savepoint is disposed of");
	assert_int_equal(p.operation.state, FLINK_COMPLETED);
	assert_ok(flink_savepoint_dispose(&f.rest, path, disposal, &err));
	until(disposal_ended, &p, WAIT_MS, "it was found to be gone");
	assert_int_equal(p.operation.state, FLINK_FAILED);
	assert_contains(p.operation.cause, "FileNotFoundException");
	assert_error(ERROR_NOT_FOUND, flink_savepoint_dispose_poll(&f.rest, NO_TRIGGER, &none, &err));
	assert_true(job_runs(NULL));
}

static void goes_on_from_ha_metadata(void **state)
{
	(void)state;
	after(3);
	note_counter();
	remove_cluster();
	assert_true(ha_checkpoints() > 0); /* nothing owns them */
	assert_true(exists(&configmaps, NAME "-cluster-config-map"));
	launch(NAME, JOB_ONE, FLINK_LAST_STATE, 2);
	until(job_runs, NULL, START_MS, "the job runs again");
	expect_restored(false, NULL);
	f.reached = 4;
}

static void stops_with_savepoint(void **state)
{
	(void)state;
	after(4);
	note_counter();
	AUTOFREE char *dir = mem_printf("file:///state/%s/stop-1", target.ns);
	const struct flink_savepoint_request request = { .directory = dir, .trigger_id = STOP };
	char id[FLINK_ID_MAX] = "";
	assert_ok(flink_stop_with_savepoint(&f.rest, f.job, &request, false, id, &err));
	assert_string_equal(id, STOP);
	assert_ok(flink_stop_with_savepoint(&f.rest, f.job, &request, false, id, &err)); /* harmless */
	assert_string_equal(id, STOP);
	struct poll p = { .job = f.job, .trigger = STOP };
	until(poll_ended, &p, WAIT_MS, "the stop is done");
	assert_int_equal(p.operation.state, FLINK_COMPLETED);
	AUTOFREE char *prefix = mem_printf("file:/state/%s/stop-1/savepoint-c0a100-", target.ns);
	assert_true(str_starts(p.operation.location, prefix));
	until(job_in_state, (void *)"FINISHED", WAIT_MS, "the job is FINISHED");
	assert_ok(flink_stop_with_savepoint(&f.rest, f.job, &request, false, id, &err)); /* and still is */
	struct poll again = { .job = f.job, .trigger = STOP };
	assert_true(poll_ended(&again));
	assert_string_equal(again.operation.location, p.operation.location);
	struct flink_operation none;
	assert_error(ERROR_NOT_FOUND, flink_savepoint_poll(&f.rest, f.job, NO_TRIGGER, &none, &err));
	/* a new one finds no running job */
	const struct flink_savepoint_request late = { .directory = dir, .trigger_id = LATE_STOP };
	assert_ok(flink_stop_with_savepoint(&f.rest, f.job, &late, false, id, &err));
	struct poll missed = { .job = f.job, .trigger = LATE_STOP };
	until(poll_ended, &missed, WAIT_MS, "the second stop ended");
	assert_int_equal(missed.operation.state, FLINK_FAILED);
	(void)snprintf(f.savepoint, sizeof f.savepoint, "%s", p.operation.location);
	f.reached = 5;
}

static void jobmanager_outlives_the_job(void **state)
{
	(void)state;
	after(5);
	until(no_taskmanagers, NULL, WAIT_MS, "the idle TaskManager is gone");
	until(no_ha_checkpoints, NULL, WAIT_MS, "the finished job has no HA metadata");
	assert_true(job_in_state((void *)"FINISHED"));
	AUTODOC *deployment = must_get(&deployments, NAME);
	assert_string_equal(text_at(deployment, "status/availableReplicas"), "1");
	f.reached = 6;
}

struct jobmanager {
	char uid[64]; /* of its pod */
};

static bool is_replaced(void *context)
{
	const struct jobmanager *old = context;
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, &pods, target.ns, "app=" NAME ",component=jobmanager", &list, NULL, &err));
	const struct node *items = node_find(doc_root(list), "items");
	return node_count(items) == 1 && !str_eq(node_find_text(items, "0/metadata/uid"), old->uid) &&
	       str_eq(node_find_text(items, "0/status/phase"), "Running");
}

static bool has_no_jobs(void *context)
{
	(void)context;
	AUTOJOBS jobs = { 0 };
	return flink_jobs(&f.rest, &jobs, NULL) && jobs.count == 0;
}

/* A new JobManager reads in the JobResultStore that the job has ended: it does not run it anew, and does not show it either. */
static void an_ended_job_stays_ended(void **state)
{
	(void)state;
	after(6);
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, &pods, target.ns, "app=" NAME ",component=jobmanager", &list, NULL, &err));
	struct jobmanager old;
	(void)snprintf(old.uid, sizeof old.uid, "%s", text_at(list, "items/0/metadata/uid"));
	must_delete(&pods, text_at(list, "items/0/metadata/name"), NULL);
	until(is_replaced, &old, WAIT_MS, "there is a new JobManager");
	until(has_no_jobs, NULL, WAIT_MS, "the new JobManager has no jobs");
	assert_false(target.until(job_runs, NULL, 5000));
	struct flink_job job;
	assert_error(ERROR_NOT_FOUND, flink_job_details(&f.rest, JOB_ONE, &job, &err));
	assert_true(no_taskmanagers(NULL));
	remove_cluster();
	f.reached = 7;
}

static void goes_on_from_the_savepoint(void **state)
{
	(void)state;
	after(7);
	launch(NAME, JOB_TWO, f.savepoint, 3);
	until(job_runs, NULL, START_MS, "the job runs from the savepoint");
	expect_restored(true, f.savepoint);
	int64_t one = 1;
	until(completed_at_least, &one, WAIT_MS, "a checkpoint was completed");
	assert_ok(flink_cancel(&f.rest, f.job, &err));
	until(job_in_state, (void *)"CANCELED", WAIT_MS, "the job is CANCELED");
	remove_cluster();
	f.reached = 8;
}

/* ---- starts from state that is not there ---- */

static bool start_failed(void *context)
{
	(void)context;
	assert_false(job_runs(NULL));
	if (job_in_state((void *)"FAILED"))
		return true;
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, &pods, target.ns, "app=" NAME ",component=jobmanager", &list, NULL, &err));
	return node_integer(node_find(doc_root(list), "items/0/status/containerStatuses/0/restartCount"), 0) > 0;
}

static void never_starts_empty(void **state)
{
	(void)state;
	after(8);
	AUTOFREE char *lost = mem_printf("file:///state/%s/savepoints/savepoint-c0a100-000000000000", target.ns);
	const char *const from[] = { lost, FLINK_LAST_STATE };
	static const char *const jobs[] = { "c0a10000000000000000000000000003", "c0a10000000000000000000000000004" };
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		launch(NAME, jobs[i], from[i], 4 + (int64_t)i);
		until(start_failed, NULL, START_MS, "the start failed");
		remove_cluster();
	}
	f.reached = 9;
}

static int end(void **state)
{
	(void)state;
	kube_proxy_free(&f.rest); /* fine if it was never made */
	return 0;
}

int contract_flink(void)
{
	static const struct CMUnitTest flink[] = {
		cmocka_unit_test(starts),
		cmocka_unit_test(checkpoints_and_ha),
		cmocka_unit_test(savepoint),
		cmocka_unit_test(asks_a_running_job),
		cmocka_unit_test(goes_on_from_ha_metadata),
		cmocka_unit_test(stops_with_savepoint),
		cmocka_unit_test(jobmanager_outlives_the_job),
		cmocka_unit_test(an_ended_job_stays_ended),
		cmocka_unit_test(goes_on_from_the_savepoint),
		cmocka_unit_test(never_starts_empty),
	};
	return cmocka_run_group_tests(flink, NULL, end);
}
