/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "test/unit/transport_fixture.h"

static const struct ipc_hello attached = {
	.magic = IPC_HELLO_MAGIC, .version = IPC_HELLO_VERSION, .step = IPC_HELLO_ATTACHED, .segment_id = 1};

struct fixture *ours(void)
{
	return fixture_new(&fixture_own_format);
}

void tick(struct fixture *fixture)
{
	fixture->now += 10 * MS;
	engine_tick(fixture->engine);
}

void settle(struct fixture *fixture)
{
	deliver_own(fixture);
	tick(fixture);
	tick(fixture);
}

bool asleep(const struct ringed *client)
{
	return atomic_load(&client->control->submission_taken.asleep) != 0;
}

bool ringed_attach(struct ringed *client, struct fixture *fixture, struct peer *peer)
{
	const uint64_t features = IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS;
	struct ipc_hello hello = attached;
	uint8_t *base;

	*client = (struct ringed){.fixture = fixture, .peer = peer, .bells = RING_BELLS_INITIAL};
	(void)request_hello(fixture, peer, features);
	if (request(fixture, peer, IPC_REQ_LOCAL_GET, &hello, sizeof(hello)) != CS_OK) {
		return false;
	}
	base = fixture->last_segment;
	client->control = (struct segment_control *)(base + SEGMENT_START);
	client->submission =
		(struct ring_writer){.data = base + SUBMISSION_RING_OFFSET,
				     .size = SUBMISSION_RING_SIZE,
				     .larger = {{{base + SUBMISSION_LARGE_OFFSET, SUBMISSION_LARGE_SIZE}}}};
	client->delivery =
		(struct ring_reader){.data = base + DELIVERY_RING_OFFSET,
				     .size = DELIVERY_RING_SIZE,
				     .spare = DELIVERY_SPARE,
				     .larger = {{{base + DELIVERY_LARGE_OFFSET, DELIVERY_LARGE_SIZE},
						 {base + DELIVERY_HUGE_OFFSET, DELIVERY_HUGE_SIZE}}}};
	return true;
}

struct ringed ringed_new(struct fixture *fixture, uint32_t pid)
{
	struct ringed client;

	ck_assert(ringed_attach(&client, fixture, peer_new(fixture, pid)));
	return client;
}

struct ringed ringed_joined(struct fixture *fixture, uint32_t pid, const char *group)
{
	struct ringed client = ringed_new(fixture, pid);

	joined(fixture, client.peer, group);
	deliveries(&client);
	drop_all(&client.heard.events);
	bells(&client);
	return client;
}

void ringed_free(struct ringed *client)
{
	drop_all(&client->heard.events);
}

/* ---- submission ---- */

void submit(struct ringed *client, uint8_t kind, const void *body, size_t length)
{
	size_t size = ring_entry_size(length);
	struct ring_entry *entry;

	ck_assert(ring_writer_look(&client->submission, &client->control->submission_taken.end));
	entry = ring_reserve(&client->submission, size);
	ck_assert_ptr_nonnull(entry);
	*entry = (struct ring_entry){.kind = kind, .length = (uint32_t)length};
	if (length) {
		memcpy(entry + 1, body, length);
	}
	ring_put(&client->submission, size, &client->control->submitted.end);
}

void submit_text(struct ringed *client, const char *text)
{
	submit(client, RING_MESSAGE, text, strlen(text));
}

void doorbell(struct ringed *client)
{
	struct ipc_request message;

	(void)request(client->fixture, client->peer, IPC_REQ_DOORBELL, &message, sizeof(message));
}

bool submitted(struct ringed *client)
{
	struct segment_control *control = client->control;
	bool asleep = ring_must_wake(&client->submission, &control->submitted.end,
				     &control->submission_taken.asleep);

	if (asleep) {
		doorbell(client);
	}
	return asleep;
}

/* ---- delivery ---- */

