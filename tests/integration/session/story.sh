#!/usr/bin/env bash
# A session cluster with two jobs: they start, one is upgraded while the other runs on, the cluster is replaced and carries both over, and
# all is deleted with its state on record.
. "$(dirname "$0")/../lib.sh"

pool() { "$WEIR" rest "$ns/pool" "$1" 2>/dev/null | flat; }
job_of() { at "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinksessionjobs/$1" "$2"; }
runs() { [ "$(job_of "$1" .status.jobStatus.state)" = RUNNING ]; }
settled() { [ "$(job_of "$1" .status.lifecycleState)" = STABLE ]; }
id_of() { job_of "$1" .status.jobStatus.jobId; }
listed() { pool /jobs/overview | awk -F '\t' -v id="$1" '/\.jid\t/ { at = $2 == id } /\.state\tRUNNING/ && at { up = 1 } END { exit !up }'; }
other_than() { [ -n "$(id_of "$1")" ] && [ "$(id_of "$1")" != "$2" ] && runs "$1"; }
counter() { # NAME
	pool "/jobs/$(id_of "$1")/accumulators" | awk -F '\t' '
		/^\.user-task-accumulators/ { at = $1; sub(/\.[a-z]+$/, "", at) }
		$1 == at ".name" { name = $2 }
		$1 == at ".value" && name == "count" { print $2 }'
}
restored() { pool "/jobs/$(id_of "$1")/checkpoints" | pick .latest.restored.external_path; }
ledger_of() { at "/api/v1/namespaces/$ns/configmaps/weir-ledger-$1" '.data.ledger.json'; }
gone() { [ -z "$(at "$1" .metadata.name)" ]; }

first_deployment
cp "$here/session/pool.yaml" "$copy/orders/pool.yaml"
add_resource pool.yaml
push 'a session cluster and two jobs'
until_true 'the left job runs' runs left
until_true 'the right job runs' runs right
until_true 'the left job is stable' settled left
until_true 'the right job is stable' settled right
left=$(id_of left) right=$(id_of right)
expect 'Flink lists the left job under that id' listed "$left"
expect 'Flink lists the right job under that id' listed "$right"

awk 'BEGIN { RS = ORS = "---\n" } /name: left/ { sub(/parallelism: 1/, "parallelism: 2") } { print }' "$copy/orders/pool.yaml" | sed '$d' >"$copy/new"
mv "$copy/new" "$copy/orders/pool.yaml"
push 'the left job is upgraded'
until_true 'the left job is another one' other_than left "$left"
until_true 'it went on from a savepoint' test -n "$(restored left)"
expect 'the right job was left alone' [ "$(id_of right)" = "$right" ]
until_true 'the left job is stable' settled left

left=$(id_of left)
launch=$(at "/apis/apps/v1/namespaces/$ns/deployments/pool" '.metadata.annotations.weir.dev/launch')
sed -i '0,/memory: 800m/s//memory: 900m/' "$copy/orders/pool.yaml"
push 'the cluster is replaced'
until_true 'the left job is carried over' other_than left "$left"
until_true 'the right job is carried over' other_than right "$right"
refute 'the cluster is the old one' [ "$(at "/apis/apps/v1/namespaces/$ns/deployments/pool" '.metadata.annotations.weir.dev/launch')" = "$launch" ]
expect 'the left job has its state' test -n "$(restored left)"
expect 'the right job has its state' test -n "$(restored right)"

sed -i '/pool.yaml/d' "$copy/orders/kustomization.yaml"
push 'all of it goes'
until_true 'the deletion is held back' says Held 'weir approve'
"$WEIR" approve default >/dev/null
until_true 'the left job is gone' gone "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinksessionjobs/left"
until_true 'the right job is gone' gone "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinksessionjobs/right"
until_true 'the cluster is gone' gone "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/pool"
expect 'the left ledger is kept' test -n "$(at "/api/v1/namespaces/$ns/configmaps/weir-ledger-left.sessionjob" .metadata.name)"
look
