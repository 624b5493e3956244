#include "support.h"

#define CM(name, extra) \
	"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name "\"" extra "},\"data\":{\"k\":\"1\"}}"

static void create_get_replace_delete(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	ANSWER made = ask(sim, "POST", CMS, JSON, CM("a", ""));
	assert_int_equal(made.status, 201);
	assert_int_equal(strlen(at(&made, "metadata/uid")), 36);
	ANSWER twice = ask(sim, "POST", CMS, JSON, CM("a", ""));
	assert_int_equal(twice.status, 409);
	assert_string_equal(at(&twice, "reason"), "AlreadyExists");
	assert_string_equal(at(&twice, "message"), "configmaps \"a\" already exists");
	AUTOFREE char *stale = mem_printf(CM("a", ",\"resourceVersion\":\"%s\""), at(&made, "metadata/resourceVersion"));
	ANSWER patched = ask(sim, "PATCH", CMS "/a", MERGE, "{\"data\":{\"k\":null,\"n\":\"2\"}}");
	assert_int_equal(patched.status, 200);
	assert_string_equal(at(&patched, "data/n"), "2");
	assert_string_equal(at(&patched, "data/k"), "");
	ANSWER conflict = ask(sim, "PUT", CMS "/a", JSON, stale);
	assert_int_equal(conflict.status, 409);
	assert_string_equal(at(&conflict, "reason"), "Conflict");
	ANSWER wrong = ask(sim, "DELETE", CMS "/a", JSON, "{\"preconditions\":{\"uid\":\"other\"}}");
	assert_int_equal(wrong.status, 409);
	ANSWER gone = ask(sim, "DELETE", CMS "/a", NULL, NULL);
	assert_int_equal(gone.status, 200);
	ANSWER none = ask(sim, "GET", CMS "/a", NULL, NULL);
	assert_int_equal(none.status, 404);
	assert_string_equal(at(&none, "reason"), "NotFound");
	ANSWER nowhere = ask(sim, "POST", "/api/v1/namespaces/nope/configmaps", JSON, CM("a", ""));
	assert_int_equal(nowhere.status, 404);
	ANSWER bad = ask(sim, "POST", CMS, JSON, CM("UPPER", ""));
	assert_int_equal(bad.status, 422);
	ANSWER broken = ask(sim, "POST", CMS, JSON, "{");
	assert_int_equal(broken.status, 400);
	sim_free(sim);
}

static void dry_run_and_no_op_write_nothing(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	uint64_t before = sim_writes(sim);
	ANSWER dry = ask(sim, "POST", CMS "?dryRun=All", JSON, CM("a", ""));
	assert_int_equal(dry.status, 201);
	assert_int_equal(sim_writes(sim), before);
	ANSWER made = ask(sim, "POST", CMS, JSON, CM("a", ""));
	before = sim_writes(sim);
	ANSWER same = ask(sim, "PATCH", CMS "/a", MERGE, "{\"data\":{\"k\":\"1\"}}");
	assert_int_equal(same.status, 200);
	ANSWER dry_patch = ask(sim, "PATCH", CMS "/a?dryRun=All", MERGE, "{\"data\":{\"k\":\"2\"}}");
	assert_string_equal(at(&dry_patch, "data/k"), "2");
	ANSWER dry_delete = ask(sim, "DELETE", CMS "/a?dryRun=All", NULL, NULL);
	assert_int_equal(dry_delete.status, 200);
	assert_int_equal(sim_writes(sim), before);
	sim_free(sim);
}

