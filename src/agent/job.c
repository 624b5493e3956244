/* One job's turn: look, decide, write the ledger, carry out one effect, write the status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/probe.h"
#include "agent/snapshots.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "flink/spec.h"
#include "kube/events.h"
#include "lifecycle/digest.h"
#include "store/store.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"
#include "sync/references.h"
#include "sync/state_copy.h"

enum { STANDBY_MS = 10000, RESTING_MS = 600000, PROVEN_MS = 600000, STEADY_FACTOR = 4 };

bool job_is_ours(const struct agent *agent, const struct node *resource, const struct ledger *ledger)
{
	if (str_eq(decide_annotation(resource, "weir.dev/managed"), "false"))
		return false; /* released */
	return agent->config->manage_all || decide_annotation(resource, "weir.dev/sync") != NULL || ledger->uid[0] != '\0' ||
	       str_eq(decide_annotation(resource, "weir.dev/managed"), "true");
}

void job_fresh_id(struct agent *agent, char out[33])
{
	uint64_t a = random_next(&agent->random);
	uint64_t b = random_next(&agent->random);
	(void)snprintf(out, 33, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

static bool write_status(struct agent *agent, const struct job_view *view, const struct decision *d, struct error *err)
{
	if (d->status == NULL || node_equal(node_get(view->resource, "status"), doc_root(d->status)))
		return true;
	AUTODOC *doc = doc_new();
	struct node *object = node_map(doc);
	node_set_text(doc, object, "apiVersion", view->kind->api_version);
	node_set_text(doc, object, "kind", view->kind->kind);
	node_set(doc, object, "metadata", node_copy(doc, node_get(view->resource, "metadata")));
	node_set(doc, object, "spec", node_copy(doc, node_get(view->resource, "spec")));
	node_set(doc, object, "status", node_copy(doc, doc_root(d->status)));
	kill_point("write-status", "before");
	struct error why = ERROR_INIT;
	bool written = kube_replace_status(agent->kube, view->kind, view->ns, view->name, object, NULL, &why);
	kill_point("write-status", "after");
	if (written || why.kind == ERROR_CONFLICT || why.kind == ERROR_NOT_FOUND)
		return true; /* changed meanwhile: the change brings the next turn, which builds the status anew */
	return error_set(err, why.kind, "status: %s", why.message);
}

/* An effect that the API refuses is for a person to see: on the resource, not only in the log. */
static void explain_failure(struct agent *agent, const struct job_view *view, struct decision *d, const struct error *why)
{
	struct doc *doc = d->status;
	if (doc == NULL)
		return;
	struct node *e = node_map(doc);
	node_set_text(doc, e, "type", "org.apache.flink.kubernetes.operator.exception.ReconciliationException");
	node_set_text(doc, e, "message", why->message);
	node_set(doc, e, "additionalMetadata", node_map(doc));
	node_set(doc, e, "throwableList", node_list(doc));
	AUTOBUF text = BUF_INIT;
	node_to_json(e, &text, JSON_COMPACT);
	node_set_text(doc, doc_root(doc), "error", buf_text(&text));
	(void)write_status(agent, view, d, NULL);
}

static void log_decision(const struct job_view *view, const struct decision *d, const char *commit)
{
	if (d->effect == EFFECT_NONE && !d->ledger_changed)
		return;
	AUTOBUF reasons = BUF_INIT;
	for (int i = 0; i < d->reason_count; i++)
		buf_printf(&reasons, "%s%s", i == 0 ? "" : "; ", d->reasons[i]);
	AUTOFREE char *job = mem_printf("%s/%s", view->ns, view->name);
	log_event(LOG_LEVEL_INFO, "decision", "job", job, "effect", effect_name(d->effect), "reason", buf_text(&reasons), "commit", commit,
		  NULL);
}

static void emit_events(struct agent *agent, const struct job_view *view, const struct decision *d)
{
	for (int i = 0; i < d->event_count; i++) {
		if (strcmp(d->events[i].reason, "Rollback") == 0)
			metrics_add(agent->metrics, METRIC_ROLLBACKS, 1, view->ns, view->name, NULL);
		struct kube_event event = { .api_version = view->kind->api_version,
					    .kind = view->kind->kind,
					    .ns = view->ns,
					    .name = view->name,
					    .uid = node_find_text(view->resource, "metadata/uid"),
					    .warning = d->events[i].warning,
					    .reason = d->events[i].reason,
					    .message = d->events[i].message };
		/* an event that is lost is lost: the status says the same */
		(void)kube_event_record(agent->kube, &event, clock_now_ms(&agent->clock), NULL);
	}
}

/* What a sync may apply depends on quarantine: when that changes, it looks again at once. */
static void wake_sync(struct agent *agent, const struct job_view *view)
{
	const char *sync = decide_annotation(view->resource, "weir.dev/sync");
	AUTOFREE char *key = mem_printf("sync/%s", sync == NULL ? "" : sync);
	if (sync != NULL)
		queue_add(agent->queue, key, clock_mono_ms(&agent->clock));
}

/* Flink said no to a submission: that is evidence against the version, and goes into the ledger. */
static void note_refusal(struct agent *agent, const struct job_view *view, struct stored_ledger *stored, struct decision *d,
			 const struct error *why)
{
	struct ledger_launch *launch = ledger_live(&d->ledger);
	if (launch == NULL || !agent_may_act(agent))
		return;
	(void)snprintf(launch->refused, sizeof launch->refused, "%.*s", (int)sizeof launch->refused - 1, why->message);
	(void)ledger_store_write(agent->kube, view->ns, view->ledger_name, &d->ledger, stored, NULL); /* else the next try says it again */
}

static bool carry_out(struct agent *agent, struct job_view *view, struct stored_ledger *stored, struct decision *d,
		      const struct observation *seen, struct error *err)
{
	bool quarantine = d->ledger.quarantine_count != stored->ledger.quarantine_count;
	bool moved = d->ledger.op.kind != stored->ledger.op.kind || d->ledger.launch_count != stored->ledger.launch_count ||
		     (d->ledger.launch_count > 0 && d->ledger.launches[d->ledger.launch_count - 1].running_at !=
							    stored->ledger.launches[stored->ledger.launch_count - 1].running_at);
	if (d->ledger_changed) {
		if (!agent_may_act(agent))
			return error_set(err, ERROR_TRANSIENT, "this agent does not lead");
		if (state_copy_differs(&stored->ledger, &d->ledger) &&
		    !state_copy_write(agent->kube, agent->config->ns, view->ns, view->ledger_name, &d->ledger, err))
			return false;
		kill_point("write-ledger", "before");
		bool written = ledger_store_write(agent->kube, view->ns, view->ledger_name, &d->ledger, stored, err);
		kill_point("write-ledger", "after");
		if (!written)
			return false;
		if (quarantine)
			wake_sync(agent, view);
		if (moved)
			subject_wake(agent, view);
	}
	if (d->effect != EFFECT_NONE) {
		if (!agent_may_act(agent))
			return error_set(err, ERROR_TRANSIENT, "this agent does not lead");
		AUTOBUF before = BUF_INIT;
		AUTOBUF after = BUF_INIT;
		ledger_write(&d->ledger, &before);
		bool done = execute_effect(agent, view, &d->ledger, d->effect, seen, err);
		ledger_write(&d->ledger, &after);
		metrics_add(agent->metrics, METRIC_EFFECTS, 1, effect_name(d->effect), done ? "ok" : error_kind_name(err->kind), NULL);
		if (!done) {
			if (err->kind == ERROR_INVALID || err->kind == ERROR_FORBIDDEN || err->kind == ERROR_UNSUPPORTED)
				explain_failure(agent, view, d, err);
			bool content = err->kind == ERROR_INVALID || err->kind == ERROR_UNSUPPORTED; /* its own fault, not the cluster's */
			if (content && (d->effect == EFFECT_SUBMIT_JOB || (d->effect == EFFECT_CREATE_CLUSTER && seen->jm == SEEN_ABSENT)))
				note_refusal(agent, view, stored, d, err);
			return false;
		}
		if (strcmp(buf_text(&before), buf_text(&after)) != 0 &&
		    !ledger_store_write(agent->kube, view->ns, view->ledger_name, &d->ledger, stored, err))
			return false;
	}
	emit_events(agent, view, d);
	if (d->effect == EFFECT_ADD_FINALIZER || d->effect == EFFECT_REMOVE_FINALIZER)
		return true; /* the resource's version moved on */
	return write_status(agent, view, d, err);
}

/*
 * Is the state that a decision relies on still there? Where a store can be asked, at once; where a pod has to look, the next decision knows
 * that. True: decide anew.
 */
static bool look_at_state(const struct agent *agent, const struct job_view *view, const struct decision *d, struct observation *seen)
{
	struct state_look look = { 0 };
	const char *state = d->relies_on;
	if (*state == '\0')
		return false;
	if (!state_stores_cover(agent->stores, state)) {
		LEDGER_SET(seen->unproven_path, d->relies_on_old && view->may_probe ? state : "");
		return seen->unproven_path[0] != '\0';
	}
	state_store_look(state_store_for(agent->stores, state), state, &look);
	if (look.answer == STATE_ABSENT)
		LEDGER_SET(seen->absent_path, state);
	return look.answer == STATE_ABSENT;
}

/* Looks at the cluster and decides. False: the API did not answer. */
static bool look_and_decide(struct agent *agent, struct job_view *view, const struct ledger *ledger, struct observation *seen,
			    struct decision *out, struct error *err)
{
	struct stored_ledger moved;
	struct move_view move;
	const struct node *spec = node_get(view->resource, "spec");
	AUTODOC *launched = NULL;
	const struct ledger_launch *last = ledger->launch_count == 0 ? NULL : &ledger->launches[ledger->launch_count - 1];
	if (last != NULL && last->ended_at == 0 && last->spec != NULL)
		launched = doc_parse_json(last->spec, strlen(last->spec), "launched spec", NULL, NULL);
	subject_launched(view, doc_root(launched));
	if (!subject_session(view, ledger, err) || !subject_move(agent, view, ledger, &moved, &move, err))
		return false;
	struct error problem = ERROR_INIT;
	const struct flink_spec_context context = { .cluster = doc_root(view->cluster_resource),
						    .jar_schemes = agent->config->jars.schemes,
						    .deployed = doc_root(launched) };
	bool valid = flink_spec_check(view->resource, &context, &problem);
	if (!observe_config(subject_effective(view, launched != NULL ? doc_root(launched) : spec), view->name, view->ns, view, &problem))
		valid = false;
	snapshot_configure(view, spec, launched != NULL ? doc_root(launched) : spec);
	*seen = (struct observation){ 0 };
	if (subject_held(view->resource, view->subject))
		observe_job(agent, view, ledger, seen);
	snapshot_look(view->reads, view, ledger, seen);
	probe_look(agent, view, ledger, seen);
	char digest[65];
	char id[33];
	spec_digest(spec, decide_annotation(view->resource, ANNOTATION_REFERENCES), digest);
	job_fresh_id(agent, id);
	const char *commit = decide_annotation(view->resource, "weir.dev/commit");
	struct decide_input in = { .subject = view->subject,
				   .session = &view->session,
				   .move = &move,
				   .foreign = subject_foreign(view),
				   .resource = view->resource,
				   .digest = digest,
				   .commit = commit == NULL ? "" : commit,
				   .invalid = valid ? NULL : problem.message,
				   .ledger = ledger,
				   .seen = seen,
				   .policy = &agent->policy,
				   .config = &view->config,
				   .leader = agent->identity,
				   .fresh_id = id,
				   .now_ms = clock_now_ms(&agent->clock) };
	decide(&in, out);
	if (look_at_state(agent, view, out, seen)) {
		decision_free(out);
		decide(&in, out);
	}
	ledger_free(&moved.ledger);
	return true;
}

/* Is another try asked for that nobody has taken up yet? */
static bool wants_retry(const struct job_view *view, const struct ledger *ledger)
{
	const char *retry = decide_annotation(view->resource, "weir.dev/retry");
	bool withheld =
		decide_annotation(view->resource, "weir.dev/withheld") != NULL; /* else there is nothing that the sync could bring in */
	return withheld && ledger->quarantine_count > 0 && retry != NULL && !ledger_spent(ledger->spent_retry, retry);
}

static int64_t take_turn(struct agent *agent, struct job_view *view, struct stored_ledger *stored, struct error *err)
{
	struct observation seen;
	struct decision d;
	if (!look_and_decide(agent, view, &stored->ledger, &seen, &d, err))
		return -1;
	log_decision(view, &d, decide_annotation(view->resource, "weir.dev/commit"));
	bool ok = carry_out(agent, view, stored, &d, &seen, err);
	if (wants_retry(view, &d.ledger))
		wake_sync(agent, view); /* it decides whether the content comes in again */
	int64_t next = d.next_ms;
	decision_free(&d);
	return ok ? next : -1;
}

/*
 * When to look again at what is quiet. Its objects tell when they change, so that only Flink has to be asked: not at all where a job is
 * suspended, and less often where it has run well for long, as what ends a job shows in its pods and HA metadata, too.
 */
static int64_t quiet_interval(struct agent *agent, const struct job_view *view, const struct ledger *ledger, const struct observation *seen)
{
	int64_t interval = agent->policy.interval_ms;
	const struct ledger_launch *last = ledger->launch_count == 0 ? NULL : &ledger->launches[ledger->launch_count - 1];
	if (view->subject != SUBJECT_APPLICATION)
		return random_jitter_ms(&agent->random, interval);
	bool runs = last != NULL && last->ended_at == 0;
	if (!runs && str_eq(node_find_text(view->resource, "spec/job/state"), "suspended"))
		return random_jitter_ms(&agent->random, RESTING_MS);
	bool proven = runs && last->stable_at != 0 && clock_now_ms(&agent->clock) - last->stable_at > PROVEN_MS;
	bool steady = proven && seen->job == JOB_RUNNING && !view->config.health_check;
	return random_jitter_ms(&agent->random, steady ? STEADY_FACTOR * interval : interval);
}

/* Decides as a turn does, and does none of it. *next_ms is for when there is nothing to do. */
static bool is_quiet(struct agent *agent, struct job_view *view, const struct stored_ledger *stored, int64_t *next_ms)
{
	struct observation seen;
	struct decision d;
	struct error ignored;
	if (!look_and_decide(agent, view, &stored->ledger, &seen, &d, &ignored))
		return false;
	bool same = d.status == NULL || node_equal(node_get(view->resource, "status"), doc_root(d.status));
	bool quiet = d.effect == EFFECT_NONE && !d.ledger_changed && d.event_count == 0 && same && !wants_retry(view, &d.ledger);
	*next_ms = d.next_ms == agent->policy.interval_ms ? quiet_interval(agent, view, &d.ledger, &seen) : d.next_ms;
	decision_free(&d);
	return quiet;
}

/*
 * The job's ledger; one that is gone begins with what the copy in Weir's own namespace knows. One without a uid, too: no turn has seen it
 * yet, it holds no more than what the sync's preflight wrote.
 */
static bool read_ledger(struct agent *agent, struct kube *reads, const struct job_view *view, struct stored_ledger *out, struct error *err)
{
	if (!ledger_store_read(reads, view->ns, view->ledger_name, out, err))
		return false;
	return out->ledger.uid[0] != '\0' || state_copy_read(reads, agent->config->ns, view->ns, view->ledger_name, &out->ledger, err);
}

/* Through the cache's reader: -1 where anything is to be done. */
static int64_t look_at_resource(struct agent *agent, struct kube *reads, const struct kube_resource *kind, const struct node *resource,
				struct error *err)
{
	struct stored_ledger stored;
	struct job_view view;
	int64_t next = INT64_MAX;
	subject_open(&view, reads, kind, resource);
	view.may_probe = true;
	if (!read_ledger(agent, reads, &view, &stored, err))
		return -1;
	if (job_is_ours(agent, view.resource, &stored.ledger)) {
		if (reads == agent->kube)
			next = take_turn(agent, &view, &stored, err);
		else if (!is_quiet(agent, &view, &stored, &next))
			next = -1;
	}
	ledger_free(&stored.ledger);
	subject_free(&view);
	return next;
}

bool job_plan(struct agent *agent, const struct node *resource, struct decision *out, struct error *err)
{
	struct job_view view;
	struct stored_ledger stored;
	struct observation seen;
	subject_open(&view, agent->kube,
		     str_eq(node_find_text(resource, "kind"), KIND_FLINKSESSIONJOB.kind) ? &KIND_FLINKSESSIONJOB : &KIND_FLINKDEPLOYMENT,
		     resource);
	if (!read_ledger(agent, agent->kube, &view, &stored, err))
		return false;
	bool ok = look_and_decide(agent, &view, &stored.ledger, &seen, out, err);
	ledger_free(&stored.ledger);
	subject_free(&view);
	return ok;
}

static int64_t look(struct agent *agent, struct kube *reads, const struct kube_resource *kind, const char *ns, const char *name,
		    struct error *err)
{
	AUTODOC *doc = NULL;
	struct error why;
	if (!kube_get(reads, kind, ns, name, &doc, &why)) {
		if (why.kind == ERROR_NOT_FOUND)
			return INT64_MAX;
		error_copy(err, &why);
		return -1;
	}
	return look_at_resource(agent, reads, kind, doc_root(doc), err);
}

/*
 * The cache can be behind. So a look through it is good for one answer only, that there is nothing to do; whatever else it finds is decided
 * anew, on what the API server says.
 */
int64_t job_turn(struct agent *agent, const struct kube_resource *kind, const char *ns, const char *name, struct error *err)
{
	if (!agent_may_act(agent))
		return STANDBY_MS; /* whoever leads looks after it */
	struct error ignored;
	int64_t next = agent->cache == NULL ? -1 : look(agent, kube_cache_reader(agent->cache), kind, ns, name, &ignored);
	return next >= 0 ? next : look(agent, agent->kube, kind, ns, name, err);
}
