/* What a Flink resource stands for: an application, a session cluster or a session job, and what the latter two know of each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

void subject_open(struct job_view *view, struct kube *reads, const struct kube_resource *kind, const struct node *resource)
{
	*view = (struct job_view){ .reads = reads, .kind = kind, .resource = resource, .rest_port = "8081" };
	view->ns = node_text_or(node_find(resource, "metadata/namespace"), "");
	view->name = node_text_or(node_find(resource, "metadata/name"), "");
	view->cluster = view->name;
	if (kind == &KIND_FLINKSESSIONJOB) {
		view->subject = SUBJECT_SESSION_JOB;
		view->cluster = node_text_or(node_find(resource, "spec/deploymentName"), "");
	} else if (!node_is(node_find(resource, "spec/job"), NODE_MAP)) {
		view->subject = SUBJECT_SESSION;
	}
	ledger_store_name(kind->kind, view->name, view->ledger_name);
}

void subject_launched(struct job_view *view, const struct node *spec)
{
	const char *cluster = node_text(node_get(spec, "deploymentName"));
	if (spec == NULL)
		return;
	if (view->subject != SUBJECT_SESSION_JOB) {
		view->subject = node_is(node_get(spec, "job"), NODE_MAP) ? SUBJECT_APPLICATION : SUBJECT_SESSION;
	} else if (cluster != NULL) {
		LEDGER_SET(view->launched_on, cluster);
		view->cluster = view->launched_on;
	}
}

void subject_free(struct job_view *view)
{
	doc_free(TAKE(view->effective));
	doc_free(TAKE(view->cluster_resource));
}

const struct node *subject_effective(struct job_view *view, const struct node *own)
{
	if (view->subject != SUBJECT_SESSION_JOB || view->cluster_resource == NULL)
		return own;
	doc_free(view->effective);
	struct doc *doc = view->effective = doc_new();
	struct node *spec = node_copy(doc, node_get(doc_root(view->cluster_resource), "spec"));
	doc_set_root(doc, spec);
	struct node *config = node_ensure_map(doc, spec, "flinkConfiguration");
	const struct node *over = node_get(own, "flinkConfiguration");
	for (size_t i = 0; i < node_count(over); i++)
		node_set(doc, config, node_key_at(over, i), node_copy(doc, node_value_at(over, i)));
	if (node_get(own, "job") != NULL)
		node_set(doc, spec, "job", node_copy(doc, node_get(own, "job")));
	return spec;
}

/* ---- a session job's view of its cluster ---- */

static void problem(struct job_view *view, const char *text)
{
	(void)snprintf(view->session.problem, sizeof view->session.problem, "session cluster %.60s %s", view->cluster, text);
}

static bool look_at_cluster(struct job_view *view, struct error *err)
{
	struct session_view *s = &view->session;
	AUTODOC *doc = NULL;
	struct error why;
	if (!kube_get(view->reads, &KIND_FLINKDEPLOYMENT, view->ns, view->cluster, &doc, &why)) {
		if (why.kind != ERROR_NOT_FOUND) {
			error_copy(err, &why);
			return false;
		}
		s->cluster = SEEN_ABSENT;
		problem(view, "does not exist");
		return true;
	}
	view->cluster_resource = TAKE(doc);
	const struct node *cluster = doc_root(view->cluster_resource);
	if (node_is(node_find(cluster, "spec/job"), NODE_MAP)) {
		s->cluster = SEEN_ABSENT;
		problem(view, "is an application cluster: it takes no session jobs");
		return true;
	}
	s->cluster = SEEN_PRESENT;
	struct stored_ledger stored;
	if (!ledger_store_read(view->reads, view->ns, view->cluster, &stored, err))
		return false;
	const struct ledger_launch *live = ledger_live(&stored.ledger);
	int64_t op = stored.ledger.op.kind;
	s->draining = op == OP_DRAIN || (op == OP_REMOVE && strcmp(stored.ledger.op.reason, "recover") != 0);
	s->ready = live != NULL && live->running_at != 0 && op == OP_NONE;
	if (s->draining)
		problem(view, "is being replaced");
	else if (!s->ready)
		problem(view, "is not ready");
	ledger_free(&stored.ledger);
	return true;
}

/* ---- a session cluster's view of its jobs ---- */

