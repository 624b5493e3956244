/*
 * The document model into block YAML, through libyaml's emitter: two blanks, lists at the column of their key, 80 columns. A string is
 * plain where no reader, YAML 1.1 or 1.2, would take it for anything else.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/doc.h"
#include "base/mem.h"
#include "base/yaml.h"

static int on_write(void *out, unsigned char *data, size_t len)
{
	buf_append(out, data, len);
	return 1;
}

/* Sexagesimal numbers of YAML 1.1, such as 12:30:45. */
static bool is_base60(const char *s)
{
	if (*s == '+' || *s == '-')
		s++;
	size_t n = strspn(s, "0123456789_");
	if (n == 0 || s[0] == '_' || s[n] != ':')
		return false;
	for (s += n; *s == ':'; s += n) {
		n = strspn(s + 1, "0123456789") + 1;
		if (n < 2 || n > 3 || (n == 3 && s[1] > '5'))
			return false;
	}
	return *s == '\0' || (*s == '.' && strspn(s + 1, "0123456789_") == strlen(s + 1));
}

static bool reads_as_string(struct doc *scratch, const char *text, size_t len)
{
	struct error ignored = ERROR_INIT;
	struct node *n = yaml_resolve(scratch, text, len, YAML_1_1, 0, &ignored);
	return node_is(n, NODE_STRING) && !is_base60(text) && !yaml_is_date(text);
}

/* Text that is no UTF-8 cannot be written as YAML; its bad bytes become U+FFFD. */
static void put_utf8_only(struct buf *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	for (size_t i = 0; i < len;) {
		size_t n = s[i] < 0x80			 ? 1
			   : s[i] >= 0xc2 && s[i] < 0xe0 ? 2
			   : s[i] >= 0xe0 && s[i] < 0xf0 ? 3
			   : s[i] >= 0xf0 && s[i] < 0xf5 ? 4
							 : 0;
		bool good = n > 0 && i + n <= len;
		for (size_t k = 1; good && k < n; k++)
			good = (s[i + k] & 0xc0) == 0x80;
		if (good && n == 3)
			good = !(s[i] == 0xe0 && s[i + 1] < 0xa0) && !(s[i] == 0xed && s[i + 1] > 0x9f);
		if (good && n == 4)
			good = !(s[i] == 0xf0 && s[i + 1] < 0x90) && !(s[i] == 0xf4 && s[i + 1] > 0x8f);
		if (good)
			buf_append(out, s + i, n);
		else
			buf_puts(out, "\xef\xbf\xbd");
		i += good ? n : 1;
	}
}

static bool emit(yaml_emitter_t *e, yaml_event_t *event, int made)
{
	return made && yaml_emitter_emit(e, event);
}

static bool emit_scalar(yaml_emitter_t *e, const char *text, size_t len, yaml_scalar_style_t style)
{
	yaml_event_t event;
	int made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)len, 1, 1, style);
	return emit(e, &event, made);
}

static bool emit_string(yaml_emitter_t *e, const char *text, size_t len)
{
	AUTOBUF clean = BUF_INIT;
	put_utf8_only(&clean, text, len);
	AUTODOC *scratch = doc_new();
	yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	if (memchr(buf_text(&clean), '\n', clean.len) != NULL)
		style = YAML_LITERAL_SCALAR_STYLE;
	else if (reads_as_string(scratch, buf_text(&clean), clean.len))
		style = YAML_PLAIN_SCALAR_STYLE;
	return emit_scalar(e, buf_text(&clean), clean.len, style);
}

static bool emit_node(yaml_emitter_t *e, const struct node *n)
{
	yaml_event_t event;
	const char *text = node_text(n);
	switch (node_kind(n)) {
	case NODE_NULL:
		return emit_scalar(e, "null", 4, YAML_PLAIN_SCALAR_STYLE);
	case NODE_BOOL:
	case NODE_NUMBER:
		return emit_scalar(e, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
	case NODE_STRING:
		return emit_string(e, text, node_len(n));
	case NODE_LIST:
		if (!emit(e, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE)))
			return false;
		for (size_t i = 0; i < node_count(n); i++)
			if (!emit_node(e, node_at(n, i)))
				return false;
		return emit(e, &event, yaml_sequence_end_event_initialize(&event));
	case NODE_MAP:
		if (!emit(e, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE)))
			return false;
		for (size_t i = 0; i < node_count(n); i++)
			if (!emit_string(e, node_key_at(n, i), strlen(node_key_at(n, i))) || !emit_node(e, node_value_at(n, i)))
				return false;
		return emit(e, &event, yaml_mapping_end_event_initialize(&event));
	}
	return false;
}

void node_to_yaml(const struct node *n, struct buf *out)
{
	yaml_emitter_t e;
	if (!yaml_emitter_initialize(&e))
		abort();
	yaml_emitter_set_output(&e, on_write, out);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, 80);
	yaml_emitter_set_indent(&e, 2);
	yaml_event_t event;
	bool ok = emit(&e, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
		  emit(&e, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) && emit_node(&e, n) &&
		  emit(&e, &event, yaml_document_end_event_initialize(&event, 1)) && yaml_emitter_flush(&e);
	yaml_emitter_delete(&e);
	if (!ok)
		abort(); /* only memory can have run out: the tree is well formed and its text is UTF-8 */
}
