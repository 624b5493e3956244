#!/bin/bash
# Runs the example once in a cluster, notes which classes Flink loads, and puts an archive of them into the image.
# For build.sh. usage: train.sh FLINK_VERSION
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$1
cache=${WEIR_CACHE:-$HOME/.cache/weir}
weir=$cache/bin/weir-cluster
image=$cache/images/flink_$version
dir=$(mktemp -d)
trap '"$weir" down --dir "$dir/cluster" 2> /dev/null || true; rm -rf "$dir" "$cache/images/flink_$version-train"' EXIT

# The same image, told to take notes.
mkdir -p "$dir/cluster" "$dir/state/lists" "$dir/state/archive" "$cache/images/flink_$version-train"
rm -rf "$image/root/opt/flink/cds"
ln -sfn "../flink_$version/root" "$cache/images/flink_$version-train/root"
sed 's|"Env": \[|"Env": ["WEIR_CLASS_LISTS=/state/lists", |' "$image/config.json" > "$cache/images/flink_$version-train/config.json"

k() { "$weir" exec --dir "$dir/cluster" -- kubectl "$@"; }
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}
snapshotted() { grep -qs 'COUNT snapshot [1-9]' "$dir"/cluster/pods/default_smoke-taskmanager-*/*.log; }
gone() { [ -z "$(k get pods -o name)" ]; }

"$weir" up --dir "$dir/cluster" --detach > /dev/null
"$here/example.sh" "$version" "$dir/state" "flink:$version-train" | k apply -f - > /dev/null
within 180 snapshotted
k delete deployment smoke > /dev/null
within 60 gone

# The archive counts only for the very same class path, so it is made in a container, too.
cat "$dir"/state/lists/flink.* | sort -u > "$dir/state/flink.classes"
cat "$dir"/state/lists/utils.* | sort -u > "$dir/state/utils.classes"
k apply -f - > /dev/null << POD
apiVersion: v1
kind: Pod
metadata: {name: archive}
spec:
  restartPolicy: Never
  containers:
  - name: archive
    image: flink:$version
    command:
    - bash
    - -ec
    - |
      lib=/opt/flink/lib
      jars=(\$lib/*.jar) dist=(\$lib/flink-dist*.jar)
      dump() {
        java -XX:+UseSerialGC -Xshare:dump -XX:SharedClassListFile=/state/\$1.classes -XX:SharedArchiveFile=/state/archive/\$1.jsa -classpath "\$2"
      }
      dump flink "\$(IFS=:; echo "\${jars[*]}")"
      dump utils "/opt/flink/bin/bash-java-utils.jar:\${dist[0]}"
    volumeMounts: [{name: state, mountPath: /state}]
  volumes:
  - {name: state, hostPath: {path: $dir/state}}
POD
ended() { [[ $(k get pod archive -o 'jsonpath={.status.phase}') =~ Succeeded|Failed ]]; }
within 180 ended
[ "$(k get pod archive -o 'jsonpath={.status.phase}')" = Succeeded ] || {
  k logs archive --tail=20
  exit 1
}
chmod -R u+w,a+r "$dir/state/archive"
mv "$dir/state/archive" "$image/root/opt/flink/cds"
