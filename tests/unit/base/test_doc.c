/* The document model: YAML and JSON in, YAML and JSON out, and what lies between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/doc.h"
#include "base/mem.h"
#include "base/yaml.h"

static struct doc *yaml(const char *text)
{
	struct error err = ERROR_INIT;
	struct doc *doc = doc_parse_yaml_one(text, strlen(text), "t.yaml", &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

static void json_is(const struct node *n, const char *expected)
{
	AUTOBUF b = BUF_INIT;
	node_to_json(n, &b, JSON_COMPACT);
	assert_string_equal(buf_text(&b), expected);
}

static void yaml_gives(const char *text, const char *json)
{
	AUTODOC *doc = yaml(text);
	json_is(doc_root(doc), json);
}

static void dialect_gives(enum yaml_dialect dialect, const char *text, const char *json)
{
	struct error err = ERROR_INIT;
	struct doc **docs = NULL;
	size_t count = 0;
	if (!yaml_parse(text, strlen(text), "t.yaml", dialect, NULL, &docs, &count, &err))
		fail_msg("%s", err.message);
	assert_int_equal(count, 1);
	json_is(doc_root(docs[0]), json);
	doc_list_free(docs, count);
}

static void yaml_fails(enum yaml_dialect dialect, const char *text, const struct doc_limits *limits, enum error_kind kind,
		       const char *message)
{
	struct error err = ERROR_INIT;
	struct doc **docs = NULL;
	size_t count = 0;
	assert_false(yaml_parse(text, strlen(text), "t.yaml", dialect, limits, &docs, &count, &err));
	assert_int_equal(err.kind, kind);
	if (strstr(err.message, message) == NULL)
		fail_msg("'%s' is not in '%s'", message, err.message);
}

static void test_plain_scalars(void **state)
{
	(void)state;
	yaml_gives("[true, True, FALSE, tRUE]", "[true,true,false,\"tRUE\"]");
	yaml_gives("[~, null, Null, NULL, nULL]", "[null,null,null,null,\"nULL\"]");
	yaml_gives("[yes, no, on, off, y, N]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"N\"]");
	yaml_gives("[1, -7, +7, 0o17, 0x1F, 0b11, 1_000, 0777, 08, -0x1f]", "[1,-7,7,15,31,3,1000,511,8,-31]");
	yaml_gives("[1.0, 1e3, .5, 5., -.5, 1.e3, 09.5]", "[1.0,1e3,0.5,5,-0.5,1e3,9.5]");
	yaml_gives("[9007199254740993, 18446744073709551615]", "[9007199254740993,18446744073709551615]");
	yaml_gives("[0x, 0b2, 0o18, _1, 1.2.3, 1e400, '1', \"true\", 12:30:45]",
		   "[\"0x\",\"0b2\",\"0o18\",\"_1\",\"1.2.3\",\"1e400\",\"1\",\"true\",\"12:30:45\"]");
	yaml_gives("a: 2020-01-01\nb: 2020-01-01T10:00:00Z", "{\"a\":\"2020-01-01\",\"b\":\"2020-01-01T10:00:00Z\"}");
	yaml_gives("a:\nb: ''", "{\"a\":null,\"b\":\"\"}");
	yaml_gives("[!!str 1, !!int '5', !!binary aGk=]", "[\"1\",5,\"hi\"]");
	yaml_gives("1: a\ntrue: b", "{\"1\":\"a\",\"true\":\"b\"}");
}

static void test_dialects(void **state)
{
	(void)state;
	dialect_gives(YAML_1_1, "[y, No, on, OFF, 'yes']", "[true,false,true,false,\"yes\"]");
	dialect_gives(YAML_1_1, "a: 2020-01-01", "{\"a\":\"2020-01-01\"}");
	dialect_gives(YAML_RESOURCE, "[yes, 2020-1-2, 2020-01-02T03:04:05.500+02:00, '2020-01-01', 2020-13-01]",
		      "[\"yes\",\"2020-01-02T00:00:00Z\",\"2020-01-02T03:04:05.5+02:00\",\"2020-01-01\",\"2020-13-01\"]");
	yaml_fails(YAML_RESOURCE, "1: a", NULL, ERROR_INVALID, "t.yaml:1: YAML: key 1 is a number");
	yaml_fails(YAML_RESOURCE, "a: 1\n...\n---\nb: 1\n...\nc: 2", NULL, ERROR_INVALID, "YAML:");
}

static void test_block_scalars(void **state)
{
	(void)state;
	yaml_gives("a: |\n  x\n  y\nb: >-\n  x\n  y\nc: |+\n  1\n\nd: e",
		   "{\"a\":\"x\\ny\\n\",\"b\":\"x y\",\"c\":\"1\\n\\n\",\"d\":\"e\"}");
	yaml_gives("a: |\r\n  x\r\n", "{\"a\":\"x\\n\"}");
	yaml_gives("\xef\xbb\xbf"
		   "a: 1",
		   "{\"a\":1}");
}

static void test_aliases_and_merge_keys(void **state)
{
	(void)state;
	yaml_gives("a: &x {b: 1, c: 2}\nd: *x", "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"b\":1,\"c\":2}}");
	yaml_gives("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3", "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"b\":3,\"c\":2}}");
	yaml_gives("- &a {k: 1}\n- &b {k: 2, l: 2}\n- <<: [*a, *b]", "[{\"k\":1},{\"k\":2,\"l\":2},{\"k\":1,\"l\":2}]");
	yaml_gives("a: {'<<': 1}", "{\"a\":{\"<<\":1}}");
	yaml_gives("a: &k name\n*k : 1", "{\"a\":\"name\",\"name\":1}");
	yaml_fails(YAML_KUBERNETES, "a: &x [*x]", NULL, ERROR_INVALID, "t.yaml:1: YAML: alias *x lies inside");
	yaml_fails(YAML_KUBERNETES, "a: 1\nb: *y", NULL, ERROR_INVALID, "t.yaml:2: YAML: alias *y names no anchor");
	yaml_fails(YAML_KUBERNETES, "<<: 5", NULL, ERROR_INVALID, "'<<' takes a map");
	yaml_fails(YAML_KUBERNETES, "a: &x 1\n---\nb: *x", NULL, ERROR_INVALID, "names no anchor");
	AUTODOC *doc = yaml("a: &x {b: 1}\nc: *x");
	node_set_text(doc, node_find(doc_root(doc), "c"), "b", "changed"); /* an alias is a copy */
	json_is(doc_root(doc), "{\"a\":{\"b\":1},\"c\":{\"b\":\"changed\"}}");
}

