/* The tree as git gives it: links and submodules, limits, paths, selectors, the order of keys and the form of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "render/match.h"
#include "render/print.h"
#include "render/render.h"
#include "render/tree.h"

#define FILE_OF(path, text)                               \
	{                                                 \
		path, text, sizeof(text) - 1, RENDER_FILE \
	}
#define OBJECT(name) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\n"

static void builds(struct render_file *files, size_t count, const char *dir, const char *expected)
{
	struct render_tree tree = { files, count };
	struct render_result result;
	struct error err = ERROR_INIT;
	if (!render_tree_build(&tree, dir, NULL, &result, &err))
		fail_msg("%s", err.message);
	AUTOBUF names = BUF_INIT;
	for (size_t i = 0; i < result.count; i++)
		buf_printf(&names, "%s %s:%u\n", node_find_text(doc_root(result.objects[i].doc), "metadata/name"), result.objects[i].file,
			   result.objects[i].line);
	render_result_free(&result);
	assert_string_equal(buf_text(&names), expected);
}

static void fails(struct render_file *files, size_t count, const char *dir, const struct render_limits *limits, enum error_kind kind,
		  const char *message)
{
	struct render_tree tree = { files, count };
	struct render_result result;
	struct error err = ERROR_INIT;
	assert_false(render_tree_build(&tree, dir, limits, &result, &err));
	if (strstr(err.message, message) == NULL)
		fail_msg("'%s' is not in '%s'", message, err.message);
	assert_int_equal(err.kind, kind);
}

static void test_plain(void **state)
{
	(void)state;
	struct render_file files[] = {
		FILE_OF("README.md", "no manifest"),	FILE_OF("a.yaml", OBJECT("a") "---\n" OBJECT("b")),
		FILE_OF("app/c.yaml", OBJECT("c")),	FILE_OF("app/lib/kustomization.yaml", "resources: [d.yaml]\nnamePrefix: x-\n"),
		FILE_OF("app/lib/d.yaml", OBJECT("d")), FILE_OF("apple/e.yaml", OBJECT("e")),
	};
	struct render_file swap = files[3]; /* byte order */
	files[3] = files[4];
	files[4] = swap;
	builds(files, 6, "", "a a.yaml:1\nb a.yaml:5\nc app/c.yaml:1\nx-d app/lib/d.yaml:1\ne apple/e.yaml:1\n");
	builds(files, 6, "./app/", "c app/c.yaml:1\nx-d app/lib/d.yaml:1\n");
	builds(files, 6, "app/lib", "x-d app/lib/d.yaml:1\n");
	fails(files, 6, "gone", NULL, ERROR_NOT_FOUND, "gone: no such directory");
	fails(files, 6, "../x", NULL, ERROR_INVALID, "leads out of the tree");
}

static void test_links_and_submodules(void **state)
{
	(void)state;
	struct render_file link[] = { { "a.yaml", "b.yaml", 6, RENDER_SYMLINK } };
	fails(link, 1, "", NULL, ERROR_UNSUPPORTED, "a.yaml: is a symbolic link");
	struct render_file module[] = { { "a.yaml", "", 0, RENDER_SUBMODULE } };
	fails(module, 1, "", NULL, ERROR_UNSUPPORTED, "a.yaml: is a git submodule");
	struct render_file base[] = { FILE_OF("kustomization.yaml", "resources: [lib/base]\n"), { "lib", NULL, 0, RENDER_SUBMODULE } };
	fails(base, 2, "", NULL, ERROR_UNSUPPORTED, "kustomization.yaml:1: resources: lib: is a git submodule");
	struct render_file large[] = { FILE_OF("a.yaml", OBJECT("a")), { "b.yaml", "9 bytes pass the 8", 18, RENDER_TOO_LARGE } };
	fails(large, 2, "", NULL, ERROR_LIMIT, "b.yaml: 9 bytes pass the 8");
	struct render_file needed[] = { { "big", "9 bytes pass the 8", 18, RENDER_TOO_LARGE },
					FILE_OF("kustomization.yaml", "configMapGenerator:\n- {name: a, files: [big]}\n") };
	fails(needed, 2, "", NULL, ERROR_LIMIT, "kustomization.yaml:2: configMapGenerator: big: 9 bytes pass the 8");
	struct render_file elsewhere[] = { { "data.bin", "9 bytes pass the 8", 18, RENDER_TOO_LARGE },
					   FILE_OF("kustomization.yaml", "resources: [x.yaml]\n"),
					   FILE_OF("x.yaml", OBJECT("x")),
					   { "y.yaml", "9 bytes pass the 8", 18, RENDER_TOO_LARGE } };
	builds(elsewhere, 4, "", "x x.yaml:1\n");
	struct render_file own[] = { { "kustomization.yaml", "x", 1, RENDER_SYMLINK } };
	fails(own, 1, "", NULL, ERROR_UNSUPPORTED, "kustomization.yaml: is a symbolic link");
}

/* What is passed over in a folder of manifests, and what may be without a word. */
static void test_warnings(void **state)
{
	(void)state;
	struct render_file files[] = { FILE_OF("app/a.yaml", OBJECT("a")),	  { "app/link", "../base", 7, RENDER_SYMLINK },
				       { "app/module", "", 0, RENDER_SUBMODULE }, { "app/note", "a.yaml", 6, RENDER_SYMLINK },
				       FILE_OF("base/b.yaml", OBJECT("b")),	  { "module", "", 0, RENDER_SUBMODULE } };
	struct render_tree tree = { files, ARRAY_SIZE(files) };
	struct render_result result;
	assert_true(render_tree_build(&tree, "app", NULL, &result, NULL));
	assert_string_equal(result.warnings, "app/link: is a symbolic link to a directory; links are not followed, it is passed over; "
					     "app/module: is a git submodule; submodules are not fetched, it is passed over");
	render_result_free(&result);
	assert_true(render_tree_build(&tree, "base", NULL, &result, NULL));
	assert_null(result.warnings);
	render_result_free(&result);
}

