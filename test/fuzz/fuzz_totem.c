/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of other nodes in stock's format, joinlists and downlists of sync included, in either byte order. */
#include <stdlib.h>

#include "fuzz_engine.h"

#define BODY_MAX 4096u

/*
 * The executive tells no length: a message is as long as its header says, as totem brought it whole. Behind what the story gives all is 0.
 */
static void other_node_says(struct stage *stage, struct story *story)
{
	uint8_t how = story_byte(story);
	uint32_t nodeid = 1 + story_byte(story) % 5u;
	unsigned int function = how % WIRE_FUNCTION_COUNT;
	size_t given = story_length(story, BODY_MAX);
	size_t size = how & 0x80 ? story_word(story) % (TOTEM_MESSAGE_SIZE_MAX + 2)
				 : sizeof(struct ipc_request) + given;
	size_t there = size < sizeof(struct ipc_request) || size > TOTEM_MESSAGE_SIZE_MAX
			       ? sizeof(struct ipc_request)
			       : size;
	uint8_t *message = calloc(1, there);
	struct ipc_request header = {.id = (int32_t)function, .size = (int32_t)size};

	if (!message)
		return;
	if (there > sizeof(header))
		story_read(story, message + sizeof(header),
			   given < there - sizeof(header) ? given : there - sizeof(header));
	if (how & 0x40) {
		header.id = (int32_t)__builtin_bswap32((uint32_t)header.id);
		header.size = (int32_t)__builtin_bswap32((uint32_t)header.size);
	}
	memcpy(message, &header, sizeof(header));
	if (how & 0x40)
		engine_convert(function, message);
	engine_message(stage->fixture->engine, function, message, nodeid);
	free(message);
}

/* ---- messages that are right, as far as that goes ---- */

#define NAMED_MAX 8u

static void joinlist_comes(struct stage *stage, struct story *story, uint32_t nodeid)
{
	struct named named[NAMED_MAX];
	unsigned int count = story_byte(story) % NAMED_MAX, i;

	for (i = 0; i < count; i++)
		named[i] = (struct named){.pid = story_byte(story) % 3, .group = stage_group(story)};
	deliver_joinlist(stage->fixture, nodeid, named, count);
}

static void fragment_comes(struct stage *stage, struct story *story, uint32_t nodeid, uint32_t pid)
{
	static const char *const pieces[] = {"abc", "def", "ghi", ""};
	struct said part = {.kind = PEER_FRAGMENT,
			    .detail = story_byte(story) % 5,
			    .msglen = story_byte(story) % 4 ? 9 : story_word(story),
			    .text = pieces[story_byte(story) % 4]};

	deliver_partial(stage->fixture, nodeid, pid, stage_group(story), part);
}

static void other_node_says_well(struct stage *stage, struct story *story)
{
	struct fixture *fixture = stage->fixture;
	uint8_t how = story_byte(story);
	uint32_t nodeid = 1 + story_byte(story) % 5u, pid = story_byte(story) % 3;

	stage_tamper(stage, how & 0x40 ? story : NULL);
	switch (how % 6) {
	case 0:
		deliver_procjoin(fixture, nodeid, pid, stage_group(story));
		break;
	case 1:
		deliver_procleave(fixture, nodeid, pid, stage_group(story), how / 16);
		break;
	case 2:
		deliver_mcast(fixture, nodeid, pid, stage_group(story), "text");
		break;
	case 3:
		deliver_downlist(fixture, nodeid);
		break;
	case 4:
		joinlist_comes(stage, story, nodeid);
		break;
	default:
		fragment_comes(stage, story, nodeid, pid);
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
