/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_initialize: a connection with the two plain callbacks. */
#include "api.h"

static unsigned int delivered, changed;
static cpg_handle_t seen;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *message, size_t length)
{
	(void)group, (void)nodeid, (void)pid;
	seen = handle;
	delivered++;
	CHECK(length == 5 && memcmp(message, "hello", 5) == 0);
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)group, (void)members, (void)left, (void)joined;
	seen = handle;
	changed++;
	CHECK(member_count == 1 && left_count == 0 && joined_count == 1);
}

static void dispatch_until(cpg_handle_t handle, const unsigned int *counter)
{
	uint64_t deadline = api_deadline();

	while (*counter == 0 && api_before(deadline))
		EXPECT(CS_OK, cpg_dispatch(handle, CS_DISPATCH_ALL));
	CHECK_NUMBER(*counter, 1);
}

static void both_callbacks(void)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_confchg};
	struct cpg_name name = api_name("initialize");
	struct iovec iov = {.iov_base = (char[]){"hello"}, .iov_len = 5};
	cpg_handle_t handle = 0;
	void *context = &handle;

	EXPECT(CS_OK, cpg_initialize(&handle, &callbacks));
	CHECK(handle != 0);
	EXPECT(CS_OK, cpg_context_get(handle, &context));
	CHECK(context == NULL);
	memset(&callbacks, 0xff, sizeof(callbacks)); /* was copied */
	EXPECT_IN_TIME(CS_OK, cpg_join(handle, &name));
	dispatch_until(handle, &changed);
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1));
	dispatch_until(handle, &delivered);
	CHECK(seen == handle);
	EXPECT(CS_OK, cpg_finalize(handle));
}

/* No callbacks at all: events are taken and forgotten. */
static void no_callbacks(void)
{
	struct cpg_name name = api_name("initialize");
	struct iovec iov = {.iov_base = (char[]){"hello"}, .iov_len = 5};
	struct cpg_address members[2];
	uint64_t deadline = api_deadline();
	cpg_handle_t handle;
	int count = 0;

	EXPECT(CS_OK, cpg_initialize(&handle, NULL));
	EXPECT_IN_TIME(CS_OK, cpg_join(handle, &name));
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1));
	while (count == 0 && api_before(deadline)) {
		count = 2;
		EXPECT_IN_TIME(CS_OK, cpg_membership_get(handle, &name, members, &count));
	}
	CHECK_NUMBER(count, 1);
	EXPECT(CS_OK, cpg_dispatch(handle, CS_DISPATCH_ALL));
	EXPECT(CS_OK, cpg_finalize(handle));
}

static void many_handles(void)
{
	enum { HANDLES = 40 };
	cpg_handle_t handles[HANDLES];

	for (int i = 0; i < HANDLES; i++) {
		EXPECT_IN_TIME(CS_OK, cpg_initialize(&handles[i], NULL));
		for (int j = 0; j < i; j++)
			CHECK(handles[i] != handles[j]);
	}
	for (int i = 0; i < HANDLES; i++)
		EXPECT(CS_OK, cpg_finalize(handles[i]));
}

int main(void)
{
	api_begin();
	both_callbacks();
	no_callbacks();
	many_handles();
	return 0;
}
