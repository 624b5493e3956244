#include "store/s3_store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/wtime.h"
#include "http/http_curl.h"
#include "store/s3_xml.h"

enum { REQUEST_MS = 5000, BODY_MAX = 8 << 20, CREDENTIAL_MAX = 4096 };

struct s3_store {
	char *prefix, *bucket;
	char *bucket_path; /* "/BUCKET" with the path style, else "" */
	char *access_key_file, *secret_key_file, *session_token_file;
	struct http *http;
};

/* One call of the port: all its requests share a deadline. */
struct turn {
	const struct s3_store *store;
	int64_t deadline_ms;
};

static int64_t mono_ms(void)
{
	const struct clock clock = clock_real();
	return clock_mono_ms(&clock);
}

static struct turn turn_begin(const struct s3_store *store)
{
	return (struct turn){ .store = store, .deadline_ms = mono_ms() + STATE_CALL_MS };
}

/* ---- requests ---- */

/* `range` is a Range header's value or NULL. */
static bool send_request(const struct turn *turn, const char *method, const char *path, const char *range, struct http_response *response,
			 struct error *err)
{
	/* the digest of no body, which S3 wants to see and to have signed */
	const struct http_header headers[] = {
		{ "x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "Range", range },
	};
	int64_t left = turn->deadline_ms - mono_ms();
	if (left <= 0)
		return error_set(err, ERROR_TRANSIENT, "not finished within %d ms", (int)STATE_CALL_MS);
	struct http_request request = { .method = method, .path = path, .accept = "*/*", .headers = headers };
	request.header_count = range != NULL ? 2 : 1;
	request.timeout_ms = left < REQUEST_MS ? left : REQUEST_MS;
	return http_send(turn->store->http, &request, response, err);
}

static void put_key(struct buf *path, const char *key)
{
	while (*key != '\0') {
		size_t len = strcspn(key, "/");
		AUTOFREE char *part = mem_strndup(key, len);
		buf_put_url(path, part);
		key += len;
		if (*key == '/') {
			buf_putc(path, '/');
			key++;
		}
	}
}

static char *object_path(const struct s3_store *store, const char *key)
{
	AUTOBUF path = BUF_INIT;
	buf_printf(&path, "%s/", store->bucket_path);
	put_key(&path, key);
	return buf_take(&path);
}

/* "status 403 AccessDenied: message" */
static void describe(const struct http_response *response, const char *key, struct buf *out)
{
	struct s3_answer answer = { 0 };
	buf_printf(out, "%.300s: the server answered %d", key, response->status);
	if (response->body.len > 0 && s3_answer_read(response->body.data, response->body.len, &answer, NULL) && answer.code != NULL)
		buf_printf(out, " %.80s: %.160s", answer.code, answer.message != NULL ? answer.message : "");
	s3_answer_free(&answer);
}

static bool is_missing_key(const struct http_response *response)
{
	struct s3_answer answer = { 0 };
	bool missing = response->status == 404 && s3_answer_read(buf_text(&response->body), response->body.len, &answer, NULL) &&
		       str_eq(answer.code, "NoSuchKey");
	s3_answer_free(&answer);
	return missing;
}

/* HEAD says 404 for a missing key and for a missing bucket, without a word; GET has the word. */
static void look_at(const struct turn *turn, const char *key, struct state_look *out)
{
	AUTOFREE char *path = object_path(turn->store, key);
	AUTORESPONSE head = { 0 };
	AUTORESPONSE get = { 0 };
	AUTOBUF why = BUF_INIT;
	struct error err = ERROR_INIT;
	if (!send_request(turn, "HEAD", path, NULL, &head, &err)) {
		state_look_set(out, STATE_UNKNOWN, "%s", err.message);
	} else if (head.status == 200) {
		state_look_set(out, STATE_EXISTS, "%s", "");
	} else if (head.status != 404) {
		describe(&head, key, &why);
		state_look_set(out, STATE_UNKNOWN, "%s", buf_text(&why));
	} else if (!send_request(turn, "GET", path, "bytes=0-0", &get, &err)) {
		state_look_set(out, STATE_UNKNOWN, "%s", err.message);
	} else if (get.status == 200 || get.status == 206) {
		state_look_set(out, STATE_EXISTS, "%s", "");
	} else if (is_missing_key(&get)) {
		state_look_set(out, STATE_ABSENT, "s3://%s/%.300s is not there", turn->store->bucket, key);
	} else {
		describe(&get, key, &why);
		state_look_set(out, STATE_UNKNOWN, "%s", buf_text(&why));
	}
}

/* One page of what begins with the prefix; NULL token: the first. The query is in the order of its names, as the signature needs it. */
static bool list_page(const struct turn *turn, const char *prefix, const char *delimiter, const char *token, struct s3_answer *answer,
		      struct error *err)
{
	AUTOBUF path = BUF_INIT;
	buf_printf(&path, "%s/?", turn->store->bucket_path);
	if (token != NULL) {
		buf_puts(&path, "continuation-token=");
		buf_put_url(&path, token);
		buf_putc(&path, '&');
	}
	if (delimiter != NULL) {
		buf_puts(&path, "delimiter=");
		buf_put_url(&path, delimiter);
		buf_putc(&path, '&');
	}
	buf_puts(&path, "list-type=2&prefix=");
	buf_put_url(&path, prefix);
	AUTORESPONSE response = { 0 };
	if (!send_request(turn, "GET", buf_text(&path), NULL, &response, err))
		return false;
	if (response.status != 200) {
		AUTOBUF why = BUF_INIT;
		describe(&response, prefix, &why);
		return error_set(err, response.status == 403 ? ERROR_FORBIDDEN : ERROR_TRANSIENT, "%s", buf_text(&why));
	}
	if (!s3_answer_read(buf_text(&response.body), response.body.len, answer, err))
		return false;
	if (answer->listing && (!answer->truncated || answer->token != NULL))
		return true;
	s3_answer_free(answer);
	return error_set(err, ERROR_INVALID, "%.300s: the server's listing has no end and no continuation", prefix);
}

/* ---- the port ---- */

/* The key of a normal path; NULL when it is not strictly below the prefix. */
static const char *key_of(const struct s3_store *store, const char *path)
{
	const char *below = state_path_below(path, store->prefix);
	return below == NULL || *below == '\0' ? NULL : path + strlen("s3://") + strlen(store->bucket) + 1;
}

static void s3_look(void *context, const char *path, struct state_look *out)
{
	const struct turn turn = turn_begin(context);
	const char *key = key_of(context, path);
	if (key == NULL) {
		state_look_set(out, STATE_UNKNOWN, "%.300s is not below %s", path, turn.store->prefix);
		return;
	}
	AUTOFREE char *object = mem_printf("%s/_metadata", key);
	look_at(&turn, object, out);
}

/* Adds those of the page's folders that hold a _metadata; false: unknown. */
static bool list_folders(const struct turn *turn, const char *prefix, const struct s3_names *folders, size_t *seen,
			 struct state_listing *out)
{
	for (size_t i = 0; i < folders->count; i++) {
		const char *folder = folders->items[i];
		size_t from = strlen(prefix), len = strlen(folder);
		struct state_look look = { 0 };
		if (++*seen > STATE_LIST_MAX) {
			state_listing_set(out, STATE_UNKNOWN, "%.300s has more than %d entries", prefix, (int)STATE_LIST_MAX);
			return false;
		}
		if (!str_starts(folder, prefix) || len <= from + 1 || folder[len - 1] != '/') {
			state_listing_set(out, STATE_UNKNOWN, "%.300s: the server listed %.100s, which is not below it", prefix, folder);
			return false;
		}
		AUTOFREE char *key = mem_printf("%s_metadata", folder);
		look_at(turn, key, &look);
		if (look.answer == STATE_EXISTS)
			state_listing_add(out, folder + from, len - from - 1);
		if (look.answer == STATE_UNKNOWN) {
			state_listing_set(out, STATE_UNKNOWN, "%s", look.why);
			return false;
		}
	}
	return true;
}

static void s3_list(void *context, const char *dir, struct state_listing *out)
{
	const struct turn turn = turn_begin(context);
	const size_t bucket_len = strlen("s3://") + strlen(turn.store->bucket);
	if (state_path_below(dir, turn.store->prefix) == NULL) {
		state_listing_set(out, STATE_UNKNOWN, "%.300s is not below %s", dir, turn.store->prefix);
		return;
	}
	AUTOFREE char *prefix = dir[bucket_len] == '/' ? mem_printf("%s/", dir + bucket_len + 1) : mem_strdup("");
	AUTOFREE char *token = NULL;
	size_t seen = 0;
	bool more = true, any = false;
	while (more) {
		struct s3_answer page = { 0 };
		struct error err = ERROR_INIT;
		if (!list_page(&turn, prefix, "/", token, &page, &err)) {
			state_listing_set(out, STATE_UNKNOWN, "%s", err.message);
			return;
		}
		any = any || page.keys.count > 0 || page.prefixes.count > 0;
		more = list_folders(&turn, prefix, &page.prefixes, &seen, out) && page.truncated;
		bool unknown = out->look.why[0] != '\0';
		free(token);
		token = TAKE(page.token);
		s3_answer_free(&page);
		if (unknown)
			return;
	}
	if (any)
		state_listing_set(out, STATE_EXISTS, "%s", "");
	else
		state_listing_set(out, STATE_ABSENT, "nothing is below s3://%s/%.300s", turn.store->bucket, prefix);
}

static bool delete_key(const struct turn *turn, const char *key, struct error *err)
{
	AUTOFREE char *path = object_path(turn->store, key);
	AUTORESPONSE response = { 0 };
	if (!send_request(turn, "DELETE", path, NULL, &response, err))
		return false;
	if (response.status / 100 == 2 || is_missing_key(&response))
		return true;
	AUTOBUF why = BUF_INIT;
	describe(&response, key, &why);
	return error_set(err, response.status == 403 ? ERROR_FORBIDDEN : ERROR_TRANSIENT, "cannot delete %s", buf_text(&why));
}

/* Deletes what a page lists; *left is what may still be deleted. */
static bool delete_page(const struct turn *turn, const char *prefix, const struct s3_names *keys, size_t *left, struct error *err)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (!str_starts(keys->items[i], prefix))
			return error_set(err, ERROR_INVALID, "%.300s: the server listed %.100s, which is not below it", prefix,
					 keys->items[i]);
		if (*left == 0)
			return error_set(err, ERROR_TRANSIENT, "%.300s: not all of it is deleted yet", prefix);
		--*left;
		if (!delete_key(turn, keys->items[i], err))
			return false;
	}
	return true;
}

