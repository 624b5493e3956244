#include "lifecycle/state_snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/wtime.h"
#include "lifecycle/snapshot.h"

enum {
	BACKOFF_FIRST_MS = 10000,
	BACKOFF_MAX_MS = 3600000,
	WAITING_MS = 5000,
	DISPOSAL_PAUSE_MS = 15000,
};

struct work {
	const struct state_snapshot_input *in;
	struct state_snapshot_output *out;
	const struct node *spec;
	struct doc *doc;
	struct node *status;
	int64_t kind;
};

static void event(struct work *w, bool warning, const char *reason, const char *message)
{
	w->out->has_event = true;
	w->out->event.warning = warning;
	(void)snprintf(w->out->event.reason, sizeof w->out->event.reason, "%s", reason);
	(void)snprintf(w->out->event.message, sizeof w->out->event.message, "%s", message);
}

static const char *state_of(const struct work *w)
{
	return node_text_or(node_get(w->status, "state"), "TRIGGER_PENDING");
}

static void put_time(struct work *w, const char *key)
{
	char text[TIME_TEXT_MAX];
	time_format_ms(w->in->now_ms, text);
	node_set_text(w->doc, w->status, key, text);
}

static void put_state(struct work *w, const char *state)
{
	node_set_text(w->doc, w->status, "state", state);
}

/* How far the disposal of a resource that is being deleted is: kept in the error, which every version of the CRD has. */
struct marks {
	char since[24], retry[24]; /* ms: it was first tried; it is tried again */
	char disposal[65];	   /* Flink's trigger id */
};

/* The error as the peer writes it. */
static void put_error(struct work *w, const char *message, const struct marks *m)
{
	struct node *e = node_map(w->doc);
	node_set_text(w->doc, e, "type", "org.apache.flink.kubernetes.operator.exception.ReconciliationException");
	node_set_text(w->doc, e, "message", message);
	struct node *more = node_ensure_map(w->doc, e, "additionalMetadata");
	if (m != NULL) {
		node_set_text(w->doc, more, "since", m->since);
		node_set_text(w->doc, more, "retry", m->retry);
		node_set_text(w->doc, more, "disposal", m->disposal);
	}
	AUTOBUF text = BUF_INIT;
	node_to_json(e, &text, JSON_COMPACT);
	node_set_text(w->doc, w->status, "error", buf_text(&text));
}

static struct marks marks_of(const struct node *status)
{
	struct marks m = { 0 };
	const char *text = node_text(node_get(status, "error"));
	AUTODOC *doc = text == NULL ? NULL : doc_parse_json(text, strlen(text), "status.error", NULL, NULL);
	const struct node *more = doc == NULL ? NULL : node_get(doc_root(doc), "additionalMetadata");
	LEDGER_SET(m.since, node_text(node_get(more, "since")));
	LEDGER_SET(m.retry, node_text(node_get(more, "retry")));
	LEDGER_SET(m.disposal, node_text(node_get(more, "disposal")));
	return m;
}

static bool says(const struct work *w, const char *message)
{
	const char *text = node_text(node_get(w->status, "error"));
	AUTODOC *doc = text == NULL ? NULL : doc_parse_json(text, strlen(text), "status.error", NULL, NULL);
	return doc != NULL && str_eq(node_text(node_get(doc_root(doc), "message")), message);
}

static void wait_ms(struct work *w, int64_t ms)
{
	w->out->next_ms = ms;
}

int64_t state_snapshot_kind(const struct node *resource)
{
	return node_is(node_find(resource, "spec/checkpoint"), NODE_MAP) ? SNAPSHOT_CHECKPOINT : SNAPSHOT_SAVEPOINT;
}

const char *state_snapshot_dir(const struct state_snapshot_input *in)
{
	const char *own = node_find_text(in->resource, "spec/savepoint/path");
	return own != NULL && *own != '\0' ? own : in->savepoint_dir;
}

/* ---- ends ---- */

