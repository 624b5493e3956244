#include "support.h"

static struct repository *polled(struct world *w, struct git_source source)
{
	struct error err = ERROR_INIT;
	char commit[41];
	bool changed;
	source.url = w->remote;
	struct repository *r = world_open(w, &source);
	if (!repository_poll(r, commit, &changed, &err))
		fail_msg("poll: %s", err.message);
	return r;
}

static void expect_unread(struct repository *r, const char *commit, const char *subdir, enum error_kind kind, const char *part)
{
	struct error err = ERROR_INIT;
	struct revision_tree tree = { .count = 77 };
	assert_false(revision_tree_read(r, commit ? commit : repository_commit(r), subdir, &tree, &err));
	if (err.kind != kind || !strstr(err.message, part))
		fail_msg("expected %s \"%s\", got %s: %s", error_kind_name(kind), part, error_kind_name(err.kind), err.message);
	assert_int_equal(tree.count, 77);
}

static void expect_entry(const struct revision_tree *tree, size_t i, const char *path, unsigned mode, enum revision_file_kind kind)
{
	assert_true(i < tree->count);
	assert_string_equal(tree->files[i].path, path);
	assert_int_equal(tree->files[i].mode, mode);
	assert_int_equal(tree->files[i].kind, kind);
}

static void expect_too_large(struct repository *r, const char *path, const char *why)
{
	struct error err = ERROR_INIT;
	struct revision_tree tree;
	if (!revision_tree_read(r, repository_commit(r), "", &tree, &err))
		fail_msg("%s", err.message);
	const struct revision_file *f = revision_tree_find(&tree, path);
	assert_non_null(f);
	assert_int_equal(f->kind, REVISION_TOO_LARGE);
	assert_string_equal(f->data, why);
	revision_tree_free(&tree);
}

static void test_reads_all_kinds(void **state)
{
	struct world *w = *state;
	RUN("cd %s && mkdir -p deploy/base a && printf 'a\\0b' >a/nul && : >a-b && echo x >run.sh && chmod +x run.sh && "
	    "ln -s ../../../etc/passwd deploy/link && git add -A && "
	    "git update-index --add --cacheinfo 160000,0123456789012345678901234567890123456789,sub && git commit -qm kinds && "
	    "git push -q origin HEAD 2>&1",
	    w->work);
	AUTOREPOSITORY *r = polled(w, (struct git_source){ .name = "a" });
	struct error err = ERROR_INIT;
	struct revision_tree tree;
	assert_true(revision_tree_read(r, repository_commit(r), NULL, &tree, &err));
	assert_string_equal(tree.commit, repository_commit(r));
	assert_int_equal(tree.count, 6);
	expect_entry(&tree, 0, "a-b", 0100644, REVISION_FILE); /* '-' sorts before '/', other than in git's own order */
	expect_entry(&tree, 1, "a/nul", 0100644, REVISION_FILE);
	expect_entry(&tree, 2, "deploy/link", 0120000, REVISION_SYMLINK);
	expect_entry(&tree, 3, "deploy/orders.yaml", 0100644, REVISION_FILE);
	expect_entry(&tree, 4, "run.sh", 0100755, REVISION_FILE);
	expect_entry(&tree, 5, "sub", 0160000, REVISION_SUBMODULE);
	assert_int_equal(tree.files[0].len, 0);
	assert_string_equal(tree.files[0].data, "");
	assert_int_equal(tree.files[1].len, 3);
	assert_memory_equal(tree.files[1].data, "a\0b", 4);
	assert_string_equal(tree.files[2].data, "../../../etc/passwd");
	assert_string_equal(tree.files[5].data, "0123456789012345678901234567890123456789");
	assert_ptr_equal(revision_tree_find(&tree, "run.sh"), &tree.files[4]);
	assert_null(revision_tree_find(&tree, "deploy"));
	revision_tree_free(&tree);
	revision_tree_free(&tree);
}

