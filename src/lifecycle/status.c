/*
 * The status as the peer writes it (field by field, enum texts included), a projection of ledger and observation; plus conditions of our
 * own. Nothing in it is needed to go on after a crash.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/wtime.h"
#include "lifecycle/digest.h"
#include "lifecycle/internal.h"

struct view {
	const struct turn *t;
	struct doc *doc;
	const struct node *old;
	const struct ledger_launch *launch; /* live, or the last one */
	bool live, suspended;
	bool stopped;	/* nothing is live, or it is only being removed: its state is the next launch's */
	bool in_flight; /* a launch is not seen yet */
	const char *job_state;
	const char *recon;
	const char *jm;
};

static const char *jobmanager_status(const struct view *v)
{
	const struct observation *s = v->t->in->seen;
	if (s->jm == SEEN_UNKNOWN)
		return node_text_or(node_get(v->old, "jobManagerDeploymentStatus"), "DEPLOYING");
	if (s->jm == SEEN_ABSENT)
		return "MISSING";
	if (s->trouble[0] != '\0')
		return "ERROR";
	if (s->rest == SEEN_PRESENT)
		return "READY";
	return s->jm_available ? "DEPLOYED_NOT_READY" : "DEPLOYING";
}

static const char *job_state_text(const struct view *v)
{
	const struct observation *s = v->t->in->seen;
	if (v->t->subject == SUBJECT_SESSION)
		return "";
	if (!v->live)
		return v->launch == NULL ? "RECONCILING" : "FINISHED";
	if (s->rest == SEEN_PRESENT && s->job != JOB_NONE)
		return job_state_name(s->job);
	return "RECONCILING"; /* not sure */
}

static const char *reconciliation_state(const struct view *v)
{
	const struct ledger *l = v->t->ledger;
	if (v->launch == NULL)
		return "UPGRADING";
	bool back = strcmp(l->op.reason, "rollback") == 0;
	if (l->op.kind != OP_NONE)
		return back ? "ROLLING_BACK" : "UPGRADING";
	if (v->suspended)
		return "DEPLOYED";
	if (!v->live)
		return v->t->target == TARGET_STABLE ? "ROLLING_BACK" : "UPGRADING";
	if (ledger_quarantined(l, v->t->in->digest) != NULL)
		return "ROLLED_BACK";
	return "DEPLOYED";
}

static const char *lifecycle_state(const struct view *v)
{
	if (v->t->deleting)
		return "DELETING";
	if (v->launch == NULL)
		return v->t->in->invalid != NULL ? "FAILED" : "CREATED";
	if (strcmp(v->recon, "UPGRADING") == 0 || strcmp(v->recon, "ROLLING_BACK") == 0)
		return v->recon;
	if (v->suspended)
		return "SUSPENDED";
	if (strcmp(v->job_state, "FAILED") == 0 || (v->t->ledger->stuck[0] != '\0' && strcmp(v->jm, "ERROR") == 0))
		return "FAILED";
	if (strcmp(v->recon, "ROLLED_BACK") == 0)
		return v->recon;
	return v->launch->stable_at != 0 ? "STABLE" : "DEPLOYED";
}

static void put_job_status(const struct view *v, struct node *status)
{
	const struct observation *s = v->t->in->seen;
	struct doc *doc = v->doc;
	struct node *job = node_ensure_map(doc, status, "jobStatus");
	const char *before = node_text(node_get(job, "state"));
	char ms[32];
	if (v->t->subject == SUBJECT_SESSION)
		return; /* it has no job of its own */
	if (!str_eq(before, v->job_state)) {
		(void)snprintf(ms, sizeof ms, "%lld", (long long)v->t->in->now_ms);
		node_set_text(doc, job, "updateTime", ms);
		if (before != NULL)
			decision_event(v->t->out, false, "JobStatusChanged", "Job status changed from %s to %s", before, v->job_state);
	}
	node_set_text(doc, job, "state", v->job_state);
	if (v->launch != NULL)
		node_set_text(doc, job, "jobId", v->launch->job_id);
	if (s->job_name[0] != '\0')
		node_set_text(doc, job, "jobName", s->job_name);
	if (s->job_start != 0) {
		(void)snprintf(ms, sizeof ms, "%lld", (long long)s->job_start);
		node_set_text(doc, job, "startTime", ms);
	}
	const struct ledger *l = v->t->ledger;
	const struct ledger_restore *from = v->stopped ? &l->next : v->launch == NULL ? NULL : &v->launch->restore;
	const char *path = from == NULL ? "" : from->path;
	if (from != NULL && from->kind == RESTORE_HA)
		path = "KUBERNETES_OPERATOR_LAST_STATE";
	else if (v->stopped && l->next.kind == RESTORE_UNDECIDED && v->launch != NULL)
		path = v->launch->restore.path;
	if (*path != '\0')
		node_set_text(doc, job, "upgradeSavepointPath", path);
	else
		(void)node_remove(job, "upgradeSavepointPath");
	snapshot_status(v->t, doc, job);
}

