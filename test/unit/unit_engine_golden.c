/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine sends in our own wire format is the golden vectors, byte by byte; it takes them whichever way round, and drops what is none. */
#include <stdlib.h>

#include "test/unit/peer_golden.h"

/* ---- it sends ---- */

/* The next one that the engine sent is this; it comes back. */
static void check_sent(struct fixture *fixture, const struct golden *golden)
{
	const struct packet *packet = fixture->peer_multicasts.first;

	ck_assert_ptr_nonnull(packet);
	ck_assert_uint_eq(packet->size, golden->size);
	ck_assert_mem_eq(packet->data, golden->native, golden->size);
	(void)batch_returns(fixture);
	engine_token(fixture->engine);
}

/* The golden ring begins, of nodes 1 and 2. */
static void ring_begins(struct fixture *fixture)
{
	fixture->ring_id = (struct memb_ring_id){.nodeid = GOLDEN_RING_NODEID, .seq = GOLDEN_RING_SEQ};
	transitional(fixture, NOBODY);
	engine_regular(fixture->engine, &fixture->ring_id);
	engine_sync_init(fixture->engine, NODES(1), 1, NODES(1, 2), 2, &fixture->ring_id);
	deliver_announce(fixture, 2, (struct versions)VERSION_NOW, 0);
	ck_assert_int_eq(engine_sync_process(fixture->engine), -1);
	drop_all(&fixture->multicasts);
}

static void ring_is_synchronised(struct fixture *fixture)
{
	engine_sync_activate(fixture->engine);
	engine_sync_over(fixture->engine);
	engine_tick(fixture->engine);
}

static void send_messages(struct fixture *fixture, struct peer *peer)
{
	fixture->totem_full = true;
	request_mcast(fixture, peer, "hello");
	request_mcast(fixture, peer, "");
	request_mcast(fixture, peer, "12345678");
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_OK);
	fixture->totem_full = false;
	engine_token(fixture->engine);
}

static void fall_behind(struct fixture *fixture, struct peer *peer)
{
	peer->room = 0;
	deliver_batch(fixture, 2, BY(1, "group"), JOINS, SAYS("more than its queue may hold"));
	peer->room = ROOM_ENDLESS;
}

START_TEST(what_the_engine_sends)
{
	struct engine_config config = fixture_own_format;
	struct fixture *fixture;
	struct peer *peer;

	config.client_queue = 200;
	fixture = fixture_new(&config);
	peer = peer_new(fixture, GOLDEN_PID);
	ring_begins(fixture);
	check_sent(fixture, &golden_announce);
	ring_is_synchronised(fixture);
	check_sent(fixture, &golden_mark);
	ck_assert_int_eq(request_join(fixture, peer, "group"), CS_OK);
	check_sent(fixture, &golden_join);
	send_messages(fixture, peer);
	check_sent(fixture, &golden_messages);
	joined(fixture, peer, "group");
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	check_sent(fixture, &golden_fragment);
	fall_behind(fixture, peer);
	engine_token(fixture->engine);
	check_sent(fixture, &golden_behind);
	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(1, "group"), SAYS("behind a gap"));
	engine_token(fixture->engine);
	check_sent(fixture, &golden_missed);
	check_sent(fixture, &golden_present);
	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(1, "group"), SAYS("behind another"));
	ring_begins(fixture);
	check_sent(fixture, &golden_gone);
	fixture_free(fixture);
}
END_TEST

/* A death that is on its way when one mixed ring follows another, the golden one. */
START_TEST(what_the_engine_repeats)
{
	struct fixture *fixture = fixture_new(&fixture_own_format);
	struct peer *peer = peer_new(fixture, GOLDEN_PID);
	struct packets held;

	joined(fixture, peer, "group");
	ring_change(fixture, RING(.members = NODES(1, 3), .trans = NODES(1), .stock = NODES(3)));
	peer_gone(fixture, peer);
	held = packets_held(&fixture->multicasts);
	transitional(fixture, NODES(3));
	fixture->ring_id = (struct memb_ring_id){.nodeid = GOLDEN_RING_NODEID, .seq = GOLDEN_RING_SEQ};
	engine_regular(fixture->engine, &fixture->ring_id);
	engine_sync_init(fixture->engine, NODES(1), 1, NODES(1, 3), 2, &fixture->ring_id);
	sync_own(fixture);
	ring_is_synchronised(fixture);
	comes_out(fixture, &held);
	check_sent(fixture, &golden_mark);
	check_sent(fixture, &golden_repeat);
	fixture_free(fixture);
}
END_TEST

