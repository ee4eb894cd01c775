/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that read slowly or not at all, groups larger than old libraries' arrays. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "test/unit/engine_fixture.h"

#define MS (1000ull * 1000)

static const struct engine_config small = {
	.client_queue = 10 * 1000, .client_stall = 100 * MS, .queue_total = 50 * 1000, .wire_stock = true};

static char *kilobyte(void)
{
	static char text[1001];

	memset(text, 'k', sizeof(text) - 1);
	return text;
}

static void tick_at(struct fixture *fixture, uint64_t after)
{
	fixture->now += after;
	engine_tick(fixture->engine);
}

START_TEST(a_slow_client_gets_everything_in_order)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *slow = peer_new(fixture, 10);
	struct packet *packet;
	char text[2] = "";
	int i;

	joined(fixture, slow, "group");
	drop_all(&slow->events);
	slow->room = 3;
	for (i = 0; i < 10; i++) {
		text[0] = (char)('0' + i);
		deliver_mcast(fixture, SELF, 10, "group", text);
	}
	ck_assert_uint_eq(slow->events.count, 3);
	ck_assert_uint_ne(fixture->wake_at, 0);
	slow->room = 2;
	tick_at(fixture, MS);
	ck_assert_uint_eq(slow->events.count, 5);
	slow->room = ROOM_ENDLESS;
	tick_at(fixture, MS);
	for (i = 0; i < 10; i++) {
		packet = take(&slow->events);
		ck_assert_int_eq(((struct ipc_deliver *)packet->data)->message[0], '0' + i);
		free(packet);
	}
	fixture_free(fixture);
}
END_TEST

/* Bytes in the buffers of clients that are emptied in between. */
static size_t flushed(struct fixture *fixture, struct peer *const *slow, size_t count)
{
	size_t size = 0;

	tick_at(fixture, MS);
	for (size_t i = 0; i < count; i++) {
		size += slow[i]->events.count * 100 * 1000;
		drop_all(&slow[i]->events);
	}
	return size;
}

/* However much waits, and however much room there is all of a sudden: what is copied at a time is bounded. */
START_TEST(a_tick_ends_however_much_waits)
{
	enum { SLOW = 3, MESSAGES = 120, FLUSH_MOST = 9 * 1000 * 1000 };
	struct fixture *fixture = fixture_new(NULL);
	char *text = memset(calloc(1, 100 * 1000), 'x', 100 * 1000 - 1);
	struct peer *slow[SLOW];
	size_t size, all = 0;

	for (int i = 0; i < SLOW; i++) {
		slow[i] = peer_new(fixture, 10 + (uint32_t)i);
		joined(fixture, slow[i], "group");
	}
	for (int i = 0; i < SLOW; i++) {
		drop_all(&slow[i]->events);
		slow[i]->room = 0;
	}
	for (int i = 0; i < MESSAGES; i++) {
		deliver_mcast(fixture, SELF, 10, "group", text);
	}
	for (int i = 0; i < SLOW; i++) {
		slow[i]->room = ROOM_ENDLESS;
	}
	while ((size = flushed(fixture, slow, SLOW)) > 0) {
		ck_assert_uint_le(size, FLUSH_MOST);
		all += size;
	}
	ck_assert_uint_eq(all, (size_t)SLOW * MESSAGES * 100 * 1000);
	free(text);
	fixture_free(fixture);
}
END_TEST

