/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "fake_engine.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <qb/qbrb.h>

#include "fake_rings.h"
#include "lib/lib_internal.h"

#define SEGMENTS_MAX 80u
#define CLIENTS_MAX 8u
#define RATE_CHECK_NS (2 * CS_TIME_NS_IN_MSEC)

struct fake_shared *fake_shared;
uint64_t fake_more_features;
static char name[64];

/* The rest is the engine's process alone. */
static struct fake_options options;
static qb_loop_t *loop;
static qb_ipcs_service_t *service;
static uint32_t segment_ids;
static struct fake_segment {
	uint32_t id;
	qb_ringbuffer_t *ring;
	bool named;
} segments[SEGMENTS_MAX];
static qb_ipcs_connection_t *ringing[CLIENTS_MAX]; /* with rings in use */

static struct queued {
	struct queued *next;
	qb_ipcs_connection_t *conn;
	enum ring_entry_kind kind;
	size_t size;
	uint8_t data[] IPC_ALIGNED;
} * queue;

const char *server_name(void)
{
	return name;
}

void fake_respond_raw(qb_ipcs_connection_t *conn, const void *data, size_t size)
{
	qb_ipcs_response_send(conn, data, size);
}

void fake_respond(qb_ipcs_connection_t *conn, int32_t id, int32_t error)
{
	struct ipc_response response = {.id = id, .size = sizeof(response), .error = error};

	fake_respond_raw(conn, &response, sizeof(response));
}

static struct fake_rings *rings_of(qb_ipcs_connection_t *conn)
{
	return qb_ipcs_context_get(conn);
}

static bool has_rings(qb_ipcs_connection_t *conn)
{
	struct fake_rings *rings = rings_of(conn);

	return rings && rings->used;
}

/* False: there is no room now. */
static bool event_send(const struct queued *event)
{
	struct fake_rings *rings = rings_of(event->conn);

	if (!has_rings(event->conn))
		return qb_ipcs_event_send(event->conn, event->data, event->size) != -EAGAIN;
	rings->waiting =
		rings->waiting || !fake_rings_put(rings, event->conn, event->kind, event->data, event->size);
	return !rings->waiting;
}

/* Sends what waits, in order, as far as there is room. */
static void events_flush(void)
{
	struct queued *event;

	while ((event = queue)) {
		if (!event_send(event))
			return;
		queue = event->next;
		free(event);
	}
}

static void events_drop(qb_ipcs_connection_t *conn)
{
	struct queued **link = &queue, *event;

	while ((event = *link)) {
		if (event->conn == conn) {
			*link = event->next;
			free(event);
		} else {
			link = &event->next;
		}
	}
}

/* The test may be busy sending: nobody waits for room here. */
static void event_queue(qb_ipcs_connection_t *conn, enum ring_entry_kind kind, const void *data, size_t size)
{
	struct queued *event = malloc(sizeof(*event) + size), **link = &queue;

	event->next = NULL;
	event->conn = conn;
	event->kind = kind;
	event->size = size;
	memcpy(event->data, data, size);
	while (*link)
		link = &(*link)->next;
	*link = event;
	events_flush();
}

static void event_slice(qb_ipcs_connection_t *conn, const uint8_t *data, size_t size)
{
	struct ipc_event_part *part = calloc(1, DELIVERY_ENTRY_MAX);
	size_t most = DELIVERY_ENTRY_MAX - sizeof(*part), offset, length;

	for (offset = 0; offset < size; offset += length) {
		length = size - offset < most ? size - offset : most;
		*part = (struct ipc_event_part){
			.header = {.id = IPC_RES_EVENT_PART, .size = (int32_t)(sizeof(*part) + length)},
			.total = size,
			.offset = offset,
			.length = length};
		memcpy(part->data, data + offset, length);
		event_queue(conn, RING_EVENT, part, sizeof(*part) + length);
	}
	free(part);
}

