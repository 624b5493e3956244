/*
 * file_store: a state store on a file system that the agent has mounted: URIs below `prefix` are files below `root`.
 *
 * Only a plain "no such file" below a root that is there and not empty is ABSENT; every other error, a missing or empty root (as an
 * unmounted volume leaves it) and any symbolic link on the way are UNKNOWN. Nothing below the root follows symbolic links. A network file
 * system can block for ever, so that each call runs on a thread of its own; one that did not come back in time is left behind, and until it
 * does come back every further question is answered UNKNOWN at once. Called by state_stores_open().
 */
#ifndef WEIR_STORE_FILE_STORE_H
#define WEIR_STORE_FILE_STORE_H

#include "store/store.h"

/* prefix is a normal path, both are copied. timeout_ms: of one call. ERROR_INVALID unless root is an absolute path. */
bool file_store_open(const char *prefix, const char *root, int64_t timeout_ms, struct state_store *out, struct error *err);

#endif
