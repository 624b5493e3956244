/* What steps of a schedule do, and the source port: a table of commits in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/render.h"
#include "sync/inventory.h"
#include "world.h"

#define FLINK "/apis/flink.apache.org/v1beta1/namespaces/default/flinkdeployments"

/* ---- the source port ---- */

static bool source_poll(void *context, size_t source, bool *changed, struct error *err)
{
	struct member *m = context;
	struct world *w = m->tap.world;
	(void)source;
	bool down = world_now(w) < w->source_until || world_now(w) < m->cut_until;
	const char *problem = down ? "the repository does not answer" : "";
	*changed = strcmp(problem, m->problem) != 0;
	(void)snprintf(m->problem, sizeof m->problem, "%s", problem);
	if (down)
		return error_set(err, ERROR_TRANSIENT, "%s", problem);
	*changed |= m->seen_commit != w->commit_count - 1;
	m->seen_commit = w->commit_count - 1;
	return true;
}

static bool source_render(void *context, const struct sync_config *sync, char commit[41], struct render_result *out, char note[300],
			  struct error *err)
{
	struct member *m = context;
	(void)snprintf(note, 300, "%s", m->problem);
	commit[0] = '\0';
	if (m->seen_commit < 0)
		return true;
	const struct commit *c = &m->tap.world->commits[m->seen_commit];
	(void)snprintf(commit, 41, "%s", c->id);
	struct render_file file = { .path = "all.yaml", .data = c->text, .len = strlen(c->text), .kind = RENDER_FILE };
	struct render_tree tree = { .files = &file, .count = 1 };
	return render_tree_build(&tree, sync->path == NULL ? "" : sync->path, NULL, out, err);
}

struct source_port source_port_of(struct member *member)
{
	return (struct source_port){ .context = member, .poll = source_poll, .render = source_render };
}

void commits_free(struct world *w)
{
	for (int i = 0; i < w->commit_count; i++)
		free(w->commits[i].text);
	free(w->commits);
}

static struct commit *commit_add(struct world *w)
{
	struct random random = random_seeded(&w->rng);
	struct commit last = { 0 };
	if (w->commit_count > 0)
		last = w->commits[w->commit_count - 1];
	last.empty = last.bad = false;
	w->commits = mem_grow(w->commits, (size_t)w->commit_count + 1, sizeof *w->commits);
	struct commit *c = &w->commits[w->commit_count++];
	*c = last;
	(void)snprintf(c->id, sizeof c->id, "%016llx%016llx%08llx", (unsigned long long)random_next(&random),
		       (unsigned long long)random_next(&random), (unsigned long long)(random_next(&random) & 0xffffffff));
	return c;
}

/* ---- versions ---- */

static void note_version(struct world *w, const struct step_fields *v, bool git)
{
	int job = (int)v->job;
	w->launches_since_change[job] = 0;
	bool stateless = v->mode == MODE_STATELESS && !v->gone;
	w->ha[job] = v->ha != 0;
	w->periodic |= v->trim > 1;
	/* a person may run what preflight would refuse, and what ran may be gone back to */
	w->unchecked |= git ? v->pre == PREFLIGHT_OFF && version_refused(v) : v->pre == PREFLIGHT_OFF || version_refused(v);
	if (stateless || w->stateless[job] || w->edited_stateless[job])
		w->consent_at[job] = world_now(w);
	if (git)
		w->stateless[job] = stateless;
	if (!git || v->mode != MODE_NONE) /* what git does not say stays as the person set it */
		w->edited_stateless[job] = stateless;
}

static void newest_path(struct world *w, int job, char path[512])
{
	AUTOFREE char *key = mem_printf("default/%s", job_names[job]);
	(void)sim_newest(w->sim, key, path);
}

static void take_choice(struct world *w, const struct step_fields *v)
{
	if (v->restore == FROM_NEWEST_PATH)
		newest_path(w, (int)v->job, w->chosen[v->job]);
}

