#!/usr/bin/env bash
# One measurement on the embedded cluster. `weir demo` runs it in place of its story; tests/bench/run.sh says which by BENCH_PHASE:
#   memory  idle memory with BENCH_COUNT FlinkDeployments synced from git, of which BENCH_RUNNING run and the others are suspended
#   quiet   what an agent asks of the API server and of git while nothing changes
#   push    from a push of 100 objects to applied
#   scale   what BENCH_COUNT FlinkDeployments cost, of which BENCH_RUNNING run; no git: they are made in the cluster itself
# The rows of the table go to BENCH_ROWS as name, goal, measured, separated by tabs.
set -euo pipefail
: "${WEIR:?}" "${KUBECONFIG:?}" "${STORY_REPO:?}" "${STORY_WORK:?}" "${BENCH_PHASE:?}" "${BENCH_ROWS:?}"
here=$(cd "$(dirname "$0")" && pwd)
copy=$STORY_WORK/copy
server=$(sed -n 's/.*server: "\([^"]*\)".*/\1/p' "$KUBECONFIG")
limit=${BENCH_LIMIT:-900}
window=${BENCH_WINDOW:-70} # seconds; a pass comes at least every 60
children=()

row() { printf '%s\t%s\t%s\n' "$@" >>"$BENCH_ROWS"; }
say() { printf '  %s\n' "$*" >&2; }
finish() {
	local pid
	for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
}
trap finish EXIT
until_true() { # WHAT COMMAND...
	local what=$1 end=$((SECONDS + limit))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || { echo "this did not happen within $limit s: $what" >&2; tail -n 5 "$STORY_WORK/agent.log" >&2; exit 1; }
		sleep "${pause:-0.2}"
	done
}
micros() { echo "${EPOCHREALTIME/[.,]/}"; }

# The agent that the demo started gives way to one with options of our own.
demo_agent=$(pgrep -P "$PPID" -x weir)
kill "$demo_agent"
gone() { ! kill -0 "$demo_agent" 2>/dev/null || grep -q '^State:.Z' "/proc/$demo_agent/status"; }
until_true 'the agent of the demo ends' gone

