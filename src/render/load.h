/* load: the text of a resource file into resources, lists expanded. */
#ifndef WEIR_RENDER_LOAD_H
#define WEIR_RENDER_LOAD_H

#include "render/resource.h"

struct load_rules {
	size_t bytes, objects; /* maxima */
	bool need_api_version;
	bool need_name;
	bool is_patch; /* nulls among annotations mean removal */
};

/* Appends the objects of a file to a set. */
bool load_file(const struct render_file *file, const struct load_rules *rules, struct resource_set *out, struct error *err);
/* The same for a text that has no file of its own. */
bool load_text(const char *file, const char *text, size_t len, const struct load_rules *rules, struct resource_set *out, struct error *err);
/* Makes all annotation values strings, as kustomize has it; an empty map goes. */
void load_clean_annotations(struct doc *doc, struct node *meta);
/* A file that can be read as text, or an error that says what it is instead. */
bool load_check_kind(const struct render_file *file, struct error *err);

#endif
