/* YAML into the document model: libyaml's events, a stack of open lists and maps, anchors and merge keys. */
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/doc_private.h"
#include "base/mem.h"

/* An open list or map. */
struct frame {
	struct node *node;
	struct node *merge; /* a list of what `<<` named, or NULL */
	char *key;	    /* the key whose value comes next, or NULL */
	unsigned key_line;
	bool merging; /* that key is `<<` */
	unsigned merge_line;
	size_t anchor; /* number of its anchor + 1, or 0 */
	size_t nodes_before, text_before;
	unsigned *lines; /* of the keys, by entry */
	size_t lines_cap;
};

struct anchor {
	char *name;
	struct node *node;  /* NULL while it is open */
	size_t nodes, text; /* its size, to count what an alias adds */
};

struct reader {
	yaml_parser_t parser;
	const char *file;
	enum yaml_dialect dialect;
	struct doc_limits max;
	struct error *err;
	struct doc *doc;
	struct node *root;
	struct frame *frames;
	size_t depth, frames_cap;
	struct anchor *anchors;
	size_t anchor_count, anchor_cap;
	size_t nodes, text;
	struct doc **docs;
	size_t count;
};

static unsigned line_of(yaml_mark_t mark)
{
	return (unsigned)mark.line + 1;
}

static bool bad(struct reader *r, unsigned line, const char *what)
{
	return error_set(r->err, ERROR_INVALID, "%s:%u: YAML: %s", r->file, line, what);
}

static bool count_in(struct reader *r, size_t nodes, size_t text, unsigned line)
{
	r->nodes += nodes;
	r->text += text;
	if (r->nodes > r->max.nodes)
		return error_set(r->err, ERROR_LIMIT, "%s:%u: YAML: more than %zu values (aliases expanded)", r->file, line, r->max.nodes);
	if (r->text > r->max.bytes)
		return error_set(r->err, ERROR_LIMIT, "%s:%u: YAML: more than %zu bytes of text (aliases expanded)", r->file, line,
				 r->max.bytes);
	return true;
}

static size_t anchor_open(struct reader *r, const yaml_char_t *name)
{
	if (name == NULL)
		return 0;
	if (r->anchor_count == r->anchor_cap) {
		r->anchor_cap = r->anchor_cap == 0 ? 8 : r->anchor_cap * 2;
		r->anchors = mem_grow(r->anchors, r->anchor_cap, sizeof *r->anchors);
	}
	r->anchors[r->anchor_count++] = (struct anchor){ .name = mem_strdup((const char *)name) };
	return r->anchor_count;
}

static void anchor_close(struct reader *r, size_t anchor, struct node *n, size_t nodes_before, size_t text_before)
{
	if (anchor > 0) {
		struct anchor *a = &r->anchors[anchor - 1];
		a->node = n;
		a->nodes = r->nodes - nodes_before;
		a->text = r->text - text_before;
	}
}

static void remember_line(struct frame *f, unsigned line)
{
	size_t i = node_count(f->node) - 1;
	if (i >= f->lines_cap) {
		f->lines_cap = f->lines_cap == 0 ? 16 : f->lines_cap * 2;
		f->lines = mem_grow(f->lines, f->lines_cap, sizeof *f->lines);
	}
	f->lines[i] = line;
}

static bool repeated(struct reader *r, const struct frame *f, const char *key, unsigned line)
{
	for (size_t i = 0; i < node_count(f->node); i++)
		if (strcmp(node_key_at(f->node, i), key) == 0)
			return error_set(r->err, ERROR_INVALID, "%s:%u: YAML: key \"%s\" was already given at line %u", r->file, line, key,
					 f->lines[i]);
	return true;
}