/* Who takes nothing meanwhile is not given more time than others. */
START_TEST(stalled_while_others_are_copied_to)
{
	enum { SLOW = 9, MESSAGES = 120 };
	const struct engine_config config = {.client_queue = 10 * 1000,
					     .client_stall = 100 * MS,
					     .queue_total = SIZE_MAX,
					     .wire_stock = true};
	struct fixture *fixture = fixture_new(&config);
	char *text = memset(calloc(1, 100 * 1000), 'x', 100 * 1000 - 1);
	struct peer *slow[SLOW], *stuck;

	for (int i = 0; i < SLOW; i++) {
		slow[i] = peer_new(fixture, 10 + (uint32_t)i);
		joined(fixture, slow[i], "group");
	}
	stuck = peer_new(fixture, 99);
	joined(fixture, stuck, "other");
	for (int i = 0; i < SLOW; i++) {
		slow[i]->room = 0;
	}
	stuck->room = 0;
	for (int i = 0; i < MESSAGES; i++) {
		deliver_mcast(fixture, SELF, 10, "group", text);
	}
	deliver_mcast(fixture, SELF, 99, "other", text);
	for (int i = 0; i < SLOW; i++) {
		slow[i]->room = ROOM_ENDLESS;
	}
	while (flushed(fixture, slow, SLOW) > 0) {
		fixture->now += 9 * MS;
	}
	tick_at(fixture, 10 * MS);
	tick_at(fixture, 10 * MS);
	ck_assert(stuck->evicted); /* all others took more than 100 ms */
	free(text);
	fixture_free(fixture);
}
END_TEST

START_TEST(stalled_over_its_queue)
{
	struct fixture *fixture = fixture_new(&small);
	struct peer *stuck = peer_new(fixture, 10), *good = peer_new(fixture, 20);
	int i;

	joined(fixture, stuck, "group");
	joined(fixture, good, "group");
	stuck->room = 0;
	for (i = 0; i < 20; i++) {
		deliver_mcast(fixture, SELF, 20, "group", kilobyte());
	}
	tick_at(fixture, 99 * MS);
	ck_assert(!stuck->evicted);
	tick_at(fixture, 2 * MS);
	ck_assert(stuck->evicted);
	ck_assert(!good->evicted);
	peer_gone(fixture, stuck);
	drop_all(&good->events);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(good), "1:20 -1:10p");
	fixture_free(fixture);
}
END_TEST

START_TEST(progress_saves_it)
{
	struct fixture *fixture = fixture_new(&small);
	struct peer *slow = peer_new(fixture, 10);
	int i;

	joined(fixture, slow, "group");
	slow->room = 0;
	for (i = 0; i < 20; i++) {
		deliver_mcast(fixture, SELF, 10, "group", kilobyte());
	}
	for (i = 0; i < 5; i++) {
		slow->room = 1;
		tick_at(fixture, 90 * MS);
	}
	ck_assert(!slow->evicted);
	fixture_free(fixture);
}
END_TEST

/* Nobody ran meanwhile: neither could it read, nor did we try it. */
START_TEST(a_pause_costs_no_member)
{
	struct fixture *fixture = fixture_new(&small);
	struct peer *slow = peer_new(fixture, 10);
	int i;

	joined(fixture, slow, "group");
	drop_all(&slow->events);
	slow->room = 0;
	for (i = 0; i < 20; i++) {
		deliver_mcast(fixture, SELF, 10, "group", kilobyte());
	}
	fixture->now += 3600 * 1000 * MS;
	deliver_mcast(fixture, SELF, 10, "group", kilobyte());
	ck_assert(!slow->evicted);
	tick_at(fixture, MS);
	ck_assert(!slow->evicted);
	slow->room = ROOM_ENDLESS;
	tick_at(fixture, MS);
	ck_assert_uint_eq(slow->events.count, 21);
	fixture_free(fixture);
}
END_TEST

START_TEST(senders_wait_for_who_is_behind)
{
	struct fixture *fixture = fixture_new(&small);
	struct peer *slow = peer_new(fixture, 10), *sender = peer_new(fixture, 20);
	int i;

	joined(fixture, slow, "group");
	joined(fixture, sender, "group");
	ck_assert_int_eq(request_hello(fixture, sender, IPC_FEATURE_RINGS), CS_OK);
	slow->room = 0;
	ck_assert(!fixture_control(fixture)->receiver_behind);
	fixture->segments_armed = 0;
	for (i = 0; i < 12; i++) {
		deliver_mcast(fixture, SELF, 20, "group", kilobyte());
	}
	ck_assert(fixture_control(fixture)->receiver_behind);
	ck_assert_uint_eq(fixture->segments_armed, 1);
	slow->room = 2;
	tick_at(fixture, MS);
	ck_assert(fixture_control(fixture)->receiver_behind); /* until half of it is left */
	slow->room = ROOM_ENDLESS;
	tick_at(fixture, MS);
	ck_assert(!fixture_control(fixture)->receiver_behind);
	slow->room = 0;
	for (i = 0; i < 12; i++) {
		deliver_mcast(fixture, SELF, 20, "group", kilobyte());
	}
	ck_assert(fixture_control(fixture)->receiver_behind);
	peer_gone(fixture, slow);
	ck_assert(!fixture_control(fixture)->receiver_behind);
	fixture_free(fixture);
}
END_TEST

