/* Reading: lists by label and by page, discovery; and the two clients that live on small objects, leases and events. */
#include <stdio.h>

#include "contract/target.h"
#include "kube/events.h"
#include "kube/lease.h"

enum { MANY = 520 }; /* more than one page of kube_list */

static void expect_names(const char *selector, const char *expected)
{
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, &configmaps, target.ns, selector, &list, NULL, &err));
	AUTOBUF names = BUF_INIT;
	const struct node *items = node_find(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++)
		buf_printf(&names, "%s%s", i > 0 ? " " : "", node_find_text(node_at(items, i), "metadata/name"));
	if (strcmp(buf_text(&names), expected) != 0)
		fail_msg("%s: expected '%s', got '%s'", selector, expected, buf_text(&names));
}

static void label_selectors(void **state)
{
	(void)state;
	static const char *const labels[] = { "set: l, tier: web, zone: a", "set: l, tier: db, zone: b", "set: l, tier: cache" };
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		AUTODOC *made = must_create(
			&configmaps, yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: label-%zu, labels: {%s}}\n", i, labels[i]));
	}
	expect_names("set=l", "label-0 label-1 label-2");
	expect_names("set=l,tier=db", "label-1");
	expect_names("set=l,tier==db", "label-1");
	expect_names("set=l,tier!=db", "label-0 label-2");
	expect_names("set=l,tier in (web, cache)", "label-0 label-2");
	expect_names("set=l,tier notin (web,cache)", "label-1");
	expect_names("set=l,zone", "label-0 label-1");
	expect_names("set=l,!zone", "label-2");
	expect_names("set=l,zone!=a", "label-1 label-2"); /* absent counts as different */
	expect_names("set=l,zone notin (a)", "label-1 label-2");
	expect_names("set=nothing", "");
	AUTODOC *none = NULL;
	assert_error(ERROR_INVALID, kube_list(target.kube, &configmaps, target.ns, "tier in web", &none, NULL, &err));
}