static void lists_select_and_page(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	assert_true(sim_load_yaml(sim,
				  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {x: '1', y: t}}\n---\n"
				  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, labels: {x: '2'}}\n---\n"
				  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {x: '3'}}\n",
				  NULL));
	static const struct {
		const char *query;
		size_t count;
	} cases[] = {
		{ "", 3 },
		{ "?labelSelector=x%3D1", 1 },
		{ "?labelSelector=x%21%3D1", 2 },
		{ "?labelSelector=x%20in%20(1,2)", 2 },
		{ "?labelSelector=x%20notin%20(1,2),x", 1 },
		{ "?labelSelector=y", 1 },
		{ "?labelSelector=!y", 2 },
		{ "?fieldSelector=metadata.name%3Db", 1 },
		{ "?fieldSelector=metadata.name!%3Db", 2 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTOFREE char *path = mem_printf(CMS "%s", cases[i].query);
		ANSWER a = ask(sim, "GET", path, NULL, NULL);
		assert_int_equal(a.status, 200);
		assert_int_equal(node_count(node_find(doc_root(a.doc), "items")), cases[i].count);
	}
	ANSWER first = ask(sim, "GET", CMS "?limit=2", NULL, NULL);
	assert_int_equal(node_count(node_find(doc_root(first.doc), "items")), 2);
	AUTOBUF next = BUF_INIT;
	buf_puts(&next, CMS "?limit=2&continue=");
	buf_put_url(&next, at(&first, "metadata/continue"));
	ANSWER second = ask(sim, "GET", next.data, NULL, NULL);
	assert_int_equal(node_count(node_find(doc_root(second.doc), "items")), 1);
	assert_string_equal(at(&second, "items/0/metadata/name"), "c");
	assert_string_equal(at(&second, "metadata/continue"), "");
	ANSWER invalid = ask(sim, "GET", CMS "?labelSelector=a%20b", NULL, NULL);
	assert_int_equal(invalid.status, 400);
	ANSWER all = ask(sim, "DELETE", CMS "?labelSelector=x", NULL, NULL);
	assert_int_equal(all.status, 200);
	assert_int_equal(sim_object_count(sim, "configmaps", "default"), 0);
	sim_free(sim);
}

static struct http_stream *watch(struct sim *sim, const char *path)
{
	struct http_request request = { .method = "GET", .path = path };
	int status = 0;
	AUTOBUF problem = BUF_INIT;
	struct http_stream *s = sim_http(sim)->open(sim, &request, &status, &problem, NULL);
	assert_non_null(s);
	assert_int_equal(status, 200);
	return s;
}

static void watches_resume_and_expire(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	struct http *http = sim_http(sim);
	struct error err = ERROR_INIT;
	ANSWER list = ask(sim, "GET", CMS, NULL, NULL);
	AUTOFREE char *path = mem_printf(CMS "?watch=true&labelSelector=x%%3D1&resourceVersion=%s", at(&list, "metadata/resourceVersion"));
	struct http_stream *s = watch(sim, path);
	AUTOBUF out = BUF_INIT;
	assert_true(http->read(s, &out, 0, &err));
	assert_int_equal(out.len, 0);
	ANSWER other = ask(sim, "POST", CMS, JSON, CM("b", ""));
	ANSWER made = ask(sim, "POST", CMS, JSON, CM("a", ",\"labels\":{\"x\":\"1\"}"));
	ANSWER changed = ask(sim, "PATCH", CMS "/a", MERGE, "{\"data\":{\"k\":\"2\"}}");
	ANSWER left = ask(sim, "PATCH", CMS "/a", MERGE, "{\"metadata\":{\"labels\":{\"x\":\"2\"}}}");
	assert_true(http->read(s, &out, 0, &err));
	const char *added = strstr(buf_text(&out), "\"ADDED\""), *modified = strstr(buf_text(&out), "\"MODIFIED\"");
	const char *deleted = strstr(buf_text(&out), "\"DELETED\"");
	assert_true(added != NULL && modified != NULL && deleted != NULL && added < modified && modified < deleted);
	assert_null(strstr(buf_text(&out), "\"name\":\"b\""));
	http->close(s);
	s = watch(sim, path); /* again from the same place: the same events */
	AUTOBUF again = BUF_INIT;
	assert_true(http->read(s, &again, 0, &err));
	assert_string_equal(buf_text(&again), buf_text(&out));
	sim_watch_stall(sim, true);
	ANSWER back = ask(sim, "PATCH", CMS "/a", MERGE, "{\"metadata\":{\"labels\":{\"x\":\"1\"}}}");
	buf_clear(&again);
	assert_true(http->read(s, &again, 0, &err));
	assert_int_equal(again.len, 0);
	sim_watch_stall(sim, false);
	assert_true(http->read(s, &again, 0, &err));
	assert_non_null(strstr(buf_text(&again), "\"ADDED\""));
	sim_watch_expire(sim);
	buf_clear(&again);
	assert_true(http->read(s, &again, 0, &err));
	assert_non_null(strstr(buf_text(&again), "\"code\":410"));
	assert_false(http->read(s, &again, 0, &err));
	http->close(s);
	s = watch(sim, CMS "?watch=true&allowWatchBookmarks=true");
	buf_clear(&again);
	assert_true(http->read(s, &again, 0, &err)); /* without a version: what is there comes first */
	assert_non_null(strstr(buf_text(&again), "\"name\":\"b\""));
	sim_advance(sim, 61000);
	buf_clear(&again);
	assert_true(http->read(s, &again, 0, &err));
	assert_non_null(strstr(buf_text(&again), "\"BOOKMARK\""));
	sim_watch_break(sim);
	assert_false(http->read(s, &again, 0, &err));
	assert_int_equal(err.kind, ERROR_NONE);
	http->close(s);
	sim_free(sim);
}

