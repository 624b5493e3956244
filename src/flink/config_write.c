/* The two file formats of a Flink configuration. */
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/values.h"

void flink_put_list(struct buf *out, const struct node *list)
{
	for (size_t i = 0; i < node_count(list); i++) {
		if (i > 0)
			buf_putc(out, ';');
		flink_put_list_element(out, node_text_or(node_at(list, i), ""));
	}
}

/* "key: value" lines: raw, which is what Flink's old reader expects; it knows no quotes and no escapes. */
static bool write_lines(const struct node *config, struct buf *out, struct error *err)
{
	for (size_t i = 0; i < node_count(config); i++) {
		const char *key = node_key_at(config, i);
		const struct node *value = node_value_at(config, i);
		size_t start = out->len;
		buf_printf(out, "%s: ", key);
		if (node_is(value, NODE_LIST))
			flink_put_list(out, value);
		else
			buf_puts(out, node_text_or(value, ""));
		if (strpbrk(out->data + start, "\r\n") != NULL)
			return error_set(err, ERROR_INVALID,
					 "configuration option %.200s: a line break cannot be written to flink-conf.yaml", key);
		buf_putc(out, '\n');
	}
	return true;
}

/* The value as a tree, keys split at every dot. */
static bool place(struct doc *doc, struct node *tree, const char *key, const struct node *value, struct error *err)
{
	const char *part = key;
	for (;;) {
		const char *dot = strchr(part, '.');
		size_t len = dot != NULL ? (size_t)(dot - part) : strlen(part);
		AUTOFREE char *name = mem_strndup(part, len);
		struct node *there = node_get(tree, name);
		if (dot == NULL ? there != NULL : there != NULL && !node_is(there, NODE_MAP))
			return error_set(err, ERROR_INVALID,
					 "configuration option %s is also the prefix of another one, or has one as its prefix: "
					 "config.yaml cannot hold both",
					 key);
		if (dot == NULL) {
			node_set(doc, tree, name, node_copy(doc, value));
			return true;
		}
		tree = node_ensure_map(doc, tree, name);
		part = dot + 1;
	}
}

static bool all_of(const char *text, const char *set)
{
	return *text != '\0' && text[strspn(text, set)] == '\0';
}

/* Would YAML 1.2's core schema read it as something other than a string? */
static bool looks_typed(const char *s)
{
	static const char *const words[] = { "null",  "Null",  "NULL",	"~",	"true", "True", "TRUE",
					     "false", "False", "FALSE", ".nan", ".NaN", ".NAN" };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	if (str_starts(s, "0o") && all_of(s + 2, "01234567"))
		return true;
	if (str_starts(s, "0x") && all_of(s + 2, "0123456789abcdefABCDEF"))
		return true;
	const char *p = s + (*s == '-' || *s == '+');
	if (strcmp(p, ".inf") == 0 || strcmp(p, ".Inf") == 0 || strcmp(p, ".INF") == 0)
		return true;
	size_t whole = strspn(p, "0123456789");
	p += whole;
	size_t rest = 0;
	if (*p == '.') {
		rest = strspn(p + 1, "0123456789");
		p += 1 + rest;
	}
	if (whole + rest == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '-' || p[1] == '+');
		return all_of(p, "0123456789");
	}
	return *p == '\0';
}

static bool needs_quotes(const char *s)
{
	size_t len = strlen(s);
	if (len == 0 || s[0] == ' ' || s[len - 1] == ' ' || s[len - 1] == ':' || looks_typed(s))
		return true;
	if (strchr(",[]{}#&*!|>'\"%@`", s[0]) != NULL || str_starts(s, "---") || str_starts(s, "..."))
		return true;
	if (strchr("-?:", s[0]) != NULL && (s[1] == ' ' || s[1] == '\0'))
		return true;
	return strstr(s, ": ") != NULL || strstr(s, " #") != NULL;
}

static bool has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

static void put_scalar(struct buf *out, const char *s)
{
	if (has_control(s)) {
		buf_putc(out, '"');
		for (; *s != '\0'; s++) {
			if (*s == '"' || *s == '\\')
				buf_printf(out, "\\%c", *s);
			else if ((unsigned char)*s < ' ' || *s == 0x7f)
				buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*s);
			else
				buf_putc(out, *s);
		}
		buf_putc(out, '"');
	} else if (needs_quotes(s)) {
		buf_putc(out, '\'');
		for (; *s != '\0'; s++) {
			if (*s == '\'')
				buf_putc(out, '\'');
			buf_putc(out, *s);
		}
		buf_putc(out, '\'');
	} else {
		buf_puts(out, s);
	}
}

static void write_tree(const struct node *tree, unsigned indent, struct buf *out)
{
	for (size_t i = 0; i < node_count(tree); i++) {
		const struct node *value = node_value_at(tree, i);
		buf_printf(out, "%*s", (int)indent, "");
		put_scalar(out, node_key_at(tree, i));
		buf_putc(out, ':');
		if (node_is(value, NODE_MAP)) {
			buf_putc(out, '\n');
			write_tree(value, indent + 2, out);
		} else if (!node_is(value, NODE_LIST)) {
			buf_putc(out, ' ');
			put_scalar(out, node_text_or(value, ""));
			buf_putc(out, '\n');
		} else if (node_count(value) == 0) {
			buf_puts(out, " []\n");
		} else {
			buf_putc(out, '\n');
			for (size_t k = 0; k < node_count(value); k++) {
				buf_printf(out, "%*s- ", (int)indent, "");
				put_scalar(out, node_text_or(node_at(value, k), ""));
				buf_putc(out, '\n');
			}
		}
	}
}

bool flink_config_write(const struct node *config, const struct flink_version *version, struct buf *out, struct error *err)
{
	AUTOBUF text = BUF_INIT;
	if (!version->config_yaml) {
		if (!write_lines(config, &text, err))
			return false;
	} else {
		AUTODOC *doc = doc_new();
		struct node *tree = node_map(doc);
		for (size_t i = 0; i < node_count(config); i++)
			if (!place(doc, tree, node_key_at(config, i), node_value_at(config, i), err))
				return false;
		write_tree(tree, 0, &text);
	}
	buf_append(out, text.data, text.len);
	return true;
}