static void put_condition(const struct view *v, struct node *list, const char *type, bool holds, const char *reason, const char *message)
{
	const struct node *old = NULL;
	const struct node *conditions = node_get(v->old, "conditions");
	for (size_t i = 0; i < node_count(conditions); i++)
		if (str_eq(node_find_text(node_at(conditions, i), "type"), type))
			old = node_at(conditions, i);
	const char *status = holds ? "True" : "False";
	char now[TIME_TEXT_MAX];
	time_format_ms(v->t->in->now_ms, now);
	struct node *c = node_map(v->doc);
	node_set_text(v->doc, c, "lastTransitionTime",
		      old != NULL && str_eq(node_find_text(old, "status"), status) ? node_text_or(node_get(old, "lastTransitionTime"), now)
										   : now);
	node_set_text(v->doc, c, "message", message);
	node_set_text(v->doc, c, "reason", reason);
	node_set_text(v->doc, c, "status", status);
	node_set_text(v->doc, c, "type", type);
	node_append(v->doc, list, c);
}

struct jm_text {
	const char *status, *reason, *message;
};

/* The peer's condition of a session cluster. */
static const struct jm_text *jobmanager_text(const char *status)
{
	static const struct jm_text texts[] = {
		{ "READY", "JobManagerReady", "JobManager is running and ready to receive REST API calls" },
		{ "DEPLOYED_NOT_READY", "DeployedNotReady", "JobManager is running but not ready yet to receive REST API calls" },
		{ "DEPLOYING", "JobManagerIsDeploying", "JobManager process is starting up" },
		{ "MISSING", "JobManagerDeploymentMissing", "JobManager deployment not found" },
		{ "ERROR", "Error", "JobManager deployment failed" },
	};
	for (size_t i = 0; i + 1 < ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i].status, status) == 0)
			return &texts[i];
	return &texts[ARRAY_SIZE(texts) - 1];
}

static void put_conditions(const struct view *v, struct node *status)
{
	struct node *list = node_list(v->doc);
	const struct ledger *l = v->t->ledger;
	char reason[40];
	char message[300];
	if (v->launch != NULL && v->t->subject == SUBJECT_SESSION) {
		const struct jm_text *text = jobmanager_text(v->jm);
		put_condition(v, list, "Running", strcmp(v->jm, "READY") == 0, text->reason, text->message);
	} else if (v->launch != NULL) {
		(void)snprintf(reason, sizeof reason, "%s", v->job_state);
		for (char *p = reason + 1; *p != '\0'; p++)
			*p = (char)(*p | 32);
		(void)snprintf(message, sizeof message, "Job status %s", v->job_state);
		put_condition(v, list, "Running", strcmp(v->job_state, "RUNNING") == 0, reason, message);
	}
	if (str_starts(l->stuck, "StateChoiceRequired: "))
		put_condition(v, list, "StateChoiceRequired", true, "StateChoiceRequired", l->stuck + strlen("StateChoiceRequired: "));
	const struct ledger_quarantine *q = ledger_quarantined(l, v->t->in->digest);
	if (q != NULL) {
		(void)snprintf(message, sizeof message, "content of commit %.12s: %s", q->commit, q->reason);
		put_condition(v, list, "Quarantined", true, "RolledBack", message);
	}
	if (v->t->in->invalid != NULL)
		put_condition(v, list, "Invalid", true, "ValidationError", v->t->in->invalid);
	const char *withheld = decide_annotation(v->t->in->resource, "weir.dev/withheld");
	if (withheld != NULL)
		put_condition(v, list, "Withheld", true, "NotApplied", withheld);
	if (l->snapshot_problem[0] != '\0' || l->snapshot_failure[0] != '\0')
		put_condition(v, list, "SnapshotFailed", true, l->snapshot_problem[0] != '\0' ? "NotPossible" : "Failed",
			      l->snapshot_problem[0] != '\0' ? l->snapshot_problem : l->snapshot_failure);
	node_set(v->doc, status, "conditions", list);
}

