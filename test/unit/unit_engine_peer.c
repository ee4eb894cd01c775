/* SPDX-License-Identifier: BSD-3-Clause */
/* Our own wire format: batches, who speaks it, and what is taken. */
#include <stdlib.h>
#include <string.h>

#include "test/unit/peer_fixture.h"

#define BATCH_MOST ((size_t)60 * 1024) /* of records, unless it is one */
#define HEAD 32u
#define END 8u
#define MESSAGE_MOST ((size_t)1024 * 1024 - 1024) /* cpg_max_atomic_msgsize */
/* What totem's process groups put before a message to one group: a count, a length, and the name. */
#define GROUP_HEADER (2u * sizeof(uint16_t) + strlen(PEER_GROUP))

static char *text_of(size_t length)
{
	char *text = malloc(length + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, 't', length);
	text[length] = '\0';
	return text;
}

static void mcast_of(struct fixture *fixture, struct peer *peer, size_t length)
{
	char *text = text_of(length);

	request_mcast(fixture, peer, text);
	free(text);
}

static const struct ring with_ours = {.members = (const uint32_t[]){SELF, 2, 0},
				      .trans = (const uint32_t[]){SELF, 0}};
/* ---- batches ---- */

START_TEST(a_lone_message_goes_out_at_once)
{
	struct pair pair = pair_new(&fixture_own_format);

	request_mcast(pair.fixture, pair.one, "hello");
	ck_assert_uint_eq(pair.fixture->multicasts.count, 0);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 'hello'");
	ck_assert_str_eq(next_event(pair.one), "1:10 'hello'");
	ck_assert_str_eq(next_event(pair.two), "1:10 'hello'");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(what_comes_meanwhile_joins_one_batch)
{
	struct pair pair = pair_new(&fixture_own_format);

	request_mcast(pair.fixture, pair.one, "1");
	request_mcast(pair.fixture, pair.one, "2");
	request_mcast(pair.fixture, pair.one, "3");
	request_mcast(pair.fixture, pair.two, "4");
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	request_mcast(pair.fixture, pair.one, "5");
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1);
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group '1'");
	ck_assert_str_eq(batch_returns(pair.fixture),
			 "batch 4: 10@group '2' '3' 20@group '4' leaves 10@group '5'");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* An idle ring brings no token. */
START_TEST(what_waits_goes_when_nothing_is_on_its_way)
{
	struct pair pair = pair_new(&fixture_own_format);

	request_mcast(pair.fixture, pair.one, "1");
	request_mcast(pair.fixture, pair.one, "2");
	pair.fixture->now += 1000;
	pair.fixture->wake_at = 0;
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group '1'");
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 0); /* not from there */
	ck_assert_uint_eq(pair.fixture->wake_at, pair.fixture->now);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 10@group '2'");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_full_batch_costs_little)
{
	enum { MESSAGES = 700, LENGTH = 64 };
	struct pair pair = pair_new(&fixture_own_format);
	const struct packet *packet;
	size_t i;

	request_mcast(pair.fixture, pair.one, "on its way");
	for (i = 0; i < MESSAGES; i++) {
		mcast_of(pair.fixture, pair.one, LENGTH);
	}
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 'on its way'");
	packet = pair.fixture->peer_multicasts.first;
	ck_assert_uint_ge(packet->size, (size_t)MESSAGES * LENGTH);
	ck_assert_uint_le(packet->size, (size_t)MESSAGES * (LENGTH + 24));
	drop_all(&pair.one->events);
	deliver_own(pair.fixture);
	ck_assert_uint_eq(count_id(&pair.one->events, IPC_RES_DELIVER), MESSAGES);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_batch_fits_a_packet_unless_one_record_does_not)
{
	static const size_t lengths[] = {50000, 12000, 10000, 61440 - 24 - 8, 1, 100000, 1, 61440 - 24 - 7};
	struct pair pair = pair_new(&fixture_own_format);
	struct packet *packet;
	size_t i, large = 0, batches = 0;

	request_mcast(pair.fixture, pair.one, "on its way");
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		mcast_of(pair.fixture, pair.one, lengths[i]);
	}
	while ((packet = take(&pair.fixture->peer_multicasts))) {
		large += packet->size > BATCH_MOST + HEAD + END;
		batches++;
		deliver_peer(pair.fixture, packet->data, packet->size, SELF);
		free(packet);
		engine_token(pair.fixture->engine);
	}
	ck_assert_uint_eq(large, 2);
	ck_assert_uint_eq(batches, 8); /* 12000 and 10000 go together */
	ck_assert_uint_eq(count_id(&pair.one->events, IPC_RES_DELIVER), 1 + i);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(the_largest_message_fits_totem)
{
	struct fixture *fixture = fixture_new(&fixture_own_format);
	struct peer *peer = peer_new(fixture, 10);
	size_t most = TOTEM_MESSAGE_SIZE_MAX - 256 - sizeof(struct wire_partial_mcast);
	char name[IPC_NAME_MAX + 1] = {0};
	char *text = text_of(MESSAGE_MOST);

	memset(name, 'n', IPC_NAME_MAX);
	joined(fixture, peer, name);
	request_mcast(fixture, peer, text);
	ck_assert_uint_ge(fixture->peer_multicasts.first->size, MESSAGE_MOST);
	ck_assert_uint_le(fixture->peer_multicasts.first->size + GROUP_HEADER, TOTEM_MESSAGE_SIZE_MAX);
	deliver_own(fixture);
	ck_assert_uint_eq(count_id(&peer->events, IPC_RES_DELIVER), 1);
	free(text);
	text = text_of(most);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 2000000, text), CS_OK);
	ck_assert_uint_ge(fixture->peer_multicasts.first->size, strlen(text));
	ck_assert_uint_le(fixture->peer_multicasts.first->size + GROUP_HEADER, TOTEM_MESSAGE_SIZE_MAX);
	free(text);
	fixture_free(fixture);
}
END_TEST

