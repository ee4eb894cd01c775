/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages in fragments: whole or not at all, and how many at once. */
#include <syslog.h>

#include "test/unit/peer_fixture.h"

#define MS (1000ull * 1000) /* ns */

static const struct engine_config limited = {
	.client_queue = ENGINE_CLIENT_QUEUE_DEFAULT,
	.client_stall = ENGINE_CLIENT_STALL_DEFAULT,
	.queue_total = 20,
	.message_max = 12,
};

/* With node 2 in a ring of ours, and its processes 7 and 8 in "group". */
static struct pair large_new(const struct engine_config *config)
{
	struct pair pair = pair_new(config);

	ring_change(pair.fixture, RING(.members = NODES(1, 2), .trans = NODES(1)));
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS, BY(8, "group"), JOINS);
	drop_all(&pair.one->events);
	drop_all(&pair.two->events);
	return pair;
}

/* The same with node 3, a stock one, whose process 7 it is. */
static struct pair mixed_new(const struct engine_config *config)
{
	struct pair pair = pair_new(config);

	ring_change(pair.fixture, RING(.members = NODES(1, 3), .trans = NODES(1), .stock = NODES(3)));
	deliver_procjoin(pair.fixture, 3, 7, "group");
	drop_all(&pair.one->events);
	drop_all(&pair.two->events);
	return pair;
}

/* ---- coming in ---- */

START_TEST(kept_until_it_is_whole)
{
	struct pair pair = large_new(&fixture_own_format);

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 9, "abc"), SAYS("in the middle"));
	ck_assert_str_eq(next_event(pair.one), "2:7 'in the middle'");
	deliver_batch(pair.fixture, 2, BY(8, "group"), PART(1, 4, "AB"), BY(7, "group"), PART(2, 9, "def"),
		      BY(8, "group"), PART(3, 4, "CD"));
	ck_assert_str_eq(next_event(pair.one), "2:8 1/4 'AB'");
	ck_assert_str_eq(next_event(pair.one), "2:8 3/4 'CD'");
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(3, 9, "ghi"));
	ck_assert_str_eq(next_event(pair.one), "2:7 1/9 'abc'");
	ck_assert_str_eq(next_event(pair.one), "2:7 2/9 'def'");
	ck_assert_str_eq(next_event(pair.one), "2:7 3/9 'ghi'");
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(3, 9, "ghi")); /* once */
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(of_stocks_nodes_too)
{
	struct pair pair = mixed_new(&fixture_own_format);

	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 6, "abc"));
	deliver_mcast(pair.fixture, 3, 7, "group", "in the middle");
	ck_assert_str_eq(next_event(pair.one), "3:7 'in the middle'");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "3:7 1/6 'abc'");
	ck_assert_str_eq(next_event(pair.one), "3:7 3/6 'def'");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(joined_in_the_middle_gets_it_whole)
{
	struct pair pair = large_new(&fixture_own_format);
	struct peer *late = peer_new(pair.fixture, 30), *gone = peer_new(pair.fixture, 40);

	joined(pair.fixture, gone, "group");
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"));
	joined(pair.fixture, late, "group");
	ck_assert_int_eq(request_leave(pair.fixture, gone, "group"), CS_OK);
	deliver_own(pair.fixture);
	drop_all(&late->events);
	drop_all(&gone->events);
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(3, 6, "def"));
	ck_assert_str_eq(next_event(late), "2:7 1/6 'abc'");
	ck_assert_str_eq(next_event(late), "2:7 3/6 'def'");
	ck_assert_str_eq(next_event(gone), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* Its sender goes before it is whole, and another of the same address does not end it. */
START_TEST(its_sender_leaves_or_dies)
{
	struct pair pair = large_new(&fixture_own_format);

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"), LEAVES, PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:8 -2:7l");
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS, PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 2:8 +2:7j");
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"), DIES, JOINS, PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:8 -2:7p");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 2:8 +2:7j");
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(its_node_goes)
{
	struct pair pair = mixed_new(&fixture_own_format);

	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 6, "abc"));
	ring_change(pair.fixture, RING(.members = NODES(1, 3), .trans = NODES(1), .left = NODES(3),
				       .stock = NODES(3), .named_by = 3, .named = PROCESSES({7, "group"})));
	drop_all(&pair.one->events);
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* Its sender, in a ring of ours, starts again: what is here of it must not be ended by something else. */
START_TEST(a_ring_change_forgets_what_is_not_whole)
{
	struct pair pair = large_new(&fixture_own_format);

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"));
	ring_change(pair.fixture, RING(.members = NODES(1, 2), .named_by = 2,
				       .named = PROCESSES({7, "group"}, {8, "group"})));
	drop_all(&pair.one->events);
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"), PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "2:7 1/6 'abc'");
	ck_assert_str_eq(next_event(pair.one), "2:7 3/6 'def'");
	fixture_free(pair.fixture);
}
END_TEST

