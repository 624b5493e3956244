/* weir explain JOB: the reasons behind what the agent does next, from the same code. Changes nothing. */
#include <stdio.h>

#include "cli/job_ref.h"

static void print(const struct decision *d)
{
	(void)printf("next: %s\n", effect_name(d->effect));
	for (int i = 0; i < d->reason_count; i++)
		(void)printf("  because %s\n", d->reasons[i]);
	if (d->ledger.stuck[0] != '\0')
		(void)printf("waits: %s\n", d->ledger.stuck);
	else if (d->effect == EFFECT_NONE && d->reason_count == 0)
		(void)printf("  because what runs is what should run\n");
}

int command_explain(int argc, char **argv)
{
	struct job_ref ref;
	struct error err = ERROR_INIT;
	bool ok = job_ref_open(argc, argv, false, &ref);
	if (ok) {
		struct agent_config config;
		struct decision decision;
		agent_config_init(&config);
		config.ns = ref.cluster.in_cluster ? ref.cluster.ns : (char[]){ "default" };
		struct agent agent = { .config = &config,
				       .http = ref.cluster.http,
				       .kube = ref.cluster.kube,
				       .clock = clock_real(),
				       .random = random_real(),
				       .policy = cli_policy(&config),
				       .identity = "explain" };
		ok = cli_flink_access(ref.options.flink_access, ref.cluster.in_cluster, &agent.access, &err) &&
		     job_plan(&agent, doc_root(ref.resource), &decision, &err);
		if (ok) {
			print(&decision);
			decision_free(&decision);
		} else {
			(void)cli_fail(&err);
		}
	}
	job_ref_close(&ref);
	return ok ? 0 : 1;
}
