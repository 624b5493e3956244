/* Jars over HTTP: plain addresses with their redirects, and objects of S3-compatible stores, whose requests libcurl signs. */
#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/wtime.h"
#include "flink/artifact_internal.h"

enum { HOPS_MAX = 5, TIMEOUT_MS = 60000, CONNECT_MS = 10000, SECRET_MAX = 4096 };
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- which addresses ---- */

static bool is_public_v4(uint32_t a) /* in host order */
{
	static const struct {
		uint32_t net;
		int bits;
	} others[] = { { 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0x7f000000, 8 },  { 0xa9fe0000, 16 },
		       { 0xac100000, 12 }, { 0xc0000000, 24 }, { 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xe0000000, 3 } };
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if ((a ^ others[i].net) >> (32 - others[i].bits) == 0)
			return false;
	return true;
}

static uint32_t read_v4(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool is_public_v6(const unsigned char a[16])
{
	static const unsigned char zeros[16], nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	if (memcmp(a, mapped, sizeof(mapped)) == 0 || memcmp(a, nat64, sizeof(nat64)) == 0)
		return is_public_v4(read_v4(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 carries an IPv4 address behind its prefix */
		return is_public_v4(read_v4(a + 2));
	if (memcmp(a, zeros, 12) == 0)
		return false;
	/* only 2000::/3 is in use on the internet: not fc00::/7, fe80::/10, ff00::/8 */
	return (a[0] & 0xe0) == 0x20;
}

bool address_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_public_v4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	if (address->sa_family == AF_INET6)
		return is_public_v6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
	return false;
}

bool host_in(const char *const *list, const char *host)
{
	for (; list != NULL && *list != NULL; list++) {
		if (strcasecmp(*list, host) == 0)
			return true;
		size_t suffix = strlen(*list), len = strlen(host);
		if (str_starts(*list, "*.") && len > suffix - 1 && strcasecmp(host + len - (suffix - 1), *list + 1) == 0)
			return true;
	}
	return false;
}

/* ---- one request ---- */

struct hop {
	const struct flink_artifact_options *options;
	struct sink *sink;
	CURL *easy;
	bool any_address;
	char refused[INET6_ADDRSTRLEN]; /* the address to which no connection was made */
	bool stopped;
};

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct hop *hop = context;
	(void)purpose;
	if (!hop->any_address && !address_is_public(&address->addr)) {
		const void *raw = address->family == AF_INET6
					  ? (const void *)&((const struct sockaddr_in6 *)(const void *)&address->addr)->sin6_addr
					  : (const void *)&((const struct sockaddr_in *)(const void *)&address->addr)->sin_addr;
		(void)inet_ntop(address->family, raw, hop->refused, sizeof(hop->refused));
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct hop *hop = context;
	long status = 0;
	curl_easy_getinfo(hop->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) /* nobody reads the text of a refusal or a redirect */
		return size * count;
	return sink_add(hop->sink, data, size * count) ? size * count : 0;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct hop *hop = context;
	(void)total, (void)now, (void)up_total, (void)up_now;
	hop->stopped = hop->options->stop != NULL && hop->options->stop(hop->options->stop_context);
	return hop->stopped;
}

static void set_up(struct hop *hop, const char *url, int64_t left_ms)
{
	CURL *easy = hop->easy;
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* behind a proxy nobody could tell where the jar comes from */
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, hop);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, hop);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, hop);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	if (hop->options->ca_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, hop->options->ca_file);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
}

/* What an answer other than 200 means. */
static bool refuse(long status, const char *host, struct error *err)
{
	enum error_kind kind = status == 401 || status == 403			 ? ERROR_FORBIDDEN
			       : status == 404 || status == 410			 ? ERROR_NOT_FOUND
			       : status >= 500 || status == 429 || status == 408 ? ERROR_TRANSIENT
										 : ERROR_INVALID;
	return error_set(err, kind, "%.200s answered %ld", host, status);
}

