/* kinds: the Kubernetes resources that Weir itself reads and writes, by their fixed names (no discovery needed). */
#ifndef WEIR_SYNC_KINDS_H
#define WEIR_SYNC_KINDS_H

#include "kube/kube.h"

extern const struct kube_resource KIND_CONFIGMAP, KIND_POD, KIND_SERVICE, KIND_DEPLOYMENT, KIND_INGRESS, KIND_FLINKDEPLOYMENT,
	KIND_FLINKSESSIONJOB, KIND_FLINKSTATESNAPSHOT;

#endif
