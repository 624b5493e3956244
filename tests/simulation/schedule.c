#include "schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lifecycle/decide.h"

const char *const point_names[POINT_COUNT] = { "none", "before", "within", "after" };
const char *const outcome_names[OUTCOME_COUNT] = { "ok", "refused", "unknown" };
const char *const job_names[JOBS] = { "orders", "clicks" };

static const char *const step_names[] = {
#define STEP(id, name, text) name,
#include "schedule.def"
#undef STEP
};

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
#define FIELD(name) { #name, offsetof(struct step_fields, name) },
	FIELDS(FIELD)
#undef FIELD
};

static int64_t *field(struct step_fields *f, size_t i)
{
	return (int64_t *)(void *)((char *)f + fields[i].offset);
}

int effect_rows(void)
{
	return EFFECT_COUNT + 2;
}

const char *effect_row_name(int row)
{
	return row < EFFECT_COUNT ? effect_name((enum effect)row) : row == EFFECT_COUNT ? "write-ledger" : "write-status";
}

/* ---- text ---- */

void step_print(const struct step *step, struct buf *out)
{
	struct step_fields f = step->f;
	buf_puts(out, step_names[step->kind]);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (*field(&f, i) != 0 && strcmp(fields[i].name, "effect") == 0)
			buf_printf(out, " effect=%s", effect_row_name((int)f.effect));
		else if (*field(&f, i) != 0)
			buf_printf(out, " %s=%lld", fields[i].name, (long long)*field(&f, i));
	if (step->kind == STEP_EFFECT)
		buf_printf(out, " # %s %s", point_names[f.point], outcome_names[f.outcome]);
}

void schedule_print(const struct course *s, struct buf *out)
{
	buf_printf(out, "seed %llu\n%s", (unsigned long long)s->seed, s->uncovered ? "uncovered\n" : "");
	for (int i = 0; i < s->count; i++) {
		step_print(&s->steps[i], out);
		buf_puts(out, "\n");
	}
}

/* By name: their numbers change. */
static bool read_effect(const char *name, int64_t *out)
{
	for (int row = 1; row < effect_rows(); row++)
		if (strcmp(effect_row_name(row), name) == 0) {
			*out = row;
			return true;
		}
	return false;
}

static bool read_field(char *word, struct step_fields *f)
{
	char *value = strchr(word, '=');
	if (value == NULL)
		return false;
	*value++ = '\0';
	if (strcmp(word, "effect") == 0)
		return read_effect(value, &f->effect);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].name, word) == 0) {
			*field(f, i) = strtoll(value, NULL, 10);
			return true;
		}
	return false;
}

static bool read_line(char *line, struct course *out)
{
	line[strcspn(line, "#\n")] = '\0';
	char *save = NULL;
	char *word = strtok_r(line, " ", &save);
	if (word == NULL)
		return true;
	if (strcmp(word, "seed") == 0) {
		word = strtok_r(NULL, " ", &save);
		out->seed = word == NULL ? 0 : strtoull(word, NULL, 10);
		return true;
	}
	if (strcmp(word, "uncovered") == 0) {
		out->uncovered = true;
		return true;
	}
	int kind = 0;
	while (kind < STEP_COUNT && strcmp(step_names[kind], word) != 0)
		kind++;
	if (kind == STEP_COUNT || out->count == STEPS_MAX)
		return false;
	struct step *step = &out->steps[out->count++];
	*step = (struct step){ .kind = (enum step_kind)kind };
	while ((word = strtok_r(NULL, " ", &save)) != NULL)
		if (!read_field(word, &step->f))
			return false;
	return true;
}

