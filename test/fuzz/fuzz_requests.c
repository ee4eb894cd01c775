/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of clients: any number, any size, any content, in memory that ends where it ends; and such as are nearly right. */
#include <stdlib.h>

#include "fuzz_engine.h"

#define REQUEST_MAX 2048u

/* What its header says, and what is there. */
static void raw_request(struct stage *stage, struct story *story)
{
	struct peer *peer = stage_peer(stage, story);
	size_t readable = story_length(story, REQUEST_MAX);
	struct ipc_request *request = calloc(1, readable + 1);
	uint8_t how = story_byte(story);

	if (!request)
		return;
	story_read(story, request, readable);
	if (readable >= sizeof(*request)) {
		request->id = how % 48;
		request->size = how < 0xc0 ? (int32_t)readable : request->size;
	}
	engine_request(stage->fixture->engine, peer->client, request, readable);
	free(request);
}

/* ---- requests that are nearly right, so that more than the first check is reached ---- */

/* Short, or as long as may be, or longer. */
#define PAYLOAD_MAX 64u

/* The fixed part of any request, and some payload. */
union request {
	struct ipc_request header;
	struct ipc_join join;
	struct ipc_leave leave;
	struct ipc_mcast mcast;
	struct ipc_partial_mcast partial;
	struct ipc_partial_block block;
	struct ipc_membership membership;
	struct ipc_membership_page page;
	struct ipc_iteration_initialize iteration_initialize;
	struct ipc_iteration iteration;
	struct ipc_segment_create create;
	struct ipc_segment_destroy destroy;
	struct ipc_zcb_mcast zcb;
	struct ipc_hello hello;
	uint8_t bytes[sizeof(struct ipc_join) + PAYLOAD_MAX];
};

/* Mostly of one message: otherwise none would ever be whole. */
static uint32_t whole(struct story *story)
{
	static const uint32_t lengths[] = {9, 9, 9, 0, 30, 200000, UINT32_MAX};

	return lengths[story_byte(story) % 7];
}

static uint64_t small(struct story *story)
{
	uint8_t number = story_byte(story);

	return number < 0xf0 ? number % 8u : story_word(story);
}

static void fill_hello(union request *request, struct story *story)
{
	uint8_t how = story_byte(story);

	request->hello.magic = how & 0x80 ? 0 : IPC_HELLO_MAGIC;
	request->hello.version = how & 0x40 ? 0 : IPC_HELLO_VERSION;
	request->hello.step = how % 4;
	request->hello.features = story_byte(story) % 8u;
	request->hello.segment_id = (uint32_t)small(story);
}

/* What it must be to get past the first checks; all else is 0. */
static void fill(union request *request, const struct peer *peer, struct story *story)
{
	switch (request->header.id) {
	case IPC_REQ_JOIN:
	case IPC_REQ_LEAVE:
		request->join.group = stage_name(story);
		request->join.pid = story_byte(story) < 0xf0 ? peer->pid : 0;
		break;
	case IPC_REQ_MEMBERSHIP:
	case IPC_REQ_MEMBERSHIP_PAGE:
		request->page.group = stage_name(story);
		request->page.first = (uint32_t)small(story);
		break;
	case IPC_REQ_ITERATION_INITIALIZE:
		request->iteration_initialize.group = stage_name(story);
		request->iteration_initialize.iteration_type = (uint32_t)small(story);
		break;
	case IPC_REQ_ITERATION_NEXT:
	case IPC_REQ_ITERATION_FINALIZE:
		request->iteration.iteration_handle = small(story);
		break;
	case IPC_REQ_LOCAL_GET:
		fill_hello(request, story);
		break;
	case IPC_REQ_MCAST:
		request->mcast.msglen = (uint32_t)small(story);
		break;
	case IPC_REQ_PARTIAL_MCAST:
		request->partial.msglen = whole(story);
		request->partial.fraglen = (uint32_t)small(story);
		request->partial.type = story_byte(story) % 5;
		break;
	case IPC_REQ_PARTIAL_BLOCK:
		request->block.msglen = whole(story);
		request->block.fraglen = (uint32_t)small(story);
		request->block.type = story_byte(story) % 5;
		request->block.segment_id = (uint32_t)small(story);
		request->block.offset = small(story) * 8;
		break;
	case IPC_REQ_SEGMENT_CREATE:
		request->create.user_size = small(story) * 1024;
		break;
	case IPC_REQ_SEGMENT_DESTROY:
		request->destroy.segment_id = (uint32_t)small(story);
		break;
	case IPC_REQ_ZCB_MCAST:
		request->zcb.segment_id = (uint32_t)small(story);
		request->zcb.offset = small(story) * 8;
		request->zcb.length = small(story);
		break;
	default:
		break;
	}
}

/* One that is nearly right, so that more than the first check is reached. */
static void shaped_request(struct stage *stage, struct story *story)
{
	struct peer *peer = stage_peer(stage, story);
	union request request;
	size_t size = sizeof(request) - story_byte(story) % PAYLOAD_MAX;

	memset(&request, 0, sizeof(request));
	request.header.id = story_byte(story) % IPC_REQ_COUNT;
	request.header.size = (int32_t)size;
	fill(&request, peer, story);
	engine_request(stage->fixture->engine, peer->client, &request, size);
}

/* A message in three fragments, or its beginning. */
static void large_message(struct stage *stage, struct story *story)
{
	static const char *const pieces[] = {"abc", "def", "ghi"};
	struct peer *peer = stage_peer(stage, story);
	unsigned int count = story_byte(story) % 4, i;

	for (i = 0; i < count; i++)
		(void)request_fragment(stage->fixture, peer, IPC_FRAGMENT_FIRST + i, 9, pieces[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const stage_step_fn own[STAGE_OWN_STEPS] = {raw_request, large_message, shaped_request,
							   shaped_request};

	stage_play(data, size, own);
	return 0;
}
