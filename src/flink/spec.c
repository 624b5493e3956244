#include "flink/spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects.h"
#include "flink/spec_internal.h"

/* ---- reporting ---- */

/* The value under a dotted path whose parts may be nested or not: the longest key that fits first. */
static const struct node *walk(const struct node *map, const char *path, const struct node **closest)
{
	size_t len = strlen(path);
	if (!node_is(map, NODE_MAP) && !node_is(map, NODE_LIST))
		return NULL;
	while (len > 0) {
		AUTOFREE char *key = mem_strndup(path, len);
		char *end;
		unsigned long index = strtoul(key, &end, 10);
		const struct node *value = node_is(map, NODE_MAP)	? node_get(map, key)
					   : end != key && *end == '\0' ? node_at(map, index)
									: NULL;
		if (value != NULL) {
			*closest = node_line(value) > 0 ? value : *closest;
			if (path[len] == '\0')
				return value;
			const struct node *found = walk(value, path + len + 1, closest);
			if (found != NULL)
				return found;
		}
		while (len > 0 && path[--len] != '.')
			;
	}
	return NULL;
}

/* An option under any of its names. */
static const struct node *option_named(const struct node *config, const char *name)
{
	const struct node *ignored = NULL, *found = walk(config, name, &ignored);
	const struct flink_key *key = flink_key_find(name);
	for (const char *const *other = key != NULL ? key->names : NULL; found == NULL && other != NULL && *other != NULL; other++)
		found = walk(config, *other, &ignored);
	return found;
}

static const struct node *find(const struct node *resource, const char *field, const struct node **closest)
{
	static const char options[] = "spec.flinkConfiguration.";
	const struct node *found = walk(resource, field, closest);
	if (found == NULL && str_starts(field, options))
		found = option_named(node_find(resource, "spec/flinkConfiguration"), field + sizeof(options) - 1);
	return found;
}

const struct node *flink_spec_find(const struct node *resource, const char *field)
{
	const struct node *closest = resource;
	return find(resource, field, &closest);
}

unsigned flink_spec_line(const struct node *resource, const char *field)
{
	const struct node *closest = resource, *found = find(resource, field, &closest);
	return node_line(found != NULL && node_line(found) > 0 ? found : closest);
}

static void tell(struct check *k, bool warning, const char *field, const char *message)
{
	if (!warning)
		k->errors++;
	const struct flink_problem problem = {
		.field = field, .message = message, .line = flink_spec_line(k->resource, field), .warning = warning
	};
	if (k->report != NULL)
		k->report(k->data, &problem);
}

void spec_error(struct check *k, const char *field, const char *format, ...)
{
	AUTOBUF message = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	tell(k, false, field, buf_text(&message));
}

void spec_warning(struct check *k, const char *field, const char *format, ...)
{
	AUTOBUF message = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	tell(k, true, field, buf_text(&message));
}

/* ---- rules that any kind may use ---- */

bool spec_absent(const struct node *n)
{
	return node_kind(n) == NODE_NULL;
}

bool spec_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

const char *spec_shown(const struct node *value)
{
	if (spec_absent(value))
		return "nothing";
	const char *text = node_text(value);
	return text != NULL ? text : node_is(value, NODE_MAP) ? "a map" : "a list";
}

void spec_check_enum(struct check *k, const struct node *value, const char *field, const char *const *accepted)
{
	if (spec_absent(value))
		return;
	AUTOBUF listed = BUF_INIT;
	for (; *accepted != NULL; accepted++) {
		if (str_eq(node_text(value), *accepted))
			return;
		buf_printf(&listed, "%s%s", listed.len > 0 ? ", " : "", *accepted);
	}
	spec_error(k, field, "expected one of %s, found \"%.60s\"", buf_text(&listed), spec_shown(value));
}

bool spec_check_map(struct check *k, const struct node *map, const char *field, const char *const *known)
{
	if (spec_absent(map))
		return true;
	if (!node_is(map, NODE_MAP)) {
		spec_error(k, field, "expected a map, found %.60s", spec_shown(map));
		return false;
	}
	for (size_t i = 0; i < node_count(map); i++) {
		const char *key = node_key_at(map, i);
		size_t n = 0;
		while (known[n] != NULL && strcmp(known[n], key) != 0)
			n++;
		if (known[n] != NULL)
			continue;
		AUTOFREE char *where = mem_printf("%s.%.80s", field, key);
		AUTOBUF listed = BUF_INIT;
		for (n = 0; known[n] != NULL; n++)
			buf_printf(&listed, "%s%s", n > 0 ? ", " : "", known[n]);
		spec_error(k, where, "no such field; expected one of %s", buf_text(&listed));
	}
	return true;
}

