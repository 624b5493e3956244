#!/usr/bin/env bash
# style_test.sh SCRIPTS: format.sh and tidy.sh find what is wrong, and nothing where nothing is.
set -euo pipefail
scripts=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{src/a,include,tests}
cp "$scripts/../../.clang-format" "$scripts/../../.clang-tidy" "$work"
status() { "$@" >"$work/out" 2>&1 && echo 0 || echo $?; }
expect() { # STATUS COMMAND...
	local wanted=$1 is
	shift
	is=$(status "$@")
	[ "$is" != 77 ] || { cat "$work/out" >&2; exit 77; }
	if [ "$wanted" = ok ]; then [ "$is" = 0 ]; else [ "$is" != 0 ]; fi || { echo "expected $wanted of $*, got $is:" >&2; cat "$work/out" >&2; exit 1; }
}
put() { printf '%b' "$1" >"$work/src/a/a.c"; }
cat >"$work/compile_commands.json" <<END
[
{
  "directory": "$work",
  "command": "cc -c $work/src/a/a.c",
  "file": "$work/src/a/a.c"
}
]
END
put '#include <stdio.h>\n\nint main(void)\n{\n\treturn puts("x") < 0;\n}\n'
expect ok bash "$scripts/format.sh" "$work"
expect ok bash "$scripts/tidy.sh" "$work" "$work"
put '#include <stdio.h>\nint main(void) { char b[9]; snprintf(b, 9, "x"); return b[0]; }\n'
expect failure bash "$scripts/format.sh" "$work"
grep -q 'src/a/a.c' "$work/out"
expect failure bash "$scripts/tidy.sh" "$work" "$work"
grep -q 'cert-err33-c' "$work/out"
rm "$work/src/a/a.c"
expect failure bash "$scripts/format.sh" "$work"
