/* Flink: JobManager and TaskManager processes in pods, and the job of an application cluster. */
#include <stdio.h>

#include "sim/flink_model.h"

static const char MARKER[] = "KUBERNETES_OPERATOR_LAST_STATE";

/* ---- configuration ---- */

static void flatten(struct doc *to, struct node *flat, const struct node *n, const char *prefix)
{
	for (size_t i = 0; i < node_count(n); i++) {
		AUTOFREE char *key = mem_printf("%s%s%s", prefix, *prefix ? "." : "", node_key_at(n, i));
		const struct node *v = node_value_at(n, i);
		if (node_is(v, NODE_MAP)) {
			flatten(to, flat, v, key);
		} else if (node_is(v, NODE_LIST)) {
			AUTOBUF b = BUF_INIT;
			for (size_t j = 0; j < node_count(v); j++)
				buf_printf(&b, "%s%s", j ? ";" : "", node_text_or(node_at(v, j), ""));
			node_set_text(to, flat, key, buf_text(&b));
		} else {
			node_set_text(to, flat, key, node_text_or(v, ""));
		}
	}
}

static struct doc *read_config(const struct node *data)
{
	struct doc *doc = doc_new();
	struct node *flat = node_map(doc);
	doc_set_root(doc, flat);
	const struct node *yaml = node_get(data, "config.yaml");
	if (yaml != NULL) {
		AUTODOC *tree = doc_parse_yaml_one(node_text_or(yaml, ""), node_len(yaml), "config.yaml", NULL);
		if (tree != NULL)
			flatten(doc, flat, doc_root(tree), "");
		return doc;
	}
	AUTOFREE char *text = mem_strdup(node_text_or(node_get(data, "flink-conf.yaml"), ""));
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		char *hash = strchr(line, '#'), *colon = strstr(line, ": ");
		if (hash != NULL && (colon == NULL || hash > colon))
			*hash = '\0';
		if (colon == NULL)
			continue;
		*colon = '\0';
		char *value = colon + 2, *end = value + strlen(value);
		while (end > value && end[-1] == ' ')
			*--end = '\0';
		node_set_text(doc, flat, line, value);
	}
	return doc;
}

const char *conf(const struct process *p, const char *key, const char *alternative)
{
	const char *v = p->config == NULL ? NULL : node_text(node_get(doc_root(p->config), key));
	if (v == NULL && alternative != NULL && p->config != NULL)
		v = node_text(node_get(doc_root(p->config), alternative));
	return v;
}

int64_t duration_ms(const char *text, int64_t otherwise)
{
	char *unit;
	if (text == NULL || *text == '\0')
		return otherwise;
	int64_t n = strtoll(text, &unit, 10);
	while (*unit == ' ')
		unit++;
	if (str_starts(unit, "ms") || *unit == '\0')
		return n;
	return n * (*unit == 's' ? 1000 : *unit == 'm' ? 60000 : *unit == 'h' ? 3600000 : *unit == 'd' ? 86400000 : 1);
}

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

static void operation_free(struct operation *o)
{
	free(o->trigger);
	free(o->dir);
	free(o->location);
	free(o->failure);
	free(o);
}

static void job_free(struct job *j)
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

static void job_state(struct sim *sim, struct job *j, const char *state)
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
	snprintf(out, 512, "%s/%s%s%s", p->ns, p->cluster, p->session ? "/" : "", p->session ? p->job->name : "");
}

/* ---- HA metadata ---- */

static void ha_name(const struct process *p, char out[256])
{
	snprintf(out, 256, "%s-%s-config-map", p->cluster, p->job->id);
}

static struct object *ha_map(struct sim *sim, const struct process *p, const char *name, bool make)
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
		snprintf(key, sizeof key, "checkpointID-%019lld", (long long)p->job->kept[i].id);
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

