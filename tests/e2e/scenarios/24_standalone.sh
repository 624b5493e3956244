# Standalone mode: deployed from nothing, made wider with a savepoint, its JobManager killed, deleted with a savepoint.
# set: full
# limit: 600
. "$(dirname "$0")/../lib.sh"
start_from_nothing
OLD_ID=none
# The image's own folder of jars is hidden by a volume in this mode.
change 'a standalone application' DEPLOYED=standalone JAR=local:///opt/flink/examples/count.jar "ARGS=$(fresh_args)"
upgraded 150
wait_for 60 'the job tells in its log where it started' has_start
[ "$(started_at)" = '0 false' ] || fail "a first start is an empty one, not: $(started_at)"
wait_for 60 'stable' stable
[ -n "$(k get deployment "$JOB-taskmanager" --ignore-not-found -o name)" ] || fail 'the TaskManagers have a Deployment'
remember

change 'another argument' "ARGS=$(fresh_args)"
upgraded 120
went_on
restored_from | grep -q /savepoint- || fail "it goes on from a savepoint, not $(restored_from)"
wait_for 60 'stable' stable

remember
OLD_COUNT=$(last_snapshot)
before=$(checkpoints_done)
more_checkpoints() { [ "$(checkpoints_done)" -ge $((before + 2)) ]; }
wait_for 60 'two more checkpoints' more_checkpoints
pod=$(main_pod jobmanager)
"$CLUSTER" ctl --dir "$DIR" kill-pod "$NS" "$pod"
restarted() { [ "$(k get pod "$pod" -o 'jsonpath={.status.containerStatuses[0].restartCount}')" -ge 1 ]; }
wait_for 60 'the container is started again' restarted
wait_for 120 'the same job runs again' is "$OLD_ID" job_id
wait_for 60 'it counts on' counts_to "$OLD_COUNT"
wait_for 60 'stable' stable

deleted 'deleted'
savepoint=$(ledger | flat | pick .newest.path)
state_exists "$savepoint" || fail "the ledger names a savepoint that is there, not '$savepoint'"
forget
