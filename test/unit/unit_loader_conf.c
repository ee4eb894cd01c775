/* SPDX-License-Identifier: BSD-3-Clause */
/* service/loader_conf.c: the service section is found as the executive would find it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run_suite.h"
#include "service/loader_conf.h"

#define NAME "corosync_cpg"

static struct loader_conf conf;
static char *text;

/* An allocation of the exact size, so that the sanitizers see a byte too far. */
static void parse_bytes(const char *source, size_t size)
{
	free(text);
	text = malloc(size + 1);
	memcpy(text, source, size);
	text[size] = '\0';
	loader_conf_parse(text, size, NAME, &conf);
}

static void parse(const char *source)
{
	parse_bytes(source, strlen(source));
}

static void cleanup(void)
{
	free(text);
	text = NULL;
}

static void assert_option(size_t index, const char *name, const char *value)
{
	ck_assert_uint_lt(index, conf.option_count);
	ck_assert_str_eq(conf.options[index].name, name);
	ck_assert_str_eq(conf.options[index].value, value);
}

static void assert_error(const char *source, const char *words, unsigned int line)
{
	parse(source);
	ck_assert(conf.found);
	ck_assert_ptr_nonnull(conf.error);
	ck_assert_msg(strstr(conf.error, words) != NULL, "%s", conf.error);
	ck_assert_uint_eq(conf.line, line);
}

START_TEST(plain)
{
	parse("totem {\n\tversion: 2\n}\n"
	      "service {\n\tname: corosync_cpg\n\tver: 0\n\tclient_queue: 1M\n\tclient_stall: 5\n}\n");
	ck_assert(conf.found);
	ck_assert_ptr_null(conf.error);
	ck_assert_uint_eq(conf.line, 4);
	ck_assert_uint_eq(conf.option_count, 2);
	assert_option(0, "client_queue", "1M");
	assert_option(1, "client_stall", "5");
}
END_TEST

START_TEST(blanks_and_line_ends)
{
	parse("\xA0 service\t{ \r\n \t name \xA0:\t corosync_cpg \t\xA0\r\n\tver :0\r\nwords:  two words: "
	      "and a colon  \r\n }\t");
	ck_assert(conf.found);
	ck_assert_ptr_null(conf.error);
	ck_assert_uint_eq(conf.option_count, 1);
	assert_option(0, "words", "two words: and a colon");
}
END_TEST

START_TEST(comments)
{
	parse("# service {\n#name: corosync_cpg\n# }\n");
	ck_assert(!conf.found);
	parse("service {\n  # ver: 7\n\n\tname: corosync_cpg\n}\n");
	ck_assert(conf.found);
	ck_assert_ptr_null(conf.error);
	ck_assert_uint_eq(conf.option_count, 0);
}
END_TEST

/* The executive knows no comments behind a value: neither do we. */
START_TEST(no_comment_behind_a_value)
{
	parse("service {\nname: corosync_cpg # ours\n}\n");
	ck_assert(!conf.found);
	parse("service {\nname: corosync_cpg\nkey: 1 # one\n}\n");
	ck_assert(conf.found);
	assert_option(0, "key", "1 # one");
}
END_TEST

START_TEST(other_sections)
{
	static const char *const sources[] = {
		"",
		"\n\n",
		"service {\n}\n",
		"service {\nname: pacemaker\nver: 1\n}\n",
		"service {\nname: corosync_cpgx\n}\n",
		"service {\nname: Corosync_cpg\n}\n",
		"services {\nname: corosync_cpg\n}\n",
		"name: corosync_cpg\n",
		"service.name: corosync_cpg\n",
		"outer {\nservice {\nname: corosync_cpg\n}\n}\n",
		"service {\ninner {\nname: corosync_cpg\n}\n}\n",
		"service {\n}\nname: corosync_cpg\n",
		"}\n}\nother {\nname: corosync_cpg\n}\n",
	};
	size_t i;

	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		parse(sources[i]);
		ck_assert_msg(!conf.found && conf.error == NULL, "%zu", i);
	}
}
END_TEST

START_TEST(beside_others)
{
	parse("service {\nname: pacemaker\nver: 1\nuse_mgmtd: no\n}\n"
	      "a {\nb {\nc: 1\n}\n}\nservice {\nkey: 1\nname: corosync_cpg\n}\nservice {\nname: old\n}\n");
	ck_assert(conf.found);
	ck_assert_ptr_null(conf.error);
	ck_assert_uint_eq(conf.option_count, 1);
	assert_option(0, "key", "1");
}
END_TEST

