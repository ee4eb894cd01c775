/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stories that break the contract with stock's engine and not with ours: what totem does to a service matters, the
 * oracle sees it, and what our engine does about it is what helps. Three nodes, one process on each, in one group.
 */
#include <check.h>
#include <stdlib.h>

#include "oracle_internal.h"
#include "sim_schedule.h"

#define NODES 3
#define PACKET 1000
#define QUEUE 40
#define SEEDS 60 /* where chance has to help */
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct sim_world world;
static struct sim_client *client[NODES + 1]; /* by node id */

/* ---- shorthand ---- */

static struct totem_node *totem_of(unsigned int nodeid)
{
	return world.nodes[nodeid - 1].totem;
}

static void cut(unsigned int nodeid)
{
	totem_set_label(totem_of(nodeid), nodeid);
}

static void mend(unsigned int nodeid)
{
	totem_set_label(totem_of(nodeid), 0);
}

static void lose_token(void)
{
	token_lose(totem_of(1)->ring);
}

static void run(uint64_t duration)
{
	world_run(&world, world.clock.now + duration);
}

/* Lets things happen until the condition holds, or nothing is left to happen. */
#define RUN_UNTIL(condition)                                                                                 \
	do {                                                                                                 \
	} while (!(condition) && world.clock.now < 100 * SIM_S && sim_step(&world.clock))

/* The first `stock` nodes run stock's engine. */
static void world_begin(uint64_t seed, unsigned int stock, bool strict)
{
	const struct sim_world_config config = {
		.totem = {.nodes = NODES,
			  .packet_size = PACKET,
			  .queue_packets = QUEUE,
			  .window = 2,
			  .hop = 50 * SIM_US,
			  .token_timeout = 10 * SIM_MS},
		.engine = {.client_queue = ENGINE_CLIENT_QUEUE_DEFAULT,
			   .client_stall = ENGINE_CLIENT_STALL_DEFAULT,
			   .queue_total = ENGINE_QUEUE_TOTAL_DEFAULT,
			   .message_max = ENGINE_MESSAGE_MAX_DEFAULT},
		.groups = 1,
		.event_room = IPC_BUFFER_SIZE,
		.stock_nodes = stock,
		.stock_boots = 100,
		.stock_engines = 100,
		.strict = strict,
	};

	world_init(&world, seed, &config, NULL);
	world.healing = true; /* clients read at once and do only what they are told */
}

/* The node has a process in the group. */
static void boot(unsigned int nodeid)
{
	struct sim_node *node = &world.nodes[nodeid - 1];

	node_boot(node);
	client[nodeid] = node_connect(node, 100 + nodeid, false);
	ck_assert_ptr_nonnull(client[nodeid]);
	RUN_UNTIL(totem_of(nodeid)->ring && !totem_of(nodeid)->sync_in_process);
	client_join(client[nodeid], 0, false);
	run(SIM_S);
}

static void boot_all(void)
{
	unsigned int i;

	for (i = 1; i <= NODES; i++) {
		boot(i);
	}
}

static void send(unsigned int nodeid, size_t size, unsigned int count)
{
	while (count-- > 0) {
		client_send(client[nodeid], size);
	}
}

/* ---- stories ---- */

/* Node 3 comes while node 1 has a backlog, some of which has gone already. */
static void merge_with_backlog(void)
{
	size_t end;

	boot_all();
	cut(3);
	run(SIM_S);
	end = totem_of(1)->ring->end;
	send(1, 300, 40);
	RUN_UNTIL(totem_of(1)->queue[0].count && totem_of(1)->ring->end > end);
	lose_token();
	mend(3);
}

/* Node 1 fills totem's queue to the last packet while there is no token. */
static void full_queue(void)
{
	boot_all();
	lose_token();
	send(1, 700 - sizeof(struct wire_mcast), 43);
	send(1, 9900 - sizeof(struct wire_mcast), 1);
}

