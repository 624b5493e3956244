#!/usr/bin/env bash
# tidy.sh SOURCE_DIR BUILD_DIR: clang-tidy finds nothing in src. The analyzer, which takes minutes, only with WEIR_TIDY=full.
set -euo pipefail
cd "$1"
tool=$(command -v clang-tidy-14 || command -v clang-tidy || true)
if [ -z "$tool" ]; then
	echo 'SKIPPED: no clang-tidy' >&2
	[ "${WEIR_CI:-}" = 1 ] && exit 1
	exit 77
fi
checks=()
[ "${WEIR_TIDY:-}" = full ] || checks=(--checks=-clang-analyzer-*)
# What the build knows: for a file that it does not, clang-tidy would guess the options.
mapfile -t files < <(sed -n 's/^ *"file": *"\(.*\)",\{0,1\}$/\1/p' "$2/compile_commands.json" | grep "/src/.*\.c$" | sort -u)
[ ${#files[@]} -gt 0 ] || { echo "$0: no sources of $1 in $2/compile_commands.json" >&2; exit 1; }
exec "$tool" -p "$2" --quiet "${checks[@]}" "${files[@]}"
