/*
 * source: an owned copy of a git source, checked, with its defaults filled in. Private to src/git.
 */
#ifndef WEIR_GIT_SOURCE_H
#define WEIR_GIT_SOURCE_H

#include "git/repository.h"

/* ERROR_INVALID or ERROR_UNSUPPORTED name the field and what was expected. "" becomes NULL, except for the proxy. */
bool source_copy(struct git_source *to, const struct git_source *from, struct error *err);
void source_free(struct git_source *source);

#endif
