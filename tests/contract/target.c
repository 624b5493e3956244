#include "contract/target.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "base/wtime.h"
#include "http/http_curl.h"
#include "kube/kubeconfig.h"
#include "sim/sim.h"

struct target target;
struct error err;

const struct kube_resource configmaps = { "v1", "ConfigMap", "configmaps", true, false };
const struct kube_resource services = { "v1", "Service", "services", true, true };
const struct kube_resource pods = { "v1", "Pod", "pods", true, true };
const struct kube_resource deployments = { "apps/v1", "Deployment", "deployments", true, true };
const struct kube_resource replicasets = { "apps/v1", "ReplicaSet", "replicasets", true, true };
const struct kube_resource namespaces = { "v1", "Namespace", "namespaces", false, true };
const struct kube_resource widgets = { "contract.weir.dev/v1", "Widget", "widgets", true, true };
static const struct kube_resource crds = { "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false,
					   true };

static struct {
	struct sim *sim;
	struct http *curl; /* to the simulator, or NULL */
	struct kube_access access;
	char ns[32];
} opened;

/* ---- time ---- */

enum { STEP_MS = 50 };

static bool until_virtual(condition_fn *condition, void *context, int64_t limit_ms)
{
	int64_t end = sim_now_ms(opened.sim) + limit_ms;
	while (!condition(context)) {
		if (sim_now_ms(opened.sim) >= end)
			return false;
		sim_advance(opened.sim, STEP_MS);
	}
	return true;
}

static bool until_real(condition_fn *condition, void *context, int64_t limit_ms)
{
	struct clock clock = clock_real();
	int64_t end = clock_mono_ms(&clock) + limit_ms;
	while (!condition(context)) {
		if (clock_mono_ms(&clock) >= end)
			return false;
		(void)nanosleep(&(struct timespec){ .tv_nsec = STEP_MS * 1000000L }, NULL);
	}
	return true;
}

void until(condition_fn *condition, void *context, int64_t limit_ms, const char *what)
{
	if (!target.until(condition, context, limit_ms))
		fail_msg("after %lld s it is still not so: %s", (long long)limit_ms / 1000, what);
}

/* ---- opening ---- */

static const char widget_crd[] =
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.contract.weir.dev}\n"
	"spec:\n  group: contract.weir.dev\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets, singular: widget, listKind: "
	"WidgetList}\n"
	"  versions:\n  - name: v1\n    served: true\n    storage: true\n    subresources: {status: {}}\n    schema:\n      "
	"openAPIV3Schema:\n"
	"        type: object\n        properties:\n"
	"          spec:\n            type: object\n            properties:\n              size: {type: integer, minimum: 0}\n"
	"              color: {type: string}\n              tags: {type: array, items: {type: string}}\n"
	"              parts:\n                type: array\n                x-kubernetes-list-type: map\n"
	"                x-kubernetes-list-map-keys: [name]\n"
	"                items: {type: object, required: [name], properties: {name: {type: string}, count: {type: integer}}}\n"
	"          status:\n            type: object\n            properties: {phase: {type: string}}\n";

static const char rights[] =
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: flink}\nrules:\n"
	"- {apiGroups: [''], resources: [pods, configmaps, services], verbs: ['*']}\n"
	"- {apiGroups: [apps], resources: [deployments, deployments/finalizers], verbs: ['*']}\n---\n"
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: flink}\n"
	"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: flink}\nsubjects: [{kind: ServiceAccount, name: flink}]\n---\n"
	"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: flink}\n";

static bool apply_all(const char *text, const char *ns, struct error *why)
{
	struct doc **docs = NULL;
	size_t count = 0;
	if (!doc_parse_yaml(text, strlen(text), "target", NULL, &docs, &count, why))
		return false;
	bool ok = true;
	for (size_t i = 0; ok && i < count; i++) {
		struct kube_resource resource;
		const struct node *root = doc_root(docs[i]);
		ok = kube_resource_for(target.kube, node_find_text(root, "apiVersion"), node_find_text(root, "kind"), &resource, why) &&
		     kube_apply(target.kube, &resource, ns, node_find_text(root, "metadata/name"), root,
				&(struct kube_apply_options){ .field_manager = "contract", .force = true }, NULL, why);
	}
	doc_list_free(docs, count);
	return ok;
}

static bool widgets_served(void *context)
{
	AUTODOC *list = NULL;
	return kube_list(target.kube, &widgets, target.ns, NULL, &list, NULL, context);
}

static bool account_exists(void *context)
{
	(void)context;
	static const struct kube_resource accounts = { "v1", "ServiceAccount", "serviceaccounts", true, false };
	return kube_get(target.kube, &accounts, target.ns, "default", NULL, NULL);
}

static bool make_world(struct error *why)
{
	AUTOFREE char *space = mem_printf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", opened.ns);
	target.ns = opened.ns;
	if (!apply_all(space, NULL, why) || !apply_all(widget_crd, NULL, why) || !apply_all(rights, target.ns, why))
		return false;
	return (target.until(widgets_served, why, 30000) && target.until(account_exists, NULL, 30000)) ||
	       error_wrap(why, "the kind Widget or the namespace's default account is missing after 30 s");
}

