/* weir render DIR */
#include "render/render.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/cli.h"

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
		AUTOBUF text = BUF_INIT;
		render_print(&result, &text);
		(void)fwrite(buf_text(&text), 1, text.len, stdout);
		render_result_free(&result);
	}
	render_tree_free(tree);
	return ok ? 0 : cli_fail(&err);
}
