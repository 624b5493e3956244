# A hundred FlinkDeployments in one push: how long until every JobManager Deployment is there. Printed, not judged: a machine may be slow.
# Their pods fit no node, so that what is measured is Weir and the control plane.
# set: full
# limit: 420
. "$(dirname "$0")/../lib.sh"
NS=hundred
COUNT=${E2E_COUNT:-100}
hundred() { # STATE: the manifests
	local i
	mkdir -p "$COPY/hundred"
	printf 'apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n' "$NS" >"$COPY/hundred/namespace.yaml"
	cp "$E2E_ROOT"/examples/stateful-job/base/account/{role,rolebinding,serviceaccount}.yaml "$COPY/hundred/"
	{
		printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\n' "$NS"
		printf 'resources: [namespace.yaml, role.yaml, rolebinding.yaml, serviceaccount.yaml, jobs.yaml]\n'
	} >"$COPY/hundred/kustomization.yaml"
	for ((i = 0; i < COUNT; i++)); do
		printf -- '---\n'
		cat <<-END
			apiVersion: flink.apache.org/v1beta1
			kind: FlinkDeployment
			metadata:
			  name: job-$(printf %03d "$i")
			  annotations: {weir.dev/preflight: "off"}
			spec:
			  image: flink:1.20
			  flinkVersion: v1_20
			  serviceAccount: flink
			  flinkConfiguration:
			    taskmanager.numberOfTaskSlots: "1"
			    execution.checkpointing.interval: 10s
			    state.checkpoints.dir: file:///flink-data/checkpoints
			    state.savepoints.dir: file:///flink-data/savepoints
			    high-availability.type: kubernetes
			    high-availability.storageDir: file:///flink-data/ha
			  jobManager: {resource: {cpu: 0.25, memory: 800m}}
			  taskManager: {resource: {cpu: 0.25, memory: 1024m}}
			  podTemplate: {spec: {nodeSelector: {kubernetes.io/hostname: no-such-node}}}
			  job: {jarURI: "local:///opt/flink/usrlib/count.jar", entryClass: CountJob, parallelism: 1, state: running, upgradeMode: savepoint}
		END
	done >"$COPY/hundred/jobs.yaml"
}
config() {
	cat >"$E2E/hundred.yaml" <<-END
		sources:
		- {name: hundred, url: "file://$REPO", ref: {branch: main}, interval: 1s}
		syncs:
		- {name: hundred, source: hundred, path: hundred, namespace: $NS}
		cacheDir: $E2E/cache-hundred
		listen: 127.0.0.1:9404
	END
}
# Every event of a kind with the time at which it arrived here: SECONDS TYPE NAME.
watch_kind() {
	kubectl -n "$NS" get "$1" -w --output-watch-events -o 'jsonpath={.type} {.object.metadata.name}{"\n"}' 2>/dev/null |
		while read -r line; do printf '%s %s\n' "$EPOCHREALTIME" "$line"; done >"$E2E/logs/$SCENARIO.$1"
}
added() { awk '$2 == "ADDED" { n++ } END { print n + 0 }' "$E2E/logs/$SCENARIO.$1"; }
all_added() { [ "$(added deployments)" -ge "$COUNT" ]; }
at() { awk -v n="$2" -v t="$pushed" '$2 == "ADDED" && ++i == n { printf "%.2f", $1 - t }' "$E2E/logs/$SCENARIO.$1"; }
leads() { curl -s --max-time 5 http://127.0.0.1:9404/metrics | grep -q '^weir_leader 1'; }
inventory_is() { kubectl -n default get configmap weir-inventory-hundred -o json 2>/dev/null | grep -q "\\\\\"state\\\\\": \\\\\"$1"; }

config
mkdir -p "$COPY/hundred"
printf 'apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n' "$NS" >"$COPY/hundred/namespace.yaml"
push_commit 'the namespace'
"$WEIR" agent --config "$E2E/hundred.yaml" --kubeconfig "$KUBECONFIG" --flink-access proxy >>"$AGENT_LOG" 2>&1 &
AGENT=$!
AGENTS+=("$AGENT")
echo "$AGENT" >>"$E2E/agents"
wait_for 30 'the agent leads' leads
wait_for 30 'the namespace is there' kubectl get namespace "$NS" -o name
watch_kind flinkdeployments &
watch_kind deployments &
sleep 1 # both listen
hundred
pushed=$EPOCHREALTIME
push_commit "$COUNT FlinkDeployments"
sent=$(awk -v a="$pushed" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
wait_for 180 'all JobManager Deployments are there' all_added
wait_for 60 'the sync is done' inventory_is Applied
say "$COUNT FlinkDeployments in one push (seconds since the push began; the poll interval of 1 s and $sent s of git push are in them):"
say "  first and last FlinkDeployment applied: $(at flinkdeployments 1), $(at flinkdeployments "$COUNT")"
say "  first and last JobManager Deployment:   $(at deployments 1), $(at deployments "$COUNT")   (goal: 5; the Java operator: 30 to 45)"
say "  agent: $(awk '/^VmRSS/ { printf "%.1f MB RSS", $2 / 1024 }' "/proc/$AGENT/status"), $(awk '{ printf "%.2f s of CPU", ($14 + $15) / 100 }' "/proc/$AGENT/stat")"
agent_stop

# They go without an agent.
k get flinkdeployments -o name | xargs -r kubectl -n "$NS" patch --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
kubectl delete namespace "$NS" --wait=false
kubectl -n default delete configmap weir-inventory-hundred
