#!/usr/bin/env bash
# A job that another operator ran is left alone until `weir adopt`, which takes it over without a restart; `weir release` hands it back.
. "$(dirname "$0")/../lib.sh"

flinkdep=/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders
condition() { "$WEIR" status -o json | flat | pick '.resources[0].message' | grep -q "$1"; }
no_condition() { ! condition "$1"; }
# The status as another operator would write it: a change of its own under its own name.
foreign_write() { # KEY VALUE in clusterInfo
	api GET "$flinkdep" | python3 -c '
import json, sys
o = json.load(sys.stdin)
o["metadata"].pop("managedFields", None)
o["status"].setdefault("clusterInfo", {})[sys.argv[1]] = sys.argv[2]
print(json.dumps(o))' "$1" "$2" |
		api PUT "$flinkdep/status?fieldManager=flink-kubernetes-operator" -H 'Content-Type: application/json' -d @- >/dev/null
}
strip() { # PATH: Weir's marks are taken off, as if it had never been there
	api GET "$1" | python3 -c '
import json, sys
o = json.load(sys.stdin)
marks = {k: None for k in o["metadata"].get("annotations", {}) if k.startswith("weir.dev/")}
print(json.dumps({"metadata": {"annotations": marks}}))' |
		api PATCH "$1" -H 'Content-Type: application/merge-patch+json' -d @- >/dev/null
}
ledger_is_there() { [ "$("$WEIR" history "$job" 2>/dev/null | wc -l)" -ge 2 ]; } # with a launch in it
same_job() { sees_job && [ "$id" = "$first" ]; }
other_job() { sees_job && [ "$id" != "$1" ]; }

first_deployment
first=$id
stop_agent "$(demo_agent)"
api DELETE "/api/v1/namespaces/$ns/configmaps/weir-ledger-orders" >/dev/null
strip "/apis/apps/v1/namespaces/$ns/deployments/orders"
strip "$flinkdep"
sleep 1.1 # the API server's times are whole seconds: the other operator's write has to be a later one
foreign_write by another
start_agent two
until_true 'it is said that another controller has it' condition ForeignController
put job.yaml image flink:1.20-v2
push 'a change while another operator has it'
until_true 'the commit is seen' has_fetched two
until_true 'the spec is applied' applied
expect 'the job is the same' same_job
refute 'Weir keeps a ledger of it' ledger_is_there

put job.yaml image flink:1.20
push 'back to what runs'
until_true 'the spec is applied' applied
"$WEIR" adopt "$job"
until_true 'the ledger is there' ledger_is_there
until_true 'the condition is gone' no_condition ForeignController
until_true 'it is stable' stable
expect 'the job was not restarted' same_job

put job.yaml image flink:1.20-v3
push 'an upgrade by Weir'
until_true 'the job is another one' other_job "$first"
until_true 'it is stable' stable
expect 'it went on from a savepoint' test -n "$("$WEIR" rest "$job" "/jobs/$id/checkpoints" | flat | pick .latest.restored.external_path)"

second=$id
sleep 1.1
foreign_write by another-again
until_true 'a foreign status is noticed' condition ForeignController
put job.yaml image flink:1.20-v4
push 'a change while the status is not Weir'"'"'s'
until_true 'the spec is applied' applied
expect 'nothing is done' [ "$(sees_job && echo "$id")" = "$second" ]
"$WEIR" adopt "$job"
until_true 'Weir goes on' other_job "$second"
until_true 'it is stable' stable

third=$id
"$WEIR" release "$job"
put job.yaml image flink:1.20-v5
push 'a change after the release'
until_true 'the spec is applied' applied
refute 'Weir acts on it' other_job "$third"
