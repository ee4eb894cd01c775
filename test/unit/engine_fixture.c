/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cpg_peer.h"
#include "test/unit/engine_fixture.h"
#include "test/unit/segment_views.h"

/* ---- packets ---- */

static void append(struct packets *packets, const struct iovec *iov, unsigned int iov_len)
{
	struct packet *packet;
	size_t size = 0, at = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	packet = malloc(sizeof(*packet) + size);
	ck_assert_ptr_nonnull(packet);
	packet->next = NULL;
	packet->size = size;
	for (i = 0; i < iov_len; i++) {
		if (iov[i].iov_len) {
			memcpy(packet->data + at, iov[i].iov_base, iov[i].iov_len);
		}
		at += iov[i].iov_len;
	}
	if (packets->first == NULL) {
		packets->last = &packets->first;
	}
	*packets->last = packet;
	packets->last = &packet->next;
	packets->count++;
}

struct packet *take(struct packets *packets)
{
	struct packet *packet = packets->first;

	if (packet) {
		packets->first = packet->next;
		packets->count--;
	}
	return packet;
}

void drop_all(struct packets *packets)
{
	struct packet *packet;

	while ((packet = take(packets))) {
		free(packet);
	}
}

size_t count_id(const struct packets *packets, int id)
{
	const struct packet *packet;
	size_t count = 0;

	for (packet = packets->first; packet; packet = packet->next) {
		count += ((const struct ipc_request *)packet->data)->id == id;
	}
	return count;
}

size_t bytes_of(const struct packets *packets)
{
	const struct packet *packet;
	size_t bytes = 0;

	for (packet = packets->first; packet; packet = packet->next) {
		bytes += packet->size;
	}
	return bytes;
}

/* ---- ops ---- */

static int op_mcast(void *context, const struct iovec *iov, unsigned int iov_len)
{
	struct fixture *fixture = context;

	if (fixture->totem_full) {
		return -1;
	}
	append(&fixture->multicasts, iov, iov_len);
	return 0;
}

static int op_peer_mcast(void *context, const struct iovec *iov, unsigned int iov_len)
{
	struct fixture *fixture = context;

	if (fixture->totem_full) {
		return -1;
	}
	append(&fixture->peer_multicasts, iov, iov_len);
	return 0;
}

static void op_respond(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	struct peer *peer = conn;

	(void)context;
	append(&peer->responses, iov, iov_len);
}

static int op_event(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	struct peer *peer = conn;

	(void)context;
	ck_assert(!peer->gone);
	if (peer->error) {
		return peer->error;
	}
	if (peer->room == 0) {
		return -EAGAIN;
	}
	if (peer->room != ROOM_ENDLESS) {
		peer->room--;
	}
	append(&peer->events, iov, iov_len);
	return 0;
}

static void op_evict(void *context, void *conn)
{
	struct peer *peer = conn;

	(void)context;
	ck_assert(!peer->gone);
	peer->evicted = true;
}

static uint64_t op_now(void *context)
{
	return ((struct fixture *)context)->now;
}

static void op_wake(void *context, uint64_t delay)
{
	struct fixture *fixture = context;

	if (fixture->wake_at == 0 || fixture->now + delay < fixture->wake_at) {
		fixture->wake_at = fixture->now + delay;
	}
}

static void op_hold_requests(void *context, bool hold)
{
	((struct fixture *)context)->holding = hold;
}

static void op_log(void *context, int priority, const char *text)
{
	struct fixture *fixture = context;

	ck_assert_ptr_nonnull(text);
	if (priority < LOG_DEBUG) {
		fixture->log_lines++;
		(void)snprintf(fixture->log_line, sizeof(fixture->log_line), "%s", text);
	}
	fixture->log_priority = priority;
}

/* All of it is there from the beginning. */
static int op_segment_create(void *context, void *conn, size_t user_size, size_t present,
			     struct engine_segment *segment, struct engine_segment_name *name)
{
	int error = ((struct fixture *)context)->segment_error;
	struct segment_views *views;

