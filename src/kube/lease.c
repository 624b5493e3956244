#include "kube/lease.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/wtime.h"

enum { TERM_DEFAULT_S = 15, TERM_MAX_S = 3600 };

static const struct kube_resource leases = {
	.api_version = "coordination.k8s.io/v1", .kind = "Lease", .plural = "leases", .namespaced = true
};

struct lease {
	struct kube *kube;
	char *ns, *name, *identity;
	int term_s;
	bool held;
	bool tried;			  /* we have written our name at least once: it may be there although we never heard so */
	int64_t renewed_ms;		  /* monotonic, when the last successful renewal began */
	int64_t term;			  /* transitions, while held */
	char *holder, *version, *renewed; /* as last seen */
	bool seen;
	int64_t changed_ms; /* monotonic, when we saw that change */
};

struct lease *lease_new(struct kube *kube, const char *ns, const char *name, const char *identity, int term_seconds)
{
	struct lease *lease = mem_alloc(sizeof *lease);
	lease->kube = kube;
	lease->ns = mem_strdup(ns);
	lease->name = mem_strdup(name);
	lease->identity = mem_strdup(identity);
	lease->term_s = term_seconds > 0 ? term_seconds : TERM_DEFAULT_S;
	lease->term = -1;
	return lease;
}

void lease_free(struct lease *lease)
{
	if (lease == NULL)
		return;
	free(lease->ns);
	free(lease->name);
	free(lease->identity);
	free(lease->holder);
	free(lease->version);
	free(lease->renewed);
	free(lease);
}

bool lease_may_act(const struct lease *lease, int64_t now_mono_ms)
{
	int64_t age = now_mono_ms - lease->renewed_ms;
	return lease->held && age >= 0 && age < (int64_t)lease->term_s * 1000 * 2 / 3;
}

const char *lease_holder(const struct lease *lease)
{
	return lease->holder != NULL ? lease->holder : "";
}

int64_t lease_term(const struct lease *lease)
{
	return lease->held ? lease->term : -1;
}

static void set_text(char **at, const char *text)
{
	free(*at);
	*at = mem_strdup(text);
}

/* Notes what was read; true if it differs from what was seen before. */
static bool observe(struct lease *lease, const struct node *object, int64_t now_mono_ms)
{
	const char *holder = node_text_or(node_find(object, "spec/holderIdentity"), "");
	const char *version = node_text_or(node_find(object, "metadata/resourceVersion"), "");
	const char *renewed = node_text_or(node_find(object, "spec/renewTime"), "");
	bool changed =
		!lease->seen || !str_eq(lease->holder, holder) || !str_eq(lease->version, version) || !str_eq(lease->renewed, renewed);
	if (changed) {
		lease->seen = true;
		lease->changed_ms = now_mono_ms;
		set_text(&lease->holder, holder);
		set_text(&lease->version, version);
		set_text(&lease->renewed, renewed);
	}
	return changed;
}

static void fill(const struct lease *lease, struct doc *doc, struct node *object, bool anew, int64_t transitions, int64_t now_wall_ms)
{
	char now[TIME_TEXT_MAX];
	time_format_micro(now_wall_ms * 1000, now);
	struct node *spec = node_ensure_map(doc, object, "spec");
	node_set_text(doc, spec, "holderIdentity", lease->identity);
	node_set_int(doc, spec, "leaseDurationSeconds", lease->term_s);
	if (anew)
		node_set_text(doc, spec, "acquireTime", now);
	node_set_text(doc, spec, "renewTime", now);
	node_set_int(doc, spec, "leaseTransitions", transitions);
}

static void hold(struct lease *lease, const struct doc *answer, int64_t now_mono_ms, int64_t transitions)
{
	observe(lease, doc_root(answer), now_mono_ms);
	lease->held = true;
	lease->renewed_ms = now_mono_ms;
	lease->term = transitions;
}

