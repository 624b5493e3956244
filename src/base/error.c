#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_names[ERROR_KIND_COUNT] = {
	[ERROR_NONE] = "none",
	[ERROR_NOT_FOUND] = "not-found",
	[ERROR_CONFLICT] = "conflict",
	[ERROR_EXPIRED] = "expired",
	[ERROR_TRANSIENT] = "transient",
	[ERROR_UNKNOWN_OUTCOME] = "unknown-outcome",
	[ERROR_FORBIDDEN] = "forbidden",
	[ERROR_INVALID] = "invalid",
	[ERROR_LIMIT] = "limit",
	[ERROR_UNSUPPORTED] = "unsupported",
	[ERROR_BUG] = "bug",
};

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	if (err == NULL)
		return false;
	*err = (struct error){ .kind = kind };
	va_list args;
	va_start(args, format);
	(void)vsnprintf(err->message, sizeof err->message, format, args);
	va_end(args);
	return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
	if (err == NULL)
		return false;
	char before[ERROR_MESSAGE_MAX];
	memcpy(before, err->message, sizeof before);
	va_list args;
	va_start(args, format);
	int n = vsnprintf(err->message, sizeof err->message, format, args);
	va_end(args);
	if (n < 0)
		return false;
	const char *const parts[] = { ": ", before };
	size_t at = strlen(err->message);
	for (size_t i = 0; i < 2; i++) {
		size_t len = strnlen(parts[i], sizeof err->message - 1 - at);
		memcpy(err->message + at, parts[i], len);
		at += len;
	}
	err->message[at] = '\0';
	return false;
}

void error_clear(struct error *err)
{
	if (err != NULL)
		*err = ERROR_INIT;
}

void error_copy(struct error *to, const struct error *from)
{
	if (to != NULL)
		*to = *from;
}

const char *error_kind_name(enum error_kind kind)
{
	return kind < ERROR_KIND_COUNT ? kind_names[kind] : "bug";
}

bool error_is_retryable(const struct error *err)
{
	switch (err->kind) {
	case ERROR_TRANSIENT:
	case ERROR_CONFLICT:
	case ERROR_EXPIRED:
	case ERROR_UNKNOWN_OUTCOME:
		return true;
	default:
		return false;
	}
}
