/* SPDX-License-Identifier: BSD-3-Clause */
/* What corosync is going to make of its command line. */
#ifndef LOADER_ARGS_H
#define LOADER_ARGS_H

#include <stdbool.h>

struct loader_args {
	bool reads_conf;  /* false: it prints its version or its usage and ends */
	const char *conf; /* -c; NULL: the built-in path. Points into argv. */
};

/* `posix`: POSIXLY_CORRECT is set, so options end at the first argument that is none. */
void loader_args_parse(int argc, char *const argv[], bool posix, struct loader_args *args);

#endif
