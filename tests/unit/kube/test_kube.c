#include "fixture.h"

static void test_status_kinds(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum error_kind get, put;
	} cases[] = {
		{ 400, ERROR_INVALID, ERROR_INVALID },		 { 401, ERROR_FORBIDDEN, ERROR_FORBIDDEN },
		{ 403, ERROR_FORBIDDEN, ERROR_FORBIDDEN },	 { 404, ERROR_NOT_FOUND, ERROR_NOT_FOUND },
		{ 405, ERROR_UNSUPPORTED, ERROR_UNSUPPORTED },	 { 409, ERROR_CONFLICT, ERROR_CONFLICT },
		{ 410, ERROR_EXPIRED, ERROR_EXPIRED },		 { 413, ERROR_LIMIT, ERROR_LIMIT },
		{ 415, ERROR_INVALID, ERROR_INVALID },		 { 422, ERROR_INVALID, ERROR_INVALID },
		{ 429, ERROR_TRANSIENT, ERROR_TRANSIENT },	 { 500, ERROR_TRANSIENT, ERROR_UNKNOWN_OUTCOME },
		{ 502, ERROR_TRANSIENT, ERROR_UNKNOWN_OUTCOME }, { 503, ERROR_TRANSIENT, ERROR_TRANSIENT },
		{ 504, ERROR_TRANSIENT, ERROR_UNKNOWN_OUTCOME },
	};
	AUTODOC *object = yaml("{}");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTOFREE char *ns = mem_printf("status-%d", cases[i].status);
		struct error err = ERROR_INIT;
		assert_false(kube_get(kube, &config_maps, ns, "x", NULL, &err));
		assert_int_equal(err.kind, cases[i].get);
		assert_int_equal(err.http_status, cases[i].status);
		AUTOFREE char *message = mem_printf("get ConfigMap %s/x: %d Reason: said the server", ns, cases[i].status);
		assert_string_equal(err.message, message);
		if (cases[i].status == 503)
			assert_int_equal(err.retry_after_ms, 3000);
		assert_false(kube_replace(kube, &config_maps, ns, "x", doc_root(object), NULL, &err));
		assert_int_equal(err.kind, cases[i].put);
		const struct kube_apply_options dry = { .dry_run = true };
		assert_false(kube_apply(kube, &config_maps, ns, "x", doc_root(object), &dry, NULL, &err));
		assert_int_equal(err.kind, cases[i].get);
	}
}

