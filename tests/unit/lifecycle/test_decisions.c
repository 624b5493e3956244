/*
 * Decisions as text: every document of fixtures/decisions/ (a YAML file each topic) says what is given and what has to follow. README.md there
 * describes the form. A row of the behaviour tables is a document, named after what it shows.
 */
#include <dirent.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "decision_words.h"
#include "lifecycle/digest.h"
#include "peer_rules.h"

enum { NOW_MS = 1000000000 };

/* ---- given ---- */

/* What ran before; `ledger` and `launch` (the last launch) are put over it. */
static const struct {
	const char *name, *text;
} pasts[] = {
	{ "none", "{}" },
	{ "old",
	  "{had_checkpoint: 1, launches: [{digest: other, commit: 0ddba11, spec: {job: {args: [old]}}, submitted_at: 1, running_at: 1, "
	  "stable_at: 1, checkpoints: 2, restore: {kind: empty}}]}" },
	{ "same",
	  "{had_checkpoint: 1, launches: [{digest: same, commit: c0ffee0, submitted_at: 1, running_at: 1, stable_at: 1, checkpoints: 2, "
	  "restore: {kind: empty}}]}" },
	{ "fresh",
	  "{had_checkpoint: 1, newest: {kind: path, path: 'file:///s/sp-1'}, launches: [{digest: other, commit: 0ddba11, spec: {job: "
	  "{args: [old]}}, submitted_at: 1, running_at: 1, stable_at: 1, ended_at: 2, checkpoints: 2, outcome: stopped, restore: {kind: "
	  "empty}}, {digest: same, commit: c0ffee0, submitted_at: 999990000, restore: {kind: path, path: 'file:///s/sp-1'}}]}" },
	{ "first", "{launches: [{digest: same, commit: c0ffee0, submitted_at: 999990000, restore: {kind: empty}}]}" },
	{ "stopped",
	  "{had_checkpoint: 1, newest: {kind: path, path: 'file:///s/sp-1'}, next: {kind: path, path: 'file:///s/sp-1'}, launches: "
	  "[{digest: same, commit: c0ffee0, submitted_at: 1, running_at: 1, stable_at: 1, ended_at: 2, checkpoints: 2, outcome: "
	  "stopped, restore: {kind: empty}}]}" },
};

static void observe_running(struct observation *s, int64_t launch)
{
	s->jm = s->pods = s->rest = s->checkpoints = SEEN_PRESENT;
	s->ha = SEEN_ABSENT;
	s->jm_launch = launch;
	s->jm_available = s->jm_complete = true;
	s->jm_pods = s->tm_pods = 1;
	s->job = JOB_RUNNING;
	s->checkpoints_completed = 5;
	LEDGER_SET(s->checkpoint_path, "file:///c/chk-5");
}

static void observe(struct observation *s, const struct node *given, const struct ledger *l, const char *name)
{
	const char *world = node_text_or(node_get(given, "world"), "running");
	*s = (struct observation){ 0 };
	if (strcmp(world, "running") == 0)
		observe_running(s, l->launch_count == 0 ? 1 : l->launches[l->launch_count - 1].number);
	else if (strcmp(world, "nothing") == 0)
		s->jm = s->pods = s->ha = SEEN_ABSENT;
	else if (strcmp(world, "unseen") != 0)
		fail_msg("%s: world: expected running, nothing or unseen", name);
	fill(s, seen_fields, node_get(given, "seen"), name);
}

