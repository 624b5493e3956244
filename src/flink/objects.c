#include "flink/objects.h"

#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects_internal.h"
#include "flink/pod_template.h"
#include "flink/values.h"

const struct component COMPONENT_JOBMANAGER = { "jobmanager", "jobManager", "containerized.master.env." };
const struct component COMPONENT_TASKMANAGER = { "taskmanager", "taskManager", "containerized.taskmanager.env." };

bool cluster_init(struct cluster *c, const struct flink_launch *launch, struct doc *doc, struct error *err)
{
	*c = (struct cluster){
		.launch = launch, .doc = doc, .session = flink_launch_is_session(launch), .standalone = flink_launch_is_standalone(launch)
	};
	c->version = flink_launch_version(launch, err);
	if (c->version == NULL)
		return false;
	if (strlen(launch->name) > FLINK_NAME_MAX)
		return error_set(err, ERROR_INVALID, "metadata.name: at most %d characters, found %zu", FLINK_NAME_MAX,
				 strlen(launch->name));
	if (!flink_config_user(doc, launch, &c->user, err) || !flink_config_build(doc, launch, &c->config, err))
		return false;
	static const char *const unsupported[] = { "security.kerberos.login.keytab", "security.kerberos.krb5-conf.path" };
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (flink_config_get(c->config, unsupported[i]) != NULL)
			return error_set(err, ERROR_UNSUPPORTED, "spec.flinkConfiguration.%s is not supported yet", unsupported[i]);
	if (flink_config_int(c->config, "kubernetes.jobmanager.replicas", 1) > 1 && !flink_ha_enabled(c->config))
		return error_set(err, ERROR_INVALID, "spec.jobManager.replicas: more than one needs high-availability.type");
	if (node_text(node_get(launch->spec, "image")) == NULL && flink_config_get(c->config, c->version->image_key) == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "spec.image: an image must be named");
	return true;
}

struct node *cluster_object(const struct cluster *c, const char *api_version, const char *kind, const char *name)
{
	struct node *object = node_map(c->doc);
	node_set_text(c->doc, object, "apiVersion", api_version);
	node_set_text(c->doc, object, "kind", kind);
	struct node *metadata = node_ensure_map(c->doc, object, "metadata");
	node_set_text(c->doc, metadata, "name", name);
	node_set_text(c->doc, metadata, "namespace", c->launch->ns);
	return object;
}

struct node *cluster_labels(const struct cluster *c, const char *component)
{
	struct node *labels = node_map(c->doc);
	node_set_text(c->doc, labels, "app", c->launch->name);
	node_set_text(c->doc, labels, "component", component);
	node_set_text(c->doc, labels, "type", c->standalone ? "flink-standalone-kubernetes" : "flink-native-kubernetes");
	return labels;
}

void cluster_set_owner(const struct cluster *c, struct node *object, const char *api_version, const char *kind, const char *uid,
		       bool controller)
{
	if (uid == NULL)
		return;
	struct node *owner = node_map(c->doc);
	node_set_text(c->doc, owner, "apiVersion", api_version);
	node_set_text(c->doc, owner, "kind", kind);
	node_set_text(c->doc, owner, "name", c->launch->name);
	node_set_text(c->doc, owner, "uid", uid);
	node_set(c->doc, owner, "controller", node_bool(c->doc, controller));
	node_set(c->doc, owner, "blockOwnerDeletion", node_bool(c->doc, true));
	node_append(c->doc, cluster_list(c, node_ensure_map(c->doc, object, "metadata"), "ownerReferences"), owner);
}

void cluster_add_all(const struct cluster *c, struct node *into, const struct node *from)
{
	for (size_t i = 0; i < node_count(from); i++)
		node_set_text(c->doc, into, node_key_at(from, i), node_text(node_value_at(from, i)));
}

struct node *cluster_map_option(const struct cluster *c, const char *key)
{
	return flink_map_parse(c->doc, flink_config_get(c->config, key));
}

