/* JSON in and out of the document model (RFC 8259). */
#include <stdlib.h>
#include <string.h>

#include "base/doc.h"
#include "base/mem.h"

struct reader {
	const char *start, *at, *end;
	const char *file;
	struct doc *doc;
	size_t nodes, max_nodes, depth, max_depth;
	struct error *err;
	struct buf scratch;
};

static unsigned line_of(const struct reader *r)
{
	unsigned line = 1;
	for (const char *p = r->start; p < r->at; p++)
		line += *p == '\n';
	return line;
}

static struct node *bad(struct reader *r, const char *what)
{
	(void)error_set(r->err, ERROR_INVALID, "%s:%u: JSON: %s", r->file, line_of(r), what);
	return NULL;
}

static void skip_space(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static bool hex4(struct reader *r, unsigned *value)
{
	if (r->end - r->at < 4)
		return false;
	unsigned v = 0;
	for (int i = 0; i < 4; i++) {
		char c = r->at[i];
		unsigned digit;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			digit = (unsigned)((c | 32) - 'a') + 10;
		else
			return false;
		v = v << 4 | digit;
	}
	r->at += 4;
	*value = v;
	return true;
}

static void put_utf8(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_putc(b, (char)c);
	} else if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
		buf_putc(b, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_putc(b, (char)(0xe0 | c >> 12));
		buf_putc(b, (char)(0x80 | (c >> 6 & 63)));
		buf_putc(b, (char)(0x80 | (c & 63)));
	} else {
		buf_putc(b, (char)(0xf0 | c >> 18));
		buf_putc(b, (char)(0x80 | (c >> 12 & 63)));
		buf_putc(b, (char)(0x80 | (c >> 6 & 63)));
		buf_putc(b, (char)(0x80 | (c & 63)));
	}
}

/* Reads a string into r->scratch; r->at is behind the opening quote. */
static bool read_string(struct reader *r)
{
	buf_clear(&r->scratch);
	for (;;) {
		const char *p = r->at;
		while (p < r->end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
			p++;
		buf_append(&r->scratch, r->at, (size_t)(p - r->at));
		r->at = p;
		if (p == r->end)
			return bad(r, "a string does not end") != NULL;
		if ((unsigned char)*p < 0x20)
			return bad(r, "a control character in a string") != NULL;
		r->at++;
		if (*p == '"')
			return true;
		if (r->at == r->end)
			return bad(r, "a string does not end") != NULL;
		static const char from[] = "\"\\/bfnrt";
		static const char to[] = "\"\\/\b\f\n\r\t";
		char c = *r->at++;
		const char *simple = c == '\0' ? NULL : strchr(from, c);
		if (simple != NULL) {
			buf_putc(&r->scratch, to[simple - from]);
			continue;
		}
		unsigned u;
		if (c != 'u' || !hex4(r, &u))
			return bad(r, "an unknown escape in a string") != NULL;
		unsigned low;
		if (u >= 0xd800 && u < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
			const char *back = r->at;
			r->at += 2;
			if (hex4(r, &low) && low >= 0xdc00 && low < 0xe000)
				u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
			else
				r->at = back;
		}
		if (u >= 0xd800 && u < 0xe000)
			u = 0xfffd;
		put_utf8(&r->scratch, u);
	}
}

static const char *number_end(const char *p, const char *end)
{
	const char *digits;
	if (p < end && *p == '-')
		p++;
	digits = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p == digits || (*digits == '0' && p > digits + 1))
		return NULL;
	if (p < end && *p == '.') {
		digits = ++p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (p == digits)
			return NULL;
	}
	if (p < end && (*p | 32) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (p == digits)
			return NULL;
	}
	return p;
}

static struct node *read_value(struct reader *r);

static struct node *read_list(struct reader *r)
{
	struct node *list = node_list(r->doc);
	skip_space(r);
	if (r->at < r->end && *r->at == ']') {
		r->at++;
		return list;
	}
	for (;;) {
		struct node *value = read_value(r);
		if (value == NULL)
			return NULL;
		node_append(r->doc, list, value);
		skip_space(r);
		if (r->at == r->end)
			return bad(r, "a list does not end");
		char c = *r->at++;
		if (c == ']')
			return list;
		if (c != ',')
			return bad(r, "expected ',' or ']'");
	}
}

static struct node *read_map(struct reader *r)
{
	struct node *map = node_map(r->doc);
	skip_space(r);
	if (r->at < r->end && *r->at == '}') {
		r->at++;
		return map;
	}
	for (;;) {
		skip_space(r);
		if (r->at == r->end || *r->at++ != '"')
			return bad(r, "expected a string as key");
		if (!read_string(r))
			return NULL;
		if (r->scratch.len != strlen(buf_text(&r->scratch)))
			return bad(r, "a key holds a NUL character");
		AUTOFREE char *key = mem_strdup(buf_text(&r->scratch));
		skip_space(r);
		if (r->at == r->end || *r->at++ != ':')
			return bad(r, "expected ':'");
		struct node *value = read_value(r);
		if (value == NULL)
			return NULL;
		node_set(r->doc, map, key, value);
		skip_space(r);
		if (r->at == r->end)
			return bad(r, "an object does not end");
		char c = *r->at++;
		if (c == '}')
			return map;
		if (c != ',')
			return bad(r, "expected ',' or '}'");
	}
}

static bool word(struct reader *r, const char *text)
{
	size_t n = strlen(text);
	if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
		return false;
	r->at += n;
	return true;
}

