#!/usr/bin/env bash
# Checks docs/acceptance.md: every row is complete, and whatever it names as its proof exists.
#
# Usage: acceptance.sh SOURCE_DIRECTORY BUILD_DIRECTORY CTEST. A row is `| number | sentence | shown by | state |`. "Shown by" holds names in
# backticks: a ctest test (`unit/base/test_log`, or `unit/base/*` for all below), a file of the repository, optionally with arguments
# (`tests/run.sh --full`), or a command of the program (`weir plan`), which must have a source file src/cli/plan.c. The state is "done",
# "partly" (both need a proof) or "not done".
set -euo pipefail
source=$1 build=$2 ctest=$3
page=$source/docs/acceptance.md
tests=$("$ctest" --test-dir "$build" -N | sed -n 's/^ *Test *#[0-9]*: //p')
rows=0 problems=0 counted_done=0 counted_partly=0

problem() {
	echo "docs/acceptance.md:$line: $1"
	problems=$((problems + 1))
}

exists() { # NAME
	local name=$1 first=${1%% *}
	if [[ $first == weir ]]; then
		local command=${name#weir }
		[ -e "$source/src/cli/${command%% *}.c" ]
	elif [[ $name == *'/*' ]]; then
		grep -q "^${name%\*}" <<<"$tests"
	else
		grep -qxF -- "$name" <<<"$tests" || [ -e "$source/$first" ]
	fi
}

line=0
while IFS= read -r text; do
	line=$((line + 1))
	[[ $text =~ ^\|\ *[0-9] ]] || continue
	rows=$((rows + 1))
	# A bar inside a cell is written as \|.
	IFS='|' read -r _ number sentence proof state rest <<<"${text//\\|/ }"
	number=${number// /} state=$(sed "s/^ *//; s/ *$//" <<<"$state")
	[ -n "${sentence// /}" ] || problem "row $number has no sentence"
	[ -z "${rest// /}" ] || problem "row $number has too many cells"
	names=$(grep -o '`[^`]*`' <<<"$proof" | tr -d '`' || true)
	while IFS= read -r name; do
		[ -z "$name" ] || exists "$name" || problem "row $number names \"$name\", which is no ctest test, file or command"
	done <<<"$names"
	case $state in
	done) counted_done=$((counted_done + 1)) ;;
	partly) counted_partly=$((counted_partly + 1)) ;;
	"not done") continue ;;
	*) problem "row $number: state \"$state\" is none of done, partly, not done" ;;
	esac
	[ -n "$names" ] || problem "row $number is \"$state\", but nothing shows it"
done <"$page"

line=0
duplicates=$(sed -n 's/^| *\([0-9][0-9.]*\) *|.*/\1/p' "$page" | sort | uniq -d)
[ -z "$duplicates" ] || problem "numbers used twice: ${duplicates//$'\n'/ }"
[ "$rows" -gt 0 ] || problem "no rows"
echo "$rows rows: $counted_done done, $counted_partly partly, $((rows - counted_done - counted_partly)) not done; $problems problems"
[ "$problems" -eq 0 ]
