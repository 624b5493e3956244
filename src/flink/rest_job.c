/* What a job consists of: its vertices, its configuration, and the bounds within which it may be rescaled in place. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flink/rest_internal.h"

void flink_vertices_free(struct flink_vertices *vertices)
{
	free(vertices->items);
	*vertices = (struct flink_vertices){ 0 };
}

static bool read_vertex(const struct node *node, struct flink_vertex *out, struct error *err)
{
	*out = (struct flink_vertex){ .parallelism = node_integer(node_get(node, "parallelism"), 0),
				      .max_parallelism = node_integer(node_get(node, "maxParallelism"), -1) };
	const char *id = node_text(node_get(node, "id"));
	if (id == NULL || *id == '\0')
		return error_set(err, ERROR_INVALID, "Flink: a vertex in the answer has no id");
	rest_copy(out->name, sizeof(out->name), node_text(node_get(node, "name")));
	return rest_copy_whole(out->id, sizeof(out->id), id, "a vertex's id", err) &&
	       rest_copy_whole(out->state, sizeof(out->state), node_text(node_get(node, "status")), "a vertex's state", err);
}

bool flink_job_vertices(const struct http *http, const char *job, struct flink_vertices *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "");
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, err);
	if (doc == NULL)
		return false;
	const struct node *list = node_get(doc_root(doc), "vertices");
	if (!node_is(list, NODE_LIST))
		return error_set(err, ERROR_INVALID, "Flink: GET %s: vertices: expected a list", buf_text(&path));
	AUTOVERTICES found = { .items = mem_array(node_count(list) + 1, sizeof(*found.items)) };
	for (size_t i = 0; i < node_count(list); i++)
		if (!read_vertex(node_at(list, i), &found.items[found.count++], err))
			return false;
	*out = found;
	found = (struct flink_vertices){ 0 };
	return true;
}

bool flink_job_config(const struct http *http, const char *job, struct flink_job_config *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	rest_job_path(&path, job, "/config");
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, err);
	if (doc == NULL)
		return false;
	const struct node *root = doc_root(doc), *execution = node_get(root, "execution-config");
	*out = (struct flink_job_config){ .parallelism = node_integer(node_get(execution, "job-parallelism"), -1) };
	rest_copy(out->name, sizeof(out->name), node_text(node_get(root, "name")));
	rest_copy(out->restart_strategy, sizeof(out->restart_strategy), node_text(node_get(execution, "restart-strategy")));
	return true;
}

void flink_requirements_free(struct flink_requirements *requirements)
{
	free(requirements->items);
	*requirements = (struct flink_requirements){ 0 };
}

static void requirements_path(struct buf *out, const char *job)
{
	rest_job_path(out, job, "/resource-requirements");
}

bool flink_requirements_get(const struct http *http, const char *job, struct flink_requirements *out, struct error *err)
{
	AUTOBUF path = BUF_INIT;
	requirements_path(&path, job);
	AUTODOC *doc = rest_call(http, "GET", buf_text(&path), NULL, err);
	if (doc == NULL)
		return false;
	const struct node *root = doc_root(doc);
	if (!node_is(root, NODE_MAP))
		return error_set(err, ERROR_INVALID, "Flink: GET %s: expected an object", buf_text(&path));
	AUTOREQUIREMENTS found = { .items = mem_array(node_count(root) + 1, sizeof(*found.items)) };
	for (size_t i = 0; i < node_count(root); i++) {
		struct flink_requirement *item = &found.items[found.count++];
		const struct node *bounds = node_get(node_value_at(root, i), "parallelism");
		item->lower = node_integer(node_get(bounds, "lowerBound"), -1);
		item->upper = node_integer(node_get(bounds, "upperBound"), -1);
		if (item->lower < 0 || item->upper < item->lower)
			return error_set(err, ERROR_INVALID, "Flink: GET %s: %.64s: expected parallelism.lowerBound and .upperBound",
					 buf_text(&path), node_key_at(root, i));
		if (!rest_copy_whole(item->vertex, sizeof(item->vertex), node_key_at(root, i), "a vertex's id", err))
			return false;
	}
	*out = found;
	found = (struct flink_requirements){ 0 };
	return true;
}

bool flink_requirements_put(const struct http *http, const char *job, const struct flink_requirements *requirements, struct error *err)
{
	AUTODOC *made = doc_new();
	struct node *body = node_map(made);
	for (size_t i = 0; i < requirements->count; i++) {
		struct node *bounds = node_map(made), *vertex = node_map(made);
		node_set_int(made, bounds, "lowerBound", requirements->items[i].lower);
		node_set_int(made, bounds, "upperBound", requirements->items[i].upper);
		node_set(made, vertex, "parallelism", bounds);
		node_set(made, body, requirements->items[i].vertex, vertex);
	}
	AUTOBUF path = BUF_INIT;
	requirements_path(&path, job);
	AUTODOC *doc = rest_call(http, "PUT", buf_text(&path), body, err);
	return doc != NULL;
}
