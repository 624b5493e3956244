#!/usr/bin/env bash
# Values of Secrets and sensitive options of Flink: `weir render` masks them unless told otherwise, and neither status, nor plan, nor the
# agent's log, nor what Weir keeps in the cluster for itself holds the value of a Secret.
. "$(dirname "$0")/../lib.sh"

first_deployment
secret=tr0ub4dor-and-3 encoded=c3RhcGxlLWJhdHRlcnk= option=correct-horse
add_secret() {
	cat >"$copy/orders/secret.yaml" <<END
apiVersion: v1
kind: Secret
metadata:
  name: orders-secret
type: Opaque
data:
  key: $encoded
stringData:
  word: $secret
END
	add_resource secret.yaml
	sed -i "s|^  flinkConfiguration:|&\n    s3.secret-key: $option\n    s3.endpoint: http://storage.example.org|" "$copy/orders/job.yaml"
}
holds() { grep -qF -e "$secret" -e "$encoded" -e "$option" <<<"$1"; }

add_secret
masked=$("$WEIR" render "$copy/orders")
refute 'weir render masks the values' holds "$masked"
for text in 'name: orders-secret' 'word:' 'key:' 's3.secret-key:' 's3.endpoint: http://storage.example.org' 'greeting: hello'; do
	[[ $masked == *"$text"* ]] || die "weir render prints $text"
done
plain=$("$WEIR" render --show-secrets "$copy/orders")
for text in "$secret" "$encoded" "$option"; do
	[[ $plain == *"$text"* ]] || die "weir render --show-secrets prints $text"
done

push 'a secret'
git -C "$copy" push -q --force origin HEAD:proposal
until_true 'the secret is applied and the job upgraded' stable
expect 'the cluster has the value' [ "$(at "/api/v1/namespaces/$ns/secrets/orders-secret" .data.key)" = "$encoded" ]

# What is wrong with a Secret is said without its value, too.
quiet() {
	refute 'the status is free of values' holds "$("$WEIR" status; "$WEIR" status -o json)"
	refute 'plan is free of values' holds "$("$WEIR" plan --repo "file://$STORY_REPO" --branch main --path orders --cache-dir "$STORY_WORK/cache-plan" 2>&1)"
	refute 'the log is free of values' holds "$(cat "$logs/agent.log")"
	refute "Weir's own objects are free of the Secret's values" grep -qF -e "$secret" -e "$encoded" <<<"$(api GET /api/v1/configmaps)"
}
quiet
put job.yaml s3.secret-key "[$option]"
put job.yaml parallelism -1
push 'a sensitive option that is a list'
until_true 'the sync fails' says Failed 'orders/job.yaml:'
quiet
say "$(sync_message)"
sed -i "s|^data:|&\n  broken: \"$secret|" "$copy/orders/secret.yaml"
push 'a secret with an open quote'
until_true 'the sync fails' says Failed 'orders/secret.yaml:'
quiet
say "$(sync_message)"
