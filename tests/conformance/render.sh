#!/bin/sh
# Compares what is rendered from every fixture with what `kubectl kustomize` makes of it, byte for byte.
# Usage: render.sh PROGRAM [ARGUMENT...]   e.g. "render.sh weir render" or "render.sh BUILD/tests/unit_render_test_fixtures --print".
# Further directories to compare: RENDER_DIRS="DIR DIR ...". Exit status 77: kubectl is not there, nothing was compared.
set -u
LC_ALL=C
export LC_ALL
fixtures=$(cd "$(dirname "$0")/../unit/render/fixtures" && pwd) || exit 1
if [ $# -eq 0 ]; then
	sed -n '2,4s/^# //p' "$0" >&2
	exit 2
fi
if ! kubectl kustomize --help >/dev/null 2>&1; then
	echo "SKIPPED: no kubectl with kustomize on this machine; NOTHING WAS COMPARED" >&2
	exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0
bad=0

compare() { # DIR PROGRAM [ARGUMENT...]
	dir=$1
	shift
	count=$((count + 1))
	kubectl kustomize "$dir" >"$work/expected" 2>"$work/expected-error"
	expected=$?
	"$@" "$dir" >"$work/is" 2>"$work/is-error"
	is=$?
	if [ $expected -ne $is ] || ! cmp -s "$work/expected" "$work/is"; then
		bad=$((bad + 1))
		echo "DIFFERENT: $dir (kubectl exits with $expected, we with $is)"
		tail -n 2 "$work/expected-error" "$work/is-error"
		diff "$work/expected" "$work/is" | head -n 20
	fi
}

for fixture in "$fixtures"/*/; do
	fixture=${fixture%/}
	# Errors are ours by intent in wording; plain folders are no kustomizations.
	if [ -e "$fixture/error" ] || [ "${fixture##*/}" = plain ]; then
		continue
	fi
	dir=$fixture/in
	if [ -d "$dir/overlay" ]; then
		dir=$dir/overlay
	fi
	compare "$dir" "$@"
done
for dir in ${RENDER_DIRS:-}; do
	compare "$dir" "$@"
done
echo "$count compared with kubectl kustomize, $bad different"
[ $bad -eq 0 ]
