/* Old savepoints are disposed of, and never one that anything could still be started from. */
#include "base/random.h"
#include "snapshot_world.h"

static void cleaning(struct world *w, int64_t count, int64_t age_ms)
{
	world_init(w);
	w->config.snapshots.cleanup = true;
	w->config.snapshots.max_count = count;
	w->config.snapshots.max_age_ms = age_ms;
	w->seen.needed = SEEN_ABSENT;
	run(w);
}

static void savepoint(struct world *w)
{
	static int value;
	snprintf(w->annotations, sizeof w->annotations, "\"weir.dev/savepoint\":\"%d\"", ++value);
	turns(w, 3);
}

static bool holds(const struct world *w, const char *path)
{
	for (int64_t i = 0; i < w->ledger.record_count; i++)
		if (strcmp(w->ledger.records[i].path, path) == 0)
			return true;
	return false;
}

static void test_count(void **state)
{
	(void)state;
	struct world w;
	cleaning(&w, 3, 0);
	char paths[6][LEDGER_PATH];
	for (int i = 0; i < 6; i++) {
		savepoint(&w);
		memcpy(paths[i], w.location, sizeof paths[i]);
	}
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 3);
	for (int i = 0; i < 6; i++)
		assert_int_equal(holds(&w, paths[i]), i >= 3);
	assert_int_equal(node_count(node_find(doc_root(w.status), "jobStatus/savepointInfo/savepointHistory")), 3);
	w.config.snapshots.cleanup = false;
	w.config.snapshots.max_count = 1;
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 3);
	world_free(&w);
}

static void test_age(void **state)
{
	(void)state;
	struct world w;
	cleaning(&w, 10, 3600000);
	for (int i = 0; i < 3; i++)
		savepoint(&w);
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 0);
	w.now += 7200000;
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 2);
	assert_true(holds(&w, w.location)); /* the newest, however old */
	world_free(&w);
}

static void test_needed_by_another(void **state)
{
	(void)state;
	struct world w;
	cleaning(&w, 1, 0);
	w.seen.needed = SEEN_UNKNOWN; /* nobody knows: nothing happens */
	savepoint(&w);
	char first[LEDGER_PATH];
	memcpy(first, w.location, sizeof first);
	savepoint(&w);
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 0);
	w.seen.needed = SEEN_PRESENT;
	snprintf(w.seen.needed_by, sizeof w.seen.needed_by, "weir-ledger-k");
	turns(&w, 2);
	w.seen.needed = SEEN_ABSENT;
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 0);
	assert_true(holds(&w, first));
	savepoint(&w);
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 1);
	world_free(&w);
}

/* It is named by the resource after it was chosen and before Flink was asked. */
static void test_thought_better_of(void **state)
{
	(void)state;
	struct world w;
	cleaning(&w, 1, 0);
	w.seen.needed = SEEN_UNKNOWN;
	savepoint(&w);
	char first[LEDGER_PATH];
	memcpy(first, w.location, sizeof first);
	savepoint(&w);
	turns(&w, 5);
	assert_int_not_equal(w.ledger.disposal.of, 0);
	snprintf(w.annotations, sizeof w.annotations, "\"weir.dev/restore-from\":\"path:file://%.200s/\"", first + 5);
	w.seen.needed = SEEN_ABSENT;
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 0);
	snprintf(w.annotations, sizeof w.annotations, " ");
	snprintf(w.job, sizeof w.job, ",\"initialSavepointPath\":\"file://%.200s\"", first + 5);
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 0);
	snprintf(w.job, sizeof w.job, " ");
	turns(&w, 20);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 1);
	world_free(&w);
}

static void test_fails(void **state)
{
	(void)state;
	struct world w;
	cleaning(&w, 1, 0);
	savepoint(&w);
	char first[LEDGER_PATH];
	memcpy(first, w.location, sizeof first);
	savepoint(&w);
	for (int i = 0; i < 400; i++) {
		(void)world_turn(&w);
		w.seen.disposal = SAVEPOINT_FAILED;
		if (i < 300)
			savepoint(&w); /* requests go on meanwhile */
	}
	assert_false(holds(&w, first));
	assert_int_equal(w.ledger.snapshot.kind, SNAPSHOT_NONE);
	world_free(&w);

	cleaning(&w, 1, 0);
	w.seen.needed = SEEN_UNKNOWN;
	savepoint(&w);
	savepoint(&w);
	w.seen.needed = SEEN_ABSENT;
	assert_int_equal(world_turn(&w), EFFECT_DISPOSE_SAVEPOINT);
	w.seen.disposal = SAVEPOINT_NO_SUCH_TRIGGER; /* the answer was lost */
	turns(&w, 5);
	assert_int_equal(w.ledger.record_count, 2);
	assert_int_equal(w.effects[EFFECT_DISPOSE_SAVEPOINT], 1);
	w.now += DISPOSAL_RETRY_MS;
	assert_int_equal(world_turn(&w), EFFECT_DISPOSE_SAVEPOINT);
	w.seen.disposal = SAVEPOINT_FAILED; /* it had been done: the data are not there any more */
	w.seen.disposal_gone = true;
	turns(&w, 1);
	assert_int_equal(w.ledger.record_count, 1);
	world_free(&w);
}