static bool s3_dispose(void *context, const char *path, struct error *err)
{
	const struct turn turn = turn_begin(context);
	const char *key = key_of(context, path);
	if (key == NULL)
		return error_set(err, ERROR_INVALID, "%.300s is not disposed of: it is not below %s", path, turn.store->prefix);
	AUTOFREE char *prefix = mem_printf("%s/", key);
	AUTOFREE char *metadata = mem_printf("%s_metadata", prefix);
	if (!delete_key(&turn, metadata, err))
		return false;
	for (size_t left = STATE_DISPOSE_MAX;;) {
		struct s3_answer page = { 0 };
		if (!list_page(&turn, prefix, NULL, NULL, &page, err))
			return false;
		bool empty = page.keys.count == 0;
		bool good = delete_page(&turn, prefix, &page.keys, &left, err);
		s3_answer_free(&page);
		if (!good || empty)
			return good;
	}
}

/* The name's part of a key that is Flink's own: a file right there, or anything in a folder of its. */
static bool is_remains(const char *entry, enum state_remains shape)
{
	size_t len = strcspn(entry, "/");
	AUTOFREE char *first = mem_strndup(entry, len);
	return state_remains_holds(shape, first, entry[len] == '/');
}

/* Keeps the keys that are Flink's own. */
static void keep_remains(struct s3_names *keys, const char *prefix, enum state_remains shape)
{
	size_t kept = 0;
	for (size_t i = 0; i < keys->count; i++) {
		bool ours = !str_starts(keys->items[i], prefix) || is_remains(keys->items[i] + strlen(prefix), shape);
		char *key = TAKE(keys->items[i]);
		if (ours)
			keys->items[kept++] = key;
		else
			free(key);
	}
	keys->count = kept;
}

