#include "flink/spec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects.h"
#include "flink/resources.h"
#include "flink/values.h"

struct check {
	const struct node *resource, *spec, *job, *deployed;
	const struct node *config; /* flink_config_user() */
	const struct flink_version *version;
	flink_spec_report *report;
	void *data;
	size_t problems;
};

static void problem(struct check *k, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void problem(struct check *k, const char *field, const char *format, ...)
{
	k->problems++;
	if (k->report == NULL)
		return;
	AUTOBUF message = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	k->report(k->data, field, buf_text(&message));
}

static bool absent(const struct node *n)
{
	return node_kind(n) == NODE_NULL;
}

static bool blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

/* One of the accepted values, which are given as "a, b, c", or absent. */
static void check_enum(struct check *k, const struct node *value, const char *field, const char *const *accepted, const char *listed)
{
	if (absent(value))
		return;
	const char *text = node_text(value);
	for (; *accepted != NULL; accepted++)
		if (str_eq(text, *accepted))
			return;
	problem(k, field, "expected one of %s, found \"%.60s\"", listed, text != NULL ? text : node_kind_name(node_kind(value)));
}

#define CHECK_ENUM(k, value, field, listed, ...) check_enum(k, value, field, (const char *const[]){ __VA_ARGS__, NULL }, listed)

static void check_name(struct check *k)
{
	const char *name = node_text_or(node_find(k->resource, "metadata/name"), "");
	size_t len = strlen(name);
	bool good = len > 0 && len <= FLINK_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' && name[len - 1] != '-' &&
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
	if (!good)
		problem(k, "metadata.name",
			"expected lower-case letters, digits and '-', starting with a letter, not ending with '-', at most %d characters; found "
			"\"%.80s\"",
			FLINK_NAME_MAX, name);
}

static void check_version(struct check *k)
{
	const struct node *value = node_get(k->spec, "flinkVersion");
	if (absent(value)) {
		problem(k, "spec.flinkVersion", "must be set");
		return;
	}
	AUTOBUF accepted = BUF_INIT;
	for (size_t i = 0; i < flink_version_count(); i++)
		if (flink_version_at(i)->supported)
			buf_printf(&accepted, "%s%s", accepted.len > 0 ? ", " : "", flink_version_at(i)->name);
	if (k->version == NULL || !k->version->supported)
		problem(k, "spec.flinkVersion", "expected one of %s, found \"%.40s\"", buf_text(&accepted), node_text_or(value, "no text"));
	const struct node *last = node_get(k->deployed, "job");
	bool stays_suspended = str_eq(node_text(node_get(last, "state")), "suspended") &&
			       str_eq(node_text(node_get(last, "upgradeMode")), "last-state");
	if (stays_suspended && !str_eq(node_text(node_get(k->job, "upgradeMode")), "stateless") &&
	    !str_eq(node_text(node_get(k->deployed, "flinkVersion")), node_text(value)))
		problem(k, "spec.flinkVersion", "cannot change while the job is suspended with last-state: resume it first");
}

static void check_config(struct check *k)
{
	static const char *const forbidden[] = { "kubernetes.namespace", "kubernetes.cluster-id", "high-availability.cluster-id" };
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		AUTOFREE char *field = mem_printf("spec.flinkConfiguration.%s", forbidden[i]);
		if (node_get(k->config, forbidden[i]) != NULL)
			problem(k, field, "must not be set: it follows from the resource's name and namespace");
	}
	if (flink_config_bool(k->config, "kubernetes.operator.deployment.rollback.enabled", false) && !flink_ha_enabled(k->config))
		problem(k, "spec.flinkConfiguration.kubernetes.operator.deployment.rollback.enabled", "rollback needs high-availability.type");
	if (flink_config_bool(k->config, "kubernetes.operator.cluster.health-check.enabled", false) &&
	    !flink_config_bool(k->config, "kubernetes.operator.jm-deployment-recovery.enabled", true))
		problem(k, "spec.flinkConfiguration.kubernetes.operator.cluster.health-check.enabled",
			"needs kubernetes.operator.jm-deployment-recovery.enabled");
}

