/* cli: one file for each command. A command returns the exit code. */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include <stdbool.h>

#include "agent/agent.h"
#include "base/error.h"
#include "kube/kube.h"
#include "kube/kubeconfig.h"

int cli_main(int argc, char **argv);

#define COMMAND(name, function, arguments, text) int function(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND

/* What most commands take. */
struct cli_options {
	const char *kubeconfig, *ns, *config_file, *repo, *branch, *path, *cache_dir, *listen, *output, *flink_access;
	const char *interval, *stable_after, *start_deadline, *work, *to;
	bool keep, manage_all, show_secrets, with_state;
	int rest; /* index of the first argument that is no option */
};

/* Parses; on a wrong option prints to standard error and returns false. argv[0] is the command's name. */
bool cli_parse(int argc, char **argv, struct cli_options *out);
/* Prints "weir: ..." and returns 1. */
int cli_fail(const struct error *err);

struct cli_cluster {
	struct kube_access access; /* owned */
	struct http *http;	   /* the access's */
	struct kube *kube;	   /* owned */
	char ns[256];		   /* of the kubeconfig's context, "default" if it names none */
	bool in_cluster;
};
bool cli_connect(const char *kubeconfig, struct cli_cluster *out, struct error *err);
void cli_disconnect(struct cli_cluster *cluster);

/* The agent's configuration from --config, or from --repo and its companions. */
bool cli_agent_config(const struct cli_options *options, struct agent_config *out, struct error *err);

/* What decisions go by: the defaults, with what the configuration says. */
struct policy cli_policy(const struct agent_config *config);

/* --flink-access */
bool cli_flink_access(const char *text, bool in_cluster, enum flink_access *out, struct error *err);

#endif
