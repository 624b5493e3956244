/* The cache on the simulated cluster in process: what costs a request and what does not, and that it never says more than it knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kube/cache.h"
#include "sim/faults.h"

static const struct kube_resource config_map = { .api_version = "v1", .kind = "ConfigMap", .plural = "configmaps", .namespaced = true };

/* ---- the cluster, with a count of its requests and a switch ---- */

static struct sim *sim;
static struct http counted;
static struct kube *kube;
static struct kube_cache *cache;
static unsigned requests;
static bool down;
static int64_t now_ms;

static bool count_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	requests++;
	struct http *inner = context;
	return down ? error_set(err, ERROR_TRANSIENT, "down") : inner->send(inner->context, request, response, err);
}

static struct http_stream *count_open(void *context, const struct http_request *request, int *status, struct buf *problem,
				      struct error *err)
{
	requests++;
	struct http *inner = context;
	*status = 0;
	if (!down)
		return inner->open(inner->context, request, status, problem, err);
	(void)error_set(err, ERROR_TRANSIENT, "down");
	return NULL;
}

static int64_t mono(void *context)
{
	(void)context;
	return now_ms;
}
static const struct clock fake_clock = { .mono_ms = mono, .now_ms = mono };

/* Keeps data.kept alone. */
static struct node *project(struct doc *doc, const struct node *object)
{
	struct node *kept = node_map(doc);
	struct node *metadata = node_ensure_map(doc, kept, "metadata");
	node_set_text(doc, metadata, "namespace", node_find_text(object, "metadata/namespace"));
	node_set_text(doc, metadata, "name", node_find_text(object, "metadata/name"));
	node_set_text(doc, node_ensure_map(doc, kept, "data"), "kept", node_find_text(object, "data/kept"));
	return kept;
}

enum { WHOLE, PROJECTED };
static const struct kube_cache_kind kinds[] = {
	[WHOLE] = { .resource = &config_map, .selector = "kind=whole", .names = "whole-" },
	[PROJECTED] = { .resource = &config_map, .selector = "kind in (a,b)", .index = "app", .project = project },
};

static int set_up(void **state)
{
	(void)state;
	sim = sim_new(1);
	sim_options(sim)->watch_window = 20;
	struct http *inner = sim_http(sim);
	counted = (struct http){ .context = inner, .send = count_send, .open = count_open, .read = inner->read, .close = inner->close };
	requests = 0;
	down = false;
	now_ms = 1000000;
	kube = kube_new(&counted);
	cache = kube_cache_new(kube, &fake_clock, kinds, ARRAY_SIZE(kinds), NULL, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kube_cache_free(cache);
	kube_free(kube);
	sim_free(sim);
	return 0;
}

static void load(const char *name, const char *kind, const char *app, const char *kept)
{
	AUTOFREE char *yaml = mem_printf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  labels: {kind: %s, app: %s}\n"
					 "data: {kept: \"%s\", other: x}\n",
					 name, kind, app, kept);
	struct error err = ERROR_INIT;
	if (!sim_load_yaml(sim, yaml, &err))
		fail_msg("%s", err.message);
}

static void set_data(const char *name, const char *key, const char *value)
{
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	node_set_text(doc, node_ensure_map(doc, patch, "data"), key, value);
	assert_true(kube_patch(kube, &config_map, "default", name, KUBE_MERGE_PATCH, NULL, patch, NULL, NULL));
}

/* ---- what the steps tell ---- */

static void write_down(void *context, size_t table, enum kube_cache_change change, const char *ns, const char *name, const char *value)
{
	assert_string_equal(ns, "default");
	buf_printf(context, "%c%zu:%s(%s) ", change == KUBE_CACHE_SET ? '+' : '-', table, name, value);
}

static bool step_all(struct buf *log)
{
	bool ok = true;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < kube_cache_tables(cache); i++)
			ok &= kube_cache_step(cache, i, 0, write_down, log, NULL);
	return ok;
}

static void told(const char *expected)
{
	AUTOBUF log = BUF_INIT;
	assert_true(step_all(&log));
	assert_string_equal(buf_text(&log), expected);
}

/* ---- what a reader says, as text ---- */

static void listed(struct kube *from, const char *selector, const char *expected)
{
	AUTODOC *doc = NULL;
	AUTOBUF text = BUF_INIT;
	struct error err = ERROR_INIT;
	if (!kube_list(from, &config_map, "default", selector, &doc, NULL, &err))
		fail_msg("%s", err.message);
	const struct node *items = node_get(doc_root(doc), "items");
	for (size_t i = 0; i < node_count(items); i++)
		buf_printf(&text, "%s=%s ", node_find_text(node_at(items, i), "metadata/name"),
			   node_find_text(node_at(items, i), "data/kept"));
	assert_string_equal(buf_text(&text), expected);
}

