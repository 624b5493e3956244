#!/usr/bin/env bash
# kubectl against what `weir demo --keep` leaves running: get, describe, explain, apply on both sides, diff, edit, patch, logs, wait, -w, delete.
. "$(dirname "$0")/../lib.sh"

if ! command -v kubectl >/dev/null; then
	echo 'SKIPPED: kubectl is not on PATH' >&2
	[ "${WEIR_CI:-}" = 1 ] && exit 1
	exit 77
fi
kept=$STORY_WORK/kept
WEIR_EXAMPLES=$here/kubectl/first "$WEIR" demo --keep --work "$kept" >"$STORY_WORK/keep.log" 2>&1 &
demo=$!
children+=("$demo")
until_true 'weir demo --keep is left running' grep -q '^Left running' "$STORY_WORK/keep.log"
KUBECONFIG=$(sed -n 's/^  export KUBECONFIG=//p' "$STORY_WORK/keep.log")
[ -s "$KUBECONFIG" ] || die 'it prints where the kubeconfig is'
export HOME=$STORY_WORK # where kubectl keeps its cache
k() { kubectl --request-timeout=20s -n "$ns" "$@"; }
# prints TEXT COMMAND...: the output of kubectl holds the text.
prints() {
	local text=$1 out
	shift
	out=$(k "$@" 2>&1) || die "kubectl $*: $out"
	[[ $out == *"$text"* ]] || die "kubectl $* prints '$text'; it was: $out"
}

k get flinkdeployments | tr -s ' ' | grep -q '^NAME JOB STATUS LIFECYCLE STATE AGE$' || die "the columns of the table: $(k get flinkdeployments)"
k get flinkdep orders | tr -s ' ' | grep -q '^orders RUNNING STABLE ' || die 'the row of the table'
prints 'jobmanager' get pods,services,configmaps --show-labels
expect 'json' [ "$(k get flinkdeployment orders -o jsonpath='{.status.jobStatus.state}')" = RUNNING ]
prints 'flinkdeployment.flink.apache.org/orders' get flinkdeployment -o name
prints 'orders' get flinkdeployments --all-namespaces
prints 'Lifecycle State:' describe flinkdeployment orders
prints 'Image:' describe pods
prints 'flinkdeployments' api-resources --api-group flink.apache.org
prints 'v1.34' version
prints 'flinkVersion' explain flinkdeployment.spec
prints 'upgradeMode' explain flinkdeployment.spec.job
prints 'GROUP:      flink.apache.org' explain flinkdeployment
refute 'a field that does not exist is explained' k explain flinkdeployment.spec.nonsense

map() { printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  word: %s\n' "$1" "$2"; }
word() { k get configmap "$1" -o jsonpath='{.data.word}'; }
prints 'configmap/mine created' apply -f <(map mine one)
prints 'configmap/mine unchanged' apply -f <(map mine one)
prints 'configmap/mine configured' apply -f <(map mine two)
expect 'client-side apply arrived' [ "$(word mine)" = two ]
prints 'configmap/other serverside-applied' apply --server-side -f <(map other one)
prints 'configmap/other serverside-applied' apply --server-side -f <(map other two)
expect 'server-side apply arrived' [ "$(word other)" = two ]
prints 'serverside-applied (server dry run)' apply --server-side --dry-run=server -f <(map other three)
refute 'another manager takes a field without force' k apply --server-side --field-manager somebody -f <(map other four)
code=0
k diff -f <(map mine three) >"$STORY_WORK/diff" || code=$?
expect 'diff finds one' [ "$code" = 1 ]
grep -q '^+  word: three' "$STORY_WORK/diff" || die "kubectl diff: $(cat "$STORY_WORK/diff")"
KUBE_EDITOR="sed -i s/two/edited/" k edit configmap mine >/dev/null
expect 'the edit arrived' [ "$(word mine)" = edited ]
prints 'patched' patch configmap mine --type json -p '[{"op": "replace", "path": "/data/word", "value": "patched"}]'
expect 'the patch arrived' [ "$(word mine)" = patched ]
prints 'labeled' label configmap mine team=a
prints 'mine' get configmaps -l team=a
refute 'a wrong type passes' k apply --server-side -f - <<END
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: wrong}
spec: {job: {parallelism: many}}
END

pod=$(k get pods -l app=orders,component=jobmanager -o jsonpath='{.items[0].metadata.name}')
prints 'Rest endpoint listening' logs "$pod"
prints 'condition met' wait --for=condition=Available --timeout=20s deployment/orders
prints 'condition met' wait --for=jsonpath='{.status.lifecycleState}'=STABLE --timeout=20s flinkdeployment/orders
prints 'successfully rolled out' rollout status --timeout=20s deployment/orders

kubectl -n "$ns" get configmaps -w -o name >"$STORY_WORK/watched" 2>&1 &
watch=$!
children+=("$watch")
until_true 'the watch has begun' grep -q configmap/mine "$STORY_WORK/watched"
k create configmap late --from-literal=a=b >/dev/null
until_true 'the watch tells of a new object' grep -q configmap/late "$STORY_WORK/watched"
kill "$watch"
prints 'deleted' delete configmap late mine
refute 'what was deleted is there' k get configmap mine
prints 'deleted' delete --timeout=30s configmap other

# The job goes as Weir deletes it: with a savepoint, and not before.
prints 'deleted' delete --timeout=60s flinkdeployment orders
until_true 'git brings it back' k get flinkdeployment orders

kill -INT "$demo"
until_true 'Ctrl-C ends the demo' ended "$demo"
refute 'its cluster is still there' k get pods
