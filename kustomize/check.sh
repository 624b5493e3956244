#!/bin/bash
# Checks the install and example manifests without a cluster and without a network: everything renders; the CRDs have every
# field of the Flink resources, and the manifests here fit them; the RBAC stays small; references lead somewhere; the pod is
# locked down. With WEIR=PATH (or a weir in build/release) also that `weir render` and `kubectl kustomize` print the same.
# usage: kustomize/check.sh     needs kubectl and python3 (standard library only)
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

install_dirs="kustomize/base kustomize/overlays/single-namespace"
example_dirs="examples/stateful-job/base examples/stateful-job/overlays/dev examples/stateful-job/overlays/prod
	examples/stateful-job/sync-account/dev examples/stateful-job/sync-account/prod
	examples/session-cluster examples/standalone examples/periodic-savepoints"
weir=${WEIR:-build/release/weir}
failed=0

for dir in $install_dirs $example_dirs; do
	name=$(echo "$dir" | tr / _)
	if ! kubectl kustomize "$dir" >"$out/$name.yaml" 2>"$out/stderr"; then
		echo "FAIL $dir: kubectl kustomize: $(head -n 1 "$out/stderr")"
		failed=1
		continue
	fi
	if [ -s "$out/stderr" ]; then
		echo "FAIL $dir: kubectl kustomize warns: $(head -n 1 "$out/stderr")"
		failed=1
	fi
	# A local label makes JSON of any YAML; it asks no server.
	kubectl label --local -f "$out/$name.yaml" --overwrite weir.dev/check=1 -o json >"$out/$name.json"
	if [ -x "$weir" ] && ! { "$weir" render "$dir" | cmp -s - "$out/$name.yaml"; }; then
		echo "FAIL $dir: $weir render prints something else than kubectl kustomize"
		failed=1
	fi
done
# The agent reads its configuration strictly: what comes out is a problem of the cluster that is not there, not of the file.
for file in kustomize/base/weir.yaml kustomize/overlays/single-namespace/weir.yaml; do
	[ -x "$weir" ] || continue
	said=$(KUBECONFIG=$out/none "$weir" plan --config "$file" 2>&1) || true
	if [[ $said == *"$file"* ]] || [[ $said != *"$out/none"* ]]; then
		echo "FAIL $file: $said"
		failed=1
	fi
done
[ "$failed" = 0 ] || exit 1
[ -x "$weir" ] || echo "note: no weir at $weir, its rendering was not compared"

python3 - "$out" <<'PYTHON'
import json, os, sys

problems = []


def fail(where, text):
    problems.append(f"{where}: {text}")


def load(path):
    """kubectl writes one JSON object after the other."""
    text, at, objects = open(path).read(), 0, []
    decoder = json.JSONDecoder()
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        objects.append(value)
    return objects


builds = {name[:-5]: load(os.path.join(sys.argv[1], name)) for name in sorted(os.listdir(sys.argv[1])) if name.endswith(".json")}
base = builds["kustomize_base"]


def name_of(obj):
    return f"{obj['kind']}/{obj['metadata']['name']}"


# --- CRDs: every field, by path; [] is a list's element, {} a free map of strings, {*} a free map of anything -------------

RESOURCES = "resources.claims[].name resources.claims[].request resources.limits{q} resources.requests{q}"
POD = ("resource.cpu:number resource.memory resource.ephemeralStorage podTemplate{*} replicas:integer " + RESOURCES).split()
JOB = """jarURI entryClass args[] parallelism:integer state upgradeMode allowNonRestoredState:boolean initialSavepointPath
    savepointRedeployNonce:integer savepointTriggerNonce:integer checkpointTriggerNonce:integer autoscalerResetNonce:integer""".split()
CONDITIONS = "type status reason message lastTransitionTime observedGeneration:integer".split()
SAVEPOINT = "timeStamp:integer location triggerType formatType triggerNonce:integer".split()
CHECKPOINT = "timeStamp:integer triggerType formatType triggerNonce:integer".split()
TRIGGER = "triggerId triggerTimestamp:integer triggerType formatType".split()


def under(prefix, fields):
    return [prefix + field for field in fields]