static enum error_kind got(const char *name, struct doc **out)
{
	struct error err = ERROR_INIT;
	return kube_get(kube_cache_reader(cache), &config_map, "default", name, out, &err) ? ERROR_NONE : err.kind;
}

static void test_life(void **state)
{
	(void)state;
	struct kube *reader = kube_cache_reader(cache);
	load("whole-1", "whole", "x", "1");
	load("b2", "b", "x", "2");
	load("a1", "a", "x", "1");
	load("a3", "a", "y", "3");
	assert_false(kube_cache_in_touch(cache, PROJECTED));
	listed(reader, "app=x,kind in (a,b)", "a1=1 b2=2 "); /* nothing is known yet: asked */
	assert_int_equal(requests, 1);
	told("+0:whole-1() +1:a1(x) +1:a3(y) +1:b2(x) ");
	assert_int_equal(kube_cache_count(cache, PROJECTED), 3);

	requests = 0;
	AUTODOC *whole = NULL;
	assert_int_equal(got("whole-1", &whole), ERROR_NONE);
	assert_string_equal(node_find_text(doc_root(whole), "data/other"), "x");
	assert_string_equal(node_find_text(doc_root(whole), "kind"), "ConfigMap");
	assert_null(node_find(doc_root(whole), "metadata/managedFields"));
	assert_int_equal(got("whole-2", NULL), ERROR_NOT_FOUND);
	listed(reader, "app=x,kind in (a,b)", "a1=1 b2=2 ");
	listed(reader, "app=nobody,kind in (a,b)", "");
	AUTODOC *part = NULL;
	assert_true(kube_list(reader, &config_map, "default", "app=y,kind in (a,b)", &part, NULL, NULL));
	assert_null(node_find(doc_root(part), "items/0/data/other"));
	assert_int_equal(requests, 0);

	set_data("a1", "other", "nothing that is kept");
	told("");
	set_data("a1", "kept", "11");
	told("+1:a1(x) ");
	assert_true(kube_delete(kube, &config_map, "default", "b2", NULL, NULL));
	load("whole-2", "whole", "z", "2");
	told("+0:whole-2() -1:b2(x) ");
	requests = 0;
	listed(reader, "app=x,kind in (a,b)", "a1=11 ");
	assert_int_equal(got("whole-2", NULL), ERROR_NONE);
	assert_int_equal(requests, 0);
}

static void test_only_what_it_knows(void **state)
{
	(void)state;
	struct kube *reader = kube_cache_reader(cache);
	load("a1", "a", "x", "1");
	load("c1", "c", "x", "1");
	told("+1:a1(x) ");
	requests = 0;
	listed(reader, "app=x", "a1=1 c1=1 ");
	listed(reader, "kind in (a,b)", "a1=1 ");
	assert_int_equal(got("c1", NULL), ERROR_NONE); /* no table knows names that begin so */
	assert_int_equal(requests, 3);
	struct error err = ERROR_INIT;
	AUTODOC *doc = doc_new();
	assert_false(kube_patch(reader, &config_map, "default", "a1", KUBE_MERGE_PATCH, NULL, node_map(doc), NULL, &err));
	assert_int_equal(err.kind, ERROR_BUG);
	assert_false(kube_delete(reader, &config_map, "default", "a1", NULL, &err));
	assert_int_equal(err.kind, ERROR_BUG);
	assert_int_equal(requests, 3);
}

static void test_relist(void **state)
{
	(void)state;
	load("a1", "a", "x", "1");
	load("a2", "a", "x", "2");
	told("+1:a1(x) +1:a2(x) ");
	assert_true(kube_delete(kube, &config_map, "default", "a1", NULL, NULL));
	load("a3", "a", "y", "3");
	sim_watch_expire(sim);
	told("+1:a3(y) -1:a1(x) "); /* a2 is as it was: nobody is told */
	requests = 0;
	listed(kube_cache_reader(cache), "app=x,kind in (a,b)", "a2=2 ");
	assert_int_equal(requests, 0);
}

