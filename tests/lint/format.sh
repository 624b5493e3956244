#!/usr/bin/env bash
# format.sh SOURCE_DIR: every C file reads as clang-format 14 writes it. `clang-format -i FILE` puts one right.
set -euo pipefail
cd "$1"
tool=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$tool" ] || [[ $("$tool" --version) != *'version 14.'* ]]; then
	echo 'SKIPPED: no clang-format 14; others write some lines in another way' >&2
	[ "${WEIR_CI:-}" = 1 ] && exit 1
	exit 77
fi
mapfile -d '' files < <(find src include tests -name '*.[ch]' -print0 | sort -z)
[ ${#files[@]} -gt 0 ] || { echo "$0: no sources below $1" >&2; exit 1; }
said=$("$tool" --dry-run -Werror "${files[@]}" 2>&1) && exit 0
sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error: .*/\1: not as clang-format writes it/p' <<<"$said" | sort -u >&2
exit 1
