# Shared by the stories of tests/integration, each of which `weir demo` runs against a fresh embedded cluster, with an agent that follows
# branch main, path orders. A story sources this file, makes a first deployment of the folder `orders` beside it, and then asks its question.
# Nothing here waits for a time, only for a condition, at most `limit` seconds.
set -euo pipefail
: "${WEIR:?}" "${KUBECONFIG:?}" "${STORY_REPO:?}" "${STORY_WORK:?}"
export KUBECONFIG
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
examples=$here/../../examples
server=$(sed -n 's/.*server: "\([^"]*\)".*/\1/p' "$KUBECONFIG")
copy=$STORY_WORK/copy
logs=$STORY_WORK/.. # of the agents
limit=${STORY_LIMIT:-30}
ns=orders-dev
job=$ns/orders
interval=500ms # of the agents that the story starts
children=()
head=

# ---- telling ----

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
die() {
	trap - ERR
	printf '%4d s  this did not happen: %s\n' "$SECONDS" "$*" >&2
	"$WEIR" status >&2 || true
	tail -n 5 "$logs"/agent*.log >&2 || true
	exit 1
}
finish() {
	local pid
	for pid in "${children[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -KILL "$pid" 2>/dev/null || true
	done
}
trap finish EXIT
trap 'die "line $LINENO of $0: $BASH_COMMAND"' ERR
# until_true WHAT COMMAND...
until_true() {
	local what=$1 end=$((SECONDS + limit))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || die "$what"
		sleep 0.1
	done
}
# expect WHAT COMMAND...: true at once.
expect() {
	local what=$1
	shift
	"$@" || die "$what"
}
refute() {
	local what=$1
	shift
	if "$@"; then die "$what"; fi
}

# ---- looking ----

flat() { awk -f "$examples/json.awk"; }
pick() { awk -F '\t' -v p="$1" '$1 == p && !n++ { print $2 }'; } # the value at a path
look() { seen=$("$WEIR" status -o json 2>/dev/null | flat) || seen=; }
sync_state() { pick '.syncs[0].state' <<<"$seen"; }
sync_message() { pick '.syncs[0].message' <<<"$seen"; }
sync_commit() { pick '.syncs[0].commit' <<<"$seen"; }
resource() { pick ".resources[0].$1" <<<"$seen"; }
applied() { look && [ "$(sync_state)" = Applied ] && [ "$(sync_commit)" = "$head" ]; }
# says STATE TEXT...: the sync is in that state and its message holds all the texts.
says() {
	local state=$1 text message
	shift
	look
	[ "$(sync_state)" = "$state" ] || return 1
	message=$(sync_message)
	for text in "$@"; do [[ $message == *"$text"* ]] || return 1; done
}
api() { # METHOD PATH [curl's options]
	local method=$1 path=$2
	shift 2
	curl -sf --max-time 10 -X "$method" "$@" "$server$path"
}
at() { { api GET "$1" || echo '{}'; } | flat | pick "$2"; } # PATH FIELD, empty if the object is not there
setting() { [ "$(at "/api/v1/namespaces/$ns/configmaps/orders-settings" ".data.$1")" = "$2" ]; }
leader() { at /apis/coordination.k8s.io/v1/namespaces/default/leases/weir-agent .spec.holderIdentity; }
# The stored versions of what a plan or an idle agent must not touch; what Flink writes by itself is not among it.
versions() {
	local path
	for path in /api/v1/namespaces/{default,$ns}/{"configmaps?labelSelector=type!%3Dflink-native-kubernetes",pods,secrets} \
		/apis/{flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments,apps/v1/namespaces/$ns/deployments}; do
		api GET "$path" | flat | grep -E '\]\.metadata\.(name|resourceVersion)' | sed "s|^|$path |" || true
	done
}