static void window_compacts(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	sim_options(sim)->watch_window = 16;
	ANSWER made = ask(sim, "POST", CMS, JSON, CM("a", ""));
	for (int i = 0; i < 100; i++) {
		AUTOFREE char *patch = mem_printf("{\"data\":{\"k\":\"v%d\"}}", i);
		ANSWER p = ask(sim, "PATCH", CMS "/a", MERGE, patch);
		assert_int_equal(p.status, 200);
	}
	AUTOFREE char *path = mem_printf(CMS "?watch=1&resourceVersion=%s", at(&made, "metadata/resourceVersion"));
	struct http_stream *s = watch(sim, path);
	AUTOBUF out = BUF_INIT;
	assert_true(sim_http(sim)->read(s, &out, 0, NULL));
	assert_non_null(strstr(buf_text(&out), "\"code\":410"));
	sim_http(sim)->close(s);
	sim_free(sim);
}

static void owners_and_finalizers(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	ANSWER owner = ask(sim, "POST", CMS, JSON, CM("owner", ""));
	AUTOFREE char *child =
		mem_printf(CM("child", ",\"finalizers\":[\"x/hold\"],\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
				       "\"name\":\"owner\",\"uid\":\"%s\",\"blockOwnerDeletion\":true}]"),
			   at(&owner, "metadata/uid"));
	ANSWER made = ask(sim, "POST", CMS, JSON, child);
	assert_int_equal(made.status, 201);
	ANSWER gone = ask(sim, "DELETE", CMS "/owner", JSON, "{\"propagationPolicy\":\"Foreground\"}");
	assert_int_equal(gone.status, 200);
	sim_advance(sim, 1000);
	ANSWER waits = ask(sim, "GET", CMS "/owner", NULL, NULL); /* for its dependent, which waits for its finalizer */
	assert_int_equal(waits.status, 200);
	assert_string_equal(at(&waits, "metadata/finalizers/0"), "foregroundDeletion");
	ANSWER held = ask(sim, "GET", CMS "/child", NULL, NULL);
	assert_string_not_equal(at(&held, "metadata/deletionTimestamp"), "");
	ANSWER freed = ask(sim, "PATCH", CMS "/child", MERGE, "{\"metadata\":{\"finalizers\":null}}");
	assert_int_equal(freed.status, 200);
	sim_advance(sim, 1000);
	assert_int_equal(sim_object_count(sim, "configmaps", "default"), 0);

	ANSWER owner2 = ask(sim, "POST", CMS, JSON, CM("owner", ""));
	AUTOFREE char *child2 =
		mem_printf(CM("child", ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"owner\","
				       "\"uid\":\"%s\"}]"),
			   at(&owner2, "metadata/uid"));
	ANSWER made2 = ask(sim, "POST", CMS, JSON, child2);
	ANSWER orphan = ask(sim, "DELETE", CMS "/owner?propagationPolicy=Orphan", NULL, NULL);
	sim_advance(sim, 1000);
	assert_int_equal(sim_object_count(sim, "configmaps", "default"), 1);
	ANSWER ns = ask(sim, "DELETE", "/api/v1/namespaces/default", NULL, NULL);
	assert_int_equal(ns.status, 200);
	sim_advance(sim, 5000);
	assert_int_equal(sim_object_count(sim, "configmaps", NULL), 0);
	ANSWER no_ns = ask(sim, "GET", "/api/v1/namespaces/default", NULL, NULL);
	assert_int_equal(no_ns.status, 404);
	sim_free(sim);
}

