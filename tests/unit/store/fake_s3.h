/*
 * fake_s3: a bucket behind HTTP on the loopback, in a thread of the test program. It checks every signature by computing it anew with
 * OpenSSL from what arrived on the wire, as the specification of AWS signature version 4 says.
 */
#ifndef WEIR_TESTS_UNIT_STORE_FAKE_S3_H
#define WEIR_TESTS_UNIT_STORE_FAKE_S3_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/sha256.h"

enum { FAKE_KEYS = 400, FAKE_HEADERS = 40 };

struct fake_s3 {
	pthread_mutex_t lock;
	pthread_t thread;
	int listener, wake[2];
	char url[64];
	/* what the test sets, under the lock */
	char *keys[FAKE_KEYS];
	const char *access_key, *secret_key, *region, *token; /* of whom to serve; NULL access_key: everybody, unsigned */
	int status;					      /* answered to everything; 0: the truth */
	const char *status_code;			      /* the XML Code with it */
	const char *body;				      /* answered to every GET with 200; NULL: the truth */
	const char *only_method;			      /* that status and body concern; NULL: all */
	bool silent;					      /* never answers */
	bool no_bucket;
	size_t page;
	/* what it saw */
	unsigned requests, refused;
	char last_why[1200];
};

struct fake_request {
	char *method, *path, *query;
	char *names[FAKE_HEADERS], *values[FAKE_HEADERS];
	size_t count;
};

static const char *fake_header(const struct fake_request *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcasecmp(r->names[i], name) == 0)
			return r->values[i];
	return NULL;
}

static void fake_put_unescaped(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char hex[3] = { 0 };
		if (text[i] == '%' && i + 2 < len) {
			memcpy(hex, text + i + 1, 2);
			buf_putc(out, (char)strtol(hex, NULL, 16));
			i += 2;
		} else {
			buf_putc(out, text[i]);
		}
	}
}

/* The value of a query's parameter, or NULL; free() it. */
static char *fake_parameter(const struct fake_request *r, const char *name)
{
	for (const char *p = r->query; *p != '\0';) {
		size_t len = strcspn(p, "&"), key = strcspn(p, "=&");
		if (key == strlen(name) && strncmp(p, name, key) == 0) {
			AUTOBUF out = BUF_INIT;
			fake_put_unescaped(&out, p + key + 1, len - key - 1);
			return buf_take(&out);
		}
		p += len + (p[len] == '&');
	}
	return NULL;
}

/* ---- the signature ---- */

static int fake_by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every parameter decoded, encoded by the rule, and sorted. */
static void fake_canonical_query(const char *query, struct buf *out)
{
	char *items[32];
	size_t count = 0;
	for (const char *p = query; *p != '\0' && count < ARRAY_SIZE(items);) {
		size_t len = strcspn(p, "&"), key = strcspn(p, "=&");
		AUTOBUF name = BUF_INIT, value = BUF_INIT, item = BUF_INIT;
		fake_put_unescaped(&name, p, key);
		if (key < len)
			fake_put_unescaped(&value, p + key + 1, len - key - 1);
		buf_put_url(&item, buf_text(&name));
		buf_putc(&item, '=');
		buf_put_url(&item, buf_text(&value));
		items[count++] = buf_take(&item);
		p += len + (p[len] == '&');
	}
	qsort(items, count, sizeof *items, fake_by_text);
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, "%s%s", i == 0 ? "" : "&", items[i]);
		free(items[i]);
	}
}

static void fake_canonical_path(const char *path, struct buf *out)
{
	while (*path != '\0') {
		size_t len = strcspn(path, "/");
		AUTOBUF part = BUF_INIT;
		fake_put_unescaped(&part, path, len);
		buf_put_url(out, buf_text(&part));
		path += len;
		if (*path == '/') {
			buf_putc(out, '/');
			path++;
		}
	}
}

static void fake_hmac(unsigned char key[32], int key_len, const char *text)
{
	unsigned char out[32];
	unsigned len = sizeof out;
	(void)HMAC(EVP_sha256(), key, key_len, (const unsigned char *)text, strlen(text), out, &len);
	memcpy(key, out, sizeof out);
}