start_agent() { # KUBECONFIG URL INTERVAL OPTION...
	local config=$1 url=$2 interval=$3
	shift 3
	"$WEIR" agent --kubeconfig "$config" --repo "$url" --branch main --path bench --interval "$interval" --cache-dir "$STORY_WORK/cache" \
		--stable-after 1s --start-deadline 10m "$@" 2>"$STORY_WORK/agent.log" &
	agent=$!
	children+=("$agent")
}
push() {
	git -C "$copy" add -A
	git -C "$copy" commit -q -m "$1"
	git -C "$copy" push -q origin HEAD:main
	head=$(git -C "$copy" rev-parse HEAD)
}
inventory() { curl -sf "$server/api/v1/namespaces/default/configmaps?labelSelector=weir.dev/inventory"; }
applied() { # the status fields come before the objects in the inventory
	local text
	text=$(inventory) && [[ $text == *"$head"* && $text == *'\"state\": \"Applied\"'* ]]
}
# A job that was never started is called CREATED.
all_settled() { # STABLE SUSPENDED
	local seen
	seen=$("$WEIR" status -o json) || return 1
	[ "$(grep -c '"lifecycleState": "STABLE"' <<<"$seen")" -eq "$1" ] && [ "$(grep -cE '"lifecycleState": "(SUSPENDED|CREATED)"' <<<"$seen")" -eq "$2" ]
}
deployments() { [ "$(curl -sf "$server/apis/apps/v1/deployments" | grep -o '"kind": *"Deployment"' | wc -l)" -ge "$1" ]; }
memory() { # FIELD of smaps_rollup, in MB
	awk -v f="$1:" '$1 == f { printf "%.1f", $2 / 1024 }' "/proc/$agent/smaps_rollup"
}
# requests FROM TO: what the agent asked of the API server between two times, by kind, per second.
requests() {
	awk -v a="$1" -v b="$2" '
		$1 < a || $1 > b { next }
		{ what = $3 ~ /\/leases/ ? "Lease" : $3 ~ /dryRun=All/ ? "dry runs" : $3 ~ /\/proxy\// ? "Flink" : $2 ~ /GET|HEAD/ ? "reads" : "writes"; n[what]++ }
		END { for (k = split("reads,dry runs,writes,Flink,Lease", order, ","); ++i <= k;) printf "%s%s %.2f/s", (i > 1 ? ", " : ""), order[i], n[order[i]] / (b - a) }
	' "$STORY_WORK/api.log"
}

git init -q --initial-branch=main "$copy"
git -C "$copy" config user.name bench
git -C "$copy" config user.email bench@example.org
git -C "$copy" config commit.gpgsign false
git -C "$copy" remote add origin "$STORY_REPO"

# start_helper NAME COMMAND...: a server that prints its port and ends with its standard input.
start_helper() {
	local name=$1
	shift
	mkfifo "$STORY_WORK/$name.in"
	"$@" <"$STORY_WORK/$name.in" >"$STORY_WORK/$name.port" &
	children+=("$!")
	exec {held}>"$STORY_WORK/$name.in"
	until_true "$name listens" test -s "$STORY_WORK/$name.port"
	port=$(cat "$STORY_WORK/$name.port")
}

# The agent's way to the API server, with a log of each request.
start_api_witness() {
	start_helper api-witness python3 "$here/witness.py" "${server#http://}" "$STORY_WORK/api.log"
	sed "s|$server|http://127.0.0.1:$port|" "$KUBECONFIG" >"$STORY_WORK/kubeconfig"
}

measure_memory() { # COUNT RUNNING
	local count=$1 running=$2 t0 t1 t2
	"$here/generate.sh" jobs "$count" "$copy/bench" "$running"
	push "$count jobs"
	start_api_witness
	[ "$count" -lt 100 ] || pause=2 # a look at many objects is dear for the cluster
	t0=$(micros)
	start_agent "$STORY_WORK/kubeconfig" "file://$STORY_REPO" 2s
	until_true "$running JobManager Deployments" deployments "$running"
	t1=$(micros)
	say "$running job(s): every Deployment is there after $(((t1 - t0) / 1000)) ms"
	until_true "$count FlinkDeployments are stable or suspended" all_settled "$running" $((count - running))
	until_true 'the sync is applied' applied
	t2=$(micros)
	say "$count FlinkDeployment(s): settled after $(((t2 - t0) / 1000)) ms"
	local from anonymous rss
	pause=
	sleep 5 # what is still under way settles
	from=$EPOCHREALTIME
	anonymous=$(memory Anonymous)
	rss=$(memory Rss)
	sleep "$window"
	if [ "$count" -eq 1 ]; then
		row 'agent, 1 job, idle: anonymous memory' '< 6 MB' "$(memory Anonymous) MB"
		row 'agent, 1 job, idle: RSS' '< 18 MB' "$(memory Rss) MB"
	else
		row "agent, $count FlinkDeployments ($running run), idle: RSS" '< 60 MB' "$(memory Rss) MB"
		row "agent, $count FlinkDeployments ($running run), idle: anonymous memory" '' "$(memory Anonymous) MB"
	fi
	row "agent, $count: RSS, peak" '' "$(awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$agent/status") MB"
	row "agent, $count: growth over $window s of idling (anonymous, RSS)" '' \
		"$(awk -v a="$anonymous" -v b="$(memory Anonymous)" -v c="$rss" -v d="$(memory Rss)" 'BEGIN { printf "%+.1f, %+.1f MB", b - a, d - c }')"
	row "agent, $count, idle $window s: requests to the API" '' "$(requests "$from" "$EPOCHREALTIME")"
	row "agent, $count: all $running JobManager Deployments after" '' "$(((t1 - t0) / 1000)) ms"
	row "agent, $count: all stable or suspended after" '' "$(((t2 - t0) / 1000)) ms"
}

