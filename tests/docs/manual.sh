#!/usr/bin/env bash
# Every manual page formats without a warning, and every command has one; weir.1 lists every command and option. Usage: manual.sh SOURCE_DIRECTORY
set -euo pipefail
source=$1
failed=0
for page in "$source"/docs/man/*.1; do
	warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
	[ -z "$warnings" ] || { printf '%s\n' "$warnings"; failed=1; }
	name=$(basename "$page" .1)
	grep -q "^\.TH ${name//-/\\\\-} 1" "$page" || { echo "$page: no .TH line for $name"; failed=1; }
done
for command in $(sed -n 's/^COMMAND("\([a-z-]*\)".*/\1/p' "$source/src/cli/commands.def"); do
	[ -e "$source/docs/man/weir-$command.1" ] || { echo "docs/man/weir-$command.1 is missing"; failed=1; }
	grep -qx "\.B $command" "$source/docs/man/weir.1" || { echo "docs/man/weir.1 does not list the command $command"; failed=1; }
done
for option in $(sed -n 's/^OPTION("\([a-z-]*\)".*/\1/p' "$source/src/cli/options.def"); do
	grep -qF -- ".BI \\-\\-${option//-/\\-} " "$source/docs/man/weir.1" || { echo "docs/man/weir.1 does not list --$option"; failed=1; }
done
exit "$failed"
