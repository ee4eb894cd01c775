/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the engine share. One struct engine holds all state.
 *
 *   group     found by name in a hash table; knows its members (an array sorted by nodeid and pid) and its
 *             local clients
 *   node      knows its processes: a list of members of all groups
 *   member    one process in one group, as the ordered stream says; owned by its node and its group together
 *   client    one local connection; in at most one group
 *   outgoing  a multicast that was accepted and not yet handed to totem
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <corosync/corotypes.h>
#include <qb/qblist.h>

#include "cpg_ipc.h"
#include "cpg_segment.h"
#include "cpg_wire.h"
#include "engine.h"

/* cpg_reason_t */
enum reason {
	REASON_UNDEFINED = 0,
	REASON_JOIN = 1,
	REASON_LEAVE = 2,
	REASON_NODEDOWN = 3,
	REASON_NODEUP = 4,
	REASON_PROCDOWN = 5
};

/* A group name, copied out of a message: only `length` bytes of `value` mean anything. */
struct name {
	uint32_t length;
	char value[IPC_NAME_MAX];
};

struct member {
	struct qb_list_head of_node;
	struct group *group;
	struct node *node;
	uint32_t pid;
	uint32_t seen; /* the sync whose joinlist named it last */
	bool leaving;  /* marked for members_sweep() */
};

struct node {
	uint32_t nodeid;
	bool lost;	 /* in a left_list since the last activation */
	bool complained; /* about a malformed message, once */
	struct qb_list_head members;
	struct wire_joinlist_entry *joinlist; /* what it said in this sync */
	size_t joinlist_count, joinlist_capacity;
};

struct group {
	struct group *next_in_bucket;
	uint64_t hash;
	struct name name;
	uint64_t view; /* number of changes so far */
	struct member **members;
	size_t member_count, member_capacity;
	struct qb_list_head clients;   /* local, from join request to delivered leave or death */
	size_t behind;		       /* of its clients, those that are behind */
	struct qb_list_head departing; /* local processes whose leave or death is not delivered yet */
};

/*
 * A local process that leaves a group without a client to remember it. Made when it joins: a death must not fail for
 * want of memory.
 */
struct departing {
	struct qb_list_head of_group;
	uint32_t pid;
	bool untold; /* there was no memory for its PROCLEAVE: tried again */
};

enum client_state { CLIENT_UNJOINED, CLIENT_JOIN_STARTED, CLIENT_JOINED, CLIENT_LEAVE_STARTED };

/* One event, shared by the queues of all clients that wait for it. */
struct event {
	unsigned int references;
	size_t size;
	uint8_t data[] IPC_ALIGNED;
};

struct queued_event {
	struct qb_list_head of_client;
	struct event *event;
};

/*
 * A message in fragments on its way out. Owned by its client (while it adds fragments) and its queued
 * fragments.
 */
struct partial {
	unsigned int references;
	bool handed;	  /* totem has at least one of its fragments */
	bool whole;	  /* totem has its last fragment */
	bool interrupted; /* by a ring change: what is queued of it is dropped */
	uint32_t msglen, done;
};

struct iteration {
	struct qb_list_head of_client;
	uint64_t handle;
	size_t count, next;
	struct ipc_iteration_description entry[];
};

struct client_segment {
	uint32_t id; /* 0: free slot */
	bool named;  /* still has a name in the file system */
	struct engine_segment segment;
};

struct engine_client {
	struct qb_list_head of_engine;
	struct qb_list_head of_group; /* when group */
	struct qb_list_head of_slow;  /* when events wait */
	struct qb_list_head events;
	struct qb_list_head iterations;
	struct engine *engine;
	void *conn;
	struct group *group;	     /* NULL exactly when CLIENT_UNJOINED */
	struct departing *departing; /* when group: what remembers its departure */
	struct partial *partial;
	enum client_state state;
	uint32_t pid;
	uint64_t features;
	bool wants_totem_conf; /* its first confchg is followed by a totem_confchg */
	bool behind;	       /* has more than client_queue waiting, until half of that is left */
	bool evicted;	       /* gets nothing more; the connection is being closed */
	bool complained;       /* about a bad request, once */
	size_t awaited;	       /* answers: last fragments of its messages that wait in outgoing */
	size_t queued;	       /* bytes in events */
	uint64_t stalled;      /* ns that it was tried and took nothing */
	size_t iteration_count, iteration_bytes;
	uint64_t next_iteration;
	uint64_t mcast_taken;
	struct client_segment *segments; /* SEGMENTS_PER_CLIENT_MAX slots, or NULL */
	struct client_segment *control;
	uint32_t next_segment;
};

