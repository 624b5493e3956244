/*
 * transport: the network below libgit2, private to src/git.
 *
 * libgit2 knows the git protocol; the bytes go through subtransports of our own: http and https through libcurl, ssh through the `ssh`
 * program, each bounded by one deadline. A struct transfer carries what one poll needs down to them and the reason of a failure back up
 * (libgit2 hands on only numbers). It reaches them as the payload of the remote's callbacks: nothing is registered globally.
 */
#ifndef WEIR_GIT_TRANSPORT_H
#define WEIR_GIT_TRANSPORT_H

#include <git2.h>
#include <git2/sys/transport.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "git/repository.h"

struct transfer {
	const struct git_source *source;
	const atomic_bool *stop;
	int64_t deadline_ms;	  /* on the monotonic clock */
	git_transport *transport; /* of the remote; NULL for a local repository */
	size_t received;	  /* bytes, all exchanges together */
	struct error err;	  /* the first failure's reason, if the network or the limits were it */
};

enum transport_kind { TRANSPORT_LOCAL, TRANSPORT_HTTP, TRANSPORT_SSH, TRANSPORT_UNKNOWN };

int64_t transport_now_ms(void);
enum transport_kind transport_kind(const char *url);
/* The URL without a password, for messages. Owned by the caller. */
char *transport_display_url(const char *url);

/* Milliseconds until the deadline; 0 after it or after a cancel, with the reason noted. */
int64_t transfer_left_ms(struct transfer *transfer);
/* Notes why the transfer failed, unless a reason is noted already; returns -1, libgit2's sign of failure. */
int transfer_fail(struct transfer *transfer, enum error_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Counts received bytes; false (and noted) past the source's maximum. */
bool transfer_count(struct transfer *transfer, size_t bytes);

/* A git_transport_cb whose param is the struct transfer. Leaves *out NULL for local repositories, which libgit2 reads itself. */
int transport_new(git_transport **out, git_remote *owner, void *param);

/* Does the connected server hand out a commit that no ref points at, when asked by its id? */
bool transport_fetches_by_id(const struct transfer *transfer);

/* git_smart_subtransport_cb functions; param is the struct transfer. */
int http_transport_new(git_smart_subtransport **out, git_transport *owner, void *param);
int ssh_transport_new(git_smart_subtransport **out, git_transport *owner, void *param);

struct ssh_address {
	char *host, *user, *port, *path; /* owned; user and port may be NULL */
};
/* ssh://[user@]host[:port]/path and [user@]host:path. ERROR_INVALID for anything that ssh or a remote shell could take for an option. */
bool ssh_address_parse(const char *url, struct ssh_address *address, struct error *err);
void ssh_address_free(struct ssh_address *address);

#endif