START_TEST(under_its_queue_it_may_stall)
{
	struct fixture *fixture = fixture_new(&small);
	struct peer *stuck = peer_new(fixture, 10);

	joined(fixture, stuck, "group");
	stuck->room = 0;
	deliver_mcast(fixture, SELF, 10, "group", kilobyte());
	tick_at(fixture, 3600 * 1000 * MS);
	ck_assert(!stuck->evicted);
	fixture_free(fixture);
}
END_TEST

START_TEST(the_largest_goes_when_memory_runs_out)
{
	struct fixture *fixture = fixture_new(&small);
	struct peer *much = peer_new(fixture, 10), *less = peer_new(fixture, 20);
	struct engine_stats stats;
	int i;

	joined(fixture, much, "much");
	joined(fixture, less, "less");
	much->room = less->room = 0;
	for (i = 0; i < 15; i++) {
		deliver_mcast(fixture, SELF, 20, "less", kilobyte());
	}
	for (i = 0; i < 100 && !much->evicted; i++) {
		deliver_mcast(fixture, SELF, 10, "much", kilobyte());
		engine_stats(fixture->engine, &stats);
		ck_assert_uint_le(stats.queued_bytes, small.queue_total);
	}
	ck_assert(much->evicted);
	ck_assert(!less->evicted);
	ck_assert_uint_eq(stats.evicted, 1);
	fixture_free(fixture);
}
END_TEST

START_TEST(a_closed_connection_is_nobodys_fault)
{
	static const int errors[] = {-EPIPE, -ECONNRESET, -ECONNREFUSED, -ENOTCONN, -ESHUTDOWN};
	struct engine_stats stats;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct fixture *fixture = fixture_new(NULL);
		struct peer *peer = peer_new(fixture, 10);

		joined(fixture, peer, "group");
		peer->error = errors[i];
		deliver_mcast(fixture, SELF, 10, "group", "hello");
		ck_assert(peer->evicted);
		ck_assert_int_eq(fixture->log_priority, LOG_DEBUG);
		engine_stats(fixture->engine, &stats);
		ck_assert_uint_eq(stats.evicted, 0);
		ck_assert_int_eq(request_leave(fixture, peer, "group"), 0); /* nobody listens any more */
		fixture_free(fixture);
	}
}
END_TEST

START_TEST(a_broken_connection_is_closed)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct engine_stats stats;

	joined(fixture, peer, "group");
	peer->error = -EMSGSIZE;
	deliver_mcast(fixture, SELF, 10, "group", "hello");
	ck_assert(peer->evicted);
	ck_assert_int_eq(fixture->log_priority, LOG_ERR);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.evicted, 1);
	fixture_free(fixture);
}
END_TEST

/* Or members that all read nothing for a moment would go before their senders are slowed. */
START_TEST(what_waits_for_many_counts_once)
{
	enum { MEMBERS = 20, MESSAGES = 7 };
	struct fixture *fixture = fixture_new(&small);
	struct peer *members[MEMBERS];
	struct engine_stats stats;
	int i;

	for (i = 0; i < MEMBERS; i++) {
		members[i] = peer_new(fixture, 10 + (uint32_t)i);
		joined(fixture, members[i], "group");
	}
	for (i = 0; i < MEMBERS; i++) {
		members[i]->room = 0;
	}
	for (i = 0; i < MESSAGES; i++) {
		deliver_mcast(fixture, SELF, 10, "group", kilobyte());
	}
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.evicted, 0);
	ck_assert_uint_ge(stats.queued_bytes, MESSAGES * 1000);
	ck_assert_uint_le(stats.queued_bytes, MESSAGES * (1000 + 200 + MEMBERS * 64));
	peer_gone(fixture, members[0]);
	for (i = 1; i < MEMBERS; i++) {
		drop_all(&members[i]->events);
		members[i]->room = ROOM_ENDLESS;
	}
	tick_at(fixture, MS);
	for (i = 1; i < MEMBERS; i++) {
		ck_assert_uint_eq(members[i]->events.count, MESSAGES);
	}
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.queued_bytes, 0);
	fixture_free(fixture);
}
END_TEST

