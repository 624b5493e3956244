#!/usr/bin/env bash
# What a person asks for beside git: a restart, a savepoint, the history, the reasons, a rollback with and without its state, another try.
. "$(dirname "$0")/../lib.sh"

annotate() { # KEY VALUE
	api PATCH "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders" -H 'Content-Type: application/merge-patch+json' \
		-d "{\"metadata\":{\"annotations\":{\"$1\":\"$2\"}}}" >/dev/null
}
other_job() { sees_job && [ "$id" != "$1" ]; }
image() { at "/apis/apps/v1/namespaces/$ns/deployments/orders" '.spec.template.spec.containers[0].image'; }
restored() { "$WEIR" rest "$job" "/jobs/$id/checkpoints" | flat | pick .latest.restored.external_path; }
history_says() { "$WEIR" history "$job" | grep -q "$1"; }
runs_image() { [ "$(image)" = "$1" ] && stable_now; }
stable_now() { look && [ "$(resource lifecycleState)" = STABLE ] || [ "$(resource lifecycleState)" = ROLLED_BACK ]; }

first_deployment
one=$id first_commit=$head
annotate weir.dev/restart now
until_true 'the job is restarted' other_job "$one"
until_true 'it is stable' stable
expect 'with its state' test -n "$(restored)"
two=$id
refute 'it is restarted again' other_job "$two"

path=$("$WEIR" savepoint "$job")
expect 'a savepoint was taken' grep -q '^file:.*/savepoint-' <<<"$path"
expect 'the job runs on' [ "$(sees_job && echo "$id")" = "$two" ]
expect 'explain says that all is well' grep -q 'next: none' <("$WEIR" explain "$job")

put job.yaml image flink:1.20-v2
push 'a version that somebody regrets'
until_true 'the new version is stable' runs_image flink:1.20-v2
expect 'the history knows both' history_says "${first_commit:0:12}"
"$WEIR" rollback "$job"
until_true 'the old version runs' runs_image flink:1.20
until_true 'it runs' sees_job
expect 'it went on from a savepoint' test -n "$(restored)"
until_true 'git differs, and that is said' says Withheld 'rolled back by hand'

"$WEIR" retry "$job"
until_true 'the newer content runs again' runs_image flink:1.20-v2
state=$("$WEIR" history "$job" -o json | flat | pick '.launches[0].stateOut')
"$WEIR" rollback "$job" --to "$first_commit" --with-state
until_true 'the old version runs' runs_image flink:1.20
until_true 'it runs' sees_job
same() { [ "$(sed 's|file:/*||' <<<"$1")" = "$(sed 's|file:/*||' <<<"$2")" ]; }
back_at_that_state() { sees_job && test -n "$(restored)" && [ "$("$WEIR" history "$job" -o json | flat | awk -F '\t' '/stateIn/ { last = $2 } END { print last }')" = "$(restored)" ]; }
until_true 'it went back to a recorded state' back_at_that_state
[ -n "$state" ] || die 'the first launch left a state'
