#!/bin/bash
# Standalone TaskManager: taskmanager.sh start-foreground [OPTION...]
[ "${1:-}" = start-foreground ] && shift
exec "$FLINK_HOME/bin/start-jvm.sh" taskmanager org.apache.flink.runtime.taskexecutor.TaskManagerRunner "$@"
