/* Flink jobs: their state, checkpoints and savepoints, HA metadata, where they start from and how they end. */
#include <stdio.h>

#include "sim/flink_model.h"

static const char MARKER[] = "KUBERNETES_OPERATOR_LAST_STATE";

static bool truth(const char *text, bool otherwise)
{
	return text == NULL ? otherwise : strcasecmp(text, "true") == 0;
}

static const char *checkpoint_dir(const struct process *p)
{
	const char *dir = conf(p, "execution.checkpointing.dir", "state.checkpoints.dir");
	return dir ? dir : "memory:";
}

static char *program_args(const struct process *p)
{
	const char *a = conf(p, "$internal.application.program-args", NULL);
	return mem_printf(";%s;", a ? a : "");
}

/* ---- jobs ---- */

static void checkpoint_clear(struct checkpoint *c)
{
	free(c->path);
	*c = (struct checkpoint){ 0 };
}

static void checkpoint_set(struct checkpoint *to, const struct checkpoint *from)
{
	char *path = mem_strdup(from->path);
	checkpoint_clear(to);
	*to = *from;
	to->path = path;
}

void operation_free(struct operation *o)
{
	free(o->trigger);
	free(o->job);
	free(o->dir);
	free(o->location);
	free(o->failure);
	free(o);
}

void job_free(struct job *j)
{
	if (j == NULL)
		return;
	checkpoint_clear(&j->restored);
	checkpoint_clear(&j->latest);
	checkpoint_clear(&j->savepoint);
	for (size_t i = 0; i < j->kept_count; i++)
		checkpoint_clear(&j->kept[i]);
	free(j->kept);
	while (j->operations != NULL) {
		struct operation *o = j->operations;
		j->operations = o->next;
		operation_free(o);
	}
	free(j->name);
	free(j->exception);
	free(j);
}

bool job_terminal(const struct job *j)
{
	return strcmp(j->state, "FINISHED") == 0 || strcmp(j->state, "FAILED") == 0 || strcmp(j->state, "CANCELED") == 0;
}

int64_t job_counter(const struct sim *sim, const struct job *j)
{
	return j->base + (j->running_since >= 0 ? (sim->now - j->running_since) / 10 : 0);
}

void job_state(struct sim *sim, struct job *j, const char *state)
{
	j->base = job_counter(sim, j);
	j->running_since = -1;
	j->state = state;
	j->changed_at = sim->now;
}

static void job_exception(struct sim *sim, struct job *j, const char *text)
{
	free(j->exception);
	j->exception = mem_strdup(text);
	j->exception_at = sim->now;
}

static void history_key(const struct process *p, char out[512])
{
	(void)snprintf(out, 512, "%s/%s%s%s", p->ns, p->cluster, p->session ? "/" : "", p->session ? p->job->name : "");
}

/* ---- HA metadata ---- */

static void ha_name(const struct process *p, char out[256])
{
	(void)snprintf(out, 256, "%s-%s-config-map", p->cluster, p->job->id);
}

struct object *ha_map(struct sim *sim, const struct process *p, const char *name, bool make)
{
	struct object *o = store_get(sim, "configmaps", p->ns, name);
	if (o != NULL || !make)
		return o;
	struct doc *doc = doc_new();
	struct node *root = node_map(doc), *meta = node_map(doc), *labels = node_map(doc);
	doc_set_root(doc, root);
	node_set_text(doc, meta, "name", name);
	node_set_text(doc, meta, "namespace", p->ns);
	node_set_text(doc, labels, "app", p->cluster);
	node_set_text(doc, labels, "configmap-type", "high-availability");
	node_set_text(doc, labels, "type", "flink-native-kubernetes");
	node_set(doc, meta, "labels", labels);
	node_set(doc, node_ensure_map(doc, meta, "annotations"), "control-plane.alpha.kubernetes.io/leader",
		 node_printf(doc, "{\"holderIdentity\":\"%s\",\"leaseDuration\":15.0}", p->uid));
	node_set(doc, root, "metadata", meta);
	node_set(doc, root, "data", node_map(doc));
	return store_insert(sim, kind_of(sim, "configmaps"), doc);
}

