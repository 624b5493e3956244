#!/usr/bin/env bash
# Every manual page formats without a warning, and every command of the program has one. Usage: manual.sh SOURCE_DIRECTORY
set -euo pipefail
source=$1
failed=0
for page in "$source"/docs/man/*.1; do
	warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
	[ -z "$warnings" ] || { printf '%s\n' "$warnings"; failed=1; }
	name=$(basename "$page" .1)
	grep -q "^\.TH ${name//-/\\\\-} 1" "$page" || { echo "$page: no .TH line for $name"; failed=1; }
done
# The table of commands, once there is one: COMMAND(name, ...).
for table in "$source"/src/cli/*.def; do
	[ -e "$table" ] || continue
	for command in $(sed -n 's/^COMMAND("\{0,1\}\([a-z-]*\).*/\1/p' "$table"); do
		[ -e "$source/docs/man/weir-$command.1" ] || { echo "docs/man/weir-$command.1 is missing"; failed=1; }
	done
done
exit "$failed"
