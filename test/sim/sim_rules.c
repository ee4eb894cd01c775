/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether virtual synchrony needs each of the engine's rules (service/engine_rules.h), and whether the simulator is
 * unkind enough to show it: an engine without one of them must break the contract in some schedule, in which an engine
 * with all of them does not. What it breaks first may be anything.
 */
#include <stdlib.h>

#include "service/engine_rules.h"
#include "sim_schedule.h"

#define SEEDS 200 /* schedules that a rule may hide in */
#define WHAT_MAX 500

struct rule {
	const char *name;
	enum schedule_load load; /* that shows it sooner than others */
	bool losses;		 /* of batches: totem itself loses none, and only then it is needed */
};

static const struct rule rules[RULE_COUNT] = {
	[RULE_DROP_OLD_RING] = {.name = "drop old ring"},
	[RULE_DROP_STOCK] = {.name = "drop stock", .load = LOAD_SLOW},
	[RULE_SEND_AGAIN] = {.name = "send again"},
	[RULE_IN_ORDER] = {.name = "in order"},
	[RULE_SETTLE] = {.name = "settle"},
	[RULE_CLOSE_GATE] = {.name = "close gate"},
	[RULE_JOINLIST_ORDERED] = {.name = "joinlist ordered"},
	[RULE_ACCUMULATE_LEFT] = {.name = "accumulate left"},
	[RULE_RESTART_LARGE] = {.name = "restart large", .load = LOAD_LARGE},
	[RULE_KEEP_LARGE] = {.name = "keep large", .load = LOAD_LARGE},
	[RULE_WINDOW] = {.name = "window", .load = LOAD_FLOOD},
	[RULE_NUMBERS] = {.name = "numbers", .losses = true},
	[RULE_COME_BACK] = {.name = "come back", .losses = true},
};

/* True: it breaks the contract; in `what`, how. */
static bool breaks(const struct rule *rule, uint64_t seed, uint32_t rules_off, char what[WHAT_MAX])
{
	struct schedule_options options = {
		.load = rule->load, .inject = rule->losses, .rules_off = rules_off, .until_violation = true};
	struct sim_world world;
	bool broken;

	schedule_run(&world, seed, &options);
	broken = oracle_violations(world.oracle) > 0;
	snprintf(what, WHAT_MAX, "%s", broken ? oracle_first(world.oracle) : "");
	world_free(&world);
	return broken;
}

static bool is_needed(const struct rule *rule, uint32_t bit)
{
	char what[WHAT_MAX], with[WHAT_MAX];
	uint64_t seed = 1;

	while (seed <= SEEDS && !breaks(rule, seed, bit, what)) {
		seed++;
	}
	if (seed > SEEDS) {
		printf("%-17s    -  FAILED: nothing in %d schedules\n", rule->name, SEEDS);
		return false;
	}
	printf("%-17s %4llu  %s\n", rule->name, (unsigned long long)seed, what);
	if (breaks(rule, seed, 0, with)) {
		printf("%-17s %4llu  FAILED: with it, %s\n", rule->name, (unsigned long long)seed, with);
		return false;
	}
	return true;
}

int main(void)
{
	bool good = true;
	int rule;

	printf("%-17s seed  what is broken first without it\n", "rule");
	for (rule = 0; rule < RULE_COUNT; rule++) {
		good &= is_needed(&rules[rule], 1u << rule);
		fflush(stdout);
	}
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
