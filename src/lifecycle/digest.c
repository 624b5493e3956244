#include "lifecycle/digest.h"

#include <string.h>

#include "base/sha256.h"

static const char *const ignored_keys[] = { "job.autoscaler", "parallelism.default", "kubernetes.operator" };
static const char *const ignored_job_fields[] = { "state",
						  "upgradeMode",
						  "savepointTriggerNonce",
						  "checkpointTriggerNonce",
						  "initialSavepointPath",
						  "allowNonRestoredState",
						  "autoscalerResetNonce" };

static bool ignored_key(const char *key)
{
	for (size_t i = 0; i < sizeof ignored_keys / sizeof ignored_keys[0]; i++)
		if (str_starts(key, ignored_keys[i]))
			return true;
	return false;
}

static void flatten(struct doc *doc, struct node *out, const char *prefix, const struct node *n)
{
	for (size_t i = 0; i < node_count(n); i++) {
		AUTOBUF key = BUF_INIT;
		buf_printf(&key, "%s%s%s", prefix, *prefix == '\0' ? "" : ".", node_key_at(n, i));
		const struct node *value = node_value_at(n, i);
		if (node_is(value, NODE_MAP)) {
			flatten(doc, out, buf_text(&key), value);
		} else if (!ignored_key(buf_text(&key))) {
			const char *text = node_is(value, NODE_BOOL) ? (node_truth(value, false) ? "true" : "false") : node_text(value);
			node_set(doc, out, buf_text(&key), text == NULL ? node_copy(doc, value) : node_string(doc, text));
		}
	}
}

static void drop_nulls(struct node *n)
{
	for (size_t i = node_count(n); i-- > 0;) {
		struct node *value = node_is(n, NODE_MAP) ? node_value_at(n, i) : node_at(n, i);
		drop_nulls(value);
		if (node_is(n, NODE_MAP) && node_is(value, NODE_NULL))
			node_remove_at(n, i);
	}
}

/* 1.0 is 1: the peer writes its doubles so. */
static void plain_cpu(struct doc *doc, struct node *part)
{
	struct node *resource = node_get(part, "resource");
	const struct node *cpu = node_get(resource, "cpu");
	const char *text = node_is(cpu, NODE_NUMBER) ? node_text(cpu) : NULL;
	if (text == NULL || !str_ends(text, ".0"))
		return;
	AUTOBUF whole = BUF_INIT;
	buf_append(&whole, text, strlen(text) - 2);
	node_set(doc, resource, "cpu", node_number(doc, buf_text(&whole)));
}

static void plain_template(struct node *template)
{
	(void)node_remove(template, "apiVersion");
	(void)node_remove(template, "kind");
	(void)node_remove(template, "status");
}

struct node *spec_plain(struct doc *doc, const struct node *spec)
{
	struct node *copy = node_is(spec, NODE_MAP) ? node_copy(doc, spec) : node_map(doc);
	struct node *job = node_get(copy, "job");
	struct node *jobmanager = node_get(copy, "jobManager");
	struct node *taskmanager = node_get(copy, "taskManager");
	drop_nulls(copy);
	if (node_is(node_get(job, "args"), NODE_LIST) && node_count(node_get(job, "args")) == 0)
		(void)node_remove(job, "args");
	if (str_eq(node_find_text(job, "parallelism"), "0"))
		(void)node_remove(job, "parallelism");
	if (str_eq(node_find_text(jobmanager, "replicas"), "1"))
		(void)node_remove(jobmanager, "replicas");
	plain_cpu(doc, jobmanager);
	plain_cpu(doc, taskmanager);
	plain_template(node_get(copy, "podTemplate"));
	plain_template(node_get(jobmanager, "podTemplate"));
	plain_template(node_get(taskmanager, "podTemplate"));
	return copy;
}

void spec_digest(const struct node *spec, const char *references, char out[65])
{
	AUTODOC *doc = doc_new();
	struct node *copy = spec_plain(doc, spec);
	struct node *config = node_map(doc);
	flatten(doc, config, "", node_get(copy, "flinkConfiguration"));
	node_set(doc, copy, "flinkConfiguration", config);
	struct node *job = node_get(copy, "job");
	for (size_t i = 0; i < sizeof ignored_job_fields / sizeof ignored_job_fields[0]; i++)
		(void)node_remove(job, ignored_job_fields[i]);
	if (str_eq(node_find_text(copy, "mode"), "native"))
		(void)node_remove(copy, "mode");
	AUTOBUF text = BUF_INIT;
	node_to_json(copy, &text, JSON_SORTED);
	if (references != NULL)
		buf_puts(&text, references);
	sha256_hex(buf_text(&text), text.len, out);
}

/* ---- the peer's text ---- */

struct member {
	const char *name;
	const char *otherwise; /* JSON of an absent member; NULL: it stays absent */
	const struct member *of;
	bool number_as_double;
};

