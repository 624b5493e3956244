# Versions that preflight cannot see to be bad, or that were not asked: a JobManager that ends at once, a job that restarts for ever, an
# image that cannot be pulled. Each is rolled back with its state.
# set: full
# limit: 900
. "$(dirname "$0")/../lib.sh"
start_from
good=$ARGS good_image=$IMAGE
watch_overlap
remember
change 'a JobManager that ends at once' 'CONFIG=env.java.opts.jobmanager: "-XX:NoSuchOption"'
rolled_back 240 'JobManager'
wait_for 60 'stable' stable

remember
change 'a job that restarts for ever' 'CONFIG=# nothing more' "ARGS=$good, --fail-after-start, '300'"
rolled_back 240 'restarted'

remember
change 'an image that nobody asked for before' "ARGS=$good" IMAGE=flink:does-not-exist 'ANNOTATIONS={weir.dev/preflight: "off"}'
rolled_back 240 'ImagePull'

remember
change 'a good version' "IMAGE=$good_image" 'ANNOTATIONS={}' "ARGS=$(fresh_args)"
upgraded 120
went_on
wait_for 60 'stable' stable
no_overlap
