/*
 * yaml: the dialects in which YAML text is read. doc_parse_yaml() of doc.h reads the first; the renderer, which has to agree with
 * kustomize, uses the others. Same limits, same errors, same ownership as doc_parse_yaml().
 */
#ifndef WEIR_BASE_YAML_H
#define WEIR_BASE_YAML_H

#include "base/doc.h"

enum yaml_dialect {
	YAML_KUBERNETES, /* YAML 1.2 words; yes/no/on/off are strings; dates are strings; numbers and booleans as keys become strings */
	YAML_RESOURCE,	 /* as kustomize reads resources: an unquoted date becomes an RFC 3339 string, keys must be strings */
	YAML_1_1,	 /* as kustomize reads its own file: y/n/yes/no/on/off are booleans */
};

bool yaml_parse(const char *text, size_t len, const char *file, enum yaml_dialect dialect, const struct doc_limits *limits,
		struct doc ***docs, size_t *count, struct error *err);

/* A plain scalar's node by the dialect's rules, on a line; NULL and an error for .inf and .nan, which JSON cannot carry. */
struct node *yaml_resolve(struct doc *doc, const char *text, size_t len, enum yaml_dialect dialect, unsigned line, struct error *err);
/* Was this string read from YAML with quotes or as a block? Copies keep the answer. */
bool yaml_was_quoted(const struct node *n);

/* Would an unquoted scalar of this text be a date to some YAML reader? */
bool yaml_is_date(const char *text);

#endif
