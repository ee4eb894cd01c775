/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random schedules: nodes crash, restart, pause, part and meet again while their clients join, leave, send, stall
 * and die. At the end everything is healed, has to come to rest, and the oracle judges.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim_world.h"

#define REST_MAX (120 * SIM_S) /* virtual time that a healed cluster may take to come to rest */
#define EVENTS_MAX 50000000ull

struct options {
	uint64_t first, last;
	unsigned int nodes, steps; /* 0: by chance */
	bool trace, quiet;
};

struct run {
	struct sim_world world;
	unsigned int steps;
	uint64_t pace;	   /* ns, longest time between steps */
	unsigned int calm; /* percent of steps in which nothing happens to nodes */
	uint64_t events;
};

/* ---- what a seed means ---- */

/* Which nodes speak stock's wire format: half of the seeds know none, in the others one does, or several at times. */
static void choose_stock(struct sim_clock *dice, struct sim_world_config *config)
{
	uint64_t kind = sim_below(dice, 8);

	if (kind < 2) {
		config->stock_nodes = 1;
		config->stock_boots = (unsigned int)sim_between(dice, 50, 100);
	} else if (kind < 4) {
		config->stock_nodes = config->totem.nodes;
		config->stock_boots = (unsigned int)sim_between(dice, 10, 60);
	}
}

static void config_choose(struct sim_clock *dice, const struct options *options,
			  struct sim_world_config *config)
{
	static const unsigned int sizes[] = {1, 2, 3, 3, 4, 5, 5, 7, 9, 12};

	memset(config, 0, sizeof(*config));
	config->totem = (struct sim_totem_config){
		.nodes = options->nodes ? options->nodes : sizes[sim_below(dice, 10)],
		.packet_size = sim_between(dice, 200, 3000),
		.queue_packets = sim_between(dice, 40, 400),
		.window = (unsigned int)sim_between(dice, 1, 30),
		.loss = sim_percent(dice, 70) ? (unsigned int)sim_below(dice, sim_percent(dice, 30) ? 70 : 15)
					      : 0,
		.hop = sim_between(dice, 20 * SIM_US, 300 * SIM_US),
		.token_timeout = sim_between(dice, 5 * SIM_MS, 60 * SIM_MS),
		.quick_reform = (unsigned int)sim_between(dice, 5, 80),
		.partial_merge = sim_percent(dice, 50) ? (unsigned int)sim_below(dice, 40) : 0,
	};
	/* One large message must fit the queue: nothing that an engine accepts may be too large for ever. */
	if (config->totem.queue_packets * config->totem.packet_size < 200000) {
		config->totem.queue_packets = 200000 / config->totem.packet_size;
	}
	config->engine = (struct engine_config){
		.client_queue = sim_between(dice, 100000, 4000000),
		.client_stall = sim_between(dice, 200 * SIM_MS, 2 * SIM_S),
		.queue_total = sim_between(dice, 1000000, 20000000),
		.message_max = sim_percent(dice, 20) ? sim_between(dice, 1000, 6000) : 1000000,
	};
	config->groups = (unsigned int)sim_between(dice, 1, 8);
	config->event_room = sim_percent(dice, 50) ? IPC_BUFFER_SIZE : sim_between(dice, 2000, 30000);
	config->slip = sim_percent(dice, 50) ? 10 : 0;
	config->rogues = sim_percent(dice, 40) ? 5 : 0;
	config->slow = (unsigned int)sim_below(dice, 30);
	config->large = sim_percent(dice, 30) ? 3 : 0;
	config->burst = 6;
	if (sim_percent(dice, 15)) { /* a flood: totem's queue runs full */
		config->burst = 30;
		config->large = 20;
	}
	config->fragmented = sim_percent(dice, 50) ? 4 : 0;
	choose_stock(dice, config);
}

/* ---- the schedule ---- */

static struct sim_node *any_node(struct run *run)
{
	return &run->world.nodes[sim_below(&run->world.clock, run->world.config.totem.nodes)];
}

static void connect_some(struct run *run, struct sim_node *node, uint64_t count)
{
	struct sim_clock *clock = &run->world.clock;

	while (node->engine && !node->totem->paused && count-- > 0) {
		/* few process ids, so that they come again and are shared by handles */
		struct sim_client *client =
			node_connect(node, (uint32_t)sim_between(clock, 100, 112), sim_percent(clock, 50));

		if (client) {
			client_live(client);
		}
	}
}

static void part(struct run *run)
{
	struct sim_clock *clock = &run->world.clock;
	unsigned int parts = (unsigned int)sim_between(clock, 2, 3), i;

	sim_trace(clock, "network parts");
	for (i = 0; i < run->world.config.totem.nodes; i++) {
		totem_set_label(run->world.nodes[i].totem, (unsigned int)sim_below(clock, parts));
	}
}

