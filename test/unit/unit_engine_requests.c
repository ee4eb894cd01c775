/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests: local answers, iterations, shared memory, and everything that a client could say wrong. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpg_segment.h"
#include "test/unit/engine_fixture.h"

/* As request(), with a header of our own and so many readable bytes. */
static cs_error_t raw(struct fixture *fixture, struct peer *peer, int32_t id, int32_t size, size_t readable)
{
	struct ipc_request *message = calloc(1, readable ? readable : 1);
	struct packet *answer;
	cs_error_t error = 0;

	ck_assert_ptr_nonnull(message);
	if (readable >= sizeof(*message)) {
		message->id = id;
		message->size = size;
	}
	engine_request(fixture->engine, peer->client, message, readable);
	answer = take(&peer->responses);
	if (answer) {
		error = (cs_error_t)((struct ipc_response *)answer->data)->error;
	}
	free(answer);
	free(message);
	return error;
}

/* A doorbell is never answered. */
static cs_error_t refused(int32_t id)
{
	return id == IPC_REQ_DOORBELL ? 0 : CS_ERR_INVALID_PARAM;
}

START_TEST(numbers_and_sizes_out_of_range)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct engine_stats stats;
	int32_t id;

	ck_assert_int_eq(raw(fixture, peer, -1, 16, 4096), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(raw(fixture, peer, IPC_REQ_COUNT, 16, 4096), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(raw(fixture, peer, 0, 0, 8), CS_ERR_INVALID_PARAM);
	for (id = 0; id < IPC_REQ_COUNT; id++) {
		if (id == IPC_REQ_MCAST) {
			continue; /* nobody listens for its answer: its sender goes */
		}
		ck_assert_int_eq(raw(fixture, peer, id, -1, 4096), refused(id));
		ck_assert_int_eq(raw(fixture, peer, id, 15, 4096), refused(id));
		ck_assert_int_eq(raw(fixture, peer, id, 4097, 4096), refused(id));
	}
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_requests, 3 + 3 * (IPC_REQ_COUNT - 1));
	ck_assert_uint_eq(fixture->log_lines, 1); /* said once */
	ck_assert(!peer->evicted);
	fixture_free(fixture);
}
END_TEST

START_TEST(multicasts_that_lie_end_their_sender)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20),
		    *three = peer_new(fixture, 30);
	struct ipc_mcast *mcast = calloc(1, IPC_BUFFER_SIZE);

	ck_assert_int_eq(raw(fixture, one, IPC_REQ_MCAST, 39, 4096), 0);
	ck_assert(one->evicted);
	joined(fixture, two, "group");
	mcast->msglen = 5;
	ck_assert_int_eq(request(fixture, two, IPC_REQ_MCAST, mcast, sizeof(*mcast) + 4), 0);
	ck_assert(two->evicted);
	joined(fixture, three, "group");
	mcast->msglen = IPC_BUFFER_SIZE - sizeof(*mcast); /* fits the request, and would abort the ring */
	ck_assert_int_eq(request(fixture, three, IPC_REQ_MCAST, mcast, IPC_BUFFER_SIZE), 0);
	ck_assert(three->evicted);
	ck_assert_uint_eq(count_id(&fixture->multicasts, WIRE_ID(WIRE_MCAST)), 0);
	free(mcast);
	fixture_free(fixture);
}
END_TEST

START_TEST(the_largest_message_goes)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_mcast *mcast = calloc(1, IPC_BUFFER_SIZE);

	joined(fixture, peer, "group");
	mcast->msglen = 1024 * 1024 - 1024;
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_MCAST, mcast, sizeof(*mcast) + mcast->msglen), 0);
	ck_assert_uint_eq(fixture->multicasts.count, 1);
	ck_assert_uint_le(fixture->multicasts.first->size, TOTEM_MESSAGE_SIZE_MAX);
	ck_assert(!peer->evicted);
	free(mcast);
	fixture_free(fixture);
}
END_TEST

