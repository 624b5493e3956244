#include "lifecycle/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sensitive.h"

struct rule {
	const char *prefix; /* of the field's path; the longest one that fits decides */
	enum change_class native, standalone;
};

#define SAME(prefix, class)                                        \
	{                                                          \
		prefix, CHANGE_CLASS_##class, CHANGE_CLASS_##class \
	}

/* The peer's table (spec diff), with two additions: the Ingress is changed in place, and what may cost the state is called dangerous. */
static const struct rule rules[] = {
	SAME("", RESTART),
	SAME("job.state", IGNORE),
	SAME("job.upgradeMode", IGNORE),
	SAME("job.savepointTriggerNonce", IGNORE),
	SAME("job.checkpointTriggerNonce", IGNORE),
	SAME("job.initialSavepointPath", IGNORE),
	SAME("job.allowNonRestoredState", IGNORE),
	SAME("job.autoscalerResetNonce", IGNORE),
	SAME("flinkConfiguration.job.autoscaler", IGNORE),
	SAME("flinkConfiguration.kubernetes.operator", IGNORE),
	SAME("flinkConfiguration.parallelism.default", IGNORE),
	SAME("ingress", IN_PLACE),
	{ "job.parallelism", CHANGE_CLASS_RESCALE, CHANGE_CLASS_RESTART },
	{ "flinkConfiguration.pipeline.jobvertex-parallelism-overrides", CHANGE_CLASS_RESTART, CHANGE_CLASS_RESTART },
	SAME("flinkVersion", DANGEROUS),
	SAME("mode", DANGEROUS),
	SAME("job.savepointRedeployNonce", DANGEROUS),
	SAME("flinkConfiguration.state.backend", DANGEROUS),
	SAME("flinkConfiguration.pipeline.max-parallelism", DANGEROUS),
	SAME("flinkConfiguration.high-availability", DANGEROUS),
	SAME("flinkConfiguration.execution.checkpointing.dir", DANGEROUS),
	SAME("flinkConfiguration.state.checkpoints.dir", DANGEROUS),
};

static const char *change_class_name(enum change_class class)
{
	static const char *const names[] = { "ignored", "in place", "rescale", "restart", "dangerous" };
	return names[class];
}

/* The class of one field, such as "job.parallelism" or "flinkConfiguration.state.backend.type". */
static enum change_class change_class_of(const char *field, bool standalone)
{
	const struct rule *best = &rules[0];
	for (size_t i = 1; i < ARRAY_SIZE(rules); i++)
		if (str_starts(field, rules[i].prefix) && strlen(rules[i].prefix) > strlen(best->prefix))
			best = &rules[i];
	return standalone ? best->standalone : best->native;
}

/* Every leaf under its dotted path, so that nested and flat configuration compare equal. */
static void flatten(struct doc *doc, struct node *out, const char *prefix, const struct node *n)
{
	bool map = node_is(n, NODE_MAP);
	if (!map && !node_is(n, NODE_LIST)) {
		const char *text = node_text(n);
		if (n != NULL && !node_is(n, NODE_NULL))
			node_set_text(doc, out, prefix, text != NULL ? text : node_truth(n, false) ? "true" : "false");
		return;
	}
	for (size_t i = 0; i < node_count(n); i++) {
		AUTOFREE char *path = map ? mem_printf("%s%s%s", prefix, *prefix == '\0' ? "" : ".", node_key_at(n, i))
					  : mem_printf("%s[%zu]", prefix, i);
		flatten(doc, out, path, map ? node_value_at(n, i) : node_at(n, i));
	}
}

static void put_value(struct buf *out, const char *field, const char *value)
{
	if (value == NULL)
		buf_puts(out, "absent");
	else if (sensitive_key(field) || strstr(field, ".env[") != NULL || str_starts(field, "job.args"))
		buf_puts(out, SENSITIVE_MASK); /* a variable's or argument's name says nothing of what is in it */
	else
		buf_printf(out, "%.40s%s", value, strlen(value) > 40 ? "..." : "");
}

static size_t say(struct buf *words, const struct node *a, const struct node *b, const struct node *fields, bool standalone,
		  enum change_class class)
{
	size_t more = 0;
	for (size_t i = 0; i < node_count(fields); i++) {
		const char *field = node_key_at(fields, i);
		if (change_class_of(field, standalone) != class)
			continue;
		if (words->len > 100) {
			more++;
			continue;
		}
		buf_printf(words, "%sspec.%s: ", words->len == 0 ? "" : "; ", field);
		put_value(words, field, node_text(node_get(a, field)));
		buf_puts(words, " -> ");
		put_value(words, field, node_text(node_get(b, field)));
		buf_printf(words, " (%s)", change_class_name(class));
	}
	return more;
}

enum change_class change_between(const struct node *from, const struct node *to, bool standalone, struct buf *words)
{
	AUTODOC *doc = doc_new();
	struct node *a = node_map(doc);
	struct node *b = node_map(doc);
	struct node *fields = node_map(doc); /* those that differ */
	flatten(doc, a, "", from);
	flatten(doc, b, "", to);
	enum change_class class = CHANGE_CLASS_IGNORE;
	const struct node *const both[] = { a, b };
	for (size_t side = 0; side < 2; side++) {
		for (size_t i = 0; i < node_count(both[side]); i++) {
			const char *field = node_key_at(both[side], i);
			if (str_eq(node_text(node_get(a, field)), node_text(node_get(b, field))))
				continue;
			node_set(doc, fields, field, node_null(doc));
			enum change_class of = change_class_of(field, standalone);
			class = of > class ? of : class;
		}
	}
	size_t more = 0;
	for (int c = CHANGE_CLASS_DANGEROUS; words != NULL && c >= CHANGE_CLASS_IGNORE; c--)
		more += say(words, a, b, fields, standalone, (enum change_class)c);
	if (more > 0)
		buf_printf(words, "; and %zu more", more);
	return class;
}
