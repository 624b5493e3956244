#include "render/match.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct match {
	char *literal; /* instead of an expression when there is nothing special in it */
	regex_t regex;
};

/* RE2's shorthand into POSIX; what has no counterpart is an error. */
static bool translate(const char *pattern, struct buf *out, struct error *err)
{
	bool in_set = false;
	buf_puts(out, "^(");
	for (const char *p = pattern; *p != '\0'; p++) {
		if (in_set || *p == '[') {
			if (in_set && *p == '\\' && p[1] != '\0') {
				const char *set = p[1] == 'd' ? "0-9" : p[1] == 'w' ? "[:alnum:]_" : p[1] == 's' ? "[:space:]" : NULL;
				if (set == NULL && strchr(".-+*?(){}|^$/", p[1]) == NULL)
					return error_set(err, ERROR_UNSUPPORTED, "expression '%s': \\%c in a set is not supported", pattern,
							 p[1]);
				if (set != NULL)
					buf_puts(out, set);
				else
					buf_putc(out, p[1]);
				p++;
				continue;
			}
			in_set = *p == '[' ? true : *p != ']';
			buf_putc(out, *p);
		} else if (*p == '\\') {
			p++;
			const char *set = *p == 'd' ? "[0-9]" : *p == 'w' ? "[[:alnum:]_]" : *p == 's' ? "[[:space:]]" : NULL;
			if (set != NULL)
				buf_puts(out, set);
			else if (*p == '\0' || isalnum((unsigned char)*p))
				return error_set(err, ERROR_UNSUPPORTED, "expression '%s': \\%c is not supported", pattern,
						 *p == '\0' ? ' ' : *p);
			else
				buf_printf(out, "\\%c", *p);
		} else if (*p == '(' && p[1] == '?') {
			if (p[2] != ':')
				return error_set(err, ERROR_UNSUPPORTED, "expression '%s': (?%c is not supported", pattern, p[2]);
			buf_putc(out, '(');
			p += 2;
		} else if (strchr("*+?}", *p) != NULL && (p[1] == '?' || p[1] == '+')) {
			buf_putc(out, *p++); /* lazy or greedy matters not for a match of the whole text */
		} else {
			buf_putc(out, *p);
		}
	}
	buf_puts(out, ")$");
	return true;
}

struct match *match_new(const char *pattern, struct error *err)
{
	struct match *m = mem_alloc(sizeof *m);
	if (strpbrk(pattern, "\\^$.|?*+()[]{}") == NULL) {
		m->literal = mem_strdup(pattern);
		return m;
	}
	AUTOBUF text = BUF_INIT;
	bool ok = translate(pattern, &text, err);
	if (ok && regcomp(&m->regex, buf_text(&text), REG_EXTENDED | REG_NOSUB) != 0)
		ok = error_set(err, ERROR_INVALID, "'%s' is not a regular expression", pattern);
	if (!ok) {
		free(m);
		return NULL;
	}
	return m;
}

void match_free(struct match *m)
{
	if (m == NULL)
		return;
	if (m->literal == NULL)
		regfree(&m->regex);
	free(m->literal);
	free(m);
}

void match_freep(struct match **m)
{
	match_free(*m);
	*m = NULL;
}

bool match_test(const struct match *m, const char *text)
{
	return m->literal != NULL ? strcmp(m->literal, text) == 0 : regexec(&m->regex, text, 0, NULL, 0) == 0;
}

/* ---- label selectors ---- */

static void skip_space(const char **at)
{
	while (isspace((unsigned char)**at))
		++*at;
}

static size_t word(const char **at, char *out, size_t size)
{
	skip_space(at);
	size_t n = 0;
	while (isalnum((unsigned char)**at) || (**at != '\0' && strchr("-_./", **at) != NULL)) {
		if (n + 1 < size)
			out[n++] = **at;
		++*at;
	}
	out[n] = '\0';
	skip_space(at);
	return n;
}

static bool in_list(const char **at, const char *value, bool *bad)
{
	bool found = false;
	skip_space(at);
	*bad = **at != '(';
	while (!*bad && **at != ')') {
		++*at;
		char item[256];
		(void)word(at, item, sizeof item);
		found |= value != NULL && strcmp(item, value) == 0;
		*bad = **at != ',' && **at != ')';
	}
	if (!*bad)
		++*at;
	return found;
}

static bool one_requirement(const char **at, const struct node *map, bool *bad)
{
	char key[320], operation[16], value[256];
	skip_space(at);
	bool absent = **at == '!';
	if (absent)
		++*at;
	*bad = word(at, key, sizeof key) == 0;
	const char *has = node_text(node_get(map, key));
	if (absent || *bad)
		return has == NULL;
	if (**at == '=' || (**at == '!' && (*at)[1] == '=')) {
		bool equal = **at == '=';
		*at += equal && (*at)[1] != '=' ? 1 : 2;
		(void)word(at, value, sizeof value);
		return equal ? has != NULL && strcmp(has, value) == 0 : has == NULL || strcmp(has, value) != 0;
	}
	const char *before = *at;
	if (word(at, operation, sizeof operation) == 0) {
		*at = before;
		return has != NULL;
	}
	if (strcmp(operation, "in") == 0)
		return in_list(at, has, bad);
	if (strcmp(operation, "notin") == 0)
		return !in_list(at, has, bad);
	*bad = true;
	return false;
}

bool match_labels(const char *selector, const struct node *map, bool *hit, struct error *err)
{
	bool all = true, bad = false;
	const char *at = selector;
	skip_space(&at);
	while (*at != '\0' && !bad) {
		all &= one_requirement(&at, map, &bad);
		skip_space(&at);
		if (*at == ',' && !bad) {
			at++;
			skip_space(&at);
			bad = *at == '\0';
		} else if (*at != '\0') {
			bad = true;
		}
	}
	if (bad)
		return error_set(err, ERROR_INVALID, "'%s' is not a label selector", selector);
	*hit = all;
	return true;
}