static bool open_simulator(const struct target_options *options, struct error *why)
{
	opened.sim = sim_new(1);
	struct sim_options *o = sim_options(opened.sim);
	o->watch_window = 64; /* few versions are kept, so that the cases can pass by the oldest */
	o->bookmark_ms = 2000;
	target.http = sim_http(opened.sim);
	target.until = until_virtual;
	if (!options->over_http)
		return true;
	uint16_t port = 0;
	if (!sim_serve(opened.sim, "127.0.0.1", 0, 4.0, &port, why))
		return false;
	AUTOFREE char *url = mem_printf("http://127.0.0.1:%u", (unsigned)port);
	if (!http_curl_open(&(struct http_curl_options){ .base_url = url, .proxy = "" }, &opened.curl, why))
		return false;
	target.http = opened.curl;
	target.until = until_real;
	return true;
}

static bool open_real(const struct target_options *options, struct error *why)
{
	if (!kube_access_open(&(struct kubeconfig_options){ .file = options->kubeconfig }, &opened.access, why))
		return false;
	target.http = opened.access.http;
	target.until = until_real;
	return true;
}

bool target_open(const struct target_options *options)
{
	err = ERROR_INIT;
	struct random random = random_real();
	(void)snprintf(opened.ns, sizeof opened.ns, "contract-%06llx", (unsigned long long)(random_next(&random) & 0xffffff));
	target.image = options->image;
	target.flink_version = options->flink_version;
	target.state_dir = options->state_dir;
	target.jar = options->jar;
	target.is_real = options->kubeconfig != NULL;
	if (options->kubeconfig != NULL ? open_real(options, &err) : open_simulator(options, &err)) {
		tap_init(&target.tap, target.http);
		target.kube = kube_new(&target.tap.http);
		kube_keep_managed_fields(target.kube, true);
		if (make_world(&err))
			return true;
	}
	(void)fprintf(stderr, "contract_suite: %s\n", err.message);
	target_close();
	return false;
}

void target_close(void)
{
	if (target.kube != NULL) {
		(void)kube_delete(target.kube, &namespaces, NULL, target.ns, NULL, NULL);
		(void)kube_delete(target.kube, &crds, NULL, "widgets.contract.weir.dev", NULL, NULL);
	}
	kube_free(TAKE(target.kube));
	http_curl_close(TAKE(opened.curl));
	if (opened.access.http != NULL)
		kube_access_close(&opened.access);
	sim_free(TAKE(opened.sim));
}

/* ---- short forms ---- */

struct doc *yaml(const char *format, ...)
{
	AUTOBUF text = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	err = ERROR_INIT;
	struct doc *doc = doc_parse_yaml_one(buf_text(&text), text.len, "case", &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

static const char *name_of(const struct doc *object)
{
	return node_find_text(doc_root(object), "metadata/name");
}

static const char *space_of(const struct kube_resource *resource)
{
	return resource->namespaced ? target.ns : NULL;
}

struct doc *must_create(const struct kube_resource *resource, struct doc *object)
{
	struct doc *out = NULL;
	assert_ok(kube_create(target.kube, resource, space_of(resource), doc_root(object), &out, &err));
	doc_free(object);
	return out;
}

struct doc *must_get(const struct kube_resource *resource, const char *name)
{
	struct doc *out = NULL;
	assert_ok(kube_get(target.kube, resource, space_of(resource), name, &out, &err));
	return out;
}

struct doc *must_apply(const struct kube_resource *resource, struct doc *object, const char *manager)
{
	struct doc *out = NULL;
	struct kube_apply_options options = { .field_manager = manager };
	assert_ok(kube_apply(target.kube, resource, space_of(resource), name_of(object), doc_root(object), &options, &out, &err));
	doc_free(object);
	return out;
}

bool try_apply(const struct kube_resource *resource, struct doc *object, const struct kube_apply_options *options, struct error *why)
{
	bool ok = kube_apply(target.kube, resource, space_of(resource), name_of(object), doc_root(object), options, NULL, why);
	doc_free(object);
	return ok;
}

void must_delete(const struct kube_resource *resource, const char *name, const char *propagation)
{
	struct kube_delete_options options = { .propagation = propagation, .grace_seconds = -1 };
	assert_ok(kube_delete(target.kube, resource, space_of(resource), name, &options, &err));
}

bool exists(const struct kube_resource *resource, const char *name)
{
	err = ERROR_INIT;
	if (kube_get(target.kube, resource, space_of(resource), name, NULL, &err))
		return true;
	if (err.kind != ERROR_NOT_FOUND)
		fail_msg("%s", err.message);
	return false;
}

struct object_name {
	const struct kube_resource *resource;
	const char *name;
};

static bool is_gone(void *context)
{
	const struct object_name *o = context;
	return !exists(o->resource, o->name);
}

void until_gone(const struct kube_resource *resource, const char *name)
{
	struct object_name o = { resource, name };
	AUTOFREE char *what = mem_printf("%s %s is gone", resource->kind, name);
	until(is_gone, &o, 60000, what);
}

const char *text_at(const struct doc *doc, const char *path)
{
	return node_text_or(node_find(doc_root(doc), path), "");
}

const char *version_of(const struct doc *doc)
{
	return text_at(doc, "metadata/resourceVersion");
}

const char *uid_of(const struct doc *doc)
{
	return text_at(doc, "metadata/uid");
}

int64_t generation_of(const struct doc *doc)
{
	return node_integer(node_find(doc_root(doc), "metadata/generation"), -1);
}

bool has_text(const struct node *list, const char *text)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_at(list, i)), text))
			return true;
	return false;
}
