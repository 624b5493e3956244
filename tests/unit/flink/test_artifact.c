/* Fetching jars, from a server of the test's own on the loopback. */
#include "flink_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flink/artifact.h"
#include "flink/artifact_internal.h"

#define JAR	"PK-not-really-a-jar"
#define JAR_SHA "55ee2ca32a59ee9dcff4c2d5ac9ce39fc5fa4bbff9d5ba6ac1bb54d4e4c1fa4a"

static struct {
	int fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	int requests;
	char last[8192]; /* the last request's head */
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static char work[] = "/tmp/weir-artifact-XXXXXX";

static void say(int fd, const char *text)
{
	for (size_t len = strlen(text); len > 0;) {
		ssize_t done = send(fd, text, len, MSG_NOSIGNAL);
		if (done <= 0)
			return;
		text += done;
		len -= (size_t)done;
	}
}

static void answer(int fd, const char *path)
{
	AUTOFREE char *moved = NULL;
	if (strcmp(path, "/job.jar") == 0 || str_starts(path, "/bucket/") || strcmp(path, "/job.jar?token=secret") == 0) {
		AUTOFREE char *text = mem_printf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(JAR), JAR);
		say(fd, text);
		return;
	}
	if (strcmp(path, "/to-name") == 0)
		moved = mem_printf("/job.jar");
	if (strcmp(path, "/to-address") == 0)
		moved = mem_printf("http://127.0.0.1:%u/job.jar", server.port);
	if (strcmp(path, "/to-file") == 0)
		moved = mem_printf("file:///etc/passwd");
	if (strcmp(path, "/to-ftp") == 0)
		moved = mem_printf("ftp://localhost/job.jar");
	if (strcmp(path, "/for-ever") == 0)
		moved = mem_printf("/for-ever");
	if (moved != NULL) {
		AUTOFREE char *text =
			mem_printf("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved", moved);
		say(fd, text);
		return;
	}
	if (strcmp(path, "/endless") == 0) {
		say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
		static char block[65536];
		memset(block, 'x', sizeof(block) - 1);
		for (int i = 0; i < 10000 && send(fd, block, sizeof(block) - 1, MSG_NOSIGNAL) > 0; i++)
			;
		return;
	}
	say(fd, strcmp(path, "/secret") == 0   ? "HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
		: strcmp(path, "/broken") == 0 ? "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
					       : "HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

static void *serve(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = accept(server.fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		char head[sizeof(server.last)], path[1024] = "";
		size_t len = 0;
		ssize_t got;
		head[0] = '\0';
		while (len + 1 < sizeof(head) && strstr(head, "\r\n\r\n") == NULL &&
		       (got = recv(fd, head + len, sizeof(head) - 1 - len, 0)) > 0) {
			len += (size_t)got;
			head[len] = '\0';
		}
		const char *start = strchr(head, ' ');
		if (start != NULL)
			(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(start + 1, " "), start + 1);
		pthread_mutex_lock(&server.lock);
		server.requests++;
		memcpy(server.last, head, sizeof(head));
		pthread_mutex_unlock(&server.lock);
		answer(fd, path);
		(void)shutdown(fd, SHUT_WR);
		(void)close(fd);
	}
}

static int set_up(void **state)
{
	(void)state;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (mkdtemp(work) == NULL || server.fd < 0 || bind(server.fd, (struct sockaddr *)&at, len) != 0 || listen(server.fd, 8) != 0 ||
	    getsockname(server.fd, (struct sockaddr *)&at, &len) != 0)
		return -1;
	server.port = ntohs(at.sin_port);
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	(void)shutdown(server.fd, SHUT_RDWR);
	(void)close(server.fd);
	(void)pthread_join(server.thread, NULL);
	return nftw(work, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *const local_names[] = { "localhost", NULL };

static struct flink_artifact_options options_of(const char *cache)
{
	return (struct flink_artifact_options){
		.cache_dir = cache, .schemes = "http;s3;file", .private_hosts = local_names, .timeout_ms = 10000
	};
}

static char *cache_named(const char *name)
{
	return mem_printf("%s/deep/%s", work, name);
}

static bool fetch(const struct flink_artifact_options *options, const char *path, const char *digest, struct flink_artifact *out,
		  struct error *err)
{
	AUTOFREE char *uri = mem_printf("http://localhost:%u%s", server.port, path);
	*err = ERROR_INIT;
	return flink_artifact_fetch(options, uri, digest, out, err);
}

static void assert_content(const char *path, const char *expected, size_t len)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	char text[256];
	size_t got = fread(text, 1, sizeof(text), file);
	(void)fclose(file);
	assert_int_equal(got, len);
	assert_memory_equal(text, expected, len);
}

static int requests(void)
{
	pthread_mutex_lock(&server.lock);
	int count = server.requests;
	pthread_mutex_unlock(&server.lock);
	return count;
}

static void fetched(void **state)
{
	(void)state;
	AUTOFREE char *cache = cache_named("fetched");
	struct flink_artifact_options options = options_of(cache);
	static const char *const headers[] = { "Authorization: Bearer t0ken", NULL };
	options.headers = headers;
	struct error err;
	AUTOARTIFACT jar = { 0 }, again = { 0 };
	if (!fetch(&options, "/to-name", NULL, &jar, &err)) /* a redirect within an allowed host */
		fail_msg("%s", err.message);
	assert_int_equal(jar.bytes, strlen(JAR));
	assert_content(jar.path, JAR, strlen(JAR));
	pthread_mutex_lock(&server.lock);
	assert_non_null(strstr(server.last, "\r\nAuthorization: Bearer t0ken\r\n"));
	pthread_mutex_unlock(&server.lock);
	/* with its digest it is not asked for again, unless the file was changed */
	int before = requests();
	AUTOFREE char *digest = mem_printf("sha256:%s", jar.digest);
	assert_true(fetch(&options, "/job.jar", digest, &again, &err));
	assert_string_equal(again.path, jar.path);
	assert_int_equal(requests(), before);
	assert_int_equal(truncate(jar.path, 3), 0);
	flink_artifact_free(&again);
	assert_true(fetch(&options, "/job.jar", digest, &again, &err));
	assert_int_equal(requests(), before + 1);
	assert_content(again.path, JAR, strlen(JAR));
}

static void refused(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		enum error_kind kind;
		const char *words;
	} rows[] = {
		{ "/to-address", ERROR_FORBIDDEN, "127.0.0.1, which is not a public one" },
		{ "/to-file", ERROR_INVALID, "in a redirect" },
		{ "/to-ftp", ERROR_FORBIDDEN, "the scheme ftp" },
		{ "/for-ever", ERROR_INVALID, "more than 5 redirects" },
		{ "/endless", ERROR_LIMIT, "larger than 100000 bytes" },
		{ "/nothing", ERROR_NOT_FOUND, "404" },
		{ "/secret", ERROR_FORBIDDEN, "403" },
		{ "/broken", ERROR_TRANSIENT, "503" },
	};
	AUTOFREE char *cache = cache_named("refused");
	struct flink_artifact_options options = options_of(cache);
	options.max_bytes = 100000;
	options.schemes = "http";
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err;
		AUTOARTIFACT jar = { 0 };
		assert_false(fetch(&options, rows[i].path, NULL, &jar, &err));
		if (err.kind != rows[i].kind || strstr(err.message, rows[i].words) == NULL)
			fail_msg("%s: %s: %s", rows[i].path, error_kind_name(err.kind), err.message);
		assert_null(jar.path);
	}
	assert_int_equal(rmdir(cache), 0); /* nothing half-fetched stays */
}

static void addresses(void **state)
{
	(void)state;
	AUTOFREE char *cache = cache_named("addresses");
	struct flink_artifact_options options = options_of(cache);
	options.private_hosts = NULL;
	struct error err;
	AUTOARTIFACT jar = { 0 };
	int before = requests();
	assert_false(fetch(&options, "/job.jar?token=secret", NULL, &jar, &err)); /* the first hop, too */
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	assert_null(strstr(err.message, "secret"));
	static const char *const only[] = { "*.example.org", NULL };
	options.hosts = only;
	assert_false(fetch(&options, "/job.jar", NULL, &jar, &err));
	assert_non_null(strstr(err.message, "the host localhost is not allowed"));
	assert_int_equal(requests(), before);
	assert_false(flink_artifact_fetch(&options, "ftp://user:pw@h/x?y=z", NULL, &jar, &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	assert_null(strstr(err.message, "pw"));
	assert_false(flink_artifact_fetch(&options, "local:///a.jar", NULL, &jar, &err));
	assert_int_equal(err.kind, ERROR_UNSUPPORTED);
	assert_false(flink_artifact_fetch(&options, "a.jar", NULL, &jar, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
}

static void public_or_not(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_public;
	} rows[] = { { "8.8.8.8", true },
		     { "172.15.255.255", true },
		     { "172.32.0.1", true },
		     { "100.128.0.1", true },
		     { "127.0.0.1", false },
		     { "10.1.2.3", false },
		     { "172.16.0.1", false },
		     { "192.168.1.1", false },
		     { "169.254.169.254", false },
		     { "100.64.0.1", false },
		     { "0.0.0.0", false },
		     { "224.0.0.1", false },
		     { "255.255.255.255", false },
		     { "2606:4700::1111", true },
		     { "::1", false },
		     { "::", false },
		     { "fe80::1", false },
		     { "fd00::1", false },
		     { "ff02::1", false },
		     { "::ffff:10.0.0.1", false },
		     { "::ffff:8.8.8.8", true },
		     { "64:ff9b::a00:1", false },
		     { "2002:a9fe:a9fe::1", false },
		     { "::10.0.0.1", false } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		bool is_v6 = strchr(rows[i].text, ':') != NULL;
		assert_int_equal(is_v6 ? inet_pton(AF_INET6, rows[i].text, &v6.sin6_addr) : inet_pton(AF_INET, rows[i].text, &v4.sin_addr),
				 1);
		if (address_is_public(is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4) != rows[i].is_public)
			fail_msg("%s", rows[i].text);
	}
	static const char *const hosts[] = { "a.org", "*.b.org", NULL };
	assert_true(host_in(hosts, "A.org"));
	assert_true(host_in(hosts, "x.y.b.org"));
	assert_false(host_in(hosts, "b.org"));
	assert_false(host_in(hosts, "xb.org"));
	assert_false(host_in(hosts, "x.a.org"));
	assert_false(host_in(NULL, "a.org"));
	AUTOFREE char *shown = uri_shown("https://me:pw@h:80/p?q=1#f");
	assert_string_equal(shown, "https://h:80/p");
}

static void digests(void **state)
{
	(void)state;
	AUTOFREE char *cache = cache_named("digests");
	struct flink_artifact_options options = options_of(cache);
	struct error err;
	AUTOARTIFACT jar = { 0 };
	assert_false(fetch(&options, "/job.jar", JAR_SHA, &jar, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_non_null(strstr(err.message, "expected SHA-256 " JAR_SHA));
	assert_false(fetch(&options, "/job.jar", "sha256:12", &jar, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_non_null(strstr(err.message, "weir.dev/jar-digest"));
	char right[SHA256_HEX_MAX];
	sha256_hex(JAR, strlen(JAR), right);
	for (char *p = right; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'f' ? *p - 'a' + 'A' : *p);
	assert_true(fetch(&options, "/job.jar", right, &jar, &err));
}

static void from_s3(void **state)
{
	(void)state;
	AUTOFREE char *cache = cache_named("s3"), *key = mem_printf("%s/key", work), *secret = mem_printf("%s/secret", work);
	AUTOFREE char *endpoint = mem_printf("http://localhost:%u/", server.port);
	FILE *file = fopen(key, "w");
	assert_non_null(file);
	(void)fputs("AKEY\n", file);
	(void)fclose(file);
	file = fopen(secret, "w");
	assert_non_null(file);
	(void)fputs("very-secret", file);
	(void)fclose(file);
	const struct flink_artifact_s3 places[] = {
		{ .prefix = "s3://bucket", .endpoint = "http://localhost:1", .path_style = true },
		{ .prefix = "s3://bucket/jars",
		  .endpoint = endpoint,
		  .region = "eu-x-1",
		  .path_style = true,
		  .access_key_file = key,
		  .secret_key_file = secret,
		  .session_token_file = secret },
	};
	struct flink_artifact_options options = options_of(cache);
	options.private_hosts = NULL; /* the endpoint is configured, not from a manifest */
	options.s3 = places;
	options.s3_count = ARRAY_SIZE(places);
	struct error err = ERROR_INIT;
	AUTOARTIFACT jar = { 0 };
	if (!flink_artifact_fetch(&options, "s3://bucket/jars/a b.jar", NULL, &jar, &err))
		fail_msg("%s", err.message);
	assert_content(jar.path, JAR, strlen(JAR));
	pthread_mutex_lock(&server.lock);
	AUTOFREE char *asked = mem_strdup(server.last);
	pthread_mutex_unlock(&server.lock);
	assert_true(str_starts(asked, "GET /bucket/jars/a%20b.jar HTTP"));
	assert_non_null(strstr(asked, "Credential=AKEY/"));
	assert_non_null(strstr(asked, "/eu-x-1/s3/aws4_request"));
	assert_non_null(strstr(asked, "x-amz-security-token: very-secret"));
	AUTOARTIFACT none = { 0 };
	assert_false(flink_artifact_fetch(&options, "s3://other/a.jar", NULL, &none, &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	assert_false(flink_artifact_fetch(&options, "s3://bucket/", NULL, &none, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_false(flink_artifact_fetch(&options, "s3://bucketjars/x", NULL, &none, &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
}

static void from_files(void **state)
{
	(void)state;
	AUTOFREE char *cache = cache_named("files"), *root = mem_printf("%s/jars", work), *jar_file = mem_printf("%s/jars/a.jar", work);
	AUTOFREE char *outside = mem_printf("%s/outside", work), *link = mem_printf("%s/jars/link", work);
	assert_int_equal(mkdir(root, 0700), 0);
	FILE *file = fopen(jar_file, "w");
	assert_non_null(file);
	(void)fputs(JAR, file);
	(void)fclose(file);
	file = fopen(outside, "w");
	assert_non_null(file);
	(void)fclose(file);
	assert_int_equal(symlink(outside, link), 0);
	struct flink_artifact_options options = options_of(cache);
	struct error err = ERROR_INIT;
	AUTOARTIFACT jar = { 0 }, none = { 0 };
	AUTOFREE char *good = mem_printf("file://%s", jar_file), *through_link = mem_printf("file://%s", link);
	AUTOFREE char *up = mem_printf("file://%s/../outside", root), *missing = mem_printf("file://%s/b.jar", root);
	AUTOFREE char *dir = mem_printf("file://%s/.", root);
	assert_false(flink_artifact_fetch(&options, good, NULL, &none, &err)); /* there is no root */
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	options.file_root = root;
	assert_true(flink_artifact_fetch(&options, good, NULL, &jar, &err));
	assert_content(jar.path, JAR, strlen(JAR));
	const struct {
		const char *uri;
		enum error_kind kind;
	} rows[] = { { through_link, ERROR_FORBIDDEN },
		     { up, ERROR_FORBIDDEN },
		     { missing, ERROR_NOT_FOUND },
		     { dir, ERROR_FORBIDDEN },
		     { "file:a.jar", ERROR_INVALID } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_false(flink_artifact_fetch(&options, rows[i].uri, NULL, &none, &err));
		if (err.kind != rows[i].kind)
			fail_msg("%s: %s", rows[i].uri, err.message);
	}
}

static void full_cache(void **state)
{
	(void)state;
	AUTOFREE char *cache = cache_named("full"), *old = mem_printf("%s/old.jar", cache), *stale = mem_printf("%s/.part-left", cache);
	struct flink_artifact_options options = options_of(cache);
	struct error err = ERROR_INIT;
	AUTOARTIFACT empty = { 0 }, jar = { 0 };
	assert_true(flink_artifact_empty(&options, &empty, &err));
	assert_content(empty.path, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
	const char *const made[] = { old, stale };
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		FILE *file = fopen(made[i], "w");
		assert_non_null(file);
		(void)fputs("0123456789", file);
		(void)fclose(file);
		const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
		assert_int_equal(utimensat(AT_FDCWD, made[i], long_ago, 0), 0);
	}
	options.cache_bytes = 45; /* the two jars fit, the oldest file does not */
	assert_true(fetch(&options, "/job.jar", NULL, &jar, &err));
	assert_int_not_equal(access(old, F_OK), 0);
	assert_int_not_equal(access(stale, F_OK), 0);
	assert_int_equal(access(empty.path, F_OK), 0);
	assert_int_equal(access(jar.path, F_OK), 0);
}

static bool at_once(void *context)
{
	++*(int *)context;
	return true;
}

static void stopped(void **state)
{
	(void)state;
	AUTOFREE char *cache = cache_named("stopped");
	struct flink_artifact_options options = options_of(cache);
	int asked = 0;
	options.stop = at_once;
	options.stop_context = &asked;
	struct error err;
	AUTOARTIFACT jar = { 0 };
	assert_false(fetch(&options, "/endless", NULL, &jar, &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_true(asked > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetched),	 cmocka_unit_test(refused),    cmocka_unit_test(addresses),
		cmocka_unit_test(public_or_not), cmocka_unit_test(digests),    cmocka_unit_test(from_s3),
		cmocka_unit_test(from_files),	 cmocka_unit_test(full_cache), cmocka_unit_test(stopped),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
