#!/bin/bash
# Native mode: the JobManager has worked out the memory and passes it on.
exec "$FLINK_HOME/bin/start-jvm.sh" taskmanager org.apache.flink.kubernetes.taskmanager.KubernetesTaskExecutorRunner "$@"
