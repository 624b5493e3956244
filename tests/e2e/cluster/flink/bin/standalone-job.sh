#!/bin/bash
# Standalone application: standalone-job.sh start-foreground [OPTION...] [ARGUMENT OF THE JOB...]
[ "${1:-}" = start-foreground ] && shift
exec "$FLINK_HOME/bin/start-jvm.sh" jobmanager org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint "$@"
