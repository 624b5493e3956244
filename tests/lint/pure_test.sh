#!/usr/bin/env bash
# Shows that pure.sh finds what it is for. Usage: pure_test.sh COMPILER AR NM OBJDUMP
set -euo pipefail
compiler=$1 ar=$2 nm=$3 objdump=$4
script=$(cd "$(dirname "$0")" && pwd)/pure.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
expect() { # STATUS SOURCE
	local status=0
	printf '%s\n' "$2" >"$folder/a.c"
	rm -f "$folder/a.a"
	"$compiler" -fPIC -c -o "$folder/a.o" "$folder/a.c"
	"$ar" rcs "$folder/a.a" "$folder/a.o"
	bash "$script" "$nm" "$objdump" "$folder/a.a" >/dev/null || status=$?
	[ "$status" -eq "$1" ] || { echo "expected exit status $1, got $status for: $2"; failed=1; }
}
expect 0 'static const char *const names[] = { "a", "b" }; const char *f(int i); const char *f(int i) { return names[i]; }'
expect 1 '#include <time.h>
long f(void); long f(void) { return (long)time(0); }'
expect 1 '#include <stdio.h>
void f(void); void f(void) { fputs("", stderr); printf("%d", 1); }'
expect 1 'int f(void); int f(void) { static int n; return ++n; }'
expect 1 'int counter = 3;'
exit "$failed"
