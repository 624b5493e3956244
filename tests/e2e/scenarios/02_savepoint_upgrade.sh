# A change of image and arguments: stopped with a savepoint, started from it, never two at a time.
# set: default
# limit: 420
. "$(dirname "$0")/../lib.sh"
start_from
remember
watch_overlap
change 'another image, another argument' IMAGE=flink:1.20-v2 "ARGS=$(fresh_args)"
upgraded 120
went_on
restored_from | grep -q /savepoint- || fail "it goes on from a savepoint, not $(restored_from)"
k get pod "$(main_pod jobmanager)" -o 'jsonpath={.spec.containers[0].image}' | grep -qx flink:1.20-v2 || fail 'the new image runs'
same_place "$(restored_from)" "$(fd .status.jobStatus.savepointInfo.lastSavepoint.location)" || fail 'the status names that savepoint'
no_overlap
