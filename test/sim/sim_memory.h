/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of simulated engines, which are built with test/fault/oom_alloc.h: they get it, or they don't. One for the
 * whole process, as an allocator is: there is one world at a time in which memory runs out.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_world;

/* Only uint64_t: totals are made of it. */
struct memory_stats {
	uint64_t allocations, failures; /* while memory could run out */
	uint64_t answers;		/* CS_ERR_NO_MEMORY */
	uint64_t hurt;			/* times that an engine said it does not know who is a member, */
	uint64_t given_up;		/* and disconnected its clients */
};

/* A place in the engine that allocates. */
struct memory_site {
	uintptr_t at; /* 0: none */
	uint64_t allocations, failures;
};

#define MEMORY_SITES_MAX 128u

/* From here on allocations fail as the world's config says, until it is healed or freed. */
void memory_begin(struct sim_world *world);
void memory_end(const struct sim_world *world);
/* An engine is made meanwhile: it would be none. */
void memory_hold(bool hold);

/* MEMORY_SITES_MAX of them, those of all worlds so far. */
const struct memory_site *memory_sites(void);

#endif
