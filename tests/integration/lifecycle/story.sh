#!/usr/bin/env bash
# The agent's own life: it ends within 5 s of SIGTERM whatever hangs, goes on after a restart without touching the job, and keeps to the last
# good revision when the branch is gone.
. "$(dirname "$0")/../lib.sh"

first_deployment
stop_agent "$(demo_agent)"
expect 'the lease is given back' [ -z "$(leader)" ]
untouched

start_agent one
put settings.yaml greeting restarted
push 'after a restart'
until_true 'the restarted agent goes on' applied
expect 'what was pushed is applied' setting greeting restarted
untouched

git --git-dir="$STORY_REPO" update-ref -d refs/heads/main
until_true 'the sync says that the branch is gone' says Failed main 'the last good revision goes on'
say "$(sync_message)"
untouched
stop_agent "$agent"
api DELETE "/api/v1/namespaces/$ns/configmaps/orders-settings" >/dev/null
start_agent one
until_true 'the last good revision goes on after a restart' setting greeting restarted
until_true 'the sync still says that the branch is gone' says Failed main 'the last good revision goes on'
untouched

git -C "$copy" checkout -q --orphan other
put settings.yaml greeting rewritten
push 'another history'
until_true 'the new history is applied' applied
expect 'what was pushed is applied' setting greeting rewritten
untouched
git -C "$copy" commit -q --amend -m 'a forced push'
put settings.yaml greeting forced
push 'forced'
until_true 'the forced push is applied' applied
expect 'what was pushed is applied' setting greeting forced
untouched
stop_agent "$agent"

start_relay git
start_agent deaf-git --repo "http://127.0.0.1:$port/orders.git"
until_true 'the agent waits for the git server' waits_at "$port"
stop_agent "$agent"
untouched

hostport=${server#http://}
start_relay cluster "${hostport%:*}" "${hostport#*:}"
sed "s|$hostport|127.0.0.1:$port|" "$KUBECONFIG" >"$STORY_WORK/relayed"
start_agent deaf-cluster --kubeconfig "$STORY_WORK/relayed"
until_true 'the agent leads' leads deaf-cluster
until_true 'the agent has the revision' has_fetched deaf-cluster
kill -STOP "$relay"
put settings.yaml greeting late
push 'while the cluster does not answer'
until_true 'the agent has the revision' has_fetched deaf-cluster
until_true 'the agent waits for the cluster' waits_at "$port"
stop_agent "$agent"
untouched

start_agent last
until_true 'what was missed is made up for' applied
expect 'what was pushed is applied' setting greeting late
untouched
stop_agent "$agent"
