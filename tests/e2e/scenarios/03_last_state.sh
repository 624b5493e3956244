# The same with last-state: no savepoint is taken, the latest checkpoint goes on, under the same job id.
# set: default
# limit: 420
. "$(dirname "$0")/../lib.sh"
start_from MODE=last-state
remember
before=$(checkpoints_done)
more_checkpoints() { [ "$(checkpoints_done)" -ge $((before + 2)) ]; }
savepoints() { find "$DATA/savepoints" -name 'savepoint-*' 2>/dev/null | wc -l; }
OLD_COUNT=$(last_snapshot) # in a completed checkpoint after two more of them
wait_for 60 'two more checkpoints' more_checkpoints
had=$(savepoints)
old_pod=$(main_pod jobmanager)
watch_overlap
change 'another argument, by last state' MODE=last-state "ARGS=$(fresh_args)"
another_pod() { local pod; pod=$(main_pod jobmanager); [ -n "$pod" ] && [ "$pod" != "$old_pod" ] && is "$OLD_ID" job_id; }
wait_for 120 'the new version runs under the same id' another_pod
went_on
restored_from | grep -q '/chk-[0-9]*$' || fail "it goes on from a checkpoint, not $(restored_from)"
[ "$(savepoints)" = "$had" ] || fail 'a savepoint was taken'
wait_for 60 'exactly one job runs' one_job
no_overlap
