#!/usr/bin/env bash
# Shows that base/banned.h refuses what it should and nothing else. Usage: banned.sh COMPILER SOURCE_DIRECTORY
set -euo pipefail
compiler=$1 source=$2
compile() { printf '%s\n' "$1" | "$compiler" -std=gnu17 -D_GNU_SOURCE -Werror -include "$source/src/base/banned.h" -x c -fsyntax-only - 2>&1; }
failed=0
refuse() {
	if compile "$1" >/dev/null; then
		echo "accepted, but should be refused: $1"
		failed=1
	fi
}
refuse '#include <string.h>
void f(char *a, const char *b); void f(char *a, const char *b) { strcpy(a, b); }'
refuse 'void f(char *a, const char *b); void f(char *a, const char *b) { strcat(a, b); }'
refuse 'void f(char *a); void f(char *a) { sprintf(a, "x"); }'
refuse 'int f(const char *a); int f(const char *a) { return atoi(a); }'
refuse 'int f(const char *a); int f(const char *a) { return system(a); }'
refuse 'int f(void); int f(void) { return rand(); }'
refuse 'char *f(time_t t); char *f(time_t t) { return ctime(&t); }'
refuse 'char *f(char *a); char *f(char *a) { return strtok(a, "x"); }'
good='#include <stdio.h>
#include <git2.h>
#include <string.h>
void f(char *a, size_t n); void f(char *a, size_t n) { (void)snprintf(a, n, "%zu", strlen("x")); }'
if ! compile "$good"; then
	echo "refused, but should be accepted: snprintf"
	failed=1
fi
exit "$failed"
