# What the scenarios have in common. They run inside the cluster's namespaces (weir-cluster exec): all they start ends with the cluster,
# and the API server, the pods and a git server are reached there only.
#
# The scenarios share one job, FlinkDeployment orders-dev/orders: examples/stateful-job/overlays/dev as it is, with what a scenario changes
# as patches on top. `start_from` brings it where a scenario begins.
#
# From run.sh: WEIR CLUSTER E2E (folder of the run) DIR (folder of the cluster) E2E_FULL E2E_ROOT SCENARIO. KUBECONFIG from the cluster.
set -eu # no pipefail: a look at something that is not there yet gives nothing, and the last command judges
NS=orders-dev
JOB=orders
REPO=$E2E/git/orders.git
COPY=$E2E/copy
DATA=$E2E/data
AGENT_LOG=$E2E/logs/$SCENARIO.agent.log
AGENTS=() # process ids
HEAD=
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
fail() {
	say "FAILED: $*"
	exit 1
}
# wait_for SECONDS WHAT COMMAND...
wait_for() {
	local end=$((SECONDS + $1)) what=$2 limit=$1
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "not within $limit s: $what"
		sleep 0.25
	done
}
# always SECONDS WHAT COMMAND...: it holds now and all that time.
always() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	while [ "$SECONDS" -lt "$end" ]; do
		"$@" || fail "it did not stay so: $what"
		sleep 0.25
	done
}
is() { [ "$("${@:2}")" = "$1" ]; }

# ---- the cluster ----

k() { kubectl --request-timeout=10s -n "$NS" "$@"; }
fd() { k get flinkdeployment "$JOB" -o "jsonpath={$1}" 2>/dev/null; }
fd_gone() { [ "$(k get flinkdeployment "$JOB" --ignore-not-found -o name 2>&1)" = "" ]; }
flat() { awk -f "$E2E_ROOT/examples/json.awk"; }
pick() { awk -F '\t' -v p="$1" '$1 == p && !n++ { print $2 }'; } # reads to the end: no broken pipe
sync_field() { "$WEIR" status -o json 2>/dev/null | flat | pick ".syncs[0].$1"; }
sync_is() { [ "$(sync_field state)" = "$1" ]; }
# sync_at STATE TEXT: the last commit is in this state, and the message has the text.
sync_at() {
	local seen
	seen=$("$WEIR" status -o json 2>/dev/null | flat) || return 1
	[ "$(pick '.syncs[0].commit' <<<"$seen")" = "$HEAD" ] && [ "$(pick '.syncs[0].state' <<<"$seen")" = "$1" ] &&
		pick '.syncs[0].message' <<<"$seen" | grep -qF -- "${2:-}"
}
condition() { fd ".status.conditions[?(@.type==\"$1\")].status"; }
lifecycle_is() { is "$1" fd .status.lifecycleState; }
ledger() { k get configmap "weir-ledger-$JOB" -o 'jsonpath={.data.ledger\.json}' 2>/dev/null; }
pods_of() { k get pods -l "app=$JOB,component=$1" -o name 2>/dev/null | grep -v preflight || true; }
main_pod() { pods_of "$1" | head -1 | sed 's|^pod/||'; }
no_cluster() {
	[ -z "$(pods_of jobmanager)$(pods_of taskmanager)" ] && [ -z "$(k get deployment "$JOB" --ignore-not-found -o name)" ]
}

# ---- the job, through its own REST API and log ----

