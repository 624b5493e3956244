/* Objects as kustomize prints them: keys in its "natural" order, numbers as Go writes them, documents between lines of "---". */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/print.h"

/* ---- order of keys ---- */

static unsigned next_rune(const char **at)
{
	const unsigned char *s = (const unsigned char *)*at;
	size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 1;
	unsigned v = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			n = i;
			break;
		}
		v = v << 6 | (s[i] & 0x3fu);
	}
	*at += n;
	return v;
}

static bool is_digit(unsigned c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(unsigned c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

/* The run of digits that starts here, after the digits already read. */
static unsigned long long run_of_digits(const char *s, bool one_before, size_t *len)
{
	unsigned long long v = one_before ? 1 : 0;
	for (*len = 0; is_digit((unsigned char)s[*len]); ++*len)
		v = v * 10 + (unsigned)(s[*len] - '0');
	return v;
}

int print_compare_keys(const char *a, const char *b)
{
	bool in_number = false; /* the digits right before hold one that is not 0 */
	while (*a != '\0' && *b != '\0') {
		const char *from_a = a, *from_b = b;
		unsigned x = next_rune(&a), y = next_rune(&b);
		if (x == y) {
			in_number = is_digit(x) && (in_number || x != '0');
			continue;
		}
		bool letter_x = is_letter(x), letter_y = is_letter(y);
		if (letter_x || letter_y)
			return letter_x && letter_y ? (x < y ? -1 : 1) : letter_x ? 1 : -1;
		bool one = (x == '0' || y == '0') && in_number;
		size_t len_x, len_y;
		unsigned long long n = run_of_digits(from_a, one, &len_x), m = run_of_digits(from_b, one, &len_y);
		if (n != m)
			return n < m ? -1 : 1;
		if (len_x != len_y)
			return len_x < len_y ? -1 : 1;
		return x < y ? -1 : 1;
	}
	return *a != '\0' ? 1 : *b != '\0' ? -1 : 0;
}

struct pair {
	const char *key;
	const struct node *value;
};

static int by_key(const void *a, const void *b)
{
	return print_compare_keys(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

/* ---- numbers ---- */

static bool fits_integer(const char *text)
{
	errno = 0;
	if (*text == '-')
		(void)strtoll(text, NULL, 10);
	else
		(void)strtoull(text, NULL, 10);
	return errno == 0;
}

/* The shortest digits that read back as v > 0, without the point, and the exponent of the first. */
static int shortest(double v, char digits[32])
{
	char text[40];
	for (int precision = 0; precision <= 17; precision++) {
		(void)snprintf(text, sizeof text, "%.*e", precision, v);
		double back = strtod(text, NULL);
		if (!(back < v) && !(back > v))
			break;
	}
	size_t n = 0;
	const char *p = text;
	for (; *p != 'e'; p++)
		if (*p != '.')
			digits[n++] = *p;
	digits[n] = '\0';
	return (int)strtol(p + 1, NULL, 10);
}

void print_number(const char *text, struct buf *out)
{
	if (strpbrk(text, ".eE") == NULL && fits_integer(text)) {
		buf_puts(out, strcmp(text, "-0") == 0 ? "0" : text);
		return;
	}
	double v = strtod(text, NULL);
	bool negative = v < 0;
	if (negative)
		v = -v;
	if (!(v > 0)) {
		buf_putc(out, '0');
		return;
	}
	char digits[32];
	int exponent = shortest(v, digits), count = (int)strlen(digits);
	if (negative)
		buf_putc(out, '-');
	if (exponent >= count - 1 && exponent < 21) { /* integral: an integer if one can hold it */
		AUTOBUF whole = BUF_INIT;
		buf_printf(&whole, "%s%s%0*d", negative ? "-" : "", digits, exponent - count + 1, 0);
		if (exponent == count - 1)
			whole.data[--whole.len] = '\0';
		if (fits_integer(buf_text(&whole))) {
			buf_puts(out, buf_text(&whole) + (negative ? 1 : 0));
			return;
		}
	}
	if (exponent < -4 || exponent >= 21 || exponent >= 6) {
		buf_printf(out, "%c%s%s", digits[0], count > 1 ? "." : "", digits + 1);
		buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
	} else if (exponent < 0) {
		buf_puts(out, "0.");
		for (int i = -1; i > exponent; i--)
			buf_putc(out, '0');
		buf_puts(out, digits);
	} else {
		for (int i = 0; i <= exponent || i < count; i++) {
			if (i == exponent + 1)
				buf_putc(out, '.');
			buf_putc(out, i < count ? digits[i] : '0');
		}
	}
}

/* A copy with keys in order and numbers in Go's form. */
static struct node *normal(struct doc *doc, const struct node *n)
{
	size_t count = node_count(n);
	struct node *copy;
	switch (node_kind(n)) {
	case NODE_NUMBER: {
		AUTOBUF b = BUF_INIT;
		print_number(node_text(n), &b);
		return node_number(doc, buf_text(&b));
	}
	case NODE_LIST:
		copy = node_list(doc);
		for (size_t i = 0; i < count; i++)
			node_append(doc, copy, normal(doc, node_at(n, i)));
		return copy;
	case NODE_MAP: {
		copy = node_map(doc);
		AUTOFREE struct pair *pairs = mem_array(count + 1, sizeof *pairs);
		for (size_t i = 0; i < count; i++)
			pairs[i] = (struct pair){ node_key_at(n, i), node_value_at(n, i) };
		qsort(pairs, count, sizeof *pairs, by_key);
		for (size_t i = 0; i < count; i++)
			node_set(doc, copy, pairs[i].key, normal(doc, pairs[i].value));
		return copy;
	}
	default:
		return n == NULL ? node_null(doc) : node_copy(doc, n);
	}
}

void render_print(const struct render_result *result, struct buf *out)
{
	for (size_t i = 0; i < result->count; i++) {
		AUTODOC *scratch = doc_new();
		if (i > 0)
			buf_puts(out, "---\n");
		node_to_yaml(normal(scratch, doc_root(result->objects[i].doc)), out);
	}
}