static bool fake_refuse(struct fake_s3 *s, const char *why)
{
	(void)snprintf(s->last_why, sizeof s->last_why, "%s", why);
	s->refused++;
	return false;
}

static bool fake_signed(struct fake_s3 *s, const struct fake_request *r)
{
	const char *auth = fake_header(r, "Authorization"), *date = fake_header(r, "X-Amz-Date");
	const char *payload = fake_header(r, "X-Amz-Content-Sha256");
	char key[100], day[9], region[64], names[400], signature[65], expected[65], hash[65];
	static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	if (auth == NULL || date == NULL || payload == NULL || strcmp(payload, empty) != 0)
		return fake_refuse(s, "no Authorization, X-Amz-Date or X-Amz-Content-Sha256 of nothing");
	AUTOFREE char *text = mem_strdup(auth);
	const char *c = strstr(text, "Credential="), *h = strstr(text, "SignedHeaders="), *g = strstr(text, "Signature=");
	if (strncmp(text, "AWS4-HMAC-SHA256 ", 17) != 0 || c == NULL || h == NULL || g == NULL)
		return fake_refuse(s, "not an AWS4-HMAC-SHA256 Authorization");
	c += strlen("Credential=");
	h += strlen("SignedHeaders=");
	g += strlen("Signature=");
	(void)snprintf(key, sizeof key, "%.*s", (int)strcspn(c, "/"), c);
	c += strcspn(c, "/") + 1;
	(void)snprintf(day, sizeof day, "%.*s", (int)strcspn(c, "/"), c);
	c += strcspn(c, "/") + 1;
	(void)snprintf(region, sizeof region, "%.*s", (int)strcspn(c, "/"), c);
	(void)snprintf(names, sizeof names, "%.*s", (int)strcspn(h, ","), h);
	(void)snprintf(signature, sizeof signature, "%.64s", g);
	if (strcmp(key, s->access_key) != 0 || strcmp(region, s->region) != 0 || strncmp(day, date, 8) != 0)
		return fake_refuse(s, "another key, region or day");
	const char *token = fake_header(r, "X-Amz-Security-Token");
	if (!str_eq(token, s->token))
		return fake_refuse(s, "another session token");

	AUTOBUF canonical = BUF_INIT, to_sign = BUF_INIT;
	buf_printf(&canonical, "%s\n", r->method);
	fake_canonical_path(r->path, &canonical);
	buf_putc(&canonical, '\n');
	fake_canonical_query(r->query, &canonical);
	buf_putc(&canonical, '\n');
	AUTOFREE char *list = mem_strdup(names);
	char *rest = NULL;
	bool host = false, amz_date = false, session = token == NULL;
	for (char *name = strtok_r(list, ";", &rest); name != NULL; name = strtok_r(NULL, ";", &rest)) {
		const char *value = fake_header(r, name);
		if (value == NULL)
			return fake_refuse(s, "a signed header did not arrive");
		buf_printf(&canonical, "%s:%s\n", name, value);
		host = host || strcmp(name, "host") == 0;
		amz_date = amz_date || strcmp(name, "x-amz-date") == 0;
		session = session || strcmp(name, "x-amz-security-token") == 0;
	}
	if (!host || !amz_date || !session)
		return fake_refuse(s, "host, x-amz-date or the session token is not signed");
	buf_printf(&canonical, "\n%s\n%s", names, payload);
	sha256_hex(canonical.data, canonical.len, hash);
	buf_printf(&to_sign, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", date, day, region, hash);
	AUTOFREE char *secret = mem_printf("AWS4%s", s->secret_key);
	unsigned char k[32];
	unsigned len = sizeof k;
	(void)HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)day, strlen(day), k, &len);
	fake_hmac(k, 32, region);
	fake_hmac(k, 32, "s3");
	fake_hmac(k, 32, "aws4_request");
	fake_hmac(k, 32, buf_text(&to_sign));
	AUTOBUF hex = BUF_INIT;
	buf_put_hex(&hex, k, 32);
	(void)snprintf(expected, sizeof expected, "%s", buf_text(&hex));
	if (strcmp(expected, signature) != 0)
		return fake_refuse(s, buf_text(&canonical));
	return true;
}

/* ---- the bucket ---- */

