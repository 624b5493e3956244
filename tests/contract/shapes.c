/*
 * The other shapes of a Flink cluster, made of our own objects: native and standalone sessions, into which jobs are uploaded, and the
 * standalone application. Each is started, stopped with a savepoint, goes on from that, and is gone with its JobManager's Deployment.
 */
#include <stdio.h>
#include <unistd.h>

#include "contract/target.h"
#include "flink/objects.h"
#include "flink/rest.h"

#define NAME "shape"

enum { START_MS = 180000, WAIT_MS = 90000 };

static struct {
	struct http rest;
	const char *job;
	char savepoint[FLINK_PATH_MAX];
} s;

static struct doc *spec(bool standalone, bool session)
{
	struct doc *doc =
		yaml("flinkVersion: %s\nimage: %s\nserviceAccount: flink\nmode: %s\n"
		     "flinkConfiguration:\n"
		     "  taskmanager.numberOfTaskSlots: '1'\n  resourcemanager.taskmanager-timeout: '5000'\n"
		     "  high-availability.type: kubernetes\n  high-availability.storageDir: file:///state/%s/ha\n"
		     "  state.checkpoints.dir: file:///state/%s/checkpoints\n  state.savepoints.dir: file:///state/%s/savepoints\n"
		     "  execution.checkpointing.interval: 2 s\n  heartbeat.interval: '1000'\n  web.refresh-interval: '500'\n"
		     "podTemplate:\n  spec:\n    containers:\n"
		     "    - {name: flink-main-container, volumeMounts: [{name: state, mountPath: /state}]}\n"
		     "    volumes: [{name: state, hostPath: {path: %s, type: DirectoryOrCreate}}]\n"
		     "jobManager: {resource: {memory: 800m, cpu: 0.1}}\ntaskManager: {resource: {memory: 1024m, cpu: 0.1}}\n"
		     "job: {jarURI: 'local:///opt/flink/usrlib/count.jar', entryClass: CountJob, parallelism: 1, upgradeMode: savepoint}\n",
		     target.flink_version, target.image, standalone ? "standalone" : "native", target.ns, target.ns, target.ns,
		     target.state_dir);
	if (session)
		(void)node_remove(doc_root(doc), "job");
	return doc;
}

static void create_any(const struct node *object)
{
	struct kube_resource resource;
	assert_ok(kube_resource_for(target.kube, node_find_text(object, "apiVersion"), node_find_text(object, "kind"), &resource, &err));
	assert_ok(kube_create(target.kube, &resource, target.ns, object, NULL, &err));
}

static void launch(bool standalone, bool session, const char *job, const char *from, int64_t number)
{
	AUTODOC *resource = spec(standalone, session), *doc = doc_new(), *made = NULL;
	AUTOFREE char *store = mem_printf("shape-%lld", (long long)number);
	const struct flink_launch l = { .spec = doc_root(resource),
					.name = NAME,
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
	s.job = job;
	if (s.rest.send == NULL)
		assert_true(kube_service_proxy_http(target.kube, target.ns, NAME "-rest", "rest", &s.rest));
}

static bool answers(void *context)
{
	(void)context;
	struct flink_overview overview;
	return flink_overview(&s.rest, &overview, NULL);
}

static bool in_state(void *context)
{
	struct flink_job job;
	return flink_job_details(&s.rest, s.job, &job, NULL) && str_eq(job.effective_state, context);
}

static bool savepoint_made(void *context)
{
	struct flink_operation op;
	assert_ok(flink_savepoint_poll(&s.rest, s.job, context, &op, &err));
	if (op.state == FLINK_IN_PROGRESS)
		return false;
	assert_int_equal(op.state, FLINK_COMPLETED);
	(void)snprintf(s.savepoint, sizeof(s.savepoint), "%s", op.location);
	return true;
}

static void stop_with_savepoint(void)
{
	AUTOFREE char *dir = mem_printf("file:///state/%s/savepoints", target.ns);
	const struct flink_savepoint_request request = { .directory = dir, .version = flink_version_find(target.flink_version) };
	char trigger[FLINK_ID_MAX];
	char finished[] = "FINISHED";
	assert_ok(flink_stop_with_savepoint(&s.rest, s.job, &request, false, trigger, &err));
	until(savepoint_made, trigger, WAIT_MS, "the savepoint is made");
	until(in_state, finished, WAIT_MS, "the job has ended");
}

static void assert_restored(void)
{
	struct flink_checkpoints c;
	assert_ok(flink_checkpoints(&s.rest, s.job, &c, &err));
	assert_true(c.restored.present);
	assert_string_equal(c.restored.path, s.savepoint);
}

static size_t count_of(const struct kube_resource *resource, const char *selector)
{
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, resource, target.ns, selector, &list, NULL, &err));
	return node_count(node_find(doc_root(list), "items"));
}

