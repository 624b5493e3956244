# Deleted from git: held by the brake, approved, a savepoint taken, everything gone, the ledger kept. Created anew (12): the job waits
# for a choice, and `restore-from: latest` lets the count go on.
# set: default
# limit: 480
. "$(dirname "$0")/../lib.sh"
start_from
remember
change 'deleted' EXISTS=0
wait_for 60 'the brake holds the deletion' sync_at Held
sync_field message | grep -q "${HEAD:0:12}" || fail "the message names the commit: $(sync_field message)"
say "$(sync_field message)"
is "$OLD_ID" job_id || fail 'the job runs on until then'
"$WEIR" approve default
wait_for 150 'the resource is gone' fd_gone
no_cluster || fail 'no pod and no Deployment is left'
no_ha() { [ -z "$(k get configmaps -l "app=$JOB,configmap-type=high-availability" -o name)" ]; }
wait_for 30 'the HA metadata is gone' no_ha
savepoint=$(ledger | flat | pick .newest.path)
state_exists "$savepoint" || fail "the ledger names a savepoint that is there, not '$savepoint'"
wait_for 60 'the sync is done' sync_at Applied
say "gone; the ledger names $savepoint"

change 'created anew' EXISTS=1
choice() { is True condition StateChoiceRequired; }
wait_for 120 'it waits for a choice' choice
say "$(fd '.status.conditions[?(@.type=="StateChoiceRequired")].message')"
always 5 'nothing is started' no_cluster
change 'the choice: the latest state' 'ANNOTATIONS={weir.dev/restore-from: latest}'
wait_for 120 'the job runs' job_is_new
went_on
same_place "$savepoint" "$(restored_from)" || fail "it goes on from $savepoint, not $(restored_from)"
chosen() { [ "$(condition StateChoiceRequired)" != True ]; }
wait_for 30 'nothing more to choose' chosen
wait_for 60 'stable' stable
