#!/usr/bin/env bash
# Two syncs of one repository: a job that moves from one folder to the other changes hands, and is not touched; one that is in both stays with
# the first. And a sync's interval puts drift right without a push.
. "$(dirname "$0")/../lib.sh"

first_deployment
stop_agent "$(demo_agent)"
mkdir "$copy/team"
cat >"$copy/team/team.yaml" <<END
apiVersion: v1
kind: ConfigMap
metadata:
  name: team
  namespace: $ns
data:
  of: team
END
cat >"$STORY_WORK/weir.yaml" <<END
namespace: default
cacheDir: $STORY_WORK/cache-two
stableAfter: 1s
sources:
- name: repo
  url: file://$STORY_REPO
  ref: {branch: main}
  interval: $interval
syncs:
- {name: default, source: repo, path: orders, interval: 1s}
- {name: team, source: repo, path: team, interval: 1s}
END
push 'a second folder'
"$WEIR" agent --config "$STORY_WORK/weir.yaml" >"$logs/agent-two.log" 2>&1 &
agent=$!
children+=("$agent")
both() { # STATE STATE: of the syncs `default` and `team`, at the last commit
	local i
	look
	for i in 0 1; do
		[ "$(pick ".syncs[$i].commit" <<<"$seen")" = "$head" ] || return 1
		case $(pick ".syncs[$i].name" <<<"$seen") in
		default) [ "$(pick ".syncs[$i].state" <<<"$seen")" = "$1" ] || return 1 ;;
		team) [ "$(pick ".syncs[$i].state" <<<"$seen")" = "$2" ] || return 1 ;;
		*) return 1 ;;
		esac
	done
}
until_true 'both syncs are applied' both Applied Applied
untouched

merge() { api PATCH "$1" -H 'Content-Type: application/merge-patch+json' -d "$2" >/dev/null; }
merge "/api/v1/namespaces/$ns/configmaps/orders-settings" '{"data":{"greeting":"by hand"}}'
until_true 'drift is put right without a push' setting greeting hello
grep -q 'took .data.greeting from' "$logs/agent-two.log" || die 'the log says from whom it was taken'

cp "$copy/orders/settings.yaml" "$copy/team/"
sed -i "s|^  name: orders-settings|&\n  namespace: $ns|; s|greeting: .*|greeting: of the team|" "$copy/team/settings.yaml"
push 'one object in both folders'
until_true 'the second is refused' both Applied Failed
[[ $seen == *'held by sync default'* ]] || die "the message names the other sync: $seen"
expect 'the first keeps it' setting greeting hello

holder() { [[ $(api GET "/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders") == *"\"weir.dev/sync\":\"$1\""* ]]; }
expect 'the job belongs to the first sync' holder default
sed "s|^  name: orders$|&\n  namespace: $ns|" "$copy/orders/job.yaml" >"$copy/team/job.yaml"
rm "$copy/orders/job.yaml" "$copy/orders/settings.yaml"
sed -i '/job.yaml/d; /settings.yaml/d' "$copy/orders/kustomization.yaml"
push 'the job moves to the other folder'
until_true 'both syncs are applied' both Applied Applied
expect 'the job belongs to the second sync' holder team
expect 'what they share is as the second has it' setting greeting 'of the team'
untouched
refute 'nothing was deleted' grep -q 'action=delete' "$logs/agent-two.log"
stop_agent "$agent"
