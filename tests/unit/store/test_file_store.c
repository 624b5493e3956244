#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/file_store.h"

/* ---- a file system that misbehaves: this program's own fstatat, for one name ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *name; /* of the file that it concerns */
	int code;	  /* fails with this; 0: blocks until `open` */
	bool open;
	unsigned blocked;
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

int fstatat(int dir, const char *restrict name, struct stat *restrict st, int flags)
{
	static int (*real)(int, const char *, struct stat *, int);
	pthread_mutex_lock(&fault.lock);
	if (real == NULL) {
		void *found = dlsym(RTLD_NEXT, "fstatat");
		memcpy(&real, &found, sizeof real);
	}
	bool hit = fault.name != NULL && strcmp(fault.name, name) == 0;
	int code = hit ? fault.code : 0;
	if (hit && code == 0) {
		fault.blocked++;
		while (!fault.open)
			pthread_cond_wait(&fault.changed, &fault.lock);
		fault.blocked--;
		pthread_cond_broadcast(&fault.changed);
	}
	pthread_mutex_unlock(&fault.lock);
	if (code != 0) {
		errno = code;
		return -1;
	}
	return real(dir, name, st, flags);
}

static void set_fault(const char *name, int code)
{
	pthread_mutex_lock(&fault.lock);
	fault.name = name;
	fault.code = code;
	fault.open = false;
	pthread_mutex_unlock(&fault.lock);
}

static char first_deleted[64]; /* the first name that is deleted after this was emptied */

int unlinkat(int dir, const char *name, int flags)
{
	static int (*real)(int, const char *, int);
	pthread_mutex_lock(&fault.lock);
	if (real == NULL) {
		void *found = dlsym(RTLD_NEXT, "unlinkat");
		memcpy(&real, &found, sizeof real);
	}
	if (first_deleted[0] == '\0')
		(void)snprintf(first_deleted, sizeof first_deleted, "%s", name);
	pthread_mutex_unlock(&fault.lock);
	return real(dir, name, flags);
}

/* ---- a root with files ---- */

struct place {
	char root[64];
	struct state_stores *stores;
};

static void make(const char *root, const char *path, const char *content)
{
	AUTOFREE char *full = mem_printf("%s/%s", root, path);
	for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(full, 0755);
		*slash = '/';
	}
	if (content == NULL)
		return;
	FILE *out = fopen(full, "we");
	assert_non_null(out);
	(void)fputs(content, out);
	(void)fclose(out);
}

static struct state_stores *open_at(const char *prefix, const char *root)
{
	AUTOFREE char *given_prefix = mem_strdup(prefix);
	AUTOFREE char *given_root = mem_strdup(root);
	const struct state_store_config config = { .prefix = given_prefix, .path = given_root };
	struct state_stores *stores = NULL;
	struct error err = ERROR_INIT;
	if (!state_stores_open(&config, 1, &stores, &err))
		fail_msg("%s", err.message);
	return stores;
}

