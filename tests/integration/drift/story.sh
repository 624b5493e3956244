#!/usr/bin/env bash
# What somebody changes in the cluster by hand is put right at the next pass; what is not in git is left alone; the job is not touched.
. "$(dirname "$0")/../lib.sh"

first_deployment
settings=/api/v1/namespaces/$ns/configmaps/orders-settings
merge() { api PATCH "$1" -H 'Content-Type: application/merge-patch+json' -d "$2" >/dev/null; }

merge "$settings" '{"data":{"greeting":"by hand"}}'
expect 'the edit arrived' setting greeting 'by hand'
push 'a pass, please'
until_true 'the edit is undone' setting greeting hello
until_true 'the sync is applied' applied

api DELETE "$settings" >/dev/null
expect 'the ConfigMap is gone' setting greeting ''
push 'another pass'
until_true 'the ConfigMap is back' setting greeting hello

api POST "/api/v1/namespaces/$ns/configmaps" -H 'Content-Type: application/json' \
	-d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"foreign"},"data":{"a":"b"}}' >/dev/null
merge "$settings" '{"metadata":{"labels":{"by":"hand"}}}'
put settings.yaml greeting hi
push 'a change'
until_true 'the change is applied' setting greeting hi
until_true 'the sync is applied' applied
expect 'a foreign object is left alone' [ "$(at "/api/v1/namespaces/$ns/configmaps/foreign" .data.a)" = b ]
expect 'a field that git does not name is left alone' [ "$(at "$settings" .metadata.labels.by)" = hand ]
untouched

# A hand on the job itself: the pass puts the spec back before it can run, or after; the job ends as git says.
merge "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders" '{"spec":{"job":{"parallelism":2}}}'
push 'back to what git says'
wide() { [ "$(at "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders" .spec.job.parallelism)" = "$1" ]; }
until_true 'the spec is as in git' wide 1
until_true 'the job is as in git' stable
until_true 'the job runs' sees_job
