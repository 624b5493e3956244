#include "render/resource.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void texts_add(struct texts *t, const char *text)
{
	t->items = mem_grow(t->items, t->count + 1, sizeof *t->items);
	t->items[t->count++] = mem_strdup(text);
}

void texts_free(struct texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
	*t = (struct texts){ 0 };
}

struct resource *resource_new(struct doc *doc, const char *file, unsigned line)
{
	struct resource *r = mem_alloc(sizeof *r);
	r->doc = doc;
	r->file = mem_strdup(file);
	r->line = line;
	resource_refresh(r);
	return r;
}

void resource_free(struct resource *r)
{
	if (r == NULL)
		return;
	doc_free(r->doc);
	free(r->file);
	for (size_t i = 0; i < r->old_count; i++) {
		free(r->old[i].kind);
		free(r->old[i].name);
		free(r->old[i].ns);
	}
	free(r->old);
	texts_free(&r->prefixes);
	texts_free(&r->suffixes);
	free(r);
}

struct node *resource_root(const struct resource *r)
{
	return doc_root(r->doc);
}

static const char *text_at(const struct resource *r, const char *path)
{
	return node_text_or(node_find(resource_root(r), path), "");
}

const char *resource_kind(const struct resource *r)
{
	return text_at(r, "kind");
}

const char *resource_name(const struct resource *r)
{
	return text_at(r, "metadata/name");
}

const char *resource_namespace(const struct resource *r)
{
	return text_at(r, "metadata/namespace");
}

static void copy_cut(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

void resource_refresh(struct resource *r)
{
	const char *api = text_at(r, "apiVersion");
	const char *slash = strchr(api, '/');
	copy_cut(r->group, sizeof r->group, api, slash == NULL ? 0 : (size_t)(slash - api));
	const char *version = slash == NULL ? api : slash + 1;
	copy_cut(r->version, sizeof r->version, version, strlen(version));
}

static bool matches(const char *pattern, const char *text)
{
	return pattern == NULL || strcmp(pattern, text) == 0;
}

bool resource_is(const struct resource *r, const struct gvk *p)
{
	return matches(p->group, r->group) && matches(p->version, r->version) && matches(p->kind, resource_kind(r));
}

static void set_meta(struct resource *r, const char *key, const char *text)
{
	struct node *meta = node_ensure_map(r->doc, resource_root(r), "metadata");
	node_set_text(r->doc, meta, key, text);
}

void resource_set_name(struct resource *r, const char *name)
{
	set_meta(r, "name", name);
}

void resource_set_namespace(struct resource *r, const char *ns)
{
	set_meta(r, "namespace", ns);
}

void resource_remember(struct resource *r)
{
	const char *kind = resource_kind(r), *name = resource_name(r), *ns = resource_namespace(r);
	if (r->old_count > 0) {
		const struct old_id *last = &r->old[r->old_count - 1];
		if (strcmp(last->kind, kind) == 0 && strcmp(last->name, name) == 0 && strcmp(last->ns, ns) == 0)
			return;
	}
	r->old = mem_grow(r->old, r->old_count + 1, sizeof *r->old);
	r->old[r->old_count++] = (struct old_id){ mem_strdup(kind), mem_strdup(name), mem_strdup(ns) };
}

bool resource_cluster_scoped(const struct resource *r, const char *kind)
{
	static const struct gvk table[] = {
		{ "", "v1", "ComponentStatus" },
		{ "", "v1", "Namespace" },
		{ "", "v1", "Node" },
		{ "", "v1", "NodeProxyOptions" },
		{ "", "v1", "PersistentVolume" },
		{ "admissionregistration.k8s.io", NULL, "MutatingWebhookConfiguration" },
		{ "admissionregistration.k8s.io", NULL, "ValidatingWebhookConfiguration" },
		{ "apiextensions.k8s.io", NULL, "CustomResourceDefinition" },
		{ "apiregistration.k8s.io", NULL, "APIService" },
		{ "certificates.k8s.io", NULL, "CertificateSigningRequest" },
		{ "flowcontrol.apiserver.k8s.io", "v1beta1", "FlowSchema" },
		{ "flowcontrol.apiserver.k8s.io", "v1beta1", "PriorityLevelConfiguration" },
		{ "networking.k8s.io", NULL, "IngressClass" },
		{ "node.k8s.io", NULL, "RuntimeClass" },
		{ "policy", "v1beta1", "PodSecurityPolicy" },
		{ "rbac.authorization.k8s.io", NULL, "ClusterRole" },
		{ "rbac.authorization.k8s.io", NULL, "ClusterRoleBinding" },
		{ "scheduling.k8s.io", NULL, "PriorityClass" },
		{ "storage.k8s.io", NULL, "CSIDriver" },
		{ "storage.k8s.io", NULL, "CSINode" },
		{ "storage.k8s.io", NULL, "StorageClass" },
		{ "storage.k8s.io", NULL, "VolumeAttachment" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].kind, kind) != 0 || strcmp(table[i].group, r->group) != 0)
			continue;
		return table[i].version != NULL ? strcmp(table[i].version, r->version) == 0
						: strcmp(r->version, "v1") == 0 || strcmp(r->version, "v1beta1") == 0;
	}
	return false;
}

const char *resource_effective_namespace(const struct resource *r, const char *kind, const char *ns)
{
	if (resource_cluster_scoped(r, kind))
		return "/"; /* no namespace is called that */
	return *ns == '\0' ? "default" : ns;
}

bool resource_same_id(const struct resource *a, const struct resource *b)
{
	return strcmp(resource_name(a), resource_name(b)) == 0 && strcmp(resource_kind(a), resource_kind(b)) == 0 &&
	       strcmp(a->group, b->group) == 0 && strcmp(a->version, b->version) == 0 &&
	       strcmp(resource_effective_namespace(a, resource_kind(a), resource_namespace(a)),
		      resource_effective_namespace(b, resource_kind(b), resource_namespace(b))) == 0;
}

