/* The nine invariants of the design, as far as one can see them from outside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/digest.h"
#include "world.h"

enum { LAUNCHES_MAX = 5, LATER_MAX = 20 };

static int job_of(const char *text)
{
	for (int i = 0; i < JOBS; i++)
		if (str_ends(text, job_names[i]))
			return i;
	return -1;
}

/* ---- after every step ---- */

static bool started_rightly(struct world *w, int job, const struct sim_start *s)
{
	if (strcmp(s->from, s->previous) == 0 && !s->since && w->last_start_at[job] >= 0)
		return true; /* nothing was completed since: what the run before began with is still what there is */
	if (s->from[0] == '\0')
		return s->newest[0] == '\0' || w->stateless[job] || w->edited_stateless[job] || w->lost_state ||
		       w->consent_at[job] >= w->last_start_at[job];
	if (w->stateless[job] || w->edited_stateless[job] || w->consent_at[job] >= w->last_start_at[job])
		return true; /* what was not to be carried over may be one checkpoint older than it could be */
	return strcmp(s->from, s->newest) == 0 || strcmp(s->from, s->beside) == 0 || strcmp(s->from, w->chosen[job]) == 0 || w->lost_state;
}

static void check_start(struct world *w, const struct sim_start *s)
{
	int job = job_of(s->job);
	if (job < 0)
		return;
	world_trace(w, "%s starts%s from '%s' (newest '%s')", s->job, s->again ? " again" : "", s->from, s->newest);
	if (s->again)
		return;
	if (!started_rightly(w, job, s))
		world_fail(w, "invariant %d: %s starts %s%s although '%s' is the newest (the run before began with '%s')",
			   s->from[0] == '\0' ? 2 : 3, s->job, s->from[0] == '\0' ? "without state" : "from ", s->from, s->newest,
			   s->previous);
	w->last_start_at[job] = world_now(w);
	if (w->healed && ++w->launches_since_change[job] > LAUNCHES_MAX)
		world_fail(w, "invariant 6: %s was launched %d times with nothing changed", s->job, w->launches_since_change[job]);
}

/* Savepoints are for nobody but Weir to dispose of. */
static void check_newest(struct world *w, int job)
{
	char path[512];
	int64_t value;
	AUTOFREE char *key = mem_printf("default/%s", job_names[job]);
	if (!w->lost_state && sim_newest(w->sim, key, path) && strstr(path, "/savepoint-") != NULL &&
	    !sim_storage_get(w->sim, path, &value))
		world_fail(w, "invariant 3: the newest state of %s was disposed of: %s", job_names[job], path);
}

void check_step(struct world *w)
{
	for (int job = 0; job < JOBS; job++)
		check_newest(w, job);
	if (sim_violations(w->sim) > 0)
		world_fail(w, "invariant 1: processes of two launches of one job at once");
	size_t count = sim_start_count(w->sim);
	while (w->starts_seen < count && !w->failed) {
		struct sim_start s = sim_start_at(w->sim, w->starts_seen++);
		check_start(w, &s);
	}
}

/* ---- before every call ---- */

static bool in_git(const struct world *w, const struct member *m, int job)
{
	const struct commit *c = m->seen_commit < 0 ? NULL : &w->commits[m->seen_commit];
	return c == NULL || c->empty || c->bad || c->present[job];
}

