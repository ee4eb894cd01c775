/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Out of memory at every allocation of the engine in turn: each run of the scenario lets one more succeed before one
 * fails, or before all fail. Nothing may crash or leak, and afterwards a new client must be served. The
 * scenario is over when a run came to its end without a failure: then each allocation has failed once.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "test/fault/oom_countdown.h"
#include "test/unit/transport_fixture.h"

/* ---- stock's format ---- */

/* sync_process, over and over. Memory it waits for comes back in the end. */
static void sync_patiently(struct fixture *fixture)
{
	int tries;

	for (tries = 0; engine_sync_process(fixture->engine) != 0; tries++) {
		if (tries == 10) {
			fail_no_more();
		}
		deliver_own(fixture);
	}
}

static void ask(struct fixture *fixture, struct peer *peer)
{
	struct ipc_iteration_initialize iteration = {.iteration_type = 3};
	struct ipc_membership_page page = {.group = ipc_name("group")};
	struct ipc_segment_create create = {.user_size = 8192};
	struct ipc_zcb_mcast zcb = {.segment_id = 2, .offset = SEGMENT_START, .length = 100};

	(void)request(fixture, peer, IPC_REQ_ITERATION_INITIALIZE, &iteration, sizeof(iteration));
	(void)request(fixture, peer, IPC_REQ_MEMBERSHIP_PAGE, &page, sizeof(page));
	(void)request(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create));
	(void)request(fixture, peer, IPC_REQ_ZCB_MCAST, &zcb, sizeof(zcb));
}

static void talk(struct fixture *fixture, struct peer *one, struct peer *two)
{
	(void)request_join(fixture, one, "group");
	(void)request_join(fixture, two, "group");
	deliver_own(fixture);
	deliver_procjoin(fixture, 3, 1, "group");
	deliver_procjoin(fixture, 3, 2, "elsewhere");
	two->room = 0;
	request_mcast(fixture, one, "message");
	fixture->totem_full = true;
	request_mcast(fixture, one, "waits here");
	(void)request_fragment(fixture, one, IPC_FRAGMENT_FIRST, 6, "abc");
	(void)request_fragment(fixture, one, IPC_FRAGMENT_LAST, 6, "def");
	fixture->totem_full = false;
	engine_tick(fixture->engine);
	deliver_own(fixture);
	two->room = ROOM_ENDLESS;
	engine_tick(fixture->engine);
}

static void change_ring(struct fixture *fixture, const uint32_t *left, const uint32_t *members)
{
	static const struct named named[] = {{7, "group"}, {8, "another"}, {9, "group"}};

	transitional(fixture, left);
	sync_begin(fixture, (const uint32_t[]){SELF, 0}, members);
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, named, sizeof(named) / sizeof(named[0]));
	sync_patiently(fixture);
	sync_end(fixture);
}

static void scenario(struct fixture *fixture, struct peer *one, struct peer *two)
{
	(void)request_hello(fixture, one, UINT64_MAX);
	talk(fixture, one, two);
	ask(fixture, one);
	change_ring(fixture, (const uint32_t[]){3, 0}, (const uint32_t[]){SELF, 2, 0});
	change_ring(fixture, (const uint32_t[]){2, 0}, (const uint32_t[]){SELF, 0});
	(void)request_leave(fixture, one, "group");
	peer_gone(fixture, two);
	deliver_own(fixture);
}

/* ---- our own format ---- */

static const struct engine_config own_format = {
	.client_queue = 1000, /* two messages and a half: whoever reads nothing is behind */
	.client_stall = ENGINE_CLIENT_STALL_DEFAULT,
	.queue_total = ENGINE_QUEUE_TOTAL_DEFAULT,
	.message_max = ENGINE_MESSAGE_MAX_DEFAULT,
};

static const struct named seven_and_nine[] = {{7, "group"}, {9, "another"}, {0, NULL}};

/* Up to the mark. Of nodes 2 and 3, those in `ours` announce themselves. */
static void enter_ring(struct fixture *fixture, const uint32_t *members, const uint32_t *ours)
{
	transitional(fixture, NOBODY);
	sync_begin(fixture, members, members);
	for (; *ours; ours++) {
		deliver_announce(fixture, *ours, (struct versions)VERSION_NOW, 0);
	}
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, seven_and_nine, 2);
	sync_patiently(fixture);
	engine_sync_activate(fixture->engine);
	engine_sync_over(fixture->engine);
	engine_tick(fixture->engine);
}