static void commit_step(struct world *w, const struct step *s)
{
	struct commit *c = commit_add(w);
	if (s->kind == STEP_COMMIT) {
		c->job[s->f.job] = s->f;
		c->present[s->f.job] = !s->f.gone;
		c->session = s->f.session != 0 ? s->f.session : c->session;
		take_choice(w, &s->f);
		note_version(w, &s->f, true);
	}
	c->empty = s->kind == STEP_EMPTY_TREE;
	c->bad = s->kind == STEP_BAD_TREE;
	AUTOBUF text = BUF_INIT;
	if (c->bad)
		buf_puts(&text, "kind: [");
	else if (!c->empty)
		buf_puts(&text, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {a: b}\n");
	for (int i = 0; i < JOBS && !c->bad && !c->empty; i++)
		if (c->present[i]) {
			buf_puts(&text, "---\n");
			version_print(&c->job[i], schedule_storage(w->schedule), w->chosen[i], &text);
		}
	if (c->session != 0 && !c->bad && !c->empty)
		session_print(c->session, schedule_storage(w->schedule), &text);
	c->text = buf_take(&text);
}

static int ask(struct world *w, const char *method, const char *path, const char *type, const char *body)
{
	struct http_request request = {
		.method = method, .path = path, .content_type = type, .body = body, .body_len = body == NULL ? 0 : strlen(body)
	};
	struct http_response r = { 0 };
	int status = sim_handle(w->sim, &request, &r) ? r.status : 0;
	buf_free(&r.body);
	return status;
}

/* kubectl apply, by a person. */
static void edit(struct world *w, const struct step *s)
{
	AUTOBUF text = BUF_INIT;
	AUTOFREE char *path = mem_printf(FLINK "/%s?fieldManager=person&force=true", job_names[s->f.job]);
	take_choice(w, &s->f);
	note_version(w, &s->f, false);
	version_print(&s->f, schedule_storage(w->schedule), w->chosen[s->f.job], &text);
	(void)ask(w, "PATCH", path, "application/apply-patch+yaml", buf_text(&text));
}

static void approve(struct world *w)
{
	struct kube *kube = kube_new(sim_http(w->sim));
	if (w->commit_count > 0)
		(void)inventory_approve(kube, "default", "main", w->commits[w->commit_count - 1].id, NULL);
	kube_free(kube);
}

/* ---- faults ---- */

static size_t savepoints_of(struct world *w)
{
	return sim_storage_count(w->sim, w->schedule->uncovered ? "hdfs://far/s/" : "file:/s/");
}

static void storage_lose(struct world *w, int job)
{
	char path[512];
	newest_path(w, job, path);
	if (path[0] != '\0' && sim_storage_lose(w->sim, path))
		w->lost_state = true;
}

static void cut(struct world *w, const struct step *s)
{
	struct member *m = &w->members[s->f.member % MEMBERS];
	m->cut_until = world_now(w) + s->f.span;
	m->cut_fault = s->f.fault == 0 ? FAULT_LOST : s->f.fault;
}

void action_run(struct world *w, const struct step *s)
{
	int64_t until = world_now(w) + s->f.span;
	const char *job = job_names[s->f.job % JOBS];
	AUTOFREE char *resource = mem_printf(FLINK "/%s", job);
	AUTOFREE char *deployment = mem_printf("/apis/apps/v1/namespaces/default/deployments/%s", job);
	switch (s->kind) {
	case STEP_COMMIT:
	case STEP_EMPTY_TREE:
	case STEP_BAD_TREE:
		commit_step(w, s);
		break;
	case STEP_EDIT:
		edit(w, s);
		break;
	case STEP_DELETE:
		(void)ask(w, "DELETE", resource, NULL, NULL);
		break;
	case STEP_APPROVE:
		approve(w);
		break;
	case STEP_SOURCE_DOWN:
		w->source_until = until;
		break;
	case STEP_OUTAGE:
		w->outage_until = until;
		w->outage_fault = s->f.fault;
		break;
	case STEP_STALL:
		sim_watch_stall(w->sim, true);
		w->stall_until = until;
		break;
	case STEP_EXPIRE:
		sim_watch_expire(w->sim);
		break;
	case STEP_BREAK:
		sim_watch_break(w->sim);
		break;
	case STEP_JM_KILL:
		(void)sim_jobmanager_kill(w->sim, "default", job);
		break;
	case STEP_JM_KILL_SAVED:
		w->saved_job = (int)s->f.job;
		w->saved_count = savepoints_of(w);
		break;
	case STEP_JOB_FAIL:
		(void)sim_job_fail(w->sim, "default", job);
		break;
	case STEP_JM_DELETE:
		w->lost_state |= !w->ha[s->f.job % JOBS]; /* nobody can tell which checkpoints it had completed */
		(void)ask(w, "DELETE", deployment, NULL, NULL);
		break;
	case STEP_FREEZE:
		sim_node_freeze(w->sim, "node-1", true);
		w->frozen_until = until;
		break;
	case STEP_STORAGE_DOWN:
		sim_storage_down(w->sim, true);
		w->storage_until = until;
		break;
	case STEP_LOSE:
		storage_lose(w, (int)s->f.job);
		break;
	case STEP_SLOW_SAVEPOINT:
		sim_options(w->sim)->savepoint_ms = s->f.ms;
		w->slow_until = until;
		break;
	case STEP_SHORT_RESULTS:
		sim_options(w->sim)->result_ttl_ms = s->f.ms;
		w->ttl_until = until;
		break;
	case STEP_PARTITION:
		cut(w, s);
		break;
	case STEP_SECOND:
		if (!w->members[1].open)
			w->members[1].open_at = world_now(w);
		break;
	case STEP_JUMP:
		w->jump += s->f.ms;
		break;
	case STEP_FAULT: /* at port calls: tap.c */
	case STEP_DELAY:
	case STEP_CRASH:
	case STEP_PAUSE:
	case STEP_EFFECT:
	case STEP_COUNT:
		break;
	}
}

void actions_expire(struct world *w)
{
	int64_t now = world_now(w);
	if (w->stall_until != 0 && now >= w->stall_until) {
		sim_watch_stall(w->sim, false);
		w->stall_until = 0;
	}
	if (w->frozen_until != 0 && now >= w->frozen_until) {
		sim_node_freeze(w->sim, "node-1", false);
		w->frozen_until = 0;
	}
	if (w->storage_until != 0 && now >= w->storage_until) {
		sim_storage_down(w->sim, false);
		w->storage_until = 0;
	}
	if (w->slow_until != 0 && now >= w->slow_until) {
		sim_options(w->sim)->savepoint_ms = 300;
		w->slow_until = 0;
	}
	if (w->ttl_until != 0 && now >= w->ttl_until) {
		sim_options(w->sim)->result_ttl_ms = 300000;
		w->ttl_until = 0;
	}
	if (w->saved_job >= 0 && savepoints_of(w) > w->saved_count) {
		(void)sim_jobmanager_kill(w->sim, "default", job_names[w->saved_job]);
		world_trace(w, "the JobManager dies with its savepoint complete");
		w->saved_job = -1;
	}
}

void action_heal(struct world *w)
{
	int64_t now = world_now(w);
	for (int i = 0; i < MEMBERS; i++)
		w->members[i].cut_until = 0;
	w->outage_until = w->source_until = 0;
	w->fault_left = 0;
	w->crash_at = 0;
	w->saved_job = -1;
	w->now.step = w->now.retry = NULL;
	w->stall_until = w->frozen_until = w->storage_until = w->slow_until = w->ttl_until = now;
	actions_expire(w);
	sim_faults_clear(w->sim);
}
