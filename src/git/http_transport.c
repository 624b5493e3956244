/* The http and https subtransport: one libcurl handle for each connected remote, driven only while libgit2 waits for bytes. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "git/transport.h"

enum {
	CONNECT_MS = 10 * 1000,
	SILENCE_S = 30,
	REDIRECTS = 5,
	TOKEN_BYTES = 64 << 10,
	HEADER_BYTES = 256 << 10,
};

struct http_sub {
	git_smart_subtransport parent;
	struct transfer *transfer;
	CURLM *multi;
	CURL *easy;
	char *base; /* the repository's URL without credentials; changes with a redirect */
	char *user, *password;
	struct curl_slist *auth; /* an Authorization header, or NULL */
};

struct http_stream {
	git_smart_subtransport_stream parent;
	struct http_sub *sub;
	bool post, started, added, done;
	CURLcode result;
	struct curl_slist *headers;
	struct buf request;
	struct buf body; /* what came and was not read yet, from `at` on */
	size_t at;
	size_t header_bytes;
	char problem[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct http_stream *s = context;
	size_t len = size * count;
	if (!transfer_count(s->sub->transfer, len))
		return 0;
	buf_append(&s->body, data, len);
	return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	struct http_stream *s = context;
	s->header_bytes += size * count;
	if (s->header_bytes > HEADER_BYTES) {
		transfer_fail(s->sub->transfer, ERROR_LIMIT, "the answer's headers pass %d bytes", HEADER_BYTES);
		return 0;
	}
	return size * count;
}

static int fail_curl(struct http_stream *s)
{
	struct http_sub *sub = s->sub;
	if (transfer_left_ms(sub->transfer) == 0)
		return -1;
	enum error_kind kind = ERROR_TRANSIENT;
	switch (s->result) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		kind = ERROR_INVALID;
		break;
	default:
		break;
	}
	return transfer_fail(sub->transfer, kind, "%s: %s", sub->base, s->problem[0] ? s->problem : curl_easy_strerror(s->result));
}

/* Moves bytes for as long as nothing has come; -1 and noted when the exchange failed. */
static int stream_pump(struct http_stream *s)
{
	CURLM *multi = s->sub->multi;
	while (s->at == s->body.len && !s->done) {
		s->at = 0;
		buf_clear(&s->body);
		int64_t left = transfer_left_ms(s->sub->transfer);
		int running;
		if (left == 0)
			return -1;
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return transfer_fail(s->sub->transfer, ERROR_BUG, "curl_multi_perform failed");
		int queued;
		for (CURLMsg *message; (message = curl_multi_info_read(multi, &queued));) {
			if (message->msg == CURLMSG_DONE) {
				s->result = message->data.result;
				s->done = true;
			}
		}
		if (s->done && s->result != CURLE_OK)
			return fail_curl(s);
		if (!s->done && s->body.len == 0)
			curl_multi_poll(multi, NULL, 0, left < 100 ? (int)left : 100, NULL);
	}
	return 0;
}

static void stream_stop(struct http_stream *s)
{
	if (s->added)
		curl_multi_remove_handle(s->sub->multi, s->sub->easy);
	s->added = s->done = false;
	curl_slist_free_all(s->headers);
	s->headers = NULL;
	buf_clear(&s->body);
	s->at = 0;
}

static void set_tls(CURL *easy, const struct git_source *source)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (source->ca_file) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, source->ca_file);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (source->client_cert)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, source->client_cert);
	if (source->client_key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, source->client_key);
	if (source->proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, source->proxy);
}

static void set_limits(CURL *easy, int64_t left)
{
	long silence = (long)(left / 1000 < SILENCE_S ? left / 1000 + 1 : SILENCE_S);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(left < CONNECT_MS ? left : CONNECT_MS));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, silence);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
}