static void custom_kinds_have_status_and_generation(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	static const char base[] = "/apis/example.org/v1/namespaces/default/things";
	ANSWER unknown = ask(sim, "GET", base, NULL, NULL);
	assert_int_equal(unknown.status, 404);
	assert_true(sim_load_yaml(
		sim,
		"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.org}\n"
		"spec:\n  group: example.org\n  scope: Namespaced\n  names: {kind: Thing, plural: things, singular: thing}\n"
		"  versions:\n  - name: v1\n    served: true\n    storage: true\n    subresources: {status: {}}\n    schema:\n"
		"      openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {n: {type: integer}}},\n"
		"        status: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n",
		NULL));
	ANSWER made = ask(sim, "POST", base, JSON,
			  "{\"apiVersion\":\"example.org/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"t\"},"
			  "\"spec\":{\"n\":1,\"typo\":2},\"status\":{\"s\":1}}");
	assert_int_equal(made.status, 201);
	assert_string_equal(at(&made, "spec/typo"), ""); /* pruned */
	assert_string_equal(at(&made, "status/s"), "");
	assert_string_equal(at(&made, "metadata/generation"), "1");
	AUTOFREE char *url = mem_printf("%s/t", base);
	AUTOFREE char *status_url = mem_printf("%s/t/status", base);
	ANSWER spec = ask(sim, "PATCH", url, MERGE, "{\"spec\":{\"n\":2},\"status\":{\"s\":1}}");
	assert_string_equal(at(&spec, "metadata/generation"), "2");
	assert_string_equal(at(&spec, "status/s"), "");
	ANSWER status = ask(sim, "PATCH", status_url, MERGE, "{\"spec\":{\"n\":3},\"status\":{\"s\":1}}");
	assert_string_equal(at(&status, "metadata/generation"), "2");
	assert_string_equal(at(&status, "status/s"), "1");
	assert_string_equal(at(&status, "spec/n"), "2");
	ANSWER crd = ask(sim, "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.org", NULL, NULL);
	assert_int_equal(crd.status, 200);
	ANSWER after = ask(sim, "GET", base, NULL, NULL);
	assert_int_equal(after.status, 404);
	sim_free(sim);
}

