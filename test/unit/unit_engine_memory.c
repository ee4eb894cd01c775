/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine keeps for a process, a group and a client, in bytes of its heap: the same for each, however many there are. The engine
 * is one whose allocations go through functions of ours; what it gets of shared memory is not in it.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "test/fault/oom_functions.h"
#include "test/unit/run_suite.h"
#include "test/unit/transport_fixture.h"

#define LEAST 100u
#define MOST 100000u
#define GROUP_SIZE 10u /* members of a group, where there are several in it */
#define CLIENTS_MOST 10000u
#define RINGED_MOST 400u /* each has two rings in memory of the fixture's */

/* What one may differ by from the others: tables grow in steps. */
#define FLAT_PERCENT 15u

static size_t in_use;

static void *counted(void *memory)
{
	in_use += malloc_usable_size(memory);
	return memory;
}

void *oom_malloc(size_t size)
{
	return counted(malloc(size));
}

void *oom_calloc(size_t count, size_t size)
{
	return counted(calloc(count, size));
}

void *oom_realloc(void *memory, size_t size)
{
	in_use -= malloc_usable_size(memory);
	return counted(realloc(memory, size));
}

void *oom_reallocarray(void *memory, size_t count, size_t size)
{
	in_use -= malloc_usable_size(memory);
	return counted(reallocarray(memory, count, size));
}

void oom_free(void *memory)
{
	in_use -= malloc_usable_size(memory);
	free(memory);
}

/* ---- processes and groups ---- */

static const char *group_text(uint32_t number)
{
	static char text[32];

	(void)snprintf(text, sizeof(text), "group-%u", number);
	return text;
}

/* Processes of another node join, so many to a group. Returns the bytes for each. */
static size_t bytes_of_process(uint32_t count, uint32_t group_size)
{
	struct fixture *fixture = fixture_new(NULL);
	size_t before, each;
	uint32_t i;

	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(SELF), NODES(SELF, 2));
	deliver_downlist(fixture, 2);
	sync_own(fixture);
	sync_end(fixture);
	before = in_use;
	for (i = 0; i < count; i++) {
		deliver_procjoin(fixture, 2, 1000 + i, group_text(i / group_size));
	}
	each = (in_use - before) / count;
	fixture_free(fixture);
	return each;
}

static void check_flat(const char *what, size_t few, size_t many)
{
	printf("%s: %zu bytes with few of them, %zu with many\n", what, few, many);
	ck_assert_uint_gt(few, 0);
	ck_assert_uint_le(many * 100, few * (100 + FLAT_PERCENT));
	ck_assert_uint_ge(many * 100, few * (100 - FLAT_PERCENT));
}

START_TEST(a_process_and_a_group_cost_the_same)
{
	size_t shared[2], alone[2];
	const uint32_t counts[] = {LEAST, MOST};
	int i;

	for (i = 0; i < 2; i++) {
		shared[i] = bytes_of_process(counts[i], GROUP_SIZE);
		alone[i] = bytes_of_process(counts[i], 1);
	}
	check_flat("a process, and a tenth of its group", shared[0], shared[1]);
	check_flat("a process, and its group", alone[0], alone[1]);
}
END_TEST

/* ---- clients ---- */

static size_t bytes_of_client(uint32_t count)
{
	struct fixture *fixture = fixture_new(NULL);
	size_t before = in_use, each;
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct peer *peer = peer_new(fixture, 1000 + i);

		joined(fixture, peer, group_text(i / GROUP_SIZE));
		drop_all(&peer->events);
	}
	each = (in_use - before) / count;
	fixture_free(fixture);
	return each;
}

START_TEST(a_client_costs_the_same)
{
	check_flat("a client in a group, its process included", bytes_of_client(LEAST),
		   bytes_of_client(CLIENTS_MOST));
}
END_TEST

static size_t bytes_of_rings(uint32_t count)
{
	struct fixture *fixture = fixture_new(NULL);
	size_t before, each;
	uint32_t i;

	for (i = 0; i < count; i++) {
		(void)peer_new(fixture, 1000 + i);
	}
	before = in_use;
	for (i = 0; i < count; i++) {
		struct peer *peer = fixture->peers;
		struct ringed client;
		uint32_t skip;

		for (skip = i; skip > 0; skip--) {
			peer = peer->next;
		}
		ck_assert(ringed_attach(&client, fixture, peer));
	}
	each = (in_use - before) / count;
	fixture_free(fixture);
	return each;
}

START_TEST(rings_cost_the_same)
{
	check_flat("rings of a client", bytes_of_rings(LEAST), bytes_of_rings(RINGED_MOST));
}
END_TEST

/* Who is gone leaves nothing behind. */
START_TEST(nothing_is_left)
{
	size_t before = in_use;

	(void)bytes_of_client(LEAST);
	ck_assert_uint_eq(in_use, before);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("memory");

	tcase_set_timeout(tcase, 240);
	tcase_add_test(tcase, a_process_and_a_group_cost_the_same);
	tcase_add_test(tcase, a_client_costs_the_same);
	tcase_add_test(tcase, rings_cost_the_same);
	tcase_add_test(tcase, nothing_is_left);
	return run_case("engine: memory", tcase);
}