START_TEST(a_multicast_before_the_join_is_nothing)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	request_mcast(fixture, peer, "hello");
	ck_assert_uint_eq(fixture->multicasts.count, 0);
	ck_assert(!peer->evicted);
	fixture_free(fixture);
}
END_TEST

START_TEST(names_too_long)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_join join = {.group.length = IPC_NAME_MAX + 1, .pid = 10};
	struct ipc_leave leave = {.group.length = UINT32_MAX, .pid = 10};
	struct ipc_membership membership = {.group.length = IPC_NAME_MAX + 1};
	struct ipc_iteration_initialize iteration = {.group.length = IPC_NAME_MAX + 1, .iteration_type = 2};

	ck_assert_int_eq(request(fixture, peer, IPC_REQ_JOIN, &join, sizeof(join)), CS_ERR_NAME_TOO_LONG);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_LEAVE, &leave, sizeof(leave)), CS_ERR_NAME_TOO_LONG);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_MEMBERSHIP, &membership, sizeof(membership)),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_ITERATION_INITIALIZE, &iteration, sizeof(iteration)),
			 CS_ERR_INVALID_PARAM);
	fixture_free(fixture);
}
END_TEST

START_TEST(another_process_id)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_join join = {.group = ipc_name("group"), .pid = 11};
	struct ipc_leave leave = {.group = ipc_name("group"), .pid = 11};

	ck_assert_int_eq(request(fixture, peer, IPC_REQ_JOIN, &join, sizeof(join)), CS_ERR_INVALID_PARAM);
	joined(fixture, peer, "group");
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_LEAVE, &leave, sizeof(leave)), CS_ERR_INVALID_PARAM);
	ck_assert_uint_eq(fixture->multicasts.count, 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(stock_zero_copy_is_not_supported)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	int32_t id;

	for (id = IPC_REQ_ZC_ALLOC; id <= IPC_REQ_ZC_EXECUTE; id++) {
		ck_assert_int_eq(raw(fixture, peer, id, 152, 4096), CS_ERR_NOT_SUPPORTED);
	}
	fixture_free(fixture);
}
END_TEST

/* ---- membership ---- */

static void *answer_to(struct fixture *fixture, struct peer *peer, int id, void *message, size_t size)
{
	struct ipc_request *header = message;
	struct packet *packet;
	void *copy;

	header->id = id;
	header->size = (int32_t)size;
	engine_request(fixture->engine, peer->client, message, IPC_BUFFER_SIZE);
	packet = take(&peer->responses);
	ck_assert_ptr_nonnull(packet);
	ck_assert_int_eq(((struct ipc_response *)packet->data)->size, (int)packet->size);
	copy = malloc(packet->size);
	memcpy(copy, packet->data, packet->size);
	free(packet);
	return copy;
}

START_TEST(membership_is_sorted_and_cut_at_the_array)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_membership membership = {.group = ipc_name("group")};
	struct ipc_membership_response *response;
	uint32_t pid;

	for (pid = 500; pid >= 1; pid--) {
		deliver_procjoin(fixture, 2, pid, "group");
	}
	response = answer_to(fixture, peer, IPC_REQ_MEMBERSHIP, &membership, sizeof(membership));
	ck_assert_uint_eq(response->member_count, IPC_OLD_MEMBERSHIP_MAX);
	ck_assert_uint_eq(response->member_list[0].pid, 1);
	ck_assert_uint_eq(response->member_list[IPC_OLD_MEMBERSHIP_MAX - 1].pid, IPC_OLD_MEMBERSHIP_MAX);
	free(response);
	membership.group = ipc_name("nowhere");
	response = answer_to(fixture, peer, IPC_REQ_MEMBERSHIP, &membership, sizeof(membership));
	ck_assert_int_eq(response->header.error, CS_OK);
	ck_assert_uint_eq(response->member_count, 0);
	free(response);
	fixture_free(fixture);
}
END_TEST

