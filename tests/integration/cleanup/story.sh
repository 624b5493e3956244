#!/usr/bin/env bash
# What launches leave in HA storage goes when nothing needs it any more, by a pod where the agent reaches no storage itself and by the file
# system that it is given where it does; and an old state is looked for before a job is stopped for it.
. "$(dirname "$0")/../lib.sh"

ledger() { at "/api/v1/namespaces/$ns/configmaps/weir-ledger-orders" '.data.ledger.json'; }
probed() { ledger | grep -qE "path[\\\\\": ]+$1"; } # what the last pod was about
litter() { ledger | grep -oE 'name[\\": ]+job-result-store/orders/[0-9a-f]+-[0-9]+' | sed 's/.*-//' | sort -un | tr '\n' ' '; }
litter_is() { [ "$(litter)" = "$1 " ]; }
deployment=/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders
waits() { api GET "$deployment" | grep -q "$1"; }
probe_pods() { api GET "/api/v1/namespaces/$ns/pods?labelSelector=weir.dev%2Fstate-probe" | flat | grep -c '\.metadata\.uid' || true; }
no_probe_pods() { [ "$(probe_pods)" -eq 0 ]; }
launch() { at "/apis/apps/v1/namespaces/$ns/deployments/orders" '.metadata.annotations.weir.dev/launch'; }
is_launch() { [ "$(launch)" = "$1" ] && stable; }
add() { sed -i "s|^\( *\)$1:.*|&\n\1$2: $3|" "$copy/orders/job.yaml"; } # AFTER KEY VALUE: a line behind another

git init -q --initial-branch=main "$copy"
fresh_tree
cat >>"$copy/orders/job.yaml" <<'YAML'
  podTemplate:
    spec:
      containers:
      - name: flink-main-container
        volumeMounts:
        - name: data
          mountPath: /flink-data
      volumes:
      - name: data
        persistentVolumeClaim:
          claimName: data
YAML
git -C "$copy" config user.name story
git -C "$copy" config user.email story@example.org
git -C "$copy" config commit.gpgsign false
git -C "$copy" remote add origin "$STORY_REPO"
push 'first version'
until_true 'the first version is applied and stable' stable
until_true 'its JobResultStore is on record' litter_is 1

# ---- a pod cleans up ----
put job.yaml parallelism 2
push 'second version'
until_true 'the second version is stable' is_launch 2
until_true 'the JobResultStore of the first is cleaned up, that of the second is kept' litter_is 2
expect 'a pod did it' probed 'file:///flink-data/ha/job-result-store/orders/[0-9a-f]{32}-1'
until_true 'the pod is gone' no_probe_pods
state=$(at "$deployment" '.status.jobStatus.upgradeSavepointPath')
say "the savepoint of the first version: $state"

# ---- a pod looks for a state before the job is stopped for it ----
add upgradeMode savepointRedeployNonce 5
add upgradeMode initialSavepointPath file:///flink-data/savepoints/savepoint-none
push 'a redeployment from a state that is not there'
until_true 'it waits for another choice' waits 'StateChoiceRequired'
expect 'the job was left alone' [ "$(launch)" = 2 ]
expect 'and runs' sees_job
until_true 'the pod is gone' no_probe_pods
put job.yaml initialSavepointPath "$state"
push 'a redeployment from one that is'
until_true 'the third launch is stable' is_launch 3
expect 'it started from there' grep -q "effect=create-cluster .*launch 3 .* from $state" "$logs/agent.log"
until_true 'the second JobResultStore is cleaned up' litter_is 3

# ---- an agent that is given the file system deletes everything with the resource ----
demo=$(demo_agent)
kill -TERM "$demo"
until_true 'the first agent ends' ended "$demo"
mount=$STORY_WORK/mount
id=$(at "$deployment" '.status.jobStatus.jobId')
results=$mount/ha/job-result-store/orders/$id-3
mkdir -p "$results" "$mount/ha/orders/blob/job_$id" "$mount/ha/orders/chk-7" "$mount/savepoints/savepoint-1"
touch "$results/$id.json" "$mount/ha/orders/completedCheckpoint0a1b" "$mount/ha/orders/blob/job_$id/blob_p-1" "$mount/savepoints/savepoint-1/_metadata" \
	"$mount/ha/orders/chk-7/_metadata"
cat >"$STORY_WORK/weir.yaml" <<YAML
namespace: default
cacheDir: $STORY_WORK/cache-mounted
stableAfter: 1s
sources:
- name: repo
  url: file://$STORY_REPO
  ref: {branch: main}
  interval: $interval
syncs:
- {name: default, source: repo, path: orders, interval: 1s}
stateStores:
- prefix: file:///flink-data
  path: $mount
YAML
"$WEIR" agent --config "$STORY_WORK/weir.yaml" >"$logs/agent-mounted.log" 2>&1 &
agent=$!
children+=("$agent")
sed -i '/job.yaml/d' "$copy/orders/kustomization.yaml"
push 'the job goes'
until_true 'the deletion is held back' says Held 'weir approve'
"$WEIR" approve default >/dev/null
gone() { [ -z "$(at "$deployment" .metadata.name)" ]; }
until_true 'the job is gone' gone
refute 'its JobResultStore is left' test -e "$results"
refute 'its pointers to checkpoints are left' test -e "$mount/ha/orders/completedCheckpoint0a1b"
refute 'its blobs are left' test -e "$mount/ha/orders/blob"
expect 'a checkpoint that lies there is kept' test -e "$mount/ha/orders/chk-7/_metadata"
expect 'a savepoint is kept' test -e "$mount/savepoints/savepoint-1/_metadata"
expect 'nothing is on record any more' [ -z "$(litter)" ]
say 'done'
