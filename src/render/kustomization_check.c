/* The fields of a kustomization file: one table of names, types and what is not supported. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "render/kustomization.h"

enum type { TEXT, BOOLEAN, INTEGER, TEXTS, TEXT_MAP, STRUCT, STRUCTS, ANYTHING, UNSUPPORTED };

struct field {
	const char *name; /* NULL ends a table */
	enum type type;
	const struct field *fields; /* of a STRUCT or of the elements of STRUCTS */
};

static const struct field spec_fields[] = {
	{ "group", TEXT, NULL }, { "version", TEXT, NULL },   { "kind", TEXT, NULL },
	{ "path", TEXT, NULL },	 { "create", BOOLEAN, NULL }, { NULL, TEXT, NULL },
};
static const struct field label_fields[] = {
	{ "pairs", TEXT_MAP, NULL },
	{ "includeSelectors", BOOLEAN, NULL },
	{ "includeTemplates", BOOLEAN, NULL },
	{ "fields", STRUCTS, spec_fields },
	{ NULL, TEXT, NULL },
};
static const struct field image_fields[] = {
	{ "name", TEXT, NULL },	  { "newName", TEXT, NULL },   { "newTag", TEXT, NULL },
	{ "digest", TEXT, NULL }, { "tagSuffix", TEXT, NULL }, { NULL, TEXT, NULL },
};
static const struct field replica_fields[] = { { "name", TEXT, NULL }, { "count", INTEGER, NULL }, { NULL, TEXT, NULL } };
static const struct field target_fields[] = {
	{ "group", TEXT, NULL },
	{ "version", TEXT, NULL },
	{ "kind", TEXT, NULL },
	{ "name", TEXT, NULL },
	{ "namespace", TEXT, NULL },
	{ "labelSelector", TEXT, NULL },
	{ "annotationSelector", TEXT, NULL },
	{ NULL, TEXT, NULL },
};
static const struct field patch_fields[] = {
	{ "path", TEXT, NULL },	       { "patch", TEXT, NULL }, { "target", STRUCT, target_fields },
	{ "options", ANYTHING, NULL }, { NULL, TEXT, NULL },
};
static const struct field option_fields[] = {
	{ "labels", TEXT_MAP, NULL },
	{ "annotations", TEXT_MAP, NULL },
	{ "disableNameSuffixHash", BOOLEAN, NULL },
	{ "immutable", BOOLEAN, NULL },
	{ NULL, TEXT, NULL },
};
static const struct field config_map_fields[] = {
	{ "name", TEXT, NULL },	  { "namespace", TEXT, NULL }, { "behavior", TEXT, NULL }, { "literals", TEXTS, NULL },
	{ "files", TEXTS, NULL }, { "envs", TEXTS, NULL },     { "env", TEXT, NULL },	   { "options", STRUCT, option_fields },
	{ NULL, TEXT, NULL },
};
static const struct field secret_fields[] = {
	{ "name", TEXT, NULL },	  { "namespace", TEXT, NULL }, { "behavior", TEXT, NULL }, { "literals", TEXTS, NULL },
	{ "files", TEXTS, NULL }, { "envs", TEXTS, NULL },     { "env", TEXT, NULL },	   { "options", STRUCT, option_fields },
	{ "type", TEXT, NULL },	  { NULL, TEXT, NULL },
};
static const struct field legacy_fields[] = { { "orderFirst", TEXTS, NULL }, { "orderLast", TEXTS, NULL }, { NULL, TEXT, NULL } };
static const struct field sort_fields[] = {
	{ "order", TEXT, NULL },
	{ "legacySortOptions", STRUCT, legacy_fields },
	{ NULL, TEXT, NULL },
};
static const struct field top_fields[] = {
	{ "apiVersion", TEXT, NULL },
	{ "kind", TEXT, NULL },
	{ "metadata", ANYTHING, NULL },
	{ "resources", TEXTS, NULL },
	{ "bases", TEXTS, NULL },
	{ "components", TEXTS, NULL },
	{ "configurations", TEXTS, NULL },
	{ "namespace", TEXT, NULL },
	{ "namePrefix", TEXT, NULL },
	{ "nameSuffix", TEXT, NULL },
	{ "labels", STRUCTS, label_fields },
	{ "commonLabels", TEXT_MAP, NULL },
	{ "commonAnnotations", TEXT_MAP, NULL },
	{ "images", STRUCTS, image_fields },
	{ "imageTags", STRUCTS, image_fields },
	{ "replicas", STRUCTS, replica_fields },
	{ "patches", STRUCTS, patch_fields },
	{ "patchesStrategicMerge", TEXTS, NULL },
	{ "patchesJson6902", STRUCTS, patch_fields },
	{ "configMapGenerator", STRUCTS, config_map_fields },
	{ "secretGenerator", STRUCTS, secret_fields },
	{ "generatorOptions", STRUCT, option_fields },
	{ "sortOptions", STRUCT, sort_fields },
	{ "crds", UNSUPPORTED, NULL },
	{ "openapi", UNSUPPORTED, NULL },
	{ "vars", UNSUPPORTED, NULL },
	{ "replacements", UNSUPPORTED, NULL },
	{ "generators", UNSUPPORTED, NULL },
	{ "transformers", UNSUPPORTED, NULL },
	{ "validators", UNSUPPORTED, NULL },
	{ "helmCharts", UNSUPPORTED, NULL },
	{ "helmGlobals", UNSUPPORTED, NULL },
	{ "helmChartInflationGenerator", UNSUPPORTED, NULL },
	{ "buildMetadata", UNSUPPORTED, NULL },
	{ NULL, TEXT, NULL },
};