	(void)conn;
	if (error) {
		return error;
	}
	views = segment_views_new(user_size);
	*segment = (struct engine_segment){
		.base = segment_views_engine(views), .size = present, .handle = views};
	(void)snprintf(name->name, name->capacity, "/segment");
	((struct fixture *)context)->segments++;
	((struct fixture *)context)->last_segment = segment_views_client(views);
	return 0;
}

/* It moves in any case, as a real one may. */
static int op_segment_grow(void *context, struct engine_segment *segment, size_t present)
{
	struct fixture *fixture = context;

	segment_views_move(segment->handle);
	segment->base = segment_views_engine(segment->handle);
	if (fixture->segment_error == 0) {
		segment->size = present;
		fixture->segments_grown++;
	}
	return fixture->segment_error;
}

static void op_segment_unlink(void *context, struct engine_segment *segment)
{
	(void)context;
	(void)segment;
}

static void op_segment_destroy(void *context, struct engine_segment *segment)
{
	((struct fixture *)context)->segments--;
	segment_views_free(segment->handle);
}

static void op_segment_arm(void *context)
{
	struct fixture *fixture = context;

	if (fixture->segments_armed++ == 0 && fixture->last_segment) {
		fixture->events_before_when_armed = fixture_control(fixture)->events_before;
	}
}

static bool op_segment_broken(void *context, const struct engine_segment *segment)
{
	const struct fixture *fixture = context;

	(void)segment;
	if (fixture->looked) {
		fixture->looked(fixture->looked_data);
	}
	return fixture->segment_cut;
}

static const struct engine_ops fixture_ops = {
	.mcast = op_mcast,
	.peer_mcast = op_peer_mcast,
	.respond = op_respond,
	.event = op_event,
	.evict = op_evict,
	.now = op_now,
	.wake = op_wake,
	.hold_requests = op_hold_requests,
	.log = op_log,
	.segment_create = op_segment_create,
	.segment_grow = op_segment_grow,
	.segment_unlink = op_segment_unlink,
	.segment_destroy = op_segment_destroy,
	.segment_arm = op_segment_arm,
	.segment_broken = op_segment_broken,
};

/* ---- life ---- */

const struct engine_config fixture_own_format = {
	.client_queue = ENGINE_CLIENT_QUEUE_DEFAULT,
	.client_stall = ENGINE_CLIENT_STALL_DEFAULT,
	.queue_total = ENGINE_QUEUE_TOTAL_DEFAULT,
	.message_max = ENGINE_MESSAGE_MAX_DEFAULT,
};

struct fixture *fixture_new(const struct engine_config *config)
{
	struct engine_config stock_format = fixture_own_format;
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	ck_assert_ptr_nonnull(fixture);
	fixture->now = 1;
	stock_format.wire_stock = true;
	fixture->engine = engine_create(&fixture_ops, fixture, config ? config : &stock_format);
	ck_assert_ptr_nonnull(fixture->engine);
	engine_set_nodeid(fixture->engine, SELF);
	transitional(fixture, (const uint32_t[]){0});
	sync_begin(fixture, (const uint32_t[]){SELF, 0}, (const uint32_t[]){SELF, 0});
	sync_own(fixture);
	sync_end(fixture);
	fixture->log_lines = 0;
	return fixture;
}

static void peer_free(struct peer *peer)
{
	drop_all(&peer->responses);
	drop_all(&peer->events);
	free(peer);
}

void fixture_free(struct fixture *fixture)
{
	engine_destroy(fixture->engine);
	ck_assert_uint_eq(fixture->segments, 0);
	while (fixture->peers) {
		struct peer *peer = fixture->peers;

		fixture->peers = peer->next;
		peer_free(peer);
	}
	drop_all(&fixture->multicasts);
	drop_all(&fixture->peer_multicasts);
	free(fixture);
}

struct peer *peer_new(struct fixture *fixture, uint32_t pid)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	ck_assert_ptr_nonnull(peer);
	peer->pid = pid;
	peer->room = ROOM_ENDLESS;
	peer->client = engine_client_new(fixture->engine, peer, pid);
	ck_assert_ptr_nonnull(peer->client);
	peer->next = fixture->peers;
	fixture->peers = peer;
	return peer;
}