/* The newest checkpoint that the HA ConfigMap of the job names. */
static bool ha_latest(struct sim *sim, const struct process *p, struct checkpoint *c)
{
	char name[256];
	ha_name(p, name);
	struct object *o = ha_map(sim, p, name, false);
	const struct node *data = o ? node_get(object_root(o), "data") : NULL;
	for (size_t i = 0; i < node_count(data); i++) {
		int64_t id = str_starts(node_key_at(data, i), "checkpointID-") ? strtoll(node_key_at(data, i) + 13, NULL, 10) : -1;
		if (id < 0 || (c->path != NULL && id <= c->id))
			continue;
		AUTOBUF path = BUF_INIT;
		const struct node *v = node_value_at(data, i);
		if (!buf_put_unbase64(&path, node_text_or(v, ""), node_len(v)))
			continue;
		checkpoint_clear(c);
		c->id = id;
		c->path = mem_strdup(buf_text(&path));
	}
	return c->path != NULL;
}

static void ha_write(struct sim *sim, const struct process *p)
{
	char name[256];
	if (!p->ha)
		return;
	ha_name(p, name);
	struct object *o = ha_map(sim, p, name, true);
	struct doc *doc = store_edit(o);
	struct node *data = node_map(doc);
	for (size_t i = 0; i < p->job->kept_count; i++) {
		AUTOBUF b = BUF_INIT;
		char key[48];
		(void)snprintf(key, sizeof key, "checkpointID-%019lld", (long long)p->job->kept[i].id);
		buf_put_base64(&b, p->job->kept[i].path, strlen(p->job->kept[i].path));
		node_set_text(doc, data, key, buf_text(&b));
	}
	node_set(doc, data, "counter", node_printf(doc, "%lld", (long long)p->job->next_id));
	node_set(doc, doc_root(doc), "data", data);
	store_update(sim, o, doc);
}

static char *result_path(const struct process *p)
{
	const char *dir = conf(p, "job-result-store.storage-path", NULL);
	return p->ha && dir != NULL ? mem_printf("%s/%s.json", dir, p->job->id) : NULL;
}

/* ---- the end of a job ---- */

static void drop_kept(struct sim *sim, struct job *j, bool storage)
{
	for (size_t i = 0; i < j->kept_count; i++) {
		if (storage && !j->kept[i].savepoint)
			stored_remove(sim->stored, &sim->stored_count, j->kept[i].path);
		checkpoint_clear(&j->kept[i]);
	}
	j->kept_count = 0;
}

static void operations_fail(struct sim *sim, struct job *j, const char *why)
{
	for (struct operation *o = j->operations; o != NULL; o = o->next)
		if (!o->done) {
			o->done = true;
			o->done_at = sim->now;
			o->failure = mem_strdup(why);
		}
}

void graph_forget(struct sim *sim, const struct process *p)
{
	AUTOFREE char *key = mem_printf("%s/%s/%s", p->ns, p->cluster, p->job->id);
	for (size_t i = sim->graph_count; p->session != NULL && i-- > 0;)
		if (strcmp(sim->graphs[i].key, key) == 0) {
			free(sim->graphs[i].key);
			doc_free(sim->graphs[i].config);
			sim->graphs[i] = sim->graphs[--sim->graph_count];
		}
}

static void job_end(struct sim *sim, struct process *p, const char *state)
{
	struct job *j = p->job;
	const char *retention = conf(p, "execution.checkpointing.externalized-checkpoint-retention",
				     "execution.checkpointing.externalized-checkpoint-retention");
	bool finished = strcmp(state, "FINISHED") == 0, canceled = strcmp(state, "CANCELED") == 0;
	bool keep =
		!finished && (str_eq(retention, "RETAIN_ON_CANCELLATION") || (!canceled && str_eq(retention, "DELETE_ON_CANCELLATION")));
	job_state(sim, j, state);
	j->ended_at = sim->now;
	operations_fail(sim, j, "org.apache.flink.runtime.checkpoint.CheckpointException: The job has ended.");
	drop_kept(sim, j, !keep);
	AUTOFREE char *result = result_path(p);
	if (result != NULL)
		stored_put(&sim->results, &sim->result_count, result, finished ? 0 : canceled ? 2 : 1);
	if (p->ha) {
		char name[256];
		ha_name(p, name);
		struct object *o = ha_map(sim, p, name, false);
		if (o != NULL)
			store_delete(sim, o, PROPAGATE_BACKGROUND, 0);
	}
	graph_forget(sim, p);
	p->idle_at = sim->now + duration_ms(conf(p, "resourcemanager.taskmanager-timeout", NULL), 30000);
	pod_log(sim, p->uid, "Job %s reached terminal state %s.\n", j->id, state);
	if (p->session == NULL && truth(conf(p, "execution.shutdown-on-application-finish", NULL), true)) {
		struct object *d = store_by_uid(sim, p->launch);
		if (d != NULL)
			store_delete(sim, d, PROPAGATE_BACKGROUND, -1);
	}
}

