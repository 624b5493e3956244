#!/bin/bash
# Standalone session: jobmanager.sh start-foreground [HOST [REST_PORT]] [OPTION...]
[ "${1:-}" = start-foreground ] && shift
args=()
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
  args+=(--host "$1")
  shift
  if [ $# -gt 0 ] && [[ $1 != -* ]]; then
    args+=(--webui-port "$1")
    shift
  fi
fi
exec "$FLINK_HOME/bin/start-jvm.sh" jobmanager org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint "${args[@]}" "$@"