static void complete(struct work *w, const char *path, const char *trigger_time)
{
	if (trigger_time != NULL)
		put_time(w, trigger_time);
	put_time(w, "resultTimestamp");
	put_state(w, "COMPLETED");
	node_set_text(w->doc, w->status, "path", path);
	(void)node_remove(w->status, "error");
	if (*path == '\0' && w->kind == SNAPSHOT_CHECKPOINT)
		event(w, true, "CheckpointError",
		      "The checkpoint is complete, but Flink no longer tells where it is; more are remembered with "
		      "web.checkpoints.history.");
}

static void abandon(struct work *w, const char *why)
{
	put_state(w, "ABANDONED");
	put_time(w, "resultTimestamp");
	(void)node_remove(w->status, "path");
	put_error(w, why, NULL);
	event(w, true, "SnapshotAbandoned", why);
}

static int64_t backoff(int64_t failures)
{
	int64_t wait = BACKOFF_FIRST_MS;
	for (int64_t i = 1; i < failures && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}

static bool may_try_again(const struct work *w)
{
	int64_t limit = node_integer(node_get(w->spec, "backoffLimit"), -1);
	return limit < 0 || node_integer(node_get(w->status, "failures"), 0) <= limit;
}

static void failed(struct work *w, const char *why)
{
	int64_t failures = node_integer(node_get(w->status, "failures"), 0) + 1;
	put_state(w, "FAILED");
	put_time(w, "resultTimestamp");
	node_set_int(w->doc, w->status, "failures", failures);
	(void)node_remove(w->status, "triggerId");
	put_error(w, why, NULL);
	event(w, true, w->kind == SNAPSHOT_CHECKPOINT ? "CheckpointError" : "SavepointError", why);
	if (may_try_again(w))
		wait_ms(w, backoff(failures));
}

/* ---- asking for it ---- */

static const char *problem_of(const struct work *w)
{
	bool savepoint = node_is(node_get(w->spec, "savepoint"), NODE_MAP), checkpoint = node_is(node_get(w->spec, "checkpoint"), NODE_MAP);
	bool exists = node_truth(node_find(w->spec, "savepoint/alreadyExists"), false);
	const char *kind = node_find_text(w->spec, "jobReference/kind");
	if (savepoint == checkpoint)
		return "spec: expected exactly one of savepoint and checkpoint";
	if (exists)
		return node_text_or(node_find(w->spec, "savepoint/path"), "")[0] == '\0'
			       ? "spec.savepoint.path: expected the savepoint that alreadyExists speaks of"
			       : NULL;
	if (!str_eq(kind, "FlinkDeployment") && !str_eq(kind, "FlinkSessionJob"))
		return "spec.jobReference.kind: expected FlinkDeployment or FlinkSessionJob";
	if (node_text_or(node_find(w->spec, "jobReference/name"), "")[0] == '\0')
		return "spec.jobReference.name: expected the name of a job in this namespace";
	return NULL;
}

static bool runs(const struct work *w)
{
	return w->in->rest == SEEN_PRESENT && w->in->job == JOB_RUNNING;
}

/* There is no job that it could be of, nor will there be. */
static const char *hopeless(const struct work *w)
{
	if (w->in->target == SEEN_ABSENT)
		return "The job does not exist.";
	if (w->in->target == SEEN_UNKNOWN || runs(w))
		return NULL;
	if (w->in->rest == SEEN_PRESENT && job_state_terminal(w->in->job))
		return "The job has ended.";
	return w->in->coming ? NULL : "The job is not running.";
}

static void trigger(struct work *w, bool again)
{
	if (w->kind == SNAPSHOT_SAVEPOINT && state_snapshot_dir(w->in)[0] == '\0') {
		failed(w, "There is no directory for it: neither spec.savepoint.path nor the job's execution.checkpointing.savepoint-dir "
			  "is set.");
		return;
	}
	if (w->kind == SNAPSHOT_CHECKPOINT && !w->in->can_checkpoint) {
		failed(w, "This Flink can only be asked for a checkpoint from version 1.17 on.");
		return;
	}
	if (!again) {
		put_state(w, "IN_PROGRESS");
		put_time(w, "triggerTimestamp");
		(void)node_remove(w->status, "triggerId");
		if (w->in->own_trigger)
			node_set_text(w->doc, w->status, "triggerId", w->in->fresh_id);
	}
	w->out->effect = STATE_SNAPSHOT_TRIGGER;
	wait_ms(w, w->in->policy->poll_ms * 2);
}

static void begin(struct work *w)
{
	const char *why = hopeless(w);
	if (why != NULL)
		abandon(w, why);
	else if (runs(w))
		trigger(w, false);
	else
		wait_ms(w, WAITING_MS);
}

static int64_t age_of(const struct work *w, const char *key)
{
	int64_t at;
	const char *text = node_text(node_get(w->status, key));
	if (text == NULL || !time_parse_ms(text, &at) || at > w->in->now_ms + BACKOFF_MAX_MS)
		return INT64_MAX; /* not to be known: long ago */
	return at > w->in->now_ms ? 0 : w->in->now_ms - at;
}

static void progress(struct work *w)
{
	const struct state_snapshot_input *in = w->in;
	bool known = node_text_or(node_get(w->status, "triggerId"), "")[0] != '\0';
	bool answers = in->rest == SEEN_PRESENT;
	if (answers && in->operation == SAVEPOINT_COMPLETED)
		complete(w, in->path, NULL);
	else if (answers && in->operation == SAVEPOINT_FAILED)
		failed(w, in->failure);
	else if (hopeless(w) != NULL)
		abandon(w, hopeless(w));
	else if (answers && age_of(w, "triggerTimestamp") > in->policy->savepoint_timeout_ms)
		failed(w, "It did not end in time.");
	else if (answers && in->operation == SAVEPOINT_NO_SUCH_TRIGGER && runs(w) && in->own_trigger && known)
		trigger(w, true); /* the same id: harmless if it arrived after all */
	else if (answers && in->operation == SAVEPOINT_NO_SUCH_TRIGGER && runs(w) && age_of(w, "triggerTimestamp") > SNAPSHOT_DOUBT_MS)
		failed(w, "Flink does not know of it.");
	else
		wait_ms(w, in->policy->poll_ms * 2);
}

static void go_on(struct work *w)
{
	const char *state = state_of(w);
	const char *recorded = decide_annotation(w->in->resource, STATE_SNAPSHOT_RECORDED);
	const char *problem = problem_of(w);
	if (strcmp(state, "COMPLETED") == 0 || strcmp(state, "ABANDONED") == 0)
		return;
	if (problem != NULL) {
		if (!says(w, problem))
			event(w, true, "ValidationError", problem);
		put_error(w, problem, NULL);
	} else if (w->kind == SNAPSHOT_SAVEPOINT && node_truth(node_find(w->spec, "savepoint/alreadyExists"), false)) {
		complete(w, node_find_text(w->spec, "savepoint/path"), "triggerTimestamp");
	} else if (w->kind == SNAPSHOT_CHECKPOINT && recorded != NULL) {
		complete(w, recorded, "triggerTimestamp");
		w->out->has_event = false;
	} else if (strcmp(state, "IN_PROGRESS") == 0) {
		progress(w);
	} else if (strcmp(state, "FAILED") != 0) {
		begin(w);
	} else if (may_try_again(w)) {
		int64_t age = age_of(w, "resultTimestamp"), wait = backoff(node_integer(node_get(w->status, "failures"), 1));
		if (age >= wait)
			begin(w);
		else
			wait_ms(w, wait - age);
	}
}

/* ---- deletion ---- */

void state_snapshot_disposal(const struct node *resource, char out[65])
{
	struct marks m = marks_of(node_get(resource, "status"));
	memcpy(out, m.disposal, sizeof m.disposal);
}

/* Are the data to go with the resource? What Weir did not make only if that is written there. */
static bool disposes(const struct work *w)
{
	const struct node *savepoint = node_get(w->spec, "savepoint");
	bool made_here = !node_truth(node_get(savepoint, "alreadyExists"), false);
	return w->kind == SNAPSHOT_SAVEPOINT && node_truth(node_get(savepoint, "disposeOnDelete"), made_here) &&
	       node_is(node_get(w->spec, "jobReference"), NODE_MAP);
}

static void let_go(struct work *w, bool warning, const char *reason, const char *message)
{
	if (reason != NULL)
		event(w, warning, reason, message);
	w->out->effect = STATE_SNAPSHOT_REMOVE_FINALIZER;
}

static int64_t mark_age(const struct work *w, const char *mark)
{
	struct node *at = node_string(w->doc, mark);
	int64_t age = w->in->now_ms - node_integer(at, w->in->now_ms);
	return age < 0 ? 0 : age;
}

/* Flink is asked, for as long as there is hope; then the data are left. */
static void try_disposal(struct work *w, struct marks *m)
{
	const struct state_snapshot_input *in = w->in;
	char message[400];
	bool reachable = in->target == SEEN_PRESENT && in->rest == SEEN_PRESENT;
	bool refused = m->disposal[0] != '\0' && in->disposal == SAVEPOINT_FAILED;
	const char *why = in->target == SEEN_ABSENT ? "its job does not exist any more"
			  : refused		    ? in->disposal_failure
			  : !reachable		    ? "its job's Flink does not answer"
						    : "Flink does not do it";
	if (in->target == SEEN_ABSENT || mark_age(w, m->since) >= in->policy->snapshot_wait_ms) {
		(void)snprintf(message, sizeof message, "The data are left where they are (%.200s): %.150s",
			       node_text_or(node_get(w->status, "path"), ""), why);
		let_go(w, true, "CleanupFailed", message);
		return;
	}
	wait_ms(w, m->disposal[0] != '\0' ? in->policy->poll_ms * 2 : WAITING_MS);
	if (refused || in->disposal == SAVEPOINT_NO_SUCH_TRIGGER) {
		m->disposal[0] = '\0';
		(void)snprintf(m->retry, sizeof m->retry, "%lld", (long long)(in->now_ms + DISPOSAL_PAUSE_MS));
	} else if (m->disposal[0] == '\0' && reachable && in->now_ms >= node_integer(node_string(w->doc, m->retry), 0)) {
		w->out->effect = STATE_SNAPSHOT_DISPOSE;
	}
	(void)snprintf(message, sizeof message, "The savepoint is not disposed of yet: %.300s", why);
	put_error(w, message, m);
}

static void dispose(struct work *w)
{
	const struct state_snapshot_input *in = w->in;
	struct marks m = marks_of(node_get(in->resource, "status"));
	if (m.since[0] == '\0')
		(void)snprintf(m.since, sizeof m.since, "%lld", (long long)in->now_ms);
	if (in->needed == SEEN_UNKNOWN || in->target == SEEN_UNKNOWN) {
		wait_ms(w, WAITING_MS);
	} else if (in->needed == SEEN_PRESENT) {
		char message[400];
		(void)snprintf(message, sizeof message, "The data stay where they are (%.250s): %.100s needs them.",
			       node_text_or(node_get(w->status, "path"), ""), in->needed_by);
		let_go(w, false, "SavepointKept", message);
	} else if (m.disposal[0] != '\0' &&
		   (in->disposal == SAVEPOINT_COMPLETED || (in->disposal == SAVEPOINT_FAILED && in->disposal_gone))) {
		let_go(w, false, NULL, NULL);
	} else {
		try_disposal(w, &m);
	}
}

static void end(struct work *w)
{
	const char *state = state_of(w);
	if (strcmp(state, "IN_PROGRESS") == 0 && disposes(w)) {
		progress(w); /* what it makes is to be disposed of, too */
		if (w->out->effect == STATE_SNAPSHOT_TRIGGER)
			w->out->effect = STATE_SNAPSHOT_NONE; /* but nothing is made for that */
		if (strcmp(state_of(w), "IN_PROGRESS") != 0)
			wait_ms(w, 0);
		else if (age_of(w, "triggerTimestamp") > w->in->policy->savepoint_timeout_ms)
			let_go(w, true, "CleanupFailed",
			       "Nobody tells what became of the savepoint; if it was made, it is left where it is.");
		return;
	}
	if (strcmp(state, "COMPLETED") == 0 && disposes(w) && node_text_or(node_get(w->status, "path"), "")[0] != '\0')
		dispose(w);
	else
		let_go(w, false, NULL, NULL);
}

/* ---- the whole ---- */

static void put_label(struct work *w, const char *key, const char *value)
{
	if (value != NULL && strlen(value) <= 63)
		node_set_text(w->doc, w->out->labels, key, value);
}

static void put_labels(struct work *w)
{
	const struct node *now = node_find(w->in->resource, "metadata/labels");
	w->out->labels = node_map(w->doc);
	put_label(w, "snapshot.type", snapshot_kind_name(w->kind));
	put_label(w, "snapshot.trigger-type", node_text_or(node_get(now, "snapshot.trigger-type"), "MANUAL"));
	put_label(w, "snapshot.state", state_of(w));
	put_label(w, "job-reference.kind", node_find_text(w->spec, "jobReference/kind"));
	put_label(w, "job-reference.name", node_find_text(w->spec, "jobReference/name"));
}

static bool has_finalizer(const struct node *resource)
{
	const struct node *list = node_find(resource, "metadata/finalizers");
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_at(list, i)), STATE_SNAPSHOT_FINALIZER))
			return true;
	return false;
}

