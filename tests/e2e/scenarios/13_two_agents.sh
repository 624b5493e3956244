# Two agents at once: one acts. The leader is killed, then frozen in the middle of an upgrade: at any time one acts.
# set: full
# limit: 900
. "$(dirname "$0")/../lib.sh"
holder() { kubectl -n default get lease weir-agent -o 'jsonpath={.spec.holderIdentity}' 2>/dev/null; }
log_of() { echo "$E2E/logs/$SCENARIO.$1.agent.log"; }
port_of() { case $1 in a) echo 9401 ;; b) echo 9402 ;; c) echo 9403 ;; esac; }
start_one() { # NAME: agent NAME, with a log and a cache of its own
	AGENT_LOG=$(log_of "$1")
	AGENT_CACHE=$E2E/cache-$1
	AGENT_PORT=$(port_of "$1")
	agent_start
	printf -v "pid_$1" '%s' "$AGENT"
}
leader() { # the name of the agent that holds the lease, among those given
	local name id
	id=$(holder)
	for name in "$@"; do
		if [ -n "$id" ] && grep -q "$id" "$(log_of "$name")"; then echo "$name"; return; fi
	done
}
effects() { effects_done "$(port_of "$1")"; }

job_defaults
OLD_ID=none
change 'where the scenario starts' "ARGS=$(fresh_args)"
start_one a
start_one b
one_leads() { [ -n "$(leader "$@")" ]; }
wait_for 30 'one of the two leads' one_leads a b
wait_for 150 'the job runs' runs_commit
wait_for 60 'stable' stable
remember
first=$(leader a b)
other=$([ "$first" = a ] && echo b || echo a)
[ "$(effects "$first")" -gt 0 ] || fail "agent $first acted"
[ "$(effects "$other")" = 0 ] || fail "agent $other acted too"
say "agent $first leads"

watch_overlap
change 'an upgrade; the leader is killed in it' "ARGS=$(fresh_args)"
stopping() { ledger | grep -q '"dir":"file:' || ! is "$OLD_ID" job_id; }
wait_for 60 'the upgrade has begun' stopping
pid=pid_$first
agent_kill "${!pid}"
other_leads() { is "$1" leader a b c; }
wait_for 60 'the other one leads' other_leads "$other"
upgraded 150
went_on
wait_for 60 'stable' stable
say "agent $first was killed, agent $other finished"

start_one c
remember
change 'an upgrade; the leader is frozen in it' "ARGS=$(fresh_args)"
wait_for 60 'the upgrade has begun' stopping
frozen_effects=$(effects "$other")
pid=pid_$other
kill -STOP "${!pid}"
wait_for 60 'the third one leads' other_leads c
upgraded 150
went_on
kill -CONT "${!pid}"
always 10 'the thawed agent does not lead' other_leads c
# One effect may have been under way when it froze.
[ "$(effects "$other")" -le $((frozen_effects + 1)) ] || fail "the thawed agent $other acted: $(tail -n 2 "$(log_of "$other")")"
[ "$(effects c)" -gt 0 ] || fail 'the third one acted'
is "$HEAD" fd '.metadata.annotations.weir\.dev/commit' || fail 'the commit stays'
one_job || fail 'exactly one job runs'
wait_for 60 'stable' stable
no_overlap
say "agent $other was frozen and woke up, agent c finished"
