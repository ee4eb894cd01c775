/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the engine share. One struct engine holds all state.
 *
 *   group     found by name in a hash table; knows its members (an array sorted by nodeid and pid) and its
 *             local clients
 *   node      knows its processes: a list of members of all groups
 *   member    one process in one group, as the ordered stream says; owned by its node and its group together
 *   client    one local connection; in at most one group
 *   rings     its shared memory, if it has some: what it sends, and what is sent to it
 *   batch     what was accepted from clients and has not come back from totem
 *   partial   a message in fragments on its way out
 *   assembly  one that is coming in
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <corosync/corotypes.h>
#include <qb/qblist.h>

#include "cpg_copy.h"
#include "cpg_ipc.h"
#include "cpg_ring.h"
#include "cpg_segment.h"
#include "cpg_wire.h"
#include "engine.h"
#include "engine_rules.h"
#include "peer_records.h"

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
	uint32_t seen;		   /* the sync whose joinlist named it last */
	bool leaving;		   /* marked for members_sweep() */
	struct assembly *assembly; /* of its message in fragments, or NULL */
};

struct node {
	uint32_t nodeid;
	bool lost;	 /* in a left_list since the last activation */
	bool complained; /* about a malformed message, once */
	struct qb_list_head members;
	struct wire_joinlist_entry *joinlist; /* what it said in this sync, or in this exchange */
	size_t joinlist_count, joinlist_capacity;

	/* our own format */
	bool announced; /* for the ring of the last regular configuration */
	uint8_t version_min, version_max;
	bool numbered;	 /* `number` means something */
	uint64_t number; /* of the batch that is expected next */
	bool was_there;	 /* in the ring that was activated last, and that was ours */
	uint64_t heard;	 /* `number` at its end */
	bool away;	 /* it left by missing a batch, or we did: it comes back by the exchange */
	bool present;	 /* all that it has to say in this exchange is here */

	/* in a ring with a stock node, see engine_news.c */
	bool telling; /* a round of NEWS began */
	uint32_t telling_round;
	uint64_t told_from; /* the moment when it did */
};

/* A node where a receiver of the group is behind. */
struct remote_behind {
	struct qb_list_head of_group;
	uint32_t nodeid;
};

struct group {
	struct group *next_in_bucket;
	uint64_t hash;
	struct name name;
	uint64_t view; /* number of changes so far */
	struct member **members;
	size_t member_count, member_capacity;
	size_t reserved;	     /* of its capacity: for local processes whose join is not delivered */
	struct qb_list_head clients; /* local, from join request to delivered leave or death */
	size_t behind;		     /* of its clients, those that are behind */
	size_t slow;		     /* those for whom something waits, as counted last */
	bool behind_told;	     /* the other nodes know */
	struct qb_list_head remote_behind;
	struct qb_list_head departing; /* local processes whose leave or death is not delivered yet */
};

/*
 * What a local process takes in a group, had when it asks to join: neither its join nor its death may fail for want of memory
 * when others see it. Its client's, and the group's when it leaves without a client to remember it.
 */
struct departing {
	struct qb_list_head of_group;
	struct group *group;
	struct member *member; /* that it will be, with room in the group; NULL: it has been delivered */
	struct batch *again;   /* empty, for its join or leave, should it have to be said again; NULL: used */
	uint32_t pid;
	bool untold; /* there was no memory for its PROCLEAVE: tried again */
};

/* Those of a ring, and those of the one before, which go when it is activated. */
#define NODES_MAX (2 * (size_t)TOTEM_PROCESSORS_MAX)

enum client_state { CLIENT_UNJOINED, CLIENT_JOIN_STARTED, CLIENT_JOINED, CLIENT_LEAVE_STARTED };

/* One event, shared by the queues of all clients that wait for it. */
struct event {
	unsigned int references;
	unsigned int waiting; /* queues that it is in: it counts once, in all */
	size_t size;
	uint8_t data[] IPC_ALIGNED;
};

