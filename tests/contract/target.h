/*
 * target: the cluster that the contract is checked against, and the short forms in which the cases are written.
 *
 * One target is open at a time, global as cmocka's tests are: the simulator in process, the simulator over HTTP, or a real cluster. The
 * cases see no difference: they send through target.kube and wait with until(), which lets virtual time pass in the first and polls in
 * real time in the others. Every must_ function ends the test with the error's message when it fails; documents handed out are owned.
 */
#ifndef WEIR_CONTRACT_TARGET_H
#define WEIR_CONTRACT_TARGET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/mem.h"
#include "contract/tap.h"
#include "kube/kube.h"

typedef bool condition_fn(void *context);

struct target {
	struct http *http;
	struct tap tap;	   /* in front of it; kube speaks through this */
	struct kube *kube; /* keeps managedFields */
	const char *ns;	   /* a namespace of this run's own; its service account "flink" may do what Flink needs */
	/* Asks until it is so; false: not within limit_ms of this target's time. */
	bool (*until)(condition_fn *condition, void *context, int64_t limit_ms);
	const char *image, *flink_version; /* of Flink clusters */
	const char *state_dir;		   /* a folder of the machine that their pods mount */
	const char *jar;		   /* the test job's, for uploads, or NULL */
	bool is_real;			   /* not the simulator */
};
extern struct target target;
extern struct error err; /* of the case that runs */

struct target_options {
	bool over_http;
	const char *kubeconfig; /* NULL: the simulator */
	const char *image, *flink_version, *state_dir, *jar;
};
/* Opens the target and makes namespace and kinds. False: said on standard error. */
bool target_open(const struct target_options *options);
void target_close(void); /* removes the namespace again */

extern const struct kube_resource configmaps, services, pods, deployments, replicasets, namespaces, widgets;

/* ---- short forms; the namespace is target.ns ---- */
struct doc *yaml(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The object of a YAML text, given apiVersion, kind and name in metadata. */
struct doc *must_create(const struct kube_resource *resource, struct doc *object); /* takes the object */
struct doc *must_get(const struct kube_resource *resource, const char *name);
struct doc *must_apply(const struct kube_resource *resource, struct doc *object, const char *manager); /* takes the object */
void must_delete(const struct kube_resource *resource, const char *name, const char *propagation);
bool try_apply(const struct kube_resource *resource, struct doc *object, const struct kube_apply_options *options, struct error *why);
bool exists(const struct kube_resource *resource, const char *name);
/* Waits up to 60 s. */
void until_gone(const struct kube_resource *resource, const char *name);
void until(condition_fn *condition, void *context, int64_t limit_ms, const char *what); /* fails the test, naming what */

const char *text_at(const struct doc *doc, const char *path); /* "" if it is not there */
const char *version_of(const struct doc *doc);
const char *uid_of(const struct doc *doc);
int64_t generation_of(const struct doc *doc);
bool has_text(const struct node *list, const char *text);

/* The call, which reports to `err`, succeeds. */
#define assert_ok(call)                                      \
	do {                                                 \
		err = ERROR_INIT;                            \
		if (!(call))                                 \
			fail_msg(#call ": %s", err.message); \
	} while (0)
/* Likewise: the call, which reports to `err`, fails with this kind of error. */
#define assert_error(kind_, call)                                                                                                    \
	do {                                                                                                                         \
		err = ERROR_INIT;                                                                                                    \
		if (call)                                                                                                            \
			fail_msg(#call " succeeded");                                                                                \
		if (err.kind != (kind_))                                                                                             \
			fail_msg(#call ": expected %s, got %s: %s", error_kind_name(kind_), error_kind_name(err.kind), err.message); \
	} while (0)
#define assert_contains(text, part)                                   \
	do {                                                          \
		if (strstr((text), (part)) == NULL)                   \
			fail_msg("no \"%s\" in: %s", (part), (text)); \
	} while (0)

/* ---- the cases, a group of cmocka tests for each file ---- */
int contract_apply(void);
int contract_writes(void);
int contract_owners(void);
int contract_reads(void);
int contract_watch(void);
int contract_flink(void);
int contract_shapes(void);

#endif
