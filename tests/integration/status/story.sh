#!/usr/bin/env bash
# What a user reads: weir status as text and as JSON in several states, weir rest by the port that the configuration names, weir approve, and
# the metrics of a running agent.
. "$(dirname "$0")/../lib.sh"

text_line() { # PATTERN: a line of the text matches, blanks counting as one
	"$WEIR" status | tr -s ' ' | grep -qE "$1"
}
shows() { text_line "$1" || die "weir status prints a line like $1; it was: $("$WEIR" status)"; }
short() { printf '%s' "${1:0:12}"; }

first_deployment
shows '^SYNC COMMIT STATE MESSAGE$'
shows '^NAMESPACE NAME JOB LIFECYCLE COMMIT SAVEPOINT / MESSAGE$'
shows "^default $(short "$head") Applied [0-9]+ objects$"
shows "^$ns orders RUNNING STABLE $(short "$head") +$"
look
expect 'one sync' [ "$(grep -c '^\.syncs\[[0-9]*\]\.name' <<<"$seen")" = 1 ]
expect 'its name' [ "$(pick '.syncs[0].name' <<<"$seen")" = default ]
expect 'its commit in full' [ "$(sync_commit)" = "$head" ]
expect 'the resource is named' [ "$(resource namespace)/$(resource name)" = "$job" ]
expect 'its commit' [ "$(resource commit)" = "$head" ]
expect 'its job' [ "$(resource jobId)" = "$id" ]
expect 'no savepoint yet' [ "$(resource lastSavepoint)" = '' ]
[ "$("$WEIR" status -o json)" = "$("$WEIR" status --output json)" ] || die 'both forms of the option say the same'
refute 'an unknown form is taken' "$WEIR" status -o yaml

# Another port, with another image so that the job is upgraded.
sed -i 's|^  flinkConfiguration:|&\n    rest.port: "9091"|' "$copy/orders/job.yaml"
put job.yaml image flink:1.20-v2
push 'another REST port'
until_true 'the job is upgraded' stable
until_true 'weir rest finds the port' sees_job
port=$(at "/api/v1/namespaces/$ns/services/orders-rest" '.spec.ports[0].port')
expect 'the service has that port' [ "$port" = 9091 ]
refute 'the old port is still there' api GET "/api/v1/namespaces/$ns/services/orders-rest:8081/proxy/overview"
until_true 'a savepoint is shown' text_line "^$ns orders RUNNING STABLE $(short "$head") [a-z]+:/[^ ]*savepoint"
refute 'a job that is not there has an answer' "$WEIR" rest "$ns/none" /overview
refute 'a path that is not there has an answer' "$WEIR" rest "$job" /nowhere
[[ $("$WEIR" rest "$ns/none" /overview 2>&1) == *none*404* ]] || die 'weir rest says what is not there'

cp "$copy/orders/job.yaml" "$STORY_WORK/good.yaml"
put job.yaml parallelism -1
push 'a bad job'
until_true 'the text names the field' text_line "^default $(short "$head") Failed .*orders/job.yaml:[0-9]+: .*spec.job.parallelism"
until_true 'so does the JSON' says Failed 'spec.job.parallelism'
shows "^$ns orders RUNNING STABLE [0-9a-f]+ .* withheld "

cp "$STORY_WORK/good.yaml" "$copy/orders/job.yaml"
rm "$copy/orders/settings.yaml"
sed -i '/settings/d' "$copy/orders/kustomization.yaml"
push 'two thirds of the objects'
held=$head
until_true 'the deletion is held' text_line "^default $(short "$held") Held .*"
until_true 'the JSON says it' says Held orders-settings
refute 'nothing is approved for a sync that is not there' "$WEIR" approve nobody
"$WEIR" approve default | grep -q "$(short "$held")" || die 'weir approve names the commit'
until_true 'the deletion passes' applied
until_true 'the ConfigMap is gone' setting greeting ''
refute 'there is nothing left to approve' "$WEIR" approve default

# The metrics of an agent that does something.
stop_agent "$(demo_agent)"
expect 'the lease is given back' [ -z "$(leader)" ]
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
start_agent metered --listen "127.0.0.1:$port"
metric() { curl -sf --max-time 5 "http://127.0.0.1:$port/metrics" | grep -F "$1" | awk '{ print $NF }'; }
counts() { [ "$(metric "$1")" -ge "${2:-1}" ] 2>/dev/null; }
until_true 'it leads' leads metered
put job.yaml image flink:1.20-v3
push 'something to do'
until_true 'the job is upgraded' stable
until_true 'reads are counted' counts 'weir_api_requests_total{method="GET",code="200"}' 10
until_true 'what is not there is counted' counts 'weir_api_requests_total{method="GET",code="404"}'
until_true 'applies are counted' counts 'weir_api_requests_total{method="PATCH",code="200"}'
until_true "Flink's answers are counted" counts 'weir_flink_requests_total{method="GET",code="200"}' 2
until_true 'savepoints are counted' counts 'weir_flink_requests_total{method="POST",code="202"}'
before=$(metric 'weir_api_requests_total{method="GET",code="200"}')
push 'one more pass'
until_true 'counters go up' counts 'weir_api_requests_total{method="GET",code="200"}' $((before + 1))
stop_agent "$agent"
