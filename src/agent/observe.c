/* Looks at everything that a decision about one job needs. What cannot be seen is unknown, never absent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/snapshots.h"
#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects.h"
#include "flink/rest.h"
#include "http/http_curl.h"
#include "http/http_tap.h"
#include "store/store.h"
#include "sync/kinds.h"

#define OPERATOR "kubernetes.operator."

static void read_health(const struct node *config, struct job_config *c)
{
	int64_t timeout = flink_config_ms(config, "execution.checkpointing.timeout", 600000);
	int64_t tolerable = flink_config_int(config, "execution.checkpointing.tolerable-failed-checkpoints", 0);
	int64_t least = (timeout > c->checkpoint_interval_ms ? timeout : c->checkpoint_interval_ms) * (tolerable + 2);
	int64_t window = flink_config_ms(config, OPERATOR "cluster.health-check.checkpoint-progress.window", 0);
	c->restart_failed = flink_config_bool(config, OPERATOR "job.restart.failed", false);
	c->health_check = flink_config_bool(config, OPERATOR "cluster.health-check.enabled", false);
	c->health_restarts = flink_config_int(config, OPERATOR "cluster.health-check.restarts.threshold", 64);
	c->health_restarts_ms = flink_config_ms(config, OPERATOR "cluster.health-check.restarts.window", 120000);
	if (c->checkpointing && flink_config_bool(config, OPERATOR "cluster.health-check.checkpoint-progress.enabled", true))
		c->health_checkpoint_ms = window > least ? window : least;
}

bool observe_config(const struct node *spec, const char *name, const char *ns, struct job_view *view, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *config = NULL;
	struct flink_launch launch = { .spec = spec, .name = name, .ns = ns };
	if (!flink_config_user(doc, &launch, &config, err))
		return false;
	const char *dir = flink_savepoint_dir(config);
	if (dir != NULL && strlen(dir) >= sizeof view->config.savepoint_dir)
		return error_set(err, ERROR_LIMIT, "the savepoint directory is longer than %zu bytes",
				 sizeof view->config.savepoint_dir - 1);
	view->config =
		(struct job_config){ .ha = flink_ha_enabled(config), .checkpoint_interval_ms = flink_checkpoint_interval_ms(config) };
	view->config.checkpointing = view->config.checkpoint_interval_ms > 0;
	view->config.retained =
		strcmp(flink_config_get_or(config, "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION"),
		       "RETAIN_ON_CANCELLATION") == 0;
	const struct flink_version *version = flink_launch_version(&launch, NULL);
	const char *scheduler = flink_config_get_or(config, "jobmanager.scheduler", "");
	view->config.no_fallback = !flink_config_bool(config, OPERATOR "job.upgrade.last-state-fallback.enabled", true);
	view->config.self_deleting = version != NULL && !flink_version_at_least(version, 1, 15);
	view->config.rescalable = version != NULL && version->resource_requirements && strcasecmp(scheduler, "adaptive") == 0;
	read_health(config, &view->config);
	view->config.block_on_unmanaged = flink_config_bool(config, "kubernetes.operator.session.deletion.block-on-unmanaged-jobs", true);
	LEDGER_SET(view->config.savepoint_dir, dir);
	const char *storage = view->config.ha ? flink_config_get(config, "high-availability.storageDir") : NULL;
	if (storage != NULL && strlen(storage) < sizeof view->config.ha_dir)
		LEDGER_SET(view->config.ha_dir, storage);
	LEDGER_SET(view->rest_port, flink_config_get_or(config, "rest.port", "8081"));
	return true;
}

static void observe_deployment(const struct job_view *view, struct observation *o)
{
	AUTODOC *doc = NULL;
	struct error err;
	if (!kube_get(view->reads, &KIND_DEPLOYMENT, view->ns, view->cluster, &doc, &err)) {
		o->jm = err.kind == ERROR_NOT_FOUND ? SEEN_ABSENT : SEEN_UNKNOWN;
		return;
	}
	const struct node *d = doc_root(doc);
	o->jm = SEEN_PRESENT;
	LEDGER_SET(o->jm_uid, node_find_text(d, "metadata/uid"));
	o->jm_launch = node_integer(node_get(node_find(d, "metadata/annotations"), FLINK_LAUNCH_ANNOTATION), 0);
	o->jm_complete =
		o->jm_launch != 0 && node_integer(node_get(node_find(d, "metadata/annotations"), "weir.dev/complete"), 0) == o->jm_launch;
	o->jm_deleting = node_find(d, "metadata/deletionTimestamp") != NULL;
	o->jm_available = node_integer(node_find(d, "status/availableReplicas"), 0) > 0;
}

static bool is_trouble(const char *reason)
{
	static const char *const reasons[] = { "CrashLoopBackOff",     "ImagePullBackOff",  "ErrImagePull",
					       "InvalidImageName",     "RunContainerError", "CreateContainerConfigError",
					       "CreateContainerError", "OOMKilled" };
	for (size_t i = 0; reason != NULL && i < ARRAY_SIZE(reasons); i++)
		if (strcmp(reason, reasons[i]) == 0)
			return true;
	return false;
}

static void observe_containers(const struct node *list, struct observation *o)
{
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *c = node_at(list, i);
		int64_t restarts = node_integer(node_get(c, "restartCount"), 0);
		if (restarts > o->jm_restarts)
			o->jm_restarts = restarts;
		const char *reason = node_find_text(c, "state/waiting/reason");
		if (!is_trouble(reason))
			continue;
		LEDGER_SET(o->trouble, reason);
		const char *last = node_find_text(c, "lastState/terminated/message");
		const char *text = last != NULL ? last : node_text_or(node_find(c, "state/waiting/message"), reason);
		(void)snprintf(o->trouble_text, sizeof o->trouble_text, "[%s] %s", node_text_or(node_get(c, "name"), ""), text);
	}
}

static void observe_pods(const struct job_view *view, struct observation *o)
{
	AUTODOC *doc = NULL;
	AUTOFREE char *selector = mem_printf("app=%s," OBSERVE_COMPONENTS, view->cluster);
	if (!kube_list(view->reads, &KIND_POD, view->ns, selector, &doc, NULL, NULL))
		return;
	const struct node *items = node_get(doc_root(doc), "items");
	o->pods = node_count(items) == 0 ? SEEN_ABSENT : SEEN_PRESENT;
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *pod = node_at(items, i);
		const char *phase = node_text_or(node_find(pod, "status/phase"), "");
		if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
			continue; /* its processes have ended */
		o->waiting_pods += strcmp(phase, "Pending") == 0 && node_find_text(pod, "spec/nodeName") == NULL;
		bool jm = str_eq(node_find_text(pod, "metadata/labels/component"), "jobmanager");
		if (!jm) {
			o->tm_pods++;
			continue;
		}
		o->jm_pods++;
		observe_containers(node_find(pod, "status/initContainerStatuses"), o);
		observe_containers(node_find(pod, "status/containerStatuses"), o);
	}
}