/* A finished value goes into the innermost open list or map. */
static bool put_value(struct reader *r, struct node *n, unsigned line)
{
	if (r->depth == 0) {
		r->root = n;
		return true;
	}
	struct frame *f = &r->frames[r->depth - 1];
	if (node_is(f->node, NODE_LIST)) {
		node_append(r->doc, f->node, n);
		return true;
	}
	if (f->key == NULL)
		return bad(r, line, "a list or map as key is not supported");
	if (f->merging) {
		f->merge = node_list(r->doc);
		if (node_is(n, NODE_LIST)) {
			for (size_t i = 0; i < node_count(n); i++)
				node_append(r->doc, f->merge, node_at(n, i));
		} else {
			node_append(r->doc, f->merge, n);
		}
		for (size_t i = 0; i < node_count(f->merge); i++)
			if (!node_is(node_at(f->merge, i), NODE_MAP))
				return bad(r, line, "'<<' takes a map or a list of maps");
	} else {
		node_set_line(n, f->key_line);
		node_set(r->doc, f->node, f->key, n);
		remember_line(f, f->key_line);
	}
	free(TAKE(f->key));
	return true;
}

static bool put_key(struct reader *r, struct frame *f, struct node *n, bool plain, unsigned line)
{
	const char *key = node_text(n);
	if (key == NULL)
		return bad(r, line, "a key is null");
	if (node_is(n, NODE_STRING) && strlen(key) != node_len(n))
		return bad(r, line, "a key holds a NUL character");
	if (r->dialect == YAML_RESOURCE && !node_is(n, NODE_STRING))
		return error_set(r->err, ERROR_INVALID, "%s:%u: YAML: key %s is a %s; keys must be strings, quote it", r->file, line, key,
				 node_kind_name(node_kind(n)));
	f->merging = plain && strcmp(key, "<<") == 0;
	if (f->merging && f->merge != NULL)
		return error_set(r->err, ERROR_INVALID, "%s:%u: YAML: key \"<<\" was already given at line %u", r->file, line,
				 f->merge_line);
	if (f->merging)
		f->merge_line = line;
	else if (node_get(f->node, key) != NULL)
		return repeated(r, f, key, line);
	f->key = mem_strdup(key);
	f->key_line = line;
	return true;
}

static bool wants_key(const struct reader *r)
{
	return r->depth > 0 && node_is(r->frames[r->depth - 1].node, NODE_MAP) && r->frames[r->depth - 1].key == NULL;
}

static struct node *tagged(struct reader *r, const char *tag, const char *text, size_t len, unsigned line)
{
	static const char core[] = "tag:yaml.org,2002:";
	const char *type = str_starts(tag, core) ? tag + strlen(core) : tag;
	struct node *n = NULL;
	if (strcmp(type, "str") == 0 || strcmp(type, "!") == 0) {
		n = node_stringn(r->doc, text, len);
	} else if (strcmp(type, "binary") == 0) {
		AUTOBUF b = BUF_INIT;
		if (!buf_put_unbase64(&b, text, len))
			(void)bad(r, line, "!!binary is not base64");
		else
			n = node_stringn(r->doc, buf_text(&b), b.len);
	} else if (strcmp(type, "int") == 0 || strcmp(type, "float") == 0 || strcmp(type, "bool") == 0 || strcmp(type, "null") == 0) {
		n = yaml_resolve(r->doc, text, len, r->dialect, line, r->err);
		enum node_kind want = *type == 'b' ? NODE_BOOL : *type == 'n' ? NODE_NULL : NODE_NUMBER;
		if (n != NULL && !node_is(n, want)) {
			(void)error_set(r->err, ERROR_INVALID, "%s:%u: YAML: '%s' is no !!%s", r->file, line, text, type);
			n = NULL;
		}
	} else {
		(void)error_set(r->err, ERROR_UNSUPPORTED, "%s:%u: YAML: tag %s is not supported", r->file, line, tag);
	}
	if (n != NULL)
		node_set_line(n, line);
	return n;
}

