# A job under another name: held until git says that it is the same, then stopped with its state and started from it.
# set: full
# limit: 480
. "$(dirname "$0")/../lib.sh"
start_from
remember
change 'another name, without a word' JOB=shipments
wait_for 60 'the commit is held' sync_at Held weir.dev/moved-from
say "$(sync_field message)"
fd_gone || fail 'the new one is not created'
JOB=orders
is "$OLD_ID" job_id || fail 'the job was left alone'
counts_to "$OLD_COUNT" || fail 'it counts on'

remember
change 'another name for the same job' JOB=shipments 'ANNOTATIONS={weir.dev/moved-from: orders}'
old_gone() { [ -z "$(k get flinkdeployment orders --ignore-not-found -o name)" ] && [ -z "$(k get pods -l app=orders -o name)" ]; }
wait_for 120 'the old one is gone' old_gone
upgraded 120
went_on
restored_from | grep -q /savepoint- || fail "it goes on from a savepoint, not $(restored_from)"
wait_for 60 'stable' stable
wait_for 60 'the sync is done' sync_at Applied
"$WEIR" history "$NS/shipments" | tail -n +2 | wc -l | grep -qvx '[01]' || fail "the history came along: $("$WEIR" history "$NS/shipments")"

remember
change 'an upgrade under the new name' "ARGS=$(fresh_args)"
upgraded 120
went_on
wait_for 60 'stable' stable
deleted 'deleted'
forget