static struct node *resource_of(struct doc *doc, const struct node *given)
{
	struct node *resource = node_map(doc);
	struct node *metadata = node_ensure_map(doc, resource, "metadata");
	node_set_text(doc, metadata, "name", "orders");
	node_set_text(doc, metadata, "namespace", "shop");
	node_set_text(doc, metadata, "uid", node_text_or(node_get(given, "uid"), "u-1"));
	node_set_int(doc, metadata, "generation", 2);
	if (node_truth(node_get(given, "finalizer"), true)) {
		struct node *list = node_list(doc);
		bool job = str_eq(node_text(node_get(given, "subject")), "session-job");
		node_append(doc, list, node_string(doc, subject_finalizer(job ? SUBJECT_SESSION_JOB : SUBJECT_APPLICATION)));
		node_set(doc, metadata, "finalizers", list);
	}
	if (node_truth(node_get(given, "deleting"), false))
		node_set_text(doc, metadata, "deletionTimestamp", "2026-01-01T00:00:00Z");
	if (node_get(given, "annotations") != NULL)
		node_set(doc, metadata, "annotations", node_copy(doc, node_get(given, "annotations")));
	node_set(doc, resource, "spec", node_get(given, "spec") == NULL ? node_map(doc) : node_copy(doc, node_get(given, "spec")));
	struct node *spec = node_get(resource, "spec");
	if (node_get(given, "mode") != NULL) {
		struct node *job = node_ensure_map(doc, spec, "job");
		node_set_text(doc, job, "upgradeMode", node_text(node_get(given, "mode")));
		if (node_get(job, "state") == NULL)
			node_set_text(doc, job, "state", "running");
	}
	if (node_get(given, "status") != NULL)
		node_set(doc, resource, "status", node_copy(doc, node_get(given, "status")));
	return resource;
}

static void read_launch(struct doc *doc, struct node *launch, int64_t number, const struct node *spec, const char *digest, const char *name)
{
	kind_word(doc, node_get(launch, "restore"), restore_words, name);
	if (node_get(launch, "number") == NULL)
		node_set_int(doc, launch, "number", number);
	if (node_get(launch, "job_id") == NULL)
		node_set(doc, launch, "job_id", node_printf(doc, "%032lld", (long long)number));
	digest_word(doc, launch, digest);
	const struct node *launched = node_get(launch, "spec");
	if (launched != NULL || str_eq(node_text(node_get(launch, "digest")), digest)) {
		AUTOBUF text = BUF_INIT;
		node_to_json(launched == NULL || str_eq(node_text(launched), "same") ? spec : launched, &text, JSON_COMPACT);
		node_set_text(doc, launch, "spec", buf_text(&text));
	}
}

static struct node *past_of(struct doc *doc, const char *past, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(pasts); i++) {
		if (strcmp(pasts[i].name, past) != 0)
			continue;
		struct error err = ERROR_INIT;
		AUTODOC *parsed = doc_parse_yaml_one(pasts[i].text, strlen(pasts[i].text), "past", &err);
		if (parsed == NULL)
			fail_msg("%s: %s", past, err.message);
		return node_copy(doc, doc_root(parsed));
	}
	fail_msg("%s: no such past: %s", name, past);
	return NULL;
}

