#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/kube_private.h"

struct kube_known {
	struct kube_resource resource;
	bool listable;
	struct kube_known *next;
	char text[]; /* the resource's strings */
};

void kube_known_free(struct kube_known *known)
{
	while (known != NULL) {
		struct kube_known *next = known->next;
		free(known);
		known = next;
	}
}

static struct kube_known *find(const struct kube *kube, const char *api_version, const char *kind)
{
	for (struct kube_known *known = kube->known; known != NULL; known = known->next) {
		if (strcmp(known->resource.kind, kind) == 0 && strcmp(known->resource.api_version, api_version) == 0)
			return known;
	}
	return NULL;
}

/*
 * Entries are never changed in what others may have borrowed, nor freed before the kube: one that was served differently before gets a
 * newer one in front of it. Called with the lock held.
 */
static void remember(struct kube *kube, const struct kube_resource *resource, bool listable)
{
	const struct kube_known *old = find(kube, resource->api_version, resource->kind);
	if (old != NULL && strcmp(old->resource.plural, resource->plural) == 0 && old->resource.namespaced == resource->namespaced &&
	    old->resource.has_status == resource->has_status && old->listable == listable)
		return;
	size_t version = strlen(resource->api_version) + 1, kind = strlen(resource->kind) + 1, plural = strlen(resource->plural) + 1;
	struct kube_known *known = mem_alloc(sizeof *known + version + kind + plural);
	memcpy(known->text, resource->api_version, version);
	memcpy(known->text + version, resource->kind, kind);
	memcpy(known->text + version + kind, resource->plural, plural);
	known->resource = (struct kube_resource){ .api_version = known->text,
						  .kind = known->text + version,
						  .plural = known->text + version + kind,
						  .namespaced = resource->namespaced,
						  .has_status = resource->has_status };
	known->listable = listable;
	known->next = kube->known;
	kube->known = known;
}

static bool has_verb(const struct node *resource, const char *verb)
{
	const struct node *verbs = node_get(resource, "verbs");
	for (size_t i = 0; i < node_count(verbs); i++) {
		if (str_eq(node_text(node_at(verbs, i)), verb))
			return true;
	}
	return false;
}

static bool has_status(const struct node *list, const char *plural)
{
	AUTOFREE char *wanted = mem_printf("%s/status", plural);
	for (size_t i = 0; i < node_count(list); i++) {
		if (str_eq(node_find_text(node_at(list, i), "name"), wanted))
			return true;
	}
	return false;
}

static bool fetch(struct kube *kube, const char *api_version, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	kube_put_version(&path, api_version);
	AUTODOC *doc = NULL;
	const struct kube_call call = { .method = "GET", .path = buf_text(&path) };
	if (!kube_call(kube, &call, &doc, err))
		return false;
	const struct node *list = node_get(doc_root(doc), "resources");
	pthread_mutex_lock(&kube->lock);
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *one = node_at(list, i);
		const char *plural = node_find_text(one, "name"), *kind = node_find_text(one, "kind");
		if (plural == NULL || kind == NULL || strchr(plural, '/') != NULL)
			continue;
		const struct kube_resource resource = { .api_version = api_version,
							.kind = kind,
							.plural = plural,
							.namespaced = node_truth(node_get(one, "namespaced"), false),
							.has_status = has_status(list, plural) };
		remember(kube, &resource, has_verb(one, "list"));
	}
	pthread_mutex_unlock(&kube->lock);
	return true;
}

static bool look_up(struct kube *kube, const char *api_version, const char *kind, struct kube_resource *out)
{
	pthread_mutex_lock(&kube->lock);
	const struct kube_known *known = find(kube, api_version, kind);
	if (known != NULL)
		*out = known->resource;
	pthread_mutex_unlock(&kube->lock);
	return known != NULL;
}

static bool is_path_safe(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-/", *p) == NULL)
			return false;
	}
	return text[0] != '\0' && strstr(text, "..") == NULL;
}

bool kube_resource_for(struct kube *kube, const char *api_version, const char *kind, struct kube_resource *out, struct error *err)
{
	if (api_version == NULL || kind == NULL || !is_path_safe(api_version))
		return error_set(err, ERROR_INVALID, "apiVersion %.100s: expected GROUP/VERSION or v1",
				 api_version != NULL ? api_version : "(none)");
	if (look_up(kube, api_version, kind, out))
		return true;
	struct error why = ERROR_INIT;
	if (!fetch(kube, api_version, &why) && why.kind != ERROR_NOT_FOUND) {
		error_copy(err, &why);
		return error_wrap(err, "discover %s", api_version);
	}
	if (look_up(kube, api_version, kind, out))
		return true;
	return error_set(err, ERROR_NOT_FOUND, "no such kind %s in %s: is its CRD installed?", kind, api_version);
}

bool kube_discover_all(struct kube *kube, void (*each)(void *context, const struct kube_resource *resource), void *context,
		       struct error *err)
{
	AUTODOC *groups = NULL;
	const struct kube_call call = { .method = "GET", .path = "/apis" };
	if (!fetch(kube, "v1", err) || !kube_call(kube, &call, &groups, err))
		return false;
	const struct node *list = node_get(doc_root(groups), "groups");
	for (size_t i = 0; i <= node_count(list); i++) {
		const char *version = i == 0 ? "v1" : node_find_text(node_at(list, i - 1), "preferredVersion/groupVersion");
		/* An aggregated API whose server is down must not hide the others. */
		if (version == NULL || !is_path_safe(version) || (i > 0 && !fetch(kube, version, NULL)))
			continue;
		pthread_mutex_lock(&kube->lock);
		const struct kube_known *first = kube->known;
		pthread_mutex_unlock(&kube->lock);
		for (const struct kube_known *known = first; known != NULL; known = known->next) {
			struct kube_resource now;
			if (known->listable && strcmp(known->resource.api_version, version) == 0 &&
			    look_up(kube, version, known->resource.kind, &now) && now.kind == known->resource.kind)
				each(context, &known->resource);
		}
	}
	return true;
}
