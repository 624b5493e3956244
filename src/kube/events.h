/*
 * events: records v1 Events, one object for each (involved object, type, reason, message), which counts repetitions. Owns nothing; called
 * by `agent` for what decisions want to be known.
 */
#ifndef WEIR_KUBE_EVENTS_H
#define WEIR_KUBE_EVENTS_H

#include "kube/kube.h"

struct kube_event {
	const char *api_version, *kind, *ns, *name, *uid; /* of the involved object; ns NULL: cluster-wide, recorded in "default" */
	bool warning;					  /* else normal */
	const char *reason;				  /* CamelCase */
	const char *message;				  /* cut to 1,024 bytes */
	const char *component;				  /* NULL: "weir" */
};

/* Errors as in kube.h; a lost race with another recorder is not one. */
bool kube_event_record(struct kube *kube, const struct kube_event *event, int64_t now_wall_ms, struct error *err);

#endif
