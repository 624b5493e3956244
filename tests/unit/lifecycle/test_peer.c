/*
 * The Apache operator as a peer: resources as it left them are taken over, and what Weir writes afterwards is what the peer would have
 * written. fixtures/peer/ holds resources (three of them recorded on a cluster), fixtures/peer/cases.yaml what is changed in them and what
 * has to follow; README.md there describes the form.
 */
#include "decision_words.h"
#include "lifecycle/digest.h"
#include "peer_rules.h"

enum { NOW = 1800000000, TURNS = 6, CASES_MAX = 64 };

static int complaints;

/* ---- what is given ---- */

/* null removes a member, maps are merged, anything else replaces. */
static void merge_changes(struct doc *doc, struct node *to, const struct node *changes)
{
	for (size_t i = 0; i < node_count(changes); i++) {
		const char *key = node_key_at(changes, i);
		const struct node *value = node_value_at(changes, i);
		if (node_is(value, NODE_NULL))
			(void)node_remove(to, key);
		else if (node_is(value, NODE_MAP) && node_is(node_get(to, key), NODE_MAP))
			merge_changes(doc, node_get(to, key), value);
		else
			node_set(doc, to, key, node_copy(doc, value));
	}
}

static struct doc *recorded(const char *name)
{
	AUTOFREE char *path = mem_printf("%s/peer/%s.yaml", FIXTURES, name);
	struct doc *doc = peer_read_yaml(path);
	if (doc == NULL)
		fail_msg("%s cannot be read", path);
	return doc;
}

/* One of the peer's texts with its spec changed; the order of members and the nulls stay. */
static char *text_with(const char *text, const struct node *given, const struct node *changes)
{
	AUTODOC *doc = doc_parse_json(text, strlen(text), "text", NULL, NULL);
	assert_non_null(doc);
	struct node *spec = node_get(doc_root(doc), "spec");
	if (node_get(given, "first") != NULL)
		node_set(doc, node_get(doc_root(doc), "resource_metadata"), "firstDeployment", node_copy(doc, node_get(given, "first")));
	merge_changes(doc, spec, changes);
	struct buf out = BUF_INIT;
	if (str_eq(node_text(node_get(given, "layout")), "flat")) { /* before 1.2 */
		node_set_text(doc, spec, "apiVersion", "flink.apache.org/v1beta1");
		node_to_json(spec, &out, JSON_COMPACT);
	} else {
		node_to_json(doc_root(doc), &out, JSON_COMPACT);
	}
	return buf_take(&out);
}

static struct node *resource_of(struct doc *doc, const struct node *given)
{
	AUTODOC *of = recorded(node_text_or(node_get(given, "of"), "native-min"));
	struct node *resource = node_copy(doc, doc_root(of));
	struct node *metadata = node_get(resource, "metadata");
	struct node *texts = node_find(resource, "status/reconciliationStatus");
	AUTOFREE char *before = mem_strdup(node_text(node_get(texts, "lastReconciledSpec")));
	AUTOFREE char *text = text_with(before, given, node_get(given, "text"));
	node_set_text(doc, texts, "lastReconciledSpec", text);
	const struct node *stable = node_get(given, "stable");
	if (node_is(stable, NODE_MAP)) {
		AUTOFREE char *other = text_with(before, given, stable);
		node_set_text(doc, texts, "lastStableSpec", other);
	} else if (str_eq(node_text(stable), "same")) {
		node_set_text(doc, texts, "lastStableSpec", text);
	}
	merge_changes(doc, node_get(resource, "spec"), node_get(given, "spec"));
	merge_changes(doc, node_get(resource, "status"), node_get(given, "status"));
	if (node_get(given, "text_raw") != NULL)
		node_set_text(doc, texts, "lastReconciledSpec", node_text(node_get(given, "text_raw")));
	node_set_text(doc, node_ensure_map(doc, metadata, "annotations"), "weir.dev/adopt", "a");
	merge_changes(doc, node_get(metadata, "annotations"), node_get(given, "annotations"));
	return resource;
}

/* ---- the world: what is there does not change but by effects ---- */

struct world {
	struct node *resource;
	struct ledger ledger;
	struct observation seen;
	struct job_config config;
	struct session_view session;
	struct policy policy;
	enum subject subject;
	int64_t now;
	struct buf effects, reasons;
	struct doc *status;
};

