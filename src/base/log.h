/*
 * log: structured events, one line each, to standard error or another descriptor.
 *
 * An event is a level, a message and pairs of key and value. As text it reads `2026-01-02T03:04:05.678Z info message key=value k2="two
 * words"`, as JSON it is one object with "time", "level", "message" and the keys. A line is written with one write, so that lines of
 * several threads do not mix. Values of sensitive keys and user information in URLs are masked here, whatever the caller forgot.
 * Library code returns errors and does not log them; `agent` and `cli` log. `lifecycle` never does.
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/wtime.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_COUNT };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_config {
	enum log_level level; /* events below are dropped */
	enum log_format format;
	int fd;
	const struct clock *clock; /* borrowed for as long as events are logged */
};

/* Called before threads start; without it: info, text, standard error, the real clock. */
void log_configure(const struct log_config *config);
bool log_enabled(enum log_level level);

/* `log_event(LOG_LEVEL_INFO, "applied", "sync", name, "commit", sha, NULL)`. A pair whose value is NULL is left out. */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));

/* The same event as text without the newline, for those who send it elsewhere; pairs ends with NULL. */
void log_render(struct buf *out, const struct log_config *config, enum log_level level, const char *message, const char *const *pairs);

const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);

#endif
