/*
 * internal: what the files of sim share. Nobody outside src/sim includes it. Everything here runs with the sim's lock held.
 */
#ifndef WEIR_SIM_INTERNAL_H
#define WEIR_SIM_INTERNAL_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/mem.h"
#include "sim/faults.h"
#include "sim/sim.h"

/* ---- objects ---- */
struct version { /* one immutable state of an object, shared by the store, the history and nobody else */
	unsigned refs;
	struct doc *doc;
};

struct kind {
	char *group, *version, *resource, *name, *singular, *short_name; /* group "" for core */
	bool namespaced, status, scale, generation, custom;
	bool gone;	       /* its CRD was deleted */
	struct doc *crd;       /* owned copy of the CRD, or NULL */
	struct object **items; /* by namespace, then name */
	size_t count, cap;
};

struct object {
	struct kind *kind;
	const char *ns, *name, *uid; /* in the current version's document */
	struct version *current;
};

struct event {
	uint64_t rv;
	char type; /* 'A', 'M', 'D' */
	struct kind *kind;
	struct version *now, *before; /* before NULL for 'A' */
};

struct timer {
	int64_t at;
	uint64_t seq;
	void (*run)(struct sim *sim, const char *key);
	char *key; /* owned */
};

struct stored { /* a savepoint or checkpoint */
	char *path;
	int64_t value;
};

struct lineage;
struct process;
struct fault;
struct server;
struct port;

struct sim {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* after every event */
	struct sim_options options;
	int64_t now;
	uint64_t rng, seq, rv, compacted;
	struct kind **kinds;
	size_t kind_count;
	struct event *events;
	size_t event_count, event_cap;
	struct timer *timers; /* latest first, so that the next one is at the end */
	size_t timer_count, timer_cap;
	bool gc_due, workloads_due;
	struct stored *stored; /* by path */
	size_t stored_count;
	struct stored *results; /* JobResultStore: path of the entry; value: 0 FINISHED, 1 FAILED, 2 CANCELED */
	size_t result_count;
	struct stored *history; /* cluster ids that have completed a checkpoint */
	size_t history_count;
	struct lineage *lineages;
	size_t lineage_count;
	struct sim_start *starts;
	size_t start_count;
	struct {
		char *key;
		struct doc *config;
	} * graphs; /* session jobs that HA would recover: NS/CLUSTER/JOB */
	size_t graph_count;
	struct {
		char *id, *name;
	} * jars; /* uploaded */
	size_t jar_count;
	struct process *processes;
	struct fault *faults;
	struct port *ports; /* of sim_service_http */
	struct http http;
	struct server *server;
	char **frozen; /* node names */
	size_t frozen_count;
	struct {
		char *uid, *text;
	} * logs;
	size_t log_count;
	bool storage_down, watch_stalled;
	unsigned watch_breaks, violations, empty_starts;
	uint32_t next_ip;
};

void sim_lock(struct sim *sim);
void sim_unlock(struct sim *sim);

/* core.c */
uint64_t sim_random(struct sim *sim);
void sim_random_text(struct sim *sim, char *out, size_t len, const char *alphabet); /* out has len + 1 bytes */
void sim_timer(struct sim *sim, int64_t after_ms, void (*run)(struct sim *sim, const char *key), const char *key);
void sim_pass(struct sim *sim, int64_t ms);   /* sim_advance with the lock held */
void sim_time_text(int64_t ms, char out[32]); /* RFC 3339, seconds */
int64_t sim_time_parse(const char *text);     /* 0 if it is none */
char *stored_key(const char *path);	      /* as Flink writes it: file:///a is file:/a; the caller's */
void stored_put(struct stored **list, size_t *count, const char *path, int64_t value);
struct stored *stored_get(struct stored *list, size_t count, const char *path);
bool stored_remove(struct stored *list, size_t *count, const char *path);
/* What a state probe pod (store/probe.h) says that is asked this. */
const char *storage_answer(struct sim *sim, const char *question, const char *path);

/* kinds.c */
void kinds_init(struct sim *sim);
void kinds_free(struct sim *sim);
struct kind *kind_find(struct sim *sim, const char *group, const char *resource); /* not gone; version is checked by the caller */
struct kind *kind_by_name(struct sim *sim, const char *api_version, const char *kind);
struct kind *kind_of(struct sim *sim, const char *resource_path); /* "apps/deployments", "pods" */
void kinds_crd_changed(struct sim *sim, const struct node *crd, bool removed);
void kind_api_version(const struct kind *kind, struct buf *out);
const struct node *kind_schema(const struct kind *kind); /* openAPIV3Schema of the CRD's version, or NULL */

