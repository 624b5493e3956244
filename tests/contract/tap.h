/*
 * tap: an http port in front of another one, which counts what passes and can disturb watches: end the present one, or make the next one
 * ask from a version that is too old. The contract's cases disturb all targets in the same way with it. Not safe for several threads.
 */
#ifndef WEIR_CONTRACT_TAP_H
#define WEIR_CONTRACT_TAP_H

#include "http/http.h"

struct tap {
	struct http http;		    /* the port to use; valid as long as the tap does not move */
	const struct http *inner;	    /* borrowed */
	unsigned lists, watches, bookmarks; /* seen so far */
	long long watched_from;		    /* resource version that the last watch asked for */
	bool cut;			    /* end the present watch in an orderly way at its next read; then false again */
	bool too_old;			    /* let the next watch ask from version 1; then false again */
};

void tap_init(struct tap *tap, const struct http *inner);

#endif