void fake_event(qb_ipcs_connection_t *conn, const void *data, size_t size)
{
	if (has_rings(conn) && size > DELIVERY_ENTRY_MAX)
		event_slice(conn, data, size);
	else
		event_queue(conn, RING_EVENT, data, size);
}

/* Static: its padding is zero, and goes to another process. */
static const struct ipc_name the_group = {.length = 5, .value = "group"};

void fake_ring_entry(qb_ipcs_connection_t *conn, enum ring_entry_kind kind, const void *body, size_t length)
{
	event_queue(conn, kind, body, length);
}

/* A run of as many messages, with room for their bytes. */
static uint8_t *run_new(uint32_t pid, unsigned int count, size_t length, size_t *size)
{
	size_t entry_size = ring_entry_size(length);
	uint8_t *run, *at;

	*size = sizeof(struct ring_run) + count * entry_size;
	run = calloc(1, *size);
	*(struct ring_run *)run = (struct ring_run){.nodeid = FAKE_NODEID, .pid = pid};
	for (at = run + sizeof(struct ring_run); at < run + *size; at += entry_size)
		*(struct ring_entry *)at =
			(struct ring_entry){.kind = RING_MESSAGE, .length = (uint32_t)length};
	return run;
}

static void run_queue(qb_ipcs_connection_t *conn, uint8_t *run, size_t size)
{
	if (!rings_of(conn)->grouped)
		event_queue(conn, RING_GROUP, &the_group, sizeof(the_group));
	rings_of(conn)->grouped = true;
	event_queue(conn, RING_RUN, run, size);
	free(run);
}

void fake_run(qb_ipcs_connection_t *conn, uint32_t pid, unsigned int count, size_t length)
{
	size_t size;
	uint8_t *run = run_new(pid, count, length, &size);
	unsigned int i;

	for (i = 0; i < count; i++)
		memset(run + sizeof(struct ring_run) + i * ring_entry_size(length) +
			       sizeof(struct ring_entry),
		       (int)i, length);
	run_queue(conn, run, size);
}

static void deliver_in_run(qb_ipcs_connection_t *conn, const void *message, size_t length)
{
	size_t size;
	uint8_t *run = run_new(0, 1, length, &size);

	memcpy(run + sizeof(struct ring_run) + sizeof(struct ring_entry), message, length);
	run_queue(conn, run, size);
}

static void deliver_event(qb_ipcs_connection_t *conn, const void *message, size_t length)
{
	struct ipc_deliver *event = calloc(1, sizeof(*event) + length);

	event->header.id = IPC_RES_DELIVER;
	event->header.size = (int32_t)(sizeof(*event) + length);
	event->group = the_group;
	event->msglen = (uint32_t)length;
	event->nodeid = FAKE_NODEID;
	memcpy(event->message, message, length);
	fake_event(conn, event, sizeof(*event) + length);
	free(event);
}

void fake_deliver(qb_ipcs_connection_t *conn, const void *message, size_t length)
{
	if (has_rings(conn) && length < DELIVERY_ENTRY_MAX / 2)
		deliver_in_run(conn, message, length);
	else
		deliver_event(conn, message, length);
}

void fake_confchg(qb_ipcs_connection_t *conn, uint32_t members, uint32_t left, uint32_t joined, uint32_t pid)
{
	size_t entries = (size_t)members + left + joined;
	size_t size = sizeof(struct ipc_confchg) + entries * sizeof(struct ipc_address);
	struct ipc_confchg *event = calloc(1, size);
	size_t i;

	event->header.id = IPC_RES_CONFCHG;
	event->header.size = (int32_t)size;
	event->group = the_group;
	event->member_list_entries = members;
	event->left_list_entries = left;
	event->joined_list_entries = joined;
	for (i = 0; i < entries; i++)
		event->list[i] = (struct ipc_address){
			.nodeid = FAKE_NODEID, .pid = pid, .reason = i < members ? 0 : 1};
	fake_event(conn, event, size);
	free(event);
}

