# The story of the demo, unchanged, on the real cluster.
# set: full
# limit: 1200
. "$(dirname "$0")/../lib.sh"
# It begins with nothing there.
if ! fd_gone; then
	job_defaults
	agent_start
	change 'deleted, for the story' EXISTS=0
	wait_for 60 'the brake holds the deletion' sync_at Held
	"$WEIR" approve default
	wait_for 150 'the resource is gone' fd_gone
	agent_stop
fi
k delete configmap "weir-ledger-$JOB" --ignore-not-found
rm -rf "$E2E/story"
mkdir "$E2E/story"
agent_start
STORY_REPO=$REPO STORY_WORK=$E2E/story STORY_URL=file://$REPO STORY_DATA=$DATA bash "$E2E_ROOT/examples/story.sh"