static void test_subdirectories(void **state)
{
	struct world *w = *state;
	RUN("cd %s && mkdir -p deploy/prod && echo p >deploy/prod/p && echo t >top && git add -A && git commit -qm x && "
	    "git push -q origin HEAD 2>&1",
	    w->work);
	AUTOREPOSITORY *r = polled(w, (struct git_source){ .name = "a" });
	struct error err = ERROR_INIT;
	struct revision_tree tree;
	static const char *const spellings[] = { "deploy/prod", "/deploy/prod/", "./deploy//prod/." };
	AUTOFREE char *id = run("git -C %s rev-parse main:deploy/prod", w->remote);
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		assert_true(revision_tree_read(r, repository_commit(r), spellings[i], &tree, &err));
		assert_int_equal(tree.count, 1);
		assert_string_equal(tree.files[0].path, "deploy/prod/p");
		assert_string_equal(tree.tree_id, id);
		revision_tree_free(&tree);
	}
	expect_unread(r, NULL, "deploy/none", ERROR_NOT_FOUND, "deploy/none: no such directory");
	expect_unread(r, NULL, "top", ERROR_INVALID, "top: expected a directory");
	expect_unread(r, NULL, "deploy/../../x", ERROR_INVALID, "inside the repository");
	expect_unread(r, "0123456789012345678901234567890123456789", "", ERROR_NOT_FOUND, "is not in the cache");
	expect_unread(r, "main", "", ERROR_INVALID, "40 hexadecimal digits");
}

static void test_limits(void **state)
{
	struct world *w = *state;
	RUN("cd %s && printf 12345678 >b && printf 123 >c && git add -A && git commit -qm x && git push -q origin HEAD 2>&1", w->work);
	AUTOREPOSITORY *files = polled(w, (struct git_source){ .name = "files", .max_files = 2 });
	expect_unread(files, NULL, "", ERROR_LIMIT, "deploy/orders.yaml: the revision holds more than 2 files");
	AUTOREPOSITORY *file = polled(w, (struct git_source){ .name = "file", .max_file_bytes = 7 });
	expect_too_large(file, "b", "8 bytes pass the 7 of one file (max_file_bytes)");
	expect_file(file, "c", "123");
	AUTOREPOSITORY *bytes = polled(w, (struct git_source){ .name = "bytes", .max_bytes = 13 });
	expect_unread(bytes, NULL, "", ERROR_LIMIT, "deploy/orders.yaml: with it the revision's files pass 13 bytes");
	AUTOREPOSITORY *fits = polled(w, (struct git_source){ .name = "fits", .max_bytes = 14, .max_file_bytes = 8, .max_files = 3 });
	expect_file(fits, "b", "12345678");
}

static void test_refused_names(void **state)
{
	struct world *w = *state;
	RUN("cd %s && blob=$(git hash-object -w deploy/orders.yaml) && "
	    "inner=$(printf \"100644 blob $blob\\tx\" | git mktree) && "
	    "python3 -c \"import sys;sys.stdout.buffer.write(b'40000 ..\\\\0'+bytes.fromhex('$inner'))\" >%s/tree && "
	    "tree=$(git hash-object -t tree -w --literally %s/tree) && commit=$(git commit-tree -m evil $tree) && "
	    "git push -q origin +$commit:refs/heads/evil 2>&1",
	    w->work, w->dir, w->dir);
	AUTOREPOSITORY *r = polled(w, (struct git_source){ .name = "a", .branch = "evil" });
	expect_unread(r, NULL, "", ERROR_INVALID, "..: a name that is refused");
}

static void test_depth(void **state)
{
	struct world *w = *state;
	RUN("cd %s && d=$(printf 'd/%%.0s' $(seq 70)) && mkdir -p $d && echo x >${d}f && git add -A && git commit -qm deep && "
	    "git push -q origin HEAD 2>&1",
	    w->work);
	AUTOREPOSITORY *r = polled(w, (struct git_source){ .name = "a" });
	expect_unread(r, NULL, "", ERROR_LIMIT, "64 directories deep");
}

/* A few objects that unfold to ten thousand million directories. */
static void test_bomb(void **state)
{
	struct world *w = *state;
	RUN("cd %s && tree=$(git mktree </dev/null) && for level in $(seq 10); do "
	    "tree=$(for i in $(seq 0 9); do printf '040000 tree %%s\\t%%s\\n' $tree $i; done | git mktree); done && "
	    "git push -q origin +$(git commit-tree -m bomb $tree):refs/heads/bomb 2>&1",
	    w->work);
	AUTOREPOSITORY *r = polled(w, (struct git_source){ .name = "a", .branch = "bomb" });
	expect_unread(r, NULL, "", ERROR_LIMIT, "more than 20000 directories");
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	world_environment();
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_reads_all_kinds), WORLD_TEST(test_subdirectories), WORLD_TEST(test_limits),
		WORLD_TEST(test_refused_names),	  WORLD_TEST(test_depth),	   WORLD_TEST(test_bomb),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
