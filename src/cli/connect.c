#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "kube/kubeconfig.h"

bool cli_connect(const char *kubeconfig, struct cli_cluster *out, struct error *err)
{
	struct kubeconfig_options options = { .file = kubeconfig };
	*out = (struct cli_cluster){ 0 };
	if (!kube_access_open(&options, &out->access, err))
		return false;
	out->http = out->access.http;
	out->kube = kube_new(out->http);
	(void)snprintf(out->ns, sizeof out->ns, "%s", out->access.ns);
	out->in_cluster = str_eq(out->access.context, "in-cluster");
	return true;
}

void cli_disconnect(struct cli_cluster *cluster)
{
	kube_free(cluster->kube);
	kube_access_close(&cluster->access);
}