static bool on_scalar(struct reader *r, const yaml_event_t *e)
{
	unsigned line = line_of(e->start_mark);
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	const char *tag = (const char *)e->data.scalar.tag;
	bool plain = tag == NULL && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	size_t nodes = r->nodes, held = r->text;
	if (!count_in(r, 1, len, line))
		return false;
	struct node *n;
	if (tag != NULL) {
		n = tagged(r, tag, text, len, line);
	} else if (plain) {
		struct error why = ERROR_INIT;
		n = yaml_resolve(r->doc, text, len, r->dialect, line, &why);
		if (n == NULL)
			return bad(r, line, why.message);
	} else {
		n = node_stringn(r->doc, text, len);
		node_set_line(n, line);
		node_set_quoted(n);
	}
	if (n == NULL)
		return false;
	size_t anchor = anchor_open(r, e->data.scalar.anchor);
	anchor_close(r, anchor, n, nodes, held);
	if (wants_key(r))
		return put_key(r, &r->frames[r->depth - 1], n, plain, line);
	return put_value(r, n, line);
}

static bool on_alias(struct reader *r, const yaml_event_t *e)
{
	unsigned line = line_of(e->start_mark);
	const char *name = (const char *)e->data.alias.anchor;
	for (size_t i = r->anchor_count; i-- > 0;) {
		struct anchor *a = &r->anchors[i];
		if (strcmp(a->name, name) != 0)
			continue;
		if (a->node == NULL)
			return error_set(r->err, ERROR_INVALID, "%s:%u: YAML: alias *%s lies inside of what it names", r->file, line, name);
		if (!count_in(r, a->nodes, a->text, line))
			return false;
		struct node *n = node_copy(r->doc, a->node);
		node_set_line(n, line);
		if (!wants_key(r))
			return put_value(r, n, line);
		return put_key(r, &r->frames[r->depth - 1], n, false, line);
	}
	return error_set(r->err, ERROR_INVALID, "%s:%u: YAML: alias *%s names no anchor", r->file, line, name);
}

static bool on_open(struct reader *r, enum node_kind kind, const yaml_char_t *anchor, unsigned line)
{
	if (r->depth >= r->max.depth)
		return error_set(r->err, ERROR_LIMIT, "%s:%u: YAML: nested deeper than %zu", r->file, line, r->max.depth);
	if (wants_key(r))
		return bad(r, line, "a list or map as key is not supported");
	size_t nodes = r->nodes, text = r->text;
	if (!count_in(r, 1, 0, line))
		return false;
	if (r->depth == r->frames_cap) {
		r->frames_cap = r->frames_cap == 0 ? 16 : r->frames_cap * 2;
		r->frames = mem_grow(r->frames, r->frames_cap, sizeof *r->frames);
	}
	r->frames[r->depth++] = (struct frame){
		.node = node_of_line(r->doc, kind, line), .anchor = anchor_open(r, anchor), .nodes_before = nodes, .text_before = text
	};
	return true;
}

static void frame_free(struct frame *f)
{
	free(f->key);
	free(f->lines);
}

static bool on_close(struct reader *r, unsigned line)
{
	struct frame *f = &r->frames[--r->depth];
	struct node *n = f->node;
	for (size_t i = 0; i < node_count(f->merge); i++) {
		const struct node *from = node_at(f->merge, i);
		for (size_t k = 0; k < node_count(from); k++)
			if (node_get(n, node_key_at(from, k)) == NULL)
				node_set(r->doc, n, node_key_at(from, k), node_copy(r->doc, node_value_at(from, k)));
	}
	anchor_close(r, f->anchor, n, f->nodes_before, f->text_before);
	frame_free(f);
	return put_value(r, n, line);
}

static void forget(struct reader *r)
{
	while (r->depth > 0)
		frame_free(&r->frames[--r->depth]);
	while (r->anchor_count > 0)
		free(r->anchors[--r->anchor_count].name);
	doc_free(r->doc);
	r->doc = NULL;
	r->root = NULL;
}

static void end_document(struct reader *r, bool empty)
{
	doc_set_root(r->doc, r->root);
	if (!empty) {
		r->docs = mem_grow(r->docs, r->count + 1, sizeof(struct doc *));
		r->docs[r->count++] = TAKE(r->doc);
	}
	forget(r);
}

