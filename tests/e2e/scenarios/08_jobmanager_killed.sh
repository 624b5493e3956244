# The JobManager's process is killed: Kubernetes and Flink's HA bring it back, and the agent does no harm.
# set: full
# limit: 420
. "$(dirname "$0")/../lib.sh"
start_from
remember
OLD_COUNT=$(last_snapshot)
before=$(checkpoints_done)
more_checkpoints() { [ "$(checkpoints_done)" -ge $((before + 2)) ]; }
wait_for 60 'two more checkpoints' more_checkpoints
pod=$(main_pod jobmanager)
had=$(effects_done)
"$CLUSTER" ctl --dir "$DIR" kill-pod "$NS" "$pod"
restarted() { [ "$(k get pod "$pod" -o 'jsonpath={.status.containerStatuses[0].restartCount}')" -ge 1 ]; }
wait_for 60 'the container is started again' restarted
wait_for 120 'the same job runs again' is "$OLD_ID" job_id
restored() { [ -n "$(restored_from)" ]; }
wait_for 60 'it was restored' restored
wait_for 60 'it counts on' counts_to "$OLD_COUNT"
wait_for 60 'the status says so' is RUNNING fd .status.jobStatus.state
start=$(started_at)
[ "${start#* }" = true ] && [ "${start% *}" -ge "$OLD_COUNT" ] || fail "COUNT start $start, after a snapshot at $OLD_COUNT"
is "$pod" main_pod jobmanager || fail 'the pod is the same one'
[ "$(effects_done)" = "$had" ] || fail "the agent interfered: $(grep decision "$AGENT_LOG" | tail -n 3)"
say "killed at a snapshot of $OLD_COUNT or more; its log says: COUNT start $start (from $(restored_from)); no effect by the agent"
wait_for 60 'exactly one job runs' one_job