/* To disconnect one of those who share what waits frees nothing. */
START_TEST(who_holds_most_for_himself_goes)
{
	enum { MEMBERS = 5 };
	struct fixture *fixture = fixture_new(&small);
	struct peer *members[MEMBERS], *loner = peer_new(fixture, 50);
	struct engine_stats stats;
	int i;

	for (i = 0; i < MEMBERS; i++) {
		members[i] = peer_new(fixture, 10 + (uint32_t)i);
		joined(fixture, members[i], "group");
	}
	joined(fixture, loner, "alone");
	for (i = 0; i < MEMBERS; i++) {
		members[i]->room = 0;
	}
	loner->room = 0;
	for (i = 0; i < 24; i++) {
		deliver_mcast(fixture, SELF, 10, "group", kilobyte());
	}
	do {
		deliver_mcast(fixture, SELF, 50, "alone", kilobyte());
		engine_stats(fixture->engine, &stats);
	} while (stats.evicted == 0);
	ck_assert_uint_eq(stats.evicted, 1);
	ck_assert(loner->evicted);
	fixture_free(fixture);
}
END_TEST

START_TEST(waiting_events_share_memory)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	drop_all(&one->events);
	drop_all(&two->events);
	one->room = two->room = 0;
	deliver_mcast(fixture, SELF, 10, "group", "hello");
	one->room = ROOM_ENDLESS;
	tick_at(fixture, MS);
	two->room = ROOM_ENDLESS;
	tick_at(fixture, MS);
	ck_assert_uint_eq(one->events.count, 1);
	ck_assert_uint_eq(two->events.count, 1);
	fixture_free(fixture); /* and under valgrind: freed once */
}
END_TEST

/* ---- large groups ---- */

#define LARGE 300

static void sync_with(struct fixture *fixture, const struct named *named, size_t count)
{
	transitional(fixture, count ? (const uint32_t[]){0} : (const uint32_t[]){2, 0});
	sync_begin(fixture, (const uint32_t[]){SELF, 0},
		   count ? (const uint32_t[]){SELF, 2, 0} : (const uint32_t[]){SELF, 0});
	deliver_downlist(fixture, 2);
	if (count) {
		deliver_joinlist(fixture, 2, named, count);
	}
	sync_own(fixture);
	sync_end(fixture);
}

static void check_confchg(const struct ipc_confchg *event, bool *seen, uint32_t self)
{
	const struct ipc_address *members = event->list, *left = members + event->member_list_entries;
	const struct ipc_address *joined_list = left + event->left_list_entries;
	uint32_t i, j, found = 0;

	ck_assert_uint_le(event->member_list_entries, IPC_OLD_MEMBERS_MAX);
	ck_assert_uint_le(event->left_list_entries, IPC_OLD_MEMBERS_MAX);
	ck_assert_uint_le(event->joined_list_entries, IPC_OLD_MEMBERS_MAX);
	for (i = 0; i < event->joined_list_entries; i++) {
		for (j = 0; j < event->member_list_entries; j++) {
			found += members[j].nodeid == joined_list[i].nodeid &&
				 members[j].pid == joined_list[i].pid;
		}
		seen[joined_list[i].pid] = true;
	}
	ck_assert_uint_eq(found, event->joined_list_entries);
	for (i = 0; i < event->left_list_entries; i++) {
		seen[left[i].pid] = true;
	}
	for (j = 0; j < event->member_list_entries; j++) {
		if (members[j].nodeid == SELF && members[j].pid == self) {
			return;
		}
	}
	ck_abort_msg("the receiver is not among the members");
}

