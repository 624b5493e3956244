/*
 * repository_private: what the readers of a repository's objects need of it, private to src/git.
 */
#ifndef WEIR_GIT_REPOSITORY_PRIVATE_H
#define WEIR_GIT_REPOSITORY_PRIVATE_H

#include <git2.h>

#include "git/repository.h"

/* The cache's object store; NULL while there is none (the next poll makes one). Borrowed, until the next poll. */
git_repository *repository_handle(struct repository *repository);
/* Something that must be there could not be read: the next poll fetches everything anew. */
void repository_distrust(struct repository *repository);

#endif
