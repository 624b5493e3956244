/*
 * A directory on disk as a tree, with the directories outside of it that its kustomization files name, and theirs. Paths in the tree
 * begin at the lowest directory that holds them all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "render/render.h"
#include "render/tree.h"

enum { FILES_MAX = 20000, PIECE_MAX = 65536, DEPTH_MAX = 64, ROOTS_MAX = 1000 };
static const size_t bytes_max = (size_t)256 << 20;

struct loader {
	struct render_tree *tree; /* paths are from the root directory while it is loaded */
	size_t cap, bytes;
	char **roots; /* directories that are in it, with all below */
	size_t root_count;
	struct error *err;
};

void render_tree_free(struct render_tree *tree)
{
	if (tree == NULL)
		return;
	for (size_t i = 0; i < tree->count; i++) {
		free((char *)(uintptr_t)tree->files[i].path);
		free((char *)(uintptr_t)tree->files[i].data);
	}
	free(tree->files);
	free(tree);
}

static bool failed(struct loader *l, const char *path)
{
	enum error_kind kind = errno == ENOENT || errno == ENOTDIR ? ERROR_NOT_FOUND : errno == EACCES ? ERROR_FORBIDDEN : ERROR_INVALID;
	return error_set(l->err, kind, "%s: %s", path, strerror(errno));
}

static bool add_file(struct loader *l, const char *path, enum render_file_kind kind, struct buf *data)
{
	struct render_tree *t = l->tree;
	if (t->count == FILES_MAX)
		return error_set(l->err, ERROR_LIMIT, "%s: more than %d files", path, FILES_MAX);
	if (t->count == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		t->files = mem_grow(t->files, l->cap, sizeof *t->files);
	}
	size_t len = data->len;
	l->bytes += len;
	t->files[t->count++] = (struct render_file){ mem_strdup(path + 1), buf_take(data), len, kind };
	return true;
}

/* The size is what it was a moment ago: the first read usually takes it all, and the second finds the end. */
static bool read_file(struct loader *l, const char *path, off_t size)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return failed(l, path);
	AUTOBUF data = BUF_INIT;
	for (size_t piece = size > 0 && size < PIECE_MAX ? (size_t)size + 1 : PIECE_MAX;; piece = PIECE_MAX) {
		if (data.cap - data.len < 2)
			buf_reserve(&data, piece);
		ssize_t n = read(fd, data.data + data.len, data.cap - data.len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(l, path);
		if (n == 0)
			break;
		data.len += (size_t)n;
		data.data[data.len] = '\0';
		if (l->bytes + data.len > bytes_max)
			return error_set(l->err, ERROR_LIMIT, "%s: more than %zu MiB in all files together", path, bytes_max >> 20);
	}
	return add_file(l, path, RENDER_FILE, &data);
}

static bool read_link(struct loader *l, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof target);
	if (n < 0)
		return failed(l, path);
	AUTOBUF data = BUF_INIT;
	buf_append(&data, target, (size_t)n);
	return add_file(l, path, RENDER_SYMLINK, &data);
}

static bool inside(const struct loader *l, const char *dir)
{
	for (size_t i = 0; i < l->root_count; i++)
		if (path_is_below(dir, l->roots[i]))
			return true;
	return false;
}

static void close_directory(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static bool read_directory(struct loader *l, const char *dir, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return error_set(l->err, ERROR_LIMIT, "%s: directories nested deeper than %d", dir, DEPTH_MAX);
	CLEANUP(close_directory) DIR *d = opendir(dir);
	if (d == NULL)
		return failed(l, dir);
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, ".git") == 0)
			continue;
		AUTOFREE char *path = mem_printf("%s/%s", dir, e->d_name);
		struct stat st;
		if (lstat(path, &st) != 0)
			return failed(l, path);
		bool ok = true;
		if (S_ISDIR(st.st_mode))
			ok = inside(l, path) || read_directory(l, path, depth + 1);
		else if (S_ISREG(st.st_mode))
			ok = read_file(l, path, st.st_size);
		else if (S_ISLNK(st.st_mode))
			ok = read_link(l, path);
		if (!ok)
			return false;
	}
	return true;
}

