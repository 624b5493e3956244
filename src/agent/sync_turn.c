/* One sync's turn: render the revision in force, one pass, say what happened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "render/render.h"
#include "sync/sync.h"

enum { SYNC_INTERVAL_MS = 60000, SYNC_POLL_MS = 500, SYNC_HELD_MS = 2000 };

static void log_changes(const char *sync, const char *commit, const struct sync_output *out)
{
	for (size_t i = 0; i < out->change_count; i++) {
		const struct sync_change *c = &out->changes[i];
		if (c->action == CHANGE_PENDING || c->action == CHANGE_RETAINED)
			continue;
		log_event(c->action == CHANGE_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "object", "sync", sync, "action",
			  change_action_name(c->action), "object", c->id, "commit", commit, "message", c->message, NULL);
	}
}

struct kube *agent_kube_for(const struct agent *agent, const struct sync_config *sync)
{
	if (sync->service_account == NULL)
		return NULL;
	AUTOFREE char *user = mem_printf("system:serviceaccount:%s:%s", sync->ns == NULL ? "default" : sync->ns, sync->service_account);
	return kube_new_as(agent->http, user, NULL);
}

static struct sync_peer *sync_peers(const struct agent_config *config, const struct sync_config *sync)
{
	struct sync_peer *peers = mem_array(config->sync_count, sizeof *peers);
	size_t n = 0;
	for (size_t i = 0; i < config->sync_count; i++)
		if (&config->syncs[i] != sync)
			peers[n++] = (struct sync_peer){ .name = config->syncs[i].name,
							 .same_source = strcmp(config->syncs[i].source, sync->source) == 0 };
	return peers;
}

int64_t sync_turn(struct agent *agent, const char *name, struct error *err)
{
	const struct sync_config *sync = NULL;
	for (size_t i = 0; i < agent->config->sync_count; i++)
		if (strcmp(agent->config->syncs[i].name, name) == 0)
			sync = &agent->config->syncs[i];
	if (sync == NULL)
		return INT64_MAX;
	if (!agent_may_act(agent))
		return SYNC_POLL_MS * 2;
	char commit[41];
	char note[300];
	struct render_result objects = { 0 };
	struct error problem = ERROR_INIT;
	bool rendered = agent->sources.render(agent->sources.context, sync, commit, &objects, note, &problem);
	struct kube *as = agent_kube_for(agent, sync);
	AUTOFREE struct sync_peer *peers = sync_peers(agent->config, sync);
	struct sync_input in = { .kube = agent->kube,
				 .as = as == NULL ? agent->kube : as,
				 .name = sync->name,
				 .ns = sync->ns == NULL ? "default" : sync->ns,
				 .own_ns = agent->config->ns,
				 .commit = commit,
				 .prune = sync->prune,
				 .jar_schemes = agent->config->jars.schemes,
				 .peers = peers,
				 .peer_count = agent->config->sync_count - 1,
				 .now_ms = clock_now_ms(&agent->clock),
				 .may_act = agent_may_act,
				 .context = agent };
	if (commit[0] == '\0' && note[0] == '\0') {
		kube_free(as);
		return INT64_MAX; /* nothing fetched yet: the poller brings the next turn */
	}
	in.source_problem = note;
	if (rendered && commit[0] != '\0')
		in.objects = &objects;
	else
		in.failure = commit[0] == '\0' ? note : problem.message;
	struct sync_output out;
	bool ok = sync_pass(&in, &out, err);
	kube_free(as);
	render_result_free(&objects);
	int64_t next = -1;
	metrics_add(agent->metrics, METRIC_SYNC_RUNS, 1, name, ok ? sync_state_name(out.state) : error_kind_name(err->kind), NULL);
	if (ok) {
		log_changes(name, commit, &out);
		if (out.state == SYNC_FAILED || out.state == SYNC_HELD)
			log_event(LOG_LEVEL_WARN, "sync", "sync", name, "state", sync_state_name(out.state), "commit", commit, "message",
				  out.message, NULL);
		next = out.state == SYNC_PENDING		   ? SYNC_POLL_MS
		       : out.state == SYNC_HELD || out.pending > 0 ? SYNC_HELD_MS
		       : sync->interval_ms > 0			   ? sync->interval_ms
								   : SYNC_INTERVAL_MS;
	}
	sync_output_free(&out);
	return next;
}
