/* Create, replace, patch, delete: conflicts, preconditions, the status subresource, generation, finalizers. */
#include "contract/target.h"

static struct doc *widget(const char *name, const char *rest)
{
	return yaml("apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: %s}\n%s\n", name, rest);
}

static void create_twice(void **state)
{
	(void)state;
	AUTODOC *first = must_create(&widgets, widget("twice", "spec: {size: 1}"));
	assert_true(*uid_of(first) != '\0');
	assert_true(*text_at(first, "metadata/creationTimestamp") != '\0');
	assert_int_equal(generation_of(first), 1);
	AUTODOC *object = widget("twice", "spec: {size: 2}");
	assert_error(ERROR_CONFLICT, kube_create(target.kube, &widgets, target.ns, doc_root(object), NULL, &err));
	assert_contains(err.message, "AlreadyExists");
	AUTODOC *now = must_get(&widgets, "twice");
	assert_string_equal(uid_of(now), uid_of(first));
	assert_string_equal(text_at(now, "spec/size"), "1");
}

static void create_refused(void **state)
{
	(void)state;
	AUTODOC *bad_name = widget("Not_A_Name", "spec: {size: 1}"), *bad_value = widget("bad", "spec: {size: -1}");
	AUTODOC *bad_type = widget("bad", "spec: {size: big}"), *fine = widget("fine", "spec: {size: 1}");
	assert_error(ERROR_INVALID, kube_create(target.kube, &widgets, target.ns, doc_root(bad_name), NULL, &err));
	assert_error(ERROR_INVALID, kube_create(target.kube, &widgets, target.ns, doc_root(bad_value), NULL, &err));
	assert_contains(err.message, "spec.size");
	assert_error(ERROR_INVALID, kube_create(target.kube, &widgets, target.ns, doc_root(bad_type), NULL, &err));
	assert_contains(err.message, "spec.size");
	assert_error(ERROR_NOT_FOUND, kube_create(target.kube, &widgets, "contract-no-such-namespace", doc_root(fine), NULL, &err));
	AUTODOC *selector = yaml("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {selector: {matchLabels: {a: b}},"
				 " template: {metadata: {labels: {a: c}}, spec: {containers: [{name: x, image: none:1}]}}}");
	assert_error(ERROR_INVALID, kube_create(target.kube, &deployments, target.ns, doc_root(selector), NULL, &err));
}