static size_t fake_find(const struct fake_s3 *s, const char *key)
{
	size_t i = 0;
	while (i < FAKE_KEYS && (s->keys[i] == NULL || strcmp(s->keys[i], key) != 0))
		i++;
	return i;
}

static void fake_answer(const struct fake_request *r, int status, const char *body, struct buf *out)
{
	buf_printf(out, "HTTP/1.1 %d X\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
		   status == 204 ? 0 : strlen(body));
	if (strcmp(r->method, "HEAD") != 0 && status != 204)
		buf_puts(out, body);
}

static void fake_error(const struct fake_request *r, int status, const char *code, struct buf *out)
{
	AUTOFREE char *body = mem_printf("<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>told so</Message></Error>", code);
	fake_answer(r, status, body, out);
}

static void fake_put_name(struct buf *out, const char *element, const char *name, size_t len)
{
	buf_printf(out, "<%s>", element);
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '&' || name[i] == '<')
			buf_printf(out, "&#%d;", name[i]);
		else
			buf_putc(out, name[i]);
	}
	buf_printf(out, "</%s>", element);
}

/* ListObjectsV2: keys and common prefixes in order, s->page of them together; the token is the last one given. */
static void fake_list(const struct fake_s3 *s, const struct fake_request *r, struct buf *out)
{
	AUTOFREE char *prefix = fake_parameter(r, "prefix");
	AUTOFREE char *delimiter = fake_parameter(r, "delimiter");
	AUTOFREE char *after = fake_parameter(r, "continuation-token");
	char *sorted[FAKE_KEYS];
	size_t count = 0, given = 0;
	for (size_t i = 0; i < FAKE_KEYS; i++)
		if (s->keys[i] != NULL && str_starts(s->keys[i], prefix))
			sorted[count++] = s->keys[i];
	if (count > 0)
		qsort(sorted, count, sizeof *sorted, fake_by_text);
	AUTOBUF xml = BUF_INIT;
	AUTOFREE char *last = mem_strdup(after != NULL ? after + 1 : "");
	bool truncated = false;
	buf_puts(&xml, "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < count && !truncated; i++) {
		const char *slash = delimiter != NULL ? strstr(sorted[i] + strlen(prefix), delimiter) : NULL;
		AUTOFREE char *name = mem_strndup(sorted[i], slash != NULL ? (size_t)(slash - sorted[i]) + 1 : strlen(sorted[i]));
		if (strcmp(name, last) <= 0 && *last != '\0')
			continue;
		truncated = given++ == s->page;
		if (truncated)
			break;
		buf_puts(&xml, slash != NULL ? "<CommonPrefixes>" : "<Contents>");
		fake_put_name(&xml, slash != NULL ? "Prefix" : "Key", name, strlen(name));
		buf_puts(&xml, slash != NULL ? "</CommonPrefixes>" : "<Size>1</Size></Contents>");
		free(last);
		last = TAKE(name);
	}
	buf_printf(&xml, "<IsTruncated>%s</IsTruncated>", truncated ? "true" : "false");
	if (truncated) {
		AUTOFREE char *token = mem_printf("=%s", last);
		fake_put_name(&xml, "NextContinuationToken", token, strlen(token));
	}
	buf_puts(&xml, "</ListBucketResult>");
	fake_answer(r, 200, buf_text(&xml), out);
}

static void fake_serve(struct fake_s3 *s, const struct fake_request *r, struct buf *out)
{
	s->requests++;
	bool concerned = s->only_method == NULL || strcmp(s->only_method, r->method) == 0;
	if (s->access_key != NULL && !fake_signed(s, r)) {
		fake_error(r, 403, "SignatureDoesNotMatch", out);
	} else if (concerned && s->status != 0) {
		fake_error(r, s->status, s->status_code, out);
	} else if (concerned && s->body != NULL && strcmp(r->method, "GET") == 0) {
		fake_answer(r, 200, s->body, out);
	} else if (s->no_bucket || !(strcmp(r->path, "/bucket/") == 0 || str_starts(r->path, "/bucket/"))) {
		fake_error(r, 404, "NoSuchBucket", out);
	} else if (strcmp(r->path, "/bucket/") == 0) {
		fake_list(s, r, out);
	} else {
		AUTOBUF key = BUF_INIT;
		fake_put_unescaped(&key, r->path + strlen("/bucket/"), strlen(r->path) - strlen("/bucket/"));
		size_t at = fake_find(s, buf_text(&key));
		if (strcmp(r->method, "DELETE") == 0) {
			if (at < FAKE_KEYS) {
				free(s->keys[at]);
				s->keys[at] = NULL;
			}
			fake_answer(r, 204, "", out);
		} else if (at < FAKE_KEYS) {
			fake_answer(r, fake_header(r, "Range") != NULL ? 206 : 200, "m", out);
		} else {
			fake_error(r, 404, "NoSuchKey", out);
		}
	}
}