/* Also when the ring that follows is a mixed one: what is sent again there starts anew. */
START_TEST(from_ours_to_mixed_it_is_forgotten)
{
	struct pair pair = large_new(&fixture_own_format);

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"));
	ring_sync(pair.fixture,
		  RING(.members = NODES(1, 2))); /* not activated: ours all the same before it */
	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2), .stock = NODES(3),
				       .named_by = 2, .named = PROCESSES({7, "group"})));
	drop_all(&pair.one->events);
	deliver_partial(pair.fixture, 2, 7, "group", (struct said)PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* From mixed to mixed what totem holds goes on. */
START_TEST(from_mixed_to_mixed_it_goes_on)
{
	struct pair pair = mixed_new(&fixture_own_format);

	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 6, "abc"));
	ring_change(pair.fixture, RING(.members = NODES(1, 3), .stock = NODES(3), .named_by = 3,
				       .named = PROCESSES({7, "group"})));
	drop_all(&pair.one->events);
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(3, 6, "def"));
	ck_assert_str_eq(next_event(pair.one), "3:7 1/6 'abc'");
	ck_assert_str_eq(next_event(pair.one), "3:7 3/6 'def'");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- what does not fit ---- */

START_TEST(a_tail_without_a_beginning)
{
	struct pair pair = large_new(&fixture_own_format);

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(2, 9, "def"), PART(3, 9, "ghi"), BY(9, "group"),
		      PART(1, 9, "abc"), PART(3, 9, "defghi"), BY(7, "nobody's"), PART(1, 3, "abc"));
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(lengths_that_do_not_add_up)
{
	struct pair pair = large_new(&fixture_own_format);

	/* another message's */
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"), PART(3, 7, "def"),
		      PART(3, 6, "def"));
	/* more than there is to come */
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"), PART(2, 6, "defg"),
		      PART(3, 6, "def"));
	/* less */
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"), PART(3, 6, "de"), PART(3, 6, "f"));
	/* the end is missing, and another one begins */
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 6, "abc"), PART(2, 6, "def"),
		      PART(1, 4, "AB"));
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(3, 4, "CD"));
	ck_assert_str_eq(next_event(pair.one), "2:7 1/4 'AB'");
	ck_assert_str_eq(next_event(pair.one), "2:7 3/4 'CD'");
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(an_empty_one)
{
	struct pair pair = large_new(&fixture_own_format);

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 0, ""), PART(3, 0, ""));
	ck_assert_str_eq(next_event(pair.one), "2:7 1/0 ''");
	ck_assert_str_eq(next_event(pair.one), "2:7 3/0 ''");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(larger_than_allowed_passes_through)
{
	struct pair pair = mixed_new(&limited);

	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 13, "abcdef"));
	ck_assert_str_eq(next_event(pair.one), "3:7 1/13 'abcdef'");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(2, 13, "ghi"));
	ck_assert_str_eq(next_event(pair.one), "3:7 2/13 'ghi'");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(3, 13, "jklm"));
	ck_assert_str_eq(next_event(pair.one), "3:7 3/13 'jklm'");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(3, 13, "jklm"));
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 13, "abcdef"));
	ck_assert_str_eq(next_event(pair.one), "3:7 1/13 'abcdef'");
	deliver_partial(pair.fixture, 3, 7, "group",
			(struct said)PART(2, 13, "ghijklmn")); /* more than it said */
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 13, "abcdef"));
	ck_assert_str_eq(next_event(pair.one), "3:7 1/13 'abcdef'");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(3, 13, "jklm")); /* with a hole */
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(too_much_together_passes_through)
{
	struct pair pair = mixed_new(&limited);

	deliver_procjoin(pair.fixture, 3, 8, "group");
	drop_all(&pair.one->events);
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 12, "abcdef"));
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_partial(pair.fixture, 3, 8, "group", (struct said)PART(1, 9, "AB"));
	ck_assert_str_eq(next_event(pair.one), "3:8 1/9 'AB'");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(3, 12, "ghijkl"));
	ck_assert_str_eq(next_event(pair.one), "3:7 1/12 'abcdef'");
	ck_assert_str_eq(next_event(pair.one), "3:7 3/12 'ghijkl'");
	deliver_partial(pair.fixture, 3, 8, "group", (struct said)PART(1, 9, "AB"));
	ck_assert_str_eq(next_event(pair.one), "none"); /* there is room again */
	fixture_free(pair.fixture);
}
END_TEST