static bool create(struct lease *lease, int64_t now_mono_ms, int64_t now_wall_ms, struct error *err)
{
	AUTODOC *doc = doc_new();
	struct node *object = node_map(doc);
	node_set_text(doc, object, "apiVersion", leases.api_version);
	node_set_text(doc, object, "kind", leases.kind);
	struct node *metadata = node_ensure_map(doc, object, "metadata");
	node_set_text(doc, metadata, "name", lease->name);
	node_set_text(doc, metadata, "namespace", lease->ns);
	fill(lease, doc, object, true, 0, now_wall_ms);
	lease->tried = true;
	AUTODOC *answer = NULL;
	struct error why = ERROR_INIT;
	if (kube_create(lease->kube, &leases, lease->ns, object, &answer, &why)) {
		hold(lease, answer, now_mono_ms, 0);
		return true;
	}
	if (why.kind == ERROR_CONFLICT)
		return true; /* somebody was faster; the next step sees who */
	error_copy(err, &why);
	return false;
}

bool lease_step(struct lease *lease, int64_t now_mono_ms, int64_t now_wall_ms, struct error *err)
{
	AUTODOC *doc = NULL;
	struct error why = ERROR_INIT;
	if (!kube_get(lease->kube, &leases, lease->ns, lease->name, &doc, &why)) {
		if (why.kind == ERROR_NOT_FOUND) {
			lease->held = false; /* deleted under us: whoever creates it holds it */
			return create(lease, now_mono_ms, now_wall_ms, err);
		}
		error_copy(err, &why);
		return error_wrap(err, "lease");
	}
	struct node *object = doc_root(doc);
	observe(lease, object, now_mono_ms);
	bool ours = strcmp(lease->holder, lease->identity) == 0 && lease->tried;
	int64_t duration_s = node_integer(node_find(object, "spec/leaseDurationSeconds"), lease->term_s);
	if (duration_s < 1 || duration_s > TERM_MAX_S)
		duration_s = duration_s < 1 ? 1 : TERM_MAX_S;
	if (!ours) {
		lease->held = false;
		if (lease->holder[0] != '\0' && now_mono_ms - lease->changed_ms < duration_s * 1000)
			return true;
	}
	int64_t transitions = node_integer(node_find(object, "spec/leaseTransitions"), 0) + (ours ? 0 : 1);
	fill(lease, doc, object, !ours, transitions, now_wall_ms);
	lease->tried = true;
	AUTODOC *answer = NULL;
	if (kube_replace(lease->kube, &leases, lease->ns, lease->name, object, &answer, &why)) {
		hold(lease, answer, now_mono_ms, transitions);
		return true;
	}
	if (why.kind == ERROR_CONFLICT || why.kind == ERROR_NOT_FOUND)
		return true; /* changed in between; the next step looks again */
	error_copy(err, &why);
	return error_wrap(err, "lease");
}

bool lease_release(struct lease *lease, int64_t now_wall_ms, struct error *err)
{
	lease->held = false;
	if (!lease->tried)
		return true;
	AUTODOC *doc = NULL;
	struct error why = ERROR_INIT;
	if (!kube_get(lease->kube, &leases, lease->ns, lease->name, &doc, &why)) {
		if (why.kind == ERROR_NOT_FOUND)
			return true;
		error_copy(err, &why);
		return error_wrap(err, "release lease");
	}
	struct node *object = doc_root(doc);
	if (!str_eq(node_find_text(object, "spec/holderIdentity"), lease->identity))
		return true;
	int64_t transitions = node_integer(node_find(object, "spec/leaseTransitions"), 0);
	fill(lease, doc, object, false, transitions, now_wall_ms);
	node_set_text(doc, node_get(object, "spec"), "holderIdentity", "");
	node_set_int(doc, node_get(object, "spec"), "leaseDurationSeconds", 1);
	if (kube_replace(lease->kube, &leases, lease->ns, lease->name, object, NULL, &why) || why.kind == ERROR_CONFLICT)
		return true;
	error_copy(err, &why);
	return error_wrap(err, "release lease");
}
