/*
 * decision_words: the vocabulary of the decision fixtures: enums as words, and the fields of what decide() is given by their names. For
 * test_decisions.c.
 */
#ifndef WEIR_TEST_DECISION_WORDS_H
#define WEIR_TEST_DECISION_WORDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lifecycle/decide.h"

/* The position is the value. */
static const char *const seen_words[] = { "unknown", "absent", "present", NULL };
static const char *const savepoint_words[] = { "unknown", "no-such-trigger", "in-progress", "completed", "failed", NULL };
static const char *const restore_words[] = { "undecided", "empty", "path", "ha", NULL };
static const char *const op_words[] = { "none", "launch", "stop", "remove", "adjust", "drain", NULL };
static const char *const subject_words[] = { "application", "session", "session-job", NULL };
static const char *const snapshot_words[] = { "none", "savepoint", "checkpoint", NULL };

static inline int64_t word(const char *const *words, const char *text, const char *where)
{
	for (int64_t i = 0; words[i] != NULL; i++)
		if (str_eq(text, words[i]))
			return i;
	fail_msg("%s: no such word: %s", where, text == NULL ? "(none)" : text);
	return 0;
}

enum type { T_BOOL, T_INT, T_TEXT, T_SEEN, T_SAVEPOINT, T_JOB };

struct field {
	const char *name;
	enum type type;
	size_t offset, size;
};

#define FIELD(s, f, t)                                                   \
	{                                                                \
#f, t, offsetof(struct s, f), sizeof(((struct s *)0)->f) \
	}
#define NAMED(s, n, f, t)                                               \
	{                                                               \
		n, t, offsetof(struct s, f), sizeof(((struct s *)0)->f) \
	}

static const struct field seen_fields[] = {
	FIELD(observation, jm, T_SEEN),
	FIELD(observation, jm_uid, T_TEXT),
	FIELD(observation, jm_launch, T_INT),
	FIELD(observation, jm_deleting, T_BOOL),
	FIELD(observation, jm_available, T_BOOL),
	FIELD(observation, jm_complete, T_BOOL),
	FIELD(observation, pods, T_SEEN),
	FIELD(observation, jm_pods, T_INT),
	FIELD(observation, tm_pods, T_INT),
	FIELD(observation, jm_restarts, T_INT),
	FIELD(observation, waiting_pods, T_INT),
	FIELD(observation, trouble, T_TEXT),
	FIELD(observation, trouble_text, T_TEXT),
	FIELD(observation, ha, T_SEEN),
	FIELD(observation, ha_checkpoint, T_BOOL),
	FIELD(observation, rest, T_SEEN),
	FIELD(observation, running_jobs, T_INT),
	FIELD(observation, job, T_JOB),
	FIELD(observation, job_name, T_TEXT),
	FIELD(observation, job_start, T_INT),
	FIELD(observation, job_restarts, T_INT),
	FIELD(observation, failure, T_TEXT),
	FIELD(observation, checkpoints, T_SEEN),
	FIELD(observation, checkpoints_completed, T_INT),
	FIELD(observation, checkpoints_failed, T_INT),
	FIELD(observation, checkpoint_path, T_TEXT),
	FIELD(observation, savepoint_path, T_TEXT),
	FIELD(observation, absent_path, T_TEXT),
	FIELD(observation, found_path, T_TEXT),
	FIELD(observation, savepoint, T_SAVEPOINT),
	FIELD(observation, savepoint_location, T_TEXT),
	FIELD(observation, savepoint_failure, T_TEXT),
	FIELD(observation, snapshot, T_SAVEPOINT),
	FIELD(observation, snapshot_path, T_TEXT),
	FIELD(observation, snapshot_failure, T_TEXT),
	FIELD(observation, snapshot_kind, T_SEEN),
	FIELD(observation, snapshot_resource, T_SEEN),
	FIELD(observation, needed, T_SEEN),
	FIELD(observation, needed_by, T_TEXT),
	FIELD(observation, disposal, T_SAVEPOINT),
	FIELD(observation, disposal_gone, T_BOOL),
	FIELD(observation, disposal_failure, T_TEXT),
	{ NULL, T_BOOL, 0, 0 },
};
static const struct field config_fields[] = {
	FIELD(job_config, checkpointing, T_BOOL),
	FIELD(job_config, checkpoint_interval_ms, T_INT),
	FIELD(job_config, ha, T_BOOL),
	FIELD(job_config, rescalable, T_BOOL),
	FIELD(job_config, retained, T_BOOL),
	FIELD(job_config, restart_failed, T_BOOL),
	FIELD(job_config, health_check, T_BOOL),
	FIELD(job_config, health_restarts, T_INT),
	FIELD(job_config, health_restarts_ms, T_INT),
	FIELD(job_config, health_checkpoint_ms, T_INT),
	FIELD(job_config, block_on_unmanaged, T_BOOL),
	FIELD(job_config, savepoint_dir, T_TEXT),
	NAMED(job_config, "savepoint_every_ms", snapshots.savepoint.every_ms, T_INT),
	NAMED(job_config, "savepoint_cron", snapshots.savepoint.cron, T_TEXT),
	NAMED(job_config, "checkpoint_every_ms", snapshots.checkpoint.every_ms, T_INT),
	NAMED(job_config, "checkpoint_cron", snapshots.checkpoint.cron, T_TEXT),
	NAMED(job_config, "savepoint_format", snapshots.savepoint_format, T_TEXT),
	NAMED(job_config, "checkpoint_type", snapshots.checkpoint_type, T_TEXT),
	NAMED(job_config, "snapshot_problem", snapshots.problem, T_TEXT),
	NAMED(job_config, "cleanup", snapshots.cleanup, T_BOOL),
	NAMED(job_config, "max_count", snapshots.max_count, T_INT),
	NAMED(job_config, "max_age_ms", snapshots.max_age_ms, T_INT),
	NAMED(job_config, "checkpoints_kept", snapshots.checkpoints_kept, T_INT),
	NAMED(job_config, "resources", snapshots.resources, T_BOOL),
	NAMED(job_config, "ignore_pending", snapshots.ignore_pending, T_BOOL),
	NAMED(job_config, "can_checkpoint", snapshots.can_checkpoint, T_BOOL),
	NAMED(job_config, "own_trigger", snapshots.own_trigger, T_BOOL),
	{ NULL, T_BOOL, 0, 0 },
};
static const struct field policy_fields[] = {
	FIELD(policy, stable_checkpoints, T_INT), FIELD(policy, stable_after_ms, T_INT),
	FIELD(policy, start_deadline_ms, T_INT),  FIELD(policy, crash_restarts, T_INT),
	FIELD(policy, job_restarts, T_INT),	  FIELD(policy, savepoint_timeout_ms, T_INT),
	FIELD(policy, snapshot_wait_ms, T_INT),	  FIELD(policy, delete_deadline_ms, T_INT),
	FIELD(policy, peer_defaults, T_BOOL),	  { NULL, T_BOOL, 0, 0 },
};
static const struct field session_fields[] = {
	FIELD(session_view, cluster, T_SEEN),	FIELD(session_view, ready, T_BOOL),
	FIELD(session_view, draining, T_BOOL),	FIELD(session_view, problem, T_TEXT),
	FIELD(session_view, jobs, T_SEEN),	FIELD(session_view, job_count, T_INT),
	FIELD(session_view, live_count, T_INT), { NULL, T_BOOL, 0, 0 },
};

