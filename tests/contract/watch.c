/* Watches through kube_watch: the first list, events, resuming, bookmarks, and a version that is no longer served. */
#include "kube/watch.h"

#include <stdio.h>

#include "contract/target.h"

/* One watch of Widgets, and what it told so far: "+name" added, "~name" modified, "-name" deleted, "!" synced. */
struct follower {
	struct kube_watch *watch;
	struct buf told;
	const char *expected; /* part of told to wait for */
};

static void on_event(void *context, enum kube_watch_type type, const struct node *object)
{
	struct follower *f = context;
	static const char signs[] = {
		[KUBE_WATCH_ADDED] = '+', [KUBE_WATCH_MODIFIED] = '~', [KUBE_WATCH_DELETED] = '-', [KUBE_WATCH_SYNCED] = '!'
	};
	buf_printf(&f->told, "%c%s ", signs[type], type == KUBE_WATCH_SYNCED ? "" : node_text_or(node_find(object, "metadata/name"), "?"));
}

static bool step_until_told(void *context)
{
	struct follower *f = context;
	if (!kube_watch_step(f->watch, 50, on_event, f, &err) && err.kind != ERROR_TRANSIENT)
		fail_msg("%s", err.message);
	return f->expected == NULL || strstr(buf_text(&f->told), f->expected) != NULL;
}

static void expect_told(struct follower *f, const char *expected)
{
	f->expected = expected;
	AUTOFREE char *what = mem_printf("the watch told \"%s\"", expected);
	if (!target.until(step_until_told, f, 30000))
		fail_msg("expected \"%s\", the watch told \"%s\"", expected, buf_text(&f->told));
	buf_clear(&f->told);
}

static struct follower follow(const char *selector)
{
	return (struct follower){ .watch = kube_watch_new(target.kube, &widgets, target.ns, selector) };
}

static void unfollow(struct follower *f)
{
	kube_watch_free(f->watch);
	buf_free(&f->told);
}

static long long widget(const char *name, const char *set, int size)
{
	AUTODOC *made = must_apply(&widgets,
				   yaml("apiVersion: contract.weir.dev/v1\nkind: Widget\nmetadata: {name: %s, labels: {set: %s}}\n"
					"spec: {size: %d}\n",
					name, set, size),
				   "one");
	return strtoll(version_of(made), NULL, 10);
}

static void life_of_objects(void **state)
{
	(void)state;
	struct follower f = follow("set=life");
	widget("life-a", "life", 1);
	widget("life-b", "life", 1);
	expect_told(&f, "+life-a +life-b ! ");
	assert_int_equal(kube_watch_count(f.watch), 2);
	widget("life-c", "life", 1);
	widget("life-a", "life", 2);
	must_delete(&widgets, "life-b", NULL);
	expect_told(&f, "+life-c ~life-a -life-b ");
	assert_int_equal(kube_watch_count(f.watch), 2);
	/* what leaves the selection is deleted for this watch, what enters it is added */
	widget("life-a", "other", 2);
	expect_told(&f, "-life-a ");
	widget("life-a", "life", 2);
	expect_told(&f, "+life-a ");
	/* deleted and made anew under one name */
	must_delete(&widgets, "life-a", NULL);
	widget("life-a", "life", 1);
	expect_told(&f, "-life-a +life-a ");
	unfollow(&f);
}

static void resumes(void **state)
{
	(void)state;
	struct follower f = follow("set=resume");
	widget("resume-a", "resume", 1);
	expect_told(&f, "+resume-a ! ");
	long long version = widget("resume-a", "resume", 2);
	expect_told(&f, "~resume-a ");
	unsigned lists = target.tap.lists, watches = target.tap.watches;
	target.tap.cut = true;
	expect_told(&f, ""); /* the watch ends here */
	widget("resume-b", "resume", 1);
	must_delete(&widgets, "resume-a", NULL);
	expect_told(&f, "+resume-b -resume-a "); /* nothing twice, nothing lost */
	assert_int_equal(target.tap.lists, lists);
	assert_int_equal(target.tap.watches, watches + 1);
	assert_true(target.tap.watched_from == version);
	unfollow(&f);
}

static bool bookmarked(void *context)
{
	(void)step_until_told(context);
	return target.tap.bookmarks > 0;
}

/* Bookmarks carry the version on where nothing is selected. Real servers send one a minute. */
static void bookmarks(void **state)
{
	(void)state;
	struct follower f = follow("set=bookmarks");
	widget("mark-a", "bookmarks", 1);
	expect_told(&f, "+mark-a ! ");
	widget("mark-a", "bookmarks", 2);
	expect_told(&f, "~mark-a ");
	long long version = widget("mark-b", "other", 1);
	target.tap.bookmarks = 0;
	f.expected = NULL;
	until(bookmarked, &f, 150000, "a bookmark came");
	assert_string_equal(buf_text(&f.told), "");
	target.tap.cut = true;
	expect_told(&f, "");
	widget("mark-a", "bookmarks", 3);
	expect_told(&f, "~mark-a ");
	if (target.tap.watched_from < version)
		fail_msg("the bookmark was older than a write before it: %lld < %lld", target.tap.watched_from, version);
	unfollow(&f);
}

static void too_old_a_version(void **state)
{
	(void)state;
	struct follower f = follow("set=old");
	widget("old-a", "old", 1);
	widget("old-b", "old", 1);
	expect_told(&f, "+old-a +old-b ! ");
	widget("old-a", "old", 2);
	expect_told(&f, "~old-a ");
	target.tap.cut = true;
	expect_told(&f, "");
	for (int i = 0; i < 80; i++) /* more than the simulator's window */
		widget("old-c", "other", i);
	must_delete(&widgets, "old-b", NULL);
	widget("old-d", "old", 1);
	unsigned lists = target.tap.lists;
	target.tap.too_old = true;
	expect_told(&f, "! ");
	assert_int_equal(target.tap.lists, lists + 1);
	assert_false(target.tap.too_old);
	assert_int_equal(kube_watch_count(f.watch), 2);
	widget("old-d", "old", 2); /* and goes on from there */
	expect_told(&f, "~old-d ");
	unfollow(&f);
}

static void all_namespaces(void **state)
{
	(void)state;
	struct follower f = { .watch = kube_watch_new(target.kube, &widgets, NULL, "set=wide") };
	expect_told(&f, "! ");
	widget("wide", "wide", 1);
	expect_told(&f, "+wide ");
	unfollow(&f);
}

int contract_watch(void)
{
	static const struct CMUnitTest watch[] = {
		cmocka_unit_test(life_of_objects),   cmocka_unit_test(resumes),	       cmocka_unit_test(bookmarks),
		cmocka_unit_test(too_old_a_version), cmocka_unit_test(all_namespaces),
	};
	return cmocka_run_group_tests(watch, NULL, NULL);
}
