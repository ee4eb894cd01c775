/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds a module's service section in the text of a corosync.conf. */
#ifndef LOADER_CONF_H
#define LOADER_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "include/loader_abi.h"

#define LOADER_CONF_OPTIONS_MAX 64u

struct loader_conf {
	bool found;
	unsigned int line; /* where the section starts, or where the error is; from 1 */
	const char *error; /* NULL: the section is sound as far as the loader knows */
	struct service_option options[LOADER_CONF_OPTIONS_MAX]; /* all but name and ver, in order */
	size_t option_count;
};

/*
 * `text`: `size` bytes and a NUL behind them. It is cut into strings in place; conf->options points into it.
 * Lines that the executive itself refuses are passed over: it says so on its own, and in better words.
 */
void loader_conf_parse(char *text, size_t size, const char *name, struct loader_conf *conf);

#endif