/* ---- the wire ---- */

static bool fake_parse(char *text, struct fake_request *r)
{
	char *line = text, *rest = NULL;
	r->method = strtok_r(line, " ", &rest);
	r->path = strtok_r(NULL, " ", &rest);
	if (r->method == NULL || r->path == NULL || strtok_r(NULL, "\n", &rest) == NULL)
		return false;
	r->query = strchr(r->path, '?');
	if (r->query != NULL)
		*r->query++ = '\0';
	else
		r->query = r->path + strlen(r->path);
	for (char *l = strtok_r(NULL, "\r\n", &rest); l != NULL && r->count < FAKE_HEADERS; l = strtok_r(NULL, "\r\n", &rest)) {
		char *colon = strchr(l, ':');
		if (colon == NULL)
			return false;
		*colon = '\0';
		r->names[r->count] = l;
		r->values[r->count++] = colon + 1 + strspn(colon + 1, " ");
	}
	return true;
}

static bool fake_wait(struct fake_s3 *s, int fd)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = s->wake[0], .events = POLLIN } };
	return poll(fds, 2, -1) > 0 && fds[1].revents == 0;
}

static void fake_connection(struct fake_s3 *s, int fd)
{
	char text[16384];
	size_t len = 0;
	text[0] = '\0';
	while (len < sizeof text - 1 && strstr(text, "\r\n\r\n") == NULL) {
		ssize_t n = fake_wait(s, fd) ? read(fd, text + len, sizeof text - 1 - len) : 0;
		if (n <= 0)
			return;
		len += (size_t)n;
		text[len] = '\0';
	}
	struct fake_request request = { 0 };
	AUTOBUF out = BUF_INIT;
	pthread_mutex_lock(&s->lock);
	bool silent = s->silent;
	if (!silent && fake_parse(text, &request))
		fake_serve(s, &request, &out);
	pthread_mutex_unlock(&s->lock);
	if (silent)
		(void)fake_wait(s, fd); /* until the client gives up */
	for (size_t sent = 0; sent < out.len;) {
		ssize_t n = send(fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		sent += (size_t)n;
	}
}

static void *fake_run(void *context)
{
	struct fake_s3 *s = context;
	while (fake_wait(s, s->listener)) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			continue;
		fake_connection(s, fd);
		close(fd);
	}
	return NULL;
}

static struct fake_s3 *fake_s3_start(void)
{
	struct fake_s3 *s = mem_alloc(sizeof *s);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	pthread_mutex_init(&s->lock, NULL);
	s->page = 1000;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(s->listener, 16), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(pipe(s->wake), 0);
	(void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, fake_run, s), 0);
	return s;
}

static void fake_s3_stop(struct fake_s3 *s)
{
	close(s->wake[1]);
	pthread_join(s->thread, NULL);
	close(s->wake[0]);
	close(s->listener);
	for (size_t i = 0; i < FAKE_KEYS; i++)
		free(s->keys[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void fake_s3_put(struct fake_s3 *s, const char *key)
{
	size_t i = 0;
	pthread_mutex_lock(&s->lock);
	while (i < FAKE_KEYS && s->keys[i] != NULL)
		i++;
	assert_true(i < FAKE_KEYS);
	s->keys[i] = mem_strdup(key);
	pthread_mutex_unlock(&s->lock);
}

static size_t fake_s3_count(struct fake_s3 *s)
{
	size_t count = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < FAKE_KEYS; i++)
		count += s->keys[i] != NULL;
	pthread_mutex_unlock(&s->lock);
	return count;
}

#endif