static bool wrong(const char *file, const struct node *n, const char *path, const char *expected, struct error *err)
{
	enum node_kind kind = node_kind(n);
	bool quote = strncmp(expected, "a string", 8) == 0 && (kind == NODE_BOOL || kind == NODE_NUMBER);
	return error_set(err, ERROR_INVALID, "%s:%u: %s: expected %s, found a %s%s", file, node_line(n), path, expected,
			 node_kind_name(kind), quote ? "; quote it" : "");
}

static bool check_struct(const char *file, struct node *n, const struct field *fields, const char *path, struct error *err);

static bool check_texts(const char *file, const struct node *n, const char *path, struct error *err)
{
	for (size_t i = 0; i < node_count(n); i++) {
		const struct node *value = node_is(n, NODE_LIST) ? node_at(n, i) : node_value_at(n, i);
		AUTOFREE char *at = node_is(n, NODE_LIST) ? mem_printf("%s[%zu]", path, i) : mem_printf("%s.%s", path, node_key_at(n, i));
		if (!node_is(value, NODE_STRING))
			return wrong(file, value, at, "a string", err);
	}
	return true;
}

static bool check_field(const char *file, struct node *n, const struct field *f, const char *path, struct error *err)
{
	if (node_is(n, NODE_NULL))
		return true;
	switch (f->type) {
	case TEXT:
		return node_is(n, NODE_STRING) || wrong(file, n, path, "a string", err);
	case BOOLEAN:
		return node_is(n, NODE_BOOL) || wrong(file, n, path, "true or false", err);
	case INTEGER:
		return (node_is(n, NODE_NUMBER) && strpbrk(node_text(n), ".eE") == NULL) || wrong(file, n, path, "an integer", err);
	case TEXTS:
		return node_is(n, NODE_LIST) ? check_texts(file, n, path, err) : wrong(file, n, path, "a list of strings", err);
	case TEXT_MAP:
		return node_is(n, NODE_MAP) ? check_texts(file, n, path, err) : wrong(file, n, path, "a map of strings", err);
	case STRUCT:
		return node_is(n, NODE_MAP) ? check_struct(file, n, f->fields, path, err) : wrong(file, n, path, "a map", err);
	case STRUCTS:
		if (!node_is(n, NODE_LIST))
			return wrong(file, n, path, "a list of maps", err);
		for (size_t i = 0; i < node_count(n); i++) {
			AUTOFREE char *at = mem_printf("%s[%zu]", path, i);
			if (!node_is(node_at(n, i), NODE_MAP))
				return wrong(file, node_at(n, i), at, "a map", err);
			if (!check_struct(file, node_at(n, i), f->fields, at, err))
				return false;
		}
		return true;
	case ANYTHING:
		return true;
	case UNSUPPORTED:
		if ((node_is(n, NODE_LIST) || node_is(n, NODE_MAP)) && node_count(n) == 0)
			return true;
		return error_set(err, ERROR_UNSUPPORTED, "%s:%u: %s: this field of kustomize is not supported", file, node_line(n), path);
	}
	return true;
}

static bool check_struct(const char *file, struct node *n, const struct field *fields, const char *path, struct error *err)
{
	for (size_t i = 0; i < node_count(n); i++) {
		const char *key = node_key_at(n, i);
		const struct field *f = fields;
		while (f->name != NULL && strcasecmp(f->name, key) != 0)
			f++;
		AUTOFREE char *at = *path == '\0' ? mem_strdup(key) : mem_printf("%s.%s", path, key);
		if (f->name == NULL)
			return error_set(err, ERROR_INVALID, "%s:%u: %s: unknown field", file, node_line(node_value_at(n, i)), at);
		if (strcmp(f->name, key) != 0 && node_get(n, f->name) != NULL)
			return error_set(err, ERROR_INVALID, "%s:%u: %s: this field is given twice", file, node_line(node_value_at(n, i)),
					 at);
		if (!check_field(file, node_value_at(n, i), f, at, err))
			return false;
		if (strcmp(f->name, key) != 0)
			(void)node_rename(n, key, f->name); /* the names live for ever */
	}
	return true;
}

bool kustomization_check(const char *file, struct node *root, struct error *err)
{
	return check_struct(file, root, top_fields, "", err);
}
