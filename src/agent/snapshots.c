/* Snapshots of a job that runs on: their options, what is seen of them, and their effects. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/snapshots.h"
#include "base/log.h"
#include "base/mem.h"
#include "flink/config.h"
#include "flink/rest.h"
#include "flink/values.h"
#include "flink/versions.h"
#include "lifecycle/snapshot.h"
#include "lifecycle/state_snapshot.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"

/* ---- options ---- */

#define OPERATOR "kubernetes.operator."

static void complain(struct snapshot_config *c, const char *key, const char *why)
{
	if (c->problem[0] == '\0')
		(void)snprintf(c->problem, sizeof c->problem, "%.60s: %.130s", key, why);
}

static void read_period(const struct node *config, const char *key, struct snapshot_period *out, struct snapshot_config *c)
{
	const char *text = flink_config_get(config, key);
	struct schedule schedule;
	struct error why;
	if (text == NULL || *text == '\0' || flink_duration_ms(text, &out->every_ms))
		return;
	if (schedule_parse(text, &schedule, &why))
		LEDGER_SET(out->cron, text);
	else if (strchr(text, ' ') == NULL || strpbrk(text, "*?") == NULL)
		complain(c, key, "expected a duration such as \"6 h\" or a Quartz cron expression such as \"0 0 6 * * ?\"");
	else
		complain(c, key, why.message);
}

static void read_choice(const struct node *config, const char *key, const char *const *accepted, const char *words, char out[16],
			struct snapshot_config *c)
{
	const char *text = flink_config_get_or(config, key, accepted[0]);
	ledger_set_text(out, 16, accepted[0]);
	for (int i = 0; accepted[i] != NULL; i++)
		if (strcasecmp(accepted[i], text) == 0) {
			ledger_set_text(out, 16, accepted[i]);
			return;
		}
	complain(c, key, words);
}

static int64_t at_most(int64_t value, int64_t threshold)
{
	return threshold >= 0 && value > threshold ? threshold : value;
}

void snapshot_configure(struct job_view *view, const struct node *spec, const struct node *launched)
{
	static const char *const formats[] = { "CANONICAL", "NATIVE", NULL };
	static const char *const types[] = { "FULL", "INCREMENTAL", "CONFIGURED", NULL };
	struct snapshot_config *c = &view->config.snapshots;
	*c = (struct snapshot_config){ 0 };
	char name[24];
	LEDGER_SET(name, node_text(node_get(subject_effective(view, launched), "flinkVersion")));
	const struct flink_version *version = flink_version_find(name);
	c->can_checkpoint = version != NULL && version->checkpoint_trigger;
	c->own_trigger = version != NULL && version->trigger_id;

	AUTODOC *doc = doc_new();
	struct node *config = NULL;
	struct flink_launch launch = { .spec = subject_effective(view, spec), .name = view->name, .ns = view->ns };
	if (!flink_config_user(doc, &launch, &config, NULL))
		return; /* the spec is not valid: said elsewhere, and nothing periodic is made meanwhile */
	read_period(config, OPERATOR "periodic.savepoint.interval", &c->savepoint, c);
	read_period(config, OPERATOR "periodic.checkpoint.interval", &c->checkpoint, c);
	read_choice(config, OPERATOR "savepoint.format.type", formats, "expected CANONICAL or NATIVE", c->savepoint_format, c);
	read_choice(config, OPERATOR "checkpoint.type", types, "expected FULL, INCREMENTAL or CONFIGURED", c->checkpoint_type, c);
	if (version != NULL && !version->savepoint_format)
		LEDGER_SET(c->savepoint_format, formats[0]);
	c->cleanup = flink_config_bool(config, OPERATOR "savepoint.cleanup.enabled", true);
	c->max_count = at_most(flink_config_int(config, OPERATOR "savepoint.history.max.count", 10),
			       flink_config_int(config, OPERATOR "savepoint.history.max.count.threshold", -1));
	c->max_age_ms = at_most(flink_config_ms(config, OPERATOR "savepoint.history.max.age", 86400000),
				flink_config_ms(config, OPERATOR "savepoint.history.max.age.threshold", -1));
	c->checkpoints_kept = flink_config_int(config, "execution.checkpointing.num-retained", 1);
	c->resources = flink_config_bool(config, OPERATOR "snapshot.resource.enabled", true);
	c->dispose_on_delete = flink_config_bool(config, OPERATOR "savepoint.dispose-on-delete", false);
	c->ignore_pending = flink_config_bool(config, OPERATOR "job.upgrade.ignore-pending-savepoint", false);
}

