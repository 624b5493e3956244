/* patches, patchesStrategicMerge, patchesJson6902: reading them, finding what they are for, applying them. */
#include "render/patch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "render/kustomization.h"
#include "render/match.h"
#include "render/tree.h"

/* The text of a patch and where it stands. */
struct source {
	const char *file;
	const char *text;
	size_t len;
};

static bool read_path(const struct kustomization *k, const struct node *at, const char *field, struct source *out, struct error *err)
{
	const struct render_file *f = kustomization_read(k, at, node_text_or(at, ""), field, err);
	if (f == NULL)
		return false;
	*out = (struct source){ f->path, f->data, f->len };
	return true;
}

/* ---- selectors ---- */

struct selector {
	struct match *group, *version, *kind, *name, *ns;
	const char *labels, *annotations;
};

static void selector_free(struct selector *s)
{
	match_free(s->group);
	match_free(s->version);
	match_free(s->kind);
	match_free(s->name);
	match_free(s->ns);
}

static bool selector_read(const struct kustomization *k, const struct node *target, struct selector *s, struct error *err)
{
	const struct {
		const char *name;
		struct match **match;
	} parts[] = {
		{ "group", &s->group }, { "version", &s->version }, { "kind", &s->kind }, { "name", &s->name }, { "namespace", &s->ns }
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct node *at = node_get(target, parts[i].name);
		const char *text = node_text_or(at, "");
		struct error why = ERROR_INIT;
		if (*text != '\0' && (*parts[i].match = match_new(text, &why)) == NULL)
			return kustomization_error(k, err, why.kind, at, "target", "%s", why.message);
	}
	s->labels = node_text_or(node_get(target, "labelSelector"), "");
	s->annotations = node_text_or(node_get(target, "annotationSelector"), "");
	return true;
}

static bool id_matches(const struct resource *r, const char *kind, const char *name, const char *ns, const void *context)
{
	const struct selector *s = context;
	return (s->kind == NULL || match_test(s->kind, kind)) && (s->name == NULL || match_test(s->name, name)) &&
	       (s->ns == NULL || match_test(s->ns, resource_effective_namespace(r, kind, ns)));
}

static bool selected(const struct selector *s, const struct resource *r, bool *hit, struct error *err)
{
	*hit = (s->group == NULL || match_test(s->group, r->group)) && (s->version == NULL || match_test(s->version, r->version)) &&
	       resource_any_id(r, id_matches, s);
	if (!*hit)
		return true;
	bool labels = true, annotations = true;
	const struct node *meta = node_get(resource_root(r), "metadata");
	if (!match_labels(s->labels, node_get(meta, "labels"), &labels, err) ||
	    !match_labels(s->annotations, node_get(meta, "annotations"), &annotations, err))
		return false;
	*hit = labels && annotations;
	return true;
}

/* ---- strategic ---- */

struct options {
	bool name_change, kind_change;
};

static void restore_namespace(struct resource *r, const char *ns)
{
	struct node *meta = node_get(resource_root(r), "metadata");
	if (*ns == '\0')
		(void)node_remove(meta, "namespace");
	else
		node_set_text(r->doc, meta, "namespace", ns);
}