static int stream_send(struct http_stream *s)
{
	struct http_sub *sub = s->sub;
	CURL *easy = sub->easy;
	int64_t left = transfer_left_ms(sub->transfer);
	if (left == 0)
		return -1;
	curl_easy_reset(easy);
	AUTOFREE char *url = mem_printf("%s/%s", sub->base, s->post ? "git-upload-pack" : "info/refs?service=git-upload-pack");
	curl_easy_setopt(easy, CURLOPT_URL, url);
	set_limits(easy, left);
	set_tls(easy, sub->transfer->source);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "git/2.0 (weir " WEIR_VERSION ")");
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->problem);
	if (sub->auth)
		s->headers = curl_slist_append(s->headers, sub->auth->data);
	else if (sub->user || sub->password) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, sub->user ? sub->user : "");
		curl_easy_setopt(easy, CURLOPT_PASSWORD, sub->password ? sub->password : "");
	}
	if (s->post) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(&s->request));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->request.len);
		s->headers = curl_slist_append(s->headers, "Content-Type: application/x-git-upload-pack-request");
		s->headers = curl_slist_append(s->headers, "Accept: application/x-git-upload-pack-result");
		s->headers = curl_slist_append(s->headers, "Expect:");
	}
	s->headers = curl_slist_append(s->headers, "Cache-Control: no-cache");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, s->headers);
	s->header_bytes = 0;
	s->done = false;
	if (curl_multi_add_handle(sub->multi, easy) != CURLM_OK)
		return transfer_fail(sub->transfer, ERROR_BUG, "curl_multi_add_handle failed");
	s->added = true;
	return stream_pump(s);
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	char *x = NULL, *y = NULL;
	curl_url_get(a, part, &x, CURLU_DEFAULT_PORT);
	curl_url_get(b, part, &y, CURLU_DEFAULT_PORT);
	bool same = x && y && strcasecmp(x, y) == 0;
	curl_free(x);
	curl_free(y);
	return same;
}

/* The same host; the same scheme and port, or from http to https. */
static bool redirect_allowed(const char *from, const char *to)
{
	CURLU *a = curl_url(), *b = curl_url();
	bool ok = a && b && curl_url_set(a, CURLUPART_URL, from, 0) == CURLUE_OK && curl_url_set(b, CURLUPART_URL, to, 0) == CURLUE_OK &&
		  same_part(a, b, CURLUPART_HOST);
	char *user = NULL;
	if (ok && curl_url_get(b, CURLUPART_USER, &user, 0) == CURLUE_OK)
		ok = false;
	curl_free(user);
	if (ok && same_part(a, b, CURLUPART_SCHEME))
		ok = same_part(a, b, CURLUPART_PORT);
	else if (ok)
		ok = str_starts(from, "http://") && str_starts(to, "https://");
	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return ok;
}

static int follow_redirect(struct http_stream *s, long status)
{
	struct http_sub *sub = s->sub;
	char *found = NULL;
	curl_easy_getinfo(sub->easy, CURLINFO_REDIRECT_URL, &found);
	AUTOFREE char *to = mem_strdup(found ? found : "");
	char *end = strstr(to, "/info/refs?service=git-upload-pack");
	if (s->post || !end || !redirect_allowed(sub->base, to)) {
		AUTOFREE char *shown = transport_display_url(to);
		return transfer_fail(sub->transfer, ERROR_INVALID,
				     "%s: HTTP %ld to %s: only redirects of the ref listing on the same host are followed; use the new URL",
				     sub->base, status, shown);
	}
	*end = 0;
	free_ptr(&sub->base);
	sub->base = TAKE(to);
	stream_stop(s);
	return stream_send(s);
}

