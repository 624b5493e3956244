#include "lifecycle/gate.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"

static void say(struct gate_output *out, enum gate gate, const char *message)
{
	out->gate = gate;
	(void)snprintf(out->message, sizeof out->message, "%s", message);
}

static bool required(const struct gate_input *in)
{
	return str_eq(in->preflight, "require");
}

/* What a known result means under the mode that is asked for. */
static void by_result(const struct gate_input *in, struct gate_output *out, const char *result, const char *reason)
{
	char text[360];
	if (strcmp(result, "failed") == 0 || strcmp(result, "refused") == 0) {
		(void)snprintf(text, sizeof text, "refused by preflight: %s", reason);
		say(out, GATE_WITHHOLD, text);
	} else if (strcmp(result, "unknown") == 0 && required(in)) {
		(void)snprintf(text, sizeof text, "preflight could not check: %s", reason);
		say(out, GATE_WITHHOLD, text);
	} else {
		say(out, GATE_APPLY, "");
	}
}

/* Cut at a character's end, so that the ledger stays valid text. */
static void set_reason(struct gate_output *out, const char *reason)
{
	size_t len = strlen(reason);
	if (len >= sizeof out->reason)
		for (len = sizeof out->reason - 1; len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80; len--)
			;
	memcpy(out->reason, reason, len);
	out->reason[len] = '\0';
}

static void record(struct gate_output *out, const char *result, const char *reason)
{
	out->record = true;
	(void)snprintf(out->result, sizeof out->result, "%s", result);
	set_reason(out, reason);
}

static void settle(const struct gate_input *in, struct gate_output *out, const char *result, const char *reason)
{
	record(out, result, reason);
	by_result(in, out, result, out->reason);
}

static bool is_running(const struct gate_input *in)
{
	return strcmp(in->ledger->preflight_result, "running") == 0;
}

/* A result counts once more where a person asks for the content to be tried again. */
static void make_key(const struct gate_input *in, bool retried, char out[65])
{
	AUTOBUF text = BUF_INIT;
	if (!retried) {
		(void)snprintf(out, 65, "%s", in->digest);
		return;
	}
	buf_printf(&text, "%s\n%s", in->digest, in->retry);
	char hex[SHA256_HEX_MAX];
	sha256_hex(text.data, text.len, hex);
	(void)snprintf(out, 65, "%s", hex);
}

/* One of the two places, as it is seen by way of its pods. */
struct part {
	const char *name;
	unsigned pod; /* the one that it is seen by */
	enum preflight_seen seen;
	const char *reason;
};

static struct part jobmanager_part(const struct gate_input *in)
{
	struct part part = { "JobManager", PREFLIGHT_JOBMANAGER, in->pods[PREFLIGHT_JOBMANAGER], in->reasons[PREFLIGHT_JOBMANAGER] };
	if (part.seen != PREFLIGHT_NO_PROGRAM)
		return part;
	part.pod = PREFLIGHT_JAVA;
	part.seen = in->pods[PREFLIGHT_JAVA];
	part.reason = in->reasons[PREFLIGHT_JAVA];
	if (part.seen == PREFLIGHT_NO_PROGRAM) {
		part.seen = PREFLIGHT_UNCHECKED;
		part.reason = "the image is there, but it has neither a shell nor java on its path: jar and configuration were not checked";
	}
	return part;
}

static struct part taskmanager_part(const struct gate_input *in)
{
	struct part part = { "TaskManager", PREFLIGHT_TASKMANAGER, in->pods[PREFLIGHT_TASKMANAGER], in->reasons[PREFLIGHT_TASKMANAGER] };
	if (part.seen == PREFLIGHT_NO_PROGRAM) /* that the image is there is all that it should show */
		part.seen = PREFLIGHT_PASSED;
	return part;
}

static void put_part(struct buf *out, const struct part *part, const char *otherwise)
{
	bool known = part->reason != NULL && *part->reason != '\0';
	buf_printf(out, "%s%s: %s", out->len == 0 ? "" : "; ", part->name, known ? part->reason : otherwise);
}

static void start(const struct gate_input *in, struct gate_output *out, unsigned create, bool anew)
{
	say(out, GATE_PREFLIGHT, "checking the image, the jar and the configuration in preflight pods");
	out->create = create;
	if (anew)
		record(out, "running", in->server == SERVER_UNSURE && in->server_reason != NULL ? in->server_reason : "");
}

