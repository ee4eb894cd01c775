/* SPDX-License-Identifier: BSD-3-Clause */
/* Send queues and packing, see sim_totem.h. */
#include <stdlib.h>
#include <string.h>

#include "sim_totem.h"

static void message_release(struct totem_message *message)
{
	if (--message->references == 0) {
		free(message);
	}
}

void packet_release(struct packet *packet)
{
	size_t i;

	if (packet == NULL || --packet->references > 0) {
		return;
	}
	for (i = 0; i < packet->count; i++) {
		message_release(packet->messages[i]);
	}
	free(packet->messages);
	free(packet);
}

static struct packet *packing_packet(struct totem_node *node)
{
	struct packing *packing = &node->packing;

	if (packing->packet == NULL) {
		packing->packet = sim_alloc(sizeof(struct packet));
		packing->packet->references = 1;
		packing->packet->origin = node->index;
		packing->packet->continues = packing->continues;
	}
	return packing->packet;
}

static void queue_push(struct packet_queue *queue, struct packet *packet)
{
	if (queue->first > 0 && queue->first + queue->count == queue->capacity) {
		memmove(queue->packets, queue->packets + queue->first,
			queue->count * sizeof(struct packet *));
		queue->first = 0;
	}
	queue->packets = sim_grow(queue->packets, &queue->capacity, queue->first + queue->count + 1,
				  sizeof(struct packet *));
	queue->packets[queue->first + queue->count++] = packet;
}

static void packing_emit(struct totem_node *node, bool chained)
{
	struct packing *packing = &node->packing;
	struct packet *packet = packing_packet(node);

	packet->chained = chained;
	queue_push(&node->queue[node->waiting_trans_ack], packet);
	packing->packet = NULL;
	packing->bytes = 0;
	packing->continues = chained;
}

static void packing_end_message(struct totem_node *node, struct totem_message *message)
{
	struct packet *packet = packing_packet(node);

	packet->messages = sim_grow(packet->messages, &packet->capacity, packet->count + 1,
				    sizeof(struct totem_message *));
	packet->messages[packet->count++] = message;
}

static struct totem_message *message_make(struct totem_node *node, enum message_kind kind,
					  unsigned int function, const struct iovec *iov,
					  unsigned int iov_len)
{
	struct totem_message *message;
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	message = sim_alloc(sizeof(*message) + size);
	message->references = 1;
	message->kind = kind;
	message->function = function;
	message->ring_id = node->sync_ring;
	for (i = 0; i < iov_len; i++) {
		memcpy(message->data + message->size, iov[i].iov_base, iov[i].iov_len);
		message->size += iov[i].iov_len;
	}
	return message;
}

/* What lies in the packing buffer is not looked at: the queue can become full to the last packet. */
bool totem_has_room(const struct totem_node *node, size_t size)
{
	const struct sim_totem_config *config = &node->totem->config;

	return node->queue[node->waiting_trans_ack].count + size / config->packet_size + 1 <=
	       config->queue_packets;
}

int totem_mcast(struct totem_node *node, enum message_kind kind, unsigned int function,
		const struct iovec *iov, unsigned int iov_len)
{
	size_t packet_size = node->totem->config.packet_size;
	struct packing *packing = &node->packing;
	struct totem_message *message = message_make(node, kind, function, iov, iov_len);
	size_t left = message->size + 2; /* each message's length travels with it */

	if (!totem_has_room(node, left)) {
		node->totem->stats.full++;
		message_release(message);
		return -1;
	}
	while (packing->bytes + left >= packet_size) {
		left -= packet_size - packing->bytes;
		packing_packet(node);
		if (left == 0) {
			packing_end_message(node, message);
		}
		packing_emit(node, left > 0);
	}
	if (left > 0) {
		packing->bytes += left;
		packing_end_message(node, message);
	}
	if (node->ring) {
		ring_wake(node->ring);
	}
	return 0;
}

bool totem_is_critical(const struct totem_node *node)
{
	const struct packet_queue *queue = &node->queue[node->waiting_trans_ack];

	return queue->count * 4 > node->totem->config.queue_packets * 3;
}

void queue_flush(struct totem_node *node)
{
	if (node->packing.bytes > 0 &&
	    node->queue[node->waiting_trans_ack].count < node->totem->config.queue_packets) {
		packing_emit(node, false);
	}
}

struct packet *queue_take(struct totem_node *node)
{
	struct packet_queue *queue = &node->queue[node->waiting_trans_ack];

	if (queue->count == 0) {
		return NULL;
	}
	queue->count--;
	return queue->packets[queue->first++];
}

bool queue_is_idle(const struct totem_node *node)
{
	return node->queue[node->waiting_trans_ack].count == 0 && node->packing.bytes == 0;
}

void queue_clear(struct totem_node *node)
{
	unsigned int i;
	size_t j;

	for (i = 0; i < 2; i++) {
		struct packet_queue *queue = &node->queue[i];

		for (j = 0; j < queue->count; j++) {
			packet_release(queue->packets[queue->first + j]);
		}
		free(queue->packets);
		memset(queue, 0, sizeof(*queue));
	}
	packet_release(node->packing.packet);
	memset(&node->packing, 0, sizeof(node->packing));
}
