/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments: what the engine makes for a handle is mapped, reported, and goes again. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "member_fixture.h"
#include "run_suite.h"

START_TEST(control_segment_loses_its_name)
{
	cpg_handle_t handle = start(NULL);

	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	ck_assert_uint_eq(seen(IPC_REQ_LOCAL_GET), 2);
	stop(handle);
}
END_TEST

/* The first reports do not get through: a membership is being formed. */
static bool report_refused(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	const struct ipc_hello *hello = (const struct ipc_hello *)request;

	if (request->id != IPC_REQ_LOCAL_GET || request->size != sizeof(*hello) ||
	    hello->step != IPC_HELLO_ATTACHED || atomic_fetch_add(&fake_shared->value, 1) >= 3)
		return false;
	fake_respond(conn, IPC_RES_LOCAL_GET, CS_ERR_TRY_AGAIN);
	return true;
}

/* The engine must hear what became of a segment: it keeps it, and its name, until then. */
START_TEST(segments_are_reported_in_the_end)
{
	cpg_handle_t handle = start(report_refused);
	void *buffer;

	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	ck_assert_uint_ge(atomic_load(&engine.shared->value), 4);
	atomic_store(&engine.shared->value, 0);
	ck_assert_int_eq(cpg_zcb_alloc(handle, READ_IN_PLACE, &buffer), CS_OK);
	memset(buffer, 0, READ_IN_PLACE);
	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	ck_assert_uint_ge(atomic_load(&engine.shared->value), 4);
	/* Both are in use. */
	ck_assert_int_eq(send_bytes(handle, 0, 100), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, READ_IN_PLACE), CS_OK);
	deliver(handle, 2);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_messages), 1);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 1);
	stop(handle);
}
END_TEST

/* An engine that offers what is not there, or not what it should be, is used without it. */
static bool bad_hello(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	struct ipc_hello_response response = {
		.local = {.header = {.id = IPC_RES_LOCAL_GET, .size = sizeof(response), .error = CS_OK}},
		.magic = IPC_HELLO_MAGIC,
		.version = 1,
		.features = RINGS,
		.control = {.id = 1,
			    .user_offset = 8240,
			    .user_size = SEGMENT_CONTROL_SIZE,
			    .name = "/dev/shm/qb-not-there"}};
	const struct ipc_hello *hello = (const struct ipc_hello *)request;
	unsigned int how = atomic_load(&fake_shared->value);

	if (request->id != IPC_REQ_LOCAL_GET || request->size != sizeof(*hello))
		return false;
	if (hello->step == IPC_HELLO_REFUSED)
		atomic_store(&fake_shared->value, how + 100);
	if (how == 1)
		memset(response.control.name, '/', sizeof(response.control.name));
	if (how == 2)
		response.control.user_size = SEGMENT_POOL_MAX + 1ull;
	if (how == 3)
		response.control.user_size = 8;
	if (how == 4)
		strcpy(response.control.name, "relative");
	if (how == 5)
		strcpy(response.control.name, "/dev/shm/qb-short");
	fake_respond_raw(conn, &response, sizeof(response));
	return true;
}

START_TEST(control_segment_that_can_not_be_used)
{
	struct fake_options options = {.features = SEGMENTS, .hook = bad_hello};
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver};
	struct cpg_name group = fake_name("group");
	cpg_handle_t handle;

	close(open("/dev/shm/qb-short-header", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	fake_engine_start(&engine, &options);
	atomic_store(&engine.shared->value, (unsigned int)_i);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	unlink("/dev/shm/qb-short-header");
	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->value), (unsigned int)_i + 100);
	ck_assert_int_eq(send_bytes(handle, 0, 10), CS_OK);
	ck_assert(!congested(handle));
	stop(handle);
}
END_TEST

/* There is no room in our address space for what the engine made. */
START_TEST(segment_that_can_not_be_mapped)
{
	const struct ipc_segment offer = {
		.id = 1, .user_offset = 8240, .user_size = SEGMENT_CONTROL_SIZE, .name = "/dev/shm/qb-room"};
	struct rlimit usual, none;
	struct segment segment;
	bool attached;
	int fd = open("/dev/shm/qb-room-header", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_eq(ftruncate(fd, (off_t)(offer.user_offset + offer.user_size)), 0);
	close(fd);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &usual), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = usual.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	attached = segment_attach(&segment, &offer);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &usual), 0);
	ck_assert(!attached);
	ck_assert(segment_attach(&segment, &offer)); /* nothing else was wrong */
	segment_detach(&segment);
	unlink("/dev/shm/qb-room-header");
}
END_TEST

