#include "http/http_curl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/wtime.h"
#include "http/http_curl_private.h"

enum { FILE_MAX = 1 << 20, TOKEN_AGE_MS = 60000, RETRY_AFTER_MAX_S = 3600 };

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void free_secret(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void http_credentials_free(struct http_credentials *credentials)
{
	free(credentials->bearer);
	free(credentials->cert_pem);
	free(credentials->key_pem);
	free(credentials->access_key);
	free_secret(credentials->secret_key);
	free_secret(credentials->session_token);
	*credentials = (struct http_credentials){ 0 };
}

static bool read_file(const char *path, const char *what, char **out, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, ERROR_INVALID, "%s: cannot read %s: %s", path, what, strerror(errno));
	AUTOBUF text = BUF_INIT;
	char part[4096];
	for (;;) {
		ssize_t n = read(fd, part, sizeof part);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, ERROR_INVALID, "%s: cannot read %s: %s", path, what, strerror(errno));
		if (n == 0)
			break;
		buf_append(&text, part, (size_t)n);
		if (text.len > FILE_MAX)
			return error_set(err, ERROR_LIMIT, "%s: %s is larger than %d bytes", path, what, (int)FILE_MAX);
	}
	*out = buf_take(&text);
	return true;
}

/* ---- credentials ---- */

static int64_t mono_ms(void)
{
	const struct clock clock = clock_real();
	return clock_mono_ms(&clock);
}

/* The token to send now, as an owned copy, or NULL for none. An unreadable file leaves the old token in use while there is one. */
static bool current_token(struct http_curl *curl, bool rejected, char **out, struct error *err)
{
	bool good = true;
	pthread_mutex_lock(&curl->lock);
	if (curl->token_file != NULL) {
		int64_t now = mono_ms();
		if (curl->token == NULL || rejected || now - curl->token_read_ms > TOKEN_AGE_MS) {
			char *text = NULL;
			struct error problem = ERROR_INIT;
			if (read_file(curl->token_file, "the token", &text, &problem)) {
				text[strcspn(text, "\r\n")] = '\0';
				free(curl->token);
				curl->token = text;
				curl->token_read_ms = now;
			} else if (curl->token == NULL) {
				problem.kind = ERROR_TRANSIENT;
				error_copy(err, &problem);
				good = false;
			}
		}
	}
	if (good)
		*out = mem_strdup(curl->token);
	pthread_mutex_unlock(&curl->lock);
	return good;
}

bool http_curl_can_renew(const struct http_curl *curl)
{
	return curl->credentials != NULL || curl->token_file != NULL;
}

static bool collect_credentials(struct http_curl *curl, bool rejected, struct http_credentials *out, struct error *err)
{
	if (curl->credentials != NULL && !curl->credentials(curl->credentials_context, rejected, out, err))
		return false;
	if (out->bearer == NULL && !current_token(curl, rejected, &out->bearer, err))
		return false;
	if (out->bearer != NULL && strpbrk(out->bearer, "\r\n") != NULL)
		return error_set(err, ERROR_INVALID, "the bearer token holds a line break");
	return true;
}

/* ---- preparing a request ---- */

static int before_sending(void *context, char *primary, char *local, int primary_port, int local_port)
{
	(void)primary, (void)local, (void)primary_port, (void)local_port;
	struct http_exchange *exchange = context;
	exchange->sent++;
	return exchange->sent > 1 && !exchange->safe ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool add_header(struct http_exchange *exchange, const char *name, const char *value, struct error *err)
{
	if (strpbrk(name, "\r\n:") != NULL || strpbrk(value, "\r\n") != NULL)
		return error_set(err, ERROR_INVALID, "header %.40s holds a line break", name);
	AUTOFREE char *line = *value != '\0' ? mem_printf("%s: %s", name, value) : mem_printf("%s:", name);
	struct curl_slist *more = curl_slist_append(exchange->headers, line);
	if (more == NULL)
		return error_set(err, ERROR_BUG, "out of memory");
	exchange->headers = more;
	return true;
}

static bool add_headers(const struct http_curl *curl, const struct http_request *request, struct http_exchange *exchange, struct error *err)
{
	bool sign = curl->aws_sigv4 != NULL; /* libcurl signs headers that an empty value takes away */
	if (!add_header(exchange, "Accept", request->accept != NULL ? request->accept : "application/json", err) ||
	    (!sign && !add_header(exchange, "Expect", "", err)) ||
	    (!sign && !add_header(exchange, "Content-Type", request->content_type != NULL ? request->content_type : "", err)))
		return false;
	const char *session = exchange->credentials.session_token;
	if (session != NULL && !add_header(exchange, "X-Amz-Security-Token", session, err))
		return false;
	if (curl->host_header != NULL && !add_header(exchange, "Host", curl->host_header, err))
		return false;
	if (exchange->credentials.bearer != NULL) {
		AUTOFREE char *value = mem_printf("Bearer %s", exchange->credentials.bearer);
		if (!add_header(exchange, "Authorization", value, err))
			return false;
	}
	for (size_t i = 0; i < request->header_count; i++) {
		if (!add_header(exchange, request->headers[i].name, request->headers[i].value, err))
			return false;
	}
	return true;
}

static void set_blob(CURL *easy, CURLoption option, char *text)
{
	struct curl_blob blob = { .data = text, .len = strlen(text), .flags = CURL_BLOB_COPY };
	curl_easy_setopt(easy, option, &blob);
}

static void set_tls(const struct http_curl *curl, struct http_exchange *exchange)
{
	CURL *easy = exchange->easy;
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, curl->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, curl->insecure ? 0L : 2L);
	if (curl->ca != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		set_blob(easy, CURLOPT_CAINFO_BLOB, curl->ca);
	}
	char *cert = exchange->credentials.cert_pem != NULL ? exchange->credentials.cert_pem : curl->cert;
	char *key = exchange->credentials.key_pem != NULL ? exchange->credentials.key_pem : curl->key;
	if (cert != NULL && key != NULL) {
		set_blob(easy, CURLOPT_SSLCERT_BLOB, cert);
		set_blob(easy, CURLOPT_SSLKEY_BLOB, key);
	}
}