struct queued_event {
	struct qb_list_head of_client;
	struct event *event;
	uint8_t kind; /* of the entry that it will be in a delivery ring */
};

/* Where one is in a batch: the next record, and the SENDER record in force there. */
struct cursor {
	size_t at, sender;
};

/*
 * Records in the order in which they were accepted, see cpg_peer.h. The cursors are those of stock's format, in which
 * records are handed over one by one; in our own the whole batch is.
 */
struct batch {
	struct qb_list_head of_list;
	uint64_t number;  /* when handed over in our own format */
	size_t wire_size; /* likewise */
	size_t count;	  /* records, without SENDER */
	uint8_t control;  /* not 0: its one record's kind; of the exchange, means nothing in another ring */
	bool last_fragment;
	bool step;		 /* of the partial, and not back yet */
	struct partial *partial; /* its one record is a fragment of this */
	struct cursor handed, returned;
	size_t last_sender; /* where the last SENDER is */
	size_t size, capacity;
	uint8_t *records;
};

/* One that is to be added to a batch. `group` NULL: nobody's. Nothing is kept of it. */
#define RECORD_PIECES 2
struct record {
	uint8_t kind, detail;
	uint32_t pid;
	const struct name *group;
	struct iovec body[RECORD_PIECES];
};

#define NEWS_BUCKETS 256u

/* Where this node is in a round of NEWS. */
enum telling { TELLING_NOTHING, TELLING_BEGINS, TELLING_BEGUN, TELLING_ENDS };

#define MEMORY_DELAY (100ull * 1000 * 1000) /* ns, until there may be some again */

/* More than one record only up to this: with totem's own headers it fills one packet. */
#define BATCH_SIZE_MAX ((size_t)60 * 1024)

#define BATCH_ROOM ((size_t)1024) /* of one that goes at once */

/*
 * The largest multicast, stock's header included, with room for what totem puts around it; and of it what clients send. Their events for it
 * have headers of the same size, so they fit the buffer of a stock library.
 */
#define WIRE_MESSAGE_MAX (TOTEM_MESSAGE_SIZE_MAX - 256u)
#define MESSAGE_LENGTH_MAX (WIRE_MESSAGE_MAX - sizeof(struct wire_mcast))
#define FRAGMENT_LENGTH_MAX (WIRE_MESSAGE_MAX - sizeof(struct wire_partial_mcast))
static_assert(sizeof(struct wire_mcast) == sizeof(struct ipc_deliver), "MCAST");
static_assert(sizeof(struct wire_partial_mcast) == sizeof(struct ipc_partial_deliver), "PARTIAL_MCAST");

/*
 * A message in fragments on its way out, kept until its last fragment came back. Owned by its client (while it adds
 * fragments) and its batches.
 */
struct partial {
	struct qb_list_head of_engine;
	unsigned int references;
	bool abandoned; /* it will never be whole */
	bool broken;	/* receivers do not have what came back, or it was dropped: it has to start again */
	struct engine_client *client; /* who adds to it; NULL: nobody any more */
	uint64_t moved;		      /* when the last step of it came, or came back, ns */
	uint64_t wanted;	      /* 0, or since when its room is wanted and it stands still */
	unsigned int steps;	      /* on their way */
	uint32_t counted;	      /* of `done`, up to that part */
	uint32_t msglen, done;
	uint32_t fragments;
	struct qb_list_head returned; /* its batches that came back, in order */
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

/* The rings of a client, with our own idea of where they stand. */
struct rings {
	struct engine_client *client;
	struct segment_control *control; /* the client writes there what it likes */

	struct qb_list_head of_awake; /* when awake */
	struct ring_reader submission;
	size_t turn_bytes; /* of messages and entries, taken in the last turn */
	uint64_t messages; /* taken since the rings began */
	size_t left;	   /* when ended: bytes that may still be taken */
	bool awake;	   /* we look by ourselves */
	bool distrusted;

