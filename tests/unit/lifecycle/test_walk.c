/*
 * Walks: a job in a small world, where before each turn every event of a table may come, to a depth. What is looked for is what one decision
 * cannot show: that no launch ever starts behind a state that the job completed, that content which failed is never launched again, and
 * that versions are not changed to and fro.
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

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { DEPTH = 5 };
#else
enum { DEPTH = 6 };
#endif
enum { NOW_MS = 1000000000, PATH_MAX_LEN = DEPTH * 3 };

enum event { NOTHING, RUNS, FAILS, VANISHES, BLIND, SILENT, STOPS, LINGERS, EVENT_COUNT };
static const char *const event_names[] = { "nothing", "runs", "fails", "vanishes", "blind", "silent", "stops", "lingers" };

/* What is true; what is seen of it is `seen`. */
struct world {
	struct ledger ledger;
	struct observation seen;
	struct job_config config;
	int64_t newest; /* the number of the newest state that was completed */
	int64_t in_ha;	/* that of the HA metadata */
	int64_t now;
};

struct walk {
	struct doc *resource;
	char digest[65];
	struct policy policy;
	enum event taken[PATH_MAX_LEN];
	int length;
	int64_t decisions, launches;
};

static void say_path(const struct walk *w, struct buf *out)
{
	for (int i = 0; i < w->length; i++)
		buf_printf(out, " %s", event_names[w->taken[i]]);
}

#define HOLDS(w, condition)                                                   \
	do {                                                                  \
		if (!(condition)) {                                           \
			AUTOBUF path_ = BUF_INIT;                             \
			say_path(w, &path_);                                  \
			fail_msg("%s after%s", #condition, buf_text(&path_)); \
		}                                                             \
	} while (0)

/* ---- the world ---- */

static void told(struct world *v)
{
	(void)snprintf(v->seen.checkpoint_path, sizeof v->seen.checkpoint_path, "file:///c/%lld", (long long)v->newest);
}

static void cluster_gone(struct world *v)
{
	struct observation *s = &v->seen;
	enum seen ha = s->ha;
	bool checkpoint = s->ha_checkpoint;
	*s = (struct observation){ .jm = SEEN_ABSENT, .pods = SEEN_ABSENT, .ha = ha, .ha_checkpoint = checkpoint };
}

static void ha_gone(struct world *v)
{
	v->seen.ha = SEEN_ABSENT;
	v->seen.ha_checkpoint = false;
	v->in_ha = 0;
}

static void job_ends(struct world *v, enum job_state state)
{
	v->seen.job = state;
	ha_gone(v);
}

/* Flink's and Kubernetes' side of what was asked for. */
static void world_apply(struct world *v, enum effect effect)
{
	struct observation *s = &v->seen;
	switch (effect) {
	case EFFECT_CREATE_CLUSTER:
		s->jm = s->pods = s->rest = s->checkpoints = SEEN_PRESENT;
		s->jm_launch = v->ledger.op.launch;
		s->jm_available = s->jm_complete = true;
		s->jm_pods = s->tm_pods = 1;
		s->job = JOB_CREATED;
		s->checkpoint_path[0] = '\0';
		break;
	case EFFECT_DELETE_CLUSTER:
		cluster_gone(v);
		break;
	case EFFECT_DELETE_HA:
		ha_gone(v);
		break;
	case EFFECT_STOP_WITH_SAVEPOINT:
		s->savepoint = SAVEPOINT_IN_PROGRESS;
		break;
	case EFFECT_CANCEL_JOB:
		if (!job_state_terminal(s->job))
			job_ends(v, JOB_CANCELED);
		break;
	default:
		break;
	}
}

/* False: it cannot come now. What hides something is undone before the next. */
static bool world_event(struct world *v, enum event event)
{
	struct observation *s = &v->seen;
	bool up = s->jm == SEEN_PRESENT && !job_state_terminal(s->job);
	v->now += 2000;
	switch (event) {
	case NOTHING:
		return true;
	case RUNS:
		if (!up)
			return false;
		v->now += 20000;
		s->job = JOB_RUNNING;
		s->checkpoints_completed += 3;
		v->newest++;
		told(v);
		if (v->config.ha) {
			s->ha = SEEN_PRESENT;
			s->ha_checkpoint = true;
			v->in_ha = v->newest;
		}
		return true;
	case FAILS:
		if (!up)
			return false;
		job_ends(v, JOB_FAILED);
		return true;
	case VANISHES: /* with an intent to create it still open nobody can tell whether it ran (no HA): left out */
		if (s->jm != SEEN_PRESENT || v->ledger.op.kind == OP_LAUNCH)
			return false;
		cluster_gone(v);
		return true;
	case SILENT:
		v->now += 3600000;
		return up && s->job == JOB_CREATED;
	case STOPS:
		if (!up || s->savepoint != SAVEPOINT_IN_PROGRESS || v->ledger.op.kind != OP_STOP)
			return false;
		v->newest++;
		s->savepoint = SAVEPOINT_COMPLETED;
		(void)snprintf(s->savepoint_location, sizeof s->savepoint_location, "%.400s/%lld", v->ledger.op.dir, (long long)v->newest);
		memcpy(s->savepoint_path, s->savepoint_location, sizeof s->savepoint_path);
		memcpy(s->checkpoint_path, s->savepoint_location, sizeof s->checkpoint_path);
		job_ends(v, JOB_FINISHED);
		return true;
	case BLIND:
	case LINGERS:
	case EVENT_COUNT:
		break;
	}
	return true;
}

/* ---- a turn ---- */

static int64_t number_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL ? 0 : strtoll(slash + 1, NULL, 10);
}

