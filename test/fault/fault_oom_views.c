/* SPDX-License-Identifier: BSD-3-Clause */
/* No memory for who is a member. */
#include "test/fault/oom_countdown.h"
#include "test/unit/peer_fixture.h"

/* What is said again is said without memory, too, a join and a leave of the same process. */
START_TEST(joins_and_leaves_are_said_again)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct peer *three = peer_new(pair.fixture, 30);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_join(pair.fixture, three, "group"), CS_OK);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	fail_after(0, true);
	one_comes_out(pair.fixture, &held);
	fail_no_more();
	mark_returns(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 30@group joins");
	peer_gone(pair.fixture, three);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	fail_after(0, true);
	one_comes_out(pair.fixture, &held);
	fail_no_more();
	mark_returns(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 30@group dies");
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		joins_and_leaves_are_said_again,
	};

	return RUN_TESTS("engine: out of memory for views", tests);
}
