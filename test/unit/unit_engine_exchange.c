/* SPDX-License-Identifier: BSD-3-Clause */
/* Batches that were missed: who missed one is seen as gone and back, at the same point of the order by everybody. */
#include <string.h>
#include <syslog.h>

#include "test/unit/peer_fixture.h"

/* This node misses a batch of node 2. */
static void miss(struct fixture *fixture)
{
	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(7, "group"), SAYS("behind a gap"));
}

/* Node 2 or 3 says that it missed one. The batch's number. */
static uint64_t said_missed(struct fixture *fixture, uint32_t nodeid)
{
	deliver_batch(fixture, nodeid, MISSED);
	return fixture->numbers[nodeid] - 1;
}

/* ---- this node misses something ---- */

START_TEST(this_node_is_gone_and_back)
{
	struct pair pair = trio_new();

	pair.fixture->wake_at = 0;
	miss(pair.fixture);
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	ck_assert_int_eq(pair.fixture->log_priority, LOG_ERR);
	ck_assert_uint_ne(pair.fixture->wake_at, 0);
	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("not heard"), BY(9, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:7d -3:8d");
	ck_assert_str_eq(next_event(pair.one), "ring 1");
	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("not heard"));
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	both_present(pair.fixture, 1, 3);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 3:8 +2:7u +3:8u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	deliver_batch(pair.fixture, 2, BY(7, "group"), SAYS("heard"));
	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("heard too"));
	ck_assert_str_eq(next_event(pair.one), "2:7 'heard'");
	ck_assert_str_eq(next_event(pair.one), "3:8 'heard too'");
	request_mcast(pair.fixture, pair.one, "and says");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 10@group 'and says'");
	ck_assert_str_eq(next_event(pair.one), "1:10 'and says'");
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(missed_goes_before_everything)
{
	struct pair pair = trio_new();

	request_mcast(pair.fixture, pair.one, "on its way");
	request_mcast(pair.fixture, pair.one, "waits");
	miss(pair.fixture);
	engine_token(pair.fixture->engine);
	request_mcast(pair.fixture, pair.two, "waits too");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 'on its way'");
	ck_assert_str_eq(next_event(pair.one), "1:10 'on its way'"); /* its own it does hear */
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: missed");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: present 1.4 10@group 20@group");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	both_present(pair.fixture, 1, 4);
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: 10@group 'waits' 20@group 'waits too'");
	fixture_free(pair.fixture);
}
END_TEST

/* Something that fills the window may be what got lost. */
START_TEST(missed_does_not_wait_for_the_window)
{
	struct pair pair = trio_new();
	char text[200 * 1000 + 1];

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	request_mcast(pair.fixture, pair.one, text);
	request_mcast(pair.fixture, pair.one, "waits");
	engine_token(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1); /* one fills it */
	miss(pair.fixture);
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 3: 10@group 200000 bytes");
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 4: missed");
	fixture_free(pair.fixture);
}
END_TEST

/* Numbers are compared again at once: a second gap before the first is told changes nothing. */
START_TEST(two_gaps_are_told_once)
{
	struct pair pair = trio_new();

	miss(pair.fixture);
	miss(pair.fixture);
	lose_batch(pair.fixture, 3);
	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("?"));
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	deliver_own(pair.fixture);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	both_present(pair.fixture, 1, 3);
	miss(pair.fixture); /* and now it is another one */
	ck_assert_uint_eq(gaps(pair.fixture), 2);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_batch_for_a_ring_that_is_not_activated)
{
	struct pair pair = trio_new();

	ring_sync(pair.fixture, RING(.members = NODES(1, 2, 3)));
	deliver_batch(pair.fixture, 2, BY(7, "group"), SAYS("too early"));
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	sync_end(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	fixture_free(pair.fixture);
}
END_TEST

/* What told the others so did not come here: they drop what this node sends in stock's format. */
START_TEST(a_batch_for_a_ring_that_is_not_ours)
{
	struct pair pair = pair_new(&fixture_own_format);

	ring_change(pair.fixture, RING(.members = NODES(1, 2), .trans = NODES(1), .stock = NODES(2)));
	drop_all(&pair.one->events);
	request_mcast(pair.fixture, pair.one, "dropped");
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group 'dropped'");
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert_str_eq(batch_returns(pair.fixture), "mark");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	deliver_present(pair.fixture, 2, 1, 3, SEVEN);
	ck_assert_str_eq(next_event(pair.one), "ring 1");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 10@group 'dropped'");
	ck_assert_str_eq(next_event(pair.one), "1:10 'dropped'");
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	fixture_free(pair.fixture);
}
END_TEST

/* What it handed over in stock's format has no numbers of batches. */
START_TEST(a_ring_change_before_such_a_ring_has_settled)
{
	struct pair pair = pair_new(&fixture_own_format);

	ring_change(pair.fixture, RING(.members = NODES(1, 2), .trans = NODES(1), .stock = NODES(2)));
	request_mcast(pair.fixture, pair.one, "on its way");
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS);
	transitional(pair.fixture, NODES(2));
	sync_begin(pair.fixture, NODES(1), NODES(1));
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first), "announce 3 missed");
	fixture_free(pair.fixture);
}
END_TEST