/* A golden ring that has node 2, of ours, and node 3, of stock's, in it. */
static struct fixture *golden_mixed_ring(void)
{
	struct fixture *fixture = fixture_new(&fixture_own_format);

	transitional(fixture, NOBODY);
	fixture->ring_id = (struct memb_ring_id){.nodeid = GOLDEN_RING_NODEID, .seq = GOLDEN_RING_SEQ};
	engine_regular(fixture->engine, &fixture->ring_id);
	engine_sync_init(fixture->engine, NODES(1), 1, NODES(1, 2, 3), 3, &fixture->ring_id);
	deliver_announce(fixture, 2, (struct versions)VERSION_NOW, 0);
	sync_own(fixture);
	ring_is_synchronised(fixture);
	deliver_own(fixture);
	return fixture;
}

START_TEST(what_the_engine_tells)
{
	struct fixture *fixture = golden_mixed_ring();

	deliver_procleave(fixture, 3, GOLDEN_PID, "group", 5);
	engine_token(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "begins 1");
	engine_token(fixture->engine);
	check_sent(fixture, &golden_news);
	fixture_free(fixture);
}
END_TEST

/* ---- it takes ---- */

static void comes_from_two(struct fixture *fixture, const struct golden *golden, bool swapped)
{
	struct block block = block_of(golden, swapped, golden->size);

	engine_peer_message(fixture->engine, block.bytes.at, golden->size, swapped, 2);
	fixture->numbers[2]++;
	free(block.memory);
}

/* The golden ring, synchronised; node 2 announces that its next batch has this number. */
static struct fixture *golden_ring(uint64_t number)
{
	struct fixture *fixture = fixture_new(&fixture_own_format);

	fixture->numbers[2] = number;
	ring_begins(fixture);
	deliver_own(fixture);
	ring_is_synchronised(fixture);
	deliver_own(fixture);
	return fixture;
}

static void check_taken(bool swapped)
{
	struct fixture *fixture = golden_ring(1);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	ck_assert_int_eq(request_hello(fixture, peer, IPC_FEATURE_RINGS), CS_OK);
	drop_all(&peer->events);
	comes_from_two(fixture, &golden_join, swapped);
	ck_assert_str_eq(next_event(peer), "1:10 2:168496141 +2:168496141j");
	comes_from_two(fixture, &golden_messages, swapped);
	ck_assert_str_eq(next_event(peer), "2:168496141 'hello'");
	ck_assert_str_eq(next_event(peer), "2:168496141 ''");
	ck_assert_str_eq(next_event(peer), "2:168496141 '12345678'");
	ck_assert_str_eq(next_event(peer), "1:10 -2:168496141l");
	deliver_batch(fixture, 2, BY(GOLDEN_PID, "group"), JOINS);
	comes_from_two(fixture, &golden_fragment, swapped);
	drop_all(&peer->events);
	ck_assert(!fixture_control(fixture)->receiver_behind);
	comes_from_two(fixture, &golden_behind, swapped);
	ck_assert(fixture_control(fixture)->receiver_behind);
	comes_from_two(fixture, &golden_missed, swapped);
	ck_assert_str_eq(next_event(peer), "1:10 -2:168496141d");
	ck_assert_str_eq(next_event(peer), "ring 1");
	fixture_free(fixture);
}