/* What a strategic patch may not change is put back. Removes the i-th resource if the patch says so. */
static bool merge_one(struct resource_set *set, size_t i, const struct node *patch, const char *file, struct options o, bool *gone,
		      struct error *err)
{
	struct resource *r = set->items[i];
	AUTOFREE char *name = mem_strdup(resource_name(r));
	AUTOFREE char *kind = mem_strdup(resource_kind(r));
	AUTOFREE char *ns = mem_strdup(resource_namespace(r));
	const struct node *version = node_get(resource_root(r), "apiVersion");
	AUTOFREE char *api = mem_strdup(node_text(version));
	if (!patch_strategic(r, patch, file, gone, err))
		return error_wrap(err, "patch of %s/%s", kind, name);
	if (*gone) {
		set_remove(set, i);
		return true;
	}
	load_clean_annotations(r->doc, node_get(resource_root(r), "metadata"));
	node_set_text(r->doc, resource_root(r), "apiVersion", api);
	bool renamed = o.name_change && strcmp(name, resource_name(r)) != 0,
	     other_kind = o.kind_change && strcmp(kind, resource_kind(r)) != 0;
	AUTOFREE char *new_name = mem_strdup(renamed ? resource_name(r) : name);
	AUTOFREE char *new_kind = mem_strdup(other_kind ? resource_kind(r) : kind);
	resource_set_name(r, name);
	node_set_text(r->doc, resource_root(r), "kind", kind);
	restore_namespace(r, ns);
	resource_refresh(r);
	if (renamed || other_kind)
		resource_remember(r);
	resource_set_name(r, new_name);
	node_set_text(r->doc, resource_root(r), "kind", new_kind);
	return true;
}

static bool is_patch_for(const struct resource *r, const char *kind, const char *name, const char *ns, const void *context)
{
	const struct resource *p = context;
	return strcmp(kind, resource_kind(p)) == 0 && strcmp(name, resource_name(p)) == 0 &&
	       strcmp(resource_effective_namespace(r, kind, ns), resource_effective_namespace(p, kind, resource_namespace(p))) == 0;
}

static bool merge_by_id(struct resource_set *set, const struct resource *patch, struct options o, struct error *err)
{
	size_t found = set->count;
	AUTOBUF id = BUF_INIT;
	resource_describe(patch, &id);
	for (size_t i = 0; i < set->count; i++) {
		struct resource *r = set->items[i];
		if (strcmp(r->group, patch->group) != 0 || strcmp(r->version, patch->version) != 0 ||
		    !resource_any_id(r, is_patch_for, patch))
			continue;
		if (found < set->count)
			return error_set(err, ERROR_INVALID, "%s:%u: the patch for %s fits several objects: %s:%u and %s:%u", patch->file,
					 patch->line, buf_text(&id), set->items[found]->file, set->items[found]->line, r->file, r->line);
		found = i;
	}
	if (found == set->count)
		return error_set(err, ERROR_INVALID, "%s:%u: no resource matches strategic merge patch; no matches for Id %s", patch->file,
				 patch->line, buf_text(&id));
	bool gone;
	return merge_one(set, found, resource_root(patch), patch->file, o, &gone, err);
}

static bool merge_source(const struct kustomization *k, const struct source *s, const struct selector *target, struct options o,
			 struct resource_set *set, struct error *err)
{
	CLEANUP(set_free) struct resource_set patches = { 0 };
	struct load_rules rules = *k->rules;
	rules.is_patch = true;
	if (!load_text(s->file, s->text, s->len, &rules, &patches, err))
		return false;
	if (patches.count == 0)
		return error_set(err, ERROR_INVALID, "%s: the patch is empty", s->file);
	if (target != NULL && patches.count > 1)
		return error_set(err, ERROR_INVALID, "%s:%u: a patch with a target must be one document, found %zu", s->file,
				 patches.items[1]->line, patches.count);
	for (size_t p = 0; target == NULL && p < patches.count; p++)
		if (!merge_by_id(set, patches.items[p], o, err))
			return false;
	for (size_t i = 0; target != NULL && i < set->count;) {
		bool hit, gone = false;
		if (!selected(target, set->items[i], &hit, err) ||
		    (hit && !merge_one(set, i, resource_root(patches.items[0]), s->file, o, &gone, err)))
			return false;
		i += gone ? 0 : 1;
	}
	return true;
}

/* ---- operations ---- */

static bool operate(const struct source *s, const struct node *operations, const struct selector *target, struct resource_set *set,
		    struct error *err)
{
	for (size_t i = 0; i < set->count; i++) {
		bool hit;
		if (!selected(target, set->items[i], &hit, err))
			return false;
		if (!hit)
			continue;
		resource_remember(set->items[i]);
		if (!patch_json6902(set->items[i], operations, s->file, err))
			return false;
	}
	return true;
}