static void put_error(const struct view *v, struct node *status)
{
	const char *type = NULL;
	const char *message = NULL;
	const struct observation *s = v->t->in->seen;
	if (v->t->in->invalid != NULL) {
		type = "org.apache.flink.kubernetes.operator.exception.ValidationException";
		message = v->t->in->invalid;
	} else if (v->live && s->trouble[0] != '\0') {
		type = "org.apache.flink.kubernetes.operator.exception.DeploymentFailedException";
		message = s->trouble_text[0] == '\0' ? s->trouble : s->trouble_text;
	} else if (v->live && s->job == JOB_FAILED) {
		type = "org.apache.flink.util.SerializedThrowable";
		message = s->failure;
	} else if (v->t->ledger->stuck[0] != '\0') {
		type = "org.apache.flink.kubernetes.operator.exception.UpgradeFailureException";
		message = v->t->ledger->stuck;
	}
	if (type == NULL) {
		(void)node_remove(status, "error");
		return;
	}
	struct node *e = node_map(v->doc);
	node_set_text(v->doc, e, "type", type);
	node_set_text(v->doc, e, "message", message);
	node_set(v->doc, e, "additionalMetadata", node_map(v->doc));
	node_set(v->doc, e, "throwableList", node_list(v->doc));
	AUTOBUF text = BUF_INIT;
	node_to_json(e, &text, JSON_COMPACT);
	node_set_text(v->doc, status, "error", buf_text(&text));
}

/*
 * The launched spec, or `instead`, as the peer's text. The upgradeMode in it is the one that was used, or is to be used next; without a
 * decision last-state, with which the peer starts nothing empty. And a first deployment is one only as long as it is the only one: while it
 * is upgraded the peer would begin it anew, from nothing.
 */
static void put_spec_text(const struct view *v, struct node *reconciliation, const char *key, const struct ledger_launch *launch,
			  const struct node *instead)
{
	static const char *const modes[] = { "last-state", "stateless", "savepoint", "last-state" };
	if (launch == NULL || launch->spec == NULL)
		return;
	AUTODOC *spec = doc_parse_json(launch->spec, strlen(launch->spec), "launched spec", NULL, NULL);
	if (spec == NULL)
		return;
	AUTOBUF text = BUF_INIT;
	struct node *content = instead != NULL ? node_copy(spec, instead) : doc_root(spec);
	bool current = launch == v->launch;
	snapshot_put_nonces(v->t->ledger, spec, content);
	const struct ledger_restore *from = current && v->stopped ? &v->t->ledger->next : &launch->restore;
	bool first = launch->number == 1 && (!current || strcmp(v->recon, "DEPLOYED") == 0 || v->in_flight);
	spec_last_reconciled(content, current && (v->stopped || v->in_flight) ? "suspended" : "running", modes[from->kind & 3], first,
			     &text);
	node_set_text(v->doc, reconciliation, key, buf_text(&text));
}

static void put_reconciliation(const struct view *v, struct node *status)
{
	struct node *r = node_ensure_map(v->doc, status, "reconciliationStatus");
	if (v->launch != NULL) {
		const struct ledger_launch *stable = ledger_stable(v->t->ledger);
		bool back = str_starts(v->recon, "ROLL") && ledger_quarantined(v->t->ledger, v->t->in->digest) != NULL;
		/* there it stays the version that failed, and what runs is the stable one */
		put_spec_text(v, r, "lastReconciledSpec", v->launch, back ? v->t->spec : NULL);
		if (stable == v->launch && !back) /* the usual case, and the dearest part of a decision */
			node_set_text(v->doc, r, "lastStableSpec", node_text(node_get(r, "lastReconciledSpec")));
		else
			put_spec_text(v, r, "lastStableSpec", stable, NULL);
		node_set_int(v->doc, r, "reconciliationTimestamp", v->launch->submitted_at);
	}
	node_set_text(v->doc, r, "state", v->recon);
}