static void world_open(struct world *w, struct doc *doc, const struct node *given, const char *name)
{
	*w = (struct world){ .policy = policy_default(), .now = NOW };
	w->config =
		(struct job_config){ .checkpointing = true, .checkpoint_interval_ms = 1000, .retained = true, .block_on_unmanaged = true };
	LEDGER_SET(w->config.savepoint_dir, "file:///s");
	LEDGER_SET(w->config.snapshots.savepoint_format, "CANONICAL");
	LEDGER_SET(w->config.snapshots.checkpoint_type, "FULL");
	w->config.snapshots.can_checkpoint = w->config.snapshots.own_trigger = true;
	w->resource = resource_of(doc, given);
	w->subject = str_eq(node_find_text(w->resource, "kind"), "FlinkSessionJob") ? SUBJECT_SESSION_JOB
		     : node_is(node_find(w->resource, "spec/job"), NODE_MAP)	    ? SUBJECT_APPLICATION
										    : SUBJECT_SESSION;
	w->session = (struct session_view){ .cluster = SEEN_PRESENT, .ready = true, .jobs = SEEN_PRESENT };
	ledger_init(&w->ledger);
	struct observation *s = &w->seen;
	s->jm = s->pods = s->ha = SEEN_ABSENT;
	if (!str_eq(node_text(node_get(given, "world")), "nothing")) {
		s->jm = s->pods = s->rest = s->checkpoints = SEEN_PRESENT;
		s->jm_available = true;
		s->jm_pods = s->tm_pods = w->subject == SUBJECT_SESSION_JOB ? 0 : 1;
		s->job = JOB_RUNNING;
		s->checkpoints_completed = 5;
		LEDGER_SET(s->checkpoint_path, "file:///c/chk-5");
	}
	fill(s, seen_fields, node_get(given, "seen"), name);
	fill(&w->config, config_fields, node_get(given, "config"), name);
}

static void world_close(struct world *w)
{
	ledger_free(&w->ledger);
	buf_free(&w->effects);
	buf_free(&w->reasons);
	doc_free(w->status);
}

/* Of a job that the ledger does not know nobody asks Flink: see agent/observe. */
static struct observation world_look(const struct world *w)
{
	struct observation s = w->seen;
	const struct ledger *l = &w->ledger;
	if (l->launch_count > 0 && (l->launches[l->launch_count - 1].ended_at == 0 || w->subject == SUBJECT_SESSION_JOB))
		return s;
	s.rest = s.checkpoints = SEEN_UNKNOWN;
	s.job = JOB_NONE;
	s.checkpoints_completed = 0;
	s.checkpoint_path[0] = '\0';
	if (w->subject == SUBJECT_SESSION_JOB)
		s.jm = SEEN_ABSENT;
	return s;
}

/* False: it did something beyond adopting. */
static bool world_turn(struct world *w, struct doc *doc, const char *name)
{
	struct observation s = world_look(w);
	char digest[65];
	spec_digest(node_get(w->resource, "spec"), NULL, digest);
	struct decide_input in = { .subject = w->subject,
				   .session = &w->session,
				   .resource = w->resource,
				   .digest = digest,
				   .commit = "c0ffee0",
				   .ledger = &w->ledger,
				   .seen = &s,
				   .policy = &w->policy,
				   .config = &w->config,
				   .leader = "test",
				   .fresh_id = "0123456789abcdef0123456789abcdef",
				   .now_ms = w->now };
	struct decision d;
	decide(&in, &d);
	w->now += 20000;
	AUTOBUF text = BUF_INIT;
	ledger_write(&d.ledger, &text);
	ledger_free(&w->ledger);
	assert_true(ledger_read(&w->ledger, buf_text(&text), text.len, NULL));
	for (int i = 0; i < d.reason_count; i++)
		buf_printf(&w->reasons, "%s; ", d.reasons[i]);
	bool adopts = d.effect == EFFECT_ADOPT_CLUSTER;
	if (d.effect != EFFECT_NONE)
		buf_printf(&w->effects, "%s%s", w->effects.len == 0 ? "" : " ", effect_name(d.effect));
	if (adopts) {
		w->seen.jm_launch = ledger_live(&w->ledger)->number;
		w->seen.jm_complete = true;
	}
	if (d.status != NULL) {
		complaints += peer_check_status(FIXTURES, name, doc_root(d.status), w->subject, false);
		node_set(doc, w->resource, "status", node_copy(doc, doc_root(d.status)));
		doc_free(w->status);
		w->status = TAKE(d.status);
	}
	bool quiet = d.effect == EFFECT_NONE || adopts;
	decision_free(&d);
	return quiet;
}

