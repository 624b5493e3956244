#!/usr/bin/env bash
# Savepoints and checkpoints of a job that runs on: by nonce, annotation and period, as FlinkStateSnapshot; what is old goes, what is needed
# stays; and through all of it the job is not touched.
. "$(dirname "$0")/../lib.sh"

flink=/apis/flink.apache.org/v1beta1/namespaces/$ns
deployment=$flink/flinkdeployments/orders
status() { at "$deployment" ".status.jobStatus.$1"; }
snapshot() { at "$flink/flinkstatesnapshots/$1" "$2"; } # NAME FIELD
count() { # LABELS: FlinkStateSnapshots that have them
	api GET "$flink/flinkstatesnapshots?labelSelector=$1" | flat | grep -cE $'^\\.items\\[[0-9]+\\]\\.metadata\\.name\t' || true
}
labels() { printf 'snapshot.type%%3D%s,snapshot.trigger-type%%3D%s,snapshot.state%%3DCOMPLETED' "$1" "$2"; }
add() { sed -i "s|^\( *\)$1:.*|&\n\1$2: $3|" "$copy/orders/job.yaml"; } # AFTER KEY VALUE: a line behind another
create() { api POST "$flink/flinkstatesnapshots" -H 'Content-Type: application/json' -d "$1" >/dev/null; }
gone() { [ -z "$(snapshot "$1" .metadata.name)" ]; }
is() { [ "$("$1" "$2" "${@:4}")" = "$3" ]; }
state_is() { [ "$(snapshot "$1" .status.state)" = "$2" ]; }
at_least() { [ "$(count "$1")" -ge "$2" ]; }
at_most() { [ "$(count "$1")" -le "$2" ]; }

# The job, its JobManager and its pods are those of the beginning; only the spec's generation may be another.
same_job() {
	[ "$(fingerprint | sed 2d)" = "$(sed 2d <<<"$kept")" ] || die "the job was left alone; it was: $kept; it is: $(fingerprint)"
}

first_deployment
expect 'no savepoint yet' [ -z "$(status savepointInfo.lastSavepoint.location)" ]

# ---- a nonce ----
add upgradeMode savepointTriggerNonce 7
push 'a savepoint by nonce'
nonce_done() { [ "$(status savepointInfo.lastSavepoint.triggerNonce)" = 7 ] && [ -z "$(status savepointInfo.triggerId)" ]; }
until_true 'the savepoint of the nonce is there' nonce_done
expect 'it is manual' [ "$(status savepointInfo.lastSavepoint.triggerType)" = MANUAL ]
until_true 'it is shown as an object' at_least "$(labels SAVEPOINT MANUAL)" 1
first=$(status savepointInfo.lastSavepoint.location)
say "savepoint ${first##*/}"
add upgradeMode checkpointTriggerNonce 3
push 'a checkpoint by nonce'
until_true 'the checkpoint is there' at_least "$(labels CHECKPOINT MANUAL)" 1
expect 'with its nonce' [ "$(status checkpointInfo.lastCheckpoint.triggerNonce)" = 3 ]

# ---- an annotation ----
sed -i 's|^  name: orders|&\n  annotations:\n    weir.dev/savepoint: "one"|' "$copy/orders/job.yaml"
push 'a savepoint by annotation'
until_true 'the savepoint of the annotation is there' at_least "$(labels SAVEPOINT MANUAL)" 2
expect 'it is another one' [ "$(status savepointInfo.lastSavepoint.location)" != "$first" ]
put settings.yaml greeting hi
push 'something else'
until_true 'that is applied' applied

# ---- a period, and what becomes of the old ones ----
add taskmanager.numberOfTaskSlots kubernetes.operator.periodic.savepoint.interval 2s
add taskmanager.numberOfTaskSlots kubernetes.operator.savepoint.history.max.count 2
push 'one every two seconds, two are kept'
until_true 'there are periodic ones' at_least "$(labels SAVEPOINT PERIODIC)" 2
disposed() { api GET "/api/v1/namespaces/$ns/events" | flat | grep -q $'\\.reason\tSavepointDisposed$'; }
until_true 'old ones are disposed of' disposed
until_true 'no more are kept than there should be' at_most "$(labels SAVEPOINT PERIODIC)" 3
expect 'what a person asked for stays' [ "$(count "$(labels SAVEPOINT MANUAL)")" = 2 ]
put job.yaml kubernetes.operator.periodic.savepoint.interval '"0 0 0 ? * BAD"'
push 'what is no schedule'
problem() { at "$deployment" .status.conditions[1].message | grep -q 'day of week'; }
until_true 'the condition names the field' problem
put job.yaml kubernetes.operator.periodic.savepoint.interval '""'
push 'no more'
until_true 'that is applied' applied
until_true 'the condition is gone' is at "$deployment" '' .status.conditions[1].type
quiet() { [ -z "$(status savepointInfo.triggerId)" ] && at_most "$(labels SAVEPOINT PERIODIC)" 2; }
until_true 'it is quiet' quiet
same_job