void job_finish(struct sim *sim, struct process *p)
{
	job_end(sim, p, "FINISHED");
}

void job_cancel(struct sim *sim, struct process *p)
{
	if (!job_terminal(p->job))
		job_end(sim, p, "CANCELED");
}

/* A failure while running: the restart strategy decides. */
void job_failed(struct sim *sim, struct process *p, const char *why)
{
	struct job *j = p->job;
	const char *strategy = conf(p, "restart-strategy.type", "restart-strategy");
	int64_t attempts = INT64_MAX, delay = 1000;
	job_exception(sim, j, why);
	if (strategy == NULL ? j->interval == 0
			     : strcmp(strategy, "none") == 0 || strcmp(strategy, "off") == 0 || strcmp(strategy, "disable") == 0)
		attempts = 0;
	else if (str_eq(strategy, "fixed-delay") || str_eq(strategy, "fixeddelay")) {
		const char *n = conf(p, "restart-strategy.fixed-delay.attempts", NULL);
		attempts = n ? strtoll(n, NULL, 10) : 1;
		delay = duration_ms(conf(p, "restart-strategy.fixed-delay.delay", NULL), 1000);
	}
	operations_fail(sim, j, "org.apache.flink.runtime.checkpoint.CheckpointException: The job has failed.");
	if (j->restarts >= attempts) {
		job_end(sim, p, "FAILED");
		return;
	}
	j->restarts++;
	job_state(sim, j, "RESTARTING");
	j->retry_at = sim->now + delay;
	j->deploy_at = -1;
	const struct checkpoint *from = j->latest.path ? &j->latest : j->restored.path ? &j->restored : NULL;
	j->base = from ? from->value : 0;
	if (from != NULL) {
		struct checkpoint again = *from;
		again.at = sim->now;
		if (from != &j->restored)
			checkpoint_set(&j->restored, &again);
		j->restored.at = sim->now;
		j->restored_count++;
	}
}

/* ---- checkpoints and savepoints ---- */

void checkpoint_take(struct sim *sim, struct process *p)
{
	struct job *j = p->job;
	j->next_checkpoint_at += j->interval;
	if (j->next_checkpoint_at <= sim->now)
		j->next_checkpoint_at = sim->now + j->interval;
	if (sim->storage_down) {
		j->failed++;
		j->next_id++;
		return;
	}
	struct checkpoint c = { .id = j->next_id++, .value = job_counter(sim, j), .at = sim->now };
	AUTOFREE char *path = mem_printf("%s/%s/chk-%lld", checkpoint_dir(p), j->id, (long long)c.id);
	c.path = stored_key(path);
	stored_put(&sim->stored, &sim->stored_count, c.path, c.value);
	char key[512];
	history_key(p, key);
	stored_put(&sim->history, &sim->history_count, key, 1);
	lineage_completed(sim, key, c.path, false);
	checkpoint_set(&j->latest, &c);
	j->completed++;
	j->kept = mem_grow(j->kept, j->kept_count + 1, sizeof *j->kept);
	j->kept[j->kept_count++] = c;
	const char *n = conf(p, "execution.checkpointing.num-retained", "state.checkpoints.num-retained");
	size_t keep = n ? strtoul(n, NULL, 10) : 1;
	while (j->kept_count > keep && keep > 0) {
		if (!j->kept[0].savepoint)
			stored_remove(sim->stored, &sim->stored_count, j->kept[0].path);
		checkpoint_clear(&j->kept[0]);
		memmove(j->kept, j->kept + 1, --j->kept_count * sizeof *j->kept);
	}
	ha_write(sim, p);
}

