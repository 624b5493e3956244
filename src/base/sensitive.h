/*
 * sensitive: which values must not be shown, in one place for logs, plans, status and rendered output.
 *
 * A key is sensitive when its name contains, in any case and whatever separates its words, one of the words that Flink masks in its own
 * output (password, secret, token, credential, api key, access key ...). Only names are judged; data of a Kubernetes Secret is masked
 * by those who know the kind.
 */
#ifndef WEIR_BASE_SENSITIVE_H
#define WEIR_BASE_SENSITIVE_H

#include <stdbool.h>

#include "base/buf.h"

#define SENSITIVE_MASK "******"

bool sensitive_key(const char *key);

/* The value as it may be shown under this key: the mask, or the value itself. Borrowed from value. NULL in, NULL out. */
const char *sensitive_value(const char *key, const char *value);

/* Appends text with the user information of every URL in it ("https://user:token@host") replaced by the mask. */
void sensitive_put_text(struct buf *out, const char *text);

#endif