void resource_describe(const struct resource *r, struct buf *out)
{
	const char *ns = resource_namespace(r);
	buf_printf(out, "%s.%s.%s/%s.%s", resource_kind(r), *r->version == '\0' ? "[noVer]" : r->version,
		   *r->group == '\0' ? "[noGrp]" : r->group, resource_name(r), *ns == '\0' ? "[noNs]" : ns);
}

bool resource_any_id(const struct resource *r, id_test test, const void *context)
{
	for (size_t i = 0; i < r->old_count; i++)
		if (test(r, r->old[i].kind, r->old[i].name, r->old[i].ns, context))
			return true;
	return test(r, resource_kind(r), resource_name(r), resource_namespace(r), context);
}

void set_free(struct resource_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		resource_free(s->items[i]);
	free(s->items);
	*s = (struct resource_set){ 0 };
}

static bool twice(const struct resource *a, const struct resource *b, const char *what, struct error *err)
{
	AUTOBUF id = BUF_INIT;
	resource_describe(b, &id);
	return error_set(err, ERROR_INVALID, "%s:%u: %s%s is there already, from %s:%u", b->file, b->line, what, buf_text(&id), a->file,
			 a->line);
}

void set_add(struct resource_set *s, struct resource *r)
{
	if (s->count == s->cap) {
		s->cap = s->cap == 0 ? 16 : s->cap * 2;
		s->items = mem_grow(s->items, s->cap, sizeof *s->items);
	}
	s->items[s->count++] = r;
}

void set_remove(struct resource_set *s, size_t i)
{
	resource_free(s->items[i]);
	memmove(s->items + i, s->items + i + 1, (s->count - i - 1) * sizeof *s->items);
	s->count--;
}

static int by_name(const void *a, const void *b)
{
	const struct resource *x = *(struct resource *const *)a, *y = *(struct resource *const *)b;
	int order = strcmp(resource_name(x), resource_name(y));
	if (order == 0)
		order = strcmp(resource_kind(x), resource_kind(y));
	return order;
}

bool set_check_unique(const struct resource_set *s, const char *what, struct error *err)
{
	AUTOFREE struct resource **sorted = mem_array(s->count + 1, sizeof *sorted);
	for (size_t i = 0; i < s->count; i++)
		sorted[i] = s->items[i];
	qsort(sorted, s->count, sizeof *sorted, by_name);
	for (size_t i = 0; i < s->count; i++)
		for (size_t k = i + 1; k < s->count && by_name(&sorted[i], &sorted[k]) == 0; k++)
			if (resource_same_id(sorted[i], sorted[k]))
				return twice(sorted[i], sorted[k], what, err);
	return true;
}

/* ---- order ---- */

static const char *const kinds_first[] = {
	"Namespace",
	"ResourceQuota",
	"StorageClass",
	"CustomResourceDefinition",
	"ServiceAccount",
	"PodSecurityPolicy",
	"Role",
	"ClusterRole",
	"RoleBinding",
	"ClusterRoleBinding",
	"ConfigMap",
	"Secret",
	"Endpoints",
	"Service",
	"LimitRange",
	"PriorityClass",
	"PersistentVolume",
	"PersistentVolumeClaim",
	"Deployment",
	"StatefulSet",
	"CronJob",
	"PodDisruptionBudget",
};
static const char *const kinds_last[] = { "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration" };

struct sortable {
	struct resource *r;
	int rank;
	char *type, *id;
};

static int rank_of(const char *kind, const struct node *first, const struct node *last)
{
	size_t before = first != NULL ? node_count(first) : ARRAY_SIZE(kinds_first);
	for (size_t i = 0; i < before; i++)
		if (str_eq(first != NULL ? node_text(node_at(first, i)) : kinds_first[i], kind))
			return (int)i - (int)before;
	size_t after = last != NULL ? node_count(last) : ARRAY_SIZE(kinds_last);
	for (size_t i = 0; i < after; i++)
		if (str_eq(last != NULL ? node_text(node_at(last, i)) : kinds_last[i], kind))
			return (int)i + 1;
	return 0;
}

static int by_order(const void *a, const void *b)
{
	const struct sortable *x = a, *y = b;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	int order = strcmp(x->type, y->type);
	if (order == 0)
		return strcmp(x->id, y->id);
	bool core = *x->r->group == '\0' || *y->r->group == '\0';
	bool spaces = strcmp(resource_kind(x->r), "Namespace") == 0 && strcmp(resource_kind(y->r), "Namespace") == 0;
	return core && spaces ? -order : order;
}

static const char * or (const char *text, const char *otherwise)
{
	return *text == '\0' ? otherwise : text;
}

void set_sort_legacy(struct resource_set *s, const struct node *first, const struct node *last)
{
	AUTOFREE struct sortable *list = mem_array(s->count + 1, sizeof *list);
	for (size_t i = 0; i < s->count; i++) {
		struct resource *r = s->items[i];
		list[i] = (struct sortable){
			.r = r,
			.rank = rank_of(resource_kind(r), first, last),
			.type = mem_printf("%s_%s_%s", or (r->group, "~G"), or (r->version, "~V"), or (resource_kind(r), "~K")),
			.id = mem_printf("%s|%s", or (resource_namespace(r), "~X"), or (resource_name(r), "~N")),
		};
	}
	qsort(list, s->count, sizeof *list, by_order);
	for (size_t i = 0; i < s->count; i++) {
		s->items[i] = list[i].r;
		free(list[i].type);
		free(list[i].id);
	}
}