static void go_on(struct fixture *fixture)
{
	int i;

	for (i = 0; i < 3; i++) {
		deliver_own(fixture);
		engine_tick(fixture->engine);
	}
}

/* Enough at once for a batch to grow, and a message in fragments. */
static void say_much(struct fixture *fixture, struct peer *peer)
{
	char text[300 + 1];
	int i;

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fixture->totem_full = true;
	for (i = 0; i < 5; i++) {
		request_mcast(fixture, peer, text);
	}
	(void)request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 6, "abc");
	(void)request_fragment(fixture, peer, IPC_FRAGMENT_LAST, 6, "def");
	fixture->totem_full = false;
	engine_tick(fixture->engine);
}

static void hear_much(struct fixture *fixture, struct peer *slow)
{
	char text[400 + 1];

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	deliver_batch(fixture, 2, BY(7, "group"), PART(IPC_FRAGMENT_FIRST, 6, "abc"), BY(0, "group"),
		      BEHIND(1), BY(8, "elsewhere"), JOINS);
	deliver_batch(fixture, 2, BY(7, "group"), PART(IPC_FRAGMENT_LAST, 6, "def"), BY(0, "group"),
		      BEHIND(0));
	slow->room = 0;
	deliver_batch(fixture, 2, BY(7, "group"), SAYS(text), SAYS(text), SAYS(text));
	go_on(fixture);
	slow->room = ROOM_ENDLESS;
	go_on(fixture);
}

/* This node, or another one, misses a batch. */
static void exchange(struct fixture *fixture)
{
	uint64_t missed = 0;
	const char *text;
	int i;

	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(7, "group"), SAYS("behind a gap"));
	for (i = 0; i < 5; i++) {
		engine_tick(fixture->engine);
		text = batch_returns(fixture);
		if (strstr(text, ": missed")) {
			missed = strtoul(text + strlen("batch "), NULL, 10);
		}
	}
	deliver_present(fixture, 2, SELF, missed, seven_and_nine);
	deliver_batch(fixture, 2, MISSED);
	go_on(fixture);
	deliver_present(fixture, 2, 2, fixture->numbers[2] - 1, seven_and_nine);
	go_on(fixture);
}

/* From ours to mixed, to ours for a moment, and to mixed again, with something on its way each time. */
static void change_format(struct fixture *fixture, struct peer *one, struct peer *two)
{
	struct packets held;

	say_much(fixture, one);
	(void)request_leave(fixture, two, "group");
	drop_all(&fixture->peer_multicasts);
	enter_ring(fixture, NODES(1, 2, 3), NODES(2));
	go_on(fixture);
	(void)request_join(fixture, two, "group");
	say_much(fixture, one);
	held = packets_held(&fixture->multicasts);
	enter_ring(fixture, NODES(1, 2), NODES(2));
	if (held.first) {
		one_comes_out(fixture, &held);
	}
	drop_all(&fixture->peer_multicasts);
	enter_ring(fixture, NODES(1, 2, 3), NODES(2));
	comes_out(fixture, &held);
	go_on(fixture);
	(void)request_leave(fixture, two, "group");
	held = packets_held(&fixture->multicasts);
	enter_ring(fixture, NODES(1, 2, 3), NODES(2));
	comes_out(fixture, &held);
	go_on(fixture);
}

static void scenario_own_format(struct fixture *fixture, struct peer *one, struct peer *two)
{
	(void)request_hello(fixture, one, UINT64_MAX);
	enter_ring(fixture, NODES(1, 2), NODES(2));
	go_on(fixture);
	(void)request_join(fixture, one, "group");
	(void)request_join(fixture, two, "group");
	deliver_own(fixture);
	say_much(fixture, one);
	go_on(fixture);
	hear_much(fixture, two);
	exchange(fixture);
	change_format(fixture, one, two);
	peer_gone(fixture, two);
	go_on(fixture);
}

/* ---- rings ---- */

