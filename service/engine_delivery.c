/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delivery rings: events for a client that has rings (include/cpg_ring.h), and the doorbell that wakes it.
 *
 * Nothing that the client can write is believed: where the ring's next free byte is we know ourselves, and how much of it is
 * taken has to fit that.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine_internal.h"

#define BELL_DELAY (1000ull * 1000) /* ns, until one that could not be rung is tried again */

#define BELLS_MAX 2u /* on their way to a client at a time */

#define UNANNOUNCED_MAX 64u /* messages */

/* While a client makes room as we look, but not enough. One that takes what it holds step by step needs 16. */
#define LOOKS_MAX 64u

/* ---- doorbell ---- */

/* The connection has no room for it now. */
static void ring_later(struct engine_client *client)
{
	if (client->rings->bells_due < BELLS_MAX) {
		client->rings->bells_due++;
		client->engine->bells_due++;
	}
	client->engine->ops.wake(client->engine->context, BELL_DELAY);
}

/* 0, or why the connection is of no use any more. */
static int ring_bell(struct engine_client *client)
{
	const struct engine *engine = client->engine;
	struct ipc_response bell = {.id = IPC_RES_DOORBELL, .size = sizeof(bell), .error = CS_OK};
	struct iovec iov = {.iov_base = &bell, .iov_len = sizeof(bell)};
	int result = engine->ops.event(engine->context, client->conn, &iov, 1);

	if (result == -EAGAIN) {
		ring_later(client);
		return 0;
	}
	return result;
}

/* The client hears that something was put in. */
static int announce(struct engine_client *client)
{
	struct rings *rings = client->rings;

	return ring_must_ring(&rings->delivery, &rings->control->delivered.end,
			      &rings->control->delivery_taken.asleep_at)
		       ? ring_bell(client)
		       : 0;
}

/* The same for one that nobody is putting anything into now. */
static void announce_or_end(struct engine_client *client)
{
	int result = client->evicted ? 0 : announce(client);

	if (result != 0) {
		client_connection_failed(client, result);
	}
}

void deliveries_announce(struct engine *engine)
{
	while (!qb_list_empty(&engine->unannounced)) {
		struct rings *rings = qb_list_first_entry(&engine->unannounced, struct rings, of_unannounced);

		qb_list_del(&rings->of_unannounced);
		rings->unannounced = false;
		announce_or_end(rings->client);
	}
	engine->unannounced_count = 0;
}

/* More of them are about to come: one doorbell is enough for many. */
static void announce_later(struct rings *rings)
{
	struct engine *engine = rings->client->engine;

	engine->unannounced_count++;
	if (!rings->unannounced) {
		rings->unannounced = true;
		qb_list_add_tail(&rings->of_unannounced, &engine->unannounced);
	}
}

void deliveries_begin_many(struct engine *engine, bool many)
{
	engine->many_deliveries = many;
}

void deliveries_end_many(struct engine *engine)
{
	if (!engine->many_deliveries || engine->unannounced_count >= UNANNOUNCED_MAX) {
		deliveries_announce(engine);
	}
	engine->many_deliveries = false;
}

/* Until there is no room again. */
static void ring_again(struct engine_client *client)
{
	struct rings *rings = client->rings;
	uint32_t before;
	int result = 0;

	do {
		before = rings->bells_due--;
		client->engine->bells_due--;
		result = ring_bell(client);
	} while (result == 0 && rings->bells_due && rings->bells_due != before);
	if (result != 0) {
		client_connection_failed(client, result);
	}
}

void deliveries_ring_again(struct engine *engine)
{
	struct qb_list_head *at;

	if (engine->bells_due == 0) {
		return;
	}
	qb_list_for_each (at, &engine->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_engine);

		if (client->rings && client->rings->bells_due && !client->evicted) {
			ring_again(client);
		}
	}
}

void delivery_end(struct engine_client *client)
{
	client->engine->bells_due -= client->rings->bells_due;
	if (client->rings->unannounced) {
		qb_list_del(&client->rings->of_unannounced);
	}
}

/* ---- entries ---- */

/* False: what the client says about the ring can't be. */
static bool look(const struct engine_client *client)
{
	const struct engine *engine = client->engine;
	struct rings *rings = client->rings;

	return ring_writer_look(&rings->delivery, &rings->control->delivery_taken.end) &&
	       !engine->ops.segment_broken(engine->context, &client->control->segment);
}

static bool must_wait(struct rings *rings)
{
	struct segment_control *control = rings->control;

	return ring_must_wait(&rings->delivery, &control->delivery_taken.end, &control->delivered.more);
}

/* Who takes nothing would take nothing out of a larger one. */
static void was_too_small(struct engine_client *client, size_t length)
{
	struct rings *rings = client->rings;

	if (rings->delivery.taken != rings->full_taken) {
		rings->full_taken = rings->delivery.taken;
		rings_were_full(client, length);
	}
}

static bool fits(const struct ring_writer *ring, size_t length)
{
	return ring_entry_size(length) <= DELIVERY_ENTRY_MAX(ring->size);
}

bool delivery_fits(struct engine_client *client, size_t length)
{
	struct ring_writer *ring = &client->rings->delivery;

	/* who lies is found out when there is no room */
	if (!fits(ring, length) && look(client)) {
		was_too_small(client, length);
	}
	while (!fits(ring, length) && ring_move(ring)) {
		/* where there is a larger one */
	}
	return fits(ring, length);
}

/*
 * 0; -EAGAIN: there is no room, and the client will say when there is (after LOOKS_MAX it was not asked to: the next tick tries); -EBADMSG: what it
 * says can't be.
 */
static int reserve(struct engine_client *client, size_t size, struct ring_entry **entry)
{
	struct ring_writer *ring = &client->rings->delivery;
	unsigned int looks = 0;

	if (ring_is_large(ring, size) && !look(client)) {
		return -EBADMSG;
	}
	*entry = ring_reserve(ring, size);
	if (*entry == NULL) {
		if (!look(client)) {
			return -EBADMSG;
		}
		*entry = ring_reserve(ring, size);
	}
	if (*entry == NULL) {
		was_too_small(client, 0);
		*entry = ring_move(ring) ? ring_reserve(ring, size) : NULL;
	}
	while (*entry == NULL && looks++ < LOOKS_MAX && !must_wait(client->rings)) {
		if (!look(client)) {
			return -EBADMSG;
		}
		*entry = ring_reserve(ring, size);
	}
	return *entry ? 0 : -EAGAIN;
}

int delivery_put(struct engine_client *client, uint8_t kind, const struct iovec *iov, unsigned int iov_len)
{
	struct rings *rings = client->rings;
	struct ring_entry *entry;
	size_t length = pieces_size(iov, iov_len), size = ring_entry_size(length);
	int result = reserve(client, size, &entry);
	uint8_t *at;
	unsigned int i;

	if (result != 0) {
		return result;
	}
	*entry = (struct ring_entry){.kind = kind, .length = (uint32_t)length};
	at = (uint8_t *)(entry + 1);
	for (i = 0; i < iov_len; at += iov[i++].iov_len) {
		copy_bytes(at, iov[i].iov_base, iov[i].iov_len);
	}
	if (kind == RING_GROUP) {
		ring_put_untold(&rings->delivery, size); /* the run behind it shows it */
		return 0;
	}
	ring_put(&rings->delivery, size, &rings->control->delivered.end);
	if (client->engine->many_deliveries) {
		announce_later(rings);
		return 0;
	}
	return announce(client);
}
