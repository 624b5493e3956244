#!/usr/bin/env bash
# Preflight under the rules of a namespace: Pod Security refuses a template before anything is touched; one that is in order passes; a quota
# without room is no reason to hold a version back unless preflight is required; and an image without a shell is checked all the same.
. "$(dirname "$0")/../lib.sh"

namespace=/api/v1/namespaces/$ns
merge='Content-Type: application/merge-patch+json'
enforce() { # null or "restricted"
	api PATCH "$namespace" -H "$merge" -d "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":$1}}}" >/dev/null
}
quota() {
	api POST "$namespace/resourcequotas" -H 'Content-Type: application/json' -d "{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\",
		\"metadata\":{\"name\":\"tight\"},\"spec\":{\"hard\":{\"pods\":\"$1\"}}}" >/dev/null
}
checked() { # RESULT TEXT: what the ledger says of the last preflight
	local ledger
	ledger=$(api GET "$namespace/configmaps/weir-ledger-orders")
	[[ $ledger == *"preflight_result\\\": \\\"$1\\\""* || $ledger == *"preflight_result\\\":\\\"$1\\\""* ]] && [[ $ledger == *"$2"* ]]
}
pods_of_preflight() { api GET "$namespace/pods?labelSelector=weir.dev%2Fpreflight%3Dorders" | flat | grep -c '\.metadata\.uid' || true; }
replaced() { stable && sees_job && [ "$id" != "$was" ]; }
upgrade() { # WHAT: pushes the tree as it is; another job goes on
	sees_job
	was=$id
	push "$1"
	until_true "$1: the job is upgraded" replaced
	expect 'nothing is left of preflight' [ "$(pods_of_preflight)" = 0 ]
	say "job ${id:0:8} goes on"
}

first_deployment

enforce '"restricted"'
put job.yaml image flink:1.20.1
push 'a template that Pod Security refuses'
until_true 'it is withheld' says Withheld 'refused by preflight' 'violates PodSecurity' 'allowPrivilegeEscalation'
say "$(sync_message)"
untouched
expect 'nothing is left of preflight' [ "$(pods_of_preflight)" = 0 ]

cat >>"$copy/orders/job.yaml" <<'END'
  podTemplate:
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 9999, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: flink-main-container
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
END
upgrade 'a template that is in order'
expect 'preflight passed' checked passed ''

# The other way round: the cause goes away, and the same content is looked at again (here at once, because of the push).
remember
sed -i '/^  podTemplate:/,$d' "$copy/orders/job.yaml"
push 'the template is gone again'
until_true 'it is withheld' says Withheld 'violates PodSecurity'
untouched
sees_job
was=$id
enforce null
commit 'nothing more'
until_true 'it is applied once the namespace allows it' replaced

quota 1
put job.yaml image flink:1.20.2
upgrade 'no room for the pods of preflight'
expect 'that is no failure, and the ledger says why' checked unknown 'exceeded quota: tight'
remember
sed -i 's|^  name: orders$|&\n  annotations: {weir.dev/preflight: require}|' "$copy/orders/job.yaml"
put job.yaml image flink:1.20.3
push 'and preflight is required'
until_true 'it is withheld' says Withheld 'preflight could not check' 'exceeded quota: tight'
untouched
api DELETE "$namespace/resourcequotas/tight" >/dev/null

put job.yaml image flink-no-shell:1.20
upgrade 'an image without a shell'
expect 'preflight passed' checked passed ''
