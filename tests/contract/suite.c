/*
 * contract_suite: checks that a cluster keeps the contract that Weir relies on. The same cases run against the simulator in process, the
 * simulator over HTTP and a real cluster; where the last differs from the others, the simulator is wrong.
 */
#include <getopt.h>
#include <stdio.h>

#include "contract/target.h"

static const struct group {
	const char *name;
	int (*run)(void);
} groups[] = {
	{ "apply", contract_apply }, { "writes", contract_writes }, { "owners", contract_owners }, { "reads", contract_reads },
	{ "watch", contract_watch }, { "flink", contract_flink },   { "shapes", contract_shapes },
};

static int usage(void)
{
	(void)fprintf(stderr, "usage: contract_suite --sim | --sim-http | --kubeconfig FILE\n"
			      "         [--image IMAGE] [--flink-version v1_20] [--state-dir DIR]   of the Flink clusters\n"
			      "         [--jar FILE]     of the test job, for sessions on a real cluster\n"
			      "         [--only GROUP]   apply, writes, owners, reads, watch, flink or shapes\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "sim", no_argument, NULL, 's' },
		{ "sim-http", no_argument, NULL, 'h' },
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "image", required_argument, NULL, 'i' },
		{ "flink-version", required_argument, NULL, 'v' },
		{ "state-dir", required_argument, NULL, 'd' },
		{ "only", required_argument, NULL, 'o' },
		{ "jar", required_argument, NULL, 'j' },
		{ 0 },
	};
	struct target_options options = { .image = "flink:1.20", .flink_version = "v1_20" };
	const char *only = NULL;
	unsigned targets = 0;
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		targets += c == 's' || c == 'h' || c == 'k';
		switch (c) {
		case 's':
			break;
		case 'h':
			options.over_http = true;
			break;
		case 'k':
			options.kubeconfig = optarg;
			break;
		case 'i':
			options.image = optarg;
			break;
		case 'v':
			options.flink_version = optarg;
			break;
		case 'd':
			options.state_dir = optarg;
			break;
		case 'j':
			options.jar = optarg;
			break;
		case 'o':
			only = optarg;
			break;
		default:
			return usage();
		}
	}
	if (targets != 1 || optind != argc)
		return usage();
	char scratch[] = "/tmp/weir-contract-XXXXXX";
	if (options.state_dir == NULL)
		options.state_dir = options.kubeconfig == NULL ? "/state" : mkdtemp(scratch);
	if (options.state_dir == NULL || !target_open(&options))
		return 1;
	int failed = 0;
	size_t ran = 0;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (only != NULL && strcmp(only, groups[i].name) != 0)
			continue;
		failed += groups[i].run();
		ran++;
	}
	target_close();
	if (ran == 0)
		return usage();
	return failed == 0 ? 0 : 1;
}
