/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of engines: see sim_memory.h. */
#include "sim_memory.h"

#include <stdlib.h>

#include "sim_world.h"
#include "test/fault/oom_functions.h"

#define BURST_MAX 4 /* failures in a row */

static struct {
	struct sim_world *world; /* NULL: there is always enough */
	bool held;
	uint64_t burst; /* failures that come next */
	struct memory_site sites[MEMORY_SITES_MAX];
} memory;

void memory_begin(struct sim_world *world)
{
	if (world->config.memory || world->config.memory_at) {
		memory.world = world;
		memory.held = false;
		memory.burst = 0;
	}
}

void memory_end(const struct sim_world *world)
{
	if (memory.world == world) {
		memory.world = NULL;
	}
}

void memory_hold(bool hold)
{
	memory.held = hold;
}

const struct memory_site *memory_sites(void)
{
	return memory.sites;
}

static struct memory_site *site_of(uintptr_t at)
{
	size_t i = 0;

	while (i < MEMORY_SITES_MAX - 1 && memory.sites[i].at && memory.sites[i].at != at) {
		i++;
	}
	memory.sites[i].at = at;
	return &memory.sites[i];
}

static bool is_due(struct sim_world *world)
{
	uint64_t number = ++world->memory.allocations;

	if (world->config.memory_at) {
		return number == world->config.memory_at;
	}
	if (memory.burst) {
		memory.burst--;
		return true;
	}
	if (sim_below(&world->clock, world->config.memory) != 0) {
		return false;
	}
	memory.burst = sim_below(&world->clock, BURST_MAX);
	return true;
}

bool oom_fails(const void *caller)
{
	struct sim_world *world = memory.world;
	struct memory_site *site;
	bool due;

	if (world == NULL || memory.held || world->healing) {
		return false;
	}
	site = site_of((uintptr_t)caller);
	site->allocations++;
	due = is_due(world);
	if (due) {
		site->failures++;
		world->memory.failures++;
		sim_trace(&world->clock, "memory: none, allocation %llu",
			  (unsigned long long)world->memory.allocations);
	}
	return due;
}
