#!/usr/bin/env bash
# The life of one Flink job, told by commits: deployed, upgraded with its state, resized, refused, rolled back, fixed, suspended,
# resumed and deleted. Each step waits until it really happened, and the exit status is 0 only if all of them did. What is shown of
# the job comes from the job's own REST answers. `weir demo` and the end-to-end tests run it; an agent that follows branch main of the
# repository, path orders, must be running.
#
#   WEIR        the program weir              STORY_REPO  the bare git repository to push to
#   KUBECONFIG  the cluster                   STORY_WORK  a folder for the working copy; what an earlier story left there is removed
#   STORY_URL   what the agent follows, only shown
#   STORY_DATA  the folder on the node that keeps the job's state; default: the one that the example names
#   STORY_LIMIT the most seconds that one step may take; default 240
set -eu
examples=$(cd "$(dirname "$0")" && pwd)
: "${WEIR:?}" "${KUBECONFIG:?}" "${STORY_REPO:?}" "${STORY_WORK:?}"
export KUBECONFIG
limit=${STORY_LIMIT:-240}
copy=$STORY_WORK/orders-repository
job=orders-dev/orders
orders=stateful-job/base/orders.yaml
settings='--settings, /opt/flink/job/job.properties'
began=$(date +%s%N)

# ---- telling ----

now() { awk -v a="$began" -v b="$(date +%s%N)" 'BEGIN { printf "%5.1f", (b - a) / 1e9 }'; }
say() { printf '%s s    %s\n' "$(now)" "$*"; }
step() {
	number=$((${number:-0} + 1))
	printf '\n%s s  %d. %s\n' "$(now)" "$number" "$*"
}
die() {
	printf '\n%s s  this did not happen: %s\n' "$(now)" "$*" >&2
	"$WEIR" status >&2 || true
	exit 1
}
# until_true WHAT COMMAND...: waits for the command to succeed, as long as a step may take.
until_true() {
	local what=$1 end=$((SECONDS + limit))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || die "$what"
		sleep 0.1
	done
}

# ---- looking ----

flat() { awk -f "$examples/json.awk"; }
pick() { awk -F '\t' -v p="$1" '$1 == p && !n++ { print $2 }'; } # the value at a path
look() { seen=$("$WEIR" status -o json 2>/dev/null | flat) || seen=; }
sync_is() { look && [ "$(pick '.syncs[0].state' <<<"$seen")" = "$1" ]; }
sync_says() { pick '.syncs[0].message' <<<"$seen" | grep -qF -- "$1"; }
sync_at() { [ "$(pick '.syncs[0].commit' <<<"$seen")" = "$head" ]; }
# The job's field in the last look; the path of a resource is found by its name.
field() {
	awk -F '\t' -v name="${job#*/}" -v field="$1" '
		$1 ~ /^\.resources\[[0-9]+\]\.name$/ && $2 == name { at = substr($1, 1, length($1) - 4) field }
		{ value[$1] = $2 }
		END { if (at != "") print value[at] }' <<<"$seen"
}
lifecycle_is() { look && [[ " $* " == *" $(field lifecycleState) "* ]]; }
job_gone() { look && [ -n "$seen" ] && [ -z "$(field name)" ]; }
rest() { "$WEIR" rest "$job" "$1" 2>/dev/null | flat; }