void state_snapshot_refused(const struct state_snapshot_input *in, struct state_snapshot_output *out, const char *why)
{
	struct work w = {
		.in = in, .out = out, .doc = out->status, .status = doc_root(out->status), .spec = node_get(in->resource, "spec")
	};
	w.kind = state_snapshot_kind(in->resource);
	out->next_ms = INT64_MAX;
	failed(&w, why);
}

void state_snapshot_answered(struct state_snapshot_output *out, const char *trigger_id)
{
	struct work w = { .out = out, .doc = out->status, .status = doc_root(out->status) };
	if (out->effect == STATE_SNAPSHOT_DISPOSE) {
		struct marks m = marks_of(w.status);
		LEDGER_SET(m.disposal, trigger_id);
		put_error(&w, "The savepoint is being disposed of.", &m);
	} else {
		node_set_text(w.doc, w.status, "triggerId", trigger_id);
	}
}

void state_snapshot_decide(const struct state_snapshot_input *in, struct state_snapshot_output *out)
{
	*out = (struct state_snapshot_output){ .next_ms = INT64_MAX, .status = doc_new() };
	const struct node *old = node_get(in->resource, "status");
	struct work w = { .in = in, .out = out, .doc = out->status, .spec = node_get(in->resource, "spec") };
	w.kind = state_snapshot_kind(in->resource);
	w.status = node_is(old, NODE_MAP) ? node_copy(w.doc, old) : node_map(w.doc);
	doc_set_root(w.doc, w.status);
	if (node_get(w.status, "state") == NULL)
		put_state(&w, "TRIGGER_PENDING");
	if (node_get(w.status, "failures") == NULL)
		node_set_int(w.doc, w.status, "failures", 0);
	bool deleting = node_find(in->resource, "metadata/deletionTimestamp") != NULL, held = has_finalizer(in->resource);
	if (!deleting && !held) {
		out->effect = STATE_SNAPSHOT_ADD_FINALIZER;
		out->next_ms = 0;
	} else if (!deleting) {
		go_on(&w);
	} else if (held) {
		end(&w);
	}
	put_labels(&w);
}

void state_snapshot_free(struct state_snapshot_output *out)
{
	doc_free(out->status);
	out->status = NULL;
}