void fake_fragment(qb_ipcs_connection_t *conn, uint32_t pid, enum ipc_fragment type, uint32_t msglen,
		   const void *data, uint32_t fraglen)
{
	struct ipc_partial_deliver *event = calloc(1, sizeof(*event) + fraglen);

	event->header.id = IPC_RES_PARTIAL_DELIVER;
	event->header.size = (int32_t)(sizeof(*event) + fraglen);
	event->group = the_group;
	event->msglen = msglen;
	event->fraglen = fraglen;
	event->nodeid = FAKE_NODEID;
	event->pid = pid;
	event->type = type;
	memcpy(event->message, data, fraglen);
	fake_event(conn, event, sizeof(*event) + fraglen);
	free(event);
}

static struct fake_segment *segment_find(uint32_t id)
{
	unsigned int i;

	for (i = 0; i < SEGMENTS_MAX; i++) {
		if (segments[i].id == id)
			return &segments[i];
	}
	return NULL;
}

static void segment_make(struct ipc_segment *offer, size_t user_size)
{
	struct fake_segment *segment = segment_find(0);

	*offer = (struct ipc_segment){0};
	if (!segment)
		return;
	offer->id = ++segment_ids;
	offer->data_size = 1;
	offer->user_size = user_size;
	snprintf(offer->name, sizeof(offer->name), "/dev/shm/qb-fake-%d-%u", getpid(), offer->id);
	segment->ring = qb_rb_open(offer->name, 1, QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_PROCESS, user_size);
	if (!segment->ring)
		abort();
	segment->id = offer->id;
	segment->named = true;
	atomic_fetch_add(&fake_shared->named, 1);
}

static void segment_unname(struct fake_segment *segment)
{
	char path[128];

	if (!segment->named)
		return;
	segment->named = false;
	atomic_fetch_sub(&fake_shared->named, 1);
	snprintf(path, sizeof(path), "/dev/shm/qb-fake-%d-%u-header", getpid(), segment->id);
	unlink(path);
	snprintf(path, sizeof(path), "/dev/shm/qb-fake-%d-%u-data", getpid(), segment->id);
	unlink(path);
}

static void segment_end(struct fake_segment *segment)
{
	segment_unname(segment);
	qb_rb_close(segment->ring);
	segment->id = 0;
}

struct segment_control *fake_control(qb_ipcs_connection_t *conn)
{
	return rings_of(conn) ? rings_of(conn)->control : NULL;
}

static void control_spoil(const struct fake_rings *rings, struct ipc_segment *offer)
{
	switch (options.control) {
	case CONTROL_GOOD:
		break;
	case CONTROL_NOT_THERE:
		segment_unname(segment_find(offer->id));
		break;
	case CONTROL_SMALL:
		offer->user_size -= 8;
		break;
	case CONTROL_OF_SOMETHING_ELSE:
		rings->control->magic++;
		break;
	case CONTROL_OLD:
		rings->control->version = SEGMENT_CONTROL_VERSION - 1;
		break;
	}
}

static void control_make(qb_ipcs_connection_t *conn, struct ipc_segment *offer)
{
	struct fake_rings *rings;

	segment_make(offer, SEGMENT_CONTROL_SIZE);
	rings = fake_rings_new(offer->id, qb_rb_shared_user_data_get(segment_find(offer->id)->ring));
	qb_ipcs_context_set(conn, rings);
	control_spoil(rings, offer);
}

static void on_attached(qb_ipcs_connection_t *conn, uint32_t segment_id)
{
	struct fake_rings *rings = rings_of(conn);
	struct qb_ipcs_connection_stats stats;
	unsigned int i = 0;

	segment_unname(segment_find(segment_id));
	if (!rings || segment_id != rings->segment_id || !(options.features & IPC_FEATURE_RINGS))
		return;
	qb_ipcs_connection_stats_get(conn, &stats, 0);
	rings->control->events_before = (uint32_t)stats.events;
	rings->used = true;
	while (ringing[i])
		i++;
	ringing[i] = conn;
}

