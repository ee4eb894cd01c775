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

#include "fake_internal.h"
#include "lib/lib_internal.h"

#define CLIENTS_MAX 8u
#define RATE_CHECK_NS (2 * CS_TIME_NS_IN_MSEC)

struct fake_shared *fake_shared;
uint64_t fake_more_features;
static char name[64];

/* The rest is the engine's process alone. */
static struct fake_options options;
static qb_loop_t *loop;
static qb_ipcs_service_t *service;
static qb_ipcs_connection_t *ringing[CLIENTS_MAX]; /* with rings in use */

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

struct segment_control *fake_control(qb_ipcs_connection_t *conn)
{
	return fake_rings_of(conn) ? fake_rings_of(conn)->control : NULL;
}

static void control_spoil(const struct fake_rings *rings, struct ipc_segment *offer)
{
	switch (options.control) {
	case CONTROL_GOOD:
		break;
	case CONTROL_NOT_THERE:
		fake_segment_unname(fake_segment_find(offer->id));
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
	case CONTROL_NEW:
		rings->control->version = SEGMENT_CONTROL_VERSION + 1;
		break;
	}
}

static void control_make(qb_ipcs_connection_t *conn, struct ipc_segment *offer)
{
	struct fake_rings *rings;

	fake_segment_make(offer, SEGMENT_CONTROL_SIZE, SEGMENT_CONTROL_SMALL);
	rings = fake_rings_new(offer->id, qb_rb_shared_user_data_get(fake_segment_find(offer->id)->ring));
	qb_ipcs_context_set(conn, rings);
	control_spoil(rings, offer);
}

static void on_attached(qb_ipcs_connection_t *conn, uint32_t segment_id)
{
	struct fake_rings *rings = fake_rings_of(conn);
	struct qb_ipcs_connection_stats stats;
	unsigned int i = 0;

	fake_segment_unname(fake_segment_find(segment_id));
	if (!rings || segment_id != rings->segment_id)
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
	free(fake_rings_of(conn));
	qb_ipcs_context_set(conn, NULL);
}

static void on_refused(qb_ipcs_connection_t *conn, uint32_t segment_id)
{
	fake_segment_end(fake_segment_find(segment_id));
	if (fake_rings_of(conn) && segment_id == fake_rings_of(conn)->segment_id)
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
	if (request->step == IPC_HELLO_START && options.features & IPC_FEATURE_RINGS)
		control_make(conn, &response.control);
	if (request->step == IPC_HELLO_ATTACHED)
		on_attached(conn, request->segment_id);
	if (request->step == IPC_HELLO_REFUSED)
		on_refused(conn, request->segment_id);
	fake_respond_raw(conn, &response, sizeof(response));
}

static void on_mcast(qb_ipcs_connection_t *conn, const struct ipc_mcast *request)
{
	memcpy(fake_shared->last_header, request, sizeof(*request));
	atomic_store(&fake_shared->last_mcast_size, (unsigned int)request->header.size);
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
	fake_segment_make(&response.segment, request->user_size, request->user_size);
	atomic_fetch_add(&fake_shared->segments, 1);
	fake_respond_raw(conn, &response, sizeof(response));
}

static void on_zcb_mcast(qb_ipcs_connection_t *conn, const struct ipc_zcb_mcast *request)
{
	struct fake_segment *segment = fake_segment_find(request->segment_id);

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
		.description = {.group = fake_the_group, .nodeid = FAKE_NODEID, .pid = 99}};

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
	fake_segment_end(fake_segment_find(request->segment_id));
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
	if (!fake_has_rings(conn))
		abort();
	fake_rings_of(conn)->waiting = false;
	fake_events_flush();
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
	return (uint8_t *)qb_rb_shared_user_data_get(fake_segment_find(block->segment_id)->ring) +
	       block->offset;
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

	if (fake_has_rings(conn) && !atomic_load(&fake_shared->keep_taken))
		fake_rings_take(fake_rings_of(conn), conn, limit ? limit : UINT_MAX, block_find, on_taken);
}

static int32_t on_request(qb_ipcs_connection_t *conn, void *data, size_t size)
{
	struct ipc_request *request;

	while (atomic_load(&fake_shared->sleepy)) {
		atomic_store(&fake_shared->sleeping, true);
		usleep(1000);
	}
	atomic_store(&fake_shared->sleeping, false);
	if (size < sizeof(*request))
		return -EINVAL;
	/* libqb's ring aligns to 4 bytes only. */
	request = malloc(size);
	memcpy(request, data, size);
	if (fake_has_rings(conn) && (request->id == IPC_REQ_MCAST || request->id == IPC_REQ_ZCB_MCAST))
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
	fake_events_drop(conn);
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
		if (!ringing[i] || fake_rings_asleep(fake_rings_of(ringing[i])))
			continue;
		say_who_is_behind(ringing[i]);
		rings_take(ringing[i]);
		if (!atomic_load(&fake_shared->awake))
			fake_rings_sleep(fake_rings_of(ringing[i]));
	}
}

static void rate_check(void *data)
{
	int rate = atomic_load(&fake_shared->rate);

	(void)data;
	rings_visit();
	fake_events_flush();
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
	fake_segments_end();
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
