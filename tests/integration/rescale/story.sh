#!/usr/bin/env bash
# With the adaptive scheduler another parallelism is taken by the running job; with the default one it takes a restart; an Ingress never does.
. "$(dirname "$0")/../lib.sh"

tasks() { "$WEIR" rest "$job" "/jobs/$id/resource-requirements" | flat | awk -F '\t' '/upperBound/ { print $2 }'; }
wide() { [ "$(tasks)" = "$1" ]; }
other_job() { sees_job && [ "$id" != "$1" ]; }
ingress() { at "/apis/networking.k8s.io/v1/namespaces/$ns/ingresses/orders" '.spec.rules[0].host'; }
has_ingress() { [ "$(ingress)" = "$1" ]; }

first_deployment
one=$id
sed -i 's/^  flinkConfiguration:$/&\n    jobmanager.scheduler: adaptive/' "$copy/orders/job.yaml"
push 'the adaptive scheduler'
until_true 'that takes a restart' other_job "$one"
until_true 'it is stable' stable
two=$id

put job.yaml parallelism 3
push 'more parallelism'
until_true 'the running job takes it' wide 3
until_true 'it is stable' stable
expect 'it was not restarted' [ "$(sees_job && echo "$id")" = "$two" ]
expect 'the history says so' grep -q adjusted <("$WEIR" history "$job")

printf '  ingress:\n    template: "orders.example.org"\n' >>"$copy/orders/job.yaml"
push 'an Ingress'
until_true 'the Ingress is there' has_ingress orders.example.org
until_true 'it is stable' stable
expect 'the job was not restarted' [ "$(sees_job && echo "$id")" = "$two" ]
sed -i '/^  ingress:/,$d' "$copy/orders/job.yaml"
push 'no Ingress any more'
until_true 'it is gone' has_ingress ''
until_true 'it is stable' stable
expect 'the job was not restarted' [ "$(sees_job && echo "$id")" = "$two" ]

refute 'what the running cluster still uses is cleaned up' grep -q 'job-result-store/orders/[0-9a-f]*-2 is used by nothing' "$logs/agent.log"
put job.yaml image flink:1.20-v2
push 'an upgrade after all that'
until_true 'the job is another one' other_job "$two"
until_true 'it is stable' stable
expect 'with the parallelism that git says' wide 3