/* ---- what is seen ---- */

enum savepoint_seen snapshot_poll_operation(const struct http *http, const char *job, int64_t kind, const char *trigger, char *path,
					    size_t size, char failure[300])
{
	struct flink_operation operation;
	struct error err;
	char where[FLINK_PATH_MAX] = "";
	bool checkpoint = kind == SNAPSHOT_CHECKPOINT;
	if (trigger[0] == '\0')
		return SAVEPOINT_NO_SUCH_TRIGGER;
	bool ok = checkpoint ? flink_checkpoint_poll(http, job, trigger, &operation, &err)
			     : flink_savepoint_poll(http, job, trigger, &operation, &err);
	if (!ok)
		return err.kind == ERROR_NOT_FOUND ? SAVEPOINT_NO_SUCH_TRIGGER : SAVEPOINT_UNKNOWN;
	if (operation.state == FLINK_IN_PROGRESS)
		return SAVEPOINT_IN_PROGRESS;
	if (operation.state == FLINK_FAILED && operation.location[0] == '\0') {
		(void)snprintf(failure, 300, "%.299s", operation.cause);
		return SAVEPOINT_FAILED;
	}
	if (checkpoint && !flink_checkpoint_path(http, job, operation.checkpoint_id, where, &err) && err.kind != ERROR_NOT_FOUND)
		return SAVEPOINT_UNKNOWN; /* complete, and where will be told next time; a forgotten one has no path any more */
	const char *found = checkpoint ? where : operation.location;
	if (strlen(found) >= size) { /* a cut path would be a wrong one */
		(void)snprintf(failure, 300, "its path is longer than %zu bytes", size - 1);
		return SAVEPOINT_FAILED;
	}
	ledger_set_text(path, size, found);
	return SAVEPOINT_COMPLETED;
}

void snapshot_poll_disposal(const struct http *http, const char *trigger, enum savepoint_seen *seen, bool *gone, char failure[300])
{
	struct flink_operation operation;
	struct error err;
	*gone = false;
	if (trigger[0] == '\0') {
		*seen = SAVEPOINT_NO_SUCH_TRIGGER;
		return;
	}
	if (!flink_savepoint_dispose_poll(http, trigger, &operation, &err)) {
		*seen = err.kind == ERROR_NOT_FOUND ? SAVEPOINT_NO_SUCH_TRIGGER : SAVEPOINT_UNKNOWN;
		return;
	}
	*seen = operation.state == FLINK_IN_PROGRESS ? SAVEPOINT_IN_PROGRESS
		: operation.state == FLINK_COMPLETED ? SAVEPOINT_COMPLETED
						     : SAVEPOINT_FAILED;
	*gone = strstr(operation.cause, "FileNotFoundException") != NULL || strstr(operation.cause, "NoSuchFileException") != NULL;
	(void)snprintf(failure, 300, "%.299s", operation.cause);
}

void snapshot_poll(const struct http *http, const char *job, const struct ledger *ledger, struct observation *o)
{
	const struct ledger_snapshot *s = &ledger->snapshot;
	if (s->kind != SNAPSHOT_NONE)
		o->snapshot = snapshot_poll_operation(http, job, s->kind, s->trigger, o->snapshot_path, sizeof o->snapshot_path,
						      o->snapshot_failure);
	if (ledger->disposal.of != 0 && !ledger->disposal.done && ledger->disposal.attempt > 0)
		snapshot_poll_disposal(http, ledger->disposal.trigger, &o->disposal, &o->disposal_gone, o->disposal_failure);
}

enum seen snapshot_needed_elsewhere(struct kube *kube, const char *ns, const char *own, const char *path, char who[120])
{
	AUTODOC *list = NULL;
	AUTOFREE char *mine = mem_printf("weir-ledger-%s", own == NULL ? "" : own);
	if (!kube_list(kube, &KIND_CONFIGMAP, ns, "weir.dev/ledger=true", &list, NULL, NULL))
		return SEEN_UNKNOWN;
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++) {
		const char *name = node_text_or(node_find(node_at(items, i), "metadata/name"), "");
		const struct node *text = node_get(node_get(node_at(items, i), "data"), "ledger.json");
		struct ledger other;
		if (own != NULL && strcmp(name, mine) == 0)
			continue;
		if (text == NULL || !ledger_read(&other, node_text_or(text, ""), node_len(text), NULL))
			return SEEN_UNKNOWN; /* who knows what it needs */
		bool needed = snapshot_needed(&other, path);
		ledger_free(&other);
		if (needed) {
			(void)snprintf(who, 120, "%.119s", name);
			return SEEN_PRESENT;
		}
	}
	return SEEN_ABSENT;
}

