#include "store/store.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/file_store.h"
#include "store/s3_store.h"

#define METADATA "/_metadata"

struct entry {
	char *prefix;
	struct state_store store;
};

struct state_stores {
	struct entry *entries;
	size_t count;
};

const char *state_answer_name(enum state_answer answer)
{
	return answer == STATE_EXISTS ? "exists" : answer == STATE_ABSENT ? "absent" : "unknown";
}

/* ---- answers ---- */

static void set(struct state_look *out, enum state_answer answer, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

static void set(struct state_look *out, enum state_answer answer, const char *format, va_list args)
{
	out->answer = answer;
	(void)vsnprintf(out->why, sizeof out->why, format, args);
}

void state_look_set(struct state_look *out, enum state_answer answer, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	set(out, answer, format, args);
	va_end(args);
}

void state_listing_set(struct state_listing *out, enum state_answer answer, const char *format, ...)
{
	if (answer != STATE_EXISTS)
		state_listing_free(out);
	va_list args;
	va_start(args, format);
	set(&out->look, answer, format, args);
	va_end(args);
}

void state_listing_add(struct state_listing *out, const char *name, size_t len)
{
	out->names = mem_grow(out->names, out->count + 1, sizeof *out->names);
	out->names[out->count++] = mem_strndup(name, len);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void state_listing_sort(struct state_listing *out)
{
	if (out->count > 1)
		qsort(out->names, out->count, sizeof *out->names, by_text);
}

void state_listing_free(struct state_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->names[i]);
	free(listing->names);
	*listing = (struct state_listing){ 0 };
}

/* ---- paths ---- */

static size_t scheme_length(const char *path)
{
	size_t len = 0;
	while (isalnum((unsigned char)path[len]) || (len > 0 && strchr("+-.", path[len]) != NULL && path[len] != '\0'))
		len++;
	return len > 0 && isalpha((unsigned char)path[0]) && path[len] == ':' && path[len + 1] == '/' ? len : 0;
}

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text == 0x7f)
			return false;
	return true;
}

/* Appends the parts of a path with one slash before each. */
static bool put_parts(const char *path, struct buf *out)
{
	while (*path != '\0') {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if ((len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (len > 0) {
			buf_putc(out, '/');
			buf_append(out, path, len);
		}
		path += len;
	}
	return true;
}

bool state_path_normal(const char *path, char **out, struct error *err)
{
	if (path == NULL || strnlen(path, STATE_PATH_MAX + 1) > STATE_PATH_MAX)
		return error_set(err, path == NULL ? ERROR_INVALID : ERROR_LIMIT, "a state path has at most %d bytes", (int)STATE_PATH_MAX);
	size_t scheme = scheme_length(path);
	if (scheme == 0 || !is_printable(path))
		return error_set(err, ERROR_INVALID, "state path %.200s: expected SCHEME:/PATH without control characters", path);
	AUTOBUF text = BUF_INIT;
	for (size_t i = 0; i < scheme; i++)
		buf_putc(&text, (char)tolower((unsigned char)path[i]));
	if (strcmp(buf_text(&text), "s3a") == 0 || strcmp(buf_text(&text), "s3p") == 0) {
		buf_clear(&text);
		buf_puts(&text, "s3");
	}
	buf_puts(&text, "://");
	const char *rest = path + scheme + 1;
	if (rest[0] == '/' && rest[1] == '/') {
		rest += 2;
		size_t authority = strcspn(rest, "/");
		if (authority != strlen("localhost") || strncmp(rest, "localhost", authority) != 0 || !str_starts(buf_text(&text), "file:"))
			buf_append(&text, rest, authority);
		rest += authority;
	}
	if (!put_parts(rest, &text))
		return error_set(err, ERROR_INVALID, "state path %.200s: the parts . and .. have no place in it", path);
	*out = buf_take(&text);
	return true;
}

const char *state_path_below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);
	if (strncmp(path, prefix, len) != 0)
		return NULL;
	if (path[len] == '\0')
		return path + len;
	if (path[len] == '/')
		return path + len + 1;
	return str_ends(prefix, "://") ? path + len : NULL; /* a prefix of all authorities */
}

/* A savepoint's or a checkpoint's own directory, by the names that Flink gives them. */
static bool is_state_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	if (str_starts(name, "savepoint-"))
		return name[strlen("savepoint-")] != '\0';
	return str_starts(name, "chk-") && name[4] != '\0' && name[4 + strspn(name + 4, "0123456789")] == '\0';
}

/* ---- asking ---- */

void state_store_look(const struct state_store *store, const char *path, struct state_look *out)
{
	*out = (struct state_look){ 0 };
	AUTOFREE char *normal = NULL;
	struct error err = ERROR_INIT;
	if (!state_path_normal(path, &normal, &err)) {
		state_look_set(out, STATE_UNKNOWN, "%s", err.message);
		return;
	}
	if (str_ends(normal, METADATA))
		normal[strlen(normal) - strlen(METADATA)] = '\0';
	store->look(store->context, normal, out);
}

