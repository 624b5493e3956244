/*
 * Every combination of small state spaces, one decision each, and what has to hold of all of them; then walks of a few turns with every
 * possible observation between. A build with sanitizers takes every STRIDE-th combination (WEIR_GRID=full: all of them).
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
#include "lifecycle/snapshot.h"

enum { NOW_MS = 1000000000, STRIDE = 11 };

/* ---- the dimensions ---- */

enum op_case {
	CASE_NEW,	 /* nothing was ever launched */
	CASE_SAME,	 /* what should run is live */
	CASE_OTHER,	 /* other content is live */
	CASE_QUARANTINE, /* the content is quarantined, the stable one is live */
	CASE_FRESH,	 /* the content is live and unstable, a stable version is behind it */
	CASE_ENDED,
	CASE_LAUNCH, /* intents of the live launch */
	CASE_STOP,
	CASE_CANCEL,
	CASE_REMOVE,
	CASE_COUNT
};
static const char *const case_names[] = { "new", "same", "other", "quarantined", "fresh", "ended", "launch", "stop", "cancel", "remove" };

enum { JM_UNKNOWN, JM_ABSENT, JM_MINE, JM_DELETING, JM_OTHERS, JM_COUNT };
enum { PODS_UNKNOWN, PODS_NONE, PODS_SOME, PODS_COUNT };
enum { HA_UNKNOWN, HA_ABSENT, HA_EMPTY, HA_CHECKPOINT, HA_COUNT };
enum { CHECKPOINTS_UNKNOWN, CHECKPOINTS_NONE, CHECKPOINTS_RESTORED, CHECKPOINTS_SOME, CHECKPOINTS_COUNT };
enum { WANT_RUNNING, WANT_SUSPENDED, WANT_DELETED, WANT_COUNT };
enum { NEXT_UNDECIDED, NEXT_EMPTY, NEXT_PATH, NEXT_HA, NEXT_HA_PATH, NEXT_COUNT };
enum { CONFIG_RETAINED = 1, CONFIG_SAVEPOINTS = 2, CONFIG_CHECKPOINTING = 4, CONFIG_COUNT = 8 };
static const enum job_state jobs[] = { JOB_NONE, JOB_RUNNING, JOB_RESTARTING, JOB_CANCELLING, JOB_FAILED, JOB_CANCELED, JOB_FINISHED };
enum { REST_COUNT = 1 + ARRAY_SIZE(jobs) };
static const char *const modes[] = { NULL, "stateless", "savepoint", "last-state" };
enum { MODE_COUNT = ARRAY_SIZE(modes) };

struct point {
	int op, jm, pods, ha, rest, checkpoints, savepoint, mode, want, next, had, config;
};

struct dimension {
	size_t offset;
	int count;
};
#define DIMENSION(f, n)                      \
	{                                    \
		offsetof(struct point, f), n \
	}

/* ---- what is decided on ---- */

struct grid {
	struct doc *docs[MODE_COUNT][WANT_COUNT];
	char digest[65];
	struct policy policy;
	struct session_view session;
	enum subject subject;
	const struct point *at;
	int64_t decisions, all; /* of this part, of the subject */
};

static struct ledger_launch *add(struct ledger *l, const char *digest, int64_t stable, enum restore_kind kind, const char *path)
{
	struct ledger_launch *launch = ledger_add_launch(l);
	launch->submitted_at = 1000;
	launch->running_at = launch->stable_at = stable;
	launch->checkpoints = stable == 0 ? 0 : 2;
	launch->restore.kind = kind;
	LEDGER_SET(launch->restore.path, path);
	LEDGER_SET(launch->digest, digest);
	LEDGER_SET(launch->commit, "0123456");
	job_id_of("u-1", launch->number, launch->job_id);
	launch->spec = mem_strdup("{\"job\":{\"upgradeMode\":\"savepoint\",\"args\":[\"old\"]}}");
	return launch;
}

