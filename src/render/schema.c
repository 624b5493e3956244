#include "render/schema.h"

#include <string.h>

#include "base/mem.h"

static const struct {
	const char *group, *version, *kind, *type;
} types[] = {
	{ "", "v1", "Pod", "Pod" },
	{ "", "v1", "PodTemplate", "PodTemplateObject" },
	{ "", "v1", "ReplicationController", "Workload" },
	{ "", "v1", "Service", "Service" },
	{ "", "v1", "ServiceAccount", "ServiceAccount" },
	{ "", "v1", "Node", "Node" },
	{ "", "v1", "Binding", "Object" },
	{ "", "v1", "ConfigMap", "Object" },
	{ "", "v1", "Endpoints", "Object" },
	{ "", "v1", "Event", "Object" },
	{ "", "v1", "LimitRange", "Object" },
	{ "", "v1", "Namespace", "Object" },
	{ "", "v1", "PersistentVolume", "Object" },
	{ "", "v1", "PersistentVolumeClaim", "Object" },
	{ "", "v1", "ResourceQuota", "Object" },
	{ "", "v1", "Secret", "Object" },
	{ "apps", "v1", "Deployment", "Workload" },
	{ "apps", "v1", "DaemonSet", "Workload" },
	{ "apps", "v1", "ReplicaSet", "Workload" },
	{ "apps", "v1", "StatefulSet", "Workload" },
	{ "apps", "v1", "ControllerRevision", "Object" },
	{ "batch", "v1", "Job", "Workload" },
	{ "batch", "v1", "CronJob", "CronJob" },
	{ "batch", "v1beta1", "CronJob", "CronJob" },
	{ "admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "Webhooks" },
	{ "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "Webhooks" },
	{ "admissionregistration.k8s.io", "v1beta1", "MutatingWebhookConfiguration", "Webhooks" },
	{ "admissionregistration.k8s.io", "v1beta1", "ValidatingWebhookConfiguration", "Webhooks" },
	{ "apiextensions.k8s.io", NULL, "CustomResourceDefinition", "Object" },
	{ "apiregistration.k8s.io", NULL, "APIService", "Object" },
	{ "autoscaling", "v1", "HorizontalPodAutoscaler", "Object" },
	{ "autoscaling", "v2beta1", "HorizontalPodAutoscaler", "Object" },
	{ "autoscaling", "v2beta2", "HorizontalPodAutoscaler", "Object" },
	{ "certificates.k8s.io", NULL, "CertificateSigningRequest", "Object" },
	{ "coordination.k8s.io", NULL, "Lease", "Object" },
	{ "discovery.k8s.io", NULL, "EndpointSlice", "Object" },
	{ "events.k8s.io", NULL, "Event", "Object" },
	{ "extensions", "v1beta1", "Ingress", "Object" },
	{ "flowcontrol.apiserver.k8s.io", "v1beta1", "FlowSchema", "Object" },
	{ "flowcontrol.apiserver.k8s.io", "v1beta1", "PriorityLevelConfiguration", "Object" },
	{ "networking.k8s.io", NULL, "Ingress", "Object" },
	{ "networking.k8s.io", NULL, "IngressClass", "Object" },
	{ "networking.k8s.io", "v1", "NetworkPolicy", "Object" },
	{ "node.k8s.io", NULL, "RuntimeClass", "Object" },
	{ "policy", NULL, "PodDisruptionBudget", "Object" },
	{ "policy", "v1beta1", "PodSecurityPolicy", "Object" },
	{ "rbac.authorization.k8s.io", NULL, "Role", "Object" },
	{ "rbac.authorization.k8s.io", NULL, "RoleBinding", "Object" },
	{ "rbac.authorization.k8s.io", NULL, "ClusterRole", "Object" },
	{ "rbac.authorization.k8s.io", NULL, "ClusterRoleBinding", "Object" },
	{ "scheduling.k8s.io", NULL, "PriorityClass", "Object" },
	{ "storage.k8s.io", "v1", "CSINode", "CSINode" },
	{ "storage.k8s.io", "v1beta1", "CSINode", "CSINode" },
	{ "storage.k8s.io", NULL, "CSIDriver", "Object" },
	{ "storage.k8s.io", NULL, "StorageClass", "Object" },
	{ "storage.k8s.io", NULL, "VolumeAttachment", "Object" },
};

#define MAP(owner, name, type)                  \
	{                                       \
		owner, name, type, LIST_ATOMIC, \
		{                               \
			NULL, NULL              \
		}                               \
	}
#define KEYED(owner, name, type, key)          \
	{                                      \
		owner, name, type, LIST_KEYED, \
		{                              \
			key, NULL              \
		}                              \
	}

static const struct schema_field fields[] = {
	MAP("Pod", "spec", "PodSpec"),
	MAP("PodTemplateObject", "template", "PodTemplate"),
	MAP("Workload", "spec", "WorkloadSpec"),
	MAP("WorkloadSpec", "template", "PodTemplate"),
	MAP("CronJob", "spec", "CronJobSpec"),
	MAP("CronJobSpec", "jobTemplate", "Workload"),
	MAP("PodTemplate", "metadata", "Meta"),
	MAP("PodTemplate", "spec", "PodSpec"),
	KEYED("PodSpec", "containers", "Container", "name"),
	KEYED("PodSpec", "initContainers", "Container", "name"),
	KEYED("PodSpec", "ephemeralContainers", "Container", "name"),
	KEYED("PodSpec", "volumes", NULL, "name"),
	KEYED("PodSpec", "imagePullSecrets", NULL, "name"),
	KEYED("PodSpec", "hostAliases", NULL, "ip"),
	{ "PodSpec", "topologySpreadConstraints", NULL, LIST_KEYED, { "topologyKey", "whenUnsatisfiable" } },
	KEYED("Container", "env", NULL, "name"),
	KEYED("Container", "volumeMounts", NULL, "mountPath"),
	KEYED("Container", "volumeDevices", NULL, "devicePath"),
	{ "Container", "ports", NULL, LIST_KEYED, { "containerPort", "protocol" } },
	MAP("Service", "spec", "ServiceSpec"),
	{ "ServiceSpec", "ports", NULL, LIST_KEYED, { "port", "protocol" } },
	KEYED("ServiceAccount", "secrets", NULL, "name"),
	KEYED("Webhooks", "webhooks", NULL, "name"),
	MAP("CSINode", "spec", "CSINodeSpec"),
	KEYED("CSINodeSpec", "drivers", NULL, "name"),
	MAP("Node", "spec", "NodeSpec"),
	{ "NodeSpec", "podCIDRs", NULL, LIST_SET, { NULL, NULL } },
	KEYED("Meta", "ownerReferences", NULL, "uid"),
	{ "Meta", "finalizers", NULL, LIST_SET, { NULL, NULL } },
};

static const struct schema_field object_meta = MAP("", "metadata", "Meta");

const char *schema_type(const char *group, const char *version, const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].kind, kind) != 0 || strcmp(types[i].group, group) != 0)
			continue;
		bool usual = strcmp(version, "v1") == 0 || strcmp(version, "v1beta1") == 0;
		if (types[i].version == NULL ? usual : strcmp(types[i].version, version) == 0)
			return types[i].type;
	}
	return NULL;
}

const struct schema_field *schema_field(const char *type, const char *name)
{
	if (type == NULL)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].owner, type) == 0 && strcmp(fields[i].name, name) == 0)
			return &fields[i];
	static const char *const inner[] = { "PodSpec",	    "Container",   "ServiceSpec", "WorkloadSpec",
					     "CronJobSpec", "CSINodeSpec", "NodeSpec",	  "Meta" };
	for (size_t i = 0; i < ARRAY_SIZE(inner); i++)
		if (strcmp(inner[i], type) == 0)
			return NULL;
	return strcmp(name, "metadata") == 0 ? &object_meta : NULL;
}
