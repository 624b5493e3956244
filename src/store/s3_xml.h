/*
 * s3_xml: what an S3 server says in XML: a page of ListObjectsV2 or an error. Documents with a DOCTYPE are refused, so that no entity is
 * ever expanded; size is bounded by the caller, the depth here. Used by s3_store only.
 */
#ifndef WEIR_STORE_S3_XML_H
#define WEIR_STORE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct s3_names {
	char **items;
	size_t count;
};

/* Owned: s3_answer_free. */
struct s3_answer {
	struct s3_names keys;	  /* Contents/Key */
	struct s3_names prefixes; /* CommonPrefixes/Prefix */
	bool truncated;
	char *token;	      /* NextContinuationToken, or NULL */
	char *code, *message; /* of an <Error>, or NULL */
	bool listing;	      /* it was a <ListBucketResult> */
};

void s3_answer_free(struct s3_answer *answer);
/* ERROR_INVALID for what is neither of the two documents. */
bool s3_answer_read(const char *text, size_t len, struct s3_answer *answer, struct error *err);

#endif
