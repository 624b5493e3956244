/*
 * revision_tree: the files of one commit, in memory.
 *
 * Read straight from the object database and never written to disk, so that no path in a repository can reach anything. Symbolic links and
 * submodules are listed as such: who renders says that it does not follow them, and where. So is a file that is too large: it is not read, and
 * hurts only who needs it. The tree owns all its text.
 */
#ifndef WEIR_GIT_REVISION_TREE_H
#define WEIR_GIT_REVISION_TREE_H

#include "git/repository.h"

enum revision_file_kind { REVISION_FILE, REVISION_SYMLINK, REVISION_SUBMODULE, REVISION_TOO_LARGE };

struct revision_file {
	const char *path; /* from the repository's root, "deploy/orders.yaml" */
	const char *
		data; /* content; a link's target; a submodule's commit; the limit that a file passes. NUL-terminated, may hold more NULs */
	size_t len;
	unsigned mode; /* as git has it: 0100644, 0100755, 0120000, 0160000 */
	enum revision_file_kind kind;
};

struct revision_tree {
	char commit[41];
	char tree_id[41];	     /* of the subdirectory that was read; equal ids mean equal content */
	struct revision_file *files; /* sorted by path, byte by byte */
	size_t count;
	size_t bytes; /* of all contents */
};

/*
 * Reads the files of a commit under subdir ("" or NULL: all of them). *tree is written on success only; revision_tree_free releases it.
 * ERROR_NOT_FOUND: no such commit in the cache or no such directory in it; ERROR_INVALID: a name such as "..", or a subdir that is not a
 * directory; ERROR_LIMIT: more files or bytes in all than the source allows, naming file and maximum; ERROR_TRANSIENT: the cache is damaged
 * and the next poll fetches it anew.
 */
bool revision_tree_read(struct repository *repository, const char *commit, const char *subdir, struct revision_tree *tree,
			struct error *err);
void revision_tree_free(struct revision_tree *tree);
/* The file at exactly this path, or NULL. Borrowed. */
const struct revision_file *revision_tree_find(const struct revision_tree *tree, const char *path);

#endif