static void build_ledger(const struct grid *g, const struct point *p, struct ledger *l)
{
	static const struct ledger_restore next[NEXT_COUNT] = {
		[NEXT_EMPTY] = { .kind = RESTORE_EMPTY },
		[NEXT_PATH] = { .kind = RESTORE_PATH, .path = "file:///s/next" },
		[NEXT_HA] = { .kind = RESTORE_HA },
		[NEXT_HA_PATH] = { .kind = RESTORE_HA, .path = "file:///c/chk-4" },
	};
	ledger_init(l);
	LEDGER_SET(l->uid, "u-1");
	l->had_checkpoint = p->had;
	if (p->op == CASE_NEW)
		return;
	bool two = p->op == CASE_FRESH || p->op == CASE_LAUNCH;
	bool other = p->op == CASE_OTHER || p->op == CASE_QUARANTINE || p->op == CASE_STOP || p->op == CASE_CANCEL || p->op == CASE_REMOVE;
	struct ledger_launch *last = add(l, two || other ? "other" : g->digest, 2000, RESTORE_EMPTY, "");
	if (two) {
		last->ended_at = 3000;
		last = add(l, g->digest, 0, RESTORE_PATH, "file:///s/start");
	}
	if (p->had)
		ledger_note_state(l, "file:///s/newest", 3000);
	l->had_checkpoint = p->had;
	if (p->op == CASE_QUARANTINE)
		ledger_add_quarantine(l, g->digest, "c", "failed", 1);
	if (p->op == CASE_ENDED)
		last->ended_at = 4000;
	if (p->op == CASE_ENDED || p->op == CASE_REMOVE)
		l->next = next[p->next];
	static const enum op_kind kinds[CASE_COUNT] = {
		[CASE_LAUNCH] = OP_LAUNCH, [CASE_STOP] = OP_STOP, [CASE_CANCEL] = OP_STOP, [CASE_REMOVE] = OP_REMOVE
	};
	l->op.kind = kinds[p->op];
	if (l->op.kind == OP_NONE)
		return;
	l->op.launch = last->number;
	l->op.attempt = 1;
	l->op.started_at = NOW_MS - 5000;
	l->op.cancel = p->op == CASE_CANCEL;
	l->op.keep_ha = p->op == CASE_REMOVE && p->next >= NEXT_HA;
	LEDGER_SET(l->op.reason, p->op == CASE_LAUNCH ? "deploy" : p->want == WANT_DELETED ? "delete" : "upgrade");
	if (p->op == CASE_STOP) {
		LEDGER_SET(l->op.trigger, "0123456789abcdef0123456789abcdef");
		LEDGER_SET(l->op.dir, "file:///s/weir-1-1");
	}
}

static void build_world(const struct point *p, const struct ledger *l, struct observation *s)
{
	*s = (struct observation){ .jm = p->jm > JM_MINE ? SEEN_PRESENT : (enum seen)p->jm,
				   .pods = (enum seen)(p->pods == PODS_SOME ? SEEN_PRESENT : p->pods),
				   .ha = p->ha > HA_EMPTY ? SEEN_PRESENT : (enum seen)p->ha,
				   .ha_checkpoint = p->ha == HA_CHECKPOINT };
	int64_t number = l->launch_count == 0 ? 1 : l->launches[l->launch_count - 1].number;
	s->jm_launch = s->jm != SEEN_PRESENT ? 0 : p->jm == JM_OTHERS ? number + 7 : number;
	s->jm_deleting = p->jm == JM_DELETING;
	s->jm_available = s->jm_complete = s->jm == SEEN_PRESENT;
	s->tm_pods = p->pods == PODS_SOME;
	if (p->rest == 0)
		return;
	s->rest = SEEN_PRESENT;
	s->job = jobs[p->rest - 1];
	s->checkpoints = p->checkpoints == CHECKPOINTS_UNKNOWN ? SEEN_UNKNOWN : SEEN_PRESENT;
	s->checkpoints_completed = p->checkpoints == CHECKPOINTS_SOME ? 5 : 0;
	LEDGER_SET(s->checkpoint_path, p->checkpoints == CHECKPOINTS_SOME	? "file:///c/chk-5"
				       : p->checkpoints == CHECKPOINTS_RESTORED ? "file:///s/start"
										: "");
	s->savepoint = (enum savepoint_seen)p->savepoint;
	LEDGER_SET(s->savepoint_location, s->savepoint == SAVEPOINT_COMPLETED ? "file:/s/weir-1-1/savepoint-a" : "");
}

