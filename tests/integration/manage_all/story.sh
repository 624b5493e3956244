#!/usr/bin/env bash
# A FlinkDeployment that no sync applied is nobody's until the agent is told to manage all of them, as the Java operator does.
. "$(dirname "$0")/../lib.sh"

loose=/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/loose
runs() { [ "$(at "$loose" .status.jobStatus.state)" = RUNNING ]; }
untended() { [ -z "$(at "$loose" '.metadata.finalizers[0]')" ] && [ -z "$(at "$loose" .status.lifecycleState)" ]; }

first_deployment
python3 - "$here/orders/job.yaml" <<'END' | api POST "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments" -H 'Content-Type: application/yaml' --data-binary @- >/dev/null
import re, sys
print(re.sub(r"name: orders", "name: loose", open(sys.argv[1]).read(), count=1))
END
expect 'it is there' [ "$(at "$loose" .metadata.name)" = loose ]
put settings.yaml greeting 'after the loose one'
push 'something else, so that the agent has had its turn'
until_true 'that is applied' applied
expect 'nobody looks after the loose one' untended

stop_agent "$(demo_agent)"
start_agent all --manage-all
until_true 'it runs' runs
until_true 'the sync is applied' applied
expect 'the synced job is as it was' [ "$(fingerprint)" = "$kept" ]
