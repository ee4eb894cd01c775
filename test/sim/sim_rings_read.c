/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients with rings read: see sim_rings.h. */
#include <stdlib.h>

#include "sim_rings.h"

#define GIVE_BACK_STEP (8u * 1024u) /* bytes */

static void tell_position(struct sim_client *client)
{
	struct sim_rings *rings = client->rings;
	struct segment_control *control = rings->control;

	rings->told = rings->delivery.at;
	if (ring_take_waking(&rings->delivery, &control->delivery_taken.end, &control->delivered.more)) {
		client->node->world->stats.ring_waits++;
		rings_ring(client);
	}
}

/* The doorbells that came, so that the next one is heard. */
static void answer_doorbells(struct sim_client *client)
{
	struct sim_rings *rings = client->rings;
	uint32_t count = ring_answer(&rings->delivery, &rings->control->delivered.end,
				     &rings->control->delivery_taken.asleep_at, &rings->bells);
	struct sim_message *bell;

	for (; count > 0 && (bell = fifo_pop(&client->inbox)) != NULL; count--) {
		if (((const struct ipc_response *)bell->data)->id != IPC_RES_DOORBELL) {
			client_bad_event(client, "an event beside the delivery ring");
		}
		rings->bells.due--;
		free(bell);
	}
}

/* It found nothing. False: now there is something. */
static bool fall_asleep(struct sim_client *client)
{
	struct sim_rings *rings = client->rings;

	if (rings->told != rings->delivery.at) {
		tell_position(client);
	}
	answer_doorbells(client);
	if (rings->bells.asleep && client->inbox.first) {
		client_bad_event(client, "a doorbell, and nothing to read");
	}
	return rings->bells.asleep;
}

static enum ring_found look(struct sim_rings *rings, struct ring_entry *entry)
{
	if (!ring_look(&rings->delivery, &rings->control->delivered.end,
		       &rings->control->delivery_taken.asleep_at, &rings->bells)) {
		return RING_FOUND_NONSENSE;
	}
	return ring_peek(&rings->delivery, entry);
}

/* What lies next in the delivery ring. False: it sleeps. */
static bool find_next(struct sim_client *client, struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	enum ring_found found;

	while ((found = look(rings, entry)) == RING_FOUND_NOTHING) {
		if (fall_asleep(client)) {
			return false;
		}
	}
	if (found == RING_FOUND_NONSENSE || entry->length > DELIVERY_ENTRY_MAX(rings->delivery.size)) {
		client_bad_event(client, "nonsense in the delivery ring");
		return false;
	}
	return true;
}

static void hear_group(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;

	if (entry->length != sizeof(rings->group)) {
		client_bad_event(client, "GROUP with a wrong length");
	} else {
		memcpy(&rings->group, ring_body(&rings->delivery), sizeof(rings->group));
	}
}

/* Its messages are entries of their own; the reader may stop between them. */
static void enter_run(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	struct ring_reader *ring = &rings->delivery;

	if (entry->length <= sizeof(rings->run)) {
		client_bad_event(client, "RUN without a message");
		ring_next(ring, entry);
		return;
	}
	memcpy(&rings->run, ring_body(ring), sizeof(rings->run));
	rings->run_end = ring->at + ring_entry_size(entry->length);
	ring->at += sizeof(*entry) + sizeof(rings->run);
}

static void hear_in_run(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	struct ring_reader *ring = &rings->delivery;

	if (entry->kind != RING_MESSAGE || ring_entry_size(entry->length) > rings->run_end - ring->at) {
		client_bad_event(client, "RUN of something else than messages");
		return;
	}
	client_hear_message(client, &rings->group, rings->run.nodeid, rings->run.pid, ring_body(ring),
			    entry->length);
	client->node->world->stats.ring_heard++;
}

static void hear_outside(struct sim_client *client, const struct ring_entry *entry)
{
	const struct sim_node *node = client->node;

	switch (entry->kind) {
	case RING_GROUP:
		hear_group(client, entry);
		break;
	case RING_EVENT:
		client_hear(client, ring_body(&client->rings->delivery), entry->length,
			    oracle_activations(node->world->oracle, node->oracle_node));
		break;
	default:
		client_bad_event(client, "entry of an unknown kind");
		break;
	}
}

/* The entry is the engine's again, which some tell it less often than others. */
static void give_back(struct sim_client *client, const struct ring_entry *entry, bool in_run)
{
	struct sim_rings *rings = client->rings;
	uint64_t step = client->number % 2 ? 1 : GIVE_BACK_STEP;

	spoil(ring_body(&rings->delivery), entry->length);
	if (in_run) {
		rings->delivery.at += ring_entry_size(entry->length);
		rings->delivery.at += rings->delivery.at == rings->run_end ? rings->delivery.spare : 0;
	} else {
		ring_next(&rings->delivery, entry);
	}
	if (rings->delivery.at - rings->told >= step) {
		tell_position(client);
	}
}

/* One step through the delivery ring. */
static void pass(struct sim_client *client, const struct ring_entry *entry)
{
	bool in_run = client->rings->delivery.at < client->rings->run_end;

	if (!in_run && entry->kind == RING_RUN) {
		enter_run(client, entry);
		return;
	}
	if (in_run) {
		hear_in_run(client, entry);
	} else {
		hear_outside(client, entry);
	}
	give_back(client, entry, in_run);
}

bool rings_read(struct sim_client *client, unsigned int most)
{
	struct ring_entry entry;

	for (; most > 0; most--) {
		if (!find_next(client, &entry)) {
			return false;
		}
		pass(client, &entry);
	}
	return true;
}
