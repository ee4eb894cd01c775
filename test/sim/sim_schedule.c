/* SPDX-License-Identifier: BSD-3-Clause */
/* Random schedules: see sim_schedule.h. */
#include <string.h>

#include "sim_schedule.h"

struct run {
	struct sim_world *world;
	unsigned int steps;
	uint64_t pace;	     /* ns, longest time between steps */
	unsigned int calm;   /* percent of steps in which nothing happens to nodes */
	unsigned int strike; /* percent of changes that are hit by the next in the middle of sync */
};

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
	unsigned int parts = (unsigned int)sim_between(clock, 2, SIM_PARTS_MAX), i;

	sim_trace(clock, "network parts, by %u", parts);
	run->world->stats.parts[parts]++;
	for (i = 0; i < run->world->config.totem.nodes; i++) {
		totem_set_label(run->world->nodes[i].totem, (unsigned int)sim_below(clock, parts));
	}
}

static void merge(struct run *run)
{
	unsigned int i;

	sim_trace(&run->world->clock, "network is whole");
	run->world->stats.merges++;
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

/* ---- a change in the middle of the sync of another one ---- */

#define STRIKE_LOOKS 300

static struct sim_node *node_in_sync(const struct run *run)
{
	unsigned int count = run->world->config.totem.nodes, i;
	unsigned int first = (unsigned int)sim_below(&run->world->clock, count);

	for (i = 0; i < count; i++) {
		struct sim_node *node = &run->world->nodes[(first + i) % count];

		if (node->engine && !node->totem->paused && executive_is_in_our_sync(node->totem)) {
			return node;
		}
	}
	return NULL;
}

static void strike(struct run *run, struct sim_node *node)
{
	run->world->stats.strikes++;
	switch (sim_below(&run->world->clock, 4)) {
	case 0:
		node_crash(node);
		break;
	case 1:
		node_pause(node);
		break;
	case 2:
		part(run);
		break;
	default:
		storm(run, node);
		merge(run);
		break;
	}
}

static void strike_due(void *context, uint64_t looks)
{
	struct run *run = context;
	struct sim_world *world = run->world;
	struct sim_node *node = node_in_sync(run);

	if (world->healing || looks == 0) {
		return;
	}
	if (node && sim_percent(&world->clock, 30)) {
		strike(run, node);
	} else {
		sim_after(&world->clock, sim_between(&world->clock, 1, 2 * world->config.totem.hop),
			  strike_due, run, looks - 1);
	}
}

static void strike_sometimes(struct run *run)
{
	if (sim_percent(&run->world->clock, run->strike)) {
		sim_after(&run->world->clock, 1, strike_due, run, STRIKE_LOOKS);
	}
}

/* ---- what happens ---- */

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
		strike_sometimes(run);
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

	for (i = 0; i < world->config.totem.nodes && world->config.inject; i++) {
		inject_show(&world->nodes[i]);
	}
	world_rest(world);
	for (i = 0; i < world->config.totem.nodes; i++) {
		inject_judge(&world->nodes[i]);
	}
}

/* The simulated totem itself loses no batch; and without stock nodes nothing else that was accepted. */
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
	schedule_config(&dice, options, &config);
	run.strike = sim_percent(&dice, 40) ? (unsigned int)sim_between(&dice, 10, 70) : 0;
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