rest() { kubectl get --request-timeout=10s --raw "/api/v1/namespaces/$NS/services/$JOB-rest:8081/proxy$1" 2>/dev/null; }
job_id() { rest /jobs/overview | flat | awk -F '\t' '/\.jid\t/ { id = $2 } /\.state\tRUNNING/ { up = 1 } /\.jid\t/ { n++ } END { if (up && n == 1) print id }'; }
job_runs() { [ -n "$(job_id)" ]; }
job_is_new() { # another one than OLD_ID runs
	local id
	id=$(job_id)
	[ -n "$id" ] && [ "$id" != "$OLD_ID" ]
}
job_counter() {
	rest "/jobs/$(job_id)/accumulators" | flat | awk -F '\t' '
		/^\.user-task-accumulators/ { at = $1; sub(/\.[a-z]+$/, "", at) }
		$1 == at ".name" { name = $2 }
		$1 == at ".value" && name == "count" { print $2 }'
}
counts_to() {
	local n
	n=$(job_counter)
	[ -n "$n" ] && [ "$n" -ge "$1" ]
}
restored_from() { rest "/jobs/$(job_id)/checkpoints" | flat | pick .latest.restored.external_path; }
checkpoints_done() { rest "/jobs/$(job_id)/checkpoints" | flat | pick .counts.completed; }
taskmanager_logs() {
	local pod
	for pod in $(pods_of taskmanager); do k logs "$pod" -c flink-main-container --tail=-1; done 2>/dev/null
}
# The last start of each TaskManager: the sum of what they went on from, and whether all of it was restored.
started_at() {
	local pod
	for pod in $(pods_of taskmanager); do
		k logs "$pod" -c flink-main-container --tail=-1 2>/dev/null | grep '^COUNT start ' | tail -1
	done | awk '{ n += $3; if ($5 != "true") fresh = 1; some = 1 } END { if (some) print n, fresh ? "false" : "true" }'
}
# The count of the last snapshot, over all TaskManagers: what a completed checkpoint has at least, one interval later.
last_snapshot() {
	local pod
	for pod in $(pods_of taskmanager); do
		k logs "$pod" -c flink-main-container --tail=-1 2>/dev/null | grep '^COUNT snapshot ' | tail -1
	done | awk '{ n += $3 } END { print n + 0 }'
}

# Is there a savepoint or checkpoint in this place of the job's? Flink says file:/ and file:/// for the same.
state_exists() { [ -f "$DATA/$(sed 's|^file:/*flink-data/||' <<<"$1")/_metadata" ]; }
same_place() { [ -n "$1" ] && [ "$(sed 's|^file:/*|/|' <<<"$1")" = "$(sed 's|^file:/*|/|' <<<"$2")" ]; }

# remember [COUNT]: OLD_ID and OLD_COUNT of the running job. A job that starts empty does not come to COUNT in the seconds before the check.
remember() {
	wait_for 60 'the job counts' counts_to "${1:-300}"
	OLD_ID=$(job_id)
	OLD_COUNT=$(job_counter)
}
# The running job went on from at least OLD_COUNT, by its own log.
went_on() {
	local start
	wait_for "${1:-60}" 'the job tells in its log where it started' has_start
	start=$(started_at)
	[ "${start#* }" = true ] || fail "the job started without state (COUNT start $start)"
	[ "${start% *}" -ge "$OLD_COUNT" ] || fail "the count fell back from $OLD_COUNT to ${start% *}"
	wait_for 60 'it counts on' counts_to $((${start% *} + 1))
	say "it had counted to $OLD_COUNT; its log says: COUNT start ${start% *} restored true (from $(restored_from))"
}
has_start() { [ -n "$(started_at)" ]; }
one_job() {
	[ "$(pods_of jobmanager | wc -l)" = 1 ] && [ "$(rest /jobs/overview | flat | grep -c '\.jid	')" = 1 ]
}
stable() { lifecycle_is STABLE; }

# The spec of the last commit is what runs and what is meant to: a new job, settled.
upgraded() { # SECONDS
	wait_for "$1" 'the new version runs' runs_commit
	wait_for 60 'exactly one job runs' one_job
}
# rolled_back SECONDS TEXT: the last commit is quarantined for a reason that has the text, and the version before it runs with its state.
rolled_back() {
	wait_for "$1" "the commit is rolled back and quarantined: $2" sync_at Withheld quarantined
	sync_field message | grep -qF -- "$2" || fail "the reason has '$2': $(sync_field message)"
	wait_for 120 'the version before it runs' job_is_new
	wait_for 60 'exactly one job runs' one_job
	went_on
	[ "$(fd '.metadata.annotations.weir\.dev/commit')" != "$HEAD" ] || fail 'the resource does not claim to be at the bad commit'
	say "$(sync_field message)"
}
runs_commit() { is "$HEAD" fd '.metadata.annotations.weir\.dev/commit' && job_is_new; }

