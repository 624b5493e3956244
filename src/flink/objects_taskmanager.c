/* The TaskManagers' Deployment of a standalone cluster. */
#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects_internal.h"

bool cluster_taskmanager_template(const struct cluster *c, struct node **out, struct error *err)
{
	struct node *template = cluster_template(c, &COMPONENT_TASKMANAGER), *pod_spec = node_get(template, "spec");
	struct node *args = node_list(c->doc);
	pod_add_argument(c, args, "taskmanager");
	struct node *container = pod_take_main(c, pod_spec, args);
	pod_add_port(c, container, "taskmanager-rpc", flink_config_int(c->config, "taskmanager.rpc.port", 6122));
	pod_put_env(c, &COMPONENT_TASKMANAGER, container);
	if (!pod_put_resources(c, &COMPONENT_TASKMANAGER, container, err))
		return false;
	pod_put_volumes(c, pod_spec, container);
	pod_finish(c, &COMPONENT_TASKMANAGER, pod_spec, container);
	*out = template;
	return true;
}

bool cluster_taskmanagers(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err)
{
	struct node *template;
	if (!c->standalone)
		return true;
	if (!cluster_taskmanager_template(c, &template, err))
		return false;
	AUTOFREE char *name = mem_printf("%s-taskmanager", c->launch->name);
	struct node *object = pod_deployment(c, &COMPONENT_TASKMANAGER, name,
					     flink_config_int(c->config, "kubernetes.internal.taskmanager.replicas", 1), template);
	/* by the JobManager's Deployment, so that deleting that one in the foreground ends all of the launch */
	cluster_set_owner(c, object, "apps/v1", "Deployment", jm_uid, true);
	node_append(c->doc, list, object);
	return true;
}
