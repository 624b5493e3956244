#include "render/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

char *path_join(const char *dir, const char *relative)
{
	AUTOBUF out = BUF_INIT;
	const char *parts[] = { *relative == '/' ? "" : dir, relative };
	for (size_t i = 0; i < 2; i++) {
		for (const char *p = parts[i]; *p != '\0';) {
			size_t n = strcspn(p, "/");
			if (n == 2 && p[0] == '.' && p[1] == '.') {
				if (out.len == 0)
					return NULL;
				char *cut = strrchr(out.data, '/');
				out.len = cut == NULL ? 0 : (size_t)(cut - out.data);
				out.data[out.len] = '\0';
			} else if (n > 0 && !(n == 1 && *p == '.')) {
				if (out.len > 0)
					buf_putc(&out, '/');
				buf_append(&out, p, n);
			}
			p += n + (p[n] == '/');
		}
	}
	return buf_take(&out);
}

char *path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL ? mem_strdup("") : mem_strndup(path, (size_t)(slash - path));
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return n == 0 || (strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

static size_t lower_bound(const struct render_tree *tree, const char *path)
{
	size_t from = 0, to = tree->count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (strcmp(tree->files[middle].path, path) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

const struct render_file *tree_file(const struct render_tree *tree, const char *path)
{
	size_t i = lower_bound(tree, path);
	return i < tree->count && strcmp(tree->files[i].path, path) == 0 ? &tree->files[i] : NULL;
}

size_t tree_first_below(const struct render_tree *tree, const char *dir)
{
	AUTOFREE char *prefix = *dir == '\0' ? mem_strdup("") : mem_printf("%s/", dir);
	return lower_bound(tree, prefix);
}

bool tree_has_directory(const struct render_tree *tree, const char *dir)
{
	size_t i = tree_first_below(tree, dir);
	return *dir == '\0' || (i < tree->count && path_is_below(tree->files[i].path, dir));
}

static const char *const names[] = { "kustomization.yaml", "kustomization.yml", "Kustomization" };

bool tree_is_kustomization_name(const char *base_name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], base_name) == 0)
			return true;
	return false;
}

const struct render_file *tree_kustomization(const struct render_tree *tree, const char *dir, struct error *err)
{
	const struct render_file *found = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTOFREE char *path = path_join(dir, names[i]);
		const struct render_file *f = tree_file(tree, path);
		if (f != NULL && found != NULL) {
			(void)error_set(err, ERROR_INVALID, "%s: found multiple kustomization files; %s is one as well", f->path,
					found->path);
			return NULL;
		}
		found = f != NULL ? f : found;
	}
	return found;
}