# ---- git ----

repo_ready() {
	[ -d "$REPO" ] || git init -q --bare --initial-branch=main "$REPO"
	[ -d "$COPY" ] && return
	git init -q --initial-branch=main "$COPY"
	git -C "$COPY" config user.name e2e
	git -C "$COPY" config user.email e2e@example.org
	git -C "$COPY" config commit.gpgsign false
	git -C "$COPY" remote add origin "$REPO"
}
push_commit() {
	git -C "$COPY" add -A
	git -C "$COPY" commit -q --allow-empty -m "$1"
	git -C "$COPY" push -q --force origin HEAD:main
	HEAD=$(git -C "$COPY" rev-parse HEAD)
	say "push ${HEAD:0:12}: $1"
}
# What git says of the job; `start_from` sets all of it, a scenario changes single ones, then write_job and push_commit.
job_defaults() {
	IMAGE=flink:1.20 VERSION=v1_20 ARGS="--delay, '10'" MODE=savepoint STATE=running PARALLELISM=1 JM_MEMORY=800m TM_MEMORY=1024m ANNOTATIONS='{}' EXISTS=1
	CONFIG='# nothing more' # a line of flinkConfiguration
	DEPLOYED=native JAR=local:///opt/flink/usrlib/count.jar
}
write_job() {
	mkdir -p "$COPY/orders"
	rm -rf "$COPY/stateful-job"
	cp -R "$E2E_ROOT/examples/stateful-job" "$COPY/"
	cp "$COPY/stateful-job/sync-account/dev/namespace.yaml" "$COPY/orders/"
	cat >"$COPY/orders/kustomization.yaml" <<-END
		apiVersion: kustomize.config.k8s.io/v1beta1
		kind: Kustomization
		resources:
		- namespace.yaml
	END
	[ "$EXISTS" = 1 ] || return 0
	cat >>"$COPY/orders/kustomization.yaml" <<-END
		- ../stateful-job/overlays/dev
		patches:
		- target:
		    kind: FlinkDeployment
		    name: orders
		  patch: |
		    apiVersion: flink.apache.org/v1beta1
		    kind: FlinkDeployment
		    metadata:
		      name: orders
		      annotations: $ANNOTATIONS
		    spec:
		      image: $IMAGE
		      flinkVersion: $VERSION
		      mode: $DEPLOYED
		      flinkConfiguration:
		        heartbeat.interval: "1000"
		        $CONFIG
		      jobManager:
		        resource:
		          memory: $JM_MEMORY
		      taskManager:
		        resource:
		          memory: $TM_MEMORY
		      job:
		        jarURI: $JAR
		        args: [$ARGS]
		        parallelism: $PARALLELISM
		        state: $STATE
		        upgradeMode: $MODE
		- target:
		    kind: FlinkDeployment
		    name: orders
		  patch: |
		    - op: replace
		      path: /spec/podTemplate/spec/volumes/0/hostPath/path
		      value: $DATA
	END
	[ "$JOB" = orders ] || cat >>"$COPY/orders/kustomization.yaml" <<-END
		- target:
		    kind: FlinkDeployment
		    name: orders
		  options:
		    allowNameChange: true
		  patch: |
		    - op: replace
		      path: /metadata/name
		      value: $JOB
	END
}
change() { # MESSAGE [NAME=VALUE...]
	local message=$1 setting
	shift
	for setting in "$@"; do printf -v "${setting%%=*}" '%s' "${setting#*=}"; done
	write_job
	push_commit "$message"
}
# Arguments that no commit had before: content that was never run, so never quarantined either.
fresh_args() { echo "--delay, '10', --run, $SCENARIO-$(date +%s%N)"; }