COMMON_STATUS = (
    """observedGeneration:integer lifecycleState error reconciliationStatus.reconciliationTimestamp:integer
    reconciliationStatus.state reconciliationStatus.lastReconciledSpec reconciliationStatus.lastStableSpec jobStatus.jobName
    jobStatus.jobId jobStatus.state jobStatus.startTime jobStatus.updateTime jobStatus.upgradeSavepointPath
    jobStatus.savepointInfo.lastPeriodicSavepointTimestamp:integer
    jobStatus.checkpointInfo.lastPeriodicCheckpointTimestamp:integer""".split()
    + under("jobStatus.savepointInfo.", TRIGGER)
    + under("jobStatus.savepointInfo.lastSavepoint.", SAVEPOINT)
    + under("jobStatus.savepointInfo.savepointHistory[].", SAVEPOINT)
    + under("jobStatus.checkpointInfo.", TRIGGER)
    + under("jobStatus.checkpointInfo.lastCheckpoint.", CHECKPOINT)
    + under("conditions[].", CONDITIONS)
)

FIELDS = {
    "FlinkDeployment": under("spec.", """image imagePullPolicy serviceAccount flinkVersion mode ingress.template
        ingress.className ingress.annotations{} ingress.labels{} ingress.tls[].hosts[] ingress.tls[].secretName podTemplate{*}
        logConfiguration{} flinkConfiguration{*} restartNonce:integer""".split())
    + under("spec.jobManager.", POD) + under("spec.taskManager.", POD) + under("spec.job.", JOB)
    + under("status.", COMMON_STATUS)
    + under("status.", "jobManagerDeploymentStatus clusterInfo{} taskManager.labelSelector taskManager.replicas:integer".split()),
    "FlinkSessionJob": under("spec.", "deploymentName flinkConfiguration{*} restartNonce:integer".split())
    + under("spec.job.", JOB) + under("status.", COMMON_STATUS),
    "FlinkStateSnapshot": under("spec.", """jobReference.kind jobReference.name savepoint.path savepoint.formatType
        savepoint.disposeOnDelete:boolean savepoint.alreadyExists:boolean checkpoint:object backoffLimit:integer""".split())
    + under("status.", "state triggerId triggerTimestamp resultTimestamp path error failures:integer".split())
    + under("status.conditions[].", CONDITIONS),
}

