/* weir rollback JOB [--to COMMIT] [--with-state]: back to an earlier version that was stable; what came after it is quarantined. */
#include <stdio.h>
#include <string.h>

#include "cli/job_ref.h"

/* Is there a launch to go back to? The agent judges by the same rule; here it is said at once. */
static bool known(const struct job_ref *ref, const char *commit, struct error *err)
{
	const struct ledger *l = &ref->stored.ledger;
	for (int64_t i = l->launch_count - 2; i >= 0; i--) {
		const struct ledger_launch *launch = &l->launches[i];
		bool named = strcmp(commit, "previous") == 0 || str_starts(launch->commit, commit);
		if (named && launch->stable_at != 0 && launch->spec != NULL &&
		    strcmp(launch->digest, l->launches[l->launch_count - 1].digest) != 0)
			return true;
	}
	return error_set(err, ERROR_NOT_FOUND,
			 "%s/%s: the ledger knows no stable launch of %s commit to go back to; `weir history` lists them", ref->ns,
			 ref->name, strcmp(commit, "previous") == 0 ? "an earlier" : "that");
}

int command_rollback(int argc, char **argv)
{
	struct job_ref ref;
	struct error err = ERROR_INIT;
	bool ok = job_ref_open(argc, argv, false, &ref);
	if (ok) {
		const char *to = ref.options.to == NULL ? "previous" : ref.options.to;
		char fresh[40];
		char value[100];
		job_ref_fresh(fresh);
		(void)snprintf(value, sizeof value, "%.40s%s %s", to, ref.options.with_state ? "+state" : "", fresh);
		if (strlen(to) < 7 || strlen(to) > 40)
			ok = error_set(&err, ERROR_INVALID, "--to %s: expected 7 to 40 digits of a commit", to);
		ok = ok && known(&ref, to, &err) && job_ref_annotate(&ref, &err, "weir.dev/rollback", value, NULL);
		if (ok)
			(void)printf("%s/%s goes back to %s%s; `weir retry` lets the newer content run again\n", ref.ns, ref.name,
				     strcmp(to, "previous") == 0 ? "its previous stable version" : to,
				     ref.options.with_state ? ", with the state of that time" : "");
		else
			(void)cli_fail(&err);
	}
	job_ref_close(&ref);
	return ok ? 0 : 1;
}
