#include "contract/tap.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct http_stream {
	struct tap *tap;
	struct http_stream *inner;
};

static bool tap_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	struct tap *tap = context;
	if (strcmp(request->method, "GET") == 0 && strstr(request->path, "limit=") != NULL)
		tap->lists++;
	return tap->inner->send(tap->inner->context, request, response, err);
}

/* The path with the resource version replaced. */
static char *from_version_1(const char *path, const char *version)
{
	const char *end = version + strcspn(version, "&");
	return mem_printf("%.*s1%s", (int)(version - path), path, end);
}

static struct http_stream *tap_open(void *context, const struct http_request *request, int *status, struct buf *problem, struct error *err)
{
	static const char key[] = "resourceVersion=";
	struct tap *tap = context;
	struct http_request changed = *request;
	AUTOFREE char *path = NULL;
	const char *version = strstr(request->path, key);
	tap->watches++;
	if (version != NULL) {
		version += sizeof key - 1;
		tap->watched_from = strtoll(version, NULL, 10);
		if (tap->too_old)
			changed.path = path = from_version_1(request->path, version);
		tap->too_old = false;
	}
	struct http_stream *inner = tap->inner->open(tap->inner->context, &changed, status, problem, err);
	if (inner == NULL)
		return NULL;
	struct http_stream *stream = mem_alloc(sizeof *stream);
	*stream = (struct http_stream){ .tap = tap, .inner = inner };
	return stream;
}

static bool tap_read(struct http_stream *stream, struct buf *out, int64_t wait_ms, struct error *err)
{
	struct tap *tap = stream->tap;
	if (tap->cut) {
		tap->cut = false;
		error_clear(err);
		return false;
	}
	size_t before = out->len;
	bool going = tap->inner->read(stream->inner, out, wait_ms, err);
	if (out->len > before && strstr(out->data + before, "\"BOOKMARK\"") != NULL)
		tap->bookmarks++;
	return going;
}

static void tap_close(struct http_stream *stream)
{
	stream->tap->inner->close(stream->inner);
	free(stream);
}

void tap_init(struct tap *tap, const struct http *inner)
{
	*tap = (struct tap){ .inner = inner,
			     .http = { .context = tap, .send = tap_send, .open = tap_open, .read = tap_read, .close = tap_close } };
}
