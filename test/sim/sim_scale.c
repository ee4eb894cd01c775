/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scale: hundreds of engines in a ring, groups larger than an old library's arrays and than a joinlist, a ring
 * change with all of them, and the cost of a message and of a join next to ten and ten thousand unrelated groups.
 *
 * Correctness is judged by the oracle. Cost is asserted in engine work that can be counted (multicasts and events);
 * processor time is only printed.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim_world.h"

#define REST_MAX (600 * SIM_S)

/* Instrumented code is ten times slower: it looks for other faults, in a smaller world. */
#if defined(__SANITIZE_ADDRESS__)
#define SMALLER 10u
#else
#define SMALLER 1u
#endif

static unsigned int failures;

static void check(bool good, const char *what)
{
	if (!good) {
		printf("FAILED: %s\n", what);
		failures++;
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * SIM_S + (uint64_t)now.tv_nsec;
}

/* ---- worlds ---- */

static void world_make(struct sim_world *world, unsigned int nodes, unsigned int groups)
{
	struct sim_world_config config = {
		.totem = {.nodes = nodes,
			  .packet_size = 64000,
			  .queue_packets = 62,
			  .window = 20,
			  .hop = 50 * SIM_US,
			  .token_timeout = 50 * SIM_MS,
			  .quick_reform = 30},
		.engine = {.client_queue = ENGINE_CLIENT_QUEUE_DEFAULT,
			   .client_stall = ENGINE_CLIENT_STALL_DEFAULT,
			   .queue_total = ENGINE_QUEUE_TOTAL_DEFAULT,
			   .message_max = ENGINE_MESSAGE_MAX_DEFAULT},
		.groups = groups,
		.event_room = IPC_BUFFER_SIZE,
	};
	unsigned int i;

	world_init(world, 1, &config, NULL);
	world->healing = true; /* clients read at once and do only what they are told */
	for (i = 0; i < nodes; i++) {
		node_boot(&world->nodes[i]);
	}
}

/* Lets the world run until nothing waits any more. `whole`: the ring has to be whole, too. */
static void rest(struct sim_world *world, bool whole, const char *what)
{
	uint64_t deadline = world->clock.now + REST_MAX;
	bool quiet = false;

	while (!quiet && world->clock.now < deadline && world->clock.count) {
		uint64_t until = world->clock.now + 100 * SIM_MS;

		while (world->clock.now < until && sim_step(&world->clock)) {
		}
		quiet = (!whole || totem_is_whole(&world->totem)) && world_is_quiet(world);
	}
	check((!whole || totem_is_whole(&world->totem)) && world_is_quiet(world), what);
}

static void judge(struct sim_world *world, const char *what)
{
	struct oracle_totals totals;

	oracle_finish(world->oracle);
	oracle_totals(world->oracle, &totals);
	printf("%s: %llu rings, %llu sessions, %llu messages heard, %llu views, %llu histories compared, "
	       "%llu evictions\n",
	       what, (unsigned long long)world->totem.stats.rings, (unsigned long long)totals.sessions,
	       (unsigned long long)totals.messages, (unsigned long long)totals.views,
	       (unsigned long long)totals.compared, (unsigned long long)world->stats.evictions);
	if (oracle_violations(world->oracle)) {
		printf("%s: %llu violations, first: %s\n", what,
		       (unsigned long long)oracle_violations(world->oracle), oracle_first(world->oracle));
		failures++;
	}
	world_free(world);
}

static struct sim_client *connect(struct sim_node *node, uint32_t pid, bool ours)
{
	struct sim_client *client = node_connect(node, pid, ours);

	if (client == NULL) {
		printf("FAILED: a client is refused\n");
		exit(EXIT_FAILURE);
	}
	client_greet(client);
	return client;
}

/* Lets the network part into nodes with equal index % parts. */
static void split(struct sim_world *world, unsigned int parts)
{
	unsigned int i;

	for (i = 0; i < world->config.totem.nodes; i++) {
		totem_set_label(world->nodes[i].totem, i % parts);
	}
}

static void send_every(struct sim_client **clients, size_t count, size_t step, size_t size)
{
	size_t i;

	for (i = 0; i < count; i += step) {
		client_send(clients[i], size);
	}
}

/* ---- many nodes ---- */

/* One process of one group on each node; they send while the ring parts and meets again. */
static void many_nodes(unsigned int nodes)
{
	struct sim_client **clients = sim_alloc(nodes * sizeof(struct sim_client *));
	struct sim_world world;
	unsigned int i;

	world_make(&world, nodes, 1);
	for (i = 0; i < nodes; i++) {
		clients[i] = connect(&world.nodes[i], 1000, i % 2);
	}
	rest(&world, true, "the ring forms");
	for (i = 0; i < nodes; i++) {
		client_join(clients[i], 0, i % 3 == 0);
	}
	rest(&world, true, "all have joined");
	for (i = 1; i <= 3; i++) {
		send_every(clients, nodes, 7, 100);
		split(&world, i);
		send_every(clients, nodes, 5, 1000);
		rest(&world, false, "all is delivered in all parts");
	}
	split(&world, 1);
	send_every(clients, nodes, 3, 100);
	rest(&world, true, "the ring is whole again");
	judge(&world, "many nodes");
	free(clients);
}

/* ---- large groups ---- */

#define LARGE_NODES 20u
#define LARGE_MEMBERS (150u / (SMALLER > 1 ? 5 : 1)) /* of the large group, on each node */
#define LARGE_OTHERS (75u / SMALLER) /* groups of 100 on node 1: more processes than one JOINLIST may name */

/*
 * A group of thousands, made by merging nodes on which many had joined alone; parted, merged, and left by whole
 * nodes. Half of the clients have old libraries.
 */
static void large_groups(void)
{
	struct sim_client **clients = sim_alloc(LARGE_NODES * LARGE_MEMBERS * sizeof(struct sim_client *));
	struct sim_client **others = sim_alloc(LARGE_OTHERS * 100 * sizeof(struct sim_client *));
	struct sim_world world;
	unsigned int i;

	world_make(&world, LARGE_NODES, 1 + LARGE_OTHERS);
	split(&world, LARGE_NODES);
	for (i = 0; i < LARGE_NODES * LARGE_MEMBERS; i++) {
		clients[i] = connect(&world.nodes[i % LARGE_NODES], 1000 + i / LARGE_NODES, i % 2);
	}
	for (i = 0; i < LARGE_OTHERS * 100; i++) {
		others[i] = connect(&world.nodes[0], 5000 + i, i % 2);
	}
	rest(&world, false, "all have connected");
	for (i = 0; i < LARGE_NODES * LARGE_MEMBERS; i++) {
		client_join(clients[i], 0, false);
	}
	for (i = 0; i < LARGE_OTHERS * 100; i++) {
		client_join(others[i], 1 + i / 100, false);
	}
	rest(&world, false, "all have joined");
	split(&world, 1);
	rest(&world, true, "the large group is made");
	send_every(clients, LARGE_NODES * LARGE_MEMBERS, 311, 100);
	split(&world, 2);
	rest(&world, false, "it parts");
	node_crash(&world.nodes[LARGE_NODES - 1]);
	split(&world, 1);
	rest(&world, true, "it meets again without one node");
	client_leave(clients[0], 0);
	rest(&world, true, "one leaves");
	judge(&world, "large groups");
	free(clients);
	free(others);
}

/* ---- cost next to unrelated groups ---- */

struct cost {
	uint64_t events, mcasts, ns;
};

static struct cost cost_now(const struct sim_world *world)
{
	struct cost cost = {.ns = cpu_ns()};
	unsigned int i;

	for (i = 0; i < world->config.totem.nodes; i++) {
		cost.events += world->nodes[i].event_calls;
		cost.mcasts += world->nodes[i].mcast_calls;
	}
	return cost;
}

static struct cost cost_since(const struct sim_world *world, const struct cost *begin)
{
	struct cost cost = cost_now(world);

	cost.events -= begin->events;
	cost.mcasts -= begin->mcasts;
	cost.ns -= begin->ns;
	return cost;
}

#define COST_MESSAGES 5000u
#define COST_JOINS 500u

/* Three processes on two nodes talk, others join and leave, next to `unrelated` groups with one process each. */
static void measure(unsigned int unrelated, struct cost *message, struct cost *join)
{
	struct sim_client *clients[3], **others = sim_alloc(unrelated * sizeof(struct sim_client *));
	struct sim_client *joiners[COST_JOINS];
	struct sim_world world;
	struct cost begin;
	unsigned int i;

	world_make(&world, 2, 4 + unrelated);
	for (i = 0; i < unrelated; i++) {
		others[i] = connect(&world.nodes[i % 2], 5000 + i, true);
	}
	for (i = 0; i < 3; i++) {
		clients[i] = connect(&world.nodes[i % 2], 100 + i, true);
	}
	for (i = 0; i < COST_JOINS; i++) {
		joiners[i] = connect(&world.nodes[0], 1000 + i, true);
	}
	rest(&world, true, "all have connected");
	for (i = 0; i < unrelated; i++) {
		client_join(others[i], 4 + i, false);
	}
	for (i = 0; i < 3; i++) {
		client_join(clients[i], 0, false);
	}
	rest(&world, true, "all have joined");
	client_send_fragmented(clients[0], 3000000);
	rest(&world, true, "a message of 3 MB is sent");
	begin = cost_now(&world);
	for (i = 0; i < COST_MESSAGES; i++) {
		client_send(clients[i % 3], 64);
	}
	rest(&world, true, "all is sent");
	*message = cost_since(&world, &begin);
	begin = cost_now(&world);
	for (i = 0; i < COST_JOINS; i++) {
		client_join(joiners[i], 3, false);
	}
	rest(&world, true, "the joiners have joined");
	*join = cost_since(&world, &begin);
	judge(&world, "cost");
	free(others);
}

static void tell_cost(const char *what, unsigned int groups, const struct cost *cost, unsigned int count)
{
	printf("%-8s next to %5u groups: %.2f multicasts, %.2f events, %.2f us of processor (simulation "
	       "included)\n",
	       what, groups, (double)cost->mcasts / count, (double)cost->events / count,
	       (double)cost->ns / 1000 / count);
}

static void cost_is_flat(void)
{
	static const unsigned int groups[2] = {10, 10000 / SMALLER};
	struct cost message[2], join[2];
	int i;

	for (i = 0; i < 2; i++) {
		measure(groups[i], &message[i], &join[i]);
		tell_cost("message", groups[i], &message[i], COST_MESSAGES);
		tell_cost("join", groups[i], &join[i], COST_JOINS);
	}
	check(message[0].events == 3 * COST_MESSAGES, "an event for each member, for each message");
	for (i = 0; i < 2; i++) {
		check(message[i].mcasts < COST_MESSAGES / 10, "messages share multicasts");
		check(join[i].mcasts < COST_JOINS / 10, "joins share multicasts");
	}
	check(message[0].events == message[1].events,
	      "a message costs the same next to few and to many groups");
	check(join[0].events == join[1].events, "a join costs the same next to few and to many groups");
}

int main(void)
{
	many_nodes(SMALLER > 1 ? 60 : 200);
	large_groups();
	cost_is_flat();
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
