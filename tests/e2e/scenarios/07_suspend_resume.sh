# Suspended with a savepoint, resumed from it.
# set: default
# limit: 420
. "$(dirname "$0")/../lib.sh"
start_from
remember
change 'suspended' STATE=suspended
wait_for 90 'the job is suspended' lifecycle_is SUSPENDED
no_cluster || fail 'no pod and no Deployment is left'
savepoint=$(fd .status.jobStatus.savepointInfo.lastSavepoint.location)
state_exists "$savepoint" || fail "the savepoint is there: $savepoint"
change 'resumed' STATE=running
wait_for 120 'the job runs again' job_is_new
went_on
same_place "$savepoint" "$(restored_from)" || fail "it goes on from $savepoint, not $(restored_from)"
wait_for 60 'stable' stable
