/* weir history JOB: what the ledger knows of a job's launches, also after the resource is gone. */
#include <stdio.h>
#include <string.h>

#include "base/wtime.h"
#include "cli/job_ref.h"

static const char *state_in(const struct ledger_launch *l)
{
	switch ((enum restore_kind)l->restore.kind) {
	case RESTORE_EMPTY:
		return "empty";
	case RESTORE_HA:
		return "HA metadata";
	case RESTORE_PATH:
		return l->restore.path;
	case RESTORE_UNDECIDED:
		break;
	}
	return "";
}

/* What a launch left is what its successor started from, or what the next one would. */
static const char *state_out(const struct ledger *l, int64_t i)
{
	if (i + 1 < l->launch_count)
		return state_in(&l->launches[i + 1]);
	if (l->launches[i].ended_at == 0)
		return "";
	return l->next.kind == RESTORE_PATH ? l->next.path : l->next.kind == RESTORE_HA ? "HA metadata" : l->newest.path;
}

static const char *outcome(const struct ledger_launch *l)
{
	if (l->outcome[0] != '\0')
		return l->outcome;
	return l->stable_at != 0 ? "stable" : l->running_at != 0 ? "running" : "starting";
}

static void put_time(struct doc *doc, struct node *row, const char *key, int64_t ms)
{
	char text[TIME_TEXT_MAX] = "";
	if (ms != 0)
		time_format_ms(ms, text);
	node_set_text(doc, row, key, text);
}

static void build(const struct ledger *l, struct doc *doc)
{
	struct node *root = node_map(doc);
	struct node *rows = node_list(doc);
	for (int64_t i = 0; i < l->launch_count; i++) {
		const struct ledger_launch *launch = &l->launches[i];
		struct node *row = node_map(doc);
		node_set_int(doc, row, "launch", launch->number);
		node_set_text(doc, row, "commit", launch->commit);
		node_set_text(doc, row, "jobId", launch->job_id);
		node_set_text(doc, row, "digest", launch->digest);
		node_set_text(doc, row, "stateIn", state_in(launch));
		node_set_text(doc, row, "stateOut", state_out(l, i));
		put_time(doc, row, "submitted", launch->submitted_at);
		put_time(doc, row, "running", launch->running_at);
		put_time(doc, row, "stable", launch->stable_at);
		put_time(doc, row, "ended", launch->ended_at);
		node_set_text(doc, row, "outcome", outcome(launch));
		const struct ledger_quarantine *q = ledger_quarantined(l, launch->digest);
		node_set_text(doc, row, "quarantined", q == NULL ? "" : q->reason);
		node_append(doc, rows, row);
	}
	node_set(doc, root, "launches", rows);
	node_set_text(doc, root, "newestState", l->newest.path);
	doc_set_root(doc, root);
}

int command_history(int argc, char **argv)
{
	struct job_ref ref;
	bool ok = job_ref_open(argc, argv, true, &ref);
	if (ok) {
		AUTODOC *doc = doc_new();
		build(&ref.stored.ledger, doc);
		if (str_eq(ref.options.output, "json")) {
			AUTOBUF text = BUF_INIT;
			node_to_json(doc_root(doc), &text, JSON_PRETTY);
			(void)printf("%s\n", buf_text(&text));
		} else {
			const struct node *rows = node_get(doc_root(doc), "launches");
			(void)printf("%-6s %-12s %-10s %-20s %-20s %s\n", "LAUNCH", "COMMIT", "OUTCOME", "RUNNING", "ENDED",
				     "STATE IN -> STATE OUT");
			for (size_t i = 0; i < node_count(rows); i++) {
				const struct node *r = node_at(rows, i);
				(void)printf("%-6s %-12.12s %-10s %-20.19s %-20.19s %s -> %s\n", node_find_text(r, "launch"),
					     node_find_text(r, "commit"), node_find_text(r, "outcome"), node_find_text(r, "running"),
					     node_find_text(r, "ended"), node_find_text(r, "stateIn"), node_find_text(r, "stateOut"));
			}
		}
	}
	job_ref_close(&ref);
	return ok ? 0 : 1;
}