/* The ledger in its own form, with words for kinds, digest "same" for the spec's, and a spec given as a map or as "same". */
static void read_ledger(struct ledger *l, struct doc *doc, const struct node *given, const struct node *spec, const char *digest,
			const char *name)
{
	const char *past = node_text(node_get(given, "past"));
	ledger_init(l);
	if (past == NULL && node_get(given, "ledger") == NULL)
		return;
	struct node *map = past_of(doc, past == NULL ? "none" : past, name);
	merge(doc, map, node_get(given, "ledger"));
	struct node *launches = node_get(map, "launches");
	const struct node *over = node_get(given, "launch");
	struct node *last = node_at(launches, node_count(launches) - 1);
	if (node_get(over, "spec") != NULL)
		(void)node_remove(last, "spec"); /* a spec is given as a whole */
	merge(doc, last, over);
	static const char *const restores[] = { "next", "newest" };
	for (size_t i = 0; i < ARRAY_SIZE(restores); i++)
		kind_word(doc, node_get(map, restores[i]), restore_words, name);
	kind_word(doc, node_get(map, "op"), op_words, name);
	digest_word(doc, node_get(map, "op"), digest);
	kind_word(doc, node_get(map, "snapshot"), snapshot_words, name);
	for (size_t i = 0; i < node_count(node_get(map, "records")); i++)
		kind_word(doc, node_at(node_get(map, "records"), i), snapshot_words, name);
	for (size_t i = 0; i < node_count(node_get(map, "quarantine")); i++)
		digest_word(doc, node_at(node_get(map, "quarantine"), i), digest);
	if (node_get(map, "uid") == NULL)
		node_set_text(doc, map, "uid", "u-1");
	for (size_t i = 0; i < node_count(launches); i++)
		read_launch(doc, node_at(launches, i), (int64_t)i + 1, spec, digest, name);
	if (node_get(map, "next_launch") == NULL)
		node_set_int(doc, map, "next_launch", (int64_t)node_count(launches) + 1);
	AUTOBUF text = BUF_INIT, again = BUF_INIT;
	node_to_json(map, &text, JSON_COMPACT);
	struct error err = ERROR_INIT;
	if (!ledger_read(l, buf_text(&text), text.len, &err))
		fail_msg("%s: %s", name, err.message);
	/* a misspelt field would be lost without a word */
	ledger_write(l, &again);
	AUTODOC *kept = doc_parse_json(buf_text(&again), again.len, "ledger", NULL, NULL);
	for (size_t i = 0; i < node_count(map); i++) {
		const char *key = node_key_at(map, i);
		const struct node *value = node_value_at(map, i);
		const struct node *number = node_is(value, NODE_MAP) ? node_get(value, "kind") : value;
		if (node_get(doc_root(kept), key) == NULL && node_integer(number, 1) != 0) /* zeros are not written */
			fail_msg("%s: the ledger has no field %s", name, key);
	}
}

/* ---- then ---- */

/* Every document is looked at, and every expectation, before the test fails. */
static int complaints;

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	complaints++;
}

static bool says(const struct decision *d, const char *text)
{
	for (int i = 0; i < d->reason_count; i++)
		if (strstr(d->reasons[i], text) != NULL)
			return true;
	return strstr(d->ledger.stuck, text) != NULL;
}

static bool emits(const struct decision *d, const char *reason)
{
	for (int i = 0; i < d->event_count; i++)
		if (strcmp(d->events[i].reason, reason) == 0)
			return true;
	return false;
}

static const struct node *condition(const struct decision *d, const char *type)
{
	const struct node *list = d->status == NULL ? NULL : node_get(doc_root(d->status), "conditions");
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_find_text(node_at(list, i), "type"), type))
			return node_at(list, i);
	return NULL;
}

static void want_text(const char *name, const char *what, const char *wanted, const char *got, const struct decision *d)
{
	if (!str_eq(wanted, got))
		complain("%s: %s is %s, expected %s (stuck: %s; first reason: %s)", name, what, got == NULL ? "(none)" : got,
			 wanted == NULL ? "(none)" : wanted, d->ledger.stuck, d->reason_count > 0 ? d->reasons[0] : "");
}

static void want_truth(const char *name, const char *what, const struct node *wanted, bool got)
{
	if (!node_is(wanted, NODE_BOOL) || node_truth(wanted, false) != got)
		complain("%s: %s is %s", name, what, got ? "true" : "false");
}

static void want_number(const char *name, const char *what, const struct node *wanted, int64_t got)
{
	if (!node_is(wanted, NODE_NUMBER) || node_integer(wanted, 0) != got)
		complain("%s: %s is %lld, expected %s", name, what, (long long)got, node_text_or(wanted, "(none)"));
}

static void check_restore(const char *name, const char *what, const struct node *then, const struct ledger_restore *got,
			  const struct decision *d)
{
	if (node_get(then, "kind") != NULL)
		want_text(name, what, node_text(node_get(then, "kind")), restore_words[got->kind & 3], d);
	if (node_get(then, "path") != NULL)
		want_text(name, what, node_text(node_get(then, "path")), got->path, d);
	if (node_count(then) == 0)
		complain("%s: %s: expected kind or path", name, what);
}