static bool parser_failed(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	unsigned line = line_of(p->problem_mark);
	const char *problem = p->problem == NULL ? "not readable" : p->problem;
	if (p->error == YAML_READER_ERROR)
		return error_set(r->err, ERROR_INVALID, "%s: YAML: %s at byte %zu", r->file, problem, p->problem_offset);
	if (p->context != NULL)
		return error_set(r->err, ERROR_INVALID, "%s:%u: YAML: %s, %s", r->file, line, problem, p->context);
	return bad(r, line, problem);
}

static bool on_event(struct reader *r, const yaml_event_t *e, bool *empty)
{
	unsigned line = line_of(e->start_mark);
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->dialect == YAML_RESOURCE && e->data.document_start.implicit && r->count > 0)
			return bad(r, line, "text behind '...'; separate documents by '---'");
		r->doc = doc_new();
		doc_set_file(r->doc, r->file);
		*empty = true;
		return true;
	case YAML_DOCUMENT_END_EVENT:
		end_document(r, *empty);
		return true;
	case YAML_ALIAS_EVENT:
		return on_alias(r, e);
	case YAML_SCALAR_EVENT:
		if (r->depth > 0 || e->data.scalar.length > 0 || e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
		    e->data.scalar.tag != NULL)
			*empty = false;
		return on_scalar(r, e);
	case YAML_SEQUENCE_START_EVENT:
		*empty = false;
		return on_open(r, NODE_LIST, e->data.sequence_start.anchor, line);
	case YAML_MAPPING_START_EVENT:
		*empty = false;
		return on_open(r, NODE_MAP, e->data.mapping_start.anchor, line);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(r, line);
	default:
		return true;
	}
}

bool yaml_parse(const char *text, size_t len, const char *file, enum yaml_dialect dialect, const struct doc_limits *limits,
		struct doc ***docs, size_t *count, struct error *err)
{
	struct doc_limits l = limits == NULL ? (struct doc_limits){ 0 } : *limits;
	struct reader r = { .file = file == NULL ? "" : file,
			    .dialect = dialect,
			    .err = err,
			    .max = { .bytes = l.bytes == 0 ? (size_t)16 << 20 : l.bytes,
				     .nodes = l.nodes == 0 ? 1000000 : l.nodes,
				     .depth = l.depth == 0 ? 200 : l.depth } };
	if (len > r.max.bytes)
		return error_set(err, ERROR_LIMIT, "%s: %zu bytes, more than %zu", r.file, len, r.max.bytes);
	if (!yaml_parser_initialize(&r.parser))
		return error_set(err, ERROR_BUG, "%s: libyaml does not start", r.file);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text == NULL ? "" : text), len);
	bool ok = true, empty = true;
	for (bool more = true; ok && more;) {
		yaml_event_t e;
		if (!yaml_parser_parse(&r.parser, &e)) {
			ok = parser_failed(&r);
			break;
		}
		more = e.type != YAML_STREAM_END_EVENT;
		ok = on_event(&r, &e, &empty);
		yaml_event_delete(&e);
	}
	forget(&r);
	free(r.frames);
	free(r.anchors);
	yaml_parser_delete(&r.parser);
	if (!ok) {
		doc_list_free(r.docs, r.count);
		return false;
	}
	*docs = r.docs;
	*count = r.count;
	return true;
}

bool doc_parse_yaml(const char *text, size_t len, const char *file, const struct doc_limits *limits, struct doc ***docs, size_t *count,
		    struct error *err)
{
	return yaml_parse(text, len, file, YAML_KUBERNETES, limits, docs, count, err);
}

struct doc *doc_parse_yaml_one(const char *text, size_t len, const char *file, struct error *err)
{
	struct doc **docs;
	size_t count;
	if (!yaml_parse(text, len, file, YAML_KUBERNETES, NULL, &docs, &count, err))
		return NULL;
	struct doc *doc = NULL;
	if (count > 1)
		(void)error_set(err, ERROR_INVALID, "%s:%u: YAML: expected one document, found %zu", file == NULL ? "" : file,
				node_line(doc_root(docs[1])), count);
	else
		doc = count == 1 ? TAKE(docs[0]) : doc_new();
	if (count == 0)
		doc_set_file(doc, file);
	doc_list_free(docs, count);
	return doc;
}