/* ---- what has to follow ---- */

static void complain(const struct world *w, const char *name, const char *what, const char *wanted, const char *got)
{
	if (str_eq(wanted, got))
		return;
	(void)fprintf(stderr, "%s: %s is %s, expected %s\n\t(%s stuck: %s)\n", name, what, got == NULL ? "(none)" : got,
		      wanted == NULL ? "(none)" : wanted, buf_text(&w->reasons), w->ledger.stuck);
	complaints++;
}

static void check_restore(const struct world *w, const char *name, const char *what, const struct node *then,
			  const struct ledger_restore *r)
{
	const struct node *wanted = node_get(then, what);
	if (wanted == NULL)
		return;
	complain(w, name, what, node_find_text(wanted, "kind"), restore_words[r->kind & 3]);
	if (node_get(wanted, "path") != NULL)
		complain(w, name, what, node_find_text(wanted, "path"), r->path);
}

static void check(const struct world *w, const char *name, const struct node *then, const char *digest, const char *job_id)
{
	static const char *const words[] = { "effects", "launches", "live",    "stable", "number", "job",    "content",
					     "says",	"status",   "restore", "next",	 "newest", "ledger", NULL };
	const struct ledger *l = &w->ledger;
	const struct ledger_launch *last = l->launch_count == 0 ? &(struct ledger_launch){ 0 } : &l->launches[l->launch_count - 1];
	AUTOFREE char *launches = mem_printf("%lld", (long long)l->launch_count);
	AUTOFREE char *number = mem_printf("%lld", (long long)last->number);
	AUTOBUF text = BUF_INIT;
	ledger_write(l, &text);
	AUTODOC *ledger = doc_parse_json(buf_text(&text), text.len, "ledger", NULL, NULL);
	bool live = l->launch_count > 0 && last->ended_at == 0;
	for (size_t i = 0; i < node_count(then); i++)
		(void)word(words, node_key_at(then, i), name);
	complain(w, name, "the list of effects", node_text_or(node_get(then, "effects"), ""), buf_text(&w->effects));
	complain(w, name, "launches", node_text_or(node_get(then, "launches"), "1"), launches);
	complain(w, name, "live", node_truth(node_get(then, "live"), true) ? "true" : "false", live ? "true" : "false");
	if (node_get(then, "stable") != NULL)
		complain(w, name, "stable", node_truth(node_get(then, "stable"), true) ? "true" : "false",
			 last->stable_at != 0 ? "true" : "false");
	if (node_get(then, "number") != NULL)
		complain(w, name, "the launch's number", node_text(node_get(then, "number")), number);
	if (live && w->subject != SUBJECT_SESSION && !str_eq(node_text(node_get(then, "job")), "new"))
		complain(w, name, "the job's id", node_text_or(node_get(then, "job"), job_id), last->job_id);
	if (live)
		complain(w, name, "the content", node_text_or(node_get(then, "content"), "same"),
			 strcmp(last->digest, digest) == 0 ? "same" : "other");
	check_restore(w, name, "restore", then, &last->restore);
	check_restore(w, name, "next", then, &l->next);
	check_restore(w, name, "newest", then, &l->newest);
	const char *says = node_text(node_get(then, "says"));
	if (says != NULL && strstr(buf_text(&w->reasons), says) == NULL)
		complain(w, name, "what is said", says, "something else");
	for (size_t i = 0; i < node_count(node_get(then, "ledger")); i++) {
		const struct node *wanted = node_get(then, "ledger");
		complain(w, name, node_key_at(wanted, i), node_text(node_value_at(wanted, i)),
			 node_find_text(doc_root(ledger), node_key_at(wanted, i)));
	}
	for (size_t i = 0; i < node_count(node_get(then, "status")); i++) {
		const struct node *wanted = node_get(then, "status");
		complain(w, name, node_key_at(wanted, i), node_text(node_value_at(wanted, i)),
			 w->status == NULL ? NULL : node_find_text(doc_root(w->status), node_key_at(wanted, i)));
	}
}

