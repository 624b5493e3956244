# A session cluster with two jobs, on real Flink: both run, one is upgraded while the other runs on, the cluster is replaced and carries
# both over with their state, one is deleted, then all.
# set: full
# limit: 720
. "$(dirname "$0")/../lib.sh"
pool() { kubectl get --request-timeout=10s --raw "/api/v1/namespaces/$NS/services/pool-rest:8081/proxy$1" 2>/dev/null | flat; }
session_job() { k get flinksessionjob "$1" -o "jsonpath={$2}" 2>/dev/null; }
id_of() { session_job "$1" .status.jobStatus.jobId; }
runs() { [ "$(session_job "$1" .status.jobStatus.state)" = RUNNING ]; }
another_than() { [ -n "$(id_of "$1")" ] && [ "$(id_of "$1")" != "$2" ] && runs "$1"; }
job_stable() { [ "$(session_job "$1" .status.lifecycleState)" = STABLE ]; }
counted() { # NAME: what the job itself says it has counted to, over all that it went on from
	pool "/jobs/$(id_of "$1")/accumulators" | awk -F '\t' '
		/^\.user-task-accumulators/ { at = $1; sub(/\.[a-z]+$/, "", at) }
		$1 == at ".name" { name = $2 }
		$1 == at ".value" && name == "count" { print $2 }'
}
counted_to() { local n; n=$(counted "$1"); [ -n "$n" ] && [ "$n" -ge "$2" ]; }
restored() { pool "/jobs/$(id_of "$1")/checkpoints" | pick .latest.restored.external_path; }
carried() { # NAME ID COUNT: it is another job than ID, from a savepoint, and goes on from COUNT or more
	wait_for 150 "job $1 is another one" another_than "$1" "$2"
	wait_for 60 "job $1 goes on from $3" counted_to "$1" "$3"
	restored "$1" | grep -q /savepoint- || fail "job $1 goes on from a savepoint, not '$(restored "$1")'"
	taskmanager_logs_of_pool | grep -E '^COUNT start [0-9]+ restored true' | awk -v n="$3" '$3 >= n { ok = 1 } END { exit !ok }' ||
		fail "the log says of no job that it went on from $3 or more"
	say "job $1 had counted to $3 and goes on from $(restored "$1")"
}
taskmanager_logs_of_pool() {
	local pod
	for pod in $(k get pods -l app=pool,component=taskmanager -o name); do k logs "$pod" -c flink-main-container --tail=-1; done 2>/dev/null
}
write_pool() { # MEMORY LEFT_ARGS NAMES...
	local memory=$1 left=$2 name
	shift 2
	mkdir -p "$COPY/orders"
	rm -rf "$COPY/stateful-job"
	cp -R "$E2E_ROOT/examples/stateful-job" "$COPY/"
	cp "$COPY/stateful-job/sync-account/dev/namespace.yaml" "$COPY/orders/"
	cat >"$COPY/orders/kustomization.yaml" <<-END
		apiVersion: kustomize.config.k8s.io/v1beta1
		kind: Kustomization
		namespace: $NS
		resources: [namespace.yaml, account, pool.yaml]
	END
	rm -rf "$COPY/orders/account"
	cp -R "$COPY/stateful-job/base/account" "$COPY/orders/"
	: >"$COPY/orders/pool.yaml"
	[ "$#" -gt 0 ] || { sed -i 's/, pool.yaml//' "$COPY/orders/kustomization.yaml"; return 0; }
	cat >"$COPY/orders/pool.yaml" <<-END
		apiVersion: flink.apache.org/v1beta1
		kind: FlinkDeployment
		metadata: {name: pool}
		spec:
		  image: flink:1.20
		  flinkVersion: v1_20
		  serviceAccount: flink
		  flinkConfiguration:
		    taskmanager.numberOfTaskSlots: "2"
		    heartbeat.interval: "1000"
		    execution.checkpointing.interval: 2s
		    state.checkpoints.dir: file:///flink-data/checkpoints
		    state.savepoints.dir: file:///flink-data/savepoints
		    high-availability.type: kubernetes
		    high-availability.storageDir: file:///flink-data/ha
		  jobManager: {resource: {cpu: 0.25, memory: $memory}}
		  taskManager: {resource: {cpu: 0.25, memory: 1152m}}
		  podTemplate:
		    spec:
		      initContainers:
		      - name: own-data
		        image: flink:1.20
		        command: [chown, "9999:9999", /flink-data]
		        volumeMounts: [{name: data, mountPath: /flink-data}]
		      containers:
		      - name: flink-main-container
		        volumeMounts: [{name: data, mountPath: /flink-data}, {name: jar, mountPath: /opt/flink/lib/count.jar}]
		      volumes:
		      - {name: data, hostPath: {path: $DATA, type: DirectoryOrCreate}}
		      - {name: jar, hostPath: {path: $E2E/jars/count.jar, type: File}}
	END
	for name in "$@"; do
		cat >>"$COPY/orders/pool.yaml" <<-END
			---
			apiVersion: flink.apache.org/v1beta1
			kind: FlinkSessionJob
			metadata: {name: $name}
			spec:
			  deploymentName: pool
			  job:
			    jarURI: local:///opt/flink/lib/count.jar
			    entryClass: CountJob
			    args: [$([ "$name" = left ] && echo "$left" || echo "--delay, '5'")]
			    parallelism: 1
			    upgradeMode: savepoint
		END
	done
}

