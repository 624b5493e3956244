#include "http/http_tap.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct tap {
	struct http http;
	const struct http *below;
	http_tap_told *told;
	void *context;
};

static void tell(const struct tap *tap, const char *method, int status, const struct error *err)
{
	char code[16];
	(void)snprintf(code, sizeof code, "%d", status);
	tap->told(tap->context, method, status != 0 ? code : error_kind_name(err->kind));
}

static bool tap_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	const struct tap *tap = context;
	struct error why = ERROR_INIT;
	bool ok = tap->below->send(tap->below->context, request, response, &why);
	tell(tap, request->method, ok ? response->status : 0, &why);
	if (!ok)
		error_copy(err, &why);
	return ok;
}

static struct http_stream *tap_open(void *context, const struct http_request *request, int *status, struct buf *problem, struct error *err)
{
	const struct tap *tap = context;
	struct error why = ERROR_INIT;
	struct http_stream *stream = tap->below->open(tap->below->context, request, status, problem, &why);
	tell(tap, request->method, stream != NULL ? 200 : *status, &why);
	error_copy(err, &why);
	return stream;
}

struct http *http_tap_new(const struct http *below, http_tap_told *told, void *context)
{
	struct tap *tap = mem_alloc(sizeof *tap);
	*tap = (struct tap){ .below = below, .told = told, .context = context };
	tap->http = (struct http){ .context = tap, .send = tap_send, .open = tap_open, .read = below->read, .close = below->close };
	return &tap->http;
}

const struct http *http_tap_below(const struct http *http)
{
	return ((const struct tap *)http->context)->below;
}

void http_tap_free(struct http *http)
{
	if (http != NULL)
		free(http->context);
}
