/* What admission says of pods: Pod Security "restricted" where the namespace's label asks for it, and quotas. */
#include "sim/internal.h"

static const char *const container_lists[] = { "spec/initContainers", "spec/containers" };

/* The container's setting, or else the pod's. */
static const struct node *setting(const struct node *pod, const struct node *container, const char *path)
{
	AUTOFREE char *full = mem_printf("securityContext/%s", path);
	const struct node *own = node_find(container, full);
	return own != NULL ? own : node_find(node_get(pod, "spec"), full);
}

static bool drops_all(const struct node *container)
{
	const struct node *dropped = node_find(container, "securityContext/capabilities/drop");
	for (size_t i = 0; i < node_count(dropped); i++)
		if (str_eq(node_text(node_at(dropped, i)), "ALL"))
			return true;
	return false;
}

static void judge_container(const struct node *pod, const struct node *container, struct buf *out)
{
	const char *name = node_text_or(node_get(container, "name"), ""), *sep = out->len > 0 ? ", " : "";
	const struct node *escalation = node_find(container, "securityContext/allowPrivilegeEscalation");
	const char *profile = node_text_or(setting(pod, container, "seccompProfile/type"), "Unconfined");
	if (escalation == NULL || node_truth(escalation, true))
		buf_printf(out, "%sallowPrivilegeEscalation != false (container \"%s\")", sep, name);
	else if (!drops_all(container))
		buf_printf(out, "%sunrestricted capabilities (container \"%s\")", sep, name);
	else if (!node_truth(setting(pod, container, "runAsNonRoot"), false))
		buf_printf(out, "%srunAsNonRoot != true (container \"%s\")", sep, name);
	else if (strcmp(profile, "RuntimeDefault") != 0 && strcmp(profile, "Localhost") != 0)
		buf_printf(out, "%sseccompProfile (container \"%s\")", sep, name);
}

static bool is_secure(struct sim *sim, const char *ns, const struct node *pod, struct buf *problem)
{
	const struct object *o = store_get(sim, "namespaces", "", ns);
	const struct node *labels = o == NULL ? NULL : node_find(object_root(o), "metadata/labels");
	AUTOBUF wrong = BUF_INIT;
	if (!str_eq(node_text(node_get(labels, "pod-security.kubernetes.io/enforce")), "restricted"))
		return true;
	for (size_t k = 0; k < ARRAY_SIZE(container_lists); k++)
		for (size_t i = 0; i < node_count(node_find(pod, container_lists[k])); i++)
			judge_container(pod, node_at(node_find(pod, container_lists[k]), i), &wrong);
	if (wrong.len > 0)
		buf_printf(problem, "violates PodSecurity \"restricted:latest\": %s", buf_text(&wrong));
	return wrong.len == 0;
}

/* In thousandths. */
static int64_t amount(const struct node *value)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = { { "m", 1 },    { "", 1e3 },      { "k", 1e6 },	    { "M", 1e9 },
		      { "G", 1e12 }, { "Ki", 1024e3 }, { "Mi", 1048576e3 }, { "Gi", 1073741824e3 } };
	char *end;
	const char *text = node_text_or(value, "0");
	double number = strtod(text, &end);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(end, units[i].suffix) == 0)
			return (int64_t)(number * units[i].factor);
	return 0;
}

/* What a pod takes of a quota's resource; false: one of its containers does not say. */
static bool takes(const struct node *pod, const char *resource, int64_t *out)
{
	*out = 1000;
	if (strcmp(resource, "pods") == 0)
		return true;
	AUTOFREE char *path = mem_printf("resources/%s", resource);
	char *dot = strchr(path, '.');
	const struct node *containers = node_find(pod, "spec/containers");
	if (dot == NULL)
		return true;
	*dot = '/';
	*out = 0;
	for (size_t i = 0; i < node_count(containers); i++) {
		const struct node *value = node_find(node_at(containers, i), path);
		if (value == NULL)
			return false;
		*out += amount(value);
	}
	return true;
}

static int64_t used(struct sim *sim, const char *ns, const char *resource)
{
	const struct kind *pods = kind_of(sim, "pods");
	int64_t sum = 0, one;
	for (size_t i = 0; i < pods->count; i++) {
		const char *phase = node_text_or(node_find(object_root(pods->items[i]), "status/phase"), "");
		if (strcmp(pods->items[i]->ns, ns) == 0 && strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0 &&
		    takes(object_root(pods->items[i]), resource, &one))
			sum += one;
	}
	return sum;
}

static bool has_room(struct sim *sim, const char *ns, const struct node *pod, struct buf *problem)
{
	const struct kind *quotas = kind_of(sim, "resourcequotas");
	for (size_t i = 0; i < quotas->count; i++) {
		const struct node *hard = node_find(object_root(quotas->items[i]), "spec/hard");
		for (size_t k = 0; strcmp(quotas->items[i]->ns, ns) == 0 && k < node_count(hard); k++) {
			const char *resource = node_key_at(hard, k);
			int64_t wants, limit = amount(node_value_at(hard, k));
			if (!takes(pod, resource, &wants)) {
				buf_printf(problem, "failed quota: %s: must specify %s", quotas->items[i]->name, resource);
				return false;
			}
			int64_t has = used(sim, ns, resource);
			if (has + wants > limit) {
				buf_printf(problem, "exceeded quota: %s, requested: %s=%lld, used: %s=%lld, limited: %s=%lld",
					   quotas->items[i]->name, resource, (long long)(wants / 1000), resource, (long long)(has / 1000),
					   resource, (long long)(limit / 1000));
				return false;
			}
		}
	}
	return true;
}

bool pod_admitted(struct sim *sim, const char *ns, const struct node *pod, struct buf *problem)
{
	return is_secure(sim, ns, pod, problem) && has_room(sim, ns, pod, problem);
}

bool write_check_admission(struct call *call, const struct node *root)
{
	AUTOBUF problem = BUF_INIT;
	if (strcmp(call->kind->resource, "pods") != 0 || *call->kind->group != '\0' || pod_admitted(call->sim, call->ns, root, &problem))
		return true;
	call_problem(call, 403, "Forbidden", "pods \"%s\" is forbidden: %s", node_text_or(node_find(root, "metadata/name"), ""),
		     problem.data);
	return false;
}
