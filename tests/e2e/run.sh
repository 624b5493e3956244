#!/usr/bin/env bash
# End-to-end tests: the built agent, a real API server, real Flink, git over HTTP and file.
#
#   tests/e2e/run.sh                        the scenarios of the default set
#   tests/e2e/run.sh --full                 all of them, with every point of the kill scenario
#   tests/e2e/run.sh [--full] 02 rollback   the scenarios whose names hold one of these words, with what they build on
#   tests/e2e/run.sh --list                 their names; a star marks the default set
#
# WEIR is the program under test (default build/dev/weir, then build/release/weir). E2E_KEEP=1 keeps the folder of a run that passed.
# One cluster serves all scenarios of a run, and they share one job: each brings it where it starts from. Needs root, Go, a JDK, kubectl.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

full=0 words=() list=0
for argument in "$@"; do
	case $argument in
	--full) full=1 ;;
	--list) list=1 ;;
	-h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "$0: unknown argument: $argument" >&2; exit 2 ;;
	*) words+=("$argument") ;;
	esac
done

# The header of a scenario says "# set: default" or "# set: full", "# limit: SECONDS" and "# flink: VERSION..." (what it needs besides 1.20.3);
# "# full-limit:" and "# full-flink:" take their place with --full.
header() { sed -n "s/^# $2: *//p" "$1" | head -1; }
setting() { # FILE NAME
	local value=
	[ "$full" = 0 ] || value=$(header "$1" "full-$2")
	echo "${value:-$(header "$1" "$2")}"
}
scenarios=()
for file in "$here"/scenarios/[0-9]*.sh; do
	name=$(basename "$file" .sh)
	if [ "$list" = 1 ]; then
		printf '%s %s\n' "$([ "$(header "$file" set)" = default ] && echo '*' || echo ' ')" "$name"
		continue
	fi
	if [ ${#words[@]} -gt 0 ]; then
		for word in "${words[@]}"; do
			if [[ $name == *$word* ]]; then scenarios+=("$file"); break; fi
		done
	elif [ "$full" = 1 ] || [ "$(header "$file" set)" = default ]; then
		scenarios+=("$file")
	fi
done
[ "$list" = 0 ] || exit 0
[ ${#scenarios[@]} -gt 0 ] || { echo "$0: no scenario is named like that" >&2; exit 2; }

need() { command -v "$1" >/dev/null || { echo "$0: $1 is missing${2:+: $2}" >&2; exit 2; }; }
need kubectl; need git; need go; need javac; need awk; need curl; need timeout; need python3
[ "$(id -u)" = 0 ] || { echo "$0: root is needed, for namespaces and mounts" >&2; exit 2; }
if [ -z "${WEIR:-}" ]; then
	for WEIR in "$root/build/dev/weir" "$root/build/release/weir"; do [ ! -x "$WEIR" ] || break; done
fi
[ -x "$WEIR" ] || { echo "$0: there is no $WEIR: build it first, or set WEIR" >&2; exit 2; }
WEIR=$(realpath "$WEIR")

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
started=$SECONDS
say 'building the test cluster, or finding it built'
versions=(1.20.3)
for file in "${scenarios[@]}"; do
	for version in $(setting "$file" flink); do
		[[ " ${versions[*]} " == *" $version "* ]] || versions+=("$version")
	done
done
(cd "$here/cluster" && bash build.sh "${versions[@]}") || exit 1
CLUSTER=${WEIR_CACHE:-$HOME/.cache/weir}/bin/weir-cluster
E2E=$(mktemp -d "${TMPDIR:-/tmp}/weir-e2e.XXXXXX")
DIR=$E2E/cluster
export WEIR CLUSTER E2E DIR
export E2E_FULL=$full E2E_ROOT=$root
mkdir -p "$E2E/logs" "$E2E/git" "$E2E/data"
# The node's folder of the jobs' state; Flink's user writes there.
chmod 755 "$E2E"

cluster_pid=
finish() {
	if [ -n "$cluster_pid" ]; then
		kill -TERM "$cluster_pid" 2>/dev/null
		wait "$cluster_pid" 2>/dev/null
	fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

inside() { "$CLUSTER" exec --dir "$DIR" -- "$@"; }

cluster_start=$SECONDS
"$CLUSTER" up --dir "$DIR" --flink 1.20 >"$E2E/logs/up.log" 2>&1 &
cluster_pid=$!
until grep -q '^ready' "$E2E/logs/up.log"; do
	kill -0 "$cluster_pid" 2>/dev/null || { cat "$E2E/logs/up.log"; say 'the cluster did not start'; exit 1; }
	[ $((SECONDS - cluster_start)) -lt 150 ] || { say 'the cluster is not ready after 150 s'; exit 1; }
	sleep 0.2
done
for crd in "$root"/kustomize/base/crd-*.yaml; do
	inside kubectl apply --server-side -f "$crd" >>"$E2E/logs/crds.log" 2>&1 || { cat "$E2E/logs/crds.log"; say 'the CRDs were not taken'; exit 1; }
done
inside kubectl wait --for=condition=Established --timeout=30s crd --all >>"$E2E/logs/crds.log" 2>&1 ||
	{ cat "$E2E/logs/crds.log"; say 'the CRDs are not established'; exit 1; }
say "the cluster is up after $((SECONDS - cluster_start)) s; everything of this run is in $E2E"

failed=() table=()
for file in "${scenarios[@]}"; do
	name=$(basename "$file" .sh)
	log=$E2E/logs/$name.log
	limit=$(setting "$file" limit)
	start=$SECONDS
	SCENARIO=$name FLINK=$(setting "$file" flink) timeout -k 10 "${limit:-300}" "$CLUSTER" exec --dir "$DIR" -- bash "$file" >"$log" 2>&1
	status=$?
	line=$(printf '%4d s  %-4s  %s' $((SECONDS - start)) "$([ $status = 0 ] && echo PASS || echo FAIL)" "$name")
	table+=("$line")
	say "$line$([ $status = 124 ] && echo "  (longer than $limit s)")"
	if [ $status = 0 ]; then
		sed '/: line [0-9]*: *[0-9]* Killed /d; s/^/             /' "$log"
		continue
	fi
	failed+=("$name")
	echo "---- $name, its last 60 lines"
	tail -n 60 "$log"
	SCENARIO=$name timeout -k 5 60 "$CLUSTER" exec --dir "$DIR" -- bash "$here/lib.sh" dump 2>&1 | tee "$E2E/logs/$name.dump"
	# What comes next starts from nothing.
	SCENARIO=$name timeout -k 5 120 "$CLUSTER" exec --dir "$DIR" -- bash "$here/lib.sh" reset >"$E2E/logs/$name.reset" 2>&1 ||
		say "the cluster could not be brought back to nothing, see $E2E/logs/$name.reset"
done

echo
printf '%s\n' "${table[@]}"
say "${#scenarios[@]} scenarios in $((SECONDS - started)) s, ${#failed[@]} failed"
if [ ${#failed[@]} -gt 0 ]; then
	say "failed: ${failed[*]}; logs are in $E2E/logs"
	exit 1
fi
finish
cluster_pid=
[ "${E2E_KEEP:-}" = 1 ] || rm -rf "$E2E"
