/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One engine under test, with ops that record: what it multicast waits until the test delivers it, what it
 * answered and sent to each client can be read in order.
 */
#ifndef ENGINE_FIXTURE_H
#define ENGINE_FIXTURE_H

#include <stdbool.h>

#include <check.h>
#include <corosync/corotypes.h>

#include "cpg_ipc.h"
#include "cpg_segment.h"
#include "cpg_wire.h"
#include "service/engine.h"
#include "test/unit/run_suite.h"

#define SELF 1u		 /* nodeid of the engine under test */
#define NODES_MAX 8u	 /* nodeids are lower */
#define RING_SEQ_STEP 4u /* from one sync_begin() to the next */

/* Lists of nodeids. */
#define NODES(...) ((const uint32_t[]){__VA_ARGS__, 0})
#define NOBODY ((const uint32_t[]){0})

struct packet {
	struct packet *next;
	size_t size;
	uint8_t data[] IPC_ALIGNED;
};

struct packets {
	struct packet *first, **last;
	size_t count;
};

/* A client's connection. */
struct peer {
	struct peer *next;
	struct engine_client *client;
	uint32_t pid;
	struct packets responses, events;
	size_t room; /* events that its buffer still takes */
	int error;   /* what sending an event gives, 0: it works */
	bool evicted;
	bool gone; /* its connection is closed: nothing may be done to it any more */
};

struct fixture {
	struct engine *engine;
	struct packets multicasts;
	struct packets peer_multicasts; /* in the totem group of our own */
	struct memb_ring_id ring_id;
	struct peer *peers;
	uint64_t now;
	uint64_t wake_at;	     /* 0: not asked for */
	uint64_t numbers[NODES_MAX]; /* of the next batch of each other node, see peer_fixture.h */
	bool totem_full, holding;
	size_t segments;    /* that exist */
	void *last_segment; /* user data of the segment that was made last */
	bool segment_cut;
	int segment_error; /* what making one gives, or making it larger; 0: it works */
	size_t segments_grown;
	void (*looked)(void *data); /* called when the engine has looked at a segment */
	void *looked_data;
	size_t segments_armed;		   /* how often */
	uint32_t events_before_when_armed; /* in the last segment, the first time of these */
	void (*tamper)(void *data, void *body,
		       size_t size); /* changes what deliver() and deliver_peer() bring, behind its head */
	void *tamper_data;
	size_t log_lines;   /* debug ones left out */
	int log_priority;   /* of the last line */
	char log_line[512]; /* the last one, debug ones left out */
};

#define ROOM_ENDLESS SIZE_MAX

/* Ends with an open gate: a ring of SELF alone, synchronised. NULL: the defaults, and stock's wire format. */
struct fixture *fixture_new(const struct engine_config *config);
/* The defaults, and the wire format of our own wherever possible. */
extern const struct engine_config fixture_own_format;
void fixture_free(struct fixture *fixture);

struct peer *peer_new(struct fixture *fixture, uint32_t pid);
void peer_gone(struct fixture *fixture, struct peer *peer);

/* Sends a request; its header's size is filled in. Returns the error of the answer, 0 when there was none. */
cs_error_t request(struct fixture *fixture, struct peer *peer, int id, void *message, size_t size);
cs_error_t request_join(struct fixture *fixture, struct peer *peer, const char *group);
cs_error_t request_leave(struct fixture *fixture, struct peer *peer, const char *group);
void request_mcast(struct fixture *fixture, struct peer *peer, const char *text);
/* HELLO: asks for these features. */
cs_error_t request_hello(struct fixture *fixture, struct peer *peer, uint64_t features);
cs_error_t request_fragment(struct fixture *fixture, struct peer *peer, uint32_t type, uint32_t msglen,
			    const char *text);
/* As request_join, and delivers it. */
void joined(struct fixture *fixture, struct peer *peer, const char *group);

/* The segment that was made last, as a control segment. */
const struct segment_control *fixture_control(const struct fixture *fixture);

struct ipc_name ipc_name(const char *text);

/* First of a list, taken out; NULL when empty. The caller frees it. */
struct packet *take(struct packets *packets);
void drop_all(struct packets *packets);
/* How many of these have that id in their header. */
size_t count_id(const struct packets *packets, int id);
/* Of all of them together. */
size_t bytes_of(const struct packets *packets);

/* Delivers what was multicast back to the engine, in order, as from SELF; those it sends meanwhile too. */
void deliver_own(struct fixture *fixture);
/* A message in stock's format, or in our own. */
void deliver(struct fixture *fixture, const void *message, uint32_t nodeid);
void deliver_peer(struct fixture *fixture, const void *message, size_t size, uint32_t nodeid);
void deliver_procjoin(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group);
void deliver_procleave(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group,
		       uint32_t reason);
void deliver_mcast(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group,
		   const char *text);
/* One process in a joinlist. */
struct named {
	uint32_t pid;
	const char *group;
};
void deliver_downlist(struct fixture *fixture, uint32_t nodeid);
void deliver_joinlist(struct fixture *fixture, uint32_t nodeid, const struct named *named, size_t count);

/* Steps of a ring change. Lists end with 0. */
void transitional(struct fixture *fixture, const uint32_t *left);
void sync_begin(struct fixture *fixture, const uint32_t *trans, const uint32_t *members);
void sync_own(struct fixture *fixture); /* sync_process until done, own messages delivered */
void mark_returns(struct fixture *fixture);
void sync_end(struct fixture *fixture); /* activate and over, and the engine's mark comes back */

/*
 * The next event of a client as text: members, then those that left (-), then those that joined (+), each
 * NODE:PID and the first letter of its reason (u: nodeup, d: nodedown, p: procdown); "event ID" when it is no
 * confchg, "none".
 */
const char *next_confchg(struct peer *peer);
/*
 * The same with other events too: NODE:PID 'payload' for a message, NODE:PID TYPE/MSGLEN 'payload' for a fragment, "ring"
 * and its nodes for a totem_confchg.
 */
const char *next_event(struct peer *peer);

#endif
