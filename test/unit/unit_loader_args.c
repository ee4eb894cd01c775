/* SPDX-License-Identifier: BSD-3-Clause */
/* service/loader_args.c: getopt itself is the judge. */
#include "config.h"

#include <check.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "run_suite.h"
#include "service/loader_args.h"

#define ARGUMENTS_MAX 5

/* What main() of the executive does, on a copy because getopt reorders. An option that it does not know another one may. */
static void ask_getopt(int argc, char *const argv[], struct loader_args *args)
{
	char *copy[ARGUMENTS_MAX + 2];
	int option;

	memcpy(copy, argv, ((size_t)argc + 1) * sizeof(*copy));
	args->reads_conf = true;
	args->conf = NULL;
	optind = 0;
	opterr = 0;
	while ((option = getopt(argc, copy, "c:l:ftv")) != -1) {
		if (option == 'c')
			args->conf = optarg;
		if (option == 'v' || (option == '?' && strchr("cl", optopt))) {
			args->reads_conf = false;
			return;
		}
	}
}

static void compare(int argc, char *const argv[], bool posix)
{
	struct loader_args expected, args;

	ask_getopt(argc, argv, &expected);
	loader_args_parse(argc, argv, posix, &args);
	ck_assert_int_eq(args.reads_conf, expected.reads_conf);
	if (expected.reads_conf)
		ck_assert_pstr_eq(args.conf, expected.conf);
}

/* Every command line of up to five of these words. */
static void compare_all(bool posix)
{
	static const char *const words[] = {"-c", "-cA", "-fcB", "-tc", "-l", "-flA", "-f",
					    "-v", "--",	 "-",	 "C",	"-x", "-xcD", ""};
	const size_t count = sizeof(words) / sizeof(words[0]);
	char *argv[ARGUMENTS_MAX + 2] = {(char *)"corosync"};
	size_t total = 1, line, rest;
	int length, i;

	for (length = 0; length <= ARGUMENTS_MAX; length++, total *= count) {
		for (line = 0; line < total; line++) {
			for (i = 1, rest = line; i <= length; i++, rest /= count)
				argv[i] = (char *)words[rest % count];
			argv[length + 1] = NULL;
			compare(length + 1, argv, posix);
		}
	}
}

START_TEST(permuted)
{
	unsetenv("POSIXLY_CORRECT");
	compare_all(false);
}
END_TEST

START_TEST(posixly_correct)
{
	setenv("POSIXLY_CORRECT", "1", 1);
	compare_all(true);
}
END_TEST

START_TEST(last_file_counts)
{
	char *argv[] = {(char *)"corosync", (char *)"-cone", (char *)"-f", (char *)"-c", (char *)"two", NULL};
	struct loader_args args;

	loader_args_parse(5, argv, false, &args);
	ck_assert(args.reads_conf);
	ck_assert_str_eq(args.conf, "two");
}
END_TEST

START_TEST(no_arguments)
{
	char *argv[] = {NULL};
	struct loader_args args;

	loader_args_parse(0, argv, false, &args);
	ck_assert(args.reads_conf);
	ck_assert_ptr_null(args.conf);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("command line");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, permuted);
	tcase_add_test(tcase, posixly_correct);
	tcase_add_test(tcase, last_file_counts);
	tcase_add_test(tcase, no_arguments);
	return run_case("loader_args", tcase);
}
