/* options: the one table of command-line options. */
#ifndef WEIR_CLI_OPTIONS_H
#define WEIR_CLI_OPTIONS_H

#include <stdio.h>

void cli_print_options(FILE *out);

#endif
