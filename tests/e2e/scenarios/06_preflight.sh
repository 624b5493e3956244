# An image that does not exist: refused by preflight, the running job untouched.
# set: default
# limit: 360
. "$(dirname "$0")/../lib.sh"
start_from
remember
pod=$(main_pod jobmanager)
generation=$(fd .metadata.generation)
good=$IMAGE
change 'an image that was never built' IMAGE=flink:does-not-exist
wait_for 120 'the commit is refused' sync_at Withheld 'refused by preflight'
say "$(sync_field message)"
is "$OLD_ID" job_id || fail 'the running job was left alone'
is "$pod" main_pod jobmanager || fail 'its JobManager was left alone'
is "$generation" fd .metadata.generation || fail 'the spec of the resource was left alone'
counts_to "$OLD_COUNT" || fail 'it counts on'
preflight_gone() { ! k get pods -o name | grep -q preflight; }
wait_for 30 'the preflight pod is removed' preflight_gone
change 'taken back' "IMAGE=$good"
wait_for 60 'the sync is done' sync_at Applied
settled || fail 'the job is settled'
is "$OLD_ID" job_id || fail 'taking it back touches nothing'
