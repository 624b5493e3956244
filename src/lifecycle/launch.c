/* How a launch begins: its state is chosen, its number raised and its intent in the ledger before anything is created. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "lifecycle/internal.h"

enum { MAKING_MS = 60000 };

enum { FRESH_MS = 600000 };

static void doubt_said(struct ledger *l)
{
	(void)snprintf(l->stuck, sizeof l->stuck,
		       "StateChoiceRequired: its last savepoint may be in %.80s: look there, and set weir.dev/restore-from: path:<uri>",
		       l->doubt);
}

/* weir.dev/restore-from: latest | path:<uri> | commit:<sha>. A value counts once. */
static bool choice_made(struct turn *t, struct ledger_restore *out)
{
	struct ledger *l = t->ledger;
	const char *choice = decide_annotation(t->in->resource, "weir.dev/restore-from");
	if (choice == NULL)
		return false;
	char spent[65];
	AUTOBUF text = BUF_INIT;
	/* a named path is obeyed once for ever: left in git it must not rewind a later incarnation */
	buf_printf(&text, "%s %s", strcmp(choice, "latest") == 0 ? l->uid : "", choice);
	sha256_hex(buf_text(&text), text.len, spent);
	if (strcmp(spent, l->spent_choice) == 0)
		return false;
	*out = (struct ledger_restore){ .kind = RESTORE_PATH };
	if (strcmp(choice, "latest") == 0 && t->in->seen->ha_checkpoint && l->launch_count > 0) {
		out->kind = RESTORE_HA; /* newer than any path we know */
		LEDGER_SET(l->spent_choice, spent);
		decision_reason(t->out, "weir.dev/restore-from: latest: the HA metadata");
		return true;
	}
	if (strlen(choice) >= LEDGER_PATH) {
		LEDGER_SET(l->stuck, "StateChoiceRequired: weir.dev/restore-from is longer than 511 bytes");
		return false;
	}
	if (strcmp(choice, "latest") == 0 && l->doubt[0] != '\0') {
		doubt_said(l);
		return false;
	}
	if (strcmp(choice, "latest") == 0 && l->newest.path[0] != '\0') {
		LEDGER_SET(out->path, l->newest.path);
	} else if (str_starts(choice, "path:")) {
		LEDGER_SET(out->path, choice + 5);
	} else if (str_starts(choice, "commit:") && strlen(choice) >= 7 + 7) {
		/* the state with which the launch of that commit ended: what its successor started from */
		for (int64_t i = l->launch_count - 2; i >= 0; i--)
			if (str_starts(l->launches[i].commit, choice + 7) && l->launches[i + 1].restore.kind == RESTORE_PATH) {
				LEDGER_SET(out->path, l->launches[i + 1].restore.path);
				break;
			}
	}
	if (out->path[0] == '\0') {
		(void)snprintf(l->stuck, sizeof l->stuck,
			       "StateChoiceRequired: weir.dev/restore-from: %.60s names no state that the ledger knows", choice);
		return false;
	}
	LEDGER_SET(l->spent_choice, spent);
	decision_reason(t->out, "weir.dev/restore-from: %s", choice);
	return true;
}

/* Does the version that is to start say so itself? */
static bool consents_to_empty(const struct turn *t)
{
	const struct ledger_launch *stable = t->target == TARGET_STABLE ? ledger_stable(t->ledger) : NULL;
	if (stable == NULL)
		return t->mode == MODE_STATELESS && t->mode_given;
	AUTODOC *doc = doc_parse_json(stable->spec, strlen(stable->spec), "stable spec", NULL, NULL);
	return doc != NULL && str_eq(node_find_text(doc_root(doc), "job/upgradeMode"), "stateless");
}

const char *redeploy_path(const struct turn *t)
{
	const char *nonce = node_find_text(t->spec, "job/savepointRedeployNonce");
	const char *path = node_find_text(t->spec, "job/initialSavepointPath");
	bool asked = t->target == TARGET_SPEC && nonce != NULL && !ledger_spent(t->ledger->spent_redeploy, nonce);
	return asked && t->ledger->launch_count > 0 && path != NULL && *path != '\0' && strlen(path) < LEDGER_PATH ? path : NULL;
}