static void check_ingress(struct check *k)
{
	const struct node *ingress = node_get(k->spec, "ingress");
	const char *template = node_text(node_get(ingress, "template"));
	if (absent(ingress))
		return;
	if (blank(template))
		problem(k, "spec.ingress.template", "must be set");
	else if (strpbrk(template, " \t\r\n") != NULL)
		problem(k, "spec.ingress.template", "expected a host, a path or both, such as \"{{name}}.example.com/\", found \"%.100s\"", template);
}

static void check_logging(struct check *k)
{
	const struct node *logging = node_get(k->spec, "logConfiguration");
	for (size_t i = 0; i < node_count(logging); i++) {
		const char *key = node_key_at(logging, i);
		if (!str_eq(key, "log4j-console.properties") && !str_eq(key, "logback-console.xml"))
			problem(k, "spec.logConfiguration", "expected log4j-console.properties or logback-console.xml, found \"%.60s\"",
				key != NULL ? key : "a list");
	}
}

static void check_state_dirs(struct check *k)
{
	const char *mode = node_text_or(node_get(k->job, "upgradeMode"), "stateless");
	if (strcmp(mode, "stateless") != 0 && flink_checkpoint_dir(k->config) == NULL)
		problem(k, "spec.flinkConfiguration.execution.checkpointing.dir",
			"a checkpoint directory must be set for the upgrade modes last-state and savepoint");
	if (flink_savepoint_dir(k->config) != NULL)
		return;
	static const char field[] = "spec.flinkConfiguration.execution.checkpointing.savepoint-dir";
	if (strcmp(mode, "savepoint") == 0)
		problem(k, field, "a savepoint directory must be set for spec.job.upgradeMode savepoint");
	if (!absent(node_get(k->job, "savepointTriggerNonce")))
		problem(k, field, "a savepoint directory must be set for spec.job.savepointTriggerNonce");
	static const char *const options[] = { "kubernetes.operator.periodic.savepoint.interval",
					       "kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age" };
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (node_get(k->config, options[i]) != NULL)
			problem(k, field, "a savepoint directory must be set for %s", options[i]);
}

static void check_job(struct check *k)
{
	const struct node *replicas = node_find(k->spec, "taskManager/replicas"), *parallelism = node_get(k->job, "parallelism");
	if (absent(k->job))
		return;
	if (!node_is(k->job, NODE_MAP)) {
		problem(k, "spec.job", "expected a map, found a %s", node_kind_name(node_kind(k->job)));
		return;
	}
	if (node_text(node_get(k->job, "jarURI")) == NULL && node_text(node_get(k->job, "entryClass")) == NULL)
		problem(k, "spec.job.jarURI", "must be set, unless spec.job.entryClass names a class of the image");
	CHECK_ENUM(k, node_get(k->job, "upgradeMode"), "spec.job.upgradeMode", "stateless, savepoint, last-state", "stateless", "savepoint",
		   "last-state");
	CHECK_ENUM(k, node_get(k->job, "state"), "spec.job.state", "running, suspended", "running", "suspended");
	check_state_dirs(k);
	if (absent(replicas) && node_integer(parallelism, 0) < 1)
		problem(k, "spec.job.parallelism", "expected a number of at least 1, found %.40s",
			node_text_or(parallelism, absent(parallelism) ? "nothing" : node_kind_name(node_kind(parallelism))));
	const struct node *args = node_get(k->job, "args");
	if (!absent(args) && !node_is(args, NODE_LIST))
		problem(k, "spec.job.args", "expected a list of texts, found a %s", node_kind_name(node_kind(args)));
	const struct node *nonce = node_get(k->job, "savepointRedeployNonce");
	if (k->deployed != NULL && !absent(nonce) && !node_equal(nonce, node_find(k->deployed, "job/savepointRedeployNonce")) &&
	    blank(node_text(node_get(k->job, "initialSavepointPath"))))
		problem(k, "spec.job.initialSavepointPath", "must be set for a new spec.job.savepointRedeployNonce");
}

