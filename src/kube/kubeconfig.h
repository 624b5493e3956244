/*
 * kubeconfig: how to reach the API server, and as whom.
 *
 * Reads a kubeconfig (or several, $KUBECONFIG with ':' between them, where the first to name something wins) or a pod's service
 * account, and opens a `struct http` through http_curl. Understands tokens and token files, client certificates, basic
 * authentication, exec credential plugins (exec_plugin.h), certificate authorities, proxy-url and tls-server-name; auth-provider is
 * ERROR_UNSUPPORTED. Called by `cli` and `agent`.
 */
#ifndef WEIR_KUBE_KUBECONFIG_H
#define WEIR_KUBE_KUBECONFIG_H

#include <stdbool.h>

#include "base/error.h"
#include "http/http.h"

struct kubeconfig_options {
	const char *file;		 /* NULL: $KUBECONFIG, else the service account where there is one, else ~/.kube/config */
	const char *context;		 /* NULL: the current one */
	const char *service_account_dir; /* NULL: where the kubelet mounts it */
};

struct kube_access {
	struct http *http; /* owned */
	char *ns;	   /* the default namespace, owned, never NULL after success */
	char *server;	   /* for messages, owned */
	char *context;	   /* its name, or "in-cluster"; owned */
};

/* options may be NULL. Errors name file and field: ERROR_INVALID, ERROR_NOT_FOUND (no configuration at all), ERROR_UNSUPPORTED. */
bool kube_access_open(const struct kubeconfig_options *options, struct kube_access *out, struct error *err);
void kube_access_close(struct kube_access *access);

#endif