/* ---- anything may happen ---- */

static bool same(const char *a, const char *b)
{
	a += str_starts(a, "file:") ? 5 + strspn(a + 5, "/") : 0;
	b += str_starts(b, "file:") ? 5 + strspn(b + 5, "/") : 0;
	size_t n = strlen(b);
	while (n > 0 && b[n - 1] == '/')
		n--;
	return n > 0 && strncmp(a, b, n) == 0 && (a[n] == '\0' || a[n] == '/');
}

/* What the ledger says before the turn; the disposal must not be of any of it. Written down here on its own, not by asking snapshot_needed. */
static void check_disposal(const struct world *w, const struct ledger *before)
{
	const struct ledger_record *gone = NULL, *newest = NULL;
	for (int64_t i = 0; i < before->record_count; i++) {
		if (before->records[i].kind == SNAPSHOT_SAVEPOINT)
			newest = &before->records[i];
		if (before->records[i].at == before->disposal.of)
			gone = &before->records[i];
	}
	assert_non_null(gone);
	assert_int_equal(gone->kind, SNAPSHOT_SAVEPOINT);
	assert_ptr_not_equal(gone, newest);
	assert_false(same(gone->path, before->newest.path));
	assert_false(same(gone->path, before->next.path));
	for (int64_t i = 0; i < before->launch_count; i++)
		assert_false(same(gone->path, before->launches[i].restore.path));
	assert_false(same(gone->path, before->op.dir));
	assert_false(same(gone->path, before->snapshot.dir));
	/* and what this very turn decided counts as well */
	assert_int_equal(w->ledger.op.kind, OP_NONE);
	assert_false(same(gone->path, w->ledger.newest.path));
	for (int64_t i = 0; i < w->ledger.launch_count; i++)
		assert_false(same(gone->path, w->ledger.launches[i].restore.path));
	if (w->job[0] != '\0' && strstr(w->job, "initial") != NULL)
		assert_null(strstr(w->job, gone->path + 6));
	if (strstr(w->annotations, "restore-from") != NULL)
		assert_null(strstr(w->annotations, gone->path + 6));
	assert_int_not_equal(w->seen.needed, SEEN_PRESENT);
	assert_int_not_equal(w->seen.needed, SEEN_UNKNOWN);
}

static const char *some_record(struct world *w, struct random *random)
{
	return w->ledger.record_count == 0 ? "file:/s/none"
					   : w->ledger.records[random_below(random, (uint64_t)w->ledger.record_count)].path;
}

