#!/usr/bin/env bash
# Several syncs of one source: a bad one does not keep the others from going on, in the agent and in weir plan; a sync with a service account
# may do what its roles say, and where they do not the rule that is missing is named, by plan too.
. "$(dirname "$0")/../lib.sh"

first_deployment
stop_agent "$(demo_agent)"

post() { api POST "$1" -H 'Content-Type: application/yaml' --data-binary @- >/dev/null; }
post /api/v1/namespaces <<<'{apiVersion: v1, kind: Namespace, metadata: {name: team}}'
mkdir -p "$copy"/{broken,team}
echo 'data: {' >"$copy/broken/bad.yaml"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: words\ndata:\n  word: hello\n' >"$copy/team/words.yaml"
git -C "$copy" add -A
git -C "$copy" update-index --add --cacheinfo "160000,$(git -C "$copy" rev-parse HEAD),team/module"
commit 'two more folders'
cat >"$STORY_WORK/weir.yaml" <<END
sources:
- {name: repo, url: "file://$STORY_REPO", ref: {branch: main}, interval: 500ms}
syncs:
- {name: broken, source: repo, path: broken}
- {name: team, source: repo, path: team, namespace: team, serviceAccountName: sync}
- {name: default, source: repo, path: orders, prune: true}
END
plan() { code=0 && planned=$("$WEIR" plan --config "$STORY_WORK/weir.yaml" --cache-dir "$STORY_WORK/cache-plan" 2>&1) || code=$?; }
prints() {
	local text
	for text in "$@"; do [[ $planned == *"$text"* ]] || die "weir plan prints '$text'; it was: $planned"; done
}
sync_is() { # NAME STATE TEXT...
	local i text message
	look
	i=$(sed -n "s/^\.syncs\[\([0-9]*\)\]\.name\t$1$/\1/p" <<<"$seen")
	[ -n "$i" ] && [ "$(pick ".syncs[$i].state" <<<"$seen")" = "$2" ] || return 1
	message=$(pick ".syncs[$i].message" <<<"$seen")
	for text in "${@:3}"; do [[ $message == *"$text"* ]] || return 1; done
}
missing='User "system:serviceaccount:team:sync" cannot get resource "configmaps" in API group "" in the namespace "team"'

plan
expect 'weir plan fails' [ "$code" = 1 ]
prints 'sync broken: broken/bad.yaml:' "ConfigMap/team/words" "$missing" 'sync default at ' 'unchanged'
words() { [ "$(at /api/v1/namespaces/team/configmaps/words .data.word)" = "$1" ]; }
expect 'plan writes nothing' words ''

start() {
	"$WEIR" agent --config "$STORY_WORK/weir.yaml" --cache-dir "$STORY_WORK/cache-config" --stable-after 1s >"$logs/agent-config.log" 2>&1 &
	agent=$!
	children+=("$agent")
}
start
until_true 'the bad sync says why' sync_is broken Failed 'broken/bad.yaml:'
until_true 'the rule that is missing is named' sync_is team Failed 'ConfigMap/team/words' "$missing"
until_true 'the good one goes on' sync_is default Applied
say "$missing"
expect 'nothing was applied' words ''
untouched

post /apis/rbac.authorization.k8s.io/v1/namespaces/team/roles <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: sync}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, create, patch]}]
END
post /apis/rbac.authorization.k8s.io/v1/namespaces/team/rolebindings <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: sync}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: sync}
subjects: [{kind: ServiceAccount, name: sync, namespace: team}]
END
plan
prints 'create    ConfigMap/team/words' 'warning   team/module: is a git submodule'
rm "$copy/broken/bad.yaml"
cp "$copy/team/words.yaml" "$copy/broken/"
sed -i 's/name: words/name: mended/' "$copy/broken/words.yaml"
git -C "$copy" add -A -- broken
commit 'a pass, please'
until_true 'with the right it is applied, and what is passed over is named' sync_is team Applied 'warning: team/module: is a git submodule'
expect 'the ConfigMap is there' words hello
until_true 'the mended sync is applied' sync_is broken Applied
plan
expect 'nothing is left to do' [ "$code" = 0 ]
untouched
stop_agent "$agent"