# The running job: its id, and what would be another if anybody had touched it.
sees_job() {
	local answer
	answer=$("$WEIR" rest "$job" /jobs/overview 2>/dev/null | flat) || return 1
	[ "$(pick '.jobs[0].state' <<<"$answer")" = RUNNING ] || return 1
	id=$(pick '.jobs[0].jid' <<<"$answer")
}
fingerprint() {
	sees_job || return 1
	printf '%s\n' "$id" "$(at "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders" .metadata.generation)" \
		"$(at "/apis/apps/v1/namespaces/$ns/deployments/orders" .metadata.uid)"
	api GET "/api/v1/namespaces/$ns/pods?labelSelector=app%3Dorders" | flat | grep -E '\.metadata\.uid' | sort
}
remember() { until_true 'the job runs' sees_job && kept=$(fingerprint); }
untouched() {
	local now
	now=$(fingerprint) || now='no running job'
	[ "$now" = "$kept" ] || die "the job was left alone; it was: $kept; it is: $now"
	look
	[ "$(resource lifecycleState)" = STABLE ] && [ "$(resource jobState)" = RUNNING ] || die 'the job is shown as running and stable'
}

# ---- changing ----

fresh_tree() { # the good files and nothing else
	rm -rf "${copy:?}"/*
	cp -R "$here/orders" "$copy/"
}
add_resource() { sed -i "s|^resources:|&\n- $1|" "$copy/orders/kustomization.yaml"; }
put() { sed -i "s|^\( *\)$2:.*|\1$2: $3|" "$copy/orders/$1"; } # FILE KEY VALUE
commit() {
	git -C "$copy" commit -q --allow-empty -m "$1"
	git -C "$copy" push -q --force origin HEAD:main
	head=$(git -C "$copy" rev-parse HEAD)
	say "push ${head:0:12} \"$1\""
}
push() {
	git -C "$copy" add -A
	commit "$1"
}
stable() { applied && [ "$(resource lifecycleState)" = STABLE ]; }
first_deployment() {
	git init -q --initial-branch=main "$copy"
	git -C "$copy" config user.name story
	git -C "$copy" config user.email story@example.org
	git -C "$copy" config commit.gpgsign false
	git -C "$copy" remote add origin "$STORY_REPO"
	fresh_tree
	push 'first version'
	until_true 'the first version is applied and stable' stable
	remember
	say "job ${id:0:8} runs"
}

# ---- agents ----

running() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:.[ZX]' "/proc/$1/status" 2>/dev/null; }
ended() { ! running "$1"; }
demo_agent() { pgrep -P "$PPID" -x weir; } # the one that the demo started
start_agent() { # NAME [OPTION...]: its process is then in $agent, its log in agent-NAME.log
	local name=$1
	shift
	"$WEIR" agent --repo "file://$STORY_REPO" --branch main --path orders --interval "$interval" --cache-dir "$STORY_WORK/cache-$name" \
		--stable-after 1s --start-deadline 60s "$@" >"$logs/agent-$name.log" 2>&1 &
	agent=$!
	children+=("$agent")
}
has_fetched() { # NAME: the agent's cache holds the last push
	[ "$(git --git-dir="$(echo "$STORY_WORK/cache-$1"/*/)" rev-parse -q --verify refs/weir/current 2>/dev/null)" = "$head" ]
}
leads() { grep -q 'this agent leads' "$logs/agent-$1.log"; }
# start_relay NAME [HOST PORT]: a relay to there, or a server that never answers; its process is in $relay, its port in $port.
start_relay() {
	local file=$STORY_WORK/port-$1
	shift
	python3 "$here/relay.py" "$file" "$@" &
	relay=$!
	children+=("$relay")
	until_true 'the relay listens' test -s "$file"
	port=$(<"$file")
}
# Something was sent to that port that nobody reads.
waits_at() { awk -v at="$(printf ':%04X' "$1")" '$2 ~ at "$" && $4 == "01" { split($5, q, ":"); if (q[2] != "00000000") n++ } END { exit !n }' /proc/net/tcp; }
stop_agent() { # PROCESS: SIGTERM ends it within a second, also where nobody answers it
	local began=${EPOCHREALTIME/[.,]/} took
	kill -TERM "$1"
	until_true "process $1 ends" ended "$1"
	took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	say "ended $took ms after SIGTERM"
	[ "$took" -le 2000 ] || die 'the agent ends within a second' # the rest is for looking, and for slow machines
}
