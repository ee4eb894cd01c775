/* SPDX-License-Identifier: BSD-3-Clause */
/* What schedules contained and what became of them, added up over as many as were run, and shown as a table. */
#ifndef SIM_TOTALS_H
#define SIM_TOTALS_H

#include "sim_schedule.h"

/* Only uint64_t, up to the sites: they are added as an array. */
struct sim_totals {
	uint64_t seeds, failed;
	uint64_t kinds[KINDS], loads[LOADS];
	uint64_t with_stock; /* schedules in which a node spoke stock's format */
	struct sim_stats sim;
	struct totem_stats totem;
	struct oracle_totals oracle;
	struct sim_counts engines;
	struct memory_stats memory;
	uint64_t broken[ORACLE_KINDS], weak[ORACLE_KINDS];
	struct memory_site sites[MEMORY_SITES_MAX]; /* the newest that this process knows */
};

void totals_add(struct sim_totals *totals, const struct sim_world *world, enum schedule_kind kind);
/* What another process did. */
void totals_merge(struct sim_totals *totals, const struct sim_totals *other);
void totals_tell(const struct sim_totals *totals);

#endif