static bool s3_clean(void *context, const char *path, enum state_remains shape, struct error *err)
{
	const struct turn turn = turn_begin(context);
	const char *key = key_of(context, path);
	if (key == NULL)
		return error_set(err, ERROR_INVALID, "%.300s is not deleted: it is not below %s", path, turn.store->prefix);
	AUTOFREE char *prefix = mem_printf("%s/", key);
	AUTOFREE char *token = NULL;
	bool more = true, good = true;
	for (size_t left = STATE_DISPOSE_MAX; good && more;) {
		struct s3_answer page = { 0 };
		if (!list_page(&turn, prefix, NULL, token, &page, err))
			return false;
		keep_remains(&page.keys, prefix, shape);
		good = delete_page(&turn, prefix, &page.keys, &left, err);
		more = page.truncated;
		free(token);
		token = TAKE(page.token);
		s3_answer_free(&page);
	}
	return good;
}

/* ---- opening and closing ---- */

static bool read_secret(const char *file, char **out, struct error *err)
{
	char text[CREDENTIAL_MAX + 1];
	if (file == NULL)
		return true;
	CLEANUP(close_fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (len < 0)
		return error_set(err, ERROR_TRANSIENT, "%s: %s", file, strerror(errno));
	bool good = len <= CREDENTIAL_MAX;
	if (good) {
		text[len] = '\0';
		text[strcspn(text, "\r\n")] = '\0';
		*out = mem_strdup(text);
	}
	explicit_bzero(text, sizeof text);
	if (!good)
		return error_set(err, ERROR_LIMIT, "%s: a credential has at most %d bytes", file, (int)CREDENTIAL_MAX);
	return **out != '\0' || error_set(err, ERROR_TRANSIENT, "%s: the file is empty", file);
}

static bool give_credentials(void *context, bool rejected, struct http_credentials *out, struct error *err)
{
	(void)rejected;
	const struct s3_store *store = context;
	return read_secret(store->access_key_file, &out->access_key, err) && read_secret(store->secret_key_file, &out->secret_key, err) &&
	       read_secret(store->session_token_file, &out->session_token, err);
}

static void s3_close(void *context)
{
	struct s3_store *store = context;
	char *const texts[] = { store->prefix,		store->bucket,		store->bucket_path,
				store->access_key_file, store->secret_key_file, store->session_token_file };
	http_curl_close(store->http);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	free(store);
}

static bool is_name(const char *text, const char *also)
{
	size_t len = 0;
	while (isalnum((unsigned char)text[len]) || (text[len] != '\0' && strchr(also, text[len]) != NULL))
		len++;
	return len > 0 && len <= 63 && text[len] == '\0';
}

static bool check(const struct s3_store *store, const struct state_store_config *config, const char *region, struct error *err)
{
	if (!is_name(store->bucket, "-._"))
		return error_set(err, ERROR_INVALID, "prefix %.200s: expected s3://BUCKET[/PATH]", store->prefix);
	if (!is_name(region, "-"))
		return error_set(err, ERROR_INVALID, "region %.100s: expected a name such as eu-central-1", region);
	if (config->endpoint != NULL && !str_starts(config->endpoint, "https://") && !str_starts(config->endpoint, "http://"))
		return error_set(err, ERROR_INVALID, "endpoint %.200s: expected http:// or https://", config->endpoint);
	if ((config->access_key_file == NULL) != (config->secret_key_file == NULL))
		return error_set(err, ERROR_INVALID, "accessKeyFile and secretKeyFile are needed together");
	if (config->session_token_file != NULL && config->access_key_file == NULL)
		return error_set(err, ERROR_INVALID, "sessionTokenFile needs accessKeyFile and secretKeyFile");
	return true;
}

static char *base_url(const struct s3_store *store, const struct state_store_config *config, const char *region)
{
	AUTOFREE char *aws = mem_printf("https://s3.%s.amazonaws.com", region);
	const char *endpoint = config->endpoint != NULL ? config->endpoint : aws;
	if (config->path_style)
		return mem_strdup(endpoint);
	const char *host = strstr(endpoint, "://") + strlen("://");
	return mem_printf("%.*s%s.%s", (int)(host - endpoint), endpoint, store->bucket, host);
}

bool s3_store_open(const char *prefix, const struct state_store_config *config, struct state_store *out, struct error *err)
{
	const char *bucket = prefix + strlen("s3://");
	const char *region = config->region != NULL ? config->region : "us-east-1";
	struct s3_store *store = mem_alloc(sizeof *store);
	*store = (struct s3_store){ .prefix = mem_strdup(prefix),
				    .bucket = mem_strndup(bucket, strcspn(bucket, "/")),
				    .access_key_file = mem_strdup(config->access_key_file),
				    .secret_key_file = mem_strdup(config->secret_key_file),
				    .session_token_file = mem_strdup(config->session_token_file) };
	store->bucket_path = config->path_style ? mem_printf("/%s", store->bucket) : mem_strdup("");
	if (!check(store, config, region, err)) {
		s3_close(store);
		return false;
	}
	AUTOFREE char *url = base_url(store, config, region);
	AUTOFREE char *signing = mem_printf("aws:amz:%s:s3", region);
	const struct http_curl_options options = { .base_url = url,
						   .ca_file = config->ca_file,
						   .max_body = BODY_MAX,
						   .aws_sigv4 = config->access_key_file != NULL ? signing : NULL,
						   .credentials = give_credentials,
						   .credentials_context = store };
	if (!http_curl_open(&options, &store->http, err)) {
		s3_close(store);
		return false;
	}
	*out = (struct state_store){
		.context = store, .look = s3_look, .list = s3_list, .dispose = s3_dispose, .clean = s3_clean, .close = s3_close
	};
	return true;
}