static bool all_gone(void *context)
{
	(void)context;
	return count_of(&deployments, "app=" NAME) == 0 && count_of(&pods, "app=" NAME) == 0 && !exists(&services, NAME "-rest") &&
	       !exists(&configmaps, "flink-config-" NAME);
}

/* The JobManager's Deployment takes everything along but what HA keeps, and in the foreground it goes last. */
static void remove_all(void)
{
	must_delete(&deployments, NAME, "Foreground");
	until_gone(&deployments, NAME);
	assert_int_equal(count_of(&deployments, "app=" NAME), 0);
	until(all_gone, NULL, WAIT_MS, "the cluster is gone with its JobManager's Deployment");
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, &configmaps, target.ns, "app=" NAME, &list, NULL, &err));
	const struct node *items = node_find(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++)
		must_delete(&configmaps, node_find_text(node_at(items, i), "metadata/name"), "Background");
}

static void run(const char *jar, const char *job, const char *from)
{
	char running[] = "RUNNING", id[FLINK_ID_MAX];
	const struct flink_jar_run request = { .version = flink_version_find(target.flink_version),
					       .job_id = job,
					       .entry_class = "CountJob",
					       .parallelism = 1,
					       .savepoint_path = from,
					       .claim_mode = "NO_CLAIM",
					       .timeout_ms = 60000 };
	assert_ok(flink_jar_run(&s.rest, jar, &request, id, &err));
	assert_string_equal(id, job);
	s.job = job;
	until(in_state, running, START_MS, "the job runs");
	assert_error(ERROR_CONFLICT, flink_jar_run(&s.rest, jar, &request, id, &err)); /* harmless */
}

/* A file to upload: the given one, or in the simulator, which looks at no jar, anything. */
static const char *jar_file(char *made, size_t size)
{
	if (target.jar != NULL)
		return target.jar;
	if (target.is_real)
		skip();
	(void)snprintf(made, size, "/tmp/weir-contract-jar-XXXXXX");
	int fd = mkstemp(made);
	assert_true(fd >= 0 && write(fd, "PK", 2) == 2);
	(void)close(fd);
	return made;
}

static void session(bool standalone)
{
	const char *const jobs[] = { standalone ? "c0a2000000000000000000000000000a" : "c0a20000000000000000000000000001",
				     standalone ? "c0a2000000000000000000000000000b" : "c0a20000000000000000000000000002" };
	char made[64] = "", jar[FLINK_JAR_ID_MAX], canceled[] = "CANCELED";
	const char *file = jar_file(made, sizeof(made));
	launch(standalone, true, NULL, NULL, standalone ? 12 : 11);
	until(answers, NULL, START_MS, "the session answers");
	assert_ok(flink_jar_upload(&s.rest, file, "count.jar", jar, &err));
	if (made[0] != '\0')
		(void)unlink(made);
	run(jar, jobs[0], NULL);
	AUTOVERTICES vertices = { 0 };
	assert_ok(flink_job_vertices(&s.rest, s.job, &vertices, &err));
	assert_true(vertices.count > 0);
	assert_int_equal(vertices.items[0].parallelism, 1);
	assert_int_equal(count_of(&pods, "app=" NAME ",component=taskmanager"), 1);
	stop_with_savepoint();
	run(jar, jobs[1], s.savepoint);
	assert_restored();
	assert_ok(flink_cancel(&s.rest, s.job, &err));
	until(in_state, canceled, WAIT_MS, "the job is canceled");
	assert_ok(flink_jar_delete(&s.rest, jar, &err));
	assert_error(ERROR_NOT_FOUND, flink_jar_delete(&s.rest, jar, &err));
	remove_all();
}

static void native_session(void **state)
{
	(void)state;
	session(false);
}

static void standalone_session(void **state)
{
	(void)state;
	session(true);
}

static void standalone_application(void **state)
{
	(void)state;
	char running[] = "RUNNING";
	launch(true, false, "c0a20000000000000000000000000021", NULL, 13);
	until(in_state, running, START_MS, "the job runs");
	assert_true(exists(&deployments, NAME "-taskmanager"));
	assert_int_equal(count_of(&pods, "app=" NAME ",component=taskmanager,type=flink-standalone-kubernetes"), 1);
	stop_with_savepoint();
	remove_all();
	launch(true, false, "c0a20000000000000000000000000022", s.savepoint, 14);
	until(in_state, running, START_MS, "the job runs again");
	assert_restored();
	remove_all();
}

static int end(void **state)
{
	(void)state;
	kube_proxy_free(&s.rest); /* fine if it was never made */
	return 0;
}

int contract_shapes(void)
{
	static const struct CMUnitTest shapes[] = {
		cmocka_unit_test(native_session),
		cmocka_unit_test(standalone_session),
		cmocka_unit_test(standalone_application),
	};
	return cmocka_run_group_tests(shapes, NULL, end);
}
