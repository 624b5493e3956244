# Parallelism and memory changed through an overlay.
# set: full
# limit: 420
. "$(dirname "$0")/../lib.sh"
start_from
remember
change 'twice as wide, larger TaskManagers' PARALLELISM=2 TM_MEMORY=1152m JM_MEMORY=900m
upgraded 120
two() { [ "$(pods_of taskmanager | wc -l)" = 2 ]; }
wait_for 60 'two TaskManagers run' two
both_started() { [ "$(taskmanager_logs | grep -c '^COUNT start ')" = 2 ]; }
wait_for 60 'both count' both_started
start=$(started_at)
[ "${start% *}" -ge "$OLD_COUNT" ] || fail "the count fell back from $OLD_COUNT to ${start% *}"
wait_for 60 'they count on' counts_to "$OLD_COUNT"
say "it had counted to $OLD_COUNT; the logs of the two say, together: COUNT start ${start% *}"
[ "$(rest "/jobs/$(job_id)/config" | flat | pick .execution-config.job-parallelism)" = 2 ] || fail 'its parallelism is 2'
k get pods -l component=taskmanager -o 'jsonpath={.items[*].spec.containers[0].resources.limits.memory}' | grep -qE '^1152Mi? 1152Mi?$|^1207959552 1207959552$' ||
	fail "the TaskManagers have 1152m: $(k get pods -l component=taskmanager -o 'jsonpath={.items[*].spec.containers[0].resources.limits.memory}')"
wait_for 60 'stable' stable
remember 1
change 'narrow again'  PARALLELISM=1 TM_MEMORY=1024m JM_MEMORY=800m
upgraded 120
went_on