# A session cluster does not load the image's usrlib: the jar lies in its class path.
mkdir -p "$E2E/jars"
cp "${WEIR_CACHE:-$HOME/.cache/weir}/images/flink_1.20/root/opt/flink/usrlib/count.jar" "$E2E/jars/"
start_from_nothing
write_pool 800m "--delay, '10'" left right
push_commit 'a session cluster and two jobs'
for name in left right; do
	wait_for 150 "job $name runs" runs $name
	wait_for 60 "job $name is stable" job_stable $name
done
wait_for 60 'the left one counts' counted_to left 300
wait_for 60 'the right one counts' counted_to right 600
left=$(id_of left) right=$(id_of right)
[ "$(pool /jobs/overview | grep -c '\.state	RUNNING')" = 2 ] || fail 'two jobs run'
n=$(counted left)
write_pool 800m "--delay, '10', --run, again" left right
push_commit 'the left job is upgraded'
carried left "$left" "$n"
is "$right" id_of right || fail 'the right job was left alone'
wait_for 60 'the left job is stable' job_stable left

left=$(id_of left) n=$(counted left) m=$(counted right)
write_pool 900m "--delay, '10', --run, again" left right
push_commit 'the cluster is replaced'
carried left "$left" "$n"
carried right "$right" "$m"
wait_for 60 'the left job is stable' job_stable left
wait_for 60 'the right job is stable' job_stable right
[ "$(k get pods -l app=pool,component=jobmanager -o name | wc -l)" = 1 ] || fail 'one JobManager'

gone() { [ -z "$(k get "$1" --ignore-not-found -o name)" ]; }
write_pool 900m "" # nothing of it
push_commit 'all of it goes'
wait_for 60 'the brake holds the deletion' sync_at Held
"$WEIR" approve default >/dev/null
wait_for 150 'the left job is gone' gone flinksessionjob/left
wait_for 150 'the right job is gone' gone flinksessionjob/right
wait_for 150 'the cluster is gone' gone flinkdeployment/pool
for name in left right; do
	savepoint=$(k get configmap "weir-ledger-$name.sessionjob" -o 'jsonpath={.data.ledger\.json}' | flat | pick .newest.path)
	state_exists "$savepoint" || fail "the ledger of $name names a savepoint that is there, not '$savepoint'"
done
no_pods() { [ -z "$(k get pods -l app=pool -o name)" ]; }
wait_for 60 'no pod is left' no_pods
EXISTS=0
forget
