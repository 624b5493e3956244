/*
 * decide: nanoseconds of one decision about a typical resource (a FlinkDeployment of 2 KiB with status, 12 launches in its ledger, 10
 * savepoints), and of what goes with it in a turn. Prints "WHAT<TAB>NANOSECONDS"; exits 1 where a decision is not the one that is
 * expected. Built and run by run.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lifecycle/decide.h"
#include "lifecycle/digest.h"

enum { ROUNDS = 7, NOW_MS = 1000000000 };

static const char resource_text[] =
	"{\"apiVersion\":\"flink.apache.org/"
	"v1beta1\",\"kind\":\"FlinkDeployment\",\"metadata\":{\"name\":\"orders\",\"namespace\":\"shop\","
	"\"uid\":\"0b0c6d2e-7d3e-4c1b-9f3a-2f6a1d9f4b11\",\"generation\":7,\"finalizers\":[\"flinkdeployments.flink.apache.org/"
	"finalizer\"],"
	"\"annotations\":{\"weir.dev/commit\":\"0123456789abcdef0123456789abcdef01234567\",\"weir.dev/sync\":\"shop\"}},"
	"\"spec\":{\"image\":\"registry.example/orders:1.4.2\",\"flinkVersion\":\"v1_20\",\"serviceAccount\":\"flink\","
	"\"flinkConfiguration\":{\"taskmanager.numberOfTaskSlots\":\"2\",\"state.backend.type\":\"rocksdb\","
	"\"execution.checkpointing.interval\":\"30 s\",\"execution.checkpointing.dir\":\"s3://state/orders/checkpoints\","
	"\"execution.checkpointing.savepoint-dir\":\"s3://state/orders/savepoints\",\"high-availability.type\":\"kubernetes\","
	"\"high-availability.storageDir\":\"s3://state/orders/ha\",\"execution.checkpointing.num-retained\":\"3\","
	"\"restart-strategy.type\":\"exponential-delay\",\"metrics.reporter.prom.port\":\"9249\"},"
	"\"jobManager\":{\"resource\":{\"memory\":\"2048m\",\"cpu\":1}},\"taskManager\":{\"resource\":{\"memory\":\"4096m\",\"cpu\":2}},"
	"\"podTemplate\":{\"spec\":{\"containers\":[{\"name\":\"flink-main-container\",\"env\":[{\"name\":\"TOPIC\",\"value\":\"orders\"}],"
	"\"volumeMounts\":[{\"name\":\"secrets\",\"mountPath\":\"/etc/orders\"}]}],\"volumes\":[{\"name\":\"secrets\",\"secret\":"
	"{\"secretName\":\"orders\"}}]}},"
	"\"job\":{\"jarURI\":\"local:///opt/flink/usrlib/orders.jar\",\"entryClass\":\"example.Orders\",\"args\":[\"--topic\",\"orders\"],"
	"\"parallelism\":4,\"state\":\"running\",\"upgradeMode\":\"savepoint\"}}}";

struct bench {
	struct doc *doc;
	struct node *spec;
	struct ledger ledger;
	struct observation seen;
	struct job_config config;
	struct policy policy;
	struct session_view session;
	char digest[65];
	struct decide_input in;
};

static void history(struct bench *b)
{
	struct ledger *l = &b->ledger;
	ledger_init(l);
	LEDGER_SET(l->uid, node_find_text(doc_root(b->doc), "metadata/uid"));
	struct buf spec = BUF_INIT;
	node_to_json(b->spec, &spec, JSON_COMPACT);
	for (int i = 0; i < LEDGER_LAUNCHES; i++) {
		struct ledger_launch *launch = ledger_add_launch(l);
		job_id_of(l->uid, launch->number, launch->job_id);
		LEDGER_SET(launch->commit, "0123456789abcdef0123456789abcdef01234567");
		LEDGER_SET(launch->digest, b->digest);
		launch->digest[0] = i == LEDGER_LAUNCHES - 1 ? launch->digest[0] : 'x';
		launch->submitted_at = launch->running_at = launch->stable_at = i + 1;
		launch->ended_at = i == LEDGER_LAUNCHES - 1 ? 0 : i + 2;
		launch->checkpoints = 2;
		launch->restore.kind = RESTORE_PATH;
		(void)snprintf(launch->restore.path, sizeof launch->restore.path, "s3://state/orders/savepoints/weir-%d-1/savepoint-0a1b2c",
			       i);
		launch->spec = strdup(buf_text(&spec));
	}
	for (int i = 0; i < 10; i++) {
		struct ledger_record *r = ledger_add_record(l, i + 1);
		r->kind = SNAPSHOT_SAVEPOINT;
		(void)snprintf(r->path, sizeof r->path, "s3://state/orders/savepoints/weir-snapshot-%d/savepoint-0a1b2c", i);
		LEDGER_SET(r->type, "PERIODIC");
		LEDGER_SET(r->format, "CANONICAL");
	}
	l->had_checkpoint = 1;
	ledger_note_state(l, "s3://state/orders/checkpoints/0a/chk-41", NOW_MS - 5000);
	buf_free(&spec);
}

static void world(struct bench *b)
{
	struct observation *s = &b->seen;
	s->jm = s->pods = s->ha = s->rest = s->checkpoints = SEEN_PRESENT;
	s->jm_launch = LEDGER_LAUNCHES;
	s->jm_available = s->jm_complete = s->ha_checkpoint = true;
	s->jm_pods = 1;
	s->tm_pods = 2;
	s->job = JOB_RUNNING;
	s->running_jobs = 1;
	s->checkpoints_completed = 42;
	LEDGER_SET(s->checkpoint_path, "s3://state/orders/checkpoints/0a/chk-42");
	b->config = (struct job_config){ .checkpointing = true, .checkpoint_interval_ms = 30000, .ha = true, .retained = true };
	LEDGER_SET(b->config.savepoint_dir, "s3://state/orders/savepoints");
	b->config.snapshots.cleanup = b->config.snapshots.own_trigger = b->config.snapshots.can_checkpoint = true;
	b->config.snapshots.max_count = 10;
	b->policy = policy_default();
}

/* One more decision on what the one before left, so that nothing is left to be noted. */
static void settle(struct bench *b)
{
	for (int i = 0; i < 3; i++) {
		struct decision d;
		decide(&b->in, &d);
		node_set(b->doc, doc_root(b->doc), "status", node_copy(b->doc, doc_root(d.status)));
		ledger_free(&b->ledger);
		ledger_copy(&b->ledger, &d.ledger);
		decision_free(&d);
	}
}

