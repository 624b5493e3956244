/* weir adopt, release, retry: whose a resource is, and whether quarantined content gets another chance. */
#include <stdio.h>
#include <string.h>

#include "cli/job_ref.h"

static int finish(struct job_ref *ref, bool ok, const struct error *err, const char *said)
{
	if (ok)
		(void)printf("%s/%s %s\n", ref->ns, ref->name, said);
	else if (err->kind != ERROR_NONE)
		(void)cli_fail(err);
	job_ref_close(ref);
	return ok ? 0 : 1;
}

int command_adopt(int argc, char **argv)
{
	struct job_ref ref;
	struct error err = ERROR_INIT;
	char fresh[40];
	job_ref_fresh(fresh);
	bool ok = job_ref_open(argc, argv, false, &ref) &&
		  job_ref_annotate(&ref, &err, "weir.dev/managed", "true", "weir.dev/adopt", fresh, NULL);
	return finish(&ref, ok, &err, "is managed by Weir; no other operator may act on it any more");
}

int command_release(int argc, char **argv)
{
	struct job_ref ref;
	struct error err = ERROR_INIT;
	bool ok = job_ref_open(argc, argv, false, &ref);
	if (ok && ref.stored.ledger.op.kind != OP_NONE)
		ok = error_set(&err, ERROR_CONFLICT, "%s/%s: an operation (%s) is under way; try again when it has ended", ref.ns, ref.name,
			       ref.stored.ledger.op.reason);
	ok = ok && job_ref_annotate(&ref, &err, "weir.dev/managed", "false", NULL);
	return finish(&ref, ok, &err, "is released: Weir does not act on it any more; its status is as another operator needs it");
}

int command_retry(int argc, char **argv)
{
	struct job_ref ref;
	struct error err = ERROR_INIT;
	char fresh[40];
	job_ref_fresh(fresh);
	bool ok = job_ref_open(argc, argv, false, &ref);
	if (ok && ref.stored.ledger.quarantine_count == 0)
		ok = error_set(&err, ERROR_INVALID, "%s/%s: nothing is quarantined", ref.ns, ref.name);
	ok = ok && job_ref_annotate(&ref, &err, "weir.dev/retry", fresh, NULL);
	return finish(&ref, ok, &err, "may try its quarantined content once more");
}
