/* SPDX-License-Identifier: BSD-3-Clause */
/* Many schedules at once: each job is a process that takes one seed after the other. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "sim_totals.h"

#define JOBS_MAX 64u

struct sim_jobs {
	uint64_t first, last; /* seeds */
	unsigned int count;   /* of processes; 0: all in this one, and it dies of what an engine dies of */
	bool until_failure;   /* no seed is begun once one failed */
	bool quiet;	      /* nobody is told how far it is */
	/* Runs one seed, adds to totals, tells a failure in a line of its own. */
	void (*run)(uint64_t seed, const void *context, struct sim_totals *totals);
	/* How one runs it again. */
	void (*tell_again)(uint64_t seed, const void *context);
	const void *context;
};

void jobs_run(const struct sim_jobs *jobs, struct sim_totals *totals);

#endif
