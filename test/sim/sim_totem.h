/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulated totem and the executive's sync above it, for up to 384 nodes on one virtual clock.
 *
 *   sim_totem.c      network, token, delivery
 *   sim_ring.c       ring formation and recovery
 *   sim_queue.c      send queues and packing: messages lie back to back in packets, one that does not fit goes on in
 *                    the next
 *   sim_executive.c  what the executive makes of a configuration change: confchg, sync, barriers
 *
 * Order of things at a change from ring R1 to R2, at each node: messages of R1 that the nodes coming along have
 * between them, up to the first that none of them has; TRANSITIONAL; what is behind the gap and was sent by one that
 * comes along; REGULAR; sync_init; sync_process at token visits until done everywhere; sync_activate; the other
 * services' turn; sync over; messages. Sync's messages are ordered like all others, so all that can happen to
 * a message happens to them, too: a sync may finish in the recovery of the next ring, or never.
 *
 * The send queue survives a ring change. From TRANSITIONAL to the end of sync a second queue is in use; what it still
 * holds then stays there until the next change. There is only one buffer in which messages are packed, though: what
 * lies in it when the queue in use changes goes out by the other one. Receivers that have no beginning of a chain of
 * packets drop the rest of it; they know one chain for each sender and each of the two queues.
 *
 * A visit of the token: the service is told; what is partly packed is flushed; packets are sent, or the ring
 * installed; what is there is delivered; sync goes on.
 */
#ifndef SIM_TOTEM_H
#define SIM_TOTEM_H

#include <sys/uio.h>

#include "service_abi.h"
#include "sim_clock.h"

#define SIM_NODES_MAX TOTEM_PROCESSORS_MAX

/* A set of nodes by index (0 .. nodes - 1). */
struct nodeset {
	uint64_t word[SIM_NODES_MAX / 64];
};

static inline bool nodeset_has(const struct nodeset *set, unsigned int index)
{
	return set->word[index / 64] >> (index % 64) & 1;
}

static inline void nodeset_add(struct nodeset *set, unsigned int index)
{
	set->word[index / 64] |= 1ull << (index % 64);
}

static inline bool nodeset_meets(const struct nodeset *a, const struct nodeset *b)
{
	uint64_t common = 0;
	unsigned int i;

	for (i = 0; i < SIM_NODES_MAX / 64; i++) {
		common |= a->word[i] & b->word[i];
	}
	return common != 0;
}

static inline void nodeset_join(struct nodeset *set, const struct nodeset *other)
{
	unsigned int i;

	for (i = 0; i < SIM_NODES_MAX / 64; i++) {
		set->word[i] |= other->word[i];
	}
}

/* What lives on a node: called as the executive calls a service. */
struct sim_service {
	void (*message)(void *context, unsigned int function, const void *message, size_t size,
			uint32_t nodeid);
	void (*peer_message)(void *context, const void *message, size_t size, uint32_t nodeid);
	void (*transitional)(void *context, const uint32_t *members, size_t count, const uint32_t *left,
			     size_t left_count);
	void (*regular)(void *context, const uint32_t *members, size_t count,
			const struct memb_ring_id *ring_id);
	void (*sync_init)(void *context, const uint32_t *trans, size_t trans_count, const uint32_t *members,
			  size_t count, const struct memb_ring_id *ring_id);
	int (*sync_process)(void *context);
	void (*sync_activate)(void *context);
	void (*sync_abort)(void *context); /* NULL: of no interest */
	void (*sync_over)(void *context);
	void (*token)(void *context);
};

struct sim_totem_config {
	unsigned int nodes;
	size_t packet_size;	    /* bytes of messages in a packet */
	size_t queue_packets;	    /* room of each send queue */
	unsigned int window;	    /* packets one token visit may send */
	unsigned int loss;	    /* percent of packets that a node must ask for again */
	uint64_t hop;		    /* ns, longest way of the token from node to node */
	uint64_t token_timeout;	    /* ns */
	unsigned int quick_reform;  /* percent of changes that are noticed at once, as a merge is */
	unsigned int partial_merge; /* percent of ring formations that miss some of the nodes within reach */
};

/* MESSAGE_PEER: of the totem group that services may have beside the executive's own. */
enum message_kind { MESSAGE_SERVICE, MESSAGE_PEER, MESSAGE_CFG, MESSAGE_SERVICE_BUILD, MESSAGE_BARRIER };

struct totem_message {
	unsigned int references;
	enum message_kind kind;
	unsigned int function;
	struct memb_ring_id ring_id; /* sync's own messages: which sync */
	size_t size;
	uint8_t data[] __attribute__((aligned(8)));
};

struct packet {
	unsigned int references;
	unsigned int origin; /* index */
	bool continues;	     /* begins inside a message */
	bool chained;	     /* ends inside a message */
	size_t count, capacity;
	struct totem_message **messages; /* those that end in this packet */
	struct nodeset got;
};

struct packet_queue {
	struct packet **packets;
	size_t first, count, capacity;
};

/* What a receiver knows of the chain of packets from an origin. */
enum assembly { ASSEMBLY_CLEAN, ASSEMBLY_IN_CHAIN, ASSEMBLY_DROPPING };

struct packing {
	struct packet *packet; /* partly filled, or NULL */
	size_t bytes;
	bool continues;
};

struct ring_member {
	unsigned int index;
	uint64_t incarnation;
	struct ring *old; /* where it came from, NULL: just started */
};