static void run_case(const struct node *root)
{
	static const char *const words[] = { "of",    "world",	"spec",	       "status", "text",   "text_raw", "stable",
					     "first", "layout", "annotations", "seen",	 "config", NULL };
	AUTODOC *doc = doc_new();
	const char *name = node_text_or(node_get(root, "name"), "(no name)");
	const struct node *given = node_get(root, "given");
	struct world w;
	char digest[65];
	for (size_t i = 0; i < node_count(given); i++)
		(void)word(words, node_key_at(given, i), name);
	world_open(&w, doc, given, name);
	spec_digest(node_get(w.resource, "spec"), NULL, digest);
	AUTOFREE char *job_id = mem_strdup(node_text_or(node_find(w.resource, "status/jobStatus/jobId"), ""));
	for (int i = 0; i < TURNS && world_turn(&w, doc, name); i++)
		;
	check(&w, name, node_get(root, "then"), digest, job_id);
	world_close(&w);
}

static void cases(void **state)
{
	(void)state;
	AUTOFREE char *path = mem_printf("%s/peer/cases.yaml", FIXTURES);
	AUTODOC *doc = peer_read_yaml(path);
	const struct node *list = node_get(doc_root(doc), "cases");
	assert_true(node_count(list) > 20 && node_count(list) < CASES_MAX);
	complaints = 0;
	for (size_t i = 0; i < node_count(list); i++)
		run_case(node_at(list, i));
	printf("%zu statuses of the peer\n", node_count(list));
	assert_int_equal(complaints, 0);
}

/* ---- what Weir writes ---- */

static const char *const all[] = { "native-min", "native-full", "sa-min", "session", "session-job" };

/* Byte by byte: members and their order, nulls, defaults, numbers. */
static void texts_are_the_peers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		AUTODOC *doc = recorded(all[i]);
		const char *want = node_find_text(doc_root(doc), "status/reconciliationStatus/lastReconciledSpec");
		AUTODOC *text = doc_parse_json(want, strlen(want), "text", NULL, NULL);
		AUTOBUF got = BUF_INIT;
		spec_last_reconciled(node_get(doc_root(doc), "spec"), node_text_or(node_find(doc_root(text), "spec/job/state"), ""),
				     node_text_or(node_find(doc_root(text), "spec/job/upgradeMode"), ""),
				     node_truth(node_find(doc_root(text), "resource_metadata/firstDeployment"), false), &got);
		assert_string_equal(buf_text(&got), want);
	}
}

static void compare(const char *name, const char *path, const struct node *theirs, const struct node *ours)
{
	if (strcmp(path, ".reconciliationStatus.reconciliationTimestamp") == 0 && node_is(ours, NODE_NUMBER))
		return; /* the deadline of a launch that is not stable is counted anew */
	for (size_t i = 0; node_is(theirs, NODE_MAP) && node_is(ours, NODE_MAP) && i < node_count(theirs); i++) {
		AUTOFREE char *below = mem_printf("%s.%s", path, node_key_at(theirs, i));
		compare(name, below, node_value_at(theirs, i), node_get(ours, node_key_at(theirs, i)));
	}
	for (size_t i = 0; node_is(theirs, NODE_MAP) && i < node_count(ours); i++) {
		bool more = strcmp(node_key_at(ours, i), "conditions") == 0; /* the peer has none for session jobs */
		if (node_get(theirs, node_key_at(ours, i)) == NULL && !more) {
			(void)fprintf(stderr, "%s: status%s.%s is not the peer's\n", name, path, node_key_at(ours, i));
			complaints++;
		}
	}
	if (node_is(theirs, NODE_MAP) && node_is(ours, NODE_MAP))
		return;
	if (!node_equal(theirs, ours)) {
		(void)fprintf(stderr, "%s: status%s is %s, the peer's %s\n", name, path, node_text_or(ours, "(none)"),
			      node_text_or(theirs, "(none)"));
		complaints++;
	}
}