/* Reads a directory (absolute, clean) unless it is there already. */
static bool add_root(struct loader *l, const char *dir)
{
	if (inside(l, dir))
		return true;
	if (l->root_count == ROOTS_MAX)
		return error_set(l->err, ERROR_LIMIT, "%s: more than %d directories named", dir, ROOTS_MAX);
	if (!read_directory(l, dir, 0))
		return false;
	l->roots = mem_grow(l->roots, l->root_count + 1, sizeof *l->roots);
	l->roots[l->root_count++] = mem_strdup(dir);
	return true;
}

static bool add_named(struct loader *l, const char *from_dir, const char *name)
{
	if (!str_starts(name, "../") && strstr(name, "/../") == NULL && strcmp(name, "..") != 0)
		return true;
	AUTOFREE char *clean = path_join(from_dir, name);
	AUTOFREE char *path = mem_printf("/%s", clean == NULL ? "" : clean);
	struct stat st;
	if (clean == NULL || *clean == '\0' || lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return true; /* the build says what is wrong with it */
	return add_root(l, path);
}

/* The directories that a kustomization file names; one that cannot be read is left to the build. */
static bool follow(struct loader *l, size_t file)
{
	const struct render_file *f = &l->tree->files[file];
	const char *slash = strrchr(f->path, '/');
	if (!tree_is_kustomization_name(slash == NULL ? f->path : slash + 1) || f->kind != RENDER_FILE)
		return true;
	struct error ignored = ERROR_INIT;
	struct doc **docs;
	size_t count;
	if (!yaml_parse(f->data, f->len, f->path, YAML_1_1, NULL, &docs, &count, &ignored))
		return true;
	AUTOFREE char *dir = path_parent(f->path);
	static const char *const fields[] = { "resources", "bases", "components" };
	bool ok = true;
	for (size_t i = 0; ok && count > 0 && i < ARRAY_SIZE(fields); i++) {
		const struct node *list = node_get(doc_root(docs[0]), fields[i]);
		for (size_t k = 0; ok && k < node_count(list); k++)
			ok = add_named(l, dir, node_text_or(node_at(list, k), ""));
	}
	doc_list_free(docs, count);
	return ok;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct render_file *)a)->path, ((const struct render_file *)b)->path);
}

/* The length of the directory that holds all roots, with its last slash; paths here have no first slash. */
static size_t common(const struct loader *l)
{
	const char *first = l->roots[0] + 1;
	size_t n = strlen(first);
	for (size_t i = 1; i < l->root_count; i++) {
		const char *other = l->roots[i] + 1;
		AUTOFREE char *top = mem_strndup(first, n);
		while (!path_is_below(other, top)) {
			char *slash = strrchr(top, '/');
			*(slash == NULL ? top : slash) = '\0';
		}
		n = strlen(top);
	}
	return n == 0 ? 0 : n + 1;
}

static void shorten(struct loader *l, char **dir)
{
	size_t cut = common(l);
	for (size_t i = 0; i < l->tree->count; i++) {
		char *path = (char *)(uintptr_t)l->tree->files[i].path;
		memmove(path, path + cut, strlen(path + cut) + 1);
	}
	qsort(l->tree->files, l->tree->count, sizeof *l->tree->files, by_path);
	const char *first = l->roots[0] + 1;
	*dir = mem_strdup(strlen(first) < cut ? "" : first + cut);
}

bool render_load_directory(const char *path_on_disk, struct render_tree **out, char **dir, struct error *err)
{
	char top[PATH_MAX];
	struct stat st;
	if (realpath(path_on_disk, top) == NULL || stat(top, &st) != 0)
		return error_set(err, errno == EACCES ? ERROR_FORBIDDEN : ERROR_NOT_FOUND, "%s: %s", path_on_disk, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERROR_INVALID, "%s: expected a directory", path_on_disk);
	if (strcmp(top, "/") == 0)
		return error_set(err, ERROR_INVALID, "%s: the root directory cannot be rendered", path_on_disk);
	struct loader l = { .tree = mem_alloc(sizeof *l.tree), .err = err };
	bool ok = add_root(&l, top);
	for (size_t i = 0; ok && i < l.tree->count; i++)
		ok = follow(&l, i);
	if (ok) {
		shorten(&l, dir);
		*out = TAKE(l.tree);
	}
	render_tree_free(l.tree);
	for (size_t i = 0; i < l.root_count; i++)
		free(l.roots[i]);
	free(l.roots);
	return ok;
}