static struct node *read_value(struct reader *r)
{
	skip_space(r);
	if (r->at == r->end)
		return bad(r, "a value is missing");
	if (++r->nodes > r->max_nodes) {
		(void)error_set(r->err, ERROR_LIMIT, "%s:%u: more than %zu values", r->file, line_of(r), r->max_nodes);
		return NULL;
	}
	struct node *n = NULL;
	switch (*r->at) {
	case '{':
	case '[':
		if (++r->depth > r->max_depth) {
			(void)error_set(r->err, ERROR_LIMIT, "%s:%u: nested deeper than %zu", r->file, line_of(r), r->max_depth);
			return NULL;
		}
		n = *r->at++ == '{' ? read_map(r) : read_list(r);
		r->depth--;
		return n;
	case '"':
		r->at++;
		return read_string(r) ? node_stringn(r->doc, buf_text(&r->scratch), r->scratch.len) : NULL;
	case 't':
		return word(r, "true") ? node_bool(r->doc, true) : bad(r, "unknown word");
	case 'f':
		return word(r, "false") ? node_bool(r->doc, false) : bad(r, "unknown word");
	case 'n':
		return word(r, "null") ? node_null(r->doc) : bad(r, "unknown word");
	default: {
		const char *end = number_end(r->at, r->end);
		if (end == NULL)
			return bad(r, "neither a value nor a number");
		AUTOFREE char *text = mem_strndup(r->at, (size_t)(end - r->at));
		r->at = end;
		return node_number(r->doc, text);
	}
	}
}

struct doc *doc_parse_json(const char *text, size_t len, const char *file, const struct doc_limits *limits, struct error *err)
{
	struct doc_limits l = limits == NULL ? (struct doc_limits){ 0 } : *limits;
	size_t max_bytes = l.bytes == 0 ? (size_t)64 << 20 : l.bytes;
	if (len > max_bytes) {
		(void)error_set(err, ERROR_LIMIT, "%s: %zu bytes, more than %zu", file, len, max_bytes);
		return NULL;
	}
	AUTODOC *doc = doc_new();
	doc_set_file(doc, file);
	struct reader r = { .start = text,
			    .at = text,
			    .end = text + len,
			    .file = file,
			    .doc = doc,
			    .err = err,
			    .max_nodes = l.nodes == 0 ? 5000000 : l.nodes,
			    .max_depth = l.depth == 0 ? 200 : l.depth };
	struct node *root = read_value(&r);
	if (root != NULL) {
		skip_space(&r);
		if (r.at != r.end)
			root = bad(&r, "text behind the value");
	}
	buf_free(&r.scratch);
	if (root == NULL)
		return NULL;
	doc_set_root(doc, root);
	return TAKE(doc);
}

/* ---- out ---- */

static void put_string(struct buf *out, const char *s, size_t len)
{
	buf_putc(out, '"');
	size_t from = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_append(out, s + from, i - from);
		from = i + 1;
		switch (c) {
		case '"':
			buf_puts(out, "\\\"");
			break;
		case '\\':
			buf_puts(out, "\\\\");
			break;
		case '\n':
			buf_puts(out, "\\n");
			break;
		case '\t':
			buf_puts(out, "\\t");
			break;
		case '\r':
			buf_puts(out, "\\r");
			break;
		case '\b':
			buf_puts(out, "\\b");
			break;
		case '\f':
			buf_puts(out, "\\f");
			break;
		default:
			buf_printf(out, "\\u%04x", c);
		}
	}
	buf_append(out, s + from, len - from);
	buf_putc(out, '"');
}

static void new_line(struct buf *out, unsigned flags, unsigned depth)
{
	if (!(flags & JSON_PRETTY))
		return;
	buf_putc(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		buf_puts(out, "  ");
}

struct pair {
	const char *key;
	const struct node *value;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static void put(const struct node *n, struct buf *out, unsigned flags, unsigned depth)
{
	size_t count = node_count(n);
	switch (node_kind(n)) {
	case NODE_NULL:
		buf_puts(out, "null");
		break;
	case NODE_BOOL:
	case NODE_NUMBER:
		buf_puts(out, node_text(n));
		break;
	case NODE_STRING:
		put_string(out, node_text(n), node_len(n));
		break;
	case NODE_LIST:
		buf_putc(out, '[');
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				buf_putc(out, ',');
			new_line(out, flags, depth + 1);
			put(node_at(n, i), out, flags, depth + 1);
		}
		if (count > 0)
			new_line(out, flags, depth);
		buf_putc(out, ']');
		break;
	case NODE_MAP: {
		AUTOFREE struct pair *pairs = mem_array(count, sizeof *pairs);
		for (size_t i = 0; i < count; i++)
			pairs[i] = (struct pair){ node_key_at(n, i), node_value_at(n, i) };
		if (flags & JSON_SORTED)
			qsort(pairs, count, sizeof *pairs, by_key);
		buf_putc(out, '{');
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				buf_putc(out, ',');
			new_line(out, flags, depth + 1);
			put_string(out, pairs[i].key, strlen(pairs[i].key));
			buf_puts(out, flags & JSON_PRETTY ? ": " : ":");
			put(pairs[i].value, out, flags, depth + 1);
		}
		if (count > 0)
			new_line(out, flags, depth);
		buf_putc(out, '}');
		break;
	}
	}
}

void node_to_json(const struct node *n, struct buf *out, unsigned flags)
{
	put(n, out, flags, 0);
}