/* Whose ANNOUNCE was missed may count from anywhere: it may be a new one with an old one's id. */
START_TEST(who_did_not_announce_counts_from_where_it_is)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats stats;

	pair.fixture->numbers[3] = 9;
	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1)));
	pair.fixture->numbers[3] = 1;
	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2), .left = NODES(3),
				       .stock = NODES(3)));
	deliver_batch(pair.fixture, 3, BY(8, "group"), JOINS);
	engine_tick(pair.fixture->engine);
	mark_returns(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	drop_all(&pair.one->events);
	deliver_present(pair.fixture, 2, 1, 3, NO_PROCESSES);
	deliver_present(pair.fixture, 3, 1, 3, EIGHT);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:8 +3:8u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 0);
	fixture_free(pair.fixture);
}
END_TEST

/* A node that speaks stock's format in whatever ring is in none of ours. */
START_TEST(a_batch_where_the_option_forces_stocks_format)
{
	struct pair pair = pair_new(NULL);

	ring_change(pair.fixture, RING(.members = NODES(1, 2), .trans = NODES(1)));
	drop_all(&pair.one->events);
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_procjoin(pair.fixture, 2, 7, "group");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7j");
	request_mcast(pair.fixture, pair.one, "says");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group 'says'");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(own_batches_that_do_not_come_back)
{
	struct pair pair = trio_new();
	struct engine_stats stats;
	int i;

	for (i = 0; i < 300; i++) {
		engine_token(pair.fixture->engine); /* nothing is on its way */
	}
	request_mcast(pair.fixture, pair.one, "lost");
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 3: 10@group 'lost'");
	for (i = 0; i < 100; i++) {
		engine_token(pair.fixture->engine);
	}
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	engine_token(pair.fixture->engine);
	ck_assert_uint_eq(gaps(pair.fixture), 0);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4:");
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.gaps, 1);
	ck_assert_uint_eq(stats.lost, 1);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: missed");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:7d -3:8d");
	ck_assert_str_eq(next_event(pair.one), "ring 1");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

/* What shows the gap is numbered behind it, and the node that missed its own MISSED says it again. */
START_TEST(missed_that_does_not_come_back)
{
	struct pair pair = trio_new();
	int i;

	miss(pair.fixture);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 3: missed");
	for (i = 0; i <= 100; i++) {
		engine_token(pair.fixture->engine);
	}
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4:");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: missed");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:7d -3:8d");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: present 1.5 10@group 20@group");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- another one misses something ---- */

START_TEST(another_node_is_gone_and_back)
{
	struct pair pair = trio_new();
	uint64_t missed = said_missed(pair.fixture, 2);

	ck_assert_uint_eq(gaps(pair.fixture), 0);
	ck_assert_int_eq(pair.fixture->log_priority, LOG_ERR);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:8 -2:7d");
	ck_assert_str_eq(next_event(pair.one), "ring 1 3");
	deliver_batch(pair.fixture, 2, BY(7, "group"), SAYS("not heard"), BY(9, "group"), JOINS);
	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("heard"));
	ck_assert_str_eq(next_event(pair.one), "3:8 'heard'");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: present 2.1 10@group 20@group");
	ck_assert_uint_eq(missed, 1);
	deliver_present(pair.fixture, 3, 2, missed, EIGHT);
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_present(pair.fixture, 2, 2, missed,
			PROCESSES({7, "group"}, {9, "group"}, {7, "a group with another name"}));
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 2:9 3:8 +2:7u +2:9u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 2, BY(9, "group"), SAYS("heard"));
	ck_assert_str_eq(next_event(pair.one), "2:9 'heard'");
	fixture_free(pair.fixture);
}
END_TEST