/* What cannot be: a JobManager that is not there and answers. Counted once each, not skipped silently. */
static bool possible(const struct point *p, enum subject subject)
{
	if (subject == SUBJECT_SESSION_JOB && (p->pods != PODS_NONE || p->ha != HA_ABSENT || p->jm > JM_MINE))
		return false; /* it has no pods nor metadata of its own, and is listed or not */
	bool other_job = p->rest != 0 && jobs[p->rest - 1] != JOB_RUNNING;
	if (subject == SUBJECT_SESSION && (p->mode != 0 || p->want == WANT_SUSPENDED || other_job || p->checkpoints != CHECKPOINTS_UNKNOWN))
		return false; /* it has no job of its own */
	if (p->jm <= JM_ABSENT && p->rest != 0)
		return false;
	if (p->rest == 0 && (p->checkpoints != CHECKPOINTS_UNKNOWN || p->savepoint != 0))
		return false;
	return p->rest != 1 || p->checkpoints == CHECKPOINTS_UNKNOWN; /* a job that is not listed has no checkpoints to tell */
}

/* ---- what holds ---- */

static void fail_at(const struct grid *g, const struct decision *d, const char *what)
{
	const struct point *p = g->at;
	fail_msg("%s: %s jm=%d pods=%d ha=%d rest=%d checkpoints=%d savepoint=%d mode=%s want=%d next=%d had=%d config=%d subject=%d: "
		 "effect %s, op %d, "
		 "next %d %s, stuck %s, first reason %s",
		 what, case_names[p->op], p->jm, p->pods, p->ha, p->rest, p->checkpoints, p->savepoint,
		 modes[p->mode] == NULL ? "-" : modes[p->mode], p->want, p->next, p->had, p->config, (int)g->subject,
		 effect_name(d->effect), (int)d->ledger.op.kind, (int)d->ledger.next.kind, d->ledger.next.path, d->ledger.stuck,
		 d->reason_count > 0 ? d->reasons[0] : "");
}

