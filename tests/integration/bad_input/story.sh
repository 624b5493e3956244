#!/usr/bin/env bash
# Bad input, one commit after another, while a good job runs: the sync says what is wrong and where, nothing is pruned, the job is not
# touched, and the next good commit is applied.
. "$(dirname "$0")/../lib.sh"

first_deployment
extra=$copy/orders/extra.yaml

# bad WHAT STATE TEXT...: pushes the tree as it is now made, and expects that.
bad() {
	local what=$1
	shift
	push "$what"
	refused "$what" "$@"
}
refused() {
	local what=$1
	shift
	until_true "$what: $*" says "$@"
	say "$(sync_message)"
	[ "$(sync_message)" != "${said:-}" ] || die "$what: a message of its own"
	said=$(sync_message)
	untouched
	expect "$what: nothing is pruned" setting greeting hello
	fresh_tree
}

put settings.yaml data '[ greeting: {'
bad 'broken YAML' Failed 'orders/settings.yaml:'

put job.yaml parallelism '[many]'
bad 'a list for a number' Failed 'orders/job.yaml:' 'spec.job.parallelism'

put job.yaml cpu '"a quarter"'
bad 'a text for a number' Failed 'orders/job.yaml:' 'cpu'

put job.yaml flinkVersion v9_9
bad 'an unknown version of Flink' Failed 'orders/job.yaml:' 'spec.flinkVersion' 'v9_9'

printf 'kind: ConfigMap\nmetadata:\n  name: [no, text]\n' >"$extra"
add_resource extra.yaml
bad 'a name that is no text' Failed 'orders/extra.yaml:' 'name'

cp "$copy/orders/settings.yaml" "$extra"
add_resource extra.yaml
bad 'one object in two files' Failed 'orders/extra.yaml' 'orders-settings'

ln -s settings.yaml "$extra"
add_resource extra.yaml
bad 'a symbolic link' Failed 'orders/extra.yaml' 'symbolic link'

add_resource module
git -C "$copy" add -A
git -C "$copy" update-index --add --cacheinfo "160000,$(git -C "$copy" rev-parse HEAD),orders/module"
commit 'a submodule'
git -C "$copy" update-index --force-remove orders/module
refused 'a submodule' Failed 'orders/module' 'submodule'

push 'good again'
until_true 'the sync is applied again' applied
untouched

yes '# nothing but a long comment' | head -c $((8 * 1024 * 1024 + 1)) >"$extra" || true
cp "$extra" "$STORY_WORK/large"
add_resource extra.yaml
bad 'a file over the limit' Failed 'orders/kustomization.yaml' 'orders/extra.yaml' '8388608'

# The same where no sync needs it: nothing is wrong.
mkdir -p "$copy/models"
mv "$STORY_WORK/large" "$copy/models/weights.yaml"
put settings.yaml greeting 'beside a large file'
push 'a large file that nobody needs'
until_true 'a large file elsewhere hurts nobody' applied
expect 'the commit is in the cluster' setting greeting 'beside a large file'
fresh_tree
push 'good once more'
until_true 'the sync is applied again' applied
untouched

printf 'kind: ConfigMap\0\001\002\n' >"$extra"
add_resource extra.yaml
bad 'a binary file' Failed 'orders/extra.yaml' 'binary'

{
	echo 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]'
	for i in 1 2 3 4 5 6 7 8 9; do
		p="*a$((i - 1))"
		echo "a$i: &a$i [$p, $p, $p, $p, $p, $p, $p, $p, $p, $p]"
	done
} >"$extra"
add_resource extra.yaml
bad 'a bomb of aliases' Failed 'orders/extra.yaml:' 'alias'

mkdir "$copy/orders/deep"
printf 'resources:\n- ../../../outside\n' >"$copy/orders/deep/kustomization.yaml"
add_resource deep
bad 'a path out of the repository' Failed 'orders/deep/kustomization.yaml:2' '../../../outside'

printf 'helmCharts:\n- name: redis\n' >>"$copy/orders/kustomization.yaml"
bad 'a field that is not supported' Failed 'orders/kustomization.yaml:' 'helmCharts'

printf 'resuorces: []\n' >>"$copy/orders/kustomization.yaml"
bad 'a misspelt field' Failed 'orders/kustomization.yaml:' 'resuorces'

add_resource missing.yaml
bad 'a file that is not there' Failed 'orders/kustomization.yaml:' 'missing.yaml'

rm "$copy"/orders/*
touch "$copy/orders/.keep"
bad 'an empty folder' Failed 'renders to no objects' 'nothing is pruned'

rm -r "$copy/orders"
touch "$copy/else"
bad 'no folder' Failed 'orders: no such directory'

printf 'apiVersion: nowhere.example.org/v1\nkind: Nothing\nmetadata:\n  name: nothing\n' >"$extra"
add_resource extra.yaml
bad 'a kind that the cluster does not have' Failed 'orders/extra.yaml:1' 'Nothing'

# One bad object does not stop the others.
put job.yaml parallelism -1
put settings.yaml greeting hi
push 'a bad job beside a good setting'
until_true 'the job is refused' says Failed 'orders/job.yaml:1' 'spec.job.parallelism'
until_true 'the setting is applied' setting greeting hi
untouched

fresh_tree
put settings.yaml greeting fixed
push 'the fix'
until_true 'the sync is applied again' applied
expect 'the fix is in the cluster' setting greeting fixed
untouched
