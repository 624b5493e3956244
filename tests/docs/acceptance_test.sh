#!/usr/bin/env bash
# Shows that acceptance.sh refuses rows without a proof that exists.
set -euo pipefail
script=$(cd "$(dirname "$0")" && pwd)/acceptance.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/docs" "$folder/src/cli" "$folder/tests"
touch "$folder/src/cli/plan.c" "$folder/tests/run.sh"
printf '#!/bin/sh\necho "  Test #1: unit/base/test_log"\necho "  Test #12: lint/includes"\n' >"$folder/ctest"
chmod +x "$folder/ctest"

failed=0
expect() { # STATUS ROW
	local status=0
	printf '| | Sentence | Shown by | State |\n|---|---|---|---|\n%s\n' "$2" >"$folder/docs/acceptance.md"
	bash "$script" "$folder" "$folder" "$folder/ctest" >"$folder/out" 2>&1 || status=$?
	if [ "$status" -ne "$1" ]; then
		printf 'expected exit status %s, got %s for: %s\n' "$1" "$status" "$2"
		cat "$folder/out"
		failed=1
	fi
}
expect 0 '| 1 | a | | not done |'
expect 0 '| 1.2 | a | `unit/base/test_log`, `lint/*`, `weir plan -o json`, `tests/run.sh --full` | done |'
expect 0 '| 1 | a \| b | `lint/includes` | partly |'
expect 1 '| 1 | a | | done |'
expect 1 '| 1 | a | lint/includes | done |'
expect 1 '| 1 | a | `unit/base/test_lo` | done |'
expect 1 '| 1 | a | `unit/kube/*` | not done |'
expect 1 '| 1 | a | `weir dance` | done |'
expect 1 '| 1 | a | `tests/none.sh` | partly |'
expect 1 '| 1 | a | | perhaps |'
expect 1 '| 1 | | | not done |'
expect 1 $'| 1 | a | | not done |\n| 1 | b | | not done |'
expect 1 'no table'
exit "$failed"