static void patches(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	assert_true(sim_load_yaml(
		sim,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n"
		"    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - {name: one, image: 'i:1'}\n      - {name: two, "
		"image: 'i:1'}\n",
		NULL));
	static const char url[] = "/apis/apps/v1/namespaces/default/deployments/d";
	ANSWER strategic = ask(sim, "PATCH", url, "application/strategic-merge-patch+json",
			       "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"two\",\"image\":\"i:2\"},{\"name\":\"one\","
			       "\"$patch\":\"delete\"}]}}}}");
	assert_int_equal(strategic.status, 200);
	assert_string_equal(at(&strategic, "spec/template/spec/containers/0/image"), "i:2");
	assert_int_equal(node_count(node_find(doc_root(strategic.doc), "spec/template/spec/containers")), 1);
	ANSWER json = ask(sim, "PATCH", url, "application/json-patch+json",
			  "[{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":1},{\"op\":\"add\",\"path\":\"/metadata/annotations/"
			  "a~1b\",\"value\":\"c\"}]");
	ANSWER json2 = ask(sim, "PATCH", url, "application/json-patch+json",
			   "[{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":{\"a/b\":\"c\"}}]");
	assert_int_equal(json.status, 422); /* there are no annotations to add one to */
	assert_int_equal(json2.status, 200);
	ANSWER json3 = ask(sim, "PATCH", url, "application/json-patch+json",
			   "[{\"op\":\"replace\",\"path\":\"/metadata/annotations/a~1b\",\"value\":\"d\"}]");
	assert_string_equal(node_text(node_get(node_find(doc_root(json3.doc), "metadata/annotations"), "a/b")), "d");
	ANSWER failed =
		ask(sim, "PATCH", url, "application/json-patch+json", "[{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":7}]");
	assert_int_equal(failed.status, 422);
	ANSWER scale = ask(sim, "PATCH", "/apis/apps/v1/namespaces/default/deployments/d/scale", MERGE, "{\"spec\":{\"replicas\":3}}");
	assert_string_equal(at(&scale, "kind"), "Scale");
	assert_string_equal(at(&scale, "spec/replicas"), "3");
	sim_advance(sim, 5000);
	ANSWER d = ask(sim, "GET", url, NULL, NULL);
	assert_string_equal(at(&d, "status/availableReplicas"), "3");
	assert_string_equal(at(&d, "status/conditions/0/status"), "True");
	ANSWER immutable = ask(sim, "PATCH", url, MERGE, "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"c\"}}}}");
	assert_int_equal(immutable.status, 422);
	sim_free(sim);
}

static void deployments_roll_and_pods_fail(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	static const char url[] = "/apis/apps/v1/namespaces/default/deployments/d";
	assert_true(sim_load_yaml(
		sim,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replicas: 2\n  selector: {matchLabels: {a: b}}\n"
		"  template:\n    metadata: {labels: {a: b}}\n    spec: {containers: [{name: one, image: 'i:1'}]}\n",
		NULL));
	sim_advance(sim, 3000);
	assert_int_equal(sim_object_count(sim, "pods", "default"), 2);
	ANSWER bad = ask(sim, "PATCH", url, "application/strategic-merge-patch+json",
			 "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"one\",\"image\":\"does-not-exist:1\"}]}}}}");
	assert_int_equal(bad.status, 200);
	sim_advance(sim, 5000);
	ANSWER pods = ask(sim, "GET", "/api/v1/namespaces/default/pods?labelSelector=a%3Db", NULL, NULL);
	assert_non_null(strstr(pods.text, "ImagePullBackOff"));
	ANSWER d = ask(sim, "GET", url, NULL, NULL);
	assert_string_equal(at(&d, "status/availableReplicas"), "2"); /* the old ones stay */
	sim_advance(sim, 700000);
	ANSWER late = ask(sim, "GET", url, NULL, NULL);
	assert_non_null(strstr(late.text, "ProgressDeadlineExceeded"));
	sim_node_freeze(sim, "node-1", true);
	ANSWER gone = ask(sim, "DELETE", url, NULL, NULL);
	sim_advance(sim, 60000);
	assert_true(sim_object_count(sim, "pods", "default") > 0);
	sim_node_freeze(sim, "node-1", false);
	sim_advance(sim, 5000);
	assert_int_equal(sim_object_count(sim, "pods", "default"), 0);
	assert_int_equal(sim_object_count(sim, "apps/replicasets", "default"), 0);
	sim_free(sim);
}