/* As in the executive's map. */
START_TEST(last_name_counts)
{
	parse("service {\nname: corosync_cpg\nname: other\n}\n");
	ck_assert(!conf.found);
	parse("service {\nname: other\nname: corosync_cpg\nver: 7\nver: 0\n}\n");
	ck_assert(conf.found);
	ck_assert_ptr_null(conf.error);
}
END_TEST

START_TEST(empty_values)
{
	parse("service {\nname: corosync_cpg\nempty:\n}\n");
	ck_assert(conf.found);
	assert_option(0, "empty", "");
}
END_TEST

START_TEST(errors)
{
	assert_error("service {\nname: corosync_cpg\nver: 1\n}\n", "ver: 0", 1);
	assert_error("service {\nver:\nname: corosync_cpg\n}\n", "ver: 0", 1);
	assert_error("service {\nname: corosync_cpg\n}\n\nservice {\nname: corosync_cpg\n}\n", "second", 5);
	assert_error("\nservice {\nname: corosync_cpg\nqueue {\nsize: 1\n}\n}\n", "section inside", 2);
	assert_error("service {\nname: corosync_cpg\nver: 1\n}\nservice {\nname: corosync_cpg\n}\n", "ver: 0",
		     1);
}
END_TEST

/* Lines that the executive refuses don't hide a section from us. */
START_TEST(broken_lines)
{
	parse("nonsense\nservice { name: x\nname: corosync_cpg\nmore nonsense\n} # end\n");
	ck_assert(conf.found);
	ck_assert_ptr_null(conf.error);
	parse("service {\nname: corosync_cpg");
	ck_assert(conf.found);
	parse("}\n}\nservice {\nname: corosync_cpg\n}\n}\n");
	ck_assert(conf.found);
}
END_TEST

START_TEST(nul_ends_a_line)
{
	static const char source[] = "totem {\0 rubbish\n}\nservice {\nname: corosync_cpg\0xyz\n}\n";

	parse_bytes(source, sizeof(source) - 1);
	ck_assert(conf.found);
}
END_TEST

static void parse_options(unsigned int count)
{
	char source[LOADER_CONF_OPTIONS_MAX * 16 + 64];
	size_t length = (size_t)snprintf(source, sizeof(source), "service {\nname: corosync_cpg\n");
	unsigned int i;

	for (i = 0; i < count; i++)
		length += (size_t)snprintf(source + length, sizeof(source) - length, "k%u: %u\n", i, i);
	snprintf(source + length, sizeof(source) - length, "}\n");
	parse(source);
}

START_TEST(many_options)
{
	parse_options(LOADER_CONF_OPTIONS_MAX);
	ck_assert_ptr_null(conf.error);
	ck_assert_uint_eq(conf.option_count, LOADER_CONF_OPTIONS_MAX);
	assert_option(LOADER_CONF_OPTIONS_MAX - 1, "k63", "63");
	parse_options(LOADER_CONF_OPTIONS_MAX + 1);
	ck_assert_ptr_nonnull(conf.error);
}
END_TEST

/* No prefix of a file, and no byte in it, leads outside of the buffer. */
START_TEST(cut_and_damaged)
{
	static const char source[] = "a {\nb: 1\n}\nservice {\r\n name: corosync_cpg\n ver: 0\n x: y\n}\n";
	static const char damage[] = "{}:\n\r# \xA0";
	char copy[sizeof(source)];
	size_t size, i, j;

	for (size = 0; size < sizeof(source); size++)
		parse_bytes(source, size);
	for (i = 0; i < sizeof(source) - 1; i++) {
		for (j = 0; j < sizeof(damage); j++) {
			memcpy(copy, source, sizeof(copy));
			copy[i] = damage[j];
			parse_bytes(copy, sizeof(copy) - 1);
		}
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("service section");

	tcase_add_checked_fixture(tcase, NULL, cleanup);
	tcase_add_test(tcase, plain);
	tcase_add_test(tcase, blanks_and_line_ends);
	tcase_add_test(tcase, comments);
	tcase_add_test(tcase, no_comment_behind_a_value);
	tcase_add_test(tcase, other_sections);
	tcase_add_test(tcase, beside_others);
	tcase_add_test(tcase, last_name_counts);
	tcase_add_test(tcase, empty_values);
	tcase_add_test(tcase, errors);
	tcase_add_test(tcase, broken_lines);
	tcase_add_test(tcase, nul_ends_a_line);
	tcase_add_test(tcase, many_options);
	tcase_add_test(tcase, cut_and_damaged);
	return run_case("loader_conf", tcase);
}
