/*
 * doc_private: what the readers inside base need of the document model and nobody else. Lines are set once, by the reader that made the
 * node.
 */
#ifndef WEIR_BASE_DOC_PRIVATE_H
#define WEIR_BASE_DOC_PRIVATE_H

#include "base/doc.h"

/* An empty node of a kind: null, false, "" without text (numbers and strings: use node_number, node_stringn), an empty list or map. */
struct node *node_of_line(struct doc *doc, enum node_kind kind, unsigned line);
void node_set_line(struct node *n, unsigned line);
/* Marks a string that the text had in quotes or as a block. */
void node_set_quoted(struct node *n);

#endif
