/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "totem_fixture.h"

struct sim_clock sim;
struct sim_totem totem;
struct witness witness[NODES + 1];

/* ---- the service ---- */

static void write_down(struct witness *at, char what, const uint32_t *list, size_t count)
{
	size_t i;

	at->recovering_at[(unsigned char)what] |= at->node->recovering != NULL;
	at->length += (size_t)snprintf(at->story + at->length, sizeof(at->story) - at->length, "%c", what);
	for (i = 0; i < count; i++) {
		at->length += (size_t)snprintf(at->story + at->length, sizeof(at->story) - at->length, "%s%u",
					       i ? " " : "(", list[i]);
	}
	if (count && what != 'T') {
		at->length += (size_t)snprintf(at->story + at->length, sizeof(at->story) - at->length, ")");
	}
	ck_assert_uint_lt(at->length, sizeof(at->story));
}

int says(unsigned int nodeid, char name, size_t size)
{
	uint8_t *message = sim_alloc(size);
	struct iovec iov = {.iov_base = message, .iov_len = size};
	int result;

	message[0] = (uint8_t)name;
	result = totem_mcast(witness[nodeid].node, MESSAGE_SERVICE, 3, &iov, 1);
	free(message);
	return result;
}

static void on_message(void *context, unsigned int function, const void *message, size_t size,
		       uint32_t nodeid)
{
	struct witness *at = context;
	char name = *(const char *)message;

	(void)function;
	(void)size;
	(void)nodeid;
	write_down(at, name, NULL, 0);
	if (name == 'g' && at->answers) {
		ck_assert_int_eq(says(at->node->nodeid, 'h', at->answers), 0);
	}
}

static void on_transitional(void *context, const uint32_t *members, size_t count, const uint32_t *left,
			    size_t left_count)
{
	struct witness *at = context;
	size_t i;

	write_down(at, 'T', members, count);
	for (i = 0; i < left_count; i++) {
		at->length += (size_t)snprintf(at->story + at->length, sizeof(at->story) - at->length, "%c%u",
					       i ? ' ' : '/', left[i]);
	}
	at->length += (size_t)snprintf(at->story + at->length, sizeof(at->story) - at->length, ")");
}

static void on_regular(void *context, const uint32_t *members, size_t count,
		       const struct memb_ring_id *ring_id)
{
	struct witness *at = context;

	(void)ring_id;
	write_down(at, 'R', members, count);
	while (at->fills_at_regular && says(at->node->nodeid, 'f', FILLING) == 0) {
	}
}

static void on_sync_init(void *context, const uint32_t *trans, size_t trans_count, const uint32_t *members,
			 size_t count, const struct memb_ring_id *ring_id)
{
	(void)members;
	(void)count;
	(void)ring_id;
	write_down(context, 'I', trans, trans_count);
}

static int on_sync_process(void *context)
{
	struct witness *at = context;

	write_down(at, 'P', NULL, 0);
	return at->busy ? -1 : 0;
}

static void on_sync_activate(void *context)
{
	write_down(context, 'A', NULL, 0);
}

static void on_sync_abort(void *context)
{
	write_down(context, 'X', NULL, 0);
}

static void on_sync_over(void *context)
{
	struct witness *at = context;

	at->queue_at_over = at->node->queue[0].count;
	write_down(at, 'O', NULL, 0);
}

static void on_token(void *context)
{
	((struct witness *)context)->tokens++;
}

const struct sim_service service = {
	.message = on_message,
	.transitional = on_transitional,
	.regular = on_regular,
	.sync_init = on_sync_init,
	.sync_process = on_sync_process,
	.sync_activate = on_sync_activate,
	.sync_abort = on_sync_abort,
	.sync_over = on_sync_over,
	.token = on_token,
};

/* ---- the world ---- */

void world_begin(uint64_t seed)
{
	const struct sim_totem_config config = {
		.nodes = NODES,
		.packet_size = PACKET,
		.queue_packets = QUEUE,
		.window = 100,
		.hop = 50 * SIM_US,
		.token_timeout = 10 * SIM_MS,
	};
	unsigned int i;

	memset(witness, 0, sizeof(witness));
	sim_clock_init(&sim, seed);
	totem_init(&totem, &sim, &config);
	for (i = 1; i <= NODES; i++) {
		witness[i].node = &totem.nodes[i - 1];
	}
}

void world_end(void)
{
	totem_free(&totem);
	sim_clock_free(&sim);
}

void setup(void)
{
	world_begin(1);
}

void run(uint64_t duration)
{
	uint64_t until = sim.now + duration;

	while (sim.count && sim.heap[0].when <= until && sim_step(&sim)) {
	}
}

void start(unsigned int nodes)
{
	unsigned int i;

	for (i = 1; i <= nodes; i++) {
		totem_start(witness[i].node, &service, &witness[i]);
	}
	RUN_UNTIL(totem_is_whole(&totem));
	run(100 * SIM_MS);
}

/* What is told from here on. */
void begin_story(void)
{
	unsigned int i;

	for (i = 1; i <= NODES; i++) {
		witness[i].length = 0;
		witness[i].story[0] = '\0';
		memset(witness[i].recovering_at, 0, sizeof(witness[i].recovering_at));
	}
}

void cut(unsigned int nodeid)
{
	totem_set_label(witness[nodeid].node, nodeid);
}

void mend(unsigned int nodeid)
{
	totem_set_label(witness[nodeid].node, 0);
}

void lose_token(unsigned int nodeid)
{
	token_lose(witness[nodeid].node->ring);
}

struct ring *ring_of(unsigned int nodeid)
{
	return witness[nodeid].node->ring;
}

unsigned int count_of(unsigned int nodeid, char what)
{
	const char *at = witness[nodeid].story;
	unsigned int count = 0;

	for (; *at; at++) {
		count += *at == what;
	}
	return count;
}

void expect_story(unsigned int nodeid, const char *story)
{
	ck_assert_msg(strcmp(witness[nodeid].story, story) == 0, "node %u tells %s, not %s", nodeid,
		      witness[nodeid].story, story);
}

static bool is_installed(const struct ring *ring)
{
	size_t i;

	for (i = 0; i < ring->count; i++) {
		if (!node_is_in_ring(ring_member_node(ring, i), ring)) {
			return false;
		}
	}
	return true;
}

/* Lets node 1 and those with it install a new ring, and no more of it. */
void install_only(void)
{
	const struct ring *ring = ring_of(1);

	lose_token(1);
	RUN_UNTIL(ring_of(1) != ring && is_installed(ring_of(1)));
	lose_token(1);
}
