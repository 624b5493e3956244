/* support: a simulated cluster in process, and passes of syncs over objects given as YAML text, for the tests of this folder. */
#ifndef WEIR_TEST_SYNC_SUPPORT_H
#define WEIR_TEST_SYNC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/kube.h"
#include "lifecycle/decide.h"
#include "lifecycle/digest.h"
#include "sim/faults.h"
#include "sim/sim.h"
#include "sync/inventory.h"
#include "sync/kinds.h"
#include "sync/ledger_store.h"
#include "sync/sync.h"

static struct {
	struct sim *sim;
	struct kube *kube;
	struct sync_output out;
	const struct sync_peer *peers;
	size_t peer_count;
	bool plan, no_prune;
} world;

static inline int open_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	world.sim = sim_new(1);
	world.kube = kube_new(sim_http(world.sim));
	return 0;
}

static inline int close_world(void **state)
{
	(void)state;
	sync_output_free(&world.out);
	kube_free(world.kube);
	sim_free(world.sim);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

static inline void read_objects(const char *yaml, struct render_result *out)
{
	struct error err = ERROR_INIT;
	struct doc **docs = NULL;
	if (!doc_parse_yaml(yaml, strlen(yaml), "objects.yaml", NULL, &docs, &out->count, &err))
		fail_msg("%s", err.message);
	out->objects = mem_array(out->count, sizeof *out->objects);
	for (size_t i = 0; i < out->count; i++)
		out->objects[i] = (struct render_object){ .doc = docs[i], .file = doc_file(docs[i]), .line = node_line(doc_root(docs[i])) };
	free(docs);
}

/* One pass; what came of it is in world.out. yaml NULL: it could not be rendered. */
static inline bool try_pass(const char *sync, const char *commit, const char *yaml, struct error *err)
{
	struct render_result objects = { 0 };
	if (yaml != NULL)
		read_objects(yaml, &objects);
	struct sync_input in = { .kube = world.kube,
				 .as = world.kube,
				 .name = sync,
				 .ns = "default",
				 .own_ns = "kube-system",
				 .commit = commit,
				 .prune = !world.no_prune,
				 .objects = yaml == NULL ? NULL : &objects,
				 .failure = "objects.yaml:1: broken",
				 .peers = world.peers,
				 .peer_count = world.peer_count,
				 .now_ms = sim_now_ms(world.sim),
				 .plan = world.plan };
	sync_output_free(&world.out);
	bool ok = sync_pass(&in, &world.out, err);
	render_result_free(&objects);
	return ok;
}

static inline void pass(const char *sync, const char *commit, const char *yaml)
{
	struct error err = ERROR_INIT;
	if (!try_pass(sync, commit, yaml, &err))
		fail_msg("%s", err.message);
}

static inline const struct sync_change *change_of(const char *id)
{
	for (size_t i = 0; i < world.out.change_count; i++)
		if (strcmp(world.out.changes[i].id, id) == 0)
			return &world.out.changes[i];
	return NULL;
}

/* The last pass did that to the object, and said so with this text. */
static inline void expect(const char *id, enum change_action action, const char *text)
{
	for (size_t i = 0; i < world.out.change_count; i++) {
		const struct sync_change *c = &world.out.changes[i];
		if (strcmp(c->id, id) == 0 && c->action == action && (text == NULL || strstr(c->message == NULL ? "" : c->message, text)))
			return;
	}
	const struct sync_change *c = change_of(id);
	fail_msg("%s: not %s \"%s\" but %s \"%s\"; the pass: %s", id, change_action_name(action), text == NULL ? "" : text,
		 c == NULL ? "nothing" : change_action_name(c->action), c == NULL || c->message == NULL ? "" : c->message,
		 world.out.message);
}

static inline void expect_state(enum sync_state state)
{
	if (world.out.state != state)
		fail_msg("state %s: %s", sync_state_name(world.out.state), world.out.message);
}

/* A value in a live object, "" if it is not there; lives until the next call. */
static inline const char *live(const char *resource, const char *ns, const char *name, const char *path)
{
	static struct doc *last;
	AUTOFREE char *json = sim_object_json(world.sim, resource, ns, name);
	doc_free(last);
	last = json == NULL ? NULL : doc_parse_json(json, strlen(json), "live", NULL, NULL);
	return last == NULL ? "" : node_text_or(node_find(doc_root(last), path), "");
}

static inline const char *annotation(const char *resource, const char *name, const char *key)
{
	static char text[600];
	AUTOFREE char *json = sim_object_json(world.sim, resource, "default", name);
	AUTODOC *doc = json == NULL ? NULL : doc_parse_json(json, strlen(json), "live", NULL, NULL);
	const char *value = doc == NULL ? NULL : decide_annotation(doc_root(doc), key);
	(void)snprintf(text, sizeof text, "%s", value == NULL ? "" : value);
	return text;
}

static inline bool exists(const char *resource, const char *name)
{
	AUTOFREE char *json = sim_object_json(world.sim, resource, "default", name);
	return json != NULL;
}

/* Somebody else's apply, update or deletion. */
static inline void by_hand(const char *method, const char *path, const char *type, const char *body)
{
	struct http_request request = {
		.method = method, .path = path, .content_type = type, .body = body, .body_len = body == NULL ? 0 : strlen(body)
	};
	struct http_response answer = { 0 };
	assert_true(sim_handle(world.sim, &request, &answer));
	if (answer.status >= 300)
		fail_msg("%s %s: %d %s", method, path, answer.status, buf_text(&answer.body));
	buf_free(&answer.body);
}

#define FLINKS "flink.apache.org/flinkdeployments"
#define MERGE  "application/merge-patch+json"
#define JSON   "application/json"
#define CMS    "/api/v1/namespaces/default/configmaps"

static inline bool has_event(const char *ns, const char *reason, const char *text)
{
	static const struct kube_resource events = { "v1", "Event", "events", true, false };
	AUTODOC *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(kube_list(world.kube, &events, ns, NULL, &list, NULL, &err));
	const struct node *items = node_get(doc_root(list), "items");
	for (size_t i = 0; i < node_count(items); i++)
		if (str_eq(node_find_text(node_at(items, i), "reason"), reason) &&
		    strstr(node_text_or(node_find(node_at(items, i), "message"), ""), text) != NULL)
			return true;
	return false;
}

/* ---- a job and its ledger ---- */
#define MAP(name, value) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\ndata: {key: " value "}\n---\n"
/* A FlinkDeployment that is not preflighted; `more` goes into its spec. */
#define FLINK_IN(ns, name, annotations, more)                                                                                       \
	"apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: " name ", namespace: " ns                    \
	", annotations: {weir.dev/preflight: 'off'" annotations "}}\nspec:\n  image: flink:1.20\n  flinkVersion: v1_20\n"           \
	"  serviceAccount: default\n  jobManager: {resource: {cpu: 1, memory: 1024m}}\n  taskManager: {resource: {cpu: 1, memory: " \
	"1024m}}\n  job: {jarURI: 'local:///a.jar', parallelism: 1, upgradeMode: stateless}\n" more "---\n"
#define FLINK(name, more) FLINK_IN("default", name, "", more)
#define MOUNTS(map) \
	"  podTemplate: {spec: {containers: [{name: flink-main-container}], volumes: [{name: v, configMap: {name: " map "}}]}}\n"

static inline void live_digest(const char *name, char out[65])
{
	AUTOFREE char *json = sim_object_json(world.sim, FLINKS, "default", name);
	assert_non_null(json);
	AUTODOC *doc = doc_parse_json(json, strlen(json), "live", NULL, NULL);
	spec_digest(node_get(doc_root(doc), "spec"), decide_annotation(doc_root(doc), "weir.dev/references"), out);
}

/* The ledger says that what the resource holds now was launched, and became stable or failed. */
static inline void launched(const char *name, const char *commit, bool stable)
{
	struct stored_ledger stored;
	struct error err = ERROR_INIT;
	assert_true(ledger_store_read(world.kube, "default", name, &stored, &err));
	struct ledger_launch *old = ledger_live(&stored.ledger);
	if (old != NULL)
		old->ended_at = 5;
	struct ledger_launch *l = ledger_add_launch(&stored.ledger);
	live_digest(name, l->digest);
	LEDGER_SET(l->commit, commit);
	LEDGER_SET(stored.ledger.uid, "x");
	AUTOFREE char *json = sim_object_json(world.sim, FLINKS, "default", name);
	AUTODOC *doc = doc_parse_json(json, strlen(json), "live", NULL, NULL);
	AUTOBUF spec = BUF_INIT;
	node_to_json(node_get(doc_root(doc), "spec"), &spec, JSON_COMPACT);
	l->spec = buf_take(&spec);
	l->submitted_at = l->running_at = 1;
	l->stable_at = stable ? 2 : 0;
	if (!stable)
		ledger_add_quarantine(&stored.ledger, l->digest, commit, "it failed", 3);
	assert_true(ledger_store_write(world.kube, "default", name, &stored.ledger, &stored, &err));
	ledger_free(&stored.ledger);
}

#endif
