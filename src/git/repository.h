/*
 * repository: a git source in, its newest commit out.
 *
 * A repository follows one branch, tag or fixed commit of one remote. It owns a bare cache directory, in which it keeps every object that
 * was fetched and, in refs/weir/current, the last good revision, so that a restart without network goes on with what was there. Nothing is
 * ever checked out: revision_tree.h reads the files of a commit. A repository is used by one thread at a time (repository_cancel alone may
 * be called by any), several of them in parallel. libgit2 speaks git; the network below it is transport.h.
 */
#ifndef WEIR_GIT_REPOSITORY_H
#define WEIR_GIT_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	GIT_SOURCE_TIMEOUT_MS = 60 * 1000,
	GIT_SOURCE_MAX_FILES = 20000,
	GIT_SOURCE_MAX_BYTES = 64 << 20,
	GIT_SOURCE_MAX_FILE_BYTES = 8 << 20,
	GIT_SOURCE_MAX_FETCH_BYTES = 1 << 30,
};

/* Where and how to fetch. NULL, "" and 0 mean "not set", except where a default is named. */
struct git_source {
	const char *name; /* in messages, and part of the cache's key; required */
	const char *url;  /* http(s)://, ssh://, user@host:path, file:// or a path; required */
	/* At most one of branch and tag; neither: the remote's HEAD. A commit (40 hex digits) is fixed; a branch or tag beside it says where
	   to look for it first. */
	const char *branch, *tag, *commit;
	const char *user, *password;	      /* HTTP basic; or as part of the URL */
	const char *token_file;		      /* read anew for each poll; basic with `user` or else x-access-token */
	bool token_bearer;		      /* send the token as "Authorization: Bearer" instead */
	const char *ca_file;		      /* trust these certificates (PEM) and no others */
	const char *client_cert, *client_key; /* PEM */
	const char *proxy;		      /* NULL: the environment's; "": none */
	const char *ssh_key, *known_hosts;
	const char *ssh_command; /* the program, default "ssh" */
	int64_t timeout_ms;	 /* of a whole poll: listing and fetch; default 60,000 */
	size_t max_files;	 /* of a revision, and as many directories; default 20,000 */
	size_t max_bytes;	 /* of all its files; default 64 MiB */
	size_t max_file_bytes;	 /* of one of its files; default 8 MiB */
	size_t max_fetch_bytes;	 /* received in one poll; default 1 GiB */
};

struct repository_stats {
	uint64_t listings; /* of refs, begun since opening */
	uint64_t fetches;  /* of objects, begun since opening */
	uint64_t bytes;	   /* received from http and ssh remotes since opening */
	uint64_t repairs;  /* damaged caches that were replaced */
};

struct repository;

/*
 * Opens or makes the source's cache, a directory of its own under cache_dir (made if missing). The source is copied. A damaged cache is
 * moved aside (NAME.damaged, one of them is kept) and fetched anew at the next poll. No network is used. ERROR_INVALID for a source that
 * cannot work, ERROR_CONFLICT if another repository, in this or another process, has the cache open.
 */
struct repository *repository_open(const char *cache_dir, const struct git_source *source, struct error *err);
void repository_close(struct repository *repository); /* NULL is fine */
void repository_closep(struct repository **repository);
#define AUTOREPOSITORY __attribute__((cleanup(repository_closep))) struct repository

/*
 * Lists the remote's refs once and fetches if the one that is followed moved (a fixed commit that the cache holds needs neither).
 * `commit` gets the revision to use, 40 hex digits, *changed whether it is another than before. On failure the last good revision stays as
 * it was. ERROR_NOT_FOUND: the repository, branch, tag or commit is not there; ERROR_FORBIDDEN: credentials; ERROR_TRANSIENT: network,
 * deadline, server; ERROR_INVALID: certificates, or the server is none of git's; ERROR_LIMIT: too much received.
 */
bool repository_poll(struct repository *repository, char commit[41], bool *changed, struct error *err);

/* The last good revision, "" if there is none yet. Borrowed; changes with repository_poll. */
const char *repository_commit(const struct repository *repository);
struct repository_stats repository_last_stats(const struct repository *repository);
/* The source as copied, with defaults filled in. Borrowed. */
const struct git_source *repository_source(const struct repository *repository);

/* From any thread: makes a poll under way, and every later one, end soon with ERROR_TRANSIENT. */
void repository_cancel(struct repository *repository);

#endif
