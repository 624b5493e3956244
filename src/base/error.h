/*
 * error: what went wrong, and what the caller may do about it.
 *
 * A function that can fail returns bool (or a pointer) and takes `struct error *err` last. The kind names a policy, one for each way in
 * which a caller can go on; the message is for a person and is wrapped on its way up. Outputs are written only on success. Library
 * code returns errors and does not log them.
 */
#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum error_kind {
	ERROR_NONE = 0,
	ERROR_NOT_FOUND,       /* it is not there; asking again gives the same answer */
	ERROR_CONFLICT,	       /* somebody else changed it, or it exists already: look again before acting */
	ERROR_EXPIRED,	       /* what was referred to is no longer served (HTTP 410): start over with a full read */
	ERROR_TRANSIENT,       /* nothing happened; the same call may succeed later */
	ERROR_UNKNOWN_OUTCOME, /* it may or may not have happened: look before acting again */
	ERROR_FORBIDDEN,       /* the identity in use may not do that */
	ERROR_INVALID,	       /* the input is wrong and stays wrong until it is changed */
	ERROR_LIMIT,	       /* the input passes a maximum of ours, which the message names */
	ERROR_UNSUPPORTED,     /* correct input that this version cannot handle; never silently ignored */
	ERROR_BUG,	       /* must not happen */
	ERROR_KIND_COUNT
};

enum { ERROR_MESSAGE_MAX = 1536 };

struct error {
	enum error_kind kind;
	int http_status;	/* of the answer behind this error, or 0 */
	int64_t retry_after_ms; /* as the server asked, or 0 */
	char message[ERROR_MESSAGE_MAX];
};

#define ERROR_INIT ((struct error){ .kind = ERROR_NONE })

/* Fills *err (may be NULL) and returns false, so that `return error_set(err, ...)` reads well. Longer messages are cut. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " before the message and keeps the kind; returns false. */
bool error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void error_clear(struct error *err);
void error_copy(struct error *to, const struct error *from);

/* The lower-case name of a kind, e.g. "not-found". */
const char *error_kind_name(enum error_kind kind);

/* May the same call, unchanged, succeed later? */
bool error_is_retryable(const struct error *err);

#endif
