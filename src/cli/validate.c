/*
 * weir validate PATH: renders a directory, or reads a file, and checks every Flink object, without a cluster. Exit 0: all can be run
 * (there may be warnings), 1: they cannot.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "flink/spec.h"
#include "render/render.h"

/* The documents of one file, read again for the places of fields: a rendered object no longer knows which file a value came from. */
struct source {
	const struct render_file *file;
	struct doc **docs;
	size_t count;
};

struct validation {
	const char *path; /* as the user gave it */
	const char *dir;  /* where that is in the tree */
	const struct render_tree *tree;
	const struct render_result *result;
	struct source *sources; /* made with the first problem; as many as files */
	struct doc *out;
	struct node *problems;
	const struct render_object *object; /* the one being checked */
	size_t objects, errors, warnings;
};

static bool is_manifest(const struct render_file *file)
{
	return file->kind == RENDER_FILE &&
	       (str_ends(file->path, ".yaml") || str_ends(file->path, ".yml") || str_ends(file->path, ".json"));
}

static void read_sources(struct validation *v)
{
	if (v->sources != NULL)
		return;
	v->sources = mem_array(v->tree->count + 1, sizeof(*v->sources));
	for (size_t i = 0; i < v->tree->count; i++) {
		struct source *source = &v->sources[i];
		source->file = &v->tree->files[i];
		struct error ignored = ERROR_INIT; /* what could not be read is no object's source */
		if (is_manifest(source->file))
			(void)doc_parse_yaml(source->file->data, source->file->len, source->file->path, NULL, &source->docs, &source->count,
					     &ignored);
	}
}

static void free_sources(struct validation *v)
{
	for (size_t i = 0; v->sources != NULL && i < v->tree->count; i++)
		if (v->sources[i].docs != NULL)
			doc_list_free(v->sources[i].docs, v->sources[i].count);
	free(v->sources);
}

/* Can this document be the object, or a patch of it? Overlays change names by a prefix or suffix only. */
static bool may_be(const struct node *source, const struct node *object)
{
	const char *name = node_find_text(source, "metadata/name"), *rendered = node_find_text(object, "metadata/name");
	return name != NULL && rendered != NULL && strstr(rendered, name) != NULL &&
	       str_eq(node_find_text(source, "kind"), node_find_text(object, "kind"));
}

/* Where the value of the field stands: in the object's own file, else in one that patches it, else around it in its own file. */
static const char *place(struct validation *v, const char *field, unsigned *line)
{
	const struct node *object = doc_root(v->object->doc), *value = flink_spec_find(object, field);
	unsigned own_line = v->object->line;
	read_sources(v);
	for (int own = 1; own >= 0; own--) {
		for (size_t i = 0; i < v->tree->count; i++) {
			const struct source *source = &v->sources[i];
			for (size_t k = 0; k < source->count && (strcmp(source->file->path, v->object->file) == 0) == own; k++) {
				const struct node *root = doc_root(source->docs[k]);
				if (!may_be(root, object))
					continue;
				unsigned found = flink_spec_line(root, field);
				if (value != NULL && node_equal(flink_spec_find(root, field), value)) {
					*line = found;
					return source->file->path;
				}
				if (own && found > 0)
					own_line = found;
			}
		}
	}
	*line = own_line;
	return v->object->file;
}

/* A file of the tree as the user would name it. */
static void put_file(const struct validation *v, const char *file, struct buf *out)
{
	size_t len = strlen(v->dir), path_len = strlen(v->path);
	while (path_len > 1 && v->path[path_len - 1] == '/')
		path_len--;
	if (strcmp(v->path, file) == 0) { /* a single file */
		buf_puts(out, file);
		return;
	}
	if (path_len != 1 || v->path[0] != '.')
		buf_printf(out, "%.*s/", (int)path_len, v->path);
	if (len == 0 || (strncmp(file, v->dir, len) == 0 && file[len] == '/')) {
		buf_puts(out, len == 0 ? file : file + len + 1);
		return;
	}
	buf_puts(out, "../"); /* a base outside */
	for (const char *p = v->dir; *p != '\0'; p++)
		if (*p == '/')
			buf_puts(out, "../");
	buf_puts(out, file);
}

static void add_problem(void *data, const struct flink_problem *problem)
{
	struct validation *v = data;
	const struct node *object = doc_root(v->object->doc);
	struct node *entry = node_map(v->out);
	unsigned line = 0;
	AUTOBUF file = BUF_INIT;
	put_file(v, place(v, problem->field, &line), &file);
	node_set_text(v->out, entry, "severity", problem->warning ? "warning" : "error");
	node_set_text(v->out, entry, "file", buf_text(&file));
	node_set_int(v->out, entry, "line", line);
	node_set_text(v->out, entry, "kind", node_find_text(object, "kind"));
	node_set_text(v->out, entry, "namespace", node_text_or(node_find(object, "metadata/namespace"), ""));
	node_set_text(v->out, entry, "name", node_text_or(node_find(object, "metadata/name"), ""));
	node_set_text(v->out, entry, "field", problem->field);
	node_set_text(v->out, entry, "message", problem->message);
	node_append(v->out, v->problems, entry);
	*(problem->warning ? &v->warnings : &v->errors) += 1;
}

/* The FlinkDeployment of that name in the object's namespace. */
static const struct node *deployment_named(const struct validation *v, const char *name)
{
	const struct node *object = doc_root(v->object->doc);
	for (size_t i = 0; i < v->result->count; i++) {
		const struct node *other = doc_root(v->result->objects[i].doc);
		if (str_eq(node_find_text(other, "kind"), "FlinkDeployment") && str_eq(node_find_text(other, "metadata/name"), name) &&
		    str_eq(node_find_text(other, "metadata/namespace"), node_find_text(object, "metadata/namespace")))
			return other;
	}
	return NULL;
}

