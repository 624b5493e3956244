/* Server-side apply: who owns which field, conflicts, force, what is no longer applied, dry run. */
#include "contract/target.h"

static const struct kube_apply_options as_two = { .field_manager = "two" };
static const struct kube_apply_options as_two_by_force = { .field_manager = "two", .force = true };

/* Does a manager's entry in managedFields own data.KEY? */
static bool owns(const struct doc *object, const char *manager, const char *key)
{
	const struct node *entries = node_find(doc_root(object), "metadata/managedFields");
	AUTOFREE char *field = mem_printf("f:%s", key);
	for (size_t i = 0; i < node_count(entries); i++) {
		const struct node *entry = node_at(entries, i);
		if (str_eq(node_text(node_get(entry, "manager")), manager) && node_get(node_find(entry, "fieldsV1/f:data"), field) != NULL)
			return true;
	}
	return false;
}

static struct doc *map_of(const char *name, const char *data)
{
	return yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {%s}\n", name, data);
}

static void ownership_and_conflict(void **state)
{
	(void)state;
	AUTODOC *first = must_apply(&configmaps, map_of("owned", "a: '1', b: '1'"), "one");
	assert_true(owns(first, "one", "a"));
	assert_string_equal(text_at(first, "metadata/managedFields/0/operation"), "Apply");
	/* a field of one's own and an equal value are no conflict */
	AUTODOC *second = must_apply(&configmaps, map_of("owned", "a: '1', c: '2'"), "two");
	assert_true(owns(second, "one", "a"));
	assert_true(owns(second, "two", "a"));
	assert_false(owns(second, "one", "c"));
	assert_error(ERROR_CONFLICT, try_apply(&configmaps, map_of("owned", "a: '1', b: '2', c: '2'"), &as_two, &err));
	assert_int_equal(err.http_status, 409);
	assert_contains(err.message, "\"one\"");
	assert_contains(err.message, ".data.b");
	AUTODOC *after = must_get(&configmaps, "owned");
	assert_string_equal(version_of(after), version_of(second));
	assert_string_equal(text_at(after, "data/b"), "1");
}

static void force_takes_over(void **state)
{
	(void)state;
	AUTODOC *first = must_apply(&configmaps, map_of("forced", "a: '1', b: '1'"), "one");
	assert_ok(try_apply(&configmaps, map_of("forced", "a: '2'"), &as_two_by_force, &err));
	AUTODOC *taken = must_get(&configmaps, "forced");
	assert_string_equal(text_at(taken, "data/a"), "2");
	assert_true(owns(taken, "two", "a"));
	assert_false(owns(taken, "one", "a"));
	assert_true(owns(taken, "one", "b"));
	const struct kube_apply_options as_one = { .field_manager = "one" };
	assert_error(ERROR_CONFLICT, try_apply(&configmaps, map_of("forced", "a: '1', b: '1'"), &as_one, &err));
	assert_contains(err.message, "\"two\"");
}

static void dropped_when_no_longer_applied(void **state)
{
	(void)state;
	AUTODOC *one = must_apply(&configmaps, map_of("dropped", "a: '1', b: '1'"), "one");
	AUTODOC *two = must_apply(&configmaps, map_of("dropped", "a: '1'"), "two");
	AUTODOC *less = must_apply(&configmaps, map_of("dropped", "c: '1'"), "one");
	assert_string_equal(text_at(less, "data/a"), "1"); /* the other one still wants it */
	assert_null(node_find(doc_root(less), "data/b"));
	assert_string_equal(text_at(less, "data/c"), "1");
	AUTODOC *none = must_apply(&configmaps, map_of("dropped", "d: '1'"), "two");
	assert_null(node_find(doc_root(none), "data/a"));
}

static void again_writes_nothing(void **state)
{
	(void)state;
	AUTODOC *one = must_apply(&configmaps, map_of("same", "a: '1'"), "one");
	AUTODOC *again = must_apply(&configmaps, map_of("same", "a: '1'"), "one");
	assert_string_equal(version_of(one), version_of(again));
	AUTODOC *dep = must_apply(&widgets,
				  yaml("apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: same}\n"
				       "spec: {size: 1, parts: [{name: a, count: 1}], tags: [x]}\n"),
				  "one");
	AUTODOC *dep2 = must_apply(&widgets,
				   yaml("apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: same}\n"
					"spec: {size: 1, parts: [{name: a, count: 1}], tags: [x]}\n"),
				   "one");
	assert_string_equal(version_of(dep), version_of(dep2));
	assert_int_equal(generation_of(dep2), 1);
}

static void dry_run(void **state)
{
	(void)state;
	struct kube_apply_options options = { .field_manager = "one", .dry_run = true };
	assert_ok(try_apply(&configmaps, map_of("dry", "a: '1'"), &options, &err));
	assert_false(exists(&configmaps, "dry"));
	AUTODOC *real = must_apply(&configmaps, map_of("dry", "a: '1'"), "one");
	AUTODOC *wanted = map_of("dry", "a: '2'"), *shown = NULL;
	assert_ok(kube_apply(target.kube, &configmaps, target.ns, "dry", doc_root(wanted), &options, &shown, &err));
	assert_string_equal(text_at(shown, "data/a"), "2");
	AUTODOC *after = must_get(&configmaps, "dry");
	assert_string_equal(text_at(after, "data/a"), "1");
	assert_string_equal(version_of(after), version_of(real));
	/* what would be refused is refused */
	options.field_manager = "two";
	assert_error(ERROR_CONFLICT, try_apply(&configmaps, map_of("dry", "a: '2'"), &options, &err));
	assert_error(ERROR_INVALID, try_apply(&widgets,
					      yaml("apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: dry}\n"
						   "spec: {size: many}\n"),
					      &options, &err));
}

