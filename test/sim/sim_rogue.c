/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that send garbage, and write it into the memory that they share with the engine. */
#include <stdlib.h>
#include <string.h>

#include "cpg_ring.h"
#include "cpg_segment.h"
#include "sim_world.h"

/* ---- requests ---- */

/* A request that could be a good one, of a group of its own, with something wrong in it, or nothing. */
void client_send_garbage(struct sim_client *client)
{
	struct sim_clock *clock = &client->node->world->clock;
	uint64_t size = sim_between(clock, sizeof(struct ipc_request), 400), i;
	uint8_t *request = sim_alloc(size);
	struct ipc_request header = {.id = (int32_t)sim_below(clock, IPC_REQ_COUNT + 2),
				     .size = (int32_t)size};
	struct ipc_name name = {.length = sim_percent(clock, 50) ? 5 : (uint32_t)sim_random(clock),
				.value = "rogue"};

	for (i = 0; i < size; i++) {
		request[i] = sim_percent(clock, 70) ? 0 : (uint8_t)sim_random(clock);
	}
	if (sim_percent(clock, 20)) {
		header.size = (int32_t)sim_random(clock);
	}
	memcpy(request, &header, sizeof(header));
	if (size > sizeof(header) + sizeof(name) && sim_percent(clock, 80)) {
		memcpy(request + sizeof(header), &name, sizeof(name));
	}
	if (size >= 160 && sim_percent(clock, 80)) {
		memcpy(request + 152, &client->pid, sizeof(client->pid));
	}
	client->node->world->stats.rogue_requests++;
	client_ask(client, request, size, false);
	free(request);
}

static void join_rogues(struct sim_client *client)
{
	struct ipc_join request = {.header = {.id = IPC_REQ_JOIN, .size = sizeof(request)},
				   .group = {.length = 5, .value = "rogue"},
				   .pid = client->pid};

	client_ask(client, &request, sizeof(request), false);
}

static void say_hello(struct sim_client *client, uint32_t step, uint32_t segment_id)
{
	struct ipc_hello hello = {.header = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(hello)},
				  .magic = IPC_HELLO_MAGIC,
				  .version = IPC_HELLO_VERSION,
				  .features =
					  IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS,
				  .step = step,
				  .segment_id = segment_id};

	client_ask(client, &hello, sizeof(hello), false);
}

static void ask_for_segment(struct sim_client *client)
{
	struct ipc_segment_create create = {.header = {.id = IPC_REQ_SEGMENT_CREATE, .size = sizeof(create)},
					    .user_size = sim_between(&client->node->world->clock, 1, 20000)};

	client_ask(client, &create, sizeof(create), false);
}

/* ---- shared memory ---- */

static uint64_t any_word(struct sim_clock *clock)
{
	switch (sim_below(clock, 4)) {
	case 0:
		return sim_random(clock);
	case 1:
		return sim_below(clock, 4);
	case 2:
		return sim_below(clock, 1000) * RING_ALIGN;
	default:
		return sim_random(clock) & UINT32_MAX;
	}
}

static void write_anywhere(struct sim_clock *clock, const struct sim_segment *segment)
{
	uint64_t count = sim_between(clock, 1, 20);

	for (; count > 0; count--) {
		uint64_t word = any_word(clock);
		size_t size = (size_t)sim_between(clock, 1, sizeof(word));

		if (segment->size > size) {
			memcpy(segment->base + sim_below(clock, segment->size - size), &word, size);
		}
	}
}

static void write_word(struct sim_clock *clock, struct segment_control *control)
{
	uint64_t word = any_word(clock);

	switch (sim_below(clock, 5)) {
	case 0:
		atomic_store(&control->submitted.end, word);
		break;
	case 1:
		atomic_store(&control->delivery_taken.end, word);
		break;
	case 2:
		atomic_store(&control->delivery_taken.asleep_at, word);
		break;
	case 3:
		atomic_store(&control->delivered.more, (uint32_t)word);
		break;
	default:
		atomic_store(&control->submission_taken.asleep, (uint32_t)word);
		break;
	}
}

