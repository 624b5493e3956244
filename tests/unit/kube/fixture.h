/*
 * fixture: a kube on the test's server, and small helpers. Include after server.h.
 */
#ifndef WEIR_TESTS_UNIT_KUBE_FIXTURE_H
#define WEIR_TESTS_UNIT_KUBE_FIXTURE_H

#include "server.h"

#include "base/doc.h"
#include "http/http_curl.h"
#include "kube/kube.h"

static struct http *http;
static struct kube *kube;

static const struct kube_resource config_maps = { .api_version = "v1", .kind = "ConfigMap", .plural = "configmaps", .namespaced = true };

static int fixture_start(void **state)
{
	if (server_start(state) != 0)
		return -1;
	const struct http_curl_options options = { .base_url = server.url, .proxy = "" };
	if (!http_curl_open(&options, &http, NULL))
		return -1;
	kube = kube_new(http);
	return 0;
}

static int fixture_stop(void **state)
{
	kube_free(kube);
	http_curl_close(http);
	return server_stop(state);
}

static inline struct doc *yaml(const char *text)
{
	struct error err = ERROR_INIT;
	struct doc *doc = doc_parse_yaml_one(text, strlen(text), "test", &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

#endif