static void check_object(struct validation *v)
{
	const struct node *object = doc_root(v->object->doc);
	struct flink_spec_context context = { 0 };
	const char *kind = node_find_text(object, "kind");
	if (!str_starts(node_text_or(node_get(object, "apiVersion"), ""), "flink.apache.org/") || kind == NULL)
		return;
	v->objects++;
	if (strcmp(kind, "FlinkSessionJob") == 0) {
		const char *name = node_find_text(object, "spec/deploymentName");
		context.cluster = deployment_named(v, name);
		if (name != NULL && context.cluster == NULL)
			add_problem(
				v, &(struct flink_problem){ .field = "spec.deploymentName",
							    .message = "there is no FlinkDeployment of this name among these objects: what "
								       "depends on its configuration is not checked",
							    .warning = true });
	}
	(void)flink_spec_validate(object, &context, add_problem, v);
}

static void check_all(struct validation *v)
{
	for (size_t i = 0; i < v->result->count; i++) {
		v->object = &v->result->objects[i];
		check_object(v);
	}
	free_sources(v);
}

static void print_json(const struct validation *v, const char *failure)
{
	struct node *root = node_map(v->out);
	node_set(v->out, root, "valid", node_bool(v->out, v->errors == 0 && failure == NULL));
	node_set_int(v->out, root, "objects", (int64_t)v->objects);
	node_set_int(v->out, root, "errors", (int64_t)v->errors);
	node_set_int(v->out, root, "warnings", (int64_t)v->warnings);
	node_set_text(v->out, root, "failure", failure);
	node_set(v->out, root, "problems", v->problems);
	AUTOBUF text = BUF_INIT;
	node_to_json(root, &text, JSON_PRETTY);
	(void)printf("%s\n", buf_text(&text));
}

static void print_text(const struct validation *v)
{
	for (size_t i = 0; i < node_count(v->problems); i++) {
		const struct node *p = node_at(v->problems, i);
		const char *ns = node_find_text(p, "namespace");
		bool warning = strcmp(node_find_text(p, "severity"), "warning") == 0;
		(void)printf("%s:%s: %s%s %s%s%s: %s: %s\n", node_find_text(p, "file"), node_find_text(p, "line"),
			     warning ? "warning: " : "", node_find_text(p, "kind"), ns, *ns != '\0' ? "/" : "", node_find_text(p, "name"),
			     node_find_text(p, "field"), node_find_text(p, "message"));
	}
	(void)printf("%zu Flink object%s: %zu error%s, %zu warning%s\n", v->objects, v->objects == 1 ? "" : "s", v->errors,
		     v->errors == 1 ? "" : "s", v->warnings, v->warnings == 1 ? "" : "s");
}

enum { FILE_MAX = 16 * 1024 * 1024 };

/* A tree of one file. */
static bool load_file(const char *path, struct buf *text, struct error *err)
{
	FILE *file = fopen(path, "rbe");
	if (file == NULL)
		return error_set(err, ERROR_NOT_FOUND, "%s: %s", path, strerror(errno));
	char chunk[65536];
	size_t got;
	while (text->len <= FILE_MAX && (got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_append(text, chunk, got);
	bool bad = ferror(file) != 0;
	(void)fclose(file);
	if (bad)
		return error_set(err, ERROR_INVALID, "%s: cannot be read", path);
	return text->len <= FILE_MAX || error_set(err, ERROR_LIMIT, "%s: is larger than %d bytes", path, FILE_MAX);
}

static bool validate(struct validation *v, struct error *err)
{
	struct stat st;
	struct render_tree *loaded = NULL;
	AUTOFREE char *dir = NULL;
	AUTOBUF text = BUF_INIT;
	struct render_file file = { .path = v->path, .kind = RENDER_FILE };
	struct render_tree single = { &file, 1 };
	if (stat(v->path, &st) == 0 && S_ISREG(st.st_mode)) {
		if (!load_file(v->path, &text, err))
			return false;
		file.data = buf_text(&text);
		file.len = text.len;
		v->tree = &single;
		v->dir = "";
	} else {
		if (!render_load_directory(v->path, &loaded, &dir, err))
			return false;
		v->tree = loaded;
		v->dir = dir;
	}
	struct render_result result;
	bool ok = render_tree_build(v->tree, v->dir, NULL, &result, err);
	if (ok) {
		if (result.warnings != NULL)
			(void)fprintf(stderr, "weir: warning: %s\n", result.warnings);
		v->result = &result;
		check_all(v);
		render_result_free(&result);
	}
	render_tree_free(loaded);
	return ok;
}

int command_validate(int argc, char **argv)
{
	struct cli_options options;
	if (!cli_parse(argc, argv, &options))
		return 1;
	if (options.rest + 1 != argc) {
		(void)fprintf(stderr, "weir: usage: weir validate PATH [-o json]\n");
		return 1;
	}
	bool json = str_eq(options.output, "json");
	AUTODOC *out = doc_new();
	struct validation v = { .path = argv[options.rest], .out = out, .problems = node_list(out) };
	struct error err = ERROR_INIT;
	bool ok = validate(&v, &err);
	if (json)
		print_json(&v, ok ? NULL : err.message);
	else if (ok)
		print_text(&v);
	if (!ok)
		return cli_fail(&err);
	return v.errors == 0 ? 0 : 1;
}