/* What it sent before it saw MISSED changes who is here: PRESENT is for after that. */
START_TEST(present_waits_for_what_is_on_its_way)
{
	struct pair pair = trio_new();
	struct peer *three = peer_new(pair.fixture, 30);
	uint64_t missed;

	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	engine_token(pair.fixture->engine);
	missed = said_missed(pair.fixture, 2);
	ck_assert_int_eq(request_join(pair.fixture, three, "group"), CS_OK);
	engine_token(pair.fixture->engine);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 20@group leaves");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 2.1 10@group");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	both_present(pair.fixture, 2, missed);
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 30@group joins");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(no_room_for_present)
{
	struct pair pair = trio_new();

	pair.fixture->totem_full = true;
	(void)said_missed(pair.fixture, 2);
	engine_token(pair.fixture->engine);
	engine_tick(pair.fixture->engine);
	pair.fixture->totem_full = false;
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: present 2.1 10@group 20@group");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_long_list_of_processes_takes_several)
{
	enum { PROCESSES_OF_THIS_NODE = 9000 };
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats stats;
	uint32_t pid;
	int i;

	ring_change(pair.fixture, RING(.members = NODES(1, 3), .trans = NODES(1), .stock = NODES(3)));
	for (pid = 1000; pid < 1000 + PROCESSES_OF_THIS_NODE; pid++) {
		deliver_procjoin(pair.fixture, SELF, pid, "elsewhere");
	}
	ring_change(pair.fixture, RING(.members = NODES(1, 2), .left = NODES(3), .trans = NODES(1)));
	for (i = 0; i < 2; i++) { /* the window gets small again */
		request_mcast(pair.fixture, pair.one, "little");
		deliver_own(pair.fixture);
	}
	(void)said_missed(pair.fixture, 2);
	engine_tick(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1); /* the window holds for it, too */
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: present 2.0 more");
	deliver_present(pair.fixture, 2, 2, 0, SEVEN);
	drop_all(&pair.one->events);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: present 2.0");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2");
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.members, PROCESSES_OF_THIS_NODE + 3);
	fixture_free(pair.fixture);
}
END_TEST

/* ---- one after the other, and at once ---- */

