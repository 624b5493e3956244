#include "render/kustomization.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "render/tree.h"

/* A build from the top: what all of its directories share. */
struct build {
	const struct render_tree *tree;
	struct load_rules rules;
	size_t bases, max_bases, max_depth;
	struct doc **docs; /* of kustomization and configuration files, which tables borrow from */
	size_t doc_count;
};

/* The directories from the top to this one. */
struct chain {
	const struct chain *up;
	const char *dir;
	size_t depth;
};

const char *kustomization_text(const struct kustomization *k, const char *field)
{
	return node_text_or(node_get(k->root, field), "");
}

bool kustomization_error(const struct kustomization *k, struct error *err, enum error_kind kind, const struct node *at, const char *field,
			 const char *format, ...)
{
	AUTOBUF text = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	return error_set(err, kind, "%s:%u: %s: %s", k->file, node_line(at), field, buf_text(&text));
}

/* Why a path is not in the tree, as far as links and submodules on the way explain it. */
static bool not_there(const struct kustomization *k, const struct node *at, const char *field, const char *path, struct error *err)
{
	for (AUTOFREE char *up = mem_strdup(path); *up != '\0';) {
		const struct render_file *f = tree_file(k->tree, up);
		if (f != NULL && f->kind != RENDER_FILE) {
			struct error why = ERROR_INIT;
			(void)load_check_kind(f, &why);
			return kustomization_error(k, err, why.kind, at, field, "%s", why.message);
		}
		char *parent = path_parent(up);
		free(up);
		up = parent;
	}
	return kustomization_error(k, err, ERROR_INVALID, at, field, "'%s' is not there (looked for %s)", node_text_or(at, path), path);
}

const struct render_file *kustomization_read(const struct kustomization *k, const struct node *at, const char *name, const char *field,
					     struct error *err)
{
	AUTOFREE char *path = path_join(k->dir, name);
	if (path == NULL || *name == '/' || !path_is_below(path, k->dir)) {
		(void)kustomization_error(k, err, ERROR_INVALID, at, field, "security; file '%s' is not in or below '%s'", name, k->dir);
		return NULL;
	}
	const struct render_file *f = tree_file(k->tree, path);
	struct error why = ERROR_INIT;
	if (f == NULL || !load_check_kind(f, &why)) {
		(void)not_there(k, at, field, path, err);
		return NULL;
	}
	return f;
}

static void keep_doc(struct build *b, struct doc *doc)
{
	b->docs = mem_grow(b->docs, b->doc_count + 1, sizeof(struct doc *));
	b->docs[b->doc_count++] = doc;
}

/* The first document of a file, in the dialect of kustomization files; NULL without error if there is none. */
static struct node *read_own(struct build *b, const struct render_file *f, struct error *err)
{
	if (!load_check_kind(f, err))
		return NULL;
	struct doc **docs;
	size_t count;
	struct doc_limits limits = { .bytes = b->rules.bytes };
	if (!yaml_parse(f->data, f->len, f->path, YAML_1_1, &limits, &docs, &count, err))
		return NULL;
	struct node *root = count == 0 ? NULL : doc_root(docs[0]);
	if (count > 0)
		keep_doc(b, TAKE(docs[0]));
	doc_list_free(docs, count);
	if (root == NULL)
		(void)error_set(err, ERROR_INVALID, "%s: is empty", f->path);
	else if (!node_is(root, NODE_MAP)) {
		(void)error_set(err, ERROR_INVALID, "%s:%u: expected a map", f->path, node_line(root));
		return NULL;
	}
	return root;
}

static bool check_kind(const struct kustomization *k, bool component, struct error *err)
{
	const char *kind = node_text_or(node_get(k->root, "kind"), "Kustomization");
	bool is_component = strcmp(kind, "Component") == 0;
	if (!is_component && strcmp(kind, "Kustomization") != 0)
		return kustomization_error(k, err, ERROR_INVALID, node_get(k->root, "kind"), "kind", "expected Kustomization or Component");
	const char *api = is_component ? "kustomize.config.k8s.io/v1alpha1" : "kustomize.config.k8s.io/v1beta1";
	const struct node *given = node_get(k->root, "apiVersion");
	if (given != NULL && strcmp(node_text_or(given, ""), api) != 0)
		return kustomization_error(k, err, ERROR_INVALID, given, "apiVersion", "expected %s", api);
	if (component && !is_component)
		return kustomization_error(k, err, ERROR_INVALID, k->root, "kind",
					   "expected Component, as this directory is listed under components");
	size_t fields = node_count(k->root);
	fields -= (size_t)(node_get(k->root, "kind") != NULL) + (size_t)(node_get(k->root, "apiVersion") != NULL);
	return fields > 0 || error_set(err, ERROR_INVALID, "%s: is empty", k->file);
}

static bool looks_remote(const char *name)
{
	return strstr(name, "://") != NULL || str_starts(name, "git@") || str_starts(name, "github.com/") ||
	       strstr(name, "?ref=") != NULL || str_starts(name, "git::") || strstr(name, ".git//") != NULL;
}