/* store.c: finding, editing, committing, deleting */
struct node *object_root(const struct object *o);
struct object *store_find(struct kind *kind, const char *ns, const char *name);
struct object *store_get(struct sim *sim, const char *resource_path, const char *ns, const char *name);
struct object *store_by_uid(struct sim *sim, const char *uid);
struct doc *doc_clone(const struct node *root);
struct doc *store_edit(const struct object *o); /* a copy to change and give to store_update */
/* Takes the document; fills uid, creationTimestamp, generation. The name must be free. */
struct object *store_insert(struct sim *sim, struct kind *kind, struct doc *doc);
/* Takes the document. Unchanged content writes nothing. Removes the object when it is being deleted and no finalizer is left: NULL then. */
struct object *store_update(struct sim *sim, struct object *o, struct doc *doc);
enum propagation { PROPAGATE_BACKGROUND, PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN };
/* grace < 0: the pod's own. Returns the object if it is still there. */
struct object *store_delete(struct sim *sim, struct object *o, enum propagation how, int64_t grace);
void store_remove(struct sim *sim, struct object *o);				    /* at once, whatever finalizers it has */
void store_gc_soon(struct sim *sim);						    /* gc.c */
const struct node *owner_ref(const struct node *root, const char *uid, size_t *at); /* the reference to that owner, if any */
void version_free(struct version *v);
void store_free(struct sim *sim);
bool labels_match(const char *selector, const struct node *labels); /* a label selector text; NULL or "" matches all */
bool labels_cover(const struct node *match_labels, const struct node *labels);
bool fields_match(const char *selector, const struct node *object); /* metadata.name=..., status.phase!=... */
bool selector_valid(const char *selector);
void defaults_fill(struct doc *doc, const struct kind *kind, struct node *root); /* defaults.c */
void schema_prune(const struct node *schema, struct node *value, bool top);	 /* defaults.c */
/* validate.c. False: what is wrong was appended to the problem. */
bool schema_check(const struct node *schema, const struct node *root, struct buf *problem);
/* True: the path of a field that the schema does not have was appended. */
bool schema_unknown(const struct node *schema, const struct node *root, struct buf *field);
/* history.c: the objects of a kind as of a version that is not compacted. The array is the caller's, the nodes are borrowed. */
const struct node **history_list(struct sim *sim, const struct kind *kind, uint64_t rv, size_t *count);

/* fields.c: managed fields */
struct ftype { /* where in an object we are, as far as merging needs to know */
	bool builtin;
	const struct node *schema;
	const char *field, *parent;
	unsigned depth;
};
struct ftype ftype_root(const struct kind *kind);
struct ftype ftype_child(const struct ftype *t, const char *key); /* NULL: of a list's element */
struct node *apply_merge(struct doc *doc, const struct ftype *t, const struct node *live, const struct node *applied);
/* Records who changed what by an update (old NULL: a creation) in the new document's managedFields. */
void fields_track(struct sim *sim, const struct kind *kind, const struct node *old, struct doc *doc, const char *manager, const char *sub);
struct conflicts {
	struct buf message; /* "conflict with ..." lines */
	struct doc *causes; /* list */
	size_t count;
};
/* Drops entries of managedFields that cannot be read. */
void fields_clean(struct doc *doc);
/* Server-side apply. The merged document, or NULL with conflicts filled (free both). */
struct doc *fields_apply(struct sim *sim, const struct kind *kind, const struct node *live, const struct node *applied, const char *manager,
			 const char *sub, bool force, struct conflicts *conflicts);
const char *strategic_key(const char *field, const char *parent); /* merge key of a list, "" for a set, NULL for atomic */

/* patch.c */
void patch_merge(struct doc *doc, struct node *target, const struct node *patch);
bool patch_json(struct doc *doc, const struct node *ops, struct error *err);
void sim_patch_strategic(struct doc *doc, struct node *target, const struct node *patch, const char *field);