/* More than the ring holds, and then it reads. */
static void read_late(struct ringed *client)
{
	char text[8000 + 1];
	int i;

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < 20 && !client->peer->evicted; i++) {
		submit_text(client, text);
		(void)submitted(client);
		go_on(client->fixture);
	}
	while (!client->peer->evicted && deliveries(client)) {
	}
	drop_all(&client->heard.events);
}

static void send_block(struct ringed *client)
{
	struct ipc_segment_create create = {.user_size = 8192};
	struct ring_block block = {.segment_id = 2, .offset = SEGMENT_START, .length = 100};

	if (request(client->fixture, client->peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)) ==
	    CS_OK) {
		submit(client, RING_BLOCK, &block, sizeof(block));
		(void)submitted(client);
	}
}

static void scenario_with_rings(struct fixture *fixture, struct peer *one, struct peer *two)
{
	struct ringed client;

	(void)request_join(fixture, two, "group");
	deliver_own(fixture);
	if (!ringed_attach(&client, fixture, one) || request_join(fixture, one, "group") != CS_OK) {
		return;
	}
	deliver_own(fixture);
	read_late(&client);
	if (!one->evicted) {
		send_block(&client);
		submit_text(&client, "the last");
	}
	peer_gone(fixture, one);
	go_on(fixture);
}

/* ---- each allocation ---- */

/* A client that comes when memory is back. Whatever was not over then ends with the ring. */
static void check_service(struct fixture *fixture)
{
	struct peer *late = peer_new(fixture, 99);

	drop_all(&fixture->multicasts);
	drop_all(&fixture->peer_multicasts);
	transitional(fixture, NODES(2, 3));
	sync_begin(fixture, NODES(1), NODES(1));
	sync_own(fixture);
	sync_end(fixture);
	deliver_own(fixture);
	drop_all(&late->events);

	joined(fixture, late, "late");
	ck_assert_str_eq(next_confchg(late), "1:99 +1:99j");
	request_mcast(fixture, late, "served");
	deliver_own(fixture);
	ck_assert_uint_eq(count_id(&late->events, IPC_RES_DELIVER), 1);
	ck_assert(!engine_busy(fixture->engine));
}

struct story {
	const struct engine_config *config;
	void (*run)(struct fixture *fixture, struct peer *one, struct peer *two);
};
static const struct story in_stocks_format = {NULL, scenario},
			  in_our_own = {&own_format, scenario_own_format},
			  with_rings = {&fixture_own_format, scenario_with_rings};

static void run_all(const struct story *story, bool all)
{
	size_t after, failed;

	for (after = 0;; after++) {
		struct fixture *fixture = fixture_new(story->config);
		struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

		fail_after(after, all);
		story->run(fixture, one, two);
		failed = failures();
		fail_no_more();
		check_service(fixture);
		fixture_free(fixture);
		if (failed == 0) {
			break;
		}
	}
	ck_assert_uint_gt(after, 30); /* the scenario does allocate */
}

START_TEST(each_allocation_fails_once)
{
	run_all(&in_stocks_format, false);
	run_all(&in_our_own, false);
	run_all(&with_rings, false);
}
END_TEST

START_TEST(all_allocations_fail_from_one_on)
{
	run_all(&in_stocks_format, true);
	run_all(&in_our_own, true);
	run_all(&with_rings, true);
}
END_TEST

static uint64_t members(const struct fixture *fixture)
{
	struct engine_stats stats;

	engine_stats(fixture->engine, &stats);
	return stats.members;
}

/* All others see it: what it takes was had when it asked, whoever joined since. */
START_TEST(a_join_that_was_accepted_needs_no_memory)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);
	struct peer *three = peer_new(fixture, 30);
	uint32_t pid;

	joined(fixture, one, "group");
	ck_assert_int_eq(request_join(fixture, two, "group"), CS_OK);
	ck_assert_int_eq(request_join(fixture, three, "group"), CS_OK);
	for (pid = 1; pid <= 7; pid++) {
		deliver_procjoin(fixture, 2, pid, "group");
	}
	fail_after(0, true);
	deliver_own(fixture);
	fail_no_more();
	ck_assert_uint_eq(members(fixture), 10);
	fixture_free(fixture);
}
END_TEST

