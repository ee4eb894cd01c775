/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings of our own format around the engine under test: what the other engines in it say, and what this one sends, as
 * text. Written without the engine's own readers and writers.
 */
#ifndef PEER_FIXTURE_H
#define PEER_FIXTURE_H

#include "cpg_peer.h"
#include "test/unit/engine_fixture.h"

/* Two clients of this node, 10 and 20, in "group" in a ring of ours; what they heard of it is forgotten. */
struct pair {
	struct fixture *fixture;
	struct peer *one, *two;
};
struct pair pair_new(const struct engine_config *config);
/* Nodes 1, 2 and 3 in a ring of ours, with 1:10, 1:20, 2:7 and 3:8 in "group". The next batch of node 1 is its third. */
struct pair trio_new(void);

/* ---- what other engines say ---- */

/* A record of a batch. */
struct said {
	uint8_t kind, detail;
	uint32_t pid;	     /* SENDER */
	const char *text;    /* its group, or a payload */
	uint32_t msglen;     /* FRAGMENT */
	const uint8_t *body; /* or all of it */
	size_t size;
};
#define BY(process, group)                                                                                   \
	{                                                                                                    \
		.kind = PEER_SENDER, .pid = (process), .text = (group)                                       \
	}
#define SAYS(payload)                                                                                        \
	{                                                                                                    \
		.kind = PEER_MESSAGE, .text = (payload)                                                      \
	}
#define PART(type, whole, payload)                                                                           \
	{                                                                                                    \
		.kind = PEER_FRAGMENT, .detail = (type), .msglen = (whole), .text = (payload)                \
	}
#define JOINS                                                                                                \
	{                                                                                                    \
		.kind = PEER_JOIN                                                                            \
	}
#define LEAVES                                                                                               \
	{                                                                                                    \
		.kind = PEER_LEAVE, .detail = 2                                                              \
	}
#define DIES                                                                                                 \
	{                                                                                                    \
		.kind = PEER_LEAVE, .detail = 5                                                              \
	}
#define BEHIND(yes)                                                                                          \
	{                                                                                                    \
		.kind = PEER_BEHIND, .detail = (yes)                                                         \
	}
#define MISSED                                                                                               \
	{                                                                                                    \
		.kind = PEER_MISSED                                                                          \
	}

/* Its next batch, for the ring of the fixture, and that it goes on counting. Ends with a record of no kind. */
void deliver_records(struct fixture *fixture, uint32_t nodeid, const struct said *said);
#define deliver_batch(fixture, nodeid, ...)                                                                  \
	deliver_records(fixture, nodeid, (const struct said[]){__VA_ARGS__, {.kind = 0}})
/* A PART in stock's format. */
void deliver_partial(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group,
		     struct said part);
/* REPEAT, for the ring of the fixture. */
void deliver_repeated(struct fixture *fixture, uint32_t nodeid, const struct said *said);
#define deliver_repeat(fixture, nodeid, ...)                                                                 \
	deliver_repeated(fixture, nodeid, (const struct said[]){__VA_ARGS__, {.kind = 0}})
#define OF_NODE(nodeid)                                                                                      \
	{                                                                                                    \
		.kind = PEER_NODE, .pid = (nodeid)                                                           \
	}
/* A message of the node's round of NEWS, for the ring of the fixture. */
void deliver_told(struct fixture *fixture, uint32_t nodeid, enum peer_news_stage stage, uint32_t round,
		  const struct said *said);
#define deliver_news(fixture, nodeid, stage, round, ...)                                                     \
	deliver_told(fixture, nodeid, stage, round, (const struct said[]){__VA_ARGS__, {.kind = 0}})
/* The BEGIN of one. */
void deliver_round(struct fixture *fixture, uint32_t nodeid, uint32_t round);
/* The batch is on its way, but nobody gets it. */
void lose_batch(struct fixture *fixture, uint32_t nodeid);

/* PRESENT for the exchange that the node's batch of this number began; `named` ends with one of no group. */
void deliver_present(struct fixture *fixture, uint32_t nodeid, uint32_t missed_nodeid, uint64_t missed_number,
		     const struct named *named);
#define PROCESSES(...) ((const struct named[]){__VA_ARGS__, {0, NULL}})
#define NO_PROCESSES ((const struct named[]){{0, NULL}})

#define SEVEN PROCESSES({7, "group"})
#define EIGHT PROCESSES({8, "group"})
/* Batches that the engine found missing. */
uint64_t gaps(const struct fixture *fixture);

/* The other two of a trio say that they are as they were. */
void both_present(struct fixture *fixture, uint32_t missed_nodeid, uint64_t missed_number);

/* The version range of one that knows only this version. */
#define VERSION_NOW                                                                                          \
	{                                                                                                    \
		2, 2                                                                                         \
	}
struct versions {
	uint8_t min, max;
};
void deliver_announce(struct fixture *fixture, uint32_t nodeid, struct versions versions, uint32_t flags);

/* Of the batches of a node, the one that is expected next. */
struct heard {
	uint32_t nodeid;
	uint64_t next_number;
};
/* The same, by one that activated this ring last, and what it got of others in it, up to one of node 0. */
void deliver_announce_of(struct fixture *fixture, uint32_t nodeid, const struct memb_ring_id *last_ring,
			 const struct heard *heard);

/* ---- rings ---- */

struct ring {
	const uint32_t *left;	   /* NULL: nobody */
	const uint32_t *trans;	   /* NULL: all members */
	const uint32_t *members;   /* each says in sync that it is one of ours, */
	const uint32_t *stock;	   /* but for these; NULL: nobody */
	uint32_t named_by;	   /* the node whose joinlist `named` is */
	const struct named *named; /* or NULL */
};
/* Up to the end of sync_process; to the mark, which is on its way; to an open gate. */
void ring_sync(struct fixture *fixture, const struct ring *ring);
void ring_settles(struct fixture *fixture, const struct ring *ring);
void ring_change(struct fixture *fixture, const struct ring *ring);
#define RING(...) (&(const struct ring){__VA_ARGS__})

/* SELF by itself; from where node 3, a stock node, has left; with it. */
extern const struct ring ring_alone, ring_without_stock, ring_with_stock;

/* What totem still holds at a ring change is taken away, and comes out after the next sync. */
struct packets packets_held(struct packets *packets);
void one_comes_out(struct fixture *fixture, struct packets *held);
void comes_out(struct fixture *fixture, struct packets *held);

/* ---- what this engine sends ---- */

/*
 * The oldest of what it multicast in our own format as text; it comes back to the engine, or gets lost:
 * "announce NEXT", with "missed" behind it when that is so, and ", heard NODE.NEXT ..." of others in the last ring; "mark"; "batch NUMBER:" or "repeat:" and its records; "begins ROUND", "more ROUND:" or "last ROUND:" and its records; NODE as "of" it, SENDER as PID@GROUP,
 * a message as its payload in quotes, a fragment as TYPE/MSGLEN and its payload, others by their names.
 */
const char *batch_returns(struct fixture *fixture);
const char *batch_lost(struct fixture *fixture);
/* The oldest in stock's format: PID@GROUP and what it does, as above; "stock FUNCTION" when it is of sync. */
const char *stock_returns(struct fixture *fixture);
const char *stock_lost(struct fixture *fixture);
/* Without taking it out. */
const char *packet_text(const struct packet *packet);

#endif
