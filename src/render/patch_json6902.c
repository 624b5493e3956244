/* RFC 6902, with the traits of the library that kustomize uses: replace of a missing key adds it, negative indices count from the end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/patch.h"

enum { TOKENS_MAX = 64, TOKEN_LENGTH = 512 };

struct pointer {
	char text[TOKENS_MAX][TOKEN_LENGTH];
	size_t count;
};

struct run {
	struct doc *doc;
	struct node *root;
	const struct node *op;
	const char *file;
	size_t number;
	struct error *err;
};

static bool bad(const struct run *run, const char *field, const char *what)
{
	return error_set(run->err, ERROR_INVALID, "%s:%u: operation %zu (%s): %s: %s", run->file, node_line(run->op), run->number,
			 node_text_or(node_get(run->op, "op"), "?"), field, what);
}

static bool read_pointer(const struct run *run, const char *field, struct pointer *p)
{
	const char *text = node_text(node_get(run->op, field));
	p->count = 0;
	if (text == NULL)
		return bad(run, field, "expected a path that begins with '/'");
	if (*text != '\0' && *text != '/')
		return bad(run, field, "expected a path that begins with '/'");
	while (*text == '/') {
		text++;
		size_t n = 0;
		if (p->count == TOKENS_MAX)
			return bad(run, field, "a path of too many parts");
		for (; *text != '\0' && *text != '/'; text++) {
			char c = *text;
			if (c == '~' && (text[1] == '0' || text[1] == '1'))
				c = *++text == '0' ? '~' : '/';
			if (n + 1 >= TOKEN_LENGTH)
				return bad(run, field, "a path with too long a part");
			p->text[p->count][n++] = c;
		}
		p->text[p->count++][n] = '\0';
	}
	return true;
}

/* An index into a list of `count`; `end` allows the place behind the last. */
static long index_of(const char *text, size_t count, bool end)
{
	char *rest;
	errno = 0;
	long i = strtol(text, &rest, 10);
	if (*text == '\0' || *rest != '\0' || errno != 0)
		return -1;
	if (i < 0)
		i += (long)count + (end ? 1 : 0);
	return i < 0 || (size_t)i > count || (!end && (size_t)i == count) ? -1 : i;
}

static struct node *child_of(const struct node *n, const char *token)
{
	if (!node_is(n, NODE_LIST))
		return node_get(n, token);
	long i = index_of(token, node_count(n), false);
	return i < 0 ? NULL : node_at(n, (size_t)i);
}

static struct node *walk(struct node *root, const struct pointer *p, size_t count)
{
	struct node *n = root;
	for (size_t i = 0; i < count && n != NULL; i++)
		n = child_of(n, p->text[i]);
	return n;
}

static bool set_root(struct run *run, struct node *value)
{
	if (!node_is(value, NODE_MAP))
		return bad(run, "value", "the whole object can be replaced by a map only");
	run->root = value;
	return true;
}

static bool add(struct run *run, const struct pointer *p, struct node *value)
{
	if (p->count == 0)
		return set_root(run, value);
	struct node *parent = walk(run->root, p, p->count - 1);
	const char *last = p->text[p->count - 1];
	if (node_is(parent, NODE_MAP)) {
		node_set(run->doc, parent, last, value);
		return true;
	}
	if (!node_is(parent, NODE_LIST))
		return bad(run, "path", "what should hold this field does not exist");
	long i = strcmp(last, "-") == 0 ? (long)node_count(parent) : index_of(last, node_count(parent), true);
	if (i < 0)
		return bad(run, "path", "no such place in the list");
	node_insert(run->doc, parent, (size_t)i, value);
	return true;
}

static bool take(struct run *run, const struct pointer *p, const char *field)
{
	struct node *parent = p->count == 0 ? NULL : walk(run->root, p, p->count - 1);
	const char *last = p->count == 0 ? "" : p->text[p->count - 1];
	if (node_is(parent, NODE_MAP) && node_remove(parent, last))
		return true;
	long i = node_is(parent, NODE_LIST) ? index_of(last, node_count(parent), false) : -1;
	if (i < 0)
		return bad(run, field, "does not exist");
	node_remove_at(parent, (size_t)i);
	return true;
}

static bool replace(struct run *run, const struct pointer *p, struct node *value)
{
	if (p->count == 0)
		return set_root(run, value);
	struct node *parent = walk(run->root, p, p->count - 1);
	if (node_is(parent, NODE_MAP))
		return add(run, p, value);
	long i = node_is(parent, NODE_LIST) ? index_of(p->text[p->count - 1], node_count(parent), false) : -1;
	if (i < 0)
		return bad(run, "path", "does not exist");
	node_replace_at(parent, (size_t)i, value);
	return true;
}

static bool one(struct run *run)
{
	const char *op = node_text_or(node_get(run->op, "op"), "");
	const struct node *value = node_get(run->op, "value");
	AUTOFREE struct pointer *path = mem_alloc(sizeof *path);
	AUTOFREE struct pointer *from = mem_alloc(sizeof *from);
	if (!read_pointer(run, "path", path))
		return false;
	if (strcmp(op, "remove") == 0)
		return take(run, path, "path");
	if (strcmp(op, "add") == 0 || strcmp(op, "replace") == 0 || strcmp(op, "test") == 0) {
		if (value == NULL && *op != 't')
			return bad(run, "value", "is missing");
		if (*op == 'a')
			return add(run, path, node_copy(run->doc, value));
		if (*op == 'r')
			return replace(run, path, node_copy(run->doc, value));
		const struct node *is = walk(run->root, path, path->count);
		bool equal = node_is(value, NODE_NULL) || value == NULL ? is == NULL || node_is(is, NODE_NULL) : node_equal(is, value);
		return equal || bad(run, "path", "the test failed");
	}
	if (strcmp(op, "copy") != 0 && strcmp(op, "move") != 0)
		return bad(run, "op", "expected add, remove, replace, move, copy or test");
	if (!read_pointer(run, "from", from))
		return false;
	const struct node *source = walk(run->root, from, from->count);
	if (source == NULL)
		return bad(run, "from", "does not exist");
	struct node *copy = node_copy(run->doc, source);
	return (*op == 'c' || take(run, from, "from")) && add(run, path, copy);
}

bool patch_json6902(struct resource *r, const struct node *operations, const char *file, struct error *err)
{
	struct run run = { .doc = r->doc, .root = node_copy(r->doc, resource_root(r)), .file = file, .err = err };
	for (size_t i = 0; i < node_count(operations); i++) {
		run.op = node_at(operations, i);
		run.number = i + 1;
		if (!node_is(run.op, NODE_MAP))
			return bad(&run, "operation", "expected a map with op and path");
		if (!one(&run))
			return error_wrap(err, "patch of %s/%s", resource_kind(r), resource_name(r));
	}
	const struct node *name = node_find(run.root, "metadata/name");
	if (node_text(node_get(run.root, "kind")) == NULL || node_text(name) == NULL)
		return error_set(err, ERROR_INVALID, "%s:%u: the patch leaves an object without kind or metadata.name", file,
				 node_line(operations));
	doc_set_root(r->doc, run.root);
	resource_refresh(r);
	return true;
}