#define WINDOW_MOST ((size_t)512 * 1024) /* WINDOW_MAX */

/* Nor less, when enough of it comes back between two visits of the token. */
START_TEST(totem_never_holds_more_than_the_window)
{
	struct pair pair = pair_new(&fixture_own_format);
	size_t sent, held, most = 0;

	for (sent = 0; sent < 80; sent++) {
		mcast_of(pair.fixture, pair.one, 100 * 1000);
		engine_token(pair.fixture->engine);
	}
	ck_assert(pair.fixture->holding); /* 8 MB: no more requests, please */
	while ((held = bytes_of(&pair.fixture->peer_multicasts))) {
		ck_assert_uint_le(held, WINDOW_MOST);
		most = held > most ? held : most;
		while (pair.fixture->peer_multicasts.first) {
			(void)batch_returns(pair.fixture);
		}
		engine_token(pair.fixture->engine);
	}
	ck_assert_uint_ge(most, WINDOW_MOST - 100 * 1000);
	ck_assert_uint_eq(count_id(&pair.two->events, IPC_RES_DELIVER), sent);
	ck_assert(!pair.fixture->holding);
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(no_room_in_totem_loses_nothing)
{
	struct pair pair = pair_new(&fixture_own_format);

	pair.fixture->totem_full = true;
	request_mcast(pair.fixture, pair.one, "1");
	engine_token(pair.fixture->engine);
	request_mcast(pair.fixture, pair.one, "2");
	pair.fixture->totem_full = false;
	ck_assert_uint_ne(pair.fixture->wake_at, 0);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group '1' '2'");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- who speaks it ---- */

/* Ring of 1 and 2; its format shows in what a message goes out as. */
static bool is_ours(struct fixture *fixture, struct peer *peer)
{
	bool ours;

	sync_end(fixture);
	request_mcast(fixture, peer, "to whom?");
	ours = fixture->peer_multicasts.count != 0;
	ck_assert_uint_eq(fixture->peer_multicasts.count + fixture->multicasts.count, 1);
	deliver_own(fixture);
	return ours;
}

static void sync_with_two(struct fixture *fixture)
{
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1, 2));
}

