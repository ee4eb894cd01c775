/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What only our own library asks for: HELLO, shared memory, and messages that lie in it.
 *
 * A segment has a name in the file system from its offer until the client says that it is attached or never
 * will be. Its size and place are our own copies; what lies in it is never trusted.
 */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

#define PAGE_STEP 4096u /* no page is smaller */

#define MESSAGE_MAX (1024u * 1024u - 1024u) /* cpg_max_atomic_msgsize */
static_assert(sizeof(struct ring_run) + 2 * sizeof(struct ring_entry) + MESSAGE_MAX <=
		      DELIVERY_ENTRY_MAX(DELIVERY_HUGE_SIZE),
	      "each fits a huge ring");

/* ---- slots ---- */

static struct client_segment *segment_find(struct engine_client *client, uint32_t id)
{
	size_t i;

	for (i = 0; client->segments && id && i < SEGMENTS_PER_CLIENT_MAX; i++) {
		if (client->segments[i].id == id) {
			return &client->segments[i];
		}
	}
	return NULL;
}

static struct client_segment *slot_free(struct engine_client *client)
{
	size_t i;

	if (client->segments == NULL) {
		client->segments = calloc(SEGMENTS_PER_CLIENT_MAX, sizeof(struct client_segment));
	}
	for (i = 0; client->segments && i < SEGMENTS_PER_CLIENT_MAX; i++) {
		if (client->segments[i].id == 0) {
			return &client->segments[i];
		}
	}
	return NULL;
}

static void segment_drop(struct engine_client *client, struct client_segment *slot)
{
	if (client->control == slot) {
		client->control = NULL;
	}
	client->engine->ops.segment_destroy(client->engine->context, &slot->segment);
	memset(slot, 0, sizeof(*slot));
}

/* Clients do without, and work. Who wonders about their speed finds one line, however many there are. */
static void complain_of_none(struct engine *engine, const char *what, int error)
{
	if (!engine->no_segment_said) {
		engine->no_segment_said = true;
		engine_log(engine, LOG_WARNING, "no %s: %s; without it they are slower (said once)", what,
			   strerror(-error));
	}
}

/* Fills `offer`; NULL when there is none to be had. `present` bytes of it are there at first. */
static struct client_segment *segment_make(struct engine_client *client, size_t size, size_t present,
					   struct ipc_segment *offer)
{
	struct engine *engine = client->engine;
	struct engine_segment_name name = {.name = offer->name, .capacity = sizeof(offer->name)};
	struct client_segment *slot;
	int error;

	if (engine->ops.segment_create == NULL) {
		return NULL;
	}
	slot = slot_free(client);
	if (slot == NULL) {
		return NULL;
	}
	error = engine->ops.segment_create(engine->context, client->conn, size, present, &slot->segment,
					   &name);
	if (error != 0) {
		complain_of_none(engine, "shared memory for clients", error);
		return NULL;
	}
	slot->id = ++client->next_segment;
	slot->named = true;
	offer->id = slot->id;
	offer->user_offset = name.user_offset;
	offer->user_size = size;
	return slot;
}

void segments_free(struct engine_client *client)
{
	size_t i;

	for (i = 0; client->segments && i < SEGMENTS_PER_CLIENT_MAX; i++) {
		if (client->segments[i].id) {
			segment_drop(client, &client->segments[i]);
		}
	}
	free(client->segments);
	client->segments = NULL;
}

/* ---- the control segment ---- */

/* For a store or two, at once. NULL: the client has none. */
static struct segment_control *control_open(const struct engine_client *client)
{
	const struct client_segment *slot = client->control;

	if (slot == NULL) {
		return NULL;
	}
	client->engine->ops.segment_arm(client->engine->context);
	return (struct segment_control *)((uint8_t *)slot->segment.base + SEGMENT_START);
}