static void observe_ha(const struct job_view *view, const struct ledger_launch *last, struct observation *o)
{
	AUTODOC *doc = NULL;
	AUTOFREE char *selector = mem_printf("app=%s," OBSERVE_HA, view->cluster);
	if (!kube_list(view->reads, &KIND_CONFIGMAP, view->ns, selector, &doc, NULL, NULL))
		return;
	const struct node *items = node_get(doc_root(doc), "items");
	o->ha = node_count(items) == 0 ? SEEN_ABSENT : SEEN_PRESENT;
	for (size_t i = 0; i < node_count(items); i++) {
		const struct node *map = node_at(items, i);
		const char *name = node_text_or(node_find(map, "metadata/name"), "");
		if (node_find(map, "metadata/deletionTimestamp") != NULL || (last != NULL && strstr(name, last->job_id) == NULL))
			continue; /* checkpoints of another job id are not those that a restart under this id finds */
		const struct node *data = node_get(map, "data");
		for (size_t k = 0; k < node_count(data); k++)
			o->ha_checkpoint |= str_starts(node_key_at(data, k), "checkpointID-");
	}
}

static bool open_untapped(struct agent *agent, const struct job_view *view, struct http **out, struct error *err)
{
	char service[300];
	(void)snprintf(service, sizeof service, "%s-rest", view->cluster);
	if (agent->access == FLINK_ACCESS_PROXY) {
		struct http *http = mem_alloc(sizeof *http);
		if (!kube_service_proxy_http(agent->kube, view->ns, service, view->rest_port, http)) {
			free(http);
			return error_set(err, ERROR_BUG, "no proxy to service %s", service);
		}
		*out = http;
		return true;
	}
	AUTOFREE char *url = mem_printf("http://%s.%s:%s", service, view->ns, view->rest_port);
	struct http_curl_options options = { .base_url = url, .max_body = (size_t)8 << 20, .connect_timeout_ms = 2000, .proxy = "" };
	return http_curl_open(&options, out, err);
}

static void count_flink(void *context, const char *method, const char *code)
{
	metrics_add(context, METRIC_FLINK_REQUESTS, 1, method, code, NULL);
}