/* weir.dev/allow-empty: <digest>: one-shot consent to start this very content without state. */
static bool empty_allowed(struct turn *t)
{
	const char *digest = decide_annotation(t->in->resource, "weir.dev/allow-empty");
	if (digest == NULL || t->target != TARGET_SPEC || strcmp(digest, t->in->digest) != 0 || strcmp(digest, t->ledger->spent_empty) == 0)
		return false;
	LEDGER_SET(t->ledger->spent_empty, digest);
	decision_reason(t->out, "weir.dev/allow-empty lets this content start without state");
	return true;
}

/* Is what starts of another Flink version than what ended? That one's HA metadata are nothing that this one reads. */
static bool another_flink(const struct turn *t)
{
	const struct ledger *l = t->ledger;
	const struct ledger_launch *stable = t->target == TARGET_STABLE ? ledger_stable(l) : NULL;
	const struct ledger_launch *last = l->launch_count == 0 ? NULL : &l->launches[l->launch_count - 1];
	if (last == NULL || last->spec == NULL)
		return false;
	AUTODOC *old = doc_parse_json(last->spec, strlen(last->spec), "launched spec", NULL, NULL);
	AUTODOC *back = stable == NULL ? NULL : doc_parse_json(stable->spec, strlen(stable->spec), "stable spec", NULL, NULL);
	const struct node *now = back == NULL ? t->spec : doc_root(back);
	return old != NULL && !str_eq(node_find_text(doc_root(old), "flinkVersion"), node_find_text(now, "flinkVersion"));
}

static bool choose_state(struct turn *t, struct ledger_restore *out)
{
	struct ledger *l = t->ledger;
	const char *redeploy = redeploy_path(t);
	if (choice_made(t, out))
		return true;
	if (l->rewind[0] != '\0' && t->target == TARGET_STABLE) {
		*out = (struct ledger_restore){ .kind = RESTORE_PATH };
		LEDGER_SET(out->path, l->rewind);
		decision_reason(t->out, "rolled back by hand, with the state %s", l->rewind);
		return true;
	}
	if (redeploy != NULL) {
		*out = (struct ledger_restore){ .kind = RESTORE_PATH };
		LEDGER_SET(out->path, redeploy);
		decision_reason(t->out, "savepointRedeployNonce: from initialSavepointPath %s", redeploy);
		return true;
	}
	if (l->had_checkpoint && empty_allowed(t)) {
		*out = (struct ledger_restore){ .kind = RESTORE_EMPTY };
		return true;
	}
	if (l->next.kind == RESTORE_HA && !t->in->seen->ha_checkpoint && (l->next.path[0] != '\0' || !consents_to_empty(t))) {
		if (l->next.path[0] == '\0') {
			LEDGER_SET(l->stuck, "StateChoiceRequired: the HA metadata vanished and no checkpoint path is known; set "
					     "weir.dev/restore-from: path:<uri>");
			return false;
		}
		decision_reason(t->out, "the HA metadata vanished: restoring from the recorded checkpoint");
		*out = l->next;
		out->kind = RESTORE_PATH;
		return true;
	}
	if (l->next.kind == RESTORE_EMPTY && l->had_checkpoint && !consents_to_empty(t)) {
		l->next.kind = RESTORE_UNDECIDED; /* the consent was withdrawn before it was used */
	}
	if (l->next.kind == RESTORE_HA && t->in->seen->ha_checkpoint && another_flink(t)) {
		if (l->next.path[0] == '\0') {
			LEDGER_SET(l->stuck,
				   "StateChoiceRequired: the state is in HA metadata of another flinkVersion and no checkpoint path is "
				   "known; go back to that version, or set weir.dev/restore-from: path:<uri>");
			return false;
		}
		decision_reason(t->out, "the HA metadata are another Flink version's: restoring from the recorded checkpoint");
		*out = l->next;
		out->kind = RESTORE_PATH;
		return true;
	}
	bool vanished = l->next.kind == RESTORE_HA && !t->in->seen->ha_checkpoint; /* and an empty start is allowed */
	if (l->next.kind != RESTORE_UNDECIDED && !vanished) {
		*out = l->next;
		return true;
	}
	if (l->had_checkpoint && consents_to_empty(t)) {
		*out = (struct ledger_restore){ .kind = RESTORE_EMPTY };
		return true;
	}
	if (l->had_checkpoint) {
		if (l->stuck[0] == '\0' && l->doubt[0] != '\0')
			doubt_said(l);
		else if (l->stuck[0] == '\0')
			(void)snprintf(l->stuck, sizeof l->stuck,
				       "StateChoiceRequired: this job has run before; set weir.dev/restore-from: latest | commit:<sha> | "
				       "path:<uri>, upgradeMode: stateless, or weir.dev/allow-empty: %s",
				       t->in->digest);
		return false;
	}
	const char *initial = node_find_text(t->spec, "job/initialSavepointPath");
	if (initial != NULL && strlen(initial) >= LEDGER_PATH) {
		LEDGER_SET(l->stuck, "spec.job.initialSavepointPath is longer than 511 bytes");
		return false;
	}
	*out = (struct ledger_restore){ .kind = initial == NULL || *initial == '\0' ? RESTORE_EMPTY : RESTORE_PATH };
	if (out->kind == RESTORE_PATH)
		LEDGER_SET(out->path, initial);
	return true;
}