static void check_launch(struct walk *w, const struct world *v, const struct decision *d)
{
	const struct ledger_launch *launch = &d->ledger.launches[d->ledger.launch_count - 1];
	w->launches++;
	HOLDS(w, ledger_quarantined(&v->ledger, launch->digest) == NULL);
	HOLDS(w, launch->restore.kind == RESTORE_HA || launch->restore.kind == RESTORE_PATH);
	int64_t from = launch->restore.kind == RESTORE_HA ? v->in_ha : number_of(launch->restore.path);
	HOLDS(w, from == v->newest);
}

static void turn(struct walk *w, struct world *v, enum event event)
{
	struct observation seen = v->seen;
	if (event == BLIND)
		seen = (struct observation){ 0 };
	if (event == LINGERS && seen.jm == SEEN_ABSENT) {
		seen.pods = SEEN_PRESENT;
		seen.tm_pods = 1;
	} else if (event == LINGERS) { /* the JobManager does not answer */
		seen.rest = seen.checkpoints = SEEN_UNKNOWN;
		seen.job = JOB_NONE;
		seen.savepoint = SAVEPOINT_UNKNOWN;
		seen.checkpoint_path[0] = seen.savepoint_path[0] = '\0';
		seen.checkpoints_completed = 0;
	}
	struct decide_input in = { .resource = doc_root(w->resource),
				   .digest = w->digest,
				   .commit = "c0ffee0",
				   .ledger = &v->ledger,
				   .seen = &seen,
				   .policy = &w->policy,
				   .config = &v->config,
				   .leader = "walk",
				   .fresh_id = "0123456789abcdef0123456789abcdef",
				   .now_ms = v->now };
	struct decision d;
	decide(&in, &d);
	w->decisions++;
	if (d.ledger.next_launch > v->ledger.next_launch)
		check_launch(w, v, &d);
	HOLDS(w, d.ledger.quarantine_count >= v->ledger.quarantine_count);
	HOLDS(w, d.effect != EFFECT_CREATE_CLUSTER || (seen.jm_pods + seen.tm_pods == 0 && seen.pods != SEEN_UNKNOWN) ||
			 seen.jm == SEEN_PRESENT);
	HOLDS(w, d.effect != EFFECT_DELETE_CLUSTER || v->ledger.op.kind == OP_REMOVE);
	HOLDS(w, event != BLIND || d.effect == EFFECT_NONE);
	enum effect effect = d.effect;
	ledger_free(&v->ledger);
	ledger_copy(&v->ledger, &d.ledger);
	decision_free(&d);
	world_apply(v, effect);
}