static void test_limits(void **state)
{
	(void)state;
	AUTOBUF bomb = BUF_INIT;
	buf_puts(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++) {
		buf_printf(&bomb, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&bomb, "*a%d, ", i - 1);
		buf_puts(&bomb, "]\n");
	}
	yaml_fails(YAML_KUBERNETES, buf_text(&bomb), NULL, ERROR_LIMIT, "more than 1000000 values");
	AUTOBUF text = BUF_INIT;
	buf_puts(&text, "a: &a '");
	for (int i = 0; i < 5000; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, "'\nb: [*a, *a, *a]");
	struct doc_limits small = { .bytes = 12000 };
	yaml_fails(YAML_KUBERNETES, buf_text(&text), &small, ERROR_LIMIT, "t.yaml:2: YAML: more than 12000 bytes");
	small.bytes = 100;
	yaml_fails(YAML_KUBERNETES, buf_text(&text), &small, ERROR_LIMIT, "more than 100");
	struct doc_limits shallow = { .depth = 3 };
	yaml_fails(YAML_KUBERNETES, "[[[[]]]]", &shallow, ERROR_LIMIT, "nested deeper than 3");
	struct doc_limits few = { .nodes = 3 };
	yaml_fails(YAML_KUBERNETES, "[1, 2, 3]", &few, ERROR_LIMIT, "more than 3 values");
	struct error err = ERROR_INIT;
	assert_null(doc_parse_json("[[[[]]]]", 8, "t.json", &shallow, &err));
	assert_int_equal(err.kind, ERROR_LIMIT);
	assert_null(doc_parse_json("[1,2,3]", 7, "t.json", &few, &err));
	assert_int_equal(err.kind, ERROR_LIMIT);
}

static void test_errors(void **state)
{
	(void)state;
	yaml_fails(YAML_KUBERNETES, "a: 1\nb: {}\na: 2", NULL, ERROR_INVALID, "t.yaml:3: YAML: key \"a\" was already given at line 1");
	yaml_fails(YAML_KUBERNETES, "a:\n\tb: 1", NULL, ERROR_INVALID, "t.yaml:2: YAML:");
	yaml_fails(YAML_KUBERNETES, "a: [1", NULL, ERROR_INVALID, "t.yaml:");
	yaml_fails(YAML_KUBERNETES, "a: \xff", NULL, ERROR_INVALID, "t.yaml: YAML: invalid");
	yaml_fails(YAML_KUBERNETES, "a: .nan", NULL, ERROR_INVALID, "cannot be carried by JSON");
	yaml_fails(YAML_KUBERNETES, "? [a]\n: 1", NULL, ERROR_INVALID, "as key is not supported");
	yaml_fails(YAML_KUBERNETES, "~: 1", NULL, ERROR_INVALID, "a key is null");
	yaml_fails(YAML_KUBERNETES, "\"a\\0b\": 1", NULL, ERROR_INVALID, "NUL");
	yaml_fails(YAML_KUBERNETES, "a: !thing 1", NULL, ERROR_UNSUPPORTED, "tag !thing");
	yaml_fails(YAML_KUBERNETES, "a: !!int x", NULL, ERROR_INVALID, "is no !!int");
	struct error err = ERROR_INIT;
	assert_null(doc_parse_yaml_one("a: 1\n---\nb: 2", 13, "t.yaml", &err));
	assert_non_null(strstr(err.message, "t.yaml:3: YAML: expected one document, found 2"));
}