/* Seen as the peer saw it, a resource that was adopted has the status that it had, field by field. */
static void status_is_as_it_was(void **state)
{
	(void)state;
	complaints = 0;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		AUTODOC *doc = doc_new();
		AUTODOC *was = recorded(all[i]);
		struct world w;
		struct node *given = node_map(doc);
		node_set_text(doc, given, "of", all[i]);
		world_open(&w, doc, given, all[i]);
		if (str_eq(node_find_text(doc_root(was), "status/jobManagerDeploymentStatus"), "DEPLOYING")) {
			w.seen.rest = w.seen.checkpoints = SEEN_UNKNOWN;
			w.seen.job = JOB_NONE;
			w.seen.jm_available = false;
		}
		for (int n = 0; n < 3; n++)
			assert_true(world_turn(&w, doc, all[i]));
		w.status = w.status == NULL ? doc_new() : w.status;
		compare(all[i], "", node_get(doc_root(was), "status"), doc_root(w.status));
		world_close(&w);
	}
	assert_int_equal(complaints, 0);
}

/* ---- taken back half-way ---- */

/* What the world makes of an effect, at once. */
static void world_apply(struct world *w, const char *effect, bool broken)
{
	struct observation *s = &w->seen;
	if (str_ends(effect, "stop-with-savepoint")) {
		s->savepoint = SAVEPOINT_COMPLETED;
		(void)snprintf(s->savepoint_location, sizeof s->savepoint_location, "%.400s/sp", w->ledger.op.dir);
		LEDGER_SET(s->savepoint_path, s->savepoint_location);
		LEDGER_SET(s->checkpoint_path, s->savepoint_location);
		s->job = JOB_FINISHED;
	} else if (str_ends(effect, "delete-cluster")) {
		*s = (struct observation){ .jm = SEEN_ABSENT, .pods = SEEN_PRESENT, .ha = SEEN_ABSENT, .tm_pods = 1 };
	} else if (str_ends(effect, "create-cluster")) {
		s->jm = s->pods = s->rest = s->checkpoints = SEEN_PRESENT;
		s->jm_launch = w->ledger.op.launch;
		s->jm_available = s->jm_complete = true;
		s->jm_pods = s->tm_pods = 1;
		s->job = broken ? JOB_FAILED : JOB_RUNNING;
		s->checkpoints_completed = broken ? 0 : 5;
		LEDGER_SET(s->checkpoint_path, broken ? "" : "file:///c/chk-9");
	} else if (s->jm == SEEN_ABSENT) {
		s->tm_pods = 0;
	}
}

/* Were the peer to go on from this status: from which state would it start the job that is down? NULL: it would not start one. */
static const char *peer_would_start_from(const struct node *status)
{
	const char *state = node_text_or(node_find(status, "reconciliationStatus/state"), "");
	const char *text = node_find_text(status, "reconciliationStatus/lastReconciledSpec");
	AUTODOC *doc = text == NULL ? NULL : doc_parse_json(text, strlen(text), "text", NULL, NULL);
	if (doc == NULL || strcmp(state, "DEPLOYED") == 0 || !str_eq(node_find_text(status, "jobManagerDeploymentStatus"), "MISSING"))
		return NULL;
	const char *mode = node_text_or(node_find(doc_root(doc), "spec/job/upgradeMode"), "");
	const char *path = node_find_text(status, "jobStatus/upgradeSavepointPath");
	if (node_truth(node_find(doc_root(doc), "resource_metadata/firstDeployment"), true))
		return "nothing: it takes it for a first deployment";
	if (!str_eq(node_find_text(doc_root(doc), "spec/job/state"), "suspended"))
		return "nothing: it takes it for running";
	if (strcmp(mode, "savepoint") == 0)
		return path == NULL ? "nothing: no path" : path;
	return strcmp(mode, "last-state") == 0 ? "HA metadata" : "nothing: stateless";
}

