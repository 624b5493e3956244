/* One job's turn: look, decide, write the ledger, carry out one effect, write the status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "flink/spec.h"
#include "kube/events.h"
#include "lifecycle/digest.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

static bool ours(const struct agent *agent, const struct node *resource, const struct ledger *ledger)
{
	return agent->config->manage_all || decide_annotation(resource, "weir.dev/sync") != NULL || ledger->uid[0] != '\0' ||
	       str_eq(decide_annotation(resource, "weir.dev/managed"), "true");
}

static void fresh_id(struct agent *agent, char out[33])
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
	node_set_text(doc, object, "apiVersion", KIND_FLINKDEPLOYMENT.api_version);
	node_set_text(doc, object, "kind", KIND_FLINKDEPLOYMENT.kind);
	node_set(doc, object, "metadata", node_copy(doc, node_get(view->resource, "metadata")));
	node_set(doc, object, "spec", node_copy(doc, node_get(view->resource, "spec")));
	node_set(doc, object, "status", node_copy(doc, doc_root(d->status)));
	kill_point("write-status", "before");
	struct error why;
	if (kube_replace_status(agent->kube, &KIND_FLINKDEPLOYMENT, view->ns, view->name, object, NULL, &why) ||
	    why.kind == ERROR_CONFLICT || why.kind == ERROR_NOT_FOUND)
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
		struct kube_event event = { .api_version = KIND_FLINKDEPLOYMENT.api_version,
					    .kind = KIND_FLINKDEPLOYMENT.kind,
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

static bool carry_out(struct agent *agent, const struct job_view *view, struct stored_ledger *stored, struct decision *d,
		      const struct observation *seen, struct error *err)
{
	bool quarantine = d->ledger.quarantine_count != stored->ledger.quarantine_count;
	if (d->ledger_changed) {
		if (!agent_may_act(agent))
			return error_set(err, ERROR_TRANSIENT, "this agent does not lead");
		kill_point("write-ledger", "before");
		if (!ledger_store_write(agent->kube, view->ns, view->name, &d->ledger, stored, err))
			return false;
		kill_point("write-ledger", "after");
		if (quarantine)
			wake_sync(agent, view);
	}
	if (d->effect != EFFECT_NONE) {
		if (!agent_may_act(agent))
			return error_set(err, ERROR_TRANSIENT, "this agent does not lead");
		bool done = execute_effect(agent, view, &d->ledger, d->effect, seen, err);
		metrics_add(agent->metrics, METRIC_EFFECTS, 1, effect_name(d->effect), done ? "ok" : error_kind_name(err->kind), NULL);
		if (!done) {
			if (err->kind == ERROR_INVALID || err->kind == ERROR_FORBIDDEN || err->kind == ERROR_UNSUPPORTED)
				explain_failure(agent, view, d, err);
			return false;
		}
	}
	emit_events(agent, view, d);
	if (d->effect == EFFECT_ADD_FINALIZER || d->effect == EFFECT_REMOVE_FINALIZER)
		return true; /* the resource's version moved on */
	return write_status(agent, view, d, err);
}

/* Looks at the cluster and decides. */
static void look_and_decide(struct agent *agent, struct job_view *view, const struct ledger *ledger, struct observation *seen, struct decision *out)
{
	const struct node *spec = node_get(view->resource, "spec");
	AUTODOC *launched = NULL;
	const struct ledger_launch *last = ledger->launch_count == 0 ? NULL : &ledger->launches[ledger->launch_count - 1];
	if (last != NULL && last->ended_at == 0 && last->spec != NULL)
		launched = doc_parse_json(last->spec, strlen(last->spec), "launched spec", NULL, NULL);
	struct error problem = ERROR_INIT;
	bool valid = flink_spec_check(view->resource, NULL, &problem);
	if (!observe_config(launched != NULL ? doc_root(launched) : spec, view->name, view->ns, view, &problem))
		valid = false;
	observe_job(agent, view, ledger, seen);
	char digest[65];
	char id[33];
	spec_digest(spec, NULL, digest);
	fresh_id(agent, id);
	const char *commit = decide_annotation(view->resource, "weir.dev/commit");
	struct decide_input in = { .resource = view->resource, .digest = digest, .commit = commit == NULL ? "" : commit,
				   .invalid = valid ? NULL : problem.message, .ledger = ledger, .seen = seen, .policy = &agent->policy,
				   .config = &view->config, .leader = agent->identity, .fresh_id = id, .now_ms = clock_now_ms(&agent->clock) };
	decide(&in, out);
}

static int64_t take_turn(struct agent *agent, struct job_view *view, struct stored_ledger *stored, struct error *err)
{
	struct observation seen;
	struct decision d;
	look_and_decide(agent, view, &stored->ledger, &seen, &d);
	log_decision(view, &d, decide_annotation(view->resource, "weir.dev/commit"));
	bool ok = carry_out(agent, view, stored, &d, &seen, err);
	int64_t next = d.next_ms;
	decision_free(&d);
	return ok ? next : -1;
}

bool job_plan(struct agent *agent, const struct node *resource, struct decision *out, struct error *err)
{
	struct job_view view = { .resource = resource, .ns = node_text_or(node_find(resource, "metadata/namespace"), ""),
				 .name = node_text_or(node_find(resource, "metadata/name"), ""), .rest_port = "8081" };
	struct stored_ledger stored;
	struct observation seen;
	if (!ledger_store_read(agent->kube, view.ns, view.name, &stored, err))
		return false;
	look_and_decide(agent, &view, &stored.ledger, &seen, out);
	ledger_free(&stored.ledger);
	return true;
}

int64_t job_turn(struct agent *agent, const char *ns, const char *name, struct error *err)
{
	if (!agent_may_act(agent))
		return 1000; /* whoever leads looks after it */
	AUTODOC *doc = NULL;
	struct error why;
	if (!kube_get(agent->kube, &KIND_FLINKDEPLOYMENT, ns, name, &doc, &why)) {
		if (why.kind == ERROR_NOT_FOUND)
			return INT64_MAX;
		error_copy(err, &why);
		return -1;
	}
	struct stored_ledger stored;
	if (!ledger_store_read(agent->kube, ns, name, &stored, err))
		return -1;
	struct job_view view = { .resource = doc_root(doc), .ns = ns, .name = name, .rest_port = "8081" };
	int64_t next = INT64_MAX;
	if (ours(agent, view.resource, &stored.ledger))
		next = take_turn(agent, &view, &stored, err);
	ledger_free(&stored.ledger);
	return next;
}
