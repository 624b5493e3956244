#include "flink/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "flink/values.h"

enum { FLATTEN_DEPTH_MAX = 64 };

static bool flatten(struct doc *doc, const struct node *from, struct node *into, const char *prefix, const char *field, int depth,
		    struct error *err);

static bool put_items(const struct node *list, struct buf *joined, int depth)
{
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *item = node_at(list, i);
		if (node_is(item, NODE_MAP) || depth > FLATTEN_DEPTH_MAX)
			return false;
		if (node_is(item, NODE_LIST)) {
			if (!put_items(item, joined, depth + 1))
				return false;
			continue;
		}
		if (joined->len > 0)
			buf_putc(joined, ';');
		buf_puts(joined, node_text_or(item, "null"));
	}
	return true;
}

static bool flatten_value(struct doc *doc, const struct node *value, struct node *into, const char *key, const char *field, int depth,
			  struct error *err)
{
	if (node_is(value, NODE_MAP))
		return flatten(doc, value, into, key, field, depth + 1, err);
	if (node_is(value, NODE_LIST)) {
		AUTOBUF joined = BUF_INIT;
		if (!put_items(value, &joined, depth))
			return error_set(err, ERROR_INVALID, "%s.%s: a list may hold only scalars", field, key);
		if (node_count(value) > 0)
			node_set_text(doc, into, key, buf_text(&joined));
		return true;
	}
	node_set_text(doc, into, key, node_text_or(value, "null"));
	return true;
}

static bool flatten(struct doc *doc, const struct node *from, struct node *into, const char *prefix, const char *field, int depth,
		    struct error *err)
{
	if (depth > FLATTEN_DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, "%s.%s: nested deeper than %d levels", field, prefix, FLATTEN_DEPTH_MAX);
	for (size_t i = 0; i < node_count(from); i++) {
		AUTOFREE char *key = mem_printf("%s%s%s", prefix, *prefix != '\0' ? "." : "", node_key_at(from, i));
		if (!flatten_value(doc, node_value_at(from, i), into, key, field, depth, err))
			return false;
	}
	return true;
}

bool flink_config_flatten(struct doc *doc, const struct node *from, struct node *into, const char *field, struct error *err)
{
	if (from == NULL || node_kind(from) == NODE_NULL)
		return true;
	if (!node_is(from, NODE_MAP))
		return error_set(err, ERROR_INVALID, "%s: expected a map, found a %s", field, node_kind_name(node_kind(from)));
	return flatten(doc, from, into, "", field, 0, err);
}

const char *flink_config_get(const struct node *config, const char *key)
{
	/* the name asked for only decides which option is meant: the current name wins, then the older ones in order */
	const struct flink_key *option = flink_key_find(key);
	if (option == NULL)
		return node_text(node_get(config, key));
	for (const char *const *name = option->names; *name != NULL; name++) {
		const char *text = node_text(node_get(config, *name));
		if (text != NULL)
			return text;
	}
	return NULL;
}

const char *flink_config_get_or(const struct node *config, const char *key, const char *otherwise)
{
	const char *text = flink_config_get(config, key);
	return text != NULL ? text : otherwise;
}

int64_t flink_config_int(const struct node *config, const char *key, int64_t otherwise)
{
	const char *text = flink_config_get(config, key);
	if (text == NULL)
		return otherwise;
	char *end;
	long long value = strtoll(text, &end, 10);
	while (isspace((unsigned char)*end))
		end++;
	return end == text || *end != '\0' ? otherwise : value;
}

double flink_config_double(const struct node *config, const char *key, double otherwise)
{
	const char *text = flink_config_get(config, key);
	if (text == NULL)
		return otherwise;
	char *end;
	double value = strtod(text, &end);
	return end == text || *end != '\0' || !(value > -1e300 && value < 1e300) ? otherwise : value;
}

bool flink_config_bool(const struct node *config, const char *key, bool otherwise)
{
	const char *text = flink_config_get(config, key);
	if (text == NULL)
		return otherwise;
	if (strcasecmp(text, "true") == 0)
		return true;
	return strcasecmp(text, "false") == 0 ? false : otherwise;
}

int64_t flink_config_ms(const struct node *config, const char *key, int64_t otherwise)
{
	int64_t ms;
	return flink_duration_ms(flink_config_get(config, key), &ms) ? ms : otherwise;
}

int64_t flink_config_bytes(const struct node *config, const char *key, int64_t otherwise)
{
	int64_t bytes;
	return flink_memory_bytes(flink_config_get(config, key), &bytes) ? bytes : otherwise;
}

void flink_config_remove_others(struct node *config, const char *key)
{
	const struct flink_key *option = flink_key_find(key);
	for (const char *const *name = option != NULL ? option->names : NULL; name != NULL && *name != NULL; name++)
		if (strcmp(*name, key) != 0 && flink_key_find(*name) == option) /* an option that another one falls back to stays */
			(void)node_remove(config, *name);
}

void flink_config_remove(struct node *config, const char *key)
{
	flink_config_remove_others(config, key);
	(void)node_remove(config, key);
}

static const char *not_blank(const char *text)
{
	return text != NULL && text[strspn(text, " \t")] != '\0' ? text : NULL;
}

