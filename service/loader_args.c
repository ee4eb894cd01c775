// SPDX-License-Identifier: BSD-3-Clause
/*
 * Reads the command line as getopt(argc, argv, "c:l:ftv") does, which is what corosync calls since 3.1.9; before there was no -l, and with it
 * corosync ends. Not by calling it: getopt reorders argv and keeps hidden state that main() would then start from.
 *
 * An option that is not known is taken for one of a later corosync, without a value: if it is none, corosync ends as well. That must never
 * be why stock's service runs where ours was asked for.
 */
#include "service/loader_args.h"

#include <stddef.h>
#include <string.h>

/*
 * One argument with options in it, argv[index]. Returns the index of the last argument it used, or -1: usage.
 */
static int parse_options(char *const argv[], int index, struct loader_args *args)
{
	const char *option;
	const char *value;

	for (option = argv[index] + 1; *option != '\0'; option++) {
		switch (*option) {
		case 'c':
		case 'l':
			value = option + 1;
			if (*value == '\0')
				value = argv[++index]; /* argv ends in a NULL */
			if (value == NULL)
				return -1;
			if (*option == 'c')
				args->conf = value;
			return index;
		case 'v': /* the executive says its version and ends */
			return -1;
		default:
			break;
		}
	}
	return index;
}

void loader_args_parse(int argc, char *const argv[], bool posix, struct loader_args *args)
{
	int index;

	args->reads_conf = true;
	args->conf = NULL;
	for (index = 1; index < argc; index++) {
		if (strcmp(argv[index], "--") == 0)
			return;
		if (argv[index][0] != '-' || argv[index][1] == '\0') {
			if (posix)
				return;
			continue;
		}
		index = parse_options(argv, index, args);
		if (index < 0) {
			args->reads_conf = false;
			return;
		}
	}
}
