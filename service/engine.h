/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CPG engine: a pure core. It knows no corosync, no libqb, no clock and no global state; it is fed events
 * and acts through struct engine_ops. service/module.c puts it into an executive, test/sim puts hundreds of
 * them into one process.
 *
 * One thread. No call below may be made from inside an op, except where the op says so.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "service_abi.h"

struct engine;
struct engine_client;

/* A block of memory that a client can write too. `base` and `size` are ours: never read back from it. */
struct engine_segment {
	void *base;   /* user data */
	size_t size;  /* of the user data that is there, bytes */
	void *handle; /* whoever made it */
};

/* How the client finds the segment: goes into the answer. */
struct engine_segment_name {
	char *name; /* buffer of `capacity` bytes, filled with a NUL-terminated path */
	size_t capacity;
	uint32_t user_offset; /* into the file */
};

/* What the engine needs done. Every op gets `context` as its first argument. */
struct engine_ops {
	/*
	 * Multicasts one stock-format message on totem. 0, or -1: no room now. The engine calls it only from
	 * engine_request, engine_client_gone, engine_tick, engine_token and engine_sync_process.
	 */
	int (*mcast)(void *context, const struct iovec *iov, unsigned int iov_len);

	/*
	 * The same for a message of ours alone (include/cpg_peer.h), in the totem group that only engines like this
	 * one are in.
	 */
	int (*peer_mcast)(void *context, const struct iovec *iov, unsigned int iov_len);

	/* Answers `conn`'s request. A response that can't be sent is the client's loss: no result. */
	void (*respond)(void *context, void *conn, const struct iovec *iov, unsigned int iov_len);

	/*
	 * Sends an event to `conn`. 0, -EAGAIN: its buffer is full; any other negative: the connection is
	 * broken.
	 */
	int (*event)(void *context, void *conn, const struct iovec *iov, unsigned int iov_len);

	/*
	 * Disconnects `conn`. engine_client_gone() must follow, later: never from inside this op.
	 */
	void (*evict)(void *context, void *conn);

	/* Monotonic time, nanoseconds. */
	uint64_t (*now)(void *context);

	/*
	 * Asks for engine_tick() after at most `delay` nanoseconds. Asking again while one is due is allowed.
	 */
	void (*wake)(void *context, uint64_t delay);

	/* The request channel of all clients shall be off (true) or as the executive wants it (false). */
	void (*hold_requests)(void *context, bool hold);

	/* One line for the log, priority as in syslog(3). */
	void (*log)(void *context, int priority, const char *text);

	/*
	 * Shared memory for `conn`, readable and writable by its user; 0 or a negative errno. NULL ops: no
	 * segments here. Of its `user_size` bytes the first `present` are there; segment_grow makes that more, or fails: either way
	 * `segment` says where it lies afterwards. segment_unlink: the client has mapped it (or never will): its name goes away.
	 */
	int (*segment_create)(void *context, void *conn, size_t user_size, size_t present,
			      struct engine_segment *segment, struct engine_segment_name *name);
	int (*segment_grow)(void *context, struct engine_segment *segment, size_t present);
	void (*segment_unlink)(void *context, struct engine_segment *segment);
	void (*segment_destroy)(void *context, struct engine_segment *segment);
	/* Memory of segments is about to be touched, in whatever context: a client may have cut it short. */
	void (*segment_arm)(void *context);
	/* The client cut the segment short while we read it: what we read was zeros. */
	bool (*segment_broken)(void *context, const struct engine_segment *segment);
};

/* Options of the service section. */
struct engine_config {
	size_t client_queue;   /* bytes one client may have waiting before it must make progress */
	uint64_t client_stall; /* ns without progress: over client_queue, or with a large message */
	size_t queue_total;    /* bytes all clients together may have waiting */
	size_t message_max;    /* bytes of the largest message in fragments */
	bool wire_stock;       /* speak stock's format, in whatever ring */
#ifdef ENGINE_RULES
	uint32_t rules_off; /* bits by enum engine_rule, see engine_rules.h */
#endif
};

#define ENGINE_CLIENT_QUEUE_DEFAULT (64ull << 20)
#define ENGINE_CLIENT_STALL_DEFAULT (10ull * 1000 * 1000 * 1000)
#define ENGINE_QUEUE_TOTAL_DEFAULT (1ull << 30)
#define ENGINE_MESSAGE_MAX_DEFAULT (64ull << 20)