static void test_documents_and_lines(void **state)
{
	(void)state;
	static const char text[] = "# head\n---\na: 1\nb:\n  c:\n  - x\n  - d: |\n      z\n---\n---\n# none\n---\ne: 1\n";
	struct doc **docs = NULL;
	size_t count = 0;
	assert_true(doc_parse_yaml(text, sizeof text - 1, "t.yaml", NULL, &docs, &count, NULL));
	assert_int_equal(count, 2);
	assert_string_equal(doc_file(docs[1]), "t.yaml");
	const struct node *root = doc_root(docs[0]);
	assert_int_equal(node_line(root), 3);
	assert_int_equal(node_line(node_find(root, "b")), 4);
	assert_int_equal(node_line(node_find(root, "b/c")), 5);
	assert_int_equal(node_line(node_find(root, "b/c/0")), 6);
	assert_int_equal(node_line(node_find(root, "b/c/1/d")), 7);
	assert_int_equal(node_line(doc_root(docs[1])), 13);
	doc_list_free(docs, count);
	AUTODOC *empty = yaml("# nothing\n");
	assert_null(doc_root(empty));
	assert_true(doc_parse_yaml("", 0, "t.yaml", NULL, &docs, &count, NULL));
	assert_int_equal(count, 0);
	doc_list_free(docs, count);
}

static void test_yaml_out(void **state)
{
	(void)state;
	AUTODOC *doc = yaml(
		"b: {x: 1.0, list: [a, [b], {c: d, e: []}], none: {}}\n"
		"a: ['yes', 'true', '1', '0x1F', '', 'null', '2020-01-01', '12:30', 'a: b', ' x', '- y', '#', \"t\\tb\", plain text, '=']\n"
		"m: \"x\\ny\\n\"\nn: \"x\\ny\"\no: \" lead\\nx\"\ny: null\n'1': true\n");
	AUTOBUF out = BUF_INIT;
	node_to_yaml(doc_root(doc), &out);
	assert_string_equal(buf_text(&out),
			    "b:\n  x: 1.0\n  list:\n  - a\n  - - b\n  - c: d\n    e: []\n  none: {}\n"
			    "a:\n- \"yes\"\n- \"true\"\n- \"1\"\n- \"0x1F\"\n- \"\"\n- \"null\"\n- \"2020-01-01\"\n- \"12:30\"\n"
			    "- 'a: b'\n- ' x'\n- '- y'\n- '#'\n- \"t\\tb\"\n- plain text\n- =\n"
			    "m: |\n  x\n  y\n\"n\": |-\n  x\n  y\no: |2-\n   lead\n  x\n\"y\": null\n\"1\": true\n");
	AUTODOC *back = yaml(buf_text(&out));
	assert_true(node_equal(doc_root(doc), doc_root(back)));
	AUTODOC *made = doc_new();
	AUTOBUF bad = BUF_INIT;
	node_to_yaml(node_stringn(made, "a\xff z", 4), &bad);
	assert_string_equal(buf_text(&bad), "a\xef\xbf\xbd z\n");
}

static void test_json_in(void **state)
{
	(void)state;
	static const char text[] = " {\"a\": [1, -2.50, 1e+9, true, false, null], \"b\": \"x\\u00e9\\ud83d\\ude00\\n\\/\", \"a2\": {}}\n";
	struct error err = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(text, sizeof text - 1, "t.json", NULL, &err);
	assert_non_null(doc);
	json_is(doc_root(doc), "{\"a\":[1,-2.50,1e+9,true,false,null],\"b\":\"x\xc3\xa9\xf0\x9f\x98\x80\\n/\",\"a2\":{}}");
	static const char *const broken[] = { "",  "{",	  "[1,]", "{\"a\"}", "{\"a\":1,}", "01",  "1.",
					      "-", "tru", "\"x",  "\"\\q\"", "\"\t\"",	   "1 2", "{a:1}" };
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		assert_null(doc_parse_json(broken[i], strlen(broken[i]), "t.json", NULL, &err));
		assert_int_equal(err.kind, ERROR_INVALID);
		assert_non_null(strstr(err.message, "t.json:1: JSON"));
	}
}