void peer_gone(struct fixture *fixture, struct peer *peer)
{
	struct peer **link = &fixture->peers;

	peer->gone = true;
	engine_client_gone(fixture->engine, peer->client);
	while (*link != peer) {
		link = &(*link)->next;
	}
	*link = peer->next;
	peer_free(peer);
}

const struct segment_control *fixture_control(const struct fixture *fixture)
{
	return (const void *)((const uint8_t *)fixture->last_segment + SEGMENT_START);
}

/* ---- requests ---- */

struct ipc_name ipc_name(const char *text)
{
	struct ipc_name name = {.length = (uint32_t)strlen(text)};

	ck_assert_uint_le(name.length, IPC_NAME_MAX);
	memcpy(name.value, text, name.length);
	return name;
}

/* libqb's rings align requests to 4 bytes; what is read behind this one is found out. */
static void request_misaligned(struct fixture *fixture, struct peer *peer, const void *message, size_t size)
{
	const size_t shift = sizeof(uint32_t);
	uint8_t *bytes = malloc(shift + size);

	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes + shift, message, size);
	engine_request(fixture->engine, peer->client, bytes + shift, IPC_BUFFER_SIZE);
	free(bytes);
}

cs_error_t request(struct fixture *fixture, struct peer *peer, int id, void *message, size_t size)
{
	struct ipc_request *header = message;
	struct packet *answer;
	cs_error_t error = 0;

	header->id = id;
	header->size = (int32_t)size;
	request_misaligned(fixture, peer, message, size);
	answer = take(&peer->responses);
	if (answer) {
		error = (cs_error_t)((const struct ipc_response *)answer->data)->error;
	}
	free(answer);
	return error;
}

static void *zeroed(size_t size)
{
	void *bytes = calloc(1, size);

	ck_assert_ptr_nonnull(bytes);
	return bytes;
}

cs_error_t request_hello(struct fixture *fixture, struct peer *peer, uint64_t features)
{
	struct ipc_hello hello = {.magic = IPC_HELLO_MAGIC,
				  .version = IPC_HELLO_VERSION,
				  .features = features,
				  .step = IPC_HELLO_START};

	return request(fixture, peer, IPC_REQ_LOCAL_GET, &hello, sizeof(hello));
}

cs_error_t request_join(struct fixture *fixture, struct peer *peer, const char *group)
{
	struct ipc_join join = {.group = ipc_name(group), .pid = peer->pid};

	return request(fixture, peer, IPC_REQ_JOIN, &join, sizeof(join));
}

cs_error_t request_leave(struct fixture *fixture, struct peer *peer, const char *group)
{
	struct ipc_leave leave = {.group = ipc_name(group), .pid = peer->pid};

	return request(fixture, peer, IPC_REQ_LEAVE, &leave, sizeof(leave));
}

void request_mcast(struct fixture *fixture, struct peer *peer, const char *text)
{
	size_t length = strlen(text);
	struct ipc_mcast *mcast = zeroed(sizeof(*mcast) + length);

	mcast->msglen = (uint32_t)length;
	memcpy(mcast->message, text, length);
	(void)request(fixture, peer, IPC_REQ_MCAST, mcast, sizeof(*mcast) + length);
	free(mcast);
}

cs_error_t request_fragment(struct fixture *fixture, struct peer *peer, uint32_t type, uint32_t msglen,
			    const char *text)
{
	size_t length = strlen(text);
	struct ipc_partial_mcast *partial = zeroed(sizeof(*partial) + length);
	cs_error_t error;

	partial->msglen = msglen;
	partial->fraglen = (uint32_t)length;
	partial->type = type;
	memcpy(partial->message, text, length);
	error = request(fixture, peer, IPC_REQ_PARTIAL_MCAST, partial, sizeof(*partial) + length);
	free(partial);
	return error;
}

void joined(struct fixture *fixture, struct peer *peer, const char *group)
{
	ck_assert_int_eq(request_join(fixture, peer, group), CS_OK);
	deliver_own(fixture);
}

/* ---- deliveries ---- */