static void control_offer(struct engine_client *client, struct ipc_segment *offer)
{
	struct client_segment *slot;

	if (client->control) {
		return; /* one per connection: asking again gets none */
	}
	slot = segment_make(client, SEGMENT_CONTROL_SIZE, SEGMENT_CONTROL_SMALL, offer);
	if (slot) {
		struct segment_control *control;

		client->control = slot;
		control = control_open(client);
		control->magic = SEGMENT_CONTROL_MAGIC;
		control->version = SEGMENT_CONTROL_VERSION;
		control->submission_taken.asleep = 1;
		control->delivery_taken.asleep_at = RING_ASLEEP_INITIAL;
		segment_receiver_behind(client);
	}
}

bool receiver_behind(const struct engine_client *client)
{
	const struct group *group = client->group;

	return group && (group->behind || !qb_list_empty(&group->remote_behind));
}

void segment_receiver_behind(struct engine_client *client)
{
	struct segment_control *control = control_open(client);

	if (control) {
		atomic_store_explicit(&control->receiver_behind, receiver_behind(client),
				      memory_order_relaxed);
	}
}

/* ---- rings ---- */

/* One that was too small once does well enough. */
#define FULL_MAX 2u

/* User data that is there, by how often it grew. */
static const size_t control_sizes[] = {SEGMENT_CONTROL_SMALL, SEGMENT_CONTROL_LARGE, SEGMENT_CONTROL_SIZE};

#define GROWN_MAX (sizeof(control_sizes) / sizeof(control_sizes[0]) - 1)

static bool rings_begin(struct engine_client *client)
{
	struct rings *rings = calloc(1, sizeof(*rings));
	uint8_t *base = client->control->segment.base;

	if (rings == NULL) {
		return false;
	}
	rings->client = client;
	rings->control = (struct segment_control *)(base + SEGMENT_START);
	rings->submission =
		(struct ring_reader){.data = base + SUBMISSION_RING_OFFSET, .size = SUBMISSION_RING_SIZE};
	rings->delivery = (struct ring_writer){.data = base + DELIVERY_RING_OFFSET,
					       .size = DELIVERY_RING_SIZE,
					       .spare = DELIVERY_SPARE,
					       .large = DELIVERY_LARGE_ENTRY};
	/* rings_arm() does nothing before there are rings */
	client->engine->ops.segment_arm(client->engine->context);
	rings->control->events_before = client->events_sent;
	client->rings = rings;
	client->engine->rings_count++;
	return true;
}

void rings_end(struct engine_client *client)
{
	struct engine *engine = client->engine;

	if (client->rings) {
		submission_end(client->rings);
		delivery_end(client);
		engine->rings_count--;
		free(client->rings);
		client->rings = NULL;
	}
}

static void place_shift(uint8_t **data, struct ring_places *larger, ptrdiff_t distance)
{
	*data += distance;
	if (larger->next[0].data) {
		larger->next[0].data += distance;
	}
}

/* Behind one that was offered, and not moved to yet. */
static void place_offer(struct ring_places *larger, uint8_t *data, size_t size)
{
	larger->next[larger->next[0].data != NULL] = (struct ring_place){data, size};
}

/* All of it lies somewhere else. */
static void rings_follow(struct rings *rings, const uint8_t *before)
{
	uint8_t *base = rings->client->control->segment.base;

	rings->control = (struct segment_control *)(base + SEGMENT_START);
	place_shift(&rings->submission.data, &rings->submission.larger, base - before);
	place_shift(&rings->delivery.data, &rings->delivery.larger, base - before);
}

/* There is more memory. */
static void rings_grew(struct rings *rings)
{
	uint8_t *base = rings->client->control->segment.base;

	if (rings->grown++ == 0) {
		place_offer(&rings->submission.larger, base + SUBMISSION_LARGE_OFFSET, SUBMISSION_LARGE_SIZE);
		place_offer(&rings->delivery.larger, base + DELIVERY_LARGE_OFFSET, DELIVERY_LARGE_SIZE);
	} else {
		place_offer(&rings->delivery.larger, base + DELIVERY_HUGE_OFFSET, DELIVERY_HUGE_SIZE);
	}
	atomic_store_explicit(&rings->control->grown, rings->grown, memory_order_release);
}