static char *spec_text(const struct turn *t)
{
	const struct ledger_launch *stable = ledger_stable(t->ledger);
	if (t->target == TARGET_STABLE && stable != NULL)
		return mem_strdup(stable->spec);
	struct buf text = BUF_INIT;
	node_to_json(t->spec, &text, JSON_COMPACT);
	return buf_take(&text);
}

/* Anything but what the launch that ended just now left. */
static bool is_old(const struct turn *t, const char *path)
{
	const struct ledger *before = t->in->ledger;
	const struct ledger_launch *last = before->launch_count == 0 ? NULL : &before->launches[before->launch_count - 1];
	bool just_ended = last != NULL && last->ended_at != 0 && t->in->now_ms - last->ended_at < FRESH_MS;
	return !just_ended || strcmp(before->next.path, path) != 0;
}

void launch_begin(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger *l = t->ledger;
	if (cluster_unseen(t)) {
		decision_reason(t->out, "the Kubernetes API did not show the cluster; nothing is started");
		return;
	}
	if (t->subject == SUBJECT_SESSION_JOB && (!t->in->session->ready || t->in->session->draining)) {
		wait_for(t, t->in->session->problem);
		return;
	}
	if (l->launch_count == 0 && (place_taken(t) || s->ha == SEEN_PRESENT)) {
		/* adopted, or the ledger was lost: what runs there has state that this ledger knows nothing of */
		LEDGER_SET(l->stuck, "AdoptionRequired: a cluster or HA metadata of this name is there that the ledger does not know; "
				     "nothing is touched");
		decision_reason(t->out, "%s", l->stuck);
		return;
	}
	if (place_taken(t)) {
		decision_reason(t->out, t->subject == SUBJECT_SESSION_JOB ? "an older launch still runs"
									  : "an older cluster of this name is still there");
		turn_op(t, OP_REMOVE, "deploy");
		l->op.keep_ha = l->next.kind == RESTORE_HA || (l->next.kind == RESTORE_UNDECIDED && s->ha_checkpoint);
		return;
	}
	struct ledger_restore restore = { .kind = RESTORE_EMPTY };
	if (t->subject != SUBJECT_SESSION && !choose_state(t, &restore)) {
		decision_reason(t->out, "%s", l->stuck);
		return;
	}
	if (restore.kind == RESTORE_PATH && state_unusable(t, restore.path, is_old(t, restore.path))) {
		LEDGER_SET(l->spent_choice, t->in->ledger->spent_choice);
		return;
	}
	if (t->subject == SUBJECT_APPLICATION && restore.kind != RESTORE_HA && s->ha == SEEN_PRESENT && s->ha_checkpoint &&
	    l->launch_count > 0) {
		/* metadata of an earlier job id: not what this launch starts from, and not to be mixed with it */
		decision_reason(t->out, "HA metadata of an earlier launch is removed first");
		l->next = restore;
		LEDGER_SET(l->spent_empty, t->in->ledger->spent_empty); /* a consent is used up by the launch, not by this */
		t->out->effect = EFFECT_DELETE_HA;
		return;
	}
	const struct ledger_launch *stable = t->target == TARGET_STABLE ? ledger_stable(l) : NULL;
	const char *commit = stable != NULL ? stable->commit : t->in->commit;
	char last_id[33] = "";
	if (l->launch_count > 0)
		LEDGER_SET(last_id, l->launches[l->launch_count - 1].job_id);
	struct ledger_launch fresh = { .generation = node_integer(node_find(t->in->resource, "metadata/generation"), 0),
				       .restore = restore };
	LEDGER_SET(fresh.digest, t->target_digest);
	LEDGER_SET(fresh.commit, commit);
	fresh.spec = spec_text(t);
	struct ledger_launch *launch = ledger_add_launch(l);
	fresh.number = launch->number;
	if (restore.kind == RESTORE_HA && last_id[0] != '\0')
		LEDGER_SET(fresh.job_id, last_id);
	else
		job_id_of(l->uid, fresh.number, fresh.job_id);
	*launch = fresh;
	l->next = (struct ledger_restore){ 0 };
	l->rewind[0] = '\0';
	l->doubt[0] = '\0';
	l->health = (struct ledger_health){ 0 };
	/* what these asked for is done with this launch */
	if (t->target == TARGET_SPEC)
		ledger_spend(l->spent_redeploy, node_find_text(t->spec, "job/savepointRedeployNonce"));
	ledger_spend(l->spent_restart, decide_annotation(t->in->resource, "weir.dev/restart"));
	if (restore.kind == RESTORE_PATH)
		l->had_checkpoint = 1;
	turn_op(t, OP_LAUNCH, t->target == TARGET_STABLE ? "rollback" : "deploy");
	if (t->subject == SUBJECT_SESSION_JOB)
		submit_continue(t, launch, true);
	else
		t->out->effect = EFFECT_CREATE_CLUSTER;
	decision_reason(t->out, "launch %lld as job %s, %s%s", (long long)launch->number, launch->job_id,
			restore.kind == RESTORE_EMPTY ? "without state"
			: restore.kind == RESTORE_HA  ? "from its HA metadata"
						      : "from ",
			restore.kind == RESTORE_PATH ? restore.path : "");
	decision_event(t->out, false, "Submit", "Starting deployment (launch %lld).", (long long)launch->number);
}

