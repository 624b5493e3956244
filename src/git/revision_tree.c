#include "git/revision_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "git/repository_private.h"

enum { DEPTH_MAX = 64, PATH_BYTES_MAX = 4096, DIRECTORY_BYTES_MAX = 32 << 20 };

struct reader {
	struct repository *repository;
	const struct git_source *limits;
	git_repository *repo;
	git_odb *odb;
	struct revision_tree tree;
	size_t room; /* in tree.files */
	size_t directories;
	struct error *err;
};

static bool fail_damaged(struct reader *r, const char *path)
{
	const git_error *last = git_error_last();
	repository_distrust(r->repository);
	return error_set(r->err, ERROR_TRANSIENT, "%s: cannot be read from the cache, which the next poll fetches anew: %s", path,
			 last && last->message ? last->message : "damaged");
}

/* A plain name; a tree object made by hand may hold others. */
static bool is_name(const char *name)
{
	return *name && !str_eq(name, ".") && !str_eq(name, "..") && !strchr(name, '/') && !strchr(name, '\\');
}

static bool check_limits(struct reader *r, const char *path, size_t len)
{
	const struct git_source *limits = r->limits;
	if (r->tree.count >= limits->max_files)
		return error_set(r->err, ERROR_LIMIT, "%s: the revision holds more than %zu files (max_files)", path, limits->max_files);
	if (len > limits->max_bytes - r->tree.bytes)
		return error_set(r->err, ERROR_LIMIT, "%s: with it the revision's files pass %zu bytes (max_bytes)", path,
				 limits->max_bytes);
	return true;
}

static void add_file(struct reader *r, const char *path, const void *data, size_t len, unsigned mode, enum revision_file_kind kind)
{
	if (r->tree.count == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		r->tree.files = mem_grow(r->tree.files, r->room, sizeof(*r->tree.files));
	}
	char *copy = mem_alloc(len + 1);
	if (len > 0)
		memcpy(copy, data, len);
	r->tree.files[r->tree.count++] =
		(struct revision_file){ .path = mem_strdup(path), .data = copy, .len = len, .mode = mode, .kind = kind };
	r->tree.bytes += len;
}

static bool read_blob(struct reader *r, const char *path, const git_tree_entry *entry)
{
	size_t len = 0;
	git_object_t type;
	const git_oid *id = git_tree_entry_id(entry);
	if (git_odb_read_header(&len, &type, r->odb, id) < 0)
		return fail_damaged(r, path);
	const size_t max = r->limits->max_file_bytes;
	AUTOFREE char *too_large = len <= max ? NULL : mem_printf("%zu bytes pass the %zu of one file (max_file_bytes)", len, max);
	if (!check_limits(r, path, too_large != NULL ? strlen(too_large) : len))
		return false;
	if (too_large != NULL) {
		add_file(r, path, too_large, strlen(too_large), (unsigned)git_tree_entry_filemode(entry), REVISION_TOO_LARGE);
		return true;
	}
	git_odb_object *object = NULL;
	if (git_odb_read(&object, r->odb, id) < 0)
		return fail_damaged(r, path);
	git_filemode_t mode = git_tree_entry_filemode(entry);
	add_file(r, path, git_odb_object_data(object), git_odb_object_size(object), (unsigned)mode,
		 mode == GIT_FILEMODE_LINK ? REVISION_SYMLINK : REVISION_FILE);
	git_odb_object_free(object);
	return true;
}

static bool read_tree(struct reader *r, const char *prefix, const git_oid *id, unsigned depth);

static bool read_entry(struct reader *r, const char *prefix, const git_tree_entry *entry, unsigned depth)
{
	const char *name = git_tree_entry_name(entry);
	AUTOFREE char *path = mem_printf("%s%s%s", prefix, *prefix ? "/" : "", name);
	char commit[41];
	if (!is_name(name))
		return error_set(r->err, ERROR_INVALID, "%s: a name that is refused (empty, \".\", \"..\", or with a slash)", path);
	if (strlen(path) > PATH_BYTES_MAX)
		return error_set(r->err, ERROR_LIMIT, "%.200s...: a path of more than %d bytes", path, PATH_BYTES_MAX);
	switch (git_tree_entry_type(entry)) {
	case GIT_OBJECT_TREE:
		return read_tree(r, path, git_tree_entry_id(entry), depth + 1);
	case GIT_OBJECT_COMMIT:
		if (!check_limits(r, path, 40))
			return false;
		git_oid_tostr(commit, sizeof(commit), git_tree_entry_id(entry));
		add_file(r, path, commit, 40, (unsigned)git_tree_entry_filemode(entry), REVISION_SUBMODULE);
		return true;
	default:
		return read_blob(r, path, entry);
	}
}

