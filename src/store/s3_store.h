/*
 * s3_store: a state store in a bucket of an S3-compatible server; libcurl signs the requests (signature version 4). ABSENT is only what
 * the server calls NoSuchKey, or an empty listing: a missing bucket, a refusal (403), a redirect, a slow or broken answer are UNKNOWN.
 * Credentials are read from their files for every request, so that they can be rotated. Called by state_stores_open().
 */
#ifndef WEIR_STORE_S3_STORE_H
#define WEIR_STORE_S3_STORE_H

#include "store/store.h"

/* prefix is a normal path "s3://BUCKET[/...]". Everything is copied. ERROR_INVALID names the field. */
bool s3_store_open(const char *prefix, const struct state_store_config *config, struct state_store *out, struct error *err);

#endif
