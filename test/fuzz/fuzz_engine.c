/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz_engine.h"

#include <errno.h>
#include <stdlib.h>

/* ---- clients ---- */

static void stage_open(struct stage *stage, struct story *story)
{
	struct engine_config config = fixture_own_format;
	uint8_t how = story_byte(story);

	config.wire_stock = how & 1;
	if (how & 2) {
		config.client_queue = 30000;
		config.queue_total = 200000;
		config.message_max = 100000;
	}
	*stage = (struct stage){.fixture = fixture_new(&config), .members = 1u << SELF, .seq = 1000000};
	if (how & 4)
		stage->fixture->segment_error = -ENOMEM;
}

/* All that is answered or sent goes nowhere, and must not pile up. */
static void forget(struct stage *stage)
{
	struct peer *peer;

	for (peer = stage->fixture->peers; peer; peer = peer->next) {
		drop_all(&peer->responses);
		drop_all(&peer->events);
	}
}

static void stage_close(struct stage *stage)
{
	unsigned int i;

	fuzz_allocations(SIZE_MAX);
	for (i = 0; i < FUZZ_CLIENTS_MAX; i++) {
		if (stage->peers[i])
			peer_gone(stage->fixture, stage->peers[i]);
	}
	fixture_free(stage->fixture);
}

struct peer *stage_peer(struct stage *stage, struct story *story)
{
	size_t i = story_less_than(story, FUZZ_CLIENTS_MAX);

	if (!stage->peers[i]) {
		size_t before = fuzz_allocations(
			SIZE_MAX); /* the fixture takes it for granted that one can connect */
		stage->peers[i] = peer_new(stage->fixture, 10 + (uint32_t)i % (FUZZ_CLIENTS_MAX - 1));
		if (i % 2) /* of our library */
			(void)request_hello(stage->fixture, stage->peers[i],
					    IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS |
						    IPC_FEATURE_RINGS);
		fuzz_allocations(before);
	}
	return stage->peers[i];
}

const char *stage_group(struct story *story)
{
	static const char *const groups[] = {"group", "other", "g", ""};

	return groups[story_byte(story) % 4];
}

struct ipc_name stage_name(struct story *story)
{
	struct ipc_name name = ipc_name(stage_group(story));
	uint8_t how = story_byte(story);

	if (how >= 0xf0)
		name.length = story_word(story) % (IPC_NAME_MAX + 2u);
	return name;
}

static void one_goes(struct stage *stage, struct story *story)
{
	size_t i = story_less_than(story, FUZZ_CLIENTS_MAX);

	if (stage->peers[i])
		peer_gone(stage->fixture, stage->peers[i]);
	stage->peers[i] = NULL;
}

/* Who was evicted is disconnected. */
static void evicted_go(struct stage *stage)
{
	unsigned int i;

	for (i = 0; i < FUZZ_CLIENTS_MAX; i++) {
		if (stage->peers[i] && stage->peers[i]->evicted) {
			peer_gone(stage->fixture, stage->peers[i]);
			stage->peers[i] = NULL;
		}
	}
}

static void stage_step(struct stage *stage, struct story *story)
{
	struct fixture *fixture = stage->fixture;
	struct peer *peer;

	switch (story_byte(story) % 11) {
	case 0:
		one_goes(stage, story);
		break;
	case 1:
		engine_token(fixture->engine);
		break;
	case 2:
		fixture->now += (uint64_t)story_byte(story) * 10 * MS;
		engine_tick(fixture->engine);
		break;
	case 3:
		deliver_own(fixture);
		break;
	case 4:
		peer = stage_peer(stage, story);
		(void)request_join(fixture, peer, stage_group(story));
		break;
	case 5:
		peer = stage_peer(stage, story);
		request_mcast(fixture, peer, "text");
		break;
	case 6:
		peer = stage_peer(stage, story);
		peer->room = story_byte(story) % 2 ? ROOM_ENDLESS : 0;
		break;
	case 7:
		fixture->totem_full = story_byte(story) % 2;
		break;
	case 8:
		fuzz_allocations(story_byte(story) % 32);
		break;
	case 9:
		fixture->segment_error = story_byte(story) % 2 ? -ENOSPC : 0;
		break;
	default:
		fixture->segment_cut = story_byte(story) % 8 == 0;
		break;
	}
	evicted_go(stage);
	forget(stage);
}

/* ---- messages ---- */

static void tamper(void *data, void *body, size_t size)
{
	struct story *story = data;
	size_t at = story_length(story, size);

	((uint8_t *)body)[at] = story_byte(story);
}

void stage_tamper(struct stage *stage, struct story *story)
{
	stage->fixture->tamper = story ? tamper : NULL;
	stage->fixture->tamper_data = story;
}

/* ---- rings ---- */

struct list {
	uint32_t nodeid[NODES_MAX];
	size_t count;
};

static struct list list_of(uint32_t bits)
{
	struct list list = {.count = 0};
	uint32_t nodeid;

	for (nodeid = 1; nodeid < NODES_MAX; nodeid++) {
		if (bits & 1u << nodeid)
			list.nodeid[list.count++] = nodeid;
	}
	return list;
}

/* The ring's number is the story's: inputs mean the same in each run. */
static void ring_begins(struct stage *stage, struct story *story)
{
	struct fixture *fixture = stage->fixture;
	uint32_t before = stage->members;
	uint32_t members = (story_byte(story) & 0x1eu) | 1u << SELF;
	uint32_t trans = (before & members & story_byte(story)) | 1u << SELF;
	struct list left = list_of(before & ~trans), together = list_of(trans), all = list_of(members);

	fixture->ring_id = (struct memb_ring_id){.nodeid = SELF, .seq = stage->seq += 4};
	engine_transitional(fixture->engine, left.nodeid, left.count);
	engine_regular(fixture->engine, &fixture->ring_id);
	engine_sync_init(fixture->engine, together.nodeid, together.count, all.nodeid, all.count,
			 &fixture->ring_id);
	stage->members = members;
	stage->sync = SYNC_RUNS;
}

static void stage_ring(struct stage *stage, struct story *story)
{
	struct engine *engine = stage->fixture->engine;

	if (stage->sync == SYNC_OVER || story_byte(story) % 8 == 0) {
		ring_begins(stage, story);
	} else if (stage->sync == SYNC_RUNS) {
		stage->sync = engine_sync_process(engine) == 0 ? SYNC_PROCESSED : SYNC_RUNS;
	} else {
		engine_sync_activate(engine);
		engine_sync_over(engine);
		stage->sync = SYNC_OVER;
	}
	evicted_go(stage);
	forget(stage);
}

/* ---- the story ---- */

void stage_play(const uint8_t *data, size_t size, const stage_step_fn own[STAGE_OWN_STEPS])
{
	struct story story = {.at = data, .left = size};
	struct stage stage;

	stage_open(&stage, &story);
	while (story_goes_on(&story)) {
		unsigned int kind = story_byte(&story) % (4 + STAGE_OWN_STEPS);

		if (kind < 2)
			stage_ring(&stage, &story);
		else if (kind < 4)
			stage_step(&stage, &story);
		else
			own[kind - 4](&stage, &story);
	}
	stage_close(&stage);
}
