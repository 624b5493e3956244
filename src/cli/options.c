#include "cli/options.h"

#include <getopt.h>
#include <stddef.h>
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

enum { FIRST = 1000, KEEP, MANAGE_ALL };

void cli_print_options(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		(void)fprintf(out, "  --%s %s\n        %s\n", rows[i].name, rows[i].argument, rows[i].text);
	(void)fprintf(out, "  --manage-all\n        agent: act on every FlinkDeployment, as the Java operator does\n");
	(void)fprintf(out, "  --keep\n        demo: leave it running and say how to look inside\n");
}

bool cli_parse(int argc, char **argv, struct cli_options *out)
{
	*out = (struct cli_options){ 0 };
	struct option longs[ARRAY_SIZE(rows) + 3] = { 0 };
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
	longs[ARRAY_SIZE(rows)] = (struct option){ "keep", no_argument, NULL, KEEP };
	longs[ARRAY_SIZE(rows) + 1] = (struct option){ "manage-all", no_argument, NULL, MANAGE_ALL };
	optind = 1;
	int c;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (c == '?')
			return false;
		if (c == KEEP) {
			out->keep = true;
			continue;
		}
		if (c == MANAGE_ALL) {
			out->manage_all = true;
			continue;
		}
		const struct option_row *row = NULL;
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			if (c == (int)i + 1 || c == rows[i].letter)
				row = &rows[i];
		const char *value = optarg;
		if (row != NULL)
			memcpy((char *)out + row->offset, &value, sizeof value);
	}
	out->rest = optind;
	return true;
}