/* Nodes 1 and 2 lose node 3 in a change that they don't get to the end of; in the next one it is there. */
static void nested_changes(void)
{
	const struct ring *ring;

	boot_all();
	ring = totem_of(1)->ring;
	lose_token();
	cut(3);
	RUN_UNTIL(totem_of(1)->ring != ring && totem_of(2)->ring == totem_of(1)->ring);
	lose_token();
	mend(3);
}

/* Node 3 comes, says who is there, and dies while node 1 waits for node 2. */
static void death_in_barrier(void)
{
	boot_all();
	cut(3);
	run(SIM_S);
	mend(3);
	RUN_UNTIL(totem_of(1)->ring->count == 3 && totem_of(1)->sync_service == SIM_SYNC_OURS &&
		  totem_of(1)->sync_state == SYNC_BARRIER && nodeset_has(&totem_of(1)->received, 3 - 1));
	node_crash(&world.nodes[3 - 1]);
	lose_token();
}

/* A process joins while there is no token, and dies in the sync that follows. */
static void death_overtakes_join(void)
{
	struct sim_client *late;

	boot_all();
	late = node_connect(&world.nodes[1 - 1], 200, false);
	lose_token();
	client_join(late, 0, false);
	RUN_UNTIL(totem_of(1)->sync_in_process && totem_of(1)->sync_state == SYNC_PROCESS);
	node_kill_client(late);
}

/* ---- stories with stock's engine on node 1 alone ---- */

/* Another process of node 1. */
static struct sim_client *late;

/* Node 3 comes back while node 1 has a backlog, some of which has gone already, and `deed` is in the middle of it. */
static void merge_with(void (*deed)(void))
{
	size_t end = totem_of(1)->ring->end;

	send(1, 300, 20);
	deed();
	send(1, 300, 20);
	RUN_UNTIL(totem_of(1)->queue[0].count && totem_of(1)->ring->end > end);
	lose_token();
	mend(3);
	run(5 * SIM_S);
}

static void late_joins(void)
{
	client_join(late, 0, false);
}

static void late_dies(void)
{
	node_kill_client(late);
}

static void late_leaves(void)
{
	client_leave(late, 0);
}

static void late_joins_and_dies(void)
{
	late_joins();
	send(1, 300, 3);
	late_dies();
}

static void all_but_node_3(void)
{
	boot_all();
	cut(3);
	run(SIM_S);
	late = node_connect(&world.nodes[1 - 1], 200, false);
}

static void join_in_the_backlog(void)
{
	all_but_node_3();
	merge_with(late_joins);
}

static void join_and_death_in_the_backlog(void)
{
	all_but_node_3();
	merge_with(late_joins_and_dies);
}

static void death_in_the_backlog(void)
{
	all_but_node_3();
	late_joins();
	run(SIM_S);
	merge_with(late_dies);
}

static void leave_in_the_backlog(void)
{
	all_but_node_3();
	late_joins();
	run(SIM_S);
	merge_with(late_leaves);
}

/* Node 2 heard it, and says it again. */
static void ours_agree(void (*story)(void))
{
	uint64_t seed;

	for (seed = 1; seed <= SEEDS; seed++) {
		world_begin(seed, 1, false);
		story();
		world_rest(&world);
		oracle_finish(world.oracle);
		ck_assert_msg(oracle_violations(world.oracle) == 0, "seed %u: %s", (unsigned int)seed,
			      oracle_first(world.oracle));
		ck_assert_uint_eq(oracle_weak(world.oracle, ORACLE_TRUTH), 0);
		world_free(&world);
	}
}

START_TEST(join_that_one_of_ours_missed)
{
	ours_agree(join_in_the_backlog);
}
END_TEST

START_TEST(join_and_death_that_one_of_ours_missed)
{
	ours_agree(join_and_death_in_the_backlog);
}
END_TEST

