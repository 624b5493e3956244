/* Owner references and what the controllers behind the API do: garbage collection, Deployments, namespaces. */
#include "contract/target.h"

static struct doc *owned_map(const char *name, const struct doc *owner)
{
	return yaml("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  ownerReferences:\n  - {apiVersion: contract.weir.dev/v1, "
		    "kind: Widget,"
		    " name: %s, uid: %s, blockOwnerDeletion: true}\n",
		    name, text_at(owner, "metadata/name"), uid_of(owner));
}

static struct doc *owner(const char *name)
{
	return must_create(&widgets, yaml("apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: %s}\nspec: {size: 1}\n", name));
}

static void background(void **state)
{
	(void)state;
	AUTODOC *up = owner("back");
	AUTODOC *map = must_create(&configmaps, owned_map("back", up));
	must_delete(&widgets, "back", "Background");
	assert_false(exists(&widgets, "back"));
	until_gone(&configmaps, "back");
}

static void foreground(void **state)
{
	(void)state;
	AUTODOC *up = owner("front");
	AUTODOC *map = must_create(&configmaps, owned_map("front", up));
	AUTODOC *hold = yaml("metadata: {finalizers: [contract.weir.dev/hold]}"), *release = yaml("metadata: {finalizers: null}");
	assert_ok(kube_patch(target.kube, &configmaps, target.ns, "front", KUBE_MERGE_PATCH, NULL, doc_root(hold), NULL, &err));
	must_delete(&widgets, "front", "Foreground");
	AUTODOC *waiting = must_get(&widgets, "front"); /* stays while something that it owns is there */
	assert_true(*text_at(waiting, "metadata/deletionTimestamp") != '\0');
	assert_true(has_text(node_find(doc_root(waiting), "metadata/finalizers"), "foregroundDeletion"));
	assert_ok(kube_patch(target.kube, &configmaps, target.ns, "front", KUBE_MERGE_PATCH, NULL, doc_root(release), NULL, &err));
	until_gone(&configmaps, "front");
	until_gone(&widgets, "front");
}

static bool orphaned(void *context)
{
	(void)context;
	AUTODOC *map = must_get(&configmaps, "orphan");
	return node_count(node_find(doc_root(map), "metadata/ownerReferences")) == 0;
}

static void orphan(void **state)
{
	(void)state;
	AUTODOC *up = owner("orphan");
	AUTODOC *map = must_create(&configmaps, owned_map("orphan", up));
	must_delete(&widgets, "orphan", "Orphan");
	until_gone(&widgets, "orphan");
	until(orphaned, NULL, 30000, "the ConfigMap has lost its owner");
}

/* An object with two owners goes with the last; one whose owner never was goes by itself. */
static void two_owners(void **state)
{
	(void)state;
	AUTODOC *left = owner("left"), *right = owner("right"), *object = owned_map("both", left), *other = owned_map("both", right);
	node_append(object, node_find(doc_root(object), "metadata/ownerReferences"),
		    node_copy(object, node_find(doc_root(other), "metadata/ownerReferences/0")));
	AUTODOC *map = must_create(&configmaps, TAKE(object));
	AUTODOC *stray = must_create(&configmaps, yaml("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: stray\n  ownerReferences:\n"
						       "  - {apiVersion: contract.weir.dev/v1, kind: Widget, name: never,"
						       " uid: 00000000-0000-0000-0000-000000000001}\n"));
	must_delete(&widgets, "left", "Background");
	until_gone(&configmaps, "stray");
	assert_true(exists(&configmaps, "both"));
	must_delete(&widgets, "right", "Background");
	until_gone(&configmaps, "both");
}

static struct doc *pods_of(const char *app)
{
	AUTOFREE char *selector = mem_printf("app=%s", app);
	struct doc *list = NULL;
	assert_ok(kube_list(target.kube, &pods, target.ns, selector, &list, NULL, &err));
	return list;
}

static bool two_pods(void *context)
{
	(void)context;
	AUTODOC *list = pods_of("web");
	return node_count(node_find(doc_root(list), "items")) == 2;
}

static bool observed(void *context)
{
	int64_t generation = *(int64_t *)context;
	AUTODOC *deployment = must_get(&deployments, "web");
	return node_integer(node_find(doc_root(deployment), "status/observedGeneration"), 0) >= generation;
}

static bool no_pods(void *context)
{
	AUTODOC *list = pods_of(context);
	return node_count(node_find(doc_root(list), "items")) == 0;
}

static void deployment(void **state)
{
	(void)state;
	static const char text[] =
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: %d\n"
		"  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"
		"    spec:\n      terminationGracePeriodSeconds: 0\n      containers: [{name: main, image: 'contract-no-such-image:1'}]\n";
	AUTODOC *made = must_apply(&deployments, yaml(text, 2), "one");
	assert_string_equal(text_at(made, "spec/strategy/type"), "RollingUpdate"); /* defaults are filled in */
	assert_string_equal(text_at(made, "spec/template/spec/restartPolicy"), "Always");
	until(two_pods, NULL, 60000, "there are two pods");
	AUTODOC *list = pods_of("web");
	const struct node *pod = node_find(doc_root(list), "items/0");
	assert_string_equal(node_find_text(pod, "metadata/ownerReferences/0/kind"), "ReplicaSet");
	assert_non_null(node_get(node_find(pod, "metadata/labels"), "pod-template-hash"));
	AUTODOC *set = must_get(&replicasets, node_find_text(pod, "metadata/ownerReferences/0/name"));
	assert_string_equal(text_at(set, "metadata/ownerReferences/0/uid"), uid_of(made));
	AUTODOC *scaled = must_apply(&deployments, yaml(text, 0), "one");
	int64_t generation = generation_of(scaled);
	assert_int_equal(generation, 2);
	until(observed, &generation, 60000, "the new generation was observed");
	until(no_pods, (void *)"web", 60000, "the pods are gone");
	AUTODOC *selector = yaml("spec: {selector: {matchLabels: {app: other}}, template: {metadata: {labels: {app: other}}}}");
	assert_error(ERROR_INVALID,
		     kube_patch(target.kube, &deployments, target.ns, "web", KUBE_MERGE_PATCH, NULL, doc_root(selector), NULL, &err));
	AUTODOC *again = must_apply(&deployments, yaml(text, 1), "one");
	must_delete(&deployments, "web", "Foreground");
	until_gone(&deployments, "web");
	until(no_pods, (void *)"web", 60000, "the pods are gone");
}

static void namespace_takes_all(void **state)
{
	(void)state;
	AUTOFREE char *name = mem_printf("%s-x", target.ns);
	AUTODOC *space = must_create(&namespaces, yaml("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name));
	AUTODOC *map = yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inside}\n");
	assert_ok(kube_create(target.kube, &configmaps, name, doc_root(map), NULL, &err));
	must_delete(&namespaces, name, NULL);
	until_gone(&namespaces, name);
	assert_error(ERROR_NOT_FOUND, kube_get(target.kube, &configmaps, name, "inside", NULL, &err));
}

int contract_owners(void)
{
	static const struct CMUnitTest owners[] = {
		cmocka_unit_test(background), cmocka_unit_test(foreground), cmocka_unit_test(orphan),
		cmocka_unit_test(two_owners), cmocka_unit_test(deployment), cmocka_unit_test(namespace_takes_all),
	};
	return cmocka_run_group_tests(owners, NULL, NULL);
}