/* Sends what is set up; *next is where a redirect leads (owned), NULL if the body is in the sink. */
static bool perform(struct hop *hop, const char *host, char **next, struct error *err)
{
	char text[CURL_ERROR_SIZE] = "";
	curl_easy_setopt(hop->easy, CURLOPT_ERRORBUFFER, text);
	CURLcode code = curl_easy_perform(hop->easy);
	curl_easy_setopt(hop->easy, CURLOPT_ERRORBUFFER, NULL);
	if (code != CURLE_OK) {
		if (hop->refused[0] != '\0')
			return error_set(err, ERROR_FORBIDDEN, "%.200s has the address %s, which is not a public one", host, hop->refused);
		if (hop->stopped)
			return error_set(err, ERROR_TRANSIENT, "stopped");
		if (code == CURLE_WRITE_ERROR)
			return false; /* the sink knows why */
		enum error_kind kind = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_SSL_CACERT_BADFILE
					       ? ERROR_INVALID
					       : ERROR_TRANSIENT;
		return error_set(err, kind, "%.200s: %s", host, text[0] != '\0' ? text : curl_easy_strerror(code));
	}
	long status = 0;
	char *location = NULL;
	curl_easy_getinfo(hop->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(hop->easy, CURLINFO_REDIRECT_URL, &location);
	if (status == 200)
		return true;
	if (status >= 300 && status < 400 && location != NULL) {
		*next = mem_strdup(location);
		return true;
	}
	return refuse(status, host, err);
}

static char *url_part(const char *url, CURLUPart part)
{
	CURLU *parsed = curl_url();
	char *text = NULL, *copy = NULL;
	if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parsed, part, &text, 0) == CURLUE_OK) {
		copy = mem_strdup(text);
		curl_free(text);
	}
	curl_url_cleanup(parsed);
	return copy;
}

static int64_t now_ms(void)
{
	const struct clock clock = clock_real();
	return clock_mono_ms(&clock);
}

static void free_easy(CURL **easy)
{
	curl_easy_cleanup(*easy);
}

static void free_headers(struct curl_slist **headers)
{
	curl_slist_free_all(*headers);
}

static void add_header(struct curl_slist **headers, const char *line)
{
	struct curl_slist *more = curl_slist_append(*headers, line);
	if (more != NULL)
		*headers = more;
}

/* ---- http and https ---- */

bool artifact_fetch_http(const struct flink_artifact_options *options, const char *uri, struct sink *sink, struct error *err)
{
	int64_t deadline = now_ms() + (options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS);
	CLEANUP(free_easy) CURL *easy = curl_easy_init();
	CLEANUP(free_headers) struct curl_slist *headers = NULL;
	AUTOFREE char *url = mem_strdup(uri), *first_host = NULL;
	if (easy == NULL)
		return error_set(err, ERROR_BUG, "libcurl cannot be started");
	for (const char *const *line = options->headers; line != NULL && *line != NULL; line++)
		add_header(&headers, *line);
	for (int hops = 0;; hops++) {
		AUTOFREE char *host = url_part(url, CURLUPART_HOST), *scheme = url_part(url, CURLUPART_SCHEME), *next = NULL;
		int64_t left = deadline - now_ms();
		if (host == NULL || scheme == NULL)
			return error_set(err, ERROR_INVALID, "expected https://HOST/PATH%s", hops > 0 ? " in a redirect" : "");
		if ((strcasecmp(scheme, "https") != 0 && strcasecmp(scheme, "http") != 0) || !scheme_allowed(options, scheme))
			return error_set(err, ERROR_FORBIDDEN, "a redirect leads to the scheme %.20s, which is not allowed", scheme);
		if (options->hosts != NULL && !host_in(options->hosts, host) && !host_in(options->private_hosts, host))
			return error_set(err, ERROR_FORBIDDEN, "the host %.200s is not allowed%s", host,
					 hops > 0 ? "; a redirect leads there" : "");
		if (left <= 0)
			return error_set(err, ERROR_TRANSIENT, "%.200s: not finished in time", host);
		struct hop hop = { .options = options, .sink = sink, .easy = easy, .any_address = host_in(options->private_hosts, host) };
		curl_easy_reset(easy);
		set_up(&hop, url, left);
		if (hops == 0)
			first_host = mem_strdup(host);
		if (strcasecmp(first_host, host) == 0) /* they may hold a credential */
			curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
		if (!perform(&hop, host, &next, err))
			return false;
		if (next == NULL)
			return true;
		if (hops + 1 > HOPS_MAX)
			return error_set(err, ERROR_INVALID, "more than %d redirects", (int)HOPS_MAX);
		free(url);
		url = TAKE(next);
	}
}

/* ---- s3 ---- */

static bool read_secret(const char *file, char **out, struct error *err)
{
	char text[SECRET_MAX + 1];
	CLEANUP(close_fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, SECRET_MAX) : -1;
	if (got < 0)
		return error_set(err, ERROR_FORBIDDEN, "credentials: %s: %s", file, strerror(errno));
	while (got > 0 && isspace((unsigned char)text[got - 1]))
		got--;
	*out = mem_strndup(text, (size_t)got);
	return true;
}

