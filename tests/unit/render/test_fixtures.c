/*
 * Every folder in fixtures/: what is rendered from CASE/in (or CASE/in/overlay) is, byte for byte, CASE/expected.yaml, which kustomize
 * 5.5 made; or fails with the text in CASE/error. With --print DIR it prints a rendered directory: tests/conformance/render.sh compares
 * that with kubectl.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "render/render.h"

static bool render(const char *dir, struct buf *out, struct error *err)
{
	struct render_tree *tree;
	char *at;
	if (!render_load_directory(dir, &tree, &at, err))
		return false;
	struct render_result result;
	bool ok = render_tree_build(tree, at, NULL, &result, err);
	if (ok) {
		render_print(&result, out);
		render_result_free(&result);
	}
	free(at);
	render_tree_free(tree);
	return ok;
}

static bool read_text(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return false;
	char piece[4096];
	for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
		buf_append(out, piece, n);
	(void)fclose(f);
	return true;
}

static bool check(const char *name)
{
	AUTOFREE char *overlay = mem_printf("%s/%s/in/overlay", FIXTURES, name);
	AUTOFREE char *in = mem_printf("%s/%s/in", FIXTURES, name);
	AUTOFREE char *expected = mem_printf("%s/%s/expected.yaml", FIXTURES, name);
	AUTOFREE char *error = mem_printf("%s/%s/error", FIXTURES, name);
	struct stat st;
	AUTOBUF is = BUF_INIT;
	AUTOBUF should = BUF_INIT;
	struct error err = ERROR_INIT;
	bool ok = render(stat(overlay, &st) == 0 ? overlay : in, &is, &err);
	if (read_text(error, &should)) {
		should.data[strcspn(should.data, "\n")] = '\0';
		if (!ok && strstr(err.message, should.data) != NULL)
			return true;
		print_error("%s: expected an error with '%s', got: %s\n", name, should.data, ok ? buf_text(&is) : err.message);
		return false;
	}
	if (!read_text(expected, &should)) {
		print_error("%s: has neither expected.yaml nor error\n", name);
		return false;
	}
	if (!ok)
		print_error("%s: %s\n", name, err.message);
	else if (strcmp(buf_text(&is), buf_text(&should)) != 0)
		print_error("%s: rendered:\n%s\nexpected:\n%s\n", name, buf_text(&is), buf_text(&should));
	return ok && strcmp(buf_text(&is), buf_text(&should)) == 0;
}

static void test_fixtures(void **state)
{
	(void)state;
	DIR *d = opendir(FIXTURES);
	assert_non_null(d);
	int count = 0, bad = 0;
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		count++;
		bad += !check(e->d_name);
	}
	(void)closedir(d);
	assert_true(count >= 20);
	assert_int_equal(bad, 0);
}

static int print_one(const char *dir)
{
	AUTOBUF out = BUF_INIT;
	struct error err = ERROR_INIT;
	if (!render(dir, &out, &err)) {
		(void)fprintf(stderr, "%s: %s\n", error_kind_name(err.kind), err.message);
		return 1;
	}
	(void)fputs(buf_text(&out), stdout);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--print") == 0)
		return print_one(argv[2]);
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fixtures) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