struct ring {
	struct sim_totem *totem;
	struct ring *next;
	struct memb_ring_id id;
	size_t count;
	struct ring_member *members; /* by node id */
	struct packet **log;	     /* in total order; entries before `base` were delivered by all users */
	size_t base, end, capacity;
	size_t users;	     /* nodes that are in it or have not yet come out of it */
	bool lost;	     /* its token is gone */
	bool recovered;	     /* a member is through recovery */
	bool held;	     /* the representative keeps the token, nothing is sent */
	bool parked;	     /* a paused node has the token */
	uint64_t generation; /* of the token: the events of older ones mean nothing */
	size_t token_at;     /* position in members */
	size_t previous_at;
	size_t rotations, idle;
};

enum sync_state { SYNC_IDLE, SYNC_BUILD, SYNC_PROCESS, SYNC_BARRIER };

/* Ours, and one before and one behind it that do nothing. */
#define SIM_SYNC_SERVICES 3
#define SIM_SYNC_OURS 1

struct totem_node {
	struct sim_totem *totem;
	const struct sim_service *service;
	void *context;
	unsigned int index;
	uint32_t nodeid;
	uint64_t incarnation;
	bool alive, paused;
	unsigned int label; /* nodes with equal labels hear each other */

	struct ring *ring, *recovering;
	size_t delivered; /* position in ring->log */
	bool deliver_due;
	bool in_transition; /* the second assembly list is in use */
	struct packet_queue queue[2];
	struct packing packing;
	uint8_t assembly[2][SIM_NODES_MAX]; /* enum assembly by origin */

	/* the executive */
	bool waiting_trans_ack; /* the second queue is in use */
	bool sync_in_process;
	enum sync_state sync_state;
	unsigned int sync_service;
	struct memb_ring_id sync_ring; /* seq 0: none */
	struct nodeset received;
	uint32_t trans[SIM_NODES_MAX];
	size_t trans_count;
	/* Each abort leaves a callback behind that calls sync_process at each visit, beside the one that should. */
	unsigned int stale_callbacks;
};

/* Only uint64_t: totals are made of it. `aborted_ours`: of the aborted syncs, in the turn of our service. */
struct totem_stats {
	uint64_t rings, packets, messages, gaps, behind_gap, chain_drops, aborted_recoveries, aborted_syncs,
		aborted_ours, full, sync_full, late_activations;
};

struct sim_totem {
	struct sim_clock *clock;
	struct sim_totem_config config;
	struct totem_node *nodes;
	struct ring *rings;
	uint64_t next_seq;
	uint64_t next_incarnation;
	bool reform_due;
	struct totem_stats stats;
};

void totem_init(struct sim_totem *totem, struct sim_clock *clock, const struct sim_totem_config *config);
void totem_free(struct sim_totem *totem);

/* What happens to nodes. */
void totem_start(struct totem_node *node, const struct sim_service *service, void *context);
void totem_crash(struct totem_node *node);
void totem_pause(struct totem_node *node);
void totem_resume(struct totem_node *node);
void totem_set_label(struct totem_node *node, unsigned int label);

/* True: every node that runs is in one ring, its sync is over. */
bool totem_is_whole(const struct sim_totem *totem);
/* Nothing is on its way. */
bool totem_is_idle(const struct sim_totem *totem);

/* 0, or -1: no room. */
int totem_mcast(struct totem_node *node, enum message_kind kind, unsigned int function,
		const struct iovec *iov, unsigned int iov_len);
/* totem_mcast of so many bytes would not fail. */
bool totem_has_room(const struct totem_node *node, size_t size);
/* The executive's own cfg service has something to say. False: the queue has no room, and the daemon aborts. */
bool totem_cfg(struct totem_node *node);
/* Between our sync_process and our sync_activate, or in them. */
bool executive_is_in_our_sync(const struct totem_node *node);
/* More than three quarters of the room are in use: clients are held off. */
bool totem_is_critical(const struct totem_node *node);

/* ---- between the parts ---- */

struct packet *ring_packet(const struct ring *ring, size_t position);
/* The member at this position, NULL: it is not what it was. */
struct totem_node *ring_member_node(const struct ring *ring, size_t at);
void ring_leave(struct ring *ring);
bool node_hears(const struct totem_node *a, const struct totem_node *b);
bool node_is_in_ring(const struct totem_node *node, const struct ring *ring);
void node_deliver_packet(struct totem_node *node, struct packet *packet);
void token_lose(struct ring *ring);
void token_arrives(void *context, uint64_t generation);
/* Something changed: before long those that hear each other look whether they need a new ring. */
void totem_look_for_reform(struct sim_totem *totem);
void node_install_ring(struct totem_node *node);
void node_give_up_recovery(struct totem_node *node);

void packet_release(struct packet *packet);
void queue_flush(
	struct totem_node *node); /* the token is here: a partly filled packet goes, too, if there is room */
struct packet *queue_take(struct totem_node *node);
bool queue_is_idle(const struct totem_node *node);
void queue_clear(struct totem_node *node);
void ring_wake(struct ring *ring);

void executive_start(struct totem_node *node);
void executive_transitional(struct totem_node *node, const uint32_t *members, size_t count,
			    const uint32_t *left, size_t left_count);
void executive_regular(struct totem_node *node, const uint32_t *members, size_t count,
		       const struct memb_ring_id *ring_id);
void executive_token_received(struct totem_node *node);
void executive_token_sent(struct totem_node *node);
void executive_deliver(struct totem_node *node, const struct totem_message *message, uint32_t nodeid);

#endif