/* Batch 6 of this node says MISSED: what the golden PRESENT is for. */
static void check_present_is_taken(bool swapped)
{
	struct fixture *fixture = golden_ring(5);
	struct peer *peer = peer_new(fixture, 10);
	int i;

	joined(fixture, peer, "group");
	for (i = 2; i < 6; i++) {
		request_mcast(fixture, peer, "message");
		deliver_own(fixture);
	}
	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(GOLDEN_PID, "group"), JOINS);
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 6: missed");
	engine_tick(fixture->engine);
	deliver_own(fixture);
	drop_all(&peer->events);
	comes_from_two(fixture, &golden_present, swapped);
	ck_assert_str_eq(next_event(peer), "1:10 2:168496141 +2:168496141u");
	ck_assert_str_eq(next_event(peer), "ring 1 2");
	fixture_free(fixture);
}

static void check_news_are_taken(bool swapped)
{
	struct fixture *fixture = golden_mixed_ring();
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	deliver_procjoin(fixture, 3, GOLDEN_PID, "group");
	drop_all(&peer->events);
	deliver_round(fixture, 2, 1);
	comes_from_two(fixture, &golden_news, swapped);
	ck_assert_str_eq(next_event(peer), "1:10 -3:168496141p");
	fixture_free(fixture);
}

START_TEST(the_engine_takes_both_byte_orders)
{
	check_news_are_taken(false);
	check_news_are_taken(true);
	check_taken(false);
	check_taken(true);
	check_present_is_taken(false);
	check_present_is_taken(true);
}
END_TEST

/* An announcement in the other order makes the ring ours, and its flags and number count. */
START_TEST(announcements_in_the_other_byte_order)
{
	struct fixture *fixture = golden_ring(8);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	deliver_batch(fixture, 2, BY(7, "group"), JOINS);
	drop_all(&peer->events);
	ring_begins(fixture);
	(void)batch_returns(fixture); /* its own */
	comes_from_two(fixture, &golden_gone,
		       true); /* after the one of ring_begins(): its number, 8, is not 9 */
	fixture->numbers[2] = 8;
	ring_is_synchronised(fixture);
	drop_all(&fixture->peer_multicasts);
	ck_assert_str_eq(next_event(peer), "1:10 -2:7d");
	ck_assert_str_eq(next_event(peer), "ring 1 2");
	deliver_batch(fixture, 2, BY(7, "group"), JOINS);
	ck_assert_str_eq(next_event(peer), "1:10 2:7 +2:7j");
	fixture_free(fixture);
}
END_TEST

/* ---- it drops ---- */

/* Its number is still to come: who takes the rest of one batch for the end of another would pass over both. */
START_TEST(a_batch_with_the_end_of_another_is_none)
{
	struct block block = block_of(&golden_join, false, golden_join.size);
	struct fixture *fixture = golden_ring(1);
	struct engine_stats stats;

	put_field(&block, golden_join.size - 8, 8, 2);
	deliver_peer(fixture, block.bytes.at, golden_join.size, 2);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 1);
	ck_assert_uint_eq(stats.members, 0);
	comes_from_two(fixture, &golden_join, false);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.members, 1);
	ck_assert_uint_eq(stats.gaps, 0);
	free(block.memory);
	fixture_free(fixture);
}
END_TEST

/* Dropped, counted, and said once. */
START_TEST(the_engine_drops_what_is_malformed)
{
	struct fixture *fixture = golden_ring(1);
	struct engine_stats stats;
	size_t size;

	fixture->log_lines = 0;
	for (size = 0; size < golden_join.size; size++) {
		deliver_peer(fixture, golden_join.native, size, 2);
	}
	deliver_peer(fixture, golden_join.swapped, golden_join.size, 2); /* nobody said so */
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, golden_join.size + 1);
	ck_assert_uint_eq(stats.members, 0);
	ck_assert_uint_eq(stats.gaps, 0);
	ck_assert_uint_eq(fixture->log_lines, 1);
	deliver_peer(fixture, golden_join.native, golden_join.size, 2);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.members, 1);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_the_engine_sends,
		what_the_engine_repeats,
		what_the_engine_tells,
		the_engine_takes_both_byte_orders,
		announcements_in_the_other_byte_order,
		a_batch_with_the_end_of_another_is_none,
		the_engine_drops_what_is_malformed,
	};

	return RUN_TESTS("engine: golden vectors", tests);
}
