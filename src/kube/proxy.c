#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/kube_private.h"

struct proxy {
	struct kube *kube;
	char *prefix;
};

/* The request as the API server gets it. *path and *headers are the caller's to free. */
static void readdress(const struct proxy *proxy, struct http_request *request, char **path, struct http_header **headers)
{
	*path = mem_printf("%s%s", proxy->prefix, request->path);
	request->path = *path;
	kube_identify(proxy->kube, request, headers);
}

static bool proxy_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	const struct proxy *proxy = context;
	struct http_request own = *request;
	AUTOFREE char *path = NULL;
	AUTOFREE struct http_header *headers = NULL;
	readdress(proxy, &own, &path, &headers);
	return http_send(proxy->kube->http, &own, response, err);
}

/* A stream of the inner http; both are needed to go on reading. */
struct http_stream {
	const struct http *http;
	struct http_stream *inner;
};

static struct http_stream *proxy_open(void *context, const struct http_request *request, int *status, struct buf *problem,
				      struct error *err)
{
	const struct proxy *proxy = context;
	struct http_request own = *request;
	AUTOFREE char *path = NULL;
	AUTOFREE struct http_header *headers = NULL;
	readdress(proxy, &own, &path, &headers);
	const struct http *http = proxy->kube->http;
	struct http_stream *inner = http->open(http->context, &own, status, problem, err);
	if (inner == NULL)
		return NULL;
	struct http_stream *stream = mem_alloc(sizeof *stream);
	*stream = (struct http_stream){ http, inner };
	return stream;
}

static bool proxy_read(struct http_stream *stream, struct buf *out, int64_t wait_ms, struct error *err)
{
	return stream->http->read(stream->inner, out, wait_ms, err);
}

static void proxy_close(struct http_stream *stream)
{
	stream->http->close(stream->inner);
	free(stream);
}

bool kube_service_proxy_http(struct kube *kube, const char *ns, const char *service, const char *port, struct http *out)
{
	AUTOBUF prefix = BUF_INIT;
	buf_puts(&prefix, "/api/v1/namespaces/");
	buf_put_url(&prefix, ns);
	buf_puts(&prefix, "/services/");
	buf_put_url(&prefix, service);
	buf_putc(&prefix, ':');
	buf_put_url(&prefix, port);
	buf_puts(&prefix, "/proxy");
	struct proxy *proxy = mem_alloc(sizeof *proxy);
	proxy->kube = kube;
	proxy->prefix = buf_take(&prefix);
	*out = (struct http){ .context = proxy, .send = proxy_send, .open = proxy_open, .read = proxy_read, .close = proxy_close };
	return true;
}

void kube_proxy_free(struct http *http)
{
	struct proxy *proxy = http->context;
	if (proxy == NULL)
		return;
	free(proxy->prefix);
	free(proxy);
	*http = (struct http){ 0 };
}