static void graph_forget(struct sim *sim, const struct process *p)
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
	const char *retention = conf(p, "execution.checkpointing.externalized-checkpoint-retention", "execution.checkpointing.externalized-checkpoint-retention");
	bool finished = strcmp(state, "FINISHED") == 0, canceled = strcmp(state, "CANCELED") == 0;
	bool keep = !finished && (str_eq(retention, "RETAIN_ON_CANCELLATION") || (!canceled && str_eq(retention, "DELETE_ON_CANCELLATION")));
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
	if (p->application && truth(conf(p, "execution.shutdown-on-application-finish", NULL), true)) {
		struct object *d = store_by_uid(sim, p->launch);
		if (d != NULL)
			store_delete(sim, d, PROPAGATE_BACKGROUND, -1);
	}
}

void job_cancel(struct sim *sim, struct process *p)
{
	if (!job_terminal(p->job))
		job_end(sim, p, "CANCELED");
}

/* A failure while running: the restart strategy decides. */
static void job_failed(struct sim *sim, struct process *p, const char *why)
{
	struct job *j = p->job;
	const char *strategy = conf(p, "restart-strategy.type", "restart-strategy");
	int64_t attempts = INT64_MAX, delay = 1000;
	job_exception(sim, j, why);
	if (strategy == NULL ? j->interval == 0 : strcmp(strategy, "none") == 0 || strcmp(strategy, "off") == 0 || strcmp(strategy, "disable") == 0)
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

static void checkpoint_take(struct sim *sim, struct process *p)
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
	c.path = mem_printf("%s/%s/chk-%lld", checkpoint_dir(p), j->id, (long long)c.id);
	stored_put(&sim->stored, &sim->stored_count, c.path, c.value);
	char key[512];
	history_key(p, key);
	stored_put(&sim->history, &sim->history_count, key, 1);
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

static void operation_run(struct sim *sim, struct process *p, struct operation *o)
{
	struct job *j = p->job;
	if (o->finish_at > 0) { /* the savepoint is written, now the job ends */
		o->done = true;
		o->done_at = sim->now;
		job_end(sim, p, "FINISHED");
		return;
	}
	if (sim->storage_down || strcmp(j->state, "RUNNING") != 0 || j->running_since < 0) {
		o->done = true;
		o->done_at = sim->now;
		o->failure = mem_strdup(sim->storage_down ? "java.io.IOException: the storage does not answer"
							  : "org.apache.flink.runtime.checkpoint.CheckpointException: The job is not running.");
		j->failed += sim->storage_down;
		return;
	}
	char random[13];
	sim_random_text(sim, random, 12, "0123456789abcdef");
	struct checkpoint c = { .id = j->next_id++, .value = job_counter(sim, j), .at = sim->now, .savepoint = true };
	c.path = mem_printf("%s%ssavepoint-%.6s-%s", o->dir, str_ends(o->dir, "/") ? "" : "/", j->id, random);
	stored_put(&sim->stored, &sim->stored_count, c.path, c.value);
	char key[512];
	history_key(p, key);
	stored_put(&sim->history, &sim->history_count, key, 1);
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
		from->path = mem_strdup(path);
		from->savepoint = true;
	} else {
		return true;
	}
	struct stored *s = sim->storage_down ? NULL : stored_get(sim->stored, sim->stored_count, from->path);
	if (s == NULL) {
		*why = strcmp(from->path, MARKER) == 0 ? "java.io.FileNotFoundException: Cannot find checkpoint or savepoint file/directory "
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
	return j;
}

/* Makes the process's job, with the state it starts from; false: it cannot start, and why. */
static bool job_prepare(struct sim *sim, struct process *p, const char **why)
{
	static const char *const ends[] = { "FINISHED", "FAILED", "CANCELED" };
	p->job = job_new(sim, p);
	struct job *j = p->job;
	AUTOFREE char *args = program_args(p), *result = result_path(p);
	struct stored *ended = result ? stored_get(sim->results, sim->result_count, result) : NULL;
	if (ended != NULL) { /* it ended before: nothing runs again */
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

/* The application's main method; false when the process ended. */
static bool job_submit(struct sim *sim, struct process *p)
{
	const char *why = NULL;
	if (job_prepare(sim, p, &why))
		return true;
	pod_exit(sim, p->uid, 1, why);
	return false;
}

/* ---- TaskManagers ---- */

static int64_t positive(const char *text, int64_t otherwise)
{
	int64_t n = text ? strtoll(text, NULL, 10) : 0;
	return n > 0 ? n : otherwise;
}

static int64_t taskmanagers_needed(const struct process *p)
{
	int64_t slots = positive(conf(p, "taskmanager.numberOfTaskSlots", NULL), 1), parallelism = positive(conf(p, "parallelism.default", NULL), 1);
	return (parallelism + slots - 1) / slots;
}

/* Of all jobs of a session together; a job alone otherwise. */
static int64_t cluster_need(const struct sim *sim, const struct process *p)
{
	int64_t need = 0;
	if (p->session == NULL)
		return taskmanagers_needed(p);
	for (const struct process *o = sim->processes; o != NULL; o = o->next)
		if (o->session == p->session && !job_terminal(o->job))
			need += taskmanagers_needed(o);
	return need;
}

static bool is_taskmanager_of(const struct object *pod, const struct process *p)
{
	const struct node *labels = node_find(object_root(pod), "metadata/labels");
	return strcmp(pod->ns, p->ns) == 0 && str_eq(node_find_text(labels, "app"), p->cluster) &&
	       str_eq(node_find_text(labels, "component"), "taskmanager") && node_get(labels, "weir.dev/preflight") == NULL;
}

size_t taskmanagers_of(struct sim *sim, const struct process *p, size_t *running)
{
	struct kind *pods = kind_of(sim, "pods");
	size_t n = 0;
	*running = 0;
	for (size_t i = 0; i < pods->count; i++) {
		const struct node *root = object_root(pods->items[i]);
		if (!is_taskmanager_of(pods->items[i], p) || node_find(root, "metadata/deletionTimestamp") != NULL ||
		    str_eq(node_find_text(root, "status/phase"), "Failed"))
			continue;
		n++;
		*running += pod_running(root);
	}
	return n;
}

static void taskmanager_create(struct sim *sim, struct process *p, size_t n)
{
	struct object *jm = store_get(sim, "pods", p->ns, p->pod), *d = store_by_uid(sim, p->launch);
	AUTOFREE char *name = mem_printf("%s-taskmanager-%lld-%zu", p->cluster, (long long)p->attempt, n);
	if (jm == NULL || d == NULL || node_find(object_root(d), "metadata/deletionTimestamp") != NULL || store_get(sim, "pods", p->ns, name) != NULL)
		return;
	const struct node *main = NULL, *containers = node_find(object_root(jm), "spec/containers");
	for (size_t i = 0; i < node_count(containers); i++)
		if (main == NULL || str_eq(node_find_text(node_at(containers, i), "name"), "flink-main-container"))
			main = node_at(containers, i);
	struct doc *doc = doc_new();
	struct node *root = node_map(doc), *meta = node_map(doc), *spec = node_map(doc), *c = node_map(doc), *list = node_list(doc);
	doc_set_root(doc, root);
	node_set_text(doc, meta, "name", name);
	node_set_text(doc, meta, "namespace", p->ns);
	struct node *labels = node_ensure_map(doc, meta, "labels"), *refs = node_list(doc), *ref = node_map(doc);
	node_set_text(doc, labels, "app", p->cluster);
	node_set_text(doc, labels, "component", "taskmanager");
	node_set_text(doc, labels, "type", "flink-native-kubernetes");
	node_set_text(doc, ref, "apiVersion", "apps/v1");
	node_set_text(doc, ref, "kind", "Deployment");
	node_set_text(doc, ref, "name", d->name);
	node_set_text(doc, ref, "uid", d->uid);
	node_set(doc, ref, "controller", node_bool(doc, true));
	node_set(doc, ref, "blockOwnerDeletion", node_bool(doc, true));
	node_append(doc, refs, ref);
	node_set(doc, meta, "ownerReferences", refs);
	node_set_text(doc, c, "name", "flink-main-container");
	node_set_text(doc, c, "image", node_find_text(main, "image"));
	node_append(doc, list, c);
	node_set(doc, spec, "containers", list);
	node_set_text(doc, spec, "restartPolicy", "Never");
	node_set_text(doc, spec, "serviceAccountName", node_find_text(object_root(jm), "spec/serviceAccountName"));
	node_set(doc, root, "metadata", meta);
	node_set(doc, root, "spec", spec);
	store_insert(sim, kind_of(sim, "pods"), doc);
}

static void taskmanagers_drop(struct sim *sim, struct process *p, bool failed_only)
{
	struct kind *pods = kind_of(sim, "pods");
	for (size_t i = pods->count; i-- > 0;) {
		struct object *o = i < pods->count ? pods->items[i] : NULL;
		if (o == NULL || !is_taskmanager_of(o, p) || node_find(object_root(o), "metadata/deletionTimestamp") != NULL)
			continue;
		if (!failed_only || str_eq(node_find_text(object_root(o), "status/phase"), "Failed"))
			store_delete(sim, o, PROPAGATE_BACKGROUND, failed_only ? 0 : -1);
	}
}

static void job_log(struct sim *sim, struct process *p, const char *line)
{
	struct kind *pods = kind_of(sim, "pods");
	for (size_t i = 0; i < pods->count; i++)
		if (is_taskmanager_of(pods->items[i], p) && pod_running(object_root(pods->items[i]))) {
			pod_log(sim, pods->items[i]->uid, "%s\n", line);
			return;
		}
}

/* ---- one process ---- */

static struct process *process_find(struct sim *sim, const char *uid)
{
	struct process *p = sim->processes;
	while (p != NULL && strcmp(p->uid, uid) != 0)
		p = p->next;
	return p;
}

static void process_timer(struct sim *sim, const char *uid)
{
	struct process *p = process_find(sim, uid);
	if (p == NULL)
		return;
	if (p->timer_at <= sim->now)
		p->timer_at = -1;
	process_poke(sim, p);
}

struct process *process_of_job(struct sim *sim, struct process *p, const char *id)
{
	for (struct process *o = sim->processes; o != NULL; o = o->next)
		if ((o == p || o->session == p) && o->job != NULL && strcmp(o->job->id, id) == 0)
			return o;
	return NULL;
}

static void process_free(struct process *p)
{
	job_free(p->job);
	doc_free(p->config);
	free(p->uid);
	free(p->ns);
	free(p->pod);
	free(p->cluster);
	free(p->launch);
	free(p);
}

struct process *session_submit(struct sim *sim, struct process *cluster, struct doc *config, const char **why)
{
	struct process *p = mem_alloc(sizeof *p);
	p->session = cluster;
	p->config = config;
	p->uid = mem_printf("%s/%s", cluster->uid, conf(p, "$internal.pipeline.job-id", NULL));
	p->ns = mem_strdup(cluster->ns);
	p->pod = mem_strdup(cluster->pod);
	p->cluster = mem_strdup(cluster->cluster);
	p->launch = mem_strdup(cluster->launch);
	p->jobmanager = p->rest_up = p->ready = p->leader = p->application = true;
	p->native = cluster->native;
	p->ha = cluster->ha;
	p->attempt = cluster->attempt;
	p->timer_at = -1;
	if (!job_prepare(sim, p, why)) {
		process_free(p);
		return NULL;
	}
	p->next = cluster->next; /* behind its cluster, which is found first */
	cluster->next = p;
	AUTOFREE char *key = mem_printf("%s/%s/%s", p->ns, p->cluster, p->job->id);
	if (p->ha && !job_terminal(p->job)) {
		graph_forget(sim, p);
		sim->graphs = mem_grow(sim->graphs, sim->graph_count + 1, sizeof *sim->graphs);
		sim->graphs[sim->graph_count].key = TAKE(key);
		sim->graphs[sim->graph_count++].config = doc_clone(doc_root(config));
	}
	process_poke(sim, p);
	return p;
}

/* With HA the jobs of a session survive its JobManager. */
static void session_recover(struct sim *sim, struct process *p)
{
	AUTOFREE char *prefix = mem_printf("%s/%s/", p->ns, p->cluster);
	size_t count = sim->graph_count;
	AUTOFREE struct doc **configs = mem_array(count + 1, sizeof *configs);
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		if (p->ha && str_starts(sim->graphs[i].key, prefix))
			configs[n++] = doc_clone(doc_root(sim->graphs[i].config));
	const char *why;
	for (size_t i = 0; i < n; i++)
		session_submit(sim, p, configs[i], &why);
}

static bool process_boot(struct sim *sim, struct process *p)
{
	p->rest_up = true;
	p->leader = true;
	for (struct process *o = sim->processes; o != NULL; o = o->next)
		if (o != p && o->jobmanager && o->leader && strcmp(o->ns, p->ns) == 0 && strcmp(o->cluster, p->cluster) == 0 &&
		    str_eq(o->launch, p->launch))
			p->leader = false;
	if (p->leader && p->ha) {
		char name[256];
		snprintf(name, sizeof name, "%s-cluster-config-map", p->cluster);
		ha_map(sim, p, name, true);
	}
	if (p->leader && p->application && !job_submit(sim, p))
		return false;
	if (p->leader && !p->application)
		session_recover(sim, p);
	if (!p->ready)
		pod_log(sim, p->uid, "Rest endpoint listening at %s:8081\n", p->pod);
	p->ready = true;
	pod_set_ready(sim, p->uid);
	return true;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return b >= 0 && (a < 0 || b < a) ? b : a;
}

static void job_step(struct sim *sim, struct process *p)
{
	struct job *j = p->job;
	size_t running, all = taskmanagers_of(sim, p, &running), need = (size_t)cluster_need(sim, p);
	if (p->native) {
		taskmanagers_drop(sim, p, true);
		for (size_t n = 1; all < need && n <= need + 64; n++) {
			size_t before = kind_of(sim, "pods")->count;
			taskmanager_create(sim, p, n);
			all += kind_of(sim, "pods")->count - before;
		}
	}
	bool up = strcmp(j->state, "RUNNING") == 0;
	if (!up) {
		if (running < need || sim->now < j->retry_at) {
			j->deploy_at = -1;
			return;
		}
		if (j->deploy_at < 0)
			j->deploy_at = sim->now + sim->options.deploy_ms;
		if (sim->now < j->deploy_at)
			return;
		AUTOFREE char *line = mem_printf("COUNT start %lld restored %s", (long long)j->base, j->restored.path ? "true" : "false");
		job_state(sim, j, "RUNNING");
		j->running_since = sim->now;
		j->next_checkpoint_at = sim->now + j->interval;
		job_log(sim, p, line);
		return;
	}
	if (running < need) {
		job_failed(sim, p, "org.apache.flink.runtime.jobmaster.JobMasterException: TaskManager with id lost: the pod is gone.");
		return;
	}
	if (j->fail_next || (j->fail_after > 0 && j->running_since >= 0 && job_counter(sim, j) >= j->fail_after)) {
		AUTOFREE char *why = mem_printf("java.lang.IllegalStateException: failing on purpose at %lld", (long long)job_counter(sim, j));
		j->fail_next = false;
		job_failed(sim, p, why);
		return;
	}
	if (j->interval > 0 && j->running_since >= 0 && sim->now >= j->next_checkpoint_at)
		checkpoint_take(sim, p);
	for (struct operation *o = j->operations; o != NULL && !job_terminal(j); o = o->next)
		if (!o->done && sim->now >= (o->finish_at > 0 ? o->finish_at : o->due_at))
			operation_run(sim, p, o);
}

static int64_t next_due(struct sim *sim, const struct process *p)
{
	const struct job *j = p->job;
	int64_t next = -1;
	if (j == NULL)
		return -1;
	if (job_terminal(j))
		return p->idle_at;
	if (j->deploy_at >= 0 && j->running_since < 0 && strcmp(j->state, "RUNNING") != 0)
		next = sooner(next, j->deploy_at);
	if (strcmp(j->state, "RESTARTING") == 0 && j->retry_at > sim->now)
		next = sooner(next, j->retry_at);
	if (j->running_since >= 0 && j->interval > 0)
		next = sooner(next, j->next_checkpoint_at);
	if (j->running_since >= 0 && j->fail_after > 0)
		next = sooner(next, j->running_since + (j->fail_after > j->base ? j->fail_after - j->base : 0) * 10);
	for (const struct operation *o = j->operations; o != NULL; o = o->next)
		if (!o->done)
			next = sooner(next, o->finish_at > 0 ? o->finish_at : o->due_at);
	return next;
}

void process_poke(struct sim *sim, struct process *p)
{
	if (!p->jobmanager || sim->now < p->up_at)
		return;
	if (!p->leader && !process_boot(sim, p))
		return;
	if (p->job == NULL)
		return;
	if (job_terminal(p->job)) {
		if (p->native && p->idle_at > 0 && sim->now >= p->idle_at && (p->session == NULL || cluster_need(sim, p) == 0)) {
			p->idle_at = -1;
			taskmanagers_drop(sim, p, false);
		}
	} else {
		job_step(sim, p);
	}
	int64_t next = next_due(sim, p);
	if (next < 0)
		return;
	if (next <= sim->now)
		next = sim->now + 1;
	if (p->timer_at < 0 || next < p->timer_at) {
		p->timer_at = next;
		sim_timer(sim, next - sim->now, process_timer, p->uid);
	}
}

/* ---- pods ---- */

static const char *label(const struct node *pod, const char *key)
{
	return node_text(node_get(node_find(pod, "metadata/labels"), key));
}

bool flink_is_jobmanager(const struct node *pod)
{
	return str_eq(label(pod, "component"), "jobmanager") && label(pod, "type") != NULL && label(pod, "app") != NULL &&
	       str_starts(label(pod, "type"), "flink-");
}

static const char *launch_of(struct sim *sim, const struct node *pod)
{
	const struct node *ref = node_find(pod, "metadata/ownerReferences/0");
	if (str_eq(node_find_text(ref, "kind"), "ReplicaSet")) {
		struct object *rs = store_by_uid(sim, node_find_text(ref, "uid"));
		ref = rs ? node_find(object_root(rs), "metadata/ownerReferences/0") : NULL;
	}
	return node_text_or(node_get(ref, "uid"), "");
}

/* Of a standalone application: `standalone-job --fromSavepoint PATH ... ARGS`. */
static void read_arguments(struct process *p, const struct node *containers)
{
	const struct node *args = NULL;
	AUTOBUF rest = BUF_INIT;
	for (size_t i = 0; args == NULL && i < node_count(containers); i++) {
		const struct node *list = node_get(node_at(containers, i), "args");
		args = str_eq(node_text(node_at(list, 0)), "standalone-job") ? list : NULL;
	}
	for (size_t i = 1; i < node_count(args); i++) {
		const char *a = node_text_or(node_at(args, i), "");
		if (strcmp(a, "--fromSavepoint") == 0)
			node_set_text(p->config, doc_root(p->config), "execution.savepoint.path", node_text_or(node_at(args, ++i), ""));
		else if (strcmp(a, "--job-classname") == 0 || strcmp(a, "-D") == 0 || strcmp(a, "--job-id") == 0)
			i++;
		else if (strcmp(a, "--allowNonRestoredState") != 0)
			buf_printf(&rest, "%s%s", rest.len ? ";" : "", a);
	}
	if (rest.len > 0)
		node_set_text(p->config, doc_root(p->config), "$internal.application.program-args", buf_text(&rest));
}

static void read_pod(struct sim *sim, struct process *p, const struct object *pod)
{
	const struct node *root = object_root(pod), *volumes = node_find(root, "spec/volumes");
	AUTOFREE char *name = mem_printf("flink-config-%s", p->cluster);
	AUTOBUF text = BUF_INIT;
	node_to_json(node_find(root, "spec/containers"), &text, 0);
	for (size_t i = 0; i < node_count(volumes); i++) {
		const char *cm = node_find_text(node_at(volumes, i), "configMap/name");
		if (cm != NULL && str_starts(cm, "flink-config-")) {
			free(name);
			name = mem_strdup(cm);
		}
	}
	struct object *cm = store_get(sim, "configmaps", p->ns, name);
	p->config = read_config(cm ? node_get(object_root(cm), "data") : NULL);
	read_arguments(p, node_find(root, "spec/containers"));
	const char *entry = conf(p, "kubernetes.internal.jobmanager.entrypoint.class", NULL), *ha = conf(p, "high-availability.type", "high-availability");
	p->application = (entry && strstr(entry, "Application")) || strstr(buf_text(&text), "kubernetes-application") ||
			 strstr(buf_text(&text), "standalone-job");
	p->ha = ha != NULL && (strcasecmp(ha, "kubernetes") == 0 || strstr(ha, "KubernetesHaServicesFactory") != NULL);
}

void flink_pod_started(struct sim *sim, struct object *pod)
{
	const struct node *root = object_root(pod);
	const char *component = label(root, "component"), *type = label(root, "type");
	bool jm = flink_is_jobmanager(root);
	if (!jm && !(str_eq(component, "taskmanager") && type != NULL && str_starts(type, "flink-")))
		return;
	struct process *p = mem_alloc(sizeof *p);
	p->uid = mem_strdup(pod->uid);
	p->ns = mem_strdup(pod->ns);
	p->pod = mem_strdup(pod->name);
	p->cluster = mem_strdup(label(root, "app") ? label(root, "app") : "");
	p->launch = mem_strdup(launch_of(sim, root));
	p->jobmanager = jm;
	p->native = strcmp(type, "flink-native-kubernetes") == 0;
	p->started_at = sim->now;
	p->up_at = sim->now + sim->options.boot_ms;
	p->timer_at = -1;
	p->attempt = node_integer(node_find(root, "status/containerStatuses/0/restartCount"), 0) + 1;
	for (struct process *o = sim->processes; o != NULL; o = o->next)
		if (o->session == NULL && strcmp(o->ns, p->ns) == 0 && strcmp(o->cluster, p->cluster) == 0 && strcmp(o->launch, p->launch) != 0 &&
		    (o->jobmanager == p->jobmanager || (o->native && p->native)))
			sim->violations++;
	p->next = sim->processes;
	sim->processes = p;
	if (jm) {
		read_pod(sim, p, pod);
		sim_timer(sim, sim->options.boot_ms, process_timer, p->uid);
	}
}

void flink_pod_stopped(struct sim *sim, const char *uid)
{
	for (struct process **at = &sim->processes; *at != NULL; at = &(*at)->next) {
		struct process *p = *at;
		if (strcmp(p->uid, uid) != 0)
			continue;
		*at = p->next;
		for (struct process *o = sim->processes; p->leader && o != NULL; o = o->next) /* a standby takes over */
			if (o->rest_up && !o->leader)
				sim_timer(sim, 1000, process_timer, o->uid);
		for (struct process **job = &sim->processes; *job != NULL;) {
			struct process *o = *job;
			if (o->session != p) {
				job = &o->next;
				continue;
			}
			*job = o->next;
			process_free(o);
		}
		process_free(p);
		return;
	}
}

void flink_pods_changed(struct sim *sim)
{
	for (struct process *p = sim->processes, *next; p != NULL; p = next) {
		next = p->next;
		if (p->jobmanager && p->rest_up && p->job != NULL && !job_terminal(p->job))
			process_poke(sim, p);
	}
}

void flink_reap(struct sim *sim)
{
	for (struct process *p = sim->processes, *next; p != NULL; p = next) {
		next = p->next;
		struct object *pod = store_get(sim, "pods", p->ns, p->pod);
		if (p->session != NULL || (pod != NULL && strcmp(pod->uid, p->uid) == 0))
			continue;
		while (next != NULL && next->session == p)
			next = next->next;
		flink_pod_stopped(sim, p->uid);
	}
}

void flink_free(struct sim *sim)
{
	while (sim->processes != NULL) {
		struct process *p = sim->processes;
		sim->processes = p->next;
		process_free(p);
	}
	for (size_t i = 0; i < sim->graph_count; i++) {
		free(sim->graphs[i].key);
		doc_free(sim->graphs[i].config);
	}
	free(sim->graphs);
	for (size_t i = 0; i < sim->jar_count; i++) {
		free(sim->jars[i].id);
		free(sim->jars[i].name);
	}
	free(sim->jars);
}

/* ---- for tests and faults ---- */

static struct process *leader_of(struct sim *sim, const char *ns, const char *cluster)
{
	struct process *p = sim->processes;
	while (p != NULL && !(p->jobmanager && p->session == NULL && (p->leader || !p->rest_up) && strcmp(p->ns, ns) == 0 && strcmp(p->cluster, cluster) == 0))
		p = p->next;
	return p;
}

bool sim_job(struct sim *sim, const char *ns, const char *cluster_id, struct sim_job *job)
{
	sim_lock(sim);
	struct process *p = leader_of(sim, ns, cluster_id);
	*job = (struct sim_job){ .counter = -1, .restored = -1 };
	bool there = p != NULL && p->job != NULL;
	if (there) {
		memcpy(job->id, p->job->id, sizeof job->id);
		snprintf(job->state, sizeof job->state, "%s", p->job->state);
		job->counter = job_counter(sim, p->job);
		job->restored = p->job->restored.path ? p->job->restored.value : -1;
		job->checkpoints = p->job->completed;
		job->restarts = p->job->restarts;
	}
	sim_unlock(sim);
	return there;
}

bool sim_jobmanager_kill(struct sim *sim, const char *ns, const char *cluster_id)
{
	sim_lock(sim);
	struct process *p = leader_of(sim, ns, cluster_id);
	AUTOFREE char *uid = p ? mem_strdup(p->uid) : NULL;
	if (uid != NULL)
		pod_exit(sim, uid, 137, "killed");
	sim_unlock(sim);
	return uid != NULL;
}

bool sim_job_fail(struct sim *sim, const char *ns, const char *cluster_id)
{
	sim_lock(sim);
	struct process *p = leader_of(sim, ns, cluster_id);
	bool there = p != NULL && p->job != NULL && !job_terminal(p->job);
	if (there) {
		p->job->fail_next = true;
		process_poke(sim, p);
	}
	sim_unlock(sim);
	return there;
}

bool sim_storage_lose(struct sim *sim, const char *path)
{
	sim_lock(sim);
	bool was = stored_remove(sim->stored, &sim->stored_count, path);
	sim_unlock(sim);
	return was;
}

void sim_storage_down(struct sim *sim, bool down)
{
	sim_lock(sim);
	sim->storage_down = down;
	sim_unlock(sim);
}