void spec_check_name(struct check *k, const char *field, const char *name)
{
	size_t len = strlen(name);
	bool good = len > 0 && len <= FLINK_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' && name[len - 1] != '-' &&
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
	if (!good)
		spec_error(
			k, field,
			"expected lower-case letters, digits and '-', starting with a letter, not ending with '-', at most %d characters; "
			"found \"%.80s\"",
			FLINK_NAME_MAX, name);
}

void spec_check_count(struct check *k, const struct node *value, const char *field, int64_t min)
{
	if (!spec_absent(value) && node_integer(value, min - 1) < min)
		spec_error(k, field, "expected a number of at least %lld, found %.40s", (long long)min, spec_shown(value));
}

/* ---- a FlinkDeployment ---- */

static void check_version(struct check *k)
{
	static const char field[] = "spec.flinkVersion";
	const struct node *value = node_get(k->spec, "flinkVersion");
	if (spec_absent(value)) {
		spec_error(k, field, "must be set");
		return;
	}
	AUTOBUF accepted = BUF_INIT;
	for (size_t i = 0; i < flink_version_count(); i++)
		buf_printf(&accepted, "%s%s", accepted.len > 0 ? ", " : "", flink_version_at(i)->name);
	if (k->version == NULL)
		spec_error(k, field, "expected one of %s, found \"%.40s\"", buf_text(&accepted), spec_shown(value));
	else if (flink_version_is_new(node_text(value)))
		spec_warning(k, field, "%s is newer than this Weir knows; it is taken for %s", node_text(value), k->version->name);
	const struct node *last = node_get(k->deployed, "job");
	bool stays_suspended =
		str_eq(node_text(node_get(last, "state")), "suspended") && str_eq(node_text(node_get(last, "upgradeMode")), "last-state");
	if (stays_suspended && !str_eq(node_text(node_get(k->job, "upgradeMode")), "stateless") &&
	    !str_eq(node_text(node_get(k->deployed, "flinkVersion")), node_text(value)))
		spec_error(k, field, "cannot change while the job is suspended with last-state: resume it first");
}

static void check_config(struct check *k)
{
	static const char *const forbidden[] = { "kubernetes.namespace", "kubernetes.cluster-id", "high-availability.cluster-id" };
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		AUTOFREE char *field = mem_printf("spec.flinkConfiguration.%s", forbidden[i]);
		if (node_get(k->config, forbidden[i]) != NULL)
			spec_error(k, field, "must not be set: it follows from the resource's name and namespace");
	}
	if (flink_config_bool(k->config, "kubernetes.operator.deployment.rollback.enabled", false) && !flink_ha_enabled(k->config))
		spec_error(k, "spec.flinkConfiguration.kubernetes.operator.deployment.rollback.enabled",
			   "rollback needs high-availability.type");
	if (flink_config_bool(k->config, "kubernetes.operator.cluster.health-check.enabled", false) &&
	    !flink_config_bool(k->config, "kubernetes.operator.jm-deployment-recovery.enabled", true))
		spec_error(k, "spec.flinkConfiguration.kubernetes.operator.cluster.health-check.enabled",
			   "needs kubernetes.operator.jm-deployment-recovery.enabled");
}

static void check_ingress(struct check *k)
{
	static const char field[] = "spec.ingress.template";
	const struct node *ingress = node_get(k->spec, "ingress");
	const char *template = node_text(node_get(ingress, "template"));
	if (spec_absent(ingress) || !SPEC_MAP(k, ingress, "spec.ingress", "template", "className", "annotations", "labels", "tls"))
		return;
	if (spec_blank(template))
		spec_error(k, field, "must be set");
	else if (strpbrk(template, " \t\r\n") != NULL)
		spec_error(k, field, "expected a host, a path or both, such as \"{{name}}.example.com/\", found \"%.100s\"", template);
}

static void check_switches(struct check *k)
{
	const char *mode = node_text_or(node_get(k->spec, "mode"), "native");
	SPEC_ENUM(k, node_get(k->spec, "mode"), "spec.mode", "native", "standalone");
	SPEC_ENUM(k, node_get(k->spec, "imagePullPolicy"), "spec.imagePullPolicy", "IfNotPresent", "Always", "Never");
	if (k->deployed == NULL)
		return;
	if (spec_absent(k->job) != spec_absent(node_get(k->deployed, "job")))
		spec_error(k, "spec.job", "a session cluster cannot become an application cluster, nor the other way round");
	if (strcmp(mode, node_text_or(node_get(k->deployed, "mode"), "native")) != 0)
		spec_error(k, "spec.mode", "cannot change between native and standalone once deployed");
}