static const struct member resource_members[] = { { "cpu", "null", NULL, true },
						  { "memory", "null", NULL, false },
						  { "ephemeralStorage", "null", NULL, false },
						  { NULL, NULL, NULL, false } };
static const struct member job_members[] = {
	{ "jarURI", "null", NULL, false },
	{ "parallelism", "0", NULL, false },
	{ "entryClass", "null", NULL, false },
	{ "args", "[]", NULL, false },
	{ "state", "\"running\"", NULL, false },
	{ "savepointTriggerNonce", "null", NULL, false },
	{ "initialSavepointPath", "null", NULL, false },
	{ "checkpointTriggerNonce", "null", NULL, false },
	{ "upgradeMode", "\"stateless\"", NULL, false },
	{ "allowNonRestoredState", "null", NULL, false },
	{ "savepointRedeployNonce", "null", NULL, false },
	{ "autoscalerResetNonce", "null", NULL, false },
	{ NULL, NULL, NULL, false },
};
static const struct member ingress_members[] = { { "template", "null", NULL, false },	 { "className", "null", NULL, false },
						 { "annotations", "null", NULL, false }, { "labels", "null", NULL, false },
						 { "tls", "null", NULL, false },	 { NULL, NULL, NULL, false } };
static const struct member jobmanager_members[] = { { "resource", "null", resource_members, false },
						    { "resources", NULL, NULL, false },
						    { "replicas", "1", NULL, false },
						    { "podTemplate", "null", NULL, false },
						    { NULL, NULL, NULL, false } };
static const struct member taskmanager_members[] = { { "resource", "null", resource_members, false },
						     { "resources", NULL, NULL, false },
						     { "replicas", "null", NULL, false },
						     { "podTemplate", "null", NULL, false },
						     { NULL, NULL, NULL, false } };
static const struct member spec_members[] = {
	{ "job", "null", job_members, false },
	{ "restartNonce", "null", NULL, false },
	{ "flinkConfiguration", "{}", NULL, false },
	{ "image", "null", NULL, false },
	{ "imagePullPolicy", "null", NULL, false },
	{ "serviceAccount", "null", NULL, false },
	{ "flinkVersion", "null", NULL, false },
	{ "ingress", "null", ingress_members, false },
	{ "podTemplate", "null", NULL, false },
	{ "jobManager", "null", jobmanager_members, false },
	{ "taskManager", "null", taskmanager_members, false },
	{ "logConfiguration", "null", NULL, false },
	{ "mode", "null", NULL, false },
	{ NULL, NULL, NULL, false },
};

static const struct member session_job_members[] = {
	{ "job", "null", job_members, false },
	{ "restartNonce", "null", NULL, false },
	{ "flinkConfiguration", "{}", NULL, false },
	{ "deploymentName", "null", NULL, false },
	{ NULL, NULL, NULL, false },
};

/* What is written in place of two members of the job. */
struct in_place {
	const char *state, *upgrade_mode;
};

static const char *fixed_text(const struct member *of, const char *name, const struct in_place *in_place)
{
	if (of != job_members)
		return NULL;
	return strcmp(name, "state") == 0 ? in_place->state : strcmp(name, "upgradeMode") == 0 ? in_place->upgrade_mode : NULL;
}

static void put_members(struct buf *out, const struct node *n, const struct member *m, const struct in_place *in_place)
{
	buf_putc(out, '{');
	for (const struct member *first = m; m->name != NULL; m++) {
		const struct node *value = node_get(n, m->name);
		bool absent = value == NULL || node_is(value, NODE_NULL);
		if (absent && m->otherwise == NULL)
			continue;
		const char *fixed = fixed_text(first, m->name, in_place);
		buf_puts(out, m == first ? "\"" : ",\"");
		buf_puts(out, m->name);
		buf_puts(out, "\":");
		if (fixed != NULL)
			buf_printf(out, "\"%s\"", fixed);
		else if (absent)
			buf_puts(out, m->otherwise);
		else if (m->of != NULL && node_is(value, NODE_MAP))
			put_members(out, value, m->of, in_place);
		else if (m->number_as_double && node_is(value, NODE_NUMBER) && strpbrk(node_text(value), ".eE") == NULL)
			buf_printf(out, "%s.0", node_text(value));
		else
			node_to_json(value, out, JSON_COMPACT);
	}
	buf_putc(out, '}');
}

void spec_last_reconciled(const struct node *spec, const char *state, const char *upgrade_mode, bool first_deployment, struct buf *out)
{
	const struct in_place in_place = { state, upgrade_mode };
	buf_puts(out, "{\"spec\":");
	put_members(out, spec, node_get(spec, "deploymentName") != NULL ? session_job_members : spec_members, &in_place);
	buf_printf(out, ",\"resource_metadata\":{\"apiVersion\":\"flink.apache.org/v1beta1\",\"firstDeployment\":%s}}",
		   first_deployment ? "true" : "false");
}
