/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of other nodes in the format of our own. */
#include <stdlib.h>
#include <string.h>

#include "cpg_peer.h"
#include "fuzz_engine.h"

#define BODY_MAX 4096u

static uint8_t kind_of(uint8_t how)
{
	return how % 5 == PEER_REPEAT && how & 0x20 ? PEER_NEWS : how % 5;
}

static void head_swap(struct peer_head *head)
{
	head->magic = __builtin_bswap32(head->magic);
	head->head_size = __builtin_bswap16(head->head_size);
	head->size = __builtin_bswap32(head->size);
	head->ring_nodeid = __builtin_bswap32(head->ring_nodeid);
	head->ring_seq = __builtin_bswap64(head->ring_seq);
}

/* The head is right but for what the story changes: few would come through otherwise. */
static void head_write(const struct stage *stage, struct story *story, uint8_t *message, size_t size,
		       uint8_t how)
{
	static const uint16_t head_sizes[] = {sizeof(struct peer_head),	  sizeof(struct peer_announce),
					      sizeof(struct peer_mark),	  sizeof(struct peer_batch),
					      sizeof(struct peer_repeat), sizeof(struct peer_news)};
	uint8_t kind = kind_of(how);
	struct peer_head head = {.magic = PEER_MAGIC,
				 .kind = kind,
				 .version = kind == PEER_BATCH ? PEER_VERSION_MAX : PEER_VERSION_OTHERS,
				 .head_size = head_sizes[kind],
				 .size = (uint32_t)size,
				 .ring_nodeid = stage->fixture->ring_id.nodeid,
				 .ring_seq = stage->fixture->ring_id.seq};
	size_t at, there = size < sizeof(head) ? size : sizeof(head);
	uint8_t bytes[sizeof(head)];

	if (how & 0x40 && how & 0x10)
		head_swap(&head);
	memcpy(bytes, &head, sizeof(head));
	if (how & 0x80) {
		at = story_less_than(story, sizeof(head));
		bytes[at] = story_byte(story);
	}
	memcpy(message, bytes, there);
}

static void other_node_says(struct stage *stage, struct story *story)
{
	uint8_t how = story_byte(story);
	uint32_t nodeid = 1 + story_byte(story) % 5u;
	size_t size = story_length(story, BODY_MAX);
	uint8_t *message = malloc(size ? size : 1);

	if (!message)
		return;
	story_read(story, message, size);
	head_write(stage, story, message, size, how);
	if (how % 5 == PEER_BATCH && !(how & 0x20) &&
	    size >= sizeof(struct peer_batch) + sizeof(struct peer_batch_end))
		memcpy(message + size - sizeof(struct peer_batch_end),
		       message + offsetof(struct peer_batch, number), sizeof(struct peer_batch_end));
	engine_peer_message(stage->fixture->engine, message, size, how & 0x40, nodeid);
	free(message);
}

/* ---- messages that are right, as far as that goes ---- */

#define RECORDS_MAX 8u

static const char *piece(struct story *story)
{
	static const char *const pieces[] = {"abc", "def", "ghi", ""};

	return pieces[story_byte(story) % 4];
}

/* Longer than any client could get. */
static const char *long_text(void)
{
	static char text[TOTEM_MESSAGE_SIZE_MAX - 400u];

	memset(text, 'x', sizeof(text) - 1);
	return text;
}

/* Of one of `kinds` kinds. */
static struct said record(struct story *story, unsigned int kinds)
{
	struct said said = {.kind = (uint8_t)(1 + story_byte(story) % kinds),
			    .detail = story_byte(story) % 6};

	if (said.kind == PEER_NODE) {
		said.pid = 1 + story_byte(story) % 5u;
	} else if (said.kind == PEER_SENDER) {
		said.pid = story_byte(story) % 3;
		said.text = stage_group(story);
	} else if (said.kind == PEER_MESSAGE) {
		said.text = said.detail == 5 && story_byte(story) % 16 == 0 ? long_text() : piece(story);
	} else if (said.kind == PEER_FRAGMENT) {
		said.detail = story_byte(story) % 5;
		said.msglen = story_byte(story) % 4 ? 9 : story_word(story);
		said.text = piece(story);
	}
	return said;
}

