/* SPDX-License-Identifier: BSD-3-Clause */
/* What processes of stock nodes did, told by those of ours who heard it to those who may have missed it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/peer_fixture.h"

/* Nodes 2 and 4 are ours, 3 and 5 stock's. */
static const struct ring mixed = {.members = (const uint32_t[]){SELF, 2, 3, 4, 5, 0},
				  .trans = (const uint32_t[]){SELF, 0},
				  .stock = (const uint32_t[]){3, 5, 0},
				  .named_by = 3,
				  .named = (const struct named[]){{7, "group"}, {0, NULL}}};

/* In that ring, with 1:10, 1:20 and 3:7 in "group". */
static struct pair mixed_new(void)
{
	struct pair pair = pair_new(&fixture_own_format);

	ring_change(pair.fixture, &mixed);
	drop_all(&pair.one->events);
	drop_all(&pair.two->events);
	return pair;
}

/* What goes out when the token comes. */
static const char *tells(const struct pair *pair)
{
	engine_token(pair->fixture->engine);
	return batch_returns(pair->fixture);
}

#define NOTHING "none"

/* ---- telling ---- */

START_TEST(a_join_is_told)
{
	struct pair pair = mixed_new();

	pair.fixture->wake_at = 0;
	deliver_procjoin(pair.fixture, 3, 8, "group");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 3:8 +3:8j");
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 0); /* not from there */
	ck_assert_uint_ne(pair.fixture->wake_at, 0);		   /* an idle ring brings no token */
	request_mcast(pair.fixture, pair.one, "says");
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 0); /* nor from each request */
	ck_assert_str_eq(tells(&pair), "begins 1");
	ck_assert_str_eq(tells(&pair), "last 1: of 3 8@group joins");
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(leaves_and_deaths_are_told)
{
	struct pair pair = mixed_new();

	deliver_procjoin(pair.fixture, 5, 8, "group");
	deliver_procleave(pair.fixture, 3, 7, "group", 2);
	deliver_procleave(pair.fixture, 5, 8, "group", 5);
	deliver_procleave(pair.fixture, 5, 9, "another", 5); /* that had not come */
	ck_assert_str_eq(tells(&pair), "begins 1");
	ck_assert_str_eq(tells(&pair), "last 1: of 3 7@group leaves of 5 8@group dies of 5 9@another dies");
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

/* What comes in between is of the next round. */
START_TEST(a_round_tells_what_was_before_it)
{
	struct pair pair = mixed_new();

	deliver_procjoin(pair.fixture, 3, 8, "group");
	deliver_procjoin(pair.fixture, 3, 9, "group");
	engine_token(pair.fixture->engine);
	deliver_procjoin(pair.fixture, 3, 10, "group");
	ck_assert_str_eq(batch_returns(pair.fixture), "begins 1");
	deliver_procjoin(pair.fixture, 3, 11, "group");
	deliver_procleave(pair.fixture, 3, 9, "group", 2);
	ck_assert_str_eq(tells(&pair), "last 1: of 3 8@group joins of 3 10@group joins");
	ck_assert_str_eq(tells(&pair), "begins 2");
	ck_assert_str_eq(tells(&pair), "last 2: of 3 11@group joins of 3 9@group leaves");
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

/* The processes that are told in a message that goes out. `last`: of the round. */
static size_t joins_told(struct fixture *fixture, bool *last)
{
	const struct packet *packet = fixture->peer_multicasts.first;
	const char *text;
	size_t told = 0;

	ck_assert_uint_le(packet->size, 8192 + 32);
	*last = packet->data[24] == PEER_NEWS_LAST;
	for (text = batch_returns(fixture); (text = strstr(text, "joins")); text++) {
		told++;
	}
	return told;
}

/* Not all at once: totem's queue has no room for whatever there may be. */
START_TEST(many_take_several_messages)
{
	enum { PROCESSES = 1000 };
	struct pair pair = mixed_new();
	size_t told = 0, visits = 0;
	bool last = false;
	uint32_t pid;

	for (pid = 1; pid <= PROCESSES; pid++) {
		deliver_procjoin(pair.fixture, 3, 100 + pid, "another");
	}
	ck_assert_str_eq(tells(&pair), "begins 1");
	for (; !last; visits++) {
		engine_token(pair.fixture->engine);
		ck_assert_uint_ge(pair.fixture->peer_multicasts.count, 1);
		ck_assert_uint_le(pair.fixture->peer_multicasts.count, 2);
		while (pair.fixture->peer_multicasts.first) {
			ck_assert(!last);
			told += joins_told(pair.fixture, &last);
		}
	}
	ck_assert_uint_eq(told, PROCESSES);
	ck_assert_uint_gt(visits, 2);
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(no_room_in_totem)
{
	struct pair pair = mixed_new();

	deliver_procjoin(pair.fixture, 3, 8, "group");
	pair.fixture->totem_full = true;
	ck_assert_str_eq(tells(&pair), NOTHING);
	pair.fixture->totem_full = false;
	ck_assert_str_eq(tells(&pair), "begins 2");
	pair.fixture->totem_full = true;
	ck_assert_str_eq(tells(&pair), NOTHING);
	pair.fixture->totem_full = false;
	ck_assert_str_eq(tells(&pair), "last 2: of 3 8@group joins");
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

/* Only ours can be told, and they tell their own joins themselves. */
START_TEST(what_is_not_told)
{
	struct pair pair = mixed_new();

	deliver_procjoin(pair.fixture, 2, 8, "group"); /* of a node of ours */
	ck_assert_str_eq(tells(&pair), NOTHING);
	deliver_procjoin(pair.fixture, 3, 8, "group");
	ring_change(pair.fixture, &mixed); /* its joinlist says it */
	ck_assert_str_eq(tells(&pair), NOTHING);
	ring_change(pair.fixture, &ring_with_stock); /* nobody is there */
	deliver_procjoin(pair.fixture, 3, 8, "group");
	ck_assert_str_eq(tells(&pair), NOTHING);
	ring_change(pair.fixture, RING(.members = NODES(1, 2, 4), .left = NODES(3, 5)));
	deliver_procjoin(pair.fixture, 2, 9, "group"); /* of an older ring */
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

/* Some may have missed that. */
START_TEST(a_leave_in_sync_is_told_behind_it)
{
	struct pair pair = mixed_new();

	transitional(pair.fixture, NOBODY);
	sync_begin(pair.fixture, NODES(1, 2, 3), NODES(1, 2, 3));
	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, 0);
	deliver_procleave(pair.fixture, 3, 7, "group", 5);
	deliver_procleave(pair.fixture, 2, 7, "group", 5);
	deliver_joinlist(pair.fixture, 3, mixed.named, 1);
	sync_own(pair.fixture);
	engine_sync_activate(pair.fixture->engine);
	engine_token(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 0);
	engine_sync_over(pair.fixture->engine);
	engine_token(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1);
	mark_returns(pair.fixture);
	ck_assert_str_eq(tells(&pair), "begins 1");
	ck_assert_str_eq(tells(&pair), "last 1: of 3 7@group dies");
	fixture_free(pair.fixture);
}
END_TEST

/* Where totem lets its own node miss something. */
START_TEST(a_round_that_is_lost_begins_again)
{
	struct pair pair = mixed_new();
	int i;

	deliver_procjoin(pair.fixture, 3, 8, "group");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_lost(pair.fixture), "begins 1");
	for (i = 0; i < 99; i++) {
		ck_assert_str_eq(tells(&pair), NOTHING);
	}
	ck_assert_str_eq(tells(&pair), "begins 2");
	ck_assert_str_eq(tells(&pair), "last 2: of 3 8@group joins");
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

/* ---- one round is enough ---- */

START_TEST(what_another_tells_is_not_told)
{
	struct pair pair = mixed_new();

	deliver_procjoin(pair.fixture, 3, 8, "group");
	deliver_procjoin(pair.fixture, 3, 9, "group");
	deliver_round(pair.fixture, 2, 5);
	ck_assert_str_eq(tells(&pair), NOTHING); /* it may be about to */
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(8, "group"), JOINS);
	ck_assert_str_eq(tells(&pair), "begins 1");
	ck_assert_str_eq(tells(&pair), "last 1: of 3 9@group joins");
	ck_assert_str_eq(tells(&pair), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(what_came_behind_anothers_round_is_told)
{
	struct pair pair = mixed_new();

	deliver_procjoin(pair.fixture, 3, 8, "group");
	deliver_round(pair.fixture, 2, 5);
	deliver_procleave(pair.fixture, 3, 8, "group", 2);
	drop_all(&pair.one->events);
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(8, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	ck_assert_str_eq(tells(&pair), "begins 1");
	ck_assert_str_eq(tells(&pair), "last 1: of 3 8@group leaves");
	fixture_free(pair.fixture);
}
END_TEST

/* Of node 2, which does not end it. Node 4 may go on telling. */
static void check_round_without_end(bool others_tell)
{
	struct pair pair = mixed_new();
	uint32_t i;

	deliver_procjoin(pair.fixture, 3, 8, "group");
	deliver_round(pair.fixture, 2, 5);
	for (i = 0; i < 99; i++) {
		ck_assert_str_eq(tells(&pair), NOTHING);
		if (others_tell) {
			deliver_round(pair.fixture, 4, i);
			deliver_news(pair.fixture, 4, PEER_NEWS_LAST, i, OF_NODE(3), BY(9, "group"), JOINS);
		}
	}
	ck_assert_str_eq(tells(&pair), "begins 1");
	ck_assert_str_eq(tells(&pair), "last 1: of 3 8@group joins");
	fixture_free(pair.fixture);
}

START_TEST(anothers_round_without_end_does_not_stop_ours)
{
	check_round_without_end(false);
	check_round_without_end(true);
}
END_TEST

/* ---- being told ---- */

START_TEST(what_is_told_is_taken)
{
	struct pair pair = mixed_new();

	deliver_round(pair.fixture, 2, 5);
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	deliver_news(pair.fixture, 2, PEER_NEWS_MORE, 5, OF_NODE(3), BY(8, "group"), JOINS, BY(7, "group"),
		     DIES);
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(5), BY(7, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 3:8 +3:8j");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:8 -3:7p");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:8 5:7 +5:7j");
	deliver_mcast(pair.fixture, 3, 8, "group", "heard");
	ck_assert_str_eq(next_event(pair.one), "3:8 'heard'");
	deliver_round(pair.fixture, 4, 1);
	deliver_news(pair.fixture, 4, PEER_NEWS_LAST, 1, OF_NODE(3), BY(8, "group"), JOINS, OF_NODE(5),
		     BY(7, "group"), LEAVES); /* the first is known */
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:8 -5:7l");
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	ck_assert_str_eq(tells(&pair), NOTHING); /* nothing of that was heard here */
	fixture_free(pair.fixture);
}
END_TEST

/* It was so before the process itself said otherwise. */
START_TEST(late_news_undo_nothing)
{
	struct pair pair = mixed_new();

	deliver_procjoin(pair.fixture, 3, 8, "group");
	drop_all(&pair.one->events);
	deliver_round(pair.fixture, 2, 5);
	deliver_procleave(pair.fixture, 3, 8, "group", 2);
	deliver_procjoin(pair.fixture, 3, 9, "group");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 -3:8l");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 3:9 +3:9j");
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(8, "group"), JOINS, BY(9, "group"),
		     DIES);
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

/* Not by what this node's own round has told meanwhile, nor by another's. */
START_TEST(late_news_undo_no_newer_round)
{
	struct pair pair = mixed_new();

	deliver_round(pair.fixture, 2, 5);
	deliver_round(pair.fixture, 4, 8);
	deliver_news(pair.fixture, 4, PEER_NEWS_LAST, 8, OF_NODE(3), BY(7, "group"), LEAVES, BY(8, "group"),
		     JOINS);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -3:7l");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:8 +3:8j");
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(7, "group"), JOINS, BY(8, "group"),
		     LEAVES);
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	deliver_round(pair.fixture, 2, 6); /* and now it is newer */
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 6, OF_NODE(3), BY(7, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 3:8 +3:7j");
	fixture_free(pair.fixture);
}
END_TEST

/* A node of ours that speaks stock's format by its configuration says its own again itself. */
START_TEST(late_news_undo_nothing_repeated)
{
	struct pair pair = mixed_new();

	deliver_round(pair.fixture, 2, 5);
	deliver_repeat(pair.fixture, 3, BY(8, "group"), JOINS);
	deliver_repeat(pair.fixture, 3, JOINS);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 3:8 +3:8j");
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(8, "group"), LEAVES);
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	ck_assert_str_eq(tells(&pair), NOTHING); /* all of ours heard that */
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(news_that_mean_nothing_here)
{
	struct pair pair = mixed_new();

	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(8, "group"), JOINS); /* no BEGIN */
	deliver_round(pair.fixture, 2, 5);
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 4, OF_NODE(3), BY(8, "group"), JOINS); /* another's */
	pair.fixture->ring_id.seq--;
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(8, "group"), JOINS);
	pair.fixture->ring_id.seq++;
	deliver_news(pair.fixture, 2, PEER_NEWS_MORE, 5, OF_NODE(1), BY(10, "group"), LEAVES, OF_NODE(4),
		     BY(8, "group"), JOINS, OF_NODE(6), BY(8, "group"), JOINS); /* of no stock node */
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	transitional(pair.fixture, NOBODY);
	sync_begin(pair.fixture, mixed.members, mixed.members);
	deliver_round(pair.fixture, 2, 6); /* in sync */
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 6, OF_NODE(3), BY(8, "group"), JOINS);
	ring_change(pair.fixture, RING(.members = NODES(1, 2, 4), .left = NODES(3, 5)));
	drop_all(&pair.one->events);
	deliver_round(pair.fixture, 2, 7); /* in a ring of ours */
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 7, OF_NODE(3), BY(8, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(malformed_news)
{
	static const uint8_t bytes[3] = {0};
	struct pair pair = mixed_new();
	struct engine_stats stats;

	deliver_round(pair.fixture, 2, 5);
	deliver_news(pair.fixture, 2, PEER_NEWS_MORE, 5, BY(8, "group"), SAYS("?")); /* no message */
	deliver_news(pair.fixture, 2, PEER_NEWS_MORE, 5, JOINS);		     /* nobody */
	deliver_news(pair.fixture, 2, PEER_NEWS_MORE, 5, OF_NODE(3), BY(8, "group"), OF_NODE(5), JOINS);
	deliver_news(pair.fixture, 2, PEER_NEWS_MORE, 5, {.kind = PEER_NODE, .body = bytes, .size = 3});
	deliver_news(pair.fixture, 2, PEER_NEWS_MORE, 5, OF_NODE(3),
		     {.kind = PEER_SENDER, .body = bytes, .size = 3});
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 5);
	ck_assert_str_eq(next_event(pair.one), NOTHING);
	deliver_news(pair.fixture, 2, PEER_NEWS_LAST, 5, OF_NODE(3), BY(8, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 3:7 3:8 +3:8j");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- all together ---- */

/*
 * Three engines of ours in that ring. Each takes itself for node 1 and the others for 2 and 4: who tells something does not
 * matter, only in which order it comes. What stock nodes say comes to some of them.
 */
#define ENGINES 3u

static uint32_t nodeid_of(unsigned int engine, unsigned int as_seen_by)
{
	static const uint32_t nodeids[ENGINES] = {SELF, 2, 4};

	return nodeids[(engine + ENGINES - as_seen_by) % ENGINES];
}

/* The next message of this engine comes to all. False: there is none. */
static bool one_comes(const struct pair *all, unsigned int from)
{
	struct packet *packet = take(&all[from].fixture->peer_multicasts);
	unsigned int i;

	for (i = 0; packet && i < ENGINES; i++) {
		memcpy(packet->data + offsetof(struct peer_head, ring_seq), &all[i].fixture->ring_id.seq,
		       sizeof(uint64_t)); /* each has a ring by itself */
		deliver_peer(all[i].fixture, packet->data, packet->size, nodeid_of(from, i));
	}
	free(packet);
	return packet != NULL;
}

/* Any order, as long as it is one, and any loss. */
static void stock_says(const struct pair *all, unsigned int *dice)
{
	uint32_t nodeid = rand_r(dice) % 2 ? 3 : 5, pid = 6 + (uint32_t)rand_r(dice) % 3;
	bool joins = rand_r(dice) % 2;
	unsigned int i;

	for (i = 0; i < ENGINES; i++) {
		if (rand_r(dice) % 3 == 0) {
			continue;
		}
		if (joins) {
			deliver_procjoin(all[i].fixture, nodeid, pid, "group");
		} else {
			deliver_procleave(all[i].fixture, nodeid, pid, "group", 2);
		}
	}
}

static void something_happens(const struct pair *all, unsigned int *dice)
{
	unsigned int what = (unsigned int)rand_r(dice) % 8, who = (unsigned int)rand_r(dice) % ENGINES;

	if (what == 0) {
		stock_says(all, dice);
	} else if (what < 4) {
		engine_token(all[who].fixture->engine);
	} else {
		(void)one_comes(all, who);
	}
}

static void all_come_to_rest(const struct pair *all)
{
	unsigned int i, visits;

	for (visits = 0; visits < 1000; visits++) {
		for (i = 0; i < ENGINES; i++) {
			engine_token(all[i].fixture->engine);
			while (one_comes(all, i)) {
			}
		}
	}
}

/* The members of the last view, without the processes of this node. */
static void last_view(struct peer *peer, char *view, size_t size)
{
	const char *event = "1:10 1:20 3:7", *from, *to;

	(void)snprintf(view, size, "%s", event);
	while (strcmp(event = next_event(peer), NOTHING) != 0) {
		from = event + strlen("1:10 1:20");
		to = strpbrk(from, "+-");
		(void)snprintf(view, size, "1:10 1:20%.*s", (int)(to - from) - 1, from);
	}
}

START_TEST(all_agree_whatever_each_of_them_missed)
{
	char first[200], view[200];
	struct pair all[ENGINES];
	unsigned int seed, dice, i;

	for (seed = 1; seed <= 300; seed++) {
		for (i = 0; i < ENGINES; i++) {
			all[i] = mixed_new();
		}
		dice = seed;
		for (i = 0; i < 400; i++) {
			something_happens(all, &dice);
		}
		all_come_to_rest(all);
		last_view(all[0].one, first, sizeof(first));
		for (i = 0; i < ENGINES; i++) {
			if (i) {
				last_view(all[i].one, view, sizeof(view));
				ck_assert_msg(strcmp(view, first) == 0, "seed %u: %s, and %s", seed, first,
					      view);
			}
			fixture_free(all[i].fixture);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_join_is_told,
		leaves_and_deaths_are_told,
		a_round_tells_what_was_before_it,
		many_take_several_messages,
		no_room_in_totem,
		what_is_not_told,
		a_leave_in_sync_is_told_behind_it,
		a_round_that_is_lost_begins_again,
		what_another_tells_is_not_told,
		what_came_behind_anothers_round_is_told,
		anothers_round_without_end_does_not_stop_ours,
		what_is_told_is_taken,
		late_news_undo_nothing,
		late_news_undo_no_newer_round,
		late_news_undo_nothing_repeated,
		news_that_mean_nothing_here,
		malformed_news,
		all_agree_whatever_each_of_them_missed,
	};

	return RUN_TESTS("engine: news of stock nodes", tests);
}