const char *flink_savepoint_dir(const struct node *config)
{
	return not_blank(flink_config_get(config, "execution.checkpointing.savepoint-dir"));
}

const char *flink_checkpoint_dir(const struct node *config)
{
	return not_blank(flink_config_get(config, "execution.checkpointing.dir"));
}

bool flink_ha_enabled(const struct node *config)
{
	const char *type = flink_config_get(config, "high-availability.type");
	return not_blank(type) != NULL && strcasecmp(type, "none") != 0;
}

bool flink_ha_kubernetes(const struct node *config)
{
	const char *type = flink_config_get(config, "high-availability.type");
	/* either the short name or the class of its factory */
	return type != NULL && (strcasecmp(type, "kubernetes") == 0 || strstr(type, "KubernetesHaServicesFactory") != NULL);
}

void flink_config_settle(struct doc *doc, struct node *config, const struct flink_version *version)
{
	for (size_t i = 0; i < flink_key_count(); i++) {
		const struct flink_key *key = flink_key_at(i);
		const char *current = key->names[0], *older = key->names[1], *text = flink_config_get(config, current);
		size_t len = strlen(older);
		/* nested YAML cannot hold both "a" and "a.b" */
		bool in_the_way = version->config_yaml && strncmp(current, older, len) == 0 && current[len] == '.';
		if (node_get(config, current) != NULL && !flink_version_at_least(version, key->major, key->minor)) {
			node_set_text(doc, config, older, text);
		} else if (node_get(config, older) != NULL && in_the_way) {
			flink_config_remove(config, current);
			node_set_text(doc, config, current, text);
		}
	}
	if (flink_ha_kubernetes(config) && !version->ha_short_name)
		node_set_text(doc, config, "high-availability", "org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory");
}

int64_t flink_checkpoint_interval_ms(const struct node *config)
{
	int64_t ms = flink_config_ms(config, "execution.checkpointing.interval", 0);
	return ms > 0 ? ms : 0;
}

/* A part given as a fraction of the whole, within bounds. */
static int64_t fraction_of(const struct node *config, const char *component, const char *part, double of_total, double fraction_default,
			   bool of_rest, const char *min, const char *max)
{
	int64_t low = 0, high = 0;
	(void)flink_memory_size(min, &low);
	(void)flink_memory_size(max, &high);
	AUTOFREE char *min_key = mem_printf("%s.memory.%s.min", component, part);
	AUTOFREE char *max_key = mem_printf("%s.memory.%s.max", component, part);
	AUTOFREE char *fraction_key = mem_printf("%s.memory.%s.fraction", component, part);
	low = flink_config_bytes(config, min_key, low);
	high = flink_config_bytes(config, max_key, high);
	double fraction = flink_config_double(config, fraction_key, fraction_default);
	if (fraction < 0 || fraction >= 1)
		fraction = fraction_default;
	int64_t size = (int64_t)(of_total * (of_rest ? fraction / (1 - fraction) : fraction));
	return size < low ? low : size > high ? high : size;
}

/* A TaskManager's memory without the JVM's own, where its two main parts are given; 0: they are not. */
static int64_t taskmanager_flink_bytes(const struct node *config)
{
	int64_t heap = flink_config_bytes(config, "taskmanager.memory.task.heap.size", 0);
	int64_t managed = flink_config_bytes(config, "taskmanager.memory.managed.size", 0);
	if (heap <= 0 || flink_config_get(config, "taskmanager.memory.managed.size") == NULL)
		return 0;
	int64_t rest = heap + managed + flink_config_bytes(config, "taskmanager.memory.framework.heap.size", INT64_C(128) << 20) +
		       flink_config_bytes(config, "taskmanager.memory.framework.off-heap.size", INT64_C(128) << 20) +
		       flink_config_bytes(config, "taskmanager.memory.task.off-heap.size", 0);
	return rest + fraction_of(config, "taskmanager", "network", (double)rest, 0.1, true, "64m", "1g");
}

int64_t flink_process_bytes(const struct node *config, const char *component)
{
	AUTOFREE char *process_key = mem_printf("%s.memory.process.size", component);
	AUTOFREE char *flink_key = mem_printf("%s.memory.flink.size", component);
	AUTOFREE char *metaspace_key = mem_printf("%s.memory.jvm-metaspace.size", component);
	int64_t process = flink_config_bytes(config, process_key, 0);
	if (process > 0)
		return process;
	int64_t flink = flink_config_bytes(config, flink_key, 0);
	if (flink <= 0 && strcmp(component, "jobmanager") == 0) {
		int64_t heap = flink_config_bytes(config, "jobmanager.memory.heap.size", 0);
		if (heap > 0)
			flink = heap + flink_config_bytes(config, "jobmanager.memory.off-heap.size", INT64_C(128) << 20);
	}
	if (flink <= 0 && strcmp(component, "taskmanager") == 0)
		flink = taskmanager_flink_bytes(config);
	if (flink <= 0)
		return 0;
	int64_t jvm = flink + flink_config_bytes(config, metaspace_key, INT64_C(256) << 20);
	return jvm + fraction_of(config, component, "jvm-overhead", (double)jvm, 0.1, true, "192m", "1g");
}
