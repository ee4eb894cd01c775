/* SPDX-License-Identifier: BSD-3-Clause */
/* What schedules contained: see sim_totals.h. */
#include "sim_totals.h"

#include <string.h>

/* ---- adding up ---- */

static void copy_sites(struct sim_totals *totals)
{
	memcpy(totals->sites, memory_sites(), sizeof(totals->sites));
}

static void add_numbers(void *to, const void *from, size_t size)
{
	uint64_t *sum = to;
	const uint64_t *more = from;
	size_t i;

	for (i = 0; i < size / sizeof(*sum); i++) {
		sum[i] += more[i];
	}
}

void totals_add(struct sim_totals *totals, const struct sim_world *world, enum schedule_kind kind)
{
	struct sim_totals one = {.seeds = 1,
				 .failed = oracle_violations(world->oracle) != 0,
				 .with_stock = world->any_stock,
				 .sim = world->stats,
				 .totem = world->totem.stats,
				 .engines = world_counts(world),
				 .memory = world->memory};
	int i;

	one.kinds[kind] = 1;
	one.loads[world->config.load] = 1;
	oracle_totals(world->oracle, &one.oracle);
	for (i = 0; i < ORACLE_KINDS; i++) {
		one.broken[i] = oracle_seen(world->oracle, (enum oracle_kind)i);
		one.weak[i] = oracle_weak(world->oracle, (enum oracle_kind)i);
	}
	add_numbers(totals, &one, offsetof(struct sim_totals, sites));
	copy_sites(totals);
}

static void merge_site(struct sim_totals *totals, const struct memory_site *site)
{
	size_t i = 0;

	while (i < MEMORY_SITES_MAX - 1 && totals->sites[i].at && totals->sites[i].at != site->at) {
		i++;
	}
	totals->sites[i].at = site->at;
	totals->sites[i].allocations += site->allocations;
	totals->sites[i].failures += site->failures;
}

void totals_merge(struct sim_totals *totals, const struct sim_totals *other)
{
	size_t i;

	add_numbers(totals, other, offsetof(struct sim_totals, sites));
	for (i = 0; i < MEMORY_SITES_MAX && other->sites[i].at; i++) {
		merge_site(totals, &other->sites[i]);
	}
}

/* ---- the table ---- */

#define OF(field) offsetof(struct sim_totals, field)