static void keep(struct ringed *client, const void *event, size_t size)
{
	struct packets *events = &client->heard.events;
	struct packet *packet = calloc(1, sizeof(*packet) + size);

	ck_assert_ptr_nonnull(packet);
	packet->size = size;
	memcpy(packet->data, event, size);
	if (events->first == NULL) {
		events->last = &events->first;
	}
	*events->last = packet;
	events->last = &packet->next;
	events->count++;
}

static void keep_message(struct ringed *client, const struct ring_run *run, const uint8_t *payload,
			 uint32_t length)
{
	size_t size = sizeof(struct ipc_deliver) + length;
	struct ipc_deliver *event = calloc(1, size);

	ck_assert_ptr_nonnull(event);
	event->header = (struct ipc_response){.id = IPC_RES_DELIVER, .size = (int32_t)size, .error = CS_OK};
	event->group = client->group;
	event->msglen = length;
	event->nodeid = run->nodeid;
	event->pid = run->pid;
	memcpy(event->message, payload, length);
	keep(client, event, size);
	free(event);
}

static void keep_run(struct ringed *client, const uint8_t *body, size_t size)
{
	struct ring_run run;
	struct ring_entry entry;
	size_t at = sizeof(run);

	ck_assert_uint_ne(client->group.length, 0);
	ck_assert_uint_gt(size, sizeof(run));
	memcpy(&run, body, sizeof(run));
	for (; at < size; at += ring_entry_size(entry.length)) {
		ck_assert_uint_ge(size - at, sizeof(entry));
		memcpy(&entry, body + at, sizeof(entry));
		ck_assert_uint_eq(entry.kind, RING_MESSAGE);
		ck_assert_uint_le(ring_entry_size(entry.length), size - at);
		keep_message(client, &run, body + at + sizeof(entry), entry.length);
	}
}

static void keep_entry(struct ringed *client, const struct ring_entry *entry, const void *body)
{
	switch (entry->kind) {
	case RING_EVENT:
		keep(client, body, entry->length);
		break;
	case RING_GROUP:
		ck_assert_uint_eq(entry->length, sizeof(client->group));
		memcpy(&client->group, body, sizeof(client->group));
		break;
	case RING_RUN:
		keep_run(client, body, entry->length);
		break;
	default:
		ck_abort_msg("entry %u in a delivery ring", entry->kind);
	}
}

size_t deliveries(struct ringed *client)
{
	struct segment_control *control = client->control;
	struct ring_reader *ring = &client->delivery;
	struct ring_entry entry;
	enum ring_found found;
	size_t count = 0;

	ck_assert(
		ring_look(ring, &control->delivered.end, &control->delivery_taken.asleep_at, &client->bells));
	while ((found = ring_peek(ring, &entry)) == RING_FOUND_ENTRY) {
		keep_entry(client, &entry, ring_body(ring));
		ring_next(ring, &entry);
		count++;
	}
	ck_assert_int_eq(found, RING_FOUND_NOTHING);
	if (ring_take_waking(ring, &control->delivery_taken.end, &control->delivered.more)) {
		doorbell(client);
	}
	return count;
}

const char *heard(struct ringed *client)
{
	deliveries(client);
	return next_event(&client->heard);
}

size_t bells(struct ringed *client)
{
	struct segment_control *control = client->control;
	uint32_t count = ring_answer(&client->delivery, &control->delivered.end,
				     &control->delivery_taken.asleep_at, &client->bells);
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct packet *bell = take(&client->peer->events);

		ck_assert_ptr_nonnull(bell);
		ck_assert_int_eq(((const struct ipc_response *)bell->data)->id, IPC_RES_DOORBELL);
		free(bell);
	}
	client->bells.due -= count;
	return count;
}

/* ---- pool ---- */

uint8_t *pool(struct ringed *client, size_t size, uint32_t *id)
{
	struct ipc_segment_create create = {.user_size = size};

	ck_assert_int_eq(
		request(client->fixture, client->peer, IPC_REQ_SEGMENT_CREATE, &create, sizeof(create)),
		CS_OK);
	*id = 2;
	return client->fixture->last_segment;
}