/* ---- the three fields ---- */

static bool read_entry(const struct kustomization *k, const struct node *entry, const char *field, struct source *s, struct error *err)
{
	const struct node *path = node_get(entry, "path"), *text = node_get(entry, "patch");
	bool has_path = *node_text_or(path, "") != '\0', has_text = *node_text_or(text, "") != '\0';
	if (has_path == has_text)
		return kustomization_error(k, err, ERROR_INVALID, entry, field, "expected either path or patch, found %s",
					   has_path ? "both" : "neither");
	*s = (struct source){ k->file, node_text(text), node_len(text) };
	return has_text || read_path(k, path, field, s, err);
}

static bool apply_entry(const struct kustomization *k, const struct node *entry, const char *field, bool only_operations,
			struct resource_set *set, struct error *err)
{
	struct source s = { NULL, NULL, 0 };
	if (!read_entry(k, entry, field, &s, err))
		return false;
	const struct node *target = node_get(entry, "target"), *options = node_get(entry, "options");
	CLEANUP(selector_free) struct selector selector = { 0 };
	if (!selector_read(k, target, &selector, err))
		return false;
	struct doc **docs;
	size_t count;
	if (!yaml_parse(s.text, s.len, s.file, YAML_1_1, NULL, &docs, &count, err))
		return error_wrap(err, "unable to parse SM or JSON patch");
	bool ok;
	if (count > 0 && node_is(doc_root(docs[0]), NODE_LIST)) {
		if (target == NULL)
			ok = kustomization_error(k, err, ERROR_INVALID, entry, field, "must specify a target for JSON patch");
		else if (only_operations && selector.name == NULL)
			ok = kustomization_error(k, err, ERROR_INVALID, entry, field, "must specify the target name");
		else
			ok = operate(&s, doc_root(docs[0]), &selector, set, err);
	} else if (only_operations || count == 0) {
		ok = error_set(err, ERROR_INVALID, "%s: expected %s", s.file,
			       only_operations ? "a list of JSON 6902 operations" : "a patch");
	} else {
		struct options o = { node_truth(node_get(options, "allowNameChange"), false),
				     node_truth(node_get(options, "allowKindChange"), false) };
		ok = merge_source(k, &s, target == NULL ? NULL : &selector, o, set, err);
	}
	doc_list_free(docs, count);
	return ok;
}

static bool apply_list(const struct kustomization *k, const char *field, bool only_operations, struct resource_set *set, struct error *err)
{
	const struct node *list = node_get(k->root, field);
	for (size_t i = 0; i < node_count(list); i++)
		if (!apply_entry(k, node_at(list, i), field, only_operations, set, err))
			return error_wrap(err, "%s:%u: %s[%zu]", k->file, node_line(node_at(list, i)), field, i);
	return node_count(list) == 0 || set_check_unique(set, "a patch makes two of one id: ", err);
}

bool patches_apply(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	return apply_list(k, "patches", false, set, err);
}

bool patches_json6902(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	return apply_list(k, "patchesJson6902", true, set, err);
}

bool patches_strategic(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	const struct node *list = node_get(k->root, "patchesStrategicMerge");
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *at = node_at(list, i);
		struct source s = { k->file, node_text(at), node_len(at) };
		AUTOFREE char *path = path_join(k->dir, s.text);
		bool is_text = strchr(s.text, '\n') != NULL || strstr(s.text, ": ") != NULL || *s.text == '{';
		if ((!is_text || (path != NULL && tree_file(k->tree, path) != NULL)) && !read_path(k, at, "patchesStrategicMerge", &s, err))
			return false;
		if (!merge_source(k, &s, NULL, (struct options){ false, false }, set, err))
			return error_wrap(err, "%s:%u: patchesStrategicMerge[%zu]", k->file, node_line(at), i);
	}
	return true;
}