void state_store_list(const struct state_store *store, const char *dir, struct state_listing *out)
{
	*out = (struct state_listing){ 0 };
	AUTOFREE char *normal = NULL;
	struct error err = ERROR_INIT;
	if (!state_path_normal(dir, &normal, &err)) {
		state_listing_set(out, STATE_UNKNOWN, "%s", err.message);
		return;
	}
	store->list(store->context, normal, out);
	state_listing_sort(out);
}

bool state_store_dispose(const struct state_store *store, const char *path, struct error *err)
{
	AUTOFREE char *normal = NULL;
	if (!state_path_normal(path, &normal, err))
		return false;
	if (!is_state_directory(normal))
		return error_set(err, ERROR_INVALID, "%.300s is not disposed of: expected a directory savepoint-* or chk-NUMBER", normal);
	if (store->dispose == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "%.300s: no state store is configured that could delete it", normal);
	return store->dispose(store->context, normal, err);
}

/* ---- which store? ---- */

void state_store_config_free(struct state_store_config *config)
{
	char *const texts[] = { config->prefix,
				config->path,
				config->endpoint,
				config->region,
				config->access_key_file,
				config->secret_key_file,
				config->session_token_file,
				config->ca_file };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	*config = (struct state_store_config){ 0 };
}

static bool open_one(struct state_stores *stores, const struct state_store_config *config, struct error *err)
{
	AUTOFREE char *prefix = NULL;
	if (config->prefix == NULL)
		return error_set(err, ERROR_INVALID, "prefix is missing");
	if (!state_path_normal(config->prefix, &prefix, err))
		return error_wrap(err, "prefix");
	struct state_store store = { 0 };
	if (str_starts(prefix, "file://")) {
		if (!file_store_open(prefix, config->path, STATE_FILE_CALL_MS, &store, err))
			return false;
	} else if (str_starts(prefix, "s3://")) {
		if (!s3_store_open(prefix, config, &store, err))
			return false;
	} else {
		return error_set(err, ERROR_INVALID, "prefix %.200s: expected file:, s3:, s3a: or s3p: (others are asked by a probe pod)",
				 prefix);
	}
	if (state_stores_add(stores, prefix, &store, err))
		return true;
	store.close(store.context);
	return false;
}

bool state_stores_open(const struct state_store_config *configs, size_t count, struct state_stores **out, struct error *err)
{
	struct state_stores *stores = mem_alloc(sizeof *stores);
	for (size_t i = 0; i < count; i++) {
		if (open_one(stores, &configs[i], err))
			continue;
		state_stores_close(stores);
		return error_wrap(err, "stateStores[%zu]", i);
	}
	*out = stores;
	return true;
}

bool state_stores_add(struct state_stores *stores, const char *prefix, const struct state_store *store, struct error *err)
{
	AUTOFREE char *normal = NULL;
	if (!state_path_normal(prefix, &normal, err))
		return false;
	for (size_t i = 0; i < stores->count; i++)
		if (strcmp(stores->entries[i].prefix, normal) == 0)
			return error_set(err, ERROR_INVALID, "prefix %.200s is there twice", normal);
	stores->entries = mem_grow(stores->entries, stores->count + 1, sizeof *stores->entries);
	stores->entries[stores->count++] = (struct entry){ .prefix = TAKE(normal), .store = *store };
	return true;
}

void state_stores_close(struct state_stores *stores)
{
	if (stores == NULL)
		return;
	for (size_t i = 0; i < stores->count; i++) {
		struct entry *entry = &stores->entries[i];
		if (entry->store.close != NULL)
			entry->store.close(entry->store.context);
		free(entry->prefix);
	}
	free(stores->entries);
	free(stores);
}

static void look_nowhere(void *context, const char *path, struct state_look *out)
{
	(void)context;
	state_look_set(out, STATE_UNKNOWN, "no entry of stateStores has a prefix of %.200s", path);
}

static void list_nowhere(void *context, const char *dir, struct state_listing *out)
{
	look_nowhere(context, dir, &out->look);
}

static const struct state_store nowhere = { .look = look_nowhere, .list = list_nowhere };

const struct state_store *state_store_for(const struct state_stores *stores, const char *path)
{
	AUTOFREE char *normal = NULL;
	struct error err = ERROR_INIT;
	const struct entry *best = NULL;
	if (stores == NULL || !state_path_normal(path, &normal, &err))
		return &nowhere;
	for (size_t i = 0; i < stores->count; i++) {
		const struct entry *entry = &stores->entries[i];
		if (state_path_below(normal, entry->prefix) != NULL && (best == NULL || strlen(entry->prefix) > strlen(best->prefix)))
			best = entry;
	}
	return best != NULL ? &best->store : &nowhere;
}

bool state_stores_cover(const struct state_stores *stores, const char *path)
{
	return state_store_for(stores, path) != &nowhere;
}
