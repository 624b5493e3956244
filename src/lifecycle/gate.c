#include "lifecycle/gate.h"

#include <stdio.h>
#include <string.h>

static void say(struct gate_output *out, enum gate gate, const char *message)
{
	out->gate = gate;
	(void)snprintf(out->message, sizeof out->message, "%s", message);
}

/* What a known result means under the mode that is asked for. */
static void by_result(struct gate_output *out, const char *result, const char *message, bool require)
{
	char text[360];
	if (strcmp(result, "failed") == 0) {
		(void)snprintf(text, sizeof text, "refused by preflight: %s", message);
		say(out, GATE_WITHHOLD, text);
	} else if (strcmp(result, "unknown") == 0 && require) {
		(void)snprintf(text, sizeof text, "preflight could not check: %s", message);
		say(out, GATE_WITHHOLD, text);
	} else {
		say(out, GATE_APPLY, "");
	}
}

static void settle(struct gate_output *out, const char *result, const char *message, bool require)
{
	out->record = true;
	(void)snprintf(out->result, sizeof out->result, "%s", result);
	by_result(out, result, message, require);
	(void)snprintf(out->message, sizeof out->message, "%s", message);
}

void gate_decide(const struct gate_input *in, struct gate_output *out)
{
	*out = (struct gate_output){ .gate = GATE_APPLY };
	const struct ledger_quarantine *q = ledger_quarantined(in->ledger, in->digest);
	bool retried = in->retry != NULL && !ledger_spent(in->ledger->spent_retry, in->retry);
	if (q != NULL && !retried) {
		char text[360];
		(void)snprintf(text, sizeof text, "quarantined after it failed at commit %.12s: %s", q->commit, q->reason);
		say(out, GATE_WITHHOLD, text);
		return;
	}
	if (str_eq(in->digest, in->live_digest) || str_eq(in->preflight, "off"))
		return;
	bool require = str_eq(in->preflight, "require");
	if (strcmp(in->ledger->preflight_digest, in->digest) == 0 && strcmp(in->ledger->preflight_result, "running") != 0 &&
	    !(retried && q != NULL)) {
		by_result(out, in->ledger->preflight_result, in->ledger->preflight_message, require);
		return;
	}
	switch (in->pod) {
	case PREFLIGHT_UNKNOWN:
		say(out, GATE_WAIT, "the preflight pod could not be seen");
		return;
	case PREFLIGHT_ABSENT:
		say(out, GATE_PREFLIGHT, "checking the image, the jar and the configuration in a preflight pod");
		return;
	case PREFLIGHT_NO_IMAGE:
		settle(out, "failed", in->pod_message, require);
		return;
	case PREFLIGHT_RUNNING:
		if (in->pod_age_ms < PREFLIGHT_DEADLINE_MS)
			say(out, GATE_WAIT, "preflight is running");
		else
			settle(out, "unknown", "the preflight pod did not end in time", require);
		return;
	case PREFLIGHT_DONE:
		if (in->pod_exit == 0)
			settle(out, "passed", "", require);
		else if (in->pod_exit == PREFLIGHT_EXIT_JAR || in->pod_exit == PREFLIGHT_EXIT_CONFIG)
			settle(out, "failed", in->pod_message, require);
		else
			settle(out, "unknown", in->pod_message, require);
		return;
	}
}