/* Flink overwrites the option for a standalone job by an argument that cannot be given. */
static void check_claim(struct check *k)
{
	const char *mode = k->version != NULL && k->version->restore_mode_key != NULL
				   ? flink_config_get(k->config, k->version->restore_mode_key)
				   : NULL;
	if (mode == NULL || str_eq(mode, "NO_CLAIM") || spec_absent(k->job) || !str_eq(node_text(node_get(k->spec, "mode")), "standalone"))
		return;
	AUTOFREE char *field = mem_printf("spec.flinkConfiguration.%s", k->version->restore_mode_key);
	spec_warning(k, field, "has no effect in standalone mode: Flink always restores with NO_CLAIM there, found %.40s", mode);
}

static void deployment(struct check *k)
{
	(void)SPEC_MAP(k, k->spec, "spec", "image", "imagePullPolicy", "serviceAccount", "flinkVersion", "mode", "ingress", "podTemplate",
		       "jobManager", "taskManager", "logConfiguration", "flinkConfiguration", "restartNonce", "job");
	spec_check_name(k, "metadata.name", node_text_or(node_find(k->resource, "metadata/name"), ""));
	check_version(k);
	check_config(k);
	check_ingress(k);
	(void)SPEC_MAP(k, node_get(k->spec, "logConfiguration"), "spec.logConfiguration", "log4j-console.properties",
		       "logback-console.xml");
	if (!spec_absent(k->job))
		spec_check_job(k);
	spec_check_components(k);
	check_switches(k);
	check_claim(k);
	if (spec_blank(node_text(node_get(k->spec, "image"))) && k->version != NULL &&
	    flink_config_get(k->config, k->version->image_key) == NULL)
		spec_error(k, "spec.image", "must be set");
	if (spec_blank(node_text(node_get(k->spec, "serviceAccount"))))
		spec_error(k, "spec.serviceAccount", "must be set to the account that Flink's pods run under");
	spec_check_autoscaler(k);
}

size_t flink_spec_validate(const struct node *resource, const struct flink_spec_context *context, flink_spec_report *report, void *data)
{
	static const struct flink_spec_context none;
	const char *kind = node_text_or(node_get(resource, "kind"), "FlinkDeployment");
	bool is_deployment = strcmp(kind, "FlinkDeployment") == 0, is_session_job = strcmp(kind, "FlinkSessionJob") == 0;
	if (!is_deployment && !is_session_job && strcmp(kind, "FlinkStateSnapshot") != 0)
		return 0;
	context = context != NULL ? context : &none;
	struct check k = { .resource = resource, .spec = node_get(resource, "spec"), .report = report, .data = data };
	k.deployed = node_is(context->deployed, NODE_MAP) ? context->deployed : NULL;
	if (!node_is(k.spec, NODE_MAP)) {
		spec_error(&k, "spec", "expected a map, found %s", spec_shown(k.spec));
		return k.errors;
	}
	k.job = node_get(k.spec, "job");
	if (!is_deployment) {
		is_session_job ? spec_session_job(&k, context) : spec_snapshot(&k);
		return k.errors;
	}
	k.version = flink_version_find(node_text(node_get(k.spec, "flinkVersion")));
	AUTODOC *doc = doc_new();
	struct flink_launch launch = { .spec = k.spec,
				       .name = node_text(node_find(resource, "metadata/name")),
				       .ns = node_text(node_find(resource, "metadata/namespace")),
				       .defaults = context->defaults };
	struct node *config = NULL;
	struct error err = ERROR_INIT;
	if (!flink_config_user(doc, &launch, &config, &err)) {
		spec_error(&k, "spec.flinkConfiguration", "%s", err.message);
		config = node_map(doc);
	}
	k.config = config;
	deployment(&k);
	return k.errors;
}

struct first {
	struct error *err;
	bool seen;
};

static void keep_first(void *data, const struct flink_problem *problem)
{
	struct first *first = data;
	if (first->seen || problem->warning)
		return;
	(void)error_set(first->err, ERROR_INVALID, "%s: %s", problem->field, problem->message);
	first->seen = true;
}

bool flink_spec_check(const struct node *resource, const struct flink_spec_context *context, struct error *err)
{
	struct first first = { .err = err };
	return flink_spec_validate(resource, context, keep_first, &first) == 0;
}