static int setup(void **state)
{
	struct place *p = mem_alloc(sizeof *p);
	(void)snprintf(p->root, sizeof p->root, "/tmp/weir-store-XXXXXX");
	if (mkdtemp(p->root) == NULL)
		return -1;
	make(p->root, "sp/savepoint-1/_metadata", "m");
	make(p->root, "sp/savepoint-1/data", "d");
	make(p->root, "sp/savepoint-2/data", "no metadata");
	make(p->root, "sp/savepoint-3/_metadata", "m");
	make(p->root, "sp/a-file", "x");
	p->stores = open_at("file:///flink-data", p->root);
	*state = p;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct place *p = *state;
	set_fault(NULL, 0);
	state_stores_close(p->stores);
	int ended = nftw(p->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return ended;
}

static enum state_answer look(const struct state_stores *stores, const char *path, const char *why)
{
	struct state_look out;
	state_store_look(state_store_for(stores, path), path, &out);
	if (why != NULL && strstr(out.why, why) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", path, out.why, why);
	assert_true((out.answer == STATE_EXISTS) == (out.why[0] == '\0'));
	return out.answer;
}

static bool on_disk(const struct place *p, const char *path)
{
	AUTOFREE char *full = mem_printf("%s/%s", p->root, path);
	return access(full, F_OK) == 0;
}

/* ---- tests ---- */

static void three_answers(void **state)
{
	const struct place *p = *state;
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-1", NULL), STATE_EXISTS);
	assert_int_equal(look(p->stores, "file:///flink-data/sp/savepoint-1/", NULL), STATE_EXISTS);
	assert_int_equal(look(p->stores, "file:///flink-data//sp/savepoint-1/_metadata", NULL), STATE_EXISTS);
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-2", "holds no _metadata"), STATE_ABSENT);
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-9", "is not there"), STATE_ABSENT);
	assert_int_equal(look(p->stores, "file:/flink-data/nowhere/at/all", "is not there"), STATE_ABSENT);
	assert_int_equal(look(p->stores, "file:/flink-data", "not below"), STATE_UNKNOWN);
	assert_int_equal(look(p->stores, "file:/flink-data2/sp/savepoint-1", "no entry of stateStores"), STATE_UNKNOWN);
	assert_int_equal(look(p->stores, "file:/flink-data/../flink-data/sp/savepoint-1", "have no place"), STATE_UNKNOWN);
	assert_int_equal(look(p->stores, "file:/flink-data/sp/a-file/x", strerror(ENOTDIR)), STATE_UNKNOWN);
	make(p->root, "sp/savepoint-4/_metadata", "");
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-4", "is empty"), STATE_UNKNOWN);
}

static void errors_are_unknown(void **state)
{
	const struct place *p = *state;
	static const int codes[] = { EACCES, ESTALE, EIO, ETIMEDOUT, ENOTCONN, ENAMETOOLONG };
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		set_fault("_metadata", codes[i]);
		assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-1", strerror(codes[i])), STATE_UNKNOWN);
	}
	set_fault("_metadata", ENOENT);
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-1", NULL), STATE_ABSENT);
}

static void missing_or_empty_root_is_unknown(void **state)
{
	const struct place *p = *state;
	AUTOFREE char *gone = mem_printf("%s/unmounted", p->root);
	struct state_stores *stores = open_at("file:///d", gone);
	assert_int_equal(look(stores, "file:/d/sp/savepoint-1", "should be mounted"), STATE_UNKNOWN);
	make(p->root, "unmounted/lost+found/", NULL);
	assert_int_equal(look(stores, "file:/d/sp/savepoint-1", "may not be mounted"), STATE_UNKNOWN);
	make(p->root, "unmounted/x/", NULL);
	assert_int_equal(look(stores, "file:/d/sp/savepoint-1", NULL), STATE_ABSENT);
	state_stores_close(stores);
}

static void symbolic_links_are_not_followed(void **state)
{
	const struct place *p = *state;
	AUTOFREE char *link = mem_printf("%s/sp/savepoint-5", p->root);
	AUTOFREE char *link_dir = mem_printf("%s/elsewhere", p->root);
	AUTOFREE char *target = mem_printf("%s/sp/savepoint-1", p->root);
	AUTOFREE char *inner = mem_printf("%s/sp/savepoint-2/_metadata", p->root);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(symlink("/tmp", link_dir), 0);
	assert_int_equal(symlink("/etc/passwd", inner), 0);
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-5", NULL), STATE_UNKNOWN);
	assert_int_equal(look(p->stores, "file:/flink-data/elsewhere/savepoint-1", NULL), STATE_UNKNOWN);
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-2", "no regular file"), STATE_UNKNOWN);
	struct error err = ERROR_INIT;
	const struct state_store *store = state_store_for(p->stores, "file:/flink-data/x");
	assert_false(state_store_dispose(store, "file:/flink-data/sp/savepoint-5", &err));
	assert_true(on_disk(p, "sp/savepoint-1/_metadata"));
}

static void lists_what_holds_metadata(void **state)
{
	const struct place *p = *state;
	struct state_listing out;
	const struct state_store *store = state_store_for(p->stores, "file:/flink-data/sp");
	state_store_list(store, "file:/flink-data/sp", &out);
	assert_int_equal(out.look.answer, STATE_EXISTS);
	assert_int_equal(out.count, 2);
	assert_string_equal(out.names[0], "savepoint-1");
	assert_string_equal(out.names[1], "savepoint-3");
	state_listing_free(&out);
	state_store_list(store, "file:/flink-data", &out); /* the root itself may be read */
	assert_int_equal(out.look.answer, STATE_EXISTS);
	assert_int_equal(out.count, 0);
	state_listing_free(&out);
	state_store_list(store, "file:/flink-data/none", &out);
	assert_int_equal(out.look.answer, STATE_ABSENT);
	set_fault("_metadata", EACCES);
	state_store_list(store, "file:/flink-data/sp", &out);
	assert_int_equal(out.look.answer, STATE_UNKNOWN);
	assert_int_equal(out.count, 0);
	assert_non_null(strstr(out.look.why, strerror(EACCES)));
	set_fault(NULL, 0);
	for (int i = 0; i <= STATE_LIST_MAX; i++) {
		AUTOFREE char *path = mem_printf("many/%d", i);
		make(p->root, path, "x");
	}
	state_store_list(store, "file:/flink-data/many", &out);
	assert_int_equal(out.look.answer, STATE_UNKNOWN);
	assert_non_null(strstr(out.look.why, "more than 200"));
}

static void disposes_of_one_state_only(void **state)
{
	const struct place *p = *state;
	const struct state_store *store = state_store_for(p->stores, "file:/flink-data/sp");
	static const char *const refused[] = { "file:/flink-data",
					       "file:/flink-data/sp",
					       "file:/flink-data/sp/chk-",
					       "file:/flink-data/sp/chk-1x",
					       "file:/flink-data/sp/savepoint-",
					       "file:/other/savepoint-1",
					       "file:/flink-data/sp/../sp/savepoint-1",
					       "/flink-data/sp/savepoint-1",
					       "" };
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct error err = ERROR_INIT;
		assert_false(state_store_dispose(store, refused[i], &err));
		assert_int_equal(err.kind, ERROR_INVALID);
	}
	struct error err = ERROR_INIT;
	make(p->root, "sp/savepoint-1/deep/er/file", "x");
	assert_true(state_store_dispose(store, "file:/flink-data/sp/savepoint-1", &err));
	assert_false(on_disk(p, "sp/savepoint-1"));
	assert_true(state_store_dispose(store, "file:/flink-data/sp/savepoint-1", &err)); /* again: nothing is left */
	make(p->root, "chk-12/_metadata", "x");
	assert_true(state_store_dispose(store, "file:/flink-data/chk-12", &err));
	assert_false(on_disk(p, "chk-12"));
	assert_true(on_disk(p, "sp/savepoint-3/_metadata"));
	assert_true(on_disk(p, "sp/savepoint-2/data"));
}