/* At an odd address, in a block that ends with it. The head is of `head` bytes. */
static uint8_t *block_new(const struct fixture *fixture, const void *message, size_t size, size_t head)
{
	uint8_t *block = malloc(size + 1);

	ck_assert_ptr_nonnull(block);
	memcpy(block + 1, message, size);
	if (fixture->tamper && size > head) {
		fixture->tamper(fixture->tamper_data, block + 1 + head, size - head);
	}
	return block;
}

void deliver(struct fixture *fixture, const void *message, uint32_t nodeid)
{
	const struct ipc_request *header = message;
	uint8_t *block = block_new(fixture, message, (size_t)header->size, sizeof(*header));

	engine_message(fixture->engine, (unsigned int)header->id & 0xffff, block + 1, nodeid);
	free(block);
}

void deliver_peer(struct fixture *fixture, const void *message, size_t size, uint32_t nodeid)
{
	uint8_t *block = block_new(fixture, message, size, sizeof(struct peer_head));

	engine_peer_message(fixture->engine, block + 1, size, false, nodeid);
	free(block);
}

static bool deliver_one_own(struct fixture *fixture)
{
	struct packet *packet = take(&fixture->multicasts);

	if (packet) {
		deliver(fixture, packet->data, SELF);
	} else {
		packet = take(&fixture->peer_multicasts);
		if (packet) {
			deliver_peer(fixture, packet->data, packet->size, SELF);
		}
	}
	free(packet);
	return packet != NULL;
}

void deliver_own(struct fixture *fixture)
{
	while (deliver_one_own(fixture)) {
		engine_token(fixture->engine);
	}
}

static void deliver_joinleave(struct fixture *fixture, int function, uint32_t nodeid, uint32_t pid,
			      const char *group, uint32_t reason)
{
	struct wire_procjoin message = {
		.header = {.id = WIRE_ID(function), .size = sizeof(message)},
		.group = ipc_name(group),
		.pid = pid,
		.reason = reason,
	};

	deliver(fixture, &message, nodeid);
}

void deliver_procjoin(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group)
{
	deliver_joinleave(fixture, WIRE_PROCJOIN, nodeid, pid, group, 1);
}

void deliver_procleave(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group,
		       uint32_t reason)
{
	deliver_joinleave(fixture, WIRE_PROCLEAVE, nodeid, pid, group, reason);
}

void deliver_mcast(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group,
		   const char *text)
{
	size_t size = sizeof(struct wire_mcast) + strlen(text);
	struct wire_mcast *message = calloc(1, size);

	ck_assert_ptr_nonnull(message);
	message->header = (struct ipc_request){.id = WIRE_ID(WIRE_MCAST), .size = (int32_t)size};
	message->group = ipc_name(group);
	message->msglen = (uint32_t)strlen(text);
	message->pid = pid;
	message->source.nodeid = nodeid;
	memcpy(message->message, text, strlen(text));
	deliver(fixture, message, nodeid);
	free(message);
}

void deliver_downlist(struct fixture *fixture, uint32_t nodeid)
{
	struct wire_downlist message = {.header = {.id = WIRE_ID(WIRE_DOWNLIST), .size = sizeof(message)}};

	deliver(fixture, &message, nodeid);
}

void deliver_joinlist(struct fixture *fixture, uint32_t nodeid, const struct named *named, size_t count)
{
	size_t size = sizeof(struct wire_joinlist) + count * sizeof(struct wire_joinlist_entry), i;
	struct wire_joinlist *message = calloc(1, size);

	ck_assert_ptr_nonnull(message);
	message->header = (struct ipc_response){.id = WIRE_ID(WIRE_JOINLIST), .size = (int32_t)size};
	for (i = 0; i < count; i++) {
		message->entry[i].pid = named[i].pid;
		message->entry[i].group = ipc_name(named[i].group);
	}
	deliver(fixture, message, nodeid);
	free(message);
}

/* ---- ring changes ---- */

static size_t list_length(const uint32_t *list)
{
	size_t length = 0;

	while (list[length]) {
		length++;
	}
	return length;
}

void transitional(struct fixture *fixture, const uint32_t *left)
{
	engine_transitional(fixture->engine, left, list_length(left));
}