/* Each fragment costs memory, however short it is: a message may have 2048, and one for each 512 bytes. */
#define FRAGMENTS_MOST(msglen) (2048u + (msglen) / 512u)

START_TEST(too_many_fragments_pass_through)
{
	struct pair pair = mixed_new(&fixture_own_format);
	unsigned int i;

	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(1, 1024, "abc"));
	for (i = 1; i < FRAGMENTS_MOST(1024); i++) {
		deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(2, 1024, ""));
	}
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(2, 1024, "def"));
	ck_assert_uint_eq(count_id(&pair.one->events, IPC_RES_PARTIAL_DELIVER), i + 1);
	ck_assert_str_eq(next_event(pair.one), "3:7 1/1024 'abc'");
	drop_all(&pair.one->events);
	deliver_partial(pair.fixture, 3, 7, "group", (struct said)PART(2, 1024, "ghi"));
	ck_assert_str_eq(next_event(pair.one), "3:7 2/1024 'ghi'");
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* Engines of ours keep to their limits, each for itself: what all send together is kept, or synchrony would be lost. */
START_TEST(in_a_ring_of_ours_nothing_passes_through)
{
	struct pair pair = large_new(&limited);

	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 13, "abc"), BY(8, "group"),
		      PART(1, 13, "ABC"));
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_batch(pair.fixture, 2, BY(8, "group"), PART(3, 13, "DEFGHIJKLM"));
	ck_assert_str_eq(next_event(pair.one), "2:8 1/13 'ABC'");
	ck_assert_str_eq(next_event(pair.one), "2:8 3/13 'DEFGHIJKLM'");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- going out ---- */

