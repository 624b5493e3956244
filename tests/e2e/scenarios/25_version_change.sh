# From Flink 1.20 to 2.3 with a savepoint, also where the mode is last-state: HA metadata of another version are not to be trusted.
# set: full
# limit: 480
# flink: 2.3.0
. "$(dirname "$0")/../lib.sh"
start_from_nothing
OLD_ID=none
change 'Flink 1.20' MODE=last-state "ARGS=$(fresh_args)"
upgraded 150
wait_for 60 'stable' stable
flink_says() { rest /config | flat | pick .flink-version; }
is 1.20.3 flink_says || fail "it runs $(flink_says)"
remember
watch_overlap
change 'Flink 2.3' IMAGE=flink:2.3 VERSION=v2_3
upgraded 150
went_on
restored_from | grep -q /savepoint- || fail "it goes on from a savepoint, not $(restored_from)"
is 2.3.0 flink_says || fail "it runs $(flink_says)"
wait_for 60 'stable' stable
no_overlap
deleted 'deleted'
forget
