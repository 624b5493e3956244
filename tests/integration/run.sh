#!/usr/bin/env bash
# run.sh WEIR FOLDER: tells FOLDER/story.sh against a fresh embedded cluster, in a folder of its own that is removed if all went well. Exit
# status 77: skipped.
set -eu
weir=$1
work=$(mktemp -d)
if WEIR_SHARE=$(dirname "$0")/../.. WEIR_EXAMPLES=$2 "$weir" demo --work "$work"; then
	rm -rf "$work"
else
	status=$?
	if [ "$status" -eq 77 ]; then rm -rf "$work"; else echo "what is left is in $work" >&2; fi
	exit "$status"
fi
