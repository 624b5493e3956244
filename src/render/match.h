/* match: regular expressions and label selectors as kustomize's selectors take them. */
#ifndef WEIR_RENDER_MATCH_H
#define WEIR_RENDER_MATCH_H

#include <stdbool.h>

#include "base/doc.h"
#include "base/error.h"

/* A pattern in the common part of RE2 and POSIX, made ready once; it has to match from start to end. */
struct match;
struct match *match_new(const char *pattern, struct error *err); /* NULL if it is no or no supported expression */
void match_free(struct match *m);
void match_freep(struct match **m);
#define AUTOMATCH __attribute__((cleanup(match_freep))) struct match
bool match_test(const struct match *m, const char *text);

/* `a=b, c != d, e in (x, y), f notin (z), g, !h` on a map of strings (NULL: empty); *hit tells. */
bool match_labels(const char *selector, const struct node *map, bool *hit, struct error *err);

#endif