/* Paths into a tree; null: nothing there. */
static void check_paths(const char *name, const struct node *wanted, const struct node *tree, const struct decision *d)
{
	for (size_t i = 0; i < node_count(wanted); i++)
		want_text(name, node_key_at(wanted, i), node_text(node_value_at(wanted, i)), node_find_text(tree, node_key_at(wanted, i)),
			  d);
}

static void check_ledger(const char *name, const struct node *wanted, const struct decision *d)
{
	AUTOBUF text = BUF_INIT;
	ledger_write(&d->ledger, &text);
	AUTODOC *doc = doc_parse_json(buf_text(&text), text.len, "ledger", NULL, NULL);
	assert_non_null(doc);
	check_paths(name, wanted, doc_root(doc), d);
}

static bool check_ledger_word(const char *name, const char *key, const struct node *value, const struct decision *d)
{
	const struct ledger *l = &d->ledger;
	const struct ledger_launch *last = l->launch_count == 0 ? NULL : &l->launches[l->launch_count - 1];
	bool live = last != NULL && last->ended_at == 0;
	const char *text = node_text(value);
	if (strcmp(key, "op") == 0)
		want_text(name, "the operation", text, op_words[l->op.kind], d);
	else if (strcmp(key, "op_reason") == 0)
		want_text(name, "the operation's reason", text, l->op.reason, d);
	else if (strcmp(key, "keep_ha") == 0)
		want_truth(name, key, value, l->op.keep_ha != 0);
	else if (strcmp(key, "next") == 0)
		check_restore(name, "the next state", value, &l->next, d);
	else if (strcmp(key, "newest") == 0)
		check_restore(name, "the newest state", value, &l->newest, d);
	else if (strcmp(key, "restore") == 0 && last != NULL)
		check_restore(name, "the launch's state", value, &last->restore, d);
	else if (strcmp(key, "launches") == 0)
		want_number(name, key, value, l->launch_count);
	else if (strcmp(key, "records") == 0)
		want_number(name, key, value, l->record_count);
	else if (strcmp(key, "live") == 0)
		want_truth(name, key, value, live);
	else if (strcmp(key, "stable") == 0)
		want_truth(name, key, value, live && last->stable_at != 0);
	else if (strcmp(key, "outcome") == 0)
		want_text(name, "the outcome", text, last == NULL ? NULL : last->outcome, d);
	else if (strcmp(key, "quarantined") == 0)
		want_truth(name, key, value, l->quarantine_count > 0);
	else if (strcmp(key, "snapshot") == 0)
		want_text(name, "the open snapshot", text, snapshot_words[l->snapshot.kind], d);
	else if (strcmp(key, "ledger_changed") == 0)
		want_truth(name, key, value, d->ledger_changed);
	else if (strcmp(key, "ledger") == 0)
		check_ledger(name, value, d);
	else
		return false;
	return true;
}

static void check_one(const char *name, const char *key, const struct node *value, const struct decision *d)
{
	const char *text = node_text_or(value, "");
	if (check_ledger_word(name, key, value, d))
		return;
	if (strcmp(key, "effect") == 0)
		want_text(name, "the effect", text, effect_name(d->effect), d);
	else if (strcmp(key, "says") == 0 || strcmp(key, "not_says") == 0) {
		if (says(d, text) != (*key == 's'))
			complain("%s: %s \"%s\"; stuck: %s; first: %s", name, key, text, d->ledger.stuck,
				 d->reason_count > 0 ? d->reasons[0] : "");
	} else if (strcmp(key, "event") == 0 || strcmp(key, "no_event") == 0) {
		if (emits(d, text) != (*key == 'e'))
			complain("%s: %s %s; first: %s", name, key, text, d->event_count > 0 ? d->events[0].reason : "");
	} else if (strcmp(key, "condition") == 0 || strcmp(key, "no_condition") == 0) {
		if ((condition(d, text) != NULL) != (*key == 'c'))
			complain("%s: %s %s; stuck: %s", name, key, text, d->ledger.stuck);
	} else if (strcmp(key, "next_ms") == 0) {
		want_number(name, key, value, d->next_ms);
	} else if (strcmp(key, "status") == 0) {
		check_paths(name, value, d->status == NULL ? NULL : doc_root(d->status), d);
	} else {
		complain("%s: then: no such word: %s", name, key);
	}
}

