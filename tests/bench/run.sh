#!/usr/bin/env bash
# tests/bench/run.sh [BUILD_DIR]: speed and memory of a release build (default build/release), as a table. Goals are printed beside the
# figures and do not fail the run; the ratio of `kubectl kustomize` to `weir render` below 10 does, and so does a measurement that could
# not be made. Needs git, curl, python3, pgrep, strip, and kubectl for the ratio. Nothing else should run on the machine.
#
#   BENCH_ONLY    some of "size render memory-1 memory-1000 quiet push"; default: all
#   BENCH_WINDOW  seconds that an idle agent is looked at, default 70 (a pass comes at least every 60)
#   BENCH_LIMIT   seconds that anything waited for may take, default 900
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(cd "${1:-build/release}" 2>/dev/null && pwd) || { echo "$0: ${1:-build/release}: no such folder; cmake --preset release && cmake --build --preset release" >&2; exit 2; }
weir=$build/weir
here=$PWD/tests/bench
[ -x "$weir" ] || { echo "$0: $weir is not there: build it first" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-bench-XXXXXX")
export BENCH_ROWS=$work/rows
: >"$BENCH_ROWS"
failed=0
row() { printf '%s\t%s\t%s\n' "$@" >>"$BENCH_ROWS"; }
fail() { echo "FAILED: $*" >&2; failed=1; }

measure_size() {
	strip -o "$work/weir" "$weir"
	row 'binary, stripped' '< 3 MB' "$(awk -v n="$(stat -c %s "$work/weir")" 'BEGIN { printf "%.2f MB", n / 1048576 }')"
}

# median TIMES COMMAND...: microseconds of the run in the middle; its output goes to $work/out.
median() {
	local n=$1 i t0 t1
	shift
	for ((i = 0; i < n; i++)); do
		t0=${EPOCHREALTIME/[.,]/}
		"$@" >"$work/out"
		t1=${EPOCHREALTIME/[.,]/}
		echo $((t1 - t0))
	done | sort -n | sed -n "$((n / 2 + 1))p"
}

measure_render() {
	local ours theirs ratio
	"$here/generate.sh" objects 100 "$work/render"
	ours=$(median 21 "$weir" render "$work/render")
	mv "$work/out" "$work/ours"
	row 'weir render, 100 objects: median of 21' '' "$(awk -v t="$ours" 'BEGIN { printf "%.1f ms", t / 1000 }')"
	if ! command -v kubectl >/dev/null; then
		row 'kubectl kustomize, the same folder' '' 'no kubectl'
		row 'weir render: times faster' '>= 10' 'not measured: no kubectl'
		return
	fi
	theirs=$(median 11 kubectl kustomize "$work/render")
	row 'kubectl kustomize, the same folder: median of 11' '' "$(awk -v t="$theirs" 'BEGIN { printf "%.1f ms", t / 1000 }')"
	cmp -s "$work/out" "$work/ours" || fail 'weir render and kubectl kustomize do not print the same'
	ratio=$((theirs / ours))
	row 'weir render: times faster' '>= 10' "$ratio"
	[ "$ratio" -ge 10 ] || fail "weir render is only $ratio times faster than kubectl kustomize"
}

# on_cluster PHASE [COUNT]: story.sh on an embedded cluster of its own.
on_cluster() {
	local name=$1${2:-}
	echo "== $name" >&2
	BENCH_PHASE=$1 BENCH_COUNT=${2:-} WEIR_EXAMPLES=$here "$weir" demo --work "$work/$name" || fail "$name; see $work/$name"
}

for part in ${BENCH_ONLY:-size render memory-1 quiet push memory-1000}; do
	case $part in
	size) measure_size ;;
	render) measure_render ;;
	memory-*) on_cluster memory "${part#memory-}" ;;
	quiet | push) on_cluster "$part" ;;
	*) echo "$0: BENCH_ONLY: no such part: $part" >&2; exit 2 ;;
	esac
done

awk -F '\t' 'BEGIN { printf "\n%-82s %-9s %s\n", "WHAT", "GOAL", "MEASURED" } { printf "%-82s %-9s %s\n", $1, $2, $3 }' "$BENCH_ROWS"
[ "$failed" -ne 0 ] || rm -rf "$work"
exit "$failed"