/* A configuration value, flat or nested. */
static int64_t config_number(const struct node *spec, const char *key, const char *nested, int64_t otherwise)
{
	const struct node *config = node_get(spec, "flinkConfiguration");
	const struct node *value = node_get(config, key);
	return node_integer(value != NULL ? value : node_find(config, nested), otherwise);
}

static void put_task_managers(const struct view *v, struct node *status)
{
	struct node *tm = node_ensure_map(v->doc, status, "taskManager");
	char selector[300] = "";
	if (v->live)
		(void)snprintf(selector, sizeof selector, "component=taskmanager,app=%s",
			       node_text_or(node_find(v->t->in->resource, "metadata/name"), ""));
	node_set_text(v->doc, tm, "labelSelector", selector);
	int64_t parallelism = node_integer(node_find(v->t->spec, "job/parallelism"), 1);
	int64_t slots = config_number(v->t->spec, "taskmanager.numberOfTaskSlots", "taskmanager/numberOfTaskSlots", 1);
	int64_t given = node_integer(node_find(v->t->spec, "taskManager/replicas"), 0); /* the parallelism follows from it */
	int64_t replicas = given > 0 ? given : slots < 1 ? parallelism : (parallelism + slots - 1) / slots;
	node_set_int(v->doc, tm, "replicas", v->live ? replicas : 0);
}

void status_foreign(struct turn *t, const char *why)
{
	struct view v = { .t = t, .doc = doc_new(), .old = node_get(t->in->resource, "status") };
	struct node *status = node_is(v.old, NODE_MAP) ? node_copy(v.doc, v.old) : node_map(v.doc);
	struct node *list = node_get(status, "conditions");
	for (size_t i = node_count(list); i-- > 0;)
		if (str_eq(node_find_text(node_at(list, i), "type"), "ForeignController"))
			node_remove_at(list, i);
	if (!node_is(list, NODE_LIST)) {
		list = node_list(v.doc);
		node_set(v.doc, status, "conditions", list);
	}
	put_condition(&v, list, "ForeignController", true, "ForeignController", why);
	doc_set_root(v.doc, status);
	t->out->status = v.doc;
}

void status_build(struct turn *t)
{
	struct ledger *l = t->ledger;
	if (t->theirs) {
		if (l->stuck[0] != '\0')
			status_foreign(t, l->stuck);
		return;
	}
	struct view v = { .t = t, .doc = doc_new(), .old = node_get(t->in->resource, "status") };
	v.launch = ledger_live(l);
	v.live = v.launch != NULL;
	if (!v.live && l->launch_count > 0)
		v.launch = &l->launches[l->launch_count - 1];
	v.suspended = !v.live && str_eq(node_find_text(t->spec, "job/state"), "suspended");
	v.stopped = v.launch != NULL && (!v.live || l->op.kind == OP_REMOVE);
	v.in_flight = v.live && l->op.kind == OP_LAUNCH;
	v.jm = jobmanager_status(&v);
	v.job_state = job_state_text(&v);
	v.recon = reconciliation_state(&v);
	struct node *status = node_is(v.old, NODE_MAP) ? node_copy(v.doc, v.old) : node_map(v.doc);
	bool cluster = t->subject != SUBJECT_SESSION_JOB; /* a session job's status says nothing of its cluster's */
	if (cluster && node_get(status, "clusterInfo") == NULL)
		node_set(v.doc, status, "clusterInfo", node_map(v.doc));
	put_conditions(&v, status);
	put_error(&v, status);
	if (cluster)
		node_set_text(v.doc, status, "jobManagerDeploymentStatus", v.jm);
	put_job_status(&v, status);
	node_set_text(v.doc, status, "lifecycleState", lifecycle_state(&v));
	int64_t generation = node_integer(node_find(t->in->resource, "metadata/generation"), 0);
	if (l->op.kind == OP_NONE && (v.suspended || (v.live && strcmp(v.launch->digest, t->in->digest) == 0)))
		node_set_int(v.doc, status, "observedGeneration", generation);
	else if (v.in_flight && v.launch->generation != 0) /* by this the peer would know the new cluster, were it to go on from here */
		node_set_int(v.doc, status, "observedGeneration", v.launch->generation);
	put_reconciliation(&v, status);
	if (t->subject == SUBJECT_APPLICATION)
		put_task_managers(&v, status);
	doc_set_root(v.doc, status);
	t->out->status = v.doc;
}