static void merge(struct run *run)
{
	unsigned int i;

	sim_trace(&run->world.clock, "network is whole");
	for (i = 0; i < run->world.config.totem.nodes; i++) {
		totem_set_label(run->world.nodes[i].totem, 0);
	}
}

static void storm(struct run *run, struct sim_node *node)
{
	struct sim_clock *clock = &run->world.clock;
	size_t i;

	if (sim_percent(clock, 60)) {
		connect_some(run, node, sim_between(clock, 3, 15));
		return;
	}
	for (i = 0; i < node->client_count; i++) {
		struct sim_client *client = node->clients[i];

		if (client->peer && !client->dead && sim_percent(clock, 50)) {
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
			connect_some(run, node, sim_between(&run->world.clock, 0, 4));
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
	} else {
		merge(run);
	}
}

static void step(void *context, uint64_t left)
{
	struct run *run = context;
	struct sim_clock *clock = &run->world.clock;

	if (left == 0 || run->world.healing) {
		return;
	}
	if (!sim_percent(clock, run->calm)) {
		happen_to_node(run, any_node(run), sim_below(clock, 100));
	}
	sim_after(clock, sim_between(clock, 1 * SIM_US, run->pace), step, run, left - 1);
}

static void heal(struct run *run)
{
	struct sim_world *world = &run->world;
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
	}
	world->healing = true;
}

static bool run_until(struct run *run, uint64_t until)
{
	while (run->world.clock.now < until && sim_step(&run->world.clock)) {
		if (++run->events > EVENTS_MAX) {
			oracle_fail(run->world.oracle, ORACLE_LIVENESS, "%llu events, and no end",
				    (unsigned long long)run->events);
			return false;
		}
	}
	return true;
}

static void come_to_rest(struct run *run)
{
	struct sim_world *world = &run->world;
	uint64_t deadline = world->clock.now + REST_MAX;

	do {
		if (!run_until(run, world->clock.now + 100 * SIM_MS)) {
			return;
		}
		/* an idle cluster has no events left: then time stands still */
		if (world->clock.count == 0) {
			break;
		}
	} while (world->clock.now < deadline && !(totem_is_whole(&world->totem) && world_is_quiet(world)));
	world_dump(world);
	if (!totem_is_whole(&world->totem)) {
		oracle_fail(world->oracle, ORACLE_LIVENESS, "the ring never became whole, or its sync hangs");
	} else if (!world_is_quiet(world)) {
		oracle_fail(world->oracle, ORACLE_LIVENESS, "an engine or a client never comes to rest");
	}
}

static void begin(struct run *run)
{
	struct sim_world *world = &run->world;
	unsigned int i;

	for (i = 0; i < world->config.totem.nodes; i++) {
		if (sim_percent(&world->clock, 80)) {
			node_boot(&world->nodes[i]);
			connect_some(run, &world->nodes[i], sim_between(&world->clock, 1, 5));
		}
	}
	sim_after(&world->clock, 1 * SIM_MS, step, run, run->steps);
}

/* ---- running and telling ---- */

struct totals {
	struct oracle_totals oracle;
	uint64_t rings, behind_gap, late, aborted, evictions, accepted, seeds, chain_drops;
	struct sim_counts counts;
	uint64_t mixed_seeds, mixed_loss, mixed_agreement, mixed_self;
};

static void totals_add(struct totals *totals, const struct sim_world *world)
{
	struct sim_counts counts = world_counts(world);
	struct oracle_totals oracle;

	oracle_totals(world->oracle, &oracle);
	totals->oracle.sessions += oracle.sessions;
	totals->oracle.views += oracle.views;
	totals->oracle.messages += oracle.messages;
	totals->oracle.compared += oracle.compared;
	totals->rings += world->totem.stats.rings;
	totals->behind_gap += world->totem.stats.behind_gap;
	totals->late += world->totem.stats.late_activations;
	totals->aborted += world->totem.stats.aborted_syncs;
	totals->chain_drops += world->totem.stats.chain_drops;
	totals->evictions += world->stats.evictions;
	totals->accepted += world->stats.accepted;
	totals->counts.gaps += counts.gaps;
	totals->counts.lost += counts.lost;
	totals->mixed_seeds += world->any_stock;
	totals->mixed_loss += oracle_weak(world->oracle, ORACLE_LOSS);
	totals->mixed_agreement += oracle_weak(world->oracle, ORACLE_AGREEMENT);
	totals->mixed_self += oracle_weak(world->oracle, ORACLE_SELF_DELIVERY);
	totals->seeds++;
}

/* Totem as it is loses no batch; and without stock nodes nothing else that was accepted. */
static void judge_counts(struct sim_world *world)
{
	struct sim_counts counts = world_counts(world);

	if (counts.gaps) {
		oracle_fail(world->oracle, ORACLE_LOSS, "engines missed %llu batches",
			    (unsigned long long)counts.gaps);
	}
	if (counts.lost && !world->any_stock) {
		oracle_fail(world->oracle, ORACLE_LOSS, "engines gave up %llu messages",
			    (unsigned long long)counts.lost);
	}
}

