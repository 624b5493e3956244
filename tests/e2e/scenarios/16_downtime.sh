# How long a small job is down for a savepoint upgrade, watched from outside, and what of it Weir adds. Printed; only a ratio fails: half
# of what the Java operator takes on the same kind of machine (28 s), twice over for a busy one.
# set: default
# limit: 420
. "$(dirname "$0")/../lib.sh"
# Every event of a kind with the time at which it arrived here.
watch_kind() {
	kubectl -n "$NS" get "$1" -w --output-watch-events \
		-o 'jsonpath={.type} {.object.metadata.name} {.object.metadata.uid} {.object.metadata.generation}/{.object.metadata.deletionTimestamp}{"\n"}' \
		2>/dev/null |
		while read -r line; do printf '%s %s\n' "$EPOCHREALTIME" "$line"; done >"$E2E/logs/$SCENARIO.$1"
}
start_from
remember
for kind in flinkdeployments deployments pods services; do
	watch_kind "$kind" &
	wait_for 10 "the watch of $kind tells something" test -s "$E2E/logs/$SCENARIO.$kind"
done
times=()
for _ in 1 2 3; do
	remember
	pushed=$EPOCHREALTIME
	change 'an upgrade that is watched' "ARGS=$(fresh_args)"
	upgraded 120
	went_on
	python3 "$E2E_ROOT/tests/e2e/timeline.py" "$E2E/logs" "$SCENARIO" "$DIR/pods" "$pushed" >"$E2E/logs/$SCENARIO.timeline" || fail "$(cat "$E2E/logs/$SCENARIO.timeline")"
	times+=("$(sed -n 's/^RESULT //p' "$E2E/logs/$SCENARIO.timeline")")
	wait_for 60 'stable' stable
done
say 'the last one, in seconds since the push:'
sed '/^RESULT/d' "$E2E/logs/$SCENARIO.timeline"
say 'down from the savepoint to RUNNING; from the push to RUNNING; what Weir adds (goals: 14; -; 1. The Java operator: 28 to 32; 32 to 39; -):'
printf '  %s\n' "${times[@]}"
middle=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 2p)
awk -v t="${middle%% *}" 'BEGIN { exit t > 28 }' || fail 'it is down longer than with the Java operator'
