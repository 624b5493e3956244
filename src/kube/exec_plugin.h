/*
 * exec_plugin: credentials from a program, as kubeconfig's `exec` says (client.authentication.k8s.io/v1 and v1beta1).
 *
 * Runs the program when there are no credentials, they have expired or were refused (but then not within 5 s of the last run); in
 * between it hands out copies. A run is bounded to 30 s and 1 MiB of output; it gets no standard input, and what it says on standard
 * error goes into the error's message. Safe for several threads, which wait for one run. Called by http_curl, for kubeconfig.
 */
#ifndef WEIR_KUBE_EXEC_PLUGIN_H
#define WEIR_KUBE_EXEC_PLUGIN_H

#include "base/doc.h"
#include "http/http_curl.h"

struct exec_plugin;

/*
 * spec is the `exec` map, cluster what the plugin is told of its cluster where provideClusterInfo is set (may be NULL); both are copied.
 * A relative command with a '/' counts from dir. where: for messages.
 */
bool exec_plugin_new(const struct node *spec, const struct node *cluster, const char *dir, const char *where, struct exec_plugin **out,
		     struct error *err);
void exec_plugin_free(void *plugin);
/* As http_curl_options.credentials. ERROR_FORBIDDEN when the program fails. */
bool exec_plugin_credentials(void *plugin, bool rejected, struct http_credentials *out, struct error *err);

#endif