/* A row begins where it has a name. */
static const struct {
	const char *row, *what;
	size_t offset;
} cells[] = {
	{"schedules", "storms", OF(kinds[KIND_STORM])},
	{NULL, "with a model of stock's engine", OF(kinds[KIND_MODELS])},
	{NULL, "with it on the same nodes always", OF(kinds[KIND_STOCK])},
	{NULL, "that lose batches", OF(kinds[KIND_LOSSES])},
	{NULL, "without memory at times", OF(kinds[KIND_MEMORY])},
	{"load", "by the way", OF(loads[LOAD_BY_SEED])},
	{NULL, "floods", OF(loads[LOAD_FLOOD])},
	{NULL, "on a slow totem", OF(loads[LOAD_SLOW])},
	{NULL, "of large messages", OF(loads[LOAD_LARGE])},
	{"nodes", "starts", OF(sim.boots)},
	{NULL, "with stock's format", OF(sim.boots_with_stock_format)},
	{NULL, "with stock's engine", OF(sim.boots_with_stock_engine)},
	{NULL, "crashes", OF(sim.crashes)},
	{NULL, "pauses", OF(sim.pauses)},
	{NULL, "with something of cfg's to say", OF(sim.administered)},
	{"network", "partitions by 2", OF(sim.parts[2])},
	{NULL, "by 3", OF(sim.parts[3])},
	{NULL, "by 4", OF(sim.parts[4])},
	{NULL, "by 5", OF(sim.parts[5])},
	{NULL, "merges", OF(sim.merges)},
	{NULL, "in the middle of sync, by plan, also of crashes and pauses", OF(sim.strikes)},
	{"rings", "formed", OF(totem.rings)},
	{NULL, "recoveries given up", OF(totem.aborted_recoveries)},
	{NULL, "syncs aborted", OF(totem.aborted_syncs)},
	{NULL, "in the turn of our service", OF(totem.aborted_ours)},
	{NULL, "configurations on top of one not activated", OF(sim.nested)},
	{NULL, "of two and more", OF(sim.nested_twice)},
	{NULL, "activations in the next recovery", OF(totem.late_activations)},
	{"totem", "messages", OF(totem.messages)},
	{NULL, "behind gaps", OF(totem.behind_gap)},
	{NULL, "packets dropped for want of their chain", OF(totem.chain_drops)},
	{NULL, "multicasts refused, queue full", OF(totem.full)},
	{NULL, "by the dice", OF(sim.refused_sends)},
	{NULL, "batches lost", OF(sim.injected)},
	{NULL, "in recoveries", OF(sim.injected_in_recovery)},
	{NULL, "with the end of another", OF(sim.injected_glued)},
	{NULL, "noticed", OF(engines.gaps)},
	{NULL, "messages given up", OF(engines.lost)},
	{"clients", "joins", OF(sim.joins)},
	{NULL, "leaves", OF(sim.leaves)},
	{NULL, "deaths", OF(sim.deaths)},
	{NULL, "with something unread", OF(sim.deaths_with_unread)},
	{NULL, "slow", OF(sim.slow)},
	{NULL, "stuck for a while", OF(sim.stuck)},
	{NULL, "evicted", OF(sim.evictions)},
	{NULL, "requests of garbage", OF(sim.rogue_requests)},
	{NULL, "scribbles", OF(sim.scribbles)},
	{"traffic", "sent", OF(sim.accepted)},
	{NULL, "in fragments", OF(sim.fragmented)},
	{NULL, "through rings", OF(sim.ring_messages)},
	{NULL, "in blocks", OF(sim.ring_blocks)},
	{NULL, "heard from rings", OF(sim.ring_heard)},
	{NULL, "rings moved", OF(sim.ring_moves)},
	{"no room", "in a submission ring", OF(sim.ring_refusals)},
	{NULL, "in a delivery ring", OF(sim.ring_waits)},
	{NULL, "in a connection", OF(sim.full_connections)},
	{"memory", "allocations", OF(memory.allocations)},
	{NULL, "failed", OF(memory.failures)},
	{NULL, "requests refused for it", OF(memory.answers)},
	{NULL, "times who is a member", OF(memory.hurt)},
	{NULL, "of these no way back", OF(memory.given_up)},
	{"judged", "sessions", OF(oracle.sessions)},
	{NULL, "messages heard", OF(oracle.messages)},
	{NULL, "views", OF(oracle.views)},
	{NULL, "histories compared", OF(oracle.compared)},
};

static uint64_t number_at(const struct sim_totals *totals, size_t offset)
{
	return *(const uint64_t *)((const char *)totals + offset);
}

static void tell_cells(const struct sim_totals *totals)
{
	size_t i;

	for (i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		if (cells[i].row) {
			printf("%s%-11s", i ? "\n" : "", cells[i].row);
		} else {
			fputs(", ", stdout);
		}
		printf("%llu %s", (unsigned long long)number_at(totals, cells[i].offset), cells[i].what);
	}
	putchar('\n');
}

static void tell_sites(const struct sim_totals *totals)
{
	size_t count = 0, failed = 0, i;

	for (i = 0; i < MEMORY_SITES_MAX && totals->sites[i].at; i++) {
		count++;
		failed += totals->sites[i].failures != 0;
	}
	if (count) {
		printf("%-11s%zu of %zu places in the engine that allocate got nothing at least once\n", "",
		       failed, count);
	}
}

static void tell_kinds(const char *row, const char *none, const uint64_t *numbers)
{
	bool any = false;
	int kind;

	fputs(row, stdout);
	for (kind = 0; kind < ORACLE_KINDS; kind++) {
		if (numbers[kind]) {
			printf("%s%llu %s", any ? ", " : "", (unsigned long long)numbers[kind],
			       oracle_kind_name((enum oracle_kind)kind));
			any = true;
		}
	}
	puts(any ? "" : none);
}

void totals_tell(const struct sim_totals *totals)
{
	tell_cells(totals);
	tell_sites(totals);
	printf("%-11s%llu schedules with stock's format; ", "stock", (unsigned long long)totals->with_stock);
	tell_kinds("not promised there: ", "nothing", totals->weak);
	tell_kinds("violations ", "none", totals->broken);
	printf("%llu seeds, %llu failed\n", (unsigned long long)totals->seeds,
	       (unsigned long long)totals->failed);
}
