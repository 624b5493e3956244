/* Preflight in a pass: both pods, the API server's word, quotas, Pod Security, images without a shell, and nothing left behind. */
#include "support.h"

#define JOB_OF(image, annotations, jar, template)                                                                       \
	"apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: job, annotations: {" annotations \
	"}}\nspec:\n  image: " image "\n  flinkVersion: v1_20\n  serviceAccount: default\n"                             \
	"  jobManager: {resource: {cpu: 1, memory: 1024m}}\n  taskManager: {resource: {cpu: 1, memory: 1024m}}\n"       \
	"  job: {jarURI: 'local:///" jar ".jar', parallelism: 1, upgradeMode: stateless}\n" template "---\n"
#define JOB	 JOB_OF("flink:1.20", "", "a", "")
#define REQUIRED "weir.dev/preflight: require"
#define NOBODY                                                                                                            \
	"  podTemplate: {spec: {securityContext: {runAsNonRoot: true, runAsUser: 9999, seccompProfile: {type: "           \
	"RuntimeDefault}}, containers: [{name: flink-main-container, securityContext: {allowPrivilegeEscalation: false, " \
	"capabilities: {drop: [ALL]}}}]}}\n"
#define FLINK_ID "FlinkDeployment/default/job"

static size_t preflight_objects(const struct kube_resource *resource)
{
	AUTODOC *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(kube_list(world.kube, resource, "default", "weir.dev/preflight=job", &list, NULL, &err));
	return node_count(node_get(doc_root(list), "items"));
}

static void nothing_is_left(void)
{
	assert_int_equal(preflight_objects(&KIND_POD), 0);
	assert_int_equal(preflight_objects(&KIND_CONFIGMAP), 0);
}

/* Passes until preflight has its result; never more than one set of pods is there. */
static void settle(const char *commit, const char *yaml)
{
	pass("s", commit, yaml);
	for (int i = 0; i < 1000 && world.out.state == SYNC_PENDING; i++) {
		assert_true(preflight_objects(&KIND_POD) <= 3);
		assert_true(preflight_objects(&KIND_CONFIGMAP) <= 1);
		sim_advance(world.sim, 200);
		pass("s", commit, yaml);
	}
	nothing_is_left();
}

static const char *result(void)
{
	static char text[400];
	struct stored_ledger stored;
	struct error err = ERROR_INIT;
	assert_true(ledger_store_read(world.kube, "default", "job", &stored, &err));
	(void)snprintf(text, sizeof text, "%s: %s", stored.ledger.preflight_result, stored.ledger.preflight_message);
	ledger_free(&stored.ledger);
	return text;
}

static void expect_result(const char *start, const char *part)
{
	if (!str_starts(result(), start) || strstr(result(), part) == NULL)
		fail_msg("%s; %s", result(), world.out.message);
}

