/* weir rest NAMESPACE/NAME PATH: what a job's REST API answers, through the API server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "sync/kinds.h"

/* The port of the effective configuration. */
static bool find_port(struct cli_cluster *cluster, const char *ns, const char *name, struct job_view *view, struct error *err)
{
	AUTODOC *doc = NULL;
	return kube_get(cluster->kube, &KIND_FLINKDEPLOYMENT, ns, name, &doc, err) &&
	       observe_config(node_get(doc_root(doc), "spec"), name, ns, view, err);
}

static bool ask(struct cli_cluster *cluster, const char *job, const char *path, struct error *err)
{
	const char *slash = strchr(job, '/');
	AUTOFREE char *ns = slash == NULL ? mem_strdup(cluster->ns) : mem_strndup(job, (size_t)(slash - job));
	const char *name = slash == NULL ? job : slash + 1;
	AUTOFREE char *service = mem_printf("%s-rest", name);
	struct job_view view = { 0 };
	struct http http;
	if (!find_port(cluster, ns, name, &view, err))
		return false;
	if (!kube_service_proxy_http(cluster->kube, ns, service, view.rest_port, &http))
		return error_set(err, ERROR_BUG, "no proxy to service %s", service);
	struct http_request request = { .method = "GET", .path = path };
	AUTORESPONSE response = { 0 };
	bool ok = http_send(&http, &request, &response, err);
	kube_proxy_free(&http);
	if (!ok)
		return false;
	if (response.status != 200)
		return error_set(err, ERROR_NOT_FOUND, "%s %s: %d %.500s", job, path, response.status, buf_text(&response.body));
	(void)printf("%s\n", buf_text(&response.body));
	return true;
}

int command_rest(int argc, char **argv)
{
	struct cli_options options;
	struct cli_cluster cluster;
	struct error err;
	if (!cli_parse(argc, argv, &options))
		return 1;
	if (options.rest + 2 != argc || argv[options.rest + 1][0] != '/') {
		(void)fprintf(stderr, "weir: usage: weir rest NAMESPACE/NAME /PATH\n");
		return 1;
	}
	if (!cli_connect(options.kubeconfig, &cluster, &err))
		return cli_fail(&err);
	bool ok = ask(&cluster, argv[options.rest], argv[options.rest + 1], &err);
	cli_disconnect(&cluster);
	return ok ? 0 : cli_fail(&err);
}
