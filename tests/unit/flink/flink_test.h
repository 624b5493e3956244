/* flink_test: what the unit tests of flink share: reading fixtures and inline YAML, comparing with a readable difference. */
#ifndef WEIR_TESTS_FLINK_TEST_H
#define WEIR_TESTS_FLINK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/doc.h"
#include "base/mem.h"
#include "flink/launch.h"

__attribute__((unused)) static struct doc *parse(const char *yaml)
{
	struct error err = ERROR_INIT;
	struct doc *doc = doc_parse_yaml_one(yaml, strlen(yaml), "test", &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

__attribute__((unused)) static struct doc *fixture(const char *name)
{
	AUTOFREE char *path = mem_printf("%s/%s", FIXTURES, name);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		fail_msg("cannot open %s", path);
	AUTOBUF text = BUF_INIT;
	char chunk[4096];
	size_t got;
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_append(&text, chunk, got);
	(void)fclose(file);
	return parse(buf_text(&text));
}

__attribute__((unused)) static void assert_same(const struct node *got, const struct node *expected)
{
	if (node_equal(got, expected))
		return;
	AUTODOC *doc = doc_new();
	struct node *a = node_copy(doc, got), *b = node_copy(doc, expected);
	node_sort_keys(a);
	node_sort_keys(b);
	AUTOBUF left = BUF_INIT, right = BUF_INIT;
	node_to_json(a, &left, JSON_PRETTY);
	node_to_json(b, &right, JSON_PRETTY);
	fail_msg("different:\n--- got\n%s\n--- expected\n%s", buf_text(&left), buf_text(&right));
}

#endif