static void branch(struct walk *w, const struct world *from, int depth)
{
	for (int event = 0; event < EVENT_COUNT && depth > 0; event++) {
		struct world v = *from;
		if (!world_event(&v, (enum event)event))
			continue;
		ledger_copy(&v.ledger, &from->ledger);
		w->taken[w->length++] = (enum event)event;
		turn(w, &v, (enum event)event);
		/* what the ledger says is done goes on by itself: two turns that nothing disturbs */
		turn(w, &v, NOTHING);
		branch(w, &v, depth - 1);
		w->length--;
		ledger_free(&v.ledger);
	}
}

/* ---- where they begin ---- */

static void launch(struct ledger *l, const char *digest, int64_t stable, int64_t ended, const char *path)
{
	struct ledger_launch *n = ledger_add_launch(l);
	n->submitted_at = NOW_MS - 5000;
	n->running_at = n->stable_at = stable;
	n->ended_at = ended;
	n->restore.kind = RESTORE_PATH;
	LEDGER_SET(n->restore.path, path);
	LEDGER_SET(n->digest, digest);
	LEDGER_SET(n->commit, "0123456");
	job_id_of("u-1", n->number, n->job_id);
	n->spec = mem_strdup("{\"flinkVersion\":\"v1_20\",\"job\":{\"upgradeMode\":\"savepoint\",\"args\":[\"old\"]}}");
}

static void world_init(const struct walk *w, struct world *v, bool ha, bool fresh)
{
	*v = (struct world){ .newest = 7, .now = NOW_MS, .in_ha = ha && !fresh ? 7 : 0 };
	v->config = (struct job_config){ .checkpointing = true, .checkpoint_interval_ms = 1000, .ha = ha, .retained = true };
	LEDGER_SET(v->config.savepoint_dir, "file:///s");
	v->config.snapshots.own_trigger = true;
	ledger_init(&v->ledger);
	LEDGER_SET(v->ledger.uid, "u-1");
	launch(&v->ledger, "other", 1, fresh ? 2 : 0, "file:///c/3");
	if (fresh)
		launch(&v->ledger, w->digest, 0, 0, "file:///c/7");
	ledger_note_state(&v->ledger, "file:///c/7", 1);
	v->ledger.op.launch = v->ledger.next_launch - 1;
	world_apply(v, EFFECT_CREATE_CLUSTER);
	v->ledger.op.launch = 0;
	v->seen.ha = ha && !fresh ? SEEN_PRESENT : SEEN_ABSENT;
	v->seen.ha_checkpoint = ha && !fresh;
	if (!fresh) {
		v->seen.job = JOB_RUNNING;
		v->seen.checkpoints_completed = 5;
		told(v);
	}
}

static void walk_mode(const char *mode)
{
	AUTOFREE char *text = mem_printf(
		"{\"metadata\":{\"name\":\"j\",\"uid\":\"u-1\",\"generation\":2,\"finalizers\":[\"%s\"]},\"spec\":{\"flinkVersion\":"
		"\"v1_20\",\"job\":{\"state\":\"running\",\"upgradeMode\":\"%s\",\"args\":[\"new\"]}}}",
		subject_finalizer(SUBJECT_APPLICATION), mode);
	struct error err = ERROR_INIT;
	struct walk w = { .resource = doc_parse_json(text, strlen(text), "resource", NULL, &err), .policy = policy_default() };
	assert_non_null(w.resource);
	spec_digest(node_get(doc_root(w.resource), "spec"), NULL, w.digest);
	for (int i = 0; i < 4; i++) {
		struct world v;
		world_init(&w, &v, (i & 1) != 0, (i & 2) != 0);
		branch(&w, &v, DEPTH);
		ledger_free(&v.ledger);
	}
	doc_free(w.resource);
	printf("%s: %lld decisions, %lld launches\n", mode, (long long)w.decisions, (long long)w.launches);
	assert_true(w.launches > 100);
}

static void savepoint_mode(void **state)
{
	(void)state;
	walk_mode("savepoint");
}

static void last_state_mode(void **state)
{
	(void)state;
	walk_mode("last-state");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(savepoint_mode), cmocka_unit_test(last_state_mode) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