static void test_another_label(void **state)
{
	(void)state;
	load("a1", "a", "x", "1");
	told("+1:a1(x) ");
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	node_set_text(doc, node_ensure_map(doc, node_ensure_map(doc, patch, "metadata"), "labels"), "app", "y");
	assert_true(kube_patch(kube, &config_map, "default", "a1", KUBE_MERGE_PATCH, NULL, patch, NULL, NULL));
	told("+1:a1(y) ");
	requests = 0;
	listed(kube_cache_reader(cache), "app=x,kind in (a,b)", "");
	listed(kube_cache_reader(cache), "app=y,kind in (a,b)", "a1=1 ");
	assert_int_equal(requests, 0);
}

/* How many requests a reading costs. */
static unsigned cost_of_reading(void)
{
	AUTODOC *doc = NULL;
	unsigned before = requests;
	(void)kube_list(kube_cache_reader(cache), &config_map, "default", "app=x,kind in (a,b)", &doc, NULL, NULL);
	return requests - before;
}

static void test_broken(void **state)
{
	(void)state;
	AUTOBUF log = BUF_INIT;
	load("a1", "a", "x", "1");
	told("+1:a1(x) ");
	down = true;
	sim_watch_break(sim);
	assert_false(step_all(&log));
	now_ms += 10000;
	assert_false(step_all(&log));
	assert_int_equal(cost_of_reading(), 0); /* the bound is not passed yet */
	now_ms += 1;
	assert_false(step_all(&log));
	assert_int_equal(cost_of_reading(), 1);
	load("a2", "a", "x", "2");
	down = false;
	told("+1:a2(x) ");
	assert_int_equal(cost_of_reading(), 0);
}

static void test_silent(void **state)
{
	(void)state;
	AUTOBUF log = BUF_INIT;
	load("a1", "a", "x", "1");
	told("+1:a1(x) ");
	sim_watch_stall(sim, true); /* as over a connection whose other end is gone */
	load("a2", "a", "x", "2");
	now_ms += 120000;
	told("");
	assert_int_equal(cost_of_reading(), 0);
	now_ms += 1;
	told("+1:a2(x) "); /* silent for too long: it listed */
	assert_int_equal(cost_of_reading(), 0);
	now_ms += 180001; /* nobody took a step */
	assert_int_equal(cost_of_reading(), 1);
	told("");
	assert_int_equal(cost_of_reading(), 0);
}

static void test_bookmarks(void **state)
{
	(void)state;
	load("a1", "a", "x", "1");
	told("+1:a1(x) ");
	for (int i = 0; i < 10; i++) {
		now_ms += 60000;
		sim_advance(sim, 60000);
		told("");
	}
	requests = 0;
	now_ms += 60000;
	sim_advance(sim, 60000);
	told("");
	assert_int_equal(requests, 0); /* bookmarks are words, too: no list */
	assert_true(kube_cache_in_touch(cache, PROJECTED));
}

static void count_each(void *context, const char *ns, const char *name)
{
	buf_printf(context, "%s/%s ", ns, name);
}

static void test_namespaces(void **state)
{
	(void)state;
	const char *const names[] = { "default", "kube-system" };
	struct kube_cache *two = kube_cache_new(kube, &fake_clock, kinds, ARRAY_SIZE(kinds), names, 2);
	assert_int_equal(kube_cache_tables(two), 4);
	assert_int_equal(kube_cache_kind(two, 1), WHOLE);
	assert_int_equal(kube_cache_kind(two, 2), PROJECTED);
	load("a1", "a", "x", "1");
	AUTOBUF log = BUF_INIT;
	for (size_t i = 0; i < 4; i++)
		assert_true(kube_cache_step(two, i, 0, write_down, &log, NULL));
	assert_string_equal(buf_text(&log), "+2:a1(x) ");
	AUTOBUF names_seen = BUF_INIT;
	kube_cache_each(two, 2, count_each, &names_seen);
	assert_string_equal(buf_text(&names_seen), "default/a1 ");
	requests = 0;
	listed(kube_cache_reader(two), "app=x,kind in (a,b)", "a1=1 ");
	assert_int_equal(requests, 0);
	AUTODOC *doc = NULL; /* a namespace that is not watched */
	assert_true(kube_list(kube_cache_reader(two), &config_map, "elsewhere", "app=x,kind in (a,b)", &doc, NULL, NULL));
	assert_int_equal(requests, 1);
	kube_cache_free(two);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_life),	  TEST(test_only_what_it_knows),
					    TEST(test_relist),	  TEST(test_another_label),
					    TEST(test_broken),	  TEST(test_silent),
					    TEST(test_bookmarks), TEST(test_namespaces) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
