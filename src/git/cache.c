#include "git/cache.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/sensitive.h"

#define CURRENT_REF "refs/weir/current"

enum { TREE_DEPTH_MAX = 64, PACK_OBJECTS_MAX = 20 * 1000 * 1000, OBJECT_CACHE_BYTES = 16 << 20, LOOKS_MAX = 500 * 1000 };

bool cache_error(struct error *err, enum error_kind kind, const char *what)
{
	const git_error *last = git_error_last();
	AUTOBUF text = BUF_INIT;
	sensitive_put_text(&text, last && last->message ? last->message : "libgit2 gave no reason");
	return error_set(err, kind, "%s: %s", what, buf_text(&text));
}

static void setup(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	git_libgit2_init();
	/* What machine or user have in their git configuration must not change what is fetched, nor from where. */
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_SYSTEM, "");
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, "");
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_XDG, "");
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_PROGRAMDATA, "");
	git_libgit2_opts(GIT_OPT_SET_TEMPLATE_PATH, "");
	git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)OBJECT_CACHE_BYTES);
	git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)PACK_OBJECTS_MAX);
	/* Mounted volumes often belong to another user; a repository's configuration can make libgit2 run nothing. */
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
}

void cache_setup(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, setup);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

static bool remove_tree(const char *path, struct error *err)
{
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
		return true;
	return error_set(err, ERROR_TRANSIENT, "cache %s: cannot be removed: %s", path, strerror(errno));
}

static bool make_dirs(const char *path, struct error *err)
{
	AUTOFREE char *part = mem_strdup(path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		(void)mkdir(part, 0777);
		*p = '/';
	}
	if (mkdir(part, 0777) == 0 || errno == EEXIST)
		return true;
	return error_set(err, ERROR_INVALID, "cache directory %s: cannot be made: %s", path, strerror(errno));
}

/* What is too deep or too much to be read anyway (a tree may name one subtree many times) is not looked at. */
static bool tree_holds(git_repository *repo, git_odb *odb, const git_oid *id, unsigned depth, size_t *looks)
{
	git_tree *tree = NULL;
	if (depth > TREE_DEPTH_MAX || *looks > LOOKS_MAX)
		return true;
	if (git_tree_lookup(&tree, repo, id) < 0)
		return false;
	bool ok = true;
	*looks += 1 + git_tree_entrycount(tree);
	for (size_t i = 0; ok && i < git_tree_entrycount(tree); i++) {
		const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
		size_t len;
		git_object_t type;
		if (git_tree_entry_type(entry) == GIT_OBJECT_TREE)
			ok = tree_holds(repo, odb, git_tree_entry_id(entry), depth + 1, looks);
		else if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB)
			ok = git_odb_read_header(&len, &type, odb, git_tree_entry_id(entry)) == 0;
	}
	git_tree_free(tree);
	return ok;
}

bool cache_holds(git_repository *repo, const git_oid *id)
{
	git_commit *commit = NULL;
	git_odb *odb = NULL;
	size_t looks = 0;
	bool ok = git_commit_lookup(&commit, repo, id) == 0 && git_repository_odb(&odb, repo) == 0 &&
		  tree_holds(repo, odb, git_commit_tree_id(commit), 0, &looks);
	git_odb_free(odb);
	git_commit_free(commit);
	return ok;
}

bool cache_set_current(git_repository *repo, const git_oid *commit, struct error *err)
{
	git_reference *ref = NULL;
	if (git_reference_create(&ref, repo, CURRENT_REF, commit, 1, NULL) < 0)
		return cache_error(err, ERROR_TRANSIENT, "cache: the current revision cannot be recorded");
	git_reference_free(ref);
	return true;
}

static bool init_bare(git_repository **repo, const char *dir, struct error *err)
{
	git_repository_init_options options;
	git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
	options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
	options.initial_head = "none";
	if (git_repository_init_ext(repo, dir, &options) == 0)
		return true;
	AUTOFREE char *what = mem_printf("cache %s", dir);
	return cache_error(err, ERROR_TRANSIENT, what);
}

/* False: damaged. */
static bool open_existing(struct cache *cache, char current[41])
{
	git_oid id;
	current[0] = 0;
	if (git_repository_open_bare(&cache->repo, cache->dir) < 0)
		return false;
	int found = git_reference_name_to_id(&id, cache->repo, CURRENT_REF);
	if (found == GIT_ENOTFOUND)
		return true;
	if (found < 0 || !cache_holds(cache->repo, &id))
		return false;
	git_oid_tostr(current, 41, &id);
	return true;
}

