# The JobManager is killed in the middle of an upgrade: while the savepoint is being taken, and right after it was completed and the job
# has stopped, before the agent has seen that. The upgrade is carried out, and no state is lost. The agent may look into the state's storage:
# in the second case nobody but that knows of the savepoint.
# set: full
# limit: 900
. "$(dirname "$0")/../lib.sh"
kill_jobmanager() { "$CLUSTER" ctl --dir "$DIR" kill-pod "$NS" "$(main_pod jobmanager)"; }
in_progress() { kubectl logs -n "$NS" "$(main_pod jobmanager)" -c flink-main-container 2>/dev/null | grep -qi 'triggering.*savepoint'; }
job_ended() { kubectl logs -n "$NS" "$(main_pod jobmanager)" -c flink-main-container 2>/dev/null | grep -q 'reached terminal state FINISHED'; }
restarted() { [ "$(k get pod "$1" -o 'jsonpath={.status.containerStatuses[0].restartCount}' 2>/dev/null)" -ge 1 ] || job_is_new; }
# All that was counted in a completed checkpoint must be there afterwards.
remember_checkpoint() {
	remember
	OLD_COUNT=$(last_snapshot)
	local before
	before=$(checkpoints_done)
	two_more() { [ "$(checkpoints_done)" -ge $((before + 2)) ]; }
	wait_for 60 'two more checkpoints' two_more
}

AGENT_CONFIG="stateStores: [{prefix: 'file:///flink-data', path: $DATA}]"
start_from
watch_overlap
remember_checkpoint
task=$(pgrep -f 'java.*KubernetesTaskExecutorRunner') || fail 'the TaskManager has a process'
kill -STOP $task # the savepoint cannot complete; Flink misses the TaskManager after 50 s only
change 'the JobManager is killed while the savepoint is taken' "ARGS=$(fresh_args)"
wait_for 60 'the savepoint is being taken' in_progress
pod=$(main_pod jobmanager)
kill_jobmanager
wait_for 60 'it is started again' restarted "$pod"
kill -CONT $task 2>/dev/null || true # the new JobManager may have given it up
upgraded 240
went_on
wait_for 60 'stable' stable
no_overlap

# The agent is away while that happens.
remember_checkpoint
agent_stop
agent_start WEIR_TEST_KILL=stop-with-savepoint:after
change 'the JobManager is killed when the job has stopped' "ARGS=$(fresh_args)"
wait_for 90 'the agent is killed when it has asked for the stop' agent_dead
wait "$AGENT" || true
wait_for 60 'the job has ended' job_ended
pod=$(main_pod jobmanager)
kill_jobmanager
wait_for 60 'it is started again' restarted "$pod"
agent_start
upgraded 240
went_on
wait_for 60 'stable' stable
no_overlap
