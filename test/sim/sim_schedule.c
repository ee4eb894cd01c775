/* SPDX-License-Identifier: BSD-3-Clause */
/* Random schedules: see sim_schedule.h. */
#include <string.h>

#include "sim_schedule.h"

struct run {
	struct sim_world *world;
	unsigned int steps;
	uint64_t pace;	   /* ns, longest time between steps */
	unsigned int calm; /* percent of steps in which nothing happens to nodes */
};

/* ---- what a seed means ---- */

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

	switch (options->load ? options->load : load) {
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

static void config_choose(struct sim_clock *dice, const struct schedule_options *options,
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
	config->slow = (unsigned int)sim_below(dice, 30);
	config->large = sim_percent(dice, 30) ? 3 : 0;
	config->burst = 6;
	config->backlog = 60000;
	config->fragmented = sim_percent(dice, 50) ? 4 : 0;
	config->fragmented_size = 6000;
	choose_load(dice, options, config);
	at_least(&config->totem, 200000);
	choose_stock(dice, options, config);
	config->rings = sim_percent(dice, 70) ? 70 : 0;
	config->huge = config->rings && config->large && sim_percent(dice, 50) ? 10 : 0;
	if (config->huge) {
		at_least(&config->totem, 900000);
	}
	if (options->inject) { /* a full buffer, or a ring, would hide when a client was told something */
		config->event_room = SIZE_MAX;
		config->rings = 0;
	}
}

/* ---- the schedule ---- */

static struct sim_node *any_node(struct run *run)
{
	return &run->world->nodes[sim_below(&run->world->clock, run->world->config.totem.nodes)];
}

static void connect_some(struct run *run, struct sim_node *node, uint64_t count)
{
	struct sim_clock *clock = &run->world->clock;

	while (node->engine && !node->totem->paused && count-- > 0) {
		/* few process ids, so that they come again and are shared by handles */
		uint32_t pid = (uint32_t)sim_between(clock, 100, 112);
		struct sim_client *client = node_connect(node, pid, sim_percent(clock, 50));

		if (client) {
			client_live(client);
		}
	}
}

static void part(struct run *run)
{
	struct sim_clock *clock = &run->world->clock;
	unsigned int parts = (unsigned int)sim_between(clock, 2, 3), i;

	sim_trace(clock, "network parts");
	for (i = 0; i < run->world->config.totem.nodes; i++) {
		totem_set_label(run->world->nodes[i].totem, (unsigned int)sim_below(clock, parts));
	}
}

static void merge(struct run *run)
{
	unsigned int i;

	sim_trace(&run->world->clock, "network is whole");
	for (i = 0; i < run->world->config.totem.nodes; i++) {
		totem_set_label(run->world->nodes[i].totem, 0);
	}
}

static void storm(struct run *run, struct sim_node *node)
{
	struct sim_clock *clock = &run->world->clock;
	size_t i;

	if (sim_percent(clock, 60)) {
		connect_some(run, node, sim_between(clock, 3, 15));
		return;
	}
	for (i = 0; i < node->client_count; i++) {
		struct sim_client *client = node->clients[i];

		if (client->peer && !client->dead && client != node->watcher && sim_percent(clock, 50)) {
			if (client->joined && !client->leaving && !client->waiting &&
			    sim_percent(clock, 70)) {
				client_leave(client, client->session.group);
			} else {
				node_kill_client(client);
			}
		}
	}
}

static void happen_to_node(struct run *run, struct sim_node *node, uint64_t dice)
{
	if (node->engine == NULL) {
		if (dice < 60) {
			node_boot(node);
			connect_some(run, node, sim_between(&run->world->clock, 0, 4));
		}
	} else if (node->totem->paused) {
		if (dice < 60) {
			node_resume(node);
		}
	} else if (dice < 12) {
		node_crash(node);
	} else if (dice < 32) {
		node_pause(node);
	} else if (dice < 50) {
		storm(run, node);
	} else if (dice < 60) {
		connect_some(run, node, 1);
	} else if (dice < 75) {
		part(run);
	} else if (dice < 97) {
		merge(run);
	} else {
		node_administer(node);
	}
}

static void step(void *context, uint64_t left)
{
	struct run *run = context;
	struct sim_clock *clock = &run->world->clock;

	if (left == 0 || run->world->healing) {
		return;
	}
	if (!sim_percent(clock, run->calm)) {
		struct sim_node *node = any_node(run);

		happen_to_node(run, node, sim_below(clock, 100));
	}
	sim_after(clock, sim_between(clock, 1 * SIM_US, run->pace), step, run, left - 1);
}

/* An engine may keep for ever what these do not read. */
static void end_rogues(const struct sim_node *node)
{
	size_t i;

	for (i = 0; i < node->client_count; i++) {
		struct sim_client *client = node->clients[i];

		if (client->peer && !client->dead && client->rogue && client->segments) {
			node_kill_client(client);
		}
	}
}

static void heal(struct run *run)
{
	struct sim_world *world = run->world;
	unsigned int i;

	sim_trace(&world->clock, "healing");
	merge(run);
	for (i = 0; i < world->config.totem.nodes; i++) {
		struct sim_node *node = &world->nodes[i];

		if (node->engine == NULL) {
			node_boot(node);
		} else if (node->totem->paused) {
			node_resume(node);
		}
		end_rogues(node);
	}
	world->healing = true;
}

static void begin(struct run *run)
{
	struct sim_world *world = run->world;
	unsigned int i;

	for (i = 0; i < world->config.totem.nodes; i++) {
		if (sim_percent(&world->clock, 80)) {
			node_boot(&world->nodes[i]);
			connect_some(run, &world->nodes[i], sim_between(&world->clock, 1, 5));
		}
	}
	sim_after(&world->clock, 1 * SIM_MS, step, run, run->steps);
}

/* Whoever missed the last batch of a node sees that by the next one. */
static void show_losses(struct sim_world *world)
{
	unsigned int i;

	if (world->config.inject == 0) {
		return;
	}
	for (i = 0; i < world->config.totem.nodes; i++) {
		inject_show(&world->nodes[i]);
	}
	world_rest(world);
	for (i = 0; i < world->config.totem.nodes; i++) {
		inject_judge(&world->nodes[i]);
	}
}

/* Totem as it is loses no batch; and without stock nodes nothing else that was accepted. */
static void judge_counts(struct sim_world *world)
{
	struct sim_counts counts = world_counts(world);

	if (counts.gaps && world->config.inject == 0) {
		oracle_fail(world->oracle, ORACLE_LOSS, "engines missed %llu batches",
			    (unsigned long long)counts.gaps);
	}
	if (counts.lost && !world->any_stock) {
		oracle_fail(world->oracle, ORACLE_LOSS, "engines gave up %llu messages",
			    (unsigned long long)counts.lost);
	}
}

void schedule_run(struct sim_world *world, uint64_t seed, const struct schedule_options *options)
{
	struct run run = {.world = world};
	struct sim_world_config config;
	struct sim_clock dice;

	sim_clock_init(&dice, seed);
	config_choose(&dice, options, &config);
	run.steps = options->steps ? options->steps : (unsigned int)sim_between(&dice, 20, 120);
	run.calm = (unsigned int)sim_below(&dice, 70);
	/* some flap: rings change while rings change */
	run.pace = sim_percent(&dice, 30) ? 30 * config.totem.hop : 3 * config.totem.token_timeout;
	sim_clock_free(&dice);
	world_init(world, seed, &config, options->trace);
	begin(&run);
	world_run(world, run.steps * run.pace * 6 / 10);
	heal(&run);
	world_rest(world);
	show_losses(world);
	oracle_finish(world->oracle);
	judge_counts(world);
}