static void by_pods(const struct gate_input *in, struct gate_output *out, bool running)
{
	const struct part parts[] = { jobmanager_part(in), taskmanager_part(in) };
	unsigned missing = 0;
	bool waits = false;
	size_t absent = 0;
	AUTOBUF failed = BUF_INIT;
	AUTOBUF unsure = BUF_INIT;
	if (running)
		buf_puts(&unsure, in->ledger->preflight_message);
	bool late = running && in->now_ms - in->ledger->preflight_at >= PREFLIGHT_DEADLINE_MS;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		const struct part *part = &parts[i];
		if (part->seen == PREFLIGHT_UNKNOWN) {
			say(out, GATE_WAIT, "the preflight pods could not be seen");
			return;
		}
		absent += part->seen == PREFLIGHT_ABSENT && part->pod != PREFLIGHT_JAVA;
		if (part->seen == PREFLIGHT_FAILED)
			put_part(&failed, part, "it failed");
		else if (part->seen == PREFLIGHT_UNCHECKED)
			put_part(&unsure, part, "it could not be checked");
		else if (part->seen == PREFLIGHT_ABSENT)
			missing |= 1u << part->pod;
		waits |= part->seen == PREFLIGHT_RUNNING;
	}
	bool none = absent == sizeof parts / sizeof *parts;
	if (failed.len > 0) {
		settle(in, out, "failed", buf_text(&failed));
	} else if (none || (missing != 0 && !late)) {
		start(in, out, missing, none || !running);
	} else if (waits && !late) {
		say(out, GATE_WAIT, "preflight is running");
	} else {
		for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
			if (parts[i].seen == PREFLIGHT_RUNNING || parts[i].seen == PREFLIGHT_ABSENT) {
				AUTOBUF text = BUF_INIT;
				const char *why = parts[i].reason == NULL ? "" : parts[i].reason;
				buf_printf(&text, "the preflight pod did not end in time%s%s", *why == '\0' ? "" : ": ", why);
				struct part late_part = parts[i];
				late_part.reason = buf_text(&text);
				put_part(&unsure, &late_part, "");
			}
		settle(in, out, unsure.len > 0 ? "unknown" : "passed", buf_text(&unsure));
	}
}

static void by_what_is_seen(const struct gate_input *in, struct gate_output *out, const char *known)
{
	const char *reason = in->server_reason == NULL ? "" : in->server_reason;
	if (in->not_created != NULL) {
		char text[360];
		(void)snprintf(text, sizeof text, "the preflight pod may not be created: %s", in->not_created);
		settle(in, out, "unknown", text);
	} else if (in->server == SERVER_SILENT) {
		char text[360];
		(void)snprintf(text, sizeof text, "waits for the API server to judge the objects: %s", reason);
		say(out, GATE_WAIT, text);
	} else if (in->server == SERVER_REFUSES) {
		settle(in, out, "refused", reason);
		out->record = strcmp(known, "refused") != 0 || strcmp(in->ledger->preflight_message, out->reason) != 0;
	} else {
		by_pods(in, out, strcmp(known, "running") == 0);
	}
}

void gate_decide(const struct gate_input *in, struct gate_output *out)
{
	*out = (struct gate_output){ .gate = GATE_APPLY, .leftovers = is_running(in) };
	const struct ledger_quarantine *q = ledger_quarantined(in->ledger, in->digest);
	bool retried = in->retry != NULL && strcmp(in->retry, in->ledger->spent_retry) != 0;
	if (q != NULL && !retried) {
		char text[360];
		(void)snprintf(text, sizeof text, "quarantined after it failed at commit %.12s: %s", q->commit, q->reason);
		say(out, GATE_WITHHOLD, text);
		return;
	}
	if (str_eq(in->digest, in->live_digest) || str_eq(in->preflight, "off"))
		return;
	make_key(in, retried, out->key);
	bool same = strcmp(in->ledger->preflight_digest, out->key) == 0;
	const char *known = same ? in->ledger->preflight_result : "";
	if (*known != '\0' && strcmp(known, "running") != 0 && strcmp(known, "refused") != 0) {
		by_result(in, out, known, in->ledger->preflight_message);
		return;
	}
	out->leftovers = is_running(in) && !same;
	if (!in->looked)
		say(out, GATE_LOOK, "checking the image, the jar and the configuration in preflight pods");
	else
		by_what_is_seen(in, out, known);
}