static bool read_tree(struct reader *r, const char *prefix, const git_oid *id, unsigned depth)
{
	git_tree *tree = NULL;
	size_t len = 0;
	git_object_t type;
	if (++r->directories > r->limits->max_files)
		return error_set(r->err, ERROR_LIMIT, "%s: the revision holds more than %zu directories (max_files)", prefix,
				 r->limits->max_files);
	if (git_odb_read_header(&len, &type, r->odb, id) == 0 && len > DIRECTORY_BYTES_MAX)
		return error_set(r->err, ERROR_LIMIT, "%s: a directory of more than %d bytes in git's form", prefix, DIRECTORY_BYTES_MAX);
	if (depth > DEPTH_MAX)
		return error_set(r->err, ERROR_LIMIT, "%s: more than %d directories deep", prefix, DEPTH_MAX);
	if (git_tree_lookup(&tree, r->repo, id) < 0)
		return fail_damaged(r, *prefix ? prefix : "the root directory");
	bool ok = true;
	for (size_t i = 0; ok && i < git_tree_entrycount(tree); i++)
		ok = read_entry(r, prefix, git_tree_entry_byindex(tree, i), depth);
	git_tree_free(tree);
	return ok;
}

/* "./deploy//prod/" becomes "deploy/prod"; NULL if a part of it is "..". */
static char *clean_subdir(const char *subdir)
{
	AUTOBUF out = BUF_INIT;
	for (const char *p = subdir ? subdir : ""; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && memcmp(p, "..", 2) == 0)
			return NULL;
		if (len > 0 && !(len == 1 && *p == '.')) {
			if (out.len > 0)
				buf_putc(&out, '/');
			buf_append(&out, p, len);
		}
		p += len + (p[len] == '/');
	}
	return buf_take(&out);
}

/* The tree object of the subdirectory. */
static bool find_tree(struct reader *r, const char *subdir, git_oid *id)
{
	git_oid commit_id;
	git_commit *commit = NULL;
	if (git_oid_fromstr(&commit_id, r->tree.commit) < 0)
		return error_set(r->err, ERROR_INVALID, "commit \"%s\": expected 40 hexadecimal digits", r->tree.commit);
	int code = git_commit_lookup(&commit, r->repo, &commit_id);
	if (code == GIT_ENOTFOUND && !str_eq(r->tree.commit, repository_commit(r->repository)))
		return error_set(r->err, ERROR_NOT_FOUND, "commit %s: is not in the cache", r->tree.commit);
	if (code < 0)
		return fail_damaged(r, r->tree.commit);
	git_oid root = *git_commit_tree_id(commit);
	git_commit_free(commit);
	if (!*subdir) {
		*id = root;
		return true;
	}
	git_tree *tree = NULL;
	git_tree_entry *entry = NULL;
	if (git_tree_lookup(&tree, r->repo, &root) < 0)
		return fail_damaged(r, "the root directory");
	code = git_tree_entry_bypath(&entry, tree, subdir);
	git_tree_free(tree);
	if (code < 0)
		return error_set(r->err, ERROR_NOT_FOUND, "%s: no such directory in commit %s", subdir, r->tree.commit);
	bool ok = git_tree_entry_type(entry) == GIT_OBJECT_TREE;
	if (ok)
		*id = *git_tree_entry_id(entry);
	else
		error_set(r->err, ERROR_INVALID, "%s: expected a directory", subdir);
	git_tree_entry_free(entry);
	return ok;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct revision_file *)a)->path, ((const struct revision_file *)b)->path);
}

bool revision_tree_read(struct repository *repository, const char *commit, const char *subdir, struct revision_tree *tree,
			struct error *err)
{
	struct reader r = {
		.repository = repository, .limits = repository_source(repository), .repo = repository_handle(repository), .err = err
	};
	AUTOFREE char *prefix = clean_subdir(subdir);
	if (!prefix)
		return error_set(err, ERROR_INVALID, "%s: expected a directory inside the repository", subdir);
	if (!r.repo || git_repository_odb(&r.odb, r.repo) < 0)
		return fail_damaged(&r, "the repository");
	(void)snprintf(r.tree.commit, sizeof(r.tree.commit), "%s", commit);
	git_oid id;
	bool ok = find_tree(&r, prefix, &id) && read_tree(&r, prefix, &id, 0);
	git_odb_free(r.odb);
	if (!ok) {
		revision_tree_free(&r.tree);
		return false;
	}
	git_oid_tostr(r.tree.tree_id, sizeof(r.tree.tree_id), &id);
	if (r.tree.count > 0)
		qsort(r.tree.files, r.tree.count, sizeof(*r.tree.files), compare);
	*tree = r.tree;
	return true;
}

void revision_tree_free(struct revision_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		free((void *)(uintptr_t)tree->files[i].path);
		free((void *)(uintptr_t)tree->files[i].data);
	}
	free(tree->files);
	*tree = (struct revision_tree){ 0 };
}

const struct revision_file *revision_tree_find(const struct revision_tree *tree, const char *path)
{
	struct revision_file key = { .path = path };
	return tree->count ? bsearch(&key, tree->files, tree->count, sizeof(key), compare) : NULL;
}
