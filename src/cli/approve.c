/* weir approve SYNC: the deletions of the commit that the sync's inventory names may pass. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "sync/inventory.h"
#include "sync/kinds.h"

static bool approve(struct cli_cluster *cluster, const char *sync, struct error *err)
{
	AUTODOC *maps = NULL;
	if (!kube_list(cluster->kube, &KIND_CONFIGMAP, NULL, "weir.dev/inventory", &maps, NULL, err))
		return false;
	const struct node *items = node_get(doc_root(maps), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *map = node_at(items, i);
		const char *ns = node_find_text(map, "metadata/namespace");
		if (!str_eq(node_text(node_get(node_find(map, "metadata/labels"), "weir.dev/inventory")), sync))
			continue;
		struct inventory inventory;
		if (!inventory_read(cluster->kube, ns, sync, &inventory, err))
			return false;
		bool held = strcmp(inventory.state, "Held") == 0;
		char commit[48];
		memcpy(commit, inventory.commit, sizeof commit);
		inventory_free(&inventory);
		if (!held)
			return error_set(err, ERROR_INVALID, "sync %s holds nothing back", sync);
		if (!inventory_approve(cluster->kube, ns, sync, commit, err))
			return false;
		(void)printf("the deletions of commit %.12s are approved\n", commit);
		return true;
	}
	return error_set(err, ERROR_NOT_FOUND, "no sync is named %s", sync);
}

int command_approve(int argc, char **argv)
{
	struct cli_options options;
	struct cli_cluster cluster;
	struct error err;
	if (!cli_parse(argc, argv, &options))
		return 1;
	if (options.rest + 1 != argc) {
		(void)fprintf(stderr, "weir: usage: weir approve SYNC\n");
		return 1;
	}
	if (!cli_connect(options.kubeconfig, &cluster, &err))
		return cli_fail(&err);
	bool ok = approve(&cluster, argv[options.rest], &err);
	cli_disconnect(&cluster);
	return ok ? 0 : cli_fail(&err);
}