TRIGGER_TYPES = {"MANUAL", "PERIODIC", "UPGRADE", "UNKNOWN"}
ENUMS = {  # by the end of the field's path
    "spec.flinkVersion": {"v1_%d" % n for n in range(13, 21)} | {"v2_%d" % n for n in range(5)},
    "spec.mode": {"native", "standalone"},
    "spec.job.state": {"running", "suspended"},
    "spec.job.upgradeMode": {"savepoint", "last-state", "stateless"},
    "spec.jobReference.kind": {"FlinkDeployment", "FlinkSessionJob"},
    "spec.savepoint.formatType": {"CANONICAL", "NATIVE", "UNKNOWN"},
    "status.lifecycleState": {"CREATED", "SUSPENDED", "UPGRADING", "DEPLOYED", "STABLE", "ROLLING_BACK", "ROLLED_BACK", "FAILED",
                              "DELETING", "DELETED"},
    "status.jobManagerDeploymentStatus": {"READY", "DEPLOYED_NOT_READY", "DEPLOYING", "MISSING", "ERROR"},
    "status.reconciliationStatus.state": {"DEPLOYED", "UPGRADING", "ROLLING_BACK", "ROLLED_BACK"},
    "status.jobStatus.state": {"INITIALIZING", "CREATED", "RUNNING", "FAILING", "FAILED", "CANCELLING", "CANCELED", "FINISHED",
                               "RESTARTING", "SUSPENDED", "RECONCILING"},
    "status.state": {"TRIGGER_PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "ABANDONED"},
    "savepointInfo.formatType": {"CANONICAL", "NATIVE", "UNKNOWN"},
    "lastSavepoint.formatType": {"CANONICAL", "NATIVE", "UNKNOWN"},
    "savepointHistory.formatType": {"CANONICAL", "NATIVE", "UNKNOWN"},
    "checkpointInfo.formatType": {"FULL", "INCREMENTAL", "UNKNOWN"},
    "lastCheckpoint.formatType": {"FULL", "INCREMENTAL", "UNKNOWN"},
    ".triggerType": TRIGGER_TYPES,
}

JOB_COLUMNS = [("Job Status", ".status.jobStatus.state"), ("Lifecycle State", ".status.lifecycleState")]
CRDS = {
    "FlinkDeployment": ("flinkdeployments", "flinkdep", JOB_COLUMNS, {
        "specReplicasPath": ".spec.taskManager.replicas",
        "statusReplicasPath": ".status.taskManager.replicas",
        "labelSelectorPath": ".status.taskManager.labelSelector"}),
    "FlinkSessionJob": ("flinksessionjobs", "sessionjob", JOB_COLUMNS, None),
    "FlinkStateSnapshot": ("flinkstatesnapshots", "flinksnp", [("Path", ".status.path"),
        ("Result Timestamp", ".status.resultTimestamp"), ("Snapshot State", ".status.state")], None),
}


def leaves(schema, path=""):
    """All leaf fields of a schema as {path: (type, enum)}; anything that could refuse what others accept is a problem."""
    for word in set(schema) - {"type", "description", "properties", "items", "additionalProperties", "enum",
                               "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"}:
        fail(path or "top of a CRD", f"schema keyword {word} is narrower than the peer's")
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {path + "{*}": (schema.get("type"), None)}
    extra = schema.get("additionalProperties")
    if extra is not None:
        return {path + ("{q}" if extra.get("x-kubernetes-int-or-string") else "{}"): (extra.get("type"), None)}
    if schema.get("type") == "array":
        return leaves(schema["items"], path + "[]")
    if schema.get("properties"):
        found = {}
        for key, value in schema["properties"].items():
            found.update(leaves(value, f"{path}.{key}" if path else key))
        return found
    return {path: (schema.get("type"), schema.get("enum"))}


schemas = {}
for crd in [o for o in base if o["kind"] == "CustomResourceDefinition"]:
    spec, kind = crd["spec"], crd["spec"]["names"]["kind"]
    if kind not in CRDS:
        fail(name_of(crd), "unknown kind")
        continue
    plural, short, columns, scale = CRDS[kind]
    versions = spec["versions"]
    version = versions[0]
    schemas[kind] = version["schema"]["openAPIV3Schema"]
    for what, is_, should in [
        ("name", crd["metadata"]["name"], plural + ".flink.apache.org"),
        ("group", spec["group"], "flink.apache.org"),
        ("scope", spec["scope"], "Namespaced"),
        ("names", spec["names"], {"kind": kind, "plural": plural, "singular": kind.lower(), "shortNames": [short]}),
        ("versions", [(v["name"], v["served"], v["storage"]) for v in versions], [("v1beta1", True, True)]),
        ("status subresource", version["subresources"].get("status"), {}),
        ("scale subresource", version["subresources"].get("scale"), scale),
        ("printer columns", [(c["name"], c["jsonPath"]) for c in version["additionalPrinterColumns"]], columns),
    ]:
        if is_ != should:
            fail(name_of(crd), f"{what} is {is_}, not {should}")
    found = leaves(schemas[kind])
    wanted = {}
    for field in FIELDS[kind]:
        path, _, type_ = field.partition(":")
        wanted[path] = type_ or ("object" if path.endswith("{*}") else None if path.endswith("{q}") else "string")
    for path in sorted(set(wanted) - set(found)):
        fail(name_of(crd), f"field {path} is missing")
    for path in sorted(set(found) - set(wanted)):
        fail(name_of(crd), f"field {path} is in no list of this script")
    for path in sorted(set(found) & set(wanted)):
        type_, enum = found[path]
        if type_ != wanted[path]:
            fail(name_of(crd), f"{path} is of type {type_}, not {wanted[path]}")
        plain = path.replace("[]", "")
        should = next((values for end, values in ENUMS.items() if ("." + plain).endswith("." + end.lstrip("."))), None)
        if set(enum or ()) != (should or set()):
            fail(name_of(crd), f"{path} takes {enum}, should take {sorted(should) if should else 'anything'}")
for kind in set(CRDS) - set(schemas):
    fail("kustomize/base", f"no CRD for {kind}")


# --- Flink resources in the manifests fit the CRDs ------------------------------------------------------------------------

PYTHON_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}


def fit(where, path, schema, value):
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, (int, str)):
            fail(where, f"{path} is neither a number nor text")
        return
    type_ = schema.get("type")
    if not isinstance(value, PYTHON_TYPES[type_]) or (isinstance(value, bool) and type_ != "boolean"):
        fail(where, f"{path} is {value!r}, not of type {type_}")
    elif "enum" in schema and value not in schema["enum"]:
        fail(where, f"{path} is {value!r}, not one of {schema['enum']}")
    elif type_ == "array":
        for i, item in enumerate(value):
            fit(where, f"{path}[{i}]", schema["items"], item)
    elif type_ == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        for key, item in value.items():
            below = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if below is None:
                fail(where, f"{path}.{key} is not in the CRD and would be dropped")
            else:
                fit(where, f"{path}.{key}", below, item)


