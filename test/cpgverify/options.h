/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of `cpgverify run`, and the text of --help. */
#ifndef CPGVERIFY_OPTIONS_H
#define CPGVERIFY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct run_options {
	const char *group;
	const char *log;
	const char *stop_file;
	uint32_t processes;
	uint32_t rate;		     /* messages per second and process; 0: as fast as it goes */
	uint32_t size_min, size_max; /* of the payload; size_max 0: as large as stays atomic */
	uint32_t window;	     /* bytes sent and not yet back, per process; 0: no limit */
	uint32_t members;	     /* wait for so many before sending */
	uint32_t wait;		     /* seconds that any waiting may take */
	uint32_t seconds;	     /* 0: not given */
	uint64_t messages;	     /* per process; 0: not given */
	uint64_t seed;
	bool large; /* size_max may be over what stays atomic */
	bool linger;
	bool reconnect;
	bool progress;
};

/* Returns 0; 1 when help was asked for and printed; -1 after a line on stderr. */
int options_parse(int argc, char **argv, struct run_options *options);

/* Prints what the program is and does. */
void options_help(void);

#endif