/* An upgrade of what was adopted, from its first turn on; in between the peer could go on from where Weir is. */
static void upgrade(struct world *w, struct doc *doc, bool broken, const char *until)
{
	int looked = 0;
	for (int i = 0; i < 40; i++) {
		size_t before = w->effects.len;
		(void)world_turn(w, doc, until);
		world_apply(w, buf_text(&w->effects) + before, broken && w->ledger.launches[w->ledger.launch_count - 1].number == 2);
		const char *from = w->status == NULL ? NULL : peer_would_start_from(doc_root(w->status));
		if (from != NULL)
			assert_string_equal(from, "file:///s/weir-1-1/sp");
		looked += from != NULL;
		if (w->ledger.launch_count > 1 && w->ledger.op.kind == OP_NONE && w->status != NULL &&
		    str_eq(node_find_text(doc_root(w->status), "lifecycleState"), until)) {
			assert_true(looked > 2);
			return;
		}
	}
	fail_msg("never %s: %s (%s)", until, buf_text(&w->effects), buf_text(&w->reasons));
}

static struct node *upgrade_given(struct doc *doc)
{
	static const char text[] = "{of: native-min, stable: same, spec: {job: {upgradeMode: savepoint}, image: 'flink:1.20-v2'}}";
	AUTODOC *given = doc_parse_yaml_one(text, strlen(text), "given", NULL);
	return node_copy(doc, doc_root(given));
}

static void half_way_the_peer_finds_the_state(void **state)
{
	(void)state;
	AUTODOC *doc = doc_new();
	struct world w;
	complaints = 0;
	world_open(&w, doc, upgrade_given(doc), "upgrade");
	upgrade(&w, doc, false, "STABLE");
	const struct node *r = node_get(doc_root(w.status), "reconciliationStatus");
	const char *text = node_find_text(r, "lastReconciledSpec");
	assert_string_equal(text, node_find_text(r, "lastStableSpec"));
	assert_non_null(strstr(text, "\"image\":\"flink:1.20-v2\""));
	assert_non_null(strstr(text, "\"state\":\"running\""));
	assert_non_null(strstr(text, "\"upgradeMode\":\"savepoint\"")); /* the one that was used */
	assert_non_null(strstr(text, "\"firstDeployment\":false"));
	assert_string_equal(node_find_text(doc_root(w.status), "jobStatus/upgradeSavepointPath"), "file:///s/weir-1-1/sp");
	assert_int_equal(complaints, 0);
	world_close(&w);
}

/* lastReconciledSpec stays the version that failed: with the stable one in it the peer would take what git holds for a change. */
static void rolled_back_the_peer_does_not_upgrade_again(void **state)
{
	(void)state;
	AUTODOC *doc = doc_new();
	struct world w;
	complaints = 0;
	world_open(&w, doc, upgrade_given(doc), "rollback");
	upgrade(&w, doc, true, "ROLLED_BACK");
	const struct node *r = node_get(doc_root(w.status), "reconciliationStatus");
	assert_non_null(strstr(node_text_or(node_get(r, "lastReconciledSpec"), ""), "\"image\":\"flink:1.20-v2\""));
	assert_non_null(strstr(node_text_or(node_get(r, "lastStableSpec"), ""), "\"image\":\"flink:1.20\""));
	assert_int_equal(complaints, 0);
	world_close(&w);
}

/* The checks above and in test_decisions.c can fail. */
static void rules_find_what_is_wrong(void **state)
{
	(void)state;
	AUTODOC *was = recorded("native-min");
	struct node *status = node_get(doc_root(was), "status");
	assert_int_equal(peer_check_status(FIXTURES, "as it was", status, SUBJECT_APPLICATION, false), 0);
	(void)fprintf(stderr, "two complaints are expected:\n");
	node_set_int(was, node_get(status, "jobStatus"), "startTime", 5);
	assert_int_equal(peer_check_status(FIXTURES, "a number for a text", status, SUBJECT_APPLICATION, false), 1);
	(void)node_remove(node_get(status, "jobStatus"), "startTime");
	node_set_text(was, status, "lifecycleState", "STABLE");
	assert_int_equal(peer_check_status(FIXTURES, "a state that does not follow", status, SUBJECT_APPLICATION, false), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_the_peers),
		cmocka_unit_test(status_is_as_it_was),
		cmocka_unit_test(cases),
		cmocka_unit_test(half_way_the_peer_finds_the_state),
		cmocka_unit_test(rolled_back_the_peer_does_not_upgrade_again),
		cmocka_unit_test(rules_find_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
