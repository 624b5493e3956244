# A push, and a job runs; over smart HTTP, then the same repository by file.
# set: default
# limit: 240
. "$(dirname "$0")/../lib.sh"
job_defaults
git_http_start
agent_start
OLD_ID=none
change 'a first version'
upgraded 150
wait_for 60 'the job counts' counts_to 1
[ "$(started_at)" = '0 false' ] || fail "a first start is an empty one, not: $(started_at)"
wait_for 60 'the job is stable' stable
wait_for 30 'the sync is done' sync_at Applied
is RUNNING fd .status.jobStatus.state || fail 'the status says so'
say "job $(job_id) runs, read over $REPO_URL"
remember
agent_stop

REPO_URL=file://$REPO
agent_start
change 'a commit that changes nothing of the job'
wait_for 60 'the commit is read by file' sync_at Applied
is "$OLD_ID" job_id || fail 'the job was left alone'
say 'the same repository by file: nothing changed, nothing touched'