bool job_rest_open(struct agent *agent, const struct job_view *view, struct http **out, struct error *err)
{
	struct http *http;
	if (!open_untapped(agent, view, &http, err))
		return false;
	*out = http_tap_new(http, count_flink, agent->metrics);
	return true;
}

void job_rest_close(struct agent *agent, struct http *tap)
{
	if (tap == NULL)
		return;
	struct http *http = (struct http *)(uintptr_t)http_tap_below(tap);
	http_tap_free(tap);
	if (agent->access == FLINK_ACCESS_PROXY) {
		kube_proxy_free(http);
		free(http);
	} else {
		http_curl_close(http);
	}
}

static void observe_savepoint(const struct http *http, const char *job, const struct ledger_op *op, struct observation *o)
{
	struct flink_operation operation;
	struct error err;
	if (!flink_savepoint_poll(http, job, op->trigger, &operation, &err)) {
		o->savepoint = err.kind == ERROR_NOT_FOUND ? SAVEPOINT_NO_SUCH_TRIGGER : SAVEPOINT_UNKNOWN;
		return;
	}
	o->savepoint = operation.state == FLINK_IN_PROGRESS ? SAVEPOINT_IN_PROGRESS
		       : operation.location[0] != '\0'	    ? SAVEPOINT_COMPLETED
							    : SAVEPOINT_FAILED;
	if (strlen(operation.location) >= sizeof o->savepoint_location)
		o->savepoint = SAVEPOINT_UNKNOWN; /* a cut path would be a wrong one */
	else
		(void)snprintf(o->savepoint_location, sizeof o->savepoint_location, "%.*s", LEDGER_PATH - 1, operation.location);
	(void)snprintf(o->savepoint_failure, sizeof o->savepoint_failure, "%.*s", (int)sizeof o->savepoint_failure - 1, operation.cause);
}

static void take_checkpoint(const struct flink_checkpoint *c, int64_t *newest, char path[LEDGER_PATH])
{
	if (!c->present || c->path[0] == '\0' || strlen(c->path) >= LEDGER_PATH || c->id < *newest)
		return;
	*newest = c->id;
	(void)snprintf(path, LEDGER_PATH, "%.*s", LEDGER_PATH - 1, c->path);
}

static void observe_checkpoints(const struct http *http, const char *job, struct observation *o)
{
	struct flink_checkpoints c;
	struct error err;
	if (!flink_checkpoints(http, job, &c, &err)) {
		o->checkpoints = err.kind == ERROR_NOT_FOUND ? SEEN_ABSENT : SEEN_UNKNOWN;
		return;
	}
	o->checkpoints = SEEN_PRESENT;
	o->checkpoints_completed = c.completed;
	o->checkpoints_failed = c.failed;
	int64_t newest = -1;
	take_checkpoint(&c.restored, &newest, o->checkpoint_path);
	take_checkpoint(&c.latest_completed, &newest, o->checkpoint_path);
	take_checkpoint(&c.latest_savepoint, &newest, o->checkpoint_path);
	int64_t any = -1;
	take_checkpoint(&c.latest_savepoint, &any, o->savepoint_path);
}

/*
 * Through the cache it is enough to see that a stable launch runs; its checkpoints matter once something is to be done. What decides by
 * them while nothing is under way has to say so here.
 */
static bool enough_to_glance(const struct agent *agent, const struct job_view *view, const struct ledger *ledger,
			     const struct ledger_launch *launch, const struct observation *o)
{
	bool under_way = ledger->op.kind != OP_NONE || ledger->snapshot.kind != SNAPSHOT_NONE;
	bool stable = launch->stable_at != 0 && o->job == JOB_RUNNING && (ledger->had_checkpoint != 0 || !view->config.checkpointing);
	return view->reads != agent->kube && stable && !under_way && !view->config.health_check;
}

