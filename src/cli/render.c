/* weir render DIR */
#include "render/render.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/sensitive.h"
#include "cli/cli.h"

static void mask_values(struct doc *doc, struct node *map, bool all)
{
	for (size_t i = 0; i < node_count(map); i++) {
		struct node *value = node_value_at(map, i);
		if (node_is(value, NODE_MAP))
			mask_values(doc, value, all);
		else if (all || sensitive_key(node_key_at(map, i)))
			node_set_string(doc, value, SENSITIVE_MASK);
	}
}

/* What may be printed: the data of Secrets and the sensitive options of Flink are masked. */
static void mask(struct render_result *result)
{
	for (size_t i = 0; i < result->count; i++) {
		struct doc *doc = result->objects[i].doc;
		struct node *object = doc_root(doc);
		if (str_eq(node_find_text(object, "kind"), "Secret")) {
			mask_values(doc, node_get(object, "data"), true);
			mask_values(doc, node_get(object, "stringData"), true);
		} else if (str_starts(node_text_or(node_get(object, "apiVersion"), ""), "flink.apache.org/")) {
			mask_values(doc, node_find(object, "spec/flinkConfiguration"), false);
		}
	}
}

int command_render(int argc, char **argv)
{
	struct cli_options options;
	struct error err;
	if (!cli_parse(argc, argv, &options))
		return 1;
	if (options.rest + 1 != argc) {
		(void)fprintf(stderr, "weir: usage: weir render DIR\n");
		return 1;
	}
	struct render_tree *tree = NULL;
	AUTOFREE char *dir = NULL;
	struct render_result result;
	if (!render_load_directory(argv[options.rest], &tree, &dir, &err))
		return cli_fail(&err);
	bool ok = render_tree_build(tree, dir, NULL, &result, &err);
	if (ok) {
		if (result.warnings != NULL)
			(void)fprintf(stderr, "weir: warning: %s\n", result.warnings);
		if (!options.show_secrets)
			mask(&result);
		AUTOBUF text = BUF_INIT;
		render_print(&result, &text);
		(void)fwrite(buf_text(&text), 1, text.len, stdout);
		render_result_free(&result);
	}
	render_tree_free(tree);
	return ok ? 0 : cli_fail(&err);
}
