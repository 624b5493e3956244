#!/usr/bin/env bash
# Two agents, one cluster: only one acts; when it is killed the other takes over within the term of the lease, 15 s, and the job is left alone.
. "$(dirname "$0")/../lib.sh"

acts() { grep -qE ' (object|decision) ' "$logs/agent-$1.log"; }
takes_over() { # NAME, after the leader is gone
	local began=$SECONDS
	until_true "agent $1 leads" leads "$1"
	say "agent $1 leads after $((SECONDS - began)) s"
	[ $((SECONDS - began)) -le 20 ] || die 'the lease passes on within its term' # 15 s; the rest is for slow machines
}

first_deployment
first=$(demo_agent)
holder=$(leader)
[ -n "$holder" ] || die 'the lease has a holder'
start_agent two
second=$agent
until_true 'the second agent follows' has_fetched two
put settings.yaml greeting both
push 'while two agents run'
until_true 'the change is applied' applied
until_true 'the second agent has it too' has_fetched two
refute 'the second agent acts' acts two
expect 'the first agent keeps the lease' [ "$(leader)" = "$holder" ]
untouched

kill -KILL "$first"
put settings.yaml greeting orphan
push 'while nobody leads'
takes_over two
until_true 'the second agent goes on' applied
expect 'the change is in the cluster' setting greeting orphan
refute 'the lease is still the first one'"'s" [ "$(leader)" = "$holder" ]
untouched

# One that only sleeps: once another leads, it does not act any more.
start_agent three
third=$agent
until_true 'the third agent follows' has_fetched three
holder=$(leader)
kill -STOP "$second"
takes_over three
refute 'the lease is still the sleeper'"'s" [ "$(leader)" = "$holder" ]
put job.yaml image flink:1.20-v2
push 'an upgrade under the third'
until_true 'the job is upgraded' stable
remember
before=$(wc -l <"$logs/agent-two.log")
kill -CONT "$second"
put settings.yaml greeting awake
push 'while the sleeper is awake'
until_true 'the third agent goes on' applied
until_true 'the sleeper has it too' has_fetched two
refute 'the sleeper acts' grep -qE ' object ' <(tail -n "+$((before + 1))" "$logs/agent-two.log")
untouched

# An orderly end hands the lease on at once.
took=$SECONDS
stop_agent "$third"
handed() { [ "$(grep -c 'this agent leads' "$logs/agent-two.log")" -ge 2 ]; }
until_true 'the lease is handed on' handed
[ $((SECONDS - took)) -le 10 ] || die 'the lease is handed on without waiting for its term'
untouched