static bool run(struct build *b, const char *dir, const struct chain *up, bool component, struct config *config, struct resource_set *set,
		struct error *err);

static bool run_base(struct build *b, const struct kustomization *k, const struct node *at, const char *field, const char *dir,
		     const struct chain *chain, struct resource_set *set, struct error *err)
{
	for (const struct chain *c = chain; c != NULL; c = c->up)
		if (path_is_below(c->dir, dir))
			return kustomization_error(k, err, ERROR_INVALID, at, field, "cycle: '%s' contains '%s', which is being built", dir,
						   c->dir);
	if (++b->bases > b->max_bases)
		return kustomization_error(k, err, ERROR_LIMIT, at, field, "more than %zu directories to build", b->max_bases);
	if (strcmp(field, "components") == 0)
		return run(b, dir, chain, true, k->config, set, err);
	CLEANUP(set_free) struct resource_set own = { 0 };
	if (!run(b, dir, chain, false, k->config, &own, err))
		return false;
	if (set->count + own.count > b->rules.objects)
		return kustomization_error(k, err, ERROR_LIMIT, at, field, "more than %zu objects", b->rules.objects);
	for (size_t i = 0; i < own.count; i++)
		set_add(set, own.items[i]);
	own.count = 0;
	return true;
}

static bool add_entry(struct build *b, const struct kustomization *k, const struct node *at, const char *field, const struct chain *chain,
		      struct resource_set *set, struct error *err)
{
	const char *name = node_text_or(at, "");
	if (*name == '\0')
		return kustomization_error(k, err, ERROR_INVALID, at, field, "expected a path, found an empty string");
	AUTOFREE char *path = path_join(k->dir, name);
	bool known = path != NULL && (tree_file(k->tree, path) != NULL || tree_has_directory(k->tree, path));
	if (!known && looks_remote(name))
		return kustomization_error(k, err, ERROR_UNSUPPORTED, at, field,
					   "'%s' is remote; nothing is fetched, copy it into the tree", name);
	if (*name == '/')
		return kustomization_error(k, err, ERROR_INVALID, at, field, "'%s' is an absolute path, expected one from this directory",
					   name);
	if (path == NULL)
		return kustomization_error(k, err, ERROR_INVALID, at, field, "'%s' leads out of the tree", name);
	if (tree_file(k->tree, path) != NULL) {
		const struct render_file *f = kustomization_read(k, at, name, field, err);
		if (f == NULL)
			return false;
		if (strcmp(field, "components") == 0)
			return kustomization_error(k, err, ERROR_INVALID, at, field, "'%s' is a file, expected a directory", name);
		return load_file(f, &b->rules, set, err);
	}
	if (!known)
		return not_there(k, at, field, path, err);
	struct error why = ERROR_INIT;
	if (tree_kustomization(k->tree, path, &why) == NULL && why.kind == ERROR_NONE)
		return kustomization_error(
			k, err, ERROR_INVALID, at, field,
			"unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '%s'", path);
	return run_base(b, k, at, field, path, chain, set, err);
}

static bool add_entries(struct build *b, const struct kustomization *k, const char *field, const struct chain *chain,
			struct resource_set *set, struct error *err)
{
	const struct node *list = node_get(k->root, field);
	for (size_t i = 0; i < node_count(list); i++)
		if (!add_entry(b, k, node_at(list, i), field, chain, set, err))
			return false;
	return true;
}

static bool load_configurations(struct build *b, const struct kustomization *k, struct error *err)
{
	const struct node *list = node_get(k->root, "configurations");
	for (size_t i = 0; i < node_count(list); i++) {
		const struct node *at = node_at(list, i);
		const struct render_file *f = kustomization_read(k, at, node_text_or(at, ""), "configurations", err);
		struct node *root = f == NULL ? NULL : read_own(b, f, err);
		if (root == NULL || !config_load(k, root, f->path, err))
			return false;
	}
	return true;
}

static bool transform(const struct kustomization *k, struct resource_set *set, struct error *err)
{
	typedef bool (*step)(const struct kustomization *, struct resource_set *, struct error *);
	static const step steps[] = { patches_strategic,     patches_apply,    transform_namespace, transform_prefix, transform_labels,
				      transform_annotations, patches_json6902, transform_replicas,  transform_images };
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (!steps[i](k, set, err))
			return false;
	AUTOFREE char *what = mem_printf("%s makes two of one id: ", k->file);
	return set_check_unique(set, what, err);
}