/* A death that nobody hears of would leave a member behind for good. */
START_TEST(a_death_is_told_when_memory_is_back)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	drop_all(&one->events);
	fixture->totem_full = true;
	fail_after(0, true);
	peer_gone(fixture, two);
	engine_tick(fixture->engine);
	fail_no_more();
	fixture->totem_full = false;
	ck_assert_uint_ne(fixture->wake_at, 0);
	engine_tick(fixture->engine);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 -1:20p");
	two = peer_new(fixture, 20);
	joined(fixture, two, "group"); /* and nothing keeps it from coming back */
	ck_assert_str_eq(next_confchg(one), "1:10 1:20 +1:20j");
	fixture_free(fixture);
}
END_TEST

/* It was told that all that was accepted. */
START_TEST(what_a_dead_client_left_waits_for_memory)
{
	struct fixture *fixture = fixture_new(&own_format);
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct peer *other = peer_new(fixture, 20);
	struct ring_block block = {.offset = SEGMENT_START, .length = 3};

	joined(fixture, other, "group");
	memcpy(pool(&client, 4096, &block.segment_id) + block.offset, "two", 3);
	settle(fixture);
	drop_all(&other->events);
	submit_text(&client, "one");
	submit(&client, RING_BLOCK, &block, sizeof(block));
	fixture->totem_full = true;
	fail_after(0, true);
	peer_gone(fixture, client.peer);
	tick(fixture);
	ck_assert_uint_ne(failures(), 0);
	fail_after(1, true); /* for the first alone */
	tick(fixture);
	fail_no_more();
	fixture->totem_full = false;
	settle(fixture);
	settle(fixture);
	ck_assert_str_eq(next_event(other), "1:10 'one'");
	ck_assert_str_eq(next_event(other), "1:10 'two'");
	ck_assert_str_eq(next_event(other), "1:20 -1:10p");
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* Once, and nothing is said of groups of which nothing is to be said. */
START_TEST(being_behind_is_told_when_memory_is_back)
{
	struct fixture *fixture = fixture_new(&own_format);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);
	char text[2000 + 1];

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	joined(fixture, one, "group");
	joined(fixture, two, "another");
	request_mcast(fixture, one, text);
	one->room = 0;
	fail_after(2, true); /* two for the event that waits */
	ck_assert_ptr_nonnull(strstr(batch_returns(fixture), "2000 bytes"));
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "none");
	fail_no_more();
	ck_assert(!one->evicted);
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 4: 0@group behind 1");
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "none");
	fixture_free(fixture);
}
END_TEST

/* A list of processes in two pieces, and no memory for the second: all of it is said, once. */
START_TEST(a_list_is_said_whole_when_memory_is_back)
{
	enum { PROCESSES_OF_THIS_NODE = 9000 };
	struct fixture *fixture = fixture_new(&own_format);
	uint32_t pid;

	enter_ring(fixture, NODES(1, 2, 3), NODES(2));
	go_on(fixture);
	for (pid = 1; pid <= PROCESSES_OF_THIS_NODE; pid++) {
		deliver_procjoin(fixture, SELF, pid, "group");
	}
	enter_ring(fixture, NODES(1, 2), NODES(2));
	go_on(fixture);
	deliver_batch(fixture, 2, MISSED);
	fail_after(4, true); /* the list, its bytes, and the first piece of it */
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "none");
	fail_no_more();
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 1: present 2.0 more");
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: present 2.0");
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(no_engine_and_no_client)
{
	struct fixture *fixture = fixture_new(NULL);
	const struct engine_ops ops = {0};
	const struct engine_config config = {0};

	size_t after;

	for (after = 0; after < 4; after++) { /* itself, its ring, and its nodes with what points to them */
		fail_after(after, true);
		ck_assert_ptr_null(engine_create(&ops, NULL, &config));
	}
	fail_after(0, true);
	ck_assert_ptr_null(engine_client_new(fixture->engine, NULL, 1));
	fail_no_more();
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_allocation_fails_once,
		all_allocations_fail_from_one_on,
		a_join_that_was_accepted_needs_no_memory,
		a_death_is_told_when_memory_is_back,
		what_a_dead_client_left_waits_for_memory,
		being_behind_is_told_when_memory_is_back,
		a_list_is_said_whole_when_memory_is_back,
		no_engine_and_no_client,
	};

	return RUN_TESTS("engine: out of memory", tests);
}
