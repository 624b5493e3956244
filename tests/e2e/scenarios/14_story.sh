# The story of the demo, unchanged, on the real cluster.
# set: full
# limit: 1200
. "$(dirname "$0")/../lib.sh"
start_from_nothing
agent_stop
rm -rf "$E2E/story"
mkdir "$E2E/story"
agent_start
STORY_REPO=$REPO STORY_WORK=$E2E/story STORY_URL=file://$REPO STORY_DATA=$DATA bash "$E2E_ROOT/examples/story.sh"