static void rings_end(qb_ipcs_connection_t *conn)
{
	unsigned int i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (ringing[i] == conn)
			ringing[i] = NULL;
	}
	free(rings_of(conn));
	qb_ipcs_context_set(conn, NULL);
}

static void on_refused(qb_ipcs_connection_t *conn, uint32_t segment_id)
{
	segment_end(segment_find(segment_id));
	if (rings_of(conn) && segment_id == rings_of(conn)->segment_id)
		rings_end(conn);
}

static void on_local_get(qb_ipcs_connection_t *conn, const struct ipc_hello *request)
{
	struct ipc_hello_response response = {
		.local = {.header = {.id = IPC_RES_LOCAL_GET, .size = sizeof(response.local), .error = CS_OK},
			  .local_nodeid = FAKE_NODEID}};

	if (request->header.size < (int32_t)sizeof(*request) || !options.features) {
		fake_respond_raw(conn, &response.local, sizeof(response.local));
		return;
	}
	response.local.header.size = sizeof(response);
	response.magic = IPC_HELLO_MAGIC;
	response.version = IPC_HELLO_VERSION;
	response.features = options.features;
	if (request->step == IPC_HELLO_START && options.features & IPC_FEATURE_SEGMENTS)
		control_make(conn, &response.control);
	if (request->step == IPC_HELLO_ATTACHED)
		on_attached(conn, request->segment_id);
	if (request->step == IPC_HELLO_REFUSED)
		on_refused(conn, request->segment_id);
	fake_respond_raw(conn, &response, sizeof(response));
}

static void on_mcast(qb_ipcs_connection_t *conn, const struct ipc_mcast *request)
{
	struct segment_control *control = fake_control(conn);

	memcpy(fake_shared->last_header, request, sizeof(*request));
	atomic_store(&fake_shared->last_mcast_size, (unsigned int)request->header.size);
	if (control && !atomic_load(&fake_shared->keep_taken))
		atomic_fetch_add(&control->mcast_bytes_taken, (uint64_t)request->header.size);
	fake_deliver(conn, request->message, request->msglen);
}

static void on_partial(qb_ipcs_connection_t *conn, const struct ipc_partial_mcast *request)
{
	memcpy(fake_shared->last_header, request, sizeof(*request));
	fake_fragment(conn, 1, (enum ipc_fragment)request->type, request->msglen, request->message,
		      request->fraglen);
	fake_respond(conn, IPC_RES_PARTIAL_SEND, CS_OK);
}

static void on_membership(qb_ipcs_connection_t *conn)
{
	struct ipc_membership_response response = {
		.header = {.id = IPC_RES_MEMBERSHIP, .size = sizeof(response), .error = CS_OK}};
	uint32_t i;

	response.member_count = atomic_load(&fake_shared->members);
	for (i = 0; i < response.member_count && i < IPC_OLD_MEMBERSHIP_MAX; i++)
		response.member_list[i] = (struct ipc_address){.nodeid = FAKE_NODEID, .pid = i};
	fake_respond_raw(conn, &response, sizeof(response));
}

static void on_page(qb_ipcs_connection_t *conn, const struct ipc_membership_page *request)
{
	uint32_t total = atomic_load(&fake_shared->members);
	uint32_t left = request->first < total ? total - request->first : 0;
	uint32_t count = left < IPC_MEMBERSHIP_PAGE_MAX ? left : IPC_MEMBERSHIP_PAGE_MAX;
	size_t size = sizeof(struct ipc_membership_page_response) + count * sizeof(struct ipc_address);
	struct ipc_membership_page_response *response = calloc(1, size);
	uint32_t i;

	response->header =
		(struct ipc_response){.id = IPC_RES_MEMBERSHIP_PAGE, .size = (int32_t)size, .error = CS_OK};
	response->total = total;
	response->count = count;
	response->view = total;
	for (i = 0; i < count; i++)
		response->list[i] = (struct ipc_address){.nodeid = FAKE_NODEID, .pid = request->first + i};
	fake_respond_raw(conn, response, size);
	free(response);
}