	struct ring_writer delivery;
	uint64_t events;		    /* for the client since the rings began, each message one */
	struct qb_list_head of_unannounced; /* when unannounced */
	bool unannounced;		    /* something was put in, and it was not told */
	uint32_t bells_due;		    /* that found no room in the connection */
	bool group_told;		    /* runs are of the client's group */

	uint32_t grown;	     /* as in the control segment */
	unsigned int full;   /* how often one of the two was too small since it grew */
	uint64_t full_taken; /* how far the client was when the delivery ring was too small last */
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
	bool interrupted; /* its large message was given up, which it does not know yet */
	enum client_state state;
	uint32_t pid;
	uint64_t features;
	bool wants_totem_conf; /* its first confchg is followed by a totem_confchg */
	bool behind;	       /* has more than client_queue waiting, until half of that is left */
	bool evicted;	       /* gets nothing more; the connection is being closed */
	bool ended;	       /* it is closed, and what lies in its submission ring is still to be taken */
	bool complained;       /* about a bad request, once */
	size_t queued;	       /* bytes in events */
	uint64_t moved;	       /* slow_clock when it took something of that last, or began to wait */
	size_t iteration_count, iteration_bytes;
	uint64_t next_iteration;
	struct client_segment *segments; /* SEGMENTS_PER_CLIENT_MAX slots, or NULL */
	struct client_segment *control;
	uint32_t next_segment;
	uint32_t events_sent; /* over the connection */
	struct rings *rings;  /* NULL: it has none */
};

/* Where this node is between two rings. Multicasts of clients go out in GATE_OPEN alone. */
enum gate { GATE_CLOSED, GATE_SETTLING, GATE_OPEN };

/* Why this ring speaks the format that it does. */
enum format { FORMAT_NONE, FORMAT_OWN, FORMAT_STOCK_NODES, FORMAT_STOCK_FORCED };

struct engine {
	struct engine_ops ops;
	void *context;
	struct engine_config config;
	uint32_t nodeid;

	struct group **buckets;
	size_t bucket_count; /* power of two */
	size_t group_count, member_count;
	struct node **nodes; /* NODES_MAX of them; the first node_count are in use, sorted by nodeid */
	size_t node_count;
	struct node *node_store;

	struct qb_list_head clients;
	struct qb_list_head slow;
	size_t client_count;	   /* with a connection */
	size_t ended_count;	   /* without one */
	size_t queued;		   /* bytes in all clients' events */
	uint64_t slow_delay;	   /* until the next try to send to slow clients, ns */
	uint64_t slow_tried;	   /* when that was done last ... */
	uint64_t slow_clock;	   /* ... and ns in which it was, without pauses of ours */
	struct qb_list_head awake; /* clients whose submission rings we look into */
	size_t rings_count, bells_due;
	struct qb_list_head
		unannounced;	  /* clients that have something in their delivery rings and were not told */
	size_t unannounced_count; /* what that is */
	bool many_deliveries;	  /* more is about to be put in */
	bool no_segment_said, refusal_said; /* in the log */

	/* hand-over to totem, see engine_outgoing.c */
	struct qb_list_head again, waiting, handed, control, repeat, partials;
	size_t untold; /* deaths */
	enum gate gate;
	bool mark_sent;
	bool opened;	      /* in this ring: what is handed over went out in it */
	uint64_t next_number; /* of the next batch */
	size_t backlog;	      /* bytes in waiting that are not handed over */
	int64_t credit;	 /* bytes that may be taken from rings where enough waits, see engine_submission.c */
	size_t inflight; /* bytes handed over that have not come back, sync's not counted */
	size_t window, came_back, came_back_before;
	size_t dropped; /* messages of ours in stock's format that came back in a ring of ours, the oldest */
	uint64_t large; /* bytes of all messages in fragments on their way out */
	unsigned int silence;	       /* visits of the token, and ticks, since something came back */
	bool flush_asked, retry_asked; /* of the timer, and not yet done */
	bool token_came;	       /* since the last tick */
	uint64_t retry_delay;	       /* until the next one, ns */
	bool backlog_holds,
		ended_hold; /* why the request channel is off: what waits, or clients that ended */

