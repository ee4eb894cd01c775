/* SPDX-License-Identifier: BSD-3-Clause */
#include "oracle_fixture.h"

#include "test/unit/run_suite.h"

struct oracle *oracle;
uint32_t node[3], a, b;

const uint32_t both[2] = {1, 2}, only_1[1] = {1}, only_2[1] = {2};

static void setup(void)
{
	oracle = oracle_new(NULL);
	node[1] = oracle_node(oracle, 1, false);
	node[2] = oracle_node(oracle, 2, false);
	oracle_activation(oracle, node[1], 4, 100, both, 2, NULL, 0);
	oracle_activation(oracle, node[2], 4, 100, both, 2, NULL, 0);
}

static void teardown(void)
{
	oracle_free(oracle);
}

/* ---- shorthand: pids 10..19 are node 1's, 20..29 are node 2's ---- */

struct oracle_address address(uint32_t pid, uint32_t reason)
{
	return (struct oracle_address){.nodeid = pid / 10, .pid = pid, .reason = reason};
}

/* `members`: pids, ended by 0. One process joined or left. */
bool hears_change(uint32_t session, const uint32_t *members, uint32_t pid, uint32_t reason)
{
	struct oracle_address list[200], entry = address(pid, reason);
	struct oracle_view view = {.members = list};

	for (; members[view.member_count]; view.member_count++) {
		list[view.member_count] = address(members[view.member_count], 0);
	}
	if (reason == REASON_JOIN || reason == REASON_NODEUP) {
		view.joined = &entry;
		view.joined_count = 1;
	} else {
		view.left = &entry;
		view.left_count = 1;
	}
	return oracle_hears_view(oracle, session, &view);
}

void hears(uint32_t session, uint32_t sender, uint64_t number)
{
	const struct session *from = &oracle->sessions[sender];

	oracle_hears_message(oracle, session, sender, from->nodeid, from->pid, number);
}

void hears_totem(uint32_t session, uint64_t ring, const uint32_t *members, size_t count)
{
	oracle_hears_totem(oracle, session, oracle_activations(oracle, oracle->sessions[session].node), ring,
			   members, count);
}

void sends(uint32_t session, int count)
{
	while (count-- > 0) {
		oracle_accept(oracle, session);
	}
}

void a_joins(void)
{
	a = oracle_join(oracle, node[1], 10, 0, true);
	hears_change(a, MEMBERS(10), 10, REASON_JOIN);
}

static void b_joins(void)
{
	b = oracle_join(oracle, node[2], 20, 0, false);
	hears_change(a, MEMBERS(10, 20), 20, REASON_JOIN);
	hears_change(b, MEMBERS(10, 20), 20, REASON_JOIN);
}

void both_join(void)
{
	a_joins();
	b_joins();
}

/* Nodes 1 and 2 part: node 1 alone in ring 8, node 2 alone in ring 12. */
void part(void)
{
	oracle_activation(oracle, node[1], 8, 200, only_1, 1, only_2, 1);
	oracle_activation(oracle, node[2], 12, 300, only_2, 1, only_1, 1);
}

void hear_part(void)
{
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_totem(a, 8, only_1, 1);
	hears_change(b, MEMBERS(20), 10, REASON_NODEDOWN);
	hears_totem(b, 12, only_2, 1);
}

void merge(void)
{
	oracle_activation(oracle, node[1], 16, 400, both, 2, NULL, 0);
	oracle_activation(oracle, node[2], 16, 500, both, 2, NULL, 0);
}

void hear_merge(void)
{
	hears_change(a, MEMBERS(10, 20), 20, REASON_NODEUP);
	hears_totem(a, 16, both, 2);
	hears_change(b, MEMBERS(10, 20), 10, REASON_NODEUP);
	hears_totem(b, 16, both, 2);
}

void expect(enum oracle_kind kind)
{
	oracle_finish(oracle);
	ck_assert_msg(oracle_seen(oracle, kind) > 0, "%s was not seen; first: %s", oracle_kind_name(kind),
		      oracle_first(oracle) ? oracle_first(oracle) : "nothing");
}

void expect_only(enum oracle_kind kind)
{
	expect(kind);
	ck_assert_msg(oracle_violations(oracle) == oracle_seen(oracle, kind), "more than %s; first: %s",
		      oracle_kind_name(kind), oracle_first(oracle));
}

void expect_none(void)
{
	oracle_finish(oracle);
	ck_assert_msg(oracle_violations(oracle) == 0, "%s", oracle_first(oracle));
}

int run_stories(const TTest *const *tests, size_t count)
{
	TCase *tcase = tcase_create("oracle");
	size_t i;

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (i = 0; i < count; i++) {
		tcase_add_test(tcase, tests[i]);
	}
	return run_case("oracle", tcase);
}