static uint64_t hello_asking(struct fixture *fixture, struct peer *peer, uint64_t features,
			     struct ipc_segment *control)
{
	struct ipc_hello message = {
		.magic = IPC_HELLO_MAGIC,
		.version = IPC_HELLO_VERSION,
		.features = features,
		.step = IPC_HELLO_START,
	};
	struct ipc_hello_response *response =
		answer_to(fixture, peer, IPC_REQ_LOCAL_GET, &message, sizeof(message));

	ck_assert_uint_eq(response->magic, IPC_HELLO_MAGIC);
	features = response->features;
	if (control) {
		*control = response->control;
	}
	free(response);
	return features;
}

static void hello(struct fixture *fixture, struct peer *peer, struct ipc_segment *control)
{
	ck_assert_uint_eq(hello_asking(fixture, peer, UINT64_MAX, control),
			  IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS);
}

START_TEST(membership_in_pages)
{
	enum { MEMBERS = IPC_MEMBERSHIP_PAGE_MAX + 500 };
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_membership_page page = {.group = ipc_name("group")};
	struct ipc_membership_page_response *first, *second;
	uint32_t pid;

	ck_assert_int_eq(request(fixture, peer, IPC_REQ_MEMBERSHIP_PAGE, &page, sizeof(page)),
			 CS_ERR_INVALID_PARAM);
	hello(fixture, peer, NULL);
	for (pid = 1; pid <= MEMBERS; pid++) {
		deliver_procjoin(fixture, 2, pid, "group");
	}
	first = answer_to(fixture, peer, IPC_REQ_MEMBERSHIP_PAGE, &page, sizeof(page));
	page.first = first->count;
	second = answer_to(fixture, peer, IPC_REQ_MEMBERSHIP_PAGE, &page, sizeof(page));
	ck_assert_uint_eq(first->total, MEMBERS);
	ck_assert_uint_eq(first->count + second->count, MEMBERS);
	ck_assert_uint_eq(first->view, second->view);
	ck_assert_uint_eq(second->list[0].pid, first->count + 1);
	free(second);
	deliver_procjoin(fixture, 2, MEMBERS + 1, "group");
	second = answer_to(fixture, peer, IPC_REQ_MEMBERSHIP_PAGE, &page, sizeof(page));
	ck_assert_uint_ne(first->view, second->view);
	free(second);
	page.first = UINT32_MAX;
	second = answer_to(fixture, peer, IPC_REQ_MEMBERSHIP_PAGE, &page, sizeof(page));
	ck_assert_uint_eq(second->count, 0);
	free(second);
	free(first);
	fixture_free(fixture);
}
END_TEST

/* ---- iterations ---- */

static uint64_t iteration_begin(struct fixture *fixture, struct peer *peer, uint32_t type, const char *group)
{
	struct ipc_iteration_initialize message = {.group = ipc_name(group), .iteration_type = type};
	struct ipc_iteration_initialize_response *response =
		answer_to(fixture, peer, IPC_REQ_ITERATION_INITIALIZE, &message, sizeof(message));
	uint64_t handle = response->iteration_handle;

	ck_assert_int_eq(response->header.error, CS_OK);
	free(response);
	return handle;
}

static size_t iteration_count(struct fixture *fixture, struct peer *peer, uint64_t handle)
{
	struct ipc_iteration message = {.iteration_handle = handle};
	size_t count = 0;
	cs_error_t error;

	while ((error = request(fixture, peer, IPC_REQ_ITERATION_NEXT, &message, sizeof(message))) == CS_OK) {
		count++;
	}
	ck_assert_int_eq(error, CS_ERR_NO_SECTIONS);
	return count;
}

