#!/usr/bin/env bash
# The agent is killed before or after each effect that snapshots have; the next one finishes what was begun, once, and the job runs on.
. "$(dirname "$0")/../lib.sh"

flink=/apis/flink.apache.org/v1beta1/namespaces/$ns
count() { # LABELS
	api GET "$flink/flinkstatesnapshots?labelSelector=$1" | flat | grep -cE $'^\\.items\\[[0-9]+\\]\\.metadata\\.name\t' || true
}
labels() { printf 'snapshot.type%%3D%s,snapshot.trigger-type%%3D%s,snapshot.state%%3DCOMPLETED' "$1" "$2"; }
has() { [ "$(count "$(labels "$1" "$2")")" = "$3" ]; }
add() { sed -i "s|^\( *\)$1:.*|&\n\1$2: $3|" "$copy/orders/job.yaml"; }
# dies POINT WHAT: an agent that will be killed there follows; then one that will not.
round=0
dies() {
	round=$((round + 1))
	WEIR_TEST_KILL=$1 start_agent "killed-$round"
	"$2"
	until_true "the agent is killed at $1" ended "$agent"
	api DELETE /apis/coordination.k8s.io/v1/namespaces/default/leases/weir-agent >/dev/null || true # its term would be waited for
	start_agent "next-$round"
	until_true 'the next agent leads' leads "next-$round"
	say "killed at $1"
}
lives() { stop_agent "$agent" >/dev/null; }

first_deployment
stop_agent "$(demo_agent)" >/dev/null
sed -i 's|^  name: orders|&\n  annotations:\n    weir.dev/savepoint: "0"|' "$copy/orders/job.yaml"
add upgradeMode checkpointTriggerNonce 0
savepoint() { put job.yaml weir.dev/savepoint "\"$round\"" && push "savepoint $round"; }
checkpoint() { put job.yaml checkpointTriggerNonce "$round" && push "checkpoint $round"; }
made=0
for point in trigger-savepoint:before trigger-savepoint:after create-snapshot:before create-snapshot:after; do
	dies $point savepoint
	made=$((made + 1))
	until_true "$point: one more" has SAVEPOINT MANUAL $made
	until_true 'the nonce came with it' has CHECKPOINT MANUAL 1
	lives
done
dies trigger-checkpoint:after checkpoint
handled() { [ "$(at "$flink/flinkdeployments/orders" .status.jobStatus.checkpointInfo.lastCheckpoint.triggerNonce)" = "$round" ]; }
until_true 'the checkpoint is there' handled
lives

named() { api POST "$flink/flinkstatesnapshots" -H 'Content-Type: application/json' -d '{"apiVersion":"flink.apache.org/v1beta1","kind":"FlinkStateSnapshot",
"metadata":{"name":"s'$round'"},"spec":{"jobReference":{"kind":"FlinkDeployment","name":"orders"},"savepoint":{}}}' >/dev/null; }
unnamed() { api DELETE "$flink/flinkstatesnapshots/s$((round - 1))" >/dev/null; }
completed() { [ "$(at "$flink/flinkstatesnapshots/s$round" .status.state)" = COMPLETED ]; }
gone() { [ -z "$(at "$flink/flinkstatesnapshots/s$((round - 1))" .metadata.name)" ]; }
for point in write-snapshot-status:after trigger-snapshot:before trigger-snapshot:after; do
	dies $point named
	until_true "$point: it is completed" completed
	lives
done
dies dispose-snapshot:after unnamed
until_true 'it is gone' gone
lives

add taskmanager.numberOfTaskSlots kubernetes.operator.periodic.savepoint.interval 3s
add taskmanager.numberOfTaskSlots kubernetes.operator.savepoint.history.max.count 1
period() { push 'a period'; }
for point in dispose-savepoint:before dispose-savepoint:after delete-snapshot:before delete-snapshot:after; do
	dies $point period
	lives
done
start_agent last
put job.yaml kubernetes.operator.periodic.savepoint.interval '""'
push 'no more'
few() { [ "$(count "$(labels SAVEPOINT PERIODIC)")" = 1 ]; }
until_true 'one is kept' few
before=$(sed -n 1p <<<"$kept")
sees_job
expect 'it is the job of the beginning' [ "$id" = "$before" ]