measure_quiet() {
	"$here/generate.sh" objects 100 "$copy/bench"
	"$here/generate.sh" jobs 1 "$copy/bench/jobs"
	sed -i 's/^namePrefix:.*//' "$copy/bench/jobs/kustomization.yaml"
	echo '- jobs' >>"$copy/bench/kustomization.yaml"
	push '100 objects and a job'
	start_helper git python3 "$here/../unit/git/fixtures/http_server.py" --root "$(dirname "$STORY_REPO")"
	start_helper git-witness python3 "$here/witness.py" "127.0.0.1:$port" "$STORY_WORK/git.log"
	local git_port=$port
	start_api_witness
	start_agent "$STORY_WORK/kubeconfig" "http://127.0.0.1:$git_port/$(basename "$STORY_REPO")" 2s
	until_true 'the sync is applied' applied
	until_true 'the job is stable' all_settled 1 0
	# Both logs must have seen the writes and the fetch that were needed, or they would not see those that are not.
	grep -q ' PATCH ' "$STORY_WORK/api.log" && grep -q ' POST .*/git-upload-pack' "$STORY_WORK/git.log" || {
		echo 'the witnesses saw no write or no fetch' >&2
		exit 1
	}
	sleep 5 # what is still under way settles
	local from to
	from=$EPOCHREALTIME
	sleep "$window"
	to=$EPOCHREALTIME
	awk -v a="$from" -v b="$to" '$1 >= a && $1 <= b' "$STORY_WORK/api.log" >"$STORY_WORK/api.quiet"
	awk -v a="$from" -v b="$to" '$1 >= a && $1 <= b' "$STORY_WORK/git.log" >"$STORY_WORK/git.quiet"
	local writes dry passes lease listings fetches
	writes=$(awk '$2 !~ /GET|HEAD/ && $3 !~ /dryRun=All/ && $3 !~ /\/leases(\/|\?|$)/' "$STORY_WORK/api.quiet" | tee "$STORY_WORK/api.writes" | wc -l)
	lease=$(grep -c '/leases' "$STORY_WORK/api.quiet" || true)
	dry=$(grep -c 'dryRun=All' "$STORY_WORK/api.quiet" || true)
	listings=$(grep -c ' GET .*/info/refs' "$STORY_WORK/git.quiet" || true)
	fetches=$(grep -vc ' GET .*/info/refs' "$STORY_WORK/git.quiet" || true)
	[ "$dry" -gt 0 ] || echo "no pass fell into the window of $window s" >&2
	row "no-op passes over 101 objects, $window s: writes to the API (Lease apart)" 0 "$writes"
	row "no-op passes: git requests beyond the ref listing" 0 "$fetches of $((listings + fetches))"
	row "no-op passes: other requests to the API" '' "$(awk '$2 ~ /GET|HEAD/ && $3 !~ /\/leases/' "$STORY_WORK/api.quiet" | wc -l) reads, $dry dry runs, $lease for the Lease"
	sed 's/^[0-9.]* /  a write: /' "$STORY_WORK/api.writes" | sort | uniq -c | head -n 5 >&2
}

all_hold() { # VALUE: each of the 100 objects has it
	local core=$server/api/v1/namespaces/default
	[ "$(curl -sf "$core/configmaps" "$core/services" "$core/serviceaccounts" | grep -o "\"value\": *\"$1\"" | wc -l)" -eq 100 ]
}
measure_push() {
	local i t0 t1 times=()
	"$here/generate.sh" objects 100 "$copy/bench" 0
	push 'before the first'
	start_agent "$KUBECONFIG" "file://$STORY_REPO" 50ms
	until_true 'the first push is applied' applied
	for i in 1 2 3 4 5 6 7 8 9; do
		"$here/generate.sh" objects 100 "$copy/bench" "$i"
		push "values $i"
		t0=$(micros)
		until all_hold "$i" && applied; do
			[ $(($(micros) - t0)) -lt 60000000 ] || { echo "push $i was not applied within 60 s" >&2; exit 1; }
		done
		t1=$(micros)
		times+=($(((t1 - t0) / 1000)))
	done
	row 'push to applied, 100 changed objects, poll interval of 50 ms included: median of 9' '< 300 ms' \
		"$(printf '%s\n' "${times[@]}" | sort -n | sed -n 5p) ms"
	row 'push to applied: fastest and slowest' '' \
		"$(printf '%s\n' "${times[@]}" | sort -n | sed -n 1p) and $(printf '%s\n' "${times[@]}" | sort -n | tail -n 1) ms"
}