struct outgoing {
	struct qb_list_head of_engine;
	struct engine_client *answer; /* PARTIAL_MCAST's last fragment: who waits, or NULL */
	struct partial *partial;
	size_t size;
	uint8_t data[] IPC_ALIGNED;
};

/* Where this node is between two rings. Multicasts of clients go out in GATE_OPEN alone. */
enum gate { GATE_CLOSED, GATE_OPEN };

struct engine {
	struct engine_ops ops;
	void *context;
	struct engine_config config;
	uint32_t nodeid;

	struct group **buckets;
	size_t bucket_count; /* power of two */
	size_t group_count, member_count;
	struct node **nodes; /* sorted by nodeid */
	size_t node_count, node_capacity;

	struct qb_list_head clients;
	struct qb_list_head slow;
	size_t client_count;
	size_t queued;	     /* bytes in all clients' events */
	uint64_t slow_delay; /* until the next try to send to slow clients, ns */
	uint64_t slow_tried; /* when that was done last */

	struct qb_list_head outgoing;
	size_t untold; /* deaths */
	enum gate gate;
	size_t backlog;	  /* bytes in outgoing */
	size_t inflight;  /* bytes handed to totem that have not come back, sync's not counted */
	bool flush_asked; /* of the timer, and not yet done */
	bool holding;	  /* request channel held off because of the backlog */

	/* ring and sync */
	uint32_t *ring; /* members of the ring, sorted */
	size_t ring_count;
	struct memb_ring_id ring_id;
	uint32_t sync_number; /* counts sync_init */
	size_t sync_inflight; /* bytes of DOWNLIST and JOINLIST that have not come back */
	bool in_sync;	      /* from sync_init to activation */
	bool downlist_sent;
	struct wire_joinlist_entry *own_joinlist; /* what this sync says, from the first sync_process on */
	size_t own_joinlist_count, own_joinlist_sent;
	bool own_joinlist_taken;
	uint32_t downlist_old_members;

	struct engine_stats stats;
};

