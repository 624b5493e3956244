#!/bin/bash
# Brings a cluster up, runs a Flink application in it, upsets it a little, and checks that nothing is left afterwards.
# usage: smoke.sh [FLINK_VERSION]     default: 1.20.3; build.sh first
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=${1:-1.20.3}
weir=${WEIR_CACHE:-$HOME/.cache/weir}/bin/weir-cluster
dir=$(mktemp -d)
began=$(date +%s%N)
holder=

say() { printf '%6d ms  %s\n' $((($(date +%s%N) - began) / 1000000)) "$*"; }
fail() {
  say "FAILED: $*"
  tail -n 20 "$cluster"/log/node.log "$cluster"/pods/*/*.log 2> /dev/null || true
  exit 1
}
finish() {
  [ -z "${KEEP:-}" ] || cp -r "$dir" "$KEEP"
  [ -n "$holder" ] && kill -KILL "$holder" 2> /dev/null || true
  rm -rf "$dir"
}
trap finish EXIT

# within SECONDS COMMAND...: until the command succeeds
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

k() { "$weir" exec --dir "$cluster" -- kubectl "$@"; }
rest() { k get --raw "/api/v1/namespaces/default/services/smoke-rest:rest/proxy$1" 2> /dev/null; }
job=c0de0000000000000000000000000001
running() { [[ $(rest "/jobs/$job") == *'"state":"RUNNING"'*'"vertices"'*'"status":"RUNNING"'* ]]; }
count() { rest "/jobs/$job/accumulators" | sed -n 's/.*"name":"count","type":"[A-Za-z]*","value":"\([0-9]*\)".*/\1/p'; }
counted() { local c; c=$(count) && [ "${c:-0}" -ge "$1" ]; }
snapshotted() { grep -qs 'COUNT snapshot [1-9]' "$cluster"/pods/default_smoke-taskmanager-*/*.log; }

# The processes below a pid, with their start times: together they are unique.
family() {
  ps -e -o pid=,ppid= | awk -v top="$1" '{ parent[$1] = $2 } END { for (p in parent) { for (q = p; q in parent && q != top; q = parent[q]); if (q == top) print p } }' |
    while read -r p; do [ -e "/proc/$p/stat" ] && echo "$p $(sed 's/.*) //' "/proc/$p/stat" | cut -d' ' -f20)"; done
}
nothing_left() {
  local p start
  while read -r p start; do
    [ "$(sed 's/.*) //' "/proc/$p/stat" 2> /dev/null | cut -d' ' -f20)" != "$start" ] || return 1
  done < "$dir/family"
  ! grep -q "$dir" /proc/self/mounts
}

# The cluster's parent is a process of its own, to be killed at the end.
start_cluster() {
  cluster=$dir/$1
  mkdir -p "$cluster"
  rm -f "$dir/ready"
  mkfifo "$dir/ready"
  bash -c '"$1" up --dir "$2" --flink "$3" > "$4"; exit 1' - "$weir" "$cluster" "$version" "$dir/ready" 2> "$dir/up.log" &
  holder=$!
  disown # no word from bash when it is killed
  read -r -t 60 answer < "$dir/ready" && [ "$answer" = ready ] || fail "the cluster is not ready: $(cat "$dir/up.log")"
}

start_cluster one
say "cluster ready"
"$here/example.sh" "$version" "$dir/state" | k apply -f - > "$dir/apply.log"
say "application applied"
within 120 running || fail "the job does not run"
say "job RUNNING (first time)"
within 60 counted 100 || fail "the job does not count"
say "counter at $(count)"
k logs -l component=taskmanager --tail=-1 | grep -q 'COUNT start 0 restored false' || fail "no log of the TaskManager"
within 60 snapshotted || fail "no checkpoint"
within 60 counted 300 || fail "the job does not count on"

# A crash of the JobManager: the container starts again, the job goes on from its checkpoint.
pod=$(k get pods -l component=jobmanager -o 'jsonpath={.items[0].metadata.name}')
"$weir" ctl --dir "$cluster" kill-pod default "$pod"
say "JobManager killed"
restarted() { [ "$(k get pod "$pod" -o 'jsonpath={.status.containerStatuses[0].restartCount}')" = 1 ]; }
within 30 restarted || fail "the container was not restarted"
restored() { cat "$cluster"/pods/default_smoke-taskmanager-*/*.log | grep -q 'COUNT start [1-9][0-9]* restored true'; }
within 120 restored || fail "the job did not recover"
say "job restored: $(cat "$cluster"/pods/default_smoke-taskmanager-*/*.log | grep -o 'COUNT start [1-9][0-9]* restored true' | tail -1)"

# An outage of the API server: the state is still there.
"$weir" ctl --dir "$cluster" stop-apiserver
! k get pods > /dev/null 2>&1 || fail "the API server is still there"
"$weir" ctl --dir "$cluster" start-apiserver
k get deployment smoke > /dev/null || fail "the state is gone"
say "API server stopped and started"
within 120 running || fail "the job does not run after the outage"
say "job RUNNING"
k delete deployment smoke --timeout=60s > /dev/null
gone() { [ -z "$(k get pods -o name 2> /dev/null)" ]; }
within 60 gone || fail "the pods do not go: $(k get pods)"
say "application deleted"

family "$(cat "$cluster/pid")" > "$dir/family"
"$weir" down --dir "$cluster"
within 10 nothing_left || fail "processes or mounts are left after down"
say "cluster down, nothing left of its $(wc -l < "$dir/family") processes"

# Once more, this time with its parent killed while a pod runs.
start_cluster two
k run sleeper --image=busybox -- sleep 1000 > /dev/null
k wait --for=condition=Ready pod/sleeper --timeout=30s > /dev/null
family "$(cat "$cluster/pid")" > "$dir/family"
kill -KILL "$holder"
holder=
within 10 nothing_left || fail "processes or mounts are left after the parent was killed"
say "parent killed, nothing left of the cluster's $(wc -l < "$dir/family") processes"
echo "smoke.sh: all is well"