static void lists_merge_by_key(void **state)
{
	(void)state;
	static const char form[] = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: lists}\nspec:\n%s"
				   "  selector: {matchLabels: {app: lists}}\n  template:\n    metadata: {labels: {app: lists}}\n    spec:\n"
				   "      containers:\n      - name: main\n%s        env: [{name: %s, value: x}]\n";
	AUTODOC *one = must_apply(&deployments, yaml(form, "  replicas: 0\n", "        image: none:1\n", "A"), "one");
	AUTODOC *two = must_apply(&deployments, yaml(form, "", "", "B"), "two");
	const struct node *env = node_find(doc_root(two), "spec/template/spec/containers/0/env");
	assert_int_equal(node_count(env), 2);
	AUTODOC *less = must_apply(&deployments, yaml(form, "  replicas: 0\n", "        image: none:1\n", "C"), "one");
	const struct node *names = node_find(doc_root(less), "spec/template/spec/containers/0/env");
	assert_int_equal(node_count(names), 2); /* A went, B is another's, C came */
	assert_string_not_equal(node_find_text(names, "0/name"), "A");
	assert_string_not_equal(node_find_text(names, "1/name"), "A");
	/* the keys of a custom kind are in its schema */
	static const char widget[] =
		"apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: lists}\nspec: {parts: [{name: %s, count: %d}]}\n";
	AUTODOC *a = must_apply(&widgets, yaml(widget, "a", 1), "one");
	AUTODOC *b = must_apply(&widgets, yaml(widget, "b", 2), "two");
	assert_int_equal(node_count(node_find(doc_root(b), "spec/parts")), 2);
	assert_error(ERROR_CONFLICT, try_apply(&widgets, yaml(widget, "a", 2), &as_two, &err));
	assert_contains(err.message, ".spec.parts[name=\"a\"].count");
	must_delete(&deployments, "lists", "Background");
}

/* Whoever writes otherwise owns what it wrote, too. */
static void updates_own_fields(void **state)
{
	(void)state;
	AUTODOC *one = must_apply(&configmaps, map_of("mixed", "a: '1'"), "one");
	AUTODOC *patch = yaml("data: {a: '9', z: '1'}");
	assert_ok(kube_patch(target.kube, &configmaps, target.ns, "mixed", KUBE_MERGE_PATCH, NULL, doc_root(patch), NULL, &err));
	AUTODOC *now = must_get(&configmaps, "mixed");
	assert_true(owns(now, "weir", "a"));
	assert_false(owns(now, "one", "a"));
	assert_error(ERROR_CONFLICT, try_apply(&configmaps, map_of("mixed", "a: '2'"), &as_two, &err));
	assert_contains(err.message, "\"weir\"");
	/* what it put in beside stays when others apply less */
	assert_ok(try_apply(&configmaps, map_of("mixed", "a: '2'"), &as_two_by_force, &err));
	AUTODOC *after = must_get(&configmaps, "mixed");
	assert_string_equal(text_at(after, "data/z"), "1");
}

static void unknown_fields_are_refused(void **state)
{
	(void)state;
	static const char text[] = "apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: unknown}\nspec: {size: 2, sice: 1}\n";
	struct kube_apply_options options = { .field_manager = "one", .field_validation = "Strict" };
	assert_error(ERROR_INVALID, try_apply(&widgets, yaml(text), &options, &err));
	assert_contains(err.message, "sice");
	/* a merge by schema cannot place them either, whatever the validation */
	options.field_validation = "Ignore";
	assert_false(try_apply(&widgets, yaml(text), &options, &err));
	assert_contains(err.message, ".spec.sice: field not declared in schema");
	assert_false(exists(&widgets, "unknown"));
	AUTODOC *pruned = must_create(&widgets, yaml(text)); /* creating leaves them out */
	assert_null(node_find(doc_root(pruned), "spec/sice"));
	assert_string_equal(text_at(pruned, "spec/size"), "2");
}

static void status_by_apply(void **state)
{
	(void)state;
	static const char widget[] = "apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: status}\n%s\n";
	AUTODOC *one = must_apply(&widgets, yaml(widget, "spec: {size: 1}"), "one");
	struct kube_apply_options options = { .field_manager = "two", .subresource = "status" };
	assert_ok(try_apply(&widgets, yaml(widget, "status: {phase: Good}"), &options, &err));
	AUTODOC *now = must_get(&widgets, "status");
	assert_string_equal(text_at(now, "status/phase"), "Good");
	assert_int_equal(generation_of(now), 1);
	AUTODOC *more = must_apply(&widgets, yaml(widget, "spec: {size: 2}"), "one"); /* leaves the status alone */
	assert_string_equal(text_at(more, "status/phase"), "Good");
	assert_int_equal(generation_of(more), 2);
}

int contract_apply(void)
{
	static const struct CMUnitTest apply[] = {
		cmocka_unit_test(ownership_and_conflict),
		cmocka_unit_test(force_takes_over),
		cmocka_unit_test(dropped_when_no_longer_applied),
		cmocka_unit_test(again_writes_nothing),
		cmocka_unit_test(dry_run),
		cmocka_unit_test(lists_merge_by_key),
		cmocka_unit_test(updates_own_fields),
		cmocka_unit_test(unknown_fields_are_refused),
		cmocka_unit_test(status_by_apply),
	};
	return cmocka_run_group_tests(apply, NULL, NULL);
}