static void check_delete(struct world *w, const struct member *m, const struct http_request *r)
{
	static const char *const ours[] = { "/deployments/",	  "/configmaps/", "/services/",		  "/pods/",
					    "/flinkdeployments/", "/ingresses/",  "/flinkstatesnapshots/" };
	bool known = false;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		known |= strstr(r->path, ours[i]) != NULL;
	if (!known || strstr(r->path, "bystander") != NULL || strstr(r->path, "weir-ledger") != NULL ||
	    strstr(r->path, "weir-inventory") != NULL)
		world_fail(w, "invariant 7: %s %s", r->method, r->path);
	const char *resource = strstr(r->path, "/flinkdeployments/");
	const char *map = strstr(r->path, "/configmaps/");
	for (int job = 0; map != NULL && strstr(map, "-config-map") != NULL && job < JOBS; job++)
		if (w->keeps_ha[job] && str_starts(map + strlen("/configmaps/"), job_names[job]))
			world_fail(w, "invariant 3: %s %s, which is to be kept", r->method, r->path);
	for (int job = 0; resource != NULL && job < JOBS; job++)
		if (str_starts(resource + strlen("/flinkdeployments/"), job_names[job]) && in_git(w, m, job))
			world_fail(w, "invariant 7: %s %s, which git holds", r->method, r->path);
}

/* Content that preflight must refuse is never applied; the API server would show it as what should run. */
static void check_apply(struct world *w, const struct http_request *r)
{
	if (strstr(r->path, "/flinkdeployments/") == NULL || !str_eq(r->content_type, "application/apply-patch+yaml") ||
	    strstr(r->path, "dryRun") != NULL || r->body == NULL)
		return;
	static const char *const marks[] = { "does-not-exist", "missing.jar", "refuse-me" };
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strstr(r->body, marks[i]) != NULL && strstr(r->body, "weir.dev/preflight") == NULL && !w->unchecked)
			world_fail(w, "invariant 4: content that preflight must refuse was applied (%s)", marks[i]);
}

/* ---- an effect that cannot be taken back comes after its intent (invariant 8) ---- */

static struct doc *object(struct world *w, const char *resource, const char *name)
{
	AUTOFREE char *json = sim_object_json(w->sim, resource, "default", name);
	return json == NULL ? NULL : doc_parse_json(json, strlen(json), name, NULL, NULL);
}

static void note_intent(struct world *w, const char *intent)
{
	if (strstr(buf_text(&w->intents), intent) == NULL)
		buf_puts(&w->intents, intent);
}

/* Remembers what the ledgers of the jobs intend: an agent may act late on what another has replaced since. */
void check_ledgers(struct world *w)
{
	static const char *const names[] = { "orders", "clicks", "task.sessionjob" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTOFREE char *name = mem_printf("weir-ledger-%s", names[i]);
		AUTODOC *map = object(w, "configmaps", name);
		const char *text = map == NULL ? NULL : node_find_text(doc_root(map), "data/ledger.json");
		AUTODOC *doc = text == NULL ? NULL : doc_parse_json(text, strlen(text), name, NULL, NULL);
		const struct node *ledger = doc == NULL ? NULL : doc_root(doc);
		int64_t kind = node_integer(node_find(ledger, "op/kind"), OP_NONE);
		AUTOFREE char *op =
			mem_printf("<%s %lld %lld>", names[i], (long long)kind, (long long)node_integer(node_find(ledger, "op/launch"), 0));
		AUTOFREE char *trigger = mem_printf("<%s>", node_text_or(node_find(ledger, "op/trigger"), ""));
		AUTOFREE char *snapshot = mem_printf("<%s>", node_text_or(node_find(ledger, "snapshot/trigger"), ""));
		if (i < JOBS)
			w->keeps_ha[i] = kind == OP_REMOVE && node_integer(node_find(ledger, "op/keep_ha"), 0) != 0;
		note_intent(w, op);
		note_intent(w, trigger);
		note_intent(w, snapshot);
	}
}

static bool intended(const struct world *w, int job, enum op_kind kind, int64_t launch)
{
	AUTOFREE char *op = mem_printf("<%s %d %lld>", job_names[job], (int)kind, (long long)launch);
	return strstr(buf_text(&w->intents), op) != NULL;
}