void snapshot_look(struct kube *kube, const struct job_view *view, const struct ledger *ledger, struct observation *o)
{
	const struct ledger_record *r = snapshot_record_open(ledger);
	if (r == NULL)
		return;
	const struct ledger_disposal *d = &ledger->disposal;
	if (d->of == r->at && !d->done && (d->attempt == 0 || d->retry_at != 0))
		o->needed = snapshot_needed_elsewhere(kube, view->ns, view->ledger_name, r->path, o->needed_by);
	if (r->listed == RECORD_UNLISTED)
		return;
	struct kube_resource kind;
	struct error err;
	if (!kube_resource_for(kube, KIND_FLINKSTATESNAPSHOT.api_version, KIND_FLINKSTATESNAPSHOT.kind, &kind, &err)) {
		o->snapshot_kind = err.kind == ERROR_NOT_FOUND ? SEEN_ABSENT : SEEN_UNKNOWN;
		return;
	}
	o->snapshot_kind = SEEN_PRESENT;
	char name[SNAPSHOT_NAME_MAX];
	snapshot_resource_name(view->name, r, name);
	bool there = kube_get(kube, &KIND_FLINKSTATESNAPSHOT, view->ns, name, NULL, &err);
	o->snapshot_resource = there ? SEEN_PRESENT : err.kind == ERROR_NOT_FOUND ? SEEN_ABSENT : SEEN_UNKNOWN;
}

/* ---- effects ---- */

static bool trigger(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err)
{
	struct ledger_snapshot *s = &ledger->snapshot;
	const struct ledger_launch *l = ledger_launch_of(ledger, s->launch);
	struct http *http = NULL;
	if (l == NULL)
		return error_set(err, ERROR_BUG, "the launch of the open snapshot is not in the ledger");
	if (!job_rest_open(agent, view, &http, err))
		return false;
	const char *own = s->trigger[0] == '\0' ? NULL : s->trigger;
	struct flink_savepoint_request request = { .directory = s->dir,
						   .format = view->config.snapshots.own_trigger ? s->format : NULL,
						   .trigger_id = own };
	char answer[FLINK_ID_MAX];
	struct error why;
	bool ok = s->kind == SNAPSHOT_CHECKPOINT ? flink_checkpoint_trigger(http, l->job_id, s->format, own, answer, &why)
						 : flink_savepoint_trigger(http, l->job_id, &request, answer, &why);
	job_rest_close(agent, http);
	if (ok)
		LEDGER_SET(s->trigger, answer);
	else if (why.kind == ERROR_INVALID || why.kind == ERROR_UNSUPPORTED || why.kind == ERROR_CONFLICT)
		(void)snprintf(s->refused, sizeof s->refused, "%.*s", (int)sizeof s->refused - 1, why.message);
	else
		return error_set(err, why.kind, "%s", why.message);
	return true;
}

static bool dispose(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err)
{
	const struct ledger_record *r = ledger_record_of(ledger, ledger->disposal.of);
	struct http *http = NULL;
	if (r == NULL || r->kind != SNAPSHOT_SAVEPOINT || r->path[0] == '\0')
		return error_set(err, ERROR_BUG, "the savepoint to be disposed of is not in the ledger");
	if (!job_rest_open(agent, view, &http, err))
		return false;
	char answer[FLINK_ID_MAX];
	bool ok = flink_savepoint_dispose(http, r->path, answer, err);
	job_rest_close(agent, http);
	if (ok)
		LEDGER_SET(ledger->disposal.trigger, answer);
	return ok || err->kind == ERROR_INVALID; /* refused: Flink will not know of it, and it is tried again later */
}