/* Everything is copied. NULL: out of memory. `nodeid` is this node's. */
struct engine *engine_create(const struct engine_ops *ops, void *context, const struct engine_config *config);
void engine_destroy(struct engine *engine);

/* This node's id, before anything else that could need it (the executive knows it only once it is up). */
void engine_set_nodeid(struct engine *engine, uint32_t nodeid);

/* ---- clients ---- */

/* `pid` is the connection's own (SO_PEERCRED). NULL: out of memory, refuse the connection. */
struct engine_client *engine_client_new(struct engine *engine, void *conn, uint32_t pid);

/*
 * The connection is closed: leaves its group (PROCDOWN) and frees everything, once what lies in its submission ring is taken. `client` is gone for
 * the caller. Multicasts: not from where totem delivers.
 */
void engine_client_gone(struct engine *engine, struct engine_client *client);

/* A request. `readable`: bytes that can safely be read at `message`, whatever its header claims. */
void engine_request(struct engine *engine, struct engine_client *client, const void *message,
		    size_t readable);

/* Executive context where sending is allowed: the token arrived, or the timer asked for with wake() fired. */
void engine_token(struct engine *engine);
void engine_tick(struct engine *engine);

/* ---- totem ---- */

/* A stock-format message of service 2, in host byte order already. */
void engine_message(struct engine *engine, unsigned int function, const void *message, uint32_t nodeid);

/*
 * A message in the totem group of our own, `size` bytes of it. `swapped`: it is in the other byte order. Aligned to
 * nothing; not written to.
 */
void engine_peer_message(struct engine *engine, const void *message, size_t size, bool swapped,
			 uint32_t nodeid);

/* Converts a message of the other byte order in place. */
void engine_convert(unsigned int function, void *message);

/* A transitional configuration: `left` are the nodes that did not come along. */
void engine_transitional(struct engine *engine, const uint32_t *left, size_t left_count);
/* A regular one: what is delivered from here on was sent in the ring `ring_id`, or is stale. sync_init follows. */
void engine_regular(struct engine *engine, const struct memb_ring_id *ring_id);
void engine_sync_init(struct engine *engine, const uint32_t *trans, size_t trans_count,
		      const uint32_t *members, size_t member_count, const struct memb_ring_id *ring_id);
int engine_sync_process(struct engine *engine); /* 0: done, -1: call again */
void engine_sync_activate(struct engine *engine);

/* The whole sync, other services' included, is over: sending may begin at the next token, tick or request. */
void engine_sync_over(struct engine *engine);

/* ---- shutdown and state ---- */

/* True while accepted messages wait to be sent; give it tokens and ask again. */
bool engine_busy(const struct engine *engine);

/* Writes the state to the log, for the executive's state dump. */
void engine_dump(struct engine *engine);

struct engine_stats {
	uint64_t clients, groups, members;
	uint64_t sent, sent_bytes; /* multicasts handed to totem, without sync's */
	uint64_t delivered;	   /* DELIVER and PARTIAL_DELIVER events to local clients */
	uint64_t queued_bytes;	   /* waiting for local clients now */
	uint64_t backlog_bytes;	   /* accepted from clients, not yet handed to totem */
	bool news;		   /* of stock nodes' processes that other engines may not have yet */
	uint64_t inflight_bytes;   /* handed to totem, not yet back */
	uint64_t large_bytes;	   /* in fragments, going out or coming in: one of ours counts twice */
	uint64_t evicted;	   /* clients */
	uint64_t bad_requests, bad_messages; /* refused for what they said */
	uint64_t batches;		     /* handed to totem in our own format */
	uint64_t stale; /* messages and batches dropped because they were for another ring */
	uint64_t gaps;	/* times that this node missed a batch */
	uint64_t lost;	/* messages that were accepted here and can't be delivered */
};
void engine_stats(const struct engine *engine, struct engine_stats *stats);

/* What went through the rings of one client, if it has any: libqb does not see it. */
struct engine_client_stats {
	uint64_t messages; /* from it */
	uint64_t events;   /* for it, sent or waiting; each message is one */
	bool refused;	   /* a member of its group is behind: it may not send */
};
void engine_client_stats(const struct engine_client *client, struct engine_client_stats *stats);

#endif