# start_from [NAME=VALUE...]: the agent runs, and so does a stable job of this shape; the one of the scenario before, if it can stay.
start_from() {
	job_defaults
	agent_start
	if [ -f "$E2E/shape" ]; then . "$E2E/shape"; else ARGS=$(fresh_args); fi
	change 'where the scenario starts' "$@"
	wait_for 90 'the start is applied' sync_at Applied
	wait_for 150 'the job of the start is stable' settled
}
# start_from_nothing: the agent runs, and there is no job and no ledger.
start_from_nothing() {
	job_defaults
	agent_start
	if ! fd_gone; then deleted 'deleted, to start from nothing'; fi
	forget
	EXISTS=1
}
# forget: nothing is known any more of the jobs that were; the next scenario starts from nothing.
forget() {
	k delete configmap $(k get configmaps -o name 2>/dev/null | sed -n 's|^configmap/\(weir-ledger-.*\)|\1|p') --ignore-not-found >/dev/null 2>&1 || true
	forget_copies
	rm -f "$E2E/shape"
}
# forget_copies: nor in Weir's own namespace.
forget_copies() { kubectl -n default delete configmap weir-states-{0..9} weir-states-{a..f} --ignore-not-found >/dev/null 2>&1 || true; }
# deleted MESSAGE: taken out of git, approved, gone.
deleted() {
	change "$1" EXISTS=0
	wait_for 60 'the brake holds the deletion' sync_at Held
	"$WEIR" approve default >/dev/null
	wait_for 150 'the resource is gone' fd_gone
	no_cluster || fail 'a pod or the Deployment is left'
	wait_for 60 'the sync is done' sync_at Applied
}
settled() { stable && is "$(fd .metadata.generation)" fd .status.observedGeneration && job_runs; }

# ---- agents and the git server ----

# agent_start [NAME=VALUE...]: environment for the agent. AGENT_CONFIG: what its weir.yaml has besides source and sync.
agent_start() {
	local from=(--repo "${REPO_URL:=file://$REPO}" --branch main --path orders --interval 1s)
	if [ -n "${AGENT_CONFIG:-}" ]; then
		cat >"$E2E/weir.yaml" <<-END
			sources:
			- {name: default, url: "$REPO_URL", ref: {branch: main}, interval: 1s}
			syncs:
			- {name: default, source: default, path: orders}
			$AGENT_CONFIG
		END
		from=(--config "$E2E/weir.yaml")
	fi
	env "$@" "$WEIR" agent "${from[@]}" --kubeconfig "$KUBECONFIG" --stable-after 3s --cache-dir "${AGENT_CACHE:-$E2E/cache}" \
		--flink-access "${FLINK_ACCESS:-proxy}" --listen "127.0.0.1:${AGENT_PORT:-9400}" >>"$AGENT_LOG" 2>&1 &
	AGENT=$!
	AGENTS+=("$AGENT")
	echo "$AGENT" >>"$E2E/agents"
}
# How many effects the agent on a port carried out, as it counts itself.
effects_done() {
	curl -s --max-time 5 "http://127.0.0.1:${1:-9400}/metrics" | awk '/^weir_effects_total\{/ && /"ok"/ { n += $NF } END { print n + 0 }'
}
agent_lives() { kill -0 "${1:-$AGENT}" 2>/dev/null; }
agent_dead() { ! agent_lives "$@"; }
# SIGTERM ends it within 5 s, with exit status 0.
agent_stop() {
	local pid=${1:-$AGENT} status=0
	kill -TERM "$pid"
	wait_for 5 "agent $pid ends after SIGTERM" agent_dead "$pid"
	wait "$pid" || status=$?
	[ "$status" = 0 ] || fail "agent $pid ended with status $status"
}
agent_kill() {
	local pid=${1:-$AGENT}
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}
git_http_start() {
	"$CLUSTER" git-http --root "$E2E/git" --listen "127.0.0.1:${1:-0}" >"$E2E/logs/$SCENARIO.git-http" 2>&1 &
	GIT_HTTP=$!
	wait_for 10 'the git server listens' grep -q '^http' "$E2E/logs/$SCENARIO.git-http"
	REPO_URL=$(head -1 "$E2E/logs/$SCENARIO.git-http")/orders.git
}
# Never two launches at once: reads the events of pods until the scenario ends. A JobManager pod of another launch may only appear when
# no pod of the one before is left.
watch_overlap() {
	kubectl -n "$NS" get pods -l "app=$JOB" -w --output-watch-events \
		-o 'jsonpath={.type} {.object.metadata.name} {.object.metadata.labels.component} {.object.metadata.labels.pod-template-hash}{"\n"}' \
		>"$E2E/logs/$SCENARIO.pods" 2>"$E2E/logs/$SCENARIO.pods.err" &
	OVERLAP=$!
}
no_overlap() {
	agent_lives "$OVERLAP" || fail "the watch of pods ended: $(cat "$E2E/logs/$SCENARIO.pods.err")"
	awk '
		$2 ~ /preflight/ { next }
		$1 == "DELETED" { delete alive[$2]; next }
		$1 == "ADDED" && $3 == "jobmanager" {
			for (pod in alive)
				if (alive[pod] != $4) { print "pod " $2 " of a new launch was made while " pod " was there"; bad = 1 }
			hash = $4
			launches++
		}
		!($2 in alive) { alive[$2] = $3 == "jobmanager" ? $4 : hash }
		END { if (!launches) { print "no JobManager was seen"; bad = 1 }; exit bad }' "$E2E/logs/$SCENARIO.pods" ||
		fail 'two launches at a time'
}