START_TEST(iterations_are_snapshots)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10), *starting = peer_new(fixture, 20);
	uint64_t names, group, all, nothing;

	deliver_procjoin(fixture, 2, 1, "one");
	deliver_procjoin(fixture, 2, 2, "one");
	deliver_procjoin(fixture, 3, 1, "two");
	ck_assert_int_eq(request_join(fixture, starting, "not delivered"), CS_OK);
	names = iteration_begin(fixture, peer, 1, "");
	group = iteration_begin(fixture, peer, 2, "one");
	all = iteration_begin(fixture, peer, 3, "");
	nothing = iteration_begin(fixture, peer, 2, "nowhere");
	deliver_procleave(fixture, 2, 1, "one", 2);
	deliver_procjoin(fixture, 3, 2, "three");
	ck_assert_uint_eq(iteration_count(fixture, peer, names), 2);
	ck_assert_uint_eq(iteration_count(fixture, peer, group), 2);
	ck_assert_uint_eq(iteration_count(fixture, peer, all), 3);
	ck_assert_uint_eq(iteration_count(fixture, peer, nothing), 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(iteration_handles_are_checked)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);
	struct ipc_iteration message = {.iteration_handle = iteration_begin(fixture, one, 3, "")};
	struct ipc_iteration_initialize bad = {.iteration_type = 4};

	ck_assert_int_eq(request(fixture, two, IPC_REQ_ITERATION_NEXT, &message, sizeof(message)),
			 CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(request(fixture, two, IPC_REQ_ITERATION_FINALIZE, &message, sizeof(message)),
			 CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(request(fixture, one, IPC_REQ_ITERATION_FINALIZE, &message, sizeof(message)), CS_OK);
	ck_assert_int_eq(request(fixture, one, IPC_REQ_ITERATION_NEXT, &message, sizeof(message)),
			 CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(request(fixture, one, IPC_REQ_ITERATION_INITIALIZE, &bad, sizeof(bad)),
			 CS_ERR_INVALID_PARAM);
	fixture_free(fixture);
}
END_TEST

START_TEST(iterations_are_bounded)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_iteration_initialize message = {.iteration_type = 3};
	struct ipc_iteration end = {.iteration_handle = 1};
	int i;

	for (i = 0; i < 64; i++) {
		ck_assert_int_eq(
			request(fixture, peer, IPC_REQ_ITERATION_INITIALIZE, &message, sizeof(message)),
			CS_OK);
	}
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_ITERATION_INITIALIZE, &message, sizeof(message)),
			 CS_ERR_NO_RESOURCES);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_ITERATION_FINALIZE, &end, sizeof(end)), CS_OK);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_ITERATION_INITIALIZE, &message, sizeof(message)),
			 CS_OK);
	fixture_free(fixture);
}
END_TEST

/* ---- HELLO, segments, zcb ---- */

START_TEST(local_get_of_old_libraries)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_hello message = {.magic = 7}; /* a longer request without the magic is stock's */
	struct ipc_local_get_response *response =
		answer_to(fixture, peer, IPC_REQ_LOCAL_GET, &message, sizeof(message));

	ck_assert_int_eq(response->header.size, 32);
	ck_assert_uint_eq(response->local_nodeid, SELF);
	free(response);
	response = answer_to(fixture, peer, IPC_REQ_LOCAL_GET, &message, sizeof(struct ipc_request));
	ck_assert_int_eq(response->header.size, 32);
	free(response);
	fixture_free(fixture);
}
END_TEST

static cs_error_t hello_step(struct fixture *fixture, struct peer *peer, uint32_t step, uint32_t segment)
{
	struct ipc_hello message = {
		.magic = IPC_HELLO_MAGIC, .version = IPC_HELLO_VERSION, .step = step, .segment_id = segment};

	return request(fixture, peer, IPC_REQ_LOCAL_GET, &message, sizeof(message));
}

