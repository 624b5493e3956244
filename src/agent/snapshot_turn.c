/* The turn of one FlinkStateSnapshot: look, decide, write the status (its write-ahead log), carry out one effect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/snapshots.h"
#include "base/log.h"
#include "base/mem.h"
#include "flink/rest.h"
#include "kube/events.h"
#include "lifecycle/state_snapshot.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

enum { STANDBY_MS = 10000, FOREIGN_MS = 60000 };

/* What was seen of the snapshot's job, with what the look owns. */
struct look {
	struct doc *target;
	struct job_view view;
	struct stored_ledger stored;
	struct http *http;
	const struct ledger_launch *live;
	struct state_snapshot_input in;
	bool ours;
	char path[FLINK_PATH_MAX], failure[300], disposal_failure[300], needed_by[120];
};

static void look_free(struct agent *agent, struct look *l)
{
	job_rest_close(agent, l->http);
	ledger_free(&l->stored.ledger);
	subject_free(&l->view);
	doc_free(l->target);
}

/* The resource that it names, and what the ledger knows of it. False: the API did not answer. */
static bool look_at_target(struct agent *agent, const struct node *resource, struct look *l, struct error *err)
{
	const char *ns = node_text_or(node_find(resource, "metadata/namespace"), ""),
		   *name = node_find_text(resource, "spec/jobReference/name");
	const struct kube_resource *kind = str_eq(node_find_text(resource, "spec/jobReference/kind"), KIND_FLINKSESSIONJOB.kind)
						   ? &KIND_FLINKSESSIONJOB
						   : &KIND_FLINKDEPLOYMENT;
	struct error why;
	l->in.target = SEEN_ABSENT;
	l->ours = agent->config->manage_all || decide_annotation(resource, "weir.dev/sync") != NULL ||
		  str_eq(decide_annotation(resource, "weir.dev/managed"), "true");
	if (name == NULL || *name == '\0')
		return true;
	if (!kube_get(agent->kube, kind, ns, name, &l->target, &why) && why.kind != ERROR_NOT_FOUND)
		return error_set(err, why.kind, "%s", why.message);
	AUTODOC *stand_in = doc_new();
	if (l->target == NULL) { /* its ledger may be there still */
		struct node *gone = node_map(stand_in), *metadata = node_ensure_map(stand_in, gone, "metadata");
		node_set_text(stand_in, metadata, "namespace", ns);
		node_set_text(stand_in, metadata, "name", name);
		doc_set_root(stand_in, gone);
		l->target = TAKE(stand_in);
	} else {
		l->in.target = SEEN_PRESENT;
	}
	subject_open(&l->view, agent->kube, kind, doc_root(l->target));
	if (!ledger_store_read(agent->kube, ns, l->view.ledger_name, &l->stored, err))
		return false;
	if (l->in.target == SEEN_PRESENT)
		l->ours = job_is_ours(agent, doc_root(l->target), &l->stored.ledger);
	else
		l->ours = l->ours || l->stored.ledger.uid[0] != '\0';
	return true;
}

/* What Flink says of the job, of the operation, of the disposal. What cannot be seen stays unknown. */
static void look_at_job(struct agent *agent, const struct node *resource, struct look *l)
{
	struct error err;
	struct ledger *ledger = &l->stored.ledger;
	l->live = ledger_live(ledger);
	const struct node *spec = node_get(doc_root(l->target), "spec");
	bool suspended = str_eq(node_find_text(spec, "job/state"), "suspended");
	bool leaving = node_find(doc_root(l->target), "metadata/deletionTimestamp") != NULL;
	l->in.coming =
		!suspended && !leaving &&
		(l->live != NULL || ledger->op.kind != OP_NONE || ledger->next.kind != RESTORE_UNDECIDED || ledger->launch_count == 0);
	if (!subject_session(&l->view, ledger, &err))
		return;
	AUTODOC *launched = l->live == NULL || l->live->spec == NULL
				    ? NULL
				    : doc_parse_json(l->live->spec, strlen(l->live->spec), "launched spec", NULL, NULL);
	const struct node *runs = launched == NULL ? spec : doc_root(launched);
	if (!observe_config(subject_effective(&l->view, runs), l->view.name, l->view.ns, &l->view, &err))
		return;
	snapshot_configure(&l->view, spec, runs);
	l->in.savepoint_dir = l->view.config.savepoint_dir;
	l->in.can_checkpoint = l->view.config.snapshots.can_checkpoint;
	l->in.own_trigger = l->view.config.snapshots.own_trigger;
	AUTOJOBS jobs = { 0 };
	if (l->live == NULL || !job_rest_open(agent, &l->view, &l->http, &err) || !flink_jobs(l->http, &jobs, &err))
		return;
	l->in.rest = SEEN_PRESENT;
	for (size_t i = 0; i < jobs.count; i++)
		if (strcmp(jobs.items[i].id, l->live->job_id) == 0)
			l->in.job = job_state_of(jobs.items[i].effective_state);
	char disposal[65];
	state_snapshot_disposal(resource, disposal);
	if (str_eq(node_find_text(resource, "status/state"), "IN_PROGRESS"))
		l->in.operation = snapshot_poll_operation(l->http, l->live->job_id, state_snapshot_kind(resource),
							  node_text_or(node_find(resource, "status/triggerId"), ""), l->path,
							  sizeof l->path, l->failure);
	else if (disposal[0] != '\0')
		snapshot_poll_disposal(l->http, disposal, &l->in.disposal, &l->in.disposal_gone, l->disposal_failure);
}