at_end() {
	local status=$? pid
	trap - EXIT
	for pid in "${AGENTS[@]}" ${GIT_HTTP:-} ${OVERLAP:-}; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -TERM "$pid" 2>/dev/null || true
	done
	for pid in "${AGENTS[@]}"; do
		for _ in {1..60}; do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || true
	done
	if grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$E2E/logs/$SCENARIO".*agent.log 2>/dev/null; then
		say 'FAILED: a sanitizer found something in the agent'
		status=1
	fi
	# The next scenario goes on with this job.
	if [ "$status" = 0 ] && [ "${EXISTS:-0}" = 1 ]; then
		printf 'IMAGE=%q\nARGS=%q\n' "$IMAGE" "$ARGS" >"$E2E/shape"
	fi
	exit "$status"
}

# ---- for run.sh, after a failure ----

dump() {
	local pod
	set +e
	echo "---- the agent's log"; tail -n 80 "$E2E/logs/$SCENARIO".*agent.log
	echo "---- weir status"; "$WEIR" status
	echo "---- objects"; k get flinkdeployments,deployments,pods,services,configmaps -o wide
	echo "---- the resource"; k get flinkdeployment "$JOB" -o yaml | head -150
	echo "---- the ledger"; ledger; echo
	echo "---- events"; k get events --sort-by=.lastTimestamp | tail -25
	for pod in $(k get pods -o name); do
		echo "---- log of $pod"
		k logs "$pod" --all-containers --tail=25
		k logs "$pod" --previous --tail=15 2>/dev/null
	done
	echo "---- REST"; rest /jobs/overview; echo
	return 0
}
# Nothing of the job is left, in the cluster, in git and in the agent's cache. No agent runs any more.
reset() {
	local pid
	set +e
	for pid in $(cat "$E2E/agents"); do
		[ "$(readlink "/proc/$pid/exe")" != "$WEIR" ] || kill -KILL "$pid"
	done
	"$CLUSTER" ctl --dir "$DIR" start-apiserver 2>/dev/null
	"$CLUSTER" ctl --dir "$DIR" thaw-node 2>/dev/null
	k get flinkdeployments,flinksessionjobs,flinkstatesnapshots -o name |
		xargs -r kubectl -n "$NS" patch --type=merge -p '{"metadata":{"finalizers":null}}'
	kubectl delete namespace "$NS" --wait=true --timeout=60s
	kubectl -n default delete configmap -l weir.dev/inventory
	forget_copies
	kubectl -n default delete lease weir-agent
	rm -rf "$REPO" "$COPY" "$E2E"/cache* "$E2E/shape" "$E2E/agents"
	fd_gone
}

case ${1:-} in
dump) dump; exit ;;
reset) reset; exit ;;
esac
trap at_end EXIT
trap 'exit 143' TERM INT HUP
repo_ready
