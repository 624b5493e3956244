# Created anew from the state of an older commit: `weir.dev/restore-from: commit:SHA` starts from the savepoint with which that commit's
# launch ended, not from a newer one; and, left in git, does not do so again.
# set: full
# limit: 600
. "$(dirname "$0")/../lib.sh"
start_from
remember
change 'the first version' "ARGS=$(fresh_args)"
upgraded 120
went_on
wait_for 60 'stable' stable
remember
first=$HEAD
change 'the second version' "ARGS=$(fresh_args)"
upgraded 120
went_on
of_first=$(restored_from)
counted_first=$(started_at)
wait_for 60 'stable' stable
remember $((${counted_first% *} + 300))
change 'the third version' "ARGS=$(fresh_args)"
upgraded 120
went_on
wait_for 60 'stable' stable
deleted 'deleted'
change 'created anew from the state of the first version' EXISTS=1 "ANNOTATIONS={weir.dev/restore-from: 'commit:${first:0:12}'}"
wait_for 150 'the job runs' job_is_new
wait_for 60 'the job tells in its log where it started' has_start
same_place "$of_first" "$(restored_from)" || fail "it starts from $of_first, not $(restored_from)"
[ "$(started_at)" = "$counted_first" ] || fail "it starts at $counted_first, as the second version did, not at $(started_at)"
say "the state with which ${first:0:12} ended: COUNT start $(started_at)"
wait_for 60 'stable' stable
remember
change 'an upgrade, the annotation left in place' "ARGS=$(fresh_args)"
upgraded 120
went_on
wait_for 60 'stable' stable
change 'without the annotation' 'ANNOTATIONS={}'
wait_for 60 'the sync is done' sync_at Applied