#define JOB "0123456789abcdef0123456789abcdef"

static void cleans_up_what_a_cluster_left(void **state)
{
	const struct place *p = *state;
	const struct state_store *store = state_store_for(p->stores, "file:/flink-data/ha");
	static const char *const refused[][2] = { { "file:/flink-data", "sp/savepoint-1" },
						  { "file:/flink-data", "job-result-store" },
						  { "file:/flink-data", "job-result-store/orders" },
						  { "file:/flink-data", "job-result-store/orders/" JOB },
						  { "file:/flink-data", "job-result-store/orders/" JOB "-" },
						  { "file:/flink-data", "job-result-store/orders/" JOB "-1/x" },
						  { "file:/flink-data", "job-result-store/../" JOB "-1" },
						  { "file:/flink-data", "other/orders/" JOB "-1" },
						  { "file:/flink-data", "" },
						  { "file:/flink-data", ".." },
						  { "file:/flink-data", "Orders" },
						  { "file:/flink-data/../etc", "orders" },
						  { "/flink-data", "orders" },
						  { "file:/other", "orders" } };
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct error err = ERROR_INIT;
		if (state_store_clean(store, refused[i][0], refused[i][1], &err))
			fail_msg("%s %s was cleaned up", refused[i][0], refused[i][1]);
		assert_int_equal(err.kind, ERROR_INVALID);
	}
	struct error err = ERROR_INIT;
	make(p->root, "ha/job-result-store/orders/" JOB "-1/" JOB ".json", "{}");
	make(p->root, "ha/job-result-store/orders/" JOB "-2/" JOB "_DIRTY.json", "{}");
	assert_true(state_store_clean(store, "file:///flink-data/ha/", "job-result-store/orders/" JOB "-1", &err));
	assert_false(on_disk(p, "ha/job-result-store/orders/" JOB "-1"));
	assert_true(on_disk(p, "ha/job-result-store/orders/" JOB "-2/" JOB "_DIRTY.json"));
	assert_true(state_store_clean(store, "file:///flink-data/ha", "job-result-store/orders/" JOB "-1", &err)); /* again */
	assert_true(state_store_clean(store, "file:///flink-data/ha", "job-result-store/orders/" JOB "-2", &err));
	assert_false(on_disk(p, "ha/job-result-store/orders/" JOB "-2"));

	make(p->root, "ha/orders/completedCheckpoint0aa7f671deb2", "x");
	make(p->root, "ha/orders/submittedJobGraph0aa7f671deb2", "x");
	make(p->root, "ha/orders/blob/job_1/blob_p-1", "x");
	make(p->root, "ha/other/completedCheckpoint0aa7f671deb2", "x");
	assert_true(state_store_clean(store, "file:///flink-data/ha", "orders", &err));
	assert_false(on_disk(p, "ha/orders"));
	assert_true(on_disk(p, "ha/other/completedCheckpoint0aa7f671deb2"));
}

