/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seed means: see sim_schedule.h. */
#include <string.h>

#include "sim_schedule.h"

#define KIND_DICE 0x6b696e64u /* so that a seed's kind says nothing of what else it says */

void schedule_choose(uint64_t seed, struct schedule_options *options)
{
	static const enum schedule_kind kinds[20] = {KIND_MODELS, KIND_MODELS, KIND_MODELS, KIND_STOCK,
						     KIND_LOSSES, KIND_LOSSES, KIND_LOSSES, KIND_MEMORY,
						     KIND_MEMORY, KIND_MEMORY, KIND_MEMORY};
	struct sim_clock dice;

	sim_clock_init(&dice, seed ^ KIND_DICE);
	options->kind = kinds[sim_below(&dice, 20)];
	switch (options->kind) {
	case KIND_MODELS:
		options->models = true;
		break;
	case KIND_STOCK:
		options->stock = (unsigned int)sim_between(&dice, 1, 3);
		break;
	case KIND_LOSSES:
		options->inject = true;
		break;
	case KIND_MEMORY:
		options->memory = true;
		break;
	default:
		break;
	}
	sim_clock_free(&dice);
}

/* Which nodes speak stock's wire format: half of the seeds know none, in the others one does, or several at times. */
static void choose_stock(struct sim_clock *dice, const struct schedule_options *options,
			 struct sim_world_config *config)
{
	uint64_t kind = sim_below(dice, 8);

	if (kind < 2) {
		config->stock_nodes = 1;
		config->stock_boots = (unsigned int)sim_between(dice, 50, 100);
	} else if (kind < 4) {
		config->stock_nodes = config->totem.nodes;
		config->stock_boots = (unsigned int)sim_between(dice, 10, 60);
	}
	config->stock_engines = options->models ? (unsigned int)sim_between(dice, 30, 100) : 0;
	if (options->stock) {
		config->stock_nodes = options->stock;
		config->stock_boots = config->stock_engines = 100;
	}
	if (options->inject) {
		config->stock_nodes = 0; /* nothing is numbered in their rings */
		config->inject = 20;
	}
	config->strict = options->strict;
	config->until_violation = options->until_violation;
}

/* Ring changes are hardest when much is on its way. */
static void choose_load(struct sim_clock *dice, const struct schedule_options *options,
			struct sim_world_config *config)
{
	static const enum schedule_load loads[20] = {LOAD_FLOOD, LOAD_FLOOD, LOAD_FLOOD, LOAD_SLOW, LOAD_SLOW,
						     LOAD_SLOW,	 LOAD_SLOW,  LOAD_LARGE, LOAD_LARGE};
	enum schedule_load load = loads[sim_below(dice, 20)];

	config->load = options->load ? options->load : load;
	switch (config->load) {
	case LOAD_FLOOD:
		config->totem.window = (unsigned int)sim_between(dice, 1, 3);
		config->totem.packet_size = sim_between(dice, 1000, 3000); /* that it ends some day */
		config->burst = 30;
		config->large = 20;
		config->backlog = 400000;
		break;
	case LOAD_SLOW:
		config->totem.window = (unsigned int)sim_between(dice, 1, 2);
		config->totem.packet_size = sim_between(dice, 200, 600);
		config->burst = 12;
		break;
	case LOAD_LARGE:
		config->fragmented = 20;
		config->fragmented_size = 60000;
		break;
	default:
		break;
	}
}

/* One draw for each statement, here and elsewhere: a seed means the same whatever the compiler. */
static void choose_totem(struct sim_clock *dice, const struct schedule_options *options,
			 struct sim_totem_config *totem)
{
	static const unsigned int sizes[] = {1, 2, 3, 3, 4, 5, 5, 7, 9, 12};

	totem->nodes = sizes[sim_below(dice, 10)];
	if (options->nodes) {
		totem->nodes = options->nodes;
	}
	totem->packet_size = sim_between(dice, 200, 3000);
	totem->queue_packets = sim_between(dice, 40, 400);
	totem->window = (unsigned int)sim_between(dice, 1, 30);
	if (sim_percent(dice, 70)) {
		totem->loss = (unsigned int)sim_below(dice, sim_percent(dice, 30) ? 70 : 15);
	}
	totem->hop = sim_between(dice, 20 * SIM_US, 300 * SIM_US);
	totem->token_timeout = sim_between(dice, 5 * SIM_MS, 60 * SIM_MS);
	totem->quick_reform = (unsigned int)sim_between(dice, 5, 80);
	if (sim_percent(dice, 50)) {
		totem->partial_merge = (unsigned int)sim_below(dice, 40);
	}
}

static void choose_limits(struct sim_clock *dice, struct engine_config *engine)
{
	engine->client_queue = sim_between(dice, 100000, 4000000);
	engine->client_stall = sim_between(dice, 200 * SIM_MS, 2 * SIM_S);
	engine->queue_total = sim_between(dice, 1000000, 20000000);
	engine->message_max = sim_percent(dice, 20) ? sim_between(dice, 1000, 6000) : 1000000;
}

/* One large message must fit the queue: nothing that an engine accepts may be too large for ever. */
static void at_least(struct sim_totem_config *totem, size_t bytes)
{
	if (totem->queue_packets * totem->packet_size < bytes) {
		totem->queue_packets = bytes / totem->packet_size;
	}
}

/* Engines that leave and come back again and again: which time was meant by what comes late? */
#define MEMORY_SELDOM 1000u

/* One allocation of twenty, or of some thousands. */
static void choose_memory(struct sim_clock *dice, const struct schedule_options *options,
			  struct sim_world_config *config)
{
	config->memory_at = options->memory_at;
	if (options->memory) {
		config->memory = 20ull << sim_below(dice, 9);
	}
}

void schedule_config(struct sim_clock *dice, const struct schedule_options *options,
		     struct sim_world_config *config)
{
	memset(config, 0, sizeof(*config));
	choose_totem(dice, options, &config->totem);
	choose_limits(dice, &config->engine);
#ifdef ENGINE_RULES
	config->engine.rules_off = options->rules_off;
#endif
	config->groups = (unsigned int)sim_between(dice, 1, 8);
	config->event_room = sim_percent(dice, 50) ? IPC_BUFFER_SIZE : sim_between(dice, 2000, 30000);
	config->slip = sim_percent(dice, 50) ? 10 : 0;
	config->rogues = sim_percent(dice, 40) ? (unsigned int)sim_between(dice, 5, 20) : 0;
	config->refused = sim_percent(dice, 30) ? (unsigned int)sim_between(dice, 1, 40) : 0;
	config->slow = (unsigned int)sim_below(dice, 30);
	config->large = sim_percent(dice, 30) ? 3 : 0;
	config->burst = 6;
	config->backlog = 60000;
	config->fragmented = sim_percent(dice, 50) ? 4 : 0;
	config->fragmented_size = 6000;
	choose_load(dice, options, config);
	at_least(&config->totem, 200000);
	choose_stock(dice, options, config);
	choose_memory(dice, options, config);
	config->rings = sim_percent(dice, 70) ? 70 : 0;
	config->huge = config->rings && config->large && sim_percent(dice, 50) ? 10 : 0;
	if (config->huge) {
		at_least(&config->totem, 900000);
	}
	if (options->inject ||
	    (config->memory &&
	     config->memory <
		     MEMORY_SELDOM)) { /* a full buffer, or a ring, would hide when a client was told something */
		config->event_room = SIZE_MAX;
		config->rings = 0;
	}
}