START_TEST(too_large_is_refused)
{
	struct pair pair = large_new(&limited);

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 13, "abc"),
			 CS_ERR_TOO_BIG);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_LAST, 13, "defghijklm"),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 12, "abc"), CS_OK);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(too_many_fragments_are_refused)
{
	struct pair pair = large_new(&fixture_own_format);
	unsigned int i;

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 1024, "abc"), CS_OK);
	for (i = 1; i < FRAGMENTS_MOST(1024); i++) {
		ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_CONTINUED, 1024, ""),
				 CS_OK);
	}
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_CONTINUED, 1024, ""),
			 CS_ERR_INVALID_PARAM);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(too_much_together_has_to_wait)
{
	struct pair pair = large_new(&limited);

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 12, "abcdef"), CS_OK);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_FIRST, 9, "ABC"),
			 CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_FIRST, 8, "ABC"), CS_OK);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_LAST, 8, "DEFGH"), CS_OK);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_FIRST, 8, "ABC"),
			 CS_ERR_TRY_AGAIN); /* it has not come back */
	deliver_own(pair.fixture);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_FIRST, 8, "ABC"), CS_OK);
	peer_gone(pair.fixture, pair.one); /* its unfinished one counts no more */
	deliver_own(pair.fixture);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_FIRST, 12, "ABC"), CS_OK);
	fixture_free(pair.fixture);
}
END_TEST

/* A message in two fragments ... */
static void send_whole(const struct pair *pair)
{
	ck_assert_int_eq(request_fragment(pair->fixture, pair->one, IPC_FRAGMENT_FIRST, 4, "AB"), CS_OK);
	ck_assert_int_eq(request_fragment(pair->fixture, pair->one, IPC_FRAGMENT_LAST, 4, "CD"), CS_OK);
}

/* ... is all that comes. */
static void check_whole(const struct pair *pair)
{
	drop_all(&pair->two->events);
	deliver_own(pair->fixture);
	ck_assert_str_eq(next_event(pair->two), "1:10 1/4 'AB'");
	ck_assert_str_eq(next_event(pair->two), "1:10 3/4 'CD'");
	ck_assert_str_eq(next_event(pair->two), "none");
}

/* It begins a message, and then makes no sense. */
static void begin_in_vain(const struct pair *pair)
{
	ck_assert_int_eq(request_fragment(pair->fixture, pair->one, IPC_FRAGMENT_FIRST, 12, "abc"), CS_OK);
	ck_assert_int_eq(request_fragment(pair->fixture, pair->one, IPC_FRAGMENT_LAST, 12, "abc"),
			 CS_ERR_INVALID_PARAM);
}

static uint64_t large_bytes(const struct fixture *fixture)
{
	struct engine_stats stats;

	engine_stats(fixture->engine, &stats);
	return stats.large_bytes;
}