static void test_limits(void **state)
{
	(void)state;
	struct render_file files[] = { FILE_OF("a.yaml", OBJECT("a") "---\n" OBJECT("b")) };
	fails(files, 1, "", &(struct render_limits){ .objects = 1 }, ERROR_LIMIT, "a.yaml:5: more than 1 objects");
	fails(files, 1, "", &(struct render_limits){ .file_bytes = 10 }, ERROR_LIMIT, "a.yaml: ");
	struct render_file deep[] = {
		FILE_OF("a/kustomization.yaml", "resources: [../b]\n"),
		FILE_OF("b/kustomization.yaml", "resources: [../c, ../d]\n"),
		FILE_OF("c/kustomization.yaml", "resources: []\n"),
		FILE_OF("d/kustomization.yaml", "resources: []\n"),
	};
	builds(deep, 4, "a", "");
	fails(deep, 4, "a", &(struct render_limits){ .depth = 2 }, ERROR_LIMIT, "deeper than 2");
	fails(deep, 4, "a", &(struct render_limits){ .bases = 2 }, ERROR_LIMIT, "more than 2 directories");
}

static void test_paths(void **state)
{
	(void)state;
	static const char *const cases[][3] = { { "a/b", "../c", "a/c" }, { "", "./x//y/", "x/y" },   { "a", "..", "" },
						{ "a", "../../b", NULL }, { "a", "b/./../c", "a/c" }, { "", "", "" } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTOFREE char *is = path_join(cases[i][0], cases[i][1]);
		assert_true(str_eq(is, cases[i][2]));
	}
	assert_true(path_is_below("a/b", "a"));
	assert_true(path_is_below("a", ""));
	assert_false(path_is_below("ab", "a"));
}

static bool labels(const char *selector, const char *yaml)
{
	AUTODOC *doc = doc_parse_yaml_one(yaml, strlen(yaml), "t", NULL);
	bool hit = false;
	struct error err = ERROR_INIT;
	if (!match_labels(selector, doc_root(doc), &hit, &err))
		fail_msg("%s", err.message);
	return hit;
}

static void test_selectors(void **state)
{
	(void)state;
	assert_true(labels("", "{}"));
	assert_true(labels("a=b, c!=d,e in (x, y),!f,g", "{a: b, e: x, g: ''}"));
	assert_true(labels("a==b", "{a: b}"));
	assert_false(labels("a in (x)", "{}"));
	assert_true(labels("a notin (x)", "{}"));
	assert_false(labels("a notin (x,y)", "{a: y}"));
	assert_false(labels("!a", "{a: y}"));
	static const char *const wrong[] = { "a in x", "a=b,", "=b", "a b c", "a in (x", "(" };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		bool hit;
		struct error err = ERROR_INIT;
		assert_false(match_labels(wrong[i], NULL, &hit, &err));
	}
}

static bool matches(const char *pattern, const char *text)
{
	struct error err = ERROR_INIT;
	AUTOMATCH *m = match_new(pattern, &err);
	if (m == NULL)
		fail_msg("%s", err.message);
	return match_test(m, text);
}

static void test_expressions(void **state)
{
	(void)state;
	assert_true(matches("web", "web"));
	assert_false(matches("web", "webs"));
	assert_true(matches("web.*", "webs"));
	assert_true(matches("a|bc", "bc"));
	assert_false(matches("a|b", "ax"));
	assert_true(matches("^a\\d+[\\w.]$", "a12."));
	assert_true(matches("(?:ab)+?", "abab"));
	struct error err = ERROR_INIT;
	assert_null(match_new("a(", &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_null(match_new("(?i)a", &err));
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
}

static void test_keys_and_numbers(void **state)
{
	(void)state;
	static const char *const order[] = { "_u",  "9",   "10", "A", "B",  "a",   "a-b", "a.b",
					     "a/b", "a_b", "ab", "b", "n9", "n10", "z",	  "\xc3\xa9" };
	for (size_t i = 0; i + 1 < ARRAY_SIZE(order); i++)
		if (print_compare_keys(order[i], order[i + 1]) >= 0 || print_compare_keys(order[i + 1], order[i]) <= 0)
			fail_msg("%s and %s are out of order", order[i], order[i + 1]);
	static const char *const numbers[][2] = { { "1.0", "1" },
						  { "1e3", "1000" },
						  { "123456789.123", "1.23456789123e+08" },
						  { "0.000001", "1e-06" },
						  { "1.5e-7", "1.5e-07" },
						  { "18446744073709551616", "1.8446744073709552e+19" },
						  { "18446744073709551615", "18446744073709551615" },
						  { "-0", "0" },
						  { "-1.50", "-1.5" },
						  { "0.1", "0.1" },
						  { "1e21", "1e+21" },
						  { "12e20", "1.2e+21" },
						  { "9007199254740993", "9007199254740993" } };
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		AUTOBUF b = BUF_INIT;
		print_number(numbers[i][0], &b);
		assert_string_equal(buf_text(&b), numbers[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	    cmocka_unit_test(test_links_and_submodules),
		cmocka_unit_test(test_warnings),    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_paths),	    cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_expressions), cmocka_unit_test(test_keys_and_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