flink_resources = 0
for build, objects in builds.items():
    for obj in objects:
        if obj["kind"] in schemas:
            flink_resources += 1
            body = {key: value for key, value in obj.items() if key in ("spec", "status")}
            fit(f"{build} {name_of(obj)}", "", schemas[obj["kind"]], body)
if not flink_resources:
    fail("examples", "hold no Flink resource")


# --- RBAC ------------------------------------------------------------------------------------------------------------------

CONTROLLER = {  # group/resource -> verbs: the fixed role; widening it is a decision to be taken here as well
    "flink.apache.org/flinkdeployments": "get list watch update patch",
    "flink.apache.org/flinksessionjobs": "get list watch update patch",
    "flink.apache.org/flinkstatesnapshots": "get list watch update patch create delete",
    "flink.apache.org/flinkdeployments/status": "get update patch",
    "flink.apache.org/flinksessionjobs/status": "get update patch",
    "flink.apache.org/flinkstatesnapshots/status": "get update patch",
    "flink.apache.org/flinkdeployments/finalizers": "update",
    "flink.apache.org/flinksessionjobs/finalizers": "update",
    "flink.apache.org/flinkstatesnapshots/finalizers": "update",
    "apps/deployments": "get list watch create update patch delete",
    "apps/deployments/finalizers": "update",
    "/pods": "get list watch create delete",
    "/pods/log": "get",
    "/nodes": "get",
    "/services": "get list watch create update patch delete",
    "/configmaps": "get list watch create update patch delete",
    "/services/proxy": "get create update patch delete",
    "networking.k8s.io/ingresses": "get list watch create update patch delete",
    "/events": "get create patch",
    "/serviceaccounts": "get list",
}
ALL = "get list watch create update patch delete"
SYNC = {"flink.apache.org/flinkdeployments": ALL, "flink.apache.org/flinksessionjobs": ALL, "flink.apache.org/flinkstatesnapshots": ALL,
        "/configmaps": ALL, "/services": ALL, "networking.k8s.io/ingresses": ALL}


def rights(role):
    found = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault(f"{group}/{resource}", set()).update(rule["verbs"])
    return found


for build, objects in builds.items():
    for obj in objects:
        where, kind = f"{build} {name_of(obj)}", obj["kind"]
        if kind in ("Role", "ClusterRole"):
            if "aggregationRule" in obj:
                fail(where, "is aggregated: its rules are not its own")
            for rule in obj["rules"]:
                groups, resources, verbs = (rule.get(key, []) for key in ("apiGroups", "resources", "verbs"))
                words = groups + resources + verbs + rule.get("nonResourceURLs", [])
                for word in words:
                    if "*" in word:
                        fail(where, f"has {word}")
                for verb in {"escalate", "bind"} & set(verbs):
                    fail(where, f"has the verb {verb}")
                if "secrets" in resources and kind == "ClusterRole":
                    fail(where, "reaches secrets of the whole cluster")
                if "impersonate" in verbs:
                    here = obj["metadata"].get("namespace")
                    for account in rule.get("resourceNames", []):
                        if ("ServiceAccount", account, here) not in {(o["kind"], o["metadata"]["name"], o["metadata"].get("namespace"))
                                                                     for o in objects}:
                            fail(where, f"impersonates {account} of {here}, which is not there")
                if "impersonate" in verbs and (kind != "Role" or resources != ["serviceaccounts"] or verbs != ["impersonate"]
                                               or not rule.get("resourceNames")):
                    fail(where, "impersonates more than named service accounts of one namespace")
            namespaced_rbac = {"roles", "rolebindings", "clusterroles", "clusterrolebindings"}
            if build.startswith("kustomize") and any(namespaced_rbac & set(rule["resources"]) for rule in obj["rules"]):
                fail(where, "touches RBAC")
            for name, should in ("weir-controller", CONTROLLER), ("weir-sync", SYNC):
                if kind == "ClusterRole" and obj["metadata"]["name"] == name:
                    is_, should = rights(obj), {key: set(verbs.split()) for key, verbs in should.items()}
                    for key in sorted(set(is_) | set(should)):
                        if is_.get(key, set()) != should.get(key, set()):
                            fail(where, f"{key} has {sorted(is_.get(key, ()))}, not {sorted(should.get(key, ()))}")

        # --- references ---
        if kind in ("RoleBinding", "ClusterRoleBinding"):
            ref, here = obj["roleRef"], obj["metadata"].get("namespace")
            if not any(o["kind"] == ref["kind"] and o["metadata"]["name"] == ref["name"]
                       and o["metadata"].get("namespace") in (None, here) for o in objects + base):
                fail(where, f"refers to {ref['kind']}/{ref['name']}, which is not there")
            for subject in obj["subjects"]:
                if subject["kind"] != "ServiceAccount" or not any(
                        o["kind"] == "ServiceAccount" and o["metadata"]["name"] == subject["name"]
                        and o["metadata"].get("namespace") == subject.get("namespace") for o in objects + base):
                    fail(where, f"refers to {subject}, which is not there")
        if kind in ("Deployment", "FlinkDeployment"):
            pod = obj["spec"]["template"]["spec"] if kind == "Deployment" else obj["spec"]["podTemplate"]["spec"]
            account = pod.get("serviceAccountName") or obj["spec"].get("serviceAccount")
            here = obj["metadata"].get("namespace")
            wanted = [("ServiceAccount", account)] + [("ConfigMap", v["configMap"]["name"]) for v in pod["volumes"] if "configMap" in v]
            for ref in wanted:
                if not any((o["kind"], o["metadata"]["name"], o["metadata"].get("namespace")) == (*ref, here) for o in objects):
                    fail(where, f"refers to {ref[0]}/{ref[1]} in {here}, which is not there")
            volumes = {v["name"] for v in pod["volumes"]}
            for container in pod["containers"] + pod.get("initContainers", []):
                for mount in container.get("volumeMounts", []):
                    if mount["name"] not in volumes:
                        fail(where, f"mounts {mount['name']}, which is no volume of the pod")
                if "image" in container and ":" not in container["image"]:
                    fail(where, f"image {container['image']} has no tag")