static int64_t launch_of(const struct node *deployment)
{
	const char *text = node_text(node_get(node_find(deployment, "metadata/annotations"), "weir.dev/launch"));
	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

static bool create_intended(const struct world *w, const struct http_request *r)
{
	AUTODOC *body = doc_parse_json(r->body, r->body_len, "body", NULL, NULL);
	const struct node *deployment = body == NULL ? NULL : doc_root(body);
	const char *name = node_text_or(node_find(deployment, "metadata/name"), "");
	for (int job = 0; job < JOBS; job++)
		if (strcmp(name, job_names[job]) == 0)
			return intended(w, job, OP_LAUNCH, launch_of(deployment));
	return true;
}

/* What was changed in place counts as a later launch; what is in the way of a launch is removed in its name. */
static bool delete_intended(struct world *w, const char *name)
{
	for (int job = 0; job < JOBS; job++) {
		if (strcmp(name, job_names[job]) != 0)
			continue;
		AUTODOC *there = object(w, "apps/deployments", name);
		int64_t launch = there == NULL ? 0 : launch_of(doc_root(there));
		bool any = launch == 0; /* gone, or not Weir's */
		for (int64_t later = launch; later <= launch + LATER_MAX && !any; later++)
			any = intended(w, job, OP_REMOVE, later) || (later > launch && intended(w, job, OP_LAUNCH, later));
		return any;
	}
	return true;
}

/* Stops and savepoints go under an id of ours. */
static bool trigger_intended(const struct world *w, const struct http_request *r)
{
	AUTODOC *body = doc_parse_json(r->body, r->body_len, "body", NULL, NULL);
	const char *id = body == NULL ? NULL : node_find_text(doc_root(body), "triggerId");
	AUTOFREE char *trigger = mem_printf("<%s>", id == NULL ? "" : id);
	return id == NULL || strstr(buf_text(&w->intents), trigger) != NULL;
}

static void check_intent(struct world *w, const struct http_request *r)
{
	static const char deployments[] = "/namespaces/default/deployments";
	const char *at = strstr(r->path, deployments);
	bool post = strcmp(r->method, "POST") == 0 && r->body != NULL && strstr(r->path, "dryRun") == NULL;
	bool ok = true;
	if (at != NULL && post)
		ok = create_intended(w, r);
	else if (at != NULL && strcmp(r->method, "DELETE") == 0)
		ok = delete_intended(w, at + strlen(deployments) + 1);
	else if (post && (str_ends(r->path, "/stop") || str_ends(r->path, "/savepoints") || str_ends(r->path, "/checkpoints")))
		ok = trigger_intended(w, r);
	if (!ok)
		world_fail(w, "invariant 8: %s %s without its intent in the ledger", r->method, r->path);
	bool replaced = strstr(r->path, "/configmaps/weir-ledger-") != NULL && strcmp(r->method, "GET") != 0;
	if (replaced && (r->body == NULL || strstr(r->body, "\"resourceVersion\"") == NULL))
		world_fail(w, "invariant 8: %s %s is no compare and swap", r->method, r->path);
}

void check_request(struct world *w, const struct tap *tap, const struct http_request *r)
{
	check_intent(w, r);
	if (strcmp(r->method, "DELETE") == 0)
		check_delete(w, &w->members[tap->member], r);
	else if (strcmp(r->method, "PATCH") == 0)
		check_apply(w, r);
}

/* ---- at the end ---- */

struct judged {
	struct world *w;
	int job;
	const struct step_fields *git; /* what the newest commit says; NULL: nothing of it */
	const struct node *resource, *inventory;
	struct ledger ledger;
	char *why;
};

static bool not_yet(const struct judged *j, const char *what)
{
	(void)snprintf(j->why, 400, "%s: %s (ledger: op %lld, stuck '%s'; inventory: %.200s)", job_names[j->job], what,
		       (long long)j->ledger.op.kind, j->ledger.stuck, node_text_or(node_find(j->inventory, "data/inventory.json"), ""));
	return false;
}

static void sync_says(const struct judged *j, const char *what, char *out, size_t size)
{
	const char *text = node_text_or(node_find(j->inventory, "data/inventory.json"), "");
	AUTODOC *doc = doc_parse_json(text, strlen(text), "inventory", NULL, NULL);
	(void)snprintf(out, size, "%s", doc == NULL ? "" : node_text_or(node_find(doc_root(doc), what), ""));
}

static const char *sync_state(const struct judged *j)
{
	static char state[40];
	sync_says(j, "state", state, sizeof state);
	return state;
}

/* A commit that removes one job and adds its like without saying so waits for a person, as does one that preflight could not pass. */
static bool is_held(const struct judged *j)
{
	char message[4000];
	AUTOFREE char *sentence = mem_printf("FlinkDeployment/default/%s: is held", job_names[j->job]);
	sync_says(j, "message", message, sizeof message);
	return strcmp(sync_state(j), "Held") == 0 && (version_refused(j->git) || strstr(message, sentence) != NULL);
}

/* Good content stays out because preflight could not check it, although nothing is in its way any more. */
static bool is_unchecked(const struct judged *j)
{
	char message[4000];
	sync_says(j, "message", message, sizeof message);
	return j->git != NULL && !version_refused(j->git) && strstr(message, "could not check") != NULL &&
	       strstr(message, job_names[j->job]) != NULL;
}

static size_t pods_of(struct world *w, const char *job)
{
	size_t n = 0;
	AUTODOC *list = NULL;
	struct kube *kube = kube_new(sim_http(w->sim));
	static const struct kube_resource pods = { .api_version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true };
	AUTOFREE char *selector = mem_printf("app=%s,component in (jobmanager,taskmanager)", job);
	if (kube_list(kube, &pods, "default", selector, &list, NULL, NULL))
		n = node_count(node_get(doc_root(list), "items"));
	kube_free(kube);
	return n;
}

static bool nothing_runs(const struct judged *j)
{
	AUTODOC *deployment = object(j->w, "apps/deployments", job_names[j->job]);
	return deployment == NULL && pods_of(j->w, job_names[j->job]) == 0;
}

/* Does the ledger say what a person must do? */
static bool asks_a_person(const struct judged *j)
{
	static const char *const words[] = { "StateChoiceRequired",
					     "AdoptionRequired",
					     "ForeignController",
					     "the job cannot be stopped with its state",
					     "the job ended before its JobManager",
					     "the job failed",
					     "the job did not run",
					     "the job restarted",
					     "JobManager pod",
					     "the JobManager restarted" };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(j->ledger.stuck, words[i]) != NULL)
			return true;
	return strstr(j->ledger.stuck, "checkpoints failed") != NULL || strstr(j->ledger.stuck, "weir.dev/restore-from") != NULL;
}