struct node *cluster_component_map(const struct cluster *c, const struct component *component, const char *name)
{
	AUTOFREE char *key = mem_printf("kubernetes.%s.%s", component->name, name);
	return cluster_map_option(c, key);
}

struct node *cluster_list(const struct cluster *c, struct node *map, const char *key)
{
	struct node *list = node_get(map, key);
	if (!node_is(list, NODE_LIST)) {
		list = node_list(c->doc);
		node_set(c->doc, map, key, list);
	}
	return list;
}

struct node *cluster_template(const struct cluster *c, const struct component *component)
{
	struct node *given = pod_template_effective(c->doc, c->launch->spec, component->spec_key, c->user);
	struct node *template = node_map(c->doc);
	struct node *metadata = node_get(given, "metadata"), *spec = node_get(given, "spec");
	node_set(c->doc, template, "metadata", node_is(metadata, NODE_MAP) ? metadata : node_map(c->doc));
	node_set(c->doc, template, "spec", node_is(spec, NODE_MAP) ? spec : node_map(c->doc));
	return template;
}

bool cluster_has_tm_template(const struct cluster *c)
{
	return node_get(c->config, "kubernetes.pod-template-file.taskmanager") != NULL;
}

const char *cluster_pull_policy(const struct cluster *c)
{
	return flink_config_get_or(c->config, "kubernetes.container.image.pull-policy", "IfNotPresent");
}

void cluster_put_placement(const struct cluster *c, const struct component *component, struct node *pod_spec)
{
	AUTOFREE char *account_key = mem_printf("kubernetes.%s.service-account", component->name);
	AUTOFREE char *tolerations_key = mem_printf("kubernetes.%s.tolerations", component->name);
	const char *account = flink_config_get(c->config, account_key);
	if (account == NULL)
		account = flink_config_get_or(c->config, "kubernetes.service-account", "default");
	node_set_text(c->doc, pod_spec, "serviceAccountName", account);
	node_set_text(c->doc, pod_spec, "serviceAccount", account);

	struct node *secrets = flink_list_parse(c->doc, flink_config_get(c->config, "kubernetes.container.image.pull-secrets"));
	for (size_t i = 0; i < node_count(secrets); i++) {
		struct node *reference = node_map(c->doc);
		node_set_text(c->doc, reference, "name", node_text(node_at(secrets, i)));
		node_append(c->doc, cluster_list(c, pod_spec, "imagePullSecrets"), reference);
	}

	struct node *selector = cluster_component_map(c, component, "node-selector");
	if (node_count(selector) > 0)
		cluster_add_all(c, node_ensure_map(c->doc, pod_spec, "nodeSelector"), selector);

	struct node *tolerations = flink_list_split(c->doc, flink_config_get(c->config, tolerations_key), ';');
	for (size_t i = 0; i < node_count(tolerations); i++) {
		struct node *toleration = flink_map_parse(c->doc, node_text(node_at(tolerations, i)));
		const struct node *seconds = node_get(toleration, "tolerationSeconds");
		if (seconds != NULL)
			node_set_int(c->doc, toleration, "tolerationSeconds", node_integer(seconds, 0));
		if (node_count(toleration) > 0)
			node_append(c->doc, cluster_list(c, pod_spec, "tolerations"), toleration);
	}
}

bool flink_objects_dependents(const struct flink_launch *launch, const char *jm_uid, struct doc *doc, struct node **list, struct error *err)
{
	struct cluster c;
	if (!cluster_init(&c, launch, doc, err))
		return false;
	struct node *objects = node_list(doc);
	if (!cluster_services(&c, jm_uid, objects, err) || !cluster_configmaps(&c, jm_uid, objects, err) ||
	    !cluster_taskmanagers(&c, jm_uid, objects, err) || !cluster_ingress(&c, objects, err))
		return false;
	*list = objects;
	return true;
}