/* Signs the request where there are credentials. */
static bool sign(CURL *easy, const struct flink_artifact_s3 *place, struct curl_slist **headers, struct error *err)
{
	AUTOFREE char *access = NULL, *secret = NULL, *token = NULL;
	if (place->access_key_file == NULL || place->secret_key_file == NULL)
		return true;
	if (!read_secret(place->access_key_file, &access, err) || !read_secret(place->secret_key_file, &secret, err) ||
	    (place->session_token_file != NULL && !read_secret(place->session_token_file, &token, err)))
		return false;
	AUTOFREE char *how = mem_printf("aws:amz:%s:s3", place->region != NULL ? place->region : "us-east-1");
	curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, how);
	curl_easy_setopt(easy, CURLOPT_USERNAME, access);
	curl_easy_setopt(easy, CURLOPT_PASSWORD, secret);
	add_header(headers, "x-amz-content-sha256: " EMPTY_SHA256);
	if (token != NULL) {
		AUTOFREE char *line = mem_printf("x-amz-security-token: %s", token);
		add_header(headers, line);
	}
	return true;
}

static const struct flink_artifact_s3 *place_of(const struct flink_artifact_options *options, const char *uri)
{
	const struct flink_artifact_s3 *found = NULL;
	for (size_t i = 0; i < options->s3_count; i++) {
		const struct flink_artifact_s3 *place = &options->s3[i];
		size_t len = strlen(place->prefix);
		bool fits = strncmp(uri, place->prefix, len) == 0 && (uri[len] == '/' || (len > 0 && place->prefix[len - 1] == '/'));
		if (fits && (found == NULL || len > strlen(found->prefix)))
			found = place;
	}
	return found;
}

/* The address of the object at its server. */
static void put_url(const struct flink_artifact_s3 *place, const char *bucket, const char *key, struct buf *out)
{
	AUTOBUF base = BUF_INIT;
	if (place->endpoint != NULL)
		buf_puts(&base, place->endpoint);
	else
		buf_printf(&base, "https://s3.%s.amazonaws.com", place->region != NULL ? place->region : "us-east-1");
	while (base.len > 0 && base.data[base.len - 1] == '/')
		base.data[--base.len] = '\0';
	const char *authority = strstr(base.data, "://");
	if (place->path_style || authority == NULL)
		buf_printf(out, "%s/%s", base.data, bucket);
	else
		buf_printf(out, "%.*s%s.%s", (int)(authority + 3 - base.data), base.data, bucket, authority + 3);
	while (*key != '\0') {
		size_t len = strcspn(key, "/");
		AUTOFREE char *part = mem_strndup(key, len);
		buf_putc(out, '/');
		buf_put_url(out, part);
		key += len;
		key += *key == '/';
	}
}

bool artifact_fetch_s3(const struct flink_artifact_options *options, const char *uri, struct sink *sink, struct error *err)
{
	static const char scheme[] = "s3://";
	const struct flink_artifact_s3 *place = place_of(options, uri);
	const char *rest = str_starts(uri, scheme) ? uri + sizeof(scheme) - 1 : "", *slash = strchr(rest, '/');
	if (slash == NULL || slash == rest || slash[1] == '\0')
		return error_set(err, ERROR_INVALID, "expected s3://BUCKET/KEY");
	if (place == NULL)
		return error_set(err, ERROR_FORBIDDEN, "no store is configured for it");
	AUTOFREE char *bucket = mem_strndup(rest, (size_t)(slash - rest)), *next = NULL;
	AUTOBUF url = BUF_INIT;
	put_url(place, bucket, slash + 1, &url);
	AUTOFREE char *host = url_part(buf_text(&url), CURLUPART_HOST);
	CLEANUP(free_easy) CURL *easy = curl_easy_init();
	CLEANUP(free_headers) struct curl_slist *headers = NULL;
	if (easy == NULL || host == NULL)
		return error_set(err, ERROR_INVALID, "expected an endpoint https://HOST, found %.200s", place->endpoint);
	struct hop hop = { .options = options, .sink = sink, .easy = easy, .any_address = place->endpoint != NULL };
	set_up(&hop, buf_text(&url), options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS);
	if (!sign(easy, place, &headers, err))
		return false;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	if (!perform(&hop, host, &next, err))
		return false;
	return next == NULL ||
	       error_set(err, ERROR_INVALID, "%.200s answered with a redirect: its region or endpoint is another one", host);
}