static void check_quantities(struct check *k, const struct node *resources, const char *field)
{
	const struct node *requests = node_get(resources, "requests"), *limits = node_get(resources, "limits");
	const struct node *parts[] = { requests, limits };
	for (size_t p = 0; p < ARRAY_SIZE(parts); p++) {
		for (size_t i = 0; i < node_count(parts[p]); i++) {
			const char *name = node_key_at(parts[p], i), *text = node_text(node_value_at(parts[p], i));
			AUTOFREE char *where = mem_printf("%s.resources.%s.%s", field, p == 0 ? "requests" : "limits", name);
			bool is_memory = str_eq(name, "memory"), is_cpu = str_eq(name, "cpu");
			int64_t bytes = 0;
			double value = 0;
			if (is_memory ? !flink_memory_bytes(text, &bytes) : !flink_quantity(text, &value))
				problem(k, where, "expected a quantity, found \"%.60s\"", text != NULL ? text : "");
			else if ((is_memory && bytes <= 0) || (is_cpu && value <= 0))
				problem(k, where, "must be positive, found \"%.60s\"", text);
			else if (value < 0)
				problem(k, where, "must not be negative, found \"%.60s\"", text);
		}
	}
	double request = 0, limit = 0;
	if (flink_quantity(node_text(node_get(requests, "cpu")), &request) && flink_quantity(node_text(node_get(limits, "cpu")), &limit) &&
	    request > limit)
		problem(k, field, "resources.requests.cpu must not exceed its limit");
	int64_t memory = 0, memory_limit = 0;
	if (flink_memory_bytes(node_text(node_get(requests, "memory")), &memory) &&
	    flink_memory_bytes(node_text(node_get(limits, "memory")), &memory_limit) && memory > memory_limit)
		problem(k, field, "resources.requests.memory must not exceed its limit");
}

static void check_component(struct check *k, const char *key, const char *flink_name)
{
	const struct node *component = node_get(k->spec, key);
	AUTOFREE char *field = mem_printf("spec.%s", key);
	struct flink_resources found = { 0 };
	struct error err = ERROR_INIT;
	if (flink_resources_new_form(component)) {
		check_quantities(k, node_get(component, "resources"), field);
		found.memory = node_text(node_find(component, "resources/requests/memory"));
		if (found.memory == NULL)
			found.memory = node_text(node_find(component, "resources/limits/memory"));
	} else if (!flink_resources_read(component, field, &found, &err)) {
		problem(k, field, "%s", str_starts(err.message, field) ? err.message + strlen(field) + 1 : err.message);
		return;
	}
	if (found.memory == NULL && flink_process_bytes(k->config, flink_name) <= 0) {
		AUTOFREE char *where = mem_printf("%s.resource.memory", field);
		problem(k, where, "memory must be set here, in %s.resources, or as %s.memory.process.size in spec.flinkConfiguration", field,
			flink_name);
	}
	const char *storage = node_text(node_find(component, "resource/ephemeralStorage"));
	double size;
	if (storage != NULL && (!flink_quantity(storage, &size) || size < 0)) {
		AUTOFREE char *where = mem_printf("%s.resource.ephemeralStorage", field);
		problem(k, where, "expected a quantity such as \"1Gi\", found \"%.60s\"", storage);
	}
	const struct node *replicas = node_get(component, "replicas");
	if (!absent(replicas) && node_integer(replicas, 0) < 1) {
		AUTOFREE char *where = mem_printf("%s.replicas", field);
		problem(k, where, "expected a number of at least 1, found %.40s", node_text_or(replicas, "no number"));
	}
}

static void check_switches(struct check *k)
{
	const char *mode = node_text_or(node_get(k->spec, "mode"), "native");
	CHECK_ENUM(k, node_get(k->spec, "mode"), "spec.mode", "native, standalone", "native", "standalone");
	CHECK_ENUM(k, node_get(k->spec, "imagePullPolicy"), "spec.imagePullPolicy", "IfNotPresent, Always, Never", "IfNotPresent", "Always",
		   "Never");
	if (k->deployed == NULL)
		return;
	if (absent(k->job) != absent(node_get(k->deployed, "job")))
		problem(k, "spec.job", "a session cluster cannot become an application cluster, nor the other way round");
	if (strcmp(mode, node_text_or(node_get(k->deployed, "mode"), "native")) != 0)
		problem(k, "spec.mode", "cannot change between native and standalone once deployed");
}