static void on_segment_create(qb_ipcs_connection_t *conn, const struct ipc_segment_create *request)
{
	struct ipc_segment_create_response response = {
		.header = {.id = IPC_RES_SEGMENT_CREATE, .size = sizeof(response), .error = CS_OK}};

	if (options.refuse_segments) {
		fake_respond(conn, IPC_RES_SEGMENT_CREATE, CS_ERR_NO_RESOURCES);
		return;
	}
	segment_make(&response.segment, request->user_size);
	atomic_fetch_add(&fake_shared->segments, 1);
	fake_respond_raw(conn, &response, sizeof(response));
}

static void on_zcb_mcast(qb_ipcs_connection_t *conn, const struct ipc_zcb_mcast *request)
{
	struct fake_segment *segment = segment_find(request->segment_id);

	memcpy(fake_shared->last_header, request, sizeof(*request));
	if (!segment) {
		fake_respond(conn, IPC_RES_ZCB_MCAST, CS_ERR_NOT_EXIST);
		return;
	}
	fake_deliver(conn, (char *)qb_rb_shared_user_data_get(segment->ring) + request->offset,
		     request->length);
	fake_respond(conn, IPC_RES_ZCB_MCAST, CS_OK);
}

static void on_iteration_next(qb_ipcs_connection_t *conn)
{
	struct ipc_iteration_next_response response = {
		.header = {.id = IPC_RES_ITERATION_NEXT, .size = sizeof(response), .error = CS_OK},
		.description = {.group = the_group, .nodeid = FAKE_NODEID, .pid = 99}};

	fake_respond_raw(conn, &response, sizeof(response));
}

static void on_iteration_initialize(qb_ipcs_connection_t *conn)
{
	struct ipc_iteration_initialize_response response = {
		.header = {.id = IPC_RES_ITERATION_INITIALIZE, .size = sizeof(response), .error = CS_OK},
		.iteration_handle = 0x1234};

	fake_respond_raw(conn, &response, sizeof(response));
}

static void on_segment_destroy(qb_ipcs_connection_t *conn, const struct ipc_segment_destroy *request)
{
	segment_end(segment_find(request->segment_id));
	atomic_fetch_sub(&fake_shared->segments, 1);
	fake_respond(conn, IPC_RES_SEGMENT_DESTROY, CS_OK);
}

static void say_who_is_behind(qb_ipcs_connection_t *conn)
{
	struct segment_control *control = fake_control(conn);

	if (control)
		atomic_store(&control->receiver_behind, atomic_load(&fake_shared->behind));
}

static void on_doorbell(qb_ipcs_connection_t *conn)
{
	if (!has_rings(conn))
		abort();
	rings_of(conn)->waiting = false;
	events_flush();
}

static void answer(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	say_who_is_behind(conn);
	switch (request->id) {
	case IPC_REQ_DOORBELL:
		on_doorbell(conn);
		break;
	case IPC_REQ_JOIN:
		fake_respond(conn, IPC_RES_JOIN, CS_OK);
		fake_confchg(conn, 1, 0, 1, ((const struct ipc_join *)request)->pid);
		break;
	case IPC_REQ_LEAVE:
		fake_respond(conn, IPC_RES_LEAVE, CS_OK);
		fake_confchg(conn, 0, 1, 0, ((const struct ipc_leave *)request)->pid);
		break;
	case IPC_REQ_MCAST:
		on_mcast(conn, (const struct ipc_mcast *)request);
		break;
	case IPC_REQ_MEMBERSHIP:
		on_membership(conn);
		break;
	case IPC_REQ_LOCAL_GET:
		on_local_get(conn, (const struct ipc_hello *)request);
		break;
	case IPC_REQ_ITERATION_INITIALIZE:
		on_iteration_initialize(conn);
		break;
	case IPC_REQ_ITERATION_NEXT:
		on_iteration_next(conn);
		break;
	case IPC_REQ_PARTIAL_MCAST:
		on_partial(conn, (const struct ipc_partial_mcast *)request);
		break;
	case IPC_REQ_SEGMENT_CREATE:
		on_segment_create(conn, (const struct ipc_segment_create *)request);
		break;
	case IPC_REQ_SEGMENT_DESTROY:
		on_segment_destroy(conn, (const struct ipc_segment_destroy *)request);
		break;
	case IPC_REQ_ZCB_MCAST:
		on_zcb_mcast(conn, (const struct ipc_zcb_mcast *)request);
		break;
	case IPC_REQ_MEMBERSHIP_PAGE:
		on_page(conn, (const struct ipc_membership_page *)request);
		break;
	default:
		fake_respond(conn, request->id, CS_OK);
	}
}