static void generated_name(void **state)
{
	(void)state;
	AUTODOC *made = must_create(&configmaps, yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\n"));
	const char *name = text_at(made, "metadata/name");
	assert_true(str_starts(name, "made-") && strlen(name) > 5);
}

static void replace_with_an_old_version(void **state)
{
	(void)state;
	AUTODOC *old = must_create(&widgets, widget("replaced", "spec: {size: 1, color: red}"));
	AUTODOC *mine = must_get(&widgets, "replaced");
	node_set_int(mine, node_find(doc_root(mine), "spec"), "size", 2);
	AUTODOC *out = NULL;
	assert_ok(kube_replace(target.kube, &widgets, target.ns, "replaced", doc_root(mine), &out, &err));
	assert_string_not_equal(version_of(out), version_of(old));
	assert_int_equal(generation_of(out), 2);
	node_set_text(old, node_find(doc_root(old), "spec"), "color", "blue");
	assert_error(ERROR_CONFLICT, kube_replace(target.kube, &widgets, target.ns, "replaced", doc_root(old), NULL, &err));
	AUTODOC *now = must_get(&widgets, "replaced");
	assert_string_equal(text_at(now, "spec/color"), "red");
	/* an equal content writes nothing */
	AUTODOC *same = NULL;
	assert_ok(kube_replace(target.kube, &widgets, target.ns, "replaced", doc_root(now), &same, &err));
	assert_string_equal(version_of(same), version_of(now));
	/* with a version and without an object */
	AUTODOC *gone = widget("replaced-none", "spec: {size: 1}");
	node_set_text(gone, node_find(doc_root(gone), "metadata"), "resourceVersion", version_of(same));
	assert_error(ERROR_NOT_FOUND, kube_replace(target.kube, &widgets, target.ns, "replaced-none", doc_root(gone), NULL, &err));
	/* the uid of another life is refused */
	AUTODOC *other = must_get(&widgets, "replaced");
	node_set_text(other, node_find(doc_root(other), "metadata"), "uid", "00000000-0000-0000-0000-000000000000");
	node_set_int(other, node_find(doc_root(other), "spec"), "size", 7);
	assert_error(ERROR_CONFLICT, kube_replace(target.kube, &widgets, target.ns, "replaced", doc_root(other), NULL, &err));
}

static void status_is_apart(void **state)
{
	(void)state;
	AUTODOC *made = must_create(&widgets, widget("apart", "spec: {size: 1}\nstatus: {phase: Early}"));
	assert_null(node_find(doc_root(made), "status/phase"));
	AUTODOC *mine = widget("apart", "spec: {size: 5}\nstatus: {phase: Ready}"), *out = NULL;
	node_set_text(mine, node_find(doc_root(mine), "metadata"), "resourceVersion", version_of(made));
	assert_ok(kube_replace_status(target.kube, &widgets, target.ns, "apart", doc_root(mine), &out, &err));
	assert_string_equal(text_at(out, "status/phase"), "Ready");
	assert_string_equal(text_at(out, "spec/size"), "1");
	assert_int_equal(generation_of(out), 1);
	assert_string_not_equal(version_of(out), version_of(made));
	assert_error(ERROR_CONFLICT, kube_replace_status(target.kube, &widgets, target.ns, "apart", doc_root(mine), NULL, &err));
	AUTODOC *both = must_get(&widgets, "apart"), *after = NULL;
	node_set_int(both, node_find(doc_root(both), "spec"), "size", 3);
	node_set_text(both, node_find(doc_root(both), "status"), "phase", "Lost");
	assert_ok(kube_replace(target.kube, &widgets, target.ns, "apart", doc_root(both), &after, &err));
	assert_string_equal(text_at(after, "status/phase"), "Ready");
	assert_string_equal(text_at(after, "spec/size"), "3");
	assert_int_equal(generation_of(after), 2);
	/* labels and annotations do not raise the generation */
	AUTODOC *label = yaml("metadata: {labels: {a: b}, annotations: {c: d}}"), *labelled = NULL;
	assert_ok(kube_patch(target.kube, &widgets, target.ns, "apart", KUBE_MERGE_PATCH, NULL, doc_root(label), &labelled, &err));
	assert_string_equal(text_at(labelled, "metadata/labels/a"), "b");
	assert_int_equal(generation_of(labelled), 2);
	AUTODOC *phase = yaml("spec: {size: 9}\nstatus: {phase: Patched}"), *patched = NULL;
	assert_ok(kube_patch(target.kube, &widgets, target.ns, "apart", KUBE_MERGE_PATCH, "status", doc_root(phase), &patched, &err));
	assert_string_equal(text_at(patched, "status/phase"), "Patched");
	assert_string_equal(text_at(patched, "spec/size"), "3");
}

static void patches(void **state)
{
	(void)state;
	AUTODOC *made = must_create(&widgets, widget("patched", "spec: {size: 1, color: red, tags: [a, b]}"));
	AUTODOC *merge = yaml("spec: {color: null, tags: [c]}"), *out = NULL;
	assert_ok(kube_patch(target.kube, &widgets, target.ns, "patched", KUBE_MERGE_PATCH, NULL, doc_root(merge), &out, &err));
	assert_null(node_find(doc_root(out), "spec/color"));
	assert_int_equal(node_count(node_find(doc_root(out), "spec/tags")), 1);
	AUTODOC *json = yaml("[{op: test, path: /spec/size, value: 1}, {op: replace, path: /spec/size, value: 2}, {op: add, path: "
			     "/spec/tags/-, value: d}]");
	AUTODOC *changed = NULL;
	assert_ok(kube_patch(target.kube, &widgets, target.ns, "patched", KUBE_JSON_PATCH, NULL, doc_root(json), &changed, &err));
	assert_string_equal(text_at(changed, "spec/size"), "2");
	assert_string_equal(text_at(changed, "spec/tags/1"), "d");
	assert_error(ERROR_INVALID,
		     kube_patch(target.kube, &widgets, target.ns, "patched", KUBE_JSON_PATCH, NULL, doc_root(json), NULL, &err));
	assert_error(ERROR_INVALID,
		     kube_patch(target.kube, &widgets, target.ns, "patched", KUBE_STRATEGIC_PATCH, NULL, doc_root(merge), NULL, &err));
	AUTODOC *stale = yaml("metadata: {resourceVersion: '%s'}\nspec: {size: 8}", version_of(made));
	assert_error(ERROR_CONFLICT,
		     kube_patch(target.kube, &widgets, target.ns, "patched", KUBE_MERGE_PATCH, NULL, doc_root(stale), NULL, &err));
	assert_error(ERROR_NOT_FOUND,
		     kube_patch(target.kube, &widgets, target.ns, "patched-none", KUBE_MERGE_PATCH, NULL, doc_root(merge), NULL, &err));
	AUTODOC *service = must_create(&services, yaml("apiVersion: v1\nkind: Service\nmetadata: {name: patched}\n"
						       "spec: {selector: {a: b}, ports: [{name: one, port: 80}]}"));
	assert_true(str_starts(text_at(service, "spec/clusterIP"), "10."));
	assert_string_equal(text_at(service, "spec/ports/0/protocol"), "TCP");
	AUTODOC *port = yaml("spec: {ports: [{name: two, port: 81}]}"), *ports = NULL;
	assert_ok(kube_patch(target.kube, &services, target.ns, "patched", KUBE_STRATEGIC_PATCH, NULL, doc_root(port), &ports, &err));
	assert_int_equal(node_count(node_find(doc_root(ports), "spec/ports")), 2); /* merged by key */
}

static void delete_with_preconditions(void **state)
{
	(void)state;
	AUTODOC *made = must_create(&configmaps, yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: guarded}\n"));
	struct kube_delete_options options = { .uid = "00000000-0000-0000-0000-000000000000", .grace_seconds = -1 };
	assert_error(ERROR_CONFLICT, kube_delete(target.kube, &configmaps, target.ns, "guarded", &options, &err));
	options = (struct kube_delete_options){ .uid = uid_of(made), .resource_version = "1", .grace_seconds = -1 };
	assert_error(ERROR_CONFLICT, kube_delete(target.kube, &configmaps, target.ns, "guarded", &options, &err));
	options = (struct kube_delete_options){ .uid = uid_of(made), .dry_run = true, .grace_seconds = -1 };
	assert_ok(kube_delete(target.kube, &configmaps, target.ns, "guarded", &options, &err));
	assert_true(exists(&configmaps, "guarded"));
	options = (struct kube_delete_options){ .uid = uid_of(made), .resource_version = version_of(made), .grace_seconds = -1 };
	assert_ok(kube_delete(target.kube, &configmaps, target.ns, "guarded", &options, &err));
	assert_error(ERROR_NOT_FOUND, kube_delete(target.kube, &configmaps, target.ns, "guarded", NULL, &err));
}

static void finalizers(void **state)
{
	(void)state;
	AUTODOC *made = must_create(&widgets, yaml("apiVersion: contract.weir.dev/v1\nkind: Widget\n"
						   "metadata: {name: held, finalizers: [contract.weir.dev/hold]}\nspec: {size: 1}\n"));
	must_delete(&widgets, "held", NULL);
	AUTODOC *held = must_get(&widgets, "held");
	assert_string_equal(uid_of(held), uid_of(made));
	assert_true(*text_at(held, "metadata/deletionTimestamp") != '\0');
	assert_int_equal(generation_of(held), 2);
	must_delete(&widgets, "held", NULL); /* again is fine, and changes nothing */
	AUTODOC *again = must_get(&widgets, "held");
	assert_string_equal(text_at(again, "metadata/deletionTimestamp"), text_at(held, "metadata/deletionTimestamp"));
	AUTODOC *more = yaml("metadata: {finalizers: [contract.weir.dev/hold, contract.weir.dev/more]}");
	assert_error(ERROR_INVALID,
		     kube_patch(target.kube, &widgets, target.ns, "held", KUBE_MERGE_PATCH, NULL, doc_root(more), NULL, &err));
	AUTODOC *change = yaml("spec: {size: 4}"), *release = yaml("metadata: {finalizers: []}"); /* the spec may still change */
	assert_ok(kube_patch(target.kube, &widgets, target.ns, "held", KUBE_MERGE_PATCH, NULL, doc_root(change), NULL, &err));
	assert_ok(kube_patch(target.kube, &widgets, target.ns, "held", KUBE_MERGE_PATCH, NULL, doc_root(release), NULL, &err));
	assert_false(exists(&widgets, "held"));
}

int contract_writes(void)
{
	static const struct CMUnitTest writes[] = {
		cmocka_unit_test(create_twice),
		cmocka_unit_test(create_refused),
		cmocka_unit_test(generated_name),
		cmocka_unit_test(replace_with_an_old_version),
		cmocka_unit_test(status_is_apart),
		cmocka_unit_test(patches),
		cmocka_unit_test(delete_with_preconditions),
		cmocka_unit_test(finalizers),
	};
	return cmocka_run_group_tests(writes, NULL, NULL);
}