static bool absent_settled(const struct judged *j)
{
	if (is_unchecked(j))
		return not_yet(j, "preflight has checked nothing");
	if (j->git != NULL)
		return strcmp(sync_state(j), "Failed") == 0 || strcmp(sync_state(j), "Withheld") == 0 || is_held(j) ||
		       not_yet(j, "it is not there");
	return nothing_runs(j) || not_yet(j, "the resource is gone, its cluster is not");
}

static bool running_settled(const struct judged *j, const char *digest)
{
	struct ledger *l = (struct ledger *)&j->ledger;
	const struct ledger_launch *live = ledger_live(l);
	const struct ledger_launch *stable = ledger_stable(l);
	bool quarantined = ledger_quarantined(l, digest) != NULL;
	struct sim_job job;
	if (live == NULL)
		return (quarantined && stable == NULL) || node_find_text(j->resource, "status/error") != NULL ||
		       not_yet(j, "no launch is live");
	if (strcmp(live->digest, digest) != 0 && !(quarantined && stable != NULL && strcmp(live->digest, stable->digest) == 0) &&
	    node_find_text(j->resource, "status/error") == NULL)
		return not_yet(j, "another version runs");
	if (!sim_job(j->w->sim, "default", job_names[j->job], &job))
		return not_yet(j, "no job runs");
	return strcmp(job.state, "RUNNING") == 0 || strcmp(job.state, "FINISHED") == 0 ||
	       (strcmp(job.state, "FAILED") == 0 && str_eq(node_find_text(j->resource, "status/jobStatus/state"), "FAILED")) ||
	       not_yet(j, job.state);
}