/* ---- one turn ---- */

static const char *const given_words[] = { "world",  "subject", "spec",	   "mode",   "annotations", "uid",    "finalizer", "deleting",
					   "status", "invalid", "foreign", "commit", "past",	    "ledger", "launch",	   "seen",
					   "config", "policy",	"session", "moved",  "after_ms",    NULL };

static void check_move(const struct node *given, struct doc *doc, struct ledger *moved, struct move_view *move, const char *name)
{
	const struct node *from = node_get(given, "moved");
	read_ledger(moved, doc, from, NULL, "moved", name);
	*move = (struct move_view){ .ledger = node_truth(node_get(from, "seen"), true) ? moved : NULL };
	move->resource = (enum seen)word(seen_words, node_text_or(node_get(from, "resource"), "absent"), name);
	move->deleting = node_truth(node_get(from, "deleting"), false);
}

/* `ledger` is what the turn before left, or NULL for what is given; *out and *status are its. */
static void turn(const struct node *given, const struct node *then, const struct ledger *ledger, int64_t now, struct ledger *out,
		 struct doc **status, const char *name)
{
	AUTODOC *doc = doc_new();
	struct node *resource = resource_of(doc, given);
	if (*status != NULL && node_get(given, "status") == NULL)
		node_set(doc, resource, "status", node_copy(doc, doc_root(*status)));
	const struct node *spec = node_get(resource, "spec");
	char digest[65];
	spec_digest(spec, NULL, digest);
	if (str_eq(decide_annotation(resource, "weir.dev/allow-empty"), "same"))
		node_set_text(doc, node_find(resource, "metadata/annotations"), "weir.dev/allow-empty", digest);
	struct ledger given_ledger, moved;
	struct observation seen;
	struct job_config config = { .checkpointing = true, .checkpoint_interval_ms = 1000, .retained = true, .block_on_unmanaged = true };
	struct policy policy = policy_default();
	struct session_view session = { 0 };
	struct move_view move;
	LEDGER_SET(config.savepoint_dir, "file:///s");
	LEDGER_SET(config.snapshots.savepoint_format, "CANONICAL");
	LEDGER_SET(config.snapshots.checkpoint_type, "FULL");
	config.snapshots.can_checkpoint = config.snapshots.own_trigger = true;
	if (ledger == NULL)
		read_ledger(&given_ledger, doc, given, spec, digest, name);
	else
		ledger_copy(&given_ledger, ledger);
	check_move(given, doc, &moved, &move, name);
	observe(&seen, given, &given_ledger, name);
	fill(&config, config_fields, node_get(given, "config"), name);
	fill(&policy, policy_fields, node_get(given, "policy"), name);
	fill(&session, session_fields, node_get(given, "session"), name);
	struct decide_input in = { .subject =
					   (enum subject)word(subject_words, node_text_or(node_get(given, "subject"), "application"), name),
				   .session = &session,
				   .move = node_get(given, "moved") == NULL ? NULL : &move,
				   .foreign = node_text(node_get(given, "foreign")),
				   .resource = resource,
				   .digest = digest,
				   .commit = node_text_or(node_get(given, "commit"), "c0ffee0"),
				   .invalid = node_text(node_get(given, "invalid")),
				   .ledger = &given_ledger,
				   .seen = &seen,
				   .policy = &policy,
				   .config = &config,
				   .leader = "test",
				   .fresh_id = "0123456789abcdef0123456789abcdef",
				   .now_ms = now };
	struct decision d;
	decide(&in, &d);
	if (d.status != NULL && node_get(given, "status") == NULL)
		complaints += peer_check_status(FIXTURES, name, doc_root(d.status), in.subject,
						node_find(resource, "metadata/deletionTimestamp") != NULL);
	if (node_get(then, "effect") == NULL)
		complain("%s: which effect is expected?", name);
	for (size_t i = 0; i < node_count(then); i++)
		check_one(name, node_key_at(then, i), node_value_at(then, i), &d);
	ledger_copy(out, &d.ledger);
	doc_free(*status);
	*status = TAKE(d.status);
	decision_free(&d);
	ledger_free(&given_ledger);
	ledger_free(&moved);
}

