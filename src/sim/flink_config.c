/* Flink's configuration as a JobManager reads it from its ConfigMap, and durations in it. */
#include "sim/flink_model.h"

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

struct doc *read_config(const struct node *data)
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