START_TEST(ours_when_all_announced)
{
	struct pair pair = pair_new(&fixture_own_format);

	sync_with_two(pair.fixture);
	sync_own(pair.fixture);
	ck_assert(!is_ours(pair.fixture, pair.one));
	sync_with_two(pair.fixture);
	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, 0);
	sync_own(pair.fixture);
	ck_assert(is_ours(pair.fixture, pair.one));
	sync_with_two(pair.fixture);
	deliver_announce(pair.fixture, 3, (struct versions)VERSION_NOW, 0); /* another one */
	sync_own(pair.fixture);
	ck_assert(!is_ours(pair.fixture, pair.one));
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(announcements_for_another_ring_do_not_count)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct memb_ring_id id;

	sync_with_two(pair.fixture);
	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, 0);
	id = pair.fixture->ring_id;
	sync_with_two(pair.fixture); /* the one before counts no more */
	sync_own(pair.fixture);
	ck_assert(!is_ours(pair.fixture, pair.one));
	sync_with_two(pair.fixture);
	sync_own(pair.fixture);
	pair.fixture->ring_id = id;
	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, 0); /* a stale one comes out late */
	ck_assert(!is_ours(pair.fixture, pair.one));
	sync_with_two(pair.fixture);
	sync_own(pair.fixture);
	pair.fixture->ring_id.nodeid++; /* the same number, by another representative */
	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, 0);
	ck_assert(!is_ours(pair.fixture, pair.one));
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(versions_must_overlap)
{
	static const struct {
		struct versions versions;
		bool ours;
	} cases[] = {{{2, 2}, true},  {{1, 9}, true},  {{0, 255}, true},
		     {{3, 9}, false}, {{1, 1}, false}, {{9, 1}, false}};
	struct pair pair = pair_new(&fixture_own_format);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sync_with_two(pair.fixture);
		deliver_announce(pair.fixture, 2, cases[i].versions, 0);
		sync_own(pair.fixture);
		ck_assert_int_eq(is_ours(pair.fixture, pair.one), cases[i].ours);
	}
	ck_assert_str_eq(pair.fixture->log_line,
			 "wire format: stock's, because nodes have no version of ours in common");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(the_format_is_logged_when_it_changes)
{
	struct pair pair = pair_new(&fixture_own_format);

	ck_assert_str_eq(pair.fixture->log_line, "wire format: our own, version 2: all 1 nodes speak it");
	ring_change(pair.fixture, &with_ours);
	ck_assert_uint_eq(pair.fixture->log_lines, 0);
	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_str_eq(pair.fixture->log_line,
			 "wire format: stock's, because these nodes speak no other: 3");
	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_uint_eq(pair.fixture->log_lines, 1);
	ring_change(pair.fixture, &with_ours);
	ck_assert_uint_eq(pair.fixture->log_lines, 2);
	ck_assert_str_eq(pair.fixture->log_line, "wire format: our own, version 2: all 2 nodes speak it");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(the_option_forces_stocks_format)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	ck_assert_str_eq(fixture->log_line, "wire format: stock's, by the option wire");
	joined(fixture, peer, "group");
	sync_with_two(fixture);
	deliver_announce(fixture, 2, (struct versions)VERSION_NOW, 0);
	ck_assert_int_eq(engine_sync_process(fixture->engine), -1);
	ck_assert_uint_eq(fixture->peer_multicasts.count, 0); /* it announces nothing */
	sync_own(fixture);
	ck_assert(!is_ours(fixture, peer));
	fixture_free(fixture);
}
END_TEST

