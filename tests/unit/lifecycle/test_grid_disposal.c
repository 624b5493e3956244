/*
 * Every way in which three savepoints can be needed, against clean-up that wants all but one gone: what anything could still be started from is
 * never disposed of, nor is the newest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lifecycle/decide.h"
#include "lifecycle/digest.h"

enum { NOW_MS = 1000000000, SAVEPOINTS = 3, NAMES = SAVEPOINTS + 1 /* 0: none of them */, STAGES = 4 };

/* Who may name one of the savepoints. */
enum who { NEWEST, NEXT, LIVE_LAUNCH, EARLIER_LAUNCH, OPEN_SNAPSHOT, INITIAL, CHOICE, WHO_COUNT };

static const char *const paths[NAMES] = { "", "file:///s/a", "file:///s/b", "file:///s/c" };

static struct ledger_launch *launch(struct ledger *l, const char *digest, const char *path)
{
	struct ledger_launch *n = ledger_add_launch(l);
	n->submitted_at = n->running_at = n->stable_at = 1;
	n->restore.kind = RESTORE_PATH;
	LEDGER_SET(n->restore.path, path);
	LEDGER_SET(n->digest, digest);
	job_id_of("u-1", n->number, n->job_id);
	n->spec = mem_strdup("{\"job\":{}}");
	return n;
}

static void build(struct ledger *l, const char *digest, const int named[WHO_COUNT], int stage)
{
	ledger_init(l);
	LEDGER_SET(l->uid, "u-1");
	l->nonces_known = 1;
	launch(l, "other", paths[named[EARLIER_LAUNCH]])->ended_at = 2;
	(void)launch(l, digest, paths[named[LIVE_LAUNCH]]);
	ledger_note_state(l, paths[named[NEWEST]], 1);
	LEDGER_SET(l->next.path, paths[named[NEXT]]);
	if (named[OPEN_SNAPSHOT] != 0) {
		l->snapshot.kind = SNAPSHOT_SAVEPOINT;
		l->snapshot.launch = 2;
		l->snapshot.started_at = NOW_MS;
		LEDGER_SET(l->snapshot.dir, paths[named[OPEN_SNAPSHOT]]);
	}
	for (int i = 1; i < NAMES; i++) {
		struct ledger_record *r = ledger_add_record(l, i);
		r->kind = SNAPSHOT_SAVEPOINT;
		LEDGER_SET(r->path, paths[i]);
		LEDGER_SET(r->type, "PERIODIC");
	}
	if (stage > 0) { /* it is being disposed of already: looked at, or to be tried again */
		l->disposal.of = 1 + stage % 2;
		l->disposal.attempt = stage == 3;
		l->disposal.retry_at = stage == 3 ? 1 : 0;
	}
}

static struct doc *resource(int initial, int choice)
{
	AUTOFREE char *text = mem_printf(
		"{\"metadata\":{\"name\":\"j\",\"uid\":\"u-1\",\"finalizers\":[\"%s\"],\"annotations\":{%s%s%s}},\"spec\":{\"job\":{"
		"\"state\":\"running\",\"upgradeMode\":\"savepoint\",\"initialSavepointPath\":\"%s\"}}}",
		subject_finalizer(SUBJECT_APPLICATION),
		choice == 0 ? "" : "\"weir.dev/restore-from\":\"path:", choice == 0 ? "" : paths[choice], choice == 0 ? "" : "\"",
		paths[initial]);
	struct error err = ERROR_INIT;
	struct doc *doc = doc_parse_json(text, strlen(text), "resource", NULL, &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

static int64_t disposals;

static void one(const struct node *resource_node, const int named[WHO_COUNT], int stage, enum seen needed)
{
	char digest[65];
	struct ledger l;
	struct policy policy = policy_default();
	struct job_config config = { .checkpointing = true, .snapshots = { .cleanup = true, .max_count = 1, .own_trigger = true } };
	LEDGER_SET(config.savepoint_dir, "file:///s");
	struct observation seen = { .jm = SEEN_PRESENT,
				    .pods = SEEN_PRESENT,
				    .ha = SEEN_ABSENT,
				    .rest = SEEN_PRESENT,
				    .checkpoints = SEEN_PRESENT,
				    .jm_launch = 2,
				    .jm_available = true,
				    .jm_complete = true,
				    .jm_pods = 1,
				    .tm_pods = 1,
				    .job = JOB_RUNNING,
				    .snapshot = SAVEPOINT_IN_PROGRESS,
				    .needed = needed };
	spec_digest(node_get(resource_node, "spec"), NULL, digest);
	build(&l, digest, named, stage);
	struct decide_input in = { .resource = resource_node,
				   .digest = digest,
				   .commit = "c",
				   .ledger = &l,
				   .seen = &seen,
				   .policy = &policy,
				   .config = &config,
				   .leader = "grid",
				   .fresh_id = "0123456789abcdef0123456789abcdef",
				   .now_ms = NOW_MS };
	struct decision d;
	decide(&in, &d);
	bool asks = d.effect == EFFECT_DISPOSE_SAVEPOINT;
	int64_t of = d.ledger.disposal.of;
	disposals += asks;
	if (asks && (needed != SEEN_ABSENT || l.disposal.of != of))
		fail_msg("disposed of without a look at what other jobs need (stage %d)", stage);
	if (of == SAVEPOINTS || (asks && of == 0))
		fail_msg("the newest savepoint is disposed of (stage %d)", stage);
	for (int who = 0; who < WHO_COUNT; who++)
		if (named[who] != 0 && named[who] == of && (asks || stage == 0))
			fail_msg("savepoint %s is disposed of, though it is named by %d (stage %d)", paths[of], who, stage);
	if (d.ledger.record_count < SAVEPOINTS)
		fail_msg("a savepoint is forgotten that was not disposed of (stage %d)", stage);
	decision_free(&d);
	ledger_free(&l);
}

static void every_way_to_be_needed(void **state)
{
	(void)state;
	int64_t count = 0;
	for (int n = 0; n < NAMES * NAMES; n++) {
		AUTODOC *doc = resource(n / NAMES, n % NAMES);
		for (int m = 0; m < NAMES * NAMES * NAMES * NAMES * 2; m++) {
			int rest = m;
			int named[WHO_COUNT] = { [INITIAL] = n / NAMES, [CHOICE] = n % NAMES };
			for (int who = NEWEST; who <= EARLIER_LAUNCH; who++, rest /= NAMES)
				named[who] = rest % NAMES;
			named[OPEN_SNAPSHOT] = rest == 0 ? 0 : 1 + m % SAVEPOINTS;
			int stage = (n + m) % STAGES;
			one(doc_root(doc), named, stage, (enum seen)((n + m / STAGES) % 3));
			one(doc_root(doc), named, (stage + 1) % STAGES, SEEN_ABSENT);
			count += 2;
		}
	}
	printf("%lld decisions, %lld disposals\n", (long long)count, (long long)disposals);
	assert_true(disposals > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_way_to_be_needed) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