static void set_method(CURL *easy, const struct http_request *request)
{
	bool body = request->body != NULL;
	if (strcmp(request->method, "GET") == 0 && !body) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	} else if (strcmp(request->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else {
		if (body || strcmp(request->method, "DELETE") != 0) {
			curl_easy_setopt(easy, CURLOPT_POST, 1L);
			curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body ? request->body_len : 0));
			curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body ? request->body : "");
		}
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	}
}

static void set_way(const struct http_curl *curl, struct http_exchange *exchange)
{
	CURL *easy = exchange->easy;
	curl_easy_setopt(easy, CURLOPT_URL, exchange->url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)curl->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 15L);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, 50L);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->problem);
	if (curl->proxy != NULL)
		curl_easy_setopt(easy, CURLOPT_PROXY, curl->proxy);
	if (curl->unix_socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, curl->unix_socket);
	if (curl->connect_to != NULL) {
		exchange->connect_to = curl_slist_append(NULL, curl->connect_to);
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, exchange->connect_to);
	}
	if (curl->aws_sigv4 != NULL) {
		curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, curl->aws_sigv4);
		curl_easy_setopt(easy, CURLOPT_USERNAME, exchange->credentials.access_key);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, exchange->credentials.secret_key);
	} else if (curl->user != NULL && exchange->credentials.bearer == NULL) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, curl->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, curl->password != NULL ? curl->password : "");
	}
}

static void close_handle(const struct http_handle *handle)
{
	curl_easy_cleanup(handle->easy);
	curl_multi_cleanup(handle->multi);
}

static struct http_handle take_handle(struct http_curl *curl)
{
	struct http_handle handle = { 0 };
	pthread_mutex_lock(&curl->lock);
	if (curl->idle_count > 0)
		handle = curl->idle[--curl->idle_count];
	pthread_mutex_unlock(&curl->lock);
	return handle.easy != NULL ? handle : (struct http_handle){ curl_easy_init(), curl_multi_init() };
}

bool http_exchange_prepare(struct http_curl *curl, const struct http_request *request, bool rejected, struct http_exchange *exchange,
			   struct error *err)
{
	*exchange = (struct http_exchange){ 0 };
	for (const char *p = request->path; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p == 0x7f || *p == '#')
			return error_set(err, ERROR_INVALID, "path %.200s: a character that is not percent-encoded", request->path);
	}
	exchange->safe = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	exchange->url = mem_printf("%s%s", curl->base, request->path);
	if (!collect_credentials(curl, rejected, &exchange->credentials, err) || !add_headers(curl, request, exchange, err))
		goto failed;
	const struct http_handle handle = take_handle(curl);
	exchange->easy = handle.easy;
	exchange->multi = handle.multi;
	if (exchange->easy == NULL || exchange->multi == NULL) {
		error_set(err, ERROR_TRANSIENT, "no libcurl handle");
		goto failed;
	}
	set_way(curl, exchange);
	set_tls(curl, exchange);
	set_method(exchange->easy, request);
	curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->headers);
	if (curl_multi_add_handle(exchange->multi, exchange->easy) == CURLM_OK)
		return true;
	error_set(err, ERROR_TRANSIENT, "no libcurl handle");
failed:
	http_exchange_end(curl, exchange, false);
	return false;
}