settled() { # COUNT: so many are stable or suspended
	local all=$server/apis/flink.apache.org/v1beta1/flinkdeployments
	[ "$(curl -sf "$all" | grep -oE '"lifecycleState": *"(STABLE|SUSPENDED|CREATED)"' | wc -l)" -ge "$1" ]
}
ticks() { awk '{ print $14 + $15 }' "/proc/$agent/stat"; }
idle() { # less than 5 % of a processor for 3 s
	local before
	before=$(ticks)
	sleep 3
	[ $(($(ticks) - before)) -le $((3 * hz / 20)) ]
}
start_scale_agent() {
	"$WEIR" agent --kubeconfig "$STORY_WORK/kubeconfig" --config "$STORY_WORK/scale.yaml" --cache-dir "$STORY_WORK/cache" \
		--stable-after 1s --start-deadline 30m 2>"$STORY_WORK/agent.log" &
	agent=$!
	children+=("$agent")
}
measure_scale() { # COUNT RUNNING
	local count=$1 running=$2 what
	what="agent, $count FlinkDeployments ($running run)"
	python3 "$here/load.py" "$server" "$count" "$running"
	start_api_witness
	printf 'sources: []\nsyncs: []\n' >"$STORY_WORK/scale.yaml"
	pause=5
	local t0 t1 hz from c0 c1
	hz=$(getconf CLK_TCK)
	t0=$(micros)
	start_scale_agent
	until_true "$count FlinkDeployments are stable or suspended" settled "$count"
	t1=$(micros)
	row "$what: settled after" '' "$(((t1 - t0) / 1000000)) s"
	row "$what: agent's CPU until then" '' "$(awk -v t="$(ticks)" -v hz="$hz" 'BEGIN { printf "%.1f s", t / hz }')"
	until_true 'the agent is idle' idle
	# Another one has to look at everything once: it lists all kinds and takes the turn of every job.
	kill "$agent"
	wait "$agent" || true
	start_scale_agent
	until_true 'the agent leads' grep -q 'this agent leads' "$STORY_WORK/agent.log"
	until_true 'the agent is idle' idle
	row "$what: CPU of a start and a look at all of them" "$([ "$count" -lt 10000 ] || echo '< 10 s')" \
		"$(awk -v t="$(ticks)" -v hz="$hz" 'BEGIN { printf "%.2f s", t / hz }')"
	row "$what: RSS then" "$([ "$count" -lt 10000 ] || echo '< 250 MB')" "$(memory Rss) MB"
	from=$EPOCHREALTIME
	c0=$(ticks)
	sleep "$window"
	c1=$(ticks)
	row "$what, idle: CPU" "$([ "$count" -gt 1000 ] || echo '< 2 %')" \
		"$(awk -v c="$((c1 - c0))" -v hz="$hz" -v w="$window" 'BEGIN { printf "%.2f %%", 100 * c / hz / w }')"
	row "$what, idle $window s: requests to the API" '' "$(requests "$from" "$EPOCHREALTIME")"
}

case $BENCH_PHASE in
scale) measure_scale "${BENCH_COUNT:?}" "${BENCH_RUNNING:?}" ;;
memory) measure_memory "${BENCH_COUNT:?}" "${BENCH_RUNNING:?}" ;;
quiet) measure_quiet ;;
push) measure_push ;;
*) echo "$0: no such phase: $BENCH_PHASE" >&2; exit 2 ;;
esac