static struct node *resource_of(struct doc *doc, const struct job_view *view, const struct ledger_record *r)
{
	char name[SNAPSHOT_NAME_MAX];
	snapshot_resource_name(view->name, r, name);
	struct node *object = node_map(doc);
	node_set_text(doc, object, "apiVersion", KIND_FLINKSTATESNAPSHOT.api_version);
	node_set_text(doc, object, "kind", KIND_FLINKSTATESNAPSHOT.kind);
	struct node *metadata = node_ensure_map(doc, object, "metadata");
	node_set_text(doc, metadata, "name", name);
	node_set_text(doc, metadata, "namespace", view->ns);
	struct node *labels = node_ensure_map(doc, metadata, "labels");
	node_set_text(doc, labels, "snapshot.type", snapshot_kind_name(r->kind));
	node_set_text(doc, labels, "snapshot.trigger-type", r->type);
	node_set_text(doc, labels, "job-reference.kind", view->kind->kind);
	if (strlen(view->name) <= 63)
		node_set_text(doc, labels, "job-reference.name", view->name);
	struct node *spec = node_ensure_map(doc, object, "spec");
	struct node *reference = node_ensure_map(doc, spec, "jobReference");
	node_set_text(doc, reference, "kind", view->kind->kind);
	node_set_text(doc, reference, "name", view->name);
	if (r->kind == SNAPSHOT_CHECKPOINT) {
		(void)node_ensure_map(doc, spec, "checkpoint");
		/* Flink made it already: the snapshot's own turn must not ask for another */
		node_set_text(doc, node_ensure_map(doc, metadata, "annotations"), STATE_SNAPSHOT_RECORDED, r->path);
		return object;
	}
	struct node *savepoint = node_ensure_map(doc, spec, "savepoint");
	node_set_text(doc, savepoint, "path", r->path);
	node_set_text(doc, savepoint, "formatType", r->format);
	node_set(doc, savepoint, "alreadyExists", node_bool(doc, true));
	node_set(doc, savepoint, "disposeOnDelete", node_bool(doc, view->config.snapshots.dispose_on_delete));
	return object;
}

static bool create_resource(struct agent *agent, const struct job_view *view, struct ledger *ledger, struct error *err)
{
	const struct ledger_record *r = snapshot_record_open(ledger);
	AUTODOC *doc = doc_new();
	struct error why;
	if (r == NULL)
		return error_set(err, ERROR_BUG, "there is no snapshot to be shown");
	if (kube_create(agent->kube, &KIND_FLINKSTATESNAPSHOT, view->ns, resource_of(doc, view, r), NULL, &why) ||
	    why.kind == ERROR_CONFLICT)
		return true;
	if (why.kind != ERROR_FORBIDDEN && why.kind != ERROR_INVALID && why.kind != ERROR_NOT_FOUND)
		return error_set(err, why.kind, "%s", why.message);
	/* it only shows what the ledger holds: nothing waits for it */
	log_event(LOG_LEVEL_WARN, "snapshot not shown", "namespace", view->ns, "path", r->path, "error", why.message, NULL);
	ledger_record_of(ledger, r->at)->listed = RECORD_UNLISTED;
	return true;
}

static bool delete_resource(struct agent *agent, const struct job_view *view, const struct ledger *ledger, struct error *err)
{
	const struct ledger_record *r = snapshot_record_open(ledger);
	char name[SNAPSHOT_NAME_MAX];
	if (r == NULL)
		return error_set(err, ERROR_BUG, "there is no snapshot to be deleted");
	snapshot_resource_name(view->name, r, name);
	struct error why;
	return kube_delete(agent->kube, &KIND_FLINKSTATESNAPSHOT, view->ns, name, NULL, &why) || why.kind == ERROR_NOT_FOUND ||
	       error_set(err, why.kind, "%s", why.message);
}

bool snapshot_execute(struct agent *agent, struct job_view *view, struct ledger *ledger, enum effect effect, struct error *err)
{
	switch (effect) {
	case EFFECT_TRIGGER_SAVEPOINT:
	case EFFECT_TRIGGER_CHECKPOINT:
		return trigger(agent, view, ledger, err);
	case EFFECT_DISPOSE_SAVEPOINT:
		return dispose(agent, view, ledger, err);
	case EFFECT_CREATE_SNAPSHOT:
		return create_resource(agent, view, ledger, err);
	case EFFECT_DELETE_SNAPSHOT:
		return delete_resource(agent, view, ledger, err);
	default:
		return error_set(err, ERROR_BUG, "%s is no effect of snapshots", effect_name(effect));
	}
}