bool schedule_read(const char *file, struct course *out, struct error *err)
{
	FILE *in = fopen(file, "re");
	if (in == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s: cannot be read", file);
	*out = (struct course){ .seed = 1 };
	char line[600];
	int number = 0;
	bool ok = true;
	while (ok && fgets(line, sizeof line, in) != NULL) {
		number++;
		ok = read_line(line, out);
	}
	(void)fclose(in);
	return ok || error_set(err, ERROR_INVALID, "%s:%d: expected `seed N`, `uncovered` or a step of schedule.def with its fields", file,
			       number);
}

/* ---- manifests ---- */

const char *schedule_storage(const struct course *s)
{
	return s->uncovered ? "hdfs://far" : "file://";
}

static void print_job(const struct step_fields *v, struct buf *out)
{
	static const char *const modes[] = { NULL, "stateless", "savepoint", "last-state" };
	static const char *const args[BEHAVE_COUNT] = { [BEHAVE_FINISH] = ", --finish-after, '600'",
							[BEHAVE_BROKEN] = ", --broken",
							[BEHAVE_FAIL_EARLY] = ", --fail-after, '1'",
							[BEHAVE_FAIL_LATE] = ", --fail-after, '250'",
							[BEHAVE_FAIL_ONCE] = ", --fail-after, '250'" };
	buf_printf(out, "  job:\n    jarURI: local:///opt/%s.jar\n    parallelism: %s\n    state: %s\n    args: [--version, '%lld'%s]\n",
		   v->kind == BEHAVE_NO_JAR ? "missing" : "count", v->kind == BEHAVE_INVALID ? "-1" : "1",
		   v->susp ? "suspended" : "running", (long long)v->num, args[v->kind] == NULL ? "" : args[v->kind]);
	if (v->nonce != 0)
		buf_printf(out, "    savepointTriggerNonce: %lld\n", (long long)v->nonce);
	if (v->cknonce != 0)
		buf_printf(out, "    checkpointTriggerNonce: %lld\n", (long long)v->cknonce);
	if (modes[v->mode] != NULL)
		buf_printf(out, "    upgradeMode: %s\n", modes[v->mode]);
}

void version_print(const struct step_fields *v, const char *storage, const char *newest_path, struct buf *out)
{
	static const char *const preflight[] = { NULL, "off", "require" };
	buf_printf(out, "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata:\n  name: %s\n  namespace: default\n",
		   job_names[v->job]);
	if (v->retry != 0 || v->restore != FROM_NOTHING || v->pre != PREFLIGHT_PREFER)
		buf_puts(out, "  annotations:\n");
	if (v->retry != 0)
		buf_printf(out, "    weir.dev/retry: r%lld\n", (long long)v->retry);
	if (v->restore == FROM_LATEST)
		buf_puts(out, "    weir.dev/restore-from: latest\n");
	else if (v->restore == FROM_NEWEST_PATH)
		buf_printf(out, "    weir.dev/restore-from: 'path:%s%s'\n", *newest_path == '\0' ? storage : "",
			   *newest_path == '\0' ? "/nowhere" : newest_path);
	if (preflight[v->pre] != NULL)
		buf_printf(out, "    weir.dev/preflight: '%s'\n", preflight[v->pre]);
	buf_printf(out,
		   "spec:\n  image: flink:%s\n  flinkVersion: v1_20\n  serviceAccount: flink\n  flinkConfiguration:\n"
		   "    taskmanager.numberOfTaskSlots: '1'\n    state.checkpoints.dir: %s/c\n",
		   v->kind == BEHAVE_NO_IMAGE ? "does-not-exist" : "1.20", storage);
	if (v->kind == BEHAVE_REFUSED)
		buf_puts(out, "    refuse-me: 'yes'\n");
	if (v->kind == BEHAVE_FAIL_ONCE)
		buf_puts(out, "    restart-strategy.type: none\n");
	if (v->chk)
		buf_puts(out, "    execution.checkpointing.interval: 1s\n");
	if (v->dir)
		buf_printf(out, "    state.savepoints.dir: %s/s\n", storage);
	if (v->trim > 1)
		buf_puts(out, "    kubernetes.operator.periodic.savepoint.interval: 2s\n");
	if (v->trim)
		buf_puts(out, "    kubernetes.operator.savepoint.history.max.count: '1'\n");
	if (v->ha)
		buf_printf(out, "    high-availability.type: kubernetes\n    high-availability.storageDir: %s/ha\n", storage);
	buf_puts(out, "  jobManager: {resource: {cpu: 0.1, memory: 800m}}\n  taskManager: {resource: {cpu: 0.1, memory: 800m}}\n");
	if (v->ingress != 0)
		buf_printf(out, "  ingress: {template: 'h%lld.example.com/{{namespace}}/{{name}}'}\n", (long long)v->ingress);
	print_job(v, out);
}

void session_print(int64_t version, const char *storage, struct buf *out)
{
	buf_printf(out,
		   "---\napiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: pool, namespace: default}\nspec:\n"
		   "  image: flink:1.20\n  flinkVersion: v1_20\n  serviceAccount: flink\n  flinkConfiguration:\n"
		   "    taskmanager.numberOfTaskSlots: '1'\n    state.checkpoints.dir: %s/c\n    state.savepoints.dir: %s/s\n"
		   "    execution.checkpointing.interval: 1s\n    high-availability.type: kubernetes\n    high-availability.storageDir: "
		   "%s/ha\n"
		   "  jobManager: {resource: {cpu: 0.1, memory: 800m}}\n  taskManager: {resource: {cpu: 0.1, memory: 800m}}\n"
		   "---\napiVersion: flink.apache.org/v1beta1\nkind: FlinkSessionJob\nmetadata: {name: task, namespace: default}\nspec:\n"
		   "  deploymentName: pool\n  job:\n    jarURI: local:///opt/count.jar\n    entryClass: Count\n    parallelism: 1\n"
		   "    upgradeMode: savepoint\n    state: running\n    args: [--version, '%lld']\n",
		   storage, storage, storage, (long long)version);
}

bool version_refused(const struct step_fields *v)
{
	return v->kind == BEHAVE_NO_IMAGE || v->kind == BEHAVE_NO_JAR || v->kind == BEHAVE_REFUSED || v->kind == BEHAVE_INVALID;
}
