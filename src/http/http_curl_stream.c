#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/wtime.h"
#include "http/http_curl_private.h"

/* A refused stream's body is an error message, which needs no more than this. */
enum { PROBLEM_MAX = 1 << 20 };

struct http_stream {
	struct http_curl *curl;
	struct http_exchange exchange;
	struct buf pending; /* arrived, not yet handed on */
	struct buf body;    /* the request's, which must live as long as the exchange */
	char *method, *path;
	bool answered;	 /* the final headers are complete */
	bool passed_max; /* of pending */
};

static size_t on_stream_body(char *data, size_t size, size_t count, void *context)
{
	struct http_stream *stream = context;
	size_t len = size * count;
	if (len > stream->curl->max_body - stream->pending.len) {
		stream->passed_max = true;
		return 0;
	}
	buf_append(&stream->pending, data, len);
	return len;
}

static long stream_status(const struct http_stream *stream)
{
	long status = 0;
	curl_easy_getinfo(stream->exchange.easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t on_stream_header(char *data, size_t size, size_t count, void *context)
{
	struct http_stream *stream = context;
	size_t len = size * count;
	if ((len == 2 && memcmp(data, "\r\n", 2) == 0) || (len == 1 && data[0] == '\n'))
		stream->answered = stream_status(stream) >= 200;
	return len;
}

static int64_t mono_ms(void)
{
	const struct clock clock = clock_real();
	return clock_mono_ms(&clock);
}

static bool stream_error(const struct http_stream *stream, struct error *err)
{
	const struct http_request request = { .method = stream->method, .path = stream->path };
	if (stream->passed_max)
		return error_set(err, ERROR_LIMIT, "%s %s%s: more than %zu bytes at once", request.method, stream->curl->base, request.path,
				 stream->curl->max_body);
	return http_exchange_error(stream->curl, &request, &stream->exchange, stream->exchange.code, err);
}

static bool stream_begin(struct http_stream *stream, const struct http_request *request, bool rejected, struct error *err)
{
	struct http_request own = *request;
	if (request->body != NULL) {
		buf_append(&stream->body, request->body, request->body_len);
		own.body = buf_text(&stream->body);
	}
	if (!http_exchange_prepare(stream->curl, &own, rejected, &stream->exchange, err))
		return false;
	CURL *easy = stream->exchange.easy;
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_stream_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_stream_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, stream);
	const int64_t timeout = request->timeout_ms > 0 ? request->timeout_ms : 10000;
	const int64_t until = mono_ms() + timeout;
	http_exchange_work(&stream->exchange, 0);
	while (!stream->answered && !stream->exchange.ended) {
		int64_t left = until - mono_ms();
		if (left <= 0) {
			stream->exchange.code = CURLE_OPERATION_TIMEDOUT;
			(void)snprintf(stream->exchange.problem, sizeof stream->exchange.problem, "no answer within %lld ms",
				       (long long)timeout);
			return stream_error(stream, err);
		}
		http_exchange_work(&stream->exchange, left);
	}
	if (!stream->answered)
		return stream_error(stream, err);
	while (stream_status(stream) != 200 && !stream->exchange.ended && stream->pending.len < PROBLEM_MAX && mono_ms() < until)
		http_exchange_work(&stream->exchange, until - mono_ms());
	return true;
}

struct http_stream *http_curl_stream_open(void *context, const struct http_request *request, int *status, struct buf *problem,
					  struct error *err)
{
	struct http_curl *curl = context;
	for (bool rejected = false;; rejected = true) {
		struct http_stream *stream = mem_alloc(sizeof *stream);
		stream->curl = curl;
		stream->method = mem_strdup(request->method);
		stream->path = mem_strdup(request->path);
		if (!stream_begin(stream, request, rejected, err)) {
			http_curl_stream_close(stream);
			*status = 0;
			return NULL;
		}
		*status = (int)stream_status(stream);
		if (*status == 200)
			return stream;
		bool again = *status == 401 && !rejected && http_curl_can_renew(curl);
		if (!again)
			buf_append(problem, buf_text(&stream->pending), stream->pending.len);
		http_curl_stream_close(stream);
		if (!again) {
			error_clear(err);
			return NULL;
		}
	}
}

bool http_curl_stream_read(struct http_stream *stream, struct buf *out, int64_t wait_ms, struct error *err)
{
	if (stream->pending.len == 0 && !stream->exchange.ended)
		http_exchange_work(&stream->exchange, 0);
	const int64_t until = mono_ms() + wait_ms;
	for (int64_t left = wait_ms; stream->pending.len == 0 && !stream->exchange.ended && left > 0; left = until - mono_ms())
		http_exchange_work(&stream->exchange, left);
	if (stream->pending.len > 0) {
		buf_append(out, stream->pending.data, stream->pending.len);
		buf_clear(&stream->pending);
		return true;
	}
	if (!stream->exchange.ended)
		return true;
	error_clear(err);
	return stream->exchange.code == CURLE_OK ? false : stream_error(stream, err);
}

void http_curl_stream_close(struct http_stream *stream)
{
	if (stream == NULL)
		return;
	http_exchange_end(stream->curl, &stream->exchange, false);
	buf_free(&stream->pending);
	buf_free(&stream->body);
	free(stream->method);
	free(stream->path);
	free(stream);
}
