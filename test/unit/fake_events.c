/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of the fake engine: over the connection or into the delivery ring, as far as there is room. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbipcs.h>

#include "fake_internal.h"

static struct queued {
	struct queued *next;
	qb_ipcs_connection_t *conn;
	enum ring_entry_kind kind;
	size_t size;
	uint8_t data[] IPC_ALIGNED;
} * queue;

struct fake_rings *fake_rings_of(qb_ipcs_connection_t *conn)
{
	return qb_ipcs_context_get(conn);
}

bool fake_has_rings(qb_ipcs_connection_t *conn)
{
	struct fake_rings *rings = fake_rings_of(conn);

	return rings && rings->used;
}

/* False: there is no room now. */
static bool event_send(const struct queued *event)
{
	struct fake_rings *rings = fake_rings_of(event->conn);

	if (!fake_has_rings(event->conn))
		return qb_ipcs_event_send(event->conn, event->data, event->size) != -EAGAIN;
	rings->waiting =
		rings->waiting || !fake_rings_put(rings, event->conn, event->kind, event->data, event->size);
	return !rings->waiting;
}

void fake_events_flush(void)
{
	struct queued *event;

	while ((event = queue)) {
		if (!event_send(event))
			return;
		queue = event->next;
		free(event);
	}
}

void fake_events_drop(qb_ipcs_connection_t *conn)
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
	fake_events_flush();
}

static void event_slice(qb_ipcs_connection_t *conn, const uint8_t *data, size_t size)
{
	struct ipc_event_part *part = calloc(1, DELIVERY_ENTRY_MAX(DELIVERY_RING_SIZE));
	size_t most = DELIVERY_ENTRY_MAX(DELIVERY_RING_SIZE) - sizeof(*part), offset, length;

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
	if (fake_has_rings(conn) && size > DELIVERY_ENTRY_MAX(DELIVERY_RING_SIZE))
		event_slice(conn, data, size);
	else
		event_queue(conn, RING_EVENT, data, size);
}

/* Static: its padding is zero, and goes to another process. */
const struct ipc_name fake_the_group = {.length = 5, .value = "group"};

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
	if (!fake_rings_of(conn)->grouped)
		event_queue(conn, RING_GROUP, &fake_the_group, sizeof(fake_the_group));
	fake_rings_of(conn)->grouped = true;
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
	event->group = fake_the_group;
	event->msglen = (uint32_t)length;
	event->nodeid = FAKE_NODEID;
	memcpy(event->message, message, length);
	fake_event(conn, event, sizeof(*event) + length);
	free(event);
}

void fake_deliver(qb_ipcs_connection_t *conn, const void *message, size_t length)
{
	if (fake_has_rings(conn) && length < DELIVERY_ENTRY_MAX(DELIVERY_RING_SIZE) / 2)
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
	event->group = fake_the_group;
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
	event->group = fake_the_group;
	event->msglen = msglen;
	event->fraglen = fraglen;
	event->nodeid = FAKE_NODEID;
	event->pid = pid;
	event->type = type;
	memcpy(event->message, data, fraglen);
	fake_event(conn, event, sizeof(*event) + fraglen);
	free(event);
}