/* Only what does not fit in one piece wants huge data. */
static bool wants_more(const struct rings *rings, size_t length)
{
	return rings->grown == 0 ||
	       (rings->grown < GROWN_MAX && length > DELIVERY_ENTRY_MAX(DELIVERY_LARGE_SIZE));
}

void rings_were_full(struct engine_client *client, size_t length)
{
	struct engine *engine = client->engine;
	struct rings *rings = client->rings;
	const uint8_t *before = client->control->segment.base;
	int error;

	/* it is tried once, and not for one that is on its way out */
	if (client->evicted || !wants_more(rings, length) || rings->full == FULL_MAX ||
	    ++rings->full != FULL_MAX) {
		return;
	}
	error = engine->ops.segment_grow(engine->context, &client->control->segment,
					 control_sizes[rings->grown + 1]);
	rings_follow(rings, before);
	if (error != 0) {
		if (error != -EIO) { /* that it cut its file is found out where it matters */
			complain_of_none(engine, "more shared memory for clients with full rings", error);
		}
		return;
	}
	rings->full = 0;
	rings_grew(rings);
}

void rings_arm(const struct engine *engine)
{
	if (engine->rings_count) {
		engine->ops.segment_arm(engine->context);
	}
}

/* ---- HELLO ---- */

static void local_get(struct engine_client *client)
{
	struct ipc_local_get_response response = {
		.header = {.id = IPC_RES_LOCAL_GET, .size = sizeof(response), .error = CS_OK},
		.local_nodeid = client->engine->nodeid,
	};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};

	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
}

static void complain_of_refusal(const struct engine_client *client)
{
	struct engine *engine = client->engine;

	if (!engine->refusal_said) {
		engine->refusal_said = true;
		engine_log(
			engine, LOG_WARNING,
			"process %u can't use the shared memory that it was offered; without it it is slower "
			"(said once, of the first process)",
			client->pid);
	}
}

static cs_error_t hello_segment_done(struct engine_client *client, uint32_t id, bool attached)
{
	struct client_segment *slot = segment_find(client, id);
	cs_error_t error = CS_OK;

	if (slot == NULL || !slot->named) {
		return CS_ERR_INVALID_PARAM;
	}
	client->engine->ops.segment_unlink(client->engine->context, &slot->segment);
	slot->named = false;
	if (attached && slot == client->control && !rings_begin(client)) {
		error = CS_ERR_NO_MEMORY;
	}
	if (!attached) {
		complain_of_refusal(client);
	}
	if (!attached || error != CS_OK) {
		segment_drop(client, slot);
	}
	return error;
}

static uint64_t granted_features(const struct engine_client *client, uint64_t asked)
{
	uint64_t known = IPC_FEATURE_LARGE_GROUPS;

	if (client->engine->ops.segment_create) {
		known |= IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS;
	}
	return asked & known;
}

static void hello(struct engine_client *client, const struct ipc_hello *request)
{
	struct ipc_hello_response response = {
		.local = {.header = {.id = IPC_RES_LOCAL_GET, .size = sizeof(response), .error = CS_OK},
			  .local_nodeid = client->engine->nodeid},
		.magic = IPC_HELLO_MAGIC,
		.version = IPC_HELLO_VERSION,
	};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};
	uint32_t version = request->version;
	cs_error_t error = CS_OK;

	switch (version ? request->step : 0) {
	case IPC_HELLO_START:
		client->features = granted_features(client, request->features);
		if (client->features & IPC_FEATURE_RINGS) {
			control_offer(client, &response.control);
		}
		break;
	case IPC_HELLO_ATTACHED:
		error = hello_segment_done(client, request->segment_id, true);
		break;
	case IPC_HELLO_REFUSED:
		error = hello_segment_done(client, request->segment_id, false);
		break;
	default:
		error = CS_ERR_INVALID_PARAM;
		break;
	}
	if (error != CS_OK) {
		client_complain(client, "hello: its step, version or segment is out of range");
	}
	response.features = client->features;
	response.local.header.error = (int32_t)error;
	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
}