START_TEST(it_begins_again_when_a_second_node_missed_something)
{
	struct pair pair = trio_new();
	uint64_t first = said_missed(pair.fixture, 2), second;

	drop_all(&pair.one->events);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: present 2.1 10@group 20@group");
	deliver_present(pair.fixture, 2, 2, first, SEVEN);
	second = said_missed(pair.fixture, 3);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -3:8d");
	ck_assert_str_eq(next_event(pair.one), "ring 1");
	deliver_present(pair.fixture, 3, 2, first, PROCESSES({9, "group"})); /* means nothing any more */
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 3.1 10@group 20@group");
	deliver_present(pair.fixture, 3, 3, second - 1, PROCESSES({9, "group"})); /* nor does this */
	deliver_present(pair.fixture, 3, 3, second, EIGHT);
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_present(pair.fixture, 2, 3, second, SEVEN);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 3:8 +2:7u +3:8u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(present_that_waits_is_for_the_last_exchange_alone)
{
	struct pair pair = trio_new();

	pair.fixture->totem_full = true;
	(void)said_missed(pair.fixture, 2);
	engine_tick(pair.fixture->engine);
	(void)said_missed(pair.fixture, 3);
	engine_tick(pair.fixture->engine);
	pair.fixture->totem_full = false;
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: present 3.1 10@group 20@group");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(both_miss_something_at_once)
{
	struct pair pair = trio_new();

	miss(pair.fixture);
	engine_tick(pair.fixture->engine);
	(void)said_missed(pair.fixture, 3); /* comes before ours */
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 -3:8d");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:7d");
	ck_assert_str_eq(next_event(pair.one), "ring 1");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	both_present(pair.fixture, 1, 3);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 3:8 +2:7u +3:8u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	fixture_free(pair.fixture);
}
END_TEST

/* Another's MISSED comes while ours waits for room in totem. */
START_TEST(missed_is_not_forgotten_for_anothers)
{
	struct pair pair = trio_new();

	miss(pair.fixture);
	pair.fixture->totem_full = true;
	engine_tick(pair.fixture->engine);
	(void)said_missed(pair.fixture, 3);
	pair.fixture->totem_full = false;
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- ring changes ---- */

START_TEST(a_ring_change_ends_an_exchange)
{
	struct pair pair = trio_new();
	uint64_t missed = said_missed(pair.fixture, 2);

	drop_all(&pair.one->events);
	request_mcast(pair.fixture, pair.one, "waits");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 3: present 2.1 10@group 20@group");
	ring_change(pair.fixture, RING(.members = NODES(1, 2), .trans = NODES(1, 2), .left = NODES(3),
				       .named_by = 2, .named = SEVEN));
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -3:8d");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 'waits'");
	ck_assert_str_eq(next_event(pair.one), "1:10 'waits'");
	deliver_present(pair.fixture, 2, 2, missed, NO_PROCESSES); /* there is no exchange */
	deliver_batch(pair.fixture, 2, BY(7, "group"), SAYS("heard"));
	ck_assert_str_eq(next_event(pair.one), "2:7 'heard'");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(what_waits_of_an_exchange_ends_with_its_ring)
{
	struct pair pair = trio_new();

	(void)said_missed(pair.fixture, 2);
	pair.fixture->totem_full = true;
	engine_tick(pair.fixture->engine);
	pair.fixture->totem_full = false;
	ring_change(pair.fixture, RING(.members = NODES(1, 2), .left = NODES(3)));
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* Whatever became of MISSED: the announcement says it, all part in that sync, and nobody does a second time. */
static void check_announced(struct pair *pair)
{
	drop_all(&pair->fixture->peer_multicasts);
	transitional(pair->fixture, NODES(3));
	sync_begin(pair->fixture, NODES(1, 2), NODES(1, 2));
	deliver_announce(pair->fixture, 2, (struct versions)VERSION_NOW, 0);
	deliver_downlist(pair->fixture, 2);
	deliver_joinlist(pair->fixture, 2, SEVEN, 1);
	ck_assert_int_eq(engine_sync_process(pair->fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair->fixture->peer_multicasts.first),
			 "announce 3 missed, heard 2.3 3.1");
	sync_own(pair->fixture);
	ck_assert_str_eq(next_event(pair->one), "none");
	sync_end(pair->fixture);
	ck_assert_str_eq(next_event(pair->one), "1:10 1:20 -2:7d -3:8d");
	ck_assert_str_eq(next_event(pair->one), "1:10 1:20 2:7 +2:7u");
	ck_assert_str_eq(next_event(pair->one), "ring 1 2");
	deliver_batch(pair->fixture, 2, BY(7, "group"), SAYS("heard"));
	ck_assert_str_eq(next_event(pair->one), "2:7 'heard'");
	request_mcast(pair->fixture, pair->one, "says");
	ck_assert_str_eq(batch_returns(pair->fixture), "batch 3: 10@group 'says'");
	ck_assert_uint_eq(gaps(pair->fixture), 1);
	fixture_free(pair->fixture);
}

START_TEST(a_ring_change_before_missed_is_told)
{
	struct pair pair = trio_new();

	miss(pair.fixture);
	check_announced(&pair);
}
END_TEST

START_TEST(a_ring_change_before_missed_is_back)
{
	struct pair pair = trio_new();

	miss(pair.fixture);
	engine_tick(pair.fixture->engine);
	check_announced(&pair);
}
END_TEST

/* The announcement of a sync that was aborted parted nobody: the next one says it too. */
START_TEST(an_aborted_sync_announces_for_the_next)
{
	struct pair pair = trio_new();

	miss(pair.fixture);
	ring_sync(pair.fixture, RING(.members = NODES(1, 2, 3)));
	check_announced(&pair);
}
END_TEST

START_TEST(another_node_announces_that_it_missed_something)
{
	struct pair pair = trio_new();

	transitional(pair.fixture, NODES(3));
	sync_begin(pair.fixture, NODES(1, 2), NODES(1, 2));
	lose_batch(pair.fixture, 2); /* nobody is together with it: numbers are not compared */
	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, PEER_ANNOUNCE_MISSED);
	deliver_downlist(pair.fixture, 2);
	deliver_joinlist(pair.fixture, 2, SEVEN, 1);
	sync_own(pair.fixture);
	sync_end(pair.fixture);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:7d -3:8d");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2");
	ck_assert_uint_eq(gaps(pair.fixture), 0);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(announced_numbers_are_compared_with_those_expected)
{
	struct pair pair = trio_new();

	lose_batch(pair.fixture, 3); /* it left: where it starts is its business */
	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .left = NODES(3), .trans = NODES(1, 2)));
	ck_assert_uint_eq(gaps(pair.fixture), 0);
	deliver_batch(pair.fixture, 3, BY(8, "group"), JOINS);
	lose_batch(pair.fixture, 2); /* it did not */
	ring_sync(pair.fixture, RING(.members = NODES(1, 2, 3)));
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	fixture_free(pair.fixture);
}
END_TEST

/* ---- large messages ---- */

