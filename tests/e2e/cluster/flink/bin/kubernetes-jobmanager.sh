#!/bin/bash
# Native mode: kubernetes-jobmanager.sh kubernetes-application|kubernetes-session [ARGUMENT...]
case "${1:-}" in
  kubernetes-application) class=KubernetesApplicationClusterEntrypoint ;;
  kubernetes-session) class=KubernetesSessionClusterEntrypoint ;;
  *)
    echo "kubernetes-jobmanager.sh: unknown kind of cluster: ${1:-}" >&2
    exit 1
    ;;
esac
shift
exec "$FLINK_HOME/bin/start-jvm.sh" jobmanager "org.apache.flink.kubernetes.entrypoint.$class" "$@"