static void leaves_what_is_not_flinks(void **state)
{
	const struct place *p = *state;
	const struct state_store *store = state_store_for(p->stores, "file:/flink-data/ha");
	static const char *const kept[] = { "ha/orders/chk-5/_metadata",     "ha/orders/savepoint-1/_metadata", "ha/orders/blobs/x",
					    "ha/orders/completedCheckpoint", "ha/orders/completedCheckpoint-x", "ha/orders/blob2" };
	struct error err = ERROR_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		make(p->root, kept[i], "x");
	make(p->root, "ha/orders/completedCheckpointab", "x");
	AUTOFREE char *link = mem_printf("%s/ha/linked", p->root);
	AUTOFREE char *blob = mem_printf("%s/ha/blobless/blob", p->root);
	AUTOFREE char *target = mem_printf("%s/ha/orders", p->root);
	make(p->root, "ha/blobless/", NULL);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(symlink(target, blob), 0);
	assert_false(state_store_clean(store, "file:///flink-data/ha", "linked", &err)); /* not through a link */
	assert_false(state_store_clean(store, "file:///flink-data/ha/linked", "orders", &err));
	assert_true(state_store_clean(store, "file:///flink-data/ha", "blobless", &err));
	assert_true(on_disk(p, "ha/orders/completedCheckpointab"));
	assert_true(state_store_clean(store, "file:///flink-data/ha", "orders", &err));
	assert_false(on_disk(p, "ha/orders/completedCheckpointab"));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		assert_true(on_disk(p, kept[i]));
}