/* Who parted has forgotten what came of a message in fragments: its sender starts again. */
START_TEST(a_large_message_starts_again)
{
	struct pair pair = trio_new();
	uint64_t missed;

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 1/6 'abc'");
	missed = said_missed(pair.fixture, 2);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 2.1 10@group 20@group");
	both_present(pair.fixture, 2, missed);
	drop_all(&pair.two->events);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_LAST, 6, "def"), CS_OK);
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 10@group 1/6 'abc'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: 10@group 3/6 'def'");
	ck_assert_str_eq(next_event(pair.two), "1:10 1/6 'abc'");
	ck_assert_str_eq(next_event(pair.two), "1:10 3/6 'def'");
	ck_assert_str_eq(next_event(pair.two), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_large_message_of_one_that_parted_is_forgotten)
{
	struct pair pair = trio_new();
	uint64_t missed;

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"));
	deliver_batch(pair.fixture, 3, BY(8, "group"), PART(1, 6, "abc"));
	missed = said_missed(pair.fixture, 2);
	engine_tick(pair.fixture->engine);
	deliver_own(pair.fixture);
	both_present(pair.fixture, 2, missed);
	drop_all(&pair.one->events);
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 3, BY(8, "group"), PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "3:8 1/6 'abc'");
	ck_assert_str_eq(next_event(pair.one), "3:8 3/6 'def'");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- malformed ---- */

/* Its body has the lengths given, of what lies there: a group's name of 5 bytes, and zeros. */
static void deliver_bad_present(struct fixture *fixture, uint64_t missed, uint32_t name_length, size_t size)
{
	const struct peer_present present = {.number = missed, .nodeid = 2, .last = 0};
	const struct peer_process process = {.pid = 9, .name_length = name_length};
	uint8_t body[16 + 8 + 136] = {0};

	memcpy(body, &present, sizeof(present));
	memcpy(body + 16, &process, sizeof(process));
	memcpy(body + 24, "group", 5);
	deliver_batch(fixture, 2, {.kind = PEER_PRESENT, .body = body, .size = size});
}

START_TEST(a_downlist_does_not_undo_present)
{
	struct pair pair = trio_new();
	uint64_t missed = said_missed(pair.fixture, 2);

	drop_all(&pair.one->events);
	engine_tick(pair.fixture->engine);
	deliver_present(pair.fixture, 2, 2, missed, SEVEN);
	deliver_downlist(pair.fixture, 2);
	deliver_present(pair.fixture, 3, 2, missed, EIGHT);
	deliver_own(pair.fixture);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 3:8 +2:7u");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(malformed_present)
{
	static const struct {
		uint32_t name_length;
		size_t size;
	} bad[] = {{5, 0},  {5, 15},   {5, 17},	   {5, 23},    {5, 24},		{5, 31},
		   {9, 32}, {129, 32}, {129, 160}, {136, 160}, {UINT32_MAX, 32}};
	struct pair pair = trio_new();
	uint64_t missed = said_missed(pair.fixture, 2);
	struct engine_stats stats;
	size_t i;

	engine_tick(pair.fixture->engine);
	deliver_own(pair.fixture);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		deliver_bad_present(pair.fixture, missed, bad[i].name_length, bad[i].size);
		engine_stats(pair.fixture->engine, &stats);
		ck_assert_uint_eq(stats.bad_messages, i + 1);
	}
	drop_all(&pair.one->events);
	both_present(pair.fixture, 2, missed);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 3:8 +2:7u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	deliver_bad_present(pair.fixture, missed, 5, 15); /* also when nobody waits for it */
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, i + 1);
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		this_node_is_gone_and_back,
		missed_goes_before_everything,
		missed_does_not_wait_for_the_window,
		two_gaps_are_told_once,
		a_batch_for_a_ring_that_is_not_activated,
		a_batch_for_a_ring_that_is_not_ours,
		a_ring_change_before_such_a_ring_has_settled,
		who_did_not_announce_counts_from_where_it_is,
		a_batch_where_the_option_forces_stocks_format,
		own_batches_that_do_not_come_back,
		missed_that_does_not_come_back,
		another_node_is_gone_and_back,
		present_waits_for_what_is_on_its_way,
		no_room_for_present,
		a_long_list_of_processes_takes_several,
		it_begins_again_when_a_second_node_missed_something,
		present_that_waits_is_for_the_last_exchange_alone,
		both_miss_something_at_once,
		missed_is_not_forgotten_for_anothers,
		a_ring_change_ends_an_exchange,
		what_waits_of_an_exchange_ends_with_its_ring,
		a_ring_change_before_missed_is_told,
		a_ring_change_before_missed_is_back,
		an_aborted_sync_announces_for_the_next,
		another_node_announces_that_it_missed_something,
		announced_numbers_are_compared_with_those_expected,
		a_large_message_starts_again,
		a_large_message_of_one_that_parted_is_forgotten,
		a_downlist_does_not_undo_present,
		malformed_present,
	};

	return RUN_TESTS("engine: exchange", tests);
}
