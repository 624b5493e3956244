#include "cli/cli.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/options.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments, *text;
};

static const struct command commands[] = {
#define COMMAND(name, function, arguments, text) { name, function, arguments, text },
#include "cli/commands.def"
#undef COMMAND
};

static void usage(FILE *out)
{
	(void)fprintf(out, "weir: GitOps for Apache Flink\n\nusage: weir COMMAND [OPTION...] [ARGUMENT...]\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		(void)fprintf(out, "  %-9s %-40s %s\n", commands[i].name, commands[i].arguments, commands[i].text);
	(void)fprintf(out, "\noptions:\n");
	cli_print_options(out);
}

int cli_main(int argc, char **argv)
{
	const char *name = argc < 2 ? "" : argv[1];
	bool help = argc > 2 && strcmp(argv[2], "--help") == 0;
	if (help || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0)
		return command_version(0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (*name != '\0')
		(void)fprintf(stderr, "weir: no such command: %s\n\n", name);
	usage(stderr);
	return 1;
}

int cli_fail(const struct error *err)
{
	(void)fprintf(stderr, "weir: %s\n", err->message);
	return 1;
}

int command_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)printf("weir %s\n", WEIR_VERSION);
	return 0;
}
