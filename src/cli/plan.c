/* weir plan: what a pass would change, from the same code as the agent's. Exit 0: nothing, 2: changes, 1: error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "render/render.h"
#include "sync/sync.h"

/* What the agent would do to the job: the same decision, on the resource as it would then be. */
static bool print_decision(struct agent *agent, const struct node *resource, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *copy = node_copy(doc, resource);
	struct node *metadata = node_get(copy, "metadata");
	struct node *finalizers = node_list(doc);
	node_append(doc, finalizers, node_string(doc, "flinkdeployments.flink.apache.org/finalizer"));
	node_set(doc, metadata, "finalizers", finalizers); /* the agent's first turn puts it there; the one after it is of interest */
	struct decision d;
	if (!job_plan(agent, copy, &d, err))
		return false;
	(void)printf("            then: %s\n", effect_name(d.effect));
	for (int i = 0; i < d.reason_count; i++)
		(void)printf("            because: %s\n", d.reasons[i]);
	decision_free(&d);
	return true;
}

static bool plan_sync(struct cli_cluster *cluster, struct agent *agent, struct revisions *revisions, const struct agent_config *config,
		      const struct sync_config *sync, size_t *changes, struct error *err)
{
	char commit[41];
	char note[300];
	struct render_result objects = { 0 };
	if (!revisions_render(revisions, sync, commit, &objects, note, err))
		return false;
	struct sync_input in = { .kube = cluster->kube,
				 .as = cluster->kube,
				 .name = sync->name,
				 .ns = sync->ns == NULL ? "default" : sync->ns,
				 .own_ns = config->ns,
				 .commit = commit,
				 .prune = sync->prune,
				 .objects = &objects,
				 .now_ms = clock_real().now_ms(NULL),
				 .plan = true,
				 .source_problem = note };
	struct sync_output out;
	bool ok = sync_pass(&in, &out, err);
	render_result_free(&objects);
	if (!ok)
		return false;
	(void)printf("sync %s at %.12s: %zu unchanged\n", sync->name, commit, out.unchanged);
	for (size_t i = 0; i < out.change_count; i++) {
		const struct sync_change *c = &out.changes[i];
		(void)printf("  %-9s %s%s%s\n", change_action_name(c->action), c->id, c->message == NULL ? "" : ": ",
			     c->message == NULL ? "" : c->message);
		*changes += c->action != CHANGE_RETAINED;
		if (ok && c->result != NULL)
			ok = print_decision(agent, doc_root(c->result), err);
	}
	bool failed = ok && out.state == SYNC_FAILED;
	if (failed)
		(void)error_set(err, ERROR_INVALID, "sync %s: %.1200s", sync->name, out.message);
	sync_output_free(&out);
	return ok && !failed;
}

int command_plan(int argc, char **argv)
{
	struct cli_options options;
	struct agent_config config;
	struct cli_cluster cluster;
	struct error err;
	size_t changes = 0;
	if (!cli_parse(argc, argv, &options))
		return 1;
	bool ok = cli_agent_config(&options, &config, &err);
	if (ok) {
		/* a cache of its own: the agent's may be in use */
		char *own = mem_printf("%s-plan", config.cache_dir);
		free(config.cache_dir);
		config.cache_dir = own;
		ok = cli_connect(options.kubeconfig, &cluster, &err);
		if (ok) {
			if (config.ns == NULL)
				config.ns = mem_strdup(cluster.in_cluster ? cluster.ns : "default");
			struct agent agent = { .config = &config, .http = cluster.http, .kube = cluster.kube, .clock = clock_real(),
					       .random = random_real(), .policy = policy_default(), .identity = "plan" };
			ok = cli_flink_access(options.flink_access, cluster.in_cluster, &agent.access, &err);
			struct revisions *revisions = revisions_new(&config);
			bool changed;
			for (size_t i = 0; ok && i < config.source_count; i++)
				ok = revisions_poll(revisions, i, &changed, &err);
			for (size_t i = 0; ok && i < config.sync_count; i++)
				ok = plan_sync(&cluster, &agent, revisions, &config, &config.syncs[i], &changes, &err);
			revisions_free(revisions);
			cli_disconnect(&cluster);
		}
	}
	agent_config_free(&config);
	if (!ok)
		return cli_fail(&err);
	return changes > 0 ? 2 : 0;
}