static void handle(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id < 0 || request->id >= IPC_REQ_COUNT)
		return;
	atomic_fetch_add(&fake_shared->requests[request->id], 1);
	if (!options.hook || !options.hook(conn, request))
		answer(conn, request);
}

static const uint8_t *block_find(const struct ring_block *block)
{
	return (uint8_t *)qb_rb_shared_user_data_get(segment_find(block->segment_id)->ring) + block->offset;
}

static void on_taken(qb_ipcs_connection_t *conn, const void *message, size_t length)
{
	struct ipc_mcast *request = calloc(1, sizeof(*request) + length);

	request->header.id = IPC_REQ_MCAST;
	request->header.size = (int32_t)(sizeof(*request) + length);
	request->msglen = (uint32_t)length;
	memcpy(request->message, message, length);
	handle(conn, &request->header);
	free(request);
}

static void on_partial_block(qb_ipcs_connection_t *conn, const struct ipc_partial_block *block)
{
	struct ring_block where = {.segment_id = block->segment_id, .offset = block->offset};
	struct ipc_partial_mcast *request = calloc(1, sizeof(*request) + block->fraglen);

	request->header.id = IPC_REQ_PARTIAL_MCAST;
	request->header.size = (int32_t)(sizeof(*request) + block->fraglen);
	request->guarantee = block->guarantee;
	request->msglen = block->msglen;
	request->fraglen = block->fraglen;
	request->type = block->type;
	memcpy(request->message, block_find(&where), block->fraglen);
	handle(conn, &request->header);
	free(request);
}

/* What came by the ring goes before what comes by libqb. */
static void rings_take(qb_ipcs_connection_t *conn)
{
	unsigned int limit = atomic_load(&fake_shared->take_limit);

	if (has_rings(conn) && !atomic_load(&fake_shared->keep_taken))
		fake_rings_take(rings_of(conn), conn, limit ? limit : UINT_MAX, block_find, on_taken);
}

static int32_t on_request(qb_ipcs_connection_t *conn, void *data, size_t size)
{
	struct ipc_request *request;

	while (atomic_load(&fake_shared->sleepy))
		usleep(1000);
	if (size < sizeof(*request))
		return -EINVAL;
	/* libqb's ring aligns to 4 bytes only. */
	request = malloc(size);
	memcpy(request, data, size);
	if (has_rings(conn) && (request->id == IPC_REQ_MCAST || request->id == IPC_REQ_ZCB_MCAST))
		abort();
	rings_take(conn);
	if (request->id == IPC_REQ_PARTIAL_BLOCK)
		on_partial_block(conn, (const struct ipc_partial_block *)request);
	else
		handle(conn, request);
	free(request);
	return 0;
}

static int32_t on_accept(qb_ipcs_connection_t *conn, uid_t uid, gid_t gid)
{
	(void)conn;
	(void)uid;
	(void)gid;
	return 0;
}

static void on_created(qb_ipcs_connection_t *conn)
{
	(void)conn;
}