static void deletes_metadata_first_and_goes_on(void **state)
{
	const struct place *p = *state;
	const struct state_store *store = state_store_for(p->stores, "file:/flink-data/sp");
	for (int i = 0; i < 34; i++) { /* deeper than any savepoint: it stops on the way */
		AUTOBUF path = BUF_INIT;
		buf_puts(&path, "sp/savepoint-3");
		for (int j = 0; j <= i; j++)
			buf_puts(&path, "/d");
		buf_puts(&path, "/");
		make(p->root, buf_text(&path), NULL);
	}
	struct error err = ERROR_INIT;
	first_deleted[0] = '\0';
	assert_false(state_store_dispose(store, "file:/flink-data/sp/savepoint-3", &err));
	assert_int_equal(err.kind, ERROR_LIMIT);
	assert_string_equal(first_deleted, "_metadata");
	assert_true(on_disk(p, "sp/savepoint-3/d"));
	assert_int_equal(look(p->stores, "file:/flink-data/sp/savepoint-3", NULL), STATE_ABSENT);
	AUTOBUF big = BUF_INIT;
	for (int i = 0; i < STATE_DISPOSE_MAX + 1; i++) {
		buf_clear(&big);
		buf_printf(&big, "sp/savepoint-1/f%d", i);
		make(p->root, buf_text(&big), "");
	}
	first_deleted[0] = '\0';
	assert_false(state_store_dispose(store, "file:/flink-data/sp/savepoint-1", &err));
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_string_equal(first_deleted, "_metadata");
	assert_true(on_disk(p, "sp/savepoint-1"));
	assert_true(state_store_dispose(store, "file:/flink-data/sp/savepoint-1", &err));
	assert_false(on_disk(p, "sp/savepoint-1"));
}

static void a_blocked_file_system_is_unknown_in_time(void **state)
{
	const struct place *p = *state;
	struct state_store store;
	struct state_look out = { 0 };
	assert_true(file_store_open("file:///flink-data", p->root, 100, &store, NULL));
	set_fault("_metadata", 0);
	state_store_look(&store, "file:/flink-data/sp/savepoint-1", &out);
	assert_int_equal(out.answer, STATE_UNKNOWN);
	assert_non_null(strstr(out.why, "did not answer within 100 ms"));
	/* no second thread goes after the first */
	state_store_look(&store, "file:/flink-data/sp/savepoint-1", &out);
	assert_int_equal(out.answer, STATE_UNKNOWN);
	assert_non_null(strstr(out.why, "earlier question"));
	struct error err = ERROR_INIT;
	assert_false(state_store_dispose(&store, "file:/flink-data/sp/savepoint-1", &err));
	assert_int_equal(err.kind, ERROR_UNKNOWN_OUTCOME);
	pthread_mutex_lock(&fault.lock);
	assert_int_equal(fault.blocked, 1);
	fault.open = true;
	pthread_cond_broadcast(&fault.changed);
	while (fault.blocked > 0)
		pthread_cond_wait(&fault.changed, &fault.lock);
	pthread_mutex_unlock(&fault.lock);
	set_fault(NULL, 0);
	for (int i = 0; i < 5000 && out.answer != STATE_EXISTS; i++) { /* the thread is on its way out */
		state_store_look(&store, "file:/flink-data/sp/savepoint-1", &out);
		(void)usleep(1000);
	}
	assert_int_equal(out.answer, STATE_EXISTS);
	store.close(store.context);
}

static void permissions(void **state)
{
	const struct place *p = *state;
	/* as another user than the one whose folder it is; without the right to become one, the folder is closed to all */
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	else
		assert_int_equal(chmod(p->root, 0), 0);
	enum state_answer answer = look(p->stores, "file:/flink-data/sp/savepoint-9", strerror(EACCES));
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	else
		assert_int_equal(chmod(p->root, 0700), 0);
	assert_int_equal(answer, STATE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(three_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_are_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(missing_or_empty_root_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(symbolic_links_are_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_what_holds_metadata, setup, teardown),
		cmocka_unit_test_setup_teardown(disposes_of_one_state_only, setup, teardown),
		cmocka_unit_test_setup_teardown(cleans_up_what_a_cluster_left, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_what_is_not_flinks, setup, teardown),
		cmocka_unit_test_setup_teardown(deletes_metadata_first_and_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_blocked_file_system_is_unknown_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(permissions, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
