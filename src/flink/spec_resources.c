/* Rules for spec.jobManager and spec.taskManager: memory, CPU, replicas. */
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/resources.h"
#include "flink/spec_internal.h"
#include "flink/values.h"

enum amount { MEMORY, CPU, OTHER };

static enum amount amount_of(const char *name)
{
	return strcmp(name, "memory") == 0 ? MEMORY : strcmp(name, "cpu") == 0 ? CPU : OTHER;
}

/* Reads one amount; false if there is none or it is reported. */
static bool check_amount(struct check *k, const struct node *value, const char *field, enum amount what, double *out)
{
	static const char *const expected[] = { "a memory size such as \"2048m\" or \"2Gi\"", "an amount of CPU such as 0.5 or \"500m\"",
						"a quantity such as \"1Gi\"" };
	const char *text = node_text(value);
	int64_t bytes = 0;
	double amount = 0;
	if (spec_absent(value))
		return false;
	if (text == NULL || (what == MEMORY ? !flink_memory_bytes(text, &bytes) : !flink_quantity(text, &amount))) {
		spec_error(k, field, "expected %s, found \"%.60s\"", expected[what], spec_shown(value));
		return false;
	}
	*out = what == MEMORY ? (double)bytes : amount;
	if (what == OTHER ? *out >= 0 : *out > 0)
		return true;
	spec_error(k, field, "must %s, found \"%.60s\"", what == OTHER ? "not be negative" : "be positive", text);
	return false;
}

static bool check_pair(struct check *k, const struct node *component, const char *key, const char *name)
{
	AUTOFREE char *request_field = mem_printf("spec.%s.resources.requests.%s", key, name);
	AUTOFREE char *limit_field = mem_printf("spec.%s.resources.limits.%s", key, name);
	const struct node *resources = node_get(component, "resources");
	const struct node *asked = node_get(node_get(resources, "requests"), name), *most = node_get(node_get(resources, "limits"), name);
	double request, limit;
	bool has_request = check_amount(k, asked, request_field, amount_of(name), &request);
	bool has_limit = check_amount(k, most, limit_field, amount_of(name), &limit);
	if (has_request && has_limit && request > limit)
		spec_error(k, request_field, "must not exceed its limit %.40s, found \"%.40s\"", node_text(most), node_text(asked));
	return !spec_absent(asked) || !spec_absent(most);
}

/* The form of Kubernetes' own; true if memory is given. */
static bool check_resources(struct check *k, const struct node *component, const char *key)
{
	const struct node *requests = node_find(component, "resources/requests"), *limits = node_find(component, "resources/limits");
	for (size_t i = 0; i < node_count(requests) + node_count(limits); i++) {
		bool is_request = i < node_count(requests);
		const char *name = is_request ? node_key_at(requests, i) : node_key_at(limits, i - node_count(requests));
		if (amount_of(name) == OTHER && (is_request || node_get(requests, name) == NULL))
			(void)check_pair(k, component, key, name);
	}
	(void)check_pair(k, component, key, "cpu");
	return check_pair(k, component, key, "memory");
}

/* The form of the resource's own; true if memory is given. */
static bool check_resource(struct check *k, const struct node *component, const char *key)
{
	static const char *const names[] = { "cpu", "ephemeralStorage", "memory" };
	const struct node *resource = node_get(component, "resource");
	double ignored;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTOFREE char *field = mem_printf("spec.%s.resource.%s", key, names[i]);
		(void)check_amount(k, node_get(resource, names[i]), field, amount_of(names[i]), &ignored);
	}
	return !spec_absent(node_get(resource, "memory"));
}

static void check_component(struct check *k, const char *key, const char *flink_name)
{
	const struct node *component = node_get(k->spec, key);
	AUTOFREE char *field = mem_printf("spec.%s", key);
	AUTOFREE char *old_form = mem_printf("%s.resource", field);
	AUTOFREE char *new_form = mem_printf("%s.resources", field);
	AUTOFREE char *replicas = mem_printf("%s.replicas", field);
	if (!SPEC_MAP(k, component, field, "replicas", "resource", "resources", "podTemplate"))
		return;
	if (!SPEC_MAP(k, node_get(component, "resource"), old_form, "cpu", "memory", "ephemeralStorage") ||
	    !SPEC_MAP(k, node_get(component, "resources"), new_form, "requests", "limits", "claims"))
		return;
	bool is_new = flink_resources_new_form(component);
	bool has_memory = is_new ? check_resources(k, component, key) : check_resource(k, component, key);
	if (!has_memory && flink_process_bytes(k->config, flink_name) <= 0) {
		AUTOFREE char *where = mem_printf("%s.memory", old_form);
		spec_error(k, where, "memory must be set here, in %s, or as %s.memory.process.size in spec.flinkConfiguration", new_form,
			   flink_name);
	}
	if (is_new && node_count(node_get(component, "resource")) > 0)
		spec_warning(k, old_form, "has no effect beside %s", new_form);
	spec_check_count(k, node_get(component, "replicas"), replicas, 1);
}

void spec_check_components(struct check *k)
{
	check_component(k, "jobManager", "jobmanager");
	if (node_integer(node_find(k->spec, "jobManager/replicas"), 1) > 1 && !flink_ha_enabled(k->config))
		spec_error(k, "spec.jobManager.replicas", "more than one needs high-availability.type");
	check_component(k, "taskManager", "taskmanager");
}