static void set_quota(const char *hard)
{
	static const char format[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\",\"metadata\":{\"name\":\"tight\"},\"spec\":{\"hard\":{%s}}}";
	AUTOFREE char *body = mem_printf(format, hard);
	by_hand("POST", "/api/v1/namespaces/default/resourcequotas", JSON, body);
}

static void restricted(void)
{
	by_hand("PATCH", "/api/v1/namespaces/default", MERGE,
		"{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"restricted\"}}}");
}

static void both_pods_are_asked(void **state)
{
	(void)state;
	pass("s", "c1", JOB);
	expect(FLINK_ID, CHANGE_PENDING, "preflight");
	assert_int_equal(preflight_objects(&KIND_POD), 2);
	assert_int_equal(preflight_objects(&KIND_CONFIGMAP), 1);
	assert_false(exists(FLINKS, "job"));
	settle("c1", JOB);
	expect_state(SYNC_APPLIED);
	expect_result("passed", "");
	assert_true(exists(FLINKS, "job"));
	assert_int_equal(sim_object_count(world.sim, "apps/deployments", NULL), 0); /* dry runs made nothing */
}

static void a_result_is_kept_for_the_content(void **state)
{
	(void)state;
	const char *bad = JOB_OF("flink:does-not-exist", "", "a", "");
	settle("c1", JOB);
	settle("c2", bad);
	expect(FLINK_ID, CHANGE_WITHHELD, "refused by preflight: JobManager: Back-off pulling image");
	expect_result("failed", "Back-off");
	assert_string_equal(live(FLINKS, "default", "job", "spec/image"), "flink:1.20");
	pass("s", "c2", bad); /* its words go on the resource */
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c3", bad);
	expect(FLINK_ID, CHANGE_WITHHELD, "refused by preflight");
	nothing_is_left();
	assert_true(sim_writes(world.sim) - writes < 6);
	/* until a person asks once more, and for each time of asking once */
	const char *again = JOB_OF("flink:does-not-exist", "weir.dev/retry: '1'", "a", "");
	pass("s", "c4", again);
	expect(FLINK_ID, CHANGE_PENDING, "preflight");
	settle("c4", again);
	expect(FLINK_ID, CHANGE_WITHHELD, "refused by preflight");
	pass("s", "c4", again);
	expect(FLINK_ID, CHANGE_WITHHELD, "refused by preflight");
	nothing_is_left();
}

static void the_taskmanagers_image_counts_too(void **state)
{
	(void)state;
	/* the configuration has one image for both: only what happens on the TaskManagers' node can differ */
	pass("s", "c1", JOB);
	AUTODOC *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(kube_list(world.kube, &KIND_POD, "default", "weir.dev/preflight=job", &list, NULL, &err));
	for (size_t i = 0; i < 2; i++) {
		const char *name = node_find_text(node_at(node_get(doc_root(list), "items"), i), "metadata/name");
		size_t len = strlen(name);
		if (strcmp(name + len - 3, "-tm") != 0)
			continue;
		AUTOFREE char *path = mem_printf("/api/v1/namespaces/default/pods/%s/status", name);
		by_hand("PATCH", path, MERGE,
			"{\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"preflight\",\"state\":{\"waiting\":{"
			"\"reason\":\"ErrImagePull\",\"message\":\"unauthorized\"}}}]}}");
	}
	settle("c1", JOB);
	expect(FLINK_ID, CHANGE_WITHHELD, "refused by preflight: TaskManager: unauthorized");
}

static void a_quota_without_room_is_no_refusal(void **state)
{
	(void)state;
	set_quota("\"pods\":\"0\"");
	settle("c1", JOB);
	expect_state(SYNC_APPLIED);
	expect_result("unknown", "exceeded quota: tight");
}

static void a_quota_without_room_stops_what_requires_preflight(void **state)
{
	(void)state;
	set_quota("\"pods\":\"0\"");
	settle("c1", JOB_OF("flink:1.20", REQUIRED, "a", ""));
	expect(FLINK_ID, CHANGE_WITHHELD, "preflight could not check");
	expect_result("unknown", "exceeded quota: tight");
	assert_false(exists(FLINKS, "job"));
}

static void a_quota_that_wants_limits_has_them(void **state)
{
	(void)state;
	set_quota("\"requests.cpu\":\"4\",\"limits.cpu\":\"4\",\"requests.memory\":\"8Gi\",\"limits.memory\":\"8Gi\",\"pods\":\"9\"");
	settle("c1", JOB_OF("flink:1.20", REQUIRED, "a", ""));
	expect_state(SYNC_APPLIED);
	expect_result("passed", "");
}

/* Room for the job that runs, and little more: the new one takes its place, so that the quota is no reason against it. */
static void the_running_job_makes_room(void **state)
{
	(void)state;
	settle("c1", JOB);
	set_quota("\"limits.memory\":\"1500Mi\"");
	by_hand("POST", "/api/v1/namespaces/default/pods", JSON,
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"running\"},\"spec\":{\"containers\":[{\"name\":\"m\","
		"\"image\":\"f\","
		"\"resources\":{\"limits\":{\"memory\":\"800Mi\"}}}]}}");
	settle("c2", JOB_OF("flink:1.20.1", REQUIRED, "a", ""));
	expect_state(SYNC_APPLIED);
	expect_result("passed", "");
}

static void a_template_that_pod_security_refuses(void **state)
{
	(void)state;
	restricted();
	settle("c1", JOB);
	expect(FLINK_ID, CHANGE_WITHHELD,
	       "refused by preflight: the API server refuses Pod job-preflight-jobmanager: violates PodSecurity");
	assert_false(exists(FLINKS, "job"));
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c1", JOB);
	expect(FLINK_ID, CHANGE_WITHHELD, "violates PodSecurity");
	assert_true(sim_writes(world.sim) - writes <= 1); /* the inventory alone */
	/* what the server refused is asked again each time: the cause may lie outside of git */
	by_hand("PATCH", "/api/v1/namespaces/default", MERGE, "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":null}}}");
	settle("c1", JOB);
	expect_state(SYNC_APPLIED);
}