static bool move_aside(const struct cache *cache, struct error *err)
{
	AUTOFREE char *aside = mem_printf("%s.damaged", cache->dir);
	if (!remove_tree(aside, err))
		return false;
	if (rename(cache->dir, aside) == 0)
		return true;
	return error_set(err, ERROR_TRANSIENT, "cache %s: is damaged and cannot be moved aside: %s", cache->dir, strerror(errno));
}

bool cache_open(struct cache *cache, const char *cache_dir, const char *key, char current[41], bool *repaired, struct error *err)
{
	cache_setup();
	*cache = (struct cache){ .lock = -1 };
	*repaired = false;
	current[0] = 0;
	if (!make_dirs(cache_dir, err))
		return false;
	cache->dir = mem_printf("%s/%s", cache_dir, key);
	AUTOFREE char *lock = mem_printf("%s.lock", cache->dir);
	cache->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (cache->lock < 0) {
		error_set(err, ERROR_INVALID, "cache %s: cannot be locked: %s", lock, strerror(errno));
	} else if (flock(cache->lock, LOCK_EX | LOCK_NB) < 0) {
		error_set(err, ERROR_CONFLICT, "cache %s: is in use already", cache->dir);
	} else if (access(cache->dir, F_OK) < 0 ? init_bare(&cache->repo, cache->dir, err) : open_existing(cache, current)) {
		return true;
	} else if (access(cache->dir, F_OK) == 0) {
		git_repository_free(cache->repo);
		cache->repo = NULL;
		*repaired = true;
		if (move_aside(cache, err) && init_bare(&cache->repo, cache->dir, err))
			return true;
	}
	cache_close(cache);
	return false;
}

void cache_close(struct cache *cache)
{
	git_repository_free(cache->repo);
	cache->repo = NULL;
	close_fd(&cache->lock);
	cache->lock = -1;
	free_ptr(&cache->dir);
}

git_repository *cache_fresh(const struct cache *cache, struct error *err)
{
	AUTOFREE char *dir = mem_printf("%s.new", cache->dir);
	git_repository *repo = NULL;
	return remove_tree(dir, err) && init_bare(&repo, dir, err) ? repo : NULL;
}

bool cache_replace(struct cache *cache, git_repository *fresh, bool keep_old, struct error *err)
{
	AUTOFREE char *from = mem_printf("%s.new", cache->dir);
	AUTOFREE char *aside = mem_printf("%s.%s", cache->dir, keep_old ? "damaged" : "old");
	git_repository_free(fresh);
	if (!remove_tree(aside, err))
		return false;
	git_repository_free(cache->repo);
	cache->repo = NULL;
	bool ok = rename(cache->dir, aside) == 0 || errno == ENOENT;
	if (ok && rename(from, cache->dir) < 0) {
		ok = false;
		(void)rename(aside, cache->dir);
	}
	if (!ok)
		error_set(err, ERROR_TRANSIENT, "cache %s: cannot be replaced: %s", cache->dir, strerror(errno));
	if (git_repository_open_bare(&cache->repo, cache->dir) < 0)
		return cache_error(err, ERROR_TRANSIENT, "cache: cannot be opened again");
	return ok && (keep_old || remove_tree(aside, err));
}

static size_t count_packs(const struct cache *cache)
{
	AUTOFREE char *path = mem_printf("%s/objects/pack", cache->dir);
	DIR *dir = opendir(path);
	size_t count = 0;
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += str_ends(entry->d_name, ".pack");
	if (dir)
		closedir(dir);
	return count;
}

static bool write_pack(git_repository *from, git_repository *to, const git_oid *commit)
{
	git_packbuilder *builder = NULL;
	git_revwalk *walk = NULL;
	AUTOFREE char *path = mem_printf("%sobjects/pack", git_repository_path(to));
	bool ok = git_packbuilder_new(&builder, from) == 0 && git_revwalk_new(&walk, from) == 0 && git_revwalk_push(walk, commit) == 0 &&
		  git_packbuilder_insert_walk(builder, walk) == 0 && git_packbuilder_write(builder, path, 0, NULL, NULL) == 0;
	git_revwalk_free(walk);
	git_packbuilder_free(builder);
	return ok;
}

bool cache_compact(struct cache *cache, const git_oid *commit, struct error *err)
{
	if (count_packs(cache) <= CACHE_PACKS_MAX)
		return true;
	git_repository *fresh = cache_fresh(cache, err);
	if (!fresh)
		return false;
	if (!write_pack(cache->repo, fresh, commit)) {
		cache_error(err, ERROR_TRANSIENT, "cache: packs cannot be joined");
	} else if (cache_set_current(fresh, commit, err)) {
		if (cache_holds(fresh, commit))
			return cache_replace(cache, fresh, false, err);
		error_set(err, ERROR_BUG, "cache: joining packs lost objects");
	}
	git_repository_free(fresh);
	return false;
}