/* Or a client could have receivers keep more and more. */
START_TEST(what_is_given_up_is_kept_nowhere)
{
	struct pair pair = large_new(&limited);
	int round;

	for (round = 0; round < 3; round++) {
		ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 12, "abc"),
				 CS_OK);
		deliver_own(pair.fixture);
		ck_assert_uint_eq(large_bytes(pair.fixture), 2 * 12);
		ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 13, "abc"),
				 CS_ERR_TOO_BIG);
		deliver_own(pair.fixture);
		ck_assert_uint_eq(large_bytes(pair.fixture), 0);
	}
	/* and the same by what makes no sense, and told once */
	begin_in_vain(&pair);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_LAST, 12, "abc"),
			 CS_ERR_INVALID_PARAM);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 9: 10@group 1/12 'abc'");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 10: 10@group 3/4294967295 ''");
	ck_assert_uint_eq(large_bytes(pair.fixture), 0);
	drop_all(&pair.one->events);
	drop_all(&pair.two->events);
	deliver_own(pair.fixture);
	ck_assert_str_eq(next_event(pair.two), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* In stock's format nothing says so: clients there would take it for a fragment. */
START_TEST(stocks_nodes_are_not_told)
{
	struct pair pair = mixed_new(&fixture_own_format);

	begin_in_vain(&pair);
	request_mcast(pair.fixture, pair.one, "behind it");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group 1/12 'abc'");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group 'behind it'");
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

/* What follows it is whole, whatever the ring does with both. */
START_TEST(behind_what_was_given_up)
{
	struct pair pair = large_new(&fixture_own_format);
	int changed;

	for (changed = 0; changed < 2; changed++) {
		begin_in_vain(&pair);
		send_whole(&pair);
		engine_token(pair.fixture->engine);
		if (changed) {
			ring_change(pair.fixture, RING(.members = NODES(1, 2)));
		}
		check_whole(&pair);
		ck_assert_uint_eq(large_bytes(pair.fixture), 0);
	}
	fixture_free(pair.fixture);
}
END_TEST

/* Another one asks for room that is not there. */
static void ask_in_vain(const struct pair *pair)
{
	ck_assert_int_eq(request_fragment(pair->fixture, pair->two, IPC_FRAGMENT_FIRST, 9, "ABC"),
			 CS_ERR_TRY_AGAIN);
}

/* And it comes back. */
static cs_error_t go_on(const struct pair *pair, const char *text)
{
	cs_error_t error = request_fragment(pair->fixture, pair->one, IPC_FRAGMENT_CONTINUED, 128, text);

	deliver_own(pair->fixture);
	return error;
}

static const struct engine_config room_for_one = {
	.client_queue = ENGINE_CLIENT_QUEUE_DEFAULT,
	.client_stall = 1000 * MS,
	.queue_total = 130,
	.message_max = 128,
};

/* Who keeps the room for large messages has to go on with his, or it is given up when another one wants it. */
START_TEST(room_is_not_kept_for_ever)
{
	struct pair pair = large_new(&room_for_one);
	int i;

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 128, "a"), CS_OK);
	pair.fixture->now += 3600 * 1000 * MS; /* nobody wants it */
	deliver_own(pair.fixture);
	ask_in_vain(&pair);
	pair.fixture->now += 50 * MS;
	ask_in_vain(&pair); /* it may have been us who stood still */
	ck_assert_int_eq(go_on(&pair, "bc"), CS_OK);
	for (i = 0; i < 2; i++) {
		pair.fixture->now += 999 * MS;
		ask_in_vain(&pair);
		ck_assert_int_eq(go_on(&pair, i ? "d" : "de"), CS_OK);
	}
	/* one of 128 is too little to count, and so is nothing, or to begin again */
	pair.fixture->now += 2 * MS;
	ask_in_vain(&pair);
	ck_assert_int_eq(go_on(&pair, ""), CS_OK);
	pair.fixture->now += 100 * MS;
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 128, "a"), CS_OK);
	deliver_own(pair.fixture);
	ask_in_vain(&pair);
	pair.fixture->now += MS;
	ck_assert_int_eq(go_on(&pair, ""), CS_OK);
	ask_in_vain(&pair);
	ck_assert_int_eq(go_on(&pair, "f"), CS_ERR_INTERRUPT);
	ck_assert_int_eq(go_on(&pair, "g"), CS_ERR_INTERRUPT);
	ck_assert_int_eq(pair.fixture->log_priority, LOG_WARNING);
	deliver_own(pair.fixture);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_FIRST, 9, "ABC"), CS_OK);
	deliver_own(pair.fixture);
	ck_assert_uint_eq(large_bytes(pair.fixture), 2 * 9); /* receivers have let go of it, too */
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 3, "a"), CS_OK);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_LAST, 4, "bc"),
			 CS_ERR_INVALID_PARAM);
	ck_assert(!pair.one->evicted);
	fixture_free(pair.fixture);
}
END_TEST

/* A slow ring is not its fault. */
START_TEST(what_is_on_its_way_does_not_stand_still)
{
	struct pair pair = large_new(&room_for_one);
	int i;

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 128, "abc"), CS_OK);
	engine_token(pair.fixture->engine);
	for (i = 0; i < 3; i++) {
		pair.fixture->now += 5000 * MS;
		ask_in_vain(&pair);
	}
	deliver_own(pair.fixture);
	pair.fixture->now += 999 * MS;
	ask_in_vain(&pair);
	pair.fixture->now += 101 * MS;
	ask_in_vain(&pair);
	ring_change(pair.fixture, RING(.members = NODES(1, 2))); /* on its way again, as it is */
	pair.fixture->now += 99 * MS;
	ask_in_vain(&pair);
	ck_assert_int_eq(go_on(&pair, ""), CS_OK);
	deliver_own(pair.fixture);
	pair.fixture->now += 2 * MS;
	ask_in_vain(&pair);
	ck_assert_int_eq(go_on(&pair, ""), CS_ERR_INTERRUPT);
	fixture_free(pair.fixture);
}
END_TEST

