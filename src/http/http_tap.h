/*
 * http_tap: a `struct http` that hands everything on to another and tells somebody what came of each exchange, for counting. It changes
 * nothing. As safe for threads as the one below it and the function that is told.
 */
#ifndef WEIR_HTTP_HTTP_TAP_H
#define WEIR_HTTP_HTTP_TAP_H

#include "http/http.h"

/* `code` is the answer's status, "200", or the name of the error's kind where there was none. A stream counts with its opening. */
typedef void http_tap_told(void *context, const char *method, const char *code);

/* Owned: http_tap_free. What is below is borrowed. */
struct http *http_tap_new(const struct http *below, http_tap_told *told, void *context);
const struct http *http_tap_below(const struct http *tap);
void http_tap_free(struct http *tap); /* NULL is fine */

#endif
