#include "fixture.h"

#include "kube/events.h"
#include "kube/lease.h"

static const int64_t wall = 1767323045000;

static void step(struct lease *lease, int64_t now)
{
	struct error err = ERROR_INIT;
	if (!lease_step(lease, now, wall + now, &err))
		fail_msg("%s", err.message);
}

static void test_takeover(void **state)
{
	(void)state;
	/* the two machines' clocks have nothing in common */
	const int64_t far = 5000000;
	struct lease *one = lease_new(kube, "store", "take", "one", 15), *two = lease_new(kube, "store", "take", "two", 15);
	step(one, 0);
	assert_true(lease_may_act(one, 0));
	assert_int_equal(lease_term(one), 0);
	step(two, far);
	assert_false(lease_may_act(two, far));
	assert_string_equal(lease_holder(two), "one");
	step(one, 5000);
	step(two, far + 14000); /* it was renewed: the wait begins anew */
	step(two, far + 28999);
	assert_false(lease_may_act(two, far + 28999));
	assert_true(lease_may_act(one, 5000 + 9999));
	assert_false(lease_may_act(one, 5000 + 10000));
	step(two, far + 29000);
	assert_true(lease_may_act(two, far + 29000));
	assert_int_equal(lease_term(two), 1);
	step(one, 40000);
	assert_false(lease_may_act(one, 40000));
	assert_int_equal(lease_term(one), -1);
	/* an early hand-over */
	assert_true(lease_release(two, wall, NULL));
	assert_false(lease_may_act(two, far + 29000));
	step(one, 41000);
	assert_true(lease_may_act(one, 41000));
	assert_int_equal(lease_term(one), 2);
	assert_true(lease_release(two, wall, NULL)); /* takes nothing from its new holder */
	step(one, 42000);
	assert_true(lease_may_act(one, 42000));
	lease_free(one);
	lease_free(two);
}

/* Another process of the same name is another holder. */
static void test_same_identity(void **state)
{
	(void)state;
	struct lease *one = lease_new(kube, "store", "same", "me", 15), *two = lease_new(kube, "store", "same", "me", 15);
	step(one, 0);
	step(two, 0);
	assert_false(lease_may_act(two, 0));
	lease_free(one);
	lease_free(two);
}

static void test_unreachable(void **state)
{
	(void)state;
	struct lease *lease = lease_new(kube, "status-503", "x", "me", 15);
	struct error err = ERROR_INIT;
	assert_false(lease_step(lease, 0, wall, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_false(lease_may_act(lease, 0));
	assert_true(lease_release(lease, wall, &err)); /* held nothing */
	lease_free(lease);
}

static void test_deleted_lease(void **state)
{
	(void)state;
	static const struct kube_resource leases = { "coordination.k8s.io/v1", "Lease", "leases", true, false };
	struct lease *lease = lease_new(kube, "store", "gone", "me", 15);
	step(lease, 0);
	AUTODOC *doc = NULL;
	assert_true(kube_get(kube, &leases, "store", "gone", &doc, NULL));
	assert_string_equal(node_find_text(doc_root(doc), "spec/renewTime"), "2026-01-02T03:04:05.000000Z");
	assert_true(kube_delete(kube, &leases, "store", "gone", NULL, NULL));
	step(lease, 1000);
	assert_true(lease_may_act(lease, 1000));
	lease_free(lease);
}

static void test_events(void **state)
{
	(void)state;
	static const struct kube_resource events = { "v1", "Event", "events", true, false };
	struct kube_event event = {
		.api_version = "v1", .kind = "ConfigMap", .ns = "store", .name = "cm", .uid = "u", .reason = "Did", .message = "it happened"
	};
	struct error err = ERROR_INIT;
	for (int i = 0; i < 3; i++)
		assert_true(kube_event_record(kube, &event, wall + i * 1000, &err));
	event.warning = true; /* another event */
	assert_true(kube_event_record(kube, &event, wall, &err));
	AUTODOC *doc = NULL;
	assert_true(kube_list(kube, &events, "store", NULL, &doc, NULL, &err));
	const struct node *items = node_get(doc_root(doc), "items");
	assert_int_equal(node_count(items), 2);
	const struct node *first = node_at(items, 0), *other = node_at(items, 1);
	const struct node *normal = node_integer(node_get(first, "count"), 0) == 3 ? first : other;
	const struct node *warning = normal == first ? other : first;
	assert_int_equal(node_integer(node_get(normal, "count"), 0), 3);
	assert_string_equal(node_find_text(normal, "type"), "Normal");
	assert_string_equal(node_find_text(normal, "firstTimestamp"), "2026-01-02T03:04:05Z");
	assert_string_equal(node_find_text(normal, "lastTimestamp"), "2026-01-02T03:04:07Z");
	assert_string_equal(node_find_text(normal, "involvedObject/uid"), "u");
	assert_string_equal(node_find_text(warning, "type"), "Warning");
	assert_int_equal(node_integer(node_get(warning, "count"), 0), 1);
	event.name = NULL;
	assert_false(kube_event_record(kube, &event, wall, &err));
	assert_int_equal(err.kind, ERROR_BUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takeover),      cmocka_unit_test(test_same_identity), cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_deleted_lease), cmocka_unit_test(test_events),
	};
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