static int fail_status(struct http_stream *s, long status)
{
	struct transfer *transfer = s->sub->transfer;
	curl_off_t retry = 0;
	curl_easy_getinfo(s->sub->easy, CURLINFO_RETRY_AFTER, &retry);
	char text[160];
	size_t len = 0;
	for (size_t i = s->at; i < s->body.len && len < sizeof(text) - 1; i++)
		text[len++] = (char)(s->body.data[i] >= 32 && s->body.data[i] < 127 ? s->body.data[i] : ' ');
	while (len > 0 && text[len - 1] == ' ')
		len--;
	text[len] = 0;
	enum error_kind kind = ERROR_INVALID;
	const char *hint = "";
	if (status == 401) {
		kind = ERROR_FORBIDDEN;
		hint = s->sub->user || s->sub->auth ? " (the credentials are not accepted)" : " (credentials are needed)";
	} else if (status == 429 || status == 408 || status >= 500 || (status == 403 && retry > 0)) {
		kind = ERROR_TRANSIENT;
	} else if (status == 403) {
		kind = ERROR_FORBIDDEN;
	} else if (status == 404 || status == 410) {
		kind = ERROR_NOT_FOUND;
		hint = " (no such repository, or it is not visible with these credentials)";
	}
	transfer_fail(transfer, kind, "%s: HTTP %ld%s%s%s", s->sub->base, status, hint, len ? ": " : "", text);
	transfer->err.http_status = (int)status;
	transfer->err.retry_after_ms = (int64_t)retry * 1000;
	return -1;
}

static int stream_start(struct http_stream *s)
{
	s->started = true;
	if (stream_send(s) < 0)
		return -1;
	for (int hops = 0;; hops++) {
		long status = 0;
		curl_easy_getinfo(s->sub->easy, CURLINFO_RESPONSE_CODE, &status);
		bool moved = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
		if (moved && hops < REDIRECTS) {
			if (follow_redirect(s, status) < 0)
				return -1;
			continue;
		}
		if (moved)
			return transfer_fail(s->sub->transfer, ERROR_INVALID, "%s: more than %d redirects", s->sub->base, REDIRECTS);
		if (status != 200)
			return fail_status(s, status);
		break;
	}
	const char *type = NULL;
	const char *expected = s->post ? "application/x-git-upload-pack-result" : "application/x-git-upload-pack-advertisement";
	curl_easy_getinfo(s->sub->easy, CURLINFO_CONTENT_TYPE, &type);
	if (!type || !str_starts(type, expected))
		return transfer_fail(s->sub->transfer, ERROR_INVALID, "%s: no smart git server: content type %.100s, expected %s",
				     s->sub->base, type ? type : "missing", expected);
	return 0;
}

static int stream_read(git_smart_subtransport_stream *stream, char *out, size_t size, size_t *got)
{
	struct http_stream *s = (struct http_stream *)stream;
	*got = 0;
	if (!s->started && stream_start(s) < 0)
		return -1;
	if (stream_pump(s) < 0)
		return -1;
	size_t len = s->body.len - s->at < size ? s->body.len - s->at : size;
	if (len > 0)
		memcpy(out, s->body.data + s->at, len);
	s->at += len;
	*got = len;
	return 0;
}

static int stream_write(git_smart_subtransport_stream *stream, const char *data, size_t len)
{
	struct http_stream *s = (struct http_stream *)stream;
	if (!s->post || s->started)
		return transfer_fail(s->sub->transfer, ERROR_BUG, "a write to an HTTP exchange that was sent already");
	buf_append(&s->request, data, len);
	return 0;
}

static void stream_free(git_smart_subtransport_stream *stream)
{
	struct http_stream *s = (struct http_stream *)stream;
	stream_stop(s);
	buf_free(&s->request);
	buf_free(&s->body);
	free_ptr(&s);
}

