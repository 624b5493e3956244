#include "support.h"

static char *url_of(struct world *w)
{
	return mem_printf("file://%s", w->remote);
}

static void test_poll_follows_branch(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "main" });
	assert_string_equal(repository_commit(r), "");
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	expect_poll(r, one, true);
	expect_stats(r, 1, 1);
	AUTOFREE char *before = run("find %s -printf '%%p %%T@\\n' | sort", w->caches);
	expect_poll(r, one, false);
	expect_stats(r, 2, 1);
	AUTOFREE char *after = run("find %s -printf '%%p %%T@\\n' | sort", w->caches);
	assert_string_equal(before, after); /* nothing to do, nothing written */
	AUTOFREE char *two = world_commit(w, "two");
	expect_poll(r, two, true);
	expect_stats(r, 3, 2);
	expect_file(r, "deploy/orders.yaml", "two");

	/* a force-push to other history, and back to what is known: no second fetch */
	RUN("cd %s && git checkout -q --orphan other && git branch -qD main && git branch -qm main", w->work);
	AUTOFREE char *other = world_commit(w, "other");
	expect_poll(r, other, true);
	expect_stats(r, 4, 3);
	RUN("cd %s && git push -qf origin %s:main 2>&1", w->work, two);
	expect_poll(r, two, true);
	expect_stats(r, 5, 3);
	expect_file(r, "deploy/orders.yaml", "two");
}

static void test_paths_work_too(void **state)
{
	struct world *w = *state;
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = w->remote });
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	expect_poll(r, one, true); /* HEAD */
	expect_poll(r, one, false);
	expect_stats(r, 2, 1);
}

static void test_vanished_branch_keeps_last(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	RUN("cd %s && git push -q origin HEAD:prod 2>&1", w->work);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "prod" });
	AUTOFREE char *one = run("git -C %s rev-parse prod", w->remote);
	expect_poll(r, one, true);
	RUN("git -C %s branch -qD prod", w->remote);
	expect_poll_fails(r, ERROR_NOT_FOUND, "no branch prod");
	expect_file(r, "deploy/orders.yaml", "one");
	RUN("mv %s %s.away", w->remote, w->remote);
	expect_poll_fails(r, ERROR_NOT_FOUND, "git source a (file://");
	expect_file(r, "deploy/orders.yaml", "one");
	RUN("mv %s.away %s && git -C %s branch prod main", w->remote, w->remote, w->remote);
	expect_poll(r, one, false);
}

static void test_tags(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	RUN("cd %s && git tag -am 'one' v1 && git tag light && git tag -am 'a tree' tree HEAD^{tree} && git push -q --tags origin 2>&1",
	    w->work);
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	free(world_commit(w, "two"));
	{
		AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .tag = "v1" });
		expect_poll(r, one, true);
		expect_poll(r, one, false);
		expect_stats(r, 2, 1);
	}
	AUTOREPOSITORY *light = world_open(w, &(struct git_source){ .name = "b", .url = url, .tag = "light" });
	expect_poll(light, one, true);
	AUTOREPOSITORY *tree = world_open(w, &(struct git_source){ .name = "c", .url = url, .tag = "tree" });
	expect_poll_fails(tree, ERROR_INVALID, "no commit");
	AUTOREPOSITORY *none = world_open(w, &(struct git_source){ .name = "d", .url = url, .tag = "v2" });
	expect_poll_fails(none, ERROR_NOT_FOUND, "no tag v2");
}

static void test_fixed_commit(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	free(world_commit(w, "two"));
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .commit = one });
	expect_poll(r, one, true);
	expect_file(r, "deploy/orders.yaml", "one");
	expect_poll(r, one, false);
	expect_stats(r, 1, 1);
	AUTOREPOSITORY *branch = world_open(w, &(struct git_source){ .name = "b", .url = url, .commit = one, .branch = "main" });
	expect_poll(branch, one, true);
	AUTOREPOSITORY *none = world_open(
		w, &(struct git_source){ .name = "c", .url = url, .branch = "main", .commit = "0123456789012345678901234567890123456789" });
	expect_poll_fails(none, ERROR_NOT_FOUND, "is not behind the branch");
}

static void test_restart_keeps_revision(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	struct git_source source = { .name = "a", .url = url, .branch = "main" };
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	struct repository *r = world_open(w, &source);
	expect_poll(r, one, true);
	struct error err = ERROR_INIT;
	assert_null(repository_open(w->caches, &source, &err));
	assert_int_equal(err.kind, ERROR_CONFLICT);
	repository_close(r);
	RUN("mv %s %s.away", w->remote, w->remote);
	r = world_open(w, &source);
	assert_string_equal(repository_commit(r), one);
	expect_file(r, "deploy/orders.yaml", "one");
	expect_poll_fails(r, ERROR_NOT_FOUND, "list refs");
	RUN("mv %s.away %s", w->remote, w->remote);
	expect_poll(r, one, false);
	expect_stats(r, 2, 0);
	repository_close(r);
}

static void damage(struct world *w, const char *command)
{
	AUTOFREE char *url = url_of(w);
	struct git_source source = { .name = "a", .url = url, .branch = "main" };
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	struct repository *r = world_open(w, &source);
	struct error err = ERROR_INIT;
	char commit[41];
	bool changed;
	assert_true(repository_poll(r, commit, &changed, &err));
	repository_close(r);
	RUN("cd %s/*[0-9a-f] && %s", w->caches, command);
	r = world_open(w, &source);
	assert_string_equal(repository_commit(r), "");
	assert_int_equal(repository_last_stats(r).repairs, 1);
	expect_poll(r, one, true);
	expect_stats(r, 1, 1);
	expect_file(r, "deploy/orders.yaml", "one");
	repository_close(r);
	RUN("test -d %s/*.damaged", w->caches);
}

