#include "cli/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

struct option_row {
	const char *name;
	int letter;
	const char *argument;
	size_t offset;
	const char *text;
};

static const struct option_row rows[] = {
#define OPTION(name, letter, argument, field, text) { name, letter, argument, offsetof(struct cli_options, field), text },
#include "cli/options.def"
#undef OPTION
};

struct flag_row {
	const char *name;
	size_t offset;
	const char *text;
};

static const struct flag_row flags[] = {
#define FLAG(name, field, text) { name, offsetof(struct cli_options, field), text },
#include "cli/flags.def"
#undef FLAG
};

enum { FLAG_FIRST = 1000 };

void cli_print_options(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		(void)fprintf(out, "  --%s %s\n        %s\n", rows[i].name, rows[i].argument, rows[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		(void)fprintf(out, "  --%s\n        %s\n", flags[i].name, flags[i].text);
}

static bool take_option(int c, struct cli_options *out)
{
	if (c >= FLAG_FIRST) {
		*(bool *)((char *)out + flags[c - FLAG_FIRST].offset) = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (c != (int)i + 1 && c != rows[i].letter)
			continue;
		const char *value = optarg;
		memcpy((char *)out + rows[i].offset, &value, sizeof value);
		return true;
	}
	return false;
}

bool cli_parse(int argc, char **argv, struct cli_options *out)
{
	*out = (struct cli_options){ 0 };
	struct option longs[ARRAY_SIZE(rows) + ARRAY_SIZE(flags) + 1] = { 0 };
	char letters[2 * ARRAY_SIZE(rows) + 1];
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		longs[i] = (struct option){ rows[i].name, required_argument, NULL, (int)i + 1 };
		if (rows[i].letter != 0) {
			letters[n++] = (char)rows[i].letter;
			letters[n++] = ':';
		}
	}
	letters[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		longs[ARRAY_SIZE(rows) + i] = (struct option){ flags[i].name, no_argument, NULL, FLAG_FIRST + (int)i };
	optind = 1;
	int c;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1)
		if (!take_option(c, out))
			return false;
	if (out->output != NULL && strcmp(out->output, "json") != 0 && strcmp(out->output, "text") != 0) {
		(void)fprintf(stderr, "weir: --output %s: expected json or text\n", out->output);
		return false;
	}
	out->rest = optind;
	return true;
}