static bool look_at_jobs(struct job_view *view, struct error *err)
{
	struct session_view *s = &view->session;
	AUTODOC *list = NULL;
	if (!kube_list(view->reads, &KIND_FLINKSESSIONJOB, view->ns, NULL, &list, NULL, err))
		return false;
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		struct job_view job;
		subject_open(&job, view->reads, &KIND_FLINKSESSIONJOB, node_at(items, i));
		if (strcmp(job.cluster, view->name) != 0)
			continue;
		s->job_count++;
		struct stored_ledger stored;
		if (!ledger_store_read(view->reads, view->ns, job.ledger_name, &stored, err))
			return false;
		s->live_count += ledger_live(&stored.ledger) != NULL;
		ledger_free(&stored.ledger);
	}
	s->jobs = SEEN_PRESENT;
	return true;
}

bool subject_session(struct job_view *view, const struct ledger *ledger, struct error *err)
{
	if (view->subject == SUBJECT_SESSION_JOB)
		return look_at_cluster(view, err);
	bool matters = ledger->op.kind == OP_DRAIN || node_find(view->resource, "metadata/deletionTimestamp") != NULL;
	if (view->subject == SUBJECT_SESSION && matters)
		return look_at_jobs(view, err);
	return true;
}

void subject_wake(struct agent *agent, const struct job_view *view)
{
	int64_t now = clock_mono_ms(&agent->clock);
	if (view->subject == SUBJECT_SESSION_JOB) {
		AUTOFREE char *key = mem_printf("job/%s/%s", view->ns, view->cluster);
		queue_add(agent->queue, key, now);
	}
	if (view->subject != SUBJECT_SESSION)
		return;
	AUTODOC *list = NULL;
	if (!kube_list(agent->kube, &KIND_FLINKSESSIONJOB, view->ns, NULL, &list, NULL, NULL))
		return; /* they look again by themselves */
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		AUTOFREE char *key =
			mem_printf("sessionjob/%s/%s", view->ns, node_text_or(node_find(node_at(items, i), "metadata/name"), ""));
		if (str_eq(node_find_text(node_at(items, i), "spec/deploymentName"), view->name))
			queue_add(agent->queue, key, now);
	}
}

/* ---- whose it is, and where it comes from ---- */

const char *subject_foreign(const struct job_view *view)
{
	const struct node *fields = node_find(view->resource, "metadata/managedFields");
	const char *ours = "";
	const char *theirs = "";
	const char *manager = NULL;
	for (size_t i = 0; i < node_count(fields); i++) {
		const struct node *f = node_at(fields, i);
		const char *time = node_text_or(node_get(f, "time"), "");
		if (!str_eq(node_text(node_get(f, "subresource")), "status"))
			continue;
		bool own = str_eq(node_text(node_get(f, "manager")), "weir");
		if (own && strcmp(time, ours) > 0)
			ours = time;
		if (!own && strcmp(time, theirs) > 0) {
			theirs = time;
			manager = node_text(node_get(f, "manager"));
		}
	}
	return *ours != '\0' && strcmp(theirs, ours) > 0 ? manager : NULL; /* times of the API server, all in one zone and form */
}

bool subject_move(struct agent *agent, const struct job_view *view, const struct ledger *own, struct stored_ledger *stored,
		  struct move_view *out, struct error *err)
{
	*out = (struct move_view){ 0 };
	ledger_init(&stored->ledger);
	const char *from = decide_annotation(view->resource, "weir.dev/moved-from");
	if (from == NULL || own->launch_count > 0)
		return true;
	const char *slash = strchr(from, '/');
	AUTOFREE char *ns = slash == NULL ? mem_strdup(view->ns) : mem_strndup(from, (size_t)(slash - from));
	const char *name = slash == NULL ? from : slash + 1;
	char ledger_name[LEDGER_NAME_MAX];
	ledger_store_name(view->kind->kind, name, ledger_name);
	AUTODOC *doc = NULL;
	struct error why;
	if (kube_get(agent->kube, view->kind, ns, name, &doc, &why)) {
		out->resource = SEEN_PRESENT;
		out->deleting = node_find(doc_root(doc), "metadata/deletionTimestamp") != NULL;
	} else if (why.kind == ERROR_NOT_FOUND) {
		out->resource = SEEN_ABSENT;
	} else {
		error_copy(err, &why);
		return false;
	}
	if (!ledger_store_read(agent->kube, ns, ledger_name, stored, err))
		return false;
	out->ledger = &stored->ledger;
	return true;
}