/* True: no violation. */
static bool run_seed(uint64_t seed, const struct options *options, struct totals *totals)
{
	struct sim_world_config config;
	struct sim_clock dice;
	struct run run = {0};
	bool good;

	sim_clock_init(&dice, seed);
	config_choose(&dice, options, &config);
	run.steps = options->steps ? options->steps : (unsigned int)sim_between(&dice, 20, 120);
	run.calm = (unsigned int)sim_below(&dice, 70);
	/* some flap: rings change while rings change */
	run.pace = sim_percent(&dice, 30) ? 30 * config.totem.hop : 3 * config.totem.token_timeout;
	sim_clock_free(&dice);
	world_init(&run.world, seed, &config, options->trace ? stdout : NULL);
	begin(&run);
	run_until(&run, run.steps * run.pace * 6 / 10);
	heal(&run);
	come_to_rest(&run);
	oracle_finish(run.world.oracle);
	judge_counts(&run.world);
	good = oracle_violations(run.world.oracle) == 0;
	if (!good) {
		printf("seed %llu: %llu violations, first: %s\n", (unsigned long long)seed,
		       (unsigned long long)oracle_violations(run.world.oracle),
		       oracle_first(run.world.oracle));
	}
	totals_add(totals, &run.world);
	world_free(&run.world);
	return good;
}

static void tell(const struct totals *totals, uint64_t failed)
{
	printf("%llu seeds, %llu failed: %llu rings (%llu syncs aborted, %llu late activations, %llu "
	       "messages behind gaps), "
	       "%llu sessions, %llu sent, %llu heard, %llu views, %llu histories compared, %llu evictions, "
	       "%llu chain drops, %llu gaps; in %llu seeds with stock nodes %llu losses, %llu "
	       "disagreements, %llu own messages missing, %llu given up\n",
	       (unsigned long long)totals->seeds, (unsigned long long)failed,
	       (unsigned long long)totals->rings, (unsigned long long)totals->aborted,
	       (unsigned long long)totals->late, (unsigned long long)totals->behind_gap,
	       (unsigned long long)totals->oracle.sessions, (unsigned long long)totals->accepted,
	       (unsigned long long)totals->oracle.messages, (unsigned long long)totals->oracle.views,
	       (unsigned long long)totals->oracle.compared, (unsigned long long)totals->evictions,
	       (unsigned long long)totals->chain_drops, (unsigned long long)totals->counts.gaps,
	       (unsigned long long)totals->mixed_seeds, (unsigned long long)totals->mixed_loss,
	       (unsigned long long)totals->mixed_agreement, (unsigned long long)totals->mixed_self,
	       (unsigned long long)totals->counts.lost);
}

static int run_seeds(const struct options *options)
{
	struct totals totals = {0};
	uint64_t failed = 0, seed;
	time_t told = time(NULL);

	for (seed = options->first; seed <= options->last; seed++) {
		failed += !run_seed(seed, options, &totals);
		if (!options->quiet && time(NULL) - told >= 5) {
			told = time(NULL);
			tell(&totals, failed);
			fflush(stdout);
		}
	}
	tell(&totals, failed);
	return failed ? 1 : 0;
}

static void usage(FILE *out)
{
	fputs("usage: sim_run [--seeds A-B] [--nodes N] [--steps N] [--replay SEED] [--trace] [--quiet]\n"
	      "  --seeds A-B    run these schedules (default 1-100)\n"
	      "  --nodes N      nodes in each (default: the seed says)\n"
	      "  --steps N      things that happen in each (default: the seed says)\n"
	      "  --replay SEED  run this one\n"
	      "  --trace        tell what happens, step by step\n"
	      "  --quiet        no progress\n",
	      out);
}

static bool parse_seeds(const char *text, struct options *options)
{
	char *end;

	errno = 0;
	options->first = options->last = strtoull(text, &end, 10);
	if (*end == '-') {
		options->last = strtoull(end + 1, &end, 10);
	}
	return errno == 0 && *end == '\0' && end != text && options->first <= options->last;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"seeds", required_argument, NULL, 's'}, {"replay", required_argument, NULL, 's'},
		{"nodes", required_argument, NULL, 'n'}, {"steps", required_argument, NULL, 'p'},
		{"trace", no_argument, NULL, 't'},	 {"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},	 {NULL, 0, NULL, 0}};
	struct options options = {.first = 1, .last = 100};
	bool good = true;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 's':
			good &= parse_seeds(optarg, &options);
			break;
		case 'n':
			options.nodes = (unsigned int)strtoul(optarg, NULL, 10);
			good &= options.nodes > 0 && options.nodes <= SIM_NODES_MAX;
			break;
		case 'p':
			options.steps = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 't':
			options.trace = true;
			break;
		case 'q':
			options.quiet = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			good = false;
		}
	}
	if (!good || optind != argc) {
		usage(stderr);
		return 2;
	}
	return run_seeds(&options);
}
