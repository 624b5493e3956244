# The agent is killed with SIGKILL at the side effects of an upgrade, one after the other: the next agent finishes, exactly one job
# runs, its state is kept, and never do two run at a time. --full: before and after each of them.
# set: default
# limit: 600
# full-limit: 1800
. "$(dirname "$0")/../lib.sh"
points=(stop-with-savepoint:after delete-cluster:after create-deployment:after)
[ "$E2E_FULL" = 0 ] || points=(write-ledger:before write-ledger:after stop-with-savepoint:before stop-with-savepoint:after
	delete-cluster:before delete-cluster:after delete-ha-metadata:before delete-ha-metadata:after create-cluster:before
	create-deployment:after create-cluster:after write-status:before)
[ -z "${E2E_POINTS:-}" ] || read -ra points <<<"$E2E_POINTS"
start_from
watch_overlap
for point in "${points[@]}"; do
	remember
	agent_stop
	agent_start "WEIR_TEST_KILL=$point"
	change "an upgrade, killed at $point" "ARGS=$(fresh_args)"
	wait_for 90 "the agent is killed at $point" agent_dead
	status=0
	wait "$AGENT" || status=$?
	[ "$status" = 137 ] || fail "at $point the agent ended with status $status"
	agent_start
	upgraded 150
	went_on
	restored_from | grep -q /savepoint- || fail "at $point: it goes on from a savepoint, not $(restored_from)"
	wait_for 60 'stable' stable
	no_overlap
	say "killed at $point: finished"
done