static void look_at_need(struct agent *agent, const struct node *resource, struct look *l)
{
	const char *path = node_find_text(resource, "status/path");
	if (path != NULL && *path != '\0' && node_find(resource, "metadata/deletionTimestamp") != NULL)
		l->in.needed = snapshot_needed_elsewhere(agent->kube, node_text_or(node_find(resource, "metadata/namespace"), ""), NULL,
							 path, l->needed_by);
}

/* ---- what is done ---- */

static bool write_status(struct agent *agent, const struct node *resource, const struct state_snapshot_output *out, struct error *err)
{
	if (node_equal(node_get(resource, "status"), doc_root(out->status)))
		return true;
	AUTODOC *doc = doc_new();
	struct node *object = node_copy(doc, resource);
	node_set(doc, object, "status", node_copy(doc, doc_root(out->status)));
	kill_point("write-snapshot-status", "before");
	bool ok = kube_replace_status(agent->kube, &KIND_FLINKSTATESNAPSHOT, node_text_or(node_find(resource, "metadata/namespace"), ""),
				      node_text_or(node_find(resource, "metadata/name"), ""), object, NULL, err);
	kill_point("write-snapshot-status", "after");
	return ok;
}

/* Afterwards only: what Flink answered. A merge patch: whatever else changed meanwhile stays. */
static bool patch_status(struct agent *agent, const struct node *resource, const struct state_snapshot_output *out, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	static const char *const gone[] = { "triggerId", "path", "error" };
	struct node *status = node_copy(doc, doc_root(out->status));
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		if (node_get(status, gone[i]) == NULL)
			node_set(doc, status, gone[i], node_null(doc));
	node_set(doc, patch, "status", status);
	return kube_patch(agent->kube, &KIND_FLINKSTATESNAPSHOT, node_text_or(node_find(resource, "metadata/namespace"), ""),
			  node_text_or(node_find(resource, "metadata/name"), ""), KUBE_MERGE_PATCH, "status", patch, NULL, err);
}

static bool set_finalizer(struct agent *agent, const struct node *resource, bool wanted, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc), *metadata = node_ensure_map(doc, patch, "metadata"), *list = node_list(doc);
	const struct node *old = node_find(resource, "metadata/finalizers");
	for (size_t i = 0; i < node_count(old); i++)
		if (!str_eq(node_text(node_at(old, i)), STATE_SNAPSHOT_FINALIZER))
			node_append(doc, list, node_copy(doc, node_at(old, i)));
	if (wanted)
		node_append(doc, list, node_string(doc, STATE_SNAPSHOT_FINALIZER));
	node_set(doc, metadata, "finalizers", list);
	node_set_text(doc, metadata, "resourceVersion", node_find_text(resource, "metadata/resourceVersion"));
	struct error why;
	return kube_patch(agent->kube, &KIND_FLINKSTATESNAPSHOT, node_text_or(node_find(resource, "metadata/namespace"), ""),
			  node_text_or(node_find(resource, "metadata/name"), ""), KUBE_MERGE_PATCH, NULL, patch, NULL, &why) ||
	       why.kind == ERROR_NOT_FOUND || error_set(err, why.kind, "%s", why.message);
}

static bool set_labels(struct agent *agent, const struct node *resource, const struct state_snapshot_output *out, struct error *err)
{
	const struct node *now = node_find(resource, "metadata/labels");
	bool same = true;
	for (size_t i = 0; i < node_count(out->labels); i++)
		same &= str_eq(node_text(node_get(now, node_key_at(out->labels, i))), node_text(node_value_at(out->labels, i)));
	if (same)
		return true;
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	node_set(doc, node_ensure_map(doc, patch, "metadata"), "labels", node_copy(doc, out->labels));
	struct error why;
	return kube_patch(agent->kube, &KIND_FLINKSTATESNAPSHOT, node_text_or(node_find(resource, "metadata/namespace"), ""),
			  node_text_or(node_find(resource, "metadata/name"), ""), KUBE_MERGE_PATCH, NULL, patch, NULL, &why) ||
	       why.kind == ERROR_NOT_FOUND || error_set(err, why.kind, "%s", why.message);
}

static void emit(struct agent *agent, const struct node *resource, const struct state_snapshot_output *out)
{
	if (!out->has_event)
		return;
	struct kube_event event = { .api_version = KIND_FLINKSTATESNAPSHOT.api_version,
				    .kind = KIND_FLINKSTATESNAPSHOT.kind,
				    .ns = node_find_text(resource, "metadata/namespace"),
				    .name = node_find_text(resource, "metadata/name"),
				    .uid = node_find_text(resource, "metadata/uid"),
				    .warning = out->event.warning,
				    .reason = out->event.reason,
				    .message = out->event.message };
	(void)kube_event_record(agent->kube, &event, clock_now_ms(&agent->clock), NULL); /* an event that is lost is lost */
	log_event(out->event.warning ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "snapshot", "namespace", event.ns, "name", event.name, "reason",
		  event.reason, "message", event.message, NULL);
}