static void observe_flink(struct agent *agent, struct job_view *view, const struct ledger *ledger, const struct ledger_launch *launch,
			  struct observation *o)
{
	struct http *http = NULL;
	struct error err = ERROR_INIT;
	if (!job_rest_open(agent, view, &http, &err)) {
		LEDGER_SET(o->rest_error, err.message);
		return;
	}
	AUTOJOBS jobs = { 0 };
	if (!flink_jobs(http, &jobs, &err)) {
		(void)snprintf(o->rest_error, sizeof o->rest_error, "%.*s", (int)sizeof o->rest_error - 1, err.message);
		job_rest_close(agent, http);
		return;
	}
	o->rest = SEEN_PRESENT;
	for (size_t i = 0; i < jobs.count; i++) {
		const struct flink_job *job = &jobs.items[i];
		o->running_jobs += !job_state_terminal(job_state_of(job->effective_state));
		if (strcmp(job->id, launch->job_id) != 0)
			continue;
		o->job = job_state_of(job->effective_state);
		(void)snprintf(o->job_name, sizeof o->job_name, "%.*s", (int)sizeof o->job_name - 1, job->name);
		o->job_start = job->start_ms;
	}
	if (view->subject == SUBJECT_SESSION)
		o->job = JOB_RUNNING; /* it answers: that is all that a cluster without a job of its own has to do */
	o->job_restarts = -1;
	if (view->subject == SUBJECT_SESSION) {
		job_rest_close(agent, http);
		return;
	}
	if (o->job != JOB_NONE && (launch->stable_at == 0 || view->config.health_check))
		(void)flink_job_restarts(http, launch->job_id, &o->job_restarts, &err); /* one more reason to roll back, no more */
	if (o->job != JOB_NONE && !enough_to_glance(agent, view, ledger, launch, o))
		observe_checkpoints(http, launch->job_id, o);
	if (ledger->op.kind == OP_STOP && !ledger->op.cancel)
		observe_savepoint(http, launch->job_id, &ledger->op, o);
	snapshot_poll(http, launch->job_id, ledger, o);
	struct flink_exceptions exceptions;
	if ((o->job == JOB_FAILED || o->job == JOB_FAILING) && flink_job_exceptions(http, launch->job_id, &exceptions, &err)) {
		exceptions.root[strcspn(exceptions.root, "\n")] = '\0';
		(void)snprintf(o->failure, sizeof o->failure, "%.*s", (int)sizeof o->failure - 1, exceptions.root);
	}
	job_rest_close(agent, http);
}

/* A session job is there if its cluster lists it, and gone if the cluster answers and does not, or is gone itself. */
static void observe_session_job(struct agent *agent, struct job_view *view, const struct ledger *ledger, const struct ledger_launch *last,
				struct observation *o)
{
	struct observation cluster = { 0 };
	observe_deployment(view, &cluster);
	observe_pods(view, &cluster);
	if (cluster.jm == SEEN_UNKNOWN || cluster.pods == SEEN_UNKNOWN)
		return;
	if (cluster.jm == SEEN_PRESENT && !cluster.jm_deleting && cluster.jm_pods > 0 && last != NULL)
		observe_flink(agent, view, ledger, last, o);
	bool gone = cluster.jm == SEEN_ABSENT && cluster.jm_pods + cluster.tm_pods == 0;
	if (o->rest != SEEN_PRESENT && !gone && last != NULL)
		return;
	o->pods = o->ha = SEEN_ABSENT; /* the cluster's are not the job's */
	o->jm = o->job != JOB_NONE ? SEEN_PRESENT : SEEN_ABSENT;
	o->jm_launch = last == NULL ? 0 : last->number;
	o->jm_complete = o->jm_available = o->jm == SEEN_PRESENT;
}

/* Nobody tells how the open stop ended: what lies in its directory is looked at. */
static void observe_stop_dir(const struct agent *agent, const struct ledger_op *op, struct observation *o)
{
	bool told = o->savepoint == SAVEPOINT_IN_PROGRESS || o->savepoint == SAVEPOINT_COMPLETED;
	if (op->kind != OP_STOP || op->cancel || told || !state_stores_cover(agent->stores, op->dir))
		return;
	struct state_listing found = { 0 };
	state_store_list(state_store_for(agent->stores, op->dir), op->dir, &found);
	/* a cut path would be a wrong one */
	if (found.look.answer == STATE_EXISTS && found.count == 1 && strlen(op->dir) <= LEDGER_PATH - 130 && strlen(found.names[0]) <= 120)
		(void)snprintf(o->found_path, sizeof o->found_path, "%.*s/%.120s", LEDGER_PATH - 130, op->dir, found.names[0]);
	state_listing_free(&found);
}

void observe_job(struct agent *agent, struct job_view *view, const struct ledger *ledger, struct observation *o)
{
	*o = (struct observation){ 0 };
	const struct ledger_launch *last = ledger->launch_count == 0 ? NULL : &ledger->launches[ledger->launch_count - 1];
	if (view->subject == SUBJECT_SESSION_JOB) {
		observe_session_job(agent, view, ledger, last, o);
		return;
	}
	observe_deployment(view, o);
	observe_pods(view, o);
	observe_ha(view, last, o);
	if (o->jm == SEEN_PRESENT && !o->jm_deleting && last != NULL && last->ended_at == 0 && o->jm_pods > 0)
		observe_flink(agent, view, ledger, last, o);
	observe_stop_dir(agent, &ledger->op, o);
}