/* The one that has stood still for longest, and no more than make room. */
START_TEST(one_is_given_up)
{
	struct pair pair = large_new(&room_for_one);
	struct peer *third = peer_new(pair.fixture, 30);

	joined(pair.fixture, third, "group");
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_FIRST, 60, "AB"), CS_OK);
	pair.fixture->now += MS;
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 60, "ab"), CS_OK);
	deliver_own(pair.fixture);
	pair.fixture->now += 5000 * MS;
	ck_assert_int_eq(request_fragment(pair.fixture, third, IPC_FRAGMENT_FIRST, 60, "xy"),
			 CS_ERR_TRY_AGAIN);
	pair.fixture->now += 101 * MS;
	ck_assert_int_eq(request_fragment(pair.fixture, third, IPC_FRAGMENT_FIRST, 60, "xy"),
			 CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(request_fragment(pair.fixture, third, IPC_FRAGMENT_FIRST, 60, "xy"), CS_OK);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_CONTINUED, 60, "cd"), CS_OK);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.two, IPC_FRAGMENT_CONTINUED, 60, "CD"),
			 CS_ERR_INTERRUPT);
	fixture_free(pair.fixture);
}
END_TEST

/* A fragment that totem has comes back to nobody when its client is gone. */
START_TEST(death_with_fragments_on_their_way)
{
	struct pair pair = large_new(&fixture_own_format);

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 9, "abc"), CS_OK);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 1/9 'abc'");
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_CONTINUED, 9, "def"), CS_OK);
	engine_token(pair.fixture->engine);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_CONTINUED, 9, "gh"), CS_OK);
	peer_gone(pair.fixture, pair.one);
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 10@group 2/9 'def'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 10@group dies");
	ck_assert_str_eq(next_event(pair.two), "1:20 2:7 2:8 -1:10p");
	ring_change(pair.fixture, RING(.members = NODES(1), .left = NODES(2)));
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

/* A new first fragment ends the one before, on both sides. */
START_TEST(a_new_one_before_the_old_one_is_whole)
{
	struct pair pair = large_new(&fixture_own_format);

	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 9, "abc"), CS_OK);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 1/9 'abc'");
	send_whole(&pair);
	ring_change(pair.fixture, RING(.members = NODES(1, 2)));
	check_whole(&pair);
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		kept_until_it_is_whole,
		of_stocks_nodes_too,
		joined_in_the_middle_gets_it_whole,
		its_sender_leaves_or_dies,
		its_node_goes,
		a_ring_change_forgets_what_is_not_whole,
		from_ours_to_mixed_it_is_forgotten,
		from_mixed_to_mixed_it_goes_on,
		a_tail_without_a_beginning,
		lengths_that_do_not_add_up,
		an_empty_one,
		larger_than_allowed_passes_through,
		too_much_together_passes_through,
		too_many_fragments_pass_through,
		in_a_ring_of_ours_nothing_passes_through,
		too_large_is_refused,
		too_many_fragments_are_refused,
		too_much_together_has_to_wait,
		what_is_given_up_is_kept_nowhere,
		stocks_nodes_are_not_told,
		behind_what_was_given_up,
		room_is_not_kept_for_ever,
		what_is_on_its_way_does_not_stand_still,
		one_is_given_up,
		death_with_fragments_on_their_way,
		a_new_one_before_the_old_one_is_whole,
	};

	return RUN_TESTS("engine: messages in fragments", tests);
}