/* All confchgs that wait: each fits old arrays, together they name everyone. */
static void check_cut(struct peer *peer)
{
	bool seen[LARGE + 1] = {false};
	struct packet *packet;
	uint32_t pid;

	while ((packet = take(&peer->events))) {
		const struct ipc_confchg *event = (const void *)packet->data;

		if (event->header.id == IPC_RES_CONFCHG) {
			check_confchg(event, seen, peer->pid);
		}
		free(packet);
	}
	for (pid = 1; pid <= LARGE; pid++) {
		ck_assert(seen[pid]);
	}
}

START_TEST(old_libraries_get_what_fits)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *old = peer_new(fixture, 90000), *ours = peer_new(fixture, 90001);
	struct named named[LARGE];
	uint32_t i;

	for (i = 0; i < LARGE; i++) {
		named[i] = (struct named){i + 1, "group"};
	}
	ck_assert_int_eq(request_hello(fixture, ours, IPC_FEATURE_LARGE_GROUPS), CS_OK);
	joined(fixture, old, "group");
	joined(fixture, ours, "group");
	drop_all(&old->events);
	drop_all(&ours->events);
	sync_with(fixture, named, LARGE);
	check_cut(old);
	ck_assert_uint_eq(count_id(&ours->events, IPC_RES_CONFCHG), 1);
	ck_assert_uint_eq(((struct ipc_confchg *)ours->events.first->data)->member_list_entries, LARGE + 2);
	ck_assert_uint_eq(((struct ipc_confchg *)ours->events.first->data)->joined_list_entries, LARGE);
	drop_all(&ours->events);
	sync_with(fixture, NULL, 0);
	check_cut(old);
	ck_assert_uint_eq(((struct ipc_confchg *)ours->events.first->data)->left_list_entries, LARGE);
	fixture_free(fixture);
}
END_TEST

START_TEST(huge_events_travel_in_parts)
{
	enum { HUGE_GROUP = 60000 };
	struct fixture *fixture = fixture_new(NULL);
	struct peer *ours = peer_new(fixture, 90001);
	struct packet *packet;
	uint64_t offset = 0, total = 0;
	uint32_t pid;

	ck_assert_int_eq(request_hello(fixture, ours, IPC_FEATURE_LARGE_GROUPS), CS_OK);
	for (pid = 1; pid <= HUGE_GROUP; pid++) {
		deliver_procjoin(fixture, 2, pid, "group");
	}
	joined(fixture, ours, "group");
	ck_assert_uint_gt(ours->events.count, 1);
	while ((packet = take(&ours->events))) {
		const struct ipc_event_part *part = (const void *)packet->data;

		ck_assert_int_eq(part->header.id, IPC_RES_EVENT_PART);
		ck_assert_int_eq(part->header.size, (int)packet->size);
		ck_assert_uint_eq(part->offset, offset);
		ck_assert_uint_eq(packet->size, sizeof(*part) + part->length);
		offset += part->length;
		total = part->total;
		free(packet);
	}
	ck_assert_uint_eq(offset, total);
	ck_assert_uint_eq(total, sizeof(struct ipc_confchg) + (HUGE_GROUP + 2) * sizeof(struct ipc_address));
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_slow_client_gets_everything_in_order,
		a_tick_ends_however_much_waits,
		stalled_while_others_are_copied_to,
		stalled_over_its_queue,
		progress_saves_it,
		a_pause_costs_no_member,
		senders_wait_for_who_is_behind,
		under_its_queue_it_may_stall,
		the_largest_goes_when_memory_runs_out,
		a_closed_connection_is_nobodys_fault,
		a_broken_connection_is_closed,
		what_waits_for_many_counts_once,
		who_holds_most_for_himself_goes,
		waiting_events_share_memory,
		old_libraries_get_what_fits,
		huge_events_travel_in_parts,
	};

	return RUN_TESTS("engine: clients", tests);
}
