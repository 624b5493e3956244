#!/usr/bin/env bash
# generate.sh objects|jobs COUNT DIR [VALUE]: writes a Kustomize folder with that many manifests, replacing what was in DIR.
#   objects  ConfigMaps, Services and ServiceAccounts; VALUE stands in each of them
#   jobs     FlinkDeployments with checkpoints, savepoints and high availability; the first VALUE of them run, the others are suspended;
#            default: all run
set -euo pipefail
kind=$1 count=$2 dir=$3 value=${4:-one}
rm -rf "$dir"
mkdir -p "$dir"
exec >"$dir/kustomization.yaml"
printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: default\nnamePrefix: bench-\nlabels:\n'
printf -- '- pairs:\n    app.kubernetes.io/part-of: bench\nresources:\n'
for ((i = 0; i < count; i++)); do
	name=$(printf '%04d' "$i")
	echo "- $name.yaml"
	if [ "$kind" = jobs ]; then
		state=running
		[ "$i" -lt "${4:-$count}" ] || state=suspended
		cat >"$dir/$name.yaml" <<-YAML
			apiVersion: flink.apache.org/v1beta1
			kind: FlinkDeployment
			metadata:
			  name: job-$name
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
			  jobManager:
			    resource: {cpu: 0.25, memory: 800m}
			  taskManager:
			    resource: {cpu: 0.25, memory: 1024m}
			  job:
			    jarURI: local:///opt/flink/usrlib/count.jar
			    entryClass: CountJob
			    parallelism: 1
			    state: $state
			    upgradeMode: savepoint
		YAML
		continue
	fi
	case $((i % 4)) in
	0 | 1) printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c%s\ndata:\n  value: "%s"\n  text: |\n    line one\n    line two\n' "$name" "$value" ;;
	2) printf 'apiVersion: v1\nkind: Service\nmetadata:\n  name: s%s\n  annotations: {value: "%s"}\nspec:\n  selector: {app: a%s}\n  ports:\n  - {name: http, port: 80}\n' \
		"$name" "$value" "$name" ;;
	3) printf 'apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a%s\n  annotations: {value: "%s"}\n' "$name" "$value" ;;
	esac >"$dir/$name.yaml"
done
