#!/usr/bin/env bash
# A rename without a word is held back; with weir.dev/moved-from the job goes on under its new name with its state and its history.
. "$(dirname "$0")/../lib.sh"

renamed=/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders-eu
new_runs() { [ "$(at "$renamed" .status.jobStatus.state)" = RUNNING ]; }
old_gone() { [ -z "$(at "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders" .metadata.name)" ]; }
restored() { "$WEIR" rest "$ns/orders-eu" "/jobs/$(at "$renamed" .status.jobStatus.jobId)/checkpoints" | flat | pick .latest.restored.external_path; }

first_deployment
sed -i 's/^  name: orders$/  name: orders-eu/' "$copy/orders/job.yaml"
push 'a rename without a word'
until_true 'it is held back, and says what to add' says Held 'weir.dev/moved-from'
until_true 'the old job is there' sees_job
expect 'the old job is the same' [ "$(fingerprint)" = "$kept" ]

sed -i 's|^  name: orders-eu$|&\n  annotations:\n    weir.dev/moved-from: orders|' "$copy/orders/job.yaml"
push 'the same with its reason'
until_true 'the old one is gone' old_gone
until_true 'the new one runs' new_runs
expect 'with the state of the old one' test -n "$(restored)"
expect 'the history came along' [ "$("$WEIR" history "$ns/orders-eu" -o json | flat | grep -c '\.jobId')" -ge 2 ]
until_true 'the sync is applied' applied