static struct doc *page(const char *query)
{
	AUTOBUF body = BUF_INIT;
	AUTOFREE char *path = mem_printf("/api/v1/namespaces/%s/configmaps?labelSelector=set%%3Dpages&%s", target.ns, query);
	if (!kube_raw_get(target.kube, path, &body, &err))
		fail_msg("%s", err.message);
	struct doc *doc = doc_parse_json(buf_text(&body), body.len, "page", NULL, &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

static void pages(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		AUTODOC *made = must_create(
			&configmaps, yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page-%03u, labels: {set: pages}}\n", i));
	}
	unsigned before = target.tap.lists;
	AUTODOC *all = NULL;
	AUTOFREE char *version = NULL;
	assert_ok(kube_list(target.kube, &configmaps, target.ns, "set=pages", &all, &version, &err));
	assert_int_equal(target.tap.lists - before, 2);
	const struct node *items = node_find(doc_root(all), "items");
	assert_int_equal(node_count(items), MANY);
	for (unsigned i = 0; i < MANY; i++) { /* each once, in order */
		char name[16];
		(void)snprintf(name, sizeof name, "page-%03u", i);
		assert_string_equal(node_find_text(node_at(items, i), "metadata/name"), name);
	}
	assert_string_equal(node_find_text(node_at(items, 0), "kind"), "ConfigMap");

	AUTODOC *first = page("limit=200");
	assert_int_equal(node_count(node_find(doc_root(first), "items")), 200);
	AUTOBUF query = BUF_INIT;
	buf_puts(&query, "limit=400&continue=");
	buf_put_url(&query, text_at(first, "metadata/continue"));
	/* what comes after the first page is of the same version */
	AUTODOC *late =
		must_create(&configmaps, yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page-300-late, labels: {set: pages}}\n"));
	AUTODOC *second = page(buf_text(&query));
	assert_int_equal(node_count(node_find(doc_root(second), "items")), MANY - 200);
	assert_string_equal(text_at(second, "items/0/metadata/name"), "page-200");
	assert_string_equal(text_at(second, "metadata/continue"), "");
	assert_string_equal(version_of(second), version_of(first));
	AUTOFREE char *nonsense = mem_printf("/api/v1/namespaces/%s/configmaps?limit=1&continue=nonsense", target.ns);
	AUTOBUF body = BUF_INIT;
	assert_error(ERROR_INVALID, kube_raw_get(target.kube, nonsense, &body, &err));
}

static void discovery(void **state)
{
	(void)state;
	struct kube_resource r;
	assert_ok(kube_resource_for(target.kube, "apps/v1", "Deployment", &r, &err));
	assert_string_equal(r.plural, "deployments");
	assert_true(r.namespaced && r.has_status);
	assert_ok(kube_resource_for(target.kube, "v1", "Namespace", &r, &err));
	assert_false(r.namespaced);
	assert_ok(kube_resource_for(target.kube, "v1", "ConfigMap", &r, &err));
	assert_false(r.has_status);
	assert_ok(kube_resource_for(target.kube, "contract.weir.dev/v1", "Widget", &r, &err));
	assert_string_equal(r.plural, "widgets");
	assert_true(r.namespaced && r.has_status);
	assert_error(ERROR_NOT_FOUND, kube_resource_for(target.kube, "apps/v1", "Gadget", &r, &err));
	assert_contains(err.message, "Gadget");
	assert_error(ERROR_NOT_FOUND, kube_resource_for(target.kube, "nobody.weir.dev/v1", "Gadget", &r, &err));
	assert_error(ERROR_NOT_FOUND, kube_resource_for(target.kube, "apps/v9", "Deployment", &r, &err));
	const struct kube_resource unknown = { "nobody.weir.dev/v1", "Gadget", "gadgets", true, false };
	assert_error(ERROR_NOT_FOUND, kube_get(target.kube, &unknown, target.ns, "x", NULL, &err));
	AUTOBUF body = BUF_INIT;
	assert_ok(kube_raw_get(target.kube, "/readyz", &body, &err));
	assert_string_equal(buf_text(&body), "ok");
}

static void note_kind(void *context, const struct kube_resource *resource)
{
	unsigned *seen = context;
	*seen |= str_eq(resource->kind, "ConfigMap") ? 1u : 0;
	*seen |= str_eq(resource->kind, "Deployment") ? 2u : 0;
	*seen |= str_eq(resource->kind, "Widget") ? 4u : 0;
	*seen |= strchr(resource->plural, '/') != NULL ? 8u : 0; /* subresources are none */
}

static void discover_all(void **state)
{
	(void)state;
	unsigned seen = 0;
	assert_ok(kube_discover_all(target.kube, note_kind, &seen, &err));
	assert_int_equal(seen, 7);
}

static const int64_t wall = 1767323045000;

static void lease_has_one_holder(void **state)
{
	(void)state;
	struct lease *one = lease_new(target.kube, target.ns, "lead", "one", 15),
		     *two = lease_new(target.kube, target.ns, "lead", "two", 15);
	assert_ok(lease_step(one, 0, wall, &err));
	assert_ok(lease_step(two, 0, wall, &err));
	assert_true(lease_may_act(one, 0));
	assert_false(lease_may_act(two, 0));
	assert_string_equal(lease_holder(two), "one");
	assert_ok(lease_step(one, 5000, wall + 5000, &err));
	assert_ok(lease_step(two, 14000, wall + 14000, &err)); /* it was renewed */
	assert_false(lease_may_act(two, 14000));
	assert_ok(lease_step(two, 30000, wall + 30000, &err)); /* silent for a term: taken over */
	assert_true(lease_may_act(two, 30000));
	assert_false(lease_may_act(one, 30000));
	assert_ok(lease_step(one, 30000, wall + 30000, &err));
	assert_false(lease_may_act(one, 30000));
	assert_int_equal(lease_term(two), 1);
	assert_ok(lease_release(two, wall + 31000, &err));
	assert_ok(lease_step(one, 31000, wall + 31000, &err));
	assert_true(lease_may_act(one, 31000));
	assert_int_equal(lease_term(one), 2);
	lease_free(one);
	lease_free(two);
}

static void events(void **state)
{
	(void)state;
	static const struct kube_resource resource = { "v1", "Event", "events", true, false };
	AUTODOC *about = must_create(&configmaps, yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: eventful}\n"));
	const struct kube_event event = { .api_version = "v1",
					  .kind = "ConfigMap",
					  .ns = target.ns,
					  .name = "eventful",
					  .uid = uid_of(about),
					  .warning = true,
					  .reason = "Contract",
					  .message = "something was seen" };
	assert_ok(kube_event_record(target.kube, &event, wall, &err));
	assert_ok(kube_event_record(target.kube, &event, wall + 5000, &err));
	AUTODOC *list = NULL;
	assert_ok(kube_list(target.kube, &resource, target.ns, NULL, &list, NULL, &err));
	const struct node *items = node_find(doc_root(list), "items");
	unsigned found = 0;
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *e = node_at(items, i);
		if (!str_eq(node_find_text(e, "involvedObject/uid"), uid_of(about)))
			continue;
		found++;
		assert_int_equal(node_integer(node_get(e, "count"), 0), 2);
		assert_string_equal(node_text(node_get(e, "type")), "Warning");
		assert_string_equal(node_text(node_get(e, "lastTimestamp")), "2026-01-02T03:04:10Z");
	}
	assert_int_equal(found, 1);
}

int contract_reads(void)
{
	static const struct CMUnitTest reads[] = {
		cmocka_unit_test(label_selectors),
		cmocka_unit_test(pages),
		cmocka_unit_test(discovery),
		cmocka_unit_test(discover_all),
		cmocka_unit_test(lease_has_one_holder),
		cmocka_unit_test(events),
	};
	return cmocka_run_group_tests(reads, NULL, NULL);
}
