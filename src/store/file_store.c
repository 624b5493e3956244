#include "store/file_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { DEPTH_MAX = 32, THREAD_STACK = 256 << 10 };

struct file_store {
	char *prefix, *root;
	int64_t timeout_ms;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned users; /* the owner, and every call whose thread still runs */
	unsigned stuck; /* calls that nobody waits for any more */
};

enum question { LOOK, LIST, DISPOSE, CLEAN };

/* One call. Its thread and its caller share it; the last one frees it. */
struct call {
	struct file_store *store;
	enum question question;
	enum state_remains shape; /* CLEAN */
	char *below;		  /* the path below the root */
	struct state_listing listing;
	struct error err;
	bool good, done, abandoned;
};

/* ---- walking ---- */

static bool is_here(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Does the root hold anything but what a fresh file system holds? */
static bool root_in_use(int root)
{
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		close_fd(&fd);
		return false;
	}
	bool found = false;
	for (struct dirent *e = readdir(dir); e != NULL && !found; e = readdir(dir))
		found = !is_here(e->d_name) && strcmp(e->d_name, "lost+found") != 0;
	(void)closedir(dir);
	return found;
}

static void not_there(const struct file_store *store, int root, const char *below, struct state_look *out)
{
	if (root_in_use(root))
		state_look_set(out, STATE_ABSENT, "%s/%.300s is not there", store->root, below);
	else
		state_look_set(out, STATE_UNKNOWN, "%s is empty: the volume may not be mounted there", store->root);
}

static void problem(const struct file_store *store, const char *below, int code, struct state_look *out)
{
	state_look_set(out, STATE_UNKNOWN, "%s/%.300s: %s", store->root, below, strerror(code));
}

/* The directory below the root, or -1 with the answer in *out. */
static int open_below(const struct file_store *store, const char *below, struct state_look *out)
{
	CLEANUP(close_fd) int root = open(store->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		state_look_set(out, STATE_UNKNOWN, "%s, where %s should be mounted: %s", store->root, store->prefix, strerror(errno));
		return -1;
	}
	int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	AUTOFREE char *parts = mem_strdup(below);
	char *rest = NULL;
	for (char *part = strtok_r(parts, "/", &rest); part != NULL && at >= 0; part = strtok_r(NULL, "/", &rest)) {
		int next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int code = errno;
		close_fd(&at);
		at = next;
		if (at < 0 && code == ENOENT)
			not_there(store, root, below, out);
		else if (at < 0)
			problem(store, below, code, out);
	}
	return at;
}

static void look_at(const struct file_store *store, int dir, const char *below, struct state_look *out)
{
	struct stat st;
	if (fstatat(dir, "_metadata", &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			state_look_set(out, STATE_ABSENT, "%s/%.300s holds no _metadata", store->root, below);
		else
			problem(store, below, errno, out);
	} else if (!S_ISREG(st.st_mode) || st.st_size == 0) {
		state_look_set(out, STATE_UNKNOWN, "%s/%.300s/_metadata is %s", store->root, below,
			       S_ISREG(st.st_mode) ? "empty" : "no regular file");
	} else {
		state_look_set(out, STATE_EXISTS, "%s", "");
	}
}

static void do_look(const struct file_store *store, const char *below, struct state_look *out)
{
	CLEANUP(close_fd) int dir = open_below(store, below, out);
	if (dir >= 0)
		look_at(store, dir, below, out);
}

static void list_entry(const struct file_store *store, int dir, const char *name, struct state_listing *out)
{
	struct stat st;
	struct state_look look = { 0 };
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT) /* else gone meanwhile */
			problem(store, name, errno, &out->look);
		return;
	}
	if (!S_ISDIR(st.st_mode))
		return;
	CLEANUP(close_fd) int entry = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (entry < 0)
		problem(store, name, errno, &look);
	else
		look_at(store, entry, name, &look);
	if (look.answer == STATE_EXISTS)
		state_listing_add(out, name, strlen(name));
	else if (look.answer == STATE_UNKNOWN)
		state_look_set(&out->look, STATE_UNKNOWN, "%s", look.why);
}

static void do_list(const struct file_store *store, const char *below, struct state_listing *out)
{
	CLEANUP(close_fd) int place = open_below(store, below, &out->look);
	if (place < 0)
		return;
	int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		problem(store, below, errno, &out->look);
		close_fd(&fd);
		return;
	}
	out->look.answer = STATE_EXISTS;
	size_t seen = 0;
	errno = 0;
	struct dirent *e;
	while (out->look.answer == STATE_EXISTS && (e = readdir(dir)) != NULL) {
		if (is_here(e->d_name))
			continue;
		if (++seen > STATE_LIST_MAX)
			state_look_set(&out->look, STATE_UNKNOWN, "%s/%.300s has more than %d entries", store->root, below,
				       (int)STATE_LIST_MAX);
		else
			list_entry(store, dirfd(dir), e->d_name, out);
		errno = 0;
	}
	if (out->look.answer == STATE_EXISTS && errno != 0)
		problem(store, below, errno, &out->look);
	(void)closedir(dir);
	if (out->look.answer != STATE_EXISTS) {
		AUTOFREE char *why = mem_strdup(out->look.why);
		state_listing_set(out, STATE_UNKNOWN, "%s", why);
	}
}

