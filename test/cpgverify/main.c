/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "options.h"
#include "run.h"

static int run_command(int argc, char **argv)
{
	struct run_options options;
	int parsed = options_parse(argc, argv, &options);

	if (parsed != 0)
		return parsed > 0 ? 0 : 2;
	return run(&options);
}

static bool help_wanted(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && i < 3; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (help_wanted(argc, argv)) {
		options_help();
		return 0;
	}
	if (strcmp(command, "run") == 0)
		return run_command(argc - 1, argv + 1);
	if (strcmp(command, "verify") == 0)
		return check_logs(argc - 2, argv + 2);
	if (strcmp(command, "dump") == 0)
		return dump_log(argc - 2, argv + 2);
	fprintf(stderr, "cpgverify: run, verify or dump? cpgverify --help tells\n");
	return 2;
}