#define HOLDS(condition)                           \
	do {                                       \
		if (!(condition))                  \
			fail_at(g, d, #condition); \
	} while (0)

static bool implies(bool a, bool b)
{
	return !a || b;
}

/* A new launch, or one that goes on: never beside another, never on what is not seen, never without state but by consent. */
static void check_launch(const struct grid *g, const struct decide_input *in, const struct decision *d)
{
	const struct observation *s = in->seen;
	const struct ledger *l = &d->ledger;
	bool grew = l->next_launch > in->ledger->next_launch;
	bool starts = d->effect == EFFECT_CREATE_CLUSTER || d->effect == EFFECT_SUBMIT_JOB;
	bool cluster = g->subject != SUBJECT_SESSION_JOB;
	HOLDS(implies(starts, l->op.kind == OP_LAUNCH));
	HOLDS(implies(starts, s->jm != SEEN_UNKNOWN && s->pods != SEEN_UNKNOWN));
	HOLDS(implies(starts && grew, s->ha != SEEN_UNKNOWN));
	HOLDS(implies(starts && cluster, s->jm_pods + s->tm_pods == 0 || s->jm == SEEN_PRESENT));
	HOLDS(implies(starts && cluster && s->jm == SEEN_PRESENT, s->jm_launch == l->op.launch && !s->jm_deleting));
	HOLDS(implies(starts && grew && cluster, s->jm == SEEN_ABSENT));
	HOLDS(implies(starts && g->at->want != WANT_RUNNING, in->ledger->op.kind == OP_LAUNCH));
	if (!grew)
		return;
	const struct ledger_launch *launch = &l->launches[l->launch_count - 1];
	HOLDS(l->next_launch == in->ledger->next_launch + 1 && launch->number == in->ledger->next_launch);
	HOLDS(d->ledger_changed);
	HOLDS(strlen(launch->job_id) == 32);
	bool same_id =
		in->ledger->launch_count > 0 && strcmp(launch->job_id, in->ledger->launches[in->ledger->launch_count - 1].job_id) == 0;
	HOLDS(implies(same_id, launch->restore.kind == RESTORE_HA));
	HOLDS(launch->restore.kind != RESTORE_UNDECIDED);
	HOLDS(implies(launch->restore.kind == RESTORE_PATH, launch->restore.path[0] != '\0'));
	bool consent = str_eq(modes[g->at->mode], "stateless") || g->subject == SUBJECT_SESSION;
	HOLDS(implies(launch->restore.kind == RESTORE_EMPTY && in->ledger->had_checkpoint != 0, consent));
	HOLDS(ledger_quarantined(in->ledger, launch->digest) == NULL);
}

/* Nothing goes without an intent that was written in a turn before, nor while its state would be lost. */
static void check_removal(const struct grid *g, const struct decide_input *in, const struct decision *d)
{
	const struct observation *s = in->seen;
	const struct ledger *l = &d->ledger;
	bool unseen = s->jm == SEEN_UNKNOWN || s->pods == SEEN_UNKNOWN || s->ha == SEEN_UNKNOWN;
	bool stateless = str_eq(modes[g->at->mode], "stateless");
	if (d->effect == EFFECT_DELETE_CLUSTER) {
		HOLDS(in->ledger->op.kind == OP_REMOVE || (in->ledger->op.kind == OP_LAUNCH && s->jm_launch != in->ledger->op.launch));
		HOLDS(s->jm == SEEN_PRESENT && !s->jm_deleting);
		HOLDS(implies(in->ledger->op.kind == OP_REMOVE, !unseen));
		bool running =
			s->rest == SEEN_PRESENT && s->job == JOB_RUNNING && s->checkpoints == SEEN_PRESENT && s->checkpoints_completed > 0;
		bool kept = l->next.kind == RESTORE_HA ? s->ha_checkpoint || l->next.path[0] != '\0' : l->next.kind == RESTORE_PATH;
		const struct ledger_launch *last =
			in->ledger->launch_count == 0 ? NULL : &in->ledger->launches[in->ledger->launch_count - 1];
		bool decided = last != NULL && last->ended_at == 0 && in->ledger->next.kind != RESTORE_UNDECIDED;
		if (in->ledger->op.kind == OP_REMOVE && decided && running && in->config->checkpointing)
			HOLDS(kept || (stateless && l->next.kind == RESTORE_EMPTY));
		HOLDS(implies(running && l->op.kind == OP_REMOVE, l->had_checkpoint != 0)); /* so that an empty start needs consent */
		HOLDS(implies(running && l->op.kind == OP_REMOVE, strcmp(l->newest.path, s->checkpoint_path) == 0));
	}
	if (d->effect == EFFECT_DELETE_HA) {
		HOLDS(!unseen && s->jm == SEEN_ABSENT && s->jm_pods + s->tm_pods == 0 && s->ha == SEEN_PRESENT);
		HOLDS(l->next.kind != RESTORE_HA || g->at->want == WANT_DELETED || in->ledger->op.kind == OP_REMOVE);
		HOLDS(implies(in->ledger->op.kind == OP_REMOVE, !in->ledger->op.keep_ha));
	}
	HOLDS(implies(d->effect == EFFECT_REMOVE_FINALIZER, g->at->want == WANT_DELETED && (!unseen || g->subject == SUBJECT_SESSION_JOB)));
	bool ends_jobs = l->op.kind == OP_REMOVE && in->ledger->op.kind != OP_REMOVE && strcmp(l->op.reason, "recover") != 0;
	bool live = l->launch_count > 0 && l->launches[l->launch_count - 1].ended_at == 0;
	HOLDS(implies(g->subject == SUBJECT_SESSION && ends_jobs && live, g->session.jobs == SEEN_PRESENT && g->session.live_count == 0));
	/* a removal begins in a turn of its own */
	if (l->op.kind == OP_REMOVE && in->ledger->op.kind != OP_REMOVE) {
		HOLDS(d->effect == EFFECT_NONE && d->ledger_changed);
		HOLDS(implies(l->next.kind == RESTORE_HA && g->at->want != WANT_DELETED, l->op.keep_ha != 0));
	}
}

static void check_ledger(const struct grid *g, const struct decide_input *in, const struct decision *d)
{
	const struct ledger *l = &d->ledger;
	HOLDS(l->next_launch >= in->ledger->next_launch);
	HOLDS(l->had_checkpoint >= in->ledger->had_checkpoint);
	HOLDS(implies(in->ledger->newest.path[0] != '\0', l->newest.path[0] != '\0'));
	HOLDS(l->quarantine_count >= in->ledger->quarantine_count);
	HOLDS(implies(l->op.kind != in->ledger->op.kind || l->op.attempt != in->ledger->op.attempt, d->ledger_changed));
	HOLDS(implies(d->effect == EFFECT_STOP_WITH_SAVEPOINT, l->op.kind == OP_STOP && l->op.trigger[0] != '\0' && l->op.dir[0] != '\0'));
	HOLDS(implies(d->effect == EFFECT_CANCEL_JOB, l->op.kind == OP_STOP || l->op.kind == OP_REMOVE));
	HOLDS(d->status != NULL && d->next_ms >= 0);
	HOLDS(implies(d->effect != EFFECT_NONE || l->op.kind != OP_NONE, d->next_ms <= in->policy->poll_ms * 4));
	for (int64_t i = 1; i < l->launch_count; i++)
		HOLDS(l->launches[i - 1].number < l->launches[i].number && l->launches[i - 1].ended_at != 0);
}

static void check_round_trip(const struct grid *g, const struct decision *d)
{
	AUTOBUF text = BUF_INIT;
	struct ledger again;
	struct error err = ERROR_INIT;
	ledger_write(&d->ledger, &text);
	HOLDS(ledger_read(&again, buf_text(&text), text.len, &err));
	HOLDS(ledger_equal(&again, &d->ledger));
	ledger_free(&again);
}

/* The same is decided of the same, and a world that stands still is soon left alone. */
static void check_repeat(const struct grid *g, const struct decide_input *in, const struct decision *d)
{
	struct decision other;
	decide(in, &other);
	HOLDS(other.effect == d->effect && other.next_ms == d->next_ms && ledger_equal(&other.ledger, &d->ledger));
	HOLDS(node_equal(doc_root(other.status), doc_root(d->status)));
	decision_free(&other);
	struct decide_input again = *in;
	struct ledger ledger;
	ledger_copy(&ledger, &d->ledger);
	bool quiet = d->effect != EFFECT_NONE;
	for (int i = 0; i < 5 && !quiet; i++) {
		again.ledger = &ledger;
		decide(&again, &other);
		check_launch(g, &again, &other);
		check_removal(g, &again, &other);
		check_ledger(g, &again, &other);
		quiet = other.effect != EFFECT_NONE || !other.ledger_changed;
		ledger_free(&ledger);
		ledger_copy(&ledger, &other.ledger);
		decision_free(&other);
	}
	ledger_free(&ledger);
	HOLDS(quiet);
}

static void decide_at(struct grid *g, const struct point *p)
{
	struct ledger ledger;
	struct observation seen;
	struct job_config config = { .checkpointing = (p->config & CONFIG_CHECKPOINTING) != 0,
				     .checkpoint_interval_ms = 1000,
				     .ha = p->ha > HA_ABSENT,
				     .retained = (p->config & CONFIG_RETAINED) != 0 };
	LEDGER_SET(config.savepoint_dir, (p->config & CONFIG_SAVEPOINTS) != 0 ? "file:///s" : "");
	config.snapshots.own_trigger = true;
	build_ledger(g, p, &ledger);
	build_world(p, &ledger, &seen);
	struct decide_input in = { .subject = g->subject,
				   .session = &g->session,
				   .resource = doc_root(g->docs[p->mode][p->want]),
				   .digest = g->digest,
				   .commit = "c0ffee0",
				   .ledger = &ledger,
				   .seen = &seen,
				   .policy = &g->policy,
				   .config = &config,
				   .leader = "grid",
				   .fresh_id = "0123456789abcdef0123456789abcdef",
				   .now_ms = NOW_MS };
	struct decision decision, *d = &decision;
	g->at = p;
	decide(&in, d);
	g->decisions++;
	check_launch(g, &in, d);
	check_removal(g, &in, d);
	check_ledger(g, &in, d);
	if (g->decisions % 8 == 0)
		check_repeat(g, &in, d);
	if (g->decisions % 64 == 0)
		check_round_trip(g, d);
	decision_free(d);
	ledger_free(&ledger);
}

/* ---- all of them ---- */

static int64_t stride(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	const char *grid = getenv("WEIR_GRID");
	return grid != NULL && strcmp(grid, "full") == 0 ? 1 : STRIDE;
#else
	return 1;
#endif
}

static void walk_grid(struct grid *g, const struct point *base, const struct dimension *dimensions, size_t count)
{
	int64_t total = 1, each = stride(), skipped = 0;
	g->decisions = 0;
	for (size_t i = 0; i < count; i++)
		total *= dimensions[i].count;
	for (int64_t n = 0; n < total; n++) {
		struct point p = *base;
		int64_t rest = n;
		for (size_t i = 0; i < count; i++) {
			int value = (int)(rest % dimensions[i].count);
			memcpy((char *)&p + dimensions[i].offset, &value, sizeof value);
			rest /= dimensions[i].count;
		}
		if (!possible(&p, g->subject))
			skipped++;
		else if ((n - skipped) % each == 0)
			decide_at(g, &p);
	}
	assert_true(g->decisions > 0);
	g->all += g->decisions;
}

#define WORLD                                                                                                       \
	DIMENSION(jm, JM_COUNT), DIMENSION(pods, PODS_COUNT), DIMENSION(ha, HA_COUNT), DIMENSION(rest, REST_COUNT), \
		DIMENSION(checkpoints, CHECKPOINTS_COUNT), DIMENSION(mode, MODE_COUNT), DIMENSION(want, WANT_COUNT), DIMENSION(had, 2)

static void walk_case(struct grid *g, enum op_case op)
{
	static const struct dimension live[] = { WORLD, DIMENSION(config, CONFIG_COUNT) };
	static const struct dimension next[] = { WORLD, DIMENSION(next, NEXT_COUNT) };
	static const struct dimension stop[] = { WORLD, DIMENSION(savepoint, SAVEPOINT_FAILED + 1) };
	static const struct dimension bare[] = { WORLD };
	struct point base = { .op = (int)op, .config = CONFIG_COUNT - 1 };
	switch (op) {
	case CASE_OTHER:
	case CASE_FRESH:
		walk_grid(g, &base, live, ARRAY_SIZE(live));
		break;
	case CASE_ENDED:
	case CASE_REMOVE:
		walk_grid(g, &base, next, ARRAY_SIZE(next));
		break;
	case CASE_STOP:
		walk_grid(g, &base, stop, ARRAY_SIZE(stop));
		break;
	default:
		walk_grid(g, &base, bare, ARRAY_SIZE(bare));
	}
}

static struct doc *resource(enum subject subject, const char *mode, int want)
{
	static const char *const states[] = { "running", "suspended", "running" };
	AUTOFREE char *written = mode == NULL ? mem_strdup("") : mem_printf("\"upgradeMode\":\"%s\",", mode);
	AUTOFREE char *text =
		mem_printf("{\"metadata\":{\"name\":\"j\",\"namespace\":\"n\",\"uid\":\"u-1\",\"generation\":2,\"finalizers\":[\"%s\"]%s},"
			   "\"spec\":{\"flinkVersion\":\"v1_20\"%s%s%s%s}}",
			   subject_finalizer(subject), want == WANT_DELETED ? ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"" : "",
			   subject == SUBJECT_SESSION ? "" : ",\"job\":{", subject == SUBJECT_SESSION ? "" : written,
			   subject == SUBJECT_SESSION ? ""
			   : want == WANT_SUSPENDED   ? "\"state\":\"suspended\""
						      : "\"state\":\"running\"",
			   subject == SUBJECT_SESSION ? "" : "}");
	struct error err = ERROR_INIT;
	struct doc *doc = doc_parse_json(text, strlen(text), states[want], NULL, &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

static void grid_init(struct grid *g, enum subject subject)
{
	*g = (struct grid){ .policy = policy_default(), .subject = subject };
	g->session = (struct session_view){ .cluster = SEEN_PRESENT, .ready = true, .jobs = SEEN_PRESENT };
	for (int mode = 0; mode < MODE_COUNT; mode++)
		for (int want = 0; want < WANT_COUNT; want++)
			g->docs[mode][want] = resource(subject, modes[mode], want);
	spec_digest(node_get(doc_root(g->docs[0][0]), "spec"), NULL, g->digest);
}

static void grid_free(struct grid *g)
{
	for (int mode = 0; mode < MODE_COUNT; mode++)
		for (int want = 0; want < WANT_COUNT; want++)
			doc_free(g->docs[mode][want]);
}

static void walk_subject(enum subject subject, enum seen session_jobs, int64_t live)
{
	struct grid g;
	grid_init(&g, subject);
	g.session.jobs = session_jobs;
	g.session.live_count = live;
	for (int op = 0; op < CASE_COUNT; op++)
		walk_case(&g, (enum op_case)op);
	printf("subject %d: %lld decisions, each of them checked\n", (int)subject, (long long)g.all);
	grid_free(&g);
}

static void applications(void **state)
{
	(void)state;
	walk_subject(SUBJECT_APPLICATION, SEEN_UNKNOWN, 0);
}

static void session_jobs(void **state)
{
	(void)state;
	walk_subject(SUBJECT_SESSION_JOB, SEEN_UNKNOWN, 0);
}

static void session_clusters(void **state)
{
	(void)state;
	walk_subject(SUBJECT_SESSION, SEEN_PRESENT, 0);
	walk_subject(SUBJECT_SESSION, SEEN_PRESENT, 1);
	walk_subject(SUBJECT_SESSION, SEEN_UNKNOWN, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(applications), cmocka_unit_test(session_jobs),
					    cmocka_unit_test(session_clusters) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