	/* our own format: how this ring speaks, and what became of batches */
	bool ours; /* all nodes of the ring announced: from its activation to the next regular configuration */
	uint8_t version;	       /* of the format, when ours */
	enum format format;	       /* as logged last */
	bool missed;		       /* this node missed a batch, and not everybody knows */
	bool missed_told;	       /* MISSED is on its way */
	bool missed_announced;	       /* this sync's ANNOUNCE said so */
	bool was_ours;		       /* a ring since the last activation was */
	struct memb_ring_id last_ring; /* that was activated, and has ended; seq 0: it was not ours */
	bool exchanging, present_sent;
	uint8_t *present_buffer;  /* had before MISSED is sent, or NULL */
	uint32_t exchange_nodeid; /* with exchange_number: the batch whose MISSED this exchange is for */
	uint64_t exchange_number;
	bool behind_untold; /* there was no memory to tell of a group */
	struct qb_list_head assemblies;
	uint64_t assembled; /* bytes that they are or will be */

	/* ring and sync */
	uint32_t *ring; /* members of the ring, sorted */
	size_t ring_count;
	struct memb_ring_id ring_id;
	uint32_t sync_number; /* counts sync_init */
	size_t sync_inflight; /* bytes of ANNOUNCE, DOWNLIST and JOINLIST that have not come back */
	bool in_sync;	      /* from the regular configuration to activation */
	bool announce_sent;
	bool downlist_sent;
	struct wire_joinlist_entry *own_joinlist; /* what this sync says, from the first sync_process on */
	size_t own_joinlist_count, own_joinlist_sent;
	bool own_joinlist_taken;
	uint32_t downlist_old_members;
	struct qb_list_head news;
	struct news *news_buckets[NEWS_BUCKETS];
	size_t news_count, news_untold;
	uint64_t news_moment;	   /* counts news and rounds, in the order that is the same for all */
	enum telling news_telling; /* BEGINS, ENDS: that is on its way */
	uint32_t news_round;
	unsigned int news_waits; /* flushes, for a round to get on */
	bool news_overflow_said;
	bool lists_lack; /* for want of memory, what the joinlists of this sync or exchange name */
	bool incomplete; /* so this node does not know all members, and says nothing of them, until it heard all lists again */

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
/* NULL: out of memory. In no list. */
struct departing *departing_new(struct group *group, uint32_t pid);
/* Its leave may be sent. False: out of memory. */
bool departing_may_leave(struct departing *departing);
void departing_free(struct departing *departing);
/* That of the local process, or NULL. */
struct departing *departing_find(const struct group *group, uint32_t pid);
/* All nodes there can be: none can be missing for want of memory. False: out of memory. */
bool nodes_create(struct engine *engine);
struct node *node_find(const struct engine *engine, uint32_t nodeid);
/* NULL: more nodes than totem can have. */
struct node *node_obtain(struct engine *engine, uint32_t nodeid);
/* Frees all nodes that have no member and are not in the ring. */
void nodes_tidy(struct engine *engine);
void nodes_destroy(struct engine *engine);
struct member *member_find(const struct group *group, uint32_t nodeid, uint32_t pid);
/* NULL: out of memory. The caller made sure that it is not there yet. `departing`: it is this local process, and there is memory. */
struct member *member_add(struct engine *engine, struct group *group, struct node *node, uint32_t pid);
struct member *member_add_reserved(struct engine *engine, struct departing *departing, struct node *node);
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

/* ---- engine_events.c: events for local clients ---- */
/* `*shared`: the event's copy, made when the first client has to wait for it. */
void client_event(struct engine_client *client, struct event **shared, const struct iovec *iov,
		  unsigned int iov_len);
/* For one with rings: a struct ring_run and `count` messages behind it, which fit in one piece. */
void client_run(struct engine_client *client, struct event **shared, const struct iovec *iov,
		unsigned int iov_len, size_t count);
struct event *event_copy(const struct iovec *iov, unsigned int iov_len);
/* All bytes of its pieces. */
size_t pieces_size(const struct iovec *iov, unsigned int iov_len);
void event_release(struct event *event);
void clients_flush(struct engine *engine);
/* It says that there is. */
void client_has_room(struct engine_client *client);
void client_events_clear(struct engine_client *client);
/* The client's queue grew or shrank: the senders of its group wait while it is long. */
void client_update_behind(struct engine_client *client);
void client_set_behind(struct engine_client *client, bool behind);

/* ---- engine_delivery.c: delivery rings ---- */
/* 0; -EAGAIN: there is no room, the client will say when there is; another error: for client_connection_failed(). */
int delivery_put(struct engine_client *client, uint8_t kind, const struct iovec *iov, unsigned int iov_len);
/* Whether one entry can be of so many bytes, from here on. The ring moves if that helps. */
bool delivery_fits(struct engine_client *client, size_t length);
/*
 * Between the two, when there are to be many, clients are told only now and then: at the latest by deliveries_announce(),
 * which the next visit of the token calls, or the next tick.
 */
void deliveries_begin_many(struct engine *engine, bool many);
void deliveries_end_many(struct engine *engine);
void deliveries_announce(struct engine *engine);
/* Doorbells that could not be rung. */
void deliveries_ring_again(struct engine *engine);
void delivery_end(struct engine_client *client);

/* ---- engine_submission.c: submission rings ---- */
/* Takes what clients sent, until enough waits for totem. */
void submissions_take(struct engine *engine);
/* Something past the turns of rings brought what waits more than `before`. */
void submissions_credit(struct engine *engine, size_t before);
/* The client says that it sent something. */
void submission_rung(struct engine_client *client);
/* Everything that it sent before what comes now. */
void submission_take_all(struct engine_client *client);
/* Its connection is closed. It is freed when its ring is empty, which may be at once. */
void submission_close(struct engine_client *client);
void submission_end(struct rings *rings);

/* ---- engine_clients.c: connections ---- */
void client_evict(struct engine_client *client, const char *why);
/* Who is in no group sends to nobody. */
static inline bool client_may_send(const struct engine_client *client)
{
	return client->state == CLIENT_JOIN_STARTED || client->state == CLIENT_JOINED;
}
/* It has ended, and nothing of it is left to be sent. */
void client_forget(struct engine_client *client);
/* All of a group, or of all groups. */
void group_evict(struct group *group, const char *why);
void groups_evict(struct engine *engine, const char *why);
/* An event could not be sent, by this error. */
void client_connection_failed(struct engine_client *client, int error);
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
/* Whether a member of the client's group is behind, here or elsewhere. */
bool receiver_behind(const struct engine_client *client);
/* Tells the library. */
void segment_receiver_behind(struct engine_client *client);
void rings_end(struct engine_client *client);
/*
 * One of them was full, or too small for an event of `length` bytes to lie there in one piece: now and then that gives them larger
 * data to move to, and what they have may lie somewhere else.
 */
void rings_were_full(struct engine_client *client, size_t length);
/* Rings are about to be touched, in whatever context. */
void rings_arm(const struct engine *engine);
/* What lies at a place that the client says is in a segment of its own. NULL: it is not, or not any more; that was said. */
const uint8_t *segment_message(struct engine_client *client, uint32_t id, uint64_t offset, uint64_t length);
/* Sends what lies in one of the client's segments. CS_OK; CS_ERR_NO_MEMORY; else: that can't be. */
cs_error_t segment_send(struct engine_client *client, const struct ring_block *block);

/* ---- engine_batches.c: records of what clients send ---- */
/* A batch of one record, or of none, that has `room` bytes before it has to grow. NULL: out of memory. */
struct batch *batch_of(const struct record *record, size_t room);
/* False: there is no room. */
bool batch_add(struct batch *batch, const struct record *record);
void batch_free(struct batch *batch);
void batch_rewind(struct batch *batch);
/*
 * Messages that are records already: makes room for `room` bytes of them behind a SENDER (of `sender` pid and group count, no more); copies
 * as much as there is room for; keeps those that make sense, none longer than `length_max`. Returns bytes.
 */
bool batch_begin_messages(struct batch *batch, const struct record *sender, size_t room);
size_t batch_copy(struct batch *batch, const void *records, size_t size);
size_t batch_keep_messages(struct batch *batch, size_t size, size_t length_max);
/* The next record that stock's format has a message for. False: there is none, the cursor is at the end. */
bool batch_step(const struct batch *batch, struct cursor *cursor, struct peer_item *item);
/* Nothing of that kind is behind the `returned` cursor. */
bool batch_is_returned(const struct batch *batch);
/* The SENDER record in force at the cursor; empty: there is none. */
struct peer_bytes batch_sender(const struct batch *batch, const struct cursor *cursor);
bool peer_sender_read(const struct peer_item *item, struct name *name, uint32_t *pid);

/* ---- engine_stock.c: records as stock's messages ---- */
struct stock_message {
	struct iovec iov[2];
	unsigned int iov_len;
	size_t size;
	union {
		struct wire_procjoin procjoin;
		struct wire_mcast mcast;
		struct wire_partial_mcast partial;
	} head;
};
void stock_message_make(struct engine *engine, struct stock_message *message, const struct batch *batch,
			const struct cursor *cursor, const struct peer_item *item);

/* ---- engine_waiting.c: batches on their way out ---- */
/* NULL: it is empty. */
struct batch *batches_first(const struct qb_list_head *list);
/* Frees a batch that is in no list. */
void batch_drop(struct engine *engine, struct batch *batch);
void batches_clear(struct engine *engine, struct qb_list_head *list);
/* The queue of what waits: at its end, out of it, back to its front. */
void waiting_add(struct engine *engine, struct batch *batch);
void waiting_remove(struct engine *engine, struct batch *batch);
void waiting_put_back(struct engine *engine, struct batch *batch);
/* The first of it, in stock's format, is handed over up to there. */
void waiting_hand_over_to(struct engine *engine, struct batch *batch, const struct cursor *cursor);
/* Nothing of the list is with totem any more: it waits again, before all that does. */
void waiting_rewind(struct engine *engine, struct qb_list_head *list);
/* Switches the request channel off while much waits. */
void waiting_hold_or_resume(struct engine *engine);
/* Accepts a record. It goes out in order, at the next flush or later. False: out of memory, nothing happened. */
bool outgoing_record(struct engine *engine, const struct record *record);
/*
 * The batch that takes the next messages of a sender (pid and group), with room for `room` bytes. What is added to it has to
 * be told to outgoing_grew(). NULL: out of memory.
 */
struct batch *outgoing_batch(struct engine *engine, const struct record *sender, size_t room);
void outgoing_grew(struct engine *engine, const struct batch *batch, size_t before);
/* The same for what goes before everything, in this ring or never. NULL: an empty batch. */
bool outgoing_control(struct engine *engine, const struct record *record);
/* Takes those of this kind back that totem does not have yet. */
void outgoing_control_clear(struct engine *engine, uint8_t kind);

/* ---- engine_partials.c: messages in fragments, going out ---- */
/* A message of the client's begins, in place of one that it did not end. False: out of memory. */
bool partial_begin(struct engine_client *client, uint32_t msglen);
/* Accepts a fragment of the client's message, as outgoing_record() does. */
bool partial_add(struct engine_client *client, const struct record *record, bool last);
/* There is no room for another one: one that has stood still for client_stall is given up. */
void partials_no_room(struct engine *engine);
/* That was its last one. */
void partial_end(struct engine_client *client);
/* The client's unfinished message will never be whole: what waits of it is dropped. */
void partial_abandon(struct engine_client *client);
/* The same, and receivers hear of it. */
void partial_give_up(struct engine_client *client);
void partial_release(struct engine *engine, struct partial *partial);
/* This fragment came back. */
void partial_returned(struct engine *engine, struct batch *batch);
/* Receivers have forgotten messages in fragments that are not whole: the rest of them is of no use by itself. */
void partials_break(struct engine *engine);
/*
 * A record came back, the batch's cursor is behind it. Broken messages that its process had sent before it would come
 * behind it now: they are given up. Returns how many these are.
 */
size_t partials_overtaken(struct engine *engine, const struct batch *batch);
/* They are sent again from their first. */
void partials_restart(struct engine *engine);
void partials_destroy(struct engine *engine);

/* ---- engine_outgoing.c: hand-over to totem ---- */
void outgoing_init(struct engine *engine);
void outgoing_destroy(struct engine *engine);
/* In a context where sending is allowed. `token`: what waits for more to join it need not wait any longer. */
void outgoing_flush(struct engine *engine, bool token);
void outgoing_token(struct engine *engine);
void outgoing_tick(struct engine *engine);
/* The mark of this ring came back. */
void outgoing_settled(struct engine *engine);
/* A regular configuration: batches of the old ring will not be taken any more. */
void outgoing_ring_changes(struct engine *engine);
void outgoing_sync_over(struct engine *engine);
/* The ring turned out to be ours: nobody takes what was handed over in it so far. */
void outgoing_settle_again(struct engine *engine);
bool outgoing_is_busy(const struct engine *engine);

/* ---- engine_returned.c: what totem brought back ---- */
void outgoing_batch_returned(struct engine *engine, uint64_t number);
void outgoing_stock_returned(struct engine *engine, size_t size);
/* All of a batch that was handed over is back. */
void returned_whole(struct engine *engine, struct batch *batch);

/* ---- engine_deliver.c: what the ordered stream says, in whatever format ---- */
/* A process, as what it sends names it. */
struct sender {
	uint32_t nodeid, pid;
	struct name group;
};
void deliver_join(struct engine *engine, const struct sender *sender);
void deliver_leave(struct engine *engine, const struct sender *sender, enum reason reason);
void deliver_message(struct engine *engine, const struct sender *sender, const void *payload, size_t length);
/* `count` MESSAGE records, which is all there is in `run`. */
void deliver_messages(struct engine *engine, const struct sender *sender, struct peer_bytes run,
		      size_t count);
void deliver_event(struct engine *engine, const struct group *group, struct event **shared,
		   const struct iovec *iov, unsigned int iov_len);
/* The group, if the sender is one of its members here. */
struct group *deliver_group(const struct engine *engine, const struct sender *sender, struct member **member);

/* ---- engine_large.c: messages in fragments, coming in ---- */
struct fragment {
	uint32_t msglen, type;
	const void *payload;
	size_t length;
};
/* Each costs memory of its own, however short it is: more than these, of a message of that length, are not kept. */
uint32_t fragments_max(uint32_t msglen);
void deliver_fragment(struct engine *engine, const struct sender *sender, const struct fragment *fragment);
void assembly_free(struct engine *engine, struct member *member);
/* A ring begins in which senders start unfinished messages again. */
void assemblies_forget(struct engine *engine);

/* ---- engine_send.c: what clients have to say, as records. False: out of memory ---- */
bool send_message(struct engine_client *client, const void *message, size_t length);
bool send_fragment(struct engine_client *client, const struct fragment *fragment);
/* The message that the client sent fragments of will not be whole. False: out of memory. */
bool send_fragments_end(struct engine_client *client);
bool send_join(struct engine *engine, const struct group *group, uint32_t pid);
bool send_leave(struct engine *engine, const struct group *group, uint32_t pid, enum reason reason);

/* ---- engine_peer.c: messages of our own ---- */
void peer_head_write(const struct engine *engine, struct peer_head *head, enum peer_kind kind,
		     size_t head_size, size_t size);
void message_complain(struct engine *engine, uint32_t nodeid, const char *what);

/* ---- engine_announce.c: who of a ring is one of ours ---- */
/* Not announced yet in this sync; or what shows that this node missed something came only after it. */
bool announce_is_due(const struct engine *engine);
bool announce_send(struct engine *engine);
/* From all who come through with this node, so whatever it missed, it knows. */
bool announce_all_came(const struct engine *engine);
void announce_receive(struct engine *engine, struct node *node, const struct peer_head *head,
		      const struct peer_bytes *bytes);
/* The next ring is there. */
void announce_ring_changes(struct engine *engine);
/* It is activated: its format is known. */
void announce_decide(struct engine *engine);
/* It was not thought to be ours, but others know better: a batch in this version is here. False: that can't be. */
bool announce_believe(struct engine *engine, uint8_t version);

/* ---- engine_exchange.c: who missed a batch is seen as gone and back ---- */
/* A batch from `node` was missed here. */
void exchange_missed(struct engine *engine, const struct node *node, uint64_t expected, uint64_t got);
/* A batch from `node` says that this ring is ours, and what told the others so was missed here. */
void exchange_missed_ring(struct engine *engine, const struct node *node);
/* `node` says, in batch `number`, that it missed one. */
void exchange_leave(struct engine *engine, struct node *node, uint64_t number);
void exchange_present(struct engine *engine, struct node *node, const struct peer_bytes *body);
/* For want of memory this node does not know who is a member any more: nor may its clients go on as if it did. */
void exchange_out_of_memory(struct engine *engine, const char *what);
/* Nothing of clients is sent meanwhile. */
bool exchange_holds(const struct engine *engine);
void exchange_flush(struct engine *engine);
/* The ring changes: sync does what the exchange did not. */
void exchange_end(struct engine *engine);
/* Members of the ring that this node is together with. */
size_t exchange_ring(const struct engine *engine, uint32_t *nodeids);

/* ---- engine_behind.c: slow receivers slow their senders, on all nodes ---- */
/* The group has a receiver here that is behind, or no more. */
void behind_changed(struct engine *engine, struct group *group);
void behind_receive(struct engine *engine, const struct sender *sender, bool behind);
/* Says again what is so here, in a ring of ours; in another one, forgets what other nodes said. */
void behind_begin(struct engine *engine);
/* What a node said that this one is not together with any more. */
void behind_forget_node(struct engine *engine, uint32_t nodeid);
void behind_forget(struct group *group);
void behind_tell_untold(struct engine *engine);

/* ---- engine_sync.c ---- */
/* `entries`: `count` times struct wire_joinlist_entry, not aligned. */
void sync_joinlist(struct engine *engine, struct node *node, const void *entries, size_t count);
/* Forgets what the node's joinlists said. */
void sync_joinlist_clear(struct node *node);
void own_joinlist_free(struct engine *engine);
/* What the ordered stream says of this node at this moment, dead or alive. False: out of memory. */
bool own_joinlist_take(struct engine *engine);
void sync_totem_confchg(struct engine *engine);

/* ---- engine_news.c: what processes of stock nodes did ---- */
/* A JOIN or LEAVE of a process, by a message in stock's format. */
void news_heard(struct engine *engine, const struct sender *process, uint8_t kind, uint8_t detail);
/* By a record of REPEAT: all of ours hear it. */
void news_repeated(struct engine *engine, const struct sender *process, const struct peer_item *item);
/* In this sync: no joinlist brings it back. */
bool news_has_left(struct engine *engine, const struct sender *process);
/* The ring is activated. */
void news_begin(struct engine *engine);
void news_flush(struct engine *engine);
/* Something has still to be told. */
bool news_wait(const struct engine *engine);
void news_receive(struct engine *engine, struct node *node, const struct peer_head *head,
		  const struct peer_bytes *bytes);
void news_clear(struct engine *engine);

/* ---- engine_steps.c: many come or go ---- */
/* Everyone on nodes that were lost since the last activation, or that are not in the ring, leaves; on those that are away. */
void sync_nodes_down(struct engine *engine);
void sync_nodes_away(struct engine *engine);
/* Those that joinlists name come; those that none names leave. All of it, or nothing for want of memory. */
void sync_take_joinlists(struct engine *engine);

#endif
