#!/usr/bin/env bash
# weir plan: exit 0 without changes, 2 with some, 1 on errors; it says what would become of the job and why; it writes nothing.
. "$(dirname "$0")/../lib.sh"

plan() { # [OPTION...]: its exit status is then in $code, its words in $planned
	code=0
	planned=$("$WEIR" plan --repo "file://$STORY_REPO" --branch "${branch:-main}" --path orders --cache-dir "$STORY_WORK/cache-plan" "$@" 2>&1) || code=$?
}
exits() { [ "$code" = "$1" ] || die "exit status $1 of weir plan; it was $code: $planned"; }
prints() {
	local text
	for text in "$@"; do [[ $planned == *"$text"* ]] || die "weir plan prints '$text'; it was: $planned"; done
}
propose() { # the tree as it is now made goes to a branch that no agent follows
	git -C "$copy" add -A
	git -C "$copy" commit -q -m "$1"
	git -C "$copy" push -q --force origin HEAD:proposal
	fresh_tree
}

first_deployment
stop_agent "$(demo_agent)" # whatever is written now, plan writes
before=$(versions)
[ -n "$before" ] || die 'there are objects'
plan
exits 0
prints 'unchanged'
[[ $planned != *then:* ]] || die "nothing is to be done: $planned"

branch=proposal
put job.yaml image flink:1.20-v2
put settings.yaml greeting hi
propose 'another image'
plan
exits 2
prints "FlinkDeployment/$job" "update    ConfigMap/$ns/orders-settings" 'then: stop-with-savepoint' 'because: '
say "$(grep -A 3 FlinkDeployment <<<"$planned")"

put job.yaml state suspended
propose 'suspended'
plan
exits 2
prints 'then: stop-with-savepoint' 'because: '

rm "$copy/orders/settings.yaml"
sed -i '/settings/d' "$copy/orders/kustomization.yaml"
propose 'one object less'
plan
exits 2
prints "ConfigMap/$ns/orders-settings: deletion is held back"
say "$planned"

put job.yaml flinkVersion v9_9
propose 'no such version'
plan
exits 1
prints 'spec.flinkVersion' 'orders/job.yaml'

put settings.yaml data '{ ['
propose 'broken'
plan
exits 1
prints 'orders/settings.yaml:'

branch=nowhere
plan
exits 1
prints 'nowhere'
branch=main
plan --namespace
exits 1
KUBECONFIG=$STORY_WORK/missing plan
exits 1

[ "$(versions)" = "$before" ] || die "nothing is written by plan: $(diff <(echo "$before") <(versions))"
untouched
