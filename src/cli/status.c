/* weir status: what the inventories and the Flink resources say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "lifecycle/decide.h"
#include "sync/kinds.h"

static void put_syncs(struct doc *doc, struct node *out, const struct node *maps)
{
	for (size_t i = 0; i < node_count(maps); i++) {
		const struct node *map = node_at(maps, i);
		const char *text = node_find_text(map, "data/inventory.json");
		AUTODOC *json = text == NULL ? NULL : doc_parse_json(text, strlen(text), "inventory", NULL, NULL);
		if (json == NULL)
			continue;
		struct node *sync = node_map(doc);
		node_set_text(doc, sync, "name", node_text(node_get(node_find(map, "metadata/labels"), "weir.dev/inventory")));
		static const char *const fields[] = { "commit", "state", "message" };
		for (size_t f = 0; f < ARRAY_SIZE(fields); f++)
			node_set_text(doc, sync, fields[f], node_text_or(node_get(doc_root(json), fields[f]), ""));
		node_append(doc, out, sync);
	}
}

static const char *message_of(const struct node *resource, struct buf *out)
{
	const struct node *conditions = node_find(resource, "status/conditions");
	for (size_t i = 0; i < node_count(conditions); i++) {
		const struct node *c = node_at(conditions, i);
		const char *type = node_find_text(c, "type");
		if (!str_eq(type, "Running") && !str_eq(type, "Withheld")) /* that one is shown from its annotation */
			buf_printf(out, "%s%s: %s", out->len == 0 ? "" : "; ", node_find_text(c, "type"),
				   node_text_or(node_get(c, "message"), ""));
	}
	const char *withheld = decide_annotation(resource, "weir.dev/withheld");
	if (withheld != NULL)
		buf_printf(out, "%swithheld %s", out->len == 0 ? "" : "; ", withheld);
	const char *error = node_find_text(resource, "status/error");
	AUTODOC *json = error == NULL || *error != '{' ? NULL : doc_parse_json(error, strlen(error), "error", NULL, NULL);
	const char *text = json == NULL ? NULL : node_text(node_get(doc_root(json), "message"));
	if (text != NULL && strstr(text, "StateChoiceRequired") == NULL)
		buf_printf(out, "%s%s", out->len == 0 ? "" : "; ", text);
	return buf_text(out);
}

/*
 * A state that was written for an older generation says nothing of the one that the cluster holds now: a job whose change was not looked at
 * yet must not be shown as settled.
 */
static const char *lifecycle_of(const struct node *resource)
{
	const char *state = node_text_or(node_find(resource, "status/lifecycleState"), "");
	bool settled = strcmp(state, "STABLE") == 0 || strcmp(state, "DEPLOYED") == 0;
	int64_t generation = node_integer(node_find(resource, "metadata/generation"), 0);
	return settled && node_integer(node_find(resource, "status/observedGeneration"), 0) < generation ? "UPGRADING" : state;
}

static void put_resources(struct doc *doc, struct node *out, const char *kind, const struct node *list)
{
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *r = node_at(list, i);
		struct node *row = node_map(doc);
		AUTOBUF message = BUF_INIT;
		node_set_text(doc, row, "kind", node_text_or(node_get(r, "kind"), kind));
		node_set_text(doc, row, "namespace", node_text_or(node_find(r, "metadata/namespace"), ""));
		node_set_text(doc, row, "name", node_text_or(node_find(r, "metadata/name"), ""));
		node_set_text(doc, row, "jobState", node_text_or(node_find(r, "status/jobStatus/state"), ""));
		node_set_text(doc, row, "lifecycleState", lifecycle_of(r));
		node_set_text(doc, row, "jobId", node_text_or(node_find(r, "status/jobStatus/jobId"), ""));
		node_set_text(doc, row, "commit", node_text_or(node_get(node_find(r, "metadata/annotations"), "weir.dev/commit"), ""));
		node_set_text(doc, row, "lastSavepoint",
			      node_text_or(node_find(r, "status/jobStatus/savepointInfo/lastSavepoint/location"), ""));
		node_set_text(doc, row, "message", message_of(r, &message));
		node_append(doc, out, row);
	}
}

static void print_text(const struct node *root)
{
	const struct node *syncs = node_get(root, "syncs");
	(void)printf("%-16s %-12s %-10s %s\n", "SYNC", "COMMIT", "STATE", "MESSAGE");
	for (size_t i = 0; i < node_count(syncs); i++)
		(void)printf("%-16s %-12.12s %-10s %s\n", node_find_text(node_at(syncs, i), "name"),
			     node_find_text(node_at(syncs, i), "commit"), node_find_text(node_at(syncs, i), "state"),
			     node_find_text(node_at(syncs, i), "message"));
	const struct node *resources = node_get(root, "resources");
	(void)printf("\n%-16s %-20s %-12s %-12s %-12s %s\n", "NAMESPACE", "NAME", "JOB", "LIFECYCLE", "COMMIT", "SAVEPOINT / MESSAGE");
	for (size_t i = 0; i < node_count(resources); i++) {
		const struct node *r = node_at(resources, i);
		(void)printf("%-16s %-20s %-12s %-12s %-12.12s %s %s\n", node_find_text(r, "namespace"), node_find_text(r, "name"),
			     node_find_text(r, "jobState"), node_find_text(r, "lifecycleState"), node_find_text(r, "commit"),
			     node_find_text(r, "lastSavepoint"), node_find_text(r, "message"));
	}
}

int command_status(int argc, char **argv)
{
	struct cli_options options;
	struct cli_cluster cluster;
	struct error err;
	if (!cli_parse(argc, argv, &options))
		return 1;
	if (!cli_connect(options.kubeconfig, &cluster, &err))
		return cli_fail(&err);
	AUTODOC *maps = NULL;
	AUTODOC *resources = NULL;
	AUTODOC *session_jobs = NULL;
	bool ok = kube_list(cluster.kube, &KIND_CONFIGMAP, NULL, "weir.dev/inventory", &maps, NULL, &err) &&
		  kube_list(cluster.kube, &KIND_FLINKDEPLOYMENT, NULL, NULL, &resources, NULL, &err) &&
		  kube_list(cluster.kube, &KIND_FLINKSESSIONJOB, NULL, NULL, &session_jobs, NULL, &err);
	if (ok) {
		AUTODOC *doc = doc_new();
		struct node *root = node_map(doc);
		struct node *syncs = node_list(doc);
		struct node *rows = node_list(doc);
		put_syncs(doc, syncs, node_get(doc_root(maps), "items"));
		put_resources(doc, rows, KIND_FLINKDEPLOYMENT.kind, node_get(doc_root(resources), "items"));
		put_resources(doc, rows, KIND_FLINKSESSIONJOB.kind, node_get(doc_root(session_jobs), "items"));
		node_set(doc, root, "syncs", syncs);
		node_set(doc, root, "resources", rows);
		AUTOBUF text = BUF_INIT;
		node_to_json(root, &text, JSON_PRETTY);
		if (str_eq(options.output, "json"))
			(void)printf("%s\n", buf_text(&text));
		else
			print_text(root);
	}
	cli_disconnect(&cluster);
	return ok ? 0 : cli_fail(&err);
}
