#!/bin/bash
# Prints examples/native.yaml for a version of Flink. usage: example.sh FLINK_VERSION STATE_DIR [IMAGE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
edits=(-e "s|STATE_DIR|$2|" -e "s|flink:1.20|${3:-flink:$1}|")
# Flink 2 reads config.yaml only; flat keys will do, but the arguments must be a list.
[[ $1 == 1.* ]] || edits+=(-e 's/flink-conf\.yaml/config.yaml/g' -e 's/program-args: .*/program-args: [--smoke]/')
# And some keys and values were others once.
[[ $1 != 1.1[3-6].* ]] || edits+=(-e 's/container\.image\.ref/container.image/'
  -e 's/high-availability\.type: kubernetes/high-availability: org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory/')
sed "${edits[@]}" "$here/examples/native.yaml"