static void fill_entry(struct sim_clock *clock, struct ring_entry *entry, size_t length)
{
	bool is_block = sim_percent(clock, 1);
	struct ring_block block = {.segment_id = (uint32_t)sim_between(clock, 1, 3)};

	block.offset = any_word(clock);
	block.length = sim_below(clock, 30000);
	*entry =
		(struct ring_entry){.kind = is_block ? RING_BLOCK : RING_MESSAGE, .length = (uint32_t)length};
	if (is_block && length >= sizeof(block)) {
		memcpy(entry + 1, &block, sizeof(block));
	}
	switch (sim_below(clock, 500)) {
	case 0:
		entry->length = (uint32_t)any_word(clock);
		break;
	case 1:
		entry->kind = (uint8_t)sim_random(clock);
		break;
	}
}

/* Entries that are good but for a few. */
static void submit_some(struct sim_clock *clock, const struct sim_segment *segment,
			struct segment_control *control)
{
	struct ring_writer ring = {.data = segment->base + SUBMISSION_RING_OFFSET,
				   .size = SUBMISSION_RING_SIZE,
				   .end = atomic_load(&control->submitted.end) & ~(uint64_t)(RING_ALIGN - 1),
				   .taken = atomic_load(&control->submission_taken.end)};
	uint64_t left = sim_between(clock, 1, 30);

	for (; left > 0 && ring_used(&ring) <= ring.size; left--) {
		size_t length =
			sim_below(clock, sim_percent(clock, 10) ? SUBMISSION_MESSAGE_MAX + RING_ALIGN : 400);
		struct ring_entry *entry = ring_reserve(&ring, ring_entry_size(length));

		if (entry == NULL) {
			return;
		}
		fill_entry(clock, entry, length);
		ring_put(&ring, ring_entry_size(length), &control->submitted.end);
	}
}

static void cut_short(struct sim_segment *segment)
{
	memset(segment->base, 0, segment->size);
	segment->cut = true;
}

static void scribble(struct sim_client *client, struct sim_segment *segment)
{
	struct sim_clock *clock = &client->node->world->clock;
	struct segment_control *control = (struct segment_control *)(segment->base + SEGMENT_START);
	uint64_t dice = sim_below(clock, 100);

	if (dice < 10 || segment->size != SEGMENT_CONTROL_SIZE) {
		write_anywhere(clock, segment);
	} else if (dice < 20) {
		write_word(clock, control);
	} else if (dice < 25) { /* as if all was read */
		atomic_store(&control->delivery_taken.end, atomic_load(&control->delivered.end));
	} else if (dice < 26) {
		cut_short(segment);
	} else {
		submit_some(clock, segment, control);
	}
}

/* ---- what it does ---- */

static void use_segments(struct sim_client *client)
{
	struct ipc_request doorbell = {.id = IPC_REQ_DOORBELL, .size = sizeof(doorbell)};
	struct sim_clock *clock = &client->node->world->clock;
	struct sim_segment *segment;

	for (segment = client->segments; segment; segment = segment->next) {
		if (sim_percent(clock, 60)) {
			client->node->world->stats.scribbles++;
			scribble(client, segment);
		}
	}
	client_tell(client, &doorbell, sizeof(doorbell));
}

static void act_with_rings(struct sim_client *client)
{
	struct sim_clock *clock = &client->node->world->clock;
	uint64_t dice = sim_below(clock, 100);

	if (dice < 3) {
		ask_for_segment(client);
	} else if (dice < 6) {
		uint32_t step = (uint32_t)sim_between(clock, IPC_HELLO_START, IPC_HELLO_REFUSED);

		say_hello(client, step, (uint32_t)sim_between(clock, 1, 3));
	} else if (dice < 10) {
		client_send_garbage(client);
	} else if (dice < 20) {
		join_rogues(client);
	} else {
		use_segments(client);
	}
}

void client_act_rogue(struct sim_client *client)
{
	if (!client->wants_rings) {
		client_send_garbage(client);
	} else if (client->segments == NULL) {
		say_hello(client, IPC_HELLO_START, 0);
	} else if (client->segments->next == NULL && client->segments->named) {
		say_hello(client, IPC_HELLO_ATTACHED, 1);
	} else {
		act_with_rings(client);
	}
}