START_TEST(the_announcement_says_the_next_number)
{
	struct pair pair = pair_new(&fixture_own_format);

	request_mcast(pair.fixture, pair.one, "comes back");
	deliver_own(pair.fixture);
	transitional(pair.fixture, NOBODY);
	sync_begin(pair.fixture, NODES(1), NODES(1));
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first), "announce 4");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- what is taken ---- */

START_TEST(batches_of_others_are_taken)
{
	struct pair pair = pair_new(&fixture_own_format);

	ring_change(pair.fixture, &with_ours);
	drop_all(&pair.one->events);
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS, SAYS("1"), SAYS(""), BY(7, "elsewhere"),
		      SAYS("?"), BY(8, "group"), SAYS("?"), JOINS, SAYS("2"), BY(7, "group"), LEAVES,
		      SAYS("?"), BY(8, "group"), DIES);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7j");
	ck_assert_str_eq(next_event(pair.one), "2:7 '1'");
	ck_assert_str_eq(next_event(pair.one), "2:7 ''");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 2:8 +2:8j");
	ck_assert_str_eq(next_event(pair.one), "2:8 '2'");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:8 -2:7l");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:8p");
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(batches_of_another_ring_are_dropped)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats before, after;

	ring_change(pair.fixture, &with_ours);
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS);
	drop_all(&pair.one->events);
	engine_stats(pair.fixture->engine, &before);
	pair.fixture->ring_id.seq--;
	deliver_batch(pair.fixture, 2, SAYS("stale"));
	pair.fixture->ring_id.seq++;
	pair.fixture->ring_id.nodeid++;
	deliver_batch(pair.fixture, 2, SAYS("stale"));
	pair.fixture->ring_id.nodeid--;
	pair.fixture->numbers[2] -= 2; /* and what takes their place has their numbers */
	deliver_batch(pair.fixture, 2, BY(7, "group"), SAYS("fresh"));
	engine_stats(pair.fixture->engine, &after);
	ck_assert_uint_eq(after.stale, before.stale + 2);
	ck_assert_uint_eq(after.gaps, 0);
	ck_assert_str_eq(next_event(pair.one), "2:7 'fresh'");
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(malformed_batches_hurt_nobody)
{
	static const uint8_t bytes[3] = {0};
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats stats;

	ring_change(pair.fixture, &with_ours);
	drop_all(&pair.one->events);
	deliver_batch(pair.fixture, 2, JOINS);				     /* nobody does */
	deliver_batch(pair.fixture, 2, {.kind = 99});			     /* no such record */
	deliver_batch(pair.fixture, 2, BY(7, "group"), {.kind = 99}, JOINS); /* the rest is not taken */
	deliver_batch(pair.fixture, 2,
		      {.kind = PEER_SENDER, .body = bytes, .size = 3}); /* bare pid: too short */
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(0, 9, "abc"));
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(4, 9, "abc"));
	deliver_batch(pair.fixture, 2, BY(7, "group"), PART(1, 2, "abc"));
	deliver_batch(pair.fixture, 2, BY(7, "group"), {.kind = PEER_MESSAGE, .body = bytes, .size = 3},
		      JOINS); /* of no member: but well formed */
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 7);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7j");
	pair.fixture->numbers[2]--;
	deliver_batch(pair.fixture, 2, BY(7, "group"), SAYS("once more"));
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 8);
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* Node 2 says what is so long. Events for that fit the buffer of a stock library; returns how many there are. */
static size_t heard_of(struct pair *pair, const struct said *said)
{
	struct packet *event;
	size_t count = 0;

	deliver_records(pair->fixture, 2, said);
	while ((event = take(&pair->one->events))) {
		ck_assert_uint_le(event->size, IPC_BUFFER_SIZE);
		count++;
		free(event);
	}
	return count;
}