/* ---- deleting ---- */

static bool removal_error(const char *name, int code, struct error *err)
{
	enum error_kind kind = code == EACCES || code == EPERM || code == EROFS ? ERROR_FORBIDDEN : ERROR_TRANSIENT;
	return error_set(err, kind, "cannot delete %.200s: %s", name, strerror(code));
}

/* Empties a directory; `left` is what may still be deleted. */
static bool empty_directory(int at, const char *name, unsigned depth, size_t *left, struct error *err)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		int code = errno;
		close_fd(&fd);
		return removal_error(name, code, err);
	}
	bool good = true;
	for (struct dirent *e = readdir(dir); e != NULL && good; e = readdir(dir)) {
		struct stat st;
		if (is_here(e->d_name))
			continue;
		if (*left == 0 || depth >= DEPTH_MAX) {
			good = error_set(err, depth >= DEPTH_MAX ? ERROR_LIMIT : ERROR_TRANSIENT, "%.200s: not all of it is deleted yet",
					 name);
			break;
		}
		--*left;
		bool folder = fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
		good = !folder || empty_directory(dirfd(dir), e->d_name, depth + 1, left, err);
		if (good && unlinkat(dirfd(dir), e->d_name, folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
			good = removal_error(e->d_name, errno, err);
	}
	(void)closedir(dir);
	return good;
}

static bool do_dispose(const struct file_store *store, const char *below, struct error *err)
{
	const char *slash = strrchr(below, '/');
	const char *name = slash != NULL ? slash + 1 : below;
	AUTOFREE char *parent = mem_strndup(below, slash != NULL ? (size_t)(slash - below) : 0);
	struct state_look look = { 0 };
	CLEANUP(close_fd) int at = open_below(store, parent, &look);
	if (at < 0)
		return look.answer == STATE_ABSENT || error_set(err, ERROR_TRANSIENT, "%s", look.why);
	CLEANUP(close_fd) int dir = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT || removal_error(below, errno, err);
	if (unlinkat(dir, "_metadata", 0) != 0 && errno != ENOENT)
		return removal_error(below, errno, err);
	size_t left = STATE_DISPOSE_MAX;
	if (!empty_directory(at, name, 0, &left, err))
		return error_wrap(err, "%s/%.300s", store->root, below);
	return unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT || removal_error(below, errno, err);
}

/* Deletes Flink's own entries of a directory; `left` is what may still be deleted. */
static bool clean_directory(DIR *dir, enum state_remains shape, struct error *err)
{
	size_t left = STATE_DISPOSE_MAX;
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		struct stat st;
		if (is_here(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		bool folder = S_ISDIR(st.st_mode);
		if ((!folder && !S_ISREG(st.st_mode)) || !state_remains_holds(shape, e->d_name, folder))
			continue;
		if (left-- == 0)
			return error_set(err, ERROR_TRANSIENT, "not all of it is deleted yet");
		if (folder && !empty_directory(dirfd(dir), e->d_name, 0, &left, err))
			return false;
		if (unlinkat(dirfd(dir), e->d_name, folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
			return removal_error(e->d_name, errno, err);
	}
	return true;
}

static bool do_clean(const struct file_store *store, const char *below, enum state_remains shape, struct error *err)
{
	const char *slash = strrchr(below, '/');
	const char *name = slash != NULL ? slash + 1 : below;
	AUTOFREE char *parent = mem_strndup(below, slash != NULL ? (size_t)(slash - below) : 0);
	struct state_look look = { 0 };
	CLEANUP(close_fd) int at = open_below(store, parent, &look);
	if (at < 0)
		return look.answer == STATE_ABSENT || error_set(err, ERROR_TRANSIENT, "%s", look.why);
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		int code = errno;
		close_fd(&fd);
		return code == ENOENT || removal_error(below, code, err);
	}
	bool good = clean_directory(dir, shape, err);
	(void)closedir(dir);
	if (!good)
		return error_wrap(err, "%s/%.300s", store->root, below);
	bool gone = unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST;
	return gone || removal_error(below, errno, err); /* not empty: what is left is somebody else's */
}

/* ---- calls that end in time ---- */

static void store_unref(struct file_store *store)
{
	pthread_mutex_lock(&store->lock);
	bool last = --store->users == 0;
	pthread_mutex_unlock(&store->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&store->lock);
	pthread_cond_destroy(&store->changed);
	free(store->prefix);
	free(store->root);
	free(store);
}

static void call_free(struct call *call)
{
	state_listing_free(&call->listing);
	free(call->below);
	free(call);
}

static void *call_run(void *context)
{
	struct call *call = context;
	struct file_store *store = call->store;
	if (call->question == LOOK)
		do_look(store, call->below, &call->listing.look);
	else if (call->question == LIST)
		do_list(store, call->below, &call->listing);
	else if (call->question == DISPOSE)
		call->good = do_dispose(store, call->below, &call->err);
	else
		call->good = do_clean(store, call->below, call->shape, &call->err);
	pthread_mutex_lock(&store->lock);
	call->done = true;
	bool abandoned = call->abandoned;
	if (abandoned)
		store->stuck--;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	if (abandoned)
		call_free(call);
	store_unref(store);
	return NULL;
}

static struct timespec deadline_after(int64_t ms)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static bool start(struct call *call)
{
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	call->store->users++; /* under the lock */
	bool good = pthread_create(&thread, &attr, call_run, call) == 0;
	pthread_attr_destroy(&attr);
	if (!good)
		call->store->users--;
	return good;
}

/* The finished call, which the caller frees; or NULL with the reason in *why. */
static struct call *ask(struct file_store *store, enum question question, enum state_remains shape, const char *path,
			struct state_look *why)
{
	const char *below = state_path_below(path, store->prefix);
	if (below == NULL || (*below == '\0' && question != LIST)) {
		state_look_set(why, STATE_UNKNOWN, "%.300s is not below %s", path, store->prefix);
		return NULL;
	}
	struct call *call = mem_alloc(sizeof *call);
	*call = (struct call){ .store = store, .question = question, .shape = shape, .below = mem_strdup(below) };
	pthread_mutex_lock(&store->lock);
	if (store->stuck > 0 || !start(call)) {
		state_look_set(why, STATE_UNKNOWN, "%s: %s", store->root,
			       store->stuck > 0 ? "the file system has not answered an earlier question yet" : "no thread");
		pthread_mutex_unlock(&store->lock);
		call_free(call);
		return NULL;
	}
	struct timespec until = deadline_after(store->timeout_ms);
	while (!call->done && pthread_cond_timedwait(&store->changed, &store->lock, &until) == 0)
		;
	bool done = call->done;
	if (!done) {
		call->abandoned = true;
		store->stuck++;
		state_look_set(why, STATE_UNKNOWN, "%s: the file system did not answer within %lld ms", store->root,
			       (long long)store->timeout_ms);
	}
	pthread_mutex_unlock(&store->lock);
	return done ? call : NULL;
}

static void file_look(void *context, const char *path, struct state_look *out)
{
	struct call *call = ask(context, LOOK, REMAINS_NOTHING, path, out);
	if (call == NULL)
		return;
	*out = call->listing.look;
	call_free(call);
}

static void file_list(void *context, const char *dir, struct state_listing *out)
{
	struct call *call = ask(context, LIST, REMAINS_NOTHING, dir, &out->look);
	if (call == NULL)
		return;
	*out = call->listing;
	call->listing = (struct state_listing){ 0 };
	call_free(call);
}

static bool delete (void *context, enum question question, enum state_remains shape, const char *path, struct error *err)
{
	const struct file_store *store = context;
	const char *below = state_path_below(path, store->prefix);
	if (below == NULL || *below == '\0')
		return error_set(err, ERROR_INVALID, "%.300s is not deleted: it is not below %s", path, store->prefix);
	struct state_look why = { 0 };
	struct call *call = ask(context, question, shape, path, &why);
	if (call == NULL)
		return error_set(err, ERROR_UNKNOWN_OUTCOME, "%s", why.why);
	bool good = call->good;
	if (!good && err != NULL)
		error_copy(err, &call->err);
	call_free(call);
	return good;
}

static bool file_dispose(void *context, const char *path, struct error *err)
{
	return delete (context, DISPOSE, REMAINS_NOTHING, path, err);
}

static bool file_clean(void *context, const char *path, enum state_remains shape, struct error *err)
{
	return delete (context, CLEAN, shape, path, err);
}

static void file_close(void *context)
{
	store_unref(context);
}

bool file_store_open(const char *prefix, const char *root, int64_t timeout_ms, struct state_store *out, struct error *err)
{
	if (root == NULL || root[0] != '/')
		return error_set(err, ERROR_INVALID, "path: expected the absolute path of the directory where %s is mounted", prefix);
	struct file_store *store = mem_alloc(sizeof *store);
	*store = (struct file_store){ .prefix = mem_strdup(prefix), .root = mem_strdup(root), .timeout_ms = timeout_ms, .users = 1 };
	size_t len = strlen(root);
	while (len > 1 && store->root[len - 1] == '/')
		store->root[--len] = '\0';
	pthread_mutex_init(&store->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&store->changed, &attr);
	pthread_condattr_destroy(&attr);
	*out = (struct state_store){
		.context = store, .look = file_look, .list = file_list, .dispose = file_dispose, .clean = file_clean, .close = file_close
	};
	return true;
}