void http_exchange_end(struct http_curl *curl, struct http_exchange *exchange, bool reusable)
{
	if (exchange->easy != NULL && exchange->multi != NULL) {
		curl_multi_remove_handle(exchange->multi, exchange->easy);
		curl_easy_reset(exchange->easy); /* the connection stays, with the other handle */
		if (reusable) {
			pthread_mutex_lock(&curl->lock);
			if (curl->idle_count < HTTP_CURL_IDLE_MAX) {
				curl->idle[curl->idle_count++] = (struct http_handle){ exchange->easy, exchange->multi };
				exchange->easy = NULL;
				exchange->multi = NULL;
			}
			pthread_mutex_unlock(&curl->lock);
		}
	}
	close_handle(&(struct http_handle){ exchange->easy, exchange->multi });
	curl_slist_free_all(exchange->headers);
	curl_slist_free_all(exchange->connect_to);
	http_credentials_free(&exchange->credentials);
	free(exchange->url);
	*exchange = (struct http_exchange){ 0 };
}

bool http_exchange_error(const struct http_curl *curl, const struct http_request *request, const struct http_exchange *exchange,
			 CURLcode code, struct error *err)
{
	const char *why = exchange->problem[0] != '\0' ? exchange->problem : curl_easy_strerror(code);
	enum error_kind kind = ERROR_TRANSIENT;
	if (code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM || code == CURLE_URL_MALFORMAT ||
	    code == CURLE_UNSUPPORTED_PROTOCOL)
		kind = ERROR_INVALID;
	else if (exchange->sent > 0 && !exchange->safe)
		kind = ERROR_UNKNOWN_OUTCOME;
	if (code == CURLE_ABORTED_BY_CALLBACK && exchange->sent > 1)
		why = "the connection broke after the request was sent";
	return error_set(err, kind, "%s %s%s: %s", request->method, curl->base, request->path, why);
}

/* ---- one exchange ---- */

struct body_sink {
	struct buf *body;
	size_t max;
	bool passed_max;
};

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct body_sink *sink = context;
	size_t len = size * count;
	if (len > sink->max - sink->body->len) {
		sink->passed_max = true;
		return 0;
	}
	buf_append(sink->body, data, len);
	return len;
}

