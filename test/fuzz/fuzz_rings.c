/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that writes what it likes into its control segment and its pool, with a member beside it that does not. */
#include <errno.h>

#include "fuzz_engine.h"

#define PIECE_MAX 512u

struct hostile {
	struct ringed client;
	uint8_t *pool;
	uint32_t pool_id;
};

#define POOL_SIZE 65536u

static void write_entry(struct hostile *hostile, struct story *story)
{
	struct ring_writer *ring = &hostile->client.submission;
	size_t length = story_length(story, PIECE_MAX), size = ring_entry_size(length), at;
	uint8_t kind = story_byte(story);
	struct ring_entry entry = {.kind = kind % 2 ? RING_MESSAGE : kind, .length = (uint32_t)length};
	uint8_t body[PIECE_MAX + RING_ALIGN];

	if (kind == 0xff)
		entry.length = story_word(story);
	story_read(story, body, size - sizeof(entry));
	at = (size_t)(ring->end & (ring->size - 1));
	if (ring->size - at < size)
		return;
	memcpy(ring->data + at, &entry, sizeof(entry));
	memcpy(ring->data + at + sizeof(entry), body, size - sizeof(entry));
	ring->end += size;
	atomic_store(&hostile->client.control->submitted.end, ring->end);
}

static void write_block(struct hostile *hostile, struct story *story)
{
	struct ring_writer *ring = &hostile->client.submission;
	struct {
		struct ring_entry entry;
		struct ring_block block;
	} put = {.entry = {.kind = RING_BLOCK, .length = sizeof(struct ring_block)}};
	size_t at = (size_t)(ring->end & (ring->size - 1));

	put.block.segment_id = story_byte(story) % 2 ? hostile->pool_id : story_byte(story);
	put.block.offset = story_word(story) % (POOL_SIZE * 2);
	put.block.length = story_word(story) % (POOL_SIZE * 2);
	if (ring->size - at < sizeof(put))
		return;
	memcpy(ring->data + at, &put, sizeof(put));
	ring->end += sizeof(put);
	atomic_store(&hostile->client.control->submitted.end, ring->end);
}

static void write_anywhere(struct hostile *hostile, struct story *story)
{
	size_t at = story_word(story) % (SEGMENT_CONTROL_SMALL - SEGMENT_START - 8);
	uint8_t *bytes = (uint8_t *)hostile->client.control;

	story_read(story, bytes + at, 1 + story_byte(story) % 8u);
}

/* One of the words that the engine reads. */
static void write_word(struct hostile *hostile, struct story *story)
{
	struct segment_control *control = hostile->client.control;
	int16_t by = (int16_t)story_short(story);

	switch (story_byte(story) % 4) {
	case 0:
		atomic_fetch_add(&control->submitted.end, (uint64_t)(int64_t)by);
		break;
	case 1:
		atomic_fetch_add(&control->delivery_taken.end, (uint64_t)(int64_t)by);
		break;
	case 2:
		atomic_store(&control->delivery_taken.end, atomic_load(&control->delivered.end));
		break;
	default:
		atomic_store(&control->delivery_taken.asleep_at, story_word(story));
		break;
	}
}

/* More than the engine takes from one client at a time. */
static void write_many(struct hostile *hostile, struct story *story)
{
	unsigned int count = story_byte(story);
	uint8_t shape[3] = {story_byte(story), 1, 1}; /* its length, a message */

	while (count--) {
		struct story one = {.at = shape, .left = sizeof(shape)};

		write_entry(hostile, &one);
	}
}

/* Others of its group, who keep to the rules: one with rings, one without. */
struct others {
	struct ringed ringed;
	struct peer *plain;
	unsigned int huge; /* still to send: what only the largest ring takes costs the most */
};

#define TEXT_MAX 300000u

static void others_send(struct others *others, struct story *story)
{
	static const size_t lengths[] = {1, 1, 1000, 9000, 20000, TEXT_MAX};
	static char text[TEXT_MAX + 1];
	size_t which = story_byte(story) % 6, length;

	if (story_byte(story) % 4 == 0) {
		submit_text(&others->ringed, "by ring");
		(void)submitted(&others->ringed);
		return;
	}
	if (which == 5 && others->huge)
		others->huge--;
	else if (which == 5)
		which = 4;
	length = lengths[which];
	memset(text, 'x', length);
	text[length] = '\0';
	request_mcast(others->ringed.fixture, others->plain, text);
}

/* What else there is around them. */
static void conditions(struct hostile *hostile, struct story *story)
{
	struct fixture *fixture = hostile->client.fixture;
	uint8_t how = story_byte(story);

	switch (story_byte(story) % 8) {
	case 0:
		hostile->client.peer->room = how % 2 ? ROOM_ENDLESS : 0;
		break;
	case 5:
		hostile->client.peer->error = how % 4 ? 0 : -ENOTCONN;
		break;
	case 6:
		(void)request_leave(fixture, hostile->client.peer, "group");
		break;
	case 7:
		(void)request_join(fixture, hostile->client.peer, "group");
		break;
	case 1:
		fixture->segment_error = how % 2 ? -ENOSPC : 0;
		break;
	case 2:
		fixture->segment_cut = how >= 0xf8;
		break;
	case 3:
		fixture->totem_full = how % 2;
		break;
	default:
		fuzz_allocations(how % 32);
		break;
	}
}

static void step(struct hostile *hostile, struct others *others, struct story *story)
{
	struct fixture *fixture = hostile->client.fixture;

	switch (story_byte(story) % 16) {
	case 0:
		write_anywhere(hostile, story);
		break;
	case 1:
	case 2:
		write_word(hostile, story);
		break;
	case 3:
		write_block(hostile, story);
		break;
	case 4:
		write_many(hostile, story);
		break;
	case 5:
		doorbell(&hostile->client);
		break;
	case 6:
		engine_token(fixture->engine);
		break;
	case 7:
		tick(fixture);
		break;
	case 8:
	case 9:
		deliver_own(fixture);
		break;
	case 10:
	case 11:
		others_send(others, story);
		break;
	case 12:
		conditions(hostile, story);
		break;
	case 13:
		deliveries(&others->ringed);
		break;
	default:
		write_entry(hostile, story);
		break;
	}
	drop_all(&hostile->client.peer->events);
	drop_all(&hostile->client.peer->responses);
	drop_all(&others->ringed.heard.events);
	drop_all(&others->plain->events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story story = {.at = data, .left = size};
	uint8_t how = story_byte(&story);
	struct fixture *fixture = fixture_new(how % 2 ? &fixture_own_format : NULL);
	struct hostile hostile = {.client = ringed_joined(fixture, 10, "group")};
	struct others others = {.ringed = ringed_joined(fixture, 20, "group"),
				.plain = peer_new(fixture, 30),
				.huge = how % 64 < 2 ? 12 : 0};

	joined(fixture, others.plain, "group");
	hostile.pool = pool(&hostile.client, POOL_SIZE, &hostile.pool_id);
	while (story_goes_on(&story) && !hostile.client.peer->evicted)
		step(&hostile, &others, &story);
	fuzz_allocations(SIZE_MAX);
	ringed_free(&hostile.client);
	peer_gone(fixture, hostile.client.peer);
	deliver_own(fixture);
	ringed_free(&others.ringed);
	fixture_free(fixture);
	return 0;
}
