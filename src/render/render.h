/*
 * render: a file tree in, Kubernetes objects out. A folder with a kustomization file is built as `kustomize build` builds it (the same
 * bytes, for the fields that are supported); any other folder gives all objects of its YAML and JSON files. Nothing is read but the
 * tree, nothing is fetched, nothing is run: the same tree gives the same objects. What is not supported is an ERROR_UNSUPPORTED that
 * names file, line and field, never ignored.
 */
#ifndef WEIR_RENDER_RENDER_H
#define WEIR_RENDER_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/error.h"

enum render_file_kind { RENDER_FILE, RENDER_SYMLINK, RENDER_SUBMODULE, RENDER_TOO_LARGE };

/* Everything here is borrowed by render_tree_build(). */
struct render_file {
	const char *path; /* from the top of the tree, separated by '/', without "./" */
	const char *data; /* content; of RENDER_TOO_LARGE: the limit that it passes, in words */
	size_t len;
	enum render_file_kind kind;
};

struct render_tree {
	struct render_file *files; /* sorted by path in byte order */
	size_t count;
};

/* Maxima; 0 means the default. */
struct render_limits {
	size_t objects;	   /* default 10,000 */
	size_t file_bytes; /* of one YAML or JSON file, default 16 MiB */
	size_t bases;	   /* directories built, default 1,000 */
	size_t depth;	   /* of bases within bases, default 32 */
};

struct render_object {
	struct doc *doc;  /* owned */
	const char *file; /* where the object came from; lives in doc */
	unsigned line;
};

struct render_result {
	struct render_object *objects;
	size_t count;
	char *warnings; /* what was passed over though somebody may want it, owned; NULL: nothing */
};

/* Builds a directory of the tree; "" or "." is its top. `limits` may be NULL. *out is written on success only. */
bool render_tree_build(const struct render_tree *tree, const char *dir, const struct render_limits *limits, struct render_result *out,
		       struct error *err);
void render_result_free(struct render_result *result);

/*
 * Reads a directory from disk, and what its kustomization files name outside of it. *dir is where the directory lies in the tree; both
 * are owned by the caller: render_tree_free, free. At most 20,000 files and 256 MiB.
 */
bool render_load_directory(const char *path_on_disk, struct render_tree **out, char **dir, struct error *err);
void render_tree_free(struct render_tree *tree); /* only for trees of render_load_directory(); NULL is fine */

/* Appends the objects as YAML documents, as kustomize prints them. */
void render_print(const struct render_result *result, struct buf *out);

#endif