struct operation *job_trigger(struct sim *sim, struct process *p, const char *trigger, const char *dir, bool stop)
{
	struct operation *o = mem_alloc(sizeof *o);
	o->trigger = mem_strdup(trigger);
	o->dir = mem_strdup(dir);
	o->stop = stop;
	o->due_at = sim->now + sim->options.savepoint_ms;
	o->next = p->job->operations;
	p->job->operations = o;
	process_poke(sim, p);
	return o;
}

struct operation *job_trigger_checkpoint(struct sim *sim, struct process *p, const char *trigger)
{
	struct operation *o = job_trigger(sim, p, trigger, "", false);
	o->checkpoint = true;
	return o;
}

static void checkpoint_run(struct sim *sim, struct process *p, struct operation *o)
{
	struct job *j = p->job;
	int64_t next = j->next_checkpoint_at, completed = j->completed;
	bool running = strcmp(j->state, "RUNNING") == 0 && j->running_since >= 0;
	if (running)
		checkpoint_take(sim, p);
	j->next_checkpoint_at = next; /* the job's own interval goes on as it was */
	o->done = true;
	o->done_at = sim->now;
	o->checkpoint_id = j->latest.id;
	o->location = mem_strdup(j->latest.path);
	if (!running || j->completed == completed)
		o->failure = mem_strdup("org.apache.flink.runtime.checkpoint.CheckpointException: The checkpoint was declined.");
}

void operation_run(struct sim *sim, struct process *p, struct operation *o)
{
	struct job *j = p->job;
	if (o->checkpoint) {
		checkpoint_run(sim, p, o);
		return;
	}
	if (o->finish_at > 0) { /* the savepoint is written, now the job ends */
		o->done = true;
		o->done_at = sim->now;
		job_end(sim, p, "FINISHED");
		return;
	}
	AUTOFREE char *dir = stored_key(o->dir);
	bool unwritable = sim->storage_down || str_starts(dir, "file:/proc/"); /* nobody can make folders there */
	if (unwritable || strcmp(j->state, "RUNNING") != 0 || j->running_since < 0) {
		o->done = true;
		o->done_at = sim->now;
		o->failure =
			mem_strdup(unwritable ? "java.io.IOException: Failed to create savepoint directory: the storage does not take it"
					      : "org.apache.flink.runtime.checkpoint.CheckpointException: The job is not running.");
		j->failed += unwritable;
		return;
	}
	char random[13];
	sim_random_text(sim, random, 12, "0123456789abcdef");
	struct checkpoint c = { .id = j->next_id++, .value = job_counter(sim, j), .at = sim->now, .savepoint = true, .native = o->native };
	AUTOFREE char *path = mem_printf("%s%ssavepoint-%.6s-%s", o->dir, str_ends(o->dir, "/") ? "" : "/", j->id, random);
	c.path = stored_key(path);
	stored_put(&sim->stored, &sim->stored_count, c.path, c.value);
	char key[512];
	history_key(p, key);
	stored_put(&sim->history, &sim->history_count, key, 1);
	lineage_completed(sim, key, c.path, !o->stop);
	checkpoint_set(&j->savepoint, &c);
	j->savepoints++;
	o->location = c.path;
	if (o->stop) {
		j->base = c.value;
		j->running_since = -1;
		o->finish_at = sim->now + 100;
	} else {
		o->done = true;
		o->done_at = sim->now;
	}
}

/* ---- starting a job ---- */

/* Where the state comes from; false: the job cannot start, and why. */
static bool find_state(struct sim *sim, struct process *p, struct checkpoint *from, const char **why)
{
	const char *path = conf(p, "execution.state-recovery.path", "execution.savepoint.path");
	if (p->ha && ha_latest(sim, p, from)) {
		;
	} else if (path != NULL && *path != '\0') {
		from->path = stored_key(path);
		from->savepoint = true;
	} else {
		return true;
	}
	struct stored *s = sim->storage_down ? NULL : stored_get(sim->stored, sim->stored_count, from->path);
	if (s == NULL) {
		*why = strcmp(from->path, MARKER) == 0
			       ? "java.io.FileNotFoundException: Cannot find checkpoint or savepoint file/directory "
				 "'KUBERNETES_OPERATOR_LAST_STATE' on file system 'file'."
			       : "java.io.FileNotFoundException: Cannot find meta data file '_metadata' of the state to restore";
		checkpoint_clear(from);
		return false;
	}
	from->value = s->value;
	from->at = sim->now;
	return true;
}