static int read_token(struct http_sub *sub)
{
	const struct git_source *source = sub->transfer->source;
	CLEANUP(close_fd) int fd = open(source->token_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return transfer_fail(sub->transfer, ERROR_INVALID, "token file %s: cannot be opened: %s", source->token_file,
				     strerror(errno));
	AUTOFREE char *token = mem_alloc(TOKEN_BYTES + 1);
	size_t len = 0;
	for (ssize_t got; len < TOKEN_BYTES && (got = read(fd, token + len, TOKEN_BYTES - len)) > 0;)
		len += (size_t)got;
	if (len == TOKEN_BYTES)
		return transfer_fail(sub->transfer, ERROR_LIMIT, "token file %s: passes %d bytes", source->token_file, TOKEN_BYTES);
	while (len > 0 && strchr(" \t\r\n", token[len - 1]))
		token[--len] = 0;
	if (len == 0 || strpbrk(token, "\r\n") || strlen(token) != len)
		return transfer_fail(sub->transfer, ERROR_INVALID, "token file %s: expected one line of text", source->token_file);
	if (source->token_bearer) {
		AUTOFREE char *header = mem_printf("Authorization: Bearer %s", token);
		sub->auth = curl_slist_append(NULL, header);
		return 0;
	}
	if (!sub->user)
		sub->user = mem_strdup("x-access-token");
	free_ptr(&sub->password);
	sub->password = TAKE(token);
	return 0;
}

static int take_url(struct http_sub *sub, const char *url)
{
	const struct git_source *source = sub->transfer->source;
	CURLU *parts = curl_url();
	char *user = NULL, *password = NULL, *plain = NULL;
	CURLUcode failed = curl_url_set(parts, CURLUPART_URL, url, 0);
	if (!failed) {
		curl_url_get(parts, CURLUPART_USER, &user, CURLU_URLDECODE);
		curl_url_get(parts, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
		curl_url_set(parts, CURLUPART_USER, NULL, 0);
		curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
		curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
		curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
		failed = curl_url_get(parts, CURLUPART_URL, &plain, 0);
	}
	if (!failed) {
		sub->base = mem_strdup(plain);
		for (size_t len = strlen(sub->base); len > 0 && sub->base[len - 1] == '/'; len--)
			sub->base[len - 1] = 0;
		sub->user = mem_strdup(source->user ? source->user : user);
		sub->password = mem_strdup(source->password ? source->password : password);
	}
	curl_free(user);
	curl_free(password);
	curl_free(plain);
	curl_url_cleanup(parts);
	return failed ? transfer_fail(sub->transfer, ERROR_INVALID, "the URL is wrong: %s", curl_url_strerror(failed)) : 0;
}

static int http_action(git_smart_subtransport_stream **out, git_smart_subtransport *subtransport, const char *url,
		       git_smart_service_t action)
{
	struct http_sub *sub = (struct http_sub *)subtransport;
	if (action != GIT_SERVICE_UPLOADPACK_LS && action != GIT_SERVICE_UPLOADPACK)
		return transfer_fail(sub->transfer, ERROR_BUG, "only fetching is possible");
	if (!sub->base) {
		if (take_url(sub, url) < 0 || (sub->transfer->source->token_file && read_token(sub) < 0))
			return -1;
	}
	struct http_stream *s = mem_alloc(sizeof(*s));
	s->parent.subtransport = subtransport;
	s->parent.read = stream_read;
	s->parent.write = stream_write;
	s->parent.free = stream_free;
	s->sub = sub;
	s->post = action == GIT_SERVICE_UPLOADPACK;
	*out = &s->parent;
	return 0;
}

static int http_close(git_smart_subtransport *subtransport)
{
	(void)subtransport; /* connections are kept until the remote goes */
	return 0;
}

static void http_free(git_smart_subtransport *subtransport)
{
	struct http_sub *sub = (struct http_sub *)subtransport;
	curl_easy_cleanup(sub->easy);
	curl_multi_cleanup(sub->multi);
	curl_slist_free_all(sub->auth);
	free_ptr(&sub->base);
	free_ptr(&sub->user);
	free_ptr(&sub->password);
	free_ptr(&sub);
}

int http_transport_new(git_smart_subtransport **out, git_transport *owner, void *param)
{
	(void)owner;
	struct http_sub *sub = mem_alloc(sizeof(*sub));
	sub->parent.action = http_action;
	sub->parent.close = http_close;
	sub->parent.free = http_free;
	sub->transfer = param;
	sub->multi = curl_multi_init();
	sub->easy = curl_easy_init();
	if (!sub->multi || !sub->easy) {
		http_free(&sub->parent);
		return transfer_fail(param, ERROR_BUG, "libcurl cannot be set up");
	}
	*out = &sub->parent;
	return 0;
}
