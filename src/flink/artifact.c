#include "flink/artifact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/mem.h"
#include "flink/artifact_internal.h"
#include "flink/spec.h"
#include "flink/values.h"

#define MAX_DEFAULT   (INT64_C(256) << 20)
#define CACHE_DEFAULT (INT64_C(1) << 30)
#define PART	      ".part-"

void flink_artifact_free(struct flink_artifact *artifact)
{
	free(artifact->path);
	*artifact = (struct flink_artifact){ 0 };
}

/* ---- addresses ---- */

bool scheme_allowed(const struct flink_artifact_options *options, const char *scheme)
{
	AUTODOC *doc = doc_new();
	struct node *list = flink_list_parse(doc, options->schemes != NULL ? options->schemes : FLINK_ARTIFACT_SCHEMES);
	for (size_t i = 0; i < node_count(list); i++)
		if (strcasecmp(node_text_or(node_at(list, i), ""), scheme) == 0)
			return true;
	return false;
}

char *uri_shown(const char *uri)
{
	const char *authority = strstr(uri, "://");
	authority = authority != NULL ? authority + 3 : uri;
	const char *end = authority + strcspn(authority, "/?#");
	const char *host = authority;
	for (const char *p = authority; p < end; p++)
		if (*p == '@')
			host = p + 1;
	size_t rest = strcspn(end, "?#");
	return mem_printf("%.*s%.*s%.*s", (int)(authority - uri), uri, (int)(end - host), host, rest > 300 ? 300 : (int)rest, end);
}

/* ---- the cache ---- */

bool sink_add(struct sink *sink, const void *data, size_t len)
{
	if ((int64_t)len > sink->max - sink->bytes) {
		sink->too_large = true;
		return false;
	}
	sha256_add(sink->digest, data, len);
	sink->bytes += (int64_t)len;
	const char *at = data;
	while (len > 0) {
		ssize_t done = write(sink->fd, at, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			sink->problem = done < 0 ? errno : ENOSPC;
			return false;
		}
		at += done;
		len -= (size_t)done;
	}
	return true;
}

static bool make_cache(const char *dir, struct error *err)
{
	if (dir == NULL)
		return error_set(err, ERROR_BUG, "artifact: no cache directory");
	AUTOFREE char *path = mem_strdup(dir);
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return error_set(err, ERROR_INVALID, "the cache directory %s: %s", dir, strerror(errno));
	return true;
}

struct entry {
	char *name;
	int64_t bytes;
	struct timespec used;
};

static int older_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->used, *y = &((const struct entry *)b)->used;
	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Removes the jars that were not asked for the longest, until the rest fits; also what an ended process left half-written. */