static void happen(struct world *w, struct random *random)
{
	switch (random_below(random, 22)) {
	case 0:
	case 1:
	case 2:
		snprintf(w->annotations, sizeof w->annotations, "\"weir.dev/savepoint\":\"%d\"", (int)random_below(random, 1000000));
		break;
	case 3:
		snprintf(w->args, sizeof w->args, "--v%d", (int)random_below(random, 1000));
		break;
	case 4:
		snprintf(w->state, sizeof w->state, "%s", random_below(random, 4) == 0 ? "suspended" : "running");
		break;
	case 5:
		w->now += (int64_t)random_below(random, 7200000);
		break;
	case 6:
		w->config.snapshots.max_count = (int64_t)random_below(random, 4);
		break;
	case 7:
		w->config.snapshots.savepoint.every_ms = (int64_t)random_below(random, 2) * 20000;
		break;
	case 8:
		w->seen.needed = random_below(random, 4) == 0 ? SEEN_UNKNOWN : random_below(random, 4) == 0 ? SEEN_PRESENT : SEEN_ABSENT;
		break;
	case 9:
		snprintf(w->job, sizeof w->job, ",\"initialSavepointPath\":\"%.400s\"", some_record(w, random));
		break;
	case 10:
		snprintf(w->annotations, sizeof w->annotations, "\"weir.dev/restore-from\":\"path:%.200s\"", some_record(w, random));
		break;
	case 11:
		w->lose = random_below(random, 4) == 0;
		break;
	case 12:
		w->fail = random_below(random, 4) == 0;
		break;
	case 13:
		w->slow = random_below(random, 4) == 0;
		break;
	case 14:
		if (w->seen.jm == SEEN_PRESENT && w->seen.job == JOB_RUNNING)
			snprintf(w->seen.savepoint_path, sizeof w->seen.savepoint_path, "%.500s", some_record(w, random));
		break;
	case 15:
		if (w->seen.rest != SEEN_ABSENT)
			w->seen.rest = random_below(random, 4) == 0 ? SEEN_UNKNOWN : SEEN_PRESENT;
		break;
	case 16:
		w->seen.disposal = random_below(random, 3) == 0 ? random_below(random, 5) : SAVEPOINT_COMPLETED;
		break;
	case 17:
		if (w->seen.job == JOB_RUNNING)
			snprintf(w->seen.checkpoint_path, sizeof w->seen.checkpoint_path, "%.500s", some_record(w, random));
		break;
	case 18:
		w->config.snapshots.resources = !w->config.snapshots.resources;
		w->seen.snapshot_resource = random_below(random, 3);
		break;
	case 19:
		w->config.snapshots.max_age_ms = (int64_t)random_below(random, 2) * 3600000;
		break;
	case 20: /* the JobManager is lost */
		if (w->seen.jm == SEEN_PRESENT && random_below(random, 4) == 0) {
			world_apply(w, EFFECT_DELETE_CLUSTER);
			snprintf(w->annotations, sizeof w->annotations, "\"weir.dev/restore-from\":\"path:%.200s\"",
				 some_record(w, random));
		}
		break;
	default:
		break;
	}
}

static void test_anything(void **state)
{
	(void)state;
	int64_t disposed = 0, kept = 0;
	for (uint64_t seed = 1; seed <= 25; seed++) {
		uint64_t stream = seed;
		struct random random = random_seeded(&stream);
		struct world w;
		cleaning(&w, 2, 0);
		for (int i = 0; i < 250; i++) {
			if (i % 2 == 0)
				happen(&w, &random);
			struct ledger before;
			ledger_copy(&before, &w.ledger);
			if (world_turn(&w) == EFFECT_DISPOSE_SAVEPOINT)
				check_disposal(&w, &before);
			ledger_free(&before);
		}
		disposed += w.effects[EFFECT_DISPOSE_SAVEPOINT];
		kept += w.ledger.record_count;
		world_free(&w);
	}
	assert_true(disposed > 50); /* else nothing was shown */
	assert_true(kept > 25);
}

static void test_needed(void **state)
{
	(void)state;
	struct ledger l;
	ledger_init(&l);
	struct ledger_launch *launch = ledger_add_launch(&l);
	launch->spec = mem_strdup("{\"job\":{\"initialSavepointPath\":\"file:\\/\\/\\/s\\/initial\",\"args\":[\"s3://b/savepoint-1/\"]}}");
	LEDGER_SET(launch->restore.path, "file:///s/restored");
	LEDGER_SET(l.newest.path, "s3://b/newest");
	LEDGER_SET(l.next.path, "file:/s/next/");
	LEDGER_SET(l.op.dir, "file:/s/weir-1-1");
	static const struct {
		const char *path;
		bool needed;
	} rows[] = {
		{ "file:/s/restored", true }, { "file:///s/restored/", true }, { "file:/s/restored/x", true },
		{ "file:/s", true },	      { "file:/s/restored2", false },  { "file:/s/restor", false },
		{ "s3://b/newest", true },    { "s3://b/newest/", true },      { "s3://c/newest", false },
		{ "file:///s/next", true },   { "file:/s/weir-1-1/sp", true }, { "file:/s/weir-1-10/sp", false },
		{ "file:/s/initial", true },  { "s3://b/savepoint-1", true },  { "s3://b/savepoint-2", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (snapshot_needed(&l, rows[i].path) != rows[i].needed)
			fail_msg("%s", rows[i].path);
	assert_false(snapshot_needed(&l, ""));
	ledger_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_count),
					    cmocka_unit_test(test_age),
					    cmocka_unit_test(test_needed_by_another),
					    cmocka_unit_test(test_thought_better_of),
					    cmocka_unit_test(test_fails),
					    cmocka_unit_test(test_anything),
					    cmocka_unit_test(test_needed) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