static size_t heard_message(struct pair *pair, size_t length)
{
	char *text = text_of(length);
	const struct said said[] = {BY(7, "group"), SAYS("short"), SAYS(text), SAYS("short"), {.kind = 0}};
	size_t count = heard_of(pair, said);

	free(text);
	return count;
}

static size_t heard_fragments(struct pair *pair, size_t length)
{
	char *text = text_of(length);
	const struct said first[] = {BY(7, "group"), PART(1, (uint32_t)(2 * length), text), {.kind = 0}};
	const struct said last[] = {BY(7, "group"), PART(3, (uint32_t)(2 * length), text), {.kind = 0}};
	size_t count = heard_of(pair, first);

	count += heard_of(pair, last);
	free(text);
	return count;
}

/* Engines of ours don't send it; from one that does it would cost each stock library in the group its connection. */
START_TEST(what_no_client_could_get_is_dropped)
{
	const size_t message = TOTEM_MESSAGE_SIZE_MAX - 256 - sizeof(struct wire_mcast);
	const size_t fragment = TOTEM_MESSAGE_SIZE_MAX - 256 - sizeof(struct wire_partial_mcast);
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats stats;

	ring_change(pair.fixture, &with_ours);
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS);
	drop_all(&pair.one->events);
	ck_assert_uint_eq(heard_message(&pair, message), 3);
	ck_assert_uint_eq(heard_fragments(&pair, fragment), 2);
	ck_assert_uint_eq(heard_message(&pair, message + 1), 1); /* what is behind it goes with it */
	ck_assert_uint_eq(heard_message(&pair, message + 200), 1);
	ck_assert_uint_eq(heard_fragments(&pair, fragment + 1), 0);
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 4);
	fixture_free(pair.fixture);
}
END_TEST

static void stock_from_three(struct fixture *fixture)
{
	deliver_procjoin(fixture, 3, 7, "group");
	deliver_mcast(fixture, 3, 7, "group", "stock");
	deliver_partial(fixture, 3, 7, "group", (struct said)PART(1, 2, "a"));
	deliver_partial(fixture, 3, 7, "group", (struct said)PART(3, 2, "b"));
	deliver_procleave(fixture, 3, 7, "group", 2);
}

START_TEST(stocks_messages_are_taken_in_mixed_rings_alone)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats before, after;

	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1)));
	drop_all(&pair.one->events);
	engine_stats(pair.fixture->engine, &before);
	stock_from_three(pair.fixture);
	engine_stats(pair.fixture->engine, &after);
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert_uint_eq(after.stale, before.stale + 5);
	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .left = NODES(3), .trans = NODES(1, 2),
				       .stock = NODES(3)));
	drop_all(&pair.one->events);
	stock_from_three(pair.fixture);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 +3:7j");
	ck_assert_str_eq(next_event(pair.one), "3:7 'stock'");
	ck_assert_str_eq(next_event(pair.one), "3:7 1/2 'a'");
	ck_assert_str_eq(next_event(pair.one), "3:7 3/2 'b'");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -3:7l");
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_lone_message_goes_out_at_once,
		what_comes_meanwhile_joins_one_batch,
		what_waits_goes_when_nothing_is_on_its_way,
		a_full_batch_costs_little,
		a_batch_fits_a_packet_unless_one_record_does_not,
		the_largest_message_fits_totem,
		totem_never_holds_more_than_the_window,
		no_room_in_totem_loses_nothing,
		ours_when_all_announced,
		announcements_for_another_ring_do_not_count,
		versions_must_overlap,
		the_format_is_logged_when_it_changes,
		the_option_forces_stocks_format,
		the_announcement_says_the_next_number,
		batches_of_others_are_taken,
		batches_of_another_ring_are_dropped,
		malformed_batches_hurt_nobody,
		what_no_client_could_get_is_dropped,
		stocks_messages_are_taken_in_mixed_rings_alone,
	};

	return RUN_TESTS("engine: our own format", tests);
}
