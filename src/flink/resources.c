#include "flink/resources.h"

#include <string.h>

#include "flink/values.h"

bool flink_resources_new_form(const struct node *component)
{
	const struct node *resources = node_get(component, "resources");
	return node_count(node_get(resources, "requests")) > 0 || node_count(node_get(resources, "limits")) > 0;
}

static bool read_cpu(const char *text, const char *field, const char *where, double *out, struct error *err)
{
	if (text == NULL)
		return true;
	if (!flink_quantity(text, out) || *out < 0)
		return error_set(err, ERROR_INVALID, "%s.%s: expected an amount of CPU such as 0.5 or \"500m\", found \"%.60s\"", field,
				 where, text);
	return true;
}

static bool check_memory(const char *text, const char *field, const char *where, double *out, struct error *err)
{
	int64_t bytes;
	if (text == NULL)
		return true;
	if (!flink_memory_bytes(text, &bytes))
		return error_set(err, ERROR_INVALID, "%s.%s: expected a memory size such as \"2048m\" or \"2Gi\", found \"%.60s\"", field,
				 where, text);
	*out = (double)bytes;
	return true;
}

bool flink_resources_read(const struct node *component, const char *field, struct flink_resources *out, struct error *err)
{
	struct flink_resources found = { 0 };
	double bytes = 0;
	if (!flink_resources_new_form(component)) {
		const struct node *resource = node_get(component, "resource");
		found.memory = node_text(node_get(resource, "memory"));
		if (!read_cpu(node_text(node_get(resource, "cpu")), field, "resource.cpu", &found.cpu, err) ||
		    !check_memory(found.memory, field, "resource.memory", &bytes, err))
			return false;
		*out = found;
		return true;
	}
	const struct node *requests = node_find(component, "resources/requests"), *limits = node_find(component, "resources/limits");
	double cpu_limit = 0, memory_limit = 0;
	const char *memory_limit_text = node_text(node_get(limits, "memory"));
	found.memory = node_text(node_get(requests, "memory"));
	if (!read_cpu(node_text(node_get(requests, "cpu")), field, "resources.requests.cpu", &found.cpu, err) ||
	    !read_cpu(node_text(node_get(limits, "cpu")), field, "resources.limits.cpu", &cpu_limit, err) ||
	    !check_memory(found.memory, field, "resources.requests.memory", &bytes, err) ||
	    !check_memory(memory_limit_text, field, "resources.limits.memory", &memory_limit, err))
		return false;
	if (found.cpu > 0 && cpu_limit > 0)
		found.cpu_factor = cpu_limit / found.cpu;
	if (bytes > 0 && memory_limit > 0)
		found.memory_factor = memory_limit / bytes;
	if (found.cpu <= 0)
		found.cpu = cpu_limit;
	if (found.memory == NULL)
		found.memory = memory_limit_text;
	*out = found;
	return true;
}

static void copy_extra(struct doc *doc, struct node **into, const struct node *from, const char *part)
{
	for (size_t i = 0; i < node_count(from); i++) {
		const char *name = node_key_at(from, i);
		if (strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0)
			continue;
		if (*into == NULL)
			*into = node_map(doc);
		node_set(doc, node_ensure_map(doc, *into, part), name, node_copy(doc, node_value_at(from, i)));
	}
}

struct node *flink_resources_extra(struct doc *doc, const struct node *component)
{
	struct node *extra = NULL;
	if (flink_resources_new_form(component)) {
		copy_extra(doc, &extra, node_find(component, "resources/requests"), "requests");
		copy_extra(doc, &extra, node_find(component, "resources/limits"), "limits");
		return extra;
	}
	const char *storage = node_text(node_find(component, "resource/ephemeralStorage"));
	if (storage == NULL)
		return NULL;
	extra = node_map(doc);
	node_set_text(doc, node_ensure_map(doc, extra, "requests"), "ephemeral-storage", storage);
	node_set_text(doc, node_ensure_map(doc, extra, "limits"), "ephemeral-storage", storage);
	return extra;
}
