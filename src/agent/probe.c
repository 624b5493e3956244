#include "agent/probe.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/probe.h"
#include "sync/kinds.h"

static enum state_question question_of(const struct ledger_probe *p)
{
	return p->question == PROBE_CLEAN ? STATE_CLEAN : STATE_LOOK;
}

/* Always asked of the server: the cache holds no such pods. */
void probe_look(struct agent *agent, const struct job_view *view, const struct ledger *ledger, struct observation *o)
{
	const struct ledger_probe *p = &ledger->probe;
	AUTODOC *doc = NULL;
	struct error err;
	if (p->question == PROBE_NONE || p->answered_at != 0 || p->pod[0] == '\0')
		return;
	if (!kube_get(agent->kube, &KIND_POD, view->ns, p->pod, &doc, &err) && err.kind != ERROR_NOT_FOUND)
		return;
	struct state_listing found;
	int64_t age = clock_now_ms(&agent->clock) - p->asked_at;
	o->probe_done = state_probe_read(doc == NULL ? NULL : doc_root(doc), question_of(p), age < 0 ? 0 : age, &found) == PROBE_DONE;
	o->probe_answer = found.look.answer == STATE_EXISTS ? SEEN_PRESENT : found.look.answer == STATE_ABSENT ? SEEN_ABSENT : SEEN_UNKNOWN;
	(void)snprintf(o->probe_why, sizeof o->probe_why, "%.*s", (int)sizeof o->probe_why - 1, found.look.why);
	state_listing_free(&found);
}

static bool create(struct agent *agent, const struct job_view *view, const struct kube_resource *kind, const struct node *object,
		   struct error *err)
{
	struct error why;
	if (kube_create(agent->kube, kind, view->ns, object, NULL, &why) || why.kind == ERROR_CONFLICT)
		return true;
	error_copy(err, &why);
	return false;
}

static bool make(struct agent *agent, struct job_view *view, struct ledger_probe *p, struct error *err)
{
	const struct node *owner = view->subject == SUBJECT_SESSION_JOB ? doc_root(view->cluster_resource) : view->resource;
	if (view->subject == SUBJECT_SESSION_JOB && view->cluster_resource == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "its session cluster does not exist");
	const struct flink_launch launch = { .spec = subject_effective(view, node_get(view->resource, "spec")),
					     .name = view->cluster,
					     .ns = view->ns,
					     .uid = node_find_text(owner, "metadata/uid") };
	AUTODOC *doc = doc_new();
	struct node *map = NULL, *pod = NULL;
	if (!state_probe_build(&launch, question_of(p), p->path, doc, &map, &pod, err))
		return false;
	const char *name = node_find_text(pod, "metadata/name");
	if (strlen(name) >= sizeof p->pod)
		return error_set(err, ERROR_LIMIT, "the name of its pod is longer than %zu bytes", sizeof p->pod - 1);
	if (!create(agent, view, &KIND_CONFIGMAP, map, err) || !create(agent, view, &KIND_POD, pod, err))
		return false;
	LEDGER_SET(p->pod, name);
	return true;
}

bool probe_create(struct agent *agent, struct job_view *view, struct ledger *ledger, struct error *err)
{
	struct ledger_probe *p = &ledger->probe;
	struct error why;
	if (make(agent, view, p, &why))
		return true;
	if (why.kind == ERROR_TRANSIENT || why.kind == ERROR_UNKNOWN_OUTCOME || why.kind == ERROR_EXPIRED) {
		error_copy(err, &why);
		return false;
	}
	/* no pod can know: that is an answer, too */
	p->answered_at = clock_now_ms(&agent->clock);
	p->answer = SEEN_UNKNOWN;
	(void)snprintf(p->why, sizeof p->why, "%.*s", (int)sizeof p->why - 1, why.message);
	return true;
}

bool probe_end(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err)
{
	static const struct kube_resource *const kinds[] = { &KIND_POD, &KIND_CONFIGMAP };
	const struct kube_delete_options now = { .grace_seconds = 0 };
	struct error why;
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && ledger->probe.pod[0] != '\0'; i++)
		if (!kube_delete(agent->kube, kinds[i], view->ns, ledger->probe.pod, &now, &why) && why.kind != ERROR_NOT_FOUND)
			return error_set(err, why.kind, "%s", why.message);
	ledger->probe.pod[0] = '\0';
	return true;
}