static struct job *job_new(struct sim *sim, struct process *p)
{
	struct job *j = mem_alloc(sizeof *j);
	const char *id = conf(p, "$internal.pipeline.job-id", NULL), *name = conf(p, "pipeline.name", NULL);
	if (id != NULL && strlen(id) == 32)
		memcpy(j->id, id, 33);
	else if (p->ha)
		memset(j->id, '0', 32);
	else
		sim_random_text(sim, j->id, 32, "0123456789abcdef");
	j->name = mem_strdup(name ? name : p->cluster);
	j->state = "CREATED";
	j->started_at = j->changed_at = sim->now;
	j->running_since = j->deploy_at = -1;
	j->next_id = 1;
	j->interval = duration_ms(conf(p, "execution.checkpointing.interval", NULL), 0);
	AUTOFREE char *args = program_args(p);
	const char *fail = strstr(args, ";--fail-after;");
	j->fail_after = fail ? strtoll(fail + strlen(";--fail-after;"), NULL, 10) : 0;
	const char *finish = strstr(args, ";--finish-after;");
	j->finish_after = finish ? strtoll(finish + strlen(";--finish-after;"), NULL, 10) : 0;
	return j;
}

/* Makes the process's job, with the state it starts from; false: it cannot start, and why. */
bool job_prepare(struct sim *sim, struct process *p, const char **why)
{
	static const char *const ends[] = { "FINISHED", "FAILED", "CANCELED" };
	p->job = job_new(sim, p);
	struct job *j = p->job;
	AUTOFREE char *args = program_args(p), *result = result_path(p);
	struct stored *ended = result ? stored_get(sim->results, sim->result_count, result) : NULL;
	if (ended != NULL && p->session == NULL) { /* it ended before: the submission is ignored, and nobody knows the job */
		pod_log(sim, p->uid, "Ignoring JobGraph submission '%s' (%s): it already reached a globally-terminal state.\n", j->name,
			j->id);
		job_free(TAKE(p->job));
		return true;
	}
	if (ended != NULL) {
		job_state(sim, j, ends[ended->value]);
		j->ended_at = sim->now;
		return true;
	}
	if (strstr(args, ";--broken;") != NULL) {
		static const char text[] = "java.lang.IllegalStateException: broken on purpose";
		if (p->session != NULL || !truth(conf(p, "execution.submit-failed-job-on-application-error", NULL), false)) {
			*why = text;
			return false;
		}
		job_exception(sim, j, text);
		job_end(sim, p, "FAILED");
		return true;
	}
	struct checkpoint from = { 0 };
	if (!find_state(sim, p, &from, why))
		return false;
	char key[512];
	history_key(p, key);
	lineage_started(sim, key, p->launch, from.path);
	if (from.path != NULL) {
		bool claimed = str_eq(conf(p, "execution.state-recovery.claim-mode", "execution.savepoint-restore-mode"), "CLAIM");
		bool own = strstr(from.path, j->id) != NULL && strstr(from.path, "/chk-") != NULL;
		const char *chk = strstr(from.path, "/chk-");
		from.id = own ? strtoll(chk + 5, NULL, 10) : from.id > 0 ? from.id : 1;
		checkpoint_set(&j->restored, &from);
		j->restored_count = 1;
		j->base = from.value;
		j->next_id = from.id + 1;
		if (own || claimed) { /* it belongs to this job now: subsumed by the next one */
			j->kept = mem_grow(j->kept, 1, sizeof *j->kept);
			j->kept[j->kept_count++] = from;
			j->kept[0].savepoint = false;
			if (own)
				checkpoint_set(&j->latest, &from);
		} else {
			checkpoint_clear(&from);
		}
	} else if (stored_get(sim->history, sim->history_count, key) != NULL) {
		sim->empty_starts++;
	}
	ha_write(sim, p);
	return true;
}