static inline void fill_enum(char *at, int64_t value)
{
	int of_enum = (int)value;
	memcpy(at, &of_enum, sizeof of_enum);
}

static inline void fill(void *to, const struct field *fields, const struct node *from, const char *name)
{
	for (size_t i = 0; i < node_count(from); i++) {
		const char *key = node_key_at(from, i);
		const struct node *value = node_value_at(from, i);
		const struct field *f = fields;
		while (f->name != NULL && strcmp(f->name, key) != 0)
			f++;
		if (f->name == NULL) {
			fail_msg("%s: no such field: %s", name, key);
			return;
		}
		char *at = (char *)to + f->offset;
		int64_t number = node_integer(value, 0);
		switch (f->type) {
		case T_BOOL:
			if (!node_is(value, NODE_BOOL))
				fail_msg("%s: %s: expected true or false", name, key);
			*(bool *)at = node_truth(value, false);
			break;
		case T_INT:
			if (!node_is(value, NODE_NUMBER))
				fail_msg("%s: %s: expected a number", name, key);
			memcpy(at, &number, sizeof number);
			break;
		case T_TEXT:
			ledger_set_text(at, f->size, node_text(value));
			break;
		case T_SEEN:
			fill_enum(at, word(seen_words, node_text(value), name));
			break;
		case T_SAVEPOINT:
			fill_enum(at, word(savepoint_words, node_text(value), name));
			break;
		case T_JOB:
			fill_enum(at, str_eq(node_text(value), "NONE") ? JOB_NONE : (int64_t)job_state_of(node_text(value)));
			break;
		}
	}
}

/* Maps are put over maps, everything else takes the place of what was there. */
static inline void merge(struct doc *doc, struct node *to, const struct node *from)
{
	for (size_t i = 0; i < node_count(from); i++) {
		const struct node *value = node_value_at(from, i);
		struct node *old = node_get(to, node_key_at(from, i));
		if (node_is(value, NODE_MAP) && node_is(old, NODE_MAP))
			merge(doc, old, value);
		else
			node_set(doc, to, node_key_at(from, i), node_copy(doc, value));
	}
}

static inline void kind_word(struct doc *doc, struct node *map, const char *const *words, const char *name)
{
	const char *text = node_text(node_get(map, "kind"));
	if (text != NULL && !node_is(node_get(map, "kind"), NODE_NUMBER))
		node_set_int(doc, map, "kind", word(words, text, name));
}

static inline void digest_word(struct doc *doc, struct node *map, const char *digest)
{
	if (str_eq(node_text(node_get(map, "digest")), "same"))
		node_set_text(doc, map, "digest", digest);
}

#endif
