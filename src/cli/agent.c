/* weir agent, and the configuration that it shares with weir plan. */
#include "agent/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "store/store.h"

static bool take_duration(const char *name, const char *text, int64_t *out, struct error *err)
{
	if (text != NULL && (!agent_config_duration(text, out) || *out <= 0))
		return error_set(err, ERROR_INVALID, "--%s %s: expected a duration such as 10s or 1m30s", name, text);
	return true;
}

bool cli_agent_config(const struct cli_options *o, struct agent_config *out, struct error *err)
{
	agent_config_init(out);
	if ((o->config_file != NULL) == (o->repo != NULL))
		return error_set(err, ERROR_INVALID, "expected either --config FILE or --repo URL --path DIR");
	if (o->config_file != NULL && !agent_config_read(out, o->config_file, err))
		return false;
	if (o->repo != NULL) {
		struct source_config *source = agent_config_add_source(out);
		source->name = mem_strdup("default");
		source->url = mem_strdup(o->repo);
		source->branch = mem_strdup(o->branch);
		if (!take_duration("interval", o->interval, &source->interval_ms, err))
			return false;
		struct sync_config *sync = agent_config_add_sync(out);
		sync->name = mem_strdup("default");
		sync->source = mem_strdup("default");
		sync->path = mem_strdup(o->path);
		sync->ns = mem_strdup(o->ns);
	}
	if (!take_duration("stable-after", o->stable_after, &out->stable_after_ms, err) ||
	    !take_duration("start-deadline", o->start_deadline, &out->start_deadline_ms, err))
		return false;
	if (o->cache_dir != NULL) {
		free(out->cache_dir);
		out->cache_dir = mem_strdup(o->cache_dir);
	}
	if (out->cache_dir == NULL) {
		const char *cache = getenv("XDG_CACHE_HOME");
		const char *home = getenv("HOME");
		out->cache_dir =
			cache != NULL ? mem_printf("%s/weir/git", cache) : mem_printf("%s/.cache/weir/git", home == NULL ? "" : home);
	}
	if (o->listen != NULL) {
		free(out->listen);
		out->listen = mem_strdup(o->listen);
	}
	out->manage_all |= o->manage_all;
	return true;
}

bool cli_flink_access(const char *text, bool in_cluster, enum flink_access *out, struct error *err)
{
	if (text == NULL || strcmp(text, "auto") == 0)
		*out = in_cluster ? FLINK_ACCESS_SERVICE : FLINK_ACCESS_PROXY;
	else if (strcmp(text, "service") == 0)
		*out = FLINK_ACCESS_SERVICE;
	else if (strcmp(text, "proxy") == 0)
		*out = FLINK_ACCESS_PROXY;
	else
		return error_set(err, ERROR_INVALID, "--flink-access %s: expected auto, service or proxy", text);
	return true;
}

struct policy cli_policy(const struct agent_config *config)
{
	struct policy policy = policy_default();
	if (config->stable_after_ms > 0)
		policy.stable_after_ms = config->stable_after_ms;
	if (config->stable_checkpoints > 0)
		policy.stable_checkpoints = config->stable_checkpoints;
	if (config->start_deadline_ms > 0)
		policy.start_deadline_ms = config->start_deadline_ms;
	policy.peer_defaults = config->peer_defaults;
	return policy;
}

static bool run(const struct cli_options *options, struct agent_config *config, struct cli_cluster *cluster, struct error *err)
{
	struct agent agent = { .config = config,
			       .http = cluster->http,
			       .kube = cluster->kube,
			       .clock = clock_real(),
			       .random = random_real(),
			       .policy = cli_policy(config) };
	if (config->ns == NULL)
		config->ns = mem_strdup(cluster->in_cluster ? cluster->ns : "default");
	struct state_stores *stores = NULL;
	if (!state_stores_open(config->state_stores, config->state_store_count, &stores, err))
		return false;
	agent.stores = stores;
	bool ok = cli_flink_access(options->flink_access, cluster->in_cluster, &agent.access, err) && agent_run(&agent, err);
	state_stores_close(stores);
	return ok;
}

int command_agent(int argc, char **argv)
{
	struct cli_options options;
	struct agent_config config;
	struct cli_cluster cluster;
	struct error err;
	if (!cli_parse(argc, argv, &options))
		return 1;
	bool ok = cli_agent_config(&options, &config, &err);
	if (ok) {
		ok = cli_connect(options.kubeconfig, &cluster, &err);
		if (ok) {
			ok = run(&options, &config, &cluster, &err);
			cli_disconnect(&cluster);
		}
	}
	agent_config_free(&config);
	return ok ? 0 : cli_fail(&err);
}