START_TEST(control_segment)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_segment control;

	hello(fixture, peer, &control);
	ck_assert_uint_ne(control.id, 0);
	ck_assert_uint_eq(control.user_size, SEGMENT_CONTROL_SIZE);
	ck_assert_str_eq(control.name, "/segment");
	ck_assert_int_eq(hello_step(fixture, peer, IPC_HELLO_ATTACHED, control.id), CS_OK);
	ck_assert_int_eq(hello_step(fixture, peer, IPC_HELLO_ATTACHED, control.id), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(hello_step(fixture, peer, IPC_HELLO_REFUSED, control.id), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(hello_step(fixture, peer, IPC_HELLO_ATTACHED, 77), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(hello_step(fixture, peer, 0, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(hello_step(fixture, peer, 4, 0), CS_ERR_INVALID_PARAM);
	ck_assert_uint_eq(fixture->segments, 1);
	peer_gone(fixture, peer);
	ck_assert_uint_eq(fixture->segments, 0);
	peer = peer_new(fixture, 11);
	hello(fixture, peer, &control);
	ck_assert_int_eq(hello_step(fixture, peer, IPC_HELLO_REFUSED, control.id), CS_OK);
	ck_assert_uint_eq(fixture->segments, 0);
	joined(fixture, peer, "group");
	request_mcast(fixture, peer, "without a control segment");
	ck_assert_uint_eq(fixture->multicasts.count, 1);
	fixture_free(fixture);
}
END_TEST

START_TEST(without_shared_memory)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *first = peer_new(fixture, 10), *second = peer_new(fixture, 11);
	struct ipc_segment control;

	fixture->segment_error = -ENOSPC;
	hello(fixture, first, &control);
	ck_assert_uint_eq(control.id, 0);
	ck_assert_str_eq(fixture->log_line,
			 "no shared memory for clients: No space left on device; without it "
			 "they are slower (said once)");
	hello(fixture, second, &control);
	ck_assert_uint_eq(control.id, 0);
	ck_assert_uint_eq(fixture->log_lines, 1);
	fixture_free(fixture);
}
END_TEST

START_TEST(shared_memory_that_clients_can_not_use)
{
	struct fixture *fixture = fixture_new(NULL);
	struct ipc_segment control;
	uint32_t pid;

	for (pid = 10; pid < 12; pid++) {
		struct peer *peer = peer_new(fixture, pid);

		hello(fixture, peer, &control);
		ck_assert_int_eq(hello_step(fixture, peer, IPC_HELLO_REFUSED, control.id), CS_OK);
	}
	ck_assert_uint_eq(fixture->log_lines, 1);
	ck_assert_ptr_nonnull(
		strstr(fixture->log_line, "process 10 can't use the shared memory that it was offered"));
	fixture_free(fixture);
}
END_TEST

static uint32_t segment_new(struct fixture *fixture, struct peer *peer, uint64_t size)
{
	struct ipc_segment_create create = {.user_size = size};
	struct ipc_segment_create_response *response =
		answer_to(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create));
	uint32_t id = response->segment.id;

	ck_assert_int_eq(response->header.error, CS_OK);
	free(response);
	return id;
}

/* Pools may be had without it, and it without them. */
START_TEST(a_control_segment_is_for_rings)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_segment_create create = {.user_size = 4096};
	struct ipc_segment control;

	ck_assert_uint_eq(hello_asking(fixture, peer, IPC_FEATURE_SEGMENTS, &control), IPC_FEATURE_SEGMENTS);
	ck_assert_uint_eq(control.id, 0);
	ck_assert_uint_eq(fixture->segments, 0);
	ck_assert_uint_ne(segment_new(fixture, peer, 4096), 0);
	ck_assert_uint_eq(fixture->segments, 1);
	peer = peer_new(fixture, 11);
	ck_assert_uint_eq(hello_asking(fixture, peer, IPC_FEATURE_RINGS, &control), IPC_FEATURE_RINGS);
	ck_assert_uint_ne(control.id, 0);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)),
			 CS_ERR_INVALID_PARAM);
	ck_assert_uint_eq(fixture->segments, 2);
	fixture_free(fixture);
}
END_TEST

static cs_error_t zcb(struct fixture *fixture, struct peer *peer, uint32_t segment, uint64_t offset,
		      uint64_t length)
{
	struct ipc_zcb_mcast message = {.segment_id = segment, .offset = offset, .length = length};

	return request(fixture, peer, IPC_REQ_ZCB_MCAST, &message, sizeof(message));
}

