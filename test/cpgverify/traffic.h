/* SPDX-License-Identifier: BSD-3-Clause */
/* One process of `cpgverify run`: one connection, one session in the log. */
#ifndef CPGVERIFY_TRAFFIC_H
#define CPGVERIFY_TRAFFIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "options.h"

/* What a process tells its parent while it runs; sums over the sessions of a process that came back. */
struct progress {
	_Atomic uint64_t sent, delivered, corrupt, views, retries, errors;
};

/* In memory shared between the parent and its processes. */
struct shared {
	atomic_int stop; /* stop sending and leave */
	int64_t end;	 /* of sending, on traffic_now()'s clock; 0: after --messages */
	struct progress processes[];
};

/* Exit codes of a process. */
enum traffic_exit { TRAFFIC_OK, TRAFFIC_ERROR, TRAFFIC_USAGE, TRAFFIC_DEAD };

/* Nanoseconds on a clock that only goes on. */
int64_t traffic_now(void);

/* Joins, sends, receives, leaves. log is an existing log file. */
enum traffic_exit traffic_run(const struct run_options *options, const char *log, struct shared *shared,
			      uint32_t number);

#endif
