/* SPDX-License-Identifier: BSD-3-Clause */
#include "member_fixture.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib_internal.h"

struct fake_engine engine;
unsigned int delivered, confchgs;
size_t last_length;
uint8_t last_byte;
uint32_t last_pid;
void (*in_callback)(cpg_handle_t handle);

void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		size_t length)
{
	uint8_t *bytes = msg;

	ck_assert_uint_eq(group->length, 5);
	ck_assert_mem_eq(group->value, "group", 5);
	ck_assert_uint_eq(nodeid, FAKE_NODEID);
	ck_assert_uint_eq((uintptr_t)msg % RING_ALIGN, 0);
	last_pid = pid;
	last_length = length;
	last_byte = length ? bytes[length - 1] : 0;
	delivered++;
	memset(bytes, 0xff, length + 1); /* the message is ours, and a byte behind it */
	if (in_callback)
		in_callback(handle);
}

void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		size_t member_count, const struct cpg_address *left, size_t left_count,
		const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	(void)group;
	(void)members;
	(void)member_count;
	(void)left;
	(void)left_count;
	(void)joined;
	(void)joined_count;
	confchgs++;
}

void member_forget(void)
{
	delivered = confchgs = 0;
	in_callback = NULL;
}

void join(cpg_handle_t handle)
{
	struct cpg_name group = fake_name("group");

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
}

cpg_handle_t initialize(const struct fake_options *options)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_confchg};
	cpg_handle_t handle;

	fake_engine_start(&engine, options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	return handle;
}

void become_member(cpg_handle_t handle)
{
	join(handle);
	while (!confchgs)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
}

cpg_handle_t start_with(const struct fake_options *options)
{
	cpg_handle_t handle = initialize(options);

	become_member(handle);
	return handle;
}

cpg_handle_t start_features(uint64_t features)
{
	struct fake_options options = {.features = features};

	return start_with(&options);
}

cpg_handle_t start(bool (*hook)(qb_ipcs_connection_t *, const struct ipc_request *))
{
	struct fake_options options = {.features = RINGS, .hook = hook};

	return start_with(&options);
}

void stop(cpg_handle_t handle)
{
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}

cs_error_t send_bytes(cpg_handle_t handle, uint8_t byte, size_t length)
{
	static uint8_t bytes[ATOMIC_MESSAGE_MAX + 1];
	struct iovec iov = {bytes, length};

	memset(bytes, byte, length);
	return cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
}

unsigned int seen(enum ipc_request_id id)
{
	return atomic_load(&engine.shared->requests[id]);
}

bool readable(cpg_handle_t handle, int timeout)
{
	struct pollfd poller = {.events = POLLIN};

	ck_assert_int_eq(cpg_fd_get(handle, &poller.fd), CS_OK);
	return poll(&poller, 1, timeout) == 1;
}

void deliver(cpg_handle_t handle, unsigned int count)
{
	while (delivered < count)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
}

bool congested(cpg_handle_t handle)
{
	cpg_flow_control_state_t state;

	ck_assert_int_eq(cpg_flow_control_state_get(handle, &state), CS_OK);
	return state == CPG_FLOW_CONTROL_ENABLED;
}

struct segment_control *control_of(cpg_handle_t handle)
{
	struct instance *instance = instance_get(handle);
	struct segment_control *control = instance_control(instance);

	instance_put(instance);
	return control;
}

void take(cpg_handle_t handle, bool takes)
{
	atomic_store(&engine.shared->keep_taken, !takes);
	fake_ask(handle);
}

void wait_until_taken(cpg_handle_t handle)
{
	struct segment_control *control = control_of(handle);

	fake_wait_until(atomic_load(&control->submission_taken.end) == atomic_load(&control->submitted.end));
}

uint64_t given_back(cpg_handle_t handle)
{
	return atomic_load(&control_of(handle)->delivery_taken.end);
}

bool send_run(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	unsigned int i;

	if (request->id != IPC_REQ_MCAST)
		return false;
	switch (((const struct ipc_mcast *)request)->message[0]) {
	case 'r':
		fake_run(conn, 55, RUN, 20);
		return true;
	case 'f': /* full to the last byte, where the next head begins; and the same behind the run */
		fake_run(conn, 55, RUN - 1, 16);
		fake_run(conn, 55, 1, 16);
		return true;
	case 'c': /* something of everything */
		fake_run(conn, 55, 2, 20);
		fake_confchg(conn, 1, 0, 1, 2);
		fake_fragment(conn, 1, IPC_FRAGMENT_FIRST, 6, "abc", 3);
		fake_run(conn, 56, 1, 0);
		fake_fragment(conn, 1, IPC_FRAGMENT_LAST, 6, "def", 3);
		return true;
	case 'm': /* more than there is room for, twice over */
		for (i = 0; i < 2 * DELIVERY_RING_SIZE / ring_entry_size(1000); i++)
			fake_run(conn, 57, 1, 1000);
		return true;
	case 'h': /* a huge one between two small ones */
		fake_run(conn, 55, 1, 20);
		fake_run(conn, 55, 1, ATOMIC_MESSAGE_MAX);
		fake_run(conn, 55, 1, 20);
		return true;
	default:
		return false;
	}
}

const cs_dispatch_flags_t modes[] = {CS_DISPATCH_ONE, CS_DISPATCH_ONE_NONBLOCKING, CS_DISPATCH_ALL,
				     CS_DISPATCH_BLOCKING};
