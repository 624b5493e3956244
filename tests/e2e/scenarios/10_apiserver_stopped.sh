# The API server is away for 30 s in the middle of an upgrade, then while nothing happens: nothing is lost.
# set: full
# limit: 600
. "$(dirname "$0")/../lib.sh"
start_from
remember
change 'an upgrade during which the API server stops' "ARGS=$(fresh_args)"
stopping() { ledger | grep -q '"dir":"file:' || ! is "$OLD_ID" job_id; }
wait_for 60 'the upgrade has begun' stopping
"$CLUSTER" ctl --dir "$DIR" stop-apiserver
always 30 'the agent lives on' agent_lives
"$CLUSTER" ctl --dir "$DIR" start-apiserver
upgraded 180
went_on
wait_for 90 'stable' stable
remember
"$CLUSTER" ctl --dir "$DIR" stop-apiserver
always 30 'the agent lives on' agent_lives
"$CLUSTER" ctl --dir "$DIR" start-apiserver
wait_for 120 'the same job runs' is "$OLD_ID" job_id
wait_for 60 'it counts on' counts_to "$OLD_COUNT"
wait_for 60 'exactly one job runs' one_job
is RUNNING fd .status.jobStatus.state || wait_for 60 'the status says so' is RUNNING fd .status.jobStatus.state
remember
change 'an upgrade afterwards' "ARGS=$(fresh_args)"
upgraded 120
went_on