# The running job as its JobManager shows it: id and count.
see_job() {
	local answer
	id=
	count=
	answer=$(rest /jobs/overview) || return 1
	[ "$(pick '.jobs[0].state' <<<"$answer")" = RUNNING ] || return 1
	id=$(pick '.jobs[0].jid' <<<"$answer")
	answer=$(rest "/jobs/$id/accumulators") || return 1
	count=$(awk -F '\t' '
		/^\.user-task-accumulators/ { at = $1; sub(/\.[a-z]+$/, "", at) }
		$1 == at ".name" { name = $2 }
		$1 == at ".value" && name == "count" { print $2 }' <<<"$answer")
	[ -n "$count" ]
}
counts_to() { see_job && [ "$count" -ge "$1" ]; }
is_new() { see_job && [ "$id" != "$old" ]; }
content_runs() { look && [ "$(field commit)" = "$head" ] && is_new; }

# The number to go on from. A job that starts anew counts a hundred a second: the number is to be out of its reach.
remember() {
	until_true 'the job counts' counts_to "${1:-200}"
	old=$id
	before=$count
}
# The job that runs now was given state, and counts on from where the one before was.
went_on() {
	until_true "the count goes on after $before" counts_to "$before"
	local from
	from=$(rest "/jobs/$id/checkpoints" | pick '.latest.restored.external_path')
	[ -n "$from" ] || die "job $id was given state"
	[ "$id" != "$old" ] || die 'the job was started anew'
	say "job ${id:0:8} goes on from ${from##*/}: it was $before, it is $count"
}

# ---- changing ----

push() {
	git -C "$copy" add -A
	git -C "$copy" commit -q -m "$1"
	git -C "$copy" push -q origin HEAD:main
	head=$(git -C "$copy" rev-parse HEAD)
	say "push ${head:0:12} \"$1\""
}
# put KEY TEXT: sets a line of the job's manifest.
put() { sed -i "s|^\( *\)$1: .*|\1$1: $2|" "$copy/$orders"; }

# ---- the story ----

[ -z "${STORY_URL:-}" ] || say "the agent follows $STORY_URL, branch main, path orders"
rm -rf "$copy"
git init -q --initial-branch=main "$copy"
git -C "$copy" config user.name story
git -C "$copy" config user.email story@example.org
git -C "$copy" config commit.gpgsign false
git -C "$copy" remote add origin "$STORY_REPO"
if git -C "$copy" fetch -q origin main 2>/dev/null; then
	git -C "$copy" reset -q --hard FETCH_HEAD
	rm -rf "${copy:?}/orders" "${copy:?}/stateful-job"
fi

step 'A first deployment'
mkdir "$copy/orders"
cp -R "$examples/stateful-job" "$copy/"
cp "$examples/stateful-job/sync-account/dev/namespace.yaml" "$copy/orders/"
cat >"$copy/orders/kustomization.yaml" <<'END'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- namespace.yaml
- ../stateful-job/overlays/dev
patches:
# Running counts come to the JobManager with the heartbeats: every second, so that the story is told sooner.
- target:
    kind: FlinkDeployment
    name: orders
  patch: |
    - op: add
      path: /spec/flinkConfiguration/heartbeat.interval
      value: "1000"
END
[ -z "${STORY_DATA:-}" ] || sed -i "s|^\( *path: \)/tmp/weir-flink-data$|\1$STORY_DATA|" "$copy/$orders"
push 'orders: first version'
old=
until_true 'the first version runs' content_runs
remember 100
say "job ${id:0:8} runs, it has counted to $count"

step 'A commit that upgrades: stopped with a savepoint, started from it'
remember
put image flink:1.20-v2
push 'orders: image 1.20-v2'
until_true 'the new version runs' content_runs
went_on

step 'A change of the overlay: parallelism 2 and larger TaskManagers'
remember
cp "$copy/stateful-job/overlays/prod/patch-size.yaml" "$copy/stateful-job/overlays/dev/"
echo '- path: patch-size.yaml' >>"$copy/stateful-job/overlays/dev/kustomization.yaml"
push 'orders-dev: twice the size'
until_true 'the larger job runs' content_runs
went_on
two_wide() {
	[ "$(rest "/jobs/$id/config" | pick '.execution-config.job-parallelism')" = 2 ] && [ -n "$(rest /taskmanagers | pick '.taskmanagers[1].id')" ]
}
until_true 'the job is two wide, on two TaskManagers' two_wide
say 'its parallelism is 2, on two TaskManagers'
until_true 'the larger job is stable' lifecycle_is STABLE

step 'A commit that preflight refuses: there is no such image'
remember
put image flink:does-not-exist
push 'orders: an image that was never built'
refused() { sync_is Withheld && sync_at && sync_says 'refused by preflight'; }
until_true 'the commit is refused' refused
say "$(pick '.syncs[0].message' <<<"$seen")"
until_true 'the running job counts on' counts_to $((before + 1))
[ "$id" = "$old" ] || die 'the running job was left alone'
say "job ${id:0:8} was not touched: it was $before, it is $count"

step 'A commit that starts and fails: rolled back'
remember
put image flink:1.20-v2
put args "[$settings, --broken]"
push 'orders: a bug in main'
quarantined() { sync_is Withheld && sync_at && sync_says quarantined && is_new; }
until_true 'the broken version is rolled back and quarantined' quarantined
went_on
say "$(pick '.syncs[0].message' <<<"$seen")"

step 'The fix'
remember
put image flink:1.20-v3
put args "[$settings, --fixed]"
push 'orders: the bug is fixed'
until_true 'the fix runs' content_runs
went_on
applied() { sync_is Applied && sync_at; }
until_true 'git and cluster are the same again' applied

step 'Suspend'
remember
put state suspended
push 'orders: closed over night'
until_true 'the job is suspended' lifecycle_is SUSPENDED
! see_job || die 'the job is gone'
say "suspended, its state is $(field lastSavepoint)"

step 'Resume'
put state running
push 'orders: open again'
until_true 'the job runs again' is_new
went_on

step 'Delete: held back, approved, a last savepoint'
remember
sed -i '/stateful-job/d; /^patches:/,$d' "$copy/orders/kustomization.yaml"
push 'orders: no longer needed'
held() { sync_is Held && sync_at; }
until_true 'the brake holds the deletion back' held
say "$(pick '.syncs[0].message' <<<"$seen")"
until_true 'the job counts on until somebody says yes' counts_to $((before + 1))
[ "$id" = "$old" ] || die 'the job was left alone'
"$WEIR" approve default | sed 's/^/           /'
until_true 'the job is gone' job_gone
until_true 'git and cluster are the same' applied
say 'gone; its history, and where its last state is, stay in the ledger'

printf '\n%s s  The end: every step happened.\n' "$(now)"