static void records_come(struct stage *stage, struct story *story, uint32_t nodeid, bool repeated)
{
	struct said said[RECORDS_MAX + 1] = {0};
	unsigned int count = story_byte(story) % RECORDS_MAX, i;

	for (i = 0; i < count; i++)
		said[i] = record(story, PEER_PRESENT);
	if (repeated)
		deliver_repeated(stage->fixture, nodeid, said);
	else
		deliver_records(stage->fixture, nodeid, said);
}

/* Of stock nodes' processes: often the round that the node is in. */
static void news_come(struct stage *stage, struct story *story, uint32_t nodeid)
{
	struct said said[RECORDS_MAX + 1] = {0};
	unsigned int count = story_byte(story) % RECORDS_MAX, i;
	enum peer_news_stage at = story_byte(story) % 4;

	for (i = 0; i < count; i++)
		said[i] = record(story, PEER_NODE);
	deliver_told(stage->fixture, nodeid, at, story_byte(story) % 2u, said);
}

static void present_comes(struct stage *stage, struct story *story, uint32_t nodeid)
{
	struct named named[RECORDS_MAX + 1] = {0};
	unsigned int count = story_byte(story) % RECORDS_MAX, i;

	for (i = 0; i < count; i++)
		named[i] = (struct named){.pid = story_byte(story) % 3, .group = stage_group(story)};
	deliver_present(stage->fixture, nodeid, 1 + story_byte(story) % 5u, story_byte(story) % 8, named);
}

/* What the node got of the others in a ring, which may be the one before this. */
static void announce_comes(struct stage *stage, struct story *story, uint32_t nodeid)
{
	struct memb_ring_id ring = stage->fixture->ring_id;
	struct heard heard[RECORDS_MAX + 1] = {0};
	unsigned int count = story_byte(story) % RECORDS_MAX, i;

	ring.seq -= story_byte(story) % 4u * RING_SEQ_STEP;
	for (i = 0; i < count; i++) {
		heard[i].nodeid = 1 + story_byte(story) % 5u;
		heard[i].next_number = stage->fixture->numbers[heard[i].nodeid] + story_byte(story) % 3u;
	}
	deliver_announce_of(stage->fixture, nodeid, &ring, heard);
}

static void stock_process_steps(struct stage *stage, struct story *story, uint32_t nodeid)
{
	uint32_t pid = story_byte(story) % 3;

	if (story_byte(story) % 2)
		deliver_procjoin(stage->fixture, nodeid, pid, stage_group(story));
	else
		deliver_procleave(stage->fixture, nodeid, pid, stage_group(story), story_byte(story) % 6);
}

static void other_node_says_well(struct stage *stage, struct story *story)
{
	uint8_t how = story_byte(story);
	uint32_t nodeid = 1 + story_byte(story) % 5u;

	stage_tamper(stage, how & 0x40 ? story : NULL);
	switch (how % 8) {
	case 0:
	case 1:
		if (how & 0x20)
			announce_comes(stage, story, nodeid);
		else
			deliver_announce(stage->fixture, nodeid, (struct versions)VERSION_NOW,
					 how & 0x80 ? 1 : 0);
		break;
	case 2:
		present_comes(stage, story, nodeid);
		break;
	case 3:
		if (how & 0x80)
			stock_process_steps(stage, story, nodeid);
		else
			lose_batch(stage->fixture, nodeid);
		break;
	default:
		if (how & 0x80 && how & 0x20)
			news_come(stage, story, nodeid);
		else
			records_come(stage, story, nodeid, how & 0x80);
		break;
	}
	stage_tamper(stage, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* raw ones, and more that are nearly right */
	static const stage_step_fn own[STAGE_OWN_STEPS] = {other_node_says, other_node_says_well,
							   other_node_says_well, other_node_says_well};

	stage_play(data, size, own);
	return 0;
}