START_TEST(zcb_messages_lie_inside_their_segment)
{
	enum { SIZE = 2 * 1024 * 1024 };
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10), *other = peer_new(fixture, 20);
	struct ipc_segment control;
	uint32_t id;

	hello(fixture, peer, &control);
	hello(fixture, other, NULL);
	id = segment_new(fixture, peer, SIZE);
	ck_assert_int_eq(zcb(fixture, peer, id, SEGMENT_START, 8), CS_ERR_NOT_EXIST); /* not joined */
	joined(fixture, peer, "group");
	joined(fixture, other, "group");
	ck_assert_int_eq(zcb(fixture, peer, id, SEGMENT_START, 8), CS_OK);
	ck_assert_int_eq(zcb(fixture, peer, id, SIZE - 8, 8), CS_OK);
	ck_assert_int_eq(zcb(fixture, peer, id, SEGMENT_START, 1024 * 1024 - 1024), CS_OK);
	ck_assert_int_eq(zcb(fixture, peer, id, SEGMENT_START, 1024 * 1024 - 1023), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, peer, id, SEGMENT_START - 1, 8), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, peer, id, SIZE - 7, 8), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, peer, id, SIZE + 1, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, peer, id, UINT64_MAX - 3, 8), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, peer, id + 1, SEGMENT_START, 8), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, peer, 0, SEGMENT_START, 8), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, peer, control.id, SEGMENT_START, 8), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(zcb(fixture, other, id, SEGMENT_START, 8), CS_ERR_INVALID_PARAM);
	fixture_free(fixture);
}
END_TEST

static cs_error_t fragment(struct fixture *fixture, struct peer *peer, uint32_t segment, uint64_t offset,
			   uint32_t type, uint32_t length)
{
	struct ipc_partial_block block = {
		.msglen = 6, .fraglen = length, .type = type, .segment_id = segment, .offset = offset};

	return request(fixture, peer, IPC_REQ_PARTIAL_BLOCK, &block, sizeof(block));
}

START_TEST(fragments_may_lie_in_a_segment)
{
	struct fixture *fixture = fixture_new(&fixture_own_format);
	struct peer *peer = peer_new(fixture, 10);
	uint32_t id;

	hello(fixture, peer, NULL);
	id = segment_new(fixture, peer, 4096);
	memcpy((uint8_t *)fixture->last_segment + SEGMENT_START, "abcdefgh", 8);
	ck_assert_int_eq(fragment(fixture, peer, id, SEGMENT_START, IPC_FRAGMENT_FIRST, 3), CS_ERR_NOT_EXIST);
	joined(fixture, peer, "group");
	drop_all(&peer->events);
	ck_assert_int_eq(fragment(fixture, peer, id, SEGMENT_START, IPC_FRAGMENT_FIRST, 3), CS_OK);
	ck_assert_int_eq(fragment(fixture, peer, id, SEGMENT_START + 3, IPC_FRAGMENT_LAST, 3), CS_OK);
	deliver_own(fixture);
	ck_assert_str_eq(next_event(peer), "1:10 1/6 'abc'");
	ck_assert_str_eq(next_event(peer), "1:10 3/6 'def'");
	fixture_free(fixture);
}
END_TEST

