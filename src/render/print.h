/* print: the order of keys and the form of numbers in kustomize's output; see render_print(). */
#ifndef WEIR_RENDER_PRINT_H
#define WEIR_RENDER_PRINT_H

#include "render/render.h"

int print_compare_keys(const char *a, const char *b); /* as strcmp */
/* A JSON number's text as Go prints it: 1.0 as 1, 1e3 as 1000, 0.000001 as 1e-06. */
void print_number(const char *text, struct buf *out);

#endif
