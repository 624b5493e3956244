/* Label and field selectors. */
#include <ctype.h>

#include "sim/internal.h"

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

static bool in_set(char *set, const char *value)
{
	char *save = NULL;
	for (char *p = strtok_r(set, ",()", &save); p != NULL; p = strtok_r(NULL, ",()", &save))
		if (str_eq(trim(p), value))
			return true;
	return false;
}

/* One requirement: 1 met, 0 not met, -1 cannot be read. */
static int requirement(char *text, const struct node *labels)
{
	char *p;
	text = trim(text);
	if (*text == '!')
		return node_get(labels, trim(text + 1)) == NULL;
	if ((p = strchr(text, '(')) != NULL) {
		bool negative = strstr(text, " notin") != NULL && strstr(text, " notin") < p;
		char *key_end = strstr(text, negative ? " notin" : " in");
		if (key_end == NULL || key_end > p)
			return -1;
		*key_end = '\0';
		const char *value = node_text(node_get(labels, trim(text)));
		bool in = value != NULL && in_set(p, value);
		return negative ? !in : in;
	}
	if ((p = strstr(text, "!=")) != NULL) {
		*p = '\0';
		return !str_eq(node_text(node_get(labels, trim(text))), trim(p + 2));
	}
	if ((p = strchr(text, '=')) != NULL) {
		*p = '\0';
		return str_eq(node_text(node_get(labels, trim(text))), trim(p + (p[1] == '=' ? 2 : 1)));
	}
	if (*text == '\0' || strchr(text, ' ') != NULL)
		return -1;
	return node_get(labels, text) != NULL;
}

static int evaluate(const char *selector, const struct node *labels)
{
	if (selector == NULL || *selector == '\0')
		return 1;
	AUTOFREE char *copy = mem_strdup(selector);
	int result = 1;
	for (char *p = copy, *next; p != NULL; p = next) {
		int depth = 0;
		for (next = p; *next != '\0' && !(depth == 0 && *next == ','); next++)
			depth += (*next == '(') - (*next == ')');
		if (*next == ',')
			*next++ = '\0';
		else
			next = NULL;
		int one = requirement(p, labels);
		if (one < 0)
			return -1;
		if (one == 0)
			result = 0;
	}
	return result;
}

bool labels_match(const char *selector, const struct node *labels)
{
	return evaluate(selector, labels) == 1;
}

bool selector_valid(const char *selector)
{
	return evaluate(selector, NULL) >= 0;
}

bool labels_cover(const struct node *match_labels, const struct node *labels)
{
	for (size_t i = 0; node_is(match_labels, NODE_MAP) && i < node_count(match_labels); i++)
		if (!str_eq(node_text(node_value_at(match_labels, i)), node_text(node_get(labels, node_key_at(match_labels, i)))))
			return false;
	return node_is(match_labels, NODE_MAP) && node_count(match_labels) > 0;
}

bool fields_match(const char *selector, const struct node *object)
{
	if (selector == NULL || *selector == '\0')
		return true;
	AUTOFREE char *copy = mem_strdup(selector);
	char *save = NULL;
	for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(p, '=');
		if (eq == NULL)
			return false;
		bool negative = eq > p && eq[-1] == '!';
		eq[negative ? -1 : 0] = '\0';
		char *value = eq + (eq[1] == '=' ? 2 : 1);
		for (char *c = p; *c != '\0'; c++)
			if (*c == '.')
				*c = '/';
		if ((strcmp(node_text_or(node_find(object, trim(p)), ""), value) == 0) == negative)
			return false;
	}
	return true;
}