START_TEST(death_that_one_of_ours_missed)
{
	ours_agree(death_in_the_backlog);
}
END_TEST

START_TEST(leave_that_one_of_ours_missed)
{
	ours_agree(leave_in_the_backlog);
}
END_TEST

/* ---- what becomes of them ---- */

/* Runs the story with this seed. How often was this kind of violation seen? */
static uint64_t violations(void (*story)(void), bool stock, uint64_t seed, enum oracle_kind kind)
{
	uint64_t seen;

	world_begin(seed, stock ? NODES : 0, true);
	story();
	world_rest(&world);
	oracle_finish(world.oracle);
	ck_assert_msg(stock || oracle_violations(world.oracle) == 0, "ours, seed %u: %s", (unsigned int)seed,
		      oracle_first(world.oracle));
	seen = oracle_seen(world.oracle, kind);
	world_free(&world);
	return seen;
}

static void stock_breaks_ours_does_not(void (*story)(void), enum oracle_kind kind)
{
	uint64_t seed, seen = 0;

	for (seed = 1; seed <= SEEDS; seed++) {
		violations(story, false, seed, kind);
		seen += violations(story, true, seed, kind);
	}
	ck_assert_msg(seen > 0, "%s was not seen", oracle_kind_name(kind));
}

START_TEST(backlog_is_lost_at_who_comes)
{
	stock_breaks_ours_does_not(merge_with_backlog, ORACLE_AGREEMENT);
}
END_TEST

START_TEST(full_queue_hangs_sync)
{
	stock_breaks_ours_does_not(full_queue, ORACLE_LIVENESS);
}
END_TEST

START_TEST(who_left_is_forgotten)
{
	stock_breaks_ours_does_not(nested_changes, ORACLE_GHOST);
}
END_TEST

START_TEST(who_died_in_the_barrier_stays)
{
	stock_breaks_ours_does_not(death_in_barrier, ORACLE_GHOST);
}
END_TEST

/* The leave went by sync's queue, the join is still in the other one. */
START_TEST(who_left_before_it_joined_stays)
{
	stock_breaks_ours_does_not(death_overtakes_join, ORACLE_TRUTH);
}
END_TEST

/*
 * Random schedules find all that by themselves. A member that stays for good is rare in them, as the next ring change mends
 * it: that is shown above.
 */
START_TEST(schedules_find_it)
{
	static const enum oracle_kind kinds[] = {ORACLE_AGREEMENT, ORACLE_LOSS, ORACLE_GHOST, ORACLE_REASON,
						 ORACLE_VIEW};
	const struct schedule_options options = {.stock = SIM_NODES_MAX, .strict = true};
	uint64_t seen[LENGTH(kinds)] = {0}, seed;
	size_t i;

	for (seed = 1; seed <= SEEDS; seed++) {
		schedule_run(&world, seed, &options);
		for (i = 0; i < LENGTH(kinds); i++) {
			seen[i] += oracle_seen(world.oracle, kinds[i]);
		}
		world_free(&world);
	}
	for (i = 0; i < LENGTH(kinds); i++) {
		ck_assert_msg(seen[i] > 0, "%s was not seen", oracle_kind_name(kinds[i]));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		backlog_is_lost_at_who_comes,	 full_queue_hangs_sync,
		who_left_is_forgotten,		 who_died_in_the_barrier_stays,
		who_left_before_it_joined_stays, schedules_find_it,
		join_that_one_of_ours_missed,	 join_and_death_that_one_of_ours_missed,
		death_that_one_of_ours_missed,	 leave_that_one_of_ours_missed,
	};
	Suite *suite = suite_create("stock");
	TCase *tcase = tcase_create("stock");
	SRunner *runner;
	int failed;
	size_t i;

	tcase_set_timeout(tcase, 300);
	for (i = 0; i < LENGTH(tests); i++) {
		tcase_add_test(tcase, tests[i]);
	}
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