/* ---- engine.c ---- */
void engine_log(struct engine *engine, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- engine_names.c: names and addresses ---- */
/* False: the length is out of range. `from` is a copy of our own: no client changes it meanwhile. */
bool name_read(struct name *name, const struct ipc_name *from);
bool name_equal(const struct name *a, const struct name *b);
int name_compare(const struct name *a, const struct name *b);
uint64_t name_hash(const struct name *name);
void name_write(struct ipc_name *to, const struct name *name);
/* For people: what is not printable becomes a dot. */
void name_text(const struct name *name, char text[IPC_NAME_MAX + 1]);

/* ---- engine_groups.c: groups, nodes, members ---- */
struct group *group_find(const struct engine *engine, const struct name *name);
/* NULL: out of memory. A group made here must get a member or a client, or group_release(). */
struct group *group_obtain(struct engine *engine, const struct name *name);
/* Frees the group when nothing refers to it any more. */
void group_release(struct engine *engine, struct group *group);
struct group *group_first(const struct engine *engine);
struct group *group_next(const struct engine *engine, const struct group *group);
void groups_destroy(struct engine *engine);
void departing_free(struct departing *departing);
struct node *node_find(const struct engine *engine, uint32_t nodeid);
struct node *node_obtain(struct engine *engine, uint32_t nodeid);
/* Frees all nodes that have no member and are not in the ring. */
void nodes_tidy(struct engine *engine);
void nodes_destroy(struct engine *engine);
struct member *member_find(const struct group *group, uint32_t nodeid, uint32_t pid);
/* NULL: out of memory. The caller made sure that it is not there yet. */
struct member *member_add(struct engine *engine, struct group *group, struct node *node, uint32_t pid);
void member_remove(struct engine *engine, struct member *member);
/* Removes all that are marked as leaving, in one pass. */
void members_sweep(struct engine *engine, struct group *group);
bool ring_has(const struct engine *engine, uint32_t nodeid);

/* ---- engine_confchg.c: configuration changes ---- */
/*
 * Tells the group's local clients. The member array is already as it is after the change; exactly
 * one of the lists has entries.
 */
void confchg_joined(struct engine *engine, struct group *group, const struct ipc_address *joined,
		    size_t count);
void confchg_left(struct engine *engine, struct group *group, const struct ipc_address *left, size_t count);
void confchg_totem(struct engine *engine, struct engine_client *client);

/* ---- engine_clients.c: connections and their events ---- */
void client_event(struct engine_client *client, struct event **shared, const struct iovec *iov,
		  unsigned int iov_len);
void event_release(struct event *event);
void client_evict(struct engine_client *client, const char *why);
void clients_flush(struct engine *engine);
/* Multicasts the join. False: out of memory, nothing happened. */
bool client_join_group(struct engine_client *client, struct group *group);
void client_leave_group(struct engine_client *client);
void client_depart(struct engine_client *client);
/* Deaths that there was no memory to tell of. */
void departing_tell(struct engine *engine);
void client_respond(struct engine_client *client, int id, cs_error_t error);
void client_complain(struct engine_client *client, const char *what);

/* ---- engine_iteration.c ---- */
void request_iteration_initialize(struct engine_client *client,
				  const struct ipc_iteration_initialize *request);
void request_iteration_next(struct engine_client *client, const struct ipc_iteration *request);
void request_iteration_finalize(struct engine_client *client, const struct ipc_iteration *request);
void iterations_free(struct engine_client *client);

/* ---- engine_segments.c: HELLO, segments, zcb ---- */
void request_local_get(struct engine_client *client, const struct ipc_hello *request, size_t size);
void request_segment_create(struct engine_client *client, const struct ipc_segment_create *request);
void request_segment_destroy(struct engine_client *client, const struct ipc_segment_destroy *request);
void request_zcb_mcast(struct engine_client *client, const struct ipc_zcb_mcast *request);
void segments_free(struct engine_client *client);
/* Tells the library whether a receiver of its group is behind. */
void segment_receiver_behind(struct engine_client *client);
/* The request channel has given us `size` bytes of MCAST. */
void segment_mcast_taken(struct engine_client *client, size_t size);

/* ---- engine_outgoing.c: hand-over to totem ---- */
/* Multicasts now or later, in order. False: out of memory, nothing happened. */
bool outgoing_send(struct engine *engine, const struct iovec *iov, unsigned int iov_len);
/*
 * The same for a fragment; the client's request is answered when its message was handed over or interrupted.
 */
bool outgoing_send_fragment(struct engine_client *client, const struct iovec *iov, unsigned int iov_len,
			    bool last);
bool outgoing_mcast(struct engine_client *client, const void *message, uint32_t length);
bool outgoing_procjoin(struct engine *engine, const struct group *group, uint32_t pid);
bool outgoing_procleave(struct engine *engine, const struct group *group, uint32_t pid, enum reason reason);
void outgoing_flush(struct engine *engine);
/* A multicast of ours came back. */
void outgoing_returned(struct engine *engine, unsigned int function, size_t size);
/* The ring is changing: messages of which only a part was handed over can't be completed. */
void outgoing_interrupt(struct engine *engine);
void outgoing_forget_client(struct engine_client *client);
void outgoing_destroy(struct engine *engine);
void partial_release(struct partial *partial);
/* The client's unfinished message will never be whole: what waits of it is dropped. */
void partial_abandon(struct engine_client *client);

/* ---- engine_sync.c ---- */
/* `entries`: `count` times struct wire_joinlist_entry, not aligned. */
void sync_joinlist(struct engine *engine, struct node *node, const void *entries, size_t count);
/* Forgets what the node's joinlists said. */
void sync_joinlist_clear(struct node *node);
void sync_destroy(struct engine *engine);

#endif