/* What the hook makes of requests for a segment, and the fake engine without it. */
enum lack { NOT_THERE, REFUSED, LACKS, THERE = LACKS };

static bool no_segments(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	struct ipc_local_get_response heard = {
		.header = {.id = IPC_RES_LOCAL_GET, .size = sizeof(heard), .error = CS_OK}};
	struct ipc_segment_create_response offer = {
		.header = {.id = IPC_RES_SEGMENT_CREATE, .size = sizeof(offer), .error = CS_OK},
		.segment = {.id = 99, .user_offset = 8240, .user_size = 1 << 20, .name = "/dev/shm/qb-gone"}};
	const struct ipc_hello *hello = (const struct ipc_hello *)request;
	unsigned int lack = atomic_load(&fake_shared->value);

	if (request->id == IPC_REQ_LOCAL_GET && request->size == sizeof(*hello) &&
	    hello->segment_id == offer.segment.id) {
		fake_respond_raw(conn, &heard, sizeof(heard));
		return true;
	}
	if (request->id != IPC_REQ_SEGMENT_CREATE || lack == THERE)
		return false;
	if (lack == NOT_THERE)
		fake_respond_raw(conn, &offer, sizeof(offer));
	else
		fake_respond(conn, IPC_RES_SEGMENT_CREATE, CS_ERR_NO_RESOURCES);
	return true;
}

static bool goes_in_a_block(cpg_handle_t handle)
{
	cs_error_t error = send_bytes(handle, 0, READ_IN_PLACE);

	ck_assert(error == CS_OK || error == CS_ERR_TRY_AGAIN);
	fake_ask(handle);
	return atomic_load(&engine.shared->ring_blocks) > 0;
}

/* Messages go without, and only one of a second asks whether it has to. */
START_TEST(segments_that_can_not_be_had)
{
	enum { COUNT = 20 };
	struct fake_options options = {.features = RINGS, .hook = no_segments};
	cpg_handle_t handle = start_with(&options);
	int64_t start_ns = now_ns();
	unsigned int i, asked, seconds;

	atomic_store(&engine.shared->value, (unsigned int)_i);
	for (i = 0; i < COUNT; i++)
		ck_assert_int_eq(send_bytes(handle, 0, READ_IN_PLACE), CS_OK);
	asked = seen(IPC_REQ_SEGMENT_CREATE);
	seconds = (unsigned int)((now_ns() - start_ns) / (int64_t)CS_TIME_NS_IN_SEC);
	ck_assert_uint_ge(asked, 1);
	ck_assert_uint_le(asked, seconds + 1);
	deliver(handle, COUNT);
	ck_assert_uint_eq(last_length, READ_IN_PLACE);
	atomic_store(&engine.shared->value, THERE);
	fake_wait_until(goes_in_a_block(handle));
	stop(handle);
}
END_TEST

static size_t shm_used(void)
{
	struct statvfs shm;

	ck_assert_int_eq(statvfs("/dev/shm", &shm), 0);
	return (shm.f_blocks - shm.f_bfree) * shm.f_frsize;
}

/* What the engine gave no memory to, for there may be thousands of handles, gets none by being mapped. */
START_TEST(memory_of_a_handle_that_does_nothing)
{
	cpg_handle_t handle = start(NULL);
	size_t before = shm_used();
	cpg_handle_t idle;

	ck_assert_int_eq(cpg_initialize(&idle, NULL), CS_OK);
	ck_assert_uint_lt(shm_used() - before, SEGMENT_CONTROL_LARGE / 4);
	ck_assert_int_eq(cpg_finalize(idle), CS_OK);
	stop(handle);
}
END_TEST

START_TEST(zcb_segments_come_and_go)
{
	enum { COUNT = 20 };
	cpg_handle_t handle = start_features(SEGMENTS);
	void *buffers[COUNT];
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < COUNT; i++) {
			ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[i]), CS_OK);
			memset(buffers[i], (int)i, ATOMIC_MESSAGE_MAX);
		}
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), 8 + 2);
		for (i = 0; i < COUNT; i++)
			ck_assert_int_eq(cpg_zcb_free(handle, buffers[i * 7 % COUNT]), CS_OK);
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	}
	stop(handle);
}
END_TEST

