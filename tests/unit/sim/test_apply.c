#include "support.h"

#define DEPLOY "/apis/apps/v1/namespaces/default/deployments/d"
#define HEAD   "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {a: b}}\n"
#define WITH(env) \
	"  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - {name: one, image: 'i:1', env: " env "}\n"
#define BODY "  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - {name: one, image: 'i:1'}\n"

static struct answer apply(struct sim *sim, const char *manager, const char *more, const char *body)
{
	AUTOFREE char *path = mem_printf(DEPLOY "?fieldManager=%s%s", manager, more);
	return ask(sim, "PATCH", path, APPLY, body);
}

static void ownership_conflict_force(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	ANSWER made = apply(sim, "weir", "", HEAD "  replicas: 2\n" BODY);
	assert_int_equal(made.status, 201);
	assert_string_equal(at(&made, "metadata/managedFields/0/operation"), "Apply");
	const struct node *fields = node_find(doc_root(made.doc), "metadata/managedFields/0/fieldsV1");
	assert_non_null(node_find(fields, "f:spec/f:replicas"));
	assert_non_null(node_find(fields, "f:spec/f:template/f:spec/f:containers/k:{\"name\":\"one\"}/f:image"));
	assert_null(node_find(fields, "f:apiVersion"));
	assert_null(node_find(fields, "f:metadata"));
	ANSWER other = apply(sim, "other", "",
			     "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, labels: {l: m}}\nspec: {replicas: 5}\n");
	assert_int_equal(other.status, 409); /* replicas are weir's; what is left out does not matter */
	ANSWER partly = apply(sim, "third", "", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, labels: {l: m}}\n");
	assert_int_equal(partly.status, 200);
	assert_string_equal(at(&partly, "metadata/labels/l"), "m");
	ANSWER conflict = apply(sim, "other", "", HEAD "  replicas: 5\n" BODY);
	assert_int_equal(conflict.status, 409);
	assert_string_equal(at(&conflict, "reason"), "Conflict");
	assert_string_equal(at(&conflict, "message"), "Apply failed with 1 conflict: conflict with \"weir\" using apps/v1: .spec.replicas");
	assert_string_equal(at(&conflict, "details/causes/0/field"), ".spec.replicas");
	assert_string_equal(at(&conflict, "details/causes/0/reason"), "FieldManagerConflict");
	ANSWER forced = apply(sim, "other", "&force=true", HEAD "  replicas: 5\n" BODY);
	assert_int_equal(forced.status, 200);
	assert_string_equal(at(&forced, "spec/replicas"), "5");
	fields = node_find(doc_root(forced.doc), "metadata/managedFields/0/fieldsV1");
	assert_null(node_find(fields, "f:spec/f:replicas")); /* weir lost it */
	assert_non_null(node_find(fields, "f:spec/f:selector"));
	sim_free(sim);
}

static void dropped_fields_go_unless_shared(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	ANSWER made =
		apply(sim, "weir", "", HEAD "  replicas: 2\n  minReadySeconds: 3\n" WITH("[{name: A, value: '1'}, {name: B, value: '2'}]"));
	ANSWER shared = apply(sim, "other", "", HEAD "  replicas: 2\n" BODY);
	assert_int_equal(shared.status, 200);
	ANSWER fewer = apply(sim, "weir", "", HEAD WITH("[{name: B, value: '2'}]"));
	assert_int_equal(fewer.status, 200);
	assert_string_equal(at(&fewer, "spec/minReadySeconds"), "");
	assert_string_equal(at(&fewer, "spec/replicas"), "2"); /* still other's */
	const struct node *env = node_find(doc_root(fewer.doc), "spec/template/spec/containers/0/env");
	assert_int_equal(node_count(env), 1);
	assert_string_equal(node_find_text(node_at(env, 0), "name"), "B");
	sim_advance(sim, 10000);
	uint64_t before = sim_writes(sim);
	ANSWER again = apply(sim, "weir", "", HEAD WITH("[{name: B, value: '2'}]"));
	assert_int_equal(again.status, 200);
	assert_int_equal(sim_writes(sim), before); /* nothing to do: nothing written */
	ANSWER dry = apply(sim, "weir", "&dryRun=All&force=true", HEAD "  replicas: 9\n" BODY);
	assert_string_equal(at(&dry, "spec/replicas"), "9");
	assert_int_equal(sim_writes(sim), before);
	sim_free(sim);
}

static void updates_are_tracked(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	ANSWER made = ask(sim, "PATCH", CMS "/c?fieldManager=weir", APPLY,
			  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1', b: '1'}\n");
	assert_int_equal(made.status, 201);
	ANSWER edit = ask(sim, "PATCH", CMS "/c?fieldManager=kubectl-edit", MERGE, "{\"data\":{\"a\":\"2\"}}");
	assert_int_equal(edit.status, 200);
	assert_int_equal(node_count(node_find(doc_root(edit.doc), "metadata/managedFields")), 2);
	assert_null(node_find(doc_root(edit.doc), "metadata/managedFields/0/fieldsV1/f:data/f:a"));
	assert_string_equal(at(&edit, "metadata/managedFields/1/operation"), "Update");
	assert_non_null(node_find(doc_root(edit.doc), "metadata/managedFields/1/fieldsV1/f:data/f:a"));
	ANSWER conflict = ask(sim, "PATCH", CMS "/c?fieldManager=weir", APPLY,
			      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1', b: '1'}\n");
	assert_int_equal(conflict.status, 409);
	assert_non_null(strstr(at(&conflict, "message"), "conflict with \"kubectl-edit\" using v1 at 2026-"));
	ANSWER nobody = ask(sim, "PATCH", CMS "/c", APPLY, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");
	assert_int_equal(nobody.status, 422);
	sim_free(sim);
}

static void status_is_a_half_of_its_own(void **state)
{
	(void)state;
	struct sim *sim = sim_new(1);
	static const char url[] = "/apis/flink.apache.org/v1beta1/namespaces/default/flinkdeployments/f?fieldManager=weir";
	static const char status_url[] = "/apis/flink.apache.org/v1beta1/namespaces/default/flinkdeployments/f/status?fieldManager=weir";
	ANSWER made =
		ask(sim, "PATCH", url, APPLY,
		    "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: f}\nspec: {image: x}\nstatus: {s: 1}\n");
	assert_int_equal(made.status, 201);
	assert_string_equal(at(&made, "status/s"), "");
	ANSWER status = ask(sim, "PATCH", status_url, APPLY,
			    "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: f}\nstatus: {s: 1}\n");
	assert_int_equal(status.status, 200);
	assert_string_equal(at(&status, "status/s"), "1");
	assert_string_equal(at(&status, "spec/image"), "x");
	assert_string_equal(at(&status, "metadata/managedFields/1/subresource"), "status");
	assert_string_equal(at(&status, "metadata/generation"), "1");
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ownership_conflict_force),
		cmocka_unit_test(dropped_fields_go_unless_shared),
		cmocka_unit_test(updates_are_tracked),
		cmocka_unit_test(status_is_a_half_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