static bool resource_settled(const struct judged *j, bool tree_ok)
{
	char digest[65];
	if (node_get(node_find(j->resource, "metadata/annotations"), "weir.dev/sync") == NULL)
		return true; /* a person's own: not for Weir to touch */
	if (node_find(j->resource, "metadata/deletionTimestamp") != NULL)
		return not_yet(j, "its deletion has not come to its end");
	if (tree_ok && j->git == NULL)
		return strcmp(sync_state(j), "Held") == 0 || strcmp(sync_state(j), "Failed") == 0 || not_yet(j, "it should be gone");
	if (tree_ok && (strcmp(sync_state(j), "Pending") == 0 || is_unchecked(j)))
		return not_yet(j, "the sync is pending, or preflight has checked nothing");
	if (j->ledger.probe.pod[0] != '\0' && j->ledger.op.kind == OP_NONE)
		return not_yet(j, "the pod that looked into a storage is still there");
	if (asks_a_person(j) || (j->w->lost_state && j->ledger.op.kind == OP_NONE))
		return true; /* no program brings back what the storage lost */
	if (j->ledger.op.kind != OP_NONE)
		return not_yet(j, "an operation is open");
	if (j->ledger.stuck[0] != '\0') /* what the JobManager's pod says is for a person to see, too */
		return str_eq(node_find_text(j->resource, "status/jobManagerDeploymentStatus"), "ERROR") || not_yet(j, "it waits");
	spec_digest(node_get(j->resource, "spec"), NULL, digest);
	if (str_eq(node_find_text(j->resource, "spec/job/state"), "suspended"))
		return nothing_runs(j) || not_yet(j, "it should be suspended");
	return running_settled(j, digest);
}

enum looked { SETTLED, UNSETTLED, WAITS };

static enum looked job_look(struct world *w, int job, char why[400])
{
	const struct commit *c = w->commit_count == 0 ? NULL : &w->commits[w->commit_count - 1];
	AUTOFREE char *ledger_name = mem_printf("weir-ledger-%s", job_names[job]);
	AUTODOC *resource = object(w, "flink.apache.org/flinkdeployments", job_names[job]);
	AUTODOC *ledger = object(w, "configmaps", ledger_name);
	AUTODOC *inventory = object(w, "configmaps", "weir-inventory-main");
	struct judged j = { .w = w, .job = job, .why = why };
	bool tree_ok = c != NULL && !c->empty && !c->bad;
	if (tree_ok && c->present[job])
		j.git = &c->job[job];
	j.resource = resource == NULL ? NULL : doc_root(resource);
	j.inventory = inventory == NULL ? NULL : doc_root(inventory);
	const struct node *text = ledger == NULL ? NULL : node_find(doc_root(ledger), "data/ledger.json");
	ledger_init(&j.ledger);
	if (text != NULL && !ledger_read(&j.ledger, node_text(text), node_len(text), NULL)) {
		(void)not_yet(&j, "the ledger cannot be read");
		return UNSETTLED;
	}
	bool ok = j.resource == NULL ? !tree_ok || absent_settled(&j) : resource_settled(&j, tree_ok);
	bool waits = j.resource != NULL && (j.ledger.stuck[0] != '\0' || w->lost_state);
	ledger_free(&j.ledger);
	return !ok ? UNSETTLED : waits ? WAITS : SETTLED;
}

bool check_waits(struct world *w, int job)
{
	char why[400];
	return job_look(w, job, why) == WAITS;
}

bool check_settled(struct world *w, char why[400])
{
	for (int job = 0; job < JOBS; job++)
		if (job_look(w, job, why) == UNSETTLED)
			return false;
	return true;
}