static bool refuse_to_destroy(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_SEGMENT_DESTROY || !atomic_load(&fake_shared->value))
		return false;
	fake_respond(conn, IPC_RES_SEGMENT_DESTROY, CS_ERR_TRY_AGAIN);
	return true;
}

/* What the engine would not take back is used again: both sides count the same segments. */
START_TEST(zcb_segments_stay_until_taken_back)
{
	struct fake_options options = {.features = SEGMENTS, .hook = refuse_to_destroy};
	cpg_handle_t handle = start_with(&options);
	void *buffers[2];
	unsigned int round;

	for (round = 0; round < 3; round++) {
		atomic_store(&engine.shared->value, round < 2);
		ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[0]), CS_OK);
		ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[1]), CS_OK);
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), 2);
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[0]), CS_OK);
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[1]), CS_OK);
	}
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	stop(handle);
}
END_TEST

/* Mappings of segments that the engine made. */
static unsigned int mapped_segments(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	unsigned int count = 0;
	char line[512];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "/qb-fake-") != NULL;
	fclose(file);
	return count;
}

/* 1: with messages that the engine never took */
START_TEST(nothing_stays_mapped)
{
	cpg_handle_t handle = start_features(_i ? RINGS : SEGMENTS);
	void *buffers[2];

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[0]), CS_OK);
	ck_assert_uint_gt(mapped_segments(), 0);
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[1]), CS_OK);
	if (_i) {
		take(handle, false);
		ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffers[0], READ_IN_PLACE),
				 CS_OK);
		ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffers[1], READ_IN_PLACE),
				 CS_OK);
		ck_assert_int_eq(send_bytes(handle, 0, 100000), CS_OK);
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[1]), CS_OK);
		fake_engine_kill(&engine);
	}
	ck_assert_int_eq(cpg_finalize(handle), _i ? CS_ERR_LIBRARY : CS_OK);
	fake_engine_stop(&engine);
	ck_assert_uint_eq(mapped_segments(), 0);
}
END_TEST

static pid_t child;

static void fork_inside(cpg_handle_t handle)
{
	(void)handle;
	child = fork();
}

/* By exec: what a child has to leave behind (see cpg.h) is a leak to those who look at its exit. */
static void child_end(bool good)
{
	execl(good ? "/bin/true" : "/bin/false", "child", NULL);
	_exit(3);
}

/* 1: a child of a callback, which has a copy of the message in the place of some of the segment */
START_TEST(nothing_stays_mapped_in_a_child)
{
	cpg_handle_t handle = start(NULL);
	unsigned int mapped;
	void *buffers[3];
	int i, status;

	for (i = 0; i < 3; i++)
		ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[i]), CS_OK);
	take(handle, false);
	memset(buffers[0], 0, READ_IN_PLACE);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffers[0], READ_IN_PLACE), CS_OK);
	if (_i) {
		take(handle, true);
		in_callback = fork_inside;
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), child ? CS_OK : CS_ERR_BAD_HANDLE);
	} else {
		child = fork();
	}
	mapped = mapped_segments();
	if (!child)
		child_end(mapped >= 4 && cpg_finalize(handle) == CS_OK && mapped_segments() == 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(mapped_segments(), mapped);
	take(handle, true);
	deliver(handle, 1);
	ck_assert_uint_eq(last_length, READ_IN_PLACE);
	stop(handle);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("memory");

	tcase_add_checked_fixture(tcase, member_forget, NULL);
	fake_private_shm();
	tcase_add_test(tcase, control_segment_loses_its_name);
	tcase_add_test(tcase, segments_are_reported_in_the_end);
	tcase_add_loop_test(tcase, control_segment_that_can_not_be_used, 0, 6);
	tcase_add_test(tcase, segment_that_can_not_be_mapped);
	tcase_add_loop_test(tcase, segments_that_can_not_be_had, 0, LACKS);
	tcase_add_test(tcase, memory_of_a_handle_that_does_nothing);
	tcase_add_test(tcase, zcb_segments_come_and_go);
	tcase_add_test(tcase, zcb_segments_stay_until_taken_back);
	tcase_add_loop_test(tcase, nothing_stays_mapped, 0, 2);
	tcase_add_loop_test(tcase, nothing_stays_mapped_in_a_child, 0, 2);
	tcase_set_timeout(tcase, 20);
	return run_case("lib_memory", tcase);
}
