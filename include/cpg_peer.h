/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What our engines say to each other, in a totem group of their own that stock nodes drop in silence. docs/WIRE.md has
 * the protocol; this is its layout. In the sender's byte order; the receiver's executive tells when that is the other
 * one. Totem packs messages back to back: nothing here is aligned where it arrives.
 *
 *   ANNOUNCE   in each sync: this node is one of ours, and what its next batch is numbered
 *   MARK       after each sync: when it is back, what totem still held of older rings is out
 *   BATCH      in a ring whose nodes all announced: records, back to back
 *   REPEAT     in another ring: joins and leaves of its own that totem may have lost for some, likewise
 *   NEWS       in such a ring: what processes of its stock nodes did, likewise
 *
 *   message    struct peer_head, the fixed part of its kind, up to head_size; then the body, up to size
 *   record     struct peer_record, `length` bytes of body, and 0 up to a multiple of 8
 *
 * A later version of the format may make a head longer: whoever reads it skips what it does not know. Kinds and records
 * that a version does not know are sent only in rings that agreed on one that does.
 */
#ifndef CPG_PEER_H
#define CPG_PEER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "cpg_ipc.h"

#define PEER_GROUP "corosync-cpg" /* the totem group's name, without the NUL */

#define PEER_MAGIC 0x43504757u /* never changes, in no version */
#define PEER_VERSION_MIN 2u    /* of batches: in 1 they had no end */
#define PEER_VERSION_MAX 2u
#define PEER_VERSION_OTHERS 1u /* of all others, so that every version can read them */

enum peer_kind { PEER_ANNOUNCE = 1, PEER_MARK = 2, PEER_BATCH = 3, PEER_REPEAT = 4, PEER_NEWS = 5 };

struct peer_head {
	uint32_t magic;
	uint8_t kind;
	uint8_t version;    /* of the format that this message is in */
	uint16_t head_size; /* where the body begins; a multiple of 8 */
	uint32_t size;	    /* of the whole message, exactly */
	uint32_t ring_nodeid;
	uint64_t ring_seq; /* with ring_nodeid: the ring that it is for */
};
static_assert(offsetof(struct peer_head, head_size) == 6, "peer_head");
static_assert(offsetof(struct peer_head, ring_seq) == 16, "peer_head");
static_assert(sizeof(struct peer_head) == 24, "peer_head");

#define PEER_ANNOUNCE_MISSED 1u /* the sender missed a batch: it is to be seen as gone and back */

struct peer_announce {
	struct peer_head head;
	uint64_t next_number; /* of its next batch */
	uint8_t version_min, version_max;
	uint16_t reserved;
	uint32_t flags;
};
static_assert(offsetof(struct peer_announce, next_number) == 24, "ANNOUNCE");
static_assert(offsetof(struct peer_announce, flags) == 36, "ANNOUNCE");
static_assert(sizeof(struct peer_announce) == 40, "ANNOUNCE");

/*
 * The body of ANNOUNCE, if the ring that its sender activated last was ours and had other nodes: that ring, then a peer_heard for each of them.
 */
struct peer_heard_ring {
	uint64_t seq;
	uint32_t nodeid;
	uint32_t reserved;
};
static_assert(sizeof(struct peer_heard_ring) == 16, "ANNOUNCE");

struct peer_heard {
	uint64_t next_number; /* of the first batch of that node that did not come in that ring */
	uint32_t nodeid;
	uint32_t reserved;
};
static_assert(sizeof(struct peer_heard) == 16, "ANNOUNCE");

struct peer_mark {
	struct peer_head head;
};
static_assert(sizeof(struct peer_mark) == 24, "MARK");

struct peer_batch {
	struct peer_head head;
	/* Counts the sender's batches. What did not come back is sent again under the same numbers. */
	uint64_t number;
};
static_assert(offsetof(struct peer_batch, number) == 24, "BATCH");
static_assert(sizeof(struct peer_batch) == 32, "BATCH");

/*
 * Behind the records. Where totem missed a packet it may put the end of a later message behind the beginning of another one: small messages all
 * continue over the end of a packet under the same number.
 */
struct peer_batch_end {
	uint64_t number; /* of this batch, again */
};
static_assert(sizeof(struct peer_batch_end) == 8, "BATCH");

struct peer_repeat {
	struct peer_head head;
};
static_assert(sizeof(struct peer_repeat) == 24, "REPEAT");

enum peer_news_stage {
	PEER_NEWS_BEGIN =
		1, /* no records: what follows in this round was so when this came, as far as its sender knows */
	PEER_NEWS_MORE = 2,
	PEER_NEWS_LAST = 3 /* of the round */
};

struct peer_news {
	struct peer_head head;
	uint32_t stage;
	uint32_t round; /* counts those of the sender */
};
static_assert(offsetof(struct peer_news, stage) == 24, "NEWS");
static_assert(sizeof(struct peer_news) == 32, "NEWS");

enum peer_record_kind {
	PEER_SENDER = 1,   /* whose the next records are: struct peer_sender, then the group's name */
	PEER_MESSAGE = 2,  /* the payload */
	PEER_FRAGMENT = 3, /* struct peer_fragment, then its payload */
	PEER_JOIN = 4,	   /* no body */
	PEER_LEAVE = 5,	   /* no body; detail: cpg_reason_t */
	PEER_BEHIND = 6,   /* no body; detail 1: the group has a receiver here that is behind, 0: no more */
	PEER_MISSED =
		7, /* no body; the sender missed a batch: it leaves here, and comes back by an exchange */
	PEER_PRESENT = 8, /* struct peer_present, then processes: who is on the sender's node */
	PEER_NODE = 9	  /* struct peer_node: whose processes the next records are about; in NEWS */
};

#define PEER_ALIGN 8u

struct peer_record {
	uint8_t kind;
	uint8_t detail;
	uint16_t reserved;
	uint32_t length; /* of the body, bytes */
};
static_assert(sizeof(struct peer_record) == 8, "record");

struct peer_sender {
	uint32_t pid; /* 0: of no process, as for BEHIND; the group's name is the rest of the record */
};
static_assert(sizeof(struct peer_sender) == 4, "SENDER");

struct peer_node {
	uint32_t nodeid;
};
static_assert(sizeof(struct peer_node) == 4, "NODE");

/*
 * A message that will not be whole ends with a last fragment of another message: receivers let go of what they have of it. It is of our own
 * format alone: stock's clients would take it for one.
 */
#define PEER_FRAGMENT_END 1u /* detail */
#define PEER_MSGLEN_NONE UINT32_MAX

struct peer_fragment {
	uint32_t msglen; /* of the whole message */
	uint32_t type;	 /* enum ipc_fragment */
};
static_assert(sizeof(struct peer_fragment) == 8, "FRAGMENT");

struct peer_present {
	uint64_t number; /* with nodeid: the batch whose MISSED asked for it */
	uint32_t nodeid;
	uint32_t last; /* not 0: nothing follows from this node */
};
static_assert(sizeof(struct peer_present) == 16, "PRESENT");

struct peer_process {
	uint32_t pid;
	uint32_t name_length;
	/* the group's name follows, and 0 up to a multiple of 8 */
};
static_assert(sizeof(struct peer_process) == 8, "PRESENT");

static inline size_t peer_padded(size_t size)
{
	return (size + PEER_ALIGN - 1) & ~(size_t)(PEER_ALIGN - 1);
}

#endif