static void preflight_pods(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	assert_true(sim_load_yaml(
		sim,
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {flink-conf.yaml: 'a: refuse-me'}\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: ok, labels: {weir.dev/preflight: x}}\n"
		"spec: {restartPolicy: Never, containers: [{name: m, image: 'f:1', command: [test, -r, /opt/a.jar]}]}\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: jar, labels: {weir.dev/preflight: x}}\n"
		"spec: {restartPolicy: Never, containers: [{name: m, image: 'f:1', command: [test, -r, /opt/missing.jar]}]}\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: conf, labels: {weir.dev/preflight: x}}\n"
		"spec: {restartPolicy: Never, containers: [{name: m, image: 'f:1'}], volumes: [{name: v, configMap: {name: c}}]}\n",
		NULL));
	sim_advance(sim, 3000);
	ANSWER ok = ask(sim, "GET", "/api/v1/namespaces/default/pods/ok", NULL, NULL);
	assert_string_equal(at(&ok, "status/phase"), "Succeeded");
	ANSWER jar = ask(sim, "GET", "/api/v1/namespaces/default/pods/jar", NULL, NULL);
	assert_string_equal(at(&jar, "status/phase"), "Failed");
	assert_string_equal(at(&jar, "status/containerStatuses/0/state/terminated/exitCode"), "10");
	ANSWER conf = ask(sim, "GET", "/api/v1/namespaces/default/pods/conf", NULL, NULL);
	assert_string_equal(at(&conf, "status/containerStatuses/0/state/terminated/exitCode"), "11");
	sim_free(sim);
}

static void faults(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	sim_fault(sim, &(struct sim_fault){
			       .kind = SIM_FAULT_STATUS, .method = "GET", .path = "configmaps", .status = 429, .retry_after_ms = 2000 });
	ANSWER no = ask(sim, "GET", CMS, NULL, NULL);
	assert_int_equal(no.status, 429);
	ANSWER yes = ask(sim, "GET", CMS, NULL, NULL);
	assert_int_equal(yes.status, 200);
	struct http_request request = {
		.method = "POST", .path = CMS, .content_type = JSON, .body = CM("a", ""), .body_len = strlen(CM("a", ""))
	};
	struct http_response r = { 0 };
	struct error err = ERROR_INIT;
	sim_fault(sim, &(struct sim_fault){ .kind = SIM_FAULT_TIMEOUT, .method = "POST" });
	assert_false(sim_http(sim)->send(sim, &request, &r, &err));
	assert_int_equal(err.kind, ERROR_UNKNOWN_OUTCOME);
	assert_int_equal(sim_object_count(sim, "configmaps", "default"), 0);
	sim_fault(sim, &(struct sim_fault){ .kind = SIM_FAULT_TIMEOUT_DONE, .method = "POST", .skip = 0 });
	assert_false(sim_http(sim)->send(sim, &request, &r, &err));
	assert_int_equal(sim_object_count(sim, "configmaps", "default"), 1);
	int64_t before = sim_now_ms(sim);
	sim_fault(sim, &(struct sim_fault){ .kind = SIM_FAULT_DELAY, .delay_ms = 5000 });
	ANSWER slow = ask(sim, "GET", CMS, NULL, NULL);
	assert_int_equal(slow.status, 200);
	assert_int_equal(sim_now_ms(sim), before + 5000);
	assert_int_equal(sim_faults_left(sim), 0);
	sim_free(sim);
}

