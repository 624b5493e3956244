/* weir plan: what a pass would change, from the same code as the agent's. Exit 0: nothing, 2: changes, 1: errors (the rest is still planned). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "render/render.h"
#include "sync/kinds.h"
#include "sync/sync.h"

struct planner {
	struct agent *agent;
	struct revisions *revisions;
	size_t changes;
	bool failed;
};

static void failed(struct planner *p, const char *what, const char *name, const char *message)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "weir: %s %s: %s\n", what, name, message);
	p->failed = true;
}

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

/* A Flink resource that is about to change has to pass preflight first: that is how the change comes, the change is what it is. */
static enum change_action action_of(struct agent *agent, const struct sync_change *c)
{
	if (c->action != CHANGE_PENDING || c->result == NULL)
		return c->action;
	const struct node *r = doc_root(c->result);
	struct error err = ERROR_INIT;
	bool session_job = str_eq(node_find_text(r, "kind"), KIND_FLINKSESSIONJOB.kind);
	bool there = kube_get(agent->kube, session_job ? &KIND_FLINKSESSIONJOB : &KIND_FLINKDEPLOYMENT,
			      node_find_text(r, "metadata/namespace"), node_find_text(r, "metadata/name"), NULL, &err);
	return there || err.kind != ERROR_NOT_FOUND ? CHANGE_UPDATE : CHANGE_CREATE;
}

static void print_change(struct planner *p, const struct sync_change *c)
{
	struct error err = ERROR_INIT;
	const char *message = c->message == NULL ? "" : c->message;
	bool preflight = c->action == CHANGE_PENDING && c->result != NULL;
	(void)printf("  %-9s %s%s%s\n", change_action_name(action_of(p->agent, c)), c->id, *message == '\0' || preflight ? "" : ": ",
		     preflight ? "" : message);
	if (preflight)
		(void)printf("            first: %s\n", message);
	p->changes += c->action != CHANGE_RETAINED;
	if (c->result != NULL && !print_decision(p->agent, doc_root(c->result), &err))
		failed(p, "decision on", c->id, err.message);
}

static void plan_sync(struct planner *p, const struct sync_config *sync)
{
	char commit[41];
	char note[300];
	struct render_result objects = { 0 };
	struct error err = ERROR_INIT;
	const struct agent *agent = p->agent;
	if (!revisions_render(p->revisions, sync, commit, &objects, note, &err)) {
		failed(p, "sync", sync->name, err.message);
		return;
	}
	if (commit[0] == '\0') /* of its source it was said already */
		return;
	struct kube *as = agent_kube_for(agent, sync);
	struct sync_input in = { .kube = agent->kube,
				 .as = as == NULL ? agent->kube : as,
				 .name = sync->name,
				 .ns = sync->ns == NULL ? "default" : sync->ns,
				 .own_ns = agent->config->ns,
				 .commit = commit,
				 .prune = sync->prune,
				 .jar_schemes = p->agent->config->jars.schemes,
				 .objects = &objects,
				 .now_ms = clock_now_ms(&agent->clock),
				 .plan = true,
				 .source_problem = note };
	struct sync_output out;
	if (!sync_pass(&in, &out, &err)) {
		failed(p, "sync", sync->name, err.message);
	} else {
		(void)printf("sync %s at %.12s: %zu unchanged\n", sync->name, commit, out.unchanged);
		for (size_t i = 0; i < out.change_count; i++)
			print_change(p, &out.changes[i]);
		if (objects.warnings != NULL)
			(void)printf("  warning   %s\n", objects.warnings);
		if (out.state == SYNC_FAILED)
			failed(p, "sync", sync->name, out.message);
	}
	sync_output_free(&out);
	render_result_free(&objects);
	kube_free(as);
}

static bool plan(struct planner *p, const struct cli_options *options, struct agent_config *config, struct cli_cluster *cluster,
		 struct error *err)
{
	/* a cache of its own: the agent's may be in use */
	char *own = mem_printf("%s-plan", config->cache_dir);
	free(config->cache_dir);
	config->cache_dir = own;
	if (config->ns == NULL)
		config->ns = mem_strdup(cluster->in_cluster ? cluster->ns : "default");
	struct agent agent = { .config = config,
			       .http = cluster->http,
			       .kube = cluster->kube,
			       .clock = clock_real(),
			       .random = random_real(),
			       .policy = cli_policy(config),
			       .identity = "plan" };
	if (!cli_flink_access(options->flink_access, cluster->in_cluster, &agent.access, err))
		return false;
	p->agent = &agent;
	p->revisions = revisions_new(config);
	for (size_t i = 0; i < config->source_count; i++) {
		bool changed;
		if (!revisions_poll(p->revisions, i, &changed, err))
			failed(p, "source", config->sources[i].name, err->message);
	}
	for (size_t i = 0; i < config->sync_count; i++)
		plan_sync(p, &config->syncs[i]);
	revisions_free(p->revisions);
	return true;
}

int command_plan(int argc, char **argv)
{
	struct cli_options options;
	struct agent_config config;
	struct cli_cluster cluster;
	struct error err;
	struct planner planner = { 0 };
	if (!cli_parse(argc, argv, &options))
		return 1;
	bool ok = cli_agent_config(&options, &config, &err) && cli_connect(options.kubeconfig, &cluster, &err);
	if (ok) {
		ok = plan(&planner, &options, &config, &cluster, &err);
		cli_disconnect(&cluster);
	}
	agent_config_free(&config);
	if (!ok)
		return cli_fail(&err);
	return planner.failed ? 1 : planner.changes > 0 ? 2 : 0;
}
