# Periodic savepoints: old ones go, from the storage too; what a person asked for, the newest one and what the job started from stay.
# set: full
# limit: 480
. "$(dirname "$0")/../lib.sh"
start_from
remember
snapshots() { k get flinkstatesnapshots -l "snapshot.trigger-type=$1,snapshot.state=COMPLETED" -o 'jsonpath={range .items[*]}{.status.path}{"\n"}{end}' 2>/dev/null; }
at_least() { [ "$(snapshots "$1" | grep -c .)" -ge "$2" ]; }
change 'a savepoint that a person asks for' "ANNOTATIONS={weir.dev/savepoint: \"$(date +%s)\"}"
wait_for 90 'it is there' at_least MANUAL 1
manual=$(snapshots MANUAL | tail -1)
state_exists "$manual" || fail "the savepoint is there: $manual"
change 'one every three seconds, of which two are kept' \
	$'CONFIG=kubernetes.operator.periodic.savepoint.interval: 3s\n        kubernetes.operator.savepoint.history.max.count: "2"'
wait_for 90 'there are periodic ones' at_least PERIODIC 2
first=$(snapshots PERIODIC | head -1)
disposed() { ! state_exists "$first"; }
wait_for 120 "the first one is gone from the storage: $first" disposed
newest=$(snapshots PERIODIC | tail -1)
state_exists "$newest" || fail "the newest one is there: $newest"
state_exists "$manual" || fail "what a person asked for is there: $manual"
is "$OLD_ID" job_id || fail 'the job was left alone'
change 'no more' 'CONFIG=# nothing more'
wait_for 60 'that is applied' sync_at Applied
remember
change 'an upgrade' "ARGS=$(fresh_args)"
upgraded 120
went_on
state_exists "$(restored_from)" || fail "what it started from is there: $(restored_from)"
wait_for 60 'stable' stable