void launch_continue(struct turn *t)
{
	const struct observation *s = t->in->seen;
	struct ledger *l = t->ledger;
	struct ledger_launch *launch = ledger_launch_of(l, l->op.launch);
	if (launch == NULL || s->jm == SEEN_UNKNOWN || s->pods == SEEN_UNKNOWN) {
		decision_reason(t->out, "the Kubernetes API did not show the cluster; nothing is started");
		return;
	}
	bool wanted = !t->deleting && t->target != TARGET_NOTHING && strcmp(launch->digest, t->target_digest) == 0;
	bool made = s->jm == SEEN_PRESENT && s->jm_launch == launch->number && !s->jm_deleting;
	bool given_up =
		!wanted && t->in->now_ms - l->op.started_at > MAKING_MS; /* of what cannot be made whole nothing is wanted any more */
	if (made && (s->jm_complete || given_up)) {
		launch->refused[0] = '\0'; /* it runs after all */
		launch->submitted_at = t->in->now_ms;
		l->op = (struct ledger_op){ 0 };
		return;
	}
	if (made)
		launch->refused[0] = '\0'; /* of what belongs to the Deployment: it is there, and may run */
	if (launch->refused[0] != '\0' && s->jm == SEEN_ABSENT && t->subject != SUBJECT_SESSION_JOB) {
		launch->submitted_at = t->in->now_ms;
		l->op = (struct ledger_op){ 0 };
		return;
	}
	if (t->subject == SUBJECT_SESSION_JOB) {
		submit_continue(t, launch, wanted);
		return;
	}
	if (!wanted && s->jm == SEEN_ABSENT && s->jm_pods + s->tm_pods == 0 && s->ha != SEEN_UNKNOWN) {
		/* it is not there, and is no longer wanted: its state goes to whatever comes next */
		decision_reason(t->out, "launch %lld is withdrawn before it was created", (long long)launch->number);
		l->next = launch->restore;
		if (s->ha_checkpoint && launch->restore.kind != RESTORE_HA)
			l->next = (struct ledger_restore){ .kind = RESTORE_HA }; /* it was, and completed this since */
		if (s->ha_checkpoint)
			l->had_checkpoint = 1;
		launch->ended_at = t->in->now_ms;
		LEDGER_SET(launch->outcome, "withdrawn");
		l->op = (struct ledger_op){ 0 };
		return;
	}
	if (s->jm == SEEN_PRESENT && s->jm_launch != launch->number) {
		if (!s->jm_deleting)
			t->out->effect = EFFECT_DELETE_CLUSTER;
		return;
	}
	if (s->jm == SEEN_ABSENT && s->jm_pods + s->tm_pods > 0) {
		decision_reason(t->out, "waiting for pods of the old cluster to be gone");
		return;
	}
	if (!s->jm_deleting)
		t->out->effect = EFFECT_CREATE_CLUSTER;
}