static void test_json_out(void **state)
{
	(void)state;
	AUTODOC *doc = yaml("b: [1, {}]\na: \"q\\\"\\x01\\t\"");
	AUTOBUF out = BUF_INIT;
	node_to_json(doc_root(doc), &out, JSON_PRETTY | JSON_SORTED);
	assert_string_equal(buf_text(&out), "{\n  \"a\": \"q\\\"\\u0001\\t\",\n  \"b\": [\n    1,\n    {}\n  ]\n}");
}

static void test_reading(void **state)
{
	(void)state;
	AUTODOC *doc = yaml("a: {b: [x, 2, true]}\nn: 5\ns: '7'\nf: 1.5\nbig: 3e2\n");
	const struct node *root = doc_root(doc);
	assert_string_equal(node_find_text(root, "a/b/0"), "x");
	assert_string_equal(node_find_text(root, "a/b/2"), "true");
	assert_null(node_find(root, "a/b/3"));
	assert_null(node_find(root, "a/c/d"));
	assert_null(node_get(NULL, "a"));
	assert_int_equal(node_integer(node_get(root, "n"), -1), 5);
	assert_int_equal(node_integer(node_get(root, "s"), -1), 7);
	assert_int_equal(node_integer(node_get(root, "f"), -1), -1);
	assert_int_equal(node_integer(node_get(root, "big"), -1), 300);
	assert_true(node_double(node_get(root, "f"), 0) > 1.49);
	assert_true(node_truth(node_find(root, "a/b/2"), false));
	assert_true(node_truth(NULL, true));
	assert_int_equal(node_kind(NULL), NODE_NULL);
	assert_int_equal(node_count(root), 5);
	assert_string_equal(node_key_at(root, 1), "n");
}

static void test_changing(void **state)
{
	(void)state;
	AUTODOC *doc = doc_new();
	struct node *map = node_map(doc);
	doc_set_root(doc, map);
	for (int i = 0; i < 200; i++) {
		AUTOFREE char *key = mem_printf("k%d", i);
		node_set_int(doc, map, key, i);
	}
	for (int i = 0; i < 200; i += 2) {
		AUTOFREE char *key = mem_printf("k%d", i);
		assert_true(node_remove(map, key));
		assert_false(node_remove(map, key));
	}
	node_set_text(doc, map, "k1", "one");
	assert_int_equal(node_count(map), 100);
	assert_string_equal(node_text(node_get(map, "k1")), "one");
	assert_int_equal(node_integer(node_get(map, "k199"), 0), 199);
	assert_null(node_get(map, "k198"));
	assert_true(node_rename(map, "k3", doc_strdup(doc, "three")));
	assert_int_equal(node_integer(node_get(map, "three"), 0), 3);
	struct node *list = node_list(doc);
	node_append(doc, list, node_int(doc, 1));
	node_insert(doc, list, 0, node_int(doc, 0));
	node_insert(doc, list, 2, node_printf(doc, "%s", "end"));
	node_remove_at(list, 1);
	node_replace_at(list, 0, node_null(doc));
	json_is(list, "[null,\"end\"]");
	node_set_string(doc, node_at(list, 0), "s");
	json_is(list, "[\"s\",\"end\"]");
	AUTODOC *other = doc_new();
	struct node *copy = node_copy(other, map);
	assert_true(node_equal(copy, map));
	node_sort_keys(copy);
	assert_true(node_equal(copy, map));
	node_set(other, copy, "k5", node_null(other));
	assert_false(node_equal(copy, map));
	node_set_text(other, node_ensure_map(other, copy, "sub"), "x", "y");
	json_is(node_get(copy, "sub"), "{\"x\":\"y\"}");
}

static void test_equal(void **state)
{
	(void)state;
	AUTODOC *a = yaml("{x: 1.0, y: [1, null], z: a}");
	AUTODOC *b = yaml("{z: a, y: [1, ~], x: 1.00}");
	AUTODOC *c = yaml("{z: a, y: [1, ~], x: '1.0'}");
	assert_true(node_equal(doc_root(a), doc_root(b)));
	assert_false(node_equal(doc_root(a), doc_root(c)));
	assert_false(node_equal(doc_root(a), NULL));
	assert_true(node_equal(NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_scalars),
		cmocka_unit_test(test_dialects),
		cmocka_unit_test(test_block_scalars),
		cmocka_unit_test(test_aliases_and_merge_keys),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_documents_and_lines),
		cmocka_unit_test(test_yaml_out),
		cmocka_unit_test(test_json_in),
		cmocka_unit_test(test_json_out),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_changing),
		cmocka_unit_test(test_equal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