static void test_answers(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	AUTODOC *object = yaml("{metadata: {name: x}}"), *out = NULL;
	assert_false(kube_get(kube, &config_maps, "html", "x", &out, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_false(kube_create(kube, &config_maps, "html", doc_root(object), &out, &err));
	assert_int_equal(err.kind, ERROR_UNKNOWN_OUTCOME);
	assert_false(kube_apply(kube, &config_maps, "untyped", "x", doc_root(object), NULL, NULL, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_false(kube_get(kube, &config_maps, NULL, "x", &out, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_false(kube_get(kube, &config_maps, "echo", "", &out, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_null(out);
}

static void expect_echo(const struct doc *doc, const char *method, const char *path, const char *type, const char *body)
{
	const struct node *root = doc_root(doc);
	assert_string_equal(node_find_text(root, "method"), method);
	assert_string_equal(node_find_text(root, "path"), path);
	assert_string_equal(node_text_or(node_get(root, "type"), "-"), type);
	assert_string_equal(node_find_text(root, "body"), body);
}

static void test_requests(void **state)
{
	(void)state;
	AUTODOC *object = yaml("{metadata: {name: x}, n: 9007199254740993}");
	const char *json = "{\"metadata\":{\"name\":\"x\"},\"n\":9007199254740993}";
	const struct node *root = doc_root(object);
	AUTODOC *get = NULL, *create = NULL, *replace = NULL, *status = NULL, *patch = NULL, *apply = NULL, *plain = NULL;
	const char *base = "/api/v1/namespaces/echo/configmaps";
	struct error err = ERROR_INIT;
	assert_true(kube_get(kube, &config_maps, "echo", "a/b", &get, &err));
	expect_echo(get, "GET", "/api/v1/namespaces/echo/configmaps/a%2Fb", "-", "");
	assert_null(node_find(doc_root(get), "metadata/managedFields"));
	AUTOFREE char *create_path = mem_printf("%s?fieldManager=weir", base);
	assert_true(kube_create(kube, &config_maps, "echo", root, &create, &err));
	expect_echo(create, "POST", create_path, "application/json", json);
	AUTOFREE char *path = mem_printf("%s/x?fieldManager=weir", base);
	assert_true(kube_replace(kube, &config_maps, "echo", "x", root, &replace, &err));
	expect_echo(replace, "PUT", path, "application/json", json);
	AUTOFREE char *status_path = mem_printf("%s/x/status?fieldManager=weir", base);
	assert_true(kube_replace_status(kube, &config_maps, "echo", "x", root, &status, &err));
	expect_echo(status, "PUT", status_path, "application/json", json);
	assert_true(kube_patch(kube, &config_maps, "echo", "x", KUBE_JSON_PATCH, "status", root, &patch, &err));
	expect_echo(patch, "PATCH", status_path, "application/json-patch+json", json);
	const struct kube_apply_options all = { "me", true, true, "status", "Strict" };
	AUTOFREE char *apply_path = mem_printf("%s/x/status?fieldManager=me&force=true&dryRun=All&fieldValidation=Strict", base);
	assert_true(kube_apply(kube, &config_maps, "echo", "x", root, &all, &apply, &err));
	expect_echo(apply, "PATCH", apply_path, "application/apply-patch+yaml", json);
	assert_true(kube_apply(kube, &config_maps, "echo", "x", root, NULL, &plain, &err));
	expect_echo(plain, "PATCH", path, "application/apply-patch+yaml", json);
}

static void test_impersonation(void **state)
{
	(void)state;
	const char *const groups[] = { "g1", "g2", NULL };
	struct kube *as = kube_new_as(http, "system:serviceaccount:a:b", groups);
	kube_keep_managed_fields(as, true);
	AUTODOC *doc = NULL;
	assert_true(kube_get(as, &config_maps, "echo", "x", &doc, NULL));
	assert_string_equal(node_find_text(doc_root(doc), "user"), "system:serviceaccount:a:b");
	assert_string_equal(node_find_text(doc_root(doc), "groups/1"), "g2");
	assert_non_null(node_find(doc_root(doc), "metadata/managedFields"));
	struct http proxy;
	assert_true(kube_service_proxy_http(as, "echo", "jm-rest", "8081", &proxy));
	const struct http_request request = { .method = "GET", .path = "/jobs?x=1" };
	AUTORESPONSE answer = { 0 };
	assert_true(http_send(&proxy, &request, &answer, NULL));
	assert_non_null(strstr(buf_text(&answer.body), "/api/v1/namespaces/echo/services/jm-rest:8081/proxy/jobs?x=1"));
	assert_non_null(strstr(buf_text(&answer.body), "system:serviceaccount:a:b"));
	kube_proxy_free(&proxy);
	kube_free(as);
}

static void test_apply_conflict(void **state)
{
	(void)state;
	AUTODOC *object = yaml("{metadata: {name: x}}");
	struct error err = ERROR_INIT;
	assert_false(kube_apply(kube, &config_maps, "conflict", "x", doc_root(object), NULL, NULL, &err));
	assert_int_equal(err.kind, ERROR_CONFLICT);
	assert_string_equal(err.message, "apply ConfigMap conflict/x: 409 Conflict: field .data.a is owned by \"kubectl\" using v1; "
					 "field .data.b is owned by \"helm\" using v1");
}

static void expect_names(const struct doc *doc, const char *const *names, size_t count)
{
	const struct node *items = node_get(doc_root(doc), "items");
	assert_int_equal(node_count(items), count);
	for (size_t i = 0; i < count; i++) {
		const struct node *item = node_at(items, i);
		assert_string_equal(node_find_text(item, "metadata/name"), names[i]);
		assert_string_equal(node_find_text(item, "kind"), "ConfigMap");
		assert_string_equal(node_find_text(item, "apiVersion"), "v1");
		assert_null(node_find(item, "metadata/managedFields"));
	}
}

static void test_list(void **state)
{
	(void)state;
	static const char *const names[] = { "c0", "c1", "c2", "c3", "c4", "c5" };
	struct error err = ERROR_INIT;
	AUTODOC *all = NULL, *again = NULL, *none = NULL;
	AUTOFREE char *version = NULL;
	assert_true(kube_list(kube, &config_maps, "pages", "a=b", &all, &version, &err));
	assert_true(kube_list(kube, &config_maps, "pages", "a=b", NULL, NULL, &err)); /* only whether it can be read */
	expect_names(all, names, ARRAY_SIZE(names));
	assert_string_equal(version, "77");
	assert_true(kube_list(kube, &config_maps, "expire", NULL, &again, NULL, &err)); /* expires once */
	expect_names(again, names, ARRAY_SIZE(names));
	assert_false(kube_list(kube, &config_maps, "expired", NULL, &none, NULL, &err)); /* and always */
	assert_int_equal(err.kind, ERROR_EXPIRED);
	assert_null(none);
}

static void count_resource(void *context, const struct kube_resource *resource)
{
	(void)resource;
	*(int *)context += 1;
}

static void test_discovery(void **state)
{
	(void)state;
	struct kube_resource pod, ns, late;
	struct error err = ERROR_INIT;
	assert_true(kube_resource_for(kube, "v1", "Pod", &pod, &err));
	assert_string_equal(pod.plural, "pods");
	assert_true(pod.namespaced);
	assert_true(pod.has_status);
	assert_true(kube_resource_for(kube, "v1", "Namespace", &ns, &err));
	assert_false(ns.namespaced);
	assert_false(ns.has_status);
	assert_false(kube_resource_for(kube, "late.test/v1", "Late", &late, &err));
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_non_null(strstr(err.message, "is its CRD installed?"));
	assert_true(kube_resource_for(kube, "late.test/v1", "Late", &late, &err)); /* installed meanwhile */
	assert_string_equal(late.plural, "lates");
	assert_false(kube_resource_for(kube, "../x", "Late", &late, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	int count = 0;
	assert_true(kube_discover_all(kube, count_resource, &count, &err));
	assert_int_equal(count, 4);
}

static void test_delete_and_store(void **state)
{
	(void)state;
	AUTODOC *object = yaml("{metadata: {name: d1}}"), *made = NULL;
	struct error err = ERROR_INIT;
	assert_true(kube_create(kube, &config_maps, "store", doc_root(object), &made, &err));
	assert_false(kube_create(kube, &config_maps, "store", doc_root(object), NULL, &err));
	assert_int_equal(err.kind, ERROR_CONFLICT);
	assert_non_null(strstr(err.message, "AlreadyExists"));
	struct kube_delete_options options = { .propagation = "Background", .resource_version = "1", .grace_seconds = 0 };
	assert_false(kube_delete(kube, &config_maps, "store", "d1", &options, &err));
	assert_int_equal(err.kind, ERROR_CONFLICT);
	options.resource_version = node_find_text(doc_root(made), "metadata/resourceVersion");
	assert_true(kube_delete(kube, &config_maps, "store", "d1", &options, &err));
	assert_false(kube_delete(kube, &config_maps, "store", "d1", NULL, &err));
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_kinds), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_requests),     cmocka_unit_test(test_impersonation),
		cmocka_unit_test(test_list),	     cmocka_unit_test(test_apply_conflict),
		cmocka_unit_test(test_discovery),    cmocka_unit_test(test_delete_and_store),
	};
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