void sync_begin(struct fixture *fixture, const uint32_t *trans, const uint32_t *members)
{
	static uint64_t seq;

	fixture->ring_id = (struct memb_ring_id){.nodeid = members[0], .seq = seq += RING_SEQ_STEP};
	engine_regular(fixture->engine, &fixture->ring_id);
	engine_sync_init(fixture->engine, trans, list_length(trans), members, list_length(members),
			 &fixture->ring_id);
}

void sync_own(struct fixture *fixture)
{
	while (engine_sync_process(fixture->engine) != 0) {
		ck_assert(fixture->multicasts.first || fixture->peer_multicasts.first);
		deliver_own(fixture);
	}
}

void mark_returns(struct fixture *fixture)
{
	struct packet *mark = take(&fixture->peer_multicasts);

	ck_assert_ptr_nonnull(mark);
	deliver_peer(fixture, mark->data, mark->size, SELF);
	free(mark);
	engine_tick(fixture->engine);
}

void sync_end(struct fixture *fixture)
{
	engine_sync_activate(fixture->engine);
	engine_sync_over(fixture->engine);
	engine_tick(fixture->engine);
	mark_returns(fixture);
}

/* ---- events as text ---- */

static void address_text(char *text, size_t size, const char *sign, const struct ipc_address *address)
{
	static const char reasons[] = "-jldup"; /* undefined, join, leave, nodedown, nodeup, procdown */
	size_t at = strlen(text);

	ck_assert_uint_lt(address->reason, sizeof(reasons) - 1);
	(void)snprintf(text + at, size - at, "%s%s%u:%u%.1s", at ? " " : "", sign, address->nodeid,
		       address->pid, address->reason ? reasons + address->reason : "");
}

const char *next_confchg(struct peer *peer)
{
	static char text[4096];
	struct packet *packet = take(&peer->events);
	const struct ipc_confchg *event;
	uint32_t i, at = 0;

	if (packet == NULL) {
		return "none";
	}
	event = (const void *)packet->data;
	text[0] = '\0';
	if (event->header.id != IPC_RES_CONFCHG) {
		(void)snprintf(text, sizeof(text), "event %d", event->header.id);
		free(packet);
		return text;
	}
	for (i = 0; i < event->member_list_entries; i++) {
		address_text(text, sizeof(text), "", &event->list[at++]);
	}
	for (i = 0; i < event->left_list_entries; i++) {
		address_text(text, sizeof(text), "-", &event->list[at++]);
	}
	for (i = 0; i < event->joined_list_entries; i++) {
		address_text(text, sizeof(text), "+", &event->list[at++]);
	}
	ck_assert_uint_eq(packet->size, sizeof(*event) + at * sizeof(struct ipc_address));
	free(packet);
	return text;
}

static const char *message_text(const struct ipc_deliver *event)
{
	static char text[4096];

	(void)snprintf(text, sizeof(text), "%u:%u '%.*s'", event->nodeid, event->pid, (int)event->msglen,
		       (const char *)event->message);
	return text;
}

static const char *fragment_text(const struct ipc_partial_deliver *event)
{
	static char text[4096];

	(void)snprintf(text, sizeof(text), "%u:%u %u/%u '%.*s'", event->nodeid, event->pid, event->type,
		       event->msglen, (int)event->fraglen, (const char *)event->message);
	return text;
}

static const char *ring_text(const struct ipc_totem_confchg *event)
{
	static char text[4096];
	size_t at = (size_t)snprintf(text, sizeof(text), "ring");
	uint32_t i;

	for (i = 0; i < event->member_list_entries; i++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %u", event->member_list[i]);
	}
	return text;
}

const char *next_event(struct peer *peer)
{
	const struct packet *packet = peer->events.first;
	const char *text;

	switch (packet ? ((const struct ipc_response *)packet->data)->id : IPC_RES_CONFCHG) {
	case IPC_RES_DELIVER:
		text = message_text((const void *)packet->data);
		break;
	case IPC_RES_PARTIAL_DELIVER:
		text = fragment_text((const void *)packet->data);
		break;
	case IPC_RES_TOTEM_CONFCHG:
		text = ring_text((const void *)packet->data);
		break;
	default:
		return next_confchg(peer);
	}
	free(take(&peer->events));
	return text;
}