static int32_t on_closed(qb_ipcs_connection_t *conn)
{
	events_drop(conn);
	rings_end(conn);
	return 0;
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

/* As the engine does when the token comes. */
static void rings_visit(void)
{
	unsigned int i;

	for (i = 0; i < CLIENTS_MAX && !atomic_load(&fake_shared->sleepy); i++) {
		if (!ringing[i] || fake_rings_asleep(rings_of(ringing[i])))
			continue;
		say_who_is_behind(ringing[i]);
		rings_take(ringing[i]);
		if (!atomic_load(&fake_shared->awake))
			fake_rings_sleep(rings_of(ringing[i]));
	}
}

static void rate_check(void *data)
{
	int rate = atomic_load(&fake_shared->rate);

	(void)data;
	rings_visit();
	events_flush();
	if (rate != atomic_load(&fake_shared->rate_set)) {
		qb_ipcs_request_rate_limit(service, (enum qb_ipcs_rate_limit)rate);
		atomic_store(&fake_shared->rate_set, rate);
	}
	qb_loop_timer_add(loop, QB_LOOP_HIGH, RATE_CHECK_NS, NULL, rate_check, NULL);
}

static int32_t on_term(int32_t signal, void *data)
{
	(void)signal;
	(void)data;
	qb_loop_stop(loop);
	return -1;
}

static void run(int ready)
{
	struct qb_ipcs_service_handlers handlers = {.connection_accept = on_accept,
						    .connection_created = on_created,
						    .msg_process = on_request,
						    .connection_closed = on_closed,
						    .connection_destroyed = on_created};
	struct qb_ipcs_poll_handlers poll = {.job_add = job_add,
					     .dispatch_add = dispatch_add,
					     .dispatch_mod = dispatch_mod,
					     .dispatch_del = dispatch_del};
	unsigned int i;

	loop = qb_loop_create();
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGTERM, NULL, on_term, NULL);
	service = qb_ipcs_create(name, 0, options.sockets ? QB_IPC_SOCKET : QB_IPC_SHM, &handlers);
	if (options.features & IPC_FEATURE_RINGS)
		qb_ipcs_enforce_buffer_size(service, IPC_SMALL_BUFFER_SIZE);
	qb_ipcs_poll_handlers_set(service, &poll);
	if (qb_ipcs_run(service) != 0)
		abort();
	qb_loop_timer_add(loop, QB_LOOP_HIGH, RATE_CHECK_NS, NULL, rate_check, NULL);
	if (write(ready, "", 1) != 1)
		abort();
	qb_loop_run(loop);
	qb_ipcs_destroy(service);
	for (i = 0; i < SEGMENTS_MAX; i++) {
		if (segments[i].id)
			segment_end(&segments[i]);
	}
}

void fake_engine_start(struct fake_engine *engine, const struct fake_options *chosen)
{
	static unsigned int count;
	int ready[2];
	char byte;

	snprintf(name, sizeof(name), "fake-cpg-%d-%u", getpid(), count++);
	fake_shared =
		mmap(NULL, sizeof(*fake_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(fake_shared, MAP_FAILED);
	engine->shared = fake_shared;
	ck_assert_int_eq(pipe(ready), 0);
	engine->pid = fork();
	ck_assert_int_ge(engine->pid, 0);
	if (!engine->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		options = *chosen;
		options.features |= fake_more_features;
		run(ready[1]);
		_exit(0);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static void engine_end(struct fake_engine *engine, int signal)
{
	if (!engine->pid)
		return;
	kill(engine->pid, signal);
	waitpid(engine->pid, NULL, 0);
	engine->pid = 0;
}

void fake_engine_stop(struct fake_engine *engine)
{
	engine_end(engine, SIGTERM);
	munmap(engine->shared, sizeof(*engine->shared));
}

void fake_engine_kill(struct fake_engine *engine)
{
	engine_end(engine, SIGKILL);
}

void fake_ask(cpg_handle_t handle)
{
	struct cpg_name group = fake_name("group");
	struct cpg_address member;
	int entries = 1;
	cs_error_t error = cpg_membership_get(handle, &group, &member, &entries);

	ck_assert_msg(error == CS_OK || error == CS_ERR_NO_SPACE, "membership: %d", error);
}

void fake_private_shm(void)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0)
		return;
	if (mount("tmpfs", "/dev/shm", "tmpfs", 0, "") != 0)
		return;
}