static void test_damaged_cache_is_replaced(void **state)
{
	struct world *w = *state;
	damage(w, "rm -rf objects");
	damage(w, "rm -f HEAD");
	damage(w, "echo rubbish >refs/weir/current");
	damage(w, "chmod u+w objects/pack/*; for f in objects/pack/*; do : >$f; done; rm -rf objects/??");
}

static void test_damage_while_open(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "main" });
	struct error err = ERROR_INIT;
	struct revision_tree tree;
	expect_poll(r, one, true);
	RUN("cd %s/*[0-9a-f]/objects/pack && chmod u+w *.pack && size=$(stat -c %%s *.pack) && "
	    "dd if=/dev/zero of=$(ls *.pack) bs=1 seek=12 count=$((size-12)) conv=notrunc status=none",
	    w->caches);
	assert_false(revision_tree_read(r, one, "", &tree, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	RUN("mv %s %s.away", w->remote, w->remote);
	expect_poll_fails(r, ERROR_NOT_FOUND, "list refs");
	RUN("mv %s.away %s", w->remote, w->remote);
	expect_poll(r, one, false);
	assert_int_equal(repository_last_stats(r).repairs, 1);
	expect_file(r, "deploy/orders.yaml", "one");
}

static void test_packs_are_joined(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "main" });
	char text[16];
	for (int i = 0; i < 55; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		AUTOFREE char *commit = world_commit(w, text);
		expect_poll(r, commit, true);
	}
	expect_file(r, "deploy/orders.yaml", "text 54");
	expect_stats(r, 55, 55);
	AUTOFREE char *count = run("ls %s/*[0-9a-f]/objects/pack/*.pack | wc -l", w->caches);
	assert_in_range(strtol(count, NULL, 10), 1, 50);
	AUTOFREE char *history = run("cd %s/*[0-9a-f] && git fsck --strict 2>&1 && git rev-list --count refs/weir/current", w->caches);
	assert_string_equal(history, "notice: HEAD points to an unborn branch (none)\n56");
}

static void test_cancel_and_fetch_limit(void **state)
{
	struct world *w = *state;
	AUTOFREE char *url = url_of(w);
	RUN("cd %s && head -c 200000 /dev/urandom >big && git add big && git commit -qm big && git push -q origin HEAD 2>&1", w->work);
	AUTOREPOSITORY *small = world_open(w, &(struct git_source){ .name = "s", .url = url, .max_fetch_bytes = 10000 });
	expect_poll_fails(small, ERROR_LIMIT, "10000 bytes");
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url });
	repository_cancel(r);
	expect_poll_fails(r, ERROR_TRANSIENT, "cancelled");
	expect_stats(r, 0, 0);
}

static void expect_refused(struct world *w, struct git_source source, enum error_kind kind, const char *part)
{
	struct error err = ERROR_INIT;
	source.name = "a";
	assert_null(repository_open(w->caches, &source, &err));
	if (err.kind != kind || !strstr(err.message, part))
		fail_msg("expected %s \"%s\", got %s: %s", error_kind_name(kind), part, error_kind_name(err.kind), err.message);
}

static void test_wrong_sources(void **state)
{
	struct world *w = *state;
	expect_refused(w, (struct git_source){ .url = "" }, ERROR_INVALID, "url: is required");
	expect_refused(w, (struct git_source){ .url = "git://h/x" }, ERROR_UNSUPPORTED, "url: expected http, https, ssh or file");
	expect_refused(w, (struct git_source){ .url = "ssh://-oProxyCommand=x/y" }, ERROR_INVALID, "url: expected ssh://");
	expect_refused(w, (struct git_source){ .url = "x", .branch = "a", .tag = "b" }, ERROR_INVALID, "at most one");
	expect_refused(w, (struct git_source){ .url = "x", .branch = "a..b" }, ERROR_INVALID, "branch: \"a..b\"");
	expect_refused(w, (struct git_source){ .url = "x", .branch = "*" }, ERROR_INVALID, "branch: \"*\"");
	expect_refused(w, (struct git_source){ .url = "x", .commit = "abc" }, ERROR_INVALID, "40 hexadecimal digits");
	expect_refused(w, (struct git_source){ .url = "x", .password = "p", .token_file = "f" }, ERROR_INVALID, "token_file");
	expect_refused(w, (struct git_source){ .url = "x", .client_key = "p" }, ERROR_INVALID, "client_cert");
	expect_refused(w, (struct git_source){ .url = "x", .timeout_ms = -1 }, ERROR_INVALID, "timeout_ms");
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	world_environment();
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_poll_follows_branch),
		WORLD_TEST(test_paths_work_too),
		WORLD_TEST(test_vanished_branch_keeps_last),
		WORLD_TEST(test_tags),
		WORLD_TEST(test_fixed_commit),
		WORLD_TEST(test_restart_keeps_revision),
		WORLD_TEST(test_damaged_cache_is_replaced),
		WORLD_TEST(test_damage_while_open),
		WORLD_TEST(test_packs_are_joined),
		WORLD_TEST(test_cancel_and_fetch_limit),
		WORLD_TEST(test_wrong_sources),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