/* Bodies with parts in the wrong place or of the wrong kind: an answer, and no crash. */
static void broken_objects(void **state)
{
	(void)state;
	static const char *const values[] = { "1", "\"x\"", "[]", "[1]", "{}", "null", "[{}]", "[[{\"name\":1}]]", "{\"a\":[1]}", "true" };
	static const char *const paths[] = { "",
					     "metadata",
					     "metadata.labels",
					     "metadata.ownerReferences",
					     "metadata.finalizers",
					     "metadata.managedFields",
					     "metadata.annotations",
					     "spec",
					     "spec.replicas",
					     "spec.selector",
					     "spec.selector.matchLabels",
					     "spec.template",
					     "spec.template.metadata",
					     "spec.template.spec",
					     "spec.template.spec.containers",
					     "spec.template.spec.volumes",
					     "spec.strategy",
					     "status",
					     "spec.ports",
					     "data",
					     "stringData",
					     "spec.names",
					     "spec.versions",
					     "spec.containers",
					     "spec.containers.env" };
	static const char *const bases[] = { "/apis/apps/v1/namespaces/default/deployments",
					     "/api/v1/namespaces/default/pods",
					     CMS,
					     "/api/v1/namespaces/default/services",
					     "/api/v1/namespaces/default/secrets",
					     "/api/v1/namespaces",
					     "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
					     "/apis/flink.apache.org/v1beta1/namespaces/default/flinkdeployments" };
	static const char *const types[] = { JSON, MERGE, "application/strategic-merge-patch+json", "application/json-patch+json", APPLY };
	static const char whole[] =
		"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"a\":"
		"\"b\"}},"
		"\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}},"
		"\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"env\":[{\"name\":\"a\",\"value\":\"b\"}]}]}}";
	for (size_t b = 0; b < ARRAY_SIZE(bases); b++) {
		struct sim *sim = sim_new(b);
		AUTOFREE char *one = mem_printf("%s/x", bases[b]), *applied = mem_printf("%s/x?fieldManager=m&force=true", bases[b]);
		for (size_t p = 0; p < ARRAY_SIZE(paths); p++)
			for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
				AUTODOC *doc = doc_parse_json(whole, strlen(whole), "whole", NULL, NULL),
					*value = doc_parse_json(values[v], strlen(values[v]), "v", NULL, NULL);
				AUTOFREE char *path = mem_strdup(paths[p]);
				char *save = NULL, *last = NULL;
				struct node *at_node = doc_root(doc);
				for (char *t = strtok_r(path, ".", &save); t != NULL; t = strtok_r(NULL, ".", &save)) {
					if (last != NULL)
						at_node = node_ensure_map(doc, at_node, last);
					last = t;
				}
				if (last != NULL)
					node_set(doc, at_node, last, node_copy(doc, doc_root(value)));
				else
					doc_set_root(doc, node_copy(doc, doc_root(value)));
				AUTOBUF body = BUF_INIT;
				node_to_json(doc_root(doc), &body, 0);
				ANSWER made = ask(sim, "POST", bases[b], JSON, buf_text(&body));
				ANSWER put = ask(sim, "PUT", one, JSON, buf_text(&body));
				assert_true(made.status >= 200 && made.status < 500 && put.status >= 200 && put.status < 500);
				for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
					ANSWER patched = ask(sim, "PATCH", t == 4 ? applied : one, types[t], buf_text(&body));
					assert_true(patched.status >= 200 && patched.status < 500);
				}
				sim_advance(sim, 700);
				if ((p + v) % 3 == 0) {
					ANSWER gone = ask(sim, "DELETE", one, NULL, NULL);
					sim_advance(sim, 3000);
				}
			}
		sim_free(sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_get_replace_delete),
		cmocka_unit_test(dry_run_and_no_op_write_nothing),
		cmocka_unit_test(lists_select_and_page),
		cmocka_unit_test(watches_resume_and_expire),
		cmocka_unit_test(window_compacts),
		cmocka_unit_test(owners_and_finalizers),
		cmocka_unit_test(custom_kinds_have_status_and_generation),
		cmocka_unit_test(patches),
		cmocka_unit_test(deployments_roll_and_pods_fail),
		cmocka_unit_test(preflight_pods),
		cmocka_unit_test(faults),
		cmocka_unit_test(broken_objects),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
