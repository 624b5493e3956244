#!/usr/bin/env bash
# What a job reads beside its spec is part of it: a change of its ConfigMap alone upgrades it, once; a rollback brings the ConfigMap back with
# the spec; what is withheld is withheld with its ConfigMap.
. "$(dirname "$0")/../lib.sh"

flinkdeployment=/apis/flink.apache.org/v1beta1/namespaces/$ns/flinkdeployments/orders
condition() { # TYPE: its message, empty if it does not hold
	api GET "$flinkdeployment" | flat | awk -F '\t' -v type="$1" '
		match($1, /^\.status\.conditions\[[0-9]+\]/) { n = substr($1, 1, RLENGTH); v[n, substr($1, RLENGTH + 1)] = $2; seen[n] }
		END { for (n in seen) if (v[n, ".type"] == type && v[n, ".status"] == "True") print v[n, ".message"] }'
}
replaced() { stable && sees_job && [ "$id" != "$was" ]; }
upgrade() { # WHAT: pushes the tree as it is; another job goes on
	sees_job
	was=$id
	push "$1"
	until_true "$1: the job is upgraded" replaced
	say "job ${id:0:8} goes on"
}
template() {
	cat >>"$copy/orders/job.yaml" <<'END'
  podTemplate:
    spec:
      containers:
      - name: flink-main-container
        volumeMounts:
        - name: settings
          mountPath: /opt/flink/job
      volumes:
      - name: settings
        configMap:
          name: orders-settings
END
}

first_deployment
template
upgrade 'the job reads its settings'
[[ $(api GET "$flinkdeployment") == *'ConfigMap/orders-settings='* ]] || die 'the resource says what it refers to'

put settings.yaml greeting hi
upgrade 'other settings, the same spec'
expect 'the settings are in the cluster' setting greeting hi
grep -q 'ConfigMap/orders-settings changed' "$logs/agent.log" || die 'the log says why'
remember
commit 'nothing more'
until_true 'the sync has seen it' applied
untouched

# Preflight refuses the image: the settings of that commit stay out with it.
put job.yaml image flink:does-not-exist
put settings.yaml greeting refused
push 'an image that does not exist, and settings'
until_true 'the content is withheld' says Withheld 'refused by preflight'
expect 'its settings are not applied' setting greeting hi
is_condition() { [[ $(condition Withheld) == *"$1"* ]]; }
until_true 'a condition says so' is_condition 'refused by preflight'
untouched

# A version that starts and fails is rolled back with what it read.
put job.yaml image flink:1.20
put settings.yaml greeting broken
sed -i 's|^    entryClass:.*|&\n    args: [--broken]|' "$copy/orders/job.yaml"
sees_job
was=$id
push 'a bug, and settings'
until_true 'the content is quarantined' says Withheld quarantined
back() { look && [ "$(resource jobState)" = RUNNING ] && [ "$(resource lifecycleState)" = STABLE ] && sees_job && [ "$id" != "$was" ]; }
until_true 'the stable version runs' back
until_true 'its settings are back' setting greeting hi
until_true 'a condition says so' is_condition quarantined
remember
commit 'the same content again'
until_true 'it stays out' says Withheld quarantined
commit_seen() { look && [ "$(sync_commit)" = "$head" ]; }
until_true 'the sync has seen it' commit_seen
expect 'the settings stay, too' setting greeting hi
untouched

sed -i '/args: \[--broken\]/d' "$copy/orders/job.yaml"
put settings.yaml greeting fixed
upgrade 'the fix'
expect 'the settings are in the cluster' setting greeting fixed
expect 'nothing is withheld' [ -z "$(condition Withheld)" ]
