/* Jars of a session cluster: upload, run, delete. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "flink/rest_internal.h"

/* The first line of each part; long enough that no jar holds it by accident. */
#define BOUNDARY "weir-b1f6c0a85d3e4729a7c2d94e60f3b815"

/* Flink takes only names that end in ".jar", and makes the jar's id of them. */
static void put_name(struct buf *out, const char *name)
{
	const char *slash = strrchr(name, '/');
	name = slash != NULL ? slash + 1 : name;
	size_t len = strlen(name);
	if (str_ends(name, ".jar"))
		len -= 4;
	enum { KEPT = 200 };
	for (size_t i = len > KEPT ? len - KEPT : 0; i < len; i++) {
		bool plain = isalnum((unsigned char)name[i]) || name[i] == '.' || name[i] == '_' || name[i] == '-';
		buf_putc(out, plain ? name[i] : '_');
	}
	buf_puts(out, len > 0 ? ".jar" : "job.jar");
}

static bool put_file(struct buf *out, const char *file, struct error *err)
{
	CLEANUP(close_fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_INVALID, "jar %s: %s", file, strerror(errno));
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return error_set(err, ERROR_INVALID, "jar %s: expected a regular file", file);
	if (st.st_size > FLINK_JAR_BYTES_MAX)
		return error_set(err, ERROR_LIMIT, "jar %s: %jd bytes, the maximum is %d", file, (intmax_t)st.st_size, FLINK_JAR_BYTES_MAX);
	size_t left = (size_t)st.st_size;
	buf_reserve(out, left + 128);
	while (left > 0) {
		ssize_t got = read(fd, out->data + out->len, left);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_set(err, ERROR_INVALID, "jar %s: %s", file,
					 got < 0 ? strerror(errno) : "got shorter while it was read");
		out->len += (size_t)got;
		left -= (size_t)got;
	}
	out->data[out->len] = '\0';
	return true;
}

bool flink_jar_upload(const struct http *http, const char *file, const char *name, char jar[FLINK_JAR_ID_MAX], struct error *err)
{
	AUTOBUF body = BUF_INIT;
	buf_puts(&body, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"");
	put_name(&body, name);
	buf_puts(&body, "\"\r\nContent-Type: application/x-java-archive\r\n\r\n");
	if (!put_file(&body, file, err))
		return false;
	buf_puts(&body, "\r\n--" BOUNDARY "--\r\n");
	/* Flink never answers "Expect: 100-continue"; an empty value keeps it from being sent */
	static const struct http_header no_expect = { "Expect", "" };
	const struct http_request request = { .method = "POST",
					      .path = "/v1/jars/upload",
					      .content_type = "multipart/form-data; boundary=" BOUNDARY,
					      .body = body.data,
					      .body_len = body.len,
					      .timeout_ms = FLINK_JAR_UPLOAD_MS,
					      .headers = &no_expect,
					      .header_count = 1 };
	AUTODOC *doc = rest_exchange(http, &request, err);
	if (doc == NULL)
		return false;
	/* where the server put it; the last part is the jar's id */
	const char *path = node_text(node_get(doc_root(doc), "filename")), *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *id = slash != NULL ? slash + 1 : path;
	if (id == NULL || *id == '\0')
		return error_set(err, ERROR_INVALID, "Flink: POST /v1/jars/upload: the answer has no filename");
	return rest_copy_whole(jar, FLINK_JAR_ID_MAX, id, "a jar's id", err);
}

static void jar_path(struct buf *out, const char *jar, const char *rest)
{
	buf_puts(out, "/v1/jars/");
	buf_put_url(out, jar);
	buf_puts(out, rest);
}

static void run_body(const struct flink_jar_run *run, struct doc *doc, struct node *body)
{
	node_set_text(doc, body, "entryClass", run->entry_class);
	if (node_count(run->args) > 0)
		node_set(doc, body, "programArgsList", node_copy(doc, run->args));
	if (run->parallelism > 0)
		node_set_int(doc, body, "parallelism", run->parallelism);
	node_set_text(doc, body, "jobId", run->job_id);
	node_set(doc, body, "allowNonRestoredState", node_bool(doc, run->allow_non_restored_state));
	node_set_text(doc, body, "savepointPath", run->savepoint_path);
	if (run->savepoint_path != NULL && run->version->claim_field != NULL)
		node_set_text(doc, body, run->version->claim_field, run->claim_mode);
	if (node_count(run->configuration) > 0 && run->version->jar_configuration)
		node_set(doc, body, "flinkConfiguration", node_copy(doc, run->configuration));
}

/* Flink answers 400 or 500 whatever went wrong inside; only the text tells what a caller can do about it. */
static enum error_kind kind_of(const struct error *problem)
{
	const char *text = problem->message;
	if (problem->kind != ERROR_INVALID && problem->kind != ERROR_UNKNOWN_OUTCOME)
		return problem->kind;
	if (strstr(text, "has already been submitted") != NULL) /* a "Job", since 2.3 an "Application" */
		return ERROR_CONFLICT;
	if (strstr(text, ".jar") != NULL && strstr(text, " does not exist") != NULL)
		return ERROR_NOT_FOUND;
	/* said before anything of the job was run */
	return strstr(text, "entry point class") != NULL || strstr(text, "program-class") != NULL ? ERROR_INVALID : problem->kind;
}

static struct doc *jar_exchange(const struct http *http, const struct http_request *request, struct error *err)
{
	struct error problem = ERROR_INIT;
	struct doc *doc = rest_exchange(http, request, &problem);
	if (doc != NULL)
		return doc;
	problem.kind = kind_of(&problem);
	error_copy(err, &problem);
	return NULL;
}

bool flink_jar_run(const struct http *http, const char *jar, const struct flink_jar_run *run, char job[FLINK_ID_MAX], struct error *err)
{
	AUTODOC *made = doc_new();
	struct node *body = node_map(made);
	run_body(run, made, body);
	AUTOBUF path = BUF_INIT, text = BUF_INIT;
	jar_path(&path, jar, "/run");
	node_to_json(body, &text, JSON_COMPACT);
	const struct http_request request = { .method = "POST",
					      .path = buf_text(&path),
					      .content_type = "application/json",
					      .body = text.data,
					      .body_len = text.len,
					      .timeout_ms = run->timeout_ms };
	AUTODOC *doc = jar_exchange(http, &request, err);
	if (doc == NULL)
		return false;
	const char *id = node_text(node_get(doc_root(doc), "jobid"));
	if (id == NULL || *id == '\0' || strlen(id) >= FLINK_ID_MAX)
		return error_set(err, ERROR_UNKNOWN_OUTCOME, "Flink: POST %s: accepted, but the answer has no usable jobid",
				 buf_text(&path));
	rest_copy(job, FLINK_ID_MAX, id);
	return true;
}

bool flink_jar_delete(const struct http *http, const char *jar, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	jar_path(&path, jar, "");
	const struct http_request request = { .method = "DELETE", .path = buf_text(&path) };
	AUTODOC *doc = jar_exchange(http, &request, err);
	return doc != NULL;
}