static void trim_cache(const char *dir, int64_t max, const char *keep)
{
	enum { ENTRIES_MAX = 10000, STALE_S = 3600 };
	DIR *stream = opendir(dir);
	struct entry *entries = NULL;
	size_t count = 0;
	int64_t total = 0;
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now); /* as the file system's own times; nothing else is compared with it */
	for (struct dirent *d; stream != NULL && count < ENTRIES_MAX && (d = readdir(stream)) != NULL;) {
		struct stat st;
		if (fstatat(dirfd(stream), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
			continue;
		if (str_starts(d->d_name, PART) && now.tv_sec - st.st_mtim.tv_sec > STALE_S)
			(void)unlinkat(dirfd(stream), d->d_name, 0);
		if (!str_ends(d->d_name, ".jar"))
			continue;
		total += st.st_size;
		entries = mem_grow(entries, count + 1, sizeof(*entries));
		entries[count++] = (struct entry){ .name = mem_strdup(d->d_name), .bytes = st.st_size, .used = st.st_mtim };
	}
	if (count > 1)
		qsort(entries, count, sizeof(*entries), older_first);
	for (size_t i = 0; i < count; i++) {
		if (total > max && strcmp(entries[i].name, keep) != 0 && unlinkat(dirfd(stream), entries[i].name, 0) == 0)
			total -= entries[i].bytes;
		free(entries[i].name);
	}
	free(entries);
	if (stream != NULL)
		(void)closedir(stream);
}

/* A jar of that digest that is in the cache, its content looked at again. */
static bool take_cached(const struct flink_artifact_options *options, const char *digest, struct flink_artifact *out)
{
	AUTOFREE char *path = mem_printf("%s/%s.jar", options->cache_dir, digest);
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	struct sha256 *sum = sha256_begin();
	char chunk[65536], found[SHA256_HEX_MAX];
	int64_t bytes = 0;
	ssize_t got;
	while ((got = read(fd, chunk, sizeof(chunk))) > 0 || (got < 0 && errno == EINTR)) {
		if (got <= 0)
			continue;
		sha256_add(sum, chunk, (size_t)got);
		bytes += got;
	}
	sha256_end(sum, found);
	if (got < 0 || strcmp(found, digest) != 0) {
		(void)unlink(path);
		return false;
	}
	(void)futimens(fd, NULL); /* it is in use */
	*out = (struct flink_artifact){ .path = TAKE(path), .bytes = bytes };
	(void)snprintf(out->digest, sizeof(out->digest), "%s", digest);
	return true;
}

typedef bool fetch_function(const struct flink_artifact_options *options, const char *uri, struct sink *sink, struct error *err);

static bool explain(const struct sink *sink, struct error *err)
{
	if (sink->too_large)
		return error_set(err, ERROR_LIMIT, "larger than %lld bytes", (long long)sink->max);
	if (sink->problem != 0)
		return error_set(err, ERROR_TRANSIENT, "cannot be written to the cache: %s", strerror(sink->problem));
	return false;
}

/* Lets `fetch` fill a new file of the cache, which gets its name when it is whole and has the digest that it must have. */
static bool fill(const struct flink_artifact_options *options, fetch_function *fetch, const char *uri, const char *digest,
		 struct flink_artifact *out, struct error *err)
{
	AUTOFREE char *part = mem_printf("%s/" PART "XXXXXX", options->cache_dir);
	CLEANUP(close_fd) int fd = mkstemp(part);
	if (fd < 0)
		return error_set(err, ERROR_TRANSIENT, "the cache directory %s: %s", options->cache_dir, strerror(errno));
	struct sink sink = { .fd = fd, .max = options->max_bytes > 0 ? options->max_bytes : MAX_DEFAULT, .digest = sha256_begin() };
	struct flink_artifact found = { 0 };
	bool ok = fetch(options, uri, &sink, err) || explain(&sink, err);
	sha256_end(sink.digest, found.digest);
	if (ok && digest != NULL && strcmp(digest, found.digest) != 0)
		ok = error_set(err, ERROR_INVALID, "expected SHA-256 %s (annotation " FLINK_JAR_DIGEST_ANNOTATION "), found %s", digest,
			       found.digest);
	if (ok) {
		found.bytes = sink.bytes;
		found.path = mem_printf("%s/%s.jar", options->cache_dir, found.digest);
		ok = rename(part, found.path) == 0 ||
		     error_set(err, ERROR_TRANSIENT, "the cache directory %s: %s", options->cache_dir, strerror(errno));
	}
	if (!ok) {
		(void)unlink(part);
		flink_artifact_free(&found);
		return false;
	}
	AUTOFREE char *name = mem_printf("%s.jar", found.digest);
	trim_cache(options->cache_dir, options->cache_bytes > 0 ? options->cache_bytes : CACHE_DEFAULT, name);
	*out = found;
	return true;
}

/* ---- sources ---- */

static bool fetch_file(const struct flink_artifact_options *options, const char *uri, struct sink *sink, struct error *err)
{
	char root[PATH_MAX], path[PATH_MAX];
	const char *given = uri + strlen("file:");
	if (str_starts(given, "//")) {
		given += 2;
		given += str_starts(given, "localhost/") ? strlen("localhost") : 0;
	}
	if (*given != '/')
		return error_set(err, ERROR_INVALID, "expected file:///PATH");
	if (options->file_root == NULL || realpath(options->file_root, root) == NULL)
		return error_set(err, ERROR_FORBIDDEN, "no directory for file: addresses is configured");
	if (realpath(given, path) == NULL)
		return error_set(err, errno == EACCES ? ERROR_FORBIDDEN : ERROR_NOT_FOUND, "%s", strerror(errno));
	size_t len = strlen(root);
	if (strncmp(path, root, len) != 0 || (path[len] != '/' && strcmp(root, "/") != 0))
		return error_set(err, ERROR_FORBIDDEN, "lies outside of %s", options->file_root);
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		return error_set(err, errno == EACCES ? ERROR_FORBIDDEN : ERROR_NOT_FOUND, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_INVALID, "expected a regular file");
	char chunk[65536];
	ssize_t got;
	while ((got = read(fd, chunk, sizeof(chunk))) > 0 || (got < 0 && errno == EINTR))
		if (got > 0 && !sink_add(sink, chunk, (size_t)got))
			return false;
	return got == 0 || error_set(err, ERROR_TRANSIENT, "%s", strerror(errno));
}

static bool fetch_empty(const struct flink_artifact_options *options, const char *uri, struct sink *sink, struct error *err)
{
	(void)options;
	(void)uri;
	(void)err;
	/* the record that ends a zip archive, of one without entries */
	static const unsigned char archive[22] = { 'P', 'K', 5, 6 };
	return sink_add(sink, archive, sizeof(archive));
}

/* "sha256:" and 64 hex digits, or these alone; in lower case. */
static bool read_digest(const char *text, char out[SHA256_HEX_MAX], struct error *err)
{
	const char *hex = str_starts(text, "sha256:") ? text + strlen("sha256:") : text;
	size_t len = strspn(hex, "0123456789abcdefABCDEF");
	if (len != SHA256_HEX_MAX - 1 || hex[len] != '\0')
		return error_set(err, ERROR_INVALID,
				 "annotation " FLINK_JAR_DIGEST_ANNOTATION ": expected sha256: and 64 hex digits, found \"%.80s\"", text);
	for (size_t i = 0; i <= len; i++)
		out[i] = (char)(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] - 'A' + 'a' : hex[i]);
	return true;
}

