# A job that fails at its start is rolled back with its state and quarantined; a fix is taken.
# set: default
# limit: 600
. "$(dirname "$0")/../lib.sh"
start_from
remember
good=$ARGS
watch_overlap
change 'a bug in main' "ARGS=$good, --broken"
bad=$HEAD
quarantined() { sync_at Withheld quarantined && job_is_new; }
wait_for 240 'the commit is rolled back and quarantined' quarantined
wait_for 60 'exactly one job runs' one_job
went_on
fd '.spec.job.args' | grep -q broken && fail 'the resource carries the spec that should run'
[ "$(fd '.metadata.annotations.weir\.dev/commit')" != "$bad" ] || fail 'the resource does not claim to be at the bad commit'
say "$(sync_field message)"
OLD_ID=$(job_id)
change 'the same content again, in another commit'
wait_for 60 'it stays out under another commit' sync_at Withheld quarantined
is "$OLD_ID" job_id || fail 'the job was left alone'
remember
change 'the fix' "ARGS=$(fresh_args)"
upgraded 120
went_on
wait_for 60 'the sync is done' sync_at Applied
no_overlap
