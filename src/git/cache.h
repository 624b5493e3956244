/*
 * cache: the bare repository in which a source's objects are kept, private to src/git.
 *
 * One directory for each source, held by a lock file beside it so that no two users meet in it. A cache that cannot be trusted is
 * never mended in place: a fresh one is made beside it and takes its place by renaming.
 */
#ifndef WEIR_GIT_CACHE_H
#define WEIR_GIT_CACHE_H

#include <git2.h>

#include "git/repository.h"

enum { CACHE_PACKS_MAX = 50 };

struct cache {
	char *dir; /* the cache's own directory */
	int lock;
	git_repository *repo;
};

void cache_setup(void); /* libgit2's and libcurl's global state, once for the process */

/* Locks and opens; a damaged cache is moved aside, *repaired says so, and current[] gets the last good revision or "". */
bool cache_open(struct cache *cache, const char *cache_dir, const char *key, char current[41], bool *repaired, struct error *err);
void cache_close(struct cache *cache);

/* Are the commit, all its trees and the headers of its files there? */
bool cache_holds(git_repository *repo, const git_oid *commit);
bool cache_set_current(git_repository *repo, const git_oid *commit, struct error *err);

/* A fresh, empty repository beside the cache, in which whatever an earlier try left is gone. */
git_repository *cache_fresh(const struct cache *cache, struct error *err);
/* Puts the fresh repository, which is freed, in the cache's place. keep_old: as NAME.damaged. */
bool cache_replace(struct cache *cache, git_repository *fresh, bool keep_old, struct error *err);

/* Each fetch adds a pack; past CACHE_PACKS_MAX, writes what the commit needs into one pack and forgets the rest. Else does nothing. */
bool cache_compact(struct cache *cache, const git_oid *commit, struct error *err);

/* Sets an error from what libgit2 said last; user information in URLs is masked. */
bool cache_error(struct error *err, enum error_kind kind, const char *what);

#endif