static void check_autoscaler(struct check *k)
{
	static const struct {
		const char *option;
		double min, max;
	} ranges[] = { { "scale-down.max-factor", 0, 1e300 },
		       { "scale-up.max-factor", 0, 1e300 },
		       { "utilization.target", 0, 1 },
		       { "target.utilization.boundary", 0, 1e300 },
		       { "utilization.max", 0, 1 },
		       { "utilization.min", 0, 1 },
		       { "gc-pressure.threshold", 0, 1 },
		       { "heap-usage.threshold", 0, 1 },
		       { "scaling.effectiveness.threshold", 0, 1 },
		       { "memory.tuning.overhead", 0, 1 } };
	if (!flink_config_bool(k->config, "job.autoscaler.enabled", false))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		AUTOFREE char *key = mem_printf("job.autoscaler.%s", ranges[i].option);
		AUTOFREE char *field = mem_printf("spec.flinkConfiguration.%s", key);
		const char *text = flink_config_get(k->config, key);
		if (text == NULL)
			continue;
		char *end;
		double value = strtod(text, &end);
		if (end == text || *end != '\0' || !(value >= ranges[i].min && value <= ranges[i].max))
			problem(k, field, "expected a number %s, found \"%.60s\"", ranges[i].max > 1 ? "of at least 0" : "from 0 to 1", text);
	}
}

size_t flink_spec_validate(const struct node *resource, const struct flink_spec_context *context, flink_spec_report *report, void *data)
{
	struct check k = { .resource = resource, .spec = node_get(resource, "spec"), .report = report, .data = data };
	k.deployed = context != NULL && node_is(context->deployed, NODE_MAP) ? context->deployed : NULL;
	if (!node_is(k.spec, NODE_MAP)) {
		problem(&k, "spec", "expected a map, found %s", absent(k.spec) ? "nothing" : node_kind_name(node_kind(k.spec)));
		return k.problems;
	}
	k.job = node_get(k.spec, "job");
	k.version = flink_version_find(node_text(node_get(k.spec, "flinkVersion")));
	AUTODOC *doc = doc_new();
	struct flink_launch launch = { .spec = k.spec,
				       .name = node_text(node_find(resource, "metadata/name")),
				       .ns = node_text(node_find(resource, "metadata/namespace")),
				       .defaults = context != NULL ? context->defaults : NULL };
	struct node *config = NULL;
	struct error err = ERROR_INIT;
	check_name(&k);
	check_version(&k);
	if (!flink_config_user(doc, &launch, &config, &err)) {
		problem(&k, "spec.flinkConfiguration", "%s", err.message);
		config = node_map(doc);
	}
	k.config = config;
	check_config(&k);
	check_ingress(&k);
	check_logging(&k);
	check_job(&k);
	check_component(&k, "jobManager", "jobmanager");
	if (node_integer(node_find(k.spec, "jobManager/replicas"), 1) > 1 && !flink_ha_enabled(k.config))
		problem(&k, "spec.jobManager.replicas", "more than one needs high-availability.type");
	check_component(&k, "taskManager", "taskmanager");
	check_switches(&k);
	if (blank(node_text(node_get(k.spec, "serviceAccount"))))
		problem(&k, "spec.serviceAccount", "must be set to the account that Flink's pods run under");
	check_autoscaler(&k);
	return k.problems;
}

struct first {
	struct error *err;
	bool seen;
};

static void keep_first(void *data, const char *field, const char *message)
{
	struct first *first = data;
	if (!first->seen)
		(void)error_set(first->err, ERROR_INVALID, "%s: %s", field, message);
	first->seen = true;
}

bool flink_spec_check(const struct node *resource, const struct flink_spec_context *context, struct error *err)
{
	struct first first = { .err = err };
	return flink_spec_validate(resource, context, keep_first, &first) == 0;
}
