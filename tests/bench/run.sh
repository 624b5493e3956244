#!/usr/bin/env bash
# tests/bench/run.sh [BUILD_DIR]: speed and memory of a release build (default build/release), as a table. Goals are printed beside the
# figures and do not fail the run; the ratio of `kubectl kustomize` to `weir render` below 10 does, and so does a measurement that could
# not be made. Needs git, curl, python3, pgrep, strip, and kubectl for the ratio. Nothing else should run on the machine.
#
#   BENCH_ONLY    some of "size decide render memory-1 memory-1000 quiet push scale-1000 scale-10000"; default: all
#   BENCH_RUNNING  how many of the 1,000 FlinkDeployments run, default 50: the simulated cluster is slow with many; the others are
#                 suspended
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

# CPU time of one decision, the best of some rounds. The digest of the spec and the ledger's text are not part of it: both are made once in a
# turn, the text only when the ledger changed, and have rows of their own.
measure_decide() {
	local flags=() what ns
	grep -q '^WEIR_LTO:BOOL=ON' "$build/CMakeCache.txt" && flags=(-flto)
	if ! cc -std=c17 -D_GNU_SOURCE -O2 "${flags[@]}" -Isrc "$here/decide.c" "$build/libweir_lifecycle.a" "$build/libweir_base.a" -lyaml -lcrypto \
		-o "$work/decide" || ! "$work/decide" >"$work/decide.times"; then
		fail 'decide() could not be measured'
		return
	fi
	while IFS=$'\t' read -r what ns; do
		row "$what" "$(case $what in decide,\ nothing*) echo '< 20 us' ;; esac)" "$(awk -v t="$ns" 'BEGIN { printf "%.1f us", t / 1000 }')"
	done <"$work/decide.times"
}

# timed FILE OUT COMMAND...: adds the microseconds of a run to FILE; what it prints goes to OUT.
timed() {
	local file=$1 out=$2 start=${EPOCHREALTIME/[.,]/}
	shift 2
	"$@" >"$out"
	echo $((${EPOCHREALTIME/[.,]/} - start)) >>"$file"
}
middle() { sort -n "$1" | sed -n "$((($(wc -l <"$1") + 1) / 2))p"; }
millis() { awk -v t="$1" 'BEGIN { printf "%.1f ms", t / 1000 }'; }

# In turns, so that both meet the same load of the machine; the first run of each is not counted.
measure_render() {
	local i ours theirs
	"$here/generate.sh" objects 100 "$work/render"
	for ((i = 0; i < 32; i++)); do
		timed "$work/ours.times" "$work/ours" "$weir" render "$work/render"
		timed "$work/start.times" /dev/null "$weir" version
		! command -v kubectl >/dev/null || timed "$work/theirs.times" "$work/theirs" kubectl kustomize "$work/render"
		[ "$i" -gt 0 ] || rm "$work"/*.times
	done
	ours=$(middle "$work/ours.times")
	row 'weir render, 100 objects: median of 31' '' "$(millis "$ours")"
	row 'weir version, for comparison: what it takes to start' '' "$(millis "$(middle "$work/start.times")")"
	if [ ! -f "$work/theirs" ]; then
		row 'weir render: times faster than kubectl kustomize' '>= 10' 'not measured: no kubectl'
		return
	fi
	theirs=$(middle "$work/theirs.times")
	row 'kubectl kustomize, the same folder: median of 31' '' "$(millis "$theirs")"
	row 'weir render: times faster than kubectl kustomize' '>= 10' "$(awk -v a="$theirs" -v b="$ours" 'BEGIN { printf "%.1f", a / b }')"
	cmp -s "$work/ours" "$work/theirs" || fail 'weir render and kubectl kustomize do not print the same'
	[ "$theirs" -ge $((10 * ours)) ] || fail 'weir render is less than 10 times faster than kubectl kustomize'
}

# on_cluster PHASE [COUNT]: story.sh on an embedded cluster of its own.
on_cluster() {
	local name=$1${2:-}
	echo "== $name" >&2
	local running=${2:-0}
	[ "$running" -le 100 ] || running=${BENCH_RUNNING:-50}
	BENCH_PHASE=$1 BENCH_COUNT=${2:-} BENCH_RUNNING=$running WEIR_EXAMPLES=$here "$weir" demo --work "$work/$name" || fail "$name; see $work/$name"
}

for part in ${BENCH_ONLY:-size decide render memory-1 quiet push memory-1000 scale-1000 scale-10000}; do
	case $part in
	size) measure_size ;;
	decide) measure_decide ;;
	render) measure_render ;;
	memory-* | scale-*) on_cluster "${part%-*}" "${part#*-}" ;;
	quiet | push) on_cluster "$part" ;;
	*) echo "$0: BENCH_ONLY: no such part: $part" >&2; exit 2 ;;
	esac
done

awk -F '\t' 'BEGIN { printf "\n%-82s %-9s %s\n", "WHAT", "GOAL", "MEASURED" } { printf "%-82s %-9s %s\n", $1, $2, $3 }' "$BENCH_ROWS"
[ "$failed" -ne 0 ] || rm -rf "$work"
exit "$failed"