/* Each ends the message that it should have continued. */
START_TEST(fragments_lie_inside_their_segment)
{
	static const struct {
		uint64_t offset;
		uint32_t length;
		int segment; /* behind the right one */
	} wrong[] = {{SEGMENT_START - 1, 3, 0}, {4094, 3, 0},	       {4097, 0, 0},
		     {UINT64_MAX - 1, 3, 0},	{SEGMENT_START, 3, 1}, {SEGMENT_START, 3, -1}};
	struct fixture *fixture = fixture_new(&fixture_own_format);
	struct peer *peer = peer_new(fixture, 10);
	uint32_t id;
	size_t i;

	hello(fixture, peer, NULL);
	id = segment_new(fixture, peer, 4096);
	joined(fixture, peer, "group");
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(fragment(fixture, peer, id, SEGMENT_START, IPC_FRAGMENT_FIRST, 3), CS_OK);
		ck_assert_int_eq(fragment(fixture, peer, id + (uint32_t)wrong[i].segment, wrong[i].offset,
					  IPC_FRAGMENT_LAST, wrong[i].length),
				 CS_ERR_INVALID_PARAM);
		ck_assert_int_eq(fragment(fixture, peer, id, SEGMENT_START, IPC_FRAGMENT_LAST, 3),
				 CS_ERR_INVALID_PARAM);
	}
	ck_assert(!peer->evicted);
	fixture->segment_cut = true;
	(void)fragment(fixture, peer, id, SEGMENT_START, IPC_FRAGMENT_FIRST, 3);
	ck_assert(peer->evicted);
	fixture_free(fixture);
}
END_TEST

START_TEST(segments_are_bounded_and_given_back)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_segment_create create = {.user_size = 4096};
	struct ipc_segment_destroy destroy = {.segment_id = 1};
	int i;

	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)),
			 CS_ERR_INVALID_PARAM); /* not agreed on */
	hello(fixture, peer, NULL);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_DESTROY, &destroy, sizeof(destroy)),
			 CS_ERR_INVALID_PARAM); /* the control segment */
	for (i = 1; i < (int)SEGMENTS_PER_CLIENT_MAX; i++) {
		destroy.segment_id = segment_new(fixture, peer, 4096);
	}
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)),
			 CS_ERR_NO_RESOURCES);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_DESTROY, &destroy, sizeof(destroy)), CS_OK);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_DESTROY, &destroy, sizeof(destroy)),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)), CS_OK);
	create.user_size = SEGMENT_POOL_MAX + 1;
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)),
			 CS_ERR_INVALID_PARAM);
	create.user_size = 0;
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)),
			 CS_ERR_INVALID_PARAM);
	fixture_free(fixture);
}
END_TEST

START_TEST(a_segment_cut_short_ends_its_client)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	uint32_t id;

	hello(fixture, peer, NULL);
	id = segment_new(fixture, peer, 4096);
	joined(fixture, peer, "group");
	fixture->segment_cut = true;
	fixture->segments_armed = 0;
	(void)zcb(fixture, peer, id, SEGMENT_START, 8);
	ck_assert_uint_ne(fixture->segments_armed, 0);
	ck_assert(peer->evicted);
	fixture_free(fixture);
}
END_TEST

START_TEST(a_control_segment_cut_short_ends_its_client)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_segment control;

	hello(fixture, peer, &control);
	ck_assert_int_eq(hello_step(fixture, peer, IPC_HELLO_ATTACHED, control.id), CS_OK);
	joined(fixture, peer, "group");
	fixture->segment_cut = true;
	request_mcast(fixture, peer, "hello");
	ck_assert(peer->evicted);
	ck_assert_uint_eq(fixture->multicasts.count, 0);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		numbers_and_sizes_out_of_range,
		multicasts_that_lie_end_their_sender,
		the_largest_message_goes,
		a_multicast_before_the_join_is_nothing,
		names_too_long,
		another_process_id,
		stock_zero_copy_is_not_supported,
		membership_is_sorted_and_cut_at_the_array,
		membership_in_pages,
		iterations_are_snapshots,
		iteration_handles_are_checked,
		iterations_are_bounded,
		local_get_of_old_libraries,
		control_segment,
		without_shared_memory,
		shared_memory_that_clients_can_not_use,
		a_control_segment_is_for_rings,
		zcb_messages_lie_inside_their_segment,
		fragments_may_lie_in_a_segment,
		fragments_lie_inside_their_segment,
		segments_are_bounded_and_given_back,
		a_segment_cut_short_ends_its_client,
		a_control_segment_cut_short_ends_its_client,
	};

	return RUN_TESTS("engine: requests", tests);
}
