/* Flink processes: JobManagers and TaskManagers in pods, sessions, and what tests and faults ask of them. */
#include <stdio.h>

#include "sim/flink_model.h"

/* The application's main method; false when the process ended. */
static bool job_submit(struct sim *sim, struct process *p)
{
	const char *why = NULL;
	if (job_prepare(sim, p, &why))
		return true;
	pod_exit(sim, p->uid, 1, why);
	return false;
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
	for (struct operation *o; (o = p->misses) != NULL; operation_free(o))
		p->misses = o->next;
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
		(void)snprintf(name, sizeof name, "%s-cluster-config-map", p->cluster);
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
		AUTOFREE char *why =
			mem_printf("java.lang.IllegalStateException: failing on purpose at %lld", (long long)job_counter(sim, j));
		j->fail_next = false;
		job_failed(sim, p, why);
		return;
	}
	if (j->finish_after > 0 && j->running_since >= 0 && job_counter(sim, j) >= j->finish_after) {
		job_finish(sim, p);
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
	if (j->running_since >= 0 && j->finish_after > 0)
		next = sooner(next, j->running_since + (j->finish_after > j->base ? j->finish_after - j->base : 0) * 10);
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
		else if (strcmp(a, "--job-classname") == 0 || strcmp(a, "-D") == 0 || strcmp(a, "--job-id") == 0 ||
			 strcmp(a, "--host") == 0)
			i++;
		else if (strcmp(a, "--allowNonRestoredState") != 0 && !str_starts(a, "-Djobmanager."))
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
	const char *entry = conf(p, "kubernetes.internal.jobmanager.entrypoint.class", NULL),
		   *ha = conf(p, "high-availability.type", "high-availability");
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
	p->up_at = sim->now + sim->options.boot_ms;
	p->timer_at = -1;
	p->attempt = node_integer(node_find(root, "status/containerStatuses/0/restartCount"), 0) + 1;
	for (struct process *o = sim->processes; o != NULL; o = o->next)
		if (o->session == NULL && strcmp(o->ns, p->ns) == 0 && strcmp(o->cluster, p->cluster) == 0 &&
		    strcmp(o->launch, p->launch) != 0 && (o->jobmanager == p->jobmanager || (o->native && p->native)))
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
	while (p != NULL && !(p->jobmanager && p->session == NULL && (p->leader || !p->rest_up) && strcmp(p->ns, ns) == 0 &&
			      strcmp(p->cluster, cluster) == 0))
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
		(void)snprintf(job->state, sizeof job->state, "%s", p->job->state);
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
