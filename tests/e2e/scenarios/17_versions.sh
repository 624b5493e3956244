# Versions of Flink: each is deployed from nothing, upgraded with a savepoint, and deleted with one. Before 1.15 an application cluster takes
# itself down as soon as its job is stopped, so that the agent may have to look for the savepoint in the storage.
# set: default
# limit: 480
# flink: 1.15.4 2.3.0
# full-limit: 1500
# full-flink: 1.13.6 1.14.6 1.15.4 1.17.2 1.20.3 2.0.1 2.3.0
. "$(dirname "$0")/../lib.sh"
AGENT_CONFIG="stateStores: [{prefix: 'file:///flink-data', path: $DATA}]"
start_from_nothing
flink_says() { rest /config | flat | pick .flink-version; }
for version in ${E2E_VERSIONS:-$FLINK}; do
	OLD_ID=none
	minor=${version%.*}
	change "Flink $version" EXISTS=1 "IMAGE=flink:$minor" "VERSION=v${minor/./_}" "ARGS=$(fresh_args)"
	upgraded 150
	is "$version" flink_says || fail "it runs $(flink_says)"
	wait_for 60 'the job tells in its log where it started' has_start
	[ "$(started_at)" = '0 false' ] || fail "a first start is an empty one, not: $(started_at)"
	wait_for 60 'stable' stable
	remember
	change "Flink $version, another argument" "ARGS=$(fresh_args)"
	upgraded 120
	went_on
	restored_from | grep -q /savepoint- || fail "it goes on from a savepoint, not $(restored_from)"
	wait_for 60 'stable' stable
	deleted "Flink $version, deleted"
	savepoint=$(ledger | flat | pick .newest.path)
	state_exists "$savepoint" || fail "the ledger names a savepoint that is there, not '$savepoint'"
	forget
	say "Flink $version: deployed, upgraded and deleted with state"
done