void request_local_get(struct engine_client *client, const struct ipc_hello *request, size_t size)
{
	if (size >= sizeof(*request) && request->magic == IPC_HELLO_MAGIC) {
		hello(client, request);
	} else {
		local_get(client);
	}
}

/* ---- pool segments ---- */

void request_segment_create(struct engine_client *client, const struct ipc_segment_create *request)
{
	struct ipc_segment_create_response response = {
		.header = {.id = IPC_RES_SEGMENT_CREATE, .size = sizeof(response), .error = CS_OK},
	};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};
	uint64_t size = request->user_size;

	if (!(client->features & IPC_FEATURE_SEGMENTS) || size <= SEGMENT_START || size > SEGMENT_POOL_MAX) {
		client_complain(client, "segment: not agreed on, or its size is out of range");
		response.header.error = CS_ERR_INVALID_PARAM;
	} else if (segment_make(client, size, size, &response.segment) == NULL) {
		response.header.error = CS_ERR_NO_RESOURCES;
	}
	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
}

void request_segment_destroy(struct engine_client *client, const struct ipc_segment_destroy *request)
{
	struct client_segment *slot = segment_find(client, request->segment_id);
	cs_error_t error = CS_OK;

	if (slot == NULL || slot == client->control) {
		client_complain(client, "segment: it has no such segment");
		error = CS_ERR_INVALID_PARAM;
	} else {
		segment_drop(client, slot);
	}
	client_respond(client, IPC_RES_SEGMENT_DESTROY, error);
}

/* ---- zero-copy buffers ---- */

/* Reads a byte of each page: what the client cut off is found before anything is sent. */
static void touch(const volatile uint8_t *bytes, size_t length)
{
	size_t at;

	for (at = 0; at < length; at += PAGE_STEP) {
		(void)bytes[at];
	}
	if (length) {
		(void)bytes[length - 1];
	}
}

const uint8_t *segment_message(struct engine_client *client, uint32_t id, uint64_t offset, uint64_t length)
{
	const struct engine *engine = client->engine;
	const struct client_segment *slot = segment_find(client, id);
	const uint8_t *message;

	if (slot == NULL || slot == client->control || length > MESSAGE_MAX || offset < SEGMENT_START ||
	    offset > slot->segment.size || length > slot->segment.size - offset) {
		client_complain(client, "zcb: the message is not inside a segment of its own");
		return NULL;
	}
	message = (const uint8_t *)slot->segment.base + offset;
	engine->ops.segment_arm(engine->context);
	touch(message, length);
	if (engine->ops.segment_broken(engine->context, &slot->segment)) {
		client_evict(client, "it cut its shared memory short");
		return NULL;
	}
	return message;
}

static cs_error_t zcb_mcast(struct engine_client *client, uint32_t id, uint64_t offset, uint64_t length)
{
	const uint8_t *message = segment_message(client, id, offset, length);

	if (message == NULL) {
		return CS_ERR_INVALID_PARAM;
	}
	if (!client_may_send(client)) {
		return CS_ERR_NOT_EXIST;
	}
	return send_message(client, message, length) ? CS_OK : CS_ERR_NO_MEMORY;
}

cs_error_t segment_send(struct engine_client *client, const struct ring_block *block)
{
	return zcb_mcast(client, block->segment_id, block->offset, block->length);
}

void request_zcb_mcast(struct engine_client *client, const struct ipc_zcb_mcast *request)
{
	cs_error_t error = zcb_mcast(client, request->segment_id, request->offset, request->length);

	client_respond(client, IPC_RES_ZCB_MCAST, error);
}
