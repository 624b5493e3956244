/* weir savepoint JOB: asks for a savepoint and waits for it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/wtime.h"
#include "cli/job_ref.h"

enum { WAIT_MS = 600000, LOOK_MS = 500 };

static const char *last_savepoint(const struct job_ref *ref)
{
	return node_text_or(node_find(doc_root(ref->resource), "status/jobStatus/savepointInfo/lastSavepoint/location"), "");
}

static bool wait_for(struct job_ref *ref, const char *before, struct error *err)
{
	struct clock clock = clock_real();
	int64_t end = clock_mono_ms(&clock) + WAIT_MS;
	while (clock_mono_ms(&clock) < end) {
		if (!job_ref_again(ref, err))
			return false;
		if (ref->resource == NULL)
			return error_set(err, ERROR_NOT_FOUND, "the resource is gone");
		if (strcmp(last_savepoint(ref), before) != 0) {
			(void)printf("%s\n", last_savepoint(ref));
			return true;
		}
		struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
		(void)nanosleep(&pause, NULL);
	}
	return error_set(err, ERROR_TRANSIENT, "no savepoint came within %d s; `weir status` says more", WAIT_MS / 1000);
}

int command_savepoint(int argc, char **argv)
{
	struct job_ref ref;
	struct error err = ERROR_INIT;
	bool ok = job_ref_open(argc, argv, false, &ref);
	if (ok) {
		char fresh[40];
		char before[LEDGER_PATH];
		(void)snprintf(before, sizeof before, "%s", last_savepoint(&ref));
		job_ref_fresh(fresh);
		if (!str_eq(node_find_text(doc_root(ref.resource), "status/jobStatus/state"), "RUNNING"))
			ok = error_set(&err, ERROR_INVALID, "%s/%s: the job does not run", ref.ns, ref.name);
		ok = ok && job_ref_annotate(&ref, &err, "weir.dev/savepoint", fresh, NULL) && wait_for(&ref, before, &err);
		if (!ok)
			(void)cli_fail(&err);
	}
	job_ref_close(&ref);
	return ok ? 0 : 1;
}