static bool ask_flink(struct agent *agent, const struct node *resource, const struct look *l, struct state_snapshot_output *out,
		      struct error *err)
{
	char answer[FLINK_ID_MAX];
	const char *path = node_text_or(node_get(doc_root(out->status), "path"), "");
	const char *own = node_text(node_get(doc_root(out->status), "triggerId"));
	bool ok;
	if (out->effect == STATE_SNAPSHOT_DISPOSE) {
		kill_point("dispose-snapshot", "before");
		ok = flink_savepoint_dispose(l->http, path, answer, err);
		kill_point("dispose-snapshot", "after");
	} else {
		bool plain = !l->in.own_trigger; /* an older Flink takes neither a format nor a trigger id */
		struct flink_savepoint_request request = { .directory = state_snapshot_dir(&l->in),
							   .trigger_id = own,
							   .format = plain ? NULL : node_find_text(resource, "spec/savepoint/formatType") };
		if (request.format == NULL && !plain)
			request.format = "CANONICAL";
		kill_point("trigger-snapshot", "before");
		ok = state_snapshot_kind(resource) == SNAPSHOT_CHECKPOINT
			     ? flink_checkpoint_trigger(l->http, l->live->job_id, "FULL", own, answer, err)
			     : flink_savepoint_trigger(l->http, l->live->job_id, &request, answer, err);
		kill_point("trigger-snapshot", "after");
	}
	bool refused = !ok && (err->kind == ERROR_INVALID || err->kind == ERROR_UNSUPPORTED || err->kind == ERROR_CONFLICT);
	if (refused && out->effect == STATE_SNAPSHOT_TRIGGER) {
		state_snapshot_refused(&l->in, out, err->message);
		emit(agent, resource, out);
		return patch_status(agent, resource, out, err);
	}
	if (!ok)
		return false;
	if (out->effect == STATE_SNAPSHOT_TRIGGER && str_eq(own, answer))
		return true; /* it is in the status already */
	state_snapshot_answered(out, answer);
	return patch_status(agent, resource, out, err);
}

static bool carry_out(struct agent *agent, const struct node *resource, const struct look *l, struct state_snapshot_output *out,
		      struct error *err)
{
	if (!agent_may_act(agent))
		return error_set(err, ERROR_TRANSIENT, "this agent does not lead");
	bool goes = out->effect == STATE_SNAPSHOT_ADD_FINALIZER || out->effect == STATE_SNAPSHOT_REMOVE_FINALIZER;
	if (goes) {
		if (!set_finalizer(agent, resource, out->effect == STATE_SNAPSHOT_ADD_FINALIZER, err))
			return false;
		emit(agent, resource, out);
		return true;
	}
	if (!write_status(agent, resource, out, err))
		return false;
	emit(agent, resource, out);
	if (out->effect != STATE_SNAPSHOT_NONE && !ask_flink(agent, resource, l, out, err))
		return false;
	return set_labels(agent, resource, out, err);
}

static int64_t take_turn(struct agent *agent, const struct node *resource, struct error *err)
{
	struct look l = { 0 };
	char fresh[33];
	int64_t next = -1;
	job_fresh_id(agent, fresh);
	ledger_init(&l.stored.ledger);
	l.in = (struct state_snapshot_input){ .resource = resource,
					      .savepoint_dir = "",
					      .path = l.path,
					      .failure = l.failure,
					      .disposal_failure = l.disposal_failure,
					      .needed_by = l.needed_by,
					      .policy = &agent->policy,
					      .fresh_id = fresh,
					      .now_ms = clock_now_ms(&agent->clock) };
	if (look_at_target(agent, resource, &l, err)) {
		next = FOREIGN_MS; /* its job may yet become ours */
		if (l.ours) {
			if (l.in.target == SEEN_PRESENT)
				look_at_job(agent, resource, &l);
			look_at_need(agent, resource, &l);
			struct state_snapshot_output out;
			state_snapshot_decide(&l.in, &out);
			next = carry_out(agent, resource, &l, &out, err) ? out.next_ms : -1;
			state_snapshot_free(&out);
		}
	}
	look_free(agent, &l);
	return next;
}

int64_t snapshot_turn(struct agent *agent, const char *ns, const char *name, struct error *err)
{
	if (!agent_may_act(agent))
		return STANDBY_MS; /* whoever leads looks after it */
	AUTODOC *doc = NULL;
	struct error why;
	if (!kube_get(agent->kube, &KIND_FLINKSTATESNAPSHOT, ns, name, &doc, &why)) {
		if (why.kind == ERROR_NOT_FOUND)
			return INT64_MAX;
		error_copy(err, &why);
		return -1;
	}
	return take_turn(agent, doc_root(doc), err);
}