static bool exchange_once(struct http_curl *curl, const struct http_request *request, bool rejected, struct http_response *response,
			  struct error *err)
{
	struct http_exchange exchange;
	if (!http_exchange_prepare(curl, request, rejected, &exchange, err))
		return false;
	struct body_sink sink = { .body = &response->body, .max = curl->max_body };
	curl_easy_setopt(exchange.easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(exchange.easy, CURLOPT_WRITEDATA, &sink);
	curl_easy_setopt(exchange.easy, CURLOPT_TIMEOUT_MS, (long)(request->timeout_ms > 0 ? request->timeout_ms : 10000));
	http_exchange_work(&exchange, 0);
	while (!exchange.ended)
		http_exchange_work(&exchange, INT64_MAX);
	bool good = exchange.code == CURLE_OK;
	if (good) {
		long status = 0;
		char *type = NULL;
		curl_off_t after = 0;
		curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(exchange.easy, CURLINFO_CONTENT_TYPE, &type);
		curl_easy_getinfo(exchange.easy, CURLINFO_RETRY_AFTER, &after);
		response->status = (int)status;
		if (type != NULL)
			(void)snprintf(response->content_type, sizeof response->content_type, "%s", type);
		if (after > 0)
			response->retry_after_ms = (int64_t)(after > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : after) * 1000;
	} else if (sink.passed_max) {
		error_set(err, ERROR_LIMIT, "%s %s%s: the answer is larger than %zu bytes", request->method, curl->base, request->path,
			  sink.max);
	} else {
		http_exchange_error(curl, request, &exchange, exchange.code, err);
	}
	http_exchange_end(curl, &exchange, good);
	return good;
}

static bool curl_send(void *context, const struct http_request *request, struct http_response *response, struct error *err)
{
	struct http_curl *curl = context;
	if (!exchange_once(curl, request, false, response, err))
		return false;
	if (response->status != 401 || !http_curl_can_renew(curl))
		return true;
	http_response_free(response);
	return exchange_once(curl, request, true, response, err);
}

/* ---- opening and closing ---- */

static bool load_pem(const char *pem, const char *file, const char *what, char **out, struct error *err)
{
	if (pem == NULL && file == NULL)
		return true;
	if (pem != NULL)
		*out = mem_strdup(pem);
	else if (!read_file(file, what, out, err))
		return false;
	if (strstr(*out, "-----BEGIN ") == NULL)
		return error_set(err, ERROR_INVALID, "%s: %s is not in PEM form", file != NULL && pem == NULL ? file : "data", what);
	return true;
}

/* Where the certificate carries another name than the URL: ask for that name, but connect to the host. */
static bool set_server_name(struct http_curl *curl, const char *name, struct error *err)
{
	CURLU *url = curl_url();
	char *host = NULL, *port = NULL, *whole = NULL;
	bool good = url != NULL && curl_url_set(url, CURLUPART_URL, curl->base, 0) == CURLUE_OK &&
		    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	if (good && strcmp(host, name) != 0) {
		good = curl_url_set(url, CURLUPART_HOST, name, 0) == CURLUE_OK && curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK;
		if (good) {
			curl->connect_to = mem_printf("%s:%s:%s:%s", name, port, host, port);
			curl->host_header = mem_printf("%s:%s", host, port);
			free(curl->base);
			curl->base = mem_strdup(whole);
		}
	}
	curl_free(host);
	curl_free(port);
	curl_free(whole);
	curl_url_cleanup(url);
	return good || error_set(err, ERROR_INVALID, "tls-server-name %.200s is not a host name", name);
}

static bool set_base(struct http_curl *curl, const struct http_curl_options *options, struct error *err)
{
	const char *base = options->base_url;
	if (base == NULL || (!str_starts(base, "https://") && !str_starts(base, "http://")))
		return error_set(err, ERROR_INVALID, "server address %.200s: expected http:// or https://", base != NULL ? base : "\"\"");
	if (strpbrk(base, "?#") != NULL)
		return error_set(err, ERROR_INVALID, "server address %.200s: a query or fragment has no place in it", base);
	CURLU *url = curl_url();
	bool good = url != NULL && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK;
	curl_url_cleanup(url);
	if (!good)
		return error_set(err, ERROR_INVALID, "server address %.200s is not a URL", base);
	curl->base = mem_strdup(base);
	const char *name = options->tls_server_name;
	if (name != NULL && name[0] != '\0' && !set_server_name(curl, name, err))
		return false;
	for (size_t len = strlen(curl->base); len > 0 && curl->base[len - 1] == '/'; len--)
		curl->base[len - 1] = '\0';
	return true;
}

bool http_curl_open(const struct http_curl_options *options, struct http **out, struct error *err)
{
	pthread_once(&global_once, global_init);
	struct http_curl *curl = mem_alloc(sizeof *curl);
	pthread_mutex_init(&curl->lock, NULL);
	curl->http = (struct http){ .context = curl,
				    .send = curl_send,
				    .open = http_curl_stream_open,
				    .read = http_curl_stream_read,
				    .close = http_curl_stream_close };
	curl->unix_socket = mem_strdup(options->unix_socket);
	curl->proxy = mem_strdup(options->proxy);
	curl->user = mem_strdup(options->user);
	curl->password = mem_strdup(options->password);
	curl->aws_sigv4 = mem_strdup(options->aws_sigv4);
	curl->token = options->token_file == NULL ? mem_strdup(options->token) : NULL;
	curl->token_file = mem_strdup(options->token_file);
	curl->insecure = options->insecure;
	curl->max_body = options->max_body != 0 ? options->max_body : (size_t)64 << 20;
	curl->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : 5000;
	if (!set_base(curl, options, err) || !load_pem(options->ca_pem, options->ca_file, "the certificate authority", &curl->ca, err) ||
	    !load_pem(options->client_cert_pem, options->client_cert_file, "the client certificate", &curl->cert, err) ||
	    !load_pem(options->client_key_pem, options->client_key_file, "the client key", &curl->key, err)) {
		http_curl_close(&curl->http);
		return false;
	}
	if ((curl->cert == NULL) != (curl->key == NULL)) {
		http_curl_close(&curl->http);
		return error_set(err, ERROR_INVALID, "a client certificate and its key are needed together");
	}
	curl->credentials = options->credentials;
	curl->credentials_free = options->credentials_free;
	curl->credentials_context = options->credentials_context;
	*out = &curl->http;
	return true;
}

void http_curl_close(struct http *http)
{
	if (http == NULL)
		return;
	struct http_curl *curl = http->context;
	for (size_t i = 0; i < curl->idle_count; i++)
		close_handle(&curl->idle[i]);
	if (curl->credentials_free != NULL)
		curl->credentials_free(curl->credentials_context);
	char *const plain[] = { curl->base, curl->connect_to, curl->host_header, curl->unix_socket, curl->proxy,
				curl->user, curl->ca,	      curl->cert,	 curl->token_file,  curl->aws_sigv4 };
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		free(plain[i]);
	free_secret(curl->password);
	free_secret(curl->key);
	free_secret(curl->token);
	pthread_mutex_destroy(&curl->lock);
	free(curl);
}
