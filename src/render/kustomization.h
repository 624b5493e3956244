/*
 * kustomization: one kustomization file being built, as the transformers see it, and the build of a directory. Everything in it is
 * borrowed for the time of the build.
 */
#ifndef WEIR_RENDER_KUSTOMIZATION_H
#define WEIR_RENDER_KUSTOMIZATION_H

#include "render/fieldspec.h"
#include "render/load.h"

struct name_reference {
	struct gvk target;
	struct field_spec from;
};

/* What `configurations` files add to the built-in tables. */
struct config {
	struct field_specs images, replicas, common_labels, labels, template_labels, annotations, name_prefix, name_suffix, namespaces;
	struct name_reference *references;
	size_t reference_count;
};

struct kustomization {
	const struct render_tree *tree;
	const char *dir;  /* in the tree */
	const char *file; /* the kustomization file */
	const struct node *root;
	struct config *config;
	const struct load_rules *rules;
};

/* A text field of the kustomization itself, "" if absent. */
const char *kustomization_text(const struct kustomization *k, const char *field);
/* "FILE:LINE: FIELD: ..."; returns false. */
bool kustomization_error(const struct kustomization *k, struct error *err, enum error_kind kind, const struct node *at, const char *field,
			 const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The file that an entry names, which must lie in or below the kustomization's directory. */
const struct render_file *kustomization_read(const struct kustomization *k, const struct node *at, const char *name, const char *field,
					     struct error *err);
/* Checks a kustomization file's fields: names, types, what is supported. Unknown fields are errors. */
bool kustomization_check(const char *file, struct node *root, struct error *err);

/* Builds a directory that has a kustomization file, up to name references, order and output. */
bool kustomization_build(const struct render_tree *tree, const char *dir, const struct render_limits *limits, struct resource_set *out,
			 struct error *err);

/* ---- the steps, in a file each ---- */
bool config_load(const struct kustomization *k, struct node *root, const char *file, struct error *err);
void config_merge(struct config *into, const struct config *from);
void config_free(struct config *c);
bool generators_run(const struct kustomization *k, struct resource_set *set, struct error *err);
bool hash_names(struct resource_set *set, struct error *err);
bool name_references_fix(struct resource_set *set, const struct config *config, struct error *err);
bool patches_strategic(const struct kustomization *k, struct resource_set *set, struct error *err);
bool patches_apply(const struct kustomization *k, struct resource_set *set, struct error *err);
bool patches_json6902(const struct kustomization *k, struct resource_set *set, struct error *err);
bool transform_namespace(const struct kustomization *k, struct resource_set *set, struct error *err);
bool transform_prefix(const struct kustomization *k, struct resource_set *set, struct error *err);
bool transform_labels(const struct kustomization *k, struct resource_set *set, struct error *err);
bool transform_annotations(const struct kustomization *k, struct resource_set *set, struct error *err);
bool transform_replicas(const struct kustomization *k, struct resource_set *set, struct error *err);
bool transform_images(const struct kustomization *k, struct resource_set *set, struct error *err);

#endif