static fetch_function *fetcher_of(const char *scheme)
{
	static const struct {
		const char *scheme;
		fetch_function *fetch;
	} rows[] = {
		{ "https", artifact_fetch_http }, { "http", artifact_fetch_http }, { "s3", artifact_fetch_s3 }, { "file", fetch_file }
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcasecmp(rows[i].scheme, scheme) == 0)
			return rows[i].fetch;
	return NULL;
}

bool flink_artifact_fetch(const struct flink_artifact_options *options, const char *uri, const char *digest, struct flink_artifact *out,
			  struct error *err)
{
	AUTOFREE char *scheme = mem_strndup(uri, strcspn(uri, ":"));
	AUTOFREE char *shown = uri_shown(uri);
	char expected[SHA256_HEX_MAX];
	if (digest != NULL && !read_digest(digest, expected, err))
		return false;
	if (uri[strlen(scheme)] != ':')
		return error_set(err, ERROR_INVALID, "jar %s: expected an address such as https://HOST/PATH.jar", shown);
	if (strcasecmp(scheme, "local") == 0)
		return error_set(err, ERROR_UNSUPPORTED, "jar %s: lies in the image and is not fetched", shown);
	fetch_function *fetch = fetcher_of(scheme);
	if (!scheme_allowed(options, scheme))
		return error_set(err, ERROR_FORBIDDEN,
				 "jar %s: the scheme %s is not allowed (kubernetes.operator.user.artifacts.allowed-schemes)", shown,
				 scheme);
	if (fetch == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "jar %s: the scheme %s is not supported, only https, http, s3, file and local",
				 shown, scheme);
	if (!make_cache(options->cache_dir, err))
		return false;
	if (digest != NULL && take_cached(options, expected, out))
		return true;
	return fill(options, fetch, uri, digest != NULL ? expected : NULL, out, err) || error_wrap(err, "jar %s", shown);
}

bool flink_artifact_empty(const struct flink_artifact_options *options, struct flink_artifact *out, struct error *err)
{
	return make_cache(options->cache_dir, err) && fill(options, fetch_empty, "", NULL, out, err);
}
