/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stories around an engine have in common: clients of this node, time, and what totem brings back. */
#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include "fuzz.h"
#include "test/unit/transport_fixture.h"

#define FUZZ_CLIENTS_MAX 4u

enum stage_sync { SYNC_OVER, SYNC_RUNS, SYNC_PROCESSED };

struct stage {
	struct fixture *fixture;
	struct peer *peers[FUZZ_CLIENTS_MAX]; /* NULL: nobody */
	enum stage_sync sync;
	uint32_t members; /* bits by nodeid: of the ring that is, or is coming */
	uint64_t seq;
};

#define STAGE_OWN_STEPS 4u /* of a target, among which a story chooses */
typedef void (*stage_step_fn)(struct stage *stage, struct story *story);

/*
 * Plays a story: how the engine is configured, then steps. Some of these have nothing to do with what is fuzzed: a client comes or goes, time passes, totem
 * brings something back, the ring changes.
 */
void stage_play(const uint8_t *data, size_t size, const stage_step_fn own[STAGE_OWN_STEPS]);

/* One that the story chooses, connected if need be. Two of them are of the same process. */
struct peer *stage_peer(struct stage *stage, struct story *story);

/* One of a few groups; as it is written, now and then any other name, or none. */
const char *stage_group(struct story *story);
struct ipc_name stage_name(struct story *story);

/* A byte of what the fixture delivers is another one from here on; without a story, none any more. */
void stage_tamper(struct stage *stage, struct story *story);

#endif