names = {(o["kind"], o["metadata"]["name"]) for o in builds["kustomize_overlays_single-namespace"]}
if any(kind == "ClusterRoleBinding" for kind, name in names):
    fail("kustomize/overlays/single-namespace", "binds something in the whole cluster")


# --- the agent's pod -------------------------------------------------------------------------------------------------------

for build in "kustomize_base", "kustomize_overlays_single-namespace":
    deployment = next(o for o in builds[build] if name_of(o) == "Deployment/weir")
    spec, pod = deployment["spec"], deployment["spec"]["template"]["spec"]
    container, locked = pod["containers"][0], pod["containers"][0]["securityContext"]
    for what, is_, should in [
        ("replicas", spec["replicas"], 1),
        ("strategy", spec["strategy"], {"type": "Recreate"}),
        ("containers", len(pod["containers"]), 1),
        ("selector", set(spec["selector"]["matchLabels"].items()) <= set(spec["template"]["metadata"]["labels"].items()), True),
        ("runAsNonRoot", pod["securityContext"]["runAsNonRoot"], True),
        ("runAsUser", pod["securityContext"]["runAsUser"], 65532),
        ("seccomp", pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}),
        ("read-only root", locked["readOnlyRootFilesystem"], True),
        ("privilege escalation", locked["allowPrivilegeEscalation"], False),
        ("capabilities", locked["capabilities"], {"drop": ["ALL"]}),
        ("args", container["args"], ["agent", "--config", "/etc/weir/weir.yaml"]),
        ("resources", container["resources"], {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "128Mi"}}),
        ("probes", [container[p]["httpGet"]["path"] for p in ("livenessProbe", "readinessProbe")], ["/healthz", "/readyz"]),
        ("cache", [m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/var/cache/weir"], ["cache"]),
        ("configuration", [list(o["data"]) for o in builds[build] if o["kind"] == "ConfigMap"], [["weir.yaml"]]),
    ]:
        if is_ != should:
            fail(f"{build} Deployment/weir", f"{what}: {is_}, not {should}")

# --- the agent's configuration ---------------------------------------------------------------------------------------------

for build in "kustomize_base", "kustomize_overlays_single-namespace":
    text = next(o for o in builds[build] if o["kind"] == "ConfigMap")["data"]["weir.yaml"]
    lines = text.splitlines()
    # The Deployment's probes and its volume depend on these.
    needed = ["listen: 0.0.0.0:8080", "cacheDir: /var/cache/weir"]
    if build.endswith("single-namespace"):  # its rights end there
        needed.append("watchNamespaces: [orders]")
    for line in needed:
        if line not in lines:
            fail(f"{build} weir.yaml", f"has no line {line}")

for problem in problems:
    print("FAIL", problem)
if not problems:
    print(f"ok: {len(builds)} kustomizations, {sum(map(len, builds.values()))} objects, {sum(map(len, FIELDS.values()))} CRD fields")
sys.exit(1 if problems else 0)
PYTHON