static bool quiet(struct bench *b)
{
	struct decision d;
	decide(&b->in, &d);
	bool ok = d.effect == EFFECT_NONE && !d.ledger_changed && d.status != NULL;
	decision_free(&d);
	return ok;
}

static bool upgrade(struct bench *b)
{
	struct decide_input in = b->in;
	struct decision d;
	in.digest = "another";
	decide(&in, &d);
	bool ok = d.effect == EFFECT_STOP_WITH_SAVEPOINT && d.ledger_changed;
	decision_free(&d);
	return ok;
}

static bool digest(struct bench *b)
{
	char out[65];
	spec_digest(b->spec, NULL, out);
	return strcmp(out, b->digest) == 0;
}

static bool write_ledger(struct bench *b)
{
	AUTOBUF text = BUF_INIT;
	ledger_write(&b->ledger, &text);
	return text.len > 1000;
}

static bool read_ledger(struct bench *b)
{
	static struct buf text;
	if (text.len == 0)
		ledger_write(&b->ledger, &text);
	struct ledger l;
	bool ok = ledger_read(&l, buf_text(&text), text.len, NULL);
	if (ok)
		ledger_free(&l);
	return ok;
}

static double now_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* CPU time of one call; the best of some rounds, since other work on the machine only ever adds to it. */
static bool measure(struct bench *b, const char *what, bool (*call)(struct bench *b), int calls)
{
	double best = 0;
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();
		for (int i = 0; i < calls; i++)
			if (!call(b)) {
				(void)fprintf(stderr, "%s: not what is expected\n", what);
				return false;
			}
		double each = (now_ns() - start) / calls;
		best = round == 0 || each < best ? each : best;
	}
	printf("%s\t%.0f\n", what, best);
	return true;
}

int main(void)
{
	static struct bench b;
	struct error err = ERROR_INIT;
	b.doc = doc_parse_json(resource_text, sizeof resource_text - 1, "resource", NULL, &err);
	if (b.doc == NULL) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	b.spec = node_get(doc_root(b.doc), "spec");
	spec_digest(b.spec, NULL, b.digest);
	history(&b);
	world(&b);
	b.in = (struct decide_input){ .session = &b.session,
				      .resource = doc_root(b.doc),
				      .digest = b.digest,
				      .commit = "0123456789abcdef",
				      .ledger = &b.ledger,
				      .seen = &b.seen,
				      .policy = &b.policy,
				      .config = &b.config,
				      .leader = "bench/1",
				      .fresh_id = "0123456789abcdef0123456789abcdef",
				      .now_ms = NOW_MS };
	settle(&b);
	bool ok = measure(&b, "decide, nothing to do", quiet, 5000) && measure(&b, "decide, an upgrade begins", upgrade, 5000) &&
		  measure(&b, "digest of the spec", digest, 5000) && measure(&b, "ledger as text", write_ledger, 2000) &&
		  measure(&b, "ledger from text", read_ledger, 2000);
	ledger_free(&b.ledger);
	doc_free(b.doc);
	return ok ? 0 : 1;
}
