#include "flink/pod_template.h"

#include <string.h>

#include "flink/config.h"
#include "flink/resources.h"

static bool all_named(const struct node *list)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (node_text(node_get(node_at(list, i), "name")) == NULL)
			return false;
	return true;
}

static struct node *merge_lists(struct doc *doc, const struct node *base, const struct node *specific, bool by_name)
{
	struct node *result = node_list(doc);
	size_t base_count = node_count(base);
	if (!by_name || !all_named(base) || !all_named(specific)) {
		for (size_t i = 0; i < base_count || i < node_count(specific); i++) {
			if (i >= node_count(specific))
				node_append(doc, result, node_copy(doc, node_at(base, i)));
			else
				node_append(doc, result, pod_template_merge(doc, node_at(base, i), node_at(specific, i), by_name));
		}
		return result;
	}
	for (size_t i = 0; i < base_count; i++)
		node_append(doc, result, node_copy(doc, node_at(base, i)));
	for (size_t k = 0; k < node_count(specific); k++) {
		const struct node *item = node_at(specific, k);
		const char *name = node_text(node_get(item, "name"));
		size_t i = 0;
		while (i < node_count(result) && strcmp(node_text(node_get(node_at(result, i), "name")), name) != 0)
			i++;
		if (i < node_count(result))
			node_replace_at(result, i, pod_template_merge(doc, node_at(result, i), item, by_name));
		else
			node_append(doc, result, node_copy(doc, item));
	}
	return result;
}

struct node *pod_template_merge(struct doc *doc, const struct node *base, const struct node *specific, bool by_name)
{
	if (specific == NULL)
		return node_copy(doc, base);
	if (node_is(base, NODE_LIST) && node_is(specific, NODE_LIST))
		return merge_lists(doc, base, specific, by_name);
	if (!node_is(base, NODE_MAP) || !node_is(specific, NODE_MAP))
		return node_copy(doc, specific);
	struct node *result = node_copy(doc, base);
	for (size_t i = 0; i < node_count(specific); i++) {
		const char *key = node_key_at(specific, i);
		node_set(doc, result, key, pod_template_merge(doc, node_get(base, key), node_value_at(specific, i), by_name));
	}
	return result;
}

static struct node *ensure_main_container(struct doc *doc, struct node *pod)
{
	struct node *spec = node_ensure_map(doc, pod, "spec");
	struct node *containers = node_get(spec, "containers");
	if (!node_is(containers, NODE_LIST)) {
		containers = node_list(doc);
		node_set(doc, spec, "containers", containers);
	}
	for (size_t i = 0; i < node_count(containers); i++)
		if (str_eq(node_text(node_get(node_at(containers, i), "name")), FLINK_MAIN_CONTAINER))
			return node_at(containers, i);
	struct node *container = node_map(doc);
	node_set_text(doc, container, "name", FLINK_MAIN_CONTAINER);
	node_append(doc, containers, container);
	return container;
}

static const struct node *given(const struct node *owner)
{
	const struct node *template = node_get(owner, "podTemplate");
	return node_is(template, NODE_MAP) ? template : NULL;
}

struct node *pod_template_effective(struct doc *doc, const struct node *spec, const char *component, const struct node *user)
{
	const struct node *part = node_get(spec, component);
	bool by_name = flink_config_bool(user, "kubernetes.operator.pod-template.merge-arrays-by-name", false);
	struct node *pod = pod_template_merge(doc, given(spec), given(part), by_name);
	struct node *extra = flink_resources_extra(doc, part);
	if (extra == NULL)
		return pod;
	if (pod == NULL)
		pod = node_map(doc);
	struct node *container = ensure_main_container(doc, pod);
	node_set(doc, container, "resources", pod_template_merge(doc, node_get(container, "resources"), extra, false));
	return pod;
}

/* Fields that are maps of strings in the API: written only if there is something in them. */
static bool is_plain_map(const char *key)
{
	static const char *const names[] = { "labels", "annotations", "nodeSelector", "limits", "requests", "matchLabels" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

static bool left_out(const char *key, const struct node *value)
{
	switch (node_kind(value)) {
	case NODE_NULL:
		return true;
	case NODE_LIST:
		return node_count(value) == 0;
	case NODE_MAP:
		return node_count(value) == 0 && is_plain_map(key);
	default:
		return false;
	}
}

static void put_value(const struct node *value, unsigned indent, struct buf *out);

static void put_entries(const struct node *map, unsigned indent, bool inline_first, struct buf *out)
{
	bool first = inline_first;
	for (size_t i = 0; i < node_count(map); i++) {
		const char *key = node_key_at(map, i);
		const struct node *value = node_value_at(map, i);
		if (left_out(key, value))
			continue;
		buf_printf(out, "%*s", first ? 0 : (int)indent, "");
		first = false;
		if (key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")] == '\0' && key[0] != '\0' &&
		    strchr("-0123456789.", key[0]) == NULL && strlen(key) > 1)
			buf_puts(out, key);
		else
			buf_printf(out, "\"%s\"", key);
		buf_putc(out, ':');
		put_value(value, indent, out);
	}
	if (first && inline_first)
		buf_puts(out, "{}\n");
}

static void put_value(const struct node *value, unsigned indent, struct buf *out)
{
	if (node_is(value, NODE_MAP) && node_count(value) > 0) {
		buf_putc(out, '\n');
		put_entries(value, indent + 2, false, out);
	} else if (node_is(value, NODE_LIST) && node_count(value) > 0) {
		buf_putc(out, '\n');
		for (size_t i = 0; i < node_count(value); i++) {
			const struct node *item = node_at(value, i);
			buf_printf(out, "%*s-", (int)indent, "");
			if (node_is(item, NODE_MAP) && node_count(item) > 0) {
				buf_putc(out, ' ');
				put_entries(item, indent + 2, true, out);
			} else {
				put_value(item, indent + 2, out);
			}
		}
	} else {
		buf_putc(out, ' ');
		node_to_json(value, out, JSON_COMPACT); /* JSON strings are YAML's double-quoted ones */
		buf_putc(out, '\n');
	}
}

void pod_template_write(const struct node *pod, struct buf *out)
{
	AUTODOC *doc = doc_new();
	struct node *sorted = node_copy(doc, pod);
	node_sort_keys(sorted);
	buf_puts(out, "---\n");
	put_entries(sorted, 0, false, out);
}