static void a_template_that_pod_security_takes(void **state)
{
	(void)state;
	restricted();
	settle("c1", JOB_OF("flink:1.20", REQUIRED, "a", NOBODY));
	expect_state(SYNC_APPLIED);
	expect_result("passed", "");
}

static void images_without_a_shell(void **state)
{
	(void)state;
	settle("c1", JOB_OF("no-shell:1", REQUIRED, "a", ""));
	expect_state(SYNC_APPLIED);
	expect_result("passed", "");
	settle("c2", JOB_OF("no-shell:1", "", "missing", ""));
	expect(FLINK_ID, CHANGE_WITHHELD, "not a readable jar");
	settle("c3", JOB_OF("no-shell:1", "", "a", "  flinkConfiguration: {refuse-me: 'yes'}\n"));
	expect(FLINK_ID, CHANGE_WITHHELD, "Flink refuses the configuration");
	settle("c4", JOB_OF("no-shell-no-java:1", REQUIRED, "a", ""));
	expect(FLINK_ID, CHANGE_WITHHELD, "neither a shell nor java");
	settle("c5", JOB_OF("no-shell-no-java:1", "", "a", ""));
	expect_state(SYNC_APPLIED);
}

/* Weir goes away in the middle, and other content comes: what it left goes first. */
static void leftovers_go(void **state)
{
	(void)state;
	settle("c1", JOB);
	pass("s", "c2", JOB_OF("flink:1.20.1", "", "a", ""));
	assert_int_equal(preflight_objects(&KIND_POD), 2);
	pass("s", "c3", JOB_OF("flink:1.20.2", "", "a", ""));
	assert_int_equal(preflight_objects(&KIND_POD), 2);
	assert_int_equal(preflight_objects(&KIND_CONFIGMAP), 1);
	pass("s", "c4", JOB); /* taken back */
	expect_state(SYNC_APPLIED);
	nothing_is_left();
	/* an image that is slow to come: the result is that there is none, in time */
	pass("s", "c5", JOB_OF("flink:1.20.1", REQUIRED, "a", ""));
	sim_node_freeze(world.sim, "node-1", true);
	sim_node_freeze(world.sim, "node-2", true);
	sim_advance(world.sim, 125000);
	settle("c5", JOB_OF("flink:1.20.1", REQUIRED, "a", ""));
	expect(FLINK_ID, CHANGE_WITHHELD, "did not end in time");
}

/* A first deployment has no owner yet; git takes it back before it comes to be. */
static void a_first_deployment_taken_back(void **state)
{
	(void)state;
	pass("s", "c1", JOB MAP("other", "1") MAP("b", "1") MAP("c", "1") MAP("d", "1") MAP("e", "1"));
	assert_int_equal(preflight_objects(&KIND_POD), 2);
	pass("s", "c2", MAP("other", "1") MAP("b", "1") MAP("c", "1") MAP("d", "1") MAP("e", "1"));
	nothing_is_left();
}

static void a_plan_asks_and_creates_nothing(void **state)
{
	(void)state;
	restricted();
	world.plan = true;
	uint64_t writes = sim_writes(world.sim);
	pass("s", "c1", JOB);
	expect(FLINK_ID, CHANGE_WITHHELD, "violates PodSecurity");
	pass("s", "c1", JOB_OF("flink:1.20", "", "a", NOBODY));
	expect(FLINK_ID, CHANGE_PENDING, "preflight");
	assert_int_equal(sim_writes(world.sim), writes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_pods_are_asked),
		TEST(a_result_is_kept_for_the_content),
		TEST(the_taskmanagers_image_counts_too),
		TEST(a_quota_without_room_is_no_refusal),
		TEST(a_quota_without_room_stops_what_requires_preflight),
		TEST(a_quota_that_wants_limits_has_them),
		TEST(the_running_job_makes_room),
		TEST(a_template_that_pod_security_refuses),
		TEST(a_template_that_pod_security_takes),
		TEST(images_without_a_shell),
		TEST(leftovers_go),
		TEST(a_first_deployment_taken_back),
		TEST(a_plan_asks_and_creates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