/* request.c: one request taken apart */
struct call {
	struct sim *sim;
	const struct http_request *request;
	struct http_response *response;
	char *path; /* decoded, without query; segments point into it */
	char *segments[24];
	size_t count;
	struct {
		char *key, *value;
	} query[32];
	size_t query_count;
	char *raw_query;
	struct kind *kind;
	const char *ns, *name, *sub;
	size_t rest; /* first segment after sub */
	bool dry_run, table;
};
const char *call_query(const struct call *call, const char *key); /* NULL if absent */
bool call_open(struct sim *sim, const struct http_request *request, struct http_response *response, struct call *call);
void call_close(struct call *call);
void call_answer(struct call *call, int status, const struct node *body);
void call_text(struct call *call, int status, const char *content_type, const char *text);
void call_problem(struct call *call, int status, const char *reason, const char *format, ...) __attribute__((format(printf, 4, 5)));
struct node *problem_node(struct doc *doc, int status, const char *reason, const char *message);
bool call_is_watch(const struct call *call);
/* True: the faults let the request pass. Sets *lost when the answer must not arrive (*skip: nor the request be carried out). */
bool faults_check(struct sim *sim, const struct http_request *request, struct http_response *response, bool *lost, bool *skip);
void faults_free(struct sim *sim);
void verbs_handle(struct call *call); /* verbs.c */
/* check.c: false, and the call is answered, where something is wrong. */
bool write_check_content(struct call *call, struct doc *doc);			      /* kind, names */
bool write_check_strict(struct call *call, const struct node *root);		      /* fieldValidation=Strict: unknown fields */
bool write_check_whole(struct call *call, struct doc *doc, const struct object *old); /* after merging; old NULL: a creation */
/* admission.c: Pod Security and quotas */
bool write_check_admission(struct call *call, const struct node *root); /* of a creation */
bool pod_admitted(struct sim *sim, const char *ns, const struct node *pod, struct buf *problem);
void call_resource_name(const struct kind *kind, struct buf *out);	  /* "deployments.apps" */
void call_object(struct call *call, int status, const struct node *root); /* as it is or as a Table */
struct object *call_find(struct call *call);				  /* NULL after a 404 was answered */
void call_scale(struct call *call, int status, const struct node *root);  /* as a Scale */
void call_list(struct call *call);
/* write.c */
void write_create(struct call *call);
void write_replace(struct call *call);
void write_patch(struct call *call);
void write_delete(struct call *call);
void write_delete_collection(struct call *call);
/* rbac.c: false, and the call is answered, where an impersonated service account may not do it */
bool rbac_allows(struct call *call);
/* discovery.c */
bool discovery_handle(struct call *call); /* true if it was one of its paths */
struct node *table_of(struct doc *doc, const struct kind *kind, struct node *const *items, size_t count, int64_t now, bool header);

/* protobuf.c: a small kind (Namespace, ConfigMap, Secret, ServiceAccount) from Kubernetes' binary form; NULL for others */
struct doc *protobuf_read(const char *data, size_t len);

/* watch.c */
struct watch;
struct watch *watch_open(struct call *call); /* NULL: the answer is in the call's response */
/* Appends events as lines; false at the end of the stream. */
bool watch_read(struct watch *w, struct buf *out);
void watch_close(struct watch *w);

/* workloads.c */
void workloads_changed(struct sim *sim, struct object *o);
void workloads_removed(struct sim *sim, struct object *o);
/* pods.c */
void pod_schedule(struct sim *sim, const char *uid);
void pod_stop(struct sim *sim, const char *uid);
void status_condition(struct sim *sim, struct doc *doc, struct node *status, const char *type, bool met, const char *reason,
		      const char *message);
bool node_frozen(const struct sim *sim, const char *node);
void pod_set_ready(struct sim *sim, const char *uid);
/* The pod's process ends: restart with back-off, or the pod's end, as its restartPolicy says. */
void pod_exit(struct sim *sim, const char *uid, int code, const char *message);
void pod_log(struct sim *sim, const char *uid, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *pod_log_text(struct sim *sim, const char *uid);
bool pod_running(const struct node *pod);

/* flink.c: processes and jobs */
bool flink_is_jobmanager(const struct node *pod);
void flink_pod_started(struct sim *sim, struct object *pod); /* its process runs now */
void flink_pod_stopped(struct sim *sim, const char *uid);    /* it does not any more */
void flink_pods_changed(struct sim *sim);
void flink_reap(struct sim *sim); /* ends processes whose pods are gone */
void flink_free(struct sim *sim);
/* lineage.c; the key is NS/CLUSTER[/JOB] */
void lineage_completed(struct sim *sim, const char *key, const char *path, bool beside); /* beside: a savepoint of a job that runs on */
void lineage_started(struct sim *sim, const char *key, const char *launch, const char *from); /* from NULL: without state */
void lineage_free(struct sim *sim);
/* flink_rest.c */
void flink_rest(struct call *call, const char *ns, const char *service, const char *path);
#endif
