# A running job whose status the Java operator wrote: left alone until it is adopted, taken over without a restart, then upgraded with its
# state. Handed back by `weir release`, it is left alone again.
# set: full
# limit: 480
. "$(dirname "$0")/../lib.sh"
start_from
remember
agent_stop
# As if Weir had never been there: no ledger, none of its annotations, and a status in the words and the order of the Java operator 1.15
# (as recorded from it), written under its name.
forget
unmark() { # KIND
	local marks
	marks=$(k get "$1" "$JOB" -o json | flat | sed -n 's/^\.metadata\.annotations\.\(weir\.dev\/[a-z-]*\)\t.*/"\1": null/p' | paste -sd,)
	k patch "$1" "$JOB" --type=merge -p "{\"metadata\":{\"annotations\":{$marks}}}" >/dev/null
}
unmark flinkdeployment
unmark deployment
k get flinkdeployment "$JOB" -o json >"$E2E/adopt.before"
python3 - "$E2E/adopt.before" "$OLD_ID" >"$E2E/adopt.json" <<'END'
import json, sys
resource = json.load(open(sys.argv[1], encoding="utf-8"))
spec = resource["spec"]
job = spec["job"]
ORDER = ["jarURI", "parallelism", "entryClass", "args", "state", "savepointTriggerNonce", "initialSavepointPath", "checkpointTriggerNonce",
         "upgradeMode", "allowNonRestoredState", "savepointRedeployNonce", "autoscalerResetNonce"]
def manager(name):
    given = spec.get(name, {})
    out = {"resource": {k: given.get("resource", {}).get(k) for k in ("cpu", "memory", "ephemeralStorage")},
           "replicas": given.get("replicas", 1 if name == "jobManager" else None), "podTemplate": given.get("podTemplate")}
    return out
text = json.dumps({"spec": {
    "job": {k: job.get(k) for k in ORDER}, "restartNonce": None, "flinkConfiguration": spec["flinkConfiguration"],
    "image": spec["image"], "imagePullPolicy": None, "serviceAccount": spec["serviceAccount"], "flinkVersion": spec["flinkVersion"],
    "ingress": None, "podTemplate": spec.get("podTemplate"), "jobManager": manager("jobManager"), "taskManager": manager("taskManager"),
    "logConfiguration": None, "mode": None},
    "resource_metadata": {"apiVersion": "flink.apache.org/v1beta1", "firstDeployment": True}}, separators=(",", ":"))
resource["metadata"].pop("managedFields", None)
resource["status"] = {
    "clusterInfo": {"flink-version": "1.20.3", "total-cpu": "0.5", "total-memory": "1912602624"},
    "conditions": [{"lastTransitionTime": "2026-11-22T19:42:56.417505301Z", "message": "Job status RUNNING", "reason": "Running",
                    "status": "True", "type": "Running"}],
    "jobManagerDeploymentStatus": "READY",
    "jobStatus": {"checkpointInfo": {"lastPeriodicCheckpointTimestamp": 0}, "jobId": sys.argv[2], "jobName": "count",
                  "savepointInfo": {"lastPeriodicSavepointTimestamp": 0, "savepointHistory": []},
                  "startTime": "1795376576394", "state": "RUNNING", "updateTime": "1795376586394"},
    "lifecycleState": "STABLE", "observedGeneration": resource["metadata"]["generation"],
    "reconciliationStatus": {"lastReconciledSpec": text, "lastStableSpec": text, "reconciliationTimestamp": 1795376576394, "state": "DEPLOYED"},
    "taskManager": {"labelSelector": "component=taskmanager,app=orders", "replicas": 1}}
json.dump(resource, sys.stdout)
END
sleep 1.1 # times of the API server are whole seconds, and this write has to be a later one
kubectl replace --raw "/apis/flink.apache.org/v1beta1/namespaces/$NS/flinkdeployments/$JOB/status?fieldManager=flink-kubernetes-operator" \
	-f "$E2E/adopt.json" >/dev/null
same_job() { is "$OLD_ID" job_id; }
has_ledger() { ledger | grep -qF "$OLD_ID"; } # of the job; preflight keeps its result there, too
untouched() { same_job && ! has_ledger; }

agent_start
foreign() { "$WEIR" status -o json | grep -q ForeignController; }
wait_for 60 'it is said that another controller has it' foreign
pods=$(pods_of jobmanager)$(pods_of taskmanager)
always 5 'it is left alone' untouched
"$WEIR" adopt "$NS/$JOB"
wait_for 60 'it has a ledger' has_ledger
no_foreign() { ! foreign; }
wait_for 60 'nobody else has it' no_foreign
wait_for 60 'stable' stable
same_job || fail 'it was adopted without a restart'
[ "$(pods_of jobmanager)$(pods_of taskmanager)" = "$pods" ] || fail 'its pods are the same'
wait_for 30 'it counts on' counts_to "$OLD_COUNT"
say "job $OLD_ID was adopted as it ran"

remember
watch_overlap
change 'an upgrade by Weir' "ARGS=$(fresh_args)"
upgraded 120
went_on
wait_for 60 'stable' stable
no_overlap

remember
"$WEIR" release "$NS/$JOB"
change 'a change after the release' "ARGS=$(fresh_args)"
wait_for 60 'the spec is applied' sync_at Applied
always 10 'Weir does not act on it' same_job
"$WEIR" adopt "$NS/$JOB"
upgraded 120
went_on
wait_for 60 'stable' stable