# ---- FlinkStateSnapshot ----
create '{"apiVersion":"flink.apache.org/v1beta1","kind":"FlinkStateSnapshot","metadata":{"name":"by-hand"},
"spec":{"jobReference":{"kind":"FlinkDeployment","name":"orders"},"savepoint":{"formatType":"NATIVE"}}}'
until_true 'it is completed' state_is by-hand COMPLETED
path=$(snapshot by-hand .status.path)
expect 'it has a path' [ -n "$path" ]
until_true 'it has its labels' is snapshot by-hand COMPLETED '.metadata.labels.snapshot.state'
api DELETE "$flink/flinkstatesnapshots/by-hand" >/dev/null
until_true 'it can be deleted' gone by-hand

create '{"apiVersion":"flink.apache.org/v1beta1","kind":"FlinkStateSnapshot","metadata":{"name":"checkpoint"},
"spec":{"jobReference":{"kind":"FlinkDeployment","name":"orders"},"checkpoint":{}}}'
until_true 'the checkpoint is completed' state_is checkpoint COMPLETED
expect 'it has a path' [ -n "$(snapshot checkpoint .status.path)" ]

newest=$(status savepointInfo.lastSavepoint.location)
create '{"apiVersion":"flink.apache.org/v1beta1","kind":"FlinkStateSnapshot","metadata":{"name":"newest"},
"spec":{"jobReference":{"kind":"FlinkDeployment","name":"orders"},"savepoint":{"path":"'"$newest"'","alreadyExists":true,"disposeOnDelete":true}}}'
until_true 'what exists is recorded' state_is newest COMPLETED
api DELETE "$flink/flinkstatesnapshots/newest" >/dev/null
until_true 'it can be deleted' gone newest
kept() { api GET "/api/v1/namespaces/$ns/events" | flat | grep -q $'\\.reason\tSavepointKept$'; }
until_true 'its data were needed' kept

create '{"apiVersion":"flink.apache.org/v1beta1","kind":"FlinkStateSnapshot","metadata":{"name":"of-nobody","annotations":{"weir.dev/managed":"true"}},
"spec":{"jobReference":{"kind":"FlinkDeployment","name":"nobody"},"savepoint":{}}}'
until_true 'a job that is not there' state_is of-nobody ABANDONED
api DELETE "$flink/flinkstatesnapshots/of-nobody" >/dev/null
until_true 'it can be deleted' gone of-nobody
same_job
say 'the job was not touched'

# ---- an upgrade makes one of its own ----
before=$id
put job.yaml parallelism 2
push 'an upgrade'
until_true 'the upgrade is stable' stable
until_true 'its savepoint is shown' at_least "$(labels SAVEPOINT UPGRADE)" 1
sees_job
expect 'it is another job' [ "$id" != "$before" ]

# ---- a session job, by its own nonce and as an object ----
cp "$here/session/pool.yaml" "$copy/orders/pool.yaml"
add_resource pool.yaml
push 'a session cluster and its jobs'
left=$flink/flinksessionjobs/left
until_true 'the session job is stable' is at "$left" STABLE .status.lifecycleState
session_id=$(at "$left" .status.jobStatus.jobId)
awk 'BEGIN { RS = ORS = "---\n" } /name: left/ { sub(/    parallelism: 1/, "&\n    savepointTriggerNonce: 1") } { print }' "$copy/orders/pool.yaml" | sed '$d' >"$copy/new"
mv "$copy/new" "$copy/orders/pool.yaml"
push 'a savepoint of the session job'
until_true 'it is there' is at "$left" 1 .status.jobStatus.savepointInfo.lastSavepoint.triggerNonce
create '{"apiVersion":"flink.apache.org/v1beta1","kind":"FlinkStateSnapshot","metadata":{"name":"of-session"},
"spec":{"jobReference":{"kind":"FlinkSessionJob","name":"left"},"savepoint":{}}}'
until_true 'another one is completed' state_is of-session COMPLETED
api DELETE "$flink/flinkstatesnapshots/of-session" >/dev/null
until_true 'it can be deleted' gone of-session
expect 'the session job runs on' [ "$(at "$left" .status.jobStatus.jobId)" = "$session_id" ]
