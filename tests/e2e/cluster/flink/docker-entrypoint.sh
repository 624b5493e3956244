#!/bin/bash
# Entry point of the image: the three short commands of the standalone mode, or any other command as it is.
case "${1:-}" in
  jobmanager | standalone-job | taskmanager)
    script=$1.sh
    shift
    exec "$FLINK_HOME/bin/$script" start-foreground "$@"
    ;;
esac
exec "$@"