/* The first turn, and those of `steps`, each with what is given anew for it over what was given before. */
static void run(const struct node *root, const char *file)
{
	AUTODOC *doc = doc_new();
	AUTODOC *status = NULL;
	AUTOFREE char *name = mem_printf("%s: %s", file, node_text_or(node_get(root, "name"), "(no name)"));
	struct node *given = node_get(root, "given") == NULL ? node_map(doc) : node_copy(doc, node_get(root, "given"));
	const struct node *steps = node_get(root, "steps");
	struct ledger ledger;
	int64_t now = NOW_MS;
	turn(given, node_get(root, "then"), NULL, now, &ledger, &status, name);
	for (size_t i = 0; i < node_count(steps); i++) {
		const struct node *step = node_at(steps, i);
		AUTOFREE char *of = mem_printf("%s (step %zu)", name, i + 2);
		struct ledger next;
		for (size_t k = 0; k < node_count(step); k++) {
			const char *key = node_key_at(step, k);
			if (strcmp(key, "then") != 0 && strcmp(key, "seen") != 0)
				node_set(doc, given, key, node_copy(doc, node_value_at(step, k)));
		}
		if (node_get(step, "world") != NULL)
			(void)node_remove(given, "seen");
		if (node_get(step, "seen") != NULL)
			merge(doc, node_ensure_map(doc, given, "seen"), node_get(step, "seen"));
		now += node_integer(node_get(step, "after_ms"), 1000);
		turn(given, node_get(step, "then"), &ledger, now, &next, &status, of);
		ledger_free(&ledger);
		ledger = next;
	}
	for (size_t i = 0; i < node_count(given); i++)
		(void)word(given_words, node_key_at(given, i), name);
	ledger_free(&ledger);
}

static size_t run_file(const char *folder, const char *file)
{
	AUTOFREE char *path = mem_printf("%s/%s", folder, file);
	AUTOBUF text = BUF_INIT;
	FILE *in = fopen(path, "re");
	assert_non_null(in);
	char part[4096];
	for (size_t n; (n = fread(part, 1, sizeof part, in)) > 0;)
		buf_append(&text, part, n);
	(void)fclose(in);
	size_t documents = 0;
	/* a document ends at a line "---" */
	for (const char *at = buf_text(&text); *at != '\0';) {
		const char *end = strstr(at, "\n---\n");
		size_t len = end == NULL ? strlen(at) : (size_t)(end - at) + 1;
		struct error err = ERROR_INIT;
		AUTODOC *doc = doc_parse_yaml_one(at, len, file, &err);
		if (doc == NULL)
			fail_msg("%s: document %zu: %s", file, documents + 1, err.message);
		if (doc_root(doc) != NULL) {
			run(doc_root(doc), file);
			documents++;
		}
		at += end == NULL ? len : len + 4;
	}
	assert_true(documents > 0);
	printf("%s: %zu decisions\n", file, documents);
	return documents;
}

static void decisions(void **state)
{
	(void)state;
	const char *folder = FIXTURES "/decisions";
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);
	assert_true(n > 0);
	size_t documents = 0;
	const char *only = getenv("DECISIONS_ONLY"); /* one file, while it is being written */
	for (int i = 0; i < n; i++) {
		if (str_ends(names[i]->d_name, ".yaml") && (only == NULL || strcmp(only, names[i]->d_name) == 0))
			documents += run_file(folder, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	assert_true(documents > 0);
	printf("%zu decisions\n", documents);
	assert_int_equal(complaints, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(decisions) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