/* One directory: what it lists is added to the set, then the whole set is transformed. */
static bool run(struct build *b, const char *dir, const struct chain *up, bool component, struct config *config, struct resource_set *set,
		struct error *err)
{
	struct chain chain = { up, dir, up == NULL ? 1 : up->depth + 1 };
	if (chain.depth > b->max_depth)
		return error_set(err, ERROR_LIMIT, "%s: bases within bases deeper than %zu", dir, b->max_depth);
	const struct render_file *f = tree_kustomization(b->tree, dir, err);
	if (f == NULL)
		return false;
	struct node *root = read_own(b, f, err);
	if (root == NULL || !kustomization_check(f->path, root, err))
		return false;
	CLEANUP(config_free) struct config own = { 0 };
	struct kustomization k = { b->tree, dir, f->path, root, &own, &b->rules };
	if (!check_kind(&k, component, err))
		return false;
	if (!component && up != NULL && strcmp(kustomization_text(&k, "kind"), "Component") == 0)
		return kustomization_error(&k, err, ERROR_INVALID, node_get(root, "kind"), "kind",
					   "a Component is listed under components, not under resources");
	if (!add_entries(b, &k, "resources", &chain, set, err) || !add_entries(b, &k, "bases", &chain, set, err) ||
	    !set_check_unique(set, "may not add resource with an already registered id: ", err) || !load_configurations(b, &k, err) ||
	    !generators_run(&k, set, err) || !add_entries(b, &k, "components", &chain, set, err) ||
	    !set_check_unique(set, "may not add resource with an already registered id: ", err) || !transform(&k, set, err))
		return false;
	config_merge(config, &own);
	return true;
}

static void drop_local_config(struct resource_set *set)
{
	for (size_t i = set->count; i-- > 0;) {
		struct node *meta = node_get(resource_root(set->items[i]), "metadata");
		const char *local = node_text(node_get(node_get(meta, "annotations"), "config.kubernetes.io/local-config"));
		if (local != NULL && strcmp(local, "false") != 0)
			set_remove(set, i);
	}
}

static void strip_internal(struct resource_set *set)
{
	static const char *const names[] = {
		"internal.config.kubernetes.io/previousKinds",
		"internal.config.kubernetes.io/previousNames",
		"internal.config.kubernetes.io/previousNamespaces",
		"internal.config.kubernetes.io/prefixes",
		"internal.config.kubernetes.io/suffixes",
		"internal.config.kubernetes.io/refBy",
		"internal.config.kubernetes.io/generatorBehavior",
		"internal.config.kubernetes.io/needsHashSuffix",
		"internal.config.kubernetes.io/allowNameChange",
		"internal.config.kubernetes.io/allowKindChange",
		"internal.config.kubernetes.io/path",
		"internal.config.kubernetes.io/index",
		"internal.config.kubernetes.io/seqindent",
		"internal.config.kubernetes.io/id",
		"config.kubernetes.io/path",
		"config.kubernetes.io/index",
		"config.kubernetes.io/id",
	};
	for (size_t i = 0; i < set->count; i++) {
		struct node *meta = node_get(resource_root(set->items[i]), "metadata");
		struct node *map = node_get(meta, "annotations");
		bool removed = false;
		for (size_t n = 0; n < ARRAY_SIZE(names); n++)
			removed |= node_remove(map, names[n]);
		if (removed && node_count(map) == 0)
			(void)node_remove(meta, "annotations");
	}
}

static bool sort(const struct render_tree *tree, const char *dir, struct build *b, struct resource_set *set, struct error *err)
{
	struct node *root = b->doc_count > 0 ? doc_root(b->docs[0]) : NULL; /* the top directory's file was read first */
	const struct node *options = node_get(root, "sortOptions");
	struct kustomization k = { .tree = tree, .dir = dir, .file = b->doc_count > 0 ? doc_file(b->docs[0]) : "", .root = root };
	const char *order = options == NULL ? "legacy" : node_text_or(node_get(options, "order"), "");
	const struct node *legacy = node_get(options, "legacySortOptions");
	if (strcmp(order, "legacy") != 0 && strcmp(order, "fifo") != 0)
		return kustomization_error(&k, err, ERROR_INVALID, options, "sortOptions.order", "must be one of [fifo, legacy]");
	if (strcmp(order, "fifo") == 0)
		return legacy == NULL ||
		       kustomization_error(&k, err, ERROR_INVALID, legacy, "sortOptions.legacySortOptions", "only for order legacy");
	AUTODOC *scratch = doc_new();
	const struct node *first = node_get(legacy, "orderFirst"), *last = node_get(legacy, "orderLast");
	set_sort_legacy(set, legacy != NULL && first == NULL ? node_list(scratch) : first,
			legacy != NULL && last == NULL ? node_list(scratch) : last);
	return true;
}

bool kustomization_build(const struct render_tree *tree, const char *dir, const struct render_limits *limits, struct resource_set *out,
			 struct error *err)
{
	struct build b = { .tree = tree,
			   .rules = { .bytes = limits->file_bytes, .objects = limits->objects, .need_name = true },
			   .max_bases = limits->bases,
			   .max_depth = limits->depth };
	CLEANUP(config_free) struct config config = { 0 };
	bool ok = run(&b, dir, NULL, false, &config, out, err) && hash_names(out, err) && name_references_fix(out, &config, err);
	if (ok) {
		drop_local_config(out);
		ok = sort(tree, dir, &b, out, err);
		strip_internal(out);
	}
	doc_list_free(b.docs, b.doc_count);
	return ok;
}
