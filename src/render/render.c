#include "render/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/kustomization.h"
#include "render/tree.h"

static bool is_manifest(const char *name)
{
	return str_ends(name, ".yaml") || str_ends(name, ".yml") || str_ends(name, ".json");
}

/* Does a part of the path below dir begin with a dot, as .git and .github do? */
static bool is_hidden(const char *below)
{
	for (const char *p = below; p != NULL; p = strchr(p, '/')) {
		p += *p == '/';
		if (*p == '.')
			return true;
	}
	return false;
}

static void move_all(struct resource_set *to, struct resource_set *from)
{
	for (size_t i = 0; i < from->count; i++)
		set_add(to, from->items[i]);
	from->count = 0;
}

enum { WARNINGS_MAX = 600 };

/* A submodule, or a link to a directory, in a folder of manifests: nothing below it is read, which somebody should know. */
static void warn_of(const struct render_tree *tree, const struct render_file *f, struct buf *warnings)
{
	const char *what = f->kind == RENDER_SUBMODULE ? "is a git submodule; submodules are not fetched" : NULL;
	if (f->kind == RENDER_SYMLINK) {
		AUTOFREE char *parent = path_parent(f->path);
		AUTOFREE char *target = path_join(parent, f->data);
		if (target != NULL && tree_has_directory(tree, target))
			what = "is a symbolic link to a directory; links are not followed";
	}
	if (what != NULL && warnings->len < WARNINGS_MAX)
		buf_printf(warnings, "%s%s: %s, it is passed over", warnings->len == 0 ? "" : "; ", f->path, what);
}

/* A folder without a kustomization file: every manifest below it; a folder below that has one is built by it. */
static bool build_plain(const struct render_tree *tree, const char *dir, const struct render_limits *limits, struct resource_set *out,
			struct buf *warnings, struct error *err)
{
	struct load_rules rules = { .bytes = limits->file_bytes, .objects = limits->objects, .need_api_version = true, .need_name = true };
	size_t skip = *dir == '\0' ? 0 : strlen(dir) + 1, i = tree_first_below(tree, dir), bases = 0;
	if (!tree_has_directory(tree, dir))
		return error_set(err, ERROR_NOT_FOUND, "%s: no such directory in the tree", dir);
	for (AUTOFREE char *built = NULL; i < tree->count && path_is_below(tree->files[i].path, dir); i++) {
		const struct render_file *f = &tree->files[i];
		if (is_hidden(f->path + skip) || (built != NULL && path_is_below(f->path, built)))
			continue;
		AUTOFREE char *base = mem_strdup(f->path + skip);
		const char *found = NULL;
		for (char *slash = strchr(base, '/'); slash != NULL && found == NULL; slash = strchr(slash + 1, '/')) {
			AUTOFREE char *sub = mem_strndup(f->path, skip + (size_t)(slash - base));
			struct error why = ERROR_INIT;
			if (tree_kustomization(tree, sub, &why) == NULL && why.kind == ERROR_NONE)
				continue;
			if (++bases > limits->bases)
				return error_set(err, ERROR_LIMIT, "%s: more than %zu directories to build", sub, limits->bases);
			CLEANUP(set_free) struct resource_set set = { 0 };
			if (!kustomization_build(tree, sub, limits, &set, err))
				return false;
			move_all(out, &set);
			free(built);
			found = built = TAKE(sub);
		}
		if (found == NULL && is_manifest(f->path) && !load_file(f, &rules, out, err))
			return false;
		if (found == NULL && !is_manifest(f->path))
			warn_of(tree, f, warnings);
	}
	return set_check_unique(out, "", err);
}

static void take(struct resource_set *set, struct buf *warnings, struct render_result *out)
{
	*out = (struct render_result){ .objects = mem_array(set->count + 1, sizeof *out->objects), .count = set->count };
	if (warnings->len > 0)
		out->warnings = buf_take(warnings);
	for (size_t i = 0; i < set->count; i++) {
		struct resource *r = set->items[i];
		out->objects[i] = (struct render_object){ r->doc, doc_strdup(r->doc, r->file), r->line };
		r->doc = NULL;
	}
}

bool render_tree_build(const struct render_tree *tree, const char *dir, const struct render_limits *limits, struct render_result *out,
		       struct error *err)
{
	struct render_limits l = limits == NULL ? (struct render_limits){ 0 } : *limits;
	l.objects = l.objects == 0 ? 10000 : l.objects;
	l.file_bytes = l.file_bytes == 0 ? (size_t)16 << 20 : l.file_bytes;
	l.bases = l.bases == 0 ? 1000 : l.bases;
	l.depth = l.depth == 0 ? 32 : l.depth;
	AUTOFREE char *at = path_join("", dir);
	if (at == NULL)
		return error_set(err, ERROR_INVALID, "'%s' leads out of the tree", dir);
	CLEANUP(set_free) struct resource_set set = { 0 };
	struct error why = ERROR_INIT;
	const struct render_file *f = tree_kustomization(tree, at, &why);
	if (f == NULL && why.kind != ERROR_NONE) {
		if (err != NULL)
			error_copy(err, &why);
		return false;
	}
	AUTOBUF warnings = BUF_INIT;
	if (!(f != NULL ? kustomization_build(tree, at, &l, &set, err) : build_plain(tree, at, &l, &set, &warnings, err)))
		return false;
	take(&set, &warnings, out);
	return true;
}

void render_result_free(struct render_result *result)
{
	for (size_t i = 0; i < result->count; i++)
		doc_free(result->objects[i].doc);
	free(result->objects);
	free(result->warnings);
	*result = (struct render_result){ 0 };
}
