/*
 * tree: looking things up in a render_tree, and paths in it. A path has neither "./" nor "../" nor a slash at its ends; "" is the top.
 */
#ifndef WEIR_RENDER_TREE_H
#define WEIR_RENDER_TREE_H

#include "render/render.h"

/* Joins and cleans; NULL if it leaves the top. Owned by the caller. */
char *path_join(const char *dir, const char *relative);
char *path_parent(const char *path);		       /* owned */
bool path_is_below(const char *path, const char *dir); /* or the same */
const struct render_file *tree_file(const struct render_tree *tree, const char *path);
bool tree_has_directory(const struct render_tree *tree, const char *dir);
/* The number of the first file that lies below a directory; those that do are one stretch. */
size_t tree_first_below(const struct render_tree *tree, const char *dir);
/* The one kustomization file of a directory: NULL without error if there is none, an error if there are several. */
const struct render_file *tree_kustomization(const struct render_tree *tree, const char *dir, struct error *err);
bool tree_is_kustomization_name(const char *base_name);

#endif
