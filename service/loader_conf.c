// SPDX-License-Identifier: BSD-3-Clause
/*
 * Reads corosync.conf by the executive's rules: a line is a comment, `name {`, `key: value` or `}`, looked
 * for in this order of the characters { : }, and there are no comments behind anything else. Only sections
 * called "service" on the outermost level count.
 */
#include "service/loader_conf.h"

#include <string.h>

/* The outermost section that is being read. */
struct section {
	unsigned int line;
	const char *name;
	const char *ver;
	bool nested;   /* has a section inside */
	bool too_many; /* more options than there is room for */
	size_t option_count;
	struct service_option options[LOADER_CONF_OPTIONS_MAX];
};

struct parser {
	const char *name; /* of the module */
	struct loader_conf *conf;
	unsigned int line;
	size_t depth;
	bool in_service; /* the outermost section is a service section */
	struct section section;
};

/* 0xA0 is what a no-break space is in Latin-1; the executive takes it for a blank, so do we. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || (unsigned char)c == 0xA0;
}

static char *trim(char *text)
{
	size_t length;

	while (is_blank(*text))
		text++;
	length = strlen(text);
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* Names of sections and keys: blanks, colons and opening braces at their end don't belong to them. */
static char *trim_name(char *text)
{
	size_t length;

	text = trim(text);
	length = strlen(text);
	while (length > 1 &&
	       (is_blank(text[length - 1]) || text[length - 1] == ':' || text[length - 1] == '{'))
		length--;
	text[length] = '\0';
	return text;
}

static void report(struct parser *parser, const char *error)
{
	if (parser->conf->error != NULL)
		return;
	parser->conf->error = error;
	parser->conf->line = parser->section.line;
}

static void section_finish(struct parser *parser)
{
	struct section *section = &parser->section;
	struct loader_conf *conf = parser->conf;

	parser->in_service = false;
	if (section->name == NULL || strcmp(section->name, parser->name) != 0)
		return;
	if (conf->found) {
		report(parser, "a second section for this service: one is enough");
		return;
	}
	conf->found = true;
	conf->line = section->line;
	if (section->ver != NULL && strcmp(section->ver, "0") != 0)
		report(parser, "unknown ver: write ver: 0");
	if (section->nested)
		report(parser, "a section inside the service section: options are key: value lines");
	if (section->too_many)
		report(parser, "more than 64 options");
	memcpy(conf->options, section->options, sizeof(conf->options));
	conf->option_count = section->option_count;
}

static void section_start(struct parser *parser, const char *name)
{
	if (parser->depth == 0) {
		parser->in_service = strcmp(name, "service") == 0;
		memset(&parser->section, 0, sizeof(parser->section));
		parser->section.line = parser->line;
	} else {
		parser->section.nested = true;
	}
	parser->depth++;
}

static void section_end(struct parser *parser)
{
	if (parser->depth == 0)
		return;
	parser->depth--;
	if (parser->depth == 0 && parser->in_service)
		section_finish(parser);
}

/*
 * Of keys that come twice the last one counts, as in the executive's map; the options all go to the module.
 */
static void key_value(struct parser *parser, const char *key, const char *value)
{
	struct section *section = &parser->section;

	if (parser->depth != 1)
		return;
	if (strcmp(key, "name") == 0) {
		section->name = value;
	} else if (strcmp(key, "ver") == 0) {
		section->ver = value;
	} else if (section->option_count == LOADER_CONF_OPTIONS_MAX) {
		section->too_many = true;
	} else {
		section->options[section->option_count].name = key;
		section->options[section->option_count].value = value;
		section->option_count++;
	}
}

static void parse_line(struct parser *parser, char *line)
{
	char *mark;

	line = trim(line);
	if (*line == '\0' || *line == '#')
		return;
	mark = strchr(line, '{');
	if (mark != NULL) {
		*mark = '\0';
		section_start(parser, trim_name(line));
		return;
	}
	mark = strchr(line, ':');
	if (mark != NULL) {
		*mark = '\0';
		key_value(parser, trim_name(line), trim(mark + 1));
		return;
	}
	if (strcmp(line, "}") == 0)
		section_end(parser);
}

void loader_conf_parse(char *text, size_t size, const char *name, struct loader_conf *conf)
{
	struct parser parser = {.name = name, .conf = conf};
	char *end = text + size;
	char *newline;

	memset(conf, 0, sizeof(*conf));
	while (text < end) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (newline == NULL)
			newline = end;
		*newline = '\0';
		if (newline > text && newline[-1] == '\r')
			newline[-1] = '\0';
		parser.line++;
		parse_line(&parser, text);
		text = newline + 1;
	}
	/*
	 * A section that nothing closes: the executive will refuse the file, but not before we say what we
	 * saw.
	 */
	if (parser.in_service)
		section_finish(&parser);
}
